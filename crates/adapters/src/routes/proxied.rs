//! The way through an HTTP proxy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The head of an answer is not longer than this, in bytes.
const LONGEST: usize = 16 << 10;

/// A proxy that is spoken to in HTTP.
pub(super) struct HttpProxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// What it is told in `Proxy-Authorization`.
    pub(super) login: Option<String>,
}

impl HttpProxy {
    /// Reads its address.
    pub(super) fn of(url: &Url) -> Result<Self, String> {
        let (Some(host), Some(port), "http") = (url.host_str(), url.port_or_known_default(), url.scheme()) else {
            return Err(format!("routes are not asked through a proxy of the scheme {}", url.scheme()));
        };
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let login = (!url.username().is_empty()).then(|| {
            let login = format!("{}:{}", decode(url.username()), decode(url.password().unwrap_or_default()));
            format!("Basic {}", STANDARD.encode(login))
        });
        Ok(Self { host: host.trim_matches(['[', ']']).to_owned(), port, login })
    }

    /// Has it connect to a host (RFC 9110, section 9.3.6).
    pub(super) async fn tunnel(&self, tcp: &mut TcpStream, host: &str, port: u16) -> Result<(), String> {
        let login = self.login.as_ref().map_or_else(String::new, |login| format!("Proxy-Authorization: {login}\r\n"));
        let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{login}\r\n");
        tcp.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut head = Vec::new();
        // Byte by byte: what follows the head is not the proxy's.
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await.map_err(|error| format!("the proxy hung up: {error}"))?);
            if head.len() > LONGEST {
                return Err("the proxy does not answer in HTTP".into());
            }
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).unwrap_or_default();
        if status.starts_with('2') { Ok(()) } else { Err(format!("the proxy answered with HTTP status {status}")) }
    }
}

//! The way through a proxy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The head of an answer is not longer than this, in bytes.
const LONGEST: usize = 16 << 10;

/// A proxy.
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    kind: ProxyKind,
    /// Name and password.
    login: Option<(String, String)>,
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ProxyKind {
    Http,
    Socks,
}

impl Proxy {
    /// Reads its address.
    pub(super) fn of(url: &Url) -> Result<Self, String> {
        let (kind, usual) = match url.scheme() {
            "http" => (ProxyKind::Http, 80),
            "socks5" | "socks5h" => (ProxyKind::Socks, 1080),
            scheme => return Err(format!("routes are not asked through a proxy of the scheme {scheme}")),
        };
        let host = url.host_str().ok_or("the proxy has no host")?.trim_matches(['[', ']']).to_owned();
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let login =
            (!url.username().is_empty()).then(|| (decode(url.username()), decode(url.password().unwrap_or_default())));
        Ok(Self { host, port: url.port().unwrap_or(usual), kind, login })
    }

    /// Whether it is asked for addresses without TLS, and not for a connection.
    pub(super) fn takes_requests(&self) -> bool {
        self.kind == ProxyKind::Http
    }

    /// What it is told in `Proxy-Authorization`.
    pub(super) fn authorization(&self) -> Option<String> {
        let (name, password) = self.login.as_ref()?;
        Some(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
    }

    /// Has it connect to a host.
    pub(super) async fn tunnel(&self, tcp: &mut TcpStream, host: &str, port: u16) -> Result<(), String> {
        match self.kind {
            ProxyKind::Http => self.connect(tcp, host, port).await,
            ProxyKind::Socks => {
                self.socks(tcp, host, port).await.map_err(|error| format!("the proxy hung up: {error}"))?
            }
        }
    }

    /// By HTTP (RFC 9110, section 9.3.6).
    async fn connect(&self, tcp: &mut TcpStream, host: &str, port: u16) -> Result<(), String> {
        let login = self.authorization();
        let login = login.map_or_else(String::new, |login| format!("Proxy-Authorization: {login}\r\n"));
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

    /// By SOCKS (RFC 1928; name and password by RFC 1929). The proxy looks the host up.
    async fn socks(&self, tcp: &mut TcpStream, host: &str, port: u16) -> std::io::Result<Result<(), String>> {
        const WITH_LOGIN: u8 = 2;
        let short = |text: &str| u8::try_from(text.len()).map_err(|_| std::io::Error::other("a name is too long"));
        let method = if self.login.is_some() { WITH_LOGIN } else { 0 };
        tcp.write_all(&[5, 1, method]).await?;
        let answer = [tcp.read_u8().await?, tcp.read_u8().await?];
        if answer != [5, method] {
            return Ok(Err("the proxy does not accept the login, or is none of SOCKS 5".into()));
        }
        if let Some((name, password)) = &self.login {
            let parts = [&[1, short(name)?][..], name.as_bytes(), &[short(password)?][..], password.as_bytes()];
            tcp.write_all(&parts.concat()).await?;
            if [tcp.read_u8().await?, tcp.read_u8().await?][1] != 0 {
                return Ok(Err("the proxy does not accept the login".into()));
            }
        }
        let parts = [&[5, 1, 0, 3, short(host)?][..], host.as_bytes(), &port.to_be_bytes()[..]];
        tcp.write_all(&parts.concat()).await?;
        let mut answer = [0; 4];
        tcp.read_exact(&mut answer).await?;
        let address = match answer[3] {
            1 => 4,
            4 => 16,
            _ => usize::from(tcp.read_u8().await?),
        };
        tcp.read_exact(&mut vec![0; address + 2]).await?;
        Ok(if answer[1] == 0 { Ok(()) } else { Err(format!("the proxy answered with SOCKS status {}", answer[1])) })
    }
}

//! Which proxy a connection goes through. Every client of ours reads the variables as helm and kubectl do, which are written in Go
//! (golang.org/x/net 0.48, `http/httpproxy/proxy.go`). The rules of Rust's libraries differ from those, and from each other: with them
//! one command would reach some of its servers and not the others.

use std::net::IpAddr;

use reqwest::Url;

/// The proxies that a process is told of.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    direct: Vec<Direct>,
}

/// An entry of `NO_PROXY`.
#[derive(Clone)]
enum Direct {
    All,
    Network { address: IpAddr, bits: u8 },
    Address { address: IpAddr, port: Option<u16> },
    Domain { suffix: String, is_itself_meant: bool, port: Option<u16> },
}

impl Proxies {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        Self::by(&|name| std::env::var(name).ok())
    }

    /// Those of somebody with these variables.
    pub(crate) fn by(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let either = |upper: &str| {
            let written = |name: &str| variable(name).filter(|text| !text.is_empty());
            written(upper).or_else(|| written(&upper.to_ascii_lowercase())).unwrap_or_default()
        };
        Self {
            http: proxy(&either("HTTP_PROXY")),
            https: proxy(&either("HTTPS_PROXY")),
            direct: either("NO_PROXY").split(',').filter_map(Direct::parse).collect(),
        }
    }

    /// The proxy for an address; `None` for a direct connection, as to this machine in any case.
    pub(crate) fn of(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref(),
            "http" => self.http.as_ref(),
            _ => None,
        };
        let host = url.host_str()?.trim_matches(['[', ']']).to_ascii_lowercase();
        let (address, port) = (host.parse::<IpAddr>().ok(), url.port_or_known_default());
        let is_here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let is_direct = is_here || self.direct.iter().any(|direct| direct.is_meant(&host, address, port));
        proxy.filter(|_| !is_direct)
    }
}

/// A proxy as it is written: an address, or a host and a port.
fn proxy(text: &str) -> Option<Url> {
    let known = |url: &Url| matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && url.has_host();
    let written = Url::parse(text).ok().filter(known).map(|mut url| {
        // The proxy looks names up in any case (golang.org/x/net 0.48, `internal/socks/socks.go`).
        if url.scheme() == "socks5" {
            let _ = url.set_scheme("socks5h");
        }
        url
    });
    written.or_else(|| Url::parse(&format!("http://{text}")).ok().filter(|url| !text.is_empty() && url.has_host()))
}

impl Direct {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text == "*" {
            return Some(Self::All);
        }
        if let Some((address, bits)) = text.split_once('/') {
            return Some(Self::Network { address: address.parse().ok()?, bits: bits.parse().ok()? });
        }
        if let Ok(address) = text.trim_matches(['[', ']']).parse() {
            return Some(Self::Address { address, port: None });
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (text.as_str(), None),
        };
        if let Ok(address) = name.trim_matches(['[', ']']).parse() {
            return Some(Self::Address { address, port });
        }
        let domain = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
        if domain.is_empty() {
            return None;
        }
        let is_itself_meant = !domain.starts_with('.');
        let suffix = if is_itself_meant { format!(".{domain}") } else { domain.to_owned() };
        Some(Self::Domain { suffix, is_itself_meant, port })
    }

    fn is_meant(&self, host: &str, its_address: Option<IpAddr>, its_port: Option<u16>) -> bool {
        let is_port = |port: &Option<u16>| port.is_none() || *port == its_port;
        match self {
            Self::All => true,
            Self::Network { address, bits } => its_address.is_some_and(|its| is_in(its, *address, *bits)),
            Self::Address { address, port } => its_address == Some(*address) && is_port(port),
            Self::Domain { suffix, is_itself_meant, port } => {
                let is_itself = *is_itself_meant && suffix.strip_prefix('.') == Some(host);
                (is_itself || host.ends_with(suffix.as_str())) && is_port(port)
            }
        }
    }
}

/// Whether an address is in a network: the first bits are the same.
fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (difference, length) = match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(one.to_bits() ^ other.to_bits()) << 96, 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits(), 128),
        _ => return false,
    };
    bits <= length && difference.leading_zeros() >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let all: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Proxies::by(&|name| all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
    }

    fn of(proxies: &Proxies, url: &str) -> Option<String> {
        proxies.of(&Url::parse(url).expect("an address")).map(ToString::to_string)
    }

    #[test]
    fn a_proxy_is_for_a_scheme() {
        let found = proxies(&[("HTTP_PROXY", "http://plain:1"), ("https_proxy", "secure:2")]);
        assert_eq!(of(&found, "http://h.example/").as_deref(), Some("http://plain:1/"));
        assert_eq!(of(&found, "https://h.example/").as_deref(), Some("http://secure:2/"));
        assert_eq!(of(&proxies(&[("HTTP_PROXY", "http://plain:1")]), "https://h.example/"), None);
        // An empty variable is none.
        let found = proxies(&[("HTTPS_PROXY", ""), ("https_proxy", "http://small:1")]);
        assert_eq!(of(&found, "https://h.example/").as_deref(), Some("http://small:1/"));
        for scheme in ["socks5", "socks5h"] {
            let found = proxies(&[("HTTPS_PROXY", &format!("{scheme}://me:hidden@p:1"))]);
            assert_eq!(of(&found, "https://h.example/").as_deref(), Some("socks5h://me:hidden@p:1"));
        }
    }

    #[test]
    fn this_machine_is_asked_directly() {
        let found = proxies(&[("HTTP_PROXY", "http://p:1"), ("HTTPS_PROXY", "http://p:1")]);
        for host in ["localhost", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000"] {
            assert_eq!(of(&found, &format!("https://{host}/")), None, "{host}");
        }
        assert!(of(&found, "https://localhost.example/").is_some());
    }

    #[test]
    fn what_is_excepted_is_asked_directly() {
        for (no, url, is_direct) in [
            ("*", "https://h.example/", true),
            ("h.example", "https://h.example:6443/", true),
            ("h.example", "https://a.h.example/", true),
            ("h.example", "https://oh.example/", false),
            (".example", "https://h.example/", true),
            (".h.example", "https://h.example/", false),
            ("*.h.example", "https://a.h.example/", true),
            ("*.h.example", "https://h.example/", false),
            ("H.Example", "https://h.example/", true),
            ("h.example:6443", "https://h.example:6443/", true),
            ("h.example:6443", "https://h.example/", false),
            ("h.example:443", "https://h.example/", true),
            ("10.0.0.1", "https://10.0.0.1:6443/", true),
            ("10.0.0.1:6443", "https://10.0.0.1:6443/", true),
            ("10.0.0.1:6443", "https://10.0.0.1/", false),
            ("10.0.0.0/8", "https://10.1.2.3/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("0.0.0.0/0", "https://11.1.2.3/", true),
            ("10.0.0.0/40", "https://10.0.0.0/", false),
            ("fd00::/8", "https://[fd00::1]/", true),
            ("fd00::1", "https://[fd00::1]:6443/", true),
            ("[fd00::1]:6443", "https://[fd00::1]:6443/", true),
            ("10.0.0.0/8", "https://h.example/", false),
            // Empty entries, and such as no host has, are passed over.
            (" , h.example ,", "https://h.example/", true),
            (",:6443,no/host", "https://h.example:6443/", false),
            // The address of the proxy is no address that is asked.
            ("p", "https://h.example/", false),
        ] {
            let found = proxies(&[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", no)]);
            assert_eq!(of(&found, url).is_none(), is_direct, "{no} {url}");
        }
    }
}

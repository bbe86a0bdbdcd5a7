//! The HTTP clients of a registry.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use portolan_model::{Code, Finding};
use reqwest::{Certificate, Client, ClientBuilder, Url};

use super::client::{RegistryAccess, causes};
use crate::proxies::Proxies;

/// A client for addresses with TLS, and one for those without. Whoever speaks TLS reads the machine's hundreds of certificates
/// first, which takes longer than to ask a registry whether it has an image.
pub(super) struct Clients {
    proxies: Proxies,
    /// Certificates to trust beside those of the system.
    own: Vec<Certificate>,
    /// Trusts no certificate.
    plain: Client,
    /// Made when it is first needed: a registry without TLS may lead to a storage or to a token service that has it.
    tls: OnceLock<Client>,
}

impl Clients {
    /// Those for a registry at this address.
    ///
    /// # Errors
    /// [`Code::BadOption`] if the CA file is not usable, or no client can be made.
    pub(super) fn new(base: &Url, access: &RegistryAccess) -> Result<Self, Finding> {
        // Two features of one dependency can leave rustls without a default; an earlier choice is kept.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let proxies = Proxies::of_process();
        let own = access.ca_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
        let plain = built(builder(&proxies).tls_certs_only([]))?;
        let clients = Self { proxies, own, plain, tls: OnceLock::new() };
        clients.of(base)?;
        Ok(clients)
    }

    /// The client for an address.
    ///
    /// # Errors
    /// [`Code::BadOption`] if none can be made.
    pub(super) fn of(&self, url: &Url) -> Result<&Client, Finding> {
        // A proxy can be one that is itself reached with TLS.
        let is_tls = |url: &Url| url.scheme() == "https";
        if !is_tls(url) && !self.proxies.of(url).is_some_and(is_tls) {
            return Ok(&self.plain);
        }
        if let Some(client) = self.tls.get() {
            return Ok(client);
        }
        let client = built(builder(&self.proxies).tls_certs_merge(self.own.clone()))?;
        Ok(self.tls.get_or_init(|| client))
    }
}

fn builder(proxies: &Proxies) -> ClientBuilder {
    let proxies = proxies.clone();
    Client::builder()
        .proxy(reqwest::Proxy::custom(move |url| proxies.of(url).cloned()))
        // Where a registry leads to is looked at before anything is sent there.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(120))
        .user_agent(concat!("portolan/", env!("CARGO_PKG_VERSION")))
}

fn built(builder: ClientBuilder) -> Result<Client, Finding> {
    let none =
        |error: reqwest::Error| Finding::blocking(Code::BadOption, "no HTTP client can be made").with(causes(&error));
    builder.build().map_err(none)
}

/// The certificates of a file in PEM.
fn certificates(path: &Path) -> Result<Vec<Certificate>, Finding> {
    let unusable = |error: String| {
        Finding::blocking(Code::BadOption, format!("{} cannot be used as a CA", path.display())).with(error)
    };
    let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
    if certificates.is_empty() {
        return Err(unusable("it has no certificate in PEM".into()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read_only_for_tls() {
        let url = |text: &str| Url::parse(text).expect("an address");
        let clients = Clients::new(&url("http://127.0.0.1:5000/v2/"), &RegistryAccess::default()).expect("clients");
        clients.of(&url("http://storage.example/a")).expect("a client");
        assert!(clients.tls.get().is_none());
        clients.of(&url("https://storage.example/a")).expect("a client");
        assert!(clients.tls.get().is_some());
        let clients = Clients::new(&url("https://127.0.0.1:5000/v2/"), &RegistryAccess::default()).expect("clients");
        assert!(clients.tls.get().is_some());
        let by = |name: &str| (name == "HTTP_PROXY").then(|| "https://proxy.example:3128".to_owned());
        let proxies = Proxies::by(&by);
        let plain = built(builder(&proxies).tls_certs_only([])).expect("a client");
        let clients = Clients { proxies, own: Vec::new(), plain, tls: OnceLock::new() };
        clients.of(&url("http://registry.example/v2/")).expect("a client");
        assert!(clients.tls.get().is_some(), "its proxy is reached with TLS");
    }
}

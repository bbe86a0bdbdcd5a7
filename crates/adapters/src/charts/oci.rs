//! A registry. Its tags are the versions of a chart.

use std::error::Error as _;
use std::path::PathBuf;
use std::time::Duration;

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use portolan_model::{ChartId, Code, Finding};

use super::{Access, Files, Offer, source::OCI};
use crate::helm::Home;
use crate::proxies::Proxies;

/// How many tags are asked for at a time.
const PAGE: usize = 500;

/// Where the home keeps a login that was given.
const REGISTRIES: &str = "config/registry/config.json";

/// Asks for the tags of the charts of these names, and says which file of logins helm is to use; `None` for the one of
/// its home. An address that ends with one of the names is that chart alone.
pub(super) async fn list(
    home: &Home,
    host: &str,
    path: &str,
    names: &[String],
    access: &Access,
    files: &Files,
) -> Result<(Vec<Offer>, Option<PathBuf>), Finding> {
    let (login, registry) = match &access.login {
        Some(login) => {
            home.write(REGISTRIES, &login.file(host))?;
            (Some(login.clone()), None)
        }
        None => (files.login(host)?, files.registries().map(PathBuf::from)),
    };
    let auth = login.map_or(RegistryAuth::Anonymous, |login| RegistryAuth::Basic(login.username, login.password));
    let client = client(access.plain_http, host)?;
    let (mut offers, mut refused) = (Vec::new(), None);
    for (name, repository) in repositories(path, names) {
        match tags(&client, host, &repository, &auth).await {
            Ok(tags) => offers.extend(tags.iter().filter_map(|tag| offer(host, &repository, name, tag))),
            Err(finding) if finding.code == Code::NotInRepository => {}
            // Some registries say this of what they do not have, so another one of the names may still be there.
            Err(finding) if finding.code == Code::RepositoryDenied => refused = Some(finding),
            Err(finding) => return Err(finding),
        }
    }
    match refused {
        Some(finding) if offers.is_empty() => Err(finding),
        _ => Ok((offers, registry)),
    }
}

fn client(plain_http: bool, host: &str) -> Result<Client, Finding> {
    // Two features of one dependency can leave rustls without a default; an earlier choice is kept.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scheme = if plain_http { "http" } else { "https" };
    let url = reqwest::Url::parse(&format!("{scheme}://{host}")).ok();
    let proxy = url.and_then(|url| Proxies::of_process().of(&url).map(ToString::to_string));
    // What is set here replaces what the library would read from the variables by rules of its own; without a proxy, no host has one.
    let no_proxy = proxy.is_none().then(|| EVERYWHERE.to_owned());
    let proxy = Some(proxy.unwrap_or_else(|| "http://localhost".to_owned()));
    let config = ClientConfig {
        http_proxy: proxy.clone(),
        https_proxy: proxy,
        no_proxy,
        protocol: if plain_http { ClientProtocol::Http } else { ClientProtocol::Https },
        connect_timeout: Some(Duration::from_secs(10)),
        read_timeout: Some(Duration::from_secs(60)),
        user_agent: concat!("portolan/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(|error| explain(&error, host))
}

/// Every name and every address: the library's asterisk stands for names alone.
const EVERYWHERE: &str = "*,0.0.0.0/0,::/0";

/// The charts to look for, and where.
fn repositories<'a>(path: &str, names: &'a [String]) -> Vec<(&'a str, String)> {
    let last = path.rsplit('/').next().unwrap_or_default();
    match names.iter().find(|name| *name == last) {
        Some(name) => vec![(name, path.to_owned())],
        None if path.is_empty() => names.iter().map(|name| (name.as_str(), name.clone())).collect(),
        None => names.iter().map(|name| (name.as_str(), format!("{path}/{name}"))).collect(),
    }
}

/// A tag that is a version. A tag cannot hold a plus; helm writes an underscore in its place (helm 3.22.0,
/// `pkg/registry/client.go`).
fn offer(host: &str, repository: &str, name: &str, tag: &str) -> Option<Offer> {
    let version = tag.replace('_', "+");
    Some(Offer {
        id: ChartId { name: name.to_owned(), version: crate::compat::chart_version(&version)? },
        pull: format!("{OCI}{host}/{repository}"),
        version,
        digest: None,
    })
}

async fn tags(client: &Client, host: &str, repository: &str, auth: &RegistryAuth) -> Result<Vec<String>, Finding> {
    let reference = Reference::with_tag(host.to_owned(), repository.to_owned(), "latest".to_owned());
    let mut all: Vec<String> = Vec::new();
    loop {
        let page = client.list_tags(&reference, auth, Some(PAGE), all.last().map(String::as_str)).await;
        let page = page.map_err(|error| explain(&error, host))?.tags;
        let (full, before) = (page.len() >= PAGE, all.len());
        // A registry that knows no pages gives the same tags again.
        all.extend(page.into_iter().filter(|tag| !all.contains(tag)).collect::<Vec<_>>());
        if !full || all.len() == before {
            return Ok(all);
        }
    }
}

fn explain(error: &OciDistributionError, host: &str) -> Finding {
    use OciDistributionError as E;
    let is = |wanted: &[OciErrorCode]| match error {
        E::RegistryError { envelope, .. } => envelope.errors.iter().any(|error| wanted.contains(&error.code)),
        _ => false,
    };
    let code = match error {
        E::AuthenticationFailure(_) | E::UnauthorizedError { .. } | E::ServerError { code: 401 | 403, .. } => {
            Code::RepositoryDenied
        }
        _ if is(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) => Code::RepositoryDenied,
        E::ServerError { code: 404, .. } => Code::NotInRepository,
        _ if is(&[OciErrorCode::NameUnknown, OciErrorCode::NotFound]) => Code::NotInRepository,
        E::JsonError(_) | E::ManifestEncodingError(_) | E::RegistryTokenDecodeError(_) => Code::BadIndex,
        _ => Code::RepositoryUnreachable,
    };
    let found = match code {
        Code::RepositoryDenied => format!("{OCI}{host} turns this login away"),
        Code::NotInRepository => format!("{OCI}{host} does not have it"),
        Code::BadIndex => format!("{OCI}{host} does not speak as a registry"),
        _ => format!("{OCI}{host} does not answer as it should"),
    };
    // The registry's page and the token's address are not evidence: the one is long, the other may hold a secret.
    let evidence = match error {
        E::ServerError { code, .. } => format!("HTTP status {code}"),
        E::AuthenticationFailure(_) => "the login was refused".to_owned(),
        E::RequestError(error) => {
            let mut cause = error.source();
            let mut said = String::new();
            while let Some(error) = cause {
                said = error.to_string();
                cause = error.source();
            }
            if said.is_empty() { "the request failed".to_owned() } else { said }
        }
        error => error.to_string(),
    };
    Finding::blocking(code, found).with(evidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_chart_or_what_stands_before_it() {
        let names = ["runai-backend".to_owned(), "control-plane".to_owned()];
        let at = |path: &str| -> Vec<String> { repositories(path, &names).into_iter().map(|(_, at)| at).collect() };
        assert_eq!(at("a/control-plane"), ["a/control-plane"]);
        assert_eq!(at("a/b"), ["a/b/runai-backend", "a/b/control-plane"]);
        assert_eq!(at(""), ["runai-backend", "control-plane"]);
    }

    #[tokio::test]
    async fn a_registry_that_knows_no_pages_and_does_not_sort_is_asked_until_nothing_is_new() {
        let registry = portolan_testkit::memory_registry::MemoryRegistry::start(None).expect("a registry");
        let mut expected: Vec<String> = (0..PAGE + 7).map(|number| format!("1.0.{number}")).collect();
        expected.iter().for_each(|tag| registry.put_manifest("team/c", tag, b"{}"));
        let host = registry.address();
        let client = client(true, &host).expect("a client");
        let mut found = tags(&client, &host, "team/c", &RegistryAuth::Anonymous).await.expect("tags");
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_tag_is_a_version_or_nothing() {
        let made = offer("h", "a/c", "c", "1.2.3_b4").expect("a version");
        assert_eq!((made.id.to_string().as_str(), made.pull.as_str()), ("c 1.2.3+b4", "oci://h/a/c"));
        assert!(offer("h", "a/c", "c", "latest").is_none());
    }
}

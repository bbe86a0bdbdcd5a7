//! The few calls of the OCI distribution API (specification 1.1) that a push needs.

use std::collections::HashMap;
use std::path::PathBuf;

use futures::StreamExt as _;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use portolan_bundle::media_type;
use portolan_model::{Code, Digest, Finding};
use reqwest::{Body, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::Mutex;

use super::auth::{self, Challenge, Purpose};
use super::clients::Clients;
use crate::charts::Login;

/// What is accepted as a manifest.
const MANIFESTS: [&str; 4] =
    [media_type::MANIFEST, media_type::INDEX, media_type::DOCKER_MANIFEST, media_type::DOCKER_LIST];

/// A manifest is at most this long (OCI distribution specification 1.1, "Pushing Manifests").
const LONGEST: usize = 4 << 20;

/// How a registry is reached.
#[derive(Clone, Debug, Default)]
pub struct RegistryAccess {
    /// The login; without one, it is tried without.
    pub login: Option<Login>,
    /// Whether the registry is spoken to without TLS.
    pub plain_http: bool,
    /// Certificates to trust beside those of the system, in PEM.
    pub ca_file: Option<PathBuf>,
}

/// A registry.
pub(super) struct Registry {
    pub(super) host: String,
    purpose: Purpose,
    base: Url,
    http: Clients,
    login: Option<Login>,
    /// How it wants to be told who asks; `None` until it has refused a request.
    challenge: Mutex<Option<Challenge>>,
    /// Tokens, by what they are for.
    tokens: Mutex<HashMap<String, String>>,
}

/// What a registry says of a manifest.
pub(super) enum ManifestHead {
    /// It is there, with this digest.
    There(Option<Digest>),
    Absent,
    /// It does not say; why.
    Refused(String),
}

/// Where a blob is to be sent, or that this is not needed.
pub(super) enum Upload {
    /// The registry has taken the blob from another repository.
    Mounted,
    To(Url),
}

impl Registry {
    pub(super) fn new(host: &str, access: &RegistryAccess, purpose: Purpose) -> Result<Self, Finding> {
        let scheme = if access.plain_http { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{host}/v2/")).map_err(|error| {
            let found = format!("`{host}` is not the address of a registry");
            Finding::blocking(Code::BadOption, found).with(error.to_string())
        })?;
        let http = Clients::new(&base, access)?;
        Ok(Self {
            host: host.to_owned(),
            purpose,
            base,
            http,
            login: access.login.clone(),
            challenge: Mutex::default(),
            tokens: Mutex::default(),
        })
    }

    /// Asks whether this is a registry, and how it wants to be spoken to.
    pub(super) async fn greet(&self) -> Result<(), Finding> {
        let response = self.send(self.http.of(&self.base)?.get(self.base.clone())).await?;
        self.note_challenge(&response).await;
        match response.status() {
            StatusCode::OK | StatusCode::UNAUTHORIZED => Ok(()),
            status => Err(self.unreachable(format!("{} answered with HTTP status {}", self.base, status.as_u16()))),
        }
    }

    async fn head_blob(&self, repository: &str, digest: &Digest) -> Result<Response, Finding> {
        let url = self.url(&format!("{repository}/blobs/{digest}"));
        let http = self.http.of(&url)?;
        self.call(&[repository], || http.head(url.clone())).await
    }

    /// Whether a repository has a blob.
    pub(super) async fn has_blob(&self, repository: &str, digest: &Digest) -> Result<bool, Finding> {
        let response = self.head_blob(repository, digest).await?;
        match response.status() {
            // A registry that keeps its content elsewhere answers with the place.
            status if status.is_success() || status.is_redirection() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.refused(&format!("{repository}: {digest}"), response).await),
        }
    }

    /// Begins an upload. With `from`, the registry may take the blob from that repository of its own.
    pub(super) async fn begin(&self, repository: &str, digest: &Digest, from: Option<&str>) -> Result<Upload, Finding> {
        let mut url = self.url(&format!("{repository}/blobs/uploads/"));
        let mut scopes = vec![repository];
        if let Some(from) = from {
            url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", from);
            scopes.push(from);
        }
        let http = self.http.of(&url)?;
        let request = || http.post(url.clone()).header(CONTENT_LENGTH, 0);
        let response = self.call(&scopes, request).await?;
        match response.status() {
            StatusCode::CREATED if from.is_some() => Ok(Upload::Mounted),
            StatusCode::ACCEPTED => self.location(&response).map(Upload::To),
            _ => Err(self.refused(&format!("{repository}: {digest}"), response).await),
        }
    }

    /// Sends the content of a blob whose digest is not known yet. Returns where the upload is to be ended.
    pub(super) async fn patch(&self, repository: &str, to: Url, body: Body) -> Result<Url, Finding> {
        let request = self.http.of(&to)?.patch(to.clone()).header(CONTENT_TYPE, "application/octet-stream").body(body);
        let request = if self.is_own(&to) { self.authorized(request, &[repository]).await? } else { request };
        let response = self.send(request).await?;
        // The specification has 202, and some registries answer with 204.
        if matches!(response.status(), StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            return self.location(&response);
        }
        Err(self.refused(&format!("{repository}: a layer"), response).await)
    }

    /// Ends the upload of a blob of this size; with a body, after it has sent all of it. The registry compares the content with the
    /// digest, and may say which one it has found (OCI distribution specification 1.1, "Pushing blobs"). Of one that does not say it,
    /// the blob is asked for.
    pub(super) async fn finish(
        &self,
        repository: &str,
        to: Url,
        digest: &Digest,
        size: u64,
        body: Option<Body>,
    ) -> Result<(), Finding> {
        let mut url = to;
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let request = self.http.of(&url)?.put(url.clone()).header(CONTENT_TYPE, "application/octet-stream");
        let request = match body {
            Some(body) => request.header(CONTENT_LENGTH, size).body(body),
            None => request.header(CONTENT_LENGTH, 0),
        };
        let request = if self.is_own(&url) { self.authorized(request, &[repository]).await? } else { request };
        let response = self.send(request).await?;
        if response.status() != StatusCode::CREATED {
            return Err(self.refused(&format!("{repository}: {digest}"), response).await);
        }
        match content_digest(&response) {
            Some(found) if found == *digest => Ok(()),
            Some(found) => Err(self.differs(format!("{repository}: {digest} was sent, {found} is there"))),
            None => self.confirm(repository, digest, size).await,
        }
    }

    /// Whether a blob that was sent is there, as long as it was.
    async fn confirm(&self, repository: &str, digest: &Digest, size: u64) -> Result<(), Finding> {
        let response = self.head_blob(repository, digest).await?;
        let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        match response.status() {
            StatusCode::NOT_FOUND => Err(self.differs(format!("{repository}: {digest} was sent, and is not there"))),
            status if status.is_success() => match length.filter(|length| *length != size) {
                None => Ok(()),
                Some(length) => {
                    Err(self.differs(format!("{repository}: {digest} has {size} bytes, and {length} are there")))
                }
            },
            status if status.is_redirection() => Ok(()),
            _ => Err(self.refused(&format!("{repository}: {digest}"), response).await),
        }
    }

    fn differs(&self, evidence: String) -> Finding {
        Finding::blocking(Code::RegistryDiffers, format!("{} keeps another content", self.host)).with(evidence)
    }

    /// Whether there is a manifest under a tag or a digest, and which, where the registry says so.
    pub(super) async fn head_manifest(&self, repository: &str, reference: &str) -> Result<ManifestHead, Finding> {
        let url = self.url(&format!("{repository}/manifests/{reference}"));
        let http = self.http.of(&url)?;
        let request = || http.head(url.clone()).header(ACCEPT, MANIFESTS.join(", "));
        let response = self.call(&[repository], request).await?;
        let host = &self.host;
        Ok(match response.status() {
            status if status.is_success() => ManifestHead::There(content_digest(&response)),
            StatusCode::NOT_FOUND => ManifestHead::Absent,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.login.is_none() => {
                ManifestHead::Refused(format!("{host} wants a login"))
            }
            status => ManifestHead::Refused(format!("{host} answered with HTTP status {}", status.as_u16())),
        })
    }

    /// The manifest under a tag or a digest: its text, as it is.
    pub(super) async fn manifest(&self, repository: &str, reference: &str) -> Result<Option<Vec<u8>>, Finding> {
        let url = self.url(&format!("{repository}/manifests/{reference}"));
        let http = self.http.of(&url)?;
        let request = || http.get(url.clone()).header(ACCEPT, MANIFESTS.join(", "));
        let response = self.call(&[repository], request).await?;
        match response.status() {
            StatusCode::OK => {
                let mut text = Vec::new();
                let mut parts = response.bytes_stream();
                while let Some(part) = parts.next().await {
                    text.extend_from_slice(&part.map_err(|error| self.unreachable(causes(&error)))?);
                    if text.len() > LONGEST {
                        return Err(self.unreachable(format!("{repository}:{reference} is longer than a manifest")));
                    }
                }
                Ok(Some(text))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refused(&format!("{repository}:{reference}"), response).await),
        }
    }

    /// Puts a manifest under a tag or its digest.
    pub(super) async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        text: &str,
    ) -> Result<(), Finding> {
        let url = self.url(&format!("{repository}/manifests/{reference}"));
        let http = self.http.of(&url)?;
        let request = || http.put(url.clone()).header(CONTENT_TYPE, media_type).body(text.to_owned());
        let response = self.call(&[repository], request).await?;
        if response.status() == StatusCode::CREATED {
            return Ok(());
        }
        Err(self.refused(&format!("{repository}:{reference}"), response).await)
    }

    fn url(&self, path: &str) -> Url {
        self.base.join(path).expect("repositories, tags and digests have no character of their own in a URL")
    }

    /// Where an upload goes on. An address elsewhere is used, but without a login.
    fn location(&self, response: &Response) -> Result<Url, Finding> {
        let text = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let url = text.and_then(|text| response.url().join(text).ok());
        let url = url.ok_or_else(|| self.unreachable("it did not say where a blob is to be sent".into()))?;
        if self.base.scheme() == "https" && url.scheme() != "https" {
            return Err(self.unreachable("it wants a blob to be sent without TLS".into()));
        }
        Ok(url)
    }

    /// Whether an address has the same scheme, host and port: only there a login is sent.
    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// Sends a request that can be repeated: once more with a new token, if the registry refuses the one at hand.
    async fn call(&self, repositories: &[&str], request: impl Fn() -> RequestBuilder) -> Result<Response, Finding> {
        let response = self.send(self.authorized(request(), repositories).await?).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.note_challenge(&response).await {
            return Ok(response);
        }
        self.tokens.lock().await.remove(&auth::scope(self.purpose, repositories));
        self.send(self.authorized(request(), repositories).await?).await
    }

    async fn note_challenge(&self, response: &Response) -> bool {
        let challenge = Challenge::of(response.headers());
        let found = challenge.is_some();
        if found {
            *self.challenge.lock().await = challenge;
        }
        found
    }

    async fn authorized(&self, request: RequestBuilder, repositories: &[&str]) -> Result<RequestBuilder, Finding> {
        let challenge = self.challenge.lock().await.clone();
        match (challenge, &self.login) {
            (Some(Challenge::Basic), Some(login)) => Ok(request.basic_auth(&login.username, Some(&login.password))),
            (Some(Challenge::Bearer { realm, service }), _) => {
                let token = self.token(&realm, service.as_deref(), &auth::scope(self.purpose, repositories)).await?;
                Ok(request.bearer_auth(token))
            }
            _ => Ok(request),
        }
    }

    async fn token(&self, realm: &str, service: Option<&str>, scope: &str) -> Result<String, Finding> {
        // Held while it is fetched: parallel uploads wait for one token instead of fetching one each.
        let mut tokens = self.tokens.lock().await;
        if let Some(token) = tokens.get(scope) {
            return Ok(token.clone());
        }
        let denied = |why: &str| self.denied(why.to_owned());
        let mut url = Url::parse(realm).map_err(|_| denied("the address of its token service is not usable"))?;
        // Without TLS anybody on the way could have written the address.
        if url.scheme() != "https" && url.host_str() != self.base.host_str() {
            return Err(denied("its token service is elsewhere and has no TLS"));
        }
        if url.scheme() != "https" && self.base.scheme() == "https" {
            return Err(denied("its token service has no TLS"));
        }
        for (key, value) in service.map(|service| ("service", service)).into_iter().chain(auth::scopes(scope)) {
            url.query_pairs_mut().append_pair(key, value);
        }
        let request = self.http.of(&url)?.get(url);
        let request = match &self.login {
            Some(login) => request.basic_auth(&login.username, Some(&login.password)),
            None => request,
        };
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(denied(&format!("its token service answered with HTTP status {}", response.status().as_u16())));
        }
        let text = response.bytes().await.map_err(|error| self.unreachable(causes(&error)))?;
        let token = auth::token(&text).ok_or_else(|| denied("its token service gave no token"))?;
        tokens.insert(scope.to_owned(), token.clone());
        Ok(token)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Finding> {
        request.send().await.map_err(|error| self.unreachable(causes(&error)))
    }

    fn unreachable(&self, evidence: String) -> Finding {
        Finding::blocking(Code::RegistryUnreachable, format!("{} does not answer as a registry", self.host))
            .with(evidence)
    }

    fn denied(&self, evidence: String) -> Finding {
        Finding::blocking(Code::RegistryDenied, format!("{} does not accept the login", self.host)).with(evidence)
    }

    /// What a registry says when it refuses.
    async fn refused(&self, what: &str, response: Response) -> Finding {
        let status = response.status();
        let text = response.bytes().await.unwrap_or_default();
        let said = auth::errors(&text);
        let evidence = format!(
            "{what}: HTTP status {}{}",
            status.as_u16(),
            said.map_or_else(String::new, |said| format!(", {said}"))
        );
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return match self.login {
                Some(_) => self.denied(evidence),
                None => Finding::blocking(Code::RegistryDenied, format!("{} wants a login", self.host)).with(evidence),
            };
        }
        if status.is_server_error() {
            return self.unreachable(evidence);
        }
        Finding::blocking(Code::RegistryRefused, format!("{} refused a push", self.host)).with(evidence)
    }
}

/// The digest of what a registry answers with, where it says so (OCI distribution specification 1.1: it may).
fn content_digest(response: &Response) -> Option<Digest> {
    Digest::parse(response.headers().get("docker-content-digest")?.to_str().ok()?)
}

/// The innermost cause: the outer ones repeat the address, which may hold a secret.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    let mut said = "the request failed".to_owned();
    while let Some(error) = cause {
        said = error.to_string();
        cause = error.source();
    }
    said
}

//! A small client of the rig's API server for what tests and the rig itself ask. It blocks, and may be called anywhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::net::API_PORT;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The way to an API server: its address and the certificates of an administrator.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    tls: TlsConnector,
}

impl Upstream {
    /// Reads the certificates of a run folder.
    pub(crate) fn new(host: Ipv4Addr, run: &Path) -> Result<Self> {
        let pem = |name: &str| fs::read(run.join("pki").join(name));
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem("ca.crt")?)?)?;
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(&pem("admin.crt")?)?],
                PrivateKeyDer::from_pem_slice(&pem("admin.key")?)?,
            )?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { address: SocketAddr::from((host, API_PORT)), tls: TlsConnector::from(Arc::new(config)) })
    }

    /// A fresh connection.
    pub(crate) async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(self.tls.connect(ServerName::from(self.address.ip()), stream).await?)
    }
}

/// The cryptography all of the kit's connections use. Named outright, as a process may hold more than one.
pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A blocking client with an administrator's rights.
///
/// Paths are the API's own (`/api/v1/namespaces/x/pods`), bodies and answers are JSON.
#[derive(Clone)]
pub struct Api {
    upstream: Upstream,
}

impl Api {
    pub(crate) fn new(upstream: Upstream) -> Self {
        Self { upstream }
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// One request. Any answer counts, an error status too: it comes back with its body (a string if it is no JSON).
    pub fn call(&self, method: &Method, path: &str, kind: &str, body: Option<&Value>) -> Result<(StatusCode, Value)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::HOST, self.upstream.address.to_string())
            .header(header::USER_AGENT, "testkit")
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, kind)
            .body(Full::new(Bytes::from(body)))?;
        // On a thread of its own: the caller may itself be inside an asynchronous runtime, where blocking is refused.
        std::thread::scope(|scope| scope.spawn(|| self.block(request)).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            .with_context(|| format!("{method} {path}"))
    }

    fn block(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Value)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { tokio::time::timeout(LIMIT, self.send(request)).await.context("no answer in time")? })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Value)> {
        let stream = TokioIo::new(self.upstream.connect().await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        driver.abort();
        let value =
            serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into()));
        Ok((status, value))
    }

    fn expect(&self, method: &Method, path: &str, kind: &str, body: Option<&Value>) -> Result<Value> {
        let (status, value) = self.call(method, path, kind, body)?;
        if !status.is_success() {
            bail!(
                "{method} {path}: {status}: {}",
                value["message"].as_str().map_or_else(|| value.to_string(), str::to_owned)
            );
        }
        Ok(value)
    }

    /// Reads an object or a list, which must be there.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.expect(&Method::GET, path, JSON, None)
    }

    /// Reads an object; `None` when there is none.
    pub fn find(&self, path: &str) -> Result<Option<Value>> {
        match self.call(&Method::GET, path, JSON, None)? {
            (status, value) if status.is_success() => Ok(Some(value)),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, value) => bail!("GET {path}: {status}: {value}"),
        }
    }

    /// Creates an object in the collection at `path`.
    pub fn create(&self, path: &str, object: &Value) -> Result<Value> {
        self.expect(&Method::POST, path, JSON, Some(object))
    }

    /// Changes an object by a merge patch.
    pub fn patch(&self, path: &str, patch: &Value) -> Result<Value> {
        self.expect(&Method::PATCH, path, "application/merge-patch+json", Some(patch))
    }

    /// Deletes an object or a collection; `false` when it was not there.
    pub fn delete(&self, path: &str) -> Result<bool> {
        match self.call(&Method::DELETE, path, JSON, None)? {
            (status, _) if status.is_success() => Ok(true),
            (StatusCode::NOT_FOUND, _) => Ok(false),
            (status, value) => bail!("DELETE {path}: {status}: {value}"),
        }
    }

    /// Whether the API server says that it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.call(&Method::GET, "/readyz", JSON, None), Ok((StatusCode::OK, _)))
    }

    /// Whether the node says that it is ready.
    pub fn node_is_ready(&self, node: &str) -> Result<bool> {
        let node = self.find(&format!("/api/v1/nodes/{node}"))?;
        let ready =
            |node: &Value| node["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(is_true("Ready")));
        Ok(node.as_ref().is_some_and(ready))
    }
}

/// The content type of a whole object.
pub(crate) const JSON: &str = "application/json";

/// Tells the condition of a type when it is true.
pub(crate) fn is_true(kind: &str) -> impl Fn(&Value) -> bool {
    move |condition| condition["type"] == kind && condition["status"] == "True"
}

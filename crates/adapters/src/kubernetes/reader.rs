//! Reads: what the server turns away for the moment is asked for again, and what it is and has is asked once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Bytes;
use kube::core::Status;
use portolan_kube_facts::ListPage;
use serde_json::{Value, json};

use super::error::{TOO_LATE, is_broken, tellable};

/// Seconds for one read, the waits that the server asks for included.
const LIMIT: u64 = 60;

/// Milliseconds before a read over a connection that broke is tried again.
const PAUSES: [u64; 2] = [200, 1000];

/// How groups and kinds are asked for: all in one answer where the server can (Kubernetes 1.26 and later), else the groups alone.
/// Of these forms helm 3.14.4 accepts the second and the third, helm 3.22.0 and 4.3.1 the first and the third.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// An answer of an API server, whole.
#[derive(Clone, Debug)]
pub(crate) struct HttpReply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

impl HttpReply {
    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self { status, content_type: "application/json".into(), body: body.to_string().into() }
    }

    /// A failure in the words of an API server.
    pub(crate) fn failure(status: StatusCode, reason: &str, message: &str, details: &Value) -> Self {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "details": details, "code": status.as_u16(),
        });
        Self::json(status, &body)
    }

    /// Its body; null where it is no JSON.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Its JSON, unless it is a failure.
    fn success(self) -> Result<Value, kube::Error> {
        serde_json::from_slice(&self.content()?).map_err(kube::Error::SerdeError)
    }

    /// Its body, unless it is a failure.
    fn content(self) -> Result<Bytes, kube::Error> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let said = || Status::failure(&String::from_utf8_lossy(&self.body), "").with_code(self.status.as_u16());
        Err(tellable(kube::Error::Api(Box::new(serde_json::from_slice(&self.body).unwrap_or_else(|_| said())))))
    }
}

/// One GET. The answer comes whole, whatever its status.
pub(crate) async fn get(kube: &kube::Client, path: &str, accept: &str) -> Result<HttpReply, kube::Error> {
    let accept = HeaderValue::from_str(accept).map_err(|error| kube::Error::HttpError(error.into()))?;
    let request = Request::get(path).header(header::ACCEPT, accept).body(kube::client::Body::empty());
    let (parts, body) = kube.send(request.map_err(kube::Error::HttpError)?).await?.into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    Ok(HttpReply { status: parts.status, content_type, body: body.collect().await?.to_bytes() })
}

/// An answer, once there is one.
type Kept = Arc<tokio::sync::Mutex<Option<HttpReply>>>;

/// Reads as one user, and counts how often.
pub(crate) struct Reader {
    pub(super) kube: kube::Client,
    pub(super) reads: AtomicU32,
    about: Mutex<HashMap<String, Kept>>,
}

impl Reader {
    pub(super) fn new(kube: kube::Client) -> Self {
        Self { kube, reads: AtomicU32::new(0), about: Mutex::default() }
    }

    /// One GET of JSON. What the server turns away for the moment the client itself asks again; a connection that broke is tried
    /// twice more, which a read can bear.
    pub(super) async fn fetch(&self, path: &str) -> Result<Value, kube::Error> {
        self.patient(path, "application/json").await?.success()
    }

    /// The same, of a page of a list.
    pub(super) async fn fetch_page(&self, path: &str, kind: &str, api_version: &str) -> Result<ListPage, kube::Error> {
        let body = self.patient(path, "application/json").await?.content()?;
        ListPage::read(&body, kind, api_version).map_err(kube::Error::SerdeError)
    }

    async fn patient(&self, path: &str, accept: &str) -> Result<HttpReply, kube::Error> {
        let mut pauses = PAUSES.into_iter();
        loop {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let reply = get(&self.kube, path, accept);
            let error = match tokio::time::timeout(Duration::from_secs(LIMIT), reply).await {
                Ok(Err(error)) => error,
                Ok(reply) => return reply,
                Err(_) => return Err(kube::Error::Service(format!("{TOO_LATE} {LIMIT} s").into())),
            };
            match pauses.next().filter(|_| is_broken(&error)) {
                Some(pause) => tokio::time::sleep(Duration::from_millis(pause)).await,
                None => return Err(error),
            }
        }
    }

    /// What the server is and has: a path that names no objects, such as `/version`, `/apis` and `/apis/apps/v1`. It is asked
    /// once; a failure is not kept.
    pub(super) async fn about(&self, path: &str) -> Result<Value, kube::Error> {
        self.kept(path).await?.success()
    }

    async fn kept(&self, path: &str) -> Result<HttpReply, kube::Error> {
        let kept = {
            // Nothing panics under this lock.
            let mut about = self.about.lock().unwrap_or_else(PoisonError::into_inner);
            about.entry(path.to_owned()).or_default().clone()
        };
        let mut kept = kept.lock().await;
        if let Some(reply) = &*kept {
            return Ok(reply.clone());
        }
        let reply = self.patient(path, if path == "/apis" { AGGREGATED } else { "application/json" }).await?;
        if reply.status.is_success() {
            *kept = Some(reply.clone());
        }
        Ok(reply)
    }

    /// A GET of another program's, which sees what was asked already where it accepts the same.
    pub(crate) async fn pass_on(&self, path: &str, accept: &str) -> Result<HttpReply, kube::Error> {
        // Clients send the time that they wait along.
        match path.split_once('?').map_or(path, |(path, _)| path) {
            "/version" => self.kept("/version").await,
            "/apis" => {
                let kept = self.kept("/apis").await?;
                let is_accepted = accept.split(',').any(|form| form.trim() == kept.content_type);
                if is_accepted { Ok(kept) } else { get(&self.kube, path, accept).await }
            }
            _ => get(&self.kube, path, accept).await,
        }
    }
}

//! A proxy between a client and a rig's API server: it writes down, holds, delays and fails what the client asks.
//!
//! Clients speak plain HTTP to it and need no credentials; it has an administrator's.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use crate::rig::{Rig, Upstream, kubeconfig, write_secret};

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its place among all the requests of this proxy, from 1.
    pub n: usize,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its query, without the question mark.
    pub query: String,
    /// Who asked, as the client names itself: `Helm/3.22.0`.
    pub agent: String,
}

impl Seen {
    /// Whether it changes something in the cluster. Questions that have to be posted, dry runs and ways into a pod do not.
    #[must_use]
    pub fn is_write(&self) -> bool {
        const QUESTIONS: [&str; 6] = [
            "selfsubjectaccessreviews",
            "selfsubjectrulesreviews",
            "selfsubjectreviews",
            "subjectaccessreviews",
            "localsubjectaccessreviews",
            "tokenreviews",
        ];
        const WAYS_IN: [&str; 3] = ["exec", "portforward", "attach"];
        let last = self.path.rsplit('/').next().unwrap_or_default();
        let into_pod = WAYS_IN.contains(&last) && self.path.rsplit('/').nth(2) == Some("pods");
        let is_dry = self.query.split('&').any(|pair| pair == "dryRun=All");
        !["GET", "HEAD", "OPTIONS"].contains(&self.method.as_str())
            && !into_pod
            && !is_dry
            && !QUESTIONS.contains(&last)
    }
}

/// A running proxy. It stops, with every connection through it, when it is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    kubeconfig: PathBuf,
    _dir: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Requests that are kept from the API server until this is released or dropped.
pub struct Hold {
    parked: mpsc::Receiver<Seen>,
    left: mpsc::Receiver<()>,
    /// Dropping it opens the gate.
    gate: watch::Sender<()>,
}

impl Hold {
    /// The next request that was parked, waiting for it if there is none yet.
    ///
    /// # Errors
    /// Where none comes in time.
    pub fn wait_parked(&self, limit: Duration) -> Result<Seen> {
        self.parked.recv_timeout(limit).map_err(|error| anyhow!("no request was parked: {error}"))
    }

    /// Waits until the client of a parked request has hung up.
    ///
    /// # Errors
    /// Where none does in time.
    pub fn wait_hung_up(&self, limit: Duration) -> Result<()> {
        self.left.recv_timeout(limit).map_err(|error| anyhow!("no client hung up: {error}"))
    }

    /// Lets the parked requests go on, and those to come pass.
    ///
    /// A client that has hung up meanwhile is forgotten: its request is never forwarded.
    pub fn release(self) {
        drop(self.gate);
    }
}

impl Proxy {
    /// A proxy before the API server of a rig, on a port of its own.
    ///
    /// # Errors
    /// Where no port or folder is to be had.
    pub fn start(rig: &Rig) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address: SocketAddr = listener.local_addr()?;
        let dir = tempfile::Builder::new().prefix("rig-proxy-").tempdir()?;
        let path = dir.path().join("kubeconfig");
        write_secret(&path, &kubeconfig(&format!("http://{address}"), None, None)?)?;
        let shared = Arc::new(Shared { upstream: rig.api().upstream().clone(), book: Mutex::default() });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        let thread = std::thread::Builder::new().name("rig-proxy".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, serving) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { shared, kubeconfig: path, _dir: dir, stop: Some(stop), thread: Some(thread) })
    }

    /// A kubeconfig that leads through the proxy. It is there as long as the proxy is.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Every request until now.
    #[must_use]
    pub fn log(&self) -> Vec<Seen> {
        self.shared.book().log.clone()
    }

    /// Every request until now that [changes something](Seen::is_write).
    #[must_use]
    pub fn writes(&self) -> Vec<Seen> {
        self.log().into_iter().filter(Seen::is_write).collect()
    }

    /// Parks the requests that match before they are forwarded.
    pub fn hold(&self, matches: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> Hold {
        let (told, parked) = mpsc::channel();
        let (leaves, left) = mpsc::channel();
        let (gate, closed) = watch::channel(());
        self.rule(0, matches, Effect::Park(told, leaves, closed));
        Hold { parked, left, gate }
    }

    /// Does something before the n-th request (from 1) that matches is forwarded; the request waits for it.
    pub fn on_nth(
        &self,
        n: usize,
        matches: impl Fn(&Seen) -> bool + Send + Sync + 'static,
        act: impl FnOnce() + Send + 'static,
    ) {
        self.rule(n, matches, Effect::Act(Some(Box::new(act))));
    }

    /// Answers the n-th request (from 1) that matches with this status, and keeps it from the API server.
    pub fn fail(&self, n: usize, matches: impl Fn(&Seen) -> bool + Send + Sync + 'static, status: u16) {
        self.rule(n, matches, Effect::Fail(status));
    }

    fn rule(&self, n: usize, matches: impl Fn(&Seen) -> bool + Send + Sync + 'static, effect: Effect) {
        self.shared.book().rules.push(Rule { n, matched: 0, matches: Box::new(matches), effect });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It fails when the thread has ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Shared {
    upstream: Upstream,
    book: Mutex<Book>,
}

/// What was seen, and what is to be done about what will be.
#[derive(Default)]
struct Book {
    log: Vec<Seen>,
    rules: Vec<Rule>,
}

struct Rule {
    /// Which of the matching requests it is about, from 1; all of them where this is 0.
    n: usize,
    matched: usize,
    matches: Box<dyn Fn(&Seen) -> bool + Send + Sync>,
    effect: Effect,
}

enum Effect {
    Park(mpsc::Sender<Seen>, mpsc::Sender<()>, watch::Receiver<()>),
    /// Empty once it is taken.
    Act(Option<Box<dyn FnOnce() + Send>>),
    Fail(u16),
}

/// Says that a request is not parked any more. As long as its gate is closed, only a client that hangs up is the reason.
struct Leaving(mpsc::Sender<()>);

impl Drop for Leaving {
    fn drop(&mut self) {
        // It fails where the hold is gone.
        let _ = self.0.send(());
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        // A test's own closure may have panicked under the lock; what is in the book is whole all the same.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a request down, and says what is to happen before it is forwarded.
    fn enter(&self, request: &Request<()>) -> (Seen, Vec<Effect>) {
        let mut book = self.book();
        let agent = request.headers().get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
        let seen = Seen {
            n: book.log.len() + 1,
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            agent: String::from_utf8_lossy(agent).into_owned(),
        };
        book.log.push(seen.clone());
        let mut effects = Vec::new();
        for rule in book.rules.iter_mut().filter(|rule| (rule.matches)(&seen)) {
            rule.matched += 1;
            if rule.n == 0 || rule.n == rule.matched {
                effects.push(match &mut rule.effect {
                    Effect::Park(told, leaves, gate) => Effect::Park(told.clone(), leaves.clone(), gate.clone()),
                    Effect::Act(act) => Effect::Act(act.take()),
                    Effect::Fail(status) => Effect::Fail(*status),
                });
            }
        }
        (seen, effects)
    }
}

type Body = BoxBody<Bytes, hyper::Error>;

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, shared.clone()))),
            // Out of file descriptors, for one: they come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Without it an answer may wait for the client's acknowledgement, and it works without.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| {
        let shared = shared.clone();
        async move {
            let answered = answer(request, &shared).await;
            Ok::<_, Infallible>(
                answered.unwrap_or_else(|error| refusal(StatusCode::BAD_GATEWAY, &format!("{error:#}"))),
            )
        }
    });
    // A client that hangs up in the middle is none of the proxy's troubles.
    let _ =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).with_upgrades().await;
}

/// Answers one request: as the rules want it, or as the API server does.
async fn answer(mut request: Request<Incoming>, shared: &Shared) -> Result<Response<Body>> {
    let upgrade = request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    // A whole body is in hand before the request counts. It also lets hyper see a client hang up while it is parked.
    let body = body.collect().await?.to_bytes();
    end_to_end(&mut parts.headers, upgrade.is_some());
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::HOST, HeaderValue::from_str(&shared.upstream.address.to_string())?);
    let request = Request::from_parts(parts, ());
    let (seen, effects) = shared.enter(&request);
    for effect in effects {
        match effect {
            Effect::Park(told, leaves, mut gate) => {
                let _leaving = Leaving(leaves);
                // It fails where the hold is gone, and then so is the gate.
                let _ = told.send(seen.clone());
                while gate.changed().await.is_ok() {}
            }
            Effect::Act(Some(act)) => {
                tokio::task::spawn_blocking(act).await.context("what the test does before this request failed")?;
            }
            Effect::Act(None) => {}
            Effect::Fail(status) => return Ok(refusal(StatusCode::from_u16(status)?, "refused by the proxy")),
        }
    }
    forward(request.map(|()| Full::new(body)), upgrade, &shared.upstream).await
}

/// Sends a request on, over a connection of its own, and returns the answer while its body still streams.
async fn forward(
    request: Request<Full<Bytes>>,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
    upstream: &Upstream,
) -> Result<Response<Body>> {
    let stream = TokioIo::new(upstream.connect().await.context("the API server is not reached")?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection.with_upgrades());
    let mut response = sender.send_request(request).await?;
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    end_to_end(response.headers_mut(), switched);
    if let Some(client) = upgrade.filter(|_| switched) {
        let server = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            if let Ok((client, server)) = tokio::try_join!(client, server) {
                // Either side may cut the tunnel off, which is how most of them end.
                let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await;
            }
        });
    }
    Ok(response.map(BodyExt::boxed))
}

/// Removes the headers that speak of one connection alone; those that switch protocols are kept where they do.
fn end_to_end(headers: &mut HeaderMap, upgrade: bool) {
    for name in [header::TRANSFER_ENCODING, header::TE, header::TRAILER] {
        headers.remove(name);
    }
    if !upgrade {
        headers.remove(header::CONNECTION);
        headers.remove(header::UPGRADE);
    }
}

/// A refusal in the words of an API server.
fn refusal(status: StatusCode, why: &str) -> Response<Body> {
    let text = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": why, "code": status.as_u16(),
    });
    let body = Full::new(Bytes::from(text.to_string())).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

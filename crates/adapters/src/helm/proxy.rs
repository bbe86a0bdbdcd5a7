//! A read-only view of a cluster on a port of this machine's own, for helm while it renders. Whoever does not know the random
//! beginning of its paths is turned away, and so is everything but a GET.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::place::{self, Place};
use super::view::View;
use crate::kubernetes::HttpReply;

/// A running proxy. It stops, with every connection through it, when it is dropped.
pub(super) struct Proxy {
    address: String,
    accepting: AbortHandle,
}

impl Proxy {
    /// Starts one on a free port.
    pub(super) async fn start(view: Arc<View>) -> std::io::Result<Self> {
        let token = token()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = format!("http://{}/{token}", listener.local_addr()?);
        let accepting = tokio::spawn(accept(listener, Arc::from(format!("/{token}")), view)).abort_handle();
        Ok(Self { address, accepting })
    }

    /// Its address, the secret beginning of its paths included.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// 128 random bits.
fn token() -> std::io::Result<String> {
    let mut bytes = [0_u8; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| std::io::Error::other("there are no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn accept(listener: TcpListener, prefix: Arc<str>, view: Arc<View>) {
    // With this set, which goes when accepting stops, go the connections.
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(serve(stream, prefix.clone(), view.clone()))),
            // Out of file descriptors, for one: they come back.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, prefix: Arc<str>, view: Arc<View>) {
    // Without it an answer may wait for the client's acknowledgement, and it works without.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: Request<Incoming>| {
        let (prefix, view) = (prefix.clone(), view.clone());
        async move {
            let is_head = request.method() == Method::HEAD;
            Ok::<_, Infallible>(response(answer(&request, &prefix, &view).await, is_head))
        }
    });
    // A helm that hangs up in the middle is killed, or done.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer<B>(request: &Request<B>, prefix: &str, view: &View) -> HttpReply {
    let uri = request.uri();
    let Some(path) = uri.path().strip_prefix(prefix).filter(|path| path.starts_with('/')) else {
        let message = "this port belongs to a helm that renders";
        return HttpReply::failure(StatusCode::FORBIDDEN, "Forbidden", message, &serde_json::json!({}));
    };
    let query = uri.query().unwrap_or_default();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_upgrade = request.headers().contains_key(header::UPGRADE);
    match Place::of(path) {
        Some(place) if is_read && !is_upgrade && !place::is_watch(query) => {
            let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
            view.get(place, path, query, accept.unwrap_or("application/json")).await
        }
        _ => view.refuse(&format!("{} {path}", request.method())),
    }
}

fn response(answer: HttpReply, is_head: bool) -> Response<Full<Bytes>> {
    let body = if is_head { Bytes::new() } else { answer.body };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = answer.status;
    if let Ok(value) = answer.content_type.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

#[cfg(test)]
mod tests;

//! Asks Routes and Ingresses over HTTP, from where this runs, through the proxy that the variables name. Nothing but a GET is sent,
//! without credentials but those for the proxy, and no redirect is followed.

mod proxied;
mod tls;

use std::time::Duration;

use futures::{StreamExt, stream};
use http::Uri;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use portolan_model::{Ref, RouteLook, RouteSeen, Seen};
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use self::proxied::Proxy;
use crate::proxies::Proxies;

/// How long a host may take to take a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// How long it may take to answer then.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a router may take to hear of backends that have become ready.
const READY: Duration = Duration::from_secs(20);

/// How many are asked at once.
const AT_ONCE: usize = 8;

/// Asks routes under their addresses; with each comes what the API server said of it.
pub async fn look(routes: Vec<(Ref, Seen)>) -> Vec<RouteLook> {
    let proxies = &Proxies::of_process();
    let mut looks = Vec::new();
    for (name, seen) in routes {
        let look = |address: String, seen| RouteLook { route: name.clone(), address, seen };
        let broken = |why: String| look(String::new(), RouteSeen::Broken { why });
        let unseen = |why: String| look(String::new(), RouteSeen::Unseen { why });
        match seen {
            Seen::Absent => looks.push(broken("it is not there".into())),
            Seen::Unreadable(why) => looks.push(unseen(why)),
            Seen::There(object) => {
                let addresses = portolan_kube_facts::addresses(&object);
                if let Some(why) = portolan_kube_facts::refusal(&object) {
                    looks.push(broken(why));
                } else if addresses.is_empty() {
                    looks.push(unseen("it names no host that could be asked".into()));
                } else {
                    let asked = stream::iter(addresses)
                        .map(|address| async move { (ask(&address, READY, proxies).await, address) })
                        .buffered(AT_ONCE);
                    looks.extend(asked.map(|(seen, address)| look(address, seen)).collect::<Vec<_>>().await);
                }
            }
        }
    }
    looks
}

/// Asks an address, and again for as long as `patience` where the answer is that nothing is ready.
async fn ask(address: &str, patience: Duration, proxies: &Proxies) -> RouteSeen {
    let end = Instant::now() + patience;
    loop {
        let seen = ask_once(address, proxies).await.unwrap_or_else(|why| RouteSeen::Unseen { why });
        if !matches!(seen, RouteSeen::Fails { .. }) || Instant::now() >= end {
            return seen;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn ask_once(address: &str, proxies: &Proxies) -> Result<RouteSeen, String> {
    let uri: Uri = address.parse().map_err(|error| format!("{error}"))?;
    let host = uri.host().ok_or("it names no host")?.to_owned();
    let is_secured = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if is_secured { 443 } else { 80 });
    let proxy = Url::parse(address).ok().and_then(|url| proxies.of(&url)).map(Proxy::of).transpose()?;
    let place = proxy.as_ref().map_or((host.as_str(), port), |proxy| (proxy.host.as_str(), proxy.port));
    let tcp = timeout(CONNECT, TcpStream::connect(place)).await;
    let tcp = tcp.map_err(|_| format!("no connection within {} s", CONNECT.as_secs()))?;
    let mut tcp = tcp.map_err(|error| error.to_string())?;
    let get = Get { uri: &uri, host: &host, proxy: proxy.as_ref().filter(|it| !is_secured && it.takes_requests()) };
    let answer = async {
        if let Some(proxy) = proxy.as_ref().filter(|_| get.proxy.is_none()) {
            proxy.tunnel(&mut tcp, &host, port).await?;
        }
        if is_secured {
            let (stream, certificate) = tls::enter(tcp, &host).await?;
            Ok::<_, String>((get.send(stream).await?, certificate))
        } else {
            Ok((get.send(tcp).await?, None))
        }
    };
    let (status, certificate) =
        timeout(ANSWER, answer).await.map_err(|_| format!("no answer within {} s", ANSWER.as_secs()))??;
    if get.proxy.is_some() && matches!(status, 407 | 502 | 504) {
        return Err(format!("the proxy answered with HTTP status {status}"));
    }
    Ok(if status < 500 { RouteSeen::Answers { status, certificate } } else { RouteSeen::Fails { status } })
}

/// A GET.
struct Get<'a> {
    uri: &'a Uri,
    host: &'a str,
    /// The proxy that is told the whole address.
    proxy: Option<&'a Proxy>,
}

impl Get<'_> {
    /// The status of the answer.
    async fn send<S>(&self, stream: S) -> Result<u16, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let said = |error: hyper::Error| error.to_string();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
        // Its errors come out at the sender too.
        let connection = tokio::spawn(connection);
        let target = if self.proxy.is_some() { self.uri.clone() } else { self.uri.path().parse().unwrap_or_default() };
        let mut request = http::Request::get(target).header(http::header::HOST, self.host);
        if let Some(login) = self.proxy.and_then(Proxy::authorization) {
            request = request.header(http::header::PROXY_AUTHORIZATION, login);
        }
        let request = request
            .header(http::header::USER_AGENT, concat!("portolan/", env!("CARGO_PKG_VERSION")))
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(said);
        connection.abort();
        Ok(answer?.status().as_u16())
    }
}

#[cfg(test)]
mod tests;

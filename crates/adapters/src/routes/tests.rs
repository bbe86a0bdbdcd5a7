use std::sync::Arc;

use portolan_testkit::tunnels::Tunnels;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Answers each connection with the next of these statuses; the last one stays.
async fn server(statuses: &'static [u16], tls: Option<TlsAcceptor>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://localhost:{}/", listener.local_addr().expect("an address").port());
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let status = statuses[number.min(statuses.len() - 1)];
            number += 1;
            match &tls {
                None => answer(stream, status).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        answer(stream, status).await;
                    }
                }
            }
        }
    });
    address
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, status: u16) {
    let mut asked = vec![0; 1024];
    let read = stream.read(&mut asked).await.expect("a request");
    assert!(asked[..read].starts_with(b"GET / HTTP/1.1"));
    let text = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.expect("an answer");
    drop(stream.shutdown().await);
}

#[tokio::test]
async fn any_answer_below_500_is_one() {
    for statuses in [&[200], &[302], &[401], &[404]] {
        let address = server(statuses, None).await;
        let seen = ask(&address, Duration::ZERO, &Proxies::default()).await;
        assert_eq!(seen, RouteSeen::Answers { status: statuses[0], certificate: None });
    }
    let address = server(&[503], None).await;
    assert_eq!(ask(&address, Duration::ZERO, &Proxies::default()).await, RouteSeen::Fails { status: 503 });
}

#[tokio::test]
async fn a_router_is_given_time_to_hear_of_its_backends() {
    let address = server(&[503, 503, 200], None).await;
    assert_eq!(ask(&address, READY, &Proxies::default()).await, RouteSeen::Answers { status: 200, certificate: None });
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_is_told_and_no_hindrance() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("a certificate and its key");
    let address = server(&[200], Some(TlsAcceptor::from(Arc::new(config)))).await;
    let seen = ask(&address, Duration::ZERO, &Proxies::default()).await;
    let RouteSeen::Answers { status: 200, certificate: Some(why) } = &seen else { panic!("{seen:?}") };
    assert!(why.contains("certificate"), "{why}");
}

#[tokio::test]
async fn what_cannot_be_reached_from_here_is_not_called_broken() {
    // A free port may be another test's by the time that it is asked; nobody listens on this one.
    for address in ["http://127.0.0.1:1/", "https://nothing.invalid/"] {
        let seen = ask(address, Duration::ZERO, &Proxies::default()).await;
        assert!(matches!(seen, RouteSeen::Unseen { .. }), "{address}: {seen:?}");
    }
}

/// Proxies by their variables.
fn proxies(variables: &[(&str, &str)]) -> Proxies {
    let all: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Proxies::by(&|name| all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
}

#[tokio::test]
async fn a_route_is_asked_through_the_proxy_unless_it_is_excepted() {
    let made = portolan_testkit::authority::Authority::new("site").expect("an authority");
    let tls = made.server(&["console.example"]).expect("a certificate");
    let address = server(&[401], Some(TlsAcceptor::from(tls))).await;
    let place = address.trim_start_matches("https://").trim_end_matches('/');
    let tunnels = Tunnels::start(&[("console.example:443", place)]).expect("a proxy");
    let through = |no: &str| proxies(&[("HTTPS_PROXY", &tunnels.url()), ("NO_PROXY", no)]);
    let seen = ask("https://console.example/", Duration::ZERO, &through("")).await;
    assert!(matches!(seen, RouteSeen::Answers { status: 401, certificate: Some(_) }), "{seen:?}");
    // The proxy's own address is not that of the route.
    let seen = ask("https://console.example/", Duration::ZERO, &through("127.0.0.1")).await;
    assert!(matches!(seen, RouteSeen::Answers { status: 401, .. }), "{seen:?}");
    let seen = ask("https://other.example/", Duration::ZERO, &through("")).await;
    assert!(matches!(&seen, RouteSeen::Unseen { why } if why.contains("502")), "{seen:?}");
    assert_eq!(tunnels.seen(), ["console.example:443", "console.example:443", "other.example:443"]);
    let seen = ask("https://console.example/", Duration::ZERO, &through(".example")).await;
    assert!(matches!(&seen, RouteSeen::Unseen { .. }), "{seen:?}");
    assert_eq!(tunnels.seen().len(), 3);
    // Without TLS the proxy is told the whole address.
    let seen = ask("http://console.example/", Duration::ZERO, &proxies(&[("HTTP_PROXY", &tunnels.url())])).await;
    assert!(matches!(&seen, RouteSeen::Unseen { why } if why.contains("502")), "{seen:?}");
    assert_eq!(tunnels.seen()[3], "GET http://console.example/ HTTP/1.1");
}

#[tokio::test]
async fn a_route_is_asked_through_a_socks_proxy_and_says_so_of_a_proxy_that_it_cannot_use() {
    let made = portolan_testkit::authority::Authority::new("site").expect("an authority");
    let tls = made.server(&["console.example"]).expect("a certificate");
    let secured = server(&[401], Some(TlsAcceptor::from(tls))).await;
    let plain = server(&[302], None).await;
    let place = |address: &str| address.split("://").nth(1).expect("an address").trim_end_matches('/').to_owned();
    let (secured, plain) = (place(&secured), place(&plain));
    let tunnels =
        Tunnels::start(&[("console.example:443", &secured), ("console.example:80", &plain)]).expect("a proxy");
    let through = |proxy: &str| proxies(&[("HTTPS_PROXY", proxy), ("HTTP_PROXY", proxy)]);
    let seen = ask("https://console.example/", Duration::ZERO, &through(&tunnels.socks_url(None))).await;
    assert!(matches!(seen, RouteSeen::Answers { status: 401, certificate: Some(_) }), "{seen:?}");
    let socks = through(&tunnels.socks_url(Some(("me", "hidden"))));
    let seen = ask("http://console.example/", Duration::ZERO, &socks).await;
    assert!(matches!(seen, RouteSeen::Answers { status: 302, .. }), "{seen:?}");
    let seen = ask("https://other.example/", Duration::ZERO, &socks).await;
    assert!(matches!(&seen, RouteSeen::Unseen { why } if why.contains("SOCKS status 4")), "{seen:?}");
    let wrong = through(&tunnels.socks_url(Some(("me", "wrong"))));
    let seen = ask("https://console.example/", Duration::ZERO, &wrong).await;
    assert!(matches!(&seen, RouteSeen::Unseen { why } if why.contains("login")), "{seen:?}");
    assert_eq!(tunnels.seen(), ["console.example:443", "console.example:80", "other.example:443"]);
    for scheme in ["https", "http"] {
        let seen =
            ask(&format!("{scheme}://console.example/"), Duration::ZERO, &through("https://proxy.example")).await;
        assert!(matches!(&seen, RouteSeen::Unseen { why } if why.contains("of the scheme https")), "{seen:?}");
    }
    assert_eq!(tunnels.seen().len(), 3);
}

/// Variables are those of a process, so that one of its own has them: this test again.
#[tokio::test]
async fn routes_are_asked_through_the_proxy_that_the_variables_name() {
    const THERE: &str = "PORTOLAN_TEST_ROUTE";
    const NAME: &str = "routes::tests::routes_are_asked_through_the_proxy_that_the_variables_name";
    if std::env::var_os(THERE).is_some() {
        let route = serde_json::json!({"apiVersion": "route.openshift.io/v1", "kind": "Route",
            "metadata": {"name": "r", "namespace": "n"},
            "spec": {"host": "console.example", "tls": {"termination": "edge"}}});
        let route = portolan_model::Object::new(route);
        let looks = look(vec![(route.name().expect("a name"), Seen::There(route))]).await;
        assert!(matches!(&looks[0].seen, RouteSeen::Answers { status: 401, .. }), "{looks:?}");
        return;
    }
    let made = portolan_testkit::authority::Authority::new("site").expect("an authority");
    let tls = made.server(&["console.example"]).expect("a certificate");
    let address = server(&[401], Some(TlsAcceptor::from(tls))).await;
    let place = address.trim_start_matches("https://").trim_end_matches('/');
    let tunnels = Tunnels::start(&[("console.example:443", place)]).expect("a proxy");
    let mut again = std::process::Command::new(std::env::current_exe().expect("this program"));
    again.args([NAME, "--exact"]).env(THERE, "1").env("HTTPS_PROXY", tunnels.url()).env("NO_PROXY", "");
    let ended = tokio::task::spawn_blocking(move || again.output()).await.expect("it ends").expect("it starts");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    assert_eq!(tunnels.seen(), ["console.example:443"]);
}

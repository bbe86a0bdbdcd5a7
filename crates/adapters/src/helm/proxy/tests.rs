use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use portolan_model::{ClusterRead, Object, Overlay, Ref};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::view::{Upstream, Versions};
use super::*;

fn secret(name: &str, label: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "namespace": "n", "labels": {"app": label}, "resourceVersion": "7"}})
}

/// A server with two Secrets and a kind of its own, and how often it was asked.
fn upstream(asked: Arc<AtomicUsize>) -> Upstream {
    let ask = move |path: String, _: String| -> futures::future::BoxFuture<'static, Result<HttpReply, String>> {
        asked.fetch_add(1, Ordering::Relaxed);
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let found = match path {
            "/api/v1/namespaces/n/secrets/live" => Some(secret("live", "a")),
            "/api/v1/namespaces/n/secrets/deleted" => Some(secret("deleted", "a")),
            "/api/v1/namespaces/n/secrets" | "/api/v1/secrets" => {
                let items: Vec<Value> = ["live", "deleted"]
                    .into_iter()
                    .map(|name| secret(name, "a"))
                    .filter(|_| query.is_empty() || query == "labelSelector=app%3Da")
                    .collect();
                Some(json!({"apiVersion": "v1", "kind": "SecretList", "metadata": {}, "items": items}))
            }
            "/apis" => Some(json!({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": "x.example"},
                "versions": [{"version": "v1", "resources": [{"resource": "geese", "responseKind": {"kind": "Goose"}}]}]}]})),
            _ => None,
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        let answer = match found {
            Some(json) => HttpReply::json(StatusCode::OK, &json),
            None => {
                let details = json!({ "name": name });
                HttpReply::failure(StatusCode::NOT_FOUND, "NotFound", "not found", &details)
            }
        };
        Box::pin(async move { Ok(answer) })
    };
    Upstream::new(Box::new(ask), Box::new(|name| name.name() == "not-found"))
}

fn overlay() -> Overlay {
    let goose = Ref::new("x.example", "Goose", "n", "g");
    let objects = [
        (Ref::secret("n", "made"), secret("made", "a")),
        (goose, json!({"apiVersion": "x.example/v1", "kind": "Goose", "metadata": {"name": "g", "namespace": "n"}})),
    ];
    Overlay {
        hidden: BTreeSet::from([Ref::secret("n", "deleted")]),
        shown: BTreeMap::from(objects.map(|(name, json)| (name, Object::new(json)))),
    }
}

struct Fixture {
    view: Arc<View>,
    proxy: Proxy,
    asked: Arc<AtomicUsize>,
}

impl Fixture {
    async fn new() -> Self {
        Self::of(Versions::Today).await
    }

    async fn of(versions: Versions) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let view = Arc::new(View::new(Arc::new(upstream(asked.clone())), overlay(), versions));
        let proxy = Proxy::start(view.clone()).await.expect("a port");
        Self { view, proxy, asked }
    }

    /// Sends one request; the status and the body. `path` goes behind the secret beginning.
    async fn send(&self, method: &str, path: &str, headers: &str) -> (u16, Value) {
        let (host, token) = self.proxy.address()["http://".len()..].split_once('/').expect("an address with a path");
        send_raw(host, method, &format!("/{token}{path}"), headers).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, "").await
    }
}

async fn send_raw(host: &str, method: &str, path: &str, headers: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(host).await.expect("it listens");
    let text = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).await.expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or_default())
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("a list");
    items.iter().filter_map(|item| item.pointer("/metadata/name")?.as_str()).collect()
}

#[tokio::test]
async fn an_object_is_hidden_shown_or_the_servers() {
    let fixture = Fixture::new().await;
    let (status, hidden) = fixture.get("/api/v1/namespaces/n/secrets/deleted").await;
    assert_eq!((status, hidden["reason"].as_str()), (404, Some("NotFound")));
    assert_eq!(hidden["message"], "secrets \"deleted\" not found");
    assert_eq!(fixture.get("/api/v1/namespaces/n/secrets/made").await.1["metadata"]["name"], "made");
    assert_eq!(fixture.get("/api/v1/namespaces/n/secrets/live").await.0, 200);
    assert_eq!(fixture.get("/api/v1/namespaces/n/secrets/nothing").await.0, 404);
    // A kind that is not one of the usual ones is known from the server's own list.
    assert_eq!(fixture.get("/apis/x.example/v1/namespaces/n/geese/g").await.0, 404);
    assert_eq!(fixture.get("/apis").await.0, 200);
    assert_eq!(fixture.get("/apis/x.example/v1/namespaces/n/geese/g").await.0, 200);
    let reads: Vec<String> = fixture.view.reads().iter().map(|read| format!("{read:?}")).collect();
    assert_eq!(reads, ["Secret/deleted (absent)", "Secret/made", "Secret/live", "Secret/nothing (absent)", "Goose/g"]);
}

#[tokio::test]
async fn lists_are_changed_too() {
    let fixture = Fixture::new().await;
    for path in ["/api/v1/namespaces/n/secrets", "/api/v1/secrets"] {
        assert_eq!(names(&fixture.get(path).await.1), ["live", "made"], "{path}");
    }
    let selected = fixture.get("/api/v1/namespaces/n/secrets?labelSelector=app%3Da").await;
    assert_eq!(names(&selected.1), ["live", "made"]);
    assert!(names(&fixture.get("/api/v1/namespaces/n/secrets?labelSelector=app%3Db").await.1).is_empty());
    assert_eq!(fixture.view.reads().len(), 4);
    // The records of the release are no lookup.
    fixture.get("/api/v1/namespaces/n/secrets?labelSelector=name%3Dr%2Cowner%3Dhelm").await;
    assert_eq!(fixture.view.reads().len(), 4);
}

#[tokio::test]
async fn everything_but_a_read_is_refused() {
    let fixture = Fixture::new().await;
    let secrets = "/api/v1/namespaces/n/secrets";
    for (method, path, headers) in [
        ("POST", secrets, ""),
        ("PUT", "/api/v1/namespaces/n/secrets/live", ""),
        ("PATCH", "/api/v1/namespaces/n/secrets/live", ""),
        ("DELETE", "/api/v1/namespaces/n/secrets/live", ""),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", ""),
        ("GET", "/api/v1/namespaces/n/secrets?watch=true", ""),
        ("GET", "/api/v1/namespaces/n/pods/p/exec", ""),
        ("GET", "/api/v1/namespaces/n/services/s/proxy/x", ""),
        ("GET", secrets, "Upgrade: websocket\r\n"),
    ] {
        let (status, body) = fixture.send(method, path, headers).await;
        assert_eq!((status, body["reason"].as_str()), (403, Some("Forbidden")), "{method} {path}");
    }
    assert_eq!(fixture.view.refused().len(), 9);
    assert_eq!(fixture.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn nobody_else_reads_through_it() {
    let fixture = Fixture::new().await;
    let (host, _) = fixture.proxy.address()["http://".len()..].split_once('/').expect("an address with a path");
    for path in ["/api/v1/namespaces/n/secrets/live", "/0123/api/v1/secrets", "/"] {
        assert_eq!(send_raw(host, "GET", path, "").await.0, 403, "{path}");
    }
    assert_eq!(fixture.asked.load(Ordering::Relaxed), 0);
    let host = host.to_owned();
    drop(fixture);
    while TcpStream::connect(&host).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_server_is_asked_once() {
    let fixture = Fixture::new().await;
    let path = "/api/v1/namespaces/n/secrets/live";
    // What is known to be absent is not asked for at all.
    assert_eq!(fixture.get("/api/v1/namespaces/n/secrets/not-found").await.0, 404);
    let three = tokio::join!(fixture.get(path), fixture.get(path), fixture.get(path));
    assert_eq!((three.0.0, three.1.0, three.2.0), (200, 200, 200));
    assert_eq!(fixture.asked.load(Ordering::Relaxed), 1);
    let reads = fixture.view.reads();
    assert!(matches!(reads.as_slice(), [ClusterRead::Object(_, None), ClusterRead::Object(_, Some(_))]), "{reads:?}");
}

#[tokio::test]
async fn the_second_rendering_sees_other_resource_versions() {
    let at = |body: &Value, pointer: &str| body.pointer(pointer).cloned().unwrap_or_default();
    let (today, other) = (Fixture::new().await, Fixture::of(Versions::Other).await);
    for (path, pointer) in [
        ("/api/v1/namespaces/n/secrets/live", "/metadata/resourceVersion"),
        ("/api/v1/namespaces/n/secrets/made", "/metadata/resourceVersion"),
        ("/api/v1/namespaces/n/secrets", "/items/0/metadata/resourceVersion"),
    ] {
        assert_eq!(at(&today.get(path).await.1, pointer), "7", "{path}");
        assert_eq!(at(&other.get(path).await.1, pointer), "1000010", "{path}");
    }
    let (status, _) = other.get("/api/v1/namespaces/n/secrets/deleted").await;
    assert_eq!(status, 404);
}

//! Against a real API server: `PORTOLAN_TEST_KUBECONFIG` names an administrator's kubeconfig, and
//! `PORTOLAN_TEST_HELM` programs of helm, with colons between them.

mod checks;
mod driver;
mod dry_run;
mod helm;
mod outside;
mod postgres;
mod reads;
mod wait;
mod writes;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kube::config::Kubeconfig;
use portolan_adapters::kubernetes::Client;
use portolan_model::{Object, Ref, Seen};
use portolan_testkit::rig::PATIENCE;
use serde_json::{Value, json};

/// The administrator's kubeconfig.
fn kubeconfig() -> PathBuf {
    std::env::var_os("PORTOLAN_TEST_KUBECONFIG").expect("PORTOLAN_TEST_KUBECONFIG").into()
}

async fn admin() -> Client {
    Client::connect(Some(&kubeconfig()), None).await.expect("a client")
}

/// A copy of the kubeconfig in which something is changed.
fn changed(folder: &Path, change: impl FnOnce(&mut Kubeconfig)) -> PathBuf {
    let mut kubeconfig = Kubeconfig::read_from(kubeconfig()).expect("a kubeconfig");
    change(&mut kubeconfig);
    let path = folder.join("kubeconfig");
    // JSON is YAML.
    let text = serde_json::to_vec(&kubeconfig).expect("JSON");
    std::fs::write(&path, text).expect("a file");
    path
}

/// A namespace that no other test uses; what is in it stays, for the whole rig is thrown away.
async fn namespace(client: &Client) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("adapters-{}-{count}", std::process::id());
    post(client, "/api/v1/namespaces", json!({ "metadata": { "name": name } })).await;
    name
}

/// Asks again and again until something is so, for [`PATIENCE`] at most; whether it came to be. There is nothing to watch where
/// the API server's own copies of objects are behind.
async fn in_time(mut holds: impl AsyncFnMut() -> bool) -> bool {
    let limit = Instant::now() + PATIENCE;
    loop {
        if holds().await {
            return true;
        }
        if Instant::now() > limit {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn post(client: &Client, path: &str, body: Value) -> Object {
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .expect("a request");
    let made: Value = client.raw().request(request).await.expect("created");
    Object::new(made)
}

async fn claim(client: &Client, namespace: &str) -> Ref {
    let body = json!({
        "metadata": { "name": "data" },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
            "resources": { "requests": { "storage": "1Mi" } },
        },
    });
    let path = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims");
    post(client, &path, body).await;
    Ref::claim(namespace, "data")
}

async fn secret(client: &Client, namespace: &str) -> Ref {
    let body = json!({ "metadata": { "name": "pg" }, "stringData": { "password": "hidden" } });
    post(client, &format!("/api/v1/namespaces/{namespace}/secrets"), body).await;
    Ref::secret(namespace, "pg")
}

async fn there(client: &Client, target: &Ref) -> Object {
    match client.see(target).await {
        Seen::There(object) => object,
        other => panic!("{other:?}"),
    }
}

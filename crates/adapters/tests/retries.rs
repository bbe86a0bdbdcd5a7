//! A server that turns away what it is asked: reads are asked again, writes are not.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use portolan_adapters::kubernetes::Client;
use portolan_model::{Ref, Reply, Rv, Seen, Uid, Verb, Write};
use serde_json::json;

/// Serves on a port: 503 to the first `busy` requests, then an object. Returns the address and the count.
fn server(busy: u32) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
            // A connection that a client keeps for later is no request.
            if reader.fill_buf().is_ok_and(<[u8]>::is_empty) {
                continue;
            }
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|_| line.trim() != "") {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("the body");
            let status =
                if counted.fetch_add(1, Ordering::SeqCst) < busy { "503 Service Unavailable" } else { "200 OK" };
            let body = json!({ "kind": "Secret", "apiVersion": "v1", "metadata": { "name": "s" } }).to_string();
            let length = body.len();
            let head = "content-type: application/json\r\nconnection: close";
            let _ = write!(stream, "HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
        }
    });
    (address, count)
}

async fn client(folder: &std::path::Path, address: &str) -> Client {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{ "name": "c", "cluster": { "server": address } }],
        "users": [{ "name": "jdoe/api:6443", "user": {} }],
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "jdoe/api:6443" } }],
    });
    let path = folder.join("kubeconfig");
    std::fs::write(&path, kubeconfig.to_string()).expect("a file");
    Client::connect(Some(&path), None).await.expect("a client")
}

#[tokio::test]
async fn a_read_is_asked_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (address, count) = server(2);
    let client = client(folder.path(), &address).await;
    let seen = client.see(&Ref::secret("ns", "s")).await;
    assert!(matches!(seen, Seen::There(_)), "{seen:?}");
    assert_eq!(count.load(Ordering::SeqCst), 3);
    assert_eq!((client.user(), client.context()), ("jdoe", "c"));
}

#[tokio::test]
async fn a_write_is_sent_once() {
    let folder = tempfile::tempdir().expect("a folder");
    for verb in [Verb::MergePatch(json!({ "metadata": {} })), Verb::Delete] {
        let (address, count) = server(1);
        let client = client(folder.path(), &address).await;
        let write = Write { verb, target: Ref::secret("ns", "s"), uid: Uid::new("u"), rv: Rv("1".into()) };
        let reply = client.write(&write).await;
        assert!(matches!(reply, Reply::Unknown(_)), "{reply:?}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

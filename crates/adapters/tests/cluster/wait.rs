use std::cell::Cell;

use portolan_model::{Cond, Gone, HelmToken, Progress, Ref, Reply, Wait};
use serde_json::json;
use std::time::Duration;

use crate::{admin, claim, namespace, post, secret, there};

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_wait_tells_how_far_it_is_and_ends() {
    let client = admin().await;
    let namespace = namespace(&client).await;
    let target = secret(&client, &namespace).await;
    let uid = there(&client, &target).await.uid().expect("a UID");
    let wait = Wait {
        step: 0,
        until: vec![Cond::HelmEnded(HelmToken::of_label("t-0")), Cond::Gone(Gone { target: target.clone(), uid })],
        limit: Duration::from_secs(20),
    };
    let mut seen: Vec<Vec<Progress>> = Vec::new();
    let looks = Cell::new(0);
    let looked = tokio::sync::Notify::new();
    let lives = |_: &HelmToken| {
        looks.set(looks.get() + 1);
        looks.get() < 3
    };
    let mut tell = |progress: &[Progress], _| {
        seen.push(progress.to_vec());
        if progress.len() == 1 {
            // Only the object is waited for now.
            looked.notify_one();
        }
    };
    let delete = async {
        looked.notified().await;
        let path = format!("/api/v1/namespaces/{namespace}/secrets/pg");
        let request = http::Request::delete(path).body(Vec::new()).expect("a request");
        client.raw().request_text(request).await.expect("deleted");
    };
    let (reply, ()) = tokio::join!(client.wait(&wait, "default", &lives, &mut tell), delete);
    assert_eq!(reply, Reply::Met);
    assert_eq!(seen[0].len(), 2);
    assert_eq!(seen[0][0].seen, "helm is running");
    assert_eq!(seen.last().expect("a look")[0].seen, "is still there");
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn what_does_not_come_is_named_at_the_end() {
    let client = admin().await;
    let namespace = namespace(&client).await;
    let target = claim(&client, &namespace).await;
    let labels = json!({ "app": "x" });
    // No node may take it, so that it is the same on a rig with nodes.
    let body = json!({
        "metadata": { "name": "s" },
        "spec": {
            "serviceName": "s", "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "schedulerName": "nobody",
                    "containers": [{ "name": "c", "image": "none" }],
                },
            },
        },
    });
    post(&client, &format!("/apis/apps/v1/namespaces/{namespace}/statefulsets"), body).await;
    let wait = Wait {
        step: 0,
        until: vec![
            Cond::Ready(target),
            Cond::Ready(Ref::set(&namespace, "s")),
            Cond::Ready(Ref::set(&namespace, "absent")),
        ],
        limit: Duration::from_secs(2),
    };
    let reply = client.wait(&wait, "default", &|_| false, &mut |_, _| {}).await;
    let Reply::TimedOut(progress) = reply else {
        panic!("{reply:?}");
    };
    let seen: Vec<&str> = progress.iter().map(|progress| progress.seen.as_str()).collect();
    assert_eq!(seen[0], "phase Pending");
    assert_eq!(seen[1], "0 of 1 ready; pod s-0: Pending");
    assert_eq!(seen[2], "is not there");
}

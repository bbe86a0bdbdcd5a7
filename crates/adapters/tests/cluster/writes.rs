use portolan_model::{Object, Ref, Refusal, Reply, Rv, Seen, Uid, Verb, Write};
use serde_json::json;

use crate::{admin, changed, claim, namespace, secret, there};

fn write(object: &Object, target: &Ref, verb: Verb) -> Write {
    Write { verb, target: target.clone(), uid: object.uid().expect("a UID"), rv: object.rv() }
}

fn keep(value: &str) -> Verb {
    Verb::MergePatch(json!({ "metadata": { "annotations": { "helm.sh/resource-policy": value } } }))
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_patch_is_for_the_object_that_was_seen() {
    let client = admin().await;
    let namespace = namespace(&client).await;
    let target = claim(&client, &namespace).await;
    let seen = there(&client, &target).await;

    let reads = client.requests().reads;
    let first = write(&seen, &target, keep("keep"));
    assert_eq!(client.write(&first).await, Reply::Wrote);
    assert_eq!((client.requests().reads, client.requests().writes), (reads, 1));
    let after = there(&client, &target).await;
    assert_eq!(after.annotation("helm.sh/resource-policy"), Some("keep"));
    assert_eq!(after.uid(), seen.uid());
    let managers = after.list("/metadata/managedFields");
    assert!(managers.iter().any(|entry| entry["manager"] == "portolan"));

    let conflict = Reply::Refused(Refusal::Conflict);
    assert_eq!(client.write(&first).await, conflict, "a stale resourceVersion");
    let mut other = write(&after, &target, keep("x"));
    other.uid = Uid::new("00000000-0000-0000-0000-000000000000");
    assert_eq!(client.write(&other).await, conflict, "another object");
    assert_eq!(there(&client, &target).await, after, "and nothing changed");

    let grow = json!({ "spec": { "accessModes": ["ReadWriteMany"] } });
    let invalid = client.write(&write(&after, &target, Verb::MergePatch(grow))).await;
    assert!(matches!(invalid, Reply::Refused(Refusal::Invalid(_))), "{invalid:?}");
    let absent = Ref::claim(&namespace, "absent");
    let reply = client.write(&write(&after, &absent, keep("keep"))).await;
    assert_eq!(reply, Reply::Refused(Refusal::NotFound));
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_delete_is_of_the_object_that_was_seen() {
    let client = admin().await;
    let namespace = namespace(&client).await;
    let target = secret(&client, &namespace).await;
    let seen = there(&client, &target).await;
    let conflict = Reply::Refused(Refusal::Conflict);

    let mut stale = write(&seen, &target, Verb::Delete);
    stale.rv = Rv("1".into());
    assert_eq!(client.write(&stale).await, conflict);
    let mut other = write(&seen, &target, Verb::Delete);
    other.uid = Uid::new("00000000-0000-0000-0000-000000000000");
    assert_eq!(client.write(&other).await, conflict);

    let delete = write(&seen, &target, Verb::Delete);
    assert_eq!(client.write(&delete).await, Reply::Wrote);
    assert_eq!(client.see(&target).await, Seen::Absent);
    assert_eq!(client.write(&delete).await, Reply::Refused(Refusal::NotFound));
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn claims_and_volumes_are_never_deleted() {
    let client = admin().await;
    let namespace = namespace(&client).await;
    let target = claim(&client, &namespace).await;
    let seen = there(&client, &target).await;
    for target in [target.clone(), Ref::volume("pv")] {
        let reply = client.write(&write(&seen, &target, Verb::Delete)).await;
        assert!(matches!(reply, Reply::Refused(Refusal::NotSent(_))), "{reply:?}");
    }
    assert_eq!(client.requests().writes, 0);
    assert_eq!(there(&client, &target).await, seen);
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn who_may_not_is_told_so() {
    let client = admin().await;
    let namespace = namespace(&client).await;
    let target = claim(&client, &namespace).await;
    let seen = there(&client, &target).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = changed(folder.path(), |kubeconfig| {
        for user in &mut kubeconfig.auth_infos {
            let info = user.auth_info.get_or_insert_default();
            info.impersonate = Some("jdoe".into());
        }
    });
    let jdoe = portolan_adapters::kubernetes::Client::connect(Some(&path), None).await.expect("a client");
    let reply = jdoe.write(&write(&seen, &target, keep("keep"))).await;
    assert!(matches!(reply, Reply::Refused(Refusal::Forbidden(_))), "{reply:?}");
    let reply = jdoe.see(&target).await;
    assert!(matches!(reply, Seen::Unreadable(_)), "{reply:?}");
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_write_that_may_have_happened_is_unknown() {
    let client = admin().await;
    let namespace = namespace(&client).await;
    let target = claim(&client, &namespace).await;
    let seen = there(&client, &target).await;
    // A server that takes the request and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = silent.accept() {
            drop(stream);
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = changed(folder.path(), |kubeconfig| {
        for cluster in &mut kubeconfig.clusters {
            let cluster = cluster.cluster.get_or_insert_default();
            cluster.server = Some(format!("http://127.0.0.1:{port}"));
        }
    });
    let deaf = portolan_adapters::kubernetes::Client::connect(Some(&path), None).await.expect("a client");
    let reply = deaf.write(&write(&seen, &target, keep("keep"))).await;
    assert!(matches!(reply, Reply::Unknown(_)), "{reply:?}");
}

use std::path::Path;

use futures::{StreamExt, stream};
use kube::config::Kubeconfig;
use portolan_adapters::kubernetes::Client;
use portolan_model::{Answer, Code, Finding, Ref, Seen, SurveyQuery};
use serde_json::{Value, json};

use crate::{admin, changed, in_time, namespace, post, secret};

fn list(group: &str, kind: &str, namespace: &str) -> SurveyQuery {
    SurveyQuery::List { group: group.into(), kind: kind.into(), namespace: namespace.into() }
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_survey_is_answered() {
    let client = admin().await;
    let namespace = namespace(&client).await;
    let target = secret(&client, &namespace).await;
    let asks = [
        SurveyQuery::Server,
        list("", "Secret", &namespace),
        list("", "Secret", "no-such-namespace"),
        list("route.openshift.io", "Route", &namespace),
        list("example.com", "Nothing", ""),
        SurveyQuery::Get(target.clone()),
        SurveyQuery::Get(Ref::secret(&namespace, "absent")),
        SurveyQuery::Get(Ref::new("config.openshift.io", "ClusterVersion", "", "version")),
        SurveyQuery::Get(Ref::new("example.com", "Nothing", "", "absent")),
    ];
    let answers = client.answers(&asks).await.expect("answers");
    let Answer::Server { version, groups, .. } = &answers[0] else {
        panic!("{:?}", answers[0]);
    };
    assert!(version.starts_with("v1."), "{version}");
    assert!(groups.iter().any(|group| group == "apps"));
    let Answer::Items(items) = &answers[1] else {
        panic!("{:?}", answers[1]);
    };
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].name(), Some(target), "kind and version are added");
    assert_eq!(answers[2], Answer::Items(Vec::new()));
    // The rig that tests share has the shape of OpenShift.
    assert_eq!(answers[3], Answer::Items(Vec::new()));
    assert_eq!(answers[4], Answer::NotServed);
    let Answer::Items(got) = &answers[5] else {
        panic!("{:?}", answers[5]);
    };
    // But for who wrote which field, an object is the same in a list; when its data was written is there too.
    let without_writers = |object: &Value| {
        let mut object = object.clone();
        let written = object["metadata"].as_object_mut().expect("it has metadata").remove("managedFields");
        (object, written.and_then(|all| Some(all[0].get("time")?.clone())))
    };
    assert_eq!(without_writers(&got[0].0), without_writers(&items[0].0));
    assert_eq!(answers[6], Answer::Items(Vec::new()));
    assert!(matches!(&answers[7], Answer::Items(items) if items.len() == 1));
    assert_eq!(answers[8], Answer::NotServed);
    assert!(client.requests().reads >= 9);
    assert_eq!(client.requests().writes, 0);
    let versions = client.api_versions().await.expect("versions");
    for known in ["v1", "apps/v1", "route.openshift.io/v1", "route.openshift.io/v1/Route"] {
        assert!(versions.iter().any(|version| version == known), "{known} in {versions:?}");
    }
    assert!(!versions.iter().any(|version| version == "apps/v1/Deployment"), "{versions:?}");
    // What the server is and has, it was asked once.
    let before = client.requests().reads;
    assert_eq!(client.api_versions().await.expect("versions"), versions);
    assert!(matches!(client.answer(&SurveyQuery::Server).await, Ok(Answer::Server { .. })));
    assert_eq!(client.requests().reads, before);
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_long_list_is_read_to_its_end() {
    let client = admin().await;
    let namespace = namespace(&client).await;
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    stream::iter(0..1001)
        .for_each_concurrent(8, async |number| {
            let body = json!({ "metadata": { "name": format!("c-{number}") } });
            post(&client, &path, body).await;
        })
        .await;
    let before = client.requests().reads;
    let answer = client.answer(&list("", "ConfigMap", &namespace)).await;
    let Ok(Answer::Items(items)) = answer else {
        panic!("{answer:?}");
    };
    let names: std::collections::BTreeSet<_> = items.iter().filter_map(portolan_model::Object::name).collect();
    // `kube-root-ca.crt` may be there too.
    assert!(names.len() == items.len() && (1001..=1002).contains(&items.len()));
    assert_eq!(client.requests().reads - before, 3);
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_kind_that_is_not_in_the_table_is_asked_for_once() {
    let client = admin().await;
    let namespace = namespace(&client).await;
    let group = format!("{namespace}.example.com");
    let body = json!({
        "metadata": { "name": format!("oddities.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "kind": "Oddity", "plural": "oddities", "singular": "oddity" },
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                } },
            }],
        },
    });
    post(&client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body).await;
    let path = format!("/apis/{group}/v1alpha1/namespaces/{namespace}/oddities");
    let is_served = in_time(async || {
        let request = http::Request::get(path.clone()).body(Vec::new()).expect("a request");
        client.raw().request_text(request).await.is_ok()
    });
    assert!(is_served.await, "{path} is not served");
    let body = json!({
        "apiVersion": format!("{group}/v1alpha1"), "kind": "Oddity", "metadata": { "name": "o" },
    });
    let made = post(&client, &path, body).await;
    let target = made.name().expect("a name");
    assert_eq!(client.see(&target).await, Seen::There(made.clone()));
    assert_eq!(client.requests().reads, 2, "what the server has, object");
    let answer = client.answer(&list(&group, "Oddity", &namespace)).await;
    assert_eq!(answer, Ok(Answer::Items(vec![made])));
    assert_eq!(client.requests().reads, 3);
    let absent = Ref::new(&group, "Oddity", &namespace, "absent");
    assert_eq!(client.see(&absent).await, Seen::Absent);
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn what_may_not_be_read_is_denied() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = changed(folder.path(), |kubeconfig| {
        for user in &mut kubeconfig.auth_infos {
            user.auth_info.get_or_insert_default().impersonate = Some("jdoe".into());
        }
    });
    let jdoe = Client::connect(Some(&path), None).await.expect("a client");
    let asks = [
        list("", "Secret", "default"),
        list("", "PersistentVolume", ""),
        SurveyQuery::Get(Ref::new("", "Namespace", "", "kube-system")),
        SurveyQuery::Server,
    ];
    let answers = jdoe.answers(&asks).await.expect("answers");
    for answer in &answers[..3] {
        assert!(matches!(answer, Answer::Denied(text) if text.contains("jdoe")), "{answer:?}");
    }
    assert!(matches!(answers[3], Answer::Server { .. }));
    let id = portolan_model::ReleaseId { namespace: "default".into(), name: "r".into() };
    let finding = jdoe.release_secrets(&id).await.expect_err("denied");
    assert_eq!(finding.code, Code::NotVisible);
}

/// What the first question says with a kubeconfig in which something is changed.
async fn fails(change: impl FnOnce(&mut Kubeconfig)) -> Finding {
    let folder = tempfile::tempdir().expect("a folder");
    let path = changed(folder.path(), change);
    let client = match Client::connect(Some(&path), None).await {
        Ok(client) => client,
        Err(finding) => return finding,
    };
    let finding = client.answers(&[list("", "Secret", "default"), SurveyQuery::Server]).await;
    finding.expect_err("it cannot be read")
}

fn server(kubeconfig: &mut Kubeconfig) -> &mut kube::config::Cluster {
    kubeconfig.clusters[0].cluster.get_or_insert_default()
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn one_clear_message_for_each_way_not_to_get_in() {
    let finding = fails(|kubeconfig| server(kubeconfig).server = Some("https://127.0.0.1:1".into())).await;
    assert_eq!(finding.code, Code::Unreachable);
    assert!(finding.found.contains("refuses the connection"), "{finding:?}");

    let finding = fails(|kubeconfig| server(kubeconfig).server = Some("https://x.invalid".into())).await;
    assert_eq!(finding.code, Code::Unreachable);
    assert!(finding.found.contains("name"), "{finding:?}");

    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let pem = other.cert.pem();
    let finding = fails(|kubeconfig| {
        let cluster = server(kubeconfig);
        cluster.certificate_authority = None;
        cluster.certificate_authority_data =
            Some(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem));
    })
    .await;
    assert_eq!(finding.code, Code::Unreachable);
    assert!(finding.found.contains("not signed by an authority"), "{finding:?}");

    let finding = fails(|kubeconfig| {
        let user = serde_json::from_value(json!({ "token": "expired" })).expect("a user");
        kubeconfig.auth_infos[0].auth_info = Some(user);
    })
    .await;
    assert_eq!(finding.code, Code::Unauthorized, "{finding:?}");

    let finding = fails(|kubeconfig| kubeconfig.auth_infos[0].auth_info = None).await;
    assert_eq!(finding.code, Code::Unauthorized, "nobody in particular: {finding:?}");

    let finding = fails(|kubeconfig| {
        let exec = json!({ "exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never",
        } });
        kubeconfig.auth_infos[0].auth_info = serde_json::from_value(exec).ok();
    })
    .await;
    assert_eq!(finding.code, Code::Unauthorized, "{finding:?}");

    let finding = fails(|kubeconfig| kubeconfig.current_context = Some("absent".into())).await;
    assert_eq!(finding.code, Code::NoKubeconfig);
    let finding = Client::connect(Some(Path::new("/nowhere")), None).await;
    assert_eq!(finding.err().map(|finding| finding.code), Some(Code::NoKubeconfig));
}

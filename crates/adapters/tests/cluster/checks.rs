//! What the API server refuses, brought about, and each case's twin that it accepts.

use portolan_adapters::kubernetes::{Client, KnownObjects, PlannedWrites};
use portolan_model::{ApplyMethod, Code, Digest, Finding, HelmClient, Object, Ref, ReleaseId, Seen, Severity};
use semver::Version;
use serde_json::{Value, json};

use crate::{admin, in_time, namespace, post, there};

const MANAGER: &str = "helm-of-the-test";

fn named(kind: &str, api_version: &str, name: &str, namespace: &str, rest: Value) -> Value {
    let mut object = rest;
    object["kind"] = kind.into();
    object["apiVersion"] = api_version.into();
    object["metadata"]["name"] = name.into();
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

/// An object with the marks of release `r` of its namespace.
fn marked(mut object: Value) -> Value {
    let namespace = object["metadata"]["namespace"].clone();
    object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "Helm".into();
    object["metadata"]["annotations"]["meta.helm.sh/release-name"] = "r".into();
    object["metadata"]["annotations"]["meta.helm.sh/release-namespace"] = namespace;
    object
}

fn writes(namespace: &str, stored: &[Value], planned: &[Value]) -> PlannedWrites {
    let docs = |list: &[Value]| list.iter().cloned().map(Object::new).collect();
    PlannedWrites {
        release: ReleaseId { namespace: namespace.into(), name: "r".into() },
        client: HelmClient::Program {
            version: Version::new(3, 22, 0),
            path: format!("/bin/{MANAGER}"),
            digest: Digest::of(b"helm"),
        },
        apply: ApplyMethod::Client,
        stored: docs(stored),
        records: 1,
        planned: docs(planned),
        hooks: Vec::new(),
        deletes: [].into(),
        own: Vec::new(),
        is_next: true,
    }
}

/// Code, object and field of what blocks.
type Blocking = Vec<(Code, String, String)>;

/// Asks until what blocks is this: the plugins that admit an object read copies of quotas, labels and classes that come a little
/// later than the objects themselves.
async fn come_to_block(client: &Client, writes: PlannedWrites, want: Blocking) {
    let mut found = Blocking::new();
    in_time(async || {
        found = blocks(client, writes.clone()).await;
        found == want
    })
    .await;
    assert_eq!(found, want);
}

async fn blocks(client: &Client, writes: PlannedWrites) -> Blocking {
    let (report, _) = client.precheck(writes, KnownObjects::default()).await;
    let blocking = report.findings.into_iter().filter(|finding| finding.severity == Severity::Blocking);
    let of = |finding: Finding| {
        let object = finding.object().map_or_else(String::new, ToString::to_string);
        (finding.code, object, finding.field().unwrap_or_default().to_owned())
    };
    blocking.map(of).collect()
}

fn one(code: Code, object: &str, field: &str) -> Blocking {
    vec![(code, object.to_owned(), field.to_owned())]
}

fn workload(kind: &str, name: &str, namespace: &str, pod: Value) -> Value {
    let mut pod = pod;
    pod["containers"] = json!([{"name": "a", "image": "example.com/a:1"}]);
    let template = json!({"metadata": {"labels": {"app": name}}, "spec": pod});
    named(
        kind,
        "apps/v1",
        name,
        namespace,
        json!({"spec": {"selector": {"matchLabels": {"app": name}}, "template": template}}),
    )
}

async fn patch(client: &Client, path: &str, content_type: &str, body: Value) {
    let request = http::Request::patch(path)
        .header("content-type", content_type)
        .body(body.to_string().into_bytes())
        .expect("a request");
    let _: Value = client.raw().request(request).await.expect("patched");
}

/// Waits until an object is as it should be.
async fn until(client: &Client, target: &Ref, holds: impl Fn(&Object) -> bool) {
    let is_so = in_time(async || matches!(client.see(target).await, Seen::There(object) if holds(&object))).await;
    assert!(is_so, "{target:?} does not come to be as it should");
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn what_a_pod_needs_is_found_before_the_pod() {
    let client = admin().await;
    let ns = namespace(&client).await;
    let pod = |spec: Value| [workload("Deployment", "web", &ns, spec)];
    let field = |field: &str| format!("/spec/template/spec{field}");
    for (spec, code, at) in [
        (json!({"serviceAccountName": "nobody"}), Code::MissingReference, "/serviceAccountName"),
        (json!({"priorityClassName": "none-such"}), Code::MissingReference, "/priorityClassName"),
        (json!({"runtimeClassName": "none-such"}), Code::MissingReference, "/runtimeClassName"),
        (
            json!({"volumes": [{"name": "v", "secret": {"secretName": "none"}}]}),
            Code::MissingReference,
            "/volumes/0/secret/secretName",
        ),
        (json!({"restartPolicy": "Never"}), Code::ServerRefuses, ""),
    ] {
        let found = blocks(&client, writes(&ns, &[], &pod(spec.clone()))).await;
        assert_eq!(
            found.first().map(|(code, object, _)| (*code, object.as_str())),
            Some((code, "Deployment/web")),
            "{spec}"
        );
        assert!(at.is_empty() || found[0].2 == field(at), "{found:?}");
    }
    assert_eq!(blocks(&client, writes(&ns, &[], &pod(json!({"priorityClassName": "system-node-critical"})))).await, []);
    let with_account = [
        pod(json!({"serviceAccountName": "mine"})).to_vec(),
        vec![named("ServiceAccount", "v1", "mine", &ns, json!({}))],
    ]
    .concat();
    assert_eq!(blocks(&client, writes(&ns, &[], &with_account)).await, []);
    assert!(
        matches!(client.see(&Ref::new("", "ServiceAccount", &ns, "mine")).await, Seen::Absent),
        "nothing was written"
    );

    let long = "a".repeat(60);
    for (name, refused) in [(long.as_str(), true), ("store", false)] {
        let mut set = workload("StatefulSet", name, &ns, json!({}));
        set["spec"]["serviceName"] = "store".into();
        let want = if refused {
            one(Code::ServerRefuses, &format!("StatefulSet/{name}"), "/metadata/name")
        } else {
            Vec::new()
        };
        assert_eq!(blocks(&client, writes(&ns, &[], &[set])).await, want);
    }
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn pod_security_and_quota_are_asked_with_the_pod() {
    let client = admin().await;
    let ns = namespace(&client).await;
    let quota = named("ResourceQuota", "v1", "q", &ns, json!({"spec": {"hard": {"requests.memory": "1Gi"}}}));
    post(&client, &format!("/api/v1/namespaces/{ns}/resourcequotas"), quota).await;
    until(&client, &Ref::new("", "ResourceQuota", &ns, "q"), |quota| quota.at("/status/hard").is_some()).await;
    let with_memory = |memory: &str| {
        let mut web = workload("Deployment", "web", &ns, json!({}));
        web["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"memory": memory}});
        [web]
    };
    let refused = one(Code::ServerRefuses, "Deployment/web", "/spec/template/spec");
    come_to_block(&client, writes(&ns, &[], &with_memory("2Gi")), refused.clone()).await;
    assert_eq!(blocks(&client, writes(&ns, &[], &with_memory("128Mi"))).await, []);
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    patch(&client, &format!("/api/v1/namespaces/{ns}"), "application/merge-patch+json", label).await;
    come_to_block(&client, writes(&ns, &[], &with_memory("128Mi")), refused.clone()).await;
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn addresses_and_owners_are_looked_up() {
    let client = admin().await;
    let ns = namespace(&client).await;
    let service = |name: &str, spec: Value| named("Service", "v1", name, &ns, json!({"spec": spec}));
    let node_port = json!({"type": "NodePort", "ports": [{"port": 80}]});
    let held = post(&client, &format!("/api/v1/namespaces/{ns}/services"), service("held", node_port)).await;
    let (port, address) = (held.at("/spec/ports/0/nodePort").cloned(), held.text("/spec/clusterIP").to_owned());
    let wants_port = [service("new", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}))];
    let wants_address = [service("new", json!({"clusterIP": address, "ports": [{"port": 80}]}))];
    let free = [service("new", json!({"ports": [{"port": 80}]}))];
    let refused = |field: &str| one(Code::ServerRefuses, "Service/new", field);
    come_to_block(&client, writes(&ns, &[], &wants_port), refused("/spec/ports/0/nodePort")).await;
    come_to_block(&client, writes(&ns, &[], &wants_address), refused("/spec/clusterIP")).await;
    assert_eq!(blocks(&client, writes(&ns, &[], &free)).await, []);
    for planned in [&wants_port, &wants_address] {
        let mut first = writes(&ns, &[], planned);
        first.deletes.insert(Ref::new("", "Service", &ns, "held"));
        assert_eq!(blocks(&client, first).await, [], "the holder is deleted first");
    }
    // Made again under its own name, with its own port.
    let mut again =
        writes(&ns, &[], &[service("held", json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}))]);
    assert_eq!(blocks(&client, again.clone()).await, one(Code::ForeignOwner, "Service/held", ""));
    again.deletes.insert(Ref::new("", "Service", &ns, "held"));
    assert_eq!(blocks(&client, again).await, []);
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_claim_grows_and_shrinks_by_the_servers_rule() {
    let client = admin().await;
    let ns = namespace(&client).await;
    for (class, allows) in [(format!("{ns}-fixed"), false), (format!("{ns}-grows"), true)] {
        let object =
            json!({"metadata": {"name": class}, "provisioner": "example.com/none", "allowVolumeExpansion": allows});
        post(&client, "/apis/storage.k8s.io/v1/storageclasses", object).await;
        let spec = json!({"spec": {"storageClassName": class, "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/tmp/none"}, "claimRef": {"namespace": ns, "name": class}}});
        post(&client, "/api/v1/persistentvolumes", named("PersistentVolume", "v1", &class, "", spec)).await;
        let claim = |size: &str| {
            let spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": {"requests": {"storage": size}}});
            marked(named("PersistentVolumeClaim", "v1", &class, &ns, json!({"spec": spec})))
        };
        let name = Ref::claim(&ns, &class);
        post(&client, &format!("/api/v1/namespaces/{ns}/persistentvolumeclaims"), claim("1Gi")).await;
        until(&client, &name, |claim| claim.text("/status/phase") == "Bound").await;
        let refused = one(Code::ServerRefuses, &name.to_string(), "/spec/resources/requests/storage");
        let to = async |size: &str, want: &[(Code, String, String)]| {
            come_to_block(&client, writes(&ns, &[claim("1Gi")], &[claim(size)]), want.to_vec()).await;
        };
        to("1Gi", &[]).await;
        if !allows {
            to("2Gi", &refused).await;
            continue;
        }
        to("3Gi", &[]).await;
        let path = format!("/api/v1/namespaces/{ns}/persistentvolumeclaims/{class}");
        let grown = json!({"spec": {"resources": {"requests": {"storage": "3Gi"}}}});
        patch(&client, &path, "application/merge-patch+json", grown).await;
        to("2Gi", &[]).await; // Below the request, above the capacity.
        to("1Gi", &refused).await;
    }
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn server_side_apply_is_asked_as_helm_4_does_it() {
    let client = admin().await;
    let ns = namespace(&client).await;
    let web = |rest: &dyn Fn(&mut Value)| {
        let mut web = marked(workload("Deployment", "web", &ns, json!({})));
        rest(&mut web);
        web
    };
    let plain = web(&|_| {});
    let path = format!("/apis/apps/v1/namespaces/{ns}/deployments/web");
    let apply = format!("{path}?fieldManager={MANAGER}");
    patch(&client, &apply, "application/apply-patch+yaml", plain.clone()).await;
    let server = |planned: Value| {
        let mut writes = writes(&ns, std::slice::from_ref(&plain), &[planned]);
        writes.apply = ApplyMethod::Server;
        writes
    };
    let recreate = web(&|web| web["spec"]["strategy"] = json!({"type": "Recreate"}));
    let found = blocks(&client, server(recreate.clone())).await;
    assert_eq!(found, one(Code::ServerRefuses, "Deployment/web", "/spec/strategy/rollingUpdate"));
    let by_client = writes(&ns, std::slice::from_ref(&plain), &[recreate]);
    assert_eq!(blocks(&client, by_client).await, [], "helm 3 removes what the server had filled in");

    let two = web(&|web| web["spec"]["replicas"] = 2.into());
    assert_eq!(blocks(&client, server(two.clone())).await, [], "nobody owns it yet");
    let by_hand = format!("{path}?fieldManager=kubectl-patch");
    patch(&client, &by_hand, "application/merge-patch+json", json!({"spec": {"replicas": 0}})).await;
    assert_eq!(
        blocks(&client, server(two.clone())).await,
        one(Code::FieldConflict, "Deployment/web", "/spec/replicas")
    );
    assert_eq!(blocks(&client, writes(&ns, std::slice::from_ref(&plain), &[two])).await, [], "helm 3 overwrites it");
    assert_eq!(blocks(&client, server(plain.clone())).await, []);
    let typo = web(&|web| web["spec"]["replicaz"] = 2.into());
    assert_eq!(blocks(&client, server(typo)).await.len(), 1, "helm 4 asks for strict validation");

    let policy = |value: &str| {
        let spec = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, "storageClassName": "none"},
            "metadata": {"annotations": {"helm.sh/resource-policy": value}}});
        marked(named("PersistentVolumeClaim", "v1", "c", &ns, spec))
    };
    let mut bare = policy("");
    bare["metadata"]["annotations"].as_object_mut().expect("a map").remove("helm.sh/resource-policy");
    let claim = format!("/api/v1/namespaces/{ns}/persistentvolumeclaims/c?fieldManager={MANAGER}");
    patch(&client, &claim, "application/apply-patch+yaml", bare.clone()).await;
    let keep = json!({"metadata": {"annotations": {"helm.sh/resource-policy": "keep"}}});
    let by_hand = claim.replace(MANAGER, "kubectl-annotate");
    patch(&client, &by_hand, "application/merge-patch+json", keep).await;
    let mut empties = writes(&ns, &[bare], &[policy("")]);
    empties.apply = ApplyMethod::Server;
    let field = "/metadata/annotations/helm.sh~1resource-policy";
    assert_eq!(blocks(&client, empties).await, one(Code::FieldConflict, "PersistentVolumeClaim/c", field));
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn what_is_frozen_or_not_there_yet() {
    let client = admin().await;
    let ns = namespace(&client).await;
    let secret =
        |value: &str| marked(named("Secret", "v1", "s", &ns, json!({"immutable": true, "data": {"k": value}})));
    post(&client, &format!("/api/v1/namespaces/{ns}/secrets"), secret("YQ==")).await;
    let to = async |value: &str| blocks(&client, writes(&ns, &[secret("YQ==")], &[secret(value)])).await;
    assert_eq!(to("YQ==").await, []);
    assert_eq!(to("Yg==").await, one(Code::ServerRefuses, "Secret/s", "/data"));

    let other = format!("{ns}-other");
    let brings = named("Namespace", "v1", &other, "", json!({}));
    let inside = named("ConfigMap", "v1", "a", &other, json!({"data": {"k": "v"}}));
    let missing = one(Code::MissingReference, "ConfigMap/a", "/metadata/namespace");
    assert_eq!(blocks(&client, writes(&ns, &[], std::slice::from_ref(&inside))).await, missing);
    let (report, _) = client.precheck(writes(&ns, &[], &[brings, inside]), KnownObjects::default()).await;
    let codes: Vec<(Code, Severity)> = report.findings.iter().map(|finding| (finding.code, finding.severity)).collect();
    assert_eq!(codes, [(Code::NotChecked, Severity::Note)], "{:?}", report.findings);
    assert!(matches!(client.see(&Ref::new("", "Namespace", "", &other)).await, Seen::Absent));
    assert_eq!(there(&client, &Ref::secret(&ns, "s")).await.text("/data/k"), "YQ==");
}

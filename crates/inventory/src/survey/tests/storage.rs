//! Volumes in other namespaces, with other owners, and such as are going.

use super::*;

/// The answers for a release whose manifest this is, to every question that they raise; `objects` are what lives beside.
fn all(manifest: &str, objects: Vec<Value>, denied: &[SurveyQuery]) -> (Vec<SurveyQuery>, Inventory) {
    let groups = ["apps", "batch", "db.example.com", "apiextensions.k8s.io"].map(str::to_owned);
    let record = ReleaseRecord { manifest: manifest.into(), ..record_of(1, ReleaseStatus::Deployed) };
    let live: Vec<Object> = objects.into_iter().map(Object::new).collect();
    let answer = |ask: &SurveyQuery| -> Answer {
        if denied.contains(ask) {
            return Answer::Denied("no".into());
        }
        match ask {
            SurveyQuery::Server => {
                Answer::Server { version: "v1.34.4".into(), groups: groups.clone().into(), now: None }
            }
            SurveyQuery::Get(name) if name.name() == "kube-system" => {
                items(vec![json!({"metadata": {"name": "kube-system", "uid": "cluster"}})])
            }
            SurveyQuery::Get(name) => {
                Answer::Items(live.iter().filter(|it| it.name().as_ref() == Some(name)).cloned().collect())
            }
            SurveyQuery::List { group, kind, namespace } => {
                let is = |it: &&Object| {
                    it.name().is_some_and(|name| {
                        name.group() == group
                            && name.kind() == kind
                            && (namespace.is_empty() || name.namespace() == namespace)
                    })
                };
                let mut found: Vec<Object> = live.iter().filter(is).cloned().collect();
                if kind == "Secret" {
                    found.push(record::encode(&record));
                }
                Answer::Items(found)
            }
        }
    };
    let mut asked = first(&id());
    let mut answers: BTreeMap<SurveyQuery, Answer> = asked.iter().map(|ask| (ask.clone(), answer(ask))).collect();
    loop {
        let more = further(&answers, &id());
        if more.is_empty() {
            break;
        }
        answers.extend(more.iter().map(|ask| (ask.clone(), answer(ask))));
        asked.extend(more);
    }
    (asked, survey(&answers).inventory)
}

fn pvc(namespace: &str, name: &str, owners: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}"), "ownerReferences": owners},
        "spec": {"volumeName": format!("pv-{name}")}})
}

fn resource(group: &str, kind: &str, name: &str, owners: &Value) -> Value {
    json!({"apiVersion": format!("{group}/v1"), "kind": kind,
        "metadata": {"name": name, "namespace": NS, "uid": format!("uid-{name}"), "ownerReferences": owners}})
}

fn owner(version: &str, kind: &str, name: &str) -> Value {
    json!([{"apiVersion": version, "kind": kind, "name": name, "uid": format!("uid-{name}"), "controller": true}])
}

const CLUSTER: &str = "apiVersion: db.example.com/v1\nkind: Cluster\nmetadata: {name: x}\n";
const CRD: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: clusters.db.example.com}\n\
                   spec: {group: db.example.com, names: {kind: Cluster}}\n";

fn fates(inventory: &Inventory) -> Vec<(String, Verdict)> {
    inventory.volumes.iter().map(|it| (it.claim.name().to_owned(), it.if_uninstalled.verdict)).collect()
}

#[test]
fn a_claim_that_an_object_of_the_release_owns_is_the_releases() {
    let objects = || {
        vec![
            pvc(NS, "direct", &owner("db.example.com/v1", "Cluster", "x")),
            pvc(NS, "over-a-set", &owner("apps/v1", "StatefulSet", "made")),
            pvc(NS, "strange", &owner("db.example.com/v1", "Cluster", "other")),
            resource("apps", "StatefulSet", "made", &owner("db.example.com/v1", "Cluster", "x")),
            resource("db.example.com", "Cluster", "x", &json!([])),
            resource("db.example.com", "Cluster", "other", &json!([])),
            pv("direct", "Delete"),
            pv("over-a-set", "Retain"),
            pv("strange", "Delete"),
        ]
    };
    let ours = [("direct".to_owned(), Verdict::Lost), ("over-a-set".to_owned(), Verdict::Detached)];
    let (_, inventory) = all(CLUSTER, objects(), &[]);
    assert_eq!(fates(&inventory), ours);
    // With its definition all custom resources go, whoever made them.
    let (asked, inventory) = all(CRD, objects(), &[]);
    let with_strange = [&ours[..], &[("strange".to_owned(), Verdict::Lost)]].concat();
    let mut objects = objects();
    objects.push(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "clusters.db.example.com"}, "spec": {"group": "db.example.com", "names": {"kind": "Cluster"}}}));
    assert!(asked.contains(&list("db.example.com", "Cluster", "")));
    assert_eq!(inventory.volumes.len(), 3);
    assert_eq!(fates(&all(CRD, objects, &[]).1), with_strange);
}

#[test]
fn a_claim_that_a_pod_below_an_object_of_the_release_mounts_is_the_releases() {
    let pod = |of: &str| {
        let mut pod = resource("", "Pod", &format!("{of}-0"), &owner("db.example.com/v1", "Cluster", of));
        pod["apiVersion"] = json!("v1");
        pod["spec"] = json!({"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": format!("of-{of}")}}]});
        pod
    };
    let cluster = |name: &str| resource("db.example.com", "Cluster", name, &json!([]));
    let claim = |name: &str| pvc(NS, name, &json!([]));
    let objects = vec![
        claim("of-x"),
        claim("of-other"),
        pod("x"),
        pod("other"),
        cluster("x"),
        cluster("other"),
        pv("of-x", "Delete"),
    ];
    let (_, inventory) = all(CLUSTER, objects, &[]);
    let claims: Vec<&str> = inventory.volumes.iter().map(|it| it.claim.name()).collect();
    assert_eq!(claims, ["of-x"]);
}

#[test]
fn namespaces_of_the_manifest_are_looked_at_or_said_to_be_unseen() {
    let manifest = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: store, namespace: far}\nspec:\n  template:\n    \
                    spec: {volumes: [{name: d, persistentVolumeClaim: {claimName: store}}]}\n";
    let objects = || vec![pvc("far", "store", &json!([])), pv("store", "Delete")];
    let (_, inventory) = all(manifest, objects(), &[]);
    assert_eq!(inventory.volumes[0].claim, Ref::claim("far", "store"));
    assert!(inventory.is_complete("PersistentVolumeClaim", "far") && inventory.is_complete("CronJob", "far"));
    let (_, inventory) = all(manifest, objects(), &[list("", "PersistentVolumeClaim", "far")]);
    assert!(inventory.volumes.is_empty());
    let denied: Vec<&Scope> = inventory.denied().collect();
    assert_eq!(denied, [&Scope { kind: "PersistentVolumeClaim".into(), namespace: "far".into() }]);
}

#[test]
fn keep_holds_against_an_uninstall_only_where_helm_reads_it_and_nothing_else_takes_the_claim() {
    let claim = |policy: &str| {
        format!("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: store, annotations: {{{policy}}}}}\n")
    };
    let keep = "helm.sh/resource-policy: keep";
    let listed = |outer: &str, inner: &str| {
        let item = format!(
            "{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: store, annotations: {{{inner}}}}}}}"
        );
        format!("apiVersion: v1\nkind: List\nmetadata: {{annotations: {{{outer}}}}}\nitems: [{item}]\n")
    };
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NS}}}\n---\n");
    let live = || {
        vec![
            pvc(NS, "store", &json!([])),
            pv("store", "Delete"),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NS, "uid": "ns"}}),
        ]
    };
    for (manifest, verdict) in [
        (claim(""), Verdict::Lost),
        (claim(keep), Verdict::Detached),
        (listed("", keep), Verdict::Lost),
        (listed(keep, ""), Verdict::Detached),
        (namespace + &claim(keep), Verdict::Lost),
    ] {
        assert_eq!(fates(&all(&manifest, live(), &[]).1), [("store".to_owned(), verdict)], "{manifest}");
    }
}

#[test]
fn a_volume_that_is_being_deleted_is_marked() {
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: store, annotations: {helm.sh/resource-policy: keep}}\n";
    for is_going in [false, true] {
        let mut volume = pv("store", "Retain");
        if is_going {
            volume["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        let (_, inventory) = all(claim, vec![pvc(NS, "store", &json!([])), volume], &[]);
        let found = &inventory.volumes[0];
        assert_eq!(found.volume_terminating, is_going);
        assert_eq!(found.if_uninstalled.why.contains("being deleted"), is_going, "{:?}", found.if_uninstalled);
    }
}

#[test]
fn an_ephemeral_volume_of_a_pod_is_no_data_of_the_release() {
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: made}\n";
    let mut pod = resource("apps", "StatefulSet", "made", &json!([]));
    pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "made-0", "namespace": NS, "uid": "uid-made-0",
        "ownerReferences": owner("apps/v1", "StatefulSet", pod["metadata"]["name"].as_str().unwrap_or_default())},
        "spec": {"volumes": [{"name": "tmp", "ephemeral": {}}]}});
    let objects = vec![
        resource("apps", "StatefulSet", "made", &json!([])),
        pod,
        pvc(NS, "made-0-tmp", &owner("v1", "Pod", "made-0")),
        pvc(NS, "made-0-data", &owner("v1", "Pod", "made-0")),
    ];
    assert_eq!(fates(&all(set, objects, &[]).1).iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), ["made-0-data"]);
}

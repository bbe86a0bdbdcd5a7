//! Custom resources that leave, or that say otherwise what is deleted with them; what an operator made for them. Each with harmless twins.

use portolan_model::{Finding, Object, Ref, Severity};
use serde_json::json;

use crate::fixture::NS;
use crate::store::{self, PLAIN, installed, plan, set};

/// A custom resource of the release.
fn resource(group: &str, kind: &str, metadata: &str, spec: &str) -> String {
    format!("---\napiVersion: {group}/v1\nkind: {kind}\nmetadata: {{name: pool{metadata}}}\nspec: {{{spec}}}\n")
}

fn pool(spec: &str) -> String {
    resource("ceph.rook.io", "CephBlockPool", "", spec)
}

/// What is said about the custom resource: severity, code and field.
fn said(old: &str, new: &str) -> Vec<String> {
    let fixture = installed(&(set("", PLAIN) + old), &json!({"csi": {}}));
    let plan = plan(&fixture, &(set("", PLAIN) + new));
    let is_its = |it: &&Finding| it.object().is_some_and(|name| name.name() == "pool") && it.severity > Severity::Note;
    let all = plan.findings.iter().filter(is_its);
    all.map(|it| format!("{:?} {} {}", it.severity, it.code, it.field().unwrap_or_default())).collect()
}

#[test]
fn what_lies_behind_a_custom_resource_does_not_leave_in_silence() {
    assert_eq!(said(&pool("size: 3"), ""), ["Blocking PL267 "]);
    let kept = resource("ceph.rook.io", "CephBlockPool", ", annotations: {helm.sh/resource-policy: keep}", "size: 3");
    for (old, new) in [
        (pool("size: 3"), pool("size: 2")),
        (kept, String::new()),
        (String::new(), pool("size: 3")),
        (resource("monitoring.coreos.com", "ServiceMonitor", "", ""), String::new()),
    ] {
        assert_eq!(said(&old, &new), [""; 0], "{old} -> {new}");
    }
}

#[test]
fn what_is_deleted_with_a_custom_resource_does_not_change_in_silence() {
    for (old, new, field) in [
        ("deletionPolicy: Orphan", "deletionPolicy: Delete", "deletionPolicy"),
        ("deletionPolicy: Orphan", "size: 3", "deletionPolicy"),
        ("a: 1", "storage: {deleteClaim: true}", "storage/deleteClaim"),
        ("size: 3", "cleanupPolicy: {confirmation: yes-really}", "cleanupPolicy/confirmation"),
        ("dataDirHostPath: /a", "dataDirHostPath: /b", "dataDirHostPath"),
        ("sets: [{reclaimPolicy: Retain}]", "sets: [{reclaimPolicy: Delete}]", "sets/0/reclaimPolicy"),
    ] {
        assert_eq!(said(&pool(old), &pool(new)), [format!("Blocking PL267 /spec/{field}")], "{old} -> {new}");
    }
    for (old, new) in [
        ("deletionPolicy: Delete", "deletionPolicy: Orphan"),
        ("deletionPolicy: Delete", "deletionPolicy: Delete, size: 3"),
        ("storage: {deleteClaim: true}", "storage: {deleteClaim: false}"),
        ("imagePullPolicy: Always", "imagePullPolicy: Never"),
    ] {
        assert_eq!(said(&pool(old), &pool(new)), [""; 0], "{old} -> {new}");
    }
}

/// What is said about the store's volume where its folder comes from a ConfigMap that may be missing, made by an operator.
fn folder_of(owner: &str, new: &str) -> Vec<String> {
    let container = "name: store, image: 'x/store:1', envFrom: [{configMapRef: {name: made, optional: true}}], \
                     volumeMounts: [{name: data, mountPath: /data}]";
    let monitor = resource("monitoring.coreos.com", "ServiceMonitor", "", "");
    let mut fixture = installed(&(set("", container) + &monitor), &json!({"csi": {}}));
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"DATA_DIR": "/data/db"}, "metadata": {"name": "made", "namespace": NS,
        "uid": "uid-made", "ownerReferences": [{"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "name": "pool", "uid": owner}]}});
    fixture.inventory.objects.insert(Ref::new("", "ConfigMap", NS, "made"), Object::new(map));
    store::said(&plan(&fixture, &(set("", container) + new)))
}

#[test]
fn a_folder_that_an_operators_object_names_goes_with_it() {
    let monitor = resource("monitoring.coreos.com", "ServiceMonitor", "", "");
    let refused = "Blocking PL256 StatefulSet/store /spec/template/spec/containers/0/envFrom";
    assert_eq!(folder_of("uid-pool", ""), [refused]);
    assert_eq!(folder_of("uid-pool", &monitor), [""; 0]);
    assert_eq!(folder_of("uid-other", ""), [""; 0]);
}

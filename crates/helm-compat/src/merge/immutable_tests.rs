//! What helm's patch leaves, against the fields that the API server lets nobody change.

use portolan_kube_facts::immutable_violations;
use portolan_model::Ref;
use serde_json::{Value, json};

use super::three_way;

/// Kind, live object, new document, violations.
type Case = (&'static str, Value, Value, Vec<&'static str>);

fn sets_and_claims() -> Vec<Case> {
    let template = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Gi"}}}});
    let live_template = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "creationTimestamp": null},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Gi"}}, "volumeMode": "Filesystem"}, "status": {"phase": "Pending"}});
    let mut larger = template.clone();
    larger["spec"]["resources"]["requests"]["storage"] = json!("9Gi");
    let set = |templates: Value, service: &str| {
        json!({"kind": "StatefulSet", "spec": {"replicas": 1, "serviceName": service, "selector": {"matchLabels": {"a": "b"}},
        "template": {"spec": {"containers": [{"name": "a"}]}}, "volumeClaimTemplates": templates}})
    };
    let mut live_set = set(json!([live_template]), "x");
    live_set["spec"]["podManagementPolicy"] = json!("OrderedReady");
    live_set["spec"]["replicas"] = json!(3);
    let claim = |storage: &str, class: Value| json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}, "storageClassName": class}});
    let mut bound = claim("8Gi", json!("fast"));
    bound["spec"]["volumeName"] = json!("pv");
    bound["spec"]["volumeMode"] = json!("Filesystem");
    let mut grown = bound.clone();
    grown["spec"]["resources"]["requests"]["storage"] = json!("30Gi");
    grown["status"] = json!({"phase": "Bound", "capacity": {"storage": "8Gi"}});
    vec![
        ("StatefulSet.apps/n/a", live_set.clone(), set(json!([template]), "x"), vec![]),
        (
            "StatefulSet.apps/n/a",
            live_set,
            set(json!([larger]), "y"),
            vec!["spec.serviceName", "spec.volumeClaimTemplates"],
        ),
        ("PersistentVolumeClaim/n/a", bound.clone(), claim("8192Mi", json!("fast")), vec![]),
        ("PersistentVolumeClaim/n/a", bound.clone(), claim("16Gi", json!("fast")), vec![]),
        (
            "PersistentVolumeClaim/n/a",
            bound,
            claim("4Gi", json!("slow")),
            vec!["spec.resources.requests.storage", "spec.storageClassName"],
        ),
        ("PersistentVolumeClaim/n/a", grown.clone(), claim("20Gi", json!("fast")), vec![]),
        ("PersistentVolumeClaim/n/a", grown, claim("8Gi", json!("fast")), vec!["spec.resources.requests.storage"]),
        (
            "PersistentVolumeClaim/n/a",
            json!({"spec": {}}),
            json!({"spec": {"storageClassName": "a", "volumeName": "b"}}),
            vec![],
        ),
    ]
}

fn others() -> Vec<Case> {
    let job = |image: &str| json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": image}]}}}});
    vec![
        (
            "Deployment.apps/n/a",
            json!({"spec": {"selector": {"matchLabels": {"a": "1"}}}}),
            json!({"spec": {"selector": {"matchLabels": {"a": "2"}}, "replicas": 2}}),
            vec!["spec.selector"],
        ),
        ("Job.batch/n/a", job("1"), job("1"), vec![]),
        ("Job.batch/n/a", job("1"), job("2"), vec!["spec.template"]),
        (
            "Service/n/a",
            json!({"spec": {"clusterIP": "10.0.0.1"}}),
            json!({"spec": {"clusterIP": "None"}}),
            vec!["spec.clusterIP"],
        ),
        ("Service/n/a", json!({"spec": {"clusterIP": "10.0.0.1"}}), json!({"spec": {"clusterIP": ""}}), vec![]),
        ("Secret/n/a", json!({"type": "Opaque"}), json!({"type": "kubernetes.io/tls"}), vec!["type"]),
        ("Secret/n/a", json!({"data": {"a": "1"}}), json!({"data": {"a": "2"}}), vec![]),
        (
            "ConfigMap/n/a",
            json!({"immutable": true, "data": {"a": "1"}}),
            json!({"immutable": true, "data": {"a": "2"}}),
            vec!["data"],
        ),
        (
            "StorageClass.storage.k8s.io/a",
            json!({"provisioner": "x", "reclaimPolicy": "Delete"}),
            json!({"provisioner": "x", "reclaimPolicy": "Retain"}),
            vec!["reclaimPolicy"],
        ),
        (
            "PersistentVolume/a",
            json!({"spec": {"csi": {"volumeHandle": "1"}, "persistentVolumeReclaimPolicy": "Delete"}}),
            json!({"spec": {"csi": {"volumeHandle": "2"}, "persistentVolumeReclaimPolicy": "Retain"}}),
            vec!["spec.csi"],
        ),
    ]
}

#[test]
fn violations_are_named_and_defaults_are_none() {
    for (kind, live, document, want) in sets_and_claims().into_iter().chain(others()) {
        let name = Ref::parse(kind).expect("the test's name");
        let new = three_way(&document, &document, &live);
        assert_eq!(immutable_violations(&name, &live, &new), want, "{kind} {document}");
    }
}

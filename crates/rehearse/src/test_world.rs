//! A world of a few objects, for tests.

use portolan_model::{ProtectedVolume, Ref, Uid};
use serde_json::{Value, json};

use crate::World;

pub(crate) const NS: &str = "n";

/// The StatefulSet.
pub(crate) fn set() -> Ref {
    Ref::set(NS, "db")
}

/// Its PVC.
pub(crate) fn claim() -> Ref {
    Ref::claim(NS, "data-db-0")
}

/// Its pod.
pub(crate) fn pod() -> Ref {
    Ref::pod(NS, "db-0")
}

/// A Deployment beside or in the place of the set.
pub(crate) fn store() -> Ref {
    Ref::new("apps", "Deployment", NS, "store")
}

/// Its ReplicaSet.
pub(crate) fn replica_set() -> Ref {
    Ref::new("apps", "ReplicaSet", NS, "store-5d4f8c")
}

/// A pod of that.
pub(crate) fn replica() -> Ref {
    Ref::pod(NS, "store-5d4f8c-x7k2p")
}

/// A CustomResourceDefinition.
pub(crate) fn crd() -> Ref {
    Ref::new("apiextensions.k8s.io", "CustomResourceDefinition", "", "clusters.db.example.com")
}

/// A custom resource.
pub(crate) fn cluster() -> Ref {
    Ref::new("db.example.com", "Cluster", NS, "x")
}

/// The namespace of all of them.
pub(crate) fn namespace() -> Ref {
    Ref::new("", "Namespace", "", NS)
}

/// The volume of the PVC.
pub(crate) fn protected() -> ProtectedVolume {
    ProtectedVolume {
        claim: claim(),
        claim_uid: Uid::new("claim"),
        volume: Ref::volume("pv"),
        volume_uid: Uid::new("pv"),
    }
}

/// An owner reference of a controller.
pub(crate) fn owner(name: &Ref, uid: &str) -> Value {
    let version = if name.group().is_empty() { "v1".to_owned() } else { format!("{}/v1", name.group()) };
    json!({"apiVersion": version, "kind": name.kind(), "name": name.name(), "uid": uid, "controller": true})
}

/// A StatefulSet with one pod on one PVC, beside a CRD with one custom resource.
pub(crate) fn world(policy: &str) -> World {
    let facts = json!({
        "cluster": {
            "server": "", "user": "", "uid": "cluster", "version": "", "platform": {"platform": "kubernetes"},
            "default_class": "standard", "groups": [],
        },
        "release": {"namespace": NS, "name": "a"}, "databases": [], "migrations": [],
    });
    let mut world = World::new(serde_json::from_value(facts).expect("facts"));
    let mut put = |name: Ref, extra: Value| {
        let mut json = extra;
        json["apiVersion"] = json!(if name.group().is_empty() { "v1".into() } else { format!("{}/v1", name.group()) });
        json["kind"] = json!(name.kind());
        json["metadata"]["name"] = json!(name.name());
        if !name.namespace().is_empty() {
            json["metadata"]["namespace"] = json!(name.namespace());
        }
        world.put(&name, json);
    };
    let spec = json!({"replicas": 1, "template": {"spec": {}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"storageClassName": "standard"}}]});
    let revision = crate::object_view::revision(&json!({"spec": spec}));
    put(namespace(), json!({"metadata": {"uid": "namespace"}}));
    put(Ref::new("storage.k8s.io", "StorageClass", "", "standard"), json!({"reclaimPolicy": "Delete"}));
    put(set(), json!({"metadata": {"uid": "set"}, "spec": spec}));
    put(
        claim(),
        json!({"metadata": {"uid": "claim", "finalizers": ["kubernetes.io/pvc-protection"]},
            "spec": {"volumeName": "pv", "storageClassName": "standard"}, "status": {"phase": "Bound"}}),
    );
    put(
        Ref::volume("pv"),
        json!({"metadata": {"uid": "pv", "finalizers": ["kubernetes.io/pv-protection"]},
            "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": {"namespace": NS, "name": "data-db-0", "uid": "claim"}},
            "status": {"phase": "Bound"}}),
    );
    put(
        pod(),
        json!({"metadata": {"uid": "pod", "ownerReferences": [owner(&set(), "set")], "labels": {crate::object_view::REVISION: revision}},
            "spec": {"nodeName": "node", "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]},
            "status": {"phase": "Running"}}),
    );
    put(crd(), json!({"metadata": {"uid": "crd"}, "spec": {"group": "db.example.com", "names": {"kind": "Cluster"}}}));
    put(cluster(), json!({"metadata": {"uid": "cluster"}, "spec": {"size": 1}}));
    world.set_disk(&Ref::volume("pv"), crate::Disk { alive: true, database: None });
    world
}

/// Changes an object.
pub(crate) fn edit(world: &mut World, name: &Ref, change: impl FnOnce(&mut Value)) {
    let mut json = (*world.get(name).expect("it is there").0).clone();
    change(&mut json);
    world.put(name, json);
}

//! What a cluster has beside the release: objects of other people, in its namespace and elsewhere. Nothing of it runs, so
//! that the node has no part in what is measured.

use anyhow::{Context, Result};
use portolan_testkit::rig::{Namespace, Rig};
use portolan_trials::side_by_side;
use serde_json::{Value, json};

/// How many objects there are.
pub(crate) const SIZE: usize = 2_000;

/// How many of a kind in the release's namespace, and how many in another.
const KINDS: [(Kind, usize, usize); 9] = [
    (Kind::ConfigMap, 400, 100),
    (Kind::Secret, 280, 50),
    (Kind::Record, 20, 0),
    (Kind::Claim, 150, 150),
    (Kind::Volume, 150, 150),
    (Kind::Deployment, 150, 50),
    (Kind::Set, 100, 50),
    (Kind::Service, 100, 0),
    (Kind::Pod, 100, 0),
];

#[derive(Clone, Copy)]
enum Kind {
    ConfigMap,
    Secret,
    /// A record of another release.
    Record,
    /// A PVC bound to the volume of its number.
    Claim,
    Volume,
    Deployment,
    Set,
    Service,
    /// A pod that is not scheduled.
    Pod,
}

/// Adds them. Those of other namespaces are in `other`.
pub(crate) fn add(rig: &Rig, space: &Namespace<'_>, other: &Namespace<'_>) -> Result<()> {
    let secrets = space.find("api/v1", "secrets")?.context("secrets can be listed")?;
    let record = secrets["items"].as_array().into_iter().flatten().find(|secret| secret["type"] == RECORD);
    let record = record.context("the release has a record")?;
    let mut objects = Vec::new();
    for (kind, here, elsewhere) in KINDS {
        objects.extend((0..here).map(|number| kind.object(number, space.name(), record)));
        objects.extend((0..elsewhere).map(|number| kind.object(number, other.name(), record)));
    }
    anyhow::ensure!(objects.len() == SIZE, "{} objects", objects.len());
    side_by_side::each(&objects, 4, &|(path, object)| rig.api().create(path, object).map(drop), &|()| {})?;
    for space in [space, other] {
        space.wait("the PVCs", |space| {
            let claims = space.find("api/v1", "persistentvolumeclaims")?.context("the PVCs can be listed")?;
            Ok(claims["items"]
                .as_array()
                .is_some_and(|all| all.iter().all(|claim| claim["status"]["phase"] == "Bound")))
        })?;
    }
    Ok(())
}

/// The type of the Secrets in which helm keeps its records.
const RECORD: &str = "helm.sh/release.v1";

impl Kind {
    /// One of them, and the collection that it goes into.
    fn object(self, number: usize, space: &str, record: &Value) -> (String, Value) {
        let (api, plural, mut object) = match self {
            Self::ConfigMap => ("api/v1", "configmaps", config_map(number)),
            Self::Secret => ("api/v1", "secrets", secret(number)),
            Self::Record => ("api/v1", "secrets", record_of_another(number, record)),
            Self::Claim => ("api/v1", "persistentvolumeclaims", claim(number, space)),
            Self::Volume => ("api/v1", "persistentvolumes", volume(number, space)),
            Self::Deployment => ("apis/apps/v1", "deployments", workload("Deployment", number)),
            Self::Set => ("apis/apps/v1", "statefulsets", workload("StatefulSet", number)),
            Self::Service => ("api/v1", "services", service(number)),
            Self::Pod => ("api/v1", "pods", pod(number)),
        };
        if matches!(self, Self::Volume) {
            return (format!("/{api}/{plural}"), object);
        }
        object["metadata"]["namespace"] = json!(space);
        (format!("/{api}/namespaces/{space}/{plural}"), object)
    }
}

/// Most have a kilobyte, some eight, and a few a hundred: dashboards, certificates.
fn config_map(number: usize) -> Value {
    let size = match number % 20 {
        0 => 100_000,
        1..=4 => 8_000,
        _ => 1_000,
    };
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": about(&format!("settings-{number}")),
        "data": {"config.yaml": "key: some value of a setting\n".repeat(size / 29)},
    })
}

fn secret(number: usize) -> Value {
    let value = |what: &str, size: usize| format!("{what}-{number}-").repeat(size / (what.len() + 5) + 1);
    let size = if number.is_multiple_of(6) { 4_000 } else { 40 };
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": about(&format!("credentials-{number}")), "type": "Opaque",
        "stringData": {"username": value("name", 1), "password": value("pass", 20), "certificate": value("cert", size)},
    })
}

fn record_of_another(number: usize, record: &Value) -> Value {
    let name = format!("other-{number}");
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": RECORD, "data": record["data"],
        "metadata": {
            "name": format!("sh.helm.release.v1.{name}.v1"),
            "labels": {"owner": "helm", "name": name, "status": "deployed", "version": "1"},
        },
    })
}

fn claim(number: usize, space: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": about(&claim_name(number)),
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "others",
            "volumeName": format!("{space}-{number}"),
        },
    })
}

/// Two of three are those of the sets.
fn claim_name(number: usize) -> String {
    if number.is_multiple_of(3) {
        format!("files-{number}")
    } else {
        format!("data-set-{}-0", number / 3 * 2 + number % 3 - 1)
    }
}

fn volume(number: usize, space: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": about(&format!("{space}-{number}")),
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "storageClassName": "others",
            "persistentVolumeReclaimPolicy": if number.is_multiple_of(2) { "Retain" } else { "Delete" },
            "claimRef": {"namespace": space, "name": claim_name(number)},
            "csi": {"driver": "others.example.com", "volumeHandle": format!("{space}-{number}")},
        },
    })
}

/// A Deployment or a StatefulSet of nobody: it is scaled to 0.
fn workload(kind: &str, number: usize) -> Value {
    let name = format!("{}-{number}", if kind == "StatefulSet" { "set" } else { "web" });
    let mut spec = json!({
        "replicas": 0, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod_spec(number)},
    });
    if kind == "StatefulSet" {
        spec["serviceName"] = json!(name);
        spec["volumeClaimTemplates"] = json!([{
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "others"},
        }]);
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": about(&name), "spec": spec})
}

fn service(number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": about(&format!("web-{number}")),
        "spec": {"clusterIP": "None", "selector": {"app": format!("web-{number}")}, "ports": [{"name": "http", "port": 8080}]},
    })
}

fn pod(number: usize) -> Value {
    let mut spec = pod_spec(number);
    spec["schedulingGates"] = json!([{"name": "example.com/never"}]);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": about(&format!("waiting-{number}")), "spec": spec})
}

fn pod_spec(number: usize) -> Value {
    let settings = format!("settings-{number}");
    let env: Vec<Value> =
        (0..12).map(|at| json!({"name": format!("SETTING_{at}"), "value": format!("a value of {number}")})).collect();
    json!({
        "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "main", "image": "registry.example.com/others/web:1", "env": env,
            "envFrom": [{"secretRef": {"name": format!("credentials-{number}")}}],
            "ports": [{"name": "http", "containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
            "volumeMounts": [{"name": "settings", "mountPath": "/etc/settings"}],
        }],
        "volumes": [{"name": "settings", "configMap": {"name": settings}}],
    })
}

fn about(name: &str) -> Value {
    json!({
        "name": name,
        "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "others", "app.kubernetes.io/managed-by": "people"},
        "annotations": {"example.com/owner": "a team", "example.com/note": "an object that is not the release's"},
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_set_has_its_claim_and_no_name_is_there_twice() {
        let names: BTreeSet<String> = (0..150).map(claim_name).collect();
        assert_eq!(names.len(), 150);
        assert!((0..100).all(|set| names.contains(&format!("data-set-{set}-0"))));
        let total: usize = KINDS.iter().map(|(_, here, elsewhere)| here + elsewhere).sum();
        assert_eq!(total, SIZE);
    }
}

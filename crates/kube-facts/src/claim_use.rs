use std::collections::BTreeSet;

use portolan_model::{Object, Ref};
use serde_json::Value;

use crate::{Kind, PodTemplate, StatefulSet};

/// How an object uses a PVC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimUse {
    /// Its pods name it as a volume. The field is a JSON pointer.
    Named(String),
    /// It is a StatefulSet that makes it from a template, or has made it: the template's JSON pointer, and the ordinal, which
    /// need not be one of today's.
    Made(String, u32),
}

impl ClaimUse {
    /// How an object uses a PVC; `None` where it does not.
    #[must_use]
    pub fn of(object: &Object, claim: &Ref) -> Option<Self> {
        if object.text("/metadata/namespace") != claim.namespace() {
            return None;
        }
        if let Some(template) = PodTemplate::of(object) {
            let is_it = |volume: &Value| {
                volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) == Some(claim.name())
            };
            if let Some(index) = template.volumes().position(is_it) {
                return Some(Self::Named(format!("{}/volumes/{index}", template.pointer)));
            }
        }
        let (index, ordinal) = StatefulSet::of(object)?.origin_of(claim)?;
        Some(Self::Made(format!("/spec/volumeClaimTemplates/{index}"), ordinal))
    }

    /// The field by which it uses it.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::Named(field) | Self::Made(field, _) => field,
        }
    }
}

/// The PVCs of a workload or pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Those that its pods name as volumes.
    pub named: BTreeSet<Ref>,
    /// Those of its templates and ordinals, as a StatefulSet creates them.
    pub created: BTreeSet<Ref>,
}

impl Claims {
    /// The PVCs of an object that need not say its kind itself.
    #[must_use]
    pub fn of(name: &Ref, object: &Object) -> Self {
        let template = PodTemplate::of_kind(Kind::named(name), object);
        let named = template.into_iter().flat_map(PodTemplate::claims).map(|claim| Ref::claim(name.namespace(), claim));
        let created = StatefulSet::named(name, object).map(|set| set.claims()).unwrap_or_default();
        Self { named: named.collect(), created: created.into_iter().map(|one| one.claim).collect() }
    }

    /// All of them.
    pub fn into_all(self) -> impl Iterator<Item = Ref> {
        self.named.into_iter().chain(self.created)
    }
}

/// Whether an object's pods mount a PVC once its controller has done its work: as [`ClaimUse::of`], and the ordinal is one that
/// the StatefulSet wants.
#[must_use]
pub fn mounts(object: &Object, claim: &Ref) -> bool {
    match ClaimUse::of(object, claim) {
        Some(ClaimUse::Named(_)) => true,
        Some(ClaimUse::Made(_, ordinal)) => {
            StatefulSet::of(object).is_some_and(|set| set.ordinals().contains(&ordinal))
        }
        None => false,
    }
}

/// What can reach a PVC in a way that Portolan does not model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The field by which it can: a JSON pointer.
    pub field: String,
    /// What is not modelled, in one clause.
    pub reason: String,
    /// How to get rid of it, in one clause.
    pub way_out: &'static str,
    /// Whether it comes about only where the object's `spec` changes: its controller leaves its pods alone otherwise.
    pub by_change: bool,
}

/// Every way in which an object can reach a PVC and that is not modelled; empty where there is none.
#[must_use]
pub fn reach(object: &Object, claim: &Ref) -> Vec<Reach> {
    let kind = Kind::of(object);
    if kind == Kind::Custom {
        return custom(object, claim).into_iter().collect();
    }
    let Some(field) = ClaimUse::of(object, claim).map(|it| it.field().to_owned()) else { return Vec::new() };
    let is_true = |pointer: &str| object.at(pointer) == Some(&Value::Bool(true));
    let is_scaled_down = crate::replicas(object) == 0;
    let owned_by =
        |kind: &str| crate::owners(object).iter().any(|owner| owner.is_controller && owner.name.kind() == kind);
    // What only reads does nothing to the data.
    let reads = || {
        let mounts = crate::claim_mounts(object, claim);
        !mounts.is_empty() && mounts.iter().all(|mount| mount.is_read_only)
    };
    let by_change = matches!(kind, Kind::Deployment | Kind::DaemonSet | Kind::ReplicaSet | Kind::ReplicationController);
    let found = |reason: &str, way_out: &'static str| {
        vec![Reach { field: field.clone(), reason: reason.into(), way_out, by_change }]
    };
    match kind {
        Kind::Pod
        | Kind::PersistentVolumeClaim
        | Kind::PersistentVolume
        | Kind::Namespace
        | Kind::CustomResourceDefinition
        | Kind::Route
        | Kind::Ingress
        | Kind::Inert
        | Kind::Custom => Vec::new(),
        Kind::StatefulSet => partition(object).into_iter().collect(),
        Kind::Deployment if is_scaled_down => Vec::new(),
        Kind::Deployment if is_true("/spec/paused") => found(
            "its pods mount the PVC, and what a Deployment that is paused does to its pods is not modelled",
            "resume it before the upgrade and in the new chart",
        ),
        Kind::Deployment if object.text("/spec/strategy/type") == "Recreate" => Vec::new(),
        Kind::Deployment => found(
            "its pods mount the PVC, and a rolling update of a Deployment runs the old and the new pod on it at once, or on two \
             nodes, where the new one may wait for the volume for ever",
            "give the chart strategy.type: Recreate, or scale it to 0 before the upgrade and wait until its pods are gone",
        ),
        // Its Deployment is named in its place.
        Kind::ReplicaSet if owned_by("Deployment") => Vec::new(),
        Kind::ReplicaSet | Kind::ReplicationController if is_scaled_down => Vec::new(),
        Kind::ReplicaSet | Kind::ReplicationController => found(
            "its pods mount the PVC, and when it creates them is not modelled",
            "scale it to 0, leave it at 0 in the new chart's values and scale it up afterwards",
        ),
        Kind::DaemonSet => found(
            "its pods mount the PVC on every node, and how a DaemonSet replaces them is not modelled",
            "give the DaemonSet another volume",
        ),
        // A Job that has ended creates no pods any more.
        Kind::Job if has_ended(object) || is_true("/spec/suspend") || owned_by("CronJob") => Vec::new(),
        Kind::Job | Kind::CronJob if reads() => Vec::new(),
        Kind::Job => found(
            "its pods mount the PVC, and what the program of a Job does to the data is not known",
            "wait until it has ended, or leave it out of the new chart",
        ),
        Kind::CronJob if is_true("/spec/suspend") => Vec::new(),
        Kind::CronJob => found(
            "its pods mount the PVC, start at any time, and what their program does to the data is not known",
            "suspend it (spec.suspend: true) before the upgrade and in the new chart",
        ),
    }
}

/// Pods below the partition are created from an older template, which is kept in a ControllerRevision.
fn partition(object: &Object) -> Option<Reach> {
    let set = StatefulSet::of(object)?;
    (set.partition() > 0 && !set.is_on_delete()).then(|| Reach {
        field: "/spec/updateStrategy/rollingUpdate/partition".into(),
        reason: "pods below the partition keep the old pod template, which is not modelled".into(),
        way_out: "set the partition to 0",
        by_change: false,
    })
}

fn has_ended(job: &Object) -> bool {
    let ended = |condition: &Value| {
        matches!(condition.get("type").and_then(Value::as_str), Some("Complete" | "Failed"))
            && condition.get("status").and_then(Value::as_str) == Some("True")
    };
    job.list("/status/conditions").iter().any(ended)
}

/// A custom resource that names the PVC somewhere in its spec. Labels and selectors name other things.
fn custom(object: &Object, claim: &Ref) -> Option<Reach> {
    let namespace = object.text("/metadata/namespace");
    if !namespace.is_empty() && namespace != claim.namespace() {
        return None;
    }
    let top = object.0.as_object()?;
    let parts = top.iter().filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status" | "kind" | "apiVersion"));
    let named = parts
        .into_iter()
        .find_map(|(key, value)| naming(value, claim.name(), &format!("/{}", portolan_model::pointer_part(key))));
    // One that is made like a StatefulSet names its PVCs like one.
    let field = named.or_else(|| {
        let (index, _) = StatefulSet::alike(object.name()?, object).origin_of(claim)?;
        Some(format!("/spec/volumeClaimTemplates/{index}"))
    })?;
    Some(Reach {
        field,
        reason: format!(
            "it names the PVC, and what the controller of a {} does to it is not modelled",
            object.text("/kind")
        ),
        way_out: "stop its controller before the upgrade",
        by_change: false,
    })
}

fn naming(value: &Value, text: &str, at: &str) -> Option<String> {
    match value {
        Value::String(is) => (is == text).then(|| at.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| naming(item, text, &format!("{at}/{index}")))
        }
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !is_about_labels(key))
            .find_map(|(key, value)| naming(value, text, &format!("{at}/{}", portolan_model::pointer_part(key)))),
        _ => None,
    }
}

fn is_about_labels(key: &str) -> bool {
    matches!(key, "labels" | "annotations" | "matchLabels" | "selector" | "labelSelector" | "podSelector")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An object of a kind whose pods mount the PVC `store`.
    pub(crate) fn user(version: &str, kind: &str) -> Value {
        let pod = json!({"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": "store"}}]});
        let template = json!({"template": {"spec": pod}});
        let spec = match kind {
            "Pod" => pod,
            "CronJob" => json!({"jobTemplate": {"spec": template}}),
            _ => template,
        };
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": "user", "namespace": "n"}, "spec": spec})
    }

    fn with(version: &str, kind: &str, pointer: &str, value: Value) -> Value {
        let mut json = user(version, kind);
        let mut at = &mut json;
        for key in pointer.split('/').skip(1) {
            at = &mut at[key];
        }
        *at = value;
        json
    }

    #[test]
    fn every_kind_and_form_that_is_not_modelled_is_named_with_its_field() {
        let pod = "/spec/template/spec/volumes/1";
        let cases = [
            (user("apps/v1", "Deployment"), pod),
            (with("apps/v1", "Deployment", "/spec/strategy", json!({"type": "RollingUpdate"})), pod),
            (
                with("apps/v1", "Deployment", "/spec", {
                    let mut spec = user("apps/v1", "Deployment")["spec"].clone();
                    spec["strategy"] = json!({"type": "Recreate"});
                    spec["paused"] = json!(true);
                    spec
                }),
                pod,
            ),
            (user("apps/v1", "DaemonSet"), pod),
            (user("apps/v1", "ReplicaSet"), pod),
            (
                user("apps.openshift.io/v1", "DeploymentConfig"),
                "/spec/template/spec/volumes/1/persistentVolumeClaim/claimName",
            ),
            (user("v1", "ReplicationController"), pod),
            (user("batch/v1", "Job"), pod),
            (user("batch/v1", "CronJob"), "/spec/jobTemplate/spec/template/spec/volumes/1"),
            (
                with("apps/v1", "StatefulSet", "/spec/updateStrategy", json!({"rollingUpdate": {"partition": 1}})),
                "/spec/updateStrategy/rollingUpdate/partition",
            ),
            (
                json!({"apiVersion": "db.example.com/v1", "kind": "Cluster", "metadata": {"name": "x", "namespace": "n"},
                    "spec": {"storage": [{"a/b": "other"}, {"a/b": "store"}]}}),
                "/spec/storage/1/a~1b",
            ),
            (
                user("apps.kruise.io/v1beta1", "StatefulSet"),
                "/spec/template/spec/volumes/1/persistentVolumeClaim/claimName",
            ),
        ];
        for (json, field) in cases {
            let found = reach(&Object::new(json.clone()), &Ref::claim("n", "store"));
            assert_eq!(found.iter().map(|one| one.field.as_str()).collect::<Vec<_>>(), [field], "{json}");
            for claim in [Ref::claim("other", "store"), Ref::claim("n", "another")] {
                assert_eq!(reach(&Object::new(json.clone()), &claim), [], "{claim:?} {json}");
            }
        }
    }

    #[test]
    fn a_custom_kind_that_makes_pvcs_as_a_stateful_set_does_is_named() {
        let object = Object::new(
            json!({"apiVersion": "apps.kruise.io/v1beta1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "n"},
            "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}),
        );
        for (claim, named) in [("data-db-0", true), ("data-db-x", false), ("data-other-0", false)] {
            let found = reach(&object, &Ref::claim("n", claim));
            let field = named.then_some("/spec/volumeClaimTemplates/0");
            assert_eq!(found.first().map(|one| one.field.as_str()), field, "{claim}");
        }
    }

    #[test]
    fn what_is_modelled_or_at_rest_is_not() {
        let complete = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        let owner =
            |kind: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": "u", "controller": true}]);
        let cases = [
            user("v1", "Pod"),
            user("apps/v1", "StatefulSet"),
            with("apps/v1", "StatefulSet", "/spec/podManagementPolicy", json!("Parallel")),
            with("apps/v1", "StatefulSet", "/spec/ordinals", json!({"start": 1})),
            with("apps/v1", "StatefulSet", "/spec/updateStrategy", json!({"rollingUpdate": {"partition": 0}})),
            with("apps/v1", "Deployment", "/spec/replicas", json!(0)),
            with("apps/v1", "Deployment", "/spec/strategy", json!({"type": "Recreate"})),
            with("apps/v1", "ReplicaSet", "/metadata/ownerReferences", owner("Deployment")),
            with("batch/v1", "Job", "/status", complete),
            with("batch/v1", "Job", "/metadata/ownerReferences", owner("CronJob")),
            with("batch/v1", "CronJob", "/spec/suspend", json!(true)),
            with("batch/v1", "Job", "/spec/template/spec/containers", {
                json!([{"name": "backup", "volumeMounts": [{"name": "data", "mountPath": "/d", "readOnly": true}]}])
            }),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "n"}, "data": {"k": "store"}}),
            json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "x", "namespace": "n"},
                "spec": {"endpoints": [{"port": "store"}]}}),
            json!({"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": {"name": "x", "namespace": "n"}, "spec": {"to": {"name": "store"}}}),
            json!({"apiVersion": "db.example.com/v1", "kind": "Cluster", "metadata": {"name": "store", "namespace": "n", "labels": {"app": "store"}},
                "spec": {"selector": {"matchLabels": {"app": "store"}}}, "status": {"claim": "store"}}),
        ];
        for json in cases {
            assert_eq!(reach(&Object::new(json.clone()), &Ref::claim("n", "store")), [], "{json}");
        }
    }

    #[test]
    fn controllers_that_only_replace_pods_do_so_where_their_spec_changes() {
        for (version, kind, by_change) in [
            ("apps/v1", "Deployment", true),
            ("apps/v1", "DaemonSet", true),
            ("apps/v1", "ReplicaSet", true),
            ("v1", "ReplicationController", true),
            ("batch/v1", "Job", false),
            ("batch/v1", "CronJob", false),
            ("apps.openshift.io/v1", "DeploymentConfig", false),
        ] {
            let found = reach(&Object::new(user(version, kind)), &Ref::claim("n", "store"));
            assert_eq!(found.iter().map(|one| one.by_change).collect::<Vec<_>>(), [by_change], "{kind}");
        }
    }

    #[test]
    fn a_set_mounts_the_claims_of_its_ordinals() {
        let mut json = user("apps/v1", "StatefulSet");
        json["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}}]);
        json["spec"]["ordinals"] = json!({"start": 1});
        let set = Object::new(json);
        for (claim, uses, mounted) in [
            ("store", Some("/spec/template/spec/volumes/1"), true),
            ("data-user-0", Some("/spec/volumeClaimTemplates/0"), false),
            ("data-user-1", Some("/spec/volumeClaimTemplates/0"), true),
            ("data-user-x", None, false),
        ] {
            let claim = Ref::claim("n", claim);
            assert_eq!(ClaimUse::of(&set, &claim).as_ref().map(ClaimUse::field), uses, "{claim}");
            assert_eq!(mounts(&set, &claim), mounted, "{claim}");
        }
    }
}

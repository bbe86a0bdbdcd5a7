//! Fields that the API server lets nobody change.

use portolan_model::{JsonPointer, Object, Ref};
use serde_json::{Map, Value, json};

use crate::{ClassKnown, Sizes, semantics};

/// The fields of an object that a write would change although the server does not allow it, as dotted paths. `old` is
/// the live object, `new` what the write leaves. Of `kind` only group and kind count.
///
/// From the validation of Kubernetes 1.33 (`pkg/apis/*/validation`): `ValidateStatefulSetUpdate`,
/// `ValidatePersistentVolumeClaimUpdate`, `ValidatePersistentVolumeUpdate`, `ValidateDeploymentUpdate`, `ValidateDaemonSetUpdate`,
/// `ValidateJobUpdate`, `ValidateServiceUpdate`, `ValidateSecretUpdate`, `ValidateConfigMapUpdate`, `ValidateStorageClassUpdate`.
#[must_use]
pub fn immutable_violations(kind: &Ref, old: &Value, new: &Value) -> Vec<String> {
    let check = Check { old, new };
    match (kind.group(), kind.kind()) {
        ("apps", "StatefulSet") => check.all_of_spec_but(&[
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ]),
        ("apps", "Deployment" | "DaemonSet" | "ReplicaSet") => check.fields(&["spec.selector"]),
        ("batch", "Job") => check.job(),
        ("", "PersistentVolumeClaim") => check.claim(),
        ("", "PersistentVolume") => check.all_of_spec_but(&[
            "accessModes",
            "capacity",
            "claimRef",
            "mountOptions",
            "nodeAffinity",
            "persistentVolumeReclaimPolicy",
            "storageClassName",
            "volumeAttributesClassName",
        ]),
        ("", "Service") => check.service(),
        ("", "Secret") => {
            let mut found = check.fields(&["type"]);
            found.extend(check.frozen_data());
            found
        }
        ("", "ConfigMap") => check.frozen_data(),
        ("storage.k8s.io", "StorageClass") => {
            check.fields(&["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"])
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => check.fields(&["roleRef"]),
        ("networking.k8s.io", "IngressClass") => check.fields(&["spec.controller"]),
        ("scheduling.k8s.io", "PriorityClass") => check.fields(&["value", "preemptionPolicy"]),
        _ => Vec::new(),
    }
}

struct Check<'a> {
    old: &'a Value,
    new: &'a Value,
}

impl Check<'_> {
    /// A field of both sides, as an object of its own so that what one side leaves out can be a default.
    fn differs(&self, path: &str) -> bool {
        let pointer = JsonPointer::of_dotted(path);
        let key = path.rsplit('.').next().unwrap_or(path);
        let of = |value: &Value| match value.pointer(pointer.as_str()) {
            None => json!({}),
            Some(field) => json!({ key: field }),
        };
        !semantics::equal(&of(self.old), &of(self.new))
    }

    fn fields(&self, paths: &[&str]) -> Vec<String> {
        paths.iter().filter(|path| self.differs(path)).map(|path| (*path).to_owned()).collect()
    }

    fn all_of_spec_but(&self, mutable: &[&str]) -> Vec<String> {
        let empty = Map::new();
        let of = |value: &'_ Value| -> Vec<String> {
            let spec = value.get("spec").and_then(Value::as_object);
            spec.unwrap_or(&empty).keys().cloned().collect()
        };
        let mut keys = of(self.old);
        keys.extend(of(self.new));
        keys.sort();
        keys.dedup();
        keys.iter()
            .filter(|key| !mutable.contains(&key.as_str()))
            .map(|key| format!("spec.{key}"))
            .filter(|path| self.differs(path))
            .collect()
    }

    fn text(value: &Value, pointer: &str) -> String {
        let text = value.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    }

    /// A PVC's spec: its request may grow, and shrink as long as it stays above the capacity, its attributes class may change, and volume and class may be set once
    /// while they are empty.
    fn claim(&self) -> Vec<String> {
        let mut found =
            self.all_of_spec_but(&["resources", "volumeAttributesClassName", "volumeName", "storageClassName"]);
        for field in ["volumeName", "storageClassName"] {
            let pointer = format!("/spec/{field}");
            let was = self.old.pointer(&pointer).and_then(Value::as_str);
            // An empty class is a class of its own: one without a provisioner.
            let is_set = match field {
                "volumeName" => was.is_some_and(|name| !name.is_empty()),
                _ => was.is_some(),
            };
            if is_set && was.unwrap_or_default() != Self::text(self.new, &pointer) {
                found.push(format!("spec.{field}"));
            }
        }
        if self.refuses_size() {
            found.push("spec.resources.requests.storage".into());
        }
        found.sort();
        found
    }

    /// Whether the storage request cannot become the new one, whatever the storage class allows.
    fn refuses_size(&self) -> bool {
        let size = |value: &Value, pointer: &str| semantics::quantity(value.pointer(pointer)?);
        let request = |value: &Value| size(value, "/spec/resources/requests/storage");
        let Some(was) = request(self.old) else { return false };
        let Some(wanted) = request(self.new) else { return true };
        let capacity = size(self.old, "/status/capacity/storage").unwrap_or(was);
        let sizes = Sizes { request: was, wanted, capacity };
        crate::refuses_resize(&Object::new(self.old.clone()), sizes, ClassKnown::Unknown).is_some()
    }

    fn job(&self) -> Vec<String> {
        let mut paths = vec!["spec.selector", "spec.completionMode"];
        // The template of a suspended job that never started may change.
        let suspended = self.old.pointer("/spec/suspend") == Some(&Value::Bool(true))
            && self.old.pointer("/status/startTime").is_none();
        if !suspended {
            paths.push("spec.template");
        }
        self.fields(&paths)
    }

    /// A cluster IP stays; left out or empty, the server fills in the one that was there.
    fn service(&self) -> Vec<String> {
        let (was, is) = (Self::text(self.old, "/spec/clusterIP"), Self::text(self.new, "/spec/clusterIP"));
        let external = Self::text(self.new, "/spec/type") == "ExternalName"
            || Self::text(self.old, "/spec/type") == "ExternalName";
        if was.is_empty() || is.is_empty() || was == is || external {
            Vec::new()
        } else {
            vec!["spec.clusterIP".into()]
        }
    }

    /// Data that was declared immutable, and the declaration itself.
    fn frozen_data(&self) -> Vec<String> {
        if self.old.get("immutable") != Some(&Value::Bool(true)) {
            return Vec::new();
        }
        self.fields(&["immutable", "data", "binaryData", "stringData"])
    }
}

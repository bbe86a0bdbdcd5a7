use portolan_model::{Object, Ref};
use serde_json::Value;

use crate::selects;
use crate::semantics::quantity;

/// The provisioner of classes whose PVs people make.
const BY_HAND: &str = "kubernetes.io/no-provisioner";

/// A PVC that is not bound: its name, its `spec`, and the class that it gets.
#[derive(Clone, Copy, Debug)]
pub struct UnboundClaim<'a> {
    /// The PVC.
    pub name: &'a Ref,
    /// Its `spec`.
    pub spec: &'a Value,
    /// Its storage class; empty for none.
    pub class: &'a str,
}

impl UnboundClaim<'_> {
    /// Why a PV is not bound to the PVC, in words that follow the PV's name; `None` where it can be (`FindMatchingVolume` in
    /// `component-helpers/storage/volume/pv_helpers.go`, Kubernetes 1.34). The nodes of a PV are not looked at.
    #[must_use]
    pub fn refuses(&self, volume: &Object) -> Option<String> {
        let holder = (volume.text("/spec/claimRef/namespace"), volume.text("/spec/claimRef/name"));
        let is_reserved = holder == (self.name.namespace(), self.name.name());
        if volume.is_terminating() || matches!(volume.text("/status/phase"), "Bound" | "Released" | "Failed") {
            return Some("is taken".into());
        }
        if !holder.1.is_empty() && !is_reserved {
            return Some(format!("is for {}/{}", holder.0, holder.1));
        }
        if volume.text("/spec/storageClassName") != self.class {
            return Some(format!("has class {:?}", volume.text("/spec/storageClassName")));
        }
        let mode = |mode: &str| if mode.is_empty() { "Filesystem".to_owned() } else { mode.to_owned() };
        let wanted = mode(self.spec["volumeMode"].as_str().unwrap_or_default());
        if mode(volume.text("/spec/volumeMode")) != wanted {
            return Some(format!("has not volumeMode {wanted}"));
        }
        let has = volume.list("/spec/accessModes");
        if let Some(missing) = crate::list(self.spec, "accessModes").iter().find(|mode| !has.contains(mode)) {
            return Some(format!("has not access mode {}", missing.as_str().unwrap_or_default()));
        }
        let size = |value: Option<&Value>| value.and_then(quantity).unwrap_or_default();
        if size(volume.at("/spec/capacity/storage")) < size(self.spec.pointer("/resources/requests/storage")) {
            return Some(format!("has {}", volume.text("/spec/capacity/storage")));
        }
        let selector = self.spec.get("selector").filter(|selector| !selector.is_null());
        let fits = selector.is_none_or(|_| selects(selector, volume.at("/metadata/labels")));
        (!fits).then(|| "has not the labels that the PVC selects".into())
    }
}

/// Whether a storage class makes no volumes itself.
#[must_use]
pub fn is_by_hand(class: &Object) -> bool {
    class.text("/provisioner") == BY_HAND
}

/// Whether a PV was made by a provisioner.
#[must_use]
pub fn is_made_by(volume: &Object, provisioner: &str) -> bool {
    volume.annotation("pv.kubernetes.io/provisioned-by") == Some(provisioner)
        || volume.text("/spec/csi/driver") == provisioner
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_volume_says_why_it_does_not_fit() {
        let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}},
            "selector": {"matchLabels": {"for": "db"}}});
        let name = Ref::claim("n", "data");
        let claim = UnboundClaim { name: &name, spec: &spec, class: "local" };
        let fits = json!({"metadata": {"labels": {"for": "db"}}, "status": {"phase": "Available"},
            "spec": {"storageClassName": "local", "capacity": {"storage": "4Gi"}, "accessModes": ["ReadWriteOnce", "ReadWriteMany"]}});
        let with = |pointer: &str, value: Value| {
            let mut json = fits.clone();
            let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
            json.pointer_mut(parent).expect("its parent")[key] = value;
            claim.refuses(&Object::new(json))
        };
        assert_eq!(with("/spec/claimRef", json!({"namespace": "n", "name": "data"})), None);
        for (pointer, value, why) in [
            ("/status/phase", json!("Released"), "is taken"),
            ("/spec/claimRef", json!({"namespace": "n", "name": "other"}), "is for n/other"),
            ("/spec/storageClassName", json!("fast"), "has class \"fast\""),
            ("/spec/volumeMode", json!("Block"), "has not volumeMode Filesystem"),
            ("/spec/accessModes", json!(["ReadOnlyMany"]), "has not access mode ReadWriteOnce"),
            ("/spec/capacity", json!({"storage": "1Gi"}), "has 1Gi"),
            ("/metadata/labels", json!({"for": "web"}), "has not the labels that the PVC selects"),
        ] {
            assert_eq!(with(pointer, value).as_deref(), Some(why), "{pointer}");
        }
    }
}

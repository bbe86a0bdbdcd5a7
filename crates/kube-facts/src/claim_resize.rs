//! Whether the API server lets a PVC's storage request change.

use portolan_model::Object;

/// Why a change of a PVC's storage request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeRefusal {
    /// The PVC is not bound.
    NotBound,
    /// The new request is not above `status.capacity`.
    NotAboveCapacity,
    /// The volume was not provisioned by a storage class.
    NoClass,
    /// The storage class does not allow expansion, or does not exist.
    NotExpandable,
}

/// What is known of a PVC's storage class.
#[derive(Clone, Copy, Debug)]
pub enum ClassKnown<'a> {
    /// The class.
    Known(&'a Object),
    /// There is no such class.
    Absent,
    /// It could not be read.
    Unknown,
}

/// The storage sizes of a change, in any one unit.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The request today.
    pub request: i128,
    /// The request after the change.
    pub wanted: i128,
    /// `status.capacity` today; 0 where there is none.
    pub capacity: i128,
}

/// The rule of Kubernetes 1.34: `ValidatePersistentVolumeClaimUpdate` in `pkg/apis/core/validation/validation.go` and the admission
/// plugin `PersistentVolumeClaimResize`. A request may go down as long as it stays above the capacity, so that people can take
/// back a growth that never happened.
#[must_use]
pub fn refuses_resize(claim: &Object, sizes: Sizes, class: ClassKnown<'_>) -> Option<ResizeRefusal> {
    if sizes.wanted == sizes.request {
        return None;
    }
    if !is_bound(claim) {
        return Some(ResizeRefusal::NotBound);
    }
    if sizes.wanted < sizes.request {
        return (sizes.wanted <= sizes.capacity).then_some(ResizeRefusal::NotAboveCapacity);
    }
    if class_of(claim).is_empty() {
        return Some(ResizeRefusal::NoClass);
    }
    match class {
        ClassKnown::Known(class) if class.at("/allowVolumeExpansion") == Some(&true.into()) => None,
        ClassKnown::Known(_) | ClassKnown::Absent => Some(ResizeRefusal::NotExpandable),
        ClassKnown::Unknown => None,
    }
}

/// Whether a PVC is bound; one without a status is taken for bound where it names its volume.
fn is_bound(claim: &Object) -> bool {
    match claim.text("/status/phase") {
        "" => !claim.text("/spec/volumeName").is_empty(),
        phase => phase == "Bound",
    }
}

/// The name of a PVC's storage class, the annotation from before Kubernetes 1.6 included; empty where it has none.
#[must_use]
pub fn class_of(claim: &Object) -> &str {
    claim.annotation("volume.beta.kubernetes.io/storage-class").unwrap_or_else(|| claim.text("/spec/storageClassName"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_servers_rule_is_neither_stricter_nor_laxer_here() {
        let claim = |phase: &str, class: &str| {
            Object::new(
                json!({"kind": "PersistentVolumeClaim", "spec": {"storageClassName": class}, "status": {"phase": phase}}),
            )
        };
        let expands = Object::new(json!({"kind": "StorageClass", "allowVolumeExpansion": true}));
        let fixed = Object::new(json!({"kind": "StorageClass"}));
        let bound = claim("Bound", "fast");
        let sizes = |request: i128, wanted: i128, capacity: i128| Sizes { request, wanted, capacity };
        use ResizeRefusal::{NoClass, NotAboveCapacity, NotBound, NotExpandable};
        for (claim, sizes, class, want) in [
            (&bound, sizes(1, 1, 1), ClassKnown::Absent, None),
            (&bound, sizes(1, 2, 1), ClassKnown::Known(&expands), None),
            (&bound, sizes(1, 2, 1), ClassKnown::Known(&fixed), Some(NotExpandable)),
            (&bound, sizes(1, 2, 1), ClassKnown::Absent, Some(NotExpandable)),
            (&bound, sizes(1, 2, 1), ClassKnown::Unknown, None),
            (&claim("Bound", ""), sizes(1, 2, 1), ClassKnown::Absent, Some(NoClass)),
            (&claim("Pending", "fast"), sizes(1, 2, 0), ClassKnown::Known(&expands), Some(NotBound)),
            // A growth that never happened can be taken back in part, not in full.
            (&bound, sizes(3, 2, 1), ClassKnown::Known(&fixed), None),
            (&bound, sizes(3, 1, 1), ClassKnown::Known(&expands), Some(NotAboveCapacity)),
        ] {
            assert_eq!(refuses_resize(claim, sizes, class), want, "{sizes:?}");
        }
    }
}

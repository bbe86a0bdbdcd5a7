//! What has become of a volume, from the objects and its disk alone: the same judgement for a simulated world
//! and for a real cluster.

use portolan_kube_facts::PodTemplate;
use portolan_model::{Object, ProtectedVolume, Ref, Verdict};

/// Whether the bytes of a volume are still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alive {
    /// They are.
    Yes,
    /// They are not.
    No,
}

/// The verdict, and whether the PVC still holds the volume (bound, and not being deleted).
#[must_use]
pub fn judge<'a>(
    protected: &ProtectedVolume,
    alive: Alive,
    get: &dyn Fn(&Ref) -> Option<&'a Object>,
    pods: impl IntoIterator<Item = &'a Object>,
) -> (Verdict, bool) {
    let volume = get(&protected.volume).filter(|volume| volume.is(&protected.volume_uid));
    if alive == Alive::No {
        return (Verdict::Lost, false);
    }
    let policy = volume.map(|volume| volume.text("/spec/persistentVolumeReclaimPolicy"));
    let claim = get(&protected.claim).filter(|claim| claim.is(&protected.claim_uid));
    let Some(claim) = claim.filter(|claim| claim.text("/spec/volumeName") == protected.volume.name()) else {
        // The PVC is gone. With Retain the disk stays; with Delete it is only a matter of time.
        return (if policy == Some("Delete") { Verdict::Doomed } else { Verdict::Detached }, false);
    };
    if claim.is_terminating() {
        return (if policy == Some("Retain") { Verdict::Detached } else { Verdict::Doomed }, false);
    }
    // A volume that is being deleted goes with its PVC, Retain or not: the disk is then nobody's.
    if volume.is_none_or(Object::is_terminating) {
        return (if policy == Some("Delete") { Verdict::Doomed } else { Verdict::Detached }, false);
    }
    let mounted = pods.into_iter().any(|pod| {
        PodTemplate::of_kind(portolan_kube_facts::Kind::Pod, pod)
            .is_some_and(|pod| pod.claims().any(|claim| claim == protected.claim.name()))
            && pod.text("/metadata/namespace") == protected.claim.namespace()
            && !pod.is_terminating()
            && !pod.text("/spec/nodeName").is_empty()
    });
    (if mounted { Verdict::Safe } else { Verdict::Detached }, true)
}

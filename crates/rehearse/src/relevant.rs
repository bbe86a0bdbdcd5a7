//! The objects whose events are ordered in every way: the cone of influence of one volume.

use std::collections::BTreeSet;

use portolan_kube_facts::{ClaimUse, StatefulSet};
use portolan_model::{ProtectedVolume, Ref};

use crate::world::{Docs, World};

/// Which objects' events are ordered in every way. The others happen at once, in one order.
#[derive(Clone, Debug)]
pub(crate) enum RelevantSet {
    Whole,
    Of(BTreeSet<Ref>),
}

impl RelevantSet {
    /// A volume, its PVC, the workloads that may mount it, and their pods.
    pub(crate) fn of_volume(protected: &ProtectedVolume, world: &World, manifests: &[Docs]) -> Self {
        let mut names = BTreeSet::from([protected.claim.clone(), protected.volume.clone()]);
        let live = world.objects();
        let planned = manifests.iter().flat_map(|docs| docs.iter().map(|(name, doc)| (name, doc)));
        for (name, object) in live.chain(planned) {
            if ClaimUse::of(object, &protected.claim).is_some() {
                names.insert(name.clone());
                if let Some(set) = StatefulSet::of(object) {
                    let first = set.ordinals().start;
                    names.extend((first..set.ordinals().end.max(first + 1)).map(|ordinal| set.pod(ordinal)));
                }
            }
        }
        Self::Of(names)
    }

    pub(crate) fn has(&self, name: &Ref) -> bool {
        match self {
            Self::Whole => true,
            Self::Of(names) => names.contains(name),
        }
    }
}

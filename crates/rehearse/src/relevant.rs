//! The objects whose events are ordered in every way: the cone of influence of one volume.

use std::collections::BTreeSet;

use portolan_kube_facts::{ClaimUse, Kind, StatefulSet};
use portolan_model::{ProtectedVolume, Ref};

use crate::world::{Docs, World};

/// Which objects' events are ordered in every way. The others happen at once, in one order.
#[derive(Clone, Debug)]
pub(crate) enum RelevantSet {
    Whole,
    Of {
        names: BTreeSet<Ref>,
        /// What the names of those begin with that are not known before: ReplicaSets, and their pods.
        prefixes: Vec<Ref>,
    },
}

impl RelevantSet {
    /// A volume, its PVC, the workloads that may mount it, and their pods.
    pub(crate) fn of_volume(protected: &ProtectedVolume, world: &World, manifests: &[Docs]) -> Self {
        let mut names = BTreeSet::from([protected.claim.clone(), protected.volume.clone()]);
        let mut prefixes = Vec::new();
        let live = world.objects();
        let planned = manifests.iter().flat_map(|docs| docs.iter().map(|(name, doc)| (name, doc)));
        for (name, object) in live.chain(planned) {
            if ClaimUse::of(object, &protected.claim).is_some() {
                names.insert(name.clone());
                if Kind::named(name) == Kind::Deployment {
                    let all = format!("{}-", name.name());
                    prefixes.push(Ref::pod(name.namespace(), &all));
                    prefixes.push(Ref::new("apps", "ReplicaSet", name.namespace(), &all));
                }
                if let Some(set) = StatefulSet::of(object) {
                    let first = set.ordinals().start;
                    names.extend((first..set.ordinals().end.max(first + 1)).map(|ordinal| set.pod(ordinal)));
                }
            }
        }
        prefixes.sort();
        prefixes.dedup();
        Self::Of { names, prefixes }
    }

    pub(crate) fn has(&self, name: &Ref) -> bool {
        match self {
            Self::Whole => true,
            Self::Of { names, prefixes } => names.contains(name) || prefixes.iter().any(|prefix| is_like(name, prefix)),
        }
    }
}

fn is_like(name: &Ref, prefix: &Ref) -> bool {
    name.kind() == prefix.kind() && name.namespace() == prefix.namespace() && name.name().starts_with(prefix.name())
}

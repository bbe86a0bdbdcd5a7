//! Who mounts which PVC, by manifests alone.

use portolan_kube_facts::{StatefulSet, TemplateClaim};
use portolan_model::{Object, Ref};

/// The PVCs that a set makes: `<template>-<set>-<ordinal>`.
pub(super) fn made_by(set: &Object) -> Vec<TemplateClaim<'_>> {
    StatefulSet::of(set).map(|set| set.claims()).unwrap_or_default()
}

/// Whether a workload or pod among these mounts a PVC.
pub(super) fn is_mounted<'a>(objects: impl IntoIterator<Item = &'a Object>, claim: &Ref) -> bool {
    objects.into_iter().any(|object| portolan_kube_facts::mounts(object, claim))
}

/// The pods that will mount a PVC once these documents are applied. Only a set's pods have names that are known before.
pub(super) fn pods(docs: &[Object], claim: &Ref) -> Vec<Ref> {
    let sets = docs.iter().filter_map(|doc| Some((doc, StatefulSet::of(doc)?)));
    sets.flat_map(|(doc, set)| match portolan_kube_facts::ClaimUse::of(doc, claim) {
        Some(portolan_kube_facts::ClaimUse::Named(_)) => set.ordinals().map(|ordinal| set.pod(ordinal)).collect(),
        Some(portolan_kube_facts::ClaimUse::Made(_, ordinal)) if set.ordinals().contains(&ordinal) => {
            vec![set.pod(ordinal)]
        }
        _ => Vec::new(),
    })
    .collect()
}

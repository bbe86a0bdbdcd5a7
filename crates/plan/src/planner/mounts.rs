//! Who mounts which claim, by manifests alone.

use model::{Object, Ref};
use serde_json::Value;

use super::is_kind;

/// A claim that a set makes from a template.
pub(super) struct Made<'a> {
    pub(super) claim: Ref,
    pub(super) template: &'a Value,
}

/// The claims that a set makes: `<template>-<set>-<ordinal>`.
pub(super) fn made_by(set: &Object) -> Vec<Made<'_>> {
    let Some(name) = set.name().filter(|_| is_kind(set, "StatefulSet")) else {
        return Vec::new();
    };
    let templates = set.list("/spec/volumeClaimTemplates").iter();
    templates
        .filter_map(|template| Some((template, template.pointer("/metadata/name")?.as_str()?)))
        .flat_map(|(template, prefix)| {
            let name = &name;
            ordinals(set).map(move |ordinal| Made {
                claim: Ref::claim(name.namespace(), &format!("{prefix}-{}-{ordinal}", name.name())),
                template,
            })
        })
        .collect()
}

/// The ordinals of a set's pods.
fn ordinals(set: &Object) -> std::ops::Range<u64> {
    let number = |pointer: &str, missing: u64| set.at(pointer).and_then(Value::as_u64).unwrap_or(missing);
    let start = number("/spec/ordinals/start", 0);
    start..start + number("/spec/replicas", 1)
}

/// Whether a workload or pod among these mounts a claim.
pub(super) fn is_mounted<'a>(objects: impl IntoIterator<Item = &'a Object>, claim: &Ref) -> bool {
    objects.into_iter().any(|object| mounts(object, claim))
}

fn mounts(object: &Object, claim: &Ref) -> bool {
    names(object, claim) || made_by(object).iter().any(|made| made.claim == *claim)
}

fn names(object: &Object, claim: &Ref) -> bool {
    let scheduled = object.list("/spec/jobTemplate/spec/template/spec/volumes").iter();
    let mut scheduled = scheduled.filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str());
    object.text("/metadata/namespace") == claim.namespace()
        && (object.claims().contains(&claim.name()) || scheduled.any(|name| name == claim.name()))
}

/// The pods that will mount a claim once these documents are applied. Only a set's pods have names that are known before.
pub(super) fn pods(docs: &[Object], claim: &Ref) -> Vec<Ref> {
    let mut pods = Vec::new();
    for set in docs.iter().filter(|doc| is_kind(doc, "StatefulSet")) {
        let Some(name) = set.name() else { continue };
        for ordinal in ordinals(set) {
            let pod = format!("{}-{ordinal}", name.name());
            let made = made_by(set).iter().any(|made| {
                let its = made.claim.name().strip_suffix(&pod);
                made.claim == *claim && its.is_some_and(|its| its.ends_with('-'))
            });
            if made || names(set, claim) {
                pods.push(Ref::pod(name.namespace(), &pod));
            }
        }
    }
    pods
}

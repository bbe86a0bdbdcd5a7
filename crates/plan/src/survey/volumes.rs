//! The volumes that a release's claims and workloads touch, and what an uninstall today would do to them.

use std::collections::BTreeSet;

use model::{Inventory, Mount, Object, Ref, Uid, Verdict, Volume};
use serde_json::Value;

use super::{policy, workloads};

/// Every claim that is in the stored manifest, that helm marked as this release's, that a pod or a workload of the
/// release names, or that one of its sets made from a template.
pub(super) fn of_release(inventory: &Inventory) -> Vec<Volume> {
    let release = Owned::of(inventory);
    inventory
        .objects
        .iter()
        .filter(|(name, _)| name.group().is_empty() && name.kind() == "PersistentVolumeClaim")
        .filter(|(name, claim)| release.has(name, claim))
        .map(|(name, claim)| volume(&release, name, claim))
        .collect()
}

/// What belongs to the release.
struct Owned<'a> {
    inventory: &'a Inventory,
    workloads: BTreeSet<&'a Ref>,
    /// Claims that the release's workloads and pods name.
    named: BTreeSet<Ref>,
    /// The release's sets, live and as stored.
    sets: Vec<&'a Object>,
}

impl<'a> Owned<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let workloads: BTreeSet<&Ref> = inventory.workloads.iter().map(|workload| &workload.name).collect();
        let forms = |name: &Ref| -> Vec<&'a Object> {
            let stored = inventory.release.docs.iter().filter(|doc| doc.name().as_ref() == Some(name));
            inventory.objects.get(name).into_iter().chain(stored).collect()
        };
        let mut named = BTreeSet::new();
        let mut sets = Vec::new();
        for name in &workloads {
            for form in forms(name) {
                named.extend(form.claims().into_iter().map(|claim| Ref::claim(name.namespace(), claim)));
                if name.kind() == "StatefulSet" {
                    sets.push(form);
                }
            }
        }
        for (name, pod) in inventory.objects.iter().filter(|(name, _)| name.kind() == "Pod") {
            let owner = workloads::owner(inventory, pod);
            if owner.is_some_and(|owner| workloads.contains(&owner)) || workloads::belongs(inventory, pod) {
                named.extend(pod.claims().into_iter().map(|claim| Ref::claim(name.namespace(), claim)));
            }
        }
        Self { inventory, workloads, named, sets }
    }

    fn has(&self, name: &Ref, claim: &Object) -> bool {
        self.stored(name).is_some()
            || self.named.contains(name)
            || self.made_by(name).is_some()
            || workloads::belongs(self.inventory, claim)
    }

    fn stored(&self, name: &Ref) -> Option<&Object> {
        self.inventory.release.docs.iter().find(|doc| doc.name().as_ref() == Some(name))
    }

    /// The set from whose template a claim was made: `<template>-<set>-<ordinal>`.
    fn made_by(&self, claim: &Ref) -> Option<&'a Object> {
        self.sets.iter().copied().find(|set| {
            let set_name = set.text("/metadata/name");
            set.text("/metadata/namespace") == claim.namespace()
                && set.list("/spec/volumeClaimTemplates").iter().any(|template| {
                    let template = template.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                    claim
                        .name()
                        .strip_prefix(&format!("{template}-{set_name}-"))
                        .is_some_and(|ordinal| !ordinal.is_empty() && ordinal.bytes().all(|b| b.is_ascii_digit()))
                })
        })
    }

    fn mounts(&self, claim: &Ref) -> Vec<Mount> {
        let pods = self.inventory.objects.iter().filter(|(name, pod)| {
            name.kind() == "Pod" && name.namespace() == claim.namespace() && pod.claims().contains(&claim.name())
        });
        pods.map(|(name, pod)| Mount { pod: name.clone(), workload: workloads::owner(self.inventory, pod) }).collect()
    }
}

fn volume(release: &Owned<'_>, name: &Ref, claim: &Object) -> Volume {
    let bound = Some(claim.text("/spec/volumeName")).filter(|volume| !volume.is_empty()).map(Ref::volume);
    let live = bound.as_ref().and_then(|volume| release.inventory.objects.get(volume));
    let text = |object: &Object, pointer: &str| Some(object.text(pointer).to_owned()).filter(|text| !text.is_empty());
    let size = text(claim, "/status/capacity/storage").or_else(|| text(claim, "/spec/resources/requests/storage"));
    let stored = release.stored(name);
    let mut volume = Volume {
        claim: name.clone(),
        claim_uid: claim.uid(),
        volume_uid: live.map(Object::uid).filter(|uid| *uid != Uid::new("")),
        policy: live.and_then(|volume| text(volume, "/spec/persistentVolumeReclaimPolicy")),
        volume: bound,
        class: claim.at("/spec/storageClassName").and_then(Value::as_str).map(str::to_owned),
        size: size.unwrap_or_default(),
        keep_live: policy(claim),
        keep_stored: stored.and_then(policy),
        in_manifest: stored.is_some(),
        terminating: claim.is_terminating(),
        mounts: release.mounts(name),
        if_uninstalled: (Verdict::Unknown, String::new()),
    };
    volume.if_uninstalled = if_uninstalled(release, &volume, claim);
    volume
}

/// What an uninstall today would do. It reads the annotation of the *stored* manifest, not of the live object
/// (`pkg/action/uninstall.go` and `resource_policy.go`, helm 3.14.4 to 4.3.1), trimmed and in lower case; any other value
/// makes helm pass the object over as well.
fn if_uninstalled(release: &Owned<'_>, volume: &Volume, claim: &Object) -> (Verdict, String) {
    if volume.volume.is_none() {
        return (Verdict::Detached, "the claim is not bound: it holds no data".into());
    }
    if volume.terminating {
        return goes(release, volume, "the claim is being deleted already");
    }
    if let Some(owner) = collected_with(release, claim) {
        return goes(release, volume, &format!("the claim is owned by {owner} and goes with it"));
    }
    if volume.in_manifest {
        return match volume.keep_stored.as_deref() {
            None => goes(release, volume, "claim is the release's"),
            Some(keep) if keep.trim().eq_ignore_ascii_case("keep") => {
                (Verdict::Detached, "the stored manifest says keep: the claim stays".into())
            }
            Some(other) => (
                Verdict::Detached,
                format!("the stored manifest says `{other}`, for which helm passes the claim over: it stays"),
            ),
        };
    }
    if let Some(set) = release.made_by(&volume.claim) {
        let name = set.text("/metadata/name");
        if set.text("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted") == "Delete" {
            return goes(release, volume, &format!("StatefulSet/{name} deletes its claims when it is deleted"));
        }
        return (Verdict::Detached, format!("the claim was made by StatefulSet/{name} and stays"));
    }
    (Verdict::Detached, "the claim is not in the stored manifest and stays".into())
}

/// An object of the release that owns the claim: the garbage collector takes the claim after it.
fn collected_with(release: &Owned<'_>, claim: &Object) -> Option<Ref> {
    let owners = claim.list("/metadata/ownerReferences").iter();
    owners
        .map(|owner| {
            let text = |key: &str| owner.get(key).and_then(Value::as_str).unwrap_or_default();
            let group = text("apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
            Ref::new(group, text("kind"), claim.text("/metadata/namespace"), text("name"))
        })
        .find(|owner| release.workloads.contains(owner) || release.stored(owner).is_some())
}

/// The claim goes: what becomes of its volume then depends on its policy, and on who else holds the claim.
fn goes(release: &Owned<'_>, volume: &Volume, why: &str) -> (Verdict, String) {
    let held_by = volume.mounts.iter().find(|mount| {
        // Pods of the release go with it; a stranger's pod keeps the claim from going.
        !mount.workload.as_ref().is_some_and(|workload| release.workloads.contains(workload))
    });
    match (volume.policy.as_deref(), held_by) {
        (None, _) => (Verdict::Unknown, format!("{why}; its volume may not be read")),
        (Some("Retain"), _) => (Verdict::Detached, format!("{why}, policy is Retain")),
        (Some(policy), Some(mount)) => {
            (Verdict::Doomed, format!("{why}, policy is {policy}; alive until pod {} ends", mount.pod.name()))
        }
        (Some(policy), None) => (Verdict::Lost, format!("{why}, policy is {policy}")),
    }
}

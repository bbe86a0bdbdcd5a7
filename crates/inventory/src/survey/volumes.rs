//! The volumes that a release's PVCs and workloads touch, and what an uninstall today would do to them.

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::hooks;
use portolan_kube_facts::{Claims, Kind, PodTemplate, StatefulSet};
use portolan_model::{HookEvent, Inventory, Mount, Object, Ref, UninstallEffect, Verdict, Volume};
use serde_json::Value;

use super::{policy, workloads};

/// Every PVC that is in the stored manifest, that helm marked as this release's, that is one of its hooks, that a pod or a workload of the
/// release names, that one of its sets made from a template, or that an object of the release owns, directly or through others.
pub(super) fn of_release(inventory: &Inventory) -> Vec<Volume> {
    let release = Owned::of(inventory);
    inventory
        .objects
        .iter()
        .filter(|(name, _)| name.group().is_empty() && name.kind() == "PersistentVolumeClaim")
        .filter(|(name, claim)| release.has(name, claim))
        .filter_map(|(name, claim)| volume(&release, name, claim))
        .collect()
}

/// What belongs to the release.
struct Owned<'a> {
    inventory: &'a Inventory,
    workloads: BTreeSet<&'a Ref>,
    /// PVCs that the release's workloads and pods name.
    named: BTreeSet<Ref>,
    /// The release's sets, live and as stored.
    sets: Vec<&'a Object>,
    /// What an uninstall today takes along beside what it deletes, with what takes it.
    falls: BTreeMap<Ref, Ref>,
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
                named.extend(Claims::of(name, form).named);
                if name.kind() == "StatefulSet" {
                    sets.push(form);
                }
            }
        }
        for (name, pod) in inventory.objects.iter().filter(|(name, _)| name.kind() == "Pod") {
            let owner = workloads::owner(inventory, pod);
            let is_ours = owner.is_some_and(|owner| workloads.contains(&owner)) || workloads::belongs(inventory, pod);
            // An operator makes pods for a custom resource, without a workload between them.
            if is_ours || is_below(inventory, name, pod) {
                named.extend(Claims::of(name, pod).named);
            }
        }
        let falls = portolan_kube_facts::falls_with(&inventory.objects, &uninstalled(inventory));
        Self { inventory, workloads, named, sets, falls }
    }

    fn has(&self, name: &Ref, claim: &Object) -> bool {
        self.stored(name).is_some()
            || self.named.contains(name)
            || self.made_by(name).is_some()
            || workloads::belongs(self.inventory, claim)
            || workloads::is_of_hook(self.inventory, name)
            || self.owns(name, claim)
    }

    /// Whether something of the release owns a PVC.
    fn owns(&self, name: &Ref, claim: &Object) -> bool {
        let get = |name: &Ref| self.inventory.objects.get(name);
        is_below(self.inventory, name, claim) && !portolan_kube_facts::is_ephemeral(claim, &get)
    }

    fn stored(&self, name: &Ref) -> Option<&Object> {
        self.inventory.release.docs.iter().find(|doc| doc.name().as_ref() == Some(name))
    }

    /// The set from whose template a PVC was made: `<template>-<set>-<ordinal>`.
    fn made_by(&self, claim: &Ref) -> Option<StatefulSet<'a>> {
        self.sets.iter().filter_map(|set| StatefulSet::of(set)).find(|set| set.origin_of(claim).is_some())
    }

    fn mounts(&self, claim: &Ref) -> Vec<Mount> {
        let pods = self.inventory.objects.iter().filter(|(name, pod)| {
            name.kind() == "Pod" && name.namespace() == claim.namespace() && is_named(pod, claim)
        });
        pods.map(|(name, pod)| Mount { pod: name.clone(), workload: workloads::owner(self.inventory, pod) }).collect()
    }
}

/// Whether something of the release owns an object, directly or through others: an object of its manifest, or a custom resource whose
/// definition is in it.
fn is_below(inventory: &Inventory, name: &Ref, object: &Object) -> bool {
    let docs = &inventory.release.docs;
    let defines = |doc: &Object, owner: &Ref| {
        doc.text("/kind") == "CustomResourceDefinition"
            && doc.text("/spec/names/kind") == owner.kind()
            && doc.text("/spec/group") == owner.group()
    };
    let is_ours = |owner: &Ref| docs.iter().any(|doc| doc.name().as_ref() == Some(owner) || defines(doc, owner));
    let above = portolan_kube_facts::ancestors(name, object, &|name| inventory.objects.get(name));
    above.into_iter().filter_map(|it| it.found).any(|owner| is_ours(&owner))
}

fn is_named(pod: &Object, claim: &Ref) -> bool {
    PodTemplate::of_kind(Kind::Pod, pod).is_some_and(|template| template.claims().any(|name| name == claim.name()))
}

/// What an uninstall deletes: the stored manifest without what says keep there, or anything else that helm passes over.
fn uninstalled(inventory: &Inventory) -> Vec<Ref> {
    let names = inventory.release.docs.iter().filter_map(Object::name);
    names.filter(|name| !inventory.release.uninstall_policies.contains_key(name)).collect()
}

fn volume(release: &Owned<'_>, name: &Ref, claim: &Object) -> Option<Volume> {
    let claim_uid = claim.uid()?;
    let bound = Some(claim.text("/spec/volumeName")).filter(|volume| !volume.is_empty()).map(Ref::volume);
    let live = bound.as_ref().and_then(|volume| release.inventory.objects.get(volume));
    let text = |object: &Object, pointer: &str| Some(object.text(pointer).to_owned()).filter(|text| !text.is_empty());
    let size = text(claim, "/status/capacity/storage").or_else(|| text(claim, "/spec/resources/requests/storage"));
    let stored = release.stored(name);
    let mut volume = Volume {
        claim: name.clone(),
        claim_uid,
        volume_uid: live.and_then(Object::uid),
        policy: live.and_then(|volume| text(volume, "/spec/persistentVolumeReclaimPolicy")),
        volume: bound,
        class: claim.at("/spec/storageClassName").and_then(Value::as_str).map(str::to_owned),
        size: size.unwrap_or_default(),
        keep_live: policy(claim),
        keep_stored: release.inventory.release.uninstall_policies.get(name).cloned(),
        in_manifest: stored.is_some(),
        terminating: claim.is_terminating(),
        volume_terminating: live.is_some_and(Object::is_terminating),
        mounts: release.mounts(name),
        if_uninstalled: UninstallEffect { verdict: Verdict::Unknown, why: String::new() },
    };
    let (verdict, why) = if_uninstalled(release, &volume);
    volume.if_uninstalled = UninstallEffect { verdict, why };
    Some(volume)
}

/// What an uninstall today would do. It reads the annotation of the *stored* manifest, not of the live object
/// (`pkg/action/uninstall.go` and `resource_policy.go`, helm 3.14.4 to 4.3.1), trimmed and in lower case; any other value
/// makes helm pass the object over as well.
fn if_uninstalled(release: &Owned<'_>, volume: &Volume) -> (Verdict, String) {
    if volume.volume.is_none() {
        return (Verdict::Detached, "the PVC is not bound: it holds no data".into());
    }
    if volume.terminating {
        return goes(release, volume, "the PVC is being deleted already");
    }
    // Keep on the PVC does not hold against what it is in, or owned by.
    if let Some(root) = release.falls.get(&volume.claim) {
        let sets_own = release.made_by(&volume.claim).filter(|set| set.name == *root);
        let why = match sets_own {
            Some(set) if set.deletes_claims_with_itself() => {
                format!("StatefulSet/{} deletes its PVCs when it is deleted", set.name.name())
            }
            _ if root.kind() == "Namespace" => {
                format!("the PVC is in {root}, which the release has, and goes with it")
            }
            _ => format!("the PVC is owned by {root} and goes with it"),
        };
        return goes(release, volume, &why);
    }
    let (verdict, why) = left_to_helm(release, volume);
    if volume.volume_terminating && verdict == Verdict::Detached {
        return (verdict, format!("{why}, but its volume is being deleted and goes with it"));
    }
    match hook_before(release.inventory, &volume.claim).filter(|_| verdict == Verdict::Detached) {
        Some(hook) => (Verdict::Unknown, format!("{why}, but the hook {hook} mounts it before or after that")),
        None => (verdict, why),
    }
}

/// A hook of an uninstall whose pod mounts a PVC.
fn hook_before(inventory: &Inventory, claim: &Ref) -> Option<Ref> {
    let all = hooks::of(&inventory.release.hooks);
    let mut of_uninstall =
        all.iter().filter(|hook| hook.is_at(HookEvent::PreDelete) || hook.is_at(HookEvent::PostDelete));
    of_uninstall.find(|hook| !portolan_kube_facts::volumes_of_claim(hook.object, claim).is_empty())?.name()
}

/// What an uninstall does to a PVC that goes with nothing else.
fn left_to_helm(release: &Owned<'_>, volume: &Volume) -> (Verdict, String) {
    if volume.in_manifest {
        return match volume.keep_stored.as_deref() {
            None => goes(release, volume, "helm uninstall deletes the PVC"),
            Some(keep) if keep.trim().eq_ignore_ascii_case("keep") => {
                (Verdict::Detached, "the stored manifest says keep: the PVC stays".into())
            }
            Some(other) => (
                Verdict::Detached,
                format!("the stored manifest says `{other}`, for which helm passes the PVC over: it stays"),
            ),
        };
    }
    if let Some(set) = release.made_by(&volume.claim) {
        return (Verdict::Detached, format!("the PVC was made by StatefulSet/{} and stays", set.name.name()));
    }
    (Verdict::Detached, "the PVC is not in the stored manifest and stays".into())
}

/// The PVC goes: what becomes of its volume then depends on its policy, and on who else holds the PVC.
fn goes(release: &Owned<'_>, volume: &Volume, why: &str) -> (Verdict, String) {
    let held_by = volume.mounts.iter().find(|mount| {
        // Pods of the release go with it; a stranger's pod keeps the PVC from going.
        !mount.workload.as_ref().is_some_and(|workload| release.workloads.contains(workload))
    });
    match (volume.policy.as_deref(), held_by) {
        (None, _) => (Verdict::Unknown, format!("{why}; its volume may not be read")),
        (Some("Retain"), _) if volume.volume_terminating => (
            Verdict::Detached,
            format!("{why}, and its volume is being deleted too: the disk stays and nothing names it"),
        ),
        (Some("Retain"), _) => (Verdict::Detached, format!("{why}, policy is Retain")),
        (Some(policy), Some(mount)) => {
            (Verdict::Doomed, format!("{why}, policy is {policy}; alive until pod {} ends", mount.pod.name()))
        }
        (Some(policy), None) => (Verdict::Lost, format!("{why}, policy is {policy}")),
    }
}

use std::collections::BTreeSet;

use portolan_kube_facts::{ContainerKind, KEEP, Kind, PodTemplate, RESOURCE_POLICY, StatefulSet};
use portolan_model::{Action, Blob, Code, Effect, Finding, Object, Ref, Seen, Step, StepKind, Uid, Verb, Write};
use serde_json::{Value, json};

use super::Next;

/// The fields that protections write, as JSON pointers.
pub(crate) const PROTECTIONS: [&str; 2] =
    ["/spec/persistentVolumeReclaimPolicy", portolan_kube_facts::RESOURCE_POLICY_POINTER];

/// One protection: on which object, and what it must look like.
struct Protection<'a> {
    target: &'a Ref,
    uid: &'a Uid,
    patch: Value,
    holds: fn(&Object) -> bool,
    note: &'static str,
}

fn protection(step: &Step) -> Option<Protection<'_>> {
    match &step.kind {
        StepKind::RetainVolume { volume, uid, .. } => Some(Protection {
            target: volume,
            uid,
            patch: json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}}),
            holds: |object| object.text("/spec/persistentVolumeReclaimPolicy") == "Retain",
            note: "reclaim policy is Retain",
        }),
        StepKind::KeepClaim { claim, uid, .. } => Some(Protection {
            target: claim,
            uid,
            patch: json!({"metadata": {"annotations": {RESOURCE_POLICY: KEEP}}}),
            holds: portolan_kube_facts::is_kept,
            note: "annotation is keep",
        }),
        _ => None,
    }
}

/// The object that a step protects; `None` for a step that does something else.
pub(crate) fn protected(step: &Step) -> Option<&Ref> {
    protection(step).map(|protection| protection.target)
}

/// Whether an object has what a step protects it with; `None` for a step that does something else.
pub(crate) fn is_protected(step: &Step, object: &Object) -> Option<bool> {
    protection(step).map(|protection| (protection.holds)(object))
}

pub(super) fn on_look(step: &Step, seen: &[Seen]) -> Next {
    let Some(protection) = protection(step) else {
        return super::Next::Halt(super::unreadable(step, &portolan_model::Reply::Met));
    };
    let object = match (protection.target, seen.first()) {
        (_, Some(Seen::There(object))) if object.is(protection.uid) => object,
        (target, Some(Seen::There(_))) => {
            return Next::Halt(another(target, "it was deleted and made again"));
        }
        (target, Some(Seen::Absent)) => return Next::Halt(another(target, "it is gone")),
        _ => return Next::Halt(super::unreadable(step, &portolan_model::Reply::Seen(seen.to_vec()))),
    };
    if object.is_terminating() {
        let finding = another(protection.target, "it is being deleted, and that cannot be taken back");
        return Next::Halt(
            finding
                .next("set the reclaim policy of its PV to Retain before its last pod ends; the PVC cannot be saved"),
        );
    }
    if (protection.holds)(object) {
        return Next::was_done(protection.note);
    }
    Next::Intent {
        action: Action::Write(Write {
            verb: Verb::MergePatch(protection.patch),
            target: protection.target.clone(),
            uid: protection.uid.clone(),
            rv: object.rv(),
        }),
        before: Some(Blob::new(object.canonical())),
    }
}

pub(super) fn on_check(step: &Step, seen: &[Seen]) -> Next {
    match (protection(step), seen.first()) {
        (Some(protection), Some(Seen::There(object))) if (protection.holds)(object) => Next::done(protection.note),
        // Somebody took it off again at once: look again, a bounded number of times.
        (Some(protection), Some(Seen::There(_))) => {
            Next::Effect(Effect::Unknown(format!("{} was changed back", protection.target)))
        }
        _ => Next::Halt(super::unreadable(step, &portolan_model::Reply::Seen(seen.to_vec()))),
    }
}

fn another(target: &Ref, how: &str) -> Finding {
    Finding::blocking(Code::OtherObject, format!("{target} is not as the plan has it: {how}"))
}

/// Is the PVC the one it was, on the volume it was, and mounted, and does none stand beside it that the plan does
/// not have? Each object is judged by itself, since a batch of reads is not atomic.
pub(super) fn on_verify(step: &Step, seen: &[Seen]) -> Next {
    let StepKind::VerifyVolume { claim, claim_uid, volume, volume_uid, mounted_by, sets, known_claims } = &step.kind
    else {
        return Next::Halt(super::unreadable(step, &portolan_model::Reply::Met));
    };
    let mut wrong = Vec::new();
    let mut there = |at: usize, name: &Ref| match seen.get(at) {
        Some(Seen::There(object)) => Some(object.clone()),
        Some(Seen::Absent) => {
            wrong.push(format!("{name} is gone"));
            None
        }
        _ => {
            wrong.push(format!("{name} could not be read"));
            None
        }
    };
    let (bound, disk) = (there(0, claim), there(1, volume));
    let pods: Vec<_> = mounted_by.iter().enumerate().map(|(at, pod)| (pod, there(at + 2, pod))).collect();
    let is_going = bound.as_ref().is_some_and(Object::is_terminating);
    let is_on_it = bound.as_ref().is_some_and(|object| object.text("/spec/volumeName") == volume.name());
    if let Some(object) = bound {
        wrong.extend(wrong_claim(&object, claim, claim_uid, volume));
    }
    if let Some(object) = disk {
        wrong.extend(wrong_volume(&object, volume, volume_uid, claim_uid));
    }
    for (name, pod) in &pods {
        let Some(pod) = pod else { continue };
        if !names(pod).any(|name| name == claim.name()) {
            wrong.push(format!("{name} does not name {claim}"));
        } else if !is_mounted(pod, claim.name()) {
            wrong.push(format!("no container of {name} mounts {claim}"));
        }
    }
    if wrong.is_empty() {
        let all = match claims(seen.get(2 + mounted_by.len()..).unwrap_or_default()) {
            Ok(all) => all,
            Err(text) => {
                let found = format!("the PVCs beside {claim} cannot be listed");
                return Next::Halt(Finding::blocking(Code::NotVisible, found).with(text));
            }
        };
        let mounted: BTreeSet<&str> = pods.iter().filter_map(|(_, pod)| pod.as_ref()).flat_map(names).collect();
        let strange = |object: &&&Object| {
            let is_named = |name: &Ref| {
                mounted.contains(name.name()) || sets.iter().any(|set| StatefulSet::could_create(set, name))
            };
            object.name().is_some_and(|name| !known_claims.contains(&name) && is_named(&name))
        };
        if let Some(object) = all.iter().find(strange) {
            return Next::Halt(strange_claim(object, claim));
        }
        return Next::was_done(format!("{claim} is on {volume}, same UIDs"));
    }
    Next::Halt(differs(claim, volume, wrong, is_going, is_on_it))
}

/// That a PVC is not as it was: what is wrong, whether it is being deleted, and whether it is on its volume.
fn differs(claim: &Ref, volume: &Ref, wrong: Vec<String>, is_going: bool, is_on_it: bool) -> Finding {
    let finding = Finding::blocking(Code::VolumeDiffers, format!("{claim} is not as it was")).about(claim);
    let finding = wrong.into_iter().fold(finding, Finding::with);
    if is_going {
        return finding
            .with(format!("the data is on {volume}, which is erased with the PVC unless its policy is Retain"))
            .next(portolan_kube_facts::retain_by_hand(volume.name()));
    }
    let finding = finding.with(format!("the data was on {volume}"));
    if !is_on_it {
        return finding;
    }
    finding
        .why(format!("{claim} is still on that volume, and is not used or protected as the plan has it"))
        .next("see who changed what is named above, before anybody writes to the volume")
}

/// What is wrong with a PVC that is to be the one it was, on its volume.
fn wrong_claim(object: &Object, claim: &Ref, uid: &Uid, volume: &Ref) -> Vec<String> {
    let mut wrong = Vec::new();
    if !object.is(uid) {
        wrong.push(format!("{claim} was deleted and made again"));
    }
    if object.is_terminating() {
        wrong.push(format!("{claim} is being deleted: it goes when its last pod goes"));
    }
    if object.text("/status/phase") == "Lost" {
        wrong.push(format!("{claim} is Lost: its volume is gone or bound to another PVC"));
    }
    if object.text("/spec/volumeName") != volume.name() {
        wrong.push(format!("{claim} is on {} now", object.text("/spec/volumeName")));
    }
    wrong
}

/// What is wrong with a PV that is to be the one it was, bound to its PVC.
fn wrong_volume(object: &Object, volume: &Ref, uid: &Uid, claim_uid: &Uid) -> Vec<String> {
    let mut wrong = Vec::new();
    if !object.is(uid) {
        wrong.push(format!("{volume} was deleted and made again"));
    }
    if object.is_terminating() {
        wrong.push(format!("{volume} is being deleted: it goes when its PVC goes"));
    }
    let holder = object.text("/spec/claimRef/uid");
    if !holder.is_empty() && holder != claim_uid.as_str() {
        wrong.push(format!("{volume} belongs to another PVC now"));
    }
    if object.text("/status/phase") != "Bound" {
        wrong.push(format!("{volume} is {}", object.text("/status/phase")));
    }
    wrong
}

/// The PVCs that a pod names.
fn names(pod: &Object) -> impl Iterator<Item = &str> {
    PodTemplate::of_kind(Kind::Pod, pod).into_iter().flat_map(PodTemplate::claims)
}

/// Whether a container of a pod mounts a PVC, as a file system or as a block device; init containers do not count.
fn is_mounted(pod: &Object, claim: &str) -> bool {
    let Some(template) = PodTemplate::of(pod) else { return false };
    let volumes: BTreeSet<&str> = template
        .volumes()
        .filter(|volume| portolan_kube_facts::claim_of(volume) == Some(claim))
        .filter_map(|volume| volume.get("name")?.as_str())
        .collect();
    template
        .containers()
        .filter(|container| container.kind == ContainerKind::Main)
        .any(|container| container.mounts().any(|mount| volumes.contains(mount.volume)))
}

/// The PVCs of a listing.
fn claims(seen: &[Seen]) -> Result<Vec<&Object>, String> {
    seen.iter()
        .filter_map(|seen| match seen {
            Seen::There(object) => Some(Ok(object)),
            Seen::Unreadable(text) => Some(Err(text.clone())),
            Seen::Absent => None,
        })
        .collect()
}

fn strange_claim(object: &Object, beside: &Ref) -> Finding {
    let volume = match object.text("/spec/volumeName") {
        "" => "it is not bound".to_owned(),
        volume => format!("it is on PersistentVolume/{volume}"),
    };
    let found = format!("PersistentVolumeClaim/{} is new and not in the plan", object.text("/metadata/name"));
    let finding = Finding::blocking(Code::StrangeClaim, found);
    let finding = if let Some(name) = object.name() { finding.about(&name) } else { finding };
    finding.with(volume).with(format!("{beside}, with the data, is as it was"))
}

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use model::{Action, Blob, Code, Effect, Finding, Object, Ref, Seen, Step, StepKind, Uid, Verb, Write};
use serde_json::{Value, json};

use super::Next;

/// The annotation that keeps an object when helm upgrades, and its only value: the comparison on the upgrade
/// path is exact (helm, pkg/kube/client.go, 3.10 to 4.2).
const KEEP: (&str, &str) = ("helm.sh/resource-policy", "keep");

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
        StepKind::KeepClaim { claim, uid } => Some(Protection {
            target: claim,
            uid,
            patch: json!({"metadata": {"annotations": {KEEP.0: KEEP.1}}}),
            holds: |object| object.annotation(KEEP.0) == Some(KEEP.1),
            note: "annotation is keep",
        }),
        _ => None,
    }
}

pub(super) fn on_look(step: &Step, seen: &[Seen]) -> Next {
    let Some(protection) = protection(step) else {
        return super::Next::Halt(super::unreadable(step, &model::Reply::Met));
    };
    let object = match (protection.target, seen.first()) {
        (_, Some(Seen::There(object))) if object.uid() == *protection.uid => object,
        (target, Some(Seen::There(_))) => {
            return Next::Halt(another(target, "it was deleted and made again"));
        }
        (target, Some(Seen::Absent)) => return Next::Halt(another(target, "it is gone")),
        _ => return Next::Halt(super::unreadable(step, &model::Reply::Seen(seen.to_vec()))),
    };
    if object.is_terminating() {
        let finding = another(protection.target, "it is being deleted, and that cannot be taken back");
        return Next::Halt(finding.next("set its volume to Retain now, before its last pod goes"));
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
        _ => Next::Halt(super::unreadable(step, &model::Reply::Seen(seen.to_vec()))),
    }
}

fn another(target: &Ref, how: &str) -> Finding {
    Finding::blocking(Code::OtherObject, format!("{target} is not as the plan has it: {how}"))
}

/// Is the claim the one it was, on the volume it was, and mounted, and does none stand beside it that the plan does
/// not have? Each object is judged by itself, since a batch of reads is not atomic.
pub(super) fn on_verify(step: &Step, seen: &[Seen]) -> Next {
    let StepKind::VerifyVolume { claim, claim_uid, volume, volume_uid, mounted_by, sets, known_claims } = &step.kind
    else {
        return Next::Halt(super::unreadable(step, &model::Reply::Met));
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
    if let Some(object) = bound {
        if object.uid() != *claim_uid {
            wrong.push(format!("{claim} was deleted and made again"));
        }
        if object.is_terminating() {
            wrong.push(format!("{claim} is being deleted: it goes when its last pod goes"));
        }
        if object.text("/spec/volumeName") != volume.name() {
            wrong.push(format!("{claim} is on {} now", object.text("/spec/volumeName")));
        }
    }
    if let Some(object) = disk {
        if object.uid() != *volume_uid {
            wrong.push(format!("{volume} was deleted and made again"));
        }
        if object.text("/status/phase") != "Bound" {
            wrong.push(format!("{volume} is {}", object.text("/status/phase")));
        }
    }
    for (name, pod) in &pods {
        if pod.as_ref().is_some_and(|pod| !pod.claims().contains(&claim.name())) {
            wrong.push(format!("{name} does not mount {claim}"));
        }
    }
    if wrong.is_empty() {
        let all = match claims(seen.get(2 + mounted_by.len()..).unwrap_or_default()) {
            Ok(all) => all,
            Err(text) => {
                let found = format!("the claims beside {claim} cannot be listed");
                return Next::Halt(Finding::blocking(Code::NotVisible, found).with(text));
            }
        };
        let mounted: BTreeSet<&str> =
            pods.iter().filter_map(|(_, pod)| pod.as_ref()).flat_map(Object::claims).collect();
        let strange = |object: &&&Object| {
            let is_named = |name: &Ref| mounted.contains(name.name()) || sets.iter().any(|set| is_of_set(name, set));
            object.name().is_some_and(|name| !known_claims.contains(&name) && is_named(&name))
        };
        if let Some(object) = all.iter().find(strange) {
            return Next::Halt(strange_claim(object, claim));
        }
        return Next::was_done(format!("{claim} is on {volume}, same UIDs"));
    }
    let mut finding = Finding::blocking(Code::VolumeDiffers, format!("{claim} is not as it was"));
    for line in wrong {
        finding = finding.with(line);
    }
    Next::Halt(finding)
}

/// The claims of a listing.
fn claims(seen: &[Seen]) -> Result<Vec<&Object>, String> {
    seen.iter()
        .filter_map(|seen| match seen {
            Seen::There(object) => Some(Ok(object)),
            Seen::Unreadable(text) => Some(Err(text.clone())),
            Seen::Absent => None,
        })
        .collect()
}

/// Whether a claim has the name that a set gives to its own: `<template>-<set>-<ordinal>` (Kubernetes 1.33,
/// `getPersistentVolumeClaimName` in `pkg/controller/statefulset/stateful_set_utils.go`).
pub(crate) fn is_of_set(claim: &Ref, set: &Ref) -> bool {
    let of_set = || {
        let (before, ordinal) = claim.name().rsplit_once('-')?;
        let template = before.strip_suffix(set.name())?.strip_suffix('-')?;
        Some(!template.is_empty() && !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit()))
    };
    claim.namespace() == set.namespace() && of_set() == Some(true)
}

fn strange_claim(object: &Object, beside: &Ref) -> Finding {
    let volume = match object.text("/spec/volumeName") {
        "" => "it is not bound".to_owned(),
        volume => format!("it is on PersistentVolume/{volume}"),
    };
    let found = format!("PersistentVolumeClaim/{} is new and not in the plan", object.text("/metadata/name"));
    Finding::blocking(Code::StrangeClaim, found).with(volume).with(format!("{beside}, with the data, is as it was"))
}

//! What the StatefulSet controller does next: `UpdateStatefulSet` of `pkg/controller/statefulset/stateful_set_control.go` and
//! `updateClaimOwnerRefForSetAndPod` of `stateful_set_utils.go` (Kubernetes 1.34).

use portolan_kube_facts::{StatefulSet, selects};
use portolan_model::{Ref, Uid};
use serde_json::{Value, json};

use crate::object_view::{Kind, ObjectView, REVISION, Replica, Set};
use crate::rules::RuleId;
use crate::world::{StoredObject, World};

/// What a set does next.
pub(crate) enum SetStep {
    Claim { name: Ref, spec: Value },
    Pod { name: Ref, ordinal: u32 },
    Adopt { pod: Ref },
    Own { claim: Ref, by: Option<Claimant>, pod: Ref },
    Delete { pod: Ref },
}

/// Who becomes the owner of a PVC.
pub(crate) enum Claimant {
    Set,
    Pod(Uid),
}

/// How an ordinal is.
enum ReplicaState {
    Step(RuleId, SetStep),
    /// Something has to happen first.
    Waits,
    Runs,
}

pub(crate) fn set_step(world: &World, name: &Ref, uid: &Uid, set: &Set) -> Option<(RuleId, SetStep)> {
    // The controller takes what it may take before it sees to its ordinals (`getPodsForStatefulSet`).
    let beyond: Vec<(&Ref, &ObjectView)> = world.pods_beyond(set).collect();
    if let Some((pod, _)) = beyond.iter().find(|(pod, view)| is_free(world, set, pod, view)) {
        return Some((RuleId::SetAdopt, SetStep::Adopt { pod: (*pod).clone() }));
    }
    for replica in &set.replicas {
        match state_of(world, uid, set, replica) {
            ReplicaState::Step(rule, step) => return Some((rule, step)),
            ReplicaState::Waits if !set.parallel => return None,
            ReplicaState::Waits | ReplicaState::Runs => {}
        }
    }
    let its = beyond.iter().filter(|(_, view)| view.is_owned_by(uid));
    let mut dropped: Vec<(u32, Ref)> =
        its.filter_map(|(pod, _)| Some((set.ordinal_of(pod)?, (*pod).clone()))).collect();
    if !dropped.is_empty() {
        dropped.sort_unstable();
        return drop_step(world, name, uid, set, &dropped);
    }
    if set.on_delete { None } else { roll_step(world, set) }
}

fn state_of(world: &World, uid: &Uid, set: &Set, replica: &Replica) -> ReplicaState {
    let pod = &replica.pod;
    let view = world.view(pod);
    if view.is_some_and(|view| is_free(world, set, pod, view)) {
        return ReplicaState::Step(RuleId::SetAdopt, SetStep::Adopt { pod: pod.clone() });
    }
    let is_ready = view.is_some_and(|view| !view.terminating && matches!(&view.kind, Kind::Pod(pod) if pod.running));
    for (claim, (_, spec)) in replica.claims.iter().zip(&set.templates) {
        match world.view(claim) {
            None => {
                let step = SetStep::Claim { name: claim.clone(), spec: spec.clone() };
                return ReplicaState::Step(RuleId::SetClaim, step);
            }
            Some(claim) if claim.terminating && view.is_none() => return ReplicaState::Waits,
            Some(is) if view.is_none() || is_ready || set.parallel => {
                let wanted = set.when_deleted && !has_other_controller(is, uid);
                if is.is_owned_by(uid) != wanted || owned_by_pod(is, pod) {
                    let by = wanted.then_some(Claimant::Set);
                    let step = SetStep::Own { claim: claim.clone(), by, pod: pod.clone() };
                    return ReplicaState::Step(RuleId::SetOwn, step);
                }
            }
            Some(_) => {}
        }
    }
    let Some(view) = view else {
        // A plain PVC that is being deleted stops the set too (createPersistentVolumeClaims looks at templates
        // only; the pod of a plain PVC is made and stays unscheduled).
        let step = SetStep::Pod { name: pod.clone(), ordinal: replica.ordinal };
        return ReplicaState::Step(RuleId::SetPod, step);
    };
    if is_ready && view.is_owned_by(uid) { ReplicaState::Runs } else { ReplicaState::Waits }
}

/// Whether a pod with one of the set's names has no controller, and the set takes it.
fn is_free(world: &World, set: &Set, pod: &Ref, view: &ObjectView) -> bool {
    !view.terminating
        && !view.owners.iter().any(|owner| owner.is_controller)
        && world.get(pod).is_some_and(|pod| selects(Some(&set.selector), pod.at("/metadata/labels")))
}

/// The pods of ordinals that are not wanted any more go, the last one first. With `whenScaled: Delete` they take their PVCs
/// along: each first becomes the owner of its PVCs.
fn drop_step(world: &World, name: &Ref, uid: &Uid, set: &Set, dropped: &[(u32, Ref)]) -> Option<(RuleId, SetStep)> {
    for (ordinal, pod) in dropped {
        let Some(pod_uid) = world.view(pod).map(|view| view.uid.clone()) else { continue };
        for (template, _) in &set.templates {
            let claim = StatefulSet::claim_of(name, template, *ordinal);
            let Some(is) = world.view(&claim) else { continue };
            let (by_pod, by_set) = (is.is_owned_by(&pod_uid), is.is_owned_by(uid));
            let other = has_other_controller(is, uid) && !by_pod;
            let (wants_pod, wants_set) = (set.when_scaled && !other, set.when_deleted && !set.when_scaled && !other);
            if (by_pod, by_set) != (wants_pod, wants_set) {
                let by = if wants_pod { Some(Claimant::Pod(pod_uid)) } else { wants_set.then_some(Claimant::Set) };
                return Some((RuleId::SetOwn, SetStep::Own { claim, by, pod: pod.clone() }));
            }
        }
    }
    for (_, pod) in dropped.iter().rev() {
        match world.view(pod) {
            Some(view) if view.terminating && !set.parallel => return None,
            Some(view) if view.terminating => {}
            _ => return Some((RuleId::SetScale, SetStep::Delete { pod: pod.clone() })),
        }
    }
    None
}

fn roll_step(world: &World, set: &Set) -> Option<(RuleId, SetStep)> {
    let first = set.ordinals.start.saturating_add(set.partition);
    for Replica { pod, .. } in set.replicas.iter().rev().take_while(|replica| replica.ordinal >= first) {
        let view = world.view(pod)?;
        let Kind::Pod(is) = &view.kind else { return None };
        if is.revision != set.revision && !view.terminating {
            return Some((RuleId::SetRoll, SetStep::Delete { pod: pod.clone() }));
        }
        if !is.running || view.terminating {
            return None;
        }
    }
    None
}

fn has_other_controller(claim: &ObjectView, set: &Uid) -> bool {
    claim
        .owners
        .iter()
        .any(|owner| owner.is_controller && owner.uid.as_ref() != Some(set) && owner.name.kind() != "Pod")
}

fn owned_by_pod(claim: &ObjectView, pod: &Ref) -> bool {
    claim.owners.iter().any(|owner| owner.name == *pod)
}

pub(crate) fn take_set_step(world: &mut World, name: &Ref, thing: &StoredObject, set: &Set, step: &SetStep) {
    let owner = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": name.name(), "uid": thing.view.uid.to_string()
    });
    match step {
        SetStep::Claim { name: claim, spec } => drop(world.create_made(claim, "claim", thing.state_hash(), || {
            let mut json = json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": claim.name(), "namespace": claim.namespace()}, "spec": spec
            });
            if set.when_deleted {
                json["metadata"]["ownerReferences"] = json!([owner]);
            }
            json
        })),
        SetStep::Pod { name: pod, ordinal } => drop(world.create_made(pod, "pod", thing.state_hash(), || {
            let mut spec = thing.object.at("/spec/template/spec").cloned().unwrap_or(json!({}));
            let volumes = set.templates.iter().map(|(template, _)| {
                let claim = StatefulSet::claim_of(name, template, *ordinal);
                json!({"name": template, "persistentVolumeClaim": {"claimName": claim.name()}})
            });
            let mut all: Vec<Value> = spec.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
            all.extend(volumes);
            spec["volumes"] = json!(all);
            let mut labels = thing.object.at("/spec/template/metadata/labels").cloned().unwrap_or(json!({}));
            labels[REVISION] = json!(set.revision);
            let mut owner = owner;
            owner["controller"] = json!(true);
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": pod.name(), "namespace": pod.namespace(), "labels": labels,
                    "ownerReferences": [owner]
                },
                "spec": spec
            })
        })),
        SetStep::Adopt { pod } => adopt(world, pod, owner),
        SetStep::Own { claim, by, pod } => own(world, claim, by.as_ref(), pod, &owner),
        SetStep::Delete { pod } => drop(world.delete(pod)),
    }
}

/// Makes the set the controller of a pod.
fn adopt(world: &mut World, pod: &Ref, mut set: Value) {
    let Some(thing) = world.thing(pod).cloned() else { return };
    set["controller"] = json!(true);
    world.put_made(pod, (RuleId::SetAdopt, set["uid"].to_string()), thing.state_hash(), || {
        let mut json = (*thing.object.0).clone();
        let mut owners: Vec<Value> = thing.object.list("/metadata/ownerReferences").to_vec();
        owners.push(set);
        json["metadata"]["ownerReferences"] = json!(owners);
        json
    });
}

/// Takes the set and the pod from the owners of a PVC, and makes one of them its controller.
fn own(world: &mut World, claim: &Ref, by: Option<&Claimant>, pod: &Ref, set: &Value) {
    let Some(thing) = world.thing(claim).cloned() else { return };
    let becomes = match by {
        Some(Claimant::Set) => format!("{}", set["uid"]),
        Some(Claimant::Pod(uid)) => uid.to_string(),
        None => String::new(),
    };
    world.put_made(claim, (RuleId::SetOwn, becomes), thing.state_hash(), || {
        let mut json = (*thing.object.0).clone();
        let mut owners: Vec<Value> = thing.object.list("/metadata/ownerReferences").to_vec();
        owners.retain(|owner| {
            let is_pod = owner["kind"] == "Pod" && owner["name"] == pod.name();
            owner["uid"] != set["uid"] && !is_pod
        });
        match by {
            Some(Claimant::Set) => {
                let mut owner = set.clone();
                owner["controller"] = json!(true);
                owners.push(owner);
            }
            Some(Claimant::Pod(uid)) => owners.push(json!({
                "apiVersion": "v1", "kind": "Pod", "name": pod.name(), "uid": uid.to_string(), "controller": true
            })),
            None => {}
        }
        json["metadata"]["ownerReferences"] = json!(owners);
        json
    });
}

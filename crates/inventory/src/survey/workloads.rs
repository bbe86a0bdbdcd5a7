//! The workloads of a release, and which of them a pod belongs to.

use kube_facts::StatefulSet;
use model::{Inventory, Object, Ref, Workload};
use serde_json::Value;

const KINDS: [(&str, &str); 4] =
    [("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("batch", "Job")];

fn is_workload(name: &Ref) -> bool {
    KINDS.contains(&(name.group(), name.kind()))
}

/// The workloads of the stored manifest, with how they are; then those that live and that helm marked as this
/// release's although the manifest does not have them, or that a hook made and that stay.
pub(super) fn of_release(inventory: &Inventory) -> Vec<Workload> {
    let mut names: Vec<Ref> = inventory.release.docs.iter().filter_map(Object::name).filter(is_workload).collect();
    for (name, object) in &inventory.objects {
        if is_workload(name)
            && !names.contains(name)
            && (belongs(inventory, object) || stays_from_hook(inventory, name))
        {
            names.push(name.clone());
        }
    }
    names
        .into_iter()
        .map(|name| {
            let (ready, state) = match inventory.objects.get(&name) {
                Some(object) => state(object),
                None if inventory.is_complete(name.kind(), name.namespace()) => (false, "not there".into()),
                None => (false, "may not be read".into()),
            };
            Workload { name, ready, state }
        })
        .collect()
}

/// Whether helm marked a live object as this release's.
pub fn belongs(inventory: &Inventory, object: &Object) -> bool {
    let id = &inventory.release.id;
    object.annotation("meta.helm.sh/release-name") == Some(id.name.as_str())
        && object.annotation("meta.helm.sh/release-namespace") == Some(id.namespace.as_str())
}

/// Whether a live object is one that a hook made. Helm marks those in no way, and no manifest has them.
pub(super) fn is_of_hook(inventory: &Inventory, name: &Ref) -> bool {
    inventory.release.hooks.iter().any(|hook| hook.name().as_ref() == Some(name))
}

/// Whether a hook made a workload that goes on running. A Job has its end.
fn stays_from_hook(inventory: &Inventory, name: &Ref) -> bool {
    name.kind() != "Job" && is_of_hook(inventory, name)
}

/// Whether a workload is as its spec asks, and that in a few words.
fn state(object: &Object) -> (bool, String) {
    let number = |pointer: &str, default: u64| object.at(pointer).and_then(Value::as_u64).unwrap_or(default);
    let current = number("/status/observedGeneration", u64::MAX) >= number("/metadata/generation", 0);
    let (ready, wanted, settled) = match object.text("/kind") {
        "Job" => return job(object),
        "DaemonSet" => {
            let wanted = number("/status/desiredNumberScheduled", 0);
            (number("/status/numberReady", 0), wanted, number("/status/updatedNumberScheduled", 0) >= wanted)
        }
        "StatefulSet" => {
            let wanted = number("/spec/replicas", 1);
            // A StatefulSet that does not replace all its pods keeps two revisions.
            let rolls = StatefulSet::of(object).is_none_or(|set| !set.is_on_delete() && set.partition() == 0);
            let same = object.text("/status/currentRevision") == object.text("/status/updateRevision");
            (number("/status/readyReplicas", 0), wanted, !rolls || same || wanted == 0)
        }
        _ => {
            let wanted = number("/spec/replicas", 1);
            let updated = number("/status/updatedReplicas", 0) >= wanted;
            (number("/status/readyReplicas", 0), wanted, updated)
        }
    };
    let mut words = format!("{ready} of {wanted} ready");
    if ready >= wanted && !(settled && current) {
        words.push_str(", rolling out");
    }
    (ready >= wanted && settled && current, words)
}

fn job(object: &Object) -> (bool, String) {
    let is = |kind: &str| {
        object.list("/status/conditions").iter().any(|condition| {
            condition.get("type").and_then(Value::as_str) == Some(kind)
                && condition.get("status").and_then(Value::as_str) == Some("True")
        })
    };
    if is("Complete") {
        (true, "complete".into())
    } else if is("Failed") {
        (false, "failed".into())
    } else if object.at("/spec/suspend") == Some(&Value::Bool(true)) {
        (false, "suspended".into())
    } else {
        (false, "running".into())
    }
}

/// The workload that owns a pod. A pod of a Deployment is owned by a `ReplicaSet`, which need not have been read: its name is the
/// Deployment's with a hash, and the Deployment itself was listed.
pub(super) fn owner(inventory: &Inventory, pod: &Object) -> Option<Ref> {
    let owner = pod
        .list("/metadata/ownerReferences")
        .iter()
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
        .or_else(|| pod.list("/metadata/ownerReferences").first())?;
    let text = |key: &str| owner.get(key).and_then(Value::as_str).unwrap_or_default();
    let group = text("apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
    let namespace = pod.text("/metadata/namespace");
    if text("kind") == "ReplicaSet"
        && let Some((deployment, _)) = text("name").rsplit_once('-')
    {
        let deployment = Ref::new("apps", "Deployment", namespace, deployment);
        if inventory.objects.contains_key(&deployment) {
            return Some(deployment);
        }
    }
    Some(Ref::new(group, text("kind"), namespace, text("name")))
}

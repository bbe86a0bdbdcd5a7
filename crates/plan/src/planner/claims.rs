//! PVCs that the release's workloads name and that are not as they have to be.

use portolan_kube_facts::{Claims, Kind};
use portolan_model::{Code, Finding, Inventory, Object, Ref};
use serde_json::{Value, json};

use super::{form, not_visible};

/// Every PVC that a set of the release names is there and has its volume, and so has every PVC that it makes; one that it
/// has not made yet it makes. What may not be listed is not known to be missing.
///
/// # Errors
/// [`Code::ClaimGone`], with the volume that holds the data where one is seen; [`Code::NotVisible`] where the PVCs of a namespace
/// that the stored manifest names may not be listed.
pub(super) fn check(inventory: &Inventory) -> Result<(), Finding> {
    let docs = &inventory.release.docs;
    for set in docs.iter().filter(|doc| Kind::of(doc) == Kind::StatefulSet) {
        let Some(name) = set.name() else { continue };
        let Some(form) = form(&inventory.objects, docs, &name) else { continue };
        let Claims { named, created: made } = Claims::of(&name, form);
        if (!named.is_empty() || !made.is_empty()) && !inventory.is_complete("PersistentVolumeClaim", name.namespace())
        {
            return Err(not_visible("PersistentVolumeClaim", name.namespace()).about(&name));
        }
        let all = named.iter().map(|claim| (claim, false)).chain(made.iter().map(|claim| (claim, true)));
        for (claim, is_made) in all {
            if let Some(found) = fault(inventory, claim, is_made) {
                return Err(with_way_out(inventory, claim, Finding::blocking(Code::ClaimGone, found).about(claim)));
            }
        }
    }
    Ok(())
}

/// What is wrong with a PVC.
fn fault(inventory: &Inventory, name: &Ref, is_made: bool) -> Option<String> {
    let place = if name.namespace() == inventory.release.id.namespace {
        String::new()
    } else {
        format!(" in namespace {}", name.namespace())
    };
    match inventory.objects.get(name) {
        // A replica that was never created has no PVC yet; its StatefulSet makes it.
        None if is_made && volumes_of(inventory, name).is_empty() => None,
        None => Some(format!("{name}{place} is not there, and a workload of the release mounts it")),
        Some(claim) if claim.text("/status/phase") == "Lost" => {
            Some(format!("{name}{place} has lost its volume {}", claim.text("/spec/volumeName")))
        }
        Some(claim) if is_without_volume(inventory, claim) => {
            Some(format!("{name}{place} names the volume {}, which is not there", claim.text("/spec/volumeName")))
        }
        Some(_) => None,
    }
}

/// Names the volumes that were bound to a PVC. How to bind one again is said only where the PVC is not there and the
/// volume was read as Released or Available: else it would take the volume from a PVC that holds it.
fn with_way_out(inventory: &Inventory, name: &Ref, finding: Finding) -> Finding {
    let volumes = volumes_of(inventory, name);
    if volumes.is_empty() {
        return finding
            .with("no volume is seen that was bound to it")
            .next("find out which volume held its data, if any, before anybody creates a PVC of this name");
    }
    let finding = volumes.iter().fold(finding, |finding, (volume, object)| {
        let (phase, policy) = (object.text("/status/phase"), object.text("/spec/persistentVolumeReclaimPolicy"));
        let going = if object.is_terminating() { ", being deleted" } else { "" };
        finding.with(format!("{volume} was bound to it: {phase}, {policy}{going}"))
    });
    let is_free =
        |object: &Object| matches!(object.text("/status/phase"), "Released" | "Available") && !object.is_terminating();
    let [(volume, object)] = volumes.as_slice() else {
        return finding.next("find out which of these volumes holds the data before anybody binds a PVC to one");
    };
    if inventory.objects.contains_key(name) || !is_free(object) {
        return finding
            .next(format!("find out what became of {volume}; do not change its claimRef, and delete nothing"));
    }
    let patch = json!({"spec": {
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"uid": null, "resourceVersion": null},
    }});
    finding.next(format!(
        "kubectl patch pv {} -p '{patch}' && echo '{}' | kubectl create -f -, then plan again",
        volume.name(),
        bound_to(inventory, name, volume, object)
    ))
}

/// A PVC that takes over a free volume. It asks for what the release's manifest asks for: helm cannot shrink it later.
fn bound_to(inventory: &Inventory, name: &Ref, volume: &Ref, object: &Object) -> Value {
    let doc = inventory.release.docs.iter().find(|doc| doc.name().as_ref() == Some(name));
    let asked = doc.and_then(|doc| doc.at("/spec/resources/requests/storage"));
    let storage = asked.or_else(|| object.at("/spec/capacity/storage"));
    let mut claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name.name(), "namespace": name.namespace()},
        "spec": {
            "accessModes": object.at("/spec/accessModes"),
            "resources": {"requests": {"storage": storage}},
            "storageClassName": object.text("/spec/storageClassName"),
            "volumeName": volume.name(),
        },
    });
    if let Some(mode) = object.at("/spec/volumeMode") {
        claim["spec"]["volumeMode"] = mode.clone();
    }
    claim
}

fn volumes_of<'a>(inventory: &'a Inventory, claim: &Ref) -> Vec<(&'a Ref, &'a Object)> {
    let volumes = inventory.objects.iter().filter(|(name, _)| name.kind() == "PersistentVolume");
    volumes.filter(|(_, object)| was_of(object, claim)).collect()
}

fn is_without_volume(inventory: &Inventory, claim: &Object) -> bool {
    let volume = claim.text("/spec/volumeName");
    !volume.is_empty()
        && inventory.is_complete("PersistentVolume", "")
        && !inventory.objects.contains_key(&Ref::volume(volume))
}

/// Whether a volume was bound to a PVC of this name.
pub(super) fn was_of(volume: &Object, claim: &Ref) -> bool {
    volume.text("/spec/claimRef/name") == claim.name() && volume.text("/spec/claimRef/namespace") == claim.namespace()
}

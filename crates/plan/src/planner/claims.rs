//! Claims that the release's workloads name and that are not as they have to be.

use std::collections::BTreeSet;

use model::{Code, Finding, Inventory, Object, Ref};

use super::{form, is_kind, mounts};

/// Every claim that a set of the release names, or makes, is there and has its volume. What may not be listed is not known
/// to be missing.
///
/// # Errors
/// [`Code::ClaimGone`], with the volume that holds the data where one is seen.
pub(super) fn check(inventory: &Inventory) -> Result<(), Finding> {
    let namespace = &inventory.release.id.namespace;
    let sets = inventory.release.docs.iter().filter(|doc| is_kind(doc, "StatefulSet"));
    let mut names: BTreeSet<Ref> = BTreeSet::new();
    for form in sets.filter_map(|set| form(&inventory.objects, &inventory.release.docs, &set.name()?)) {
        names.extend(form.claims().into_iter().map(|claim| Ref::claim(namespace, claim)));
        names.extend(mounts::made_by(form).into_iter().map(|made| made.claim));
    }
    let lost = names.iter().find_map(|name| match inventory.objects.get(name) {
        None => Some((name, format!("{name} is not there, and a workload of the release mounts it"))),
        Some(claim) if claim.text("/status/phase") == "Lost" => {
            Some((name, format!("{name} has lost its volume {}", claim.text("/spec/volumeName"))))
        }
        Some(claim) if is_without_volume(inventory, claim) => {
            Some((name, format!("{name} names the volume {}, which is not there", claim.text("/spec/volumeName"))))
        }
        Some(_) => None,
    });
    let Some((name, found)) = lost else { return Ok(()) };
    let finding = Finding::blocking(Code::ClaimGone, found);
    let released =
        inventory.objects.iter().filter(|(volume, object)| volume.kind() == "PersistentVolume" && was_of(object, name));
    let released: Vec<&Ref> = released.map(|(volume, _)| volume).collect();
    let Some(volume) = released.first() else {
        return Err(finding.with("no volume is seen that was bound to it"));
    };
    let evidence = |volume: &Ref| {
        let object = inventory.objects.get(volume);
        let text = |pointer: &str| object.map_or("", |object| object.text(pointer)).to_owned();
        format!("{volume} was bound to it: {}, {}", text("/status/phase"), text("/spec/persistentVolumeReclaimPolicy"))
    };
    Err(released.iter().fold(finding, |finding, volume| finding.with(evidence(volume))).next(format!(
        "kubectl patch pv {} -p '{{\"spec\":{{\"claimRef\":{{\"uid\":null,\"resourceVersion\":null}}}}}}', then make a claim {} with \
         volumeName {}, and plan again",
        volume.name(),
        name.name(),
        volume.name()
    )))
}

fn is_without_volume(inventory: &Inventory, claim: &Object) -> bool {
    let volume = claim.text("/spec/volumeName");
    !volume.is_empty()
        && inventory.is_complete("PersistentVolume", "")
        && !inventory.objects.contains_key(&Ref::volume(volume))
}

/// Whether a volume was bound to a claim of this name.
fn was_of(volume: &Object, claim: &Ref) -> bool {
    volume.text("/spec/claimRef/name") == claim.name() && volume.text("/spec/claimRef/namespace") == claim.namespace()
}

//! The protections alone, for an installation that is not upgraded today.

use std::collections::{BTreeMap, BTreeSet};

use portolan_model::{
    Code, Finding, HelmClient, Hop, Inventory, Object, Plan, PlanFile, ProtectedVolume, Provenance, Ref, Step,
    StepKind, Volume,
};
use serde_json::Value;

use super::manual_commands::Given;
use super::{empty, manual_commands, not_visible, preconditions, protected, steps, terminating};

/// The protections of a release.
#[derive(Clone, Debug)]
pub struct Protection {
    /// The plan that makes every volume with data outlive its PVC, and every PVC outlive the release's next chart. It has no
    /// hops where all of that holds already.
    pub file: PlanFile,
    /// What protects nothing: volumes that cannot be protected, and what takes a PVC along although it is protected. The
    /// others are protected all the same.
    pub open: Vec<Finding>,
}

/// The protections of a release. Secrets are not needed for it, nor a helm: `helm` only says which one there is.
///
/// # Errors
/// [`Code::NotVisible`] where PVCs may not be listed.
pub fn protect(inventory: &Inventory, helm: &HelmClient) -> Result<Protection, Finding> {
    let release = &inventory.release;
    if !inventory.is_complete("PersistentVolumeClaim", &release.id.namespace) {
        return Err(not_visible("PersistentVolumeClaim", &release.id.namespace));
    }
    let mut volumes: Vec<ProtectedVolume> = Vec::new();
    let mut steps = Vec::new();
    let mut open_still = Vec::new();
    for volume in inventory.data_volumes() {
        if volume.terminating || volume.volume_terminating {
            open_still.push(terminating(volume));
        }
        // Retain holds the disk of a PVC that is being deleted; nothing holds a PV that is.
        let protected = match protected(volume) {
            Ok(protected) if !volume.volume_terminating => protected,
            Ok(_) => continue,
            Err(finding) => {
                open_still.push(finding.about(&volume.claim));
                continue;
            }
        };
        open_still.extend(taken_along(inventory, volume));
        if volume.terminating {
            steps.extend(retain(volume, &protected).map(step));
            continue;
        }
        steps.extend(open(volume, &protected).into_iter().map(step));
        volumes.push(protected);
    }
    steps.sort_by_key(|step| matches!(step.kind, StepKind::KeepClaim { .. }));
    let is_needed = !steps.is_empty();
    steps.extend(volumes.iter().map(|protected| step(verify(protected))));
    let hop = Hop {
        release: None,
        from: release.chart.clone(),
        to: release.chart.clone(),
        boundaries: Vec::new(),
        steps,
        changes: Vec::new(),
        new_claims: Vec::new(),
        hooks: Vec::new(),
        values: Vec::new(),
    };
    let hops = if is_needed { vec![hop] } else { Vec::new() };
    let mut plan = Plan { hops, volumes, ..empty(inventory, helm) };
    if plan.volumes.is_empty() && open_still.is_empty() {
        let found = format!("no PVC of release {} is bound to a volume", release.id.name);
        plan.findings.push(Finding::warning(Code::VolumeDiffers, found).why("there is nothing to protect"));
    }
    plan.preconditions = preconditions::of(inventory, &plan);
    let file = PlanFile { plan, objects: BTreeMap::new(), fetched: Vec::new() };
    Ok(Protection { file, open: open_still })
}

/// What takes a PVC along although it is kept: an owner, a StatefulSet's retention policy, its namespace. Retain then saves the
/// disk, not the PVC.
fn taken_along(inventory: &Inventory, volume: &Volume) -> Option<Finding> {
    let docs = inventory.release.docs.iter().filter_map(Object::name);
    let docs: Vec<Ref> = docs.filter(|name| name.kind() != "PersistentVolumeClaim").collect();
    let falls = portolan_kube_facts::falls_with(&inventory.objects, &docs);
    let root = falls.get(&volume.claim)?;
    let how = match root.kind() {
        "Namespace" => "an uninstall, or a chart without it, deletes it with everything in it",
        "StatefulSet" => "its retention policy or an ownerReference deletes the PVC when the StatefulSet is deleted",
        _ => "it owns the PVC, directly or through others",
    };
    Some(
        Finding::warning(Code::DeletedWith, format!("{} goes with {root}, keep or not", volume.claim))
            .about(&volume.claim)
            .with(how)
            .next("Retain saves the disk, not the PVC: do not uninstall the release before that tie is gone"),
    )
}

fn retain(volume: &Volume, protected: &ProtectedVolume) -> Option<StepKind> {
    (volume.policy.as_deref() != Some("Retain")).then(|| StepKind::RetainVolume {
        volume: protected.volume.clone(),
        uid: protected.volume_uid.clone(),
        before: volume.policy.clone().unwrap_or_default(),
    })
}

/// What does not hold yet.
fn open(volume: &Volume, protected: &ProtectedVolume) -> Vec<StepKind> {
    let mut open: Vec<StepKind> = retain(volume, protected).into_iter().collect();
    // Helm deletes what its stored manifest has; a PVC that it does not know needs no word to it.
    if volume.in_manifest && volume.keep_live.as_deref() != Some("keep") {
        let (claim, uid) = (protected.claim.clone(), protected.claim_uid.clone());
        open.push(StepKind::KeepClaim { claim, uid, is_kept: false });
    }
    open
}

fn verify(protected: &ProtectedVolume) -> StepKind {
    StepKind::VerifyVolume {
        claim: protected.claim.clone(),
        claim_uid: protected.claim_uid.clone(),
        volume: protected.volume.clone(),
        volume_uid: protected.volume_uid.clone(),
        // Nothing is restarted, so neither who mounts it is asked nor which other PVCs exist.
        mounted_by: Vec::new(),
        sets: Vec::new(),
        known_claims: BTreeSet::new(),
    }
}

fn step(kind: StepKind) -> Step {
    let (id, why) = match &kind {
        StepKind::RetainVolume { .. } => {
            ("retain-volumes", "a volume whose policy is Retain outlives its PVC, whatever becomes of the PVC")
        }
        StepKind::KeepClaim { .. } => {
            ("keep-claims", "helm deletes a PVC that a new chart does not have any more, unless the live PVC says keep")
        }
        _ => ("verify-volumes", "a protection changes nothing but itself"),
    };
    let source = Provenance { page: "portolan".into(), line: None, boundary: "protect".into() };
    let mut step = steps::step(id, why, kind, vec![source]);
    step.command =
        manual_commands::of(&step.kind, Given { values: &Value::Null, hidden: &BTreeSet::new() }, step.limit);
    step
}

//! The protections alone, for an installation that is not upgraded today.

use std::collections::{BTreeMap, BTreeSet};

use model::{Code, Finding, HelmClient, Hop, Inventory, Plan, PlanFile, Source, Step, StepKind, Volume, VolumeAim};
use serde_json::Value;

use super::{aim, command, empty, expects, not_visible, steps, terminating};

/// A plan that makes every volume with data outlive its claim, and every claim outlive the release's next chart. It has no
/// hops where all of that holds already. Secrets are not needed for it, nor a helm: `helm` only says which one there is.
///
/// # Errors
/// [`Code::NotVisible`] where claims or volumes may not be read, [`Code::NotSafe`] where a claim is being deleted.
pub fn protect(inventory: &Inventory, helm: &HelmClient) -> Result<PlanFile, Finding> {
    let release = &inventory.release;
    if !inventory.is_complete("PersistentVolumeClaim", &release.id.namespace) {
        return Err(not_visible("PersistentVolumeClaim", &release.id.namespace));
    }
    let mut volumes: Vec<VolumeAim> = Vec::new();
    let mut steps = Vec::new();
    for volume in inventory.data_volumes() {
        if volume.terminating {
            return Err(terminating(volume));
        }
        let aim = aim(volume)?;
        steps.extend(open(volume, &aim).into_iter().map(step));
        volumes.push(aim);
    }
    steps.sort_by_key(|step| matches!(step.kind, StepKind::KeepClaim { .. }));
    let is_needed = !steps.is_empty();
    steps.extend(volumes.iter().map(|aim| step(verify(aim))));
    let hop = Hop {
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
    if plan.volumes.is_empty() {
        let found = format!("no claim of release {} is bound to a volume", release.id.name);
        plan.findings.push(Finding::warning(Code::VolumeDiffers, found).why("there is nothing to protect"));
    }
    plan.expects = expects::of(inventory, &plan);
    Ok(PlanFile { plan, objects: BTreeMap::new(), fetched: Vec::new() })
}

/// What does not hold yet.
fn open(volume: &Volume, aim: &VolumeAim) -> Vec<StepKind> {
    let mut open = Vec::new();
    if volume.policy.as_deref() != Some("Retain") {
        let before = volume.policy.clone().unwrap_or_default();
        open.push(StepKind::RetainVolume { volume: aim.volume.clone(), uid: aim.volume_uid.clone(), before });
    }
    // Helm deletes what its stored manifest has; a claim that it does not know needs no word to it.
    if volume.in_manifest && volume.keep_live.as_deref() != Some("keep") {
        open.push(StepKind::KeepClaim { claim: aim.claim.clone(), uid: aim.claim_uid.clone() });
    }
    open
}

fn verify(aim: &VolumeAim) -> StepKind {
    StepKind::VerifyVolume {
        claim: aim.claim.clone(),
        claim_uid: aim.claim_uid.clone(),
        volume: aim.volume.clone(),
        volume_uid: aim.volume_uid.clone(),
        // Nothing is restarted, so neither who mounts it is asked nor what stands beside it.
        mounted_by: Vec::new(),
        sets: Vec::new(),
        known_claims: BTreeSet::new(),
    }
}

fn step(kind: StepKind) -> Step {
    let (id, why) = match &kind {
        StepKind::RetainVolume { .. } => {
            ("retain-volumes", "a volume whose policy is Retain outlives its claim, whatever becomes of the claim")
        }
        StepKind::KeepClaim { .. } => (
            "keep-claims",
            "helm deletes a claim that a new chart does not have any more, unless the live claim says keep",
        ),
        _ => ("verify-volumes", "a protection changes nothing but itself"),
    };
    let source = Source { page: "portolan".into(), line: None, boundary: "protect".into() };
    let mut step = steps::step(id, why, kind, vec![source]);
    step.command = command::of(&step.kind, &Value::Null, step.limit);
    step
}

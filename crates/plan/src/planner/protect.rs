//! The protections alone, for an installation that is not upgraded today.

use std::collections::BTreeMap;

use model::{
    Code, FORMAT, Finding, HelmClient, Hop, Inventory, Plan, PlanFile, Source, Step, StepKind, Undo, Volume, VolumeAim,
};
use serde_json::Value;

use super::{aim, command, expects, not_visible, terminating};

/// Seconds: one write each.
const LIMIT: u64 = 60;

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
        values: Vec::new(),
    };
    let mut plan = Plan {
        format: FORMAT,
        cluster: inventory.cluster.uid.clone(),
        server: inventory.cluster.server.clone(),
        release: release.id.clone(),
        helm: helm.clone(),
        from: release.chart.clone(),
        to: release.chart.clone(),
        hops: if is_needed { vec![hop] } else { Vec::new() },
        contingencies: Vec::new(),
        expects: BTreeMap::new(),
        volumes,
        databases: Vec::new(),
        without: Vec::new(),
        accepted: Vec::new(),
        findings: Vec::new(),
    };
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
        // Nothing is restarted, so who mounts it is not asked.
        mounted_by: Vec::new(),
    }
}

fn step(kind: StepKind) -> Step {
    let (id, why, undo) = match &kind {
        StepKind::RetainVolume { .. } => (
            "retain-volumes",
            "a volume whose policy is Retain outlives its claim, whatever becomes of the claim",
            Undo::Reverse,
        ),
        StepKind::KeepClaim { .. } => (
            "keep-claims",
            "helm deletes a claim that a new chart does not have any more, unless the live claim says keep",
            Undo::Reverse,
        ),
        _ => ("verify-volumes", "a protection changes nothing but itself", Undo::Nothing),
    };
    let source = Source { page: "portolan".into(), line: None, boundary: "protect".into() };
    let command = command::of(&kind, &Value::Null, LIMIT);
    Step { id: id.into(), kind, sources: vec![source], why: why.into(), command, undo, limit: LIMIT }
}

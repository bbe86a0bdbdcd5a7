//! The plan linter: the safety rules that every plan has to satisfy, whoever made it.

use std::collections::BTreeSet;

use portolan_model::{Change, Code, Finding, Hop, Plan, Ref, Step, StepKind, Uid};

/// What is wrong with a plan, the worst first. A plan that breaks a rule is never carried out. That a volume is not
/// protected is a warning where somebody asked for steps to be left out: what comes of that is for a rehearsal to show.
#[must_use]
pub fn lint(plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for step in plan.steps() {
        writes(step, &mut findings);
        names(step, &mut findings);
    }
    archive(plan, &mut findings);
    for hop in &plan.hops {
        order(hop, &mut findings);
    }
    revisions(plan, &mut findings);
    for protected in &plan.volumes {
        if [&protected.claim_uid, &protected.volume_uid].iter().any(|uid| is_empty(uid)) {
            findings.push(bad(format!("{} or its volume has no UID in the plan", protected.claim)));
        }
    }
    protections(plan, &mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn bad(found: String) -> Finding {
    Finding::blocking(Code::BadPlan, found)
}

fn is_empty(uid: &Uid) -> bool {
    uid.0.is_empty()
}

/// Storage is never deleted, nor what takes storage with it; a protection goes to storage and nothing else.
fn writes(step: &Step, findings: &mut Vec<Finding>) {
    let is = |name: &Ref, kind: &str| name.is_storage() && name.kind() == kind;
    match &step.kind {
        StepKind::DeleteObject { target, .. }
            if target.is_storage()
                || matches!(target.kind(), "Namespace" | "CustomResourceDefinition")
                || (target.group().is_empty() && target.kind() == "Node") =>
        {
            findings.push(bad(format!("step {} deletes {target}", step.id)));
        }
        StepKind::RetainVolume { volume, .. } if !is(volume, "PersistentVolume") => {
            findings.push(bad(format!("step {} retains {volume}, which is no volume", step.id)));
        }
        StepKind::KeepClaim { claim, .. } if !is(claim, "PersistentVolumeClaim") => {
            findings.push(bad(format!("step {} keeps {claim}, which is no PVC", step.id)));
        }
        _ => {}
    }
}

/// Every object that is written to or verified is named by its UID; every step says where it comes from and how long it
/// may take.
fn names(step: &Step, findings: &mut Vec<Finding>) {
    let uids: Vec<(&Ref, &Uid)> = match &step.kind {
        StepKind::RetainVolume { volume, uid, .. } => vec![(volume, uid)],
        StepKind::KeepClaim { claim, uid, .. } => vec![(claim, uid)],
        StepKind::DeleteObject { target, uid, .. } => vec![(target, uid)],
        StepKind::VerifyVolume { claim, claim_uid, volume, volume_uid, .. } => {
            vec![(claim, claim_uid), (volume, volume_uid)]
        }
        _ => Vec::new(),
    };
    for (name, _) in uids.into_iter().filter(|(_, uid)| is_empty(uid)) {
        findings.push(bad(format!("step {} names {name} without its UID", step.id)));
    }
    if step.sources.is_empty() {
        findings.push(bad(format!("step {} does not say where it comes from", step.id)));
    }
    if step.limit.is_zero() {
        findings.push(bad(format!("step {} may take no time at all", step.id)));
    }
}

/// What is deleted, and what a password is carried out of, was archived before.
fn archive(plan: &Plan, findings: &mut Vec<Finding>) {
    let mut archived: BTreeSet<&Ref> = BTreeSet::new();
    for step in plan.steps() {
        let needs: Vec<&Ref> = match &step.kind {
            StepKind::ArchiveObject { objects } => {
                archived.extend(objects);
                continue;
            }
            StepKind::DeleteObject { target, .. } => vec![target],
            StepKind::CarryCredentials { carried, .. } => carried.iter().map(|one| &one.from.secret).collect(),
            StepKind::HelmUpgrade { run } => run.carried.iter().map(|one| &one.from.secret).collect(),
            _ => continue,
        };
        let missing: BTreeSet<&Ref> = needs.into_iter().filter(|name| !archived.contains(name)).collect();
        for name in missing {
            findings
                .push(bad(format!("step {} needs {name} in the archive, and no step before it archives it", step.id)));
        }
    }
}

/// In a hop protections come before deletions, these and the wait for their pods before helm, and verification after helm.
fn order(hop: &Hop, findings: &mut Vec<Finding>) {
    let place = |step: &Step| match step.kind {
        StepKind::CheckObjects { .. } | StepKind::RetainVolume { .. } | StepKind::KeepClaim { .. } => 0,
        StepKind::RecordDatabase { .. } | StepKind::ArchiveObject { .. } | StepKind::CarryCredentials { .. } => 1,
        StepKind::DeleteObject { .. } => 2,
        StepKind::WaitGone { .. } => 3,
        StepKind::HelmUpgrade { .. } => 4,
        StepKind::WaitReady { .. } | StepKind::VerifyVolume { .. } | StepKind::VerifyDatabase { .. } => 5,
    };
    let helm = hop.steps.iter().position(|step| matches!(step.kind, StepKind::HelmUpgrade { .. }));
    let (before, after) = hop.steps.split_at(helm.map_or(hop.steps.len(), |helm| helm + 1));
    // A chart may take a protection off, and it is put on again once helm is done.
    let is_again = |step: &Step| {
        let StepKind::RetainVolume { volume, .. } = &step.kind else { return false };
        let is_its =
            |step: &Step| matches!(&step.kind, StepKind::RetainVolume { volume: known, .. } if known == volume);
        after.iter().any(|one| std::ptr::eq(one, step)) && before.iter().any(is_its)
    };
    let place = |step: &Step| if is_again(step) { 5 } else { place(step) };
    // Among themselves protections and records may come in any order; none may come after what they guard against.
    for pair in hop.steps.windows(2) {
        if place(&pair[0]) > place(&pair[1]) {
            findings.push(bad(format!("step {} comes too late, after {}", pair[1].id, pair[0].id)));
        }
    }
    let runs = hop.steps.iter().filter(|step| place(step) == 4).count();
    // A hop that only protects leads nowhere.
    let protects = hop.from == hop.to && hop.steps.iter().all(|step| matches!(place(step), 0 | 5));
    if runs != 1 && !protects {
        findings.push(bad(format!("the hop {} -> {} runs helm {runs} times", hop.from, hop.to)));
    }
}

/// Each run of helm goes on from the revision that the one before makes.
fn revisions(plan: &Plan, findings: &mut Vec<Finding>) {
    let bases: Vec<u32> = plan.helm_runs().map(|run| run.base_revision).collect();
    if bases.windows(2).any(|pair| pair[1] != pair[0] + 1) {
        findings.push(bad(format!("helm is to go on from revisions {bases:?}, which do not follow each other")));
    }
}

/// Every volume with data is retained before anything is deleted or applied, its PVC is kept before each helm that
/// knows it, and it is verified after each.
fn protections(plan: &Plan, findings: &mut Vec<Finding>) {
    let weigh = |found: String| {
        let finding = Finding::blocking(Code::NotSafe, found);
        if plan.without.is_empty() {
            return finding.next("report it with the recipe that made the plan");
        }
        Finding { severity: portolan_model::Severity::Warning, ..finding }
            .why(format!("left out on request: {}", plan.without.join(", ")))
            .next("make the plan without --without")
    };
    for protected in &plan.volumes {
        let mut retained = false;
        let mut kept = false;
        for hop in &plan.hops {
            let mut verified = false;
            let mut deleted_first = false;
            for step in &hop.steps {
                match &step.kind {
                    StepKind::RetainVolume { volume, uid, .. } => {
                        retained |= *volume == protected.volume && *uid == protected.volume_uid;
                    }
                    StepKind::KeepClaim { claim, uid, .. } => {
                        kept |= *claim == protected.claim && *uid == protected.claim_uid;
                    }
                    StepKind::DeleteObject { .. } | StepKind::HelmUpgrade { .. } => deleted_first |= !retained,
                    StepKind::VerifyVolume { claim, .. } => verified |= *claim == protected.claim,
                    _ => {}
                }
            }
            let fate = hop.changes.iter().find(|one| one.object == protected.claim).map(|one| one.change);
            if deleted_first {
                findings.push(weigh(format!("{} is not retained before {} is applied", protected.volume, hop.to)));
            }
            if fate.is_some() && !kept {
                let how = if fate == Some(Change::Delete) { "and helm deletes it" } else { "and the release has it" };
                findings.push(weigh(format!("{} is not kept before {} is applied, {how}", protected.claim, hop.to)));
            }
            if !verified {
                findings.push(weigh(format!("{} is not verified after {} is applied", protected.claim, hop.to)));
            }
        }
    }
}

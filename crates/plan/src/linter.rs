//! The plan linter: the safety rules that every plan has to satisfy, whoever made it.

use std::collections::BTreeSet;

use portolan_helm_compat::redact;
use portolan_model::{
    Change, Code, Digest, Finding, HelmOperation, HelmRun, Hop, Manifest, Object, ObjectChange, Plan, PlanFile, Ref,
    ReleaseId, Step, StepKind, ValuesMode,
};

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
        goes_along(hop, &mut findings);
    }
    releases(plan, &mut findings);
    for release in plan.releases() {
        revisions(plan, release, &mut findings);
    }
    protections(plan, &mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

fn bad(found: String) -> Finding {
    Finding::blocking(Code::BadPlan, found)
}

/// Storage is never deleted, nor what takes storage with it; a protection goes to storage and nothing else.
fn writes(step: &Step, findings: &mut Vec<Finding>) {
    let is = |name: &Ref, kind: &str| name.is_storage() && name.kind() == kind;
    match &step.kind {
        StepKind::DeleteObject { target, .. } if target.is_never_deleted() => {
            findings.push(bad(format!("step {} deletes {target}", step.id)));
        }
        StepKind::RestoreObject { target, .. } if target.is_never_deleted() => {
            findings.push(bad(format!("step {} restores {target}", step.id)));
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

/// Every step says where it comes from and how long it may take.
fn names(step: &Step, findings: &mut Vec<Finding>) {
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
            StepKind::Helm { run, .. } => run.carried.iter().map(|one| &one.from.secret).collect(),
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
        StepKind::DeleteObject { .. } | StepKind::RestoreObject { .. } => 2,
        StepKind::WaitGone { .. } => 3,
        StepKind::Helm { .. } => 4,
        StepKind::WaitReady { .. } | StepKind::VerifyVolume { .. } | StepKind::VerifyDatabase { .. } => 5,
    };
    let helm = hop.steps.iter().position(|step| matches!(step.kind, StepKind::Helm { .. }));
    let (before, after) = hop.steps.split_at(helm.map_or(hop.steps.len(), |helm| helm + 1));
    // The pods of what an uninstall deletes end after it.
    let uninstalls = uninstalls(hop).next().is_some();
    let is_wait_after = |step: &Step| {
        let is_it = matches!(step.kind, StepKind::WaitGone { .. });
        is_it && uninstalls && after.iter().any(|one| std::ptr::eq(one, step))
    };
    // A chart may take a protection off, and it is put on again once helm is done.
    let is_again = |step: &Step| {
        let StepKind::RetainVolume { volume, .. } = &step.kind else { return false };
        let is_its =
            |step: &Step| matches!(&step.kind, StepKind::RetainVolume { volume: known, .. } if known == volume);
        after.iter().any(|one| std::ptr::eq(one, step)) && before.iter().any(is_its)
    };
    let place = |step: &Step| if is_again(step) || is_wait_after(step) { 5 } else { place(step) };
    // Among themselves protections and records may come in any order; none may come after what they guard against.
    for pair in hop.steps.windows(2) {
        if place(&pair[0]) > place(&pair[1]) {
            findings.push(bad(format!("step {} comes too late, after {}", pair[1].id, pair[0].id)));
        }
    }
    let runs = hop.steps.iter().filter(|step| place(step) == 4).count();
    // A hop that only protects, or puts back what was deleted, leads nowhere.
    let restores = |step: &Step| matches!(step.kind, StepKind::RestoreObject { .. });
    let stays = hop.from == hop.to && hop.steps.iter().all(|step| matches!(place(step), 0 | 5) || restores(step));
    if runs != 1 && !stays {
        findings.push(bad(format!("the hop {} -> {} runs helm {runs} times", hop.from, hop.to)));
    }
    if !stays && let Some(step) = hop.steps.iter().find(|step| restores(step)) {
        findings.push(bad(format!("step {} puts back an object in a hop that does something else", step.id)));
    }
}

/// The releases are those of the hops, each named once, and each step works on its hop's: a run holds the locks of the named ones, and
/// looks at what becomes of these.
fn releases(plan: &Plan, findings: &mut Vec<Finding>) {
    let mut known = BTreeSet::from([&plan.release]);
    for other in &plan.other_releases {
        if !known.insert(other) {
            findings.push(bad(format!("release {other} is named twice")));
        }
        if plan.hops_of(other).next().is_none() {
            findings.push(bad(format!("release {other} is named, and no hop works on it")));
        }
    }
    for hop in &plan.hops {
        if hop.release.as_ref().is_some_and(|release| !plan.other_releases.contains(release)) {
            let found = format!("the hop {} -> {} works on release {}", hop.from, hop.to, plan.release_of(hop));
            findings.push(bad(format!("{found}, which is not among the plan's other releases")));
        }
        for step in &hop.steps {
            let its = match &step.kind {
                StepKind::Helm { run, .. } => &run.release,
                StepKind::CheckObjects { check } => &check.release,
                _ => continue,
            };
            if its != plan.release_of(hop) {
                let hops = plan.release_of(hop);
                findings.push(bad(format!("step {} works on release {its}, and its hop on {hops}", step.id)));
            }
        }
    }
}

/// Each run of helm on a release goes on from what the one before leaves: the next revision, or no release at all after an uninstall.
fn revisions(plan: &Plan, release: &ReleaseId, findings: &mut Vec<Finding>) {
    let mut left: Option<Option<u32>> = None;
    for (op, run) in plan.helms_of(release) {
        if matches!(op, HelmOperation::Install) != run.base_revision.is_none() {
            findings.push(bad(format!("helm is to {op} {} on revision {:?}", run.release.name, run.base_revision)));
        }
        if op.is_uninstall() != (run.archive.is_none() && run.values.is_none()) {
            findings.push(bad(format!("helm is to {op} {}, with a chart or without", run.release.name)));
        }
        if matches!(op, HelmOperation::Install) && run.mode != ValuesMode::Reset {
            findings.push(bad(format!("helm is to install {} with values that there are not", run.release.name)));
        }
        if left.is_some_and(|left| left != run.base_revision) {
            let bases: Vec<u32> = plan.helms_of(release).filter_map(|(_, run)| run.base_revision).collect();
            let found = format!("helm is to go on from revisions {bases:?}, which do not follow each other");
            findings.push(bad(found));
        }
        left = Some((!op.is_uninstall()).then(|| run.next_revision()));
        if op == (HelmOperation::Uninstall { keep_history: true }) && plan.helms_of(release).last() != Some((op, run)) {
            let found =
                format!("the records of {} stay, and helm installs under no name that has one", run.release.name);
            findings.push(bad(found));
        }
    }
}

/// The uninstalls of a hop, each with its run.
fn uninstalls(hop: &Hop) -> impl Iterator<Item = (&Step, &HelmRun)> {
    hop.steps.iter().filter_map(|step| {
        let (op, run) = step.helm()?;
        op.is_uninstall().then_some((step, run))
    })
}

/// An uninstall says of each object of the stored manifest what becomes of it, and takes neither data nor what holds others along.
fn goes_along(hop: &Hop, findings: &mut Vec<Finding>) {
    for (step, run) in uninstalls(hop) {
        let change = |name: &Ref| hop.changes.iter().find(|one| one.object == *name).map(|one| one.change);
        let deleted = hop.changes.iter().filter(|one| one.change == Change::Delete).map(|one| &one.object);
        let names: BTreeSet<&Ref> = run.docs.keys().chain(deleted).collect();
        for name in names {
            match change(name) {
                Some(Change::Delete) if name.is_never_deleted() => {
                    let finding =
                        bad(format!("step {} uninstalls {}, and {name} goes with it", step.id, run.release.name));
                    findings.push(finding.about(name).next(format!(
                        "upgrade the release first to a revision whose manifest has helm.sh/resource-policy: keep on {name}; what the \
                         live object says does not count"
                    )));
                }
                Some(Change::Delete | Change::Keep) => {}
                _ => findings.push(bad(format!("step {} does not say what becomes of {name}", step.id)).about(name)),
            }
        }
        if !run.nondeterministic_fields.is_empty() {
            findings.push(bad(format!("step {} uninstalls what is another one at each rendering", step.id)));
        }
    }
}

/// What is put back is what the plan says: the archived copy in it is of that object.
fn copies(file: &PlanFile, findings: &mut Vec<Finding>) {
    for step in file.plan.steps() {
        let StepKind::RestoreObject { target, uid, copy } = &step.kind else { continue };
        let content = file.objects.get(&copy.digest).filter(|content| Digest::of(&content.0) == copy.digest);
        let archived = content.and_then(|content| serde_json::from_slice::<Object>(&content.0).ok());
        if !archived.is_some_and(|archived| archived.name().as_ref() == Some(target) && archived.is(uid)) {
            findings.push(bad(format!("step {} restores {target}, of which the plan has no archived copy", step.id)));
        }
    }
}

/// What is wrong with a plan and with the manifests that come with it: [`lint`], and whether what stays in an uninstall says so in
/// the stored manifest. Of a list helm reads the annotation of the whole document, and the plan knows its items: that is refused.
#[must_use]
pub fn lint_file(file: &PlanFile) -> Vec<Finding> {
    let mut findings = lint(&file.plan);
    copies(file, &mut findings);
    for hop in &file.plan.hops {
        for (_, run) in uninstalls(hop) {
            let manifest = file.objects.get(&run.manifest);
            let manifest = manifest.and_then(|content| serde_json::from_slice::<Manifest>(&content.0).ok());
            let Some(manifest) = manifest else {
                findings.push(bad(format!("the manifest of {} is not in the plan", run.release.name)));
                continue;
            };
            if redact::fingerprint(&manifest.docs, &run.nondeterministic_fields) != run.docs {
                findings.push(bad(format!("the manifest of {} is not the one of the plan", run.release.name)));
            }
            for (name, doc) in manifest.docs.iter().filter_map(|doc| Some((doc.name()?, doc))) {
                let stays = portolan_kube_facts::stays_uninstalled(doc);
                let is_said = |one: &&ObjectChange| one.object == name && (one.change == Change::Keep) == stays;
                if !hop.changes.iter().any(|one| is_said(&one)) {
                    let verb = if stays { "stays" } else { "goes" };
                    findings.push(bad(format!("by the stored manifest {name} {verb}, and the plan does not say so")));
                }
            }
        }
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
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
                    StepKind::DeleteObject { .. } | StepKind::Helm { .. } => deleted_first |= !retained,
                    StepKind::VerifyVolume { claim, .. } => verified |= *claim == protected.claim,
                    _ => {}
                }
            }
            let fate = hop.changes.iter().find(|one| one.object == protected.claim).map(|one| one.change);
            if deleted_first {
                findings.push(weigh(format!("{} is not retained before {} is applied", protected.volume, hop.to)));
            }
            // An uninstall reads the stored manifest, where a step of ours puts nothing.
            let uninstalls = uninstalls(hop).next().is_some();
            if fate.is_some() && !kept && !uninstalls {
                let how = if fate == Some(Change::Delete) { "and helm deletes it" } else { "and the release has it" };
                findings.push(weigh(format!("{} is not kept before {} is applied, {how}", protected.claim, hop.to)));
            }
            if !verified {
                findings.push(weigh(format!("{} is not verified after {} is applied", protected.claim, hop.to)));
            }
        }
    }
}

//! What a finished run left of a release, looked at again beside its verifying steps: its revision, what protects the volumes, and
//! what the pods run.

use std::collections::BTreeMap;

use portolan_kube_facts::{LaterWrite, later_writes};
use portolan_model::{
    Check, CheckState, Code, Finding, Object, Plan, Ref, ReleaseFact, ReleaseId, Seen, Step, StepKind,
};

use crate::steps::{is_protected, protected};

/// How many fields of a pod template are named.
const NAMED: usize = 6;

/// What has to be read for [`left`]: volumes, PVCs, workloads, and the record of the release's newest revision.
#[must_use]
pub fn left_objects(plan: &Plan, release: &ReleaseId, newest: &ReleaseFact) -> Vec<Ref> {
    let mut all: Vec<Ref> = steps(plan, release).flat_map(|step| step.kind.writes()).cloned().collect();
    all.extend(workloads(plan, release).cloned());
    all.push(release.record(newest.revision));
    all.sort();
    all.dedup();
    all
}

/// Whether all of it is as the run left the release; `stored` are the documents of the newest revision. What could not be read is left
/// out.
#[must_use]
pub fn left(
    plan: &Plan,
    release: &ReleaseId,
    newest: &ReleaseFact,
    stored: &[Object],
    now: &BTreeMap<Ref, Seen>,
) -> Vec<Check> {
    let mut checks: Vec<Check> = revision(plan, release, newest).into_iter().collect();
    checks.extend(steps(plan, release).filter_map(|step| protection(plan, step, now)));
    if let Some(Seen::There(record)) = now.get(&release.record(newest.revision)) {
        let since = record.text("/metadata/creationTimestamp");
        let of = |name: &Ref| stored.iter().find(|doc| doc.name().as_ref() == Some(name));
        checks.extend(workloads(plan, release).filter_map(|name| pods(name, of(name), since, now)));
    }
    checks
}

/// The steps of the hops that work on a release.
fn steps<'a>(plan: &'a Plan, release: &'a ReleaseId) -> impl Iterator<Item = &'a Step> {
    plan.hops_of(release).flat_map(|hop| &hop.steps)
}

/// The workloads that the release's last hop waits for.
fn workloads<'a>(plan: &'a Plan, release: &'a ReleaseId) -> impl Iterator<Item = &'a Ref> {
    let steps = plan.hops_of(release).last().into_iter().flat_map(|hop| &hop.steps);
    steps
        .filter_map(|step| match &step.kind {
            StepKind::WaitReady { workloads } => Some(workloads),
            _ => None,
        })
        .flatten()
        .filter(|name| matches!(name.kind(), "StatefulSet" | "Deployment" | "DaemonSet"))
}

fn holds(what: String, seen: impl Into<String>) -> Check {
    Check { what, state: CheckState::Holds, seen: seen.into(), finding: None }
}

fn differs(what: String, seen: String, finding: Finding) -> Check {
    Check { what, state: CheckState::Differs, seen, finding: Some(finding) }
}

/// Another chart is not what the run led to. Another revision of the same chart is daily work.
fn revision(plan: &Plan, release: &ReleaseId, newest: &ReleaseFact) -> Option<Check> {
    let (_, run) = plan.helms_of(release).last().filter(|(op, _)| !op.is_uninstall())?;
    let (_, to) = plan.charts_of(release)?;
    let made = run.next_revision();
    let what = format!("release {}", release.name);
    let seen = format!("revision {} {}, {}", newest.revision, newest.status, newest.chart);
    if newest.chart == *to {
        let state = if newest.revision > made { CheckState::Changed } else { CheckState::Holds };
        return Some(Check { what, state, seen, finding: None });
    }
    let found = format!("the release has gone on: {seen}");
    let finding = Finding::blocking(Code::NotAsVerified, found)
        .with(format!("the run led to {to}, revision {made}"))
        .why("somebody ran helm after the run; what the run verified was about another chart")
        .next("find out who did, and why; portolan survey shows the release of today");
    Some(differs(what, seen, finding))
}

/// Whether the protection of a step is there still.
fn protection(plan: &Plan, step: &Step, now: &BTreeMap<Ref, Seen>) -> Option<Check> {
    let name = protected(step)?;
    let Some(Seen::There(live)) = now.get(name) else { return None };
    let is_there = is_protected(step, live)?;
    let (wanted, by_hand) = match &step.kind {
        StepKind::RetainVolume { volume, .. } => ("Retain", portolan_kube_facts::retain_by_hand(volume.name())),
        _ => {
            let (namespace, name) = (name.namespace(), name.name());
            ("keep", format!("kubectl annotate pvc -n {namespace} {name} helm.sh/resource-policy=keep"))
        }
    };
    let what = format!("{name} {wanted}");
    if is_there {
        return Some(holds(what, "set"));
    }
    // The plan said so, and what to do after the upgrade.
    let is_planned =
        |finding: &&Finding| finding.code == Code::KeepRemoved && finding.object() == Some(name) && wanted == "keep";
    if plan.findings.iter().any(|finding| is_planned(&finding)) {
        return Some(Check {
            what,
            state: CheckState::Changed,
            seen: "the new chart takes it off".into(),
            finding: None,
        });
    }
    let finding = Finding::blocking(Code::NotAsVerified, format!("{name} has lost {wanted}, which the run had set"))
        .about(name)
        .why("helm or a deletion of the PVC can take the data with it")
        .next(by_hand);
    Some(differs(what, "gone".into(), finding))
}

/// Whether somebody else than helm wrote to what the pods run.
fn pods(name: &Ref, stored: Option<&Object>, since: &str, now: &BTreeMap<Ref, Seen>) -> Option<Check> {
    let Some(Seen::There(live)) = now.get(name) else { return None };
    let what = format!("{name} pod template");
    let writes = later_writes(live, stored, since);
    let Some(LaterWrite { manager, at, .. }) = writes.first() else {
        return Some(holds(what, "written by helm last"));
    };
    let seen = format!("written by {manager} at {at}");
    let found = format!("the pod template of {name} was {seen}, after the release's newest revision");
    let finding = Finding::blocking(Code::NotAsVerified, found)
        .about(name)
        .why("the pods may look for their data in another place than the run verified")
        .next("look whether the data is found; the next helm upgrade may undo or keep the change");
    let fields = writes.iter().flat_map(|write| &write.fields).take(NAMED);
    Some(differs(what, seen, fields.cloned().fold(finding, Finding::with)))
}

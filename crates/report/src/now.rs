//! What is true at the end of a run: its objects, read once more. What the steps did is not enough to say so.

use std::collections::BTreeMap;

use portolan_model::{Code, Finding, Object, Plan, ProtectedVolume, Ref, Seen};

use crate::course::Course;
use crate::text::{Line, Tone};
use crate::words::all;

/// The objects of [`watched`] as they are now. Empty where nothing was read.
pub type Now = BTreeMap<Ref, Seen>;

/// What has to be read to say how a plan's volumes and databases are now.
#[must_use]
pub fn watched(plan: &Plan) -> Vec<Ref> {
    let volumes = plan.volumes.iter().flat_map(|protected| [protected.claim.clone(), protected.volume.clone()]);
    let databases = plan.databases.iter().filter(|database| !database.is_outside());
    let databases = databases.map(|database| database.pod.clone());
    let mut all: Vec<Ref> = volumes.chain(databases).chain(plan.orphans().map(|orphan| orphan.pod.clone())).collect();
    all.sort();
    all.dedup();
    all
}

/// What is wrong with the volumes now: for a run that has finished, something changed them after their check.
#[must_use]
pub fn problems(plan: &Plan, now: &Now) -> Vec<Finding> {
    let wrong = |protected: &ProtectedVolume| {
        let lines = wrong(protected, now);
        let finding = Finding::blocking(Code::NotAsVerified, format!("{} is not as it was verified", protected.claim));
        (!lines.is_empty()).then(|| lines.into_iter().fold(finding.about(&protected.claim), Finding::with))
    };
    plan.volumes.iter().filter_map(wrong).collect()
}

/// What is wrong with a volume now, a line each. What was not read is not wrong.
pub(crate) fn wrong(protected: &ProtectedVolume, now: &Now) -> Vec<String> {
    let mut lines = Vec::new();
    match now.get(&protected.claim) {
        Some(Seen::Absent) => lines.push(format!("{} is gone", protected.claim)),
        Some(Seen::There(claim)) => {
            if !claim.is(&protected.claim_uid) {
                lines.push(format!("{} was deleted and created again", protected.claim));
            }
            if claim.is_terminating() {
                lines.push(format!("{} is being deleted", protected.claim));
            }
            if claim.text("/spec/volumeName") != protected.volume.name() {
                lines.push(format!("{} is bound to `{}`", protected.claim, claim.text("/spec/volumeName")));
            }
        }
        Some(Seen::Unreadable(_)) | None => {}
    }
    match now.get(&protected.volume) {
        Some(Seen::Absent) => lines.push(format!("{} is gone", protected.volume)),
        Some(Seen::There(volume)) => {
            if !volume.is(&protected.volume_uid) {
                lines.push(format!("{} was deleted and created again", protected.volume));
            }
            if volume.is_terminating() {
                lines.push(format!("{} is being deleted", protected.volume));
            }
        }
        Some(Seen::Unreadable(_)) | None => {}
    }
    lines
}

/// What protects a volume now, as read: `Retain`, `keep`.
pub(crate) fn guards(protected: &ProtectedVolume, now: &Now) -> Vec<&'static str> {
    let mut guards = Vec::new();
    let is_retained = |volume: &Object| volume.text("/spec/persistentVolumeReclaimPolicy") == "Retain";
    if matches!(now.get(&protected.volume), Some(Seen::There(volume)) if is_retained(volume)) {
        guards.push("Retain");
    }
    if matches!(now.get(&protected.claim), Some(Seen::There(claim)) if portolan_kube_facts::is_kept(claim)) {
        guards.push("keep");
    }
    guards
}

/// `protected by Retain and keep`, `protected by nothing`, `gone`, `how it is protected now was not read`.
pub(crate) fn guarded(protected: &ProtectedVolume, now: &Now) -> String {
    if matches!(now.get(&protected.volume), Some(Seen::Absent)) {
        return "gone".into();
    }
    let is_read = |name: &Ref| matches!(now.get(name), Some(Seen::There(_) | Seen::Absent));
    let guards: Vec<String> = guards(protected, now).into_iter().map(str::to_owned).collect();
    match guards.as_slice() {
        [] if is_read(&protected.volume) && is_read(&protected.claim) => "protected by nothing".into(),
        [] => "how it is protected now was not read".into(),
        guards => format!("protected by {}", all(guards)),
    }
}

/// How a pod is now; `None` where it runs, or was not read.
fn down_because(pod: &Ref, now: &Now) -> Option<String> {
    match now.get(pod)? {
        Seen::Absent => Some("its pod is gone".into()),
        Seen::Unreadable(_) => None,
        Seen::There(pod) if pod.is_terminating() => Some("its pod is ending".into()),
        Seen::There(pod) => {
            let ready = pod.list("/status/conditions").iter().find(|condition| condition["type"] == "Ready");
            let is_ready = match ready {
                Some(condition) => condition["status"] == "True",
                None => matches!(pod.text("/status/phase"), "Running" | "Succeeded"),
            };
            (!is_ready).then(|| format!("its pod is {} and not ready", pod.text("/status/phase")))
        }
    }
}

/// How a pod is now that does not run, or will not for long; `None` where it runs, or was not read. `ended` are the pods
/// whose workload this run has deleted.
fn state_of(pod: &Ref, ended: &[(&Ref, Option<usize>)], now: &Now) -> Option<(&'static str, String)> {
    if let Some(why) = down_because(pod, now) {
        return Some(("DOWN", why));
    }
    let is_ended = ended.iter().any(|(gone, _)| *gone == pod) && matches!(now.get(pod), Some(Seen::There(_)));
    is_ended.then(|| ("GOING DOWN", "this run has deleted its workload, and its pod still runs".to_owned()))
}

/// What does not run now, and where its data is.
pub(crate) fn down(plan: &Plan, course: &Course<'_>, now: &Now) -> Vec<Line> {
    let ended = course.down();
    let mut lines = Vec::new();
    for database in &plan.databases {
        let Some((state, why)) = state_of(&database.pod, &ended, now) else { continue };
        let mut line = Line::from(format!("Database {} on {} is ", database.database, database.pod.name()))
            .with(Tone::Bad, state)
            .and(format!(": {why}"));
        let protected = course.volume_of(&database.pod);
        if let Some(protected) = protected {
            let is = if matches!(now.get(&protected.volume), Some(Seen::Absent)) { "was" } else { "is" };
            line = line.and(format!("; its data {is} on {} ({})", protected.volume.name(), guarded(protected, now)));
        }
        let back = ended.iter().find(|(pod, _)| **pod == database.pod).and_then(|(_, back)| *back);
        let wrong = protected.and_then(|protected| wrong(protected, now).into_iter().next());
        lines.push(line.and(".").and(course.brought_back(back, wrong.as_deref())));
    }
    let is_database = |pod: &Ref| plan.databases.iter().any(|database| database.pod == *pod);
    let mut others: Vec<String> = ended
        .iter()
        .filter(|(pod, _)| !is_database(pod) && state_of(pod, &ended, now).is_some())
        .map(|(pod, _)| pod.name().to_owned())
        .collect();
    others.dedup();
    if !others.is_empty() {
        let (what, is) = if others.len() == 1 { ("Pod", "is") } else { ("Pods", "are") };
        lines.push(
            Line::from(format!("{what} {} {is} ", all(&others))).with(Tone::Bad, "DOWN").and(": stopped by this run."),
        );
    }
    lines
}

/// For who stops in the middle of a run: what does not run, and how each volume is protected.
#[must_use]
pub fn at_risk(plan: &Plan, entries: &[portolan_model::Entry], now: &Now) -> Vec<String> {
    let course = Course::of(plan, entries);
    let down = down(plan, &course, now);
    let mut lines: Vec<String> = down.iter().map(Line::plain).collect();
    lines.extend(plan.volumes.iter().map(|protected| {
        format!("{} ({}) is {}", protected.volume.name(), protected.claim.name(), guarded(protected, now))
    }));
    lines
}

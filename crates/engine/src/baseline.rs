//! An installation compared with what it was, without a plan: nothing says what should have changed, so what daily work
//! and an upgrade bring is told, and what touches the data is wrong.

use portolan_kube_facts::StatefulSet;
use portolan_model::{Baseline, Check, CheckState, Code, Finding, RecordedDatabase, Ref, Volume};

use crate::steps::compare_databases;

/// What became of everything that a baseline has. `may_change` names tables that a migration on the way from its chart to
/// the present one may change. A database that `now` does not have does not hold.
#[must_use]
pub fn compare(before: &Baseline, now: &Baseline, may_change: &[String]) -> Vec<Check> {
    let mut checks = vec![release(before, now)];
    checks.extend(before.volumes.iter().filter(|volume| volume.volume.is_some()).map(|old| volume(old, now)));
    checks.extend(now.claims.difference(&before.claims).filter_map(|name| claim(name, before, now)));
    for RecordedDatabase { database, snapshot: old } in &before.databases {
        let what = format!("database {} on {}", database.database, database.pod.name());
        let is_same =
            |one: &&RecordedDatabase| one.database.pod == database.pod && one.database.database == database.database;
        let found = now.databases.iter().find(is_same);
        checks.push(match found.map(|one| compare_databases(old, &one.snapshot, may_change)) {
            Some(Ok(note)) => holds(what, note),
            Some(Err(finding)) => differs(what, finding),
            None => {
                let found = format!("{what} could not be looked into");
                differs(what, Finding::blocking(Code::NoDatabase, found))
            }
        });
    }
    checks.extend(workloads(before, now));
    checks
}

fn holds(what: String, seen: impl Into<String>) -> Check {
    Check { what, state: CheckState::Holds, seen: seen.into(), finding: None }
}

fn changed(what: String, seen: impl Into<String>) -> Check {
    Check { what, state: CheckState::Changed, seen: seen.into(), finding: None }
}

fn differs(what: String, finding: Finding) -> Check {
    Check { what, state: CheckState::Differs, seen: finding.found.clone(), finding: Some(finding) }
}

fn release(before: &Baseline, now: &Baseline) -> Check {
    let what = format!("release {}", now.release.name);
    if before.revision == now.revision && before.chart == now.chart {
        return holds(what, format!("{} revision {}", now.chart, now.revision));
    }
    changed(what, format!("{} revision {} -> {} revision {}", before.chart, before.revision, now.chart, now.revision))
}

/// Is a PVC the one it was, on the volume it was, and mounted where it was?
fn volume(old: &Volume, now: &Baseline) -> Check {
    let what = old.claim.to_string();
    let wrong = |lines: Vec<String>| {
        let finding = Finding::blocking(Code::VolumeDiffers, format!("{} is not as it was", old.claim));
        differs(old.claim.to_string(), lines.into_iter().fold(finding, Finding::with))
    };
    let Some(new) = now.volumes.iter().find(|new| new.claim == old.claim) else {
        return wrong(vec![format!("{what} is gone, or is not the release's any more")]);
    };
    let name = |volume: &Option<Ref>| volume.as_ref().map_or("no volume".to_owned(), Ref::to_string);
    let mut lines = Vec::new();
    if new.claim_uid != old.claim_uid {
        lines.push(format!("{what} was deleted and made again"));
    }
    if new.volume != old.volume {
        lines.push(format!("{what} was on {}, and is on {}", name(&old.volume), name(&new.volume)));
    } else if new.volume_uid != old.volume_uid {
        lines.push(format!("{} was deleted and made again", name(&old.volume)));
    }
    if new.terminating {
        lines.push(format!("{what} is being deleted: it goes when its last pod goes"));
    }
    if new.mounts.is_empty() && !old.mounts.is_empty() {
        lines.push(format!("nobody mounts {what} any more"));
    }
    if old.policy.as_deref() == Some("Retain") && new.policy != old.policy {
        let policy = new.policy.as_deref().unwrap_or("(not readable)");
        lines.push(format!("reclaim policy of {}: Retain -> {policy}", name(&new.volume)));
    }
    if lines.is_empty() { holds(what, format!("on {}, same UIDs", name(&new.volume))) } else { wrong(lines) }
}

/// A PVC that was not there. It is wrong where a workload that has data on another PVC has this one too, or is about
/// to have: a set takes over what has the name of its own.
fn claim(name: &Ref, before: &Baseline, now: &Baseline) -> Option<Check> {
    let owners = |volume: &Volume| volume.mounts.iter().filter_map(|mount| mount.workload.clone()).collect::<Vec<_>>();
    let new = now.volumes.iter().find(|new| new.claim == *name);
    let owned = new.map(owners).unwrap_or_default();
    let beside = before.volumes.iter().filter(|old| old.volume.is_some()).find_map(|old| {
        let owner =
            owners(old).into_iter().find(|owner| owned.contains(owner) || StatefulSet::could_create(owner, name))?;
        Some((&old.claim, owner))
    });
    let Some((old, owner)) = beside else {
        return new.map(|_| changed(name.to_string(), "new"));
    };
    let finding = Finding::blocking(Code::StrangeClaim, format!("{name} is new, beside {old} of {owner}"));
    let finding = match new.map(|new| &new.volume) {
        Some(Some(volume)) => finding.with(format!("it is on {volume}")),
        Some(None) => finding.with("it is on no volume"),
        None => finding.with("no pod of the release names it yet"),
    };
    Some(differs(name.to_string(), finding))
}

/// Workloads that came or went with another revision are nothing wrong.
fn workloads(before: &Baseline, now: &Baseline) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut ready = 0;
    for old in before.workloads.iter().filter(|old| old.ready) {
        let what = old.name.to_string();
        match now.workloads.iter().find(|new| new.name == old.name) {
            Some(new) if new.ready => ready += 1,
            Some(new) => {
                let finding = Finding::blocking(Code::NotReady, format!("{what} was ready and is not"));
                checks.push(differs(what, finding.with(new.state.clone())));
            }
            None if before.revision != now.revision => checks.push(changed(what, "not in the new chart")),
            None => {
                let finding = Finding::blocking(Code::NotAsSaved, format!("{what} is gone"));
                checks.push(differs(what, finding.with("the release has the revision that it had")));
            }
        }
    }
    checks.push(holds("workloads".into(), format!("{ready} ready as they were")));
    checks
}

#[cfg(test)]
mod tests;

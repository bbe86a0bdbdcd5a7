use portolan_model::{
    Action, Code, Effect, Finding, HelmRun, HelmToken, Ref, ReleaseFact, ReleaseStatus, is_named_anew,
};

use super::Next;
use crate::fold::Fold;

/// Starts helm where the release is at the revision that the plan was made for, or where earlier attempts of this run failed
/// since then: helm goes on from the newest deployed record in both cases (`prepareUpgrade` in `pkg/action/upgrade.go`,
/// helm 3.14.4 to 4.3.1).
pub(super) fn on_look(run: &HelmRun, fold: &Fold, mark: &str, facts: &[ReleaseFact]) -> Next {
    let Some(newest) = facts.last() else {
        return Next::Halt(no_release(run));
    };
    if newest.status.is_pending() {
        return Next::Halt(pending_of_others(run, newest));
    }
    if !is_start(run, newest) && !is_own(run, fold, mark, facts) {
        return Next::Halt(somebody_else(run, newest, mark));
    }
    let token = HelmToken::new(mark, fold.step, fold.attempt);
    Next::Intent { action: Action::Helm { run: Box::new(run.clone()), token }, before: None }
}

/// The record that the plan goes on from. Helm upgrades a failed release too.
fn is_start(run: &HelmRun, newest: &ReleaseFact) -> bool {
    newest.revision == run.base_revision && matches!(newest.status, ReleaseStatus::Deployed | ReleaseStatus::Failed)
}

/// Whether the newest record was made by this run: by a failed attempt at this step, or by an earlier hop, whose failed attempts
/// counted the revision up. Later revisions inherit labels, so of those with one token only the first was made with it.
fn is_own(run: &HelmRun, fold: &Fold, mark: &str, facts: &[ReleaseFact]) -> bool {
    let own = || {
        let newest = facts.last()?;
        let token = newest.token.as_ref()?;
        let made = facts.iter().find(|fact| fact.token.as_ref() == Some(token))?;
        let step = token.step_of(mark)?;
        let fits = match newest.status {
            ReleaseStatus::Failed => step == fold.step,
            ReleaseStatus::Deployed => step < fold.step,
            _ => false,
        };
        Some(fits && made.revision == newest.revision && newest.revision > run.base_revision)
    };
    own() == Some(true)
}

/// Why the release is not as the step of this number left it: somebody upgraded, rolled back or uninstalled it since.
pub(crate) fn gone_on(run: &HelmRun, step: u32, mark: &str, facts: &[ReleaseFact]) -> Option<Finding> {
    let Some(newest) = facts.last() else { return Some(no_release(run)) };
    let is_its = |fact: &&ReleaseFact| fact.token.as_ref().is_some_and(|token| token.step_of(mark) == Some(step));
    // Later revisions inherit labels, and a rollback to this one too.
    let is_same = facts.iter().rfind(is_its).is_some_and(|made| {
        made.revision == newest.revision
            && !facts.iter().any(|fact| fact.token == made.token && fact.revision < made.revision)
    });
    if is_same && newest.status == ReleaseStatus::Deployed {
        return None;
    }
    let found = format!(
        "this run upgraded the release to {}, and its newest revision is {} ({}, {})",
        run.chart, newest.revision, newest.chart, newest.status
    );
    Some(
        Finding::blocking(Code::ReleaseMoved, found)
            .about(&run.release.record(newest.revision))
            .why("somebody upgraded or rolled it back since")
            .next("helm history shows who did what; then plan again"),
    )
}

/// Helm has ended; the release's records decide how. Its exit code and text are evidence only.
pub(super) fn on_check(run: &HelmRun, fold: &Fold, mark: &str, facts: &[ReleaseFact]) -> Next {
    let token = match fold.pursuit.as_deref() {
        Some(Action::Helm { token, .. }) => Some(token),
        Some(Action::Write(_)) | None => None,
    };
    let Some(newest) = facts.last() else {
        return Next::Halt(no_release(run));
    };
    // Later revisions inherit labels, so of those with our token only the first one is ours.
    let Some(made) = facts.iter().find(|fact| token.is_some() && fact.token.as_ref() == token) else {
        if !is_start(run, newest) && !is_own(run, fold, mark, facts) {
            return Next::Halt(somebody_else(run, newest, mark));
        }
        // Either helm was never started (we died before), or it refused before its first write.
        if !fold.sent {
            return Next::Effect(Effect::Void);
        }
        if fold.again {
            return Next::Effect(Effect::Unknown("helm left no record".into()));
        }
        let found = "helm refused the upgrade before it wrote anything";
        let finding = Finding::blocking(Code::HelmFailed, found)
            .why("the objects of the release are as they were before helm started; helm stores a record before it writes anything else");
        return Next::Halt(again(finding, mark));
    };
    if made.revision != newest.revision {
        return Next::Halt(somebody_else(run, newest, mark));
    }
    match newest.status {
        ReleaseStatus::Deployed => compare(run, newest),
        status if status.is_pending() => Next::Halt(pending_of_ours(run, newest, mark)),
        // Somebody started the run again after it had halted here: the cause may be gone.
        status if fold.again => {
            Next::Effect(Effect::Unknown(format!("revision {} of the attempt before is {status}", newest.revision)))
        }
        status => {
            let found = format!("helm did not finish the upgrade: revision {} is {status}", newest.revision);
            let finding = Finding::blocking(Code::HelmFailed, found).about(&run.release.record(newest.revision));
            let finding =
                if newest.description.is_empty() { finding } else { finding.with(newest.description.clone()) };
            Next::Halt(again(finding, mark))
        }
    }
}

/// Helm stored exactly what was planned, free fields apart.
fn compare(run: &HelmRun, stored: &ReleaseFact) -> Next {
    let mut differing: Vec<String> = Vec::new();
    let mut first: Option<&Ref> = None;
    for (name, digest) in &run.docs {
        let line = match stored.docs.get(name) {
            None => format!("{name} was planned and is not stored"),
            Some(other) if other != digest => format!("{name} is stored in another form than planned"),
            Some(_) => continue,
        };
        differing.push(line);
        first.get_or_insert(name);
    }
    // An object whose name is another one at each rendering stands for one of its kind.
    let fields = &run.nondeterministic_fields;
    let mut anew: Vec<&Ref> = fields.keys().filter(|name| is_named_anew(fields, name)).collect();
    anew.retain(|name| !stored.docs.contains_key(*name));
    for name in stored.docs.keys().filter(|name| !run.docs.contains_key(*name)) {
        let is_its = |other: &&Ref| other.kind() == name.kind() && other.namespace() == name.namespace();
        if let Some(at) = anew.iter().position(is_its) {
            anew.swap_remove(at);
            continue;
        }
        differing.push(format!("{name} was not planned"));
        first.get_or_insert(name);
    }
    let Some(first) = first else {
        return Next::done(format!(
            "revision {} deployed; the stored manifest is the planned one ({} objects)",
            stored.revision,
            run.docs.len()
        ));
    };
    let found =
        format!("helm deployed revision {}, and {} objects differ from the plan", stored.revision, differing.len());
    let mut finding = Finding::blocking(Code::ManifestDiffers, found).about(first);
    finding.evidence = differing;
    Next::Halt(finding)
}

/// What helps after helm failed: the same plan. Making a new one is refused where our own steps deleted what a plan needs.
fn again(finding: Finding, mark: &str) -> Finding {
    finding.next(format!("remove the cause that helm names, then apply the same plan again: portolan apply {mark}"))
}

fn no_release(run: &HelmRun) -> Finding {
    Finding::blocking(Code::NoRelease, format!("the records of release {} are gone", run.release.name))
}

/// A record that our own helm left behind: it has ended, and the record has its token.
fn pending_of_ours(run: &HelmRun, newest: &ReleaseFact, mark: &str) -> Finding {
    let record = run.release.record(newest.revision);
    let found = format!("helm ended and left revision {} as {}", newest.revision, newest.status);
    let finding = Finding::blocking(Code::HelmPending, found)
        .about(&record)
        .with(format!("{record} has the token of this run, and no process holds the lock of that helm"))
        .with("it was killed, or the API server refused its last write to the record: a cause that helm names has to go first")
        .why("helm refuses every upgrade while the newest record is pending; objects may be partly upgraded");
    finding.next(format!("{}, then portolan apply {mark}", delete(&record)))
}

/// A pending record that this run did not make: only its owner knows whether a helm works on it.
fn pending_of_others(run: &HelmRun, newest: &ReleaseFact) -> Finding {
    let record = run.release.record(newest.revision);
    let found = format!("revision {} is {}, and no helm of this run made it", newest.revision, newest.status);
    let mut finding = Finding::blocking(Code::HelmPending, found).about(&record);
    if !newest.description.is_empty() {
        finding = finding.with(newest.description.clone());
    }
    if newest.revision == 1 {
        let next = "keep this record, the only one of a new installation; when its owner confirms that it came to its end, plan again";
        return finding.next(next);
    }
    finding.next(format!(
        "wait for that helm to end; only if its owner confirms that no helm process runs (`ps -ef | grep helm` where it was \
         started): {}",
        delete(&record)
    ))
}

fn delete(record: &Ref) -> String {
    format!("kubectl delete secret -n {} {}", record.namespace(), record.name())
}

fn somebody_else(run: &HelmRun, newest: &ReleaseFact, mark: &str) -> Finding {
    let found = format!(
        "the newest revision is {} ({}), the plan goes on from {}",
        newest.revision, newest.status, run.base_revision
    );
    Finding::blocking(Code::ReleaseMoved, found).about(&run.release.record(newest.revision)).next(format!(
        "helm history shows who did what; if you ran the plan's helm command by hand: portolan verify {mark}; else make a new plan"
    ))
}

#[cfg(test)]
mod tests;

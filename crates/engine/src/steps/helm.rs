mod uninstall;

use portolan_model::{
    Action, Code, Effect, Finding, HelmOperation, HelmRun, HelmToken, Ref, ReleaseFact, ReleaseStatus, is_named_anew,
};

use super::Next;
use crate::fold::Fold;

pub(crate) use uninstall::came_back;

/// Starts helm where the release is at the revision that the plan was made for, or where earlier attempts of this run failed
/// since then: helm goes on from the newest deployed record in both cases (`prepareUpgrade` in `pkg/action/upgrade.go`,
/// helm 3.14.4 to 4.3.1).
pub(super) fn on_look(op: HelmOperation, run: &HelmRun, fold: &Fold, mark: &str, facts: &[ReleaseFact]) -> Next {
    if let HelmOperation::Uninstall { keep_history } = op {
        return uninstall::on_look(keep_history, run, fold, mark, facts);
    }
    if let Some(newest) = facts.last().filter(|newest| newest.status.is_pending()) {
        return Next::Halt(pending_of_others(run, newest));
    }
    let is_start = is_start(run, facts);
    if !is_start && !is_own(run, fold, mark, facts) {
        return Next::Halt(facts.last().map_or_else(|| no_release(run), |newest| somebody_else(run, newest, mark)));
    }
    // Helm installs under no name that has a record, and upgrades a failed installation (`availableName` in
    // `pkg/action/install.go`, helm 3.14.4 to 4.3.1).
    let op = if is_start { op } else { HelmOperation::Upgrade };
    let token = HelmToken::new(mark, fold.step, fold.attempt);
    Next::Intent { action: Action::Helm { op, run: Box::new(run.clone()), token }, before: None }
}

/// Whether the release is as the plan goes on from it. Helm upgrades a failed release too; an installation has none.
fn is_start(run: &HelmRun, facts: &[ReleaseFact]) -> bool {
    match (run.base_revision, facts.last()) {
        (None, newest) => newest.is_none(),
        (Some(base), Some(newest)) => {
            newest.revision == base && matches!(newest.status, ReleaseStatus::Deployed | ReleaseStatus::Failed)
        }
        (Some(_), None) => false,
    }
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
            ReleaseStatus::Deployed => step < fold.step && run.base_revision.is_some(),
            _ => false,
        };
        Some(fits && made.revision == newest.revision && Some(newest.revision) > run.base_revision)
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
pub(super) fn on_check(op: HelmOperation, run: &HelmRun, fold: &Fold, mark: &str, facts: &[ReleaseFact]) -> Next {
    if let HelmOperation::Uninstall { keep_history } = op {
        return uninstall::on_check(keep_history, run, fold, mark, facts);
    }
    let token = match fold.pursuit.as_deref() {
        Some(Action::Helm { token, .. }) => Some(token),
        Some(Action::Write(_)) | None => None,
    };
    // Later revisions inherit labels, so of those with our token only the first one is ours.
    let made = facts.iter().find(|fact| token.is_some() && fact.token.as_ref() == token);
    let (Some(made), Some(newest)) = (made, facts.last()) else {
        if !is_start(run, facts) && !is_own(run, fold, mark, facts) {
            return Next::Halt(facts.last().map_or_else(|| no_release(run), |newest| somebody_else(run, newest, mark)));
        }
        // Either helm was never started (we died before), or it refused before its first write.
        if !fold.sent {
            return Next::Effect(Effect::Void);
        }
        if fold.again {
            return Next::Effect(Effect::Unknown("helm left no record".into()));
        }
        let found = format!("helm refused the {op} before it wrote anything");
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
            let found = format!("helm did not finish the {op}: revision {} is {status}", newest.revision);
            let finding = Finding::blocking(Code::HelmFailed, found).about(&run.release.record(newest.revision));
            let finding =
                if newest.description.is_empty() { finding } else { finding.with(newest.description.clone()) };
            Next::Halt(again(finding, mark))
        }
    }
}

/// Helm stored exactly what was planned, free fields apart.
fn compare(run: &HelmRun, stored: &ReleaseFact) -> Next {
    let (first, differing) = differing(run, stored);
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

/// The first of the objects in which a stored manifest differs from the planned one, and a line for each.
fn differing<'a>(run: &'a HelmRun, stored: &'a ReleaseFact) -> (Option<&'a Ref>, Vec<String>) {
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
    (first, differing)
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
    let base = run.base_revision.map_or_else(|| "no release of this name".to_owned(), |base| base.to_string());
    let found = format!("the newest revision is {} ({}), the plan goes on from {base}", newest.revision, newest.status);
    Finding::blocking(Code::ReleaseMoved, found).about(&run.release.record(newest.revision)).next(format!(
        "helm history shows who did what; if you ran the plan's helm command by hand: portolan verify {mark}; else make a new plan"
    ))
}

#[cfg(test)]
mod tests;

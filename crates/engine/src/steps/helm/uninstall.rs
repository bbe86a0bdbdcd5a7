//! An uninstall leaves no token: helm labels records only where it makes them. Whose uninstall it was is told by the journal.

use portolan_model::{Action, Code, Effect, Finding, HelmOperation, HelmRun, HelmToken, ReleaseFact, ReleaseStatus};

use super::Next;
use crate::fold::Fold;

/// Starts helm where the release is at the revision that the plan was made for, with the manifest that the plan knows. A helm that
/// ended half-way left the record `uninstalling`: another one deletes what is left (`Run` in `pkg/action/uninstall.go`, helm 3.14.4
/// to 4.3.1).
pub(super) fn on_look(keep_history: bool, run: &HelmRun, fold: &Fold, mark: &str, facts: &[ReleaseFact]) -> Next {
    let Some(newest) = facts.last() else {
        return match fold.helm_started && !keep_history {
            true => Next::done(gone(run)),
            false => Next::Halt(super::no_release(run)),
        };
    };
    if newest.status.is_pending() {
        return Next::Halt(super::pending_of_others(run, newest));
    }
    if Some(newest.revision) != run.base_revision {
        return Next::Halt(super::somebody_else(run, newest, mark));
    }
    match newest.status {
        ReleaseStatus::Uninstalled if fold.helm_started && keep_history => return Next::done(ended(run, newest)),
        ReleaseStatus::Deployed | ReleaseStatus::Failed => {}
        ReleaseStatus::Uninstalling if fold.helm_started => {}
        _ => return Next::Halt(super::somebody_else(run, newest, mark)),
    }
    let (first, differing) = super::differing(run, newest);
    if let Some(first) = first {
        let found = format!("revision {} has {} objects that differ from the plan", newest.revision, differing.len());
        let mut finding = Finding::blocking(Code::ManifestDiffers, found).about(first);
        finding.evidence = differing;
        return Next::Halt(
            finding
                .why("an uninstall deletes what the stored manifest has")
                .next("make a new plan; nothing was deleted"),
        );
    }
    let token = HelmToken::new(mark, fold.step, fold.attempt);
    let op = HelmOperation::Uninstall { keep_history };
    Next::Intent { action: Action::Helm { op, run: Box::new(run.clone()), token }, before: None }
}

/// Helm has ended; the release's records decide how.
pub(super) fn on_check(keep_history: bool, run: &HelmRun, fold: &Fold, mark: &str, facts: &[ReleaseFact]) -> Next {
    let newest = match facts.last() {
        None if keep_history => return Next::Halt(super::no_release(run)),
        None => return Next::done(gone(run)),
        Some(newest) => newest,
    };
    if Some(newest.revision) != run.base_revision || newest.status.is_pending() {
        return Next::Halt(super::somebody_else(run, newest, mark));
    }
    match newest.status {
        ReleaseStatus::Uninstalled if keep_history => Next::done(ended(run, newest)),
        ReleaseStatus::Uninstalling if fold.again => {
            Next::Effect(Effect::Unknown(format!("revision {} is uninstalling", newest.revision)))
        }
        ReleaseStatus::Uninstalling => {
            let found = format!("helm did not finish the uninstall: revision {} is uninstalling", newest.revision);
            let finding = Finding::blocking(Code::HelmFailed, found)
                .about(&run.release.record(newest.revision))
                .why("some objects of the release may be there still; those that say so in the stored manifest stay");
            Next::Halt(super::again(finding, mark))
        }
        // Either helm was never started (we died before), or it ended before it deleted anything.
        ReleaseStatus::Deployed | ReleaseStatus::Failed if !fold.sent => Next::Effect(Effect::Void),
        ReleaseStatus::Deployed | ReleaseStatus::Failed if fold.again => {
            Next::Effect(Effect::Unknown("helm left the record as it was".into()))
        }
        ReleaseStatus::Deployed | ReleaseStatus::Failed => {
            let found = "helm refused the uninstall before it deleted an object of the release";
            let finding = Finding::blocking(Code::HelmFailed, found)
                .why("helm marks the record before it deletes; a hook before that may have failed");
            Next::Halt(super::again(finding, mark))
        }
        _ => Next::Halt(super::somebody_else(run, newest, mark)),
    }
}

/// Why a release that this run uninstalled is there: somebody installed it since.
pub(crate) fn came_back(run: &HelmRun, facts: &[ReleaseFact]) -> Option<Finding> {
    let newest = facts.last().filter(|newest| newest.status != ReleaseStatus::Uninstalled)?;
    let found = format!(
        "this run uninstalled release {}, and its newest revision is {} ({}, {})",
        run.release.name, newest.revision, newest.chart, newest.status
    );
    Some(
        Finding::blocking(Code::ReleaseMoved, found)
            .about(&run.release.record(newest.revision))
            .why("somebody installed it since")
            .next("helm history shows who did what; then plan again"),
    )
}

fn gone(run: &HelmRun) -> String {
    format!("release {} is uninstalled, and its records are gone", run.release.name)
}

fn ended(run: &HelmRun, newest: &ReleaseFact) -> String {
    format!("release {} is uninstalled; revision {} says so", run.release.name, newest.revision)
}

#[cfg(test)]
mod tests;

use model::{Action, Code, Effect, Finding, HelmRun, ReleaseFact, ReleaseStatus};

use super::Next;
use crate::fold::Fold;

/// Starts helm where the release is at the revision that the plan was made for, and nowhere else.
pub(super) fn on_look(run: &HelmRun, fold: &Fold, mark: &str, facts: &[ReleaseFact]) -> Next {
    let Some(newest) = facts.last() else {
        return Next::Halt(no_release(run));
    };
    if newest.status.is_pending() {
        return Next::Halt(pending(newest));
    }
    if newest.revision != run.base_revision || newest.status != ReleaseStatus::Deployed {
        return Next::Halt(somebody_else(run, newest));
    }
    let token = format!("{mark}-{}-{}", fold.step, fold.attempt);
    Next::Intent { action: Action::Helm { run: Box::new(run.clone()), token }, before: None }
}

/// Helm has ended; the release's records decide how. Its exit code and text are evidence only.
pub(super) fn on_check(run: &HelmRun, fold: &Fold, facts: &[ReleaseFact]) -> Next {
    let token = match fold.pursuit.as_deref() {
        Some(Action::Helm { token, .. }) => Some(token.as_str()),
        Some(Action::Write(_)) | None => None,
    };
    let Some(newest) = facts.last() else {
        return Next::Halt(no_release(run));
    };
    if newest.revision == run.base_revision {
        // Either helm was never started (we died before), or it refused before its first write.
        if !fold.sent {
            return Next::Effect(Effect::Void);
        }
        if fold.again {
            return Next::Effect(Effect::Unknown("helm left no record".into()));
        }
        let found = "helm refused the upgrade before it wrote anything";
        return Next::Halt(Finding::blocking(Code::HelmFailed, found));
    }
    // Later revisions inherit labels, so the token counts only with the expected revision.
    if newest.revision != run.base_revision + 1 || newest.token.as_deref() != token {
        return Next::Halt(somebody_else(run, newest));
    }
    match newest.status {
        ReleaseStatus::Deployed => compare(run, newest),
        status if status.is_pending() => Next::Halt(pending(newest)),
        status => Next::Halt(
            Finding::blocking(Code::HelmFailed, format!("revision {} is {status}", newest.revision))
                .with(newest.description.clone()),
        ),
    }
}

/// Helm stored exactly what was planned, free fields apart.
fn compare(run: &HelmRun, stored: &ReleaseFact) -> Next {
    let mut differing: Vec<String> = Vec::new();
    for (name, digest) in &run.docs {
        match stored.docs.get(name) {
            None => differing.push(format!("{name} was planned and is not stored")),
            Some(other) if other != digest => differing.push(format!("{name} is stored in another form than planned")),
            Some(_) => {}
        }
    }
    differing.extend(
        stored.docs.keys().filter(|name| !run.docs.contains_key(*name)).map(|name| format!("{name} was not planned")),
    );
    if differing.is_empty() {
        return Next::done(format!(
            "revision {} deployed; the stored manifest is the planned one ({} objects)",
            stored.revision,
            run.docs.len()
        ));
    }
    let mut finding =
        Finding::blocking(Code::ManifestDiffers, format!("{} objects differ from the plan", differing.len()));
    finding.evidence = differing;
    Next::Halt(finding)
}

fn no_release(run: &HelmRun) -> Finding {
    Finding::blocking(Code::NoRelease, format!("the records of release {} are gone", run.release.name))
}

fn pending(newest: &ReleaseFact) -> Finding {
    Finding::blocking(Code::HelmPending, format!("revision {} is {}", newest.revision, newest.status))
        .with(newest.description.clone())
}

fn somebody_else(run: &HelmRun, newest: &ReleaseFact) -> Finding {
    Finding::blocking(
        Code::ReleaseMoved,
        format!(
            "the newest revision is {} ({}), the plan goes on from {}",
            newest.revision, newest.status, run.base_revision
        ),
    )
}

//! What each kind of step looks at, sets out to do, waits for and checks.

mod check_objects;
mod database;
mod helm;
mod objects;
mod volumes;

use portolan_model::{
    Action, Blob, Code, Cond, Effect, Finding, Gone, Observation, Progress, Reply, Request, Seen, Step, StepKind, Wait,
};

use crate::fold::Fold;

pub(crate) use check_objects::without_accepted;
pub(crate) use database::compare as compare_databases;
pub(crate) use helm::{came_back, gone_on};
pub(crate) use volumes::{PROTECTIONS, is_protected, protected};

/// What a step does next. Each becomes one record.
pub(crate) enum Next {
    /// Set out to do something.
    Intent { action: Action, before: Option<Blob> },
    /// Note what came back.
    Effect(Effect),
    /// The step is over.
    Observed(Observation, Vec<Blob>),
    /// Not as planned.
    Halt(Finding),
}

impl Next {
    fn done(note: impl Into<String>) -> Self {
        Self::Observed(Observation::Done { note: note.into() }, Vec::new())
    }

    fn was_done(note: impl Into<String>) -> Self {
        Self::Observed(Observation::WasDone { note: note.into() }, Vec::new())
    }
}

/// What a step reads before it does anything.
pub(crate) fn look(step: &Step, fold: &Fold) -> Request {
    match &step.kind {
        StepKind::CheckObjects { check } => Request::Check(check.clone()),
        StepKind::RetainVolume { volume, .. } => Request::Read(vec![volume.clone()]),
        StepKind::KeepClaim { claim, .. } => Request::Read(vec![claim.clone()]),
        StepKind::ArchiveObject { objects } => Request::Read(objects.clone()),
        StepKind::DeleteObject { target, .. } => Request::Read(vec![target.clone()]),
        StepKind::RestoreObject { target, copy, .. } => Request::Compare(target.clone(), copy.clone()),
        StepKind::WaitGone { pods } => {
            let until = pods.iter().cloned().map(Cond::Ended).collect();
            Request::Wait(Wait { step: fold.step, until, limit: step.limit })
        }
        StepKind::RecordDatabase { database }
        | StepKind::CarryCredentials { database, .. }
        | StepKind::VerifyDatabase { database, .. } => Request::Query(database.clone()),
        StepKind::Helm { run, .. } => Request::Releases(run.release.clone(), run.nondeterministic_fields.clone()),
        StepKind::WaitReady { workloads } => {
            let until = workloads.iter().cloned().map(Cond::Ready).collect();
            Request::Wait(Wait { step: fold.step, until, limit: step.limit })
        }
        StepKind::VerifyVolume { .. } => check(step, fold),
    }
}

/// What a step waits for once its effect is out; `None` where there is nothing to wait for.
pub(crate) fn settle(step: &Step, fold: &Fold) -> Option<Request> {
    let pursuit = fold.pursuit.as_ref()?;
    let cond = match (&step.kind, &**pursuit) {
        (StepKind::DeleteObject { target, uid }, _) => Cond::Gone(Gone { target: target.clone(), uid: uid.clone() }),
        (StepKind::Helm { .. }, Action::Helm { token, .. }) => Cond::HelmEnded(token.clone()),
        _ => return None,
    };
    Some(Request::Wait(Wait { step: fold.step, until: vec![cond], limit: step.limit }))
}

/// What a step reads to see that it is done.
pub(crate) fn check(step: &Step, fold: &Fold) -> Request {
    match (&step.kind, fold.pursuit.as_deref()) {
        // A protection that was taken off before helm.
        (StepKind::Helm { .. }, Some(Action::Write(write))) => Request::Read(vec![write.target.clone()]),
        (StepKind::VerifyVolume { claim, volume, mounted_by, .. }, _) => {
            let objects = [claim, volume].into_iter().chain(mounted_by).cloned().collect();
            Request::ReadWithClaims(objects, claim.namespace().to_owned())
        }
        _ => look(step, fold),
    }
}

/// Decides on what was looked at.
pub(crate) fn on_look(step: &Step, fold: &Fold, mark: &str, reply: Reply) -> Next {
    match (&step.kind, reply) {
        (StepKind::RetainVolume { .. } | StepKind::KeepClaim { .. }, Reply::Seen(seen)) => {
            volumes::on_look(step, &seen)
        }
        (StepKind::CheckObjects { .. }, Reply::Checked(report)) => check_objects::on_report(report),
        (StepKind::ArchiveObject { objects }, Reply::Seen(seen)) => objects::on_archive(objects, &seen),
        (StepKind::DeleteObject { .. }, Reply::Seen(seen)) => objects::on_delete(step, fold, &seen),
        (StepKind::RestoreObject { .. }, Reply::Compared(found)) => objects::on_restore(step, fold, found),
        (StepKind::Helm { op, run }, Reply::Releases(facts)) => helm::on_look(*op, run, fold, mark, &facts),
        (StepKind::VerifyVolume { .. }, Reply::Seen(seen)) => volumes::on_verify(step, &seen),
        (
            StepKind::RecordDatabase { .. } | StepKind::CarryCredentials { .. } | StepKind::VerifyDatabase { .. },
            Reply::Rows(rows),
        ) => database::on_rows(step, fold, rows),
        (StepKind::WaitReady { workloads }, Reply::Met) => {
            Next::was_done(format!("{} ready", portolan_model::counted(workloads.len(), "workload")))
        }
        (StepKind::WaitGone { pods }, Reply::Met) => {
            Next::was_done(format!("{} ended", portolan_model::counted(pods.len(), "pod")))
        }
        (StepKind::WaitGone { .. } | StepKind::WaitReady { .. }, Reply::TimedOut(progress)) => {
            Next::Halt(timed_out(step, &progress))
        }
        (_, reply) => Next::Halt(unreadable(step, &reply)),
    }
}

/// Decides on what was read back.
pub(crate) fn on_check(step: &Step, fold: &Fold, mark: &str, reply: Reply) -> Next {
    match (&step.kind, reply) {
        (StepKind::RetainVolume { .. } | StepKind::KeepClaim { .. }, Reply::Seen(seen)) => {
            volumes::on_check(step, &seen)
        }
        (StepKind::DeleteObject { target, .. }, Reply::Seen(seen)) => match seen.first() {
            Some(Seen::Absent) => Next::done(format!("{target} is gone")),
            _ => Next::Effect(Effect::Unknown(format!("{target} is still there"))),
        },
        (StepKind::RestoreObject { target, .. }, Reply::Compared(found)) => objects::on_restored(target, found),
        (StepKind::Helm { op, run }, Reply::Releases(facts)) => helm::on_check(*op, run, fold, mark, &facts),
        // All of them are looked at again.
        (StepKind::Helm { .. }, Reply::Seen(_)) => Next::Effect(Effect::Unknown("it is protected again".into())),
        (_, reply) => Next::Halt(unreadable(step, &reply)),
    }
}

/// The finding of a wait that took too long.
pub(crate) fn timed_out(step: &Step, progress: &[Progress]) -> Finding {
    let code = if matches!(step.kind, StepKind::WaitReady { .. }) { Code::NotReady } else { Code::TimedOut };
    let mut finding =
        Finding::blocking(code, format!("step {} was not over after {} s", step.id, step.limit.as_secs()));
    for item in progress {
        let what = item.cond.target().map_or_else(|| "helm".to_owned(), portolan_model::Ref::to_string);
        finding = finding.with(format!("{what}: {}", item.seen));
    }
    finding
}

fn unreadable(step: &Step, reply: &Reply) -> Finding {
    let text = match reply {
        Reply::Seen(seen) => seen
            .iter()
            .find_map(|seen| if let Seen::Unreadable(text) = seen { Some(text.clone()) } else { None })
            .unwrap_or_else(|| "an object is missing".into()),
        Reply::Unknown(text) => text.clone(),
        Reply::Refused(refusal) => format!("{refusal:?}"),
        _ => "an answer of another kind".into(),
    };
    Finding::blocking(Code::NotVisible, format!("step {} could not read what it needs", step.id)).with(text)
}

#[cfg(test)]
mod tests;

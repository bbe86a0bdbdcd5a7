use portolan_model::{
    Action, ArchivedObject, Blob, Code, CopyState, Effect, Finding, Observation, Ref, Rv, Seen, Step, StepKind, Verb,
    Write,
};

use super::Next;
use crate::fold::Fold;
use crate::guard;

pub(super) fn on_archive(names: &[Ref], seen: &[Seen]) -> Next {
    if let Some(finding) = guard::short(names.len(), seen) {
        return Next::Halt(finding);
    }
    let mut objects = Vec::new();
    let mut blobs = Vec::new();
    for (name, seen) in names.iter().zip(seen) {
        match seen {
            Seen::There(object) => {
                let Some(uid) = object.uid() else {
                    let found = format!("{name} has no UID, so it cannot be archived");
                    return Next::Halt(Finding::blocking(Code::NotVisible, found));
                };
                let blob = Blob::new(object.canonical());
                objects.push(ArchivedObject { object: name.clone(), uid, digest: blob.digest.clone() });
                blobs.push(blob);
            }
            Seen::Absent => {}
            Seen::Unreadable(text) => {
                let found = format!("{name} cannot be read, so it cannot be archived");
                return Next::Halt(Finding::blocking(Code::NotVisible, found).with(text.clone()));
            }
        }
    }
    Next::Observed(Observation::Archived { objects }, blobs)
}

pub(super) fn on_delete(step: &Step, fold: &Fold, seen: &[Seen]) -> Next {
    let StepKind::DeleteObject { target, uid } = &step.kind else {
        return Next::Halt(super::unreadable(step, &portolan_model::Reply::Met));
    };
    if target.is_storage() {
        // The planner makes no such step and the linter refuses it; this is the last of three locks.
        return Next::Halt(Finding::blocking(Code::BadPlan, format!("{target} is storage and is never deleted")));
    }
    let object = match seen.first() {
        Some(Seen::There(object)) => object,
        // Our own delete went through before we heard of it.
        Some(Seen::Absent) if fold.pursuit.is_some() => return Next::Effect(Effect::Done),
        Some(Seen::Absent) => return Next::was_done(format!("{target} is not there")),
        _ => return Next::Halt(super::unreadable(step, &portolan_model::Reply::Seen(seen.to_vec()))),
    };
    if !object.is(uid) {
        let found = format!("{target} is not as the plan has it: it was deleted and made again");
        return Next::Halt(Finding::blocking(Code::OtherObject, found));
    }
    if object.is_terminating() && fold.pursuit.is_some() {
        return Next::Effect(Effect::Done);
    }
    if fold.archived.get(target).is_none_or(|archived| archived.uid != *uid) {
        let found = format!("{target} is not in the archive, so it is not deleted");
        return Next::Halt(Finding::blocking(Code::BadPlan, found));
    }
    Next::Intent {
        action: Action::Write(Write { verb: Verb::Delete, target: target.clone(), uid: uid.clone(), rv: object.rv() }),
        before: Some(Blob::new(object.canonical())),
    }
}

pub(super) fn on_restore(step: &Step, fold: &Fold, found: CopyState) -> Next {
    let StepKind::RestoreObject { target, uid, copy } = &step.kind else {
        return Next::Halt(super::unreadable(step, &portolan_model::Reply::Met));
    };
    if target.is_never_deleted() {
        // The planner makes no such step and the linter refuses it; this is the last of three locks.
        let found = format!("{target} is never deleted, and so it is not put back");
        return Next::Halt(Finding::blocking(Code::BadPlan, found));
    }
    match found {
        CopyState::Absent => Next::Intent {
            action: Action::Write(Write {
                verb: Verb::Restore(copy.clone()),
                target: target.clone(),
                uid: uid.clone(),
                rv: Rv("".into()),
            }),
            before: None,
        },
        // Our own creation went through before we heard of it.
        CopyState::Same if fold.pursuit.is_some() => Next::Effect(Effect::Done),
        CopyState::Same => Next::was_done(format!("{target} is there, as it was archived")),
        CopyState::Other(fields) => Next::Halt(not_restored(target, &fields)),
        CopyState::Unreadable(text) => {
            Next::Halt(super::unreadable(step, &portolan_model::Reply::Seen(vec![Seen::Unreadable(text)])))
        }
    }
}

pub(super) fn on_restored(target: &Ref, found: CopyState) -> Next {
    match found {
        CopyState::Same => Next::done(format!("{target} is back, as it was archived")),
        CopyState::Absent => Next::Effect(Effect::Unknown(format!("{target} is not there"))),
        CopyState::Other(fields) => Next::Halt(not_restored(target, &fields)),
        CopyState::Unreadable(text) => Next::Effect(Effect::Unknown(format!("{target} cannot be read: {text}"))),
    }
}

fn not_restored(target: &Ref, fields: &[String]) -> Finding {
    let found = format!("{target} is there, and is not what was archived");
    let finding = Finding::blocking(Code::NotRestored, found).about(target);
    fields.iter().fold(finding, |finding, field| finding.with(format!("differs: {field}")))
}

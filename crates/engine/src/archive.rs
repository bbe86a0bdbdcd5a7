//! What a run has put into its archive, by its journal, and how what it deleted is put back.

use portolan_model::{
    Action, ArchivedObject, Digest, Entry, JournalRecord, Observation, Plan, ProtectedVolume, Ref, Seen, StepKind, Uid,
    Verb,
};
use serde::Serialize;

use crate::fold::Fold;

/// An object in the archive of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Archived {
    /// The object.
    pub object: Ref,
    /// Its UID.
    pub uid: Uid,
    /// The digest of its JSON in the run's folder.
    pub digest: Digest,
    /// The step that archived it, from 1.
    pub step: u32,
    /// The id of that step.
    pub id: String,
    /// When, in seconds since 1970.
    pub at: u64,
    /// The step that set out to delete it, from 1.
    pub deleted_in: Option<u32>,
}

/// What was archived, in order. An object that was archived twice is in it as it was first: before anything was changed.
#[must_use]
pub fn of(plan: &Plan, entries: &[Entry]) -> Vec<Archived> {
    let mut all: Vec<Archived> = Vec::new();
    for entry in entries {
        match &entry.record {
            JournalRecord::Observed { step, observation: Observation::Archived { objects } } => {
                for ArchivedObject { object, uid, digest } in objects {
                    if all.iter().any(|archived| archived.object == *object) {
                        continue;
                    }
                    all.push(Archived {
                        object: object.clone(),
                        uid: uid.clone(),
                        digest: digest.clone(),
                        step: step.index + 1,
                        id: plan.step(step.index).map(|step| step.id.clone()).unwrap_or_default(),
                        at: entry.at,
                        deleted_in: None,
                    });
                }
            }
            JournalRecord::Intent { step, action, .. } => {
                if let Action::Write(write) = &**action
                    && write.verb == Verb::Delete
                    && let Some(archived) = all.iter_mut().find(|archived| archived.object == write.target)
                {
                    archived.deleted_in = Some(step.index + 1);
                }
            }
            _ => {}
        }
    }
    all
}

/// How the objects that a run (by its id) deleted come back; `None` where it deleted none. What a finished helm has made anew since is
/// not put back.
#[must_use]
pub fn put_back(run: &str, plan: &Plan, fold: &Fold) -> Option<String> {
    (!deleted(plan, fold).is_empty()).then(|| format!("put back what it deleted: portolan archive restore {run}"))
}

/// What the hop under way has deleted, or set out to delete.
#[must_use]
pub fn deleted<'a>(plan: &'a Plan, fold: &Fold) -> Vec<&'a Ref> {
    let at = fold.step as usize;
    let helms = plan.steps().take(at).enumerate().filter(|(_, step)| step.helm_run().is_some());
    let first = helms.last().map_or(0, |(helm, _)| helm + 1);
    let wrote = |index: usize| fold.notes.get(index).map_or(index == at && fold.pursuit.is_some(), |note| note.wrote);
    let steps = plan.steps().enumerate().skip(first).take_while(|(index, _)| *index <= at);
    steps
        .filter_map(|(index, step)| match &step.kind {
            StepKind::DeleteObject { target, .. } if wrote(index) && fold.archived.contains_key(target) => Some(target),
            _ => None,
        })
        .collect()
}

/// The only way out of a run whose plan is about an object that does not exist any more: another plan, and before it whatever
/// that plan needs. `now` are objects as they were read; a PVC that is not among them is taken to be on its volume.
#[must_use]
pub fn way_out<'a>(run: &str, plan: &Plan, fold: &Fold, now: impl Fn(&Ref) -> Option<&'a Seen>) -> String {
    let again = format!("portolan plan --to {}", plan.to.version);
    if let Some((_, first)) =
        plan.volumes.iter().find_map(|protected| Some((protected, data_first(protected, now(&protected.claim)?)?)))
    {
        return format!("{first}: {again}");
    }
    match put_back(run, plan, fold) {
        Some(put_back) => format!("{put_back}, then make another plan: {again}"),
        None => format!("make another plan: {again}"),
    }
}

/// What has to be settled before any pod starts, where a PVC is not on the volume that has its data: a workload that is put back first
/// would make an empty PVC, or write to another volume. `None` where the PVC is on its volume.
#[must_use]
pub fn data_first(protected: &ProtectedVolume, claim: &Seen) -> Option<String> {
    let (name, volume) = (&protected.claim, &protected.volume);
    match claim {
        seen if is_gone(seen) => Some(format!("the data is on {volume}; see how it is bound to {name} again")),
        Seen::There(object) if object.text("/spec/volumeName") != volume.name() => {
            let on = match object.text("/spec/volumeName") {
                "" => "is not bound".to_owned(),
                other => format!("is on {other}"),
            };
            Some(format!(
                "the data is on {volume}, and the new {name} {on}: let no pod start on it; see what is on it, and have its owner \
                 move it away; then see how {volume} is bound again"
            ))
        }
        _ => None,
    }
}

/// Whether a PVC is gone, or goes with its last pod.
fn is_gone(seen: &Seen) -> bool {
    match seen {
        Seen::Absent => true,
        Seen::There(object) => object.is_terminating(),
        Seen::Unreadable(_) => false,
    }
}

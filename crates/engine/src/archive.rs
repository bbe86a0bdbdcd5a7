//! What a run has put into its archive, by its journal, and how what it deleted is put back.

use portolan_model::{
    Action, ArchivedObject, Digest, Entry, JournalRecord, Object, Observation, Plan, Ref, Seen, StepKind, Uid, Verb,
};
use serde::Serialize;
use serde_json::Value;

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

/// The file that an export writes for an object: `Secret-runai-backend-runai-backend-postgresql.yaml`. The names of Kubernetes hold
/// no character that a path minds.
#[must_use]
pub fn file_name(name: &Ref) -> String {
    let namespace = if name.namespace().is_empty() { String::new() } else { format!("{}-", name.namespace()) };
    format!("{}-{namespace}{}.yaml", name.kind(), name.name().replace(['/', ':'], "_"))
}

/// How the objects that a run (by its id) deleted come back, command by command; `None` where it deleted none. What a finished helm has made
/// anew since is not put back, and what is there again is not touched by `create`.
#[must_use]
pub fn put_back(run: &str, plan: &Plan, fold: &Fold) -> Option<String> {
    let deleted = deleted(plan, fold);
    if deleted.is_empty() {
        return None;
    }
    let files: String = deleted.into_iter().map(|name| format!(" -f {run}/{}", file_name(name))).collect();
    Some(format!(
        "put back what it deleted: portolan archive export {run} --to {run}, then kubectl create{files}, then wait until its \
         pods are ready"
    ))
}

/// What the hop under way has deleted, or set out to delete.
fn deleted<'a>(plan: &'a Plan, fold: &Fold) -> Vec<&'a Ref> {
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
    for protected in &plan.volumes {
        let (claim, volume) = (&protected.claim, &protected.volume);
        match now(claim) {
            // A StatefulSet that is put back first would make an empty one.
            Some(seen) if is_gone(seen) => {
                return format!("the data is on {volume}; see how it is bound to {claim} again: {again}");
            }
            Some(Seen::There(object)) if object.text("/spec/volumeName") != volume.name() => {
                let on = match object.text("/spec/volumeName") {
                    "" => "is not bound".to_owned(),
                    other => format!("is on {other}"),
                };
                return format!(
                    "the data is on {volume}, and the new {claim} {on}: let no pod start on it; see what is on it, and have its \
                     owner move it away; then see how {volume} is bound again: {again}"
                );
            }
            _ => {}
        }
    }
    match put_back(run, plan, fold) {
        Some(put_back) => format!("{put_back}, then make another plan: {again}"),
        None => format!("make another plan: {again}"),
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

/// An object as `kubectl create` takes it: without what the server sets, and without owners, whose UIDs are others by then.
#[must_use]
pub fn to_create(object: &Object) -> Value {
    let mut json = (*object.0).clone();
    if let Value::Object(map) = &mut json {
        map.remove("status");
        if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
            for field in [
                "uid",
                "resourceVersion",
                "generation",
                "creationTimestamp",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
                "managedFields",
                "ownerReferences",
                "selfLink",
            ] {
                metadata.remove(field);
            }
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_sets_is_left_out() {
        let object = Object::new(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "Yg=="}, "status": {},
            "metadata": {
                "name": "s", "namespace": "n", "uid": "u", "resourceVersion": "1", "creationTimestamp": "t",
                "managedFields": [], "ownerReferences": [{"uid": "o"}], "labels": {"l": "1"}, "annotations": {"k": "v"},
            },
        }));
        let left = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "Yg=="},
            "metadata": {"name": "s", "namespace": "n", "labels": {"l": "1"}, "annotations": {"k": "v"}},
        });
        assert_eq!(to_create(&object), left);
    }
}

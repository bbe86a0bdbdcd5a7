//! What a run has put into its archive, by its journal.

use portolan_model::{Action, ArchivedObject, Digest, Entry, JournalRecord, Object, Observation, Plan, Ref, Uid, Verb};
use serde::Serialize;
use serde_json::Value;

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

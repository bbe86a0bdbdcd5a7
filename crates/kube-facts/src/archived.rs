//! What is created of an object that was archived, and whether an object is what its archived copy says.

use std::collections::BTreeSet;

use portolan_model::{CopyState, Object, Seen, Uid};
use serde_json::Value;

/// What the API server sets in the metadata of each object.
const SET_BY_SERVER: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];

/// How many fields that differ are named.
const NAMED: usize = 5;

/// An archived object as it is created again: without what the server sets, and with those of its owners alone that still exist. An
/// object with no owner but one that is gone is deleted by the garbage collector as soon as it is created.
#[must_use]
pub fn to_create(archived: &Object, owners: &BTreeSet<Uid>) -> Value {
    let mut json = (*archived.0).clone();
    let Value::Object(map) = &mut json else { return json };
    map.remove("status");
    let Some(Value::Object(metadata)) = map.get_mut("metadata") else { return json };
    for field in SET_BY_SERVER {
        metadata.remove(field);
    }
    let Some(Value::Array(all)) = metadata.get_mut("ownerReferences") else { return json };
    all.retain(|owner| {
        owner.get("uid").and_then(Value::as_str).and_then(Uid::parse).is_some_and(|uid| owners.contains(&uid))
    });
    if all.is_empty() {
        metadata.remove("ownerReferences");
    }
    json
}

/// The fields, as JSON pointers and without their values, in which a live object differs from its archived copy; not more than a few.
/// What the server sets, the status and the owners are left out, and so is what controllers write as the object lives on.
fn differing_fields(archived: &Object, live: &Object) -> Vec<String> {
    let plain = |object: &Object| Object::new(to_create(object, &BTreeSet::new()));
    let (archived, live) = (plain(archived), plain(live));
    if archived.content_digest() == live.content_digest() {
        return Vec::new();
    }
    let differing = portolan_model::differing_fields(&archived.0, &live.0);
    differing.iter().take(NAMED).map(ToString::to_string).collect()
}

/// An object beside its archived copy. One that is being deleted is another one.
#[must_use]
pub fn compare(archived: &Object, live: &Seen) -> CopyState {
    match live {
        Seen::Absent => CopyState::Absent,
        Seen::Unreadable(text) => CopyState::Unreadable(text.clone()),
        Seen::There(live) if live.is_terminating() => CopyState::Other(vec!["/metadata/deletionTimestamp".into()]),
        Seen::There(live) => match differing_fields(archived, live) {
            fields if fields.is_empty() => CopyState::Same,
            fields => CopyState::Other(fields),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(data: &Value, metadata: &Value) -> Object {
        let mut json = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data, "status": {},
            "metadata": {
                "name": "s", "namespace": "n", "uid": "u", "resourceVersion": "1", "creationTimestamp": "t", "generation": 3,
                "managedFields": [], "labels": {"l": "1"}, "annotations": {"k": "v"},
                "ownerReferences": [{"kind": "A", "name": "a", "uid": "lives"}, {"kind": "B", "name": "b", "uid": "gone"}],
            },
        });
        for (key, value) in metadata.as_object().expect("metadata") {
            json["metadata"][key] = value.clone();
        }
        Object::new(json)
    }

    #[test]
    fn what_the_server_sets_and_owners_that_are_gone_are_left_out() {
        let object = secret(&json!({"a": "Yg=="}), &json!({}));
        let mut left = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "Yg=="},
            "metadata": {"name": "s", "namespace": "n", "labels": {"l": "1"}, "annotations": {"k": "v"}},
        });
        assert_eq!(to_create(&object, &BTreeSet::new()), left);
        left["metadata"]["ownerReferences"] = json!([{"kind": "A", "name": "a", "uid": "lives"}]);
        assert_eq!(to_create(&object, &BTreeSet::from([Uid::new("lives")])), left);
    }

    #[test]
    fn fields_that_differ_are_named_without_their_values() {
        let archived = secret(&json!({"a": "Yg==", "x/y": "Yg=="}), &json!({}));
        let lives_on = json!({"uid": "other", "resourceVersion": "9", "generation": 1, "ownerReferences": []});
        let same = secret(&json!({"a": "Yg==", "x/y": "Yg=="}), &lives_on);
        assert_eq!(differing_fields(&archived, &same), Vec::<String>::new());
        let other = secret(&json!({"a": "Yw==", "b": "Yg=="}), &json!({"labels": {"l": "2"}}));
        let expected = ["/data/a", "/data/b", "/data/x~1y", "/metadata/labels/l"];
        assert_eq!(differing_fields(&archived, &other), expected);
        assert_eq!(compare(&archived, &Seen::There(same)), CopyState::Same);
        assert_eq!(compare(&archived, &Seen::There(other)), CopyState::Other(expected.map(String::from).to_vec()));
        assert_eq!(compare(&archived, &Seen::Absent), CopyState::Absent);
        let going = secret(&json!({"a": "Yg==", "x/y": "Yg=="}), &json!({"deletionTimestamp": "t"}));
        let going = compare(&archived, &Seen::There(going));
        assert_eq!(going, CopyState::Other(vec!["/metadata/deletionTimestamp".into()]));
    }
}

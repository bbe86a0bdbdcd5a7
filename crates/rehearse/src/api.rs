//! The one way by which anybody changes the simulated world: the rules of the API server.

use std::hash::Hash;

use portolan_kube_facts::immutable_violations;
use portolan_model::{ArchivedCopy, CopyState, Object, Ref, Refusal, Seen, Uid, Verb, Write};
use serde_json::{Value, json};

use crate::object_view::Kind;
use crate::state_hash::StateHash;
use crate::world::World;

/// What is said where the archive has no copy.
const NO_COPY: &str = "the archive has no such copy";

/// Why the server refuses.
pub(crate) type Refused = Refusal;

impl World {
    /// A write with preconditions on UID and resourceVersion.
    pub(crate) fn write(&mut self, write: &Write) -> Result<(), Refused> {
        if let Verb::Restore(copy) = &write.verb {
            let archived = self.archived(copy).ok_or_else(|| Refusal::NotSent(NO_COPY.into()))?;
            return self.create(&write.target, portolan_kube_facts::to_create(&archived, &copy.owners)).map(drop);
        }
        let thing = self.thing(&write.target).ok_or(Refusal::NotFound)?;
        if thing.view.uid != write.uid || thing.object.rv() != write.rv {
            return Err(Refusal::Conflict);
        }
        match &write.verb {
            Verb::MergePatch(patch) => {
                let mut json = (*thing.object.0).clone();
                merge(&mut json, patch);
                self.update(&write.target, json)
            }
            // It was carried out above.
            Verb::Restore(_) => Ok(()),
            Verb::Delete => self.delete(&write.target),
        }
    }

    /// An archived object, as the run's folder has it.
    pub(crate) fn archived(&self, copy: &ArchivedCopy) -> Option<Object> {
        serde_json::from_slice(&self.kept(&copy.digest)?).ok()
    }

    /// An object beside its archived copy.
    pub(crate) fn compare(&self, target: &Ref, copy: &ArchivedCopy) -> CopyState {
        let seen = self.get(target).map_or(Seen::Absent, |object| Seen::There(object.clone()));
        match self.archived(copy) {
            Some(archived) => portolan_kube_facts::compare(&archived, &seen),
            None => CopyState::Unreadable(NO_COPY.into()),
        }
    }

    /// R1: creation.
    pub(crate) fn create(&mut self, name: &Ref, json: Value) -> Result<Uid, Refused> {
        let uid = self.admit_new(name)?;
        self.put(name, admitted(name, &uid, json, self.facts.cluster.default_class.as_deref()));
        Ok(uid)
    }

    /// Creates an object that is made of `from` by the step `how`; what was made of the same before is taken again.
    pub(crate) fn create_made(
        &mut self,
        name: &Ref,
        how: impl Hash,
        from: StateHash,
        make: impl FnOnce() -> Value,
    ) -> Result<(), Refused> {
        let uid = self.admit_new(name)?;
        let facts = self.facts.clone();
        let class = facts.cluster.default_class.as_deref();
        self.put_made(name, ("create", how, &uid), from, || admitted(name, &uid, make(), class));
        Ok(())
    }

    /// The UID of an object that may be created.
    fn admit_new(&mut self, name: &Ref) -> Result<Uid, Refused> {
        if self.thing(name).is_some() {
            return Err(Refusal::Conflict);
        }
        if self.is_closing(name) {
            return Err(Refusal::Invalid(format!("{name} is forbidden: what holds it is being terminated")));
        }
        Ok(self.next_uid(name))
    }

    /// An update of an object that is there; immutable fields are refused.
    pub(crate) fn update(&mut self, name: &Ref, mut json: Value) -> Result<(), Refused> {
        strings_to_data(&mut json);
        self.admit(name, &json)?;
        self.put(name, json);
        Ok(())
    }

    /// The fields of an object that the server lets nobody change and that this would change.
    pub(crate) fn immutable_fields(&self, name: &Ref, json: &Value) -> Vec<String> {
        self.thing(name).map(|thing| immutable_violations(name, &thing.object.0, json)).unwrap_or_default()
    }

    /// Whether the server accepts this in place of what is there.
    pub(crate) fn admit(&self, name: &Ref, json: &Value) -> Result<(), Refused> {
        let thing = self.thing(name).ok_or(Refusal::NotFound)?;
        let broken = immutable_violations(name, &thing.object.0, json);
        if !broken.is_empty() {
            return Err(Refusal::Invalid(format!(
                "cannot patch \"{}\" with kind {}: field is immutable: {}",
                name.name(),
                name.kind(),
                broken.join(", ")
            )));
        }
        Ok(())
    }

    /// R9: deletion with background propagation. With finalizers the object becomes Terminating and stays.
    pub(crate) fn delete(&mut self, name: &Ref) -> Result<(), Refused> {
        let thing = self.thing(name).ok_or(Refusal::NotFound)?.clone();
        if thing.view.terminating {
            return Ok(());
        }
        let graceful = match &thing.view.kind {
            // A pod that was never scheduled has no kubelet to wait for.
            Kind::Pod(pod) => pod.scheduled,
            // It goes when nothing is left in it.
            Kind::Container(_) => true,
            _ => !thing.object.list("/metadata/finalizers").is_empty(),
        };
        if graceful {
            self.put_made(name, "delete", thing.state_hash(), || {
                let mut json = (*thing.object.0).clone();
                json["metadata"]["deletionTimestamp"] = json!("set");
                json
            });
        } else {
            self.remove(name);
        }
        Ok(())
    }

    /// Whether a write would find what it asks for; used to tell a vanished write from a landed one.
    pub(crate) fn would_meet(&self, write: &Write) -> bool {
        match (self.thing(&write.target), &write.verb) {
            (thing, Verb::Restore(_)) => thing.is_none(),
            (thing, Verb::MergePatch(_) | Verb::Delete) => {
                thing.is_some_and(|thing| thing.view.uid == write.uid && thing.object.rv() == write.rv)
            }
        }
    }
}

/// An object as it is after its creation: the admission plugins put their finalizers, and the default class on a PVC without one.
fn admitted(name: &Ref, uid: &Uid, mut json: Value, default_class: Option<&str>) -> Value {
    if !json.get("metadata").is_some_and(Value::is_object) {
        json["metadata"] = json!({});
    }
    json["metadata"]["uid"] = json!(uid);
    if !name.namespace().is_empty() {
        json["metadata"]["namespace"] = json!(name.namespace());
    }
    strings_to_data(&mut json);
    match (name.group(), name.kind()) {
        ("", "PersistentVolumeClaim") => {
            json["metadata"]["finalizers"] = json!(["kubernetes.io/pvc-protection"]);
            json["status"] = json!({"phase": "Pending"});
            if let (None, Some(class)) = (json.pointer("/spec/storageClassName"), default_class) {
                json["spec"]["storageClassName"] = json!(class);
            }
        }
        ("", "PersistentVolume") => json["metadata"]["finalizers"] = json!(["kubernetes.io/pv-protection"]),
        ("", "Pod") => json["status"] = json!({"phase": "Pending"}),
        _ => {}
    }
    json
}

/// A JSON merge patch (RFC 7386).
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    if let Value::Object(target) = target {
        for (key, value) in patch {
            if value.is_null() {
                target.remove(key);
            } else {
                merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
    }
}

/// The API server turns a Secret's `stringData` into `data`. Markers of ours stay as they are.
fn strings_to_data(json: &mut Value) {
    use base64::Engine as _;
    if json.get("kind").and_then(Value::as_str) != Some("Secret") {
        return;
    }
    let Some(Value::Object(strings)) = json.as_object_mut().and_then(|object| object.remove("stringData")) else {
        return;
    };
    for (key, value) in strings {
        let text = value.as_str().unwrap_or_default();
        json["data"][key] = json!(base64::engine::general_purpose::STANDARD.encode(text));
    }
}

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, Ref, Rv, Uid};

/// A Kubernetes object as JSON, with readers for the fields that Portolan lives by. It is never turned
/// into a typed struct and back: that would drop fields we do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Object(pub Arc<Value>);

impl Object {
    /// Wraps JSON.
    #[must_use]
    pub fn new(json: Value) -> Self {
        Self(Arc::new(json))
    }

    /// The object's canonical JSON: maps are sorted in memory already.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(&*self.0).unwrap_or_default()
    }

    /// The digest of what people and controllers decide: without the status, the resourceVersion, the generation and the list of who wrote
    /// which field, so that an object that only lives on has the same one. Nor does a restart of its pods count (`kubectl rollout restart`).
    #[must_use]
    pub fn content_digest(&self) -> Digest {
        let mut json = (*self.0).clone();
        if let Value::Object(map) = &mut json {
            map.remove("status");
            if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
                metadata.remove("resourceVersion");
                metadata.remove("managedFields");
                metadata.remove("generation");
            }
        }
        for (annotations, key) in [
            ("/metadata/annotations", "deployment.kubernetes.io/revision"),
            ("/spec/template/metadata/annotations", "kubectl.kubernetes.io/restartedAt"),
        ] {
            let Some(map) = json.pointer_mut(annotations).and_then(Value::as_object_mut) else { continue };
            map.remove(key);
            if map.is_empty() {
                drop_empty(&mut json, annotations);
            }
        }
        Digest::of_value(&json)
    }

    /// The field at a JSON pointer.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        // Without an escape nothing has to be put together, and most of what a search asks is such a pointer.
        match pointer.strip_prefix('/').filter(|path| !path.contains('~')) {
            Some(path) => path.split('/').try_fold(&*self.0, |value, part| match value {
                Value::Object(map) => map.get(part),
                _ => value.pointer(&format!("/{part}")),
            }),
            None => self.0.pointer(pointer),
        }
    }

    /// The text at a JSON pointer; empty where there is none.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The object's name; `None` where kind or name is missing.
    #[must_use]
    pub fn name(&self) -> Option<Ref> {
        let (kind, name) = (self.text("/kind"), self.text("/metadata/name"));
        let group = self.text("/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
        (!kind.is_empty() && !name.is_empty()).then(|| Ref::new(group, kind, self.text("/metadata/namespace"), name))
    }

    /// `metadata.uid`; `None` for an object that was never stored, and for what an aggregated API makes up when it is asked.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        Uid::parse(self.text("/metadata/uid"))
    }

    /// Whether it is the object of this UID.
    #[must_use]
    pub fn is(&self, uid: &Uid) -> bool {
        self.text("/metadata/uid") == uid.as_str()
    }

    /// `metadata.resourceVersion`.
    #[must_use]
    pub fn rv(&self) -> Rv {
        Rv(self.text("/metadata/resourceVersion").into())
    }

    /// Whether `metadata.deletionTimestamp` is set. It cannot be taken back.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        self.at("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null())
    }

    /// An annotation of the live object.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.0.get("metadata")?.get("annotations")?.get(key)?.as_str()
    }

    /// A label of the live object.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.0.get("metadata")?.get("labels")?.get(key)?.as_str()
    }

    /// The list at a JSON pointer; empty where there is none.
    #[must_use]
    pub fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The keys of a Secret's or `ConfigMap`'s data.
    #[must_use]
    pub fn data_keys(&self) -> Vec<&str> {
        ["/data", "/stringData"]
            .iter()
            .filter_map(|part| self.at(part)?.as_object())
            .flat_map(|map| map.keys().map(String::as_str))
            .collect()
    }

    /// The texts of a `ConfigMap`: the JSON pointer, the key and the text of each, those of `binaryData` that are text among them.
    #[must_use]
    pub fn map_texts(&self) -> Vec<(String, String, String)> {
        let of = |part: &'static str| self.at(part).and_then(Value::as_object).into_iter().flatten();
        let decode = |value: &Value| String::from_utf8(STANDARD.decode(value.as_str()?).ok()?).ok();
        let pointer = |part: &str, key: &str| format!("{part}/{}", crate::pointer_part(key));
        let plain = of("/data")
            .filter_map(|(key, value)| Some((pointer("/data", key), key.clone(), value.as_str()?.to_owned())));
        let binary = of("/binaryData")
            .filter_map(|(key, value)| Some((pointer("/binaryData", key), key.clone(), decode(value)?)));
        plain.chain(binary).collect()
    }
}

/// Takes an empty map away, and the one that it stands in where that is empty then: they come with their first key.
fn drop_empty(json: &mut Value, pointer: &str) {
    let Some((above, key)) = pointer.rsplit_once('/') else { return };
    let Some(map) = json.pointer_mut(above).and_then(Value::as_object_mut) else { return };
    map.remove(key);
    if map.is_empty() {
        drop_empty(json, above);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Object;

    #[test]
    fn a_pointer_is_read_as_json_pointers_are() {
        let json = json!({"a": {"b": [{"c": 1}, 2]}, "x/y": 3, "m~n": 4, "": {"": 5}, "0": 6});
        let object = Object::new(json.clone());
        for pointer in [
            "", "/", "//", "a", "a/b", "/a", "/a/b", "/a/b/0/c", "/a/b/1", "/a/b/2", "/a/b/01", "/a/b/+1", "/a/b/-1",
            "/a/b/1/c", "/x~1y", "/m~0n", "/x/y", "/0", "/a/", "/none",
        ] {
            assert_eq!(object.at(pointer), json.pointer(pointer), "{pointer}");
        }
    }

    #[test]
    fn a_restart_of_the_pods_changes_no_content() {
        let object = |metadata: Value, template: Value| {
            Object::new(json!({"metadata": metadata, "spec": {"template": {"metadata": template, "spec": {"a": 1}}}}))
        };
        let digest = |metadata: Value, template: Value| object(metadata, template).content_digest();
        let before = digest(json!({"name": "a", "generation": 1}), json!({"labels": {"app": "a"}}));
        let restarted = json!({"labels": {"app": "a"}, "annotations": {"kubectl.kubernetes.io/restartedAt": "now"}});
        let metadata = json!({"name": "a", "generation": 2, "annotations": {"deployment.kubernetes.io/revision": "2"}});
        assert_eq!(digest(metadata.clone(), restarted), before);
        let other = json!({"labels": {"app": "a"}, "annotations": {"team": "b"}});
        assert_ne!(digest(metadata, other), before);
    }
}

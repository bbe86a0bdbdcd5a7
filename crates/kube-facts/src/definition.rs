//! What a `CustomResourceDefinition` says of the resources that it defines.

use portolan_model::{Object, Ref, pointer_part};
use serde_json::Value;

/// Whether a definition is that of a custom resource.
#[must_use]
pub fn defines(definition: &Object, resource: &Ref) -> bool {
    definition.text("/kind") == "CustomResourceDefinition"
        && definition.text("/spec/names/kind") == resource.kind()
        && definition.text("/spec/group") == resource.group()
}

/// What of a custom resource is lost where its definition becomes another one: a JSON pointer into the new definition, and the lost
/// part in words. Either no version is served any more, or the schema has no longer a field that the resource has: the API server drops it
/// at the next write (pruning: `staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning` of Kubernetes 1.34). What the old
/// schema did not have either is not there, or is kept for another reason.
#[must_use]
pub fn forgets(old: &Object, new: &Object, resource: &Object) -> Option<(String, String)> {
    const VERSIONS: &str = "/spec/versions";
    const SCHEMA: &str = "/schema/openAPIV3Schema";
    let is_on = |version: &Value, key: &str| version.get(key) == Some(&Value::Bool(true));
    let versions = new.list(VERSIONS);
    if !versions.is_empty() && !versions.iter().any(|version| is_on(version, "served")) {
        return Some((VERSIONS.into(), "every version of it".into()));
    }
    // What is stored is in the form of the version that is stored.
    let stored = |versions: &[Value]| versions.iter().position(|version| is_on(version, "storage"));
    let at = stored(versions)?;
    let (was, will) = (&old.list(VERSIONS)[stored(old.list(VERSIONS))?], &versions[at]);
    if was.get("name") != will.get("name") {
        return None;
    }
    let (was, will) = (was.pointer(SCHEMA)?, will.pointer(SCHEMA)?);
    let lost = lost(was, will, &resource.0, "")?;
    Some((format!("{VERSIONS}/{at}{SCHEMA}"), lost))
}

/// The first field of a value that a schema has and the next one has not.
fn lost(was: &Value, will: &Value, value: &Value, path: &str) -> Option<String> {
    if will.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true)) {
        return None;
    }
    match value {
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            // The metadata has no schema, and a controller writes the status.
            let is_common = path.is_empty() && matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status");
            let below = format!("{path}/{}", pointer_part(key));
            let was = schema_of(was, key).filter(|_| !is_common)?;
            match schema_of(will, key) {
                Some(will) => lost(was, will, value, &below),
                None => Some(below),
            }
        }),
        Value::Array(items) => {
            let (was, will) = (was.get("items")?, will.get("items")?);
            items.iter().enumerate().find_map(|(at, item)| lost(was, will, item, &format!("{path}/{at}")))
        }
        _ => None,
    }
}

/// The schema of a field: its own, else that of all fields.
fn schema_of<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let own = schema.get("properties").and_then(|all| all.get(key));
    own.or_else(|| schema.get("additionalProperties"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(served: bool, spec: &Value) -> Object {
        let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}});
        Object::new(
            json!({"kind": "CustomResourceDefinition", "spec": {"group": "db.example.com", "names": {"kind": "Cluster"},
            "versions": [{"name": "v1alpha1", "served": false, "storage": false}, {"name": "v1", "served": served, "storage": true, "schema": schema}]}}),
        )
    }

    #[test]
    fn a_field_that_a_resource_has_and_its_schema_forgets_is_lost() {
        let size = json!({"properties": {"size": {"type": "string"}}});
        let spec = |more: Value| json!({"properties": {"disk": size, "disks": {"items": size}, "more": more}});
        let resource =
            Object::new(json!({"apiVersion": "db.example.com/v1", "kind": "Cluster", "metadata": {"name": "x"},
            "spec": {"disk": {"size": "1Gi"}, "disks": [{"size": "1Gi"}], "unknown": 1}}));
        let old = definition(true, &spec(json!({})));
        let of = |new: &Object| forgets(&old, new, &resource).map(|(_, lost)| lost);
        let without = |pointer: &str| {
            let mut spec = spec(json!({"type": "string"}));
            let (parent, key) = pointer.rsplit_once('/').expect("a place");
            spec.pointer_mut(parent).and_then(Value::as_object_mut).expect("a map").remove(key);
            definition(true, &spec)
        };
        assert_eq!(of(&without("/properties/disk")).as_deref(), Some("/spec/disk"));
        assert_eq!(of(&without("/properties/disk/properties/size")).as_deref(), Some("/spec/disk/size"));
        assert_eq!(of(&without("/properties/disks/items/properties/size")).as_deref(), Some("/spec/disks/0/size"));
        assert_eq!(of(&without("/properties/more")), None, "the resource does not have it");
        let keeps = definition(true, &json!({"x-kubernetes-preserve-unknown-fields": true}));
        assert_eq!(of(&keeps), None);
        assert_eq!(of(&definition(false, &spec(json!({})))).as_deref(), Some("every version of it"));
        assert_eq!(of(&old), None);
        let named = |group: &str| defines(&old, &Ref::new(group, "Cluster", "n", "x"));
        assert!(named("db.example.com") && !named("example.com"));
    }
}

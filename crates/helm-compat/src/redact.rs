//! Documents without what nobody may see, and fingerprints that do not depend on it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_model::{Digest, JsonPointer, Manifest, Object, Ref, canonical};
use serde_json::{Map, Value};

/// The parts of a Secret that hold its values.
const PARTS: [&str; 2] = ["data", "stringData"];

/// A shorter text is not looked for outside Secrets: it would be found everywhere.
const SHORTEST: usize = 6;

/// The planned manifest of two renderings of the same chart with the same values: the documents of the first
/// one, with the fields in which the second one differs listed as free.
///
/// Of a Secret no value is left: it is replaced by [`Manifest::CARRIED`] with the values path whose plaintext it
/// equals, by [`Manifest::FREE`] where the second rendering differs, else by [`Manifest::HIDDEN`]. A carried
/// plaintext in any other text is replaced too, and its field made free, so that the fingerprint of the planned
/// document equals the stored one's.
#[must_use]
pub fn planned(first: &[Object], second: &[Object], carried: &[(String, String)]) -> Manifest {
    let others: BTreeMap<Ref, &Object> = second.iter().filter_map(|doc| Some((doc.name()?, doc))).collect();
    let mut manifest = Manifest::default();
    for doc in first {
        let mut json = (*doc.0).clone();
        let other = doc.name().and_then(|name| others.get(&name).copied());
        let mut free = match other {
            Some(other) => portolan_model::differing_fields(&json, &other.0),
            None => vec![JsonPointer::default()],
        };
        if is_secret(doc) {
            // Values are compared by their marks; only a key that comes and goes counts as free.
            free.retain(|pointer| !is_value_of_both(pointer.as_str(), &json, other));
            hide(&mut json, |part, key, value| {
                let again = other.and_then(|other| other.at(&format!("/{part}/{}", portolan_model::pointer_part(key))));
                mark(part, value, again, carried)
            });
        }
        cover(&mut json, carried, &mut String::new(), &mut free);
        free.sort();
        free.dedup();
        if let Some(name) = doc.name().filter(|_| !free.is_empty()) {
            manifest.nondeterministic_fields.insert(name, free);
        }
        manifest.docs.push(Object::new(json));
    }
    manifest
}

/// A Secret with every value replaced by [`Manifest::HIDDEN`]; any other object as it is. The annotation in
/// which `kubectl apply` keeps a copy of the whole object goes as well.
#[must_use]
pub fn secret_keys_only(object: &Object) -> Object {
    if !is_secret(object) {
        return object.clone();
    }
    let mut json = (*object.0).clone();
    hide(&mut json, |_, _, _| Manifest::HIDDEN.to_owned());
    if let Some(Value::Object(annotations)) = json.pointer_mut("/metadata/annotations") {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    Object::new(json)
}

/// As [`secret_keys_only`], but a key without a value stays one: a stored manifest says in this way that somebody else fills it.
#[must_use]
pub fn secret_keys_and_empty(object: &Object) -> Object {
    let hidden = secret_keys_only(object);
    if !is_secret(object) {
        return hidden;
    }
    let mut json = (*hidden.0).clone();
    for part in PARTS {
        let values = object.0.get(part).and_then(Value::as_object).into_iter().flatten();
        for (key, _) in values.filter(|(_, value)| value.is_null() || *value == "") {
            json[part][key] = "".into();
        }
    }
    Object::new(json)
}

/// The fingerprint of each document: the digest of its canonical JSON without its free fields, with a constant
/// in place of each value of a Secret. A planned manifest and the one that helm stored compare equal by it,
/// however the YAML was laid out. A document that is free as a whole has none.
#[must_use]
pub fn fingerprint(docs: &[Object], free: &BTreeMap<Ref, Vec<JsonPointer>>) -> BTreeMap<Ref, Digest> {
    let print = |doc: &Object| {
        let name = doc.name()?;
        let hidden = secret_keys_only(doc);
        let pointers = free.get(&name).map(Vec::as_slice).unwrap_or_default();
        if pointers.iter().any(JsonPointer::is_whole) {
            return None;
        }
        if pointers.is_empty() {
            return Some((name, Digest::of(&without_namespace(&hidden.0))));
        }
        let mut json = (*hidden.0).clone();
        for pointer in pointers {
            take_off(&mut json, pointer.as_str());
        }
        Some((name, Digest::of(&without_namespace(&json))))
    };
    docs.iter().filter_map(print).collect()
}

/// A document's canonical JSON without the namespace, which is in its name already, whether it was written or filled in. Nothing but its
/// metadata is copied for that: a manifest has many documents, and a release's are looked at again and again.
fn without_namespace(json: &Value) -> Vec<u8> {
    let Value::Object(map) = json else { return canonical(json) };
    let mut fields: BTreeMap<&str, Cow<'_, Value>> =
        map.iter().map(|(key, value)| (key.as_str(), Cow::Borrowed(value))).collect();
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata").map(Cow::to_mut) {
        metadata.remove("namespace");
    }
    serde_json::to_vec(&fields).unwrap_or_default()
}

/// Whether an object is a Secret of the core group.
#[must_use]
pub fn is_secret(object: &Object) -> bool {
    object.text("/kind") == "Secret" && !object.text("/apiVersion").contains('/')
}

/// Replaces each value of a Secret.
fn hide(json: &mut Value, mut with: impl FnMut(&str, &str, &Value) -> String) {
    for part in PARTS {
        if let Some(Value::Object(values)) = json.get_mut(part) {
            for (key, value) in values.iter_mut() {
                *value = Value::String(with(part, key, value));
            }
        }
    }
}

/// What stands in place of one value of a Secret.
fn mark(part: &str, value: &Value, again: Option<&Value>, carried: &[(String, String)]) -> String {
    let text = value.as_str().unwrap_or_default();
    let plain = if part == "data" {
        STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    } else {
        text.to_owned()
    };
    let source = carried.iter().find(|(_, secret)| !secret.is_empty() && *secret == plain);
    match source {
        Some((path, _)) => format!("{}{path}", Manifest::CARRIED),
        None if again != Some(value) => Manifest::FREE.to_owned(),
        None => Manifest::HIDDEN.to_owned(),
    }
}

/// Whether a pointer names a Secret's value that both renderings have.
fn is_value_of_both(pointer: &str, json: &Value, other: Option<&Object>) -> bool {
    PARTS.iter().any(|part| {
        pointer.strip_prefix('/').and_then(|rest| rest.strip_prefix(part)).is_some_and(|rest| rest.starts_with('/'))
    }) && json.pointer(pointer).is_some()
        && other.is_some_and(|other| other.at(pointer).is_some())
}

/// Replaces carried plaintexts (and their base64) wherever they stand in a text, and makes those fields free.
fn cover(json: &mut Value, carried: &[(String, String)], pointer: &mut String, free: &mut Vec<JsonPointer>) {
    match json {
        Value::String(text) => {
            // Our own marks stay as they are, whatever the password is.
            if text.starts_with("portolan:") {
                return;
            }
            for (path, secret) in carried.iter().filter(|(_, text)| text.len() >= SHORTEST) {
                for form in [secret.clone(), STANDARD.encode(secret)] {
                    if text.contains(&form) {
                        *text = text.replace(&form, &format!("{}{path}", Manifest::CARRIED));
                        free.push(JsonPointer::new(pointer));
                    }
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                within(pointer, &index.to_string(), |pointer| {
                    cover(item, carried, pointer, free);
                });
            }
        }
        Value::Object(map) => {
            for (key, value) in map.iter_mut().filter(|(key, _)| !is_name(key)) {
                within(pointer, &portolan_model::pointer_part(key), |pointer| {
                    cover(value, carried, pointer, free);
                });
            }
        }
        _ => {}
    }
}

/// Whether a field names something. A password such as `postgres` is found in many names; replaced there, the
/// document would be another one.
fn is_name(key: &str) -> bool {
    key.ends_with("Name")
        || matches!(key, "name" | "namespace" | "kind" | "apiVersion" | "image" | "labels" | "matchLabels" | "selector")
}

/// Runs something with a pointer that is one part longer.
fn within(pointer: &mut String, part: &str, run: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(part);
    run(pointer);
    pointer.truncate(length);
}

/// Takes a field off. An item of a list becomes null instead: the others must keep their places.
fn take_off(json: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else {
        return;
    };
    let last = portolan_model::pointer_key(last);
    match json.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.remove(&last);
        }
        Some(Value::Array(items)) => {
            if let Some(item) = last.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
                *item = Value::Null;
            }
        }
        _ => {}
    }
}

/// The values of a Secret in the clear, by key; values that are no text are left out.
#[must_use]
pub fn plaintexts(secret: &Object) -> BTreeMap<String, String> {
    let of = |part: &str| secret.0.get(part).and_then(Value::as_object);
    let decode = |value: &Value| String::from_utf8(STANDARD.decode(value.as_str()?).ok()?).ok();
    let empty = Map::new();
    let data = of("data").unwrap_or(&empty);
    let text = of("stringData").unwrap_or(&empty);
    data.iter()
        .filter_map(|(key, value)| Some((key.clone(), decode(value)?)))
        .chain(text.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest;

    fn docs(text: &str) -> Vec<Object> {
        manifest::parse(text, "ns").expect("the test's manifest")
    }

    #[test]
    fn a_key_without_a_value_stays_one() {
        let secret = &docs(
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: '', b: eA==}\nstringData: {c: '', d: x}\n",
        )[0];
        let shown = secret_keys_and_empty(secret);
        let texts = ["/data/a", "/data/b", "/stringData/c", "/stringData/d"].map(|at| shown.text(at).to_owned());
        assert_eq!(texts, ["", Manifest::HIDDEN, "", Manifest::HIDDEN]);
    }

    // `c2VjcmV0LW9uZQ==` is secret-one, `Zml4ZWQ=` is fixed, `cmFuZG9tMQ==` and `cmFuZG9tMg==` are random1 and random2.
    const FIRST: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {pw: c2VjcmV0LW9uZQ==, fix: Zml4ZWQ=, rnd: cmFuZG9tMQ==}\nstringData: {plain: secret-one}\n\
        ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, annotations: {a/b: one}}\ndata: {url: 'postgres://u:secret-one@h', same: x}\nlist: [1, 2]\nlonger: [1]\n";
    const SECOND: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {pw: c2VjcmV0LW9uZQ==, fix: Zml4ZWQ=, rnd: cmFuZG9tMg==}\nstringData: {plain: secret-one}\n\
        ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, annotations: {a/b: two}}\ndata: {url: 'postgres://u:secret-one@h', same: x}\nlist: [1, 3]\nlonger: [1, 2]\n";

    fn texts(pointers: &[JsonPointer]) -> Vec<&str> {
        pointers.iter().map(JsonPointer::as_str).collect()
    }

    fn carried() -> Vec<(String, String)> {
        vec![("auth.password".into(), "secret-one".into())]
    }

    #[test]
    fn no_secret_is_left_and_free_fields_are_listed() {
        let manifest = planned(&docs(FIRST), &docs(SECOND), &carried());
        let secret = &manifest.docs[0];
        assert_eq!(secret.text("/data/pw"), "portolan:carried:auth.password");
        assert_eq!(secret.text("/stringData/plain"), "portolan:carried:auth.password");
        assert_eq!(secret.text("/data/fix"), Manifest::HIDDEN);
        assert_eq!(secret.text("/data/rnd"), Manifest::FREE);
        assert_eq!(manifest.docs[1].text("/data/url"), "postgres://u:portolan:carried:auth.password@h");
        let free: Vec<&Vec<JsonPointer>> = manifest.nondeterministic_fields.values().collect();
        assert_eq!(free.len(), 1);
        assert_eq!(texts(free[0]), ["/data/url", "/list/1", "/longer", "/metadata/annotations/a~1b"]);
        let text = serde_json::to_string(&manifest).expect("a manifest is JSON");
        for secret in ["secret-one", "c2VjcmV0LW9uZQ==", "Zml4ZWQ=", "cmFuZG9t"] {
            assert!(!text.contains(secret), "{secret}");
        }
    }

    #[test]
    fn planned_and_stored_have_the_same_fingerprint() {
        let manifest = planned(&docs(FIRST), &docs(SECOND), &carried());
        let want = fingerprint(&manifest.docs, &manifest.nondeterministic_fields);
        assert_eq!(fingerprint(&docs(FIRST), &manifest.nondeterministic_fields), want);
        assert_eq!(fingerprint(&docs(SECOND), &manifest.nondeterministic_fields), want);
        let written: Manifest = serde_json::from_slice(&portolan_model::canonical(&manifest)).expect("it reads back");
        assert_eq!(fingerprint(&written.docs, &written.nondeterministic_fields), want);
        let other = docs(&SECOND.replace("same: x", "same: y"));
        assert_ne!(fingerprint(&other, &manifest.nondeterministic_fields), want);
        let key = docs(&SECOND.replace("fix:", "fixed:"));
        assert_ne!(fingerprint(&key, &manifest.nondeterministic_fields), want);
    }

    #[test]
    fn layout_and_namespace_do_not_count() {
        let flow = "{kind: Service, apiVersion: v1, metadata: {namespace: ns, name: a}, spec: {ports: [{port: 80}]}}";
        let block = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  ports:\n  - port: 80\n";
        let none = BTreeMap::new();
        let prints = fingerprint(&docs(flow), &none);
        assert_eq!(fingerprint(&docs(block), &none), prints);
        // It is in plans and journals, so it stays what it is.
        let without = json!({
            "kind": "Service", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]},
        });
        assert_eq!(prints.into_values().collect::<Vec<_>>(), [Digest::of_value(&without)]);
    }

    #[test]
    fn what_comes_and_goes_is_free() {
        let second = SECOND.replace(", rnd: cmFuZG9tMg==", ", new: bmV3");
        let manifest = planned(&docs(FIRST), &docs(&second), &[]);
        assert_eq!(texts(&manifest.nondeterministic_fields[&Ref::secret("ns", "s")]), ["/data/new", "/data/rnd"]);
        let manifest = planned(&docs(FIRST), &[], &[]);
        assert_eq!(texts(&manifest.nondeterministic_fields[&Ref::secret("ns", "s")]), [""]);
        assert!(fingerprint(&manifest.docs, &manifest.nondeterministic_fields).is_empty());
    }

    #[test]
    fn an_inventory_keeps_keys_only() {
        let secret = secret_keys_only(&docs(FIRST)[0]);
        assert_eq!(secret.data_keys(), ["fix", "pw", "rnd", "plain"]);
        assert_eq!(secret.text("/data/pw"), Manifest::HIDDEN);
        assert_eq!(plaintexts(&docs(FIRST)[0])["pw"], "secret-one");
    }
}

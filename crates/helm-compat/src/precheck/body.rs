//! What is sent in a dry run.

use portolan_model::{CheckAsk, HelmClient, Manifest, Object, ReleaseId};
use serde_json::{Value, json};

use crate::{merge, redact, upgrade};

/// In place of a value of a Secret that is not at hand: base64 of `{}`, which each type of Secret takes.
const PLACEHOLDER: &str = "e30=";

/// A document of the manifest with the marks that helm gives it (`setMetadataVisitor` in `pkg/action/validate.go`). Hooks get none.
pub(super) fn marked(doc: &Object, release: &ReleaseId) -> Object {
    let mut json = (*doc.0).clone();
    let mut put = |part: &str, key: &str, value: &str| {
        let map = &mut json["metadata"][part];
        if !map.is_object() {
            *map = json!({});
        }
        map[key] = value.into();
    };
    put("labels", "app.kubernetes.io/managed-by", "Helm");
    put("annotations", "meta.helm.sh/release-name", &release.name);
    put("annotations", "meta.helm.sh/release-namespace", &release.namespace);
    Object::new(json)
}

/// An object as it can be created: where the values of a Secret are marks, with values in their place.
pub(super) fn sendable(doc: &Object) -> Object {
    if !redact::is_secret(doc) {
        return doc.clone();
    }
    let mut json = (*doc.0).clone();
    for (part, value) in [("data", PLACEHOLDER), ("stringData", "{}")] {
        for text in json.get_mut(part).and_then(Value::as_object_mut).into_iter().flat_map(|map| map.values_mut()) {
            if text.as_str().is_some_and(is_mark) {
                *text = value.into();
            }
        }
    }
    Object::new(json)
}

/// The server-side apply of an object. Helm's manager is the name of its program (`getManagedFieldsManager` in
/// `pkg/kube/client.go`). Of a Secret without its values the data is left out: any other value could be a conflict.
pub(super) fn apply(client: &HelmClient, doc: &Object) -> CheckAsk {
    let program = client.path().and_then(|path| path.rsplit('/').next());
    let manager = program.filter(|name| !name.is_empty()).unwrap_or("helm").to_owned();
    let body = if is_hidden(doc) { without_data(doc) } else { doc.clone() };
    CheckAsk::Apply { manager, body }
}

/// A JSON merge patch that makes of the live object what helm's patch makes of it; `None` where helm sends none.
///
/// The data of a Secret is in it only where the server would look at it, and the values are at hand.
pub(super) fn patch(stored: Option<&Object>, doc: &Object, live: &Object) -> Option<Value> {
    let is_secret = redact::is_secret(doc);
    let [stored, plain, is] = if is_secret {
        [stored.map(without_data), Some(without_data(doc)), Some(without_data(live))]
    } else {
        [stored.cloned(), Some(doc.clone()), Some(live.clone())]
    };
    let (plain, is) = (plain?, is?);
    let result = upgrade::patched(stored.as_ref(), &plain, &is);
    let mut patch = merge::merge_patch(&is.0, &result.0).unwrap_or_else(|| json!({}));
    if is_secret && live.at("/immutable") == Some(&Value::Bool(true)) && !is_hidden(doc) {
        for part in ["data", "stringData"] {
            if let Some(data) = doc.0.get(part) {
                patch[part] = data.clone();
            }
        }
    }
    if let Some(map) = patch.as_object_mut() {
        map.remove("apiVersion");
        map.remove("kind");
    }
    patch.as_object().is_some_and(|map| !map.is_empty()).then_some(patch)
}

fn without_data(secret: &Object) -> Object {
    let mut json = (*secret.0).clone();
    if let Some(map) = json.as_object_mut() {
        map.remove("data");
        map.remove("stringData");
    }
    Object::new(json)
}

fn is_hidden(doc: &Object) -> bool {
    let texts = ["data", "stringData"].into_iter().filter_map(|part| doc.0.get(part)?.as_object());
    redact::is_secret(doc) && texts.flat_map(|map| map.values()).filter_map(Value::as_str).any(is_mark)
}

fn is_mark(text: &str) -> bool {
    text == Manifest::FREE || text == Manifest::HIDDEN || text.starts_with(Manifest::CARRIED)
}

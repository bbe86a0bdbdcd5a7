//! What helm sees when a hop begins that does not live yet, or lives still: what our steps will have deleted, and what helm
//! will have made in the hops before.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_helm_compat::{redact, upgrade};
use portolan_model::{Change, Manifest, Object, ObjectChange, Overlay, Ref, ReleaseId};
use serde_json::{Value, json};

use super::planning::HopRendering;
use super::projected_state::ProjectedState;
use portolan_inventory::survey::Secrets;

/// An overlay of a hop: the one that the hop before left, and what this hop's steps change before helm starts. `live` is what
/// lives when helm starts.
pub(super) fn before_helm(left: &Overlay, state: &ProjectedState, live: &BTreeMap<Ref, Object>) -> Overlay {
    let mut overlay = left.clone();
    for (name, object) in &state.objects {
        match live.get(name) {
            None => {
                overlay.shown.remove(name);
                overlay.hidden.insert(name.clone());
            }
            Some(now) if now != object => {
                overlay.shown.insert(name.clone(), now.clone());
            }
            Some(_) => {}
        }
    }
    overlay
}

/// What a hop leaves, for one of its two renderings.
pub(super) struct After<'a> {
    pub(super) release: &'a ReleaseId,
    pub(super) secrets: &'a Secrets,
    /// The installation before the hop.
    pub(super) before: &'a ProjectedState,
    /// What lived when helm started.
    pub(super) live: &'a BTreeMap<Ref, Object>,
    pub(super) changes: &'a [ObjectChange],
    /// What was rendered, in clear.
    pub(super) rendered: &'a HopRendering,
}

impl After<'_> {
    /// The overlay that was there when helm started, with what helm then does to it.
    pub(super) fn overlay(&self, mut overlay: Overlay) -> Overlay {
        for ObjectChange { change, object: name, .. } in self.changes {
            match (change, self.rendered.object(name)) {
                (Change::Delete, _) => {
                    overlay.shown.remove(name);
                    overlay.hidden.insert(name.clone());
                }
                (Change::Keep, _) | (_, None) => {}
                (_, Some(doc)) => {
                    let object = self.written(name, doc, &overlay);
                    overlay.hidden.remove(name);
                    overlay.shown.insert(name.clone(), object);
                }
            }
        }
        if let Some(record) = self.rendered.record.clone() {
            overlay.shown.extend(record.name().map(|name| (name, record)));
        }
        overlay
    }

    /// An object as helm leaves it. Of a Secret that lives, the keys that helm does not know stay.
    fn written(&self, name: &Ref, doc: &Object, overlay: &Overlay) -> Object {
        let old = self.before.docs.iter().find(|old| old.name().as_ref() == Some(name));
        let known = overlay.shown.get(name);
        let patched = match known.or_else(|| self.live.get(name)) {
            Some(live) => upgrade::patched(old, doc, live),
            None => upgrade::patched(None, doc, doc),
        };
        let mut json = (*patched.0).clone();
        if let Some(Value::Object(metadata)) = json.get_mut("metadata") {
            let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
            if annotations.is_null() {
                *annotations = json!({});
            }
            annotations["meta.helm.sh/release-name"] = self.release.name.as_str().into();
            annotations["meta.helm.sh/release-namespace"] = self.release.namespace.as_str().into();
        }
        if redact::is_secret(&patched) {
            self.fill(name, &mut json);
        }
        Object::new(json)
    }

    /// A Secret as the server keeps it: all in `data`, and in clear.
    fn fill(&self, name: &Ref, json: &mut Value) {
        let texts = json.as_object_mut().and_then(|map| map.remove("stringData")).unwrap_or_default();
        if !json["data"].is_object() {
            json["data"] = json!({});
        }
        if json["type"].is_null() {
            json["type"] = "Opaque".into();
        }
        let Some(Value::Object(data)) = json.get_mut("data") else { return };
        for (key, text) in texts.as_object().into_iter().flatten() {
            data.insert(key.clone(), STANDARD.encode(text.as_str().unwrap_or_default()).into());
        }
        data.retain(|key, value| {
            if !value.as_str().is_some_and(is_mark) {
                return true;
            }
            let plain = self.secrets.get(&portolan_model::SecretKey { secret: name.clone(), key: key.clone() });
            plain.inspect(|plain| *value = STANDARD.encode(plain).into()).is_some()
        });
    }
}

fn is_mark(text: &str) -> bool {
    [Manifest::CARRIED, Manifest::FREE, Manifest::HIDDEN].iter().any(|mark| text.starts_with(mark))
}

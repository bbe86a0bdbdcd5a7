//! An inventory as it is written out, and read back.

use std::collections::{BTreeMap, BTreeSet};

use crate::credential::{is_open, placeholder};
use crate::redaction::Redactor;
use portolan_helm_compat::redact;
use portolan_model::{Code, Finding, Object, Ref, SavedInventory, SecretKey};
use serde_json::Value;

use crate::survey::{Secrets, Survey};

/// What stands at the head of the file.
const ABOUT: &str = "Taken out: data of Secrets, data of ConfigMaps that are not the release's, and what looks like a \
    credential or is the text of a live Secret. Not taken out: names, hosts, images, labels, and credentials \
    that no rule knows. Look through it before you hand it on.";

/// A survey in the form in which it may be written out.
#[must_use]
pub fn saved(survey: &Survey) -> SavedInventory {
    let found = &survey.inventory;
    let known = survey.known();
    let mut handout = Redactor::new(&known);
    let stored: BTreeSet<Ref> = found.release.docs.iter().filter_map(Object::name).collect();
    let values = handout.values(&found.release.config);
    let mut docs = |docs: &[Object]| docs.iter().map(|doc| handout.object(doc, true)).collect();
    let (manifest, hooks) = (docs(&found.release.docs), docs(&found.release.hooks));
    let objects = found.objects.iter().filter(|(name, object)| found.concerns(name, object));
    let objects = objects.map(|(name, object)| {
        let object = handout.object(object, stored.contains(name));
        (name.clone(), with_empty(name, object, &survey.secrets))
    });
    let objects = objects.collect();
    SavedInventory {
        about: ABOUT.into(),
        inventory: found.clone(),
        values,
        manifest,
        hooks,
        objects,
        alike: alike(&survey.secrets),
        redacted: handout.into_places(),
    }
}

/// A Secret in which a key without a value shows that it has none: nothing is carried from there.
fn with_empty(name: &Ref, object: Object, secrets: &Secrets) -> Object {
    let empty: Vec<&str> = secrets
        .iter()
        .filter(|(key, text)| key.secret == *name && text.is_empty())
        .map(|(key, _)| key.key.as_str())
        .collect();
    if empty.is_empty() {
        return object;
    }
    let mut json = (*object.0).clone();
    for key in empty {
        json["data"][key] = "".into();
    }
    Object::new(json)
}

/// Keys that hold the same text.
fn alike(secrets: &Secrets) -> Vec<Vec<SecretKey>> {
    let mut by_text: BTreeMap<&str, Vec<SecretKey>> = BTreeMap::new();
    for (key, text) in secrets.iter().filter(|(key, text)| !text.is_empty() && !is_open(&key.key)) {
        by_text.entry(text).or_default().push(key.clone());
    }
    let mut alike: Vec<Vec<SecretKey>> = by_text.into_values().filter(|keys| keys.len() > 1).collect();
    // By their names: the order of the texts is nobody's business.
    alike.sort();
    alike
}

/// The survey that a written inventory stands for. In place of each value of a Secret stands a text that names its key.
///
/// # Errors
/// [`Code::NoSimulation`] where it is no inventory, or one of another format.
pub fn read_saved(file: Value) -> Result<Survey, Finding> {
    let unusable = |error: String| Finding::blocking(Code::NoSimulation, "it is no saved inventory").with(error);
    portolan_model::check_format(&file).map_err(|error| unusable(error.to_string()))?;
    let saved: SavedInventory = serde_json::from_value(file).map_err(|error| unusable(error.to_string()))?;
    let same: BTreeMap<&SecretKey, &SecretKey> = saved
        .alike
        .iter()
        .filter_map(|keys| Some((keys, keys.first()?)))
        .flat_map(|(keys, first)| keys.iter().map(move |key| (key, first)))
        .collect();
    let secrets = saved.objects.iter().filter(|(_, object)| holds_texts(object)).flat_map(|(name, object)| {
        let keys = object.data_keys().into_iter().map(|key| SecretKey { secret: name.clone(), key: key.to_owned() });
        keys.map(|key| {
            let is_empty = object.at("/data").and_then(|data| data.get(&key.key)).is_some_and(|value| value == "");
            let text = if is_empty { String::new() } else { placeholder(same.get(&key).copied().unwrap_or(&key)) };
            (key, text)
        })
    });
    let secrets = secrets.collect();
    Ok(Survey::new(saved.into_inventory(), secrets))
}

/// Whether the texts of a Secret are among those that a survey keeps.
pub(crate) fn holds_texts(object: &Object) -> bool {
    redact::is_secret(object) && object.text("/type") != "kubernetes.io/service-account-token"
}

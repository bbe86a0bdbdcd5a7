//! How an old value becomes one of the new layout. The set is closed: a recipe names one of these, and what none of them says
//! is asked of the person who upgrades.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How an old value becomes one of the new layout.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transform {
    /// It is the same.
    #[default]
    Same,
    /// `true` becomes `false`, and the other way round.
    Not,
    /// A text becomes the list of what stands between its commas, any other single value a list of one; a list stays.
    List,
    /// `REGISTRY/REPOSITORY:TAG` or `REGISTRY/REPOSITORY@DIGEST` becomes a map of `registry`, `repository`, and `tag` or `digest`.
    Image,
    /// A number gets this unit: with `Mi`, `512` becomes `512Mi`. A text that ends in a unit stays.
    Unit(String),
    /// Each word, as it is printed, becomes the value beside it: `"true": openshift`.
    Words(BTreeMap<String, Value>),
    /// Two keys of a map, such as a certificate and its private key, become the name of the Secret that holds the pair from now on.
    SecretFromPair(PairSecret),
    /// A storage class becomes the name of the PVC that this database or store mounts: the class was for making it.
    ClaimFromStorageClass(String),
}

/// A certificate and its private key that a Secret of type `kubernetes.io/tls` holds from now on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairSecret {
    /// The Secret's name.
    pub secret: String,
    /// The two keys below the old path: the certificate's, the private key's.
    pub keys: [String; 2],
}

impl PairSecret {
    /// Under which keys such a Secret holds the two (`TLSCertKey` and `TLSPrivateKeyKey` in k8s.io/api, core/v1/types.go).
    pub const DATA: [&str; 2] = ["tls.crt", "tls.key"];
}

/// Why a value cannot become one of the new layout, in one clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransformError(&'static str);

impl Transform {
    /// The new value. `claim` tells the PVC that a database or store mounts by its name, where there is one.
    ///
    /// # Errors
    /// Where the old value is not what the transform is for.
    pub fn apply(&self, value: &Value, claim: &dyn Fn(&str) -> Option<String>) -> Result<Value, TransformError> {
        match (self, value) {
            (Self::Same, value) => Ok(value.clone()),
            (Self::Not, Value::Bool(is)) => Ok(Value::Bool(!is)),
            (Self::Not, _) => Err(TransformError("it is neither true nor false")),
            (Self::List, Value::Array(_)) => Ok(value.clone()),
            (Self::List, Value::String(text)) => {
                Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect())
            }
            (Self::List, Value::Object(_) | Value::Null) => Err(TransformError("it is no list and no single value")),
            (Self::List, single) => Ok(json!([single])),
            (Self::Image, Value::String(text)) => {
                image(text).ok_or(TransformError("it is no image such as REGISTRY/REPOSITORY:TAG"))
            }
            (Self::Image, _) => Err(TransformError("it is no text")),
            (Self::Unit(unit), Value::Number(number)) => Ok(json!(format!("{number}{unit}"))),
            (Self::Unit(unit), Value::String(text)) if is_number(text) => Ok(json!(format!("{text}{unit}"))),
            (Self::Unit(_), Value::String(text)) if text.starts_with(|c: char| c.is_ascii_digit()) => Ok(value.clone()),
            (Self::Unit(_), _) => Err(TransformError("it is no number")),
            (Self::Words(words), value) => {
                let printed = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                words.get(&printed).cloned().ok_or(TransformError("it is none of the words that are known"))
            }
            (Self::SecretFromPair(pair), value) => {
                let is_there =
                    |key: &String| value.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
                let whole = pair.keys.iter().all(is_there);
                if whole { Ok(json!(pair.secret)) } else { Err(TransformError("one of the pair is missing")) }
            }
            (Self::ClaimFromStorageClass(name), Value::String(_)) => {
                claim(name).map(Value::from).ok_or(TransformError("no PVC is known that was made of it"))
            }
            (Self::ClaimFromStorageClass(_), _) => Err(TransformError("it is no storage class")),
        }
    }

    /// Whether it is for what lies at this place below the old path (empty, or `.key`).
    #[must_use]
    pub fn is_for(&self, below: &str) -> bool {
        match self {
            Self::SecretFromPair(pair) => {
                below.strip_prefix('.').is_some_and(|key| pair.keys.iter().any(|known| known == key))
            }
            _ => true,
        }
    }

    /// How, in words that follow the new path; empty where the value is the same.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Not => "as its opposite",
            Self::List => "as a list",
            Self::Image => "in its parts",
            Self::Unit(_) => "with its unit",
            Self::Words(_) => "in the words of the new chart",
            Self::SecretFromPair(_) => "as the name of the Secret that holds the pair",
            Self::ClaimFromStorageClass(_) => "as the PVC that was made of it",
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The parts of an image's name. The first part is a registry where it has a dot or a port, or is `localhost`
/// (`ParseDockerRef` in distribution/reference, normalize.go, 0.6).
fn image(text: &str) -> Option<Value> {
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let (registry, rest) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, name),
    };
    let (repository, tag) = rest.split_once(':').map_or((rest, None), |(repository, tag)| (repository, Some(tag)));
    if repository.is_empty() || repository.contains(char::is_whitespace) {
        return None;
    }
    let parts = [("registry", registry), ("repository", Some(repository)), ("tag", tag), ("digest", digest)];
    let parts: Map<String, Value> =
        parts.into_iter().filter_map(|(key, part)| Some((key.to_owned(), json!(part?)))).collect();
    Some(Value::Object(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Transform {
        let keys = ["crt".to_owned(), "key".to_owned()];
        Transform::SecretFromPair(PairSecret { secret: "site-tls".into(), keys })
    }

    #[test]
    fn a_pair_is_taken_for_its_two_keys_alone() {
        for (below, is) in [(".crt", true), (".key", true), (".enabled", false), ("", false), (".crt.x", false)] {
            assert_eq!(pair().is_for(below), is, "{below}");
        }
        assert!(Transform::Same.is_for("") && Transform::Same.is_for(".x"));
    }

    #[test]
    fn each_transform_takes_what_it_is_for_and_nothing_else() {
        let words = Transform::Words([("true".to_owned(), json!("openshift"))].into());
        for (transform, old, new) in [
            (Transform::Same, json!({"a": [1]}), Some(json!({"a": [1]}))),
            (Transform::Not, json!(true), Some(json!(false))),
            (Transform::Not, json!("true"), None),
            (Transform::List, json!("10.0.0.1, 10.0.0.2"), Some(json!(["10.0.0.1", "10.0.0.2"]))),
            (Transform::List, json!(["a"]), Some(json!(["a"]))),
            (Transform::List, json!(7), Some(json!([7]))),
            (Transform::List, json!({"a": 1}), None),
            (
                Transform::Image,
                json!("registry.example:5000/runai/backend:2.8.20"),
                Some(json!({"registry": "registry.example:5000", "repository": "runai/backend", "tag": "2.8.20"})),
            ),
            (
                Transform::Image,
                json!("runai/backend@sha256:abc"),
                Some(json!({"repository": "runai/backend", "digest": "sha256:abc"})),
            ),
            (Transform::Image, json!("localhost/a"), Some(json!({"registry": "localhost", "repository": "a"}))),
            (Transform::Image, json!(":tag"), None),
            (Transform::Image, json!(3), None),
            (Transform::Unit("Mi".into()), json!(512), Some(json!("512Mi"))),
            (Transform::Unit("Mi".into()), json!("512"), Some(json!("512Mi"))),
            (Transform::Unit("Mi".into()), json!("1Gi"), Some(json!("1Gi"))),
            (Transform::Unit("Mi".into()), json!("lots"), None),
            (words.clone(), json!(true), Some(json!("openshift"))),
            (words.clone(), json!("true"), Some(json!("openshift"))),
            (words, json!(false), None),
            (pair(), json!({"crt": "a", "key": "b", "enabled": true}), Some(json!("site-tls"))),
            (pair(), json!({"crt": "a", "key": ""}), None),
            (pair(), json!({"crt": "a"}), None),
            (Transform::ClaimFromStorageClass("postgresql".into()), json!("fast"), Some(json!("pvc-postgresql"))),
            (Transform::ClaimFromStorageClass("postgresql".into()), json!({"a": 1}), None),
            (Transform::ClaimFromStorageClass("thanos".into()), json!("fast"), None),
        ] {
            let claim = |name: &str| (name == "postgresql").then(|| "pvc-postgresql".to_owned());
            assert_eq!(transform.apply(&old, &claim).ok(), new, "{transform:?} of {old}");
        }
    }
}

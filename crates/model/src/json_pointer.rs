use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A field of an object, as RFC 6901 writes it: `/metadata/annotations/helm.sh~1resource-policy`. Empty for the whole object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct JsonPointer(String);

impl JsonPointer {
    /// A pointer as RFC 6901 writes it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// A field as people write it, `spec.strategy.type`, whose keys have neither dots nor slashes.
    #[must_use]
    pub fn of_dotted(text: &str) -> Self {
        Self(format!("/{}", text.replace('.', "/")))
    }

    /// As RFC 6901 writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the whole object.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// As people write it: `metadata.annotations.helm.sh/resource-policy`.
    #[must_use]
    pub fn dotted(&self) -> String {
        let keys: Vec<String> = self.0.split('/').skip(1).map(pointer_key).collect();
        keys.join(".")
    }
}

/// The first field for which something holds, told the field and its pointer; a map or a list goes before what is in it.
#[must_use]
pub fn first_field(value: &Value, holds: &dyn Fn(&Value, &str) -> bool) -> Option<JsonPointer> {
    fn walk(value: &Value, at: &mut String, holds: &dyn Fn(&Value, &str) -> bool) -> Option<JsonPointer> {
        if holds(value, at) {
            return Some(JsonPointer::new(at));
        }
        let length = at.len();
        let mut below = |key: &str, inner: &Value| {
            at.push('/');
            at.push_str(key);
            let found = walk(inner, at, holds);
            at.truncate(length);
            found
        };
        match value {
            Value::Object(map) => map.iter().find_map(|(key, inner)| below(&pointer_part(key), inner)),
            Value::Array(items) => items.iter().enumerate().find_map(|(index, inner)| below(&index.to_string(), inner)),
            _ => None,
        }
    }
    walk(value, &mut String::new(), holds)
}

/// The fields in which two values differ, in order. Lists of different lengths differ as a whole, and so does what only one of them has.
#[must_use]
pub fn differing_fields(one: &Value, other: &Value) -> Vec<JsonPointer> {
    fn walk(one: &Value, other: &Value, at: &str, found: &mut Vec<JsonPointer>) {
        match (one, other) {
            (Value::Object(one), Value::Object(other)) => {
                let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
                for key in keys {
                    let field = format!("{at}/{}", pointer_part(key));
                    match (one.get(key), other.get(key)) {
                        (Some(one), Some(other)) => walk(one, other, &field, found),
                        _ => found.push(field.into()),
                    }
                }
            }
            (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
                for (index, (one, other)) in one.iter().zip(other).enumerate() {
                    walk(one, other, &format!("{at}/{index}"), found);
                }
            }
            _ if one == other => {}
            _ => found.push(JsonPointer::new(at)),
        }
    }
    let mut found = Vec::new();
    walk(one, other, "", &mut found);
    found
}

impl From<String> for JsonPointer {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A key as part of a JSON pointer (RFC 6901).
#[must_use]
pub fn pointer_part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The key that a part of a pointer stands for.
#[must_use]
pub fn pointer_key(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_field_is_found_from_the_outside_in() {
        let value = json!({"a/b": [{"c": "x"}, "x"], "d": {"e": "x"}});
        let found = |wanted: Value| first_field(&value, &|field, _| *field == wanted).map(|at| at.to_string());
        assert_eq!(found(json!("x")).as_deref(), Some("/a~1b/0/c"));
        assert_eq!(found(json!({"e": "x"})).as_deref(), Some("/d"));
        assert_eq!(found(value.clone()).as_deref(), Some(""));
        assert_eq!(found(json!("y")), None);
        let last = first_field(&value, &|field, at| field.is_string() && at.starts_with("/d"));
        assert_eq!(last, Some(JsonPointer::new("/d/e")));
    }

    #[test]
    fn fields_that_differ_are_named_as_deep_as_both_have_them() {
        let one = json!({"same": 1, "a/b": {"c": 1, "gone": 1}, "list": [1, {"d": 1}], "longer": [1]});
        let other = json!({"same": 1, "a/b": {"c": 2, "new": 1}, "list": [1, {"d": 2}], "longer": [1, 2]});
        let found = differing_fields(&one, &other);
        let texts: Vec<&str> = found.iter().map(JsonPointer::as_str).collect();
        assert_eq!(texts, ["/a~1b/c", "/a~1b/gone", "/a~1b/new", "/list/1/d", "/longer"]);
        assert_eq!(differing_fields(&one, &one), []);
        assert_eq!(differing_fields(&one, &json!([])), [JsonPointer::default()]);
    }

    #[test]
    fn people_read_keys_with_dots_between_them() {
        let key = pointer_part("a/b~1");
        assert_eq!(JsonPointer::from(format!("/metadata/annotations/{key}")).dotted(), "metadata.annotations.a/b~1");
        assert_eq!(JsonPointer::new("/spec/0").dotted(), "spec.0");
        assert_eq!(JsonPointer::of_dotted("spec.0"), JsonPointer::new("/spec/0"));
        assert!(JsonPointer::default().is_whole() && JsonPointer::default().dotted().is_empty());
    }
}

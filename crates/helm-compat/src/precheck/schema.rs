//! An object against the schema of its CRD, where the API server has another schema today
//! (`apiextensions-apiserver/pkg/apiserver/{schema,validation}`, Kubernetes 1.34).

use serde_json::{Map, Value};

/// What a schema says of an object.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Where the object breaks it, as JSON pointers, and how.
    pub(super) errors: Vec<(String, String)>,
    /// Whether it has conditions that are not decided here: CEL rules, patterns, formats.
    pub(super) is_open: bool,
}

/// Compares an object with a structural schema. With `is_strict` a field that the schema does not have is an error; without it the
/// server drops such fields.
pub(super) fn validate(schema: &Value, object: &Value, is_strict: bool) -> Verdict {
    let mut walk = Walk { verdict: Verdict::default(), is_strict };
    walk.value(schema, object, "", true);
    walk.verdict
}

struct Walk {
    verdict: Verdict,
    is_strict: bool,
}

impl Walk {
    fn error(&mut self, at: &str, what: impl Into<String>) {
        self.verdict.errors.push((at.to_owned(), what.into()));
    }

    fn value(&mut self, schema: &Value, value: &Value, at: &str, is_root: bool) {
        if value.is_null() {
            if schema["nullable"] != true {
                self.verdict.is_open = true;
            }
            return;
        }
        let has = |key: &str| schema.get(key).is_some();
        self.verdict.is_open |= has("x-kubernetes-validations") || has("pattern") || has("format") || has("multipleOf");
        if !is_of_type(schema, value) {
            let wanted = schema["type"].as_str().unwrap_or_default();
            return self.error(at, format!("Invalid value: {}: must be of type {wanted}", short(value)));
        }
        if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
            let allowed: Vec<String> = allowed.iter().map(short).collect();
            self.error(at, format!("Unsupported value: {}: supported values: {}", short(value), allowed.join(", ")));
        }
        self.bounds(schema, value, at);
        self.combined(schema, value, at);
        match value {
            Value::Object(map) => self.map(schema, map, at, is_root),
            Value::Array(items) => {
                if let Some(of_items) = schema.get("items") {
                    items
                        .iter()
                        .enumerate()
                        .for_each(|(i, item)| self.value(of_items, item, &format!("{at}/{i}"), false));
                }
                self.verdict.is_open |= matches!(schema["x-kubernetes-list-type"].as_str(), Some("map" | "set"));
            }
            _ => {}
        }
    }

    fn map(&mut self, schema: &Value, map: &Map<String, Value>, at: &str, is_root: bool) {
        let is_object = is_root || schema["x-kubernetes-embedded-resource"] == true;
        let properties = schema["properties"].as_object();
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let has_default = properties.and_then(|all| all.get(key)?.get("default")).is_some();
            if !map.contains_key(key) && !has_default {
                self.error(&format!("{at}/{}", portolan_model::pointer_part(key)), "Required value");
            }
        }
        for (key, value) in map {
            let inside = format!("{at}/{}", portolan_model::pointer_part(key));
            if is_object && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
                continue;
            }
            let more = schema.get("additionalProperties");
            match (properties.and_then(|all| all.get(key)), more) {
                (Some(own), _) => self.value(own, value, &inside, false),
                (None, Some(more @ Value::Object(_))) => self.value(more, value, &inside, false),
                (None, Some(Value::Bool(true))) => {}
                _ if schema["x-kubernetes-preserve-unknown-fields"] == true => {}
                _ if is_root && key == "status" => {}
                _ if self.is_strict => self.error(&inside, "field not declared in schema"),
                _ => {}
            }
        }
    }

    fn bounds(&mut self, schema: &Value, value: &Value, at: &str) {
        let length = match value {
            Value::String(text) => Some(("minLength", "maxLength", text.chars().count())),
            Value::Array(items) => Some(("minItems", "maxItems", items.len())),
            Value::Object(map) => Some(("minProperties", "maxProperties", map.len())),
            _ => None,
        };
        if let Some((least, most, has)) = length {
            let bound = |key: &str| schema[key].as_u64().and_then(|bound| usize::try_from(bound).ok());
            if let Some(bound) = bound(least).filter(|bound| has < *bound) {
                self.error(at, format!("Invalid value: {}: {least} is {bound}", short(value)));
            }
            if let Some(bound) = bound(most).filter(|bound| has > *bound) {
                self.error(at, format!("Invalid value: {}: {most} is {bound}", short(value)));
            }
        }
        let Some(number) = value.as_f64() else { return };
        let is_open = |key: &str| schema[key] == true;
        if let Some(least) = schema["minimum"].as_f64()
            && (number < least || (is_open("exclusiveMinimum") && number <= least))
        {
            self.error(at, format!("Invalid value: {value}: minimum is {}", schema["minimum"]));
        }
        if let Some(most) = schema["maximum"].as_f64()
            && (number > most || (is_open("exclusiveMaximum") && number >= most))
        {
            self.error(at, format!("Invalid value: {value}: maximum is {}", schema["maximum"]));
        }
    }

    /// `allOf`, `anyOf`, `oneOf` and `not`: in a structural schema they only narrow what the rest says.
    fn combined(&mut self, schema: &Value, value: &Value, at: &str) {
        let is_valid = |part: &Value| {
            let mut walk = Walk { verdict: Verdict::default(), is_strict: false };
            walk.value(part, value, at, false);
            (walk.verdict.errors.is_empty(), walk.verdict.is_open)
        };
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let is_strict = std::mem::replace(&mut self.is_strict, false);
            self.value(part, value, at, false);
            self.is_strict = is_strict;
        }
        for key in ["anyOf", "oneOf"] {
            let Some(parts) = schema[key].as_array() else { continue };
            let judged: Vec<(bool, bool)> = parts.iter().map(is_valid).collect();
            let valid = judged.iter().filter(|(is_valid, _)| *is_valid).count();
            self.verdict.is_open |= judged.iter().any(|(_, is_open)| *is_open);
            if valid == 0 || (key == "oneOf" && valid > 1 && !judged.iter().any(|(_, is_open)| *is_open)) {
                self.error(at, format!("Invalid value: {}: fits {valid} of the schemas in {key}", short(value)));
            }
        }
        if let Some(part) = schema.get("not") {
            let (is_valid, is_open) = is_valid(part);
            self.verdict.is_open |= is_open;
            if is_valid && !is_open {
                self.error(at, format!("Invalid value: {}: fits a schema that is ruled out", short(value)));
            }
        }
    }
}

fn is_of_type(schema: &Value, value: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_string() || value.is_i64() || value.is_u64();
    }
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("number") => value.is_number(),
        _ => true,
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".into(),
        Value::Array(_) => "a list".into(),
        other => other.to_string().chars().take(60).collect(),
    }
}

/// Whether two versions of a CRD say the same of an object.
pub(super) fn is_same(a: &Value, b: &Value) -> bool {
    a["served"] == b["served"] && portolan_kube_facts::semantics::equal(&a["schema"], &b["schema"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_condition_is_kept_or_broken() {
        let of = |spec: Value| json!({"type": "object", "properties": {"spec": spec}});
        let cases = [
            (json!({"type": "string"}), json!("a"), json!(1)),
            (json!({"type": "integer"}), json!(1), json!(1.5)),
            (json!({"type": "boolean"}), json!(true), json!("true")),
            (json!({"x-kubernetes-int-or-string": true}), json!("1"), json!([])),
            (json!({"enum": ["a", "b"]}), json!("b"), json!("c")),
            (json!({"type": "string", "minLength": 2, "maxLength": 3}), json!("äö"), json!("abcd")),
            (json!({"type": "integer", "minimum": 2}), json!(2), json!(1)),
            (json!({"type": "integer", "maximum": 2, "exclusiveMaximum": true}), json!(1), json!(2)),
            (json!({"type": "array", "maxItems": 1, "items": {"type": "string"}}), json!(["a"]), json!([1])),
            (json!({"type": "object", "additionalProperties": {"type": "string"}}), json!({"a": "b"}), json!({"a": 1})),
            (json!({"type": "object", "properties": {"a": {}}, "required": ["a"]}), json!({"a": 1}), json!({})),
            (json!({"type": "object", "properties": {"a": {"default": 1}}, "required": ["a"]}), json!({}), json!(1)),
            (json!({"anyOf": [{"enum": [1]}, {"enum": [2]}]}), json!(2), json!(3)),
            (json!({"oneOf": [{"enum": [1]}, {"enum": [1, 2]}]}), json!(2), json!(1)),
            (json!({"allOf": [{"enum": [1]}]}), json!(1), json!(2)),
            (json!({"not": {"enum": [1]}}), json!(2), json!(1)),
        ];
        for (schema, good, bad) in cases {
            let judge = |value: &Value| validate(&of(schema.clone()), &json!({"spec": value}), false);
            assert_eq!(judge(&good), Verdict::default(), "{schema} {good}");
            let broken = judge(&bad);
            assert!(broken.errors.iter().any(|(at, _)| at.starts_with("/spec")), "{schema} {bad}");
        }
    }

    #[test]
    fn what_is_not_decided_is_open() {
        for schema in [
            json!({"properties": {"a": {"pattern": "^a$"}}}),
            json!({"x-kubernetes-validations": [{"rule": "false"}]}),
            json!({"properties": {"a": {"type": "string", "format": "date-time"}}}),
        ] {
            assert_eq!(validate(&schema, &json!({"a": "b"}), false), Verdict { errors: Vec::new(), is_open: true });
        }
    }

    #[test]
    fn unknown_fields_count_where_they_are_not_dropped() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {}}}}});
        let object = json!({"apiVersion": "g/v1", "metadata": {"name": "x"}, "spec": {"b": 1}});
        assert_eq!(validate(&schema, &object, false), Verdict::default());
        assert_eq!(validate(&schema, &object, true).errors[0].0, "/spec/b");
    }
}

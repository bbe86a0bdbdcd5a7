//! What a machine reads is what the published schemas say.

use std::path::Path;

use serde_json::Value;

use crate::support::User;

/// What of a value is not as the schema says: types, required and unknown fields, all the way down.
fn wrong(schema: &Value, part: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(target) = part["$ref"].as_str() {
        let target = schema.pointer(target.trim_start_matches('#')).expect("a reference leads somewhere");
        let mut all = wrong(schema, target, value, at);
        // A tag is written next to what it tags.
        if let Some(tags) = part["properties"].as_object() {
            all.retain(|complaint| !tags.keys().any(|tag| *complaint == format!("{at}: {tag} is not in the schema")));
        }
        return all;
    }
    if let Some(choices) = ["anyOf", "oneOf"].iter().find_map(|word| part[*word].as_array()) {
        let fits = choices.iter().any(|choice| wrong(schema, choice, value, at).is_empty());
        return if fits { Vec::new() } else { vec![format!("{at}: {value} is none of the choices")] };
    }
    if part.get("const").is_some_and(|only| only != value)
        || part["enum"].as_array().is_some_and(|all| !all.contains(value))
    {
        return vec![format!("{at}: {value} is another word")];
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is = |wanted: &Value| wanted == kind || (wanted == "integer" && kind == "number");
    let fits = match &part["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(is),
        one => is(one),
    };
    if !fits {
        return vec![format!("{at}: it is a {kind}, not {}", part["type"])];
    }
    let mut all = Vec::new();
    if let (Some(items), Some(part)) = (value.as_array(), part.get("items")) {
        all.extend(items.iter().enumerate().flat_map(|(n, item)| wrong(schema, part, item, &format!("{at}/{n}"))));
    }
    if let (Some(fields), Some(known)) = (value.as_object(), part["properties"].as_object()) {
        let required = part["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        all.extend(required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{at}: no {name}")));
        for (name, value) in fields {
            match known.get(name) {
                Some(part) => all.extend(wrong(schema, part, value, &format!("{at}/{name}"))),
                None => all.push(format!("{at}: {name} is not in the schema")),
            }
        }
    }
    all
}

fn complaints(name: &str, json: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{name} is not there: cargo xtask docs"));
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    wrong(&schema, &schema, &serde_json::from_str(json).expect("JSON"), "")
}

#[test]
fn what_is_printed_fits_its_schema() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    let none: Vec<String> = Vec::new();
    assert_eq!(complaints("inventory.json", &user.ok("survey --sim here -o json")), none);
    assert_eq!(complaints("plan.json", &user.ok("plan --sim here --to 2.20 -o json")), none);
    assert_eq!(complaints("run.json", &user.ok("upgrade --sim here --to 2.20 --yes -o json")), none);
    assert_eq!(complaints("status.json", &user.ok("status --sim here -o json")), none);
    assert_ne!(complaints("status.json", "[]"), none, "a status is no journal");
    assert_ne!(complaints("plan.json", r#"{"format": 1}"#), none, "a plan has more in it");
    assert_ne!(complaints("run.json", r#"[{"seq": "one"}]"#), none, "a number is no text");
}

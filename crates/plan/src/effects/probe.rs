//! What a value is tried with in place of what the user gave.

use portolan_helm_compat::values;
use portolan_model::ValuesPath;
use serde_json::{Value, json};

/// A value that the user gave, and what it is tried with.
pub(super) struct Leaf {
    pub(super) path: ValuesPath,
    /// In the order in which they are tried. The first takes part in the groups; the others are tried where it shows nothing or
    /// does not render.
    pub(super) probes: Vec<Probe>,
}

/// What takes the place of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Probe {
    /// Nothing: the chart's default applies.
    Removed,
    /// Another value of its type.
    Changed(Value),
}

/// The values that are asked about, each with its probes.
pub(super) fn leaves(given: &Value, defaults: &Value) -> Vec<Leaf> {
    let leaves = values::flatten(given).into_iter();
    leaves
        .map(|(path, value)| {
            let default = values::get(defaults, &path);
            Leaf { probes: probes(&value, default), path: ValuesPath::new(&path) }
        })
        .collect()
}

/// A default that is taken in place of the value keeps the chart in a state that its authors know, so it goes first. Where there is
/// none, `required` and nil pointers lie in wait, and another value of the same type is tried first. Where the value is the default,
/// taking it away would show nothing.
fn probes(given: &Value, default: Option<&Value>) -> Vec<Probe> {
    let changed = changed(given);
    match default {
        Some(default) if default == given => vec![Probe::Changed(changed)],
        Some(default) if *default == changed => vec![Probe::Removed],
        Some(default) if !is_empty(default) => vec![Probe::Removed, Probe::Changed(changed)],
        // A null only takes a default away.
        _ if given.is_null() => vec![Probe::Changed(changed)],
        _ => vec![Probe::Changed(changed), Probe::Removed],
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Another value of the same type and, as far as that goes, of the same form.
fn changed(value: &Value) -> Value {
    match value {
        Value::Null => json!("x"),
        Value::Bool(is) => json!(!is),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => json!(number.checked_add(1).unwrap_or(0)),
            (None, Some(number)) => json!(number + 1.0),
            (None, None) => json!(1),
        },
        Value::String(text) => json!(changed_text(text)),
        // What a list of the chart's holds is not known; most are read as lists of things with names.
        Value::Array(items) if items.is_empty() => json!([{"name": "x"}]),
        Value::Array(items) => changed_item(items),
        Value::Object(map) if map.is_empty() => json!({"x": "x"}),
        Value::Object(map) => {
            let mut map = map.clone();
            if let Some(first) = map.values_mut().next() {
                *first = changed(first);
            }
            Value::Object(map)
        }
    }
}

/// A list whose items are others, each of them: a template may read one of them only.
fn changed_item(items: &[Value]) -> Value {
    let all = |item: &Value| match item {
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), changed(value))).collect()),
        item => changed(item),
    };
    Value::Array(items.iter().map(all).collect())
}

/// The last digit is another one, else the last letter: `10Gi`, `v2.9.1`, `8080` and a host name stay what they are.
fn changed_text(text: &str) -> String {
    match text {
        "true" => return "false".into(),
        "false" => return "true".into(),
        // A template in a value has to stay one.
        _ if text.contains("{{") => return format!("{text}x"),
        _ => {}
    }
    let at = text.rfind(|c: char| c.is_ascii_digit()).or_else(|| text.rfind(|c: char| c.is_ascii_alphabetic()));
    let Some(at) = at else { return format!("{text}x") };
    let (before, rest) = text.split_at(at);
    let mut rest = rest.chars();
    let next = match rest.next() {
        Some('9') => '8',
        Some('z') => 'y',
        Some('Z') => 'Y',
        Some(c) => char::from_u32(u32::from(c) + 1).unwrap_or('x'),
        None => 'x',
    };
    format!("{before}{next}{}", rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_value_has_the_same_form() {
        let cases = [
            (json!("10Gi"), json!("11Gi")),
            (json!("v2.9.9"), json!("v2.9.8")),
            (json!("runai.example.com"), json!("runai.example.con")),
            (json!("true"), json!("false")),
            (json!("{{ .Values.a }}"), json!("{{ .Values.a }}x")),
            (json!(""), json!("x")),
            (json!("zZ"), json!("zY")),
            (json!(true), json!(false)),
            (json!(5432), json!(5433)),
            (json!(1.5), json!(2.5)),
            (json!(u64::MAX), json!(u64::MAX as f64 + 1.0)),
            (json!([]), json!([{"name": "x"}])),
            (json!(["a", {"b": 1}]), json!(["b", {"b": 2}])),
            (json!({}), json!({"x": "x"})),
            (json!(null), json!("x")),
        ];
        for (given, want) in cases {
            assert_eq!(changed(&given), want, "{given}");
        }
    }

    #[test]
    fn a_value_is_tried_with_the_default_only_where_that_is_another_one() {
        let of = |given: Value, default: Option<Value>| probes(&given, default.as_ref());
        assert_eq!(of(json!("a"), Some(json!("a"))), [Probe::Changed(json!("b"))]);
        assert_eq!(of(json!(true), Some(json!(false))), [Probe::Removed]);
        assert_eq!(of(json!("a"), Some(json!("q"))), [Probe::Removed, Probe::Changed(json!("b"))]);
        assert_eq!(of(json!("a"), Some(json!(""))), [Probe::Changed(json!("b")), Probe::Removed]);
        assert_eq!(of(json!("a"), None), [Probe::Changed(json!("b")), Probe::Removed]);
        assert_eq!(of(json!(null), Some(json!("q"))), [Probe::Removed, Probe::Changed(json!("x"))]);
        assert_eq!(of(json!(null), None), [Probe::Changed(json!("x"))]);
    }
}

//! Values: reading, merging and setting them as Helm does.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::set;

mod claim_names;
mod coalesced;
mod commented;
mod cut;
mod nulls;
mod read;
mod references;
mod set_list;

pub use claim_names::claim_names;
pub use coalesced::coalesced;
pub use commented::commented;
pub use cut::{Cut, cut};
pub use nulls::{is_null_at, reuse, without_nulls};
pub use read::{HEADING, ValuesFile, parse, read, stored_heading};
pub use references::References;
pub use set_list::SetList;

/// Why a values file or a `--set` is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", place(*.line, *.column))]
pub struct ValuesError {
    /// The file, or `--set`.
    pub file: String,
    /// The line, from 1; 0 where there is none.
    pub line: usize,
    /// The column, from 1; 0 where there is none.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

fn place(line: usize, column: usize) -> String {
    if line == 0 { String::new() } else { format!(":{line}:{column}") }
}

/// Merges user-supplied values as `--reset-then-reuse-values` does: `over` wins key by key, maps are merged,
/// all else is replaced as a whole. A null in `over` takes the key of `base` away; where `base` has no such key, or has
/// null, the null stays and then deletes the chart's default (`CoalesceTables` in
/// `pkg/chartutil/coalesce.go`, helm 3.22.0; before 3.20.1 a null over a null went away).
#[must_use]
pub fn merge(base: &Value, over: &Value) -> Value {
    let (Value::Object(base), Value::Object(over)) = (base, over) else {
        return over.clone();
    };
    let mut merged = over.clone();
    for (key, old) in base {
        match over.get(key) {
            None => {
                merged.insert(key.clone(), old.clone());
            }
            Some(Value::Null) if !old.is_null() => {
                merged.remove(key);
            }
            Some(new) if new.is_object() && old.is_object() => {
                merged.insert(key.clone(), merge(old, new));
            }
            Some(_) => {}
        }
    }
    Value::Object(merged)
}

/// Lays one given file over another: `over` wins key by key, maps are merged, all else is replaced as a whole, and a null
/// stays a null, since it is for the old values and the chart's defaults to be taken away by it (`mergeMaps` in
/// `pkg/cli/values/options.go`, helm 3.14.4).
#[must_use]
pub fn layer(base: &Value, over: &Value) -> Value {
    let (Value::Object(base), Value::Object(over)) = (base, over) else {
        return over.clone();
    };
    let mut all = base.clone();
    for (key, new) in over {
        let value = match base.get(key) {
            Some(old) => layer(old, new),
            None => new.clone(),
        };
        all.insert(key.clone(), value);
    }
    Value::Object(all)
}

/// Sets the value at a dotted path (`a.b.c`; a dot inside a key is written `\.`); what stands in the way and is
/// no map is replaced.
pub fn set(value: &mut Value, path: &str, new: Value) {
    let mut place = value;
    for key in keys(path) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[key.as_str()];
    }
    *place = new;
}

/// Takes away the value at a dotted path, as [`set`] writes it. The maps that lead to it stay, also empty ones.
pub fn remove(value: &mut Value, path: &str) {
    let keys = keys(path);
    let Some((last, above)) = keys.split_last() else { return };
    let place = above.iter().try_fold(value, |place, key| place.get_mut(key.as_str()));
    if let Some(Value::Object(map)) = place {
        map.remove(last.as_str());
    }
}

/// The value at a dotted path, as [`set`] writes it.
#[must_use]
pub fn get<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    keys(path).iter().try_fold(value, |place, key| place.get(key.as_str()))
}

/// Every value that is no map (or an empty one) with its dotted path, in order.
#[must_use]
pub fn flatten(value: &Value) -> Vec<(String, Value)> {
    fn walk(value: &Value, path: &str, all: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    let key = key.replace('\\', "\\\\").replace('.', "\\.");
                    let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                    walk(value, &path, all);
                }
            }
            _ if path.is_empty() => {}
            _ => all.push((path.to_owned(), value.clone())),
        }
    }
    let mut all = Vec::new();
    walk(value, "", &mut all);
    all
}

/// A number as helm prints it where a template puts it into a text: `12345678` is `1.2345678e+07` there, since values are read
/// as JSON and Go prints a `float64` of seven digits or more with an exponent (`strconv.FormatFloat` with format `g`). `None` where
/// it is no number that can be told.
#[must_use]
pub fn printed(number: &serde_json::Number) -> Option<String> {
    let float = number.as_f64()?;
    let text = format!("{float:e}");
    let (digits, exponent) = text.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    Some(if (-4..6).contains(&exponent) || float == 0.0 {
        float.to_string()
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    })
}

/// The keys of a dotted path.
fn keys(path: &str) -> Vec<String> {
    let mut keys = vec![String::new()];
    let mut chars = path.chars();
    while let Some(next) = chars.next() {
        match (next, keys.last_mut()) {
            ('.', _) => keys.push(String::new()),
            ('\\', Some(key)) => key.extend(chars.next()),
            (_, Some(key)) => key.push(next),
            (_, None) => {}
        }
    }
    keys
}

/// Values as a file for helm: JSON, which is YAML but for the characters that YAML does not take as they are, or takes for
/// the end of a line (`is_printable` and `is_break` in `yamlprivateh.go` of go-yaml 2.4). Those are escaped.
#[must_use]
pub fn file(values: &Value) -> String {
    let mut text = String::new();
    for c in values.to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            _ => text.push(c),
        }
    }
    text
}

/// Reads one `--set`.
///
/// # Errors
/// Where helm refuses it, with helm's reason.
pub fn parse_set(text: &str) -> Result<Value, ValuesError> {
    let mut value = Value::Object(Map::new());
    parse_set_into(text, &mut value)?;
    Ok(value)
}

/// Reads one more `--set`: helm reads each into what the files and the ones before it gave, which an index such as
/// `a[1]` depends on.
///
/// # Errors
/// Where helm refuses it, with helm's reason; `value` may then be changed in part.
pub fn parse_set_into(text: &str, value: &mut Value) -> Result<(), ValuesError> {
    set_into(text, value, "--set", set::typed)
}

/// Reads one more `--set-string`, after all `--set`: each value is text, those of a list too.
///
/// # Errors
/// As [`parse_set_into`].
pub fn parse_set_string_into(text: &str, value: &mut Value) -> Result<(), ValuesError> {
    set_into(text, value, "--set-string", Value::String)
}

fn set_into(text: &str, value: &mut Value, option: &str, read: fn(String) -> Value) -> Result<(), ValuesError> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else {
        return Ok(());
    };
    set::parse_into(text, map, read).map_err(|message| ValuesError { file: option.into(), line: 0, column: 0, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The stored config after `--reset-then-reuse-values` (see `merge`): old, given, result.
    const MERGED: &[(&str, &str, &str)] = &[
        ("{}", r#"{"a":1}"#, r#"{"a":1}"#),
        (r#"{"a":1}"#, "{}", r#"{"a":1}"#),
        (r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"b":3}}"#, r#"{"a":{"b":3,"c":2}}"#),
        (r#"{"a":{"b":1}}"#, r#"{"a":null}"#, "{}"),
        (r#"{"a":{"b":1}}"#, r#"{"a":"s"}"#, r#"{"a":"s"}"#),
        (r#"{"a":"s"}"#, r#"{"a":{"b":1}}"#, r#"{"a":{"b":1}}"#),
        (r#"{"a":[1,2]}"#, r#"{"a":[3]}"#, r#"{"a":[3]}"#),
        ("{}", r#"{"h":null}"#, r#"{"h":null}"#),
        (r#"{"a":{"b":1}}"#, r#"{"a":{"b":null,"d":null}}"#, r#"{"a":{"d":null}}"#),
        (r#"{"h":null}"#, r#"{"h":null}"#, r#"{"h":null}"#),
    ];

    #[test]
    fn old_values_are_merged_as_helm_does() {
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("the test's JSON");
        for (old, given, want) in MERGED {
            assert_eq!(merge(&read(old), &read(given)), read(want), "{old} {given}");
        }
    }

    #[test]
    fn a_null_of_a_later_file_stays_for_helm_to_read() {
        assert_eq!(
            layer(&json!({"a": {"b": 1, "c": 2}, "d": [1]}), &json!({"a": {"b": null}, "d": [2], "e": {}})),
            json!({"a": {"b": null, "c": 2}, "d": [2], "e": {}})
        );
    }

    #[test]
    fn paths_are_set_read_and_listed() {
        let mut value = json!({"a": {"b": 1}, "s": "x"});
        set(&mut value, "a.c", json!([1]));
        set(&mut value, r"n.x\.y", json!(2));
        set(&mut value, "s.t", json!(null));
        assert_eq!(value, json!({"a": {"b": 1, "c": [1]}, "n": {"x.y": 2}, "s": {"t": null}}));
        assert_eq!(get(&value, r"n.x\.y"), Some(&json!(2)));
        let mut less = value.clone();
        for path in [r"n.x\.y", "a.c", "a.q", "q.r", "s.t.u"] {
            remove(&mut less, path);
        }
        assert_eq!(less, json!({"a": {"b": 1}, "n": {}, "s": {"t": null}}));
        assert_eq!(get(&value, "a.x"), None);
        let flat = flatten(&value);
        let paths: Vec<&str> = flat.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["a.b", "a.c", r"n.x\.y", "s.t"]);
        let mut again = json!({});
        for (path, leaf) in flat {
            set(&mut again, &path, leaf);
        }
        assert_eq!(again, value);
    }

    #[test]
    fn a_file_has_nothing_that_yaml_does_not_take() {
        let values = json!({"a\u{7f}": "\u{85}\u{2028}\u{feff} \u{e9}\u{1f6a2}\n"});
        let text = file(&values);
        assert_eq!(text, r#"{"a\u007f":"\u0085\u2028\ufeff é🚢\n"}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("it is JSON"), values);
    }

    #[test]
    fn a_set_goes_into_what_is_there() {
        let mut value = parse("a: [x]\nb: {c: 1}\n", "v").expect("it is YAML");
        parse_set_into("a[1]=y,b.d=2", &mut value).expect("it is a --set");
        assert_eq!(value, json!({"a": ["x", "y"], "b": {"c": 1, "d": 2}}));
        let error = parse_set("a").expect_err("it has no value");
        assert_eq!(error.to_string(), r#"--set: key "a" has no value"#);
        parse_set_string_into("b.d=2,e={1,true,null},f=", &mut value).expect("it is a --set-string");
        assert_eq!(value["b"]["d"], "2");
        assert_eq!((&value["e"], &value["f"]), (&json!(["1", "true", "null"]), &json!("")));
    }

    #[test]
    fn numbers_are_printed_as_by_go() {
        let cases = [
            (json!(0), "0"),
            (json!(999_999), "999999"),
            (json!(1_000_000), "1e+06"),
            (json!(12_345_678), "1.2345678e+07"),
            (json!(-20_260_131), "-2.0260131e+07"),
            (json!(1.5), "1.5"),
            (json!(1_000_650_000), "1.00065e+09"),
            (json!(0.00001), "1e-05"),
        ];
        for (number, expected) in cases {
            let Value::Number(number) = number else { continue };
            assert_eq!(printed(&number).as_deref(), Some(expected));
        }
    }
}

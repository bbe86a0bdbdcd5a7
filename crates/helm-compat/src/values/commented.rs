//! A values file with a comment above each value.

use serde_json::{Map, Value};

use super::ValuesError;

/// Writes values as a file that every helm reads back as they are, with `comment` above each value that has one: its lines,
/// without the `#`.
///
/// # Errors
/// Where a value cannot be written as YAML.
pub fn commented(values: &Value, comment: &dyn Fn(&str) -> Option<String>) -> Result<String, ValuesError> {
    let mut text = String::new();
    if let Value::Object(map) = values {
        write_map(&mut text, map, &mut Place { path: String::new(), depth: 0 }, comment)?;
    }
    if text.is_empty() {
        text.push_str("{}\n");
    }
    Ok(text)
}

struct Place {
    path: String,
    depth: usize,
}

fn write_map(
    text: &mut String,
    map: &Map<String, Value>,
    place: &mut Place,
    comment: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ValuesError> {
    for (key, value) in map {
        let length = place.path.len();
        if length > 0 {
            place.path.push('.');
        }
        place.path.push_str(&key.replace('\\', "\\\\").replace('.', "\\."));
        let indent = "  ".repeat(place.depth);
        for line in comment(&place.path).iter().flat_map(|comment| comment.lines()) {
            text.push_str(&format!("{indent}# {line}\n"));
        }
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push_str(&format!("{indent}{}:\n", quoted(key)));
                place.depth += 1;
                write_map(text, inner, place, comment)?;
                place.depth -= 1;
            }
            // JSON is YAML, on one line and without words that a YAML reads in ways of its own.
            leaf => {
                let leaf = serde_json::to_string(leaf).map_err(|error| ValuesError {
                    file: place.path.clone(),
                    line: 0,
                    column: 0,
                    message: error.to_string(),
                })?;
                text.push_str(&format!("{indent}{}: {}\n", quoted(key), escaped(&leaf)));
            }
        }
        place.path.truncate(length);
    }
    Ok(())
}

/// A key that no YAML takes for a boolean, a number or null: `on`, `1`, `~`.
fn quoted(key: &str) -> String {
    const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    let is_plain = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !WORDS.contains(&key.to_lowercase().as_str());
    if is_plain { key.to_owned() } else { escaped(&Value::from(key).to_string()) }
}

/// JSON without what JSON may hold as it is and go-yaml refuses or takes for the end of a line (`readerc.go` and `yamlprivateh.go` in
/// go-yaml 2.4 and 3.0).
fn escaped(json: &str) -> String {
    let is_odd =
        |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    let escape = |c: char| if is_odd(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::values::parse;

    #[test]
    fn what_is_written_is_read_back_and_has_its_comments() {
        let values = json!({
            "global": {"domain": "runai.example.com", "on": "yes", "1": 1, "a.b": {"c": null}},
            "list": ["a: b", {"x": "#"}], "empty": {}, "text": "one\ntwo\t\u{7f}\u{85}\u{9f}\u{2028}\u{feff}\u{ffff}é🚢", "big": 12_345_678, "no": false,
        });
        let comment = |path: &str| match path {
            "global.domain" => Some("set today as deployment.domain\nsecond line".to_owned()),
            "global.a\\.b.c" => Some("null".to_owned()),
            _ => None,
        };
        let text = commented(&values, &comment).expect("it is written");
        assert_eq!(parse(&text, "f").expect("it is read"), values, "{text}");
        assert!(
            text.contains("  # set today as deployment.domain\n  # second line\n  domain: \"runai.example.com\"\n"),
            "{text}"
        );
        assert!(text.contains("    # null\n    c: null\n"), "{text}");
        assert_eq!(commented(&json!({}), &comment).expect("it is written"), "{}\n");
    }
}

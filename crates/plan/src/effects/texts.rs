//! Values that can be read in the fields that they change: the user's text before, the one that was tried after.

use portolan_helm_compat::values;
use serde_json::Value;

use super::probe::{Leaf, Probe};
use super::tree::{Change, Node, Place};

/// The shortest text that is looked for inside another word; a shorter one has to be a whole word.
const SHORTEST: usize = 4;

/// For each value and each of its probes, the texts in which they differ.
pub(super) struct Texts(Vec<Vec<Vec<Pair>>>);

/// A text of a value.
struct Pair {
    given: String,
    /// What is in its place; `None` for nothing.
    other: Option<String>,
}

impl Texts {
    pub(super) fn of(given: &Value, defaults: &Value, leaves: &[Leaf]) -> Self {
        let of_leaf = |leaf: &Leaf| {
            let path = leaf.path.as_str();
            let given = values::get(given, path).cloned().unwrap_or_default();
            let pairs = |probe: &Probe| {
                let mut found = Vec::new();
                let other = match probe {
                    Probe::Removed => values::get(defaults, path),
                    Probe::Changed(other) => Some(other),
                };
                pair(&given, other, &mut found);
                found
            };
            leaf.probes.iter().map(pairs).collect()
        };
        Self(leaves.iter().map(of_leaf).collect())
    }

    /// Whether a field shows that it is this value, with this probe, that changed it.
    pub(super) fn tell(&self, value: usize, probe: u8, place: &Place, change: &Change) -> bool {
        let [before, after] = [&change.before, &change.after].map(|node| match node {
            Some(Node::Leaf(value)) => print(value),
            // An item of a list is known by its name.
            Some(Node::Inner { .. }) => place.last().cloned(),
            None => None,
        });
        let is_in = |text: &str, field: &Option<String>| field.as_ref().is_some_and(|field| is_in(text, field));
        let pairs = usize::from(probe).checked_sub(1).and_then(|probe| self.0[value].get(probe));
        pairs.into_iter().flatten().any(|Pair { given, other }| match (&before, &after) {
            (Some(_), None) => is_in(given, &before),
            (None, Some(_)) => other.as_ref().is_some_and(|other| is_in(other, &after)),
            _ => is_in(given, &before) && other.as_ref().map_or(!is_in(given, &after), |other| is_in(other, &after)),
        })
    }
}

/// Whether a field shows a text; of one that is a template, what stands around the template.
fn is_in(text: &str, field: &str) -> bool {
    if text.contains("{{") {
        let mut parts = text.split("{{").map(|part| part.rsplit("}}").next().unwrap_or_default());
        return parts.clone().any(|part| part.len() >= SHORTEST) && parts.all(|part| field.contains(part.trim()));
    }
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let is_word = |(at, _): (usize, &str)| {
        !is_part(field[..at].chars().next_back()) && !is_part(field[at + text.len()..].chars().next())
    };
    if text.len() >= SHORTEST { field.contains(text) } else { field.match_indices(text).any(is_word) }
}

/// The texts in which two values differ.
fn pair(given: &Value, other: Option<&Value>, found: &mut Vec<Pair>) {
    match given {
        Value::Object(map) => map.iter().for_each(|(key, value)| pair(value, other.and_then(|it| it.get(key)), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| pair(item, other.and_then(|it| it.get(at)), found));
        }
        // Any field may say true.
        Value::Bool(_) | Value::Null => {}
        scalar if Some(scalar) != other => {
            let given = print(scalar).filter(|text| !text.is_empty());
            found.extend(given.map(|given| Pair { given, other: other.and_then(print) }));
        }
        _ => {}
    }
}

fn print(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use portolan_model::ValuesPath;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_read_in_the_field_that_it_changes() {
        let given = json!({"host": "a.example.com", "port": 8443, "short": "ab", "on": true});
        let defaults = json!({"host": "default.io"});
        let probe = |path: &str, probe: Probe| Leaf { path: ValuesPath::new(path), probes: vec![probe] };
        let texts = Texts::of(
            &given,
            &defaults,
            &[
                probe("host", Probe::Removed),
                probe("port", Probe::Changed(json!(8444))),
                probe("short", Probe::Changed(json!("ac"))),
                probe("on", Probe::Changed(json!(false))),
            ],
        );
        let change = |before: Value, after: Value| Change {
            pointer: String::new(),
            in_text: false,
            before: Some(Node::Leaf(before)),
            after: Some(Node::Leaf(after)),
        };
        let at = vec!["Thing/a".to_owned(), "field".to_owned()];
        let url = change(json!("https://a.example.com:8443/"), json!("https://default.io:8443/"));
        assert!(texts.tell(0, 1, &at, &url) && !texts.tell(1, 1, &at, &url));
        let port = change(json!(8443), json!(8444));
        assert!(texts.tell(1, 1, &at, &port) && !texts.tell(0, 1, &at, &port) && !texts.tell(1, 0, &at, &port));
        let short = change(json!("cab"), json!("cac"));
        assert!(!texts.tell(2, 1, &at, &short) && texts.tell(2, 1, &at, &change(json!("x:ab"), json!("x:ac"))));
        assert!(
            is_in("data.{{ .Values.x }}:y", "https://data.example.com:y")
                && !is_in("data.{{ .Values.x }}:y", "data.example.com:z")
        );
        assert!(!texts.tell(3, 1, &at, &change(json!("true"), json!("false"))));
    }
}

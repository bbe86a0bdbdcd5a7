//! Values that an earlier `--set` cut: a key at its dots, a list before the index that was set.
//!
//! `--set` takes a dot for the end of a key unless a backslash is before it, fills a list with nulls up to the index that is set, and
//! lays the list over the chart's as a whole (`key` and `setIndex` in `pkg/strvals/parser.go`, helm 3.22.0). Helm stores what came of
//! it, and later upgrades carry it on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{flatten, get, keys};

/// Something that is stored otherwise than it was meant, most likely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A key was cut at its dots. The path that was meant, as [`super::set`] writes it.
    Key(String),
    /// These items of a list are null.
    Nulls(Vec<usize>),
    /// A list took the place of the chart's, and its items lack these keys of the chart's items.
    Items {
        /// How many items the list has.
        has: usize,
        /// How many the chart's has.
        of: usize,
        /// The keys.
        lacks: BTreeSet<String>,
    },
}

/// The last part of the domain before the `/` in the names of labels and annotations. A key `io/os` is the end of a longer one.
const ENDINGS: [&str; 14] =
    ["io", "com", "org", "net", "sh", "dev", "run", "ai", "cloud", "app", "de", "eu", "local", "internal"];

/// How the names of maps end whose keys are names with a domain.
const MAPS: [&str; 3] = ["labels", "annotations", "selector"];

/// What is cut among values, by its path. `known` are paths that somebody knows to have keys with dots in them, `defaults` the
/// chart's values.
#[must_use]
pub fn cut<'a>(values: &Value, known: impl IntoIterator<Item = &'a str>, defaults: &Value) -> BTreeMap<String, Cut> {
    let mut all = BTreeMap::new();
    for path in known {
        let keys = keys(path);
        for (at, key) in keys.iter().enumerate().filter(|(_, key)| key.contains('.')) {
            let above = &keys[..at];
            let parts: Vec<String> = above.iter().cloned().chain(key.split('.').map(str::to_owned)).collect();
            let stored = joined(&parts);
            if parts.iter().all(|part| !part.is_empty())
                && get(values, &stored).is_some()
                && get(defaults, &stored).is_none()
            {
                all.insert(stored, Cut::Key(joined(&keys[..=at])));
            }
        }
    }
    if let Value::Object(map) = values {
        names(map, &mut Vec::new(), &mut all);
    }
    for (path, value) in flatten(values) {
        let Value::Array(items) = &value else { continue };
        if let Some(found) = list(items, get(defaults, &path)) {
            all.insert(path, found);
        }
    }
    all
}

fn list(items: &[Value], default: Option<&Value>) -> Option<Cut> {
    let nulls: Vec<usize> = (0..).zip(items).filter(|(_, item)| item.is_null()).map(|(at, _)| at).collect();
    if !nulls.is_empty() {
        return Some(Cut::Nulls(nulls));
    }
    let default = default?.as_array().filter(|default| items.len() <= default.len())?;
    let mut lacks = BTreeSet::new();
    for (item, default) in items.iter().zip(default) {
        let (item, default) = (item.as_object()?, default.as_object()?);
        // What has keys of its own was written as a whole.
        if item.keys().any(|key| !default.contains_key(key)) {
            return None;
        }
        lacks.extend(default.keys().filter(|key| !item.contains_key(*key)).cloned());
    }
    (!lacks.is_empty()).then_some(Cut::Items { has: items.len(), of: default.len(), lacks })
}

/// Names with a domain, such as `kubernetes.io/os`, that were cut.
fn names(map: &Map<String, Value>, above: &mut Vec<String>, all: &mut BTreeMap<String, Cut>) {
    for (key, value) in map {
        if key.split_once('/').is_some_and(|(end, _)| ENDINGS.contains(&end))
            && let Some(parent) = above.last().filter(|parent| is_label(parent))
            && !is_map(parent)
        {
            let first = above.iter().rposition(|name| is_map(name)).map_or(above.len() - 1, |at| at + 1);
            let name = [&above[first..], std::slice::from_ref(key)].concat().join(".");
            let stored = joined(&[above.as_slice(), std::slice::from_ref(key)].concat());
            let meant = joined(&[&above[..first], &[name]].concat());
            all.insert(stored, Cut::Key(meant));
        }
        if let Value::Object(inner) = value {
            above.push(key.clone());
            names(inner, above, all);
            above.pop();
        }
    }
}

fn is_label(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_map(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    MAPS.iter().any(|end| key.ends_with(end))
}

fn joined(keys: &[String]) -> String {
    let escaped = |key: &String| key.replace('\\', "\\\\").replace('.', "\\.");
    keys.iter().map(escaped).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::values::parse_set;

    fn of(values: &Value, defaults: &Value) -> Vec<(String, Cut)> {
        let known: Vec<String> = flatten(defaults).into_iter().map(|(path, _)| path).collect();
        cut(values, known.iter().map(String::as_str), defaults).into_iter().collect()
    }

    fn key(stored: &str, meant: &str) -> (String, Cut) {
        (stored.to_owned(), Cut::Key(meant.to_owned()))
    }

    #[test]
    fn a_key_that_set_cuts_is_found_and_one_with_its_backslash_is_not() {
        let defaults = json!({"grafana": {"grafana.ini": {"server": {"domain": ""}}}, "nodeSelector": {}});
        for (set, found) in [
            ("grafana.grafana.ini.server.domain=a", vec![key("grafana.grafana.ini", r"grafana.grafana\.ini")]),
            (r"grafana.grafana\.ini.server.domain=a", vec![]),
            (
                "nodeSelector.kubernetes.io/os=linux",
                vec![key("nodeSelector.kubernetes.io/os", r"nodeSelector.kubernetes\.io/os")],
            ),
            (r"nodeSelector.kubernetes\.io/os=linux", vec![]),
            (
                "a.podAnnotations.service.beta.kubernetes.io/internal=true",
                vec![key(
                    "a.podAnnotations.service.beta.kubernetes.io/internal",
                    r"a.podAnnotations.service\.beta\.kubernetes\.io/internal",
                )],
            ),
            // Nobody says where the name begins: at the part before, at least.
            ("a.b.example.com/x=1", vec![key("a.b.example.com/x", r"a.b.example\.com/x")]),
            ("nodeSelector.disk/type=ssd", vec![]),
            ("a.labels.io/os=1", vec![]),
        ] {
            assert_eq!(of(&parse_set(set).expect("helm reads it"), &defaults), found, "{set}");
        }
        // A chart that has both has the longer one for something.
        let both = json!({"grafana": {"grafana.ini": {"x": 1}, "grafana": {"ini": 1}}});
        assert_eq!(of(&json!({"grafana": {"grafana": {"ini": 2}}}), &both), []);
    }

    #[test]
    fn a_list_that_set_cuts_is_found_and_one_that_is_whole_is_not() {
        let defaults =
            json!({"hosts": [{"host": "a", "paths": ["/"]}, {"host": "b", "paths": ["/"]}], "ips": ["a", "b", "c"]});
        let items = |has: usize| Cut::Items { has, of: 2, lacks: ["paths".to_owned()].into() };
        for (set, found) in [
            ("ips[2]=d", vec![("ips".to_owned(), Cut::Nulls(vec![0, 1]))]),
            ("other[1].name=d", vec![("other".to_owned(), Cut::Nulls(vec![0]))]),
            ("hosts[0].host=c", vec![("hosts".to_owned(), items(1))]),
            ("ips={d}", vec![]),
            ("hosts[0].host=c,hosts[0].paths={/}", vec![]),
            ("hosts[0].name=c", vec![]),
            ("other[0].name=d", vec![]),
        ] {
            assert_eq!(of(&parse_set(set).expect("helm reads it"), &defaults), found, "{set}");
        }
    }
}

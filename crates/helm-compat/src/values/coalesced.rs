//! The values that a chart's templates see, told without helm.

use serde_json::{Map, Value, json};

use super::{get, layer, merge};
use crate::chart::{self, ChartArchive};
use crate::yaml;

/// The user-supplied values over the defaults of a chart and of the charts that it brings along, as its templates see them: given values
/// win key by key, each subchart has its part under its name or alias together with the globals, and one that a condition or tag
/// switches off has no defaults (`coalesce` in `pkg/chartutil/coalesce.go` and `ProcessDependencies`, helm 3.22.0).
///
/// Helms differ in what a null for a subchart's value does; here it takes the default away. `import-values` are not followed, and of a map
/// in a map among a subchart's globals nothing reaches the chart above, as it does in helm. So a plan takes its renderings from helm, and
/// only looks up here which values hold a text.
#[must_use]
pub fn coalesced(chart: &ChartArchive, given: &Value) -> Value {
    let Subchart { defaults, subcharts, .. } = Subchart::of(chart, String::new(), given);
    fold(merge(&defaults, given), &subcharts)
}

/// A chart with those that it brings along and that are switched on.
struct Subchart {
    /// Its alias, else its name: where its values are in those of the chart that brings it along.
    key: String,
    defaults: Value,
    subcharts: Vec<Self>,
}

impl Subchart {
    /// With these values given.
    fn of(chart: &ChartArchive, key: String, given: &Value) -> Self {
        let all = merge(&chart.values, given);
        let about = chart.files.get("Chart.yaml").and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        let about = yaml::documents(about).ok().and_then(|docs| docs.into_iter().next()).unwrap_or_default();
        let listed: Vec<&Value> = about.get("dependencies").and_then(Value::as_array).into_iter().flatten().collect();
        let mut subcharts = Vec::new();
        for inner in chart::subcharts(chart) {
            let mut add = |key: &str| {
                let part = part(&all, key).unwrap_or_else(|| json!({}));
                subcharts.push(Self::of(&inner, key.to_owned(), &part));
            };
            let of_it: Vec<_> =
                listed.iter().filter(|one| one.get("name").and_then(Value::as_str) == Some(&inner.name)).collect();
            // One that nobody lists is taken along as it is.
            if of_it.is_empty() {
                add(&inner.name);
            }
            for one in of_it.into_iter().filter(|one| is_on(one, &all)) {
                add(one.get("alias").and_then(Value::as_str).unwrap_or(&inner.name));
            }
        }
        // Where subcharts are listed, helm folds their defaults into the chart's own before it looks at what is given.
        let defaults = if listed.is_empty() { chart.values.clone() } else { fold(chart.values.clone(), &subcharts) };
        Self { key, defaults, subcharts }
    }
}

/// A chart's values with the part of each subchart in them.
fn fold(mut all: Value, subcharts: &[Subchart]) -> Value {
    for Subchart { key, defaults, subcharts } in subcharts {
        if let Some(part) = part(&all, key) {
            all[key.as_str()] = fold(merge(defaults, &part), subcharts);
        }
    }
    all
}

/// The part of a subchart among values, with the globals in it. `None` where it is no map, which helm refuses.
fn part(all: &Value, key: &str) -> Option<Value> {
    let part = all.get(key).cloned().unwrap_or_else(|| json!({}));
    part.is_object().then(|| with_globals(part, all.get("global")))
}

/// Whether a dependency is switched on: by the first of its conditions that is true or false, else by its tags.
fn is_on(dependency: &Value, all: &Value) -> bool {
    let conditions = dependency.get("condition").and_then(Value::as_str).unwrap_or_default();
    let decided = conditions.split(',').find_map(|path| get(all, path.trim())?.as_bool());
    let tags = dependency.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let tags: Vec<bool> = tags.filter_map(|tag| all.get("tags")?.get(tag)?.as_bool()).collect();
    decided.unwrap_or(tags.is_empty() || tags.contains(&true))
}

/// A subchart's part with the globals of the chart that brings it along, which win over its own.
fn with_globals(mut part: Value, globals: Option<&Value>) -> Value {
    let own = part.get("global").cloned().unwrap_or_else(|| json!({}));
    let (Some(mut own), none) = (own.as_object().cloned(), Map::new()) else { return part };
    for (key, value) in globals.map_or(Some(&none), Value::as_object).into_iter().flatten() {
        match own.get(key) {
            Some(there) if there.is_object() && value.is_object() => {
                let whole = layer(there, value);
                own.insert(key.clone(), whole);
            }
            // Helm leaves a map and a single value as they are.
            Some(there) if there.is_object() != value.is_object() => {}
            _ => drop(own.insert(key.clone(), value.clone())),
        }
    }
    part["global"] = Value::Object(own);
    part
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn chart(files: &[(&str, &str)]) -> ChartArchive {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        chart::of_files(files.collect::<BTreeMap<_, _>>()).expect("a chart")
    }

    /// A chart with one subchart under two names, the second of which has a condition.
    fn site() -> ChartArchive {
        chart(&[
            (
                "Chart.yaml",
                "name: site\nversion: 1.0.0\ndependencies:\n- {name: db, version: '1'}\n\
                 - {name: db, version: '1', alias: cache, condition: cache.enabled, tags: [extra]}\n",
            ),
            ("values.yaml", "global: {registry: r, tls: {mode: full}}\ndb: {port: 1}\na: 1\n"),
            ("charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n"),
            ("charts/db/values.yaml", "port: 5432\nuser: postgres\nglobal: {registry: own, zone: z}\n"),
        ])
    }

    #[test]
    fn a_subchart_has_its_part_its_defaults_and_the_globals() {
        let all = coalesced(
            &site(),
            &json!({"a": null, "db": {"user": "x"}, "global": {"tls": {"ca": "c"}}, "cache": {"enabled": true}}),
        );
        let global = json!({"registry": "r", "tls": {"mode": "full", "ca": "c"}, "zone": "z"});
        assert_eq!(all["db"], json!({"port": 1, "user": "x", "global": global}));
        assert_eq!(all["cache"], json!({"enabled": true, "port": 5432, "user": "postgres", "global": global}));
        assert_eq!(all.get("a"), None);
        assert_eq!(all["global"], json!({"registry": "r", "tls": {"mode": "full", "ca": "c"}}));
    }

    #[test]
    fn what_is_switched_off_has_no_defaults() {
        let off = |given: Value| coalesced(&site(), &given).get("cache").cloned();
        assert_eq!(off(json!({"cache": {"enabled": false}})), Some(json!({"enabled": false})));
        assert_eq!(off(json!({"tags": {"extra": false}})), None);
        assert!(
            off(json!({"cache": {"enabled": true}, "tags": {"extra": false}})).is_some_and(|part| part["port"] == 5432)
        );
        assert!(off(json!({})).is_some_and(|part| part["port"] == 5432));
    }
}

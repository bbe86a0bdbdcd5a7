//! Charts in the shapes that others write: harmless upgrades of each week stay Safe, harmful ones do not. The cases are in `shapes.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::store::{installed, plan, said};

/// The edits of a chart, by name: pairs of a text and the one in its place.
type Edits = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shapes {
    charts: BTreeMap<String, String>,
    harmless: BTreeMap<String, Edits>,
    harmful: BTreeMap<String, Edits>,
}

fn shapes() -> Shapes {
    serde_saphyr::from_str(include_str!("shapes.yaml")).expect("the cases are readable")
}

/// A chart after its edits.
pub(crate) fn edited(chart: &str, edits: &[String]) -> String {
    edits.chunks(2).fold(chart.to_owned(), |text, pair| match pair {
        [at, more] if at == "+" => text + more,
        [old, new] => {
            assert!(text.contains(old.as_str()), "the chart has {old}");
            text.replace(old.as_str(), new)
        }
        _ => panic!("{edits:?} are pairs"),
    })
}

/// What is said of each edit, without warnings.
fn all(shapes: &Shapes, edits: &BTreeMap<String, Edits>) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for (chart, edits) in edits {
        let old = &shapes.charts[chart];
        let fixture = installed(old, &json!({"csi": {}}));
        for (name, edits) in edits {
            let mut said = said(&plan(&fixture, &edited(old, edits)));
            said.retain(|line| !line.starts_with("Warning"));
            all.push((format!("{chart}/{name}"), said));
        }
    }
    all
}

#[test]
fn charts_of_others_stay_as_they_are() {
    for (name, chart) in &shapes().charts {
        let mut said = said(&plan(&installed(chart, &json!({"csi": {}})), chart));
        said.retain(|line| !line.starts_with("Warning"));
        assert_eq!(said, [""; 0], "{name}");
    }
}

#[test]
fn upgrades_of_each_week_are_safe() {
    let shapes = shapes();
    let mut alarms = all(&shapes, &shapes.harmless);
    assert!(alarms.len() >= 60, "{} harmless edits", alarms.len());
    alarms.retain(|(_, said)| !said.is_empty());
    assert!(alarms.is_empty(), "needless: {alarms:#?}");
}

#[test]
fn upgrades_that_lose_or_hide_data_are_not_safe() {
    let shapes = shapes();
    let mut missed = all(&shapes, &shapes.harmful);
    assert!(missed.len() >= 50, "{} harmful edits", missed.len());
    missed.retain(|(_, said)| said.is_empty());
    let missed: Vec<String> = missed.into_iter().map(|(name, _)| name).collect();
    assert!(missed.is_empty(), "called Safe: {missed:#?}");
}

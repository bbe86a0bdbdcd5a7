//! Charts in the shapes that others write: harmless upgrades of each week stay Safe, harmful ones do not. The cases are in `shapes.yaml`,
//! `shapes-more.yaml`, `shapes-servers.yaml` and `shapes-others.yaml`.

use std::collections::BTreeMap;

use portolan_helm_compat::{manifest, redact};
use portolan_model::SecretKey;
use serde::Deserialize;
use serde_json::json;

use crate::fixture::{Fixture, NS};
use crate::store::{installed, plan, said};

/// The edits of a chart, by name: pairs of a text and the one in its place. What stands behind the last pair is said of them: code, object
/// and field.
type Edits = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shapes {
    charts: BTreeMap<String, String>,
    harmless: BTreeMap<String, Edits>,
    harmful: BTreeMap<String, Edits>,
}

fn shapes() -> Shapes {
    let texts = [
        include_str!("shapes.yaml"),
        include_str!("shapes-more.yaml"),
        include_str!("shapes-servers.yaml"),
        include_str!("shapes-others.yaml"),
    ];
    let [mut all, others @ ..] =
        texts.map(|text| serde_saphyr::from_str::<Shapes>(text).expect("the cases are readable"));
    for more in others {
        all.charts.extend(more.charts);
        all.harmless.extend(more.harmless);
        all.harmful.extend(more.harmful);
    }
    all
}

/// A chart after its edits.
pub(crate) fn edited(chart: &str, edits: &[String]) -> String {
    edits.chunks(2).fold(chart.to_owned(), |text, pair| match pair {
        [at, more] if at == "+" => text + more,
        [old, new] => {
            assert!(text.contains(old.as_str()), "the chart has {old}");
            text.replace(old.as_str(), new)
        }
        // What is said of it.
        [_] => text,
        _ => panic!("{edits:?} are pairs"),
    })
}

/// An installation of a chart whose Secrets can be read.
fn with_secrets(chart: &str) -> Fixture {
    let mut fixture = installed(chart, &json!({"csi": {}}));
    for doc in manifest::parse(chart, NS).expect("a manifest") {
        let name = doc.name().expect("a name");
        if name.kind() == "Secret" {
            let texts = redact::plaintexts(&doc).into_iter();
            fixture.secrets.extend(texts.map(|(key, text)| (SecretKey { secret: name.clone(), key }, text)));
        }
    }
    fixture
}

/// What is said of each edit, without warnings.
fn all(shapes: &Shapes, edits: &BTreeMap<String, Edits>) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for (chart, edits) in edits {
        let old = &shapes.charts[chart];
        let fixture = with_secrets(old);
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
        let mut said = said(&plan(&with_secrets(chart), chart));
        said.retain(|line| !line.starts_with("Warning"));
        assert_eq!(said, [""; 0], "{name}");
    }
}

#[test]
fn upgrades_of_each_week_are_safe() {
    let shapes = shapes();
    let mut alarms = all(&shapes, &shapes.harmless);
    assert!(alarms.len() >= 500, "{} harmless edits", alarms.len());
    alarms.retain(|(_, said)| !said.is_empty());
    assert!(alarms.is_empty(), "needless: {alarms:#?}");
}

#[test]
fn upgrades_that_lose_or_hide_data_are_not_safe() {
    let shapes = shapes();
    let mut missed = all(&shapes, &shapes.harmful);
    assert!(missed.len() >= 500, "{} harmful edits", missed.len());
    let expected = |name: &str| -> Option<&String> {
        let (chart, edit) = name.split_once('/')?;
        let edits = &shapes.harmful[chart][edit];
        edits.last().filter(|_| edits.len() % 2 == 1)
    };
    missed.retain(|(name, said)| expected(name).map_or(said.is_empty(), |one| !said.contains(one)));
    assert!(missed.is_empty(), "called Safe, or for something else: {missed:#?}");
}

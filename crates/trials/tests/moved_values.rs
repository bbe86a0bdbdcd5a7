//! What the recipes and `portolan values --as-set` say of values, held against real helm without a cluster.

use portolan_helm_compat::chart::{self, PackedChart};
use portolan_helm_compat::values::{self, SetList};
use portolan_model::ChartId;
use portolan_recipe::{Confidence, MovedValue, RecipeSet, StepTemplate};
use portolan_testkit::rig::pins;
use portolan_trials::offline::OfflineHelm;
use portolan_workflow::Effect;
use serde_json::{Value, json};

/// Prints what was read, and as which words.
const TEMPLATE: &str = "read: {{ dict \"values\" .Values \"text\" (printf \"%v\" .Values) | toJson | b64enc }}\n";

/// What a site may set, and what `--set` is known to change.
fn tricky() -> Value {
    json!({
        "domain": "runai.example.com", "comma": "a,b={c}", "back\\slash": "x\\y", "dotted": {"a.b/c": "team"}, "odd[0]": "x", "e=f": "g",
        "number": 7070, "negative": -3, "big": 29_000_000, "million": 1_000_000, "float": 1.5, "text": "007", "word": "true", "null": "null",
        "is": true, "isnt": false, "none": null, "map": {}, "list": ["one", "two,three"], "numbers": [1, 2], "mixed": [1, "1"], "maps": [{"a": 1}],
        "blank": "", "lines": "one\ntwo\n", "space": " lead and trail ", "utf": "ü🚢", "empty": [], "nested": {"a": {"b": {"c": "deep"}}},
        "on": "yes", "zero": 0, "braces": "{a}", "list of blanks": ["", " "],
    })
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn each_helm_renders_the_printed_flags_as_it_renders_a_file() {
    let all = tricky();
    let SetList { arguments, others } = SetList::of(&all);
    let mut as_file = all.clone();
    for (path, _) in &others {
        values::remove(&mut as_file, path);
    }
    assert!(arguments.len() >= 15, "{arguments:?}");
    for version in pins::HELM {
        let helm = OfflineHelm::new(version).expect("the rig is built");
        helm.chart("c", &[("templates/a.yaml", TEMPLATE)]);
        let file = helm.write("values.json", values::file(&as_file).as_bytes());
        let of_file = helm.template(&["c".into(), "-f".into(), file]).expect("it renders");
        let flags: Vec<String> = arguments.iter().flat_map(|one| ["--set".to_owned(), one.clone()]).collect();
        let of_flags = helm.template(&[vec!["c".to_owned()], flags].concat()).expect("it renders");
        assert_eq!(of_flags, of_file, "helm {version}");
        // Each of the others would have been another value, or none: what is left out is not left out for nothing.
        let mut same = Vec::new();
        for (path, why) in &others {
            let value = values::get(&all, path).expect("it is one of them");
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let file = helm.write("one.json", json!({path.as_str(): value}).to_string().as_bytes());
            let wanted = helm.template(&["c".into(), "-f".into(), file]);
            let found = helm.template(&["c".into(), "--set".into(), format!("{path}={text}")]);
            if wanted == found {
                same.push(format!("{path} ({why})"));
            }
        }
        println!(
            "helm {version}: {} flags render as the file; of {} others these do too: {same:?}",
            arguments.len(),
            others.len()
        );
    }
}

/// A value for each place that a recipe moves something to.
fn sample(path: &str) -> Value {
    match path.rsplit('.').next().unwrap_or_default() {
        "enabled" => json!(true),
        "replicaCount" => json!(3),
        "resources" => json!({"limits": {"memory": "384Mi"}}),
        word => json!(format!("moved-{}", word.to_lowercase())),
    }
}

/// Places that the vendor's chart has by its subcharts, and our chart of 2.20 does not read: of these nothing is shown here.
const NOT_IN_OURS: [&str; 5] = [
    "global.postgresql.auth.password",
    "postgresql.auth.database",
    "postgresql.auth.username",
    "postgresql.serviceAccount.create",
    "thanos.enabled",
];

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn what_the_recipes_move_has_an_effect_in_the_new_chart() {
    let new = PackedChart::of_files(portolan_fixtures::chart_files("control-plane-2.20.41").expect("the chart"))
        .expect("a chart");
    let archive = chart::read(&new.archive).expect("it is read");
    let old = ChartId { name: "runai-backend".into(), version: "2.8.20".parse().expect("a version") };
    let recipes = RecipeSet::builtin();
    let boundaries = recipes.boundaries(&old, &new.id);
    let steps = boundaries.iter().flat_map(|boundary| &boundary.steps);
    let rows: Vec<&MovedValue> = steps
        .flat_map(|step| if let StepTemplate::HelmUpgrade { moved, .. } = &step.ask { moved.as_slice() } else { &[] })
        .filter(|row| row.confidence != Confidence::Low)
        .collect();
    assert!(rows.len() >= 15, "{} rows", rows.len());
    let mut given = json!({"global": {"domain": "runai.example.com"}});
    for row in &rows {
        values::set(&mut given, &row.to, sample(&row.to));
    }
    let helm = OfflineHelm::new(pins::HELM[1]).expect("the rig is built");
    let packed = helm.write("chart.tgz", &new.archive);
    let effects = helm.effects(&packed, &archive, &given);
    let is_without = |effect: &Effect| matches!(effect, Effect::None | Effect::Undecided { .. });
    let without: Vec<&str> =
        effects.of.iter().filter(|(_, effect)| is_without(effect)).map(|(path, _)| path.as_str()).collect();
    assert_eq!(without, NOT_IN_OURS);
    println!("{} places, {} renderings", effects.of.len(), effects.renderings);
}

//! Values files of the old chart, made at random: each value is decided, and as a table says that was written apart from the recipes.

use std::collections::BTreeMap;

use portolan_helm_compat::values;
use portolan_model::{Object, ObsoleteValue, Platform, ValueChange};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS, at_2_8, new, old};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    rows: Vec<Row>,
    /// What is gone as a whole, a component: however what lies below is spelt, it is replaced.
    trees: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    path: String,
    value: Value,
    becomes: String,
    /// What it becomes on `OpenShift`, where that differs.
    #[serde(default)]
    openshift: Option<String>,
}

/// Always the same numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }
}

/// The path with two letters of one key swapped, or one doubled, so that no chart has it.
fn misspelt(path: &str, numbers: &mut Numbers) -> String {
    let mut keys: Vec<String> = path.split('.').map(str::to_owned).collect();
    let at = numbers.below(keys.len());
    let key = &mut keys[at];
    let letter = numbers.below(key.len());
    let letter = if key.as_bytes()[letter].is_ascii_alphabetic() { letter } else { 0 };
    key.insert(letter, char::from(key.as_bytes()[letter]));
    keys.join(".")
}

fn on(platform: Platform, version: &str, config: Value) -> Fixture {
    let mut fixture = at_2_8();
    fixture.inventory.cluster.platform = platform;
    fixture.inventory.release.chart = old(version);
    fixture.inventory.release.config = config;
    fixture.values = json!({"global": {"domain": "runai.apps.rig.example.com"}});
    let metrics = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "runai-backend-thanos-receive", "namespace": NS},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "serviceName": "a", "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [], "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "pvc-postgresql"}}]}}},
    });
    fixture.inventory.release.docs.push(Object::new(metrics));
    fixture
}

#[test]
fn a_thousand_old_files_are_decided_as_the_table_says() {
    let table: Table = serde_saphyr::from_str(include_str!("old_values.yaml")).expect("a table");
    let mut numbers = Numbers(2_026);
    let mut questions = Vec::new();
    for file in 0..1_000 {
        let openshift = Platform::OpenShift { version: "4.14.31".into(), apps_domain: "apps.rig.example.com".into() };
        let (platform, is_openshift) = if file % 2 == 0 { (openshift, true) } else { (Platform::Kubernetes, false) };
        let version = ["2.7.31", "2.8.20", "2.9.26", "2.10.14", "2.11.30"][numbers.below(5)];
        let mut config = json!({});
        let mut wanted: BTreeMap<String, (&str, bool)> = BTreeMap::new();
        for _ in 0..(4 + numbers.below(12)) {
            let row = &table.rows[numbers.below(table.rows.len())];
            let (path, is_known) = match numbers.below(5) {
                0 => (misspelt(&row.path, &mut numbers), false),
                _ => (row.path.clone(), true),
            };
            let of_tree = table.trees.iter().any(|tree| path.starts_with(&format!("{tree}.")));
            let becomes = match (&row.openshift, is_known, of_tree) {
                (Some(becomes), true, _) if is_openshift => becomes.as_str(),
                (_, true, _) => row.becomes.as_str(),
                (_, false, true) => "replaced",
                (_, false, false) => "asked",
            };
            let value = if path == "openshift" { json!(is_openshift) } else { row.value.clone() };
            // What lies below was set with another value before, or is one of a pair.
            wanted.retain(|other, _| !other.starts_with(&format!("{path}.")));
            match &value {
                Value::Object(parts) => {
                    wanted.extend(parts.keys().map(|key| (format!("{path}.{key}"), (becomes, is_known))));
                }
                _ => drop(wanted.insert(path.clone(), (becomes, is_known))),
            }
            values::set(&mut config, &path, value);
        }
        let plan = on(platform, version, config.clone()).plan(&[new("2.20.41")]);
        let decided: BTreeMap<&str, &ValueChange> =
            plan.hops[0].values.iter().map(|one| (one.path.as_str(), &one.change)).collect();
        assert_eq!(decided.len(), values::flatten(&config).len(), "every value is decided: {config}");
        let mut asked = 0;
        for (path, (becomes, is_known)) in &wanted {
            // A list's value is one; what a later row laid over an earlier one is gone.
            let Some(change) = decided.get(path.as_str()) else { continue };
            let is = match change {
                ValueChange::Dropped => "asked".to_owned(),
                ValueChange::Moved(to) => format!("moved {}", to.path),
                ValueChange::Carried => format!("moved {path}"),
                ValueChange::Replaced(_) => "replaced".to_owned(),
                ValueChange::Obsolete(obsolete) => {
                    assert!(!obsolete.source.is_empty(), "{path} has a source");
                    "replaced".to_owned()
                }
                other => format!("{other:?}"),
            };
            assert_eq!(is, **becomes, "file {file}: {path} of {version} in {config}");
            asked += usize::from(*is_known && is == "asked");
        }
        questions.push(asked);
    }
    questions.sort_unstable();
    let median = questions[questions.len() / 2];
    assert!(median <= 2, "{median} questions in the median");
}

#[test]
fn a_value_is_obsolete_by_its_own_name_and_another_one_beside_it_is_asked_about() {
    let openshift = || Platform::OpenShift { version: "4.14.31".into(), apps_domain: "apps.rig.example.com".into() };
    for (platform, known, unknown) in [
        (Platform::Kubernetes, "backend.openshiftIdp.firstAdmin", "backend.openshiftIdp.fristAdmin"),
        (Platform::Kubernetes, "backend.openshiftIdp.ocpIdpInit.tag", "backend.openshiftIdp.ocpIdpInit.enabled"),
        (Platform::Kubernetes, "backend.initTenant", "backend.initTenant.users"),
        (Platform::Kubernetes, "keycloak.image.tag", "keycloak.image.pullSecrets"),
        (Platform::Kubernetes, r"grafana.grafana\.ini.server.domain", r"grafana.grafana\.ini.server.protocol"),
        (openshift(), "thanos.receive.persistence.size", "thanos.receive.persistence.mountPath"),
    ] {
        let mut config = json!({"deployment": {"domain": "runai.apps.rig.example.com"}});
        values::set(&mut config, known, json!("one"));
        let plan = on(platform.clone(), "2.8.20", config.clone()).plan(&[new("2.20.41")]);
        let fate = |plan: &portolan_model::Plan, path: &str| {
            plan.hops[0].values.iter().find(|one| one.path.as_str() == path).map(|one| one.change.clone())
        };
        assert!(
            matches!(fate(&plan, known), Some(ValueChange::Obsolete(ObsoleteValue { source, .. })) if !source.is_empty()),
            "{known}"
        );
        let mut config = json!({"deployment": {"domain": "runai.apps.rig.example.com"}});
        values::set(&mut config, unknown, json!("one"));
        let plan = on(platform.clone(), "2.8.20", config).plan(&[new("2.20.41")]);
        assert_eq!(fate(&plan, unknown), Some(ValueChange::Dropped), "{unknown}");
    }
}

#[test]
fn below_a_component_that_went_nothing_is_asked_about() {
    let config = json!({"deployment": {"domain": "a.example.com"}, "nginx-ingress": {"anything": {"at": "all"}}});
    let plan = on(Platform::Kubernetes, "2.8.20", config).plan(&[new("2.20.41")]);
    let value =
        plan.hops[0].values.iter().find(|one| one.path.as_str() == "nginx-ingress.anything.at").expect("it is told");
    assert!(matches!(value.change, ValueChange::Obsolete(_)), "{value:?}");
}

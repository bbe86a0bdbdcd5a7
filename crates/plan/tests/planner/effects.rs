//! Values that go on and do not do what they do today.

use std::collections::BTreeMap;

use portolan_helm_compat::{chart, values};
use portolan_model::{Code, Plan, Severity, ValueChange};
use serde_json::{Value, json};

use crate::fixture::{Fixture, new};
use crate::store::{PLAIN, installed, set};

fn fixture(path: &str, value: &Value) -> Fixture {
    let old = set("nodeSelector: {disk: ssd}, ", PLAIN).replace("replicas: 1", "replicas: 2");
    let mut fixture = installed(&old, &json!({"csi": {}}));
    values::set(&mut fixture.inventory.release.config, path, value.clone());
    fixture
}

/// The plan with a chart that has a template, rendering the store with another tag.
fn plan(fixture: &Fixture, template: &str, tag: &str) -> Plan {
    let id = new("2.20.41");
    let files = BTreeMap::from([
        ("Chart.yaml".to_owned(), format!("apiVersion: v2\nname: {}\nversion: {}\n", id.name, id.version).into_bytes()),
        (
            "templates/a.yaml".to_owned(),
            format!("{{{{ .Values.global }}}}{{{{ .Values.postgresql }}}}{template}").into_bytes(),
        ),
    ]);
    let archive = chart::pack(&files, &id.name);
    fixture
        .file_with(archive, &|_, chart| chart + &set("", &PLAIN.replace("x/store:1", &format!("x/store:{tag}"))))
        .expect("it can be planned")
        .plan
}

fn said(plan: &Plan) -> Vec<String> {
    let codes = [Code::WithoutEffect, Code::RendersOtherwise];
    let all = plan.findings.iter().filter(|finding| codes.contains(&finding.code));
    all.map(|finding| format!("{:?} {} {}", finding.severity, finding.code, finding.field().expect("a path"))).collect()
}

fn fate(plan: &Plan, path: &str) -> ValueChange {
    plan.hops[0].values.iter().find(|one| one.path.as_str() == path).map(|one| one.change.clone()).expect("a fate")
}

#[test]
fn a_value_that_nothing_reads_has_no_effect() {
    let fixture = fixture("nodeSelector", &json!({"disk": "ssd"}));
    let gone = plan(&fixture, "{{ .Values.store.nodeSelector }}", "1");
    assert_eq!(said(&gone), ["Blocking PL251 nodeSelector.disk"]);
    assert_eq!(fate(&gone, "nodeSelector.disk"), ValueChange::WithoutEffect);
    let read = plan(&fixture, "{{ toYaml .Values.nodeSelector }}", "1");
    assert_eq!(said(&read), Vec::<String>::new());
    assert_eq!(fate(&read, "nodeSelector.disk"), ValueChange::Carried);
}

#[test]
fn a_value_without_a_visible_effect_is_a_warning() {
    let never = self::fixture("neverRead", &json!("text"));
    assert_eq!(said(&plan(&never, "", "1")), ["Warning PL251 neverRead"]);
    // A number that is seen in a field, and is not any more.
    let replicas = self::fixture("replicaCount", &json!(2));
    assert_eq!(said(&plan(&replicas, "", "1")), ["Blocking PL251 replicaCount"]);
    let null = self::fixture("gone", &Value::Null);
    assert_eq!(said(&plan(&null, "", "1")), Vec::<String>::new());
}

/// A store with these fields more, today only, and the finding on a value that nothing reads.
fn said_with(fields: &str, path: &str, value: &Value) -> Vec<String> {
    let mut fixture = installed(&set(fields, PLAIN), &json!({"csi": {}}));
    values::set(&mut fixture.inventory.release.config, path, value.clone());
    said(&plan(&fixture, "", "1"))
}

#[test]
fn a_value_that_many_fields_have_is_seen_in_one_of_its_name_alone() {
    for (fields, named, other, value) in [
        ("hostNetwork: true, ", "network.enabled", "metrics.enabled", json!(true)),
        ("hostNetwork: true, ", "hostNetwork", "tls", json!(true)),
        ("terminationGracePeriodSeconds: 45, ", "gracePeriod", "retries", json!(45)),
        ("nodeSelector: {rack: '45'}, ", "racks", "probe.port", json!(45)),
        ("nodeSelector: {rack: '45'}, ", "rackName", "probe.port", json!("45")),
        ("schedulerName: default, ", "scheduler.name", "theme", json!("default")),
    ] {
        assert_eq!(said_with(fields, named, &value), [format!("Blocking PL251 {named}")], "{fields}");
        assert_eq!(said_with(fields, other, &value), [format!("Warning PL251 {other}")], "{fields}");
        assert_eq!(said_with(fields, other, &json!([value])), [format!("Warning PL251 {other}")], "{fields}");
    }
    // The name of a label has a slash, and what an item is about may stand above it.
    for (fields, path, value) in [
        ("nodeSelector: {kubernetes.io/os: linux}, ", "selector", json!({"kubernetes.io/os": "linux"})),
        ("tolerations: [{key: a, value: 'true'}], ", "toleration", json!({"value": "true"})),
    ] {
        let said = said_with(fields, path, &value);
        assert!(said.iter().all(|said| said.starts_with("Blocking PL251")) && !said.is_empty(), "{fields}: {said:?}");
        let said = said_with(fields, "other", &json!({"any": value.as_object().and_then(|map| map.values().next())}));
        assert!(said.iter().all(|said| said.starts_with("Warning PL251")) && !said.is_empty(), "{fields}: {said:?}");
    }
    // What no other field has by coincidence is the same under any name.
    for (fields, value) in [
        ("schedulerName: binpack, ", json!("binpack")),
        ("terminationGracePeriodSeconds: 86400, ", json!(86_400)),
        ("nodeSelector: {zone: eu-1}, ", json!({"any": "eu-1"})),
    ] {
        let path = if value.is_object() { "other.any" } else { "other" };
        assert_eq!(said_with(fields, "other", &value), [format!("Blocking PL251 {path}")], "{fields}");
    }
}

#[test]
fn the_heading_of_helm_get_values_among_the_saved_values_is_told() {
    let told = |value: &Value| {
        let plan = plan(&fixture("USER-SUPPLIED VALUES", value), "", "1");
        plan.findings.into_iter().filter(|finding| finding.code == Code::ValuesHeading).collect::<Vec<_>>()
    };
    let findings = told(&Value::Null);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].severity, Severity::Warning);
    assert_eq!(told(&json!("text")), []);
}

#[test]
fn a_number_that_is_printed_otherwise_is_named() {
    let fixture = fixture("tag", &json!(20_260_131));
    let other = plan(&fixture, "{{ .Values.tag }}", "2.0260131e+07");
    assert_eq!(said(&other), ["Blocking PL252 tag"]);
    assert_eq!(fate(&other, "tag"), ValueChange::RendersAs("2.0260131e+07".into()));
    let finding = other.findings.iter().find(|finding| finding.code == Code::RendersOtherwise).expect("it");
    assert_eq!(finding.object().map(ToString::to_string).as_deref(), Some("StatefulSet/store"));
    assert!(finding.next.contains("--set-string tag=20260131"), "{finding:#?}");
    assert_eq!(said(&plan(&fixture, "{{ .Values.tag }}", "20260131")), Vec::<String>::new());
    // It is like that today.
    let mut same = installed(&set("", &PLAIN.replace("x/store:1", "x/store:2.0260131e+07")), &json!({"csi": {}}));
    values::set(&mut same.inventory.release.config, "tag", json!(20_260_131));
    assert_eq!(said(&plan(&same, "{{ .Values.tag }}", "2.0260131e+07")), Vec::<String>::new());
}

#[test]
fn a_number_that_is_given_now_is_named_too() {
    let mut fixture = fixture("x", &json!("y"));
    fixture.values = json!({"tag": 20_260_131, "typo": "z"});
    let said = said(&plan(&fixture, "{{ .Values.tag }}{{ .Values.x }}", "2.0260131e+07"));
    assert_eq!(said, ["Blocking PL252 tag", "Warning PL251 typo"]);
}

#[test]
fn a_template_that_uses_the_revision_is_named_where_a_volume_is_left_behind() {
    let fixture = installed(&set("", PLAIN), &json!({"csi": {}}));
    let of = |name: &str, template: &str| {
        let id = new("2.20.41");
        let about = format!("apiVersion: v2\nname: {}\nversion: {}\n", id.name, id.version).into_bytes();
        let template = (name.to_owned(), template.as_bytes().to_vec());
        let archive = chart::pack(&BTreeMap::from([("Chart.yaml".to_owned(), about), template]), &id.name);
        let plan = fixture.file_with(archive, &|_, chart| chart).expect("it can be planned").plan;
        let left = plan.findings.into_iter().filter(|it| it.code == Code::NotSafe).flat_map(|it| it.evidence);
        left.filter(|line| line.contains("Release.Revision")).collect::<Vec<_>>()
    };
    let said = ["templates/a.yaml uses .Release.Revision, which is 8 in this upgrade"];
    assert_eq!(of("templates/a.yaml", "name: store-{{ .Release.Revision }}"), said);
    assert_eq!(of("templates/a.yaml", "name: store"), [""; 0]);
    assert_eq!(of("README.md", "uses .Release.Revision"), [""; 0]);
}

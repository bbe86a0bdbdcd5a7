//! What programs keep in Secrets and ConfigMaps of the chart. Each harmful form has a twin that says nothing.

use portolan_model::{ApplyMethod, Code, Finding, HelmClient, Object, Plan, Ref, SecretKey, StepKind};
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS};
use crate::store::{PLAIN, installed, plan, set};

fn map(data: &str) -> String {
    format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: state}}\ndata: {data}\n")
}

fn secret(part: &str, data: &str) -> String {
    format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: state}}\n{part}: {data}\n")
}

/// An installation of this object whose live form has other data.
fn lives(old: &str, kind: &str, data: &Value) -> Fixture {
    let mut fixture = installed(&(set("", PLAIN) + old), &json!({"csi": {}}));
    let name = Ref::new("", kind, NS, "state");
    let mut json = (*fixture.inventory.objects[&name].0).clone();
    json.as_object_mut().expect("a map").remove("stringData");
    json["data"] = data.clone();
    if kind == "Secret" {
        for (key, value) in data.as_object().expect("a map") {
            let text = value.as_str().expect("a text").to_owned();
            fixture.secrets.insert(SecretKey { secret: name.clone(), key: key.clone() }, text);
            json["data"][key] = "portolan:hidden".into();
        }
    }
    fixture.inventory.objects.insert(name, Object::new(json));
    fixture
}

fn of(plan: &Plan) -> Vec<String> {
    let of_state =
        |it: &&Finding| it.object().is_some_and(|name| name.name() == "state") && it.code == Code::KeyChanges;
    let all = plan.findings.iter().filter(of_state);
    all.map(|it| format!("{:?} {} {}", it.severity, it.object().expect("it has one"), it.field().unwrap_or_default()))
        .collect()
}

fn said(fixture: &Fixture, new: &str) -> Vec<String> {
    let plan = plan(fixture, &(set("", PLAIN) + new));
    assert!(!format!("{:?}", plan.findings).contains("precious"), "the value is shown");
    of(&plan)
}

fn is_archived(plan: &Plan) -> bool {
    plan.steps().any(|step| matches!(&step.kind, StepKind::ArchiveObject { objects } if objects.iter().any(|name| name.name() == "state")))
}

#[test]
fn what_a_program_put_into_a_config_map_is_not_lost_in_silence() {
    let state = json!({"state": "precious"});
    let lost = ["Blocking ConfigMap/state /data/state"];
    for (old, new) in [
        ("{state: ''}", "{state: ''}"),
        ("{state: ''}", "{state: chart}"),
        ("{}", "{state: ''}"),
        ("{}", "{state: chart}"),
        ("{state: ''}", "{other: x}"),
    ] {
        assert_eq!(said(&lives(&map(old), "ConfigMap", &state), &map(new)), lost, "{old} {new}");
    }
    for (old, new) in [("{}", "{}"), ("{}", "{other: x}"), ("{}", "{state: precious}")] {
        assert_eq!(said(&lives(&map(old), "ConfigMap", &state), &map(new)), [""; 0], "{old} {new}");
    }
    let empty = json!({"state": ""});
    assert_eq!(
        said(&lives(&map("{state: ''}"), "ConfigMap", &empty), &map("{state: chart}")),
        [""; 0],
        "nobody filled it"
    );
}

#[test]
fn a_config_map_that_leaves_takes_along_what_a_program_put_there() {
    let state = json!({"state": "precious", "of-chart": "x"});
    let fixture = lives(&map("{of-chart: x}"), "ConfigMap", &state);
    assert_eq!(said(&fixture, ""), ["Blocking ConfigMap/state /data/state"]);
    assert!(is_archived(&plan(&fixture, &set("", PLAIN))));
    let harmless = lives(&map("{of-chart: x}"), "ConfigMap", &json!({"of-chart": "by hand"}));
    assert_eq!(said(&harmless, ""), [""; 0]);
    assert!(!is_archived(&plan(&harmless, &set("", PLAIN))));
    let mut kept = fixture;
    let name = Ref::new("", "ConfigMap", NS, "state");
    let mut json = (*kept.inventory.objects[&name].0).clone();
    json["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
    kept.inventory.objects.insert(name, Object::new(json));
    assert_eq!(said(&kept, ""), [""; 0]);
}

#[test]
fn a_value_of_the_chart_that_somebody_changed_is_a_warning() {
    let fixture = lives(&map("{level: info}"), "ConfigMap", &json!({"level": "debug"}));
    assert_eq!(said(&fixture, &map("{level: info}")), ["Warning ConfigMap/state /data/level"]);
    assert_eq!(said(&fixture, &map("{level: debug}")), [""; 0]);
    let same = lives(&map("{level: info}"), "ConfigMap", &json!({"level": "info"}));
    assert_eq!(said(&same, &map("{level: warn}")), [""; 0], "the chart changes its own");
}

#[test]
fn what_a_program_put_into_a_secret_is_not_lost_in_silence() {
    let state = json!({"state": "precious"});
    let lost = ["Blocking Secret/state /data/state"];
    for (old, new) in [
        (secret("data", "{state: ''}"), secret("data", "{state: ''}")),
        (secret("stringData", "{state: ''}"), secret("stringData", "{state: ''}")),
        (secret("data", "{}"), secret("stringData", "{state: chart}")),
        (secret("data", "{state: ''}"), secret("data", "{other: eA==}")),
        (secret("data", "{}"), String::new()),
        (secret("data", "{state: ''}"), String::new()),
    ] {
        let fixture = lives(&old, "Secret", &state);
        assert_eq!(said(&fixture, &new), lost, "{old} {new}");
        assert!(is_archived(&plan(&fixture, &(set("", PLAIN) + &new))), "{old} {new}");
    }
    for (old, new) in [
        (secret("data", "{}"), secret("data", "{}")),
        (secret("data", "{}"), secret("data", "{other: eA==}")),
        (secret("stringData", "{state: ''}"), secret("stringData", "{other: x}")),
        (secret("data", "{}"), secret("stringData", "{state: precious}")),
    ] {
        assert_eq!(said(&lives(&old, "Secret", &state), &new), [""; 0], "{old} {new}");
    }
    let certificate = json!({"tls.crt": "precious"});
    let fixture = lives(&secret("data", "{tls.crt: ''}"), "Secret", &certificate);
    assert_eq!(said(&fixture, &secret("data", "{tls.crt: ''}")), ["Warning Secret/state /data/tls.crt"]);
}

#[test]
fn on_the_server_side_an_overwritten_value_is_a_conflict_and_a_deleted_one_is_lost() {
    let mut fixture = lives(&map("{state: ''}"), "ConfigMap", &json!({"state": "precious"}));
    fixture.inventory.release.apply = ApplyMethod::Server;
    assert_eq!(said(&fixture, &map("{state: ''}")).len(), 1, "helm 3 patches");
    fixture.inventory.helm = Some(HelmClient::Simulated { version: semver::Version::new(4, 3, 1) });
    assert_eq!(said(&fixture, &map("{state: ''}")), [""; 0]);
    assert_eq!(said(&fixture, ""), ["Blocking ConfigMap/state /data/state"]);
    fixture.inventory.release.apply = ApplyMethod::Client;
    assert_eq!(said(&fixture, &map("{state: ''}")).len(), 1, "helm 4 patches what helm 3 has made");
}

#[test]
fn a_secret_is_named_once() {
    let token = json!({"api-token": "precious"});
    let fixture = lives(&secret("data", "{}"), "Secret", &token);
    assert_eq!(said(&fixture, ""), ["Blocking Secret/state /data/api-token"]);
    assert_eq!(said(&fixture, &secret("stringData", "{api-token: other}")), ["Blocking Secret/state /data/api-token"]);
    // Of a key of the chart a warning is enough.
    let fixture = lives(&secret("stringData", "{api-token: precious}"), "Secret", &token);
    assert_eq!(said(&fixture, ""), ["Warning Secret/state "]);
}

#[test]
fn what_a_controller_puts_in_again_is_not_mentioned() {
    let labelled = |text: String| {
        text.replace("{name: state}", "{name: state, labels: {config.openshift.io/inject-trusted-cabundle: 'true'}}")
    };
    let text = labelled(map("{ca: ''}"));
    let mut fixture = lives(&text, "ConfigMap", &json!({"ca": "precious"}));
    let name = Ref::new("", "ConfigMap", NS, "state");
    let mut json = (*fixture.inventory.objects[&name].0).clone();
    json["metadata"]["labels"]["config.openshift.io/inject-trusted-cabundle"] = "true".into();
    fixture.inventory.objects.insert(name, Object::new(json));
    assert_eq!(said(&fixture, &text), [""; 0]);
    let plain = lives(&map("{ca: ''}"), "ConfigMap", &json!({"ca": "precious"}));
    assert_eq!(said(&plain, &map("{ca: ''}")).len(), 1);
}

#[test]
fn a_hook_that_is_made_anew_takes_along_what_a_program_put_there() {
    let hook = |events: &str, data: &str| {
        map(data).replace("{name: state}", &format!("{{name: state, annotations: {{helm.sh/hook: '{events}'}}}}"))
    };
    let live = |events: &str| {
        let mut fixture = installed(&(set("", PLAIN) + &hook(events, "{}")), &json!({"csi": {}}));
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "state", "namespace": NS}, "data": {"state": "precious"}});
        fixture.inventory.objects.insert(Ref::new("", "ConfigMap", NS, "state"), Object::new(object));
        fixture
    };
    let both = "pre-install,pre-upgrade";
    assert_eq!(said(&live(both), &hook(both, "{}")), ["Blocking ConfigMap/state /data/state"]);
    assert_eq!(said(&live("pre-install"), &hook("pre-install", "{}")), [""; 0]);
    assert_eq!(said(&live(both), &hook(both, "{state: precious}")), [""; 0]);
}

#[test]
fn what_a_program_keeps_in_annotations_is_not_lost_in_silence() {
    let state = |kind: &str, annotations: &str| {
        format!("---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: state, annotations: {{{annotations}}}}}\n")
    };
    let said = |kind: &str, new: &str| {
        let mut fixture = installed(&(set("", PLAIN) + &state(kind, "")), &json!({"csi": {}}));
        let name = Ref::new("", kind, NS, "state");
        let mut live = (*fixture.inventory.objects[&name].0).clone();
        live["metadata"]["annotations"] = json!({"initialize": "precious", "example.com/last": "x"});
        fixture.inventory.objects.insert(name, Object::new(live));
        of(&plan(&fixture, &(set("", PLAIN) + new)))
    };
    for kind in ["ConfigMap", "Endpoints"] {
        let lost = [format!("Blocking {kind}/state /metadata/annotations/initialize")];
        assert_eq!(said(kind, &state(kind, "initialize: ours")), lost);
        assert_eq!(said(kind, ""), lost, "it leaves the chart");
        assert_eq!(said(kind, &state(kind, "")), [""; 0]);
        assert_eq!(said(kind, &state(kind, "initialize: precious")), [""; 0]);
        assert_eq!(said(kind, &state(kind, "other: x")), [""; 0]);
    }
}

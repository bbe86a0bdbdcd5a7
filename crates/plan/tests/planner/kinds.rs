//! Objects around the data whose fields change, come or go, kind by kind: what can lose, hide or detach it is said, and each twin stays
//! Safe. The cases are in `kinds.yaml`.

use std::collections::{BTreeMap, BTreeSet};

use portolan_model::{Mount, Object, Plan, Ref, Severity, Uid};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS};
use crate::shapes::edited;
use crate::store::{installed, plan};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kinds {
    charts: BTreeMap<String, Chart>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chart {
    text: String,
    /// PVCs with data; those that the text does not have are made by somebody else.
    claims: Vec<String>,
    /// Who owns the PVCs.
    owner: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    chart: String,
    name: String,
    /// Pairs of a text and the one in its place.
    harmful: Vec<String>,
    /// The beginning of what is said.
    said: String,
    twin: Vec<String>,
}

fn kinds() -> Kinds {
    serde_saphyr::from_str(include_str!("kinds.yaml")).expect("the cases are readable")
}

/// An installation of a chart, with data on its PVCs.
fn fixture(chart: &Chart) -> Fixture {
    let mut fixture = installed(&chart.text, &json!({"csi": {}}));
    let inventory = &mut fixture.inventory;
    let mut store = inventory.volumes.pop().expect("the volume of the store");
    inventory.objects.remove(&store.claim);
    store.mounts.clear();
    for name in &chart.claims {
        let (claim, volume) = (Ref::claim(NS, name), Ref::volume(&format!("pv-{name}")));
        let objects = &mut inventory.objects;
        let own = |objects: &BTreeMap<Ref, Object>, name: &Ref, otherwise: Value| {
            objects.get(name).map_or(otherwise, |object| (*object.0).clone())
        };
        let mut json = own(
            objects,
            &claim,
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": NS}}),
        );
        json["metadata"]["uid"] = format!("uid-{name}").into();
        json["spec"]["volumeName"] = volume.name().into();
        if let Some(owner) = &chart.owner {
            json["metadata"]["ownerReferences"] = json!([owner]);
        }
        objects.insert(claim.clone(), Object::new(json));
        let mut json = own(
            objects,
            &volume,
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume.name()},
                "spec": {"csi": {}, "persistentVolumeReclaimPolicy": "Retain"}}),
        );
        json["metadata"]["uid"] = format!("uid-pv-{name}").into();
        objects.insert(volume.clone(), Object::new(json));
        let mut its = store.clone();
        its.claim_uid = Uid::new(&format!("uid-{name}"));
        its.volume_uid = Some(Uid::new(&format!("uid-pv-{name}")));
        its.policy = Some("Retain".into());
        (its.claim, its.volume) = (claim, Some(volume));
        if chart.owner.is_some() {
            let pod = Ref::pod(NS, &format!("{name}-1"));
            let json = json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": pod.name(), "namespace": NS, "uid": "uid-pod", "ownerReferences": [chart.owner]},
                "spec": {"containers": [], "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]}});
            inventory.objects.insert(pod.clone(), Object::new(json));
            its.mounts = vec![Mount { pod, workload: None }];
        }
        inventory.volumes.push(its);
    }
    fixture
}

/// What is said that keeps a plan from being Safe: code, object and field.
fn said(plan: &Plan) -> BTreeSet<String> {
    let unmodelled = plan.unmodelled.iter().map(|it| format!("Unknown {} {} {}", it.code, it.object, it.field));
    let blocking = plan.findings.iter().filter(|it| it.severity == Severity::Blocking).map(|it| {
        let object = it.object().map_or_else(String::new, ToString::to_string);
        format!("Blocking {} {object} {}", it.code, it.field().unwrap_or_default())
    });
    unmodelled.chain(blocking).collect()
}

#[test]
fn what_can_reach_the_data_is_said_and_its_twin_is_safe() {
    let kinds = kinds();
    let charts: BTreeMap<&String, (Fixture, BTreeSet<String>)> = kinds
        .charts
        .iter()
        .map(|(name, chart)| {
            let fixture = fixture(chart);
            let always = said(&plan(&fixture, &chart.text));
            (name, (fixture, always))
        })
        .collect();
    let mut wrong = Vec::new();
    for case in &kinds.cases {
        let ((fixture, always), text) = (&charts[&case.chart], &kinds.charts[&case.chart].text);
        let of = |edits: &[String]| -> Vec<String> {
            said(&plan(fixture, &edited(text, edits))).difference(always).cloned().collect()
        };
        let (harmful, twin) = (of(&case.harmful), of(&case.twin));
        let words = format!("{}/{}", case.chart, case.name);
        if !harmful.iter().any(|line| line.starts_with(&case.said)) {
            wrong.push(format!("{words}: wanted {}, said {harmful:?}", case.said));
        }
        if !twin.is_empty() {
            wrong.push(format!("{words}: the twin is {twin:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), kinds.cases.len(), wrong.join("\n"));
}

#[test]
fn charts_that_do_not_change_are_safe() {
    for (name, chart) in &kinds().charts {
        assert_eq!(said(&plan(&fixture(chart), &chart.text)), BTreeSet::new(), "{name}");
    }
}

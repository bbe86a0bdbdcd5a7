//! What a finished run left, looked at again.

use std::collections::BTreeMap;

use portolan_engine::{left, left_objects};
use portolan_model::{Check, CheckState, Code, Finding, Object, Plan, Ref, ReleaseFact, ReleaseId, Seen, StepKind};
use serde_json::{Value, json};

const HELM: &str = "2026-11-29T15:07:20Z";
const LATER: &str = "2026-11-29T15:09:00Z";

fn chart(version: &str) -> Value {
    json!({"name": "r", "version": version})
}

fn plan() -> Plan {
    let step = |kind: Value| json!({"id": "s", "kind": kind, "sources": [], "why": "", "command": [], "undo": "nothing", "limit": 600});
    let helm = json!({
        "kind": "helm", "op": {"operation": "upgrade"}, "run": {
            "release": {"namespace": "ns", "name": "r"}, "base_revision": 1,
            "client": {"helm": "simulated", "version": "3.22.0"}, "chart": chart("2.0.0"), "archive": "sha256:0", "values": "sha256:0",
            "carried": [], "mode": "reset", "manifest": "sha256:0", "docs": {}, "nondeterministic_fields": {}, "required_keys": [],
        },
    });
    let steps = [
        json!({"kind": "retain-volume", "volume": "PersistentVolume//v", "uid": "v", "before": "Delete"}),
        json!({"kind": "keep-claim", "claim": "PersistentVolumeClaim/ns/store", "uid": "c"}),
        helm,
        json!({"kind": "wait-ready", "workloads": ["StatefulSet.apps/ns/store"]}),
    ];
    let hop = json!({
        "from": chart("1.0.0"), "to": chart("2.0.0"), "boundaries": [], "steps": steps.map(step), "changes": [], "new_claims": [],
        "values": [],
    });
    let plan = json!({
        "format": portolan_model::FORMAT, "cluster": "c", "server": "", "release": {"namespace": "ns", "name": "r"},
        "helm": {"helm": "simulated", "version": "3.22.0"}, "from": chart("1.0.0"), "to": chart("2.0.0"), "hops": [hop],
        "preconditions": {}, "volumes": [], "databases": [], "without": [], "accepted": [], "findings": [],
    });
    serde_json::from_value(plan).expect("a plan")
}

fn newest(revision: u32, version: &str) -> ReleaseFact {
    let fact = json!({
        "revision": revision, "status": "deployed", "token": null, "chart": chart(version), "description": "", "docs": {},
        "config": null,
    });
    serde_json::from_value(fact).expect("a release")
}

/// What is there after a run, with these protections and this last writer of the pod template.
fn now(plan: &Plan, newest: &ReleaseFact, policy: &str, kept: bool, writer: &str) -> BTreeMap<Ref, Seen> {
    let write = |manager: &str, time: &str| json!({"manager": manager, "time": time, "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {}}}}}});
    let annotations = if kept { json!({"helm.sh/resource-policy": "keep"}) } else { json!({}) };
    let object = |name: &Ref| match name.kind() {
        "PersistentVolume" => json!({"spec": {"persistentVolumeReclaimPolicy": policy}}),
        "PersistentVolumeClaim" => json!({"metadata": {"annotations": annotations}}),
        "StatefulSet" => json!({"metadata": {"managedFields": [write("helm", HELM), write(writer, LATER)]}}),
        _ => json!({"metadata": {"creationTimestamp": HELM}}),
    };
    let names = left_objects(plan, &plan.release, newest);
    assert_eq!(names.len(), 4, "{names:?}");
    names.into_iter().map(|name| (name.clone(), Seen::There(Object::new(object(&name))))).collect()
}

fn wrong(checks: Vec<Check>) -> Vec<(String, CheckState)> {
    checks.into_iter().filter(|it| it.state != CheckState::Holds).map(|check| (check.what, check.state)).collect()
}

#[test]
fn everything_as_it_was_left_holds() {
    let (plan, newest) = (plan(), newest(2, "2.0.0"));
    let checks = left(&plan, &plan.release, &newest, &[], &now(&plan, &newest, "Retain", true, "helm"));
    assert_eq!(checks.len(), 4, "{checks:?}");
    assert_eq!(wrong(checks), []);
}

#[test]
fn a_protection_that_is_gone_is_named() {
    let (mut plan, newest) = (plan(), newest(2, "2.0.0"));
    let lost = |what: &str| (what.to_owned(), CheckState::Differs);
    let seen = now(&plan, &newest, "Delete", false, "helm");
    assert_eq!(
        wrong(left(&plan, &plan.release, &newest, &[], &seen)),
        [lost("PersistentVolume/v Retain"), lost("PersistentVolumeClaim/store keep")]
    );
    // What the plan said that the chart does.
    let claim = Ref::claim("ns", "store");
    plan.findings.push(Finding::warning(Code::KeepRemoved, "the chart takes keep off").about(&claim));
    let seen = now(&plan, &newest, "Retain", false, "helm");
    assert_eq!(
        wrong(left(&plan, &plan.release, &newest, &[], &seen)),
        [("PersistentVolumeClaim/store keep".to_owned(), CheckState::Changed)]
    );
}

#[test]
fn a_pod_template_that_somebody_wrote_afterwards_is_named() {
    let (plan, newest) = (plan(), newest(2, "2.0.0"));
    let checks = left(&plan, &plan.release, &newest, &[], &now(&plan, &newest, "Retain", true, "kubectl-set"));
    let finding = checks.iter().find_map(|check| check.finding.clone()).expect("it was written");
    assert!(finding.found.contains("written by kubectl-set at 2026-11-29T15:09:00Z"), "{finding:?}");
    assert_eq!(wrong(checks), [("StatefulSet/store pod template".to_owned(), CheckState::Differs)]);
}

#[test]
fn a_release_that_has_gone_on_is_named() {
    let plan = plan();
    let of = |newest: &ReleaseFact| {
        wrong(left(&plan, &plan.release, newest, &[], &now(&plan, newest, "Retain", true, "helm")))
    };
    assert_eq!(of(&newest(3, "1.0.0")), [("release r".to_owned(), CheckState::Differs)]);
    assert_eq!(of(&newest(3, "2.0.0")), [("release r".to_owned(), CheckState::Changed)]);
}

#[test]
fn each_release_is_looked_at_by_its_own_hops() {
    let mut plan = plan();
    let other = ReleaseId { namespace: "beside".into(), name: "o".into() };
    plan.other_releases = vec![other.clone()];
    let mut hop = plan.hops[0].clone();
    hop.release = Some(other.clone());
    hop.to.version = "3.0.0".parse().expect("a version");
    hop.steps.truncate(3);
    for step in &mut hop.steps {
        match &mut step.kind {
            StepKind::RetainVolume { volume, .. } => *volume = Ref::volume("w"),
            StepKind::KeepClaim { claim, .. } => *claim = Ref::claim("beside", "store"),
            StepKind::Helm { run, .. } => (run.release, run.chart) = (other.clone(), hop.to.clone()),
            _ => {}
        }
    }
    plan.hops.push(hop);
    let own = left_objects(&plan, &plan.release, &newest(2, "2.0.0"));
    assert_eq!(own, left_objects(&self::plan(), &plan.release, &newest(2, "2.0.0")));
    let record = other.record(2);
    assert_eq!(
        left_objects(&plan, &other, &newest(2, "3.0.0")),
        [Ref::volume("w"), Ref::claim("beside", "store"), record]
    );
    let state = |release: &ReleaseId, version: &str| {
        let checks = left(&plan, release, &newest(2, version), &[], &BTreeMap::new());
        checks.into_iter().map(|check| (check.what, check.state)).collect::<Vec<_>>()
    };
    assert_eq!(state(&other, "3.0.0"), [("release o".to_owned(), CheckState::Holds)]);
    assert_eq!(state(&other, "2.0.0"), [("release o".to_owned(), CheckState::Differs)]);
    assert_eq!(state(&plan.release, "2.0.0"), [("release r".to_owned(), CheckState::Holds)]);
}

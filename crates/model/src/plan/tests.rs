use serde_json::json;

use super::*;

fn release(namespace: &str) -> ReleaseId {
    ReleaseId { namespace: namespace.into(), name: "r".into() }
}

fn chart(version: u64) -> ChartId {
    ChartId { name: "c".into(), version: semver::Version::new(version, 0, 0) }
}

/// A plan as it was saved before plans knew several releases: three hops of one step each.
fn saved() -> Value {
    let step = json!({
        "id": "wait", "kind": {"kind": "wait-ready", "workloads": []}, "sources": [], "why": "", "command": [], "undo": "nothing",
        "limit": 600,
    });
    let hop = |from: u64| {
        json!({"from": chart(from), "to": chart(from + 1), "boundaries": [], "steps": [step], "changes": [], "new_claims": [],
            "hooks": [], "values": []})
    };
    json!({
        "format": crate::FORMAT, "cluster": "c", "server": "", "release": release("own"),
        "helm": {"helm": "simulated", "version": "3.22.0"}, "from": chart(1), "to": chart(3),
        "hops": [hop(1), hop(5), hop(2)], "preconditions": {}, "lookups": {}, "kinds": {"named": {}}, "volumes": [], "unmodelled": [],
        "databases": [], "without": [], "accepted": [], "findings": [],
    })
}

fn plan(saved: Value) -> Plan {
    serde_json::from_value(saved).expect("a plan")
}

#[test]
fn a_plan_of_one_release_is_read_as_before_and_keeps_its_name() {
    let plan = plan(saved());
    assert_eq!(
        plan.digest(),
        Digest::of(&canonical(&saved())),
        "a run that is under way is found by the plan's digest"
    );
    assert_eq!(plan.releases().collect::<Vec<_>>(), [&release("own")]);
    assert!(plan.hops.iter().all(|hop| *plan.release_of(hop) == release("own")));
    assert_eq!(plan.charts_of(&release("own")), Some((&chart(1), &chart(3))));
}

#[test]
fn each_hop_has_its_release() {
    let (own, other) = (release("own"), release("other"));
    let mut saved = saved();
    saved["other_releases"] = json!([other]);
    saved["hops"][1]["release"] = json!(other);
    let plan = plan(saved);
    assert_eq!(plan.releases().collect::<Vec<_>>(), [&own, &other]);
    assert_eq!([0, 1, 2, 9].map(|step| plan.release_at(step)), [&own, &other, &own, &own]);
    assert_eq!(plan.hops_of(&other).map(|hop| &hop.from).collect::<Vec<_>>(), [&chart(5)]);
    assert_eq!(plan.charts_of(&own), Some((&chart(1), &chart(3))));
    assert_eq!(plan.charts_of(&other), Some((&chart(5), &chart(6))));
    assert_eq!(plan.charts_of(&release("third")), None);
}

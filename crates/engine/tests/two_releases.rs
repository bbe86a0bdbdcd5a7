//! A plan whose hops work on two releases: what is looked at of which.

use std::sync::Arc;

use portolan_engine::{Engine, Fold};
use portolan_model::{
    Code, HelmToken, Input, JournalRecord, Object, Observation, Outcome, Plan, Ref, ReleaseFact, ReleaseId, Reply,
    Request, Seen, StepRef,
};
use serde_json::{Value, json};

fn release(namespace: &str) -> ReleaseId {
    ReleaseId { namespace: namespace.into(), name: "r".into() }
}

fn chart(version: &str) -> Value {
    json!({"name": "r", "version": version})
}

/// Helm on the release of namespace `a`, then on that of `b`, then a wait for both.
fn plan() -> Arc<Plan> {
    let step = |kind: Value| json!({"id": "s", "kind": kind, "sources": [], "why": "", "command": [], "undo": "nothing", "limit": 600});
    let helm = |namespace: &str| {
        step(json!({
            "kind": "helm", "op": {"operation": "upgrade"}, "run": {
                "release": release(namespace), "base_revision": 1, "client": {"helm": "simulated", "version": "3.22.0"},
                "chart": chart("2.0.0"), "archive": "sha256:0", "values": "sha256:0", "carried": [], "mode": "reset",
                "manifest": "sha256:0", "docs": {}, "nondeterministic_fields": {}, "required_keys": [],
            },
        }))
    };
    let ready = |namespace: &str| {
        step(json!({"kind": "wait-ready", "workloads": [format!("StatefulSet.apps/{namespace}/store")]}))
    };
    let hop = |steps: Vec<Value>, changes: Value, new_claims: Value| {
        json!({
            "from": chart("1.0.0"), "to": chart("2.0.0"), "boundaries": [], "steps": steps, "changes": changes, "new_claims": new_claims,
            "values": [],
        })
    };
    let changes = json!([
        {"object": "ConfigMap/b/made", "change": "create", "why": ""},
        {"object": "ConfigMap/b/left", "change": "same", "why": ""},
    ]);
    let new = json!([{"claim": "PersistentVolumeClaim/b/new", "set": "StatefulSet.apps/b/store", "size": "1Gi", "class": null}]);
    let mut second = hop(vec![helm("b"), ready("b")], json!([]), json!([]));
    second["release"] = json!(release("b"));
    let relied = |object: Value| json!({"object": object, "fields": []});
    let plan = json!({
        "format": portolan_model::FORMAT, "cluster": "c", "server": "", "release": release("a"), "other_releases": [release("b")],
        "helm": {"helm": "simulated", "version": "3.22.0"}, "from": chart("1.0.0"), "to": chart("2.0.0"),
        "hops": [hop(vec![helm("a"), ready("a")], changes, new), second],
        "preconditions": {
            "ConfigMap/a/of-a": relied(json!({"same": "1"})), "ConfigMap/b/left": relied(json!({"same": "2"})),
            "ConfigMap/b/made": relied(json!("absent")), "PersistentVolume//v": relied(json!({"same": "3"})),
            "PersistentVolumeClaim/b/data": relied(json!({"same": "4"})), "PersistentVolumeClaim/b/new": relied(json!("absent")),
        },
        "volumes": [], "databases": [], "without": [], "accepted": [], "findings": [],
    });
    Arc::new(serde_json::from_value(plan).expect("a plan"))
}

/// The run of a plan that was killed when so many steps were over, started again.
fn resumed(plan: &Arc<Plan>, over: u32) -> Engine {
    let done = |index| JournalRecord::Observed {
        step: StepRef { index, attempt: 0 },
        observation: Observation::Done { note: String::new() },
    };
    let start = [JournalRecord::Started { plan: plan.digest(), host: "here".into() }, JournalRecord::Bound];
    let journal: Vec<JournalRecord> = start.into_iter().chain((0..over).map(done)).collect();
    let mut engine = Engine::resume(plan.clone(), &journal, "here");
    engine.on(Input::Reply(Reply::Appended));
    engine
}

/// The newest record of a release, which this step of the plan has made, or nobody's.
fn record(plan: &Plan, revision: u32, step: Option<u32>) -> Vec<ReleaseFact> {
    let token = step.map(|step| HelmToken::new(plan.digest().short(), step, 0));
    let fact = json!({
        "revision": revision, "status": "deployed", "token": token, "chart": chart("2.0.0"), "description": "", "docs": {}, "config": null,
    });
    vec![serde_json::from_value(fact).expect("a record")]
}

/// How it ended.
fn ended(mut engine: Engine) -> Option<Code> {
    engine.on(Input::Reply(Reply::Appended));
    match engine.want() {
        Request::End(Outcome::Halted { finding }) => Some(finding.code),
        _ => None,
    }
}

fn asked(engine: &Engine) -> Option<String> {
    if let Request::Releases(release, _) = engine.want() { Some(release.namespace) } else { None }
}

#[test]
fn after_a_pause_each_release_is_looked_at_that_the_run_has_upgraded() {
    let plan = plan();
    // By how many steps are over: the steps whose helms are looked back at.
    for (over, looks) in [(0, vec![]), (1, vec![("a", 0)]), (2, vec![("a", 0)]), (3, vec![("a", 0), ("b", 2)])] {
        let mut engine = resumed(&plan, over);
        for (namespace, step) in &looks {
            assert_eq!(asked(&engine).as_deref(), Some(*namespace), "{over} steps are over");
            let mut gone_on = engine.clone();
            gone_on.on(Input::Reply(Reply::Releases(record(&plan, 3, None))));
            assert_eq!(ended(gone_on), Some(Code::ReleaseMoved), "{over} steps are over, {namespace}");
            engine.on(Input::Reply(Reply::Releases(record(&plan, 2, Some(*step)))));
        }
        assert_eq!(asked(&engine), None, "{over} steps are over");
    }
    // A run that has come to its end is asked the same.
    let mut finished = resumed(&plan, 4);
    for _ in 0..9 {
        let facts = if asked(&finished).as_deref() == Some("a") {
            record(&plan, 2, Some(0))
        } else {
            record(&plan, 2, Some(2))
        };
        let reply = if asked(&finished).is_some() { Reply::Releases(facts) } else { Reply::Appended };
        finished.on(Input::Reply(reply));
    }
    assert_eq!(finished.want(), Request::End(Outcome::Finished));
    let mut again = finished.looking_back();
    assert_eq!(asked(&again).as_deref(), Some("a"));
    again.on(Input::Reply(Reply::Releases(record(&plan, 2, Some(0)))));
    assert_eq!(asked(&again).as_deref(), Some("b"));
    again.on(Input::Reply(Reply::Releases(record(&plan, 3, None))));
    assert_eq!(ended(again), Some(Code::ReleaseMoved));
}

#[test]
fn before_helm_starts_on_another_release_what_it_relies_on_is_looked_at_again() {
    let plan = plan();
    let mut engine = resumed(&plan, 2);
    engine.on(Input::Reply(Reply::Releases(record(&plan, 2, Some(0)))));
    let Request::Read(names) = engine.want() else { panic!("{:?}", engine.want()) };
    // What the hop before made, and what only the first release has, says nothing here.
    let wanted = ["ConfigMap/b/left", "PersistentVolume/v", "PersistentVolumeClaim/b/data"];
    assert_eq!(names.iter().map(Ref::full).collect::<Vec<_>>(), wanted);
    let live = |uids: [&str; 3]| uids.map(|uid| Seen::There(Object::new(json!({"metadata": {"uid": uid}})))).to_vec();
    let mut moved = engine.clone();
    moved.on(Input::Reply(Reply::Seen(live(["2", "3", "other"]))));
    assert_eq!(ended(moved), Some(Code::OtherObject));
    engine.on(Input::Reply(Reply::Seen(live(["2", "3", "4"]))));
    assert_eq!(asked(&engine).as_deref(), Some("b"), "helm's own step looks at its release");
}

#[test]
fn the_last_hop_of_each_release_is_verified_again() {
    let plan = plan();
    let engines = Engine::verifying(&plan, &Fold::default());
    let steps: Vec<Value> =
        engines.iter().flat_map(|engine| engine.plan().steps()).map(|step| json!(step.kind)).collect();
    let ready =
        |namespace: &str| json!({"kind": "wait-ready", "workloads": [format!("StatefulSet.apps/{namespace}/store")]});
    assert_eq!(steps, [ready("a"), ready("b")]);
}

//! Where a run may be stopped.

use std::sync::Arc;

use portolan_engine::Engine;
use portolan_model::{Action, Effect, Input, JournalRecord, Outcome, Plan, Reply, Request, StepRef, Urgency};
use serde_json::{Value, json};

fn plan(kind: &Value) -> Arc<Plan> {
    let chart = json!({"name": "r", "version": "1.0.0"});
    let step = json!({
        "id": "s", "kind": kind, "sources": [], "why": "", "command": [], "undo": "nothing", "limit": 600,
    });
    let hop = json!({
        "from": chart, "to": chart, "boundaries": [], "steps": [step], "changes": [], "new_claims": [], "values": [],
    });
    let plan = json!({
        "format": portolan_model::FORMAT, "cluster": "c", "server": "", "release": {"namespace": "ns", "name": "r"},
        "helm": {"helm": "simulated", "version": "3.22.0"}, "from": chart, "to": chart, "hops": [hop],
        "preconditions": {}, "volumes": [], "databases": [], "without": [], "accepted": [], "findings": [],
    });
    Arc::new(serde_json::from_value(plan).expect("a plan"))
}

/// An engine in the only step of a plan, after these records.
fn engine(kind: &Value, records: Vec<JournalRecord>) -> Engine {
    let plan = plan(kind);
    let start = vec![JournalRecord::Started { plan: plan.digest(), host: "here".into() }, JournalRecord::Bound];
    let journal: Vec<JournalRecord> = start.into_iter().chain(records).collect();
    let mut engine = Engine::resume(plan, &journal, "here");
    // It says that it goes on.
    engine.on(Input::Reply(Reply::Appended));
    engine
}

/// How the run ends where it is asked to stop now; `None` where it goes on.
fn stopped(engine: &mut Engine, urgency: Urgency) -> Option<Outcome> {
    engine.on(Input::Stop(urgency));
    loop {
        match engine.want() {
            Request::Append(..) => engine.on(Input::Reply(Reply::Appended)),
            Request::End(outcome) => return Some(outcome),
            _ => return None,
        }
    }
}

const AT: StepRef = StepRef { index: 0, attempt: 0 };

#[test]
fn a_wait_for_workloads_ends_at_once() {
    let mut engine = engine(&json!({"kind": "wait-ready", "workloads": []}), Vec::new());
    assert!(matches!(engine.want(), Request::Wait(_)));
    assert_eq!(stopped(&mut engine, Urgency::AfterStep), Some(Outcome::StoppedSafely));
}

#[test]
fn a_wait_for_the_end_of_what_was_deleted_ends_at_once_and_is_taken_up_again() {
    let target = "StatefulSet.apps/ns/store";
    let kind = json!({"kind": "delete-object", "target": target, "uid": "u"});
    let write = json!({"action": "write", "verb": "Delete", "target": target, "uid": "u", "rv": "1"});
    let action: Box<Action> = Box::new(serde_json::from_value(write).expect("an action"));
    let sent = vec![
        JournalRecord::Intent { step: AT, action, before: None },
        JournalRecord::Effect { step: AT, effect: Effect::Done },
    ];
    // A run that goes on looks again first, so this one is led to its wait by hand.
    let mut waiting = engine(&kind, sent);
    assert!(matches!(waiting.want(), Request::Read(_)), "it looks at what it has deleted");
    waiting.on(Input::Reply(Reply::Seen(vec![portolan_model::Seen::Absent])));
    waiting.on(Input::Reply(Reply::Appended));
    assert!(matches!(waiting.want(), Request::Wait(_)), "{:?}", waiting.want());
    assert_eq!(stopped(&mut waiting, Urgency::AfterStep), Some(Outcome::StoppedSafely));
}

/// A run of helm that upgrades release `r` from its revision 7.
fn helm_run() -> Value {
    let digest = portolan_model::Digest::of(b"");
    let chart = json!({"name": "r", "version": "1.0.0"});
    json!({
        "release": {"namespace": "ns", "name": "r"}, "base_revision": 7,
        "client": {"helm": "simulated", "version": "3.22.0"}, "chart": chart, "archive": digest, "values": digest,
        "carried": [], "mode": "reset", "manifest": digest, "docs": {}, "nondeterministic_fields": {}, "required_keys": [],
    })
}

#[test]
fn a_running_helm_is_left_only_on_the_second_request() {
    let run = helm_run();
    let action = json!({"action": "helm", "op": {"operation": "upgrade"}, "run": run, "token": "t-0-0"});
    let action: Box<Action> = Box::new(serde_json::from_value(action).expect("an action"));
    let sent = vec![
        JournalRecord::Intent { step: AT, action, before: None },
        JournalRecord::Effect { step: AT, effect: Effect::Done },
    ];
    let mut engine = engine(&json!({"kind": "helm", "op": {"operation": "upgrade"}, "run": run}), sent);
    assert!(matches!(engine.want(), Request::Wait(_)));
    assert_eq!(stopped(&mut engine, Urgency::AfterStep), None, "helm is not interrupted");
    assert!(matches!(engine.want(), Request::Wait(_)), "it still waits for helm");
    assert_eq!(stopped(&mut engine, Urgency::LeaveHelm), Some(Outcome::StoppedSafely));
    // Applied again, it waits for the same helm.
    let again = engine.crashed("here");
    let mut again = again;
    again.on(Input::Reply(Reply::Appended));
    let Request::Wait(wait) = again.want() else { panic!("it waits: {:?}", again.want()) };
    assert_eq!(wait.until, [portolan_model::Cond::HelmEnded(portolan_model::HelmToken::of_label("t-0-0"))]);
}

/// Whether the engine heard that helm was started makes a difference only where no record has helm's token.
#[test]
fn a_record_of_helm_says_as_much_as_having_heard_that_it_was_started() {
    let run = helm_run();
    let waiting = |op: &Value| {
        let action = json!({"action": "helm", "op": op, "run": run, "token": "t-0-0"});
        let action: Box<Action> = Box::new(serde_json::from_value(action).expect("an action"));
        let intent = JournalRecord::Intent { step: AT, action, before: None };
        engine(&json!({"kind": "helm", "op": op, "run": run}), vec![intent])
    };
    let upgrade = json!({"operation": "upgrade"});
    let unsure = waiting(&upgrade);
    assert!(matches!(unsure.want(), Request::Wait(_)), "killed before it heard of it, it waits for helm");
    assert!(unsure.knowing_of_helm(|_| false).is_none());
    let sure = unsure.knowing_of_helm(|token| token.as_str() == "t-0-0").expect("it did not know");
    assert!(sure.knowing_of_helm(|_| true).is_none(), "it knows");
    let uninstall = json!({"operation": "uninstall", "keep_history": false});
    assert!(waiting(&uninstall).knowing_of_helm(|_| true).is_none(), "no record has the token of an uninstall");
    let next = |engine: &Engine, revision: u32, token: Option<&str>| {
        let mut engine = engine.clone();
        engine.on(Input::Reply(Reply::Met));
        engine.on(Input::Reply(Reply::Appended));
        let fact = json!({
            "revision": revision, "status": "deployed", "token": token, "chart": run["chart"], "description": "", "docs": {}, "config": null,
        });
        engine.on(Input::Reply(Reply::Releases(vec![serde_json::from_value(fact).expect("a record")])));
        engine.want()
    };
    assert_eq!(next(&unsure, 8, Some("t-0-0")), next(&sure, 8, Some("t-0-0")));
    assert_ne!(next(&unsure, 7, None), next(&sure, 7, None));
}

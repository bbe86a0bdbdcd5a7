//! An answer that leaves objects out is no answer about them.

use std::sync::Arc;

use portolan_engine::Engine;
use portolan_model::{Input, JournalRecord, Outcome, Plan, Reply, Request, Seen};
use serde_json::{Value, json};

fn chart(version: &str) -> Value {
    json!({"name": "r", "version": version})
}

/// A plan with these steps that relies on two objects not being there.
fn plan(steps: &[Value]) -> Arc<Plan> {
    let step = |kind: &Value| json!({"id": "s", "kind": kind, "sources": [], "why": "", "command": [], "undo": "nothing", "limit": 600});
    let absent = json!({"object": "absent", "fields": [], "content": null});
    let hop = json!({
        "from": chart("1.0.0"), "to": chart("2.0.0"), "boundaries": [], "steps": steps.iter().map(step).collect::<Vec<_>>(),
        "changes": [], "new_claims": [], "values": [],
    });
    let plan = json!({
        "format": portolan_model::FORMAT, "cluster": "c", "server": "", "release": {"namespace": "ns", "name": "r"},
        "helm": {"helm": "simulated", "version": "3.22.0"}, "from": chart("1.0.0"), "to": chart("2.0.0"), "hops": [hop],
        "preconditions": {"Secret/ns/a": absent, "Secret/ns/b": absent}, "volumes": [], "databases": [], "without": [],
        "accepted": [], "findings": [],
    });
    Arc::new(serde_json::from_value(plan).expect("a plan"))
}

/// What the engine asks for, records made durable on the way.
fn asked(engine: &mut Engine) -> Request {
    while let Request::Append(..) = engine.want() {
        engine.on(Input::Reply(Reply::Appended));
    }
    engine.want()
}

/// Answers with so many objects that are not there, and what the engine asks for then.
fn answered(engine: &mut Engine, with: usize) -> Request {
    engine.on(Input::Reply(Reply::Seen(vec![Seen::Absent; with])));
    asked(engine)
}

#[test]
fn a_plan_is_not_bound_by_half_an_answer() {
    let archive = json!({"kind": "archive-object", "objects": ["Secret/ns/a", "Secret/ns/b"]});
    for with in [0, 1, 3] {
        let mut engine = Engine::resume(plan(std::slice::from_ref(&archive)), &[], "here");
        assert!(matches!(asked(&mut engine), Request::Read(names) if names.len() == 2));
        let Request::End(Outcome::Drifted { findings }) = answered(&mut engine, with) else {
            panic!("{with}: it begins")
        };
        assert!(findings[0].found.contains(&format!("about {with}")), "{findings:?}");
    }
}

#[test]
fn nothing_is_archived_by_half_an_answer() {
    let archive = json!({"kind": "archive-object", "objects": ["Secret/ns/a", "Secret/ns/b"]});
    let mut engine = Engine::resume(plan(&[archive]), &[], "here");
    assert!(matches!(asked(&mut engine), Request::Read(_)));
    assert!(matches!(answered(&mut engine, 2), Request::Read(names) if names.len() == 2), "it is bound");
    assert!(matches!(answered(&mut engine, 1), Request::End(Outcome::Halted { .. })));
}

#[test]
fn helm_does_not_start_by_half_an_answer() {
    let helm = json!({
        "kind": "helm", "op": {"operation": "upgrade"}, "run": {
            "release": {"namespace": "ns", "name": "r"}, "base_revision": 1,
            "client": {"helm": "simulated", "version": "3.22.0"}, "chart": chart("2.0.0"), "archive": "sha256:0", "values": "sha256:0",
            "carried": [], "mode": "reset", "manifest": "sha256:0", "docs": {}, "nondeterministic_fields": {}, "required_keys": [],
        },
    });
    let plan = plan(&[helm]);
    let journal = [JournalRecord::Started { plan: plan.digest(), host: "here".into() }, JournalRecord::Bound];
    for (with, starts) in [(2, true), (1, false), (0, false)] {
        let mut engine = Engine::resume(plan.clone(), &journal, "here");
        assert!(matches!(asked(&mut engine), Request::Read(names) if names.len() == 2), "{:?}", engine.want());
        let next = answered(&mut engine, with);
        assert_eq!(matches!(next, Request::End(Outcome::Halted { .. })), !starts, "{with}: {next:?}");
    }
}

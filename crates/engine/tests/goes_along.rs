//! The last lock before an uninstall: what holds data, and what takes it along, does not go with the release.

use std::sync::Arc;

use portolan_engine::Engine;
use portolan_model::{Code, HelmOperation, Input, JournalRecord, Outcome, Plan, Reply, Request};
use serde_json::json;

const UNINSTALL: HelmOperation = HelmOperation::Uninstall { keep_history: false };

/// A plan whose one step runs helm, where the stored manifest has this object and the plan says this of it.
fn plan(op: HelmOperation, object: &str, change: Option<&str>) -> Arc<Plan> {
    let chart = json!({"name": "r", "version": "1.0.0"});
    let run = json!({
        "release": {"namespace": "ns", "name": "r"}, "base_revision": 1, "client": {"helm": "simulated", "version": "3.22.0"},
        "chart": chart, "archive": null, "values": null, "carried": [], "mode": "reset", "manifest": "sha256:0",
        "docs": {object: "sha256:0"}, "nondeterministic_fields": {}, "required_keys": [],
    });
    let step = json!({
        "id": "helm", "kind": {"kind": "helm", "op": op, "run": run}, "sources": [], "why": "", "command": [], "undo": "forward-only",
        "limit": 600,
    });
    let changes: Vec<_> = change.iter().map(|change| json!({"object": object, "change": change, "why": ""})).collect();
    let hop = json!({
        "from": chart, "to": chart, "boundaries": [], "steps": [step], "changes": changes, "new_claims": [], "values": [],
    });
    let plan = json!({
        "format": portolan_model::FORMAT, "cluster": "c", "server": "", "release": {"namespace": "ns", "name": "r"},
        "helm": {"helm": "simulated", "version": "3.22.0"}, "from": chart, "to": chart, "hops": [hop],
        "preconditions": {}, "volumes": [], "databases": [], "without": [], "accepted": [], "findings": [],
    });
    Arc::new(serde_json::from_value(plan).expect("a plan"))
}

/// Whether helm's step goes on; else the code with which the run ends.
fn starts(plan: &Arc<Plan>) -> Result<(), Code> {
    let journal = [JournalRecord::Started { plan: plan.digest(), host: "here".into() }, JournalRecord::Bound];
    let mut engine = Engine::resume(plan.clone(), &journal, "here");
    loop {
        match engine.want() {
            Request::Append(..) => engine.on(Input::Reply(Reply::Appended)),
            Request::Read(names) if names.is_empty() => engine.on(Input::Reply(Reply::Seen(Vec::new()))),
            Request::End(Outcome::Halted { finding }) => return Err(finding.code),
            Request::Releases(..) => return Ok(()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_uninstall_does_not_start_where_storage_goes_with_it() {
    for object in [
        "PersistentVolumeClaim/ns/data",
        "PersistentVolume/data",
        "Namespace/ns",
        "CustomResourceDefinition.apiextensions.k8s.io/x",
    ] {
        for change in [None, Some("delete"), Some("change")] {
            assert_eq!(starts(&plan(UNINSTALL, object, change)), Err(Code::BadPlan), "{object} {change:?}");
        }
        assert_eq!(starts(&plan(UNINSTALL, object, Some("keep"))), Ok(()), "{object} stays");
        assert_eq!(
            starts(&plan(HelmOperation::Upgrade, object, Some("change"))),
            Ok(()),
            "{object} is not uninstalled"
        );
    }
    assert_eq!(starts(&plan(UNINSTALL, "ConfigMap/ns/c", Some("delete"))), Ok(()));
}

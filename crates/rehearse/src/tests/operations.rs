//! A release that is uninstalled and installed again, by a plan made by hand: killed and stopped anywhere, with a fault.

use std::collections::BTreeMap;
use std::sync::Arc;

use portolan_engine::Engine;
use portolan_helm_compat::redact;
use portolan_model::{Digest, Manifest, Plan, ReleaseId, Request, canonical};

use super::*;
use crate::actor::{Actor, ActorEvent};
use crate::space::{StateSpace, Transition};

fn release() -> ReleaseId {
    ReleaseId { namespace: NS.into(), name: "a".into() }
}

fn object(name: &Ref, annotations: &Value, spec: &Value) -> Object {
    let version = if name.group().is_empty() { "v1".to_owned() } else { format!("{}/v1", name.group()) };
    let metadata = json!({"name": name.name(), "namespace": NS, "annotations": annotations});
    Object::new(json!({"apiVersion": version, "kind": name.kind(), "metadata": metadata, "spec": spec}))
}

/// The StatefulSet, and its PVC where the chart has that too, with this annotation.
fn docs(world: &World, claim_policy: Option<&str>) -> Vec<Object> {
    let spec = world.get(&set()).expect("it is there").0["spec"].clone();
    let mut docs = vec![object(&set(), &json!({}), &spec)];
    docs.extend(claim_policy.map(|policy| {
        let annotations = if policy.is_empty() { json!({}) } else { json!({"helm.sh/resource-policy": policy}) };
        object(&claim(), &annotations, &json!({"storageClassName": "standard"}))
    }));
    docs
}

/// A world with a release of these documents, and a plan that uninstalls and installs them; `retains` says whether it protects the
/// volume before.
fn reinstall(policy: &str, claim_policy: Option<&str>, retains: bool) -> (World, Plan) {
    let mut world = world(policy);
    let docs = docs(&world, claim_policy);
    for name in docs.iter().filter_map(Object::name) {
        edit(&mut world, &name, |json| {
            json["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
            json["metadata"]["annotations"] =
                json!({"meta.helm.sh/release-name": "a", "meta.helm.sh/release-namespace": NS});
        });
    }
    let manifest = canonical(&Manifest { docs: docs.clone(), nondeterministic_fields: BTreeMap::new() });
    let (digest, values) = (Digest::of(&manifest), Digest::of(b"{}"));
    world.learn(&digest, &manifest);
    world.learn(&values, b"{}");
    let (record, chart) = (crate::helm::record_name(&release(), 1), json!({"name": "c", "version": "1.0.0"}));
    world.put(
        &record,
        json!({"apiVersion": "helm.sh/v1", "kind": "Release", "metadata": {"name": record.name(), "namespace": NS, "uid": "record"},
            "revision": 1, "status": "deployed", "chart": chart, "manifest": digest, "config": {}}),
    );
    let run = |base: Option<u32>, given: Option<&Digest>| {
        json!({
            "release": release(), "base_revision": base, "client": {"helm": "simulated", "version": "3.22.0"},
            "chart": chart, "archive": given, "values": given, "carried": [], "mode": "reset", "manifest": digest,
            "docs": redact::fingerprint(&docs, &BTreeMap::new()), "nondeterministic_fields": {}, "required_keys": [],
        })
    };
    let step = |id: &str, kind: Value| {
        json!({"id": id, "kind": kind, "sources": [{"page": "portolan", "line": null, "boundary": "by hand"}], "why": "",
            "command": [], "undo": "nothing", "limit": 60})
    };
    let protected = protected();
    let verify = || {
        step(
            "verify",
            json!({"kind": "verify-volume", "claim": protected.claim, "claim_uid": protected.claim_uid, "volume": protected.volume,
                "volume_uid": protected.volume_uid, "mounted_by": [], "sets": [set()], "known_claims": [protected.claim]}),
        )
    };
    let retain =
        json!({"kind": "retain-volume", "volume": protected.volume, "uid": protected.volume_uid, "before": policy});
    let op = |word: &str| json!({"operation": word, "keep_history": false});
    let gone = json!({"kind": "wait-gone", "pods": [{"pod": pod(), "owner": "set"}]});
    let mut uninstall = vec![
        step("uninstall", json!({"kind": "helm", "op": op("uninstall"), "run": run(Some(1), None)})),
        step("gone", gone),
        verify(),
    ];
    if retains {
        uninstall.insert(0, step("retain", retain));
    }
    let install = vec![
        step("install", json!({"kind": "helm", "op": op("install"), "run": run(None, Some(&values))})),
        step("ready", json!({"kind": "wait-ready", "workloads": [set()]})),
        verify(),
    ];
    // The engine's last lock believes the plan; what the simulation does is decided by the manifest alone.
    let stays = json!([{"object": claim(), "change": "keep", "why": ""}]);
    let hop = |steps: Vec<Value>| json!({"from": chart, "to": chart, "boundaries": [], "steps": steps, "changes": stays, "new_claims": [], "values": []});
    let plan = json!({
        "format": portolan_model::FORMAT, "cluster": "c", "server": "", "release": release(),
        "helm": {"helm": "simulated", "version": "3.22.0"}, "from": chart, "to": chart,
        "hops": [hop(uninstall), hop(install)], "preconditions": {}, "volumes": [protected], "databases": [],
        "without": [], "accepted": [], "findings": [],
    });
    (world, serde_json::from_value(plan).expect("a plan"))
}

#[test]
fn a_release_is_uninstalled_and_installed_again_around_its_data() {
    use Verdict::{Detached, Doomed, Lost, Safe};
    for (what, policy, claim_policy, retains, want) in [
        ("the chart does not have the PVC", "Delete", None, true, &[Safe][..]),
        ("the chart has it, and the stored manifest keeps it", "Delete", Some("Keep"), true, &[Safe]),
        // The stored manifest decides, so no step of ours holds it back.
        ("the chart has it", "Delete", Some(""), false, &[Doomed, Lost]),
        ("the chart has it, on a retained volume", "Delete", Some(""), true, &[Detached]),
    ] {
        let (world, plan) = reinstall(policy, claim_policy, retains);
        let options = Options { limit: 200_000, ..Options::default() };
        let subject = Subject::Plan(Arc::new(plan));
        let forecast = rehearse(&world, &subject, &[protected()], options);
        let all = rehearse(&world, &subject, &[protected()], Options { all: true, ..options });
        assert!(
            forecast.volumes[0].ends.keys().eq(all.volumes[0].ends.keys()),
            "{what}: nothing is left out that counts"
        );
        assert!(forecast.worlds < all.worlds, "{what}");
        let found = forecast.headline();
        let ends: Vec<_> = forecast.volumes[0].ends.keys().collect();
        assert!(want.contains(&found), "{what}: {found:?} {ends:?} {:?}", forecast.volumes[0].unknown);
        assert_eq!(forecast.volumes[0].finishes, want == [Safe], "{what}: {ends:?} {:?}", forecast.volumes[0].stuck);
        assert!(forecast.crashes > 0, "{what}");
        for (end, trace) in forecast.volumes[0].ends.iter().filter(|(end, _)| end.is_bad()) {
            assert_eq!(trace.deletion, Some(ClaimDeletion::HelmUninstall), "{what}: {end:?} {:?}", trace.lines);
        }
    }
}

#[test]
fn the_live_annotation_holds_nothing_back_in_an_uninstall() {
    let (mut world, plan) = reinstall("Delete", Some(""), false);
    edit(&mut world, &claim(), |json| json["metadata"]["annotations"]["helm.sh/resource-policy"] = json!("keep"));
    let forecast = rehearse(&world, &Subject::Plan(Arc::new(plan)), &[protected()], Options::orders());
    assert!(forecast.headline() > Verdict::Detached, "{:?}", forecast.volumes[0].ends.keys().collect::<Vec<_>>());
}

/// Before helm has made its record, a run that goes on cannot tell a helm that was started from one that was not.
#[test]
fn a_killed_engine_knows_of_its_helm_once_that_has_made_its_record() {
    let (mut world, mut plan) = reinstall("Retain", None, false);
    // The installation alone.
    plan.hops.remove(0);
    world.remove(&crate::helm::record_name(&release(), 1));
    let mut space = StateSpace::new(Options::default());
    let engine = Actor::Engine(Box::new(Engine::resume(Arc::new(plan), &[], "here")));
    let mut state = space.state(&world, &[engine], 0);
    let mut turns = 0;
    while !space.engine(state.actors).is_some_and(|engine| matches!(engine.want(), Request::Spawn(..))) {
        state = space.take(state, Transition::Actor(0, ActorEvent::Turn));
        turns += 1;
        assert!(turns < 50, "it starts helm");
    }
    state = space.take(state, Transition::Actor(0, ActorEvent::CrashSent));
    while space.engine(state.actors).is_some_and(|engine| engine.pending().is_some()) {
        state = space.take(state, Transition::Actor(0, ActorEvent::Turn));
    }
    let knows = |space: &StateSpace, state: crate::space::State| space.engine(state.actors).map(|it| it.state().sent);
    assert_eq!(knows(&space, state), Some(false), "there is no record");
    state = space.take(state, Transition::Actor(1, ActorEvent::Turn));
    assert_eq!(knows(&space, state), Some(true));
}

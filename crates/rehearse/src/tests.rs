//! Each rule on a world of a few objects: the harmful form, and a harmless twin.

mod deployments;
mod operations;
mod unknown;

use portolan_model::{Object, Ref, Verdict};
use serde_json::{Value, json};

use crate::script::{Op, ScriptLine};
use crate::test_world::{NS, claim, cluster, crd, edit, namespace, owner, pod, protected, set, world};
use crate::{ClaimDeletion, CommandScript, Options, Subject, WeighedEnd, World, ends, rehearse};

fn script(ops: Vec<Op>) -> CommandScript {
    let line = |(at, op)| ScriptLine { line: at, text: String::new(), op };
    (1..).zip(ops).map(line).collect()
}

fn delete(name: Ref) -> Op {
    Op::Delete(vec![name])
}

fn patch(name: Ref, patch: Value) -> Op {
    Op::Patch(name, patch)
}

fn retention(deleted: &str, scaled: &str) -> Value {
    json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": deleted, "whenScaled": scaled}}})
}

/// The worst end of some commands, and the worlds in which they end.
fn outcome(world: &World, ops: Vec<Op>) -> (Verdict, Vec<World>) {
    let (ends, _) = ends(world, &Subject::Script(script(ops)), &protected(), Options::orders());
    let worst = ends.iter().map(|(end, _)| end.verdict).max().expect("it ends");
    (worst, ends.into_iter().map(|(_, world)| world).collect())
}

type Case = (&'static str, fn(&mut World), fn() -> Vec<Op>, Verdict, Verdict);

/// What becomes of the volume with policy Delete, and with Retain.
#[test]
fn what_takes_a_volume_along_is_followed() {
    let owned_by_cluster = |world: &mut World| {
        edit(world, &claim(), |json| json["metadata"]["ownerReferences"] = json!([owner(&cluster(), "cluster")]));
    };
    let owned_by_owned_set = |world: &mut World| {
        edit(world, &set(), |json| json["metadata"]["ownerReferences"] = json!([owner(&cluster(), "cluster")]));
        edit(world, &set(), |json| {
            json["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenDeleted": "Delete"});
        });
        edit(world, &claim(), |json| json["metadata"]["ownerReferences"] = json!([owner(&set(), "set")]));
    };
    // As a StatefulSet leaves them whose policy was changed while it had no replicas.
    let left_owned = |world: &mut World| {
        edit(world, &set(), |json| json["spec"]["replicas"] = json!(0));
        edit(world, &claim(), |json| json["metadata"]["ownerReferences"] = json!([owner(&set(), "set")]));
        world.remove(&pod());
    };
    let no = |_: &mut World| {};
    use Verdict::{Detached, Doomed, Lost, Safe};
    let cases: [Case; 15] = [
        ("nothing happens", no, || vec![Op::Nothing], Safe, Safe),
        ("the namespace goes", no, || vec![delete(namespace())], Lost, Detached),
        ("the custom resource that owns it goes", owned_by_cluster, || vec![delete(cluster())], Doomed, Detached),
        ("the CRD of its owner goes", owned_by_cluster, || vec![delete(crd())], Doomed, Detached),
        ("a CRD goes whose resources own nothing", no, || vec![delete(crd())], Safe, Safe),
        ("the owner of its owner goes", owned_by_owned_set, || vec![delete(cluster())], Lost, Detached),
        (
            "its PV goes",
            no,
            || vec![patch(Ref::volume("pv"), json!({"metadata": {"deletionTimestamp": "set"}}))],
            Doomed,
            Detached,
        ),
        (
            "whenDeleted becomes Delete, and the StatefulSet goes later",
            no,
            || vec![patch(set(), retention("Delete", "Retain")), delete(set())],
            Lost,
            Detached,
        ),
        ("whenDeleted becomes Delete", no, || vec![patch(set(), retention("Delete", "Retain"))], Safe, Safe),
        ("the StatefulSet goes, the PVC stays", no, || vec![delete(set())], Detached, Detached),
        ("the StatefulSet goes that still owns it", left_owned, || vec![delete(set())], Lost, Detached),
        (
            "scaled down with whenScaled: Delete",
            no,
            || vec![patch(set(), retention("Retain", "Delete")), patch(set(), json!({"spec": {"replicas": 0}}))],
            Lost,
            Detached,
        ),
        ("scaled down", no, || vec![patch(set(), json!({"spec": {"replicas": 0}}))], Detached, Detached),
        ("scaled up", no, || vec![patch(set(), json!({"spec": {"replicas": 2}}))], Safe, Safe),
        (
            "the ordinals begin at 1",
            no,
            || vec![patch(set(), json!({"spec": {"ordinals": {"start": 1}}}))],
            Detached,
            Detached,
        ),
    ];
    for (what, before, ops, with_delete, with_retain) in cases {
        for (policy, verdict) in [("Delete", with_delete), ("Retain", with_retain)] {
            let mut world = world(policy);
            before(&mut world);
            let (worst, _) = outcome(&world, ops());
            assert_eq!(worst, verdict, "{what}, {policy}");
        }
    }
}

/// Whoever deletes the PVC, and the rule after which the volume is what it is in the end.
#[test]
fn a_trace_says_who_deleted_the_pvc_and_what_decided() {
    let delete_set = || vec![delete(set())];
    let collected = || vec![patch(set(), retention("Delete", "Retain")), delete(set())];
    let by_hand = || vec![delete(claim())];
    use Verdict::{Detached, Doomed, Lost};
    for (what, policy, ops, verdict, deletion, rule) in [
        ("the pod goes with its StatefulSet, the PVC stays", "Delete", delete_set(), Detached, None, Some("R10")),
        ("the PVC goes with it, and the disk", "Delete", collected(), Lost, Some(ClaimDeletion::Collected), Some("R8")),
        ("the PVC goes with it", "Retain", collected(), Detached, Some(ClaimDeletion::Collected), Some("R10")),
        ("the PVC goes when its pod does", "Delete", by_hand(), Doomed, Some(ClaimDeletion::Another), None),
        ("the PVC goes when its pod does", "Retain", by_hand(), Detached, Some(ClaimDeletion::Another), None),
    ] {
        let subject = Subject::Script(script(ops));
        let forecast = rehearse(&world(policy), &subject, &[protected()], Options::orders());
        let volume = &forecast.volumes[0];
        assert_eq!(volume.headline, verdict, "{what}, {policy}");
        // Where the StatefulSet goes before it owns the PVC, that stays: another end, with another trace.
        let is_meant = |end: &WeighedEnd| end.counts_as == verdict && end.holds == deletion.is_none();
        assert!(volume.ends.keys().any(is_meant), "{what}, {policy}: {:?}", volume.ends);
        for (end, trace) in volume.ends.iter().filter(|(end, _)| is_meant(end)) {
            assert_eq!(trace.deletion, deletion, "{what}, {policy}: {end:?}");
            let cause = trace.cause.expect("the volume was mounted before");
            assert_eq!(cause.rule, rule, "{what}, {policy}: {:?}", trace.lines);
            assert_eq!(trace.lines[cause.line].rule, rule, "{what}, {policy}: the line tells of it");
        }
    }
}

#[test]
fn an_owner_with_a_finalizer_goes_once_its_controller_has_let_it_go() {
    for (policy, verdict) in [("Delete", Verdict::Doomed), ("Retain", Verdict::Detached)] {
        let mut world = world(policy);
        edit(&mut world, &claim(), |json| json["metadata"]["ownerReferences"] = json!([owner(&cluster(), "cluster")]));
        edit(&mut world, &cluster(), |json| json["metadata"]["finalizers"] = json!(["db.example.com/operator"]));
        assert_eq!(outcome(&world, vec![delete(cluster())]).0, verdict, "{policy}");
    }
}

#[test]
fn a_disk_that_no_volume_names_is_there_and_detached() {
    let ops = vec![
        patch(Ref::volume("pv"), json!({"metadata": {"deletionTimestamp": "set"}})),
        delete(set()),
        delete(claim()),
    ];
    let (worst, worlds) = outcome(&world("Retain"), ops);
    assert_eq!(worst, Verdict::Detached);
    for world in worlds {
        assert!(world.get(&Ref::volume("pv")).is_none());
        assert!(world.disk(&Ref::volume("pv")).is_some_and(|disk| disk.alive));
    }
}

#[test]
fn a_set_takes_claims_over_and_gives_them_up_again() {
    let owners = |policy: Value, replicas: u32, owned: bool| -> Vec<usize> {
        let mut world = world("Delete");
        edit(&mut world, &set(), |json| json["spec"]["replicas"] = json!(replicas));
        if replicas == 0 {
            world.remove(&pod());
        }
        if owned {
            edit(&mut world, &claim(), |json| json["metadata"]["ownerReferences"] = json!([owner(&set(), "set")]));
        }
        let (_, worlds) = outcome(&world, vec![patch(set(), policy)]);
        let count = |world: World| world.get(&claim()).map(|claim| claim.list("/metadata/ownerReferences").len());
        worlds.into_iter().filter_map(count).collect()
    };
    assert_eq!(owners(retention("Delete", "Retain"), 1, false), [1]);
    assert_eq!(owners(retention("Retain", "Retain"), 1, true), [0]);
    assert_eq!(owners(retention("Retain", "Retain"), 0, true), [1], "it looks only at ordinals that it runs");
    let owned = |by: Value, policy: Value| -> Vec<usize> {
        let mut world = world("Delete");
        edit(&mut world, &claim(), |json| json["metadata"]["ownerReferences"] = json!([by]));
        let (_, worlds) = outcome(&world, vec![patch(set(), policy)]);
        let count = |world: World| world.get(&claim()).map(|claim| claim.list("/metadata/ownerReferences").len());
        worlds.into_iter().filter_map(count).collect()
    };
    assert_eq!(owned(owner(&cluster(), "cluster"), retention("Delete", "Retain")), [1], "another controller has it");
    assert_eq!(
        owned(owner(&pod(), "pod"), retention("Retain", "Retain")),
        [0],
        "it was scaled down, and is not any more"
    );
}

#[test]
fn a_pod_that_never_becomes_ready_is_not_replaced_in_order() {
    let template = || json!({"spec": {"template": {"metadata": {"labels": {"v": "2"}}}}});
    let replaced = |management: &str, phase: &str| -> bool {
        let mut world = world("Delete");
        edit(&mut world, &set(), |json| json["spec"]["podManagementPolicy"] = json!(management));
        edit(&mut world, &pod(), |json| json["status"]["phase"] = json!(phase));
        let (_, worlds) = outcome(&world, vec![patch(set(), template())]);
        worlds.iter().all(|world| world.get(&pod()).is_some_and(|pod| pod.label("v") == Some("2")))
    };
    assert!(replaced("OrderedReady", "Running"));
    assert!(!replaced("OrderedReady", crate::object_view::STUCK));
    assert!(replaced("Parallel", crate::object_view::STUCK));
}

/// An object whose pods mount the PVC, or that names it.
fn user(version: &str, kind: &str, spec: &Value) -> (Ref, Value) {
    let json = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "user", "namespace": NS, "uid": "user"}, "spec": spec});
    (Object::new(json.clone()).name().expect("it has one"), json)
}

#[test]
fn what_is_not_modelled_makes_a_forecast_unknown() {
    let pod = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]});
    let template = json!({"template": {"spec": pod}});
    let with = |key: &str, value: Value| {
        let mut spec = template.clone();
        spec[key] = value;
        spec
    };
    let partition = json!({"rollingUpdate": {"partition": 1}});
    let cases = [
        (user("apps/v1", "Deployment", &template), Some("/spec/template/spec/volumes/0")),
        (user("apps/v1", "Deployment", &with("replicas", json!(0))), None),
        (user("apps/v1", "Deployment", &with("strategy", json!({"type": "Recreate"}))), None),
        (user("apps/v1", "DaemonSet", &template), Some("/spec/template/spec/volumes/0")),
        (user("apps/v1", "ReplicaSet", &template), Some("/spec/template/spec/volumes/0")),
        (user("v1", "ReplicationController", &template), Some("/spec/template/spec/volumes/0")),
        (user("batch/v1", "Job", &template), Some("/spec/template/spec/volumes/0")),
        (user("batch/v1", "Job", &with("suspend", json!(true))), None),
        (
            user("batch/v1", "CronJob", &json!({"jobTemplate": {"spec": template}})),
            Some("/spec/jobTemplate/spec/template/spec/volumes/0"),
        ),
        (user("batch/v1", "CronJob", &json!({"suspend": true, "jobTemplate": {"spec": template}})), None),
        (
            user("apps.openshift.io/v1", "DeploymentConfig", &template),
            Some("/spec/template/spec/volumes/0/persistentVolumeClaim/claimName"),
        ),
        (user("db.example.com/v1", "Backup", &json!({"of": "data-db-0"})), Some("/spec/of")),
        (user("db.example.com/v1", "Backup", &json!({"of": "another"})), None),
        (user("v1", "ConfigMap", &json!({"of": "data-db-0"})), None),
        (
            user("apps/v1", "StatefulSet", &with("updateStrategy", partition)),
            Some("/spec/updateStrategy/rollingUpdate/partition"),
        ),
    ];
    for ((name, json), field) in cases {
        let mut world = world("Delete");
        world.put(&name, json.clone());
        if name.kind() == "StatefulSet" {
            // Its pod waits for nothing.
            world.put(&Ref::pod(NS, "user-0"), json!({"kind": "Pod", "metadata": {"ownerReferences": [owner(&name, "user")]}, "status": {"phase": "Running"}}));
        }
        let forecast = rehearse(&world, &Subject::Script(script(vec![Op::Nothing])), &[protected()], Options::orders());
        let found: Vec<(&Ref, &str)> =
            forecast.volumes[0].unknown.iter().map(|one| (&one.object, one.field.as_str())).collect();
        assert_eq!(found, field.map(|field| (&name, field)).into_iter().collect::<Vec<_>>(), "{json}");
        let verdict = if field.is_some() { Verdict::Unknown } else { Verdict::Safe };
        assert_eq!(forecast.headline(), verdict, "{json}");
    }
}

/// A Deployment rolls out unless it is paused. One that is paused and wants no pods lacks none.
#[test]
fn a_deployment_rolls_out_unless_it_is_paused() {
    let pod = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]});
    for (spec, rolls) in [
        (json!({"template": {"spec": {}}}), true),
        (json!({"template": {"spec": {}}, "paused": true}), false),
        (json!({"template": {"spec": pod}}), true),
        (json!({"template": {"spec": pod}, "paused": true}), false),
        (json!({"template": {"spec": pod}, "replicas": 0}), true),
        (json!({"template": {"spec": pod}, "replicas": 0, "paused": true}), true),
    ] {
        let mut world = world("Delete");
        let (name, json) = user("apps/v1", "Deployment", &spec);
        world.put(&name, json);
        let (_, ends) = outcome(&world, vec![Op::Nothing]);
        assert!(!ends.is_empty());
        for end in ends {
            assert_eq!(crate::serve::readiness(&end, &name).is_ok(), rolls, "{spec}");
        }
    }
}

/// A volume that nobody mounts because its set wants no pods is Safe as long as that stays so; one that a set lets go of is not.
#[test]
fn a_volume_at_rest_is_safe_and_one_that_is_let_go_is_detached() {
    let scaled = |world: &mut World, replicas: u64| {
        edit(world, &set(), |json| json["spec"]["replicas"] = json!(replicas));
        if replicas == 0 {
            world.remove(&pod());
        }
    };
    let none = || patch(set(), json!({"spec": {"replicas": 0}}));
    for (replicas, op, verdict) in
        [(0, Op::Nothing, Verdict::Safe), (1, Op::Nothing, Verdict::Safe), (1, none(), Verdict::Detached)]
    {
        let mut world = world("Delete");
        scaled(&mut world, replicas);
        assert_eq!(outcome(&world, vec![op]).0, verdict, "{replicas}");
    }
}

#[test]
fn an_owner_that_was_not_read_makes_a_forecast_unknown() {
    for (uid, unknown) in [("cluster", false), ("another", true)] {
        let mut world = world("Delete");
        edit(&mut world, &set(), |json| json["metadata"]["ownerReferences"] = json!([owner(&cluster(), uid)]));
        // The garbage collector's part is looked at elsewhere.
        let reach = portolan_kube_facts::reach_by_owners(&claim(), world.objects(), &|name| world.get(name), &|_| {
            portolan_kube_facts::OwnerFate::Untouched
        });
        assert_eq!(!reach.is_empty(), unknown, "{reach:?}");
    }
}

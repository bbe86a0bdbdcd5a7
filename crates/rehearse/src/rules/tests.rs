//! Each rule where it fires, where something keeps it from firing, and where an object or a field that it reads is missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::test_world::{
    NS, claim, cluster, crd, edit, namespace, owner, pod, replica, replica_set, set, store, world,
};
use crate::world::KnownDatabase;

/// A rule on one object of [`world`], whose volume has policy Delete.
struct Case {
    rule: RuleId,
    on: fn() -> Ref,
    /// Changes the world so that it fires.
    fires: fn(&mut World),
    /// What is so after it fired.
    after: fn(&World) -> bool,
    /// Changes the world so that it does not fire.
    prevented: fn(&mut World),
    /// Takes away something that it reads besides what `fires` does, and whether it fires then.
    missing: (fn(&mut World), bool),
}

fn volume() -> Ref {
    Ref::volume("pv")
}

fn deployment() -> Ref {
    Ref::new("apps", "Deployment", NS, "web")
}

fn job() -> Ref {
    Ref::new("batch", "Job", NS, "migrate")
}

fn secret() -> Ref {
    Ref::secret(NS, "db")
}

fn terminate(world: &mut World, name: &Ref) {
    edit(world, name, |json| json["metadata"]["deletionTimestamp"] = json!("set"));
}

fn set_field(world: &mut World, name: &Ref, pointer: &str, value: Value) {
    edit(world, name, |json| {
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer has a slash");
        json.pointer_mut(parent).expect("its parent is there")[field] = value;
    });
}

fn take_field(world: &mut World, name: &Ref, pointer: &str) {
    edit(world, name, |json| {
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer has a slash");
        let parent = json.pointer_mut(parent).and_then(Value::as_object_mut).expect("its parent is there");
        parent.remove(field).expect("it is there");
    });
}

fn text<'a>(world: &'a World, name: &Ref, pointer: &str) -> &'a str {
    world.get(name).map_or("", |object| object.text(pointer))
}

fn is_terminating(world: &World, name: &Ref) -> bool {
    world.view(name).is_some_and(|view| view.terminating)
}

/// The pod was left by a StatefulSet that was deleted without it.
fn orphaned(world: &mut World) {
    take_field(world, &pod(), "/metadata/ownerReferences");
    set_field(world, &pod(), "/metadata/labels/app", json!("db"));
    set_field(world, &set(), "/spec/selector", json!({"matchLabels": {"app": "db"}}));
}

/// The same, and the StatefulSet does not have the pod's ordinal.
fn orphaned_beyond(world: &mut World) {
    orphaned(world);
    set_field(world, &set(), "/spec/replicas", json!(0));
}

/// The StatefulSet runs a database whose password is in a Secret.
fn with_database(world: &mut World) {
    let key = SecretKey { secret: secret(), key: "password".into() };
    let known = KnownDatabase { set: set(), passwords: vec![key], server_version: "15".into() };
    world.facts = Arc::new(crate::Facts { databases: vec![known], ..(*world.facts).clone() });
    world.put(&secret(), json!({"data": {"password": "cGFzcw=="}}));
}

fn pending_claim(world: &mut World) {
    take_field(world, &claim(), "/spec/volumeName");
    set_field(world, &claim(), "/status/phase", json!("Pending"));
}

fn released(world: &mut World) {
    set_field(world, &volume(), "/status/phase", json!("Released"));
}

fn put_deployment(world: &mut World) {
    world.put(&deployment(), json!({"spec": {"replicas": 1, "template": {"spec": {"containers": []}}}, "status": {}}));
}

/// A Deployment with strategy Recreate whose pod mounts the PVC too; its ReplicaSet wants so many pods.
fn put_store(world: &mut World, wants: u32) {
    let spec = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim().name()}}]});
    let mut template = json!({"metadata": {"labels": {"app": "store"}}, "spec": spec});
    world.put(
        &store(),
        json!({"metadata": {"uid": "store"}, "spec": {"replicas": 1, "strategy": {"type": "Recreate"}, "template": template}}),
    );
    template["metadata"]["labels"][crate::object_view::TEMPLATE_HASH] = json!("5d4f8c");
    let owners = json!([owner(&store(), "store")]);
    world.put(
        &replica_set(),
        json!({"metadata": {"uid": "replicas", "ownerReferences": owners}, "spec": {"replicas": wants, "template": template}}),
    );
    let mut pod =
        json!({"metadata": {"uid": "replica", "ownerReferences": [owner(&replica_set(), "replicas")]}, "spec": spec});
    pod["spec"]["nodeName"] = json!("node");
    pod["status"] = json!({"phase": "Running"});
    world.put(&replica(), pod);
}

fn replicas(world: &World, name: &Ref) -> Option<u64> {
    world.get(name)?.at("/spec/replicas")?.as_u64()
}

fn beside_another(world: &mut World) {
    put_store(world, 1);
    unscheduled(world);
    set_field(world, &claim(), "/spec/accessModes", json!(["ReadWriteOncePod"]));
}

fn put_job(world: &mut World) {
    let env = json!([{"name": "P", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]);
    world.put(&job(), json!({"spec": {"template": {"spec": {"containers": [{"env": env}]}}}, "status": {}}));
}

fn unscheduled(world: &mut World) {
    take_field(world, &pod(), "/spec/nodeName");
    set_field(world, &pod(), "/status/phase", json!("Pending"));
}

fn not_started(world: &mut World) {
    set_field(world, &pod(), "/status/phase", json!("Pending"));
}

fn keeps_claims_of_its_own(world: &mut World) {
    set_field(world, &set(), "/spec/persistentVolumeClaimRetentionPolicy", json!({"whenDeleted": "Delete"}));
}

fn forgotten(world: &mut World) {
    set_field(world, &volume(), "/spec/persistentVolumeReclaimPolicy", json!("Retain"));
    released(world);
    terminate(world, &volume());
}

const CASES: &[Case] = &[
    Case {
        rule: RuleId::Provision,
        on: claim,
        fires: pending_claim,
        after: |world| {
            let made = Ref::volume(text(world, &claim(), "/spec/volumeName"));
            text(world, &made, "/spec/persistentVolumeReclaimPolicy") == "Delete"
                && world.disk(&made).is_some_and(|disk| disk.alive && disk.database.is_none())
        },
        prevented: |world| {
            pending_claim(world);
            take_field(world, &claim(), "/spec/storageClassName");
        },
        missing: (|world| world.remove(&Ref::new("storage.k8s.io", "StorageClass", "", "standard")), true),
    },
    Case {
        rule: RuleId::Unprotect,
        on: claim,
        fires: |world| {
            terminate(world, &claim());
            world.remove(&pod());
        },
        after: |world| world.get(&claim()).is_none(),
        prevented: |world| terminate(world, &claim()),
        missing: (|world| world.remove(&volume()), true),
    },
    Case {
        rule: RuleId::Release,
        on: volume,
        fires: |world| world.remove(&claim()),
        after: |world| text(world, &volume(), "/status/phase") == "Released",
        prevented: |world| terminate(world, &claim()),
        missing: (|world| take_field(world, &volume(), "/spec/claimRef"), false),
    },
    Case {
        rule: RuleId::Reclaim,
        on: volume,
        fires: released,
        after: |world| world.get(&volume()).is_none() && world.disk(&volume()).is_some_and(|disk| !disk.alive),
        prevented: |world| {
            released(world);
            set_field(world, &volume(), "/spec/persistentVolumeReclaimPolicy", json!("Retain"));
        },
        // Nothing good is assumed of a policy that is not known.
        missing: (|world| take_field(world, &volume(), "/spec/persistentVolumeReclaimPolicy"), true),
    },
    Case {
        rule: RuleId::Collect,
        on: pod,
        fires: |world| world.remove(&set()),
        after: |world| is_terminating(world, &pod()),
        prevented: |world| {
            world.remove(&set());
            let owners = json!([owner(&set(), "set"), owner(&cluster(), "cluster")]);
            set_field(world, &pod(), "/metadata/ownerReferences", owners);
        },
        missing: (|world| take_field(world, &pod(), "/metadata/ownerReferences"), false),
    },
    Case {
        rule: RuleId::SetClaim,
        on: set,
        fires: |world| {
            world.remove(&pod());
            world.remove(&claim());
        },
        after: |world| text(world, &claim(), "/status/phase") == "Pending",
        // The PVC of that name is taken over, whoever made it.
        prevented: |world| world.remove(&pod()),
        missing: (|world| take_field(world, &set(), "/spec/volumeClaimTemplates"), false),
    },
    Case {
        rule: RuleId::SetPod,
        on: set,
        fires: |world| world.remove(&pod()),
        after: |world| {
            world.view(&pod()).is_some_and(|pod| pod.is_owned_by(&portolan_model::Uid::new("set")))
                && world.pods_on(&claim()).count() == 1
        },
        prevented: |world| {
            world.remove(&pod());
            terminate(world, &claim());
        },
        missing: (|world| world.remove(&claim()), false),
    },
    Case {
        rule: RuleId::SetAdopt,
        on: set,
        fires: orphaned,
        after: |world| world.view(&pod()).is_some_and(|pod| pod.is_owned_by(&portolan_model::Uid::new("set"))),
        prevented: |world| {
            orphaned(world);
            set_field(world, &pod(), "/metadata/labels/app", json!("another"));
        },
        missing: (|world| take_field(world, &set(), "/spec/selector"), false),
    },
    // Its ordinal is none of the set's, and it is deleted next.
    Case {
        rule: RuleId::SetAdopt,
        on: set,
        fires: orphaned_beyond,
        after: |world| {
            world.enabled_rules().contains(&(RuleId::SetScale, set()))
                && world.view(&pod()).is_some_and(|pod| pod.owners.len() == 1)
        },
        prevented: |world| {
            orphaned_beyond(world);
            set_field(world, &pod(), "/metadata/labels/app", json!("another"));
        },
        missing: (|world| take_field(world, &set(), "/spec/selector"), false),
    },
    Case {
        rule: RuleId::SetRoll,
        on: set,
        fires: |world| set_field(world, &set(), "/spec/template/spec/image", json!("new")),
        after: |world| is_terminating(world, &pod()),
        prevented: |world| {
            set_field(world, &set(), "/spec/template/spec/image", json!("new"));
            set_field(world, &set(), "/spec/updateStrategy", json!({"type": "OnDelete"}));
        },
        missing: (|world| take_field(world, &pod(), "/metadata/labels"), true),
    },
    Case {
        rule: RuleId::SetOwn,
        on: set,
        fires: keeps_claims_of_its_own,
        after: |world| world.view(&claim()).is_some_and(|claim| claim.is_owned_by(&portolan_model::Uid::new("set"))),
        prevented: |world| {
            keeps_claims_of_its_own(world);
            set_field(world, &claim(), "/metadata/ownerReferences", json!([owner(&cluster(), "cluster")]));
        },
        missing: (|world| world.remove(&claim()), false),
    },
    Case {
        rule: RuleId::SetScale,
        on: set,
        fires: |world| set_field(world, &set(), "/spec/replicas", json!(0)),
        after: |world| is_terminating(world, &pod()),
        prevented: |world| {
            set_field(world, &set(), "/spec/replicas", json!(0));
            terminate(world, &pod());
        },
        missing: (|world| take_field(world, &pod(), "/metadata/ownerReferences"), false),
    },
    Case {
        rule: RuleId::Roll,
        on: deployment,
        fires: put_deployment,
        after: |world| matches!(world.view(&deployment()).map(|view| &view.kind), Some(Kind::Deployment(it)) if it.rolled),
        prevented: |world| {
            put_deployment(world);
            set_field(world, &deployment(), "/spec/paused", json!(true));
        },
        missing: (|world| take_field(world, &deployment(), "/spec/replicas"), true),
    },
    Case {
        rule: RuleId::ScaleDown,
        on: store,
        fires: |world| {
            put_store(world, 1);
            set_field(world, &store(), "/spec/template/spec/image", json!("new"));
        },
        after: |world| replicas(world, &replica_set()) == Some(0),
        prevented: |world| {
            put_store(world, 1);
            set_field(world, &store(), "/spec/template/spec/image", json!("new"));
            set_field(world, &store(), "/spec/paused", json!(true));
        },
        // What a ReplicaSet wants is scaled down, whatever it has.
        missing: (|world| world.remove(&replica()), true),
    },
    Case {
        rule: RuleId::ScaleDown,
        on: store,
        // The PVC is in no template any more.
        fires: |world| {
            put_store(world, 1);
            take_field(world, &store(), "/spec/template/spec/volumes");
        },
        after: |world| replicas(world, &replica_set()) == Some(0),
        prevented: |world| {
            put_store(world, 0);
            take_field(world, &store(), "/spec/template/spec/volumes");
        },
        missing: (|world| take_field(world, &replica_set(), "/metadata/ownerReferences"), false),
    },
    Case {
        rule: RuleId::ScaleUp,
        on: store,
        fires: |world| {
            put_store(world, 0);
            set_field(world, &store(), "/spec/template/spec/image", json!("new"));
            world.remove(&replica());
        },
        after: |world| {
            let made = world.names().into_iter().find(|name| name.kind() == "ReplicaSet" && *name != replica_set());
            made.is_some_and(|made| replicas(world, &made) == Some(1))
        },
        // The old pod is still ending.
        prevented: |world| {
            put_store(world, 0);
            set_field(world, &store(), "/spec/template/spec/image", json!("new"));
            terminate(world, &replica());
        },
        missing: (|world| world.remove(&replica_set()), true),
    },
    Case {
        rule: RuleId::ScaleUp,
        on: store,
        // It was scaled down by hand and comes back.
        fires: |world| put_store(world, 0),
        after: |world| replicas(world, &replica_set()) == Some(1),
        prevented: |world| {
            put_store(world, 0);
            set_field(world, &store(), "/spec/replicas", json!(0));
        },
        missing: (|world| take_field(world, &store(), "/spec/replicas"), true),
    },
    Case {
        rule: RuleId::MakeReplica,
        on: replica_set,
        fires: |world| {
            put_store(world, 1);
            terminate(world, &replica());
        },
        after: |world| world.pods_on(&claim()).count() == 3,
        prevented: |world| put_store(world, 1),
        missing: (|world| take_field(world, &replica_set(), "/spec/template/spec/volumes"), false),
    },
    Case {
        rule: RuleId::DropReplica,
        on: replica_set,
        fires: |world| put_store(world, 0),
        after: |world| is_terminating(world, &replica()),
        prevented: |world| {
            put_store(world, 0);
            set_field(world, &replica(), "/status/phase", json!("Failed"));
        },
        missing: (|world| take_field(world, &replica(), "/metadata/ownerReferences"), false),
    },
    Case {
        rule: RuleId::JobDone,
        on: job,
        fires: put_job,
        after: |world| world.get(&job()).and_then(|job| job.at("/status/succeeded")?.as_u64()) == Some(1),
        prevented: |world| {
            put_job(world);
            set_field(
                world,
                &job(),
                "/status",
                json!({"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}),
            );
        },
        // A job that gets the password of a database waits for it, and the disk has none.
        missing: (with_database, false),
    },
    Case {
        rule: RuleId::Schedule,
        on: pod,
        fires: unscheduled,
        after: |world| !text(world, &pod(), "/spec/nodeName").is_empty(),
        prevented: |world| {
            unscheduled(world);
            terminate(world, &claim());
        },
        missing: (|world| world.remove(&claim()), false),
    },
    Case {
        rule: RuleId::Schedule,
        on: pod,
        fires: |world| {
            beside_another(world);
            set_field(world, &replica(), "/status/phase", json!("Succeeded"));
        },
        after: |world| !text(world, &pod(), "/spec/nodeName").is_empty(),
        // Only one pod gets the PVC.
        prevented: beside_another,
        missing: (|world| world.remove(&replica()), true),
    },
    Case {
        rule: RuleId::Run,
        on: pod,
        fires: |world| {
            not_started(world);
            with_database(world);
        },
        after: |world| {
            let database = world.disk(&volume()).and_then(|disk| disk.database.as_ref());
            text(world, &pod(), "/status/phase") == "Running"
                && database.is_some_and(|database| database.password == "cGFzcw==")
        },
        prevented: |world| set_field(world, &pod(), "/status/phase", json!(crate::object_view::STUCK)),
        missing: (|world| world.remove(&secret()), false),
    },
    Case {
        rule: RuleId::PodEnd,
        on: pod,
        fires: |world| terminate(world, &pod()),
        after: |world| world.get(&pod()).is_none(),
        prevented: |_| {},
        missing: (|world| world.remove(&set()), true),
    },
    Case {
        rule: RuleId::Vacate,
        on: pod,
        fires: |world| terminate(world, &namespace()),
        after: |world| is_terminating(world, &pod()),
        prevented: |world| {
            terminate(world, &namespace());
            terminate(world, &pod());
        },
        missing: (|world| world.remove(&namespace()), false),
    },
    Case {
        rule: RuleId::Vacate,
        on: cluster,
        fires: |world| terminate(world, &crd()),
        after: |world| world.get(&cluster()).is_none(),
        prevented: |world| {
            set_field(world, &crd(), "/spec/names/kind", json!("Other"));
            terminate(world, &crd());
        },
        missing: (|world| world.remove(&crd()), false),
    },
    Case {
        rule: RuleId::Finish,
        on: cluster,
        fires: |world| terminate(world, &cluster()),
        after: |world| world.get(&cluster()).is_none(),
        prevented: |_| {},
        missing: (|world| world.remove(&crd()), true),
    },
    Case {
        rule: RuleId::Finish,
        on: crd,
        fires: |world| {
            terminate(world, &crd());
            world.remove(&cluster());
        },
        after: |world| world.get(&crd()).is_none(),
        prevented: |world| terminate(world, &crd()),
        missing: (|world| world.remove(&namespace()), true),
    },
    Case {
        rule: RuleId::Forget,
        on: volume,
        fires: forgotten,
        after: |world| world.get(&volume()).is_none() && world.disk(&volume()).is_some_and(|disk| disk.alive),
        prevented: |world| {
            forgotten(world);
            set_field(world, &volume(), "/status/phase", json!("Bound"));
        },
        missing: (|world| take_field(world, &volume(), "/metadata/deletionTimestamp"), false),
    },
];

fn fires(case: &Case, world: &World) -> bool {
    world.enabled_rules().contains(&(case.rule, (case.on)()))
}

#[test]
fn a_rule_fires_where_it_is_said_to() {
    for case in CASES {
        let mut world = world("Delete");
        assert!(!fires(case, &world), "{:?} fires where nothing changed", case.rule);
        (case.fires)(&mut world);
        assert!(fires(case, &world), "{:?} on {}", case.rule, (case.on)());
        fire(&mut world, case.rule, &(case.on)());
        assert!((case.after)(&world), "{:?} on {}: {:?}", case.rule, (case.on)(), world.get(&(case.on)()));
        assert!(!fires(case, &world), "{:?} on {} fires once", case.rule, (case.on)());
    }
}

#[test]
fn a_rule_that_is_prevented_does_not_fire() {
    for case in CASES {
        let mut world = world("Delete");
        (case.prevented)(&mut world);
        assert!(!fires(case, &world), "{:?} on {}", case.rule, (case.on)());
    }
}

#[test]
fn a_rule_knows_what_is_missing() {
    for case in CASES {
        let mut world = world("Delete");
        (case.fires)(&mut world);
        (case.missing.0)(&mut world);
        assert_eq!(fires(case, &world), case.missing.1, "{:?} on {}", case.rule, (case.on)());
    }
}

#[test]
fn every_rule_has_a_case() {
    let tested: BTreeSet<RuleId> = CASES.iter().map(|case| case.rule).collect();
    let known: BTreeSet<RuleId> = RULES.iter().map(|rule| rule.0).collect();
    assert_eq!(tested, known);
}

#[test]
fn what_a_rule_reads_or_moves_is_not_inert() {
    let map = Ref::new("", "ConfigMap", NS, "map");
    let put = |world: &mut World, metadata: Value| {
        world.put(&Ref::new("", "ConfigMap", NS, "map"), json!({"kind": "ConfigMap", "metadata": metadata}));
    };
    let start = world("Delete");
    for (name, is_inert) in [
        (map.clone(), true),
        (Ref::new("", "Service", NS, "web"), true),
        (Ref::new("networking.k8s.io", "Ingress", NS, "web"), true),
        (secret(), false),
        (Ref::new("storage.k8s.io", "StorageClass", "", "standard"), false),
        (crate::helm::record_name(&start.facts.release, 1), false),
        (set(), false),
        (deployment(), false),
        (job(), false),
        (pod(), false),
        (claim(), false),
        (volume(), false),
        (namespace(), false),
        (crd(), false),
        (cluster(), false),
    ] {
        assert_eq!(start.is_inert(&name), is_inert, "{name}");
    }
    let mut there = start.clone();
    put(&mut there, json!({"name": "map"}));
    assert!(there.is_inert(&map));
    let mut going = start.clone();
    put(&mut going, json!({"name": "map", "deletionTimestamp": "set"}));
    assert!(!going.is_inert(&map), "it is being deleted");
    let mut owned = start.clone();
    put(&mut owned, json!({"name": "map", "ownerReferences": [owner(&cluster(), "cluster")]}));
    assert!(!owned.is_inert(&map), "the garbage collector looks at it");
    let mut closing = start;
    terminate(&mut closing, &namespace());
    assert!(!closing.is_inert(&map), "its namespace is being deleted");
}

//! A Deployment in the place of the StatefulSet: what its strategies do to the pods on the PVC, in every order, and what becomes of
//! the volume.

use std::collections::BTreeSet;

use portolan_model::Uid;

use super::unknown::{helm, live};
use super::*;
use crate::rules::fire;
use crate::serve::readiness;
use crate::test_world::{replica, replica_set, store};

fn rolling(surge: u32, unavailable: u32) -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
}

fn recreate() -> Value {
    json!({"type": "Recreate"})
}

/// What a chart says of it.
fn chart(strategy: &Value, version: &str) -> Value {
    let spec = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim().name()}}]});
    let template = json!({"metadata": {"labels": {"app": "store"}, "annotations": {"version": version}}, "spec": spec});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "store", "namespace": NS},
        "spec": {"replicas": 1, "strategy": strategy, "template": template}})
}

/// The world with a Deployment of a chart in place of the StatefulSet, as its controllers have left it.
fn installed(policy: &str, chart: &Value) -> World {
    let mut world = world(policy);
    world.remove(&set());
    world.remove(&pod());
    let (name, deployment) = live(chart);
    let mut template = deployment["spec"]["template"].clone();
    let spec = template["spec"].clone();
    template["metadata"]["labels"][crate::object_view::TEMPLATE_HASH] = json!("5d4f8c");
    world.put(&name, deployment);
    world.put(
        &replica_set(),
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": replica_set().name(), "namespace": NS, "uid": "replicas", "ownerReferences": [owner(&store(), "owner")]},
            "spec": {"replicas": 1, "template": template}}),
    );
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": replica().name(), "namespace": NS, "uid": "replica", "ownerReferences": [owner(&replica_set(), "replicas")]},
        "spec": spec, "status": {"phase": "Running"}});
    pod["spec"]["nodeName"] = json!("node");
    world.put(&replica(), pod);
    world
}

fn scaled_to_none(world: &mut World) {
    edit(world, &store(), |json| json["spec"]["replicas"] = json!(0));
    edit(world, &replica_set(), |json| json["spec"]["replicas"] = json!(0));
    world.remove(&replica());
}

fn for_one_pod(world: &mut World) {
    edit(world, &claim(), |json| json["spec"]["accessModes"] = json!(["ReadWriteOncePod"]));
}

/// Every world that the rules alone lead to.
fn all_after(world: &World) -> Vec<World> {
    let mut seen = BTreeSet::from([world.state_hash()]);
    let (mut all, mut next) = (Vec::new(), vec![world.clone()]);
    while let Some(world) = next.pop() {
        for (rule, name) in world.enabled_rules() {
            let mut after = world.clone();
            fire(&mut after, rule, &name);
            if seen.insert(after.state_hash()) {
                next.push(after);
            }
        }
        all.push(world);
    }
    all
}

/// How many pods that have a node are on the PVC at most, and whether the Deployment is ready wherever it comes to rest.
fn rolled_out(world: &World) -> (usize, bool) {
    let all = all_after(world);
    let most = all.iter().map(|world| world.pods_on(&claim()).filter(|(_, pod)| pod.scheduled).count()).max();
    let mut ends = all.iter().filter(|world| world.enabled_rules().is_empty()).peekable();
    assert!(ends.peek().is_some(), "it comes to rest");
    (most.unwrap_or(0), ends.all(|world| readiness(world, &store()).is_ok()))
}

#[test]
fn two_pods_are_on_a_claim_only_in_a_rolling_update() {
    type Change = fn(&mut World);
    let no: Change = |_| {};
    let cases: [(&str, Value, Change, (usize, bool)); 9] = [
        ("Recreate", recreate(), no, (1, true)),
        ("a surge", rolling(1, 0), no, (2, true)),
        // The new pod is made as soon as the old one is told to end.
        ("no surge", rolling(0, 1), no, (2, true)),
        ("both", rolling(1, 1), no, (2, true)),
        ("a surge, for one pod", rolling(1, 0), for_one_pod, (1, false)),
        ("no surge, for one pod", rolling(0, 1), for_one_pod, (1, true)),
        ("Recreate, for one pod", recreate(), for_one_pod, (1, true)),
        (
            "Recreate, and the pod fails",
            recreate(),
            |world| edit(world, &replica(), |json| json["status"]["phase"] = json!("Failed")),
            (2, true),
        ),
        ("a surge, scaled to none", rolling(1, 0), scaled_to_none, (1, true)),
    ];
    for (what, strategy, change, found) in cases {
        let mut world = installed("Delete", &chart(&strategy, "1"));
        if what.contains("fails") {
            change(&mut world);
            assert_eq!(rolled_out(&world), found, "{what}");
            continue;
        }
        assert_eq!(rolled_out(&world), (1, true), "{what}: nothing changes");
        change(&mut world);
        edit(&mut world, &store(), |json| {
            json["spec"]["replicas"] = json!(1);
            json["spec"]["template"]["metadata"]["annotations"]["version"] = json!("2");
        });
        assert!(readiness(&world, &store()).is_err(), "{what}");
        assert_eq!(rolled_out(&world), found, "{what}");
    }
}

#[test]
fn several_replicas_are_replaced_within_their_limits() {
    for (strategy, most) in [(recreate(), 2), (rolling(1, 1), 3), (rolling(2, 0), 4)] {
        let mut world = installed("Delete", &chart(&strategy, "1"));
        for name in [store(), replica_set()] {
            edit(&mut world, &name, |json| json["spec"]["replicas"] = json!(2));
        }
        while let Some((rule, name)) = world.enabled_rules().into_iter().next() {
            fire(&mut world, rule, &name);
        }
        edit(&mut world, &store(), |json| json["spec"]["template"]["metadata"]["annotations"]["version"] = json!("2"));
        let all = all_after(&world);
        // The pods themselves come and go a little later than they are wanted.
        let wanted = |world: &World| -> u64 {
            let sets = world.objects().filter(|(name, _)| name.kind() == "ReplicaSet");
            sets.filter_map(|(_, set)| set.at("/spec/replicas")?.as_u64()).sum()
        };
        assert_eq!(all.iter().map(wanted).max(), Some(most), "{strategy}");
        let ends: Vec<&World> = all.iter().filter(|world| world.enabled_rules().is_empty()).collect();
        assert!(!ends.is_empty() && ends.iter().all(|world| readiness(world, &store()).is_ok()), "{strategy}");
        assert!(ends.iter().all(|world| world.pods_on(&claim()).count() == 2), "{strategy}");
    }
}

/// What a rehearsal of helm says: the verdict, and what is not modelled.
fn rehearsed(world: &mut World, old: &Value, new: &Value) -> (Verdict, Vec<String>) {
    let op = helm(world, "3.22.0", old, new);
    let forecast = rehearse(world, &Subject::Script(script(vec![op])), &[protected()], Options::default());
    let found = forecast.volumes[0].unknown.iter().map(|one| format!("{} {}", one.object, one.field)).collect();
    (forecast.headline(), found)
}

#[test]
fn what_a_deployment_does_to_a_volume_is_followed() {
    let field = "Deployment/store /spec/template/spec/volumes/0".to_owned();
    let unknown = || (Verdict::Unknown, vec![field.clone()]);
    let safe = || (Verdict::Safe, Vec::new());
    for policy in ["Delete", "Retain"] {
        let said = |old: &Value, new: &Value, change: fn(&mut World)| {
            let mut world = installed(policy, old);
            change(&mut world);
            rehearsed(&mut world, old, new)
        };
        let no = |_: &mut World| {};
        assert_eq!(said(&chart(&recreate(), "1"), &chart(&recreate(), "2"), no), safe(), "Recreate");
        assert_eq!(said(&chart(&rolling(1, 0), "1"), &chart(&recreate(), "2"), no), safe(), "it becomes Recreate");
        assert_eq!(said(&chart(&recreate(), "1"), &chart(&rolling(1, 0), "2"), no), unknown(), "it becomes rolling");
        assert_eq!(said(&chart(&rolling(1, 0), "1"), &chart(&rolling(1, 0), "2"), no), unknown(), "a rolling update");
        assert_eq!(said(&chart(&rolling(0, 1), "1"), &chart(&rolling(0, 1), "2"), no), unknown(), "without a surge");
        assert_eq!(said(&chart(&rolling(1, 0), "1"), &chart(&rolling(1, 0), "1"), no), safe(), "nothing changes");
        for strategy in [recreate(), rolling(1, 0)] {
            assert_eq!(said(&chart(&strategy, "1"), &chart(&strategy, "2"), scaled_to_none), safe(), "{strategy}");
        }
        let one_pod = said(&chart(&rolling(1, 0), "1"), &chart(&rolling(1, 0), "2"), for_one_pod);
        assert_eq!(one_pod, safe(), "the old pod has it for ever");
        let mut paused = chart(&recreate(), "2");
        paused["spec"]["paused"] = json!(true);
        assert_eq!(said(&chart(&recreate(), "1"), &paused, no), unknown(), "paused");
        let mut without = chart(&recreate(), "2");
        without["spec"]["template"]["spec"] = json!({});
        assert_eq!(said(&chart(&recreate(), "1"), &without, no), (Verdict::Detached, Vec::new()), "it lets the PVC go");
        let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": NS}});
        assert_eq!(said(&chart(&recreate(), "1"), &other, no), (Verdict::Detached, Vec::new()), "it goes");
    }
}

#[test]
fn a_pod_of_a_deployment_protects_its_claim() {
    let world = installed("Delete", &chart(&recreate(), "1"));
    let (worst, worlds) = outcome(&world, vec![delete(claim())]);
    assert_eq!(worst, Verdict::Doomed, "it ends with its pod");
    assert!(worlds.iter().all(|world| world.get(&claim()).is_some()));
    let new = json!({"spec": {"template": {"metadata": {"annotations": {"version": "2"}}}}});
    let (worst, _) = outcome(&world, vec![delete(claim()), patch(store(), new)]);
    assert_eq!(worst, Verdict::Lost, "the pods go, and with them the protection");
}

#[test]
fn a_pod_whose_replica_set_was_not_read_makes_a_forecast_unknown() {
    let mut world = installed("Delete", &chart(&recreate(), "1"));
    world.remove(&replica_set());
    let reach = portolan_kube_facts::reach_by_owners(&claim(), world.objects(), &|name| world.get(name), &|_| {
        portolan_kube_facts::OwnerFate::Untouched
    });
    assert_eq!(reach.first().map(|(name, _)| name), Some(&replica()));
    assert!(world.view(&replica()).is_some_and(|pod| pod.is_owned_by(&Uid::new("replicas"))));
}

//! A search that leaves out what is known to lead to no other end finds every end that the search with all of it finds.

use std::collections::BTreeSet;
use std::sync::Arc;

use portolan_model::{Finding, PlanFile, Ref, StepKind, Verdict};
use portolan_rehearse::{Options, Subject, WeighedEnd, World};
use portolan_trials::sim;
use serde_json::json;

/// What a rehearsal says of each volume: its verdict, whether the plan finishes, and each way in which it ends.
type Found = Vec<(Ref, Verdict, bool, BTreeSet<WeighedEnd>)>;

fn found(world: &World, file: &PlanFile, options: Options) -> (Found, usize) {
    let mut world = world.clone();
    world.learn_plan(file);
    let forecast =
        portolan_rehearse::rehearse(&world, &Subject::Plan(Arc::new(file.plan.clone())), &file.plan.volumes, options);
    let volumes = forecast.volumes.into_iter().map(|volume| {
        let ends = volume.ends.into_keys().collect();
        (volume.protected.claim, volume.headline, volume.finishes, ends)
    });
    (volumes.collect(), forecast.worlds)
}

fn compare(what: &str, world: &World, file: &PlanFile, options: Options) {
    let (few, reduced) = found(world, file, options);
    let (all, states) = found(world, file, Options { all: true, ..options });
    assert_eq!(few, all, "{what}, {options:?}");
    assert!(!few.is_empty() && reduced < states, "{what}: {reduced} states of {states}, {options:?}");
}

fn plan(start: &str, to: &[&str], without: &[&str]) -> Result<(World, PlanFile), Finding> {
    let installation = sim::installation(start);
    let file = sim::plan(installation.world(), to, without)?;
    Ok((installation.world().clone(), file))
}

#[test]
fn every_start_ends_in_the_same_ways() {
    for start in portolan_fixtures::installation_names() {
        let (world, file) = plan(&start, &["2.20"], &[]).expect("a plan");
        compare(&start, &world, &file, Options::default());
    }
}

#[test]
fn plans_without_some_of_their_steps_end_in_the_same_ways() {
    let steps = ["keep-claims", "retain-volumes", "delete-secret", "delete-sets"];
    for chosen in 1..1 << steps.len() {
        let without: Vec<&str> =
            steps.iter().enumerate().filter(|(at, _)| chosen & 1 << at != 0).map(|(_, step)| *step).collect();
        let (world, file) = plan("openshift-2.8", &["2.20"], &without).expect("a plan");
        // Without stops and without crashes: each of them hides ends that the others have as well.
        for (stops, crashes) in [(true, true), (false, true), (false, false)] {
            compare(&format!("without {without:?}"), &world, &file, Options { stops, crashes, ..Options::default() });
        }
    }
}

#[test]
fn plans_of_two_hops_end_in_the_same_ways() {
    for without in [&[][..], &["keep-claims"], &["keep-claims", "retain-volumes"]] {
        let (world, file) = plan("openshift-2.8", &["2.13", "2.20"], without).expect("a plan");
        compare(
            &format!("two hops without {without:?}"),
            &world,
            &file,
            Options { stops: false, ..Options::default() },
        );
    }
}

/// What is changed, of which objects, and how.
type Change<'a> = (&'a str, &'a dyn Fn(&Ref) -> bool, fn(&mut serde_json::Value));

/// Worlds in which helm's writes are refused, a controller takes the PVC along, or nothing becomes ready.
#[test]
fn installations_in_which_something_goes_wrong_end_in_the_same_ways() {
    let kinds: [Change<'_>; 4] = [
        ("a Service has another owner", &|name| name.kind() == "Service", |json| {
            json["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!("another");
        }),
        ("the StatefulSets take their PVCs along", &|name| name.kind() == "StatefulSet", |json| {
            json["spec"]["persistentVolumeClaimRetentionPolicy"] =
                json!({"whenDeleted": "Delete", "whenScaled": "Delete"});
        }),
        ("the PVCs are for one pod", &|name| name.kind() == "PersistentVolumeClaim", |json| {
            json["spec"]["accessModes"] = json!(["ReadWriteOncePod"]);
        }),
        ("the Secrets are gone", &|name| name.kind() == "Secret", |json| json["data"] = json!({})),
    ];
    for start in ["openshift-2.8", "openshift-2.13"] {
        for without in [&[][..], &["keep-claims", "retain-volumes"]] {
            let (world, mut file) = plan(start, &["2.20"], without).expect("a plan");
            // The plan relied on what is changed here.
            file.plan.preconditions.clear();
            for step in file.plan.hops.iter_mut().flat_map(|hop| &mut hop.steps) {
                if let StepKind::WaitReady { workloads } = &mut step.kind {
                    workloads.truncate(1);
                }
            }
            for (what, is_meant, change) in &kinds {
                let mut world = world.clone();
                for name in world.names().into_iter().filter(|name| is_meant(name)) {
                    let mut json = (*world.get(&name).expect("it is there").0).clone();
                    change(&mut json);
                    world.put(&name, json);
                }
                let what = format!("{start} without {without:?}: {what}");
                compare(&what, &world, &file, Options { faults: 2, ..Options::default() });
            }
        }
    }
}

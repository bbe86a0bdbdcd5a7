//! Whole upgrades on simulated installations: they end as they should, whatever dies on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use portolan_model::{Change, End, JournalRecord, Outcome, StepKind, Verdict};
use portolan_rehearse::{Installation, Options, Subject};
use portolan_trials::sim;

/// Rehearses a plan.
fn forecast(
    installation: &Installation,
    file: &portolan_model::PlanFile,
    options: Options,
) -> portolan_rehearse::Forecast {
    let mut world = installation.world().clone();
    world.learn_plan(file);
    portolan_rehearse::rehearse(&world, &Subject::Plan(Arc::new(file.plan.clone())), &file.plan.volumes, options)
}

#[test]
fn every_start_reaches_the_target_with_all_its_rows() {
    for name in portolan_fixtures::installation_names() {
        let mut installation = sim::installation(&name);
        let file = sim::plan(installation.world(), &["2.20"], &[]).expect("a plan");
        let rows = |installation: &Installation| -> BTreeMap<String, u64> {
            let of = |protected: &portolan_model::ProtectedVolume| sim::rows(installation.world(), &protected.volume);
            file.plan.volumes.iter().flat_map(of).collect()
        };
        let before = rows(&installation);
        assert!(before.values().sum::<u64>() > 0, "{name}: there are rows to lose");
        let (outcome, _) = sim::run(&mut installation, &file, &mut |_| false);
        assert_eq!(outcome, Outcome::Finished, "{name}");
        let after = rows(&installation);
        // A table without its old rows: another database on the volume, or none.
        for (table, rows) in before {
            let now = after.get(&table).copied().unwrap_or_default();
            assert!(now >= rows, "{name}: {table} had {rows} rows and has {now}");
        }
        for protected in &file.plan.volumes {
            let is_alive = installation.world().disk(&protected.volume).is_some_and(|disk| disk.alive);
            assert!(is_alive, "{name}: the disk of {} is erased", protected.claim);
        }
    }
}

#[test]
fn a_plan_of_two_hops_runs() {
    for name in ["openshift-2.8", "openshift-2.11"] {
        let mut installation = sim::installation(name);
        let file = sim::plan(installation.world(), &["2.13", "2.20"], &[]).expect("a plan");
        assert_eq!(file.plan.hops.len(), 2);
        assert!(forecast(&installation, &file, Options::orders()).is_safe(), "{name}");
        let (outcome, journal) = sim::run(&mut installation, &file, &mut |_| false);
        assert_eq!(outcome, Outcome::Finished, "{name}");
        let helms = journal.iter().filter(
            |record| matches!(record, JournalRecord::Intent { action, .. } if matches!(&**action, portolan_model::Action::Helm { .. })),
        );
        assert_eq!(helms.count(), 2);
    }
}

#[test]
fn every_start_is_safe_in_every_order_with_crashes_and_a_fault() {
    for name in portolan_fixtures::installation_names() {
        let installation = sim::installation(&name);
        let file = sim::plan(installation.world(), &["2.20"], &[]).expect("a plan");
        let found = forecast(&installation, &file, Options::default());
        assert!(
            found.is_safe(),
            "{name}: {:?}",
            found.volumes.iter().map(|volume| volume.ends.keys()).collect::<Vec<_>>()
        );
        // Points at which the same comes of it are counted once.
        assert!(found.crashes > 200, "{name}: the engine is killed everywhere, {} times", found.crashes);
    }
}

/// What leaving a step out does from a start: the headline, and whether the plan reaches its end.
const HARM: &[(&str, &str, Verdict, bool)] = &[
    // The set is deleted first, so whether its new pod is there before helm deletes the PVC is a race: the PVC goes
    // at once, or when that pod goes. Retain keeps the disk.
    ("openshift-2.8", "keep-claims", Verdict::Detached, false),
    ("openshift-2.8", "delete-secret", Verdict::Safe, false),
    ("openshift-2.8", "delete-sets", Verdict::Safe, false),
    ("openshift-2.8", "carry-credentials", Verdict::Safe, false),
    ("openshift-2.8", "existing-claim", Verdict::Safe, false),
    ("openshift-2.11", "keep-claims", Verdict::Detached, false),
    ("openshift-2.11", "existing-claim", Verdict::Safe, false),
];

#[test]
fn a_step_left_out_does_the_harm_that_it_is_there_to_prevent() {
    for (start, step, headline, finishes) in HARM {
        let installation = sim::installation(start);
        let file = sim::plan(installation.world(), &["2.20"], &[step]).expect("a plan");
        let found = forecast(&installation, &file, Options::orders());
        assert_eq!((found.headline(), found.volumes[0].finishes), (*headline, *finishes), "{start} without {step}");
        assert!(!found.is_safe(), "{start} without {step}");
    }
}

#[test]
fn keep_and_retain_each_hold_what_the_other_does_not() {
    for start in ["openshift-2.8", "openshift-2.11"] {
        let verdict = |without: &[&str]| {
            let installation = sim::installation(start);
            let file = sim::plan(installation.world(), &["2.20"], without).expect("a plan");
            forecast(&installation, &file, Options::orders()).headline()
        };
        // Against helm's deletion keep holds alone; Retain alone saves the disk and loses the PVC.
        assert_eq!(verdict(&["retain-volumes"]), Verdict::Safe, "{start}");
        assert_eq!(verdict(&["keep-claims"]), Verdict::Detached, "{start}");
        assert_eq!(verdict(&["keep-claims", "retain-volumes"]), Verdict::Lost, "{start}");
    }
}

#[test]
fn retain_alone_saves_the_disk_when_the_claim_is_deleted_by_hand() {
    // The danger that keep does not cover: somebody deletes the PVC, or uninstalls the release.
    for (without, alive) in [(&[][..], true), (&["retain-volumes"][..], false)] {
        let mut installation = sim::installation("openshift-2.8");
        let file = sim::plan(installation.world(), &["2.20"], without).expect("a plan");
        let protected = file.plan.volumes[0].clone();
        let (outcome, _) = sim::run(&mut installation, &file, &mut |_| false);
        assert_eq!(outcome, Outcome::Finished);
        installation.delete(&protected.claim);
        installation.delete(&portolan_model::Ref::pod(protected.claim.namespace(), "runai-backend-postgresql-0"));
        installation.settle();
        let disk = installation.world().disk(&protected.volume).expect("the disk is remembered");
        assert_eq!(disk.alive, alive, "without {without:?}");
    }
}

/// What a plan with steps left out comes to: the headline, and whether it is taken for finished.
fn comes_to(start: &str, without: &[&str]) -> (Verdict, bool) {
    let installation = sim::installation(start);
    let file = sim::plan(installation.world(), &["2.20"], without).expect("a plan");
    let found = forecast(&installation, &file, Options::orders());
    (found.headline(), found.volumes[0].finishes)
}

#[test]
fn each_check_sees_something_that_would_pass_for_finished_without_it() {
    // An empty database in place of the old one: the PVC is on its volume still, so only the database's check sees it.
    assert_eq!(comes_to("openshift-2.8", &["existing-claim"]), (Verdict::Safe, false));
    assert_eq!(comes_to("openshift-2.8", &["existing-claim", "verify-volumes"]), (Verdict::Safe, false));
    let unseen = (Verdict::Detached, true);
    assert_eq!(comes_to("openshift-2.8", &["existing-claim", "verify-database"]), unseen, "it passes for finished");
    // A PVC that goes with its last pod: the volume's check sees it while the database still runs.
    let claim = &["keep-claims", "verify-volumes"][..];
    assert_eq!(comes_to("openshift-2.8", &["keep-claims"]), (Verdict::Detached, false));
    assert_eq!(comes_to("openshift-2.8", claim), unseen, "it passes for finished where the pod was there first");
    // The database's check compares with what was recorded before.
    let unrecorded = &["existing-claim", "verify-volumes", "record-database"][..];
    assert_eq!(comes_to("openshift-2.8", unrecorded), unseen, "there is nothing to compare with");
    // A password that does not open the database: the workloads never come up.
    assert!(!comes_to("openshift-2.8", &["carry-credentials"]).1);
    assert!(comes_to("openshift-2.8", &["carry-credentials", "wait-ready"]).1, "nobody waits, so it passes");
}

#[test]
fn what_is_to_be_deleted_is_archived_first() {
    let installation = sim::installation("openshift-2.8");
    let refused = sim::plan(installation.world(), &["2.20"], &["archive"]);
    assert!(refused.is_err(), "a plan without the archive is refused: {refused:?}");
}

#[test]
fn killed_at_every_record_and_at_every_request_it_ends_as_if_undisturbed() {
    for name in ["openshift-2.8", "openshift-2.13-adopted"] {
        let undisturbed = {
            let mut installation = sim::installation(name);
            let file = sim::plan(installation.world(), &["2.20"], &[]).expect("a plan");
            let (outcome, journal) = sim::run(&mut installation, &file, &mut |_| false);
            assert_eq!(outcome, Outcome::Finished);
            installation.settle();
            (sim::normalised(installation.world()), journal.len())
        };
        // A turn is a record or another request. Beyond the last one nobody is killed.
        let mut point = 0;
        loop {
            let mut installation = sim::installation(name);
            let file = sim::plan(installation.world(), &["2.20"], &[]).expect("a plan");
            let (mut turn, mut killed) = (0, false);
            let before = revisions(&installation);
            let (outcome, _) = sim::run(&mut installation, &file, &mut |_| {
                turn += 1;
                killed |= turn == point + 1;
                turn == point + 1
            });
            assert_eq!(outcome, Outcome::Finished, "{name}, killed at turn {point}");
            installation.settle();
            assert_eq!(sim::normalised(installation.world()), undisturbed.0, "{name}, killed at turn {point}");
            assert_eq!(revisions(&installation), before + 1, "{name}, killed at turn {point}");
            if !killed {
                break;
            }
            point += 1;
        }
        let records = undisturbed.1;
        assert!(point > records, "{name}: {point} turns for {records} records");
    }
}

/// Helm upgraded once, whatever the number of attempts: one more record than before.
fn revisions(installation: &Installation) -> usize {
    installation.world().objects().filter(|(name, _)| name.kind() == "Release").count()
}

#[test]
fn every_end_that_finishes_after_crashes_is_the_undisturbed_end() {
    let installation = sim::installation("openshift-2.8");
    let file = sim::plan(installation.world(), &["2.20"], &[]).expect("a plan");
    let mut world = installation.world().clone();
    world.learn_plan(&file);
    let options = Options { faults: 0, stops: false, ..Options::default() };
    let subject = Subject::Plan(Arc::new(file.plan.clone()));
    let (ends, _) = portolan_rehearse::ends(&world, &subject, &file.plan.volumes[0], options);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for (end, world) in &ends {
        assert_eq!(end.end, End::Finished, "with crashes alone every run goes on to its end");
        *kinds.entry(sim::normalised(world)).or_default() += 1;
    }
    assert_eq!(kinds.len(), 1, "{} ends of {} kinds", ends.len(), kinds.len());
}

#[test]
fn the_plan_names_what_helm_will_do_to_the_claims() {
    let installation = sim::installation("openshift-2.8");
    let file = sim::plan(installation.world(), &["2.20"], &[]).expect("a plan");
    let hop = &file.plan.hops[0];
    let of = |change: Change| {
        hop.changes.iter().filter(|one| one.change == change).map(|one| one.object.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of(Change::Keep), ["PersistentVolumeClaim/pvc-postgresql"]);
    assert!(of(Change::Delete).contains(&"Deployment/runai-backend-api-server".to_owned()));
    assert_eq!(hop.new_claims.len(), 1);
    assert!(file.plan.steps().any(|step| matches!(&step.kind, StepKind::Helm { run, .. } if run.carried.len() == 1)));
}

#[test]
fn the_same_installation_gives_the_same_plan() {
    let digest = || {
        let installation = sim::installation("openshift-2.8");
        sim::plan(installation.world(), &["2.20"], &[]).expect("a plan").plan.digest()
    };
    assert_eq!(digest(), digest());
}

#[test]
fn a_plan_is_not_applied_to_an_installation_that_moved() {
    let mut installation = sim::installation("openshift-2.8");
    let file = sim::plan(installation.world(), &["2.20"], &[]).expect("a plan");
    let protected = file.plan.volumes[0].clone();
    let mut json = (*installation.world().get(&protected.volume).expect("the volume").0).clone();
    json["spec"]["persistentVolumeReclaimPolicy"] = serde_json::json!("Retain");
    installation.world_mut().put(&protected.volume, json);
    let (outcome, journal) = sim::run(&mut installation, &file, &mut |_| false);
    let Outcome::Drifted { findings } = outcome else { panic!("{outcome:?}") };
    assert!(findings[0].evidence[0].contains("persistentVolumeReclaimPolicy: Delete -> Retain"), "{findings:?}");
    assert!(!journal.iter().any(|record| matches!(record, JournalRecord::Intent { .. })));
}

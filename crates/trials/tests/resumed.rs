//! What somebody else does while no process works on a run, and after it.

use std::cell::Cell;

use portolan_model::{Action, Code, JournalRecord, Outcome, PlanFile, Ref, Request, StepKind};
use portolan_rehearse::Installation;
use portolan_trials::sim;
use serde_json::json;

/// How an upgrade ends whose process is killed once, when its journal says so, and whose installation is changed before the next
/// process begins.
fn ends(
    die: &dyn Fn(&[JournalRecord]) -> bool,
    change: &dyn Fn(&PlanFile, &mut Installation),
) -> (Outcome, PlanFile, Installation) {
    let mut installation = sim::installation("openshift-2.8");
    let file = sim::plan(installation.world(), &["2.20"], &[]).expect("a plan");
    let (killed, changed) = (Cell::new(false), Cell::new(false));
    let mut kill = |journal: &[JournalRecord]| !killed.get() && die(journal) && !killed.replace(true);
    let mut meddle = |_: &Request, installation: &mut Installation| {
        if killed.get() && !changed.replace(true) {
            change(&file, installation);
        }
    };
    let (outcome, _) = sim::run_among(&mut installation, &file, &mut kill, &mut meddle);
    assert!(changed.get(), "it was killed and changed");
    (outcome, file, installation)
}

/// Whether so many steps are over.
fn has_done(journal: &[JournalRecord], steps: usize) -> bool {
    journal.iter().filter(|record| matches!(record, JournalRecord::Observed { .. })).count() == steps
}

/// How many steps stand before helm's.
fn before_helm() -> usize {
    let file = sim::plan(sim::installation("openshift-2.8").world(), &["2.20"], &[]).expect("a plan");
    file.plan.steps().take_while(|step| !matches!(step.kind, StepKind::Helm { .. })).count()
}

/// Whether helm has ended well.
fn is_after_helm(journal: &[JournalRecord]) -> bool {
    let helm = journal.iter().position(
        |record| matches!(record, JournalRecord::Intent { action, .. } if matches!(&**action, Action::Helm { .. })),
    );
    helm.is_some_and(|at| journal[at..].iter().any(|record| matches!(record, JournalRecord::Observed { .. })))
}

#[test]
fn protections_that_were_taken_off_are_put_on_again_before_helm() {
    let done = before_helm();
    let (outcome, file, installation) = ends(&|journal| has_done(journal, done), &|file, installation| {
        for protected in &file.plan.volumes {
            let put = |installation: &mut Installation, name: &Ref, pointer: &str, value: serde_json::Value| {
                let mut json = (*installation.world().get(name).expect("it is there").0).clone();
                *json.pointer_mut(pointer).expect("it has the field") = value;
                installation.world_mut().put(name, json);
            };
            put(installation, &protected.volume, "/spec/persistentVolumeReclaimPolicy", json!("Delete"));
            put(installation, &protected.claim, "/metadata/annotations", json!({}));
        }
    });
    assert_eq!(outcome, Outcome::Finished);
    for protected in &file.plan.volumes {
        let is_alive = installation.world().disk(&protected.volume).is_some_and(|disk| disk.alive);
        assert!(is_alive, "the disk of {} is erased", protected.claim);
        let claim = installation.world().get(&protected.claim).expect("the PVC is there");
        assert!(portolan_kube_facts::is_kept(claim), "{claim:?}");
    }
}

/// The finding of a run that was killed before helm.
fn halted_before_helm(change: &dyn Fn(&PlanFile, &mut Installation)) -> portolan_model::Finding {
    let done = before_helm();
    let (outcome, _, installation) = ends(&|journal| has_done(journal, done), change);
    let Outcome::Halted { finding } = outcome else { panic!("{outcome:?}") };
    let records = installation.world().objects().filter(|(name, _)| name.kind() == "Release").count();
    assert_eq!(records, 1, "helm was not started");
    finding
}

#[test]
fn what_others_changed_while_a_run_was_stopped_halts_it_before_helm() {
    let finding = halted_before_helm(&|file, installation| {
        let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "uid": "u"}]);
        let claim = &file.plan.volumes[0].claim;
        let mut json = (*installation.world().get(claim).expect("it is there").0).clone();
        json["metadata"]["ownerReferences"] = owner;
        installation.world_mut().put(claim, json);
    });
    assert_eq!(finding.code, Code::ChangedSince, "{finding:?}");
    assert!(finding.found.ends_with("helm was not started"), "{finding:?}");
    assert!(finding.next.contains("take it back, then go on with the same plan: portolan apply "), "{finding:?}");

    let finding = halted_before_helm(&|file, installation| {
        let new = &file.plan.hops[0].new_claims[0].claim;
        let metadata = json!({"name": new.name(), "namespace": new.namespace(), "uid": "theirs"});
        let object = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata});
        installation.world_mut().put(new, object);
    });
    assert!(finding.found.contains("is there, and was not"), "{finding:?}");
}

/// A newer record of the release, as an upgrade by hand leaves it.
fn upgrade_by_hand(file: &PlanFile, installation: &mut Installation) {
    let records = installation.world().objects().filter(|(name, _)| name.kind() == "Release");
    let (name, newest) = records.last().map(|(name, object)| (name.clone(), object.clone())).expect("a record");
    let (stem, revision) = name.name().rsplit_once(".v").expect("a revision");
    let next = revision.parse::<u32>().expect("a number") + 1;
    let mut json = (*newest.0).clone();
    json["metadata"]["name"] = json!(format!("{stem}.v{next}"));
    json["chart"] = json!(file.plan.from);
    if json.get("revision").is_some() {
        json["revision"] = json!(next);
    }
    let next = Ref::new(name.group(), "Release", name.namespace(), &format!("{stem}.v{next}"));
    installation.world_mut().put(&next, json);
}

#[test]
fn a_run_whose_release_was_upgraded_by_somebody_else_meanwhile_does_not_finish() {
    let (outcome, ..) = ends(&is_after_helm, &upgrade_by_hand);
    let Outcome::Halted { finding } = outcome else { panic!("{outcome:?}") };
    assert_eq!(finding.code, Code::ReleaseMoved, "{finding:?}");
}

#[test]
fn a_finished_run_is_not_finished_any_more_where_the_release_has_gone_on() {
    let mut installation = sim::installation("openshift-2.8");
    let file = sim::plan(installation.world(), &["2.20"], &[]).expect("a plan");
    let (outcome, journal) = sim::run(&mut installation, &file, &mut |_| false);
    assert_eq!(outcome, Outcome::Finished);
    let again = |installation: &mut Installation| sim::run_again(installation, &file, &journal);
    assert_eq!(again(&mut installation), (Outcome::Finished, journal.clone()));
    upgrade_by_hand(&file, &mut installation);
    let (outcome, after) = again(&mut installation);
    let Outcome::Halted { finding } = outcome else { panic!("{outcome:?}") };
    assert_eq!(finding.code, Code::ReleaseMoved, "{finding:?}");
    assert_eq!(after, journal, "it only looked");
}

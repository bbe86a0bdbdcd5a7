//! A PVC that was deleted, or deleted and made again, while a run was stopped: what is printed is followed, and it leads out.

use std::cell::Cell;

use portolan_model::{
    Code, Content, Digest, JournalRecord, Object, Outcome, PlanFile, Ref, Request, StepKind, Verdict,
};
use portolan_rehearse::Installation;
use portolan_trials::sim;
use portolan_workflow::{ArchiveChoice, ToRestore};
use serde_json::{Value, json};

/// A run that was killed when all its deletions were over, and what stopped it when it went on.
struct Halted {
    installation: Installation,
    file: PlanFile,
    next: String,
}

/// Kills a run before helm, changes its PVC, and goes on.
fn halted(change: &dyn Fn(&mut Installation, &Ref, &Ref)) -> Halted {
    let mut installation = sim::installation("openshift-2.8");
    let file = sim::plan(installation.world(), &["2.20"], &[]).expect("a plan");
    let done = file.plan.steps().take_while(|step| !matches!(step.kind, StepKind::Helm { .. })).count();
    let (killed, changed) = (Cell::new(false), Cell::new(false));
    let mut kill = |journal: &[JournalRecord]| {
        let over = journal.iter().filter(|record| matches!(record, JournalRecord::Observed { .. })).count();
        !killed.get() && over == done && !killed.replace(true)
    };
    let mut meddle = |_: &Request, installation: &mut Installation| {
        if killed.get() && !changed.replace(true) {
            change(installation, &file.plan.volumes[0].claim, &file.plan.volumes[0].volume);
        }
    };
    let (outcome, _) = sim::run_among(&mut installation, &file, &mut kill, &mut meddle);
    let Outcome::Halted { finding } = outcome else { panic!("{outcome:?}") };
    assert_eq!(finding.code, Code::OtherObject, "{finding:?}");
    assert!(finding.code.ends_its_run() && !finding.next.contains("portolan apply"), "{finding:?}");
    Halted { installation, file, next: finding.next }
}

fn edit(installation: &mut Installation, name: &Ref, edit: impl FnOnce(&mut Value)) {
    let mut json = (*installation.world().get(name).expect("it is there").0).clone();
    edit(&mut json);
    installation.world_mut().put(name, json);
}

/// Under the same name, with another UID, on the same volume.
fn make_again(installation: &mut Installation, claim: &Ref, volume: &Ref) {
    edit(installation, claim, |json| {
        json["metadata"]["uid"] = json!("made-again");
        json["metadata"]["annotations"] = json!({});
    });
    edit(installation, volume, |json| json["spec"]["claimRef"]["uid"] = json!("made-again"));
}

/// What the run has deleted, as it archived it.
fn deleted(halted: &Halted) -> Vec<ToRestore> {
    let original = sim::installation("openshift-2.8");
    let deleted = halted.file.plan.steps().filter_map(|step| match &step.kind {
        StepKind::DeleteObject { target, .. } => Some(target),
        _ => None,
    });
    let one = |name: &Ref| {
        let archived = original.world().get(name).expect("it was there").clone();
        let content = archived.canonical();
        let (digest, uid) = (Digest::of(&content), archived.uid().expect("a UID"));
        ToRestore { name: name.clone(), uid, digest, content: Content::new(content), archived }
    };
    deleted.map(one).collect()
}

/// Does what `portolan archive restore` of an advice does: a plan of its own, carried out.
fn put_back(halted: &mut Halted) {
    let run = halted.file.plan.digest().short().to_owned();
    assert!(halted.next.contains(&format!("portolan archive restore {run}, then ")), "{}", halted.next);
    let objects = deleted(halted);
    is_unknown_with_a_partition(halted, &objects);
    let choice = ArchiveChoice::new(halted.file.plan.clone(), objects);
    let file = sim::restore(halted.installation.world(), &choice).expect("a plan");
    let rehearsal = portolan_workflow::rehearse(halted.installation.world(), &file);
    assert!(rehearsal.forecast.is_safe(), "{:?}", rehearsal.forecast.volumes);
    let (outcome, _) = sim::run(&mut halted.installation, &file, &mut |_| false);
    assert_eq!(outcome, Outcome::Finished);
}

/// What is not modelled of an object that is put back, and reaches the data, is Unknown.
fn is_unknown_with_a_partition(halted: &Halted, objects: &[ToRestore]) {
    let mut objects = objects.to_vec();
    for object in &mut objects {
        let mut json = (*object.archived.0).clone();
        if object.name.kind() == "StatefulSet" {
            json["spec"]["updateStrategy"] = json!({"rollingUpdate": {"partition": 1}});
        }
        object.archived = Object::new(json);
        object.content = Content::new(object.archived.canonical());
        object.digest = Digest::of(&object.content.0);
    }
    let choice = ArchiveChoice::new(halted.file.plan.clone(), objects);
    let file = sim::restore(halted.installation.world(), &choice).expect("a plan");
    let forecast = portolan_workflow::rehearse(halted.installation.world(), &file).forecast;
    assert_eq!(forecast.headline(), Verdict::Unknown, "{:?}", forecast.volumes);
    assert!(!forecast.may_be_applied());
}

#[test]
fn a_pvc_that_was_made_again_on_its_volume_leads_to_another_plan_that_finishes() {
    let mut halted = halted(&make_again);
    // Before the advice is followed, no plan can be made: that is where the circle was.
    let refused = sim::plan(halted.installation.world(), &["2.20"], &[]).expect_err("the Secret is gone");
    assert_eq!(refused.code, Code::NoCredentials, "{refused:?}");
    put_back(&mut halted);
    let target = format!("portolan plan --to {}", halted.file.plan.to.version);
    assert!(halted.next.ends_with(&target), "{}", halted.next);
    let again = sim::plan(halted.installation.world(), &["2.20"], &[]).expect("another plan");
    assert_eq!(again.plan.blocking().count(), 0, "{:?}", again.plan.findings);
    assert_eq!(again.plan.volumes[0].claim_uid.as_str(), "made-again");
    let volume = &again.plan.volumes[0].volume;
    let rows = sim::rows(halted.installation.world(), volume);
    let (outcome, _) = sim::run(&mut halted.installation, &again, &mut |_| false);
    assert_eq!(outcome, Outcome::Finished);
    let after = sim::rows(halted.installation.world(), volume);
    assert!(!rows.is_empty() && rows.iter().all(|(table, rows)| after.get(table) >= Some(rows)), "{rows:?} {after:?}");
}

#[test]
fn a_pvc_that_is_gone_leads_to_the_plan_that_says_how_its_volume_is_bound_again() {
    let halted = halted(&|installation, claim, volume| {
        installation.world_mut().retain(&|name| name != claim);
        edit(installation, volume, |json| json["status"]["phase"] = json!("Released"));
    });
    let volume = &halted.file.plan.volumes[0].volume;
    assert!(halted.next.starts_with(&format!("the data is on {volume}; ")), "{}", halted.next);
    assert!(!halted.next.contains("archive restore"), "a StatefulSet would make an empty PVC: {}", halted.next);
    let refused = sim::plan(halted.installation.world(), &["2.20"], &[]).expect_err("its PVC is gone");
    assert_eq!(refused.code, Code::ClaimGone, "{refused:?}");
    assert!(refused.next.starts_with(&format!("kubectl patch pv {}", volume.name())), "{}", refused.next);
    // Whoever types it all the same is told that too; what starts no pod on it is put back.
    let objects = deleted(&halted);
    let choice = |objects: Vec<ToRestore>| ArchiveChoice::new(halted.file.plan.clone(), objects);
    let refused =
        sim::restore(halted.installation.world(), &choice(objects.clone())).expect_err("the data is elsewhere");
    assert!(refused.code == Code::ClaimGone && refused.next.starts_with("the data is on "), "{refused:?}");
    let secrets = objects.into_iter().filter(|object| object.name.kind() == "Secret").collect();
    let file = sim::restore(halted.installation.world(), &choice(secrets)).expect("a plan");
    assert!(!file.plan.hops.is_empty());
}

#[test]
fn a_new_pvc_on_another_volume_is_named_before_anything_is_put_back() {
    let halted = halted(&|installation, claim, volume| {
        make_again(installation, claim, volume);
        edit(installation, claim, |json| json["spec"]["volumeName"] = json!("pvc-new"));
    });
    let volume = &halted.file.plan.volumes[0].volume;
    let starts = format!("the data is on {volume}, and the new ");
    assert!(halted.next.starts_with(&starts) && halted.next.contains("is on pvc-new"), "{}", halted.next);
    assert!(!halted.next.contains("archive restore"), "its pods would start on the new one: {}", halted.next);
    // Nor does it who types it all the same.
    let choice = ArchiveChoice::new(halted.file.plan.clone(), deleted(&halted));
    let refused = sim::restore(halted.installation.world(), &choice).expect_err("the data is elsewhere");
    assert!(refused.code == Code::ClaimGone && refused.next.starts_with(&starts), "{refused:?}");
}

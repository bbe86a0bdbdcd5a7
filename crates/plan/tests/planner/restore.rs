//! What a run deleted, put back by a plan of its own.

use std::collections::BTreeMap;

use portolan_model::{
    Code, Content, Digest, Expected, Finding, HelmClient, Object, PlanFile, Ref, Release, ReleaseStatus, Seen,
    StepKind, Uid,
};
use portolan_plan::linter::{lint, lint_file};
use portolan_plan::planner::{self, Restoration, RestoreRequest, ToRestore};
use semver::Version;
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS, at_2_8, at_2_13, words};

const SET: &str = "runai-backend-postgresql";

/// An object as it was archived.
fn archived(json: Value) -> ToRestore {
    let archived = Object::new(json);
    let bytes = archived.canonical();
    ToRestore {
        name: archived.name().expect("a name"),
        uid: archived.uid().expect("a UID"),
        digest: Digest::of(&bytes),
        content: Content::new(bytes),
        archived,
    }
}

fn secret() -> ToRestore {
    let owners = json!([
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "lives", "uid": "lives"},
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"},
    ]);
    archived(json!({
        "apiVersion": "v1", "kind": "Secret", "data": {"password": "Yg=="},
        "metadata": {"name": SET, "namespace": NS, "uid": "secret", "ownerReferences": owners},
    }))
}

/// The database's StatefulSet, with its data on this PVC.
fn set(volumes: &Value, templates: &Value) -> ToRestore {
    archived(json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": SET, "namespace": NS, "uid": "set"},
        "spec": {
            "replicas": 1, "template": {"spec": {"containers": [], "volumes": volumes}}, "volumeClaimTemplates": templates,
        },
    }))
}

fn named() -> ToRestore {
    set(&json!([{"name": "data", "persistentVolumeClaim": {"claimName": "pvc-postgresql"}}]), &json!([]))
}

/// The same, in a world where these objects live too.
fn restored(fixture: &Fixture, objects: &[ToRestore], live: &[Value]) -> Result<Restoration, Finding> {
    restored_beside(fixture, objects, live, &[])
}

/// The same, of a run that worked on these releases as well.
fn restored_beside(
    fixture: &Fixture,
    objects: &[ToRestore],
    live: &[Value],
    others: &[Release],
) -> Result<Restoration, Finding> {
    let mut all: BTreeMap<Ref, Seen> = BTreeMap::new();
    for json in live {
        let object = Object::new(json.clone());
        all.insert(object.name().expect("a name"), Seen::There(object));
    }
    let helm = HelmClient::Simulated { version: Version::new(3, 14, 4) };
    let request = RestoreRequest { run: "3f9c2a71", objects, live: &all, others };
    planner::restore(&fixture.inventory, &helm, &request)
}

fn file(fixture: &Fixture, objects: &[ToRestore]) -> PlanFile {
    restored(fixture, objects, &[]).expect("a plan").file
}

#[test]
fn what_pods_read_comes_first_and_the_data_is_looked_at_last() {
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lives", "namespace": NS, "uid": "lives"}});
    let again =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gone", "namespace": NS, "uid": "other"}});
    let restoration = restored(&at_2_8(), &[named(), secret()], &[owner, again]).expect("a plan");
    let file = restoration.file;
    let expected = [
        "restore Secret/runai-backend-postgresql",
        "restore StatefulSet/runai-backend-postgresql",
        "wait StatefulSet/runai-backend-postgresql",
        "verify PersistentVolumeClaim/pvc-postgresql in Pod/runai-backend-postgresql-0",
    ];
    assert_eq!(words(&file.plan, 0), expected);
    assert_eq!(lint_file(&file), []);
    let StepKind::RestoreObject { copy, uid, .. } = &file.plan.hops[0].steps[0].kind else { panic!("a restore") };
    assert_eq!((uid, copy.owners.iter().collect::<Vec<_>>()), (&Uid::new("secret"), vec![&Uid::new("lives")]));
    let expected = |name: &Ref| file.plan.preconditions.get(name).map(|one| one.object.clone());
    for name in [Ref::secret(NS, SET), Ref::set(NS, SET)] {
        assert_eq!(expected(&name), Some(Expected::Absent), "nothing of the name may exist");
    }
    assert_eq!(expected(&Ref::new("", "ConfigMap", NS, "lives")), Some(Expected::Same(Uid::new("lives"))));
    // The content is in the file beside the plan, never in the plan.
    assert!(!serde_json::to_string(&file.plan).expect("JSON").contains("Yg=="));
}

#[test]
fn nothing_is_put_back_under_a_pending_helm() {
    let with = |status: ReleaseStatus| {
        let mut fixture = at_2_8();
        fixture.inventory.release.status = status;
        restored(&fixture, &[named(), secret()], &[])
    };
    for status in [ReleaseStatus::PendingInstall, ReleaseStatus::PendingUpgrade, ReleaseStatus::PendingRollback] {
        let refused = with(status).expect_err("a helm may be at work");
        assert_eq!(refused.code, Code::NotDeployed, "{status}");
        assert!(refused.found.contains(&status.to_string()), "{}", refused.found);
        assert!(refused.found.ends_with("nothing was written"), "{}", refused.found);
    }
    // A helm that has ended, however it did.
    for status in [ReleaseStatus::Deployed, ReleaseStatus::Failed] {
        let file = with(status).expect("a plan").file;
        assert_eq!(file.plan.hops.len(), 1, "{status}");
    }
}

#[test]
fn nothing_is_put_back_while_helm_is_at_work_on_another_release_of_the_run() {
    let with = |status: ReleaseStatus| {
        let fixture = at_2_8();
        let mut other = fixture.inventory.release.clone();
        (other.id.name, other.status) = ("agent".into(), status);
        restored_beside(&fixture, &[named(), secret()], &[], &[other])
    };
    let refused = with(ReleaseStatus::PendingUpgrade).expect_err("a helm may be at work");
    assert_eq!(refused.code, Code::NotDeployed);
    assert!(refused.found.contains("agent is pending-upgrade; nothing was written"), "{}", refused.found);
    for status in [ReleaseStatus::Deployed, ReleaseStatus::Failed] {
        assert_eq!(with(status).expect("a plan").file.plan.hops.len(), 1, "{status}");
    }
}

#[test]
fn what_exists_is_never_written_to() {
    let secret_of = |uid: &str, password: &str, more: Value| {
        let mut json = json!({
            "apiVersion": "v1", "kind": "Secret", "data": {"password": password},
            "metadata": {"name": SET, "namespace": NS, "uid": uid, "resourceVersion": "9"},
        });
        for (key, value) in more.as_object().expect("fields") {
            json["metadata"][key] = value.clone();
        }
        json
    };
    for (live, is_there) in [
        (secret_of("secret", "Yw==", json!({})), true),
        (secret_of("other", "Yg==", json!({})), true),
        (secret_of("other", "Yw==", json!({})), false),
        (secret_of("other", "Yg==", json!({"labels": {"a": "b"}})), false),
        (secret_of("secret", "Yg==", json!({"deletionTimestamp": "2026-01-01T00:00:00Z"})), false),
    ] {
        let came = restored(&at_2_8(), &[secret()], std::slice::from_ref(&live));
        if is_there {
            let Restoration { file, there } = came.expect("it is there");
            assert!(file.plan.hops.is_empty(), "{live}");
            assert_eq!(there, [Ref::secret(NS, SET)], "{live}");
            continue;
        }
        let finding = came.expect_err("it is another one");
        assert_eq!(finding.code, Code::NotRestored, "{live}");
        let told = format!("{} {:?}", finding.found, finding.evidence);
        assert!(told.contains("differs: /") && !told.contains("Yw=="), "no value is told: {told}");
    }
}

#[test]
fn no_storage_is_put_back_and_nothing_that_would_run_again() {
    for (version, kind) in [
        ("v1", "PersistentVolumeClaim"),
        ("v1", "PersistentVolume"),
        ("v1", "Namespace"),
        ("v1", "Pod"),
        ("batch/v1", "Job"),
    ] {
        let object = archived(
            json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a", "namespace": NS, "uid": "u"}}),
        );
        let finding = restored(&at_2_8(), &[object], &[]).expect_err(kind);
        assert_eq!(finding.code, Code::NotRestored, "{kind}");
    }
    let cron = archived(
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "a", "namespace": NS, "uid": "u"}}),
    );
    assert!(restored(&at_2_8(), &[cron], &[]).is_ok());
}

#[test]
fn a_set_is_not_put_back_where_it_would_make_an_empty_pvc() {
    let fixture = at_2_13();
    let made = |template: &str| set(&json!([]), &json!([{"metadata": {"name": template}, "spec": {}}]));
    let mut inventory = fixture;
    let claim = Ref::claim(NS, "data-runai-backend-postgresql-0");
    inventory.inventory.objects.entry(claim.clone()).or_insert_with(|| {
        Object::new(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim.name(), "namespace": NS}}))
    });
    let words = words(&file(&inventory, &[made("data")]).plan, 0);
    assert!(words[2].ends_with("data-runai-backend-postgresql-0 in Pod/runai-backend-postgresql-0"), "{words:?}");
    let finding = restored(&inventory, &[made("other")], &[]).expect_err("it would make a PVC");
    assert_eq!(finding.code, Code::ClaimGone, "{finding:?}");
    assert!(finding.why.ends_with("would make a new, empty one"), "{}", finding.why);
}

#[test]
fn the_linter_knows_what_may_be_put_back() {
    let found = |file: &PlanFile| lint_file(file).into_iter().map(|finding| finding.found).collect::<Vec<_>>();
    let good = file(&at_2_8(), &[secret(), named()]);
    assert_eq!(found(&good), [""; 0]);
    let missing =
        "step restore-objects restores Secret/runai-backend-postgresql, of which the plan has no archived copy";
    let mut bad = good.clone();
    bad.objects.remove(&secret().digest);
    assert_eq!(found(&bad), [missing]);
    // The copy is of another object, or is not what its digest says.
    let mut bad = good.clone();
    if let StepKind::RestoreObject { copy, .. } = &mut bad.plan.hops[0].steps[0].kind {
        copy.digest = named().digest;
    }
    assert_eq!(found(&bad), [missing]);
    let mut bad = good.clone();
    let forged = String::from_utf8(secret().content.0.to_vec()).expect("text").replace("Yg==", "Yw==");
    bad.objects.insert(secret().digest, Content::new(forged.into_bytes()));
    assert_eq!(found(&bad), [missing]);
    let mut bad = good.clone();
    for step in &mut bad.plan.hops[0].steps {
        if let StepKind::RestoreObject { target, .. } = &mut step.kind {
            *target = Ref::claim(NS, "pvc-postgresql");
        }
    }
    assert!(found(&bad).contains(&"step restore-objects restores PersistentVolumeClaim/pvc-postgresql".to_owned()));
    // It is not mixed with anything that deletes or applies.
    let mut bad = good;
    let upgrade = at_2_8().plan(&[crate::fixture::new("2.20.41")]);
    let step = bad.plan.hops[0].steps[0].clone();
    bad.plan = upgrade;
    let helm = bad.plan.hops[0].steps.iter().position(|step| step.helm_run().is_some()).expect("helm");
    bad.plan.hops[0].steps.insert(helm, step);
    let mixed = "step restore-objects puts back an object in a hop that does something else";
    assert!(lint(&bad.plan).iter().any(|finding| finding.found == mixed), "{:#?}", lint(&bad.plan));
}

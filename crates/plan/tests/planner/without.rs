//! What leaving a step out does to a plan. What it does to the data is for a rehearsal to show.

use portolan_model::{Change, Code, Finding, Plan, Ref, Severity};
use portolan_plan::linter::lint;

use crate::fixture::{Fixture, NS, at_2_8, at_2_11, at_2_13, given, manifest_of, new, run, words};

fn plan(fixture: Fixture, ids: &[&str]) -> Plan {
    fixture.without(ids).plan(&[new("2.20.41")])
}

fn blocking(plan: &Plan) -> Vec<Code> {
    let blocks = plan.findings.iter().filter(|finding| finding.severity == Severity::Blocking);
    blocks.map(|finding| finding.code).collect()
}

fn has(plan: &Plan, word: &str) -> bool {
    words(plan, 0).iter().any(|its| its.starts_with(word))
}

#[test]
fn each_step_can_be_left_out() {
    let all = at_2_8().plan(&[new("2.20.41")]);
    for (id, word) in [
        ("retain-volumes", "retain"),
        ("keep-claims", "keep"),
        ("record-database", "record"),
        ("carry-credentials", "carry"),
        ("delete-secret", "delete Secret"),
        ("delete-sets", "delete StatefulSet"),
        ("delete-sets", "wait gone"),
        ("wait-ready", "wait StatefulSet"),
        ("verify-volumes", "verify PersistentVolumeClaim"),
        ("verify-database", "verify database"),
    ] {
        assert!(has(&all, word), "{id}");
        let plan = plan(at_2_8(), &[id]);
        assert!(!has(&plan, word), "{id}");
        assert_eq!(plan.without, [id]);
        // A plan that is less than it should be is still one that can be rehearsed.
        let lints = lint(&plan);
        assert!(lints.iter().all(|finding| finding.severity == Severity::Warning), "{id}: {lints:#?}");
    }
}

#[test]
fn protections_left_out_are_warned_of() {
    for (id, found) in [
        ("retain-volumes", "PersistentVolume/pv-1 is not retained before control-plane 2.20.41 is applied"),
        (
            "keep-claims",
            "PersistentVolumeClaim/pvc-postgresql is not kept before control-plane 2.20.41 is applied, and helm deletes it",
        ),
    ] {
        let lints = lint(&plan(at_2_11(), &[id]));
        assert_eq!(lints.iter().map(|finding| finding.found.as_str()).collect::<Vec<_>>(), [found]);
    }
    let plan = plan(at_2_8(), &["keep-claims"]);
    let claim = Ref::claim(NS, "pvc-postgresql");
    assert!(plan.hops[0].changes.iter().any(|one| one.change == Change::Delete && one.object == claim));
}

#[test]
fn credentials_left_out_are_not_given() {
    let fixture = at_2_8().without(&["carry-credentials"]);
    let file = fixture.file(&[new("2.20.41")]).expect("it can be planned");
    assert_eq!(run(&file.plan, 0).carried, []);
    let job = &fixture.jobs(&[new("2.20.41")]).expect("a job")[0];
    assert!(job.values["postgresql"].get("auth").is_none());
    let secret = manifest_of(&file, 0).docs.into_iter().find(|doc| doc.text("/kind") == "Secret").expect("a secret");
    assert_eq!(secret.text("/stringData/postgres-password"), portolan_model::Manifest::FREE);
    // The old value is then not taken over either.
    assert_eq!(blocking(&file.plan), [Code::PasswordRefused, Code::ValuesDropped]);
    // Where the Secret stays, the chart looks the password up.
    assert_eq!(blocking(&plan(at_2_11(), &["carry-credentials"])), [Code::ValuesDropped]);
}

#[test]
fn the_secret_left_there_is_refused_by_the_chart() {
    let plan = plan(at_2_8(), &["delete-secret"]);
    let [finding] = blocking(&plan)[..] else { panic!("{:#?}", plan.findings) };
    assert_eq!(finding, Code::ChartRefuses);
}

#[test]
fn a_value_can_be_left_out() {
    let file = at_2_8().without(&["existing-claim"]).file(&[new("2.20.41")]).expect("it can be planned");
    let given = given(&file, run(&file.plan, 0));
    assert!(given.get("postgresql").is_none());
    assert_eq!(blocking(&file.plan), [Code::NotSafe]);
    let new_claims: Vec<&str> = file.plan.hops[0].new_claims.iter().map(|new| new.claim.name()).collect();
    assert_eq!(new_claims, ["data-runai-backend-postgresql-0", "data-runai-backend-redis-queue-master-0"]);
    let verify = words(&file.plan, 0).into_iter().find(|word| word.starts_with("verify Pers"));
    assert_eq!(verify.as_deref(), Some("verify PersistentVolumeClaim/pvc-postgresql in "));
}

fn refused(fixture: Fixture, ids: &[&str]) -> Finding {
    let finding = fixture.without(ids).refusal(&[new("2.20.41")]);
    assert_eq!(finding.code, Code::BadOption);
    finding
}

#[test]
fn what_cannot_be_left_out() {
    let unknown = refused(at_2_13(), &["delete-sets"]);
    assert_eq!(
        unknown.evidence,
        [
            "available: archive, carry-credentials, helm, keep-claims, record-database, retain-volumes, verify-database, \
          verify-volumes, wait-ready"
        ]
    );
    assert_eq!(refused(at_2_8(), &["helm"]).found, "`helm` cannot be left out");
    let archive = refused(at_2_8(), &["archive"]);
    assert_eq!(archive.evidence, ["it is needed by: carry-credentials, delete-secret, delete-sets"]);
    let plan = plan(at_2_8(), &["archive", "carry-credentials", "delete-secret", "delete-sets"]);
    assert!(!has(&plan, "archive") && !has(&plan, "delete") && !has(&plan, "carry"));
}

//! The linter knows a bad plan, whoever made it.

use portolan_model::{Code, Plan, Ref, Severity, StepKind, Uid};
use portolan_plan::linter::lint;

use crate::fixture::{NS, at_2_8, new};

fn plan() -> Plan {
    at_2_8().plan(&[new("2.20.41")])
}

fn at(plan: &Plan, word: &str) -> usize {
    plan.hops[0].steps.iter().position(|step| step.kind.word() == word).expect(word)
}

fn found(plan: &Plan) -> Vec<String> {
    let findings = lint(plan);
    assert!(findings.iter().all(|finding| finding.severity == Severity::Blocking), "{findings:#?}");
    findings.into_iter().map(|finding| finding.found).collect()
}

#[test]
fn storage_is_never_deleted() {
    for target in [Ref::claim(NS, "pvc-postgresql"), Ref::volume("pv-1"), Ref::new("", "Namespace", "", NS)] {
        let mut plan = plan();
        let step = at(&plan, "delete-object");
        let text = format!("step delete-secret deletes {target}");
        plan.hops[0].steps[step].kind = StepKind::DeleteObject { target, uid: Uid::new("u") };
        let lints = lint(&plan);
        assert!(lints.iter().any(|finding| finding.code == Code::BadPlan && finding.found == text), "{lints:#?}");
    }
}

#[test]
fn nothing_is_deleted_that_was_not_archived() {
    let mut plan = plan();
    let step = at(&plan, "archive-object");
    plan.hops[0].steps.remove(step);
    let found = found(&plan);
    for (id, name) in [
        ("carry-credentials", "Secret/runai-backend-postgresql"),
        ("delete-secret", "Secret/runai-backend-postgresql"),
        ("delete-sets", "StatefulSet/keycloak"),
        ("delete-sets", "StatefulSet/runai-backend-postgresql"),
        ("helm", "Secret/runai-backend-postgresql"),
    ] {
        let text = format!("step {id} needs {name} in the archive, and no step before it archives it");
        assert!(found.contains(&text), "{found:#?}");
    }
}

#[test]
fn protections_come_first_and_verification_last() {
    let mut late = plan();
    let step = late.hops[0].steps.remove(1);
    let helm = at(&late, "helm-upgrade");
    late.hops[0].steps.insert(helm + 1, step);
    let found_late = found(&late);
    assert!(found_late.contains(&"step retain-volumes comes too late, after helm".to_owned()), "{found_late:#?}");
    assert!(
        found_late
            .contains(&"PersistentVolume/pv-1 is not retained before control-plane 2.20.41 is applied".to_owned())
    );
    for (word, text) in [
        ("retain-volume", "PersistentVolume/pv-1 is not retained before control-plane 2.20.41 is applied"),
        (
            "keep-claim",
            "PersistentVolumeClaim/pvc-postgresql is not kept before control-plane 2.20.41 is applied, and the release has it",
        ),
        (
            "verify-volume",
            "PersistentVolumeClaim/pvc-postgresql is not verified after control-plane 2.20.41 is applied",
        ),
        ("helm-upgrade", "the hop runai-backend 2.8.20 -> control-plane 2.20.41 runs helm 0 times"),
    ] {
        let mut plan = plan();
        let step = at(&plan, word);
        plan.hops[0].steps.remove(step);
        assert_eq!(found(&plan), [text]);
    }
}

#[test]
fn objects_are_named_by_uid() {
    let mut plan = plan();
    let none = Uid::new("");
    let StepKind::KeepClaim { uid, .. } = &mut plan.hops[0].steps[2].kind else {
        panic!("it checks, retains and keeps")
    };
    *uid = none.clone();
    plan.volumes[0].volume_uid = none;
    let found = found(&plan);
    assert!(found.contains(&"step keep-claims names PersistentVolumeClaim/pvc-postgresql without its UID".to_owned()));
    assert!(found.contains(&"PersistentVolumeClaim/pvc-postgresql or its volume has no UID in the plan".to_owned()));
}

#[test]
fn revisions_follow_each_other() {
    let mut plan = at_2_8().plan(&[new("2.13.19"), new("2.20.41")]);
    for step in &mut plan.hops[1].steps {
        if let StepKind::HelmUpgrade { run } = &mut step.kind {
            run.base_revision = 7;
        }
    }
    assert_eq!(found(&plan), ["helm is to go on from revisions [7, 7], which do not follow each other"]);
}

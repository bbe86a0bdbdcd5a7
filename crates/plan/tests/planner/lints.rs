//! The linter knows a bad plan, whoever made it.

use portolan_model::{
    Change, Code, Content, Digest, HelmOperation, Manifest, ObjectChange, Plan, PlanFile, Ref, ReleaseId, Severity,
    StepKind, Uid, ValuesMode, canonical,
};
use portolan_plan::linter::{lint, lint_file};

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
fn a_plan_that_names_an_object_without_its_uid_is_not_read() {
    let json = serde_json::to_value(plan()).expect("a plan is JSON");
    assert!(serde_json::from_value::<Plan>(json.clone()).is_ok());
    for place in ["/hops/0/steps/2/kind/uid", "/volumes/0/volume_uid", "/cluster"] {
        let mut json = json.clone();
        *json.pointer_mut(place).expect(place) = "".into();
        assert!(serde_json::from_value::<Plan>(json).is_err(), "{place}");
    }
}

#[test]
fn revisions_follow_each_other() {
    let mut plan = at_2_8().plan(&[new("2.13.19"), new("2.20.41")]);
    for step in &mut plan.hops[1].steps {
        if let StepKind::Helm { run, .. } = &mut step.kind {
            run.base_revision = Some(7);
        }
    }
    assert_eq!(found(&plan), ["helm is to go on from revisions [7, 7], which do not follow each other"]);
}

/// A plan whose second hop works on another release.
fn two_releases() -> Plan {
    let mut plan = at_2_8().plan(&[new("2.13.19"), new("2.20.41")]);
    let other = ReleaseId { namespace: "runai".into(), name: "cluster".into() };
    plan.other_releases = vec![other.clone()];
    plan.hops[1].release = Some(other.clone());
    for step in &mut plan.hops[1].steps {
        match &mut step.kind {
            StepKind::Helm { run, .. } => (run.release, run.base_revision) = (other.clone(), Some(3)),
            StepKind::CheckObjects { check } => check.release = other.clone(),
            _ => {}
        }
    }
    plan
}

#[test]
fn revisions_follow_each_other_release_by_release() {
    assert_eq!(lint(&two_releases()), []);
    let mut plan = two_releases();
    let (first, again) = (plan.hops[0].clone(), plan.hops[1].clone());
    plan.hops.extend([again, first]);
    let found = found(&plan);
    for bases in ["[3, 3]", "[7, 7]"] {
        let text = format!("helm is to go on from revisions {bases}, which do not follow each other");
        assert!(found.contains(&text), "{found:#?}");
    }
}

#[test]
fn the_releases_of_a_plan_are_those_of_its_hops() {
    type Case = (fn(&mut Plan), &'static str);
    let cases: [Case; 6] = [
        (
            |plan| plan.other_releases.clear(),
            "the hop control-plane 2.13.19 -> control-plane 2.20.41 works on release runai/cluster, which is not among the plan's \
             other releases",
        ),
        (
            |plan| plan.hops[0].release = Some(plan.release.clone()),
            "the hop runai-backend 2.8.20 -> control-plane 2.13.19 works on release runai-backend/runai-backend, which is not among the \
             plan's other releases",
        ),
        (|plan| plan.other_releases.push(plan.other_releases[0].clone()), "release runai/cluster is named twice"),
        (|plan| plan.other_releases.push(plan.release.clone()), "release runai-backend/runai-backend is named twice"),
        (|plan| plan.hops.truncate(1), "release runai/cluster is named, and no hop works on it"),
        (
            |plan| plan.hops[1].release = None,
            "step helm works on release runai/cluster, and its hop on runai-backend/runai-backend",
        ),
    ];
    for (change, text) in cases {
        let mut plan = two_releases();
        change(&mut plan);
        assert!(found(&plan).contains(&text.to_owned()), "{text}: {:#?}", found(&plan));
    }
    let mut plan = two_releases();
    plan.hops[1].release = None;
    let text = "step check-objects works on release runai/cluster, and its hop on runai-backend/runai-backend";
    assert!(found(&plan).contains(&text.to_owned()), "{:#?}", found(&plan));
}

const UNINSTALL: HelmOperation = HelmOperation::Uninstall { keep_history: false };

/// The one hop of a plan as an uninstall of what helm has stored: a StatefulSet, and this object.
fn uninstall(other: &Ref, change: Option<Change>, op: HelmOperation) -> Plan {
    let mut plan = plan();
    let hop = &mut plan.hops[0];
    let set = Ref::set(NS, "keycloak");
    hop.changes = [(set.clone(), Some(Change::Delete)), (other.clone(), change)]
        .into_iter()
        .filter_map(|(object, change)| Some(ObjectChange { object, change: change?, why: String::new() }))
        .collect();
    for step in &mut hop.steps {
        if let StepKind::Helm { op: its, run } = &mut step.kind {
            *its = op;
            (run.archive, run.values, run.carried) = (None, None, Vec::new());
            run.docs = [set.clone(), other.clone()].into_iter().map(|name| (name, Digest::of(b"doc"))).collect();
            run.nondeterministic_fields.clear();
        }
    }
    plan
}

#[test]
fn an_uninstall_takes_neither_storage_nor_what_holds_others() {
    let crd = Ref::new("apiextensions.k8s.io", "CustomResourceDefinition", "", "clusters.db.example.com");
    let config = Ref::new("", "ConfigMap", NS, "c");
    for other in [Ref::claim(NS, "pvc-postgresql"), Ref::volume("pv-1"), Ref::new("", "Namespace", "", NS), crd] {
        let text = format!("step helm uninstalls runai-backend, and {other} goes with it");
        assert_eq!(found(&uninstall(&other, Some(Change::Delete), UNINSTALL)), [text]);
        assert_eq!(found(&uninstall(&other, Some(Change::Keep), UNINSTALL)), [""; 0], "{other} stays");
        let text = format!("step helm does not say what becomes of {other}");
        assert_eq!(found(&uninstall(&other, None, UNINSTALL)), [text]);
    }
    assert_eq!(found(&uninstall(&config, Some(Change::Delete), UNINSTALL)), [""; 0]);
}

#[test]
fn what_stays_in_an_uninstall_says_so_in_the_stored_manifest() {
    let claim = Ref::claim(NS, "pvc-postgresql");
    let file = |annotations: &str, change: Change| {
        let text = format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: pvc-postgresql, annotations: {annotations}}}\n---\n\
             apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: keycloak}}\n"
        );
        let docs = portolan_helm_compat::manifest::parse(&text, NS).expect("a manifest");
        let manifest = canonical(&Manifest { docs: docs.clone(), ..Manifest::default() });
        let mut plan = uninstall(&claim, Some(change), UNINSTALL);
        for step in &mut plan.hops[0].steps {
            if let StepKind::Helm { run, .. } = &mut step.kind {
                run.manifest = Digest::of(&manifest);
                run.docs = portolan_helm_compat::redact::fingerprint(&docs, &run.nondeterministic_fields);
            }
        }
        PlanFile { plan, objects: [(Digest::of(&manifest), Content::new(manifest))].into(), fetched: Vec::new() }
    };
    let found = |file: &PlanFile| lint_file(file).into_iter().map(|finding| finding.found).collect::<Vec<_>>();
    assert_eq!(found(&file("{helm.sh/resource-policy: keep}", Change::Keep)), [""; 0]);
    let lies = found(&file("{}", Change::Keep));
    assert_eq!(
        lies,
        ["by the stored manifest PersistentVolumeClaim/pvc-postgresql goes, and the plan does not say so"]
    );
    let mut other = file("{helm.sh/resource-policy: keep}", Change::Keep);
    other.objects.clear();
    assert_eq!(found(&other), ["the manifest of runai-backend is not in the plan"]);
    // It is there, and is not the one whose documents the plan has.
    let mut other = file("{helm.sh/resource-policy: keep}", Change::Keep);
    for step in &mut other.plan.hops[0].steps {
        if let StepKind::Helm { run, .. } = &mut step.kind {
            run.docs.insert(claim.clone(), Digest::of(b"another document"));
        }
    }
    assert_eq!(found(&other), ["the manifest of runai-backend is not the one of the plan"]);
}

#[test]
fn each_operation_goes_on_from_what_the_one_before_leaves() {
    let plan = |ops: [(HelmOperation, Option<u32>); 2]| {
        let mut plan = at_2_8().plan(&[new("2.13.19"), new("2.20.41")]);
        for (hop, (op, base)) in plan.hops.iter_mut().zip(ops) {
            for step in &mut hop.steps {
                if let StepKind::Helm { op: its, run } = &mut step.kind {
                    (*its, run.base_revision, run.mode) = (op, base, ValuesMode::Reset);
                    if op.is_uninstall() {
                        (run.archive, run.values, run.carried) = (None, None, Vec::new());
                        run.docs.clear();
                        run.nondeterministic_fields.clear();
                    }
                }
            }
            if op.is_uninstall() {
                hop.changes.clear();
            }
        }
        found(&plan)
    };
    let kept = HelmOperation::Uninstall { keep_history: true };
    let (install, upgrade) = (HelmOperation::Install, HelmOperation::Upgrade);
    let follow =
        |bases: &str| vec![format!("helm is to go on from revisions [{bases}], which do not follow each other")];
    assert_eq!(plan([(UNINSTALL, Some(7)), (install, None)]), [""; 0]);
    assert_eq!(plan([(upgrade, Some(7)), (UNINSTALL, Some(8))]), [""; 0]);
    assert_eq!(plan([(UNINSTALL, Some(7)), (upgrade, Some(8))]), follow("7, 8"));
    assert_eq!(plan([(upgrade, Some(7)), (install, None)]), follow("7"));
    let stay = "the records of runai-backend stay, and helm installs under no name that has one".to_owned();
    assert_eq!(plan([(kept, Some(7)), (install, None)]), [stay]);
    let on = "helm is to install runai-backend on revision Some(7)".to_owned();
    assert!(plan([(install, Some(7)), (upgrade, Some(8))]).contains(&on));
}

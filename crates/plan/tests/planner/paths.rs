//! The ways: what each start gets, and what two hops make of it.

use std::collections::BTreeMap;

use portolan_helm_compat::values;
use portolan_model::{Change, Code, Digest, Ref, Severity, StepKind, Undo, ValuesMode};
use portolan_plan::linter::lint;
use portolan_plan::planner;
use portolan_recipe::RecipeSet;
use serde_json::{Value, json};

use crate::fixture::{
    self, NS, PASSWORD, at_2_8, at_2_11, at_2_13, at_2_13_adopted, bytes, given, manifest_of, new, object, old, run,
    words,
};

const WAITS: &str = "wait StatefulSet/keycloak,StatefulSet/runai-backend-postgresql,\
    StatefulSet/runai-backend-redis-queue-master,Job/migrate-2-20-41,Route/runai-backend";

#[test]
fn from_2_8_the_union_of_the_blocks() {
    let file = at_2_8().file(&[new("2.20.41")]).expect("it can be planned");
    let plan = &file.plan;
    assert_eq!(
        words(plan, 0),
        [
            "retain PersistentVolume/pv-1",
            "keep PersistentVolumeClaim/pvc-postgresql",
            "record Pod/runai-backend-postgresql-0",
            "archive Secret/runai-backend-postgresql,StatefulSet/keycloak,StatefulSet/runai-backend-postgresql",
            "carry postgresql.auth.postgresPassword",
            "delete Secret/runai-backend-postgresql",
            "delete StatefulSet/keycloak",
            "delete StatefulSet/runai-backend-postgresql",
            "wait gone Pod/keycloak-0,Pod/runai-backend-postgresql-0",
            "helm control-plane 2.20.41 on 7",
            WAITS,
            "verify PersistentVolumeClaim/pvc-postgresql in Pod/runai-backend-postgresql-0",
            "verify database but public.tenants",
        ]
    );
    assert_eq!(plan.hops[0].boundaries, ["every upgrade", "into 2.9", "into 2.12", "into 2.20"]);
    let lines: Vec<Vec<Option<u32>>> =
        plan.steps().map(|step| step.sources.iter().map(|source| source.line).collect()).collect();
    assert_eq!(lines[1], [Some(44), None]);
    assert_eq!(lines[2], [Some(67), None]);
    assert_eq!(lines[6], [Some(46)]);
    assert_eq!(lines[8], [Some(47)]);
    assert_eq!(lines[9], [Some(47)]);
    assert_eq!(lines[10], [100, 101, 102, 103, 104].map(Some));
    assert_eq!(plan.hops[0].steps[1].sources[0].boundary, "into 2.9");
    assert_eq!(lint(plan), []);
}

#[test]
fn what_helm_is_given_and_what_is_kept() {
    let fixture = at_2_8();
    let file = fixture.file(&[new("2.20.41")]).expect("it can be planned");
    let helm = run(&file.plan, 0);
    let given = json!({
        "global": {"domain": "runai.apps.rig.example.com", "config": {"kubernetesDistribution": "openshift"}},
        "postgresql": {"primary": {"persistence": {"existingClaim": "pvc-postgresql"}}},
        "thanos": {"query": {"stores": ["thanos-grpc-port-forwarder:10901"]}},
    });
    assert_eq!(object(&file, helm.values.as_ref().expect("values")), given);
    assert_eq!(helm.mode, ValuesMode::Reset);
    let mut complete = given;
    values::set(&mut complete, "postgresql.auth.postgresPassword", PASSWORD.into());
    let job = &fixture.jobs(&[new("2.20.41")]).expect("a job")[0];
    assert_eq!(job.values, complete);
    assert!(job.api_versions.contains(&"route.openshift.io/v1/Route".to_owned()));
    assert!(!format!("{job:?}").contains(PASSWORD));

    assert_eq!(helm.required_keys[0].key.key, "postgres-password");
    assert!(helm.required_keys[0].message.starts_with("PASSWORDS ERROR"));
    let archive = helm.archive.as_ref().expect("an archive");
    assert_eq!(Digest::of(&bytes(&file, archive)), *archive);
    let manifest = manifest_of(&file, 0);
    let secret = manifest.docs.iter().find(|doc| doc.text("/kind") == "Secret").expect("a secret");
    assert_eq!(secret.text("/stringData/postgres-password"), "portolan:carried:postgresql.auth.postgresPassword");
    assert!(manifest.docs.iter().all(|doc| doc.text("/metadata/name") != "h"), "hooks are not in the manifest");
    assert!(!serde_json::to_string(&file).expect("JSON").contains(PASSWORD));
    for digest in file.objects.keys() {
        assert!(!String::from_utf8_lossy(&bytes(&file, digest)).contains(PASSWORD));
    }
}

#[test]
fn what_will_change_and_what_was_relied_on() {
    let plan = at_2_8().plan(&[new("2.20.41")]);
    let hop = &plan.hops[0];
    let fate = |name: Ref| hop.changes.iter().find(|one| one.object == name).map(|one| one.change);
    assert_eq!(fate(Ref::claim(NS, "pvc-postgresql")), Some(Change::Keep));
    // What was deleted before is made anew.
    assert_eq!(fate(Ref::set(NS, "runai-backend-postgresql")), Some(Change::Create));
    assert_eq!(fate(Ref::new("route.openshift.io", "Route", NS, "runai-backend")), Some(Change::Same));
    let claims: Vec<&str> = hop.new_claims.iter().map(|new| new.claim.name()).collect();
    assert_eq!(claims, ["data-runai-backend-redis-queue-master-0"]);
    let undo: Vec<Undo> = hop.steps.iter().map(|step| step.undo).collect();
    assert_eq!(
        (undo[1], undo[6], undo[10], undo[11]),
        (Undo::Reverse, Undo::Restore, Undo::ForwardOnly, Undo::Nothing)
    );

    let names: Vec<String> = plan.preconditions.keys().map(ToString::to_string).collect();
    let mut want = [
        "Namespace/kube-system",
        "PersistentVolume/pv-1",
        // It has to be absent: a PVC of that name would be taken over.
        "PersistentVolumeClaim/data-runai-backend-redis-queue-master-0",
        "PersistentVolumeClaim/pvc-postgresql",
        "Secret/runai-backend-postgresql",
        "StatefulSet/keycloak",
        "StatefulSet/runai-backend-postgresql",
    ];
    want.sort_unstable();
    let mut names_sorted = names;
    names_sorted.sort_unstable();
    assert_eq!(names_sorted, want);
    let claim = &plan.preconditions[&Ref::claim(NS, "pvc-postgresql")];
    let fields: BTreeMap<&str, &Value> =
        claim.fields.iter().map(|field| (field.pointer.as_str(), &field.value)).collect();
    assert_eq!(fields["/spec/volumeName"], "pv-1");
    assert_eq!(fields["/metadata/annotations/helm.sh~1resource-policy"], &Value::Null);
    assert_eq!(fields["/metadata/deletionTimestamp"], &Value::Null);
    let volume = &plan.preconditions[&Ref::volume("pv-1")];
    assert_eq!(volume.fields[0].value, "Delete");
    assert_eq!(volume.fields[1].value, "uid-persistentvolumeclaim-pvc-postgresql");

    let [jump] = plan.findings.as_slice() else { panic!("{:#?}", plan.findings) };
    assert_eq!((jump.code, jump.severity), (Code::LongJump, Severity::Warning));
}

#[test]
fn what_a_person_would_type() {
    let plan = at_2_8().plan(&[new("2.20.41")]);
    let lines: Vec<&str> = plan.steps().flat_map(|step| &step.command).map(String::as_str).collect();
    for want in [
        r#"kubectl patch pv pv-1 -p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'"#,
        r#"kubectl patch pvc -n runai-backend pvc-postgresql -p '{"metadata":{"annotations":{"helm.sh/resource-policy":"keep"}}}'"#,
        "kubectl get secret -n runai-backend runai-backend-postgresql -o json > secret-runai-backend-postgresql.json",
        "POSTGRESQL_AUTH_POSTGRESPASSWORD=$(kubectl get secret -n runai-backend runai-backend-postgresql \
         -o jsonpath='{.data.postgresql-password}' | base64 -d)",
        "kubectl delete statefulset -n runai-backend keycloak",
        "kubectl wait --for=delete pod -n runai-backend keycloak-0 --timeout=120s",
        r#"  --set-string postgresql.auth.postgresPassword="$POSTGRESQL_AUTH_POSTGRESPASSWORD""#,
        "kubectl rollout status statefulset -n runai-backend keycloak --timeout=600s",
    ] {
        assert!(lines.contains(&want), "{want}\nin {lines:#?}");
    }
    // Helm has no command for the check.
    assert!(plan.steps().all(|step| (step.id == "check-objects" || !step.command.is_empty()) && !step.why.is_empty()));
}

#[test]
fn from_2_11_nothing_is_deleted() {
    let plan = at_2_11().plan(&[new("2.20.41")]);
    assert_eq!(
        words(&plan, 0),
        [
            "retain PersistentVolume/pv-1",
            "keep PersistentVolumeClaim/pvc-postgresql",
            "record Pod/runai-backend-postgresql-0",
            "archive Secret/runai-backend-postgresql",
            "carry postgresql.auth.postgresPassword",
            "helm control-plane 2.20.41 on 7",
            WAITS,
            "verify PersistentVolumeClaim/pvc-postgresql in Pod/runai-backend-postgresql-0",
            "verify database but public.tenants",
        ]
    );
    assert_eq!(lint(&plan), []);
}

#[test]
fn from_2_13_the_values_go_on() {
    for (fixture, claim) in [(at_2_13(), "data-runai-backend-postgresql-0"), (at_2_13_adopted(), "pvc-postgresql")] {
        let file = fixture.file(&[new("2.20.41")]).expect("it can be planned");
        let plan = &file.plan;
        assert_eq!(plan.hops[0].boundaries, ["every upgrade", "within control-plane", "into 2.17", "into 2.20"]);
        let mut want = vec![
            "retain PersistentVolume/pv-1".to_owned(),
            "record Pod/runai-backend-postgresql-0".into(),
            "archive Secret/runai-backend-postgresql".into(),
            "carry postgresql.auth.postgresPassword".into(),
            "helm control-plane 2.20.41 on 7".into(),
            WAITS.into(),
        ];
        want.push(format!("verify PersistentVolumeClaim/{claim} in Pod/runai-backend-postgresql-0"));
        want.push("verify database but public.tenants".into());
        assert_eq!(words(plan, 0), want);
        assert_eq!(run(plan, 0).mode, ValuesMode::ResetThenReuse);
        assert_eq!(given(&file, run(plan, 0)), json!({}));
        assert!(plan.findings.iter().all(|finding| finding.code == Code::LongJump), "{:#?}", plan.findings);
        assert_eq!(lint(plan), []);
    }
}

#[test]
fn two_hops() {
    let fixture = at_2_8();
    let way = [new("2.13.19"), new("2.20.41")];
    let plan = fixture.plan(&way);
    assert_eq!(plan.hops.len(), 2);
    assert_eq!((&plan.from, &plan.to), (&old("2.8.20"), &new("2.20.41")));
    assert_eq!(words(&plan, 0).len(), 13);
    assert_eq!(words(&plan, 0)[12], "verify database but ");
    assert_eq!(
        words(&plan, 1),
        [
            "retain PersistentVolume/pv-1",
            "record Pod/runai-backend-postgresql-0",
            "carry postgresql.auth.postgresPassword",
            "helm control-plane 2.20.41 on 8",
            WAITS,
            "verify PersistentVolumeClaim/pvc-postgresql in Pod/runai-backend-postgresql-0",
            "verify database but public.tenants",
        ]
    );
    let StepKind::RetainVolume { before, .. } = &plan.hops[1].steps[1].kind else { panic!("it checks and retains") };
    assert_eq!(before, "Retain");
    // The second hop goes on from what the first one makes.
    let jobs = fixture.jobs(&way).expect("two jobs");
    assert_eq!(jobs[0].values, jobs[1].values);
    let fates: Vec<(Change, String)> =
        plan.hops[1].changes.iter().map(|one| (one.change, one.object.to_string())).collect();
    assert!(fates.contains(&(Change::Delete, "Job/migrate-2-13-19".into())), "{fates:?}");
    assert!(fates.contains(&(Change::Create, "Job/migrate-2-20-41".into())));
    assert!(fates.contains(&(Change::Same, "StatefulSet/runai-backend-postgresql".into())), "{fates:?}");
    assert!(!fates.iter().any(|(_, name)| name.contains("pvc-postgresql")));
    assert_eq!(lint(&plan), []);
    assert_eq!(plan.digest(), fixture.plan(&way).digest(), "the same input gives the same bytes");
}

#[test]
fn over_the_old_chart() {
    let plan = at_2_8().plan(&[old("2.11.30"), new("2.20.41")]);
    assert_eq!(plan.hops[0].boundaries, ["every upgrade", "within runai-backend", "into 2.9"]);
    assert_eq!(run(&plan, 0).carried[0].path.as_str(), "postgresql.password");
    assert_eq!(run(&plan, 0).mode, ValuesMode::ResetThenReuse);
    assert_eq!(run(&plan, 1).carried[0].path.as_str(), "postgresql.auth.postgresPassword");
    // The archived Secret is the old one, with the old key.
    assert_eq!(run(&plan, 1).carried[0].from.key, "postgresql-password");
    assert!(words(&plan, 1).contains(&"keep PersistentVolumeClaim/pvc-postgresql".to_owned()));
    assert!(!words(&plan, 1).iter().any(|word| word.starts_with("delete")));
    assert_eq!(lint(&plan), []);
}

#[test]
fn nothing_to_do() {
    let fixture = at_2_13();
    let plan = fixture.plan(&[new("2.13.19")]);
    assert_eq!((plan.hops.len(), plan.findings.len()), (0, 0));
    assert_eq!(plan.to, plan.from);
    assert_eq!(lint(&plan), []);
    assert_eq!(fixture.jobs(&[new("2.13.19")]).expect("no jobs").len(), 0);
}

#[test]
fn values_of_the_user_go_first() {
    let mut fixture = at_2_8();
    fixture.values = json!({"global": {"domain": "other.example.com"}, "extra": 1});
    let file = fixture.file(&[new("2.20.41")]).expect("it can be planned");
    let given = given(&file, run(&file.plan, 0));
    assert_eq!(given["global"]["domain"], "other.example.com");
    assert_eq!(given["global"]["config"]["kubernetesDistribution"], "openshift");
    assert_eq!(given["extra"], 1);
}

#[test]
fn the_domain_is_the_routes_else_the_clusters() {
    let mut fixture = at_2_8();
    fixture.inventory.cluster.platform =
        portolan_model::Platform::OpenShift { version: "4.14.31".into(), apps_domain: "apps.example.com".into() };
    let job = &fixture.jobs(&[new("2.20.41")]).expect("a job")[0];
    assert_eq!(job.values["global"]["domain"], "runai.apps.rig.example.com");
    let route = Ref::new("route.openshift.io", "Route", NS, "runai-backend");
    fixture.inventory.objects.remove(&route);
    fixture.inventory.release.docs.retain(|doc| doc.name().as_ref() != Some(&route));
    let job = &fixture.jobs(&[new("2.20.41")]).expect("a job")[0];
    assert_eq!(job.values["global"]["domain"], "runai.apps.example.com");
    fixture.inventory.cluster.platform = portolan_model::Platform::Kubernetes;
    let finding = fixture.jobs(&[new("2.20.41")]).expect_err("no domain is known");
    assert_eq!(finding.next, "pass --set global.domain=HOST");
    fixture.values = json!({"global": {"domain": "x"}});
    let job = &fixture.jobs(&[new("2.20.41")]).expect("a job")[0];
    assert_eq!(job.values["global"], json!({"domain": "x"}), "what is OpenShift's is not set elsewhere");
}

/// A further version is a file more, and no Rust.
#[test]
fn a_folder_with_a_further_version() {
    let mut files = BTreeMap::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/runai");
    for entry in std::fs::read_dir(folder).expect("the recipes") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        files.insert(name, std::fs::read_to_string(&path).expect("a recipe"));
    }
    assert_eq!(RecipeSet::load(&files).expect("the same"), RecipeSet::builtin());
    let further = "format: 1\nboundary: into 2.21\ncrosses: {below: '2.21.0'}\nsteps:\n\
        - id: delete-queue\n  kind: delete-object\n  objects: [StatefulSet/keycloak]\n  source: {page: portolan}\n  why: w\n\
        - id: archive\n  kind: archive-object\n  objects: [StatefulSet/keycloak]\n  source: {page: portolan}\n  why: w\n\
        - id: helm\n  kind: helm-upgrade\n  source: {page: ocp-upgrade, line: 86}\n  why: w\n  set:\n  \
        - {id: queue, path: queue.kind, value: nats, source: {page: portolan}, why: w}\n";
    files.insert("into-2.21.yaml".into(), further.into());
    let mut fixture = at_2_13();
    fixture.book = RecipeSet::load(&files).expect("a further version");
    let file = fixture.file(&[new("2.21.3")]).expect("it can be planned");
    let plan = &file.plan;
    assert_eq!(plan.hops[0].boundaries.last().map(String::as_str), Some("into 2.21"));
    let words = words(plan, 0);
    assert!(words.contains(&"archive Secret/runai-backend-postgresql,StatefulSet/keycloak".to_owned()), "{words:#?}");
    assert!(words.contains(&"wait gone Pod/keycloak-0".to_owned()));
    assert_eq!(given(&file, run(plan, 0)), json!({"queue": {"kind": "nats"}}));
    assert_eq!(run(plan, 0).mode, ValuesMode::ResetThenReuse);
    assert_eq!(lint(plan), []);
}

#[test]
fn a_chart_is_picked() {
    let offered =
        [old("2.11.30"), new("2.13.19"), new("2.20.9"), new("2.20.41"), new("2.20.50-rc.1"), new("2.21.0-rc.1")];
    let pick = |spec: &str| planner::pick(spec, &offered, &fixture::old("2.11.30"));
    assert_eq!(pick("2.20"), Ok(new("2.20.41")));
    assert_eq!(pick("2"), Ok(new("2.20.41")));
    assert_eq!(pick("v2.20.9"), Ok(new("2.20.9")));
    assert_eq!(pick("2.21"), Ok(new("2.21.0-rc.1")));
    assert_eq!(pick("control-plane-2.13"), Ok(new("2.13.19")));
    assert_eq!(pick("2.11"), Ok(old("2.11.30")));
    let none = pick("2.2").expect_err("2.2 is not 2.20");
    assert_eq!((none.code, none.evidence.len()), (portolan_model::Code::NoTarget, 6));
    let lower = planner::pick("2.13", &offered, &new("2.20.9")).expect_err("lower");
    assert_eq!(lower.code, portolan_model::Code::Downgrade);
}

#[test]
fn each_hop_begins_with_a_check_of_its_objects() {
    let plan = at_2_8().plan(&[new("2.20.41")]);
    let StepKind::CheckObjects { check } = &plan.hops[0].steps[0].kind else { panic!("it checks first") };
    let deletes: Vec<String> = check.deletes.iter().map(ToString::to_string).collect();
    assert_eq!(
        deletes,
        ["Secret/runai-backend-postgresql", "StatefulSet/keycloak", "StatefulSet/runai-backend-postgresql"]
    );
    let own: Vec<(String, &str)> = check.own.iter().map(|own| (own.object.to_string(), own.value.as_str())).collect();
    assert_eq!(
        own,
        [("PersistentVolume/pv-1".into(), "Retain"), ("PersistentVolumeClaim/pvc-postgresql".into(), "keep")]
    );
    assert_eq!(check.manifest, run(&plan, 0).manifest);
}

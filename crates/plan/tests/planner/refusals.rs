//! Installations and wishes that cannot be planned, and why.

use portolan_model::{Code, Coverage, Ref, ReleaseStatus, Scope, ScopeCoverage, SecretKey, Severity};
use serde_json::json;

use crate::fixture::{Fixture, NS, at_2_8, at_2_13, at_2_13_adopted, id, new, old};

fn code(fixture: &Fixture) -> Code {
    fixture.refusal(&[new("2.20.41")]).code
}

#[test]
fn lower_is_refused() {
    assert_eq!(at_2_13().refusal(&[new("2.12.1")]).code, Code::Downgrade);
    assert_eq!(at_2_8().refusal(&[new("2.20.41"), new("2.13.19")]).code, Code::Downgrade);
    // An older era is lower whatever its number.
    assert_eq!(at_2_13().refusal(&[old("2.14.0")]).code, Code::Downgrade);
    assert_eq!(at_2_13().refusal(&[id("grafana", "9.0.0")]).code, Code::NoTarget);
}

#[test]
fn a_release_must_be_one_that_helm_goes_on_from() {
    let with = |status| {
        let mut fixture = at_2_8();
        fixture.inventory.release.status = status;
        fixture
    };
    // The only record is never to be deleted: helm would not know the release any more.
    let mut only = with(ReleaseStatus::PendingInstall);
    only.inventory.release.history.truncate(1);
    let only = only.refusal(&[new("2.20.41")]);
    assert_eq!(only.code, Code::NotDeployed);
    assert!(!only.next.contains("delete secret") && only.next.contains("Keep the record"), "{}", only.next);
    let mut pending = with(ReleaseStatus::PendingUpgrade);
    let newest = portolan_model::Revision {
        revision: 1,
        status: ReleaseStatus::Deployed,
        chart: pending.inventory.release.chart.clone(),
        app_version: String::new(),
        deployed: String::new(),
        description: String::new(),
    };
    pending.inventory.release.history = vec![newest.clone(), newest];
    let pending = pending.refusal(&[new("2.20.41")]);
    assert_eq!(pending.code, Code::NotDeployed);
    assert!(pending.next.contains("kubectl delete secret -n "), "it names the record: {}", pending.next);
    assert!(pending.object().is_some_and(|object| object.name().starts_with("sh.helm.release.v1.")));
    // One that was uninstalled and whose records were kept can be run again; what is left of its data is looked at first.
    let uninstalled = with(ReleaseStatus::Uninstalled).refusal(&[new("2.20.41")]);
    assert_eq!(uninstalled.code, Code::NotDeployed);
    let way = uninstalled.next.split_once("kubectl get pvc -n ").map(|(_, rest)| rest.contains("helm rollback -n "));
    assert_eq!(way, Some(true), "{}", uninstalled.next);
    // Of a failed revision helm goes on from the newest deployed one; without one there is nothing to go on from.
    let mut failed = with(ReleaseStatus::Failed);
    failed.inventory.release.history.clear();
    assert_eq!(failed.refusal(&[new("2.20.41")]).code, Code::NotDeployed);
    let mut failed = with(ReleaseStatus::Failed);
    let chart = failed.inventory.release.chart.clone();
    failed.inventory.release.history = vec![portolan_model::Revision {
        revision: 1,
        status: ReleaseStatus::Deployed,
        chart,
        app_version: String::new(),
        deployed: String::new(),
        description: String::new(),
    }];
    assert_eq!(failed.plan(&[new("2.20.41")]).hops.len(), 1);
}

#[test]
fn new_claims_need_a_class() {
    let mut fixture = at_2_13();
    fixture.inventory.cluster.default_class = None;
    let finding = fixture.refusal(&[new("2.20.41")]);
    assert_eq!(finding.code, Code::NoStorageClass);
    assert_eq!(finding.evidence, ["PersistentVolumeClaim/data-runai-backend-redis-queue-master-0 will be new"]);
    fixture.values = json!({"redisQueue": {"class": "fast"}});
    assert_eq!(fixture.plan(&[new("2.20.41")]).hops[0].new_claims[0].class.as_deref(), Some("fast"));
    fixture.values = json!({});
    fixture.inventory.coverage.retain(|one| one.scope.kind != "StorageClass");
    assert_eq!(fixture.plan(&[new("2.20.41")]).hops.len(), 1, "what may not be listed is not known to be missing");
}

#[test]
fn the_password_must_be_known() {
    let mut fixture = at_2_8();
    fixture.secrets.clear();
    assert_eq!(code(&fixture), Code::NoCredentials);
    let secret = Ref::secret(NS, "runai-backend-postgresql");
    let live = fixture.inventory.objects.remove(&secret).expect("the Secret lives");
    let finding = fixture.refusal(&[new("2.20.41")]);
    assert_eq!(finding.evidence, ["Secret/runai-backend-postgresql is not there"]);
    // The first key that the Secret has.
    fixture.inventory.objects.insert(secret.clone(), live);
    for key in ["postgresql-password", "postgres-password"] {
        fixture.secrets.insert(SecretKey { secret: secret.clone(), key: key.into() }, key.into());
    }
    assert_eq!(fixture.plan(&[new("2.20.41")]).databases[0].password.key, "postgres-password");
}

#[test]
fn a_password_is_not_given_twice() {
    let mut fixture = at_2_8();
    fixture.values = json!({"postgresql": {"auth": {"postgresPassword": "another"}}});
    assert_eq!(code(&fixture), Code::BadValues);
    // Another value that the chart puts first is seen in the rendering.
    fixture.values = json!({"global": {"postgresql": {"auth": {"postgresPassword": "another"}}}});
    let plan = fixture.plan(&[new("2.20.41")]);
    let blocks: Vec<Code> = plan
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Blocking)
        .map(|finding| finding.code)
        .collect();
    assert_eq!(blocks, [Code::PasswordRefused]);
}

#[test]
fn what_is_not_seen() {
    let deny = |fixture: &mut Fixture, kind: &str| {
        for ScopeCoverage { scope, coverage } in &mut fixture.inventory.coverage {
            if scope.kind == kind {
                *coverage = Coverage::Denied("403".into());
            }
        }
    };
    let mut fixture = at_2_8();
    deny(&mut fixture, "PersistentVolumeClaim");
    assert_eq!(code(&fixture), Code::NotVisible);
    let mut fixture = at_2_8();
    fixture.inventory.volumes[0].volume_uid = None;
    assert_eq!(code(&fixture), Code::NotVisible);
    let mut fixture = at_2_8();
    deny(&mut fixture, "Pod");
    let plan = fixture.plan(&[new("2.20.41")]);
    assert_eq!((plan.findings[0].code, plan.findings[0].severity), (Code::NotVisible, Severity::Blocking));
    let mut fixture = at_2_8();
    let routes = Scope { kind: "Route".into(), namespace: NS.into() };
    fixture.inventory.coverage.push(ScopeCoverage { scope: routes, coverage: Coverage::Denied("403".into()) });
    let found: Vec<String> =
        fixture.plan(&[new("2.20.41")]).findings.into_iter().map(|finding| finding.found).collect();
    assert!(found.contains(&"this user may not list Route".to_owned()), "{found:#?}");
}

#[test]
fn a_claim_that_is_going_cannot_be_saved_by_a_plan() {
    let mut fixture = at_2_8();
    fixture.inventory.volumes[0].terminating = true;
    let finding = fixture.refusal(&[new("2.20.41")]);
    assert_eq!(finding.code, Code::NotSafe);
    assert!(finding.next.starts_with("kubectl patch pv pv-1 "), "{}", finding.next);
}

#[test]
fn a_volume_that_nothing_mounts_today_is_looked_after() {
    let mut fixture = at_2_13_adopted();
    let mut left = fixture.inventory.volumes[0].clone();
    left.claim = Ref::claim(NS, "left-over");
    left.volume = Some(Ref::volume("pv-2"));
    left.mounts.clear();
    fixture.inventory.volumes.push(left);
    let plan = fixture.plan(&[new("2.20.41")]);
    assert_eq!(plan.volumes.len(), 1);
    assert_eq!(plan.findings[0].found, "nothing mounts PersistentVolumeClaim/left-over today");
    assert_eq!(plan.findings[0].severity, Severity::Warning);
    let words = crate::fixture::words(&plan, 0);
    assert!(words.contains(&"retain PersistentVolume/pv-2".to_owned()));
    assert!(words.contains(&"verify PersistentVolumeClaim/left-over in ".to_owned()));
}

#[test]
fn a_claim_of_another_name() {
    let mut fixture = at_2_8();
    let text = serde_json::to_string(&fixture.inventory.objects).expect("JSON").replace("pvc-postgresql", "pvc-pg");
    fixture.inventory.objects = serde_json::from_str(&text).expect("JSON");
    let text =
        serde_json::to_string(&fixture.inventory.release.docs).expect("JSON").replace("pvc-postgresql", "pvc-pg");
    fixture.inventory.release.docs = serde_json::from_str(&text).expect("JSON");
    fixture.inventory.volumes[0].claim = Ref::claim(NS, "pvc-pg");
    let plan = fixture.plan(&[new("2.20.41")]);
    let words = crate::fixture::words(&plan, 0);
    assert!(words.contains(&"keep PersistentVolumeClaim/pvc-pg".to_owned()), "{words:#?}");
    assert!(words.contains(&"verify PersistentVolumeClaim/pvc-pg in Pod/runai-backend-postgresql-0".to_owned()));
    let found: Vec<&str> = plan.findings.iter().map(|finding| finding.found.as_str()).collect();
    assert!(found.contains(&"a recipe names PersistentVolumeClaim/pvc-postgresql, which is not there"), "{found:#?}");
    assert_eq!(portolan_plan::linter::lint(&plan), []);
}

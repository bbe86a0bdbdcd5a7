//! A database that the values say is outside the cluster.

use portolan_model::{Accepted, Code, DatabaseError, Finding, Object, Plan, Ref, SecretKey, Severity, SslMode};
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS, at_2_13, new, words};

const ADDRESS: &str = "db.example.com:6432";

fn values(auth: &Value) -> Value {
    json!({"global": {"domain": "runai.apps.rig.example.com", "config": {"kubernetesDistribution": "openshift"},
        "postgresql": {"auth": auth}}, "postgresql": {"enabled": false}})
}

fn auth() -> Value {
    json!({"host": "db.example.com", "port": 6432, "username": "runai", "database": "backend", "dbSslMode": "verify-full",
        "existingSecret": "site-db"})
}

/// The release without a database of its own.
fn outside(auth: &Value) -> Fixture {
    let mut fixture = at_2_13();
    let is_database = |name: &Ref| name.name().contains("postgresql");
    fixture.inventory.release.docs.retain(|doc| doc.name().is_none_or(|name| !is_database(&name)));
    fixture.inventory.objects.retain(|name, _| !is_database(name));
    fixture.inventory.volumes.clear();
    fixture.inventory.release.config = values(auth);
    let secret = Object::new(json!({"apiVersion": "v1", "kind": "Secret", "data": {"password": ""},
        "metadata": {"name": "site-db", "namespace": NS, "uid": "uid-site-db"}}));
    fixture.inventory.objects.insert(Ref::secret(NS, "site-db"), secret);
    fixture.secrets.insert(key("site-db"), "outside-secret".into());
    fixture.servers = [(Ref::outside("db.example.com", 6432), Ok("15.4".to_owned()))].into();
    fixture
}

fn key(secret: &str) -> SecretKey {
    SecretKey { secret: Ref::secret(NS, secret), key: "password".into() }
}

/// A plan with a chart that runs no database.
fn plan(fixture: &Fixture) -> Plan {
    let edit = |_: usize, chart: String| {
        let docs =
            chart.split("---\n").filter(|doc| !doc.contains("name: runai-backend-postgresql")).map(str::to_owned);
        docs.collect::<Vec<_>>().join("---\n")
    };
    fixture.file_of(&[new("2.20.41")], &edit).expect("it can be planned").plan
}

fn found(plan: &Plan, code: Code) -> Vec<&Finding> {
    plan.findings.iter().filter(|finding| finding.code == code).collect()
}

#[test]
fn a_plan_waits_for_a_named_backup() {
    let mut fixture = outside(&auth());
    let bare = plan(&fixture);
    let [finding] = found(&bare, Code::DatabaseOutside)[..] else { panic!("{:#?}", bare.findings) };
    assert_eq!(finding.severity, Severity::Blocking);
    assert_eq!(finding.found, format!("database outside: backend on {ADDRESS} as runai"));

    fixture.backup = Some("nightly-1128".into());
    let named = plan(&fixture);
    let [finding] = found(&named, Code::DatabaseOutside)[..] else { panic!("{:#?}", named.findings) };
    assert_eq!(finding.severity, Severity::Note);
    assert!(finding.found.ends_with("its backup: nightly-1128"), "{finding:#?}");
    assert_eq!(named.blocking().count(), 0, "{:#?}", named.findings);

    fixture.backup = None;
    fixture.accepted = vec![Accepted { code: Code::DatabaseOutside, claim: None, reason: "a test site".into() }];
    assert_eq!(plan(&fixture).blocking().count(), 0);
}

#[test]
fn it_is_looked_into_before_and_after() {
    let plan = plan(&outside(&auth()));
    let steps = words(&plan, 0);
    let at = |word: &str| steps.iter().position(|step| step.starts_with(word));
    assert!(at(&format!("record Server/{ADDRESS}")) < at("helm"), "{steps:?}");
    assert!(at("helm") < at("verify database"), "{steps:?}");
    assert_eq!(at("carry"), None, "{steps:?}");
    let [database] = &plan.databases[..] else { panic!("{:?}", plan.databases) };
    assert_eq!((database.user.as_str(), database.database.as_str()), ("runai", "backend"));
    assert_eq!(database.password, key("site-db"));
    assert_eq!(database.outside.as_ref().map(|server| server.ssl_mode), Some(SslMode::VerifyFull));
}

#[test]
fn one_that_does_not_answer_is_not_looked_at() {
    let mut fixture = outside(&auth());
    let why = DatabaseError::Unreachable("no route to host".into());
    fixture.servers = [(Ref::outside("db.example.com", 6432), Err(why))].into();
    let unseen = plan(&fixture);
    let [finding] = found(&unseen, Code::NotLookedAt)[..] else { panic!("{:#?}", unseen.findings) };
    assert_eq!((finding.severity, finding.evidence[0].as_str()), (Severity::Warning, "no route to host"));
    assert!(unseen.databases.is_empty());
    assert!(!words(&unseen, 0).iter().any(|step| step.contains("database") || step.starts_with("record")));
    assert_eq!(found(&unseen, Code::DatabaseOutside).len(), 1, "and still somebody has to name a backup");

    fixture.servers = [(Ref::outside("db.example.com", 6432), Err(DatabaseError::PasswordRefused))].into();
    let refused = plan(&fixture);
    let [finding] = found(&refused, Code::PasswordRefused)[..] else { panic!("{:#?}", refused.findings) };
    assert_eq!(finding.severity, Severity::Blocking);
}

#[test]
fn what_cannot_be_looked_into_says_why() {
    let cases = [
        (json!({"existingSecret": "site-db"}), "no value says where it is"),
        (json!({"host": "/var/run/postgresql", "existingSecret": "site-db"}), "is the path of a socket"),
        (json!({"host": "db.example.com", "existingSecret": "absent"}), "Secret/absent is not there"),
        (json!({"host": "db.example.com", "password": "unknown"}), "no Secret of the namespace holds it"),
        (json!({"host": "db.example.com"}), "has no password among its values"),
        (json!({"host": "db.example.com", "existingSecret": "site-db", "dbSslMode": "yes"}), "is no SSL mode"),
    ];
    for (auth, why) in cases {
        let plan = plan(&outside(&auth));
        let [finding] = found(&plan, Code::NotLookedAt)[..] else { panic!("{auth}: {:#?}", plan.findings) };
        assert!(finding.evidence[0].contains(why), "{auth}: {finding:#?}");
        assert_eq!(found(&plan, Code::DatabaseOutside).len(), 1, "{auth}");
    }
    // A password among the values is in the Secret that the chart made of it.
    let plan = plan(&outside(&json!({"host": "db.example.com", "port": 6432, "password": "outside-secret"})));
    assert_eq!(plan.databases[0].password, key("site-db"));
}

#[test]
fn another_server_in_the_new_values_is_no_mere_change() {
    let mut fixture = outside(&auth());
    for values in [
        json!({"postgresql": {"enabled": true}}),
        json!({"global": {"postgresql": {"auth": {"host": "other.example.com"}}}}),
        json!({"global": {"postgresql": {"auth": {"database": "fresh"}}}}),
    ] {
        fixture.values = values.clone();
        let plan = plan(&fixture);
        let [finding] = found(&plan, Code::OtherServer)[..] else { panic!("{values}: {:#?}", plan.findings) };
        assert_eq!(finding.severity, Severity::Blocking, "{values}");
    }
    fixture.values = json!({"global": {"postgresql": {"auth": {"dbSslMode": "require"}}}});
    assert!(found(&plan(&fixture), Code::OtherServer).is_empty());
}

#[test]
fn a_backup_of_nothing_is_refused() {
    let mut fixture = at_2_13();
    fixture.backup = Some("nightly".into());
    let refusal = fixture.refusal(&[new("2.20.41")]);
    assert_eq!(refusal.code, Code::BadOption);
    assert!(refusal.found.contains("no database of this release is outside"), "{refusal:#?}");
}

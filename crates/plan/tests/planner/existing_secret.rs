//! A database's password in a Secret of the site's own.

use portolan_helm_compat::values;
use portolan_model::{Code, Finding, Object, Plan, Ref, SecretKey, Severity, ValueChange};
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS, PASSWORD, at_2_8, given, new, run, words};

const OWN: &str = "runai-backend-postgresql";

fn secret(name: &str, owner: &Value) -> Object {
    Object::new(json!({"apiVersion": "v1", "kind": "Secret", "data": {"postgresql-password": ""},
        "metadata": {"name": name, "namespace": NS, "uid": "uid-of-the-site", "ownerReferences": owner}}))
}

/// 2.8 whose password is in a Secret that somebody else keeps.
fn site(name: &str) -> Fixture {
    let mut fixture = at_2_8();
    fixture.inventory.release.docs.retain(|doc| doc.text("/kind") != "Secret");
    fixture.inventory.objects.remove(&Ref::secret(NS, OWN));
    fixture.secrets.clear();
    put(&mut fixture, name, PASSWORD);
    values::set(&mut fixture.inventory.release.config, "postgresql", json!({"existingSecret": name}));
    fixture
}

fn put(fixture: &mut Fixture, name: &str, password: &str) {
    let owner = json!([{"kind": "ExternalSecret", "name": "site", "controller": true, "uid": "u"}]);
    fixture.inventory.objects.insert(Ref::secret(NS, name), secret(name, &owner));
    let key = SecretKey { secret: Ref::secret(NS, name), key: "postgresql-password".into() };
    fixture.secrets.insert(key, password.into());
}

/// The new chart makes no Secret where it is given one.
#[expect(clippy::needless_pass_by_value, reason = "it is what an edit is given")]
fn without_secret(_: usize, chart: String) -> String {
    chart.split("---\n").filter(|doc| !doc.contains("kind: Secret")).collect::<Vec<_>>().join("---\n")
}

fn of(plan: &Plan, code: Code) -> Vec<&Finding> {
    plan.findings.iter().filter(|finding| finding.code == code).collect()
}

#[test]
fn the_secret_is_named_to_the_new_chart_and_never_deleted() {
    for name in ["site-pg", OWN] {
        let file = site(name).file_of(&[new("2.20.41")], &without_secret).expect("it can be planned");
        let plan = &file.plan;
        assert_eq!(plan.blocking().collect::<Vec<_>>(), Vec::<&Finding>::new(), "{name}");
        let steps = words(plan, 0);
        assert!(!steps.iter().any(|step| step.contains("delete Secret")), "{name}: {steps:?}");
        assert!(!steps.iter().any(|step| step.starts_with("carry")), "{name}: {steps:?}");
        let given = given(&file, run(plan, 0));
        let auth = json!({"existingSecret": name, "secretKeys": {"adminPasswordKey": "postgresql-password"}});
        assert_eq!(given["postgresql"]["auth"], auth, "{name}");
        assert!(run(plan, 0).carried.is_empty() && run(plan, 0).required_keys.is_empty(), "{name}");
        assert_eq!(plan.databases[0].password.secret, Ref::secret(NS, name));
        let value = plan.hops[0].values.iter().find(|value| value.path.as_str() == "postgresql.existingSecret");
        assert!(
            matches!(&value.expect("it is told").change, ValueChange::Replaced(by) if by.contains(name)),
            "{value:?}"
        );
    }
}

#[test]
fn one_that_a_recipe_deletes_and_somebody_makes_again_blocks() {
    let mut fixture = at_2_8();
    put(&mut fixture, OWN, PASSWORD);
    let plan = fixture.plan(&[new("2.20.41")]);
    let [finding] = of(&plan, Code::MadeAgain)[..] else { panic!("{:#?}", plan.findings) };
    assert_eq!((finding.severity, finding.evidence[0].as_str()), (Severity::Blocking, "ExternalSecret/site owns it"));
    // The chart's own is made again by nobody.
    assert!(of(&at_2_8().plan(&[new("2.20.41")]), Code::MadeAgain).is_empty());
}

#[test]
fn another_secret_has_to_hold_the_same_password() {
    let mut fixture = site("site-pg");
    let said = |fixture: &Fixture| {
        let plan = fixture.file_of(&[new("2.20.41")], &without_secret).expect("it can be planned").plan;
        of(&plan, Code::PasswordRefused).len()
    };
    assert_eq!(said(&fixture), 0);
    let auth = json!({"existingSecret": "other", "secretKeys": {"adminPasswordKey": "postgresql-password"}});
    fixture.values = json!({"postgresql": {"auth": auth}});
    put(&mut fixture, "other", "another password");
    assert_eq!(said(&fixture), 1);
    put(&mut fixture, "other", PASSWORD);
    assert_eq!(said(&fixture), 0);
}

#[test]
fn the_superusers_key_goes_before_that_of_the_applications_role() {
    let mut fixture = at_2_8();
    let own = Ref::secret(NS, OWN);
    let keys = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": OWN, "namespace": NS, "uid": "u"},
        "data": {"postgresql-password": "", "postgresql-postgres-password": ""}});
    fixture.inventory.objects.insert(own.clone(), Object::new(keys));
    for (key, text) in [("postgresql-password", "of-the-role"), ("postgresql-postgres-password", PASSWORD)] {
        fixture.secrets.insert(SecretKey { secret: own.clone(), key: key.into() }, text.into());
    }
    let plan = fixture.plan(&[new("2.20.41")]);
    assert_eq!(run(&plan, 0).carried[0].from.key, "postgresql-postgres-password");
    assert_eq!(plan.databases[0].password.key, "postgresql-postgres-password");
}

#[test]
fn the_heading_of_helm_get_values_is_no_value_to_ask_about() {
    let mut fixture = at_2_8();
    values::set(&mut fixture.inventory.release.config, "USER-SUPPLIED VALUES", Value::Null);
    let plan = fixture.plan(&[new("2.20.41")]);
    let heading = plan.hops[0].values.iter().find(|value| value.path.as_str() == "USER-SUPPLIED VALUES");
    assert!(matches!(&heading.expect("it is told").change, ValueChange::Replaced(by) if by.starts_with("nothing")));
    assert_eq!(of(&plan, Code::ValuesDropped).len(), 0);
}

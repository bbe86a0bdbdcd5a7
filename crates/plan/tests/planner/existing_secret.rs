//! A database's password in a Secret of the site's own.

use portolan_helm_compat::values;
use portolan_model::{Code, Expected, Finding, Object, Plan, Ref, SecretKey, Severity, ValueChange};
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

/// A site whose old values say all this, and whose Secret has these keys; the first holds the password.
fn site_with(config: &Value, keys: &[&str]) -> Fixture {
    let mut fixture = site("site-pg");
    fixture.secrets.clear();
    let secret = Ref::secret(NS, "site-pg");
    let data: serde_json::Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), json!(""))).collect();
    let object = json!({"apiVersion": "v1", "kind": "Secret", "data": data,
        "metadata": {"name": "site-pg", "namespace": NS, "uid": "uid-of-the-site", "resourceVersion": "7"}});
    fixture.inventory.objects.insert(secret.clone(), Object::new(object));
    for (at, key) in keys.iter().enumerate() {
        let text = if at == 0 { PASSWORD } else { "of-the-role" };
        fixture.secrets.insert(SecretKey { secret: secret.clone(), key: (*key).into() }, text.into());
    }
    let old = &mut fixture.inventory.release.config;
    values::remove(old, "postgresql");
    *old = values::layer(old, config);
    fixture
}

/// The server's container reads its password from this key of `site-pg`.
fn reads(fixture: &mut Fixture, variable: &str, key: &str) {
    let set = Ref::set(NS, OWN);
    let mut json = (*fixture.inventory.objects[&set].0).clone();
    json["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": variable, "valueFrom": {"secretKeyRef": {"name": "site-pg", "key": key}}}]);
    fixture.inventory.objects.insert(set, Object::new(json));
}

/// What the new chart is told of the Secret, and the old values of which a person is asked.
fn told(fixture: &Fixture) -> (Value, Vec<String>) {
    let file = fixture.file_of(&[new("2.20.41")], &without_secret).expect("it can be planned");
    let asked = of(&file.plan, Code::ValuesDropped).iter().flat_map(|finding| finding.evidence.clone()).collect();
    let blocking: Vec<&Finding> = file.plan.blocking().filter(|one| one.code != Code::ValuesDropped).collect();
    assert_eq!(blocking, Vec::<&Finding>::new());
    (given(&file, run(&file.plan, 0))["postgresql"]["auth"].clone(), asked)
}

#[test]
fn the_secret_goes_over_under_whatever_keys_the_old_chart_takes_it() {
    let auth = |key: &str| json!({"existingSecret": "site-pg", "secretKeys": {"adminPasswordKey": key}});
    let with_user = |key: &str, user: &str| json!({"existingSecret": "site-pg", "secretKeys": {"adminPasswordKey": key, "userPasswordKey": user}});
    for (config, keys, wanted) in [
        (
            json!({"postgresql": {"existingSecret": "site-pg"}}),
            &["postgresql-password"][..],
            auth("postgresql-password"),
        ),
        (
            json!({"global": {"postgresql": {"existingSecret": "site-pg"}}}),
            &["postgres-password"],
            auth("postgres-password"),
        ),
        (json!({"postgresql": {"auth": auth("pw")}}), &["pw"], auth("pw")),
        (json!({"global": {"postgresql": {"auth": auth("pw")}}}), &["pw"], auth("pw")),
        (
            json!({"postgresql": {"existingSecret": "site-pg", "existingSecretPasswordKey": "pw"}}),
            &["pw", "password"],
            with_user("pw", "password"),
        ),
        // The name in one place and the key in another.
        (
            json!({"postgresql": {"auth": {"existingSecret": "site-pg"}},
                "global": {"postgresql": {"auth": {"secretKeys": {"adminPasswordKey": "pw", "userPasswordKey": "app"}}}}}),
            &["pw", "app", "password"],
            with_user("pw", "app"),
        ),
        // The layout of bitnami/postgresql 10, in which the role's password has the shorter name.
        (
            json!({"postgresql": {"existingSecret": "site-pg"}}),
            &["postgresql-postgres-password", "postgresql-password"],
            with_user("postgresql-postgres-password", "postgresql-password"),
        ),
    ] {
        let (is, asked) = told(&site_with(&config, keys));
        assert_eq!((is, asked), (wanted, Vec::new()), "{config} with {keys:?}");
    }
}

#[test]
fn one_under_a_name_that_no_recipe_knows_is_the_one_that_the_server_reads() {
    for (config, variable) in [
        (json!({"postgresql": {"passwordSecret": {"name": "site-pg", "key": "pw"}}}), "POSTGRES_PASSWORD"),
        (
            json!({"db": {"existingSecretName": "site-pg", "existingSecretPasswordKey": "pw"}}),
            "POSTGRES_POSTGRES_PASSWORD",
        ),
        (
            json!({"auth": {"existingSecret": "site-pg", "secretKeys": {"adminPasswordKey": "pw"}}}),
            "POSTGRESQL_PASSWORD",
        ),
    ] {
        let mut fixture = site_with(&config, &["pw"]);
        reads(&mut fixture, variable, "pw");
        let auth = json!({"existingSecret": "site-pg", "secretKeys": {"adminPasswordKey": "pw"}});
        assert_eq!(told(&fixture), (auth, Vec::new()), "{config}");
        // What no value names may be anybody's.
        reads(&mut fixture, "OTHER", "pw");
        assert_eq!(fixture.refusal(&[new("2.20.41")]).code, Code::NoCredentials, "{config}");
    }
}

#[test]
fn a_secret_or_a_key_that_is_missing_is_named_before_anything_is_written() {
    let config =
        json!({"postgresql": {"auth": {"existingSecret": "site-pg", "secretKeys": {"adminPasswordKey": "pw"}}}});
    let said = |fixture: &Fixture| {
        let refused = fixture.refusal(&[new("2.20.41")]);
        (refused.code, refused.evidence)
    };
    let mut fixture = site_with(&config, &["password"]);
    let wanted = "Secret/site-pg has the keys password; looked for pw".to_owned();
    assert_eq!(said(&fixture), (Code::NoCredentials, vec![wanted]));
    fixture.inventory.objects.remove(&Ref::secret(NS, "site-pg"));
    fixture.secrets.clear();
    assert_eq!(said(&fixture), (Code::NoCredentials, vec!["Secret/site-pg is not there".to_owned()]));

    // Under the new chart's values it is the same.
    let mut fixture = site_with(&config, &["pw"]);
    for (values, wanted) in [
        (json!({"existingSecret": "other"}), Some("then: postgres-password of Secret/other, which is not there")),
        (
            json!({"existingSecret": "site-pg", "secretKeys": {"adminPasswordKey": "pv"}}),
            Some("then: pv of Secret/site-pg, which has the keys pw"),
        ),
        // Its key is the one of today.
        (json!({"existingSecret": "site-pg"}), None),
    ] {
        fixture.values = json!({"postgresql": {"auth": values}});
        let plan = fixture.file_of(&[new("2.20.41")], &without_secret).expect("it can be planned").plan;
        let refused = of(&plan, Code::PasswordRefused);
        assert_eq!(refused.first().map(|finding| finding.evidence[1].as_str()), wanted, "{values}");
    }
}

#[test]
fn a_secret_that_is_made_again_with_its_keys_is_the_same() {
    let mut fixture = site_with(&json!({"postgresql": {"existingSecret": "site-pg"}}), &["postgresql-password"]);
    reads(&mut fixture, "POSTGRES_PASSWORD", "postgresql-password");
    let plan = fixture.file_of(&[new("2.20.41")], &without_secret).expect("it can be planned").plan;
    let relied = plan.preconditions.iter().chain(&plan.lookups).find(|(name, _)| name.name() == "site-pg");
    let keys = Expected::WithKeys(["postgresql-password".to_owned()].into());
    assert_eq!(relied.map(|(_, relied)| &relied.object), Some(&keys));
    // The chart's own is made again by nobody, and its content is what the plan was made from.
    let mut fixture = at_2_8();
    let set = Ref::set(NS, OWN);
    reads(&mut fixture, "POSTGRES_PASSWORD", "postgresql-password");
    let text = fixture.inventory.objects[&set].0.to_string().replace("site-pg", OWN);
    fixture.inventory.objects.insert(set, Object::new(serde_json::from_str(&text).expect("JSON")));
    let plan = fixture.plan(&[new("2.20.41")]);
    let relied = plan.preconditions.iter().chain(&plan.lookups).find(|(name, _)| **name == Ref::secret(NS, OWN));
    assert!(matches!(relied, Some((_, relied)) if matches!(relied.object, Expected::Same(_))), "{relied:?}");
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
    // The second is that of `helm get values --all`.
    for key in ["USER-SUPPLIED VALUES", "COMPUTED VALUES"] {
        let mut fixture = at_2_8();
        values::set(&mut fixture.inventory.release.config, key, Value::Null);
        let plan = fixture.plan(&[new("2.20.41")]);
        let heading = plan.hops[0].values.iter().find(|value| value.path.as_str() == key);
        assert!(matches!(&heading.expect("it is told").change, ValueChange::Replaced(by) if by.starts_with("nothing")));
        assert_eq!(of(&plan, Code::ValuesDropped).len(), 0);
        // With a value it is a value.
        values::set(&mut fixture.inventory.release.config, key, json!(1));
        assert_eq!(of(&fixture.plan(&[new("2.20.41")]), Code::ValuesDropped).len(), 1);
    }
}

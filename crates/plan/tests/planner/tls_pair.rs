//! A certificate and its key among the old values, and the Secret that has them from now on.

use portolan_helm_compat::values;
use portolan_model::{Code, Finding, MovedTo, Object, Platform, Ref, SecretKey, ValueChange, ValuesPath};
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS, at_2_8, given, new, run};

const TLS: &str = "runai-backend-tls";
const NEW: &str = "global.ingress.tlsSecretName";

/// 2.8 on plain Kubernetes with this under `backend.https`: `crt-one` and `key-one` are the texts of the pair in base64.
fn site(https: Value) -> Fixture {
    let mut fixture = at_2_8();
    fixture.inventory.cluster.platform = Platform::Kubernetes;
    fixture.values = json!({"global": {"domain": "runai.example.com"}});
    values::set(&mut fixture.inventory.release.config, "openshift", json!(false));
    values::set(&mut fixture.inventory.release.config, "backend.https", https);
    fixture
}

fn pair() -> Value {
    json!({"enabled": true, "crt": "Y3J0LW9uZQ==", "key": "a2V5LW9uZQ=="})
}

/// With the Secret, which holds these.
fn with_secret(mut fixture: Fixture, crt: &str, key: &str) -> Fixture {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": TLS, "namespace": NS},
        "data": {"tls.crt": "", "tls.key": ""}});
    fixture.inventory.objects.insert(Ref::secret(NS, TLS), Object::new(secret));
    for (name, text) in [("tls.crt", crt), ("tls.key", key)] {
        fixture.secrets.insert(SecretKey { secret: Ref::secret(NS, TLS), key: name.into() }, text.into());
    }
    fixture
}

fn changes(fixture: &Fixture) -> [ValueChange; 3] {
    let plan = fixture.plan(&[new("2.20.41")]);
    ["crt", "key", "enabled"].map(|key| {
        let path = format!("backend.https.{key}");
        let found = plan.hops[0].values.iter().find(|one| one.path.as_str() == path);
        found.map_or(ValueChange::LeftOut, |one| one.change.clone())
    })
}

#[test]
fn the_pair_becomes_the_secret_that_holds_it() {
    let fixture = with_secret(site(pair()), "crt-one\n", "key-one");
    let how = "as the name of the Secret that holds the pair".to_owned();
    let moved = ValueChange::Moved(MovedTo { path: ValuesPath::new(NEW), how, source: "k8s-upgrade".into() });
    let [crt, key, enabled] = changes(&fixture);
    assert_eq!([crt, key], [moved.clone(), moved]);
    assert!(matches!(enabled, ValueChange::Obsolete(_)), "{enabled:?}");
    let file = fixture.file(&[new("2.20.41")]).expect("it is planned");
    assert_eq!(values::get(&given(&file, run(&file.plan, 0)), NEW), Some(&json!(TLS)));
    assert!(!file.plan.findings.iter().any(|one| matches!(one.code, Code::NotThere | Code::ValuesDropped)));
    // Who names another Secret has decided.
    let mut other = with_secret(site(pair()), "crt-one", "key-one");
    values::set(&mut other.values, NEW, json!("site-tls"));
    assert_eq!(changes(&other)[1], ValueChange::Replaced(NEW.into()));
}

#[test]
fn a_secret_that_holds_another_pair_is_named_as_such() {
    for (crt, key) in [("crt-two", "key-one"), ("crt-one", "key-two")] {
        let fixture = with_secret(site(pair()), crt, key);
        for change in &changes(&fixture)[..2] {
            let said = "Secret/runai-backend-tls, which holds another pair than this one";
            assert_eq!(*change, ValueChange::Replaced(said.into()), "{crt} {key}");
        }
        let file = fixture.file(&[new("2.20.41")]).expect("it is planned");
        assert_eq!(values::get(&given(&file, run(&file.plan, 0)), NEW), Some(&json!(TLS)));
    }
}

#[test]
fn of_a_key_that_was_taken_out_nothing_is_said() {
    let mut taken_out = pair();
    taken_out["key"] = json!("(redacted)");
    let fixture = with_secret(site(taken_out), "the value of tls.crt", "the value of tls.key");
    for change in &changes(&fixture)[..2] {
        assert!(matches!(change, ValueChange::Moved(_)), "{change:?}");
    }
}

#[test]
fn half_a_pair_and_one_on_openshift_are_no_secret_of_the_chart() {
    let half = with_secret(site(json!({"crt": "Y3J0LW9uZQ==", "key": ""})), "crt-two", "key-two");
    let mut openshift = site(pair());
    openshift.inventory.cluster.platform = at_2_8().inventory.cluster.platform;
    values::set(&mut openshift.inventory.release.config, "openshift", json!(true));
    for fixture in [half, openshift] {
        let [crt, key, _] = changes(&fixture);
        for change in [crt, key] {
            assert!(matches!(&change, ValueChange::Obsolete(one) if one.by.starts_with("the router's")), "{change:?}");
        }
    }
}

#[test]
fn the_secret_that_is_missing_is_asked_for_with_a_command_that_shows_no_key() {
    let of = |https: Value| -> Finding {
        let findings = site(https).plan(&[new("2.20.41")]).findings;
        findings.into_iter().find(|finding| finding.code == Code::NotThere).expect("it is missing")
    };
    let found = of(pair());
    let command = "helm get values runai-backend -n runai-backend -o json | jq '{apiVersion: \"v1\", kind: \"Secret\", \
        type: \"kubernetes.io/tls\", metadata: {name: \"runai-backend-tls\"}, data: {\"tls.crt\": .backend.https.crt, \
        \"tls.key\": .backend.https.key}}' | kubectl create -n runai-backend -f -";
    assert!(found.next.starts_with(command), "{}", found.next);
    assert!(found.evidence[0].contains("kubectl create secret tls runai-backend-tls"), "{found:?}");
    let said = format!("{found:?}");
    assert!(!["Y3J0LW9uZQ", "a2V5LW9uZQ", "key-one"].iter().any(|text| said.contains(text)), "{said}");
    // Of what is no pair in base64 no Secret can be made so.
    for https in [json!({}), json!({"crt": "Y3J0LW9uZQ=="}), json!({"crt": "-----BEGIN", "key": "-----BEGIN"})] {
        let found = of(https.clone());
        assert!(found.next.starts_with("kubectl create secret tls runai-backend-tls"), "{https}: {}", found.next);
    }
}

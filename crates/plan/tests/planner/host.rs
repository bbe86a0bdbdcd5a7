//! The platform's host changes, and Keycloak knows the old one.

use portolan_helm_compat::values;
use portolan_model::{Code, Finding, Object, Ref, Severity};
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS, at_2_8, new};

const OLD: &str = "runai.apps.rig.example.com";

fn told(fixture: &Fixture) -> Option<Finding> {
    let plan = fixture.plan(&[new("2.20.41")]);
    plan.findings.into_iter().find(|finding| finding.code == Code::HostChanges)
}

fn site() -> Fixture {
    let mut fixture = at_2_8();
    let config = &mut fixture.inventory.release.config;
    let mut put = |path: &str, value: Value| values::set(config, path, value);
    put("backend.openshiftIdp.baseUrl", json!("https://api.rig.example.com:6443"));
    put("backend.openshiftIdp.secret", json!("hidden-text"));
    put(
        r"grafana.grafana\.ini.auth\.generic_oauth.auth_url",
        json!(format!("https://{OLD}/auth/realms/runai/protocol/x?y=1")),
    );
    let map = Object::new(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "idp", "namespace": NS, "uid": "u"},
        "data": {"redirect": format!("https://{OLD}/auth/realms/runai/broker/openshift-v4/endpoint")}}),
    );
    fixture.inventory.objects.insert(Ref::new("", "ConfigMap", NS, "idp"), map);
    fixture
}

#[test]
fn realm_providers_and_redirects_are_named_when_the_host_changes() {
    let mut fixture = site();
    assert_eq!(told(&fixture), None, "the host of today stays");
    fixture.values = json!({"global": {"domain": "runai.new.example.com"}});
    let finding = told(&fixture).expect("another host");
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.found.contains(&format!("from {OLD} to runai.new.example.com")), "{}", finding.found);
    let all = finding.evidence.join("\n");
    for wanted in [
        "Keycloak realm runai",
        "identity provider https://api.rig.example.com:6443 (backend.openshiftIdp.baseUrl)",
        "identity provider openshift-v4",
        &format!("redirect of ConfigMap/idp names https://{OLD}/auth/realms/runai/broker/openshift-v4/endpoint"),
        &format!("names https://{OLD}/auth/realms/runai/protocol/x"),
    ] {
        assert!(all.contains(wanted), "{wanted} is not in:\n{all}");
    }
    assert!(!all.contains("y=1") && !all.contains("hidden-text"), "{all}");
}

#[test]
fn a_realm_that_nothing_names_is_not_guessed() {
    let mut fixture = at_2_8();
    fixture.values = json!({"global": {"domain": "runai.new.example.com"}});
    let finding = told(&fixture).expect("another host");
    assert!(
        finding.evidence.iter().any(|line| line.starts_with("no value and no object names a realm")),
        "{finding:#?}"
    );
}

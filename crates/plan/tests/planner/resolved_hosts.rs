//! Names of hosts that lead a pod elsewhere than today.

use serde_json::json;

use crate::store::{PLAIN, installed, plan, said, set};

const ALIASES: &str = "/spec/template/spec/hostAliases";

/// What is said of a Deployment `store-app` beside the store, whose pod becomes another one.
fn of_client(old: &str, new: &str, env: &str) -> Vec<String> {
    let chart = |pod: &str| {
        let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {clusterIP: 10.0.0.1, selector: {app: store}, ports: [{port: 80}]}\n";
        let client = format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: store-app}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, \
             template: {{metadata: {{labels: {{app: web}}}}, spec: {{{pod}containers: [{{name: web, image: 'x/web:1', env: [{env}]}}]}}}}}}\n"
        );
        format!("{}{service}{client}", set("", PLAIN))
    };
    said(&plan(&installed(&chart(old), &json!({"csi": {}})), &chart(new)))
}

fn alias(host: &str, ip: &str) -> String {
    format!("hostAliases: [{{ip: {ip}, hostnames: [{host}]}}], ")
}

#[test]
fn a_client_of_the_data_is_not_sent_elsewhere() {
    let found = [format!("Unknown PL255 Deployment/store-app {ALIASES}")];
    let env = "{name: DB_HOST, value: db}";
    assert_eq!(of_client("", &alias("db", "10.0.0.9"), env), found, "it comes");
    assert_eq!(of_client(&alias("db", "10.0.0.1"), &alias("db", "10.0.0.9"), env), found, "it changes");
    assert_eq!(of_client(&alias("db", "10.0.0.9"), "", env), found, "it goes");
    assert_eq!(of_client("", &alias("db", "10.0.0.1"), env), [""; 0], "the address of the Service itself");
    assert_eq!(of_client("", &alias("auth.example", "10.0.0.9"), env), [""; 0], "nobody asks it for data");
    let same = format!("{}priorityClassName: a, ", alias("db", "10.0.0.9"));
    assert_eq!(of_client(&alias("db", "10.0.0.9"), &same, env), [""; 0]);
}

#[test]
fn a_client_of_a_database_outside_is_not_sent_elsewhere() {
    let found = [format!("Blocking PL277 Deployment/store-app {ALIASES}")];
    let said = |env: &str| of_client(&alias("other.example", "10.0.0.1"), &alias("other.example", "10.0.0.9"), env);
    for env in [
        "{name: DATABASE_HOST, value: other.example}",
        "{name: SOURCE, value: 'postgres://other.example:5432/a'}",
        "{name: REDIS, value: 'other.example:6379'}",
    ] {
        assert_eq!(said(env), found, "{env}");
    }
    for env in [
        "{name: OIDC_ISSUER, value: 'https://other.example/db'}",
        "{name: SMTP_HOST, value: other.example}",
        "{name: A, value: b}",
    ] {
        assert_eq!(said(env), [""; 0], "{env}");
    }
}

#[test]
fn other_servers_of_names_are_unknown_to_a_client_of_the_data() {
    let env = "{name: DB_HOST, value: db.runai-backend.svc}";
    let found = ["Unknown PL255 Deployment/store-app /spec/template/spec/dnsPolicy"];
    assert_eq!(of_client("", "dnsPolicy: Default, ", env), found);
    assert_eq!(of_client("", "dnsPolicy: Default, ", "{name: A, value: b}"), [""; 0]);
    assert_eq!(of_client("", "dnsConfig: {options: [{name: ndots, value: '1'}]}, ", env), [""; 0]);
}

#[test]
fn a_store_that_asks_others_is_not_sent_elsewhere() {
    let with =
        |pod: &str, args: &str| set(pod, &PLAIN.replace("'--data=/data/db'", &format!("'--data=/data/db', {args}")));
    let of = |args: &str| {
        let (old, new) = (with("", args), with(&alias("primary.example", "10.0.0.9"), args));
        said(&plan(&installed(&old, &json!({"csi": {}})), &new))
    };
    assert_eq!(of("'--replica-of=primary.example:1'"), [format!("Unknown PL255 StatefulSet/store {ALIASES}")]);
    assert_eq!(of("'--oidc-issuer=https://primary.example'"), [""; 0]);
    assert_eq!(of("'--level=info'"), [""; 0]);
}

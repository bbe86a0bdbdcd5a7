//! Variables that the kubelet sets for Services, and that come and go with them.

use serde_json::json;

use crate::store::{PLAIN, installed, plan, set};

fn service(name: &str, spec: &str) -> String {
    format!("---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{{spec}ports: [{{port: 5432}}]}}\n")
}

/// The store, a client whose shell is given a script, and Services.
fn chart(store: &str, client: &str, services: &str) -> String {
    let client = format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, template: \
         {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: x, command: [sh, -c, '{client}']}}]}}}}}}\n"
    );
    set("", store) + &client + services
}

fn unknown(old: &str, new: &str) -> Vec<String> {
    let plan = plan(&installed(old, &json!({"csi": {}})), new);
    plan.unmodelled.iter().map(|it| format!("{} {}", it.object, it.field)).collect()
}

#[test]
fn a_variable_of_a_service_that_comes_or_goes_is_unknown() {
    let store = PLAIN.replace("args:", "command: [sh, -c, 'exec store --data=/data/${PG_PORT:-5432}'], args:");
    let plain = chart(&store, "exec web", "");
    let found = ["StatefulSet/store /spec/template/spec/containers/0/command/2"];
    let with = |spec: &str| chart(&store, "exec web", &service("pg", spec));
    assert_eq!(unknown(&plain, &with("selector: {app: pg}, ")), found);
    let none = Vec::<String>::new();
    assert_eq!(unknown(&plain, &chart(&store, "exec web", &service("other", "selector: {app: pg}, "))), none);
    assert_eq!(unknown(&plain, &with("clusterIP: None, ")), none, "headless");
    assert_eq!(unknown(&with(""), &with("")), none);
    let off = |text: &str| {
        text.replace("spec: {containers: [{name: store", "spec: {enableServiceLinks: false, containers: [{name: store")
    };
    assert_eq!(unknown(&off(&plain), &off(&with("selector: {app: pg}, "))), none);
}

#[test]
fn a_client_that_loses_the_address_of_the_data_is_unknown() {
    let asks = "exec web --db $DB_SERVICE_HOST";
    let db = |name: &str| service(name, "selector: {app: store}, ");
    let old = chart(PLAIN, asks, &db("db"));
    assert_eq!(
        unknown(&old, &chart(PLAIN, asks, &db("database"))),
        ["Deployment/web /spec/template/spec/containers/0/command/2"]
    );
    assert_eq!(unknown(&old, &chart(PLAIN, asks, &(db("db") + &db("database")))), Vec::<String>::new());
    let cache = |name: &str| db("db") + &service(name, "selector: {app: cache}, ");
    let asks = "exec web --cache $CACHE_SERVICE_HOST";
    assert_eq!(unknown(&chart(PLAIN, asks, &cache("cache")), &chart(PLAIN, asks, &cache("c"))), Vec::<String>::new());
}

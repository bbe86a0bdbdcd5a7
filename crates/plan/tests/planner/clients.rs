//! Clients whose variables name another server than today.

use serde_json::json;

use crate::store::{PLAIN, installed, plan, set};

/// The store, its Service, another one, and a client whose variable has a text.
fn chart(variable: &str, text: &str) -> String {
    let service = |name: &str, app: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{app: {app}}}, ports: [{{port: 5432}}]}}\n"
        )
    };
    let client = format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, template: \
         {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: x, env: [{{name: {variable}, value: '{text}'}}]}}]}}}}}}\n"
    );
    set("", PLAIN) + &service("db", "store") + &service("db-rw", "store") + &service("cache", "web") + &client
}

fn unknown(variable: &str, old: &str, new: &str) -> Vec<String> {
    let plan = plan(&installed(&chart(variable, old), &json!({"csi": {}})), &chart(variable, new));
    plan.unmodelled.iter().map(|it| format!("{} {}", it.object, it.field)).collect()
}

#[test]
fn a_client_that_asks_another_server_is_unknown() {
    let found = ["Deployment/web /spec/template/spec/containers/0/env/0/value"];
    assert_eq!(unknown("DB_HOST", "db", "cache"), found);
    assert_eq!(unknown("DATABASE_URL", "postgres://u@db:5432/x", "postgres://u@db.example.com/x"), found);
    let none = Vec::<String>::new();
    assert_eq!(unknown("DB_HOST", "db", "db"), none);
    assert_eq!(unknown("DB_HOST", "db", "db-rw"), none, "another Service of the same pods");
    assert_eq!(unknown("DB_HOST", "db", "db:5432"), none);
    assert_eq!(unknown("DATABASE_URL", "postgres://u@db:5432/x", "postgres://u@db:5432/x?sslmode=require"), none);
    assert_eq!(unknown("CACHE_HOST", "cache", "cache-2"), none, "another server than that of the data");
    assert_eq!(unknown("DB_NAME", "db", "other"), none, "no place");
}

#[test]
fn a_client_that_uses_another_database_of_the_server_is_refused() {
    let with = |words: &str| chart("DB_HOST", "db").replace("image: x, ", &format!("image: x, args: [{words}], "));
    let found = |old: &str, new: &str| {
        let plan = plan(&installed(&with(old), &json!({"csi": {}})), &with(new));
        let its = plan.findings.iter().filter(|it| it.code == portolan_model::Code::OtherDatabaseName);
        its.map(|it| it.field().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let field = ["/spec/template/spec/containers/0/args/0"];
    assert_eq!(found("'--db-name=app'", "'--db-name=other'"), field);
    assert_eq!(found("'--database', app", "'--database', other"), field);
    assert_eq!(found("'--db-name=app'", "'--db-name', app, '--quiet'"), Vec::<String>::new());
    assert_eq!(found("'--backup-bucket=a'", "'--backup-bucket=b'"), Vec::<String>::new());
}

//! Programs without the PVC that ask the server of its data for something else than today.

use serde_json::json;

use crate::fixture::new;
use crate::store::{PLAIN, installed, plan, set};

/// The store with its Service, and more.
fn chart(store: &str, more: &str) -> String {
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {selector: {app: store}, ports: [{port: 5432}]}\n";
    set("", store) + service + more
}

/// A Job, a hook where it has an annotation, whose shell is given a script.
fn job(kind: &str, annotations: &str, script: &str) -> String {
    let script = script.replace('\'', "''");
    let pod = format!(
        "template: {{spec: {{restartPolicy: Never, containers: [{{name: ask, image: 'x/tool:1', env: [{{name: PGHOST, value: db}}], command: [sh, -c, '{script}']}}]}}}}"
    );
    let spec = if kind == "CronJob" { format!("schedule: '@daily', jobTemplate: {{spec: {{{pod}}}}}") } else { pod };
    format!("---\napiVersion: batch/v1\nkind: {kind}\nmetadata: {{name: ask{annotations}}}\nspec: {{{spec}}}\n")
}

fn unknown(old: &str, new: &str) -> Vec<String> {
    let plan = plan(&installed(old, &json!({"csi": {}})), new);
    plan.unmodelled.iter().map(|it| format!("{} {} {} {}", it.code, it.claim.name(), it.object, it.field)).collect()
}

const FIELD: &str = "spec/template/spec/containers/0/command/2";

#[test]
fn a_client_that_asks_for_something_else_is_unknown() {
    let old = chart(PLAIN, "");
    let hook = ", annotations: {helm.sh/hook: pre-upgrade}";
    for (kind, annotations) in [("Job", ""), ("Job", hook), ("CronJob", "")] {
        let field = if kind == "CronJob" { format!("/spec/jobTemplate/{FIELD}") } else { format!("/{FIELD}") };
        let found = vec![format!("PL255 store {kind}/ask {field}")];
        let with = |script: &str| chart(PLAIN, &job(kind, annotations, script));
        let none = Vec::<String>::new();
        for (script, is) in [
            ("psql -c 'drop table t'", true),
            ("until pg_isready; do sleep 1; done; psql -c 'select 1'", false),
            ("psql -h other.example.com -c 'drop table t'", false),
            ("psql -h db.runai-backend.svc -c 'drop table t'", true),
            ("echo 'drop table t' | psql", true),
            ("psql <<EOF\ndrop table t;\nEOF", true),
            ("su postgres -c \"psql -c 'drop table t'\"", true),
            ("redis-cli -h db flushall", true),
            ("redis-cli -h db ping", false),
            ("S='drop table t'; psql -c \"$S\"", true),
            ("pg_dump -h db app > /tmp/x", false),
            ("echo psql -c 'drop table t'", false),
        ] {
            assert_eq!(unknown(&old, &with(script)), if is { found.clone() } else { none.clone() }, "{kind} {script}");
        }
        // What is asked for today already is no change, whatever else the script does.
        let (same, beside) = ("psql -c 'delete from old'", "echo starting; psql -c 'delete from old'");
        assert_eq!(unknown(&with(same), &with(beside)), none, "{kind}");
        assert_eq!(unknown(&with(same), &with("psql -c 'delete from t'")), found, "{kind}");
        let each = |tables: &str| with(&format!("for t in {tables}; do psql -c \"truncate $t\"; done"));
        assert_eq!(unknown(&each("a"), &each("a b")), found, "{kind}");
    }
}

#[test]
fn a_hook_that_the_chart_between_does_not_have_is_new() {
    let hook = job("Job", ", annotations: {helm.sh/hook: pre-upgrade}", "psql -c 'delete from t'");
    let fixture = installed(&chart(PLAIN, &hook), &json!({"csi": {}}));
    let of = |between: &str| {
        let more = [chart(PLAIN, between), chart(PLAIN, &hook)];
        let file = fixture.file_of(&[new("2.18.1"), new("2.20.41")], &|hop, text| text + &more[hop]);
        let plan = file.expect("it can be planned").plan;
        plan.unmodelled.iter().map(|it| format!("{} {}", it.object, it.field)).collect::<Vec<_>>()
    };
    assert_eq!(of(&hook), Vec::<String>::new());
    assert_eq!(of(""), [format!("Job/ask /{FIELD}")]);
}

#[test]
fn a_container_of_the_stores_pods_needs_no_address() {
    let pod = |command: &str| format!("{PLAIN}}}, {{name: tool, image: 'x/tool:1', command: [{command}]");
    let of = |command: &str| chart(&pod(command), "");
    let found =
        |field: &str| vec![format!("PL255 store StatefulSet/store /spec/template/spec/containers/1/command/{field}")];
    let looks = of("psql, -c, 'select 1'");
    assert_eq!(unknown(&chart(PLAIN, ""), &of("psql, -c, 'drop table t'")), found("0"));
    assert_eq!(unknown(&looks, &of("psql, -h, localhost, -c, 'drop table t'")), found("0"));
    assert_eq!(unknown(&looks, &of("sh, -c, \"psql -c 'drop table t'\"")), found("2"));
    assert_eq!(unknown(&chart(PLAIN, ""), &looks), Vec::<String>::new());
    assert_eq!(unknown(&looks, &of("psql, -h, other, -c, 'drop table t'")), Vec::<String>::new());
}

#[test]
fn statements_in_a_file_count() {
    let map = |text: &str| {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: statements}}\ndata: {{a.sql: '{text}', note: '{text}'}}\n"
        )
    };
    let mounts = |script: &str| {
        let volume = "volumes: [{name: sql, configMap: {name: statements}}], containers: [{volumeMounts: [{name: sql, mountPath: /sql}], ";
        job("Job", "", script).replace("containers: [{", volume)
    };
    let of = |script: &str, text: &str| chart(PLAIN, &(map(text) + &mounts(script)));
    let found = vec![format!("PL255 store Job/ask /{FIELD}")];
    assert_eq!(unknown(&of("psql -f /sql/a.sql", "insert"), &of("psql -f /sql/a.sql", "delete")), found);
    assert_eq!(unknown(&of("psql -f /sql/a.sql", "insert"), &of("psql -f /sql/a.sql", "insert")), Vec::<String>::new());
    assert_eq!(unknown(&of("cat /sql/note", "insert"), &of("cat /sql/note", "delete")), Vec::<String>::new());
}

#[test]
fn a_cron_job_that_is_resumed_asks_for_something_new() {
    let with = |suspend: bool| {
        let job = job("CronJob", "", "psql -c 'drop table t'");
        chart(PLAIN, &job.replace("schedule:", &format!("suspend: {suspend}, schedule:")))
    };
    let found = vec![format!("PL255 store CronJob/ask /spec/jobTemplate/{FIELD}")];
    assert_eq!(unknown(&with(true), &with(false)), found);
    assert_eq!(unknown(&with(true), &with(true)), [""; 0]);
    assert_eq!(unknown(&with(false), &with(false)), [""; 0]);
    assert_eq!(unknown(&with(false), &with(true)), [""; 0]);
    // A hook of an installation becomes one of an upgrade.
    let hook = |event: &str| {
        chart(PLAIN, &job("Job", &format!(", annotations: {{helm.sh/hook: '{event}'}}"), "rails db:reset"))
    };
    let found = vec![format!("PL255 store Job/ask /{FIELD}")];
    assert_eq!(unknown(&hook("post-install"), &hook("post-install,post-upgrade")), found);
    assert_eq!(unknown(&hook("post-install"), &hook("post-install")), [""; 0]);
}

#[test]
fn a_program_that_changes_schemas_may_bring_them_forward() {
    let old = chart(PLAIN, "");
    let job = |image: &str, words: &str, env: &str| {
        let container = format!("name: ask, image: '{image}', {words}, env: [{env}]");
        let pod = format!("template: {{spec: {{restartPolicy: Never, containers: [{{{container}}}]}}}}");
        let map = "annotations: {helm.sh/hook: pre-upgrade}";
        chart(
            PLAIN,
            &format!("---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: ask, {map}}}\nspec: {{{pod}}}\n"),
        )
    };
    let named = "{name: DATABASE_URL, value: 'postgres://u@db:5432/app'}";
    let secret = "{name: DATABASE_URL, valueFrom: {secretKeyRef: {name: elsewhere, key: url}}}";
    let unknown_at = |field: &str| vec![format!("PL255 store Job/ask /spec/template/spec/containers/0/{field}")];
    for (image, forward, back) in [
        ("flyway/flyway:10", "args: [migrate]", "args: [clean]"),
        ("liquibase/liquibase:4", "args: [update]", "args: [drop-all]"),
        ("x/app:1", "command: [bundle, exec, rails, 'db:migrate']", "command: [bundle, exec, rails, 'db:drop']"),
        ("x/app:1", "command: [npx, prisma, migrate, deploy]", "command: [npx, prisma, migrate, reset]"),
        ("x/app:1", "command: [python, manage.py, migrate]", "command: [python, manage.py, flush]"),
        ("x/app:1", "command: [sh, -c, 'alembic upgrade head']", "command: [sh, -c, 'alembic downgrade base']"),
    ] {
        for env in [named, secret] {
            assert_eq!(unknown(&old, &job(image, forward, env)), [""; 0], "{forward}");
            assert_eq!(unknown(&old, &job(image, back, env)).len(), 1, "{back} {env}");
        }
        let other = "{name: DATABASE_URL, value: 'postgres://u@other:5432/app'}";
        // `db:drop` names the Service of the data, which is called so.
        if !back.contains("db:") {
            assert_eq!(unknown(&old, &job(image, back, other)), [""; 0], "{back} of another server");
        }
    }
    let alias = "command: [sh, -c, 'mc alias set m http://db:9000 a b; mc rb --force m/b']";
    assert_eq!(unknown(&old, &job("x/mc:1", alias, "")), unknown_at("command/2"));
    assert_eq!(unknown(&old, &job("x/mc:1", &alias.replace("rb --force", "ls"), "")), [""; 0]);
}

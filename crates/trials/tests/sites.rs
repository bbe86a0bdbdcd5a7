//! Sites that are not as the vendor's page has them: a database outside the release, Secrets of the site's own.

use anyhow::{Context, Result, ensure};
use portolan_helm_compat::chart::PackedChart;
use portolan_model::{Code, Finding, Outcome, Plan, Severity, StepKind};
use portolan_testkit::rig::{self, Namespace, Rig, pins};
use portolan_trials::real::{ClusterFixture, known, request_to};
use serde_json::{Value, json};

const CHART: &str = "control-plane-2.20.41";
const PASSWORD: &str = "Outside-1c9e";
const SERVER: &str = "site-db-0";

fn chart() -> Result<PackedChart> {
    Ok(PackedChart::of_files(portolan_fixtures::chart_files(CHART).context("the chart is there")?)?)
}

fn of_code(plan: &Plan, code: Code) -> Vec<&Finding> {
    plan.findings.iter().filter(|finding| finding.code == code).collect()
}

/// A server of nobody's release, in a namespace of its own, behind a Service.
fn server<'a>(rig: &'a Rig) -> Result<Namespace<'a>> {
    let space = rig.namespace("outside")?;
    let of = |kind: &str| format!("/api/v1/namespaces/{}/{kind}", space.name());
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "site-db"},
        "spec": {"selector": {"app": "site-db"}, "ports": [{"port": 5432}]}});
    rig.api().create(&of("services"), &service)?;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": SERVER, "labels": {"app": "site-db"}}, "spec": {
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsUser": 1001, "runAsGroup": 1001, "fsGroup": 1001},
        "containers": [{"name": "postgres", "image": rig::POSTGRES, "imagePullPolicy": "IfNotPresent",
            "env": [{"name": "POSTGRES_PASSWORD", "value": PASSWORD}],
            "volumeMounts": [{"name": "data", "mountPath": "/pgdata"}]}],
        "volumes": [{"name": "data", "emptyDir": {}}]}});
    rig.api().create(&of("pods"), &pod)?;
    space.wait_for_psql(SERVER, PASSWORD)?;
    space.psql(
        SERVER,
        PASSWORD,
        "create table site (id int primary key); insert into site select generate_series(1, 50)",
    )?;
    Ok(space)
}

fn outside(host: &str) -> Value {
    json!({"postgresql": {"enabled": false}, "global": {"postgresql": {"auth": {
        "host": host, "dbSslMode": "disable", "existingSecret": "site-db"}}}})
}

fn with_a_database_outside(rig: &Rig) -> Result<()> {
    let server = server(rig)?;
    let host = format!("site-db.{}.svc", server.name());
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "site-db"}, "stringData": {"password": PASSWORD}});
    let site = ClusterFixture::install_with(rig, "openshift-2.17", pins::HELM[1], outside(&host), |site| {
        site.create("secrets", &secret)
    })?;
    let found = site.survey()?;
    let mut request = request_to(chart()?, json!({}));

    let bare = site.plan_found(&found, &request)?.plan;
    let blocking: Vec<Code> = bare.blocking().map(|finding| finding.code).collect();
    ensure!(blocking == [Code::DatabaseOutside], "{:#?}", bare.findings);

    request.backup = Some("nightly".into());
    // Where nobody answers nothing is said of rows.
    let mut elsewhere = found.clone();
    portolan_helm_compat::values::set(
        &mut elsewhere.inventory.release.config,
        "global.postgresql.auth.port",
        json!(5999),
    );
    let unseen = site.plan_found(&elsewhere, &request)?.plan;
    let [finding] = of_code(&unseen, Code::NotLookedAt)[..] else { anyhow::bail!("{:#?}", unseen.findings) };
    ensure!(finding.severity == Severity::Warning && finding.evidence[0].contains("has no port 5999"), "{finding:#?}");
    let looks = |kind: &StepKind| matches!(kind, StepKind::RecordDatabase { .. } | StepKind::VerifyDatabase { .. });
    ensure!(unseen.databases.is_empty() && !unseen.steps().any(|step| looks(&step.kind)), "{:?}", unseen.databases);

    let file = site.plan_found(&found, &request)?;
    ensure!(file.plan.blocking().next().is_none(), "{:#?}", file.plan.findings);
    ensure!(of_code(&file.plan, Code::NotLookedAt).is_empty(), "{:#?}", file.plan.findings);
    let (outcome, folder) = site.apply(&file, &mut |_| {})?;
    ensure!(outcome == Outcome::Finished, "{outcome:?}");
    let seen = known(&folder)?;
    let [before] = seen.baseline.values().collect::<Vec<_>>()[..] else { anyhow::bail!("one database: {seen:?}") };
    ensure!(before.tables["public.site"].rows == 50, "{before:?}");
    let (outcome, notes) = site.verify(&folder)?;
    ensure!(outcome == Outcome::Finished && notes.iter().any(|note| note.starts_with("same database")), "{notes:?}");

    // The rows are looked at, not taken for granted; and so is the login.
    server.psql(SERVER, PASSWORD, "delete from site where id > 40")?;
    ensure!(site.verify(&folder)?.0.code() == Some(Code::TablesLost), "rows that are gone are seen");
    server.psql(SERVER, PASSWORD, "insert into site select generate_series(41, 50)")?;
    server.psql(SERVER, PASSWORD, "alter role postgres password 'another'")?;
    ensure!(site.verify(&folder)?.0.code() == Some(Code::PasswordRefused), "a login that fails is seen");
    Ok(())
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_database_outside_is_looked_into_before_and_after() {
    with_a_database_outside(&Rig::shared().expect("the rig")).expect("its rows are compared");
}

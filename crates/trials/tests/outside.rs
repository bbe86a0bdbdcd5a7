//! A database outside the release: looked into before the first write and after the last, over the SSL mode that its values name.

use anyhow::{Context, Result, ensure};
use portolan_helm_compat::chart::PackedChart;
use portolan_helm_compat::values::set;
use portolan_model::{Code, Finding, Outcome, Plan, Severity, StepKind};
use portolan_testkit::rig::{self, Namespace, Rig, pins};
use portolan_trials::real::{ClusterFixture, known, request_to};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;

const CHART: &str = "control-plane-2.20.41";
const PASSWORD: &str = "Outside-1c9e";
const SERVER: &str = "site-db-0";

/// The image's entrypoint, with TLS, and without logins from elsewhere that do not use it.
const WITH_TLS: &str = "sed -e 's|^exec postgres .*|& -c ssl=on -c ssl_cert_file=/tls/crt -c ssl_key_file=/tls/key|' \
     -e 's|host all all all|hostssl all all all|' /usr/local/bin/postgres.sh >/tmp/tls.sh; exec sh /tmp/tls.sh";

fn chart() -> Result<PackedChart> {
    Ok(PackedChart::of_files(portolan_fixtures::chart_files(CHART).context("the chart is there")?)?)
}

fn of_code(plan: &Plan, code: Code) -> Vec<&Finding> {
    plan.findings.iter().filter(|finding| finding.code == code).collect()
}

/// What an authority of the site's own signed for its server.
struct Signed {
    ca: String,
    certificate: String,
    key: String,
}

fn sign(host: &str) -> Result<Signed> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(vec![])?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key)?.pem();
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![host.to_owned()])?;
    let certificate = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key))?.pem();
    Ok(Signed { ca: pem, certificate, key: key.serialize_pem() })
}

/// A server of nobody's release, in a namespace of its own, behind a Service.
struct Server<'a> {
    space: Namespace<'a>,
    /// The authority that signed its certificate; `None` where it has no TLS.
    ca: Option<String>,
}

impl<'a> Server<'a> {
    fn start(rig: &'a Rig, has_tls: bool) -> Result<Self> {
        let space = rig.namespace("outside")?;
        let of = |kind: &str| format!("/api/v1/namespaces/{}/{kind}", space.name());
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "site-db"},
            "spec": {"selector": {"app": "site-db"}, "ports": [{"port": 5432}]}});
        rig.api().create(&of("services"), &service)?;
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": SERVER, "labels": {"app": "site-db"}}, "spec": {
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsUser": 1001, "runAsGroup": 1001, "fsGroup": 1001},
            "containers": [{"name": "postgres", "image": rig::POSTGRES, "imagePullPolicy": "IfNotPresent",
                "env": [{"name": "POSTGRES_PASSWORD", "value": PASSWORD}],
                "volumeMounts": [{"name": "data", "mountPath": "/pgdata"}, {"name": "tls", "mountPath": "/tls"}]}],
            "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tls", "emptyDir": {}}]}});
        let ca = if has_tls {
            let signed = sign(&format!("site-db.{}.svc", space.name()))?;
            let tls = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls"},
                "stringData": {"crt": signed.certificate, "key": signed.key}});
            rig.api().create(&of("secrets"), &tls)?;
            pod["spec"]["containers"][0]["command"] = json!(["sh", "-ec", WITH_TLS]);
            pod["spec"]["volumes"][1] = json!({"name": "tls", "secret": {"secretName": "tls", "defaultMode": 0o440}});
            Some(signed.ca)
        } else {
            None
        };
        rig.api().create(&of("pods"), &pod)?;
        space.wait_for_psql(SERVER, PASSWORD)?;
        let server = Self { space, ca };
        server.psql("create table site (id int primary key); insert into site select generate_series(1, 50)")?;
        Ok(server)
    }

    fn host(&self) -> String {
        format!("site-db.{}.svc", self.space.name())
    }

    fn psql(&self, sql: &str) -> Result<String> {
        self.space.psql(SERVER, PASSWORD, sql)
    }
}

/// A release that uses the server over an SSL mode.
fn install<'a>(rig: &'a Rig, server: &Server<'_>, ssl_mode: &str) -> Result<ClusterFixture<'a>> {
    let values = json!({"postgresql": {"enabled": false}, "global": {"postgresql": {"auth": {
        "host": server.host(), "dbSslMode": ssl_mode, "existingSecret": "site-db"}}}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "site-db"}, "stringData": {"password": PASSWORD}});
    ClusterFixture::install_with(rig, "openshift-2.17", pins::HELM[1], values, |site| site.create("secrets", &secret))
}

/// What is the same whatever the SSL mode: the rows before and after, lost ones, a login that fails.
fn is_upgraded_and_looked_at(
    site: &ClusterFixture<'_>,
    server: &Server<'_>,
    file: &portolan_model::PlanFile,
) -> Result<()> {
    ensure!(file.plan.blocking().next().is_none(), "{:#?}", file.plan.findings);
    ensure!(of_code(&file.plan, Code::NotLookedAt).is_empty(), "{:#?}", file.plan.findings);
    let (outcome, folder) = site.apply(file, &mut |_| {})?;
    ensure!(outcome == Outcome::Finished, "{outcome:?}");
    let seen = known(&folder)?;
    let [before] = seen.baseline.values().collect::<Vec<_>>()[..] else { anyhow::bail!("one database: {seen:?}") };
    ensure!(before.tables["public.site"].rows == 50, "{before:?}");
    let (outcome, notes) = site.verify(&folder)?;
    ensure!(outcome == Outcome::Finished && notes.iter().any(|note| note.starts_with("same database")), "{notes:?}");

    // The rows are looked at, not taken for granted; and so is the login.
    server.psql("delete from site where id > 40")?;
    ensure!(site.verify(&folder)?.0.code() == Some(Code::TablesLost), "rows that are gone are seen");
    server.psql("insert into site select generate_series(41, 50)")?;
    server.psql("alter role postgres password 'another'")?;
    ensure!(site.verify(&folder)?.0.code() == Some(Code::PasswordRefused), "a login that fails is seen");
    Ok(())
}

fn looks(plan: &Plan) -> bool {
    let looks = |kind: &StepKind| matches!(kind, StepKind::RecordDatabase { .. } | StepKind::VerifyDatabase { .. });
    plan.steps().any(|step| looks(&step.kind))
}

fn without_tls(rig: &Rig) -> Result<()> {
    let server = Server::start(rig, false)?;
    let site = install(rig, &server, "disable")?;
    let found = site.survey()?;
    let mut request = request_to(chart()?, json!({}));
    let bare = site.plan_found(&found, &request)?.plan;
    let blocking: Vec<Code> = bare.blocking().map(|finding| finding.code).collect();
    ensure!(blocking == [Code::DatabaseOutside], "{:#?}", bare.findings);

    request.backup = Some("nightly".into());
    // Where nobody answers nothing is said of rows.
    let mut elsewhere = found.clone();
    set(&mut elsewhere.inventory.release.config, "global.postgresql.auth.port", json!(5999));
    let unseen = site.plan_found(&elsewhere, &request)?.plan;
    let [finding] = of_code(&unseen, Code::NotLookedAt)[..] else { anyhow::bail!("{:#?}", unseen.findings) };
    ensure!(finding.severity == Severity::Warning && finding.evidence[0].contains("has no port 5999"), "{finding:#?}");
    ensure!(unseen.databases.is_empty() && !looks(&unseen), "{:?}", unseen.databases);
    is_upgraded_and_looked_at(&site, &server, &site.plan_found(&found, &request)?)
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_database_outside_is_looked_into_before_and_after() {
    without_tls(&Rig::shared().expect("the rig")).expect("its rows are compared");
}

/// The server takes no login without TLS, its certificate is of an authority that only the site knows.
fn with_tls(rig: &Rig) -> Result<()> {
    let server = Server::start(rig, true)?;
    let site = install(rig, &server, "verify-full")?;
    let found = site.survey()?;
    let mut request = request_to(chart()?, json!({}));
    request.backup = Some("nightly".into());
    let folder = tempfile::tempdir()?;
    let authority = |name: &str, pem: &str| -> Result<Option<String>> {
        let path = folder.path().join(name);
        fs_err::write(&path, pem)?;
        Ok(Some(path.display().to_string()))
    };
    // This machine's authorities do not know the certificate, nor does another one of the site.
    for (ca, why) in [(None, "UnknownIssuer"), (authority("wrong", &sign("x")?.ca)?, "invalid peer certificate")] {
        request.database_ca = ca;
        let plan = site.plan_found(&found, &request)?.plan;
        let [finding] = of_code(&plan, Code::NotLookedAt)[..] else { anyhow::bail!("{:#?}", plan.findings) };
        ensure!(finding.evidence[0].contains(why), "{finding:#?}");
        ensure!(plan.databases.is_empty() && !looks(&plan), "{:?}", plan.databases);
    }
    request.database_ca = authority("right", server.ca.as_deref().context("it has one")?)?;
    is_upgraded_and_looked_at(&site, &server, &site.plan_found(&found, &request)?)
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_database_outside_that_wants_tls_is_looked_into_over_a_verified_session() {
    with_tls(&Rig::shared().expect("the rig")).expect("its rows are compared");
}

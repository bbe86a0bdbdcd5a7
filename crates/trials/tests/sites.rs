//! Sites that are not as the vendor's page has them: Secrets of the site's own, every value set, none set, a certificate among the values, a
//! registry with a login. A database outside is in `outside.rs`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_helm_compat::chart::PackedChart;
use portolan_helm_compat::values::{set, stored_heading};
use portolan_model::{Accepted, Code, Outcome, ValueAnswer, ValueAnswers, ValueChange, ValuesPath};
use portolan_testkit::rig::{Rig, pins};
use portolan_trials::private_registry::PrivateRegistry;
use portolan_trials::program::Program;
use portolan_trials::real::{ClusterFixture, Place, request_to};
use portolan_trials::shell::Shell;
use portolan_workflow::UpgradeRequest;
use serde_json::{Value, json};

const CHART: &str = "control-plane-2.20.41";

fn chart() -> Result<PackedChart> {
    Ok(PackedChart::of_files(portolan_fixtures::chart_files(CHART).context("the chart is there")?)?)
}

/// The name that the old chart's own Secret has, too: the vendor's page deletes a Secret of this name.
const SECRET: &str = "runai-backend-postgresql";

/// A Secret that nobody's release has, and that a controller makes again as soon as it is gone, as External Secrets does.
fn with_a_secret_of_its_own(rig: &Rig) -> Result<()> {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"postgresql-password": "Old-pg-7f3a"},
        "metadata": {"name": SECRET, "labels": {"reconcile.external-secrets.io/managed": "true"}}});
    let values = json!({"postgresql": {"existingSecret": SECRET}});
    let site = ClusterFixture::install_with(rig, "openshift-2.8", pins::HELM[1], values, |site| {
        site.create("secrets", &secret)
    })?;
    let made = kept_by_a_controller(rig, &site, &secret, || keeps_its_secret(&site))?;
    ensure!(made == 0, "it was never gone");
    Ok(())
}

/// Does something while a controller makes a Secret again whenever it is gone; how often it did.
fn kept_by_a_controller(
    rig: &Rig,
    site: &ClusterFixture<'_>,
    secret: &Value,
    work: impl FnOnce() -> Result<()>,
) -> Result<u32> {
    let (stop, made, api) = (AtomicBool::new(false), AtomicU32::new(0), rig.api().clone());
    let path = format!("/api/v1/namespaces/{}/secrets", site.space().name());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                made.fetch_add(u32::from(api.create(&path, secret).is_ok()), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        let done = work();
        stop.store(true, Ordering::Relaxed);
        done
    })?;
    Ok(made.load(Ordering::Relaxed))
}

fn keeps_its_secret(site: &ClusterFixture<'_>) -> Result<()> {
    let rows = site.write_rows(100)?;
    let uid = |site: &ClusterFixture<'_>| -> Result<Value> {
        let secret = site.space().find("api/v1", &format!("secrets/{SECRET}"))?.context("the Secret")?;
        Ok(secret["metadata"]["uid"].clone())
    };
    let before = uid(site)?;
    let (found, request) = (site.survey()?, request_to(chart()?, json!({})));

    // Were it not the site's by its values, the recipe would delete it, and it would come back.
    let mut unnamed = found.clone();
    set(&mut unnamed.inventory.release.config, "postgresql.existingSecret", json!(""));
    let codes: Vec<Code> = site.plan_found(&unnamed, &request)?.plan.blocking().map(|finding| finding.code).collect();
    ensure!(codes.contains(&Code::MadeAgain), "{codes:?}");

    let file = site.plan_found(&found, &request)?;
    ensure!(file.plan.blocking().next().is_none(), "{:#?}", file.plan.findings);
    let (outcome, _) = site.apply(&file, &mut |_| {})?;
    ensure!(outcome == Outcome::Finished, "{outcome:?}");
    ensure!(site.rows()? == rows, "the rows are the same");
    ensure!(uid(site)? == before, "the Secret is the same");
    let set = site.space().find("apis/apps/v1", "statefulsets/runai-backend-postgresql")?.context("the StatefulSet")?;
    let env = set["spec"]["template"]["spec"]["containers"][0]["env"].to_string();
    ensure!(env.contains(r#""key":"postgresql-password""#) && env.contains(SECRET), "{env}");
    Ok(())
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_secret_of_the_sites_own_stays_and_opens_the_database() {
    with_a_secret_of_its_own(&Rig::shared().expect("the rig")).expect("it stays");
}

/// A Secret under a name and with a key that no chart has by itself.
fn site_secret(key: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "site-pg"},
        "stringData": {key: "Old-pg-7f3a", "password": "Old-app-44"}})
}

/// Deletes the Secret of the site, and waits until its controller has made another one.
fn made_again(rig: &Rig, site: &ClusterFixture<'_>) -> Result<()> {
    let uid = |site: &ClusterFixture<'_>| -> Result<Option<Value>> {
        Ok(site.space().find("api/v1", "secrets/site-pg")?.map(|secret| secret["metadata"]["uid"].clone()))
    };
    let before = uid(site)?;
    rig.api().delete(&format!("/api/v1/namespaces/{}/secrets/site-pg", site.space().name()))?;
    site.space().wait("the Secret to be made again", |_| {
        let now = uid(site)?;
        Ok(now.is_some() && now != before)
    })
}

/// Between plan and run a controller makes the Secret again: with the same keys, then with another one.
fn with_a_secret_that_is_made_again(rig: &Rig) -> Result<()> {
    for (start, values, key) in [
        ("openshift-2.8", json!({"postgresql": {"existingSecret": "site-pg"}}), "postgresql-password"),
        (
            "openshift-2.17",
            json!({"global": {"postgresql": {"auth": {"existingSecret": "site-pg", "secretKeys": {"adminPasswordKey": "superuser"}}}}}),
            "superuser",
        ),
    ] {
        let secret = site_secret(key);
        let site =
            ClusterFixture::install_with(rig, start, pins::HELM[1], values, |site| site.create("secrets", &secret))?;
        let rows = site.write_rows(100)?;
        let file = site.plan_found(&site.survey()?, &request_to(chart()?, json!({})))?;
        ensure!(file.plan.blocking().next().is_none(), "{start}: {:#?}", file.plan.findings);
        kept_by_a_controller(rig, &site, &site_secret("another"), || {
            made_again(rig, &site)?;
            let (outcome, _) = site.apply(&file, &mut |_| {})?;
            let Outcome::Drifted { findings } = &outcome else { anyhow::bail!("{start}: {outcome:?}") };
            let told = format!("{findings:?}");
            ensure!(told.contains(&format!("Secret/site-pg has no key {key} any more")), "{start}: {told}");
            ensure!(site.rows()? == rows, "{start}: nothing was written");
            Ok(())
        })?;
        let made = kept_by_a_controller(rig, &site, &secret, || {
            made_again(rig, &site)?;
            let (outcome, _) = site.apply(&file, &mut |_| {})?;
            ensure!(outcome == Outcome::Finished, "{start}: {outcome:?}");
            Ok(())
        })?;
        ensure!(made > 0 && site.rows()? == rows, "{start}: the rows are the same");
        let set =
            site.space().find("apis/apps/v1", "statefulsets/runai-backend-postgresql")?.context("the StatefulSet")?;
        let env = set["spec"]["template"]["spec"]["containers"][0]["env"].to_string();
        ensure!(env.contains(&format!(r#""key":"{key}""#)) && env.contains("site-pg"), "{start}: {env}");
    }
    Ok(())
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_secret_that_its_controller_makes_again_is_the_same_while_it_has_its_keys() {
    with_a_secret_that_is_made_again(&Rig::shared().expect("the rig")).expect("it opens the database");
}

/// Every key of the vendor's old values file is set, and a file of `helm get values` was given to helm once.
fn with_everything_set(rig: &Rig) -> Result<()> {
    let mut values = portolan_fixtures::values_of(&["values/openshift-everything.yaml".into()], &[]);
    set(&mut values, "USER-SUPPLIED VALUES", Value::Null);
    let site = ClusterFixture::install_with(rig, "openshift-2.8", pins::HELM[1], values, |_| Ok(()))?;
    let rows = site.write_rows(100)?;
    let found = site.survey()?;
    ensure!(stored_heading(&found.inventory.release.config).is_some(), "the heading is saved");
    let mut request = request_to(chart()?, json!({}));
    let asked = site.plan_found(&found, &request)?.plan;
    // What the recipes do not know is asked, and left out here; so is what the new chart does not read.
    let values = &asked.hops[0].values;
    let paths = |wanted: &ValueChange| -> BTreeSet<ValuesPath> {
        values.iter().filter(|value| value.change == *wanted).map(|value| value.path.clone()).collect()
    };
    let dropped = paths(&ValueChange::Dropped);
    ensure!(dropped == UNKNOWN.iter().map(|path| ValuesPath::new(path)).collect(), "{dropped:?}");
    let leave_out = |path| (path, ValueAnswer::Drop);
    request.answers =
        ValueAnswers { format: ValueAnswers::FORMAT, answers: dropped.into_iter().map(leave_out).collect() };
    let without_effect = asked.blocking().filter(|finding| finding.code == Code::WithoutEffect).count();
    if without_effect > 0 {
        request.accepted =
            vec![Accepted { code: Code::WithoutEffect, claim: None, reason: "it serves a server outside".into() }];
    }
    // The old Secret has another key than the new chart looks for, and a fresh one would hold another password.
    for (step, said) in [("delete-secret", "PASSWORDS ERROR"), ("carry-credentials", "another password")] {
        let without = UpgradeRequest { without: vec![step.into()], ..request.clone() };
        let told = match site.plan_found(&found, &without) {
            Ok(file) => format!("{:?}", file.plan.blocking().collect::<Vec<_>>()),
            Err(refused) => refused.to_string(),
        };
        ensure!(told.contains(said), "without {step}: {told}");
    }
    let file = site.plan_found(&found, &request)?;
    ensure!(file.plan.blocking().next().is_none(), "{:#?}", file.plan.findings);
    let (outcome, _) = site.apply(&file, &mut |_| {})?;
    ensure!(outcome == Outcome::Finished, "{outcome:?}");
    ensure!(site.rows()? == rows, "the rows are the same");
    for (api, object, pointer, value) in ALIVE {
        let live = site.space().find(api, object)?.with_context(|| format!("{object} is there"))?;
        let found = live.pointer(pointer).and_then(|found| plain(object, found));
        ensure!(found.as_deref() == Some(value), "{object} {pointer}: {found:?}");
    }
    ensure!(stored_heading(&site.survey()?.inventory.release.config).is_none(), "the heading is gone");
    Ok(())
}

/// A value of a live object; of a Secret the text that it stands for.
fn plain(object: &str, value: &Value) -> Option<String> {
    let text = value.as_str().map(str::to_owned).or_else(|| Some(value.as_u64()?.to_string()))?;
    if object.starts_with("secrets/") { String::from_utf8(STANDARD.decode(text).ok()?).ok() } else { Some(text) }
}

/// What a person is asked about.
const UNKNOWN: [&str; 7] = [
    "backend.db.schema",
    "backend.memory.size",
    "backend.memory.swap",
    "backend.privateRegistryAddress",
    "backend.secret.jwtSecret",
    "backend.secret.sessionSecret",
    r"grafana.datasources.datasources\.yaml.datasources",
];

const APPS: &str = "apis/apps/v1";
const BACKEND: &str = "deployments/runai-backend-backend";

/// Settings of the site in live objects: where, and the value that was set in the old layout.
const ALIVE: [(&str, &str, &str, &str); 12] = [
    (APPS, BACKEND, "/spec/replicas", "2"),
    (APPS, BACKEND, "/spec/template/spec/containers/0/resources/limits/memory", "256Mi"),
    (APPS, BACKEND, "/spec/template/spec/containers/0/env/0/value", "backend"),
    (APPS, BACKEND, "/spec/template/spec/containers/0/env/1/value", "backend"),
    (APPS, "statefulsets/runai-backend-postgresql", "/spec/template/spec/initContainers/0/name", "volume-permissions"),
    ("api/v1", "secrets/runai-backend-postgresql", "/data/postgres-password", "Old-pg-7f3a"),
    ("api/v1", "secrets/runai-backend-postgresql", "/data/password", "Old-app-44"),
    ("api/v1", "secrets/runai-backend-grafana", "/data/user", "grafana"),
    ("api/v1", "secrets/runai-backend-grafana", "/data/password", "Old-gf-52c1"),
    ("api/v1", "secrets/runai-backend-grafana", "/data/admin-user", "site-admin"),
    ("api/v1", "secrets/runai-backend-grafana", "/data/admin-password", "Old-adm-55"),
    ("apis/route.openshift.io/v1", "routes/runai-backend", "/spec/host", "runai.apps.rig.example.com"),
];

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn every_setting_that_moves_is_alive_afterwards() {
    with_everything_set(&Rig::shared().expect("the rig")).expect("they are alive");
}

/// What the site's own chart has by default, and the old record says nothing of.
fn with_nothing_set(rig: &Rig) -> Result<()> {
    for helm in [pins::HELM[0], pins::HELM[2]] {
        let site = ClusterFixture::install_bare(rig, "openshift-2.8", helm)?;
        let rows = site.write_rows(100)?;
        let file = site.plan_found(&site.survey()?, &request_to(chart()?, json!({})))?;
        ensure!(file.plan.blocking().next().is_none(), "helm {helm}: {:#?}", file.plan.findings);
        ensure!(file.plan.hops[0].values.is_empty(), "helm {helm}: {:?}", file.plan.hops[0].values);
        let (outcome, folder) = site.apply(&file, &mut |_| {})?;
        ensure!(outcome == Outcome::Finished, "helm {helm}: {outcome:?}");
        ensure!(site.rows()? == rows, "helm {helm}: the rows are the same");
        // The host out of the Route, the password out of the Secret.
        for (api, object, pointer, value) in [ALIVE[5], ALIVE[11]] {
            let live = site.space().find(api, object)?.with_context(|| format!("{object} is there"))?;
            let found = live.pointer(pointer).and_then(|found| plain(object, found));
            ensure!(found.as_deref() == Some(value), "helm {helm}: {object} {pointer}: {found:?}");
        }
        let (outcome, notes) = site.verify(&folder)?;
        ensure!(outcome == Outcome::Finished, "helm {helm}: {notes:?}");
    }
    Ok(())
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_release_without_values_keeps_its_host_its_password_and_its_rows() {
    with_nothing_set(&Rig::shared().expect("the rig")).expect("they are kept");
}

/// `crt-one` and `key-one`.
const PAIR: [&str; 2] = ["Y3J0LW9uZQ==", "a2V5LW9uZQ=="];
const TLS: &str = "secrets/runai-backend-tls";

/// The certificate and its key are among the old values, and the Secret that the new chart wants is not there.
fn with_a_pair_among_its_values(rig: &Rig) -> Result<()> {
    let helm = pins::HELM[1];
    let more = json!({"backend": {"https": {"crt": PAIR[0], "key": PAIR[1]}}});
    let site = ClusterFixture::install_with(rig, "kubernetes-2.8", helm, more, |_| Ok(()))?;
    rig.api().delete(&format!("/api/v1/namespaces/{}/{TLS}", site.space().name()))?;
    let rows = site.write_rows(100)?;
    let request = request_to(chart()?, json!({}));
    let plan = site.plan_found(&site.survey()?, &request)?.plan;
    let missing = plan.blocking().find(|finding| finding.code == Code::NotThere).context("the Secret is asked for")?;
    let command = missing.next.split(", or accept:").next().unwrap_or_default();
    let said = Shell::new(rig, &Program::at(Path::new("/bin/false")), &rig.helm(helm)?)?.ok(command)?;
    let said = format!("{}{}", said.stdout, said.stderr);
    ensure!(!PAIR.iter().any(|text| said.contains(text)), "{said}");

    let file = site.plan_found(&site.survey()?, &request)?;
    ensure!(file.plan.blocking().next().is_none(), "{:#?}", file.plan.findings);
    for part in ["crt", "key"] {
        let path = format!("backend.https.{part}");
        let value = file.plan.hops[0].values.iter().find(|value| value.path.as_str() == path).context("it is told")?;
        let is_moved =
            matches!(&value.change, ValueChange::Moved(to) if to.path.as_str() == "global.ingress.tlsSecretName");
        ensure!(is_moved, "{value:?}");
    }
    let (outcome, folder) = site.apply(&file, &mut |_| {})?;
    ensure!(outcome == Outcome::Finished, "{outcome:?}");
    ensure!(site.rows()? == rows, "the rows are the same");
    let ingress = "ingresses/runai-backend-control-plane";
    for (api, object, pointer, value) in [
        ("apis/networking.k8s.io/v1", ingress, "/spec/tls/0/secretName", "runai-backend-tls"),
        ("api/v1", TLS, "/data/tls.crt", "crt-one"),
        ("api/v1", TLS, "/data/tls.key", "key-one"),
        ("api/v1", TLS, "/type", "kubernetes.io/tls"),
    ] {
        let live = site.space().find(api, object)?.with_context(|| format!("{object} is there"))?;
        let found = live.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let found = if pointer.starts_with("/data") { plain(object, &json!(found)) } else { Some(found.to_owned()) };
        ensure!(found.as_deref() == Some(value), "{object} {pointer}: {found:?}");
    }
    // Neither the plan nor the journal has the key.
    let journal = String::from_utf8_lossy(&fs_err::read(folder.join("journal.jsonl"))?).into_owned();
    let said = format!("{}{journal}", serde_json::to_string(&file.plan)?);
    ensure!(![PAIR[1], "key-one"].iter().any(|text| said.contains(text)), "the key is told");
    Ok(())
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_certificate_among_the_values_becomes_the_secret_that_the_new_chart_wants() {
    with_a_pair_among_its_values(&Place::of("kubernetes-2.8").expect("the rig").rig).expect("its Ingress has it");
}

/// A release whose new images come from a registry that wants a login. The plan says which pods have none, and the nodes agree.
fn from_a_registry_with_a_login(rig: &Rig) -> Result<()> {
    let private = PrivateRegistry::start(rig, "1")?;
    let PrivateRegistry { site, shell, stub, .. } = &private;
    let space = site.space().name();
    let host = private.host();
    let archive = site.archive(CHART)?;
    let line = format!(
        "-n {space} --to 2.20 --chart {} --registry {host} --plain-http -f custom-env.yaml --timeout ready=300s,delete=300s,helm=300s",
        archive.display()
    );

    let without = shell.run(&format!("portolan plan {line} --no-rehearsal"))?;
    let told = without.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(without.code == 3 && told.contains("PL635"), "{told}{}", without.stderr);
    ensure!(told.contains(&format!("{stub}: no pull Secret")) && !told.contains(&PrivateRegistry::login()), "{told}");
    // The node agrees: it cannot pull for a pod of this namespace.
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "no-login"},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "a", "image": stub}]}});
    rig.api().create(&format!("/api/v1/namespaces/{space}/pods"), &pod)?;
    site.space().wait("the node to be refused", |space| {
        let pod = space.find("api/v1", "pods/no-login")?.context("the pod is there")?;
        let reason = pod.pointer("/status/containerStatuses/0/state/waiting/reason").and_then(Value::as_str);
        Ok(matches!(reason, Some("ErrImagePull" | "ImagePullBackOff")))
    })?;
    shell.ok(&format!("kubectl delete pod no-login -n {space} --wait=false"))?;

    private.give_login()?;
    let with = shell.run(&format!("portolan plan {line} --no-rehearsal"))?;
    ensure!(with.code == 0 && !with.stdout.contains("PL635"), "{}{}", with.stdout, with.stderr);
    shell.ok(&format!("portolan upgrade {line} --yes"))?;
    let pulled: BTreeSet<String> = private.pulled()?.into_iter().collect();
    ensure!(pulled == ["postgres", "stub"].map(str::to_owned).into(), "{pulled:?}");
    Ok(())
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn pods_pull_from_a_registry_that_wants_a_login_with_the_secrets_that_the_plan_sees() {
    from_a_registry_with_a_login(&Rig::shared().expect("the rig")).expect("plan and node agree");
}

//! Advice that is printed and acts is followed on the rig as it is printed, and the data is alive afterwards: the same PV and PVC
//! by UID, the same rows.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use portolan_testkit::rig::{Rig, pins};
use portolan_trials::program::Program;
use portolan_trials::real;
use portolan_trials::reports::{self, CaseFixture, Upgrade};
use portolan_trials::shell::{Said, Shell, signal};
use serde_json::{Value, json};

/// A release of a small chart, and somebody who types commands about it.
struct Trial<'a> {
    site: CaseFixture<'a>,
    shell: Shell,
    upgrade: Upgrade,
    charts: String,
}

/// A PVC and its PV, each with its UID.
#[derive(Debug, PartialEq)]
struct Data {
    claim: String,
    volume: String,
    volume_uid: String,
}

impl<'a> Trial<'a> {
    fn new(rig: &'a Rig, raw: &Value) -> Result<Self> {
        let helm = pins::HELM[1];
        let program = Program::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
        let shell = Shell::new(rig, &program, &rig.helm(helm)?)?;
        let site = CaseFixture::install(rig, helm, raw)?;
        let upgrade = site.upgrade(raw)?;
        let charts = site.write_charts(&upgrade, "typed")?.display().to_string();
        Ok(Self { site, shell, upgrade, charts })
    }

    /// The case of a reported upgrade.
    fn of_case(rig: &'a Rig, name: &str) -> Result<Self> {
        let cases = reports::rows()?.into_iter().flat_map(|row| row.cases);
        let case = cases.into_iter().find(|case| case.name == name).with_context(|| format!("no case {name}"))?;
        Self::new(rig, &case.upgrade)
    }

    /// A command line of Portolan about the upgrade, as its owner types it.
    fn line(&self, command: &str) -> String {
        let middle = if self.upgrade.middle.is_some() { " --via 2.17.0" } else { "" };
        let recipes =
            self.upgrade.recipes().map(|folder| format!(" --recipes {}", folder.display())).unwrap_or_default();
        format!(
            "portolan {command} --to 2.20.0{middle}{recipes} -n {} --release store --chart {} --timeout ready=300s,delete=300s,helm=300s",
            self.site.namespace(),
            self.charts
        )
    }

    fn plan(&self) -> Result<Said> {
        self.shell.run(&self.line("plan -o json"))
    }

    /// Does what an advice says, command by command.
    fn follow(&self, advice: &str) -> Result<()> {
        let commands = portolan_report::commands(advice);
        ensure!(!commands.is_empty(), "no command in `{advice}`");
        for command in commands {
            self.shell.ok(command)?;
        }
        Ok(())
    }

    /// A PVC, as `name` or `namespace/name`, with its volume.
    fn data(&self, claim: &str) -> Result<Data> {
        let live = self.site.get(&format!("PersistentVolumeClaim/{claim}"))?.context("the PVC is there")?;
        ensure!(live["metadata"]["deletionTimestamp"].is_null(), "{claim} is being deleted");
        let volume = live["spec"]["volumeName"].as_str().unwrap_or_default().to_owned();
        let claim = live["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        Ok(Data { claim, volume_uid: self.volume_uid(&volume)?, volume })
    }

    fn volume_uid(&self, volume: &str) -> Result<String> {
        let live = self.site.get(&format!("PersistentVolume/{volume}"))?.context("the PV is there")?;
        ensure!(live["metadata"]["deletionTimestamp"].is_null(), "{volume} is being deleted");
        Ok(live["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
    }

    fn has_its_rows(&self) -> Result<()> {
        let lost = self.site.lost_rows();
        ensure!(lost.is_empty(), "rows are gone: {lost:?}");
        Ok(())
    }

    /// The upgrade goes through, and the data is the same.
    fn upgrades_with(&self, claim: &str, before: &Data) -> Result<()> {
        let planned = self.plan()?;
        ensure!(planned.code == 0, "planned again: {}{}", planned.stdout, planned.stderr);
        self.shell.ok(&self.line("upgrade --yes"))?;
        ensure!(self.data(claim)? == *before, "{:?} is not {before:?}", self.data(claim)?);
        self.has_its_rows()
    }
}

/// A plan prints an advice for a code; once it is followed, the upgrade goes through with the same data.
fn followed(rig: &Rig, case: &str, code: &str, claim: &str) -> Result<()> {
    let trial = Trial::of_case(rig, case)?;
    let claim = trial.site.filled_text(claim)?;
    let before = trial.data(&claim)?;
    let advice = trial.plan()?.advice(code)?;
    println!("{case}: {advice}");
    trial.follow(&advice)?;
    ensure!(trial.data(&claim)? == before, "{case}: another PVC or PV after the advice");
    trial.site.wait("the PVC has no owner", || {
        let live = trial.site.get(&format!("PersistentVolumeClaim/{claim}"))?.context("the PVC is there")?;
        Ok(!advice.contains("ownerReferences")
            || live["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty))
    })?;
    trial.upgrades_with(&claim, &before)
}

fn all_followed(cases: &[(&str, &str)]) {
    let rig = Rig::shared().expect("the rig");
    for (case, claim) in cases {
        followed(&rig, case, "PL241", claim).unwrap_or_else(|error| panic!("{case}: {error:#}"));
    }
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_container_of_the_data_that_is_told_to_be_kept_takes_nothing_along() {
    all_followed(&[("namespace-leaves", "$NS-data/store"), ("crd-moves-to-crds", "operated")]);
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_volume_and_a_set_that_are_told_to_let_go_take_nothing_along() {
    all_followed(&[("volume-leaves", "store"), ("retention-today", "data-store-0")]);
}

/// The PVC is gone and its volume is Released: the printed commands bind it again.
fn bound_again(rig: &Rig) -> Result<()> {
    let trial = Trial::new(rig, &json!({}))?;
    let before = trial.data("store")?;
    let rows: Vec<String> = trial.site.first_rows().map(str::to_owned).collect();
    let retain = r#"{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}"#;
    trial.site.kubectl(&["patch", "pv", &before.volume, "-p", retain])?;
    trial.site.kubectl(&["scale", "statefulset", "store", "--replicas=0"])?;
    trial.site.kubectl(&["wait", "--for=delete", "pod/store-0", "--timeout=5m"])?;
    trial.site.kubectl(&["delete", "pvc", "store"])?;
    trial.site.wait("the PV is Released", || {
        let volume = trial.site.get(&format!("PersistentVolume/{}", before.volume))?;
        Ok(volume.is_some_and(|volume| volume["status"]["phase"] == "Released"))
    })?;
    let advice = trial.plan()?.advice("PL236")?;
    println!("bind again: {advice}");
    trial.follow(&advice)?;
    trial.site.wait("the PVC is bound", || {
        Ok(trial.site.get("PersistentVolumeClaim/store")?.is_some_and(|claim| claim["status"]["phase"] == "Bound"))
    })?;
    let bound = trial.data("store")?;
    ensure!((&bound.volume, &bound.volume_uid) == (&before.volume, &before.volume_uid), "{bound:?} is not {before:?}");
    trial.site.kubectl(&["scale", "statefulset", "store", "--replicas=1"])?;
    trial.site.wait("the pod", || trial.site.is_ready())?;
    trial.upgrades_with("store", &bound)?;
    let seen = trial.site.rows_of_pod()?.context("the pod has rows")?;
    ensure!(rows.contains(&seen), "the pod sees {seen}, not {rows:?}");
    Ok(())
}

/// The PVC is Terminating: the printed command saves the volume when the pod goes.
fn saved_from_its_end(rig: &Rig) -> Result<()> {
    let trial = Trial::of_case(rig, "claim-is-terminating")?;
    let claim = trial.site.get("PersistentVolumeClaim/store")?.context("it is still mounted")?;
    let volume = claim["spec"]["volumeName"].as_str().unwrap_or_default().to_owned();
    let uid = trial.volume_uid(&volume)?;
    let advice = trial.plan()?.advice("PL501")?;
    println!("terminating: {advice}");
    trial.follow(&advice)?;
    // What the advice warns of.
    trial.site.kubectl(&["delete", "pod", "store-0"])?;
    trial.site.wait("the PVC is gone", || Ok(trial.site.get("PersistentVolumeClaim/store")?.is_none()))?;
    ensure!(trial.volume_uid(&volume)? == uid, "another PV");
    trial.has_its_rows()
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn what_is_told_about_a_claim_saves_its_volume() {
    let rig = Rig::shared().expect("the rig");
    bound_again(&rig).expect("the volume is bound again");
    saved_from_its_end(&rig).expect("the volume outlives its PVC");
}

/// A hook that reads what it is to do from a ConfigMap that is not of the chart.
fn hooked() -> Value {
    json!({
        "prepare": [{"create": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "go", "namespace": "$NS"},
            "data": {"go": "wait"}}}],
        "new": {"hook": {
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "hook", "annotations": {"helm.sh/hook": "pre-upgrade"}},
            "spec": {"backoffLimit": 0, "template": {"spec": {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
                "containers": [{
                    "name": "hook", "image": "rig.local/postgres:15",
                    "env": [{"name": "GO", "valueFrom": {"configMapKeyRef": {"name": "go", "key": "go"}}}],
                    "command": ["/bin/sh", "-c", "case $GO in wait) sleep 1000;; fail) exit 1;; esac"],
                }],
            }}},
        }},
    })
}

impl Trial<'_> {
    fn tell_hook(&self, what: &str) -> Result<()> {
        let patch = json!({"data": {"go": what}}).to_string();
        self.site.kubectl(&["patch", "configmap", "go", "-p", &patch]).map(drop)
    }

    fn wait_for_record(&self, revision: u32) -> Result<()> {
        let name = format!("Secret/sh.helm.release.v1.store.v{revision}");
        self.site.wait(&name, || {
            Ok(self.site.get(&name)?.is_some_and(|record| record["metadata"]["labels"]["status"] == "pending-upgrade"))
        })
    }
}

/// Helm was killed in the middle: by hand, and under Portolan; then it fails. Each time what is printed leads on.
fn goes_on_after_helm(rig: &Rig) -> Result<()> {
    let trial = Trial::new(rig, &hooked())?;
    let before = trial.data("store")?;
    let namespace = trial.site.namespace();
    // Somebody's helm, killed: its owner says that no helm runs.
    let by_hand = trial.shell.start(&format!("exec helm upgrade store {}/2.20.0 -n {namespace}", trial.charts))?;
    trial.wait_for_record(2)?;
    by_hand.signal("KILL")?;
    by_hand.end()?;
    let advice = trial.plan()?.advice("PL204")?;
    println!("pending: {advice}");
    trial.follow(&advice)?;
    ensure!(trial.plan()?.code == 0, "{:?}", trial.plan()?);
    // Portolan's own.
    let run = trial.shell.start(&format!("exec {}", trial.line("upgrade --yes")))?;
    trial.wait_for_record(2)?;
    run.signal("KILL")?;
    run.end()?;
    signal(helm_of(trial.shell.home())?, "KILL")?;
    let advice = trial.plan()?.advice("PL204")?;
    println!("ours, by plan: {advice}");
    let apply = advice.split("go on with that run: ").nth(1).and_then(|rest| rest.split(", ").next());
    let apply = apply.context("the run is named")?.to_owned();
    let halted = trial.shell.run(&format!("{apply} -o json"))?;
    ensure!(halted.code == 13, "{halted:?}");
    let printed = halted.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let next = printed.split("next: ").nth(1).context("it says what is next")?;
    println!("ours: {next}");
    trial.follow(next)?;
    // It goes on, and now helm fails.
    trial.tell_hook("fail")?;
    let failed = trial.shell.run(&apply)?;
    ensure!(failed.code == 13 && failed.stderr.contains("error[PL305]"), "{failed:?}");
    ensure!(failed.stderr.contains("apply the same plan again") && failed.stderr.contains(&apply), "{failed:?}");
    // The cause is removed, and what is printed works; so would a new plan.
    trial.tell_hook("go")?;
    let anew = trial.plan()?;
    ensure!(anew.code == 0, "helm goes on from a failed revision: {anew:?}");
    let finished = trial.shell.ok(&apply)?;
    ensure!(finished.stdout.contains("Finished"), "{}", finished.stdout);
    ensure!(trial.data("store")? == before, "another PVC or PV");
    trial.has_its_rows()
}

/// The helm that a run started.
fn helm_of(home: &Path) -> Result<u32> {
    let found = std::process::Command::new("find").arg(home).args(["-name", "*.pid"]).output()?;
    let path = String::from_utf8(found.stdout)?;
    Ok(fs_err::read_to_string(path.trim())?.trim().parse()?)
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn what_is_told_after_a_helm_that_was_killed_or_failed_leads_on() {
    goes_on_after_helm(&Rig::shared().expect("the rig")).expect("it goes on");
}

/// The run stops when it has deleted the database's StatefulSets and its Secret. What it deleted is put back from the archive,
/// as is printed, and the installation is what it was; then the upgrade goes through.
fn the_archive_leads_back(rig: &Rig) -> Result<()> {
    let helm = pins::HELM[1];
    let program = Program::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
    let shell = Shell::new(rig, &program, &rig.helm(helm)?)?;
    let site = real::ClusterFixture::install(rig, "openshift-2.8", helm)?;
    let (rows, protected) = (site.write_rows(1_000)?, site.protected()?);
    let line = |command: &str| -> Result<String> {
        let charts = site.charts()?;
        Ok(format!("portolan {command} --to 2.20 -n {} --chart {}", site.space().name(), charts.display()))
    };
    let mut run = shell.start(&format!("exec {}", line("upgrade --yes")?))?;
    run.wait_for("waits for pod")?;
    run.signal("TERM")?;
    let stopped = run.end()?;
    ensure!(stopped.code == 11 && stopped.stdout.contains("DOWN"), "{stopped:?}");
    ensure!(stopped.stdout.contains("portolan archive restore "), "the report names the archive: {}", stopped.stdout);
    let advice = shell.run(&line("plan -o json")?)?.advice("PL208")?;
    println!("put back: {advice}");
    let restore = advice.split("what it deleted: ").nth(1).and_then(|rest| rest.split(", ").next());
    let restore = restore.context("the command is named")?;
    let shown = shell.ok(&format!("{restore} --dry-run"))?;
    ensure!(shown.stdout.contains("Safe") && !shown.stdout.contains("Not rehearsed"), "it is rehearsed: {shown:?}");
    shell.ok(&format!("{restore} --yes"))?;
    site.space().wait_for_psql(real::DATABASE, site.password())?;
    site.wait_until_ready()?;
    ensure!(site.rows()? == rows && site.protected()? == protected, "the data is what it was");
    let planned = shell.run(&line("plan")?)?;
    ensure!(planned.code == 0, "{planned:?}");
    shell.ok(&line("upgrade --yes")?)?;
    ensure!(site.rows()? == rows && site.protected()? == protected, "the data is what it was");
    Ok(())
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn what_a_run_deleted_is_put_back_as_is_told() {
    the_archive_leads_back(&Rig::shared().expect("the rig")).expect("it is put back");
}

//! A signal in a wait on the rig: the run ends at once and says what it waited for; while helm runs it holds until a second one.
//! `apply` goes on each time.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use portolan_testkit::rig::{Rig, pins};
use portolan_trials::program::Program;
use portolan_trials::reports::CaseFixture;
use portolan_trials::shell::{Running, Said, Shell};
use serde_json::{Value, json};

/// Seconds within which a wait ends; it could last 300, and a busy machine is slow to start and end processes.
const AT_ONCE: u64 = 20;

struct Trial<'a> {
    site: CaseFixture<'a>,
    shell: Shell,
    upgrade: String,
}

impl<'a> Trial<'a> {
    fn new(rig: &'a Rig, raw: &Value) -> Result<Self> {
        let helm = pins::HELM[1];
        let shell = Shell::new(rig, &Program::at(Path::new(env!("CARGO_BIN_EXE_portolan"))), &rig.helm(helm)?)?;
        let site = CaseFixture::install(rig, helm, raw)?;
        let charts = site.write_charts(&site.upgrade(raw)?, "typed")?;
        let upgrade = format!(
            "portolan upgrade --yes --to 2.20.0 -n {} --release store --chart {} --timeout ready=300s,helm=300s",
            site.namespace(),
            charts.display()
        );
        Ok(Self { site, shell, upgrade })
    }

    /// Starts a command and waits until it says something.
    fn until(&self, line: &str, text: &str) -> Result<Running> {
        let mut running = self.shell.start(&format!("exec {line}"))?;
        running.wait_for(text)?;
        Ok(running)
    }

    fn ends_with_its_rows(&self, line: &str) -> Result<Said> {
        let said = self.shell.ok(line)?;
        ensure!(said.stdout.contains("Finished"), "{}", said.stdout);
        let seen = self.site.rows_of_pod()?.context("the pod has rows")?;
        ensure!(
            self.site.lost_rows().is_empty() && self.site.first_rows().any(|row| row == seen),
            "other rows: {seen}"
        );
        Ok(said)
    }
}

impl Trial<'_> {
    /// Makes `/tmp/go` in a pod, once its container runs: one that ends, or is of the old template, is not told.
    fn tell(&self, pod: &str, is_new: impl Fn(&Value) -> bool) -> Result<()> {
        self.site.wait("the new container", || {
            let pod = self.site.get(&format!("Pod/{pod}"))?.unwrap_or_default();
            let runs = pod["status"]["containerStatuses"][0]["state"]["running"].is_object();
            Ok(runs && pod["metadata"]["deletionTimestamp"].is_null() && is_new(&pod))
        })?;
        self.site.kubectl(&["exec", pod, "--", "touch", "/tmp/go"]).map(drop)
    }
}

/// `portolan apply RUN` out of what was printed.
fn printed_apply(said: &str) -> Result<String> {
    let words: Vec<&str> = said.split_whitespace().collect();
    let at = words.windows(2).position(|pair| pair == ["portolan", "apply"]).context("portolan apply is printed")?;
    let run = words.get(at + 2).context("it names the run")?;
    Ok(format!("portolan apply {}", run.trim_end_matches([',', '.', ';'])))
}

/// Sends a signal; the command has to end soon after it.
fn ended_by(running: Running, signal: &str) -> Result<Said> {
    let sent = Instant::now();
    running.signal(signal)?;
    let said = running.end()?;
    let took = sent.elapsed();
    ensure!(took < Duration::from_secs(AT_ONCE), "it took {took:?} to end: {}", said.stderr);
    Ok(said)
}

/// The new pod is ready once it is told so.
fn unready() -> Value {
    json!({"new": {"store/spec/template/spec/containers/0/readinessProbe":
        {"exec": {"command": ["test", "-e", "/tmp/go"]}, "periodSeconds": 1}}})
}

fn stopped_in_a_wait_for_a_workload(rig: &Rig) -> Result<()> {
    let trial = Trial::new(rig, &unready())?;
    let waits = "waits for StatefulSet/store to be ready: 0 of 1";
    let mut line = trial.upgrade.clone();
    for signal in ["INT", "TERM"] {
        let said = ended_by(trial.until(&line, waits)?, signal)?;
        println!("{signal}: {}", said.stdout);
        ensure!(said.code == 11, "{signal}: exit {}\n{}{}", said.code, said.stdout, said.stderr);
        ensure!(said.stdout.contains("Stopped safely"), "{}", said.stdout);
        ensure!(said.stderr.contains("A stop was asked for"), "{}", said.stderr);
        line = printed_apply(&said.stdout)?;
    }
    let running = trial.until(&line, waits)?;
    trial.tell("store-0", |pod| pod["spec"]["containers"][0]["readinessProbe"].is_object())?;
    let said = running.end()?;
    ensure!(said.code == 0, "exit {}\n{}{}", said.code, said.stdout, said.stderr);
    trial.ends_with_its_rows(&line)?;
    Ok(())
}

/// A hook that waits until its ConfigMap says `yes`, which it reads anew.
fn held() -> Value {
    json!({
        "prepare": [{"create": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "go", "namespace": "$NS"},
            "data": {"go": "no"}}}],
        "new": {"hook": {
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "hook", "annotations": {"helm.sh/hook": "pre-upgrade"}},
            "spec": {"backoffLimit": 0, "template": {"spec": {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "hook", "image": "rig.local/postgres:15", "command": ["/bin/sh", "-c",
                    "trap 'exit 1' TERM; until test -e /tmp/go; do sleep 0.2; done"]}],
            }}},
        }},
    })
}

fn stopped_while_helm_runs(rig: &Rig) -> Result<()> {
    let trial = Trial::new(rig, &held())?;
    let mut running = trial.until(&trial.upgrade, "waits for helm to end")?;
    trial.site.wait("the hook's pod", || {
        Ok(trial.site.kubectl(&["get", "pods", "-l", "job-name=hook", "-o", "name"])?.contains("pod/"))
    })?;
    running.signal("TERM")?;
    // The first signal is heard: two that arrive at once are one (signal(7), standard signals do not queue).
    running.wait_for("A second signal leaves helm running")?;
    let said = ended_by(running, "TERM")?;
    ensure!(said.stderr.contains("it waits for hook Job hook"), "{}", said.stderr);
    println!("helm: {}{}", said.stderr, said.stdout);
    ensure!(said.code == 11, "exit {}\n{}{}", said.code, said.stdout, said.stderr);
    ensure!(said.stdout.contains("helm was left running"), "{}", said.stdout);
    let records = trial.site.kubectl(&["get", "secrets", "-l", "owner=helm,status=pending-upgrade", "-o", "name"])?;
    ensure!(records.contains("store.v2"), "helm works on: {records}");
    let apply = printed_apply(&said.stdout)?;
    let running = trial.until(&apply, "waits for helm to end")?;
    let pod = trial.site.kubectl(&["get", "pods", "-l", "job-name=hook", "-o", "name"])?;
    trial.tell(pod.trim().trim_start_matches("pod/"), |_| true)?;
    let said = running.end()?;
    ensure!(said.code == 0, "exit {}\n{}{}", said.code, said.stdout, said.stderr);
    let records = trial.site.kubectl(&["get", "secrets", "-l", "owner=helm", "-o", "name"])?;
    ensure!(!records.contains("store.v3"), "helm was not started again: {records}");
    trial.ends_with_its_rows(&apply)?;
    Ok(())
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_signal_ends_a_wait_at_once() {
    let rig = Rig::shared().expect("the rig");
    stopped_in_a_wait_for_a_workload(&rig).expect("a wait for a workload");
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_second_signal_leaves_helm_running() {
    let rig = Rig::shared().expect("the rig");
    stopped_while_helm_runs(&rig).expect("a wait for helm");
}

//! Upgrades on the rig: real API server, real node, real helm, real PostgreSQL.

mod bare;
mod by_hand;
mod plan;
mod verify;
mod volumes;

use portolan_fixtures::ScenarioStep;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use portolan_adapters::kubernetes::Client;
use portolan_adapters::store::RunStore;
use portolan_inventory::Survey;
use portolan_model::{Code, Event, Finding, JournalRecord, Object, Outcome, PlanFile, ReleaseId};
use portolan_rehearse::{KnownDatabase, World};
use portolan_testkit::rig::{Namespace, Rig};
use portolan_workflow::{RunDriver, Stops, Target};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub use plan::{past_checks, request_to, waiting_in_vain};
pub use verify::known;
pub use volumes::{Data, Watched};

/// The database's pod in every fixture chart.
pub const DATABASE: &str = "runai-backend-postgresql-0";

/// Where a start can be installed.
pub struct Place {
    /// The rig of its platform.
    pub rig: Rig,
    /// Where its objects have names that are the cluster's: one of these at a time, whoever asks.
    _alone: Option<std::fs::File>,
}

impl Place {
    /// The place for a start; waits until it is free.
    ///
    /// # Errors
    /// Where there is no such start, or the rig cannot be had.
    pub fn of(name: &str) -> Result<Self> {
        let start = portolan_fixtures::scenario(name).with_context(|| format!("there is no start {name}"))?;
        let rig = Rig::shared_in(start.platform.parse()?)?;
        let alone = start.alone.then(|| rig.lock("alone")).transpose()?;
        Ok(Self { rig, _alone: alone })
    }
}

/// An installation on the rig, in a namespace of its own.
pub struct ClusterFixture<'a> {
    rig: &'a Rig,
    space: Namespace<'a>,
    start: portolan_fixtures::Scenario,
    /// What the site sets beside the start's values.
    more: Value,
    /// The helm that installs and upgrades.
    program: PathBuf,
    target: Target,
    runtime: Runtime,
    folder: tempfile::TempDir,
}

/// The rows that a trial wrote, as one number, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// How many.
    pub count: String,
    /// A digest over their content, in order.
    pub checksum: String,
}

impl<'a> ClusterFixture<'a> {
    /// Installs a start with a real helm and waits until its database takes its password.
    ///
    /// # Errors
    /// What helm or the cluster says.
    pub fn install(rig: &'a Rig, name: &str, helm: &str) -> Result<Self> {
        Self::install_with(rig, name, helm, json!({}), |_| Ok(()))
    }

    /// The same with more values, after something was made in its namespace.
    ///
    /// # Errors
    /// What helm or the cluster says.
    pub fn install_with(
        rig: &'a Rig,
        name: &str,
        helm: &str,
        more: Value,
        prepare: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<Self> {
        let site = Self::new(rig, name, helm, more)?;
        prepare(&site)?;
        for step in &site.start.steps {
            site.install_step(step)?;
        }
        site.wait_for_database()?;
        Ok(site)
    }

    /// A namespace in which nothing is installed yet.
    fn new(rig: &'a Rig, name: &str, helm: &str, more: Value) -> Result<Self> {
        let start = portolan_fixtures::scenario(name).with_context(|| format!("there is no start {name}"))?;
        let space = rig.namespace("trial")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let program = rig.helm(helm)?;
        let client = runtime.block_on(Client::connect(Some(&rig.kubeconfig()), None)).map_err(to_anyhow)?;
        if start.alone {
            // What an upgrade that was stopped half-way has left.
            for path in [
                "/apis/networking.k8s.io/v1/ingressclasses/nginx",
                "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/runai-backend-nginx-ingress-admission",
            ] {
                rig.api().delete(path)?;
            }
        }
        let target = Target::cluster(client, Some(program.clone()));
        Ok(Self { rig, space, start, more, program, target, runtime, folder: tempfile::tempdir()? })
    }

    /// Waits until the release's database takes its password, if it runs one.
    fn wait_for_database(&self) -> Result<()> {
        let is_outside = portolan_helm_compat::values::get(&self.more, "postgresql.enabled") == Some(&json!(false));
        if is_outside { Ok(()) } else { self.space.wait_for_psql(DATABASE, &self.start.password) }
    }

    /// Everything goes through this kubeconfig from now on: a proxy's.
    ///
    /// # Errors
    /// Where it is no kubeconfig.
    pub fn through(&mut self, kubeconfig: &Path) -> Result<()> {
        let client = self.runtime.block_on(Client::connect(Some(kubeconfig), None)).map_err(to_anyhow)?;
        self.target = Target::cluster(client, Some(self.program.clone()));
        Ok(())
    }

    fn install_step(&self, step: &ScenarioStep) -> Result<()> {
        match step {
            ScenarioStep::Create { create } => {
                let object = Object::new(portolan_fixtures::in_namespace(create, self.space.name()));
                let plural = format!("{}s", object.text("/kind").to_lowercase());
                let path = format!("/api/v1/namespaces/{}/{plural}", self.space.name());
                self.rig.api().create(&path, &object.0)?;
            }
            ScenarioStep::Annotate { annotate } => {
                let path = format!("/api/v1/namespaces/{}/persistentvolumeclaims/{}", self.space.name(), annotate.name);
                self.rig.api().patch(&path, &json!({"metadata": {"annotations": annotate.annotations}}))?;
            }
            ScenarioStep::Helm { helm, chart, values, set } => {
                // The database is waited for: the next step may look it up.
                let archive = self.archive(chart)?;
                let file = self.folder.path().join("values.json");
                let values =
                    portolan_helm_compat::values::layer(&portolan_fixtures::values_of(values, set), &self.more);
                fs_err::write(&file, values.to_string())?;
                let mut command = self.helm_command(&self.rig.kubeconfig());
                command.args([helm.as_str(), "runai-backend"]).arg(archive).arg("-f").arg(file);
                run(&mut command)?;
                self.wait_for(&[("apps/v1", "statefulsets", "StatefulSet")])?;
                self.wait_for_database()?;
            }
        }
        Ok(())
    }

    /// Waits until every workload of some kinds runs what its template says: a roll that is under way is an order of events
    /// by itself.
    fn wait_for(&self, kinds: &[(&str, &str, &str)]) -> Result<()> {
        kinds.iter().try_for_each(|(api, plural, kind)| {
            self.space.wait(&format!("the {plural}"), |space| {
                let list =
                    space.find(&format!("apis/{api}"), plural)?.with_context(|| format!("{plural} can be listed"))?;
                let items = list["items"].as_array().cloned().unwrap_or_default();
                let is_ready = items.into_iter().all(|mut item| {
                    item["kind"] = json!(kind);
                    item["apiVersion"] = json!(api);
                    portolan_kube_facts::readiness(&Object::new(item)).is_ok()
                });
                Ok(is_ready)
            })
        })
    }

    /// Creates an object of the core API in the namespace.
    ///
    /// # Errors
    /// What the API server says.
    pub fn create(&self, plural: &str, object: &Value) -> Result<()> {
        self.rig.api().create(&format!("/api/v1/namespaces/{}/{plural}", self.space.name()), object).map(drop)
    }

    /// Waits until every workload runs what its template says and is ready, and every Job is done.
    ///
    /// # Errors
    /// Where one is not in time.
    pub fn wait_until_ready(&self) -> Result<()> {
        self.wait_for(&[
            ("apps/v1", "statefulsets", "StatefulSet"),
            ("apps/v1", "deployments", "Deployment"),
            ("batch/v1", "jobs", "Job"),
        ])
    }

    /// A folder with every fixture chart as an archive.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn charts(&self) -> Result<PathBuf> {
        let folder = self.folder.path().join("charts");
        fs_err::create_dir_all(&folder)?;
        for chart in portolan_fixtures::charts() {
            fs_err::write(folder.join(format!("{}-{}.tgz", chart.id.name, chart.id.version)), chart.archive)?;
        }
        Ok(folder)
    }

    /// The archive of a fixture chart, on disk.
    ///
    /// # Errors
    /// Where there is no such chart.
    pub fn archive(&self, chart: &str) -> Result<PathBuf> {
        let found = portolan_fixtures::charts()
            .into_iter()
            .find(|known| format!("{}-{}", known.id.name, known.id.version) == chart)
            .with_context(|| format!("there is no chart {chart}"))?;
        let path = self.folder.path().join(format!("{chart}.tgz"));
        fs_err::write(&path, found.archive)?;
        Ok(path)
    }

    fn helm_command(&self, kubeconfig: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.env("HOME", self.folder.path()).args(["--kubeconfig"]).arg(kubeconfig).args(["-n", self.space.name()]);
        command
    }

    /// The namespace.
    #[must_use]
    pub fn space(&self) -> &Namespace<'a> {
        &self.space
    }

    /// The release.
    #[must_use]
    pub fn release(&self) -> ReleaseId {
        ReleaseId { namespace: self.space.name().into(), name: "runai-backend".into() }
    }

    /// Writes rows of the trial's own into the database.
    ///
    /// # Errors
    /// What the database says.
    pub fn write_rows(&self, count: u32) -> Result<Rows> {
        let sql = format!(
            "create table trial (id int primary key, payload text not null); \
             insert into trial select i, md5(i::text || '-portolan') from generate_series(1, {count}) i"
        );
        self.space.psql(DATABASE, &self.start.password, &sql)?;
        self.rows()
    }

    /// Reads the trial's rows again, with the password that the database was made with.
    ///
    /// # Errors
    /// What the database says.
    pub fn rows(&self) -> Result<Rows> {
        let sql = "select count(*), md5(string_agg(id || payload, ',' order by id)) from trial";
        let line = self.space.psql(DATABASE, &self.start.password, sql)?;
        let (count, checksum) = line.split_once('|').context("psql prints two columns")?;
        Ok(Rows { count: count.into(), checksum: checksum.into() })
    }

    /// The client of the kubeconfig that this installation is reached by now.
    fn client(&self) -> &Client {
        match &self.target {
            Target::Cluster(cluster) => &cluster.client,
            Target::Simulated(_) => unreachable!("this one is on the rig"),
        }
    }

    /// A survey of the installation.
    ///
    /// # Errors
    /// What the survey says.
    pub fn survey(&self) -> Result<Survey> {
        self.runtime.block_on(portolan_workflow::survey(&self.target, &self.release())).map_err(to_anyhow)
    }

    /// The world that a rehearsal of a plan starts from.
    #[must_use]
    pub fn world(&self, found: &Survey, file: &PlanFile) -> World {
        let databases = KnownDatabase::of_plan(&file.plan);
        let mut world = portolan_rehearse::from_inventory(&found.inventory, &databases);
        world.learn_plan(file);
        world
    }

    /// Carries out a plan with the real driver; `on_event` is told of each event.
    ///
    /// # Errors
    /// Where the journal cannot be kept.
    pub fn apply(&self, file: &PlanFile, on_event: &mut dyn FnMut(&Event)) -> Result<(Outcome, PathBuf)> {
        let root = self.folder.path().join("state");
        let store = RunStore::create_or_open(&root, &file.plan.cluster, &file.plan.release, file).map_err(to_anyhow)?;
        let folder = store.folder().to_owned();
        let journal: Vec<JournalRecord> =
            store.entries().map_err(to_anyhow)?.into_iter().map(|entry| entry.record).collect();
        let client = self.runtime.block_on(Client::connect(self.client().kubeconfig(), None)).map_err(to_anyhow)?;
        let mut driver = RunDriver::new(Target::cluster(client, None), store);
        let plan = Arc::new(file.plan.clone());
        let stops = Stops::never();
        let run = portolan_workflow::apply(&mut driver, &plan, &journal, "a trial", &stops, on_event);
        let outcome = self.runtime.block_on(run).map_err(to_anyhow)?;
        Ok((outcome.context("nobody kills this run")?, folder))
    }
}

/// A finding as an error.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
pub fn to_anyhow(finding: Finding) -> anyhow::Error {
    let code: Code = finding.code;
    anyhow::anyhow!("[{code}] {}: {}", finding.found, finding.evidence.join("; "))
}

/// Runs a command; its error output is the error.
fn run(command: &mut Command) -> Result<String> {
    let out = command.output()?;
    if !out.status.success() {
        bail!("{}: {}", command.get_program().to_string_lossy(), String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

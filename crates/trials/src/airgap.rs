//! Upgrades of sites without internet access: a node that has no images, a registry on this machine, and a bundle.

mod bundle;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use portolan_fixtures::{Scenario, ScenarioStep};
use portolan_helm_compat::chart::PackedChart;
use portolan_model::{HelmClient, PlanFile};
use portolan_recipe::RecipeSet;
use portolan_testkit::registry::Registry;
use portolan_testkit::rig::{Cache, ImageTools, Namespace, NodeImages, Rig};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::effects::AuditLog;
use crate::program::Program;
use crate::real::{DATABASE, to_anyhow};
use crate::shell::Shell;

pub use bundle::Era;
use bundle::{Bases, registry_values};

/// How many rows are written before an upgrade.
const ROWS: u32 = 1000;

/// An upgrade of a site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The start, of the fixture charts' scenarios.
    pub start: String,
    /// The version to go to.
    pub to: String,
    /// What the bundle looks like.
    pub era: Era,
    /// The helm of this machine, one of the rig's; without it, one that is too old, so that the bundle's is used.
    #[serde(default)]
    pub helm: Option<String>,
    /// What the site's registry is.
    #[serde(default)]
    pub registry: RegistryProgram,
    /// What is accepted.
    pub accept: Vec<String>,
}

/// A registry's program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryProgram {
    /// distribution 3.1.2.
    #[default]
    Distribution,
    /// docker-registry 2.8.2, which the Linux distributions have: it forgets an upload that breaks off, and appends what is sent twice.
    DockerRegistry,
}

impl RegistryProgram {
    fn path(self, rig: &Rig) -> Result<std::path::PathBuf> {
        Ok(match self {
            Self::Distribution => rig.build().registry(),
            Self::DockerRegistry => ImageTools::get(&Cache::locate()?)?.registry_2(),
        })
    }
}

impl std::fmt::Display for RegistryProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Distribution => "distribution 3.1.2",
            Self::DockerRegistry => "docker-registry 2.8.2",
        })
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}, {}", self.start, self.to, self.registry)
    }
}

/// All cases.
///
/// # Panics
/// Where our own file is broken, which a test has seen.
#[must_use]
pub fn cases() -> Vec<Case> {
    serde_saphyr::from_str(include_str!("../airgap.yaml")).expect("airgap.yaml is readable")
}

/// A rig whose node has nothing but the pause image. It ends when it is dropped.
struct BareRig {
    rig: Rig,
    name: String,
}

impl BareRig {
    fn up() -> Result<Self> {
        let name = format!("airgap-{}", std::process::id());
        let rig = Rig::up_with(&name, "openshift".parse()?, NodeImages::PauseOnly)?;
        let images = rig.node_images()?;
        let bare = Self { rig, name };
        ensure!(images.len() == 1, "the node has more than the pause image: {images:?}");
        Ok(bare)
    }
}

impl Drop for BareRig {
    fn drop(&mut self) {
        if let Err(error) = Rig::down(&self.name) {
            eprintln!("the rig {} is not down: {error:#}", self.name);
        }
    }
}

/// What was seen of a case.
pub struct Row {
    /// The case.
    pub case: Case,
    /// The images that the plan names.
    pub planned: BTreeSet<String>,
    /// The images that the node pulled during the upgrade and from what the new version starts later.
    pub pulled: BTreeSet<String>,
    /// The same by the registry's log.
    pub logged: BTreeSet<String>,
    /// What the registry held of the new version before.
    pub there_before: usize,
    /// How the command ended while the registry was stopped, and what was written then.
    pub stopped: (i32, Vec<String>),
    /// Rows before and after: how many, and a digest.
    pub rows: [String; 2],
    /// The helm of the plan: its version and its digest.
    pub helm: String,
    /// How long the one command took.
    pub took: Duration,
}

impl Row {
    /// What is not as it has to be.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let list = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>().join(", ");
        let not_planned = list(self.pulled.difference(&self.planned).collect());
        let not_pulled = list(self.planned.difference(&self.pulled).collect());
        let not_logged = list(self.pulled.difference(&self.logged).collect());
        let checks = [
            (self.planned.len() >= 40, format!("only {} images", self.planned.len())),
            (not_planned.is_empty(), format!("pulled and not planned: {not_planned}")),
            (not_pulled.is_empty(), format!("planned and not pulled: {not_pulled}")),
            (not_logged.is_empty(), format!("pulled and not in the registry's log: {not_logged}")),
            (self.there_before == 0, format!("{} images were there before", self.there_before)),
            (self.stopped.0 == 3, format!("with the registry stopped it ended with {}", self.stopped.0)),
            (self.stopped.1.is_empty(), format!("with the registry stopped it wrote {}", self.stopped.1.join(", "))),
            (self.rows[0] == self.rows[1], format!("rows {} are {}", self.rows[0], self.rows[1])),
        ];
        checks.into_iter().filter_map(|(holds, complaint)| (!holds).then_some(complaint)).collect()
    }
}

impl Row {
    /// The case in one line.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{:<48} {:<26} {} images, {:.0} s",
            self.case.to_string(),
            self.helm,
            self.pulled.len(),
            self.took.as_secs_f64()
        )
    }
}

/// The rows as a page of the docs.
#[must_use]
pub fn page(rows: &[Row], date: &str) -> String {
    let mut text = format!(
        "# Upgrades without internet access\n\nWritten by `cargo xtask airgap` on {date} from `crates/trials/airgap.yaml`; do not edit it. \
         Each row is one command, `portolan upgrade --bundle FILE --registry HOST:PORT --yes`, on a real cluster whose node began with \
         nothing but the pause image, with a real registry that had no image of the new version. The bundle holds one of \
         our own charts and its images (pods, init containers, sidecars, hooks, a CronJob, a DaemonSet, a ConfigMap, an operator's \
         argument). Planned are the images that the plan names. Pulled are those that the node had afterwards and not before; what the \
         platform starts later (CronJob, ConfigMap, argument) was started by hand. Logged are those of them whose pull the registry's \
         log has. Before, the same command ran while the registry was stopped: it has to end with 3 and write nothing.\n\n\
         | upgrade, registry | bundle | helm of this machine | helm of the plan | planned | pulled | logged | pulled, not planned | planned, not pulled \
         | registry stopped | rows before and after | seconds |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let case = &row.case;
        let bundle = match case.era {
            Era::Deploy => "`deploy/`, plain tar",
            Era::Package => "`chart/`, .tar.gz with a helm",
        };
        let rows = if row.rows[0] == row.rows[1] { "the same" } else { "OTHERS" };
        text.push_str(&format!(
            "| {case} | {bundle} | {} | {} | {} | {} | {} | {} | {} | ended with {}, {} writes | {rows} | {:.0} |\n",
            case.helm.as_deref().unwrap_or(TOO_OLD),
            row.helm,
            row.planned.len(),
            row.pulled.len(),
            row.pulled.intersection(&row.logged).count(),
            row.pulled.difference(&row.planned).count(),
            row.planned.difference(&row.pulled).count(),
            row.stopped.0,
            row.stopped.1.len(),
            row.took.as_secs_f64()
        ));
    }
    text
}

/// The version of a helm that no upgrade is made with.
const TOO_OLD: &str = "3.9.4";

/// Carries out a case on a rig of its own.
///
/// # Errors
/// Where the rig does not do what is asked of it, or the upgrade does not end well.
pub fn trial(case: &Case, program: &Program) -> Result<Row> {
    let bare = BareRig::up()?;
    let rig = &bare.rig;
    let address = SocketAddr::from((rig.state().net().host(), 0));
    let mut site = Site {
        registry: Registry::listen(&case.registry.path(rig)?, address, false)?,
        start: portolan_fixtures::scenario(&case.start).with_context(|| format!("no start {}", case.start))?,
        bases: Bases::of(rig.build())?,
        shell: shell(rig, program, case.helm.as_deref())?,
        space: rig.namespace("trial")?,
        rig,
    };
    rig.pull_plainly_from(site.registry.address())?;
    site.install()?;
    site.upgrade(case)
}

/// A shell with one of the rig's helms, or with one that is too old.
fn shell(rig: &Rig, program: &Program, helm: Option<&str>) -> Result<Shell> {
    match helm {
        Some(version) => Shell::new(rig, program, &rig.helm(version)?),
        None => {
            let shell = Shell::new(rig, program, Path::new("/nowhere"))?;
            let old = shell.home().join("bin/helm");
            fs_err::remove_file(&old)?;
            fs_err::write(&old, format!("#!/bin/sh\necho v{TOO_OLD}\n"))?;
            fs_err::set_permissions(&old, std::fs::Permissions::from_mode(0o755))?;
            Ok(shell)
        }
    }
}

struct Site<'a> {
    rig: &'a Rig,
    registry: Registry,
    start: Scenario,
    bases: Bases,
    shell: Shell,
    space: Namespace<'a>,
}

impl Site<'_> {
    /// Installs the start from images that were pushed before, and fills its database.
    fn install(&self) -> Result<()> {
        let [ScenarioStep::Helm { chart, values, set, .. }] = &self.start.steps[..] else {
            bail!("{} takes more than one step", self.start.name)
        };
        let chart = find(|known| format!("{}-{}", known.id.name, known.id.version) == *chart)?;
        let bundle = self.bundle(&chart, Era::Deploy, "old.tar")?;
        self.shell.ok(&format!("portolan bundle push {bundle} --to {} --plain-http", self.registry.address()))?;
        let archive = self.shell.home().join("old.tgz");
        fs_err::write(&archive, &chart.archive)?;
        self.write("values.json", &portolan_fixtures::values_of(values, set))?;
        self.write("old-env.json", &registry_values(&chart, self.registry.address()))?;
        let helm = self.rig.helm("3.22.0")?;
        self.shell.ok(&format!(
            "{} install runai-backend {} -n {} -f values.json -f old-env.json --wait --timeout 5m",
            helm.display(),
            archive.display(),
            self.space.name()
        ))?;
        self.space.wait_for_psql(DATABASE, &self.start.password)?;
        let sql = format!(
            "create table trial (id int primary key, payload text not null); \
             insert into trial select i, md5(i::text) from generate_series(1, {ROWS}) i"
        );
        self.space.psql(DATABASE, &self.start.password, &sql)?;
        Ok(())
    }

    /// Goes to the new version with one command, first while the registry is stopped.
    fn upgrade(&mut self, case: &Case) -> Result<Row> {
        let chart = find(|known| known.id.version.to_string().starts_with(&format!("{}.", case.to)))?;
        let bundle = self.bundle(&chart, case.era, "new.tar.gz")?;
        self.write("custom-env.yaml", &registry_values(&chart, self.registry.address()))?;
        self.write_recipes()?;
        let accepted = match case.accept.join(",") {
            codes if codes.is_empty() => codes,
            codes => format!(" --accept {codes} --reason trial"),
        };
        let line = format!(
            "--to {} -n {} --recipes {RECIPES} --bundle {bundle} --registry {} --plain-http -f custom-env.yaml{accepted} \
             --timeout ready=300s,delete=300s,helm=300s",
            case.to,
            self.space.name(),
            self.registry.address()
        );
        let planned = self.plan(&line)?;
        let before = self.rig.node_images()?;
        let rows = self.rows()?;
        self.registry.stop()?;
        let log = AuditLog::beside(&self.rig.kubeconfig(), BTreeSet::new())?;
        let stopped = self.shell.run(&format!("portolan upgrade {line} --yes"))?;
        let stopped = (stopped.code, log.writes()?);
        self.registry.restart()?;
        let asked = self.registry.requests()?.len();
        let begin = Instant::now();
        self.shell.ok(&format!("portolan upgrade {line} --yes"))?;
        let took = begin.elapsed();
        self.start_what_comes_later()?;
        let address = self.registry.address();
        let requests = self.registry.requests()?.split_off(asked);
        let names = requests.iter().filter_map(|request| request.pull());
        Ok(Row {
            case: case.clone(),
            planned: planned.images,
            pulled: self.rig.node_images()?.difference(&before).cloned().collect(),
            logged: names.map(|(repository, tag)| format!("{address}/{repository}:{tag}")).collect(),
            there_before: planned.there,
            stopped,
            rows: [rows, self.rows()?],
            helm: planned.helm,
            took,
        })
    }

    /// The plan with the recipes of the site.
    fn plan(&self, line: &str) -> Result<Planned> {
        let said = self.shell.ok(&format!("portolan plan {line} --no-rehearsal --out new.plan"))?;
        let file: PlanFile = serde_json::from_slice(&fs_err::read(self.shell.home().join("new.plan"))?)?;
        let recipes = recipes(&self.shell.home().join(RECIPES))?;
        let images = portolan_workflow::planned_images(&file, &recipes.product);
        let helm = match &file.plan.helm {
            HelmClient::Program { version, digest, .. } => format!("{version} ({})", digest.short()),
            HelmClient::Simulated { .. } => bail!("a simulated helm"),
        };
        // `Images: 42 named by the new version, 0 at HOST, 42 to be pushed from FILE`
        let told = said.stderr.lines().find(|line| line.starts_with("Images: ")).context("the plan counts images")?;
        let there =
            told.split(", ").nth(1).and_then(|part| part.split(' ').next()).and_then(|count| count.parse().ok());
        Ok(Planned {
            images: images.into_iter().map(|image| image.name.to_string()).collect(),
            there: there.with_context(|| told.to_owned())?,
            helm,
        })
    }

    /// The built-in recipes with what they cannot know: the fields of the fixture charts that name images.
    fn write_recipes(&self) -> Result<()> {
        let folder = self.shell.home().join(RECIPES);
        fs_err::create_dir_all(&folder)?;
        for entry in fs_err::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/runai"))? {
            let path = entry?.path();
            let text = fs_err::read_to_string(&path)?;
            let fields: String = LATER
                .iter()
                .map(|key| format!("    - {{object: \"ConfigMap/{{release}}-workload-images\", at: /data/{key}}}\n"))
                .collect();
            let text = text.replace("\n  fields:\n", &format!("\n  fields:\n{fields}"));
            fs_err::write(folder.join(path.file_name().context("a recipe has a name")?), text)?;
        }
        Ok(())
    }

    /// Starts what the new version starts when its time has come: workloads by the images in a ConfigMap, a pod of the operator's,
    /// the CronJob's.
    fn start_what_comes_later(&self) -> Result<()> {
        let get = |api: &str, rest: &str| {
            let found = self.space.find(api, rest)?;
            found.with_context(|| format!("{rest} is there"))
        };
        let map = get("api/v1", "configmaps/runai-backend-workload-images")?;
        let operator = get("apis/apps/v1", "deployments/runai-backend-operator")?;
        let argument = operator.pointer("/spec/template/spec/containers/0/args/0").and_then(Value::as_str);
        let cron = get("apis/batch/v1", "cronjobs/runai-backend-cleanup")?;
        let mut images: Vec<&str> = LATER.iter().filter_map(|key| map["data"][key].as_str()).collect();
        images.extend(argument.and_then(|text| text.split_once('=')).map(|(_, image)| image));
        ensure!(images.len() == LATER.len() + 1, "only {images:?}");
        for (at, image) in images.iter().enumerate() {
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("later-{at}")},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "later", "image": image}]},
            });
            self.rig.api().create(&format!("/api/v1/namespaces/{}/pods", self.space.name()), &pod)?;
        }
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "later"},
            "spec": cron["spec"]["jobTemplate"]["spec"],
        });
        self.rig.api().create(&format!("/apis/batch/v1/namespaces/{}/jobs", self.space.name()), &job)?;
        images.extend(job.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str));
        self.space.wait("the images of what comes later", |_| {
            let there = self.rig.node_images()?;
            Ok(images.iter().all(|image| there.contains(*image)))
        })
    }

    /// Writes the bundle of a chart; its name.
    fn bundle(&self, chart: &PackedChart, era: Era, name: &str) -> Result<String> {
        let bytes = bundle::make(era, chart, &bundle::images(chart), &self.bases, self.rig.build())?;
        fs_err::write(self.shell.home().join(name), bytes)?;
        Ok(name.to_owned())
    }

    fn write(&self, name: &str, values: &Value) -> Result<()> {
        Ok(fs_err::write(self.shell.home().join(name), values.to_string())?)
    }

    fn rows(&self) -> Result<String> {
        let sql = "select count(*), md5(string_agg(id || payload, ',' order by id)) from trial";
        self.space.psql(DATABASE, &self.start.password, sql)
    }
}

/// What is read of a plan.
struct Planned {
    images: BTreeSet<String>,
    /// How many of them the registry has.
    there: usize,
    helm: String,
}

/// The folder of the recipes, in the shell's home.
const RECIPES: &str = "recipes";

/// The keys of the ConfigMap that names images of workloads which the platform starts.
const LATER: [&str; 3] = ["jupyter", "tensorboard", "vscode"];

/// The recipes of a folder.
fn recipes(folder: &Path) -> Result<RecipeSet> {
    let mut files = std::collections::BTreeMap::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().context("a recipe has a name")?.to_string_lossy().into_owned();
        files.insert(name, fs_err::read_to_string(&path)?);
    }
    RecipeSet::load(&files).map_err(to_anyhow)
}

/// The newest fixture chart that fits.
fn find(fits: impl Fn(&PackedChart) -> bool) -> Result<PackedChart> {
    portolan_fixtures::air_gapped_charts().into_iter().rfind(fits).context("there is no such chart")
}

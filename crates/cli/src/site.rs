//! Where a command works: a real installation, or a simulated one.

use fixtures::RecordedRendering;
use helm_compat::chart::PackedChart;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapters::{helm, kubernetes::Client, postgres, store};
use engine::Engine;
use inventory::credential::KnownSecrets;
use inventory::redaction::Redactor;
use inventory::survey::{self, Survey};
use model::{
    Answer, Ask, Code, DatabaseRef, Finding, HelmClient, Input, Object, Outcome, Plan, Record, Ref, ReleaseId,
    Rendered, Rendering, Reply, Request, Right, SecretKey, Seen, Uid,
};
use plan::planner::Servers;
use recipe::Book;
use rehearse::{Installation, KnownDatabase, Saved, World};
use serde_json::Value;

use crate::args::Global;

/// An installation.
pub(crate) enum Site {
    /// Simulated.
    Sim(Box<Sim>),
    /// Real.
    Real(Box<Real>),
}

/// A simulated installation.
pub(crate) struct Sim {
    /// The installation.
    pub(crate) installation: Installation,
    /// The folder that it lies in; `None` for a fresh one of this command.
    pub(crate) folder: Option<PathBuf>,
    /// The survey that it was made of, for one out of a saved inventory.
    pub(crate) found: Option<Found>,
}

/// A saved inventory, read.
pub(crate) struct Found {
    /// What it says.
    pub(crate) survey: Survey,
    /// The texts that stand for its Secrets' values.
    pub(crate) known: KnownSecrets,
}

/// A real installation.
pub(crate) struct Real {
    /// The client.
    pub(crate) client: Client,
}

impl Site {
    /// Finds the installation that the options name.
    pub(crate) async fn open(global: &Global) -> Result<Self, Finding> {
        match &global.sim {
            Some(name) => Ok(Self::Sim(Box::new(Sim::open(name, &book(global)?)?))),
            None => {
                let client = Client::connect(global.kubeconfig.as_deref(), global.context.as_deref()).await?;
                Ok(Self::Real(Box::new(Real { client })))
            }
        }
    }

    /// What a simulated run says of itself in its first line; `None` for a real one.
    pub(crate) fn simulated(&self) -> Option<String> {
        match self {
            Self::Sim(sim) => Some(sim.words()),
            Self::Real(_) => None,
        }
    }

    /// Looks at the installation; writes nothing. Of helms only that of a simulation is in it.
    pub(crate) async fn survey(&self, release: &ReleaseId) -> Result<Survey, Finding> {
        match self {
            Self::Sim(sim) => {
                let helm = Some(sim.installation.helm());
                if let Some(found) = &sim.found {
                    let mut survey = found.of(release)?;
                    survey.inventory.helm = helm;
                    return Ok(survey);
                }
                let world = sim.installation.world();
                let cluster = &world.facts().cluster;
                let mut survey = survey::look(release, &|ask| world.answer(ask), &cluster.server, &cluster.user, helm)?;
                survey.inventory.cluster.api_versions.clone_from(&cluster.api_versions);
                Ok(survey)
            }
            Self::Real(real) => {
                let (answers, api_versions) = tokio::try_join!(real.answers(release), real.client.api_versions())?;
                let mut survey = survey::conclude(release, &answers, real.client.server(), real.client.user(), None)?;
                survey.inventory.cluster.api_versions = api_versions;
                survey.inventory.requests = real.client.requests();
                Ok(survey)
            }
        }
    }

    /// The cluster: the UID of its namespace kube-system, which a survey takes too.
    pub(crate) async fn cluster(&self) -> Option<Uid> {
        let namespace = Ref::new("", "Namespace", "", "kube-system");
        match self {
            Self::Sim(sim) => sim.installation.world().get(&namespace).map(Object::uid),
            Self::Real(real) => match real.client.see(&namespace).await {
                Seen::There(namespace) => Some(namespace.uid()),
                Seen::Absent | Seen::Unreadable(_) => None,
            },
        }
    }

    /// What the databases' servers say of their versions. One that does not answer is left out: the plan says so.
    pub(crate) async fn servers(&self, survey: &Survey, databases: Vec<DatabaseRef>) -> Servers {
        let mut servers = Servers::new();
        for database in databases {
            let said = match self {
                Self::Sim(sim) => sim.installation.world().server_version(&database),
                Self::Real(real) => {
                    let password = survey.secrets.get(&database.password).unwrap_or_default();
                    postgres::version(real.client.raw(), &database, password).await.ok()
                }
            };
            servers.extend(said.map(|said| (database.pod, said)));
        }
        servers
    }

    /// The world that a rehearsal starts from.
    pub(crate) fn world(&self, survey: &Survey, databases: &[KnownDatabase]) -> World {
        match self {
            Self::Sim(sim) => sim.installation.world().clone(),
            Self::Real(_) => rehearse::from_inventory(&survey.inventory, databases),
        }
    }

    /// A rendering as the installation's own objects are shown: where these were redacted, so is it, or every redacted text
    /// would look like a change.
    pub(crate) fn shown(&self, rendering: Rendering, namespace: &str) -> Rendering {
        let Self::Sim(sim) = self else { return rendering };
        let Some(found) = &sim.found else { return rendering };
        let shown = |rendered: Rendered| {
            let text = |text: &String| Redactor::new(&found.known).rendering(text, namespace);
            Rendered {
                manifest: text(&rendered.manifest),
                hooks: rendered.hooks.iter().map(text).collect(),
                record: rendered.record,
            }
        };
        Rendering { first: shown(rendering.first), second: shown(rendering.second), reads: rendering.reads }
    }

    /// What is not as the plan relied on it; empty where the plan can be begun. The engine itself looks.
    pub(crate) async fn moved(&self, plan: &Arc<Plan>) -> Vec<Finding> {
        let mut engine = Engine::resume(plan.clone(), &[], "");
        loop {
            let reply = match (engine.want(), self) {
                (Request::Append(Record::Bound, _), _) => return Vec::new(),
                (Request::Append(..), _) => Reply::Appended,
                (Request::End(Outcome::Moved { findings }), _) => return findings,
                (Request::Read(refs), Self::Real(real)) => Reply::Seen(real.client.read(&refs).await),
                (request @ Request::Read(_), Self::Sim(sim)) => {
                    sim.installation.clone().serve(&engine, &request, &mut |_, _| true)
                }
                // Before it is bound, an engine appends, reads or ends. If it asks for anything else, nobody knows whether the
                // cluster is still as planned.
                (..) => return vec![not_compared()],
            };
            engine.on(Input::Reply(reply));
        }
    }

    /// Whether this user may write all that a plan writes, helm's part included.
    ///
    /// # Errors
    /// [`Code::MayNotWrite`] with what is missing.
    pub(crate) async fn check_rights(&self, plan: &Plan) -> Result<(), Finding> {
        let Self::Real(real) = self else { return Ok(()) };
        let rights: Vec<Right> = plan.rights().into_iter().collect();
        let missing = real.client.forbidden(&rights).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let found = format!("user {} may not write what the plan writes; nothing was written", real.client.user());
        Err(missing
            .iter()
            .fold(Finding::blocking(Code::MayNotWrite, found), |finding, right| finding.with(right.to_string())))
    }

    /// Where runs on this installation are kept. A fresh simulated one is another one each time, so it has a folder
    /// of its own.
    pub(crate) fn state_root(&self, global: &Global) -> Result<PathBuf, Finding> {
        match self {
            Self::Sim(sim) => match &sim.folder {
                Some(folder) => Ok(folder.join("state")),
                None => {
                    let root = store::root(global.state_dir.as_deref())?.join("simulated");
                    let id = std::process::id();
                    let now = std::time::SystemTime::now()
                        .duration_since(std::time::UNIX_EPOCH)
                        .map_or(0, |since| since.as_secs());
                    prune(&root);
                    Ok(root.join(format!("{}-{now}-{id}", sim.installation.name)))
                }
            },
            Self::Real(_) => store::root(global.state_dir.as_deref()),
        }
    }
}

/// What a plan relies on was not compared with the installation, because the engine asked for something else first.
fn not_compared() -> Finding {
    Finding::blocking(Code::Moved, "what the plan relies on was not compared with the installation")
        .with("the engine asked for something else first")
        .next("report it: this is an error of Portolan")
}

impl Real {
    /// All that a survey of a release asks.
    async fn answers(&self, release: &ReleaseId) -> Result<BTreeMap<Ask, Answer>, Finding> {
        let mut answers = self.ask(survey::first(release)).await?;
        loop {
            let more = survey::further(&answers, release);
            if more.is_empty() {
                return Ok(answers);
            }
            answers.append(&mut self.ask(more).await?);
        }
    }

    async fn ask(&self, asks: Vec<Ask>) -> Result<BTreeMap<Ask, Answer>, Finding> {
        let answers = self.client.answers(&asks).await?;
        Ok(asks.into_iter().zip(answers).collect())
    }
}

impl Sim {
    /// One by its name, its folder, or the file of a saved inventory. The recipes say where its databases are.
    pub(crate) fn open(name: &str, book: &Book) -> Result<Self, Finding> {
        let folder = Path::new(name);
        if folder.is_file() {
            return Self::of_inventory(folder, book);
        }
        if Self::is_fresh(name) {
            return Ok(Self { installation: Self::fresh(name)?, folder: None, found: None });
        }
        if !folder.join("installation.json").exists() {
            let finding = Finding::blocking(Code::NoSimulation, format!("there is no simulated installation `{name}`"));
            return Err(finding.with(format!("there are: {}", fixtures::installation_names().join(", "))));
        }
        Self::load(folder)
    }

    /// Whether this names one that each command makes afresh, or the file of one; a folder of that name goes first.
    pub(crate) fn is_fresh(name: &str) -> bool {
        let known = fixtures::installation_names().iter().any(|known| known == name) || Path::new(name).is_file();
        known && !Path::new(name).join("installation.json").exists()
    }

    /// A fresh installation by its name.
    pub(crate) fn fresh(name: &str) -> Result<Installation, Finding> {
        let render = |chart: &PackedChart, release: &ReleaseId, values: &Value| -> Result<RecordedRendering, Finding> {
            let key = fixtures::rendering_key(&chart.digest, release, values);
            fixtures::recorded(&key).ok_or_else(|| {
                Finding::blocking(Code::NotRecorded, format!("the rendering {key} of {} is not recorded", chart.id))
            })
        };
        fixtures::installation(name, &render)
    }

    /// The installation that a saved inventory shows.
    fn of_inventory(path: &Path, book: &Book) -> Result<Self, Finding> {
        let survey = read_inventory(path)?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let databases = known_databases(book, &survey.inventory.release.id);
        let installation = Installation::of_world(&name, rehearse::from_inventory(&survey.inventory, &databases));
        let known = survey.known();
        Ok(Self { installation, folder: None, found: Some(Found { survey, known }) })
    }

    /// An installation out of its folder.
    pub(crate) fn load(folder: &Path) -> Result<Self, Finding> {
        let path = folder.join("installation.json");
        let unusable = |error: String| {
            Finding::blocking(Code::NoSimulation, format!("{} is not usable", path.display())).with(error)
        };
        let text = fs_err::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
        let saved: Saved = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
        Ok(Self { installation: Installation::load(saved), folder: Some(folder.to_owned()), found: None })
    }

    /// Replaces what lies in the folder, whole or not at all.
    pub(crate) fn save(&self) -> Result<(), Finding> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let unusable = |error: String| {
            Finding::blocking(Code::StateFolder, format!("{} cannot be written", folder.display())).with(error)
        };
        let text = serde_json::to_string(&self.installation.save()).map_err(|error| unusable(error.to_string()))?;
        let draft = folder.join("installation.json.new");
        fs_err::write(&draft, text).map_err(|error| unusable(error.to_string()))?;
        fs_err::rename(&draft, folder.join("installation.json")).map_err(|error| unusable(error.to_string()))
    }

    /// Whether the charts that Portolan brings along fit: they made every simulated installation, but none that was surveyed
    /// elsewhere.
    pub(crate) fn has_charts(&self) -> bool {
        !self.installation.world().facts().surveyed
    }

    fn words(&self) -> String {
        let name = &self.installation.name;
        if !self.has_charts() {
            return format!(
                "Simulated installation {name}, made from an inventory: the values of its Secrets stand for themselves, what was \
                 redacted stays so, and of its databases' rows nothing is known."
            );
        }
        let checked = fixtures::checked_rules();
        let rules = rehearse::RULES.len() + rehearse::HELM_RULES.len();
        let how = if checked.helms.is_empty() {
            format!("none of its {rules} rules was checked against a real helm yet")
        } else {
            format!(
                "{} of its {rules} rules were checked against helm {}",
                checked.rules.len(),
                checked.helms.join(", ")
            )
        };
        let rows = match self.found {
            Some(_) => " It is made from an inventory: of its databases' rows nothing is known.",
            None => "",
        };
        format!("Simulated installation {name}; its charts are Portolan's own, shaped after the vendor's; {how}.{rows}")
    }
}

impl Found {
    /// The survey, where it is of this release.
    fn of(&self, release: &ReleaseId) -> Result<Survey, Finding> {
        let found = &self.survey.inventory.release.id;
        if found == release {
            return Ok(self.survey.clone());
        }
        Err(Finding::blocking(
            Code::NoRelease,
            format!("the inventory is not of release {} in namespace {}", release.name, release.namespace),
        )
        .with(format!("it is of release {} in namespace {}", found.name, found.namespace)))
    }
}

/// A saved inventory out of its file, YAML or JSON.
fn read_inventory(path: &Path) -> Result<Survey, Finding> {
    let unusable = |error: String| {
        Finding::blocking(Code::NoSimulation, format!("{} is no saved inventory", path.display()))
            .with(error)
            .next("portolan survey -o yaml > FILE makes one")
    };
    let text = fs_err::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    // A large inventory is read faster as what it is.
    let file: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?
    } else {
        serde_saphyr::from_str(&text).map_err(|error| unusable(error.to_string()))?
    };
    inventory::read_saved(file).map_err(|finding| unusable(finding.evidence.join("; ")))
}

/// The databases that the recipes know.
fn known_databases(book: &Book, release: &ReleaseId) -> Vec<KnownDatabase> {
    let databases = book.product.databases.iter();
    databases
        .map(|database| {
            let secret = Ref::secret(&release.namespace, &recipe::fill(&database.password.secret, release));
            let key = |key: &String| SecretKey { secret: secret.clone(), key: key.clone() };
            KnownDatabase {
                set: Ref::set(&release.namespace, &recipe::fill(&database.set, release)),
                passwords: database.password.keys.iter().map(key).collect(),
                server_version: String::new(),
            }
        })
        .collect()
}

/// The release that the options name, else the one that a simulation has, else the recipes'.
pub(crate) fn release(global: &Global, site: &Site, book: &Book) -> ReleaseId {
    let usual = match site {
        Site::Sim(sim) => sim.installation.world().facts().release.clone(),
        Site::Real(_) => {
            let (namespace, name) = book.release();
            ReleaseId { namespace: namespace.to_owned(), name: name.to_owned() }
        }
    };
    ReleaseId {
        namespace: global.namespace.clone().unwrap_or(usual.namespace),
        name: global.release.clone().unwrap_or(usual.name),
    }
}

/// The helm of this machine. A look can do without one, and a simulated installation has one of its own.
pub(crate) async fn helm(global: &Global, site: &Site) -> Result<Option<HelmClient>, Finding> {
    match site {
        Site::Sim(_) => Ok(None),
        Site::Real(_) => match helm::find(global.helm.as_deref()).await {
            Ok(client) => Ok(Some(client)),
            // One that was named has to be there.
            Err(finding) if global.helm.is_some() => Err(finding),
            Err(_) => Ok(None),
        },
    }
}

/// A fresh simulated installation is gone when its command ends.
pub(crate) fn not_kept(name: &str) -> Finding {
    Finding::blocking(Code::NoPlan, format!("no run is kept of {name}: each command makes it afresh"))
        .why("only a simulated installation in a folder is there for the next command")
        .next(format!("portolan sim new {name} FOLDER, then --sim FOLDER"))
}

/// How many folders of runs on fresh simulated installations are kept.
const KEPT: usize = 5;

/// Removes the folders of runs on fresh simulated installations, but for the newest and those of living commands.
fn prune(simulated: &Path) {
    let Ok(entries) = fs_err::read_dir(simulated) else { return };
    let mut folders: Vec<(std::time::SystemTime, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((fs_err::metadata(&path).ok()?.modified().ok()?, path))
        })
        .collect();
    folders.sort();
    let alive = |path: &Path| {
        let pid = path.file_name()?.to_str()?.rsplit_once('-')?.1.to_owned();
        Some(Path::new("/proc").join(pid).exists())
    };
    for (_, path) in folders.iter().rev().skip(KEPT) {
        if alive(path) == Some(false) {
            // What cannot be removed is in nobody's way.
            drop(fs_err::remove_dir_all(path));
        }
    }
}

/// The recipes: the built-in ones, or those of a folder.
pub(crate) fn book(global: &Global) -> Result<Book, Finding> {
    let Some(folder) = &global.recipes else { return Ok(Book::builtin()) };
    let mut files = BTreeMap::new();
    let unusable = |error: std::io::Error| {
        Finding::blocking(Code::BadRecipe, format!("{} cannot be read", folder.display())).with(error.to_string())
    };
    for entry in fs_err::read_dir(folder).map_err(unusable)? {
        let path = entry.map_err(unusable)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            files.insert(name, fs_err::read_to_string(&path).map_err(unusable)?);
        }
    }
    Book::load(&files)
}

//! Where a command works: a real installation, or a simulated one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapters::{helm, kubernetes::Client, postgres, store};
use engine::Engine;
use model::{
    Answer, Ask, Code, Finding, HelmClient, Input, Outcome, Plan, Record, ReleaseId, Reply, Request, SecretKey,
};
use plan::planner::{self, Servers};
use plan::survey::{self, Survey};
use recipe::Book;
use rehearse::{Installation, KnownDatabase, Saved, World, shelf};
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
}

/// A real installation.
pub(crate) struct Real {
    /// The client.
    pub(crate) client: Client,
    /// The API groups that the server offers; known after the survey.
    pub(crate) groups: Vec<String>,
}

impl Site {
    /// Finds the installation that the options name.
    pub(crate) async fn open(global: &Global) -> Result<Self, Finding> {
        match &global.sim {
            Some(name) => Ok(Self::Sim(Box::new(Sim::open(name)?))),
            None => {
                let client = Client::connect(global.kubeconfig.as_deref(), global.context.as_deref()).await?;
                Ok(Self::Real(Box::new(Real { client, groups: Vec::new() })))
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

    /// Looks at the installation; writes nothing.
    pub(crate) async fn survey(&mut self, release: &ReleaseId, helm: Option<HelmClient>) -> Result<Survey, Finding> {
        match self {
            Self::Sim(sim) => {
                let world = sim.installation.world();
                let cluster = &world.facts().cluster;
                let helm = helm.or_else(|| Some(rehearse::simulated_helm()));
                survey::look(release, &|ask| world.answer(ask), &cluster.server, &cluster.user, helm)
            }
            Self::Real(real) => {
                let mut answers = real.ask(survey::first(release)).await?;
                answers.append(&mut real.ask(survey::second(&answers, release)).await?);
                if let Some(Answer::Server { groups, .. }) = answers.get(&Ask::Server) {
                    real.groups.clone_from(groups);
                }
                let mut survey = survey::conclude(release, &answers, real.client.server(), real.client.user(), helm)?;
                survey.inventory.requests = real.client.requests();
                Ok(survey)
            }
        }
    }

    /// What the databases' servers say of their versions. One that does not answer is left out: the plan says so.
    pub(crate) async fn servers(&self, survey: &Survey, book: &Book) -> Result<Servers, Finding> {
        let secret = |key: &SecretKey| survey.secrets.get(key).map(str::to_owned);
        let mut servers = Servers::new();
        for database in planner::databases(&survey.inventory, &secret, book)? {
            let said = match self {
                Self::Sim(sim) => sim.installation.world().server_version(&database.pod),
                Self::Real(real) => {
                    let password = secret(&database.password).unwrap_or_default();
                    postgres::version(real.client.raw(), &database, &password).await.ok()
                }
            };
            servers.extend(said.map(|said| (database.pod, said)));
        }
        Ok(servers)
    }

    /// The world that a rehearsal starts from.
    pub(crate) fn world(&self, survey: &Survey, databases: &[KnownDatabase]) -> World {
        match self {
            Self::Sim(sim) => sim.installation.world().clone(),
            Self::Real(real) => rehearse::from_inventory(&survey.inventory, &real.groups, databases),
        }
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
                // invariant: before it is bound, an engine appends, reads or ends
                (..) => return Vec::new(),
            };
            engine.on(Input::Reply(reply));
        }
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

impl Real {
    async fn ask(&self, asks: Vec<Ask>) -> Result<BTreeMap<Ask, Answer>, Finding> {
        let answers = self.client.answers(&asks).await?;
        Ok(asks.into_iter().zip(answers).collect())
    }
}

impl Sim {
    /// One by its name or its folder.
    pub(crate) fn open(name: &str) -> Result<Self, Finding> {
        let folder = Path::new(name);
        if Self::is_fresh(name) {
            return Ok(Self { installation: Self::fresh(name)?, folder: None });
        }
        if !folder.join("installation.json").exists() {
            let finding = Finding::blocking(Code::NoSimulation, format!("there is no simulated installation `{name}`"));
            return Err(finding.with(format!("there are: {}", Installation::names().join(", "))));
        }
        Self::load(folder)
    }

    /// Whether this names one that each command makes afresh; a folder of that name goes first.
    pub(crate) fn is_fresh(name: &str) -> bool {
        let known = Installation::names().iter().any(|known| known == name);
        known && !Path::new(name).join("installation.json").exists()
    }

    /// A fresh installation by its name.
    pub(crate) fn fresh(name: &str) -> Result<Installation, Finding> {
        let render = |chart: &shelf::Chart, release: &ReleaseId, values: &Value| -> Result<shelf::Recorded, Finding> {
            let key = shelf::key(&chart.digest, release, values);
            shelf::recorded(&key).ok_or_else(|| {
                Finding::blocking(Code::NotRecorded, format!("the rendering {key} of {} is not recorded", chart.id))
            })
        };
        Installation::fresh(name, &render)
    }

    /// An installation out of its folder.
    pub(crate) fn load(folder: &Path) -> Result<Self, Finding> {
        let path = folder.join("installation.json");
        let unusable = |error: String| {
            Finding::blocking(Code::NoSimulation, format!("{} is not usable", path.display())).with(error)
        };
        let text = fs_err::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
        let saved: Saved = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
        Ok(Self { installation: Installation::load(saved), folder: Some(folder.to_owned()) })
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

    fn words(&self) -> String {
        let checked = shelf::checked();
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
        let name = &self.installation.name;
        format!("Simulated installation {name}; its charts are Portolan's own, shaped after the vendor's; {how}.")
    }
}

/// The release that the options or the recipes name.
pub(crate) fn release(global: &Global, book: &Book) -> ReleaseId {
    let (namespace, name) = book.release();
    ReleaseId {
        namespace: global.namespace.clone().unwrap_or_else(|| namespace.to_owned()),
        name: global.release.clone().unwrap_or_else(|| name.to_owned()),
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

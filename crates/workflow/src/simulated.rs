//! A simulated installation as a target: a fresh one by its name, one in a folder, or one out of a saved inventory.

use std::path::{Path, PathBuf};

use portolan_adapters::helm::{self, DryRun};
use portolan_helm_compat::chart::PackedChart;
use portolan_inventory::credential::KnownSecrets;
use portolan_inventory::redaction::Redactor;
use portolan_inventory::{Survey, read_saved};
use portolan_model::{Code, Finding, HelmClient, Inventory, Ref, ReleaseId, RenderJob, Rendered, Rendering, SecretKey};
use portolan_recipe::RecipeSet;
use portolan_rehearse::{Installation, InstallationSnapshot, KnownDatabase};
use serde_json::Value;

/// The file of an installation in its folder.
const FILE: &str = "installation.json";

/// Renders a job in place of the recordings.
pub type Render = dyn Fn(&RenderJob) -> Result<Rendering, Finding> + Send + Sync;

/// A simulated installation.
pub struct Simulated {
    /// The installation.
    pub installation: Installation,
    /// The folder that it is saved in after each event; `None` for one that this command makes.
    pub folder: Option<PathBuf>,
    /// The survey that it was made of, for one out of a saved inventory.
    pub saved: Option<SavedSurvey>,
    /// The helm program that the user named, for charts that were not recorded.
    pub helm: Option<PathBuf>,
    /// What renders in place of the recordings.
    pub renders: Option<Box<Render>>,
}

/// A saved inventory, read.
#[derive(Clone)]
pub struct SavedSurvey {
    /// What it says.
    pub survey: Survey,
    /// The placeholders in it.
    pub known: KnownSecrets,
}

impl Simulated {
    /// An installation that is not saved.
    #[must_use]
    pub fn new(installation: Installation) -> Self {
        Self { installation, folder: None, saved: None, helm: None, renders: None }
    }

    /// An installation by its name, its folder, or the file of a saved inventory. The recipes say where its databases are.
    ///
    /// # Errors
    /// [`Code::NoSimulation`] if there is none, or it cannot be read.
    pub fn open(name: &str, book: &RecipeSet) -> Result<Self, Finding> {
        let path = Path::new(name);
        if path.is_file() {
            return Self::of_inventory(path, book);
        }
        if Self::is_fresh(name) {
            return Ok(Self::new(Self::fresh(name)?));
        }
        if !path.join(FILE).exists() {
            let finding = Finding::blocking(Code::NoSimulation, format!("there is no simulated installation `{name}`"));
            return Err(finding.with(format!("available: {}", portolan_fixtures::installation_names().join(", "))));
        }
        Self::load(path)
    }

    /// Whether each command makes this installation anew: the name of one, or the file of an inventory. A folder of that name
    /// goes first.
    #[must_use]
    pub fn is_fresh(name: &str) -> bool {
        let known =
            portolan_fixtures::installation_names().iter().any(|known| known == name) || Path::new(name).is_file();
        known && !Path::new(name).join(FILE).exists()
    }

    /// A fresh installation by its name.
    ///
    /// # Errors
    /// [`Code::NoSimulation`] if there is none of this name, [`Code::NotRecorded`] if a rendering is missing.
    pub fn fresh(name: &str) -> Result<Installation, Finding> {
        portolan_fixtures::installation(name, &|chart: &PackedChart, release: &ReleaseId, values: &Value| {
            let key = portolan_fixtures::rendering_key(&chart.digest, release, values);
            portolan_fixtures::recorded(&key).ok_or_else(|| {
                Finding::blocking(Code::NotRecorded, format!("the rendering {key} of {} is not recorded", chart.id))
                    .next("cargo xtask render")
            })
        })
    }

    fn of_inventory(path: &Path, book: &RecipeSet) -> Result<Self, Finding> {
        let survey = read_inventory(path)?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let databases = known_databases(book, &survey.inventory.release.id);
        let world = portolan_rehearse::from_inventory(&survey.inventory, &databases);
        let saved = SavedSurvey { known: survey.known(), survey };
        Ok(Self { saved: Some(saved), ..Self::new(Installation::of_world(&name, world)) })
    }

    /// The installation in a folder.
    ///
    /// # Errors
    /// [`Code::NoSimulation`] if its file cannot be read.
    pub fn load(folder: &Path) -> Result<Self, Finding> {
        let path = folder.join(FILE);
        let unusable = |error: String| {
            Finding::blocking(Code::NoSimulation, format!("{} is not usable", path.display())).with(error)
        };
        let text = fs_err::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
        let saved: InstallationSnapshot = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
        Ok(Self { folder: Some(folder.to_owned()), ..Self::new(Installation::load(saved)) })
    }

    /// Replaces the file in the folder, whole or not at all. Without a folder nothing is written.
    ///
    /// # Errors
    /// [`Code::StateFolder`] if it cannot be written.
    pub fn save(&self) -> Result<(), Finding> {
        match &self.folder {
            Some(folder) => save(&self.installation, folder),
            None => Ok(()),
        }
    }

    /// Whether the charts that Portolan brings along are those of this installation: they made every simulated installation,
    /// but none that was surveyed elsewhere.
    #[must_use]
    pub fn has_charts(&self) -> bool {
        !self.installation.world().facts().surveyed
    }

    /// The survey of a saved inventory; `None` for an installation that answers for itself.
    pub(crate) fn saved_survey(&self, release: &ReleaseId) -> Option<Result<Survey, Finding>> {
        let saved = self.saved.as_ref()?;
        let found = &saved.survey.inventory.release.id;
        if found == release {
            return Some(Ok(saved.survey.clone()));
        }
        let what = format!("the inventory is not of release {} in namespace {}", release.name, release.namespace);
        let finding = Finding::blocking(Code::NoRelease, what);
        Some(Err(finding.with(format!("it is of release {} in namespace {}", found.name, found.namespace))))
    }

    /// Two renderings of a job: recorded ones, else those that a helm of this machine makes of what the installation holds.
    pub(crate) async fn render(
        &self,
        found: &Inventory,
        helm: &HelmClient,
        job: &RenderJob,
    ) -> Result<Rendering, Finding> {
        if let Some(render) = &self.renders {
            return render(job);
        }
        let namespace = &job.release.namespace;
        if let Some(recorded) = recorded(job) {
            return Ok(self.redacted(recorded?, namespace));
        }
        let program = self.program(helm).await.map_err(|finding| {
            Finding::blocking(Code::NotRecorded, format!("{} with these values was not recorded", job.chart))
                .with(finding.found)
        })?;
        Ok(self.redacted(DryRun::of_simulated(found, job).render(&program, job).await?, namespace))
    }

    /// The helm of this machine that renders for this installation, where `helm` is the simulated one.
    ///
    /// # Errors
    /// [`Code::NoHelm`] if there is none.
    pub(crate) async fn program(&self, helm: &HelmClient) -> Result<HelmClient, Finding> {
        match helm {
            HelmClient::Simulated { .. } => helm::find(self.helm.as_deref()).await,
            HelmClient::Program { .. } => Ok(helm.clone()),
        }
    }

    /// A rendering as the installation's own objects are: redacted where these were, or every redacted text would be a change.
    fn redacted(&self, rendering: Rendering, namespace: &str) -> Rendering {
        let Some(saved) = &self.saved else { return rendering };
        let redacted = |rendered: Rendered| {
            let text = |text: &String| Redactor::new(&saved.known).rendering(text, namespace);
            Rendered {
                manifest: text(&rendered.manifest),
                hooks: rendered.hooks.iter().map(text).collect(),
                record: rendered.record,
            }
        };
        Rendering { first: redacted(rendering.first), second: redacted(rendering.second), reads: rendering.reads }
    }
}

/// What a real helm once made of a job, or said of it; `None` where that was not recorded.
pub(crate) fn recorded(job: &RenderJob) -> Option<Result<Rendering, Finding>> {
    Some(portolan_fixtures::rendering(&job.digest(), &job.release, &job.values)?.outcome())
}

/// Saves an installation in its folder, whole or not at all.
pub(crate) fn save(installation: &Installation, folder: &Path) -> Result<(), Finding> {
    let unusable = |error: String| {
        Finding::blocking(Code::StateFolder, format!("{} cannot be written", folder.display())).with(error)
    };
    let text = serde_json::to_string(&installation.save()).map_err(|error| unusable(error.to_string()))?;
    let draft = folder.join(format!("{FILE}.new"));
    fs_err::write(&draft, text).map_err(|error| unusable(error.to_string()))?;
    fs_err::rename(&draft, folder.join(FILE)).map_err(|error| unusable(error.to_string()))
}

/// A saved inventory out of its file, YAML or JSON.
fn read_inventory(path: &Path) -> Result<Survey, Finding> {
    let unusable = |error: String| {
        Finding::blocking(Code::NoSimulation, format!("{} is no saved inventory", path.display()))
            .with(error)
            .next("name a file that `portolan survey -o yaml` has written")
    };
    let text = fs_err::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    // A large inventory is read faster as what it is.
    let file: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?
    } else {
        serde_saphyr::from_str(&text).map_err(|error| unusable(error.to_string()))?
    };
    read_saved(file).map_err(|finding| unusable(finding.evidence.join("; ")))
}

/// The databases that the recipes know.
fn known_databases(book: &RecipeSet, release: &ReleaseId) -> Vec<KnownDatabase> {
    let databases = book.product.databases.iter();
    databases
        .map(|database| {
            let secret = Ref::secret(&release.namespace, &portolan_recipe::fill(&database.password.secret, release));
            let key = |key: &String| SecretKey { secret: secret.clone(), key: key.clone() };
            KnownDatabase {
                set: Ref::set(&release.namespace, &portolan_recipe::fill(&database.set, release)),
                passwords: database.password.keys.iter().map(key).collect(),
                server_version: String::new(),
            }
        })
        .collect()
}

//! From options to a plan: charts, values, renderings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use adapters::helm;
use adapters::store::RunStore;
use helm_compat::{chart, values};
use model::{ChartId, Code, Digest, Finding, HelmClient, Plan, PlanFile, SecretKey, StepKind};
use plan::planner::{self, ChartPick, RenderJob, Rendering, Wish};
use plan::survey::Survey;
use recipe::Book;
use rehearse::{Forecast, KnownDatabase, Options, Subject, World, shelf};
use serde_json::{Value, json};

use crate::args::{Global, Target};
use crate::output::Output;
use crate::site::{self, Site};

/// What a plan is made from and with.
pub(crate) struct Prepared {
    /// The recipes.
    pub(crate) book: Book,
    /// What was found.
    pub(crate) survey: Survey,
    /// The plan with the objects that it refers to.
    pub(crate) file: PlanFile,
}

/// Surveys an installation.
pub(crate) async fn survey(global: &Global, site: &mut Site) -> Result<(Book, Survey), Finding> {
    let book = site::book(global)?;
    let helm = site::helm(global, site).await?;
    let release = site::release(global, &book);
    let survey = site.survey(&release, helm).await?;
    Ok((book, survey))
}

/// Surveys an installation and plans its upgrade.
pub(crate) async fn plan(
    global: &Global,
    site: &mut Site,
    target: &Target,
    output: &Output,
) -> Result<Prepared, Finding> {
    let (book, survey) = survey(global, site).await?;
    if survey.inventory.helm.is_none() {
        // A survey can do without; this says why there is none.
        helm::find(global.helm.as_deref()).await?;
    }
    // Charts ask what the server has; a simulation's recordings have the answers in them.
    let api_versions = match site {
        Site::Real(real) => Some(real.client.api_versions().await?),
        Site::Sim(_) => None,
    };
    let offered = charts(site, target)?;
    let ids: Vec<ChartId> = offered.iter().map(|chart| chart.id.clone()).collect();
    let Some(to) = &target.to else {
        let finding = Finding::blocking(Code::NoTarget, "no version to upgrade to was named");
        return Err(finding.next("add --to VERSION").with(format!("there are: {}", list(&ids))));
    };
    let mut picks = Vec::new();
    let mut from = survey.inventory.release.chart.clone();
    for spec in target.via.iter().chain([to]) {
        let id = planner::pick(spec, &ids, &from)?;
        let chart = offered.iter().find(|chart| chart.id == id).expect("pick chooses among what is offered");
        picks.push(ChartPick { id: id.clone(), archive: chart.archive.clone() });
        from = id;
    }
    let wish = Wish { to: picks, values: given(target)?, without: target.without.clone() };
    let secret = |key: &SecretKey| survey.secrets.get(key).map(str::to_owned);
    let client = survey.inventory.helm.clone().unwrap_or_else(rehearse::simulated_helm);
    let mut renderings = Vec::new();
    for mut job in planner::jobs(&survey.inventory, &secret, &book, &wish)? {
        if let Some(versions) = &api_versions {
            job.api_versions.clone_from(versions);
        }
        renderings.push(render(global, site, &client, &wish, &job).await?);
    }
    let servers = site.servers(&survey, &book).await?;
    let file = planner::plan(&survey.inventory, &secret, &servers, &book, &wish, &client, &renderings)?;
    let (mut blocking, others): (Vec<Finding>, Vec<Finding>) =
        plan::linter::lint(&file.plan).into_iter().partition(|note| note.severity == model::Severity::Blocking);
    output.findings(&others);
    if let Some(last) = blocking.pop() {
        output.findings(&blocking);
        return Err(last);
    }
    Ok(Prepared { book, survey, file })
}

fn list(ids: &[ChartId]) -> String {
    if ids.is_empty() { "none".into() } else { ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ") }
}

/// The charts to choose from.
fn charts(site: &Site, target: &Target) -> Result<Vec<shelf::Chart>, Finding> {
    if !target.chart.is_empty() {
        let mut all = Vec::new();
        for path in &target.chart {
            read_charts(path, &mut all)?;
        }
        return Ok(all);
    }
    match site {
        Site::Sim(_) => Ok(shelf::charts()),
        Site::Real(_) => Err(Finding::blocking(Code::NoChart, "no chart was named")),
    }
}

fn read_charts(path: &Path, all: &mut Vec<shelf::Chart>) -> Result<(), Finding> {
    let unusable =
        |error: String| Finding::blocking(Code::NoChart, format!("{} is no chart", path.display())).with(error);
    if path.is_dir() && path.join("Chart.yaml").exists() {
        let mut files = BTreeMap::new();
        read_folder(path, path, &mut files).map_err(|error| unusable(error.to_string()))?;
        all.push(shelf::pack(&files));
        return Ok(());
    }
    if path.is_dir() {
        let mut paths: Vec<PathBuf> = fs_err::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(|error| unusable(error.to_string()))?;
        paths.sort();
        let is_chart =
            |path: &Path| path.join("Chart.yaml").exists() || path.extension().is_some_and(|end| end == "tgz");
        for inner in paths.iter().filter(|path| is_chart(path)) {
            read_charts(inner, all)?;
        }
        return Ok(());
    }
    let archive = fs_err::read(path).map_err(|error| unusable(error.to_string()))?;
    let id = chart::read(&archive).map_err(|error| unusable(error.to_string()))?.id();
    all.push(shelf::Chart { id, digest: Digest::of(&archive), archive });
    Ok(())
}

fn read_folder(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_folder(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.insert(name, fs_err::read(&path)?);
        }
    }
    Ok(())
}

/// The values that the user gives.
fn given(target: &Target) -> Result<Value, Finding> {
    let mut all = json!({});
    for path in &target.values {
        let bad = |error: String| {
            Finding::blocking(Code::BadValues, format!("{} cannot be used as values", path.display())).with(error)
        };
        let text = fs_err::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let parsed = values::parse(&text, &path.to_string_lossy()).map_err(|error| bad(error.to_string()))?;
        all = values::layer(&all, &parsed);
    }
    for argument in &target.set {
        values::parse_set_into(argument, &mut all).map_err(|error| {
            Finding::blocking(Code::BadValues, format!("--set {argument} cannot be used")).with(error.to_string())
        })?;
    }
    Ok(all)
}

/// Two renderings of a chart. A simulation has them recorded; others are made by the helm of this machine.
async fn render(
    global: &Global,
    site: &Site,
    client: &HelmClient,
    wish: &Wish,
    job: &RenderJob,
) -> Result<Rendering, Finding> {
    let key = shelf::key(&job.archive, &job.release, &job.values);
    let recorded = if matches!(site, Site::Sim(_)) { shelf::recorded(&key) } else { None };
    if let Some(recorded) = recorded {
        let second = recorded.second.unwrap_or_else(|| recorded.first.clone());
        return Ok(Rendering { first: recorded.first, second });
    }
    let client = if client.path.is_empty() {
        helm::find(global.helm.as_deref()).await.map_err(|finding| {
            Finding::blocking(Code::NotRecorded, format!("{} with these values was not recorded", job.chart))
                .with(finding.found)
        })?
    } else {
        client.clone()
    };
    let archive = wish.to.iter().find(|pick| pick.id == job.chart).map(|pick| pick.archive.clone()).unwrap_or_default();
    let job = helm::RenderJob {
        release: job.release.name.clone(),
        namespace: job.release.namespace.clone(),
        archive,
        values: job.values.clone(),
        kube_version: job.kube_version.clone(),
        api_versions: job.api_versions.clone(),
    };
    let first = helm::template(&client, &job).await?;
    let second = helm::template(&client, &job).await?;
    Ok(Rendering { first, second })
}

/// The objects of a plan's file as bytes.
pub(crate) fn objects(file: &PlanFile) -> Vec<(Digest, Vec<u8>)> {
    use base64::Engine as _;
    let decode = |text: &String| base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    file.objects.iter().map(|(digest, text)| (digest.clone(), decode(text))).collect()
}

/// A run's plan with the objects that it names, out of the run's folder.
pub(crate) fn of_run(run: &RunStore) -> Result<PlanFile, Finding> {
    use base64::Engine as _;
    let plan = run.plan()?;
    let mut objects = BTreeMap::new();
    for step in plan.steps() {
        if let StepKind::HelmUpgrade { run: helm } = &step.kind {
            for digest in [&helm.archive, &helm.values, &helm.manifest] {
                let text = base64::engine::general_purpose::STANDARD.encode(run.blob(digest)?);
                objects.insert(digest.clone(), text);
            }
        }
    }
    Ok(PlanFile { plan, objects })
}

/// What is not as it was when the plan was made; empty where it can be begun.
pub(crate) async fn moved(site: &Site, survey: &Survey, plan: &Arc<Plan>) -> Vec<Finding> {
    let release = &survey.inventory.release;
    let before = plan.steps().find_map(|step| match &step.kind {
        StepKind::HelmUpgrade { run } => Some(run.base_revision),
        _ => None,
    });
    if release.chart != plan.from || before.is_some_and(|revision| revision != release.revision) {
        let found = "the installation is not as it was when the plan was made; nothing was written";
        let revision = before.map_or_else(String::new, |revision| format!(" revision {revision}"));
        return vec![Finding::blocking(Code::Moved, found).with(format!(
            "release {}  {}{revision} -> {} revision {}",
            release.id.name, plan.from, release.chart, release.revision
        ))];
    }
    site.moved(plan).await
}

/// The databases that the recipes know, for a rehearsal.
pub(crate) fn databases(plan: &Plan) -> Vec<KnownDatabase> {
    plan.databases
        .iter()
        .map(|database| {
            let set = database.pod.name().rsplit_once('-').map_or(database.pod.name(), |(set, _)| set);
            let mut keys = vec![database.password.clone()];
            keys.extend(
                plan.steps()
                    .filter_map(|step| match &step.kind {
                        StepKind::HelmUpgrade { run } => Some(run.guards.iter().map(|guard| guard.key.clone())),
                        _ => None,
                    })
                    .flatten(),
            );
            KnownDatabase {
                set: model::Ref::set(database.pod.namespace(), set),
                passwords: keys,
                server_version: String::new(),
            }
        })
        .collect()
}

/// Rehearses a plan; how long it took comes with it.
pub(crate) fn rehearse(world: &World, file: &PlanFile) -> (Forecast, f64) {
    let begin = Instant::now();
    let mut world = world.clone();
    for (digest, bytes) in objects(file) {
        world.learn(&digest, &bytes);
    }
    let subject = Subject::Plan(Arc::new(file.plan.clone()));
    let forecast = rehearse::rehearse(&world, &subject, &file.plan.volumes, Options::default());
    (forecast, begin.elapsed().as_secs_f64())
}

/// A plan out of its file.
pub(crate) fn load(path: &Path) -> Result<PlanFile, Finding> {
    let bad = |error: String| Finding::blocking(Code::NoPlan, format!("{} is no plan", path.display())).with(error);
    let text = fs_err::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let file: PlanFile = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    if file.plan.format != model::FORMAT {
        return Err(bad(format!("it has format {}, this portolan reads {}", file.plan.format, model::FORMAT)));
    }
    Ok(file)
}

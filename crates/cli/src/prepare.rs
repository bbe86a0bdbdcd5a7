//! From options to a plan: values, renderings.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use adapters::helm;
use adapters::store::RunStore;
use helm_compat::{manifest, values};
use model::{Accepted, Code, Content, Finding, HelmClient, Plan, PlanFile, SecretKey, StepKind};
use plan::planner::{self, RenderJob, Rendering, Wish};
use plan::survey::{self, Survey};
use recipe::Book;
use rehearse::{Forecast, Options, Subject, World, shelf};
use report::Page;
use serde_json::{Value, json};

use crate::args::{Global, Target};
use crate::charts;
use crate::objects::{self, HopObjects};
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

impl Prepared {
    /// The plan for people, and before it where its charts were fetched.
    pub(crate) fn page(&self, rehearsed: Option<(&Forecast, f64)>) -> Page {
        let name = self.book.product.repository.as_ref().map_or("charts", |repository| &repository.name);
        let plan = &self.file.plan;
        report::fetched(&self.file.fetched, name).then(report::plan(plan, &plan.digest(), rehearsed))
    }
}

/// Surveys an installation.
pub(crate) async fn survey(global: &Global, site: &mut Site) -> Result<(Book, Survey), Finding> {
    let book = site::book(global)?;
    let helm = site::helm(global, site).await?;
    let release = site::release(global, site, &book);
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
    survey::upgradable(&survey.inventory)?;
    // Charts ask what the server has; a simulation's recordings have the answers in them.
    let api_versions = &survey.inventory.cluster.api_versions;
    let offered = charts::offered(global, site, target, &book, output).await?;
    let chosen = offered.choose(target, &survey.inventory.release.chart)?;
    let (picks, fetched) = offered.take(chosen).await?;
    let wish = Wish { to: picks, values: given(target)?, without: target.without.clone(), accepted: accepted(target)? };
    let secret = |key: &SecretKey| survey.secrets.get(key).map(str::to_owned);
    let client = survey.inventory.helm.clone().unwrap_or_else(rehearse::simulated_helm);
    let mut renderings = Vec::new();
    for mut job in planner::jobs(&survey.inventory, &secret, &book, &wish)? {
        if !api_versions.is_empty() {
            job.api_versions.clone_from(api_versions);
        }
        renderings.push(render(global, site, &client, &wish, &job).await?);
    }
    let servers = site.servers(&survey, &book).await?;
    let mut file = planner::plan(&survey.inventory, &secret, &servers, &book, &wish, &client, &renderings)?;
    file.fetched = fetched;
    objects::check(site, &survey, objects_of(&renderings, &survey)?, &mut file).await;
    let (mut blocking, others): (Vec<Finding>, Vec<Finding>) =
        plan::linter::lint(&file.plan).into_iter().partition(|note| note.severity == model::Severity::Blocking);
    output.findings(&others);
    if let Some(last) = blocking.pop() {
        output.findings(&blocking);
        return Err(last);
    }
    Ok(Prepared { book, survey, file })
}

/// What each hop's chart renders, in clear.
fn objects_of(renderings: &[Rendering], survey: &Survey) -> Result<Vec<HopObjects>, Finding> {
    let namespace = &survey.inventory.release.id.namespace;
    let hop = |rendering: &Rendering| {
        let docs = manifest::parse(&rendering.first, namespace).map_err(|error| {
            Finding::blocking(Code::ChartRefuses, "the rendering is no manifest").with(error.to_string())
        })?;
        let (mut planned, hooks) = manifest::split_hooks(docs);
        manifest::install_order(&mut planned);
        Ok(HopObjects { planned, hooks, record: None })
    };
    renderings.iter().map(hop).collect()
}

/// What the user takes upon themselves.
fn accepted(target: &Target) -> Result<Vec<Accepted>, Finding> {
    let Some(reason) = &target.reason else { return Ok(Vec::new()) };
    let accepted = target.accept.iter().map(|text| {
        let (code, claim) = match text.split_once('=') {
            Some((code, claim)) => (code, Some(claim.to_owned())),
            None => (text.as_str(), None),
        };
        let code = Code::parse(code).ok_or_else(|| {
            Finding::blocking(Code::BadOption, format!("unknown code `{code}`"))
                .next("a code is PL and a number: PL231")
        })?;
        Ok(Accepted { code, claim, reason: reason.clone() })
    });
    accepted.collect()
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
    let namespace = job.release.namespace.clone();
    let recorded = match site {
        Site::Sim(_) => shelf::rendering(&job.archive, &job.release, &job.values),
        Site::Real(_) => None,
    };
    if let Some(recorded) = recorded {
        let second = recorded.second.unwrap_or_else(|| recorded.first.clone());
        return Ok(site.shown(Rendering { first: recorded.first, second }, &namespace));
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
    Ok(site.shown(Rendering { first, second }, &namespace))
}

/// A run's plan with the objects that it names, out of the run's folder.
pub(crate) fn of_run(run: &RunStore) -> Result<PlanFile, Finding> {
    let plan = run.plan()?;
    let mut objects = BTreeMap::new();
    let hooks = plan.steps().filter_map(|step| match &step.kind {
        StepKind::CheckObjects { check } => Some(&check.hooks),
        _ => None,
    });
    let of_helm = plan.helm_runs().flat_map(|helm| [&helm.archive, &helm.values, &helm.manifest]);
    for digest in of_helm.chain(hooks) {
        objects.insert(digest.clone(), Content(run.blob(digest)?));
    }
    Ok(PlanFile { plan, objects, fetched: Vec::new() })
}

/// What is not as it was when the plan was made; empty where it can be begun.
pub(crate) async fn moved(site: &Site, survey: &Survey, plan: &Arc<Plan>) -> Vec<Finding> {
    let release = &survey.inventory.release;
    let before = plan.helm_runs().next().map(|run| run.base_revision);
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

/// Rehearses a plan; how long it took comes with it.
pub(crate) fn rehearse(world: &World, file: &PlanFile) -> (Forecast, f64) {
    let begin = Instant::now();
    let mut world = world.clone();
    world.learn_plan(file);
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

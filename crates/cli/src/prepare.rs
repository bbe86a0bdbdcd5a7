//! From options to a plan: values, renderings.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use adapters::helm::{self, DryRun};
use adapters::store::RunStore;
use helm_compat::values;
use inventory::survey::{self, Survey};
use model::{
    Accepted, Code, Content, Finding, HelmClient, Inventory, Plan, PlanFile, ReleaseId, RenderJob, Rendering, StepKind,
};
use plan::Planning;
use plan::planner::{Limits, Wish};
use recipe::Book;
use rehearse::{Forecast, KnownDatabase, Options, Subject, World};
use report::Page;
use serde_json::{Value, json};

use crate::args::{Global, Target};
use crate::charts;
use crate::commands::runs;
use crate::objects;
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
    /// Its rehearsal, and the seconds that it took, where one was asked for and there is something to do.
    pub(crate) rehearsed: Option<(Forecast, f64)>,
}

impl Prepared {
    /// The plan for people, and before it where its charts were fetched.
    pub(crate) fn page(&self) -> Page {
        let name = self.book.product.repository.as_ref().map_or("charts", |repository| &repository.name);
        let plan = &self.file.plan;
        let rehearsed = self.rehearsed.as_ref().map(|(forecast, seconds)| (forecast, *seconds));
        report::fetched(&self.file.fetched, name).then(report::plan(plan, &plan.digest(), rehearsed))
    }
}

/// Surveys an installation.
pub(crate) async fn survey(global: &Global, site: &Site) -> Result<(Book, Survey), Finding> {
    let book = site::book(global)?;
    let release = site::release(global, site, &book);
    let survey = survey_of(global, site, &release).await?;
    Ok((book, survey))
}

/// What is there of a release, and the helm of this machine, which is looked for meanwhile.
async fn survey_of(global: &Global, site: &Site, release: &ReleaseId) -> Result<Survey, Finding> {
    let (helm, mut survey) = tokio::try_join!(site::helm(global, site), site.survey(release))?;
    survey.inventory.helm = helm.or(survey.inventory.helm);
    Ok(survey)
}

/// Surveys the release that a plan is for, whatever the usual one is.
pub(crate) async fn survey_for(global: &Global, site: &Site, plan: &Plan) -> Result<Survey, Finding> {
    runs::check_meant(global, &plan.release, "the plan")?;
    let mut survey = survey_of(global, site, &plan.release).await?;
    survey.go_on_from_deployed();
    Ok(survey)
}

/// Surveys an installation, plans its upgrade, and rehearses the plan where that is asked for.
pub(crate) async fn plan(
    global: &Global,
    site: &Site,
    target: &Target,
    rehearses: bool,
    output: &Output,
) -> Result<Prepared, Finding> {
    let (book, mut survey) = survey(global, site).await?;
    survey.go_on_from_deployed();
    if survey.inventory.helm.is_none() {
        // A survey can do without; this says why there is none.
        helm::find(global.helm.as_deref()).await?;
    }
    survey::upgradable(&survey.inventory)?;
    let offered = charts::offered(global, site, target, &book, output).await?;
    let chosen = offered.choose(target, &survey.inventory.release.chart)?;
    let (picks, fetched) = offered.take(chosen).await?;
    let wish = Wish {
        to: picks,
        offered: offered.ids(),
        values: given(target)?,
        without: target.without.clone(),
        accepted: accepted(target)?,
        limits: limits(target)?,
    };
    let client = survey.inventory.helm.clone().unwrap_or_else(rehearse::simulated_helm);
    let mut planning = Planning::new(&survey, &book, &wish, &client)?;
    let servers = site.servers(&survey, planning.databases());
    let dry_run = match site {
        Site::Real(real) => Some(DryRun::of_surveyed(&real.client, &survey.inventory)),
        Site::Sim(_) => None,
    };
    let renderings = async {
        while let Some(job) = planning.job() {
            let rendering = match &dry_run {
                Some(dry_run) => dry_run.render(&client, &job).await?,
                None => render(global, site, &survey.inventory, &client, &job).await?,
            };
            planning.rendered(&rendering)?;
        }
        Ok(())
    };
    // Helm does not wait for the databases, nor they for helm.
    let (servers, rendered) = tokio::join!(servers, renderings);
    rendered?;
    let objects = planning.renderings().to_vec();
    let mut file = planning.finish(&servers)?;
    file.fetched = fetched;
    // The API server is asked meanwhile; its answers change nothing that is rehearsed.
    let rehearsing = (rehearses && !file.plan.hops.is_empty()).then(|| {
        let world = site.world(&survey, &KnownDatabase::of_plan(&file.plan));
        let file = file.clone();
        tokio::task::spawn_blocking(move || rehearse(&world, &file))
    });
    objects::check(site, &survey, objects, &mut file).await;
    let rehearsed = match rehearsing {
        Some(task) => Some(task.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))),
        None => None,
    };
    Ok(Prepared { book, survey, file, rehearsed })
}

/// The time limits that the user gives.
fn limits(target: &Target) -> Result<Limits, Finding> {
    let mut limits = Limits::default();
    for text in &target.timeout {
        let bad = |what: &str| {
            Finding::blocking(Code::BadOption, format!("--timeout {text} cannot be used: {what}"))
                .next("KIND=DURATION, KIND is ready, delete or helm, DURATION is a number with s, m or h: --timeout ready=90s")
        };
        let (kind, duration) = text.split_once('=').ok_or_else(|| bad("it has no `=`"))?;
        let seconds = seconds(duration).ok_or_else(|| bad(&format!("`{duration}` is no duration")))?;
        let limit = match kind {
            "ready" => &mut limits.ready,
            "delete" => &mut limits.delete,
            "helm" => &mut limits.helm,
            other => return Err(bad(&format!("unknown kind `{other}`"))),
        };
        *limit = Some(seconds);
    }
    Ok(limits)
}

/// `90s`, `5m`, `1h`; at least a second.
fn seconds(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let (number, factor) = match unit {
        's' => (&text[..text.len() - 1], 1),
        'm' => (&text[..text.len() - 1], 60),
        'h' => (&text[..text.len() - 1], 3600),
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|seconds| *seconds > 0)
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

/// Two renderings of a chart for a simulated installation: recorded ones, else such as the helm of this machine makes of what the
/// installation holds.
async fn render(
    global: &Global,
    site: &Site,
    found: &Inventory,
    client: &HelmClient,
    job: &RenderJob,
) -> Result<Rendering, Finding> {
    let namespace = &job.release.namespace;
    if let Some(recorded) = fixtures::rendering(&job.digest(), &job.release, &job.values) {
        return Ok(site.shown(recorded.rendering(), namespace));
    }
    let client = if client.path.is_empty() {
        helm::find(global.helm.as_deref()).await.map_err(|finding| {
            Finding::blocking(Code::NotRecorded, format!("{} with these values was not recorded", job.chart))
                .with(finding.found)
        })?
    } else {
        client.clone()
    };
    Ok(site.shown(DryRun::of_simulated(found, job).render(&client, job).await?, namespace))
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

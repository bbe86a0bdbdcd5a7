//! Plans and rehearsals.

use std::sync::Arc;
use std::time::Instant;

use portolan_adapters::helm::DryRun;
use portolan_inventory::{Survey, survey as questions};
use portolan_model::{
    Carried, ChartId, Code, Finding, HelmClient, Inventory, PlanFile, PlannedValue, RenderJob, Rendering, Severity,
    ValueChange,
};
use portolan_plan::planner::{self, HopRendering, UpgradeRequest};
use portolan_plan::{Planning, linter};
use portolan_recipe::RecipeSet;
use portolan_rehearse::{KnownDatabase, Options, Rehearsal, Subject, World};
use serde_json::Value;

pub use portolan_plan::planner::Protection;

use crate::checks::check_objects;
use crate::images::{ImageCount, ImageSource};
use crate::simulated::Simulated;
use crate::target::Target;

/// A plan, and its rehearsal.
pub struct Planned {
    /// The plan with the objects that it refers to.
    pub file: PlanFile,
    /// `None` if none was asked for, or if there is nothing to do.
    pub rehearsal: Option<Rehearsal>,
    /// The images that were asked for; `None` if none were.
    pub images: Option<ImageCount>,
}

/// How a plan is made.
#[derive(Clone, Copy)]
pub struct PlanOptions<'a> {
    /// Whether it is rehearsed.
    pub rehearses: Rehearse,
    /// Where all of its images have to come from; `None` for a site that reaches the internet.
    pub images: Option<&'a ImageSource>,
}

/// Whether a plan is rehearsed while the API server is asked about its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehearse {
    /// It is.
    BesideChecks,
    /// It is not.
    No,
}

/// Plans an upgrade: renders every hop, asks the databases' servers for their versions meanwhile and the site's registry for the
/// images, checks the planned objects against the cluster.
///
/// # Errors
/// As [`Planning::new`]; and if a chart cannot be rendered, or the registry's address is not usable.
pub async fn plan(
    target: &Target,
    survey: &Survey,
    book: &RecipeSet,
    request: &UpgradeRequest,
    options: PlanOptions<'_>,
) -> Result<Planned, Finding> {
    let helm = usable_helm(target, survey).await?;
    let mut planning = Planning::new(survey, book, request, &helm)?;
    let servers = target.servers(survey, planning.databases());
    let renderings = render_all(&mut planning, target, survey, &helm);
    // Helm does not wait for the databases, nor they for helm.
    let (servers, rendered) = tokio::join!(servers, renderings);
    rendered.map_err(|finding| with_questions(&planning, finding))?;
    let mut images = None;
    if let Some(source) = options.images {
        let (count, findings) = crate::images::check_planned(target, survey, &planning, source, &book.product).await?;
        planning.images_from(source.registry.clone(), findings);
        images = Some(count);
    }
    let objects = planning.renderings().to_vec();
    let mut file = planning.finish(&servers)?;
    // The answers of the API server change nothing that is rehearsed.
    let rehearsal = (options.rehearses == Rehearse::BesideChecks && !file.plan.hops.is_empty()).then(|| {
        let world = target.world(survey, &KnownDatabase::of_plan(&file.plan));
        let file = file.clone();
        tokio::task::spawn_blocking(move || rehearse(&world, &file))
    });
    check_objects(target, survey, objects, &mut file).await;
    portolan_plan::planner::accept_live(&mut file.plan)?;
    let rehearsal = match rehearsal {
        Some(task) => Some(task.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))),
        None => None,
    };
    Ok(Planned { file, rehearsal, images })
}

/// What each hop of an upgrade renders, Secrets in clear.
///
/// # Errors
/// As [`plan`].
pub async fn rendered(
    target: &Target,
    survey: &Survey,
    book: &RecipeSet,
    request: &UpgradeRequest,
) -> Result<Vec<HopRendering>, Finding> {
    let helm = usable_helm(target, survey).await?;
    let mut planning = Planning::new(survey, book, request, &helm)?;
    render_all(&mut planning, target, survey, &helm).await?;
    Ok(planning.renderings().to_vec())
}

/// A plan, and the values that its release has at the end.
pub struct PlannedValues {
    /// The plan with the objects that it refers to. The API server was not asked about them.
    pub file: PlanFile,
    /// The user-supplied values at the end, passwords included.
    pub at_end: Value,
    /// Those of them that come out of Secrets.
    pub carried: Vec<Carried>,
    /// The rendering of the last hop; `None` where there is nothing to do.
    pub job: Option<RenderJob>,
}

/// Why an upgrade is not planned for its values.
#[derive(Debug)]
pub struct ValuesRefused {
    /// As [`plan`] says it.
    pub finding: Finding,
    /// The chart at the end, and what becomes of the values in each hop: where a chart does not render, a value that nobody has
    /// decided about may be why. `None` where this is not known either.
    pub decided: Option<(ChartId, Vec<Vec<PlannedValue>>)>,
}

impl From<Finding> for ValuesRefused {
    fn from(finding: Finding) -> Self {
        Self { finding, decided: None }
    }
}

impl From<ValuesRefused> for Finding {
    fn from(refused: ValuesRefused) -> Self {
        refused.finding
    }
}

/// Plans an upgrade for what becomes of the values: nothing is rehearsed, and no object is checked.
///
/// # Errors
/// As [`plan`].
pub async fn plan_values(
    target: &Target,
    survey: &Survey,
    book: &RecipeSet,
    request: &UpgradeRequest,
) -> Result<PlannedValues, ValuesRefused> {
    let helm = usable_helm(target, survey).await?;
    let mut planning = Planning::new(survey, book, request, &helm)?;
    let servers = target.servers(survey, planning.databases());
    let renderings = render_all(&mut planning, target, survey, &helm);
    let (servers, rendered) = tokio::join!(servers, renderings);
    let job = match rendered {
        Ok(job) => job,
        Err(finding) => {
            return Err(ValuesRefused { finding, decided: Some((planning.to().clone(), planning.decided_values())) });
        }
    };
    let config = &survey.inventory.release.config;
    let (at_end, carried) = planning
        .values_at_end()
        .map_or_else(|| (config.clone(), Vec::new()), |(all, some)| (all.clone(), some.to_vec()));
    Ok(PlannedValues { file: planning.finish(&servers)?, at_end, carried, job })
}

/// A chart that does not render, with the values that nobody has decided about: it may need one of them.
fn with_questions(planning: &Planning<'_>, finding: Finding) -> Finding {
    if finding.code != Code::ChartRefuses {
        return finding;
    }
    let hops = planning.decided_values();
    let asked = hops.iter().flatten().filter(|value| value.change == ValueChange::Dropped);
    let asked: Vec<&str> = asked.map(|value| value.path.as_str()).collect();
    match asked.is_empty() {
        true => finding,
        false => finding.with(format!(
            "it is not given these, which are set today, until you say what becomes of them (portolan values --to {}): {}",
            planning.to().version,
            asked.join(", ")
        )),
    }
}

/// The helm of a survey, if its release can be upgraded with it.
///
/// # Errors
/// [`portolan_model::Code::NoHelm`]; as [`portolan_inventory::survey::upgradable`].
pub async fn usable_helm(target: &Target, survey: &Survey) -> Result<HelmClient, Finding> {
    let helm = target.helm_of(survey).await?;
    questions::upgradable(&survey.inventory)?;
    Ok(helm)
}

/// Renders all hops, one after the other; the rendering of the last.
async fn render_all(
    planning: &mut Planning<'_>,
    target: &Target,
    survey: &Survey,
    helm: &HelmClient,
) -> Result<Option<RenderJob>, Finding> {
    let renderer = Renderer::of(target, &survey.inventory);
    let mut last = None;
    while let Some(job) = planning.job() {
        let rendering = renderer.render(&survey.inventory, helm, &job).await;
        planning.rendered(&rendering.map_err(|finding| hidden(survey, &job, finding))?)?;
        last = Some(job);
    }
    Ok(last)
}

/// A finding with helm's words, without the texts of the Secrets and of the values that helm was given: a chart that fails can repeat
/// them, and so can a parser that fails at one.
pub(crate) fn hidden(survey: &Survey, job: &RenderJob, finding: Finding) -> Finding {
    let known = survey.known().and_values(&survey.inventory.release.config);
    known.and_values(&job.given).and_values(&job.values).finding(finding)
}

/// What renders the charts of one plan.
enum Renderer<'a> {
    /// Helm, against the cluster; what it asked for one job it does not ask for the next.
    Cluster(DryRun),
    /// The simulated installation.
    Simulated(&'a Simulated),
}

impl<'a> Renderer<'a> {
    fn of(target: &'a Target, found: &Inventory) -> Self {
        match target {
            Target::Cluster(cluster) => Self::Cluster(DryRun::of_surveyed(&cluster.client, found)),
            Target::Simulated(simulated) => Self::Simulated(simulated),
        }
    }

    async fn render(&self, found: &Inventory, helm: &HelmClient, job: &RenderJob) -> Result<Rendering, Finding> {
        match self {
            Self::Cluster(dry_run) => dry_run.render(helm, job).await,
            Self::Simulated(simulated) => simulated.render(found, helm, job).await,
        }
    }
}

/// The protections of a release alone, linted.
///
/// # Errors
/// [`portolan_model::Code::NotVisible`] if PVCs may not be listed; the finding of a broken safety rule.
pub fn protect(survey: &Survey) -> Result<Protection, Finding> {
    let helm = survey.inventory.helm.clone().unwrap_or_else(portolan_rehearse::simulated_helm);
    let protection = planner::protect(&survey.inventory, &helm)?;
    let broken = linter::lint(&protection.file.plan);
    match broken.into_iter().find(|finding| finding.severity == Severity::Blocking) {
        Some(finding) => Err(finding),
        None => Ok(protection),
    }
}

/// Checks that a plan breaks no safety rule, whoever made it.
///
/// # Errors
/// The first rule that it breaks: such a plan is not carried out.
pub fn check_rules(file: &PlanFile) -> Result<(), Finding> {
    let broken = linter::lint_file(file).into_iter().find(|finding| finding.severity == Severity::Blocking);
    broken.map_or(Ok(()), Err)
}

/// Rehearses a plan in a world.
#[must_use]
pub fn rehearse(world: &World, file: &PlanFile) -> Rehearsal {
    let begin = Instant::now();
    let mut world = world.clone();
    world.learn_plan(file);
    let subject = Subject::Plan(Arc::new(file.plan.clone()));
    let forecast = portolan_rehearse::rehearse(&world, &subject, &file.plan.volumes, Options::default());
    Rehearsal { forecast, took: begin.elapsed() }
}

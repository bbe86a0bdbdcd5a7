//! What each value does in a rendering of a chart, with the helm that planning renders with.

use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use portolan_adapters::helm::DryRun;
use portolan_helm_compat::chart::{self, PackedChart};
use portolan_helm_compat::manifest::Renderings;
use portolan_inventory::Survey;
use portolan_model::{Code, Finding, HelmClient, Object, RenderJob, Rendered, Rendering, ValuesMode};
use portolan_plan::effects::{EffectJob, EffectSearch, Effects};
use portolan_plan::planner::render_job;

use crate::planning::hidden;
use crate::simulated::{Simulated, recorded};
use crate::target::Target;

/// Finds out what each value of a rendering does in it, the values being those and no others. For the new chart it is the rendering
/// that a plan asks for, with what its steps will have changed by then; for the old one, [`render_job`]. Two
/// helms run side by side, one for each rendering.
///
/// # Errors
/// [`Code::NoHelm`] for a simulated installation, if this machine has no helm and what helm would render was not recorded.
/// [`Code::ChartRefuses`] if the chart does not render with the values as they are; and as planning.
pub async fn effects(target: &Target, survey: &Survey, helm: &HelmClient, job: &RenderJob) -> Result<Effects, Finding> {
    let unusable = |error: chart::ChartError| {
        Finding::blocking(Code::ChartRefuses, format!("{} is not readable", job.chart)).with(error.to_string())
    };
    let archive = chart::read(&job.archive).map_err(unusable)?;
    let renderer = Renderer::of(target, survey, helm).await?;
    let release = &survey.inventory.release.id;
    let mut search = EffectSearch::new(&release.name, &job.values, &archive.values).reading(&archive.files);
    let mut renderings = Renderings::new(&release.namespace);
    let mut running = FuturesOrdered::new();
    let mut recording = Recording::First;
    loop {
        for one in search.jobs() {
            let of_two = if one.is_whole { recording } else { Recording::First };
            // The second rendering of the same values: what differs between the two is random.
            recording = Recording::Second;
            let renderer = &renderer;
            running.push_back(async move { (one.is_whole, renderer.with(job, &one, of_two).await) });
        }
        let Some((is_whole, rendered)) = running.next().await else { return Ok(search.finish()) };
        match rendered.and_then(|rendered| objects(&mut renderings, &rendered, job)) {
            Ok(objects) => search.rendered(Ok(objects)),
            Err(finding) if is_whole || !concerns_the_values(finding.code) => return Err(finding),
            Err(finding) => search.rendered(Err(said(&finding))),
        }
    }
}

/// What values do in two charts.
pub struct BothEffects {
    /// Those of today in the installed chart; `None` if that chart is not at hand.
    pub today: Option<Effects>,
    /// Those at the end of an upgrade in the new chart.
    pub then: Effects,
}

/// What the values of today do in the installed chart, and those at the end of an upgrade in the new one; `new` is the rendering of the
/// last hop.
///
/// # Errors
/// As [`effects`].
pub async fn both_effects(
    target: &Target,
    survey: &Survey,
    helm: &HelmClient,
    (installed, new): (Option<&PackedChart>, &RenderJob),
) -> Result<BothEffects, Finding> {
    let then = effects(target, survey, helm, new).await?;
    let today = match installed {
        Some(chart) => {
            let job = render_job(&survey.inventory, chart, &survey.inventory.release.config);
            Some(effects(target, survey, helm, &job).await?)
        }
        None => None,
    };
    Ok(BothEffects { today, then })
}

/// Whether another rendering, with other values, may well succeed.
fn concerns_the_values(code: Code) -> bool {
    !matches!(code, Code::Unreachable | Code::Moved | Code::StateFolder | Code::NoHelm | Code::OldHelm | Code::BadPlan)
}

/// All objects of a rendering, hooks included.
fn objects(known: &mut Renderings, rendered: &Rendered, job: &RenderJob) -> Result<Vec<Object>, Finding> {
    let mut objects = Vec::new();
    for text in std::iter::once(&rendered.manifest).chain(&rendered.hooks) {
        objects.extend(known.parse(text).map_err(|error| {
            Finding::blocking(Code::ChartRefuses, format!("the rendering of {} is no manifest", job.chart))
                .with(error.to_string())
        })?);
    }
    Ok(objects)
}

/// In helm's own words, if it said anything.
fn said(finding: &Finding) -> String {
    if finding.evidence.is_empty() { finding.found.clone() } else { finding.evidence.join("\n") }
}

/// What renders, once for each job.
struct Renderer<'a> {
    survey: &'a Survey,
    helm: HelmClient,
    place: Place<'a>,
}

enum Place<'a> {
    Cluster(DryRun),
    Simulated(&'a Simulated),
    /// A simulated installation on a machine without helm: what was recorded, and nothing else.
    Recorded(Finding),
}

/// Which of the two renderings of the same values that are recorded; a helm makes another one each time.
#[derive(Clone, Copy)]
enum Recording {
    First,
    Second,
}

impl<'a> Renderer<'a> {
    async fn of(target: &'a Target, survey: &'a Survey, helm: &HelmClient) -> Result<Self, Finding> {
        Ok(match target {
            Target::Cluster(cluster) => Self {
                survey,
                helm: helm.clone(),
                place: Place::Cluster(DryRun::of_surveyed(&cluster.client, &survey.inventory)),
            },
            Target::Simulated(simulated) if simulated.renders.is_some() => {
                Self { survey, helm: helm.clone(), place: Place::Simulated(simulated) }
            }
            Target::Simulated(simulated) => match simulated.program(helm).await {
                Ok(program) => Self { survey, helm: program, place: Place::Simulated(simulated) },
                Err(missing) if missing.code == Code::NoHelm && simulated.saved.is_none() => {
                    Self { survey, helm: helm.clone(), place: Place::Recorded(missing) }
                }
                Err(error) => return Err(error),
            },
        })
    }

    /// The rendering of a job with other values.
    async fn with(&self, whole: &RenderJob, one: &EffectJob, recording: Recording) -> Result<Rendered, Finding> {
        let (given, values) = (one.values.clone(), one.values.clone());
        let job = RenderJob { mode: ValuesMode::Reset, given, values, ..whole.clone() };
        self.render(&job, recording).await
    }

    async fn render(&self, job: &RenderJob, recording: Recording) -> Result<Rendered, Finding> {
        let one_of = |both: Rendering| match recording {
            Recording::First => both.first,
            Recording::Second => both.second,
        };
        let rendered = match &self.place {
            Place::Cluster(dry_run) => dry_run.render_once(&self.helm, job).await,
            Place::Recorded(missing) => recorded(job).unwrap_or_else(|| Err(missing.clone())).map(one_of),
            Place::Simulated(simulated) => match &simulated.renders {
                Some(render) => render(job).map(one_of),
                None => DryRun::of_simulated(&self.survey.inventory, job).render_once(&self.helm, job).await,
            },
        };
        rendered.map_err(|finding| hidden(self.survey, job, finding))
    }
}

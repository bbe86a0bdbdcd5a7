//! From options to a plan.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use portolan_adapters::helm;
use portolan_adapters::store::RunStore;
use portolan_helm_compat::values;
use portolan_inventory::Survey;
use portolan_model::{Accepted, Code, Content, Fetched, Finding, Plan, PlanFile, StepKind, Uid};
use portolan_recipe::RecipeSet;
use portolan_rehearse::Rehearsal;
use portolan_report::{Commands, Document};
use portolan_workflow::{
    Catalog, ImageCount, Limits, PlanOptions, Planned, RegistryPlace, Rehearse, Target, UpgradeRequest,
};
use serde_json::{Value, json};

use crate::answers;
use crate::args::{Global, UpgradeOptions};
use crate::charts;
use crate::commands::runs;
use crate::options;
use crate::output::Output;
use crate::site::Site;

/// What a plan is made from and with.
pub(crate) struct PreparedPlan {
    /// The recipes.
    pub(crate) book: RecipeSet,
    /// What was found.
    pub(crate) survey: Survey,
    /// The plan with the objects that it refers to.
    pub(crate) file: PlanFile,
    /// Its rehearsal, if one was asked for and there is something to do.
    pub(crate) rehearsal: Option<Rehearsal>,
    /// The registry and the bundle of a site without internet access.
    pub(crate) site: Option<Site>,
    /// How many images it has, and where they are; `None` if nobody asked.
    pub(crate) images: Option<ImageCount>,
}

impl PreparedPlan {
    /// The plan about to be carried out.
    pub(crate) fn going(&self, yes: bool, prepull: bool) -> Going<'_> {
        let place = self.site.as_ref().map(|site| &site.source.place);
        Going { survey: &self.survey, file: &self.file, place, yes, prepull }
    }

    /// Pushes the bundle that the plan's images come from, if nothing keeps the plan from being applied.
    pub(crate) async fn push(&self, target: &mut Target, output: &Output) -> Result<(), Finding> {
        match &self.site {
            Some(site) if !self.file.plan.hops.is_empty() && self.file.plan.blocking().next().is_none() => {
                site.push(target, output).await
            }
            _ => Ok(()),
        }
    }

    /// The plan for people, and before it where its charts were fetched.
    pub(crate) fn page(&self, commands: Commands) -> Document {
        let name = self.book.product.repository.as_ref().map_or("charts", |repository| &repository.name);
        let plan = &self.file.plan;
        portolan_report::fetched(&self.file.fetched, name).then(portolan_report::plan(
            plan,
            &plan.digest(),
            self.rehearsal.as_ref(),
            commands,
        ))
    }
}

/// A plan that is about to be carried out.
pub(crate) struct Going<'a> {
    /// What was found just before.
    pub(crate) survey: &'a Survey,
    /// The plan with the objects that it refers to.
    pub(crate) file: &'a PlanFile,
    /// How the plan's registry is reached; `None` for the logins that docker, podman and helm know.
    pub(crate) place: Option<&'a RegistryPlace>,
    /// Whether nobody is asked.
    pub(crate) yes: bool,
    /// Whether each node pulls the images before the first write.
    pub(crate) prepull: bool,
}

/// Surveys an installation.
pub(crate) async fn survey(global: &Global, target: &Target) -> Result<(RecipeSet, Survey), Finding> {
    let book = options::book(global)?;
    let release = options::release(global, target, &book);
    let survey = portolan_workflow::survey(target, &release).await?;
    Ok((options::for_chart(global, book, &survey.inventory.release.chart.name), survey))
}

/// Surveys the release that a plan is for, whatever the usual one is.
pub(crate) async fn survey_for(global: &Global, target: &Target, plan: &Plan) -> Result<Survey, Finding> {
    runs::check_meant(global, plan.releases(), "the plan")?;
    let mut survey = portolan_workflow::survey(target, &plan.release).await?;
    survey.go_on_from_deployed();
    Ok(survey)
}

/// A plan is for one cluster.
pub(crate) fn same_cluster(uid: &Uid, plan: &Plan) -> Result<(), Finding> {
    if *uid == plan.cluster {
        return Ok(());
    }
    Err(Finding::blocking(Code::OtherCluster, "the plan was made for another cluster; nothing was written")
        .with(format!("the plan's: {} at {}", plan.cluster, plan.server))
        .with(format!("this one:   {uid}")))
}

/// What is asked for, and of what.
pub(crate) struct PreparedRequest {
    /// The recipes.
    pub(crate) book: RecipeSet,
    /// What was found.
    pub(crate) survey: Survey,
    /// What the options ask for.
    pub(crate) request: UpgradeRequest,
    /// The charts on offer.
    pub(crate) catalog: Catalog,
    /// Where the charts were fetched.
    fetched: Vec<Fetched>,
    /// The registry and the bundle of a site without internet access.
    site: Option<Site>,
}

/// Surveys an installation, and says what its upgrade is to be.
pub(crate) async fn request(
    global: &Global,
    target: &Target,
    options: &UpgradeOptions,
    output: &Output,
) -> Result<PreparedRequest, Finding> {
    let (book, mut survey) = survey(global, target).await?;
    survey.go_on_from_deployed();
    // Before charts are fetched. A survey can do without a helm; this says why there is none.
    let site = Site::named(global, target, options).await?;
    find_helm(global, target, &mut survey, site.as_ref(), output).await?;
    let bundled = site.as_ref().map(|site| site.charts(&book)).transpose()?.flatten();
    let catalog = match bundled {
        Some(charts) => Catalog::new(charts, None),
        None => charts::offered(global, target, options, &book, output).await?,
    };
    let stops: Vec<&String> =
        if options.to.is_some() { options.via.iter().chain(&options.to).collect() } else { Vec::new() };
    let way = catalog.choose(&survey.inventory.release.chart, &stops)?;
    let (to, fetched) = catalog.take(way).await?;
    let request = UpgradeRequest {
        to,
        offered: catalog.ids(),
        values: given(options, output)?,
        answers: options.answers.as_deref().map(answers::read).transpose()?.unwrap_or_default(),
        without: options.without.clone(),
        accepted: accepted(options)?,
        backup: options.backup_of_database.clone(),
        database_ca: options.ca_of_database.as_ref().map(|path| path.to_string_lossy().into_owned()),
        limits: limits(options)?,
    };
    Ok(PreparedRequest { book, survey, request, catalog, fetched, site })
}

/// Makes sure that there is a helm: this machine's, or where that is missing or too old, the bundle's. One that the user named is
/// not replaced.
async fn find_helm(
    global: &Global,
    target: &Target,
    survey: &mut Survey,
    site: Option<&Site>,
    output: &Output,
) -> Result<(), Finding> {
    let Err(finding) = portolan_workflow::usable_helm(target, survey).await else { return Ok(()) };
    let of_bundle = match site {
        Some(site) if matches!(finding.code, Code::NoHelm | Code::OldHelm) => site.helm(global)?,
        _ => None,
    };
    match of_bundle {
        Some(_) if global.helm.is_some() => Err(finding.next("leave out --helm: the bundle has one")),
        Some(program) => {
            let helm = helm::find(Some(&program)).await?;
            output.say(&format!("Helm {} out of the bundle: {}", helm.version(), finding.found));
            survey.inventory.helm = Some(helm);
            portolan_workflow::usable_helm(target, survey).await.map(drop)
        }
        None => Err(finding),
    }
}

/// Surveys an installation, and plans its upgrade.
pub(crate) async fn plan(
    global: &Global,
    target: &Target,
    options: &UpgradeOptions,
    rehearses: Rehearse,
    output: &Output,
) -> Result<PreparedPlan, Finding> {
    let PreparedRequest { book, survey, request, fetched, site, .. } = request(global, target, options, output).await?;
    let plan_options = PlanOptions { rehearses, images: site.as_ref().map(|site| &site.source) };
    let planned = portolan_workflow::plan(target, &survey, &book, &request, plan_options).await?;
    let Planned { mut file, rehearsal, images } = planned;
    if let (Some(site), Some(images)) = (&site, images.filter(|_| !file.plan.hops.is_empty())) {
        output.say(&site.told(images));
    }
    file.fetched = fetched;
    Ok(PreparedPlan { book, survey, file, rehearsal, site, images })
}

/// The time limits that the user gives.
fn limits(options: &UpgradeOptions) -> Result<Limits, Finding> {
    let mut limits = Limits::default();
    for text in &options.timeout {
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
        *limit = Some(Duration::from_secs(seconds));
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

/// What the user accepts by name.
fn accepted(options: &UpgradeOptions) -> Result<Vec<Accepted>, Finding> {
    let Some(reason) = &options.reason else { return Ok(Vec::new()) };
    let accepted = options.accept.iter().map(|text| {
        let (code, claim) = match text.split_once('=') {
            Some((code, claim)) => (code, Some(claim.to_owned())),
            None => (text.as_str(), None),
        };
        let code = Code::parse(code).ok_or_else(|| {
            Finding::blocking(Code::BadOption, format!("unknown code `{code}`"))
                .next("name a code as the plan prints it, such as PL231")
        })?;
        Ok(Accepted { code, claim, reason: reason.clone() })
    });
    accepted.collect()
}

/// The values that the user gives, in helm's order: files, `--set`, `--set-string`.
fn given(options: &UpgradeOptions, output: &Output) -> Result<Value, Finding> {
    let mut all = json!({});
    for path in &options.values {
        let bad = |error: String| {
            Finding::blocking(Code::BadValues, format!("{} cannot be used as values", path.display())).with(error)
        };
        let bytes = fs_err::read(path).map_err(|error| {
            Finding::blocking(Code::BadValues, format!("{} cannot be read", path.display()))
                .with(error.to_string())
                .why("a plan contains the values that helm is given")
                .next("check the path and its permissions")
        })?;
        let file = values::read(&bytes, &path.to_string_lossy()).map_err(|error| bad(error.to_string()))?;
        if let Some(heading) = file.heading {
            let found = format!("{} holds the line `{heading}`, which is left out", path.display());
            output.finding(&Finding::warning(Code::ValuesHeading, found));
        }
        all = values::layer(&all, &file.values);
    }
    type Parse = fn(&str, &mut Value) -> Result<(), values::ValuesError>;
    let arguments: [(&str, &[String], Parse); 2] = [
        ("--set", &options.set, values::parse_set_into),
        ("--set-string", &options.set_string, values::parse_set_string_into),
    ];
    for (option, texts, parse) in arguments {
        for text in texts {
            parse(text, &mut all).map_err(|error| {
                Finding::blocking(Code::BadValues, format!("{option} {text} cannot be used")).with(error.to_string())
            })?;
        }
    }
    Ok(all)
}

/// A run's plan with the objects that it names, out of the run's folder.
pub(crate) fn of_run(run: &RunStore) -> Result<PlanFile, Finding> {
    let plan = run.plan()?;
    let mut objects = BTreeMap::new();
    let hooks = plan.steps().filter_map(|step| match &step.kind {
        StepKind::CheckObjects { check } => Some(&check.hooks),
        _ => None,
    });
    let copies = plan.steps().filter_map(|step| match &step.kind {
        StepKind::RestoreObject { copy, .. } => Some(&copy.digest),
        _ => None,
    });
    let of_helm = plan.helm_runs().flat_map(|helm| helm.archive.iter().chain(&helm.values).chain([&helm.manifest]));
    for digest in of_helm.chain(hooks).chain(copies) {
        objects.insert(digest.clone(), Content::new(run.blob(digest)?));
    }
    Ok(PlanFile { plan, objects, fetched: Vec::new() })
}

/// A plan out of its file.
pub(crate) fn load(path: &Path) -> Result<PlanFile, Finding> {
    let bad = |error: String| Finding::blocking(Code::NoPlan, format!("{} is no plan", path.display())).with(error);
    let text = fs_err::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let file: serde_json::Value = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    portolan_model::check_format(&file["plan"]).map_err(|error| bad(error.to_string()))?;
    serde_json::from_value(file).map_err(|error| bad(error.to_string()))
}

/// What is said of a plan that is not Safe: where steps were left out on request, they are what helps.
pub(crate) fn with_all_steps(plan: &Plan, finding: Finding) -> Finding {
    if plan.without.is_empty() || finding.code != Code::NotSafe {
        return finding;
    }
    finding.next("see the shortest way above; make the plan without --without")
}

use std::sync::Arc;

use portolan_model::{Check, Code, Exit, Finding, Outcome, Plan, Ref, ReleaseId, RouteLook, Seen, Uid};
use portolan_workflow::{Fold, RunDriver, Stops, Target};
use serde::Serialize;

use crate::args::{Global, VerifyArgs};
use crate::commands::{baseline, run_end, runs, unfinished};
use crate::options;
use crate::output::Output;
use crate::prepare;
use crate::progress::ProgressPrinter;

/// The cluster as a survey of the plan's release says, where its namespace kube-system may not be read.
async fn surveyed(global: &Global, target: &Target, plan: &Plan) -> Result<Uid, Finding> {
    let Target::Cluster(cluster) = target else { return Ok(plan.cluster.clone()) };
    let namespace = Ref::new("", "Namespace", "", &plan.release.namespace);
    let seen = cluster.client.see(&namespace).await;
    let uid = if let Seen::There(namespace) = &seen { namespace.uid() } else { None };
    if let Some(uid) = uid {
        return Ok(uid);
    }
    match seen {
        Seen::There(_) => Err(Finding::blocking(Code::NotVisible, format!("{namespace} has no UID"))),
        Seen::Absent => Err(Finding::blocking(Code::NoRunFits, format!("{namespace} does not exist on this cluster"))
            .with(format!("the run is of release {}", plan.release))),
        Seen::Unreadable(text) => Err(Finding::blocking(Code::NotVisible, format!("{namespace} cannot be read"))
            .with(text)
            .with(format!("context: {}", global.context.as_deref().unwrap_or("the current one")))),
    }
}

/// What machines get of it.
#[derive(Serialize)]
struct Verified<'a> {
    /// What was looked at.
    run: &'a str,
    cluster: &'a Uid,
    server: &'a str,
    release: &'a ReleaseId,
    #[serde(flatten)]
    outcome: &'a Outcome,
    /// Why the run has not done its work, where it halted.
    #[serde(skip_serializing_if = "Option::is_none")]
    undone: Option<&'a Finding>,
    /// What each check saw: the verifying steps, and of a run that finished what it left beside them.
    checks: &'a [Check],
    routes: &'a [RouteLook],
}

/// Why a run that halted has not done its work: what the newest revision says of the release that its last helm is about.
async fn undone(target: &Target, plan: &Plan, known: &Fold) -> Option<Finding> {
    if !matches!(known.outcome, Some(Outcome::Halted { .. })) {
        return None;
    }
    let release = plan.helm_runs().last().map_or(&plan.release, |run| &run.release);
    let facts = match target {
        Target::Cluster(cluster) => cluster.client.releases(release, &[].into()).await.unwrap_or_default(),
        Target::Simulated(_) => Vec::new(),
    };
    portolan_report::undone(plan, known, facts.last())
}

/// Carries out the verifying steps of a run's plan again. Nothing is written, neither there nor to the journal.
pub(crate) async fn run(global: &Global, args: &VerifyArgs, output: &Output) -> Result<Exit, Finding> {
    if args.save.is_some() || args.against.is_some() {
        return baseline::run(global, args, output).await;
    }
    // Where there is none at all, no cluster is asked.
    runs::open(global, args.run.as_deref(), None)?;
    let target = options::open(global).await?;
    if let Some(words) = options::simulated(&target) {
        output.say(&words);
    }
    let cluster = target.cluster_uid().await;
    let run = runs::open(global, args.run.as_deref(), cluster.as_ref())?;
    let plan = Arc::new(run.plan()?);
    let known = Fold::of(run.entries()?.iter().map(|entry| &entry.record));
    let cluster = match cluster {
        Some(cluster) => cluster,
        None => surveyed(global, &target, &plan).await?,
    };
    prepare::same_cluster(&cluster, &plan)?;
    output.page(&portolan_report::looked_at(&plan, run.folder()))?;
    output.gap()?;
    let undone = undone(&target, &plan, &known).await;
    let mut driver = RunDriver::new(target, run);
    if let Some(unfinished) = portolan_report::unfinished(&plan, &known) {
        return Err(look_only(&driver, &plan, &known, unfinished, output).await?);
    }
    let mut telling = ProgressPrinter::new(output.room());
    let verified = portolan_workflow::verify(&mut driver, &plan, &known, &Stops::listen(), &mut |event, checks| {
        if let Some(line) = telling.line(event, checks) {
            output.say(&line);
        }
    })
    .await?;
    let outcome = verified.outcome;
    let routes = driver.ask_routes(&portolan_kube_facts::routes(&plan)).await;
    let is_finished = matches!(known.outcome, Some(Outcome::Finished));
    let left = if is_finished { driver.left(&plan).await } else { Vec::new() };
    let steps = verified.seen.into_iter().map(|(step, seen)| portolan_report::step_check(&step, seen));
    let checks: Vec<Check> = steps.chain(left).collect();
    let page = portolan_report::verification(&checks, &outcome, undone.as_ref()).then(portolan_report::routes(&routes));
    output.result(
        &page,
        &Verified {
            run: plan.digest().short(),
            cluster: &plan.cluster,
            server: &plan.server,
            release: &plan.release,
            outcome: &outcome,
            undone: undone.as_ref(),
            checks: &checks,
            routes: &routes,
        },
    )?;
    let wrong: Vec<Finding> = checks.into_iter().filter_map(|check| check.finding).collect();
    output.findings(&wrong);
    let down = run_end::tell_routes(&routes, output);
    if let Some(finding) = &undone {
        output.finding(finding);
    }
    Ok(match outcome {
        Outcome::Finished if down || undone.is_some() || !wrong.is_empty() => Exit::Blocked,
        Outcome::Finished => Exit::Done,
        // A look writes nothing.
        Outcome::StoppedSafely => Exit::NothingWritten,
        _ => Exit::Blocked,
    })
}

/// What is said of a run that did not reach the steps that would make what is checked: no check is waited for, the data is looked at.
async fn look_only(
    driver: &RunDriver,
    plan: &Plan,
    known: &Fold,
    unfinished: Finding,
    output: &Output,
) -> Result<Finding, Finding> {
    let now = run_end::look(driver, plan).await;
    let looked = portolan_report::at_risk(plan, &driver.store().entries()?, &now);
    output.findings(&portolan_report::problems(plan, &now));
    let unfinished = match unfinished::way_out(plan, known, &now) {
        Some(way_out) => unfinished.next(way_out),
        None => unfinished,
    };
    Ok(looked.into_iter().fold(unfinished, Finding::with))
}

use std::path::Path;
use std::sync::Arc;

use adapters::driver::Driver;
use adapters::store::{self, RunStore};
use engine::Engine;
use model::{Action, Code, Exit, Finding, Outcome, PlanFile, Record};
use plan::survey::Survey;
use rehearse::Forecast;

use crate::args::{ApplyArgs, Global};
use crate::commands::rehearse::same_cluster;
use crate::drive::{self, Drive};
use crate::output::Output;
use crate::site::Site;
use crate::{confirm, prepare};

/// Carries out a plan.
pub(crate) async fn run(global: &Global, args: &ApplyArgs, output: &Output) -> Result<Exit, Finding> {
    let mut site = Site::open(global).await?;
    if let Some(words) = site.simulated() {
        output.say(&words);
    }
    let (survey, file) = match &args.plan {
        Some(name) => {
            let file = named(global, &site, name)?;
            let (_, survey) = prepare::survey(global, &mut site).await?;
            (survey, file)
        }
        None => {
            let prepared = prepare::plan(global, &mut site, &args.target).await?;
            output.page(&report::plan(&prepared.file.plan, &prepared.file.plan.digest(), None))?;
            (prepared.survey, prepared.file)
        }
    };
    if file.plan.hops.is_empty() {
        output.say("Nothing to do.");
        return Ok(Exit::Done);
    }
    carry_out(global, site, &survey, &file, args.yes, output).await
}

/// A plan by its file, or by the id of a run.
fn named(global: &Global, site: &Site, name: &str) -> Result<PlanFile, Finding> {
    let path = Path::new(name);
    if path.exists() {
        return prepare::load(path);
    }
    let info = store::find(&site.state_root(global)?, name)?;
    let plan = RunStore::open(&info.folder)?.plan()?;
    // Its objects are in the run's folder already.
    Ok(PlanFile { plan, objects: std::collections::BTreeMap::new() })
}

/// Rehearses, asks, and runs; shared with `upgrade`.
pub(crate) async fn carry_out(
    global: &Global,
    site: Site,
    survey: &Survey,
    file: &PlanFile,
    yes: bool,
    output: &Output,
) -> Result<Exit, Finding> {
    let plan = Arc::new(file.plan.clone());
    same_cluster(&survey.inventory.cluster.uid, &plan)?;
    let root = site.state_root(global)?;
    let _lock = store::lock(&root, &plan.cluster, &plan.release)?;
    let run = RunStore::create_or_open(&root, &plan.cluster, &plan.release, file)?;
    output.say(&format!("Run {}   {}", plan.digest().short(), run.folder().display()));
    let journal: Vec<Record> = run.entries()?.into_iter().map(|entry| entry.record).collect();
    let begun = journal.iter().any(|record| matches!(record, Record::Bound));
    let mut rehearsed = None;
    if !begun {
        let world = site.world(survey, &prepare::databases(&plan));
        let (forecast, seconds) = prepare::rehearse(&world, file);
        if !forecast.is_safe() {
            output.page(&report::rehearsal(&plan, &forecast, seconds))?;
            return Err(not_safe(&forecast));
        }
        rehearsed = Some((forecast, seconds));
        if !yes && !matches!(site, Site::Sim(_)) {
            let what = format!("This upgrades {} on {}: {} -> {}.", plan.release.name, plan.server, plan.from, plan.to);
            confirm::by_name(&what, &plan.release.name)?;
        }
    }
    let simulated = site.simulated();
    let mut drive = match site {
        Site::Sim(mut sim) => {
            for (digest, bytes) in prepare::objects(file) {
                sim.installation.world_mut().learn(&digest, &bytes);
            }
            sim.save()?;
            Drive::Sim(sim, run)
        }
        Site::Real(real) => Drive::Real(Box::new(Driver::new(real.client, run))),
    };
    let mut engine = Engine::resume(plan.clone(), &journal, &host());
    let stop = drive::listen();
    let mut last = String::new();
    let outcome = drive::run(&mut engine, &mut drive, &stop, false, &mut |event| {
        if let Some(line) = report::event(event, &plan)
            && line != last
        {
            output.say(&line);
            last = line;
        }
    })
    .await?;
    finish(&drive, &plan, rehearsed.as_ref(), simulated.as_deref(), &outcome, output)
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{} pid {}", name.trim(), std::process::id())
}

fn not_safe(forecast: &Forecast) -> Finding {
    if forecast.volumes.iter().all(|volume| volume.finishes) {
        Finding::blocking(Code::NotSafe, format!("the plan is {}, not Safe; nothing was written", forecast.headline()))
    } else {
        Finding::blocking(Code::NeverFinishes, "the plan never reaches its end; nothing was written")
    }
}

/// The report, on the screen and in the run's folder, and how the command ends.
fn finish(
    drive: &Drive,
    plan: &model::Plan,
    rehearsed: Option<&(Forecast, f64)>,
    simulated: Option<&str>,
    outcome: &Outcome,
    output: &Output,
) -> Result<Exit, Finding> {
    let store = drive.store();
    let entries = store.entries()?;
    let folder = store.folder().display().to_string();
    let shown = rehearsed.map(|(forecast, seconds)| (forecast, *seconds));
    let page = report::run(plan, &entries, shown, &folder, simulated);
    store.write_file("report.md", page.markdown().as_bytes())?;
    output.result(&page, &entries)?;
    match outcome {
        Outcome::Finished => Ok(Exit::Done),
        Outcome::StoppedSafely => Ok(Exit::StoppedSafely),
        Outcome::Moved { findings } => {
            for finding in findings {
                output.finding(finding);
            }
            Ok(outcome.code().map_or(Exit::Error, Code::exit))
        }
        Outcome::Halted { finding } => {
            let mut finding = finding.clone();
            let token = entries.iter().rev().find_map(|entry| match &entry.record {
                Record::Intent { action, .. } => match &**action {
                    Action::Helm { token, .. } => Some(token.clone()),
                    Action::Write(_) => None,
                },
                _ => None,
            });
            if matches!(finding.code, Code::HelmFailed | Code::HelmPending)
                && let Some(token) = token
            {
                finding.evidence.extend(drive.helm_said(&token).lines().map(|line| format!("helm: {line}")));
            }
            output.finding(&finding);
            Ok(finding.code.exit())
        }
    }
}

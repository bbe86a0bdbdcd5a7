use std::path::Path;
use std::sync::Arc;

use adapters::driver::Driver;
use adapters::store::{self, RunStore};
use engine::Engine;
use model::{
    Action, Code, Effect, Entry, Exit, Finding, HelmClient, Outcome, Plan, PlanFile, Record, RouteLook, StepKind,
};
use plan::survey::Survey;
use rehearse::Forecast;

use crate::args::{ApplyArgs, Global};
use crate::commands::rehearse::same_cluster;
use crate::commands::verify::tell_routes;
use crate::drive::{self, Drive, Telling};
use crate::output::Output;
use crate::site::{self, Sim, Site};
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
            let prepared = prepare::plan(global, &mut site, &args.target, output).await?;
            output.page(&prepared.page(None))?;
            (prepared.survey, prepared.file)
        }
    };
    if file.plan.hops.is_empty() {
        output.value(&[(); 0])?;
        output.say(&format!("Nothing to do: {} is installed.", file.plan.from));
        return Ok(Exit::Done);
    }
    carry_out(global, site, &survey, &file, args.yes, output).await
}

/// A plan by its file, or by the id of a run.
fn named(global: &Global, site: &Site, name: &str) -> Result<PlanFile, Finding> {
    let path = Path::new(name);
    if path.is_file() {
        return prepare::load(path);
    }
    if let Some(sim) = global.sim.as_deref().filter(|sim| Sim::is_fresh(sim)) {
        return Err(site::not_kept(sim).with(format!("{name} is no file")));
    }
    let info = store::find(&site.state_root(global)?, name)?;
    prepare::of_run(&RunStore::open(&info.folder)?)
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
    if matches!(site, Site::Real(_)) {
        for_real(&plan.helm)?;
    }
    let root = site.state_root(global)?;
    let _lock = store::lock(&root, &plan.cluster, &plan.release)?;
    let journal = journal(&root, &plan)?;
    let begun = journal.iter().any(|record| matches!(record, Record::Bound));
    let mut rehearsed = None;
    if !begun {
        // First, since a rehearsal in another world says nothing.
        let moved = prepare::moved(&site, survey, &plan).await;
        if !moved.is_empty() {
            output.findings(&moved);
            return Ok(Exit::NothingWritten);
        }
        let world = site.world(survey, &rehearse::KnownDatabase::of_plan(&plan));
        let (forecast, seconds) = prepare::rehearse(&world, file);
        if !forecast.may_be_applied() {
            output.page(&report::rehearsal(&plan, &forecast, seconds))?;
            return Err(not_safe(&forecast));
        }
        // What the planner found and no rehearsal shows, such as a hook that takes a claim with it.
        if let Some(finding) = plan.blocking().next() {
            return Err(finding.clone());
        }
        site.check_rights(&plan).await?;
        rehearsed = Some((forecast, seconds));
        if !yes && !matches!(site, Site::Sim(_)) {
            let what = if plan.from == plan.to {
                format!("This protects the data of {} on {}.", plan.release.name, plan.server)
            } else {
                format!("This upgrades {} on {}: {} -> {}.", plan.release.name, plan.server, plan.from, plan.to)
            };
            confirm::by_name(&what, &plan.release.name)?;
        }
    }
    let run = RunStore::create_or_open(&root, &plan.cluster, &plan.release, file)?;
    output.say(&format!("Run {}   {}", plan.digest().short(), run.folder().display()));
    if journal.iter().any(|record| matches!(record, Record::Ended { outcome: Outcome::Finished })) {
        output.say("This run has finished; nothing is left to do.");
    }
    let simulated = site.simulated();
    let mut drive = match site {
        Site::Sim(mut sim) => {
            sim.installation.world_mut().learn_plan(file);
            sim.save()?;
            Drive::Sim(sim, run)
        }
        Site::Real(real) => Drive::Real(Box::new(Driver::new(real.client, run))),
    };
    let mut engine = Engine::resume(plan.clone(), &journal, &host());
    let stop = drive::listen();
    let mut telling = Telling::default();
    let outcome = drive::run(&mut engine, &mut drive, &stop, false, &mut |event| {
        if let Some(line) = telling.line(event, &plan) {
            output.say(&line);
        }
    })
    .await?;
    let routes = if outcome == Outcome::Finished { drive.ask_routes(&plan.routes()).await } else { Vec::new() };
    let end =
        End { rehearsed: rehearsed.as_ref(), simulated: simulated.as_deref(), outcome: &outcome, routes: &routes };
    finish(&drive, &plan, &end, output)
}

/// How a run ended, and what was seen beside its journal.
struct End<'a> {
    rehearsed: Option<&'a (Forecast, f64)>,
    simulated: Option<&'a str>,
    outcome: &'a Outcome,
    /// Asked once the run has finished.
    routes: &'a [RouteLook],
}

/// Whether a plan's helm is a program: that of a simulated installation is none.
fn for_real(helm: &HelmClient) -> Result<(), Finding> {
    if !helm.path.is_empty() {
        return Ok(());
    }
    Err(Finding::blocking(Code::OtherCluster, "the plan was made on a simulated installation; nothing was written")
        .why("an inventory has no passwords: what helm would apply was rendered without them")
        .next("make the plan again without --sim"))
}

/// What the plan's run has written so far; nothing where there is none yet.
fn journal(root: &Path, plan: &Plan) -> Result<Vec<Record>, Finding> {
    match store::find(root, plan.digest().hex()) {
        Ok(info) => Ok(RunStore::open(&info.folder)?.entries()?.into_iter().map(|entry| entry.record).collect()),
        Err(finding) if finding.code == Code::NoPlan => Ok(Vec::new()),
        Err(finding) => Err(finding),
    }
}

/// Whether the journal shows that no write went out: each intent was refused, or had not been sent.
fn nothing_written(entries: &[Entry]) -> bool {
    let mut open = false;
    for entry in entries {
        match &entry.record {
            Record::Intent { .. } if open => return false,
            Record::Intent { .. } => open = true,
            Record::Effect { effect: Effect::Refused(_) | Effect::Void, .. } => open = false,
            Record::Effect { .. } => return false,
            _ => {}
        }
    }
    !open
}

/// Whether a run is at the step that checks a hop's objects, before anything of the hop is written.
fn is_at_check(plan: &Plan, entries: &[Entry]) -> bool {
    let mut fold = engine::Fold::default();
    for entry in entries {
        fold.apply(&entry.record);
    }
    plan.step(fold.step).is_some_and(|step| matches!(step.kind, StepKind::CheckObjects { .. }))
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
fn finish(drive: &Drive, plan: &Plan, end: &End<'_>, output: &Output) -> Result<Exit, Finding> {
    let store = drive.store();
    let entries = store.entries()?;
    let folder = store.folder().display().to_string();
    let shown = end.rehearsed.map(|(forecast, seconds)| (forecast, *seconds));
    let page = report::run(plan, &entries, shown, &folder, end.simulated, end.routes);
    store.write_file("report.md", page.markdown().as_bytes())?;
    // What went wrong comes last, on standard error, and once.
    output.result(&page.without_findings(), &entries)?;
    match end.outcome {
        Outcome::Finished if tell_routes(end.routes, output) => Ok(Exit::Blocked),
        Outcome::Finished => Ok(Exit::Done),
        Outcome::StoppedSafely => Ok(Exit::StoppedSafely),
        Outcome::Moved { findings } => {
            output.findings(findings);
            Ok(Exit::NothingWritten)
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
            let is_safe_point = is_at_check(plan, &entries);
            Ok(match finding.code.exit() {
                Exit::NeedsPerson if nothing_written(&entries) => Exit::NothingWritten,
                // What the check before a hop finds stops the run before anything of that hop is written.
                _ if is_safe_point && nothing_written(&entries) => Exit::NothingWritten,
                _ if is_safe_point => Exit::StoppedSafely,
                exit => exit,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Digest, Ref, Refusal, Rv, StepRef, Uid, Verb, Write};

    use super::*;

    #[test]
    fn a_plan_of_a_simulation_is_not_for_a_real_installation() {
        let simulated = rehearse::simulated_helm();
        assert_eq!(for_real(&simulated).expect_err("it is no program").code, Code::OtherCluster);
        assert!(for_real(&HelmClient { path: "/usr/bin/helm".into(), ..simulated }).is_ok());
    }

    #[test]
    fn nothing_is_written_only_where_every_intent_came_to_nothing() {
        let step = StepRef { index: 0, attempt: 0 };
        let write =
            Write { verb: Verb::Delete, target: Ref::set("ns", "keycloak"), uid: Uid::new("1"), rv: Rv("1".into()) };
        let intent = || Record::Intent { step, action: Box::new(Action::Write(write.clone())), before: None };
        let effect = |effect| Record::Effect { step, effect };
        let refused = || effect(Effect::Refused(Refusal::Conflict));
        let ends = |records: Vec<Record>| {
            let entry = |record| Entry { seq: 0, prev: Digest::of(b""), at: 0, record };
            nothing_written(&records.into_iter().map(entry).collect::<Vec<_>>())
        };
        assert!(ends(vec![Record::Bound]));
        assert!(ends(vec![intent(), refused(), intent(), effect(Effect::Void)]));
        assert!(!ends(vec![intent(), refused(), intent(), effect(Effect::Done)]));
        assert!(!ends(vec![intent(), effect(Effect::Unknown("no answer".into()))]));
        // A crash left no word of what became of it.
        assert!(!ends(vec![intent()]));
        assert!(!ends(vec![intent(), intent(), refused()]));
    }
}

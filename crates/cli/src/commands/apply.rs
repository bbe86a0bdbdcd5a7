use std::path::Path;
use std::sync::Arc;

use portolan_adapters::store::{self, RunStore};
use portolan_inventory::Survey;
use portolan_model::{
    Action, Code, Exit, Finding, HelmClient, JournalRecord, Outcome, Plan, PlanFile, ReleaseId, RouteLook, Severity,
    StepKind, Verdict,
};
use portolan_rehearse::{Forecast, Rehearsal};
use portolan_report::{Now, RunEnd};
use portolan_workflow::{Fold, RegistryPlace, Rehearse, RunDriver, Simulated, Stops, Target, Trial, nothing_written};

use crate::args::{ApplyArgs, Global};
use crate::commands::run_end::{look, tell_routes};
use crate::commands::{runs, unfinished};
use crate::options;
use crate::output::Output;
use crate::prepare::{self, Going};
use crate::progress::ProgressPrinter;
use crate::{confirm, site};

/// Carries out a plan.
pub(crate) async fn run(global: &Global, args: &ApplyArgs, output: &Output) -> Result<Exit, Finding> {
    match begin(global, args, output).await {
        // `Nothing was written` is not true of a run that has written before.
        Err(finding) if finding.code.exit() == Exit::NothingWritten && has_written(global, args) => {
            output.finding(&after_writes(&finding));
            Ok(Exit::NeedsPerson)
        }
        other => other,
    }
}

/// Whether the run that is named has written before. What cannot be read is told by the command itself.
fn has_written(global: &Global, args: &ApplyArgs) -> bool {
    let named = || {
        let name = args.plan.as_deref()?;
        let id = match prepare::load(Path::new(name)) {
            Ok(file) => file.plan.digest().hex().to_owned(),
            Err(_) => name.to_owned(),
        };
        let store = RunStore::open(&store::find(&runs::root(global).ok()?, &id).ok()?.folder).ok()?;
        Some(!nothing_written(store.entries().ok()?.iter().map(|entry| &entry.record)))
    };
    named() == Some(true)
}

/// The finding of a command that ended early, for a run that has written.
fn after_writes(cause: &Finding) -> Finding {
    let code = if cause.code == Code::StateFolder { Code::FolderFailed } else { Code::StoppedAfterWrites };
    let finding = Finding::blocking(code, code.title()).with(format!("[{}] {}", cause.code, cause.found));
    cause.evidence.iter().fold(finding, |finding, line| finding.with(line.clone()))
}

async fn begin(global: &Global, args: &ApplyArgs, output: &Output) -> Result<Exit, Finding> {
    // Before a cluster is asked.
    let named = args.plan.as_deref().map(|name| named(global, name)).transpose()?;
    let mut target = options::open(global).await?;
    if let Some(words) = options::simulated(&target) {
        output.say(&words);
    }
    match named {
        Some(file) => {
            let survey = prepare::survey_for(global, &target, &file.plan).await?;
            let going = Going { survey: &survey, file: &file, place: None, yes: args.yes, prepull: args.prepull };
            proceed(global, target, &going, output).await
        }
        None => {
            let prepared = unfinished::plan(global, &target, &args.target, Rehearse::No, output).await?;
            output.page(&prepared.page(args.commands.shown()))?;
            prepared.push(&mut target, output).await?;
            proceed(global, target, &prepared.going(args.yes, args.prepull), output).await
        }
    }
}

/// Carries out a plan, if it has anything to do.
async fn proceed(global: &Global, target: Target, going: &Going<'_>, output: &Output) -> Result<Exit, Finding> {
    let plan = &going.file.plan;
    if plan.hops.is_empty() {
        output.value(&[(); 0])?;
        output.say(&format!("Nothing to do: {} is installed.", plan.from));
        return Ok(Exit::Done);
    }
    carry_out(global, target, going, output).await
}

/// A plan by its file, or by the id of a run.
fn named(global: &Global, name: &str) -> Result<PlanFile, Finding> {
    let path = Path::new(name);
    if path.is_file() {
        return prepare::load(path);
    }
    if let Some(sim) = global.sim.as_deref().filter(|sim| Simulated::is_fresh(sim)) {
        return Err(options::not_kept(sim).with(format!("{name} is no file")));
    }
    let info = store::find(&runs::root(global)?, name)?;
    prepare::of_run(&RunStore::open(&info.folder)?)
}

/// A plan is carried out on its own cluster, and breaks no safety rule: its file may have been made by hand.
fn may_run(survey: &Survey, file: &PlanFile) -> Result<(), Finding> {
    prepare::same_cluster(&survey.inventory.cluster.uid, &file.plan)?;
    portolan_workflow::check_rules(file)
}

/// Rehearses, asks, and runs; shared with `upgrade`.
pub(crate) async fn carry_out(
    global: &Global,
    mut target: Target,
    going: &Going<'_>,
    output: &Output,
) -> Result<Exit, Finding> {
    let &Going { survey, file, yes, .. } = going;
    let plan = Arc::new(file.plan.clone());
    may_run(survey, file)?;
    if matches!(target, Target::Cluster(_)) {
        for_real(&plan.helm)?;
    }
    let root = options::state_root(&target, global)?;
    let _locks = store::lock_all(&root, &plan.cluster, plan.releases())?;
    let journal = journal(&root, &plan)?;
    let begun = journal.iter().any(|record| matches!(record, JournalRecord::Bound));
    let mut rehearsed = None;
    if !begun {
        // First, since a rehearsal in another world says nothing.
        let moved = portolan_workflow::drift(&target, survey, &plan).await?;
        if !moved.is_empty() {
            output.findings(&moved);
            return Ok(Exit::NothingWritten);
        }
        let rehearsal = rehearsed_as_safe(&target, survey, file, output)?;
        // What the planner found and no rehearsal shows, such as a hook that takes a PVC with it.
        if let Some(finding) = plan.blocking().next() {
            return Err(finding.clone());
        }
        target.check_rights(&plan).await?;
        check_images(global, &target, going, output).await?;
        rehearsed = Some(rehearsal);
        if !yes && !matches!(target, Target::Simulated(_)) {
            confirm(&plan)?;
        }
    }
    let run = RunStore::create_or_open(&root, &plan.cluster, &plan.release, file)?;
    output.say(&format!("Run {}   {}", plan.digest().short(), run.folder().display()));
    if journal.iter().any(|record| matches!(record, JournalRecord::Ended { outcome: Outcome::Finished })) {
        output.say("This run has finished before. Portolan looks whether the release is as it was left; the report is that of the run.");
    }
    if !begun {
        trial_pulls(&target, going, &run, output).await?;
    }
    let simulated = options::simulated(&target);
    if let Target::Simulated(simulated) = &mut target {
        simulated.installation.world_mut().learn_plan(file);
        simulated.save()?;
    }
    let mut driver = RunDriver::new(target, run);
    let mut telling = ProgressPrinter::new(output.room());
    // Until the report is out: whoever asks twice for a stop wants to read what is down.
    let stops = Stops::listen();
    let outcome = portolan_workflow::apply(&mut driver, &plan, &journal, &host(), &stops, &mut |event| {
        if let Some(line) = telling.line(event, &plan) {
            output.say(&line);
        }
    })
    .await;
    let outcome = match outcome {
        // invariant: only a journal in memory comes with somebody who kills
        Ok(outcome) => outcome.unwrap_or(Outcome::StoppedSafely),
        Err(finding) => return broken_off(&driver, &plan, finding, output).await,
    };
    let routes = if outcome == Outcome::Finished {
        driver.ask_routes(&portolan_kube_facts::routes(&plan)).await
    } else {
        Vec::new()
    };
    let now = look(&driver, &plan).await;
    let end = End {
        rehearsal: rehearsed.as_ref(),
        simulated: simulated.as_deref(),
        outcome: &outcome,
        routes: &routes,
        now: &now,
    };
    finish(&driver, &plan, &end, output)
}

/// Whether the registry that a plan is bound to has all of its images, just before the first write.
async fn check_images(global: &Global, target: &Target, going: &Going<'_>, output: &Output) -> Result<(), Finding> {
    let Some(registry) = &going.file.plan.registry else { return Ok(()) };
    let place = match going.place {
        Some(place @ RegistryPlace::Network(_)) => place.clone(),
        // What a push put into a simulated one is in the installation.
        Some(RegistryPlace::Simulated(_)) | None => site::place(target, registry, None)?,
    };
    let product = options::for_chart(global, options::book(global)?, &going.file.plan.to.name).product;
    let mut missing = portolan_workflow::missing_images(going.file, &place, &product).await?;
    let Some(last) = missing.pop() else { return Ok(()) };
    output.findings(&missing);
    Err(last)
}

/// Has the nodes pull the images, if that is asked for; else removes what a trial that was cut off left.
async fn trial_pulls(target: &Target, going: &Going<'_>, run: &RunStore, output: &Output) -> Result<(), Finding> {
    let cluster = match target {
        Target::Cluster(cluster) => cluster,
        Target::Simulated(_) if going.prepull => {
            output.say("Nothing is pulled: a simulated installation has no nodes that could.");
            return Ok(());
        }
        Target::Simulated(_) => return Ok(()),
    };
    if !going.prepull {
        return portolan_workflow::clear_trial(&cluster.client, going.file, run).await;
    }
    output.say(
        "The nodes pull the images of the new and the installed version, in pods that run nothing and are removed.",
    );
    let trial = Trial { file: going.file, survey: going.survey };
    let (report, warnings) = portolan_workflow::trial_pulls(&cluster.client, trial, run, &Stops::listen()).await?;
    output.say(&report.told());
    warnings.iter().for_each(|warning| output.finding(warning));
    Ok(())
}

fn confirm(plan: &Plan) -> Result<(), Finding> {
    let restored = plan.steps().filter(|step| matches!(step.kind, StepKind::RestoreObject { .. })).count();
    let what = if restored > 0 {
        let objects = portolan_model::counted(restored, "object");
        format!("This puts back {objects} of {} on {}.", plan.release.name, plan.server)
    } else if plan.from == plan.to {
        format!("This protects the data of {} on {}.", plan.release.name, plan.server)
    } else {
        let way = |release: &ReleaseId| {
            let (from, to) = plan.charts_of(release)?;
            Some(format!(", and {release}: {from} -> {to}"))
        };
        let others: String = plan.other_releases.iter().filter_map(way).collect();
        format!("This upgrades {} on {}: {} -> {}{others}.", plan.release.name, plan.server, plan.from, plan.to)
    };
    confirm::by_name(&what, &plan.release.name)
}

/// The run cannot go on, such as where its folder is full: after a write that is no `nothing was written`.
async fn broken_off(driver: &RunDriver, plan: &Plan, cause: Finding, output: &Output) -> Result<Exit, Finding> {
    // A journal that cannot be read may have any write in it.
    let entries = driver.store().entries();
    if entries.as_ref().is_ok_and(|entries| nothing_written(entries.iter().map(|entry| &entry.record))) {
        return Err(cause);
    }
    let now = look(driver, plan).await;
    let lines = portolan_report::at_risk(plan, &entries.unwrap_or_default(), &now);
    let finding = lines.into_iter().fold(after_writes(&cause), Finding::with);
    let run = plan.digest();
    output.finding(&finding.next(format!("{}: portolan apply {}", Code::FolderFailed.next(), run.short())));
    Ok(Exit::NeedsPerson)
}

/// How a run ended, and what was seen beside its journal.
struct End<'a> {
    rehearsal: Option<&'a Rehearsal>,
    simulated: Option<&'a str>,
    outcome: &'a Outcome,
    /// Asked once the run has finished.
    routes: &'a [RouteLook],
    /// Read once the run has ended.
    now: &'a Now,
}

/// Whether a plan's helm is a program: that of a simulated installation is none.
fn for_real(helm: &HelmClient) -> Result<(), Finding> {
    if matches!(helm, HelmClient::Program { .. }) {
        return Ok(());
    }
    Err(Finding::blocking(Code::OtherCluster, "the plan was made on a simulated installation; nothing was written")
        .why("an inventory has no passwords: what helm would apply was rendered without them")
        .next("make the plan again without --sim"))
}

/// What the plan's run has written so far; nothing where there is none yet.
fn journal(root: &Path, plan: &Plan) -> Result<Vec<JournalRecord>, Finding> {
    match store::find(root, plan.digest().hex()) {
        Ok(info) => Ok(RunStore::open(&info.folder)?.entries()?.into_iter().map(|entry| entry.record).collect()),
        Err(finding) if finding.code == Code::NoPlan => Ok(Vec::new()),
        Err(finding) => Err(finding),
    }
}

/// Whether a run is at the step that checks a hop's objects, before anything of the hop is written.
fn is_at_check(plan: &Plan, entries: &[portolan_model::Entry]) -> bool {
    let fold = Fold::of(entries.iter().map(|entry| &entry.record));
    plan.step(fold.step).is_some_and(|step| matches!(step.kind, StepKind::CheckObjects { .. }))
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{} pid {}", name.trim(), std::process::id())
}

fn not_safe(plan: &Plan, forecast: &Forecast) -> Finding {
    let findings = forecast.findings();
    let stuck = findings.iter().find(|finding| finding.code == Code::NeverFinishes);
    if let Some(stuck) = stuck.filter(|_| forecast.headline() <= Verdict::Unknown) {
        return Finding { found: format!("{}; nothing was written", stuck.found), ..stuck.clone() };
    }
    let headline = forecast.headline();
    let found = format!("with this plan a volume can end {headline} ({}); nothing was written", headline.meaning());
    // The worst volume's, with its reasons and what can be done about them.
    let finding = match findings.into_iter().find(|finding| finding.code == Code::NotSafe) {
        Some(worst) => Finding { found, ..worst },
        None => Finding::blocking(Code::NotSafe, found),
    };
    prepare::with_all_steps(plan, finding)
}

/// Rehearses a plan on what the survey found.
///
/// # Errors
/// The plan is not Safe, or never finishes; the page with the shortest way there is printed.
pub(crate) fn rehearsed_as_safe(
    target: &Target,
    survey: &Survey,
    file: &PlanFile,
    output: &Output,
) -> Result<portolan_rehearse::Rehearsal, Finding> {
    let world = target.world(survey, &portolan_rehearse::KnownDatabase::of_plan(&file.plan));
    let rehearsal = portolan_workflow::rehearse(&world, file);
    if rehearsal.forecast.may_be_applied() {
        return Ok(rehearsal);
    }
    output.page(&portolan_report::rehearsal(&file.plan, &rehearsal))?;
    Err(not_safe(&file.plan, &rehearsal.forecast))
}

/// The report, on the screen and in the run's folder, and how the command ends.
fn finish(driver: &RunDriver, plan: &Plan, end: &End<'_>, output: &Output) -> Result<Exit, Finding> {
    let store = driver.store();
    let entries = store.entries()?;
    let folder = store.folder().display().to_string();
    let page = portolan_report::run(
        plan,
        &entries,
        &RunEnd {
            rehearsal: end.rehearsal,
            folder: &folder,
            simulated: end.simulated,
            routes: end.routes,
            now: end.now,
        },
    );
    // The run is over, and its journal says how: a report that cannot be written changes nothing of that.
    if let Err(finding) = store.write_file("report.md", output.complete(&page).markdown().as_bytes()) {
        output.finding(&Finding { severity: Severity::Warning, ..finding });
    }
    // What went wrong comes last, on standard error, and once.
    output.result(&page.without_findings(), &entries)?;
    let changed = portolan_report::problems(plan, end.now);
    match end.outcome {
        Outcome::Finished if !changed.is_empty() => {
            output.findings(&changed);
            Ok(Exit::Blocked)
        }
        Outcome::Finished if tell_routes(end.routes, output) => Ok(Exit::Blocked),
        Outcome::Finished => Ok(Exit::Done),
        Outcome::StoppedSafely if nothing_written(entries.iter().map(|entry| &entry.record)) => {
            Ok(Exit::NothingWritten)
        }
        Outcome::StoppedSafely => Ok(Exit::StoppedSafely),
        Outcome::Drifted { findings } => {
            output.findings(findings);
            Ok(Exit::NothingWritten)
        }
        Outcome::Halted { finding } => {
            let mut finding = finding.clone();
            let helm = entries.iter().rev().find_map(|entry| match &entry.record {
                JournalRecord::Intent { action, .. } => match &**action {
                    Action::Helm { run, token, .. } => Some((run.clone(), token.clone())),
                    Action::Write(_) => None,
                },
                _ => None,
            });
            if matches!(finding.code, Code::HelmFailed | Code::HelmPending)
                && let Some((run, token)) = helm
            {
                finding.evidence.extend(driver.helm_said(&run, &token).lines().map(|line| format!("helm: {line}")));
            }
            output.finding(&finding);
            let has_written = !nothing_written(entries.iter().map(|entry| &entry.record));
            let is_safe_point = is_at_check(plan, &entries);
            Ok(match finding.code.exit() {
                Exit::NeedsPerson if !has_written => Exit::NothingWritten,
                // What the check before a hop finds stops the run before anything of that hop is written.
                _ if is_safe_point && has_written => Exit::StoppedSafely,
                _ if is_safe_point => Exit::NothingWritten,
                Exit::NothingWritten if has_written => Exit::NeedsPerson,
                exit => exit,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_of_a_simulation_is_not_for_a_real_installation() {
        let simulated = portolan_rehearse::simulated_helm();
        assert_eq!(for_real(&simulated).expect_err("it is no program").code, Code::OtherCluster);
        let program = HelmClient::Program {
            version: simulated.version().clone(),
            path: "/usr/bin/helm".into(),
            digest: portolan_model::Digest::of(b"helm"),
        };
        assert!(for_real(&program).is_ok());
    }
}

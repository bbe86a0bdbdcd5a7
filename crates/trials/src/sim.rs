//! Upgrades of simulated installations.

use std::collections::BTreeMap;
use std::sync::Arc;

use portolan_helm_compat::chart::PackedChart;
use portolan_inventory::Survey;
use portolan_model::{
    ChartId, Finding, HelmClient, JournalRecord, Object, Outcome, PlanFile, Ref, Request, ValueAnswers,
};
use portolan_recipe::RecipeSet;
use portolan_rehearse::{Installation, World};
use portolan_workflow::{
    ArchiveChoice, BothEffects, Catalog, InMemory, Limits, PlanOptions, Rehearse, Simulated, Stops, Target,
    UpgradeRequest, both_effects, plan_values,
};
use serde_json::{Value, json};

/// A fresh installation.
///
/// # Panics
/// If there is none of this name.
#[must_use]
pub fn installation(name: &str) -> Installation {
    Simulated::fresh(name).unwrap_or_else(|finding| panic!("{finding}: {:?}", finding.evidence))
}

/// A world as a target.
fn target(world: &World) -> Target {
    Target::simulated(Simulated::new(Installation::of_world("trial", world.clone())))
}

/// The result of a future that waits for nothing, as every future of a simulation.
fn now<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(future)
}

/// A survey of a simulated world.
///
/// # Panics
/// If there is no release in it.
#[must_use]
pub fn survey(world: &World) -> Survey {
    now(portolan_workflow::survey(&target(world), &world.facts().release))
        .unwrap_or_else(|finding| panic!("{finding}: {:?}", finding.evidence))
}

/// What is not in a world as a plan needs it.
///
/// # Errors
/// What the look at it says.
///
/// # Panics
/// If there is no release in it.
pub fn drift(world: &World, file: &PlanFile) -> Result<Vec<Finding>, Finding> {
    now(portolan_workflow::drift(&target(world), &survey(world), &Arc::new(file.plan.clone())))
}

/// The fixture charts of a way, by their short versions.
///
/// # Errors
/// If one of them is not among the fixture charts.
pub fn charts(installed: &ChartId, to: &[&str]) -> Result<Vec<PackedChart>, Finding> {
    let catalog = Catalog::of_fixtures();
    let way = catalog.choose(installed, to)?;
    now(catalog.take(way)).map(|(charts, _)| charts)
}

/// An upgrade to fixture charts, with steps left out.
///
/// # Errors
/// As [`charts`].
pub fn request(installed: &ChartId, to: &[&str], without: &[&str]) -> Result<UpgradeRequest, Finding> {
    Ok(UpgradeRequest {
        to: charts(installed, to)?,
        offered: Vec::new(),
        values: json!({}),
        answers: ValueAnswers::default(),
        without: without.iter().map(|id| (*id).to_owned()).collect(),
        accepted: Vec::new(),
        backup: None,
        database_ca: None,
        limits: Limits::default(),
    })
}

/// What each value does, in the installed chart and in the last one of a way; `None` if there is nothing to do.
///
/// # Errors
/// As [`both_effects`].
pub fn effects(
    target: &Target,
    found: &Survey,
    helm: &HelmClient,
    to: &[&str],
) -> Result<Option<BothEffects>, Finding> {
    let release = &found.inventory.release;
    let planned = now(plan_values(target, found, &RecipeSet::builtin(), &request(&release.chart, to, &[])?))?;
    let old = portolan_fixtures::charts().into_iter().find(|chart| chart.id == release.chart);
    planned.job.map(|new| now(both_effects(target, found, helm, (old.as_ref(), &new)))).transpose()
}

/// Plans an upgrade with the built-in recipes and the recorded renderings.
///
/// # Errors
/// What the planner says.
pub fn plan(world: &World, to: &[&str], without: &[&str]) -> Result<PlanFile, Finding> {
    plan_surveyed(&survey(world), world, to, without)
}

/// Plans an upgrade of what a survey found, in the world that it was found in.
///
/// # Errors
/// What the planner says.
pub fn plan_surveyed(found: &Survey, world: &World, to: &[&str], without: &[&str]) -> Result<PlanFile, Finding> {
    plan_on(&target(world), found, to, without)
}

/// The same on a target that is simulated.
///
/// # Errors
/// What the planner says.
pub fn plan_on(target: &Target, found: &Survey, to: &[&str], without: &[&str]) -> Result<PlanFile, Finding> {
    plan_request(target, found, &request(&found.inventory.release.chart, to, without)?)
}

/// The plan that puts back what a run deleted.
///
/// # Errors
/// What the planner says.
pub fn restore(world: &World, choice: &ArchiveChoice) -> Result<PlanFile, Finding> {
    now(portolan_workflow::restore(&target(world), &survey(world), choice)).map(|restoration| restoration.file)
}

/// Plans what is asked for.
///
/// # Errors
/// What the planner says.
pub fn plan_request(target: &Target, found: &Survey, request: &UpgradeRequest) -> Result<PlanFile, Finding> {
    let options = PlanOptions { rehearses: Rehearse::No, images: None };
    now(portolan_workflow::plan(target, found, &RecipeSet::builtin(), request, options)).map(|planned| planned.file)
}

/// What a test does to a run: it is asked after each request and may kill the process.
pub type Killer<'a> = portolan_workflow::Kill<'a>;

/// Runs a plan on an installation to its end, through every kill that `kill` asks for. The journal is returned.
pub fn run(installation: &mut Installation, file: &PlanFile, kill: &mut Killer<'_>) -> (Outcome, Vec<JournalRecord>) {
    run_among(installation, file, kill, &mut |_, _| {})
}

/// The same, with somebody else who changes the installation just before a request is answered.
///
/// # Panics
/// If the loop fails, which in memory it cannot.
pub fn run_among(
    installation: &mut Installation,
    file: &PlanFile,
    kill: &mut Killer<'_>,
    meddle: &mut dyn FnMut(&Request, &mut Installation),
) -> (Outcome, Vec<JournalRecord>) {
    go_on(installation, file, Vec::new(), kill, meddle)
}

/// Starts a run again that has this journal, and lets it come to its end.
pub fn run_again(
    installation: &mut Installation,
    file: &PlanFile,
    journal: &[JournalRecord],
) -> (Outcome, Vec<JournalRecord>) {
    go_on(installation, file, journal.to_vec(), &mut |_| false, &mut |_, _| {})
}

fn go_on(
    installation: &mut Installation,
    file: &PlanFile,
    mut journal: Vec<JournalRecord>,
    kill: &mut Killer<'_>,
    meddle: &mut dyn FnMut(&Request, &mut Installation),
) -> (Outcome, Vec<JournalRecord>) {
    installation.world_mut().learn_plan(file);
    let plan = Arc::new(file.plan.clone());
    loop {
        let before = journal.clone();
        let mut driver = InMemory { installation, journal: &mut journal, kill, meddle };
        let ended = now(portolan_workflow::apply(&mut driver, &plan, &before, "a test", &Stops::never(), &mut |_| {}));
        if let Some(outcome) = ended.expect("memory can be written") {
            return (outcome, journal);
        }
    }
}

/// What two ends of the same run have to have in common: no UIDs of objects that were made anew, no revision
/// numbers, no names made of UIDs.
#[must_use]
pub fn normalised(world: &World) -> String {
    let mut uids: BTreeMap<String, String> = BTreeMap::new();
    for (name, object) in world.objects() {
        uids.extend(object.uid().map(|uid| (uid.to_string(), name.full())));
    }
    let lines: Vec<String> = world
        .objects()
        .filter(|(name, _)| name.kind() != "Release")
        .map(|(name, object)| format!("{} {}", name.full(), without_marks(object)))
        .chain(world.disks().map(|(volume, disk)| format!("disk {} {}", volume.name(), json!(disk))))
        .collect();
    let mut text = lines.join("\n");
    for (uid, name) in uids {
        text = text.replace(&uid, &format!("<{name}>"));
    }
    text
}

fn without_marks(object: &Object) -> String {
    let mut json = (*object.0).clone();
    if let Some(meta) = json.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("resourceVersion");
    }
    json.to_string()
}

/// The rows of the database on a volume.
#[must_use]
pub fn rows(world: &World, volume: &Ref) -> BTreeMap<String, u64> {
    let database = world.disk(volume).filter(|disk| disk.alive).and_then(|disk| disk.database.as_ref());
    database
        .map(|database| database.tables.iter().map(|(name, table)| (name.clone(), table.rows)).collect())
        .unwrap_or_default()
}

//! Voyages on simulated installations.

use fixtures::RecordedRendering;
use helm_compat::chart::PackedChart;
use std::collections::BTreeMap;
use std::sync::Arc;

use engine::Engine;
use inventory::survey::{self, Survey};
use model::{ChartId, Finding, Input, Object, Outcome, PlanFile, Record, Ref, ReleaseId, Request, SecretKey};
use plan::Planning;
use plan::planner::{self, ChartPick, Servers, Wish};
use recipe::Book;
use rehearse::{Installation, World, simulated_helm};
use serde_json::{Value, json};

/// A recorded rendering, as a simulation asks for it.
///
/// # Errors
/// Where it was not recorded: `cargo xtask render`.
pub fn recorded(chart: &PackedChart, release: &ReleaseId, values: &Value) -> Result<RecordedRendering, Finding> {
    let key = fixtures::rendering_key(&chart.digest, release, values);
    fixtures::recorded(&key).ok_or_else(|| {
        Finding::blocking(
            model::Code::NotRecorded,
            format!("{key} of {} is not recorded: cargo xtask render", chart.id),
        )
    })
}

/// A fresh installation.
///
/// # Panics
/// Where there is none of this name.
#[must_use]
pub fn installation(name: &str) -> Installation {
    fixtures::installation(name, &recorded).unwrap_or_else(|finding| panic!("{finding}: {:?}", finding.evidence))
}

/// A survey of a simulated world.
///
/// # Panics
/// Where there is no release in it.
#[must_use]
pub fn survey(world: &World) -> Survey {
    let facts = world.facts();
    let (server, user) = (&facts.cluster.server, &facts.cluster.user);
    survey::look(&facts.release, &|ask| world.answer(ask), server, user, Some(simulated_helm()))
        .unwrap_or_else(|finding| panic!("{finding}: {:?}", finding.evidence))
}

/// The charts of a voyage, by their short versions.
///
/// # Errors
/// Where one of them is not among the fixture charts.
pub fn picks(installed: &ChartId, to: &[&str]) -> Result<Vec<ChartPick>, Finding> {
    let charts = fixtures::charts();
    let ids: Vec<ChartId> = charts.iter().map(|chart| chart.id.clone()).collect();
    to.iter()
        .map(|spec| {
            let id = planner::pick(spec, &ids, installed)?;
            let archive = charts.iter().find(|chart| chart.id == id).map(|chart| chart.archive.clone());
            Ok(ChartPick { id, archive: archive.unwrap_or_default() })
        })
        .collect()
}

/// Plans a voyage with the built-in recipes and the recorded renderings.
///
/// # Errors
/// What the planner says.
pub fn plan(world: &World, to: &[&str], without: &[&str]) -> Result<PlanFile, Finding> {
    let found = survey(world);
    let wish = Wish {
        to: picks(&found.inventory.release.chart, to)?,
        offered: Vec::new(),
        values: json!({}),
        without: without.iter().map(|id| (*id).to_owned()).collect(),
        accepted: Vec::new(),
        limits: ::plan::planner::Limits::default(),
    };
    let book = Book::builtin();
    plan_with(&found, &servers(world, &found, &book)?, &book, &wish, &|chart, release, values| {
        recorded(chart, release, values)
    })
}

/// What the servers of a simulated world say of their versions.
fn servers(world: &World, found: &Survey, book: &Book) -> Result<Servers, Finding> {
    let secret = |key: &SecretKey| found.secrets.get(key).map(str::to_owned);
    let databases = planner::databases(&found.inventory, &secret, book)?.into_iter();
    Ok(databases.filter_map(|database| Some((database.pod.clone(), world.server_version(&database)?))).collect())
}

/// How a chart is rendered.
pub type Render<'a> = dyn Fn(&PackedChart, &ReleaseId, &Value) -> Result<RecordedRendering, Finding> + 'a;

/// Plans a voyage with recipes and renderings of one's own.
///
/// # Errors
/// What the planner says.
pub fn plan_with(
    found: &Survey,
    servers: &Servers,
    book: &Book,
    wish: &Wish,
    render: &Render<'_>,
) -> Result<PlanFile, Finding> {
    let helm = simulated_helm();
    let mut planning = Planning::new(found, book, wish, &helm)?;
    while let Some(job) = planning.job() {
        let chart = PackedChart { id: job.chart.clone(), archive: job.archive.to_vec(), digest: job.digest() };
        planning.rendered(&render(&chart, &job.release, &job.values)?.rendering())?;
    }
    planning.finish(servers)
}

/// What a test does to a run: it is asked after each record and may kill the engine.
pub type Killer<'a> = dyn FnMut(&[Record]) -> bool + 'a;

/// Runs a plan on an installation to its end, through every kill that `kill` asks for. The journal is returned.
pub fn run(installation: &mut Installation, file: &PlanFile, kill: &mut Killer<'_>) -> (Outcome, Vec<Record>) {
    installation.world_mut().learn_plan(file);
    let plan = Arc::new(file.plan.clone());
    let mut journal: Vec<Record> = Vec::new();
    let mut engine = Engine::resume(plan.clone(), &journal, "a test");
    loop {
        let request = engine.want();
        if let Request::End(outcome) = request {
            return (outcome, journal);
        }
        let reply = installation.serve(&engine, &request, &mut |_, _| true);
        if let Request::Append(record, _) = &request {
            journal.push(record.clone());
            if kill(&journal) {
                engine = Engine::resume(plan.clone(), &journal, "a test");
                continue;
            }
        } else if kill(&journal) {
            // The request went out, and its answer is not heard any more.
            engine = Engine::resume(plan.clone(), &journal, "a test");
            continue;
        }
        engine.on(Input::Reply(reply));
    }
}

/// What two ends of the same voyage have to have in common: no UIDs of objects that were made anew, no revision
/// numbers, no names made of UIDs.
#[must_use]
pub fn normalised(world: &World) -> String {
    let mut uids: BTreeMap<String, String> = BTreeMap::new();
    for (name, object) in world.objects() {
        uids.insert(object.uid().to_string(), name.full());
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

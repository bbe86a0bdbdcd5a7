//! The loop: the engine asks, the installation answers.

use std::path::Path;
use std::sync::Arc;

use portolan_adapters::driver::Driver;
use portolan_adapters::kubernetes::Client;
use portolan_adapters::store::RunStore;
use portolan_engine::{Engine, Fold, StepNote};
use portolan_inventory::Survey;
use portolan_model::{
    ChartId, Check, Code, Cond, Elapsed, Event, Finding, HelmClient, HelmRun, HelmToken, Input, JournalRecord, Outcome,
    Plan, Progress, Ref, ReleaseId, ReliedKinds, Reply, Request, RouteLook, Seen, Step, Urgency, Wait,
};
use portolan_rehearse::Installation;

use crate::simulated::{self, Simulated};
use crate::stops::Stops;
use crate::target::Target;

/// Answers the requests of an engine.
pub trait Serve {
    /// The answer to a request; `None` if the process that asked is killed now.
    fn serve(
        &mut self,
        engine: &Engine,
        request: Request,
        events: &mut dyn FnMut(&Event),
    ) -> impl Future<Output = Result<Option<Reply>, Finding>>;

    /// What a wait of an engine still waits for, and why. `seen` is what it saw last.
    fn explain(&self, engine: &Engine, wait: &Wait, seen: Vec<Progress>) -> impl Future<Output = Vec<Progress>> {
        let _ = (engine, wait);
        std::future::ready(seen)
    }
}

/// An installation that a run works on, with the run's folder.
pub enum RunDriver {
    /// A cluster.
    Cluster(Box<Driver>),
    /// A simulated installation.
    Simulated(Box<Simulated>, RunStore),
}

impl RunDriver {
    /// The driver of a run on a target.
    #[must_use]
    pub fn new(target: Target, store: RunStore) -> Self {
        match target {
            Target::Cluster(cluster) => Self::Cluster(Box::new(Driver::new(cluster.client, store))),
            Target::Simulated(simulated) => Self::Simulated(simulated, store),
        }
    }

    /// The run's folder.
    #[must_use]
    pub fn store(&self) -> &RunStore {
        match self {
            Self::Simulated(_, store) => store,
            Self::Cluster(driver) => driver.store(),
        }
    }

    /// What a helm printed last, as it may be told; empty in a simulation.
    #[must_use]
    pub fn helm_said(&self, run: &HelmRun, token: &HelmToken) -> String {
        match self {
            Self::Simulated(..) => String::new(),
            Self::Cluster(driver) => driver.helm_said(run, token),
        }
    }

    /// Objects by their names.
    pub async fn read(&self, names: &[Ref]) -> Vec<Seen> {
        match self {
            Self::Simulated(simulated, _) => names.iter().map(|name| simulated.see(name)).collect(),
            Self::Cluster(driver) => driver.client().read(names).await,
        }
    }

    /// Whether what a finished run left is there still, beside its verifying steps; nothing of a release that cannot be read.
    pub async fn left(&self, plan: &Plan) -> Vec<Check> {
        // A simulated installation changes by its own events alone.
        let Self::Cluster(driver) = self else { return Vec::new() };
        let mut checks = Vec::new();
        for release in plan.releases() {
            let Some((newest, stored)) = driver.client().newest(release).await else { continue };
            let names = portolan_engine::left_objects(plan, release, &newest);
            let seen = self.read(&names).await;
            let now = names.into_iter().zip(seen).collect();
            checks.extend(portolan_engine::left(plan, release, &newest, &stored, &now));
        }
        checks
    }

    /// Sends a request to each Route and Ingress.
    pub async fn ask_routes(&self, routes: &[Ref]) -> Vec<RouteLook> {
        match self {
            Self::Simulated(simulated, _) => simulated.installation.world().ask_routes(routes),
            Self::Cluster(driver) => ask_routes(driver.client(), routes).await,
        }
    }
}

impl Serve for RunDriver {
    async fn serve(
        &mut self,
        engine: &Engine,
        request: Request,
        events: &mut dyn FnMut(&Event),
    ) -> Result<Option<Reply>, Finding> {
        match self {
            Self::Cluster(driver) => driver.serve(request, release(engine), events).await.map(Some),
            Self::Simulated(simulated, store) => serve_simulated(simulated, store, engine, &request, events).map(Some),
        }
    }

    async fn explain(&self, engine: &Engine, wait: &Wait, seen: Vec<Progress>) -> Vec<Progress> {
        match self {
            Self::Simulated(..) => seen,
            Self::Cluster(driver) => driver.explain(wait, release(engine)).await,
        }
    }
}

/// The release that the step under way works on.
fn release(engine: &Engine) -> &ReleaseId {
    engine.plan().release_at(engine.state().step)
}

/// Sends a request to each Route and Ingress of a cluster, from this machine.
pub async fn ask_routes(client: &Client, routes: &[Ref]) -> Vec<RouteLook> {
    let seen = client.read(routes).await;
    portolan_adapters::routes::look(routes.iter().cloned().zip(seen).collect()).await
}

fn serve_simulated(
    simulated: &mut Simulated,
    store: &mut RunStore,
    engine: &Engine,
    request: &Request,
    events: &mut dyn FnMut(&Event),
) -> Result<Reply, Finding> {
    let mut recorded = None;
    if let Request::Append(record, blobs) = request {
        store.append(record.clone(), blobs)?;
        recorded = Some(record.clone());
    }
    let folder = simulated.folder.as_deref();
    let mut failed = None;
    let mut elapsed = 0;
    let reply = simulated.installation.serve(engine, request, &mut |installation, open: &[Progress]| {
        if let (Request::Wait(wait), false) = (request, open.is_empty()) {
            elapsed += 1;
            let progress = open.to_vec();
            events(&Event::Waiting { step: wait.step, progress, elapsed: Elapsed::Events(elapsed), limit: wait.limit });
        }
        if let Some(folder) = folder {
            failed = simulated::save(installation, folder).err();
        }
        failed.is_none()
    });
    if let Some(finding) = failed {
        return Err(finding);
    }
    if let Some(record) = recorded {
        events(&Event::Recorded(Box::new(record)));
    }
    Ok(reply)
}

/// Whether a process is killed, told after each of its requests from the journal so far.
pub type Kill<'a> = dyn FnMut(&[JournalRecord]) -> bool + 'a;

/// What happens to an installation just before a request is answered.
pub type Meddle<'a> = dyn FnMut(&Request, &mut Installation) + 'a;

/// A simulated installation with a journal in memory: what a trial drives, kills and meddles with.
pub struct InMemory<'a> {
    /// The installation.
    pub installation: &'a mut Installation,
    /// The journal so far.
    pub journal: &'a mut Vec<JournalRecord>,
    /// When the process is killed. An answer on its way is lost with it.
    pub kill: &'a mut Kill<'a>,
    /// What others do meanwhile.
    pub meddle: &'a mut Meddle<'a>,
}

impl Serve for InMemory<'_> {
    async fn serve(
        &mut self,
        engine: &Engine,
        request: Request,
        _: &mut dyn FnMut(&Event),
    ) -> Result<Option<Reply>, Finding> {
        (self.meddle)(&request, self.installation);
        let reply = self.installation.serve(engine, &request, &mut |_, _| true);
        if let Request::Append(record, _) = request {
            self.journal.push(record);
        }
        Ok((!(self.kill)(self.journal)).then_some(reply))
    }
}

/// Carries out a plan from where its journal ends; `None` if the process was killed. Of a run that has finished it is looked at
/// whether the release is still as it left it. `host` goes into the journal.
///
/// # Errors
/// If the journal cannot be written, or a simulated installation cannot be saved.
pub async fn apply(
    driver: &mut impl Serve,
    plan: &Arc<Plan>,
    journal: &[JournalRecord],
    host: &str,
    stops: &Stops,
    events: &mut dyn FnMut(&Event),
) -> Result<Option<Outcome>, Finding> {
    let mut engine = Engine::resume(plan.clone(), journal, host);
    if engine.state().outcome == Some(Outcome::Finished) {
        // It only looks, and what somebody did since is no part of the run.
        return drive(&mut engine.looking_back(), driver, stops, Journal::None, events).await;
    }
    drive(&mut engine, driver, stops, Journal::Kept, events).await
}

/// What the verifying steps of a plan found.
pub struct Verified {
    /// How it ended: as the first step did that does not hold.
    pub outcome: Outcome,
    /// The steps in order, and what each saw, or why it does not hold; `None` where it was not looked at.
    pub seen: Vec<(Step, Option<Result<StepNote, Finding>>)>,
}

/// Carries out the verifying steps of a plan again, each whatever the others found. Nothing is written, nor recorded. `events` is also
/// told the plan that the events are about: it has the one step.
///
/// # Errors
/// If the installation cannot be asked.
pub async fn verify(
    driver: &mut RunDriver,
    plan: &Plan,
    known: &Fold,
    stops: &Stops,
    events: &mut dyn FnMut(&Event, &Plan),
) -> Result<Verified, Finding> {
    let (mut outcome, mut seen) = (Outcome::Finished, Vec::new());
    for mut engine in Engine::verifying(plan, known) {
        let one = engine.plan().clone();
        let step = one.steps().next().cloned();
        let mut found = None;
        if outcome != Outcome::StoppedSafely {
            let ended = drive(&mut engine, driver, stops, Journal::None, &mut |event| events(event, &one)).await?;
            // invariant: only a journal in memory comes with somebody who kills
            let ended = ended.unwrap_or(Outcome::StoppedSafely);
            found = match &ended {
                Outcome::Halted { finding } => Some(Err(finding.clone())),
                _ => engine.state().notes.last().cloned().map(Ok),
            };
            if outcome == Outcome::Finished || ended == Outcome::StoppedSafely {
                outcome = ended;
            }
        }
        seen.extend(step.map(|step| (step, found)));
    }
    Ok(Verified { outcome, seen })
}

/// Whether records become durable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Journal {
    /// They do.
    Kept,
    /// There is none: a look that is no run.
    None,
}

/// Runs an engine to its end, which is `None` if its process was killed.
async fn drive(
    engine: &mut Engine,
    driver: &mut impl Serve,
    stops: &Stops,
    journal: Journal,
    events: &mut dyn FnMut(&Event),
) -> Result<Option<Outcome>, Finding> {
    let mut stops = stops.clone();
    let mut heard = 0;
    // What the wait under way saw last.
    let mut seen: Vec<Progress> = Vec::new();
    loop {
        let times = stops.times();
        if times > heard {
            // A second signal means it: a helm that runs is left running.
            let urgency = if times == 1 { Urgency::AfterStep } else { Urgency::LeaveHelm };
            heard = times;
            let wait = match engine.want() {
                Request::Wait(wait) if wait.until.iter().any(is_helm) => Some(wait),
                _ => None,
            };
            engine.on(Input::Stop(urgency));
            if let Some(wait) = wait.filter(|_| urgency == Urgency::AfterStep) {
                // A second signal does not wait for the answer.
                let progress = tokio::select! {
                    progress = driver.explain(engine, &wait, std::mem::take(&mut seen)) => progress,
                    () = stops.another(times) => Vec::new(),
                };
                events(&Event::HelmHolds { step: wait.step, progress });
            }
        }
        let reply = match engine.want() {
            Request::End(outcome) => return Ok(Some(outcome)),
            Request::Append(..) if journal == Journal::None => Some(Reply::Appended),
            // Neither writes, so both may be dropped half-way.
            request @ (Request::Wait(_) | Request::Query(_)) => {
                let mut keep = |event: &Event| {
                    if let Event::Waiting { progress, .. } = event {
                        seen.clone_from(progress);
                    }
                    events(event);
                };
                tokio::select! {
                    reply = driver.serve(engine, request, &mut keep) => reply?,
                    () = stops.asked() => continue,
                }
            }
            request => driver.serve(engine, request, events).await?,
        };
        let Some(reply) = reply else { return Ok(None) };
        engine.on(Input::Reply(reply));
        tokio::task::yield_now().await;
    }
}

fn is_helm(cond: &Cond) -> bool {
    matches!(cond, Cond::HelmEnded(_))
}

/// What is not as it was when the plan was made; empty if the plan can be begun. The engine looks again itself.
///
/// # Errors
/// If the state that the plan relies on cannot be told.
pub async fn drift(target: &Target, survey: &Survey, plan: &Arc<Plan>) -> Result<Vec<Finding>, Finding> {
    let release = &survey.inventory.release;
    let mut moved: Vec<String> =
        moved_release(plan, &plan.release, Some((&release.chart, release.revision))).into_iter().collect();
    for other in &plan.other_releases {
        let newest = target.newest(other).await?;
        moved.extend(moved_release(plan, other, newest.as_ref().map(|(chart, revision)| (chart, *revision))));
    }
    if !moved.is_empty() {
        let found = "the installation is not as it was when the plan was made; nothing was written";
        return Ok(vec![moved.into_iter().fold(Finding::blocking(Code::Moved, found), Finding::with)]);
    }
    let other = other_helm(target, plan).or_else(|| other_kinds(&plan.kinds, &survey.inventory.cluster.api_versions));
    if let Some(finding) = other {
        return Ok(vec![finding]);
    }
    drift_before_bound(target, Engine::resume(plan.clone(), &[], "")).await
}

/// What an engine finds that has not begun its plan.
async fn drift_before_bound(target: &Target, mut engine: Engine) -> Result<Vec<Finding>, Finding> {
    loop {
        let reply = match engine.want() {
            Request::Append(JournalRecord::Bound, _) => return Ok(Vec::new()),
            Request::Append(..) => Reply::Appended,
            Request::End(Outcome::Drifted { findings }) => return Ok(findings),
            Request::Read(names) => Reply::Seen(target.read(&names).await),
            // A check that cannot be made is not one that was passed.
            other => {
                let found =
                    "Portolan cannot tell whether the installation is as the plan needs it; nothing was written";
                return Err(Finding::blocking(Code::Moved, found).with(format!("the engine asked for {other:?}")));
            }
        };
        engine.on(Input::Reply(reply));
    }
}

/// How a release is another one than the plan goes on from, where it is; `now` is the chart and the number of its newest revision.
fn moved_release(plan: &Plan, release: &ReleaseId, now: Option<(&ChartId, u32)>) -> Option<String> {
    let first = plan.helms_of(release).next();
    let before = first.and_then(|(_, run)| run.base_revision);
    let is_new = first.is_some_and(|(_, run)| run.base_revision.is_none());
    let (from, _) = plan.charts_of(release)?;
    let is_same = match now {
        None => is_new,
        Some((chart, revision)) => !is_new && chart == from && before.is_none_or(|before| before == revision),
    };
    if is_same {
        return None;
    }
    let was = if is_new { "not installed".to_owned() } else { from.to_string() };
    let revision = before.map_or_else(String::new, |revision| format!(" revision {revision}"));
    let is = now.map_or_else(|| "not installed".into(), |(chart, revision)| format!("{chart} revision {revision}"));
    Some(format!("release {}  {was}{revision} -> {is}", release.name))
}

/// The helm at the plan's path is another program by now.
fn other_helm(target: &Target, plan: &Plan) -> Option<Finding> {
    let (Target::Cluster(_), HelmClient::Program { path, digest, .. }) = (target, &plan.helm) else { return None };
    let why = portolan_adapters::helm::is_planned(Path::new(path), digest).err()?;
    let found = "the helm that the plan was made with is not there any more; nothing was written";
    Some(
        Finding::blocking(Code::Moved, found)
            .with(why)
            .why("another helm may render another thing")
            .next(format!("{}, or name the helm of the plan with --helm and plan again", plan.command())),
    )
}

/// How many names are shown.
const NAMED: usize = 5;

/// The server answers otherwise than when the plan was made to what the charts ask of its kinds.
fn other_kinds(relied: &ReliedKinds, now: &[String]) -> Option<Finding> {
    // A simulated installation says nothing of its kinds.
    let differing = relied.differing(now);
    if now.is_empty() || differing.is_empty() {
        return None;
    }
    let found = "the server has other kinds than when the plan was made; nothing was written";
    let mut finding = Finding::blocking(Code::Moved, found)
        .why("a chart of the plan may render another thing where the server has a kind")
        .next("make the plan again");
    let told = differing.iter().map(|(name, is)| format!("{name} is {}", if *is { "new" } else { "gone" }));
    finding.evidence = told.take(NAMED).collect();
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_check_for_drift_that_is_asked_something_else_is_not_passed() {
        let target = Target::simulated(Simulated::new(Simulated::fresh("openshift-2.8").expect("an installation")));
        let chart = serde_json::json!({"name": "control-plane", "version": "2.8.20"});
        let plan = serde_json::json!({
            "format": portolan_model::FORMAT, "cluster": "c", "server": "", "release": {"namespace": "n", "name": "r"},
            "helm": {"helm": "simulated", "version": "3.22.0"}, "from": chart, "to": chart, "hops": [], "preconditions": {},
            "volumes": [], "databases": [], "without": [], "accepted": [], "findings": [],
        });
        let plan: Arc<Plan> = Arc::new(serde_json::from_value(plan).expect("a plan"));
        let drift = async |journal: &[JournalRecord]| {
            drift_before_bound(&target, Engine::resume(plan.clone(), journal, "here")).await
        };
        assert_eq!(drift(&[]).await, Ok(Vec::new()), "nothing has moved");
        // One that has begun its plan does not ask whether it may.
        let refused = drift(&[JournalRecord::Bound]).await.expect_err("nothing was compared");
        assert_eq!(refused.code, Code::Moved);
        assert!(refused.found.ends_with("nothing was written"), "{refused:?}");
    }

    #[test]
    fn a_server_with_other_kinds_is_another_one_for_a_chart_that_asks() {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let before = names(&["apps/v1", "fool.example/v1"]);
        let any = ReliedKinds::new(None, &before);
        assert_eq!(other_kinds(&any, &names(&["fool.example/v1", "apps/v1"])), None);
        let now = names(&["apps/v1", "x.example/v1/Goose"]);
        assert_eq!(other_kinds(&ReliedKinds::default(), &now), None, "nothing was rendered");
        let finding = other_kinds(&any, &now).expect("it is another one");
        assert_eq!(finding.code, Code::Moved);
        assert_eq!(finding.evidence, ["fool.example/v1 is gone", "x.example/v1/Goose is new"]);
        // Where the charts say what they ask for, the rest of the cluster may change.
        let named = |asked: &[&str]| ReliedKinds::new(Some(names(asked).into_iter().collect()), &before);
        assert_eq!(other_kinds(&named(&["apps/v1", "policy/v1"]), &now), None);
        assert_eq!(
            other_kinds(&named(&["fool.example/v1"]), &now).expect("it is gone").evidence,
            ["fool.example/v1 is gone"]
        );
        assert_eq!(
            other_kinds(&named(&["x.example/v1/Goose"]), &now).expect("it is new").evidence,
            ["x.example/v1/Goose is new"]
        );
    }
}

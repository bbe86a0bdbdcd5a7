//! The loop: the engine asks, the world answers.

use adapters::driver::Driver;
use adapters::kubernetes::Client;
use adapters::store::RunStore;
use engine::Engine;
use model::{
    Cond, Event, Finding, Input, Outcome, Plan, Progress, Ref, Reply, Request, RouteLook, Seen, Urgency, Wait,
};
use tokio::sync::watch;

use crate::site::Sim;

/// Who answers.
pub(crate) enum Drive {
    /// A simulated installation, with its run's folder.
    Sim(Box<Sim>, RunStore),
    /// A real one.
    Real(Box<Driver>),
}

impl Drive {
    /// The run's folder.
    pub(crate) fn store(&self) -> &RunStore {
        match self {
            Self::Sim(_, store) => store,
            Self::Real(driver) => driver.store(),
        }
    }

    /// What the helm of a token said last.
    pub(crate) fn helm_said(&self, token: &str) -> String {
        match self {
            Self::Sim(..) => String::new(),
            Self::Real(driver) => driver.helm_said(token),
        }
    }

    /// Reads objects; those of a simulation are read from its world.
    pub(crate) async fn read(&self, names: &[Ref]) -> Vec<Seen> {
        match self {
            Self::Sim(sim, _) => {
                let world = sim.installation.world();
                names.iter().map(|name| world.get(name).map_or(Seen::Absent, |it| Seen::There(it.clone()))).collect()
            }
            Self::Real(driver) => driver.client().read(names).await,
        }
    }

    /// Asks routes whether they answer.
    pub(crate) async fn ask_routes(&self, routes: &[Ref]) -> Vec<RouteLook> {
        match self {
            Self::Sim(sim, _) => sim.installation.world().ask_routes(routes),
            Self::Real(driver) => ask_routes(driver.client(), routes).await,
        }
    }

    /// Asks the routes that a plan leaves.
    pub(crate) async fn ask_routes_of(&self, plan: &Plan) -> Vec<RouteLook> {
        let routes: Vec<Ref> = plan.objects_at_end().filter(|name| kube_facts::is_route(name)).cloned().collect();
        self.ask_routes(&routes).await
    }

    /// What a wait waits for, and why; of a simulated installation what it saw last.
    async fn explain(&self, wait: &Wait, seen: &mut Vec<Progress>) -> Vec<Progress> {
        match self {
            Self::Sim(..) => std::mem::take(seen),
            Self::Real(driver) => driver.explain(wait).await,
        }
    }

    async fn serve(
        &mut self,
        engine: &Engine,
        request: Request,
        events: &mut dyn FnMut(&Event),
    ) -> Result<Reply, Finding> {
        match self {
            Self::Real(driver) => driver.serve(request, events).await,
            Self::Sim(sim, store) => serve_simulated(sim, store, engine, &request, events),
        }
    }
}

/// Asks real routes from here.
pub(crate) async fn ask_routes(client: &Client, routes: &[Ref]) -> Vec<RouteLook> {
    let seen = client.read(routes).await;
    adapters::routes::look(routes.iter().cloned().zip(seen).collect()).await
}

fn serve_simulated(
    sim: &mut Sim,
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
    let limit = if let Request::Wait(wait) = request { wait.limit } else { 0 };
    let folder = sim.folder.clone();
    let mut failed = None;
    let mut elapsed = 0;
    let reply = sim.installation.serve(engine, request, &mut |installation, open: &[Progress]| {
        if !open.is_empty() {
            elapsed += 1;
            events(&Event::Waiting { progress: open.to_vec(), elapsed, limit });
        }
        if folder.is_some() {
            let kept = Sim { installation: installation.clone(), folder: folder.clone(), found: None };
            failed = kept.save().err();
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

/// What a run says while it goes: a line for what is new, and for a wait one now and then.
pub(crate) struct Telling {
    /// The width of the terminal; lines for a file are not cut.
    room: Option<usize>,
    last: String,
    waiting: Option<(Vec<Progress>, u64)>,
}

impl Telling {
    /// Seconds (events, in a simulation) after which a wait that is as it was is told again.
    const EVERY: u64 = 10;

    /// For a reader: a terminal, or what takes lines of any length.
    pub(crate) fn new(room: Option<usize>) -> Self {
        Self { room, last: String::new(), waiting: None }
    }

    /// The line for an event, where it is worth one.
    pub(crate) fn line(&mut self, event: &Event, plan: &Plan) -> Option<String> {
        if let Event::Waiting { progress, elapsed, .. } = event {
            if let Some((before, told)) = &self.waiting
                && before == progress
                && (*told..*told + Self::EVERY).contains(elapsed)
            {
                return None;
            }
            self.waiting = Some((progress.clone(), *elapsed));
        } else {
            self.waiting = None;
        }
        let line = report::event(event, plan, self.room)?;
        if line == self.last {
            return None;
        }
        self.last.clone_from(&line);
        Some(line)
    }
}

/// How often somebody asked for a stop: by SIGINT, SIGTERM or SIGHUP.
pub(crate) type Stops = watch::Receiver<u32>;

/// Listens for the signals that ask for a stop.
pub(crate) fn listen() -> Stops {
    use tokio::signal::unix::{SignalKind, signal};
    let (asked, stops) = watch::channel(0);
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let asked = asked.clone();
        if let Ok(mut stream) = signal(kind) {
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    asked.send_modify(|times| *times += 1);
                }
            });
        }
    }
    stops
}

/// Comes when a stop is asked for.
async fn asked(stops: &mut Stops) {
    if stops.changed().await.is_err() {
        // Nobody listens any more: it never comes.
        std::future::pending::<()>().await;
    }
}

/// Comes when a stop was asked for more than so many times.
async fn another(stops: &Stops, times: u32) {
    if stops.clone().wait_for(|now| *now > times).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Runs an engine to its end. With `dry` nothing is recorded: for a look that is no run.
pub(crate) async fn run(
    engine: &mut Engine,
    drive: &mut Drive,
    stops: &Stops,
    dry: bool,
    events: &mut dyn FnMut(&Event),
) -> Result<Outcome, Finding> {
    let mut stops = stops.clone();
    let mut heard = 0;
    // What the wait under way saw last.
    let mut seen: Vec<Progress> = Vec::new();
    loop {
        let times = *stops.borrow_and_update();
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
                    progress = drive.explain(&wait, &mut seen) => progress,
                    () = another(&stops, times) => Vec::new(),
                };
                events(&Event::HelmHolds { progress });
            }
        }
        let reply = match engine.want() {
            Request::End(outcome) => return Ok(outcome),
            Request::Append(..) if dry => Reply::Appended,
            // Neither writes, so both may be dropped half-way.
            request @ (Request::Wait(_) | Request::Query(_)) => {
                let mut keep = |event: &Event| {
                    if let Event::Waiting { progress, .. } = event {
                        seen.clone_from(progress);
                    }
                    events(event);
                };
                tokio::select! {
                    reply = drive.serve(engine, request, &mut keep) => reply?,
                    () = asked(&mut stops) => continue,
                }
            }
            request => drive.serve(engine, request, events).await?,
        };
        engine.on(Input::Reply(reply));
        tokio::task::yield_now().await;
    }
}

fn is_helm(cond: &Cond) -> bool {
    matches!(cond, Cond::HelmEnded(_))
}

#[cfg(test)]
mod tests {
    use model::Record;

    use super::*;

    #[test]
    fn a_wait_is_told_when_it_changes_and_now_and_then() {
        let plan: Plan = serde_json::from_value(serde_json::json!({
            "format": 1, "cluster": "", "server": "", "release": {"namespace": "", "name": ""},
            "helm": {"version": "3.22.0", "path": "", "digest": null},
            "from": {"name": "", "version": "1.0.0"}, "to": {"name": "", "version": "1.0.0"},
            "hops": [], "contingencies": [], "expects": {}, "volumes": [], "databases": [], "without": [], "accepted": [],
            "findings": [],
        }))
        .expect("an empty plan");
        let mut telling = Telling::new(None);
        let mut told = |seen: &str, elapsed| {
            let progress = vec![Progress { cond: Cond::Ready(Ref::set("ns", "keycloak")), seen: seen.into() }];
            telling.line(&Event::Waiting { progress, elapsed, limit: 60 }, &plan).is_some()
        };
        let seen: Vec<u64> = (1..30).filter(|&elapsed| told("0 of 1", elapsed)).collect();
        assert_eq!(seen, [1, 11, 21]);
        assert!(told("1 of 1", 30));
        assert!(!told("1 of 1", 31));
        // The next wait begins anew.
        assert!(told("1 of 1", 1));
        assert!(telling.line(&Event::Recorded(Box::new(Record::Bound)), &plan).is_some());
        assert!(telling.line(&Event::Recorded(Box::new(Record::Bound)), &plan).is_none());
    }
}

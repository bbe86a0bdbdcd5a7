//! The search over all orders of events, one volume's cone of influence at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use portolan_engine::Engine;
use portolan_kube_facts::{ClaimUse, Reach};
use portolan_model::{
    Code, End, Object, Outcome, Plan, ProtectedVolume, Ref, ReleaseId, ReleaseStatus, StepKind, Unmodelled, Verdict,
    VolumeEnd,
};

use crate::actor::{Actor, ActorEvent};
use crate::cause::{self, Cause, ClaimDeletion};
use crate::explore::{Explorer, StateId};
use crate::helm::newest_status;
use crate::judge::{Alive, judge};
use crate::reach::{ManifestHistory, not_modelled, reach, reach_of_restored, unmodelled};
use crate::relevant::RelevantSet;
use crate::rules;
use crate::script::{CommandScript, Op, ScriptedUser};
use crate::space::{NumberMap, State, StateSpace, Transition, WorldId};
use crate::stuck::{self, Stuck};
use crate::trace::{self, TraceLine, TracedPath};
use crate::weigh::{WeighedEnd, takes_nothing};
use crate::world::{Docs, World};

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many faults beside crashes: a lost answer, a failed write of helm's, a killed helm.
    pub faults: u8,
    /// Whether the engine may be killed, and be asked to stop, at any point.
    pub crashes: bool,
    /// The same for stops alone; they end a run early, so a look at finished ends leaves them out.
    pub stops: bool,
    /// Whether to order everything, not only what touches the volume. For small worlds.
    pub whole: bool,
    /// Whether to follow what is known to lead to no other end as well: for comparison with a search that leaves it out.
    pub all: bool,
    /// How many worlds to look at before giving up: what was not looked at is Unknown.
    pub limit: usize,
}

impl Options {
    /// The orders of events alone: nobody dies, nothing fails.
    #[must_use]
    pub fn orders() -> Self {
        Self { faults: 0, crashes: false, stops: false, ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { faults: 1, crashes: true, stops: true, whole: false, all: false, limit: 3_000_000 }
    }
}

/// A forecast, and how long it took to make.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// What will become of every volume.
    pub forecast: Forecast,
    /// The wall time of the search.
    pub took: Duration,
}

/// What will become of every volume.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// One forecast a volume.
    pub volumes: Vec<VolumeForecast>,
    /// How many worlds were looked at.
    pub worlds: usize,
    /// How many events were followed.
    pub edges: usize,
    /// At how many of them the engine was killed.
    pub crashes: usize,
    /// Objects whose kind is not modelled, and that cannot reach a volume.
    pub unmodelled: Vec<Ref>,
}

/// What will become of one volume.
#[derive(Clone, Debug)]
pub struct VolumeForecast {
    /// The volume.
    pub protected: ProtectedVolume,
    /// The worst of all ends.
    pub headline: Verdict,
    /// Every way in which it can end, with the shortest trace that leads there and how many worlds end so.
    pub ends: BTreeMap<WeighedEnd, Trace>,
    /// Whether any order of events reaches the plan's end.
    pub finishes: bool,
    /// Why the verdict is Unknown; empty where it is not.
    pub unknown: Vec<Unmodelled>,
    /// Why no order of events reaches the plan's end, where none does.
    pub stuck: Option<Stuck>,
}

impl VolumeForecast {
    /// Whether nothing about this volume stops the plan: it is Safe, or Unknown for reasons that were all accepted.
    #[must_use]
    pub fn may_be_applied(&self) -> bool {
        let accepted = !self.unknown.is_empty() && self.unknown.iter().all(|one| one.accepted);
        self.finishes && (self.headline == Verdict::Safe || (self.headline == Verdict::Unknown && accepted))
    }
}

/// The shortest way to an end.
#[derive(Clone, Debug)]
pub struct Trace {
    /// In how many worlds it ends so.
    pub worlds: usize,
    /// What happens, in order.
    pub lines: Vec<TraceLine>,
    /// The steps of the plan at which it turned, from 1.
    pub at_step: Option<u32>,
    /// What made the volume what it is at the end; `None` where it was so from the beginning.
    pub cause: Option<Cause>,
    /// Who deleted the PVC; `None` where it is there in the end.
    pub deletion: Option<ClaimDeletion>,
}

impl Forecast {
    /// The worst verdict of all volumes.
    #[must_use]
    pub fn headline(&self) -> Verdict {
        self.volumes.iter().map(|volume| volume.headline).max().unwrap_or(Verdict::Safe)
    }

    /// Whether every volume is Safe, and an end that is reached.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.headline() == Verdict::Safe && self.volumes.iter().all(|volume| volume.finishes)
    }

    /// Whether the plan can be applied: see [`VolumeForecast::may_be_applied`].
    #[must_use]
    pub fn may_be_applied(&self) -> bool {
        self.volumes.iter().all(VolumeForecast::may_be_applied)
    }
}

/// What is rehearsed.
pub enum Subject {
    /// A plan, carried out by the engine.
    Plan(Arc<Plan>),
    /// Commands, as typed.
    Script(CommandScript),
}

/// A subject without what helm looked up when the plan was made: that is not part of the world, and was as it has to be.
fn without_lookups(subject: &Subject) -> Subject {
    match subject {
        Subject::Plan(plan) if !plan.lookups.is_empty() => {
            Subject::Plan(Arc::new(Plan { lookups: BTreeMap::new(), ..(**plan).clone() }))
        }
        Subject::Plan(plan) => Subject::Plan(plan.clone()),
        Subject::Script(script) => Subject::Script(script.clone()),
    }
}

/// Where a search starts.
fn start(world: &World, subject: &Subject) -> (World, Actor) {
    let actor = match subject {
        Subject::Plan(plan) => Actor::Engine(Box::new(Engine::resume(plan.clone(), &[], "here"))),
        Subject::Script(script) => Actor::Script(ScriptedUser::new(script.clone())),
    };
    let mut world = world.detached();
    if let Subject::Plan(plan) = subject
        && plan.accepted.iter().any(|accepted| accepted.code == Code::NotReadyBefore)
    {
        world.unstick();
    }
    let touched = touched(&world, subject);
    world.set_aside_unreachable(touched);
    (world, actor)
}

/// What a subject writes to: what its steps name, what is in a manifest that helm applies or has applied, and helm's
/// records.
fn touched(world: &World, subject: &Subject) -> Vec<Ref> {
    let docs = world.library.values().flat_map(|docs| docs.iter().map(|(name, _)| name));
    let records = world.objects().map(|(name, _)| name).filter(|name| name.kind() == "Release");
    let named: Vec<&Ref> = match subject {
        Subject::Plan(plan) => plan.steps().flat_map(|step| step.kind.writes()).collect(),
        Subject::Script(script) => script.iter().flat_map(|line| line.op.writes()).collect(),
    };
    docs.chain(records).chain(named).cloned().collect()
}

/// What has become of a volume in a world.
fn look(world: &World, protected: &ProtectedVolume) -> (Verdict, bool) {
    let alive = match world.disk(&protected.volume) {
        Some(disk) if disk.alive => Alive::Yes,
        _ => Alive::No,
    };
    let pods = world.objects().filter(|(name, _)| name.kind() == "Pod").map(|(_, object)| object);
    judge(protected, alive, &|name: &Ref| world.get(name), pods)
}

/// Whether a workload of the volume's PVC wants no pods, and nobody else mounts it.
fn is_at_rest(world: &World, protected: &ProtectedVolume) -> bool {
    let uses = |object: &Object| ClaimUse::of(object, &protected.claim).is_some();
    let mut at_rest = false;
    for (name, object) in world.objects().filter(|(_, object)| uses(object)) {
        match name.kind() {
            "Pod" => return false,
            _ => at_rest |= object.at("/spec/replicas").and_then(serde_json::Value::as_u64) == Some(0),
        }
    }
    at_rest
}

/// What becomes of a volume when every pod is deleted once more, as by a drained node, and nothing moves any more.
#[must_use]
pub fn drained(world: &World, protected: &ProtectedVolume) -> Verdict {
    let mut world = world.clone();
    let pods: Vec<Ref> = world.names().into_iter().filter(|name| name.kind() == "Pod").collect();
    for pod in &pods {
        drop(world.delete(pod));
    }
    while let Some((rule, name)) = world.enabled_rules().into_iter().next() {
        rules::fire(&mut world, rule, &name);
    }
    look(&world, protected).0
}

/// What has become of a volume in a world; nobody need mount one that was at rest from the beginning and is so still.
fn look_from(starts_at_rest: bool, world: &World, protected: &ProtectedVolume) -> (Verdict, bool) {
    match look(world, protected) {
        (Verdict::Detached, true) if starts_at_rest && is_at_rest(world, protected) => (Verdict::Safe, true),
        found => found,
    }
}

/// Every world in which a subject can end as far as one volume is concerned, with how it ended there.
/// The numbers of the rules that were followed on the way come with it.
#[must_use]
pub fn ends(
    world: &World,
    subject: &Subject,
    protected: &ProtectedVolume,
    options: Options,
) -> (Vec<(VolumeEnd, World)>, BTreeSet<&'static str>) {
    let mut planned = all_docs(&histories(world, subject));
    planned.push(restored(world, subject));
    let relevant = relevant(protected, world, &planned, options);
    let start = start(world, subject);
    let mut space = StateSpace::new(options);
    let mut all = Vec::new();
    Search::new(protected, &relevant, subject, &start, &mut space, options)
        .explore(options.limit, &mut |end, world| all.push((*end, world.clone())));
    (all, space.into_followed())
}

/// Rehearses a subject on a world.
#[must_use]
pub fn rehearse(world: &World, subject: &Subject, protected_volumes: &[ProtectedVolume], options: Options) -> Forecast {
    let subject = &without_lookups(subject);
    let start = start(world, subject);
    let histories = histories(world, subject);
    let restored = restored(world, subject);
    let mut planned = all_docs(&histories);
    planned.push(restored.clone());
    let mut forecast =
        Forecast { volumes: Vec::new(), worlds: 0, edges: 0, crashes: 0, unmodelled: unmodelled(world, &planned) };
    // What comes of an event does not depend on the volume that is looked at.
    let mut space = StateSpace::new(options);
    for protected in protected_volumes {
        let mut unknown = unknown_of(protected, world, (&histories, &restored), subject);
        let relevant = relevant(protected, world, &planned, options);
        let mut search = Search::new(protected, &relevant, subject, &start, &mut space, options);
        let is_complete = search.explore(options.limit, &mut |_, _| {});
        forecast.worlds += search.visited;
        forecast.edges += search.explorer.followed;
        forecast.crashes += search.crashes + search.explorer.count_led_back();
        if !is_complete {
            let reason = format!("the rehearsal has more than {} states and was cut off", options.limit);
            unknown.push(not_modelled(
                protected,
                protected.claim.clone(),
                Reach { field: String::new(), reason, way_out: "rehearse fewer hops at once", by_change: false },
            ));
        }
        let mut volume = search.conclude(unknown, is_complete);
        if is_complete && !volume.finishes {
            volume.stuck = unhindered(protected, &relevant, subject, &start, &mut space, options);
        }
        forecast.volumes.push(volume);
    }
    forecast
}

fn relevant(protected: &ProtectedVolume, world: &World, manifests: &[Docs], options: Options) -> RelevantSet {
    if options.whole { RelevantSet::Whole } else { RelevantSet::of_volume(protected, world, manifests) }
}

/// What the rehearsal or the plan found that is not modelled and can reach a volume.
fn unknown_of(
    protected: &ProtectedVolume,
    world: &World,
    (histories, restored): (&[ManifestHistory], &Docs),
    subject: &Subject,
) -> Vec<Unmodelled> {
    // Who reaches the volume today goes on as before, where nothing is taken away.
    let mut unknown = match takes_nothing(subject) {
        true => reach_of_restored(protected, world, restored),
        false => reach(protected, world, histories, subject),
    };
    if let Subject::Plan(plan) = subject {
        for one in plan.unmodelled.iter().filter(|one| one.claim == protected.claim) {
            // What both found, the plan may have accepted.
            unknown.retain(|own| (own.code, &own.object, &own.field) != (one.code, &one.object, &one.field));
            unknown.push(one.clone());
        }
        unknown.sort();
    }
    unknown
}

/// Why a subject does not finish although nobody dies, nothing fails and nobody asks for a stop: the shortest way there.
fn unhindered(
    protected: &ProtectedVolume,
    relevant: &RelevantSet,
    subject: &Subject,
    start: &(World, Actor),
    space: &mut StateSpace,
    options: Options,
) -> Option<Stuck> {
    let options = Options { whole: options.whole, all: options.all, limit: options.limit, ..Options::orders() };
    let mut search = Search::new(protected, relevant, subject, start, space, options);
    search.explore(options.limit, &mut |_, _| {});
    let ends: Vec<StateId> = search.ends.values().map(|(_, state)| *state).collect();
    let traces = ends.into_iter().map(|state| search.trace(state));
    traces.min_by_key(|trace| trace.lines.len()).map(stuck::of)
}

struct Search<'a> {
    protected: &'a ProtectedVolume,
    relevant: &'a RelevantSet,
    subject: &'a Subject,
    explorer: Explorer<'a>,
    start: StateId,
    /// Whether nobody mounts the volume at the beginning, because its workload wants no pods.
    starts_at_rest: bool,
    /// Whether the subject takes nothing away.
    takes_nothing: bool,
    /// How many states end so, and the first that was found.
    ends: BTreeMap<WeighedEnd, (usize, StateId)>,
    /// What has become of the volume in a world that a run ended in.
    looks: NumberMap<WorldId, (Verdict, bool, ReleaseStatus)>,
    crashes: usize,
    /// How many states with a choice, or ends, there are.
    visited: usize,
}

impl<'a> Search<'a> {
    fn new(
        protected: &'a ProtectedVolume,
        relevant: &'a RelevantSet,
        subject: &'a Subject,
        (world, actor): &(World, Actor),
        space: &'a mut StateSpace,
        options: Options,
    ) -> Self {
        let state = space.state(world, std::slice::from_ref(actor), options.faults);
        let mut explorer = Explorer::new(space, relevant, options);
        Self {
            protected,
            relevant,
            subject,
            start: explorer.id(state),
            explorer,
            starts_at_rest: is_at_rest(world, protected),
            takes_nothing: takes_nothing(subject),
            ends: BTreeMap::new(),
            looks: NumberMap::default(),
            crashes: 0,
            visited: 0,
        }
    }

    /// Follows every transition; where there are more states than `limit`, only so many, and says so. `ended` hears of each end.
    /// Ways with fewer mishaps come first, so that the first way found to an end is one that needs no more of them than it must.
    fn explore(&mut self, limit: usize, ended: &mut dyn FnMut(&VolumeEnd, &World)) -> bool {
        let first = self.explorer.run_on(self.start);
        let mut queue = VecDeque::from([(first, None)]);
        while let Some((id, came_from)) = queue.pop_front() {
            if self.explorer.is_covered(id) {
                continue;
            }
            self.explorer.visit(id, came_from);
            self.visited += 1;
            let transitions = self.explorer.transitions(id);
            if transitions.is_empty() {
                let state = self.explorer.state(id);
                let end = self.end(state);
                ended(&end.seen, self.explorer.space.world(state.world));
                self.ends.entry(end).or_insert((0, id)).0 += 1;
                continue;
            }
            // In reverse, since what is put in front last is taken first.
            for place in transitions.rev() {
                let transition = self.explorer.transition(place);
                self.explorer.followed += 1;
                let next = self.explorer.take(id, transition);
                let next = self.explorer.run_on(next);
                let event = if let Transition::Actor(_, event) = transition { Some(event) } else { None };
                self.crashes += usize::from(event.is_some_and(ActorEvent::is_crash));
                if self.explorer.is_covered(next) {
                    continue;
                }
                let found = (next, Some((id, transition)));
                if event.is_none_or(|event| event == ActorEvent::Turn) {
                    queue.push_front(found);
                } else {
                    queue.push_back(found);
                }
            }
            if self.visited > limit {
                return false;
            }
        }
        debug_assert!(self.explorer.crashes_lead_back(), "a crash that was not followed leads to something new");
        true
    }

    fn trace(&mut self, end: StateId) -> TracedPath {
        let state = self.explorer.state(end);
        let last = self.explorer.space.world(state.world).clone();
        let (protected, starts_at_rest) = (self.protected, self.starts_at_rest);
        let moments = self.explorer.moments(self.start, end);
        let mut path = trace::tell(&moments, self.relevant);
        let decisive = cause::decisive(&moments, &last, &|world| look_from(starts_at_rest, world, protected));
        path.cause = decisive.and_then(|at| {
            let line = path.line_of(at)?;
            Some(Cause { line, rule: cause::rule_of(&moments[at]) })
        });
        path.deletion = cause::claim_deletion(&moments, &last, protected);
        path
    }

    /// How a state without a transition has ended.
    fn end(&mut self, state: State) -> WeighedEnd {
        let space = &*self.explorer.space;
        let (verdict, holds, release) = *self.looks.entry(state.world).or_insert_with(|| {
            let world = space.world(state.world);
            let (verdict, holds) = look_from(self.starts_at_rest, world, self.protected);
            (verdict, holds, worst_status(world, self.subject))
        });
        let outcome = space.engine(state.actors).and_then(|engine| engine.state().outcome.as_ref());
        let end = match (self.subject, outcome) {
            (Subject::Script(_), _) | (_, Some(Outcome::Finished)) => End::Finished,
            (_, Some(_)) => End::Stopped,
            (_, None) => End::Stranded,
        };
        WeighedEnd::of(VolumeEnd { verdict, end, release }, holds, self.takes_nothing)
    }

    /// The forecast; where the search was cut off, without ways to the ends.
    fn conclude(mut self, unknown: Vec<Unmodelled>, is_complete: bool) -> VolumeForecast {
        let mut headline = self.ends.keys().map(|end| end.counts_as).max().unwrap_or(Verdict::Unknown);
        if !unknown.is_empty() {
            headline = headline.max(Verdict::Unknown);
        }
        let finishes = self.ends.keys().any(|end| end.seen.end == End::Finished);
        let mut ends = BTreeMap::new();
        for (end, (worlds, state)) in std::mem::take(&mut self.ends).into_iter().filter(|_| is_complete) {
            let TracedPath { lines, at_step, cause, deletion, .. } = self.trace(state);
            ends.insert(end, Trace { worlds, lines, at_step, cause, deletion });
        }
        VolumeForecast { protected: self.protected.clone(), headline, finishes, ends, unknown, stuck: None }
    }
}

/// The objects that a plan puts back.
fn restored(world: &World, subject: &Subject) -> Docs {
    let Subject::Plan(plan) = subject else { return Docs::default() };
    let docs = plan.steps().filter_map(|step| match &step.kind {
        StepKind::RestoreObject { target, copy, .. } => Some((target.clone(), world.archived(copy)?)),
        _ => None,
    });
    Arc::new(docs.collect())
}

/// The manifests of each release that is installed here or that helm works on, the installation's own release first.
fn histories(world: &World, subject: &Subject) -> Vec<ManifestHistory> {
    let mut all = vec![ManifestHistory::of(&world.facts.release, world)];
    for (release, docs) in manifests(world, subject) {
        match all.iter_mut().find(|history| history.release == *release) {
            Some(history) => history.planned.push(docs),
            None => {
                let history = ManifestHistory::of(release, world);
                all.push(ManifestHistory { planned: vec![docs], ..history });
            }
        }
    }
    all
}

/// Every manifest that will be applied, and to which release.
fn manifests<'a>(world: &World, subject: &'a Subject) -> Vec<(&'a ReleaseId, Docs)> {
    match subject {
        Subject::Plan(plan) => plan
            .helms()
            .filter_map(|(op, run)| {
                // After an uninstall nothing of the manifest is applied any more.
                let docs =
                    if op.is_uninstall() { Some(Docs::default()) } else { world.library.get(&run.manifest).cloned() };
                Some((&run.release, docs?))
            })
            .collect(),
        Subject::Script(script) => script
            .iter()
            .filter_map(|line| match &line.op {
                Op::Helm(job) => Some((&job.run.release, job.target.clone())),
                _ => None,
            })
            .collect(),
    }
}

/// All manifests that will be applied.
fn all_docs(histories: &[ManifestHistory]) -> Vec<Docs> {
    histories.iter().flat_map(|history| &history.planned).cloned().collect()
}

/// The status of the newest record of a subject's releases, the one that is furthest from `deployed`.
fn worst_status(world: &World, subject: &Subject) -> ReleaseStatus {
    let status = |release: &ReleaseId| newest_status(world, release);
    match subject {
        Subject::Plan(plan) => plan.releases().map(status).max().unwrap_or(ReleaseStatus::Unknown),
        Subject::Script(_) => status(&world.facts.release),
    }
}

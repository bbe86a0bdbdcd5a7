//! The search over all orders of events, one volume's cone at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use helm_compat::upgrade;
use kube_facts::{ClaimUse, OwnerFate, Reach, StatefulSet};
use model::{Code, End, Object, Outcome, Plan, Ref, StepKind, Unmodelled, Verdict, VolumeAim, VolumeEnd};

use crate::actor::Actor;
use crate::fingerprint::Print;
use crate::helm::{newest_status, records};
use crate::judge::{Alive, judge};
use crate::node::{Cone, Edge, Node};
use crate::script::{Script, ScriptActor};
use crate::story;
use crate::stuck::{self, Stuck};
use crate::world::World;

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
        Self { faults: 1, crashes: true, stops: true, whole: false, limit: 3_000_000 }
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
    pub aim: VolumeAim,
    /// The worst of all ends.
    pub headline: Verdict,
    /// Every way in which it can end, with the shortest story that leads there and how many worlds end so.
    pub ends: BTreeMap<VolumeEnd, Tale>,
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

/// One way to an end.
#[derive(Clone, Debug)]
pub struct Tale {
    /// In how many worlds it ends so.
    pub worlds: usize,
    /// What happens, a line each.
    pub lines: Vec<String>,
    /// The steps of the plan at which it turned, from 1.
    pub at_step: Option<u32>,
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
    Script(Script),
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

fn start(world: &World, subject: &Subject, options: Options) -> Node {
    let actor = match subject {
        Subject::Plan(plan) => Actor::Engine(Box::new(Engine::resume(plan.clone(), &[], "here"))),
        Subject::Script(script) => Actor::Script(ScriptActor::new(script.clone())),
    };
    let mut world = world.clone();
    if let Subject::Plan(plan) = subject
        && plan.accepted.iter().any(|accepted| accepted.code == Code::NotReadyBefore)
    {
        world.unstick();
    }
    let touched = touched(&world, subject);
    world.settle(touched);
    Node { world, actors: vec![actor], faults: options.faults, crashes: options.crashes, stops: options.stops }
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
fn look(world: &World, aim: &VolumeAim) -> (Verdict, bool) {
    let alive = match world.disk(&aim.volume) {
        Some(disk) if disk.alive => Alive::Yes,
        _ => Alive::No,
    };
    let pods = world.objects().filter(|(name, _)| name.kind() == "Pod").map(|(_, object)| object);
    judge(aim, alive, &|name: &Ref| world.get(name), pods)
}

/// Whether a workload of the volume's claim wants no pods, and nobody else mounts it.
fn rests(world: &World, aim: &VolumeAim) -> bool {
    let uses = |object: &Object| ClaimUse::of(object, &aim.claim).is_some();
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
pub fn drained(world: &World, aim: &VolumeAim) -> Verdict {
    let mut node = Node { world: world.clone(), actors: Vec::new(), faults: 0, crashes: false, stops: false };
    let pods: Vec<Ref> = world.names().into_iter().filter(|name| name.kind() == "Pod").collect();
    for pod in &pods {
        drop(node.world.delete(pod));
    }
    while let Some((rule, name)) = node.rules().into_iter().next() {
        node.take(&Edge::Fire(rule, name));
    }
    look(&node.world, aim).0
}

/// Every world in which a subject can end as far as one volume is concerned, with how it ended there.
/// The numbers of the rules that were followed on the way come with it.
#[must_use]
pub fn ends(
    world: &World,
    subject: &Subject,
    aim: &VolumeAim,
    options: Options,
) -> (Vec<(VolumeEnd, World)>, BTreeSet<&'static str>) {
    let manifests = manifests(world, subject);
    let cone = if options.whole { Cone::Whole } else { Cone::Of(cone(aim, world, &manifests)) };
    let mut search = Search::new(aim, &cone, subject);
    let mut all = Vec::new();
    search.run(&start(world, subject, options), options.limit, &mut |end, node| all.push((*end, node.world.clone())));
    (all, search.rules)
}

/// Rehearses a subject on a world.
#[must_use]
pub fn rehearse(world: &World, subject: &Subject, aims: &[VolumeAim], options: Options) -> Forecast {
    let subject = &without_lookups(subject);
    let begin = start(world, subject, options);
    let manifests = manifests(world, subject);
    let mut forecast =
        Forecast { volumes: Vec::new(), worlds: 0, edges: 0, crashes: 0, unmodelled: unmodelled(world, &manifests) };
    for aim in aims {
        let names = cone(aim, world, &manifests);
        // Protections alone can only help, whoever else reaches the volume.
        let mut unknown = if only_protects(subject) { Vec::new() } else { reach(aim, world, &manifests, subject) };
        if let Subject::Plan(plan) = subject {
            let planned = plan.unmodelled.iter().filter(|one| one.claim == aim.claim);
            for one in planned {
                // What both found, the plan may have accepted.
                unknown.retain(|own| (own.code, &own.object, &own.field) != (one.code, &one.object, &one.field));
                unknown.push(one.clone());
            }
            unknown.sort();
        }
        let cone = if options.whole { Cone::Whole } else { Cone::Of(names) };
        let mut search = Search::new(aim, &cone, subject);
        let (worlds, complete) = search.run(&begin, options.limit, &mut |_, _| {});
        let stuck = (complete && !search.finishes()).then(|| unhindered(world, subject, aim, &cone, options)).flatten();
        forecast.worlds += worlds;
        forecast.edges += search.edges;
        forecast.crashes += search.crashes;
        if !complete {
            let reason = format!("the rehearsal has more than {} states and was cut off", options.limit);
            unknown.push(not_modelled(
                aim,
                aim.claim.clone(),
                Reach { field: String::new(), reason, way_out: "rehearse fewer hops at once", by_change: false },
            ));
        }
        forecast.volumes.push(VolumeForecast { stuck, ..search.conclude(unknown) });
    }
    forecast
}

/// Why a subject does not finish although nobody dies, nothing fails and nobody asks for a stop: the shortest way there.
fn unhindered(world: &World, subject: &Subject, aim: &VolumeAim, cone: &Cone, options: Options) -> Option<Stuck> {
    let begin = start(world, subject, Options { whole: options.whole, limit: options.limit, ..Options::orders() });
    let mut search = Search::new(aim, cone, subject);
    let parents = search.explore(&begin, options.limit, &mut |_, _| {});
    let told = search.ends.values().map(|(_, print)| story::tell(&begin, &path(&parents, *print), cone));
    told.min_by_key(|told| told.lines.len()).map(stuck::of)
}

/// A map keyed by prints needs no second hash.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u128(&mut self, print: u128) {
        self.0 = print as u64;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// From which node, by which edge.
type Parents = HashMap<Print, Option<(Print, Edge)>, BuildHasherDefault<AsIs>>;

struct Search<'a> {
    aim: &'a VolumeAim,
    cone: &'a Cone,
    subject: &'a Subject,
    /// Whether nobody mounts the volume at the beginning, because its workload wants no pods.
    rests: bool,
    ends: BTreeMap<VolumeEnd, (usize, Print)>,
    /// The ends in which the claim held its volume.
    holds: BTreeSet<(VolumeEnd, bool)>,
    tales: BTreeMap<VolumeEnd, Tale>,
    crashes: usize,
    edges: usize,
    rules: BTreeSet<&'static str>,
}

impl<'a> Search<'a> {
    fn new(aim: &'a VolumeAim, cone: &'a Cone, subject: &'a Subject) -> Self {
        Self {
            aim,
            cone,
            subject,
            rests: false,
            ends: BTreeMap::new(),
            holds: BTreeSet::new(),
            tales: BTreeMap::new(),
            crashes: 0,
            edges: 0,
            rules: BTreeSet::new(),
        }
    }

    /// Ways with fewer mishaps first, so that the first way found to an end is one that needs no more of them than it
    /// must. `ended` hears of each end.
    fn run(&mut self, start: &Node, limit: usize, ended: &mut dyn FnMut(&VolumeEnd, &Node)) -> (usize, bool) {
        self.rests = rests(&start.world, self.aim);
        let parents = self.explore(start, limit, ended);
        if parents.len() > limit {
            return (parents.len(), false);
        }
        for (end, (worlds, print)) in &self.ends {
            let told = story::tell(start, &path(&parents, *print), self.cone);
            self.tales.insert(*end, Tale { worlds: *worlds, lines: told.lines, at_step: told.at_step });
        }
        (parents.len(), true)
    }

    fn finishes(&self) -> bool {
        self.ends.keys().any(|end| end.end == End::Finished)
    }

    /// Follows every edge; where there are more nodes than `limit`, only so many.
    fn explore(&mut self, start: &Node, limit: usize, ended: &mut dyn FnMut(&VolumeEnd, &Node)) -> Parents {
        let mut parents = Parents::default();
        let mut queue = VecDeque::new();
        let mut first = start.clone();
        let edges = first.run_on(self.cone, &mut |node, edge| self.rules.extend(node.rules_of(edge)));
        queue.push_back((first.print(), None, first, edges));
        while let Some((print, parent, node, edges)) = queue.pop_front() {
            let std::collections::hash_map::Entry::Vacant(entry) = parents.entry(print) else { continue };
            entry.insert(parent);
            if edges.is_empty() {
                let (end, holds) = self.end(&node);
                ended(&end, &node);
                self.holds.insert((end, holds));
                let entry = self.ends.entry(end).or_insert((0, print));
                entry.0 += 1;
                continue;
            }
            // In reverse, since what is put in front last is taken first.
            for edge in edges.into_iter().rev() {
                self.edges += 1;
                self.crashes += usize::from(matches!(edge, Edge::Crash(_) | Edge::CrashSent(_)));
                self.rules.extend(node.rules_of(&edge));
                let mut next = node.clone();
                next.take(&edge);
                let more = next.run_on(self.cone, &mut |node, edge| {
                    self.edges += 1;
                    self.rules.extend(node.rules_of(edge));
                });
                let to = next.print();
                if parents.contains_key(&to) {
                    continue;
                }
                let mishap = !matches!(edge, Edge::Fire(..) | Edge::Turn(_));
                let found = (to, Some((print, edge)), next, more);
                if mishap {
                    queue.push_back(found);
                } else {
                    queue.push_front(found);
                }
            }
            if parents.len() > limit {
                break;
            }
        }
        parents
    }

    /// How a node without a next event has ended.
    fn end(&self, node: &Node) -> (VolumeEnd, bool) {
        let world = &node.world;
        let (mut verdict, holds) = look(world, self.aim);
        if self.rests && verdict == Verdict::Detached && holds && rests(world, self.aim) {
            verdict = Verdict::Safe;
        }
        let end = match (self.subject, node.engine().and_then(|engine| engine.state().outcome.clone())) {
            (Subject::Script(_), _) | (_, Some(Outcome::Finished)) => End::Finished,
            (_, Some(_)) => End::Stopped,
            (_, None) => End::Stranded,
        };
        (VolumeEnd { verdict, end, release: newest_status(world, &world.facts.release) }, holds)
    }

    fn conclude(self, unknown: Vec<Unmodelled>) -> VolumeForecast {
        let protects = only_protects(self.subject);
        let weighed = self.holds.iter().map(|(end, holds)| weigh(end, *holds, protects));
        let mut headline = weighed.max().unwrap_or(Verdict::Unknown);
        if !unknown.is_empty() {
            headline = headline.max(Verdict::Unknown);
        }
        VolumeForecast {
            aim: self.aim.clone(),
            headline,
            finishes: self.finishes(),
            ends: self.tales,
            unknown,
            stuck: None,
        }
    }
}

/// Whether a plan writes nothing but protections.
fn only_protects(subject: &Subject) -> bool {
    let protects = |kind: &StepKind| {
        matches!(kind, StepKind::RetainVolume { .. } | StepKind::KeepClaim { .. } | StepKind::VerifyVolume { .. })
    };
    matches!(subject, Subject::Plan(plan) if plan.steps().all(|step| protects(&step.kind)))
}

/// How much an end counts. Where the run stopped, or only protects, a claim that holds its volume is all that is asked; nobody
/// need mount it.
fn weigh(end: &VolumeEnd, holds: bool, protects: bool) -> Verdict {
    match (end.end, end.verdict) {
        (End::Finished, Verdict::Detached) if holds && protects => Verdict::Safe,
        (End::Stopped | End::Stranded, Verdict::Detached) if holds => Verdict::Safe,
        (_, verdict) => verdict,
    }
}

fn path(parents: &Parents, mut at: Print) -> Vec<Edge> {
    let mut edges = Vec::new();
    while let Some(Some((from, edge))) = parents.get(&at) {
        edges.push(edge.clone());
        at = *from;
    }
    edges.reverse();
    edges
}

/// Every manifest that will be applied.
fn manifests(world: &World, subject: &Subject) -> Vec<crate::world::Docs> {
    match subject {
        Subject::Plan(plan) => plan
            .steps()
            .filter_map(|step| match &step.kind {
                StepKind::HelmUpgrade { run } => world.library.get(&run.manifest).cloned(),
                _ => None,
            })
            .collect(),
        Subject::Script(script) => script
            .iter()
            .filter_map(
                |line| if let crate::script::Op::Helm(job) = &line.op { Some(job.target.clone()) } else { None },
            )
            .collect(),
    }
}

/// A volume, its claim, the workloads that may mount it, and their pods.
fn cone(aim: &VolumeAim, world: &World, manifests: &[crate::world::Docs]) -> BTreeSet<Ref> {
    let mut names = BTreeSet::from([aim.claim.clone(), aim.volume.clone()]);
    let live = world.objects();
    let planned = manifests.iter().flat_map(|docs| docs.iter().map(|(name, doc)| (name, doc)));
    for (name, object) in live.chain(planned) {
        if ClaimUse::of(object, &aim.claim).is_some() {
            names.insert(name.clone());
            if let Some(set) = StatefulSet::of(object) {
                let first = set.ordinals().start;
                names.extend((first..set.ordinals().end.max(first + 1)).map(|ordinal| set.pod(ordinal)));
            }
        }
    }
    names
}

/// What is not modelled and can reach the volume.
fn reach(aim: &VolumeAim, world: &World, manifests: &[crate::world::Docs], subject: &Subject) -> Vec<Unmodelled> {
    let stored = newest_docs(world);
    let planned = manifests.iter().flat_map(|docs| docs.iter().map(|(name, doc)| (name, doc)));
    let mut all: Vec<(Ref, Reach)> = Vec::new();
    for (name, object) in world.objects().chain(planned) {
        let found = kube_facts::reach(object, &aim.claim).into_iter();
        let found =
            found.filter(|reach| !(reach.by_change && is_left_alone(name, world, stored.as_ref(), manifests, subject)));
        all.extend(found.map(|reach| (name.clone(), reach)));
    }
    let fate = |owner: &Ref| {
        let doc =
            |docs: &'_ crate::world::Docs| docs.iter().find(|(name, _)| name == owner).map(|(_, doc)| doc.clone());
        let forms: Vec<Option<Object>> = stored.iter().chain(manifests).map(doc).collect();
        let changes =
            forms.windows(2).any(|pair| kube_facts::fate(pair[0].as_ref(), pair[1].as_ref()) == OwnerFate::Changed);
        if changes { OwnerFate::Changed } else { OwnerFate::Untouched }
    };
    all.extend(kube_facts::reach_by_owners(&aim.claim, world.objects(), &|name| world.get(name), &fate));
    let mut all: Vec<Unmodelled> = all.into_iter().map(|(name, reach)| not_modelled(aim, name, reach)).collect();
    all.sort();
    all.dedup_by(|a, b| (&a.object, &a.field) == (&b.object, &b.field));
    all
}

/// Whether nothing but helm writes to an object, and no helm changes its spec.
fn is_left_alone(
    name: &Ref,
    world: &World,
    stored: Option<&crate::world::Docs>,
    manifests: &[crate::world::Docs],
    subject: &Subject,
) -> bool {
    let deletes = match subject {
        Subject::Plan(plan) => {
            plan.steps().any(|step| matches!(&step.kind, StepKind::DeleteObject { target, .. } if target == name))
        }
        Subject::Script(script) => script.iter().any(|line| line.op.writes().contains(&name)),
    };
    let Some(live) = world.get(name).filter(|_| !deletes) else { return false };
    let find = |docs: &'_ crate::world::Docs| docs.iter().find(|(is, _)| is == name).map(|(_, doc)| doc.clone());
    let Some(mut before) = stored.and_then(find) else { return false };
    manifests.iter().all(|docs| {
        find(docs).is_some_and(|doc| {
            let stays = upgrade::leaves_spec(Some(&before), &doc, live);
            before = doc;
            stays
        })
    })
}

/// The manifest that the newest record holds.
fn newest_docs(world: &World) -> Option<crate::world::Docs> {
    let (_, record) = records(world, &world.facts.release).pop()?;
    world.library.get(&crate::serve::digest(record.text("/manifest"))?).cloned()
}

fn not_modelled(aim: &VolumeAim, object: Ref, reach: Reach) -> Unmodelled {
    Unmodelled {
        code: Code::NotModelled,
        claim: aim.claim.clone(),
        object,
        field: reach.field,
        reason: reach.reason,
        way_out: reach.way_out.into(),
        accepted: false,
    }
}

/// The kinds with rules, or whose content no rule reads.
const MODELLED: &[&str] = &[
    "PersistentVolumeClaim",
    "PersistentVolume",
    "Pod",
    "StatefulSet",
    "Deployment",
    "Job",
    "Secret",
    "StorageClass",
    "Release",
    "Namespace",
    "CustomResourceDefinition",
];

fn unmodelled(world: &World, manifests: &[crate::world::Docs]) -> Vec<Ref> {
    let planned = manifests.iter().flat_map(|docs| docs.iter().map(|(name, _)| name));
    let names: BTreeSet<&Ref> =
        world.objects().map(|(name, _)| name).chain(planned).filter(|name| !MODELLED.contains(&name.kind())).collect();
    names.into_iter().cloned().collect()
}

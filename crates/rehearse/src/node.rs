//! A world with everybody who acts on it: the node of a search, and what a simulated installation keeps.

use std::collections::BTreeSet;

use engine::{Engine, Phase};
use model::{Cond, Input, Ref, Reply, Request, Urgency};

use crate::actor::Actor;
use crate::fingerprint::{Print, Printer};
use crate::helm::Fate;
use crate::rules::{self, RuleId};
use crate::script::Turned;
use crate::serve::{Served, serve};
use crate::world::World;

/// A world and its actors.
#[derive(Clone, Debug)]
pub struct Node {
    /// The world.
    pub world: World,
    /// Who acts on it.
    pub actors: Vec<Actor>,
    /// How many faults may still happen; crashes are not counted.
    pub faults: u8,
    /// Whether the engine may be killed.
    pub crashes: bool,
    /// Whether it may be asked to stop.
    pub stops: bool,
}

/// Something that can happen next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// A rule fires.
    Fire(RuleId, Ref),
    /// An actor takes its turn.
    Turn(usize),
    /// The engine dies. What it had not made durable is forgotten.
    Crash(usize),
    /// The engine dies with a request on its way: the write may still land, the helm lives.
    CrashSent(usize),
    /// The engine's write lands and the answer is lost.
    Lose(usize),
    /// Helm's next write fails.
    Fail(usize),
    /// Helm's next write is carried out, and the answer is an error.
    FailLate(usize),
    /// Helm is killed.
    Kill(usize),
    /// A write in flight never lands.
    Vanish(usize),
    /// Somebody asks the engine to stop.
    Stop(usize),
    /// The engine's wait runs out.
    Timeout(usize),
}

impl Edge {
    /// The actor whose turn it is.
    pub(crate) fn actor(&self) -> Option<usize> {
        if let Self::Turn(at) = self { Some(*at) } else { None }
    }
}

/// Which objects' events are ordered in every way. The others happen at once, in one order.
#[derive(Clone, Debug)]
pub(crate) enum Cone {
    Whole,
    Of(BTreeSet<Ref>),
}

impl Cone {
    pub(crate) fn has(&self, name: &Ref) -> bool {
        match self {
            Self::Whole => true,
            Self::Of(names) => names.contains(name),
        }
    }
}

impl Node {
    /// What tells this node from another one.
    pub(crate) fn print(&self) -> Print {
        let mut state = Printer::new();
        std::hash::Hash::hash(&(self.world.print(), self.faults), &mut state);
        for actor in &self.actors {
            actor.hash_into(&mut state);
        }
        state.print()
    }

    fn helm_runs(&self) -> bool {
        self.actors.iter().any(|actor| matches!(actor, Actor::Helm(_)))
    }

    /// The engine, if it takes part.
    #[must_use]
    pub fn engine(&self) -> Option<&Engine> {
        self.actors.iter().find_map(|actor| if let Actor::Engine(engine) = actor { Some(&**engine) } else { None })
    }

    /// The rules that can fire.
    pub(crate) fn rules(&self) -> Vec<(RuleId, Ref)> {
        let mut out = Vec::new();
        for (name, thing) in self.world.things() {
            rules::enabled(&self.world, name, thing, &mut out);
        }
        debug_assert!(self.world.is_still(), "what was set aside moves");
        out
    }

    /// What can happen next. Where something outside the cone can, that comes first and alone, with the ways
    /// in which it can fail: it commutes with all that is in the cone.
    pub(crate) fn edges(&self, cone: &Cone) -> Vec<Edge> {
        let rules = self.rules();
        if let Some((rule, name)) = rules.iter().find(|(_, name)| !cone.has(name)) {
            return vec![Edge::Fire(*rule, name.clone())];
        }
        let mut edges = Vec::new();
        for (at, actor) in self.actors.iter().enumerate() {
            let (inside, mut own) = self.actor_edges(at, actor, cone);
            if !own.is_empty() && !inside {
                return own;
            }
            edges.append(&mut own);
        }
        edges.extend(rules.into_iter().map(|(rule, name)| Edge::Fire(rule, name)));
        if edges.is_empty() {
            // Nothing moves any more: only now does a wait run out.
            edges.extend(self.actors.iter().enumerate().filter_map(|(at, actor)| match actor {
                Actor::Engine(engine) => matches!(engine.want(), Request::Wait(_)).then_some(Edge::Timeout(at)),
                _ => None,
            }));
        }
        edges
    }

    /// What an actor can do, and whether that touches the cone.
    fn actor_edges(&self, at: usize, actor: &Actor, cone: &Cone) -> (bool, Vec<Edge>) {
        match actor {
            Actor::Engine(engine) => self.engine_edges(at, engine, cone),
            Actor::Helm(helm) => {
                let mut edges = vec![Edge::Turn(at)];
                if self.faults > 0 {
                    if let Some(name) = helm.target() {
                        edges.push(if cone.has(name) { Edge::Fail(at) } else { Edge::FailLate(at) });
                    }
                    edges.push(Edge::Kill(at));
                }
                (helm.target().is_some_and(|name| cone.has(name)), edges)
            }
            Actor::InFlight(write) => (cone.has(&write.target), vec![Edge::Turn(at), Edge::Vanish(at)]),
            Actor::Script(script) => {
                if script.is_ready(&self.world, self.helm_runs()) {
                    (script.target().is_some_and(|name| cone.has(name)), vec![Edge::Turn(at)])
                } else {
                    (true, Vec::new())
                }
            }
        }
    }

    fn engine_edges(&self, at: usize, engine: &Engine, cone: &Cone) -> (bool, Vec<Edge>) {
        let fold = engine.state();
        let mut edges = Vec::new();
        if let Some((record, _)) = engine.pending() {
            if self.crashes && !matches!(record, model::Record::Started { .. } | model::Record::Resumed { .. }) {
                edges.push(Edge::Crash(at));
            }
            edges.insert(0, Edge::Turn(at));
            return (false, edges);
        }
        let request = engine.want();
        let inside = match &request {
            Request::End(_) => return (true, edges),
            Request::Wait(wait) => {
                let open = !crate::serve::progress(&self.world, wait, &helms(&self.actors)).is_empty();
                if open {
                    return (true, self.stop_edge(at, engine));
                }
                wait.until.iter().filter_map(Cond::target).any(|name| cone.has(name))
            }
            Request::Read(names) | Request::ReadWithClaims(names, _) => names.iter().any(|name| cone.has(name)),
            Request::Write(write) => {
                if self.crashes {
                    edges.extend([Edge::Crash(at), Edge::CrashSent(at)]);
                }
                if self.faults > 0 {
                    edges.push(Edge::Lose(at));
                }
                cone.has(&write.target)
            }
            Request::Spawn(..) => {
                if self.crashes {
                    edges.extend([Edge::Crash(at), Edge::CrashSent(at)]);
                }
                false
            }
            Request::Query(database) => cone.has(&database.pod),
            Request::Releases(..) | Request::Append(..) | Request::Check(_) => false,
        };
        if self.crashes && fold.phase == Phase::Check {
            edges.push(Edge::Crash(at));
        }
        // The plain way comes first, so that a story has no more mishaps than it needs.
        edges.insert(0, Edge::Turn(at));
        edges.append(&mut self.stop_edge(at, engine));
        (inside, edges)
    }

    /// A stop changes something only where the engine listens: between two steps, and while it waits. Leaving a running helm
    /// is a crash as far as the world is concerned.
    fn stop_edge(&self, at: usize, engine: &Engine) -> Vec<Edge> {
        let fold = engine.state();
        let listens = self.stops && fold.bound && fold.stop.is_none() && engine.may_stop(Urgency::AfterStep);
        if listens { vec![Edge::Stop(at)] } else { Vec::new() }
    }

    /// The numbers of the rules that an edge follows.
    pub(crate) fn rules_of(&self, edge: &Edge) -> Vec<&'static str> {
        match edge {
            Edge::Fire(rule, _) => vec![rule.code()],
            Edge::Turn(at) => match self.actors.get(*at) {
                Some(Actor::Helm(helm)) => helm.rules(&self.world).to_vec(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// Goes on while only one thing can happen next; `told` hears of each. What is left has a choice, or has ended.
    pub(crate) fn run_on(&mut self, cone: &Cone, told: &mut dyn FnMut(&Self, &Edge)) -> Vec<Edge> {
        loop {
            let mut edges = self.edges(cone);
            if edges.len() != 1 {
                return edges;
            }
            if let Some(edge) = edges.pop() {
                told(self, &edge);
                self.take(&edge);
            }
        }
    }

    /// The node after an edge.
    #[must_use]
    pub fn follow(&self, edge: &Edge) -> Self {
        let mut next = self.clone();
        next.take(edge);
        next
    }

    /// Lets an edge happen.
    pub fn take(&mut self, edge: &Edge) {
        self.happen(edge);
        // A real resourceVersion never comes back: a write in flight whose object has changed can only fail.
        let world = &self.world;
        self.actors.retain(|actor| match actor {
            Actor::InFlight(write) => world.would_meet(&write.target, &write.uid, &write.rv),
            _ => true,
        });
    }

    fn happen(&mut self, edge: &Edge) {
        match edge {
            Edge::Fire(rule, name) => rules::fire(&mut self.world, *rule, name),
            Edge::Turn(at) => self.turn(*at, Fate::Served),
            Edge::Fail(at) => {
                self.faults -= 1;
                self.turn(*at, Fate::Failing);
            }
            Edge::FailLate(at) => {
                self.faults -= 1;
                self.turn(*at, Fate::Lost);
            }
            Edge::Kill(at) => {
                self.faults -= 1;
                self.actors.remove(*at);
            }
            Edge::Vanish(at) => drop(self.actors.remove(*at)),
            Edge::Crash(at) => self.crash(*at),
            Edge::CrashSent(at) => self.crash_sent(*at),
            Edge::Lose(at) => {
                self.faults -= 1;
                self.lose(*at);
            }
            Edge::Stop(at) => self.tell(*at, Input::Stop(Urgency::AfterStep)),
            Edge::Timeout(at) => {
                let open = match self.actors.get(*at) {
                    Some(Actor::Engine(engine)) => match engine.want() {
                        Request::Wait(wait) => crate::serve::progress(&self.world, &wait, &helms(&self.actors)),
                        _ => Vec::new(),
                    },
                    _ => Vec::new(),
                };
                self.tell(*at, Input::Reply(Reply::TimedOut(open)));
            }
        }
    }

    fn tell(&mut self, at: usize, input: Input) {
        if let Some(Actor::Engine(engine)) = self.actors.get_mut(at) {
            engine.on(input);
        }
    }

    fn turn(&mut self, at: usize, fate: Fate) {
        let mut actor = self.actors.remove(at);
        match &mut actor {
            Actor::Engine(engine) => {
                if let Some((_, blobs)) = engine.pending() {
                    self.world.keep(blobs);
                    engine.on(Input::Reply(Reply::Appended));
                    self.actors.insert(at, actor);
                    return;
                }
                let request = engine.want();
                let helms = helms(&self.actors);
                match serve(&mut self.world, engine, &request, &helms) {
                    Served::Reply(reply) => engine.on(Input::Reply(reply)),
                    Served::Spawned(helm) => {
                        engine.on(Input::Reply(Reply::Spawned));
                        self.actors.push(Actor::Helm(*helm));
                    }
                    Served::Waiting(_) => {}
                }
                self.actors.insert(at, actor);
            }
            Actor::Helm(helm) => {
                if helm.turn(&mut self.world, fate) {
                    self.actors.insert(at, actor);
                }
            }
            Actor::InFlight(write) => drop(self.world.write(write)),
            Actor::Script(script) => {
                if let Turned::Spawned(helm) = script.turn(&mut self.world) {
                    self.actors.push(Actor::Helm(*helm));
                }
                self.actors.insert(at, actor);
            }
        }
    }

    fn crash(&mut self, at: usize) {
        if let Some(Actor::Engine(engine)) = self.actors.get_mut(at) {
            **engine = engine.crashed("here");
        }
    }

    fn crash_sent(&mut self, at: usize) {
        let Some(Actor::Engine(engine)) = self.actors.get(at) else { return };
        match engine.want() {
            Request::Write(write) => {
                let known = self.actors.iter().any(|actor| matches!(actor, Actor::InFlight(other) if *other == write));
                if !known && self.world.would_meet(&write.target, &write.uid, &write.rv) {
                    self.actors.push(Actor::InFlight(write));
                }
            }
            request @ Request::Spawn(..) => {
                if let Served::Spawned(helm) = serve(&mut self.world, &engine.clone(), &request, &[]) {
                    self.actors.push(Actor::Helm(*helm));
                }
            }
            _ => {}
        }
        self.crash(at);
    }

    fn lose(&mut self, at: usize) {
        let Some(Actor::Engine(engine)) = self.actors.get(at) else { return };
        if let Request::Write(write) = engine.want() {
            drop(self.world.write(&write));
        }
        self.tell(at, Input::Reply(Reply::Unknown("the answer was lost".into())));
    }
}

/// The tokens of the helms that run.
fn helms(actors: &[Actor]) -> Vec<&str> {
    actors.iter().filter_map(|actor| if let Actor::Helm(helm) = actor { helm.token() } else { None }).collect()
}

//! The parts of the states of a search, each kept once, and what comes of each event, worked out once.
//!
//! A state is a world, the actors in it, and how many faults may still happen. A search meets thousands of states, but only
//! hundreds of worlds, of engines and of helms: the same helm goes on in the same world whether the engine was killed before or
//! not. What an event changes depends on one world and at most one actor, so it is looked up by their numbers.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::rc::Rc;

use portolan_engine::Engine;
use portolan_model::{HelmToken, Ref};

use crate::actor::{Actor, ActorEvent, Helms, Reads};
use crate::helm::{HelmActor, HelmError, record_names};
use crate::rules::{self, RuleId};
use crate::search::Options;
use crate::state_hash::{StateHash, StateHasher};
use crate::world::World;

/// A world of a [`StateSpace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WorldId(pub(crate) u32);

/// An actor of a [`StateSpace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ActorId(pub(crate) u32);

/// A list of actors of a [`StateSpace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ActorsId(u32);

/// A state of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) world: WorldId,
    pub(crate) actors: ActorsId,
    /// How many faults may still happen; crashes are not counted.
    pub(crate) faults: u8,
}

/// Something that can happen next in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    /// A rule fires: its place among those of the world.
    Rule(u16),
    /// Something happens to an actor: its place among those of the state.
    Actor(u8, ActorEvent),
}

/// A map whose keys are small numbers or hashes already.
pub(crate) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<Mixer>>;

/// Mixes numbers. They come from this search alone, so nobody chooses them to collide.
#[derive(Default)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }
    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }
    fn write_u64(&mut self, number: u64) {
        // The odd number is 2^64 divided by the golden ratio.
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
    fn write_u128(&mut self, hash: u128) {
        self.write_u64(hash as u64);
    }
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }
}

struct WorldEntry {
    world: World,
    /// The rules that can fire.
    rules: Option<Rc<[(RuleId, Ref)]>>,
    /// The world after each of them, where one was fired.
    after: Vec<Option<WorldId>>,
    /// The hash of the records of the installation's release, where it was asked for.
    records: Option<StateHash>,
}

struct ActorEntry {
    actor: Actor,
    reads: Reads,
    watches_world: bool,
}

struct ActorsEntry {
    actors: Rc<[ActorId]>,
    helms: Rc<Helms>,
    has_in_flight: bool,
    /// The same, where the engine knows of the helm that it waits for.
    knowing: Option<ActorsId>,
}

/// What came of an event.
#[derive(Clone, Copy)]
struct Taken {
    /// The world afterwards; `None` where it is the same.
    world: Option<WorldId>,
    actor: Option<ActorId>,
    spawned: Option<ActorId>,
}

/// What the outcome of an event depends on besides the actor.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Basis {
    World(WorldId),
    /// A part of the world, which stays as it is.
    Part(StateHash),
}

/// The parts of states, and what comes of each event.
#[derive(Default)]
pub(crate) struct StateSpace {
    worlds: Vec<WorldEntry>,
    world_ids: NumberMap<StateHash, WorldId>,
    actors: Vec<ActorEntry>,
    actor_ids: NumberMap<StateHash, ActorId>,
    lists: Vec<ActorsEntry>,
    list_ids: NumberMap<Rc<[ActorId]>, ActorsId>,
    replaced: NumberMap<(ActorsId, u8, Option<ActorId>, Option<ActorId>), ActorsId>,
    /// By what the outcome depends on, actor and event.
    taken: NumberMap<(Basis, ActorId, ActorEvent), Taken>,
    refused: NumberMap<(WorldId, ActorId, ActorEvent), Rc<HelmError>>,
    /// The numbers of the rules that were followed.
    followed: BTreeSet<&'static str>,
    /// Whether states and turns that make no difference to any end are left out.
    reduced: bool,
}

impl StateSpace {
    pub(crate) fn new(options: Options) -> Self {
        Self { reduced: !options.all, ..Self::default() }
    }

    pub(crate) fn state(&mut self, world: &World, actors: &[Actor], faults: u8) -> State {
        let world = self.world_id(world.clone());
        let actors: Vec<ActorId> = actors.iter().map(|actor| self.actor_id(actor.clone())).collect();
        State { world, actors: self.list_id(&actors), faults }
    }

    pub(crate) fn world(&self, id: WorldId) -> &World {
        &self.worlds[id.0 as usize].world
    }

    pub(crate) fn actor(&self, id: ActorId) -> &Actor {
        &self.actors[id.0 as usize].actor
    }

    /// Whether what can happen to an actor depends on the world.
    pub(crate) fn watches_world(&self, id: ActorId) -> bool {
        self.actors[id.0 as usize].watches_world
    }

    /// The actors of a state.
    pub(crate) fn actors(&self, id: ActorsId) -> Rc<[ActorId]> {
        self.lists[id.0 as usize].actors.clone()
    }

    pub(crate) fn helms(&self, id: ActorsId) -> Rc<Helms> {
        self.lists[id.0 as usize].helms.clone()
    }

    /// The engine of a state, if it takes part.
    pub(crate) fn engine(&self, id: ActorsId) -> Option<&Engine> {
        let actors = self.lists[id.0 as usize].actors.iter();
        actors.map(|id| self.actor(*id)).find_map(|actor| match actor {
            Actor::Engine(engine) => Some(&**engine),
            _ => None,
        })
    }

    /// The rules that can fire in a world.
    pub(crate) fn rules(&mut self, id: WorldId) -> Rc<[(RuleId, Ref)]> {
        let entry = &mut self.worlds[id.0 as usize];
        entry.rules.get_or_insert_with(|| entry.world.enabled_rules().into()).clone()
    }

    /// A rule of a world whose rules were asked for.
    pub(crate) fn known_rule(&self, id: WorldId, at: u16) -> Option<(RuleId, &Ref)> {
        let rules = self.worlds[id.0 as usize].rules.as_ref()?;
        rules.get(usize::from(at)).map(|(rule, name)| (*rule, name))
    }

    /// Why helm's write was rejected in an event, or helm refused to start.
    pub(crate) fn refused(&self, state: State, transition: Transition) -> Option<&HelmError> {
        let Transition::Actor(at, event) = transition else { return None };
        let actor = self.lists[state.actors.0 as usize].actors[usize::from(at)];
        self.refused.get(&(state.world, actor, event)).map(|error| &**error)
    }

    /// The numbers of the rules that were followed so far.
    pub(crate) fn into_followed(self) -> BTreeSet<&'static str> {
        self.followed
    }

    /// The state after a transition.
    pub(crate) fn take(&mut self, state: State, transition: Transition) -> State {
        match transition {
            Transition::Rule(at) => {
                let world = self.fire(state.world, usize::from(at));
                let actors = self.without_stale(state.actors, world);
                State { world, actors, ..state }
            }
            Transition::Actor(at, event) => {
                let taken = self.happen(state, self.lists[state.actors.0 as usize].actors[usize::from(at)], event);
                let world = taken.world.unwrap_or(state.world);
                let actors = self.replaced(state.actors, at, taken.actor, taken.spawned);
                let actors = self.without_stale(actors, world);
                let actors = if self.reduced { self.knowing(actors) } else { actors };
                State { world, actors, faults: state.faults - u8::from(event.is_fault()) }
            }
        }
    }

    /// The actors with another one, or none, in a place, and one more at the end.
    fn replaced(&mut self, id: ActorsId, at: u8, by: Option<ActorId>, spawned: Option<ActorId>) -> ActorsId {
        if let Some(known) = self.replaced.get(&(id, at, by, spawned)) {
            return *known;
        }
        let (list, place) = (self.actors(id), usize::from(at));
        let mut actors: Vec<ActorId> = list[..place].iter().copied().chain(by).collect();
        actors.extend_from_slice(&list[place + 1..]);
        // The same write is on its way once, however often it was sent.
        let is_known =
            |spawned: &ActorId| actors.contains(spawned) && matches!(self.actor(*spawned), Actor::InFlight(_));
        if let Some(spawned) = spawned.filter(|spawned| !is_known(spawned)) {
            actors.push(spawned);
        }
        let replaced = self.list_id(&actors);
        self.replaced.insert((id, at, by, spawned), replaced);
        replaced
    }

    fn fire(&mut self, from: WorldId, at: usize) -> WorldId {
        let rules = self.rules(from);
        let entry = &mut self.worlds[from.0 as usize];
        entry.after.resize(rules.len(), None);
        if let Some(known) = entry.after[at] {
            return known;
        }
        let mut world = entry.world.clone();
        let (rule, name) = &rules[at];
        self.followed.insert(rule.code());
        rules::fire(&mut world, *rule, name);
        let to = self.world_id(world);
        self.worlds[from.0 as usize].after[at] = Some(to);
        to
    }

    fn happen(&mut self, state: State, id: ActorId, event: ActorEvent) -> Taken {
        let key = (self.basis(state.world, id, event), id, event);
        if let Some(known) = self.taken.get(&key) {
            return *known;
        }
        let (mut world, actor) = (self.world(state.world).clone(), self.actor(id).clone());
        if let (Actor::Helm(helm), true) = (&actor, event == ActorEvent::Turn) {
            self.followed.extend(helm.rules(&world));
        }
        let before = world.state_hash();
        let mut result = actor.take(event, &mut world, &self.helms(state.actors));
        if let (Some(Actor::Helm(helm)), true) = (&mut result.actor, self.reduced) {
            let refused = helm.skip(&mut world, &mut self.followed);
            result.refused = result.refused.or(refused);
        }
        let taken = Taken {
            world: (world.state_hash() != before).then(|| self.world_id(world)),
            actor: result.actor.map(|actor| self.actor_id(actor)),
            spawned: result.spawned.map(|actor| self.actor_id(actor)),
        };
        if let Some(error) = result.refused {
            self.refused.insert((state.world, id, event), Rc::new(error));
        }
        self.taken.insert(key, taken);
        taken
    }

    fn basis(&mut self, id: WorldId, actor: ActorId, event: ActorEvent) -> Basis {
        let reads = match event {
            ActorEvent::Turn => &self.actors[actor.0 as usize].reads,
            ActorEvent::Crash | ActorEvent::Stop | ActorEvent::Kill | ActorEvent::InFlightDropped => &Reads::Nothing,
            _ => &Reads::World,
        };
        let entry = &mut self.worlds[id.0 as usize];
        match reads {
            Reads::Nothing => Basis::Part(0),
            Reads::Objects(names) => Basis::Part(entry.world.hash_of(names)),
            Reads::Releases(release) => {
                let world = &entry.world;
                let records = || world.hash_of(&record_names(world, release));
                Basis::Part(match *release == world.facts.release {
                    true => *entry.records.get_or_insert_with(records),
                    false => records(),
                })
            }
            Reads::World => Basis::World(id),
        }
    }

    /// The actors, where the engine knows of the helm that it waits for once that has made its record.
    fn knowing(&mut self, id: ActorsId) -> ActorsId {
        let entry = &self.lists[id.0 as usize];
        if entry.helms.count == 0 {
            return id;
        }
        if let Some(known) = entry.knowing {
            return known;
        }
        let actors = entry.actors.clone();
        let has_record = |token: &HelmToken| {
            let is_its = |helm: &HelmActor| helm.has_started() && helm.token() == Some(token);
            actors.iter().any(|id| matches!(self.actor(*id), Actor::Helm(helm) if is_its(helm)))
        };
        let mut engines = actors.iter().enumerate().filter_map(|(at, id)| match self.actor(*id) {
            Actor::Engine(engine) => Some((at, engine.knowing_of_helm(has_record)?)),
            _ => None,
        });
        let knowing = match engines.next_back() {
            Some((at, engine)) => {
                let mut actors = actors.to_vec();
                actors[at] = self.actor_id(Actor::Engine(Box::new(engine)));
                self.list_id(&actors)
            }
            None => id,
        };
        self.lists[id.0 as usize].knowing = Some(knowing);
        knowing
    }

    /// The actors without the writes on their way that can only fail: a real resourceVersion never comes back, so a write whose
    /// object has changed is as good as gone.
    fn without_stale(&mut self, id: ActorsId, world: WorldId) -> ActorsId {
        let entry = &self.lists[id.0 as usize];
        if !entry.has_in_flight {
            return id;
        }
        let can_land = |id: &&ActorId| match self.actor(**id) {
            Actor::InFlight(write) => self.world(world).would_meet(write),
            _ => true,
        };
        let actors: Vec<ActorId> = entry.actors.iter().filter(can_land).copied().collect();
        self.list_id(&actors)
    }

    fn world_id(&mut self, world: World) -> WorldId {
        let next = WorldId(number(self.worlds.len()));
        let id = *self.world_ids.entry(world.state_hash()).or_insert(next);
        if id == next {
            self.worlds.push(WorldEntry { world, rules: None, after: Vec::new(), records: None });
        }
        id
    }

    fn actor_id(&mut self, actor: Actor) -> ActorId {
        let mut hasher = StateHasher::new();
        actor.hash_into(&mut hasher);
        let next = ActorId(number(self.actors.len()));
        let id = *self.actor_ids.entry(hasher.state_hash()).or_insert(next);
        if id == next {
            self.actors.push(ActorEntry { watches_world: actor.watches_world(), reads: actor.reads(), actor });
        }
        id
    }

    fn list_id(&mut self, actors: &[ActorId]) -> ActorsId {
        if let Some(known) = self.list_ids.get(actors) {
            return *known;
        }
        let id = ActorsId(number(self.lists.len()));
        let all = || actors.iter().map(|id| self.actor(*id));
        let entry = ActorsEntry {
            actors: actors.into(),
            helms: Rc::new(Helms::among(all())),
            has_in_flight: all().any(|actor| matches!(actor, Actor::InFlight(_))),
            knowing: None,
        };
        self.list_ids.insert(entry.actors.clone(), id);
        self.lists.push(entry);
        id
    }
}

/// A number for the next part. A search is cut off long before there are too many.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

//! What can happen in the states of a search, for one set of relevant objects.

use std::ops::Range;

use crate::actor::{Actor, ActorEvent, Mishaps, Moves};
use crate::relevant::RelevantSet;
use crate::search::Options;
use crate::space::{ActorId, ActorsId, NumberMap, State, StateSpace, Transition, WorldId};
use crate::trace::{Happening, Moment};

/// A state that an [`Explorer`] met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StateId(u32);

struct StateEntry {
    state: State,
    /// Its transitions among all, where they were asked for.
    transitions: Option<Range<usize>>,
    /// The next state with a choice, or an end, where it was asked for.
    choice: Option<StateId>,
    /// Whether a search has visited it, and from where.
    visited: bool,
    came_from: Option<(StateId, Transition)>,
}

/// The states of one search, each kept once.
pub(crate) struct Explorer<'a> {
    pub(crate) space: &'a mut StateSpace,
    relevant: &'a RelevantSet,
    mishaps: Mishaps,
    /// With how many faults a state may stand for one with fewer.
    most_faults: u8,
    states: Vec<StateEntry>,
    ids: NumberMap<State, StateId>,
    transitions: Vec<Transition>,
    /// What can happen to an actor that does not watch the world: without and with faults.
    moves: Vec<[Option<Moves>; 2]>,
    /// The same for those that do.
    moves_in_world: NumberMap<(WorldId, ActorId, ActorsId, bool), Moves>,
    /// The first rule of a world that concerns no relevant object.
    irrelevant: Vec<Option<Option<u16>>>,
    /// How many transitions were followed.
    pub(crate) followed: usize,
    /// The states in which the engine may be killed as well, with its place among the actors: it is then where it was before.
    led_back: Vec<(StateId, u8)>,
}

impl<'a> Explorer<'a> {
    /// An explorer of the states that these options allow; whether a fault may happen is said by each state.
    pub(crate) fn new(space: &'a mut StateSpace, relevant: &'a RelevantSet, options: Options) -> Self {
        let reduced = !options.all;
        Self {
            space,
            relevant,
            mishaps: Mishaps { faults: options.faults > 0, crashes: options.crashes, stops: options.stops, reduced },
            most_faults: if reduced { options.faults } else { 0 },
            states: Vec::new(),
            ids: NumberMap::default(),
            transitions: Vec::new(),
            moves: Vec::new(),
            moves_in_world: NumberMap::default(),
            irrelevant: Vec::new(),
            followed: 0,
            led_back: Vec::new(),
        }
    }

    pub(crate) fn id(&mut self, state: State) -> StateId {
        let next = StateId(u32::try_from(self.states.len()).unwrap_or(u32::MAX));
        let id = *self.ids.entry(state).or_insert(next);
        if id == next {
            self.states.push(StateEntry { state, transitions: None, choice: None, visited: false, came_from: None });
        }
        id
    }

    pub(crate) fn state(&self, id: StateId) -> State {
        self.entry(id).state
    }

    fn entry(&self, id: StateId) -> &StateEntry {
        &self.states[id.0 as usize]
    }

    fn entry_mut(&mut self, id: StateId) -> &mut StateEntry {
        &mut self.states[id.0 as usize]
    }

    /// Whether a search visited a state, or the same one with more faults to come: in that one everything can happen that can
    /// happen here.
    pub(crate) fn is_covered(&self, id: StateId) -> bool {
        let entry = self.entry(id);
        let mut same = (entry.state.faults + 1..=self.most_faults).map(|faults| State { faults, ..entry.state });
        entry.visited || same.any(|state| self.ids.get(&state).is_some_and(|id| self.entry(*id).visited))
    }

    /// Notes from where a state was reached first.
    pub(crate) fn visit(&mut self, id: StateId, came_from: Option<(StateId, Transition)>) {
        let entry = self.entry_mut(id);
        (entry.visited, entry.came_from) = (true, came_from);
    }

    /// One of the transitions that [`Self::transitions`] gave a place.
    pub(crate) fn transition(&self, place: usize) -> Transition {
        self.transitions[place]
    }

    /// What can happen next in a state, as places for [`Self::transition`]. Where something that concerns no relevant object
    /// can, that comes first and alone, with the ways in which it can fail: it commutes with everything that does.
    pub(crate) fn transitions(&mut self, id: StateId) -> Range<usize> {
        if let Some(known) = &self.entry(id).transitions {
            return known.clone();
        }
        let start = self.transitions.len();
        self.list_transitions(id, start);
        let range = start..self.transitions.len();
        self.entry_mut(id).transitions = Some(range.clone());
        range
    }

    fn list_transitions(&mut self, id: StateId, start: usize) {
        let state = self.state(id);
        if let Some(rule) = self.irrelevant_rule(state.world) {
            return self.transitions.push(Transition::Rule(rule));
        }
        let actors = self.space.actors(state.actors);
        for (at, actor) in (0_u8..).zip(actors.iter()) {
            let moves = self.moves(state, *actor);
            self.led_back.extend(moves.crash_leads_back.then_some((id, at)));
            if !moves.is_empty() && !moves.is_relevant {
                self.transitions.truncate(start);
            }
            self.transitions.extend(moves.events().map(|event| Transition::Actor(at, event)));
            if !moves.is_empty() && !moves.is_relevant {
                return;
            }
        }
        let rules = self.space.rules(state.world).len();
        self.transitions.extend((0_u16..).take(rules).map(Transition::Rule));
        if self.transitions.len() == start {
            // Nothing moves any more: only now does a wait run out.
            for (at, actor) in (0_u8..).zip(actors.iter()) {
                if matches!(self.space.actor(*actor), Actor::Engine(_)) && self.space.watches_world(*actor) {
                    self.transitions.push(Transition::Actor(at, ActorEvent::Timeout));
                }
            }
        }
    }

    /// The first rule that concerns no relevant object.
    fn irrelevant_rule(&mut self, world: WorldId) -> Option<u16> {
        let at = world.0 as usize;
        if self.irrelevant.len() <= at {
            self.irrelevant.resize(at + 1, None);
        }
        if let Some(known) = self.irrelevant[at] {
            return known;
        }
        let rules = self.space.rules(world);
        let mut numbered = (0_u16..).zip(rules.iter());
        let found = numbered.find(|(_, (_, name))| !self.relevant.has(name)).map(|(number, _)| number);
        self.irrelevant[at] = Some(found);
        found
    }

    fn moves(&mut self, state: State, actor: ActorId) -> Moves {
        let faults = state.faults > 0;
        let mishaps = Mishaps { faults, ..self.mishaps };
        let find = |space: &StateSpace, relevant: &RelevantSet| {
            space.actor(actor).moves(space.world(state.world), &space.helms(state.actors), relevant, mishaps)
        };
        if self.space.watches_world(actor) {
            let key = (state.world, actor, state.actors, faults);
            return *self.moves_in_world.entry(key).or_insert_with(|| find(self.space, self.relevant));
        }
        let at = actor.0 as usize;
        if self.moves.len() <= at {
            self.moves.resize(at + 1, [None; 2]);
        }
        *self.moves[at][usize::from(faults)].get_or_insert_with(|| find(self.space, self.relevant))
    }

    /// At how many points the engine may be killed that were not followed.
    pub(crate) fn count_led_back(&self) -> usize {
        self.led_back.len()
    }

    /// Whether all of these, once the engine was started again, lead to a state that the search met, maybe with more faults to come.
    pub(crate) fn crashes_lead_back(&mut self) -> bool {
        let met = self.states.len();
        let is_met = |id: Option<&StateId>| id.is_some_and(|id| (id.0 as usize) < met);
        self.led_back.clone().into_iter().all(|(id, at)| {
            let crashed = self.take(id, Transition::Actor(at, ActorEvent::Crash));
            let resumed = self.take(crashed, Transition::Actor(at, ActorEvent::Turn));
            let state = self.state(resumed);
            (state.faults..=self.most_faults).any(|faults| is_met(self.ids.get(&State { faults, ..state })))
        })
    }

    /// The state after a transition.
    pub(crate) fn take(&mut self, id: StateId, transition: Transition) -> StateId {
        let next = self.space.take(self.state(id), transition);
        self.id(next)
    }

    /// Goes on while only one thing can happen next: the next state that has a choice, or an end.
    pub(crate) fn run_on(&mut self, id: StateId) -> StateId {
        let (mut at, mut passed) = (id, Vec::new());
        let choice = loop {
            if let Some(known) = self.entry(at).choice {
                break known;
            }
            let transitions = self.transitions(at);
            if transitions.len() != 1 {
                break at;
            }
            passed.push(at);
            self.followed += 1;
            at = self.take(at, self.transition(transitions.start));
        };
        for state in passed {
            self.entry_mut(state).choice = Some(choice);
        }
        choice
    }

    /// The states and transitions from a start to a state that was visited.
    fn path(&mut self, start: StateId, end: StateId) -> Vec<(StateId, Transition)> {
        let mut chosen = Vec::new();
        let mut at = end;
        while let Some((from, transition)) = self.entry(at).came_from {
            chosen.push((from, transition));
            at = from;
        }
        let mut path = Vec::new();
        let mut at = start;
        loop {
            let transitions = self.transitions(at);
            let transition = match chosen.last() {
                _ if transitions.len() == 1 => self.transition(transitions.start),
                Some((from, transition)) if *from == at => *transition,
                _ => return path,
            };
            if transitions.len() > 1 {
                chosen.pop();
            }
            path.push((at, transition));
            at = self.take(at, transition);
        }
    }

    /// What happens on the way from a start to a state that was visited.
    pub(crate) fn moments(&mut self, start: StateId, end: StateId) -> Vec<Moment<'_>> {
        let path = self.path(start, end);
        let explorer = &*self;
        path.into_iter().map(|(id, transition)| explorer.moment(explorer.state(id), transition)).collect()
    }

    fn moment(&self, state: State, transition: Transition) -> Moment<'_> {
        let space = &*self.space;
        let happening = match transition {
            Transition::Rule(at) => space.known_rule(state.world, at).map(|(rule, name)| Happening::Rule(rule, name)),
            Transition::Actor(at, event) => {
                let actor = space.actors(state.actors)[usize::from(at)];
                Some(Happening::Actor(space.actor(actor), event))
            }
        };
        Moment {
            world: space.world(state.world),
            engine: space.engine(state.actors),
            happening,
            refused: space.refused(state, transition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_world::world;

    #[test]
    fn a_state_is_covered_by_the_same_one_with_more_faults_to_come_and_by_no_other() {
        let reduced = Options::default();
        for (options, visited, asked, is_covered) in [
            (reduced, 1, 0, true),
            (reduced, 0, 1, false),
            (reduced, 1, 1, true),
            (Options { all: true, ..reduced }, 1, 0, false),
        ] {
            let (mut space, relevant) = (StateSpace::new(options), RelevantSet::Whole);
            let states = [0, 1].map(|faults| space.state(&world("Delete"), &[], faults));
            let mut explorer = Explorer::new(&mut space, &relevant, options);
            let ids = states.map(|state| explorer.id(state));
            explorer.visit(ids[visited], None);
            assert_eq!(explorer.is_covered(ids[asked]), is_covered, "{visited} {asked} {options:?}");
        }
    }
}

//! A world with everybody who acts on it: what a simulated installation keeps.

use portolan_model::Ref;

use crate::actor::{Actor, ActorEvent, Helms, Mishaps};
use crate::relevant::RelevantSet;
use crate::rules::{self, RuleId};
use crate::world::World;

/// A world and its actors.
#[derive(Clone, Debug)]
pub(crate) struct Simulation {
    pub(crate) world: World,
    pub(crate) actors: Vec<Actor>,
}

/// Something that happens as it usually does: no request fails and nobody is killed.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A rule fires.
    Rule(RuleId, Ref),
    /// An actor takes its turn.
    Turn(usize),
}

impl Simulation {
    pub(crate) fn new(world: World) -> Self {
        Self { world, actors: Vec::new() }
    }

    pub(crate) fn helms(&self) -> Helms {
        Helms::among(self.actors.iter())
    }

    /// What can happen next. A turn that is about no object comes first and alone: its order against the others makes no
    /// difference.
    pub(crate) fn events(&self) -> Vec<Event> {
        let helms = self.helms();
        let mut events = Vec::new();
        for (at, actor) in self.actors.iter().enumerate() {
            let moves = actor.moves(&self.world, &helms, &RelevantSet::Whole, Mishaps::default());
            if !moves.has(ActorEvent::Turn) {
                continue;
            }
            if !moves.is_relevant {
                return vec![Event::Turn(at)];
            }
            events.push(Event::Turn(at));
        }
        events.extend(self.world.enabled_rules().into_iter().map(|(rule, name)| Event::Rule(rule, name)));
        events
    }

    /// Lets an event happen.
    pub(crate) fn take(&mut self, event: &Event) {
        match event {
            Event::Rule(rule, name) => rules::fire(&mut self.world, *rule, name),
            Event::Turn(at) => {
                let actor = self.actors.remove(*at);
                let helms = self.helms();
                let taken = actor.take(ActorEvent::Turn, &mut self.world, &helms);
                if let Some(actor) = taken.actor {
                    self.actors.insert(*at, actor);
                }
                self.actors.extend(taken.spawned);
            }
        }
    }
}

//! Whoever acts on a world besides its own rules, what each can do next, and what comes of it.

use std::hash::{Hash, Hasher};

use portolan_engine::Engine;
use portolan_model::{HelmToken, Input, Ref, ReleaseId, Urgency, Write};

use crate::engine_actor;
use crate::helm::{HelmActor, HelmError, WriteResult};
use crate::relevant::RelevantSet;
use crate::script::{ScriptedUser, Turned};
use crate::world::World;

/// An actor. Each is a client of the API and lives by itself.
#[derive(Clone, Debug)]
pub(crate) enum Actor {
    /// Portolan's engine.
    Engine(Box<Engine>),
    /// A helm; it goes on when its parent dies.
    Helm(HelmActor),
    /// A write that a dead engine had sent: it may land yet, or never.
    InFlight(Write),
    /// Commands typed one after another.
    Script(ScriptedUser),
}

/// Something that can happen to an actor. The order is the one in which a search lists them: what goes as planned comes first,
/// so that a trace has no more mishaps than it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum ActorEvent {
    /// It takes its turn.
    Turn,
    /// Helm's next write is rejected.
    WriteRejected,
    /// Helm's next write is carried out, and the response is an error.
    WriteAppliedResponseLost,
    /// Helm is killed.
    Kill,
    /// A write in flight never arrives.
    InFlightDropped,
    /// The engine is killed. What it had not made durable is forgotten.
    Crash,
    /// The engine is killed with a request on its way: the write may still land, the helm lives.
    CrashSent,
    /// The engine's write lands and the response is lost.
    ResponseLost,
    /// Somebody asks the engine to stop.
    Stop,
    /// The engine's wait runs out.
    Timeout,
}

impl ActorEvent {
    /// All, in order.
    const ALL: [Self; 10] = [
        Self::Turn,
        Self::WriteRejected,
        Self::WriteAppliedResponseLost,
        Self::Kill,
        Self::InFlightDropped,
        Self::Crash,
        Self::CrashSent,
        Self::ResponseLost,
        Self::Stop,
        Self::Timeout,
    ];

    /// Whether it counts against the number of faults. Crashes do not.
    pub(crate) fn is_fault(self) -> bool {
        matches!(self, Self::WriteRejected | Self::WriteAppliedResponseLost | Self::Kill | Self::ResponseLost)
    }

    /// Whether the engine is killed.
    pub(crate) fn is_crash(self) -> bool {
        matches!(self, Self::Crash | Self::CrashSent)
    }
}

/// What can happen to an actor next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moves {
    /// A bit for each event.
    events: u16,
    /// Whether a relevant object is concerned, so that the order against other events matters.
    pub(crate) is_relevant: bool,
    /// Whether the engine may be killed as well, and is then where it was before: see [`Engine::crash_leads_back`].
    pub(crate) crash_leads_back: bool,
}

impl Moves {
    pub(crate) fn new(events: impl IntoIterator<Item = ActorEvent>, is_relevant: bool) -> Self {
        let events = events.into_iter().fold(0, |all, event| all | 1 << event as u16);
        Self { events, is_relevant, crash_leads_back: false }
    }

    pub(crate) fn leading_back(self, crash_leads_back: bool) -> Self {
        Self { crash_leads_back, ..self }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.events == 0
    }

    pub(crate) fn has(self, event: ActorEvent) -> bool {
        self.events & 1 << event as u16 != 0
    }

    pub(crate) fn events(self) -> impl Iterator<Item = ActorEvent> {
        ActorEvent::ALL.into_iter().filter(move |event| self.has(*event))
    }
}

/// What the outcome of a turn depends on besides the actor. Where it is not the whole world, the turn leaves the world as it is;
/// what is kept in the archive is no part of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    Nothing,
    Objects(Vec<Ref>),
    /// The records of a release.
    Releases(ReleaseId),
    World,
}

/// Which mishaps may happen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mishaps {
    /// Whether a request of the engine's or of helm's may fail, and helm be killed.
    pub(crate) faults: bool,
    /// Whether the engine may be killed.
    pub(crate) crashes: bool,
    /// Whether it may be asked to stop.
    pub(crate) stops: bool,
    /// Whether those are left out that lead to nothing that is not reached without them.
    pub(crate) reduced: bool,
}

/// The helms that run, as the other actors see them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Helms {
    pub(crate) tokens: Vec<HelmToken>,
    pub(crate) count: usize,
}

impl Helms {
    pub(crate) fn among<'a>(actors: impl Iterator<Item = &'a Actor>) -> Self {
        let mut helms = Self::default();
        for actor in actors {
            if let Actor::Helm(helm) = actor {
                helms.count += 1;
                helms.tokens.extend(helm.token().cloned());
            }
        }
        helms
    }
}

/// What came of an event.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// The actor afterwards; `None` where it has ended.
    pub(crate) actor: Option<Actor>,
    /// Who was started, or what is on its way.
    pub(crate) spawned: Option<Actor>,
    /// Why helm's write was rejected, or helm refused to start.
    pub(crate) refused: Option<HelmError>,
}

impl Taken {
    fn goes_on(actor: Actor) -> Self {
        Self { actor: Some(actor), ..Self::default() }
    }
}

impl Actor {
    /// Hashes what the actor's future depends on, whatever the world is.
    pub(crate) fn hash_into(&self, state: &mut impl Hasher) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Engine(engine) => engine.hash_into(state),
            Self::Helm(helm) => helm.hash_into(state),
            Self::InFlight(write) => write.hash(state),
            Self::Script(script) => script.hash_into(state),
        }
    }

    /// What the outcome of its turn depends on.
    pub(crate) fn reads(&self) -> Reads {
        if let Self::Engine(engine) = self { engine_actor::reads(engine) } else { Reads::World }
    }

    /// Whether what can happen to it next depends on the world.
    pub(crate) fn watches_world(&self) -> bool {
        match self {
            Self::Engine(engine) => engine_actor::wait_of(engine).is_some(),
            Self::Script(_) => true,
            Self::Helm(_) | Self::InFlight(_) => false,
        }
    }

    /// What can happen to it next.
    pub(crate) fn moves(&self, world: &World, helms: &Helms, relevant: &RelevantSet, mishaps: Mishaps) -> Moves {
        match self {
            Self::Engine(engine) => engine_actor::moves(engine, world, helms, relevant, mishaps),
            Self::Helm(helm) => {
                let is_relevant = helm.target().is_some_and(|name| relevant.has(name));
                // For a patch of an object that no verdict depends on, a response that is lost stands for a write that is
                // rejected too: what helm does next is the same, and fewer worlds differ.
                let failure = helm.target().map(|_| match is_relevant {
                    true => ActorEvent::WriteRejected,
                    false => ActorEvent::WriteAppliedResponseLost,
                });
                let faults = failure.into_iter().chain([ActorEvent::Kill]).filter(|_| mishaps.faults);
                Moves::new([ActorEvent::Turn].into_iter().chain(faults), is_relevant)
            }
            Self::InFlight(write) => {
                Moves::new([ActorEvent::Turn, ActorEvent::InFlightDropped], relevant.has(&write.target))
            }
            Self::Script(script) if script.is_ready(world, helms.count > 0) => {
                Moves::new([ActorEvent::Turn], script.target().is_some_and(|name: &Ref| relevant.has(name)))
            }
            Self::Script(_) => Moves::new([], true),
        }
    }

    /// Lets an event happen to it.
    pub(crate) fn take(self, event: ActorEvent, world: &mut World, helms: &Helms) -> Taken {
        match (self, event) {
            (_, ActorEvent::Kill | ActorEvent::InFlightDropped) => Taken::default(),
            (Self::Engine(engine), ActorEvent::Turn) => engine_actor::turn(engine, world, helms),
            (Self::Engine(engine), ActorEvent::Crash) => {
                Taken::goes_on(Self::Engine(Box::new(engine_actor::restarted(&engine))))
            }
            (Self::Engine(engine), ActorEvent::CrashSent) => engine_actor::crash_sent(&engine, world),
            (Self::Engine(engine), ActorEvent::ResponseLost) => {
                Taken::goes_on(Self::Engine(engine_actor::lose_response(engine, world)))
            }
            (Self::Engine(mut engine), ActorEvent::Stop) => {
                engine.on(Input::Stop(Urgency::AfterStep));
                Taken::goes_on(Self::Engine(engine))
            }
            (Self::Engine(engine), ActorEvent::Timeout) => {
                Taken::goes_on(Self::Engine(engine_actor::time_out(engine, world, helms)))
            }
            (Self::Helm(helm), event) => helm_turn(helm, event, world),
            (Self::InFlight(write), _) => {
                drop(world.write(&write));
                Taken::default()
            }
            (Self::Script(mut script), _) => {
                let spawned = match script.turn(world) {
                    Turned::Spawned(helm) => Some(Self::Helm(*helm)),
                    Turned::Went => None,
                };
                Taken { actor: Some(Self::Script(script)), spawned, refused: None }
            }
            (actor @ Self::Engine(_), _) => Taken::goes_on(actor),
        }
    }
}

fn helm_turn(mut helm: HelmActor, event: ActorEvent, world: &mut World) -> Taken {
    let result = match event {
        ActorEvent::WriteRejected => WriteResult::Rejected,
        ActorEvent::WriteAppliedResponseLost => WriteResult::ResponseLost,
        _ => WriteResult::Served,
    };
    let (has_started, before) = (helm.has_started(), helm.refusal(world));
    let goes_on = helm.turn(world, result);
    let refused = match (has_started, before) {
        (false, before) => before,
        (true, None) => helm.refusal(world),
        (true, Some(_)) => None,
    };
    Taken { actor: goes_on.then_some(Actor::Helm(helm)), spawned: None, refused }
}

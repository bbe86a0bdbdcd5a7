//! The engine as an actor: its requests are served from the simulated world.

use portolan_engine::{Engine, Phase};
use portolan_model::{Cond, Input, JournalRecord, Reply, Request, Urgency, Wait};

use crate::actor::{Actor, ActorEvent, Helms, Mishaps, Moves, Reads, Taken};
use crate::relevant::RelevantSet;
use crate::serve::{Served, is_over, progress, serve};
use crate::world::World;

/// Who takes up a run again after a crash.
const HOST: &str = "here";

/// What the engine waits for, if it waits.
pub(crate) fn wait_of(engine: &Engine) -> Option<Wait> {
    if engine.pending().is_some() {
        return None;
    }
    if let Request::Wait(wait) = engine.want() { Some(wait) } else { None }
}

/// What can happen to the engine next.
pub(crate) fn moves(engine: &Engine, world: &World, helms: &Helms, relevant: &RelevantSet, mishaps: Mishaps) -> Moves {
    if let Some((record, _)) = engine.pending() {
        let may_crash =
            mishaps.crashes && !matches!(record, JournalRecord::Started { .. } | JournalRecord::Resumed { .. });
        let crash_leads_back = may_crash && mishaps.reduced && engine.crash_leads_back();
        let crash = (may_crash && !crash_leads_back).then_some(ActorEvent::Crash);
        return Moves::new([ActorEvent::Turn].into_iter().chain(crash), false).leading_back(crash_leads_back);
    }
    let (mut events, is_relevant) = match engine.want() {
        Request::End(_) => return Moves::new([], true),
        Request::Wait(wait) => {
            if !is_over(world, &wait, &helms.tokens) {
                return Moves::new(stop(engine, mishaps), true);
            }
            (Vec::new(), wait.until.iter().filter_map(Cond::target).any(|name| relevant.has(name)))
        }
        Request::Read(names) | Request::ReadWithClaims(names, _) => {
            (Vec::new(), names.iter().any(|name| relevant.has(name)))
        }
        Request::Compare(target, _) => (Vec::new(), relevant.has(&target)),
        Request::Write(write) => {
            let mut events = sent(mishaps);
            events.extend(mishaps.faults.then_some(ActorEvent::ResponseLost));
            (events, relevant.has(&write.target))
        }
        Request::Spawn(..) => (sent(mishaps), false),
        Request::Query(database) => (Vec::new(), relevant.has(&database.pod)),
        Request::Releases(..) | Request::Append(..) | Request::Check(_) => (Vec::new(), false),
    };
    events.push(ActorEvent::Turn);
    // The turn makes a record of what is read, in the same world, and before that is durable the engine may be killed as well.
    if mishaps.crashes && !mishaps.reduced && engine.state().phase == Phase::Check {
        events.push(ActorEvent::Crash);
    }
    events.extend(stop(engine, mishaps));
    Moves::new(events, is_relevant)
}

/// How the engine may be killed around a request that has an effect.
fn sent(mishaps: Mishaps) -> Vec<ActorEvent> {
    if mishaps.crashes { vec![ActorEvent::Crash, ActorEvent::CrashSent] } else { Vec::new() }
}

/// A stop changes something only where the engine listens: between two steps, and while it waits. Leaving a running helm
/// is a crash as far as the world is concerned.
fn stop(engine: &Engine, mishaps: Mishaps) -> Option<ActorEvent> {
    let fold = engine.state();
    let listens = mishaps.stops && fold.bound && fold.stop.is_none() && engine.may_stop(Urgency::AfterStep);
    listens.then_some(ActorEvent::Stop)
}

/// What the outcome of a turn depends on besides the engine.
pub(crate) fn reads(engine: &Engine) -> Reads {
    if engine.pending().is_some() {
        return Reads::Nothing;
    }
    match engine.want() {
        // The turn comes only once the wait is over.
        Request::Wait(_) => Reads::Nothing,
        Request::Read(names) => Reads::Objects(names),
        Request::Compare(target, _) => Reads::Objects(vec![target]),
        Request::Releases(release, _) => Reads::Releases(release),
        _ => Reads::World,
    }
}

/// Makes its record durable, or serves its request.
pub(crate) fn turn(mut engine: Box<Engine>, world: &mut World, helms: &Helms) -> Taken {
    let mut spawned = None;
    if let Some((_, blobs)) = engine.pending() {
        world.keep(blobs);
        engine.on(Input::Reply(Reply::Appended));
    } else {
        match serve(world, &engine, &engine.want(), &helms.tokens) {
            Served::Reply(reply) => engine.on(Input::Reply(reply)),
            Served::Spawned(helm) => {
                engine.on(Input::Reply(Reply::Spawned));
                spawned = Some(Actor::Helm(*helm));
            }
            Served::Waiting(_) => {}
        }
    }
    Taken { actor: Some(Actor::Engine(engine)), spawned, refused: None }
}

/// The engine after it was killed and started again.
pub(crate) fn restarted(engine: &Engine) -> Engine {
    engine.crashed(HOST)
}

/// The engine is killed with a request on its way.
pub(crate) fn crash_sent(engine: &Engine, world: &mut World) -> Taken {
    let spawned = match engine.want() {
        Request::Write(write) => world.would_meet(&write).then_some(Actor::InFlight(write)),
        request @ Request::Spawn(..) => match serve(world, engine, &request, &[]) {
            Served::Spawned(helm) => Some(Actor::Helm(*helm)),
            Served::Reply(_) | Served::Waiting(_) => None,
        },
        _ => None,
    };
    Taken { actor: Some(Actor::Engine(Box::new(restarted(engine)))), spawned, refused: None }
}

/// Its write lands, and nobody says so.
pub(crate) fn lose_response(mut engine: Box<Engine>, world: &mut World) -> Box<Engine> {
    if let Request::Write(write) = engine.want() {
        drop(world.write(&write));
    }
    engine.on(Input::Reply(Reply::Unknown("the answer was lost".into())));
    engine
}

/// Its wait runs out.
pub(crate) fn time_out(mut engine: Box<Engine>, world: &World, helms: &Helms) -> Box<Engine> {
    let open = wait_of(&engine).map(|wait| progress(world, &wait, &helms.tokens)).unwrap_or_default();
    engine.on(Input::Reply(Reply::TimedOut(open)));
    engine
}

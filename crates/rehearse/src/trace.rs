//! A path through the states in plain words: only what touches the volume, and what the engine sets out to do.

use engine::Engine;
use model::{Finding, Outcome, Record, Request, Verb};

use crate::actor::{Actor, ActorEvent};
use crate::helm::HelmError;
use crate::relevant::RelevantSet;
use crate::rules::{RULES, RuleId};
use crate::world::World;

/// A path in words.
#[derive(Default)]
pub(crate) struct Trace {
    pub(crate) lines: Vec<String>,
    pub(crate) at_step: Option<u32>,
    /// What helm, or the server to helm, refused first.
    pub(crate) refused: Option<HelmError>,
    /// Why the engine halted.
    pub(crate) halted: Option<Finding>,
}

/// A state on a path, and what happens in it.
pub(crate) struct Moment<'a> {
    pub(crate) world: &'a World,
    pub(crate) engine: Option<&'a Engine>,
    pub(crate) happening: Option<Happening<'a>>,
    /// Why helm's write is rejected in it, or helm refuses to start.
    pub(crate) refused: Option<&'a HelmError>,
}

/// What happens.
#[derive(Clone, Copy)]
pub(crate) enum Happening<'a> {
    Rule(RuleId, &'a model::Ref),
    Actor(&'a Actor, ActorEvent),
}

/// Tells a path.
pub(crate) fn tell(moments: &[Moment<'_>], relevant: &RelevantSet) -> Trace {
    let mut trace = Trace::default();
    // What went wrong first, whoever is to blame: helm says it when it gives up.
    let mut wrong: Option<&HelmError> = None;
    for moment in moments {
        let step = moment.engine.filter(|engine| engine.state().bound).map(|engine| engine.state().step + 1);
        trace.at_step = step.or(trace.at_step);
        let lead = || step.map_or("         ".into(), |step| format!("step {step:<3} "));
        let Some(happening) = moment.happening else { continue };
        if let Some(line) = say(moment.world, happening, wrong, relevant) {
            trace.lines.push(format!("{}{line}", lead()));
        }
        wrong = wrong.or(moment.refused);
        if let (Some(error), Happening::Actor(_, ActorEvent::Turn)) = (moment.refused, happening) {
            trace.lines.push(format!("{}refused: {}", lead(), error.text));
            trace.refused.get_or_insert_with(|| error.clone());
        }
        trace.halted = halting(happening).or(trace.halted.take());
    }
    trace
}

/// Why the engine halts in its turn.
fn halting(happening: Happening<'_>) -> Option<Finding> {
    let Happening::Actor(Actor::Engine(engine), ActorEvent::Turn) = happening else { return None };
    match engine.pending()? {
        (Record::Ended { outcome: Outcome::Halted { finding } }, _) => Some(finding.clone()),
        _ => None,
    }
}

fn say(world: &World, happening: Happening<'_>, wrong: Option<&HelmError>, relevant: &RelevantSet) -> Option<String> {
    let (actor, event) = match happening {
        Happening::Rule(rule, name) => {
            let (_, code, text, _) = RULES.iter().find(|known| known.0 == rule)?;
            let is_told = relevant.has(name) && rule != RuleId::Run;
            return is_told.then(|| format!("{}   rule {code}: {text}", self::event(rule, &name.to_string())));
        }
        Happening::Actor(actor, event) => (actor, event),
    };
    match event {
        ActorEvent::Turn => turn(world, actor, wrong, relevant),
        ActorEvent::WriteRejected | ActorEvent::WriteAppliedResponseLost => {
            let Actor::Helm(helm) = actor else { return None };
            let words = helm.next_in_words(world, wrong);
            (!is_quiet(&words)).then(|| format!("{words}, and the server answers with an error"))
        }
        ActorEvent::Crash => Some("portolan is killed, and started again".into()),
        ActorEvent::CrashSent => Some("portolan is killed with a request on its way, and started again".into()),
        ActorEvent::ResponseLost => Some("the answer to a write is lost".into()),
        ActorEvent::Kill => Some("helm is killed".into()),
        ActorEvent::InFlightDropped => Some("a write that was on its way never arrives".into()),
        ActorEvent::Stop => Some("somebody asks it to stop".into()),
        ActorEvent::Timeout => Some("what was waited for does not come".into()),
    }
}

fn turn(world: &World, actor: &Actor, wrong: Option<&HelmError>, relevant: &RelevantSet) -> Option<String> {
    match actor {
        Actor::Helm(helm) => {
            let is_told = helm.target().is_none_or(|name| relevant.has(name));
            is_told.then(|| helm.next_in_words(world, wrong)).filter(|words| !is_quiet(words))
        }
        Actor::Engine(engine) => match engine.pending() {
            Some((Record::Ended { outcome }, _)) => match outcome {
                Outcome::Halted { finding } => Some(format!("stops: {finding}")),
                Outcome::StoppedSafely => Some("stops safely".into()),
                Outcome::Finished | Outcome::Moved { .. } => None,
            },
            Some(_) => None,
            None => match engine.want() {
                Request::Write(write) => Some(match &write.verb {
                    Verb::Delete => format!("{} is deleted", write.target),
                    Verb::MergePatch(patch) => format!("{} is patched: {patch}", write.target),
                }),
                _ => None,
            },
        },
        Actor::Script(script) => script.next().map(|line| format!("line {}: {}", line.line, line.text)),
        Actor::InFlight(write) => Some(format!("a write that was on its way lands on {}", write.target)),
    }
}

/// Whether nothing is written in a turn of helm's.
fn is_quiet(words: &str) -> bool {
    words.contains("passes over") || words.contains("goes on") || words.contains("has removed")
}

fn event(rule: RuleId, name: &str) -> String {
    match rule {
        RuleId::Provision => format!("{name} gets a new, empty volume"),
        RuleId::Unprotect => format!("{name} goes"),
        RuleId::Release => format!("{name} is released"),
        RuleId::Reclaim => format!("{name} and its disk are erased"),
        RuleId::Collect => format!("{name} is deleted, since its owner is gone"),
        RuleId::SetClaim => format!("{name} makes a claim"),
        RuleId::SetPod => format!("{name} makes its pod"),
        RuleId::SetRoll => format!("{name} replaces its pod"),
        RuleId::Roll => format!("{name} rolls out"),
        RuleId::JobDone => format!("{name} is complete"),
        RuleId::Schedule => format!("{name} is scheduled and holds its claims"),
        RuleId::Run => format!("{name} runs"),
        RuleId::SetOwn => format!("{name} changes the owners of a PVC of its templates"),
        RuleId::SetScale => format!("{name} deletes a pod that it does not want any more"),
        RuleId::Vacate => format!("{name} is deleted with what holds it"),
        RuleId::Finish => format!("{name} is gone"),
        RuleId::Forget => format!("{name} is gone, and nothing names its disk any more"),
        RuleId::PodEnd => format!("{name} ends"),
    }
}

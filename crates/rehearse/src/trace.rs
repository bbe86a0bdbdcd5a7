//! A path through the states, told: only what touches the volume, and what the engine sets out to do.

use portolan_engine::Engine;
use portolan_model::{Finding, JournalRecord, Outcome, Request, Verb};
use serde::Serialize;

use crate::actor::{Actor, ActorEvent};
use crate::cause::{Cause, ClaimDeletion};
use crate::helm::HelmError;
use crate::relevant::RelevantSet;
use crate::rules::{RULES, RuleId};
use crate::world::World;

/// Something that happens on the way to an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceLine {
    /// Where the engine is in the plan, or the user in the page; `None` before the plan's first step.
    pub at: Option<TracePlace>,
    /// Who does it.
    pub by: TraceActor,
    /// What happens, in one clause.
    pub what: String,
    /// The number of the rule by which it happens, such as `R8`; `None` for what somebody decides.
    pub rule: Option<&'static str>,
}

/// Where something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TracePlace {
    /// A step of the plan, from 1.
    Step(u32),
    /// A line of a list of commands, from 1.
    Line(u32),
}

impl std::fmt::Display for TracePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Step(step) => write!(f, "step {step}"),
            Self::Line(line) => write!(f, "line {line}"),
        }
    }
}

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TraceActor {
    /// A controller, the scheduler or the kubelet.
    Cluster,
    /// Helm.
    Helm,
    /// Portolan.
    Portolan,
    /// A person who types commands, or stops Portolan.
    Person,
    /// Something that breaks: a process is killed, an answer is lost.
    Fault,
}

impl std::fmt::Display for TraceLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.what)?;
        self.rule.map_or(Ok(()), |rule| write!(f, " (rule {rule})"))
    }
}

/// A path, told.
#[derive(Default)]
pub(crate) struct TracedPath {
    pub(crate) lines: Vec<TraceLine>,
    pub(crate) at_step: Option<u32>,
    /// What helm, or the server to helm, refused first.
    pub(crate) refused: Option<HelmError>,
    /// Why the engine halted.
    pub(crate) halted: Option<Finding>,
    /// What made the volume what it is at the end.
    pub(crate) cause: Option<Cause>,
    /// Who deleted its PVC.
    pub(crate) deletion: Option<ClaimDeletion>,
    /// How many lines there are before each moment.
    before: Vec<usize>,
}

impl TracedPath {
    /// The first line that tells of a moment, from 0; `None` where nothing is told of it.
    pub(crate) fn line_of(&self, moment: usize) -> Option<usize> {
        let first = *self.before.get(moment)?;
        let next = self.before.get(moment + 1).copied().unwrap_or(self.lines.len());
        (first < next).then_some(first)
    }
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
    Rule(RuleId, &'a portolan_model::Ref),
    Actor(&'a Actor, ActorEvent),
}

/// Tells a path.
pub(crate) fn tell(moments: &[Moment<'_>], relevant: &RelevantSet) -> TracedPath {
    let mut trace = TracedPath::default();
    // What went wrong first, whoever is to blame: helm says it when it gives up.
    let mut wrong: Option<&HelmError> = None;
    for moment in moments {
        trace.before.push(trace.lines.len());
        // One that has ended stands for all that ended so, at whatever step.
        let is_on = |engine: &&Engine| engine.state().bound && engine.state().outcome.is_none();
        trace.at_step = moment.engine.filter(is_on).map(|engine| engine.state().step + 1).or(trace.at_step);
        let Some(happening) = moment.happening else { continue };
        let at = trace.at_step.map(TracePlace::Step);
        if let Some(line) = say(moment.world, happening, wrong, relevant) {
            trace.lines.push(TraceLine { at: line.at.or(at), ..line });
        }
        wrong = wrong.or(moment.refused);
        if let (Some(error), Happening::Actor(_, ActorEvent::Turn)) = (moment.refused, happening) {
            let what = format!("refused: {}", error.text);
            trace.lines.push(TraceLine { at, by: TraceActor::Cluster, what, rule: None });
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
        (JournalRecord::Ended { outcome: Outcome::Halted { finding } }, _) => Some(finding.clone()),
        _ => None,
    }
}

/// Its place is that of the engine, where it has none of its own.
fn say(
    world: &World,
    happening: Happening<'_>,
    wrong: Option<&HelmError>,
    relevant: &RelevantSet,
) -> Option<TraceLine> {
    let (actor, event) = match happening {
        Happening::Rule(rule, name) => {
            let (_, code, ..) = RULES.iter().find(|known| known.0 == rule)?;
            let is_told = relevant.has(name) && rule != RuleId::Run;
            let what = self::event(rule, &name.to_string());
            return is_told.then_some(TraceLine { at: None, by: TraceActor::Cluster, what, rule: Some(code) });
        }
        Happening::Actor(actor, event) => (actor, event),
    };
    let line = |by, what: String| Some(TraceLine { at: None, by, what, rule: None });
    let fault = |what: &str| line(TraceActor::Fault, what.into());
    match event {
        ActorEvent::Turn => turn(world, actor, wrong, relevant),
        ActorEvent::WriteRejected | ActorEvent::WriteAppliedResponseLost => {
            let Actor::Helm(helm) = actor else { return None };
            let words = helm.next_in_words(world, wrong)?;
            line(TraceActor::Helm, format!("{words}, and the server answers with an error"))
        }
        ActorEvent::Crash => fault("portolan is killed, and started again"),
        ActorEvent::CrashSent => fault("portolan is killed with a request on its way, and started again"),
        ActorEvent::ResponseLost => fault("the answer to a write is lost"),
        ActorEvent::Kill => fault("helm is killed"),
        ActorEvent::InFlightDropped => fault("a write that was on its way never arrives"),
        ActorEvent::Timeout => fault("what was waited for does not come"),
        ActorEvent::Stop => line(TraceActor::Person, "somebody asks it to stop".into()),
    }
}

fn turn(world: &World, actor: &Actor, wrong: Option<&HelmError>, relevant: &RelevantSet) -> Option<TraceLine> {
    let line = |by, what| TraceLine { at: None, by, what, rule: None };
    match actor {
        Actor::Helm(helm) => {
            let is_told = helm.target().is_none_or(|name| relevant.has(name));
            helm.next_in_words(world, wrong).filter(|_| is_told).map(|what| line(TraceActor::Helm, what))
        }
        Actor::Engine(engine) => match engine.pending() {
            Some((JournalRecord::Ended { outcome }, _)) => match outcome {
                Outcome::Halted { finding } => Some(line(TraceActor::Portolan, format!("stops: {finding}"))),
                Outcome::StoppedSafely => Some(line(TraceActor::Portolan, "stops safely".into())),
                Outcome::Finished | Outcome::Drifted { .. } => None,
            },
            Some(_) => None,
            None => match engine.want() {
                Request::Write(write) => Some(line(
                    TraceActor::Portolan,
                    match &write.verb {
                        Verb::Delete => format!("{} is deleted", write.target),
                        Verb::Restore(_) => format!("{} is put back", write.target),
                        Verb::MergePatch(patch) => format!("{} is patched: {patch}", write.target),
                    },
                )),
                _ => None,
            },
        },
        Actor::Script(script) => script.next().map(|next| TraceLine {
            at: Some(TracePlace::Line(next.line)),
            ..line(TraceActor::Person, next.text.clone())
        }),
        Actor::InFlight(write) => {
            Some(line(TraceActor::Portolan, format!("a write that was on its way lands on {}", write.target)))
        }
    }
}

fn event(rule: RuleId, name: &str) -> String {
    match rule {
        RuleId::Provision => format!("{name} gets a new, empty volume"),
        RuleId::Unprotect => format!("{name} goes"),
        RuleId::Release => format!("{name} is released"),
        RuleId::Reclaim => format!("{name} and its disk are erased"),
        RuleId::Collect => format!("{name} is deleted, since its owner is gone"),
        RuleId::SetClaim => format!("{name} makes a PVC"),
        RuleId::SetPod => format!("{name} makes its pod"),
        RuleId::SetAdopt => format!("{name} takes its pod over"),
        RuleId::SetRoll => format!("{name} replaces its pod"),
        RuleId::Roll => format!("{name} rolls out"),
        RuleId::ScaleDown => format!("{name} lets pods of an older template go"),
        RuleId::ScaleUp => format!("{name} wants pods of its template"),
        RuleId::MakeReplica => format!("{name} makes a pod"),
        RuleId::DropReplica => format!("{name} deletes a pod that is too many"),
        RuleId::JobDone => format!("{name} is complete"),
        RuleId::Schedule => format!("{name} is scheduled and holds its PVCs"),
        RuleId::Run => format!("{name} runs"),
        RuleId::SetOwn => format!("{name} changes the owners of a PVC of its templates"),
        RuleId::SetScale => format!("{name} deletes a pod that it does not want any more"),
        RuleId::Vacate => format!("{name} is deleted with what holds it"),
        RuleId::Finish => format!("{name} is gone"),
        RuleId::Forget => format!("{name} is gone, and nothing names its disk any more"),
        RuleId::PodEnd => format!("{name} ends"),
    }
}

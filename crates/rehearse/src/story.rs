//! A path through the worlds in plain words: only what touches the volume, and what the engine sets out to do.

use model::{Finding, Outcome, Record, Request};

use crate::actor::Actor;
use crate::helm::HelmError;
use crate::node::{Cone, Edge, Node};
use crate::rules::{RULES, RuleId};

/// A story.
pub(crate) struct Told {
    pub(crate) lines: Vec<String>,
    pub(crate) at_step: Option<u32>,
    /// What helm, or the server to helm, refused first.
    pub(crate) refused: Option<HelmError>,
    /// Why the engine halted.
    pub(crate) halted: Option<Finding>,
}

/// Tells a path from a start.
pub(crate) fn tell(start: &Node, path: &[Edge], cone: &Cone) -> Told {
    let mut node = start.clone();
    let mut lines: Vec<String> = Vec::new();
    let mut at_step = None;
    let (mut refused, mut halted) = (None, None);
    let mut hear = |node: &Node, edge: &Edge| {
        let step = node.engine().filter(|engine| engine.state().bound).map(|engine| engine.state().step + 1);
        at_step = step.or(at_step);
        if let Some(line) = say(node, edge, cone) {
            let lead = step.map_or("         ".into(), |step| format!("step {step:<3} "));
            lines.push(format!("{lead}{line}"));
        }
        if let Some(error) = refusal(node, edge) {
            let lead = step.map_or("         ".into(), |step| format!("step {step:<3} "));
            lines.push(format!("{lead}refused: {}", error.text));
            refused.get_or_insert(error);
        }
        halted = halting(node, edge).or(halted.take());
    };
    node.run_on(cone, &mut hear);
    for edge in path {
        hear(&node, edge);
        node.take(edge);
        node.run_on(cone, &mut hear);
    }
    Told { lines, at_step, refused, halted }
}

/// What is refused in a turn of helm's.
fn refusal(node: &Node, edge: &Edge) -> Option<HelmError> {
    match (edge, edge.actor().and_then(|at| node.actors.get(at))) {
        (Edge::Turn(_), Some(Actor::Helm(helm))) => helm.next_refusal(&node.world),
        _ => None,
    }
}

/// Why the engine halts in its turn.
fn halting(node: &Node, edge: &Edge) -> Option<Finding> {
    match (edge, edge.actor().and_then(|at| node.actors.get(at))) {
        (Edge::Turn(_), Some(Actor::Engine(engine))) => match engine.want() {
            Request::Append(Record::Ended { outcome: Outcome::Halted { finding } }, _) => Some(finding),
            _ => None,
        },
        _ => None,
    }
}

fn say(node: &Node, edge: &Edge, cone: &Cone) -> Option<String> {
    match edge {
        Edge::Fire(rule, name) => (cone.has(name) && *rule != RuleId::Run).then(|| {
            let (_, code, text, _) = RULES.iter().find(|known| known.0 == *rule)?;
            Some(format!("{}   rule {code}: {text}", event(*rule, &name.to_string())))
        })?,
        Edge::Turn(at) | Edge::Fail(at) | Edge::FailLate(at) => match node.actors.get(*at)? {
            Actor::Helm(helm) => {
                let told = helm.target().is_none_or(|name| cone.has(name))
                    || matches!(edge, Edge::Fail(_) | Edge::FailLate(_));
                let words = helm.next_in_words(&node.world);
                let quiet = words.contains("passes over") || words.contains("goes on") || words.contains("has removed");
                (told && !quiet).then(|| {
                    if matches!(edge, Edge::Fail(_) | Edge::FailLate(_)) {
                        format!("{words}, and the server answers with an error")
                    } else {
                        words
                    }
                })
            }
            Actor::Engine(engine) => match engine.want() {
                Request::Write(write) => Some(match &write.verb {
                    model::Verb::Delete => format!("{} is deleted", write.target),
                    model::Verb::MergePatch(patch) => format!("{} is patched: {patch}", write.target),
                }),
                Request::Append(model::Record::Ended { outcome }, _) => match outcome {
                    model::Outcome::Halted { finding } => Some(format!("stops: {finding}")),
                    model::Outcome::StoppedSafely => Some("stops safely".into()),
                    _ => None,
                },
                _ => None,
            },
            Actor::Script(script) => script.next().map(|line| format!("line {}: {}", line.line, line.text)),
            Actor::InFlight(write) => Some(format!("a write that was on its way lands on {}", write.target)),
        },
        Edge::Crash(_) => Some("portolan is killed, and started again".into()),
        Edge::CrashSent(_) => Some("portolan is killed with a request on its way, and started again".into()),
        Edge::Lose(_) => Some("the answer to a write is lost".into()),
        Edge::Kill(_) => Some("helm is killed".into()),
        Edge::Vanish(_) => Some("a write that was on its way never arrives".into()),
        Edge::Stop(_) => Some("somebody asks it to stop".into()),
        Edge::Timeout(_) => Some("what was waited for does not come".into()),
    }
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

//! A person at a terminal: commands one after another, the next one whatever came of the last.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use portolan_model::Ref;
use serde_json::Value;

use crate::api;
use crate::helm::{HelmActor, HelmJob};
use crate::world::World;

/// Commands as a page has them.
pub type CommandScript = Vec<ScriptLine>;

/// One command.
#[derive(Clone, Debug)]
pub struct ScriptLine {
    /// The page's line.
    pub line: u32,
    /// The command.
    pub text: String,
    /// What it does.
    pub op: Op,
}

/// What a command does.
#[derive(Clone, Debug)]
pub enum Op {
    /// `kubectl patch`, without preconditions.
    Patch(Ref, Value),
    /// `kubectl delete`; it returns when the object is gone.
    Delete(Vec<Ref>),
    /// `helm upgrade`.
    Helm(Box<HelmJob>),
    /// Nothing in the cluster.
    Nothing,
}

impl Op {
    /// The objects that the command itself writes to; what helm writes is in its manifests.
    pub(crate) fn writes(&self) -> Vec<&Ref> {
        match self {
            Self::Patch(target, _) => vec![target],
            Self::Delete(targets) => targets.iter().collect(),
            Self::Helm(_) | Self::Nothing => Vec::new(),
        }
    }
}

/// A script that is being typed.
#[derive(Clone, Debug)]
pub(crate) struct ScriptedUser {
    script: Arc<CommandScript>,
    at: usize,
    /// Which of a delete's objects is next.
    part: usize,
}

/// What a turn of a script brings about.
pub(crate) enum Turned {
    Went,
    Spawned(Box<HelmActor>),
}

impl ScriptedUser {
    pub(crate) fn new(script: CommandScript) -> Self {
        Self { script: Arc::new(script), at: 0, part: 0 }
    }

    pub(crate) fn hash_into(&self, state: &mut impl Hasher) {
        (self.at, self.part).hash(state);
    }

    /// The command that is next.
    pub(crate) fn next(&self) -> Option<&ScriptLine> {
        self.script.get(self.at)
    }

    /// The object that the next turn is about.
    pub(crate) fn target(&self) -> Option<&Ref> {
        match &self.next()?.op {
            Op::Patch(target, _) => Some(target),
            Op::Delete(targets) => targets.get(self.part),
            Op::Helm(_) | Op::Nothing => None,
        }
    }

    /// Whether the next turn can be taken: `kubectl delete` waits for the object to be gone, and the
    /// shell for helm.
    pub(crate) fn is_ready(&self, world: &World, helm_runs: bool) -> bool {
        if helm_runs {
            return false;
        }
        match self.next().map(|line| &line.op) {
            None => false,
            Some(Op::Delete(targets)) if self.part > 0 => {
                world.thing(&targets[self.part - 1]).is_none_or(|thing| !thing.view.terminating)
            }
            Some(_) => true,
        }
    }

    pub(crate) fn turn(&mut self, world: &mut World) -> Turned {
        let Some(line) = self.script.get(self.at).cloned() else { return Turned::Went };
        match line.op {
            Op::Patch(target, patch) => {
                if let Some(live) = world.get(&target) {
                    let mut json = (*live.0).clone();
                    api::merge(&mut json, &patch);
                    drop(world.update(&target, json));
                }
            }
            Op::Delete(targets) => {
                if let Some(target) = targets.get(self.part) {
                    drop(world.delete(target));
                    self.part += 1;
                    if self.part < targets.len() {
                        return Turned::Went;
                    }
                }
                self.part = 0;
            }
            Op::Helm(job) => {
                self.at += 1;
                return Turned::Spawned(Box::new(HelmActor::new(*job)));
            }
            Op::Nothing => {}
        }
        self.at += 1;
        Turned::Went
    }
}

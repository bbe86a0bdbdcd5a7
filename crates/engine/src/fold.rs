use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use portolan_model::{Action, ArchivedObject, Effect, JournalRecord, Observation, Outcome, Ref, Snapshot, Urgency};

/// Where a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The world is looked at; nothing was sent (or it is not known whether).
    Look,
    /// The intent is durable; the effect may go out.
    Go,
    /// The effect is out; what it brings about is waited for.
    Sent,
    /// What came of it is read back.
    Check,
}

/// What a step ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepNote {
    /// Whether the step wrote; otherwise nothing had to be done, or it only looked.
    pub wrote: bool,
    /// What was done or seen, in a few words.
    pub text: String,
}

/// The state of a run: the fold of its journal. Folding decides nothing; it only takes over what the
/// records say.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Whether the run began.
    pub started: bool,
    /// Whether the installation was found to be the plan's.
    pub bound: bool,
    /// The step under way, among all steps of all hops.
    pub step: u32,
    /// Which attempt at it.
    pub attempt: u32,
    /// The attempt at which a person last started it: those before do not count against it.
    pub since: u32,
    /// Where that step is.
    pub phase: Phase,
    /// What it has set out to do.
    pub pursuit: Option<Arc<Action>>,
    /// Whether the effect is known to have gone out.
    pub sent: bool,
    /// Whether helm was started in this step, in any attempt.
    pub helm_started: bool,
    /// Whether a person started it again after it had halted.
    pub again: bool,
    /// What is in the archive.
    pub archived: Arc<BTreeMap<Ref, ArchivedObject>>,
    /// The first look into each database, by its pod.
    pub baseline: Arc<BTreeMap<Ref, Arc<Snapshot>>>,
    /// The latest look into each database.
    pub latest: Arc<BTreeMap<Ref, Arc<Snapshot>>>,
    /// What each step that is over ended with, in order.
    pub notes: Arc<Vec<StepNote>>,
    /// The stop that was asked for.
    pub stop: Option<Urgency>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

impl Default for Fold {
    fn default() -> Self {
        Self {
            started: false,
            bound: false,
            step: 0,
            attempt: 0,
            since: 0,
            phase: Phase::Look,
            pursuit: None,
            sent: false,
            helm_started: false,
            again: false,
            archived: Arc::default(),
            baseline: Arc::default(),
            latest: Arc::default(),
            notes: Arc::default(),
            stop: None,
            outcome: None,
        }
    }
}

impl Fold {
    /// The state that a journal says.
    #[must_use]
    pub fn of<'a>(journal: impl IntoIterator<Item = &'a JournalRecord>) -> Self {
        let mut fold = Self::default();
        journal.into_iter().for_each(|record| fold.apply(record));
        fold
    }

    /// Takes over one record.
    pub fn apply(&mut self, record: &JournalRecord) {
        match record {
            JournalRecord::Started { .. } => self.started = true,
            JournalRecord::Bound => self.bound = true,
            JournalRecord::Resumed { .. } => self.resume(),
            JournalRecord::Intent { action, .. } => {
                self.helm_started |= matches!(**action, Action::Helm { .. });
                self.pursuit = Some(Arc::new((**action).clone()));
                (self.phase, self.sent) = (Phase::Go, false);
            }
            JournalRecord::Effect { effect, .. } => match effect {
                Effect::Done => (self.phase, self.sent) = (Phase::Sent, true),
                Effect::Settled => self.phase = Phase::Check,
                Effect::Void => self.phase = Phase::Look,
                Effect::Refused(_) | Effect::Unknown(_) => {
                    self.phase = Phase::Look;
                    self.attempt += 1;
                    self.again = false;
                }
            },
            JournalRecord::Observed { observation, .. } => self.observe(observation),
            JournalRecord::StopAsked { urgency } => self.stop = self.stop.max(Some(*urgency)),
            JournalRecord::Ended { outcome } => self.outcome = Some(outcome.clone()),
        }
    }

    /// A process ended and another one goes on. What was in flight may or may not have happened, so a write
    /// is looked at again; a helm is waited for, since it lives on when its parent dies.
    fn resume(&mut self) {
        if self.outcome == Some(Outcome::Finished) {
            return;
        }
        let halted = matches!(self.outcome, Some(Outcome::Halted { .. }));
        self.outcome = None;
        self.stop = None;
        self.again |= halted;
        let helm = matches!(self.pursuit.as_deref(), Some(Action::Helm { .. }));
        if halted {
            self.since = self.attempt;
        }
        self.phase = match self.phase {
            Phase::Look => Phase::Look,
            _ if helm => Phase::Sent,
            _ => Phase::Look,
        };
    }

    fn observe(&mut self, observation: &Observation) {
        let (wrote, note) = match observation {
            Observation::WasDone { note } => (false, note.clone()),
            Observation::Done { note } => (true, note.clone()),
            Observation::Archived { objects } => {
                let archived = Arc::make_mut(&mut self.archived);
                for one in objects {
                    archived.entry(one.object.clone()).or_insert_with(|| one.clone());
                }
                (false, format!("{} in the archive", portolan_model::counted(objects.len(), "object")))
            }
            Observation::Database { pod, snapshot, note } => (false, self.keep_snapshot(pod, snapshot, note)),
        };
        Arc::make_mut(&mut self.notes).push(StepNote { wrote, text: note });
        self.step += 1;
        (self.attempt, self.since) = (0, 0);
        (self.phase, self.sent, self.again) = (Phase::Look, false, false);
        (self.pursuit, self.helm_started) = (None, false);
    }

    fn keep_snapshot(&mut self, pod: &Ref, snapshot: &Snapshot, note: &str) -> String {
        let snapshot = Arc::new(snapshot.clone());
        Arc::make_mut(&mut self.baseline).entry(pod.clone()).or_insert_with(|| snapshot.clone());
        Arc::make_mut(&mut self.latest).insert(pod.clone(), snapshot);
        note.to_owned()
    }

    /// Hashes what a later decision can still read: for a search, not for keeping.
    pub fn hash_into(&self, state: &mut impl Hasher) {
        (self.started, self.bound, self.step, self.attempt - self.since, self.phase).hash(state);
        (self.sent, self.helm_started, self.again, self.stop).hash(state);
        self.outcome.hash(state);
        self.pursuit.is_some().hash(state);
        if let Some(action) = &self.pursuit {
            hash_action(action, state);
        }
        self.archived.len().hash(state);
        for (name, ArchivedObject { digest, .. }) in self.archived.iter() {
            (name, digest).hash(state);
        }
        self.baseline.len().hash(state);
        for (pod, snapshot) in self.baseline.iter().chain(&*self.latest) {
            hash_snapshot(pod, snapshot, state);
        }
    }
}

/// The plan says the rest of an action.
pub(crate) fn hash_action(action: &Action, state: &mut impl Hasher) {
    match action {
        Action::Write(write) => (&write.target, &write.rv).hash(state),
        Action::Helm { token, .. } => token.hash(state),
    }
}

pub(crate) fn hash_snapshot(pod: &Ref, snapshot: &Snapshot, state: &mut impl Hasher) {
    (pod, &snapshot.system_identifier, &snapshot.server_version, &snapshot.tables).hash(state);
}

#[cfg(test)]
mod tests;

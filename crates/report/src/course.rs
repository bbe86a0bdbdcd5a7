//! What a journal says of a run: the engine's own fold of it, with the times beside it.

use std::sync::Arc;

use portolan_engine::{Fold, Phase};
use portolan_model::{Action, Entry, JournalRecord, Observation, Outcome, Plan, ProtectedVolume, Ref, StepKind};

/// A step that is over.
pub(crate) struct Passed {
    /// Whether it wrote.
    pub(crate) wrote: bool,
    pub(crate) note: String,
    /// Seconds since the step before it, or since the process that ended it began.
    pub(crate) took: u64,
}

pub(crate) struct Course<'a> {
    plan: &'a Plan,
    pub(crate) fold: Fold,
    pub(crate) passed: Vec<Passed>,
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) hosts: Vec<String>,
    /// How often it was started again.
    pub(crate) resumed: usize,
    /// Whether no write went out.
    pub(crate) nothing_written: bool,
    looks: Vec<Ref>,
}

impl<'a> Course<'a> {
    pub(crate) fn of(plan: &'a Plan, entries: &[Entry]) -> Self {
        let mut course = Self {
            plan,
            fold: Fold::default(),
            passed: Vec::new(),
            from: entries.first().map_or(0, |entry| entry.at),
            until: entries.last().map_or(0, |entry| entry.at),
            hosts: Vec::new(),
            resumed: 0,
            nothing_written: portolan_engine::nothing_written(entries.iter().map(|entry| &entry.record)),
            looks: Vec::new(),
        };
        let mut since = course.from;
        for entry in entries {
            course.fold.apply(&entry.record);
            match &entry.record {
                JournalRecord::Started { host, .. } | JournalRecord::Resumed { host } => {
                    course.resumed += usize::from(matches!(entry.record, JournalRecord::Resumed { .. }));
                    if !course.hosts.contains(host) {
                        course.hosts.push(host.clone());
                    }
                    since = entry.at;
                }
                JournalRecord::Bound => since = entry.at,
                JournalRecord::Observed { observation, .. } => {
                    if let Observation::Database { pod, .. } = observation {
                        course.looks.push(pod.clone());
                    }
                    // The fold words the note, so that it is the same everywhere.
                    let (wrote, note) = match course.fold.notes.last() {
                        Some(note) => (note.wrote, note.text.clone()),
                        None => (false, String::new()),
                    };
                    course.passed.push(Passed { wrote, note, took: entry.at.saturating_sub(since) });
                    since = entry.at;
                }
                _ => {}
            }
        }
        course
    }

    pub(crate) fn total(&self) -> usize {
        self.plan.steps().count()
    }

    /// How many steps are over.
    pub(crate) fn done(&self) -> usize {
        self.passed.len()
    }

    /// Whether a step (from 0) is over.
    pub(crate) fn is_over(&self, index: usize) -> bool {
        index < self.done()
    }

    /// Whether a helm was started that the run did not wait for to its end.
    pub(crate) fn leaves_helm(&self) -> bool {
        self.fold.phase == Phase::Sent && matches!(self.fold.pursuit.as_deref(), Some(Action::Helm { .. }))
    }

    /// The step (from 0) whose write was sent, or may have been, and was not read back: no step that is over, and none that
    /// is not done either.
    pub(crate) fn in_flight(&self) -> Option<usize> {
        (self.fold.pursuit.is_some() && self.fold.phase != Phase::Look).then(|| self.done())
    }

    /// What guards a volume now, by the steps that are over: from 1.
    pub(crate) fn guards(&self, protected: &ProtectedVolume) -> Vec<(&'static str, usize)> {
        let mut guards = Vec::new();
        for (at, step) in self.plan.steps().enumerate().take(self.done()) {
            match &step.kind {
                StepKind::RetainVolume { volume, .. } if *volume == protected.volume => guards.push(("Retain", at + 1)),
                StepKind::KeepClaim { claim, .. } if *claim == protected.claim => guards.push(("keep", at + 1)),
                _ => {}
            }
        }
        guards
    }

    /// The step (from 1) that verified a volume, if it is over; `Err` where it is to come.
    pub(crate) fn verified(&self, protected: &ProtectedVolume) -> Option<Result<usize, usize>> {
        let at = self.plan.steps().enumerate().filter(
            |(_, step)| matches!(&step.kind, StepKind::VerifyVolume { claim, .. } if *claim == protected.claim),
        );
        let at = at.last()?.0;
        Some(if self.is_over(at) { Ok(at + 1) } else { Err(at + 1) })
    }

    /// The pods that this run has ended and helm has not brought back, and the step (from 1) that will.
    pub(crate) fn down(&self) -> Vec<(&'a Ref, Option<usize>)> {
        let plan: &'a Plan = self.plan;
        let steps: Vec<_> = plan.steps().collect();
        let mut down = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            let StepKind::DeleteObject { uid, .. } = &step.kind else { continue };
            let under_way = self.in_flight() == Some(at);
            let back = steps[at..].iter().position(|step| matches!(step.kind, StepKind::Helm { .. }));
            let back = back.map(|after| at + after);
            if (self.is_over(at) || under_way) && !back.is_some_and(|back| self.is_over(back)) {
                let ended = plan.orphans().filter(|orphan| orphan.owner == *uid);
                down.extend(ended.map(|orphan| (&orphan.pod, back.map(|back| back + 1))));
            }
        }
        down
    }

    /// Which step starts a database again that the run has stopped, as a sentence after a space: none where the run cannot go on, or
    /// where something is `wrong` with the data's PVC or volume now, since the check before helm then ends it. Empty where no step does.
    pub(crate) fn brought_back(&self, step: Option<usize>, wrong: Option<&str>) -> String {
        let Some(step) = step else { return String::new() };
        let halt = match &self.fold.outcome {
            Some(Outcome::Halted { finding }) if finding.code.ends_its_run() => Some(finding.code),
            _ => None,
        };
        match (wrong, halt) {
            (Some(wrong), _) => format!(" This run does not bring it back: {wrong}."),
            (None, Some(code)) => format!(" This run does not bring it back: it cannot go on ({code})."),
            (None, None) => format!(" By the plan, step {step} brings it back."),
        }
    }

    /// The volume under a pod, as the plan's checks name it.
    pub(crate) fn volume_of(&self, pod: &Ref) -> Option<&'a ProtectedVolume> {
        let plan: &'a Plan = self.plan;
        let claim = plan.steps().find_map(|step| match &step.kind {
            StepKind::VerifyVolume { claim, mounted_by, .. } if mounted_by.contains(pod) => Some(claim),
            _ => None,
        })?;
        plan.volumes.iter().find(|protected| protected.claim == *claim)
    }

    /// The first and the latest look into a database, where there were two.
    pub(crate) fn compared(&self, pod: &Ref) -> Option<(Arc<portolan_model::Snapshot>, Arc<portolan_model::Snapshot>)> {
        let twice = self.looks.iter().filter(|look| *look == pod).count() > 1;
        let (first, last) = (self.fold.baseline.get(pod)?, self.fold.latest.get(pod)?);
        twice.then(|| (first.clone(), last.clone()))
    }
}

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use portolan_model::{
    Action, ArchivedObject, Blob, Code, Digest, Effect, Finding, HelmOperation, HelmRun, HelmToken, Hop, Input,
    JournalRecord, Observation, Outcome, Plan, Ref, Refusal, ReleaseId, Reply, Request, Seen, Step, StepKind, StepRef,
    Urgency,
};

use crate::archive;
use crate::before_helm::BeforeHelm;
use crate::fold::{self, Fold, Phase};
use crate::guard;
use crate::steps::{self, Next};

/// How often a step may look again before it gives up: an object that changes under each of five attempts
/// is being written to by somebody else.
const ATTEMPTS: u32 = 5;

/// How long a wait may take where nothing is carried out, only looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// A run of a plan. `want` says what it asks for, `on` takes the answer; nothing happens in between.
#[derive(Clone, Debug)]
pub struct Engine {
    plan: Arc<Plan>,
    /// The plan's name; its first eight digits mark helm's tokens.
    digest: Digest,
    fold: Fold,
    pending: Option<(JournalRecord, Vec<Blob>)>,
    /// A stop that was heard and is not in the journal yet; lost in a crash, which is a stop too.
    stop: Option<Urgency>,
    /// The releases, by their places among the plan's, that have to be looked at because another process worked on this run:
    /// meanwhile somebody may have rolled one back.
    to_look_back: Vec<usize>,
    /// Whether all was seen that has to be seen before helm starts, and nothing was recorded since: helm comes next.
    seen: bool,
}

impl Engine {
    /// The state that a journal says; the first run is a resume from an empty one.
    #[must_use]
    pub fn resume(plan: Arc<Plan>, journal: &[JournalRecord], host: &str) -> Self {
        let fold = Fold::of(journal);
        let digest = plan.digest();
        let mut engine = Self::of(plan, digest, fold);
        engine.wake(host);
        engine
    }

    /// Engines that look again at what a run was to keep, and write nothing: one for each verifying step of each release's last hop,
    /// with what the run's journal knows of the archive and of the databases before. A step that does not hold keeps none from being
    /// looked at. A wait has less time than in a run: nothing was started just now.
    #[must_use]
    pub fn verifying(plan: &Plan, known: &Fold) -> Vec<Self> {
        let verifies = |step: &Step| {
            matches!(
                step.kind,
                StepKind::WaitReady { .. } | StepKind::VerifyVolume { .. } | StepKind::VerifyDatabase { .. }
            )
        };
        let fold = Fold {
            started: true,
            bound: true,
            archived: known.archived.clone(),
            baseline: known.baseline.clone(),
            ..Fold::default()
        };
        let one = |hop: &Hop, step: &Step| {
            let steps = vec![Step { limit: step.limit.min(LOOK_AGAIN), ..step.clone() }];
            let plan = Plan { hops: vec![Hop { steps, ..hop.clone() }], ..plan.clone() };
            let digest = plan.digest();
            Self::of(Arc::new(plan), digest, fold.clone())
        };
        let last = plan.last_hops().flat_map(|hop| hop.steps.iter().map(move |step| (hop, step)));
        last.filter(|(_, step)| verifies(step)).map(|(hop, step)| one(hop, step)).collect()
    }

    fn of(plan: Arc<Plan>, digest: Digest, fold: Fold) -> Self {
        Self { plan, digest, fold, pending: None, stop: None, to_look_back: Vec::new(), seen: false }
    }

    /// The same engine after a crash: everything that was not in the journal is gone.
    #[must_use]
    pub fn crashed(&self, host: &str) -> Self {
        let mut engine = Self { pending: None, stop: None, seen: false, ..self.clone() };
        engine.wake(host);
        engine
    }

    fn wake(&mut self, host: &str) {
        if !self.fold.started {
            self.pending = Some((JournalRecord::Started { plan: self.digest.clone(), host: host.into() }, Vec::new()));
        } else if self.fold.outcome != Some(Outcome::Finished) {
            self.pending = Some((JournalRecord::Resumed { host: host.into() }, Vec::new()));
            self.to_look_back = self.upgraded();
        }
    }

    /// The places of the releases that a helm of this run has come to its end on. Where helm is next, or at work, its own step looks
    /// at its release, before and after.
    fn upgraded(&self) -> Vec<usize> {
        let done: Vec<&ReleaseId> = self
            .plan
            .steps()
            .take(self.fold.step as usize)
            .filter_map(Step::helm_run)
            .map(|run| &run.release)
            .collect();
        let next = self.step().and_then(Step::helm_run).map(|run| &run.release);
        let places = (0..).zip(self.plan.releases());
        places.filter(|(_, release)| Some(*release) != next && done.contains(release)).map(|(place, _)| place).collect()
    }

    /// The place of the hop of the step under way, with the number of its first step.
    fn hop(&self) -> Option<(u32, usize)> {
        let mut first = 0;
        for (at, hop) in self.plan.hops.iter().enumerate() {
            let next = first + hop.steps.len() as u32;
            if self.fold.step < next {
                return Some((first, at));
            }
            first = next;
        }
        None
    }

    /// What has to be seen once more before helm starts, where it is about to.
    fn before_helm(&self) -> Option<BeforeHelm<'_>> {
        let is_start = self.fold.phase == Phase::Look && self.step().is_some_and(|step| step.helm_run().is_some());
        let (first, at) = self.hop().filter(|_| is_start && !self.seen)?;
        let (earlier, hop) = (&self.plan.hops[..at], &self.plan.hops[at]);
        let done = &hop.steps[..(self.fold.step - first) as usize];
        // An attempt before this one may have changed what the plan relied on, and made what was to be new.
        let is_first = self.fold.attempt == 0 && !self.fold.again;
        Some(BeforeHelm { plan: &self.plan, earlier, hop, done, is_first })
    }

    /// The newest of this run's helms on a release, where it has to be looked at whether the release is still as it left it.
    fn to_look_back_at(&self) -> Option<(u32, HelmOperation, &HelmRun)> {
        let release = self.plan.releases().nth(*self.to_look_back.first()?)?;
        let done = (0..).zip(self.plan.steps()).take(self.fold.step as usize);
        let helms = done.filter_map(|(at, step)| step.helm().map(|(op, run)| (at, op, run)));
        helms.filter(|(_, _, run)| run.release == *release).last()
    }

    /// The same engine, asked whether the releases are still as this run left them, though the run has come to its end.
    #[must_use]
    pub fn looking_back(mut self) -> Self {
        if self.fold.outcome == Some(Outcome::Finished) {
            self.fold.outcome = None;
            self.to_look_back = self.upgraded();
        }
        self
    }

    /// Whether a crash now teaches a search nothing: started again, the engine is where it was before it made the record that is
    /// pending, in the same world. That is so where the fold stays as it is when a run is taken up again, and no release has to be
    /// looked back at. A stop that is already durable is forgotten as one that was not.
    #[must_use]
    pub fn crash_leads_back(&self) -> bool {
        let stays = match (self.fold.phase, self.fold.pursuit.as_deref()) {
            (Phase::Look, _) | (Phase::Sent | Phase::Check, Some(Action::Helm { .. })) => self.upgraded().is_empty(),
            _ => false,
        };
        match &self.pending {
            Some((JournalRecord::Ended { outcome: Outcome::StoppedSafely }, _)) => true,
            Some(_) => stays,
            None => false,
        }
    }

    /// The same engine, knowing that the helm was started which it waits for; `None` where it does not wait for one or knows. It
    /// asks itself this only where no record has the helm's token, so that it makes no difference once there is one.
    #[must_use]
    pub fn knowing_of_helm(&self, has_record: impl FnOnce(&HelmToken) -> bool) -> Option<Self> {
        let Some(Action::Helm { op, token, .. }) = self.fold.pursuit.as_deref() else { return None };
        let may_know = self.fold.phase == Phase::Sent && !self.fold.sent && self.pending.is_none();
        // An uninstall leaves no token.
        (may_know && !op.is_uninstall() && has_record(token)).then(|| {
            let mut engine = self.clone();
            engine.fold.sent = true;
            engine
        })
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The fold of what is durable.
    #[must_use]
    pub fn state(&self) -> &Fold {
        &self.fold
    }

    /// The step under way.
    #[must_use]
    pub fn step(&self) -> Option<&Step> {
        self.plan.step(self.fold.step)
    }

    /// The record that is to become durable next, with its blobs; what [`Engine::want`] asks first.
    #[must_use]
    pub fn pending(&self) -> Option<(&JournalRecord, &[Blob])> {
        self.pending.as_ref().map(|(record, blobs)| (record, blobs.as_slice()))
    }

    /// What the engine asks for now.
    #[must_use]
    pub fn want(&self) -> Request {
        if let Some((record, blobs)) = &self.pending {
            return Request::Append(record.clone(), blobs.clone());
        }
        if let Some(outcome) = &self.fold.outcome {
            return Request::End(outcome.clone());
        }
        if !self.fold.bound {
            return Request::Read(guard::relied_on(&self.plan).map(|(name, _)| name.clone()).collect());
        }
        if let Some((_, _, run)) = self.to_look_back_at() {
            return Request::Releases(run.release.clone(), run.nondeterministic_fields.clone());
        }
        let Some(step) = self.step() else {
            return Request::End(Outcome::Finished);
        };
        if let Some(before) = self.before_helm() {
            return Request::Read(before.names());
        }
        match self.fold.phase {
            Phase::Look => steps::look(step, &self.fold),
            Phase::Go => match self.fold.pursuit.as_deref() {
                Some(Action::Write(write)) => Request::Write(write.clone()),
                Some(Action::Helm { op, run, token }) => Request::Spawn(*op, run.clone(), token.clone()),
                // invariant: an intent is what leads to Go
                None => steps::look(step, &self.fold),
            },
            Phase::Sent => steps::settle(step, &self.fold).unwrap_or_else(|| steps::check(step, &self.fold)),
            Phase::Check => steps::check(step, &self.fold),
        }
    }

    /// Takes an answer, or a call to stop.
    pub fn on(&mut self, input: Input) {
        match input {
            Input::Stop(urgency) => self.stop = Some(urgency),
            Input::Reply(Reply::Appended) => {
                if let Some((record, _)) = self.pending.take() {
                    self.fold.apply(&record);
                    self.seen = false;
                }
            }
            Input::Reply(_) if self.pending.is_some() || self.fold.outcome.is_some() => {}
            Input::Reply(reply) if !self.fold.bound => self.on_bound(reply),
            Input::Reply(reply) if self.to_look_back_at().is_some() => self.on_looked_back(&reply),
            Input::Reply(Reply::Seen(seen)) if self.before_helm().is_some() => self.on_seen_before_helm(&seen),
            Input::Reply(reply) => self.on_step(reply),
        }
        self.turn_the_page();
    }

    /// Between two steps: end where there is nothing more to do, or a stop was asked for.
    fn turn_the_page(&mut self) {
        if self.pending.is_some() || self.fold.outcome.is_some() || !self.fold.started {
            return;
        }
        if let Some(urgency) = self.stop.take()
            && self.fold.stop < Some(urgency)
        {
            self.pending = Some((JournalRecord::StopAsked { urgency }, Vec::new()));
            return;
        }
        if self.fold.bound && self.step().is_none() && self.to_look_back_at().is_none() {
            self.end(Outcome::Finished);
        } else if self.fold.stop.is_some_and(|urgency| self.may_stop(urgency)) {
            self.end(Outcome::StoppedSafely);
        } else if self.fold.phase == Phase::Look && self.fold.attempt - self.fold.since > ATTEMPTS {
            let target = self.step().map(|step| step.id.clone()).unwrap_or_default();
            self.end(Outcome::Halted {
                finding: Finding::blocking(Code::Contended, format!("step {target} failed {ATTEMPTS} times")),
            });
        }
    }

    /// Whether this is a safe point: between two steps, and during a wait, which the next start takes up again. A wait for
    /// helm is one only for who leaves helm running.
    #[must_use]
    pub fn may_stop(&self, urgency: Urgency) -> bool {
        match (self.fold.phase, self.fold.pursuit.as_deref()) {
            (Phase::Look, None) => true,
            (Phase::Sent, Some(Action::Write(_))) => {
                self.step().is_some_and(|step| steps::settle(step, &self.fold).is_some())
            }
            (Phase::Sent, Some(Action::Helm { .. })) => urgency == Urgency::LeaveHelm,
            _ => false,
        }
    }

    fn on_bound(&mut self, reply: Reply) {
        let findings = match reply {
            Reply::Seen(seen) => guard::moved(&self.plan, &seen),
            other => {
                vec![Finding::blocking(Code::Unreachable, format!("the installation could not be read: {other:?}"))]
            }
        };
        if findings.is_empty() {
            self.pending = Some((JournalRecord::Bound, Vec::new()));
        } else {
            self.end(Outcome::Drifted { findings });
        }
    }

    fn on_looked_back(&mut self, reply: &Reply) {
        let Some((step, op, run)) = self.to_look_back_at() else { return };
        let found = match reply {
            Reply::Releases(facts) if op.is_uninstall() => steps::came_back(run, facts),
            Reply::Releases(facts) => steps::gone_on(run, step, self.digest.short(), facts),
            other => Some(
                Finding::blocking(Code::Unreachable, "the records of the release could not be read")
                    .with(format!("{other:?}")),
            ),
        };
        match found {
            Some(finding) => self.end(Outcome::Halted { finding: self.with_way_out(finding, &[]) }),
            None => {
                let place = self.plan.releases().position(|release| *release == run.release);
                self.to_look_back.retain(|at| Some(*at) != place);
            }
        }
    }

    /// What is not protected any more is protected again before helm, as an attempt of helm's step; what else has changed halts.
    fn on_seen_before_helm(&mut self, seen: &[Seen]) {
        let at = StepRef { index: self.fold.step, attempt: self.fold.attempt };
        let Some(before) = self.before_helm() else { return };
        let short = guard::short(before.names().len(), seen).map(Next::Halt);
        match short.or_else(|| before.judge(seen, &self.fold, self.digest.short())) {
            Some(next) => {
                let now: Vec<(Ref, Seen)> = match next {
                    Next::Halt(_) => before.names().into_iter().zip(seen.iter().cloned()).collect(),
                    _ => Vec::new(),
                };
                self.pending = Some(self.record(at, next, &now));
            }
            None => self.seen = true,
        }
    }

    fn on_step(&mut self, reply: Reply) {
        let Some(step) = self.plan.step(self.fold.step) else {
            return;
        };
        let at = StepRef { index: self.fold.step, attempt: self.fold.attempt };
        let reply = match reply {
            Reply::Checked(report) => Reply::Checked(steps::without_accepted(report, &self.plan.accepted)),
            other => other,
        };
        // The only step that reads a PVC whose other volume ends the run.
        let now: Vec<(Ref, Seen)> = match (&step.kind, &reply) {
            (StepKind::KeepClaim { claim, .. }, Reply::Seen(seen)) => {
                seen.first().map(|seen| (claim.clone(), seen.clone())).into_iter().collect()
            }
            _ => Vec::new(),
        };
        let next = match self.fold.phase {
            Phase::Look => steps::on_look(step, &self.fold, self.digest.short(), reply),
            Phase::Go => on_sent(step, reply),
            Phase::Sent if steps::settle(step, &self.fold).is_some() => on_settled(step, reply),
            Phase::Sent | Phase::Check => steps::on_check(step, &self.fold, self.digest.short(), reply),
        };
        self.pending = Some(self.record(at, next, &now));
    }

    /// The record of what a step does next, with its blobs. `now` is what was read for it.
    fn record(&self, at: StepRef, next: Next, now: &[(Ref, Seen)]) -> (JournalRecord, Vec<Blob>) {
        match next {
            Next::Effect(effect) => (JournalRecord::Effect { step: at, effect }, Vec::new()),
            Next::Observed(observation, blobs) => (JournalRecord::Observed { step: at, observation }, blobs),
            Next::Intent { action, before } => {
                let digest = before.as_ref().map(|blob| blob.digest.clone());
                let record = JournalRecord::Intent { step: at, action: Box::new(action), before: digest };
                (record, before.into_iter().collect())
            }
            Next::Halt(finding) => {
                let outcome = Outcome::Halted { finding: self.with_way_out(finding, now) };
                (JournalRecord::Ended { outcome }, Vec::new())
            }
        }
    }

    /// Where another plan is the only way on, it needs what this run has deleted.
    fn with_way_out(&self, finding: Finding, now: &[(Ref, Seen)]) -> Finding {
        let next = match finding.code {
            Code::OtherObject => {
                let seen = |name: &Ref| now.iter().find(|(its, _)| its == name).map(|(_, seen)| seen);
                let way_out = archive::way_out(self.digest.short(), &self.plan, &self.fold, seen);
                // What has to be done at once comes first.
                if finding.next == Code::OtherObject.next() {
                    way_out
                } else {
                    format!("{}; then {way_out}", finding.next)
                }
            }
            Code::ReleaseMoved => match archive::put_back(self.digest.short(), &self.plan, &self.fold) {
                Some(put_back) => format!("{}; before another plan, {put_back}", finding.next),
                None => return finding,
            },
            _ => return finding,
        };
        finding.next(next)
    }

    fn end(&mut self, outcome: Outcome) {
        self.pending = Some((JournalRecord::Ended { outcome }, Vec::new()));
    }

    /// Hashes what the engine's future depends on, whatever the world is: for a search, not for keeping.
    pub fn hash_into(&self, state: &mut impl Hasher) {
        if let (Some(outcome), None) = (&self.fold.outcome, &self.pending) {
            // It has no future: how far it was makes no difference.
            return std::mem::discriminant(outcome).hash(state);
        }
        self.fold.hash_into(state);
        (self.stop, &self.to_look_back, self.seen).hash(state);
        if let Some((record, _)) = &self.pending {
            std::mem::discriminant(record).hash(state);
            match record {
                JournalRecord::Intent { action, .. } => fold::hash_action(action, state),
                JournalRecord::Effect { effect, .. } => std::mem::discriminant(effect).hash(state),
                JournalRecord::Observed { observation, .. } => hash_observation(observation, state),
                JournalRecord::StopAsked { urgency } => urgency.hash(state),
                JournalRecord::Ended { outcome } => outcome.hash(state),
                JournalRecord::Started { .. } | JournalRecord::Resumed { .. } | JournalRecord::Bound => {}
            }
        }
    }
}

/// What the fold takes over of an observation and reads again; the notes are for people.
fn hash_observation(observation: &Observation, state: &mut impl Hasher) {
    match observation {
        Observation::Archived { objects } => {
            for ArchivedObject { object, digest, .. } in objects {
                (object, digest).hash(state);
            }
        }
        Observation::Database { pod, snapshot, .. } => fold::hash_snapshot(pod, snapshot, state),
        Observation::WasDone { .. } | Observation::Done { .. } => {}
    }
}

/// What came back of a write, or of the start of helm.
fn on_sent(step: &Step, reply: Reply) -> Next {
    match reply {
        Reply::Wrote | Reply::Spawned => Next::Effect(Effect::Done),
        Reply::Refused(refusal @ (Refusal::Conflict | Refusal::NotFound)) => Next::Effect(Effect::Refused(refusal)),
        // This token was used before, by a helm that we did not hear of and that left no record.
        Reply::Refused(Refusal::NotSent(text)) if matches!(step.kind, StepKind::Helm { .. }) => {
            Next::Effect(Effect::Unknown(text))
        }
        Reply::Refused(Refusal::Invalid(text)) if matches!(step.kind, StepKind::Helm { .. }) => {
            let found = "helm was not started, and nothing of this step was written";
            Next::Halt(Finding::blocking(Code::HelmFailed, found).with(text))
        }
        Reply::Refused(refusal) => {
            let said = match refusal {
                Refusal::Forbidden(text) | Refusal::Invalid(text) | Refusal::NotSent(text) => text,
                Refusal::Conflict | Refusal::NotFound => String::new(),
            };
            Next::Halt(Finding::blocking(Code::WriteRefused, format!("the server refused step {}", step.id)).with(said))
        }
        Reply::Unknown(text) => Next::Effect(Effect::Unknown(text)),
        other => Next::Effect(Effect::Unknown(format!("{other:?}"))),
    }
}

/// What came of a wait for an effect.
fn on_settled(step: &Step, reply: Reply) -> Next {
    match reply {
        Reply::Met => Next::Effect(Effect::Settled),
        Reply::TimedOut(progress) => Next::Halt(steps::timed_out(step, &progress)),
        other => Next::Halt(
            Finding::blocking(Code::TimedOut, format!("step {} could not be watched", step.id))
                .with(format!("{other:?}")),
        ),
    }
}

//! What `portolan status` says, for programs.

use portolan_engine::Phase;
use portolan_model::{ChartId, Digest, Entry, FORMAT, Finding, Outcome, Plan, Ref, ReleaseId, StepKind, Uid};
use schemars::JsonSchema;
use serde::Serialize;

use crate::course::Course;
use crate::page::{Block, Document};
use crate::{status, steps};

/// Where a run is, by its folder alone: what the page of [`crate::status`] says. Fields may be added.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StatusView {
    /// The version of this format.
    pub format: u32,
    /// The run's id, as commands take it.
    pub run: String,
    /// The digest of its plan.
    pub plan: Digest,
    /// The release that the run is named after.
    pub release: ReleaseId,
    /// Every release that the plan works on, that one first.
    pub releases: Vec<StatusRelease>,
    /// The UID of the cluster's namespace kube-system.
    pub cluster: Uid,
    /// The address of the API server.
    pub server: String,
    /// The chart before the run.
    pub from: ChartId,
    /// The chart that the plan leads to.
    pub to: ChartId,
    /// The run's folder.
    pub folder: String,
    /// Where the run is.
    pub state: RunState,
    /// The same in a sentence.
    pub said: String,
    /// Whether no write has gone out.
    pub nothing_written: bool,
    /// How many steps are over.
    pub steps_done: usize,
    /// How many steps are to come, the one under way included.
    pub steps_left: usize,
    /// Every step.
    pub steps: Vec<StatusStep>,
    /// What the step under way waits for, where it is one that waits: objects, and `helm`.
    pub waits_for: Vec<String>,
    /// Pods that this run has stopped and not started again.
    pub stopped: Vec<Ref>,
    /// The volumes with data.
    pub volumes: Vec<StatusVolume>,
    /// What ended the run, where it halted or was refused.
    pub findings: Vec<Finding>,
    /// When its first record was written, in seconds since 1970; 0 where there is none.
    pub since: u64,
    /// When its last record was written.
    pub until: u64,
    /// Who has run it: host and process, in order.
    pub hosts: Vec<String>,
    /// The process that works on one of these releases now, where there is one.
    pub running: Option<Finding>,
    /// What to do next: commands or sentences, the first one first.
    pub next: Vec<NextStep>,
    /// The other runs that are kept.
    pub other_runs: Vec<OtherRun>,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Nothing was done yet.
    NotBegun,
    /// Its journal ends in the middle: it is running, or its process was killed.
    Unfinished,
    /// It stopped at a safe point because somebody asked.
    Stopped,
    /// Something was not as planned; a person has to decide.
    Halted,
    /// The installation is not the one of the plan; nothing was written.
    Refused,
    /// Every step is done and verified.
    Finished,
}

/// A step of the run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StatusStep {
    /// From 1.
    pub number: usize,
    /// The recipe's id of it.
    pub id: String,
    /// What it does, as the page says it.
    pub what: String,
    /// Where it is.
    pub state: StepState,
    /// What was done or seen; empty where it is not over.
    pub note: String,
}

/// Where a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// It is over.
    Done,
    /// It is over, and had nothing to write.
    Already,
    /// The run is at it.
    Here,
    /// It was not begun.
    ToCome,
}

/// A release that the plan works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StatusRelease {
    /// The release.
    pub release: ReleaseId,
    /// The chart before the run.
    pub from: ChartId,
    /// The chart that the plan leads to.
    pub to: ChartId,
}

/// A volume with data.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StatusVolume {
    /// The volume.
    pub volume: Ref,
    /// Its PVC.
    pub claim: Ref,
    /// What this run set to protect it: `Retain`, `keep`.
    pub set_by_this_run: Vec<String>,
    /// The step, from 1, that verified it.
    pub verified_in: Option<usize>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NextStep {
    /// A command that can be run as it is, or a sentence.
    pub command: String,
    /// What it does; may be empty.
    pub note: String,
}

/// Another run that is kept.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OtherRun {
    /// Its id.
    pub run: String,
    /// Its release.
    pub release: ReleaseId,
    /// The chart before it.
    pub from: String,
    /// The chart that its plan leads to.
    pub to: String,
    /// The address of its API server.
    pub server: String,
    /// Where it is; `null` where its folder cannot be read.
    pub state: Option<RunState>,
    /// The same in a few words: `stopped in step 11 of 14`.
    pub said: String,
}

/// Where a run is, and the same in a few words. `is_running` says that a process works on its release, by this run or by another one.
#[must_use]
pub fn run_state(plan: &Plan, entries: &[Entry], is_running: bool) -> (RunState, String) {
    let course = Course::of(plan, entries);
    let state = state(&course);
    let step = format!("in step {} of {}", (course.done() + 1).min(course.total()), course.total());
    let said = match state {
        RunState::Finished => "finished".to_owned(),
        RunState::Unfinished if is_running => step,
        _ if course.nothing_written => "nothing written".to_owned(),
        RunState::Halted => format!("halted {step}"),
        _ => format!("stopped {step}"),
    };
    (state, said)
}

/// A run's status. `page` is that of [`crate::status`] with its commands completed: what is next is taken from it. What runs now and
/// other runs are not in a run's folder: the caller adds them.
#[must_use]
pub fn status_view(plan: &Plan, entries: &[Entry], folder: &str, page: &Document) -> StatusView {
    let course = Course::of(plan, entries);
    let digest = plan.digest();
    StatusView {
        format: FORMAT,
        run: digest.short().to_owned(),
        release: plan.release.clone(),
        releases: releases(plan),
        cluster: plan.cluster.clone(),
        server: plan.server.clone(),
        from: plan.from.clone(),
        to: plan.to.clone(),
        folder: folder.to_owned(),
        state: state(&course),
        said: status::assessment(plan, &course).plain(),
        nothing_written: course.nothing_written,
        steps_done: course.done(),
        steps_left: course.total() - course.done(),
        steps: plan.steps().enumerate().map(|(at, step)| status_step(&course, at, step)).collect(),
        waits_for: waits_for(plan, &course),
        stopped: course.down().into_iter().map(|(pod, _)| pod.clone()).collect(),
        volumes: volumes(plan, &course),
        findings: status::findings(&course),
        since: course.from,
        until: course.until,
        hosts: course.hosts.clone(),
        running: None,
        next: next(page),
        other_runs: Vec::new(),
        plan: digest,
    }
}

fn releases(plan: &Plan) -> Vec<StatusRelease> {
    let with_charts = plan.releases().filter_map(|release| Some((release.clone(), plan.charts_of(release)?)));
    with_charts.map(|(release, (from, to))| StatusRelease { release, from: from.clone(), to: to.clone() }).collect()
}

fn state(course: &Course<'_>) -> RunState {
    match &course.fold.outcome {
        Some(Outcome::Finished) => RunState::Finished,
        Some(Outcome::StoppedSafely) => RunState::Stopped,
        Some(Outcome::Drifted { .. }) => RunState::Refused,
        Some(Outcome::Halted { .. }) => RunState::Halted,
        None if course.fold.bound => RunState::Unfinished,
        None => RunState::NotBegun,
    }
}

fn status_step(course: &Course<'_>, at: usize, step: &portolan_model::Step) -> StatusStep {
    let (state, note) = match course.passed.get(at) {
        Some(passed) if status::had_nothing_to_write(step, passed.wrote) => (StepState::Already, passed.note.clone()),
        Some(passed) => (StepState::Done, passed.note.clone()),
        None if at == course.done() && course.fold.bound => (StepState::Here, String::new()),
        None => (StepState::ToCome, String::new()),
    };
    StatusStep { number: at + 1, id: step.id.clone(), what: steps::title(step), state, note }
}

/// What the step under way waits for. A run that is over waits for nothing.
fn waits_for(plan: &Plan, course: &Course<'_>) -> Vec<String> {
    let is_over = course.fold.outcome.is_some() || !course.fold.bound;
    let Some(step) = plan.step(course.fold.step).filter(|_| !is_over) else { return Vec::new() };
    match &step.kind {
        StepKind::WaitReady { workloads } => workloads.iter().map(ToString::to_string).collect(),
        StepKind::WaitGone { pods } => pods.iter().map(|orphan| orphan.pod.to_string()).collect(),
        StepKind::DeleteObject { target, .. } if course.fold.phase == Phase::Sent => vec![target.to_string()],
        StepKind::Helm { .. } if course.leaves_helm() => vec!["helm".to_owned()],
        _ => Vec::new(),
    }
}

fn volumes(plan: &Plan, course: &Course<'_>) -> Vec<StatusVolume> {
    let one = |protected: &portolan_model::ProtectedVolume| StatusVolume {
        volume: protected.volume.clone(),
        claim: protected.claim.clone(),
        set_by_this_run: course.guards(protected).iter().map(|(guard, _)| (*guard).to_owned()).collect(),
        verified_in: course.verified(protected).and_then(Result::ok),
    };
    plan.volumes.iter().map(one).collect()
}

/// What a page says is next.
fn next(page: &Document) -> Vec<NextStep> {
    let all = page.blocks.iter().filter_map(|block| match block {
        Block::Next(next) => Some(next),
        _ => None,
    });
    all.flatten().map(|(command, note)| NextStep { command: command.clone(), note: note.clone() }).collect()
}

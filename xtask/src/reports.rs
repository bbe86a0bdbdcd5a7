//! `cargo xtask reports`: reported upgrades, by bare helm and by Portolan, under every helm on a real cluster.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use portolan_testkit::rig::Rig;
use portolan_trials::program::Program;
use portolan_trials::reports::{self, Case, Harm, HarmSeen, Outcome, Results, Row, Trial, TrialState};

/// What to run.
pub(crate) struct Options<'a> {
    /// The helms; all of the rig's where none is named.
    pub(crate) helms: &'a [String],
    /// How many installations at once.
    pub(crate) jobs: usize,
    /// Only cases with this in their names.
    pub(crate) only: Option<&'a str>,
    /// One side only.
    pub(crate) side: Option<Side>,
    /// Only what was not yet seen to be right.
    pub(crate) rest: bool,
}

/// A side of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Side {
    /// What Portolan says
    Portolan,
    /// What bare helm does
    Helm,
}

/// Runs every case under every helm, and writes the page once both sides of all have been seen.
pub(crate) fn run(root: &Path, options: &Options<'_>) -> Result<()> {
    let helms = crate::helms(options.helms);
    // As people are given it: it plans in a fraction of the time, and is asked nearly two thousand times.
    let (rig, program) = (Rig::shared()?, Program::build_release(root)?);
    let (rows, harmless, pending) = (reports::rows()?, reports::harmless()?, reports::pending()?);
    let wanted = |name: &str| options.only.is_none_or(|only| name.contains(only));
    let path = root.join("target/reports.json");
    let today = crate::today()?;
    let results = Kept { path: &path, results: Mutex::new(Results::read(&path)?) };
    let mut wrong = 0;
    if options.side != Some(Side::Helm) {
        let mut trials = trials(&rows, &harmless, &helms);
        trials.retain(|trial| wanted(&trial.name) && !(options.rest && results.with(|all| all.has(trial))));
        println!("{} upgrades for Portolan, {} at a time", trials.len(), options.jobs);
        let seen = reports::plans(&rig, &program, &trials, options.jobs, &|outcome| {
            show_plan(outcome, &pending);
            results.put(|all| all.put_plan(outcome, &today));
        })?;
        let is_expected = |one: &&Outcome| matches!(one.state(&pending), TrialState::Right | TrialState::Pending);
        wrong += seen.len() - seen.iter().filter(is_expected).count();
    }
    if options.side != Some(Side::Portolan) {
        let mut cases = harmful(&rows, &helms);
        cases.retain(|(case, helm)| {
            wanted(&case.name) && !(options.rest && results.with(|all| all.has_harm(case, helm)))
        });
        println!("{} upgrades for bare helm, {} at a time", cases.len(), options.jobs);
        let seen = reports::harms(&rig, &cases, options.jobs, &|seen| {
            show_harm(seen);
            results.put(|all| all.put_harm(seen, &today));
        })?;
        wrong += seen.iter().filter(|seen| !seen.missing.is_empty()).count();
    }
    let mut results = results.results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let all = crate::helms(&[]);
    let missing = results.complete(&trials(&rows, &harmless, &all), &harmful(&rows, &all));
    if let Some(first) = missing.first() {
        println!("docs/reports.md is not written: {} not seen yet, the first is {first}", missing.len());
    } else {
        let page = reports::page(&rows, &harmless, &results, &pending);
        fs_err::write(root.join("docs/reports.md"), page)?;
    }
    if wrong > 0 {
        bail!("{wrong} answers are not what they have to be");
    }
    Ok(())
}

/// What was seen, in a file that has it as soon as it is seen: a run takes more than an hour, and may be ended.
struct Kept<'a> {
    path: &'a Path,
    results: Mutex<Results>,
}

impl Kept<'_> {
    fn with<R>(&self, act: impl FnOnce(&mut Results) -> R) -> R {
        act(&mut self.results.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, put: impl FnOnce(&mut Results)) {
        let written = self.with(|all| {
            put(all);
            all.write(self.path)
        });
        if let Err(error) = written {
            println!("not kept: {error:#}");
        }
    }
}

fn trials(rows: &[Row], harmless: &Row, helms: &[String]) -> Vec<Trial> {
    reports::trials(&[rows, std::slice::from_ref(harmless)].concat(), Some(helms))
}

/// What bare helm is to be seen with.
fn harmful(rows: &[Row], helms: &[String]) -> Vec<(Case, String)> {
    let cases = rows.iter().flat_map(|row| &row.cases).filter(|case| !case.harm.is_empty());
    cases.flat_map(|case| case.helms(Some(helms)).into_iter().map(|helm| (case.clone(), helm))).collect()
}

fn show_plan(outcome: &Outcome, pending: &BTreeMap<String, String>) {
    let word = match outcome.state(pending) {
        TrialState::Right => "right",
        TrialState::NoLongerPending => "right, no longer pending",
        TrialState::Pending => "pending",
        TrialState::Wrong => "WRONG",
    };
    let said = outcome.complaint.as_ref().unwrap_or(&outcome.said);
    println!("{:<44} helm {:<8} {word:<8} {said}", outcome.trial.name, outcome.trial.helm);
}

fn show_harm(seen: &HarmSeen) {
    let list = |harms: &[Harm]| harms.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let failed = seen.failed.as_ref().map(|said| format!(" [helm: {said}]")).unwrap_or_default();
    let missing = if seen.missing.is_empty() { String::new() } else { format!(" NOT SEEN: {}", list(&seen.missing)) };
    println!("{:<44} helm {:<8} {}{missing}{failed}", seen.name, seen.helm, list(&seen.seen));
}

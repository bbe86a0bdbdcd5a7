//! Reported upgrades that cost somebody data or time: Portolan refuses each with code, object and field, calls the same
//! upgrade without the harmful field Safe, and twenty harmless changes of strange charts too. What bare helm does with them is
//! seen by `cargo xtask reports`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use portolan_testkit::rig::Rig;
use portolan_trials::program::Program;
use portolan_trials::reports::{self, Case, Chart, Harm, Outcome, Row, Trial, TrialState, Upgrade};

/// Installations at once.
const AT_ONCE: usize = 5;

fn cases() -> Vec<Case> {
    reports::rows().expect("the rows are readable").into_iter().flat_map(|row| row.cases).collect()
}

#[test]
fn every_row_has_cases_and_every_chart_can_be_written() {
    let folder = tempfile::tempdir().expect("a folder");
    for row in reports::rows().expect("the rows are readable") {
        assert!(!row.cases.is_empty(), "{} has no case", row.title);
    }
    let harmless = reports::harmless().expect("the harmless changes are readable").cases;
    assert!(harmless.len() >= 20, "{} harmless changes", harmless.len());
    assert!(harmless.iter().all(|case| case.expect.is_none() && case.harm.is_empty()), "harmless is harmless");
    let mut names = BTreeSet::new();
    for case in cases().iter().chain(&harmless) {
        assert!(names.insert(case.name.clone()), "{} stands there twice", case.name);
        assert!(case.twin.is_none() || !case.harm.is_empty(), "{}: what bare helm does", case.name);
        for upgrade in [Some(&case.upgrade), case.twin.as_ref()].into_iter().flatten() {
            let upgrade: Upgrade = serde_json::from_value(upgrade.clone()).expect("an upgrade");
            for delta in [Some(&upgrade.old), upgrade.middle.as_ref(), Some(&upgrade.new)].into_iter().flatten() {
                let chart = Chart::new("1.0.0", upgrade.frame, &[&upgrade.both, delta]);
                let chart = chart.unwrap_or_else(|error| panic!("{}: {error:#}", case.name));
                chart.write(&folder.path().join(&case.name)).expect("it is written");
            }
        }
    }
}

#[test]
fn only_what_is_a_trial_is_pending() {
    let rows = [reports::rows().expect("rows"), vec![reports::harmless().expect("harmless")]].concat();
    let names: BTreeSet<String> = reports::trials(&rows, None).into_iter().map(|trial| trial.name).collect();
    for name in reports::pending().expect("the pending ones").keys() {
        assert!(names.contains(name), "{name} is no trial");
    }
}

#[test]
fn a_harm_says_what_was_seen() {
    let gone = Harm::Gone("PersistentVolumeClaim/store".into());
    assert_eq!(gone.to_string(), "PersistentVolumeClaim/store is deleted");
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn harm_is_refused_and_its_twin_is_safe() {
    let rows = [reports::rows().expect("rows"), vec![reports::harmless().expect("harmless")]].concat();
    let (rig, root) = (Rig::shared().expect("the rig"), Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let program = Program::build(&root).expect("portolan");
    let trials: Vec<Trial> = rows.iter().flat_map(trials_of_the_test_command).collect();
    let outcomes = reports::plans(&rig, &program, &trials, AT_ONCE, &|_| {}).expect("every trial can be made");
    assert_eq!(unexpected(&outcomes, &reports::pending().expect("the pending ones")), Vec::<String>::new());
}

/// The trials of a row, without harmful upgrades that have to be applied. Of its harmless ones only the first is applied; `cargo
/// xtask reports` applies all.
fn trials_of_the_test_command(row: &Row) -> Vec<Trial> {
    let mut row = row.clone();
    row.cases.retain(|case| case.always);
    let mut trials = reports::trials(&[row], None);
    trials.retain(|trial| !trial.apply || trial.expect.is_none());
    trials
        .iter_mut()
        .filter(|trial| trial.apply && trial.expect.is_none())
        .skip(1)
        .for_each(|trial| trial.apply = false);
    trials
}

/// What is wrong and not known to be, and what is right and known to be wrong.
fn unexpected(outcomes: &[Outcome], pending: &BTreeMap<String, String>) -> Vec<String> {
    let judge = |outcome: &Outcome| match outcome.state(pending) {
        TrialState::Right | TrialState::Pending => None,
        TrialState::NoLongerPending => Some(format!("{}: right now, no longer pending", outcome.trial.name)),
        TrialState::Wrong => {
            Some(format!("{}, helm {}: {:?}", outcome.trial.name, outcome.trial.helm, outcome.complaint))
        }
    };
    outcomes.iter().filter_map(judge).collect()
}

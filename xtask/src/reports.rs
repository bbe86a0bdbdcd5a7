//! `cargo xtask reports`: reported upgrades, by bare helm and by Portolan, under every helm on a real cluster.

use std::path::Path;

use anyhow::{Result, bail};
use testkit::rig::Rig;
use trials::program::Program;
use trials::reports::{self, Case, Outcome, Row, Standing};

/// What to run.
pub(crate) struct Options<'a> {
    /// The helms; all of the rig's where none is named.
    pub(crate) helms: &'a [String],
    /// How many installations at once.
    pub(crate) jobs: usize,
    /// Only cases with this in their names; nothing is written then.
    pub(crate) only: Option<&'a str>,
    /// Leaves bare helm out; nothing is written then.
    pub(crate) plans_alone: bool,
}

/// Runs every case under every helm and writes the page.
pub(crate) fn run(root: &Path, options: &Options<'_>) -> Result<()> {
    let helms = crate::helms(options.helms);
    let (rig, program) = (Rig::shared()?, Program::build(root)?);
    let select = |row: Row| Row {
        cases: row.cases.into_iter().filter(|case| options.only.is_none_or(|only| case.name.contains(only))).collect(),
        ..row
    };
    let (rows, harmless): (Vec<Row>, Row) =
        (reports::rows()?.into_iter().map(select).collect(), select(reports::harmless()?));
    let pending = reports::pending()?;
    let all = [rows.clone(), vec![harmless.clone()]].concat();
    let trials = reports::trials(&all, Some(&helms));
    println!("{} upgrades for Portolan, {} at a time", trials.len(), options.jobs);
    let plans = reports::plans(&rig, &program, &trials, options.jobs, &|outcome| {
        let word = match outcome.standing(&pending) {
            Standing::Right => "right",
            Standing::NoLongerPending => "right, no longer pending",
            Standing::Pending => "pending",
            Standing::Wrong => "WRONG",
        };
        let said = outcome.complaint.as_ref().unwrap_or(&outcome.said);
        println!("{:<44} helm {:<8} {word:<8} {said}", outcome.trial.name, outcome.trial.helm);
    })?;
    let is_expected = |outcome: &&Outcome| matches!(outcome.standing(&pending), Standing::Right | Standing::Pending);
    let mut wrong = plans.len() - plans.iter().filter(is_expected).count();
    if !options.plans_alone {
        let cases = rows.iter().flat_map(|row| &row.cases).cloned();
        let cases: Vec<(Case, String)> =
            cases.flat_map(|case| case.helms(Some(&helms)).into_iter().map(move |helm| (case.clone(), helm))).collect();
        println!("{} upgrades for bare helm, {} at a time", cases.len(), options.jobs);
        let harms = reports::harms(&rig, &cases, options.jobs, &|seen| {
            let list = |harms: &[reports::Harm]| harms.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            let failed = seen.failed.as_ref().map(|said| format!(" [helm: {said}]")).unwrap_or_default();
            let missing =
                if seen.missing.is_empty() { String::new() } else { format!(" NOT SEEN: {}", list(&seen.missing)) };
            println!("{:<44} helm {:<8} {}{missing}{failed}", seen.name, seen.helm, list(&seen.seen));
        })?;
        wrong += harms.iter().filter(|seen| !seen.missing.is_empty()).count();
        if options.only.is_none() {
            reports::write(&rows, &harmless, (&plans, &harms), &pending, (root, &crate::today()?))?;
        }
    }
    if wrong > 0 {
        bail!("{wrong} answers are not what they have to be");
    }
    Ok(())
}

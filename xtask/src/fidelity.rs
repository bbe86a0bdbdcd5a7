//! `cargo xtask fidelity`: rehearsal and reality, side by side.

use std::path::Path;

use anyhow::{Result, bail};
use portolan_trials::fidelity::{self, Case};

/// Runs every case under every helm and writes the page.
pub(crate) fn run(root: &Path, helms: &[String], jobs: usize, only: Option<&str>) -> Result<()> {
    let helms = crate::helms(helms);
    let cases: Vec<(Case, String)> =
        helms.iter().flat_map(|helm| fidelity::cases().into_iter().map(move |case| (case, helm.clone()))).collect();
    let cases: Vec<_> = cases
        .into_iter()
        .filter(|(case, _)| only.is_none_or(|only| format!("{} {}", case.start, case.name()).contains(only)))
        .collect();
    println!("{} cases, {jobs} at a time", cases.len());
    let rows = fidelity::run(&cases, jobs, &|row| {
        let wrong = row.disagreements();
        let words = if wrong.is_empty() { "agrees".to_owned() } else { wrong.join("; ") };
        println!("{:<24} {:<40} helm {:<8} {words}", row.case.start, row.case.name(), row.helm);
    })?;
    if only.is_none() {
        fidelity::write(&rows, root, &crate::today()?)?;
    }
    let wrong: usize = rows.iter().map(|row| row.disagreements().len()).sum();
    if wrong > 0 {
        bail!("{wrong} disagreements; see docs/fidelity.md");
    }
    Ok(())
}

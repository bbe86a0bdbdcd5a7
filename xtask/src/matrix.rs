//! `cargo xtask matrix`: every pair of versions under every helm, on real clusters.

use std::path::Path;

use anyhow::{Result, bail};
use portolan_trials::matrix;

/// Carries out every pair under every helm and writes the page; with `only` those whose start has this in its name, and
/// no page.
pub(crate) fn run(root: &Path, helms: &[String], jobs: usize, only: Option<&str>) -> Result<()> {
    let helms = crate::helms(helms);
    let pairs = matrix::pairs().into_iter().filter(|pair| only.is_none_or(|only| pair.to_string().contains(only)));
    let trials: Vec<_> = pairs.flat_map(|pair| helms.iter().map(move |helm| (pair.clone(), helm.clone()))).collect();
    println!("{} upgrades, {jobs} at a time", trials.len());
    println!("{:<44} {:<8} {:<10} {:>8} {:>8} {:>8}", "PAIR", "HELM", "PV UID", "BEFORE", "AFTER", "SECONDS");
    let rows = matrix::run(&trials, jobs, &|row| {
        let wrong = row.complaints();
        let kept = if wrong.is_empty() { "kept" } else { "WRONG" };
        let (before, after) = (&row.before.count, &row.after.count);
        let seconds = row.took.as_secs_f64();
        println!(
            "{:<44} {:<8} {kept:<10} {before:>8} {after:>8} {seconds:>8.0}  {}",
            row.pair.to_string(),
            row.helm,
            wrong.join("; ")
        );
    })?;
    if only.is_none() {
        matrix::write(&rows, root, &crate::today()?)?;
    }
    let wrong = rows.iter().filter(|row| !row.complaints().is_empty()).count();
    if wrong > 0 {
        bail!("{wrong} upgrades did not keep everything");
    }
    Ok(())
}

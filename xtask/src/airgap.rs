//! `cargo xtask airgap`: upgrades of sites without internet access, each on a rig of its own.

use std::path::Path;

use anyhow::{Result, bail};
use portolan_trials::airgap;
use portolan_trials::program::Program;

/// Carries out every case and writes the page; with `only` those with this in their names, and no page.
pub(crate) fn run(root: &Path, only: Option<&str>) -> Result<()> {
    let program = Program::build(root)?;
    let cases = airgap::cases().into_iter().filter(|case| only.is_none_or(|only| case.to_string().contains(only)));
    let mut rows = Vec::new();
    for case in cases {
        let row = airgap::trial(&case, &program)?;
        println!("{}", row.line());
        row.complaints().iter().for_each(|wrong| println!("    {wrong}"));
        rows.push(row);
    }
    if only.is_none() {
        fs_err::write(root.join("docs/airgap.md"), airgap::page(&rows, &crate::today()?))?;
    }
    match rows.iter().filter(|row| !row.complaints().is_empty()).count() {
        0 => Ok(()),
        wrong => bail!("{wrong} cases are not as they have to be"),
    }
}

//! `cargo xtask customizations`: what the vendor's way and ours find of the values that a site set.

use std::path::Path;

use anyhow::{Result, ensure};
use portolan_testkit::rig::{Cache, Dyff, Rig, pins};
use portolan_trials::customizations;
use portolan_trials::program::Program;

/// Asks both ways on the rig, writes the page, and fails where ours does not find all.
pub(crate) fn run(root: &Path) -> Result<()> {
    let dyff = Dyff::get(&Cache::locate()?)?;
    let program = Program::build(root)?;
    let found = customizations::find(&Rig::shared()?, pins::HELM[1], &dyff, &program)?;
    let [by_dyff, script, ours] = found.counts();
    let all = found.rows.len();
    println!("vendor's script: {script} of {all}; dyff: {by_dyff} of {all}; ours: {ours} of {all}");
    println!(
        "vendor: {:?}; portolan values: {:?}, with what becomes of each: {:?}",
        found.took[0], found.took[1], found.took[2]
    );
    fs_err::write(root.join("docs/customizations.md"), customizations::page(&found, &crate::today()?))?;
    ensure!(ours == all, "ours does not find all; see docs/customizations.md");
    ensure!(found.in_clear[1] == 0, "ours prints {} passwords or keys", found.in_clear[1]);
    Ok(())
}

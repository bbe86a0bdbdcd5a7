//! The program itself, as people run it: built through cargo, with nothing of this user's surroundings.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// `portolan`, or what measures it, built.
pub struct Program {
    path: PathBuf,
}

impl Program {
    /// Builds it, as quickly as it can be had.
    ///
    /// # Errors
    /// What cargo says.
    pub fn build(root: &Path) -> Result<Self> {
        Self::build_as(root, &["--bin", "portolan"])
    }

    /// Builds it as people are given it.
    ///
    /// # Errors
    /// What cargo says.
    pub fn build_release(root: &Path) -> Result<Self> {
        Self::build_as(root, &["--bin", "portolan", "--release"])
    }

    /// A release build of what measures, which is made.
    ///
    /// # Errors
    /// What cargo says.
    pub fn build_release_xtask(root: &Path) -> Result<Self> {
        Self::build_as(root, &["--package", "xtask", "--release"])
    }

    fn build_as(root: &Path, how: &[&str]) -> Result<Self> {
        let mut command = portolan_testkit::cargo(root);
        command.args(["build", "--quiet", "--message-format", "json-render-diagnostics"]);
        command.args(how);
        let out = command.stderr(Stdio::inherit()).output().context("starting cargo")?;
        if !out.status.success() {
            bail!("it cannot be built: cargo build {}", how.join(" "));
        }
        let said = String::from_utf8_lossy(&out.stdout);
        let artifacts = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let path = artifacts.filter_map(|artifact| artifact["executable"].as_str().map(PathBuf::from)).next_back();
        Ok(Self { path: path.context("cargo names no program")? })
    }

    /// One that is built already.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It, to be run in a folder that is its home as well: it finds no helm and no kubeconfig there.
    #[must_use]
    pub fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command.current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null());
        command
    }

    /// Runs it there, and returns what it prints, in the order in which it does.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn run(&self, folder: &Path, args: &[&str]) -> Result<String> {
        let mut said = tempfile::tempfile()?;
        let mut command = self.command(folder);
        command.args(args).stdout(said.try_clone()?).stderr(said.try_clone()?);
        command.status().with_context(|| format!("starting {}", self.path.display()))?;
        said.rewind()?;
        let mut text = String::new();
        said.read_to_string(&mut text)?;
        Ok(text)
    }
}

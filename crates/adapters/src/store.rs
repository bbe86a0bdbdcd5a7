//! What is kept on this machine: a folder for each run, with its plan, journal and archive.
//!
//! `<state>/portolan/<cluster>/<namespace>.<release>/<plan>/{plan.json, meta.json, journal.jsonl, objects/,
//! helm/, report.md}`. Folders are 0700 and files 0600: the archive holds Secrets.

pub(crate) mod files;
mod journal;
mod lock;
mod run;

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use portolan_model::{Code, Finding, ReleaseId, Uid};

pub use lock::{Lock, lock_all, under_way};
pub use run::{Meta, RunInfo, RunStore, find, list};

/// The folder that holds every run: below `state_dir` where given, else below the user's state folder
/// (`XDG_STATE_HOME`, or `~/.local/state`).
///
/// # Errors
/// Where the user has no home.
pub fn root(state_dir: Option<&Path>) -> Result<PathBuf, Finding> {
    let state = match state_dir {
        Some(folder) => folder.to_owned(),
        None => {
            let strategy = etcetera::choose_base_strategy().map_err(|error| {
                Finding::blocking(Code::StateFolder, "this user has no home folder")
                    .with(error.to_string())
                    .next("set XDG_STATE_HOME, or pass --state-dir FOLDER")
            })?;
            let state = strategy.state_dir();
            // macOS and Windows have no state folder of their own; data is the next best.
            state.unwrap_or_else(|| strategy.data_dir())
        }
    };
    Ok(state.join("portolan"))
}

/// The folder of a release.
fn release_folder(root: &Path, cluster: &Uid, release: &ReleaseId) -> PathBuf {
    let short: String = cluster.as_str().chars().take(8).collect();
    root.join(short).join(format!("{}.{}", release.namespace, release.name))
}

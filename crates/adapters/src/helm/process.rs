//! Helm as a process that outlives us, and the question whether it still runs.
//!
//! Helm holds an open file with a lock on it as its standard input. The lock ends when the last process
//! that has that file open ends, and with nothing else: it says whether helm runs, in whichever process it
//! is asked, after a kill -9 of ours too, and a process number that was used again does not deceive it.
//! Standard input, because it is handed over at the very start of the process: a descriptor made inheritable
//! could slip into any other child that is started at that moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use portolan_inventory::credential::told;
use portolan_model::{Digest, HelmClient, HelmOperation, HelmRun, HelmToken};
use rustix::fs::{FlockOperation, flock};
use tokio::process::Command;

/// How much of what helm wrote is shown.
const TAIL: u64 = 4096;

/// What helm is started with.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// What helm does.
    pub op: HelmOperation,
    /// The run.
    pub run: &'a HelmRun,
    /// The token that marks its record.
    pub token: &'a HelmToken,
    /// The run's folder.
    pub folder: &'a Path,
    /// What is applied; `None` for an uninstall.
    pub given: Option<Given<'a>>,
    /// The kubeconfig; `None` for the usual one.
    pub kubeconfig: Option<&'a Path>,
    /// The context; empty inside a cluster.
    pub context: &'a str,
}

/// What helm is given to apply.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The chart's archive.
    pub chart: &'a Path,
    /// The values, passwords included.
    pub values: &'a [u8],
}

fn file(folder: &Path, token: &HelmToken, ending: &str) -> PathBuf {
    folder.join("helm").join(format!("{token}.{ending}"))
}

/// The file that hands helm its values. It holds passwords and is there only while helm runs.
#[must_use]
pub fn values_path(folder: &Path, token: &HelmToken) -> PathBuf {
    file(folder, token, "values.yaml")
}

/// Starts helm in a process group of its own, its output in files. It goes on when we end.
///
/// # Errors
/// Why it was not started. Then nothing has happened.
pub fn spawn(launch: &Launch<'_>) -> Result<(), NotStarted> {
    let HelmClient::Program { path, digest: planned, .. } = &launch.run.client else {
        return Err(NotStarted::Unusable("the plan was made with the simulated helm".into()));
    };
    if launch.given.is_none() && !launch.op.is_uninstall() {
        return Err(NotStarted::Unusable(format!("the plan names no chart to {}", launch.op)));
    }
    let path = Path::new(path);
    is_planned(path, planned).map_err(NotStarted::Unusable)?;
    let values = values_path(launch.folder, launch.token);
    let arguments = crate::compat::argv(launch, &values);
    start(launch, path, &arguments).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            // The values are those of the other one, which may be about to read them.
            return NotStarted::BeforeNow;
        }
        tidy(launch.folder, launch.token);
        NotStarted::Unusable(format!("helm could not be started: {error}"))
    })
}

/// Why helm was not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStarted {
    /// It was started for this attempt before, by a process that did not live to tell.
    BeforeNow,
    /// It cannot be, in words.
    Unusable(String),
}

/// Whether the program at a path is the one that a plan was made with.
///
/// # Errors
/// Why it is not, in words.
pub fn is_planned(path: &Path, planned: &Digest) -> Result<(), String> {
    let found = super::digest(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let is_other = || format!("{} is another program than when the plan was made", path.display());
    (found == *planned).then_some(()).ok_or_else(is_other)
}

fn start(launch: &Launch<'_>, program: &Path, arguments: &[String]) -> io::Result<()> {
    let at = |ending| file(launch.folder, launch.token, ending);
    // Made new or not at all: one token is one helm.
    let lock = private().create_new(true).open(at("lock"))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    if let Some(Given { values, .. }) = launch.given {
        private().create(true).truncate(true).open(values_path(launch.folder, launch.token))?.write_all(values)?;
    }
    let output = |ending| private().create(true).truncate(true).open(at(ending));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::from(lock))
        // A pipe to us would kill helm at its next word after our own end.
        .stdout(Stdio::from(output("out")?))
        .stderr(Stdio::from(output("err")?))
        // An interrupt from the keyboard goes to a group: helm is to get it from us alone.
        .process_group(0);
    super::scrub(&mut command);
    super::at_home(&mut command, &launch.folder.join("helm").join("home"));
    if let Some(kubeconfig) = launch.kubeconfig {
        command.env("KUBECONFIG", std::path::absolute(kubeconfig)?);
    }
    let mut child = command.spawn()?;
    // Our copy of the locked file goes with it: from now on helm alone holds the lock.
    drop(command);
    if let Some(id) = child.id() {
        // For people; nothing is ever decided by it.
        let _ = private().create(true).truncate(true).open(at("pid")).and_then(|mut file| writeln!(file, "{id}"));
    }
    tokio::spawn(async move {
        // Only so that no zombie is left; how it ended is read from the cluster.
        let _ = child.wait().await;
    });
    Ok(())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Whether the helm of a token still runs. One that was never started does not.
#[must_use]
pub fn is_alive(folder: &Path, token: &HelmToken) -> bool {
    let lock = match File::open(file(folder, token, "lock")) {
        Ok(lock) => lock,
        Err(error) => return error.kind() != io::ErrorKind::NotFound,
    };
    // Shared, so that two who ask at once do not take each other for helm. Where the question cannot be
    // answered helm counts as alive: that delays, the contrary destroys.
    flock(&lock, FlockOperation::NonBlockingLockShared).is_err()
}

/// Takes away the values of a helm that has ended.
pub fn tidy(folder: &Path, token: &HelmToken) {
    // Not there is what is wanted; a file that cannot be removed is private all the same.
    let _ = fs::remove_file(values_path(folder, token));
}

/// The end of what helm wrote to its standard error: evidence, nothing is decided by it.
#[must_use]
pub fn ended_text(folder: &Path, token: &HelmToken) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(file(folder, token, "err"))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(told(String::from_utf8_lossy(&bytes).trim()))
    };
    read().unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests;

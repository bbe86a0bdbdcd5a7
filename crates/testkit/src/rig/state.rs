//! What is written down about a running rig: enough for another process to find it, judge it and take it down.

use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::net::Net;

/// Which API groups the rig's API server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Kubernetes alone.
    Kubernetes,
    /// With the resources by which OpenShift is told apart.
    Openshift,
}

impl FromStr for Shape {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "kubernetes" => Ok(Self::Kubernetes),
            "openshift" => Ok(Self::Openshift),
            other => Err(anyhow!("{other:?} is neither kubernetes nor openshift")),
        }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kubernetes => "kubernetes",
            Self::Openshift => "openshift",
        })
    }
}

/// Which images a rig's node has when it comes up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeImages {
    /// All that the rig knows.
    #[default]
    All,
    /// What holds a pod's namespaces open, and nothing else: all others are pulled.
    PauseOnly,
}

/// `rig.json` of a run folder, written before anything is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The rig's name.
    pub name: String,
    /// The number from which its addresses follow.
    pub index: u8,
    /// Its shape.
    pub shape: Shape,
    /// The images of its node.
    #[serde(default)]
    pub images: NodeImages,
    /// The key of the build it runs.
    pub key: String,
}

impl State {
    const FILE: &str = "rig.json";

    /// Reads the state from a run folder; `None` when there is none, or none that can be read.
    #[must_use]
    pub fn read(run: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(run.join(Self::FILE)).ok()?).ok()
    }

    /// Writes the state into a run folder.
    pub fn write(&self, run: &Path) -> Result<()> {
        write_whole(&run.join(Self::FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// The rig's addresses.
    #[must_use]
    pub fn net(&self) -> Net {
        Net::new(self.index)
    }

    /// The rig's folder in each cgroup hierarchy.
    #[must_use]
    pub fn cgroup(&self) -> String {
        cgroup(&self.name)
    }
}

/// The folder of the rig called `name` in each cgroup hierarchy.
pub(crate) fn cgroup(name: &str) -> String {
    format!("portolan-rig-{name}")
}

/// Refuses a name that could not be a folder, a cgroup and a part of a file's name all at once.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || name.len() > 20 || name.starts_with('-') || !name.bytes().all(plain) {
        bail!("{name:?} is no name for a rig: up to 20 lower-case letters, digits and dashes");
    }
    Ok(())
}

/// A process as the host sees it. The time of its start tells it from a later process with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Its number.
    pub pid: i32,
    /// When it was started, in ticks since the machine was.
    pub started: u64,
}

impl Process {
    const FILE: &str = "init.json";

    /// The process with this number, if it lives (a zombie does not).
    #[must_use]
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let (state, started) = parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        (state != 'Z' && state != 'X').then_some(Self { pid, started })
    }

    /// Whether it still lives.
    #[must_use]
    pub(crate) fn lives(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Reads the rig's first process from a run folder.
    #[must_use]
    pub(crate) fn read(run: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(run.join(Self::FILE)).ok()?).ok()
    }

    /// Writes the rig's first process into a run folder.
    pub(crate) fn write(&self, run: &Path) -> Result<()> {
        write_whole(&run.join(Self::FILE), &serde_json::to_vec(self)?)
    }
}

/// State and time of start from a line of `/proc/<pid>/stat`.
fn parse_stat(line: &str) -> Option<(char, u64)> {
    // The second field is the program's name in parentheses and may itself hold blanks and parentheses.
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Writes a file so that no reader ever sees half of it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    fs::write(&part, bytes)?;
    fs::rename(&part, path)?;
    Ok(())
}

/// How long something that comes by itself is waited for: far longer than it takes on a slow machine with much to do, so that only
/// what never comes meets it.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Asks again and again until there is an answer; `what` is named when there is none within [`PATIENCE`].
pub(crate) fn poll<T>(what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begin = Instant::now();
    let mut last = None;
    loop {
        match ask() {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
        let so_far = begin.elapsed();
        if so_far >= PATIENCE {
            let late = format!("{what}: not within {} s", PATIENCE.as_secs());
            return Err(match last {
                Some(error) => error.context(late),
                None => anyhow!(late),
            });
        }
        // Each request costs a handshake, and many tests wait at once.
        std::thread::sleep((so_far / 16).clamp(Duration::from_millis(30), Duration::from_secs(1)));
    }
}

/// The last lines of a log, for a message.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Runs a command to its end and returns what it wrote; a failure carries its error output.
pub(crate) fn output(command: &mut std::process::Command) -> Result<Vec<u8>> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let done = command.output().with_context(|| format!("cannot run {shown}"))?;
    if !done.status.success() {
        bail!("{shown}: {}: {}", done.status, String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(done.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_another_start_does_not() {
        let me = Process::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(me.lives());
        assert!(!Process { started: me.started + 1, ..me }.lives());
    }

    #[test]
    fn a_program_may_have_any_name() {
        let line = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        assert_eq!(parse_stat(line), Some(('S', 4242)));
    }

    #[test]
    fn names_are_plain() {
        assert!(check_name("main").is_ok());
        for bad in ["", "-a", "../x", "A", "a b", "aaaaaaaaaaaaaaaaaaaaa"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let state = State {
            name: "main".into(),
            index: 3,
            shape: Shape::Openshift,
            images: NodeImages::PauseOnly,
            key: "k".into(),
        };
        assert_eq!(State::read(dir.path()), None);
        state.write(dir.path()).unwrap();
        assert_eq!(State::read(dir.path()), Some(state));
    }
}

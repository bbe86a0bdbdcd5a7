//! A user with a home of their own, without helm and without a cluster.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A user of the program.
pub(crate) struct User {
    home: TempDir,
}

/// What came of a command.
pub(crate) struct Came {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl User {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a folder") }
    }

    /// A path in the user's folder, where the commands run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    /// A command, not started yet.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
        command
            .args(line.split_whitespace())
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("KUBECONFIG", self.path("no-kubeconfig"))
            .env("PATH", self.path("no-programs"))
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Came {
        came(&self.command(line).output().expect("the program starts"))
    }

    /// A command that has to end well; its standard output.
    pub(crate) fn ok(&self, line: &str) -> String {
        let came = self.run(line);
        assert_eq!(came.code, 0, "{line}\n{}{}", came.stdout, came.stderr);
        came.stdout
    }

    pub(crate) fn installation(&self, folder: &str) -> String {
        std::fs::read_to_string(self.path(folder).join("installation.json")).expect("an installation")
    }

    /// The lines of the only journal below a folder; none where there is no journal yet.
    pub(crate) fn journal(&self, folder: &str) -> Vec<String> {
        let text = find(&self.path(folder), "journal.jsonl").and_then(|path| std::fs::read_to_string(path).ok());
        text.unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Waits until a journal is as a test wants it, or the program has ended; whether it still runs.
    pub(crate) fn until_journal(&self, child: &mut Child, folder: &str, is_it: impl Fn(&[String]) -> bool) -> bool {
        until_or_end(child, || is_it(&self.journal(folder)))
    }
}

/// Looks often until something is so, or the program has ended; whether it still runs. A run on a simulation takes a second or two.
pub(crate) fn until_or_end(child: &mut Child, mut is_so: impl FnMut() -> bool) -> bool {
    let limit = Instant::now() + Duration::from_secs(300);
    while Instant::now() < limit {
        if child.try_wait().expect("it can be asked").is_some() {
            return false;
        }
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    panic!("what the test waits for never came, and the program never ended");
}

pub(crate) fn came(output: &Output) -> Came {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Came { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

pub(crate) fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it is our own child");
}

/// The first file of a name below a folder.
pub(crate) fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find_map(|path| if path.is_dir() { find(&path, name) } else { path.ends_with(name).then_some(path) })
}

/// What two ends of the same run have in common: UIDs are names, and resourceVersions, tokens of runs and clocks are
/// left out.
pub(crate) fn normalised(installation: &str) -> String {
    let saved: Value = serde_json::from_str(installation).expect("an installation is JSON");
    let world = &saved["world"];
    let objects = world["objects"].as_object().expect("objects by name");
    let mut uids = Vec::new();
    let mut kept = serde_json::Map::new();
    for (name, object) in objects.iter().filter(|(name, _)| !name.starts_with("Release")) {
        let mut object = object.clone();
        if let Some(meta) = object["metadata"].as_object_mut() {
            meta.remove("resourceVersion");
            if let Some(uid) = meta.remove("uid") {
                uids.push((uid.as_str().unwrap_or_default().to_owned(), format!("<{name}>")));
            }
        }
        kept.insert(name.clone(), object);
    }
    assert!(kept.len() > 20, "an installation has more than {} objects", kept.len());
    let mut text = serde_json::to_string_pretty(&(kept, &world["disks"])).expect("JSON");
    for (uid, name) in uids {
        text = text.replace(&uid, &name);
    }
    text
}

/// The helms of the rig.
pub(crate) fn helms() -> Vec<PathBuf> {
    let paths = std::env::var_os("PORTOLAN_TEST_HELM").expect("PORTOLAN_TEST_HELM");
    std::env::split_paths(&paths).collect()
}

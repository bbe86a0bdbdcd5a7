//! Commands typed in a shell, as a person reads and copies them: `portolan`, `kubectl` and `helm` are on the path, the cluster is
//! the usual one, and runs are kept in the home folder.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use portolan_testkit::rig::{PATIENCE, Rig};
use serde_json::Value;

use crate::program::Program;

/// A shell with a home of its own.
pub struct Shell {
    home: tempfile::TempDir,
    kubeconfig: PathBuf,
    commands: AtomicUsize,
}

/// What a command printed.
#[derive(Clone, Debug)]
pub struct Said {
    /// The exit code; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A command that runs.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Shell {
    /// A shell of somebody who administers a rig, with a helm.
    ///
    /// # Errors
    /// Where its folder cannot be made.
    pub fn new(rig: &Rig, program: &Program, helm: &Path) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let bin = home.path().join("bin");
        fs_err::create_dir(&bin)?;
        symlink(std::path::absolute(program.path())?, bin.join("portolan"))?;
        symlink(rig.build().kubernetes("kubectl"), bin.join("kubectl"))?;
        symlink(helm, bin.join("helm"))?;
        Ok(Self { home, kubeconfig: rig.kubeconfig(), commands: AtomicUsize::new(0) })
    }

    /// The home folder, where commands run.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Starts a command.
    ///
    /// # Errors
    /// Where there is no shell.
    pub fn start(&self, line: &str) -> Result<Running> {
        let number = self.commands.fetch_add(1, Ordering::SeqCst);
        let out = |name: &str| self.home().join(format!("{number}.{name}"));
        let (stdout, stderr) = (out("out"), out("err"));
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]).current_dir(self.home()).env_clear().env("HOME", self.home());
        command.env("PATH", format!("{}/bin:/usr/local/bin:/usr/bin:/bin", self.home().display()));
        command.env("KUBECONFIG", &self.kubeconfig).env("LANG", "C.UTF-8").stdin(Stdio::null());
        command.stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
        let child = command.spawn().with_context(|| line.to_owned())?;
        Ok(Running { child, stdout, stderr })
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// Where there is no shell.
    pub fn run(&self, line: &str) -> Result<Said> {
        self.start(line)?.end()
    }

    /// Runs a command that has to end well.
    ///
    /// # Errors
    /// Where it does not.
    pub fn ok(&self, line: &str) -> Result<Said> {
        let said = self.run(line)?;
        if said.code != 0 {
            bail!("{line} ended with {}\n{}{}", said.code, said.stdout, said.stderr);
        }
        Ok(said)
    }
}

impl Running {
    /// The number of the process: of the command itself where the line begins with `exec`.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal by name: `TERM`.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn signal(&self, name: &str) -> Result<()> {
        signal(self.pid(), name)
    }

    /// Waits until a text is on its standard error.
    ///
    /// # Errors
    /// Where it ends before, or the text does not come in time.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let ended = self.child.try_wait()?;
            let said = fs_err::read_to_string(&self.stderr)?;
            if said.contains(text) {
                return Ok(());
            }
            if let Some(status) = ended {
                bail!("ended with {status} before `{text}`: {said}{}", fs_err::read_to_string(&self.stdout)?);
            }
            if Instant::now() > until {
                bail!("no `{text}` within {} s: {said}", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it printed, once it has ended.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn end(mut self) -> Result<Said> {
        let status = self.child.wait()?;
        let (stdout, stderr) = (fs_err::read_to_string(&self.stdout)?, fs_err::read_to_string(&self.stderr)?);
        Ok(Said { code: status.code().unwrap_or(-1), stdout, stderr })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where a test fails while it runs.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a process of ours a signal by name.
///
/// # Errors
/// Where there is no such process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("/bin/sh").args(["-c", &format!("kill -{name} {pid}")]).status()?;
    if !status.success() {
        bail!("process {pid} cannot be sent {name}");
    }
    Ok(())
}

impl Said {
    /// The findings that a command with `-o json` printed.
    ///
    /// # Errors
    /// Where it printed no JSON.
    pub fn findings(&self) -> Result<Vec<Value>> {
        let value: Value =
            serde_json::from_str(&self.stdout).with_context(|| format!("no JSON: {}{}", self.stdout, self.stderr))?;
        Ok(value["findings"].as_array().cloned().unwrap_or_default())
    }

    /// What is advised for a code, as it is printed for programs; the text for people has it too, word by word.
    ///
    /// # Errors
    /// Where there is no finding of the code.
    pub fn advice(&self, code: &str) -> Result<String> {
        let findings = self.findings()?;
        let found = findings.iter().find(|finding| finding["code"] == code && finding["severity"] == "blocking");
        let found = found.with_context(|| format!("no {code} among {findings:#?}"))?;
        Ok(found["next"].as_str().unwrap_or_default().to_owned())
    }
}

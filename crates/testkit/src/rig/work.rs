//! What a step of the rig's build works with: its log, its commands, its pinned sources.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::cache::Build;
use super::pins;
use super::state::tail;

/// What a step works with.
pub(crate) struct Work<'a> {
    /// The build that is being made.
    pub(crate) build: &'a Build,
    pub(crate) log: PathBuf,
    pub(crate) started: Instant,
}

impl Work<'_> {
    /// Runs a command to its end with its output in the step's log, saying now and then that it is still at it.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log)?.into_file();
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {name}"))?;
        let mut said = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if said.elapsed() >= Duration::from_secs(if std::io::stderr().is_terminal() { 20 } else { 60 }) {
                said = Instant::now();
                eprintln!("        still at it, {}", clock(self.started.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        if !status.success() {
            bail!("{name} failed ({status}); the end of {}:\n{}", self.log.display(), tail(&self.log, 20));
        }
        Ok(())
    }
}

pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {:02} s", seconds / 60, seconds % 60) }
}

/// Puts the pinned sources of one module where it can be built: never into the source tree itself.
pub(crate) fn sources(work: &Work<'_>, module: &str) -> Result<PathBuf> {
    let root = work.build.dir().join("part").join("sources");
    for (path, text) in pins::SOURCES.iter().filter(|(path, _)| path.starts_with(module)) {
        let to = root.join(path);
        fs::create_dir_all(to.parent().unwrap_or(&root))?;
        fs::write(&to, text)?;
    }
    Ok(root.join(module))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_short_to_read() {
        assert_eq!(clock(Duration::from_secs(59)), "59 s");
        assert_eq!(clock(Duration::from_secs(61)), "1 min 01 s");
    }
}

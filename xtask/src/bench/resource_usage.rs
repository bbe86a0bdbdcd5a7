//! What a process spends: its own time and memory, and beside it those of the helms that it starts.

use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// The pause between two looks at a process. Its memory's peak is what the kernel wrote down at the last one.
const PAUSE: Duration = Duration::from_millis(2);

/// What one process spent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// From its start to its end.
    pub(crate) took: Duration,
    /// Time on a processor, in user space and in the kernel.
    pub(crate) own: Duration,
    /// That of the processes that it started.
    pub(crate) children: Duration,
    /// The most memory that it had resident, in bytes.
    pub(crate) peak: u64,
    /// The most that one that it started had.
    pub(crate) peak_of_children: u64,
    /// What it wrote to files on a disk, in bytes, whether they are still there or not.
    pub(crate) written: u64,
}

/// How long a command takes. It has to succeed.
pub(crate) fn time(command: &mut Command) -> Result<Duration> {
    let (mut child, said) = start(command)?;
    let begin = Instant::now();
    let status = child.wait()?;
    let took = begin.elapsed();
    finish(command, status.success(), said)?;
    Ok(took)
}

/// What a command spends. It has to succeed.
pub(crate) fn spend(command: &mut Command) -> Result<Spent> {
    let (mut child, said) = start(command)?;
    let (begin, pid) = (Instant::now(), Pid::from_child(&child));
    let process = Path::new("/proc").join(child.id().to_string());
    let mut spent = Spent::default();
    // It is waited for and left there: what a process has spent is in its entry until somebody takes it away.
    let over = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while waitid(WaitId::Pid(pid), over)?.is_none() {
        spent.look(&process);
        std::thread::sleep(PAUSE);
    }
    spent.took = begin.elapsed();
    (spent.own, spent.children) = times(&process)?;
    spent.written = written(&process)?;
    let status = child.wait()?;
    finish(command, status.success() && status.signal().is_none(), said)?;
    Ok(spent)
}

fn start(command: &mut Command) -> Result<(Child, std::fs::File)> {
    let said = tempfile::tempfile()?;
    command.stdout(said.try_clone()?).stderr(said.try_clone()?);
    let child = command.spawn().with_context(|| format!("starting {}", command.get_program().to_string_lossy()))?;
    Ok((child, said))
}

fn finish(command: &Command, is_success: bool, mut said: std::fs::File) -> Result<()> {
    if is_success {
        return Ok(());
    }
    said.rewind()?;
    let mut text = String::new();
    said.read_to_string(&mut text)?;
    bail!("{} failed: {}", command.get_program().to_string_lossy(), text.trim());
}

impl Spent {
    /// Looks at a process that may be over by now.
    fn look(&mut self, process: &Path) {
        self.peak = self.peak.max(peak(process).unwrap_or(0));
        let name = name(process);
        for child in children(process) {
            let child = Path::new("/proc").join(child);
            // Between fork and exec it is a copy of its parent.
            if self::name(&child) != name {
                self.peak_of_children = self.peak_of_children.max(peak(&child).unwrap_or(0));
            }
        }
    }
}

fn name(process: &Path) -> Option<String> {
    fs_err::read_to_string(process.join("comm")).ok()
}

fn children(process: &Path) -> Vec<String> {
    let threads = fs_err::read_dir(process.join("task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs_err::read_to_string(thread.path().join("children")).ok())
        .flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// The most memory that a process had resident, in bytes.
fn peak(process: &Path) -> Option<u64> {
    let status = fs_err::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// How many bytes a process wrote to files on a disk.
fn written(process: &Path) -> Result<u64> {
    let io = fs_err::read_to_string(process.join("io"))?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:")).context("a process has written bytes")?;
    Ok(line.trim().parse()?)
}

/// A process's own time, and that of those it has waited for.
fn times(process: &Path) -> Result<(Duration, Duration)> {
    let stat = fs_err::read_to_string(process.join("stat"))?;
    // A program's name may have spaces in it; behind it is the third field.
    let (_, rest) = stat.rsplit_once(')').context("a process has a name")?;
    let fields: Vec<u64> = rest.split_whitespace().skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
    let [user, kernel, children, in_kernel] = fields[..] else { bail!("a process has four times") };
    let ticks = |ticks: u64| Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    Ok((ticks(user + kernel), ticks(children + in_kernel)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_spends_is_not_its_parents() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 0.05; i=0; awk 'BEGIN { for (i = 0; i < 3000000; i++) n += i }'; true"]);
        let spent = spend(&mut command).expect("it succeeds");
        assert!(spent.children > spent.own, "{spent:?}");
        assert!(spent.peak > 0 && spent.peak_of_children > 0, "{spent:?}");
        assert!(spend(Command::new("false").arg("x")).is_err());
    }

    #[test]
    fn a_file_that_is_deleted_again_was_written() {
        // Not in the folder for temporary files, which may be in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a folder");
        // The shell itself writes, and removes what it wrote: `spend` looks at the process that it starts.
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg("for i in 1 2 3 4; do printf '%65536s' x; done > copy; rm copy")
            .current_dir(folder.path());
        let spent = spend(&mut command).expect("it succeeds");
        assert!(spent.written >= 4 * 65536, "{spent:?}");
        let nothing = spend(&mut Command::new("true")).expect("it succeeds");
        // A page of what it shares with its parent may be counted.
        assert!(nothing.written < 65536, "{nothing:?}");
    }
}

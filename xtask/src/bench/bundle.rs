//! `cargo xtask bench bundle`: a bundle pushed into a registry by Portolan, and the same images by skopeo and crane.

mod input;
mod page;
mod tools;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use portolan_testkit::registry::{Registry, size_of};
use portolan_testkit::rig::{Cache, ImageTools};
use portolan_trials::program::Program;

use self::input::{Input, Shape};
use self::page::Row;
use self::tools::{OtherTool, Pushing};
use super::page::Machine;
use super::resource_usage;
use super::series::{Pairs, Series};

/// The aims: how many times faster than one `skopeo copy` after the other and than the fastest tools side by side, how many times
/// skopeo's bytes in the registry, megabytes of memory, how many times faster than the loop when all of it is there, and which part
/// of the bundle may be written to the disk.
const TIMES: f64 = 2.0;
const TIMES_PARALLEL: f64 = 1.3;
const BYTES: f64 = 1.1;
const MEMORY: f64 = 200.0;
const TIMES_AGAIN: f64 = 10.0;
const DISK: f64 = 0.01;

/// What is measured: how large a bundle is, and how often each thing is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) gigabytes: f64,
    pub(crate) times: usize,
}

/// Measures and writes the page.
pub(crate) fn run(root: &Path, options: Options, built: Option<&Path>) -> Result<()> {
    ensure!(options.times > 0 && options.gigabytes > 0.0, "there is nothing to measure");
    let program = match built {
        Some(path) => Program::at(&path.canonicalize()?),
        None => Program::build_release(root)?,
    };
    let (cache, machine) = (Cache::locate()?, Machine::look()?);
    let tools = ImageTools::get(&cache)?;
    let home = tempfile::Builder::new().prefix("bench-bundle").tempdir()?;
    let bench = Bench { program, registry: cache.build().registry(), tools, options, home: home.path() };
    let size = (options.gigabytes * f64::from(1 << 30)) as u64;
    println!("{}", page::HEAD);
    let mut rows = Vec::new();
    for shape in Shape::ALL {
        let input = Input::make(shape, size, &cache, &home.path().join("input"))?;
        rows.extend(bench.input(&input)?.into_iter().inspect(|row| println!("{row}")));
        fs_err::remove_dir_all(home.path().join("input"))?;
    }
    let name = if options.gigabytes == 1.0 { "docs/bench-bundle.md" } else { "docs/bench-bundle-large.md" };
    fs_err::write(
        root.join(name),
        page::page(&rows, &bench.tools.versions(&bench.fresh("versions")?)?, &machine, options, &crate::today()?),
    )?;
    let missed: Vec<&str> = rows.iter().filter(|row| row.is_met == Some(false)).map(|row| row.what.as_str()).collect();
    if !missed.is_empty() {
        bail!("{} aims are missed: {}; see {name}", missed.len(), missed.join("; "));
    }
    Ok(())
}

struct Bench<'a> {
    program: Program,
    registry: std::path::PathBuf,
    tools: ImageTools,
    options: Options,
    home: &'a Path,
}

/// A push into an empty registry, and the same once more.
struct Pushed {
    first: Duration,
    again: Duration,
    /// What the registry has on its disk.
    bytes: u64,
    /// The most memory that Portolan had, and what it wrote to the disk; others are not looked at.
    peak: u64,
    written: u64,
}

impl Bench<'_> {
    fn input(&self, input: &Input) -> Result<Vec<Row>> {
        let kept = self.fresh("index")?;
        let first_index = resource_usage::spend(&mut self.inspect(input, &kept))?;
        // No index is kept of a file that changed within the last seconds.
        while size_of(&kept)? == 0 {
            resource_usage::time(&mut self.inspect(input, &kept))?;
        }
        let indexed = resource_usage::time(&mut self.inspect(input, &kept))?;
        let (mut ours, mut loops, candidates) = (Vec::new(), Vec::new(), OtherTool::PARALLEL);
        let mut parallel: Vec<Vec<Pushed>> = candidates.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.options.times {
            ours.push(self.push(input, &kept)?);
            loops.push(self.others(input, OtherTool::SKOPEO)?);
            for (tool, pushed) in candidates.iter().zip(&mut parallel) {
                pushed.push(self.others(input, *tool)?);
            }
        }
        let first = |pushed: &[Pushed]| Series::new(pushed.iter().map(|one| one.first.as_secs_f64()));
        let again = |pushed: &[Pushed]| Series::new(pushed.iter().map(|one| one.again.as_secs_f64()));
        let fastest = |time: &dyn Fn(&[Pushed]) -> Series| {
            let all = candidates.iter().zip(&parallel).map(|(tool, pushed)| (tool.to_string(), time(pushed)));
            all.min_by(|(_, a), (_, b)| a.median().total_cmp(&b.median())).context("a tool reads it")
        };
        let (best, best_times) = fastest(&first)?;
        let (best_again, best_again_times) = fastest(&again)?;
        let page = page::Rows { input: input.to_string(), count: self.options.times };
        let pairs = |ours: Series, theirs: Series| Pairs { ours, theirs };
        let bytes = [ours[0].bytes, loops[0].bytes];
        let peak = ours.iter().map(|one| one.peak).max().unwrap_or(0);
        let written = ours.iter().map(|one| one.written).max().unwrap_or(0);
        Ok(vec![
            page.times(
                "push, beside one `skopeo copy` after the other",
                &pairs(first(&ours), first(&loops)),
                Some(TIMES),
            ),
            page.times(&format!("push, beside {best}"), &pairs(first(&ours), best_times), Some(TIMES_PARALLEL)),
            page.times(
                "second push, beside one `skopeo copy` after the other",
                &pairs(again(&ours), again(&loops)),
                Some(TIMES_AGAIN),
            ),
            page.times(
                &format!("second push, beside {best_again}"),
                &pairs(again(&ours), best_again_times),
                // They ask for the same things of the registry, side by side as we do: nothing is there to be saved but their starts.
                None,
            ),
            page.bytes("bytes in the registry, beside skopeo", bytes, BYTES),
            page.memory("push: memory at its peak", peak, MEMORY),
            page.memory("first look: memory at its peak", first_index.peak, MEMORY),
            page.disk("push: bytes written to the disk", written, input.size()?, DISK),
            page.disk("index: bytes kept on the disk", size_of(&kept)?, input.size()?, DISK),
            page.alone("first look: every part read and verified", first_index.took),
            page.alone("later look: the index is kept", indexed),
        ])
    }

    fn inspect(&self, input: &Input, home: &Path) -> Command {
        let mut command = self.program.command(home);
        command.args(["bundle", "inspect"]).arg(&input.bundle);
        command
    }

    /// Portolan's push into an empty registry and once more, with an index that was made before.
    fn push(&self, input: &Input, kept: &Path) -> Result<Pushed> {
        let registry = self.empty_registry()?;
        // Which layers were compressed before is not known to a first push.
        let known = kept.join(".local/state/portolan/bundles/layers.json");
        if known.exists() {
            fs_err::remove_file(known)?;
        }
        let push = || {
            let mut command = self.program.command(kept);
            command.args(["bundle", "push"]).arg(&input.bundle).args(["--to", registry.address(), "--plain-http"]);
            command
        };
        let spent = resource_usage::spend(&mut push())?;
        let again = resource_usage::time(&mut push())?;
        Ok(Pushed { first: spent.took, again, bytes: registry.size()?, peak: spent.peak, written: spent.written })
    }

    /// The same images pushed by another tool.
    fn others(&self, input: &Input, tool: OtherTool) -> Result<Pushed> {
        let registry = self.empty_registry()?;
        let home = self.fresh("others")?;
        let pushing = Pushing { tools: &self.tools, input, home: &home, to: registry.address() };
        let time = || {
            let begin = Instant::now();
            tool.push(&pushing).with_context(|| tool.to_string())?;
            Ok::<_, anyhow::Error>(begin.elapsed())
        };
        let (first, again) = (time()?, time()?);
        Ok(Pushed { first, again, bytes: registry.size()?, peak: 0, written: 0 })
    }

    fn empty_registry(&self) -> Result<Registry> {
        let registry = Registry::start(&self.registry, false)?;
        // What was written before is not written while this one is measured.
        rustix::fs::sync();
        Ok(registry)
    }

    fn fresh(&self, name: &str) -> Result<std::path::PathBuf> {
        let folder = self.home.join(name);
        if folder.exists() {
            fs_err::remove_dir_all(&folder)?;
        }
        fs_err::create_dir_all(&folder)?;
        Ok(folder)
    }
}

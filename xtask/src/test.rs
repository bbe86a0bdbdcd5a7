//! `cargo xtask test`: everything that this machine allows, and a count of what it does not.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use portolan_testkit::rig::{self, Availability, Rig};
use portolan_trials::side_by_side::each;
use serde_json::Value;

/// More make pods so slow on two processors that time limits are met.
const BINARIES_AT_ONCE: usize = 2;

/// The tests on the rig that take longest: they begin first, so that none is left to run alone at the end.
const LONGEST: [&str; 3] = ["reports", "fidelity", "real"];

/// What test runners said, added up.
#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
    ignored: usize,
    /// What the tests that failed said.
    failures: String,
    /// Whether the runner is telling what its failed tests said.
    in_failures: bool,
}

/// Runs all tests; with `need_rig` a machine without the rig fails.
pub(crate) fn run(root: &Path, need_rig: bool) -> Result<()> {
    let begin = Instant::now();
    let rig = match rig::availability() {
        Availability::Missing { why } if need_rig => bail!("the rig cannot be had: {why}"),
        Availability::Missing { why } => Err(why),
        Availability::Ready | Availability::CanBuild => Ok(rig::build(&rig::Cache::locate()?)?),
    };
    println!("== tests that need Rust alone");
    let mut count = cargo(root, &["test", "--workspace", "--no-fail-fast"])?;
    let skipped = match rig {
        Ok(build) => {
            println!("== tests on a real cluster");
            count.add(&on_the_rig(root, &build)?);
            0
        }
        Err(why) => {
            println!("== tests on a real cluster are skipped: {why}");
            count.ignored
        }
    };
    if !count.failures.is_empty() {
        println!("== what failed\n{}", count.failures);
    }
    println!("{:.0} minutes", begin.elapsed().as_secs_f64() / 60.0);
    println!("{} passed, {} failed, {skipped} skipped", count.passed, count.failed);
    if count.failed > 0 {
        bail!("{} tests failed", count.failed);
    }
    Ok(())
}

fn on_the_rig(root: &Path, build: &rig::Build) -> Result<Count> {
    let rig = Rig::shared()?;
    let helms: Vec<String> = rig::pins::HELM
        .iter()
        .map(|version| build.helm(version).map(|path| path.display().to_string()))
        .collect::<Result<_>>()?;
    let env = [
        ("PORTOLAN_TEST_KUBECONFIG", rig.kubeconfig().display().to_string()),
        ("PORTOLAN_TEST_HELM", helms.join(":")),
        ("PORTOLAN_TEST_POSTGRES", rig::POSTGRES.to_owned()),
        ("PORTOLAN_TEST_REGISTRY", build.registry().display().to_string()),
    ];
    let count = side_by_side(&binaries(root)?, &env);
    for shape in [rig::Shape::Openshift, rig::Shape::Kubernetes] {
        Rig::down(Rig::shared_name(shape))?;
    }
    count
}

/// A test binary by the name of its target, and the folder of its package, where cargo runs it.
struct Binary {
    name: String,
    executable: PathBuf,
    folder: PathBuf,
}

/// The test binaries of the workspace, built.
fn binaries(root: &Path) -> Result<Vec<Binary>> {
    let mut command = command(root);
    command.args(["test", "--workspace", "--no-run", "--message-format", "json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().context("starting cargo")?;
    ensure!(output.status.success(), "the tests do not build");
    let mut binaries = Vec::new();
    for line in output.stdout.lines() {
        let message: Value = serde_json::from_str(&line?).context("a message of cargo")?;
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
        if message.pointer("/profile/test") != Some(&Value::Bool(true)) {
            continue;
        }
        if let (Some(executable), Some(manifest)) = (text("/executable"), text("/manifest_path")) {
            let name = text("/target/name").unwrap_or_default().to_owned();
            let folder = Path::new(manifest).parent().context("a manifest is in a folder")?;
            binaries.push(Binary { name, executable: executable.into(), folder: folder.into() });
        }
    }
    let place = |binary: &Binary| LONGEST.iter().position(|name| *name == binary.name).unwrap_or(LONGEST.len());
    binaries.sort_by_key(place);
    Ok(binaries)
}

/// Runs the tests of the rig, of a few binaries at a time, since most of them wait for pods; prints what each says at its end.
fn side_by_side(binaries: &[Binary], env: &[(&str, String)]) -> Result<Count> {
    let run = |binary: &Binary| -> Result<(Count, String)> {
        let begin = Instant::now();
        let mut command = Command::new(&binary.executable);
        command.arg("--ignored").current_dir(&binary.folder).envs(env.iter().map(|(name, value)| (name, value)));
        command.env("RUST_BACKTRACE", "0");
        let output = command.output().with_context(|| format!("starting {}", binary.executable.display()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let mut count = Count::default();
        said.lines().for_each(|line| count.hear(line));
        if !output.status.success() && count.failed == 0 {
            bail!("{} ended with {}", binary.executable.display(), output.status);
        }
        let name = binary.executable.file_name().unwrap_or_default().to_string_lossy();
        let head = format!("     {name}, {:.0} s\n", begin.elapsed().as_secs_f64());
        Ok((count, format!("{head}{}{said}", String::from_utf8_lossy(&output.stderr))))
    };
    let told = |(count, said): &(Count, String)| {
        if count.passed + count.failed > 0 {
            print!("{said}");
        }
    };
    let mut all = Count::default();
    each(binaries, BINARIES_AT_ONCE, &run, &told)?.iter().for_each(|(count, _)| all.add(count));
    Ok(all)
}

fn command(root: &Path) -> Command {
    let mut command = portolan_testkit::cargo(root);
    // A failed test says what is wrong; where a runner calls it from says nothing.
    command.env("RUST_BACKTRACE", "0");
    command
}

/// Runs cargo, shows what it prints, and adds up the runners' closing lines.
fn cargo(root: &Path, args: &[&str]) -> Result<Count> {
    let mut child = command(root).args(args).stdout(Stdio::piped()).spawn().context("starting cargo")?;
    let mut count = Count::default();
    for line in BufReader::new(child.stdout.take().context("cargo has an output")?).lines() {
        let line = line?;
        println!("{line}");
        std::io::stdout().flush()?;
        count.hear(&line);
    }
    if !child.wait()?.success() && count.failed == 0 {
        bail!("cargo {} failed", args.join(" "));
    }
    Ok(count)
}

impl Count {
    /// Hears a line of a test runner: of a failed test its heading `---- NAME stdout ----` is kept, and what it said from its panic
    /// on.
    fn hear(&mut self, line: &str) {
        let is_heading = line.starts_with("---- ");
        if line.starts_with("thread '") || line.starts_with("Error: ") {
            self.in_failures = true;
        } else if is_heading || line == "failures:" || line.starts_with("test result: ") {
            self.in_failures = false;
        }
        if (is_heading || self.in_failures) && !line.is_empty() {
            self.failures.push_str(line);
            self.failures.push('\n');
        }
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        let number = |word: &str| -> usize {
            let before = rest.split(word).next().unwrap_or_default().trim_end();
            before.rsplit([' ', ';']).next().and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        self.passed += number(" passed");
        self.failed += number(" failed");
        self.ignored += number(" ignored");
    }

    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.failures.push_str(&other.failures);
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn what_failed_is_told_again_at_the_end() {
        let said = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nmuch\n\n\
                    thread 'b' panicked at src/b.rs:1:1:\nno\n\n\nfailures:\n    b\n\n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        let mut count = Count::default();
        said.lines().for_each(|line| count.hear(line));
        assert_eq!((count.passed, count.failed), (1, 1));
        assert_eq!(count.failures, "---- b stdout ----\nthread 'b' panicked at src/b.rs:1:1:\nno\n");
    }
}

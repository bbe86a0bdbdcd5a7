//! `cargo xtask test`: everything that this machine allows, and a count of what it does not.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use testkit::rig::{self, Availability, Rig};

/// What test runners said, added up.
#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
    ignored: usize,
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
    let mut count = cargo(root, &["test", "--workspace", "--no-fail-fast"], &[])?;
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
    let count = cargo(root, &["test", "--workspace", "--no-fail-fast", "--", "--ignored"], &env);
    for shape in [rig::Shape::Openshift, rig::Shape::Kubernetes] {
        Rig::down(Rig::shared_name(shape))?;
    }
    count
}

/// Runs cargo, shows what it prints, and adds up the runners' closing lines.
fn cargo(root: &Path, args: &[&str], env: &[(&str, String)]) -> Result<Count> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Command::new(cargo)
        .args(args)
        .current_dir(root)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo")?;
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
    fn hear(&mut self, line: &str) {
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
    }
}

//! What a developer types: `cargo xtask --help`.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use portolan_testkit::rig;

mod airgap;
mod bench;
mod crate_graph;
mod customizations;
mod docs;
mod fidelity;
mod fuzz;
mod matrix;
mod picture;
mod render;
mod reports;
mod simulated_upgrades;
mod test;
mod values_page;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What a developer of Portolan types")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A real Kubernetes with a real node on this machine, for tests
    #[command(subcommand)]
    Rig(RigCommand),
    /// Runs all tests: those that need Rust alone, and those on a real cluster where this machine allows it
    Test {
        /// Fails where the rig cannot be had
        #[arg(long)]
        need_rig: bool,
    },
    /// Carries out every case that is rehearsed on a real cluster, and writes docs/fidelity.md
    Fidelity(Runs),
    /// Upgrades every pair of versions under every helm on real clusters, and writes docs/matrix.md
    Matrix(Runs),
    /// Carries out reported upgrades by bare helm, asks Portolan about them, under every helm, and writes docs/reports.md
    Reports {
        #[command(flatten)]
        runs: Runs,
        /// One side only
        #[arg(long)]
        side: Option<reports::Side>,
        /// Only what target/reports.json does not have yet, or has as not right
        #[arg(long)]
        rest: bool,
    },
    /// Upgrades sites without internet access out of bundles, on nodes that have no images, and writes docs/airgap.md
    Airgap {
        /// Only cases with this in their names; nothing is written then
        #[arg(long)]
        only: Option<String>,
    },
    /// Plants 60 customizations on a site, looks for them in the vendor's way and in ours, and writes docs/customizations.md
    Customizations,
    /// Gives the reader of bundles damaged ones at random, and writes docs/fuzzing.md
    Fuzz {
        /// How many seconds of a processor
        #[arg(long, default_value_t = 3600)]
        seconds: u64,
        /// The seed of the random numbers
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Measures on a real cluster what planning and applying cost beside helm and the page alone, and writes docs/bench.md
    #[command(args_conflicts_with_subcommands = true)]
    Bench {
        #[command(subcommand)]
        what: Option<BenchCommand>,
        /// How many pairs of planning and helm's dry run
        #[arg(long, default_value_t = 7)]
        plans: usize,
        /// How many pairs of applying and typing the page
        #[arg(long, default_value_t = 7)]
        upgrades: usize,
    },
    /// Measures rehearsals beside an older build of the program, and writes their section in docs/bench.md
    BenchSearch {
        /// The older build: a release build of another commit, made in a worktree of it
        #[arg(long)]
        against: PathBuf,
        /// A release build of this commit; without it, one is made
        #[arg(long)]
        built: Option<PathBuf>,
        /// How many pairs of each rehearsal
        #[arg(long, default_value_t = 21)]
        runs: usize,
    },
    /// Writes the reference pages in docs/ from the program's tables, and removes those of what is gone
    Docs {
        /// Only says whether they are stale
        #[arg(long)]
        check: bool,
    },
    /// Draws what the program prints on a simulated installation, for the README
    Picture {
        /// Only says whether the pictures are stale
        #[arg(long)]
        check: bool,
    },
    /// Records what the real helm renders for the simulated installations
    Render {
        /// The helm that renders; the rig's 3.22.0 where none is named
        #[arg(long)]
        helm: Option<PathBuf>,
        /// Only says whether the recordings are stale
        #[arg(long)]
        check: bool,
    },
}

#[derive(Subcommand)]
enum BenchCommand {
    /// Measures pushes of bundles beside skopeo and crane, and writes docs/bench-bundle.md; of another size than 1 GB, docs/bench-bundle-large.md
    Bundle {
        /// How large a bundle is
        #[arg(long, default_value_t = 1.0)]
        gigabytes: f64,
        /// How often each push is measured
        #[arg(long, default_value_t = 3)]
        times: usize,
        /// A release build; without it, one is made
        #[arg(long)]
        built: Option<PathBuf>,
    },
    /// Searches what each of 60 values does, once, and prints the seconds
    #[command(hide = true)]
    Effects {
        /// The helm's version
        #[arg(long)]
        helm: String,
    },
}

/// Which cases to run on a real cluster.
#[derive(clap::Args)]
struct Runs {
    /// The helms; all of the rig's where none is named
    #[arg(long)]
    helm: Vec<String>,
    /// How many at once: 4 for `fidelity`, 3 for the others where no number is given
    #[arg(long)]
    jobs: Option<usize>,
    /// Only cases with this in their names; `fidelity` and `matrix` write nothing then
    #[arg(long)]
    only: Option<String>,
}

#[derive(Subcommand)]
enum RigCommand {
    /// Builds every program and image, once per machine
    Build,
    /// Starts a rig; does nothing where it runs
    Up {
        /// Its name
        #[arg(long, default_value = "main")]
        name: String,
        /// openshift or kubernetes
        #[arg(long, default_value = "openshift")]
        shape: rig::Shape,
    },
    /// Takes a rig down; nothing of it is left
    Down {
        /// Its name
        #[arg(long, default_value = "main")]
        name: String,
    },
    /// Says whether a rig runs, and how it is reached
    Status {
        /// Its name
        #[arg(long, default_value = "main")]
        name: String,
    },
    /// The first process of a rig's namespaces
    #[command(hide = true)]
    Inside {
        /// The rig's run folder
        run: PathBuf,
    },
}

fn main() -> std::process::ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Rig(command) => run_rig(command),
        Command::Test { need_rig } => test::run(root(), need_rig),
        Command::Fidelity(Runs { helm, jobs, only }) => {
            fidelity::run(root(), &helm, jobs.unwrap_or(4), only.as_deref())
        }
        Command::Matrix(Runs { helm, jobs, only }) => matrix::run(root(), &helm, jobs.unwrap_or(3), only.as_deref()),
        Command::Reports { runs: Runs { helm, jobs, only }, side, rest } => {
            let options = reports::Options { helms: &helm, jobs: jobs.unwrap_or(3), only: only.as_deref(), side, rest };
            reports::run(root(), &options)
        }
        Command::Airgap { only } => airgap::run(root(), only.as_deref()),
        Command::Customizations => customizations::run(root()),
        Command::Fuzz { seconds, seed } => fuzz::run(root(), seconds, seed),
        Command::Bench { what: Some(BenchCommand::Bundle { gigabytes, times, built }), .. } => {
            bench::bundle::run(root(), bench::bundle::Options { gigabytes, times }, built.as_deref())
        }
        Command::Bench { what: Some(BenchCommand::Effects { helm }), .. } => bench::search_effects(&helm),
        Command::Bench { what: None, plans, upgrades } => bench::run(root(), plans, upgrades),
        Command::BenchSearch { against, built, runs } => bench::search::run(root(), &against, built.as_deref(), runs),
        Command::Docs { check } => docs::write(root(), check),
        Command::Picture { check } => picture::write(root(), check),
        Command::Render { helm, check } => {
            let helm = match helm {
                Some(helm) => helm,
                None => rig::Cache::locate()?.build().helm("3.22.0")?,
            };
            let recorder = std::sync::Arc::new(render::Recorder::new(&helm)?);
            simulated_upgrades::record_all(&recorder)?;
            recorder.finish(root(), check)
        }
    }
}

/// The workspace's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The helms that were named; all of the rig's where none was.
fn helms(named: &[String]) -> Vec<String> {
    if named.is_empty() { rig::pins::HELM.iter().map(|&helm| helm.to_owned()).collect() } else { named.to_vec() }
}

/// Today, as a page of the docs has it.
fn today() -> anyhow::Result<String> {
    let date = std::process::Command::new("date").arg("+%Y-%m-%d").output()?;
    Ok(String::from_utf8_lossy(&date.stdout).trim().to_owned())
}

fn run_rig(command: RigCommand) -> anyhow::Result<()> {
    match command {
        RigCommand::Build => {
            rig::build(&rig::Cache::locate()?)?;
        }
        RigCommand::Up { name, shape } => {
            let rig = rig::Rig::up(&name, shape)?;
            println!("export KUBECONFIG={}", rig.kubeconfig().display());
        }
        RigCommand::Down { name } => rig::Rig::down(&name)?,
        RigCommand::Status { name } => match rig::Rig::find(&name)? {
            Some(rig) => println!(
                "{name} runs, in the shape of {}\nkubeconfig  {}\nkubectl     {}\nhelm        {}",
                rig.state().shape,
                rig.kubeconfig().display(),
                rig.build().kubernetes("kubectl").display(),
                rig.build().dir().join("helm").display()
            ),
            None => println!("{name} does not run"),
        },
        RigCommand::Inside { run } => rig::inside(&run, &rig::Cache::locate()?.build())?,
    }
    Ok(())
}

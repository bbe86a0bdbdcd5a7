//! What can be typed.

mod bundle;

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use portolan_report::Commands;

pub(crate) use bundle::{BundleArgs, BundleCommand, CreateOptions, PartOptions, PushOptions};

/// The exit codes, as help shows them.
const EXIT_CODES: &str = "\
Exit codes:
   0  done, or nothing to do
   1  an error of the tool or the cluster
   2  plan --detailed-exitcode: there is something to do
   3  refused: blocked or not Safe; or a verification failed
  10  ended before the first write; nothing was written
  11  stopped half-way at a safe point, after writes; portolan apply RUN goes on
  13  a person has to decide; the message says what
  20  somebody else holds the release
  64  the command line is wrong";

/// Upgrades a stateful Helm release from version to version without losing its data.
#[derive(Debug, Parser)]
#[command(name = "portolan", bin_name = "portolan", version, max_term_width = 100, propagate_version = true, after_help = EXIT_CODES, before_help = "\
Example:
  portolan upgrade --sim openshift-2.8 --to 2.20 --yes    the whole upgrade, simulated
  portolan survey                                         what is installed here, and its data")]
pub(crate) struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the help of a command says in place of the options that every command takes.
const GLOBAL_OPTIONS: &str =
    "Every command also takes --sim, --kubeconfig, --context, --namespace, --release, -o and more: portolan --help";

impl Cli {
    /// What was typed.
    ///
    /// # Errors
    /// Help or the version is asked for, or what was typed is not understood.
    pub(crate) fn typed() -> Result<Self, clap::Error> {
        let mut command = Self::command();
        // Only a built command has handed its global options down, where they can be hidden.
        command.build();
        Self::from_arg_matches(&command.mut_subcommands(own_options_only).try_get_matches()?)
    }
}

/// A command whose help shows its own options, and one line in place of the others.
fn own_options_only(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg })
        .after_help(GLOBAL_OPTIONS)
        .mut_subcommands(own_options_only)
}

/// Options that every command takes.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Work on a simulated installation: its name (see `portolan sim list`), a folder made by `portolan sim new`, or an
    /// inventory saved by `portolan survey -o yaml`
    #[arg(long, global = true, value_name = "NAME|FOLDER|FILE", help_heading = "Where")]
    pub(crate) sim: Option<String>,
    /// The kubeconfig, in place of KUBECONFIG and ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", help_heading = "Where")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context in it
    #[arg(long, global = true, alias = "kube-context", value_name = "NAME", help_heading = "Where")]
    pub(crate) context: Option<String>,
    /// The release's namespace
    #[arg(long, short, global = true, value_name = "NAME", help_heading = "Where")]
    pub(crate) namespace: Option<String>,
    /// The release's name
    #[arg(long, global = true, value_name = "NAME", help_heading = "Where")]
    pub(crate) release: Option<String>,
    /// The helm to use
    #[arg(long, global = true, env = "PORTOLAN_HELM", value_name = "FILE", help_heading = "Where")]
    pub(crate) helm: Option<PathBuf>,
    /// Recipes to use in place of the built-in ones
    #[arg(long, global = true, env = "PORTOLAN_RECIPES", value_name = "FOLDER", help_heading = "Where")]
    pub(crate) recipes: Option<PathBuf>,
    /// Where runs are kept
    #[arg(long, global = true, env = "PORTOLAN_STATE_DIR", value_name = "FOLDER", help_heading = "Where")]
    pub(crate) state_dir: Option<PathBuf>,
    /// How results are written
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    pub(crate) output: Format,
    /// When to use colours; NO_COLOR wins
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, help_heading = "Output")]
    pub(crate) color: When,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// The same as YAML
    Yaml,
    /// A page for a browser with old and new side by side; only for `values`, written to the file of --write
    Html,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows what is installed, what holds data, and what an uninstall today would do to it
    #[command(
        before_help = "Example:\n  portolan survey --sim openshift-2.8\n  portolan survey -n runai-backend -o yaml"
    )]
    Survey(SurveyArgs),
    /// Makes a plan: every step, what it writes, and what helm will do. Changes nothing
    #[command(
        before_help = "Example:\n  portolan plan --to 2.20 --chart control-plane-2.20.41.tgz --out upgrade.plan\n  portolan plan --to 2.20 --repo https://HOST/PATH --out upgrade.plan"
    )]
    Plan(PlanArgs),
    /// Tries a plan in every order of events, crashes included, without touching the installation
    #[command(
        before_help = "Example:\n  portolan rehearse --sim openshift-2.8 --to 2.20\n  portolan rehearse --sim openshift-2.8 --to 2.20 --without keep-claims"
    )]
    Rehearse(RehearseArgs),
    /// Carries out a plan; after a crash, portolan apply RUN goes on where it was (portolan status names RUN)
    #[command(before_help = "Example:\n  portolan apply upgrade.plan")]
    Apply(ApplyArgs),
    /// Surveys, plans, rehearses, applies and verifies in one go
    #[command(
        before_help = "Example:\n  portolan upgrade --sim openshift-2.8 --to 2.20 --yes\n  portolan upgrade --to 2.20 --bundle FILE --registry registry.example:5000 -f custom-env.yaml"
    )]
    Upgrade(UpgradeArgs),
    /// Protects the data without an upgrade: sets Retain on volumes and `keep` on PVCs
    #[command(before_help = "Example:\n  portolan protect --dry-run\n  portolan protect --sim openshift-2.8 --yes")]
    Protect(ProtectArgs),
    /// Shows where a run is, what is safe, what is down, and the next command
    #[command(before_help = "Example:\n  portolan status\n  portolan status 3f9c2a71")]
    Status(StatusArgs),
    /// Checks that volumes, database, workloads and routes are as the run left them
    #[command(
        before_help = "Example:\n  portolan verify 3f9c2a71            what that run protected and wrote\n  portolan verify --save today.json   what is there, without a run\n  portolan verify --against today.json"
    )]
    Verify(VerifyArgs),
    /// Lists what a run archived before it changed anything, puts back what it deleted, or writes it to files
    #[command(
        before_help = "Example:\n  portolan archive list 3f9c2a71\n  portolan archive restore 3f9c2a71 --dry-run"
    )]
    Archive(ArchiveArgs),
    /// Reads a vendor's bundle of charts and images, or pushes it into a registry of a site without internet access
    #[command(before_help = "Example:\n  portolan bundle inspect runai-air-gapped-2.20.41.tar.gz")]
    Bundle(BundleArgs),
    /// Shows every value that is set today, who set it, and what becomes of it in the new version
    #[command(
        before_help = "Example:\n  portolan values --sim openshift-2.8 --to 2.20\n  portolan values --to 2.20 --chart control-plane-2.20.41.tgz --answers answers.yaml --write values.yaml"
    )]
    Values(ValuesArgs),
    /// Carries out the vendor's page as written on a simulated installation, and shows what becomes of the data
    #[command(before_help = "Example:\n  portolan page --sim openshift-2.8")]
    Page(PageArgs),
    /// Makes and lists simulated installations
    #[command(
        before_help = "Example:\n  portolan sim new openshift-2.8 ./practice\n  portolan survey --sim ./practice"
    )]
    Sim(SimArgs),
}

impl Command {
    /// What to upgrade to, of a command that makes a plan.
    pub(crate) fn target(&self) -> Option<&UpgradeOptions> {
        match self {
            Self::Plan(args) => Some(&args.target),
            Self::Rehearse(args) => Some(&args.target),
            Self::Apply(args) => Some(&args.target),
            Self::Upgrade(args) => Some(&args.target),
            Self::Values(args) => Some(&args.target),
            _ => None,
        }
    }
}

/// `survey`.
#[derive(Args, Debug)]
pub(crate) struct SurveyArgs {}

/// The options of [`UpgradeOptions`]: a plan that is made already has no place for them.
const TARGET: [&str; 24] = [
    "to",
    "via",
    "chart",
    "repo",
    "username",
    "password_stdin",
    "plain_http",
    "registry",
    "pull_as",
    "bundle",
    "name",
    "images",
    "charts",
    "ca_file",
    "values",
    "set",
    "set_string",
    "answers",
    "without",
    "timeout",
    "backup_of_database",
    "ca_of_database",
    "accept",
    "reason",
];

/// What to upgrade to.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct UpgradeOptions {
    /// The version to upgrade to: `2.20` is the highest 2.20.x among the charts
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<String>,
    /// Versions to stop at on the way
    #[arg(long, value_name = "VERSION", value_delimiter = ',')]
    pub(crate) via: Vec<String>,
    /// A chart: an archive, a chart's folder, a folder of these, or oci://REGISTRY/PATH
    #[arg(long, value_name = "FILE|FOLDER|OCI")]
    pub(crate) chart: Vec<PathBuf>,
    /// The repository to fetch charts from: https://HOST/PATH, or oci://REGISTRY/PATH with or without the chart's name
    #[arg(long, value_name = "URL", conflicts_with = "chart")]
    pub(crate) repo: Option<String>,
    /// The user for --repo, or without --repo for --registry; without it, the logins that helm and docker know are used
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Reads the password from standard input; without it, that for --repo is taken from PORTOLAN_REPO_PASSWORD
    #[arg(long, requires = "username")]
    pub(crate) password_stdin: bool,
    /// Speaks to a registry without TLS
    #[arg(long)]
    pub(crate) plain_http: bool,
    /// The registry of a site without internet access: every image of the new version has to be there
    #[arg(long, value_name = "HOST[:PORT][/PATH]")]
    pub(crate) registry: Option<String>,
    /// The name by which nodes pull from --registry, where that is another one, as with OpenShift's own registry
    #[arg(long, value_name = "HOST[:PORT]", requires = "registry")]
    pub(crate) pull_as: Option<String>,
    /// The vendor's bundle to take charts and images from; `upgrade` and `apply` push it to --registry first (a simulated
    /// site without internet access has a registry of its own)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["chart", "repo"])]
    pub(crate) bundle: Option<PathBuf>,
    /// A name for an image that the bundle gives none; `bundle inspect` shows its digest
    #[arg(long, value_name = "DIGEST=REPOSITORY:TAG", requires = "bundle")]
    pub(crate) name: Vec<String>,
    /// Uses only the images in this archive or folder of the bundle
    #[arg(long, value_name = "PATH", requires = "bundle")]
    pub(crate) images: Option<String>,
    /// Uses only the charts in this archive or folder of the bundle
    #[arg(long, value_name = "PATH", requires = "bundle")]
    pub(crate) charts: Option<String>,
    /// Certificates of a CA to trust for --registry beside those of the system, in PEM
    #[arg(long, value_name = "FILE", requires = "registry")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Values in addition to those of the recipes, as helm takes them
    #[arg(long, short = 'f', value_name = "FILE")]
    pub(crate) values: Vec<PathBuf>,
    /// Values, as helm takes them
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Values that are always text, as helm takes them
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set_string: Vec<String>,
    /// What becomes of values that no recipe knows, asked and answered in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) answers: Option<PathBuf>,
    /// Leaves a step out, to see what it is for: keep-claims; an unknown name lists all
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    pub(crate) without: Vec<String>,
    /// How long a wait may take: KIND is `ready` (10m), `delete` (2m) or `helm` (10m)
    #[arg(long, value_name = "KIND=DURATION", value_delimiter = ',')]
    pub(crate) timeout: Vec<String>,
    /// The name of a backup of the database outside the cluster; Portolan does not look at the backup
    #[arg(long, value_name = "NAME")]
    pub(crate) backup_of_database: Option<String>,
    /// Certificates of the CA of the database outside the cluster, in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_of_database: Option<PathBuf>,
    /// Accepts a finding by its code, for one volume by CODE=PVC; it stays in the plan, with the reason
    #[arg(long, value_name = "CODE[=PVC]", value_delimiter = ',', requires = "reason")]
    pub(crate) accept: Vec<String>,
    /// Why it is accepted
    #[arg(long, value_name = "TEXT", requires = "accept")]
    pub(crate) reason: Option<String>,
}

impl UpgradeOptions {
    /// Whether charts are fetched from a repository or a registry.
    pub(crate) fn fetches(&self) -> bool {
        let registry = |path: &PathBuf| portolan_adapters::charts::ChartSource::is_registry(&path.to_string_lossy());
        self.repo.is_some() || self.chart.iter().any(registry)
    }
}

/// How a plan is shown.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct CommandOptions {
    /// Shows below each step the kubectl and helm commands that do the same
    #[arg(long)]
    pub(crate) commands: bool,
}

impl CommandOptions {
    /// What the report takes.
    pub(crate) fn shown(self) -> Commands {
        if self.commands { Commands::Shown } else { Commands::Hidden }
    }
}

/// `plan`.
#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    /// What to upgrade to.
    #[command(flatten)]
    pub(crate) target: UpgradeOptions,
    /// Saves the plan to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Ends with 2 when there is something to do
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// Skips the rehearsal
    #[arg(long)]
    pub(crate) no_rehearsal: bool,
    /// How the plan is shown.
    #[command(flatten)]
    pub(crate) commands: CommandOptions,
}

/// `rehearse`.
#[derive(Args, Debug)]
pub(crate) struct RehearseArgs {
    /// A saved plan
    #[arg(conflicts_with_all = TARGET)]
    pub(crate) plan: Option<PathBuf>,
    /// What to upgrade to.
    #[command(flatten)]
    pub(crate) target: UpgradeOptions,
}

/// `apply`.
#[derive(Args, Debug)]
pub(crate) struct ApplyArgs {
    /// A saved plan, or the id of a run
    #[arg(conflicts_with_all = TARGET)]
    pub(crate) plan: Option<String>,
    /// What to upgrade to.
    #[command(flatten)]
    pub(crate) target: UpgradeOptions,
    /// Does not ask for the release's name before the first write; on a simulated installation nobody is asked
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Has each node pull the images of both versions before the first write, in pods that run nothing and are removed
    #[arg(long)]
    pub(crate) prepull: bool,
    /// How the plan is shown.
    #[command(flatten)]
    pub(crate) commands: CommandOptions,
}

/// `upgrade`.
#[derive(Args, Debug)]
pub(crate) struct UpgradeArgs {
    /// What to upgrade to.
    #[command(flatten)]
    pub(crate) target: UpgradeOptions,
    /// Does not ask for the release's name before the first write; on a simulated installation nobody is asked
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Has each node pull the images of both versions before the first write, in pods that run nothing and are removed
    #[arg(long)]
    pub(crate) prepull: bool,
    /// How the plan is shown.
    #[command(flatten)]
    pub(crate) commands: CommandOptions,
}

/// `protect`.
#[derive(Args, Debug)]
pub(crate) struct ProtectArgs {
    /// How it goes.
    #[command(flatten)]
    pub(crate) at_once: AtOnceOptions,
}

/// Of a command that makes a plan and carries it out.
#[derive(Args, Debug)]
pub(crate) struct AtOnceOptions {
    /// Only shows what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Does not ask for the release's name before the first write; on a simulated installation nobody is asked
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// How the plan is shown.
    #[command(flatten)]
    pub(crate) commands: CommandOptions,
}

/// `status`.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// The run; the newest one where none is named
    pub(crate) run: Option<String>,
}

/// `verify`.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// The run; the newest one where none is named
    #[arg(conflicts_with_all = ["save", "against"])]
    pub(crate) run: Option<String>,
    /// Writes what is there now to a file, to compare with later
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Compares what is there now with such a file
    #[arg(long, value_name = "FILE", conflicts_with = "save")]
    pub(crate) against: Option<PathBuf>,
    /// With --save: a digest of every table's rows too; reads all of them, now and at each comparison
    #[arg(long, requires = "save", conflicts_with = "against")]
    pub(crate) digest: bool,
}

/// `values`.
#[derive(Args, Debug)]
pub(crate) struct ValuesArgs {
    /// One part alone
    #[arg(value_enum)]
    pub(crate) part: Option<ValuesSubview>,
    /// What to upgrade to.
    #[command(flatten)]
    pub(crate) target: UpgradeOptions,
    /// Writes the values of the new version to a file, each with where it comes from
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Shows and writes credentials too
    #[arg(long)]
    pub(crate) show_secrets: bool,
    /// Prints the values of the new version as --set flags too: those for which helm renders the same. The others are named
    #[arg(long)]
    pub(crate) as_set: bool,
}

/// A part of what `values` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ValuesSubview {
    /// What is set, beside the defaults of the chart that is installed
    Diff,
    /// Where each value goes, and by which source
    Map,
    /// What each value does in the new chart and, where the old chart is on offer too, today: charts are rendered with some of the
    /// values changed
    Effects,
}

/// `archive`.
#[derive(Args, Debug)]
pub(crate) struct ArchiveArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: ArchiveCommand,
}

/// The commands of `archive`.
#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Shows which objects are in the archive, from which step and when
    #[command(before_help = "Example:\n  portolan archive list 3f9c2a71")]
    List {
        /// The run; the newest one where none is named
        run: Option<String>,
    },
    /// Puts back the objects that a run deleted: creates those that do not exist, and changes nothing that does
    #[command(
        before_help = "Example:\n  portolan archive restore 3f9c2a71 --dry-run\n  portolan archive restore 3f9c2a71 Secret/backend-postgresql"
    )]
    Restore(RestoreArgs),
    /// Writes each object to a file, to look at; Secrets among them, so only you can read them
    #[command(before_help = "Example:\n  portolan archive export 3f9c2a71 --to ./archived")]
    Export {
        /// The run; the newest one where none is named
        run: Option<String>,
        /// The folder; it is made
        #[arg(long, value_name = "FOLDER", default_value = "archive")]
        to: PathBuf,
    },
}

/// `archive restore`.
#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// The run
    pub(crate) run: String,
    /// Objects in its archive, such as Secret/NAME or Secret/NAMESPACE/NAME; those that the run deleted where none is named
    #[arg(value_name = "OBJECT")]
    pub(crate) objects: Vec<String>,
    /// How it goes.
    #[command(flatten)]
    pub(crate) at_once: AtOnceOptions,
}

/// `page`.
#[derive(Args, Debug)]
pub(crate) struct PageArgs {}

/// `sim`.
#[derive(Args, Debug)]
pub(crate) struct SimArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: SimCommand,
}

/// The commands of `sim`.
#[derive(Debug, Subcommand)]
pub(crate) enum SimCommand {
    /// Lists the simulated installations
    #[command(before_help = "Example:\n  portolan sim list")]
    List,
    /// Makes one in a folder, for several commands one after the other
    #[command(before_help = "Example:\n  portolan sim new openshift-2.8 ./practice")]
    New {
        /// Its name, or the file of a saved inventory
        #[arg(value_name = "NAME|FILE")]
        name: String,
        /// The folder; it is made
        folder: PathBuf,
    },
    /// Runs the pending actions of the controllers in one
    #[command(before_help = "Example:\n  portolan sim settle ./practice")]
    Settle {
        /// The folder
        folder: PathBuf,
    },
}

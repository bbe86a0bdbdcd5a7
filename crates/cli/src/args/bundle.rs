//! What can be typed after `portolan bundle`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `bundle`.
#[derive(Args, Debug)]
pub(crate) struct BundleArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: BundleCommand,
}

/// The commands of `bundle`.
#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Shows the charts and images of a bundle, and verifies all of its content; unpacks nothing
    #[command(before_help = "Example:\n  portolan bundle inspect runai-air-gapped-2.20.41.tar.gz")]
    Inspect {
        /// The bundle: a tar archive, plain or gzip-compressed
        file: PathBuf,
        /// Which parts of it count
        #[command(flatten)]
        parts: PartOptions,
    },
    /// Pushes images and charts into a registry, straight from the file; run again, it goes on where it was
    #[command(
        before_help = "Example:\n  portolan bundle push runai-air-gapped-2.20.41.tar.gz --to registry.example:5000/runai"
    )]
    Push(PushOptions),
    /// Makes a bundle out of charts, image archives and other bundles: an OCI image layout in a tar archive
    #[command(
        before_help = "Example:\n  portolan bundle create small.tar runai-air-gapped-2.20.41.tar.gz --since runai-air-gapped-2.17.48.tar.gz"
    )]
    Create(CreateOptions),
}

/// Which parts of a bundle count.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PartOptions {
    /// Uses only the images in this archive or folder of the bundle
    #[arg(long, value_name = "PATH")]
    pub(crate) images: Option<String>,
    /// Uses only the charts in this archive or folder of the bundle
    #[arg(long, value_name = "PATH")]
    pub(crate) charts: Option<String>,
}

/// `bundle create`.
#[derive(Args, Debug)]
pub(crate) struct CreateOptions {
    /// The file to write; it must not exist
    pub(crate) out: PathBuf,
    /// What goes in: archives of charts and of images, and bundles; of two with the same content the first is read
    #[arg(required = true)]
    pub(crate) from: Vec<PathBuf>,
    /// Leaves out the images and charts that this bundle has under the same name: for a registry that was given them
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,
    /// A name for an image that its archive gives none; `bundle inspect` shows its digest
    #[arg(long, value_name = "DIGEST=REPOSITORY:TAG")]
    pub(crate) name: Vec<String>,
}

/// `bundle push`.
#[derive(Args, Debug)]
pub(crate) struct PushOptions {
    /// The bundle: a tar archive, plain or gzip-compressed
    pub(crate) file: PathBuf,
    /// The registry, with a path in front of all names where one is wanted
    #[arg(long, value_name = "HOST[:PORT][/PATH]")]
    pub(crate) to: String,
    /// The name by which nodes pull from it, where that is another one: OpenShift's own registry is pushed to through its
    /// route, and pulled from as image-registry.openshift-image-registry.svc:5000
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) pull_as: Option<String>,
    /// Which parts of it count
    #[command(flatten)]
    pub(crate) parts: PartOptions,
    /// A name for an image that the bundle gives none; `bundle inspect` shows its digest
    #[arg(long, value_name = "DIGEST=REPOSITORY:TAG")]
    pub(crate) name: Vec<String>,
    /// Asks for every layer, also of images that the registry has: it may have lost one since it took them
    #[arg(long)]
    pub(crate) check_layers: bool,
    /// The user for the registry; without it, the logins of docker, podman and helm for the same host and port are used
    #[arg(long, value_name = "NAME", requires = "password_stdin")]
    pub(crate) username: Option<String>,
    /// Reads the password from standard input
    #[arg(long, requires = "username")]
    pub(crate) password_stdin: bool,
    /// Speaks to the registry without TLS
    #[arg(long)]
    pub(crate) plain_http: bool,
    /// Certificates of a CA to trust beside those of the system, in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

//! Charts from a repository: what is there, and the archive of the one that was chosen.
//!
//! Helm itself fetches, from a home of its own, with what the user has told it about the repository: its login and
//! its certificates. Helm has no command for the tags of a registry; these alone are asked for here.

mod credentials;
mod http;
mod oci;
mod said;
mod source;

use std::path::PathBuf;

use portolan_model::{ChartId, Code, Digest, Finding, HelmClient};

use crate::helm::Home;

pub use credentials::{Files, Login};
pub use source::ChartSource;

/// How a source is reached.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The login that was given; without one, what helm knows is used.
    pub login: Option<Login>,
    /// Whether a registry is spoken to without TLS.
    pub plain_http: bool,
}

/// What a source has of the product's charts.
pub struct Listing {
    home: Home,
    source: ChartSource,
    charts: Vec<Offer>,
    /// The file of registry logins, where it is not the one of this home.
    registry: Option<PathBuf>,
    plain_http: bool,
}

/// A chart that can be fetched.
#[derive(Clone, Debug)]
struct Offer {
    id: ChartId,
    /// What helm is to pull: `portolan/control-plane`, `oci://registry/path/control-plane`.
    pull: String,
    /// The version in the source's own spelling.
    version: String,
    /// The archive's SHA-256 in hexadecimal, where the source says so.
    digest: Option<String>,
}

impl Listing {
    /// Asks a source for the charts of these names.
    ///
    /// # Errors
    /// [`Code::RepositoryUnreachable`], [`Code::RepositoryDenied`], [`Code::BadIndex`], or [`Code::NotInRepository`]
    /// where it has none of them.
    pub async fn of(
        source: &ChartSource,
        names: &[String],
        access: &Access,
        files: &Files,
        helm: &HelmClient,
    ) -> Result<Self, Finding> {
        let home = Home::new(helm, "what is fetched")?;
        let (charts, registry) = match source {
            ChartSource::Repository { url } => (http::list(&home, url, names, access, files).await?, None),
            ChartSource::Registry { host, path } => oci::list(&home, host, path, names, access, files).await?,
        };
        if charts.is_empty() {
            return Err(Finding::blocking(Code::NotInRepository, format!("{source} has no chart of the product"))
                .with(format!("looked for: {}", names.join(", "))));
        }
        Ok(Self { home, source: source.clone(), charts, registry, plain_http: access.plain_http })
    }

    /// What can be fetched.
    pub fn ids(&self) -> impl Iterator<Item = &ChartId> {
        self.charts.iter().map(|offer| &offer.id)
    }

    /// The archive of a chart, and where it came from, for people.
    ///
    /// # Errors
    /// [`Code::OtherArchive`] and [`Code::OtherChart`] where the archive is not what the source said it was; those of
    /// [`Listing::of`].
    ///
    /// # Panics
    /// Where the chart is none of [`Listing::ids`].
    pub async fn fetch(&self, id: &ChartId) -> Result<(Vec<u8>, String), Finding> {
        let offer = self.charts.iter().find(|offer| offer.id == *id).expect("a chart of this listing");
        let folder = self.home.folder()?;
        let to = folder.path().to_string_lossy();
        let mut arguments = vec!["pull", &offer.pull, "--version", &offer.version, "--destination", &to];
        if self.plain_http && offer.pull.starts_with(source::OCI) {
            arguments.push("--plain-http");
        }
        let said = said::fetch(&self.home, &arguments, self.registry.as_deref()).await?;
        let archive = if said.well { only_file(folder.path()) } else { None };
        let Some(archive) = archive else {
            return Err(said::of_pull(&said.text, id, &self.source));
        };
        check(&archive, offer, &self.source)?;
        let from = if offer.pull.starts_with(source::OCI) { offer.pull.clone() } else { self.source.to_string() };
        Ok((archive, from))
    }
}

/// The archive that helm has put into a folder.
fn only_file(folder: &std::path::Path) -> Option<Vec<u8>> {
    let mut entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    entries.find(|path| path.is_file()).and_then(|path| std::fs::read(path).ok())
}

/// Helm looks at an archive's digest for a registry only, and at its name and version never (helm 3.22.0,
/// `pkg/downloader/chart_downloader.go`).
fn check(archive: &[u8], offer: &Offer, source: &ChartSource) -> Result<(), Finding> {
    let digest = Digest::of(archive);
    if let Some(listed) = &offer.digest
        && *listed != digest.hex()
    {
        let found = format!("the archive of {} is not the one of the index", offer.id);
        return Err(Finding::blocking(Code::OtherArchive, found)
            .with(format!("the index of {source}: sha256:{listed}"))
            .with(format!("what was fetched: sha256:{}", digest.hex())));
    }
    let other = |what: String| {
        let found = format!("{source} gives something else for {}", offer.id);
        Err(Finding::blocking(Code::OtherChart, found).with(what))
    };
    match crate::compat::chart_id(archive) {
        Ok(id) if id == offer.id => Ok(()),
        Ok(id) => other(format!("the archive holds {id}")),
        Err(error) => other(error),
    }
}

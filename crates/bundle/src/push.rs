//! What a registry is given, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::{is_repository, is_tag};
use portolan_model::Digest;

use crate::media::ManifestContent;
use crate::store::from_text;
use crate::{BundleError, BundleIndex, ImageName};

/// What a registry is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushPlan {
    /// The repositories that need each blob, in the order in which the blobs lie in the bundle.
    pub blobs: Vec<(Digest, BTreeSet<String>)>,
    /// The manifests, an index after its children. All blobs have to be there before.
    pub manifests: Vec<ManifestPush>,
}

/// A manifest for a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManifestPush {
    /// The repository: a path in the registry.
    pub repository: String,
    /// The manifest, in [`BundleIndex::documents`].
    pub digest: Digest,
    /// The tag it is given; `None` for a child of an index.
    pub tag: Option<String>,
}

impl ManifestPush {
    /// What it is called in its repository: its tag, or its digest.
    #[must_use]
    pub fn reference(&self) -> String {
        self.tag.clone().unwrap_or_else(|| self.digest.to_string())
    }
}

/// How repositories are called in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushPaths<'a> {
    /// By the image's own path, below this one, which may be empty.
    Under(&'a str),
    /// By this namespace and the last part of the image's own path, for registries whose paths have exactly two parts.
    Namespace(&'a str),
}

impl PushPaths<'_> {
    fn repository(self, own: &str) -> String {
        match self {
            Self::Under(path) => crate::store::join(path, own),
            Self::Namespace(namespace) => format!("{namespace}/{}", own.rsplit('/').next().unwrap_or(own)),
        }
    }

    /// Why two images that have different names in a bundle may have one in the registry.
    fn said(self) -> &'static str {
        match self {
            Self::Under(_) => "once the registry's host is left out",
            Self::Namespace(_) => "once all but the last part of its path is left out",
        }
    }
}

impl<'a> From<&'a str> for PushPaths<'a> {
    fn from(path: &'a str) -> Self {
        Self::Under(path)
    }
}

/// Plans a push. An image keeps its tag, and its path as `paths` says; only the registry's host in its name is replaced. A chart is
/// called by its name, where `helm pull oci://` finds it. `names` are names for images that have none, by the digest of the manifest or
/// configuration.
///
/// # Errors
/// [`BundleError::Unnamed`] for an image that has no name, [`BundleError::Duplicate`] for two contents with one target.
pub fn plan_push<'a>(
    index: &BundleIndex,
    paths: impl Into<PushPaths<'a>>,
    names: &BTreeMap<Digest, ImageName>,
) -> Result<PushPlan, BundleError> {
    let paths = paths.into();
    let mut planning =
        Planning { index, paths, blobs: BTreeMap::new(), manifests: Vec::new(), targets: BTreeMap::new() };
    for image in &index.images {
        let ids = std::iter::once(&image.manifest).chain(image.platforms.iter().map(|platform| &platform.config));
        let given: Vec<ImageName> = ids.filter_map(|id| names.get(id).cloned()).take(1).collect();
        let names = if given.is_empty() { &image.names } else { &given };
        if names.is_empty() {
            let place = if image.archive.is_empty() { String::new() } else { format!(" in {}", image.archive) };
            return Err(BundleError::Unnamed { image: format!("{}{place}", image.manifest) });
        }
        for name in names {
            planning.add(&paths.repository(&name.repository), &name.tag, &image.manifest)?;
        }
    }
    for chart in &index.charts {
        // A tag cannot hold a plus; helm writes an underscore in its place (helm 3.22.0, `pkg/registry/client.go`).
        let tag = chart.version.replace('+', "_");
        if !is_repository(&chart.name) || !is_tag(&tag) {
            let detail = format!("{} {} cannot be a name in a registry", chart.name, chart.version);
            return Err(BundleError::Unreadable { at: chart.path.clone(), detail });
        }
        planning.add(&paths.repository(&chart.name), &tag, &chart.manifest)?;
    }
    Ok(planning.finish())
}

struct Planning<'a> {
    index: &'a BundleIndex,
    paths: PushPaths<'a>,
    blobs: BTreeMap<Digest, BTreeSet<String>>,
    manifests: Vec<ManifestPush>,
    targets: BTreeMap<(String, String), Digest>,
}

impl Planning<'_> {
    fn add(&mut self, repository: &str, tag: &str, digest: &Digest) -> Result<(), BundleError> {
        match self.targets.insert((repository.to_owned(), tag.to_owned()), digest.clone()) {
            Some(other) if other != *digest => {
                let name = format!("{repository}:{tag}, {}: {other} and {digest}", self.paths.said());
                return Err(BundleError::Duplicate { at: "the bundle".into(), name });
            }
            Some(_) => return Ok(()),
            None => {}
        }
        self.manifest(repository, Some(tag), digest)
    }

    fn manifest(&mut self, repository: &str, tag: Option<&str>, digest: &Digest) -> Result<(), BundleError> {
        let document = self.index.documents.get(digest);
        let document =
            document.ok_or_else(|| BundleError::Missing { at: "the index".into(), what: digest.to_string() })?;
        let content: ManifestContent = from_text(&document.text, "a manifest of the index")?;
        for child in &content.manifests {
            self.manifest(repository, None, &child.digest)?;
        }
        for blob in content.config.iter().chain(&content.layers) {
            self.blobs.entry(blob.digest.clone()).or_default().insert(repository.to_owned());
        }
        let push =
            ManifestPush { repository: repository.to_owned(), digest: digest.clone(), tag: tag.map(str::to_owned) };
        if tag.is_some() || !self.manifests.contains(&push) {
            self.manifests.push(push);
        }
        Ok(())
    }

    fn finish(self) -> PushPlan {
        let mut blobs: Vec<(Digest, BTreeSet<String>)> = self.blobs.into_iter().collect();
        let place = |digest: &Digest| self.index.blobs.get(digest).map(|blob| blob.location.order());
        blobs.sort_by_key(|(digest, _)| place(digest));
        PushPlan { blobs, manifests: self.manifests }
    }
}

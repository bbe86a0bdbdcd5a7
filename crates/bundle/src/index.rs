//! What a bundle holds: the index that is kept beside it.

use std::collections::BTreeMap;

use portolan_model::Digest;
use serde::{Deserialize, Serialize};

use crate::{ImageName, Location};

/// What a bundle holds and where. The same bundle gives the same index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleIndex {
    /// [`crate::INDEX_FORMAT`] of the Portolan that made it.
    pub format: u32,
    /// The size of the bundle's file, in bytes.
    pub size: u64,
    /// Whether the file as a whole is compressed.
    pub compression: Compression,
    /// Images, by name.
    pub images: Vec<BundledImage>,
    /// Helm charts, by name and version.
    pub charts: Vec<BundledChart>,
    /// The other files, by path.
    pub files: Vec<BundledFile>,
    /// The content of images and charts that lies in the bundle.
    pub blobs: BTreeMap<Digest, Blob>,
    /// Manifests, and other small content that a registry is given: taken from the bundle, or made for what has none.
    pub documents: BTreeMap<Digest, Document>,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundledImage {
    /// Its names in the bundle; empty where the bundle gives none.
    pub names: Vec<ImageName>,
    /// The digest of its manifest or index in [`BundleIndex::documents`].
    pub manifest: Digest,
    /// Whether the manifest was made by Portolan, from an archive that has none.
    pub generated: bool,
    /// The path of the image archive in the bundle; empty where it is the bundle itself.
    pub archive: String,
    /// Its platforms; several for an index.
    pub platforms: Vec<PlatformImage>,
    /// What a reader should know, such as platforms that the bundle leaves out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// An image for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformImage {
    /// `linux/amd64`; `unknown` where neither the index nor the configuration says.
    pub platform: String,
    /// Its manifest.
    pub manifest: Digest,
    /// Its configuration: the identity of the image, whatever tool moved it.
    pub config: Digest,
    /// Its layers as a registry is given them.
    pub layers: Vec<Digest>,
    /// Bytes of configuration and layers.
    pub size: u64,
}

/// A Helm chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundledChart {
    /// Its name.
    pub name: String,
    /// Its version, as `Chart.yaml` has it.
    pub version: String,
    /// Its path in the bundle.
    pub path: String,
    /// The archive, in [`BundleIndex::blobs`].
    pub archive: Digest,
    /// Its manifest for a registry.
    pub manifest: Digest,
}

/// A file that is neither an image nor a chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundledFile {
    /// Its path in the bundle.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Its size in bytes.
    pub size: u64,
    /// Where it lies.
    pub location: Location,
}

/// What a file is, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A program named `helm`.
    Helm,
    /// A text that begins with `#!`.
    Script,
    /// Something else.
    Other,
}

/// Content of images and charts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    /// Where it lies.
    pub location: Location,
    /// How it is compressed, by its first bytes.
    pub compression: Compression,
    /// For a layer: the digest of its uncompressed content; `None` where this was not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff_id: Option<Digest>,
}

impl Blob {
    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.location.extent.size
    }
}

/// Small content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Its media type.
    pub media_type: String,
    /// The text, to the byte.
    pub text: String,
}

/// How content is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// It is not.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

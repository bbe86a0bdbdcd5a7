//! Manifests and their media types.

use portolan_model::Digest;
use serde::{Deserialize, Serialize};

use crate::Compression;

/// Media types. Sources: OCI image specification 1.1 (`media-types.md`), Docker image manifest version 2 schema 2, Helm 3.22.0
/// (`pkg/registry/constants.go`).
pub mod media_type {
    /// An index: the manifests of several platforms.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// The same in Docker's words.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// An image.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// The same in Docker's words.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// An image's configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// The same in Docker's words.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// A layer.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// A chart's configuration.
    pub const HELM_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
    /// A chart's archive.
    pub const HELM_CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
}

/// What a manifest says of other content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its digest.
    #[serde(deserialize_with = "sha256")]
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The platform, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Notes of the tool that wrote it.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// A digest that names a file has to be one.
fn sha256<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    Digest::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a SHA-256 digest")))
}

/// A platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`.
    pub architecture: String,
    /// `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    pub(crate) fn text(&self) -> String {
        let variant = self.variant.as_ref().map_or_else(String::new, |variant| format!("/{variant}"));
        format!("{}/{}{variant}", self.os, self.architecture)
    }
}

/// A manifest or an index, as far as pushing needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ManifestContent {
    /// The manifests of an index.
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
    /// The configuration of a manifest.
    #[serde(default)]
    pub config: Option<Descriptor>,
    /// The layers of a manifest.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
}

impl Descriptor {
    /// A descriptor without platform and annotations.
    pub(crate) fn of(media_type: &str, digest: &Digest, size: u64) -> Self {
        let annotations = std::collections::BTreeMap::new();
        Self { media_type: media_type.to_owned(), digest: digest.clone(), size, platform: None, annotations }
    }

    pub(crate) fn is_index(&self) -> bool {
        matches!(self.media_type.as_str(), media_type::INDEX | media_type::DOCKER_LIST)
    }

    /// Whether it is a file system layer: other artifacts have layers of their own types.
    pub(crate) fn is_layer(&self) -> bool {
        self.media_type.starts_with(media_type::LAYER)
            || self.media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar")
            || self.media_type.starts_with("application/vnd.docker.image.rootfs.")
    }

    /// Whether it is a layer that is not compressed.
    #[must_use]
    pub fn is_plain_layer(&self) -> bool {
        self.media_type == media_type::LAYER
    }

    pub(crate) fn is_image_config(&self) -> bool {
        matches!(self.media_type.as_str(), media_type::CONFIG | media_type::DOCKER_CONFIG)
    }
}

/// A manifest in the one spelling that we write.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GeneratedManifest<'a> {
    schema_version: u8,
    media_type: &'a str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    annotations: std::collections::BTreeMap<&'a str, &'a str>,
}

/// The text of a manifest.
pub(crate) fn manifest(config: Descriptor, layers: Vec<Descriptor>, annotations: &[(&str, &str)]) -> String {
    let annotations = annotations.iter().copied().collect();
    let manifest =
        GeneratedManifest { schema_version: 2, media_type: media_type::MANIFEST, config, layers, annotations };
    serde_json::to_string(&manifest).expect("a manifest is JSON")
}

/// What became of a layer that was compressed on its way into a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompressedLayer {
    /// The digest of its gzip stream.
    pub digest: Digest,
    /// The bytes of that.
    pub size: u64,
}

/// The manifest of an image whose plain layers have been compressed with gzip. The configuration, and with it the identity of the
/// image, stays. `None` if the text is no manifest.
#[must_use]
pub fn with_compressed(manifest_text: &str, compressed: impl Fn(&Digest) -> Option<CompressedLayer>) -> Option<String> {
    let content: ManifestContent = serde_json::from_str(manifest_text).ok()?;
    let layer = |layer: Descriptor| match compressed(&layer.digest).filter(|_| layer.is_plain_layer()) {
        Some(gzip) => Descriptor::of(&layer_type(Compression::Gzip), &gzip.digest, gzip.size),
        None => layer,
    };
    Some(manifest(content.config?, content.layers.into_iter().map(layer).collect(), &[]))
}

/// The media type of a layer: what it is, not what a tool called it.
pub(crate) fn layer_type(compression: Compression) -> String {
    let end = match compression {
        Compression::None => "",
        Compression::Gzip => "+gzip",
        Compression::Zstd => "+zstd",
    };
    format!("{}{end}", media_type::LAYER)
}

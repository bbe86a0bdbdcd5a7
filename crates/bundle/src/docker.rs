//! Docker's image archives: what `docker save` before version 25, `podman save`, skopeo and crane write.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use portolan_model::Digest;
use serde::Deserialize;

use crate::index::{Document, PlatformImage};
use crate::media::{self, Descriptor, Platform, media_type};
use crate::store::{Store, from_text, parse, text};
use crate::verify::{Checks, Verified};
use crate::{BundleError, BundleReader, ImageName, Limits, Location};

/// One image of `manifest.json` (moby, `image/spec/spec-v1.2.md`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The configuration of an image, as far as it is needed here.
#[derive(Debug, Deserialize)]
pub(crate) struct ImageConfig {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    pub(crate) rootfs: RootFs,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

impl ImageConfig {
    pub(crate) fn platform(&self) -> String {
        if self.os.is_empty() || self.architecture.is_empty() {
            return "unknown".to_owned();
        }
        let variant = self.variant.clone().filter(|variant| !variant.is_empty());
        Platform { os: self.os.clone(), architecture: self.architecture.clone(), variant }.text()
    }

    pub(crate) fn diff_ids(&self, at: &str) -> Result<Vec<Digest>, BundleError> {
        let digest = |text: &String| {
            let detail = format!("`{text}` in it is not a SHA-256 digest");
            Digest::parse(text).ok_or_else(|| BundleError::Unreadable { at: at.to_owned(), detail })
        };
        self.rootfs.diff_ids.iter().map(digest).collect()
    }
}

/// An image whose layers are not yet verified.
pub(crate) struct DockerDraft {
    pub(crate) names: Vec<ImageName>,
    archive: String,
    platform: String,
    config: (Digest, Location),
    layers: Vec<Location>,
}

/// The names that `manifest.json` gives, by the digest of the configuration.
pub(crate) fn names<R: Read + Seek>(
    reader: &mut BundleReader<R>,
    store: &Store,
    limits: &Limits,
) -> Result<BTreeMap<Digest, Vec<ImageName>>, BundleError> {
    let mut names = BTreeMap::new();
    for image in images(reader, store, limits)? {
        let config = text(reader, store.needed(&image.config, "manifest.json")?, &store.path(&image.config), limits)?;
        names.entry(Digest::of(config.as_bytes())).or_insert_with(Vec::new).extend(image.names());
    }
    Ok(names)
}

fn images<R: Read + Seek>(
    reader: &mut BundleReader<R>,
    store: &Store,
    limits: &Limits,
) -> Result<Vec<DockerImage>, BundleError> {
    parse(reader, store.needed("manifest.json", "")?, &store.path("manifest.json"), limits)
}

impl DockerImage {
    fn names(&self) -> Vec<ImageName> {
        self.repo_tags.iter().flatten().filter_map(|name| ImageName::written(name)).collect()
    }
}

/// Reads the images of a store, and says what is to be verified of them.
pub(crate) fn drafts<R: Read + Seek>(
    reader: &mut BundleReader<R>,
    store: &Store,
    checks: &mut Checks,
    limits: &Limits,
) -> Result<Vec<DockerDraft>, BundleError> {
    let mut drafts = Vec::new();
    for image in images(reader, store, limits)? {
        let entry = store.needed(&image.config, "manifest.json")?;
        let at = store.path(&image.config);
        let text = text(reader, entry, &at, limits)?;
        let digest = Digest::of(text.as_bytes());
        is_named_by_its_digest(&image.config, &digest, &at)?;
        let config: ImageConfig = from_text(&text, &at)?;
        let names = image.names();
        let name = names.first().map_or_else(|| digest.to_string(), ToString::to_string);
        let diff_ids = config.diff_ids(&at)?;
        if diff_ids.len() != image.layers.len() {
            return Err(BundleError::LayerDiffers {
                image: name,
                layer: "list".into(),
                detail: format!("it has {} layers, the configuration says {}", image.layers.len(), diff_ids.len()),
            });
        }
        checks.add(&entry.location, at, Some(&digest));
        let mut layers = Vec::new();
        for (path, diff_id) in image.layers.iter().zip(&diff_ids) {
            let location = &store.needed(path, "manifest.json")?.location;
            checks.add(location, store.path(path), None);
            checks.add_layer(location, diff_id, &name);
            layers.push(location.clone());
        }
        let platform = config.platform();
        let config = (digest, entry.location.clone());
        drafts.push(DockerDraft { names, archive: store.at.clone(), platform, config, layers });
    }
    Ok(drafts)
}

/// A configuration is named after its digest: `<digest>.json`, `blobs/sha256/<digest>`, `sha256:<digest>`.
fn is_named_by_its_digest(path: &str, digest: &Digest, at: &str) -> Result<(), BundleError> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let hex = name.trim_end_matches(".json").trim_start_matches("sha256:");
    match Digest::parse(&format!("sha256:{hex}")) {
        Some(expected) if expected != *digest => Err(BundleError::Differs {
            at: at.to_owned(),
            what: "digest",
            expected: expected.to_string(),
            found: digest.to_string(),
        }),
        _ => Ok(()),
    }
}

impl DockerDraft {
    /// Where its configuration and its layers lie.
    pub(crate) fn locations(&self) -> impl Iterator<Item = &Location> {
        std::iter::once(&self.config.1).chain(&self.layers)
    }

    /// The image with a manifest of our own: the archive has none. The same archive gives the same manifest.
    pub(crate) fn finish(self, verified: &BTreeMap<Location, Verified>) -> (crate::BundledImage, Document) {
        let mut size = self.config.1.extent.size;
        let mut layers = Vec::new();
        for location in &self.layers {
            let layer = &verified[location];
            size += location.extent.size;
            layers.push(Descriptor::of(&media::layer_type(layer.compression), &layer.digest, location.extent.size));
        }
        let digests = layers.iter().map(|layer| layer.digest.clone()).collect();
        let config = Descriptor::of(media_type::CONFIG, &self.config.0, self.config.1.extent.size);
        let text = media::manifest(config, layers, &[]);
        let manifest = Digest::of(text.as_bytes());
        let platform = PlatformImage {
            platform: self.platform,
            manifest: manifest.clone(),
            config: self.config.0,
            layers: digests,
            size,
        };
        let image = crate::BundledImage {
            names: self.names,
            manifest,
            generated: true,
            archive: self.archive,
            platforms: vec![platform],
            notes: Vec::new(),
        };
        (image, Document { media_type: media_type::MANIFEST.to_owned(), text })
    }
}

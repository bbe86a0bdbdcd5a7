//! Image layouts of OCI (image specification 1.1, `image-layout.md`), and what `docker save` writes since version 25.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use portolan_model::Digest;
use serde::Deserialize;

use crate::docker::ImageConfig;
use crate::index::{BundledChart, BundledImage, Document, PlatformImage};
use crate::media::{Descriptor, ManifestContent, media_type};
use crate::store::{Store, blob_path, from_text, parse, text};
use crate::verify::Checks;
use crate::{BundleError, BundleReader, ImageName, Limits, Location};

/// Where tools write an image's full name (containerd 2.1, `core/images/annotations.go`; OCI image specification 1.1,
/// `annotations.md`). The second one is often a bare tag.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// Marks a child of an index that is no image (moby/buildkit 0.23, `docs/attestations/attestation-storage.md`).
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// What a layout holds.
#[derive(Default)]
pub(crate) struct OciContent {
    pub(crate) images: Vec<BundledImage>,
    pub(crate) charts: Vec<BundledChart>,
    pub(crate) documents: BTreeMap<Digest, Document>,
    /// The content that the manifests refer to.
    pub(crate) blobs: BTreeMap<Digest, Location>,
}

#[derive(Deserialize)]
struct HelmConfig {
    name: String,
    version: String,
}

/// Reads a layout, and says what is to be verified of it. `named` are names from elsewhere, by the configuration's digest.
pub(crate) fn content<R: Read + Seek>(
    reader: &mut BundleReader<R>,
    store: &Store,
    named: &BTreeMap<Digest, Vec<ImageName>>,
    checks: &mut Checks,
    limits: &Limits,
) -> Result<OciContent, BundleError> {
    let index: ManifestContent =
        parse(reader, store.needed("index.json", "oci-layout")?, &store.path("index.json"), limits)?;
    let mut layout = Layout { reader, store, checks, limits, content: OciContent::default() };
    for descriptor in &index.manifests {
        let names = names(descriptor);
        if let Some(image) = layout.content.images.iter_mut().find(|image| image.manifest == descriptor.digest) {
            image.names.extend(names);
            continue;
        }
        layout.top(descriptor, names, named)?;
    }
    Ok(layout.content)
}

fn names(descriptor: &Descriptor) -> Vec<ImageName> {
    let full = |key: &&str| ImageName::written(descriptor.annotations.get(*key)?);
    NAMES.iter().find_map(full).into_iter().collect()
}

struct Layout<'a, R> {
    reader: &'a mut BundleReader<R>,
    store: &'a Store,
    checks: &'a mut Checks,
    limits: &'a Limits,
    content: OciContent,
}

impl<R: Read + Seek> Layout<'_, R> {
    fn top(
        &mut self,
        descriptor: &Descriptor,
        mut names: Vec<ImageName>,
        named: &BTreeMap<Digest, Vec<ImageName>>,
    ) -> Result<(), BundleError> {
        let (mut top, mut notes) = (descriptor.clone(), Vec::new());
        let (mut document, mut manifest) = self.document(&top, "index.json")?;
        let absent = manifest.manifests.iter().filter(|child| self.store.blob(&child.digest).is_none()).count();
        if top.is_index() && absent > 0 {
            let all = manifest.manifests.len();
            top = self.only_child(&top, &manifest)?;
            notes.push(format!("the bundle has 1 of the {all} manifests of its index, and that one is pushed"));
            (document, manifest) = self.document(&top, &blob_path(&descriptor.digest))?;
        }
        let mut platforms = Vec::new();
        if top.is_index() {
            for child in &manifest.manifests {
                let (text, manifest) = self.document(child, &blob_path(&top.digest))?;
                self.keep(child, text);
                platforms.push(self.image(child, &manifest)?);
            }
        } else if let Some(config) =
            manifest.config.as_ref().filter(|config| config.media_type == media_type::HELM_CONFIG)
        {
            self.chart(&top, config, &manifest)?;
            self.keep(&top, document);
            return Ok(());
        } else {
            platforms.push(self.image(&top, &manifest)?);
        }
        self.keep(&top, document);
        if names.is_empty() {
            names = platforms.iter().find_map(|platform| named.get(&platform.config).cloned()).unwrap_or_default();
        }
        let archive = self.store.at.clone();
        self.content.images.push(BundledImage {
            names,
            manifest: top.digest,
            generated: false,
            archive,
            platforms,
            notes,
        });
        Ok(())
    }

    /// `docker save` keeps the index of an image of which only one platform was pulled; no registry accepts it.
    fn only_child(&self, index: &Descriptor, content: &ManifestContent) -> Result<Descriptor, BundleError> {
        let is_image = |child: &&Descriptor| !child.annotations.contains_key(REFERENCE_TYPE);
        let here = |child: &&Descriptor| self.store.blob(&child.digest).is_some();
        let present: Vec<&Descriptor> = content.manifests.iter().filter(is_image).filter(here).collect();
        if let [only] = present.as_slice() {
            return Ok((*only).clone());
        }
        let absent = content.manifests.iter().find(|child| !here(child)).expect("one is missing");
        Err(self.missing(&blob_path(&index.digest), &absent.digest))
    }

    fn missing(&self, by: &str, digest: &Digest) -> BundleError {
        BundleError::Missing { at: self.store.path(by), what: digest.to_string() }
    }

    fn keep(&mut self, descriptor: &Descriptor, text: String) {
        let document = Document { media_type: descriptor.media_type.clone(), text };
        self.content.documents.insert(descriptor.digest.clone(), document);
    }

    /// Where a descriptor's content lies. Registries accept a wrong size; nodes do not.
    fn place(&self, descriptor: &Descriptor, by: &str) -> Result<Location, BundleError> {
        let location = self.store.blob(&descriptor.digest).ok_or_else(|| self.missing(by, &descriptor.digest))?;
        if location.extent.size == descriptor.size {
            return Ok(location.clone());
        }
        Err(BundleError::Differs {
            at: self.store.path(&blob_path(&descriptor.digest)),
            what: "size",
            expected: format!("{} bytes", descriptor.size),
            found: format!("{} bytes", location.extent.size),
        })
    }

    /// The text of a manifest, verified, and what it says.
    fn document(&mut self, descriptor: &Descriptor, by: &str) -> Result<(String, ManifestContent), BundleError> {
        let text = self.text(descriptor, by)?;
        let content = from_text(&text, &self.store.path(&blob_path(&descriptor.digest)))?;
        Ok((text, content))
    }

    fn text(&mut self, descriptor: &Descriptor, by: &str) -> Result<String, BundleError> {
        self.place(descriptor, by)?;
        let path = blob_path(&descriptor.digest);
        let at = self.store.path(&path);
        let text = text(self.reader, self.store.needed(&path, by)?, &at, self.limits)?;
        let found = Digest::of(text.as_bytes());
        if found == descriptor.digest {
            return Ok(text);
        }
        Err(BundleError::Differs {
            at,
            what: "digest",
            expected: descriptor.digest.to_string(),
            found: found.to_string(),
        })
    }

    /// Has content verified and kept.
    fn blob(&mut self, descriptor: &Descriptor, by: &str) -> Result<Location, BundleError> {
        let location = self.place(descriptor, by)?;
        let at = self.store.path(&blob_path(&descriptor.digest));
        self.checks.add(&location, at, Some(&descriptor.digest));
        self.content.blobs.insert(descriptor.digest.clone(), location.clone());
        Ok(location)
    }

    fn chart(&mut self, top: &Descriptor, config: &Descriptor, manifest: &ManifestContent) -> Result<(), BundleError> {
        let by = blob_path(&top.digest);
        let text = self.text(config, &by)?;
        self.blob(config, &by)?;
        let chart: HelmConfig = from_text(&text, &self.store.path(&blob_path(&config.digest)))?;
        let archive = manifest.layers.iter().find(|layer| layer.media_type == media_type::HELM_CHART);
        let archive = archive.ok_or_else(|| BundleError::Missing {
            at: self.store.path(&by),
            what: "the archive of the chart".into(),
        })?;
        for layer in &manifest.layers {
            self.blob(layer, &by)?;
        }
        self.content.charts.push(BundledChart {
            name: chart.name,
            version: chart.version,
            path: self.store.path(&blob_path(&archive.digest)),
            archive: archive.digest.clone(),
            manifest: top.digest.clone(),
        });
        Ok(())
    }

    fn image(&mut self, top: &Descriptor, manifest: &ManifestContent) -> Result<PlatformImage, BundleError> {
        let by = blob_path(&top.digest);
        let config = manifest.config.clone().ok_or_else(|| BundleError::Unreadable {
            at: self.store.path(&by),
            detail: "it is neither the manifest of an image nor an index of images".into(),
        })?;
        self.blob(&config, &by)?;
        let mut locations = Vec::new();
        for layer in &manifest.layers {
            locations.push(self.blob(layer, &by)?);
        }
        let mut platform = top.platform.as_ref().map_or_else(|| "unknown".to_owned(), crate::media::Platform::text);
        // Attestations, signatures and other artifacts have other layers than file systems.
        if config.is_image_config() && manifest.layers.iter().all(Descriptor::is_layer) {
            let text = self.text(&config, &by)?;
            let at = self.store.path(&blob_path(&config.digest));
            let content: ImageConfig = from_text(&text, &at)?;
            let diff_ids = content.diff_ids(&at)?;
            if diff_ids.len() != locations.len() {
                return Err(BundleError::LayerDiffers {
                    image: top.digest.to_string(),
                    layer: "list".into(),
                    detail: format!("it has {} layers, the configuration says {}", locations.len(), diff_ids.len()),
                });
            }
            for (location, diff_id) in locations.iter().zip(&diff_ids) {
                self.checks.add_layer(location, diff_id, &top.digest.to_string());
            }
            if top.platform.is_none() {
                platform = content.platform();
            }
        }
        Ok(PlatformImage {
            platform,
            manifest: top.digest.clone(),
            size: config.size + manifest.layers.iter().map(|layer| layer.size).sum::<u64>(),
            config: config.digest,
            layers: manifest.layers.iter().map(|layer| layer.digest.clone()).collect(),
        })
    }
}

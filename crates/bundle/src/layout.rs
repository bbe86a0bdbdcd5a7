//! A bundle of our own: an image layout of OCI in a tar archive (image specification 1.1, `image-layout.md`).

use std::collections::{BTreeMap, BTreeSet};

use portolan_model::Digest;
use serde_json::{Value, json};

use crate::media::ManifestContent;
use crate::store::{blob_path, from_text};
use crate::{BundleError, BundleIndex, BundledChart, BundledImage, FileKind, ImageName, Location, media_type};

/// The path of the helm program.
const HELM: &str = "helm";

/// A file of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutFile {
    /// Its path.
    pub path: String,
    /// What is in it.
    pub content: LayoutContent,
}

/// What is in a file of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutContent {
    /// This text.
    Text(String),
    /// A part of a source.
    Part {
        /// The source: its place among them.
        source: usize,
        /// Where it lies.
        location: Location,
    },
}

/// Plans a layout with the images, the charts and the helm program of some bundles. Image archives and chart archives are bundles as
/// well. What `since` has is left out: images of the same name and configuration, charts with the same archive. `names` are names
/// for images that have none, by the digest of the manifest or configuration. The same sources give the same layout.
///
/// # Errors
/// [`BundleError::Unnamed`] for an image without a name, [`BundleError::Duplicate`] for a name of two images.
pub fn plan_layout(
    sources: &[&BundleIndex],
    names: &BTreeMap<Digest, ImageName>,
    since: Option<&BundleIndex>,
) -> Result<Vec<LayoutFile>, BundleError> {
    let mut layout = Layout { sources, files: BTreeMap::new(), manifests: BTreeMap::new() };
    for (source, index) in sources.iter().enumerate() {
        for image in &index.images {
            for name in names_of(image, names)? {
                if !since.is_some_and(|old| has_image(old, &name, image)) {
                    layout.add(source, &name.to_string(), &image.manifest)?;
                }
            }
        }
        for chart in index.charts.iter().filter(|chart| !since.is_some_and(|old| has_chart(old, chart))) {
            layout.add(source, &format!("{}:{}", chart.name, chart.version), &chart.manifest)?;
        }
    }
    Ok(layout.finish())
}

fn names_of(image: &BundledImage, names: &BTreeMap<Digest, ImageName>) -> Result<Vec<ImageName>, BundleError> {
    let mut ids = std::iter::once(&image.manifest).chain(image.platforms.iter().map(|platform| &platform.config));
    match ids.find_map(|id| names.get(id)) {
        Some(name) => Ok(vec![name.clone()]),
        None if image.names.is_empty() => Err(BundleError::Unnamed { image: image.manifest.to_string() }),
        None => Ok(image.names.clone()),
    }
}

fn configs(image: &BundledImage) -> BTreeSet<&Digest> {
    image.platforms.iter().map(|platform| &platform.config).collect()
}

fn has_image(old: &BundleIndex, name: &ImageName, image: &BundledImage) -> bool {
    old.images.iter().any(|known| known.names.contains(name) && configs(known) == configs(image))
}

fn has_chart(old: &BundleIndex, chart: &BundledChart) -> bool {
    let id = |chart: &BundledChart| (chart.name.clone(), chart.version.clone(), chart.archive.clone());
    old.charts.iter().any(|known| id(known) == id(chart))
}

struct Layout<'a> {
    sources: &'a [&'a BundleIndex],
    files: BTreeMap<String, LayoutContent>,
    /// What `index.json` lists: the digest and the descriptor, by name.
    manifests: BTreeMap<String, (Digest, Value)>,
}

impl LayoutFile {
    /// Whether it is a program.
    #[must_use]
    pub fn is_program(&self) -> bool {
        self.path == HELM
    }
}

impl Layout<'_> {
    fn add(&mut self, source: usize, name: &str, digest: &Digest) -> Result<(), BundleError> {
        if let Some((known, _)) = self.manifests.get(name) {
            return if known == digest {
                Ok(())
            } else {
                let name = format!("{name}: {known} and {digest}");
                Err(BundleError::Duplicate { at: "what the bundle is made of".into(), name })
            };
        }
        let document = self.sources[source].documents.get(digest).ok_or_else(|| missing(digest))?;
        let descriptor = json!({
            "mediaType": document.media_type,
            "digest": digest,
            "size": document.text.len(),
            "annotations": { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name },
        });
        self.manifest(source, digest)?;
        self.manifests.insert(name.to_owned(), (digest.clone(), descriptor));
        Ok(())
    }

    /// A manifest with all that it refers to.
    fn manifest(&mut self, source: usize, digest: &Digest) -> Result<(), BundleError> {
        self.blob(source, digest)?;
        let document = &self.sources[source].documents[digest];
        let content: ManifestContent = from_text(&document.text, "a manifest of the index")?;
        for child in &content.manifests {
            self.manifest(source, &child.digest)?;
        }
        content.config.iter().chain(&content.layers).try_for_each(|blob| self.blob(source, &blob.digest))
    }

    fn blob(&mut self, source: usize, digest: &Digest) -> Result<(), BundleError> {
        let index = self.sources[source];
        let content = match (index.documents.get(digest), index.blobs.get(digest)) {
            (Some(document), _) => LayoutContent::Text(document.text.clone()),
            (None, Some(blob)) => LayoutContent::Part { source, location: blob.location.clone() },
            (None, None) => return Err(missing(digest)),
        };
        self.files.entry(blob_path(digest)).or_insert(content);
        Ok(())
    }

    fn finish(mut self) -> Vec<LayoutFile> {
        let manifests: Vec<Value> = self.manifests.into_values().map(|(_, descriptor)| descriptor).collect();
        let index = json!({ "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": manifests });
        self.files
            .insert("oci-layout".into(), LayoutContent::Text(json!({ "imageLayoutVersion": "1.0.0" }).to_string()));
        self.files.insert("index.json".into(), LayoutContent::Text(index.to_string()));
        let helm = self.sources.iter().enumerate().find_map(|(source, index)| {
            let helm = index.files.iter().find(|file| file.kind == FileKind::Helm)?;
            Some(LayoutContent::Part { source, location: helm.location.clone() })
        });
        if let Some(helm) = helm {
            self.files.insert(HELM.into(), helm);
        }
        let mut files: Vec<LayoutFile> =
            self.files.into_iter().map(|(path, content)| LayoutFile { path, content }).collect();
        // A compressed source is read from its beginning to its end once.
        files.sort_by_key(|file| match &file.content {
            LayoutContent::Text(_) => None,
            LayoutContent::Part { source, location } => Some((*source, location.order())),
        });
        files
    }
}

fn missing(digest: &Digest) -> BundleError {
    BundleError::Missing { at: "the index".into(), what: digest.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{docker_archive, index};

    fn named(files: &[LayoutFile]) -> Vec<String> {
        let text = files.iter().find_map(|file| match &file.content {
            LayoutContent::Text(text) if file.path == "index.json" => Some(text),
            _ => None,
        });
        let index: Value = serde_json::from_str(text.expect("it has an index")).expect("JSON");
        let name = |one: &Value| one["annotations"]["io.containerd.image.name"].as_str().unwrap_or_default().to_owned();
        index["manifests"].as_array().expect("a list").iter().map(name).collect()
    }

    #[test]
    fn a_layout_has_what_its_sources_have_and_the_old_one_has_not() {
        let (one, two) =
            (index(docker_archive("h.example/one:1", "one")), index(docker_archive("h.example/two:1", "two")));
        let plan = |since| plan_layout(&[&one, &two, &one], &BTreeMap::new(), since).expect("a layout");
        assert_eq!(named(&plan(None)), ["h.example/one:1", "h.example/two:1"]);
        assert_eq!(named(&plan(Some(&one))), ["h.example/two:1"]);
        // The same name, another image.
        let other = index(docker_archive("h.example/one:1", "other"));
        assert_eq!(named(&plan(Some(&other))), ["h.example/one:1", "h.example/two:1"]);
        let twice = plan_layout(&[&one, &other], &BTreeMap::new(), None);
        assert!(matches!(twice, Err(BundleError::Duplicate { .. })), "{twice:?}");
    }

    #[test]
    fn an_image_without_a_name_is_given_one() {
        let mut one = index(docker_archive("h.example/one:1", "one"));
        one.images[0].names.clear();
        let unnamed = plan_layout(&[&one], &BTreeMap::new(), None);
        assert!(matches!(unnamed, Err(BundleError::Unnamed { .. })), "{unnamed:?}");
        let names = BTreeMap::from([(one.images[0].manifest.clone(), ImageName::parse("a:2").expect("a name"))]);
        assert_eq!(named(&plan_layout(&[&one], &names, None).expect("a layout")), ["a:2"]);
    }
}

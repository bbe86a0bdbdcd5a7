//! From a file to its index.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};

use portolan_helm_compat::{chart, values};
use portolan_model::Digest;

use crate::docker::{self, DockerDraft};
use crate::index::{Blob, BundleIndex, BundledChart, BundledFile, BundledImage, Compression, Document, FileKind};
use crate::media::{self, Descriptor, media_type};
use crate::oci::{self, OciContent};
use crate::sniff::{HEAD, Sniff, sniff};
use crate::store::{self, Store, join};
use crate::tarball::{Budget, EntryKind, Listing, list};
use crate::verify::{Checks, Verified};
use crate::{BundleError, BundleParts, BundleReader, Extent, Limits, Location};

/// The format of the index. An index of another format is made again.
pub const INDEX_FORMAT: u32 = 1;

/// Reads a bundle: lists its archives, recognizes what they are by their content, and verifies all of it.
///
/// # Errors
/// A [`BundleError`] says what is wrong and where. A bundle is accepted as a whole or not at all.
pub fn read<R: Read + Seek>(file: R, limits: Limits) -> Result<BundleIndex, BundleError> {
    read_parts(file, limits, &BundleParts::default())
}

/// As [`read`], but images and charts count only where they are said to be. Archives elsewhere are listed, and not verified.
///
/// # Errors
/// As [`read`]; [`BundleError::NotThere`] if one of the parts has none.
pub fn read_parts<R: Read + Seek>(
    mut file: R,
    limits: Limits,
    parts: &BundleParts,
) -> Result<BundleIndex, BundleError> {
    let at = "the bundle";
    let size = file.seek(SeekFrom::End(0)).map_err(|error| BundleError::of_io(at, error))?;
    let mut scan = Scan {
        reader: BundleReader::new(file, limits),
        budget: Budget::new(limits),
        stores: Vec::new(),
        charts: Vec::new(),
        files: Vec::new(),
    };
    let whole = Location { gzip: Vec::new(), extent: Extent { offset: 0, size } };
    let mut head = Vec::new();
    let read = scan.reader.open(&whole).and_then(|part| part.take(HEAD as u64).read_to_end(&mut head));
    read.map_err(|error| BundleError::of_io(at, error))?;
    let compression = match sniff(&head) {
        Sniff::Tar => Compression::None,
        Sniff::GzipTar => Compression::Gzip,
        _ => {
            let detail = "it is neither a tar archive nor a gzip-compressed one".to_owned();
            return Err(BundleError::Unreadable { at: at.to_owned(), detail });
        }
    };
    scan.archive(&whole, compression == Compression::Gzip, "", 0)?;
    scan.select(parts)?;
    scan.finish(size, compression)
}

/// What was found before anything is verified.
struct Scan<R> {
    reader: BundleReader<R>,
    budget: Budget,
    stores: Vec<Store>,
    charts: Vec<(String, Location)>,
    files: Vec<BundledFile>,
}

impl<R: Read + Seek> Scan<R> {
    /// Looks into an archive, and into the archives in it.
    fn archive(&mut self, location: &Location, zipped: bool, at: &str, depth: usize) -> Result<(), BundleError> {
        let shown = if at.is_empty() { "the bundle" } else { at };
        if depth > self.budget.limits.depth {
            let limit = format!("more than {} archives inside each other", self.budget.limits.depth);
            return Err(BundleError::TooLarge { at: shown.to_owned(), limit });
        }
        let content = if zipped { location.unzipped() } else { location.clone() };
        let mut listing = list(&mut self.reader, &content, shown, &mut self.budget)?;
        if zipped && is_chart(&listing) {
            self.charts.push((at.to_owned(), location.clone()));
            return Ok(());
        }
        let limits = self.budget.limits;
        self.stores.extend(store::take(&mut self.reader, &mut listing, at, &limits)?);
        let mut inner = Vec::new();
        for (path, entry) in listing {
            let EntryKind::File { sniff, .. } = entry.kind else { continue };
            let path = join(at, &path);
            match sniff {
                Sniff::Tar => inner.push((entry.location, false, path)),
                Sniff::GzipTar => inner.push((entry.location, true, path)),
                _ => self.files.push(BundledFile {
                    kind: kind(&path, sniff),
                    size: entry.location.extent.size,
                    location: entry.location,
                    path,
                }),
            }
        }
        inner.sort_by_key(|(location, _, _)| location.order());
        for (location, zipped, path) in inner {
            self.archive(&location, zipped, &path, depth + 1)?;
        }
        Ok(())
    }

    /// Leaves the images and charts that count. The files of the others are listed.
    fn select(&mut self, parts: &BundleParts) -> Result<(), BundleError> {
        let not_there = |path: &Option<String>, what, is_empty: bool| match path {
            Some(at) if is_empty => Err(BundleError::NotThere { at: at.clone(), what }),
            _ => Ok(()),
        };
        let (stores, others) =
            std::mem::take(&mut self.stores).into_iter().partition(|store: &Store| parts.has_images(&store.at));
        self.stores = stores;
        not_there(&parts.images, "images", self.stores.is_empty())?;
        for Store { at, entries, .. } in others {
            for (path, entry) in entries {
                if let EntryKind::File { .. } = entry.kind {
                    self.list(join(&at, &path), entry.location);
                }
            }
        }
        let (charts, others) =
            std::mem::take(&mut self.charts).into_iter().partition(|(path, _)| parts.has_charts(path));
        self.charts = charts;
        not_there(&parts.charts, "charts", self.charts.is_empty())?;
        others.into_iter().for_each(|(path, location): (String, Location)| self.list(path, location));
        Ok(())
    }

    /// Lists a file that is nothing else.
    fn list(&mut self, path: String, location: Location) {
        let size = location.extent.size;
        self.files.push(BundledFile { path, kind: FileKind::Other, size, location });
    }

    fn finish(mut self, size: u64, compression: Compression) -> Result<BundleIndex, BundleError> {
        let limits = self.budget.limits;
        let (mut checks, mut drafts, mut contents) = (Checks::default(), Vec::new(), Vec::new());
        for store in &self.stores {
            if store.oci {
                let named =
                    if store.docker { docker::names(&mut self.reader, store, &limits)? } else { BTreeMap::new() };
                contents.push(oci::content(&mut self.reader, store, &named, &mut checks, &limits)?);
            } else {
                drafts.extend(docker::drafts(&mut self.reader, store, &mut checks, &limits)?);
            }
        }
        for (path, location) in &self.charts {
            checks.add(location, path.clone(), None);
        }
        let mut charts = Vec::new();
        let mut found = std::mem::take(&mut self.charts);
        found.sort_by_key(|(_, location)| location.order());
        for (path, location) in &found {
            charts.push(self.chart(path, location)?);
        }
        let verified = checks.run(&mut self.reader, &limits)?;
        let mut made = Made {
            verified,
            images: Vec::new(),
            charts: Vec::new(),
            blobs: BTreeMap::new(),
            documents: BTreeMap::new(),
        };
        for content in contents {
            made.take_layout(content);
        }
        for draft in drafts {
            made.take_draft(draft);
        }
        for (chart, location) in charts {
            made.take_chart(chart, &location);
        }
        let mut files = self.files;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        made.index(size, compression, files)
    }

    fn chart(&mut self, path: &str, location: &Location) -> Result<(FoundChart, Location), BundleError> {
        let unusable = |detail: String| BundleError::Unreadable { at: path.to_owned(), detail };
        let largest = self.budget.limits.chart;
        if location.extent.size > largest {
            let limit = format!("a chart of more than {largest} bytes");
            return Err(BundleError::TooLarge { at: path.to_owned(), limit });
        }
        let mut archive = Vec::new();
        let read = self.reader.open(location).and_then(|mut part| part.read_to_end(&mut archive));
        read.map_err(|error| BundleError::of_io(path, error))?;
        let chart = chart::read(&archive).map_err(|error| unusable(error.to_string()))?;
        let text =
            chart.files.get("Chart.yaml").map_or(String::new(), |bytes| String::from_utf8_lossy(bytes).into_owned());
        let mut metadata = values::parse(&text, "Chart.yaml").map_err(|error| unusable(error.to_string()))?;
        // Helm keeps the version as it is written, unless it is a number in YAML.
        let version = metadata["version"].as_str().map_or_else(|| chart.version.to_string(), str::to_owned);
        metadata["version"] = version.clone().into();
        let config = serde_json::to_string(&metadata).expect("it was JSON");
        Ok((FoundChart { name: chart.name, version, path: path.to_owned(), config }, location.clone()))
    }
}

struct FoundChart {
    name: String,
    version: String,
    path: String,
    /// The configuration for a registry: `Chart.yaml` as JSON.
    config: String,
}

/// A chart's archive: everything under one folder, which has a `Chart.yaml`.
fn is_chart(listing: &Listing) -> bool {
    let folders: BTreeSet<&str> = listing.keys().map(|path| path.split('/').next().unwrap_or_default()).collect();
    let mut folders = folders.into_iter();
    match (folders.next(), folders.next()) {
        (Some(folder), None) => listing.contains_key(&format!("{folder}/Chart.yaml")),
        _ => false,
    }
}

fn kind(path: &str, sniff: Sniff) -> FileKind {
    match sniff {
        Sniff::Program if path.rsplit('/').next() == Some("helm") => FileKind::Helm,
        Sniff::Script => FileKind::Script,
        _ => FileKind::Other,
    }
}

/// The index while it is put together.
struct Made {
    verified: BTreeMap<Location, Verified>,
    images: Vec<BundledImage>,
    charts: Vec<BundledChart>,
    blobs: BTreeMap<Digest, Blob>,
    documents: BTreeMap<Digest, Document>,
}

impl Made {
    /// Keeps content at the first place where it lies.
    fn blob(&mut self, location: &Location) {
        let verified = &self.verified[location];
        let blob =
            Blob { location: location.clone(), compression: verified.compression, diff_id: verified.diff_id.clone() };
        let known = self.blobs.entry(verified.digest.clone()).or_insert_with(|| blob.clone());
        if location.order() < known.location.order() {
            *known = blob;
        }
    }

    fn take_layout(&mut self, content: OciContent) {
        for location in content.blobs.values() {
            self.blob(location);
        }
        self.documents.extend(content.documents);
        self.charts.extend(content.charts);
        self.images.extend(content.images);
    }

    fn take_draft(&mut self, draft: DockerDraft) {
        for location in draft.locations() {
            self.blob(location);
        }
        let (image, document) = draft.finish(&self.verified);
        self.documents.insert(image.manifest.clone(), document);
        self.images.push(image);
    }

    fn take_chart(&mut self, chart: FoundChart, location: &Location) {
        self.blob(location);
        let archive = self.verified[location].digest.clone();
        let config = Digest::of(chart.config.as_bytes());
        let manifest = media::manifest(
            Descriptor::of(media_type::HELM_CONFIG, &config, chart.config.len() as u64),
            vec![Descriptor::of(media_type::HELM_CHART, &archive, location.extent.size)],
            &[("org.opencontainers.image.title", &chart.name), ("org.opencontainers.image.version", &chart.version)],
        );
        let digest = Digest::of(manifest.as_bytes());
        let document = |media_type: &str, text| Document { media_type: media_type.to_owned(), text };
        self.documents.insert(config, document(media_type::HELM_CONFIG, chart.config));
        self.documents.insert(digest.clone(), document(media_type::MANIFEST, manifest));
        self.charts.push(BundledChart {
            name: chart.name,
            version: chart.version,
            path: chart.path,
            archive,
            manifest: digest,
        });
    }

    fn index(self, size: u64, compression: Compression, files: Vec<BundledFile>) -> Result<BundleIndex, BundleError> {
        let images = unique(self.images)?;
        let mut charts = self.charts;
        charts.sort_by(|a, b| (&a.name, &a.version, &a.path).cmp(&(&b.name, &b.version, &b.path)));
        charts.dedup_by(|a, b| a.manifest == b.manifest);
        if let Some(pair) =
            charts.windows(2).find(|pair| (&pair[0].name, &pair[0].version) == (&pair[1].name, &pair[1].version))
        {
            let name = format!("chart {} {}: {} and {}", pair[0].name, pair[0].version, pair[0].path, pair[1].path);
            return Err(BundleError::Duplicate { at: "the bundle".into(), name });
        }
        let (blobs, documents) = (self.blobs, self.documents);
        Ok(BundleIndex { format: INDEX_FORMAT, size, compression, images, charts, files, blobs, documents })
    }
}

/// One entry for each image. Vendors hand out an image twice at times; a name must stand for one image all the same.
fn unique(images: Vec<BundledImage>) -> Result<Vec<BundledImage>, BundleError> {
    let mut unique: BTreeMap<Digest, BundledImage> = BTreeMap::new();
    for image in images {
        match unique.get_mut(&image.manifest) {
            Some(known) => known.names.extend(image.names),
            None => drop(unique.insert(image.manifest.clone(), image)),
        }
    }
    let mut named: BTreeMap<crate::ImageName, (Digest, Vec<Digest>)> = BTreeMap::new();
    for image in unique.values_mut() {
        image.names.sort();
        image.names.dedup();
        let configs: Vec<Digest> = image.platforms.iter().map(|platform| platform.config.clone()).collect();
        let mut own = Vec::new();
        for name in std::mem::take(&mut image.names) {
            match named.get(&name) {
                None => {
                    named.insert(name.clone(), (image.manifest.clone(), configs.clone()));
                    own.push(name);
                }
                // The same image in two archives has two manifests; the first one keeps the name.
                Some((_, known)) if *known == configs => {}
                Some((known, _)) => {
                    let name = format!("{name}: {known} and {}", image.manifest);
                    return Err(BundleError::Duplicate { at: "the bundle".into(), name });
                }
            }
        }
        image.names = own;
    }
    let mut images: Vec<BundledImage> = unique.into_values().collect();
    // A second manifest of an image that is named under its first one is not needed.
    let of = |image: &BundledImage| image.platforms.iter().map(|platform| platform.config.clone()).collect::<Vec<_>>();
    let named: BTreeSet<Vec<Digest>> = images.iter().filter(|image| !image.names.is_empty()).map(of).collect();
    images.retain(|image| !image.names.is_empty() || !named.contains(&of(image)));
    images.sort_by(|a, b| (&a.names, &a.manifest).cmp(&(&b.names, &b.manifest)));
    Ok(images)
}

//! Where images lie: folders, or whole archives, in the layout of Docker or OCI.

use std::io::{Read, Seek};

use serde::de::DeserializeOwned;

use crate::sniff::Sniff;
use crate::tarball::{EntryKind, Listing, TarEntry};
use crate::{BundleError, BundleReader, Limits, Location};

/// The files of a store, and what says that it is one.
pub(crate) struct Store {
    /// Its path in the bundle, without a slash at the end; empty for the bundle itself.
    pub(crate) at: String,
    /// The path inside its archive: empty, or with a slash at the end.
    pub(crate) prefix: String,
    /// Whether it has an `oci-layout` and an `index.json`.
    pub(crate) oci: bool,
    /// Whether it has Docker's `manifest.json`. `docker save` since version 25 writes both.
    pub(crate) docker: bool,
    /// Its files, by their paths in the store.
    pub(crate) entries: Listing,
}

/// Takes the stores out of an archive's entries.
pub(crate) fn take<R: Read + Seek>(
    reader: &mut BundleReader<R>,
    listing: &mut Listing,
    at: &str,
    limits: &Limits,
) -> Result<Vec<Store>, BundleError> {
    let mut stores: Vec<Store> = Vec::new();
    let mut found = Vec::new();
    for (path, entry) in &*listing {
        let (prefix, name) =
            path.rsplit_once('/').map_or((String::new(), path.as_str()), |(folder, name)| (format!("{folder}/"), name));
        let oci = name == "oci-layout" && listing.contains_key(&format!("{prefix}index.json"));
        let docker = name == "manifest.json" && is_docker(reader, entry, limits);
        if oci || docker {
            found.push((prefix, oci, docker));
        }
    }
    for (prefix, oci, docker) in found {
        if let Some(store) = stores.iter_mut().find(|store| store.prefix == prefix) {
            store.oci |= oci;
            store.docker |= docker;
        } else {
            let at = join(at, prefix.trim_end_matches('/'));
            stores.push(Store { at, prefix, oci, docker, entries: Listing::new() });
        }
    }
    // The longest prefix first: a store inside another one's folder is its own.
    stores.sort_by_key(|store| std::cmp::Reverse(store.prefix.len()));
    for store in &mut stores {
        let paths: Vec<String> = listing.keys().filter(|path| path.starts_with(&store.prefix)).cloned().collect();
        for path in paths {
            let mut entry = listing.remove(&path).expect("it is listed");
            if let EntryKind::Link(target) = &mut entry.kind {
                *target = target.strip_prefix(&store.prefix).unwrap_or(target).to_owned();
            }
            store.entries.insert(path[store.prefix.len()..].to_owned(), entry);
        }
    }
    Ok(stores)
}

/// Docker's list of images; other programs have a `manifest.json` too.
fn is_docker<R: Read + Seek>(reader: &mut BundleReader<R>, entry: &TarEntry, limits: &Limits) -> bool {
    let list: Result<Vec<crate::docker::DockerImage>, _> = parse(reader, entry, "manifest.json", limits);
    list.is_ok_and(|list| !list.is_empty())
}

/// Reads a JSON document.
pub(crate) fn parse<T: DeserializeOwned, R: Read + Seek>(
    reader: &mut BundleReader<R>,
    entry: &TarEntry,
    at: &str,
    limits: &Limits,
) -> Result<T, BundleError> {
    let text = text(reader, entry, at, limits)?;
    from_text(&text, at)
}

/// Understands a JSON document.
pub(crate) fn from_text<T: DeserializeOwned>(text: &str, at: &str) -> Result<T, BundleError> {
    serde_json::from_str(text).map_err(|error| BundleError::Unreadable { at: at.to_owned(), detail: error.to_string() })
}

/// The text of a document.
pub(crate) fn text<R: Read + Seek>(
    reader: &mut BundleReader<R>,
    entry: &TarEntry,
    at: &str,
    limits: &Limits,
) -> Result<String, BundleError> {
    let bytes = match &entry.kind {
        EntryKind::File { json: Some(bytes), .. } => bytes.clone(),
        EntryKind::File { sniff: Sniff::Json, .. } if entry.location.extent.size <= limits.document => {
            let mut bytes = Vec::new();
            let read = reader.open(&entry.location).and_then(|mut part| part.read_to_end(&mut bytes));
            read.map_err(|error| BundleError::of_io(at, error))?;
            bytes
        }
        EntryKind::File { sniff: Sniff::Json, .. } => {
            let limit = format!("a document of {} bytes", entry.location.extent.size);
            return Err(BundleError::TooLarge { at: at.to_owned(), limit });
        }
        _ => return Err(BundleError::Unreadable { at: at.to_owned(), detail: "it is not a JSON document".into() }),
    };
    String::from_utf8(bytes)
        .map_err(|_| BundleError::Unreadable { at: at.to_owned(), detail: "it is not UTF-8 text".into() })
}

impl Store {
    /// A file of the store, through links.
    pub(crate) fn file(&self, path: &str) -> Option<&TarEntry> {
        let mut path = path.trim_start_matches("./");
        for _ in 0..8 {
            match self.entries.get(path)? {
                TarEntry { kind: EntryKind::Link(target), .. } => path = target,
                TarEntry { kind: EntryKind::Special, .. } => return None,
                entry => return Some(entry),
            }
        }
        None
    }

    /// As [`Store::file`], or the refusal that it is missing.
    pub(crate) fn needed(&self, path: &str, by: &str) -> Result<&TarEntry, BundleError> {
        let missing = || BundleError::Missing { at: join(&self.at, by), what: path.to_owned() };
        self.file(path).ok_or_else(missing)
    }

    /// The path of a file in the bundle.
    pub(crate) fn path(&self, path: &str) -> String {
        join(&self.at, path)
    }

    /// Where a blob of an OCI layout lies.
    pub(crate) fn blob(&self, digest: &portolan_model::Digest) -> Option<&Location> {
        self.file(&blob_path(digest)).map(|entry| &entry.location)
    }
}

/// The path of a blob in an OCI layout.
pub(crate) fn blob_path(digest: &portolan_model::Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A path inside another one.
pub(crate) fn join(at: &str, path: &str) -> String {
    match (at, path) {
        ("", path) => path.to_owned(),
        (at, "") => at.to_owned(),
        (at, path) => format!("{at}/{path}"),
    }
}

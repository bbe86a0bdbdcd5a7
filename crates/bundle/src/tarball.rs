//! The entries of a tar archive, and what a vendor's archive must not have.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use crate::cursor::PartReader;
use crate::sniff::{HEAD, Sniff, checksum, sniff};
use crate::{BundleError, BundleReader, Limits, Location};

const BLOCK: u64 = 512;

/// No file is this long; sums of two such sizes do not overflow.
const LARGEST: u64 = 1 << 60;

/// Longest path, and longest extension header, in bytes.
const LONGEST: u64 = 1 << 16;

/// JSON documents up to this size are kept while an archive is listed: reading them later could mean a backward read.
const KEPT: u64 = 256 << 10;

/// And together up to this.
const ALL_KEPT: u64 = 48 << 20;

/// What an archive holds, by path. Folders are left out.
pub(crate) type Listing = BTreeMap<String, TarEntry>;

/// One entry of an archive.
#[derive(Clone, Debug)]
pub(crate) struct TarEntry {
    pub(crate) kind: EntryKind,
    pub(crate) location: Location,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File {
        sniff: Sniff,
        /// A small JSON document's text.
        json: Option<Vec<u8>>,
    },
    /// A link, with the path that it leads to.
    Link(String),
    /// A device or something else without content.
    Special,
}

/// What reading all archives of a bundle has cost so far.
pub(crate) struct Budget {
    pub(crate) limits: Limits,
    entries: u64,
    /// Bytes of JSON documents in memory.
    kept: u64,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, entries: 0, kept: 0 }
    }

    fn take_entry(&mut self, at: &str) -> Result<(), BundleError> {
        self.entries += 1;
        if self.entries <= self.limits.entries {
            return Ok(());
        }
        Err(BundleError::TooLarge { at: at.to_owned(), limit: format!("more than {} entries", self.limits.entries) })
    }

    fn may_keep(&mut self, size: u64) -> bool {
        let fits = size <= KEPT.min(self.limits.document) && self.kept + size <= ALL_KEPT;
        if fits {
            self.kept += size;
        }
        fits
    }
}

/// Lists a tar archive. `at` is its path in the bundle, for messages.
pub(crate) fn list<R: Read + Seek>(
    reader: &mut BundleReader<R>,
    location: &Location,
    at: &str,
    budget: &mut Budget,
) -> Result<Listing, BundleError> {
    let io = |error| BundleError::of_io(at, error);
    let mut walk = Walk { part: reader.open(location).map_err(io)?, position: 0, at, budget };
    let mut entries = Listing::new();
    let mut ahead = Ahead::default();
    while let Some(header) = walk.header()? {
        walk.budget.take_entry(at)?;
        if walk.is_about_next(&header, &mut ahead)? {
            continue;
        }
        let ahead = std::mem::take(&mut ahead);
        let size = walk.size(&header, ahead.size)?;
        let path = ahead.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let path = walk.text(path)?;
        let link = ahead.link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        let start = walk.position;
        let kind = walk.kind(&header, &path, link, size)?;
        walk.to(start + size.next_multiple_of(BLOCK))?;
        if let (Some(kind), Some(name)) = (kind, inside(&path)) {
            let entry = TarEntry { kind, location: location.part(start, size) };
            if entries.insert(name.clone(), entry).is_some() {
                return Err(BundleError::Duplicate { at: at.to_owned(), name });
            }
        }
    }
    // What follows the end: zeros, usually. A gzip stream says only at its very end whether it is whole.
    walk.part.skip(u64::MAX).map_err(io)?;
    Ok(entries)
}

/// What an extension header says of the next entry.
#[derive(Default)]
struct Ahead {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

struct Walk<'a, R> {
    part: PartReader<'a, R>,
    position: u64,
    at: &'a str,
    budget: &'a mut Budget,
}

impl<R: Read + Seek> Walk<'_, R> {
    fn io(&self, error: std::io::Error) -> BundleError {
        BundleError::of_io(self.at, error)
    }

    fn damaged(&self, detail: impl Into<String>) -> BundleError {
        BundleError::Unreadable { at: self.at.to_owned(), detail: detail.into() }
    }

    fn cut(&self, detail: &str) -> BundleError {
        BundleError::CutShort { at: self.at.to_owned(), detail: detail.to_owned() }
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String, BundleError> {
        String::from_utf8(bytes).map_err(|_| self.damaged("a path in it is not UTF-8"))
    }

    /// The next header; `None` at the end. The end is a block of zeros: an archive that is cut between two entries has none.
    fn header(&mut self) -> Result<Option<tar::Header>, BundleError> {
        let mut header = tar::Header::new_old();
        let block = header.as_mut_bytes();
        if let Err(error) = self.part.read_exact(block) {
            let none = error.kind() == std::io::ErrorKind::UnexpectedEof;
            return Err(if none { self.cut("the mark at its end is missing") } else { self.io(error) });
        }
        self.position += BLOCK;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let sum = checksum(block);
        if header.cksum().ok() != Some(sum) {
            return Err(self.damaged(format!("the header at byte {} has a wrong checksum", self.position - BLOCK)));
        }
        Ok(Some(header))
    }

    /// Reads an extension header: GNU's long names, and those of POSIX (pax).
    fn is_about_next(&mut self, header: &tar::Header, ahead: &mut Ahead) -> Result<bool, BundleError> {
        let kind = header.entry_type();
        let (long_path, long_link) = (kind.is_gnu_longname(), kind.is_gnu_longlink());
        let (pax, global) = (kind.is_pax_local_extensions(), kind.is_pax_global_extensions());
        if !(long_path || long_link || pax || global) {
            return Ok(false);
        }
        let size = header.entry_size().map_err(|error| self.io(error))?;
        if size > LONGEST {
            return Err(BundleError::TooLarge { at: self.at.to_owned(), limit: format!("a name of {size} bytes") });
        }
        let start = self.position;
        let mut bytes = vec![0; usize::try_from(size).expect("it is small")];
        self.part.read_exact(&mut bytes).map_err(|error| self.io(error))?;
        self.position += size;
        self.to(start + size.next_multiple_of(BLOCK))?;
        if pax || global {
            for record in tar::PaxExtensions::new(&bytes) {
                let record = record.map_err(|error| self.io(error))?;
                match record.key_bytes() {
                    b"path" | b"linkpath" | b"size" if global => {
                        return Err(self.damaged("it sets a path or a size for all entries"));
                    }
                    b"path" => ahead.path = Some(record.value_bytes().to_vec()),
                    b"linkpath" => ahead.link = Some(record.value_bytes().to_vec()),
                    b"size" => {
                        let size = record.value().ok().and_then(|text| text.parse().ok());
                        ahead.size = Some(size.ok_or_else(|| self.damaged("a size in it is not a number"))?);
                    }
                    key if key.starts_with(b"GNU.sparse") => return Err(self.damaged("it has a sparse file")),
                    _ => {}
                }
            }
        } else {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            bytes.truncate(end);
            if long_path { ahead.path = Some(bytes) } else { ahead.link = Some(bytes) }
        }
        Ok(true)
    }

    /// The size of an entry. Programs disagree on which of two sizes counts, so two different ones are refused.
    fn size(&self, header: &tar::Header, pax: Option<u64>) -> Result<u64, BundleError> {
        let own = header.entry_size().map_err(|error| self.io(error))?;
        if own.max(pax.unwrap_or_default()) > LARGEST {
            return Err(self.cut("an entry is longer than what is left of it"));
        }
        match pax {
            // A size of more than 11 octal digits does not fit the header: writers put 0 there.
            Some(pax) if own != 0 && own != pax => Err(BundleError::Differs {
                at: self.at.to_owned(),
                what: "size",
                expected: format!("{own} bytes"),
                found: format!("{pax} bytes"),
            }),
            Some(pax) => Ok(pax),
            None => Ok(own),
        }
    }

    fn kind(
        &mut self,
        header: &tar::Header,
        path: &str,
        link: Option<Vec<u8>>,
        size: u64,
    ) -> Result<Option<EntryKind>, BundleError> {
        use tar::EntryType as T;
        let outside = |path: String| BundleError::Outside { at: self.at.to_owned(), path };
        let Some(name) = inside(path) else {
            // `./` itself.
            let itself = header.entry_type().is_dir() && path.split('/').all(|part| matches!(part, "" | "."));
            return if itself && !path.starts_with('/') { Ok(None) } else { Err(outside(path.to_owned())) };
        };
        let kind = header.entry_type();
        match kind {
            T::Directory => Ok(None),
            T::Symlink | T::Link => {
                let target = self.text(link.unwrap_or_default())?;
                // A symbolic link is relative to its folder, a hard link to the archive.
                let folder =
                    if kind == T::Symlink { name.rsplit_once('/').map_or("", |(folder, _)| folder) } else { "" };
                let outside = || BundleError::Outside { at: self.at.to_owned(), path: format!("{path} -> {target}") };
                Ok(Some(EntryKind::Link(resolve(folder, &target).ok_or_else(outside)?)))
            }
            T::Regular | T::Continuous => self.file(size).map(Some),
            T::GNUSparse => Err(self.damaged(format!("{path} is a sparse file"))),
            _ => Ok(Some(EntryKind::Special)),
        }
    }

    fn file(&mut self, size: u64) -> Result<EntryKind, BundleError> {
        let mut head = Vec::new();
        self.read(size.min(HEAD as u64), &mut head)?;
        let sniff = sniff(&head);
        if sniff != Sniff::Json || !self.budget.may_keep(size) {
            return Ok(EntryKind::File { sniff, json: None });
        }
        self.read(size - head.len() as u64, &mut head)?;
        Ok(EntryKind::File { sniff, json: Some(head) })
    }

    fn read(&mut self, bytes: u64, to: &mut Vec<u8>) -> Result<(), BundleError> {
        let read = (&mut self.part).take(bytes).read_to_end(to).map_err(|error| self.io(error))? as u64;
        self.position += read;
        if read == bytes { Ok(()) } else { Err(self.cut("it ends in the middle of an entry")) }
    }

    fn to(&mut self, position: u64) -> Result<(), BundleError> {
        let ahead = position - self.position;
        let skipped = self.part.skip(ahead).map_err(|error| self.io(error))?;
        self.position += skipped;
        if skipped == ahead { Ok(()) } else { Err(self.cut("an entry is longer than what is left of it")) }
    }
}

/// A path in its plain form; `None` where it is absolute, leads out, or is empty.
fn inside(path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains(['\\', '\0']) { None } else { resolve("", path) }
}

/// Where a path leads from a folder; `None` where that is outside, or the archive itself.
fn resolve(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let follows = !folder.is_empty();
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            // Only a link may climb, and not above the archive.
            ".." if follows => {
                parts.pop()?;
            }
            ".." => return None,
            part => parts.push(part),
        }
    }
    if parts.is_empty() { None } else { Some(parts.join("/")) }
}

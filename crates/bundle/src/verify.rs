//! Reads all content once, in the order in which it lies, and compares it with what is said of it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Seek};

use flate2::bufread::MultiGzDecoder;
use portolan_model::Digest;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use sha2::{Digest as _, Sha256};

use crate::sniff::compression;
use crate::{BundleError, BundleReader, Compression, Limits, Location};

/// What is to be verified.
#[derive(Default)]
pub(crate) struct Checks(BTreeMap<Location, Check>);

#[derive(Default)]
struct Check {
    /// Its path in the bundle.
    at: String,
    /// The digest that it is listed with.
    digest: Option<Digest>,
    /// For a layer: the digest of its uncompressed content, in the configuration of which image.
    layer_of: Vec<(Digest, String)>,
}

/// What some content is.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub(crate) digest: Digest,
    pub(crate) compression: Compression,
    pub(crate) diff_id: Option<Digest>,
}

impl Checks {
    /// Adds content. With a digest it has to have this one.
    pub(crate) fn add(&mut self, location: &Location, at: String, digest: Option<&Digest>) {
        let check = self.0.entry(location.clone()).or_default();
        check.at = at;
        if let Some(digest) = digest {
            check.digest = Some(digest.clone());
        }
    }

    /// Says that content, which was added, is a layer of an image.
    pub(crate) fn add_layer(&mut self, location: &Location, diff_id: &Digest, image: &str) {
        let check = self.0.entry(location.clone()).or_default();
        if !check.layer_of.iter().any(|(known, _)| known == diff_id) {
            check.layer_of.push((diff_id.clone(), image.to_owned()));
        }
    }

    /// Verifies everything.
    pub(crate) fn run<R: Read + Seek>(
        self,
        reader: &mut BundleReader<R>,
        limits: &Limits,
    ) -> Result<BTreeMap<Location, Verified>, BundleError> {
        let mut checks: Vec<(Location, Check)> = self.0.into_iter().collect();
        checks.sort_by_key(|(location, _)| location.order());
        let mut all = BTreeMap::new();
        for (location, check) in checks {
            let verified = check.run(reader, &location, limits)?;
            all.insert(location, verified);
        }
        Ok(all)
    }
}

impl Check {
    fn run<R: Read + Seek>(
        &self,
        reader: &mut BundleReader<R>,
        location: &Location,
        limits: &Limits,
    ) -> Result<Verified, BundleError> {
        let verified = measure(reader, location, !self.layer_of.is_empty(), limits)
            .map_err(|error| BundleError::of_io(&self.at, error))?;
        if let Some(expected) = self.digest.as_ref().filter(|expected| **expected != verified.digest) {
            return Err(BundleError::Differs {
                at: self.at.clone(),
                what: "digest",
                expected: expected.to_string(),
                found: verified.digest.to_string(),
            });
        }
        if let Some(found) = &verified.diff_id
            && let Some((expected, image)) = self.layer_of.iter().find(|(expected, _)| expected != found)
        {
            return Err(BundleError::LayerDiffers {
                image: image.clone(),
                layer: self.at.clone(),
                detail: format!("its content is {found}, the configuration says {expected}"),
            });
        }
        Ok(verified)
    }
}

/// The digest of content, and for a layer that of its uncompressed content.
fn measure<R: Read + Seek>(
    reader: &mut BundleReader<R>,
    location: &Location,
    is_layer: bool,
    limits: &Limits,
) -> io::Result<Verified> {
    let hashing = Hashing { inner: reader.open(location)?, hash: Sha256::new() };
    let mut content = BufReader::with_capacity(1 << 17, hashing);
    let compression = compression(content.fill_buf()?);
    let inner = match compression {
        Compression::Gzip if is_layer => Some(unzipped(&mut content, limits.expanded(location.extent.size))?),
        Compression::Zstd if is_layer => Some(unzstd(&mut content, limits.expanded(location.extent.size))?),
        _ => None,
    };
    while let bytes @ 1.. = content.fill_buf()?.len() {
        content.consume(bytes);
    }
    let digest = Digest::of_hash(&content.into_inner().hash.finalize().into());
    let diff_id = match compression {
        Compression::None if is_layer => Some(digest.clone()),
        _ => inner,
    };
    Ok(Verified { digest, compression, diff_id })
}

/// The digest of a gzip stream's content.
fn unzipped(content: &mut impl BufRead, limit: u64) -> io::Result<Digest> {
    let mut plain = MultiGzDecoder::new(content).take(limit + 1);
    let digest = Digest::of_reader(&mut plain)?;
    if plain.limit() == 0 { Err(too_large(limit)) } else { Ok(digest) }
}

/// The digest of the content of all frames of a zstd stream (RFC 8878). Frames without content are passed over: tools keep notes there.
fn unzstd(content: &mut impl BufRead, limit: u64) -> io::Result<Digest> {
    let mut hashing =
        Hashing { inner: Frames { content, decoder: FrameDecoder::new(), is_open: false }, hash: Sha256::new() };
    let read = io::copy(&mut (&mut hashing).take(limit + 1), &mut io::sink())?;
    if read > limit { Err(too_large(limit)) } else { Ok(Digest::of_hash(&hashing.hash.finalize().into())) }
}

fn too_large(limit: u64) -> io::Error {
    let limit = format!("a compressed layer expands to more than {limit} bytes");
    io::Error::other(BundleError::TooLarge { at: "a layer".into(), limit })
}

/// The content of the frames of a zstd stream, one after the other.
struct Frames<'a, R> {
    content: &'a mut R,
    decoder: FrameDecoder,
    /// Whether a frame has begun that has not ended.
    is_open: bool,
}

impl<R: BufRead> Read for Frames<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let damaged = |error: FrameDecoderError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        loop {
            if !self.is_open {
                if self.content.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                match self.decoder.init(&mut *self.content) {
                    Ok(()) => self.is_open = true,
                    Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                        length, ..
                    })) => {
                        let length = u64::from(length);
                        if io::copy(&mut (&mut *self.content).take(length), &mut io::sink())? < length {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        continue;
                    }
                    Err(error) => return Err(damaged(error)),
                }
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut *self.content, one).map_err(damaged)?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            self.is_open = false;
        }
    }
}

struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

//! Reading from a place in the bundle, through the gzip streams around it.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use crate::{BundleError, Limits};

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Extent {
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub size: u64,
}

/// Where a part of the bundle lies.
///
/// Each gzip stream around it is given by its extent in what is around that stream: `gzip[0]` in the file, `gzip[1]` in
/// the content of `gzip[0]`. The order of locations is the order in which they can be read in one pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// The gzip streams around it, the outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gzip: Vec<Extent>,
    /// The bytes, in the content of the innermost stream, or in the file.
    pub extent: Extent,
}

impl Location {
    /// A part of this part.
    pub(crate) fn part(&self, offset: u64, size: u64) -> Self {
        Self { gzip: self.gzip.clone(), extent: Extent { offset: self.extent.offset + offset, size } }
    }

    /// The content of this part, which is a gzip stream. Its size is only known after reading it.
    pub(crate) fn unzipped(&self) -> Self {
        let mut gzip = self.gzip.clone();
        gzip.push(self.extent);
        Self { gzip, extent: Extent { offset: 0, size: u64::MAX } }
    }

    /// What the order of a forward pass is: streams are compared by their place in the outer one.
    pub(crate) fn order(&self) -> Vec<u64> {
        self.gzip.iter().map(|extent| extent.offset).chain([self.extent.offset]).collect()
    }
}

/// Reads parts of a bundle. Forward reads continue the gzip streams that are open; a backward read starts them again.
pub struct BundleReader<R> {
    /// `None` only while a read moves it.
    chain: Option<Chain<R>>,
    limits: Limits,
}

/// The file and the gzip streams that are open, the innermost outside.
enum Chain<R> {
    File { file: R, position: u64 },
    Gzip(Box<Gzip<R>>),
}

struct Gzip<R> {
    decoder: MultiGzDecoder<BufReader<Window<R>>>,
    extent: Extent,
    position: u64,
    limit: u64,
}

/// The bytes of one gzip stream in what is around it.
struct Window<R> {
    outer: Chain<R>,
    left: u64,
}

impl<R: Read + Seek> BundleReader<R> {
    /// Reads from a file, or something like it.
    pub fn new(file: R, limits: Limits) -> Self {
        // The first read seeks: the file may stand anywhere.
        Self { chain: Some(Chain::File { file, position: u64::MAX }), limits }
    }

    /// Opens a part of the bundle.
    ///
    /// # Errors
    /// If the file cannot be read, or a gzip stream around the part is damaged.
    pub fn open(&mut self, location: &Location) -> io::Result<PartReader<'_, R>> {
        let chain = self.chain.take().ok_or_else(|| io::Error::other("an earlier read of the bundle failed"))?;
        self.chain = Some(chain.moved_to(&location.gzip, location.extent.offset, &self.limits)?);
        Ok(PartReader { reader: self, left: location.extent.size })
    }
}

/// One part of a bundle.
pub struct PartReader<'a, R> {
    reader: &'a mut BundleReader<R>,
    left: u64,
}

impl<R: Read + Seek> PartReader<'_, R> {
    /// Passes over bytes; fewer are passed where the part or its stream ends. Returns how many.
    pub(crate) fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let bytes = bytes.min(self.left);
        let chain = self.reader.chain.as_mut().expect("a part is open");
        let skipped = chain.skip(bytes)?;
        self.left -= skipped;
        Ok(skipped)
    }
}

impl<R: Read + Seek> Read for PartReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let chain = self.reader.chain.as_mut().expect("a part is open");
        let read = chain.read(&mut buffer[..most])?;
        // The size of a gzip stream's content is not known beforehand; every other part has the size it was listed with.
        if read == 0 && self.left < u64::MAX >> 1 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Chain<R> {
    fn depth(&self) -> usize {
        match self {
            Self::File { .. } => 0,
            Self::Gzip(gzip) => 1 + gzip.decoder.get_ref().get_ref().outer.depth(),
        }
    }

    /// Whether the streams that are open are the first of these.
    fn is_in(&self, streams: &[Extent]) -> bool {
        match self {
            Self::File { .. } => true,
            Self::Gzip(gzip) => {
                let depth = self.depth();
                streams.get(depth - 1) == Some(&gzip.extent) && gzip.decoder.get_ref().get_ref().outer.is_in(streams)
            }
        }
    }

    fn moved_to(mut self, streams: &[Extent], offset: u64, limits: &Limits) -> io::Result<Self> {
        let target = |depth: usize| streams.get(depth).map_or(offset, |stream| stream.offset);
        loop {
            let depth = self.depth();
            match self {
                Self::Gzip(gzip) if !Self::reaches(&gzip, streams, target(depth)) => {
                    self = gzip.decoder.into_inner().into_inner().outer;
                }
                other => {
                    self = other;
                    break;
                }
            }
        }
        loop {
            let depth = self.depth();
            self.go_to(target(depth))?;
            let Some(&extent) = streams.get(depth) else { return Ok(self) };
            let window = Window { outer: self, left: extent.size };
            let decoder = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, window));
            self = Self::Gzip(Box::new(Gzip { decoder, extent, position: 0, limit: limits.expanded(extent.size) }));
        }
    }

    /// Whether an open stream leads to a place ahead: it is one of those around the place, and not beyond it.
    fn reaches(gzip: &Gzip<R>, streams: &[Extent], target: u64) -> bool {
        let outer = &gzip.decoder.get_ref().get_ref().outer;
        let depth = outer.depth();
        streams.get(depth) == Some(&gzip.extent) && outer.is_in(streams) && gzip.position <= target
    }

    fn go_to(&mut self, offset: u64) -> io::Result<()> {
        match self {
            Self::File { file, position } => {
                if *position != offset {
                    file.seek(SeekFrom::Start(offset))?;
                    *position = offset;
                }
            }
            Self::Gzip(gzip) => {
                let ahead = offset - gzip.position;
                if self.skip(ahead)? != ahead {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        if let Self::File { file, position } = self {
            let end = file.seek(SeekFrom::End(0))?;
            let skipped = bytes.min(end.saturating_sub(*position));
            *position += skipped;
            file.seek(SeekFrom::Start(*position))?;
            return Ok(skipped);
        }
        io::copy(&mut self.by_ref().take(bytes), &mut io::sink())
    }
}

impl<R: Read + Seek> Read for Chain<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File { file, position } => {
                let read = file.read(buffer)?;
                *position += read as u64;
                Ok(read)
            }
            Self::Gzip(gzip) => {
                let read = gzip.decoder.read(buffer)?;
                gzip.position += read as u64;
                if gzip.position > gzip.limit {
                    let limit = format!("{} bytes of gzip expand to more than {} bytes", gzip.extent.size, gzip.limit);
                    return Err(io::Error::other(BundleError::TooLarge { at: "a part".into(), limit }));
                }
                Ok(read)
            }
        }
    }
}

impl<R: Read + Seek> Read for Window<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.outer.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

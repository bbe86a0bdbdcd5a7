//! The bytes of a bundle as the bodies of requests.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use futures::stream::BoxStream;
use hyper::body::Bytes;
use portolan_bundle::{BundleReader, Limits, Location};
use portolan_model::{Code, Digest, Finding};
use reqwest::Body;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bytes that are read at a time where a blob is sent as it is: few enough for the allocator to give the same memory again.
const PART: usize = 64 << 10;

/// Bytes that are read at a time where a blob is compressed, each part by itself.
const COMPRESSED_PART: usize = 256 << 10;

/// Parts that wait to be sent: with the one being read and the one being sent, what a blob takes of memory.
const WAITING: usize = 8;

/// Reads blobs one after the other; a gzip stream goes on where the last blob ended.
pub(super) struct Feed {
    path: PathBuf,
    reader: Option<BundleReader<File>>,
}

/// The parts of a blob.
pub(super) type Parts = BoxStream<'static, io::Result<Bytes>>;

/// A blob that is being read.
pub(super) struct Reading(JoinHandle<(BundleReader<File>, io::Result<()>)>);

impl Feed {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), reader: None }
    }

    /// A body that is read while it is sent. The reader has to be taken back afterwards. The content is not compared with its
    /// digest: the registry does that, and [`Feed::verify`] tells afterwards whose fault it is.
    pub(super) fn body(&mut self, location: &Location) -> Result<(Body, Reading), Finding> {
        let (parts, reading) = self.read(location, PART, None)?;
        Ok((Body::wrap_stream(parts), reading))
    }

    /// The parts of a blob that is compressed, read while they are taken. The last one comes only if the content is that of the digest.
    /// The reader has to be taken back afterwards.
    pub(super) fn parts(&mut self, location: &Location, digest: &Digest) -> Result<(Parts, Reading), Finding> {
        self.read(location, COMPRESSED_PART, Some(digest.clone()))
    }

    /// Compares a blob with its digest.
    pub(super) async fn verify(&mut self, location: &Location, digest: &Digest) -> Result<(), Finding> {
        let (mut parts, reading) = self.parts(location, digest)?;
        while parts.next().await.is_some() {}
        self.take_back(reading).await
    }

    fn read(&mut self, location: &Location, size: usize, digest: Option<Digest>) -> Result<(Parts, Reading), Finding> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => BundleReader::new(File::open(&self.path).map_err(|error| self.changed(&error))?, Limits::default()),
        };
        let (sender, mut receiver) = mpsc::channel::<io::Result<Bytes>>(WAITING);
        let location = location.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let result = read(&mut reader, &location, size, digest.as_ref(), &sender);
            if let Err(error) = &result {
                // The request must not end well without its last part; nobody may be there to hear it.
                let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
            }
            (reader, result)
        });
        let parts = futures::stream::poll_fn(move |context| receiver.poll_recv(context)).boxed();
        Ok((parts, Reading(reading)))
    }

    /// Takes the reader back, and says whether the file was what the index says.
    pub(super) async fn take_back(&mut self, reading: Reading) -> Result<(), Finding> {
        let (reader, result) = reading.0.await.map_err(|error| self.changed(&error))?;
        match result {
            Ok(()) => self.reader = Some(reader),
            // The request broke off before: what it says counts. The next read opens the file again.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => return Err(self.changed(&error)),
        }
        Ok(())
    }

    fn changed(&self, error: &dyn std::fmt::Display) -> Finding {
        Finding::blocking(
            Code::BundleDiffers,
            format!("{} is not what it was when it was indexed", self.path.display()),
        )
        .with(error.to_string())
        .next("push again once nothing writes to the file")
    }
}

fn read(
    reader: &mut BundleReader<File>,
    location: &Location,
    size: usize,
    digest: Option<&Digest>,
    sender: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let (mut part, mut left) = (reader.open(location)?, location.extent.size);
    let mut hash = Sha256::new();
    let mut held: Option<Bytes> = None;
    while left > 0 {
        let mut bytes = vec![0; size.min(usize::try_from(left).unwrap_or(size))];
        part.read_exact(&mut bytes)?;
        left -= bytes.len() as u64;
        if digest.is_some() {
            hash.update(&bytes);
        }
        if let Some(before) = held.replace(bytes.into()) {
            sender.blocking_send(Ok(before)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
    }
    // The last part is sent only if all of it was right.
    if let Some(digest) = digest {
        let found = Digest::of_hash(&hash.finalize().into());
        if found != *digest {
            return Err(io::Error::other(format!("{digest} is expected, {found} is found")));
        }
    }
    match held {
        Some(last) => sender.blocking_send(Ok(last)).map_err(|_| io::ErrorKind::BrokenPipe.into()),
        None => Ok(()),
    }
}

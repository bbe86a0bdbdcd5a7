//! Layers that lie plain in the bundle are compressed while they are sent.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, StreamExt as _};
use hyper::body::Bytes;
use libdeflater::{CompressionLvl, Compressor};
use portolan_bundle::CompressedLayer;
use portolan_model::{Digest, Finding};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::store::files::{make_folder, write_durably};

/// Raised when a layer would be compressed to other bytes than before: what was noted until then is not used.
const FORMAT: u32 = 1;

/// The layers that were compressed before, kept in the state folder: a push that goes on asks a registry for them by the digest that
/// they have there.
#[derive(Debug, Default)]
pub struct CompressedLayers {
    /// Where they are kept; `None` to keep them for one push alone.
    path: Option<std::path::PathBuf>,
    known: Mutex<BTreeMap<Digest, CompressedLayer>>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    layers: BTreeMap<Digest, CompressedLayer>,
}

impl CompressedLayers {
    /// Those that are kept in the state folder. A file that cannot be used counts as none: they are compressed again then.
    #[must_use]
    pub fn of(state: &Path) -> Self {
        let path = state.join("bundles").join("layers.json");
        let saved = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Saved>(&text).ok());
        let known = saved.filter(|saved| saved.format == FORMAT).map(|saved| saved.layers).unwrap_or_default();
        Self { path: Some(path), known: Mutex::new(known) }
    }

    /// What became of a layer, by the digest that it has in the bundle.
    pub(super) fn get(&self, plain: &Digest) -> Option<CompressedLayer> {
        lock(&self.known).get(plain).cloned()
    }

    pub(super) fn add(&self, plain: &Digest, layer: CompressedLayer) -> Result<(), Finding> {
        // Held while the file is written: two uploads that end together would write it over each other.
        let mut known = lock(&self.known);
        known.insert(plain.clone(), layer);
        let Some(path) = &self.path else { return Ok(()) };
        make_folder(path.parent().unwrap_or(path))?;
        let saved = Saved { format: FORMAT, layers: known.clone() };
        write_durably(path, &serde_json::to_vec(&saved).expect("digests are JSON"))
    }
}

/// Digest and size of what has gone by.
#[derive(Clone, Default)]
pub(super) struct Meter(Arc<Mutex<(Sha256, u64)>>);

impl Meter {
    fn add(&self, bytes: &[u8]) {
        let mut meter = lock(&self.0);
        meter.0.update(bytes);
        meter.1 += bytes.len() as u64;
    }

    pub(super) fn read(&self) -> CompressedLayer {
        let meter = lock(&self.0);
        CompressedLayer { digest: Digest::of_hash(&meter.0.clone().finalize().into()), size: meter.1 }
    }
}

/// Compresses parts side by side, each to a gzip member of its own (RFC 1952, section 2.2: a stream may have several). What
/// comes out is in order, and measured.
pub(super) fn compressed(
    parts: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    meter: &Meter,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let meter = meter.clone();
    let at_once = std::thread::available_parallelism().map_or(1, Into::into);
    let members = parts.map(|part| async move {
        let part = part?;
        tokio::task::spawn_blocking(move || member(&part)).await.map_err(io::Error::other)?
    });
    members.buffered(at_once).inspect(move |member| {
        if let Ok(member) = member {
            meter.add(member);
        }
    })
}

fn member(part: &[u8]) -> io::Result<Bytes> {
    thread_local! {
        // Its output is 4 % larger than that of zlib's default, in a third of the time. (`fastest()` is level 0, which compresses
        // nothing.)
        static COMPRESSOR: RefCell<Compressor> =
            RefCell::new(Compressor::new(CompressionLvl::new(1).expect("there is a level 1")));
    }
    COMPRESSOR.with_borrow_mut(|compressor| {
        let mut member = vec![0; compressor.gzip_compress_bound(part.len())];
        let size = compressor.gzip_compress(part, &mut member).map_err(io::Error::other)?;
        // Its room is that of the part; several wait to be sent.
        Ok(Bytes::copy_from_slice(&member[..size]))
    })
}

fn lock<T>(content: &Mutex<T>) -> MutexGuard<'_, T> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[tokio::test]
    async fn members_in_order_are_one_stream_and_are_measured() {
        let parts: Vec<Vec<u8>> = (0..50_u8).map(|byte| vec![byte; 1000]).collect();
        let plain = parts.concat();
        let (meter, parts) = (Meter::default(), futures::stream::iter(parts.into_iter().map(|part| Ok(part.into()))));
        let sent: Vec<io::Result<Bytes>> = compressed(parts, &meter).collect().await;
        let sent = sent.into_iter().collect::<io::Result<Vec<_>>>().expect("members").concat();
        let mut read = Vec::new();
        flate2::read::MultiGzDecoder::new(&*sent).read_to_end(&mut read).expect("a gzip stream");
        assert!(read == plain, "{} bytes", read.len());
        assert_eq!(meter.read(), CompressedLayer { digest: Digest::of(&sent), size: sent.len() as u64 });
    }

    #[tokio::test]
    async fn what_cannot_be_read_ends_the_stream_with_its_error() {
        let parts = [Ok(Bytes::from_static(b"one")), Err(io::Error::other("gone"))];
        let meter = Meter::default();
        let sent: Vec<io::Result<Bytes>> = compressed(futures::stream::iter(parts), &meter).collect().await;
        assert!(sent[0].is_ok() && sent[1].as_ref().is_err_and(|error| error.to_string() == "gone"), "{sent:?}");
    }

    #[test]
    fn layers_are_known_again_while_the_format_is_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let (plain, layer) = (Digest::of(b"plain"), CompressedLayer { digest: Digest::of(b"gzip"), size: 4 });
        CompressedLayers::of(folder.path()).add(&plain, layer.clone()).expect("it is kept");
        assert_eq!(CompressedLayers::of(folder.path()).get(&plain), Some(layer));
        let path = folder.path().join("bundles/layers.json");
        let text = std::fs::read_to_string(&path).expect("it is kept");
        std::fs::write(&path, text.replace("\"format\":1", "\"format\":0")).expect("a file");
        assert_eq!(CompressedLayers::of(folder.path()).get(&plain), None);
    }
}

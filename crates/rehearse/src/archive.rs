//! Bytes under their digests, as a run's folder keeps them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portolan_model::Digest;

type ArchivedBytes = BTreeMap<Digest, Arc<Vec<u8>>>;

/// What was kept, by digest. Clones share it: a digest stands for the same bytes in every world, and only who has seen the bytes
/// knows their digest, so it makes no difference that bytes are there which another world kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Archive(Arc<Mutex<ArchivedBytes>>);

impl Archive {
    /// An archive of its own with the same content.
    pub(crate) fn detached(&self) -> Self {
        Self(Arc::new(Mutex::new(self.all().clone())))
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<Arc<Vec<u8>>> {
        self.all().get(digest).cloned()
    }

    pub(crate) fn keep(&self, digest: &Digest, bytes: &[u8]) {
        self.all().entry(digest.clone()).or_insert_with(|| Arc::new(bytes.to_vec()));
    }

    /// Keeps bytes without copying them.
    pub(crate) fn share(&self, digest: &Digest, bytes: &Arc<Vec<u8>>) {
        self.all().entry(digest.clone()).or_insert_with(|| bytes.clone());
    }

    /// Everything as text, for the file of a simulated installation.
    pub(crate) fn texts(&self) -> BTreeMap<Digest, String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.all().iter().map(|(digest, bytes)| (digest.clone(), text(bytes))).collect()
    }

    fn all(&self) -> MutexGuard<'_, ArchivedBytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

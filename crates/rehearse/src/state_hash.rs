//! Hashes that tell the states of one search apart.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// A 128-bit hash for telling states apart within one search. What is kept on disk has SHA-256.
pub(crate) type StateHash = u128;

/// The hash of some bytes.
pub(crate) fn of_bytes(bytes: &[u8]) -> StateHash {
    xxh3_128(bytes)
}

/// The hash of a value.
pub(crate) fn of<T: Hash + ?Sized>(value: &T) -> StateHash {
    let mut hasher = StateHasher::new();
    value.hash(&mut hasher);
    hasher.state_hash()
}

/// A `Hasher` whose 128-bit digest is read at the end. `std`'s own hasher is neither stable nor wide enough. It gathers what it is
/// given: a value has many small parts, and one call for all of them is much faster than one for each.
pub(crate) struct StateHasher(Vec<u8>);

impl StateHasher {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(256))
    }

    pub(crate) fn state_hash(&self) -> StateHash {
        xxh3_128(&self.0)
    }
}

impl Hasher for StateHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        xxh3_64(&self.0)
    }
}

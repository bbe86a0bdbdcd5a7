use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// A 128-bit hash for telling worlds apart within one search. What is kept on disk has SHA-256.
pub(crate) type Print = u128;

/// The print of some bytes.
pub(crate) fn of_bytes(bytes: &[u8]) -> Print {
    xxh3_128(bytes)
}

/// The print of a value.
pub(crate) fn of<T: Hash + ?Sized>(value: &T) -> Print {
    let mut state = Printer(Xxh3Default::new());
    value.hash(&mut state);
    state.0.digest128()
}

/// A `Hasher` whose 128-bit digest is read at the end. `std`'s own hasher is neither stable nor wide enough.
pub(crate) struct Printer(Xxh3Default);

impl Printer {
    pub(crate) fn new() -> Self {
        Self(Xxh3Default::new())
    }

    pub(crate) fn print(&self) -> Print {
        self.0.digest128()
    }
}

impl Hasher for Printer {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.digest()
    }
}

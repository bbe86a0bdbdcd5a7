//! Files of data that are not of a product and come with the program.

use serde::de::DeserializeOwned;

/// A file that comes along.
pub(crate) trait Builtin: DeserializeOwned {
    /// Its path, for messages.
    const PATH: &'static str;
    /// The version of its format.
    const FORMAT: u32;

    /// The version that it has itself.
    fn format(&self) -> u32;

    /// Reads it.
    ///
    /// # Panics
    /// Where the file is not usable, which a test of this crate would have seen.
    fn read(text: &str) -> Self {
        match serde_saphyr::from_str::<Self>(text) {
            Ok(known) if known.format() == Self::FORMAT => known,
            Ok(known) => panic!("{}: format {}", Self::PATH, known.format()),
            Err(error) => panic!("{}: {error}", Self::PATH),
        }
    }
}

//! Files of data that are not of a product and come with the program.

use serde::de::DeserializeOwned;

/// The version of their format.
const FORMAT: u32 = 1;

/// Reads a file that comes along; `format` gives the version that it has itself, and `path` is for messages.
///
/// # Panics
/// Where the file is not usable, which a test of this crate would have seen.
pub(crate) fn read<T: DeserializeOwned>(path: &str, text: &str, format: fn(&T) -> u32) -> T {
    match serde_saphyr::from_str::<T>(text) {
        Ok(known) if format(&known) == FORMAT => known,
        Ok(known) => panic!("{path}: format {}", format(&known)),
        Err(error) => panic!("{path}: {error}"),
    }
}

//! Files for the user's eyes alone.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use portolan_model::{Code, Finding};

/// Writes a file of mode 0600.
///
/// # Errors
/// [`Code::CannotWrite`].
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Finding> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).and_then(|mut file| file.write_all(bytes)).map_err(|error| {
        Finding::blocking(Code::CannotWrite, format!("{} cannot be written", path.display())).with(error.to_string())
    })
}

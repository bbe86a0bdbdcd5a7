//! Files for the user's eyes alone.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use portolan_model::{Code, Finding};

/// Writes a file of mode 0600.
///
/// # Errors
/// [`Code::CannotWrite`].
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Finding> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| {
        // One that was there keeps its mode otherwise; a terminal or a pipe has none of its own.
        if file.metadata()?.is_file() {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        file.write_all(bytes)
    });
    written.map_err(|error| {
        Finding::blocking(Code::CannotWrite, format!("{} cannot be written", path.display())).with(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_could_read_is_theirs_no_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("values.yaml");
        fs_err::write(&file, "old and longer").expect("it is written");
        fs_err::set_permissions(&file, Permissions::from_mode(0o666)).expect("it is opened to all");
        write(&file, b"new").expect("it is written");
        assert_eq!(fs_err::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs_err::read_to_string(&file).expect("it is there"), "new");
    }
}

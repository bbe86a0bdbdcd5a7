//! Writing files so that they are there, whole and private, or not there at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use portolan_model::{Code, Finding};

/// Makes a folder and its parents; those that are new belong to the user alone.
pub(crate) fn make_folder(path: &Path) -> Result<(), Finding> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| unusable(path, &error))
}

/// Writes a file by way of a temporary one, and makes both the bytes and the name durable.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Finding> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}", std::process::id()));
    write_synced(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_folder(folder))
        .map_err(|error| {
            // Best effort: a file left over has a name that nothing reads.
            let _ = fs::remove_file(&temporary);
            unusable(path, &error)
        })
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// What is said where a file or folder cannot be used.
pub(super) fn unusable(path: &Path, error: &io::Error) -> Finding {
    Finding::blocking(Code::StateFolder, format!("{} cannot be used", path.display())).with(error.to_string())
}

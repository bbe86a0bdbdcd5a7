//! Writing files so that they are there, whole and private, or not there at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portolan_model::{Code, Finding};
use serde::{Deserialize, Serialize};

/// A file that changed less than this ago may change again without any other time: clocks of file systems tick, some every two seconds.
const TICK: Duration = Duration::from_secs(3);

/// What tells whether a file is still the one that was read. Only the kernel sets the time of its last change.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileIdentity {
    size: u64,
    modified_seconds: i64,
    modified_nanoseconds: i64,
    changed_seconds: i64,
    changed_nanoseconds: i64,
    inode: u64,
}

impl FileIdentity {
    pub(crate) fn of(file: &fs::Metadata) -> Self {
        Self {
            size: file.size(),
            modified_seconds: file.mtime(),
            modified_nanoseconds: file.mtime_nsec(),
            changed_seconds: file.ctime(),
            changed_nanoseconds: file.ctime_nsec(),
            inode: file.ino(),
        }
    }

    /// Whether a file that changes from now on gets another identity.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        let changed = u64::try_from(self.changed_seconds.max(self.modified_seconds)).unwrap_or_default();
        now.duration_since(UNIX_EPOCH).is_ok_and(|now| now > Duration::from_secs(changed) + TICK)
    }
}

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

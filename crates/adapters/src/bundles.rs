//! A bundle's file, its index in the state folder, and its charts.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use portolan_bundle::{BundleIndex, BundleReader, INDEX_FORMAT, Limits};
use portolan_helm_compat::chart::PackedChart;
use portolan_model::{Code, Digest, Finding};
use serde::{Deserialize, Serialize};

use crate::store::files::{make_folder, write_durably};

/// What tells whether a file is the one that was indexed. Content is verified again when it is sent.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    size: u64,
    modified_seconds: i64,
    modified_nanoseconds: i64,
    changed_seconds: i64,
    changed_nanoseconds: i64,
    inode: u64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    identity: Identity,
    index: BundleIndex,
}

/// The index of a bundle: the one that is kept in the state folder, if the file has not changed since; else the file is read
/// and verified, and its index is kept.
///
/// # Errors
/// If the file cannot be read, or is refused: see [`portolan_bundle::BundleError`].
pub fn index(path: &Path, state: &Path) -> Result<BundleIndex, Finding> {
    let unreadable = |error: std::io::Error| {
        Finding::blocking(Code::BundleUnreadable, format!("{} cannot be read", path.display()))
            .with(error.to_string())
            .why("images and charts are read from it")
            .next("check the path and its permissions")
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let identity = Identity {
        size: metadata.size(),
        modified_seconds: metadata.mtime(),
        modified_nanoseconds: metadata.mtime_nsec(),
        changed_seconds: metadata.ctime(),
        changed_nanoseconds: metadata.ctime_nsec(),
        inode: metadata.ino(),
    };
    let kept = kept_at(&path.canonicalize().map_err(unreadable)?, state);
    if let Some(index) = load(&kept, &identity) {
        return Ok(index);
    }
    let index = portolan_bundle::read(file, Limits::default())
        .map_err(|error| error.finding().with(format!("bundle: {}", path.display())))?;
    let saved = Saved { identity, index };
    make_folder(kept.parent().unwrap_or(state))?;
    write_durably(&kept, &serde_json::to_vec(&saved).expect("an index is JSON"))?;
    Ok(saved.index)
}

/// The archives of a bundle's charts of these names.
///
/// # Errors
/// If the file is not what its index says, or an archive is not usable.
pub fn charts(path: &Path, index: &BundleIndex, names: &[String]) -> Result<Vec<PackedChart>, Finding> {
    let refused = |code: Code, found: String, said: String| Finding::blocking(code, found).with(said);
    let changed = |said: String| {
        refused(Code::BundleDiffers, format!("{} is not what it was when it was indexed", path.display()), said)
            .next("run it again once nothing writes to the file")
    };
    let file = File::open(path).map_err(|error| changed(error.to_string()))?;
    let mut reader = BundleReader::new(file, Limits::default());
    let mut packed = Vec::new();
    for chart in index.charts.iter().filter(|chart| names.contains(&chart.name)) {
        let blob = index.blobs.get(&chart.archive).ok_or_else(|| changed(format!("{} is not listed", chart.path)))?;
        let mut archive = Vec::new();
        let read = reader.open(&blob.location).and_then(|mut part| part.read_to_end(&mut archive));
        read.map_err(|error| changed(error.to_string()))?;
        if Digest::of(&archive) != chart.archive {
            return Err(changed(format!("{} has another content", chart.path)));
        }
        let unusable = format!("{} in {} is not a helm chart", chart.path, path.display());
        packed.push(
            PackedChart::of_archive(archive).map_err(|error| refused(Code::NoChart, unusable, error.to_string()))?,
        );
    }
    Ok(packed)
}

fn kept_at(path: &Path, state: &Path) -> PathBuf {
    let name = Digest::of(path.as_os_str().as_encoded_bytes());
    state.join("bundles").join(format!("{}.json", &name.hex()[..16]))
}

/// An index that is kept; one that cannot be used is made again.
fn load(path: &Path, identity: &Identity) -> Option<BundleIndex> {
    let saved: Saved = serde_json::from_reader(BufReader::new(File::open(path).ok()?)).ok()?;
    (saved.identity == *identity && saved.index.format == INDEX_FORMAT).then_some(saved.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(name: &str) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).expect("a path");
        header.set_size(0);
        header.set_cksum();
        [header.as_bytes().as_slice(), &[0; 1024]].concat()
    }

    #[test]
    fn an_index_is_kept_until_the_file_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, state) = (folder.path().join("b.tar"), folder.path().join("state"));
        std::fs::write(&path, tar("one")).expect("a file");
        let first = index(&path, &state).expect("an index");
        let kept = kept_at(&path.canonicalize().expect("a path"), &state);
        // What is kept is used: a mark in it comes back.
        let text = std::fs::read_to_string(&kept).expect("it is kept");
        std::fs::write(&kept, text.replace("\"one\"", "\"kept\"")).expect("a file");
        assert_eq!(index(&path, &state).expect("an index").files[0].path, "kept");
        std::fs::write(&path, tar("two")).expect("a file");
        assert_eq!(index(&path, &state).expect("an index").files[0].path, "two");
        std::fs::write(&kept, "damaged").expect("a file");
        assert_eq!(index(&path, &state).expect("an index").files[0].path, "two");
        assert_eq!(first.files[0].path, "one");
        assert_eq!(index(&folder.path().join("none"), &state).expect_err("no file").code, Code::BundleUnreadable);
    }
}

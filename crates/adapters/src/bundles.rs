//! A bundle's file, its index in the state folder, and its charts.

mod create;

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use portolan_bundle::{BundleIndex, BundleParts, BundleReader, FileKind, INDEX_FORMAT, Limits};
use portolan_helm_compat::chart::PackedChart;
use portolan_model::{Code, Digest, Finding};
use serde::{Deserialize, Serialize};

pub use create::create;

use crate::store::files::{FileIdentity, make_folder, write_durably};

/// The index of a file. A registry verifies content again when it is sent.
#[derive(Serialize, Deserialize)]
struct Saved {
    identity: FileIdentity,
    index: BundleIndex,
}

/// The index of a bundle, or of the parts of it that count: the one that is kept in the state folder, if the file has not changed
/// since; else the file is read and verified, and its index is kept. Of a file that changed within the last seconds none is kept: it
/// could change once more and look the same.
///
/// # Errors
/// If the file cannot be read, or is refused: see [`portolan_bundle::BundleError`].
pub fn index(path: &Path, parts: &BundleParts, state: &Path) -> Result<BundleIndex, Finding> {
    index_at(SystemTime::now(), path, parts, state)
}

fn index_at(now: SystemTime, path: &Path, parts: &BundleParts, state: &Path) -> Result<BundleIndex, Finding> {
    let unreadable = |error: std::io::Error| {
        Finding::blocking(Code::BundleUnreadable, format!("{} cannot be read", path.display()))
            .with(error.to_string())
            .why("images and charts are read from it")
            .next("check the path and its permissions")
    };
    let file = File::open(path).map_err(unreadable)?;
    let identity = FileIdentity::of(&file.metadata().map_err(unreadable)?);
    let kept = kept_at(&path.canonicalize().map_err(unreadable)?, parts, state);
    if let Some(index) = load(&kept, &identity) {
        return Ok(index);
    }
    let index = portolan_bundle::read_parts(file, Limits::default(), parts)
        .map_err(|error| error.finding().with(format!("bundle: {}", path.display())))?;
    let saved = Saved { identity, index };
    if saved.identity.is_settled(now) {
        make_folder(kept.parent().unwrap_or(state))?;
        write_durably(&kept, &serde_json::to_vec(&saved).expect("an index is JSON"))?;
    }
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

/// The helm program of a bundle, taken out into the state folder; `None` if the bundle has none. A run that goes on later finds
/// it there.
///
/// # Errors
/// If the file is not what its index says, or the state folder cannot be written.
pub fn helm(path: &Path, index: &BundleIndex, state: &Path) -> Result<Option<PathBuf>, Finding> {
    let Some(helm) = index.files.iter().find(|file| file.kind == FileKind::Helm) else { return Ok(None) };
    let changed = |error: std::io::Error| {
        Finding::blocking(Code::BundleDiffers, format!("{} cannot be read from {}", helm.path, path.display()))
            .with(error.to_string())
            .next("run it again once nothing writes to the file")
    };
    let mut program = Vec::new();
    let mut reader = BundleReader::new(File::open(path).map_err(changed)?, Limits::default());
    let read = reader.open(&helm.location).and_then(|mut part| part.read_to_end(&mut program));
    read.map_err(changed)?;
    let folder = state.join("bundles").join(format!("helm-{}", &Digest::of(&program).hex()[..16]));
    let to = folder.join("helm");
    make_folder(&folder)?;
    // The folder is named after the content: what is there already is the same.
    if !std::fs::metadata(&to).is_ok_and(|there| there.len() == program.len() as u64) {
        write_durably(&to, &program)?;
    }
    let unusable = |error: std::io::Error| {
        Finding::blocking(Code::StateFolder, format!("{} cannot be made a program", to.display()))
            .with(error.to_string())
    };
    std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o700)).map_err(unusable)?;
    Ok(Some(to))
}

/// Where the index of a file, and of these parts of it, is kept.
fn kept_at(path: &Path, parts: &BundleParts, state: &Path) -> PathBuf {
    let mut name = path.as_os_str().as_encoded_bytes().to_vec();
    if *parts != BundleParts::default() {
        // No path has this byte.
        name.push(0);
        name.extend(serde_json::to_vec(parts).expect("two texts are JSON"));
    }
    let name = Digest::of(&name);
    state.join("bundles").join(format!("{}.json", &name.hex()[..16]))
}

/// An index that is kept; one that cannot be used is made again.
fn load(path: &Path, identity: &FileIdentity) -> Option<BundleIndex> {
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
    fn the_helm_of_a_bundle_becomes_a_program_in_the_state_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, state) = (folder.path().join("b.tar"), folder.path().join("state"));
        let taken = |bytes: Vec<u8>| {
            std::fs::write(&path, bytes).expect("a file");
            let index = index(&path, &BundleParts::default(), &state).expect("an index");
            helm(&path, &index, &state).expect("it is read")
        };
        assert_eq!(taken(tar("none")), None);
        let program = b"\x7fELF of a helm";
        let with = || portolan_testkit::bundle::Tar::default().program("chart/helm", program).end();
        let first = taken(with()).expect("a helm");
        let mode = std::fs::metadata(&first).expect("it is there").permissions().mode();
        assert_eq!((std::fs::read(&first).expect("a file").as_slice(), mode & 0o777), (program.as_slice(), 0o700));
        // Half of one is not taken for it.
        std::fs::write(&first, "half").expect("a file");
        assert_eq!(taken(with()), Some(first.clone()));
        assert_eq!(std::fs::read(&first).expect("a file"), program);
    }

    /// Once the file systems' clocks have ticked.
    fn later() -> SystemTime {
        SystemTime::now() + std::time::Duration::from_secs(60)
    }

    #[test]
    fn no_index_is_kept_of_a_file_that_changed_just_now() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, state) = (folder.path().join("b.tar"), folder.path().join("state"));
        std::fs::write(&path, tar("one")).expect("a file");
        let kept = kept_at(&path.canonicalize().expect("a path"), &BundleParts::default(), &state);
        for (now, is_kept) in [(SystemTime::now(), false), (later(), true)] {
            assert_eq!(index_at(now, &path, &BundleParts::default(), &state).expect("an index").files[0].path, "one");
            assert_eq!(kept.exists(), is_kept);
        }
    }

    #[test]
    fn an_index_is_kept_until_the_file_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, state) = (folder.path().join("b.tar"), folder.path().join("state"));
        let index = |parts: &BundleParts| index_at(later(), &path, parts, &state);
        std::fs::write(&path, tar("one")).expect("a file");
        let first = index(&BundleParts::default()).expect("an index");
        let kept = kept_at(&path.canonicalize().expect("a path"), &BundleParts::default(), &state);
        // What is kept is used: a mark in it comes back.
        let text = std::fs::read_to_string(&kept).expect("it is kept");
        std::fs::write(&kept, text.replace("\"one\"", "\"kept\"")).expect("a file");
        assert_eq!(index(&BundleParts::default()).expect("an index").files[0].path, "kept");
        // The index of a part is another one.
        let parts = BundleParts { images: Some("images".into()), charts: None };
        assert_eq!(index(&parts).expect_err("it has no images").code, Code::BundleUnrecognized);
        std::fs::write(&path, tar("two")).expect("a file");
        assert_eq!(index(&BundleParts::default()).expect("an index").files[0].path, "two");
        std::fs::write(&kept, "damaged").expect("a file");
        assert_eq!(index(&BundleParts::default()).expect("an index").files[0].path, "two");
        assert_eq!(first.files[0].path, "one");
        assert_eq!(
            super::index(&folder.path().join("none"), &BundleParts::default(), &state).expect_err("no file").code,
            Code::BundleUnreadable
        );
    }
}

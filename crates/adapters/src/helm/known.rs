//! The digest of a helm program, kept in the user's cache folder: helm has sixty megabytes and more, and reading them takes longer than most
//! of a survey. It is taken from there for a plan alone. Before a run starts helm, the program is read whole: see [`super::is_planned`].

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use etcetera::BaseStrategy as _;
use portolan_model::Digest;
use serde::{Deserialize, Serialize};

use crate::store::files::{FileIdentity, make_folder, write_durably};

#[derive(Serialize, Deserialize)]
struct Known {
    identity: FileIdentity,
    digest: Digest,
}

/// The folder that digests are kept in; `None` where the user has no home.
pub(super) fn folder() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("portolan"))
}

/// The digest of a program, from the folder where it is known and the file is the same, else from the file. Whether it can be kept makes
/// no difference.
pub(super) fn digest(program: &Path, folder: Option<&Path>, now: SystemTime) -> std::io::Result<Digest> {
    let file = File::open(program)?;
    let identity = FileIdentity::of(&file.metadata()?);
    let kept = folder.map(|folder| folder.join(format!("helm-{}.json", &Digest::of(name(program)).hex()[..16])));
    if let Some(digest) = kept.as_deref().and_then(|kept| load(kept, &identity)) {
        return Ok(digest);
    }
    let digest = Digest::of_reader(&file)?;
    let stayed = FileIdentity::of(&file.metadata()?) == identity && identity.is_settled(now);
    if let Some(kept) = kept.filter(|_| stayed) {
        keep(&kept, &Known { identity, digest: digest.clone() });
    }
    Ok(digest)
}

fn name(program: &Path) -> &[u8] {
    program.as_os_str().as_encoded_bytes()
}

fn load(kept: &Path, identity: &FileIdentity) -> Option<Digest> {
    let known: Known = serde_json::from_slice(&fs::read(kept).ok()?).ok()?;
    (known.identity == *identity).then_some(known.digest)
}

/// Best effort: without it the program is read again.
fn keep(kept: &Path, known: &Known) -> Option<()> {
    make_folder(kept.parent()?).ok()?;
    write_durably(kept, &serde_json::to_vec(known).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A folder with a program, and its digest as it is told some time from now.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            let place = Self(tempfile::tempdir().expect("a folder"));
            place.write("one");
            place
        }

        fn program(&self) -> PathBuf {
            self.0.path().join("helm")
        }

        fn write(&self, text: &str) {
            fs::write(self.program(), text).expect("a file");
        }

        fn digest(&self, later: u64) -> Digest {
            let now = SystemTime::now() + Duration::from_secs(later);
            digest(&self.program(), Some(&self.0.path().join("cache")), now).expect("a file")
        }

        /// Lets the folder tell something else than what the file is.
        fn mark(&self) -> Digest {
            let mark = Digest::of(b"mark");
            let kept =
                fs::read_dir(self.0.path().join("cache")).expect("a folder").next().expect("a file").expect("a name");
            let mut known: Known = serde_json::from_slice(&fs::read(kept.path()).expect("text")).expect("JSON");
            known.digest = mark.clone();
            fs::write(kept.path(), serde_json::to_vec(&known).expect("JSON")).expect("a file");
            mark
        }
    }

    #[test]
    fn a_program_that_stays_is_read_once() {
        let place = Place::new();
        assert_eq!(place.digest(60), Digest::of(b"one"));
        let mark = place.mark();
        assert_eq!(place.digest(60), mark);
    }

    #[test]
    fn another_program_is_read_even_of_the_same_length_and_time() {
        let place = Place::new();
        let modified = fs::metadata(place.program()).and_then(|file| file.modified()).expect("a time");
        place.digest(60);
        let mark = place.mark();
        // The clock of a file system ticks.
        while place.digest(60) == mark {
            place.write("two");
            File::options()
                .write(true)
                .open(place.program())
                .and_then(|file| file.set_modified(modified))
                .expect("a time");
        }
        assert_eq!(place.digest(60), Digest::of(b"two"));
    }

    #[test]
    fn what_changed_just_now_is_not_kept() {
        let place = Place::new();
        assert_eq!(place.digest(0), Digest::of(b"one"));
        assert!(!place.0.path().join("cache").exists());
        assert_eq!(place.digest(60), Digest::of(b"one"));
        assert!(place.0.path().join("cache").exists());
    }

    #[test]
    fn a_digest_that_cannot_be_kept_is_told_all_the_same() {
        let place = Place::new();
        let now = SystemTime::now() + Duration::from_secs(60);
        for folder in [None, Some(place.program())] {
            assert_eq!(digest(&place.program(), folder.as_deref(), now).expect("a file"), Digest::of(b"one"));
        }
        place.digest(60);
        let kept =
            fs::read_dir(place.0.path().join("cache")).expect("a folder").next().expect("a file").expect("a name");
        fs::write(kept.path(), "{").expect("a file");
        assert_eq!(place.digest(60), Digest::of(b"one"));
    }
}

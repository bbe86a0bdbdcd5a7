//! What is known of a helm program, kept in the user's cache folder: helm has sixty megabytes and more, and reading them, or starting it to
//! hear its version, takes longer than most of a survey. It is taken from there for a plan alone. Before a run starts helm, the program is
//! read whole: see [`super::is_planned`].

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use etcetera::BaseStrategy as _;
use portolan_model::Digest;
use serde::{Deserialize, Serialize};

use crate::store::files::{FileIdentity, make_folder, write_durably};

/// What the build information of a Go program has before the path of its main package (Go 1.26, `runtime/debug`, `BuildInfo.String`).
const MAIN: &[u8] = b"path\thelm.sh/helm/v";

/// What helm's main package is called below its module (helm 3.14.4 to 4.3.1).
const PACKAGE: &[u8] = b"/cmd/helm\n";

#[derive(Serialize, Deserialize)]
pub(super) struct Known {
    identity: FileIdentity,
    pub(super) digest: Digest,
    /// What it says of its version. Kept only of helm itself, whose bytes decide it: a version manager may put another helm behind the
    /// same file.
    #[serde(default)]
    pub(super) version: Option<semver::Version>,
}

/// A program that was read.
pub(super) struct Program {
    known: Known,
    /// Whether the program is helm, and not something that finds one.
    is_helm: bool,
    /// Whether a change would show from now on.
    is_settled: bool,
}

/// The folder that this is kept in; `None` where the user has no home.
pub(super) fn folder() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("portolan"))
}

/// What is known of a program whose file is the same as then.
pub(super) fn kept(program: &Path, folder: Option<&Path>) -> Option<Known> {
    let identity = FileIdentity::of(&fs::metadata(program).ok()?);
    let known: Known = serde_json::from_slice(&fs::read(place(program, folder?)).ok()?).ok()?;
    (known.identity == identity).then_some(known)
}

/// Reads a program.
pub(super) fn read(program: &Path, now: SystemTime) -> io::Result<Program> {
    let file = File::open(program)?;
    let identity = FileIdentity::of(&file.metadata()?);
    let mut looking = Looking { inner: &file, seen: Vec::new(), is_helm: false };
    let digest = Digest::of_reader(&mut looking)?;
    let is_helm = looking.is_helm;
    let is_settled = FileIdentity::of(&file.metadata()?) == identity && identity.is_settled(now);
    Ok(Program { known: Known { identity, digest, version: None }, is_helm, is_settled })
}

impl Program {
    /// Its digest.
    pub(super) fn digest(&self) -> &Digest {
        &self.known.digest
    }

    /// Keeps it, with the version that the program says. Whether it can be kept makes no difference.
    pub(super) fn keep(mut self, program: &Path, folder: Option<&Path>, version: &semver::Version) {
        self.known.version = self.is_helm.then(|| version.clone());
        if let Some(folder) = folder.filter(|_| self.is_settled) {
            keep(&place(program, folder), &self.known);
        }
    }
}

/// Looks for helm's build information in what is read.
struct Looking<R> {
    inner: R,
    /// The end of what was read before.
    seen: Vec<u8>,
    is_helm: bool,
}

impl<R: Read> Read for Looking<R> {
    fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(part)?;
        if !self.is_helm {
            self.seen.extend_from_slice(&part[..read]);
            self.is_helm = is_helm(&self.seen);
            // A major version has few digits.
            let kept = self.seen.len().min(MAIN.len() + PACKAGE.len() + 3);
            self.seen.drain(..self.seen.len() - kept);
        }
        Ok(read)
    }
}

fn is_helm(bytes: &[u8]) -> bool {
    let tabs = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\t');
    let starts = tabs.filter_map(|(at, _)| bytes.get(at.checked_sub(4)?..)?.strip_prefix(MAIN));
    let ends = starts.map(|rest| &rest[rest.iter().take_while(|byte| byte.is_ascii_digit()).count()..]);
    ends.into_iter().any(|rest| rest.starts_with(PACKAGE))
}

fn place(program: &Path, folder: &Path) -> PathBuf {
    folder.join(format!("helm-{}.json", &Digest::of(program.as_os_str().as_encoded_bytes()).hex()[..16]))
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

    /// What helm has in it, and a version manager has not.
    const HELM: &str = "\npath\thelm.sh/helm/v3/cmd/helm\nmod\thelm.sh/helm/v3\n";

    /// A folder with a program, and what is known of it as it is asked some time from now.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new(text: &str) -> Self {
            let place = Self(tempfile::tempdir().expect("a folder"));
            place.write(text);
            place
        }

        fn program(&self) -> PathBuf {
            self.0.path().join("helm")
        }

        fn cache(&self) -> PathBuf {
            self.0.path().join("cache")
        }

        fn write(&self, text: &str) {
            fs::write(self.program(), text).expect("a file");
        }

        fn kept(&self) -> Option<Known> {
            kept(&self.program(), Some(&self.cache()))
        }

        /// Reads the program so many seconds from now, and keeps it in a folder.
        fn keep_in(&self, later: u64, folder: Option<&Path>) -> Digest {
            let read = read(&self.program(), SystemTime::now() + Duration::from_secs(later)).expect("a file");
            let digest = read.digest().clone();
            read.keep(&self.program(), folder, &semver::Version::new(3, 22, 0));
            digest
        }

        fn keep(&self, later: u64) -> Digest {
            self.keep_in(later, Some(&self.cache()))
        }
    }

    #[test]
    fn a_program_that_stays_is_known() {
        let place = Place::new("one");
        assert!(place.kept().is_none());
        assert_eq!(place.keep(60), Digest::of(b"one"));
        assert_eq!(place.kept().expect("it was kept").digest, Digest::of(b"one"));
    }

    #[test]
    fn another_program_is_not_known_even_of_the_same_length_and_time() {
        let place = Place::new("one");
        let modified = fs::metadata(place.program()).and_then(|file| file.modified()).expect("a time");
        place.keep(60);
        // The clock of a file system ticks.
        while place.kept().is_some() {
            place.write("two");
            File::options()
                .write(true)
                .open(place.program())
                .and_then(|file| file.set_modified(modified))
                .expect("a time");
        }
        assert_eq!(place.keep(60), Digest::of(b"two"));
    }

    #[test]
    fn what_changed_just_now_is_not_kept() {
        let place = Place::new("one");
        assert_eq!(place.keep(0), Digest::of(b"one"));
        assert!(!place.cache().exists());
        place.keep(60);
        assert!(place.cache().exists());
    }

    #[test]
    fn what_cannot_be_kept_makes_no_difference() {
        let place = Place::new("one");
        for folder in [None, Some(place.program())] {
            assert_eq!(place.keep_in(60, folder.as_deref()), Digest::of(b"one"));
        }
        place.keep(60);
        let kept = fs::read_dir(place.cache()).expect("a folder").next().expect("a file").expect("a name");
        fs::write(kept.path(), "{").expect("a file");
        assert!(place.kept().is_none());
    }

    #[test]
    fn the_version_of_helm_itself_is_kept_and_of_nothing_else() {
        for (text, is_kept) in [
            (HELM.to_owned(), true),
            (format!("{}{HELM}", "x".repeat((1 << 18) - 9)), true),
            (HELM.replace("v3", "v12"), true),
            ("#!/bin/sh\nexec asdf exec helm \"$@\"\n".into(), false),
            ("\npath\tgithub.com/jdx/mise\ndep\thelm.sh/helm/v3\tv3.22.0\n".into(), false),
            (HELM.replace("cmd/helm", "cmd/other"), false),
        ] {
            let place = Place::new(&text);
            place.keep(60);
            assert_eq!(place.kept().expect("it was kept").version.is_some(), is_kept, "{text:.60}");
        }
    }
}

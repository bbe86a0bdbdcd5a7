use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use portolan_model::{Code, Finding, ReleaseId, Uid};
use rustix::fs::{FlockOperation, flock};

use super::files::{make_folder, unusable};

/// The lock of a release on this machine. It ends with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Takes the locks of all releases that a plan works on: in the order of their names, so that of two plans that have some in common
/// one gets them all.
///
/// # Errors
/// [`Code::Held`] where another process holds one, with what that process wrote about itself. Then none is held.
pub fn lock_all<'a>(
    root: &Path,
    cluster: &Uid,
    releases: impl IntoIterator<Item = &'a ReleaseId>,
) -> Result<Vec<Lock>, Finding> {
    let releases: BTreeSet<&ReleaseId> = releases.into_iter().collect();
    releases.into_iter().map(|release| lock(root, cluster, release)).collect()
}

/// Takes the lock of a release.
fn lock(root: &Path, cluster: &Uid, release: &ReleaseId) -> Result<Lock, Finding> {
    let folder = super::release_folder(root, cluster, release);
    make_folder(&folder)?;
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| unusable(&path, &error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(&mut file, release)),
        Err(errno) => return Err(unusable(&path, &errno.into())),
    }
    let text = format!("pid {} {}\n", std::process::id(), command_line());
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(text.as_bytes()))
        .map_err(|error| unusable(&path, &error))?;
    Ok(Lock { _file: file })
}

/// The run of a release that is under way on this machine: [`Code::Held`], with what that process wrote about itself.
#[must_use]
pub fn under_way(root: &Path, cluster: &Uid, release: &ReleaseId) -> Option<Finding> {
    let mut file = File::open(super::release_folder(root, cluster, release).join("lock")).ok()?;
    let taken = flock(&file, FlockOperation::NonBlockingLockShared);
    (taken == Err(rustix::io::Errno::WOULDBLOCK)).then(|| held(&mut file, release))
}

fn held(file: &mut File, release: &ReleaseId) -> Finding {
    let mut holder = String::new();
    // Evidence only: a holder that could not be read is still a holder.
    let _ = file.read_to_string(&mut holder);
    Finding::blocking(Code::Held, format!("another run holds {release} on this machine")).with(holder.trim())
}

/// The words of our own command line without its options, which may hold passwords (`--set`).
fn command_line() -> String {
    let words: Vec<String> =
        std::env::args().take(2).map(|word| word.rsplit('/').next().unwrap_or_default().to_owned()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_excludes_until_it_is_dropped() {
        let root = tempfile::tempdir().expect("a folder");
        let release = ReleaseId { namespace: "ns".into(), name: "rel".into() };
        let take = || lock(root.path(), &Uid::new("5c1e0f2a-1"), &release);
        let first = take().expect("it is free");
        let refused = take().expect_err("it is held");
        assert_eq!(refused.code, Code::Held);
        assert!(refused.evidence[0].contains(&std::process::id().to_string()));
        let held = || under_way(root.path(), &Uid::new("5c1e0f2a-1"), &release);
        assert_eq!(held(), Some(refused));
        drop(first);
        assert_eq!(held(), None);
        take().expect("it is free again");
    }

    #[test]
    fn a_plan_holds_the_locks_of_all_its_releases_or_none() {
        let root = tempfile::tempdir().expect("a folder");
        let cluster = Uid::new("5c1e0f2a-1");
        let release = |name: &str| ReleaseId { namespace: "ns".into(), name: name.into() };
        let (a, b, c) = (release("a"), release("b"), release("c"));
        let is_held = |release: &ReleaseId| under_way(root.path(), &cluster, release).is_some();
        let locks = lock_all(root.path(), &cluster, [&b, &a, &b]).expect("they are free");
        assert_eq!(locks.len(), 2, "a release that is named twice is locked once");
        assert_eq!([&a, &b, &c].map(is_held), [true, true, false]);
        let refused = lock_all(root.path(), &cluster, [&c, &b]).expect_err("one is held");
        assert_eq!((refused.code, refused.found.as_str()), (Code::Held, "another run holds ns/b on this machine"));
        assert!(!is_held(&c), "who does not get all holds none");
        drop(locks);
        lock_all(root.path(), &cluster, [&c, &b]).expect("they are free again");
    }
}

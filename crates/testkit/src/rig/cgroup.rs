//! The rig's folder in the machine's cgroup hierarchies, of either version.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;

use super::state::poll;

/// The hierarchies under `/sys/fs/cgroup` that the kubelet is to use: one per controller (v1), or a single one (v2).
fn hierarchies() -> Result<Vec<PathBuf>> {
    let mut found = mounted(&fs::read_to_string("/proc/self/mountinfo")?);
    // Beside the hierarchies of v1 one of v2 may be mounted, without controllers: the kubelet is not to mix them.
    let v1 = found.iter().any(|(_, kind)| kind == "cgroup");
    found.retain(|(_, kind)| !v1 || kind == "cgroup");
    Ok(found.into_iter().map(|(path, _)| path).collect())
}

/// Every hierarchy, with its kind. The container runtime enters each of them.
fn mounted(mountinfo: &str) -> Vec<(PathBuf, String)> {
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for line in mountinfo.lines() {
        let Some((head, tail)) = line.split_once(" - ") else { continue };
        let (Some(path), Some(kind)) = (head.split(' ').nth(4), tail.split(' ').next()) else { continue };
        let path = PathBuf::from(path);
        if path.starts_with("/sys/fs/cgroup")
            && kind.starts_with("cgroup")
            && !found.iter().any(|(seen, _)| *seen == path)
        {
            found.push((path, kind.to_owned()));
        }
    }
    found
}

/// Makes the folder `name` in each hierarchy, ready for the kubelet to make its own below.
pub(crate) fn create(name: &str) -> Result<()> {
    let hierarchies = hierarchies()?;
    for root in &hierarchies {
        if root.join("cgroup.controllers").exists() {
            delegate(root)?;
        }
        let dir = root.join(name);
        fs::create_dir_all(&dir)?;
        if root.join("cgroup.controllers").exists() {
            delegate(&dir)?;
        }
        // A cpuset that was just made is empty, and no process can enter it.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if dir.join(file).exists() && root.join(file).exists() {
                fs::write(dir.join(file), fs::read(root.join(file))?)?;
            }
        }
    }
    anyhow::ensure!(!hierarchies.is_empty(), "no cgroup hierarchy is mounted under /sys/fs/cgroup");
    Ok(())
}

/// Hands every controller of a v2 folder to the folders below it.
fn delegate(dir: &Path) -> Result<()> {
    let offered = fs::read_to_string(dir.join("cgroup.controllers"))?;
    for controller in offered.split_whitespace() {
        // One that cannot be handed down is not missed by more than the limits that need it.
        let _ = fs::write(dir.join("cgroup.subtree_control"), format!("+{controller}"));
    }
    Ok(())
}

/// Removes the folder `name` with all below from each hierarchy; its processes must be dead or dying.
pub(crate) fn remove(name: &str) -> Result<()> {
    for (root, _) in mounted(&fs::read_to_string("/proc/self/mountinfo")?) {
        let dir = root.join(name);
        poll(&format!("removing {}", dir.display()), || {
            if !dir.exists() {
                return Ok(Some(()));
            }
            remove_tree(&dir)?;
            Ok(Some(()))
        })?;
    }
    Ok(())
}

fn remove_tree(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(dir).with_context(|| format!("{} is still in use", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hierarchy_is_found_once_and_with_its_kind() {
        let mounts = "25 24 0:22 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      25 24 0:22 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      26 24 0:23 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                      27 1 0:24 / /proc rw - proc proc rw\n";
        let expected = [("/sys/fs/cgroup/cpu", "cgroup"), ("/sys/fs/cgroup/unified", "cgroup2")];
        assert_eq!(mounted(mounts), expected.map(|(path, kind)| (PathBuf::from(path), kind.to_owned())));
    }
}

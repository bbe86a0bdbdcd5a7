//! Fetches Debian packages and unpacks them into a folder. The host's package lists and packages stay as they are.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;

use super::pins;
use super::work::Work;

/// The step: the node's packages under `node`, PostgreSQL's under `postgres`.
pub(crate) fn unpack(work: &Work<'_>, to: &Path) -> Result<()> {
    fetch(work, to, &[("node", pins::NODE_PACKAGES), ("postgres", pins::POSTGRES_PACKAGES)])?;
    link_iptables(&to.join("node"))
}

/// Unpacks packages into folders of these names.
pub(crate) fn fetch(work: &Work<'_>, to: &Path, folders: &[(&str, &[&str])]) -> Result<()> {
    let apt = to.join("apt");
    for dir in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(dir))?;
    }
    work.run(apt_get(&apt).arg("update"))?;
    for (name, packages) in folders {
        let archives = apt.join(name);
        fs::create_dir_all(&archives)?;
        work.run(apt_get(&apt).arg("download").args(*packages).current_dir(&archives))
            .with_context(|| format!("the rig is made from the packages of Debian {}", pins::DEBIAN))?;
        let tree = to.join(name);
        for archive in fs::read_dir(&archives)? {
            work.run(Command::new("dpkg").arg("-x").arg(archive?.path()).arg(&tree))?;
        }
    }
    Ok(fs::remove_dir_all(&apt)?)
}

/// apt with folders of its own for all that it writes.
fn apt_get(apt: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("-q");
    command.arg("-o").arg(format!("Dir::State::lists={}", apt.join("lists").display()));
    command.arg("-o").arg(format!("Dir::Cache={}", apt.join("cache").display()));
    // Its other user could not write here.
    command.args(["-o", "APT::Sandbox::User=root"]);
    command
}

/// The names by which kube-proxy calls iptables: the package leaves them to Debian's alternatives.
fn link_iptables(node: &Path) -> Result<()> {
    let links = node.join("links");
    fs::create_dir_all(&links)?;
    for family in ["iptables", "ip6tables"] {
        for action in ["", "-save", "-restore"] {
            symlink("../usr/sbin/xtables-nft-multi", links.join(format!("{family}{action}")))?;
        }
    }
    Ok(())
}

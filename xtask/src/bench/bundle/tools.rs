//! How other tools push the images of an input.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use portolan_testkit::rig::ImageTools;
use portolan_trials::side_by_side;

use super::input::{Input, Shape, TheirImage};
use crate::bench::resource_usage;

/// A tool, and how many of it run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OtherTool {
    kind: Kind,
    at_once: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Skopeo,
    /// Skopeo that compresses as fast as it can, which is what Portolan and crane do unasked.
    SkopeoFast,
    Crane,
}

/// What is pushed with which tools, and where to.
pub(super) struct Pushing<'a> {
    pub(super) tools: &'a ImageTools,
    pub(super) input: &'a Input,
    pub(super) home: &'a Path,
    pub(super) to: &'a str,
}

impl OtherTool {
    /// One `skopeo copy` after the other.
    pub(super) const SKOPEO: Self = Self { kind: Kind::Skopeo, at_once: 1 };

    /// What may be the fastest use of other tools.
    pub(super) const PARALLEL: [Self; 4] = [
        Self { kind: Kind::SkopeoFast, at_once: 2 },
        Self { kind: Kind::SkopeoFast, at_once: 4 },
        Self { kind: Kind::Crane, at_once: 2 },
        Self { kind: Kind::Crane, at_once: 4 },
    ];

    /// Pushes all images. Neither tool reads a gzip-compressed bundle: that is unpacked first.
    pub(super) fn push(self, pushing: &Pushing<'_>) -> Result<()> {
        let unpacked = match pushing.input.shape {
            Shape::Gzip => {
                let to = pushing.home.join("unpacked");
                if !to.exists() {
                    fs_err::create_dir_all(&to)?;
                    let mut tar = Command::new("tar");
                    tar.arg("-xzf").arg(&pushing.input.bundle).arg("-C").arg(&to);
                    resource_usage::time(&mut tar)?;
                }
                to
            }
            Shape::Layout | Shape::Archives => pushing.input.theirs.clone(),
        };
        let one = |image: &TheirImage| resource_usage::time(&mut self.command(pushing, &unpacked, image)).map(drop);
        side_by_side::each(&pushing.input.images, self.at_once, &one, &|()| {}).map(drop)
    }

    fn command(self, pushing: &Pushing<'_>, unpacked: &Path, image: &TheirImage) -> Command {
        let Pushing { tools, input, home, to } = pushing;
        let target = format!("{to}/{}", image.name);
        let is_layout = input.shape == Shape::Layout;
        match self.kind {
            Kind::Skopeo | Kind::SkopeoFast => {
                let source = if is_layout {
                    format!("oci:{}:{}", unpacked.join("layout").display(), image.name)
                } else {
                    format!("docker-archive:{}", unpacked.join(&image.archive).display())
                };
                let mut command = tools.skopeo(home);
                command.args(["copy", "--quiet", "--dest-tls-verify=false"]);
                if self.kind == Kind::SkopeoFast {
                    command.args(["--dest-compress-format", "gzip", "--dest-compress-level", "1"]);
                }
                command.args([&source, &format!("docker://{target}")]);
                command
            }
            Kind::Crane => {
                let source: PathBuf = unpacked.join(&image.archive);
                let mut command = tools.crane(home);
                command.args(["push", "--insecure"]).arg(source).arg(target);
                command
            }
        }
    }
}

impl fmt::Display for OtherTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tool = match self.kind {
            Kind::Skopeo => "`skopeo copy`",
            Kind::SkopeoFast => "`skopeo copy --dest-compress-level 1`",
            Kind::Crane => "`crane push`",
        };
        write!(f, "{} at once of {tool}", self.at_once)
    }
}

//! Pushes a bundle into a registry, straight from its file: without a Docker daemon and without a temporary copy. [`look`] asks
//! a registry for images.
//!
//! A layer that lies plain in an archive without manifests is compressed on its way, as other tools do: a registry keeps what it
//! is sent, and every node pulls it. A layer of an image that has a manifest is sent to the byte.
//!
//! A blob is sent only if the registry does not have it; it is taken from another repository of the registry where that is
//! possible. Manifests follow when all blobs are there, and are read back. Running a push again continues: what is there is
//! not sent again, and a blob that was cut off starts anew. A registry takes a manifest only when it has what the manifest names
//! (distribution 3.1.2, `registry/storage/ocimanifesthandler.go`): whether it has lost a blob since is asked where [`Asking`] says so.

mod auth;
mod client;
mod clients;
mod feed;
mod layers;
mod look;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicU64;

use futures::{StreamExt as _, TryStreamExt as _};
use portolan_bundle::{BundleIndex, Document, ManifestContent, ManifestPush, PushPaths, PushPlan, with_compressed};
use portolan_kube_facts::has_project_paths;
use portolan_model::{Code, Digest, Finding};
use serde::Serialize;

use auth::Purpose;
use client::Registry;

pub use client::RegistryAccess;
pub use layers::CompressedLayers;
pub use look::{ImageAnswer, ImageQuestion, are_public, look, own_authority};

/// How many blobs are on their way at once, and how many manifests are read at once.
const PARALLEL: usize = 4;

/// How many blobs are asked for at once. What counts is how long the registry takes to answer, and that a connection costs it as
/// much as several answers.
const QUESTIONS: usize = 8;

/// Where a bundle is pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushTarget {
    /// Host, with the port where there is one.
    pub host: String,
    /// A path there, in front of the names of images and charts; may be empty.
    pub path: String,
    /// Host and port by which nodes pull from it, where that is another name.
    pub pull_as: Option<String>,
}

impl PushTarget {
    /// Reads `HOST[:PORT][/PATH]`.
    ///
    /// # Errors
    /// If it has a scheme, a login, a tag, or a path that no registry accepts.
    pub fn parse(text: &str) -> Result<Self, Finding> {
        let bad = |why: &str| {
            let finding = Finding::blocking(Code::BadOption, "the address of the registry is not usable").with(why);
            Err(finding.next("--to HOST[:PORT][/PATH], such as --to registry.example:5000/runai"))
        };
        if text.contains("://") {
            return bad("it has a scheme; a registry is named by host and port alone");
        }
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let path = path.trim_end_matches('/');
        if host.contains('@') {
            return bad("there is a login in it, which every user of this machine can see");
        }
        if !is_host(host) {
            return bad("it has no host, or a character that no host has");
        }
        if !path.is_empty() && !portolan_kube_facts::is_repository(path) {
            return bad("a path in a registry has lower-case letters, digits and `.`, `_`, `-` between them");
        }
        Ok(Self { host: host.to_owned(), path: path.to_owned(), pull_as: None })
    }

    /// The same registry, which nodes know by another name.
    ///
    /// # Errors
    /// If that name is not `HOST[:PORT]`.
    pub fn pulled_as(mut self, name: Option<&str>) -> Result<Self, Finding> {
        if let Some(name) = name.filter(|name| !is_host(name)) {
            let found = format!("`{name}` is not the name of a registry");
            let finding = Finding::blocking(Code::BadOption, found)
                .why("nodes know the same paths in it under another host, so that only a host and a port are named");
            return Err(finding
                .next("--pull-as HOST[:PORT], such as --pull-as image-registry.openshift-image-registry.svc:5000"));
        }
        self.pull_as = name.map(str::to_owned);
        Ok(self)
    }

    /// How its repositories are called.
    ///
    /// # Errors
    /// [`Code::BadOption`] if they are called NAMESPACE/NAME there, and the path is not a namespace.
    pub fn paths(&self) -> Result<PushPaths<'_>, Finding> {
        if ![Some(self.host.as_str()), self.pull_as.as_deref()].into_iter().flatten().any(has_project_paths) {
            return Ok(PushPaths::Under(&self.path));
        }
        if self.path.is_empty() || self.path.contains('/') {
            let path = if self.path.is_empty() { "none".to_owned() } else { format!("`{}`", self.path) };
            let found = format!("OpenShift's own registry needs a namespace as the path, and {path} is given");
            return Err(Finding::blocking(Code::BadOption, found)
                .why("every repository in it is called NAMESPACE/NAME, with neither a shorter nor a longer path")
                .next(format!("{}/NAMESPACE, with a namespace of the cluster", self.host)));
        }
        Ok(PushPaths::Namespace(&self.path))
    }
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

/// How far a push is; read it while the push runs.
#[derive(Debug, Default)]
pub struct PushProgress {
    /// Bytes of content that are in the registry.
    pub done: AtomicU64,
    /// Bytes of content that were sent, before compression.
    pub sent: AtomicU64,
}

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PushReport {
    /// The tags, in order.
    pub tags: Vec<PushedTag>,
    /// Blobs that were sent.
    pub sent: usize,
    /// Blobs that were taken from another repository.
    pub mounted: usize,
    /// Blobs that were there, for each repository.
    pub present: usize,
    /// Manifests that were there, whose blobs were not asked for.
    pub not_asked: usize,
    /// Bytes that the registry was sent: less than lie in the bundle where layers were compressed.
    pub bytes: u64,
}

impl PushReport {
    /// Adds what another part of the push did with blobs.
    fn add(&mut self, blobs: &Self) {
        self.sent += blobs.sent;
        self.mounted += blobs.mounted;
        self.present += blobs.present;
        self.bytes += blobs.bytes;
    }
}

/// A tag in the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PushedTag {
    /// `HOST/REPOSITORY:TAG`.
    pub name: String,
    /// The digest that the registry has under the tag now.
    pub digest: Digest,
    /// What was there before.
    pub before: TagBefore,
}

/// What a tag stood for before a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TagBefore {
    /// The tag was not there.
    Absent,
    /// The same manifest.
    Same,
    /// The same image under another manifest: another tool pushed it. It is left as it is, unless a blob is missing that was asked for.
    SameImage,
    /// Something else, with this digest.
    Other(Digest),
}

/// What a registry is asked for before anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Manifests, and the blobs of those that it does not have.
    Manifests,
    /// Every blob, also of manifests that it has: that repairs a registry which has lost one.
    Blobs,
}

/// What is pushed.
pub struct PushJob<'a> {
    /// The bundle's file.
    pub file: &'a Path,
    /// What it holds.
    pub index: &'a BundleIndex,
    /// What of it is pushed, and under which names.
    pub plan: &'a PushPlan,
    /// What layers became that were compressed before.
    pub layers: &'a CompressedLayers,
    /// What the registry is asked for first.
    pub asking: Asking,
}

/// Pushes what is planned.
///
/// # Errors
/// [`Code::RegistryUnreachable`], [`Code::RegistryDenied`], [`Code::RegistryRefused`] or [`Code::RegistryDiffers`]; one of a bundle
/// if the file has changed since its index was made.
pub async fn push(
    job: &PushJob<'_>,
    target: &PushTarget,
    access: &RegistryAccess,
    progress: &PushProgress,
) -> Result<PushReport, Finding> {
    let registry = Registry::new(&target.host, access, Purpose::Push)?;
    registry.greet().await?;
    let push = Push { registry, job, progress };
    let (before, asked) = match job.asking {
        Asking::Blobs => {
            let all = push.needed(&BTreeSet::new())?;
            let (before, present) = futures::try_join!(push.before(), push.present(&all))?;
            (before, Some(present))
        }
        Asking::Manifests => (push.before().await?, None),
    };
    let is_kept = |before: &TagBefore| match before {
        TagBefore::Same => job.asking == Asking::Manifests,
        TagBefore::SameImage => true,
        TagBefore::Absent | TagBefore::Other(_) => false,
    };
    let kept: BTreeSet<&ManifestPush> =
        before.iter().filter(|(_, before)| is_kept(before)).map(|(push, _)| *push).collect();
    let needed = push.needed(&kept)?;
    let not_asked = if asked.is_none() { kept.len() } else { 0 };
    let present = match asked {
        Some(present) => present,
        None => push.present(&needed).await?,
    };
    let groups = push.groups(needed);
    let uploads = futures::stream::iter(groups).map(|group| push.group(group, &present)).buffer_unordered(PARALLEL);
    let counts: Vec<PushReport> = uploads.try_collect().await?;
    let mut report = PushReport { not_asked, ..PushReport::default() };
    counts.iter().for_each(|count| report.add(count));
    report.tags = push.manifests(&before).await?;
    Ok(report)
}

struct Push<'a> {
    registry: Registry,
    job: &'a PushJob<'a>,
    progress: &'a PushProgress,
}

impl Push<'_> {
    /// What the tags, and the digests of the children of an index, stand for now.
    async fn before(&self) -> Result<BTreeMap<&ManifestPush, TagBefore>, Finding> {
        let looks = futures::stream::iter(&self.job.plan.manifests).map(|push| async move {
            let Some(text) = self.registry.manifest(&push.repository, &push.reference()).await? else {
                return Ok((push, TagBefore::Absent));
            };
            let before = self.compare(push, &text);
            let is_doubted = before == TagBefore::SameImage && self.job.asking == Asking::Blobs;
            if is_doubted && !self.is_whole(&push.repository, &text).await? {
                return Ok((push, TagBefore::Other(Digest::of(&text))));
            }
            Ok::<_, Finding>((push, before))
        });
        looks.buffer_unordered(PARALLEL).try_collect().await
    }

    fn compare(&self, push: &ManifestPush, text: &[u8]) -> TagBefore {
        let (digest, document) = (Digest::of(text), self.document(push));
        if digest == Digest::of(document.text.as_bytes()) {
            return TagBefore::Same;
        }
        // Tools compress anew and write manifests of their own: the configuration tells whether it is the same image.
        let ours = config_of(document.text.as_bytes());
        if ours.is_some() && config_of(text) == ours { TagBefore::SameImage } else { TagBefore::Other(digest) }
    }

    /// A manifest as it is pushed: one that was made for an image names the layers as they are sent.
    fn document(&self, push: &ManifestPush) -> Document {
        let mut document = self.job.index.documents[&push.digest].clone();
        if self.is_generated(&push.digest)
            && let Some(text) = with_compressed(&document.text, |plain| self.job.layers.get(plain))
        {
            document.text = text;
        }
        document
    }

    /// Whether a manifest was made for an image that the bundle has none for. The layers of another one are what it says.
    fn is_generated(&self, manifest: &Digest) -> bool {
        self.job.index.images.iter().any(|image| image.generated && image.manifest == *manifest)
    }

    /// Pushes the manifests, and returns the tags in the order of the plan. What names other manifests is put behind all that names none.
    async fn manifests<'b>(
        &'b self,
        before: &BTreeMap<&'b ManifestPush, TagBefore>,
    ) -> Result<Vec<PushedTag>, Finding> {
        let all = self.job.plan.manifests.iter().enumerate();
        let (indexes, images): (Vec<_>, Vec<_>) =
            all.partition(|(_, push)| config_of(self.job.index.documents[&push.digest].text.as_bytes()).is_none());
        let put = |(at, push): (usize, &'b ManifestPush)| {
            let before = before.get(push).cloned().unwrap_or(TagBefore::Absent);
            async move { Ok::<_, Finding>((at, push.tag.is_some(), self.manifest(push, before).await?)) }
        };
        let mut done: Vec<(usize, bool, PushedTag)> =
            futures::stream::iter(images).map(put).buffer_unordered(PARALLEL).try_collect().await?;
        for index in indexes {
            done.push(put(index).await?);
        }
        done.sort_by_key(|(at, ..)| *at);
        Ok(done.into_iter().filter(|(_, is_tag, _)| *is_tag).map(|(.., tag)| tag).collect())
    }

    /// Pushes a manifest and reads it back.
    async fn manifest(&self, push: &ManifestPush, before: TagBefore) -> Result<PushedTag, Finding> {
        let document = self.document(push);
        let (reference, pushed) = (push.reference(), Digest::of(document.text.as_bytes()));
        let name = format!("{}/{}:{reference}", self.registry.host, push.repository);
        // It was read when the push began.
        if before == TagBefore::Same {
            return Ok(PushedTag { name, digest: pushed, before });
        }
        let there = before == TagBefore::SameImage;
        if !there {
            self.registry.put_manifest(&push.repository, &reference, &document.media_type, &document.text).await?;
        }
        let text = self.registry.manifest(&push.repository, &reference).await?.unwrap_or_default();
        let digest = Digest::of(&text);
        if digest != pushed && !there {
            return Err(Finding::blocking(Code::RegistryDiffers, format!("{name} is not what was pushed"))
                .with(format!("pushed: {pushed}"))
                .with(format!("read back: {digest}")));
        }
        Ok(PushedTag { name, digest, before })
    }
}

/// The configuration that a manifest names; an index names none.
fn config_of(manifest: &[u8]) -> Option<Digest> {
    let content: ManifestContent = serde_json::from_slice(manifest).ok()?;
    content.config.map(|config| config.digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_of_openshift_has_paths_of_two_parts() {
        let service = Some("image-registry.openshift-image-registry.svc:5000");
        let target = |text: &str, name| PushTarget::parse(text).expect(text).pulled_as(name).expect("a name");
        assert_eq!(target("route.example/site", service).paths().expect("paths"), PushPaths::Namespace("site"));
        for text in ["route.example", "route.example/site/runai"] {
            let finding = target(text, service).paths().expect_err(text);
            assert!(finding.code == Code::BadOption && format!("{finding:?}").contains("NAMESPACE"), "{finding:?}");
            // Another registry with two names has no such rule.
            target(text, Some("registry.internal:5000")).paths().expect(text);
            target(text, None).paths().expect(text);
        }
        // It is known by the Route that its operator makes too, whatever nodes call it.
        let route = "default-route-openshift-image-registry.apps.example";
        assert_eq!(target(&format!("{route}/site"), None).paths().expect("paths"), PushPaths::Namespace("site"));
        assert!(target(&format!("{route}/site/runai"), Some("registry.internal")).paths().is_err());
        for name in ["", "https://h", "h/a", "me@h"] {
            PushTarget::parse("h").expect("a target").pulled_as(Some(name)).expect_err(name);
        }
    }

    #[test]
    fn a_target_is_a_host_and_a_path() {
        let target = PushTarget::parse("h:5000/a/b/").expect("a target");
        assert_eq!((target.host.as_str(), target.path.as_str()), ("h:5000", "a/b"));
        for text in ["", "/a", "https://h", "me:hidden@h/a", "h/A", "h/a:1", "h?x", "h/a@sha256:0"] {
            let finding = PushTarget::parse(text).expect_err(text);
            assert!(finding.code == Code::BadOption && !format!("{finding:?}").contains("hidden"), "{finding:?}");
        }
    }
}

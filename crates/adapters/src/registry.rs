//! Pushes a bundle into a registry, straight from its file: without a Docker daemon and without a temporary copy. [`look`] asks
//! a registry for images.
//!
//! A blob is sent only if the registry does not have it; it is taken from another repository of the registry where that is
//! possible. Manifests follow when all blobs are there, and are read back. Running a push again continues: what is there is
//! not sent again, and a blob that was cut off starts anew.

mod auth;
mod client;
mod feed;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{StreamExt as _, TryStreamExt as _};
use portolan_bundle::{Blob, BundleIndex, Location, ManifestContent, ManifestPush, PushPlan};
use portolan_model::{Code, Digest, Finding};
use reqwest::Body;
use serde::Serialize;

use auth::Purpose;
use client::{Registry, Upload};
use feed::Feed;

pub use client::RegistryAccess;
pub use look::{ImageAnswer, ImageQuestion, look};

/// How many blobs are on their way at once.
const PARALLEL: usize = 4;

/// How often a blob is tried while the registry does not answer.
const TRIES: u64 = 3;

/// Where a bundle is pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushTarget {
    /// Host, with the port where there is one.
    pub host: String,
    /// A path there, in front of the names of images and charts; may be empty.
    pub path: String,
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
        let usable = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if host.is_empty() || !host.bytes().all(usable) {
            return bad("it has no host, or a character that no host has");
        }
        if !path.is_empty() && !portolan_kube_facts::is_repository(path) {
            return bad("a path in a registry has lower-case letters, digits and `.`, `_`, `-` between them");
        }
        Ok(Self { host: host.to_owned(), path: path.to_owned() })
    }
}

/// How far a push is; read it while the push runs.
#[derive(Debug, Default)]
pub struct PushProgress {
    /// Bytes of content that are in the registry.
    pub done: AtomicU64,
    /// Bytes that were sent.
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
    /// Bytes that were sent.
    pub bytes: u64,
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
    /// The same image under another manifest: another tool pushed it. It is left as it is.
    SameImage,
    /// Something else, with this digest.
    Other(Digest),
}

/// Pushes what is planned.
///
/// # Errors
/// [`Code::RegistryUnreachable`], [`Code::RegistryDenied`], [`Code::RegistryRefused`] or [`Code::RegistryDiffers`]; one of a bundle
/// if the file has changed since its index was made.
pub async fn push(
    file: &Path,
    index: &BundleIndex,
    plan: &PushPlan,
    target: &PushTarget,
    access: &RegistryAccess,
    progress: &PushProgress,
) -> Result<PushReport, Finding> {
    let registry = Registry::new(&target.host, access, Purpose::Push)?;
    registry.greet().await?;
    let push = Push { registry, file, index, progress };
    let before = push.before(plan).await?;
    let kept: BTreeSet<&ManifestPush> =
        before.iter().filter(|(_, before)| **before == TagBefore::SameImage).map(|(push, _)| *push).collect();
    let needed = push.needed(plan, &kept)?;
    let groups = groups(index, &plan.blobs, &needed);
    let uploads = futures::stream::iter(groups).map(|group| push.group(group)).buffer_unordered(PARALLEL);
    let counts: Vec<PushReport> = uploads.try_collect().await?;
    let mut report = PushReport::default();
    for count in counts {
        report.sent += count.sent;
        report.mounted += count.mounted;
        report.present += count.present;
        report.bytes += count.bytes;
    }
    // Children of an index come before it in the plan.
    for manifest in &plan.manifests {
        let before = before.get(manifest).cloned();
        if let Some(tag) = push.manifest(manifest, before).await? {
            report.tags.push(tag);
        }
    }
    Ok(report)
}

struct Push<'a> {
    registry: Registry,
    file: &'a Path,
    index: &'a BundleIndex,
    progress: &'a PushProgress,
}

/// A blob and where it is needed.
type Wanted = (Digest, BTreeSet<String>);

impl Push<'_> {
    /// What the tags stand for now.
    async fn before<'p>(&self, plan: &'p PushPlan) -> Result<BTreeMap<&'p ManifestPush, TagBefore>, Finding> {
        let tagged = plan.manifests.iter().filter(|push| push.tag.is_some());
        let looks = futures::stream::iter(tagged).map(|push| async move {
            let text = self.registry.manifest(&push.repository, &push.reference()).await?;
            Ok::<_, Finding>((push, text.map_or(TagBefore::Absent, |text| self.compare(push, &text))))
        });
        looks.buffer_unordered(PARALLEL).try_collect().await
    }

    fn compare(&self, push: &ManifestPush, text: &[u8]) -> TagBefore {
        let digest = Digest::of(text);
        if digest == push.digest {
            return TagBefore::Same;
        }
        // Tools compress anew and write manifests of their own: the configuration tells whether it is the same image.
        let ours = self.index.documents.get(&push.digest).and_then(|document| config_of(document.text.as_bytes()));
        if ours.is_some() && config_of(text) == ours { TagBefore::SameImage } else { TagBefore::Other(digest) }
    }

    /// The repositories in which each blob is needed, without the images that are left as they are.
    fn needed(
        &self,
        plan: &PushPlan,
        kept: &BTreeSet<&ManifestPush>,
    ) -> Result<BTreeMap<Digest, BTreeSet<String>>, Finding> {
        let mut needed: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
        for push in plan.manifests.iter().filter(|push| !kept.contains(push)) {
            let document = &self.index.documents[&push.digest];
            let content: ManifestContent = serde_json::from_str(&document.text).map_err(|error| {
                Finding::blocking(Code::BundleUnreadable, "a manifest in the index is not usable")
                    .with(error.to_string())
            })?;
            for blob in content.config.iter().chain(&content.layers) {
                needed.entry(blob.digest.clone()).or_default().insert(push.repository.clone());
            }
        }
        Ok(needed)
    }

    /// Pushes blobs that are read in one pass, one after the other.
    async fn group(&self, blobs: Vec<Wanted>) -> Result<PushReport, Finding> {
        let mut report = PushReport::default();
        let mut feed = Feed::new(self.file);
        for (digest, repositories) in blobs {
            let size = self.size(&digest);
            self.blob(&mut feed, &digest, &repositories, &mut report).await?;
            self.progress.done.fetch_add(size, Ordering::Relaxed);
        }
        Ok(report)
    }

    fn size(&self, digest: &Digest) -> u64 {
        let document = || self.index.documents.get(digest).map_or(0, |document| document.text.len() as u64);
        self.index.blobs.get(digest).map_or_else(document, Blob::size)
    }

    async fn blob(
        &self,
        feed: &mut Feed,
        digest: &Digest,
        repositories: &BTreeSet<String>,
        report: &mut PushReport,
    ) -> Result<(), Finding> {
        let (mut having, mut missing) = (None, Vec::new());
        for repository in repositories {
            if self.registry.has_blob(repository, digest).await? {
                report.present += 1;
                having.get_or_insert(repository);
            } else {
                missing.push(repository);
            }
        }
        for repository in missing {
            match self.registry.begin(repository, digest, having.map(String::as_str)).await? {
                Upload::Mounted => report.mounted += 1,
                Upload::To(url) => {
                    self.send(feed, digest, repository, url).await?;
                    report.sent += 1;
                    report.bytes += self.size(digest);
                }
            }
            having.get_or_insert(repository);
        }
        Ok(())
    }

    /// Sends a blob; anew, if the registry stops answering.
    async fn send(&self, feed: &mut Feed, digest: &Digest, repository: &str, to: reqwest::Url) -> Result<(), Finding> {
        let mut to = Some(to);
        for attempt in 1.. {
            let sent = match to.take() {
                Some(url) => self.send_once(feed, digest, repository, url).await,
                None => match self.registry.begin(repository, digest, None).await {
                    Ok(Upload::To(url)) => self.send_once(feed, digest, repository, url).await,
                    Ok(Upload::Mounted) => Ok(()),
                    Err(finding) => Err(finding),
                },
            };
            match sent {
                Err(finding) if finding.code == Code::RegistryUnreachable && attempt < TRIES => {
                    tokio::time::sleep(std::time::Duration::from_secs(attempt)).await;
                }
                sent => return sent,
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn send_once(
        &self,
        feed: &mut Feed,
        digest: &Digest,
        repository: &str,
        to: reqwest::Url,
    ) -> Result<(), Finding> {
        let size = self.size(digest);
        let Some(blob) = self.index.blobs.get(digest) else {
            let text = self.index.documents.get(digest).map(|document| document.text.clone()).unwrap_or_default();
            self.progress.sent.fetch_add(size, Ordering::Relaxed);
            return self.registry.finish(repository, to, digest, size, Body::from(text)).await;
        };
        let (body, reading) = feed.body(&blob.location, digest)?;
        let sent = self.registry.finish(repository, to, digest, size, body).await;
        // What was wrong with the file says more than that the request broke off.
        feed.take_back(reading).await?;
        self.progress.sent.fetch_add(size, Ordering::Relaxed);
        sent
    }

    /// Pushes a manifest and reads it back.
    async fn manifest(&self, push: &ManifestPush, before: Option<TagBefore>) -> Result<Option<PushedTag>, Finding> {
        let document = &self.index.documents[&push.digest];
        let reference = push.reference();
        let name = format!("{}/{}:{reference}", self.registry.host, push.repository);
        let there = matches!(before, Some(TagBefore::Same | TagBefore::SameImage));
        if !there {
            self.registry.put_manifest(&push.repository, &reference, &document.media_type, &document.text).await?;
        }
        let text = self.registry.manifest(&push.repository, &reference).await?.unwrap_or_default();
        let digest = Digest::of(&text);
        if digest != push.digest && before != Some(TagBefore::SameImage) {
            return Err(Finding::blocking(Code::RegistryDiffers, format!("{name} is not what was pushed"))
                .with(format!("pushed: {}", push.digest))
                .with(format!("read back: {digest}")));
        }
        Ok(before.map(|before| PushedTag { name, digest, before }))
    }
}

/// The configuration that a manifest names; an index names none.
fn config_of(manifest: &[u8]) -> Option<Digest> {
    let content: ManifestContent = serde_json::from_slice(manifest).ok()?;
    content.config.map(|config| config.digest)
}

/// Blobs that are pushed at the same time: one by one where they lie plain in the file; those of a gzip stream after each
/// other, because it can only be read forward.
fn groups(
    index: &BundleIndex,
    blobs: &[(Digest, BTreeSet<String>)],
    needed: &BTreeMap<Digest, BTreeSet<String>>,
) -> Vec<Vec<Wanted>> {
    let mut groups: Vec<(Option<u64>, Vec<Wanted>)> = Vec::new();
    for (digest, _) in blobs {
        let Some(repositories) = needed.get(digest) else { continue };
        let wanted = (digest.clone(), repositories.clone());
        let stream = index.blobs.get(digest).and_then(|blob| stream(&blob.location));
        match groups.last_mut() {
            Some((last, group)) if stream.is_some() && *last == stream => group.push(wanted),
            _ => groups.push((stream, vec![wanted])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The outermost gzip stream around a place.
fn stream(location: &Location) -> Option<u64> {
    location.gzip.first().map(|extent| extent.offset)
}

#[cfg(test)]
mod tests {
    use super::*;

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

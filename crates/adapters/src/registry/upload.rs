//! Blobs on their way into a registry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use futures::{StreamExt as _, TryStreamExt as _};
use portolan_bundle::{Blob, Location, ManifestContent, ManifestPush};
use portolan_model::{Code, Digest, Finding};
use reqwest::{Body, Url};

use super::client::Upload;
use super::feed::Feed;
use super::layers::{Meter, compressed};
use super::{Push, PushReport, QUESTIONS};

/// How often a blob is tried while the registry does not answer.
const TRIES: u64 = 3;

/// A blob as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sending {
    /// To the byte, under the digest that it has in the bundle.
    AsIs(Digest),
    /// With gzip, under a digest that is known once it is sent. The digest here is that in the bundle.
    Compressed(Digest),
}

impl Sending {
    fn digest(&self) -> &Digest {
        let (Self::AsIs(digest) | Self::Compressed(digest)) = self;
        digest
    }
}

/// A blob and where it is needed.
pub(super) type Wanted = (Sending, BTreeSet<String>);

/// Blobs that the registry has, each with the repository.
pub(super) type Present = BTreeSet<(Sending, String)>;

impl Push<'_> {
    /// The repositories in which each blob is needed, without the images that are left as they are.
    pub(super) fn needed(
        &self,
        kept: &BTreeSet<&ManifestPush>,
    ) -> Result<BTreeMap<Sending, BTreeSet<String>>, Finding> {
        let mut needed: BTreeMap<Sending, BTreeSet<String>> = BTreeMap::new();
        for push in self.job.plan.manifests.iter().filter(|push| !kept.contains(push)) {
            let document = &self.job.index.documents[&push.digest];
            let content: ManifestContent = serde_json::from_str(&document.text).map_err(|error| {
                Finding::blocking(Code::BundleUnreadable, "a manifest in the index is not usable")
                    .with(error.to_string())
            })?;
            let is_generated = self.is_generated(&push.digest);
            for blob in content.config.iter().chain(&content.layers) {
                let digest = blob.digest.clone();
                let sending = if is_generated && blob.is_plain_layer() {
                    Sending::Compressed(digest)
                } else {
                    Sending::AsIs(digest)
                };
                needed.entry(sending).or_default().insert(push.repository.clone());
            }
        }
        Ok(needed)
    }

    /// What of it the registry has. A layer that was never compressed has no digest to ask for: it is not there.
    pub(super) async fn present(&self, needed: &BTreeMap<Sending, BTreeSet<String>>) -> Result<Present, Finding> {
        let places = needed.iter().flat_map(|(sending, repositories)| {
            repositories.iter().filter_map(move |repository| Some((sending, repository, self.remote_digest(sending)?)))
        });
        let questions = futures::stream::iter(places).map(|(sending, repository, digest)| async move {
            let there = self.registry.has_blob(repository, &digest).await?;
            Ok::<_, Finding>(there.then(|| (sending.clone(), repository.clone())))
        });
        questions.buffer_unordered(QUESTIONS).try_filter_map(|found| async { Ok(found) }).try_collect().await
    }

    /// Whether a repository has all that a manifest in it names.
    pub(super) async fn is_whole(&self, repository: &str, manifest: &[u8]) -> Result<bool, Finding> {
        let Ok(content) = serde_json::from_slice::<ManifestContent>(manifest) else { return Ok(false) };
        for blob in content.config.iter().chain(&content.layers) {
            if !self.registry.has_blob(repository, &blob.digest).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Blobs that are pushed at the same time: one by one where they lie plain in the file; those of a gzip stream after each
    /// other, because it can only be read forward.
    pub(super) fn groups(&self, mut needed: BTreeMap<Sending, BTreeSet<String>>) -> Vec<Vec<Wanted>> {
        let mut groups: Vec<(Option<u64>, Vec<Wanted>)> = Vec::new();
        for (digest, _) in &self.job.plan.blobs {
            let stream = self.job.index.blobs.get(digest).and_then(|blob| stream(&blob.location));
            for sending in [Sending::AsIs(digest.clone()), Sending::Compressed(digest.clone())] {
                let Some(repositories) = needed.remove(&sending) else { continue };
                match groups.last_mut() {
                    Some((last, group)) if stream.is_some() && *last == stream => group.push((sending, repositories)),
                    _ => groups.push((stream, vec![(sending, repositories)])),
                }
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// Pushes blobs that are read in one pass, one after the other.
    pub(super) async fn group(&self, blobs: Vec<Wanted>, present: &Present) -> Result<PushReport, Finding> {
        let mut report = PushReport::default();
        let mut feed = Feed::new(self.job.file);
        for wanted in blobs {
            let size = self.size(wanted.0.digest());
            report.add(&self.blob(&mut feed, wanted, present).await?);
            self.progress.done.fetch_add(size, Ordering::Relaxed);
        }
        Ok(report)
    }

    /// The size of a blob in the bundle.
    fn size(&self, digest: &Digest) -> u64 {
        let index = self.job.index;
        let document = || index.documents.get(digest).map_or(0, |document| document.text.len() as u64);
        index.blobs.get(digest).map_or_else(document, Blob::size)
    }

    /// The digest under which a registry has a blob; `None` for a layer that was never compressed.
    fn remote_digest(&self, sending: &Sending) -> Option<Digest> {
        match sending {
            Sending::AsIs(digest) => Some(digest.clone()),
            Sending::Compressed(plain) => self.job.layers.get(plain).map(|layer| layer.digest),
        }
    }

    /// Brings a blob into the repositories that miss it; the registry takes it from another one of its own where it can.
    async fn blob(&self, feed: &mut Feed, wanted: Wanted, present: &Present) -> Result<PushReport, Finding> {
        let (sending, repositories) = wanted;
        let is_there = |repository: &String| present.contains(&(sending.clone(), repository.clone()));
        let (there, missing): (Vec<String>, Vec<String>) = repositories.into_iter().partition(is_there);
        let mut report = PushReport { present: there.len(), ..PushReport::default() };
        let mut having = there.first();
        for repository in &missing {
            let digest = self.remote_digest(&sending).unwrap_or_else(|| sending.digest().clone());
            match self.registry.begin(repository, &digest, having.map(String::as_str)).await? {
                Upload::Mounted => report.mounted += 1,
                Upload::To(url) => {
                    report.bytes += self.send(feed, &sending, repository, url).await?;
                    report.sent += 1;
                }
            }
            having.get_or_insert(repository);
        }
        Ok(report)
    }

    /// Sends a blob; anew, if the registry stops answering. Returns the bytes that the registry has of it.
    async fn send(&self, feed: &mut Feed, sending: &Sending, repository: &str, to: Url) -> Result<u64, Finding> {
        let mut to = Some(to);
        for attempt in 1.. {
            let sent = match to.take() {
                Some(url) => self.send_once(feed, sending, repository, url).await,
                None => match self.registry.begin(repository, sending.digest(), None).await {
                    Ok(Upload::To(url)) => self.send_once(feed, sending, repository, url).await,
                    Ok(Upload::Mounted) => Ok(0),
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

    async fn send_once(&self, feed: &mut Feed, sending: &Sending, repository: &str, to: Url) -> Result<u64, Finding> {
        let digest = sending.digest();
        let size = self.size(digest);
        let sent = match (self.job.index.blobs.get(digest), sending) {
            (None, _) => {
                let document = self.job.index.documents.get(digest);
                let text = document.map(|document| document.text.clone()).unwrap_or_default();
                self.registry.finish(repository, to, digest, size, Some(Body::from(text))).await.map(|()| size)
            }
            (Some(blob), Sending::AsIs(_)) => {
                let (body, reading) = feed.body(&blob.location)?;
                let sent = self.registry.finish(repository, to, digest, size, Some(body)).await;
                // What was wrong with the file says more than that the request broke off or was refused.
                feed.take_back(reading).await?;
                if sent.as_ref().is_err_and(|finding| finding.code == Code::RegistryRefused) {
                    feed.verify(&blob.location, digest).await?;
                }
                sent.map(|()| size)
            }
            (Some(blob), Sending::Compressed(_)) => self.compress(feed, blob, digest, repository, to).await,
        };
        self.progress.sent.fetch_add(size, Ordering::Relaxed);
        sent
    }

    /// Compresses a layer while it is sent.
    async fn compress(
        &self,
        feed: &mut Feed,
        blob: &Blob,
        plain: &Digest,
        repository: &str,
        to: Url,
    ) -> Result<u64, Finding> {
        let meter = Meter::default();
        let (parts, reading) = feed.parts(&blob.location, plain)?;
        let sent = self.registry.patch(repository, to, Body::wrap_stream(compressed(parts, &meter))).await;
        feed.take_back(reading).await?;
        let (end, layer) = (sent?, meter.read());
        let size = layer.size;
        self.registry.finish(repository, end, &layer.digest, size, None).await?;
        self.job.layers.add(plain, layer)?;
        Ok(size)
    }
}

/// The outermost gzip stream around a place.
fn stream(location: &Location) -> Option<u64> {
    location.gzip.first().map(|extent| extent.offset)
}

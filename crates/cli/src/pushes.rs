//! Bundles read and pushed, for `bundle` and for a site that is upgraded out of one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use portolan_adapters::registry::{
    self, PushJob, PushProgress, PushReport, PushTarget, PushedTag, RegistryAccess, TagBefore,
};
use portolan_adapters::{bundles, store};
use portolan_bundle::{Blob, BundleIndex, BundleParts, ImageName, PushPlan};
use portolan_model::{Code, Digest, Finding};
use portolan_report::{Document, Pushed};

use crate::args::Global;
use crate::output::Output;

/// How often a push says how far it is.
const EVERY: Duration = Duration::from_secs(5);

/// Names for images that have none: `DIGEST=NAME`.
pub(crate) fn names(given: &[String]) -> Result<BTreeMap<Digest, ImageName>, Finding> {
    let bad = |text: &str| {
        let found = format!("`{text}` is not DIGEST=REPOSITORY:TAG");
        Finding::blocking(Code::BadOption, found).next("--name sha256:...=REPOSITORY:TAG")
    };
    let name = |text: &String| {
        let (digest, name) = text.split_once('=')?;
        Some((Digest::parse(digest)?, ImageName::parse(name)?))
    };
    given.iter().map(|text| name(text).ok_or_else(|| bad(text))).collect()
}

/// The index of a bundle. Reading and hashing takes a while, and blocks.
pub(crate) async fn index(global: &Global, file: &Path, parts: &BundleParts) -> Result<BundleIndex, Finding> {
    let root = store::root(global.state_dir.as_deref())?;
    let (file, parts) = (file.to_owned(), parts.clone());
    let failed = "reading the bundle failed";
    let read = tokio::task::spawn_blocking(move || bundles::index(&file, &parts, &root)).await;
    read.unwrap_or_else(|error| Err(Finding::blocking(Code::BundleUnreadable, failed).with(error.to_string())))
}

/// Pushes what is planned, and says now and then how far it is.
pub(crate) async fn send(
    job: &PushJob<'_>,
    target: &PushTarget,
    access: &RegistryAccess,
    output: &Output,
) -> Result<PushReport, Finding> {
    let progress = PushProgress::default();
    let pushing = registry::push(job, target, access, &progress);
    tokio::pin!(pushing);
    let (begun, total) = (Instant::now(), total(job.index, job.plan));
    let mut ticks = tokio::time::interval(EVERY);
    ticks.tick().await;
    loop {
        tokio::select! {
            report = &mut pushing => return report,
            _ = ticks.tick() => output.say(&told(&progress, begun.elapsed(), total)),
        }
    }
}

/// Bytes of all blobs of a plan.
fn total(index: &BundleIndex, plan: &PushPlan) -> u64 {
    plan.blobs.iter().filter_map(|(digest, _)| index.blobs.get(digest)).map(Blob::size).sum()
}

fn told(progress: &PushProgress, elapsed: Duration, total: u64) -> String {
    let (done, sent) = (progress.done.load(Ordering::Relaxed), progress.sent.load(Ordering::Relaxed));
    let bytes = portolan_report::bytes;
    let rate = sent.checked_div(elapsed.as_secs()).unwrap_or_default();
    let left = total.saturating_sub(done).checked_div(rate).map(|left| format!(", {left} s left"));
    format!("{} of {} done, {}/s sent{}", bytes(done), bytes(total), bytes(rate), left.unwrap_or_default())
}

/// What a push did, for people.
pub(crate) fn page(report: &PushReport) -> Document {
    let before = |before: &TagBefore| match before {
        TagBefore::Absent => "new".to_owned(),
        TagBefore::Same => "already there".to_owned(),
        TagBefore::SameImage => "the same image, pushed by another tool".to_owned(),
        TagBefore::Other(digest) => format!("replaced {}", digest.short()),
    };
    let tag = |tag: &'_ PushedTag| before(&tag.before);
    portolan_report::pushed(&Pushed {
        tags: report.tags.iter().map(|pushed| (pushed.name.as_str(), &pushed.digest, tag(pushed))).collect(),
        sent: report.sent,
        bytes: report.bytes,
        mounted: report.mounted,
        present: report.present,
        not_asked: report.not_asked,
    })
}

//! The records of releases in the simulated world.

use std::collections::BTreeSet;

use portolan_model::{Digest, HelmOperation, Object, Ref, ReleaseId, ReleaseStatus};
use serde_json::json;

use crate::world::World;

/// The digest of a record's manifest, by which the library has its documents.
pub(crate) fn manifest_digest(record: &Object) -> Option<Digest> {
    serde_json::from_value(json!(record.text("/manifest"))).ok().filter(|digest: &Digest| !digest.hex().is_empty())
}

/// The name of a release's record in the simulated world.
pub(crate) fn record_name(release: &ReleaseId, revision: u32) -> Ref {
    Ref::new("helm.sh", "Release", &release.namespace, &format!("{}.v{revision}", release.name))
}

/// The releases that have records.
pub(crate) fn releases(world: &World) -> BTreeSet<ReleaseId> {
    let records = world.objects().map(|(name, _)| name).filter(|name| name.kind() == "Release");
    let release = |record: &Ref| {
        let (name, _) = record.name().rsplit_once(".v")?;
        Some(ReleaseId { namespace: record.namespace().to_owned(), name: name.to_owned() })
    };
    records.filter_map(release).collect()
}

pub(super) fn set_status(world: &mut World, release: &ReleaseId, revision: u32, status: ReleaseStatus) {
    let name = record_name(release, revision);
    if let Some(record) = world.get(&name) {
        let record = record.clone();
        let from = world.hash_of(std::slice::from_ref(&name));
        world.put_made(&name, ("status", status), from, || {
            let mut json = (*record.0).clone();
            json["status"] = json!(status);
            json
        });
    }
}

/// The records of a release, oldest first: revision and object.
pub(crate) fn records<'a>(world: &'a World, release: &ReleaseId) -> Vec<(u32, &'a Object)> {
    let prefix = format!("{}.v", release.name);
    let mut records: Vec<(u32, &Object)> = record_names(world, release)
        .iter()
        .filter_map(|name| Some((name.name().strip_prefix(&prefix)?.parse().ok()?, world.get(name)?)))
        .collect();
    records.sort_by_key(|(revision, _)| *revision);
    records
}

/// The names of the records of the releases in a release's namespace.
pub(crate) fn record_names(world: &World, release: &ReleaseId) -> Vec<Ref> {
    let first = Ref::new("", "Release", &release.namespace, "");
    world.names_of(&first).cloned().collect()
}

/// The record that helm goes on from: the newest deployed one, else the newest one (`prepareUpgrade` in
/// `pkg/action/upgrade.go`, helm 3.14.4).
pub(crate) fn base<'a>(world: &'a World, release: &ReleaseId) -> Option<(u32, &'a Object)> {
    let records = records(world, release);
    let is_deployed =
        |(_, record): &&(u32, &Object)| ReleaseStatus::parse(record.text("/status")) == ReleaseStatus::Deployed;
    records.iter().rev().find(is_deployed).or(records.last()).copied()
}

/// The record whose manifest helm compares with, or uninstalls: [`base`], for an uninstall the newest.
pub(crate) fn goes_on_from<'a>(world: &'a World, release: &ReleaseId, op: HelmOperation) -> Option<(u32, &'a Object)> {
    if op.is_uninstall() { records(world, release).pop() } else { base(world, release) }
}

/// The revision that the next helm makes.
pub(super) fn next_revision(world: &World, release: &ReleaseId) -> u32 {
    records(world, release).last().map_or(1, |(revision, _)| revision + 1)
}

/// The status of the newest record.
pub(crate) fn newest_status(world: &World, release: &ReleaseId) -> ReleaseStatus {
    records(world, release)
        .last()
        .map_or(ReleaseStatus::Unknown, |(_, record)| ReleaseStatus::parse(record.text("/status")))
}

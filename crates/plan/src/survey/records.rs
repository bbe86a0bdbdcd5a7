//! The release's records: the newest one, the history, and what cannot be read.

use std::collections::BTreeMap;

use helm_compat::manifest;
use helm_compat::record::{self, Record, RecordError};
use model::{Answer, Ask, Code, DamagedRecord, Driver, Finding, Inventory, Object, Ref, ReleaseId, Revision};

use super::{items, list};

/// What the records say.
pub(super) struct Records {
    pub(super) driver: Driver,
    pub(super) newest: Record,
    /// The newest one's manifest.
    pub(super) docs: Vec<Object>,
    /// The newest one's hooks.
    pub(super) hooks: Vec<Object>,
    /// What an uninstall reads of the newest one's objects.
    pub(super) uninstall_policies: BTreeMap<Ref, String>,
    pub(super) history: Vec<Revision>,
    pub(super) damaged: Vec<DamagedRecord>,
}

/// Every record of the release.
pub(super) fn of_release(answers: &BTreeMap<Ask, Answer>, release: &ReleaseId) -> Result<Records, Finding> {
    let (driver, held) = held(answers, release)?;
    let (mut history, mut damaged) = (Vec::new(), Vec::new());
    let mut newest = None;
    for object in &held {
        match record::decode(object, &release.namespace) {
            Ok(record) => {
                history.push(in_short(&record));
                newest.get_or_insert(record);
            }
            Err(error) => damaged.push(DamagedRecord { revision: revision(object), why: error.to_string() }),
        }
    }
    let unreadable = |why: String| {
        let revision = held.first().map_or(0, |object| revision(object));
        broken(release, &DamagedRecord { revision, why }, driver, &history)
    };
    let newest = match (newest, damaged.first()) {
        (Some(record), first) if first.is_none_or(|first| first.revision < record.revision) => record,
        (_, first) => return Err(unreadable(first.map(|first| first.why.clone()).unwrap_or_default())),
    };
    let docs = newest.docs().map_err(|error| unreadable(error.to_string()))?;
    let hooks = newest.hooks.iter().map(|hook| manifest::parse(hook, &newest.namespace)).collect::<Result<Vec<_>, _>>();
    let hooks = hooks.map_err(|error| unreadable(RecordError::from(error).to_string()))?.concat();
    let uninstall_policies = manifest::uninstall_policies(&newest.manifest, &newest.namespace);
    Ok(Records { driver, newest, docs, hooks, uninstall_policies, history, damaged })
}

/// The manifest of the newest record and its hooks, for what they make worth asking; nothing where it cannot be read.
pub(super) fn newest_docs(answers: &BTreeMap<Ask, Answer>, release: &ReleaseId) -> Vec<Object> {
    let newest = held(answers, release).ok().and_then(|(_, held)| held.first().copied());
    let record = newest.and_then(|newest| record::decode(newest, &release.namespace).ok());
    let Some(record) = record else { return Vec::new() };
    let hooks = record.hooks.iter().filter_map(|hook| manifest::parse(hook, &record.namespace).ok());
    record.docs().ok().into_iter().chain(hooks).flatten().collect()
}

/// Whether an upgrade of this release can be planned: the helm that would carry it out keeps its records in Secrets.
///
/// # Errors
/// [`Code::OtherDriver`].
pub fn upgradable(inventory: &Inventory) -> Result<(), Finding> {
    let release = &inventory.release;
    match release.driver {
        Driver::Secret => Ok(()),
        Driver::ConfigMap => {
            let found = format!("release {} is kept in ConfigMaps", release.id.name);
            Err(Finding::blocking(Code::OtherDriver, found)
                .with(format!("the newest record is ConfigMap/{}", object_name(&release.id.name, release.revision))))
        }
    }
}

/// The name of the object that holds a record (`makeKey` in `pkg/storage/storage.go`, helm 3.14.4 to 4.3.1).
fn object_name(name: &str, revision: u32) -> String {
    format!("sh.helm.release.v1.{name}.v{revision}")
}

/// The objects that hold the release's records, newest first. A helm sees those of one driver only; where both have some, the
/// newest record of all says which one is in use.
fn held<'a>(answers: &'a BTreeMap<Ask, Answer>, release: &ReleaseId) -> Result<(Driver, Vec<&'a Object>), Finding> {
    let secrets = list("", "Secret", &release.namespace);
    if let Some(Answer::Denied(reason)) = answers.get(&secrets) {
        return Err(Finding::blocking(
            Code::NotVisible,
            format!("the Secrets of namespace {} may not be read", release.namespace),
        )
        .with(reason)
        .why("a release is kept in Secrets: without them nothing is known of it")
        .next(format!("ask for the right to list secrets in namespace {}", release.namespace)));
    }
    let maps = list("", "ConfigMap", &release.namespace);
    let records = |ask: &Ask| {
        let all = items(answers, ask).iter();
        let mut records: Vec<&Object> = all.filter(|object| record::is_record(object, Some(&release.name))).collect();
        records.sort_by_key(|object| std::cmp::Reverse(revision(object)));
        records
    };
    let (in_secrets, in_maps) = (records(&secrets), records(&maps));
    let first = |records: &[&Object]| records.first().map(|object| revision(object));
    match (first(&in_secrets), first(&in_maps)) {
        (None, None) => Err(no_release(release, items(answers, &secrets).iter().chain(items(answers, &maps)))),
        (secret, map) if map > secret => Ok((Driver::ConfigMap, in_maps)),
        _ => Ok((Driver::Secret, in_secrets)),
    }
}

/// A record's revision by the name of its object: that of one which cannot be read is known too.
fn revision(object: &Object) -> u32 {
    let name = object.text("/metadata/name");
    name.rsplit_once(".v").and_then(|(_, number)| number.parse::<u32>().ok()).unwrap_or_default()
}

fn in_short(record: &Record) -> Revision {
    Revision {
        revision: record.revision,
        status: record.status,
        chart: record.chart.clone(),
        app_version: record.app_version.clone(),
        deployed: record.last_deployed.clone(),
        description: record.description.clone(),
    }
}

/// The newest record cannot be read: which one helm would take in its place is what matters.
fn broken(release: &ReleaseId, record: &DamagedRecord, driver: Driver, readable: &[Revision]) -> Finding {
    let kind = match driver {
        Driver::Secret => "Secret",
        Driver::ConfigMap => "ConfigMap",
    };
    let object = format!("{kind}/{}", object_name(&release.name, record.revision));
    let found = format!("the newest record of {}, revision {}, is damaged", release.name, record.revision);
    let mut finding = Finding::blocking(Code::NotDeployed, found).with(format!("{object}: {}", record.why));
    finding = match readable.iter().find(|other| other.revision < record.revision) {
        Some(other) => finding.with(format!(
            "the newest one that can be read: revision {}, {}, {}",
            other.revision, other.status, other.chart
        )),
        None => finding.with("no other record can be read"),
    };
    // `List` and `Query` of `pkg/storage/driver/secrets.go` and `cfgmaps.go`, helm 3.14.4 to 4.3.1.
    finding.why("helm passes over such a record without a word, and takes an older one for the newest").next(format!(
        "put {object} back from a backup; if there is none, find out what revision {} did before anybody runs helm",
        record.revision
    ))
}

/// There is no such release; which there are is the most useful thing to say.
fn no_release<'a>(release: &ReleaseId, held: impl Iterator<Item = &'a Object>) -> Finding {
    let mut seen: BTreeMap<&str, (u32, &str)> = BTreeMap::new();
    for object in held.filter(|object| record::is_record(object, None)) {
        let revision = object.label("version").and_then(|text| text.parse().ok()).unwrap_or_default();
        let status = object.label("status").unwrap_or("unknown");
        let newest = seen.entry(object.label("name").unwrap_or_default()).or_insert((revision, status));
        if revision >= newest.0 {
            *newest = (revision, status);
        }
    }
    let mut finding = Finding::blocking(
        Code::NoRelease,
        format!("there is no release {} in namespace {}", release.name, release.namespace),
    );
    if seen.is_empty() {
        finding = finding.with(format!("namespace {} has no release at all", release.namespace));
    }
    for (name, (revision, status)) in seen {
        finding = finding.with(format!("there is: {name}, revision {revision}, {status}"));
    }
    finding
}

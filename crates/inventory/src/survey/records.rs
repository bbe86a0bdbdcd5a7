//! The release's records: the newest one, the history, and what cannot be read.

use std::collections::BTreeMap;

use portolan_helm_compat::record::{self, RecordError, ReleaseRecord};
use portolan_helm_compat::{manifest, redact};
use portolan_model::{
    Answer, Code, DamagedRecord, Driver, Finding, Inventory, Object, Ref, Release, ReleaseId, ReleaseStatus, Revision,
    SurveyQuery,
};

use super::{items, record_questions};

/// What the records say.
pub(super) struct Records {
    pub(super) driver: Driver,
    pub(super) newest: ReleaseRecord,
    /// The newest one's manifest.
    pub(super) docs: Vec<Object>,
    /// The newest one's hooks.
    pub(super) hooks: Vec<Object>,
    /// What an uninstall reads of the newest one's objects.
    pub(super) uninstall_policies: BTreeMap<Ref, String>,
    pub(super) history: Vec<Revision>,
    pub(super) damaged: Vec<DamagedRecord>,
    /// The newest deployed record, where the newest one of all is failed.
    pub(super) deployed: Option<Deployed>,
}

impl Records {
    /// The release that they are of, and its newest deployed record where the newest one of all is failed.
    pub(super) fn release(self, id: &ReleaseId) -> (Release, Option<Deployed>) {
        let keys_only = |docs: Vec<Object>| docs.iter().map(redact::secret_keys_and_empty).collect();
        let record = self.newest;
        let release = Release {
            id: id.clone(),
            revision: record.revision,
            status: record.status,
            chart: record.chart,
            deployed: record.last_deployed,
            driver: self.driver,
            apply: record.apply,
            config: record.config,
            defaults: record.defaults,
            docs: keys_only(self.docs),
            hooks: keys_only(self.hooks),
            uninstall_policies: self.uninstall_policies,
            history: self.history,
            damaged: self.damaged,
        };
        (release, self.deployed)
    }
}

/// A record with its manifest and hooks.
#[derive(Clone, Debug)]
pub(super) struct Deployed {
    pub(super) record: ReleaseRecord,
    pub(super) docs: Vec<Object>,
    pub(super) hooks: Vec<Object>,
}

/// Every record of the release.
pub(super) fn of_release(answers: &BTreeMap<SurveyQuery, Answer>, release: &ReleaseId) -> Result<Records, Finding> {
    let (driver, held) = held(answers, release)?;
    let (mut history, mut damaged) = (Vec::new(), Vec::new());
    let (mut newest, mut deployed): (Option<ReleaseRecord>, Option<ReleaseRecord>) = (None, None);
    for object in &held {
        match record::decode(object, &release.namespace) {
            Ok(record) => {
                history.push(in_short(&record));
                if newest.is_none() {
                    newest = Some(record);
                } else if record.status == ReleaseStatus::Deployed {
                    deployed.get_or_insert(record);
                }
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
    let (docs, hooks) = documents(&newest).map_err(|error| unreadable(error.to_string()))?;
    let deployed = deployed.filter(|_| newest.status == ReleaseStatus::Failed).and_then(|record| {
        let (docs, hooks) = documents(&record).ok()?;
        Some(Deployed { record, docs, hooks })
    });
    let uninstall_policies = manifest::uninstall_policies(&newest.manifest, &newest.namespace);
    Ok(Records { driver, newest, docs, hooks, uninstall_policies, history, damaged, deployed })
}

/// A record's manifest and hooks.
fn documents(record: &ReleaseRecord) -> Result<(Vec<Object>, Vec<Object>), RecordError> {
    let hooks =
        record.hooks.iter().map(|hook| manifest::parse(hook, &record.namespace)).collect::<Result<Vec<_>, _>>()?;
    Ok((record.docs()?, hooks.concat()))
}

/// The manifest of the newest record and its hooks, for what they make worth asking; nothing where it cannot be read.
pub(super) fn newest_docs(answers: &BTreeMap<SurveyQuery, Answer>, release: &ReleaseId) -> Vec<Object> {
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
            Err(Finding::blocking(Code::OtherDriver, found).with(format!(
                "the newest record is ConfigMap/{}",
                portolan_model::record_name(&release.id.name, release.revision)
            )))
        }
    }
}

/// Whether helm would upgrade this release now: it goes on from a failed revision where one was deployed before, and from no
/// pending one.
///
/// # Errors
/// [`Code::NotDeployed`] with the record that stands in the way.
pub fn settled(release: &Release) -> Result<(), Finding> {
    let was_deployed = release.history.iter().any(|revision| revision.status == ReleaseStatus::Deployed);
    match release.status {
        ReleaseStatus::Deployed => return Ok(()),
        ReleaseStatus::Failed if was_deployed => return Ok(()),
        _ => {}
    }
    let record = Ref::secret(&release.id.namespace, &portolan_model::record_name(&release.id.name, release.revision));
    let found = format!("revision {} of release {} is {}", release.revision, release.id.name, release.status);
    let finding = Finding::blocking(Code::NotDeployed, found).about(&record);
    if release.history.len() < 2 && release.status.is_pending() {
        return Err(finding
            .with(format!("its record {record} was written at {}, and is the only one", release.deployed))
            .why("helm does not upgrade it, and a rollback has nothing to go back to")
            .next(format!(
                "find out whether that installation came to its end: whether a helm process still runs where it was started \
                 (`ps -ef | grep helm`), and what `helm get manifest -n {0} {1}` lists is there and ready (`kubectl get all,pvc -n {0}`). \
                 Keep the record: without it helm does not know the release, and the next installation stops at what is there",
                release.id.namespace, release.id.name
            )));
    }
    Err(match release.status {
        ReleaseStatus::PendingUpgrade | ReleaseStatus::PendingRollback => finding
            .with(format!("its record {record} was written at {}", release.deployed))
            .next(format!(
                "if a run of Portolan started that helm: portolan apply RUN (portolan status lists the runs) says whether it still \
                 runs; else wait, and only if its owner confirms that no helm process runs: kubectl delete secret -n {} {}",
                record.namespace(),
                record.name()
            )),
        ReleaseStatus::Failed => finding
            .why("no revision was ever deployed, so there is nothing that an upgrade goes on from")
            .next(format!(
                "settle what stopped it, then complete the installation with the chart of that revision and its values: helm upgrade {1} \
                 CHART --version {2} -n {0} --reuse-values --wait; once it is deployed, make the plan",
                release.id.namespace, release.id.name, release.chart.version
            )),
        // `helm rollback` makes the objects of an uninstalled revision again (seen with 3.22.0).
        ReleaseStatus::Uninstalled => finding
            .why("its objects were deleted and its records kept, and helm upgrades only what has a deployed revision")
            .next(format!(
                "see which PVCs are left: kubectl get pvc -n {0} (one that is gone comes back new and empty); to run the release \
                 again on them: helm rollback -n {0} {1} {2}, then make the plan",
                release.id.namespace, release.id.name, release.revision
            )),
        _ => finding.why("helm does not upgrade a release in this state").next("helm history shows how it came to this"),
    })
}

/// The objects that hold the release's records, newest first. A helm sees those of one driver only; where both have some, the
/// newest record of all says which one is in use.
fn held<'a>(
    answers: &'a BTreeMap<SurveyQuery, Answer>,
    release: &ReleaseId,
) -> Result<(Driver, Vec<&'a Object>), Finding> {
    let [secrets, maps] = record_questions(release);
    if let Some(Answer::Denied(reason)) = answers.get(&secrets) {
        return Err(Finding::blocking(
            Code::NotVisible,
            format!("the Secrets of namespace {} may not be read", release.namespace),
        )
        .with(reason)
        .why("a release is kept in Secrets: without them nothing is known of it")
        .next(format!("ask for the right to list secrets in namespace {}", release.namespace)));
    }
    let records = |ask: &SurveyQuery| {
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

fn in_short(record: &ReleaseRecord) -> Revision {
    Revision {
        revision: record.revision,
        status: record.status,
        chart: record.chart.clone(),
        app_version: record.app_version.clone(),
        deployed: record.last_deployed.clone(),
        description: crate::credential::told(&record.description),
    }
}

/// The newest record cannot be read: which one helm would take in its place is what matters.
fn broken(release: &ReleaseId, record: &DamagedRecord, driver: Driver, readable: &[Revision]) -> Finding {
    let kind = match driver {
        Driver::Secret => "Secret",
        Driver::ConfigMap => "ConfigMap",
    };
    let object = format!("{kind}/{}", portolan_model::record_name(&release.name, record.revision));
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
        finding = finding.with(format!("found: {name}, revision {revision}, {status}"));
    }
    finding
}

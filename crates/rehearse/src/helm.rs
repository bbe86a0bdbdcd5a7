//! Helm as an actor: its own sequence of API writes, each a turn of its own, so that anything can happen in
//! between. Read in helm's pkg/action/upgrade.go and pkg/kube/client.go (3.14.4, 3.22.0, 4.3.1).

mod records;
mod skipped;
mod uninstall;
mod upgrade;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use portolan_helm_compat::upgrade::Matching;
use portolan_model::{Digest, HelmOperation, HelmRun, HelmToken, Object, Ref, Refusal, ReleaseStatus, ValuesPath};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::state_hash::{self, StateHash};
use crate::world::{Docs, World};
use records::{next_revision, set_status};

pub(crate) use records::{
    base, goes_on_from, manifest_digest, newest_status, record_name, record_names, records, releases,
};

/// The rules of helm that the simulation follows: number, what it says, where it was read (helm 3.14.4).
pub const HELM_RULES: &[(&str, &str, &str)] = &[
    (
        "H1",
        "helm renders first: a chart that looks up a Secret may refuse before anything is written",
        "pkg/action/upgrade.go",
    ),
    (
        "H2",
        "an object that is there and not in the old manifest must carry the release's marks, and is adopted",
        "pkg/action/validate.go",
    ),
    (
        "H3",
        "the record of the next revision, pending-upgrade, is made before the first object",
        "pkg/action/upgrade.go",
    ),
    ("H4", "an object that is not there is created; a create that fails ends the run at once", "pkg/kube/client.go"),
    (
        "H5",
        "an object that is there is patched from three sides; what only the live object has stays",
        "pkg/kube/client.go",
    ),
    (
        "H6",
        "a patch that fails is remembered and the others are still sent; nothing is deleted then",
        "pkg/kube/client.go",
    ),
    (
        "H12",
        "what only the old manifest has is deleted last, unless its live annotation is exactly keep; helm 3 before 3.17.1 compares \
         kinds without their groups, and helm 4.0.0 to 4.1.0 versions too",
        "pkg/kube/client.go",
    ),
    (
        "H13",
        "the old record becomes superseded, then the new one deployed; or the new one failed",
        "pkg/action/upgrade.go",
    ),
    ("H14", "an installation is refused where the release has any record, a failed one too", "pkg/action/install.go"),
    (
        "H15",
        "an uninstall marks the newest record uninstalling before it deletes anything; of a release that is uninstalled it only \
         removes the records",
        "pkg/action/uninstall.go",
    ),
    (
        "H16",
        "an uninstall deletes what the newest manifest has, unless helm.sh/resource-policy stands in that manifest, whatever the live \
         object says",
        "pkg/action/resource_policy.go",
    ),
    (
        "H17",
        "where every delete went through, the records are removed, the oldest first, or the newest is kept as uninstalled; where one \
         failed, the record stays uninstalling",
        "pkg/action/uninstall.go",
    ),
];

/// A run of helm with everything that it will need.
#[derive(Clone, Debug)]
pub struct HelmJob {
    pub(crate) op: HelmOperation,
    pub(crate) run: HelmRun,
    pub(crate) token: Option<HelmToken>,
    /// What it applies, in order; empty for an uninstall.
    pub(crate) target: Docs,
    /// The manifest of the revision before, in order; empty for an installation. An uninstall deletes what is in it.
    pub(crate) stored: Docs,
    /// The digest of that manifest.
    pub(crate) stored_digest: Option<Digest>,
    /// The values that come out of Secrets, as the Secrets' data have them.
    pub(crate) carried: BTreeMap<ValuesPath, String>,
    /// The user-supplied values that it will store.
    pub(crate) config: Value,
}

impl HelmJob {
    /// A run of helm that a person types: nothing is carried, and no token marks it.
    #[must_use]
    pub fn typed(world: &World, run: &HelmRun) -> Option<Self> {
        let (_, record) = base(world, &run.release)?;
        let stored_digest = records::manifest_digest(record)?;
        Some(Self {
            op: HelmOperation::Upgrade,
            target: world.library.get(&run.manifest)?.clone(),
            run: run.clone(),
            token: None,
            stored: world.library.get(&stored_digest)?.clone(),
            stored_digest: Some(stored_digest),
            carried: BTreeMap::new(),
            config: json!({}),
        })
    }

    /// Which documents of the stored manifest no document of the target is for, as this helm sees it; for an uninstall those that
    /// do not say there that they stay.
    fn removed(&self) -> Arc<[bool]> {
        if self.op.is_uninstall() {
            return self.stored.iter().map(|(_, stored)| !portolan_kube_facts::stays_uninstalled(stored)).collect();
        }
        let matching = Matching::of(self.run.client.version());
        let is_removed = |(name, stored): &(Ref, Object)| {
            !self.target.iter().any(|(its, doc)| matching.is_same((name, stored), (its, doc)))
        };
        self.stored.iter().map(is_removed).collect()
    }

    /// Tells it from every other job of a search.
    fn state_hash(&self) -> StateHash {
        let run = &self.run;
        let planned = (&run.manifest, &run.values, run.base_revision, &run.release, run.client.version());
        state_hash::of(&(self.op, planned, &self.token, &self.stored_digest, &self.carried, &self.config))
    }
}

/// Where a helm is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum At {
    Start,
    Apply(usize),
    Remove(usize),
    Supersede,
    Deployed,
    Failed,
    /// Deletes a document of the stored manifest, counted from the last.
    Delete(usize),
    /// Removes the records.
    Purge,
    /// Marks the newest record.
    Uninstalled,
}

/// A running helm. It goes on when whoever started it dies.
#[derive(Clone, Debug)]
pub(crate) struct HelmActor {
    pub(crate) job: Arc<HelmJob>,
    job_hash: StateHash,
    /// Which documents of the stored manifest the target does not have.
    removed: Arc<[bool]>,
    at: At,
    adopted: Arc<BTreeSet<Ref>>,
    /// The revision that it makes: known once it has made the record.
    revision: u32,
    /// What went wrong so far. The first of it is what the record will say.
    errors: Option<Arc<HelmError>>,
}

/// Why helm does not carry out an upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HelmError {
    /// The object that was refused, or that helm stumbled over.
    pub(crate) object: Ref,
    /// Its field, as a dotted path.
    pub(crate) field: Option<String>,
    /// The rule, as the server or helm says it.
    pub(crate) text: String,
}

/// A helm as it lies on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HelmSnapshot {
    op: HelmOperation,
    run: HelmRun,
    token: Option<HelmToken>,
    carried: BTreeMap<ValuesPath, String>,
    config: Value,
    at: At,
    adopted: BTreeSet<Ref>,
    revision: u32,
    errors: Option<HelmError>,
}

/// How helm's next write ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteResult {
    /// As the API server decides.
    Served,
    /// The API server answers with an error.
    Rejected,
    /// The API server carries it out and answers with an error.
    ResponseLost,
}

impl HelmActor {
    pub(crate) fn new(job: HelmJob) -> Self {
        Self {
            job_hash: job.state_hash(),
            removed: job.removed(),
            job: Arc::new(job),
            at: At::Start,
            adopted: Arc::default(),
            revision: 0,
            errors: None,
        }
    }

    /// What has to be kept of it.
    pub(crate) fn keep(&self) -> HelmSnapshot {
        HelmSnapshot {
            op: self.job.op,
            run: self.job.run.clone(),
            token: self.job.token.clone(),
            carried: self.job.carried.clone(),
            config: self.job.config.clone(),
            at: self.at.clone(),
            adopted: (*self.adopted).clone(),
            revision: self.revision,
            errors: self.errors.as_deref().cloned(),
        }
    }

    /// The helm that was kept, at the place where it was.
    pub(crate) fn revive(kept: HelmSnapshot, world: &World) -> Option<Self> {
        let record = records::goes_on_from(world, &kept.run.release, kept.op);
        let stored_digest = record.and_then(|(_, record)| records::manifest_digest(record));
        let is_uninstall = kept.op.is_uninstall();
        let job = HelmJob {
            op: kept.op,
            target: if is_uninstall { Docs::default() } else { world.library.get(&kept.run.manifest)?.clone() },
            stored: stored_digest.as_ref().and_then(|digest| world.library.get(digest).cloned()).unwrap_or_default(),
            stored_digest,
            run: kept.run,
            token: kept.token,
            carried: kept.carried,
            config: kept.config,
        };
        Some(Self {
            job_hash: job.state_hash(),
            removed: job.removed(),
            job: Arc::new(job),
            at: kept.at,
            adopted: Arc::new(kept.adopted),
            revision: kept.revision,
            errors: kept.errors.map(Arc::new),
        })
    }

    /// The token of this run.
    pub(crate) fn token(&self) -> Option<&HelmToken> {
        self.job.token.as_ref()
    }

    /// Hashes what its future depends on. What went wrong is told by the record of it alone, so that it did is enough.
    pub(crate) fn hash_into(&self, state: &mut impl Hasher) {
        (self.job_hash, &self.at, self.errors.is_some(), &self.adopted, self.revision).hash(state);
    }

    /// Whether it has begun to write.
    pub(crate) fn has_started(&self) -> bool {
        self.at != At::Start
    }

    /// The object that the next turn is about; `None` for helm's own records.
    pub(crate) fn target(&self) -> Option<&Ref> {
        match self.at {
            At::Apply(at) => self.job.target.get(at).map(|(name, _)| name),
            At::Remove(at) => self.job.stored.get(at).map(|(name, _)| name),
            At::Delete(at) => self.deleted(at),
            _ => None,
        }
    }

    /// In words, what the next turn does; `None` where it writes nothing. `refused` is what went wrong so far.
    pub(crate) fn next_in_words(&self, world: &World, refused: Option<&HelmError>) -> Option<String> {
        let exists = |name: &Ref| world.thing(name).is_some();
        match self.at {
            At::Start if self.job.op.is_uninstall() => Some(format!("helm uninstalls {}", self.job.run.release.name)),
            At::Start => Some(format!("helm starts revision {}", next_revision(world, &self.job.run.release))),
            At::Apply(at) => self
                .job
                .target
                .get(at)
                .map(|(name, _)| format!("helm {} {name}", if exists(name) { "patches" } else { "creates" })),
            At::Remove(at) => {
                let (name, _) = self.job.stored.get(at)?;
                match (self.removes(at), world.get(name)?) {
                    (true, live) if portolan_kube_facts::is_kept(live) => {
                        Some(format!("helm leaves {name}: its live annotation says keep"))
                    }
                    (true, _) => Some(format!("helm deletes {name}: the new chart does not have it")),
                    _ => None,
                }
            }
            At::Delete(at) => self.deleted(at).map(|name| format!("helm deletes {name}")),
            At::Purge => Some("helm removes a record of the release".into()),
            At::Uninstalled => Some("helm marks the revision uninstalled".into()),
            At::Supersede => Some("helm marks the old revision superseded".into()),
            At::Deployed => Some("helm marks the new revision deployed".into()),
            At::Failed => Some(format!("helm gives up: {}", refused.map_or("it failed", |error| &error.text))),
        }
    }

    /// The numbers of the rules that the next turn follows.
    pub(crate) fn rules(&self, world: &World) -> &'static [&'static str] {
        match self.at {
            At::Start => match self.job.op {
                HelmOperation::Install => &["H14", "H1", "H2", "H3"],
                HelmOperation::Upgrade => &["H1", "H2", "H3"],
                HelmOperation::Uninstall { .. } => &["H15"],
            },
            At::Apply(at) => match self.job.target.get(at) {
                Some((name, _)) if world.thing(name).is_some() => &["H5"],
                Some(_) => &["H4"],
                None if self.errors.is_some() => &["H6"],
                None => &[],
            },
            At::Remove(at) => {
                if self.removes(at) {
                    &["H12"]
                } else {
                    &[]
                }
            }
            At::Supersede | At::Deployed | At::Failed => &["H13"],
            At::Delete(at) => {
                if self.deleted(at).is_some() {
                    &["H16"]
                } else {
                    &[]
                }
            }
            At::Purge | At::Uninstalled => &["H17"],
        }
    }

    /// Whether a document of the stored manifest is one that the target does not have.
    fn removes(&self, at: usize) -> bool {
        self.removed.get(at) == Some(&true)
    }

    /// One turn; `false` when helm has ended.
    pub(crate) fn turn(&mut self, world: &mut World, result: WriteResult) -> bool {
        match self.at {
            At::Start if self.job.op.is_uninstall() => return self.start_uninstall(world),
            At::Start => return self.start_upgrade(world),
            At::Delete(at) => return self.delete(world, at, result),
            At::Purge => return self.purge(world),
            At::Uninstalled => {
                set_status(world, &self.job.run.release, self.revision, ReleaseStatus::Uninstalled);
                return false;
            }
            At::Apply(at) => self.apply(world, at, result),
            At::Remove(at) => self.remove(world, at, result),
            At::Supersede => {
                let old = base(world, &self.job.run.release).map(|(revision, _)| revision);
                if let Some(old) = old.filter(|old| *old != self.revision) {
                    set_status(world, &self.job.run.release, old, ReleaseStatus::Superseded);
                }
                self.at = At::Deployed;
            }
            At::Deployed => {
                set_status(world, &self.job.run.release, self.revision, ReleaseStatus::Deployed);
                return false;
            }
            At::Failed => {
                set_status(world, &self.job.run.release, self.revision, ReleaseStatus::Failed);
                return false;
            }
        }
        true
    }

    /// Why helm refuses before it writes anything; what went wrong, once it has begun.
    pub(crate) fn refusal(&self, world: &World) -> Option<HelmError> {
        if self.at != At::Start {
            return self.errors.as_deref().cloned();
        }
        match self.job.op {
            HelmOperation::Uninstall { keep_history } => self.uninstall_refused(world, keep_history),
            HelmOperation::Install | HelmOperation::Upgrade => self.upgrade_refused(world),
        }
    }

    fn fail(&mut self, object: &Ref, failed: Failed) {
        if self.errors.is_some() {
            return;
        }
        let text = match failed.refusal {
            Refusal::Invalid(text) => text,
            other => format!("{object}: {other:?}"),
        };
        self.errors = Some(Arc::new(HelmError { object: object.clone(), field: failed.field, text }));
    }
}

/// A write of helm's that was refused.
struct Failed {
    refusal: Refusal,
    /// The field that the server lets nobody change, as a dotted path.
    field: Option<String>,
}

impl Failed {
    fn of(text: &str) -> Self {
        Self { refusal: Refusal::Invalid(text.into()), field: None }
    }
}

#[cfg(test)]
mod tests;

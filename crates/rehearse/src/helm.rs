//! Helm as an actor: its own sequence of API writes, each a turn of its own, so that anything can happen in
//! between. Read in helm's pkg/action/upgrade.go and pkg/kube/client.go (3.14.4, 3.22.0, 4.3.1).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64::Engine as _;
use helm_compat::merge;
use model::{HelmRun, Manifest, Object, Ref, Refusal, ReleaseId, ReleaseStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::world::{Docs, Thing, World};

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
        "what only the old manifest has is deleted last, unless its live annotation is exactly keep",
        "pkg/kube/client.go",
    ),
    (
        "H13",
        "the old record becomes superseded, then the new one deployed; or the new one failed",
        "pkg/action/upgrade.go",
    ),
];

/// A run of helm with everything that it will need.
#[derive(Clone, Debug)]
pub struct HelmJob {
    pub(crate) run: HelmRun,
    pub(crate) token: Option<String>,
    /// What it applies, in order.
    pub(crate) target: Docs,
    /// The manifest of the revision before, in order; empty for an installation.
    pub(crate) stored: Docs,
    /// The values that come out of Secrets, as the Secrets' data have them.
    pub(crate) carried: BTreeMap<String, String>,
    /// The user-supplied values that it will store.
    pub(crate) config: Value,
}

impl HelmJob {
    /// A run of helm that a person types: nothing is carried, and no token marks it.
    #[must_use]
    pub fn typed(world: &World, run: &HelmRun) -> Option<Self> {
        let (_, record) = records(world, &run.release).pop()?;
        let stored = world.library.get(&crate::serve::digest(record.text("/manifest"))?)?.clone();
        Some(Self {
            target: world.library.get(&run.manifest)?.clone(),
            run: run.clone(),
            token: None,
            stored,
            carried: BTreeMap::new(),
            config: json!({}),
        })
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
}

/// A running helm. It goes on when whoever started it dies.
#[derive(Clone, Debug)]
pub struct HelmActor {
    pub(crate) job: Arc<HelmJob>,
    at: At,
    adopted: Arc<BTreeSet<Ref>>,
    /// What went wrong so far. The first of it is what the record will say.
    errors: Option<Arc<str>>,
}

/// A helm as it lies on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    run: HelmRun,
    token: Option<String>,
    carried: BTreeMap<String, String>,
    config: Value,
    at: At,
    adopted: BTreeSet<Ref>,
    errors: Option<String>,
}

/// How helm's next write ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// As the API server decides.
    Served,
    /// The API server answers with an error.
    Failing,
    /// The API server carries it out and answers with an error. For a patch of an object that no verdict depends on
    /// this stands for `Failing` too: what helm does next is the same, and fewer worlds differ.
    Lost,
}

impl HelmActor {
    pub(crate) fn new(job: HelmJob) -> Self {
        Self { job: Arc::new(job), at: At::Start, adopted: Arc::default(), errors: None }
    }

    /// What has to be kept of it.
    pub(crate) fn keep(&self) -> Kept {
        Kept {
            run: self.job.run.clone(),
            token: self.job.token.clone(),
            carried: self.job.carried.clone(),
            config: self.job.config.clone(),
            at: self.at.clone(),
            adopted: (*self.adopted).clone(),
            errors: self.errors.as_deref().map(str::to_owned),
        }
    }

    /// The helm that was kept, at the place where it was.
    pub(crate) fn revive(kept: Kept, world: &World) -> Option<Self> {
        let base = record_name(&kept.run.release, kept.run.base_revision);
        let stored = world
            .get(&base)
            .and_then(|record| world.library.get(&crate::serve::digest(record.text("/manifest"))?).cloned())
            .unwrap_or_default();
        let target = world.library.get(&kept.run.manifest)?.clone();
        let job =
            HelmJob { target, stored, run: kept.run, token: kept.token, carried: kept.carried, config: kept.config };
        Some(Self {
            job: Arc::new(job),
            at: kept.at,
            adopted: Arc::new(kept.adopted),
            errors: kept.errors.map(Into::into),
        })
    }

    /// The token of this run.
    pub(crate) fn token(&self) -> Option<&str> {
        self.job.token.as_deref()
    }

    pub(crate) fn hash_into(&self, state: &mut impl Hasher) {
        (&self.job.token, &self.at, self.errors.is_some(), self.adopted.len()).hash(state);
    }

    /// The object that the next turn is about; `None` for helm's own records.
    pub(crate) fn target(&self) -> Option<&Ref> {
        match self.at {
            At::Apply(at) => self.job.target.get(at).map(|(name, _)| name),
            At::Remove(at) => self.job.stored.get(at).map(|(name, _)| name),
            _ => None,
        }
    }

    /// In words, what the next turn does.
    pub(crate) fn next_in_words(&self, world: &World) -> String {
        let exists = |name: &Ref| world.thing(name).is_some();
        match self.at {
            At::Start => format!("helm starts revision {}", self.job.run.base_revision + 1),
            At::Apply(at) => self.job.target.get(at).map_or("helm goes on to removals".into(), |(name, _)| {
                format!("helm {} {name}", if exists(name) { "patches" } else { "creates" })
            }),
            At::Remove(at) => {
                self.job.stored.get(at).map_or("helm has removed what is to go".into(), |(name, _)| {
                    match (self.removes(name), world.get(name)) {
                        (true, Some(live)) if live.annotation("helm.sh/resource-policy") == Some("keep") => {
                            format!("helm leaves {name}: its live annotation says keep")
                        }
                        (true, Some(_)) => format!("helm deletes {name}: the new chart does not have it"),
                        _ => format!("helm passes over {name}"),
                    }
                })
            }
            At::Supersede => "helm marks the old revision superseded".into(),
            At::Deployed => "helm marks the new revision deployed".into(),
            At::Failed => format!("helm gives up: {}", self.errors.as_deref().unwrap_or("it failed")),
        }
    }

    /// The numbers of the rules that the next turn follows.
    pub(crate) fn rules(&self, world: &World) -> &'static [&'static str] {
        match self.at {
            At::Start => &["H1", "H2", "H3"],
            At::Apply(at) => match self.job.target.get(at) {
                Some((name, _)) if world.thing(name).is_some() => &["H5"],
                Some(_) => &["H4"],
                None if self.errors.is_some() => &["H6"],
                None => &[],
            },
            At::Remove(at) => {
                let removed = self.job.stored.get(at).is_some_and(|(name, _)| self.removes(name));
                if removed { &["H12"] } else { &[] }
            }
            At::Supersede | At::Deployed | At::Failed => &["H13"],
        }
    }

    fn removes(&self, name: &Ref) -> bool {
        !self.job.target.iter().any(|(target, _)| target == name)
    }

    /// One turn; `false` when helm has ended.
    pub(crate) fn turn(&mut self, world: &mut World, fate: Fate) -> bool {
        match self.at {
            At::Start => return self.start(world),
            At::Apply(at) => self.apply(world, at, fate),
            At::Remove(at) => self.remove(world, at, fate),
            At::Supersede => {
                let base = self.job.run.base_revision;
                if base > 0 {
                    set_status(world, &self.job.run.release, base, ReleaseStatus::Superseded);
                }
                self.at = At::Deployed;
            }
            At::Deployed => {
                set_status(world, &self.job.run.release, self.job.run.base_revision + 1, ReleaseStatus::Deployed);
                return false;
            }
            At::Failed => {
                set_status(world, &self.job.run.release, self.job.run.base_revision + 1, ReleaseStatus::Failed);
                return false;
            }
        }
        true
    }

    /// Renders (which looks up Secrets), checks ownership, and makes the record that is helm's lock.
    fn start(&mut self, world: &mut World) -> bool {
        let job = self.job.clone();
        for guard in &job.run.guards {
            let refuses = world
                .get(&guard.key.secret)
                .is_some_and(|secret| !secret.data_keys().contains(&guard.key.key.as_str()));
            if refuses {
                return false;
            }
        }
        let mut adopted = BTreeSet::new();
        for (name, _) in job.target.iter().filter(|(name, _)| !job.stored.iter().any(|(stored, _)| stored == name)) {
            if let Some(live) = world.get(name) {
                if !is_owned(live, &job.run.release) {
                    return false;
                }
                adopted.insert(name.clone());
            }
        }
        self.adopted = Arc::new(adopted);
        let revision = job.run.base_revision + 1;
        let name = record_name(&job.run.release, revision);
        let status = if revision == 1 { ReleaseStatus::PendingInstall } else { ReleaseStatus::PendingUpgrade };
        let made = world.create(
            &name,
            json!({
                "apiVersion": "helm.sh/v1", "kind": "Release",
                "metadata": {"name": name.name(), "namespace": name.namespace()},
                "revision": revision, "status": status, "token": job.token, "chart": job.run.chart,
                "manifest": job.run.manifest, "config": job.config
            }),
        );
        self.at = At::Apply(0);
        made.is_ok()
    }

    fn apply(&mut self, world: &mut World, at: usize, fate: Fate) {
        let job = self.job.clone();
        let Some((name, doc)) = job.target.get(at) else {
            self.at = if self.errors.is_some() { At::Failed } else { At::Remove(0) };
            return;
        };
        self.at = At::Apply(at + 1);
        let Some(thing) = world.thing(name).cloned() else {
            let made = match fate {
                Fate::Served => world.create(name, self.resolved(world, name, doc)).map(drop),
                Fate::Failing | Fate::Lost => Err(Refusal::Invalid("the server did not answer".into())),
            };
            // A create that fails ends the loop at once.
            if let Err(refusal) = made {
                self.errors = Some(format!("{name}: {refusal:?}").into());
                self.at = At::Failed;
            }
            return;
        };
        let wrote = match fate {
            Fate::Failing => Err(Refusal::Invalid("the server did not answer".into())),
            Fate::Served => self.patch(world, name, doc, &thing),
            Fate::Lost => {
                drop(self.patch(world, name, doc, &thing));
                Err(Refusal::Invalid("the answer was lost".into()))
            }
        };
        // A patch that fails is remembered; the others are still sent.
        if let Err(refusal) = wrote
            && self.errors.is_none()
        {
            self.errors = Some(match refusal {
                Refusal::Invalid(text) => text.into(),
                other => format!("{name}: {other:?}").into(),
            });
        }
    }

    /// Helm's patch of an object that is there.
    fn patch(&self, world: &mut World, name: &Ref, doc: &Object, thing: &Thing) -> Result<(), Refusal> {
        let live = &thing.object;
        // The same patch of the same content was tried before, or it is worked out now.
        let made = (self.job.run.base_revision, &self.job.run.manifest);
        if name.kind() != "Secret" && world.take_made(name, made, thing.print()) {
            return Ok(());
        }
        let modified = self.resolved(world, name, doc);
        let original = self.job.stored.iter().find(|(stored, _)| stored == name).map(|(_, doc)| (*doc.0).clone());
        let original = original.unwrap_or_else(|| (*doc.0).clone());
        let patched = if merge::is_typed(name.group()) {
            merge::three_way(&original, &modified, &live.0)
        } else {
            merge::two_way(&original, &modified, &live.0)
        };
        if name.kind() == "Secret" {
            // What is in it depends on more than on what was there before.
            return world.update(name, patched);
        }
        world.admit(name, &patched)?;
        world.put_made(name, made, thing.print(), || patched);
        Ok(())
    }

    fn remove(&mut self, world: &mut World, at: usize, fate: Fate) {
        let job = self.job.clone();
        let Some((name, _)) = job.stored.get(at) else {
            self.at = At::Supersede;
            return;
        };
        self.at = At::Remove(at + 1);
        let kept = world.get(name).is_some_and(|live| live.annotation("helm.sh/resource-policy") == Some("keep"));
        // Helm 3 only logs a failed delete; the upgrade still ends as deployed.
        if self.removes(name) && !kept && fate == Fate::Served {
            drop(world.delete(name));
        }
    }

    /// The document with helm's ownership marks and with the Secrets' values that this run was given.
    fn resolved(&self, world: &World, name: &Ref, doc: &Object) -> Value {
        let mut json = (*doc.0).clone();
        let release = &self.job.run.release;
        json["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("Helm");
        json["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!(release.name);
        json["metadata"]["annotations"]["meta.helm.sh/release-namespace"] = json!(release.namespace);
        if name.kind() != "Secret" {
            return json;
        }
        for part in ["data", "stringData"] {
            let Some(Value::Object(data)) = json.get(part).cloned() else { continue };
            for (key, value) in data {
                let text = value.as_str().unwrap_or_default();
                let live = world.get(name).and_then(|live| live.0.get("data")?.get(&key)?.as_str().map(str::to_owned));
                let looked_up =
                    self.job.run.guards.iter().any(|guard| guard.key.secret == *name && guard.key.key == key);
                let known = if let Some(path) = text.strip_prefix(Manifest::CARRIED) {
                    self.job.carried.get(path).cloned()
                } else if text == Manifest::FREE {
                    live.filter(|_| looked_up).or_else(|| Some(random(name, &key)))
                } else if text == Manifest::HIDDEN {
                    live.or_else(|| Some(Manifest::HIDDEN.into()))
                } else {
                    continue;
                };
                if let Some(object) = json.get_mut(part).and_then(Value::as_object_mut) {
                    object.remove(&key);
                }
                json["data"][&key] = json!(known.unwrap_or_default());
            }
        }
        json
    }
}

/// What a chart makes up where nothing is given: another value than any that is known.
fn random(name: &Ref, key: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("random-{}-{key}", name.name()))
}

fn is_owned(live: &Object, release: &ReleaseId) -> bool {
    live.label("app.kubernetes.io/managed-by") == Some("Helm")
        && live.annotation("meta.helm.sh/release-name") == Some(&release.name)
        && live.annotation("meta.helm.sh/release-namespace") == Some(&release.namespace)
}

/// The name of a release's record in the simulated world.
pub(crate) fn record_name(release: &ReleaseId, revision: u32) -> Ref {
    Ref::new("helm.sh", "Release", &release.namespace, &format!("{}.v{revision}", release.name))
}

fn set_status(world: &mut World, release: &ReleaseId, revision: u32, status: ReleaseStatus) {
    let name = record_name(release, revision);
    if let Some(record) = world.get(&name) {
        let mut json = (*record.0).clone();
        json["status"] = json!(status);
        world.put(&name, json);
    }
}

/// The records of a release, oldest first: revision and object.
pub(crate) fn records<'a>(world: &'a World, release: &ReleaseId) -> Vec<(u32, &'a Object)> {
    let prefix = format!("{}.v", release.name);
    let mut records: Vec<(u32, &Object)> = world
        .objects()
        .filter(|(name, _)| name.kind() == "Release" && name.namespace() == release.namespace)
        .filter_map(|(name, object)| Some((name.name().strip_prefix(&prefix)?.parse().ok()?, object)))
        .collect();
    records.sort_by_key(|(revision, _)| *revision);
    records
}

/// The status of the newest record.
pub(crate) fn newest_status(world: &World, release: &ReleaseId) -> ReleaseStatus {
    records(world, release)
        .last()
        .map_or(ReleaseStatus::Unknown, |(_, record)| ReleaseStatus::parse(record.text("/status")))
}

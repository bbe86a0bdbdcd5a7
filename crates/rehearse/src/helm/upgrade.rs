//! An upgrade or an installation: helm refuses or makes its record, writes the objects of the new manifest, and deletes what only the old
//! one has (`pkg/action/upgrade.go` and `pkg/kube/client.go`, helm 3.14.4, 3.22.0 and 4.3.1).

use std::sync::Arc;

use base64::Engine as _;
use portolan_helm_compat::merge;
use portolan_helm_compat::upgrade::Matching;
use portolan_model::{HelmOperation, Manifest, Object, Ref, Refusal, ReleaseId, ReleaseStatus, ValuesPath};
use serde_json::{Value, json};

use super::records::{next_revision, record_name, records};
use super::{At, Failed, HelmActor, HelmError, WriteResult};
use crate::world::{StoredObject, World};

impl HelmActor {
    /// Renders (which looks up Secrets), checks ownership, and makes the record that is helm's lock.
    pub(super) fn start_upgrade(&mut self, world: &mut World) -> bool {
        let job = self.job.clone();
        if self.refusal(world).is_some() {
            return false;
        }
        let adopted = self.new_names().filter(|name| world.get(name).is_some()).cloned().collect();
        self.adopted = Arc::new(adopted);
        let revision = next_revision(world, &job.run.release);
        self.revision = revision;
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

    /// The objects that the stored manifest does not have.
    fn new_names(&self) -> impl Iterator<Item = &Ref> {
        let matching = Matching::of(self.job.run.client.version());
        let is_new = move |(name, doc): &&(Ref, Object)| {
            !self.job.stored.iter().any(|(its, stored)| matching.is_same((its, stored), (name, doc)))
        };
        self.job.target.iter().filter(is_new).map(|(name, _)| name)
    }

    /// Why helm refuses the upgrade or the installation before it writes anything.
    pub(super) fn upgrade_refused(&self, world: &World) -> Option<HelmError> {
        let run = &self.job.run;
        if self.job.op == HelmOperation::Install
            && let Some((revision, _)) = records(world, &run.release).last()
        {
            let text = "cannot re-use a name that is still in use".into();
            return Some(HelmError { object: record_name(&run.release, *revision), field: None, text });
        }
        let lacks_key = run.required_keys.iter().find(|guard| {
            let secret = world.get(&guard.key.secret);
            secret.is_some_and(|secret| !secret.data_keys().contains(&guard.key.key.as_str()))
        });
        if let Some(guard) = lacks_key {
            let field = Some(format!("data.{}", guard.key.key));
            return Some(HelmError { object: guard.key.secret.clone(), field, text: guard.message.clone() });
        }
        let foreign =
            self.new_names().find(|name| world.get(name).is_some_and(|live| !is_owned(live, &run.release)))?.clone();
        let text = format!(
            "{foreign} exists and cannot be imported into the release: it lacks the labels and annotations of release {}",
            run.release.name
        );
        Some(HelmError { object: foreign, field: Some("metadata.annotations".into()), text })
    }

    /// Creates or patches the next object of the target.
    pub(super) fn apply(&mut self, world: &mut World, at: usize, result: WriteResult) {
        let job = self.job.clone();
        let Some((name, doc)) = job.target.get(at) else {
            self.at = if self.errors.is_some() { At::Failed } else { At::Remove(0) };
            return;
        };
        self.at = At::Apply(at + 1);
        let Some(thing) = world.thing(name).cloned() else {
            let made = match result {
                WriteResult::Served => self.create(world, name, doc),
                WriteResult::Rejected | WriteResult::ResponseLost => {
                    Err(Refusal::Invalid("the server did not answer".into()))
                }
            };
            // A create that fails ends the loop at once.
            if let Err(refusal) = made {
                self.fail(name, Failed { refusal, field: None });
                self.at = At::Failed;
            }
            return;
        };
        let wrote = match result {
            WriteResult::Rejected => Err(Failed::of("the server did not answer")),
            WriteResult::Served => self.patch(world, name, doc, &thing),
            WriteResult::ResponseLost => {
                drop(self.patch(world, name, doc, &thing));
                Err(Failed::of("the answer was lost"))
            }
        };
        // A patch that fails is remembered; the others are still sent.
        if let Err(failed) = wrote {
            self.fail(name, failed);
        }
    }

    /// Helm's create of an object that is not there.
    fn create(&self, world: &mut World, name: &Ref, doc: &Object) -> Result<(), Refusal> {
        if name.kind() == "Secret" {
            // What is in it depends on more than on the document.
            return world.create(name, self.resolved(world, name, doc)).map(drop);
        }
        let made = (self.job.run.base_revision, &self.job.run.manifest);
        world.create_made(name, made, 0, || self.marked(doc))
    }

    /// Helm's patch of an object that is there.
    fn patch(&self, world: &mut World, name: &Ref, doc: &Object, thing: &StoredObject) -> Result<(), Failed> {
        let live = &thing.object;
        // The same patch of the same content was tried before, or it is worked out now.
        let made = (self.job.run.base_revision, &self.job.run.manifest);
        if name.kind() != "Secret" && world.take_made(name, made, thing.state_hash()) {
            return Ok(());
        }
        let modified = self.resolved(world, name, doc);
        let matching = Matching::of(self.job.run.client.version());
        let original = self.job.stored.iter().find(|(its, stored)| matching.is_same((its, stored), (name, doc)));
        let original = original.map_or(&*doc.0, |(_, doc)| &*doc.0);
        let patched = if merge::is_typed(name.group()) {
            merge::three_way(original, &modified, &live.0)
        } else {
            merge::two_way(original, &modified, &live.0)
        };
        if name.kind() == "Secret" {
            // What is in it depends on more than on what was there before.
            let field = world.immutable_fields(name, &patched).into_iter().next();
            return world.update(name, patched).map_err(|refusal| Failed { refusal, field });
        }
        world.admit(name, &patched).map_err(|refusal| {
            let field = world.immutable_fields(name, &patched).into_iter().next();
            Failed { refusal, field }
        })?;
        world.put_made(name, made, thing.state_hash(), || patched);
        Ok(())
    }

    /// Deletes what only the stored manifest has.
    pub(super) fn remove(&mut self, world: &mut World, at: usize, result: WriteResult) {
        let job = self.job.clone();
        let Some((name, _)) = job.stored.get(at) else {
            self.at = At::Supersede;
            return;
        };
        self.at = At::Remove(at + 1);
        let kept = world.get(name).is_some_and(portolan_kube_facts::is_kept);
        // Helm 3 only logs a failed delete; the upgrade still ends as deployed.
        if self.removes(at) && !kept && result == WriteResult::Served {
            drop(world.delete(name));
        }
    }

    /// The document with helm's ownership marks.
    fn marked(&self, doc: &Object) -> Value {
        let mut json = (*doc.0).clone();
        let release = &self.job.run.release;
        json["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("Helm");
        json["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!(release.name);
        json["metadata"]["annotations"]["meta.helm.sh/release-namespace"] = json!(release.namespace);
        json
    }

    /// The document with helm's ownership marks and with the Secrets' values that this run was given.
    fn resolved(&self, world: &World, name: &Ref, doc: &Object) -> Value {
        let mut json = self.marked(doc);
        if name.kind() != "Secret" {
            return json;
        }
        for part in ["data", "stringData"] {
            let Some(Value::Object(data)) = json.get(part).cloned() else { continue };
            for (key, value) in data {
                let text = value.as_str().unwrap_or_default();
                let live = world.get(name).and_then(|live| live.0.get("data")?.get(&key)?.as_str().map(str::to_owned));
                let looked_up =
                    self.job.run.required_keys.iter().any(|guard| guard.key.secret == *name && guard.key.key == key);
                let known = if let Some(path) = text.strip_prefix(Manifest::CARRIED) {
                    self.job.carried.get(&ValuesPath::new(path)).cloned()
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

//! Answers the engine's requests from the real world.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_inventory::credential::KnownSecrets;
use portolan_kube_facts::{compare, to_create};
use portolan_model::{
    ArchivedCopy, Carried, CheckReport, CopyState, DatabaseError, DatabaseRef, Digest, Elapsed, Event, Finding,
    HelmOperation, HelmRun, HelmToken, JournalRecord, Manifest, Object, ObjectCheck, Observation, Progress, Ref,
    Refusal, ReleaseId, Reply, Request, SecretKey, Seen, Snapshot, Verb, Wait,
};
use serde_json::Value;

use crate::compat::{self, KnownObjects, PlannedWrites};
use crate::helm::{self, Given, Launch, NotStarted};
use crate::kubernetes::Client;
use crate::postgres;
use crate::store::RunStore;

/// The real world, for one run.
pub struct Driver {
    client: Client,
    store: RunStore,
}

impl Driver {
    /// A driver of a run.
    #[must_use]
    pub fn new(client: Client, store: RunStore) -> Self {
        Self { client, store }
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The run's folder.
    #[must_use]
    pub fn store(&self) -> &RunStore {
        &self.store
    }

    /// Answers a request of a step that works on `release`; `events` is told what became durable and what is waited for. A wait may
    /// be dropped half-way: nothing is lost with it.
    ///
    /// # Errors
    /// Where the journal cannot be written. Nothing may be done then, so there is no answer to go on with.
    pub async fn serve(
        &mut self,
        request: Request,
        release: &ReleaseId,
        events: &mut dyn FnMut(&Event),
    ) -> Result<Reply, Finding> {
        Ok(match request {
            Request::Append(record, blobs) => {
                self.store.append(record.clone(), &blobs)?;
                events(&Event::Recorded(Box::new(record)));
                Reply::Appended
            }
            Request::Read(refs) => Reply::Seen(self.client.read(&refs).await),
            Request::ReadWithClaims(refs, namespace) => {
                let mut seen = self.client.read(&refs).await;
                seen.extend(self.client.claims(&namespace).await);
                Reply::Seen(seen)
            }
            Request::Releases(id, free) => match self.client.releases(&id, &free).await {
                Ok(facts) => Reply::Releases(facts),
                Err(finding) => Reply::Unknown(words(&finding)),
            },
            Request::Compare(target, copy) => Reply::Compared(self.compare(&target, &copy).await),
            Request::Write(write) => match &write.verb {
                Verb::Restore(copy) => match self.copy(copy) {
                    Ok(archived) => self.client.create(&write.target, &to_create(&archived, &copy.owners)).await,
                    Err(text) => Reply::Refused(Refusal::NotSent(text)),
                },
                Verb::MergePatch(_) | Verb::Delete => self.client.write(&write).await,
            },
            Request::Spawn(op, run, token) => match self.spawn(op, &run, &token) {
                Ok(()) => Reply::Spawned,
                Err(NotStarted::BeforeNow) => {
                    Reply::Refused(Refusal::NotSent("helm was started for this attempt before".into()))
                }
                Err(NotStarted::Unusable(text)) => Reply::Refused(Refusal::Invalid(text)),
            },
            Request::Wait(wait) => self.wait(&wait, &release.namespace, events).await,
            Request::Query(database) => {
                events(&Event::Reading { pod: database.pod.clone() });
                Reply::Rows(self.query(&database).await)
            }
            Request::Check(check) => match self.check(&check).await {
                Ok(report) => Reply::Checked(report),
                Err(text) => Reply::Unknown(text),
            },
            // Nothing is asked, so there is nothing to answer; the loop ends before this.
            Request::End(_) => Reply::Met,
        })
    }

    /// What a helm said last, without the credentials among the values that it was given: evidence where an upgrade failed.
    #[must_use]
    pub fn helm_said(&self, run: &HelmRun, token: &HelmToken) -> String {
        let said = helm::ended_text(self.store.folder(), token);
        match self.given(run) {
            Ok(values) => KnownSecrets::default().and_values(&values).told(&said),
            Err(_) => said,
        }
    }

    fn spawn(&self, op: HelmOperation, run: &HelmRun, token: &HelmToken) -> Result<(), NotStarted> {
        let archive = run.archive.as_ref().filter(|_| !op.is_uninstall());
        let chart = archive.map(|digest| self.store.blob_file(digest)).transpose();
        let chart = chart.map_err(|finding| NotStarted::Unusable(words(&finding)))?;
        let values = if chart.is_some() { self.values(run).map_err(NotStarted::Unusable)? } else { Vec::new() };
        helm::spawn(&Launch {
            op,
            run,
            token,
            folder: self.store.folder(),
            given: chart.as_deref().map(|chart| Given { chart, values: &values }),
            kubeconfig: self.client.kubeconfig(),
            context: self.client.context(),
        })
    }

    /// An object beside its archived copy.
    async fn compare(&self, target: &Ref, copy: &ArchivedCopy) -> CopyState {
        match self.copy(copy) {
            Ok(archived) => compare(&archived, &self.client.see(target).await),
            Err(text) => CopyState::Unreadable(text),
        }
    }

    /// An archived object out of the run's folder.
    fn copy(&self, copy: &ArchivedCopy) -> Result<Object, String> {
        let bytes = self.store.blob(&copy.digest).map_err(|finding| words(&finding))?;
        serde_json::from_slice(&bytes).map_err(|_| "the archived copy is no JSON".to_owned())
    }

    /// The values that helm is given: those of the plan, and the passwords out of the archive.
    fn values(&self, run: &HelmRun) -> Result<Vec<u8>, String> {
        self.given(run).map(|values| compat::values_file(&values).into_bytes())
    }

    fn given(&self, run: &HelmRun) -> Result<Value, String> {
        let digest = run.values.as_ref().ok_or("the plan has no values for this run of helm")?;
        let bytes = self.store.blob(digest).map_err(|finding| words(&finding))?;
        let mut values: Value =
            serde_json::from_slice(&bytes).map_err(|error| format!("the plan's values are no JSON: {error}"))?;
        for Carried { path, from } in &run.carried {
            let secret = self.archived(from)?.ok_or_else(|| format!("{} is not in this run's archive", from.secret))?;
            compat::set(&mut values, path.as_str(), value_of(&secret, from)?.into());
        }
        Ok(values)
    }

    /// Checks what helm will write in a hop, with what the run's folder has of it.
    async fn check(&self, check: &ObjectCheck) -> Result<CheckReport, String> {
        let manifest = |digest: &Digest| -> Result<Manifest, String> {
            let bytes = self.store.blob(digest).map_err(|finding| words(&finding))?;
            serde_json::from_slice(&bytes).map_err(|error| format!("a planned manifest is no JSON: {error}"))
        };
        let records = self.client.release_secrets(&check.release).await.map_err(|finding| words(&finding))?;
        let writes = PlannedWrites {
            release: check.release.clone(),
            client: check.client.clone(),
            apply: check.apply,
            stored: compat::newest_docs(&records, &check.release)?,
            records: records.len(),
            planned: manifest(&check.manifest)?.docs,
            hooks: manifest(&check.hooks)?.docs,
            deletes: check.deletes.clone(),
            own: check.own.clone(),
            is_next: true,
        };
        let (report, _) = self.client.precheck(writes, KnownObjects::default()).await;
        Ok(report)
    }

    async fn wait(&self, wait: &Wait, namespace: &str, events: &mut dyn FnMut(&Event)) -> Reply {
        let folder = self.store.folder();
        let lives = |token: &HelmToken| {
            let lives = helm::is_alive(folder, token);
            if !lives {
                helm::tidy(folder, token);
            }
            lives
        };
        let mut tell = |progress: &[Progress], elapsed: Duration| {
            events(&Event::Waiting {
                step: wait.step,
                progress: progress.to_vec(),
                elapsed: Elapsed::Seconds(elapsed.as_secs()),
                limit: wait.limit,
            });
        };
        self.client.wait(wait, namespace, &lives, &mut tell).await
    }

    /// What a wait of a step that works on `release` waits for now, and why.
    pub async fn explain(&self, wait: &Wait, release: &ReleaseId) -> Vec<Progress> {
        let folder = self.store.folder();
        self.client.explain(wait, &release.namespace, &|token| helm::is_alive(folder, token)).await
    }

    async fn query(&self, database: &DatabaseRef) -> Result<Snapshot, DatabaseError> {
        let other = DatabaseError::Other;
        let key = &database.password;
        // A server outside keeps its password whatever the upgrade does: what counts is what the pods get now.
        let archived = if database.is_outside() { None } else { self.archived(key).map_err(other)? };
        let secret = match archived {
            Some(secret) => secret,
            None => match self.client.see(&key.secret).await {
                Seen::There(secret) => secret,
                Seen::Absent => return Err(other(format!("{} is not there", key.secret))),
                Seen::Unreadable(text) => return Err(other(text)),
            },
        };
        let password = value_of(&secret, key).map_err(other)?;
        postgres::snapshot(self.client.raw(), database, &password, postgres::Depth::Rows).await
    }

    /// The Secret as this run archived it first: before anything was touched, so that its password is the
    /// one that the data directory knows.
    fn archived(&self, key: &SecretKey) -> Result<Option<Object>, String> {
        let entries = self.store.entries().map_err(|finding| words(&finding))?;
        let Some(digest) = entries.iter().find_map(|entry| archived_as(&entry.record, key)) else {
            return Ok(None);
        };
        let bytes = self.store.blob(digest).map_err(|finding| words(&finding))?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| format!("the archived {} is no JSON: {error}", key.secret))
    }
}

fn archived_as<'a>(record: &'a JournalRecord, key: &SecretKey) -> Option<&'a Digest> {
    let JournalRecord::Observed { observation: Observation::Archived { objects }, .. } = record else {
        return None;
    };
    objects.iter().find(|archived| archived.object == key.secret).map(|archived| &archived.digest)
}

/// The value of a Secret's key. What goes wrong is told without the value.
fn value_of(secret: &Object, key: &SecretKey) -> Result<String, String> {
    let text = secret
        .at("/data")
        .and_then(|data| data.get(&key.key)?.as_str())
        .ok_or_else(|| format!("{} has no key {}", key.secret, key.key))?;
    let bytes = STANDARD.decode(text).map_err(|_| format!("key {} of {} is no base64", key.key, key.secret))?;
    String::from_utf8(bytes).map_err(|_| format!("key {} of {} is no text", key.key, key.secret))
}

fn words(finding: &Finding) -> String {
    let mut text = finding.found.clone();
    for line in &finding.evidence {
        text.push_str("; ");
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests;

//! Answers the survey's questions from the simulated world.

use portolan_helm_compat::record::{self, ReleaseRecord};
use portolan_model::{
    Answer, ApplyMethod, Coverage, DatabaseError, DatabaseRef, Object, Ref, ReleaseId, ReleaseStatus, ScopeCoverage,
    SurveyQuery,
};
use serde_json::{Value, json};

use crate::helm::{records, releases};
use crate::object_view::Kind;
use crate::rules::running_database;
use crate::serve::readiness;
use crate::world::World;

/// When everything was deployed that no inventory says more of: a simulation has no time.
const DEPLOYED: &str = "2024-02-11T09:00:00Z";

impl World {
    /// What an API server would answer.
    #[must_use]
    pub fn answer(&self, ask: &SurveyQuery) -> Answer {
        match ask {
            SurveyQuery::Server => Answer::Server {
                version: self.facts.cluster.version.clone(),
                groups: self.facts.cluster.groups.clone(),
                now: None,
            },
            SurveyQuery::Get(name) => {
                if !self.serves(name.group()) {
                    return Answer::NotServed;
                }
                Answer::Items(self.get(name).map(|object| self.with_status(name, object)).into_iter().collect())
            }
            SurveyQuery::List { group, kind, namespace } => {
                let known =
                    self.facts.coverage.iter().find(|one| one.scope.kind == *kind && one.scope.namespace == *namespace);
                match known {
                    Some(ScopeCoverage { coverage: Coverage::Denied(reason), .. }) => {
                        return Answer::Denied(reason.clone());
                    }
                    Some(ScopeCoverage { coverage: Coverage::NotServed, .. }) => return Answer::NotServed,
                    _ if !self.serves(group) => return Answer::NotServed,
                    _ => {}
                }
                let mut items: Vec<Object> = self
                    .objects()
                    .filter(|(name, _)| name.group() == group && name.kind() == kind)
                    .filter(|(name, _)| namespace.is_empty() || name.namespace() == namespace)
                    .map(|(name, object)| self.with_status(name, object))
                    .collect();
                if kind == "Secret" {
                    let releases = releases(self).into_iter();
                    let asked = releases.filter(|id| namespace.is_empty() || *namespace == id.namespace);
                    items.extend(asked.flat_map(|release| self.release_secrets(&release)));
                }
                Answer::Items(items)
            }
        }
    }

    /// What a database's server would say of its version; `None` where none runs.
    #[must_use]
    pub fn server_version(&self, database: &DatabaseRef) -> Option<Result<String, DatabaseError>> {
        if database.is_outside() {
            let why = "a simulated installation has no server outside";
            return Some(Err(DatabaseError::Unreachable(why.into())));
        }
        let (_, database) = running_database(self, &database.set())?;
        Some(Ok(database.server_version.clone()))
    }

    fn serves(&self, group: &str) -> bool {
        group.is_empty() || self.facts.cluster.groups.iter().any(|served| served == group)
    }

    /// Statuses that the real controllers keep and no rule of ours reads.
    fn with_status(&self, name: &Ref, object: &Object) -> Object {
        let mut json = (*object.0).clone();
        let status = match self.view(name).map(|view| &view.kind) {
            Some(Kind::Set(set)) => {
                let wanted = set.ordinals.len();
                let ready = if readiness(self, name).is_ok() { wanted } else { 0 };
                json!({"replicas": wanted, "readyReplicas": ready, "updatedReplicas": ready, "currentRevision": set.revision, "updateRevision": set.revision})
            }
            Some(Kind::Deployment(_)) => {
                let replicas = object.at("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
                let ready = if readiness(self, name).is_ok() { replicas } else { 0 };
                json!({"replicas": replicas, "readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": ready})
            }
            Some(Kind::Job(job)) if job.complete => {
                json!({"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]})
            }
            _ => return object.clone(),
        };
        json["status"] = status;
        // The real controller says which change of the spec it has seen.
        if let Some(generation) = object.at("/metadata/generation") {
            json["status"]["observedGeneration"] = generation.clone();
        }
        Object::new(json)
    }

    /// The records of a release in the form in which Helm keeps them.
    fn release_secrets(&self, release: &ReleaseId) -> Vec<Object> {
        records(self, release)
            .into_iter()
            .filter_map(|(revision, record)| {
                let docs = self.library.get(&crate::helm::manifest_digest(record)?)?;
                let manifest: String = docs
                    .iter()
                    .map(|(_, doc)| format!("---\n{}\n", serde_json::to_string(&*doc.0).unwrap_or_default()))
                    .collect();
                let text = |key: &str| record.text(key).to_owned();
                let or = |text: String, usual: &str| if text.is_empty() { usual.to_owned() } else { text };
                Some(record::encode(&ReleaseRecord {
                    revision,
                    status: ReleaseStatus::parse(record.text("/status")),
                    name: release.name.clone(),
                    namespace: release.namespace.clone(),
                    chart: serde_json::from_value(record.at("/chart")?.clone()).ok()?,
                    app_version: or(text("/app_version"), record.text("/chart/version")),
                    labels: std::collections::BTreeMap::new(),
                    description: text("/description"),
                    last_deployed: or(text("/deployed"), DEPLOYED),
                    config: record.at("/config").cloned().unwrap_or_default(),
                    defaults: Value::Null,
                    manifest,
                    hooks: Vec::new(),
                    apply: ApplyMethod::default(),
                }))
            })
            .collect()
    }
}

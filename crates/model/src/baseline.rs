use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{ChartId, DatabaseRef, Finding, Ref, ReleaseId, RouteLook, Snapshot, Uid, Volume, Workload};

/// What an installation was at a time: facts to compare with later. Made without a plan or a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The version of this format.
    pub format: u32,
    /// When it was looked at: seconds since 1970.
    pub taken: u64,
    /// The cluster: see [`crate::Cluster::uid`].
    pub cluster: Uid,
    /// That cluster's address, for people.
    pub server: String,
    /// The release.
    pub release: ReleaseId,
    /// Its newest revision.
    pub revision: u32,
    /// Its chart.
    pub chart: ChartId,
    /// Every PVC of the release's namespace.
    pub claims: BTreeSet<Ref>,
    /// The PVCs of the release, with their volumes and pods.
    pub volumes: Vec<Volume>,
    /// Its workloads.
    pub workloads: Vec<Workload>,
    /// What was in its databases.
    pub databases: Vec<RecordedDatabase>,
}

/// A database, and what was in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedDatabase {
    /// The database.
    pub database: DatabaseRef,
    /// What was in it.
    pub snapshot: Snapshot,
}

/// One thing that was looked at again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// How it is.
    pub state: CheckState,
    /// What was seen, in a few words.
    pub seen: String,
    /// What is wrong where it does not hold.
    pub finding: Option<Finding>,
}

/// How a thing is that was looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckState {
    /// As it was.
    Holds,
    /// Not as it was.
    Differs,
    /// Changed in a way that an upgrade or daily work may bring.
    Changed,
    /// Not looked at: the look was stopped before.
    Unseen,
}

/// What came of a comparison with a baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// When the baseline was taken: seconds since 1970.
    pub taken: u64,
    /// What was compared.
    pub checks: Vec<Check>,
    /// What the routes answer now.
    pub routes: Vec<RouteLook>,
}

impl Comparison {
    /// What is wrong, and what could not be seen.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let checks = self.checks.iter().filter_map(|check| check.finding.clone());
        checks.chain(self.routes.iter().filter_map(RouteLook::finding)).collect()
    }
}

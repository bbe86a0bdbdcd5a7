//! Looks at an installation again.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use portolan_adapters::kubernetes::Client;
use portolan_adapters::postgres::{self, Depth};
use portolan_adapters::store::RunStore;
use portolan_model::{DatabaseRef, Event, Outcome, Plan, ReleaseStatus, Snapshot};
use portolan_workflow::{Fold, RunDriver, Stops, Target};

use super::{ClusterFixture, to_anyhow};

/// What a run's journal knows.
///
/// # Errors
/// Where it cannot be read.
pub fn known(folder: &Path) -> Result<Fold> {
    let entries = RunStore::open(folder).map_err(to_anyhow)?.entries().map_err(to_anyhow)?;
    Ok(Fold::of(entries.iter().map(|entry| &entry.record)))
}

impl ClusterFixture<'_> {
    /// Carries out the verifying steps of a run again, as `portolan verify` does; with what each saw.
    ///
    /// # Errors
    /// Where the run's folder cannot be read.
    pub fn verify(&self, folder: &Path) -> Result<(Outcome, Vec<String>)> {
        let store = RunStore::open(folder).map_err(to_anyhow)?;
        let (plan, known) = (store.plan().map_err(to_anyhow)?, known(folder)?);
        let client = self.runtime.block_on(Client::connect(self.client().kubeconfig(), None)).map_err(to_anyhow)?;
        let mut driver = RunDriver::new(Target::cluster(client, None), store);
        let (stops, mut silent) = (Stops::never(), |_: &Event, _: &Plan| {});
        let verified = portolan_workflow::verify(&mut driver, &plan, &known, &stops, &mut silent);
        let verified = self.runtime.block_on(verified).map_err(to_anyhow)?;
        let notes = verified.seen.into_iter().filter_map(|(_, seen)| Some(seen?.ok()?.text));
        Ok((verified.outcome, notes.collect()))
    }

    /// A look into the database as deep as it goes.
    ///
    /// # Errors
    /// What the database says.
    pub fn look_deep(&self, database: &DatabaseRef) -> Result<Snapshot> {
        let look = postgres::snapshot(self.client().raw(), database, self.password(), Depth::Content);
        self.runtime.block_on(look).map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    /// The password that the database was made with.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.start.password
    }

    /// The status of the newest release record.
    ///
    /// # Errors
    /// Where the records cannot be read.
    pub fn release_status(&self) -> Result<ReleaseStatus> {
        let facts =
            self.runtime.block_on(self.client().releases(&self.release(), &BTreeMap::new())).map_err(to_anyhow)?;
        Ok(facts.last().map_or(ReleaseStatus::Unknown, |fact| fact.status))
    }
}

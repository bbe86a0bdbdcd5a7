//! An uninstall: what helm deletes, and what becomes of the records (`pkg/action/uninstall.go`, helm 3.14.4 to 4.3.1).

use portolan_model::{HelmOperation, Ref, Refusal, ReleaseStatus};

use super::records::{newest_status, record_name, records, set_status};
use super::{At, Failed, HelmActor, HelmError, WriteResult};
use crate::world::World;

impl HelmActor {
    /// The document of the stored manifest that this turn deletes, counted from the last: helm deletes in about the contrary of the
    /// order in which it creates. `None` for one that stays, and behind the first.
    pub(super) fn deleted(&self, at: usize) -> Option<&Ref> {
        let index = self.job.stored.len().checked_sub(at + 1)?;
        self.removes(index).then(|| &self.job.stored[index].0)
    }

    /// Why helm refuses the uninstall before it writes anything.
    pub(super) fn uninstall_refused(&self, world: &World, keep_history: bool) -> Option<HelmError> {
        let release = &self.job.run.release;
        let newest = records(world, release).last().map(|(revision, _)| *revision);
        let is_over = newest_status(world, release) == ReleaseStatus::Uninstalled;
        let text = match newest {
            None => "release: not found".to_owned(),
            Some(_) if is_over && keep_history => format!("the release named {} is already deleted", release.name),
            Some(_) => return None,
        };
        Some(HelmError { object: record_name(release, newest.unwrap_or_default()), field: None, text })
    }

    /// Marks the newest record. Of a release that is uninstalled already only the records are removed.
    pub(super) fn start_uninstall(&mut self, world: &mut World) -> bool {
        let release = &self.job.run.release;
        if self.refusal(world).is_some() {
            return false;
        }
        self.revision = records(world, release).last().map_or(0, |(revision, _)| *revision);
        self.at = At::Purge;
        if newest_status(world, release) != ReleaseStatus::Uninstalled {
            set_status(world, release, self.revision, ReleaseStatus::Uninstalling);
            self.at = At::Delete(0);
        }
        true
    }

    /// Deletes a document of the stored manifest; one that is not there is what is wanted. A delete that fails is remembered, and
    /// the others are still sent.
    pub(super) fn delete(&mut self, world: &mut World, at: usize, result: WriteResult) -> bool {
        if at == self.job.stored.len() {
            self.at = match self.job.op {
                HelmOperation::Uninstall { keep_history: true } => At::Uninstalled,
                _ => At::Purge,
            };
            return self.errors.is_none();
        }
        self.at = At::Delete(at + 1);
        let Some(name) = self.deleted(at).cloned() else { return true };
        let done = match result {
            WriteResult::Served => world.delete(&name),
            WriteResult::Rejected => Err(Refusal::Invalid("the server did not answer".into())),
            WriteResult::ResponseLost => {
                drop(world.delete(&name));
                Err(Refusal::Invalid("the answer was lost".into()))
            }
        };
        match done {
            Ok(()) | Err(Refusal::NotFound) => {}
            Err(refusal) => self.fail(&name, Failed { refusal, field: None }),
        }
        true
    }

    /// Removes a record, the oldest first; `false` when none is left.
    pub(super) fn purge(&mut self, world: &mut World) -> bool {
        let release = &self.job.run.release;
        let all: Vec<u32> = records(world, release).iter().map(|(revision, _)| *revision).collect();
        if let Some(first) = all.first() {
            world.remove(&record_name(release, *first));
        }
        all.len() > 1
    }
}

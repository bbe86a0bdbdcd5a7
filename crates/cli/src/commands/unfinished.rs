//! A run of the same release that has written and is not over.

use std::path::{Path, PathBuf};

use portolan_adapters::store::{self, RunStore};
use portolan_model::{Code, Finding, Inventory, JournalRecord, Outcome, ReleaseId, Severity, Uid};
use portolan_workflow::{Rehearse, Target, archive};

use crate::args::{Global, UpgradeOptions};
use crate::commands::archive::file_name;
use crate::commands::runs;
use crate::options;
use crate::output::Output;
use crate::prepare::{self, PreparedPlan};

/// Makes a plan. Where that is refused, an earlier run may be why: its steps delete what a plan needs, and going on with it is
/// what helps.
pub(crate) async fn plan(
    global: &Global,
    target: &Target,
    options: &UpgradeOptions,
    rehearses: Rehearse,
    output: &Output,
) -> Result<PreparedPlan, Finding> {
    match prepare::plan(global, target, options, rehearses, output).await {
        Ok(prepared) => Ok(prepared),
        Err(finding) => {
            let Some((root, cluster, release)) = whose(global, target).await else { return Err(finding) };
            // Nothing is advised that would be done beneath a run.
            if let Some(running) = store::under_way(&root, &cluster, &release) {
                return Err(running);
            }
            Err(match of_release(&root, &cluster, &release) {
                Some(run) => finding.with(run.found()).next(run.ways_on()),
                None => finding,
            })
        }
    }
}

/// What a survey says of runs of the release: one that is under way, or one that has written and is not over.
pub(crate) fn told(global: &Global, target: &Target, inventory: &Inventory) -> Option<Finding> {
    let (root, cluster, release) =
        (options::state_root(target, global).ok()?, &inventory.cluster.uid, &inventory.release.id);
    if let Some(running) = store::under_way(&root, cluster, release) {
        return Some(Finding { severity: Severity::Note, ..running });
    }
    let run = of_release(&root, cluster, release)?;
    Some(Finding::warning(Code::RunNotFinished, run.found()).next(format!("portolan apply {}", run.id)))
}

/// Where runs lie, and of which cluster and release they are, where nothing was surveyed.
async fn whose(global: &Global, target: &Target) -> Option<(PathBuf, Uid, ReleaseId)> {
    let release = options::release(global, target, &options::book(global).ok()?);
    Some((options::state_root(target, global).ok()?, target.cluster_uid().await?, release))
}

/// A run that has written and is not over.
struct Unfinished {
    id: String,
    /// The files that an export of its archive writes for what it deleted.
    deleted: Vec<String>,
}

impl Unfinished {
    fn found(&self) -> String {
        format!("run {} of this release has written and is not finished", self.id)
    }

    /// The same plan, or what it deleted put back for another one. An object that is there again is not touched by `create`.
    fn ways_on(&self) -> String {
        let id = &self.id;
        let mut next = format!("go on with that run: portolan apply {id}");
        if !self.deleted.is_empty() {
            let files: String = self.deleted.iter().map(|file| format!(" -f {id}/{file}")).collect();
            next.push_str(&format!(
                "; or put back what it deleted: portolan archive export {id} --to {id}, then kubectl create{files}, then plan again"
            ));
        }
        next
    }
}

/// The newest run of the release that is asked for, if it has written and is not over.
fn of_release(root: &Path, cluster: &Uid, release: &ReleaseId) -> Option<Unfinished> {
    let newest = runs::of_release(root, cluster, release).into_iter().next()?;
    let store = RunStore::open(&newest.folder).ok()?;
    let entries = store.entries().ok()?;
    let wrote = entries.iter().any(|entry| matches!(entry.record, JournalRecord::Intent { .. }));
    let finished =
        entries.iter().any(|entry| matches!(entry.record, JournalRecord::Ended { outcome: Outcome::Finished }));
    if !wrote || finished {
        return None;
    }
    let archived = archive::of(&store.plan().ok()?, &entries);
    let deleted = archived.iter().filter(|archived| archived.deleted_in.is_some()).map(file_name).collect();
    Some(Unfinished { id: newest.meta.plan.short().to_owned(), deleted })
}

//! A run of the same release that has written and is not over.

use portolan_adapters::store::{self, RunStore};
use portolan_model::{Code, Finding, JournalRecord, Outcome, Severity};
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
        // Nothing is advised that would be done beneath a run.
        Err(finding) => Err(match (running(global, target).await, of_release(global, target).await) {
            (Some(running), _) => running,
            (None, Some(run)) => {
                let next = run.ways_on();
                finding.with(format!("run {} of this release has written and is not finished", run.id)).next(next)
            }
            (None, None) => finding,
        }),
    }
}

/// What a survey says of runs of the release: one that is under way, or one that has written and is not over.
pub(crate) async fn told(global: &Global, target: &Target) -> Option<Finding> {
    if let Some(running) = running(global, target).await {
        return Some(Finding { severity: Severity::Note, ..running });
    }
    let run = of_release(global, target).await?;
    let found = format!("run {} of this release has written and is not finished", run.id);
    Some(Finding::warning(Code::RunNotFinished, found).next(format!("portolan apply {}", run.id)))
}

/// A run of the release that is under way on this machine.
async fn running(global: &Global, target: &Target) -> Option<Finding> {
    let book = options::book(global).ok()?;
    let release = options::release(global, target, &book);
    store::is_held(&options::state_root(target, global).ok()?, &target.cluster_uid().await?, &release)
}

/// A run that has written and is not over.
struct Unfinished {
    id: String,
    /// The files that an export of its archive writes for what it deleted.
    deleted: Vec<String>,
}

impl Unfinished {
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
async fn of_release(global: &Global, target: &Target) -> Option<Unfinished> {
    let book = options::book(global).ok()?;
    let release = options::release(global, target, &book);
    let newest = runs::of_release(global, &target.cluster_uid().await?, &release).into_iter().next()?;
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

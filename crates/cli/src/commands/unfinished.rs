//! A run of the same release that has written and is not over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portolan_adapters::store::{self, RunStore};
use portolan_model::{Code, Exit, Finding, Inventory, Outcome, Plan, Ref, ReleaseId, Seen, Severity, Uid};
use portolan_workflow::{Fold, Rehearse, Target, archive};

use crate::args::{Global, UpgradeOptions};
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
            Err(match of_release(target, &root, &cluster, &release).await {
                // No version was named, as where the command that a crash ended is looked for.
                Some(run) if finding.code == Code::NoTarget && options.to.is_none() => {
                    finding.with(run.found()).next(run.next())
                }
                Some(run) if has_own_way(finding.code) => finding.with(run.found()),
                Some(run) => finding.with(run.found()).next(run.ways_on()),
                None => finding,
            })
        }
    }
}

/// Whether a refusal is settled before the run is: its data comes first, or what was asked for was wrong.
fn has_own_way(code: Code) -> bool {
    match code {
        Code::ClaimGone | Code::NotSafe | Code::NoTarget | Code::Downgrade => true,
        // A run of several hops may have uninstalled it.
        Code::NoRelease => false,
        code => matches!(code.exit(), Exit::Usage | Exit::NothingWritten),
    }
}

/// Why nothing is put back now, with the run to go on with first: the one whose helm may still work on the release.
pub(crate) async fn not_put_back(global: &Global, target: &Target, plan: &Plan, refused: Finding) -> Finding {
    if refused.code != Code::NotDeployed {
        return refused;
    }
    let Ok(root) = options::state_root(target, global) else { return refused };
    match of_release(target, &root, &plan.cluster, &plan.release).await {
        Some(run) if run.helm_started => refused.with(run.found()).next(format!("portolan apply {}", run.id)),
        _ => refused,
    }
}

/// What a survey says of runs of the release: one that is under way, or one that has written and is not over.
pub(crate) async fn told(global: &Global, target: &Target, inventory: &Inventory) -> Option<Finding> {
    let (root, cluster, release) =
        (options::state_root(target, global).ok()?, &inventory.cluster.uid, &inventory.release.id);
    if let Some(running) = store::under_way(&root, cluster, release) {
        return Some(Finding { severity: Severity::Note, ..running });
    }
    let run = of_release(target, &root, cluster, release).await?;
    Some(Finding::warning(Code::RunNotFinished, run.found()).next(run.next()))
}

/// Where runs lie, and of which cluster and release they are, where nothing was surveyed.
async fn whose(global: &Global, target: &Target) -> Option<(PathBuf, Uid, ReleaseId)> {
    let release = options::release(global, target, &options::book(global).ok()?);
    Some((options::state_root(target, global).ok()?, target.cluster_uid().await?, release))
}

/// A run that has written and is not over.
struct Unfinished {
    id: String,
    /// How what it deleted comes back; `None` where it deleted nothing, and from the start of its helm on.
    put_back: Option<String>,
    /// Whether its step under way has started helm: that may still run, and may have made anew what the run deleted.
    helm_started: bool,
    /// What to do where it cannot go on.
    way_out: Option<String>,
}

impl Unfinished {
    fn found(&self) -> String {
        let over = if self.way_out.is_some() { ", and cannot go on" } else { "" };
        format!("run {} of this release has written and is not finished{over}", self.id)
    }

    /// The command that goes on with it, or what to do where it cannot go on.
    fn next(&self) -> String {
        self.way_out.clone().unwrap_or_else(|| format!("portolan apply {}", self.id))
    }

    /// The same plan, or what it deleted put back for another one.
    fn ways_on(&self) -> String {
        if let Some(way_out) = &self.way_out {
            return way_out.clone();
        }
        let next = format!("go on with that run: portolan apply {}", self.id);
        if self.helm_started {
            return format!("{next}, which waits for helm and reads how it ended");
        }
        match &self.put_back {
            Some(put_back) => format!("{next}; or {put_back}, then plan again"),
            None => next,
        }
    }
}

/// The newest run of the release that has written and is not over. A run that wrote nothing since, or one without a helm that finished,
/// such as one that protects, does not settle it; one that finished with a helm does, and so does what puts back all that it deleted.
async fn of_release(target: &Target, root: &Path, cluster: &Uid, release: &ReleaseId) -> Option<Unfinished> {
    let mut is_put_back = false;
    for info in runs::of_release(root, cluster, release) {
        let store = RunStore::open(&info.folder).ok()?;
        let entries = store.entries().ok()?;
        if portolan_workflow::nothing_written(entries.iter().map(|entry| &entry.record)) {
            continue;
        }
        let plan = store.plan().ok()?;
        let fold = Fold::of(entries.iter().map(|entry| &entry.record));
        if fold.outcome != Some(Outcome::Finished) {
            let is_settled = is_put_back && all_there(target, &archive::deleted(&plan, &fold)).await;
            return if is_settled { None } else { Some(unfinished(target, &plan, &fold).await) };
        }
        if plan.helms().next().is_some() {
            return None;
        }
        is_put_back |= plan.restores();
    }
    None
}

/// Whether something was deleted and all of it exists.
async fn all_there(target: &Target, deleted: &[&Ref]) -> bool {
    for name in deleted {
        if !matches!(target.see(name).await, Seen::There(object) if !object.is_terminating()) {
            return false;
        }
    }
    !deleted.is_empty()
}

async fn unfinished(target: &Target, plan: &Plan, fold: &Fold) -> Unfinished {
    let id = plan.digest().short().to_owned();
    let now = claims_now(target, plan).await;
    let helm_started = fold.helm_started;
    let put_back = if helm_started { None } else { archive::put_back(&id, plan, fold) };
    Unfinished { put_back, helm_started, way_out: way_out(plan, fold, &now), id }
}

/// The PVCs of a plan as they are now.
async fn claims_now(target: &Target, plan: &Plan) -> BTreeMap<Ref, Seen> {
    let mut now = BTreeMap::new();
    for protected in &plan.volumes {
        now.insert(protected.claim.clone(), target.see(&protected.claim).await);
    }
    now
}

/// What to do where a run cannot go on; `now` has the PVCs of its plan.
pub(crate) fn way_out(plan: &Plan, fold: &Fold, now: &BTreeMap<Ref, Seen>) -> Option<String> {
    let digest = plan.digest();
    cannot_go_on(plan, fold, now).then(|| archive::way_out(digest.short(), plan, fold, |name| now.get(name)))
}

/// Whether the run's plan is about what does not exist any more.
fn cannot_go_on(plan: &Plan, fold: &Fold, now: &BTreeMap<Ref, Seen>) -> bool {
    let is_ended = matches!(&fold.outcome, Some(Outcome::Halted { finding }) if finding.code.ends_its_run());
    is_ended
        || plan.volumes.iter().any(|protected| match now.get(&protected.claim) {
            Some(Seen::Absent) => true,
            Some(Seen::There(claim)) => !claim.is(&protected.claim_uid),
            Some(Seen::Unreadable(_)) | None => false,
        })
}

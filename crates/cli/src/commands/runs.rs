//! Which run a command is about.

use std::path::{Path, PathBuf};

use portolan_adapters::store::{self, RunInfo, RunStore};
use portolan_model::{Code, Finding, Outcome, Plan, PlanFile, ReleaseId, Uid};
use portolan_workflow::{Fold, Simulated};

use crate::args::Global;
use crate::options;

/// The run that is named, else the newest one that fits the options and, where it is known, the cluster.
pub(crate) fn open(global: &Global, id: Option<&str>, cluster: Option<&Uid>) -> Result<RunStore, Finding> {
    let root = root(global)?;
    let info = match id {
        Some(id) => {
            let info = store::find(&root, id)?;
            check_meant(global, info.meta.releases(), &format!("run {id}"))?;
            info
        }
        None => newest(global, cluster)?,
    };
    RunStore::open(&info.folder)
}

/// Whether one of the releases is the one that the options name, where they name one. `what` works on them.
pub(crate) fn check_meant<'a>(
    global: &Global,
    releases: impl Iterator<Item = &'a ReleaseId>,
    what: &str,
) -> Result<(), Finding> {
    let releases: Vec<&ReleaseId> = releases.collect();
    if releases.iter().any(|release| is_meant(global, release)) {
        return Ok(());
    }
    let all: Vec<String> = releases.into_iter().map(ToString::to_string).collect();
    let found = format!("{what} is of release {}, not of the one that is named", all.join(" and "));
    Err(Finding::blocking(Code::NoRunFits, found).with(wanted(global)))
}

/// The newest run that fits.
fn newest(global: &Global, cluster: Option<&Uid>) -> Result<RunInfo, Finding> {
    let root = root(global)?;
    let all = store::list(&root)?;
    let fits = |info: &&RunInfo| {
        info.meta.releases().any(|release| is_meant(global, release))
            && cluster.is_none_or(|uid| info.meta.cluster == *uid)
    };
    if let Some(info) = all.iter().find(fits) {
        return Ok(info.clone());
    }
    if all.is_empty() {
        let finding = Finding::blocking(Code::NoRunFits, format!("there are no runs in {}", root.display()));
        return Err(finding.next("portolan plan --to VERSION --out FILE, then portolan apply FILE"));
    }
    let mut finding = Finding::blocking(Code::NoRunFits, format!("no run in {} fits", root.display()));
    finding = finding.with(wanted(global));
    if let Some(cluster) = cluster {
        finding = finding.with(format!("wanted: cluster {cluster}"));
    }
    Err(all.iter().take(5).fold(finding, |finding, RunInfo { meta, .. }| {
        finding.with(format!("available: {}  {}  {}", meta.plan.short(), meta.release, meta.server))
    }))
}

/// The runs that are kept here and work on a release, newest first.
pub(crate) fn of_release(root: &Path, cluster: &Uid, release: &ReleaseId) -> Vec<RunInfo> {
    let all = store::list(root).unwrap_or_default();
    let is_of = |info: &RunInfo| info.meta.cluster == *cluster && info.meta.releases().any(|its| its == release);
    all.into_iter().filter(is_of).collect()
}

/// Where runs lie: of a simulated installation's folder in it.
pub(crate) fn root(global: &Global) -> Result<PathBuf, Finding> {
    match &global.sim {
        Some(name) if Simulated::is_fresh(name) => Err(options::not_kept(name)),
        // An error says that there is none.
        Some(folder) => Simulated::open(folder, &options::book(global)?).map(|_| PathBuf::from(folder).join("state")),
        None => store::root(global.state_dir.as_deref()),
    }
}

/// A plan that a run can begin. A run is known by its plan's content, and what has finished is not begun again: where somebody has since
/// undone what the same plan did, its steps say that they are done once more.
pub(crate) fn begun_anew(root: &Path, file: &PlanFile) -> PlanFile {
    let mut anew = file.clone();
    let mut times = 0;
    while has_finished(root, &anew.plan) {
        times += 1;
        anew = file.clone();
        let steps = anew.plan.hops.iter_mut().flat_map(|hop| &mut hop.steps);
        for source in steps.flat_map(|step| &mut step.sources) {
            source.boundary = format!("{}, {times} more", source.boundary);
        }
    }
    anew
}

/// Whether a run of this plan has come to its end.
fn has_finished(root: &Path, plan: &Plan) -> bool {
    let entries = store::find(root, plan.digest().hex()).and_then(|info| RunStore::open(&info.folder)?.entries());
    let entries = entries.unwrap_or_default();
    Fold::of(entries.iter().map(|entry| &entry.record)).outcome == Some(Outcome::Finished)
}

fn is_meant(global: &Global, release: &ReleaseId) -> bool {
    global.namespace.as_ref().is_none_or(|namespace| *namespace == release.namespace)
        && global.release.as_ref().is_none_or(|name| *name == release.name)
}

fn wanted(global: &Global) -> String {
    let namespace = global.namespace.as_deref().unwrap_or("any");
    format!("wanted: namespace {namespace}, release {}", global.release.as_deref().unwrap_or("any"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn a_run_is_found_by_each_release_that_its_plan_works_on() {
        let state = tempfile::tempdir().expect("a folder");
        let release = |namespace: &str| ReleaseId { namespace: namespace.into(), name: "r".into() };
        let chart = json!({"name": "c", "version": "1.0.0"});
        let meta = json!({
            "format": portolan_model::FORMAT, "plan": portolan_model::Digest::of(b"plan"), "cluster": "u", "server": "s",
            "release": release("platform"), "other_releases": [release("agent")], "from": chart, "to": chart, "created": 1,
        });
        let folder = state.path().join("portolan/u/platform.r/run");
        fs_err::create_dir_all(&folder).expect("a folder");
        fs_err::write(folder.join("meta.json"), meta.to_string()).expect("it is written");
        fs_err::write(folder.join("plan.json"), "{}").expect("it is written");
        let root = store::root(Some(state.path())).expect("a folder");
        let place = state.path().display().to_string();
        for (namespace, is_its) in [("platform", true), ("agent", true), ("other", false)] {
            let typed = ["portolan", "status", "--state-dir", &place, "-n", namespace];
            let Cli { global, .. } = Cli::try_parse_from(typed).expect("a command");
            assert_eq!(
                newest(&global, None).map(|info| info.folder).ok(),
                is_its.then(|| folder.clone()),
                "{namespace}"
            );
            assert_eq!(
                of_release(&root, &Uid::new("u"), &release(namespace)).len(),
                usize::from(is_its),
                "{namespace}"
            );
        }
    }
}

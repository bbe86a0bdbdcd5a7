//! Which run a command is about.

use std::path::{Path, PathBuf};

use portolan_adapters::store::{self, RunInfo, RunStore};
use portolan_model::{Code, Finding, ReleaseId, Uid};
use portolan_workflow::Simulated;

use crate::args::Global;
use crate::options;

/// The run that is named, else the newest one that fits the options and, where it is known, the cluster.
pub(crate) fn open(global: &Global, id: Option<&str>, cluster: Option<&Uid>) -> Result<RunStore, Finding> {
    let root = root(global)?;
    let info = match id {
        Some(id) => {
            let info = store::find(&root, id)?;
            check_meant(global, &info.meta.release, &format!("run {id}"))?;
            info
        }
        None => newest(global, cluster)?,
    };
    RunStore::open(&info.folder)
}

/// Whether a release is the one that the options name, where they name one. `what` is of that release.
pub(crate) fn check_meant(global: &Global, release: &ReleaseId, what: &str) -> Result<(), Finding> {
    if is_meant(global, release) {
        return Ok(());
    }
    let found = format!("{what} is of release {}, not of the one that is named", named(release));
    Err(Finding::blocking(Code::NoRunFits, found).with(wanted(global)))
}

/// The newest run that fits.
fn newest(global: &Global, cluster: Option<&Uid>) -> Result<RunInfo, Finding> {
    let root = root(global)?;
    let all = store::list(&root)?;
    let fits =
        |info: &&RunInfo| is_meant(global, &info.meta.release) && cluster.is_none_or(|uid| info.meta.cluster == *uid);
    if let Some(info) = all.iter().filter(fits).max_by_key(|info| info.meta.created) {
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
        finding.with(format!("available: {}  {}  {}", meta.plan.short(), named(&meta.release), meta.server))
    }))
}

/// The runs of a release that are kept here, newest first.
pub(crate) fn of_release(root: &Path, cluster: &Uid, release: &ReleaseId) -> Vec<RunInfo> {
    let all = store::list(root).unwrap_or_default();
    all.into_iter().filter(|info| info.meta.cluster == *cluster && info.meta.release == *release).collect()
}

/// Where runs lie: of a simulated installation's folder in it.
pub(crate) fn root(global: &Global) -> Result<PathBuf, Finding> {
    match &global.sim {
        Some(name) if Simulated::is_fresh(name) => Err(options::not_kept(name)),
        // It says where there is none.
        Some(folder) => Simulated::open(folder, &options::book(global)?).map(|_| PathBuf::from(folder).join("state")),
        None => store::root(global.state_dir.as_deref()),
    }
}

fn is_meant(global: &Global, release: &ReleaseId) -> bool {
    global.namespace.as_ref().is_none_or(|namespace| *namespace == release.namespace)
        && global.release.as_ref().is_none_or(|name| *name == release.name)
}

fn wanted(global: &Global) -> String {
    let namespace = global.namespace.as_deref().unwrap_or("any");
    format!("wanted: namespace {namespace}, release {}", global.release.as_deref().unwrap_or("any"))
}

/// `namespace/name`.
pub(crate) fn named(release: &ReleaseId) -> String {
    format!("{}/{}", release.namespace, release.name)
}

use std::path::PathBuf;

use adapters::store::{self, RunInfo, RunStore};
use model::{Code, Digest, Exit, Finding};

use crate::args::{Global, StatusArgs};
use crate::output::Output;
use crate::site::{self, Sim};

/// Shows where a run is, from its folder alone.
pub(crate) fn run(global: &Global, args: &StatusArgs, output: &Output) -> Result<Exit, Finding> {
    let run = open(global, args.run.as_deref())?;
    let plan = run.plan()?;
    let entries = run.entries()?;
    let folder = run.folder().display().to_string();
    output.result(&report::status(&plan, &entries, &folder), &entries)?;
    if args.run.is_none() {
        others(global, run.plan_digest(), output)?;
    }
    Ok(Exit::Done)
}

/// The runs beside the one shown.
fn others(global: &Global, shown: &Digest, output: &Output) -> Result<(), Finding> {
    let rows: Vec<Vec<String>> = store::list(&root(global)?)?
        .into_iter()
        .filter(|info| info.meta.plan != *shown)
        .map(|RunInfo { meta, .. }| {
            let release = format!("{}/{}", meta.release.namespace, meta.release.name);
            vec![meta.plan.short().to_owned(), release, format!("{} -> {}", meta.from, meta.to), meta.server]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    output.gap()?;
    output.page(
        &report::Page::heading("Other runs").then(report::Page::table(&["RUN", "RELEASE", "WAY", "SERVER"], &rows)),
    )
}

/// The run that is named, or the newest one.
pub(crate) fn open(global: &Global, id: Option<&str>) -> Result<RunStore, Finding> {
    let root = root(global)?;
    let info = match id {
        Some(id) => store::find(&root, id)?,
        None => store::list(&root)?.into_iter().max_by_key(|info| info.meta.created).ok_or_else(|| {
            Finding::blocking(Code::NoPlan, format!("there are no runs in {}", root.display()))
                .next("portolan plan --to VERSION --out FILE, then portolan apply FILE")
        })?,
    };
    RunStore::open(&info.folder)
}

/// Where runs lie: of a simulated installation's folder in it.
fn root(global: &Global) -> Result<PathBuf, Finding> {
    match &global.sim {
        Some(name) if Sim::is_fresh(name) => Err(site::not_kept(name)),
        // It says where there is none.
        Some(folder) => Sim::open(folder, &site::book(global)?).map(|_| PathBuf::from(folder).join("state")),
        None => store::root(global.state_dir.as_deref()),
    }
}

use std::path::PathBuf;

use adapters::store::{self, RunStore};
use model::{Code, Exit, Finding};

use crate::args::{Global, StatusArgs};
use crate::output::Output;

/// Shows where a run is, from its folder alone.
pub(crate) fn run(global: &Global, args: &StatusArgs, output: &Output) -> Result<Exit, Finding> {
    let run = open(global, args.run.as_deref())?;
    let plan = run.plan()?;
    let entries = run.entries()?;
    let folder = run.folder().display().to_string();
    output.result(&report::status(&plan, &entries, &folder), &entries)?;
    Ok(Exit::Done)
}

/// The run that is named, or the newest one.
pub(crate) fn open(global: &Global, id: Option<&str>) -> Result<RunStore, Finding> {
    let root = root(global)?;
    let info = match id {
        Some(id) => store::find(&root, id)?,
        None => store::list(&root)?
            .into_iter()
            .max_by_key(|info| info.meta.created)
            .ok_or_else(|| Finding::blocking(Code::NoPlan, format!("there are no runs in {}", root.display())))?,
    };
    RunStore::open(&info.folder)
}

/// Where runs lie: of a simulated installation's folder in it.
fn root(global: &Global) -> Result<PathBuf, Finding> {
    match &global.sim {
        Some(folder) => Ok(PathBuf::from(folder).join("state")),
        None => store::root(global.state_dir.as_deref()),
    }
}

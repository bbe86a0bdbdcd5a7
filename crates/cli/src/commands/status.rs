use std::path::Path;

use portolan_adapters::store::{self, RunInfo, RunStore};
use portolan_model::{Digest, Exit, Finding, Severity};
use portolan_report::{OtherRun, RunState, StatusView};

use crate::args::{Global, StatusArgs};
use crate::commands::runs;
use crate::output::Output;

/// Shows where a run is, from its folder alone.
pub(crate) fn run(global: &Global, args: &StatusArgs, output: &Output) -> Result<Exit, Finding> {
    let run = runs::open(global, args.run.as_deref(), None)?;
    let plan = run.plan()?;
    let entries = run.entries()?;
    let folder = run.folder().display().to_string();
    let page = portolan_report::status(&plan, &entries, &folder);
    let root = runs::root(global)?;
    let running = plan.releases().find_map(|release| store::under_way(&root, &plan.cluster, release));
    let running = running.map(|running| Finding { severity: Severity::Note, ..running });
    let other_runs = others(global, run.plan_digest())?;
    output.page(&page)?;
    output.value(&StatusView {
        running: running.clone(),
        other_runs: other_runs.clone(),
        ..portolan_report::status_view(&plan, &entries, &folder, &output.complete(&page))
    })?;
    if let Some(running) = &running {
        output.finding(running);
    }
    if args.run.is_none() && !other_runs.is_empty() {
        output.gap()?;
        output.page(&other_runs_page(&other_runs))?;
    }
    Ok(Exit::Done)
}

/// The runs beside the one shown.
fn others(global: &Global, shown: &Digest) -> Result<Vec<OtherRun>, Finding> {
    let root = runs::root(global)?;
    let other = |info: RunInfo| {
        let is_running =
            info.meta.releases().any(|release| store::under_way(&root, &info.meta.cluster, release).is_some());
        let (state, said) = state(&info.folder, is_running).unzip();
        let meta = info.meta;
        OtherRun {
            run: meta.plan.short().to_owned(),
            release: meta.release,
            from: meta.from.to_string(),
            to: meta.to.to_string(),
            server: meta.server,
            state,
            said: said.unwrap_or_else(|| "cannot be read".to_owned()),
        }
    };
    Ok(store::list(&root)?.into_iter().filter(|info| info.meta.plan != *shown).map(other).collect())
}

/// Where a run is, by its folder; `None` where that cannot be read.
fn state(folder: &Path, is_running: bool) -> Option<(RunState, String)> {
    let store = RunStore::open(folder).ok()?;
    Some(portolan_report::run_state(&store.plan().ok()?, &store.entries().ok()?, is_running))
}

fn other_runs_page(others: &[OtherRun]) -> portolan_report::Document {
    let row = |other: &OtherRun| {
        let way = format!("{} -> {}", other.from, other.to);
        vec![other.run.clone(), other.said.clone(), other.release.to_string(), way, other.server.clone()]
    };
    let rows: Vec<Vec<String>> = others.iter().map(row).collect();
    portolan_report::Document::heading("Other runs")
        .then(portolan_report::Document::table(&["RUN", "STATE", "RELEASE", "WAY", "SERVER"], &rows))
}

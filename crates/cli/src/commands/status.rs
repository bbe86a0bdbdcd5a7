use portolan_adapters::store::{self, RunInfo};
use portolan_model::{Digest, Exit, Finding, Severity};

use crate::args::{Global, StatusArgs};
use crate::commands::runs;
use crate::output::Output;

/// Shows where a run is, from its folder alone.
pub(crate) fn run(global: &Global, args: &StatusArgs, output: &Output) -> Result<Exit, Finding> {
    let run = runs::open(global, args.run.as_deref(), None)?;
    let plan = run.plan()?;
    let entries = run.entries()?;
    let folder = run.folder().display().to_string();
    output.result(&portolan_report::status(&plan, &entries, &folder), &entries)?;
    if let Some(running) = store::under_way(&runs::root(global)?, &plan.cluster, &plan.release) {
        output.finding(&Finding { severity: Severity::Note, ..running });
    }
    if args.run.is_none() {
        others(global, run.plan_digest(), output)?;
    }
    Ok(Exit::Done)
}

/// The runs beside the one shown.
fn others(global: &Global, shown: &Digest, output: &Output) -> Result<(), Finding> {
    let rows: Vec<Vec<String>> = store::list(&runs::root(global)?)?
        .into_iter()
        .filter(|info| info.meta.plan != *shown)
        .map(|RunInfo { meta, .. }| {
            let way = format!("{} -> {}", meta.from, meta.to);
            vec![meta.plan.short().to_owned(), runs::named(&meta.release), way, meta.server]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    output.gap()?;
    output.page(
        &portolan_report::Document::heading("Other runs")
            .then(portolan_report::Document::table(&["RUN", "RELEASE", "WAY", "SERVER"], &rows)),
    )
}

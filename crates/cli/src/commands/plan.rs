use std::path::Path;

use portolan_model::{Code, Exit, Finding, Severity};
use portolan_workflow::Rehearse;
use serde::Serialize;

use crate::args::{Global, PlanArgs};
use crate::commands::unfinished;
use crate::options;
use crate::output::Output;
use crate::private_file;

/// Makes a plan, shows it, and saves it where asked.
pub(crate) async fn run(global: &Global, args: &PlanArgs, output: &Output) -> Result<Exit, Finding> {
    let target = options::open(global).await?;
    if let Some(words) = options::simulated(&target) {
        output.say(&words);
    }
    let rehearses = if args.no_rehearsal { Rehearse::No } else { Rehearse::BesideChecks };
    let prepared = unfinished::plan(global, &target, &args.target, rehearses, output).await?;
    if let Err(finding) = target.check_rights(&prepared.file.plan).await {
        // Whoever plans need not be who applies; apply refuses it.
        output.finding(&Finding { severity: Severity::Warning, ..finding });
    }
    let rehearsed = prepared.rehearsal.as_ref();
    let found = rehearsed.map(|rehearsal| rehearsal.forecast.findings()).unwrap_or_default();
    let page = prepared.page(args.commands.shown());
    output.page(&match &args.out {
        Some(file) => page.of_saved_plan(&options::quoted(&file.to_string_lossy())),
        None => page,
    })?;
    let plan = &prepared.file.plan;
    // What a rehearsal found is no part of the plan, and programs read it with the other findings.
    let mut told = plan.clone();
    told.findings.extend(found.iter().cloned());
    output.value(&told)?;
    output.findings(&found);
    if let Some(path) = &args.out {
        save(path, &prepared.file)?;
        output.say(&format!("Saved to {}", path.display()));
        if let Some(line) = prepared
            .site
            .as_ref()
            .zip(prepared.images)
            .and_then(|(site, images)| site.before_apply(images, global.sim.as_deref()))
        {
            output.say(&line);
        }
    }
    let is_safe = rehearsed.is_none_or(|rehearsal| rehearsal.forecast.may_be_applied());
    let is_blocked = !is_safe || plan.blocking().next().is_some();
    Ok(match plan.hops.is_empty() {
        true => Exit::Done,
        false if is_blocked => Exit::Blocked,
        false if args.detailed_exitcode => Exit::Changes,
        false => Exit::Done,
    })
}

/// Writes a file for the user's eyes alone: of a plan, the chart and the values that were given are in it.
pub(crate) fn save<T: Serialize>(path: &Path, value: &T) -> Result<(), Finding> {
    let text = serde_json::to_string(value).map_err(|error| {
        Finding::blocking(Code::CannotWrite, format!("{} cannot be written", path.display())).with(error.to_string())
    })?;
    private_file::write(path, text.as_bytes())
}

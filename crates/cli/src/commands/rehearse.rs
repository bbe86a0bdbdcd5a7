use std::sync::Arc;

use portolan_model::{Exit, Finding};
use portolan_workflow::Rehearse;

use crate::args::{Global, RehearseArgs};
use crate::commands::unfinished;
use crate::options;
use crate::output::Output;
use crate::prepare;

/// Rehearses a plan.
pub(crate) async fn run(global: &Global, args: &RehearseArgs, output: &Output) -> Result<Exit, Finding> {
    // Before a cluster is asked.
    let saved = args.plan.as_deref().map(prepare::load).transpose()?;
    let target = options::open(global).await?;
    if let Some(words) = options::simulated(&target) {
        output.say(&words);
    }
    let (survey, file) = match saved {
        Some(file) => {
            let survey = prepare::survey_for(global, &target, &file.plan).await?;
            prepare::same_cluster(&survey.inventory.cluster.uid, &file.plan)?;
            let moved = portolan_workflow::drift(&target, &survey, &Arc::new(file.plan.clone())).await?;
            if !moved.is_empty() {
                output.findings(&moved);
                return Ok(Exit::NothingWritten);
            }
            (survey, file)
        }
        None => {
            let prepared = unfinished::plan(global, &target, &args.target, Rehearse::No, output).await?;
            (prepared.survey, prepared.file)
        }
    };
    let world = target.world(&survey, &portolan_rehearse::KnownDatabase::of_plan(&file.plan));
    let rehearsal = portolan_workflow::rehearse(&world, &file);
    let forecast = &rehearsal.forecast;
    let page = portolan_report::rehearsal(&file.plan, &rehearsal);
    let page = match &args.plan {
        Some(path) => page.of_saved_plan(&options::quoted(&path.to_string_lossy())),
        None => page,
    };
    output.result(&page, &portolan_report::json::forecast(forecast))?;
    // What no rehearsal shows blocks the plan all the same.
    let blocking: Vec<Finding> = file.plan.blocking().cloned().collect();
    let not_safe = forecast.findings().into_iter().map(|finding| prepare::with_all_steps(&file.plan, finding));
    output.findings(&not_safe.chain(blocking.iter().cloned()).collect::<Vec<_>>());
    Ok(if forecast.may_be_applied() && blocking.is_empty() { Exit::Done } else { Exit::Blocked })
}

use portolan_model::{Exit, Finding};
use portolan_workflow::Rehearse;

use crate::args::{Global, UpgradeArgs};
use crate::commands::{apply, unfinished};
use crate::options;
use crate::output::Output;

/// Survey, plan, rehearsal, apply, verification.
pub(crate) async fn run(global: &Global, args: &UpgradeArgs, output: &Output) -> Result<Exit, Finding> {
    let mut target = options::open(global).await?;
    let simulated = options::simulated(&target);
    let prepared = unfinished::plan(global, &target, &args.target, Rehearse::No, output).await?;
    output.page(&portolan_report::survey(&prepared.survey.inventory, simulated.as_deref()))?;
    output.gap()?;
    let plan = &prepared.file.plan;
    if plan.hops.is_empty() {
        output.value(&[(); 0])?;
        output.say(&format!("Nothing to do: {} is installed.", plan.from));
        return Ok(Exit::Done);
    }
    output.page(&prepared.page(args.commands.shown()))?;
    prepared.push(&mut target, output).await?;
    apply::carry_out(global, target, &prepared.going(args.yes, args.prepull), output).await
}

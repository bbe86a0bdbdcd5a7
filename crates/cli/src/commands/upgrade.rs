use model::{Exit, Finding};

use crate::args::{Global, UpgradeArgs};
use crate::commands::{apply, unfinished};
use crate::output::Output;
use crate::site::Site;

/// Survey, plan, rehearsal, apply, verification.
pub(crate) async fn run(global: &Global, args: &UpgradeArgs, output: &Output) -> Result<Exit, Finding> {
    let site = Site::open(global).await?;
    let simulated = site.simulated();
    let prepared = unfinished::plan(global, &site, &args.target, false, output).await?;
    output.page(&report::survey(&prepared.survey.inventory, simulated.as_deref()))?;
    output.gap()?;
    let plan = &prepared.file.plan;
    if plan.hops.is_empty() {
        output.value(&[(); 0])?;
        output.say(&format!("Nothing to do: {} is installed.", plan.from));
        return Ok(Exit::Done);
    }
    output.page(&prepared.page())?;
    apply::carry_out(global, site, &prepared.survey, &prepared.file, args.yes, output).await
}

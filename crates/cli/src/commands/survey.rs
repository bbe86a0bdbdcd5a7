use portolan_model::{Exit, Finding};

use crate::args::{Global, SurveyArgs};
use crate::commands::unfinished;
use crate::options;
use crate::output::Output;
use crate::prepare;

/// Shows what is installed.
pub(crate) async fn run(global: &Global, _args: &SurveyArgs, output: &Output) -> Result<Exit, Finding> {
    let target = options::open(global).await?;
    let simulated = options::simulated(&target);
    let (_, survey) = prepare::survey(global, &target).await?;
    let saved = portolan_inventory::saved(&survey);
    output.result(&portolan_report::survey(&survey.inventory, simulated.as_deref()), &saved)?;
    if let Some(run) = unfinished::told(global, &target, &survey.inventory).await {
        output.finding(&run);
    }
    if output.is_machine() {
        output.note(&portolan_report::redacted(&saved));
    }
    Ok(Exit::Done)
}

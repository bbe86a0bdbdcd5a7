use portolan_model::{Code, Exit, Finding, Severity};
use portolan_workflow::Protection;

use crate::args::{Global, ProtectArgs};
use crate::commands::{apply, runs};
use crate::options;
use crate::output::Output;
use crate::prepare;

/// Carries out the protections alone.
pub(crate) async fn run(global: &Global, args: &ProtectArgs, output: &Output) -> Result<Exit, Finding> {
    let target = options::open(global).await?;
    if let Some(words) = options::simulated(&target) {
        output.say(&words);
    }
    let (_, survey) = prepare::survey(global, &target).await?;
    let Protection { file, open } = portolan_workflow::protect(&survey)?;
    // Somebody may have taken off what an earlier run put on.
    let file = runs::begun_anew(&options::state_root(&target, global)?, &file);
    // A volume that cannot be protected does not keep the others from it; the exit code says that there is one.
    let cannot = open.iter().any(|finding| finding.severity == Severity::Blocking);
    let done = |exit: Exit| if exit == Exit::Done && cannot { Exit::Blocked } else { exit };
    output.findings(&open);
    if file.plan.hops.is_empty() {
        output.findings(&file.plan.findings);
        output.value(&open)?;
        let all = survey.inventory.data_volumes().count();
        let is_open = |claim: &portolan_model::Ref| open.iter().any(|finding| finding.object() == Some(claim));
        let protected = file.plan.volumes.iter().filter(|protected| !is_open(&protected.claim)).count();
        output.say(&format!("Nothing to do: {protected} of {all} volumes with data are protected already."));
        return Ok(done(Exit::Done));
    }
    output.page(&portolan_report::plan(&file.plan, &file.plan.digest(), None, args.at_once.commands.shown()))?;
    if args.at_once.dry_run {
        output.value(&file.plan)?;
        return Ok(done(Exit::Done));
    }
    let going = prepare::Going { survey: &survey, file: &file, place: None, yes: args.at_once.yes, prepull: false };
    match apply::carry_out(global, target, &going, output).await {
        // What is not safe about a protection is not about this plan.
        Err(finding) if finding.code == Code::NotSafe => Err(finding.next("see the shortest way above")),
        other => other.map(done),
    }
}

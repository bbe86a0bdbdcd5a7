use std::sync::Arc;

use adapters::driver::Driver;
use engine::{Engine, Fold};
use model::{Exit, Finding, Outcome, RouteLook, Severity};
use serde::Serialize;

use crate::args::{Global, VerifyArgs};
use crate::commands::{baseline, rehearse::same_cluster, status};
use crate::drive::{self, Drive, Telling};
use crate::output::Output;
use crate::prepare;
use crate::site::Site;

/// What machines get of it.
#[derive(Serialize)]
struct Verified<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    routes: &'a [RouteLook],
}

/// Carries out the verifying steps of a run's plan again. Nothing is written, neither there nor to the journal.
pub(crate) async fn run(global: &Global, args: &VerifyArgs, output: &Output) -> Result<Exit, Finding> {
    if args.save.is_some() || args.against.is_some() {
        return baseline::run(global, args, output).await;
    }
    let run = status::open(global, args.run.as_deref())?;
    let plan = Arc::new(run.plan()?);
    let mut known = Fold::default();
    for entry in run.entries()? {
        known.apply(&entry.record);
    }
    let mut site = Site::open(global).await?;
    let (_, survey) = prepare::survey(global, &mut site).await?;
    same_cluster(&survey.inventory.cluster.uid, &plan)?;
    let mut drive = match site {
        Site::Sim(sim) => Drive::Sim(sim, run),
        Site::Real(real) => Drive::Real(Box::new(Driver::new(real.client, run))),
    };
    let mut engine = Engine::verifying(&plan, &known);
    let stop = drive::listen();
    // The engine numbers the checks that it has, not the steps of the whole plan.
    let checks = engine.plan().clone();
    let mut telling = Telling::default();
    let outcome = drive::run(&mut engine, &mut drive, &stop, true, &mut |event| {
        if let Some(line) = telling.line(event, &checks) {
            output.say(&line);
        }
    })
    .await?;
    let notes = engine.state().notes.clone();
    let routes = drive.ask_routes(&plan.routes()).await;
    let page = report::verification(engine.plan(), &notes, &outcome).then(report::routes(&routes));
    output.result(&page, &Verified { outcome: &outcome, routes: &routes })?;
    let down = tell_routes(&routes, output);
    Ok(match outcome {
        Outcome::Finished if down => Exit::Blocked,
        Outcome::Finished => Exit::Done,
        other => {
            if let Outcome::Halted { finding } = &other {
                output.finding(finding);
            }
            Exit::Blocked
        }
    })
}

/// Says which routes do not answer, and which could not be asked; whether one is down.
pub(crate) fn tell_routes(routes: &[RouteLook], output: &Output) -> bool {
    let findings: Vec<Finding> = routes.iter().filter_map(RouteLook::finding).collect();
    output.findings(&findings);
    findings.iter().any(|finding| finding.severity == Severity::Blocking)
}

//! What is looked at when a run is over: by `apply` at its end, and by `verify` at any later time.

use portolan_model::{Finding, Plan, RouteLook, Severity};
use portolan_report::Now;
use portolan_workflow::RunDriver;

use crate::output::Output;

/// The objects that say how volumes and databases are now.
pub(crate) async fn look(driver: &RunDriver, plan: &Plan) -> Now {
    let names = portolan_report::watched(plan);
    let seen = driver.read(&names).await;
    names.into_iter().zip(seen).collect()
}

/// Says which routes do not answer, and which could not be asked; whether one is down.
pub(crate) fn tell_routes(routes: &[RouteLook], output: &Output) -> bool {
    let findings: Vec<Finding> = routes.iter().filter_map(RouteLook::finding).collect();
    output.findings(&findings);
    findings.iter().any(|finding| finding.severity == Severity::Blocking)
}

//! The upgrades that the simulations and the tests make: which renderings they need.

use std::sync::Arc;

use portolan_helm_compat::chart::PackedChart;
use portolan_model::{Code, Finding, HelmClient, RenderJob};
use portolan_rehearse::Installation;
use portolan_trials::sim;
use portolan_workflow::{Simulated, Target, UpgradeRequest};

use crate::render::Recorder;

/// The ways from any start: the charts in order, and the steps left out that change what is rendered.
const WAYS: &[(&[&str], &[&str])] = &[
    (&["2.20"], &[]),
    (&["2.13", "2.20"], &[]),
    (&["2.13"], &[]),
    (&["2.13", "2.17", "2.20"], &[]),
    (&["2.20"], &["carry-credentials"]),
    (&["2.20"], &["existing-claim"]),
    (&["2.20"], &["existing-claim-of-metrics"]),
];

/// The installations whose values are proven without a helm: what each value does is recorded.
const EFFECTS: &[&str] = &["openshift-2.8-customized"];

/// Records every rendering that the simulated installations and their upgrades need.
pub(crate) fn record_all(recorder: &Arc<Recorder>) -> anyhow::Result<()> {
    for name in portolan_fixtures::installation_names() {
        record(recorder, &name, &recorder.installation(&name)?)?;
    }
    Ok(())
}

/// Records what the upgrades of one installation need.
fn record(recorder: &Arc<Recorder>, name: &str, installation: &Installation) -> anyhow::Result<()> {
    let found = sim::survey(installation.world());
    let version = recorder.version().parse()?;
    let recorder = recorder.clone();
    let renders = move |job: &RenderJob| {
        let chart = PackedChart { id: job.chart.clone(), archive: job.archive.to_vec(), digest: job.digest() };
        let recorded = recorder.render(&chart, &job.release, &job.values);
        recorded.map_err(|error| Finding::blocking(Code::ChartRefuses, error.to_string()))?.outcome()
    };
    let target =
        Target::simulated(Simulated { renders: Some(Box::new(renders)), ..Simulated::new(installation.clone()) });
    for (to, without) in WAYS {
        match sim::plan_on(&target, &found, to, without) {
            // Not every start has every way, nor every way every step.
            Err(finding) if matches!(finding.code, Code::BadOption | Code::NoTarget | Code::Downgrade) => {}
            planned => drop(planned.map_err(|finding| anyhow::anyhow!("{finding}: {}", finding.evidence.join("; ")))?),
        }
    }
    if EFFECTS.contains(&name) {
        let effects = sim::effects(&target, &found, &HelmClient::Simulated { version }, &["2.20"]);
        effects.map_err(|finding| anyhow::anyhow!("{finding}: {}", finding.evidence.join("; ")))?;
    }
    // A site without internet access gives the new chart its registry.
    if installation.registry.is_some() {
        let values = portolan_fixtures::values_of(&["values/custom-env.yaml".to_owned()], &[]);
        let of_target = sim::request(&found.inventory.release.chart, &["2.20"], &[]);
        let planned =
            of_target.and_then(|request| sim::plan_request(&target, &found, &UpgradeRequest { values, ..request }));
        planned.map_err(|finding| anyhow::anyhow!("{finding}: {}", finding.evidence.join("; ")))?;
    }
    Ok(())
}

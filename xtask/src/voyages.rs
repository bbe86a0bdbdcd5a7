//! The voyages that the simulations and the tests make: which renderings they need.

use inventory::survey;
use model::Code;
use plan::Planning;
use plan::planner::{self, ChartPick, Wish};
use recipe::Book;
use rehearse::{Installation, simulated_helm};
use serde_json::json;

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

/// Records what the voyages from an installation need.
pub(crate) fn record(recorder: &mut Recorder, installation: &Installation) -> anyhow::Result<()> {
    let world = installation.world();
    let facts = world.facts();
    let (server, user) = (&facts.cluster.server, &facts.cluster.user);
    let found = survey::look(&facts.release, &|ask| world.answer(ask), server, user, Some(simulated_helm()));
    let found = found.map_err(|finding| anyhow::anyhow!("{finding}"))?;
    let charts = fixtures::charts();
    let ids: Vec<_> = charts.iter().map(|chart| chart.id.clone()).collect();
    let installed = &found.inventory.release.chart;
    for (specs, without) in WAYS {
        let picks: Result<Vec<ChartPick>, _> = specs
            .iter()
            .map(|spec| {
                planner::pick(spec, &ids, installed).map(|id| {
                    let archive = charts.iter().find(|chart| chart.id == id).map(|chart| chart.archive.clone());
                    ChartPick { id, archive: archive.unwrap_or_default() }
                })
            })
            .collect();
        let Ok(to) = picks else { continue };
        let without = without.iter().map(|id| (*id).to_owned()).collect();
        let wish = Wish {
            to,
            offered: Vec::new(),
            values: json!({}),
            without,
            accepted: Vec::new(),
            limits: ::plan::planner::Limits::default(),
        };
        let (book, helm) = (Book::builtin(), simulated_helm());
        // Not every way has every step.
        let mut planning = match Planning::new(&found, &book, &wish, &helm) {
            Err(finding) if finding.code == Code::BadOption => continue,
            planning => planning.map_err(|finding| anyhow::anyhow!("{finding}"))?,
        };
        while let Some(job) = planning.job() {
            let chart = charts.iter().find(|chart| chart.id == job.chart).expect("jobs are of offered charts");
            let recorded = recorder.render(chart, &job.release, &job.values)?;
            planning.rendered(&recorded.rendering()).map_err(|finding| anyhow::anyhow!("{finding}"))?;
        }
    }
    Ok(())
}

//! Planning on the rig.

use std::time::Duration;

use anyhow::{Context, Result};
use portolan_helm_compat::chart::PackedChart;
use portolan_inventory::Survey;
use portolan_model::{PlanFile, StepKind, ValueAnswers};
use portolan_recipe::RecipeSet;
use portolan_testkit::rig::PATIENCE;
use portolan_workflow::{Effects, HopRendering, Limits, PlanOptions, Rehearse, UpgradeRequest};
use serde_json::Value;

use super::{ClusterFixture, to_anyhow};
use crate::sim;

/// Seconds that a run waits for workloads that will not become ready.
const IN_VAIN: u64 = 40;

/// The plan with a short wait for workloads: where it is known that they will not become ready.
#[must_use]
pub fn waiting_in_vain(mut file: PlanFile) -> PlanFile {
    set_ready_limit(&mut file, IN_VAIN);
    file
}

fn set_ready_limit(file: &mut PlanFile, seconds: u64) {
    for step in file.plan.hops.iter_mut().flat_map(|hop| &mut hop.steps) {
        if matches!(step.kind, StepKind::WaitReady { .. }) {
            step.limit = Duration::from_secs(seconds);
        }
    }
}

/// The plan without the steps that ask the API server beforehand: to see what these prevent, and what comes then.
#[must_use]
pub fn past_checks(mut file: PlanFile) -> PlanFile {
    for hop in &mut file.plan.hops {
        hop.steps.retain(|step| !matches!(step.kind, StepKind::CheckObjects { .. }));
    }
    file
}

/// An upgrade to one chart, with values of the user's.
#[must_use]
pub fn request_to(chart: PackedChart, values: Value) -> UpgradeRequest {
    UpgradeRequest {
        to: vec![chart],
        offered: Vec::new(),
        values,
        answers: ValueAnswers::default(),
        without: Vec::new(),
        accepted: Vec::new(),
        backup: None,
        database_ca: None,
        limits: Limits::default(),
    }
}

impl ClusterFixture<'_> {
    /// Plans an upgrade to fixture charts with the built-in recipes.
    ///
    /// # Errors
    /// What the planner says.
    pub fn plan(&self, to: &[&str], without: &[&str]) -> Result<(Survey, PlanFile)> {
        let found = self.survey()?;
        let file = self.plan_from(&found, to, without)?;
        Ok((found, file))
    }

    /// The same from a survey that was made before.
    ///
    /// # Errors
    /// What the planner says.
    pub fn plan_from(&self, found: &Survey, to: &[&str], without: &[&str]) -> Result<PlanFile> {
        self.plan_found(found, &sim::request(&found.inventory.release.chart, to, without).map_err(to_anyhow)?)
    }

    /// The same to one chart, whichever, with values of the user's.
    ///
    /// # Errors
    /// What the planner says.
    pub fn plan_to(&self, chart: PackedChart, values: Value) -> Result<PlanFile> {
        self.plan_found(&self.survey()?, &request_to(chart, values))
    }

    /// What the hops of an upgrade render, Secrets in clear.
    ///
    /// # Errors
    /// What the planner says.
    pub fn renderings(&self, found: &Survey, to: &[&str]) -> Result<Vec<HopRendering>> {
        let request = sim::request(&found.inventory.release.chart, to, &[]).map_err(to_anyhow)?;
        self.runtime
            .block_on(portolan_workflow::rendered(&self.target, found, &RecipeSet::builtin(), &request))
            .map_err(to_anyhow)
    }

    /// What each value does in a chart, as the next upgrade would render it.
    ///
    /// # Errors
    /// What helm says of the values as they are.
    pub fn effects(&self, found: &Survey, chart: &PackedChart, values: &Value) -> Result<Effects> {
        let helm = found.inventory.helm.as_ref().context("a helm was found")?;
        let job = portolan_workflow::render_job(&found.inventory, chart, values);
        self.runtime.block_on(portolan_workflow::effects(&self.target, found, helm, &job)).map_err(to_anyhow)
    }

    /// The plan of a request.
    ///
    /// # Errors
    /// What the planner says.
    pub fn plan_found(&self, found: &Survey, request: &UpgradeRequest) -> Result<PlanFile> {
        let book = RecipeSet::builtin();
        let planned = portolan_workflow::plan(
            &self.target,
            found,
            &book,
            request,
            PlanOptions { rehearses: Rehearse::No, images: None },
        );
        let mut file = self.runtime.block_on(planned).map_err(to_anyhow)?.file;
        set_ready_limit(&mut file, PATIENCE.as_secs());
        Ok(file)
    }
}

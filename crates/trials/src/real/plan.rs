//! Planning on the rig.

use ::plan::Planning;
use ::plan::planner::{ChartPick, HopRendering, Servers, Wish};
use adapters::helm::DryRun;
use adapters::postgres;
use anyhow::{Context, Result};
use inventory::survey::Survey;
use model::{DatabaseRef, PlanFile, StepKind};
use recipe::Book;
use serde_json::{Value, json};
use testkit::rig::PATIENCE;

use super::{Site, told};
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
            step.limit = seconds;
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

impl Site<'_> {
    /// Plans a voyage to fixture charts with the built-in recipes.
    ///
    /// # Errors
    /// What the planner says.
    pub fn plan(&mut self, to: &[&str], without: &[&str]) -> Result<(Survey, PlanFile)> {
        let found = self.survey()?;
        let file = self.plan_from(&found, to, without)?;
        Ok((found, file))
    }

    /// The same from a survey that was made before.
    ///
    /// # Errors
    /// What the planner says.
    pub fn plan_from(&self, found: &Survey, to: &[&str], without: &[&str]) -> Result<PlanFile> {
        let wish = Wish {
            to: sim::picks(&found.inventory.release.chart, to).map_err(told)?,
            offered: Vec::new(),
            values: json!({}),
            without: without.iter().map(|id| (*id).to_owned()).collect(),
            accepted: Vec::new(),
            limits: ::plan::planner::Limits::default(),
        };
        self.plan_found(found, &wish)
    }

    /// The same to one chart, whichever, with values of the user's.
    ///
    /// # Errors
    /// What the planner says.
    pub fn plan_to(&mut self, chart: ChartPick, values: Value) -> Result<PlanFile> {
        let found = self.survey()?;
        self.plan_found(
            &found,
            &Wish {
                to: vec![chart],
                offered: Vec::new(),
                values,
                without: Vec::new(),
                accepted: Vec::new(),
                limits: ::plan::planner::Limits::default(),
            },
        )
    }

    /// What the hops of a voyage render, Secrets in clear.
    ///
    /// # Errors
    /// What the planner says.
    pub fn renderings(&self, found: &Survey, to: &[&str]) -> Result<Vec<HopRendering>> {
        let wish = Wish {
            to: sim::picks(&found.inventory.release.chart, to).map_err(told)?,
            offered: Vec::new(),
            values: json!({}),
            without: Vec::new(),
            accepted: Vec::new(),
            limits: ::plan::planner::Limits::default(),
        };
        let book = Book::builtin();
        Ok(self.rendered(found, &book, &wish)?.renderings().to_vec())
    }

    /// A plan with all its renderings.
    fn rendered<'b>(&'b self, found: &'b Survey, book: &'b Book, wish: &'b Wish) -> Result<Planning<'b>> {
        let mut planning = Planning::new(found, book, wish, &self.helm).map_err(told)?;
        let dry_run = DryRun::of_surveyed(&self.client, &found.inventory);
        while let Some(job) = planning.job() {
            let rendering = self.runtime.block_on(dry_run.render(&self.helm, &job)).map_err(told)?;
            planning.rendered(&rendering).map_err(told)?;
        }
        Ok(planning)
    }

    fn plan_found(&self, found: &Survey, wish: &Wish) -> Result<PlanFile> {
        let book = Book::builtin();
        let planning = self.rendered(found, &book, wish)?;
        let databases = planning.databases();
        let servers = self.servers(found, databases)?;
        let mut file = planning.finish(&servers).map_err(told)?;
        set_ready_limit(&mut file, PATIENCE.as_secs());
        Ok(file)
    }

    fn servers(&self, found: &Survey, databases: Vec<DatabaseRef>) -> Result<Servers> {
        let mut servers = Servers::new();
        for database in databases {
            let password = found.secrets.get(&database.password).context("the password is among the secrets")?;
            let asked = self.runtime.block_on(postgres::version(self.client.raw(), &database, password));
            servers.extend(asked.ok().map(|said| (database.pod, said)));
        }
        Ok(servers)
    }
}

//! Planning on the rig.

use ::plan::planner::{self, ChartPick, Rendering, Servers, Wish};
use ::plan::survey::Survey;
use adapters::{helm, postgres};
use anyhow::{Context, Result};
use model::{PlanFile, SecretKey, StepKind};
use recipe::Book;
use serde_json::{Value, json};

use super::{Site, told};
use crate::sim;

/// Seconds that a trial waits for workloads: long enough for a migration, short enough where nothing will come.
const READY_LIMIT: u64 = 40;

impl Site<'_> {
    /// Plans a voyage to fixture charts with the built-in recipes. Waits that would be long where nothing comes are cut
    /// short.
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
                values,
                without: Vec::new(),
                accepted: Vec::new(),
                limits: ::plan::planner::Limits::default(),
            },
        )
    }

    fn plan_found(&self, found: &Survey, wish: &Wish) -> Result<PlanFile> {
        let secret = |key: &SecretKey| found.secrets.get(key).map(str::to_owned);
        let book = Book::builtin();
        let mut renderings = Vec::new();
        for job in planner::jobs(&found.inventory, &secret, &book, wish).map_err(told)? {
            renderings.push(self.render(wish, &job)?);
        }
        let servers = self.servers(found, &book)?;
        let mut file =
            planner::plan(&found.inventory, &secret, &servers, &book, wish, &self.helm, &renderings).map_err(told)?;
        for step in file.plan.hops.iter_mut().flat_map(|hop| &mut hop.steps) {
            if matches!(step.kind, StepKind::WaitReady { .. }) {
                step.limit = READY_LIMIT;
            }
        }
        Ok(file)
    }

    fn servers(&self, found: &Survey, book: &Book) -> Result<Servers> {
        let secret = |key: &SecretKey| found.secrets.get(key).map(str::to_owned);
        let mut servers = Servers::new();
        for database in planner::databases(&found.inventory, &secret, book).map_err(told)? {
            let password = secret(&database.password).context("the password is among the secrets")?;
            let asked = self.runtime.block_on(postgres::version(self.client.raw(), &database, &password));
            servers.extend(asked.ok().map(|said| (database.pod, said)));
        }
        Ok(servers)
    }

    fn render(&self, wish: &Wish, job: &planner::RenderJob) -> Result<Rendering> {
        let archive = wish.to.iter().find(|pick| pick.id == job.chart).map(|pick| pick.archive.clone());
        let job = helm::RenderJob {
            release: job.release.name.clone(),
            namespace: job.release.namespace.clone(),
            archive: archive.unwrap_or_default(),
            values: job.values.clone(),
            kube_version: job.kube_version.clone(),
            api_versions: self.runtime.block_on(self.client.api_versions()).map_err(told)?,
        };
        let render = || self.runtime.block_on(helm::template(&self.helm, &job)).map_err(told);
        Ok(Rendering { first: render()?, second: render()? })
    }
}

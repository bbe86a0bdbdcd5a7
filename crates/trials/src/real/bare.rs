//! Releases without user-supplied values.

use anyhow::{Context, Result, bail};
use portolan_fixtures::ScenarioStep;
use portolan_helm_compat::chart::{self, PackedChart};
use portolan_helm_compat::values;
use portolan_testkit::rig::Rig;
use serde_json::json;

use super::{ClusterFixture, run};

impl<'a> ClusterFixture<'a> {
    /// Installs a start of one chart whose values are the defaults of its chart, as in a chart that a site has packed itself: the release
    /// has no user-supplied values.
    ///
    /// # Errors
    /// What helm or the cluster says, and where the start has another way.
    pub fn install_bare(rig: &'a Rig, name: &str, helm: &str) -> Result<Self> {
        let site = Self::new(rig, name, helm, json!({}))?;
        for step in &site.start.steps {
            let ScenarioStep::Helm { chart, values: files, set, .. } = step else {
                site.install_step(step)?;
                continue;
            };
            let mut packed =
                portolan_fixtures::chart_files(chart).with_context(|| format!("there is no chart {chart}"))?;
            let defaults = chart::of_files(packed.clone())?.values;
            let all = values::layer(&defaults, &portolan_fixtures::values_of(files, set));
            packed.insert("values.yaml".to_owned(), values::file(&all).into_bytes());
            let archive = site.folder.path().join("own.tgz");
            fs_err::write(&archive, PackedChart::of_files(packed)?.archive)?;
            let mut command = site.helm_command(&rig.kubeconfig());
            command.args(["install", "runai-backend"]).arg(archive);
            run(&mut command)?;
        }
        site.wait_for_database()?;
        if site.survey()?.inventory.release.config.as_object().is_some_and(|config| !config.is_empty()) {
            bail!("the release has values");
        }
        Ok(site)
    }
}

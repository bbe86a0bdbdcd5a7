//! What a person types in place of Portolan, with the real programs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_helm_compat::{upgrade_argv, values};
use portolan_inventory::survey::Survey;
use portolan_model::{Carried, HelmRun, HelmToken, PlanFile};
use serde_json::{Value, json};

use super::{ClusterFixture, run};

impl ClusterFixture<'_> {
    /// Types the page's commands that a script has, one after another, whatever came of the last.
    ///
    /// # Errors
    /// Where the commands are not those of a page.
    pub fn type_page(
        &self,
        lines: &[portolan_recipe::PageLine],
        on_event: &mut dyn FnMut(&portolan_recipe::PageLine),
    ) -> Result<()> {
        let release = self.release();
        for line in lines {
            on_event(line);
            let mut kubectl = self.rig.kubectl();
            kubectl.args(["-n", self.space.name()]);
            match &line.op {
                portolan_recipe::PageOp::Nothing => continue,
                portolan_recipe::PageOp::PatchVolumeOf { claim, patch } => {
                    let claim = self.space.find("api/v1", &format!("persistentvolumeclaims/{claim}"))?;
                    let volume =
                        claim.as_ref().and_then(|claim| claim["spec"]["volumeName"].as_str()).unwrap_or_default();
                    kubectl.args(["patch", "pv", volume, "-p", &patch.to_string()]);
                }
                portolan_recipe::PageOp::Annotate { claim, annotations } => {
                    let patch = json!({"metadata": {"annotations": annotations}});
                    kubectl.args(["patch", "pvc", claim, "-p", &patch.to_string()]);
                }
                portolan_recipe::PageOp::Delete(objects) => {
                    let names = objects.iter().filter_map(|text| portolan_recipe::object(text, &release));
                    kubectl
                        .arg("delete")
                        .args(names.map(|name| format!("{}/{}", name.kind().to_lowercase(), name.name())));
                }
                portolan_recipe::PageOp::HelmUpgrade { values, set } => {
                    let kubeconfig =
                        self.client().kubeconfig().map(Path::to_owned).unwrap_or_else(|| self.rig.kubeconfig());
                    let mut command = self.helm_command(&kubeconfig);
                    command.args(["upgrade", "runai-backend"]).arg(self.archive("control-plane-2.20.41")?);
                    if *values == portolan_model::ValuesMode::ResetThenReuse {
                        command.arg("--reset-then-reuse-values");
                    }
                    for setting in set {
                        command.args(["--set", setting]);
                    }
                    drop(run(&mut command));
                    continue;
                }
            }
            // A paste goes on after a command that failed.
            drop(run(&mut kubectl));
        }
        Ok(())
    }

    /// The upgrade of a plan, with the plan's own chart and values, as helm alone tries it on the server.
    ///
    /// # Errors
    /// Where the plan does not upgrade, or a value of it is not there.
    pub fn dry_run(&self, found: &Survey, file: &PlanFile) -> Result<Command> {
        let run = file.plan.helm_runs().next().context("the plan upgrades")?;
        let object = |digest| -> Result<Vec<u8>> {
            Ok(file.objects.get(digest).context("the plan has its objects with it")?.0.to_vec())
        };
        let mut given: Value = serde_json::from_slice(&object(run.values.as_ref().context("the plan has values")?)?)?;
        for (path, value) in carried(found, run)? {
            values::set(&mut given, path, value.into());
        }
        let (chart, file) = (self.folder.path().join("planned.tgz"), self.folder.path().join("planned.json"));
        fs_err::write(&chart, object(run.archive.as_ref().context("the plan has a chart")?)?)?;
        fs_err::write(&file, values::file(&given))?;
        let mut command = self.helm_command(&self.rig.kubeconfig());
        command.args(upgrade_argv(
            run,
            &HelmToken::new("dry", 0, 0),
            "",
            &chart.to_string_lossy(),
            &file.to_string_lossy(),
        ));
        command.arg("--dry-run=server");
        Ok(command)
    }

    /// What a person has to add to the page's `--set`, or the chart makes up a password that does not open the database.
    ///
    /// # Errors
    /// Where the plan does not upgrade, or a value of it is not there.
    pub fn passwords(&self, found: &Survey, file: &PlanFile) -> Result<Vec<String>> {
        let run = file.plan.helm_runs().next().context("the plan upgrades")?;
        Ok(carried(found, run)?.into_iter().map(|(path, value)| format!("{path}={value}")).collect())
    }

    /// Does something while the chart finds in live Secrets what it would refuse to render without, which the plan's steps
    /// see to before helm runs. Afterwards they are as they were.
    ///
    /// # Errors
    /// Where the plan does not upgrade, a Secret cannot be changed, or what is done fails.
    pub fn with_required_keys<R>(&self, file: &PlanFile, mut act: impl FnMut() -> Result<R>) -> Result<R> {
        let run = file.plan.helm_runs().next().context("the plan upgrades")?;
        let fill = |value: Value| {
            run.required_keys.iter().try_for_each(|guard| {
                let secret = &guard.key.secret;
                let path = format!("/api/v1/namespaces/{}/secrets/{}", secret.namespace(), secret.name());
                self.rig.api().patch(&path, &json!({"data": {guard.key.key.as_str(): value}})).map(drop)
            })
        };
        fill(json!(STANDARD.encode("a value")))?;
        let done = act();
        fill(Value::Null)?;
        done
    }
}

/// The values that come out of Secrets, by their paths.
fn carried<'a>(found: &'a Survey, run: &'a HelmRun) -> Result<Vec<(&'a str, &'a str)>> {
    let value = |carried: &'a Carried| found.secrets.get(&carried.from).context("the Secret has what is carried");
    run.carried.iter().map(|carried| Ok((carried.path.as_str(), value(carried)?))).collect()
}

//! `portolan verify` on the rig, after something has happened to what a finished run left: it is never "as it was left".

use std::path::Path;

use anyhow::{Context, Result, ensure};
use portolan_testkit::rig::{Rig, pins};
use portolan_trials::program::Program;
use portolan_trials::reports::CaseFixture;
use portolan_trials::shell::Shell;
use serde_json::json;

/// What `verify` says has to name this, and to end with 3.
fn differs(site: &CaseFixture<'_>, shell: &Shell, named: &str) -> Result<()> {
    let said = shell.run(&format!("portolan verify -n {} --release store", site.namespace()))?;
    let words = said.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(said.code == 3 && words.contains("error[PL401]") && words.contains(named), "{named}: {said:?}");
    ensure!(!said.stdout.contains("Everything that was looked at is as it was left"), "{}", said.stdout);
    Ok(())
}

fn looks_again(rig: &Rig) -> Result<()> {
    let helm = pins::HELM[1];
    let program = Program::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
    let shell = Shell::new(rig, &program, &rig.helm(helm)?)?;
    let raw = json!({});
    let site = CaseFixture::install(rig, helm, &raw)?;
    let (namespace, charts) = (site.namespace(), site.write_charts(&site.upgrade(&raw)?, "typed")?);
    let charts = charts.display();
    shell.ok(&format!("portolan upgrade --yes --to 2.20.0 -n {namespace} --release store --chart {charts}"))?;
    let verify = format!("portolan verify -n {namespace} --release store");
    ensure!(
        shell.ok(&verify)?.stdout.contains("Everything that was looked at is as it was left"),
        "nothing has happened yet"
    );
    let settled = || site.wait("the pod", || site.is_ready());
    let roll = |patch: &str| -> Result<()> {
        site.kubectl(&["patch", "statefulset", "store", "--type=json", "-p", patch])?;
        site.kubectl(&["rollout", "status", "statefulset/store", "--timeout=5m"]).map(drop)
    };

    // The pod names the PVC, and no container mounts it.
    roll(r#"[{"op": "remove", "path": "/spec/template/spec/containers/0/volumeMounts"}]"#)?;
    differs(&site, &shell, "no container of Pod/store-0 mounts")?;
    roll(
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/volumeMounts", "value": [{"name": "data", "mountPath": "/data"}]}]"#,
    )?;
    settled()?;
    shell.ok(&verify)?;

    let claim = site.get("PersistentVolumeClaim/store")?.context("the PVC")?;
    let volume = claim["spec"]["volumeName"].as_str().unwrap_or_default();
    site.kubectl(&["delete", "pvc", "store", "--wait=false"])?;
    differs(&site, &shell, "PersistentVolumeClaim/store is being deleted")?;
    site.kubectl(&["delete", "pv", volume, "--wait=false"])?;
    differs(&site, &shell, &format!("PersistentVolume/{volume} is being deleted"))?;

    // Another PVC and PV of the same name and a new folder.
    site.kubectl(&["scale", "statefulset", "store", "--replicas=0"])?;
    site.wait("the PVC is gone", || Ok(site.get("PersistentVolumeClaim/store")?.is_none()))?;
    differs(&site, &shell, "PersistentVolumeClaim/store is gone")?;
    let again = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "store", "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    shell.ok(&format!("echo '{again}' | kubectl create -f -"))?;
    site.kubectl(&["scale", "statefulset", "store", "--replicas=1"])?;
    settled()?;
    differs(&site, &shell, "PersistentVolumeClaim/store was deleted and made again")
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn what_was_deleted_or_is_not_mounted_is_not_as_it_was_left() {
    looks_again(&Rig::shared().expect("the rig")).expect("each is seen");
}

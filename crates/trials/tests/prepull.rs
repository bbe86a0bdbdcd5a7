//! `--prepull` on a real node: an image that it cannot pull stops an upgrade before anything else is written, and no pod is left.

use anyhow::{Result, ensure};
use portolan_testkit::rig::Rig;
use portolan_trials::private_registry::PrivateRegistry;
use portolan_trials::real::ClusterFixture;
use serde_json::{Value, json};

/// The names of the trial's pods.
fn pods(site: &ClusterFixture<'_>) -> Result<Vec<String>> {
    let space = site.space();
    let list = space.find("api/v1", "pods?labelSelector=portolan-prepull")?.unwrap_or_default();
    let names = list["items"].as_array().into_iter().flatten().filter_map(|pod| pod["metadata"]["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

/// What an upgrade would have changed first: the release's records, the PVCs, the specs of workloads.
fn written(site: &ClusterFixture<'_>) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for (api, kinds) in
        [("api/v1", ["secrets", "persistentvolumeclaims"]), ("apis/apps/v1", ["statefulsets", "deployments"])]
    {
        for kind in kinds {
            let list = site.space().find(api, kind)?.unwrap_or_default();
            for object in list["items"].as_array().into_iter().flatten() {
                let of = &object["metadata"];
                all.push(json!([kind, of["name"], of["uid"], of["annotations"], object["spec"], object["data"]]));
            }
        }
    }
    Ok(all)
}

fn tried(rig: &Rig) -> Result<()> {
    let private = PrivateRegistry::start(rig, "prepull")?;
    let PrivateRegistry { site, shell, stub, .. } = &private;
    let space = site.space().name();
    let archive = site.archive("control-plane-2.20.41")?;
    let line = format!(
        "portolan upgrade -n {space} --to 2.20 --chart {} -f custom-env.yaml --prepull --yes --timeout ready=300s,delete=300s,helm=300s",
        archive.display()
    );

    // The registry wants a login, and no pod has one.
    let before = written(site)?;
    let refused = shell.run(&line)?;
    ensure!(refused.code == 10, "{}: {}{}", refused.code, refused.stdout, refused.stderr);
    let told = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(told.contains("error[PL637]") && told.contains(stub) && told.contains("ImagePull"), "{told}");
    ensure!(pods(site)?.is_empty() && written(site)? == before, "something is left or was written");

    // Somebody interrupts it, somebody kills it; the next one begins with what was left.
    let mut running = shell.start(&format!("exec {line}"))?;
    site.space().wait("the pods of the trial", |_| Ok(!pods(site)?.is_empty()))?;
    running.signal("INT")?;
    let stopped = running.end()?;
    ensure!(stopped.code == 10 && stopped.stderr.contains("PL638"), "{}: {}", stopped.code, stopped.stderr);
    ensure!(pods(site)?.is_empty() && written(site)? == before, "something is left or was written");
    running = shell.start(&format!("exec {line}"))?;
    site.space().wait("the pods of the trial", |_| Ok(!pods(site)?.is_empty()))?;
    running.signal("KILL")?;
    running.end()?;
    ensure!(!pods(site)?.is_empty(), "nobody removed them");

    private.give_login()?;
    let done = shell.ok(&line)?;
    let told = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(told.contains("images of the new and the installed version"), "{told}");
    ensure!(told.contains("Pulled before the first write: ") && told.contains(" images on 1 node"), "{told}");
    ensure!(pods(site)?.is_empty(), "pods are left");
    ensure!(private.pulled()?.iter().any(|name| name == "stub"), "nobody pulled");
    Ok(())
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn an_image_that_a_node_cannot_pull_stops_an_upgrade_before_its_first_write() {
    tried(&Rig::shared().expect("the rig")).expect("the trial holds");
}

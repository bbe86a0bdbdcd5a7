//! `--prepull` on a real node: an image that it cannot pull stops an upgrade before anything else is written, and no pod is left.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_testkit::bundle::{BaseImage, ImageArchive};
use portolan_testkit::registry::{LOGIN, Registry, Request};
use portolan_testkit::rig::{Rig, pins};
use portolan_trials::program::Program;
use portolan_trials::real::ClusterFixture;
use portolan_trials::shell::Shell;
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
    let program = Program::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
    let registry = Registry::listen(&rig.build().registry(), SocketAddr::from((rig.state().net().host(), 0)), true)?;
    let host = registry.address();
    rig.pull_plainly_from(host)?;
    let site = ClusterFixture::install(rig, "openshift-2.17", pins::HELM[1])?;
    site.wait_until_ready()?;
    let space = site.space().name();
    let shell = Shell::new(rig, &program, &rig.helm(pins::HELM[1])?)?;
    let mut images = ImageArchive::default();
    for (name, base) in [("vendor.example/postgres:15", "postgres"), ("vendor.example/stub:prepull", "stub")] {
        images.add(name, &BaseImage::read(&rig.build().image(base))?);
    }
    let write = |name: &str, bytes: &[u8]| fs_err::write(shell.home().join(name), bytes);
    write("images.tar", &images.end())?;
    fs_err::create_dir(shell.home().join(".docker"))?;
    let login = STANDARD.encode(format!("{}:{}", LOGIN.0, LOGIN.1));
    write(".docker/config.json", json!({"auths": {host: {"auth": login}}}).to_string().as_bytes())?;
    shell.ok(&format!("portolan bundle push images.tar --to {host} --plain-http"))?;
    let (postgres, stub) = (format!("{host}/postgres:15"), format!("{host}/stub:prepull"));
    let values = json!({"images": {"postgres": postgres, "migrate": postgres, "stub": stub}});
    write("custom-env.yaml", values.to_string().as_bytes())?;
    let archive = site.archive("control-plane-2.20.41")?;
    let line = format!(
        "portolan upgrade -n {space} --to 2.20 --chart {} -f custom-env.yaml --prepull --yes --timeout ready=300s,delete=300s,helm=300s",
        archive.display()
    );

    // The registry wants a login, and no pod has one.
    let before = written(&site)?;
    let refused = shell.run(&line)?;
    ensure!(refused.code == 10, "{}: {}{}", refused.code, refused.stdout, refused.stderr);
    let told = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(told.contains("error[PL637]") && told.contains(&stub) && told.contains("ImagePull"), "{told}");
    ensure!(pods(&site)?.is_empty() && written(&site)? == before, "something is left or was written");

    // Somebody interrupts it, somebody kills it; the next one begins with what was left.
    let mut running = shell.start(&format!("exec {line}"))?;
    site.space().wait("the pods of the trial", |_| Ok(!pods(&site)?.is_empty()))?;
    running.signal("INT")?;
    let stopped = running.end()?;
    ensure!(stopped.code == 10 && stopped.stderr.contains("PL638"), "{}: {}", stopped.code, stopped.stderr);
    ensure!(pods(&site)?.is_empty() && written(&site)? == before, "something is left or was written");
    running = shell.start(&format!("exec {line}"))?;
    site.space().wait("the pods of the trial", |_| Ok(!pods(&site)?.is_empty()))?;
    running.signal("KILL")?;
    running.end()?;
    ensure!(!pods(&site)?.is_empty(), "nobody removed them");

    shell.ok(&format!(
        "kubectl create secret docker-registry site-pull -n {space} --docker-server={host} --docker-username={} \
         --docker-password={} && for account in $(kubectl get serviceaccounts -n {space} -o name); do \
         kubectl patch $account -n {space} -p '{{\"imagePullSecrets\": [{{\"name\": \"site-pull\"}}]}}'; done",
        LOGIN.0, LOGIN.1
    ))?;
    let done = shell.ok(&line)?;
    ensure!(done.stderr.contains("Pulled before the first write: 2 images on 1 node"), "{}", done.stderr);
    ensure!(pods(&site)?.is_empty(), "pods are left");
    let pulls = registry.requests()?.iter().filter_map(Request::pull).filter(|(name, _)| *name == "stub").count();
    ensure!(pulls > 0, "nobody pulled");
    Ok(())
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn an_image_that_a_node_cannot_pull_stops_an_upgrade_before_its_first_write() {
    tried(&Rig::shared().expect("the rig")).expect("the trial holds");
}

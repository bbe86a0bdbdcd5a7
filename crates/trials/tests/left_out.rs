//! Steps and values that no rehearsal can judge: left out on the rig, what they are there to prevent is seen.

use model::{Code, Outcome};
use testkit::rig::{Rig, pins};
use trials::real::{Data, Place, Site};

const HELM: &str = pins::HELM[1];

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn without_the_end_of_the_old_ingress_controller_helm_is_refused() {
    const START: &str = "kubernetes-2.8-nginx";
    let place = Place::of(START).expect("the rig");
    let mut site = Site::install(&place.rig, START, HELM).expect("an installation");
    site.write_rows(100).expect("rows are written");
    let watched = site.watched(Data::Database).expect("a bound claim");
    let (_, file) = site.plan(&["2.20"], &["delete-nginx"]).expect("a plan");
    let (outcome, folder) = site.apply(&file, &mut |_| {}).expect("a run");
    let Outcome::Halted { finding } = outcome else { panic!("it ended as {outcome:?}") };
    assert_eq!(finding.code, Code::HelmFailed);
    let said = said(&folder);
    assert!(said.contains("failed calling webhook \"validate.nginx.ingress.kubernetes.io\""), "helm said: {said}");
    assert_eq!(site.aim().expect("the claim"), watched.aim, "the data is where it was");
}

/// What the helms of a run said.
fn said(folder: &std::path::Path) -> String {
    let mut all = String::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains("helm") {
                all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()));
            }
        }
    }
    all
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn without_the_values_of_openshift_the_platform_is_not_reached() {
    let rig = Rig::shared().expect("the rig");
    let mut site = Site::install(&rig, "openshift-2.11", HELM).expect("an installation");
    // Without its domain the chart does not render, which the plan says.
    let refused = site.plan(&["2.20"], &["domain"]).expect_err("no plan");
    assert!(refused.to_string().contains("global.domain is needed"), "{refused}");
    // Without the store the metrics are not found, without the platform there is no route: the plan shows both.
    let stores = |site: &mut Site<'_>, without: &[&str]| {
        let (_, file) = site.plan(&["2.20"], without).expect("a plan");
        let manifests = trials::sim::objects(&file).into_iter().map(|(_, bytes)| bytes);
        manifests.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).find(|text| text.contains("stores.yaml"))
    };
    let port = "thanos-grpc-port-forwarder:10901";
    assert!(stores(&mut site, &[]).expect("a manifest").contains(port));
    assert!(!stores(&mut site, &["thanos-stores"]).expect("a manifest").contains(port));
    let (_, file) = site.plan(&["2.20"], &["distribution"]).expect("a plan");
    let (outcome, _) = site.apply(&file, &mut |_| {}).expect("a run");
    let route = site.space().find("apis/route.openshift.io/v1", "routes/runai-backend").expect("an answer");
    assert_eq!(route, None, "the route is gone, and the run ended as {outcome:?}");
}

//! The same voyages on the rig, under each helm, with rows that the test wrote itself.

use model::Outcome;
use testkit::rig::{Rig, pins};
use trials::real::Site;

/// Upgrades a start to 2.20 under one helm; every row, the same volume, the same folder.
fn voyage(start: &str, helm: &str) {
    let rig = Rig::shared().expect("the rig");
    let mut site = Site::install(&rig, start, helm).expect("an installation");
    let before = site.write_rows(10_000).expect("rows are written");
    assert_eq!(before.count, "10000");
    let aim = site.aim().expect("a bound claim");
    let disk = site.disk(&aim).expect("a folder");
    let (_, file) = site.plan(&["2.20"], &[]).expect("a plan");
    let (outcome, _) = site.apply(&file, &mut |_| {}).expect("a run");
    assert_eq!(outcome, Outcome::Finished, "{start} under helm {helm}");
    assert_eq!(site.rows().expect("rows are read with the old password"), before, "{start} under helm {helm}");
    assert_eq!(site.aim().expect("a bound claim"), aim, "same claim, same volume");
    assert_eq!(site.disk(&aim).expect("a folder"), disk, "same folder");
}

/// Every start under one helm, two at a time.
fn voyages(helm: &str) {
    let starts = ["openshift-2.8", "openshift-2.11", "openshift-2.13", "openshift-2.13-adopted"];
    for pair in starts.chunks(2) {
        std::thread::scope(|scope| {
            let runs: Vec<_> = pair.iter().map(|start| scope.spawn(|| voyage(start, helm))).collect();
            runs.into_iter().for_each(|run| run.join().expect("the voyage ends well"));
        });
    }
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn every_start_keeps_every_row_under_the_oldest_helm() {
    voyages(pins::HELM[0]);
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn every_start_keeps_every_row_under_the_newest_helm_3() {
    voyages(pins::HELM[1]);
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn every_start_keeps_every_row_under_helm_4() {
    voyages(pins::HELM[2]);
}

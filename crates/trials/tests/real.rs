//! Upgrades on the rig under each helm, with rows that the test wrote itself: a pair of every era and platform. All
//! pairs are carried out by `cargo xtask matrix`.

use portolan_testkit::rig::pins;
use portolan_trials::matrix;

fn keeps_everything(helm: &str) {
    let pairs = matrix::pairs().into_iter().filter(|pair| pair.always);
    let trials: Vec<_> = pairs.map(|pair| (pair, helm.to_owned())).collect();
    let rows = matrix::run(&trials, 2, &|_| {}).expect("every pair can be carried out");
    for row in &rows {
        assert_eq!(row.complaints(), Vec::<String>::new(), "{} under helm {helm}", row.pair);
    }
}

#[test]
fn the_pairs_are_of_every_era_and_platform() {
    let starts: Vec<String> = matrix::pairs().into_iter().filter(|pair| pair.always).map(|pair| pair.start).collect();
    for start in ["openshift-2.8", "openshift-2.11", "openshift-2.13", "kubernetes-2.8"] {
        assert!(starts.iter().any(|known| known == start), "{start} is not among {starts:?}");
    }
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn every_era_keeps_every_row_under_the_oldest_helm() {
    keeps_everything(pins::HELM[0]);
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn every_era_keeps_every_row_under_the_newest_helm_3() {
    keeps_everything(pins::HELM[1]);
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn every_era_keeps_every_row_under_helm_4() {
    keeps_everything(pins::HELM[2]);
}

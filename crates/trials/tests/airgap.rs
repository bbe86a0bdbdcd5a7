//! A site without internet access, upgraded on a node that has no images. All cases are carried out by `cargo xtask airgap`.

use std::path::Path;

use portolan_trials::airgap;
use portolan_trials::program::Program;

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_site_is_upgraded_from_nothing_pushed() {
    let program = Program::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).expect("the program");
    let case = airgap::cases().into_iter().find(|case| case.helm.is_none()).expect("one with the bundle's helm");
    let row = airgap::trial(&case, &program).expect("it can be carried out");
    assert_eq!(row.complaints(), Vec::<String>::new());
}

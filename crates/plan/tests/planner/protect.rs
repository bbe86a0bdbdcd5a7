//! The protections alone.

use model::{Code, Coverage, HelmClient, Plan, Ref};
use portolan_plan::linter::lint;
use portolan_plan::planner;
use semver::Version;

use crate::yard::{Yard, at_2_8, at_2_13, words};

fn protect(yard: &Yard) -> Plan {
    let helm = HelmClient { version: Version::new(3, 14, 4), path: String::new(), digest: None };
    planner::protect(&yard.inventory, &helm).expect("it can be protected").file.plan
}

#[test]
fn what_does_not_hold_yet_is_done_and_nothing_else() {
    let mut yard = at_2_8();
    let plan = protect(&yard);
    let verify = "verify PersistentVolumeClaim/pvc-postgresql in ";
    assert_eq!(words(&plan, 0), ["retain PersistentVolume/pv-1", "keep PersistentVolumeClaim/pvc-postgresql", verify]);
    assert_eq!(lint(&plan), []);
    assert!(plan.expects.contains_key(&Ref::volume("pv-1")));
    yard.inventory.volumes[0].policy = Some("Retain".into());
    assert_eq!(words(&protect(&yard), 0), ["keep PersistentVolumeClaim/pvc-postgresql", verify]);
    yard.inventory.volumes[0].keep_live = Some("keep".into());
    assert!(protect(&yard).hops.is_empty());
    // A claim that the release's manifest does not have is nothing to helm.
    let made = "verify PersistentVolumeClaim/data-runai-backend-postgresql-0 in ";
    assert_eq!(words(&protect(&at_2_13()), 0), ["retain PersistentVolume/pv-1", made]);
}

#[test]
fn a_release_that_cannot_be_upgraded_can_be_protected() {
    let mut yard = at_2_8();
    yard.secrets.clear();
    yard.inventory.release.status = model::ReleaseStatus::Failed;
    assert_eq!(protect(&yard).hops.len(), 1);
    for (scope, coverage) in &mut yard.inventory.coverage {
        if scope.kind == "PersistentVolumeClaim" {
            *coverage = Coverage::Denied("403".into());
        }
    }
    let helm = HelmClient { version: Version::new(3, 14, 4), path: String::new(), digest: None };
    let finding = planner::protect(&yard.inventory, &helm).expect_err("what is not seen cannot be protected");
    assert_eq!(finding.code, Code::NotVisible);
}

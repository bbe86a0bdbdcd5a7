//! A PVC that appears beside the old one, and that the plan does not have.

use portolan_model::{Code, Outcome, Ref, Request};
use portolan_rehearse::Installation;
use portolan_trials::sim;
use serde_json::json;

/// How an upgrade ends if somebody creates a PVC of this name just before the volumes are verified.
fn ends_beside(claim: &str) -> Outcome {
    let mut installation = sim::installation("openshift-2.8");
    let file = sim::plan(installation.world(), &["2.20"], &[]).expect("a plan");
    let claim = Ref::claim(&file.plan.release.namespace, claim);
    let mut create = |request: &Request, installation: &mut Installation| {
        if matches!(request, Request::ReadWithClaims(..)) && installation.world().get(&claim).is_none() {
            let metadata = json!({"name": claim.name(), "namespace": claim.namespace(), "uid": "new"});
            let object = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata});
            installation.world_mut().put(&claim, object);
        }
    };
    sim::run_among(&mut installation, &file, &mut |_| false, &mut create).0
}

#[test]
fn a_claim_of_the_release_that_the_plan_does_not_have_is_no_good_end() {
    let Outcome::Halted { finding } = ends_beside("data-runai-backend-postgresql-0") else { panic!("it finishes") };
    assert_eq!(finding.code, Code::StrangeClaim);
    assert!(finding.found.contains("data-runai-backend-postgresql-0"), "{finding:?}");
    assert!(finding.evidence.iter().any(|line| line.contains("pvc-postgresql")), "{finding:?}");
}

#[test]
fn other_claims_of_the_namespace_are_nobodys_business() {
    // Made by hand, for a backup; made after a set that the release does not have.
    for claim in ["backup", "data-other-0", "data-runai-backend-postgresql-new"] {
        assert_eq!(ends_beside(claim), Outcome::Finished, "{claim}");
    }
}

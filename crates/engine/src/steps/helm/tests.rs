use std::collections::BTreeMap;
use std::sync::Arc;

use portolan_model::{ChartId, Digest, HelmClient, ReleaseId, ValuesMode};

use super::*;
use crate::fold::Phase;

const MARK: &str = "3f9c2a71";
const UPGRADE: HelmOperation = HelmOperation::Upgrade;

fn chart() -> ChartId {
    ChartId { name: "r".into(), version: "2.20.0".parse().expect("a version") }
}

/// A run of helm that goes on from revision 7.
pub(super) fn run() -> HelmRun {
    HelmRun {
        release: ReleaseId { namespace: "ns".into(), name: "r".into() },
        base_revision: Some(7),
        client: HelmClient::Simulated { version: "3.22.0".parse().expect("a version") },
        chart: chart(),
        archive: Some(Digest::of(b"")),
        values: Some(Digest::of(b"")),
        carried: Vec::new(),
        mode: ValuesMode::Reset,
        manifest: Digest::of(b""),
        docs: BTreeMap::new(),
        nondeterministic_fields: BTreeMap::new(),
        required_keys: Vec::new(),
    }
}

pub(super) fn fact(revision: u32, status: ReleaseStatus, token: Option<&str>) -> ReleaseFact {
    ReleaseFact {
        revision,
        status,
        token: token.map(HelmToken::of_label),
        chart: chart(),
        description: String::new(),
        docs: BTreeMap::new(),
        config: serde_json::Value::Null,
    }
}

/// A run at its step 4, in the attempt of a token.
fn fold(token: &str, again: bool) -> Fold {
    Fold {
        step: 4,
        again,
        sent: true,
        phase: Phase::Check,
        pursuit: Some(Arc::new(Action::Helm { op: UPGRADE, run: Box::new(run()), token: HelmToken::of_label(token) })),
        ..Fold::default()
    }
}

fn halts(next: &Next) -> Option<&Finding> {
    if let Next::Halt(finding) = next { Some(finding) } else { None }
}

#[test]
fn a_helm_that_wrote_nothing_is_said_to_have_changed_nothing() {
    let untouched = [fact(7, ReleaseStatus::Deployed, None)];
    let refused = on_check(UPGRADE, &run(), &fold("3f9c2a71-4-0", false), MARK, &untouched);
    let finding = halts(&refused).expect("it halts");
    assert_eq!(finding.code, Code::HelmFailed);
    assert!(finding.found.contains("before it wrote anything"), "{finding}");
    assert!(finding.why.contains("as they were") && !finding.why.contains("some objects"), "{}", finding.why);
}

#[test]
fn a_failed_upgrade_is_tried_again_with_the_same_plan() {
    let failed = [fact(7, ReleaseStatus::Deployed, None), fact(8, ReleaseStatus::Failed, Some("3f9c2a71-4-0"))];
    let first = on_check(UPGRADE, &run(), &fold("3f9c2a71-4-0", false), MARK, &failed);
    let finding = halts(&first).expect("the first failure halts");
    assert_eq!(finding.code, Code::HelmFailed);
    assert!(finding.next.ends_with("portolan apply 3f9c2a71"), "{}", finding.next);
    assert_eq!(finding.object().map(Ref::name), Some("sh.helm.release.v1.r.v8"));
    // Started again by a person, it looks again, and helm goes on from the failed revision.
    let again = on_check(UPGRADE, &run(), &fold("3f9c2a71-4-0", true), MARK, &failed);
    assert!(matches!(again, Next::Effect(Effect::Unknown(_))));
    let fold_at = Fold { step: 4, attempt: 1, ..Fold::default() };
    let Next::Intent { action: Action::Helm { token, .. }, .. } = on_look(UPGRADE, &run(), &fold_at, MARK, &failed)
    else {
        panic!("helm is started again");
    };
    assert_eq!(token.as_str(), "3f9c2a71-4-1");
    let done = [failed.to_vec(), vec![fact(9, ReleaseStatus::Deployed, Some("3f9c2a71-4-1"))]].concat();
    assert!(matches!(on_check(UPGRADE, &run(), &fold("3f9c2a71-4-1", false), MARK, &done), Next::Observed(..)));
}

#[test]
fn what_somebody_else_did_since_is_not_built_on() {
    let fold_at = Fold { step: 4, ..Fold::default() };
    let code =
        |facts: &[ReleaseFact]| halts(&on_look(UPGRADE, &run(), &fold_at, MARK, facts)).map(|finding| finding.code);
    let base = || fact(7, ReleaseStatus::Deployed, None);
    assert_eq!(code(&[base()]), None);
    assert_eq!(code(&[fact(7, ReleaseStatus::Failed, None)]), None, "helm upgrades a failed release");
    assert_eq!(code(&[base(), fact(8, ReleaseStatus::Failed, None)]), Some(Code::ReleaseMoved));
    assert_eq!(code(&[base(), fact(8, ReleaseStatus::Failed, Some("another0-4-0"))]), Some(Code::ReleaseMoved));
    // Labels are inherited: the second record with one token is not of this run.
    let ours = || fact(8, ReleaseStatus::Failed, Some("3f9c2a71-4-0"));
    let inherited = fact(9, ReleaseStatus::Failed, Some("3f9c2a71-4-0"));
    assert_eq!(code(&[base(), ours()]), None);
    assert_eq!(code(&[base(), ours(), inherited]), Some(Code::ReleaseMoved));
    // The hop before took two attempts, so the revision is higher than was planned.
    let earlier = || fact(8, ReleaseStatus::Failed, Some("3f9c2a71-2-0"));
    let hop = fact(9, ReleaseStatus::Deployed, Some("3f9c2a71-2-1"));
    assert_eq!(code(&[base(), earlier(), hop]), None);
    assert_eq!(code(&[base(), earlier()]), Some(Code::ReleaseMoved), "a failed hop is not passed over");
}

#[test]
fn a_pending_record_is_named_with_what_is_known_of_its_helm() {
    let ours = [fact(7, ReleaseStatus::Deployed, None), fact(8, ReleaseStatus::PendingUpgrade, Some("3f9c2a71-4-0"))];
    let next = on_check(UPGRADE, &run(), &fold("3f9c2a71-4-0", true), MARK, &ours);
    let finding = halts(&next).expect("it halts");
    assert_eq!(finding.code, Code::HelmPending);
    assert_eq!(finding.found, "helm ended and left revision 8 as pending-upgrade");
    assert_eq!(finding.next, "kubectl delete secret -n ns sh.helm.release.v1.r.v8, then portolan apply 3f9c2a71");
    // Whether somebody else's helm still runs is not known here: the command comes after the question.
    let foreign = [fact(7, ReleaseStatus::Deployed, None), fact(8, ReleaseStatus::PendingUpgrade, None)];
    let next = on_look(UPGRADE, &run(), &Fold::default(), MARK, &foreign);
    let finding = halts(&next).expect("it halts");
    assert!(finding.next.starts_with("wait for that helm to end; only if its owner confirms"), "{}", finding.next);
    // The only record of a release is not to be deleted.
    let next = on_look(UPGRADE, &run(), &Fold::default(), MARK, &[fact(1, ReleaseStatus::PendingInstall, None)]);
    let finding = halts(&next).expect("it halts");
    assert!(!finding.next.contains("delete"), "{}", finding.next);
}

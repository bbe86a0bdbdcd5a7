use std::collections::BTreeMap;
use std::sync::Arc;

use portolan_model::{Digest, Ref};

use super::super::{on_check, on_look, tests};
use super::*;
use crate::fold::Phase;

const MARK: &str = "3f9c2a71";

fn docs() -> BTreeMap<Ref, Digest> {
    BTreeMap::from([(Ref::set("ns", "db"), Digest::of(b"db"))])
}

/// A run on revision 7, or on none.
fn run(base_revision: Option<u32>) -> HelmRun {
    HelmRun { base_revision, archive: None, values: None, docs: docs(), ..tests::run() }
}

fn fact(revision: u32, status: ReleaseStatus, token: Option<&str>) -> ReleaseFact {
    ReleaseFact { docs: docs(), ..tests::fact(revision, status, token) }
}

/// A run at its step 4; helm was started where `helm` says so.
fn fold(op: HelmOperation, helm: bool, again: bool) -> Fold {
    let token = HelmToken::of_label("3f9c2a71-4-0");
    Fold {
        step: 4,
        again,
        sent: helm,
        helm_started: helm,
        phase: Phase::Check,
        pursuit: helm.then(|| Arc::new(Action::Helm { op, run: Box::new(run(Some(7))), token })),
        ..Fold::default()
    }
}

/// What comes next, in a word.
fn word(next: Next) -> String {
    match next {
        Next::Intent { action: Action::Helm { op, .. }, .. } => op.word().into(),
        Next::Intent { .. } => "write".into(),
        Next::Effect(Effect::Void) => "void".into(),
        Next::Effect(_) => "again".into(),
        Next::Observed(..) => "done".into(),
        Next::Halt(finding) => finding.code.to_string(),
    }
}

const GONE: HelmOperation = HelmOperation::Uninstall { keep_history: false };
const KEPT: HelmOperation = HelmOperation::Uninstall { keep_history: true };

#[test]
fn an_uninstall_begins_where_the_plan_knows_the_release_and_goes_on_where_it_began() {
    use ReleaseStatus::{Deployed, Failed, PendingUpgrade, Superseded, Uninstalled, Uninstalling};
    let (moved, pending) = (Code::ReleaseMoved.to_string(), Code::HelmPending.to_string());
    let none = Code::NoRelease.to_string();
    for (op, started, newest, want) in [
        (GONE, false, Some((7, Deployed)), "uninstall"),
        (GONE, false, Some((7, Failed)), "uninstall"),
        (GONE, false, Some((8, Deployed)), moved.as_str()),
        (GONE, false, Some((7, PendingUpgrade)), &pending),
        (GONE, false, Some((7, Superseded)), &moved),
        // Somebody else is uninstalling it, or did.
        (GONE, false, Some((7, Uninstalling)), &moved),
        (GONE, false, Some((7, Uninstalled)), &moved),
        (GONE, false, None, &none),
        (KEPT, false, Some((7, Uninstalled)), &moved),
        // This run began.
        (GONE, true, Some((7, Uninstalling)), "uninstall"),
        (KEPT, true, Some((7, Uninstalling)), "uninstall"),
        (GONE, true, None, "done"),
        (KEPT, true, Some((7, Uninstalled)), "done"),
        (KEPT, true, None, &none),
        (GONE, true, Some((7, Uninstalled)), &moved),
    ] {
        let facts: Vec<ReleaseFact> =
            newest.into_iter().map(|(revision, status)| fact(revision, status, None)).collect();
        let next = on_look(op, &run(Some(7)), &fold(op, started, false), MARK, &facts);
        assert_eq!(word(next), want, "{op:?} {started} {newest:?}");
    }
    let mut other = fact(7, Deployed, None);
    other.docs.insert(Ref::claim("ns", "data"), Digest::of(b"data"));
    let next = on_look(GONE, &run(Some(7)), &fold(GONE, false, false), MARK, &[other]);
    assert_eq!(word(next), Code::ManifestDiffers.to_string(), "it would delete what the plan does not know");
}

#[test]
fn records_decide_how_an_uninstall_ended() {
    use ReleaseStatus::{Deployed, PendingUpgrade, Uninstalled, Uninstalling};
    let (failed, none) = (Code::HelmFailed.to_string(), Code::NoRelease.to_string());
    let moved = Code::ReleaseMoved.to_string();
    for (op, again, newest, want) in [
        (GONE, false, None, "done"),
        (KEPT, false, None, none.as_str()),
        (KEPT, false, Some((7, Uninstalled)), "done"),
        (GONE, false, Some((7, Uninstalled)), &moved),
        (GONE, false, Some((7, Uninstalling)), &failed),
        (GONE, true, Some((7, Uninstalling)), "again"),
        (GONE, false, Some((7, Deployed)), &failed),
        (GONE, true, Some((7, Deployed)), "again"),
        (GONE, false, Some((8, Deployed)), &moved),
        (GONE, false, Some((7, PendingUpgrade)), &moved),
    ] {
        let facts: Vec<ReleaseFact> =
            newest.into_iter().map(|(revision, status)| fact(revision, status, None)).collect();
        let next = on_check(op, &run(Some(7)), &fold(op, true, again), MARK, &facts);
        assert_eq!(word(next), want, "{op:?} {again} {newest:?}");
    }
    // We died before helm was started.
    let unsent = Fold { sent: false, ..fold(GONE, true, false) };
    let next = on_check(GONE, &run(Some(7)), &unsent, MARK, &[fact(7, ReleaseStatus::Deployed, None)]);
    assert_eq!(word(next), "void");
}

#[test]
fn a_release_that_comes_back_is_somebody_elses() {
    assert!(came_back(&run(Some(7)), &[]).is_none());
    assert!(came_back(&run(Some(7)), &[fact(7, ReleaseStatus::Uninstalled, None)]).is_none());
    let finding = came_back(&run(Some(7)), &[fact(1, ReleaseStatus::Deployed, None)]).expect("it is there");
    assert_eq!(finding.code, Code::ReleaseMoved);
}

#[test]
fn an_installation_begins_without_a_record_and_a_failed_one_is_upgraded() {
    use ReleaseStatus::{Deployed, Failed, PendingInstall, Uninstalled};
    let op = HelmOperation::Install;
    let (moved, pending) = (Code::ReleaseMoved.to_string(), Code::HelmPending.to_string());
    let ours = Some("3f9c2a71-4-0");
    for (newest, want) in [
        (None, "install"),
        (Some((1, Failed, ours)), "upgrade"),
        (Some((1, Failed, None)), moved.as_str()),
        (Some((1, Deployed, None)), &moved),
        // A record of an earlier step of this run is none of an installation.
        (Some((1, Deployed, Some("3f9c2a71-2-0"))), &moved),
        (Some((1, Uninstalled, None)), &moved),
        (Some((1, PendingInstall, None)), &pending),
    ] {
        let facts: Vec<ReleaseFact> =
            newest.into_iter().map(|(revision, status, token)| fact(revision, status, token)).collect();
        let next = on_look(op, &run(None), &Fold { step: 4, ..Fold::default() }, MARK, &facts);
        assert_eq!(word(next), want, "{newest:?}");
    }
    let failed = Code::HelmFailed.to_string();
    for (sent, again, newest, want) in [
        (true, false, Some((1, Deployed, ours)), "done"),
        (true, false, Some((1, Failed, ours)), failed.as_str()),
        (true, true, Some((1, Failed, ours)), "again"),
        (true, false, Some((1, PendingInstall, ours)), &pending),
        (true, false, Some((1, Deployed, None)), &moved),
        (true, false, None, &failed),
        (true, true, None, "again"),
        (false, false, None, "void"),
    ] {
        let facts: Vec<ReleaseFact> =
            newest.into_iter().map(|(revision, status, token)| fact(revision, status, token)).collect();
        let next = on_check(op, &run(None), &Fold { sent, ..fold(op, true, again) }, MARK, &facts);
        assert_eq!(word(next), want, "{sent} {again} {newest:?}");
    }
}

//! What each kind of step reads, sets out to do, waits for and checks. Helm's records, verified volumes and checked objects have
//! tests of their own beside them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portolan_model::{ArchivedObject, CopyState, DatabaseError, Digest, Object, Ref, Refusal, Uid, Verb, Write};
use serde_json::{Value, json};

use super::*;

const MARK: &str = "3f9c2a71";

fn step(kind: &Value) -> Step {
    let json = json!({"id": "s", "kind": kind, "sources": [], "why": "", "command": [], "undo": "nothing", "limit": 9});
    serde_json::from_value(json).expect("a step")
}

fn database() -> Value {
    json!({"pod": "Pod/n/db-0", "port": 5432, "user": "u", "database": "d",
        "password": {"secret": "Secret/n/db", "key": "password"}})
}

fn retain() -> Value {
    json!({"kind": "retain-volume", "volume": "PersistentVolume/o", "uid": "u", "before": "Delete"})
}

fn keep() -> Value {
    json!({"kind": "keep-claim", "claim": "PersistentVolumeClaim/n/o", "uid": "u"})
}

fn delete() -> Value {
    json!({"kind": "delete-object", "target": "StatefulSet.apps/n/o", "uid": "u"})
}

/// An object with the UID `u`, and some fields in other ways.
fn there(fields: &[(&str, Value)]) -> Seen {
    let mut json = json!({"metadata": {"name": "o", "uid": "u", "resourceVersion": "7"}});
    for (pointer, value) in fields {
        let mut at = &mut json;
        for key in pointer.split('/').skip(1) {
            at = &mut at[key.replace("~1", "/")];
        }
        *at = value.clone();
    }
    Seen::There(Object::new(json))
}

fn unreadable_object() -> Seen {
    Seen::Unreadable("403".into())
}

/// What a step does next, in short.
fn short(next: Next) -> String {
    match next {
        Next::Intent { action: Action::Write(Write { verb: Verb::Restore(copy), target, uid, rv }), before } => {
            assert_eq!((uid.as_str(), &*rv.0, before), ("u", "", None), "it is guarded by its absence");
            format!("restore {target} of {}", copy.digest)
        }
        Next::Intent { action: Action::Write(write), before } => {
            assert_eq!((write.uid.as_str(), &*write.rv.0, before.is_some()), ("u", "7", true), "it is guarded");
            let verb = match write.verb {
                Verb::MergePatch(patch) => format!("patch {patch}"),
                Verb::Delete => "delete".into(),
                Verb::Restore(_) => unreachable!("it was told above"),
            };
            format!("{verb} {}", write.target)
        }
        Next::Intent { action: Action::Helm { token, .. }, .. } => format!("helm {token}"),
        Next::Effect(effect) => format!("{effect:?}").split('(').next().unwrap_or_default().to_owned(),
        Next::Observed(Observation::WasDone { .. }, _) => "was done".into(),
        Next::Observed(Observation::Done { .. }, _) => "done".into(),
        Next::Observed(Observation::Archived { objects }, blobs) => {
            format!("archived {} {}", objects.len(), blobs.len())
        }
        Next::Observed(Observation::Database { note, .. }, _) => note,
        Next::Halt(finding) => format!("halt {}", finding.code),
    }
}

fn looked(kind: &Value, fold: &Fold, reply: Reply) -> String {
    short(on_look(&step(kind), fold, MARK, reply))
}

fn checked(kind: &Value, reply: Reply) -> String {
    short(on_check(&step(kind), &Fold::default(), MARK, reply))
}

#[test]
fn a_protection_is_written_once_and_only_to_the_object_of_the_plan() {
    let retained = ("/spec/persistentVolumeReclaimPolicy", json!("Retain"));
    let kept = ("/metadata/annotations/helm.sh~1resource-policy", json!("keep"));
    let almost = ("/metadata/annotations/helm.sh~1resource-policy", json!("Keep"));
    let terminating = ("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
    let set_retain = r#"patch {"spec":{"persistentVolumeReclaimPolicy":"Retain"}} PersistentVolume/o"#;
    let set_keep = r#"patch {"metadata":{"annotations":{"helm.sh/resource-policy":"keep"}}} PersistentVolumeClaim/o"#;
    for (kind, holds, other, write) in [
        (retain(), retained.clone(), ("/spec/persistentVolumeReclaimPolicy", json!("Recycle")), set_retain),
        (keep(), kept, almost, set_keep),
    ] {
        let on = |seen: Seen| looked(&kind, &Fold::default(), Reply::Seen(vec![seen]));
        assert_eq!(on(there(&[])), write);
        assert_eq!(on(there(&[other])), write);
        assert_eq!(on(there(std::slice::from_ref(&holds))), "was done");
        assert_eq!(on(there(&[holds.clone(), ("/metadata/uid", json!("other"))])), "halt PL314", "{kind}");
        assert_eq!(on(there(&[holds.clone(), terminating.clone()])), "halt PL314", "{kind}");
        assert_eq!(on(Seen::Absent), "halt PL314", "{kind}");
        assert_eq!(on(unreadable_object()), "halt PL210", "{kind}");
        let check = |seen: Seen| checked(&kind, Reply::Seen(vec![seen]));
        assert_eq!(check(there(&[holds])), "done");
        assert_eq!(check(there(&[])), "Unknown", "somebody took it off again");
        assert_eq!(check(Seen::Absent), "halt PL210", "{kind}");
        assert_eq!(settle(&step(&kind), &pursuing()), None, "there is nothing to wait for");
    }
}

/// A run that has set out to write something.
fn pursuing() -> Fold {
    let write = json!({"action": "write", "verb": "Delete", "target": "StatefulSet.apps/n/o", "uid": "u", "rv": "7"});
    Fold { pursuit: Some(Arc::new(serde_json::from_value(write).expect("an action"))), ..Fold::default() }
}

fn archive(object: Ref, uid: &str) -> Arc<BTreeMap<Ref, ArchivedObject>> {
    let archived = ArchivedObject { object: object.clone(), uid: Uid::new(uid), digest: Digest::of(b"") };
    Arc::new([(object, archived)].into())
}

fn with_archive(fold: Fold, uid: &str) -> Fold {
    Fold { archived: archive(Ref::set("n", "o"), uid), ..fold }
}

#[test]
fn only_what_is_in_the_archive_is_deleted_and_it_is_waited_for() {
    let on = |fold: &Fold, seen: Seen| looked(&delete(), fold, Reply::Seen(vec![seen]));
    let archived = with_archive(Fold::default(), "u");
    assert_eq!(on(&archived, there(&[])), "delete StatefulSet/o");
    assert_eq!(on(&Fold::default(), there(&[])), "halt PL209", "it is not in the archive");
    assert_eq!(on(&with_archive(Fold::default(), "older"), there(&[])), "halt PL209", "another one is");
    assert_eq!(on(&archived, there(&[("/metadata/uid", json!("other"))])), "halt PL314");
    assert_eq!(on(&archived, Seen::Absent), "was done");
    assert_eq!(on(&archived, unreadable_object()), "halt PL210");
    // Our own delete went through before we heard of it, or is under way.
    let sent = with_archive(pursuing(), "u");
    let terminating = || there(&[("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"))]);
    assert_eq!(on(&sent, Seen::Absent), "Done");
    assert_eq!(on(&sent, terminating()), "Done");
    assert_eq!(on(&archived, terminating()), "delete StatefulSet/o", "it was not ours");

    let Some(Request::Wait(wait)) = settle(&step(&delete()), &sent) else { panic!("it waits") };
    let gone = Cond::Gone(Gone { target: Ref::set("n", "o"), uid: Uid::new("u") });
    assert_eq!((wait.until, wait.limit), (vec![gone], Duration::from_secs(9)));
    assert_eq!(checked(&delete(), Reply::Seen(vec![Seen::Absent])), "done");
    assert_eq!(checked(&delete(), Reply::Seen(vec![there(&[])])), "Unknown");

    for storage in ["PersistentVolumeClaim/n/o", "PersistentVolume/o"] {
        let kind = json!({"kind": "delete-object", "target": storage, "uid": "u"});
        let target = Ref::parse(storage).expect("a name");
        let fold = Fold { archived: archive(target, "u"), ..Fold::default() };
        assert_eq!(looked(&kind, &fold, Reply::Seen(vec![there(&[])])), "halt PL209", "{storage}");
    }
}

fn restore(target: &str) -> Value {
    json!({"kind": "restore-object", "target": target, "uid": "u", "copy": {"digest": Digest::of(b"copy")}})
}

#[test]
fn only_what_does_not_exist_is_put_back_and_it_is_read_back() {
    let kind = restore("Secret/n/o");
    let Request::Compare(target, copy) = look(&step(&kind), &Fold::default()) else { panic!("it compares") };
    assert_eq!((target, copy.digest), (Ref::secret("n", "o"), Digest::of(b"copy")));
    let other = || CopyState::Other(vec!["/data/a".into()]);
    let on = |fold: &Fold, found| looked(&kind, fold, Reply::Compared(found));
    let fresh = Fold::default();
    assert_eq!(on(&fresh, CopyState::Absent), format!("restore Secret/o of {}", Digest::of(b"copy")));
    assert_eq!(on(&fresh, CopyState::Same), "was done");
    assert_eq!(on(&fresh, other()), "halt PL320");
    assert_eq!(on(&fresh, CopyState::Unreadable("403".into())), "halt PL210");
    // Our own creation went through before we heard of it.
    assert_eq!(on(&pursuing(), CopyState::Same), "Done");
    assert_eq!(on(&pursuing(), other()), "halt PL320");
    assert_eq!(settle(&step(&kind), &pursuing()), None, "there is nothing to wait for");
    let check = |found| checked(&kind, Reply::Compared(found));
    assert_eq!(check(CopyState::Same), "done");
    assert_eq!(check(CopyState::Absent), "Unknown");
    assert_eq!(check(other()), "halt PL320");
    for storage in ["PersistentVolumeClaim/n/o", "PersistentVolume/o", "Namespace/o"] {
        assert_eq!(looked(&restore(storage), &fresh, Reply::Compared(CopyState::Absent)), "halt PL209", "{storage}");
    }
}

#[test]
fn an_archive_has_what_is_there_and_stops_at_what_cannot_be_read() {
    let kind = json!({"kind": "archive-object", "objects": ["Secret/n/a", "Secret/n/b"]});
    let on = |seen: [Seen; 2]| looked(&kind, &Fold::default(), Reply::Seen(seen.into()));
    assert_eq!(on([there(&[]), there(&[])]), "archived 2 2");
    assert_eq!(on([there(&[]), Seen::Absent]), "archived 1 1");
    assert_eq!(on([there(&[]), unreadable_object()]), "halt PL210");
    let Request::Read(names) = look(&step(&kind), &Fold::default()) else { panic!("it reads") };
    assert_eq!(names, [Ref::secret("n", "a"), Ref::secret("n", "b")]);
}

#[test]
fn a_wait_says_what_it_waits_for_and_what_did_not_come() {
    let gone = json!({"kind": "wait-gone", "pods": [{"pod": "Pod/n/a-0", "owner": "u"}]});
    let ready = json!({"kind": "wait-ready", "workloads": ["StatefulSet.apps/n/a"]});
    for (kind, target, code) in [(gone, Ref::pod("n", "a-0"), "PL308"), (ready, Ref::set("n", "a"), "PL406")] {
        let Request::Wait(wait) = look(&step(&kind), &Fold::default()) else { panic!("it waits") };
        assert_eq!((wait.until.len(), wait.until[0].target(), wait.limit), (1, Some(&target), Duration::from_secs(9)));
        assert_eq!(looked(&kind, &Fold::default(), Reply::Met), "was done");
        let progress = vec![Progress { cond: wait.until[0].clone(), seen: "0 of 1 ready".into() }];
        match on_look(&step(&kind), &Fold::default(), MARK, Reply::TimedOut(progress)) {
            Next::Halt(finding) => {
                assert_eq!(finding.code.to_string(), code);
                assert_eq!(finding.evidence, [format!("{target}: 0 of 1 ready")]);
            }
            _ => panic!("it halts"),
        }
        assert_eq!(looked(&kind, &Fold::default(), Reply::Unknown("reset".into())), "halt PL210");
    }
}

#[test]
fn a_job_that_still_runs_when_the_time_is_over_halts_the_run() {
    // A migration that cannot log in looks like a Job that is meant to run for ever.
    let kind = json!({"kind": "wait-ready", "workloads": ["Job.batch/n/a"]});
    let open = Progress { cond: Cond::Ready(Ref::new("batch", "Job", "n", "a")), seen: "0 of 1 done".into() };
    assert_eq!(looked(&kind, &Fold::default(), Reply::TimedOut(vec![open])), "halt PL406");
}

fn snapshot(system_identifier: &str, rows: u64) -> portolan_model::Snapshot {
    let json = json!({"system_identifier": system_identifier, "server_version": "15.1", "database": "d",
        "tables": {"public.t": {"rows": rows, "columns": ["id integer"]}}});
    serde_json::from_value(json).expect("a snapshot")
}

#[test]
fn a_database_is_recorded_and_then_has_to_be_the_one_that_was_there() {
    let record = json!({"kind": "record-database", "database": database()});
    let verify = json!({"kind": "verify-database", "database": database(), "may_change": []});
    let recorded = looked(&record, &Fold::default(), Reply::Rows(Ok(snapshot("1", 5))));
    assert_eq!(recorded, "PostgreSQL 15.1, system_identifier 1, 1 table, 5 rows");
    let before =
        Fold { baseline: Arc::new([(Ref::pod("n", "db-0"), Arc::new(snapshot("1", 5)))].into()), ..Fold::default() };
    let on = |fold: &Fold, rows| looked(&verify, fold, Reply::Rows(rows));
    assert_eq!(on(&before, Ok(snapshot("1", 5))), "same database; 1 table: 1 equal, 0 grew, 0 new");
    assert_eq!(on(&before, Ok(snapshot("1", 6))), "same database; 1 table: 0 equal, 1 grew, 0 new");
    assert_eq!(on(&before, Ok(snapshot("1", 4))), "halt PL403");
    assert_eq!(on(&before, Ok(snapshot("2", 5))), "halt PL402");
    assert_eq!(on(&Fold::default(), Ok(snapshot("2", 5))), "no baseline was recorded; the password opens it");
    for kind in [&record, &verify] {
        let refused = |error| looked(kind, &before, Reply::Rows(Err(error)));
        assert_eq!(refused(DatabaseError::PasswordRefused), "halt PL405");
        assert_eq!(refused(DatabaseError::Unreachable(String::new())), "halt PL404");
        assert!(matches!(look(&step(kind), &before), Request::Query(_)));
    }
}

#[test]
fn a_password_is_carried_only_out_of_the_archive_and_if_it_opens_the_database() {
    let carried = json!([{"path": "a.b", "from": {"secret": "Secret/n/db", "key": "password"}}]);
    let kind = json!({"kind": "carry-credentials", "carried": carried, "database": database()});
    let archived = Fold { archived: archive(Ref::secret("n", "db"), "u"), ..Fold::default() };
    assert_eq!(looked(&kind, &archived, Reply::Rows(Ok(snapshot("1", 5)))), "was done");
    assert_eq!(looked(&kind, &Fold::default(), Reply::Rows(Ok(snapshot("1", 5)))), "halt PL208");
    assert_eq!(looked(&kind, &archived, Reply::Rows(Err(DatabaseError::PasswordRefused))), "halt PL405");
}

#[test]
fn an_answer_of_another_kind_halts_every_step() {
    let volume = json!({"kind": "verify-volume", "claim": "PersistentVolumeClaim/n/o", "claim_uid": "u", "volume": "PersistentVolume/v",
        "volume_uid": "v", "mounted_by": ["Pod/n/o-0"], "sets": [], "known_claims": []});
    let database = json!({"kind": "record-database", "database": database()});
    let archive = json!({"kind": "archive-object", "objects": []});
    for kind in [retain(), keep(), delete(), restore("Secret/n/o"), archive, database, volume.clone()] {
        for reply in [Reply::Wrote, Reply::Spawned, Reply::Unknown("x".into()), Reply::Refused(Refusal::Conflict)] {
            assert_eq!(looked(&kind, &Fold::default(), reply.clone()), "halt PL210", "{kind} {reply:?}");
            assert_eq!(checked(&kind, reply.clone()), "halt PL210", "{kind} {reply:?}");
        }
    }
    let Request::ReadWithClaims(names, namespace) = look(&step(&volume), &Fold::default()) else {
        panic!("it reads all PVCs beside it")
    };
    assert_eq!((names.len(), namespace.as_str()), (3, "n"));
}

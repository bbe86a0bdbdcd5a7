use portolan_model::{Code, Digest, Finding, Refusal, Rv, StepRef, Uid, Verb, Write};

use super::*;

const AT: StepRef = StepRef { index: 0, attempt: 0 };

fn folded(records: &[JournalRecord]) -> Fold {
    let mut fold = Fold::default();
    records.iter().for_each(|record| fold.apply(record));
    fold
}

fn write() -> JournalRecord {
    let target = Ref::volume("pv");
    let action = Action::Write(Write { verb: Verb::Delete, target, uid: Uid::new("u"), rv: Rv("1".into()) });
    JournalRecord::Intent { step: AT, action: Box::new(action), before: None }
}

fn helm() -> JournalRecord {
    let digest = Digest::of(b"");
    let action = serde_json::json!({"action": "helm", "op": {"operation": "upgrade"}, "token": "t", "run": {
        "release": {"namespace": "n", "name": "r"}, "base_revision": 7, "chart": {"name": "r", "version": "1.0.0"},
        "client": {"helm": "simulated", "version": "3.22.0"}, "archive": digest, "values": digest,
        "carried": [], "mode": "reset", "manifest": digest, "docs": {}, "nondeterministic_fields": {}, "required_keys": [],
    }});
    JournalRecord::Intent {
        step: AT,
        action: Box::new(serde_json::from_value(action).expect("an action")),
        before: None,
    }
}

fn effect(effect: Effect) -> JournalRecord {
    JournalRecord::Effect { step: AT, effect }
}

fn observed(observation: Observation) -> JournalRecord {
    JournalRecord::Observed { step: AT, observation }
}

fn done() -> JournalRecord {
    observed(Observation::Done { note: "it is".into() })
}

fn halted() -> JournalRecord {
    JournalRecord::Ended { outcome: Outcome::Halted { finding: Finding::blocking(Code::HelmFailed, "it failed") } }
}

fn resumed() -> JournalRecord {
    JournalRecord::Resumed { host: "there".into() }
}

#[test]
fn what_came_back_says_where_a_step_is() {
    for (came, phase, sent, attempt) in [
        (None, Phase::Go, false, 0),
        (Some(Effect::Done), Phase::Sent, true, 0),
        (Some(Effect::Void), Phase::Look, false, 0),
        (Some(Effect::Refused(Refusal::Conflict)), Phase::Look, false, 1),
        (Some(Effect::Unknown(String::new())), Phase::Look, false, 1),
        (Some(Effect::Settled), Phase::Check, false, 0),
    ] {
        let mut records = vec![write()];
        records.extend(came.clone().map(effect));
        let fold = folded(&records);
        assert_eq!((fold.phase, fold.sent, fold.attempt, fold.step), (phase, sent, attempt, 0), "{came:?}");
        assert!(fold.pursuit.is_some(), "{came:?}: what it set out to do is known until the step is over");
    }
}

#[test]
fn a_step_that_is_over_leaves_its_note_and_nothing_else() {
    let fold = folded(&[write(), effect(Effect::Unknown(String::new())), halted(), resumed(), write(), done()]);
    assert_eq!((fold.step, fold.attempt, fold.since, fold.phase), (1, 0, 0, Phase::Look));
    assert_eq!((fold.pursuit, fold.sent, fold.again), (None, false, false));
    let was_done = observed(Observation::WasDone { note: "it was".into() });
    let note = |wrote, text: &str| StepNote { wrote, text: text.into() };
    assert_eq!(*folded(&[done(), was_done]).notes, [note(true, "it is"), note(false, "it was")]);
}

/// A process ended and another one goes on: nobody knows whether a write went out, and a helm lives on.
#[test]
fn a_run_that_goes_on_looks_at_a_write_again_and_waits_for_a_helm() {
    let parts: [(&[Effect], Phase); 4] = [
        (&[], Phase::Go),
        (&[Effect::Done], Phase::Sent),
        (&[Effect::Done, Effect::Settled], Phase::Check),
        (&[Effect::Void], Phase::Look),
    ];
    for (came, before) in parts {
        for (intent, goes_on) in [(write(), Phase::Look), (helm(), Phase::Sent)] {
            let mut records = vec![intent];
            records.extend(came.iter().cloned().map(effect));
            assert_eq!(folded(&records).phase, before, "{records:?}");
            records.push(resumed());
            // What never went out is begun again, helm or not.
            let want = if before == Phase::Look { Phase::Look } else { goes_on };
            let fold = folded(&records);
            assert_eq!(fold.phase, want, "{records:?}");
            assert!(fold.pursuit.is_some(), "{records:?}");
        }
    }
}

#[test]
fn only_a_halt_counts_attempts_anew_when_somebody_starts_the_run_again() {
    let unknown = || effect(Effect::Unknown(String::new()));
    let stopped = JournalRecord::Ended { outcome: Outcome::StoppedSafely };
    for (end, again, since) in [(None, false, 0), (Some(stopped), false, 0), (Some(halted()), true, 2)] {
        let mut records = vec![write(), unknown(), write(), unknown()];
        records.extend(end.clone());
        records.push(resumed());
        let fold = folded(&records);
        assert_eq!((fold.again, fold.attempt, fold.since, fold.outcome), (again, 2, since, None), "{end:?}");
    }
    // Another attempt that comes to nothing is no longer the one that somebody asked for.
    let fold = folded(&[write(), halted(), resumed(), unknown()]);
    assert_eq!((fold.again, fold.attempt, fold.since), (false, 1, 0));
}

#[test]
fn a_finished_run_stays_finished() {
    let end = JournalRecord::Ended { outcome: Outcome::Finished };
    let fold = folded(&[end.clone(), resumed()]);
    assert_eq!(fold, folded(&[end]));
    assert_eq!(fold.outcome, Some(Outcome::Finished));
}

#[test]
fn of_two_stops_the_more_urgent_counts_and_the_next_process_knows_of_none() {
    let stop = |urgency| JournalRecord::StopAsked { urgency };
    for order in [[Urgency::AfterStep, Urgency::LeaveHelm], [Urgency::LeaveHelm, Urgency::AfterStep]] {
        let records = order.map(stop);
        assert_eq!(folded(&records).stop, Some(Urgency::LeaveHelm), "{order:?}");
        let [first, second] = records;
        assert_eq!(folded(&[first, second, resumed()]).stop, None, "{order:?}");
    }
}

/// What is restored is what was there before this run changed anything.
#[test]
fn the_first_look_is_kept() {
    let archived = |uid: &str| ArchivedObject {
        object: Ref::secret("n", "s"),
        uid: Uid::new(uid),
        digest: Digest::of(uid.as_bytes()),
    };
    let observed_of = |uid: &str| observed(Observation::Archived { objects: vec![archived(uid)] });
    let fold = folded(&[observed_of("one"), observed_of("two")]);
    assert_eq!(fold.archived[&Ref::secret("n", "s")], archived("one"));

    let pod = Ref::pod("n", "db-0");
    let looked = |version: &str| {
        let snapshot = Snapshot {
            system_identifier: "1".into(),
            server_version: version.into(),
            database: String::new(),
            tables: BTreeMap::new(),
            others: BTreeMap::new(),
        };
        observed(Observation::Database { pod: pod.clone(), snapshot, note: String::new() })
    };
    let fold = folded(&[looked("14"), looked("15"), looked("16")]);
    let version = |looks: &BTreeMap<Ref, Arc<Snapshot>>| looks[&pod].server_version.clone();
    assert_eq!((version(&fold.baseline), version(&fold.latest)), ("14".into(), "16".into()));
}

/// A search takes two states for one where their hashes are equal.
#[test]
fn states_that_decide_differently_have_different_hashes() {
    let hash = |records: &[JournalRecord]| {
        let mut hasher = std::hash::DefaultHasher::new();
        folded(records).hash_into(&mut hasher);
        hasher.finish()
    };
    let unknown = || effect(Effect::Unknown(String::new()));
    let journals = [
        vec![],
        vec![JournalRecord::Bound],
        vec![write()],
        vec![helm()],
        vec![write(), effect(Effect::Done)],
        vec![write(), unknown()],
        vec![write(), unknown(), unknown()],
        vec![done()],
        vec![halted()],
        vec![halted(), resumed()],
        vec![JournalRecord::StopAsked { urgency: Urgency::AfterStep }],
        vec![JournalRecord::StopAsked { urgency: Urgency::LeaveHelm }],
    ];
    for (at, one) in journals.iter().enumerate() {
        assert_eq!(hash(one), hash(one));
        for other in &journals[at + 1..] {
            assert_ne!(hash(one), hash(other), "{one:?} and {other:?}");
        }
    }
}

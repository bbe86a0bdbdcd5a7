//! What is said of a run in each of its states, on the screen and to programs.

use std::time::Duration;

use portolan_model::{
    Code, Cond, Effect, Elapsed, Event, Finding, JournalRecord, Observation, Outcome, Progress, Refusal, StepRef,
};

use super::pages::shown;
use super::samples::{self, FOLDER};

#[test]
fn a_run_in_lines() {
    let plan = samples::plan();
    let step = |index| StepRef { index, attempt: 0 };
    let line = |event: Event| crate::event(&event, &plan, Some(100));
    let recorded = |record| line(Event::Recorded(Box::new(record)));
    let waiting = |step, cond, seen: &str| {
        line(Event::Waiting {
            step,
            progress: vec![Progress { cond, seen: seen.into() }],
            elapsed: Elapsed::Seconds(12),
            limit: Duration::from_secs(120),
        })
    };
    let orphan = plan.orphans().next().expect("a pod is waited for").clone();
    assert_eq!(
        waiting(5, Cond::Ended(orphan), "").as_deref(),
        Some("[6/9] wait Pod/postgresql-0   waits for pod postgresql-0 to end (12 s of at most 120 s)")
    );
    assert_eq!(
        waiting(6, Cond::HelmEnded(portolan_model::HelmToken::new("3f9c2a71", 6, 0)), "").as_deref(),
        Some("[7/9] helm   waits for helm to end (12 s of at most 120 s)")
    );
    assert_eq!(
        recorded(JournalRecord::Observed {
            step: step(0),
            observation: Observation::Done { note: "reclaim policy is Retain".into() }
        })
        .as_deref(),
        Some("[1/9] retain PersistentVolume/pvc-8a1f   reclaim policy is Retain")
    );
    assert_eq!(
        recorded(JournalRecord::Effect { step: step(1), effect: Effect::Refused(Refusal::Conflict) }).as_deref(),
        Some("[2/9] keep pvc-postgresql   not written: the object has changed since it was read; looks again")
    );
    let long = Effect::Unknown("timeout ".repeat(20));
    let line = recorded(JournalRecord::Effect { step: step(1), effect: long }).expect("a line");
    assert!(line.starts_with("[2/9] keep") && line.ends_with("; looks again"), "{line}");
    assert!(
        line.lines().count() > 1 && line.lines().all(|line| line.len() <= 100),
        "on a terminal it is broken: {line}"
    );
    let long = Effect::Unknown("timeout ".repeat(20));
    let whole =
        crate::event(&Event::Recorded(Box::new(JournalRecord::Effect { step: step(1), effect: long })), &plan, None);
    assert_eq!(whole.expect("a line").lines().count(), 1, "a file takes lines of any length");
    assert_eq!(recorded(JournalRecord::Effect { step: step(1), effect: Effect::Done }), None);
    assert_eq!(recorded(JournalRecord::Ended { outcome: Outcome::Finished }), None);
}

#[test]
fn a_run_that_halted_or_never_began() {
    let plan = samples::plan();
    let halted = Some(Outcome::Halted { finding: samples::moved() });
    let text = shown(&crate::status(&plan, &samples::journal(2, halted), FOLDER), &plan);
    assert!(text.contains("Halted in step 3 of 9 (record database backend on postgresql-0).\n"), "{text}");
    assert!(text.contains("Next: portolan plan\n      portolan apply 3f9c2a71"), "{text}");
    let text = shown(&crate::status(&plan, &[], FOLDER), &plan);
    assert!(text.contains("Not begun; nothing was written.\n"), "{text}");
    let text =
        shown(&crate::run(&plan, &samples::journal(6, None), &samples::run_end(None, &samples::stopped())), &plan);
    assert!(text.contains("not verified  protected by Retain and keep; step 8 was not reached"), "{text}");
    assert!(text.contains("Database backend on postgresql-0 is DOWN: its pod is gone; its data is on"), "{text}");
    // What nobody has read is not said.
    let blind = crate::Now::new();
    let text = shown(&crate::run(&plan, &samples::journal(6, None), &samples::run_end(None, &blind)), &plan);
    assert!(!text.contains("DOWN") && text.contains("how it is protected now was not read"), "{text}");
    // What has changed since it was verified is no `Finished`.
    let mut gone = samples::now();
    gone.insert(plan.volumes[0].claim.clone(), portolan_model::Seen::Absent);
    let finished = samples::journal(9, Some(Outcome::Finished));
    let text = shown(&crate::run(&plan, &finished, &samples::run_end(None, &gone)), &plan);
    assert!(!text.contains("Finished") && text.contains("error[PL419]") && text.contains("not as it was"), "{text}");
}

#[test]
fn a_run_that_moves_the_host_names_where_the_logins_have_to_be_told() {
    let mut plan = samples::plan();
    let report = |plan: &portolan_model::Plan, over: usize, outcome: Option<Outcome>| {
        shown(&crate::run(plan, &samples::journal(over, outcome), &samples::run_end(None, &samples::now())), plan)
    };
    assert!(!report(&plan, 9, Some(Outcome::Finished)).contains("Logins"));
    let places = ["Keycloak realm runai: the frontend URL", "identity provider openshift-v4: its redirect URI"];
    let found = "the host changes from a.example.com to b.example.com in control-plane 2.20.41";
    let finding = places.iter().fold(Finding::warning(Code::HostChanges, found), |finding, place| finding.with(*place));
    plan.findings.push(finding);
    let text = report(&plan, 9, Some(Outcome::Finished));
    for line in ["Logins", found, places[0], places[1]] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    // Before helm has run the host is the one of today.
    assert!(!report(&plan, 1, None).contains("Logins"));
}

#[test]
fn a_stop_with_a_write_in_flight_says_that_it_was_sent() {
    let plan = samples::plan();
    let (at, step) = plan
        .steps()
        .enumerate()
        .find(|(_, step)| matches!(step.kind, portolan_model::StepKind::DeleteObject { .. }))
        .expect("a delete");
    let portolan_model::StepKind::DeleteObject { target, uid, .. } = &step.kind else { unreachable!() };
    let action = portolan_model::Action::Write(portolan_model::Write {
        verb: portolan_model::Verb::Delete,
        target: target.clone(),
        uid: uid.clone(),
        rv: portolan_model::Rv("7".into()),
    });
    let here = portolan_model::StepRef { index: u32::try_from(at).expect("small"), attempt: 0 };
    let stopped = |records: Vec<JournalRecord>| {
        let mut entries = samples::journal(at, None);
        let last = entries.last().expect("records").clone();
        let end = JournalRecord::Ended { outcome: Outcome::StoppedSafely };
        entries.extend(records.into_iter().chain([end]).map(|record| portolan_model::Entry { record, ..last.clone() }));
        let page = crate::run(&plan, &entries, &samples::run_end(None, &samples::now()));
        shown(&page, &plan)
    };
    let intent = JournalRecord::Intent { step: here, action: Box::new(action), before: None };
    let sent = JournalRecord::Effect { step: here, effect: portolan_model::Effect::Done };
    let text = stopped(vec![intent.clone(), sent]);
    assert!(text.contains(&format!("Stopped safely in step {} of 9", at + 1)), "{text}");
    assert!(text.contains("its write was sent") && text.contains("its result was not read back"), "{text}");
    assert!(text.contains("is GOING DOWN: this run has deleted its workload"), "{text}");
    assert!(text.contains(&format!("Step {}: `portolan archive restore", at + 1)), "{text}");
    // Its twin: the write did not go out, so nothing of the step has happened.
    let text = stopped(vec![intent, JournalRecord::Effect { step: here, effect: portolan_model::Effect::Void }]);
    assert!(text.contains(&format!("Stopped safely after step {at} of 9.")), "{text}");
    assert!(!text.contains("GOING DOWN") && !text.contains("its result was not read back"), "{text}");
}

#[test]
fn what_was_deleted_is_put_back_until_helm_is_started() {
    let mut plan = samples::plan();
    let told = |plan: &portolan_model::Plan, entries: &[portolan_model::Entry]| {
        let page = crate::run(plan, entries, &samples::run_end(None, &samples::now()));
        let text = shown(&page, plan).split_whitespace().collect::<Vec<_>>().join(" ");
        text[text.find("Rolling back").expect("it has that part")..].to_owned()
    };
    let restore = "Step 5: `portolan archive restore 3f9c2a71` puts back the deleted object.";
    let text = told(&plan, &samples::journal(6, Some(Outcome::StoppedSafely)));
    assert!(text.contains(restore), "{text}");
    // Helm makes the object again, and may be at it.
    let (op, run) = plan.helms().next().expect("a helm");
    let token = portolan_model::HelmToken::new(plan.digest().short(), 6, 0);
    let action = portolan_model::Action::Helm { op, run: Box::new(run.clone()), token };
    let here = portolan_model::StepRef { index: 6, attempt: 0 };
    let mut entries = samples::journal(6, None);
    let record = JournalRecord::Intent { step: here, action: Box::new(action), before: None };
    entries.push(portolan_model::Entry { record, ..entries.last().expect("records").clone() });
    let text = told(&plan, &entries);
    assert!(
        text.contains("Step 5: helm was started since") && text.contains("`portolan apply 3f9c2a71` reads"),
        "{text}"
    );
    assert!(!text.contains("archive restore"), "{text}");
    // It has made it again, or the new chart has none of that name.
    let finished = samples::journal(9, Some(Outcome::Finished));
    let nothing = "; there is nothing to put back. `portolan archive export 3f9c2a71` writes the copies.";
    let text = told(&plan, &finished);
    assert!(text.contains(&format!("Step 5: helm has installed the new chart since{nothing}")), "{text}");
    let deleted = plan.steps().find_map(|step| match &step.kind {
        portolan_model::StepKind::DeleteObject { target, .. } => Some(target.clone()),
        _ => None,
    });
    let deleted = deleted.expect("a delete");
    for step in plan.hops.iter_mut().flat_map(|hop| &mut hop.steps) {
        if let portolan_model::StepKind::Helm { run, .. } = &mut step.kind {
            run.docs.insert(deleted.clone(), portolan_model::Digest::of(b"made again"));
        }
    }
    let text = told(&plan, &finished);
    assert!(text.contains(&format!("Step 5: the new chart has made this object again{nothing}")), "{text}");
    assert!(!text.contains("archive restore"), "{text}");
}

#[test]
fn a_few_words_say_where_another_run_is() {
    let plan = samples::plan();
    let said = |steps, outcome, is_running| crate::run_state(&plan, &samples::journal(steps, outcome), is_running).1;
    let halted = Outcome::Halted { finding: samples::moved() };
    assert_eq!(said(9, Some(Outcome::Finished), false), "finished");
    assert_eq!(said(6, Some(Outcome::StoppedSafely), false), "stopped in step 7 of 9");
    assert_eq!(said(6, Some(halted), false), "halted in step 7 of 9");
    // Its process was killed, or it is under way.
    assert_eq!(said(6, None, false), "stopped in step 7 of 9");
    assert_eq!(said(6, None, true), "in step 7 of 9");
    assert_eq!(said(9, None, false), "stopped in step 9 of 9");
    assert_eq!(said(0, Some(Outcome::StoppedSafely), false), "nothing written");
    assert_eq!(crate::run_state(&plan, &[], false), (crate::RunState::NotBegun, "nothing written".to_owned()));
}

#[test]
fn a_run_that_is_over_sets_nothing_more() {
    let plan = samples::plan();
    let row = |outcome| {
        let text = shown(&crate::status(&plan, &samples::journal(0, outcome), FOLDER), &plan);
        text.lines().find(|line| line.starts_with("pvc-8a1f ")).expect("the volume's row").to_owned()
    };
    let ended = portolan_model::Finding::blocking(portolan_model::Code::OtherObject, "another one");
    for (outcome, is_over) in [
        (None, false),
        (Some(Outcome::StoppedSafely), false),
        (Some(Outcome::Halted { finding: samples::moved() }), false),
        (Some(Outcome::Halted { finding: ended }), true),
        (Some(Outcome::Drifted { findings: vec![samples::moved()] }), true),
        (Some(Outcome::Finished), true),
    ] {
        let row = row(outcome);
        assert!(row.contains("nothing"), "{row}");
        assert_eq!(row.contains("nothing yet"), !is_over, "{row}");
    }
}

/// What a look at every step saw.
fn checks(plan: &portolan_model::Plan) -> Vec<portolan_model::Check> {
    let steps = plan.steps().zip(samples::notes());
    steps.map(|(step, note)| crate::step_check(step, Some(Ok(note)))).collect()
}

#[test]
fn a_second_look() {
    let plan = samples::plan();
    let page = crate::verification(&checks(&plan), &Outcome::Finished, None);
    assert!(
        shown(&page, &plan).ends_with("Everything that was looked at is as it was left. 9 of 9 checks hold.\n"),
        "{}",
        shown(&page, &plan)
    );
    // One does not hold, and one was not looked at.
    let mut some = checks(&plan);
    let step = plan.steps().next().expect("a step");
    some[0] = crate::step_check(step, Some(Err(samples::moved())));
    some[1] = crate::step_check(step, None);
    let text = shown(&crate::verification(&some, &Outcome::Halted { finding: samples::moved() }, None), &plan);
    assert!(text.contains("Not everything is as it was left. 7 of 9 checks hold, 1 not looked at."), "{text}");
}

#[test]
fn a_look_after_a_halt_says_what_the_release_is() {
    let plan = samples::plan();
    let at =
        plan.steps().position(|step| matches!(step.kind, portolan_model::StepKind::Helm { .. })).expect("a helm step");
    let outcome = Some(Outcome::Halted { finding: samples::moved() });
    let known = |step: usize| portolan_engine::Fold {
        step: u32::try_from(step).unwrap_or_default(),
        outcome: outcome.clone(),
        ..portolan_engine::Fold::default()
    };
    let base = plan.helm_runs().last().expect("a helm").base_revision.expect("a revision");
    let newest = |revision, status, chart: &portolan_model::ChartId| portolan_model::ReleaseFact {
        revision,
        status,
        token: None,
        chart: chart.clone(),
        description: String::new(),
        docs: [].into(),
        config: serde_json::Value::Null,
    };
    let (deployed, pending) = (portolan_model::ReleaseStatus::Deployed, portolan_model::ReleaseStatus::PendingUpgrade);
    let before = newest(base, deployed, &plan.from);
    let found = crate::undone(&plan, &known(at), Some(&before)).expect("helm wrote nothing");
    assert_eq!(
        (found.code, found.severity),
        (portolan_model::Code::RunNotFinished, portolan_model::Severity::Blocking)
    );
    assert!(found.found.contains(&format!("halted in step {}", at + 1)), "{}", found.found);
    assert!(found.evidence[0].contains(&format!("newest revision is {base}: deployed")), "{:?}", found.evidence);
    let text = shown(&crate::verification(&checks(&plan), &Outcome::Finished, Some(&found)), &plan);
    assert!(!text.contains("as it was left") && text.contains("The upgrade is not done"), "{text}");
    assert!(crate::undone(&plan, &known(at), Some(&newest(base + 1, pending, &plan.to))).is_some());
    assert!(crate::undone(&plan, &known(at), None).is_some());
    // Somebody ran the plan's helm command, or the halt came after helm.
    assert_eq!(crate::undone(&plan, &known(at), Some(&newest(base + 1, deployed, &plan.to))), None);
    assert_eq!(crate::undone(&plan, &known(at + 1), None), None);
    assert_eq!(
        crate::undone(&plan, &portolan_engine::Fold { outcome: Some(Outcome::Finished), ..known(at) }, Some(&before)),
        None
    );
}

#[test]
fn a_status_for_programs_says_what_the_page_says() {
    use crate::StepState::{Already, Done, Here, ToCome};
    let plan = samples::plan();
    let of = |entries: &[portolan_model::Entry]| {
        let page = crate::status(&plan, entries, FOLDER);
        crate::status_view(&plan, entries, FOLDER, &page)
    };
    let stopped = of(&samples::journal(6, Some(Outcome::StoppedSafely)));
    assert_eq!(stopped.state, crate::RunState::Stopped);
    assert_eq!(stopped.said, "Stopped safely after step 6 of 9.");
    assert_eq!((stopped.steps_done, stopped.steps_left, stopped.nothing_written), (6, 3, false));
    let states: Vec<crate::StepState> = stopped.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [Done, Already, Done, Done, Done, Done, Here, ToCome, ToCome]);
    assert_eq!(stopped.stopped.iter().map(portolan_model::Ref::name).collect::<Vec<_>>(), ["postgresql-0"]);
    assert_eq!(stopped.volumes[0].set_by_this_run, ["Retain", "keep"]);
    let next = format!("portolan apply {}", plan.digest().short());
    assert_eq!(stopped.next[0], crate::NextStep { command: next, note: "goes on at step 7".into() });
    assert_eq!(stopped.waits_for, Vec::<String>::new(), "a run that is over waits for nothing");
    // A journal that ends at a wait, and one that was not begun.
    assert_eq!(of(&samples::journal(5, None)).waits_for, ["Pod/postgresql-0"]);
    assert_eq!(of(&samples::journal(5, None)).state, crate::RunState::Unfinished);
    let fresh = of(&[]);
    assert_eq!((fresh.state, fresh.nothing_written, fresh.steps_left), (crate::RunState::NotBegun, true, 9));
    // What halted it is told, and what to do.
    let halted = of(&samples::journal(2, Some(Outcome::Halted { finding: samples::moved() })));
    assert_eq!((halted.state, halted.findings.len()), (crate::RunState::Halted, 1));
    assert_eq!(halted.next[0].command, "portolan plan");
    assert_eq!(of(&samples::journal(9, Some(Outcome::Finished))).volumes[0].verified_in, Some(8));
}

#[test]
fn a_status_for_programs_lists_each_release_with_its_charts() {
    let mut plan = samples::plan();
    let status =
        |plan: &portolan_model::Plan| crate::status_view(plan, &[], FOLDER, &crate::status(plan, &[], FOLDER)).releases;
    let of = |release: &portolan_model::ReleaseId, from: &portolan_model::ChartId, to: &portolan_model::ChartId| {
        crate::StatusRelease { release: release.clone(), from: from.clone(), to: to.clone() }
    };
    assert_eq!(status(&plan), [of(&plan.release, &plan.from, &plan.to)]);
    let other = portolan_model::ReleaseId { namespace: "runai".into(), name: "cluster".into() };
    plan.other_releases = vec![other.clone()];
    let (from, to) = (plan.to.clone(), plan.from.clone());
    plan.hops.push(portolan_model::Hop {
        release: Some(other.clone()),
        from: from.clone(),
        to: to.clone(),
        ..plan.hops[0].clone()
    });
    assert_eq!(status(&plan), [of(&plan.release, &plan.from, &plan.to), of(&other, &from, &to)]);
}

#[test]
fn a_database_is_not_said_to_come_back_where_its_pvc_is_gone_or_another() {
    let plan = samples::plan();
    let shown_at = |now: &crate::Now, outcome| {
        let page = crate::run(&plan, &samples::journal(6, Some(outcome)), &samples::run_end(None, now));
        shown(&page, &plan).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let text = shown_at(&samples::stopped(), Outcome::StoppedSafely);
    assert!(text.contains("By the plan, step 7 brings it back."), "{text}");
    let claim = &plan.volumes[0].claim;
    let mut gone = samples::stopped();
    gone.insert(claim.clone(), portolan_model::Seen::Absent);
    let text = shown_at(&gone, Outcome::StoppedSafely);
    assert!(text.contains(&format!("This run does not bring it back: {claim} is gone.")), "{text}");
    let volume = &plan.volumes[0].volume;
    gone.insert(volume.clone(), portolan_model::Seen::Absent);
    let text = shown_at(&gone, Outcome::StoppedSafely);
    assert!(text.contains(&format!("its data was on {} (gone)", volume.name())), "{text}");
    // What the journal alone says is enough.
    let ended = portolan_model::Finding::blocking(portolan_model::Code::OtherObject, "another one");
    let entries = samples::journal(6, Some(Outcome::Halted { finding: ended }));
    let text = shown(&crate::status(&plan, &entries, FOLDER), &plan);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("This run does not bring it back: it cannot go on (PL314)."), "{text}");
    assert!(!text.contains("portolan apply"), "{text}");
}

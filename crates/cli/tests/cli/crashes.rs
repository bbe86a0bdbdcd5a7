use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;

use crate::support::{Came, User, came, find, normalised, send};

/// How often a run is begun anew, where a busy machine let the last one end before it was stopped.
const TRIES: usize = 30;

#[test]
fn killed_after_any_record_it_goes_on_and_ends_in_the_same_world() {
    let user = User::new();
    user.ok("sim new openshift-2.8 undisturbed");
    user.ok("plan --sim undisturbed --to 2.20 --out kept.plan");
    user.ok("apply kept.plan --sim undisturbed");
    let (end, lines) = (normalised(&user.installation("undisturbed")), user.journal("undisturbed").len());
    assert!(lines > 20, "{lines} records");
    let killed_at = |line: usize, tried: usize| {
        let folder = format!("killed-{line}-{tried}");
        user.ok(&format!("sim new openshift-2.8 {folder}"));
        let apply = format!("apply kept.plan --sim {folder}");
        let mut child = user.command(&apply).spawn().expect("it starts");
        let is_in_time = user.until_journal(&mut child, &folder, |lines| lines.len() >= line);
        if is_in_time {
            send(&child, Signal::KILL);
        }
        drop(child.wait());
        let again = user.run(&apply);
        assert_eq!(again.code, 0, "killed at record {line}\n{}{}", again.stdout, again.stderr);
        assert!(normalised(&user.installation(&folder)) == end, "killed at record {line}: another end");
        std::fs::remove_dir_all(user.path(&folder)).expect("it is not needed any more");
        is_in_time
    };
    // A write is three records long; every other line meets all three.
    let mut in_time: Vec<bool> = (1..=lines).step_by(2).map(|line| killed_at(line, 0)).collect();
    // The program need not be slower than the poll: some are killed in time, and all come to the same end.
    for tried in 1..TRIES {
        if in_time.iter().filter(|is_in_time| **is_in_time).count() > 4 {
            return;
        }
        in_time.push(killed_at(6, tried));
    }
    panic!("too few were killed in time: {in_time:?}");
}

/// A run of `apply WHAT` that a signal stopped after its first write, and its folder.
fn stopped_after_a_write(user: &User, what: &str, signal: Signal) -> (String, Came) {
    for tried in 0..TRIES {
        let folder = format!("stopped-{}-{tried}", signal.as_raw());
        user.ok(&format!("sim new openshift-2.8 {folder}"));
        let mut child = user.command(&format!("apply {what} --sim {folder}")).spawn().expect("it starts");
        // After five records the first write is out.
        if user.until_journal(&mut child, &folder, |lines| lines.len() >= 6) {
            send(&child, signal);
        }
        let stopped = came(&child.wait_with_output().expect("it ends"));
        if stopped.code != 0 {
            return (folder, stopped);
        }
    }
    panic!("every run ended before it could be stopped");
}

#[test]
fn an_interrupted_run_stops_between_two_steps_and_goes_on() {
    let user = User::new();
    for signal in [Signal::INT, Signal::TERM] {
        let (folder, stopped) = stopped_after_a_write(&user, "--to 2.20", signal);
        assert_eq!(stopped.code, 11, "{}{}", stopped.stdout, stopped.stderr);
        assert!(stopped.stdout.contains("Stopped safely"), "{}", stopped.stdout);
        // The command can be copied as it is; and nothing is waited for that the run did not come to.
        assert!(stopped.stdout.contains(&format!(" --sim {folder}")), "{}", stopped.stdout);
        let looked = user.run(&format!("verify --sim {folder}"));
        assert_eq!(looked.code, 3, "{}", looked.stderr);
        assert!(looked.stderr.contains("[PL420]") && looked.stderr.contains("is not finished"), "{}", looked.stderr);
        assert!(looked.stderr.contains("pvc-postgresql"), "how the volume is\n{}", looked.stderr);
        let run = stopped.stdout.lines().find_map(|line| line.trim().strip_prefix("Next: portolan apply "));
        let run = run.and_then(|rest| rest.split(' ').next()).expect("the next command");
        assert!(user.ok(&format!("status --sim {folder}")).contains("Stopped safely"));
        assert!(user.ok(&format!("apply {run} --sim {folder}")).contains("Finished"));
    }
}

#[test]
fn a_run_that_is_stopped_before_its_first_write_says_that_nothing_was_written() {
    let user = User::new();
    let mut before_first_write = 0;
    for at in 0..TRIES {
        let folder = format!("stopped-{at}");
        user.ok(&format!("sim new openshift-2.8 {folder}"));
        let untouched = user.installation(&folder);
        let mut child = user.command(&format!("apply --sim {folder} --to 2.20")).spawn().expect("it starts");
        if user.until_journal(&mut child, &folder, |lines| !lines.is_empty()) {
            send(&child, Signal::INT);
        }
        let stopped = came(&child.wait_with_output().expect("it ends"));
        if stopped.code == 0 {
            continue;
        }
        let has_written = user.journal(&folder).iter().any(|line| line.contains("\"record\":\"intent\""));
        // A busy machine may hear the signal late: what counts is that code, text and cluster say the same.
        assert_eq!(stopped.code, if has_written { 11 } else { 10 }, "{}{}", stopped.stdout, stopped.stderr);
        let status = user.ok(&format!("status --sim {folder}"));
        for text in [&stopped.stdout, &status] {
            assert_eq!(text.contains("Stopped before the first write; nothing was written."), !has_written, "{text}");
        }
        if !has_written {
            assert_eq!(normalised(&user.installation(&folder)), normalised(&untouched));
            before_first_write += 1;
        }
        assert!(user.ok(&format!("apply --sim {folder} --to 2.20")).contains("Finished"));
        if before_first_write == 4 {
            break;
        }
    }
    assert!(before_first_write > 0, "the signal was never heard before the first write");
}

#[test]
fn two_runs_of_a_release_exclude_each_other() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    user.ok("apply --sim here --to 2.13");
    let lock = std::fs::File::open(find(&user.path("here"), "lock").expect("a lock")).expect("it can be opened");
    flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("it is free");
    let before = user.installation("here");
    let came = user.run("apply --sim here --to 2.20");
    assert_eq!(came.code, 20, "{}", came.stderr);
    assert!(came.stderr.contains("error[PL313]: "), "{}", came.stderr);
    assert_eq!(before, user.installation("here"));
    drop(lock);
    user.ok("apply --sim here --to 2.20");
}

#[test]
fn a_run_that_has_written_never_says_that_nothing_was_written() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    user.ok("plan --sim here --to 2.20 --out kept.plan");
    let (folder, stopped) = stopped_after_a_write(&user, "kept.plan", Signal::TERM);
    assert_eq!(stopped.code, 11, "{}{}", stopped.stdout, stopped.stderr);
    let apply = format!("apply kept.plan --sim {folder}");
    // From here on no object can be kept, as on a full disk.
    let objects = find(&user.path(&folder), "plan.json").expect("a run").with_file_name("objects");
    let aside = objects.with_file_name("aside");
    std::fs::rename(&objects, &aside).expect("a folder");
    std::fs::write(&objects, "").expect("a file in its place");
    let broken = user.run(&apply);
    assert_eq!(broken.code, 13, "{}{}", broken.stdout, broken.stderr);
    assert!(broken.stderr.contains("error[PL316]") && broken.stderr.contains("protected by"), "{}", broken.stderr);
    assert!(broken.stderr.contains("portolan apply "), "{}", broken.stderr);
    std::fs::remove_file(&objects).expect("the file");
    std::fs::rename(&aside, &objects).expect("the folder");
    assert!(user.ok(&apply).contains("Finished"));
}

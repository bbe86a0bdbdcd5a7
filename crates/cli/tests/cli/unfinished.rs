//! A run that has written and is not finished: what the commands say of it leads to its end.

use rustix::process::Signal;
use serde_json::Value;

use crate::made_again::stopped_after_deletes;
use crate::support::{User, came, find, normalised, send, until_or_end};

/// The words of what a command printed, whatever the width.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The id of the newest run of an installation.
fn newest(user: &User, folder: &str) -> String {
    user.ok(&format!("status --sim {folder}")).split_whitespace().nth(1).expect("the run's id").to_owned()
}

/// Whether helm has made its record.
fn is_pending(installation: &str) -> bool {
    installation.contains("pending-upgrade")
}

/// Whether helm was started and has not made its record yet.
fn is_starting(installation: &str) -> bool {
    let saved: Value = serde_json::from_str(installation).expect("JSON");
    saved["helms"].as_array().is_some_and(|helms| !helms.is_empty()) && !is_pending(installation)
}

/// An installation whose upgrade was killed while its helm was so. Which event the signal meets is left to chance, so it is tried some
/// times.
fn killed_under_helm(user: &User, is_so: fn(&str) -> bool) -> String {
    user.ok("sim new openshift-2.8 fresh");
    user.ok("plan --sim fresh --to 2.20 --out kept.plan");
    let is_so = |folder: &str| is_so(&user.installation(folder));
    for tried in 0..60 {
        let folder = format!("killed-{tried}");
        user.ok(&format!("sim new openshift-2.8 {folder}"));
        let mut child = user.command(&format!("apply kept.plan --sim {folder}")).spawn().expect("it starts");
        if until_or_end(&mut child, || is_so(&folder)) {
            send(&child, Signal::KILL);
        }
        drop(came(&child.wait_with_output().expect("it ends")));
        if is_so(&folder) {
            return folder;
        }
    }
    panic!("no run was killed at that moment of its helm");
}

#[test]
fn a_run_whose_helm_was_started_is_gone_on_with_and_nothing_is_put_back_under_it() {
    let user = User::new();
    let folder = killed_under_helm(&user, is_pending);
    let id = newest(&user, &folder);
    let apply = format!("portolan apply {id} --sim {folder}");
    let before = user.installation(&folder);
    for command in ["plan", "apply", "upgrade"] {
        let refused = user.run(&format!("{command} --sim {folder} --to 2.20"));
        let told = words(&refused.stderr);
        assert!(refused.code == 13 && told.contains("error[PL204]"), "{command}\n{told}");
        let next = format!("next: go on with that run: {apply}, which waits for helm and reads how it ended");
        assert!(told.contains(&next) && !told.contains("archive restore"), "{command}\n{told}");
    }
    // What helm has made already differs from what was archived, and the rest would be put back beside it.
    for objects in ["", "StatefulSet/keycloak"] {
        let refused = user.run(&format!("archive restore {id} --sim {folder} {objects}"));
        let told = words(&refused.stderr);
        assert!(refused.code == 13 && told.contains("error[PL204]"), "{objects}\n{told}");
        assert!(told.contains(&format!("next: {apply}")) && !told.contains("PL320"), "{objects}\n{told}");
    }
    assert_eq!(normalised(&user.installation(&folder)), normalised(&before), "nothing was written");
    // What they say leads to the end.
    let finished = words(&user.ok(&format!("apply {id} --sim {folder}")));
    assert!(finished.contains("Finished") && !finished.contains("archive restore"), "{finished}");
    assert!(
        finished.contains("the new chart has made these objects again; there is nothing to put back."),
        "{finished}"
    );
    let again = user.run(&format!("archive restore {id} --sim {folder}"));
    assert!(again.code == 0 && again.stderr.contains("Nothing to do: "), "{}{}", again.stdout, again.stderr);
}

#[test]
fn nothing_is_put_back_under_a_helm_that_has_made_no_record_yet() {
    let user = User::new();
    let folder = killed_under_helm(&user, is_starting);
    let id = newest(&user, &folder);
    let before = user.installation(&folder);
    let refused = user.run(&format!("archive restore {id} --sim {folder}"));
    let told = words(&refused.stderr);
    assert!(refused.code == 13 && told.contains("error[PL204]") && told.contains("still runs"), "{told}");
    assert!(told.contains(&format!("next: portolan apply {id} --sim {folder}")), "{told}");
    assert_eq!(normalised(&user.installation(&folder)), normalised(&before), "nothing was written");
    // Its twin: a helm that was killed before it made a record has written nothing, and writes nothing any more.
    let mut saved: Value = serde_json::from_str(&before).expect("JSON");
    saved["helms"] = Value::Array(Vec::new());
    user.write(&format!("{folder}/installation.json"), &saved.to_string());
    user.ok(&format!("archive restore {id} --sim {folder}"));
    user.ok(&format!("upgrade --sim {folder} --to 2.20"));
}

#[test]
fn an_unfinished_upgrade_is_told_until_what_it_deleted_is_put_back() {
    let user = User::new();
    user.ok("sim new openshift-2.8 fresh");
    let none = words(&user.run("plan --sim fresh").stderr);
    assert!(none.contains("error[PL202]") && none.contains("next: add --to VERSION"), "{none}");
    user.ok("plan --sim fresh --to 2.20 --out kept.plan");
    let folder = stopped_after_deletes(&user, "StatefulSet.apps/runai-backend/keycloak");
    user.ok(&format!("sim settle {folder}"));
    let id = newest(&user, &folder);
    let apply = format!("next: portolan apply {id} --sim {folder}");
    let is_told = || {
        let survey = words(&user.run(&format!("survey --sim {folder}")).stderr);
        assert_eq!(survey.contains("[PL420]"), survey.contains(&apply), "of no other run: {survey}");
        survey.contains("[PL420]")
    };
    assert!(is_told());
    // Who types the command again without its version is led there too.
    for command in ["plan", "apply"] {
        let told = words(&user.run(&format!("{command} --sim {folder}")).stderr);
        assert!(told.contains("error[PL202]") && told.contains(&apply), "{command}\n{told}");
    }
    let of_run = find(&user.path(&folder), "meta.json").expect("the run");
    // What puts it back was killed before its first write.
    let before = user.installation(&folder);
    let restored = user.run(&format!("archive restore {id} --sim {folder}"));
    assert_eq!(restored.code, 0, "{}{}", restored.stdout, restored.stderr);
    let line = restored.stderr.lines().find(|line| line.starts_with("Run ")).expect("the run is named");
    let other = line.split_whitespace().nth(1).expect("its id");
    assert!(!is_told(), "all is put back");
    let path = of_run.parent().and_then(|run| run.parent()).expect("the release's folder").join(other);
    let journal = std::fs::read_to_string(path.join("journal.jsonl")).expect("a journal");
    let unwritten = journal.lines().take_while(|line| !line.contains("\"record\":\"intent\""));
    let unwritten: String = unwritten.map(|line| format!("{line}\n")).collect();
    std::fs::write(path.join("journal.jsonl"), unwritten).expect("a journal");
    user.write(&format!("{folder}/installation.json"), &before);
    assert!(is_told());
    let status = user.ok(&format!("status --sim {folder}"));
    let row = status.lines().find(|line| line.starts_with(&format!("{id} "))).expect("the upgrade is listed");
    assert!(row.contains(" stopped in"), "{status}");
    let value: Value = serde_json::from_str(&user.ok(&format!("status --sim {folder} -o json"))).expect("JSON");
    let listed = &value["other_runs"][0];
    assert_eq!((&listed["run"], &listed["state"]), (&id.as_str().into(), &"stopped".into()), "{value:#}");
    assert!(listed["said"].as_str().is_some_and(|said| said.starts_with("stopped in step ")), "{value:#}");
    // Nor does a run that only protects settle it.
    user.write(&format!("{folder}/installation.json"), &before.replace("\"Retain\"", "\"Delete\""));
    user.ok(&format!("protect --sim {folder}"));
    assert!(is_told());
    user.ok(&format!("archive restore {id} --sim {folder}"));
    assert!(!is_told(), "all is put back");
}

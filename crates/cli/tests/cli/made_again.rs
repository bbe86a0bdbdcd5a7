//! A PVC that was made again while a run was stopped: every command says the same way out.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{User, came, send};

/// The words of what a command printed, whatever the width.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A run that was stopped after it had deleted the database's Secret, and before helm. Which record the signal meets is left to
/// chance, so it is tried some times.
fn stopped_after_deletes(user: &User) -> String {
    for at in 0..10 {
        let folder = format!("site-{at}");
        user.ok(&format!("sim new openshift-2.8 {folder}"));
        let mut child = user.command(&format!("apply kept.plan --sim {folder}")).spawn().expect("it starts");
        while user.journal(&folder).len() < 14 && child.try_wait().expect("it can be asked").is_none() {
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        send(&child, Signal::TERM);
        let stopped = came(&child.wait_with_output().expect("it ends"));
        let intents: Vec<String> =
            user.journal(&folder).into_iter().filter(|line| line.contains("\"record\":\"intent\"")).collect();
        let has_deleted = intents.iter().any(|line| line.contains("Secret/runai-backend/"));
        if stopped.code == 11 && has_deleted && !intents.iter().any(|line| line.contains("\"action\":\"helm\"")) {
            return folder;
        }
    }
    panic!("no run was stopped between its deletions and helm");
}

/// Gives the PVC and its volume's reference to it another UID.
fn make_again(user: &User, folder: &str) {
    let mut saved: Value = serde_json::from_str(&user.installation(folder)).expect("JSON");
    let objects = saved["world"]["objects"].as_object_mut().expect("objects");
    for (name, object) in objects {
        if name.ends_with("/pvc-postgresql") {
            object["metadata"]["uid"] = json!("made-again");
        } else if object["spec"]["claimRef"]["name"] == "pvc-postgresql" {
            object["spec"]["claimRef"]["uid"] = json!("made-again");
        }
    }
    user.write(&format!("{folder}/installation.json"), &saved.to_string());
}

#[test]
fn every_command_says_the_same_way_out() {
    let user = User::new();
    user.ok("sim new openshift-2.8 fresh");
    user.ok("plan --sim fresh --to 2.20 --out kept.plan");
    let folder = stopped_after_deletes(&user);
    let survey = |user: &User| words(&user.run(&format!("survey --sim {folder}")).stderr);
    assert!(survey(&user).contains("next: portolan apply "), "its twin can go on: {}", survey(&user));
    make_again(&user, &folder);
    let id = user.ok(&format!("status --sim {folder}")).split_whitespace().nth(1).expect("the run's id").to_owned();
    let export = format!(
        "put back what it deleted: portolan archive export {id} --to {id} --sim {folder}, then kubectl create -f "
    );
    let plan = format!("then make another plan: portolan plan --to 2.20.41 --sim {folder}");
    let says = |text: &str, what: &str| {
        let text = words(text);
        assert!(text.contains(&export) && text.contains(&plan), "{what}\n{text}");
        assert!(!text.contains("portolan apply"), "{what}: that run cannot go on\n{text}");
    };
    // Whoever makes a plan first, and whoever goes on first, is told the same.
    let refused = user.run(&format!("plan --sim {folder} --to 2.20"));
    assert!(refused.code == 3 && refused.stderr.contains("error[PL208]"), "{}", refused.stderr);
    says(&refused.stderr, "plan");
    says(&survey(&user), "survey");
    says(&user.run(&format!("verify --sim {folder}")).stderr, "verify");
    let halted = user.run(&format!("apply kept.plan --sim {folder}"));
    assert!(halted.code == 13 && halted.stderr.contains("error[PL314]"), "{}{}", halted.stdout, halted.stderr);
    says(&halted.stderr, "apply");
    says(&halted.stdout, "the report");
    let status = user.ok(&format!("status --sim {folder}"));
    says(&status, "status");
    for text in [&halted.stdout, &status] {
        assert!(words(text).contains("This run does not bring it back: "), "{text}");
        assert!(!text.contains("brings it back"), "{text}");
    }
    says(&user.run(&format!("plan --sim {folder} --to 2.20")).stderr, "plan after the halt");
    // The files that it names are those that the export writes.
    user.ok(&format!("archive export {id} --to {id} --sim {folder}"));
    let text = words(&status);
    let files: Vec<&str> = text.split(" -f ").skip(1).filter_map(|rest| rest.split([' ', ',']).next()).collect();
    assert!(!files.is_empty() && files.iter().all(|file| user.path(file).is_file()), "{files:?}");
}

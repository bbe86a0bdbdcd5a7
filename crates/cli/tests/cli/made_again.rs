//! A PVC that was made again while a run was stopped: every command says the same way out.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{User, came, send};

/// The words of what a command printed, whatever the width.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A run that was stopped after it had deleted an object, and before helm. Which record the signal meets is left to chance, so it is
/// tried some times.
pub(crate) fn stopped_after_deletes(user: &User, object: &str) -> String {
    let deletes = |line: &String| line.contains("\"record\":\"intent\"") && line.contains(object);
    for at in 0..30 {
        let folder = format!("site-{at}");
        user.ok(&format!("sim new openshift-2.8 {folder}"));
        let mut child = user.command(&format!("apply kept.plan --sim {folder}")).spawn().expect("it starts");
        if user.until_journal(&mut child, &folder, |lines| lines.iter().any(deletes)) {
            send(&child, Signal::TERM);
        }
        let stopped = came(&child.wait_with_output().expect("it ends"));
        let intents: Vec<String> =
            user.journal(&folder).into_iter().filter(|line| line.contains("\"record\":\"intent\"")).collect();
        let has_deleted = intents.iter().any(deletes);
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
    let folder = stopped_after_deletes(&user, "Secret/runai-backend/");
    let survey = |user: &User| words(&user.run(&format!("survey --sim {folder}")).stderr);
    assert!(survey(&user).contains("next: portolan apply "), "its twin can go on: {}", survey(&user));
    make_again(&user, &folder);
    let id = user.ok(&format!("status --sim {folder}")).split_whitespace().nth(1).expect("the run's id").to_owned();
    let restore = format!("put back what it deleted: portolan archive restore {id} --sim {folder}");
    let plan = format!("then make another plan: portolan plan --to 2.20.41 --sim {folder}");
    let says = |text: &str, what: &str| {
        let text = words(text);
        assert!(text.contains(&restore) && text.contains(&plan), "{what}\n{text}");
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
    // What it says leads out.
    user.ok(&format!("archive restore {id} --sim {folder}"));
    user.ok(&format!("upgrade --sim {folder} --to 2.20"));
}

#[test]
fn what_a_run_deleted_is_put_back_once_and_never_over_something_else() {
    let user = User::new();
    user.ok("sim new openshift-2.8 fresh");
    user.ok("plan --sim fresh --to 2.20 --out kept.plan");
    let folder = stopped_after_deletes(&user, "StatefulSet.apps/runai-backend/keycloak");
    user.ok(&format!("sim settle {folder}"));
    let id = user.ok(&format!("status --sim {folder}")).split_whitespace().nth(1).expect("the run's id").to_owned();
    let restore = |more: &str| user.run(&format!("archive restore {id} --sim {folder} {more}"));
    let before = user.installation(&folder);
    let names = |text: &str| {
        let saved: Value = serde_json::from_str(text).expect("JSON");
        saved["world"]["objects"].as_object().expect("objects").keys().cloned().collect::<Vec<_>>()
    };
    let secret = "Secret/runai-backend/runai-backend-postgresql";
    assert!(!names(&before).iter().any(|name| name == secret), "the run has deleted it");
    // A look changes nothing, and prints no Secret.
    let shown = restore("--dry-run");
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(
        shown.stdout.contains("restore") && shown.stdout.contains("Secret/runai-backend-postgresql"),
        "{}",
        shown.stdout
    );
    assert!(shown.stdout.contains("Safe") && !shown.stdout.contains("Not rehearsed"), "{}", shown.stdout);
    assert_eq!(user.installation(&folder), before);
    // Another Secret of that name stays, and nothing is written.
    let mut saved: Value = serde_json::from_str(&before).expect("JSON");
    saved["world"]["objects"][secret] = json!({
        "apiVersion": "v1", "kind": "Secret", "data": {"postgresql-password": "b3RoZXI="},
        "metadata": {"name": "runai-backend-postgresql", "namespace": "runai-backend", "uid": "of-somebody-else"},
    });
    user.write(&format!("{folder}/installation.json"), &saved.to_string());
    let refused = restore("");
    assert!(refused.code == 10 && refused.stderr.contains("error[PL320]"), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("differs: /data/") && !refused.stderr.contains("b3RoZXI"), "{}", refused.stderr);
    let now: Value = serde_json::from_str(&user.installation(&folder)).expect("JSON");
    assert_eq!(now["world"]["objects"], saved["world"]["objects"], "nothing was written");
    // The others can be named; then this one, when it is gone.
    let only = restore("StatefulSet/keycloak");
    assert_eq!(only.code, 0, "{}{}", only.stdout, only.stderr);
    let mut saved: Value = serde_json::from_str(&user.installation(&folder)).expect("JSON");
    saved["world"]["objects"].as_object_mut().expect("objects").remove(secret);
    user.write(&format!("{folder}/installation.json"), &saved.to_string());
    for name in ["Secret/nobody", "PersistentVolumeClaim/pvc-postgresql"] {
        let refused = restore(name);
        assert!(refused.code == 64 && refused.stderr.contains("available: Secret/"), "{name}: {}", refused.stderr);
    }
    let all = restore("");
    assert_eq!(all.code, 0, "{}{}", all.stdout, all.stderr);
    assert!(all.stderr.contains("StatefulSet/keycloak is there, and stays as it is."), "{}", all.stderr);
    let saved: Value = serde_json::from_str(&user.installation(&folder)).expect("JSON");
    let back = &saved["world"]["objects"][secret];
    assert!(back["data"].as_object().is_some_and(|data| !data.is_empty()), "it is back: {back}");
    for value in back["data"].as_object().expect("data").values() {
        let value = value.as_str().expect("text");
        for came in [&shown, &only, &all] {
            assert!(!came.stdout.contains(value) && !came.stderr.contains(value), "a Secret's value is printed");
        }
    }
    let again = restore("");
    assert!(again.code == 0 && again.stderr.contains("Nothing to do: "), "{}{}", again.stdout, again.stderr);
    // Deleted once more, it is put back once more.
    let mut saved = saved;
    saved["world"]["objects"].as_object_mut().expect("objects").remove(secret);
    user.write(&format!("{folder}/installation.json"), &saved.to_string());
    assert_eq!(restore("Secret/runai-backend-postgresql").code, 0);
    assert!(names(&user.installation(&folder)).iter().any(|name| name == secret), "it is back");
    user.ok(&format!("upgrade --sim {folder} --to 2.20"));
}

//! What an operator meets besides the plain voyage: which run is looked at, what was archived, why a plan is refused.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::User;

#[test]
fn status_and_verify_look_at_the_run_that_was_meant() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    user.ok("apply --sim here --to 2.13");
    for command in ["status", "verify"] {
        let came = user.run(&format!("{command} --sim here"));
        assert_eq!(came.code, 0, "{}", came.stderr);
        assert!(came.stdout.contains("runai-backend") && came.stdout.contains("Run "), "{}", came.stdout);
        for other in ["-n elsewhere", "--release another"] {
            let came = user.run(&format!("{command} --sim here {other}"));
            assert_eq!(came.code, 1, "{command} {other}\n{}{}", came.stdout, came.stderr);
            assert!(came.stderr.contains("error[PL317]"), "{}", came.stderr);
            assert!(came.stderr.contains("there is: "), "it names the runs\n{}", came.stderr);
        }
        let came = user.run(&format!("{command} --sim here -n runai-backend --release runai-backend"));
        assert_eq!(came.code, 0, "{}", came.stderr);
    }
    let verified: Value = serde_json::from_str(&user.ok("verify --sim here -o json")).expect("JSON");
    assert_eq!(verified["release"]["name"], "runai-backend");
    assert!(verified["run"].as_str().is_some_and(|run| run.len() >= 8), "{verified}");
}

#[test]
fn what_a_run_deleted_comes_back_as_files() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    user.ok("apply --sim here --to 2.20");
    let listed = user.ok("archive list --sim here");
    assert!(listed.contains("Secret/runai-backend-postgresql") && listed.contains("by step "), "{listed}");
    let came = user.run("archive export --sim here --to back");
    assert_eq!(came.code, 0, "{}", came.stderr);
    let path = user.path("back").join("Secret-runai-backend-runai-backend-postgresql.yaml");
    let text = std::fs::read_to_string(&path).expect("the Secret");
    let mode = std::fs::metadata(&path).expect("the Secret").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(text.contains("kind: Secret") && text.contains("data:"), "{text}");
    for field in ["uid:", "resourceVersion:", "creationTimestamp:", "ownerReferences:"] {
        assert!(!text.contains(field), "{field} is the server's\n{text}");
    }
    // The values of a Secret are in its file and nowhere else.
    let secret = text.lines().find_map(|line| line.trim().strip_prefix("postgresql-password: "));
    let secret = secret.or_else(|| text.lines().find_map(|line| line.trim().strip_prefix("postgres-password: ")));
    let secret = secret.expect("a value").trim_matches('"');
    assert!(!listed.contains(secret) && !came.stdout.contains(secret) && !came.stderr.contains(secret));
    assert!(!user.ok("archive list --sim here -o json").contains(secret));
    // A file that is there is not written over.
    assert_eq!(user.run("archive export --sim here --to back").code, 64);
}

#[test]
fn a_plan_that_cannot_finish_says_which_write_is_refused() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    let line = "--sim here --to 2.20 --without delete-sets";
    let came = user.run(&format!("plan {line} -o json"));
    assert_eq!(came.code, 3, "{}", came.stderr);
    let plan: Value = serde_json::from_str(&came.stdout).expect("JSON");
    let found = plan["findings"].as_array().expect("findings").iter().find(|finding| finding["code"] == "PL502");
    let found = found.unwrap_or_else(|| panic!("no PL502 in {}", plan["findings"]));
    let object = found["subject"]["object"].as_str().expect("an object");
    assert!(object.starts_with("StatefulSet.apps/runai-backend/"), "{found}");
    assert!(found["subject"]["field"].as_str().is_some_and(|field| field.starts_with("/spec/")), "{found}");
    let told = found["evidence"].to_string();
    assert!(told.contains("field is immutable") && told.contains("refused: "), "{told}");
    assert!(!told.contains("asks it to stop") && !told.contains("is killed"), "{told}");
    for command in ["plan", "rehearse", "apply"] {
        let came = user.run(&format!("{command} {line}"));
        assert_eq!(came.code, 3, "{command}\n{}", came.stderr);
        assert!(came.stderr.contains("error[PL502]") && came.stderr.contains("StatefulSet/"), "{}", came.stderr);
    }
}

#[test]
fn the_time_limits_of_waits_are_the_plans() {
    let user = User::new();
    let text = user.ok("plan --sim openshift-2.8 --to 2.20 --timeout ready=90s,delete=2m --timeout helm=1h -o json");
    let plan: Value = serde_json::from_str(&text).expect("JSON");
    let steps: Vec<&Value> =
        plan["hops"].as_array().expect("hops").iter().flat_map(|hop| hop["steps"].as_array().expect("steps")).collect();
    let limit = |kind: &str| steps.iter().find(|step| step["kind"]["kind"] == kind).map(|step| step["limit"].clone());
    assert_eq!(limit("wait-ready"), Some(90.into()));
    assert_eq!(limit("wait-gone"), Some(120.into()));
    assert_eq!(limit("helm-upgrade"), Some(3600.into()));
    for wrong in ["ready", "ready=", "ready=5", "other=5s", "ready=0s", "ready=-1s"] {
        let came = user.run(&format!("plan --sim openshift-2.8 --to 2.20 --timeout {wrong}"));
        assert_eq!(came.code, 64, "{wrong}\n{}", came.stderr);
        assert!(came.stderr.contains("--timeout"), "{}", came.stderr);
    }
}

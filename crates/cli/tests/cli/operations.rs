//! What an operator meets besides the plain upgrade: which run is looked at, what was archived, why a plan is refused.

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
            assert!(came.stderr.contains("available: "), "it names the runs\n{}", came.stderr);
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
fn a_protection_that_somebody_took_off_is_put_on_again() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    let policies = |user: &User| {
        let saved: Value = serde_json::from_str(&user.installation("here")).expect("JSON");
        let objects = saved["world"]["objects"].as_object().expect("objects").clone();
        let volumes = objects.into_iter().filter(|(name, _)| name.starts_with("PersistentVolume/"));
        volumes.map(|(_, volume)| volume["spec"]["persistentVolumeReclaimPolicy"].clone()).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        user.ok("protect --sim here");
        assert!(policies(&user).iter().all(|policy| policy == "Retain"), "{:?}", policies(&user));
        let saved = user.installation("here");
        user.write("here/installation.json", &saved.replace("\"Retain\"", "\"Delete\""));
        assert!(policies(&user).iter().all(|policy| policy == "Delete"), "somebody took it off");
    }
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
fn a_rehearsal_of_a_saved_plan_names_that_plan() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    user.ok("plan --sim here --to 2.20 --out kept.plan");
    let text = user.ok("rehearse kept.plan --sim here");
    assert!(text.contains("Next: portolan apply kept.plan --sim here\n"), "{text}");
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
    assert_eq!(limit("helm"), Some(3600.into()));
    for wrong in ["ready", "ready=", "ready=5", "other=5s", "ready=0s", "ready=-1s"] {
        let came = user.run(&format!("plan --sim openshift-2.8 --to 2.20 --timeout {wrong}"));
        assert_eq!(came.code, 64, "{wrong}\n{}", came.stderr);
        assert!(came.stderr.contains("--timeout"), "{}", came.stderr);
    }
}

#[test]
fn what_ends_a_command_early_is_json_for_a_machine() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    user.ok("sim new openshift-2.11 newer");
    user.ok("plan --sim here --to 2.20 --out kept.plan");
    for (line, code, exit) in [
        ("plan --sim here --to 9.9", "PL202", 3),
        ("plan --sim newer --to 2.8", "PL201", 3),
        ("plan --sim here --to 2.20 --set a=b", "PL206", 3),
        ("plan --kubeconfig nowhere --to 2.20", "PL101", 10),
        ("apply kept.plan --sim newer", "PL301", 10),
        ("rehearse kept.plan --sim newer", "PL301", 10),
        ("apply --sim here --to 2.20 --without keep-claims,retain-volumes", "PL501", 3),
        ("verify --sim here", "PL317", 1),
        ("survey --kubeconfig nowhere", "PL101", 10),
    ] {
        let came = user.run(&format!("{line} -o json"));
        assert_eq!(came.code, exit, "{line}\n{}{}", came.stdout, came.stderr);
        let value: Value = serde_json::from_str(&came.stdout).unwrap_or_else(|error| panic!("{line}: {error}"));
        let found = value["findings"].as_array().expect("findings");
        assert!(found.iter().any(|finding| finding["code"] == code), "{line}\n{value:#}");
        for part in ["severity", "found", "why", "next"] {
            assert!(found[0][part].as_str().is_some_and(|text| !text.is_empty()), "{line}: {part}\n{value:#}");
        }
        assert!(came.stderr.contains(&format!("error[{code}]")), "people read it too: {}", came.stderr);
        assert!(user.run(line).stdout.is_empty() || code == "PL501", "{line}: no JSON was asked for");
    }
    let came = user.run("plan --sim here --to 9.9 -o yaml");
    assert!(came.stdout.starts_with("findings:\n- code: PL202\n"), "{}", came.stdout);
    // A value that was printed is the only one.
    let came = user.run("plan --sim here --to 2.20 --without delete-sets -o json");
    assert!(serde_json::from_str::<Value>(&came.stdout).expect("one value")["hops"].is_array());
}

#[test]
fn what_ends_a_plan_early_names_object_and_field() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    let mut saved: Value = serde_json::from_str(&user.installation("here")).expect("JSON");
    let objects = saved["world"]["objects"].as_object_mut().expect("objects");
    let claim = objects.iter_mut().find(|(name, _)| name.ends_with("/pvc-postgresql")).expect("the PVC").1;
    claim["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    user.write("here/installation.json", &saved.to_string());
    let came = user.run("plan --sim here --to 2.20 -o json");
    assert_eq!(came.code, 3, "{}{}", came.stdout, came.stderr);
    let value: Value = serde_json::from_str(&came.stdout).expect("JSON");
    let found = &value["findings"][0];
    assert_eq!((&found["code"], &found["subject"]["field"]), (&"PL501".into(), &"/metadata/deletionTimestamp".into()));
    assert_eq!(found["subject"]["object"], "PersistentVolumeClaim/runai-backend/pvc-postgresql");
}

#[test]
fn a_run_is_gone_on_with_whatever_the_usual_release_is() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    let text = user.ok("apply --sim here --to 2.13 -o json");
    assert!(text.starts_with('['), "{text}");
    let id = user.ok("status --sim here").split_whitespace().nth(1).expect("the run's id").to_owned();
    for (more, code) in [("", 0), ("-n runai-backend", 0), ("-n elsewhere", 1), ("--release another", 1)] {
        let came = user.run(&format!("apply {id} --sim here {more}"));
        assert_eq!(came.code, code, "{more}\n{}{}", came.stdout, came.stderr);
        assert_eq!(came.stderr.contains("error[PL317]"), code == 1, "{}", came.stderr);
    }
}

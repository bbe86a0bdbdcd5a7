use crate::support::{User, find};

#[test]
fn every_simulated_start_arrives_and_its_data_is_safe() {
    let user = User::new();
    let starts: Vec<String> = serde_json::from_str(&user.ok("sim list -o json")).expect("names");
    assert!(starts.len() > 10, "{starts:?}");
    // Two of the sites are asked about values that no recipe knows.
    let values = ["backend.memory", "backend.sesionTimeout", "frontend.theme", "images.postgres", "images.stub"];
    let answers = values.map(|path| format!("{path}: drop")).join(", ");
    user.write("answers.yaml", &format!("format: 1\nanswers: {{{answers}}}\n"));
    for start in &starts {
        let text = user.ok(&format!("upgrade --sim {start} --to 2.20 --yes --answers answers.yaml"));
        assert!(text.contains("Finished: all ") && text.contains("Safe"), "{start}\n{text}");
    }
    // Of fresh simulations the newest five runs are kept.
    for _ in 0..4 {
        user.ok("upgrade --sim openshift-2.13 --to 2.20 --yes");
    }
    let kept = std::fs::read_dir(user.path("state/portolan/simulated")).expect("runs").count();
    assert!((5..=6).contains(&kept), "{kept} runs are kept");
}

#[test]
fn a_folder_carries_an_upgrade_from_command_to_command() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    assert!(user.ok("survey --sim here").contains("would be lost"));
    let came = user.run("plan --sim here --to 2.20 --out kept.plan");
    assert!(came.stderr.ends_with("Saved to kept.plan\n"), "{}", came.stderr);
    assert!(user.ok("rehearse kept.plan --sim here").contains("Safe: 1 volume"));
    let came = user.run("apply kept.plan --sim here");
    assert_eq!(came.code, 0, "{}", came.stderr);
    assert!(came.stdout.contains("Finished") && !came.stdout.contains("[1/14]"), "{}", came.stdout);
    let waits = came.stderr.lines().filter(|line| line.contains("waits for helm")).count();
    assert!((1..12).contains(&waits), "{waits} lines of waiting for helm");
    assert!(user.ok("status --sim here").contains("14 of 14 steps done"));
    let came = user.run("verify --sim here");
    assert_eq!(came.code, 0, "{}", came.stderr);
    assert!(came.stdout.contains("3 of 3 checks hold"), "{}", came.stdout);
    assert!(!came.stderr.contains("/14]"), "a check is numbered among the checks\n{}", came.stderr);
    let report = find(&user.path("here"), "report.md").expect("a report");
    assert!(std::fs::read_to_string(report).expect("text").contains("Safe"));

    let done = user.installation("here");
    let again = user.run("apply kept.plan --sim here");
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(again.stderr.contains("This run has finished"), "{}", again.stderr);
    assert_eq!(done, user.installation("here"));
    let run =
        serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(user.path("kept.plan")).expect("text"));
    assert!(run.expect("JSON")["plan"]["hops"].is_array());
}

#[test]
fn a_plan_says_by_its_exit_code_whether_there_is_something_to_do() {
    let user = User::new();
    assert_eq!(user.run("plan --sim openshift-2.13 --to 2.20 --detailed-exitcode").code, 2);
    assert_eq!(user.run("plan --sim openshift-2.13 --to 2.13 --detailed-exitcode").code, 0);
    assert_eq!(user.run("plan --sim openshift-2.13 --to 2.20").code, 0);
    let came = user.run("upgrade --sim openshift-2.13 --to 2.13 --yes");
    assert!(came.code == 0 && came.stderr.contains("Nothing to do"), "{}", came.stderr);
}

#[test]
fn the_page_as_written_does_not_keep_the_claim() {
    let text = User::new().ok("page --sim openshift-2.8");
    let reading = text.split("\nunion\n").next().expect("the first reading");
    assert!(reading.starts_with("block-alone\n"), "{reading}");
    let verdict = reading.lines().find(|line| line.contains(" finished ")).expect("an end");
    assert!(verdict.contains("Detached") || verdict.contains("Lost"), "{verdict}");
    assert!(verdict.contains("line 100"), "{verdict}");
    let union = text.split("\n\nunion\n").nth(1).expect("pages are a blank line apart");
    // The volume is kept, and the Secret that the page deletes comes back with another password.
    let said = union.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("Cannot be opened: Secret/runai-backend-postgresql has another password"), "{union}");
    assert!(said.contains("Safe but locked: the volumes are kept"), "{union}");
}

#[test]
fn a_plan_fits_in_two_screens_and_shows_commands_only_where_asked() {
    let user = User::new();
    let short = user.ok("plan --sim openshift-2.8 --to 2.20");
    assert!(short.lines().count() <= 80, "{} lines\n{short}", short.lines().count());
    assert!(!short.contains("kubectl patch") && short.contains("add --commands"), "{short}");
    let long = user.ok("plan --sim openshift-2.8 --to 2.20 --commands");
    assert!(long.contains("kubectl patch pv") && long.contains("helm upgrade runai-backend"), "{long}");
    assert!(!long.contains("add --commands"), "{long}");
    let json = user.ok("plan --sim openshift-2.8 --to 2.20 -o json");
    assert!(json.contains("kubectl patch pv"), "{json}");
}

#[test]
fn the_next_command_can_be_copied_and_run_as_it_is() {
    let user = User::new();
    let next = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("Next: portolan ")).expect("a next command");
        line.split("      ").next().unwrap_or_default().to_owned()
    };
    user.ok("sim new openshift-2.8 here");
    let shown = user.ok("plan --sim here --to 2.20");
    assert_eq!(next(&shown), "apply --to 2.20.41 --sim here");
    let with_options = user.ok("plan --sim here --to 2.20 --via 2.13 --timeout ready=5m");
    assert_eq!(next(&with_options), "apply --to 2.20.41 --via 2.13 --timeout ready=5m --sim here");
    let saved = user.ok("plan --sim here --to 2.20 --out up.plan");
    assert_eq!(next(&saved), "apply up.plan --sim here");
    let done = user.ok(&next(&saved));
    let verify = next(&done);
    assert!(verify.starts_with("verify ") && verify.ends_with(" --sim here"), "{verify}");
    assert!(user.ok(&verify).contains("3 of 3 checks hold"));
    // A simulation that is made anew for each command keeps no run: what is advised is one that does.
    let fresh = user.ok("upgrade --sim openshift-2.8 --to 2.20 --yes");
    assert_eq!(next(&fresh[fresh.find("Finished").expect("it finishes")..]), "sim new openshift-2.8 ./practice");
    user.ok(&next(&fresh[fresh.find("Finished").expect("it finishes")..]));
}

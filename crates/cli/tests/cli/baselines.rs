//! `verify --save` and `verify --against`, on simulated installations.

use crate::support::User;

#[test]
fn what_was_saved_is_compared_at_any_later_time() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    let came = user.run("verify --sim here --save before.json");
    assert!(came.code == 0 && came.stderr.contains("Saved to before.json"), "{}", came.stderr);
    assert!(came.stdout.contains("pvc-postgresql"), "{}", came.stdout);
    let came = user.run("verify --sim here --against before.json");
    assert_eq!(came.code, 0, "{}", came.stderr);
    assert!(came.stdout.contains("Nothing that was kept was lost or replaced"), "{}", came.stdout);
    assert!(came.stdout.contains("1 of 1 route answers"), "{}", came.stdout);

    // An upgrade changes what it may, and the recipes say which tables that is.
    let came = user.run("upgrade --sim here --to 2.20 --yes");
    assert!(came.code == 0 && came.stdout.contains("answers"), "{}\n{}", came.stdout, came.stderr);
    let came = user.run("verify --sim here --against before.json");
    assert_eq!(came.code, 0, "{}\n{}", came.stdout, came.stderr);
    assert!(came.stdout.contains("changed  runai-backend 2.8.20 revision"), "{}", came.stdout);
    let document = user.ok("verify --sim here --against before.json -o json");
    let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    assert!(document["checks"].as_array().is_some_and(|checks| checks.len() > 4), "{document}");
    assert_eq!(document["routes"][0]["seen"], "answers");
}

#[test]
fn what_is_not_as_it_was_ends_with_3() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    user.ok("verify --sim here --save before.json");
    let saved = std::fs::read_to_string(user.path("before.json")).expect("text");
    let cases = [
        ("\"rows\":10000", "\"rows\":10001", "PL403"),
        ("\"policy\":\"Delete\"", "\"policy\":\"Retain\"", "PL401"),
        ("\"system_identifier\":\"", "\"system_identifier\":\"9", "PL402"),
    ];
    for (is, was, code) in cases {
        assert!(saved.contains(is), "{is} is not in the file");
        user.write("changed.json", &saved.replacen(is, was, 1));
        let came = user.run("verify --sim here --against changed.json");
        assert_eq!(came.code, 3, "{code}\n{}", came.stdout);
        assert!(came.stderr.contains(code) && came.stdout.contains("1 check does not hold"), "{}", came.stderr);
    }
}

#[test]
fn a_file_of_something_else_is_refused() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    user.write("garbage", "{}");
    for (line, code) in
        [("verify --sim here --against garbage", "PL416"), ("verify --sim here --against none", "PL416")]
    {
        let came = user.run(line);
        assert!(came.code == 64 && came.stderr.contains(code), "{line}: {}\n{}", came.code, came.stderr);
    }
    user.ok("verify --sim here --save before.json");
    let saved = std::fs::read_to_string(user.path("before.json")).expect("text");
    user.write("other.json", &saved.replacen("\"cluster\":\"", "\"cluster\":\"another-", 1));
    let came = user.run("verify --sim here --against other.json");
    assert!(came.code == 10 && came.stderr.contains("PL302"), "{}\n{}", came.code, came.stderr);
    assert_eq!(user.run("verify --sim here --against before.json --digest").code, 64);
    assert_eq!(user.run("verify 12345678 --sim here --save x").code, 64);
}

#[test]
fn a_route_that_leads_nowhere_ends_with_3() {
    let user = User::new();
    user.ok("sim new openshift-2.8 here");
    let came = user.run("upgrade --sim here --to 2.20 --yes");
    assert!(came.code == 0 && came.stdout.contains("1 of 1 route answers"), "{}", came.stdout);
    user.ok("verify --sim here --save before.json");
    let there = std::fs::read_to_string(user.path("here/installation.json")).expect("text");
    let service = "\",\"weight\":100}";
    assert!(there.contains(service), "the route's service is not in the installation");
    user.write("here/installation.json", &there.replace(service, &format!("-gone{service}")));
    for line in ["verify --sim here", "verify --sim here --against before.json"] {
        let came = user.run(line);
        assert_eq!(came.code, 3, "{line}: {}\n{}", came.stdout, came.stderr);
        assert!(
            came.stderr.contains("PL413") && came.stdout.contains("0 of 1 route answers"),
            "{line}: {}",
            came.stdout
        );
    }
    // So does the end of a run, which has finished all the same.
    let plan = user.run("status --sim here").stdout;
    let id = plan.split_whitespace().nth(1).expect("the run's id").to_owned();
    let came = user.run(&format!("apply {id} --sim here"));
    assert!(came.code == 3 && came.stdout.contains("Finished"), "{}: {}\n{}", came.code, came.stdout, came.stderr);
}

use crate::support::User;

/// A user with a saved inventory of a simulated installation.
fn with_saved(format: &str) -> User {
    let user = User::new();
    let came = user.run(&format!("survey --sim openshift-2.8 -o {format}"));
    assert_eq!(came.code, 0, "{}", came.stderr);
    let told = came.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("value postgresql.password"), "what was redacted is told: {told}");
    assert!(told.contains("Not taken out: names, hosts, images, labels"), "and what was not: {told}");
    for secret in ["Old-pg-7f3a", "T2xkLXBnLTdmM2E"] {
        assert!(!came.stdout.contains(secret), "{secret} is in the file");
    }
    user.write("found", &came.stdout);
    user
}

#[test]
fn a_saved_inventory_serves_every_command() {
    for format in ["yaml", "json"] {
        let user = with_saved(format);
        let plan = |sim: &str| -> serde_json::Value {
            let text = user.ok(&format!("plan --sim {sim} --to 2.20 --no-rehearsal -o json"));
            serde_json::from_str(&text).expect("JSON")
        };
        // In a file there is no server that could be asked for its version; the plan says so, and is the same otherwise.
        let mut saved = plan("found");
        let notes = saved["findings"].as_array_mut().expect("findings");
        let before = notes.len();
        notes.retain(|note| note["code"] != "PL404");
        assert_eq!(notes.len(), before - 1, "one note of the server that was not asked");
        assert_eq!(saved, plan("openshift-2.8"), "the same plan");
        assert!(user.ok("survey --sim found").contains("would be lost"));
        user.ok("plan --sim found --to 2.20 --out kept.plan");
        assert!(user.ok("rehearse kept.plan --sim found").contains("Safe: 1 volume"));
        let came = user.run("apply kept.plan --sim found");
        assert!(came.code == 0 && came.stdout.contains("Finished"), "{}{}", came.stdout, came.stderr);
        assert!(came.stderr.contains("nothing is known of the rows of its databases"), "{}", came.stderr);
        assert!(user.ok("upgrade --sim found --to 2.20 --yes").contains("Finished"));
        // Each command makes it afresh: what is to last is made in a folder.
        let came = user.run("verify --sim found");
        assert!(came.code == 64 && came.stderr.contains("portolan sim new found FOLDER"), "{}", came.stderr);
        user.ok("sim new found here");
        user.ok("apply kept.plan --sim here");
        assert!(user.ok("verify --sim here").contains("checks hold"));
    }
}

#[test]
fn the_image_of_a_real_installation_needs_its_charts() {
    let user = with_saved("json");
    let text = std::fs::read_to_string(user.path("found")).expect("text");
    let digest = "0".repeat(64);
    let program = format!("\"helm\": \"program\", \"path\": \"/usr/bin/helm\", \"digest\": \"sha256:{digest}\"");
    user.write("real", &text.replace("\"helm\": \"simulated\"", &program));
    let came = user.run("plan --sim real --to 2.20");
    assert!(came.code == 10 && came.stderr.contains("PL110"), "{}", came.stderr);
    user.ok("sim new real here");
    assert!(user.run("plan --sim here --to 2.20").stderr.contains("PL110"), "a folder knows it too");
}

#[test]
fn what_is_no_inventory_is_refused() {
    let user = with_saved("json");
    let text = std::fs::read_to_string(user.path("found")).expect("text");
    user.write("later", &text.replace("\"format\": 2", "\"format\": 9"));
    user.write("other", "a: b\n");
    for (name, said) in [("later", "format 9"), ("other", "no `format`")] {
        let came = user.run(&format!("survey --sim {name}"));
        assert!(came.code == 64 && came.stderr.contains("PL107") && came.stderr.contains(said), "{}", came.stderr);
    }
    let came = user.run("survey --sim found -n elsewhere");
    assert!(came.code == 10 && came.stderr.contains("PL104"), "{}", came.stderr);
}

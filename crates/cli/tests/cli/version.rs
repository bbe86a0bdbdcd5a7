//! A version that this program has never heard of: a chart and a recipe, and no Rust.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::User;

const BOUNDARY: &str = "\
format: 1
boundary: into 2.21
crosses: {below: \"2.21.0\"}
steps:
  - id: archive-keycloak
    kind: archive-object
    objects: [StatefulSet/keycloak]
    source: {page: portolan}
    why: the keycloak of 2.21 is another one
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace is two levels up").to_owned()
}

/// The recorded rendering of 2.20 with the usual values, as 2.21.
fn rendering() -> String {
    let folder = root().join("crates/fixtures/sims/renderings");
    let all: Vec<Value> = std::fs::read_dir(folder)
        .expect("recordings")
        .map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).expect("text"))
        .map(|text| serde_json::from_str(&text).expect("JSON"))
        .collect();
    let is_fitting = |text: &&str| text.contains("kind: Route") && !text.contains("pvc-postgresql");
    let fitting = all.iter().filter(|its| its["chart"] == "control-plane 2.20.41" && its["second"].is_null());
    let text = fitting.filter_map(|its| its["first"].as_str()).find(is_fitting).expect("a rendering of 2.20");
    text.replace("2.20.41", "2.21.0")
}

#[test]
fn a_further_version_needs_a_chart_and_a_recipe_only() {
    let user = User::new();
    for (name, bytes) in portolan_fixtures::chart_files("control-plane-2.20.41").expect("a chart of 2.20") {
        let path = user.path("chart").join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, String::from_utf8(bytes).expect("text").replace("2.20.41", "2.21.0")).expect("a file");
    }
    std::fs::create_dir_all(user.path("recipes")).expect("a folder");
    for entry in std::fs::read_dir(root().join("recipes/runai")).expect("a folder") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, user.path("recipes").join(path.file_name().expect("a name"))).expect("a copy");
    }
    user.write("recipes/into-2.21.yaml", BOUNDARY);
    let found = user.ok("survey --sim openshift-2.13 -o json");
    let found: Value = serde_json::from_str(&found).expect("an inventory");
    let revision = found["release"]["revision"].as_u64().expect("a revision") + 1;
    let release = json!({
        "name": "runai-backend", "namespace": "runai-backend", "version": revision,
        "info": {"status": "pending-upgrade"}, "manifest": rendering(), "hooks": [],
    });
    user.write("release.json", &format!("{release}\n"));
    let helm = user.path("helm");
    let script = format!(
        "#!/bin/sh\ncase $1 in\nversion) echo v3.22.0 ;;\nupgrade) IFS= read -r line < {}; printf '%s' \"$line\" ;;\n\
         *) exit 1 ;;\nesac\n",
        user.path("release.json").display()
    );
    std::fs::write(&helm, script).expect("a script");
    std::fs::set_permissions(&helm, std::fs::Permissions::from_mode(0o755)).expect("ours");

    let line = "plan --sim openshift-2.13 --chart chart --recipes recipes --to 2.21";
    let output = user.command(line).env("PORTOLAN_HELM", &helm).output().expect("it runs");
    let came = crate::support::came(&output);
    assert_eq!(came.code, 0, "{}{}", came.stdout, came.stderr);
    for words in ["control-plane 2.21.0", "into 2.21", "StatefulSet/keycloak", "Safe"] {
        assert!(came.stdout.contains(words), "`{words}` is not in\n{}", came.stdout);
    }
    let output = user.command(&format!("{line} -o json")).env("PORTOLAN_HELM", &helm).output().expect("it runs");
    let plan: Value = serde_json::from_slice(&output.stdout).expect("a plan");
    let steps = plan["hops"][0]["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["id"] == "archive-keycloak").expect("the step of the new recipe");
    assert_eq!(step["sources"][0]["boundary"], "into 2.21");
    let output = user.command("plan --sim openshift-2.13 --chart chart --to 2.21").env("PORTOLAN_HELM", &helm).output();
    let without = crate::support::came(&output.expect("it runs"));
    assert!(!without.stdout.contains("into 2.21"), "{}", without.stdout);
}

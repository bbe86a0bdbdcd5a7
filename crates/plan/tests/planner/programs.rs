//! Programs that come to the data of a store, or change beside it.

use serde_json::json;

use crate::store::{PLAIN, installed, plan, said, set};

const POD: &str = "/spec/template/spec";

/// What is said of an upgrade from one pod to another: the pod's own fields and its container.
fn changed(old: (&str, &str), new: (&str, &str)) -> Vec<String> {
    said(&plan(&installed(&set(old.0, old.1), &json!({"csi": {}})), &set(new.0, new.1)))
}

fn unknown(field: &str) -> Vec<String> {
    vec![format!("Unknown PL255 StatefulSet/store {POD}{field}")]
}

fn init(command: &str, mount: &str) -> String {
    format!(
        "initContainers: [{{name: i, image: 'x/i:1', command: [sh, -c, '{command}'], volumeMounts: [{{name: data, mountPath: /d{mount}}}]}}], "
    )
}

#[test]
fn a_container_that_comes_to_the_data_is_unknown() {
    let wipes = init("rm -rf /d/*", "");
    assert_eq!(changed(("", PLAIN), (&wipes, PLAIN)), unknown("/initContainers/0/volumeMounts/0"));
    let sidecar =
        format!("{PLAIN}}}, {{name: tool, image: 'x/tool:1', volumeMounts: [{{name: data, mountPath: /work}}]");
    assert_eq!(changed(("", PLAIN), ("", &sidecar)), unknown("/containers/1/volumeMounts/0"));
    for harmless in [init("rm -rf /d/*", ", readOnly: true"), init("mkdir -p /d/x && chown -R 1:1 /d", "")] {
        assert_eq!(changed(("", PLAIN), (&harmless, PLAIN)), Vec::<String>::new(), "{harmless}");
    }
    assert_eq!(changed((&wipes, PLAIN), (&wipes, PLAIN)), Vec::<String>::new());
}

#[test]
fn a_script_that_changes_beside_the_data_is_unknown() {
    let with = |more: &str| PLAIN.replace("args:", &format!("{more}, args:"));
    let script = |text: &str| PLAIN.replace("args: [", &format!("command: [sh, -c, '{text}'], args: ["));
    let hook = with("lifecycle: {postStart: {exec: {command: [rm, -rf, /x]}}}");
    assert_eq!(changed(("", PLAIN), ("", &hook)), unknown("/containers/0/lifecycle/postStart"));
    let sleeps = with("lifecycle: {preStop: {exec: {command: [/bin/sh, -c, sleep 5]}}}");
    assert_eq!(changed(("", PLAIN), ("", &sleeps)), Vec::<String>::new());
    let (old, new) = (script("check; exec store"), script("wipe; exec store"));
    assert_eq!(changed(("", &old), ("", &new)), unknown("/containers/0/command/2"));
    assert_eq!(changed(("", &old), ("", &script("check; echo a; exec store"))), Vec::<String>::new());
}

//! Pods that cannot be ready before the plan's wait ends.

use serde_json::json;

use crate::store::{PLAIN, installed, plan, said, set};

const PROBE: &str = "name: store, readinessProbe: {initialDelaySeconds: 700},";

fn with(head: &str, text: &str) -> String {
    text.replace("  replicas: 1\n", &format!("  replicas: 1\n{head}"))
}

fn upgraded(old: &str, new: &str) -> Vec<String> {
    said(&plan(&installed(old, &json!({"csi": {}})), new))
}

#[test]
fn what_takes_longer_than_the_wait_is_found() {
    let (old, new) = (set("", PLAIN), set("", &PLAIN.replace("store:1", "store:1.5")));
    let too_long = |field: &str| vec![format!("Blocking PL263 StatefulSet/store {field}")];
    let none = Vec::<String>::new();
    assert_eq!(upgraded(&old, &new), none);
    let container = "/spec/template/spec/containers/0";
    let late = set("", &PLAIN.replace("name: store,", PROBE));
    assert_eq!(upgraded(&old, &late), too_long(&format!("{container}/readinessProbe/initialDelaySeconds")));
    assert_eq!(upgraded(&late, &late), none, "no new pod");
    assert_eq!(upgraded(&old, &late.replace("700", "70")), none);
    // Three pods, and the next one begins when the one before is available.
    let three = |text: &str| with("  minReadySeconds: 400\n", text).replace("replicas: 1", "replicas: 3");
    assert_eq!(upgraded(&three(&old), &three(&new)), too_long("/spec/minReadySeconds"));
    let one = |text: &str| with("  minReadySeconds: 400\n", text);
    assert_eq!(upgraded(&one(&old), &one(&new)), none);
    let slow = "terminationGracePeriodSeconds: 900, ";
    let stop = PLAIN.replace("name: store,", "name: store, lifecycle: {preStop: {exec: {command: [sleep, '800']}}},");
    let (old_slow, new_slow) = (set(slow, &stop), set(slow, &stop.replace("store:1", "store:1.5")));
    assert_eq!(upgraded(&old_slow, &new_slow), too_long(&format!("{container}/lifecycle/preStop")));
    let (old_slow, new_slow) = (set(slow, PLAIN), set(slow, &PLAIN.replace("store:1", "store:1.5")));
    let warned = ["Warning PL263 StatefulSet/store /spec/template/spec/terminationGracePeriodSeconds"];
    assert_eq!(upgraded(&old_slow, &new_slow), warned);
}

#[test]
fn a_gate_that_nobody_opens_is_found() {
    let gate = set("readinessGates: [{conditionType: example.com/ready}], ", PLAIN);
    let found = ["Blocking PL263 StatefulSet/store /spec/template/spec/readinessGates"];
    assert_eq!(upgraded(&set("", PLAIN), &gate), found);
    assert_eq!(upgraded(&gate, &gate.replace("store:1", "store:1.5")), Vec::<String>::new());
}

//! A Deployment on the PVC of the store: what is said of its strategies, of more pods than today, and of one that comes back.

use portolan_model::{Object, Ref};
use serde_json::{Value, json};

use crate::fixture::NS;
use crate::store::{PLAIN, installed, plan, said, set};

const VOLUME: &str = "/spec/template/spec/volumes/0";

/// The store as a Deployment; `head` is YAML of its spec, `version` in its pods' labels.
fn deployment(head: &str, version: &str) -> String {
    set("", PLAIN)
        .replace("kind: StatefulSet", "kind: Deployment")
        .replace("  serviceName: store\n", "")
        .replace("  replicas: 1\n", head)
        .replace("metadata: {labels: {app: store}}", &format!("metadata: {{labels: {{app: store, v: '{version}'}}}}"))
}

const ROLLING: &str = "  replicas: 1\n";
const RECREATE: &str = "  replicas: 1\n  strategy: {type: Recreate}\n";

/// What is said where `change` was made to the live Deployment by hand.
fn changed(old: &str, new: &str, modes: &Value, change: &dyn Fn(&mut Value)) -> Vec<String> {
    let mut fixture = installed(old, &json!({"csi": {}}));
    for (name, object) in &mut fixture.inventory.objects {
        let mut json = (*object.0).clone();
        match (name.kind(), name.name()) {
            ("Deployment", "store") => change(&mut json),
            ("PersistentVolumeClaim", "store") => json["spec"]["accessModes"] = modes.clone(),
            _ => continue,
        }
        *object = Object::new(json);
    }
    let store = Ref::new("apps", "Deployment", NS, "store");
    if fixture.inventory.objects.contains_key(&store) {
        let mounts = fixture.inventory.volumes.iter_mut().flat_map(|volume| &mut volume.mounts);
        mounts.filter(|mount| mount.pod.name() == "store-0").for_each(|mount| mount.workload = Some(store.clone()));
    }
    said(&plan(&fixture, new))
}

fn upgraded(old: &str, new: &str) -> Vec<String> {
    changed(old, new, &json!(["ReadWriteOnce"]), &|_| {})
}

fn unknown(field: &str) -> Vec<String> {
    vec![format!("Unknown PL255 Deployment/store {field}")]
}

#[test]
fn pods_of_two_templates_do_not_meet_under_recreate() {
    let none = Vec::<String>::new();
    let of = deployment;
    assert_eq!(upgraded(&of(RECREATE, "1"), &of(RECREATE, "2")), none, "Recreate");
    assert_eq!(upgraded(&of(ROLLING, "1"), &of(RECREATE, "2")), none, "it becomes Recreate");
    assert_eq!(upgraded(&of(ROLLING, "1"), &of(ROLLING, "1")), none, "nothing changes");
    assert_eq!(upgraded(&of(ROLLING, "1"), &of(ROLLING, "2")), unknown(VOLUME), "a rolling update");
    assert_eq!(upgraded(&of(RECREATE, "1"), &of(ROLLING, "2")), unknown(VOLUME), "it becomes rolling");
    let paused = deployment(&format!("{RECREATE}  paused: true\n"), "2");
    let said = upgraded(&of(RECREATE, "1"), &paused);
    assert!(said.contains(&unknown(VOLUME)[0]), "{said:?}");
}

#[test]
fn one_that_was_scaled_to_none_comes_back() {
    let none = |json: &mut Value| json["spec"]["replicas"] = json!(0);
    for head in [ROLLING, RECREATE] {
        let (old, new) = (deployment(head, "1"), deployment(head, "2"));
        assert_eq!(changed(&old, &new, &json!(["ReadWriteOnce"]), &none), Vec::<String>::new(), "{head}");
        let two = new.replace("replicas: 1", "replicas: 2");
        assert_eq!(changed(&old, &two, &json!(["ReadWriteOnce"]), &none), unknown("/spec/replicas"), "{head}");
        let had_two = old.replace("replicas: 1", "replicas: 2");
        assert_eq!(changed(&had_two, &two, &json!(["ReadWriteOnce"]), &none), Vec::<String>::new(), "{head}");
    }
}

#[test]
fn more_pods_than_today_are_unknown() {
    let (old, new) = (deployment(RECREATE, "1"), deployment(RECREATE, "2"));
    assert_eq!(upgraded(&old, &new.replace("replicas: 1", "replicas: 3")), unknown("/spec/replicas"));
    assert_eq!(upgraded(&old.replace("replicas: 1", "replicas: 3"), &new), Vec::<String>::new());
    let read_only = |text: &str| text.replace("mountPath: /data}", "mountPath: /data, readOnly: true}");
    assert_eq!(
        upgraded(&read_only(&old), &read_only(&new).replace("replicas: 1", "replicas: 3")),
        Vec::<String>::new()
    );
    let scaler = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: store}\nspec: {maxReplicas: 2, \
                  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: store}}\n";
    assert_eq!(upgraded(&old, &(new.clone() + scaler)), unknown("/spec/replicas"));
    assert_eq!(upgraded(&(old + scaler), &(new + scaler)), Vec::<String>::new());
}

#[test]
fn another_deployment_that_comes_to_the_data_is_unknown() {
    for head in [ROLLING, RECREATE] {
        let second = deployment(head, "1").replace("metadata: {name: store}", "metadata: {name: store-b}");
        let said = upgraded(&set("", PLAIN), &(set("", PLAIN) + &second));
        assert_eq!(said, [format!("Unknown PL255 Deployment/store-b {VOLUME}")], "{head}");
        // It is renamed: helm makes the new one before it deletes the old one.
        let said = upgraded(&deployment(head, "1"), &second);
        assert!(said.contains(&format!("Unknown PL255 Deployment/store-b {VOLUME}")), "{said:?}");
        let none = |json: &mut Value| json["spec"]["replicas"] = json!(0);
        let said = changed(&deployment(head, "1"), &second, &json!(["ReadWriteOnce"]), &none);
        assert_eq!(said, Vec::<String>::new(), "it had no pods, {head}");
    }
}

#[test]
fn a_rolling_update_on_a_claim_for_one_pod_hangs() {
    let (old, new) = (deployment(ROLLING, "1"), deployment(ROLLING, "2"));
    let one_pod = json!(["ReadWriteOncePod"]);
    let no = |_: &mut Value| {};
    assert_eq!(changed(&old, &new, &one_pod, &no), ["Blocking PL259 Deployment/store /spec/strategy"]);
    assert_eq!(changed(&old, &old, &one_pod, &no), Vec::<String>::new(), "nothing changes");
    let lets_go = deployment(&format!("{ROLLING}  strategy: {{rollingUpdate: {{maxUnavailable: 1}}}}\n"), "2");
    assert_eq!(changed(&old, &lets_go, &one_pod, &no), Vec::<String>::new(), "the old pod goes first");
    assert_eq!(changed(&deployment(RECREATE, "1"), &deployment(RECREATE, "2"), &one_pod, &no), Vec::<String>::new());
}

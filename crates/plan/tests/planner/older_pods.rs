//! Pods that run an older template than their StatefulSet has.

use portolan_model::{Object, Ref};
use serde_json::json;

use crate::fixture::NS;
use crate::store::{PLAIN, installed, plan, said, set};

/// What is said of the store whose set is at revision `newest`, and whose pod runs `running`.
fn of(newest: &str, running: &str) -> Vec<String> {
    let text = set("", PLAIN);
    let mut fixture = installed(&text, &json!({"csi": {}}));
    let name = Ref::set(NS, "store");
    let mut live = (*fixture.inventory.objects[&name].0).clone();
    live["status"] = json!({"updateRevision": newest});
    fixture.inventory.objects.insert(name, Object::new(live));
    let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "store", "uid": "uid-store", "controller": true});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "store-0", "namespace": NS, "uid": "pod",
        "labels": {"controller-revision-hash": running}, "ownerReferences": [owner]}});
    fixture.inventory.objects.insert(Ref::pod(NS, "store-0"), Object::new(pod));
    said(&plan(&fixture, &text))
}

#[test]
fn what_an_older_pod_does_with_the_data_is_not_known() {
    assert_eq!(of("store-2", "store-1"), ["Unknown PL255 StatefulSet/store /spec/updateStrategy"]);
    assert_eq!(of("store-2", "store-2"), Vec::<String>::new());
    assert_eq!(of("", "store-1"), Vec::<String>::new(), "the set does not say which one it wants");
}

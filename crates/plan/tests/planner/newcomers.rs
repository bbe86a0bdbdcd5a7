//! Pods that come to the data of a store beside those that are there, or in their place.

use portolan_model::Object;
use serde_json::{Value, json};

use crate::fixture::NS;
use crate::store::{PLAIN, installed, plan, said, set};

const VOLUME: &str = "/spec/template/spec/volumes/0";

fn store() -> String {
    set("", PLAIN)
}

/// A StatefulSet on the PVC of the store.
fn named(name: &str, replicas: u32) -> String {
    let text = store().replace("metadata: {name: store}", &format!("metadata: {{name: {name}}}"));
    text.replace("replicas: 1", &format!("replicas: {replicas}"))
}

fn pod(mount: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: clean}}\nspec:\n  containers: [{{name: c, image: 'x/c:1', \
         volumeMounts: [{{name: data, mountPath: /d{mount}}}]}}]\n  volumes: [{{name: data, persistentVolumeClaim: {{claimName: store}}}}]\n"
    )
}

/// What is said of an upgrade where other objects live as well.
fn with(live: &[Value], old: &str, new: &str) -> Vec<String> {
    let mut fixture = installed(old, &json!({"csi": {}}));
    for json in live {
        let object = Object::new(json.clone());
        fixture.inventory.objects.insert(object.name().expect("a name"), object);
    }
    said(&plan(&fixture, new))
}

fn unknown(object: &str, field: &str) -> Vec<String> {
    vec![format!("Unknown PL255 {object} {field}")]
}

/// A pod on the PVC that is not of the release.
fn foreign(name: &str, phase: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NS, "uid": format!("uid-{name}")},
        "spec": {"containers": [{"name": "c", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "store"}}]},
        "status": {"phase": phase},
    })
}

#[test]
fn a_program_that_comes_to_the_data_of_another_is_unknown() {
    let cases = [
        ("a pod", store(), store() + &pod(""), "Pod/clean", "/spec/volumes/0"),
        ("a set", store(), store() + &named("second", 1), "StatefulSet/second", VOLUME),
        ("a set goes up", store() + &named("second", 0), store() + &named("second", 1), "StatefulSet/second", VOLUME),
        (
            "the set of the data has no pods and stays",
            named("store", 0),
            named("store", 0) + &pod(""),
            "Pod/clean",
            "/spec/volumes/0",
        ),
        (
            "both change places",
            store() + &named("second", 0),
            named("store", 0) + &named("second", 1),
            "StatefulSet/second",
            VOLUME,
        ),
        ("the set is renamed", store(), named("next", 1), "StatefulSet/next", VOLUME),
        ("two take over", named("store", 0), named("next", 1) + &named("other", 1), "StatefulSet/other", VOLUME),
    ];
    for (case, old, new, object, field) in cases {
        assert_eq!(with(&[], &old, &new), unknown(object, field), "{case}");
    }
}

#[test]
fn a_program_that_takes_the_place_of_one_that_has_gone_is_compared_with_it() {
    let cases = [
        ("no pods, and renamed", named("store", 0), named("next", 1)),
        ("goes up", named("store", 0), store()),
        ("stays without pods", store() + &named("second", 0), store() + &named("second", 0)),
        ("is there already", store() + &named("second", 1), store() + &named("second", 1)),
        ("reads", store(), store() + &pod(", readOnly: true")),
    ];
    for (case, old, new) in cases {
        assert_eq!(with(&[], &old, &new), Vec::<String>::new(), "{case}");
    }
    let moved = named("store-b", 1).replace("/data/db", "/data/other");
    let said = with(&[], &named("store", 0), &moved);
    assert!(said.iter().any(|line| line.contains("PL256 StatefulSet/store-b")), "{said:?}");
}

#[test]
fn pods_of_somebody_else_are_on_the_data_until_they_have_ended() {
    let (old, new) = (named("store", 0), named("next", 1));
    assert_eq!(with(&[foreign("load", "Running")], &old, &new), unknown("StatefulSet/next", VOLUME));
    assert_eq!(with(&[foreign("load", "Succeeded")], &old, &new), Vec::<String>::new());
    // The new StatefulSet waits for, or takes up, a pod of the name of its own.
    assert_eq!(with(&[foreign("next-0", "Running")], &old, &new), Vec::<String>::new());
    let mut of_store = foreign("store-0", "Running");
    of_store["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "store", "uid": "uid-store", "controller": true}]);
    assert_eq!(with(&[of_store.clone()], &old, &new), unknown("StatefulSet/next", VOLUME), "it still stops");
    assert_eq!(with(&[of_store], &old, &store()), Vec::<String>::new());
}

#[test]
fn a_set_whose_pods_share_the_data_gets_no_second_pod_unseen() {
    let up = |old: &str, new: &str| with(&[], old, new);
    assert_eq!(up(&named("store", 1), &named("store", 2)), unknown("StatefulSet/store", "/spec/replicas"));
    assert_eq!(up(&named("store", 2), &named("store", 2)), Vec::<String>::new());
    let scaler = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: store}\nspec: {minReplicas: 2, \
                  maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: store}}\n";
    assert_eq!(up(&store(), &(store() + scaler)), unknown("StatefulSet/store", "/spec/replicas"));
    // A folder for each pod.
    let env = PLAIN.replace("args:", "env: [{name: P, valueFrom: {fieldRef: {fieldPath: metadata.name}}}], args:");
    let own = set("", &env.replace("mountPath: /data", "mountPath: /data, subPathExpr: $(P)"));
    assert_eq!(up(&own, &own.replace("replicas: 1", "replicas: 2")), Vec::<String>::new());
}

//! ConfigMaps and Secrets that were changed after the pod that uses them has started.

use portolan_model::{Object, Ref, SecretKey};
use serde_json::json;

use crate::fixture::{Fixture, NS};
use crate::store::{PLAIN, installed, plan, said, set};

const BEFORE: &str = "2026-11-29T09:00:00Z";
const START: &str = "2026-11-29T10:00:00Z";
const AFTER: &str = "2026-11-29T11:00:00Z";

fn chart(kind: &str, container: &str, version: u8) -> String {
    let text = if kind == "Secret" { "stringData: {dir: /data/db}" } else { "data: {dir: /data/db, level: info}" };
    let object = format!("---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: cfg}}\n{text}\n");
    set("", container)
        .replace("labels: {app: store}}, spec", &format!("labels: {{app: store, v: '{version}'}}}}, spec"))
        + &object
}

/// An installation whose object `cfg` was written at a time, each of these keys.
fn lives(kind: &str, container: &str, (time, keys): (&str, &[&str])) -> Fixture {
    let mut fixture = installed(&chart(kind, container, 1), &json!({"csi": {}}));
    let name = Ref::new("", kind, NS, "cfg");
    let mut map = (*fixture.inventory.objects[&name].0).clone();
    let data: serde_json::Map<_, _> = keys.iter().map(|key| (format!("f:{key}"), json!({}))).collect();
    map["metadata"]["managedFields"] = json!([{"time": time, "fieldsV1": {"f:data": data}}]);
    fixture.inventory.objects.insert(name.clone(), Object::new(map));
    fixture.secrets.insert(SecretKey { secret: name, key: "dir".into() }, "/data/db".into());
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "store-0", "namespace": NS},
        "status": {"containerStatuses": [{"name": "store", "state": {"running": {"startedAt": START}}}]}});
    fixture.inventory.objects.insert(Ref::pod(NS, "store-0"), Object::new(pod));
    fixture
}

#[test]
fn what_a_running_pod_has_not_read_is_unknown() {
    let env = |from: &str| format!("{PLAIN}, env: [{{name: DIR, valueFrom: {{{from}: {{name: cfg, key: dir}}}}}}]");
    let of_map = env("configMapKeyRef");
    let file = PLAIN.replace("[{name: data,", "[{name: cfg, mountPath: /etc/store}, {name: data,");
    let said = |kind: &str, container: &str, written: (&str, &[&str])| {
        said(&plan(&lives(kind, container, written), &chart(kind, container, 2)))
    };
    let unknown = ["Unknown PL255 ConfigMap/cfg /data/dir"];
    assert_eq!(said("ConfigMap", &of_map, (AFTER, &["dir", "level"])), unknown);
    assert_eq!(said("ConfigMap", &file, (AFTER, &["dir", "level"])), unknown);
    assert_eq!(said("Secret", &env("secretKeyRef"), (AFTER, &["dir"])), ["Unknown PL255 Secret/cfg /data/dir"]);
    let none = Vec::<String>::new();
    assert_eq!(said("ConfigMap", &of_map, (BEFORE, &["dir", "level"])), none);
    assert_eq!(said("ConfigMap", &of_map, (AFTER, &["level"])), none, "another key");
    assert_eq!(said("ConfigMap", PLAIN, (AFTER, &["dir"])), none, "nobody uses it");
    let fixture = lives("ConfigMap", &of_map, (AFTER, &["dir"]));
    assert_eq!(crate::store::said(&plan(&fixture, &chart("ConfigMap", &of_map, 1))), none, "no new pod");
}

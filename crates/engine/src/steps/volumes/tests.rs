use std::time::Duration;

use portolan_model::{Observation, Undo};

use super::*;

fn claim(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "n", "uid": "uid-claim"},
        "spec": {"volumeName": "pv"}, "status": {"phase": "Bound"}})
}

fn volume() -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv", "uid": "uid-volume"},
        "spec": {"claimRef": {"uid": "uid-claim"}}, "status": {"phase": "Bound"}})
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-0", "namespace": "n"}, "spec": {
        "containers": [{"name": "db", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}})
}

/// What is wrong at the end of a hop; empty where nothing is.
fn wrong(objects: [Value; 4]) -> Vec<String> {
    let kind = StepKind::VerifyVolume {
        claim: Ref::claim("n", "data"),
        claim_uid: Uid::new("uid-claim"),
        volume: Ref::volume("pv"),
        volume_uid: Uid::new("uid-volume"),
        mounted_by: vec![Ref::pod("n", "db-0")],
        sets: vec![Ref::set("n", "db")],
        known_claims: [Ref::claim("n", "data")].into(),
    };
    let step = Step {
        id: "verify".into(),
        kind,
        sources: Vec::new(),
        why: String::new(),
        command: Vec::new(),
        undo: Undo::Nothing,
        limit: Duration::from_secs(60),
    };
    let seen = objects.map(|json| if json.is_null() { Seen::Absent } else { Seen::There(Object::new(json)) });
    match on_verify(&step, &seen) {
        Next::Observed(Observation::WasDone { .. }, _) => Vec::new(),
        Next::Halt(finding) if finding.evidence.is_empty() => vec![finding.found],
        Next::Halt(finding) if finding.code == Code::StrangeClaim => vec![finding.found],
        Next::Halt(finding) => {
            // Of a PVC that is going only its disk can be saved; all name the volume with the data.
            let goes = finding.evidence[0].contains("PersistentVolumeClaim/data is being deleted");
            assert_eq!(finding.next.contains("kubectl patch pv pv") && finding.next.contains("Retain"), goes);
            // Another volume is spoken of only where there is one, or where no PVC holds the old one.
            let is_elsewhere = [" is on pv-2 now", "PersistentVolumeClaim/data is gone"];
            let is_elsewhere = is_elsewhere.iter().any(|line| finding.evidence[0].contains(line));
            assert_eq!(finding.why == Code::VolumeDiffers.why(), is_elsewhere || goes, "{finding:?}");
            let (volume, found) =
                finding.evidence.into_iter().partition::<Vec<_>, _>(|line| line.starts_with("the data "));
            assert!(volume.len() == 1 && volume[0].contains("PersistentVolume/pv"), "{volume:?}");
            found
        }
        _ => panic!("it is judged at once"),
    }
}

#[test]
fn a_volume_that_is_not_as_it_was_is_never_verified() {
    let good = || [claim("data"), volume(), pod(), claim("data")];
    assert_eq!(wrong(good()), [""; 0]);
    let deleted = json!("2026-01-01T00:00:00Z");
    let cases: [(usize, &str, Value, &str); 12] = [
        (0, "", Value::Null, "PersistentVolumeClaim/data is gone"),
        (0, "/metadata/uid", json!("other"), "PersistentVolumeClaim/data was deleted and made again"),
        (0, "/metadata/deletionTimestamp", deleted.clone(), "PersistentVolumeClaim/data is being deleted"),
        (0, "/status/phase", json!("Lost"), "PersistentVolumeClaim/data is Lost"),
        (0, "/spec/volumeName", json!("pv-2"), "PersistentVolumeClaim/data is on pv-2 now"),
        (1, "/metadata/uid", json!("other"), "PersistentVolume/pv was deleted and made again"),
        (1, "/metadata/deletionTimestamp", deleted, "PersistentVolume/pv is being deleted"),
        (1, "/spec/claimRef/uid", json!("other"), "PersistentVolume/pv belongs to another PVC"),
        (1, "/status/phase", json!("Released"), "PersistentVolume/pv is Released"),
        (2, "/spec/volumes/0/persistentVolumeClaim/claimName", json!("x"), "Pod/db-0 does not name"),
        (2, "/spec/containers/0/volumeMounts", json!([]), "no container of Pod/db-0 mounts"),
        (3, "/metadata/name", json!("new-db-0"), "PersistentVolumeClaim/new-db-0 is new"),
    ];
    for (at, pointer, value, said) in cases {
        let mut objects = good();
        let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", ""));
        match objects[at].pointer_mut(parent).filter(|_| !key.is_empty()) {
            Some(map) => map[key] = value,
            None => objects[at] = value,
        }
        let found = wrong(objects);
        assert!(found.len() == 1 && found[0].starts_with(said), "{pointer}: {found:?}");
    }
}

#[test]
fn a_block_device_is_mounted_and_an_init_container_mounts_nothing_for_good() {
    let with = |containers: Value| {
        let mut pod = pod();
        for (key, value) in containers.as_object().expect("a map") {
            pod["spec"][key] = value.clone();
        }
        wrong([claim("data"), volume(), pod, Value::Null]).len()
    };
    assert_eq!(
        with(json!({"containers": [{"name": "db", "volumeDevices": [{"name": "data", "devicePath": "/dev/x"}]}]})),
        0
    );
    let mounts = json!([{"name": "data", "mountPath": "/data"}]);
    assert_eq!(
        with(json!({"containers": [{"name": "db"}], "initContainers": [{"name": "i", "volumeMounts": mounts}]})),
        1
    );
}

//! The first pod that a controller makes from a workload's template.

use portolan_model::Object;
use serde_json::{Map, Value, json};

use crate::PodTemplate;

/// As long as a hash of a controller can be: ten digits of a 32 bit number.
const HASH: &str = "4294967295";

/// The pod that the controller of a workload creates first, without its owner; `None` for kinds that create no pods, for a Pod
/// itself, and for a workload that asks for none.
///
/// Names and labels are those of `newStatefulSetPod` (`pkg/controller/statefulset/stateful_set_utils.go`), of
/// `GetPodFromTemplate` (`pkg/controller/controller_utils.go`) and of the DaemonSet controller, Kubernetes 1.34. A hash is as long
/// as it can become, because a label's value has at most 63 characters.
#[must_use]
pub fn created_pod(workload: &Object) -> Option<Object> {
    let kind = workload.text("/kind");
    if kind == "Pod" || crate::replicas(workload) == 0 {
        return None;
    }
    let template = PodTemplate::of(workload)?;
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": template.spec});
    for key in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.metadata.and_then(|metadata| metadata.get(key)) {
            pod["metadata"][key] = value.clone();
        }
    }
    let (name, namespace) = (workload.text("/metadata/name"), workload.text("/metadata/namespace"));
    pod["metadata"]["namespace"] = namespace.into();
    // A workload whose name the API server makes has five letters more.
    let begin = if name.is_empty() { format!("{}xxxxx", workload.text("/metadata/generateName")) } else { name.into() };
    pod["metadata"]["generateName"] = format!("{begin}-").into();
    match kind {
        "StatefulSet" => of_set(workload, &mut pod),
        "DaemonSet" => label(&mut pod, "controller-revision-hash", HASH),
        "Deployment" => label(&mut pod, "pod-template-hash", HASH),
        _ => {}
    }
    Some(Object::new(pod))
}

fn of_set(set: &Object, pod: &mut Value) {
    let name = set.text("/metadata/name");
    let ordinal = set.at("/spec/ordinals/start").and_then(Value::as_u64).unwrap_or_default();
    let pod_name = format!("{name}-{ordinal}");
    if let Some(Value::Object(metadata)) = pod.get_mut("metadata") {
        metadata.remove("generateName");
        metadata.insert("name".into(), pod_name.as_str().into());
    }
    label(pod, "statefulset.kubernetes.io/pod-name", &pod_name);
    label(pod, "apps.kubernetes.io/pod-index", &ordinal.to_string());
    label(pod, "controller-revision-hash", &format!("{name}-{HASH}"));
    pod["spec"]["hostname"] = pod_name.as_str().into();
    if !set.text("/spec/serviceName").is_empty() {
        pod["spec"]["subdomain"] = set.text("/spec/serviceName").into();
    }
    let claims: Vec<Value> = set
        .list("/spec/volumeClaimTemplates")
        .iter()
        .filter_map(|template| template.pointer("/metadata/name")?.as_str())
        .map(|template| json!({"name": template, "persistentVolumeClaim": {"claimName": format!("{template}-{pod_name}")}}))
        .collect();
    let is_template = |volume: &Value| claims.iter().any(|claim| claim.get("name") == volume.get("name"));
    // A template goes before a volume of the same name.
    let mut volumes: Vec<Value> = pod["spec"]["volumes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|volume| !is_template(volume))
        .cloned()
        .collect();
    volumes.extend(claims.iter().cloned());
    if !volumes.is_empty() {
        pod["spec"]["volumes"] = volumes.into();
    }
}

fn label(pod: &mut Value, key: &str, value: &str) {
    let labels = &mut pod["metadata"]["labels"];
    if !labels.is_object() {
        *labels = Value::Object(Map::new());
    }
    labels[key] = value.into();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(kind: &str, spec: &Value) -> Object {
        Object::new(json!({"kind": kind, "metadata": {"name": "store", "namespace": "n"}, "spec": spec}))
    }

    #[test]
    fn a_pod_of_a_set_has_its_name_labels_and_claims() {
        let set = workload(
            "StatefulSet",
            &json!({"serviceName": "svc", "ordinals": {"start": 2}, "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
                "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]}}}),
        );
        let pod = created_pod(&set).expect("a pod");
        assert_eq!(pod.text("/metadata/name"), "store-2");
        assert_eq!(pod.at("/metadata/generateName"), None);
        assert_eq!(
            pod.at("/metadata/labels"),
            Some(
                &json!({"app": "x", "statefulset.kubernetes.io/pod-name": "store-2", "apps.kubernetes.io/pod-index": "2",
                "controller-revision-hash": "store-4294967295"})
            )
        );
        assert_eq!((pod.text("/spec/hostname"), pod.text("/spec/subdomain")), ("store-2", "svc"));
        assert_eq!(
            pod.at("/spec/volumes"),
            Some(
                &json!([{"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": "data-store-2"}}])
            )
        );
    }

    #[test]
    fn other_workloads_leave_the_end_of_the_name_to_the_server() {
        for (kind, spec) in [
            ("Deployment", json!({"template": {"metadata": {"annotations": {"a": "b"}}, "spec": {}}})),
            ("DaemonSet", json!({"template": {"metadata": {"annotations": {"a": "b"}}, "spec": {}}})),
            ("Job", json!({"template": {"metadata": {"annotations": {"a": "b"}}, "spec": {}}})),
            (
                "CronJob",
                json!({"jobTemplate": {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}, "spec": {}}}}}),
            ),
        ] {
            let pod = created_pod(&workload(kind, &spec)).expect(kind);
            assert_eq!(pod.text("/metadata/generateName"), "store-", "{kind}");
            assert_eq!(pod.annotation("a"), Some("b"), "{kind}");
            assert_eq!(pod.at("/metadata/ownerReferences"), None);
        }
    }

    #[test]
    fn what_makes_no_pods_makes_none() {
        assert!(created_pod(&workload("Deployment", &json!({"replicas": 0, "template": {"spec": {}}}))).is_none());
        assert!(created_pod(&workload("Pod", &json!({"containers": []}))).is_none());
        assert!(created_pod(&workload("Service", &json!({}))).is_none());
    }
}

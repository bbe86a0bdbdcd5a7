//! Workloads outside of the release that use its objects. Each harmful form has a twin that says nothing.

use portolan_model::{Code, Finding, Object, Ref};
use serde_json::{Value, json};

use crate::fixture::NS;
use crate::store::{PLAIN, installed, plan, set};

const MAP: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\ndata: {dir: /data, level: info}\n";
const SECRET: &str = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: shared}\nstringData: {token: precious}\n";
const ACCOUNT: &str = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: shared}\n";
const LIMITS: &str = "---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: limits}\nspec: {limits: [{type: Container, max: {memory: 1Mi}}]}\n";

/// What is said where a StatefulSet of somebody else has these fields in its pod and its container.
fn said(old: &str, new: &str, (pod, container): (Value, Value)) -> Vec<String> {
    let mut fixture = installed(&(set("", PLAIN) + old), &json!({"csi": {}}));
    let mut spec = json!({"containers": [{"name": "c", "image": "x/beta:1", "volumeMounts": [{"name": "own", "mountPath": "/data"}]}]});
    for (into, from) in [("", pod), ("/containers/0", container)] {
        let target = spec.pointer_mut(into).and_then(Value::as_object_mut).expect("a map");
        target.extend(from.as_object().expect("a map").clone());
    }
    let beta = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "beta", "namespace": NS, "uid": "uid-beta"},
        "spec": {"replicas": 1, "template": {"spec": spec}, "volumeClaimTemplates": [{"metadata": {"name": "own"}}]}});
    fixture.inventory.objects.insert(Ref::set(NS, "beta"), Object::new(beta));
    let plan = plan(&fixture, &(set("", PLAIN) + new));
    let is_one = |it: &&Finding| it.evidence.iter().any(|line| line.contains("StatefulSet/beta"));
    let name = |it: &Finding| it.object().map_or_else(String::new, ToString::to_string);
    plan.findings.iter().filter(is_one).map(|it| format!("{:?} {} {}", it.severity, it.code, name(it))).collect()
}

fn key(key: &str) -> (Value, Value) {
    let from = json!({"configMapKeyRef": {"name": "shared", "key": key}});
    (json!({}), json!({"env": [{"name": "A", "valueFrom": from}]}))
}

#[test]
fn a_folder_of_another_workload_does_not_change_in_silence() {
    let moved = MAP.replace("/data,", "/data/v2,");
    let refused = [format!("Blocking {} ConfigMap/shared", Code::KeyChanges)];
    assert_eq!(said(MAP, &moved, key("dir")), refused);
    let optional = json!({"envFrom": [{"configMapRef": {"name": "shared", "optional": true}}]});
    assert_eq!(said(MAP, "", (json!({}), optional.clone())), refused, "it goes, and the workload starts without it");
    assert_eq!(said(MAP, &moved, (json!({}), optional)), refused);
    for (new, user) in [(MAP, key("dir")), (&moved, key("level")), (&moved, (json!({}), json!({})))] {
        assert_eq!(said(MAP, new, user.clone()), Vec::<String>::new(), "{new} {user:?}");
    }
    let warned = [format!("Warning {} ConfigMap/shared", Code::KeyChanges)];
    assert_eq!(said(MAP, &MAP.replace("info", "debug"), key("level")), warned);
}

#[test]
fn what_another_workload_needs_does_not_leave_in_silence() {
    let warned = |kind: &str| [format!("Warning {} {kind}/shared", Code::MissingReference)];
    assert_eq!(said(MAP, "", key("level")), warned("ConfigMap"));
    let secret = json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "shared", "key": "token"}}}]});
    assert_eq!(said(SECRET, "", (json!({}), secret.clone())), warned("Secret"));
    let account = json!({"serviceAccountName": "shared"});
    assert_eq!(said(ACCOUNT, "", (account.clone(), json!({}))), warned("ServiceAccount"));
    assert_eq!(said(SECRET, SECRET, (json!({}), secret)), Vec::<String>::new());
    assert_eq!(said(ACCOUNT, ACCOUNT, (account, json!({}))), Vec::<String>::new());
    assert_eq!(said(ACCOUNT, "", (json!({}), json!({}))), Vec::<String>::new());
}

#[test]
fn limits_of_the_namespace_name_the_other_workloads() {
    let none = || (json!({}), json!({}));
    let warned = [format!("Warning {} LimitRange/limits", Code::NotChecked)];
    assert_eq!(said("", LIMITS, none()), warned);
    assert_eq!(said(LIMITS, &LIMITS.replace("1Mi", "2Mi"), none()), warned);
    assert_eq!(said(LIMITS, LIMITS, none()), Vec::<String>::new());
}

use model::Object;
use serde_json::Value;

/// Whether a pod says that it is ready; `None` where it does not say.
#[must_use]
pub fn is_ready(pod: &Object) -> Option<bool> {
    let condition = pod
        .list("/status/conditions")
        .iter()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some("Ready"))?;
    Some(condition.get("status").and_then(Value::as_str) == Some("True"))
}

/// Why a pod is not ready, in a few words: what its containers wait for, or the condition's own reason.
#[must_use]
pub fn unready_reason(pod: &Object) -> Option<String> {
    if is_ready(pod) != Some(false) {
        return None;
    }
    let text = |value: &Value, pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let waits =
        statuses.iter().flat_map(|list| pod.list(list)).find_map(|status| text(status, "/state/waiting/reason"));
    let condition =
        pod.list("/status/conditions").iter().find(|condition| text(condition, "/type").as_deref() == Some("Ready"));
    waits.or_else(|| text(condition?, "/reason")).or_else(|| Some("not ready".into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_says_whether_it_is_ready_and_why_not() {
        let pod = |status: Value| Object::new(json!({"kind": "Pod", "status": status}));
        let ready = |status: &str| json!([{"type": "Ready", "status": status, "reason": "ContainersNotReady"}]);
        for (status, is, why) in [
            (json!({}), None, None),
            (json!({"conditions": ready("True")}), Some(true), None),
            (json!({"conditions": ready("False")}), Some(false), Some("ContainersNotReady")),
            (
                json!({"conditions": ready("False"), "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
                Some(false),
                Some("CrashLoopBackOff"),
            ),
        ] {
            let pod = pod(status.clone());
            assert_eq!((is_ready(&pod), unready_reason(&pod).as_deref()), (is, why), "{status}");
        }
    }
}

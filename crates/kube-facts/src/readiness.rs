use model::Object;
use serde_json::Value;

/// Whether a pod is ready; `None` where its status does not say. A pod that has no node yet has no condition `Ready` (Kubernetes 1.34:
/// the scheduler writes `PodScheduled` alone, and the kubelet the others).
#[must_use]
pub fn is_ready(pod: &Object) -> Option<bool> {
    match condition(pod, "Ready") {
        Some(ready) => Some(text(ready, "/status").as_deref() == Some("True")),
        None => has_no_node(pod).then_some(false),
    }
}

/// Why a pod is not ready, in a few words: what its containers wait for, or the condition's own reason.
#[must_use]
pub fn unready_reason(pod: &Object) -> Option<String> {
    if is_ready(pod) != Some(false) {
        return None;
    }
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let waits =
        statuses.iter().flat_map(|list| pod.list(list)).find_map(|status| text(status, "/state/waiting/reason"));
    let reason = |kind| text(condition(pod, kind)?, "/reason");
    waits.or_else(|| reason("Ready")).or_else(|| reason("PodScheduled")).or_else(|| Some("not ready".into()))
}

fn has_no_node(pod: &Object) -> bool {
    let scheduled = condition(pod, "PodScheduled").and_then(|condition| text(condition, "/status"));
    scheduled.as_deref() == Some("False")
}

fn condition<'a>(pod: &'a Object, kind: &str) -> Option<&'a Value> {
    pod.list("/status/conditions").iter().find(|condition| text(condition, "/type").as_deref() == Some(kind))
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
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
            (
                json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}),
                Some(false),
                Some("Unschedulable"),
            ),
            (json!({"conditions": [{"type": "PodScheduled", "status": "True"}]}), None, None),
        ] {
            let pod = pod(status.clone());
            assert_eq!((is_ready(&pod), unready_reason(&pod).as_deref()), (is, why), "{status}");
        }
    }
}

use portolan_model::Object;
use serde_json::Value;

use crate::{ContainerKind, PodTemplate};

/// A time that a pod takes in any case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeastTime {
    /// Seconds.
    pub seconds: u64,
    /// Where the object says it: a JSON pointer.
    pub field: String,
}

/// How long the pods of a workload are not ready in any case: the probe that begins late, of all containers.
#[must_use]
pub fn least_time_to_ready(workload: &Object) -> Option<LeastTime> {
    let template = PodTemplate::of(workload)?;
    let delays =
        template.containers().filter(|container| container.kind == ContainerKind::Main).flat_map(|container| {
            ["readinessProbe", "startupProbe"].into_iter().filter_map(move |probe| {
                let field = format!("{probe}/initialDelaySeconds");
                let seconds = container.json.pointer(&format!("/{field}"))?.as_u64()?;
                Some(LeastTime { seconds, field: format!("{}{}/{field}", template.pointer, container.pointer()) })
            })
        });
    delays.max()
}

/// How long a pod of a workload takes to end in any case: the `sleep` before it is told to, which the grace period cuts short
/// (`killContainer` in `pkg/kubelet/kuberuntime/kuberuntime_container.go`, Kubernetes 1.34).
#[must_use]
pub fn least_time_to_end(workload: &Object) -> Option<LeastTime> {
    let template = PodTemplate::of(workload)?;
    let grace = grace_period(workload).seconds;
    let sleeps = template.containers().filter_map(|container| {
        let hook = container.json.pointer("/lifecycle/preStop")?;
        let seconds = hook.pointer("/sleep/seconds").and_then(Value::as_u64).or_else(|| slept(hook))?;
        let field = format!("{}{}/lifecycle/preStop", template.pointer, container.pointer());
        Some(LeastTime { seconds: seconds.min(grace), field })
    });
    sleeps.max()
}

/// How long a pod of a workload may take to end.
#[must_use]
pub fn grace_period(workload: &Object) -> LeastTime {
    let template = PodTemplate::of(workload);
    let seconds = template.and_then(|template| template.spec.get("terminationGracePeriodSeconds")?.as_u64());
    let pointer = template.map_or("", |template| template.pointer);
    LeastTime { seconds: seconds.unwrap_or(30), field: format!("{pointer}/terminationGracePeriodSeconds") }
}

/// The seconds of a command that is `sleep N` alone, or begins so in a shell.
fn slept(hook: &Value) -> Option<u64> {
    let command = hook.pointer("/exec/command")?.as_array()?;
    let words: Vec<&str> = command.iter().filter_map(Value::as_str).collect();
    let script = match words.as_slice() {
        [_, "-c", script] => script.split(';').next().unwrap_or_default().to_owned(),
        words => words.join(" "),
    };
    let mut words = script.split_whitespace();
    let program = words.next()?.rsplit('/').next()?;
    (program == "sleep").then(|| words.next()?.trim_end_matches('s').parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn times(container: &Value, pod: &Value) -> [Option<u64>; 2] {
        let mut spec = json!({"containers": [container]});
        spec.as_object_mut().expect("a map").extend(pod.as_object().expect("a map").clone());
        let workload = Object::new(json!({"kind": "StatefulSet", "spec": {"template": {"spec": spec}}}));
        [least_time_to_ready(&workload), least_time_to_end(&workload)].map(|time| Some(time?.seconds))
    }

    #[test]
    fn delays_and_sleeps_take_their_time() {
        let stop = |hook: Value| json!({"name": "a", "lifecycle": {"preStop": hook}});
        let exec = |words: Value| stop(json!({"exec": {"command": words}}));
        let long = json!({"terminationGracePeriodSeconds": 300});
        let probe = json!({"name": "a", "readinessProbe": {"initialDelaySeconds": 20}, "startupProbe": {"initialDelaySeconds": 40}});
        assert_eq!(times(&probe, &json!({})), [Some(40), None]);
        assert_eq!(times(&stop(json!({"sleep": {"seconds": 200}})), &long), [None, Some(200)]);
        assert_eq!(times(&exec(json!(["sleep", "200"])), &long), [None, Some(200)]);
        assert_eq!(times(&exec(json!(["/bin/sh", "-c", "sleep 200; stop"])), &long), [None, Some(200)]);
        assert_eq!(times(&exec(json!(["sleep", "200"])), &json!({})), [None, Some(30)]);
        assert_eq!(times(&exec(json!(["stop", "now"])), &long), [None, None]);
    }
}

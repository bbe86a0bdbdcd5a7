//! Whether an object is as its spec asks. Pure: the same object, the same answer.

use model::Object;
use serde_json::Value;

/// `Ok` where the object is as its spec asks; else what is missing, in a few words.
///
/// # Errors
/// What is missing.
pub fn readiness(object: &Object) -> Result<(), String> {
    if object.is_terminating() {
        return Err("is being deleted".into());
    }
    match object.text("/kind") {
        "StatefulSet" => stateful_set(object),
        "Deployment" => deployment(object),
        "DaemonSet" => daemon_set(object),
        "ReplicaSet" => count(number(object, "/status/readyReplicas", 0), replicas(object)),
        "Job" => job(object),
        "Pod" => pod(object),
        "PersistentVolumeClaim" => match object.text("/status/phase") {
            "Bound" => Ok(()),
            "" => Err("not bound yet".into()),
            phase => Err(format!("phase {phase}")),
        },
        "Route" => model::route::refused(object).map_or(Ok(()), Err),
        _ => Ok(()),
    }
}

fn number(object: &Object, pointer: &str, missing: u64) -> u64 {
    object.at(pointer).and_then(Value::as_u64).unwrap_or(missing)
}

fn replicas(object: &Object) -> u64 {
    number(object, "/spec/replicas", 1)
}

/// The controller has seen the spec as it is now; until then its counts are about an older one.
fn is_observed(object: &Object) -> Result<(), String> {
    let observed = number(object, "/status/observedGeneration", 0);
    if observed < number(object, "/metadata/generation", 0) {
        return Err("the controller has not seen the change yet".into());
    }
    Ok(())
}

fn count(ready: u64, wanted: u64) -> Result<(), String> {
    if ready == wanted {
        return Ok(());
    }
    Err(format!("{ready} of {wanted} pods ready"))
}

fn stateful_set(set: &Object) -> Result<(), String> {
    is_observed(set)?;
    let wanted = replicas(set);
    let ready = number(set, "/status/readyReplicas", 0);
    // A set that is not to update its pods by itself, or not all of them, never has one revision alone.
    let whole = set.text("/spec/updateStrategy/type") != "OnDelete"
        && number(set, "/spec/updateStrategy/rollingUpdate/partition", 0) == 0;
    let updated = number(set, "/status/updatedReplicas", 0);
    if whole && updated < wanted {
        return Err(format!("{ready} of {wanted} ready, {updated} updated"));
    }
    count(ready, wanted)?;
    if number(set, "/status/replicas", wanted) > wanted {
        return Err("a pod too many is still there".into());
    }
    if whole && set.text("/status/currentRevision") != set.text("/status/updateRevision") {
        return Err(format!("{ready} of {wanted} ready, the old revision is not gone yet"));
    }
    Ok(())
}

fn deployment(deployment: &Object) -> Result<(), String> {
    is_observed(deployment)?;
    let wanted = replicas(deployment);
    let at = |field: &str| number(deployment, &format!("/status/{field}"), 0);
    let (updated, available) = (at("updatedReplicas"), at("availableReplicas"));
    let result = if updated < wanted {
        Err(format!("{available} of {wanted} available, {updated} updated"))
    } else if at("replicas") > wanted {
        Err(format!("{} old pods are still there", at("replicas") - wanted))
    } else if at("unavailableReplicas") > 0 {
        count(available, wanted).and(Err(format!("{} unavailable", at("unavailableReplicas"))))
    } else {
        count(available, wanted)
    };
    let late = condition(deployment, "Progressing", "False").filter(|reason| reason == "ProgressDeadlineExceeded");
    result.map_err(|text| match late {
        Some(reason) => format!("{text} ({reason})"),
        None => text,
    })
}

fn daemon_set(set: &Object) -> Result<(), String> {
    is_observed(set)?;
    let at = |field: &str| number(set, &format!("/status/{field}"), 0);
    let wanted = at("desiredNumberScheduled");
    if at("updatedNumberScheduled") < wanted {
        return Err(format!("{} of {wanted} ready, {} updated", at("numberReady"), at("updatedNumberScheduled")));
    }
    count(at("numberReady"), wanted)
}

fn job(job: &Object) -> Result<(), String> {
    if condition(job, "Complete", "True").is_some() {
        return Ok(());
    }
    if let Some(reason) = condition(job, "Failed", "True") {
        return Err(format!("the job failed: {reason}"));
    }
    // Somebody starts it later; until then there is nothing to wait for.
    if job.at("/spec/suspend") == Some(&Value::Bool(true)) {
        return Ok(());
    }
    let wanted = number(job, "/spec/completions", 1);
    let done = number(job, "/status/succeeded", 0);
    Err(match number(job, "/status/failed", 0) {
        0 => format!("{done} of {wanted} done"),
        failed => format!("{done} of {wanted} done, {failed} tries failed"),
    })
}

fn pod(pod: &Object) -> Result<(), String> {
    if pod.text("/status/phase") == "Succeeded" || condition(pod, "Ready", "True").is_some() {
        return Ok(());
    }
    Err(pod_state(pod))
}

/// Reason (or message) of a condition that has this status.
fn condition(object: &Object, kind: &str, status: &str) -> Option<String> {
    object
        .list("/status/conditions")
        .iter()
        .find(|condition| condition["type"] == kind && condition["status"] == status)
        .map(words)
}

fn words(condition: &Value) -> String {
    ["reason", "message"]
        .iter()
        .filter_map(|field| condition[field].as_str())
        .find(|text| !text.is_empty())
        .unwrap_or("no reason given")
        .to_owned()
}

/// What a pod that is not ready is at, with the server's own words: `ContainerCreating`, `ImagePullBackOff: Back-off pulling ...`.
#[must_use]
pub fn pod_state(pod: &Object) -> String {
    if pod.is_terminating() {
        return "Terminating".into();
    }
    let unscheduled = pod
        .list("/status/conditions")
        .iter()
        .find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False");
    if let Some(condition) = unscheduled {
        let message = condition["message"].as_str().unwrap_or_default();
        return format!("{}: {message}", condition["reason"].as_str().unwrap_or("Pending"));
    }
    let containers = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let mut states = containers
        .iter()
        .flat_map(|pointer| pod.list(pointer))
        .filter(|container| container["ready"] != true)
        .filter_map(|container| {
            let state = &container["state"];
            let ended = |state: &Value| {
                let reason = state["terminated"]["reason"].as_str().filter(|reason| *reason != "Completed")?;
                Some(format!("{reason}, exit code {}", state["terminated"]["exitCode"]))
            };
            let reason = state["waiting"]["reason"].as_str().map(|reason| {
                let message = state["waiting"]["message"].as_str().unwrap_or_default().trim();
                if message.is_empty() { reason.to_owned() } else { format!("{reason}: {message}") }
            });
            let before = ended(&container["lastState"]).map(|before| format!(" (before: {before})"));
            reason.map(|reason| reason + &before.unwrap_or_default()).or_else(|| ended(state))
        });
    match (states.next(), pod.text("/status/phase")) {
        (Some(reason), _) => reason,
        (None, "Running") => "running, not ready".into(),
        (None, "") => "Pending".into(),
        (None, phase) => phase.to_owned(),
    }
}

#[cfg(test)]
mod tests;

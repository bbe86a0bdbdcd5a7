use portolan_model::{Object, Ref};
use serde_json::Value;

use crate::written::seconds;
use crate::{Kind, StatefulSet, refusal};

/// How far an object is, in a few words: `Ok` where it is as its spec asks, `Err` where something is missing.
///
/// # Errors
/// What is missing.
pub fn readiness(object: &Object) -> Result<String, String> {
    readiness_of(Kind::of(object), object)
}

/// As [`readiness`], for an object that does not say its kind itself.
///
/// # Errors
/// What is missing.
pub fn readiness_of(kind: Kind, object: &Object) -> Result<String, String> {
    if object.is_terminating() {
        return Err("is being deleted".into());
    }
    match kind {
        Kind::StatefulSet => stateful_set(object),
        Kind::Deployment => deployment(object),
        Kind::DaemonSet => daemon_set(object),
        Kind::ReplicaSet | Kind::ReplicationController => {
            count(number(object, "/status/readyReplicas", 0), replicas(object))
        }
        Kind::Job => job(object),
        Kind::Pod => pod(object),
        Kind::PersistentVolumeClaim => match object.text("/status/phase") {
            "Bound" => Ok("bound".into()),
            "" => Err("not bound yet".into()),
            phase => Err(format!("phase {phase}")),
        },
        Kind::Route | Kind::Ingress => refusal(object).map_or_else(|| Ok("there".into()), Err),
        Kind::CronJob
        | Kind::PersistentVolume
        | Kind::Namespace
        | Kind::CustomResourceDefinition
        | Kind::Inert
        | Kind::Custom => Ok("there".into()),
    }
}

fn number(object: &Object, pointer: &str, missing: u64) -> u64 {
    object.at(pointer).and_then(Value::as_u64).unwrap_or(missing)
}

/// How many pods a workload asks for; 1 unless set.
#[must_use]
pub fn replicas(object: &Object) -> u64 {
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

fn count(ready: u64, wanted: u64) -> Result<String, String> {
    let text = format!("{ready} of {wanted} ready");
    if ready == wanted { Ok(text) } else { Err(text) }
}

fn stateful_set(object: &Object) -> Result<String, String> {
    is_observed(object)?;
    let wanted = replicas(object);
    let ready = number(object, "/status/readyReplicas", 0);
    let updated = number(object, "/status/updatedReplicas", 0);
    let set = StatefulSet::alike(Ref::set(object.text("/metadata/namespace"), object.text("/metadata/name")), object);
    let (partition, rolls) = (set.partition(), !set.is_on_delete());
    // Below the partition the pods keep the old revision, and with OnDelete all of them may.
    if rolls && updated < wanted.saturating_sub(partition.into()) {
        return Err(format!("{ready} of {wanted} ready, {updated} updated"));
    }
    let text = count(ready, wanted)?;
    if number(object, "/status/replicas", wanted) > wanted {
        return Err("a pod too many is still there".into());
    }
    if rolls && partition == 0 && object.text("/status/currentRevision") != object.text("/status/updateRevision") {
        return Err(format!("{ready} of {wanted} ready, the old revision is not gone yet"));
    }
    Ok(text)
}

fn deployment(object: &Object) -> Result<String, String> {
    is_observed(object)?;
    let wanted = replicas(object);
    let at = |field: &str| number(object, &format!("/status/{field}"), 0);
    let (updated, available) = (at("updatedReplicas"), at("availableReplicas"));
    let result = if updated < wanted && is_paused(object) {
        Err(format!("paused, so that its pods are not replaced: {available} of {wanted} available, {updated} updated"))
    } else if updated < wanted {
        Err(format!("{available} of {wanted} available, {updated} updated"))
    } else if at("replicas") > wanted {
        Err(format!("{} old pods are still there", at("replicas") - wanted))
    } else if at("unavailableReplicas") > 0 {
        count(available, wanted).and(Err(format!("{} unavailable", at("unavailableReplicas"))))
    } else {
        count(available, wanted)
    };
    let late =
        condition(object, "Progressing", "False").map(words).filter(|reason| reason == "ProgressDeadlineExceeded");
    result.map_err(|text| match late {
        Some(reason) => format!("{text} ({reason})"),
        None => text,
    })
}

/// Whether a Deployment is paused: its controller then makes no pods of a changed template, and none at all for a new Deployment
/// (`syncDeployment` in `pkg/controller/deployment/deployment_controller.go`, Kubernetes 1.34).
#[must_use]
pub fn is_paused(deployment: &Object) -> bool {
    deployment.at("/spec/paused") == Some(&Value::Bool(true))
}

fn daemon_set(object: &Object) -> Result<String, String> {
    is_observed(object)?;
    let at = |field: &str| number(object, &format!("/status/{field}"), 0);
    let wanted = at("desiredNumberScheduled");
    if at("updatedNumberScheduled") < wanted {
        return Err(format!("{} of {wanted} ready, {} updated", at("numberReady"), at("updatedNumberScheduled")));
    }
    count(at("numberReady"), wanted)
}

fn job(object: &Object) -> Result<String, String> {
    if condition(object, "Complete", "True").is_some() {
        return Ok("complete".into());
    }
    if let Some(condition) = condition(object, "Failed", "True") {
        return Err(format!("the job failed: {}", words(condition)));
    }
    // Somebody starts it later; until then there is nothing to wait for.
    if object.at("/spec/suspend") == Some(&Value::Bool(true)) {
        return Ok("suspended".into());
    }
    let wanted = number(object, "/spec/completions", 1);
    let done = number(object, "/status/succeeded", 0);
    Err(match number(object, "/status/failed", 0) {
        0 => format!("{done} of {wanted} done"),
        failed => format!("{done} of {wanted} done, {failed} tries failed"),
    })
}

fn pod(object: &Object) -> Result<String, String> {
    match object.text("/status/phase") {
        "Succeeded" => Ok("ended".into()),
        _ if condition(object, "Ready", "True").is_some() => Ok("ready".into()),
        _ => Err(pod_state(object)),
    }
}

/// Whether a pod is ready; `None` where its status does not say. A pod that has no node yet has no condition `Ready` (Kubernetes 1.34:
/// the scheduler writes `PodScheduled` alone, and the kubelet the others).
#[must_use]
pub fn is_ready(pod: &Object) -> Option<bool> {
    let says = |kind, status| condition(pod, kind, status).is_some();
    match says("Ready", "True") {
        true => Some(true),
        false => (says("Ready", "False") || says("Ready", "Unknown") || says("PodScheduled", "False")).then_some(false),
    }
}

/// A condition that has this status.
fn condition<'a>(object: &'a Object, kind: &str, status: &str) -> Option<&'a Value> {
    let mut conditions = object.list("/status/conditions").iter();
    conditions.find(|condition| condition["type"] == kind && condition["status"] == status)
}

/// A condition's reason, else its message.
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
    if let Some(condition) = condition(pod, "PodScheduled", "False") {
        let reason = condition["reason"].as_str().unwrap_or("Pending");
        let message = condition["message"].as_str().filter(|message| !message.is_empty());
        return message.map_or_else(|| reason.to_owned(), |message| format!("{reason}: {message}"));
    }
    let containers = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let mut states = containers
        .iter()
        .flat_map(|pointer| pod.list(pointer))
        .filter(|container| container["ready"] != true)
        .filter_map(container_state);
    match (states.next(), pod.text("/status/phase")) {
        (Some(reason), _) => reason,
        (None, "Running") => "running, not ready".into(),
        (None, "") => "Pending".into(),
        (None, phase) => phase.to_owned(),
    }
}

/// What a container waits for, or how it ended; `None` where it runs or has done its work.
fn container_state(container: &Value) -> Option<String> {
    let state = &container["state"];
    let ended = |state: &Value| {
        let reason = state["terminated"]["reason"].as_str().filter(|reason| *reason != "Completed")?;
        Some(format!("{reason}, exit code {}", state["terminated"]["exitCode"]))
    };
    let Some(reason) = state["waiting"]["reason"].as_str() else { return ended(state) };
    let message = state["waiting"]["message"].as_str().unwrap_or_default().trim();
    let text = if message.is_empty() { reason.to_owned() } else { format!("{reason}: {message}") };
    let before = ended(&container["lastState"]).map(|before| format!(" (before: {before})"));
    Some(text + &before.unwrap_or_default())
}

/// For how many seconds a pod has been ready at `now` (seconds since 1970); `None` where it is not, or does not say since when.
#[must_use]
pub fn ready_for(pod: &Object, now: u64) -> Option<u64> {
    let mut conditions = pod.list("/status/conditions").iter();
    let ready = conditions.find(|one| one["type"] == "Ready" && one["status"] == "True")?;
    Some(now.saturating_sub(seconds(&ready["lastTransitionTime"])?.try_into().ok()?))
}

/// How long a pod may take to get ready before it counts as one that does not, in seconds.
const STARTS_WITHIN: u64 = 120;

/// What happens to a pod that is not ready and needs nobody to get so: it was created lately and none of its containers has failed, or it
/// was deleted lately and its controller makes another. `None` where a person has to look: it finds no node, an image is missing, a
/// container ended or waits for something that does not exist. `now` is in seconds since 1970.
#[must_use]
pub fn is_coming(pod: &Object, now: u64) -> Option<&'static str> {
    let is_recent = |pointer: &str| {
        let at = pod.at(pointer).and_then(seconds);
        at.and_then(|at| u64::try_from(at).ok()).is_some_and(|at| at.abs_diff(now) < STARTS_WITHIN)
    };
    if pod.is_terminating() {
        return is_recent("/metadata/deletionTimestamp").then_some("is being replaced");
    }
    let is_well = |container: &Value| {
        let state = &container["state"];
        let waits = state["waiting"]["reason"].as_str();
        container["restartCount"].as_u64().unwrap_or_default() == 0
            && container["lastState"]["terminated"].is_null()
            && matches!(waits, None | Some("ContainerCreating" | "PodInitializing"))
            && (state["terminated"].is_null() || state["terminated"]["exitCode"] == 0)
    };
    let containers = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let is_well = containers.iter().flat_map(|pointer| pod.list(pointer)).all(is_well);
    let is_placed = condition(pod, "PodScheduled", "False").is_none();
    let is_alive = matches!(pod.text("/status/phase"), "" | "Pending" | "Running");
    (is_alive && is_placed && is_well && is_recent("/metadata/creationTimestamp")).then_some("is starting")
}

/// How long a container has to run before the kubelet takes its start as one that worked: twice the longest pause between two starts
/// (`NewBackOff` with `MaxContainerBackOff` in `pkg/kubelet/kubelet.go`, `hasExpired` in client-go's `util/flowcontrol/backoff.go`,
/// Kubernetes 1.34).
const SETTLES_AFTER: u64 = 600;

/// How often and why containers of a pod ended lately, in a few words, where one ended more than once and the last time within the ten
/// minutes before `now` (seconds since 1970). Between two ends such a pod may be ready.
#[must_use]
pub fn restarts_lately(pod: &Object, now: u64) -> Option<String> {
    pod.list("/status/containerStatuses").iter().find_map(|container| {
        let restarts = container["restartCount"].as_u64().filter(|restarts| *restarts > 1)?;
        let ended = seconds(&container["lastState"]["terminated"]["finishedAt"])?;
        let since = now.saturating_sub(ended.try_into().ok()?);
        let code = &container["lastState"]["terminated"]["exitCode"];
        let name = container["name"].as_str().unwrap_or_default();
        (since < SETTLES_AFTER)
            .then(|| format!("restarted {restarts} times: {name} ended {since} s ago with exit code {code}"))
    })
}

#[cfg(test)]
mod tests;

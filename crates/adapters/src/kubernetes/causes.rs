//! Why something is not ready yet: what a person would read in `kubectl describe`. It only explains; what cannot be read is
//! left out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use portolan_inventory::credential::told;
use portolan_kube_facts::{PodTemplate, pod_state, readiness};
use portolan_model::{Cond, Object, Progress, Ref, Seen};
use serde_json::Value;
use tokio::time::Instant;

use super::Client;
use super::kinds::encode;

/// A wait that is over sooner needs no explanation.
const FIRST: Duration = Duration::from_secs(3);

/// The pause between two looks at events: they come slowly, and a list of them can be long.
const EVERY: Duration = Duration::from_secs(5);

/// How many conditions are explained, and how many pods and events of each are named.
const NAMED: usize = 3;

/// How many events are read.
const EVENTS: usize = 500;

/// What was found out last, by the condition.
#[derive(Default)]
pub(super) struct Causes {
    known: BTreeMap<usize, (Cond, String)>,
    at: Option<Instant>,
}

impl Causes {
    /// Adds to what was seen why it is so. `last` for a wait that ends now.
    pub(super) async fn explain(
        &mut self,
        client: &Client,
        namespace: &str,
        progress: &mut [Progress],
        elapsed: Duration,
        last: bool,
    ) {
        let is_due = elapsed >= FIRST && self.at.is_none_or(|at| at.elapsed() >= EVERY);
        if is_due || last {
            self.known.clear();
            for (at, item) in progress.iter().take(NAMED).enumerate() {
                if let Some(cause) = client.cause(&item.cond, namespace).await {
                    self.known.insert(at, (item.cond.clone(), cause));
                }
            }
            self.at = Some(Instant::now());
        }
        for item in progress {
            if let Some((_, cause)) = self.known.values().find(|(cond, _)| *cond == item.cond) {
                item.seen = format!("{}; {}", item.seen, told(cause));
            }
        }
    }
}

impl Client {
    /// Why a condition does not hold yet; `namespace` is the release's.
    async fn cause(&self, cond: &Cond, namespace: &str) -> Option<String> {
        match cond {
            Cond::Ready(target) => self.unready_cause(target).await,
            Cond::HelmEnded(_) => self.hooks(namespace).await,
            Cond::Gone(_) | Cond::Ended(_) => None,
        }
    }

    async fn unready_cause(&self, target: &Ref) -> Option<String> {
        let Seen::There(workload) = self.see(target).await else { return None };
        let pods = self.pods_of(&workload).await;
        let events = self.warnings(target.namespace()).await;
        let lines = causes(&workload, &pods, &events);
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    /// The hook Jobs and hook pods that a running helm waits for.
    async fn hooks(&self, namespace: &str) -> Option<String> {
        let is_hook = |object: &Object| object.annotation("helm.sh/hook").is_some();
        let jobs = self.select("batch", "Job", namespace, "").await.unwrap_or_default();
        let pods = self.select("", "Pod", namespace, "").await.unwrap_or_default();
        let events = self.warnings(namespace).await;
        let mut lines = Vec::new();
        for job in jobs.iter().filter(|job| is_hook(job)) {
            let Err(text) = readiness(job) else { continue };
            let uid = job.uid();
            let is_its = |pod: &Object| uid.as_ref().is_some_and(|uid| portolan_kube_facts::is_owned_by(pod, uid));
            let own: Vec<Object> = pods.iter().filter(|pod| is_its(pod)).cloned().collect();
            let why = causes(job, &own, &events);
            let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
            lines.push(format!("hook Job {}: {text}{why}", job.text("/metadata/name")));
        }
        for pod in pods.iter().filter(|pod| is_hook(pod)) {
            if let Err(text) = readiness(pod) {
                lines.push(format!("hook pod {}: {text}", pod.text("/metadata/name")));
            }
        }
        lines.truncate(NAMED);
        (!lines.is_empty()).then(|| format!("it waits for {}", lines.join(", ")))
    }

    /// The warnings among a namespace's events; none where they may not be read.
    async fn warnings(&self, namespace: &str) -> Vec<Object> {
        let Ok(Some(endpoint)) = self.endpoint("", "Event").await else { return Vec::new() };
        let selector = encode("type=Warning");
        let path = format!("{}?fieldSelector={selector}&limit={EVENTS}", endpoint.list(namespace));
        let list = self.reader.fetch(&path).await.unwrap_or_default();
        let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        items.into_iter().map(Object::new).collect()
    }
}

/// What holds up a workload: the states of its pods, then the newest warnings about it, its pods, their PVCs and its replica
/// sets.
fn causes(workload: &Object, pods: &[Object], events: &[Object]) -> Vec<String> {
    let waiting: Vec<&Object> = pods.iter().filter(|pod| readiness(pod).is_err()).collect();
    let mut lines: Vec<String> = waiting
        .iter()
        .take(NAMED)
        .map(|pod| format!("pod {}: {}", pod.text("/metadata/name"), pod_state(pod)))
        .collect();
    let uids: BTreeSet<String> =
        waiting.iter().map(|pod| pod.uid()).chain([workload.uid()]).flatten().map(|uid| uid.to_string()).collect();
    let claims: BTreeSet<&str> =
        waiting.iter().filter_map(|pod| PodTemplate::of(pod)).flat_map(PodTemplate::claims).collect();
    let replica_set = format!("{}-", workload.text("/metadata/name"));
    let is_about = |event: &&Object| match event.text("/involvedObject/kind") {
        "PersistentVolumeClaim" => claims.contains(event.text("/involvedObject/name")),
        "ReplicaSet" => {
            workload.text("/kind") == "Deployment" && event.text("/involvedObject/name").starts_with(&replica_set)
        }
        _ => uids.contains(event.text("/involvedObject/uid")),
    };
    let mut about: Vec<&Object> = events.iter().filter(is_about).collect();
    about.sort_by_key(|event| std::cmp::Reverse(last_seen(event).to_owned()));
    let mut reasons = BTreeSet::new();
    for event in about {
        let (reason, message) = (event.text("/reason"), event.text("/message"));
        // What the pod's own state says already.
        let is_known = lines.iter().any(|line| line.contains(message));
        if !is_known && reasons.insert(reason) && reasons.len() <= NAMED {
            lines.push(format!("{reason}: {}", message.trim()));
        }
    }
    lines
}

/// When an event came last, in a form that sorts.
fn last_seen(event: &Object) -> &str {
    ["/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]
        .into_iter()
        .map(|pointer| event.text(pointer))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: &Value) -> Object {
        Object::new(json!({
            "kind": "Pod", "metadata": {"name": "store-0", "uid": "p"}, "status": status,
            "spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-store-0"}}]},
        }))
    }

    fn event(kind: &str, name: &str, uid: &str, reason: &str, at: &str) -> Object {
        Object::new(json!({
            "reason": reason, "message": format!("{reason} because"), "lastTimestamp": at,
            "involvedObject": {"kind": kind, "name": name, "uid": uid},
        }))
    }

    #[test]
    fn what_kubectl_describe_would_show_is_said() {
        let set = Object::new(json!({"kind": "StatefulSet", "metadata": {"name": "store", "uid": "s"}}));
        let events = [
            event("Pod", "store-0", "p", "FailedMount", "2026-01-01T00:00:02Z"),
            event("Pod", "store-0", "an earlier pod", "BackOff", "2026-01-01T00:00:09Z"),
            event("StatefulSet", "store", "s", "FailedCreate", "2026-01-01T00:00:03Z"),
            event("PersistentVolumeClaim", "data-store-0", "c", "ProvisioningFailed", "2026-01-01T00:00:01Z"),
            event("PersistentVolumeClaim", "other", "o", "Other", "2026-01-01T00:00:01Z"),
        ];
        let waiting = pod(&json!({"phase": "Pending", "containerStatuses": [
            {"ready": false, "state": {"waiting": {"reason": "CreateContainerConfigError", "message": "secret \"k\" not found"}}},
        ]}));
        assert_eq!(
            causes(&set, &[waiting], &events),
            [
                "pod store-0: CreateContainerConfigError: secret \"k\" not found",
                "FailedCreate: FailedCreate because",
                "FailedMount: FailedMount because",
                "ProvisioningFailed: ProvisioningFailed because",
            ]
        );
        let ready = pod(&json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}));
        assert_eq!(causes(&set, &[ready], &events[..2]), Vec::<String>::new(), "a pod that is ready explains nothing");
        assert_eq!(causes(&set, &[], &events), ["FailedCreate: FailedCreate because"], "no pod was made at all");
    }
}

//! What the upgrade itself forbids its new pods: LimitRanges, ResourceQuotas and pod security levels that helm applies before the
//! workloads. No dry run sees them, because they are not there when it is asked.

use portolan_kube_facts::{PodTemplate, created_pod};
use portolan_model::{Code, Finding, Object, Ref};
use serde_json::Value;

use super::{Precheck, quotas};
use portolan_kube_facts::semantics::{self, quantity};

/// A pod that the upgrade makes, and what makes it.
struct NewPod<'a> {
    name: Ref,
    template: PodTemplate<'a>,
    /// How many of them there are.
    count: i128,
}

pub(super) fn findings(check: &Precheck) -> Vec<Finding> {
    let mut all = Vec::new();
    for (name, doc) in check.writes.planned.iter().filter_map(|doc| Some((doc.name()?, doc))) {
        let changes = |pointer: &str| {
            let at = |object: &Object| object.at(pointer).cloned().unwrap_or_default();
            check.stored(&name).is_none_or(|stored| !semantics::equal(&at(stored), &at(doc)))
        };
        match name.kind() {
            "LimitRange" if changes("/spec") => {
                let pods = new_pods(check, name.namespace());
                all.extend(pods.iter().filter_map(|pod| of_range(&name, doc, pod)));
            }
            "ResourceQuota" if changes("/spec") => all.extend(of_quota(check, &name, doc)),
            "Namespace" if changes("/metadata/labels") => {
                let pods = new_pods(check, name.name());
                all.extend(pods.iter().filter_map(|pod| of_level(&name, doc, pod)));
            }
            _ => {}
        }
    }
    all
}

fn new_pods<'a>(check: &'a Precheck, namespace: &str) -> Vec<NewPod<'a>> {
    let all = check.writes.planned.iter().filter(|doc| doc.text("/metadata/namespace") == namespace);
    all.filter(|doc| check.makes_pods(doc) && (doc.text("/kind") == "Pod" || created_pod(doc).is_some()))
        .filter_map(|doc| {
            let count = quotas::count(doc).max(i128::from(doc.text("/kind") == "DaemonSet"));
            Some(NewPod { name: doc.name()?, template: PodTemplate::of(doc)?, count })
        })
        .collect()
}

/// The first bound of a LimitRange that a container does not keep (`plugin/pkg/admission/limitranger/admission.go`, Kubernetes 1.34).
fn of_range(range: &Ref, doc: &Object, pod: &NewPod<'_>) -> Option<Finding> {
    let items = doc.list("/spec/limits").iter().filter(|item| item["type"] == "Container");
    for (item, container) in items.flat_map(|item| pod.template.containers().map(move |container| (item, container))) {
        let own = |list: &str, resource: &str| {
            container.json.pointer("/resources")?.get(list)?.get(resource).map(|own| (list.to_owned(), own))
        };
        for (bound, resource, limit) in bounds(item) {
            let first = if bound == "max" { ["limits", "requests"] } else { ["requests", "limits"] };
            let Some((list, own)) = first.iter().find_map(|list| own(list, resource)) else { continue };
            let (Some(has), Some(limit_value)) = (quantity(own), quantity(limit)) else { continue };
            if (bound == "max" && has > limit_value) || (bound == "min" && has < limit_value) {
                let field = format!("{}{}/resources/{list}/{resource}", pod.template.pointer, container.pointer());
                let why = format!("{range} of the same chart has {bound} {resource} {limit}, the container {own}");
                return Some(refused(&pod.name, field, why));
            }
        }
    }
    None
}

fn bounds(item: &Value) -> impl Iterator<Item = (&'static str, &String, &Value)> {
    let of = move |bound: &'static str| {
        let map = item.get(bound).and_then(Value::as_object).into_iter().flatten();
        map.map(move |(resource, limit)| (bound, resource, limit))
    };
    of("max").chain(of("min"))
}

/// What a ResourceQuota does not leave room for (`pkg/quota/v1/evaluator/core/pods.go`, Kubernetes 1.34).
fn of_quota(check: &Precheck, quota: &Ref, doc: &Object) -> Vec<Finding> {
    let pods = new_pods(check, quota.namespace());
    let sum = quotas::Sum::of(check, quota, doc);
    let mut all = Vec::new();
    for (key, hard) in doc.at("/spec/hard").and_then(Value::as_object).into_iter().flatten() {
        let Some(room) = quantity(hard) else { continue };
        let (list, resource) = match key.as_str() {
            "pods" | "count/pods" => ("", "pods"),
            "cpu" | "memory" => ("requests", key.as_str()),
            other => match other.split_once('.') {
                Some((list @ ("requests" | "limits"), resource @ ("cpu" | "memory"))) => (list, resource),
                _ => {
                    all.extend(of_count(check, quota, key, hard));
                    continue;
                }
            },
        };
        let mut wanted = 0;
        for pod in &pods {
            let usage = sum.usage(pod.template, pod.count);
            wanted += usage.get(key).copied().unwrap_or_default();
            // What the quota does not count need not name anything.
            if usage.is_empty()
                || list.is_empty()
                || pod.template.spec.pointer(&format!("/resources/{list}/{resource}")).is_some()
            {
                continue;
            }
            for container in pod.template.containers() {
                let at = |list: &str| container.json.pointer(&format!("/resources/{list}/{resource}"));
                let is_named = at(list).or_else(|| at("limits").filter(|_| list == "requests")).is_some();
                if !is_named && !has_defaults(check, quota.namespace()) {
                    let field = format!("{}{}/resources/{list}", pod.template.pointer, container.pointer());
                    let why = format!("{quota} of the same chart limits {key}, and the container names no {resource}");
                    all.push(refused(&pod.name, field, why));
                }
            }
        }
        if wanted > room {
            let key = portolan_model::pointer_part(key);
            let why = format!("{quota} of the same chart allows {hard} in all, which is too little for its own pods");
            all.push(refused(quota, format!("/spec/hard/{key}"), why));
        }
    }
    all
}

/// The first object after the quota for which a limit of objects or storage leaves no room. What is known to be in the namespace
/// counts first.
fn of_count(check: &Precheck, quota: &Ref, key: &str, hard: &Value) -> Option<Finding> {
    let limit = quantity(hard)?;
    let taken = |object: &Object| quotas::of_object(check, object).get(key).copied().unwrap_or_default();
    let is_here = |name: &Ref| name.namespace() == quota.namespace() && name != quota;
    let live = check.known.objects.iter().filter(|(name, _)| is_here(name) && !check.writes.deletes.contains(*name));
    let mut used: i128 = live.map(|(_, object)| taken(object)).sum();
    let after = check.writes.planned.iter().skip_while(|doc| doc.name().as_ref() != Some(quota));
    let mut new = after
        .filter_map(|doc| Some((doc.name()?, doc)))
        .filter(|(name, _)| is_here(name) && (check.writes.deletes.contains(name) || !check.exists(name)));
    let (name, _) = new.find(|(_, doc)| {
        used += taken(doc);
        taken(doc) > 0 && used > limit
    })?;
    let why = format!("{quota} of the same chart limits {key} to {hard}");
    let finding = Finding::blocking(Code::ServerRefuses, format!("{quota} of the new chart has no room for {name}"));
    let finding = finding.about(&name).at("/metadata/name").with(why);
    let finding = finding.why("helm writes the quota first: the upgrade would stop half-way");
    Some(finding.next("raise the limit in the values of the chart, or leave the object out"))
}

/// Whether a LimitRange gives containers what they do not name: one of the chart, or one that has done so for a live pod.
fn has_defaults(check: &Precheck, namespace: &str) -> bool {
    let is_range = |doc: &Object| doc.text("/kind") == "LimitRange" && doc.text("/metadata/namespace") == namespace;
    let is_given = |(name, pod): (&Ref, &Object)| {
        name.kind() == "Pod" && name.namespace() == namespace && pod.annotation("kubernetes.io/limit-ranger").is_some()
    };
    let is_there = check.known.of_kind("LimitRange").any(|(_, range)| is_range(range));
    is_there || check.writes.planned.iter().any(is_range) || check.known.objects.iter().any(is_given)
}

/// What a pod security level that a Namespace of the chart begins to enforce forbids: the controls that a pod breaks most often, not
/// all of them (Pod Security Standards, Kubernetes 1.34).
fn of_level(namespace: &Ref, doc: &Object, pod: &NewPod<'_>) -> Option<Finding> {
    let level = doc.at("/metadata/labels")?.get("pod-security.kubernetes.io/enforce")?.as_str()?;
    let field = match level {
        "baseline" => baseline(pod.template)?,
        "restricted" => baseline(pod.template).or_else(|| restricted(pod.template))?,
        _ => return None,
    };
    let why = format!("{namespace} of the same chart enforces the pod security level {level}");
    Some(refused(&pod.name, format!("{}{field}", pod.template.pointer), why))
}

fn baseline(pod: PodTemplate<'_>) -> Option<String> {
    let is_true = |value: Option<&Value>| value == Some(&Value::Bool(true));
    let host = ["hostNetwork", "hostPID", "hostIPC"].into_iter().find(|key| is_true(pod.spec.get(*key)));
    let of_node = || pod.volumes().position(|volume| volume.get("hostPath").is_some());
    let privileged =
        || pod.containers().find(|container| is_true(container.json.pointer("/securityContext/privileged")));
    host.map(|key| format!("/{key}"))
        .or_else(|| of_node().map(|at| format!("/volumes/{at}/hostPath")))
        .or_else(|| privileged().map(|container| format!("{}/securityContext/privileged", container.pointer())))
}

fn restricted(pod: PodTemplate<'_>) -> Option<String> {
    let of_pod = |key: &str| pod.spec.get("securityContext")?.get(key);
    pod.containers().find_map(|container| {
        let own = |key: &str| container.json.get("securityContext")?.get(key);
        let at = |key: &str| Some(format!("{}/securityContext/{key}", container.pointer()));
        let either = |key: &str| own(key).or_else(|| of_pod(key));
        if either("runAsUser") == Some(&Value::from(0)) {
            return at("runAsUser");
        }
        if either("runAsNonRoot") != Some(&Value::Bool(true)) {
            return at("runAsNonRoot");
        }
        if own("allowPrivilegeEscalation") != Some(&Value::Bool(false)) {
            return at("allowPrivilegeEscalation");
        }
        let drop = own("capabilities").and_then(|all| all.get("drop")?.as_array());
        if !drop.is_some_and(|drop| drop.contains(&Value::from("ALL"))) {
            return at("capabilities");
        }
        let profile = either("seccompProfile").and_then(|profile| profile.get("type")?.as_str());
        if matches!(profile, Some("RuntimeDefault" | "Localhost")) { None } else { at("seccompProfile") }
    })
}

fn refused(object: &Ref, field: String, why: String) -> Finding {
    Finding::blocking(Code::ServerRefuses, format!("the new chart itself forbids new pods: see {object}"))
        .about(object)
        .at(field)
        .with(why)
        .why("helm says deployed, the old pods go, and the new ones never come")
        .next("change the limit or the pods in the values of the chart")
}

//! Pods that keep each other off a node: by required anti-affinity, or by a port of the node. And pods that go only where others are.

use std::collections::BTreeSet;

use portolan_kube_facts::{Deployment, created_pod, list, selects};
use portolan_model::{Finding, Object, Ref};
use serde_json::Value;

use super::{NewPods, Precheck, ports, quotas};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// What a node has too little of, among those that take the pods.
pub(super) fn findings(check: &Precheck, pods: &NewPods<'_>, fit: &[&Object], nodes: usize) -> Vec<Finding> {
    let mut found = apart(check, pods, fit);
    found.extend(of_ports(check, pods, fit, nodes));
    found
}

/// How many pods of the workload there are at once while it changes, where those of before count as well: a rolling update that may
/// not take a pod away first makes one more.
fn at_once(pods: &NewPods<'_>) -> i128 {
    let surge = Deployment::of(&pods.workload).is_some_and(|after| {
        let had = pods.before.map_or(0, quotas::count);
        had > 0 && !after.is_recreate() && !after.is_paused() && after.max_unavailable() == 0
    });
    quotas::count(&pods.workload).max(1) + i128::from(surge)
}

fn why_more(pods: &NewPods<'_>, needed: i128) -> String {
    let replicas = quotas::count(&pods.workload).max(1);
    let more = if needed > replicas { ", and one more while the Deployment replaces them" } else { "" };
    format!("{replicas} replicas{more}")
}

/// Workloads of the new chart beside this one, as the upgrade leaves them.
fn others<'a>(check: &'a Precheck, pods: &'a NewPods<'_>) -> impl Iterator<Item = &'a Object> {
    let own = &pods.name;
    let is_other = move |doc: &&Object| {
        doc.name().is_some_and(|name| name != *own && name.namespace() == own.namespace())
            && matches!(doc.text("/kind"), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Pod")
            && (doc.text("/kind") == "DaemonSet" || quotas::count(doc) > 0)
    };
    check.writes.planned.iter().filter(is_other)
}

fn labels(workload: &Object) -> Option<Value> {
    let pod = if workload.text("/kind") == "Pod" { Some(workload.clone()) } else { created_pod(workload) };
    pod?.at("/metadata/labels").cloned()
}

/// Whether a term is about pods of the workload's own namespace alone.
fn is_at_home(term: &Value, namespace: &str) -> bool {
    let named = list(term, "namespaces");
    term.get("namespaceSelector").is_none() && (named.is_empty() || named.iter().all(|name| name == namespace))
}

/// Required anti-affinity: each pod needs a place of its own.
fn apart(check: &Precheck, pods: &NewPods<'_>, fit: &[&Object]) -> Vec<Finding> {
    let field = format!("/affinity/podAntiAffinity/{REQUIRED}");
    let terms = pods.spec().pointer(&field).and_then(Value::as_array).into_iter().flatten();
    let own = pods.pod.at("/metadata/labels");
    let mut found = Vec::new();
    for (at, term) in terms.enumerate() {
        let key = term["topologyKey"].as_str().unwrap_or_default();
        // Terms that compare revisions are left out, and a node without the label is no place: pods of any number go there.
        let is_plain = list(term, "matchLabelKeys").is_empty() && list(term, "mismatchLabelKeys").is_empty();
        if !is_plain || !is_at_home(term, pods.name.namespace()) || fit.iter().any(|node| node.label(key).is_none()) {
            continue;
        }
        let places: BTreeSet<&str> = fit.iter().filter_map(|node| node.label(key)).collect();
        let selector = term.get("labelSelector");
        let others: Vec<Ref> = others(check, pods)
            .filter(|other| selects(selector, labels(other).as_ref()))
            .filter_map(Object::name)
            .collect();
        let is_own = selects(selector, own);
        let needed = if is_own { at_once(pods) } else { 1 };
        if (!is_own && others.is_empty())
            || needed + i128::from(!others.is_empty()) <= i128::try_from(places.len()).unwrap_or(i128::MAX)
        {
            continue;
        }
        let what = format!("the nodes have no room for all pods of {}, which keep each other away", pods.name);
        let names: Vec<&str> = places.into_iter().collect();
        let mut finding = pods.refused(what, &format!("{field}/{at}")).with(format!(
            "{}, each on a {key} of its own; nodes that take them have {}: {}",
            why_more(pods, needed),
            names.len(),
            names.join(", ")
        ));
        finding.evidence.extend(others.iter().map(|other| format!("it keeps away from the pods of {other} as well")));
        found.push(finding);
    }
    found
}

/// Ports of the node: one pod of those that take it on each.
fn of_ports(check: &Precheck, pods: &NewPods<'_>, fit: &[&Object], nodes: usize) -> Option<Finding> {
    let own = pods.ports();
    let clashes = |workload: &Object| ports(workload).iter().any(|port| own.iter().any(|own| own.conflicts(port)));
    let port = own.first()?;
    let had_it = pods.before.is_some_and(clashes);
    let needed = if had_it { at_once(pods) } else { quotas::count(&pods.workload).max(1) };
    let others: Vec<&Object> = others(check, pods).filter(|other| clashes(other)).collect();
    let is_everywhere = others.iter().any(|other| other.text("/kind") == "DaemonSet");
    let of_others: i128 = others.iter().map(|other| quotas::count(other)).sum();
    let holders = holders(check, pods, &clashes);
    let free = fit.iter().filter(|node| holders.iter().all(|(held, _)| *held != node.text("/metadata/name")));
    let free = i128::try_from(free.count()).unwrap_or(i128::MAX);
    let nodes = i128::try_from(nodes).unwrap_or(i128::MAX);
    if needed <= free && needed + of_others <= nodes && !is_everywhere {
        return None;
    }
    let what = format!("too few nodes have port {} free for the pods of {}", port.number, pods.name);
    let mut finding = pods.refused(what, "/containers").with(format!(
        "{}, each with port {}/{} of its node; {free} of {nodes} nodes can give it",
        why_more(pods, needed),
        port.number,
        port.protocol
    ));
    finding.evidence.extend(holders.iter().map(|(node, pod)| format!("Node/{node}: {pod} has it")));
    finding.evidence.extend(others.iter().filter_map(|other| Some(format!("{} takes it as well", other.name()?))));
    Some(finding)
}

/// Pods of others that have a port today and keep it: the node, and the pod.
fn holders<'a>(check: &'a Precheck, pods: &NewPods<'_>, clashes: &dyn Fn(&Object) -> bool) -> Vec<(&'a str, Ref)> {
    let is_of = |pod: &Object, workload: &Object| {
        workload.text("/metadata/namespace") == pod.text("/metadata/namespace")
            && selects(workload.at("/spec/selector"), pod.at("/metadata/labels"))
    };
    let of_release = || check.writes.stored.iter().chain(&check.writes.planned).chain([&pods.workload]);
    let ends = |pod: &Object| matches!(pod.text("/status/phase"), "Succeeded" | "Failed") || pod.is_terminating();
    let all = check.known.of_kind("Pod").filter(|(_, pod)| !pod.text("/spec/nodeName").is_empty() && !ends(pod));
    all.filter(|(_, pod)| clashes(pod) && !of_release().any(|workload| is_of(pod, workload)))
        .map(|(name, pod)| (pod.text("/spec/nodeName"), name.clone()))
        .collect()
}

/// Required affinity to pods that nobody has.
pub(super) fn without_friends(check: &Precheck, pods: &NewPods<'_>) -> Vec<Finding> {
    let field = format!("/affinity/podAffinity/{REQUIRED}");
    let namespace = pods.name.namespace();
    if !check.known.is_complete("Pod", namespace) {
        return Vec::new();
    }
    let live: Vec<&Object> =
        check.known.of_kind("Pod").filter(|(name, _)| name.namespace() == namespace).map(|(_, pod)| pod).collect();
    let terms = pods.spec().pointer(&field).and_then(Value::as_array).into_iter().flatten().enumerate();
    let is_alone = |term: &Value| {
        let is_it = |labels: Option<&Value>| selects(term.get("labelSelector"), labels);
        is_at_home(term, namespace)
            && !is_it(pods.pod.at("/metadata/labels"))
            && !live.iter().any(|pod| is_it(pod.at("/metadata/labels")))
            && !others(check, pods).any(|other| is_it(labels(other).as_ref()))
    };
    terms
        .filter(|(_, term)| is_alone(term))
        .map(|(at, term)| {
            let what =
                format!("the new pods of {} go only where other pods are, and there are none of these", pods.name);
            let selector = term.get("labelSelector").map(Value::to_string).unwrap_or_default();
            let has_pods =
                |pods: usize| format!("{pods} pods in namespace {namespace} were read; none is selected by {selector}");
            pods.refused(what, &format!("{field}/{at}")).with(has_pods(live.len()))
        })
        .collect()
}

//! Whether the nodes have room for all pods of the release at once: each may fit alone, and one of them stays Pending all the same, or
//! puts another out by its priority. What is counted at the end of the upgrade is the least that has to fit.

use std::collections::BTreeMap;

use portolan_kube_facts::{PodTemplate, amount, semantics};
use portolan_model::{Finding, Object, Ref, Severity};

use super::{NewPods, Precheck, quotas};

/// Resources that every node has, in thousandths.
const COUNTED: [&str; 2] = ["cpu", "memory"];

/// Whether the new pods ask for more than those of before.
pub(super) fn grows(all: &[NewPods<'_>]) -> bool {
    COUNTED.iter().any(|resource| all.iter().map(|pods| growth(pods, resource)).sum::<i128>() > 0)
}

fn growth(pods: &NewPods<'_>, resource: &str) -> i128 {
    let of = |workload: &Object| {
        let requests = PodTemplate::of(workload).map(quotas::requests).unwrap_or_default();
        lasting(workload) * requests.get(resource).copied().unwrap_or_default()
    };
    of(&pods.workload) - pods.before.map_or(0, of)
}

/// How many pods stay: those of Jobs end.
fn lasting(workload: &Object) -> i128 {
    if workload.text("/kind") == "Job" { 0 } else { quotas::count(workload) }
}

pub(super) fn finding(check: &Precheck, all: &[NewPods<'_>], nodes: &[&Object]) -> Option<Finding> {
    if !grows(all) || !check.known.is_complete("Pod", "") {
        return None;
    }
    let open: Vec<&&Object> =
        nodes.iter().filter(|node| node.at("/spec/unschedulable") != Some(&serde_json::Value::Bool(true))).collect();
    let names: Vec<&str> = open.iter().map(|node| node.text("/metadata/name")).collect();
    let mut taken: BTreeMap<String, i128> = BTreeMap::new();
    for (_, pod) in check.known.of_kind("Pod") {
        let is_over = matches!(pod.text("/status/phase"), "Succeeded" | "Failed");
        let is_counted = names.contains(&pod.text("/spec/nodeName")) && !is_over;
        if is_counted && !all.iter().any(|pods| is_pod_of(pod, &pods.name)) {
            let requests = PodTemplate::of(pod).map(quotas::requests).unwrap_or_default();
            requests.into_iter().for_each(|(resource, amount)| *taken.entry(resource).or_default() += amount);
        }
    }
    COUNTED.iter().find_map(|resource| {
        let of =
            |pods: &NewPods<'_>| lasting(&pods.workload) * pods.requests().get(*resource).copied().unwrap_or_default();
        let needed: i128 = all.iter().map(of).sum();
        let has = |node: &&&Object| node.at("/status/allocatable")?.get(*resource).and_then(semantics::quantity);
        let free = open.iter().map(has).sum::<Option<i128>>()? - taken.get(*resource).copied().unwrap_or_default();
        let first = all.iter().max_by_key(|pods| growth(pods, resource))?;
        (needed > free).then(|| said(check, all, first, (resource, needed, free.max(0))))
    })
}

fn said(
    check: &Precheck,
    all: &[NewPods<'_>],
    first: &NewPods<'_>,
    (resource, needed, free): (&str, i128, i128),
) -> Finding {
    let what = format!(
        "the new pods of the release request {resource} {} together, and the nodes have {} left beside other pods",
        amount(needed),
        amount(free)
    );
    let mut finding = first.refused(what, "/containers").with("a pod that finds no room stays Pending");
    finding.severity = Severity::Warning;
    let stores =
        all.iter().filter(|pods| PodTemplate::of(&pods.pod).is_some_and(|template| template.claims().next().is_some()));
    let lowest = stores.map(|pods| priority(check, pods)).min();
    let above = all
        .iter()
        .find(|pods| lowest.is_some_and(|lowest| priority(check, pods) > lowest) && growth(pods, resource) > 0);
    if let Some(pods) = above {
        finding.severity = Severity::Blocking;
        finding = finding.with(format!(
            "{} has a higher priority than a store of the release, whose pod is put out for it",
            pods.name
        ));
    }
    finding
}

/// The priority of pods; 0 where its class is not known.
fn priority(check: &Precheck, pods: &NewPods<'_>) -> i64 {
    let class = pods.spec()["priorityClassName"].as_str().unwrap_or_default();
    let name = Ref::new("scheduling.k8s.io", "PriorityClass", "", class);
    let found = check.planned(&name).or_else(|| check.known.get(&name));
    let builtin = match class {
        "system-node-critical" => 2_000_001_000,
        "system-cluster-critical" => 2_000_000_000,
        _ => 0,
    };
    found.and_then(|class| class.at("/value")?.as_i64()).unwrap_or(builtin)
}

/// Whether a pod is one of a workload's.
fn is_pod_of(pod: &Object, workload: &Ref) -> bool {
    let is_owner = |(kind, name): (&str, &str)| match (workload.kind(), kind) {
        ("Deployment", "ReplicaSet") => name.rsplit_once('-').is_some_and(|(name, _)| name == workload.name()),
        (wanted, kind) => wanted == kind && name == workload.name(),
    };
    let owners = pod.list("/metadata/ownerReferences").iter();
    let mut owners = owners.filter_map(|owner| Some((owner["kind"].as_str()?, owner["name"].as_str()?)));
    let is_itself = workload.kind() == "Pod" && pod.text("/metadata/name") == workload.name();
    pod.text("/metadata/namespace") == workload.namespace() && (is_itself || owners.any(is_owner))
}

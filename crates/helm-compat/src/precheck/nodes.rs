//! New pods that no node of the cluster takes. The dry run of a pod does not say it: the scheduler decides later, and the pod stays
//! Pending, with the old one gone.

mod rooms;
mod together;

use std::collections::BTreeMap;

use portolan_kube_facts::{HostPort, NodeRefusal, Placement, PodTemplate, StatefulSet, created_pod, list};
use portolan_model::{CheckAsk, Code, Finding, Object, Ref, ServerCheck, Severity};
use serde_json::Value;

use super::{Precheck, Purpose, quotas};

/// Nodes that a finding names one by one.
const NAMED: usize = 5;

/// What only the scheduler reads in a pod's spec.
const FIELDS: [&str; 7] = [
    "affinity",
    "nodeName",
    "nodeSelector",
    "schedulerName",
    "schedulingGates",
    "tolerations",
    "topologySpreadConstraints",
];

/// The pods that the upgrade makes of a workload or a hook.
struct NewPods<'a> {
    name: Ref,
    /// The workload as helm leaves it.
    workload: Object,
    /// The workload as it is before the hop, or as the hop before wrote it.
    before: Option<&'a Object>,
    /// The first of the pods.
    pod: Object,
}

impl<'a> NewPods<'a> {
    fn of(workload: Object, before: Option<&'a Object>) -> Option<Self> {
        let is_pod = workload.text("/kind") == "Pod";
        let pod = if is_pod { Some(workload.clone()) } else { created_pod(&workload) };
        Some(Self { name: workload.name()?, pod: pod?, workload, before })
    }

    fn spec(&self) -> &Value {
        self.pod.at("/spec").unwrap_or(&Value::Null)
    }

    fn pointer(&self) -> &'static str {
        PodTemplate::of(&self.workload).map_or("", |template| template.pointer)
    }

    fn requests(&self) -> BTreeMap<String, i128> {
        PodTemplate::of(&self.workload).map(quotas::requests).unwrap_or_default()
    }

    fn ports(&self) -> Vec<HostPort> {
        ports(&self.workload)
    }

    /// Whether the scheduler reads something in the pods that is not in those of before.
    fn is_placed_anew(&self) -> bool {
        let before = self.before.and_then(PodTemplate::of);
        let before_field = |key: &str| before.and_then(|template| template.spec.get(key)).unwrap_or(&Value::Null);
        let after = PodTemplate::of(&self.workload);
        let after_field = |key: &str| after.and_then(|template| template.spec.get(key)).unwrap_or(&Value::Null);
        let is_empty = |value: &Value| value.is_null() || value == "default-scheduler";
        let differs = |key: &&str| {
            let (before, after) = (before_field(key), after_field(key));
            before != after && !(is_empty(before) && is_empty(after))
        };
        FIELDS.iter().any(differs)
            || self.before.map_or_else(Vec::new, ports) != self.ports()
            || before.map(quotas::requests).unwrap_or_default() != self.requests()
    }

    fn refused(&self, found: String, field: &str) -> Finding {
        Finding::blocking(Code::NoNode, found)
            .about(&self.name)
            .at(format!("{}{field}", self.pointer()))
            .next("change it in the values of the chart; where nodes are added by themselves, or this is known to work: --accept PL261 --reason TEXT")
    }
}

fn ports(workload: &Object) -> Vec<HostPort> {
    PodTemplate::of(workload).map(|it| HostPort::all(it.spec, it.containers())).unwrap_or_default()
}

/// What the upgrade makes pods of. A DaemonSet asks for no more pods than nodes take, and nothing waits for those of a `CronJob`.
fn all(check: &Precheck) -> Vec<NewPods<'_>> {
    let docs = check.writes.planned.iter().filter_map(|doc| {
        let name = doc.name()?;
        let live = check.known.get(&name).filter(|_| check.writes.is_next);
        let before = live.or_else(|| check.stored(&name).filter(|_| !check.writes.is_next));
        let after = live.map_or_else(|| doc.clone(), |live| quotas::after(check, &name, doc, live));
        let grows = before.is_some_and(|before| quotas::count(&after) > quotas::count(before));
        let waits_for_people = StatefulSet::of(&after).is_some_and(|set| set.is_on_delete()) && before.is_some();
        let makes = (check.makes_pods(doc) && !waits_for_people) || grows;
        makes.then_some(())?;
        NewPods::of(after, before)
    });
    let hooks = check.hooks.iter().filter_map(|hook| NewPods::of(hook.object.clone(), None));
    let is_waited_for = |pods: &NewPods<'_>| !matches!(pods.name.kind(), "DaemonSet" | "CronJob");
    docs.chain(hooks).filter(is_waited_for).collect()
}

/// The nodes, where pods are made; and all pods, where new ones take ports of their node, or ask for more than those of before.
pub(super) fn asks(check: &Precheck) -> Vec<(Purpose, ServerCheck)> {
    let all = all(check);
    let takes_ports = all.iter().any(|pods| !pods.ports().is_empty() && pods.is_placed_anew());
    let mut asks: Vec<_> = check.list("Node", "").filter(|_| !all.is_empty()).into_iter().collect();
    let pods = ServerCheck { target: Ref::new("", "Pod", "", ""), ask: CheckAsk::List };
    let is_asked = takes_ports || (together::grows(&all) && !check.known.is_complete("Pod", ""));
    asks.extend(is_asked.then_some((Purpose::Read, pods)));
    asks
}

pub(super) fn findings(check: &Precheck) -> Vec<Finding> {
    let nodes: Vec<&Object> = check.known.of_kind("Node").map(|(_, node)| node).collect();
    let mut found = Vec::new();
    let mut not_checked = Vec::new();
    let all = all(check);
    let together =
        together::finding(check, &all, &nodes).filter(|_| check.known.is_complete("Node", "") && !nodes.is_empty());
    for pods in all {
        found.extend(unscheduled(check, &pods));
        if !check.known.is_complete("Node", "") {
            not_checked.extend(pods.is_placed_anew().then(|| pods.name.clone()));
            continue;
        }
        if !nodes.is_empty() {
            found.extend(of_nodes(check, &pods, &nodes));
        }
    }
    // A pod that fits nowhere by itself says it already.
    let is_said = found.iter().any(|finding| finding.severity == Severity::Blocking);
    found.extend(together.filter(|it| it.severity == Severity::Blocking || !is_said));
    if let Some(first) = not_checked.first() {
        let finding =
            Finding::note(Code::NotChecked, format!("whether a node takes the new pods of {first} was not checked"));
        let mut finding = finding.about(first).with("this user may not list nodes");
        finding.evidence.extend(not_checked.iter().skip(1).map(|name| format!("nor for {name}")));
        found.push(
            finding
                .why("what the scheduler reads changes; a pod that no node takes stays Pending, and the upgrade ends half-way")
                .next("compare it with the nodes (kubectl get nodes --show-labels), or ask for the right to list nodes"),
        );
    }
    found
}

fn of_nodes(check: &Precheck, pods: &NewPods<'_>, nodes: &[&Object]) -> Vec<Finding> {
    let requests = pods.requests();
    let template = PodTemplate::of(&pods.pod);
    let claims = template.into_iter().flat_map(PodTemplate::claims);
    let volumes: Vec<&Object> = claims
        .filter_map(|claim| {
            let claim = check.known.get(&Ref::claim(pods.pod.text("/metadata/namespace"), claim))?;
            check.known.get(&Ref::volume(claim.text("/spec/volumeName")))
        })
        .collect();
    let placement = Placement { spec: pods.spec(), requests: &requests, volumes: &volumes };
    let (fit, refused): (Vec<_>, Vec<_>) =
        nodes.iter().map(|node| (*node, placement.refused_by(node))).partition(|(_, refusal)| refusal.is_none());
    if fit.is_empty() {
        let refused: Vec<_> = refused.into_iter().filter_map(|(node, why)| Some((node, why?))).collect();
        return vec![no_node(pods, &refused)];
    }
    let fit: Vec<&Object> = fit.into_iter().map(|(node, _)| node).collect();
    rooms::findings(check, pods, &fit, nodes.len())
}

/// Every node refuses, each for its reason.
fn no_node(pods: &NewPods<'_>, refused: &[(&Object, NodeRefusal)]) -> Finding {
    let field = refused.first().map(|(_, refusal)| refusal.field.clone()).unwrap_or_default();
    let field = if refused.iter().all(|(_, refusal)| refusal.field == field) { field } else { String::new() };
    let mut finding = pods.refused(format!("no node takes the new pods of {}", pods.name), &field);
    let names =
        refused.iter().take(NAMED).map(|(node, why)| format!("Node/{}: {}", node.text("/metadata/name"), why.reason));
    finding.evidence.extend(names);
    if refused.len() > NAMED {
        finding.evidence.push(format!("and {} more", refused.len() - NAMED));
    }
    finding
}

/// A scheduler that no pod is known to have, gates that nobody is known to open, and friends that are nowhere.
fn unscheduled(check: &Precheck, pods: &NewPods<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let before = pods.before.and_then(PodTemplate::of);
    let is_new = |key: &str| before.is_none_or(|template| template.spec.get(key) != pods.spec().get(key));
    let scheduler = pods.spec()["schedulerName"].as_str().unwrap_or_default();
    let is_at_work = || {
        let mut all = check.known.of_kind("Pod");
        all.any(|(_, pod)| pod.text("/spec/schedulerName") == scheduler && !pod.text("/spec/nodeName").is_empty())
    };
    if !matches!(scheduler, "" | "default-scheduler") && is_new("schedulerName") && !is_at_work() {
        let what = format!("the new pods of {} wait for the scheduler {scheduler}", pods.name);
        found.push(pods.refused(what, "/schedulerName").with("no pod that was read has a node from it"));
    }
    if let Some(gate) = list(pods.spec(), "schedulingGates").first().filter(|_| is_new("schedulingGates")) {
        let gate = gate["name"].as_str().unwrap_or_default();
        let what = format!("the new pods of {} wait until somebody removes the scheduling gate {gate}", pods.name);
        found.push(pods.refused(what, "/schedulingGates"));
    }
    found.extend(rooms::without_friends(check, pods));
    found
}

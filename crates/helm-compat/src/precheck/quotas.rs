//! What the writes of a hop take of the ResourceQuotas in place, all together. Each dry run is asked as if it were the only write.

use std::collections::BTreeMap;

use kube_facts::{ContainerKind, PodTemplate, StatefulSet};
use model::{Code, Finding, Object, Ref};
use serde_json::Value;

use super::{Precheck, Purpose, body};
use crate::upgrade;
use kube_facts::semantics::quantity;

/// By the keys of a quota's `hard`, in thousandths.
pub(super) type Usage = BTreeMap<String, i128>;

/// What a write takes, or gives back where it is negative.
struct Write {
    /// What is written; `None` is helm's own record.
    object: Option<Ref>,
    namespace: String,
    usage: Usage,
}

/// How many records of a release helm keeps where nobody says otherwise: it deletes the oldest before it makes a new one
/// (`Storage.Create` in `pkg/storage/storage.go`, helm 3.14.4 to 4.3.1).
const RECORDS: usize = 10;

/// The first write for each limit that finds no room. Of a later hop it is asked when its turn comes: what the quotas count changes
/// with the hops before.
pub(super) fn findings(check: &Precheck) -> Vec<Finding> {
    if !check.writes.is_next {
        return Vec::new();
    }
    let writes = writes(check);
    let quotas = check.known.of_kind("ResourceQuota").filter(|(name, quota)| {
        let is_here = !check.writes.deletes.contains(*name) && !quota.is_terminating();
        is_here && !is_scoped(quota)
    });
    quotas.flat_map(|(name, quota)| of_quota(check, name, quota, &writes)).collect()
}

/// Whether a quota counts some pods alone.
pub(super) fn is_scoped(quota: &Object) -> bool {
    !quota.list("/spec/scopes").is_empty() || quota.at("/spec/scopeSelector").is_some()
}

fn of_quota(check: &Precheck, name: &Ref, quota: &Object, writes: &[Write]) -> Vec<Finding> {
    let at = |pointer: &str, key: &str| quota.at(pointer)?.get(key).and_then(quantity);
    let planned = check.planned(name);
    let mut found = Vec::new();
    for (key, hard) in quota.at("/status/hard").and_then(Value::as_object).into_iter().flatten() {
        // A quota of the chart is written before what it counts.
        let hard = match planned {
            Some(planned) => match planned.at("/spec/hard").and_then(|hard| hard.get(key)) {
                Some(hard) => hard,
                None => continue,
            },
            None => hard,
        };
        let (Some(limit), Some(mut used)) = (quantity(hard), at("/status/used", key)) else { continue };
        for write in writes.iter().filter(|write| write.namespace == name.namespace()) {
            let Some(taken) = write.usage.get(key) else { continue };
            used += taken;
            if *taken > 0 && used > limit {
                found.push(over(write, name, key, hard, quota.at("/status/used").and_then(|used| used.get(key))));
                break;
            }
        }
    }
    found
}

fn over(write: &Write, quota: &Ref, key: &str, hard: &Value, used: Option<&Value>) -> Finding {
    let (what, about, field) = match &write.object {
        Some(object) => (object.to_string(), object, "/metadata/name".to_owned()),
        None => {
            ("helm's record of the new revision".to_owned(), quota, format!("/spec/hard/{}", model::pointer_part(key)))
        }
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let used = used.map_or_else(String::new, text);
    Finding::blocking(Code::ServerRefuses, format!("{quota} has no room for {what}"))
        .about(about)
        .at(field)
        .with(format!(
            "{quota} limits {key} to {}, {used} is used, and the upgrade needs more than the rest",
            text(hard)
        ))
        .why("each write would be accepted alone, but not all of them: the upgrade would stop half-way")
        .next(format!("raise {key} in {quota}, or delete what the namespace no longer needs, then plan again"))
}

/// The writes in helm's order: its record, the hooks before, the manifest with its pods, the hooks after.
fn writes(check: &Precheck) -> Vec<Write> {
    let mut all: Vec<Write> = record(check).into_iter().collect();
    hooks(check, true, &mut all);
    let docs: Vec<(Ref, &Object)> = check.writes.planned.iter().filter_map(|doc| Some((doc.name()?, doc))).collect();
    // Pods are made again until there is room, so what ends in this hop gives it first.
    let dropped =
        check.writes.stored.iter().filter(|doc| doc.name().is_some_and(|name| check.planned(&name).is_none()));
    for (name, doc) in
        dropped.filter_map(|doc| Some((doc.name()?, doc))).filter(|(name, _)| !check.known.is_absent(name))
    {
        let live = check.known.get(&name).unwrap_or(doc);
        push(&mut all, &name, minus(Usage::new(), &of_pods(live)));
    }
    let mut changes: Vec<(&Ref, Usage)> = docs.iter().map(|(name, doc)| (name, pods(check, name, doc))).collect();
    changes.sort_by_key(|(_, usage)| usage.values().any(|taken| *taken > 0));
    for (name, doc) in &docs {
        push(&mut all, name, object(check, name, doc));
    }
    changes.into_iter().for_each(|(name, usage)| push(&mut all, name, usage));
    hooks(check, false, &mut all);
    all
}

fn push(all: &mut Vec<Write>, name: &Ref, usage: Usage) {
    all.push(Write { object: Some(name.clone()), namespace: name.namespace().to_owned(), usage });
}

/// Helm's record of the new revision, a Secret: of a release whose records are ConfigMaps there is no plan.
fn record(check: &Precheck) -> Option<Write> {
    let namespace = check.writes.release.namespace.clone();
    (check.writes.records < RECORDS).then(|| Write { object: None, namespace, usage: counts("", "Secret") })
}

/// The objects of an event's hooks; what helm deletes when the event is over counts no more then.
fn hooks(check: &Precheck, is_before: bool, all: &mut Vec<Write>) {
    let mut gone = Vec::new();
    for (index, hook) in check.hooks.iter().enumerate().filter(|(_, hook)| hook.is_before == is_before) {
        let Some(name) = hook.object.name() else { continue };
        let is_there = check.known.get(&name).is_some()
            || check.answered.iter().any(|(purpose, _, answer)| {
                *purpose == Purpose::Hook(index)
                    && matches!(answer, model::CheckAnswer::Refused(refused) if refused.reason == "AlreadyExists")
            });
        let usage = of_object(check, &hook.object);
        if !is_there {
            push(all, &name, usage.clone());
        }
        if hook.is_deleted_after {
            gone.push((name, usage));
        }
    }
    gone.into_iter().for_each(|(name, usage)| push(all, &name, minus(Usage::new(), &usage)));
}

/// What a document takes more than its object does today.
fn object(check: &Precheck, name: &Ref, doc: &Object) -> Usage {
    let mut usage = match check.known.get(name) {
        Some(live) => minus(of_object(check, &after(check, name, doc, live)), &of_object(check, live)),
        None => of_object(check, doc),
    };
    if name.kind() == "StatefulSet" {
        add(&mut usage, &of_claims(check, name, doc));
    }
    usage
}

/// What the pods of a document take more than those of its object do today.
fn pods(check: &Precheck, name: &Ref, doc: &Object) -> Usage {
    match check.known.get(name) {
        Some(live) => minus(of_pods(&after(check, name, doc, live)), &of_pods(live)),
        None => of_pods(doc),
    }
}

fn after(check: &Precheck, name: &Ref, doc: &Object, live: &Object) -> Object {
    if check.writes.deletes.contains(name) {
        return doc.clone();
    }
    upgrade::patched(check.stored(name), &body::marked(doc, &check.writes.release), live)
}

/// The PVCs that a StatefulSet makes of its templates.
fn of_claims(check: &Precheck, name: &Ref, set: &Object) -> Usage {
    let mut usage = Usage::new();
    let claims = StatefulSet::named(name, set).map(|set| set.claims()).unwrap_or_default();
    for made in claims.into_iter().filter(|made| check.known.is_absent(&made.claim)) {
        let mut claim = made.template.clone();
        claim["kind"] = "PersistentVolumeClaim".into();
        claim["apiVersion"] = "v1".into();
        add(&mut usage, &of_object(check, &Object::new(claim)));
    }
    usage
}

/// What an object itself takes (`pkg/quota/v1/evaluator/core`, Kubernetes 1.34), its pods left out.
pub(super) fn of_object(check: &Precheck, object: &Object) -> Usage {
    let (kind, api) = (object.text("/kind"), object.text("/apiVersion"));
    let group = api.split_once('/').map_or("", |(group, _)| group);
    if (group, kind) == ("", "Pod") {
        return Usage::new();
    }
    let mut usage = counts(group, kind);
    match (group, kind) {
        ("", "Service") => {
            let kind = object.text("/spec/type");
            let ports = object.list("/spec/ports");
            let all = object.at("/spec/allocateLoadBalancerNodePorts") != Some(&Value::Bool(false));
            let ports = match kind {
                "NodePort" => ports.len(),
                "LoadBalancer" if all => ports.len(),
                "LoadBalancer" => ports.iter().filter(|port| port.get("nodePort").is_some()).count(),
                _ => 0,
            };
            usage.insert("services.nodeports".into(), 1_000 * i128::try_from(ports).unwrap_or_default());
            usage.insert("services.loadbalancers".into(), if kind == "LoadBalancer" { 1_000 } else { 0 });
        }
        ("", "PersistentVolumeClaim") => {
            let storage = object.at("/spec/resources/requests/storage").and_then(quantity).unwrap_or_default();
            usage.insert("requests.storage".into(), storage);
            if let Some(class) = class(check, object) {
                let key = |key: &str| format!("{class}.storageclass.storage.k8s.io/{key}");
                usage.insert(key("requests.storage"), storage);
                usage.insert(key("persistentvolumeclaims"), 1_000);
            }
        }
        _ => {}
    }
    usage
}

/// The class of a PVC: its own, or the only default one.
fn class(check: &Precheck, claim: &Object) -> Option<String> {
    let own = kube_facts::class_of(claim);
    if !own.is_empty() || claim.at("/spec/storageClassName").is_some() {
        return Some(own.to_owned()).filter(|own| !own.is_empty());
    }
    let is_default = |class: &Object| class.annotation("storageclass.kubernetes.io/is-default-class") == Some("true");
    let mut defaults = check.known.of_kind("StorageClass").filter(|(_, class)| is_default(class));
    defaults.next().filter(|_| defaults.next().is_none()).map(|(name, _)| name.name().to_owned())
}

/// One object of a kind, as quotas count it.
fn counts(group: &str, kind: &str) -> Usage {
    let plural = plural(kind);
    match group {
        "" => [(format!("count/{plural}"), 1_000), (plural, 1_000)].into(),
        group => [(format!("count/{plural}.{group}"), 1_000)].into(),
    }
}

pub(super) fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.strip_suffix('y') {
        _ if lower == "endpoints" => lower,
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if lower.ends_with('s') => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}

/// What the pods take that a workload keeps. Those of Jobs come and go, and the server was asked about the first of them.
fn of_pods(workload: &Object) -> Usage {
    let replicas = || workload.at("/spec/replicas").and_then(Value::as_u64).map_or(1, i128::from);
    let count = match workload.text("/kind") {
        "Pod" => 1,
        "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" => replicas(),
        _ => 0,
    };
    PodTemplate::of(workload).map(|template| of_template(template, count)).unwrap_or_default()
}

fn of_template(template: PodTemplate<'_>, count: i128) -> Usage {
    let mut usage: Usage = [("pods".to_owned(), 1_000), ("count/pods".to_owned(), 1_000)].into();
    let main = template.containers().filter(|container| container.kind == ContainerKind::Main);
    for container in main {
        let map = |list: &str| container.json.pointer(&format!("/resources/{list}")).and_then(Value::as_object);
        let (requests, limits) = (map("requests"), map("limits"));
        let of_limits =
            limits.into_iter().flatten().filter(|(key, _)| requests.is_none_or(|own| !own.contains_key(*key)));
        for (resource, value) in requests.into_iter().flatten().chain(of_limits) {
            let value = quantity(value).unwrap_or_default();
            *usage.entry(format!("requests.{resource}")).or_default() += value;
            if matches!(resource.as_str(), "cpu" | "memory" | "ephemeral-storage") {
                *usage.entry(resource.clone()).or_default() += value;
            }
        }
        for (resource, value) in limits.into_iter().flatten() {
            *usage.entry(format!("limits.{resource}")).or_default() += quantity(value).unwrap_or_default();
        }
    }
    usage.into_iter().map(|(key, taken)| (key, taken * count)).collect()
}

fn add(usage: &mut Usage, more: &Usage) {
    for (key, taken) in more {
        *usage.entry(key.clone()).or_default() += taken;
    }
}

fn minus(mut usage: Usage, less: &Usage) -> Usage {
    for (key, taken) in less {
        *usage.entry(key.clone()).or_default() -= taken;
    }
    usage
}

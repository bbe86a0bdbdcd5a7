//! What the writes of a hop take of the ResourceQuotas in place, all together. Each dry run is asked as if it were the only write.

mod pods;

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::{PodTemplate, StatefulSet};
use portolan_model::{Code, Finding, Object, Ref};
use serde_json::Value;

use super::{Precheck, Purpose, body};
use crate::upgrade;
use portolan_kube_facts::semantics::quantity;

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

/// The namespaces that the hop writes to.
pub(super) fn namespaces(check: &Precheck) -> BTreeSet<String> {
    let docs = check.writes.planned.iter().chain(check.hooks.iter().map(|hook| &hook.object));
    let mut all: BTreeSet<String> = docs.map(|doc| doc.text("/metadata/namespace").to_owned()).collect();
    all.insert(check.writes.release.namespace.clone());
    all.remove("");
    all
}

/// The first write for each limit that finds no room. Of a later hop it is asked when its turn comes: what the quotas count changes
/// with the hops before.
pub(super) fn findings(check: &Precheck) -> Vec<Finding> {
    if !check.writes.is_next {
        return Vec::new();
    }
    let quotas = check.known.of_kind("ResourceQuota").filter(|(name, quota)| {
        !check.writes.deletes.contains(*name) && !quota.is_terminating() && namespaces(check).contains(name.namespace())
    });
    let mut all: Vec<Finding> = Vec::new();
    for (name, quota) in quotas {
        let writes = writes(check, Sum::of(check, name, quota));
        all.extend(of_quota(check, name, quota, &writes));
        all.extend(open(check, name, quota));
    }
    all.extend(unseen(check));
    all
}

/// Quotas and LimitRanges that this user may not list.
fn unseen(check: &Precheck) -> Vec<Finding> {
    let mut all = Vec::new();
    for namespace in namespaces(check) {
        let is_denied = |kind: &str| check.known.denied.contains(&Ref::new("", kind, &namespace, ""));
        let has_quota = || check.known.of_kind("ResourceQuota").any(|(name, _)| name.namespace() == namespace);
        let kind = match () {
            () if is_denied("ResourceQuota") => "ResourceQuotas",
            () if is_denied("LimitRange") && has_quota() => "LimitRanges",
            () => continue,
        };
        let found = format!("the sum of what the upgrade takes of quotas in namespace {namespace} was not checked");
        let finding = Finding::note(Code::NotChecked, found).with(format!("this user may not list {kind} there"));
        all.push(finding.why("each write is asked about alone; all of them together may be too much for a quota"));
    }
    all
}

/// What a quota counts that comes and goes, or whose number is not known: the pods of new DaemonSets and of CronJobs.
fn open(check: &Precheck, name: &Ref, quota: &Object) -> Option<Finding> {
    let sum = Sum::of(check, name, quota);
    let hard = quota.at("/status/hard").and_then(Value::as_object)?;
    let is_open = |doc: &&Object| {
        let is_new = doc.name().is_some_and(|name| !check.exists(&name) || check.writes.deletes.contains(&name));
        let counts = matches!(doc.text("/kind"), "DaemonSet" | "CronJob") && is_new;
        let taken = PodTemplate::of(doc).map(|template| sum.usage(template, 1)).unwrap_or_default();
        counts && doc.text("/metadata/namespace") == name.namespace() && taken.keys().any(|key| hard.contains_key(key))
    };
    let docs: Vec<Ref> = check.writes.planned.iter().filter(is_open).filter_map(Object::name).collect();
    let first = docs.first()?;
    let finding =
        Finding::note(Code::NotChecked, format!("how much {name} has to leave for pods of {first} is not known"));
    let mut finding = finding.about(name).why("the number of its pods depends on the nodes, or on the time");
    finding.evidence = docs.iter().map(|doc| format!("not counted: the pods of {doc}")).collect();
    Some(finding.next("nothing, where the quota has room for them"))
}

/// How a quota counts pods.
#[derive(Clone)]
pub(super) struct Sum<'a> {
    scope: pods::Scope<'a>,
    defaults: pods::Defaults,
}

impl<'a> Sum<'a> {
    pub(super) fn of(check: &Precheck, name: &Ref, quota: &'a Object) -> Self {
        let is_here = |range: &&Object| {
            range.text("/kind") == "LimitRange" && range.text("/metadata/namespace") == name.namespace()
        };
        let planned = check.writes.planned.iter().filter(is_here);
        let live = check
            .known
            .of_kind("LimitRange")
            .filter(|(range, _)| check.planned(range).is_none())
            .map(|(_, range)| range);
        let defaults = pods::Defaults::of(planned.chain(live.filter(is_here)));
        Self { scope: pods::Scope::of(quota), defaults }
    }

    /// What pods of a template take of the quota; nothing where it does not count them.
    pub(super) fn usage(&self, template: PodTemplate<'_>, count: i128) -> Usage {
        if count == 0 || !self.scope.has(template, &self.defaults) {
            return Usage::new();
        }
        pods::usage(template, count, &self.defaults)
    }

    /// What the pods take that a workload keeps.
    fn of_pods(&self, workload: &Object) -> Usage {
        PodTemplate::of(workload).map(|template| self.usage(template, count(workload))).unwrap_or_default()
    }
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
        None => (
            "helm's record of the new revision".to_owned(),
            quota,
            format!("/spec/hard/{}", portolan_model::pointer_part(key)),
        ),
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
fn writes(check: &Precheck, sum: Sum<'_>) -> Vec<Write> {
    let mut all = Writes { check, sum, all: Vec::new() };
    all.record();
    all.hooks(true);
    let docs: Vec<(Ref, &Object)> = check.writes.planned.iter().filter_map(|doc| Some((doc.name()?, doc))).collect();
    // Pods are made again until there is room, so what ends in this hop gives it first.
    let dropped =
        check.writes.stored.iter().filter(|doc| doc.name().is_some_and(|name| check.planned(&name).is_none()));
    for (name, doc) in
        dropped.filter_map(|doc| Some((doc.name()?, doc))).filter(|(name, _)| !check.known.is_absent(name))
    {
        let live = check.known.get(&name).unwrap_or(doc);
        let usage = minus(Usage::new(), &all.sum.of_pods(live));
        all.push(&name, usage);
    }
    let mut changes: Vec<(&Ref, Usage)> = docs.iter().map(|(name, doc)| (name, all.pods(name, doc))).collect();
    changes.sort_by_key(|(_, usage)| usage.values().any(|taken| *taken > 0));
    if all.sum.scope.is_everything() {
        docs.iter().for_each(|(name, doc)| all.push(name, object(check, name, doc)));
    }
    let (ends, begins): (Vec<_>, Vec<_>) =
        changes.into_iter().partition(|(_, usage)| usage.values().all(|taken| *taken <= 0));
    ends.into_iter().for_each(|(name, usage)| all.push(name, usage));
    docs.iter().for_each(|(name, doc)| all.surge(name, doc));
    begins.into_iter().for_each(|(name, usage)| all.push(name, usage));
    all.hooks(false);
    all.all
}

struct Writes<'a> {
    check: &'a Precheck,
    sum: Sum<'a>,
    all: Vec<Write>,
}

impl Writes<'_> {
    fn push(&mut self, name: &Ref, usage: Usage) {
        self.all.push(Write { object: Some(name.clone()), namespace: name.namespace().to_owned(), usage });
    }

    /// Helm's record of the new revision, a Secret: of a release whose records are ConfigMaps there is no plan.
    fn record(&mut self) {
        let namespace = self.check.writes.release.namespace.clone();
        if self.check.writes.records < RECORDS && self.sum.scope.is_everything() {
            self.all.push(Write { object: None, namespace, usage: counts("", "Secret") });
        }
    }

    /// The objects of an event's hooks and their pods: helm waits for each Job, and pods that are done count no more but as objects. What
    /// helm deletes when the event is over counts no more then.
    fn hooks(&mut self, is_before: bool) {
        let mut gone = Vec::new();
        for (index, hook) in self.check.hooks.iter().enumerate().filter(|(_, hook)| hook.is_before == is_before) {
            let Some(name) = hook.object.name() else { continue };
            let is_there = self.check.known.get(&name).is_some()
                || self.check.answered.iter().any(|(purpose, _, answer)| {
                    *purpose == Purpose::Hook(index)
                        && matches!(answer, portolan_model::CheckAnswer::Refused(refused) if refused.reason == "AlreadyExists")
                });
            let mut usage = Usage::new();
            if self.sum.scope.is_everything() {
                usage = of_object(self.check, &hook.object);
            }
            if !is_there {
                self.push(&name, usage.clone());
            }
            let running = self.sum.of_pods(&hook.object);
            self.push(&name, running.clone());
            if matches!(hook.object.text("/kind"), "Job" | "Pod") {
                self.push(&name, minus(Usage::new(), &running));
            } else if hook.is_deleted_after {
                add(&mut usage, &running);
            }
            if hook.is_deleted_after {
                gone.push((name, usage));
            }
        }
        gone.into_iter().for_each(|(name, usage)| self.push(&name, minus(Usage::new(), &usage)));
    }

    /// What the pods of a document take more than those of its object do today.
    fn pods(&self, name: &Ref, doc: &Object) -> Usage {
        match self.check.known.get(name) {
            // A Job that is there has had its pods.
            Some(_) if name.kind() == "Job" && !self.check.writes.deletes.contains(name) => Usage::new(),
            Some(live) if name.kind() == "Job" => minus(self.sum.of_pods(doc), &self.of_running(live)),
            Some(live) => minus(self.sum.of_pods(&after(self.check, name, doc, live)), &self.sum.of_pods(live)),
            None => self.sum.of_pods(doc),
        }
    }

    /// What the pods of a Job take that run today.
    fn of_running(&self, job: &Object) -> Usage {
        let active = job.at("/status/active").and_then(Value::as_u64).map_or(0, i128::from);
        PodTemplate::of(job).map(|template| self.sum.usage(template, active)).unwrap_or_default()
    }

    /// A Deployment that may not take a pod away first needs room for one more while it rolls
    /// (`ResolveFenceposts` in `pkg/controller/deployment/util`, Kubernetes 1.34).
    fn surge(&mut self, name: &Ref, doc: &Object) {
        let Some(live) = self.check.known.get(name).filter(|_| !self.check.writes.deletes.contains(name)) else {
            return;
        };
        let after = after(self.check, name, doc, live);
        let before = count(live).min(count(&after));
        let is_rolling = name.kind() == "Deployment"
            && matches!(after.text("/spec/strategy/type"), "" | "RollingUpdate")
            && !portolan_kube_facts::is_paused(&after);
        if !is_rolling || before == 0 || !self.check.makes_pods(doc) || unavailable(&after) > 0 {
            return;
        }
        let usage = PodTemplate::of(&after).map(|template| self.sum.usage(template, 1)).unwrap_or_default();
        self.push(name, usage.clone());
        self.push(name, minus(Usage::new(), &usage));
    }
}

/// How many pods of a Deployment may be missing while it rolls: a share is rounded down, 25% where nothing is said.
fn unavailable(deployment: &Object) -> i128 {
    let replicas = count(deployment);
    let share = |text: &str| {
        text.strip_suffix('%').and_then(|share| share.parse::<i128>().ok()).map(|share| replicas * share / 100)
    };
    match deployment.at("/spec/strategy/rollingUpdate/maxUnavailable") {
        Some(Value::Number(number)) => number.as_i64().map_or(0, i128::from),
        Some(Value::String(text)) => share(text).unwrap_or_default(),
        _ => replicas / 4,
    }
}

/// What a document takes more than its object does today, its pods left out.
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

/// An object as helm leaves it.
pub(super) fn after(check: &Precheck, name: &Ref, doc: &Object, live: &Object) -> Object {
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

/// The class of a PVC: its own, or the default one.
fn class(check: &Precheck, claim: &Object) -> Option<String> {
    let own = portolan_kube_facts::class_of(claim);
    if !own.is_empty() || claim.at("/spec/storageClassName").is_some() {
        return Some(own.to_owned()).filter(|own| !own.is_empty());
    }
    let classes = check.known.of_kind("StorageClass").map(|(_, class)| class);
    portolan_kube_facts::default_class(classes).map(|class| class.text("/metadata/name").to_owned())
}

/// One object of a kind, as quotas count it.
fn counts(group: &str, kind: &str) -> Usage {
    let plural = portolan_kube_facts::plural(group, kind);
    match group {
        "" => [(format!("count/{plural}"), 1_000), (plural, 1_000)].into(),
        group => [(format!("count/{plural}.{group}"), 1_000)].into(),
    }
}

/// How many pods of a workload there are at once. Those of CronJobs come at their time.
pub(super) fn count(workload: &Object) -> i128 {
    let number = |pointer: &str| workload.at(pointer).and_then(Value::as_u64).map(i128::from);
    match workload.text("/kind") {
        "Pod" => 1,
        "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" => {
            portolan_kube_facts::replicas(workload).into()
        }
        "DaemonSet" => number("/status/desiredNumberScheduled").unwrap_or_default(),
        "Job" if workload.at("/spec/suspend") == Some(&Value::Bool(true)) => 0,
        "Job" => number("/spec/parallelism").unwrap_or(1).min(number("/spec/completions").unwrap_or(i128::MAX)),
        _ => 0,
    }
}

/// What a pod of a template asks of its node, by resource, in thousandths.
pub(super) fn requests(template: PodTemplate<'_>) -> BTreeMap<String, i128> {
    let all = pods::usage(template, 1, &pods::Defaults::default()).into_iter();
    all.filter_map(|(key, taken)| Some((key.strip_prefix("requests.")?.to_owned(), taken))).collect()
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

//! References of the new chart to objects that will not be there.

use std::collections::BTreeSet;

use portolan_kube_facts::{Owner, PodTemplate, Reference, StatefulSet};
use portolan_model::{Code, Finding, Object, Ref, Severity};
use serde_json::Value;

use super::Precheck;
use super::hooks::Hook;
use crate::{merge, upgrade};

/// Who refers: a document of the manifest, or a hook.
#[derive(Clone, Copy)]
enum By<'a> {
    Document(&'a Object),
    Hook(&'a Hook),
}

impl<'a> By<'a> {
    fn object(self) -> &'a Object {
        match self {
            Self::Document(object) => object,
            Self::Hook(hook) => &hook.object,
        }
    }
}

/// Whether what is referred to will be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    Yes,
    /// The object is there, and has no such key.
    NoKey,
    /// The object is there until its finalizers are done, and helm does not make it again.
    Ends,
    No,
    Unknown,
}

fn all(check: &Precheck) -> impl Iterator<Item = (By<'_>, Reference)> {
    let docs = check.writes.planned.iter().map(By::Document);
    let by = docs.chain(check.hooks.iter().map(By::Hook));
    by.flat_map(|by| portolan_kube_facts::references(by.object()).into_iter().map(move |reference| (by, reference)))
}

/// What has to be read to judge the references. Whether a priority or runtime class is there the dry run of the pod says.
pub(super) fn unread(check: &Precheck) -> BTreeSet<Ref> {
    all(check)
        .filter(|(by, reference)| {
            reference.is_required && is_read(&reference.target) && there(check, *by, reference) == There::Unknown
        })
        .map(|(_, reference)| reference.target)
        .filter(|target| !check.known.knows(target))
        .collect()
}

fn is_read(target: &Ref) -> bool {
    !matches!(target.kind(), "PriorityClass" | "RuntimeClass")
}

/// References to what will not be there.
pub(super) fn findings(check: &Precheck) -> Vec<Finding> {
    let mut found = Vec::new();
    for (by, reference) in all(check) {
        let missing = match there(check, by, &reference) {
            There::Yes | There::Unknown => continue,
            There::No if is_deleted_by_hook(check, by, &reference.target) => {
                format!("{}, which is a hook that helm deletes in this upgrade", reference.target)
            }
            There::No => match goes_with(check, by, &reference.target) {
                Some(owner) => format!("{}, which goes with {owner} when helm deletes that", reference.target),
                None => format!("{}, which does not exist", reference.target),
            },
            There::Ends => format!("{}, which is being deleted", reference.target),
            There::NoKey => {
                let key = reference.key.as_deref().unwrap_or_default();
                format!("key `{key}` of {}, which has no such key", reference.target)
            }
        };
        let Some(name) = by.object().name() else { continue };
        // What our own steps, or hooks before this one, have deleted by then is a finding of its own.
        let is_told = match by {
            By::Hook(hook) if hook.is_before => check.writes.deletes.contains(&reference.target),
            By::Hook(_) => is_deleted_by_hook(check, by, &reference.target),
            By::Document(_) => false,
        };
        if is_told {
            continue;
        }
        found.push(finding(check, by, &reference, &name, &missing));
    }
    found
}

fn finding(check: &Precheck, by: By<'_>, reference: &Reference, name: &Ref, missing: &str) -> Finding {
    let (target, object) = (&reference.target, by.object());
    let mut finding = Finding::warning(Code::MissingReference, format!("{name} refers to {missing}"))
        .about(name)
        .at(reference.field.clone());
    if !target.namespace().is_empty() {
        finding = finding.with(format!("namespace {}", target.namespace()));
    }
    if !reference.is_required {
        return finding
            .why("Kubernetes goes on without it: images of a private registry are not pulled, TLS is not served");
    }
    if let Some(maker) = maker(check, target) {
        return finding
            .with(format!("{maker} names it, and may make it"))
            .why("the pods wait until it is there")
            .next("see that it is made when the upgrade runs");
    }
    let is_workload = PodTemplate::of(object).is_some();
    let was_there = check.known.get(target).is_some_and(|live| !live.is_terminating());
    if is_workload && matches!(by, By::Document(_)) && !check.makes_pods(object) && !was_there {
        return finding.why("the pods that run go on; a new one would not start").next(
            "nothing for the upgrade: it makes no new pods of this workload. Create the object before a pod is replaced",
        );
    }
    finding.severity = Severity::Blocking;
    if object.text("/kind") == "PersistentVolumeClaim" || target.kind() == "StorageClass" {
        finding = finding.why("the new PVC would stay Pending, and its pods with it");
    }
    finding
}

/// Something of the chart that names a Secret or ConfigMap and may make it when it runs: a custom resource, a Job, or an
/// annotation of a Service.
fn maker(check: &Precheck, target: &Ref) -> Option<Ref> {
    if !matches!(target.kind(), "Secret" | "ConfigMap") {
        return None;
    }
    let docs = check.writes.planned.iter().chain(check.hooks.iter().map(|hook| &hook.object));
    let mut docs = docs.filter(|doc| doc.text("/metadata/namespace") == target.namespace());
    let names = |doc: &&Object| {
        let name = doc.name();
        let group = name.as_ref().map_or("", |name| name.group());
        match doc.text("/kind") {
            "Service" => doc.at("/metadata/annotations").is_some_and(|value| mentions(value, target.name(), false)),
            "Job" => doc.at("/spec/template/spec/containers").is_some_and(|value| {
                let containers = value.as_array().into_iter().flatten();
                containers
                    .flat_map(|container| [container.get("args"), container.get("command")])
                    .flatten()
                    .any(|value| mentions(value, target.name(), true))
            }),
            _ => !merge::is_typed(group) && mentions(&doc.0, target.name(), false),
        }
    };
    docs.find(names).and_then(Object::name)
}

fn mentions(value: &Value, name: &str, inside: bool) -> bool {
    match value {
        Value::String(text) => text == name || (inside && text.contains(name)),
        Value::Array(items) => items.iter().any(|item| mentions(item, name, inside)),
        Value::Object(map) => map.values().any(|item| mentions(item, name, inside)),
        _ => false,
    }
}

fn there(check: &Precheck, by: By<'_>, reference: &Reference) -> There {
    let target = &reference.target;
    if target.kind() == "StorageClass" {
        return class(check, by.object(), target);
    }
    if target.kind() == "PersistentVolumeClaim" && is_of_template(check, target) {
        return There::Yes;
    }
    if is_deleted_by_hook(check, by, target) {
        return There::No;
    }
    let made = made(check, by, target);
    let live = check.known.get(target).filter(|_| survives(check, by, target));
    let has_key = |object: &Object| reference.key.as_ref().is_none_or(|key| keys(object).any(|its| its == key));
    // Helm's patch of it does not stop its end, and is lost with it.
    if matches!(target.kind(), "ConfigMap" | "Secret") && live.is_some_and(Object::is_terminating) {
        return There::Ends;
    }
    match (made, live) {
        (None, None) => {
            let is_gone = check.writes.deletes.contains(target) || check.known.get(target).is_some();
            let was_planned = !check.writes.is_next && check.is_stored(target) && check.planned(target).is_some();
            match () {
                () if was_planned => There::Yes,
                () if is_gone || check.known.is_absent(target) => There::No,
                () => There::Unknown,
            }
        }
        // Helm's patch takes out of the live object what the stored document has and the new one has not.
        (Some(new), Some(live)) if check.planned(target) == Some(new) => {
            let after = upgrade::patched(check.stored(target), new, live);
            if has_key(&after) { There::Yes } else { There::NoKey }
        }
        (Some(object), _) if has_key(object) => There::Yes,
        (_, Some(object)) if has_key(object) => There::Yes,
        _ => There::NoKey,
    }
}

/// What makes the object before the pods need it: the same chart, or one of its hooks.
fn made<'a>(check: &'a Precheck, by: By<'_>, target: &Ref) -> Option<&'a Object> {
    let is_it = |object: &Object| object.name().as_ref() == Some(target);
    let of_hooks = |fits: &dyn Fn(&Hook) -> bool| {
        check.hooks.iter().find(|hook| is_it(&hook.object) && fits(hook)).map(|hook| &hook.object)
    };
    match by {
        By::Document(_) => check.planned(target).or_else(|| of_hooks(&|hook| stays(check, hook))),
        By::Hook(user) => {
            let planned = check.planned(target).filter(|_| !user.is_before);
            // Hooks of the same weight run in the order of their kinds and names.
            planned.or_else(|| of_hooks(&|hook| hook.is_run_before(user) || hook.object.text("/kind") != "Job"))
        }
    }
}

/// Whether hooks of the upgrade delete what is referred to, and nothing makes it again before it is needed.
fn is_deleted_by_hook(check: &Precheck, by: By<'_>, target: &Ref) -> bool {
    let mut its = check.hooks.iter().filter(|hook| hook.object.name().as_ref() == Some(target)).peekable();
    if its.peek().is_none() || check.planned(target).is_some() {
        return false;
    }
    match by {
        By::Document(_) => its.all(|hook| hook.is_deleted_after),
        By::Hook(user) if user.is_before => false,
        By::Hook(_) => its.all(|hook| hook.is_deleted_after && !hook.is_after),
    }
}

/// Whether the object of a hook is there after the upgrade. One that the manifest had before and has no more is made by the hook
/// and then deleted by the same upgrade, unless it says `keep`.
fn stays(check: &Precheck, hook: &Hook) -> bool {
    let leaves = hook.object.name().is_some_and(|name| check.is_stored(&name) && check.planned(&name).is_none());
    !hook.is_deleted_after && (!leaves || portolan_kube_facts::is_kept(&hook.object))
}

/// Whether a live object is still there when the pods of the new chart start.
fn survives(check: &Precheck, by: By<'_>, target: &Ref) -> bool {
    let is_deleted = check.writes.deletes.contains(target) || is_deleted_by_helm(check, by, target);
    !is_deleted && goes_with(check, by, target).is_none()
}

/// What helm deletes that takes an object along: the last of its owners, as a custom resource is of the Secret that its operator made.
fn goes_with(check: &Precheck, by: By<'_>, target: &Ref) -> Option<Ref> {
    let owners = portolan_kube_facts::owners(check.known.get(target)?);
    let leaving = |owner: &Owner| owner.names().into_iter().find(|name| is_deleted_by_helm(check, by, name));
    let all: Option<Vec<Ref>> = owners.iter().map(leaving).collect();
    all?.into_iter().next()
}

/// Whether helm deletes an object before it is needed: only the old manifest has it. Helm deletes last.
fn is_deleted_by_helm(check: &Precheck, by: By<'_>, target: &Ref) -> bool {
    let will_be_kept = check.writes.own.iter().any(|own| own.object == *target && own.value == "keep");
    let is_kept = will_be_kept || check.known.get(target).is_some_and(portolan_kube_facts::is_kept);
    let leaves = check.is_stored(target) && check.planned(target).is_none() && !is_kept;
    leaves && !matches!(by, By::Hook(hook) if hook.is_before)
}

/// The keys of a Secret's or ConfigMap's data.
fn keys(object: &Object) -> impl Iterator<Item = &str> {
    let parts = ["data", "stringData", "binaryData"].into_iter();
    parts.filter_map(|part| object.0.get(part)?.as_object()).flat_map(|map| map.keys().map(String::as_str))
}

/// Whether a StatefulSet of the chart makes a PVC from a template.
fn is_of_template(check: &Precheck, claim: &Ref) -> bool {
    let mut sets = check.writes.planned.iter().filter_map(StatefulSet::of);
    sets.any(|set| set.origin_of(claim).is_some())
}

/// A class matters to PVCs that are not there yet. One without an object is the mark of volumes made by hand.
fn class(check: &Precheck, object: &Object, class: &Ref) -> There {
    let needs_none = match object.text("/kind") {
        "PersistentVolumeClaim" => object.name().is_some_and(|name| check.exists(&name)),
        "StatefulSet" => has_all_claims(check, object),
        _ => false,
    };
    let by_hand = || {
        let live = check.known.of_kind("PersistentVolume").map(|(_, volume)| volume);
        let free = live.filter(|volume| volume.text("/status/phase") != "Bound");
        let new = check.writes.planned.iter().filter(|doc| doc.text("/kind") == "PersistentVolume");
        free.chain(new).any(|volume| volume.text("/spec/storageClassName") == class.name())
    };
    if needs_none || check.known.get(class).is_some() || check.planned(class).is_some() {
        return There::Yes;
    }
    match () {
        () if !check.known.is_absent(class) => There::Unknown,
        () if by_hand() => There::Yes,
        // Volumes that may not be listed can be there.
        () if !check.known.is_complete("PersistentVolume", "") => There::Unknown,
        () => There::No,
    }
}

/// Whether every PVC that a StatefulSet asks for is there.
fn has_all_claims(check: &Precheck, set: &Object) -> bool {
    let claims = StatefulSet::of(set).map(|set| set.claims()).unwrap_or_default();
    claims.iter().all(|made| check.known.get(&made.claim).is_some())
}

/// A pod without the names of an account or classes that are not there today: the same chart makes them, or it is a finding
/// already; either way the server would say nothing else about the pod.
pub(super) fn without_new(check: &Precheck, pod: &Object) -> Object {
    let mut json = (*pod.0).clone();
    for reference in portolan_kube_facts::references(pod) {
        let target = &reference.target;
        let is_new = check.known.get(target).is_none()
            && (check.known.is_absent(target) || check.planned(target).is_some())
            || check.writes.deletes.contains(target);
        let keys: &[&str] = match target.kind() {
            "ServiceAccount" => &["serviceAccountName", "serviceAccount"],
            "PriorityClass" => &["priorityClassName"],
            "RuntimeClass" => &["runtimeClassName"],
            _ => continue,
        };
        if let Some(spec) = json.get_mut("spec").and_then(Value::as_object_mut).filter(|_| is_new) {
            for key in keys {
                spec.remove(*key);
            }
        }
    }
    Object::new(json)
}

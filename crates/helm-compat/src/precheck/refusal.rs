//! What the API server's answers mean.

use portolan_kube_facts::{ClassKnown, PodTemplate, ResizeRefusal, Sizes, StatefulSet, selects};
use portolan_model::{
    ApplyMethod, CheckAnswer, CheckAsk, Code, Finding, Object, Ref, RefusalCause, ServerCheck, ServerRefusal,
};
use serde_json::Value;

use super::{KnownObjects, Precheck, Purpose, admission, fields, services};
use crate::{redact, upgrade};

/// How many lines of an answer are shown.
const SHOWN: usize = 6;

/// What an answer means.
pub(super) enum Meaning {
    /// The write would be carried out.
    Pass,
    /// It would not be.
    Found(Vec<Finding>),
    /// Nothing is known; the reason.
    NotChecked(String),
}

pub(super) fn meaning(check: &Precheck, purpose: Purpose, asked: &ServerCheck, answer: &CheckAnswer) -> Meaning {
    let refused = match answer {
        CheckAnswer::Accepted | CheckAnswer::Found(_) => return Meaning::Pass,
        CheckAnswer::NotServed => return not_served(check, asked),
        CheckAnswer::NoAnswer(text) => return Meaning::NotChecked(format!("the API server did not answer: {text}")),
        CheckAnswer::Refused(refused) => refused,
    };
    let message = refused.message.as_str();
    match (refused.code, refused.reason.as_str()) {
        (409, "AlreadyExists") => exists(check, purpose, asked),
        (409, _) if refused.causes.iter().any(is_conflict) => Meaning::Found(conflicts(asked, refused)),
        (409 | 429 | 503 | 504, _) => {
            Meaning::NotChecked(format!("the API server did not decide: {}", first_line(message)))
        }
        (400, _) if message.contains("does not support dry run") => {
            Meaning::NotChecked(format!("{}: it has side effects", first_line(message)))
        }
        (401 | 403, _) if is_missing_right(message) => Meaning::NotChecked(format!(
            "this user may not {} {}",
            asked.ask.verb(),
            resource(message).unwrap_or_else(|| asked.target.kind().to_owned())
        )),
        (403, _) if message.contains("exceeded quota") => quota(check, purpose, asked, refused),
        (404, _) => namespace(check, asked, refused),
        _ if is_admission(message) && admission::is_changed(check, message) => {
            Meaning::NotChecked(format!("{}: the upgrade changes what says so", first_line(message)))
        }
        _ if is_admission(message) && changes_admission(check, asked, message) => {
            Meaning::NotChecked(format!("{}: that may change with what the plan deletes first", first_line(message)))
        }
        _ => Meaning::Found(refusals(check, purpose, asked, refused)),
    }
}

/// What could not be checked, as one note.
pub(super) fn not_checked(why: &str, objects: &[(Ref, String)]) -> Finding {
    let count = objects.len();
    let what = if count == 1 { "1 write was".to_owned() } else { format!("{count} writes were") };
    let mut finding = Finding::note(Code::NotChecked, format!("{what} not checked by the API server, because {why}"));
    if let Some((object, _)) = objects.first() {
        finding = finding.about(object);
    }
    finding.evidence = objects.iter().map(|(_, words)| words.clone()).collect();
    finding
}

/// Validation and admission come before the look for an object of the same name, so this says that they passed.
fn exists(check: &Precheck, purpose: Purpose, asked: &ServerCheck) -> Meaning {
    let target = &asked.target;
    let is_owned = || check.known.get(target).is_none_or(|pod| !portolan_kube_facts::owners(pod).is_empty());
    let goes_first = match purpose {
        Purpose::Hook(index) => check.hooks[index].is_deleted_first,
        // The next question is the patch, or the owner is named.
        Purpose::Document(_) => check.writes.deletes.contains(target) || check.known.get(target).is_some(),
        // A controller deletes its pod before it makes the new one of that name; a pod that nobody owns stays in the way, unless it is one
        // that the controller takes over.
        Purpose::DocumentPod(index) => is_owned() || is_adopted(check, target, &check.writes.planned[index]),
        Purpose::HookPod(index) => check.hooks[index].is_deleted_first && is_owned(),
        Purpose::Read => false,
    };
    if goes_first || check.writes.deletes.contains(target) {
        return Meaning::Pass;
    }
    let next = match purpose {
        Purpose::Hook(_) => "give the hook the delete policy before-hook-creation, or switch it off in the values",
        _ => "find out whose it is: this user may not read it",
    };
    let finding = Finding::blocking(Code::ServerRefuses, format!("{target} exists, and the upgrade creates it"))
        .about(target)
        .at("/metadata/name");
    Meaning::Found(vec![finding.next(next)])
}

/// Whether a workload takes over a pod that nobody owns, as after `kubectl delete --cascade=orphan`: one that its selector chooses
/// (`ClaimPods` in `pkg/controller/controller_ref_manager.go`, Kubernetes 1.34).
fn is_adopted(check: &Precheck, pod: &Ref, workload: &Object) -> bool {
    let Some(live) = check.known.get(pod).filter(|live| !live.is_terminating()) else { return false };
    workload.text("/metadata/namespace") == pod.namespace()
        && portolan_kube_facts::selects(workload.at("/spec/selector"), live.at("/metadata/labels"))
}

/// Whether a webhook or a policy answered, and not the API server's own validation.
fn is_admission(message: &str) -> bool {
    ["denied request", "denied the request", "failed calling webhook"].iter().any(|words| message.contains(words))
}

/// Whether the hop deletes, before helm writes, something that this answer of admission may depend on: the webhook or policy itself, or
/// an object of the same kind, which a webhook that answered may have judged by (two Ingresses for a host).
fn changes_admission(check: &Precheck, asked: &ServerCheck, message: &str) -> bool {
    let answered = !message.contains("failed calling webhook");
    check.writes.deletes.iter().any(|gone| {
        (answered && gone.kind() == asked.target.kind())
            || gone.kind().ends_with("WebhookConfiguration")
            || gone.kind().starts_with("ValidatingAdmissionPolicy")
    })
}

fn is_conflict(cause: &RefusalCause) -> bool {
    cause.reason == "FieldManagerConflict"
}

/// Fields that server-side apply would take from other managers: one finding each.
fn conflicts(asked: &ServerCheck, refused: &ServerRefusal) -> Vec<Finding> {
    let body = body(asked);
    let conflict = |cause: &RefusalCause| {
        let manager = cause.message.split('"').nth(1).unwrap_or("another manager");
        let field = fields::pointer(&cause.field, body.map_or(&Value::Null, |body| &body.0));
        let path = cause.field.trim_start_matches('.');
        Finding::blocking(Code::FieldConflict, format!("{} sets {path}, which {manager} owns", asked.target))
            .about(&asked.target)
            .at(field)
            .with(format!("field manager: {manager}"))
    };
    refused.causes.iter().filter(|cause| is_conflict(cause)).map(conflict).collect()
}

fn not_served(check: &Precheck, asked: &ServerCheck) -> Meaning {
    let (group, kind) = (asked.target.group(), asked.target.kind());
    let brings = |doc: &Object| {
        doc.text("/kind") == "CustomResourceDefinition"
            && doc.text("/spec/group") == group
            && doc.text("/spec/names/kind") == kind
    };
    let hooks = check.hooks.iter().map(|hook| &hook.object);
    if check.writes.planned.iter().chain(hooks).any(brings) {
        return Meaning::NotChecked(format!("the chart itself brings the kind {kind}"));
    }
    let finding = Finding::blocking(Code::MissingReference, format!("the API server has no kind {kind} in {group}"))
        .about(&asked.target)
        .at("/kind")
        .next("install the CustomResourceDefinition, then plan again");
    Meaning::Found(vec![finding])
}

/// Something is not found: the namespace, as a rule.
fn namespace(check: &Precheck, asked: &ServerCheck, refused: &ServerRefusal) -> Meaning {
    let namespace = Ref::new("", "Namespace", "", asked.target.namespace());
    let hooks = check.hooks.iter().map(|hook| &hook.object);
    let mut docs = check.writes.planned.iter().chain(hooks);
    if docs.any(|doc| doc.name().as_ref() == Some(&namespace)) {
        return Meaning::NotChecked(format!("the chart itself brings {namespace}"));
    }
    if matches!(asked.ask, CheckAsk::Patch(_)) {
        return Meaning::NotChecked(format!("{} went away meanwhile", asked.target));
    }
    let finding = Finding::blocking(Code::MissingReference, first_line(&refused.message).to_owned())
        .about(&asked.target)
        .at("/metadata/namespace");
    Meaning::Found(vec![finding])
}

/// Whether a refusal is one of rights, not of admission (`Forbidden` in apiserver's `responsewriters/errors.go`).
fn is_missing_right(message: &str) -> bool {
    message.contains("User \"") && message.contains("\" cannot ") && message.contains(" resource \"")
}

fn resource(message: &str) -> Option<String> {
    let rest = message.split_once(" resource \"")?.1;
    let (resource, rest) = rest.split_once('"')?;
    let namespace = rest.split_once("in the namespace \"").and_then(|(_, rest)| rest.split_once('"'));
    Some(match namespace {
        Some((namespace, _)) => format!("{resource} in namespace {namespace}"),
        None => resource.to_owned(),
    })
}

/// A quota that is exceeded. What the upgrade ends first is still counted today, unless it is too much even alone.
fn quota(check: &Precheck, purpose: Purpose, asked: &ServerCheck, refused: &ServerRefusal) -> Meaning {
    let list = |name: &str| -> Vec<(String, i128)> {
        let text = refused.message.split_once(&format!("{name}: ")).map_or("", |(_, rest)| rest);
        let end = [", used:", ", limited:"].iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
        let items = text[..end].split(',').filter_map(|item| item.trim().split_once('='));
        items
            .filter_map(|(key, value)| Some((key.to_owned(), portolan_kube_facts::semantics::quantity(&value.into())?)))
            .collect()
    };
    let limits = list("limited");
    let alone =
        list("requested").iter().any(|(key, wanted)| limits.iter().any(|(its, limit)| its == key && wanted > limit));
    let namespace = asked.target.namespace();
    let ends_first = check.writes.deletes.iter().any(|name| name.namespace() == namespace);
    let replaces = match purpose {
        Purpose::DocumentPod(index) => check.writes.planned[index].name().is_some_and(|name| check.exists(&name)),
        _ => false,
    };
    if !alone && (ends_first || replaces) {
        return Meaning::NotChecked(format!(
            "what the upgrade replaces still counts against the quota: {}",
            first_line(&refused.message)
        ));
    }
    Meaning::Found(refusals(check, purpose, asked, refused))
}

fn body(asked: &ServerCheck) -> Option<&Object> {
    match &asked.ask {
        CheckAsk::Create(body) | CheckAsk::Apply { body, .. } => Some(body),
        CheckAsk::Read | CheckAsk::List | CheckAsk::Patch(_) => None,
    }
}

fn refusals(check: &Precheck, purpose: Purpose, asked: &ServerCheck, refused: &ServerRefusal) -> Vec<Finding> {
    match purpose {
        Purpose::DocumentPod(index) => vec![of_pod(&check.writes.planned[index], asked, refused)],
        Purpose::HookPod(index) => vec![of_pod(&check.hooks[index].object, asked, refused)],
        _ => of_object(check, asked, refused),
    }
}

fn of_object(check: &Precheck, asked: &ServerCheck, refused: &ServerRefusal) -> Vec<Finding> {
    let target = &asked.target;
    let doc = check.planned(target).or(body(asked));
    if let (Some(doc), true) = (doc, refused.causes.iter().any(services::is_taken)) {
        let taken = refused.causes.iter().filter(|cause| services::is_taken(cause));
        return taken.filter_map(|cause| services::port(check, target, doc, cause)).collect();
    }
    if let Some(finding) =
        doc.zip(check.known.get(target)).and_then(|(doc, live)| of_size(target, doc, live, &check.known))
    {
        return vec![finding.with(first_line(&refused.message))];
    }
    let is_secret = doc.is_some_and(redact::is_secret);
    let frozen = doc.and_then(|doc| frozen(check, target, doc));
    let taken_over = doc.filter(|_| frozen.is_some()).is_some_and(|doc| is_taken_over(check, target, doc));
    let field = refused.causes.first().map(|cause| cause.field.as_str()).unwrap_or_default();
    let field = frozen.as_deref().unwrap_or(field);
    let pointer = fields::pointer(field, doc.map_or(&Value::Null, |doc| &doc.0));
    let verb = match asked.ask {
        CheckAsk::Create(_) => "to create",
        _ => "to change",
    };
    let mut finding =
        Finding::blocking(Code::ServerRefuses, format!("the API server refuses {verb} {target}")).about(target);
    if !pointer.is_empty() {
        finding = finding.at(pointer);
    }
    finding.evidence = said(refused, is_secret);
    if let Some(field) = frozen {
        finding.evidence.insert(0, format!("{field} cannot be changed"));
    }
    if taken_over {
        finding = finding.next(format!(
            "change the value that sets the field; or kubectl delete statefulset {} -n {} --cascade=orphan, which leaves its pods and its PVCs, and \
             plan again at once: the new one takes them over",
            target.name(),
            target.namespace()
        ));
    }
    // The server defaults the field, and a server-side apply that does not name it leaves it; a null in a template is dropped by helm.
    let is_strategy = refused.causes.iter().any(|cause| cause.field == "spec.strategy.rollingUpdate");
    if check.writes.apply == ApplyMethod::Server && target.kind() == "Deployment" && is_strategy {
        let next = "upgrade with a helm 3 (--helm FILE), whose patch takes the field away, or give the chart the strategy of today";
        finding = finding.next(next);
    }
    vec![finding]
}

/// Whether a StatefulSet that is deleted with `--cascade=orphan` and made again from a document has its pods and PVCs again: the document
/// selects them and has the same PVC templates, and no PVC goes with the set (Kubernetes 1.34, `pkg/controller/controller_ref_manager.go`,
/// `pkg/controller/statefulset/stateful_pod_control.go`).
fn is_taken_over(check: &Precheck, target: &Ref, doc: &Object) -> bool {
    let Some(live) = check.known.get(target).filter(|live| check.writes.is_next && !live.is_terminating()) else {
        return false;
    };
    let (Some(old), Some(new)) = (StatefulSet::of(live), StatefulSet::of(doc)) else { return false };
    let is_owned = |(name, claim): (&Ref, &Object)| {
        let is_its = |uid| portolan_kube_facts::is_owned_by(claim, &uid);
        name.namespace() == target.namespace() && live.uid().is_some_and(is_its)
    };
    let templates = |set: &StatefulSet<'_>| set.templates().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    !old.deletes_claims_with_itself()
        && check.known.is_complete("PersistentVolumeClaim", target.namespace())
        && !check.known.of_kind("PersistentVolumeClaim").any(is_owned)
        && templates(&old) == templates(&new)
        && old.ordinals() == new.ordinals()
        && selects(doc.at("/spec/selector"), live.at("/spec/template/metadata/labels"))
}

/// The field that cannot be changed, where the server names no more than the part of the object that it is in.
fn frozen(check: &Precheck, target: &Ref, doc: &Object) -> Option<String> {
    let live = check.known.get(target).filter(|_| !check.writes.deletes.contains(target))?;
    let after = upgrade::patched(check.stored(target), doc, live);
    portolan_kube_facts::immutable_violations(target, &live.0, &after.0).into_iter().next()
}

/// A pod that its controller could not create. The finding is about the workload.
fn of_pod(workload: &Object, asked: &ServerCheck, refused: &ServerRefusal) -> Finding {
    let name = workload.name().unwrap_or_else(|| asked.target.clone());
    let template = PodTemplate::of(workload);
    let spec = template.map_or("/spec", |template| template.pointer);
    let message = refused.message.as_str();
    let missing = [
        ("error looking up service account", "serviceAccountName"),
        ("no PriorityClass", "priorityClassName"),
        ("RuntimeClass", "runtimeClassName"),
    ];
    if let Some((_, key)) =
        missing.iter().find(|(text, key)| message.contains(text) && workload.at(&format!("{spec}/{key}")).is_some())
    {
        return Finding::blocking(Code::MissingReference, format!("the pods of {name} cannot be created"))
            .about(&name)
            .at(format!("{spec}/{key}"))
            .with(first_line(message));
    }
    let cause = refused.causes.first();
    let inside = cause.map(|cause| fields::pointer(&cause.field, body(asked).map_or(&Value::Null, |body| &body.0)));
    let too_long =
        cause.is_some_and(|cause| cause.field.starts_with("metadata.labels") && cause.message.contains(name.name()));
    let field = match inside.as_deref() {
        // The name of the workload is in the labels that its controller adds.
        Some(_) if too_long => "/metadata/name".to_owned(),
        Some(inside) if inside.starts_with("/spec") => format!("{spec}{}", &inside["/spec".len()..]),
        Some(inside) if inside.starts_with("/metadata/labels") || inside.starts_with("/metadata/annotations") => {
            format!("{}{inside}", spec.trim_end_matches("/spec"))
        }
        _ => spec.to_owned(),
    };
    let mut finding = Finding::blocking(Code::ServerRefuses, format!("the API server refuses the pods of {name}"))
        .about(&name)
        .at(field)
        .why("helm says deployed, the old pods go, and the new ones never come");
    finding.evidence = said(refused, false);
    finding
}

/// A storage request that cannot change; `None` where it can, or does not.
pub(super) fn of_size(target: &Ref, doc: &Object, live: &Object, known: &KnownObjects) -> Option<Finding> {
    if !target.group().is_empty() || target.kind() != "PersistentVolumeClaim" {
        return None;
    }
    const FIELD: &str = "/spec/resources/requests/storage";
    let size = |object: &Object, pointer: &str| portolan_kube_facts::semantics::quantity(object.at(pointer)?);
    let (request, wanted) = (size(live, FIELD)?, size(doc, FIELD)?);
    let capacity = size(live, "/status/capacity/storage").unwrap_or_default();
    let name = portolan_kube_facts::class_of(live);
    let class = Ref::new("storage.k8s.io", "StorageClass", "", name);
    let class = match known.get(&class) {
        Some(class) => ClassKnown::Known(class),
        None if known.is_absent(&class) => ClassKnown::Absent,
        None => ClassKnown::Unknown,
    };
    let why = match portolan_kube_facts::refuses_resize(live, Sizes { request, wanted, capacity }, class)? {
        ResizeRefusal::NotBound => "only a bound PVC can grow".to_owned(),
        ResizeRefusal::NotAboveCapacity => {
            format!("a PVC does not shrink: its capacity is {}", live.text("/status/capacity/storage"))
        }
        ResizeRefusal::NoClass => "its volume was made by hand, without a storage class, and cannot grow".to_owned(),
        ResizeRefusal::NotExpandable => format!("storage class {name} does not allow volumes to grow"),
    };
    let found = format!("{target} asks for {} and has {}: {why}", doc.text(FIELD), live.text(FIELD));
    let finding = Finding::blocking(Code::ServerRefuses, found).about(target).at(FIELD);
    Some(finding.next(format!("give the chart the size of today, {}", live.text(FIELD))))
}

/// What the server said, line by line. The values of Secrets can be in its causes.
fn said(refused: &ServerRefusal, is_secret: bool) -> Vec<String> {
    if is_secret && refused.code == 422 {
        return refused.causes.iter().map(|cause| format!("{}: {}", cause.field, cause.reason)).take(SHOWN).collect();
    }
    if refused.causes.is_empty() {
        return vec![first_line(&refused.message).to_owned()];
    }
    let line = |cause: &RefusalCause| match cause.field.as_str() {
        "" => first_line(&cause.message).to_owned(),
        field => format!("{field}: {}", first_line(&cause.message)),
    };
    refused.causes.iter().map(line).take(SHOWN).collect()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

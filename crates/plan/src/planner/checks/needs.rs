//! Hooks that need what is not there when they run: deleted by a step, brought by the manifest that helm applies after them, served
//! by pods that a step has stopped, or the object of an earlier hook that helm has deleted. Helm waits for the hook, and fails
//! half-way.

use std::collections::BTreeSet;

use portolan_helm_compat::hooks::{self, Hook};
use portolan_kube_facts::{PodTemplate, Reference, list, references};
use portolan_model::{Code, Finding, HookEvent, Object, Ref, SecretKey, Step, StepKind};
use serde_json::Value;

use super::{HopContext, Report};

/// A text that a hook's program is given.
struct Told {
    text: String,
    field: String,
    /// Whether the text is a command line, whose first word is the program.
    is_command: bool,
}

pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    let all = hooks::of(context.hooks);
    let before: Vec<&Hook<'_>> = all.iter().filter(|hook| hook.is_at(HookEvent::PreUpgrade)).collect();
    let stopped = stopped(context);
    for (at, hook) in before.iter().enumerate() {
        let (Some(name), Some(template)) = (hook.name(), PodTemplate::of(hook.object)) else { continue };
        let made: BTreeSet<Ref> = before[..at].iter().filter_map(|hook| hook.object.name()).collect();
        let pod = Pod { context, template, namespace: hook.object.text("/metadata/namespace") };
        let missing = needs(hook.object).filter(|need| !made.contains(&need.target));
        let later: BTreeSet<Ref> = before[at + 1..].iter().filter_map(|hook| hook.object.name()).collect();
        let missing = missing.filter_map(|need| Some((missing_because(context, &need.target, &later)?, need)));
        for (why, need) in missing {
            let found = format!("{name} needs {}, which is not there when it runs", need.target);
            report.findings.push(refused(&name, found, need.field, why));
        }
        for told in pod.told() {
            if let Some((host, stopped)) = stopped.iter().find_map(|stopped| Some((stopped.named_in(&told)?, stopped)))
            {
                let found = format!("{name} asks for {host}, whose pods do not run then");
                report.findings.push(refused(&name, found, told.field, stopped.why.clone()));
            }
        }
    }
    after_the_manifest(context, &all, report);
}

/// Post-upgrade hooks that need the object of a pre-upgrade hook, which helm has deleted by then.
fn after_the_manifest(context: &HopContext<'_>, all: &[Hook<'_>], report: &mut Report) {
    let is_planned = |name: &Ref| context.planned.docs.iter().any(|doc| doc.name().as_ref() == Some(name));
    let is_at = |event: HookEvent, name: &Ref| {
        all.iter().find(|hook| hook.is_at(event) && hook.object.name().as_ref() == Some(name))
    };
    for hook in all.iter().filter(|hook| hook.is_at(HookEvent::PostUpgrade)) {
        let Some(name) = hook.name() else { continue };
        for need in needs(hook.object) {
            let is_deleted = is_at(HookEvent::PreUpgrade, &need.target).is_some_and(Hook::is_deleted_after);
            if !is_deleted || is_at(HookEvent::PostUpgrade, &need.target).is_some() || is_planned(&need.target) {
                continue;
            }
            let found = format!("{name} needs {}, which is not there when it runs", need.target);
            let why =
                format!("{} is a pre-upgrade hook, which helm deletes as soon as those have succeeded", need.target);
            report.findings.push(
                refused(&name, found, need.field, why)
                    .why("helm fails after the manifest is applied: the new pods run, and the release is failed")
                    .next("give the earlier hook another helm.sh/hook-delete-policy, or disable the later one in the values"),
            );
        }
    }
}

fn refused(hook: &Ref, found: String, field: String, why: String) -> Finding {
    Finding::blocking(Code::HookNeedsStopped, found).about(hook).at(field).with(why)
}

/// Why an object is not there when the pre-upgrade hooks run; `None` where it is, or where that is not known.
fn missing_because(context: &HopContext<'_>, name: &Ref, later: &BTreeSet<Ref>) -> Option<String> {
    if context.live.contains_key(name) {
        return None;
    }
    if let Some(step) = context.steps.iter().find(|step| deleted(step) == Some(name)) {
        return Some(format!("step {} deletes {name} before helm runs", step.id));
    }
    if later.contains(name) {
        return Some(format!("helm creates {name}, which is a hook too, after this hook"));
    }
    let is_planned = context.planned.docs.iter().any(|doc| doc.name().as_ref() == Some(name));
    let is_new = is_planned && !context.before.is_stored(name);
    is_new.then(|| format!("{name} is new, and helm creates it after the pre-upgrade hooks"))
}

fn deleted(step: &Step) -> Option<&Ref> {
    if let StepKind::DeleteObject { target, .. } = &step.kind { Some(target) } else { None }
}

/// A workload that a step deletes, by the names under which its pods are reached.
struct Stopped {
    /// The Services that select its pods.
    services: Vec<Ref>,
    workload: Ref,
    why: String,
}

fn stopped(context: &HopContext<'_>) -> Vec<Stopped> {
    let services = |labels: &Value| {
        let objects = context.before.objects.values().chain(&context.before.docs).chain(&context.planned.docs);
        let services = objects.filter(|object| object.text("/kind") == "Service" && object.text("/apiVersion") == "v1");
        let mut names: Vec<Ref> =
            services.filter(|service| selects(service, labels)).filter_map(Object::name).collect();
        names.sort();
        names.dedup();
        names
    };
    context
        .steps
        .iter()
        .filter_map(|step| {
            let workload = deleted(step)?;
            let labels = context.before.objects.get(workload)?.at("/spec/template/metadata/labels")?;
            let why = format!("step {} deletes {workload} before helm runs", step.id);
            Some(Stopped { services: services(labels), workload: workload.clone(), why })
        })
        .collect()
}

/// Whether a Service selects pods with these labels.
fn selects(service: &Object, labels: &Value) -> bool {
    let selector = service.at("/spec/selector").and_then(Value::as_object);
    selector.is_some_and(|selector| {
        !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    })
}

impl Stopped {
    /// The name in a text under which the workload's pods are asked for.
    fn named_in(&self, told: &Told) -> Option<String> {
        let service = self.services.iter().find(|service| is_host(&told.text, service, told.is_command));
        if let Some(service) = service {
            return Some(service.to_string());
        }
        let name = self.workload.name();
        let pod = format!("{name}-0");
        let forms = [
            format!("statefulset/{name}"),
            format!("statefulsets/{name}"),
            format!("sts/{name}"),
            format!("pod/{pod}"),
        ];
        let is_named = forms.iter().any(|form| places(&told.text, form).any(|(_, after)| !after.starts_with(is_name)))
            || places(&told.text, &pod).any(|(before, after)| !before.ends_with(is_name) && after.starts_with('.'));
        is_named.then(|| self.workload.to_string())
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Whether a text names a Service as a host: `db`, `db.ns`, `db.ns.svc.cluster.local`, `db:5432`, `user@db`. The first word of a
/// command is a program.
pub(super) fn is_host(text: &str, service: &Ref, is_command: bool) -> bool {
    let in_namespace = format!(".{}", service.namespace());
    places(text, service.name()).any(|(before, after)| {
        let ends = !after.starts_with(is_name)
            || after.strip_prefix('.').is_some_and(|rest| !rest.starts_with(is_name))
            || after
                .strip_prefix(&in_namespace)
                .is_some_and(|rest| !rest.starts_with(|c: char| is_name(c) && c != '.'))
            || after.starts_with(".svc");
        let is_program = is_command
            && (before.trim().is_empty()
                || before.trim_end().ends_with([';', '&', '|', '('])
                || before.ends_with("exec "))
            && after.starts_with(|c: char| c.is_whitespace());
        ends && !before.ends_with(is_name) && !is_program && !before.ends_with('$')
    })
}

/// What stands before and after each place of a word in a text.
fn places<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.match_indices(word).map(move |(at, _)| (&text[..at], &text[at + word.len()..]))
}

/// The Secrets, `ConfigMap`s and the account without which the pods of a hook do not start, each where it is first named.
fn needs(hook: &Object) -> impl Iterator<Item = Reference> {
    let mut named = BTreeSet::new();
    references(hook).into_iter().filter(move |need| {
        let is_of_kind = matches!(need.target.kind(), "Secret" | "ConfigMap" | "ServiceAccount");
        need.is_required && is_of_kind && named.insert(need.target.clone())
    })
}

/// A hook's pod.
struct Pod<'a> {
    context: &'a HopContext<'a>,
    template: PodTemplate<'a>,
    namespace: &'a str,
}

impl Pod<'_> {
    /// Everything that the hook's programs are told.
    fn told(&self) -> Vec<Told> {
        let mut all = Vec::new();
        for container in self.template.containers() {
            let base = format!("{}{}", self.template.pointer, container.pointer());
            for (at, env) in list(container.json, "env").iter().enumerate() {
                let key = |kind: &str, from: &str| {
                    let from = env.pointer(from)?;
                    self.value(kind, from.get("name")?.as_str()?, from.get("key")?.as_str()?)
                };
                let value = env.get("value").and_then(Value::as_str).map(str::to_owned);
                let text = value
                    .or_else(|| key("ConfigMap", "/valueFrom/configMapKeyRef"))
                    .or_else(|| key("Secret", "/valueFrom/secretKeyRef"));
                all.extend(text.map(|text| Told { text, field: format!("{base}/env/{at}"), is_command: false }));
            }
            for (at, env) in list(container.json, "envFrom").iter().enumerate() {
                for (kind, from) in [("ConfigMap", "/configMapRef/name"), ("Secret", "/secretRef/name")] {
                    let texts = env.pointer(from).and_then(Value::as_str).map(|name| self.values(kind, name));
                    let texts = texts.unwrap_or_default().into_iter();
                    all.extend(texts.map(|text| Told {
                        text,
                        field: format!("{base}/envFrom/{at}"),
                        is_command: false,
                    }));
                }
            }
            for key in ["command", "args"] {
                let words = list(container.json, key);
                for (at, text) in words.iter().enumerate().filter_map(|(at, word)| Some((at, word.as_str()?))) {
                    let is_script = text.contains(char::is_whitespace);
                    if at > 0 || key == "args" || is_script {
                        all.push(Told {
                            text: text.to_owned(),
                            field: format!("{base}/{key}/{at}"),
                            is_command: is_script,
                        });
                    }
                }
            }
        }
        for (at, volume) in self.template.volumes().enumerate() {
            for (kind, from) in [("ConfigMap", "/configMap/name"), ("Secret", "/secret/secretName")] {
                let texts = volume.pointer(from).and_then(Value::as_str).map(|name| self.values(kind, name));
                let field = || format!("{}/volumes/{at}", self.template.pointer);
                all.extend(texts.unwrap_or_default().into_iter().map(|text| Told {
                    text,
                    field: field(),
                    is_command: true,
                }));
            }
        }
        all
    }

    /// The object as it is when the hook runs.
    fn object(&self, kind: &str, name: &str) -> Option<&Object> {
        let name = Ref::new("", kind, self.namespace, name);
        let hooks = self.context.renderings[0].hooks.iter();
        let is_it = |object: &&Object| object.name().as_ref() == Some(&name);
        hooks.clone().find(is_it).or_else(|| self.context.live.get(&name))
    }

    fn value(&self, kind: &str, name: &str, key: &str) -> Option<String> {
        let secret = Ref::secret(self.namespace, name);
        let live = || self.context.resolved.plaintext(&SecretKey { secret, key: key.to_owned() }).map(str::to_owned);
        let object = self.object(kind, name)?;
        if kind == "Secret" {
            return portolan_helm_compat::redact::plaintexts(object)
                .remove(key)
                .filter(|_| !self.is_live(object))
                .or_else(live);
        }
        Some(object.at("/data")?.get(key)?.as_str()?.to_owned())
    }

    fn values(&self, kind: &str, name: &str) -> Vec<String> {
        let Some(object) = self.object(kind, name) else { return Vec::new() };
        object.data_keys().iter().filter_map(|key| self.value(kind, name, key)).collect()
    }

    /// Whether it is one of the survey's objects, whose Secrets show no values.
    fn is_live(&self, object: &Object) -> bool {
        object.name().is_some_and(|name| self.context.live.get(&name).is_some_and(|live| std::ptr::eq(live, object)))
    }
}

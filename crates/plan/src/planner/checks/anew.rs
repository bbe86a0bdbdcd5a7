//! What is another one at each rendering, by the time or by chance, and must not be: names of what holds data, places of data,
//! keys that data is encrypted with.

use std::collections::BTreeMap;

use portolan_inventory::credential;
use portolan_kube_facts::{Container, EnvSet, PodTemplate};
use portolan_model::{Code, Finding, JsonPointer, Manifest, Object, Ref, SecretKey, is_named_anew};
use portolan_recipe::DataWords;

use super::super::reach;
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    for doc in &context.planned.docs {
        let Some(name) = doc.name() else { continue };
        if is_named_anew(&context.planned.nondeterministic_fields, &name) && holds_data(doc) {
            report.findings.push(other_name(context, &name));
            continue;
        }
        for field in free(context.planned, &name).filter(|field| is_place(field)) {
            report.findings.push(other_place(context, &name, field));
        }
        keys(context, &name, doc, report);
    }
}

fn free<'a>(planned: &'a Manifest, name: &Ref) -> impl Iterator<Item = &'a str> {
    planned.nondeterministic_fields.get(name).into_iter().flatten().map(JsonPointer::as_str)
}

fn holds_data(doc: &Object) -> bool {
    let kind = doc.text("/kind");
    let makes_claims = kind == "StatefulSet" && !doc.list("/spec/volumeClaimTemplates").is_empty();
    makes_claims || matches!(kind, "PersistentVolumeClaim" | "PersistentVolume" | "Namespace")
}

/// Whether a field says which PVC is mounted, or which part of it.
fn is_place(field: &str) -> bool {
    let last = field.rsplit('/').next().unwrap_or_default();
    let is_mount = field.contains("/volumeMounts/") && matches!(last, "subPath" | "subPathExpr" | "mountPath");
    let is_template = field.contains("/volumeClaimTemplates/") && field.ends_with("/metadata/name");
    is_mount || is_template || last == "claimName"
}

fn other_name(context: &HopContext<'_>, name: &Ref) -> Finding {
    let chart = &context.input.pick.id;
    Finding::blocking(Code::OtherPlace, format!("{name} has another name at each rendering of {chart}"))
        .about(name)
        .at("/metadata/name")
        .why("each upgrade makes a new one, which is empty, and deletes the old one")
        .next("give the chart a value that fixes the name of today")
}

fn other_place(context: &HopContext<'_>, name: &Ref, field: &str) -> Finding {
    let chart = &context.input.pick.id;
    Finding::blocking(
        Code::OtherPlace,
        format!("{name} looks for its data in another place at each rendering of {chart}"),
    )
    .about(name)
    .at(field)
    .why("each upgrade starts the program on an empty folder or volume")
    .next("give the chart a value that fixes the place of today")
}

/// Keys of a program that is there today which the new chart makes by chance. Those of a Secret that stays are told by the Secret.
fn keys(context: &HopContext<'_>, name: &Ref, doc: &Object, report: &mut Report) {
    let (Some(old), Some(template)) = (context.live.get(name), PodTemplate::of(doc)) else { return };
    let Some(before) = PodTemplate::of(old) else { return };
    for container in template.containers() {
        let Some(was) = before.containers().find(|old| old.name == container.name) else { continue };
        let known: BTreeMap<String, Option<String>> =
            variables(was, name, &|other| context.before.objects.get(other).cloned())
                .into_iter()
                .map(|variable| (variable.name, variable.text))
                .collect();
        let planned = |other: &Ref| reach::planned(context, other).cloned();
        let variables = variables(container, name, &planned);
        let is_key = |variable: &&Variable| {
            known.contains_key(&variable.name)
                && credential::is_named(&variable.name)
                && !credential::is_about(&variable.name)
        };
        for variable in variables.iter().filter(is_key) {
            let field = format!("{}{}{}", template.pointer, container.pointer(), variable.field);
            // An address is no key, but that of a store may have one in it.
            let is_address = |text: &str| {
                text.split_once("://").is_some_and(|(scheme, _)| !DataWords::builtin().is_scheme_of_store(scheme))
            };
            let is_other = || match (&known[&variable.name], &variable.text) {
                (Some(was), Some(will)) => was != will && !(is_address(was) && is_address(will)),
                _ => false,
            };
            if variable.is_by_chance(context, name, &field) {
                report.findings.push(other_key(context, name, variable, ("another random value", field)));
            } else if is_other() {
                report.findings.push(other_key(context, name, variable, ("another value", field)));
            }
        }
    }
}

fn other_key(context: &HopContext<'_>, name: &Ref, variable: &Variable, (what, field): (&str, String)) -> Finding {
    let found = format!("{} of {name} becomes {what} in {}", variable.name, context.input.pick.id);
    let finding = Finding::blocking(Code::KeyChanges, found).about(name).at(field);
    let finding = match &variable.from {
        Some(from) => finding.with(format!("it is {} of {}", from.key, from.secret)),
        None => finding,
    };
    finding.next("give the chart the value of today among its values, or accept: --accept PL249 --reason TEXT")
}

/// A variable of a container.
struct Variable {
    name: String,
    /// Where it is set, in the container.
    field: String,
    /// The ConfigMap or Secret that has its text.
    from: Option<SecretKey>,
    /// Its text, where the workload has it itself. It may be a credential and is never shown.
    text: Option<String>,
}

impl Variable {
    fn is_by_chance(&self, context: &HopContext<'_>, workload: &Ref, field: &str) -> bool {
        let Some(from) = &self.from else {
            return free(context.planned, workload).any(|free| free == field);
        };
        let Some(doc) = reach::planned(context, &from.secret) else { return false };
        if from.secret.kind() == "ConfigMap" {
            let at = format!("/data/{}", portolan_model::pointer_part(&from.key));
            return free(context.planned, &from.secret).any(|free| free == at || free.is_empty());
        }
        let stays =
            context.before.objects.get(&from.secret).is_some_and(|old| old.data_keys().contains(&from.key.as_str()));
        !stays && super::keys::value(doc, &from.key).is_some_and(|text| text == Manifest::FREE)
    }
}

/// The variables of a container; those of whole ConfigMaps and Secrets as far as `find` knows their keys.
fn variables(container: Container<'_>, name: &Ref, find: &dyn Fn(&Ref) -> Option<Object>) -> Vec<Variable> {
    let mut all = Vec::new();
    for entry in container.environment() {
        let from = entry.sets.object().map(|object| object.of(name.namespace()));
        let at = |key: &str| from.clone().map(|secret| SecretKey { secret, key: key.to_owned() });
        let mut put = |name: String, from: Option<SecretKey>, text: Option<String>| {
            all.push(Variable { name, field: entry.field.clone(), from, text });
        };
        match &entry.sets {
            EnvSet::Keys(prefix, _) => {
                let found = from.as_ref().and_then(find);
                found.iter().flat_map(Object::data_keys).for_each(|key| put(format!("{prefix}{key}"), at(key), None));
            }
            EnvSet::Key(variable, _, key) => put((*variable).to_owned(), at(key), None),
            EnvSet::Text(variable, text) => {
                put((*variable).to_owned(), None, Some((*text).to_owned()).filter(|text| !text.contains("$(")));
            }
            EnvSet::Other(variable) => put((*variable).to_owned(), None, None),
        }
    }
    all
}

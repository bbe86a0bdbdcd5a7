//! Texts of clients before and after a hop, and the hosts and ports that they name: variables, arguments, keys of ConfigMaps and
//! Secrets, backends of routes. A Secret's text is compared and never shown.

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::{EnvSet, PodTemplate, is_route, list};
use portolan_model::{Object, Ref};
use serde_json::Value;

use super::HopContext;
use super::scripts::{FindText, files};
use super::uses::{Use, Workloads};

/// A text that changes. It has no `Debug`: it may be a Secret's.
pub(super) struct Text {
    /// The object that has it.
    pub(super) object: Ref,
    /// Where: a JSON pointer.
    pub(super) field: String,
    pub(super) was: String,
    pub(super) will: String,
    /// Everything that its container or object says beside it.
    pub(super) about: String,
}

/// The texts of one object or container by what they are: where each stands, and what it says.
type Texts = BTreeMap<String, (Ref, String, String)>;

/// The texts that are in the manifests before and after, and change.
pub(super) fn changed(context: &HopContext<'_>, workloads: &Workloads) -> Vec<Text> {
    let mut all: Vec<Text> = Vec::new();
    let (today, after) = (FindText::today(context, workloads), FindText::after(context, workloads));
    for (name, old) in workloads.all_before() {
        let Some(new) = workloads.after(name) else { continue };
        if let (Some(was), Some(will)) = (PodTemplate::of(old), PodTemplate::of(new)) {
            for container in will.containers() {
                let Some(before) = was.containers().find(|one| one.name == container.name) else { continue };
                let users = [(was, before), (will, container)].map(|(template, container)| Use {
                    name,
                    template,
                    container,
                    mounts: Vec::new(),
                });
                compare(&of_container(&users[0], &today), &of_container(&users[1], &after), &mut all);
            }
        }
        if is_map(name) {
            compare(&of_map(name, &today), &of_map(name, &after), &mut all);
        }
        if is_route(name) {
            let backends = |route: &Object| {
                let text = portolan_kube_facts::services(route).join(" ");
                Texts::from([(String::new(), (name.clone(), "/spec".to_owned(), text))])
            };
            compare(&backends(old), &backends(new), &mut all);
        }
    }
    let mut seen = BTreeSet::new();
    all.retain(|text| seen.insert((text.object.clone(), text.field.clone())));
    all
}

/// How often a text names one of some Services: alone, with its namespace, or one of its pods.
pub(super) fn count(text: &str, services: &[Ref]) -> usize {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let words = text.split(|c: char| !is_part(c)).map(|word| word.trim_matches('.'));
    words.filter(|word| services.iter().any(|service| is_host(word, service))).count()
}

/// How often a text has a number by itself.
pub(super) fn count_port(text: &str, port: u64) -> usize {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    words.filter(|word| *word == port.to_string()).count()
}

fn is_host(host: &str, service: &Ref) -> bool {
    let labels: Vec<&str> = host.split('.').collect();
    let is_here = |rest: &[&str]| rest.first().is_none_or(|first| *first == service.namespace());
    let is_pod = |label: &str| {
        let ordinal = label.rsplit_once('-').map(|(_, ordinal)| ordinal);
        ordinal.is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
    };
    match labels.as_slice() {
        [first, rest @ ..] if *first == service.name() => is_here(rest),
        [first, second, rest @ ..] if *second == service.name() => is_pod(first) && is_here(rest),
        _ => false,
    }
}

fn is_map(name: &Ref) -> bool {
    name.group().is_empty() && matches!(name.kind(), "ConfigMap" | "Secret")
}

fn compare(was: &Texts, will: &Texts, all: &mut Vec<Text>) {
    let about = || {
        let texts = was.values().chain(will.values()).map(|(.., text)| text.as_str());
        texts.collect::<Vec<_>>().join("\n")
    };
    for (key, (object, field, text)) in will {
        let Some((.., old)) = was.get(key).filter(|(.., old)| old != text) else { continue };
        let (object, field) = (object.clone(), field.clone());
        all.push(Text { object, field, was: old.clone(), will: text.clone(), about: about() });
    }
}

/// The keys of a ConfigMap or Secret.
fn of_map(name: &Ref, find: &FindText<'_>) -> Texts {
    let texts = find.texts(name).into_iter();
    texts.map(|(field, key, text)| (format!("key {key}"), (name.clone(), field, text))).collect()
}

/// The variables, arguments and files of a container.
fn of_container(user: &Use<'_>, find: &FindText<'_>) -> Texts {
    let mut all = Texts::new();
    for entry in user.container.environment() {
        let source = entry.sets.object().map(|object| object.of(user.name.namespace()));
        match (&entry.sets, source) {
            (EnvSet::Text(variable, text), _) => {
                let place = (user.name.clone(), user.field(&entry.field), (*text).to_owned());
                all.insert(format!("env {variable}"), place);
            }
            (EnvSet::Key(variable, _, key), Some(map)) => {
                let text = find.texts(&map).into_iter().find(|(_, its, _)| its == key);
                all.extend(text.map(|(field, _, text)| (format!("env {variable}"), (map, field, text))));
            }
            (EnvSet::Keys(prefix, _), Some(map)) => {
                let texts = find.texts(&map).into_iter();
                all.extend(texts.map(|(field, key, text)| (format!("env {prefix}{key}"), (map.clone(), field, text))));
            }
            _ => {}
        }
    }
    for words in ["command", "args"] {
        let texts: Vec<&str> = list(user.container.json, words).iter().filter_map(Value::as_str).collect();
        all.insert(words.to_owned(), (user.name.clone(), user.field(&format!("/{words}")), texts.join("\n")));
    }
    all.extend(files(user, find).into_iter().map(|file| (file.key, (file.object, file.field, file.text))));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_a_service_are_counted() {
        let db = [Ref::new("", "Service", "ns", "db")];
        for (text, times) in [
            ("db", 1),
            ("postgres://u:p@db:5432/app", 1),
            ("db.ns.svc.cluster.local,db.ns", 2),
            ("db.other", 0),
            ("db-0.db:1 db-0.db.ns.svc", 2),
            (r#"{"host":"db"}"#, 1),
            ("mydb db2 db_x www.db", 0),
            ("--host=db", 1),
        ] {
            assert_eq!(count(text, &db), times, "{text}");
        }
        for (text, times) in [("5432", 1), ("db:5432/x", 1), ("15432 5432.1 a5432", 0), ("--port=5432", 1)] {
            assert_eq!(count_port(text, 5432), times, "{text}");
        }
    }
}

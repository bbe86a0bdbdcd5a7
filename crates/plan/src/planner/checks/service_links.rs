//! Variables that the kubelet sets in each container for each Service of its namespace, `DB_SERVICE_HOST` and `DB_PORT`: they come and go
//! with the Service, and a program that reads one is told something else (`pkg/kubelet/envvars/envvars.go`, Kubernetes 1.34).

use std::collections::BTreeSet;

use portolan_kube_facts::{PodTemplate, list};
use portolan_model::{Ref, Volume};
use serde_json::Value;

use super::clients::leading_to_data;
use super::leads::{self, Objects, is_headless};
use super::scripts::{FindText, files};
use super::uses::{Use, Workloads};
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let (before, after): (Objects<'_>, Objects<'_>) =
        (workloads.all_before().collect(), workloads.all_after().collect());
    let (had, has) = (linked(&before), linked(&after));
    let changed: Vec<&Ref> = had.symmetric_difference(&has).copied().collect();
    if changed.is_empty() {
        return;
    }
    let find = FindText::after(context, workloads);
    for volume in context.resolved.in_use() {
        let of_data = leading_to_data(&volume.claim, &before);
        for (name, object) in &after {
            let Some(template) = PodTemplate::of(object) else { continue };
            // A client asks for nothing but the Services of the data.
            let is_on_data = leads::has_data(object, &volume.claim);
            let concerns = |service: &&&Ref| {
                service.namespace() == name.namespace() && (is_on_data || of_data.contains(**service))
            };
            let services: Vec<&Ref> = changed.iter().filter(concerns).copied().collect();
            for container in template.containers() {
                let user = Use { name, template, container, mounts: Vec::new() };
                of_container(volume, &user, &services, &find, report);
            }
        }
    }
}

/// The Services for which the kubelet sets variables.
fn linked<'a>(objects: &Objects<'a>) -> BTreeSet<&'a Ref> {
    let is_service = |name: &Ref| name.group().is_empty() && name.kind() == "Service";
    let all = objects.iter().filter(|(name, service)| {
        is_service(name) && !is_headless(service) && service.text("/spec/type") != "ExternalName"
    });
    all.map(|(name, _)| *name).collect()
}

fn of_container(volume: &Volume, user: &Use<'_>, services: &[&Ref], find: &FindText<'_>, report: &mut Report) {
    if services.is_empty() || user.template.spec.get("enableServiceLinks") == Some(&Value::Bool(false)) {
        return;
    }
    let own = find.variables(user);
    let mut texts: Vec<(Ref, String, String)> = Vec::new();
    for key in ["command", "args"] {
        for (at, word) in list(user.container.json, key).iter().enumerate() {
            let word = word.as_str().unwrap_or_default().to_owned();
            texts.push((user.name.clone(), user.field(&format!("/{key}/{at}")), word));
        }
    }
    texts.extend(own.values().map(|text| (user.name.clone(), user.field("/env"), text.clone())));
    texts.extend(files(user, find).into_iter().map(|file| (file.object, file.field, file.text)));
    for service in services {
        for (object, field, text) in &texts {
            let named = variables(text, service).into_iter().find(|variable| !own.contains_key(variable));
            if let Some(variable) = named {
                let reason = format!(
                    "container {} reads {variable}, which the kubelet sets for {service}, and that Service comes or goes with the upgrade",
                    user.container.name
                );
                let way_out = "set enableServiceLinks: false, or give the container that variable";
                report.unknown(volume, object, field, (reason, way_out));
                break;
            }
        }
    }
}

/// The variables of a Service that a text names.
fn variables(text: &str, service: &Ref) -> Vec<String> {
    let prefix = service.name().to_uppercase().replace(['-', '.'], "_");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    let ours = words.filter(|word| {
        let rest = word.strip_prefix(prefix.as_str());
        rest.is_some_and(|rest| {
            ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"]
                .iter()
                .any(|known| rest.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
        })
    });
    ours.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_service_are_found_in_texts() {
        let service = Ref::new("", "Service", "n", "my-db");
        for (text, found) in [
            ("exec s --host $MY_DB_SERVICE_HOST:${MY_DB_PORT:-1}", &["MY_DB_SERVICE_HOST", "MY_DB_PORT"][..]),
            ("$(MY_DB_PORT_5432_TCP_ADDR)", &["MY_DB_PORT_5432_TCP_ADDR"]),
            ("$MY_DB_PORTS $OTHER_MY_DB_PORT $MY_DB_HOST", &[]),
        ] {
            assert_eq!(variables(text, &service), found, "{text}");
        }
    }
}

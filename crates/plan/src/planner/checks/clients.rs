//! Services that lead to another workload than today, and variables of clients that name another server: who asks for the data is sent
//! to a program that does not have it.

use std::collections::BTreeMap;

use portolan_kube_facts::{Container, EnvSet, PodTemplate, volumes_of_claim};
use portolan_model::{Object, Ref, Volume};
use serde_json::Value;

use super::needs::is_host;
use super::uses::Workloads;
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    for volume in context.resolved.in_use() {
        by_variables(volume, workloads, report);
        let uses = |object: &Object| !volumes_of_claim(object, &volume.claim).is_empty();
        for (service, new) in workloads.all_after().filter(|(name, _)| name.kind() == "Service") {
            let Some(old) = workloads.before(service) else { continue };
            let (was, will) = (selector(old), selector(new));
            if was == will {
                continue;
            }
            let had =
                workloads.all_before().filter(|(name, object)| is_led(service, was, name, object) && uses(object));
            let Some((user, _)) = had.into_iter().next() else { continue };
            let stays = |(name, object): (&Ref, &Object)| is_led(service, will, name, object) && uses(object);
            // One that leads out of the chart, by a name or by endpoints of its own, is not followed.
            let Some((other, _)) = workloads.all_after().find(|(name, object)| is_led(service, will, name, object))
            else {
                continue;
            };
            // Where the workload itself leaves the data, that is told already.
            if workloads.all_after().any(stays) || !workloads.after(user).is_some_and(uses) {
                continue;
            }
            let reason = format!("it leads to {other} and not to {user} any more, which has the data");
            report.unknown(volume, service, "/spec/selector", (reason, "give the Service the selector of today"));
        }
    }
}

fn selector(service: &Object) -> Option<&Value> {
    service.at("/spec/selector")
}

/// Whether a Service's selector chooses the pods of a workload.
fn is_led(service: &Ref, selector: Option<&Value>, name: &Ref, workload: &Object) -> bool {
    let Some(template) = PodTemplate::of(workload).filter(|_| name.namespace() == service.namespace()) else {
        return false;
    };
    let labels = template.metadata.and_then(|metadata| metadata.get("labels"));
    let wanted = selector.and_then(Value::as_object).filter(|wanted| !wanted.is_empty());
    wanted.is_some_and(|wanted| {
        wanted.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    })
}

/// Words of variables that say where a server is.
const PLACES: [&str; 9] = ["HOST", "HOSTNAME", "URL", "URI", "ADDR", "ADDRESS", "ENDPOINT", "SERVER", "DSN"];

/// Variables that name a Service of the data's workload today, and name none of them afterwards.
fn by_variables(volume: &Volume, workloads: &Workloads, report: &mut Report) {
    let uses = |object: &Object| !volumes_of_claim(object, &volume.claim).is_empty();
    let [had, has] = [services(&workloads.all_before(), &uses), services(&workloads.all_after(), &uses)];
    for (name, after) in workloads.all_after().filter(|(_, object)| !uses(object)) {
        let (Some(old), Some(new)) = (workloads.before(name).and_then(PodTemplate::of), PodTemplate::of(after)) else {
            continue;
        };
        for container in new.containers() {
            let Some(was) = old.containers().find(|old| old.kind == container.kind && old.name == container.name)
            else {
                continue;
            };
            let before = texts(was);
            for (variable, (text, field)) in texts(container) {
                let Some((before, _)) = before.get(variable).filter(|(before, _)| *before != text) else { continue };
                let named = had.iter().find(|service| is_host(before, service, false));
                let Some(service) = named.filter(|_| !has.iter().any(|service| is_host(text, service, false))) else {
                    continue;
                };
                let reason = format!(
                    "{variable} does not name {service} any more, which leads to the data: it asks another server"
                );
                let field = format!("{}{}{field}", new.pointer, container.pointer());
                report.unknown(volume, name, &field, (reason, "give the chart the server of today"));
            }
        }
    }
}

/// The Services that lead to a workload which has the data.
fn services<'a>(
    all: &(impl Iterator<Item = (&'a Ref, &'a Object)> + Clone),
    uses: &dyn Fn(&Object) -> bool,
) -> Vec<&'a Ref> {
    let services = all.clone().filter(|(name, _)| name.kind() == "Service");
    services
        .filter(|(service, object)| {
            all.clone().any(|(name, workload)| uses(workload) && is_led(service, selector(object), name, workload))
        })
        .map(|(service, _)| service)
        .collect()
}

/// The texts of a container's variables that say where a server is, and their fields.
fn texts(container: Container<'_>) -> BTreeMap<&str, (&str, String)> {
    let is_place = |name: &str| name.split('_').any(|word| PLACES.contains(&word.to_ascii_uppercase().as_str()));
    let own = container.environment().filter_map(|entry| match entry.sets {
        EnvSet::Text(name, text) if is_place(name) => Some((name, (text, entry.field))),
        _ => None,
    });
    own.collect()
}

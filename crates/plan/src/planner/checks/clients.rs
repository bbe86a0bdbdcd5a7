//! Clients that name the Service of a store with data today, and that of a new, empty store or another server after the hop.

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::{Claims, Container, EnvSet, PodTemplate, list};
use portolan_model::{Object, Ref, Volume};
use serde_json::Value;

use super::addresses::{self, Text};
use super::leads::{self, Lead, Objects};
use super::uses::{Workloads, has_pods};
use super::{HopContext, Report, services};

const TODAY: &str = "give the client the address of today, or see that the new store has the data before it is used";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let texts = addresses::changed(context, workloads);
    let before: Objects<'_> = workloads.all_before().collect();
    let after: Objects<'_> = workloads.all_after().collect();
    for volume in context.resolved.in_use() {
        let store = Store { context, volume, before: &before, after: &after };
        // Where every workload leaves the data, that is told already.
        if leads::holders(&after, &volume.claim).is_empty() {
            continue;
        }
        let (old, new) = (store.old_services(), store.new_services());
        let is_both = |name: &&Ref| old.contains(*name) && new.contains(*name);
        let both: Vec<&Ref> = old.iter().copied().filter(is_both).collect();
        let names = |all: &BTreeSet<&Ref>| -> Vec<Ref> {
            all.iter().filter(|name| !both.contains(*name)).map(|name| (*name).clone()).collect()
        };
        let (old, new) = (names(&old), names(&new));
        for text in &texts {
            let goes = addresses::count(&text.was, &old) > addresses::count(&text.will, &old);
            if goes && addresses::count(&text.was, &new) < addresses::count(&text.will, &new) {
                let to = new.iter().find(|name| addresses::count(&text.will, std::slice::from_ref(name)) > 0);
                let to = to.map_or_else(String::new, ToString::to_string);
                let from = old.iter().find(|name| addresses::count(&text.was, std::slice::from_ref(name)) > 0);
                let from = from.map_or_else(String::new, ToString::to_string);
                let reason = format!(
                    "it names {to}, behind which a new and empty store is, in place of {from}, which leads to the data"
                );
                report.unknown(volume, &text.object, &text.field, (reason, TODAY));
            } else if let Some(reason) = store.other_port(text) {
                report.unknown(volume, &text.object, &text.field, (reason, "give the client the port of today"));
            }
        }
        store.other_servers(workloads, report);
        if !old.is_empty() && !new.is_empty() {
            store.host_aliases(&old, workloads, report);
        }
    }
}

/// A PVC with its workloads.
struct Store<'a> {
    context: &'a HopContext<'a>,
    volume: &'a Volume,
    before: &'a Objects<'a>,
    after: &'a Objects<'a>,
}

impl<'a> Store<'a> {
    fn has_data(&self, object: &Object) -> bool {
        leads::has_data(object, &self.volume.claim)
    }

    /// The Services that lead to the data today.
    fn old_services(&self) -> BTreeSet<&'a Ref> {
        leading_to_data(&self.volume.claim, self.before)
    }

    /// The Services that lead to a store that comes with the hop, and not to the data.
    fn new_services(&self) -> BTreeSet<&'a Ref> {
        let of_data = leading_to_data(&self.volume.claim, self.after);
        let new: Vec<&Ref> =
            self.after.iter().filter(|(name, object)| self.is_new(name, object)).map(|(name, _)| *name).collect();
        leading_to(&new, self.after).into_iter().filter(|name| !of_data.contains(name)).collect()
    }

    /// Whether a workload comes with the hop and begins with nothing: on PVCs that are not there yet, or as the program of the data
    /// without any.
    fn is_new(&self, name: &Ref, object: &Object) -> bool {
        let is_known = self.before.iter().any(|(known, _)| known == &name);
        if is_known || !Workloads::runs_on(object) || !has_pods(object) || self.has_data(object) {
            return false;
        }
        let makes = Claims::of(name, object).into_all().any(|claim| !self.context.live.contains_key(&claim));
        let programs: Vec<&str> = self
            .before
            .iter()
            .filter(|(_, object)| self.has_data(object))
            .flat_map(|(_, object)| services::images(object))
            .collect();
        makes || (!services::keeps_data(object) && services::images(object).any(|image| programs.contains(&image)))
    }

    /// A text of somebody who asks a Service for the data at one port today, and at a port of another program after the hop.
    fn other_port(&self, text: &Text) -> Option<String> {
        self.before.iter().filter(|(name, _)| name.kind() == "Service").find_map(|(service, old)| {
            let (_, new) = self.after.iter().find(|(name, _)| name == service)?;
            if addresses::count(&text.about, std::slice::from_ref(*service)) == 0 {
                return None;
            }
            let was = leads::of_service(service, old, self.before);
            let will = leads::of_service(service, new, self.after);
            let left = was.iter().filter(|((port, _), _)| {
                addresses::count_port(&text.was, *port) > addresses::count_port(&text.will, *port)
            });
            let mut taken = will.iter().filter(|((port, _), _)| {
                addresses::count_port(&text.was, *port) < addresses::count_port(&text.will, *port)
            });
            let ((from, _), led) = left.into_iter().next()?;
            let (to, now) = taken.next()?;
            let is_there = was.contains_key(to);
            let held = led.iter().find_map(|lead| self.held(lead, self.before))?;
            let is_other = now.iter().any(|lead| match (lead, self.held(lead, self.after)) {
                (_, Some((object, at))) => {
                    let is_of_container =
                        matches!((held.1, at), (Some(had), Some(has)) if had.container == has.container);
                    !services::is_same((held.0, held.1), (object, at)) && (is_there || !is_of_container)
                }
                _ => true,
            });
            is_other.then(|| format!("it names port {} of {service} in place of {from}, which leads to the data", to.0))
        })
    }

    /// The workload with the data that a Service leads to.
    fn held<'b>(&self, lead: &'b Lead, objects: &Objects<'a>) -> Option<(&'a Object, Option<&'b leads::Listener>)> {
        let Lead::Pods(name, at) = lead else { return None };
        let (_, object) = objects.iter().find(|(other, object)| *other == name && self.has_data(object))?;
        Some((*object, at.as_ref()))
    }

    /// Variables of clients that name a Service of the data's workload today, and none of them after the hop.
    fn other_servers(&self, workloads: &Workloads, report: &mut Report) {
        let (had, has) = (self.old_services(), leading_to_data(&self.volume.claim, self.after));
        for (name, after) in self.after.iter().filter(|(_, object)| !self.has_data(object)) {
            let (Some(old), Some(new)) = (workloads.before(name).and_then(PodTemplate::of), PodTemplate::of(after))
            else {
                continue;
            };
            for container in new.containers() {
                let same = |old: &Container<'_>| old.kind == container.kind && old.name == container.name;
                let Some(was) = old.containers().find(same) else { continue };
                let before = places(was);
                for (variable, (text, field)) in places(container) {
                    let field = format!("{}{}{field}", new.pointer, container.pointer());
                    let is_told = report.unmodelled.iter().any(|it| it.object == **name && it.field.as_str() == field);
                    let was = before.get(variable).filter(|(before, _)| *before != text && !is_told);
                    let Some((before, _)) = was else { continue };
                    let names = |text: &str, service: &Ref| addresses::count(text, std::slice::from_ref(service)) > 0;
                    let named = had.iter().find(|service| names(before, service));
                    let Some(service) = named.filter(|_| !has.iter().any(|service| names(text, service))) else {
                        continue;
                    };
                    let reason = format!(
                        "{variable} does not name {service} any more, which leads to the data: it asks another server"
                    );
                    report.unknown(self.volume, name, &field, (reason, "give the chart the server of today"));
                }
            }
        }
    }

    /// Names that pods are told the address of, which is another one after the hop.
    fn host_aliases(&self, old: &[Ref], workloads: &Workloads, report: &mut Report) {
        let is_of_another = |ip: &str| {
            let services = self.context.live.iter().filter(|(name, _)| name.kind() == "Service");
            services.into_iter().any(|(name, object)| object.text("/spec/clusterIP") == ip && !old.contains(name))
        };
        for (name, before) in workloads.all_before() {
            let Some(after) = workloads.after(name) else { continue };
            let (Some(was), Some(will)) = (PodTemplate::of(before), PodTemplate::of(after)) else { continue };
            let (had, has) = (aliases(was), aliases(will));
            let moved = had.iter().find(|(ip, host)| {
                let is_named = has.iter().any(|(_, other)| other == host);
                is_named && !has.contains(&(*ip, *host)) && !is_of_another(ip)
            });
            if let Some((ip, host)) = moved {
                let reason = format!(
                    "{host} is another address for its pods than {ip}, and a new and empty store comes with the upgrade"
                );
                report.unknown(self.volume, name, &format!("{}/hostAliases", will.pointer), (reason, TODAY));
            }
        }
    }
}

/// The Services that lead to a PVC's data.
pub(super) fn leading_to_data<'a>(claim: &Ref, objects: &Objects<'a>) -> BTreeSet<&'a Ref> {
    let holders: Vec<&Ref> = leads::holders(objects, claim).into_iter().map(|(name, _)| name).collect();
    leading_to(&holders, objects)
}

/// The Services that lead to some workloads.
fn leading_to<'a>(workloads: &[&Ref], objects: &Objects<'a>) -> BTreeSet<&'a Ref> {
    let services = objects.iter().filter(|(name, _)| name.group().is_empty() && name.kind() == "Service");
    let leads = |name: &Ref, service: &Object| {
        let all = leads::of_service(name, service, objects);
        all.values().flatten().any(|lead| matches!(lead, Lead::Pods(led, _) if workloads.contains(&led)))
    };
    services.filter(|(name, service)| leads(name, service)).map(|(name, _)| *name).collect()
}

/// The addresses and names of a pod's `hostAliases`.
fn aliases(template: PodTemplate<'_>) -> BTreeSet<(&str, &str)> {
    let all = list(template.spec, "hostAliases").iter().flat_map(|alias| {
        let ip = alias.get("ip").and_then(Value::as_str).unwrap_or_default();
        list(alias, "hostnames").iter().filter_map(Value::as_str).map(move |host| (ip, host))
    });
    all.collect()
}

/// Words of variables that say where a server is.
const PLACES: [&str; 9] = ["HOST", "HOSTNAME", "URL", "URI", "ADDR", "ADDRESS", "ENDPOINT", "SERVER", "DSN"];

/// The texts of a container's variables that say where a server is, and their fields.
fn places(container: Container<'_>) -> BTreeMap<&str, (&str, String)> {
    let is_place = |name: &str| name.split('_').any(|word| PLACES.contains(&word.to_ascii_uppercase().as_str()));
    let own = container.environment().filter_map(|entry| match entry.sets {
        EnvSet::Text(name, text) if is_place(name) => Some((name, (text, entry.field))),
        _ => None,
    });
    own.collect()
}

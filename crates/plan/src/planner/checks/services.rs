//! Services that lead to something else than today: who asks for the data is sent to a program that does not have it.

use std::collections::BTreeSet;

use portolan_kube_facts::{PodTemplate, StatefulSet, list};
use portolan_model::{Code, Finding, Object, Ref};
use serde_json::Value;

use super::leads::{self, Lead, Listener, Objects};
use super::uses::{Workloads, has_pods};
use super::{HopContext, Report};

const TODAY: &str = "give the Service, and the pods that it leads to, the selector, labels and ports of today";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let before: Objects<'_> = workloads.all_before().collect();
    let after: Objects<'_> = workloads.all_after().collect();
    let services = both(context, workloads);
    for volume in context.resolved.in_use() {
        let holders = [&before, &after].map(|objects| leads::holders(objects, &volume.claim));
        let place = Place { before: &before, after: &after, holders: &holders };
        // Where every workload leaves the data, that is told already.
        if holders[1].is_empty() {
            continue;
        }
        for (name, old, new) in &services {
            if let Some((field, reason)) = place.change(name, old, new).or_else(|| place.parted(name, old, new)) {
                report.unknown(volume, name, &field, (reason, TODAY));
            }
        }
    }
    for (name, old, new) in services {
        report.findings.extend(other_server(context, (name, old, new), &before, &after));
    }
}

/// The Services before and after the hop, those that are not of the release too.
fn both<'a>(context: &'a HopContext<'_>, workloads: &'a Workloads) -> Vec<(&'a Ref, &'a Object, &'a Object)> {
    let foreign = context.live.iter().filter(|(name, _)| !context.before.is_stored(name));
    let foreign = foreign.filter(|(name, _)| workloads.before(name).is_none() && workloads.after(name).is_none());
    let of_chart = workloads.all_before().filter_map(|(name, object)| Some((name, object, workloads.after(name)?)));
    let all = of_chart.chain(foreign.map(|(name, object)| (name, object, object)));
    all.filter(|(name, ..)| name.group().is_empty() && name.kind() == "Service").collect()
}

/// The objects before and after the hop, and those among them that have a PVC's data.
struct Place<'a> {
    before: &'a Objects<'a>,
    after: &'a Objects<'a>,
    holders: &'a [Objects<'a>; 2],
}

impl<'a> Place<'a> {
    /// The field and the reason why a Service does not lead its clients to the data as today.
    fn change(&self, name: &Ref, old: &Object, new: &Object) -> Option<(String, String)> {
        let (was, will) = (leads::of_service(name, old, self.before), leads::of_service(name, new, self.after));
        was.iter().find_map(|(port, led)| {
            let today = of(led, &self.holders[0]);
            let (user, ..) = today.first()?;
            // Who asks for a port that is gone gets no answer.
            let now = leads::at_port(&will, port)?;
            let still = of(now, &self.holders[1]);
            let others =
                |lead: &&Lead| !matches!(lead, Lead::Pods(name, _) if still.iter().any(|(it, ..)| it == &name));
            let place = ports(port.0, old, new);
            // Who asks a Service whose pods are gone gets no answer, and no other data.
            if now.is_empty() && old.at("/spec/selector") == new.at("/spec/selector") {
                return None;
            }
            if still.is_empty() {
                return Some((field(old, new, &place), elsewhere(now.iter().next(), user)));
            }
            if !still
                .iter()
                .any(|(_, object, at)| today.iter().any(|(_, was, had)| is_same((was, *had), (object, *at))))
            {
                let to = still.iter().find_map(|(_, _, at)| *at);
                let to = to.map_or_else(|| "elsewhere".to_owned(), shown);
                let had = today.iter().find_map(|(_, _, at)| *at).map_or_else(String::new, shown);
                let reason = format!("its port {} leads to {to} of {user}, and not to {had} any more", port.0);
                return Some((field(old, new, &place), reason));
            }
            let more = now.iter().filter(others).find_map(|lead| self.other_data(lead, led, &today))?;
            let reason = format!("it leads to {more} as well as to {user}: every other client is sent to other data");
            Some((field(old, new, "/spec/selector"), reason))
        })
    }

    /// The field and the reason why the members of a StatefulSet do not find each other when they start, as they do today: the names of
    /// pods that are not ready are not answered then (`publishNotReadyAddresses` of `ServiceSpec`, `core/v1/types.go` of Kubernetes 1.34).
    fn parted(&self, name: &Ref, old: &Object, new: &Object) -> Option<(String, String)> {
        const FIELD: &str = "/spec/publishNotReadyAddresses";
        let is_on = |service: &Object| service.at(FIELD) == Some(&Value::Bool(true));
        if !is_on(old) || is_on(new) || !leads::is_headless(new) {
            return None;
        }
        let mut members = leads::selected(name, new, &self.holders[1]).into_iter();
        let (set, _) =
            members.find(|(set, object)| StatefulSet::named(set, object).is_some_and(|set| set.replicas() > 1))?;
        let reason = format!(
            "the pods of {set} do not find each other by name any more before they are ready: one that finds nobody may begin anew by itself"
        );
        Some((FIELD.into(), reason))
    }

    /// A workload that a Service leads to besides those of today, where it keeps data of its own or runs the program of the data.
    fn other_data(&self, lead: &'a Lead, led: &BTreeSet<Lead>, today: &[Held<'_>]) -> Option<&'a Ref> {
        let Lead::Pods(name, _) = lead else { return None };
        if led.iter().any(|lead| matches!(lead, Lead::Pods(known, _) if known == name)) {
            return None;
        }
        let (_, object) = self.after.iter().find(|(other, _)| *other == name)?;
        let programs: Vec<&str> = today.iter().flat_map(|(_, object, _)| images(object)).collect();
        let is_other = keeps_data(object) || images(object).any(|image| programs.contains(&image));
        (is_other && has_pods(object)).then_some(name)
    }
}

/// A workload with the data that a Service leads to, and the port of its pods.
type Held<'a> = (&'a Ref, &'a Object, Option<&'a Listener>);

/// Those leads that are workloads of some.
fn of<'a>(leads: &'a BTreeSet<Lead>, holders: &Objects<'a>) -> Vec<Held<'a>> {
    let held = leads.iter().filter_map(|lead| match lead {
        Lead::Pods(name, at) => {
            let (name, object) = holders.iter().find(|(holder, _)| *holder == name)?;
            Some((*name, *object, at.as_ref()))
        }
        Lead::Outside(_) => None,
    });
    held.collect()
}

/// Whether two ports of pods are the same program's, as far as the pods say: a container, or a port, may have another name or number
/// while nothing else has the old one.
pub(super) fn is_same((old, was): (&Object, Option<&Listener>), (new, will): (&Object, Option<&Listener>)) -> bool {
    let (Some(was), Some(will)) = (was, will) else { return true };
    let has = |object: &Object, container: &str| {
        PodTemplate::of(object).is_some_and(|template| template.containers().any(|one| one.name == container))
    };
    let says = |object: &Object, number: u64| {
        PodTemplate::of(object).is_some_and(|template| {
            let ports = template.containers().flat_map(|container| list(container.json, "ports"));
            ports.filter_map(|port| port.get("containerPort")?.as_u64()).any(|one| one == number)
        })
    };
    let is_container = was.container == will.container
        || was.container.is_empty()
        || will.container.is_empty()
        || (!has(new, &was.container) && !has(old, &will.container));
    let is_number = was.number == will.number
        || (says(old, was.number) && !says(new, was.number) && says(new, will.number) && !says(old, will.number));
    is_container && is_number
}

/// Whether pods of a workload keep data on PVCs.
pub(super) fn keeps_data(object: &Object) -> bool {
    !object.list("/spec/volumeClaimTemplates").is_empty()
        || PodTemplate::of(object).is_some_and(|template| template.claims().next().is_some())
}

/// The images of a workload's pods, without tags.
pub(super) fn images(object: &Object) -> impl Iterator<Item = &str> {
    let containers = PodTemplate::of(object).into_iter().flat_map(PodTemplate::containers);
    let images = containers.filter_map(|container| container.json.get("image")?.as_str());
    images.map(portolan_recipe::image_name)
}

fn elsewhere(lead: Option<&Lead>, user: &Ref) -> String {
    match lead {
        Some(Lead::Pods(other, _)) => format!("it leads to {other} and not to {user} any more, which has the data"),
        Some(Lead::Outside(address)) => {
            format!("it leads to {address} and not to {user} any more, which has the data")
        }
        None => format!("it does not lead to {user} any more, which has the data, nor to anything else"),
    }
}

fn shown(at: &Listener) -> String {
    match at.container.as_str() {
        "" => format!("port {}", at.number),
        name => format!("port {} of container {name}", at.number),
    }
}

/// Where a port of a Service stands that leads to another one, else the ports.
fn ports(number: u64, old: &Object, new: &Object) -> String {
    let of = |service: &Object| -> Option<(usize, Value)> {
        let mut ports = service.list("/spec/ports").iter().enumerate();
        let (at, port) = ports.find(|(_, port)| port["port"] == number)?;
        Some((at, port.get("targetPort").cloned().unwrap_or(Value::Null)))
    };
    match (of(old), of(new)) {
        (Some((_, was)), Some((at, will))) if was != will => format!("/spec/ports/{at}/targetPort"),
        _ => "/spec/selector".into(),
    }
}

/// The field of a Service that changes, else another.
fn field(old: &Object, new: &Object, otherwise: &str) -> String {
    let changes = |pointer: &&&str| old.at(pointer) != new.at(pointer);
    let fields = ["/spec/externalName", "/spec/type", "/spec/selector"];
    let field = fields.iter().find(|field| changes(field)).copied();
    field.unwrap_or(otherwise).to_owned()
}

/// A Service that leads out of the chart, and somewhere else than today.
fn other_server(
    context: &HopContext<'_>,
    (name, old, new): (&Ref, &Object, &Object),
    before: &Objects<'_>,
    after: &Objects<'_>,
) -> Option<Finding> {
    let (was, will) = (leads::of_service(name, old, before), leads::of_service(name, new, after));
    let (led, more) = was.iter().find_map(|(port, led)| {
        let is_outside = !led.is_empty() && led.iter().all(|lead| matches!(lead, Lead::Outside(_)));
        let more = leads::at_port(&will, port)?.iter().find(|lead| !led.contains(lead))?;
        is_outside.then_some((led, more))
    })?;
    let address = |lead: &Lead| match lead {
        Lead::Pods(name, _) => name.to_string(),
        Lead::Outside(address) => address.clone(),
    };
    let all: Vec<String> = led.iter().map(address).collect();
    let chart = &context.input.pick.id;
    let found = format!("{name} in {chart} leads to {}, and today to {}", address(more), all.join(", "));
    let by_hand = leads::endpoints_of(name, after).find(|_| matches!(more, Lead::Outside(_)));
    let (object, at) = match by_hand {
        Some((slice, object)) if object.at("/endpoints").is_some() => (slice, "/endpoints".into()),
        Some((endpoints, _)) => (endpoints, "/subsets".into()),
        None => (name, field(old, new, "/spec")),
    };
    Some(
        Finding::blocking(Code::OtherServer, found)
            .about(object)
            .at(at)
            .why("its clients find another server there, with other data or none")
            .next(format!(
                "give the chart the address of today, or accept: --accept {} --reason TEXT",
                Code::OtherServer
            )),
    )
}

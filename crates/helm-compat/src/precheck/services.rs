//! Addresses and ports that a Service asks for by number, and who has them.

use std::collections::BTreeMap;

use portolan_model::{CheckAnswer, Code, Finding, Object, Ref, RefusalCause};
use serde_json::Value;

use super::{Precheck, Purpose, body, fields};
use crate::upgrade;

/// The fixed addresses of a Service: the field and the address.
fn addresses(service: &Object) -> Vec<(String, &str)> {
    if service.text("/kind") != "Service" || !service.text("/apiVersion").starts_with('v') {
        return Vec::new();
    }
    let list = service.list("/spec/clusterIPs").iter().enumerate();
    let mut all: Vec<(String, &str)> =
        list.filter_map(|(index, ip)| Some((format!("/spec/clusterIPs/{index}"), ip.as_str()?))).collect();
    let first = service.text("/spec/clusterIP");
    if !all.iter().any(|(_, ip)| *ip == first) {
        all.push(("/spec/clusterIP".into(), first));
    }
    all.retain(|(_, ip)| !ip.is_empty() && *ip != "None");
    all
}

/// The Services of the manifest that will be created.
fn created(check: &Precheck) -> impl Iterator<Item = (Ref, &Object)> {
    check.writes.planned.iter().filter_map(|doc| {
        let name = doc.name()?;
        let is_new = check.writes.deletes.contains(&name) || !check.exists(&name);
        (doc.text("/kind") == "Service" && is_new).then_some((name, doc))
    })
}

/// Whether a Service asks for a number of which no dry run says whether it can be had: an address that may be taken, or a port that
/// may be out of range.
pub(super) fn asks_for_a_number(check: &Precheck) -> bool {
    created(check).any(|(_, doc)| !addresses(doc).is_empty()) || unusual_ports(check).next().is_some()
}

/// The node ports that a server hands out unless it is told otherwise (`--service-node-port-range` of kube-apiserver, Kubernetes 1.34).
const USUAL_PORTS: std::ops::RangeInclusive<u64> = 30_000..=32_767;

/// Node ports out of the usual range that a Service does not have yet, and their fields.
fn unusual_ports(check: &Precheck) -> impl Iterator<Item = (Ref, String, u64)> {
    check.writes.planned.iter().filter(|doc| doc.text("/kind") == "Service").flat_map(|doc| {
        let name = doc.name();
        let own = name.as_ref().and_then(|name| check.known.get(name)).map(node_ports).unwrap_or_default();
        let is_new = move |port: &u64| !USUAL_PORTS.contains(port) && !own.iter().any(|(_, has)| has == port);
        let ports = node_ports(doc).into_iter().filter(move |(_, port)| is_new(port));
        ports.filter_map(move |(field, port)| Some((name.clone()?, field, port)))
    })
}

/// Node ports out of range, which a dry run accepts. The range is an option of the server's that nobody can read; a Service that has
/// a port out of the usual one shows that it is another one.
pub(super) fn out_of_range(check: &Precheck) -> Vec<Finding> {
    let shows = |service: &Object| node_ports(service).iter().any(|(_, port)| !USUAL_PORTS.contains(port));
    if check.known.of_kind("Service").any(|(_, service)| shows(service)) {
        return Vec::new();
    }
    let (first, last) = (USUAL_PORTS.start(), USUAL_PORTS.end());
    let finding = |(name, field, port): (Ref, String, u64)| {
        Finding::blocking(Code::ServerRefuses, format!("{name} asks for port {port}, which is out of range"))
            .about(&name)
            .at(field)
            .with(format!("node ports are {first} to {last}, and no Service of this cluster has another one"))
            .next("give the chart a port in that range, or none; where the server has another range, a Service with such a port shows it")
    };
    unusual_ports(check).map(finding).collect()
}

/// Fixed addresses that another Service has. One that our own steps delete gives its address back first.
pub(super) fn taken_addresses(check: &Precheck) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, doc) in created(check) {
        for (field, address) in addresses(doc) {
            let has = |service: &Object| addresses(service).iter().any(|(_, its)| *its == address);
            if let Some(holder) = holder(check, &name, has) {
                found.push(taken(&name, field, &format!("address {address}"), Some(&holder)));
            }
        }
    }
    found
}

/// Headless Services that the new chart does not call headless any more, and that stay so: the server puts the address of before in
/// where a write has none (`patchAllocatedValues` in `pkg/registry/core/service/storage`, Kubernetes 1.34).
pub(super) fn stay_headless(check: &Precheck) -> Vec<Finding> {
    let docs =
        check.writes.planned.iter().filter(|doc| doc.text("/kind") == "Service" && doc.text("/apiVersion") == "v1");
    let one = |doc: &Object| {
        let name = doc.name().filter(|name| !check.writes.deletes.contains(name))?;
        let is = |service: &Object| service.text("/spec/clusterIP") == "None";
        let was = check.stored(&name).is_some_and(is) && check.known.get(&name).is_none_or(is);
        let leaves = doc.text("/spec/clusterIP").is_empty() && doc.text("/spec/type") != "ExternalName";
        (was && leaves).then(|| {
            Finding::warning(Code::LeftOut, format!("{name} stays headless, although the new chart does not say so any more"))
                .about(&name)
                .at("/spec/clusterIP")
                .why("the API server keeps the clusterIP None of before and reports no error; clients get no address of the Service")
                .next("where an address is needed, delete the Service before the upgrade, so that helm makes it anew")
        })
    };
    docs.filter_map(one).collect()
}

/// Whether a create was refused because a port is taken.
pub(super) fn is_port_taken(check: &Precheck) -> bool {
    check.answered.iter().any(|(_, _, answer)| match answer {
        CheckAnswer::Refused(refused) => refused.causes.iter().any(is_taken),
        _ => false,
    })
}

/// Whether a cause says that a port is taken (`ErrAllocated` in `pkg/registry/core/service/portallocator`, Kubernetes 1.34).
pub(super) fn is_taken(cause: &RefusalCause) -> bool {
    cause.message.contains("already allocated")
}

/// What a taken port means; `None` where our own steps delete the Service that has it, or it is this Service, which lives.
pub(super) fn port(check: &Precheck, target: &Ref, doc: &Object, cause: &RefusalCause) -> Option<Finding> {
    let field = fields::pointer(&cause.field, &doc.0);
    let wanted = doc.at(&field).and_then(Value::as_u64)?;
    let ports = |service: &Object| node_ports(service).iter().any(|(_, port)| *port == wanted);
    let gives_back = check
        .known
        .of_kind("Service")
        .any(|(name, service)| (check.writes.deletes.contains(name) || name == target) && ports(service));
    if gives_back {
        return None;
    }
    let moves = check
        .known
        .of_kind("Service")
        .any(|(name, service)| name != target && ports(service) && gives_up(check, name, service, target, ports));
    if moves {
        return None;
    }
    let holder = holder(check, target, ports);
    Some(taken(target, field, &format!("port {wanted}"), holder.as_ref()))
}

fn holder(check: &Precheck, target: &Ref, has: impl Fn(&Object) -> bool) -> Option<Ref> {
    let others = check.known.of_kind("Service");
    let mut others = others.filter(|(name, _)| *name != target && !check.writes.deletes.contains(*name));
    others
        .find(|(name, service)| has(service) && !gives_up(check, name, service, target, &has))
        .map(|(name, _)| name.clone())
}

/// Whether helm writes a Service before another one, and so that it gives up what it has.
fn gives_up(check: &Precheck, name: &Ref, live: &Object, before: &Ref, has: impl Fn(&Object) -> bool) -> bool {
    let place = |name: &Ref| check.writes.planned.iter().position(|doc| doc.name().as_ref() == Some(name));
    let (Some(its), Some(other)) = (place(name), place(before)) else { return false };
    let marked = body::marked(&check.writes.planned[its], &check.writes.release);
    its < other && check.writes.is_next && !has(&upgrade::patched(check.stored(name), &marked, live))
}

/// The node ports of a Service: the field and the port. One of a type that has none keeps none.
fn node_ports(service: &Object) -> Vec<(String, u64)> {
    if !matches!(service.text("/spec/type"), "NodePort" | "LoadBalancer") {
        return Vec::new();
    }
    let ports = service.list("/spec/ports").iter().enumerate();
    let of = |(index, port): (usize, &Value)| {
        Some((format!("/spec/ports/{index}/nodePort"), port.get("nodePort")?.as_u64().filter(|port| *port > 0)?))
    };
    let health = service.at("/spec/healthCheckNodePort").and_then(Value::as_u64);
    let health = health.map(|port| ("/spec/healthCheckNodePort".to_owned(), port));
    ports.filter_map(of).chain(health).collect()
}

/// Addresses and ports that two Services of the hop ask for by number and that neither has: the second does not get them.
pub(super) fn asked_twice(check: &Precheck) -> Vec<Finding> {
    let mut asked: BTreeMap<String, Ref> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, doc) in check.writes.planned.iter().enumerate().filter(|(_, doc)| doc.text("/kind") == "Service") {
        let Some(name) = doc.name() else { continue };
        let is_new = check.writes.deletes.contains(&name) || !check.exists(&name);
        if is_taken_by_another(check, index) || (!is_new && !check.writes.is_next) {
            continue;
        }
        let own = if is_new { None } else { check.known.get(&name) };
        let ports = node_ports(doc).into_iter().map(|(field, port)| (field, format!("port {port}")));
        let fixed = addresses(doc).into_iter().map(|(field, ip)| (field, format!("address {ip}")));
        let has = own.map(|own| {
            let ports = node_ports(own).into_iter().map(|(_, port)| format!("port {port}"));
            ports.chain(addresses(own).into_iter().map(|(_, ip)| format!("address {ip}"))).collect::<Vec<_>>()
        });
        for (field, what) in ports.chain(fixed).filter(|(_, what)| !has.iter().flatten().any(|has| has == what)) {
            match asked.get(&what).filter(|first| **first != name) {
                Some(first) => found.push(
                    Finding::blocking(Code::ServerRefuses, format!("two Services of the chart ask for {what}"))
                        .about(&name)
                        .at(field)
                        .with(format!("also asked for by {first}, which helm writes first"))
                        .why("the first one gets it, and the upgrade stops at the second")
                        .next(format!("give the chart another number, or none, in place of {what}")),
                ),
                None => drop(asked.insert(what, name.clone())),
            }
        }
    }
    found
}

/// Whether the server has refused a document's port already.
fn is_taken_by_another(check: &Precheck, index: usize) -> bool {
    check.answered.iter().any(|(purpose, asked, answer)| match answer {
        CheckAnswer::Refused(refused) if *purpose == Purpose::Document(index) => {
            let doc = &check.writes.planned[index];
            let taken = refused.causes.iter().filter(|cause| is_taken(cause));
            taken.filter_map(|cause| port(check, &asked.target, doc, cause)).next().is_some()
        }
        _ => false,
    })
}

fn taken(target: &Ref, field: String, what: &str, holder: Option<&Ref>) -> Finding {
    let who = holder.map_or_else(
        || "a Service that this user may not list".to_owned(),
        |holder| format!("Service {} in namespace {}", holder.name(), holder.namespace()),
    );
    Finding::blocking(Code::ServerRefuses, format!("{target} asks for {what}, which is taken"))
        .about(target)
        .at(field)
        .with(format!("taken by {who}"))
        .next(format!("give the chart another number, or none, in place of {what}"))
}

//! Addresses and ports that a Service asks for by number, and who has them.

use model::{CheckAnswer, Code, Finding, Object, Ref, RefusalCause};
use serde_json::Value;

use super::{Precheck, fields};

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

/// Whether a Service that will be created asks for an address by number: no dry run says whether it is free.
pub(super) fn has_fixed_address(check: &Precheck) -> bool {
    created(check).any(|(_, doc)| !addresses(doc).is_empty())
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
    let ports = |service: &Object| -> bool {
        let ports = service.list("/spec/ports").iter();
        ports.filter_map(|port| port.get("nodePort")?.as_u64()).any(|port| port == wanted)
            || service.at("/spec/healthCheckNodePort").and_then(Value::as_u64) == Some(wanted)
    };
    let gives_back = check
        .known
        .of_kind("Service")
        .any(|(name, service)| (check.writes.deletes.contains(name) || name == target) && ports(service));
    if gives_back {
        return None;
    }
    let holder = holder(check, target, ports);
    Some(taken(target, field, &format!("port {wanted}"), holder.as_ref()))
}

fn holder(check: &Precheck, target: &Ref, has: impl Fn(&Object) -> bool) -> Option<Ref> {
    let others = check.known.of_kind("Service");
    let mut others = others.filter(|(name, _)| *name != target && !check.writes.deletes.contains(*name));
    others.find(|(_, service)| has(service)).map(|(name, _)| name.clone())
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

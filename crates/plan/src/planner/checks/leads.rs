//! Where a Service leads: workloads by their labels, the container that its port is of, or an address outside the chart.
//!
//! Which container it is follows `FindPort` of `k8s.io/kubernetes/pkg/api/v1/pod/util.go` (1.34): a name is looked for among the
//! ports of the containers that run; a number is taken as it is.

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::{Container, PodTemplate, list, volumes_of_claim};
use portolan_model::{Object, Ref};
use serde_json::Value;

use super::uses::Workloads;

/// A port of a Service: its number and protocol.
pub(super) type ServicePort = (u64, String);

/// Something that a Service leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lead {
    /// A port of a workload's pods; `None` where the clients themselves say which one, as for a headless Service.
    Pods(Ref, Option<Listener>),
    /// A name or an address that is not the chart's.
    Outside(String),
}

/// A port inside a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listener {
    /// The container that says so, or the only one; empty where no container of several says so.
    pub(super) container: String,
    pub(super) number: u64,
}

/// The objects at one time.
pub(super) type Objects<'a> = Vec<(&'a Ref, &'a Object)>;

/// Whether pods that run on mount a PVC.
pub(super) fn has_data(object: &Object, claim: &Ref) -> bool {
    Workloads::runs_on(object) && !volumes_of_claim(object, claim).is_empty()
}

/// The workloads whose pods run on with a PVC.
pub(super) fn holders<'a>(objects: &Objects<'a>, claim: &Ref) -> Objects<'a> {
    objects.iter().filter(|(_, object)| has_data(object, claim)).copied().collect()
}

/// Where each port of a Service leads.
pub(super) fn of_service(name: &Ref, service: &Object, objects: &Objects<'_>) -> BTreeMap<ServicePort, BTreeSet<Lead>> {
    let ports = service.list("/spec/ports").iter();
    let all: BTreeMap<ServicePort, BTreeSet<Lead>> =
        ports.map(|port| (key(port), of_port(name, service, port, objects))).collect();
    if all.is_empty() {
        // A headless Service and one that is a name need no ports.
        return [((0, "TCP".to_owned()), of_port(name, service, &Value::Null, objects))].into();
    }
    all
}

/// Where a port of a Service leads at another time: one that has no ports takes its clients on any.
pub(super) fn at_port<'a>(
    all: &'a BTreeMap<ServicePort, BTreeSet<Lead>>,
    port: &ServicePort,
) -> Option<&'a BTreeSet<Lead>> {
    let of_any = || all.iter().find(|((number, _), _)| *number == 0 || port.0 == 0).map(|(_, leads)| leads);
    all.get(port).or_else(of_any)
}

/// The workloads whose pods a Service's selector chooses.
pub(super) fn selected<'a>(name: &Ref, service: &Object, objects: &Objects<'a>) -> Objects<'a> {
    let none = serde_json::Map::new();
    let wanted = service.at("/spec/selector").and_then(Value::as_object).unwrap_or(&none);
    if wanted.is_empty() || service.text("/spec/type") == "ExternalName" {
        return Vec::new();
    }
    let is_chosen = |workload: &Object| {
        let labels = PodTemplate::of(workload).and_then(|template| template.metadata?.get("labels"));
        wanted.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    };
    let here = objects.iter().filter(|(other, _)| other.namespace() == name.namespace());
    here.filter(|(_, object)| Workloads::runs_on(object) && is_chosen(object)).copied().collect()
}

pub(super) fn is_headless(service: &Object) -> bool {
    service.text("/spec/clusterIP") == "None"
}

fn key(port: &Value) -> ServicePort {
    (port.get("port").and_then(Value::as_u64).unwrap_or_default(), protocol(port))
}

fn protocol(port: &Value) -> String {
    port.get("protocol").and_then(Value::as_str).unwrap_or("TCP").to_owned()
}

fn of_port(name: &Ref, service: &Object, port: &Value, objects: &Objects<'_>) -> BTreeSet<Lead> {
    let is = |path: &str| service.at(path).and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    if service.text("/spec/type") == "ExternalName" {
        return by_name(name, service, port, objects);
    }
    if !is("/spec/selector") {
        return by_hand(name, objects).map(Lead::Outside).collect();
    }
    let chosen = selected(name, service, objects);
    let lead = |(workload, object): &(&Ref, &Object)| {
        if is_headless(service) {
            return Some(Lead::Pods((*workload).clone(), None));
        }
        Some(Lead::Pods((*workload).clone(), Some(listener(PodTemplate::of(object)?, port)?)))
    };
    chosen.iter().filter_map(lead).collect()
}

/// Where a Service leads that is another name: to a Service of the chart, or out of it.
fn by_name(name: &Ref, service: &Object, port: &Value, objects: &Objects<'_>) -> BTreeSet<Lead> {
    let host = service.text("/spec/externalName").trim_end_matches('.');
    let is_named = |other: &Ref| other.kind() == "Service" && other != name && is_host_of(host, other);
    // A name of a name is not followed.
    let is_last = |object: &Object| object.text("/spec/type") != "ExternalName";
    match objects.iter().find(|(other, object)| is_named(other) && is_last(object)) {
        Some((other, object)) => {
            let ports = object.list("/spec/ports");
            let its = ports.iter().find(|its| key(its) == key(port)).or(ports.first()).unwrap_or(&Value::Null);
            of_port(other, object, its, objects)
        }
        None => [Lead::Outside(host.to_owned())].into(),
    }
}

/// Whether a host with its namespace is a Service's: `db.ns`, `db.ns.svc`, `db.ns.svc.cluster.local`.
fn is_host_of(host: &str, service: &Ref) -> bool {
    let rest = host.strip_prefix(service.name()).and_then(|rest| rest.strip_prefix('.'));
    let rest = rest.and_then(|rest| rest.strip_prefix(service.namespace()));
    rest.is_some_and(|rest| rest.is_empty() || rest == ".svc" || rest.starts_with(".svc."))
}

/// The Endpoints and `EndpointSlices` of the chart for a Service without a selector.
pub(super) fn endpoints_of<'a>(service: &Ref, objects: &'a Objects<'_>) -> impl Iterator<Item = (&'a Ref, &'a Object)> {
    let is_its = |name: &Ref, object: &Object| match name.kind() {
        "Endpoints" => name.name() == service.name(),
        "EndpointSlice" => object.text("/metadata/labels/kubernetes.io~1service-name") == service.name(),
        _ => false,
    };
    let here = objects.iter().copied().filter(|(name, _)| name.namespace() == service.namespace());
    here.filter(move |(name, object)| is_its(name, object))
}

/// The addresses that they have, with their ports.
fn by_hand<'a>(service: &'a Ref, objects: &'a Objects<'_>) -> impl Iterator<Item = String> + 'a {
    endpoints_of(service, objects).flat_map(|(_, object)| {
        let slice = object.list("/endpoints").iter().flat_map(|endpoint| list(endpoint, "addresses"));
        let own = slice.filter_map(Value::as_str).flat_map(|ip| with_ports(ip, object.list("/ports")));
        let subsets = object.list("/subsets").iter().flat_map(|subset| {
            let ips = list(subset, "addresses").iter().filter_map(|address| address.get("ip")?.as_str());
            ips.flat_map(|ip| with_ports(ip, list(subset, "ports")))
        });
        own.chain(subsets).collect::<Vec<_>>()
    })
}

fn with_ports(ip: &str, ports: &[Value]) -> Vec<String> {
    let numbers = ports.iter().filter_map(|port| port.get("port")?.as_u64());
    let all: Vec<String> = numbers.map(|number| format!("{ip}:{number}")).collect();
    if all.is_empty() { vec![ip.to_owned()] } else { all }
}

/// The container and the number that a port of a Service leads to; `None` where no container has a port of that name.
fn listener(template: PodTemplate<'_>, port: &Value) -> Option<Listener> {
    let running = || template.containers().filter(|container| container.runs_beside());
    let ports = |container: Container<'_>| list(container.json, "ports").to_vec();
    let number = |port: &Value| port.get("containerPort").and_then(Value::as_u64);
    let is_same = |one: &Value| protocol(one) == protocol(port);
    let target = port.get("targetPort").filter(|target| !target.is_null());
    if let Some(named) = target.and_then(Value::as_str) {
        return running().find_map(|container| {
            let its = ports(container).into_iter().find(|one| one["name"] == named && is_same(one))?;
            Some(Listener { container: container.name.to_owned(), number: number(&its)? })
        });
    }
    let wanted = target.or_else(|| port.get("port")).and_then(Value::as_u64)?;
    let says = |container: &Container<'_>| ports(*container).iter().any(|one| number(one) == Some(wanted));
    let container = running().find(says).or_else(|| running().next().filter(|_| running().count() == 1));
    let container = container.map_or_else(String::new, |container| container.name.to_owned());
    Some(Listener { container, number: wanted })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn leads(service: &Value, ports: &[Value]) -> Vec<Lead> {
        let container = |(at, ports): (usize, &Value)| json!({"name": format!("c{at}"), "ports": ports});
        let containers: Vec<Value> = ports.iter().enumerate().map(container).collect();
        let set = json!({"kind": "StatefulSet", "spec": {"template": {
            "metadata": {"labels": {"app": "a", "more": "b"}}, "spec": {"containers": containers}}}});
        let slice = json!({"metadata": {"labels": {"kubernetes.io/service-name": "s"}}, "endpoints": [{"addresses": ["10.0.0.1"]}],
            "ports": [{"port": 5432}]});
        let (set, slice, service) = (Object::new(set), Object::new(slice), Object::new(json!({ "spec": service })));
        let names = (
            Ref::set("n", "w"),
            Ref::new("discovery.k8s.io", "EndpointSlice", "n", "s-1"),
            Ref::new("", "Service", "n", "s"),
        );
        let objects = vec![(&names.0, &set), (&names.1, &slice)];
        of_service(&names.2, &service, &objects).into_values().flatten().collect()
    }

    #[test]
    fn a_service_leads_to_a_container_and_its_port() {
        let two = [json!([{"name": "db", "containerPort": 1}]), json!([{"name": "db2", "containerPort": 2}])];
        let to = |container: &str, number: u64| {
            vec![Lead::Pods(Ref::set("n", "w"), Some(Listener { container: container.into(), number }))]
        };
        let with = |port: Value| json!({"selector": {"app": "a"}, "ports": [port]});
        assert_eq!(leads(&with(json!({"port": 9, "targetPort": "db2"})), &two), to("c1", 2));
        assert_eq!(leads(&with(json!({"port": 9, "targetPort": 1})), &two), to("c0", 1));
        assert_eq!(leads(&with(json!({"port": 2})), &two), to("c1", 2));
        assert_eq!(leads(&with(json!({"port": 3})), &two), to("", 3));
        assert_eq!(leads(&with(json!({"port": 3})), &two[..1]), to("c0", 3));
        assert_eq!(leads(&with(json!({"port": 9, "targetPort": "none"})), &two), []);
        assert_eq!(leads(&json!({"selector": {"app": "z"}, "ports": [{"port": 1}]}), &two), []);
        assert_eq!(
            leads(&json!({"selector": {"app": "a"}, "clusterIP": "None"}), &two),
            [Lead::Pods(Ref::set("n", "w"), None)]
        );
        let named = json!({"type": "ExternalName", "externalName": "x.y", "selector": {"app": "a"}});
        assert_eq!(leads(&named, &two), [Lead::Outside("x.y".into())]);
        assert_eq!(leads(&json!({"ports": [{"port": 1}]}), &two), [Lead::Outside("10.0.0.1:5432".into())]);
    }
}

//! Which nodes take a pod, as the scheduler's filters decide it from the node's object alone (`pkg/scheduler/framework/plugins`,
//! Kubernetes 1.34). What other pods leave free on a node is not counted.

use std::collections::BTreeMap;

use portolan_model::Object;
use serde_json::Value;

use crate::semantics::quantity;
use crate::{Container, list};

/// A pod before it has a node.
#[derive(Clone, Copy, Debug)]
pub struct Placement<'a> {
    /// Its spec.
    pub spec: &'a Value,
    /// What all its containers ask for together, by resource, in thousandths.
    pub requests: &'a BTreeMap<String, i128>,
    /// The PVs that its PVCs are bound to.
    pub volumes: &'a [&'a Object],
}

/// Why a node does not take a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeRefusal {
    /// The field of the pod's spec that decides, as a JSON pointer; empty where the node or a volume decides.
    pub field: String,
    /// The reason, after the node's name: `it has no label disk=ssd`.
    pub reason: String,
}

fn refusal(field: &str, reason: String) -> NodeRefusal {
    NodeRefusal { field: field.into(), reason }
}

impl Placement<'_> {
    /// Why a node does not take the pod; `None` where nothing in its object is against it.
    #[must_use]
    pub fn refused_by(&self, node: &Object) -> Option<NodeRefusal> {
        // A pod that names its node does not meet the scheduler: the kubelet looks at what it admits.
        let named = self.spec["nodeName"].as_str().filter(|name| !name.is_empty());
        if let Some(named) = named.filter(|named| *named != node.text("/metadata/name")) {
            return Some(refusal("/nodeName", format!("the pod names node {named}")));
        }
        let of_labels = self.of_selector(node).or_else(|| self.of_affinity(node)).or_else(|| self.of_resources(node));
        if named.is_some() {
            return of_labels;
        }
        of_labels
            .or_else(|| self.of_taints(node))
            .or_else(|| self.of_spread(node))
            .or_else(|| self.volumes.iter().find_map(|volume| of_volume(volume, node)))
    }

    fn of_selector(&self, node: &Object) -> Option<NodeRefusal> {
        let wanted = self.spec.get("nodeSelector")?.as_object()?;
        let missing = wanted.iter().find(|(key, value)| node.label(key) != value.as_str());
        missing.map(|(key, value)| {
            let value = value.as_str().unwrap_or_default();
            let has = node.label(key).map_or_else(String::new, |has| format!(", but {key}={has}"));
            refusal("/nodeSelector", format!("it has no label {key}={value}{has}"))
        })
    }

    fn of_affinity(&self, node: &Object) -> Option<NodeRefusal> {
        let field = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
        let why = unfit(self.spec.pointer(field)?, node)?;
        Some(refusal(field, why))
    }

    fn of_resources(&self, node: &Object) -> Option<NodeRefusal> {
        let has = node.at("/status/allocatable")?;
        let short = self
            .requests
            .iter()
            .find(|(resource, wanted)| **wanted > has.get(resource.as_str()).and_then(quantity).unwrap_or_default());
        short.map(|(resource, wanted)| {
            let has = has.get(resource.as_str()).and_then(Value::as_str).unwrap_or("0");
            refusal("/containers", format!("it has {resource} {has}, and the pod requests {}", amount(*wanted)))
        })
    }

    /// Taints that keep new pods away, and `unschedulable` (`kubectl cordon`), which is one of them.
    fn of_taints(&self, node: &Object) -> Option<NodeRefusal> {
        let cordoned = serde_json::json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
        let is_cordoned = node.at("/spec/unschedulable") == Some(&Value::Bool(true));
        if is_cordoned && !self.tolerates(&cordoned) {
            return Some(refusal("", "it is cordoned".into()));
        }
        let taints = node.list("/spec/taints").iter();
        let mut hard = taints.filter(|taint| matches!(text(taint, "effect"), "NoSchedule" | "NoExecute"));
        hard.find(|taint| !self.tolerates(taint)).map(|taint| {
            let (key, value) = (text(taint, "key"), text(taint, "value"));
            let value = if value.is_empty() { String::new() } else { format!("={value}") };
            let effect = text(taint, "effect");
            refusal("/tolerations", format!("it has the taint {key}{value}:{effect}, which the pod does not tolerate"))
        })
    }

    fn tolerates(&self, taint: &Value) -> bool {
        list(self.spec, "tolerations").iter().any(|toleration| {
            let is = |key: &str| text(toleration, key) == text(taint, key);
            let effect = text(toleration, "effect").is_empty() || is("effect");
            let key = text(toleration, "key").is_empty() || is("key");
            effect && key && (text(toleration, "operator") == "Exists" || is("value"))
        })
    }

    /// A node without the label of a topology is none of its places.
    fn of_spread(&self, node: &Object) -> Option<NodeRefusal> {
        list(self.spec, "topologySpreadConstraints").iter().enumerate().find_map(|(at, constraint)| {
            let key = text(constraint, "topologyKey");
            let is_hard = text(constraint, "whenUnsatisfiable") == "DoNotSchedule";
            let field = format!("/topologySpreadConstraints/{at}");
            (is_hard && node.label(key).is_none()).then(|| refusal(&field, format!("it has no label {key}")))
        })
    }
}

/// A PV may be on some nodes alone, as a local disk is.
fn of_volume(volume: &Object, node: &Object) -> Option<NodeRefusal> {
    let why = unfit(volume.at("/spec/nodeAffinity/required")?, node)?;
    let name = volume.text("/metadata/name");
    Some(refusal("", format!("PersistentVolume/{name} of the pod is not reached from it: {why}")))
}

/// Why none of the terms of a node selector is the node's.
fn unfit(selector: &Value, node: &Object) -> Option<String> {
    let terms = list(selector, "nodeSelectorTerms");
    let fails = |term: &Value| -> Option<String> {
        let of_labels = list(term, "matchExpressions").iter();
        let of_fields = list(term, "matchFields").iter();
        if of_labels.len() + of_fields.len() == 0 {
            return Some("a term without expressions is no node's".into());
        }
        let name = Some(node.text("/metadata/name"));
        let by_label = of_labels.map(|one| (one, node.label(text(one, "key"))));
        let mut all = by_label.chain(of_fields.map(|one| (one, name)));
        all.find(|(one, has)| !holds(one, *has)).map(|(one, _)| format!("it is not {}", words(one)))
    };
    let mut reasons = terms.iter().map(fails);
    let first = reasons.next().unwrap_or_else(|| Some("no term is given".into()))?;
    reasons.all(|reason| reason.is_some()).then_some(first)
}

/// Whether an expression of a selector holds for the value of its key.
fn holds(expression: &Value, has: Option<&str>) -> bool {
    let values = || list(expression, "values").iter().filter_map(Value::as_str);
    let number = |text: &str| text.parse::<i64>().ok();
    let compare = |is: fn(i64, i64) -> bool| {
        let wanted = values().next().and_then(number);
        has.and_then(number).zip(wanted).is_some_and(|(has, wanted)| is(has, wanted))
    };
    match text(expression, "operator") {
        "In" => has.is_some_and(|has| values().any(|value| value == has)),
        "NotIn" => has.is_none_or(|has| values().all(|value| value != has)),
        "Exists" => has.is_some(),
        "DoesNotExist" => has.is_none(),
        "Gt" => compare(|has, wanted| has > wanted),
        "Lt" => compare(|has, wanted| has < wanted),
        _ => true,
    }
}

fn words(expression: &Value) -> String {
    let values: Vec<&str> = list(expression, "values").iter().filter_map(Value::as_str).collect();
    let (key, operator) = (text(expression, "key"), text(expression, "operator"));
    format!("{key} {operator} {}", values.join(", ")).trim_end().to_owned()
}

/// Whether a label selector selects an object with these labels. One that is not there selects nothing, an empty one everything.
#[must_use]
pub fn selects(selector: Option<&Value>, labels: Option<&Value>) -> bool {
    let Some(selector) = selector.filter(|selector| selector.is_object()) else { return false };
    let has = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
    let mut exact = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    exact.all(|(key, value)| has(key) == value.as_str())
        && list(selector, "matchExpressions").iter().all(|one| holds(one, has(text(one, "key"))))
}

/// A port of the node that a pod takes: number, protocol, and the address of the node, empty for all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// The number.
    pub number: u64,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// The address of the node; `0.0.0.0` for all of them.
    pub address: String,
}

impl HostPort {
    /// The ports that a pod takes of its node: each `hostPort`, and with `hostNetwork` each `containerPort`.
    #[must_use]
    pub fn all<'a>(spec: &'a Value, containers: impl Iterator<Item = Container<'a>>) -> Vec<Self> {
        let of_host = spec.get("hostNetwork") == Some(&Value::Bool(true));
        let port = |port: &Value| {
            let own = port.get("hostPort").and_then(Value::as_u64).filter(|number| *number > 0);
            let number = own.or_else(|| port.get("containerPort").filter(|_| of_host)?.as_u64())?;
            let or = |key: &str, default: &str| {
                let value = text(port, key);
                if value.is_empty() { default.to_owned() } else { value.to_owned() }
            };
            Some(Self { number, protocol: or("protocol", "TCP"), address: or("hostIP", "0.0.0.0") })
        };
        containers.flat_map(|container| list(container.json, "ports").iter().filter_map(port)).collect()
    }

    /// Whether two pods that take these cannot be on one node.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        let is_all = |port: &Self| port.address == "0.0.0.0";
        self.number == other.number
            && self.protocol == other.protocol
            && (self.address == other.address || is_all(self) || is_all(other))
    }
}

fn text<'a>(json: &'a Value, key: &str) -> &'a str {
    json.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// An amount in thousandths as Kubernetes writes it: `1500m`, `2`.
#[must_use]
pub fn amount(thousandths: i128) -> String {
    if thousandths % 1000 == 0 { (thousandths / 1000).to_string() } else { format!("{thousandths}m") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn why(spec: &Value, requests: &[(&str, i128)], volumes: &[&Object]) -> Option<String> {
        let node = Object::new(json!({
            "metadata": {"name": "one", "labels": {"disk": "hdd", "kubernetes.io/hostname": "one", "cores": "8"}},
            "spec": {"taints": [{"key": "for", "value": "gpu", "effect": "NoSchedule"}, {"key": "soft", "effect": "PreferNoSchedule"}]},
            "status": {"allocatable": {"cpu": "2", "memory": "4Gi"}},
        }));
        let requests = requests.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
        Placement { spec, requests: &requests, volumes }.refused_by(&node).map(|refusal| refusal.reason)
    }

    fn affinity(expression: &Value) -> Value {
        let terms = json!({"nodeSelectorTerms": [{"matchExpressions": [expression]}]});
        json!({"tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}})
    }

    #[test]
    fn a_node_says_why_it_takes_no_pod() {
        let tolerant = json!({"tolerations": [{"key": "for", "operator": "Exists"}]});
        let with = |key: &str, value: Value| {
            let mut spec = tolerant.clone();
            spec[key] = value;
            spec
        };
        assert_eq!(why(&tolerant, &[("cpu", 2000), ("memory", 1000)], &[]), None);
        assert_eq!(why(&with("nodeSelector", json!({"disk": "hdd"})), &[], &[]), None);
        assert_eq!(why(&with("nodeName", json!("one")), &[], &[]), None);
        // A pod that names its node is not scheduled: no taint keeps it away.
        assert_eq!(why(&json!({"nodeName": "one"}), &[], &[]), None);
        for (spec, requests, expected) in [
            (json!({}), vec![], "it has the taint for=gpu:NoSchedule, which the pod does not tolerate"),
            (
                json!({"tolerations": [{"key": "for", "value": "cpu"}]}),
                vec![],
                "it has the taint for=gpu:NoSchedule, which the pod does not tolerate",
            ),
            (with("nodeSelector", json!({"disk": "ssd"})), vec![], "it has no label disk=ssd, but disk=hdd"),
            (with("nodeName", json!("two")), vec![], "the pod names node two"),
            (tolerant.clone(), vec![("cpu", 2500)], "it has cpu 2, and the pod requests 2500m"),
            (tolerant.clone(), vec![("nvidia.com/gpu", 1000)], "it has nvidia.com/gpu 0, and the pod requests 1"),
            (
                with(
                    "topologySpreadConstraints",
                    json!([{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]),
                ),
                vec![],
                "it has no label zone",
            ),
        ] {
            assert_eq!(why(&spec, &requests, &[]).as_deref(), Some(expected), "{spec}");
        }
        let soft = json!([{"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]);
        assert_eq!(why(&with("topologySpreadConstraints", soft), &[], &[]), None);
        let elsewhere = json!({"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["two"]}]}]});
        let volume =
            Object::new(json!({"metadata": {"name": "pv"}, "spec": {"nodeAffinity": {"required": elsewhere}}}));
        let far = why(&tolerant, &[], &[&volume]).unwrap_or_default();
        assert!(far.starts_with("PersistentVolume/pv of the pod is not reached from it"), "{far}");
    }

    #[test]
    fn a_cordoned_node_takes_only_what_tolerates_it() {
        let node = Object::new(json!({"metadata": {"name": "one"}, "spec": {"unschedulable": true}}));
        let why = |spec: &Value| {
            let placement = Placement { spec, requests: &BTreeMap::new(), volumes: &[] };
            placement.refused_by(&node).map(|refusal| refusal.reason)
        };
        assert_eq!(why(&json!({})).as_deref(), Some("it is cordoned"));
        assert_eq!(why(&json!({"tolerations": [{"operator": "Exists"}]})), None);
    }

    #[test]
    fn each_operator_of_an_affinity() {
        for (operator, key, values, fits) in [
            ("In", "disk", json!(["hdd", "ssd"]), true),
            ("In", "disk", json!(["ssd"]), false),
            ("NotIn", "disk", json!(["hdd"]), false),
            ("NotIn", "zone", json!(["a"]), true),
            ("Exists", "zone", json!([]), false),
            ("DoesNotExist", "zone", json!([]), true),
            ("Gt", "cores", json!(["4"]), true),
            ("Lt", "cores", json!(["4"]), false),
        ] {
            let spec = affinity(&json!({"key": key, "operator": operator, "values": values}));
            assert_eq!(why(&spec, &[], &[]).is_none(), fits, "{operator} {key} {values}");
        }
    }

    #[test]
    fn ports_of_the_node() {
        let port = |port: Value, host: bool| {
            let object = Object::new(
                json!({"kind": "Pod", "spec": {"hostNetwork": host, "containers": [{"name": "a", "ports": [port]}]}}),
            );
            let template = crate::PodTemplate::of(&object).expect("a pod");
            HostPort::all(template.spec, template.containers())
        };
        let plain = json!({"containerPort": 80});
        assert_eq!(port(plain.clone(), false), []);
        let of_host = port(plain, true);
        let same = port(json!({"containerPort": 8080, "hostPort": 80, "hostIP": "10.0.0.1"}), false);
        let other = port(json!({"containerPort": 80, "hostPort": 80, "protocol": "UDP"}), false);
        assert!(of_host[0].conflicts(&same[0]) && !of_host[0].conflicts(&other[0]));
        assert!(!same[0].conflicts(&HostPort { address: "10.0.0.2".into(), ..same[0].clone() }));
    }
}

//! Which connections NetworkPolicies allow. A pod that none selects takes and opens every connection; one that some select only what one
//! of these allows (`NetworkPolicySpec` of `networking/v1/types.go`, Kubernetes 1.34).

use portolan_model::{Object, Ref};
use serde_json::Value;

use crate::{PodTemplate, list, selects};

/// On which end of a connection a policy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What comes to the pods that it selects.
    Ingress,
    /// What they open.
    Egress,
}

impl Direction {
    /// The field of a policy with what it allows.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Ingress => "/spec/ingress",
            Self::Egress => "/spec/egress",
        }
    }
}

/// The pods of a workload, as policies see them.
#[derive(Clone, Copy, Debug)]
pub struct PolicyPods<'a> {
    namespace: &'a str,
    template: PodTemplate<'a>,
}

impl<'a> PolicyPods<'a> {
    /// `None` for an object that makes no pods.
    #[must_use]
    pub fn of(name: &'a Ref, object: &'a Object) -> Option<Self> {
        Some(Self { namespace: name.namespace(), template: PodTemplate::of(object)? })
    }

    /// Their labels.
    #[must_use]
    pub fn labels(&self) -> Option<&'a Value> {
        self.template.metadata?.get("labels")
    }

    /// Whether a port of theirs has a name.
    fn is_named(&self, name: &str, number: u64) -> bool {
        let mut ports = self.template.containers().flat_map(|container| list(container.json, "ports"));
        ports.any(|port| port["name"] == name && port["containerPort"] == number)
    }
}

/// A connection of pods to a port of others.
#[derive(Clone, Copy, Debug)]
pub struct PodConnection<'a> {
    /// Those that open it.
    pub client: PolicyPods<'a>,
    /// Those that take it.
    pub server: PolicyPods<'a>,
    /// The port of these.
    pub port: u64,
    /// Its protocol, as `TCP`.
    pub protocol: &'a str,
}

/// Whether a policy says what its pods may do in a direction, and these are its pods.
#[must_use]
pub fn is_under(name: &Ref, policy: &Object, pods: &PolicyPods<'_>, direction: Direction) -> bool {
    let types = policy.list("/spec/policyTypes");
    let is_of_type = match direction {
        Direction::Ingress => types.is_empty() || types.iter().any(|one| one == "Ingress"),
        Direction::Egress if types.is_empty() => policy.at("/spec/egress").is_some(),
        Direction::Egress => types.iter().any(|one| one == "Egress"),
    };
    is_of_type && name.namespace() == pods.namespace && selects(policy.at("/spec/podSelector"), pods.labels())
}

/// Whether a policy that selects the pods at one end of a connection allows it. `labels` are those of a namespace.
#[must_use]
pub fn allows(
    (name, policy): (&Ref, &Object),
    direction: Direction,
    connection: &PodConnection<'_>,
    labels: &dyn Fn(&str) -> Value,
) -> bool {
    let (side, other) = match direction {
        Direction::Ingress => ("from", connection.client),
        Direction::Egress => ("to", connection.server),
    };
    policy.list(direction.field()).iter().any(|rule| {
        let peers = list(rule, side);
        takes_port(rule, connection)
            && (peers.is_empty() || peers.iter().any(|peer| is_peer(peer, name.namespace(), &other, labels)))
    })
}

/// The peers of a policy's pods that are not pods of its namespace by their labels alone, and that may come to a port: others, and
/// addresses. `None` where everybody may.
#[must_use]
pub fn outside_peers<'a>(policy: &'a Object, connection: &PodConnection<'_>) -> Option<Vec<&'a Value>> {
    let mut all = Vec::new();
    for rule in policy.list("/spec/ingress").iter().filter(|rule| takes_port(rule, connection)) {
        let peers = list(rule, "from");
        if peers.is_empty() {
            return None;
        }
        let is_outside = |peer: &&Value| peer.get("namespaceSelector").is_some() || peer.get("ipBlock").is_some();
        all.extend(peers.iter().filter(is_outside));
    }
    Some(all)
}

fn takes_port(rule: &Value, connection: &PodConnection<'_>) -> bool {
    let ports = list(rule, "ports");
    let number = connection.port;
    ports.is_empty()
        || ports.iter().filter(|port| protocol(port) == connection.protocol).any(|port| match port.get("port") {
            None | Some(Value::Null) => true,
            Some(Value::String(name)) => connection.server.is_named(name, number),
            Some(first) => {
                let last = port.get("endPort").unwrap_or(first).as_u64();
                first.as_u64().zip(last).is_some_and(|(first, last)| (first..=last).contains(&number))
            }
        })
}

/// Whether pods are a peer. Which pods have an address of a range is not known, but for all of them.
fn is_peer(peer: &Value, namespace: &str, pods: &PolicyPods<'_>, labels: &dyn Fn(&str) -> Value) -> bool {
    if let Some(block) = peer.get("ipBlock") {
        return block["cidr"] == "0.0.0.0/0" && list(block, "except").is_empty();
    }
    let is_there = match peer.get("namespaceSelector") {
        Some(selector) => selects(Some(selector), Some(&labels(pods.namespace))),
        None => pods.namespace == namespace,
    };
    is_there && peer.get("podSelector").is_none_or(|selector| selects(Some(selector), pods.labels()))
}

fn protocol(port: &Value) -> &str {
    port.get("protocol").and_then(Value::as_str).unwrap_or("TCP")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_allows_peers_at_ports() {
        let pods = |app: &str| {
            let ports = json!([{"name": "pg", "containerPort": 5432}]);
            Object::new(json!({"kind": "Deployment", "spec": {"template": {"metadata": {"labels": {"app": app}},
                "spec": {"containers": [{"name": "a", "ports": ports}]}}}}))
        };
        let (client, server) = (pods("web"), pods("db"));
        let names = ["web", "db"].map(|name| Ref::new("apps", "Deployment", "n", name));
        let policy = Ref::new("networking.k8s.io", "NetworkPolicy", "n", "p");
        let labels = |name: &str| json!({"kubernetes.io/metadata.name": name});
        for (rule, is) in [
            (json!({}), true),
            (json!({"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}), true),
            (json!({"from": [{"podSelector": {"matchLabels": {"app": "job"}}}]}), false),
            (json!({"from": [{"podSelector": {}}], "ports": [{"port": 5432}]}), true),
            (json!({"from": [{"podSelector": {}}], "ports": [{"port": "pg", "protocol": "TCP"}]}), true),
            (json!({"ports": [{"port": "http"}]}), false),
            (json!({"ports": [{"port": 5000, "endPort": 6000}]}), true),
            (json!({"ports": [{"protocol": "UDP"}]}), false),
            (json!({"from": [{"namespaceSelector": {}}]}), true),
            (json!({"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "n"}}}]}), true),
            (json!({"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]}), false),
            (json!({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}), true),
            (json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}), false),
        ] {
            let object = Object::new(json!({"spec": {"podSelector": {}, "ingress": [rule]}}));
            let [client, server] = [(&names[0], &client), (&names[1], &server)]
                .map(|(name, object)| PolicyPods::of(name, object).expect("it makes pods"));
            let connection = PodConnection { client, server, port: 5432, protocol: "TCP" };
            assert_eq!(allows((&policy, &object), Direction::Ingress, &connection, &labels), is, "{rule}");
            assert!(is_under(&policy, &object, &server, Direction::Ingress));
            assert!(!is_under(&policy, &object, &server, Direction::Egress), "nothing is said of that");
        }
    }
}

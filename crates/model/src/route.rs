//! Routes and Ingresses: where they lead from, and what came of asking them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Code, Finding, Object, Plan, Ref};

/// What came of asking for a Route or an Ingress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteLook {
    /// The route.
    pub route: Ref,
    /// The address that was asked; empty where it has none.
    pub address: String,
    /// What was seen.
    #[serde(flatten)]
    pub seen: RouteSeen,
}

/// What a route was seen to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "seen", rename_all = "kebab-case")]
pub enum RouteSeen {
    /// It answers with a status below 500.
    Answers {
        /// The HTTP status.
        status: u16,
        /// Why its certificate does not verify here; `None` where it does, or there is none.
        certificate: Option<String>,
    },
    /// It answers with a status of 500 or above: of a router 503 says that no backend is ready.
    Fails {
        /// The HTTP status.
        status: u16,
    },
    /// The object is not there, or its router does not admit it.
    Broken {
        /// What is wrong.
        why: String,
    },
    /// It could not be asked from here, which says nothing about its users.
    Unseen {
        /// Why not.
        why: String,
    },
}

impl RouteLook {
    /// What is wrong with it: blocking where nobody can get through it, a warning where it could not be asked.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let Self { route, address, .. } = self;
        match &self.seen {
            RouteSeen::Answers { .. } => None,
            RouteSeen::Fails { status } => Some(
                Finding::blocking(Code::RouteDown, format!("{route} answers with status {status}"))
                    .with(format!("asked: {address}")),
            ),
            RouteSeen::Broken { why } => Some(
                Finding::blocking(Code::RouteDown, format!("{route} does not lead to the platform")).with(why.clone()),
            ),
            RouteSeen::Unseen { why } => {
                let finding = Finding::warning(Code::RouteUnseen, format!("{route} cannot be asked from here"));
                let asked = (!address.is_empty()).then(|| format!("asked: {address}"));
                Some(asked.into_iter().fold(finding.with(why.clone()), Finding::with))
            }
        }
    }
}

/// Whether this is an `OpenShift` Route or an Ingress.
#[must_use]
pub fn is_route(name: &Ref) -> bool {
    matches!((name.group(), name.kind()), ("route.openshift.io", "Route") | ("networking.k8s.io", "Ingress"))
}

/// The addresses under which a Route or an Ingress is asked: one for each host that is a name and no pattern.
#[must_use]
pub fn addresses(route: &Object) -> Vec<String> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let hosts: Vec<(String, bool, String)> = if route.text("/kind") == "Route" {
        vec![(
            route.text("/spec/host").to_owned(),
            route.at("/spec/tls").is_some(),
            route.text("/spec/path").to_owned(),
        )]
    } else {
        let tls = route.list("/spec/tls").iter().filter_map(|tls| tls.get("hosts")?.as_array()).flatten();
        let secured: Vec<&str> = tls.filter_map(Value::as_str).collect();
        let of_rule = |rule: &Value| {
            let host = text(rule, "host");
            let path = rule.pointer("/http/paths/0").map(|path| text(path, "path")).unwrap_or_default();
            let is_secured = secured.contains(&host.as_str());
            (host, is_secured, path)
        };
        route.list("/spec/rules").iter().map(of_rule).collect()
    };
    let mut all: Vec<String> = hosts
        .into_iter()
        .filter(|(host, ..)| !host.is_empty() && !host.contains('*'))
        .map(|(host, tls, path)| {
            let path = if path.starts_with('/') { path.as_str() } else { "/" };
            format!("{}://{host}{path}", if tls { "https" } else { "http" })
        })
        .collect();
    all.dedup();
    all
}

/// Why a router does not admit a Route; `None` where it does, or no router has said anything (`openshift/api`,
/// `route/v1/types.go`: `RouteIngressCondition`).
#[must_use]
pub fn refused(route: &Object) -> Option<String> {
    let ingress = route.list("/status/ingress");
    let conditions = |one: &Value| one.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let admitted = |condition: &Value, status: &str| condition["type"] == "Admitted" && condition["status"] == status;
    let all: Vec<Value> = ingress.iter().flat_map(conditions).collect();
    if all.iter().any(|condition| admitted(condition, "True")) {
        return None;
    }
    let no = all.iter().find(|condition| admitted(condition, "False"))?;
    let said = no["message"].as_str().or(no["reason"].as_str()).unwrap_or_default();
    Some(format!("its router does not admit it: {said}"))
}

impl Plan {
    /// The routes of the release at the plan's end.
    #[must_use]
    pub fn routes(&self) -> Vec<Ref> {
        use crate::Change;
        let changes = self.hops.last().map_or(&[][..], |hop| &hop.changes[..]);
        let stays = |change: Change| !matches!(change, Change::Delete | Change::Keep);
        changes
            .iter()
            .filter(|(change, name, _)| stays(*change) && is_route(name))
            .map(|(_, name, _)| name.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_route_and_an_ingress_say_where_they_lead_from() {
        let route = |spec: Value| addresses(&Object::new(json!({"kind": "Route", "spec": spec})));
        assert_eq!(route(json!({"host": "a.b", "tls": {"termination": "edge"}})), ["https://a.b/"]);
        assert_eq!(route(json!({"host": "a.b", "path": "/x"})), ["http://a.b/x"]);
        assert!(route(json!({})).is_empty());
        let paths = json!({"paths": [{"path": "/auth"}]});
        let rules = json!([{"host": "a.b", "http": paths}, {"host": "c.d"}, {"host": "*.e"}, {"http": paths}]);
        let spec = json!({"tls": [{"hosts": ["a.b"]}], "rules": rules});
        let ingress = addresses(&Object::new(json!({"kind": "Ingress", "spec": spec})));
        assert_eq!(ingress, ["https://a.b/auth", "http://c.d/"]);
    }

    #[test]
    fn one_router_that_admits_a_route_is_enough() {
        let route = |statuses: &[&str]| {
            let of =
                |status: &&str| json!({"conditions": [{"type": "Admitted", "status": status, "message": "taken"}]});
            let ingress: Vec<Value> = statuses.iter().map(of).collect();
            refused(&Object::new(json!({"kind": "Route", "status": {"ingress": ingress}})))
        };
        assert_eq!(route(&[]), None, "no router has looked at it");
        assert_eq!(route(&["False", "True"]), None);
        assert_eq!(route(&["False"]), Some("its router does not admit it: taken".into()));
    }
}

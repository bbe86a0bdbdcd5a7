use portolan_model::{Change, Object, Plan, Ref};
use serde_json::Value;

use crate::Kind;

/// Whether this is an `OpenShift` Route or an Ingress.
#[must_use]
pub fn is_route(name: &Ref) -> bool {
    matches!(Kind::named(name), Kind::Route | Kind::Ingress)
}

/// The Routes and Ingresses of the release at a plan's end.
#[must_use]
pub fn routes(plan: &Plan) -> Vec<Ref> {
    let changes = plan.hops.last().map_or(&[][..], |hop| &hop.changes[..]).iter();
    let stay = changes.filter(|one| !matches!(one.change, Change::Delete | Change::Keep));
    stay.map(|one| one.object.clone()).filter(is_route).collect()
}

/// The addresses under which a Route or an Ingress is reached: one for each host that is a name and no pattern.
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

/// Why no router admits a Route; `None` where one does, or none has said anything (`openshift/api`, `route/v1/types.go`:
/// `RouteIngressCondition`). The status of an Ingress has no refusal.
#[must_use]
pub fn refusal(route: &Object) -> Option<String> {
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

/// The names of the Services behind a Route or an Ingress.
#[must_use]
pub fn services(route: &Object) -> Vec<&str> {
    if route.text("/kind") == "Route" {
        return vec![route.text("/spec/to/name")];
    }
    let rules = route.list("/spec/rules").iter().filter_map(|rule| rule.pointer("/http/paths")?.as_array()).flatten();
    let named = rules.filter_map(|path| path.pointer("/backend/service/name")?.as_str());
    let fallback = route.at("/spec/defaultBackend/service/name").and_then(Value::as_str);
    named.chain(fallback).collect()
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
            refusal(&Object::new(json!({"kind": "Route", "status": {"ingress": ingress}})))
        };
        assert_eq!(route(&[]), None, "no router has looked at it");
        for statuses in [["False", "True"], ["True", "False"]] {
            assert_eq!(route(&statuses), None);
        }
        assert_eq!(route(&["False"]), Some("its router does not admit it: taken".into()));
        assert_eq!(route(&["False", "False"]), Some("its router does not admit it: taken".into()));
    }
}

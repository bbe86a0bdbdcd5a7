//! What a ServiceAccount may do, as far as given Roles and bindings say.

use portolan_model::{Object, Ref};
use serde_json::Value;

/// What a binding gives a ServiceAccount.
#[derive(Clone, Copy, Debug)]
pub enum Grant<'a> {
    /// A rule of a role that is known.
    Rule(Rule<'a>),
    /// A role that is not among the objects: its name, and its binding.
    UnknownRole(&'a str, &'a Object),
}

/// A rule of a role, where its binding applies it.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The rule's JSON.
    pub json: &'a Value,
    /// The role.
    pub role: &'a Object,
    /// The namespace of the binding; `None` for the whole cluster.
    pub namespace: Option<&'a str>,
}

impl Rule<'_> {
    /// Whether the rule allows one of the verbs on a resource of this name. A rule in a namespace allows nothing on the
    /// cluster's own resources but on that namespace itself.
    #[must_use]
    pub fn allows(&self, verbs: &[&str], resource: (&str, &str), name: &str) -> bool {
        let names: Vec<&str> = self.words("resourceNames").collect();
        self.allows_some(verbs, resource) && (names.is_empty() || names.contains(&name))
    }

    /// As [`Self::allows`], for a resource of any name.
    #[must_use]
    pub fn allows_some(&self, verbs: &[&str], (group, resource): (&str, &str)) -> bool {
        let has = |key: &str, wanted: &str| self.words(key).any(|word| word == "*" || word == wanted);
        let of_any = resource.split_once('/').map(|(_, part)| format!("*/{part}"));
        verbs.iter().any(|verb| has("verbs", verb))
            && has("apiGroups", group)
            && (has("resources", resource) || of_any.is_some_and(|wanted| has("resources", &wanted)))
    }

    fn words(&self, key: &str) -> impl Iterator<Item = &str> {
        crate::list(self.json, key).iter().filter_map(Value::as_str)
    }
}

/// Whether a ClusterRole is one that the API server gives to every account itself and that changes nothing (Kubernetes 1.34,
/// `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`).
#[must_use]
pub fn is_given_to_all(role: &str) -> bool {
    matches!(
        role,
        "system:basic-user"
            | "system:discovery"
            | "system:public-info-viewer"
            | "system:service-account-issuer-discovery"
    )
}

/// What the bindings among the objects give a ServiceAccount.
pub fn grants<'a>(account: &Ref, objects: &[&'a Object]) -> Vec<Grant<'a>> {
    let mut all = Vec::new();
    for binding in objects.iter().filter(|object| is_of_rbac(object, &["RoleBinding", "ClusterRoleBinding"])) {
        if !binding.list("/subjects").iter().any(|subject| is_subject(subject, account, binding)) {
            continue;
        }
        let namespace = (binding.text("/kind") == "RoleBinding").then(|| binding.text("/metadata/namespace"));
        let (kind, name) = (binding.text("/roleRef/kind"), binding.text("/roleRef/name"));
        let is_role = |object: &&&Object| {
            is_of_rbac(object, &[kind])
                && object.text("/metadata/name") == name
                && (kind == "ClusterRole" || Some(object.text("/metadata/namespace")) == namespace)
        };
        // The role of before and that of after may both be among them.
        let roles: Vec<&Object> = objects.iter().filter(is_role).copied().collect();
        if roles.iter().all(|role| is_put_together(role)) {
            all.push(Grant::UnknownRole(name, binding));
        }
        for role in roles {
            let rules = role.list("/rules").iter();
            all.extend(rules.map(|json| Grant::Rule(Rule { json, role, namespace })));
        }
    }
    all
}

fn is_of_rbac(object: &Object, kinds: &[&str]) -> bool {
    object.text("/apiVersion").starts_with("rbac.authorization.k8s.io/") && kinds.contains(&object.text("/kind"))
}

/// Whether a controller puts the rules of a ClusterRole together out of others, and has not done so here.
fn is_put_together(role: &Object) -> bool {
    role.at("/aggregationRule").is_some() && role.list("/rules").is_empty()
}

/// Whether a binding can concern the ServiceAccounts of a namespace.
#[must_use]
pub fn binds_accounts_of(binding: &Object, namespace: &str) -> bool {
    let account = |name: &str| Ref::new("", "ServiceAccount", namespace, name);
    let prefix = format!("system:serviceaccount:{namespace}:");
    binding.list("/subjects").iter().any(|subject| {
        let name = subject.get("name").and_then(Value::as_str).unwrap_or_default();
        let name = name.strip_prefix(&prefix).unwrap_or(name);
        is_subject(subject, &account(name), binding)
    })
}

fn is_subject(subject: &Value, account: &Ref, binding: &Object) -> bool {
    let text = |key: &str| subject.get(key).and_then(Value::as_str).unwrap_or_default();
    let namespace = if text("namespace").is_empty() { binding.text("/metadata/namespace") } else { text("namespace") };
    match text("kind") {
        "ServiceAccount" => text("name") == account.name() && namespace == account.namespace(),
        "User" => text("name") == format!("system:serviceaccount:{}:{}", account.namespace(), account.name()),
        "Group" => {
            let own = format!("system:serviceaccounts:{}", account.namespace());
            [own.as_str(), "system:serviceaccounts", "system:authenticated"].contains(&text("name"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, namespace: &str, name: &str, more: &Value) -> Object {
        let mut json = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}});
        json.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        Object::new(json)
    }

    #[test]
    fn every_role_of_the_name_counts_and_an_empty_aggregate_is_not_known() {
        let account = Ref::new("", "ServiceAccount", "ns", "hook");
        let bound = json!({"subjects": [{"kind": "ServiceAccount", "name": "hook"}], "roleRef": {"kind": "ClusterRole", "name": "r"}});
        let binding = object("RoleBinding", "ns", "b", &bound);
        let role = |more: Value| object("ClusterRole", "", "r", &more);
        let (old, new) = (role(json!({"rules": [{"verbs": ["get"]}]})), role(json!({"rules": [{"verbs": ["list"]}]})));
        assert_eq!(grants(&account, &[&old, &new, &binding]).len(), 2);
        let sum = role(json!({"aggregationRule": {"clusterRoleSelectors": []}}));
        assert!(matches!(grants(&account, &[&sum, &binding])[..], [Grant::UnknownRole("r", _)]));
        assert!(matches!(grants(&account, &[&sum, &old, &binding])[..], [Grant::Rule(_)]));
    }

    #[test]
    fn a_binding_that_can_concern_a_namespace_is_known() {
        let of = |subject: Value| {
            binds_accounts_of(&object("ClusterRoleBinding", "", "b", &json!({"subjects": [subject]})), "ns")
        };
        assert!(of(json!({"kind": "ServiceAccount", "name": "x", "namespace": "ns"})));
        assert!(of(json!({"kind": "User", "name": "system:serviceaccount:ns:x"})));
        assert!(of(json!({"kind": "Group", "name": "system:serviceaccounts"})));
        assert!(!of(json!({"kind": "ServiceAccount", "name": "x", "namespace": "other"})));
        assert!(!of(json!({"kind": "User", "name": "system:serviceaccount:other:x"})));
        assert!(!of(json!({"kind": "Group", "name": "system:masters"})) && !of(json!({"kind": "User", "name": "ns"})));
    }

    #[test]
    fn a_rule_is_found_through_its_binding() {
        let rules = json!({"rules": [{"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["delete"], "resourceNames": ["a"]}]});
        let account = Ref::new("", "ServiceAccount", "ns", "hook");
        let subject = json!({"kind": "ServiceAccount", "name": "hook"});
        let role = object("Role", "ns", "r", &rules);
        let cases = [
            (subject.clone(), "Role", "r", 1),
            (json!({"kind": "ServiceAccount", "name": "other"}), "Role", "r", 0),
            (json!({"kind": "ServiceAccount", "name": "hook", "namespace": "other"}), "Role", "r", 0),
            (json!({"kind": "Group", "name": "system:serviceaccounts:ns"}), "Role", "r", 1),
            (json!({"kind": "User", "name": "system:serviceaccount:ns:hook"}), "Role", "r", 1),
        ];
        for (subject, kind, name, found) in cases {
            let binding = object(
                "RoleBinding",
                "ns",
                "b",
                &json!({"subjects": [subject], "roleRef": {"kind": kind, "name": name}}),
            );
            assert_eq!(grants(&account, &[&role, &binding]).len(), found, "{subject}");
        }
        let binding = object(
            "RoleBinding",
            "ns",
            "b",
            &json!({"subjects": [subject], "roleRef": {"kind": "ClusterRole", "name": "edit"}}),
        );
        assert!(matches!(grants(&account, &[&role, &binding])[..], [Grant::UnknownRole("edit", _)]));
        let binding = object(
            "RoleBinding",
            "ns",
            "b",
            &json!({"subjects": [{"kind": "ServiceAccount", "name": "hook"}], "roleRef": {"kind": "Role", "name": "r"}}),
        );
        let objects = [&role, &binding];
        let [Grant::Rule(rule)] = grants(&account, &objects)[..] else { panic!("one rule") };
        let claims = ("", "persistentvolumeclaims");
        assert!(rule.allows(&["patch", "delete"], claims, "a"));
        assert!(!rule.allows(&["patch"], claims, "a") && !rule.allows(&["delete"], claims, "b"));
        assert!(!rule.allows(&["delete"], ("apps", "persistentvolumeclaims"), "a"));
        assert!(rule.allows_some(&["delete"], claims) && !rule.allows_some(&["patch"], claims));
        let json = json!({"apiGroups": [""], "resources": ["*/exec"], "verbs": ["create"]});
        let rule = Rule { json: &json, role: &role, namespace: None };
        assert!(rule.allows(&["create"], ("", "pods/exec"), "") && !rule.allows(&["create"], ("", "pods"), ""));
    }
}

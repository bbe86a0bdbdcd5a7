//! What the ServiceAccounts of a release may do: bindings, and the roles that they name.

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::{binds_accounts_of, is_given_to_all};
use portolan_model::{Answer, Object, Ref, ReleaseId, SurveyQuery};

use super::questions::namespaces;

pub(super) const GROUP: &str = "rbac.authorization.k8s.io";

/// What is listed in every namespace that matters.
pub(super) const BINDING: [(&str, &str); 1] = [(GROUP, "RoleBinding")];

/// The namespaces whose accounts matter.
pub(super) fn places(release: &ReleaseId, docs: &[Object]) -> BTreeSet<String> {
    let mut all = namespaces(docs);
    all.insert(release.namespace.clone());
    all
}

fn is_binding(object: &Object) -> bool {
    object.text("/apiVersion").starts_with(GROUP)
        && matches!(object.text("/kind"), "RoleBinding" | "ClusterRoleBinding")
}

/// Whether a binding gives rights to people or to other accounts alone. It says nothing about a release, and names users.
pub(super) fn is_of_others(object: &Object, places: &BTreeSet<String>) -> bool {
    is_binding(object) && !places.iter().any(|place| binds_accounts_of(object, place))
}

/// The questions for the roles that the bindings name; those that every account has anyway are known.
pub(super) fn roles(answers: &BTreeMap<SurveyQuery, Answer>, places: &BTreeSet<String>) -> Vec<SurveyQuery> {
    let mut asks = Vec::new();
    for (ask, answer) in answers {
        let (SurveyQuery::List { group, kind, .. }, Answer::Items(items)) = (ask, answer) else { continue };
        if group != GROUP || !matches!(kind.as_str(), "RoleBinding" | "ClusterRoleBinding") {
            continue;
        }
        for binding in items.iter().filter(|binding| places.iter().any(|place| binds_accounts_of(binding, place))) {
            let role = (binding.text("/roleRef/kind"), binding.text("/roleRef/name"));
            let namespace = if role.0 == "Role" { binding.text("/metadata/namespace") } else { "" };
            if !is_given_to_all(role.1) {
                asks.push(SurveyQuery::Get(Ref::new(GROUP, role.0, namespace, role.1)));
            }
        }
    }
    asks
}

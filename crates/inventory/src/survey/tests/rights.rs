//! Bindings that others made, and the roles that they name.

use super::*;

const RBAC: &str = "rbac.authorization.k8s.io";

fn binding(name: &str, subject: &Value, role: (&str, &str)) -> Value {
    json!({"metadata": {"name": name, "namespace": NS}, "subjects": [subject], "roleRef": {"kind": role.0, "name": role.1}})
}

fn with_bindings() -> BTreeMap<SurveyQuery, Answer> {
    let mut all = answers();
    let groups = ["apps", RBAC].map(str::to_owned).into();
    all.insert(SurveyQuery::Server, Answer::Server { version: "v1.27.8".into(), groups, now: None });
    let mut of_cluster =
        binding("all", &json!({"kind": "Group", "name": "system:serviceaccounts"}), ("ClusterRole", "seen"));
    of_cluster["metadata"] = json!({"name": "all"});
    let mut of_people = binding("people", &json!({"kind": "User", "name": "jane"}), ("ClusterRole", "cluster-admin"));
    of_people["metadata"] = json!({"name": "people"});
    all.insert(list(RBAC, "ClusterRoleBinding", ""), items(vec![of_cluster, of_people]));
    let account = |name: &str, namespace: &str| json!({"kind": "ServiceAccount", "name": name, "namespace": namespace});
    let bindings = vec![
        binding("hand", &account("default", NS), ("ClusterRole", "edit")),
        binding("own", &account("tool", NS), ("Role", "tool")),
        binding("others", &account("default", "elsewhere"), ("Role", "other")),
        // What every account has anyway is known.
        binding("every", &account("default", NS), ("ClusterRole", "system:discovery")),
    ];
    all.insert(list(RBAC, "RoleBinding", NS), items(bindings));
    all
}

#[test]
fn the_roles_of_accounts_are_asked_for() {
    let asked = further(&with_bindings(), &id());
    let of_roles: Vec<String> = asked
        .iter()
        .filter_map(|ask| match ask {
            SurveyQuery::Get(name) if name.group() == RBAC => Some(name.full()),
            _ => None,
        })
        .collect();
    let role = |kind: &str, name: &str| format!("{kind}.{RBAC}/{name}");
    // The manifest has the role `r`.
    let want = [role("ClusterRole", "edit"), role("ClusterRole", "seen"), role("Role", &format!("{NS}/tool"))];
    assert!(want.iter().all(|name| of_roles.contains(name)), "{of_roles:?}");
    assert!(!of_roles.iter().any(|name| name.contains("other") || name.contains("admin")), "{of_roles:?}");
}

#[test]
fn bindings_of_people_are_left_out() {
    let inventory = survey(&with_bindings()).inventory;
    let kept: Vec<&str> =
        inventory.objects.keys().filter(|name| name.kind().ends_with("Binding")).map(Ref::name).collect();
    assert_eq!(kept, ["all", "every", "hand", "own"]);
    assert!(inventory.is_complete("ClusterRoleBinding", "") && inventory.is_complete("RoleBinding", NS));
}

#[test]
fn where_a_list_is_denied_the_objects_of_the_manifest_are_asked_for() {
    let mut all = with_bindings();
    let docs = |kind: &str| format!("---\napiVersion: {RBAC}/v1\nkind: {kind}\nmetadata: {{name: mine}}\n");
    let mut record = record_of(10, ReleaseStatus::Deployed);
    record.manifest = docs("ClusterRoleBinding");
    all.insert(list("", "Secret", NS), items(vec![(*record::encode(&record).0).clone()]));
    let mine = SurveyQuery::Get(Ref::new(RBAC, "ClusterRoleBinding", "", "mine"));
    assert!(!further(&all, &id()).contains(&mine), "it would be in the list");
    all.insert(list(RBAC, "ClusterRoleBinding", ""), Answer::Denied("no".into()));
    assert!(further(&all, &id()).contains(&mine));
}

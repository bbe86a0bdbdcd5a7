//! What the accounts of hooks and of workloads may do to a volume. Each harmful form has a twin that says nothing.

use portolan_model::{Code, Finding, Object, Plan, Severity, Unmodelled};
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS};
use crate::store::{PLAIN, installed, plan, set};

const RBAC: &str = "rbac.authorization.k8s.io/v1";

const DELETE: &str = "[{apiGroups: [''], resources: [persistentvolumeclaims], verbs: [get, delete]}]";

const READ: &str = "[{apiGroups: [''], resources: [persistentvolumeclaims, pods], verbs: [get, list]}]";

fn base(more: &str) -> Fixture {
    installed(&(set("", PLAIN) + more), &json!({"csi": {}}))
}

/// An object that somebody made by hand.
fn by_hand(fixture: &mut Fixture, json: Value) {
    let object = Object::new(json);
    fixture.inventory.objects.insert(object.name().expect("a name"), object);
}

fn bind(fixture: &mut Fixture, kind: &str, subject: &Value, role: (&str, &str)) {
    let mut metadata = json!({"name": "hand"});
    if kind == "RoleBinding" {
        metadata["namespace"] = NS.into();
    }
    by_hand(
        fixture,
        json!({"apiVersion": RBAC, "kind": kind, "metadata": metadata, "subjects": [subject],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role.0, "name": role.1}}),
    );
}

/// The objects of a test that can reach a volume by their account: code, object and reason.
fn reached(plan: &Plan) -> Vec<String> {
    let is_of_test = |it: &&Unmodelled| it.claim.name() == "store" && !it.object.name().starts_with("runai-backend");
    let all = plan.unmodelled.iter().filter(is_of_test).filter(|it| it.field.as_str().ends_with("serviceAccountName"));
    all.map(|it| format!("{} {}: {}", it.code, it.object, it.reason)).collect()
}

fn new(fixture: &Fixture, more: &str) -> Vec<String> {
    reached(&plan(fixture, &(set("", PLAIN) + more)))
}

const HOOK: &str = "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-upgrade}}\n\
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: 'x/tool:1'}]}}}\n";

#[test]
fn a_binding_made_by_hand_counts_for_a_hook() {
    let of = |kind: &str, subject: Value, role: (&str, &str)| {
        let mut fixture = base("");
        bind(&mut fixture, kind, &subject, role);
        let rules = |verb: &str| json!([{"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": [verb]}]);
        for (name, verb) in [("strong", "delete"), ("weak", "list")] {
            let role =
                json!({"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules(verb)});
            by_hand(&mut fixture, role);
        }
        new(&fixture, HOOK)
    };
    let account = |name: &str| json!({"kind": "ServiceAccount", "name": name, "namespace": NS});
    let group = |name: &str| json!({"kind": "Group", "name": name});
    let edit = ("ClusterRole", "edit");
    for (kind, subject, role) in [
        ("RoleBinding", account("default"), edit),
        ("ClusterRoleBinding", account("default"), ("ClusterRole", "cluster-admin")),
        ("RoleBinding", group(&format!("system:serviceaccounts:{NS}")), ("ClusterRole", "strong")),
        ("ClusterRoleBinding", group("system:serviceaccounts"), ("ClusterRole", "strong")),
        (
            "RoleBinding",
            json!({"kind": "User", "name": format!("system:serviceaccount:{NS}:default")}),
            ("ClusterRole", "admin"),
        ),
        // A role that could not be read.
        ("RoleBinding", account("default"), ("Role", "unread")),
    ] {
        let found = of(kind, subject.clone(), role);
        assert!(matches!(&found[..], [one] if one.starts_with("PL242 Job/hook")), "{kind} {subject}: {found:?}");
    }
    for (subject, role) in [
        (account("default"), ("ClusterRole", "view")),
        (account("default"), ("ClusterRole", "weak")),
        (account("other"), edit),
        (group("system:masters"), edit),
        (group("system:serviceaccounts:other"), edit),
    ] {
        assert_eq!(of("RoleBinding", subject.clone(), role), Vec::<String>::new(), "{subject} {role:?}");
    }
}

#[test]
fn bindings_that_may_not_be_listed_leave_a_hook_unknown() {
    for (kind, reason) in [
        ("RoleBinding", "objects of kind RoleBinding in namespace runai-backend may not be listed"),
        ("ClusterRoleBinding", "objects of kind ClusterRoleBinding may not be listed"),
    ] {
        let mut fixture = base("");
        fixture.inventory.coverage.retain(|one| one.scope.kind != kind);
        let found = new(&fixture, HOOK);
        assert_eq!(found, [format!("PL242 Job/hook: what ServiceAccount/default may do is not known: {reason}")]);
        let without = HOOK.replace("restartPolicy", "automountServiceAccountToken: false, restartPolicy");
        assert_eq!(new(&fixture, &without), Vec::<String>::new());
        // Nobody has taken rights away from, or given them to, what runs today.
        assert_eq!(new(&base(&workload("Deployment", "tool", READ)), &workload("Deployment", "tool", READ)), [""; 0]);
        let mut fixture = base(&workload("Deployment", "tool", READ));
        fixture.inventory.coverage.retain(|one| one.scope.kind != kind);
        assert_eq!(new(&fixture, &workload("Deployment", "tool", READ)), [""; 0]);
        assert_eq!(new(&fixture, &workload("Deployment", "fresh", READ)).len(), 1);
    }
}

/// A workload, its account and what that may do.
fn workload(kind: &str, name: &str, rules: &str) -> String {
    let template = "template: {metadata: {labels: {app: tool}}, spec: {serviceAccountName: tool, containers: [{name: c, image: 'x/tool:1'}]}}";
    let (version, spec) = match kind {
        "CronJob" => ("batch/v1", format!("{{jobTemplate: {{spec: {{{template}}}}}}}")),
        "Job" => ("batch/v1", format!("{{{template}}}")),
        _ => ("apps/v1", format!("{{{template}}}")),
    };
    format!(
        "---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n\
         ---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: tool}}\n\
         ---\napiVersion: {RBAC}\nkind: Role\nmetadata: {{name: tool}}\nrules: {rules}\n\
         ---\napiVersion: {RBAC}\nkind: RoleBinding\nmetadata: {{name: tool}}\nsubjects: [{{kind: ServiceAccount, name: tool}}]\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: tool}}\n"
    )
}

#[test]
fn a_workload_that_gets_rights_makes_the_volume_unknown() {
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"] {
        let (reads, deletes) = (workload(kind, "tool", READ), workload(kind, "tool", DELETE));
        let want = [format!("PL255 {kind}/tool: its Role/tool allows to delete or change the PVC")];
        assert_eq!(new(&base(""), &deletes), want, "{kind} is new");
        assert_eq!(new(&base(&reads), &deletes), want, "{kind} gets them");
        assert_eq!(new(&base(&deletes), &deletes), [""; 0], "{kind} has them");
        assert_eq!(new(&base(&deletes), &reads), [""; 0], "{kind} loses them");
        assert_eq!(new(&base(""), &reads), [""; 0], "{kind} is new and reads");
    }
    let deletes = workload("Deployment", "tool", DELETE);
    // The same rights by another role are not new; without its token the pod has none; without pods nobody has.
    assert_eq!(
        new(
            &base(&deletes),
            &deletes
                .replace("name: tool}\nrules", "name: tool2}\nrules")
                .replace("kind: Role, name: tool", "kind: Role, name: tool2")
        ),
        [""; 0]
    );
    assert_eq!(
        new(
            &base(""),
            &deletes
                .replace("serviceAccountName: tool,", "serviceAccountName: tool, automountServiceAccountToken: false,")
        ),
        [""; 0]
    );
    assert_eq!(new(&base(""), &deletes.replace("spec: {template", "spec: {replicas: 0, template")), [""; 0]);
    // Another workload that has them does not excuse a new one.
    assert_eq!(
        new(
            &base(&deletes),
            &deletes.replace("kind: Deployment\nmetadata: {name: tool}", "kind: Deployment\nmetadata: {name: other}")
        )
        .len(),
        1
    );
}

#[test]
fn a_program_with_rights_over_the_volume_is_compared() {
    let with = |rules: &str, more: &str| {
        workload("Deployment", "tool", rules).replace("image: 'x/tool:1'", &format!("image: 'x/tool:1', {more}"))
    };
    let change = |rules: &str, old: &str, new: &str| {
        let plan = plan(&base(&with(rules, old)), &(set("", PLAIN) + &with(rules, new)));
        let is_one = |it: &&Finding| it.code == Code::NotModelled && it.severity == Severity::Warning;
        let unknown = plan.unmodelled.iter().filter(|it| it.claim.name() == "store").count();
        (unknown, plan.findings.iter().filter(is_one).count())
    };
    let script = |text: &str| format!("command: [sh, -c, '{text}']");
    let env = |text: &str| format!("env: [{{name: DELETE_UNUSED_PVC, value: '{text}'}}, {{name: DAYS, value: '30'}}]");
    let (gets, deletes) = (script("kubectl get pvc"), script("kubectl delete pvc store"));
    for (old, new, is) in [
        (gets.clone(), deletes.clone(), (1, 0)),
        (deletes.clone(), gets.clone(), (0, 1)),
        (env("false"), env("true"), (1, 0)),
        (env("true"), env("true").replace("30", "0"), (0, 1)),
        ("args: [run]".into(), "args: [run, --prune]".into(), (1, 0)),
        // The same program, with other limits.
        (gets.clone(), format!("{gets}, resources: {{limits: {{cpu: 1}}}}"), (0, 0)),
        (deletes.clone(), deletes.clone(), (0, 0)),
    ] {
        assert_eq!(change(DELETE, &old, &new), is, "{old} -> {new}");
    }
    assert_eq!(change(READ, &gets, &deletes), (0, 0), "without rights its words are nothing");
    let image = |tag: &str| workload("Deployment", "tool", DELETE).replace("x/tool:1", tag);
    let plan = plan(&base(&image("x/tool:1")), &(set("", PLAIN) + &image("x/tool:2")));
    assert!(plan.unmodelled.is_empty() && plan.findings.iter().any(|it| it.found.contains("another image")));
}

#[test]
fn ways_to_further_rights_count() {
    for (rules, is_found) in [
        ("[{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create]}]", true),
        ("[{apiGroups: [''], resources: [serviceaccounts/token], resourceNames: [strong], verbs: [create]}]", true),
        ("[{apiGroups: [''], resources: [serviceaccounts], resourceNames: [strong], verbs: [impersonate]}]", true),
        (
            "[{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [edit], verbs: [bind]}]",
            true,
        ),
        ("[{apiGroups: [''], resources: [serviceaccounts], verbs: [get, create]}]", false),
        ("[{apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]}]", false),
        ("[{apiGroups: [coordination.k8s.io], resources: [leases], verbs: ['*']}]", false),
    ] {
        assert_eq!(!new(&base(""), &workload("Deployment", "tool", rules)).is_empty(), is_found, "{rules}");
    }
}

#[test]
fn rights_of_an_account_that_is_not_of_the_chart_are_read() {
    let hook = HOOK.replace("restartPolicy", "serviceAccountName: hand, restartPolicy");
    let mut fixture = base("");
    assert_eq!(new(&fixture, &hook), [""; 0], "nothing is bound to it");
    bind(&mut fixture, "RoleBinding", &json!({"kind": "ServiceAccount", "name": "hand"}), ("ClusterRole", "edit"));
    assert_eq!(new(&fixture, &hook).len(), 1);
    assert_eq!(plan(&fixture, &(set("", PLAIN) + &hook)).unmodelled[0].code, Code::HookReachesStorage);
}

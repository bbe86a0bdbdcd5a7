//! Hooks: what they can reach, and what they need when they run.

use portolan_model::{Code, HookDeletePolicy, HookEvent, ImageRef, Object, Plan, Ref};
use serde_json::json;

use crate::fixture::{Fixture, NS, at_2_8, new};
use crate::store::{PLAIN, installed, plan, set};

fn job(events: &str, more: &str, pod: &str) -> String {
    format!(
        "---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: hook, annotations: {{helm.sh/hook: '{events}'{more}}}}}\nspec: {{template: {{spec: {{\
         restartPolicy: Never, {pod}}}}}}}\n"
    )
}

const CONTAINER: &str = "containers: [{name: c, image: 'x/tool:1', command: [sh, -c, exit 0]}]";

fn account(rules: &str) -> String {
    let rbac = "apiVersion: rbac.authorization.k8s.io/v1";
    format!(
        "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: hook}}\n---\n{rbac}\nkind: Role\nmetadata: {{name: hook}}\nrules: {rules}\n\
         ---\n{rbac}\nkind: RoleBinding\nmetadata: {{name: hook}}\nsubjects: [{{kind: ServiceAccount, name: hook}}]\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: hook}}\n"
    )
}

fn with(hook: &str) -> Plan {
    plan(&installed(&set("", PLAIN), &json!({"hostPath": {"path": "/srv/pv"}})), &(set("", PLAIN) + hook))
}

/// The volumes that hooks reach: PVC and field.
fn reached(plan: &Plan) -> Vec<String> {
    let all = plan.unmodelled.iter().filter(|it| it.code == Code::HookReachesStorage);
    all.map(|it| format!("{} {}", it.claim.name(), it.field)).collect()
}

const ACCOUNT: &str = "/spec/template/spec/serviceAccountName";

#[test]
fn harmless_hooks_reach_nothing() {
    let own = format!("serviceAccountName: hook, {CONTAINER}");
    let read = account(
        "[{apiGroups: ['', apps], resources: [persistentvolumeclaims, pods, statefulsets], verbs: [get, list, watch]}]",
    );
    let others = account(
        "[{apiGroups: ['', apps], resources: [configmaps, secrets], verbs: ['*']}, {apiGroups: [apps], resources: [deployments], verbs: [patch, delete]}, {apiGroups: [''], resources: [pods], verbs: [delete]}]",
    );
    let named =
        account("[{apiGroups: [''], resources: [persistentvolumeclaims], resourceNames: [other], verbs: [delete]}]");
    let strong = account("[{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]");
    let cases = [
        job("pre-upgrade", "", CONTAINER),
        job(
            "pre-upgrade,post-upgrade",
            "",
            &format!("{CONTAINER}, volumes: [{{name: x, emptyDir: {{}}}}, {{name: y, hostPath: {{path: /etc}}}}]"),
        ),
        job("post-upgrade", "", &own) + &read,
        job("pre-upgrade", "", &own) + &others,
        job("pre-upgrade", "", &own) + &named,
        job("pre-upgrade", "", &format!("automountServiceAccountToken: false, {own}")) + &strong,
        job("pre-upgrade", "", CONTAINER) + &strong,
        // The upgrade does not run it.
        job("test", "", &own) + &strong,
        job("pre-rollback,pre-delete,pre-install", "", &own) + &strong,
    ];
    for hook in cases {
        assert_eq!(reached(&with(&hook)), Vec::<String>::new(), "{hook}");
    }
}

#[test]
fn a_hook_that_can_reach_a_volume_makes_it_unknown() {
    let own = format!("serviceAccountName: hook, {CONTAINER}");
    for rules in [
        "[{apiGroups: [''], resources: [persistentvolumeclaims], verbs: [delete]}]",
        "[{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]",
        "[{apiGroups: [apps], resources: [statefulsets], resourceNames: [store], verbs: [patch]}]",
        "[{apiGroups: [''], resources: [pods/exec], verbs: [create]}]",
        "[{apiGroups: [batch], resources: [jobs], verbs: [create]}]",
        "[{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [escalate]}]",
    ] {
        let found = reached(&with(&(job("pre-upgrade", "", &own) + &account(rules))));
        assert!(found.contains(&format!("store {ACCOUNT}")), "{rules}: {found:?}");
    }
    // A role that the chart does not bring.
    let bound = account("[]").replace("kind: Role, name: hook}", "kind: ClusterRole, name: edit}");
    assert!(reached(&with(&(job("pre-upgrade", "", &own) + &bound))).contains(&format!("store {ACCOUNT}")));
    let viewer = bound.replace("name: edit", "name: view");
    assert!(reached(&with(&(job("pre-upgrade", "", &own) + &viewer))).is_empty());
    // A Job that is no hook and comes with the upgrade.
    let plain = job("x", "", &own).replace(", annotations: {helm.sh/hook: 'x'}", "");
    let all = with(&(plain + &account("[{apiGroups: [''], resources: [persistentvolumeclaims], verbs: [delete]}]")));
    assert!(all.unmodelled.iter().any(|it| it.code == Code::NotModelled && it.field.as_str() == ACCOUNT));
    // By its mounts.
    let mount = "containers: [{name: c, volumeMounts: [{name: d, mountPath: /d}]}], volumes: ";
    let mounts =
        with(&job("pre-upgrade", "", &format!("{mount}[{{name: d, persistentVolumeClaim: {{claimName: store}}}}]")));
    assert_eq!(reached(&mounts), ["store /spec/template/spec/volumes/0"]);
    let nameless =
        job("pre-upgrade", "", &format!("{mount}[{{name: d, persistentVolumeClaim: {{claimName: store}}}}]"));
    let nameless = with(&nameless.replace("metadata: {name: hook", "metadata: {generateName: hook-"));
    assert_eq!(reached(&nameless), ["store /spec/template/spec/volumes/0"]);
    let node = with(&job("pre-upgrade", "", &format!("{mount}[{{name: d, hostPath: {{path: /srv}}}}]")));
    assert_eq!(reached(&node), ["store /spec/template/spec/volumes/0/hostPath/path"]);
    // By its own object.
    let claim = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: store, annotations: {helm.sh/hook: pre-upgrade}}\n";
    assert_eq!(reached(&with(claim)), ["store /metadata/annotations/helm.sh~1hook"]);
    let set = set("", PLAIN)
        .replace("metadata: {name: store}", "metadata: {name: store, annotations: {helm.sh/hook: pre-upgrade}}");
    let fixture = installed(&crate::store::set("", PLAIN), &json!({"csi": {}}));
    assert!(reached(&plan(&fixture, &set)).contains(&"store /spec/template/spec/volumes/0".to_owned()));
}

#[test]
fn a_namespace_as_a_hook_takes_the_volume_along() {
    let space = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: runai-backend, annotations: {helm.sh/hook: pre-upgrade}}\n";
    let is_deleted = |plan: &Plan| plan.findings.iter().any(|finding| finding.code == Code::DeletedWith);
    assert!(is_deleted(&with(space)));
    assert!(!is_deleted(&with(&space.replace("name: runai-backend", "name: other"))));
}

#[test]
fn every_hook_is_in_the_plan() {
    let plan =
        with(&job("pre-upgrade", ", helm.sh/hook-weight: '-3', helm.sh/hook-delete-policy: hook-succeeded", CONTAINER));
    let hook = plan.hops[0].hooks.iter().find(|hook| hook.object.name() == "hook").expect("it is there");
    assert_eq!((hook.weight, &hook.events[..]), (-3, &[HookEvent::PreUpgrade][..]));
    assert_eq!(
        (&hook.delete[..], &hook.images[..]),
        (&[HookDeletePolicy::HookSucceeded][..], &[ImageRef::new("x/tool:1")][..])
    );
}

/// What a hook needs and does not find: found, field and why.
fn needs(hook: &str) -> Vec<String> {
    let plan = at_2_8().file_of(&[new("2.20.41")], &|_, chart| chart + hook).expect("it can be planned").plan;
    let all = plan.findings.iter().filter(|finding| finding.code == Code::HookNeedsStopped);
    all.map(|finding| format!("{} {}", finding.field().expect("a field"), finding.evidence.join(" "))).collect()
}

#[test]
fn what_a_step_deleted_is_not_there_for_a_hook() {
    let pod = |container: &str| format!("containers: [{{name: c, {container}}}]");
    let secret = "env: [{name: P, valueFrom: {secretKeyRef: {name: runai-backend-postgresql, key: password}}}]";
    let found = needs(&job("pre-upgrade", "", &pod(secret)));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with(
            "/spec/template/spec/containers/0/env/0/valueFrom/secretKeyRef step delete-secret deletes Secret/"
        ),
        "{found:?}"
    );
    let optional = secret.replace("key: password", "key: password, optional: true");
    let service =
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {selector: {app: runai-backend-postgresql}}\n";
    for container in [
        "command: [sh, -c, 'pg_isready -h db']",
        "env: [{name: H, value: 'postgres://u@db.runai-backend.svc:5432/x'}]",
        "args: [--host=db]",
        "args: [wait, statefulset/runai-backend-postgresql]",
    ] {
        let found = needs(&(job("pre-upgrade", "", &pod(container)) + service));
        assert_eq!(found.len(), 1, "{container}: {found:?}");
        assert!(found[0].contains("deletes StatefulSet/runai-backend-postgresql before helm runs"), "{found:?}");
    }
    for container in [
        optional.as_str(),
        "command: [db, migrate]",
        "command: [sh, -c, 'db --help']",
        "args: [--host=db.example.com]",
        "env: [{name: H, value: my-db}]",
    ] {
        assert_eq!(needs(&(job("pre-upgrade", "", &pod(container)) + service)), Vec::<String>::new(), "{container}");
    }
    // After the upgrade everything is there again.
    assert_eq!(needs(&job("post-upgrade", "", &pod(secret))), Vec::<String>::new());
}

#[test]
fn what_the_manifest_brings_comes_after_the_hook() {
    let pod = "serviceAccountName: fresh, containers: [{name: c}]";
    let account = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: fresh}\n";
    for pod in [pod, &pod.replace("serviceAccountName", "serviceAccount")] {
        let found = needs(&(job("pre-upgrade", "", pod) + account));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("is new, and helm creates it after the pre-upgrade hooks"), "{found:?}");
    }
    let hook = account
        .replace("{name: fresh}", "{name: fresh, annotations: {helm.sh/hook: pre-upgrade, helm.sh/hook-weight: '-1'}}");
    assert_eq!(needs(&(job("pre-upgrade", "", pod) + &hook)), Vec::<String>::new());
    // A hook of a later weight comes too late, and there is nothing else of that name.
    let late = job("pre-upgrade", ", helm.sh/hook-weight: '-2'", pod);
    assert_eq!(needs(&(late + &hook)).len(), 1);
}

#[test]
fn an_object_that_becomes_a_hook_is_gone_afterwards() {
    let plain = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {key: abcdef}\n";
    let hook = |annotations: &str| {
        plain.replace("{name: key}", &format!("{{name: key, annotations: {{helm.sh/hook: {annotations}}}}}"))
    };
    let said = |old: &str, new: &str| {
        let plan = plan(&installed(&(set("", PLAIN) + old), &json!({"csi": {}})), &(set("", PLAIN) + new));
        let gone = plan.findings.iter().filter(|finding| finding.found.contains("becomes a hook"));
        gone.map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(said(plain, &hook("pre-upgrade")), [Code::KeyChanges]);
    assert_eq!(
        said(&plain.replace("Secret", "ConfigMap"), &hook("pre-upgrade").replace("Secret", "ConfigMap")),
        [Code::BecomesHook]
    );
    assert_eq!(said(plain, plain), []);
    assert_eq!(said(plain, &hook("pre-upgrade, helm.sh/resource-policy: keep")), []);
    assert_eq!(said(&hook("pre-upgrade"), &hook("pre-upgrade")), []);
}

/// The PVC of the store is owned by this.
fn owned_by(version: &str, kind: &str) -> Fixture {
    let mut fixture = installed(&set("", PLAIN), &json!({"csi": {}}));
    let owner = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "owner", "namespace": NS, "uid": "uid-owner"}});
    let claim = fixture.inventory.objects.get_mut(&Ref::claim(NS, "store")).expect("it is there");
    let mut json = (*claim.0).clone();
    json["metadata"]["ownerReferences"] =
        json!([{"apiVersion": version, "kind": kind, "name": "owner", "uid": "uid-owner"}]);
    *claim = Object::new(json);
    let owner = Object::new(owner);
    fixture.inventory.objects.insert(owner.name().expect("a name"), owner);
    fixture
}

#[test]
fn a_hook_that_owns_a_volume_reaches_it() {
    let fixture = owned_by("v1", "ConfigMap");
    let hook = |name: &str| {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {{helm.sh/hook: pre-upgrade}}}}\n"
        )
    };
    let of = |name: &str| reached(&plan(&fixture, &(set("", PLAIN) + &hook(name))));
    assert_eq!(of("owner"), ["store "]);
    assert_eq!(of("other"), Vec::<String>::new());
}

#[test]
fn a_hook_that_may_delete_crds_reaches_what_a_custom_resource_owns() {
    let rules = "[{apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [delete]}]";
    let hook = job("pre-upgrade", "", &format!("serviceAccountName: hook, {CONTAINER}"))
        + &account(rules).replace("kind: Role", "kind: ClusterRole").replace(
            "subjects: [{kind: ServiceAccount, name: hook}]",
            &format!("subjects: [{{kind: ServiceAccount, name: hook, namespace: {NS}}}]"),
        );
    let of = |version: &str, kind: &str| reached(&plan(&owned_by(version, kind), &(set("", PLAIN) + &hook)));
    assert_eq!(of("db.example.com/v1", "Cluster"), [format!("store {ACCOUNT}")]);
    assert_eq!(of("v1", "ConfigMap"), Vec::<String>::new());
}

#[test]
fn a_claim_as_a_hook_is_refused() {
    let said = |name: &str| {
        let claim = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: NAME, annotations: {helm.sh/hook: post-upgrade}}\n";
        let plan = with(&claim.replace("NAME", name));
        let as_hook =
            |finding: &&portolan_model::Finding| finding.code == Code::NotSafe && finding.found.contains("as a hook");
        plan.findings.iter().filter(as_hook).count()
    };
    assert_eq!(said("store"), 1);
    assert_eq!(said("fresh"), 0);
}

#[test]
fn a_claim_as_a_hook_of_another_event_is_left_alone() {
    let claim = |events: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: store, annotations: {{helm.sh/hook: '{events}'}}}}\n"
        )
    };
    for events in ["pre-install", "post-install,test", "pre-rollback,post-delete", "sometimes"] {
        let plan = with(&claim(events));
        assert!(plan.findings.iter().all(|finding| finding.code != Code::NotSafe), "{events}: {:?}", plan.findings);
    }
}

#[test]
fn what_a_hook_deleted_is_not_there_for_a_later_one() {
    let map = |annotations: &str| {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: hk, annotations: {{{annotations}}}}}\ndata: {{a: b}}\n"
        )
    };
    let gone = map("helm.sh/hook: pre-upgrade, helm.sh/hook-delete-policy: hook-succeeded");
    let pod = "containers: [{name: c, image: 'x/tool:1', envFrom: [{configMapRef: {name: hk}}]}]";
    let found = needs(&(job("post-upgrade", "", pod) + &gone));
    assert_eq!(found.len(), 1, "{found:?}");
    let said = "/spec/template/spec/containers/0/envFrom/0/configMapRef/name ConfigMap/hk is a pre-upgrade hook";
    assert!(found[0].starts_with(said), "{found:?}");
    let twice = pod.replace("]}]", "]}], volumes: [{name: v, configMap: {name: hk}}]");
    assert_eq!(needs(&(job("post-upgrade", "", &twice) + &gone)).len(), 1, "it is named once");
    for (job, map) in [
        (job("pre-upgrade", "", pod), gone.clone()),
        (job("post-upgrade", "", pod), map("helm.sh/hook: pre-upgrade")),
        (job("post-upgrade", "", pod), gone.replace("pre-upgrade", "'pre-upgrade,post-upgrade'")),
        (job("post-upgrade", "", pod), gone.replace("pre-upgrade", "pre-install")),
    ] {
        // A Job runs last of its weight, whatever the order of the texts.
        assert_eq!(needs(&(job + &map)), Vec::<String>::new(), "{map}");
    }
}

//! What each answer of the API server means, and its twin that goes through.

use super::*;

#[test]
fn an_object_that_exists_passes_where_it_goes_first() {
    let taken = || refusal(409, "AlreadyExists", "already exists");
    let create = |name| Case::new("", "", &map("a", "x")).answers("create", name, taken());
    // Deleted by our own steps.
    assert_eq!(create("ConfigMap/n/a").deletes(&["ConfigMap/n/a"]).found(), []);
    let hook = |policy: &str| {
        let hook = map("h", "x")
            .replace("{name: h}", &format!("{{name: h, annotations: {{helm.sh/hook: pre-upgrade{policy}}}}}"));
        Case::new("", "", "").hooks(&hook).answers("create", "ConfigMap/n/h", taken()).found()
    };
    assert_eq!(hook(""), []);
    assert_eq!(hook(", helm.sh/hook-delete-policy: before-hook-creation"), []);
    assert_eq!(
        hook(", helm.sh/hook-delete-policy: hook-succeeded"),
        blocks(Code::ServerRefuses, "ConfigMap/n/h", "/metadata/name")
    );
    // Another event does not happen in an upgrade.
    let test = map("h", "x").replace("{name: h}", "{name: h, annotations: {helm.sh/hook: test}}");
    assert!(Case::new("", "", "").hooks(&test).run().0.is_empty());
}

#[test]
fn a_controller_replaces_its_pod_and_nobody_elses() {
    let set = |image: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: s, namespace: n}}\nspec: {{serviceName: s, template: \
             {{spec: {{containers: [{{name: c, image: {image}}}]}}}}}}\n"
        )
    };
    let taken = |owners: &str| {
        let pod = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: s-0, namespace: n{owners}}}\n");
        let live = format!("{}---\n{pod}", set("old"));
        Case::new(&set("old"), &live, &set("new"))
            .answers("create", "Pod/n/s-0", refusal(409, "AlreadyExists", "already exists"))
            .found()
    };
    let owned = ", ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: s, uid: u, controller: true}]";
    assert_eq!(taken(owned), []);
    assert_eq!(taken(""), blocks(Code::ServerRefuses, "Pod/n/s-0", "/metadata/name"));
}

#[test]
fn a_pod_that_a_set_takes_over_is_not_in_its_way() {
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: s, namespace: n}\nspec: {serviceName: s, selector: {matchLabels: \
               {app: s}}, template: {metadata: {labels: {app: s}}, spec: {containers: [{name: c, image: i}]}}}\n";
    let found = |labels: &str| {
        let pod = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: s-0, namespace: n, labels: {{{labels}}}}}\n");
        let case = Case::new("", &pod, set);
        case.answers("create", "Pod/n/s-0", refusal(409, "AlreadyExists", "already exists")).found()
    };
    assert_eq!(found("app: s, more: x"), []);
    assert_eq!(found("app: other"), blocks(Code::ServerRefuses, "Pod/n/s-0", "/metadata/name"));
}

#[test]
fn a_set_that_is_a_hook_goes_first_with_its_pods() {
    let found = |policy: &str| {
        let set = format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: s, namespace: n, annotations: {{helm.sh/hook: pre-upgrade, \
             helm.sh/hook-delete-policy: {policy}}}}}\nspec: {{serviceName: s, template: {{spec: {{containers: [{{name: c, image: \
             i}}]}}}}}}\n"
        );
        let owner = "{apiVersion: apps/v1, kind: StatefulSet, name: s, uid: u, controller: true}";
        let pod =
            format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: s-0, namespace: n, ownerReferences: [{owner}]}}\n");
        let case = Case::new("", &format!("{set}---\n{pod}"), "").hooks(&set);
        case.answers("create", "Pod/n/s-0", refusal(409, "AlreadyExists", "already exists")).found()
    };
    assert_eq!(found("before-hook-creation"), []);
    assert_eq!(found("hook-failed"), blocks(Code::ServerRefuses, "Pod/n/s-0", "/metadata/name"));
}

#[test]
fn what_admission_denies_is_open_where_the_plan_deletes_what_it_may_judge_by() {
    let denied = || {
        let words = "admission webhook \"w\" denied the request: this host is defined already";
        Case::new("", "", &map("a", "x")).answers("create", "ConfigMap/n/a", refusal(400, "BadRequest", words))
    };
    assert_eq!(denied().found(), blocks(Code::ServerRefuses, "ConfigMap/n/a", ""));
    let codes = |deletes: &str| {
        let (_, found) = denied().deletes(&[deletes]).run();
        found.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(codes("ConfigMap/n/b"), [Code::NotChecked]);
    assert_eq!(codes("ValidatingWebhookConfiguration.admissionregistration.k8s.io/w"), [Code::NotChecked]);
    assert_eq!(codes("Secret/n/b"), [Code::ServerRefuses]);
}

#[test]
fn a_webhook_that_does_not_answer_is_changed_by_its_own_end_alone() {
    let codes = |deletes: &str| {
        let words = "Internal error occurred: failed calling webhook \"w\": failed to call webhook: no answer";
        let silent =
            Case::new("", "", &map("a", "x")).answers("create", "ConfigMap/n/a", refusal(500, "InternalError", words));
        let (_, found) = silent.deletes(&[deletes]).run();
        found.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(codes("ConfigMap/n/b"), [Code::ServerRefuses]);
    assert_eq!(codes("ValidatingWebhookConfiguration.admissionregistration.k8s.io/w"), [Code::NotChecked]);
}

#[test]
fn somebody_elses_object_is_refused_and_names_its_owner() {
    let foreign = live_map("a", "x").replace("release-name: r", "release-name: other");
    let unmarked = map("a", "x");
    let known = |live: &str| Case::new("", live, &map("a", "y")).found();
    assert_eq!(known(&foreign), blocks(Code::ForeignOwner, "ConfigMap/n/a", ""));
    assert_eq!(known(&unmarked), blocks(Code::ForeignOwner, "ConfigMap/n/a", ""));
    assert_eq!(known(&live_map("a", "x")), []);
    assert_eq!(Case::new("", &foreign, &map("a", "y")).deletes(&["ConfigMap/n/a"]).found(), []);
    let class = |marks: &str| {
        docs(&format!("apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {{name: a{marks}}}\nhandler: h\n"))
            .remove(0)
    };
    // Kinds that no survey lists: a create finds the object, a read its owner, a patch the rest.
    let unlisted = |live: Object| {
        let planned = "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: a}\nhandler: h\n";
        let name = "RuntimeClass.node.k8s.io/a";
        Case::new("", "", planned)
            .answers("create", name, refusal(409, "AlreadyExists", ""))
            .answers("get", name, CheckAnswer::Found(vec![live]))
            .run()
    };
    let (asked, found) = unlisted(class(""));
    assert_eq!(asked, ["create RuntimeClass.node.k8s.io/a", "get RuntimeClass.node.k8s.io/a"]);
    assert_eq!(found[0].found, "RuntimeClass/a exists in the cluster and was not made by helm");
    assert_eq!(unlisted(class(&format!(", {MARKS}"))).1, []);
}

#[test]
fn what_the_server_does_not_say_is_not_checked() {
    let create = |answer| Case::new("", "", &map("a", "x")).answers("create", "ConfigMap/n/a", answer).found();
    for answer in [
        refusal(400, "BadRequest", "admission webhook \"w\" does not support dry run"),
        refusal(
            403,
            "Forbidden",
            "configmaps is forbidden: User \"u\" cannot create resource \"configmaps\" in API group \"\" in the namespace \"n\"",
        ),
        refusal(503, "ServiceUnavailable", "later"),
        CheckAnswer::NoAnswer("no answer within 30 s".into()),
    ] {
        assert_eq!(create(answer), notes("ConfigMap/n/a"));
    }
    let (_, found) = Case::new("", "", &map("a", "x"))
        .answers(
            "create",
            "ConfigMap/n/a",
            refusal(403, "Forbidden", "x is forbidden: User \"u\" cannot create resource \"configmaps\" in API group \"\" in the namespace \"n\""),
        )
        .run();
    assert!(found[0].found.ends_with("because this user may not create configmaps in namespace n"), "{found:?}");
    // Admission says no with the same status.
    for answer in [
        refusal(403, "Forbidden", "configmaps \"a\" is forbidden: a policy says so"),
        refusal(400, "BadRequest", "admission webhook \"w\" denied the request: no"),
        refusal(500, "InternalError", "failed calling webhook \"w\": refused"),
    ] {
        assert_eq!(create(answer), blocks(Code::ServerRefuses, "ConfigMap/n/a", ""));
    }
}

#[test]
fn what_the_chart_brings_itself_cannot_be_checked_before() {
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: o}\n---\n";
    let inside = map("a", "x").replace("{name: a}", "{name: a, namespace: o}");
    let missing = || refusal(404, "NotFound", "namespaces \"o\" not found");
    let create = |planned: &str| Case::new("", "", planned).answers("create", "ConfigMap/o/a", missing()).found();
    assert_eq!(create(&format!("{namespace}{inside}")), notes("ConfigMap/o/a"));
    assert_eq!(create(&inside), blocks(Code::MissingReference, "ConfigMap/o/a", "/metadata/namespace"));
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: ks.g.io}\nspec: {group: g.io, names: {kind: K}}\n---\n";
    let custom = "apiVersion: g.io/v1\nkind: K\nmetadata: {name: a}\n";
    let create =
        |planned: &str| Case::new("", "", planned).answers("create", "K.g.io/n/a", CheckAnswer::NotServed).found();
    assert_eq!(create(&format!("{crd}{custom}")), notes("K.g.io/n/a"));
    assert_eq!(create(custom), blocks(Code::MissingReference, "K.g.io/n/a", "/kind"));
}

#[test]
fn a_quota_counts_what_goes_only_where_it_would_fit_alone() {
    let over = |requested: &str| {
        let message = format!(
            "pods \"web-\" is forbidden: exceeded quota: q, requested: {requested}, used: memory=1Gi, limited: memory=1536Mi"
        );
        refusal(403, "Forbidden", &message)
    };
    let pod = |live: &str, requested: &str| {
        Case::new(&deployment("web", "{containers: [{name: a, image: old}]}"), live, &deployment("web", SPEC))
            .answers("create", "Pod/n", over(requested))
            .found()
    };
    let live = live_deployment("web", "{containers: [{name: a, image: old}]}");
    assert_eq!(pod(&live, "memory=1Gi"), notes(DEPLOYMENT));
    assert_eq!(pod(&live, "memory=2Gi"), blocks(Code::ServerRefuses, DEPLOYMENT, "/spec/template/spec"));
    assert_eq!(pod("", "memory=1Gi"), blocks(Code::ServerRefuses, DEPLOYMENT, "/spec/template/spec"));
}

#[test]
fn only_templates_that_make_pods_are_tried() {
    let asks = |stored: &str, live: &str, planned: &str| Case::new(stored, live, planned).run().0;
    let (one, live) = (deployment("web", SPEC), live_deployment("web", SPEC));
    let other = deployment("web", "{containers: [{name: a, image: other}]}");
    assert!(asks(&one, &live, &one).is_empty());
    assert_eq!(asks(&one, &live, &other), ["patch Deployment.apps/n/web", "create Pod/n"]);
    let (asked, _) = Case::new(&one, &live, &one).deletes(&[DEPLOYMENT]).run();
    assert_eq!(asked, ["create Deployment.apps/n/web", "create Pod/n"]);
    let stopped = other.replace("spec: {template", "spec: {replicas: 0, template");
    assert_eq!(asks(&one, &live, &stopped), ["patch Deployment.apps/n/web"]);
}

#[test]
fn a_refused_pod_is_a_finding_about_its_workload() {
    let pod =
        |spec: &str, answer| Case::new("", "", &deployment("web", spec)).answers("create", "Pod/n", answer).found();
    assert_eq!(
        pod(SPEC, invalid("FieldValueInvalid", "spec.containers[0].resources.requests", "must be less")),
        blocks(Code::ServerRefuses, DEPLOYMENT, "/spec/template/spec/containers/0/resources/requests")
    );
    assert_eq!(
        pod(SPEC, refusal(403, "Forbidden", "pods \"web-\" is forbidden: violates PodSecurity \"restricted:latest\"")),
        blocks(Code::ServerRefuses, DEPLOYMENT, "/spec/template/spec")
    );
    assert_eq!(
        pod(
            "{priorityClassName: p}",
            refusal(403, "Forbidden", "pods is forbidden: no PriorityClass with name p was found")
        ),
        blocks(Code::MissingReference, DEPLOYMENT, "/spec/template/spec/priorityClassName")
    );
    let long = "a".repeat(60);
    let set = format!(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: {long}}}\nspec: {{template: {{spec: {SPEC}}}}}\n"
    );
    let pod: &'static str = format!("Pod/n/{long}-0").leak();
    let too_long = invalid(
        "FieldValueInvalid",
        "metadata.labels",
        &format!("Invalid value: \"{long}-4294967295\": must be no more than 63"),
    );
    assert_eq!(
        Case::new("", "", &set).answers("create", pod, too_long).found(),
        blocks(Code::ServerRefuses, &format!("StatefulSet.apps/n/{long}"), "/metadata/name")
    );
}

#[test]
fn a_request_that_cannot_change_names_class_and_field() {
    let claim = |size: &str, extra: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: c, {MARKS}}}\nspec: {{storageClassName: fast, resources: {{requests: {{storage: {size}}}}}}}\n{extra}---\n"
        )
    };
    let status = "status: {phase: Bound, capacity: {storage: 1Gi}}\n";
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast}\n";
    let live = claim("1Gi", status) + class;
    let forbidden = || refusal(403, "Forbidden", "only dynamically provisioned pvc can be resized");
    let name = "PersistentVolumeClaim/n/c";
    let refused = blocks(Code::ServerRefuses, name, "/spec/resources/requests/storage");
    let case = |live: &str, planned: &str| Case::new(&claim("1Gi", ""), live, planned);
    assert_eq!(case(&live, &claim("2Gi", "")).answers("patch", name, forbidden()).found(), refused);
    assert_eq!(case(&live, &claim("2Gi", "")).found(), []);
    // A later hop has no dry run: the rule itself says it.
    let later = |live: &str, planned: &str| case(live, planned).with(|writes| writes.is_next = false).found();
    let blocked = |found: Vec<(Code, Severity, String, String)>| -> Vec<_> {
        found.into_iter().filter(|(_, severity, ..)| *severity == Severity::Blocking).collect()
    };
    assert_eq!(blocked(later(&live, &claim("2Gi", ""))), refused);
    let grows = live.replace("metadata: {name: fast}", "metadata: {name: fast}\nallowVolumeExpansion: true");
    assert_eq!(blocked(later(&grows, &claim("2Gi", ""))), []);
}

#[test]
fn another_manager_of_a_field_is_named() {
    let conflict = invalid("FieldManagerConflict", ".spec.replicas", "conflict with \"kubectl-patch\" using apps/v1");
    let stored = deployment("web", SPEC);
    let case =
        || Case::new(&stored, &live_deployment("web", SPEC), &stored).with(|writes| writes.apply = ApplyMethod::Server);
    let (_, found) = case().answers("patch", DEPLOYMENT, conflict).run();
    assert_eq!((found[0].code, found[0].field()), (Code::FieldConflict, Some("/spec/replicas")));
    assert_eq!(found[0].found, "Deployment/web sets spec.replicas, which kubectl-patch owns");
    assert_eq!(case().found(), []);
}

#[test]
fn helm_3_is_named_where_server_side_apply_cannot_change_the_strategy() {
    let refused = invalid(
        "FieldValueForbidden",
        "spec.strategy.rollingUpdate",
        "may not be specified when strategy `type` is 'Recreate'",
    );
    let stored = deployment("web", SPEC);
    let next = |apply| {
        let planned = stored.replacen("metadata: {", "metadata: {labels: {a: b}, ", 1);
        let case = Case::new(&stored, &live_deployment("web", SPEC), &planned).with(|writes| writes.apply = apply);
        let (_, found) = case.answers("patch", DEPLOYMENT, refused.clone()).run();
        assert_eq!(found[0].code, Code::ServerRefuses);
        found[0].next.clone()
    };
    assert!(next(ApplyMethod::Server).contains("helm 3"));
    assert!(!next(ApplyMethod::Client).contains("helm 3"));
}

#[test]
fn our_own_writes_are_foreseen_as_conflicts() {
    let volume = |policy: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: v, {MARKS}}}\nspec: {{persistentVolumeReclaimPolicy: {policy}}}\n"
        )
    };
    let own = OwnField {
        object: Ref::volume("v"),
        field: JsonPointer::new("/spec/persistentVolumeReclaimPolicy"),
        value: "Retain".into(),
    };
    let case = |live: &str, planned: &str, apply| {
        Case::new(&volume("Delete"), &volume(live), &volume(planned))
            .with(|writes| (writes.apply, writes.own) = (apply, vec![own.clone()]))
            .found()
    };
    let conflict = blocks(Code::FieldConflict, "PersistentVolume/v", "/spec/persistentVolumeReclaimPolicy");
    assert_eq!(case("Delete", "Delete", ApplyMethod::Server), conflict);
    assert_eq!(case("Delete", "Retain", ApplyMethod::Server), []);
    assert_eq!(case("Retain", "Delete", ApplyMethod::Server), []);
    assert_eq!(case("Delete", "Delete", ApplyMethod::Client), []);
}

#[test]
fn a_frozen_field_is_named_although_the_server_says_spec() {
    let set = |service: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: s, {MARKS}}}\nspec: {{replicas: 0, serviceName: {service}, template: {{spec: {SPEC}}}}}\n"
        )
    };
    let answer = invalid("FieldValueForbidden", "spec", "updates to statefulset spec for fields other than");
    let case = |planned: &str| Case::new(&set("x"), &set("x"), planned);
    assert_eq!(
        case(&set("y")).answers("patch", "StatefulSet.apps/n/s", answer).found(),
        blocks(Code::ServerRefuses, "StatefulSet.apps/n/s", "/spec/serviceName")
    );
}

#[test]
fn a_set_that_may_be_left_by_its_pods_is_said_to_be() {
    let set = |service: &str, label: &str, template: &str, policy: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: s, uid: u, {MARKS}}}\nspec: {{replicas: 1, serviceName: {service}, \
             selector: {{matchLabels: {{app: {label}}}}}, persistentVolumeClaimRetentionPolicy: {{whenDeleted: {policy}}}, \
             volumeClaimTemplates: [{{metadata: {{name: {template}}}, spec: {{}}}}], \
             template: {{metadata: {{labels: {{app: {label}}}}}, spec: {SPEC}}}}}\n"
        )
    };
    let claim = |owner: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data-s-0, uid: c, ownerReferences: [{owner}]}}\nspec: {{}}\n"
        )
    };
    let owner = "{apiVersion: apps/v1, kind: StatefulSet, name: s, uid: u}";
    let answer = invalid("FieldValueForbidden", "spec", "updates to statefulset spec for fields other than");
    let is_said = |old: String, new: String, claim: String| {
        let case = Case::new(&old, &(old.clone() + &claim), &new);
        let (_, found) = case.answers("patch", "StatefulSet.apps/n/s", answer.clone()).run();
        assert_eq!(found[0].code, Code::ServerRefuses, "{found:?}");
        found[0].next.contains("--cascade=orphan")
    };
    let old = || set("x", "s", "data", "Retain");
    assert!(is_said(old(), set("y", "s", "data", "Retain"), claim("")));
    assert!(!is_said(old(), set("x", "t", "data", "Retain"), claim("")), "its pods are not selected");
    assert!(!is_said(old(), set("x", "s", "other", "Retain"), claim("")), "it has other PVCs");
    assert!(!is_said(old(), set("y", "s", "data", "Retain"), claim(owner)), "a PVC would go with it");
    let deleting = || set("x", "s", "data", "Delete");
    assert!(!is_said(deleting(), set("y", "s", "data", "Delete"), claim("")));
}

#[test]
fn values_of_secrets_do_not_come_back_out() {
    let planned = secret("k");
    let case = || Case::new("", "", &planned);
    let answer = invalid("FieldValueInvalid", "data[k]", "Invalid value: \"hunter2\"");
    let (_, found) = case().answers("create", "Secret/n/s", answer).run();
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    assert_eq!(
        (found[0].field(), found[0].evidence.as_slice()),
        (Some("/data/k"), ["data[k]: FieldValueInvalid".to_owned()].as_slice())
    );
}

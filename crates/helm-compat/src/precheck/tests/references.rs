//! What the new chart refers to.

use super::*;

#[test]
fn a_reference_has_to_be_there_with_its_key() {
    let web = deployment("web", ENV);
    let missing = blocks(Code::MissingReference, DEPLOYMENT, ENV_FIELD);
    assert_eq!(Case::new("", "", &web).found(), missing);
    assert_eq!(Case::new("", &secret("other"), &web).found(), missing);
    assert_eq!(Case::new("", &secret("k"), &web).found(), []);
    // The same chart makes it, or adds the key.
    assert_eq!(Case::new("", "", &format!("{web}{}", secret("k"))).found(), []);
    assert_eq!(Case::new("", "", &format!("{web}{}", secret("other"))).found(), missing);
    // Our own steps or helm delete it.
    assert_eq!(Case::new("", &secret("k"), &web).deletes(&["Secret/n/s"]).found(), missing);
    assert_eq!(Case::new(&secret("k"), &secret("k"), &web).found(), missing);
    let kept = secret("k").replace("{name: s}", "{name: s, annotations: {helm.sh/resource-policy: keep}}");
    assert_eq!(Case::new(&secret("k"), &kept, &web).found(), []);
    // Helm takes a key out that its own document had, and leaves what others put there.
    let live = |key: &str| secret(key).replace("{name: s}", &format!("{{name: s, {MARKS}}}"));
    let other = format!("{web}{}", secret("other"));
    assert_eq!(Case::new(&secret("k"), &live("k"), &other).found(), missing);
    assert_eq!(Case::new(&secret("other"), &live("k"), &other).found(), []);
}

#[test]
fn what_an_operator_made_goes_with_its_custom_resource() {
    let web = deployment("web", ENV);
    let external = |suffix: &str| format!("---\napiVersion: e.io/v1\nkind: External\nmetadata: {{name: e{suffix}}}\n");
    let owner = "ownerReferences: [{apiVersion: e.io/v1, kind: External, name: e, uid: e}]";
    let owned = secret("k").replace("{name: s}", &format!("{{name: s, {owner}}}"));
    let found = |stored: &str, live: &str, planned: &str| Case::new(stored, live, planned).found();
    let missing = blocks(Code::MissingReference, DEPLOYMENT, ENV_FIELD);
    assert_eq!(found(&format!("{web}{}", external("")), &owned, &web), missing);
    // It stays with its owner, with another owner of its own, and where nothing owns it.
    let second = owned.replace("uid: e}]", "uid: e}, {apiVersion: v1, kind: ConfigMap, name: other, uid: o}]");
    assert_eq!(found(&format!("{web}{}", external("")), &owned, &format!("{web}{}", external(""))), []);
    assert_eq!(found(&format!("{web}{}", external("")), &second, &web), []);
    assert_eq!(found(&format!("{web}{}", external("")), &secret("k"), &web), []);
    assert_eq!(found(&format!("{web}{}", external("2")), &owned, &web), []);
}

#[test]
fn a_reference_may_be_made_by_something_else() {
    let web = deployment("web", ENV);
    let warns = vec![(Code::MissingReference, Severity::Warning, DEPLOYMENT.to_owned(), ENV_FIELD.to_owned())];
    let certificate = "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: c}\nspec: {secretName: s}\n";
    assert_eq!(Case::new("", "", &format!("{web}{certificate}")).found(), warns);
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, annotations: {helm.sh/hook: pre-upgrade}}\nspec: {template: {spec: {containers: [{name: a, args: [--secret-name=s]}]}}}\n";
    assert_eq!(Case::new("", "", &web).hooks(job).found(), warns);
    let hook = |policy: &str| {
        secret("k").replace("{name: s}", &format!("{{name: s, annotations: {{helm.sh/hook: pre-upgrade{policy}}}}}"))
    };
    assert_eq!(Case::new("", "", &web).hooks(&hook("")).found(), []);
    assert_eq!(
        Case::new("", "", &web).hooks(&hook(", helm.sh/hook-delete-policy: hook-succeeded")).found(),
        blocks(Code::MissingReference, DEPLOYMENT, ENV_FIELD)
    );
    // Plain before and a hook now: the same upgrade makes it, and deletes it at its end.
    assert_eq!(
        Case::new(&secret("k"), &secret("k"), &web).hooks(&hook("")).found(),
        blocks(Code::MissingReference, DEPLOYMENT, ENV_FIELD)
    );
    // A workload that does not change and lacks it today goes on as it is.
    assert_eq!(Case::new(&web, &live_deployment("web", ENV), &web).found(), warns);
}

#[test]
fn a_hook_deletes_what_pods_need() {
    let goes = |events: &str, what: &str| {
        let policy = "'before-hook-creation,hook-succeeded'";
        let all = format!("annotations: {{helm.sh/hook: '{events}', helm.sh/hook-delete-policy: {policy}}}");
        what.replace("{name: ", &format!("{{{all}, name: "))
    };
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n";
    let class = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: p}\nvalue: 1\n";
    for (what, spec, field) in [
        (account, "{serviceAccountName: a}", "serviceAccountName"),
        (class, "{priorityClassName: p}", "priorityClassName"),
    ] {
        let web = deployment("web", spec);
        let found = |hook: &str| Case::new("", what, &web).hooks(hook).found();
        let missing = blocks(Code::MissingReference, DEPLOYMENT, &format!("/spec/template/spec/{field}"));
        for events in ["pre-upgrade", "post-upgrade", "pre-install,pre-upgrade"] {
            assert_eq!(found(&goes(events, what)), missing, "{events}: {what}");
        }
        assert_eq!(found(&goes("pre-install,test", what)), [], "{what}");
        assert_eq!(found(&goes("pre-upgrade", what).replace(",hook-succeeded", "")), [], "{what}");
        let planned = Case::new(what, what, &format!("{web}{what}"));
        assert_eq!(planned.found(), [], "{what}");
    }
    // A later hook that needs it is a finding of the planner.
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, annotations: {helm.sh/hook: post-upgrade}}\nspec: {template: {spec: {serviceAccountName: a, containers: []}}}\n";
    let hooks = format!("{}---\n{job}", goes("pre-upgrade", account));
    assert_eq!(Case::new("", account, "").hooks(&hooks).found(), []);
}

#[test]
fn accounts_and_classes_that_the_chart_brings_are_left_out_of_the_pod() {
    let web = deployment("web", "{serviceAccountName: a}");
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n";
    let pod_of = |planned: &str| {
        let mut precheck = Precheck::new(Case::new("", "", planned).writes, Case::new("", "", "").known);
        let asks = precheck.ask().into_iter();
        asks.filter(|check| check.target.kind() == "Pod")
            .map(|check| match check.ask {
                CheckAsk::Create(pod) => pod.at("/spec/serviceAccountName").cloned(),
                _ => None,
            })
            .next()
            .expect("a pod")
    };
    assert_eq!(pod_of(&format!("{web}{account}")), None);
    assert_eq!(
        Case::new("", "", &web).found(),
        blocks(Code::MissingReference, DEPLOYMENT, "/spec/template/spec/serviceAccountName")
    );
    assert_eq!(Case::new("", account, &web).found(), []);
}

#[test]
fn a_class_matters_to_new_claims_and_may_be_one_of_volumes_made_by_hand() {
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {storageClassName: fast}\n";
    let missing = blocks(Code::MissingReference, "PersistentVolumeClaim/n/c", "/spec/storageClassName");
    assert_eq!(Case::new("", "", claim).found(), missing);
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast}\n";
    assert_eq!(Case::new("", class, claim).found(), []);
    let volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v}\nspec: {storageClassName: fast}\nstatus: {phase: Available}\n";
    assert_eq!(Case::new("", volume, claim).found(), []);
    let live = claim.replace("metadata: {", &format!("metadata: {{{MARKS}, "));
    assert_eq!(Case::new(claim, &live, claim).found(), []);
}

#[test]
fn what_is_being_deleted_is_not_there_for_new_pods() {
    let ends = secret("k").replace("metadata: {", "metadata: {deletionTimestamp: now, finalizers: [a/b], ");
    let field = "/spec/template/spec/containers/0/env/0/valueFrom/secretKeyRef";
    let web = deployment("web", ENV);
    let (asked, found) = Case::new("", &ends, &web).run();
    assert!(asked.len() > 1 && found[0].found.ends_with("which is being deleted"), "{found:?}");
    assert_eq!(
        Case::new("", &ends, &web).found(),
        blocks(Code::MissingReference, DEPLOYMENT, found[0].field().unwrap_or(field))
    );
    assert_eq!(Case::new("", &secret("k"), &web).found(), []);
    // Pods that run go on.
    let severities: Vec<Severity> = Case::new(&web, &(ends + &live_deployment("web", ENV)), &web)
        .found()
        .into_iter()
        .map(|found| found.1)
        .collect();
    assert_eq!(severities, [Severity::Warning]);
}

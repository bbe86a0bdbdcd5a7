//! Each row of what an answer can mean, and its twin that goes through.

use model::{ApplyMethod, CheckAnswer, CheckAsk, Code, Finding, HelmClient, Object, OwnField, Ref, RefusalCause};
use model::{ReleaseId, Scope, ServerCheck, ServerRefusal, Severity};
use semver::Version;
use serde_json::{Value, json};

use super::{Known, PlannedWrites, Precheck};

mod sums;

const MARKS: &str = "labels: {app.kubernetes.io/managed-by: Helm}, annotations: {meta.helm.sh/release-name: r, meta.helm.sh/release-namespace: 'n'}";

/// A cluster of the test's, and a server that refuses what the test says.
struct Case {
    writes: PlannedWrites,
    known: Known,
    server: Box<dyn Fn(&ServerCheck) -> CheckAnswer>,
}

fn docs(text: &str) -> Vec<Object> {
    crate::manifest::parse(text, "n").expect("the test's manifest")
}

fn refusal(code: u16, reason: &str, message: &str) -> CheckAnswer {
    let (reason, message) = (reason.to_owned(), message.to_owned());
    CheckAnswer::Refused(ServerRefusal { code, reason, message, causes: Vec::new() })
}

fn invalid(reason: &str, field: &str, message: &str) -> CheckAnswer {
    let cause = RefusalCause { reason: reason.into(), message: message.into(), field: field.into() };
    let code = if reason == "FieldManagerConflict" { 409 } else { 422 };
    CheckAnswer::Refused(ServerRefusal { code, reason: "Invalid".into(), message: message.into(), causes: vec![cause] })
}

impl Case {
    /// A release with a stored manifest, its twin that lives, and a new manifest.
    fn new(stored: &str, live: &str, planned: &str) -> Self {
        let complete = [
            "Secret",
            "ConfigMap",
            "ServiceAccount",
            "PersistentVolumeClaim",
            "StatefulSet",
            "Deployment",
            "ResourceQuota",
        ]
        .map(|kind| Scope { kind: kind.into(), namespace: "n".into() })
        .into_iter()
        .chain(["StorageClass", "PersistentVolume"].map(|kind| Scope { kind: kind.into(), namespace: String::new() }));
        let objects = docs(live).into_iter().filter_map(|object| Some((object.name()?, object))).collect();
        Self {
            writes: PlannedWrites {
                release: ReleaseId { namespace: "n".into(), name: "r".into() },
                client: HelmClient { version: Version::new(3, 22, 0), path: "/bin/helm-x".into(), digest: None },
                apply: ApplyMethod::Client,
                stored: docs(stored),
                records: 1,
                planned: docs(planned),
                hooks: Vec::new(),
                deletes: [].into(),
                own: Vec::new(),
                is_next: true,
            },
            known: Known { objects, complete: complete.collect(), ..Known::default() },
            server: Box::new(|check| match check.ask {
                CheckAsk::Read | CheckAsk::List => CheckAnswer::Found(Vec::new()),
                _ => CheckAnswer::Accepted,
            }),
        }
    }

    fn hooks(mut self, hooks: &str) -> Self {
        self.writes.hooks = docs(hooks);
        self
    }

    fn deletes(mut self, names: &[&str]) -> Self {
        self.writes.deletes = names.iter().map(|name| Ref::parse(name).expect("the test's name")).collect();
        self
    }

    fn with(mut self, change: impl FnOnce(&mut PlannedWrites)) -> Self {
        change(&mut self.writes);
        self
    }

    /// The server's answer to what is asked about an object with this verb.
    fn answers(mut self, verb: &'static str, name: &'static str, answer: CheckAnswer) -> Self {
        let before = std::mem::replace(&mut self.server, Box::new(|_| CheckAnswer::Accepted));
        self.server = Box::new(move |check| {
            let is_it = check.ask.verb() == verb && check.target.full() == name;
            if is_it { answer.clone() } else { before(check) }
        });
        self
    }

    /// What was asked, and what was found.
    fn run(self) -> (Vec<String>, Vec<Finding>) {
        let mut precheck = Precheck::new(self.writes, self.known);
        let mut asked = Vec::new();
        loop {
            let checks = precheck.ask();
            if checks.is_empty() {
                return (asked, precheck.report().findings);
            }
            asked.extend(checks.iter().map(|check| format!("{check:?}")));
            precheck.take(checks.iter().map(|check| (self.server)(check)).collect());
        }
    }

    /// Code, severity, object and field of what was found.
    fn found(self) -> Vec<(Code, Severity, String, String)> {
        let of = |finding: Finding| {
            let object = finding.object().map_or_else(String::new, Ref::full);
            (finding.code, finding.severity, object, finding.field().unwrap_or_default().to_owned())
        };
        self.run().1.into_iter().map(of).collect()
    }
}

fn blocks(code: Code, object: &str, field: &str) -> Vec<(Code, Severity, String, String)> {
    vec![(code, Severity::Blocking, object.into(), field.into())]
}

fn notes(object: &str) -> Vec<(Code, Severity, String, String)> {
    vec![(Code::NotChecked, Severity::Note, object.into(), String::new())]
}

fn map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{k: {value}}}\n---\n")
}

fn live_map(name: &str, value: &str) -> String {
    map(name, value).replace("metadata: {", &format!("metadata: {{{MARKS}, "))
}

fn deployment(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec: {{template: {{spec: {spec}}}}}\n---\n"
    )
}

fn live_deployment(name: &str, spec: &str) -> String {
    deployment(name, spec).replacen("metadata: {", &format!("metadata: {{{MARKS}, "), 1)
}

const DEPLOYMENT: &str = "Deployment.apps/n/web";
const SPEC: &str = "{containers: [{name: a, image: i}]}";

#[test]
fn each_write_is_asked_about_as_helm_makes_it() {
    let stored = map("same", "a") + &map("changes", "a");
    let live = live_map("same", "a") + &live_map("changes", "a");
    let planned = map("same", "a") + &map("changes", "b") + &map("new", "a");
    let (asked, found) = Case::new(&stored, &live, &planned).run();
    // What stays as it is helm does not write.
    assert_eq!(asked, ["patch ConfigMap/n/changes", "create ConfigMap/n/new"]);
    assert_eq!(found, []);
    let (asked, _) = Case::new(&stored, &live, &planned).with(|writes| writes.apply = ApplyMethod::Server).run();
    assert_eq!(asked, ["patch ConfigMap/n/same", "patch ConfigMap/n/changes", "patch ConfigMap/n/new"]);
}

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

const ENV: &str = "{containers: [{name: a, env: [{name: X, valueFrom: {secretKeyRef: {name: s, key: k}}}]}]}";
const ENV_FIELD: &str = "/spec/template/spec/containers/0/env/0/valueFrom/secretKeyRef";

fn secret(key: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{{key}: YQ==}}\n---\n")
}

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
fn our_own_writes_are_foreseen_as_conflicts() {
    let volume = |policy: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: v, {MARKS}}}\nspec: {{persistentVolumeReclaimPolicy: {policy}}}\n"
        )
    };
    let own = OwnField {
        object: Ref::volume("v"),
        field: "/spec/persistentVolumeReclaimPolicy".into(),
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

const NODE: &str = "type: NodePort, ports: [{nodePort: 30001}]";

fn service(name: &str, spec: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n---\n")
}

#[test]
fn a_fixed_address_or_port_must_be_free() {
    let list = |services: &str| CheckAnswer::Found(docs(services));
    let taken = || invalid("FieldValueInvalid", "spec.ports[0].nodePort", "provided port is already allocated");
    let (fixed, held) = (service("a", "clusterIP: 10.0.0.7"), service("b", "clusterIP: 10.0.0.7"));
    let address = |held: &str, deletes: &[&str]| {
        Case::new("", "", &fixed).deletes(deletes).answers("list", "Service", list(held)).found()
    };
    assert_eq!(address(&held, &[]), blocks(Code::ServerRefuses, "Service/n/a", "/spec/clusterIP"));
    assert_eq!(address(&held, &["Service/n/b"]), []);
    assert_eq!(address("", &[]), []);
    let (fixed, held) = (service("a", NODE), service("b", NODE));
    let port = |held: &str, deletes: &[&str]| {
        Case::new("", "", &fixed)
            .deletes(deletes)
            .answers("list", "Service", list(held))
            .answers("create", "Service/n/a", taken())
            .run()
            .1
    };
    let found = port(&held, &[]);
    assert_eq!((found[0].code, found[0].field()), (Code::ServerRefuses, Some("/spec/ports/0/nodePort")));
    assert_eq!(found[0].evidence, ["taken by Service b in namespace n"]);
    assert_eq!(port(&held, &["Service/n/b"]), []);
    // The Service itself is deleted and made again with its own port.
    assert_eq!(port(&service("a", NODE), &["Service/n/a"]), []);
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

#[test]
fn the_data_of_an_immutable_secret_is_part_of_its_patch() {
    let body = |live: &str, planned: &str| super::body::patch(None, &docs(planned)[0], &docs(live)[0]);
    let live =
        format!("apiVersion: v1\nkind: Secret\nimmutable: true\nmetadata: {{name: s, {MARKS}}}\ndata: {{k: YQ==}}\n");
    let planned = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nimmutable: true\nmetadata: {{name: s, {MARKS}}}\ndata: {{k: '{value}'}}\n"
        )
    };
    assert_eq!(body(&live, &planned("Yg==")), Some(json!({"data": {"k": "Yg=="}})));
    assert_eq!(body(&live, &planned("portolan:hidden")), None);
    let open = live.replace("immutable: true\n", "");
    assert_eq!(body(&open, &planned("Yg==").replace("immutable: true\n", "")), None);
    let sent = super::body::sendable(&docs(&planned("portolan:carried:a.b"))[0]);
    assert_eq!(sent.at("/data/k"), Some(&Value::from("e30=")));
}

#[test]
fn a_later_hop_waits_with_its_patches() {
    let (old, new) = (deployment("web", SPEC), deployment("web", "{containers: [{name: a, image: other}]}"));
    let (asked, found) =
        Case::new(&old, "", &format!("{new}{}", map("a", "x"))).with(|writes| writes.is_next = false).run();
    assert_eq!(asked, ["create ConfigMap/n/a", "create Pod/n"]);
    assert_eq!((found[0].code, found[0].severity), (Code::NotChecked, Severity::Note));
}

#[test]
fn what_the_chart_itself_forbids_its_pods_is_found() {
    let found = |brought: &str, spec: &str| {
        let spec_today = "{containers: [{name: a, image: old}]}";
        let (stored, live) = (deployment("web", spec_today), live_deployment("web", spec_today));
        Case::new(&stored, &live, &(deployment("web", spec) + "apiVersion: v1\n" + brought)).found()
    };
    let (pods, inside) = ("/spec/template/spec", "/spec/template/spec/containers/0");
    let limited = "{containers: [{name: a, image: i, resources: {limits: {memory: 64Mi}}}]}";
    let range = "kind: LimitRange\nmetadata: {name: l}\nspec: {limits: [{type: Container, max: {memory: 64Mi}}]}\n";
    let tight = range.replace("64Mi", "32Mi");
    let quota = |hard: &str| format!("kind: ResourceQuota\nmetadata: {{name: q}}\nspec: {{hard: {{{hard}}}}}\n");
    let level = |level: &str| {
        format!("kind: Namespace\nmetadata: {{name: 'n', labels: {{pod-security.kubernetes.io/enforce: {level}}}}}\n")
    };
    let host = "{hostNetwork: true, containers: [{name: a, image: i}]}";
    let good = "{securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: a, image: i, \
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}";
    let cases: [(String, &str, &str, String); 5] = [
        (tight, limited, DEPLOYMENT, format!("{inside}/resources/limits/memory")),
        (quota("pods: 0"), SPEC, "ResourceQuota/n/q", "/spec/hard/pods".into()),
        (quota("limits.memory: 1Gi"), SPEC, DEPLOYMENT, format!("{inside}/resources/limits")),
        (level("baseline"), host, DEPLOYMENT, format!("{pods}/hostNetwork")),
        (level("restricted"), SPEC, DEPLOYMENT, format!("{inside}/securityContext/runAsNonRoot")),
    ];
    for (brought, spec, object, field) in cases {
        assert_eq!(found(&brought, spec), blocks(Code::ServerRefuses, object, &field), "{brought}");
    }
    for (brought, spec) in [
        (range.to_owned(), limited),
        (quota("pods: 2, services: 0"), SPEC),
        (quota("limits.memory: 64Mi"), limited),
        (level("baseline"), SPEC),
        (level("restricted"), good),
    ] {
        assert_eq!(found(&brought, spec), Vec::new(), "{brought}");
    }
}

#[test]
fn a_hook_without_a_name_that_helm_deletes_is_found() {
    let found = |policy: &str, apply: ApplyMethod| {
        let hook = format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{generateName: a-, annotations: {{helm.sh/hook: pre-upgrade{policy}}}}}\n\
             spec: {{template: {{spec: {SPEC}}}}}\n"
        );
        Case::new("", "", "").hooks(&hook).with(|writes| writes.apply = apply).found()
    };
    let refused = blocks(Code::ServerRefuses, "Job.batch/n/a-", "/metadata/generateName");
    for policy in ["", ", helm.sh/hook-delete-policy: hook-succeeded"] {
        assert_eq!(found(policy, ApplyMethod::Client), refused, "{policy}");
    }
    let stays = ", helm.sh/hook-delete-policy: hook-failed";
    assert_eq!(found(stays, ApplyMethod::Client), Vec::new());
    // An apply is a patch of a name.
    assert_eq!(found(stays, ApplyMethod::Server), refused);
}

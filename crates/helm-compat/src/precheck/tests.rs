//! Each row of what an answer can mean, and its twin that goes through.

use portolan_model::{
    ApplyMethod, CheckAnswer, CheckAsk, Code, Digest, Finding, HelmClient, JsonPointer, Object, OwnField, Ref,
    RefusalCause,
};
use portolan_model::{ReleaseId, Scope, ServerCheck, ServerRefusal, Severity};
use semver::Version;
use serde_json::{Value, json};

use super::{KnownObjects, PlannedWrites, Precheck};

mod admission;
mod answers;
mod new_claims;
mod nodes;
mod references;
mod schemas;
mod services;
mod sums;

const MARKS: &str = "labels: {app.kubernetes.io/managed-by: Helm}, annotations: {meta.helm.sh/release-name: r, meta.helm.sh/release-namespace: 'n'}";

/// A cluster of the test's, and a server that refuses what the test says.
struct Case {
    writes: PlannedWrites,
    known: KnownObjects,
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
        .chain(
            ["StorageClass", "PersistentVolume", "Node"]
                .map(|kind| Scope { kind: kind.into(), namespace: String::new() }),
        );
        let objects = docs(live).into_iter().filter_map(|object| Some((object.name()?, object))).collect();
        Self {
            writes: PlannedWrites {
                release: ReleaseId { namespace: "n".into(), name: "r".into() },
                client: HelmClient::Program {
                    version: Version::new(3, 22, 0),
                    path: "/bin/helm-x".into(),
                    digest: Digest::of(b"helm"),
                },
                apply: ApplyMethod::Client,
                stored: docs(stored),
                records: 1,
                planned: docs(planned),
                hooks: Vec::new(),
                deletes: [].into(),
                own: Vec::new(),
                is_next: true,
            },
            known: KnownObjects { objects, complete: complete.collect(), ..KnownObjects::default() },
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

const ENV: &str = "{containers: [{name: a, env: [{name: X, valueFrom: {secretKeyRef: {name: s, key: k}}}]}]}";
const ENV_FIELD: &str = "/spec/template/spec/containers/0/env/0/valueFrom/secretKeyRef";

fn secret(key: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{{key}: YQ==}}\n---\n")
}

const NODE: &str = "type: NodePort, ports: [{nodePort: 30001}]";

fn service(name: &str, spec: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n---\n")
}

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

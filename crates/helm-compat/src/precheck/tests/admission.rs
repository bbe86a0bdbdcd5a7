//! Webhooks and policies that the chart itself brings.

use super::*;

const CONFIG: &str = "ValidatingWebhookConfiguration.admissionregistration.k8s.io/w";
const POLICY: &str = "ValidatingAdmissionPolicy.admissionregistration.k8s.io/p";

fn webhook(resources: &str, more: &str) -> String {
    format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {{name: w}}\nwebhooks:\n\
         - name: a.example.com\n  clientConfig: {{service: {{namespace: 'n', name: s}}}}\n  rules: [{{apiGroups: ['*'], apiVersions: \
         ['*'], operations: [CREATE, UPDATE], resources: [{resources}]}}]\n{more}---\n"
    )
}

fn policy(resources: &str, actions: &str) -> String {
    let head = "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy";
    format!(
        "{head}\nmetadata: {{name: p}}\nspec: {{matchConstraints: {{resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: \
         [CREATE], resources: [{resources}]}}]}}, validations: [{{expression: 'false'}}]}}\n---\n\
         {head}Binding\nmetadata: {{name: b}}\nspec: {{policyName: p, validationActions: [{actions}]}}\n---\n"
    )
}

fn found(live: &str, planned: &str) -> Vec<(Code, Severity, String, String)> {
    let mut found = Case::new(live, live, planned).found();
    found.retain(|(_, _, object, _)| object.contains("admissionregistration"));
    found
}

fn warns(object: &str, field: &str) -> Vec<(Code, Severity, String, String)> {
    vec![(Code::NotChecked, Severity::Warning, object.into(), field.into())]
}

#[test]
fn a_webhook_that_nobody_answers_refuses_what_comes_after_it() {
    let refused = blocks(Code::ServerRefuses, CONFIG, "/webhooks/0");
    let web = deployment("web", SPEC);
    // The pods of the chart, and helm's own record.
    assert_eq!(found("", &(web.clone() + &webhook("pods", ""))), refused);
    assert_eq!(found("", &webhook("secrets", "")), refused);
    assert_eq!(found("", &webhook("secrets", "  failurePolicy: Ignore\n")), []);
    // What is written before it, or in another namespace.
    assert_eq!(found("", &(map("a", "x") + &webhook("configmaps", ""))), []);
    assert_eq!(found("", &(webhook("configmaps", "") + &map("a", "x"))), refused);
    let elsewhere = "  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}\n";
    assert_eq!(found("", &webhook("secrets", elsewhere)), []);
    let labelled = "  objectSelector: {matchLabels: {team: a}}\n";
    assert_eq!(found("", &(web.clone() + &webhook("pods", labelled))), []);
    // A workload that stays as it is makes no new pods.
    assert_eq!(found(&live_deployment("web", SPEC), &(web + &webhook("pods", ""))), []);
}

#[test]
fn one_that_somebody_answers_may_refuse() {
    let answers = service("s", "ports: [{port: 443}]");
    assert_eq!(found("", &(answers.clone() + &webhook("secrets", ""))), warns(CONFIG, "/webhooks/0"));
    assert_eq!(
        found("", &(answers.clone() + &webhook("secrets", "  failurePolicy: Ignore\n"))),
        warns(CONFIG, "/webhooks/0")
    );
    // It is there today, but for what the server and controllers fill in: the dry runs have met it.
    let live =
        webhook("secrets", "  failurePolicy: Fail\n").replace("clientConfig: {", "clientConfig: {caBundle: YQ==, ");
    assert_eq!(found(&(answers.clone() + &live), &(answers + &webhook("secrets", ""))), []);
}

#[test]
fn a_policy_with_a_binding_that_denies_may_refuse() {
    let web = deployment("web", SPEC);
    assert_eq!(found("", &(web.clone() + &policy("pods", "Deny"))), warns(POLICY, "/spec"));
    assert_eq!(found("", &(web.clone() + &policy("pods", "Warn, Audit"))), []);
    assert_eq!(found("", &(web.clone() + &policy("services", "Deny"))), []);
    let same = policy("pods", "Deny");
    assert_eq!(found(&same, &(web + &same)), []);
}

#[test]
fn what_may_refuse_a_store_is_refused_itself() {
    let store = deployment(
        "store",
        "{containers: [{name: a, image: i}], volumes: [{name: d, persistentVolumeClaim: {claimName: c}}]}",
    );
    let refused = |object: &str, field: &str| blocks(Code::NewAdmission, object, field);
    assert_eq!(found("", &(store.clone() + &policy("pods", "Deny"))), refused(POLICY, "/spec"));
    assert_eq!(found("", &(store.clone() + &policy("pods", "Audit"))), []);
    assert_eq!(found("", &(store.clone() + &policy("services", "Deny"))), []);
    let answers = service("s", "ports: [{port: 443}]");
    let judged = |more: &str| found("", &(answers.clone() + &store + &webhook("pods", more)));
    assert_eq!(judged(""), refused(CONFIG, "/webhooks/0"));
    assert_eq!(judged("  failurePolicy: Ignore\n"), warns(CONFIG, "/webhooks/0"));
}

#[test]
fn what_may_change_a_store_is_refused_even_where_nothing_needs_its_answer() {
    let store = deployment(
        "store",
        "{containers: [{name: a, image: i}], volumes: [{name: d, persistentVolumeClaim: {claimName: c}}]}",
    );
    let answers = service("s", "ports: [{port: 443}]");
    let mutating = |resources: &str, more: &str| {
        let config = webhook(resources, &format!("  failurePolicy: Ignore\n{more}")).replace("Validating", "Mutating");
        found("", &(answers.clone() + &store + &config))
    };
    let config = CONFIG.replace("Validating", "Mutating");
    assert_eq!(mutating("pods", ""), blocks(Code::NewAdmission, &config, "/webhooks/0"));
    assert_eq!(mutating("secrets", ""), warns(&config, "/webhooks/0"));
    let elsewhere = "  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}\n";
    assert_eq!(mutating("pods", elsewhere), []);
}

#[test]
fn a_hop_before_brings_it_for_all_that_a_later_hop_writes() {
    let first = Case::new("", "", &webhook("configmaps", ""));
    let mut precheck = Precheck::new(first.writes, first.known);
    while !precheck.ask().is_empty() {
        precheck.take(vec![CheckAnswer::Found(Vec::new()); 9]);
    }
    let planned = map("a", "x") + &webhook("configmaps", "");
    let mut next = Case::new(&webhook("configmaps", ""), "", &planned).with(|writes| writes.is_next = false);
    next.known = precheck.into_known();
    let found: Vec<_> = next.found().into_iter().filter(|(_, severity, ..)| *severity == Severity::Blocking).collect();
    assert_eq!(found, blocks(Code::ServerRefuses, CONFIG, "/webhooks/0"));
}

#[test]
fn an_answer_of_what_the_chart_changes_is_open() {
    let denied = || {
        refusal(
            403,
            "Forbidden",
            "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
        )
    };
    let codes = |planned: &str| {
        let case = Case::new(&policy("configmaps", "Deny"), &policy("configmaps", "Deny"), &(map("a", "x") + planned));
        let (_, found) = case.answers("create", "ConfigMap/n/a", denied()).run();
        found.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&policy("configmaps", "Deny")), [Code::ServerRefuses]);
    assert_eq!(codes(&policy("pods", "Deny")), [Code::NotChecked]);
}

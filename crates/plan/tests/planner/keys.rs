//! Secrets whose keys get other values.

use portolan_model::{Code, SecretKey, Severity, StepKind};
use serde_json::json;

use crate::fixture::{Fixture, NS, new};
use crate::store::{PLAIN, installed, set};

fn secret(more: &str, values: &str) -> String {
    format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: app{more}}}\nstringData: {{{values}}}\n")
}

/// An installation with a Secret of these keys and values.
fn fixture(keys: &[(&str, &str)]) -> Fixture {
    let values: Vec<String> = keys.iter().map(|(key, value)| format!("{key}: '{value}'")).collect();
    let mut fixture = installed(&(set("", PLAIN) + &secret("", &values.join(", "))), &json!({"csi": {}}));
    for (key, value) in keys {
        let key = SecretKey { secret: portolan_model::Ref::secret(NS, "app"), key: (*key).to_owned() };
        fixture.secrets.insert(key, (*value).to_owned());
    }
    fixture
}

/// What is said of keys when the new chart renders `first`, and `second` the second time.
fn said(fixture: &Fixture, first: &str, second: &str) -> Vec<String> {
    let renderings = std::cell::Cell::new(0);
    let edit = |_: usize, chart: String| {
        renderings.set(renderings.get() + 1);
        chart + &set("", PLAIN) + if renderings.get() % 2 == 1 { first } else { second }
    };
    let plan = fixture.file_of(&[new("2.20.41")], &edit).expect("it can be planned").plan;
    let all = plan.findings.iter().filter(|finding| finding.code == Code::KeyChanges);
    all.map(|finding| {
        format!(
            "{:?} {} {}",
            finding.severity,
            finding.object().expect("a Secret"),
            finding.field().unwrap_or_default()
        )
    })
    .collect()
}

fn same(fixture: &Fixture, text: &str) -> Vec<String> {
    said(fixture, text, text)
}

#[test]
fn a_key_that_stays_is_not_mentioned() {
    let fixture = fixture(&[("key", "old-key"), ("config", "a=1"), ("username", "joe")]);
    let keep = "key: 'old-key', config: 'a=1', username: joe";
    assert_eq!(same(&fixture, &secret("", keep)), Vec::<String>::new());
    // Neither a new key nor what is no key is one that changes.
    assert_eq!(same(&fixture, &secret("", &format!("{keep}, token: fresh"))), Vec::<String>::new());
    assert_eq!(same(&fixture, &secret("", &keep.replace("a=1", "a=2").replace("joe", "jim"))), Vec::<String>::new());
    assert_eq!(
        said(&fixture, &secret("", &format!("{keep}, new: r1")), &secret("", &format!("{keep}, new: r2"))),
        Vec::<String>::new()
    );
}

#[test]
fn another_key_is_refused() {
    let fixture = fixture(&[("key", "old-key"), ("other", "x")]);
    let refused = ["Blocking Secret/app /data/key"];
    assert_eq!(said(&fixture, &secret("", "key: r1, other: x"), &secret("", "key: r2, other: x")), refused);
    assert_eq!(same(&fixture, &secret("", "key: new-key, other: x")), refused);
    // Random counts whatever the name.
    assert_eq!(
        said(&fixture, &secret("", "key: old-key, other: r1"), &secret("", "key: old-key, other: r2")),
        ["Blocking Secret/app /data/other"]
    );
    // A hook makes the Secret anew as well.
    let hook = ", annotations: {helm.sh/hook: 'pre-upgrade,post-upgrade'}";
    assert_eq!(said(&fixture, &secret(hook, "key: r1"), &secret(hook, "key: r2")), refused);
    assert_eq!(same(&fixture, &secret(", annotations: {helm.sh/hook: pre-install}", "key: new")), Vec::<String>::new());
}

#[test]
fn a_key_that_the_user_gives_may_change() {
    let mut fixture = fixture(&[("key", "old-key")]);
    fixture.values = json!({"app": {"key": "given-key"}});
    assert_eq!(same(&fixture, &secret("", "key: given-key")), Vec::<String>::new());
    assert_eq!(same(&fixture, &secret("", "key: another")), ["Blocking Secret/app /data/key"]);
}

#[test]
fn a_certificate_of_the_charts_own_is_a_warning() {
    let fixture = fixture(&[("tls.crt", "one"), ("tls.key", "one")]);
    let said = said(&fixture, &secret("", "tls.crt: a, tls.key: a"), &secret("", "tls.crt: b, tls.key: b"));
    assert_eq!(said, ["Warning Secret/app /data/tls.crt", "Warning Secret/app /data/tls.key"]);
}

#[test]
fn a_secret_that_goes_is_archived_and_named() {
    let fixture = fixture(&[("key", "old-key")]);
    assert_eq!(same(&fixture, ""), ["Warning Secret/app "]);
    let plan = crate::store::plan(&fixture, &set("", PLAIN));
    let is_archived = |kind: &StepKind| matches!(kind, StepKind::ArchiveObject { objects } if objects.iter().any(|name| name.name() == "app"));
    let at = plan.steps().position(|step| is_archived(&step.kind)).expect("it is archived");
    assert!(plan.steps().skip(at).any(|step| matches!(step.kind, StepKind::Helm { .. })));
    assert!(
        plan.findings.iter().all(|finding| finding.code != Code::KeyChanges || finding.severity == Severity::Warning)
    );
}

#[test]
fn a_key_is_known_by_the_variable_that_reads_it() {
    let fixture = fixture(&[("p", "old")]);
    let variable = |name: &str| {
        set(
            "",
            &PLAIN.replace(
                "args:",
                &format!("env: [{{name: {name}, valueFrom: {{secretKeyRef: {{name: app, key: p}}}}}}], args:"),
            ),
        )
    };
    let said = |name: &str| same(&fixture, &(secret("", "p: new") + &variable(name).replace("store", "other")));
    assert_eq!(said("POSTGRES_PASSWORD"), ["Blocking Secret/app /data/p"]);
    assert_eq!(said("PORT"), Vec::<String>::new());
}

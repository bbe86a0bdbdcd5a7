//! Secrets whose keys get other values.

use model::{Code, SecretKey, Severity, StepKind};
use serde_json::json;

use crate::store::{PLAIN, installed, set};
use crate::yard::{NS, Yard, new};

fn secret(more: &str, values: &str) -> String {
    format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: app{more}}}\nstringData: {{{values}}}\n")
}

/// An installation with a Secret of these keys and values.
fn yard(keys: &[(&str, &str)]) -> Yard {
    let values: Vec<String> = keys.iter().map(|(key, value)| format!("{key}: '{value}'")).collect();
    let mut yard = installed(&(set("", PLAIN) + &secret("", &values.join(", "))), &json!({"csi": {}}));
    for (key, value) in keys {
        let key = SecretKey { secret: model::Ref::secret(NS, "app"), key: (*key).to_owned() };
        yard.secrets.insert(key, (*value).to_owned());
    }
    yard
}

/// What is said of keys when the new chart renders `first`, and `second` the second time.
fn said(yard: &Yard, first: &str, second: &str) -> Vec<String> {
    let renderings = std::cell::Cell::new(0);
    let edit = |_: usize, chart: String| {
        renderings.set(renderings.get() + 1);
        chart + &set("", PLAIN) + if renderings.get() % 2 == 1 { first } else { second }
    };
    let plan = yard.file_of(&[new("2.20.41")], &edit).expect("it can be planned").plan;
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

fn same(yard: &Yard, text: &str) -> Vec<String> {
    said(yard, text, text)
}

#[test]
fn a_key_that_stays_is_not_mentioned() {
    let yard = yard(&[("key", "old-key"), ("config", "a=1"), ("username", "joe")]);
    let keep = "key: 'old-key', config: 'a=1', username: joe";
    assert_eq!(same(&yard, &secret("", keep)), Vec::<String>::new());
    // Neither a new key nor what is no key is one that changes.
    assert_eq!(same(&yard, &secret("", &format!("{keep}, token: fresh"))), Vec::<String>::new());
    assert_eq!(same(&yard, &secret("", &keep.replace("a=1", "a=2").replace("joe", "jim"))), Vec::<String>::new());
    assert_eq!(
        said(&yard, &secret("", &format!("{keep}, new: r1")), &secret("", &format!("{keep}, new: r2"))),
        Vec::<String>::new()
    );
}

#[test]
fn another_key_is_refused() {
    let yard = yard(&[("key", "old-key"), ("other", "x")]);
    let refused = ["Blocking Secret/app /data/key"];
    assert_eq!(said(&yard, &secret("", "key: r1, other: x"), &secret("", "key: r2, other: x")), refused);
    assert_eq!(same(&yard, &secret("", "key: new-key, other: x")), refused);
    // Random counts whatever the name.
    assert_eq!(
        said(&yard, &secret("", "key: old-key, other: r1"), &secret("", "key: old-key, other: r2")),
        ["Blocking Secret/app /data/other"]
    );
    // A hook makes the Secret anew as well.
    let hook = ", annotations: {helm.sh/hook: 'pre-upgrade,post-upgrade'}";
    assert_eq!(said(&yard, &secret(hook, "key: r1"), &secret(hook, "key: r2")), refused);
    assert_eq!(same(&yard, &secret(", annotations: {helm.sh/hook: pre-install}", "key: new")), Vec::<String>::new());
}

#[test]
fn a_key_that_the_user_gives_may_change() {
    let mut yard = yard(&[("key", "old-key")]);
    yard.values = json!({"app": {"key": "given-key"}});
    assert_eq!(same(&yard, &secret("", "key: given-key")), Vec::<String>::new());
    assert_eq!(same(&yard, &secret("", "key: another")), ["Blocking Secret/app /data/key"]);
}

#[test]
fn a_certificate_of_the_charts_own_is_a_warning() {
    let yard = yard(&[("tls.crt", "one"), ("tls.key", "one")]);
    let said = said(&yard, &secret("", "tls.crt: a, tls.key: a"), &secret("", "tls.crt: b, tls.key: b"));
    assert_eq!(said, ["Warning Secret/app /data/tls.crt", "Warning Secret/app /data/tls.key"]);
}

#[test]
fn a_secret_that_goes_is_archived_and_named() {
    let yard = yard(&[("key", "old-key")]);
    assert_eq!(same(&yard, ""), ["Warning Secret/app "]);
    let plan = crate::store::plan(&yard, &set("", PLAIN));
    let is_archived = |kind: &StepKind| matches!(kind, StepKind::ArchiveObject { objects } if objects.iter().any(|name| name.name() == "app"));
    let at = plan.steps().position(|step| is_archived(&step.kind)).expect("it is archived");
    assert!(plan.steps().skip(at).any(|step| matches!(step.kind, StepKind::HelmUpgrade { .. })));
    assert!(
        plan.findings.iter().all(|finding| finding.code != Code::KeyChanges || finding.severity == Severity::Warning)
    );
}

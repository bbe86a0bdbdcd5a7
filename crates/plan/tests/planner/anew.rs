//! Names, places and keys that a chart makes anew at each rendering. Each harmful form has a twin that says nothing.

use portolan_model::{Code, Finding};
use serde_json::json;

use crate::fixture::new;
use crate::store::{PLAIN, installed, set};

/// What is said of other places and keys where `old` is installed, and the new chart renders `text` with `R` by chance.
fn said(old: &str, text: &str) -> Vec<String> {
    let (fixture, renderings) = (installed(old, &json!({"csi": {}})), std::cell::Cell::new(0));
    let edit = |_: usize, chart: String| {
        renderings.set(renderings.get() + 1);
        chart + &text.replace("RANDOM", &format!("r{}", renderings.get()))
    };
    let plan = fixture.file_of(&[new("2.20.41")], &edit).expect("it can be planned").plan;
    let is_anew = |finding: &&Finding| {
        matches!(finding.code, Code::OtherPlace | Code::KeyChanges) && !finding.found.contains("does not mount")
    };
    let all = plan.findings.iter().filter(is_anew);
    all.map(|it| format!("{} {} {}", it.code, it.object().expect("it has one").kind(), it.field().unwrap_or_default()))
        .collect()
}

/// What is said of the store itself.
fn of(old: &str, new: &str) -> Vec<String> {
    let mut said = said(&set("", old), &set("", new));
    said.dedup();
    said
}

#[test]
fn a_name_of_what_holds_data_is_no_matter_of_chance() {
    let claim = |name: &str| format!("---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}}}\n");
    let store = set("", PLAIN);
    assert_eq!(said(&store, &(store.clone() + &claim("extra-RANDOM"))), ["PL256 PersistentVolumeClaim /metadata/name"]);
    assert_eq!(said(&store, &(store.clone() + &claim("extra"))), [""; 0]);
    let map = claim("extra-RANDOM").replace("PersistentVolumeClaim", "ConfigMap");
    assert_eq!(said(&store, &(store.clone() + &map)), [""; 0], "nothing is kept in it");
}

#[test]
fn a_place_of_data_is_no_matter_of_chance() {
    let at = |sub: &str| PLAIN.replace("mountPath: /data", &format!("mountPath: /data, subPath: {sub}"));
    let field = "/spec/template/spec/containers/0/volumeMounts/0/subPath";
    assert!(of(&at("a"), &at("RANDOM")).contains(&format!("PL256 StatefulSet {field}")));
    assert_eq!(of(&at("a"), &at("a")), [""; 0]);
}

#[test]
fn a_key_of_a_program_is_no_matter_of_chance() {
    let with = |name: &str, value: &str| format!("{PLAIN}, env: [{{name: {name}, value: '{value}'}}]");
    let field = "/spec/template/spec/containers/0/env/0/value";
    let refused = [format!("PL249 StatefulSet {field}")];
    assert_eq!(of(&with("SECRET_KEY", "a"), &with("SECRET_KEY", "RANDOM")), refused);
    assert_eq!(of(&with("SECRET_KEY", "a"), &with("SECRET_KEY", "b")), refused);
    assert_eq!(of(&with("SECRET_KEY", "a"), &with("SECRET_KEY", "a")), [""; 0]);
    assert_eq!(of(&with("RUN_ID", "a"), &with("RUN_ID", "RANDOM")), [""; 0], "it is no key");
    assert_eq!(of(PLAIN, &with("SECRET_KEY", "RANDOM")), [""; 0], "nothing was encrypted with it yet");
    let map = |text: &str| {
        let env =
            format!("{PLAIN}, env: [{{name: SECRET_KEY, valueFrom: {{configMapKeyRef: {{name: keys, key: k}}}}}}]");
        set("", &env)
            + &format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: keys}}\ndata: {{k: {text}}}\n")
    };
    let mut said = said(&map("a"), &map("RANDOM"));
    said.retain(|line| line.contains("StatefulSet"));
    assert_eq!(said, [format!("PL249 StatefulSet {field}From")]);
}

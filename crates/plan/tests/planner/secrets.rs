//! Paths that a Secret gives to a program whose data lies on a PVC.

use portolan_model::{Ref, SecretKey};
use serde_json::json;

use crate::fixture::NS;
use crate::store::{installed, plan, said, set};

/// What is said where a Secret's key `dir` goes from one text to another, for a container that gets it in this way.
fn said_of(container: &str, (old, new): (&str, &str)) -> Vec<String> {
    let chart = |text: &str| {
        let secret =
            "---\napiVersion: v1\nkind: Secret\nmetadata: {name: store-paths}\nstringData: {dir: '<>', other: x}\n";
        let volume = "{name: dirs, secret: {secretName: store-paths}}, {name: cfg";
        set("", container).replacen("{name: cfg", volume, 1) + &secret.replace("<>", text)
    };
    let mut fixture = installed(&chart(old), &json!({"csi": {}}));
    let key = SecretKey { secret: Ref::secret(NS, "store-paths"), key: "dir".into() };
    fixture.secrets.insert(key, old.into());
    let plan = plan(&fixture, &chart(new));
    let told = format!("{:?}", plan.findings);
    for text in [old, new].into_iter().filter(|text| text.len() > 5) {
        assert!(!told.contains(text), "{text} is shown: {told}");
    }
    said(&plan)
}

#[test]
fn a_path_in_a_secret_may_not_change() {
    let refused = vec!["Blocking PL256 Secret/store-paths /data/dir".to_owned()];
    for (way, mounts) in [
        ("env: [{name: DIR, valueFrom: {secretKeyRef: {name: store-paths, key: dir}}}], ", ""),
        ("envFrom: [{secretRef: {name: store-paths}}], ", ""),
        ("", ", {name: dirs, mountPath: /etc/store}"),
    ] {
        let container =
            format!("name: store, image: 'x/store:1', {way}volumeMounts: [{{name: data, mountPath: /data}}{mounts}]");
        let of = |pair| said_of(&container, pair);
        assert_eq!(of(("/data/one", "/data/two")), refused, "{container}");
        assert_eq!(of(("/data/one", "/elsewhere")), refused, "{container}");
        assert_eq!(of(("/data/one", "/data/./one/")), Vec::<String>::new(), "{container}");
        assert_eq!(of(("a password", "another one")), Vec::<String>::new(), "{container}");
    }
}

/// What is said where a text goes from an object of one kind to one of another, mounted at the same path or read as the same variable.
fn between((old_kind, old_text): (&str, &str), (new_kind, new_text): (&str, &str), as_file: bool) -> Vec<String> {
    let chart = |kind: &str, text: &str| {
        let (data, name, source) =
            if kind == "Secret" { ("stringData", "secretName", "secret") } else { ("data", "name", "configMap") };
        let object =
            format!("---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: store-told}}\n{data}: {{dir: '{text}'}}\n");
        let (volume, mount, env) = if as_file {
            let volume = format!("{{name: told, {source}: {{{name}: store-told}}}}, {{name: cfg");
            (volume, ", {name: told, mountPath: /etc/store}", String::new())
        } else {
            let env = format!("env: [{{name: DIR, valueFrom: {{{source}KeyRef: {{name: store-told, key: dir}}}}}}], ");
            ("{name: cfg".to_owned(), "", env)
        };
        let container =
            format!("name: store, image: 'x/store:1', {env}volumeMounts: [{{name: data, mountPath: /data}}{mount}]");
        set("", &container).replacen("{name: cfg", &volume, 1) + &object
    };
    let mut fixture = installed(&chart(old_kind, old_text), &json!({"csi": {}}));
    if old_kind == "Secret" {
        let key = SecretKey { secret: Ref::secret(NS, "store-told"), key: "dir".into() };
        fixture.secrets.insert(key, old_text.into());
    }
    said(&plan(&fixture, &chart(new_kind, new_text)))
}

#[test]
fn a_text_may_go_from_a_secret_to_a_config_map_and_back() {
    let (one, two) = ("dir=/data/one", "dir=/data/two");
    for as_file in [true, false] {
        for (old, new) in [("Secret", "ConfigMap"), ("ConfigMap", "Secret")] {
            assert_eq!(between((old, one), (new, one), as_file), [""; 0], "{old} to {new}, a file: {as_file}");
            assert!(!between((old, one), (new, two), as_file).is_empty(), "{old} to {new}, a file: {as_file}");
        }
    }
}

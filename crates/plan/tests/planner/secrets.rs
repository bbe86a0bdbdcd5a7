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

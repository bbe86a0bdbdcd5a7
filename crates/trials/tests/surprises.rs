//! What helms do with values that nobody expects, and that Portolan says or leaves to the helm that will run: where one of these
//! ends otherwise, a message or a rule of ours is wrong.

use std::process::Command;

use portolan_helm_compat::values;
use portolan_testkit::rig::{Namespace, Rig, pins};
use portolan_trials::offline::OfflineHelm;
use serde_json::{Value, json};

const OLD: &str = "3.14.4";
const NEW: &str = "4.3.1";

fn arguments(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Does it with each helm.
fn each(check: impl Fn(&OfflineHelm)) {
    for version in pins::HELM {
        check(&OfflineHelm::new(version).expect("a helm of the rig"));
    }
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_null_for_a_key_of_a_subchart() {
    each(|helm| {
        let nulled = helm.write("null.yaml", b"sub: {key: null}\n");
        // What the parent's values.yaml says; what the subchart sees with the null, and without.
        for (parent, old, new, bare) in [
            ("", Value::Null, Value::Null, json!("default")),
            ("sub: {key: parent}", json!("default"), Value::Null, json!("parent")),
            (
                "sub: {key: null}",
                json!("default"),
                Value::Null,
                if helm.version() == NEW { json!("default") } else { Value::Null },
            ),
        ] {
            helm.chart("nulled", &[("values.yaml", parent)]);
            let template = "read: {{ .Values | toJson | b64enc }}\n";
            helm.chart("nulled/charts/sub", &[("values.yaml", "key: default\n"), ("templates/read.yaml", template)]);
            let expected = if helm.version() == OLD { old } else { new };
            for given in [arguments(&["nulled", "-f", &nulled]), arguments(&["nulled", "--set", "sub.key=null"])] {
                let read = helm.template(&given).expect("it renders");
                assert_eq!(read["key"], expected, "helm {}, {parent:?}, {given:?}", helm.version());
            }
            let read = helm.template(&arguments(&["nulled"])).expect("it renders");
            assert_eq!(read["key"], bare, "helm {}, {parent:?}", helm.version());
        }
    });
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_schema_that_names_no_draft() {
    each(|helm| {
        let schema =
            r#"{"properties": {"list": {"prefixItems": [{"type": "integer"}]}}, "dependentRequired": {"a": ["b"]}}"#;
        helm.chart("schema", &[("values.schema.json", schema), ("templates/a.yaml", "a: 1\n")]);
        // 3.14.4 knows draft 7, which has neither of these keywords.
        for given in ["list={text}", "a=1"] {
            let rendered = helm.run(&arguments(&["schema", "--set", given]));
            assert_eq!(rendered.is_ok(), helm.version() == OLD, "helm {}, {given}", helm.version());
        }
        assert!(helm.run(&arguments(&["schema", "--set", "list={1},a=1,b=2"])).is_ok(), "helm {}", helm.version());
    });
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn the_heading_of_helm_get_values_and_a_schema() {
    each(|helm| {
        let schema = r#"{"additionalProperties": false, "properties": {"a": {"type": "integer"}}}"#;
        helm.chart("schema", &[("values.schema.json", schema), ("templates/a.yaml", "a: 1\n")]);
        let saved = b"USER-SUPPLIED VALUES:\na: 1\n";
        let file = helm.write("saved.yaml", saved);
        let said = helm.run(&arguments(&["schema", "-f", &file])).expect_err("the schema knows no such key");
        assert!(said.contains("USER-SUPPLIED VALUES"), "helm {}: {said}", helm.version());
        // As Portolan hands it on.
        let read = values::read(saved, "saved.yaml").expect("it can be read");
        let file = helm.write("handed.yaml", values::file(&read.values).as_bytes());
        assert!(helm.run(&arguments(&["schema", "-f", &file])).is_ok(), "helm {}", helm.version());
    });
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_folder_that_is_called_like_the_chart() {
    each(|helm| {
        for chart in ["name", "repository/name"] {
            helm.chart(chart, &[("templates/a.yaml", "from: folder\n")]);
        }
        // Nobody listens there: only a helm that takes the folder renders anything.
        let from_repository = arguments(&["name", "--repo", "http://127.0.0.1:9/charts", "--version", "9.9.9"]);
        let rendered = helm.run(&from_repository);
        assert_eq!(rendered.is_ok(), helm.version() != NEW, "helm {}: {rendered:?}", helm.version());
        let rendered = helm.run(&arguments(&["repository/name", "--version", "9.9.9"]));
        assert!(rendered.is_ok_and(|text| text.contains("from: folder")), "helm {}", helm.version());
    });
}

/// A release on the rig whose one object shows what is printed of two values.
struct Release<'r> {
    rig: &'r Rig,
    space: Namespace<'r>,
    helm: OfflineHelm,
    chart: String,
}

impl<'r> Release<'r> {
    fn new(rig: &'r Rig, version: &'static str) -> Self {
        let helm = OfflineHelm::new(version).expect("a helm of the rig");
        let template =
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shown}\ndata:\n  number: \"{{ .Values.number }}\"\n";
        let under = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: under}\ndata:\n  key: \"{{ .Values.key }}\"\n";
        helm.chart("shown", &[("templates/shown.yaml", template)]);
        helm.chart("shown/charts/sub", &[("values.yaml", "key: default\n"), ("templates/under.yaml", under)]);
        let chart = helm.write("shown/values.yaml", b"").replace("/values.yaml", "");
        Self { rig, space: rig.namespace("surprises").expect("a namespace"), helm, chart }
    }

    fn run(&self, words: &[&str]) -> String {
        let mut command = Command::new(self.rig.helm(self.helm.version()).expect("a helm"));
        command.args(words).args(["-n", self.space.name()]).env("KUBECONFIG", self.rig.kubeconfig());
        let out = command.env("HOME", &self.chart).output().expect("helm runs");
        assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn install(&self, given: &[&str]) {
        self.run(&[&["install", "release", &self.chart], given].concat());
    }

    fn upgrade(&self, given: &[&str]) {
        self.run(&[&["upgrade", "release", &self.chart], given].concat());
    }

    fn shows(&self, text: &str) -> bool {
        self.run(&["get", "manifest", "release"]).contains(text)
    }

    fn stored(&self) -> Value {
        serde_json::from_str(&self.run(&["get", "values", "release", "-o", "json"])).expect("it is JSON")
    }
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn what_reused_values_become() {
    let rig = Rig::shared().expect("the rig");
    for version in pins::HELM {
        let release = Release::new(&rig, version);
        let nulled = release.helm.write("null.yaml", b"sub: {key: null}\n");
        let saved = release.helm.write("saved.yaml", b"USER-SUPPLIED VALUES:\nsub: {key: null}\n");
        release.install(&["--set", "number=12345678", "-f", &saved]);
        assert!(release.shows("number: \"12345678\""), "helm {version}");
        assert!(release.shows("key: \"\""), "helm {version}");

        // The same values, and another text.
        release.upgrade(&["--reset-then-reuse-values"]);
        assert!(release.shows("number: \"1.2345678e+07\""), "helm {version}");
        assert!(release.shows("key: \"\""), "helm {version}");
        let stored = release.stored();
        assert!(values::stored_heading(&stored).is_some(), "helm {version}: {stored}");

        // The same null once more is a deletion of the null for the old helm.
        release.upgrade(&["--reset-then-reuse-values", "-f", &nulled]);
        assert_eq!(release.shows("key: \"default\""), version == OLD, "helm {version}");
        release.upgrade(&["--reset-then-reuse-values"]);
        assert_eq!(release.shows("key: \"default\""), version == OLD, "helm {version}");

        // A null takes the heading away under the old helm alone; a reset does under all.
        release.upgrade(&["--reset-then-reuse-values", "--set", "USER-SUPPLIED VALUES=null"]);
        assert_eq!(values::stored_heading(&release.stored()).is_some(), version != OLD, "helm {version}");
        let clean = release.helm.write("clean.yaml", b"number: \"12345678\"\n");
        release.upgrade(&["--reset-values", "-f", &clean]);
        assert_eq!(release.stored(), json!({"number": "12345678"}), "helm {version}");
        assert!(release.shows("number: \"12345678\""), "helm {version}");
    }
}

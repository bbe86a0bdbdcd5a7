//! What is written out, and what is read back.

use crate::credential::REDACTED;

use super::*;
use crate::{read_saved, saved};

fn written(answers: &BTreeMap<SurveyQuery, Answer>) -> (Survey, Value) {
    let found = survey(answers);
    let file = serde_json::to_value(saved(&found)).expect("it is JSON");
    (found, file)
}

#[test]
fn it_reads_back_as_it_was() {
    let (found, file) = written(&answers());
    let back = read_saved(file.clone()).expect("it reads");
    assert_eq!(back.inventory.volumes, found.inventory.volumes);
    assert_eq!(back.inventory.release.docs, found.inventory.release.docs);
    assert_eq!(back.inventory.release.history, found.inventory.release.history);
    assert_eq!(back.inventory.objects.len(), found.inventory.objects.len());
    let key = SecretKey { secret: Ref::secret(NS, "s"), key: "password".into() };
    assert_eq!(back.secrets.get(&key), Some("the value of password in s"));
    assert_eq!(serde_json::to_value(saved(&back)).expect("JSON"), file, "written again it is the same");
}

#[test]
fn no_text_of_a_secret_is_in_it() {
    let mut all = answers();
    let secret = |name: &str, data: Value| json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name, "namespace": NS}, "data": data});
    // `plaintext` twice, `hunter2-hunter2`, nothing, and the name of an account.
    let data = json!({"password": "cGxhaW50ZXh0", "copy": "cGxhaW50ZXh0", "token": "aHVudGVyMi1odW50ZXIy", "none": "", "username": "cG9zdGdyZXM="});
    all.insert(list("", "Secret", NS), items(vec![held(10, ReleaseStatus::Deployed), secret("s", data)]));
    let pod = json!({"metadata": {"name": "p", "namespace": NS, "managedFields": [1]}, "spec": {"containers": [
        {"name": "c", "env": [{"name": "A", "value": "plaintext"}, {"name": "B", "value": "hunter2-hunter2"}, {"name": "MY_KEY", "value": "own"}]}
    ]}});
    all.insert(list("", "Pod", NS), items(vec![pod]));
    let map = json!({"metadata": {"name": "m", "namespace": NS}, "data": {"whole": "a file of somebody's"}});
    all.insert(list("", "ConfigMap", NS), items(vec![map]));
    let foreign = json!({"metadata": {"name": "foreign"}, "spec": {"claimRef": {"namespace": "elsewhere"}}});
    all.insert(list("", "PersistentVolume", ""), items(vec![pv("pvc-postgresql", "Delete"), foreign]));
    let (_, file) = written(&all);
    let text = file.to_string();
    let gone = [
        "plaintext",
        "cGxhaW50",
        "hunter2",
        "aHVudGVy",
        "in-the-manifest",
        "own\"",
        "a file of",
        "managedFields",
        "foreign",
    ];
    for text_gone in gone {
        assert!(!text.contains(text_gone), "{text_gone}");
    }
    let env = &file["objects"][format!("Pod/{NS}/p")]["spec"]["containers"][0]["env"];
    assert_eq!(env[0]["value"], "the value of copy in s");
    assert_eq!(env[2]["value"], REDACTED);
    assert_eq!(file["objects"][format!("ConfigMap/{NS}/m")]["data"]["whole"], portolan_model::Manifest::HIDDEN);
    assert_eq!(file["redacted"], json!(["Pod/p A", "Pod/p B", "Pod/p MY_KEY"]));
    assert_eq!(file["alike"].as_array().map(Vec::len), Some(1));
    let back = read_saved(file).expect("it reads");
    let text = |key: &str| back.secrets.get(&SecretKey { secret: Ref::secret(NS, "s"), key: key.into() });
    assert_eq!(text("password"), text("copy"), "what was equal is equal");
    assert_eq!(text("none"), Some(""), "what was empty is empty");
}

#[test]
fn another_file_is_refused() {
    let mut later = written(&answers()).1;
    later["format"] = json!(FORMAT + 1);
    for (file, said) in
        [(json!({}), "no `format`"), (later, "it has format"), (json!({"format": FORMAT}), "missing field")]
    {
        let finding = read_saved(file).expect_err("it is no inventory");
        assert_eq!(finding.code, Code::NoSimulation);
        assert!(finding.evidence[0].contains(said), "{finding:?}");
    }
}

//! Records that are damaged, and where they are kept.

use portolan_model::Driver;

use super::*;

/// A record whose text is not readable.
fn broken(revision: u32) -> Value {
    let mut broken = held(revision, ReleaseStatus::Deployed);
    broken["data"]["release"] = json!("%");
    broken
}

fn with(kind: &str, records: Vec<Value>) -> BTreeMap<SurveyQuery, Answer> {
    let mut all = answers();
    all.insert(list("", "Secret", NS), items(vec![]));
    all.insert(list("", kind, NS), items(records));
    all
}

#[test]
fn a_damaged_newest_record_is_not_passed_over() {
    let all = with("Secret", vec![held(10, ReleaseStatus::Deployed), broken(11)]);
    let finding = conclude(&id(), &all, "s", "u", None).expect_err("it must stop");
    assert_eq!(finding.code, Code::NotDeployed);
    assert!(finding.found.contains("revision 11"), "{finding}");
    assert!(finding.evidence[0].starts_with("Secret/sh.helm.release.v1.runai-backend.v11: its base64"), "{finding:?}");
    assert!(finding.evidence[1].contains("revision 10, deployed, runai-backend 2.8.20"), "{finding:?}");
    assert!(finding.next.contains("v11 back from a backup"), "{finding:?}");
    let finding = conclude(&id(), &with("Secret", vec![broken(1)]), "s", "u", None).expect_err("it must stop");
    assert!(finding.evidence[1].contains("no other record"), "{finding:?}");
}

#[test]
fn an_older_damaged_record_is_told_and_stops_nothing() {
    let all = with("Secret", vec![broken(2), held(10, ReleaseStatus::Deployed), broken(9)]);
    let release = survey(&all).inventory.release;
    assert_eq!(release.revision, 10);
    assert_eq!(release.damaged.iter().map(|record| record.revision).collect::<Vec<_>>(), [9, 2]);
    assert!(release.damaged[0].why.contains("base64"), "{:?}", release.damaged);
}

#[test]
fn records_in_config_maps_are_read_and_no_upgrade_is_planned_from_them() {
    let map = |revision: u32| {
        let mut map = held(revision, ReleaseStatus::Deployed);
        let inner = map["data"]["release"].as_str().expect("a text").to_owned();
        map["kind"] = json!("ConfigMap");
        map["data"]["release"] = json!(once_less(&inner));
        map
    };
    let inventory = survey(&with("ConfigMap", vec![map(3)])).inventory;
    assert_eq!((inventory.release.driver, inventory.release.revision), (Driver::ConfigMap, 3));
    let finding = upgradable(&inventory).expect_err("helm would look in Secrets");
    assert_eq!(finding.code, Code::OtherDriver);
    // A helm sees the records of one driver: of both the one with the newest record is in use, with its history alone.
    let mut both = with("ConfigMap", vec![map(3)]);
    both.insert(list("", "Secret", NS), items(vec![held(10, ReleaseStatus::Deployed)]));
    let inventory = survey(&both).inventory;
    assert_eq!((inventory.release.driver, inventory.release.history.len()), (Driver::Secret, 1));
    assert!(upgradable(&inventory).is_ok());
}

#[test]
fn a_release_is_known_by_its_records_alone() {
    let all = with("Secret", vec![held(10, ReleaseStatus::Deployed), held(11, ReleaseStatus::PendingUpgrade)]);
    let asked = record_questions(&id());
    let answered = |all: &BTreeMap<SurveyQuery, Answer>| {
        let answers = asked.iter().map(|ask| (ask.clone(), all[ask].clone())).collect();
        release(&id(), &answers)
    };
    assert_eq!(answered(&all), Ok(survey(&all).inventory.release));
    assert_eq!(answered(&with("Secret", Vec::new())).expect_err("no record").code, Code::NoRelease);
    let mut denied = all;
    denied.insert(asked[0].clone(), Answer::Denied("forbidden".into()));
    assert_eq!(answered(&denied).expect_err("its records cannot be read").code, Code::NotVisible);
}

/// A Secret's data is in base64 once more than a `ConfigMap`'s.
fn once_less(text: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
    String::from_utf8(bytes).expect("text")
}

//! Each rule of helm's where it applies, where it does not, and where an object or a field that it reads is missing.

use std::collections::BTreeSet;

use portolan_model::{ChartId, HelmToken, ReleaseId, RequiredSecretKey, SecretKey, ValuesMode};

use super::*;
use crate::test_world::{NS, edit, namespace, set, world};

const APPLIES: &str = "applies";
const DOES_NOT: &str = "does not apply";
const MISSING: &str = "missing";

/// A run of helm on a world with an old ConfigMap `old`, which only the stored manifest has, and a ConfigMap `both`, which the
/// target has too. The target has ConfigMaps `new` and `last` besides, which do not exist.
struct Case {
    rule: &'static str,
    how: &'static str,
    change: fn(&mut World, &mut HelmJob),
    /// What is so in the end.
    after: fn(&World) -> bool,
}

fn release() -> ReleaseId {
    ReleaseId { namespace: NS.into(), name: "a".into() }
}

fn map(name: &str) -> Ref {
    Ref::new("", "ConfigMap", NS, name)
}

fn secret() -> Ref {
    Ref::secret(NS, "db")
}

fn doc(name: &Ref, data: &Value) -> (Ref, Object) {
    let json = json!({
        "apiVersion": "v1", "kind": name.kind(), "metadata": {"name": name.name(), "namespace": NS}, "data": data,
    });
    (name.clone(), Object::new(json))
}

fn owned() -> Value {
    json!({
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "a", "meta.helm.sh/release-namespace": NS},
    })
}

fn put(world: &mut World, name: &Ref, data: &Value) {
    let mut json = (*doc(name, data).1.0).clone();
    json["metadata"]["labels"] = owned()["labels"].clone();
    json["metadata"]["annotations"] = owned()["annotations"].clone();
    json["metadata"]["uid"] = json!(format!("old-{}", name.name()));
    world.put(name, json);
}

fn start() -> (World, HelmJob) {
    let mut world = world("Delete");
    put(&mut world, &map("old"), &json!({"a": "1"}));
    put(&mut world, &map("both"), &json!({"a": "1", "dropped": "1", "live": "1"}));
    put_record(&mut world, "deployed");
    let run = HelmRun {
        release: release(),
        base_revision: Some(1),
        client: crate::simulated_helm(),
        chart: ChartId { name: "chart".into(), version: semver::Version::new(1, 0, 0) },
        archive: Some(Digest::of(b"archive")),
        values: Some(Digest::of(b"values")),
        carried: Vec::new(),
        mode: ValuesMode::Reset,
        manifest: Digest::of(b"target"),
        docs: BTreeMap::new(),
        nondeterministic_fields: BTreeMap::new(),
        required_keys: vec![RequiredSecretKey {
            key: SecretKey { secret: secret(), key: "password".into() },
            message: "no key".into(),
        }],
    };
    let job = HelmJob {
        op: HelmOperation::Upgrade,
        run,
        token: Some(HelmToken::of_label("token")),
        target: Arc::new(vec![
            doc(&map("both"), &json!({"a": "2"})),
            doc(&map("new"), &json!({})),
            doc(&map("last"), &json!({})),
        ]),
        stored: Arc::new(vec![
            doc(&map("old"), &json!({"a": "1"})),
            doc(&map("both"), &json!({"a": "1", "dropped": "1"})),
        ]),
        stored_digest: Some(Digest::of(b"stored")),
        carried: BTreeMap::new(),
        config: json!({}),
    };
    (world, job)
}

fn put_record(world: &mut World, status: &str) {
    let json =
        json!({"metadata": {"uid": "record"}, "revision": 1, "status": status, "manifest": Digest::of(b"stored")});
    world.put(&record_name(&release(), 1), json);
}

/// What helm did to a ConfigMap.
fn data<'a>(world: &'a World, name: &str, key: &str) -> &'a str {
    world.get(&map(name)).map_or("", |object| object.text(&format!("/data/{key}")))
}

fn exists(world: &World, name: &str) -> bool {
    world.get(&map(name)).is_some()
}

fn status(world: &World, revision: u32) -> &str {
    world.get(&record_name(&release(), revision)).map_or("", |record| record.text("/status"))
}

/// A document of a StatefulSet whose immutable field differs: the server refuses the patch.
fn refused_first(job: &mut HelmJob) {
    let json = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": NS},
        "spec": {"serviceName": "other"},
    });
    let target = Arc::make_mut(&mut job.target);
    target.insert(0, (set(), Object::new(json)));
    Arc::make_mut(&mut job.stored).push((set(), Object::new(json!({"spec": {}}))));
}

fn guarded(world: &mut World, data: &Value) {
    put(world, &secret(), data);
}

const CASES: &[Case] = &[
    Case {
        rule: "H1",
        how: APPLIES,
        change: |world, _| guarded(world, &json!({"other": "eA=="})),
        after: |world| status(world, 2).is_empty() && !exists(world, "new"),
    },
    Case {
        rule: "H1",
        how: DOES_NOT,
        change: |world, _| guarded(world, &json!({"password": "eA=="})),
        after: |world| status(world, 2) == "deployed",
    },
    Case { rule: "H1", how: MISSING, change: |_, _| {}, after: |world| status(world, 2) == "deployed" },
    Case {
        rule: "H2",
        how: APPLIES,
        change: |world, _| {
            put(world, &map("new"), &json!({}));
            edit(world, &map("new"), |json| json["metadata"]["labels"] = json!({}));
        },
        after: |world| status(world, 2).is_empty() && data(world, "both", "a") == "1",
    },
    Case {
        rule: "H2",
        how: DOES_NOT,
        change: |world, _| put(world, &map("new"), &json!({"mine": "1"})),
        after: |world| status(world, 2) == "deployed" && data(world, "new", "mine") == "1",
    },
    Case { rule: "H2", how: MISSING, change: |_, _| {}, after: |world| status(world, 2) == "deployed" },
    Case {
        rule: "H3",
        how: APPLIES,
        change: |_, _| {},
        after: |world| world.get(&record_name(&release(), 2)).is_some_and(|record| record.text("/token") == "token"),
    },
    Case {
        rule: "H3",
        how: DOES_NOT,
        change: |world, _| guarded(world, &json!({})),
        after: |world| world.get(&record_name(&release(), 2)).is_none(),
    },
    Case {
        rule: "H3",
        how: MISSING,
        change: |world, _| world.remove(&record_name(&release(), 1)),
        after: |world| status(world, 1) == "deployed" && status(world, 2).is_empty(),
    },
    Case {
        rule: "H4",
        how: APPLIES,
        change: |_, _| {},
        after: |world| {
            let made = world.get(&map("new"));
            made.is_some_and(|made| made.label("app.kubernetes.io/managed-by") == Some("Helm") && made.uid().is_some())
        },
    },
    Case {
        rule: "H4",
        how: DOES_NOT,
        change: |world, _| put(world, &map("new"), &json!({})),
        after: |world| world.get(&map("new")).is_some_and(|new| new.text("/metadata/uid") == "old-new"),
    },
    // The namespace takes nothing new: the first create fails, and nothing that comes after it is tried.
    Case {
        rule: "H4",
        how: MISSING,
        change: |world, _| {
            edit(world, &namespace(), |json| json["metadata"]["deletionTimestamp"] = json!("set"));
            put(world, &map("last"), &json!({"a": "1"}));
        },
        after: |world| !exists(world, "new") && exists(world, "old"),
    },
    Case {
        rule: "H5",
        how: APPLIES,
        change: |_, _| {},
        after: |world| {
            let of = |key| data(world, "both", key);
            (of("a"), of("dropped"), of("live")) == ("2", "", "1")
        },
    },
    Case {
        rule: "H5",
        how: DOES_NOT,
        change: |world, job| {
            Arc::make_mut(&mut job.target).remove(0);
            Arc::make_mut(&mut job.stored).remove(1);
            edit(world, &map("both"), |json| json["data"]["a"] = json!("3"));
        },
        after: |world| data(world, "both", "a") == "3",
    },
    Case {
        rule: "H5",
        how: MISSING,
        change: |world, _| world.remove(&map("both")),
        after: |world| data(world, "both", "a") == "2" && data(world, "both", "live").is_empty(),
    },
    Case {
        rule: "H6",
        how: APPLIES,
        change: |_, job| refused_first(job),
        after: |world| data(world, "both", "a") == "2" && exists(world, "last") && exists(world, "old"),
    },
    Case { rule: "H6", how: DOES_NOT, change: |_, _| {}, after: |world| !exists(world, "old") },
    Case {
        rule: "H6",
        how: MISSING,
        change: |world, job| {
            refused_first(job);
            world.remove(&set());
        },
        after: |world| !exists(world, "old"),
    },
    Case { rule: "H12", how: APPLIES, change: |_, _| {}, after: |world| !exists(world, "old") },
    // Another case of the word is another word.
    Case { rule: "H12", how: APPLIES, change: |world, _| keep(world, "Keep"), after: |world| !exists(world, "old") },
    Case { rule: "H12", how: DOES_NOT, change: |world, _| keep(world, "keep"), after: |world| exists(world, "old") },
    Case {
        rule: "H12",
        how: MISSING,
        change: |world, _| world.remove(&map("old")),
        after: |world| status(world, 2) == "deployed",
    },
    Case {
        rule: "H13",
        how: APPLIES,
        change: |_, _| {},
        after: |world| (status(world, 1), status(world, 2)) == ("superseded", "deployed"),
    },
    Case {
        rule: "H13",
        how: DOES_NOT,
        change: |_, job| refused_first(job),
        after: |world| (status(world, 1), status(world, 2)) == ("deployed", "failed"),
    },
    Case {
        rule: "H13",
        how: MISSING,
        change: |world, _| put_record(world, "failed"),
        after: |world| status(world, 2) == "deployed",
    },
    Case {
        rule: "H14",
        how: APPLIES,
        change: |_, job| job.op = HelmOperation::Install,
        after: |world| status(world, 2).is_empty() && data(world, "both", "a") == "1",
    },
    Case {
        rule: "H14",
        how: APPLIES,
        change: |world, job| {
            job.op = HelmOperation::Install;
            put_record(world, "failed");
        },
        after: |world| status(world, 1) == "failed" && !exists(world, "new"),
    },
    Case { rule: "H14", how: DOES_NOT, change: |_, _| {}, after: |world| status(world, 2) == "deployed" },
    Case {
        rule: "H14",
        how: MISSING,
        change: |world, job| {
            (job.op, job.stored) = (HelmOperation::Install, Docs::default());
            world.remove(&record_name(&release(), 1));
        },
        // What carries the release's marks is adopted.
        after: |world| status(world, 1) == "deployed" && exists(world, "new") && data(world, "both", "a") == "2",
    },
    Case {
        rule: "H15",
        how: APPLIES,
        change: |_, job| uninstall(job, false),
        after: |world| !exists(world, "old") && !exists(world, "both") && status(world, 1).is_empty(),
    },
    Case {
        rule: "H15",
        how: APPLIES,
        change: |world, job| {
            uninstall(job, false);
            put_record(world, "uninstalled");
        },
        after: |world| exists(world, "old") && status(world, 1).is_empty(),
    },
    Case {
        rule: "H15",
        how: DOES_NOT,
        change: |world, job| {
            uninstall(job, true);
            put_record(world, "uninstalled");
        },
        after: |world| exists(world, "old") && status(world, 1) == "uninstalled",
    },
    Case {
        rule: "H15",
        how: MISSING,
        change: |world, job| {
            uninstall(job, false);
            world.remove(&record_name(&release(), 1));
        },
        after: |world| exists(world, "old"),
    },
    // What the live object says does not count.
    Case {
        rule: "H16",
        how: APPLIES,
        change: |world, job| {
            uninstall(job, false);
            keep(world, "keep");
        },
        after: |world| !exists(world, "old"),
    },
    Case {
        rule: "H16",
        how: DOES_NOT,
        change: |_, job| {
            uninstall(job, false);
            keep_stored(job, 0, " Keep ");
            keep_stored(job, 1, "anything");
        },
        after: |world| exists(world, "old") && exists(world, "both") && status(world, 1).is_empty(),
    },
    Case {
        rule: "H16",
        how: MISSING,
        change: |world, job| {
            uninstall(job, false);
            world.remove(&map("old"));
        },
        after: |world| !exists(world, "both") && status(world, 1).is_empty(),
    },
    Case {
        rule: "H17",
        how: APPLIES,
        change: |world, job| {
            uninstall(job, false);
            put_newer(world);
        },
        after: |world| status(world, 1).is_empty() && status(world, 2).is_empty(),
    },
    Case {
        rule: "H17",
        how: DOES_NOT,
        change: |world, job| {
            uninstall(job, true);
            put_newer(world);
        },
        after: |world| (status(world, 1), status(world, 2)) == ("superseded", "uninstalled") && !exists(world, "old"),
    },
    Case {
        rule: "H17",
        how: MISSING,
        change: |world, job| {
            uninstall(job, false);
            world.remove(&map("old"));
            world.remove(&map("both"));
        },
        after: |world| status(world, 1).is_empty(),
    },
];

fn uninstall(job: &mut HelmJob, keep_history: bool) {
    (job.op, job.target) = (HelmOperation::Uninstall { keep_history }, Docs::default());
}

/// Annotates a document of the stored manifest.
fn keep_stored(job: &mut HelmJob, at: usize, word: &str) {
    let (_, doc) = &mut Arc::make_mut(&mut job.stored)[at];
    let mut json = (*doc.0).clone();
    json["metadata"]["annotations"] = json!({"helm.sh/resource-policy": word});
    *doc = Object::new(json);
}

/// A second revision of the same manifest.
fn put_newer(world: &mut World) {
    put_record(world, "superseded");
    let json =
        json!({"metadata": {"uid": "newer"}, "revision": 2, "status": "deployed", "manifest": Digest::of(b"stored")});
    world.put(&record_name(&release(), 2), json);
}

#[test]
fn a_delete_that_fails_leaves_the_record_uninstalling_and_another_uninstall_finishes() {
    for lost in [WriteResult::Rejected, WriteResult::ResponseLost] {
        let (mut world, mut job) = start();
        uninstall(&mut job, false);
        let mut helm = HelmActor::new(job.clone());
        while helm.turn(&mut world, if helm.target() == Some(&map("both")) { lost } else { WriteResult::Served }) {}
        assert_eq!((exists(&world, "old"), exists(&world, "both")), (false, lost == WriteResult::Rejected));
        assert_eq!(status(&world, 1), "uninstalling", "{lost:?}");
        let mut helm = HelmActor::new(job);
        while helm.turn(&mut world, WriteResult::Served) {}
        assert!(!exists(&world, "both") && status(&world, 1).is_empty(), "{lost:?}");
    }
}

#[test]
fn the_newest_record_goes_last() {
    let (mut world, mut job) = start();
    uninstall(&mut job, false);
    put_newer(&mut world);
    let mut helm = HelmActor::new(job);
    while !status(&world, 1).is_empty() && !status(&world, 2).is_empty() {
        assert!(helm.turn(&mut world, WriteResult::Served), "it has not ended");
    }
    // Whoever finds helm killed here finds the record that says what was under way.
    assert_eq!(status(&world, 2), "uninstalling");
}

fn keep(world: &mut World, word: &str) {
    edit(world, &map("old"), |json| json["metadata"]["annotations"]["helm.sh/resource-policy"] = json!(word));
}

/// Runs helm to its end; what it followed comes with the world.
fn run(case: &Case) -> (World, BTreeSet<&'static str>) {
    let (mut world, mut job) = start();
    (case.change)(&mut world, &mut job);
    let mut helm = HelmActor::new(job);
    let mut followed = BTreeSet::new();
    loop {
        followed.extend(helm.rules(&world));
        let starts = !helm.has_started();
        let there = |world: &World| ["old", "both"].map(|name| exists(world, name));
        let before = there(&world);
        if !helm.turn(&mut world, WriteResult::Served) {
            return (world, followed);
        }
        if starts {
            // The record comes before the first object.
            let revision = newest_status(&world, &release());
            let is_told =
                revision.is_pending() || matches!(revision, ReleaseStatus::Uninstalling | ReleaseStatus::Uninstalled);
            let is_untouched = data(&world, "both", "a") != "2" && there(&world) == before;
            assert!(is_told && is_untouched, "{} {}", case.rule, case.how);
        }
    }
}

#[test]
fn a_rule_of_helms_is_followed_where_it_applies() {
    for case in CASES {
        let (world, followed) = run(case);
        assert!((case.after)(&world), "{} {}: {:?}", case.rule, case.how, world.objects().collect::<Vec<_>>());
        assert!(case.how != APPLIES || followed.contains(case.rule), "{} {}: {followed:?}", case.rule, case.how);
    }
}

#[test]
fn every_rule_of_helms_has_its_cases() {
    let tested: BTreeSet<(&str, &str)> = CASES.iter().map(|case| (case.rule, case.how)).collect();
    let all = HELM_RULES.iter().flat_map(|(rule, _, _)| [APPLIES, DOES_NOT, MISSING].map(|how| (*rule, how)));
    assert_eq!(tested, all.collect());
}

/// Where a helm is before each of its turns in a search, from the first object on.
fn stops(change: fn(&mut World, &mut HelmJob)) -> Vec<At> {
    let (mut world, mut job) = start();
    change(&mut world, &mut job);
    let (mut helm, mut at) = (HelmActor::new(job), Vec::new());
    while helm.turn(&mut world, WriteResult::Served) {
        helm.skip(&mut world, &mut BTreeSet::new());
        at.push(helm.at.clone());
    }
    at
}

#[test]
fn in_a_search_the_last_of_a_row_of_like_writes_to_what_nobody_reads_stands_for_the_others() {
    use At::{Apply, Deployed, Remove, Supersede};
    let end = [Remove(0), Supersede, Deployed];
    let with = |applied: &[usize]| applied.iter().map(|at| Apply(*at)).chain(end.clone()).collect::<Vec<_>>();
    // `both` is patched, `new` and `last` are created; of the stored manifest only `old` is deleted.
    assert_eq!(stops(|_, _| {}), with(&[0, 2]));
    assert_eq!(stops(|world, _| put(world, &map("new"), &json!({}))), with(&[1, 2]), "two patches and a creation");
    let with_secret = |_: &mut World, job: &mut HelmJob| {
        let mut target = (*job.target).clone();
        target.insert(2, doc(&secret(), &json!({})));
        job.target = Arc::new(target);
    };
    assert_eq!(stops(with_secret), with(&[0, 1, 2, 3]), "a Secret is read, and ends a row");
}

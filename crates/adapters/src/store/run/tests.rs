use std::os::unix::fs::PermissionsExt;

use portolan_model::Content;

use super::*;

fn plan_file() -> PlanFile {
    let chart = |version: &str| serde_json::json!({ "name": "control-plane", "version": version });
    let plan = serde_json::from_value(serde_json::json!({
        "format": FORMAT,
        "cluster": "5c1e0f2a-0000",
        "server": "https://127.0.0.1:6443",
        "release": { "namespace": "runai-backend", "name": "runai-backend" },
        "helm": { "helm": "simulated", "version": "3.14.4" },
        "from": chart("2.8.20"),
        "to": chart("2.20.41"),
        "hops": [], "preconditions": {}, "volumes": [], "databases": [],
        "without": [], "accepted": [], "findings": [],
    }))
    .expect("a plan");
    let blob = Blob::new(b"an archive".to_vec());
    PlanFile { plan, objects: [(blob.digest, Content::new(blob.bytes))].into(), fetched: Vec::new() }
}

fn fresh() -> (tempfile::TempDir, RunStore) {
    let root = tempfile::tempdir().expect("a folder");
    let file = plan_file();
    let store =
        RunStore::create_or_open(root.path(), &file.plan.cluster, &file.plan.release, &file).expect("a new run");
    (root, store)
}

fn resumed(host: &str) -> JournalRecord {
    JournalRecord::Resumed { host: host.into() }
}

fn journal(store: &RunStore) -> PathBuf {
    store.folder().join("journal.jsonl")
}

fn records(store: &RunStore) -> Vec<JournalRecord> {
    let entries = store.entries().expect("a sound journal");
    entries.into_iter().map(|entry| entry.record).collect()
}

#[test]
fn what_is_appended_is_there_when_the_run_is_opened_again() {
    let (root, mut store) = fresh();
    let blob = Blob::new(b"before".to_vec());
    store.append(resumed("a"), &[]).expect("durable");
    store.append(resumed("b"), std::slice::from_ref(&blob)).expect("durable");
    let mut again = RunStore::open(store.folder()).expect("the same run");
    again.append(resumed("c"), &[]).expect("durable");
    assert_eq!(records(&again), [resumed("a"), resumed("b"), resumed("c")]);
    assert_eq!(again.blob(&blob.digest).expect("kept"), b"before");
    assert_eq!(again.plan().expect("its plan"), plan_file().plan);

    // A run that another Portolan began is left to that one.
    let file = store.folder().join("plan.json");
    let plan = fs::read_to_string(&file).expect("its plan");
    fs::write(&file, plan.replace(&format!("\"format\":{FORMAT}"), "\"format\":1")).expect("written");
    let refused = again.plan().expect_err("it is of another format");
    assert!(
        refused.found.contains("it has format 1") && refused.next.contains("the portolan that made it"),
        "{refused:?}"
    );
    fs::write(&file, plan).expect("written");

    let runs = list(root.path()).expect("a list");
    assert_eq!(runs.len(), 1);
    let id = again.plan_digest().short();
    assert_eq!(find(root.path(), &id[..4]).expect("one run"), runs[0]);
    assert_eq!(find(root.path(), "zz").expect_err("none").code, Code::NoPlan);
    let blob = Blob::new(b"an archive".to_vec());
    assert_eq!(again.blob(&blob.digest).expect("from the plan"), blob.bytes);
}

#[test]
fn runs_that_are_begun_in_one_second_have_an_order() {
    let root = tempfile::tempdir().expect("a folder");
    let begin = |without: &str| {
        let mut file = plan_file();
        file.plan.without.push(without.into());
        let store = RunStore::create_or_open(root.path(), &file.plan.cluster, &file.plan.release, &file);
        store.expect("a new run").folder().to_owned()
    };
    let begun: Vec<PathBuf> = (0..8).map(|number| begin(&format!("step-{number}"))).collect();
    let order = || list(root.path()).expect("a list").into_iter().map(|run| run.folder).collect::<Vec<_>>();
    assert!(order().iter().rev().eq(&begun), "the newest is the one that was begun last");
    // A run that was begun by a Portolan that kept seconds only.
    let meta = |folder: &Path| fs::read_to_string(folder.join("meta.json")).expect("its file");
    for folder in &begun {
        let mut value: Value = serde_json::from_str(&meta(folder)).expect("JSON");
        value.as_object_mut().expect("fields").remove("created_nanos").expect("it is kept");
        value["created"] = 7.into();
        fs::write(folder.join("meta.json"), value.to_string()).expect("written");
    }
    let mut by_name = begun;
    by_name.sort();
    assert_eq!(order(), by_name);
}

#[test]
fn everything_belongs_to_the_user_alone() {
    let (_root, mut store) = fresh();
    store.append(resumed("a"), &[Blob::new(b"secret".to_vec())]).expect("durable");
    let mut queue = vec![store.folder().to_owned()];
    while let Some(path) = queue.pop() {
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            queue.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else {
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
}

#[test]
fn a_torn_last_line_is_cut_off() {
    let (_root, mut store) = fresh();
    store.append(resumed("a"), &[]).expect("durable");
    store.append(resumed("b"), &[]).expect("durable");
    let whole = fs::read(journal(&store)).expect("lines");
    let first = whole.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    // A crash may leave any part of the second line, and of the first one when there was no other.
    for length in 0..whole.len() {
        fs::write(journal(&store), &whole[..length]).expect("torn");
        let mut again = RunStore::open(store.folder()).expect("a torn line is no damage");
        let left = usize::from(length >= first);
        assert_eq!(records(&again).len(), left, "{length}");
        again.append(resumed("c"), &[]).expect("goes on");
        let all = records(&again);
        assert_eq!((all.len(), all.last()), (left + 1, Some(&resumed("c"))));
    }
}

#[test]
fn a_changed_line_is_damage() {
    let (_root, mut store) = fresh();
    for host in ["a", "b", "c"] {
        store.append(resumed(host), &[]).expect("durable");
    }
    let text = fs::read_to_string(journal(&store)).expect("lines");
    let lines: Vec<&str> = text.lines().collect();
    let join = |lines: &[&str]| format!("{}\n", lines.join("\n"));
    let damaged = [
        text.replacen("\"host\":\"a\"", "\"host\":\"x\"", 1),
        join(&[lines[0], lines[2]]),
        join(&[lines[1], lines[2]]),
        join(&[lines[0], "{}", lines[2]]),
        join(&[lines[0], lines[1], lines[1]]),
    ];
    for text in damaged {
        fs::write(journal(&store), text).expect("tampered");
        let refused = RunStore::open(store.folder()).expect_err("damage is not gone over");
        assert_eq!(refused.code, Code::BadJournal);
        assert_eq!(store.entries().expect_err("nor here").code, Code::BadJournal);
    }
}

#[test]
fn a_crash_between_blob_and_line_leaves_no_record() {
    let (_root, mut store) = fresh();
    store.append(resumed("a"), &[]).expect("durable");
    store.keep(&Blob::new(b"before".to_vec())).expect("the blob alone");
    let again = RunStore::open(store.folder()).expect("the same run");
    assert_eq!(records(&again), [resumed("a")]);
}

#[test]
fn two_writers_are_noticed() {
    let (_root, mut store) = fresh();
    store.append(resumed("a"), &[]).expect("durable");
    let mut other = RunStore::open(store.folder()).expect("the same run");
    other.append(resumed("b"), &[]).expect("durable");
    let refused = store.append(resumed("c"), &[]).expect_err("it moved on");
    assert_eq!(refused.code, Code::BadJournal);
}

#[test]
fn a_changed_plan_or_blob_is_refused() {
    let (_root, store) = fresh();
    let blob = Blob::new(b"before".to_vec());
    store.keep(&blob).expect("kept");
    fs::write(blob_path(store.folder(), &blob.digest), b"after").expect("tampered");
    assert_eq!(store.blob(&blob.digest).expect_err("another content").code, Code::StateFolder);
    store.keep(&blob).expect("written again");
    assert_eq!(store.blob(&blob.digest).expect("sound"), b"before");

    let mut file = plan_file();
    file.objects.insert(Digest::of(b"x"), Content::new(b"y".to_vec()));
    let root = tempfile::tempdir().expect("a folder");
    let refused = RunStore::create_or_open(root.path(), &file.plan.cluster, &file.plan.release, &file)
        .expect_err("a damaged object");
    assert_eq!(refused.code, Code::NoPlan);
}

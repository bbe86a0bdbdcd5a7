//! The requests of a run, one after the other, as the engine asks them.

use std::collections::BTreeMap;
use std::time::Duration;

use portolan_adapters::driver::Driver;
use portolan_adapters::helm;
use portolan_adapters::kubernetes::Client;
use portolan_adapters::store::RunStore;
use portolan_model::{
    ArchivedObject, Blob, Cond, Content, DatabaseError, DatabaseRef, Event, HelmOperation, HelmRun, HelmToken,
    JournalRecord, Observation, PlanFile, Ref, Refusal, ReleaseStatus, Reply, Request, Seen, StepRef, Verb, Wait,
    Write,
};
use serde_json::json;

use crate::helm::{command, helms, pack, password, run_of};
use crate::{admin, kubeconfig, namespace, secret, there};

/// A run's folder with these objects in it.
fn store(folder: &std::path::Path, namespace: &str, blobs: &[&Blob]) -> RunStore {
    let chart = json!({ "name": "cp", "version": "1.2.3" });
    let plan = json!({
        "format": 1, "cluster": "5c1e0f2a", "server": "https://127.0.0.1",
        "release": { "namespace": namespace, "name": "rel" },
        "helm": { "helm": "simulated", "version": "3.14.4" },
        "from": chart, "to": chart,
        "hops": [], "preconditions": {}, "volumes": [], "databases": [],
        "without": [], "accepted": [], "findings": [],
    });
    let file = PlanFile {
        plan: serde_json::from_value(plan).expect("a plan"),
        objects: blobs.iter().map(|blob| (blob.digest.clone(), Content::new(blob.bytes.clone()))).collect(),
        fetched: Vec::new(),
    };
    RunStore::create_or_open(folder, &file.plan.cluster, &file.plan.release, &file).expect("a run")
}

async fn run(client: Client, driver: &mut Driver, run: HelmRun) {
    let (namespace, release) = (run.release.namespace.clone(), run.release.clone());
    let target = Ref::secret(&namespace, "pg");
    let seen = there(&client, &target).await;
    let mut events = Vec::new();
    let mut serve = async |request| {
        let reply = driver.serve(request, &release, &mut |event| events.push(event.clone())).await;
        reply.expect("the journal is written")
    };

    let token = || HelmToken::of_label("t-0");
    let early = serve(Request::Spawn(HelmOperation::Upgrade, Box::new(run.clone()), token())).await;
    assert!(
        matches!(&early, Reply::Refused(Refusal::Invalid(text)) if text.contains("not in this run's archive")),
        "{early:?}"
    );
    let blob = Blob::new(portolan_model::canonical(&seen));
    let step = StepRef { index: 0, attempt: 0 };
    let record = JournalRecord::Observed {
        step,
        observation: Observation::Archived {
            objects: vec![ArchivedObject {
                object: target.clone(),
                uid: seen.uid().expect("a UID"),
                digest: blob.digest.clone(),
            }],
        },
    };
    assert_eq!(serve(Request::Append(record, vec![blob])).await, Reply::Appended);
    let delete = Write { verb: Verb::Delete, target: target.clone(), uid: seen.uid().expect("a UID"), rv: seen.rv() };
    assert_eq!(serve(Request::Write(delete)).await, Reply::Wrote);
    assert_eq!(serve(Request::Read(vec![target])).await, Reply::Seen(vec![Seen::Absent]));

    assert_eq!(serve(Request::Spawn(HelmOperation::Upgrade, Box::new(run.clone()), token())).await, Reply::Spawned);
    let wait = Wait { step: 0, until: vec![Cond::HelmEnded(token())], limit: Duration::from_secs(60) };
    assert_eq!(serve(Request::Wait(wait)).await, Reply::Met);
    let Reply::Releases(facts) = serve(Request::Releases(run.release, BTreeMap::new())).await else {
        panic!("no records");
    };
    let newest = facts.last().expect("a record");
    assert_eq!((newest.revision, newest.status), (2, ReleaseStatus::Deployed));
    assert_eq!(newest.config, json!({ "color": "blue", "auth": { "password": "hidden" } }));

    let database = DatabaseRef {
        pod: Ref::pod(&namespace, "absent"),
        port: 5432,
        user: "postgres".into(),
        database: "postgres".into(),
        password: run.carried[0].from.clone(),
        outside: None,
    };
    let Reply::Rows(Err(DatabaseError::Unreachable(text))) = serve(Request::Query(database)).await else {
        panic!("there is no such pod");
    };
    assert!(text.contains("absent"), "{text}");
    assert!(matches!(&events[0], Event::Recorded(_)));
    assert!(matches!(&events[1], Event::Waiting { limit, .. } if *limit == Duration::from_secs(60)));
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn a_run_is_carried_out() {
    let program = helms().remove(0);
    let client = admin().await;
    let namespace = namespace(&client).await;
    secret(&client, &namespace).await;
    let folder = tempfile::tempdir().expect("a folder");
    let chart = Blob::new(pack(&program, folder.path()));
    let values = Blob::new(br#"{"color":"blue"}"#.to_vec());
    let installed = command(&program)
        .args(["install", "rel", "cp", "-n", &namespace, "--set", "color=red"])
        .current_dir(folder.path())
        .output()
        .expect("helm");
    assert!(installed.status.success(), "{installed:?}");

    let mut plan = run_of(helm::find(Some(&program)).await.expect("a helm"), &namespace);
    plan.archive = Some(chart.digest.clone());
    plan.values = Some(values.digest.clone());
    plan.carried[0].from.secret = Ref::secret(&namespace, "pg");
    let store = store(folder.path(), &namespace, &[&chart, &values]);
    let run_folder = store.folder().to_owned();
    let own = Client::connect(Some(&kubeconfig()), None).await.expect("a client");
    let mut driver = Driver::new(own, store);
    run(admin().await, &mut driver, plan).await;

    let made = there(&client, &Ref::secret(&namespace, "rel")).await;
    assert_eq!(password(&made), "aGlkZGVu");
    assert!(!helm::values_path(&run_folder, &HelmToken::of_label("t-0")).exists(), "passwords do not stay");
    let journal = std::fs::read_to_string(run_folder.join("journal.jsonl")).expect("a journal");
    assert!(!journal.contains("hidden") && !journal.contains("aGlkZGVu"));
}

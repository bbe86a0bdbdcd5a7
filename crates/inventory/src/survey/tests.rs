//! The survey on small answers made by hand.

use portolan_helm_compat::record::{self, ReleaseRecord};
use portolan_model::{ApplyMethod, ChartId, ReleaseStatus, Verdict};
use semver::Version;
use serde_json::{Value, json};

use super::questions::list;
use super::*;

mod pulls;
mod records;
mod rights;
mod saved;
mod storage;

const NS: &str = "runai-backend";

/// When the cluster is looked at: 2027-01-15T08:00:00Z.
const NOW: u64 = 1_800_000_000;

fn id() -> ReleaseId {
    ReleaseId { namespace: NS.into(), name: "runai-backend".into() }
}

/// A manifest with a PVC that the set mounts, a second one that says keep, a set with a template, and a Route.
const MANIFEST: &str = "
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: pvc-postgresql}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept, annotations: {helm.sh/resource-policy: ' Keep '}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: odd, annotations: {helm.sh/resource-policy: delete}}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {password: in-the-manifest}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgresql}
spec: {template: {spec: {volumes: [{name: d, persistentVolumeClaim: {claimName: pvc-postgresql}}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: redis}
spec: {volumeClaimTemplates: [{metadata: {name: data}}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: gone}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: m}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: r}
";

/// A record of the release with the manifest above.
fn record_of(revision: u32, status: ReleaseStatus) -> ReleaseRecord {
    ReleaseRecord {
        revision,
        status,
        name: id().name,
        namespace: NS.into(),
        chart: ChartId { name: "runai-backend".into(), version: Version::new(2, 8, 20) },
        app_version: String::new(),
        labels: BTreeMap::new(),
        description: String::new(),
        last_deployed: "2024-02-11T10:00:00Z".into(),
        config: json!({"global": {"domain": "d"}}),
        defaults: json!({"global": {"domain": ""}}),
        manifest: MANIFEST.into(),
        hooks: Vec::new(),
        apply: ApplyMethod::Server,
    }
}

fn held(revision: u32, status: ReleaseStatus) -> Value {
    let record = record_of(revision, status);
    (*record::encode(&record).0).clone()
}

fn claim(name: &str, extra: Value) -> Value {
    let mut claim = json!({"kind": "PersistentVolumeClaim", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": NS, "uid": format!("uid-{name}")},
        "spec": {"volumeName": format!("pv-{name}"), "storageClassName": "fast"},
        "status": {"capacity": {"storage": "8Gi"}}});
    json_merge(&mut claim, extra);
    claim
}

fn json_merge(into: &mut Value, extra: Value) {
    match (into, extra) {
        (Value::Object(into), Value::Object(extra)) => {
            for (key, value) in extra {
                json_merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, extra) => *into = extra,
    }
}

fn pv(claim: &str, policy: &str) -> Value {
    json!({"kind": "PersistentVolume", "apiVersion": "v1", "metadata": {"name": format!("pv-{claim}"), "uid": format!("uid-pv-{claim}")},
        "spec": {"persistentVolumeReclaimPolicy": policy}})
}

fn pod(name: &str, claim: &str, owner: (&str, &str)) -> Value {
    json!({"metadata": {"name": name, "namespace": NS, "ownerReferences": [{"apiVersion": "apps/v1", "kind": owner.0, "name": owner.1, "controller": true}]},
        "spec": {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": claim}}]}})
}

fn items(values: Vec<Value>) -> Answer {
    Answer::Items(values.into_iter().map(Object::new).collect())
}

fn sets() -> Value {
    json!([
        {"kind": "StatefulSet", "apiVersion": "apps/v1", "metadata": {"name": "postgresql", "namespace": NS, "generation": 1},
         "spec": {"replicas": 1, "template": {"spec": {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "pvc-postgresql"}}]}}},
         "status": {"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "a"}},
        {"kind": "StatefulSet", "apiVersion": "apps/v1", "metadata": {"name": "redis", "namespace": NS},
         "spec": {"replicas": 3, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]},
         "status": {"readyReplicas": 1, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "b"}}
    ])
}

/// An installation with a PVC for each fate.
fn answers() -> BTreeMap<SurveyQuery, Answer> {
    let mut all: BTreeMap<SurveyQuery, Answer> = first(&id()).into_iter().map(|ask| (ask, items(vec![]))).collect();
    let mut put = |ask: SurveyQuery, answer: Answer| all.insert(ask, answer);
    let groups = ["apps", "config.openshift.io", "route.openshift.io", "monitoring.coreos.com"];
    put(
        SurveyQuery::Server,
        Answer::Server { version: "v1.27.8".into(), groups: groups.map(str::to_owned).into(), now: Some(NOW) },
    );
    put(
        SurveyQuery::Get(namespace("kube-system")),
        items(vec![json!({"metadata": {"name": "kube-system", "uid": "5c1e0f2a"}})]),
    );
    put(
        SurveyQuery::Get(cluster_version()),
        items(vec![json!({"metadata": {"name": "version"}, "status": {"desired": {"version": "4.14.31"}}})]),
    );
    put(
        SurveyQuery::Get(cluster_ingress()),
        items(vec![
            json!({"metadata": {"name": "cluster"}, "spec": {"domain": "installer.example.com", "appsDomain": "apps.c.example.com"}}),
        ]),
    );
    put(
        list("", "Secret", NS),
        items(vec![
            held(9, ReleaseStatus::Superseded),
            held(10, ReleaseStatus::Deployed),
            json!({"kind": "Secret", "apiVersion": "v1", "type": "Opaque", "metadata": {"name": "s", "namespace": NS}, "data": {"password": "cGxhaW50ZXh0"}}),
        ]),
    );
    let keep = json!({"metadata": {"annotations": {"helm.sh/resource-policy": "keep"}}});
    put(
        list("", "PersistentVolumeClaim", NS),
        items(vec![
            claim("pvc-postgresql", keep),
            claim("kept", json!({})),
            claim("odd", json!({})),
            claim("data-redis-0", json!({})),
            claim("data-redis-extra", json!({})),
            claim("data-redis-1", json!({"spec": {"volumeName": ""}})),
            claim(
                "left-over",
                json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "runai-backend", "meta.helm.sh/release-namespace": NS}}}),
            ),
            claim("strange", json!({})),
        ]),
    );
    put(
        list("", "PersistentVolume", ""),
        items(vec![
            pv("pvc-postgresql", "Delete"),
            pv("kept", "Delete"),
            pv("odd", "Delete"),
            pv("data-redis-0", "Delete"),
        ]),
    );
    put(
        list("", "Pod", NS),
        items(vec![
            pod("postgresql-0", "pvc-postgresql", ("StatefulSet", "postgresql")),
            pod("x", "strange", ("DaemonSet", "x")),
        ]),
    );
    let Value::Array(sets) = sets() else { return all };
    put(list("apps", "StatefulSet", NS), items(sets));
    put(list("storage.k8s.io", "StorageClass", ""), items(classes()));
    all
}

/// Three default classes: the newest counts, of two equally new ones the first by name.
fn classes() -> Vec<Value> {
    let class = |name: &str, at: &str| {
        json!({"kind": "StorageClass", "apiVersion": "storage.k8s.io/v1", "metadata": {"name": name, "creationTimestamp": at,
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}})
    };
    vec![
        class("old", "2020-01-01T00:00:00Z"),
        class("zeta", "2024-01-01T00:00:00Z"),
        class("beta", "2024-01-01T00:00:00Z"),
    ]
}

fn survey(answers: &BTreeMap<SurveyQuery, Answer>) -> Survey {
    conclude(&id(), answers, "https://api:6443", "jdoe", None).expect("the survey comes to an end")
}

#[test]
fn a_workload_whose_pod_ends_again_and_again_is_not_ready() {
    let of = |ended: &str| {
        let mut answers = answers();
        let pod = json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "postgresql-0", "namespace": NS, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "postgresql", "uid": "s", "controller": true}]},
            "status": {"containerStatuses": [{"name": "main", "restartCount": 5,
                "lastState": {"terminated": {"exitCode": 1, "finishedAt": ended}}}]},
        });
        answers.insert(list("", "Pod", NS), items(vec![pod]));
        let found = survey(&answers).inventory;
        let workload = found.workloads.into_iter().find(|one| one.name.name() == "postgresql");
        workload.map(|one| (one.ready, one.state))
    };
    let ready = "1 of 1 ready".to_owned();
    let why = "postgresql-0 restarted 5 times: main ended 12 s ago with exit code 1";
    assert_eq!(of("2027-01-15T07:59:48Z"), Some((false, format!("{ready}, but {why}"))));
    assert_eq!(of("2027-01-14T07:59:48Z"), Some((true, ready)));
}

#[test]
fn the_next_round_asks_what_the_manifest_and_the_platform_raise() {
    let mut known = answers();
    known.remove(&SurveyQuery::Get(cluster_version()));
    known.remove(&SurveyQuery::Get(cluster_ingress()));
    assert_eq!(
        further(&known, &id()),
        [
            list("monitoring.coreos.com", "ServiceMonitor", NS),
            list("route.openshift.io", "Route", NS),
            SurveyQuery::Get(cluster_version()),
            SurveyQuery::Get(cluster_ingress()),
        ],
        "the group of ClusterRoles is not served here, Ingresses neither"
    );
}

#[test]
fn the_newest_record_is_the_release() {
    let inventory = survey(&answers()).inventory;
    assert_eq!(inventory.release.revision, 10);
    assert_eq!(inventory.release.status, ReleaseStatus::Deployed);
    assert_eq!(inventory.release.chart.to_string(), "runai-backend 2.8.20");
    assert_eq!(inventory.cluster.uid, portolan_model::Uid::new("5c1e0f2a"));
    assert_eq!(
        inventory.cluster.platform,
        Platform::OpenShift { version: "4.14.31".into(), apps_domain: "apps.c.example.com".into() }
    );
    assert_eq!(inventory.cluster.default_class.as_deref(), Some("beta"));
    let history = inventory.release.history.iter().map(|record| (record.revision, record.status));
    assert_eq!(history.collect::<Vec<_>>(), [(10, ReleaseStatus::Deployed), (9, ReleaseStatus::Superseded)]);
    assert_eq!(inventory.classes.len(), 3);
    assert!(inventory.is_complete("PersistentVolume", ""));
}

#[test]
fn no_secret_is_in_the_inventory() {
    let survey = survey(&answers());
    let key = SecretKey { secret: Ref::secret(NS, "s"), key: "password".into() };
    assert_eq!(survey.secrets.get(&key), Some("plaintext"));
    let text = format!("{:?} {survey:?}", survey.inventory.release.docs);
    for secret in ["plaintext", "cGxhaW50ZXh0", "in-the-manifest"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(survey.inventory.objects.values().all(|object| object.text("/type") != record::SECRET_TYPE));
    assert!(survey.inventory.objects.contains_key(&key.secret));
}

#[test]
fn every_claim_of_the_release_is_found_with_its_fate() {
    let inventory = survey(&answers()).inventory;
    let found: BTreeMap<&str, (Verdict, &str)> = inventory
        .volumes
        .iter()
        .map(|volume| (volume.claim.name(), (volume.if_uninstalled.verdict, volume.if_uninstalled.why.as_str())))
        .collect();
    let want = [
        ("pvc-postgresql", Verdict::Lost, "helm uninstall deletes the PVC, policy is Delete"),
        ("kept", Verdict::Detached, "the stored manifest says keep: the PVC stays"),
        ("odd", Verdict::Detached, "the stored manifest says `delete`, for which helm passes the PVC over: it stays"),
        ("data-redis-0", Verdict::Detached, "the PVC was made by StatefulSet/redis and stays"),
        ("data-redis-1", Verdict::Detached, "the PVC is not bound: it holds no data"),
        ("left-over", Verdict::Detached, "the PVC is not in the stored manifest and stays"),
    ];
    for (name, verdict, why) in want {
        assert_eq!(found.get(name), Some(&(verdict, why)), "{name}");
    }
    assert_eq!(found.len(), want.len(), "{found:?}");
    let first = inventory.volumes.iter().find(|volume| volume.claim.name() == "pvc-postgresql").expect("it is found");
    assert_eq!(first.keep_live.as_deref(), Some("keep"));
    assert_eq!(first.keep_stored, None);
    assert_eq!(first.size, "8Gi");
    let mounts: Vec<String> = first.mounts.iter().map(|mount| format!("{} {:?}", mount.pod, mount.workload)).collect();
    assert_eq!(mounts, ["Pod/postgresql-0 Some(StatefulSet.apps/runai-backend/postgresql)"]);
}

#[test]
fn a_hook_of_an_uninstall_that_mounts_a_claim_makes_its_end_unknown() {
    let end = |event: &str| {
        let hook = format!(
            "{{apiVersion: batch/v1, kind: Job, metadata: {{name: wipe, annotations: {{helm.sh/hook: {event}}}}}, spec: {{template: \
             {{spec: {{containers: [{{name: a, volumeMounts: [{{name: d, mountPath: /d}}]}}], volumes: [{{name: d, \
             persistentVolumeClaim: {{claimName: kept}}}}]}}}}}}}}"
        );
        let mut record = record_of(10, ReleaseStatus::Deployed);
        record.hooks = vec![hook];
        let mut all = answers();
        all.insert(list("", "Secret", NS), items(vec![(*record::encode(&record).0).clone()]));
        let volumes = survey(&all).inventory.volumes;
        let kept = volumes.into_iter().find(|volume| volume.claim.name() == "kept").expect("it is found");
        kept.if_uninstalled.verdict
    };
    assert_eq!(end("pre-delete"), Verdict::Unknown);
    assert_eq!(end("post-delete"), Verdict::Unknown);
    assert_eq!(end("pre-upgrade"), Verdict::Detached);
}

/// Helm marks what a hook makes in no way, and no manifest has it.
#[test]
fn what_a_hook_made_and_what_it_keeps_are_the_releases() {
    let hooks = [
        "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: store}}",
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: alone}}",
        "{apiVersion: batch/v1, kind: Job, metadata: {name: once}}",
    ];
    let mut all = answers();
    let mut record = record_of(10, ReleaseStatus::Deployed);
    record.hooks = hooks.map(str::to_owned).into();
    all.insert(list("", "Secret", NS), items(vec![(*record::encode(&record).0).clone()]));
    let set = json!({"kind": "StatefulSet", "apiVersion": "apps/v1", "metadata": {"name": "store", "namespace": NS},
        "spec": {"replicas": 1, "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"}}});
    all.insert(list("apps", "StatefulSet", NS), items(vec![set]));
    let once = json!({"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "once", "namespace": NS}});
    all.insert(list("batch", "Job", NS), items(vec![once]));
    let claims = ["data-store-0", "alone", "strange"];
    all.insert(list("", "PersistentVolumeClaim", NS), items(claims.map(|name| claim(name, json!({}))).into()));
    let inventory = survey(&all).inventory;
    let found = |workload: &&portolan_model::Workload| matches!(workload.name.name(), "store" | "once");
    let workloads = inventory.workloads.iter().filter(found).map(|workload| workload.name.name());
    assert_eq!(workloads.collect::<Vec<_>>(), ["store"], "a Job has its end");
    let fate = |name: &str| {
        let volume = inventory.volumes.iter().find(|volume| volume.claim.name() == name);
        volume.map(|volume| volume.if_uninstalled.verdict)
    };
    assert_eq!(claims.map(fate), [Some(Verdict::Detached), Some(Verdict::Detached), None], "no uninstall deletes them");
}

/// One change of the answers, and the verdict on `pvc-postgresql` (or another PVC) with it.
#[test]
fn an_uninstall_depends_on_policy_holders_owners_and_sets() {
    let uninstalled = |change: &dyn Fn(&mut BTreeMap<SurveyQuery, Answer>), name: &str| {
        let mut answers = answers();
        change(&mut answers);
        let inventory = survey(&answers).inventory;
        let volume = inventory.volumes.into_iter().find(|volume| volume.claim.name() == name).expect("it is found");
        (volume.if_uninstalled.verdict, volume.if_uninstalled.why)
    };
    let volumes = list("", "PersistentVolume", "");
    let retain = uninstalled(
        &|all| drop(all.insert(volumes.clone(), items(vec![pv("pvc-postgresql", "Retain")]))),
        "pvc-postgresql",
    );
    assert_eq!(retain, (Verdict::Detached, "helm uninstall deletes the PVC, policy is Retain".into()));

    let unseen = uninstalled(&|all| drop(all.insert(volumes.clone(), Answer::Denied("no".into()))), "pvc-postgresql");
    assert_eq!(unseen.0, Verdict::Unknown);

    let stranger = uninstalled(
        &|all| drop(all.insert(list("", "Pod", NS), items(vec![pod("backup", "pvc-postgresql", ("Job", "backup"))]))),
        "pvc-postgresql",
    );
    assert_eq!(
        stranger,
        (Verdict::Doomed, "helm uninstall deletes the PVC, policy is Delete; alive until pod backup ends".into())
    );

    let owned = uninstalled(
        &|all| {
            let owner = json!({"metadata": {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "redis"}]}});
            drop(all.insert(list("", "PersistentVolumeClaim", NS), items(vec![claim("data-redis-0", owner)])));
        },
        "data-redis-0",
    );
    assert_eq!(owned.0, Verdict::Lost);

    let deletes = uninstalled(
        &|all| {
            let mut sets = sets();
            sets[1]["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenDeleted": "Delete"});
            drop(all.insert(list("apps", "StatefulSet", NS), items(vec![sets[1].clone()])));
        },
        "data-redis-0",
    );
    assert_eq!(
        deletes,
        (Verdict::Lost, "StatefulSet/redis deletes its PVCs when it is deleted, policy is Delete".into())
    );
}

#[test]
fn workloads_say_how_they_are() {
    let inventory = survey(&answers()).inventory;
    let states: Vec<(String, bool, &str)> = inventory
        .workloads
        .iter()
        .map(|workload| (workload.name.to_string(), workload.ready, workload.state.as_str()))
        .collect();
    assert_eq!(
        states,
        [
            ("StatefulSet/postgresql".to_owned(), true, "1 of 1 ready"),
            ("StatefulSet/redis".to_owned(), false, "1 of 3 ready, 1 updated"),
            ("Deployment/gone".to_owned(), false, "not there"),
        ]
    );
}

#[test]
fn a_stateful_set_that_keeps_two_revisions_on_purpose_is_not_rolling_out() {
    for (strategy, observed, ready) in [
        (json!({"rollingUpdate": {"partition": 1}}), 1, true),
        (json!({"type": "OnDelete"}), 1, true),
        (json!({"rollingUpdate": {"partition": 0}}), 1, false),
        (json!({"rollingUpdate": {"partition": 1}}), 0, false),
    ] {
        let mut all = answers();
        let mut set = sets()[0].clone();
        set["spec"]["updateStrategy"] = strategy.clone();
        set["status"] = json!({"observedGeneration": observed, "readyReplicas": 1, "currentRevision": "one", "updateRevision": "two"});
        all.insert(list("apps", "StatefulSet", NS), items(vec![set]));
        assert_eq!(survey(&all).inventory.workloads[0].ready, ready, "{strategy}");
    }
}

#[test]
fn a_pod_of_a_deployment_is_the_deployments() {
    let mut all = answers();
    let deployment =
        json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "gone", "namespace": NS}});
    all.insert(list("apps", "Deployment", NS), items(vec![deployment]));
    all.insert(list("", "Pod", NS), items(vec![pod("gone-6f9-x", "strange", ("ReplicaSet", "gone-6f9"))]));
    let inventory = survey(&all).inventory;
    let strange =
        inventory.volumes.iter().find(|volume| volume.claim.name() == "strange").expect("a release's pod mounts it");
    assert_eq!(
        strange.mounts[0].workload.as_ref().map(Ref::full).as_deref(),
        Some("Deployment.apps/runai-backend/gone")
    );
}

#[test]
fn what_may_not_be_read_is_said_and_stops_only_where_nothing_can_be_said() {
    let mut all = answers();
    all.insert(list("", "Pod", NS), Answer::Denied("pods is forbidden".into()));
    all.insert(SurveyQuery::Get(namespace("kube-system")), Answer::Denied("no".into()));
    let own = json!({"metadata": {"name": NS, "uid": "own"}});
    all.insert(SurveyQuery::Get(namespace(NS)), items(vec![own]));
    let inventory = survey(&all).inventory;
    assert_eq!(inventory.denied().map(|scope| scope.kind.as_str()).collect::<Vec<_>>(), ["Pod"]);
    assert_eq!(inventory.cluster.uid, portolan_model::Uid::new("own"));

    let code =
        |all: &BTreeMap<SurveyQuery, Answer>| conclude(&id(), all, "s", "u", None).expect_err("it must stop").code;
    all.insert(SurveyQuery::Get(namespace(NS)), Answer::Denied("no".into()));
    assert_eq!(code(&all), Code::NotVisible);
    all.insert(list("", "Secret", NS), Answer::Denied("secrets is forbidden".into()));
    assert_eq!(code(&all), Code::NotVisible);
}

#[test]
fn without_the_release_the_others_are_named() {
    let other = ReleaseId { namespace: NS.into(), name: "runai".into() };
    let finding = conclude(&other, &answers(), "s", "u", None).expect_err("there is none");
    assert_eq!(finding.code, Code::NoRelease);
    assert_eq!(finding.evidence, ["found: runai-backend, revision 10, deployed"]);

    let mut all = answers();
    all.insert(list("", "Secret", NS), items(vec![]));
    let finding = conclude(&id(), &all, "s", "u", None).expect_err("there is none");
    assert_eq!(finding.evidence, ["namespace runai-backend has no release at all"]);
}

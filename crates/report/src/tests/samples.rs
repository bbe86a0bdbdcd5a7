//! A small installation, its plan, a journal and two forecasts.

use std::collections::BTreeMap;
use std::time::Duration;

use portolan_model::{
    ArchivedObject, Change, Code, DatabaseRef, Digest, Entry, Finding, HelmClient, HelmOperation, HelmRun, Hop,
    Inventory, JournalRecord, NewClaim, ObjectChange, Observation, Orphan, Outcome, Plan, PlannedValue, Precondition,
    ProtectedVolume, Provenance, Ref, ReleaseId, ReleaseStatus, ReliedKinds, SecretKey, Snapshot, Step, StepKind,
    StepRef, Table, Uid, Undo, ValueChange, ValuesMode, ValuesPath, Verdict, VolumeEnd,
};
use portolan_rehearse::{
    Cause, ClaimDeletion, Forecast, Rehearsal, Trace, TraceActor, TraceLine, TracePlace, VolumeForecast, WeighedEnd,
};
use serde_json::json;

const NS: &str = "runai-backend";

fn version<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_value(json!(text)).expect("a version")
}

fn chart(name: &str, text: &str) -> portolan_model::ChartId {
    portolan_model::ChartId { name: name.into(), version: version(text) }
}

pub(super) fn claim() -> Ref {
    Ref::claim(NS, "pvc-postgresql")
}

fn volume() -> Ref {
    Ref::volume("pvc-8a1f")
}

fn helm() -> HelmClient {
    HelmClient::Program { version: version("3.14.4"), path: "/usr/local/bin/helm".into(), digest: Digest::of(b"helm") }
}

fn release() -> ReleaseId {
    ReleaseId { namespace: NS.into(), name: "runai-backend".into() }
}

fn database() -> DatabaseRef {
    DatabaseRef {
        pod: Ref::pod(NS, "postgresql-0"),
        port: 5432,
        user: "postgres".into(),
        database: "backend".into(),
        password: SecretKey { secret: Ref::secret(NS, "runai-backend-postgresql"), key: "password".into() },
        outside: None,
    }
}

/// Four records, the newest first.
fn history() -> Vec<serde_json::Value> {
    let record = |revision: u32, status: &str| {
        json!({
            "revision": revision, "status": status, "chart": {"name": "runai-backend", "version": "2.8.20"},
            "app_version": "2.8", "deployed": "", "description": ""
        })
    };
    vec![record(7, "deployed"), record(6, "superseded"), record(5, "failed"), record(4, "superseded")]
}

pub(super) fn inventory() -> Inventory {
    serde_json::from_value(json!({
        "format": portolan_model::FORMAT,
        "cluster": {
            "server": "https://api.prod:6443", "user": "jdoe", "uid": "5c1e0f2a-1111", "version": "v1.27.8",
            "platform": {"platform": "open-shift", "version": "4.14.31", "apps_domain": "apps.prod"},
            "default_class": "standard", "groups": ["apps", "config.openshift.io"]
        },
        "helm": {"helm": "program", "version": "3.14.4", "path": "/usr/local/bin/helm", "digest": Digest::of(b"helm")},
        "release": {
            "id": {"namespace": NS, "name": "runai-backend"}, "revision": 7, "status": "deployed",
            "chart": {"name": "runai-backend", "version": "2.8.20"}, "deployed": "2024-02-11", "driver": "secret",
            "history": history(),
            "damaged": [{"revision": 3, "why": "its gzip is damaged"}]
        },
        "volumes": [{
            "claim": claim(), "claim_uid": "c-1", "volume": volume(), "volume_uid": "v-1", "policy": "Delete",
            "class": "standard", "size": "8Gi", "keep_live": null, "keep_stored": null, "in_manifest": true,
            "terminating": false, "mounts": [{"pod": Ref::pod(NS, "postgresql-0"), "workload": null}],
            "if_uninstalled": {"verdict": "Lost", "why": "the PVC is the release's, and the volume's policy is Delete"}
        }],
        "workloads": [
            {"name": Ref::set(NS, "keycloak"), "ready": true, "state": "1 of 1 ready"},
            {"name": Ref::set(NS, "runai-backend-postgresql"), "ready": false, "state": "0 of 1 ready"}
        ],
        "hosts": [{"object": Ref::new("route.openshift.io", "Route", NS, "runai-backend"), "host": "runai.apps.prod"}],
        "classes": [
            {"name": "standard", "provisioner": "p", "policy": "Delete"}, {"name": "slow", "provisioner": "p", "policy": "Retain"}
        ],
        "coverage": [{"scope": {"kind": "StorageClass", "namespace": ""}, "coverage": {"denied": "forbidden"}}],
        "requests": {"reads": 38, "writes": 0}
    }))
    .expect("an inventory")
}

fn step(id: &str, kind: StepKind, undo: Undo, line: Option<u32>, command: &str) -> Step {
    let page = if line.is_some() { "upgrade" } else { "portolan" };
    Step {
        id: id.into(),
        kind,
        sources: vec![Provenance { page: page.into(), line, boundary: "into 2.9".into() }],
        why: format!("Because of {id}."),
        command: if command.is_empty() { Vec::new() } else { vec![command.into()] },
        undo,
        limit: Duration::from_secs(120),
    }
}

fn helm_run() -> HelmRun {
    HelmRun {
        release: release(),
        base_revision: Some(7),
        client: helm(),
        chart: chart("control-plane", "2.20.41"),
        archive: Some(Digest::of(b"chart")),
        values: Some(Digest::of(b"{}")),
        carried: Vec::new(),
        mode: ValuesMode::ResetThenReuse,
        manifest: Digest::of(b"manifest"),
        docs: BTreeMap::new(),
        nondeterministic_fields: BTreeMap::new(),
        required_keys: Vec::new(),
    }
}

fn steps() -> Vec<Step> {
    let (set, uid) = (Ref::set(NS, "runai-backend-postgresql"), Uid::new("s-1"));
    let secret = Ref::secret(NS, "runai-backend-postgresql");
    let pod = Ref::pod(NS, "postgresql-0");
    let (claim_uid, volume_uid) = (Uid::new("c-1"), Uid::new("v-1"));
    let patch_pv = "kubectl patch pv pvc-8a1f -p '{\"spec\":{\"persistentVolumeReclaimPolicy\":\"Retain\"}}'";
    let upgrade = "helm upgrade runai-backend control-plane-2.20.41.tgz -n runai-backend --reset-then-reuse-values \
                   -f values.yaml --set postgresql.primary.persistence.existingClaim=pvc-postgresql";
    let retain = StepKind::RetainVolume { volume: volume(), uid: volume_uid.clone(), before: "Delete".into() };
    let keep = StepKind::KeepClaim { claim: claim(), uid: claim_uid.clone(), is_kept: false };
    let gone = StepKind::WaitGone { pods: vec![Orphan { pod: pod.clone(), owner: uid.clone() }] };
    let delete = StepKind::DeleteObject { target: set.clone(), uid };
    let verify = StepKind::VerifyVolume {
        claim: claim(),
        claim_uid,
        volume: volume(),
        volume_uid,
        mounted_by: vec![pod],
        sets: vec![],
        known_claims: [claim()].into(),
    };
    let check = StepKind::VerifyDatabase { database: database(), may_change: vec!["public.*".into()] };
    vec![
        step("retain", retain, Undo::Reverse, Some(36), patch_pv),
        step("keep", keep, Undo::Reverse, Some(67), "kubectl annotate pvc pvc-postgresql helm.sh/resource-policy=keep"),
        step("record", StepKind::RecordDatabase { database: database() }, Undo::Nothing, None, ""),
        step("archive", StepKind::ArchiveObject { objects: vec![secret, set] }, Undo::Nothing, None, ""),
        step(
            "delete-set",
            delete,
            Undo::Restore,
            Some(39),
            "kubectl delete sts -n runai-backend runai-backend-postgresql",
        ),
        step(
            "delete-set",
            gone,
            Undo::Nothing,
            Some(39),
            "kubectl wait --for=delete pod -n runai-backend postgresql-0",
        ),
        step(
            "upgrade",
            StepKind::Helm { op: HelmOperation::Upgrade, run: Box::new(helm_run()) },
            Undo::ForwardOnly,
            Some(113),
            upgrade,
        ),
        step("verify-volume", verify, Undo::Nothing, None, ""),
        step("verify-database", check, Undo::Nothing, None, ""),
    ]
}

pub(super) fn plan() -> Plan {
    let route = Ref::new("route.openshift.io", "Route", NS, "old");
    let change = |change, object| ObjectChange { object, change, why: String::new() };
    let changes = vec![
        change(Change::Create, Ref::set(NS, "keycloak-new")),
        change(Change::Keep, claim()),
        change(Change::Delete, route),
    ];
    let new_claims = vec![NewClaim {
        claim: Ref::claim(NS, "data-redis-0"),
        set: Ref::set(NS, "redis"),
        size: "8Gi".into(),
        class: None,
    }];
    let (from, to) = (chart("runai-backend", "2.8.20"), chart("control-plane", "2.20.41"));
    Plan {
        format: portolan_model::FORMAT,
        cluster: Uid::new("5c1e0f2a-1111"),
        server: "https://api.prod:6443".into(),
        release: release(),
        other_releases: Vec::new(),
        helm: helm(),
        from: from.clone(),
        to: to.clone(),
        hops: vec![Hop {
            release: None,
            from,
            to,
            boundaries: vec!["into 2.9".into(), "into 2.12".into()],
            steps: steps(),
            changes,
            new_claims,
            hooks: Vec::new(),
            values: vec![
                value("deployment.domain", ValueChange::Replaced("global.domain".into())),
                value("images.postgres", ValueChange::Carried),
                value("theme", ValueChange::Dropped),
            ],
        }],
        unmodelled: Vec::new(),
        lookups: BTreeMap::new(),
        kinds: ReliedKinds::default(),
        preconditions: BTreeMap::from([(claim(), Precondition::same(Uid::new("c-1")))]),
        volumes: vec![protected()],
        databases: vec![database()],
        without: Vec::new(),
        accepted: Vec::new(),
        backup: None,
        registry: None,
        findings: vec![Finding::warning(Code::NotVisible, "storage classes may not be read")],
    }
}

/// What nine steps ended with.
pub(super) fn notes() -> Vec<portolan_engine::StepNote> {
    vec![portolan_engine::StepNote { wrote: false, text: "fine".into() }; 9]
}

fn value(path: &str, change: ValueChange) -> PlannedValue {
    PlannedValue { path: ValuesPath::new(path), change, hint: String::new() }
}

fn protected() -> ProtectedVolume {
    ProtectedVolume { claim: claim(), claim_uid: Uid::new("c-1"), volume: volume(), volume_uid: Uid::new("v-1") }
}

/// An end that counts as what is seen; only a PVC that is there holds its volume.
fn end(verdict: Verdict, end: portolan_model::End, release: ReleaseStatus) -> WeighedEnd {
    WeighedEnd { counts_as: verdict, seen: VolumeEnd { verdict, end, release }, holds: verdict == Verdict::Safe }
}

/// A run that stopped before anybody mounted the volume again.
fn held() -> WeighedEnd {
    let end = end(Verdict::Detached, portolan_model::End::Stopped, ReleaseStatus::Deployed);
    WeighedEnd { counts_as: Verdict::Safe, holds: true, ..end }
}

fn trace(worlds: usize, lines: &[TraceLine]) -> Trace {
    Trace { worlds, lines: lines.to_vec(), at_step: Some(6), cause: None, deletion: None }
}

/// A trace on which an upgrade by helm deletes the PVC; a line of it, from 0, decides.
fn deleted(worlds: usize, lines: &[TraceLine], line: usize, rule: &'static str) -> Trace {
    let cause = Some(Cause { line, rule: Some(rule) });
    Trace { cause, deletion: Some(ClaimDeletion::HelmUpgrade), ..trace(worlds, lines) }
}

fn line(at: Option<TracePlace>, by: TraceActor, what: &str, rule: Option<&'static str>) -> TraceLine {
    TraceLine { at, by, what: what.into(), rule }
}

/// Everything Safe: a run that stopped leaves a PVC that nobody mounts yet.
pub(super) fn safe() -> Forecast {
    let ends = BTreeMap::from([
        (end(Verdict::Safe, portolan_model::End::Finished, ReleaseStatus::Deployed), trace(12, &[])),
        (held(), trace(30, &[])),
    ]);
    Forecast {
        volumes: vec![VolumeForecast {
            protected: protected(),
            headline: Verdict::Safe,
            ends,
            finishes: true,
            unknown: Vec::new(),
            stuck: None,
        }],
        worlds: 31_204,
        edges: 61_000,
        crashes: 2_118,
        unmodelled: vec![Ref::new("", "ConfigMap", NS, "a"), Ref::new("", "Service", NS, "b")],
    }
}

/// What a page followed by hand comes to.
pub(super) fn lost() -> Forecast {
    let typed = |at, what| line(Some(TracePlace::Line(at)), TraceActor::Person, what, None);
    let lines = [
        typed(36, "kubectl delete secret runai-backend-postgresql"),
        typed(113, "helm upgrade"),
        line(
            None,
            TraceActor::Helm,
            "helm deletes PersistentVolumeClaim/pvc-postgresql: the new chart does not have it",
            None,
        ),
        line(None, TraceActor::Cluster, "PersistentVolumeClaim/pvc-postgresql goes", Some("R6")),
        line(None, TraceActor::Cluster, "PersistentVolume/pvc-8a1f and its disk are erased", Some("R8")),
    ];
    let ends = BTreeMap::from([
        (end(Verdict::Lost, portolan_model::End::Finished, ReleaseStatus::Deployed), deleted(212, &lines, 4, "R8")),
        (
            end(Verdict::Doomed, portolan_model::End::Finished, ReleaseStatus::Deployed),
            deleted(94, &lines[..3], 2, "H12"),
        ),
    ]);
    let volume = VolumeForecast {
        protected: protected(),
        headline: Verdict::Lost,
        ends,
        finishes: true,
        unknown: Vec::new(),
        stuck: None,
    };
    Forecast { volumes: vec![volume], ..safe() }
}

/// What a plan without `keep` comes to: the PVC goes, Retain keeps the disk.
pub(super) fn unguarded() -> (Plan, Forecast) {
    let mut plan = plan();
    plan.without = vec!["keep".into()];
    plan.hops[0].steps.remove(1);
    let at = |step| Some(TracePlace::Step(step));
    let lines = [
        line(
            at(5),
            TraceActor::Helm,
            "helm deletes PersistentVolumeClaim/pvc-postgresql: the new chart does not have it",
            None,
        ),
        line(at(6), TraceActor::Cluster, "PersistentVolumeClaim/pvc-postgresql goes", Some("R6")),
        line(at(6), TraceActor::Cluster, "PersistentVolume/pvc-8a1f is released", Some("R5")),
    ];
    let mut forecast = lost();
    forecast.volumes[0].headline = Verdict::Detached;
    forecast.volumes[0].ends = BTreeMap::from([
        (end(Verdict::Safe, portolan_model::End::Finished, ReleaseStatus::Deployed), trace(94, &[])),
        (end(Verdict::Detached, portolan_model::End::Stopped, ReleaseStatus::Deployed), deleted(212, &lines, 0, "H12")),
    ]);
    (plan, forecast)
}

fn snapshot(tables: &[(&str, u64, &str)]) -> Snapshot {
    let table = |(name, rows, column): &(&str, u64, &str)| {
        ((*name).to_owned(), Table { rows: *rows, columns: vec![(*column).to_owned()], ..Table::default() })
    };
    Snapshot {
        system_identifier: "7291000000000000001".into(),
        server_version: "15.20".into(),
        database: "backend".into(),
        tables: tables.iter().map(table).collect(),
        others: BTreeMap::new(),
    }
}

/// The records of the first `over` steps, then an outcome.
pub(super) fn journal(over: usize, outcome: Option<Outcome>) -> Vec<Entry> {
    let done = |note: &str| Observation::Done { note: note.into() };
    let before = snapshot(&[("public.clusters", 3, "id"), ("public.old", 2, "id"), ("keycloak.users", 10, "id")]);
    let after = snapshot(&[
        ("public.clusters", 3, "id, name"),
        ("public.old", 2, "id"),
        ("keycloak.users", 12, "id"),
        ("public.new", 0, "id"),
    ]);
    let look = |snapshot: Snapshot, note: &str| Observation::Database {
        pod: Ref::pod(NS, "postgresql-0"),
        snapshot,
        note: note.into(),
    };
    let archived = vec![
        ArchivedObject {
            object: Ref::secret(NS, "runai-backend-postgresql"),
            uid: Uid::new("x-1"),
            digest: Digest::of(b"secret"),
        },
        ArchivedObject {
            object: Ref::set(NS, "runai-backend-postgresql"),
            uid: Uid::new("s-1"),
            digest: Digest::of(b"set"),
        },
    ];
    let observations = vec![
        done("reclaim policy is Retain"),
        Observation::WasDone { note: "annotation is keep".into() },
        look(before, "PostgreSQL 15.20, 3 tables, 15 rows"),
        Observation::Archived { objects: archived },
        done("StatefulSet/runai-backend-postgresql is gone"),
        Observation::WasDone { note: "1 pod ended".into() },
        done("revision 8 deployed; the stored manifest is the planned one (41 objects)"),
        Observation::WasDone {
            note: "PersistentVolumeClaim/pvc-postgresql is on PersistentVolume/pvc-8a1f, same UIDs".into(),
        },
        look(after, "same database; 4 tables: 1 equal, 1 grew, 1 new, changed by the migration: public.clusters"),
    ];
    let mut records =
        vec![JournalRecord::Started { plan: plan().digest(), host: "bastion".into() }, JournalRecord::Bound];
    for (at, observation) in (0..).zip(observations.into_iter().take(over)) {
        records.push(JournalRecord::Observed { step: StepRef { index: at, attempt: 0 }, observation });
    }
    records.extend(outcome.map(|outcome| JournalRecord::Ended { outcome }));
    let prev = Digest::of(b"");
    let entry =
        |(seq, record): (u64, JournalRecord)| Entry { seq, prev: prev.clone(), at: 1_754_042_400 + 9 * seq, record };
    (0..).zip(records).map(entry).collect()
}

pub(super) fn moved() -> Finding {
    Finding::blocking(Code::Moved, "the installation is not as it was when the plan was made; nothing was written")
        .with("PersistentVolumeClaim/pvc-postgresql  metadata.annotations.helm.sh/resource-policy: keep -> (absent)")
        .with("29 of 30 objects are unchanged")
        .why("step 8 relies on it: helm deletes a PVC, or keeps it, by this annotation")
        .next("portolan plan")
}

/// The folder of the run.
pub(super) const FOLDER: &str = "~/.local/state/portolan/5c1e0f2a/runai-backend/7f3a";

/// A rehearsal that took 0.8 s.
pub(super) fn rehearsed(forecast: &Forecast) -> Rehearsal {
    Rehearsal { forecast: forecast.clone(), took: std::time::Duration::from_millis(800) }
}

/// What a report is given beside plan and journal.
pub(super) fn run_end<'a>(rehearsal: Option<&'a Rehearsal>, now: &'a crate::Now) -> crate::RunEnd<'a> {
    crate::RunEnd { rehearsal, folder: FOLDER, simulated: None, routes: &[], now }
}

/// The end of a run as it is read once more: everything runs and is protected.
pub(super) fn now() -> crate::Now {
    let protected = protected();
    let object = |json: serde_json::Value| portolan_model::Seen::There(portolan_model::Object::new(json));
    let claim = serde_json::json!({
        "kind": "PersistentVolumeClaim", "spec": {"volumeName": protected.volume.name()},
        "metadata": {"uid": protected.claim_uid, "annotations": {"helm.sh/resource-policy": "keep"}},
    });
    let volume = serde_json::json!({
        "kind": "PersistentVolume", "metadata": {"uid": protected.volume_uid}, "spec": {"persistentVolumeReclaimPolicy": "Retain"},
    });
    let pod = serde_json::json!({"kind": "Pod", "status": {"phase": "Running"}});
    let pods = plan().databases.into_iter().map(|database| (database.pod, object(pod.clone())));
    [(protected.claim.clone(), object(claim)), (protected.volume, object(volume))].into_iter().chain(pods).collect()
}

/// The same with the database stopped.
pub(super) fn stopped() -> crate::Now {
    let pods = plan().databases.into_iter().map(|database| (database.pod, portolan_model::Seen::Absent));
    now().into_iter().chain(pods).collect()
}

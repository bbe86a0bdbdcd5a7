//! What a person would type for a step.

use portolan_helm_compat::argv;
use portolan_model::{Carried, DatabaseRef, OutsideServer, Ref, SecretKey, StepKind};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// What helm is given beside carried values.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) values: &'a Value,
    /// The paths of the credentials among them.
    pub(super) hidden: &'a BTreeSet<String>,
}

/// What a person would type, a line each.
pub(super) fn of(kind: &StepKind, given: Given<'_>, limit: Duration) -> Vec<String> {
    let limit = limit.as_secs();
    match kind {
        // Helm has no command that asks the server about each write.
        StepKind::CheckObjects { .. } => Vec::new(),
        StepKind::RetainVolume { volume, .. } => vec![portolan_kube_facts::retain_by_hand(volume.name())],
        StepKind::KeepClaim { claim, .. } => vec![format!(
            r#"kubectl patch {} -p '{{"metadata":{{"annotations":{{"helm.sh/resource-policy":"keep"}}}}}}'"#,
            words(claim)
        )],
        StepKind::RecordDatabase { database } | StepKind::VerifyDatabase { database, .. } => vec![
            psql(database, "select system_identifier from pg_control_system()"),
            psql(database, "select schemaname, relname, n_live_tup from pg_stat_user_tables"),
        ],
        StepKind::ArchiveObject { objects } => objects
            .iter()
            .map(|name| format!("kubectl get {} -o json > {}-{}.json", words(name), word(name), name.name()))
            .collect(),
        StepKind::CarryCredentials { carried, .. } => carried.iter().map(carry).collect(),
        StepKind::DeleteObject { target, .. } => vec![format!("kubectl delete {}", words(target))],
        // The archive is in the run's folder: no command of a person's reads it.
        StepKind::RestoreObject { .. } => Vec::new(),
        StepKind::WaitGone { pods } => pods
            .iter()
            .map(|orphan| format!("kubectl wait --for=delete {} --timeout={limit}s", words(&orphan.pod)))
            .collect(),
        StepKind::Helm { op, run } => argv::show_command(*op, run, given.values, given.hidden),
        StepKind::WaitReady { workloads } => workloads.iter().map(|name| wait(name, limit)).collect(),
        StepKind::VerifyVolume { claim, volume, .. } => {
            vec![format!("kubectl get {} -o yaml", words(claim)), format!("kubectl get pv {} -o yaml", volume.name())]
        }
    }
}

/// The kind as kubectl takes it.
fn word(name: &Ref) -> String {
    match (name.group(), name.kind()) {
        ("", "PersistentVolumeClaim") => "pvc".into(),
        ("", "PersistentVolume") => "pv".into(),
        ("" | "apps" | "batch" | "route.openshift.io", kind) => kind.to_lowercase(),
        (group, kind) => format!("{}.{group}", kind.to_lowercase()),
    }
}

/// Kind, namespace and name as kubectl takes them.
pub(super) fn words(name: &Ref) -> String {
    if name.namespace().is_empty() {
        return format!("{} {}", word(name), name.name());
    }
    format!("{} -n {} {}", word(name), name.namespace(), name.name())
}

fn wait(name: &Ref, limit: u64) -> String {
    match name.kind() {
        "Deployment" | "StatefulSet" | "DaemonSet" => {
            format!("kubectl rollout status {} --timeout={limit}s", words(name))
        }
        "Job" => format!("kubectl wait --for=condition=complete {} --timeout={limit}s", words(name)),
        _ => format!("kubectl get {}", words(name)),
    }
}

/// Into the variable under which the helm command shows it.
pub(super) fn carry(carried: &Carried) -> String {
    let SecretKey { secret, key } = &carried.from;
    let name: String = carried
        .path
        .as_str()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    let key = key.replace('.', r"\.");
    format!("{name}=$(kubectl get {} -o jsonpath='{{.data.{key}}}' | base64 -d)", words(secret))
}

fn psql(database: &DatabaseRef, query: &str) -> String {
    let DatabaseRef { pod, port, user, database, outside, .. } = database;
    if let Some(OutsideServer { host, ssl_mode, .. }) = outside {
        let mode = ssl_mode.word();
        return format!("psql 'host={host} port={port} user={user} dbname={database} sslmode={mode}' -Atc \"{query}\"");
    }
    format!(
        "kubectl exec -n {} {} -- psql -h 127.0.0.1 -p {port} -U {user} -d {database} -Atc \"{query}\"",
        pod.namespace(),
        pod.name()
    )
}

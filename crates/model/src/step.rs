use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::seconds;
use crate::{ArchivedCopy, Carried, DatabaseRef, HelmOperation, HelmRun, ObjectCheck, Orphan, Ref, Uid};

/// One step of a plan: everything is decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The recipe's id of it, as `--without` takes it. Several steps may come from one line of a recipe.
    pub id: String,
    /// What is done.
    pub kind: StepKind,
    /// Where this comes from.
    pub sources: Vec<Provenance>,
    /// Why, in one sentence.
    pub why: String,
    /// What a person would type, a line each.
    pub command: Vec<String>,
    /// How it is undone.
    pub undo: Undo,
    /// How long its waiting may take. In the file: seconds.
    #[serde(with = "seconds")]
    #[schemars(with = "u64")]
    pub limit: Duration,
}

impl Step {
    /// The run of helm that it is; `None` for every other step.
    #[must_use]
    pub fn helm_run(&self) -> Option<&HelmRun> {
        self.helm().map(|(_, run)| run)
    }

    /// The run of helm that it is, and what that does with the release; `None` for every other step.
    #[must_use]
    pub fn helm(&self) -> Option<(HelmOperation, &HelmRun)> {
        if let StepKind::Helm { op, run } = &self.kind { Some((*op, run)) } else { None }
    }
}

/// What a step does: a closed set. A recipe names one and gives arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StepKind {
    /// Checks every object that helm will write in the hop against the cluster: existence, owner, references, and the API
    /// server's dry run of each write and of each pod. Writes nothing.
    CheckObjects {
        /// What is checked.
        check: Box<ObjectCheck>,
    },
    /// Sets a volume's reclaim policy to Retain.
    RetainVolume {
        /// The volume.
        volume: Ref,
        /// Its UID.
        uid: Uid,
        /// Its policy at plan time.
        before: String,
    },
    /// Sets `helm.sh/resource-policy: keep` on a live PVC.
    KeepClaim {
        /// The PVC.
        claim: Ref,
        /// Its UID.
        uid: Uid,
        /// Whether it has the annotation at plan time, or will have it by then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_kept: bool,
    },
    /// Looks into a database and records what is there.
    RecordDatabase {
        /// The database.
        database: DatabaseRef,
    },
    /// Puts objects into the run's archive.
    ArchiveObject {
        /// The objects.
        objects: Vec<Ref>,
    },
    /// Makes sure that passwords are in the archive and open the database.
    CarryCredentials {
        /// The values that helm will be given.
        carried: Vec<Carried>,
        /// The database that they open.
        database: DatabaseRef,
    },
    /// Deletes an object that was archived. Never a PVC or a volume.
    DeleteObject {
        /// The object.
        target: Ref,
        /// Its UID.
        uid: Uid,
    },
    /// Creates an object again that an earlier run deleted. Never a PVC or a volume.
    RestoreObject {
        /// The object.
        target: Ref,
        /// The UID that it had; it gets another one.
        uid: Uid,
        /// What is created.
        copy: ArchivedCopy,
    },
    /// Waits until the pods of what was deleted have ended: all at once, since they end beside each other.
    WaitGone {
        /// The pods.
        pods: Vec<Orphan>,
    },
    /// Runs helm.
    Helm {
        /// What helm does.
        op: HelmOperation,
        /// The run.
        run: Box<HelmRun>,
    },
    /// Waits until workloads are as their specs ask, and the routes are there.
    WaitReady {
        /// The workloads and routes.
        workloads: Vec<Ref>,
    },
    /// Checks that a PVC is the one it was, on the volume it was, and mounted, and that the release has no other new PVC
    /// that the plan does not have.
    VerifyVolume {
        /// The PVC.
        claim: Ref,
        /// Its UID.
        claim_uid: Uid,
        /// The volume.
        volume: Ref,
        /// Its UID.
        volume_uid: Uid,
        /// The pods that are to mount it.
        mounted_by: Vec<Ref>,
        /// The release's sets: a PVC named `<template>-<set>-<ordinal>` after one of them is the release's.
        sets: Vec<Ref>,
        /// The PVCs that may be there: those of plan time and those that the new manifests make.
        known_claims: BTreeSet<Ref>,
    },
    /// Checks that a database is the recorded one and lost nothing.
    VerifyDatabase {
        /// The database.
        database: DatabaseRef,
        /// Tables (`schema.table`, or `schema.*`) that a migration may change.
        may_change: Vec<String>,
    },
}

impl StepKind {
    /// The kind's name as recipes write it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::CheckObjects { .. } => "check-objects",
            Self::RetainVolume { .. } => "retain-volume",
            Self::KeepClaim { .. } => "keep-claim",
            Self::RecordDatabase { .. } => "record-database",
            Self::ArchiveObject { .. } => "archive-object",
            Self::CarryCredentials { .. } => "carry-credentials",
            Self::DeleteObject { .. } => "delete-object",
            Self::RestoreObject { .. } => "restore-object",
            Self::WaitGone { .. } => "wait-gone",
            Self::Helm { op: HelmOperation::Install, .. } => "helm-install",
            Self::Helm { op: HelmOperation::Upgrade, .. } => "helm-upgrade",
            Self::Helm { op: HelmOperation::Uninstall { .. }, .. } => "helm-uninstall",
            Self::WaitReady { .. } => "wait-ready",
            Self::VerifyVolume { .. } => "verify-volume",
            Self::VerifyDatabase { .. } => "verify-database",
        }
    }

    /// The objects that the step itself writes to; what helm writes is in the hop's changes.
    #[must_use]
    pub fn writes(&self) -> Vec<&Ref> {
        match self {
            Self::RetainVolume { volume, .. } => vec![volume],
            Self::KeepClaim { claim, .. } => vec![claim],
            Self::DeleteObject { target, .. } | Self::RestoreObject { target, .. } => vec![target],
            _ => Vec::new(),
        }
    }
}

/// Where a step comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// The page, or `portolan` for a protection of ours.
    pub page: String,
    /// The line, where the page has it.
    pub line: Option<u32>,
    /// The boundary that asks for it.
    pub boundary: String,
}

/// How a step is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// Nothing was changed, or what was changed back need not be changed again.
    Nothing,
    /// The change is reversed.
    Reverse,
    /// What was removed is put back from the archive.
    Restore,
    /// It cannot be undone; the way on is forward.
    ForwardOnly,
}

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ApplyMethod, ChartId, HelmClient, Object, Ref, ReleaseId, ReleaseStatus, SecretKey, Uid, Verdict};

/// What was found: facts, and which facts could not be had. Secrets' data is not in it, only their keys. Written out by
/// itself it has no values, no manifest and no objects, since these may show passwords: [`SavedInventory`] has them redacted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// The version of this format.
    pub format: u32,
    /// When it was looked at, in seconds since 1970, by the clock of whoever looked; a simulation has no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<u64>,
    /// The cluster.
    pub cluster: Cluster,
    /// The helm client that was found.
    pub helm: Option<HelmClient>,
    /// The release.
    pub release: Release,
    /// The volumes that the release's PVCs and workloads touch.
    pub volumes: Vec<Volume>,
    /// The workloads of the release.
    pub workloads: Vec<Workload>,
    /// The hosts of the namespace's Routes and Ingresses.
    pub hosts: Vec<Host>,
    /// The storage classes.
    pub classes: Vec<StorageClass>,
    /// Every object that was read, Secrets without their data.
    #[serde(skip)]
    pub objects: BTreeMap<Ref, Object>,
    /// What may be concluded from absence.
    pub coverage: Vec<ScopeCoverage>,
    /// What looking cost.
    pub requests: Requests,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cluster {
    /// The API server's address.
    pub server: String,
    /// The user as whom it was read.
    pub user: String,
    /// The UID of the namespace `kube-system`, or of the release's namespace where that may not be read.
    pub uid: Uid,
    /// The version of Kubernetes.
    pub version: String,
    /// Which platform it is.
    pub platform: Platform,
    /// The default storage class.
    pub default_class: Option<String>,
    /// The API groups that the server offers; the core group is not among them.
    pub groups: Vec<String>,
    /// What helm calls the server's capabilities (`apps/v1`, `route.openshift.io/v1/Route`); empty where it was not asked.
    #[serde(default)]
    pub api_versions: Vec<String>,
}

/// Which platform a cluster is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "platform", rename_all = "kebab-case")]
pub enum Platform {
    /// Plain Kubernetes.
    Kubernetes,
    /// OpenShift: the API group `config.openshift.io` is served.
    OpenShift {
        /// The version, from `ClusterVersion/version`; empty where that may not be read.
        version: String,
        /// The domain of new routes, from `ingresses.config.openshift.io/cluster`.
        apps_domain: String,
    },
}

/// The release as its newest record says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    /// Its name and namespace.
    pub id: ReleaseId,
    /// The newest revision.
    pub revision: u32,
    /// Its status.
    pub status: ReleaseStatus,
    /// The chart.
    pub chart: ChartId,
    /// When it was deployed, as helm wrote it.
    pub deployed: String,
    /// Where helm keeps its records.
    pub driver: Driver,
    /// How helm wrote the newest revision.
    #[serde(default)]
    pub apply: ApplyMethod,
    /// Every record that can be read, newest first.
    pub history: Vec<Revision>,
    /// The records that cannot be read, newest first. The newest record of all is never among them.
    pub damaged: Vec<DamagedRecord>,
    /// The user-supplied values: they may hold passwords, so they are not written out.
    #[serde(skip)]
    pub config: Value,
    /// The values.yaml of the chart that is installed; empty where it is not known.
    #[serde(skip)]
    pub defaults: Value,
    /// The stored manifest, Secrets without their data.
    #[serde(skip)]
    pub docs: Vec<Object>,
    /// The stored hooks, Secrets without their data.
    #[serde(skip)]
    pub hooks: Vec<Object>,
    /// What an uninstall reads as `helm.sh/resource-policy` of an object of the stored manifest. For an item of a list that is the
    /// annotation of the list, not its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub uninstall_policies: BTreeMap<Ref, String>,
}

/// Where helm keeps its records (`HELM_DRIVER`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// In Secrets, as helm does unless it is told otherwise.
    Secret,
    /// In `ConfigMap`s: `HELM_DRIVER=configmap`.
    ConfigMap,
}

/// A record of the release, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Revision {
    /// Its revision.
    pub revision: u32,
    /// Its status.
    pub status: ReleaseStatus,
    /// The chart.
    pub chart: ChartId,
    /// The version of what the chart installs.
    pub app_version: String,
    /// When it was deployed, as helm wrote it.
    pub deployed: String,
    /// What helm wrote about how it went.
    pub description: String,
}

/// A record that cannot be read. Helm passes over it without a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DamagedRecord {
    /// Its revision, by the name of the object that holds it.
    pub revision: u32,
    /// What is wrong with it.
    pub why: String,
}

/// A host under which something of the namespace is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// The Route or Ingress.
    pub object: Ref,
    /// The host.
    pub host: String,
}

/// A storage class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StorageClass {
    /// Its name.
    pub name: String,
    /// Who makes its volumes.
    pub provisioner: String,
    /// The reclaim policy of its volumes.
    pub policy: String,
}

/// An inventory that may be written out and handed on: what looks like a credential was taken out of it. It is whole
/// enough to plan and to rehearse with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SavedInventory {
    /// What was taken out and what was not, for whoever opens the file.
    pub about: String,
    /// What was found.
    #[serde(flatten)]
    pub inventory: Inventory,
    /// The user-supplied values, redacted.
    pub values: Value,
    /// The stored manifest, redacted.
    pub manifest: Vec<Object>,
    /// The stored hooks, redacted.
    pub hooks: Vec<Object>,
    /// The objects that were read, redacted.
    pub objects: BTreeMap<Ref, Object>,
    /// Keys of Secrets that hold the same text, a list for each text that is there more than once.
    pub alike: Vec<Vec<SecretKey>>,
    /// The places where something was taken out.
    pub redacted: Vec<String>,
}

impl SavedInventory {
    /// The inventory with its redacted parts back in place.
    #[must_use]
    pub fn into_inventory(self) -> Inventory {
        let mut inventory = self.inventory;
        inventory.release.config = self.values;
        inventory.release.docs = self.manifest;
        inventory.release.hooks = self.hooks;
        inventory.objects = self.objects;
        inventory
    }
}

/// A volume and the PVC that holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Volume {
    /// The PVC.
    pub claim: Ref,
    /// The PVC's UID.
    pub claim_uid: Uid,
    /// The volume; `None` where the PVC is not bound.
    pub volume: Option<Ref>,
    /// The volume's UID.
    pub volume_uid: Option<Uid>,
    /// `Retain`, `Delete`, `Recycle`; `None` where volumes may not be read.
    pub policy: Option<String>,
    /// The PVC's storage class.
    pub class: Option<String>,
    /// The PVC's size.
    pub size: String,
    /// The value of the live annotation `helm.sh/resource-policy`: what an upgrade reads.
    pub keep_live: Option<String>,
    /// The value in the stored manifest: what an uninstall reads. `None` where the PVC is not in it.
    pub keep_stored: Option<String>,
    /// Whether the stored manifest has the PVC: helm then deletes it when a chart does not have it any more.
    pub in_manifest: bool,
    /// Whether the PVC is being deleted.
    pub terminating: bool,
    /// Whether the volume is being deleted: it then goes with its PVC, whatever its policy.
    #[serde(default)]
    pub volume_terminating: bool,
    /// The pods that mount it.
    pub mounts: Vec<Mount>,
    /// What an uninstall today would do to it, and why.
    pub if_uninstalled: UninstallEffect,
}

/// What an uninstall would do to a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UninstallEffect {
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why, in one clause.
    pub why: String,
}

/// A pod that names a PVC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mount {
    /// The pod.
    pub pod: Ref,
    /// The workload that owns it.
    pub workload: Option<Ref>,
}

/// A workload of the release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Workload {
    /// The workload.
    pub name: Ref,
    /// Whether it is as its spec asks.
    pub ready: bool,
    /// In a few words: `1 of 1 ready`.
    pub state: String,
}

/// How completely a kind was listed in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScopeCoverage {
    /// The kind and the namespace.
    pub scope: Scope,
    /// What may be concluded from absence there.
    pub coverage: Coverage,
}

/// A kind in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// The kind.
    pub kind: String,
    /// The namespace; empty for the whole cluster.
    pub namespace: String,
}

/// What absence means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// Everything was listed: what is not there does not exist.
    Complete,
    /// This user may not list it: nothing may be concluded.
    Denied(String),
    /// The server has no such kind.
    NotServed,
}

/// What a survey cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requests {
    /// Requests that read.
    pub reads: u32,
    /// Requests that wrote: none.
    pub writes: u32,
}

impl Inventory {
    /// Whether absence may be concluded for a kind in a namespace.
    #[must_use]
    pub fn is_complete(&self, kind: &str, namespace: &str) -> bool {
        self.coverage.iter().any(|ScopeCoverage { scope, coverage }| {
            scope.kind == kind
                && (scope.namespace == namespace || scope.namespace.is_empty())
                && *coverage == Coverage::Complete
        })
    }

    /// Whether an object concerns the release: of the cluster's volumes only those that its namespace holds, and those that
    /// nobody holds and a new PVC may take.
    #[must_use]
    pub fn concerns(&self, name: &Ref, object: &Object) -> bool {
        let holder = object.text("/spec/claimRef/namespace");
        name.kind() != "PersistentVolume"
            || holder.is_empty()
            || holder == self.release.id.namespace
            || self.volumes.iter().any(|volume| volume.volume.as_ref() == Some(name))
    }

    /// What this user may not read.
    pub fn denied(&self) -> impl Iterator<Item = &Scope> {
        self.coverage.iter().filter_map(|one| matches!(one.coverage, Coverage::Denied(_)).then_some(&one.scope))
    }

    /// The volumes that are mounted, or were made for a workload: those whose data counts.
    pub fn data_volumes(&self) -> impl Iterator<Item = &Volume> {
        self.volumes.iter().filter(|volume| volume.volume.is_some())
    }
}

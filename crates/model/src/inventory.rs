use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ChartId, HelmClient, Object, Ref, ReleaseId, ReleaseStatus, Uid, Verdict};

/// What was found: facts, and which facts could not be had. Secrets' data is not in it, only their keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// The version of this format.
    pub format: u32,
    /// The cluster.
    pub cluster: Cluster,
    /// The helm client that was found.
    pub helm: Option<HelmClient>,
    /// The release.
    pub release: Release,
    /// The volumes that the release's claims and workloads touch.
    pub volumes: Vec<Volume>,
    /// The workloads of the release.
    pub workloads: Vec<Workload>,
    /// Every object that was read, Secrets without their data.
    #[serde(skip)]
    pub objects: BTreeMap<Ref, Object>,
    /// What may be concluded from absence.
    pub coverage: Vec<(Scope, Coverage)>,
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
        /// The domain of routes, from `ingresses.config.openshift.io/cluster`.
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
    /// The user-supplied values: they may hold passwords, so they are not written out.
    #[serde(skip)]
    pub config: Value,
    /// The stored manifest, Secrets without their data.
    #[serde(skip)]
    pub docs: Vec<Object>,
}

/// A volume and the claim that holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Volume {
    /// The claim.
    pub claim: Ref,
    /// The claim's UID.
    pub claim_uid: Uid,
    /// The volume; `None` where the claim is not bound.
    pub volume: Option<Ref>,
    /// The volume's UID.
    pub volume_uid: Option<Uid>,
    /// `Retain`, `Delete`, `Recycle`; `None` where volumes may not be read.
    pub policy: Option<String>,
    /// The claim's storage class.
    pub class: Option<String>,
    /// The claim's size.
    pub size: String,
    /// The value of the live annotation `helm.sh/resource-policy`: what an upgrade reads.
    pub keep_live: Option<String>,
    /// The value in the stored manifest: what an uninstall reads. `None` where the claim is not in it.
    pub keep_stored: Option<String>,
    /// Whether the stored manifest has the claim: helm then deletes it when a chart does not have it any more.
    pub in_manifest: bool,
    /// Whether the claim is being deleted.
    pub terminating: bool,
    /// The pods that mount it.
    pub mounts: Vec<Mount>,
    /// What an uninstall today would do to it, and why.
    pub if_uninstalled: (Verdict, String),
}

/// A pod that names a claim.
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
        self.coverage.iter().any(|(scope, coverage)| {
            scope.kind == kind
                && (scope.namespace == namespace || scope.namespace.is_empty())
                && *coverage == Coverage::Complete
        })
    }

    /// What this user may not read.
    pub fn denied(&self) -> impl Iterator<Item = &Scope> {
        self.coverage.iter().filter_map(|(scope, coverage)| matches!(coverage, Coverage::Denied(_)).then_some(scope))
    }

    /// The volumes that are mounted, or were made for a workload: those whose data counts.
    pub fn data_volumes(&self) -> impl Iterator<Item = &Volume> {
        self.volumes.iter().filter(|volume| volume.volume.is_some())
    }
}

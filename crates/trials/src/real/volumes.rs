//! The volumes that a trial looks at, what it does to their pods, and what has become of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use portolan_model::{End, Object, ProtectedVolume, Ref, Uid, VolumeEnd};
use portolan_rehearse::{Alive, judge};
use portolan_testkit::rig::PATIENCE;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ClusterFixture, DATABASE};

/// The pod of the metrics, on plain Kubernetes.
const METRICS: &str = "runai-backend-thanos-receive-0";

/// Which of the data of an installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// The database.
    #[default]
    Database,
    /// The metrics, on plain Kubernetes.
    Metrics,
}

/// A volume that a trial looks at.
pub struct Watched {
    /// PVC and volume with their UIDs.
    pub protected: ProtectedVolume,
    /// The folder that its bytes are in.
    disk: PathBuf,
    /// A file in it that is there as long as the bytes are.
    mark: &'static str,
    /// The pod that mounts it.
    pod: &'static str,
}

impl ClusterFixture<'_> {
    /// The volume under the database's PVC, as it is now.
    ///
    /// # Errors
    /// Where the PVC is not bound.
    pub fn protected(&self) -> Result<ProtectedVolume> {
        self.aim_of(&self.start.claim)
    }

    fn aim_of(&self, name: &str) -> Result<ProtectedVolume> {
        let claim = self.space.find("api/v1", &format!("persistentvolumeclaims/{name}"))?;
        let claim = Object::new(claim.context("the PVC is there")?);
        let volume = self.rig.api().get(&format!("/api/v1/persistentvolumes/{}", claim.text("/spec/volumeName")))?;
        let volume = Object::new(volume);
        Ok(ProtectedVolume {
            claim: Ref::claim(self.space.name(), name),
            claim_uid: claim.uid().context("the PVC has a UID")?,
            volume: Ref::volume(volume.text("/metadata/name")),
            volume_uid: volume.uid().context("the volume has a UID")?,
        })
    }

    /// That volume, then the one under the PVC of the metrics where there is one.
    ///
    /// # Errors
    /// Where a PVC is not bound.
    pub fn protected_volumes(&self) -> Result<Vec<ProtectedVolume>> {
        std::iter::once(&self.start.claim).chain(&self.start.metrics).map(|claim| self.aim_of(claim)).collect()
    }

    /// The folder that the volume's bytes are in.
    ///
    /// # Errors
    /// Where it is no folder of the rig's.
    pub fn disk(&self, protected: &ProtectedVolume) -> Result<PathBuf> {
        let volume = self.rig.api().get(&format!("/api/v1/persistentvolumes/{}", protected.volume.name()))?;
        self.rig.folder(&volume).context("it is a folder of the rig's provisioner")
    }

    /// The volume of some data, to be looked at from now on.
    ///
    /// # Errors
    /// Where there is none.
    pub fn watched(&self, data: Data) -> Result<Watched> {
        let (claim, pod, mark) = match data {
            Data::Database => (Some(&self.start.claim), DATABASE, "data/PG_VERSION"),
            Data::Metrics => (self.start.metrics.as_ref(), METRICS, "of-the-trial"),
        };
        let protected = self.aim_of(claim.context("this start has no such data")?)?;
        let disk = self.disk(&protected)?;
        if data == Data::Metrics {
            fs_err::write(disk.join(mark), "portolan")?;
        }
        Ok(Watched { protected, disk, mark, pod })
    }

    /// What has become of the volume once nothing moves any more.
    ///
    /// # Errors
    /// Where it never grows quiet.
    pub fn look(&self, watched: &Watched, end: End) -> Result<VolumeEnd> {
        self.wait_until_quiet(watched)?;
        let protected = &watched.protected;
        let mut objects: BTreeMap<Ref, Object> = BTreeMap::new();
        let api = self.rig.api();
        if let Some(claim) = self.space.find("api/v1", &format!("persistentvolumeclaims/{}", protected.claim.name()))? {
            objects.insert(protected.claim.clone(), Object::new(claim));
        }
        if let Some(volume) = api.find(&format!("/api/v1/persistentvolumes/{}", protected.volume.name()))? {
            objects.insert(protected.volume.clone(), Object::new(volume));
        }
        let pods: Vec<Object> = self.pods()?.into_iter().map(with_kind).collect();
        let alive = if watched.disk.join(watched.mark).exists() { Alive::Yes } else { Alive::No };
        let (verdict, _) = judge(protected, alive, &|name: &Ref| objects.get(name), &pods);
        Ok(VolumeEnd { verdict, end, release: self.release_status()? })
    }

    fn pods(&self) -> Result<Vec<Value>> {
        let list = self.space.find("api/v1", "pods")?.context("pods can be listed")?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until PVC, volume and pod have not changed for three seconds: controllers here act within one. What is on its way
    /// is given longer, for on a machine with much to do that takes its time.
    fn wait_until_quiet(&self, watched: &Watched) -> Result<()> {
        let protected = &watched.protected;
        let until = Instant::now() + PATIENCE;
        let mut last = (String::new(), Instant::now());
        while Instant::now() < until {
            let version =
                |value: &Value| format!("{}:{};", value["metadata"]["uid"], value["metadata"]["resourceVersion"]);
            let mut now = String::new();
            for pod in self.pods()?.iter().filter(|pod| pod["metadata"]["name"] == watched.pod) {
                now.push_str(&version(pod));
            }
            let claim = self.space.find("api/v1", &format!("persistentvolumeclaims/{}", protected.claim.name()))?;
            let volume = self.rig.api().find(&format!("/api/v1/persistentvolumes/{}", protected.volume.name()))?;
            claim.iter().chain(&volume).for_each(|value| now.push_str(&version(value)));
            if now != last.0 {
                last = (now, Instant::now());
            } else if last.1.elapsed() > Duration::from_secs(3) && last.1.elapsed() > self.on_its_way(watched)? {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        bail!("{} never grows quiet", self.space.name())
    }

    /// How long something that moves without a change is waited for: a pod that ends does so by itself; one that has not started
    /// although its PVC is there, or that its set wants, or will want once it has seen its newest template, may be one that
    /// never comes.
    fn on_its_way(&self, watched: &Watched) -> Result<Duration> {
        const MAYBE: Duration = Duration::from_secs(60);
        let pod = self.space.find("api/v1", &format!("pods/{}", watched.pod))?;
        let ends = |object: &Value| object["metadata"]["deletionTimestamp"].is_string();
        if pod.as_ref().is_some_and(ends) {
            return Ok(PATIENCE);
        }
        if pod.as_ref().is_some_and(|pod| pod["status"]["phase"] == "Pending") {
            let claim = format!("persistentvolumeclaims/{}", watched.protected.claim.name());
            let is_there = self.space.find("api/v1", &claim)?.is_some_and(|claim| !ends(&claim));
            return Ok(if is_there { MAYBE } else { Duration::ZERO });
        }
        let set = watched.pod.rsplit_once('-').map_or(watched.pod, |(set, _)| set);
        let Some(set) = self.space.find("apis/apps/v1", &format!("statefulsets/{set}"))? else {
            return Ok(Duration::ZERO);
        };
        let is_new = set["status"]["observedGeneration"] != set["metadata"]["generation"];
        let is_held = self.space.find("api/v1", "resourcequotas/none")?.is_some();
        let is_wanted = set["spec"]["replicas"].as_u64().unwrap_or(1) > 0;
        let comes = is_new || is_wanted && !is_held && pod.is_none();
        Ok(if comes { MAYBE } else { Duration::ZERO })
    }

    /// Deletes every pod of the namespace, as a drained node would.
    ///
    /// # Errors
    /// Where the API server refuses.
    pub fn delete_pods(&self) -> Result<()> {
        let before: Vec<String> =
            self.pods()?.iter().filter_map(|pod| pod["metadata"]["uid"].as_str().map(str::to_owned)).collect();
        self.rig.api().delete(&format!("/api/v1/namespaces/{}/pods", self.space.name()))?;
        self.space.wait("the end of the pods", |_| {
            Ok(!self.pods()?.iter().any(|pod| before.iter().any(|uid| pod["metadata"]["uid"] == uid.as_str())))
        })
    }

    /// Forbids new pods in the namespace.
    ///
    /// # Errors
    /// Where the API server refuses.
    pub fn hold_pods(&self) -> Result<()> {
        let path = format!("/api/v1/namespaces/{}/resourcequotas", self.space.name());
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}},
        });
        self.rig.api().create(&path, &quota)?;
        // The quota counts only once the controller has looked at it.
        self.space.wait("the quota", |space| {
            let quota = space.find("api/v1", "resourcequotas/none")?;
            Ok(quota.is_some_and(|quota| quota["status"]["hard"]["pods"] == "0"))
        })
    }

    /// Allows new pods again, and makes controllers that gave up try at once.
    ///
    /// # Errors
    /// Where the API server refuses.
    pub fn release_pods(&self) -> Result<()> {
        self.rig.api().delete(&format!("/api/v1/namespaces/{}/resourcequotas/none", self.space.name()))?;
        let sets = self.space.find("apis/apps/v1", "statefulsets")?.context("sets can be listed")?;
        for set in sets["items"].as_array().into_iter().flatten() {
            let name = set["metadata"]["name"].as_str().unwrap_or_default();
            let path = format!("/apis/apps/v1/namespaces/{}/statefulsets/{name}", self.space.name());
            self.rig.api().patch(&path, &json!({"metadata": {"annotations": {"trial": "go on"}}}))?;
        }
        Ok(())
    }

    /// Whether the volume's pod runs, and is another one than this.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn runs_anew(&self, watched: &Watched, old: Option<&Uid>) -> Result<bool> {
        let pod = self.space.find("api/v1", &format!("pods/{}", watched.pod))?;
        Ok(pod.is_some_and(|pod| {
            let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
            pod["status"]["phase"] == "Running" && old.is_none_or(|old| old.as_str() != uid)
        }))
    }

    /// The UID of the volume's pod.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn pod_uid(&self, watched: &Watched) -> Result<Option<Uid>> {
        let pod = self.space.find("api/v1", &format!("pods/{}", watched.pod))?;
        Ok(pod.and_then(|pod| Uid::parse(pod["metadata"]["uid"].as_str()?)))
    }
}

/// Items of a list carry no kind of their own.
fn with_kind(mut pod: Value) -> Object {
    pod["kind"] = json!("Pod");
    pod["apiVersion"] = json!("v1");
    Object::new(pod)
}

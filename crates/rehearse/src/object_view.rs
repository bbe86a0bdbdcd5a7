use portolan_kube_facts::{Owner, PodTemplate, StatefulSet};
use portolan_model::{Object, Ref, SecretKey, Uid};
use serde_json::Value;

/// What the rules read of an object, parsed once when the object comes into the world.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ObjectView {
    /// An object that was put there without a UID has its name for one.
    pub(crate) uid: Uid,
    pub(crate) terminating: bool,
    pub(crate) owners: Vec<Owner>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Claim(Claim),
    Volume(Volume),
    Pod(Pod),
    Set(Set),
    Deployment(Deployment),
    /// One whose pods mount a PVC; of others nothing is modelled.
    ReplicaSet(ReplicaSet),
    Job(Job),
    Container(Container),
    Other,
}

/// An object that takes others along when it is deleted, whoever owns them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Container {
    Namespace(String),
    /// A `CustomResourceDefinition`: its custom resources.
    Resources {
        group: String,
        kind: String,
    },
}

impl Container {
    pub(crate) fn holds(&self, name: &Ref) -> bool {
        match self {
            Self::Namespace(namespace) => name.namespace() == namespace,
            Self::Resources { group, kind } => name.group() == group && name.kind() == kind,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claim {
    pub(crate) volume: Option<Ref>,
    pub(crate) bound: bool,
    pub(crate) class: Option<String>,
    /// Whether only one pod at a time gets it.
    pub(crate) for_one_pod: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Volume {
    pub(crate) policy: Policy,
    pub(crate) claim: Option<(Ref, Option<Uid>)>,
    pub(crate) released: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Retain,
    Delete,
    /// Recycle, or a word that we do not know: nothing good is assumed of it.
    Other,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pod {
    pub(crate) scheduled: bool,
    pub(crate) running: bool,
    /// It is not ready today, and nothing says that it becomes so by itself.
    pub(crate) stuck: bool,
    /// Its containers have ended for good: no controller counts it any more.
    pub(crate) ended: bool,
    pub(crate) claims: Vec<Ref>,
    pub(crate) revision: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Deployment {
    /// Whether a Deployment whose pods mount no PVC has rolled out: its pods are not modelled.
    pub(crate) rolled: bool,
    pub(crate) paused: bool,
    pub(crate) replicas: u32,
    pub(crate) strategy: Strategy,
    /// The PVCs that its pods mount.
    pub(crate) claims: Vec<Ref>,
    /// The digest of the pod template.
    pub(crate) revision: String,
    /// What comes before the names of all its ReplicaSets, as the name of one.
    pub(crate) prefix: Ref,
}

/// How a Deployment puts new pods in the place of old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    Recreate,
    Rolling { surge: u32, unavailable: u32 },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReplicaSet {
    pub(crate) replicas: u32,
    /// The PVCs that its pods mount.
    pub(crate) claims: Vec<Ref>,
    /// The digest of the pod template, which is that of its Deployment with a label more.
    pub(crate) revision: String,
    /// What comes before the names of all its pods, as the name of one.
    pub(crate) prefix: Ref,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    pub(crate) complete: bool,
    pub(crate) claims: Vec<String>,
    /// The keys of Secrets that its containers get as environment variables.
    pub(crate) secrets: Vec<SecretKey>,
}

/// What a StatefulSet has for one ordinal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Replica {
    pub(crate) ordinal: u32,
    pub(crate) pod: Ref,
    /// The PVCs of its templates, in the order of the templates.
    pub(crate) claims: Vec<Ref>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Set {
    /// What it wants, by ordinal.
    pub(crate) replicas: Vec<Replica>,
    /// What comes before the names of all its pods, as the name of a pod.
    pub(crate) pod_prefix: Ref,
    /// The ordinals of its pods.
    pub(crate) ordinals: std::ops::Range<u32>,
    /// Which pods may be its.
    pub(crate) selector: Value,
    /// Whether it does not wait for one pod before it sees to the next.
    pub(crate) parallel: bool,
    /// Pods below this place among the ordinals are not replaced.
    pub(crate) partition: u32,
    /// Names of the PVC templates, with the PVC's spec.
    pub(crate) templates: Vec<(String, Value)>,
    /// The digest of the pod template: a pod of another revision is replaced.
    pub(crate) revision: String,
    pub(crate) on_delete: bool,
    pub(crate) when_deleted: bool,
    pub(crate) when_scaled: bool,
}

impl Set {
    /// The ordinal that a pod's name says.
    pub(crate) fn ordinal_of(&self, pod: &Ref) -> Option<u32> {
        pod.name().strip_prefix(self.pod_prefix.name())?.parse().ok()
    }
}

/// What a Deployment's controller writes first into its status.
pub(crate) const OBSERVED: &str = "/status/observedGeneration";

/// The phase of a pod that was not ready when it was surveyed.
pub(crate) const STUCK: &str = "NotReady";

/// The label that says which pod template a pod was made from (as in Kubernetes).
pub(crate) const REVISION: &str = "controller-revision-hash";

/// The label by which a Deployment's controller tells the pods of its ReplicaSets apart.
pub(crate) const TEMPLATE_HASH: &str = "pod-template-hash";

impl ObjectView {
    /// Whether it is a ReplicaSet whose pods mount a PVC.
    pub(crate) fn is_replica_set(&self) -> bool {
        matches!(self.kind, Kind::ReplicaSet(_))
    }

    pub(crate) fn parse(name: &Ref, object: &Object) -> Self {
        let of = portolan_kube_facts::Kind::named(name);
        let text = |pointer: &str| object.at(pointer).and_then(Value::as_str);
        let claims = || {
            let template = PodTemplate::of_kind(of, object);
            let names = template.into_iter().flat_map(PodTemplate::claims);
            names.map(|claim| Ref::claim(name.namespace(), claim)).collect::<Vec<_>>()
        };
        let owners = portolan_kube_facts::owners_in(name.namespace(), object);
        let kind = match of {
            portolan_kube_facts::Kind::PersistentVolumeClaim => Kind::Claim(Claim {
                volume: text("/spec/volumeName").filter(|name| !name.is_empty()).map(Ref::volume),
                bound: text("/status/phase") == Some("Bound"),
                class: text("/spec/storageClassName").map(str::to_owned),
                for_one_pod: portolan_kube_facts::is_for_one_pod(object),
            }),
            portolan_kube_facts::Kind::PersistentVolume => Kind::Volume(Volume {
                policy: match text("/spec/persistentVolumeReclaimPolicy") {
                    Some("Retain") => Policy::Retain,
                    Some("Delete") => Policy::Delete,
                    _ => Policy::Other,
                },
                claim: text("/spec/claimRef/name").map(|claim| {
                    let namespace = text("/spec/claimRef/namespace").unwrap_or_default();
                    (Ref::claim(namespace, claim), text("/spec/claimRef/uid").and_then(Uid::parse))
                }),
                released: text("/status/phase") == Some("Released"),
            }),
            portolan_kube_facts::Kind::Pod => Kind::Pod(Pod {
                scheduled: text("/spec/nodeName").is_some_and(|node| !node.is_empty()),
                running: text("/status/phase") == Some("Running"),
                stuck: text("/status/phase") == Some(STUCK),
                ended: matches!(text("/status/phase"), Some("Succeeded" | "Failed")),
                claims: claims(),
                revision: object
                    .at("/metadata/labels")
                    .and_then(|labels| labels.get(REVISION)?.as_str())
                    .unwrap_or_default()
                    .to_owned(),
            }),
            portolan_kube_facts::Kind::StatefulSet => Kind::Set(set(name, object)),
            portolan_kube_facts::Kind::Deployment => Kind::Deployment(deployment(name, object, claims())),
            portolan_kube_facts::Kind::ReplicaSet => {
                let claims = claims();
                if claims.is_empty() { Kind::Other } else { Kind::ReplicaSet(replica_set(name, object, claims)) }
            }
            portolan_kube_facts::Kind::Namespace => Kind::Container(Container::Namespace(name.name().to_owned())),
            portolan_kube_facts::Kind::CustomResourceDefinition => Kind::Container(Container::Resources {
                group: text("/spec/group").unwrap_or_default().to_owned(),
                kind: text("/spec/names/kind").unwrap_or_default().to_owned(),
            }),
            portolan_kube_facts::Kind::Job => Kind::Job(Job {
                complete: object.at("/status/succeeded").and_then(Value::as_u64).unwrap_or(0) > 0,
                claims: claims().into_iter().map(|claim| claim.name().to_owned()).collect(),
                secrets: secrets(name, object),
            }),
            // Their pods are objects of the world, and what they do to a volume is told by `portolan_kube_facts::reach`.
            portolan_kube_facts::Kind::DaemonSet
            | portolan_kube_facts::Kind::ReplicationController
            | portolan_kube_facts::Kind::CronJob
            | portolan_kube_facts::Kind::Custom => Kind::Other,
            portolan_kube_facts::Kind::Route
            | portolan_kube_facts::Kind::Ingress
            | portolan_kube_facts::Kind::Inert => Kind::Other,
        };
        let terminating = object.at("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null());
        let uid = object.uid().unwrap_or_else(|| Uid::new(&name.full()));
        Self { uid, terminating, owners, kind }
    }

    pub(crate) fn is_owned_by(&self, uid: &Uid) -> bool {
        self.owners.iter().any(|owner| owner.uid.as_ref() == Some(uid))
    }
}

fn secrets(name: &Ref, job: &Object) -> Vec<SecretKey> {
    let containers = job.list("/spec/template/spec/containers").iter();
    let variables = containers.filter_map(|container| container.get("env")?.as_array()).flatten();
    let keys = variables.filter_map(|variable| {
        let key = variable.pointer("/valueFrom/secretKeyRef")?;
        let secret = Ref::secret(name.namespace(), key.get("name")?.as_str()?);
        Some(SecretKey { secret, key: key.get("key")?.as_str()?.to_owned() })
    });
    keys.collect()
}

fn set(name: &Ref, object: &Object) -> Set {
    let set = StatefulSet::named(name, object);
    let templates = set.iter().flat_map(StatefulSet::templates);
    let templates: Vec<(String, Value)> =
        templates.filter_map(|(name, json)| Some((name.to_owned(), json.get("spec")?.clone()))).collect();
    let ordinals = set.as_ref().map_or(0..1, StatefulSet::ordinals);
    let claims =
        |ordinal: u32| templates.iter().map(|(template, _)| StatefulSet::claim_of(name, template, ordinal)).collect();
    let replica = |ordinal: u32| Replica { ordinal, pod: StatefulSet::pod_of(name, ordinal), claims: claims(ordinal) };
    Set {
        replicas: ordinals.clone().map(replica).collect(),
        pod_prefix: Ref::pod(name.namespace(), &format!("{}-", name.name())),
        ordinals,
        selector: object.at("/spec/selector").cloned().unwrap_or_default(),
        parallel: set.as_ref().is_some_and(StatefulSet::is_parallel),
        partition: set.as_ref().map_or(0, StatefulSet::partition),
        templates,
        revision: revision(&object.0),
        on_delete: set.as_ref().is_some_and(StatefulSet::is_on_delete),
        when_deleted: set.as_ref().is_some_and(StatefulSet::deletes_claims_with_itself),
        when_scaled: set.as_ref().is_some_and(StatefulSet::deletes_claims_when_scaled),
    }
}

fn deployment(name: &Ref, object: &Object, claims: Vec<Ref>) -> Deployment {
    let deployment = portolan_kube_facts::Deployment::named(name, object);
    let revision = revision(&object.0);
    let strategy = match &deployment {
        Some(rolling) if !rolling.is_recreate() => {
            Strategy::Rolling { surge: rolling.max_surge(), unavailable: rolling.max_unavailable() }
        }
        _ => Strategy::Recreate,
    };
    Deployment {
        // A controller's own status is that of a Deployment which was surveyed and that nothing in the simulation has changed.
        rolled: match object.at("/status/rolled").and_then(Value::as_str) {
            Some(rolled) => rolled == revision,
            None => object.at(OBSERVED).is_some(),
        },
        paused: deployment.as_ref().is_some_and(portolan_kube_facts::Deployment::is_paused),
        replicas: deployment.as_ref().map_or(1, portolan_kube_facts::Deployment::replicas),
        strategy,
        claims,
        revision,
        prefix: Ref::new("apps", "ReplicaSet", name.namespace(), &beginning(name.name())),
    }
}

fn replica_set(name: &Ref, object: &Object, claims: Vec<Ref>) -> ReplicaSet {
    let number = object.at("/spec/replicas").and_then(Value::as_u64);
    let mut json = (*object.0).clone();
    if let Some(Value::Object(labels)) = json.pointer_mut("/spec/template/metadata/labels") {
        labels.remove(TEMPLATE_HASH);
    }
    ReplicaSet {
        replicas: number.map_or(1, |number| u32::try_from(number).unwrap_or(u32::MAX)),
        claims,
        revision: revision(&json),
        prefix: Ref::pod(name.namespace(), &beginning(name.name())),
    }
}

/// What the names of all that a controller of this name makes begin with. A generated name has 63 characters at most, 5 of them
/// random, and before these a hash of up to 10 (`staging/src/k8s.io/apiserver/pkg/storage/names/generate.go`, Kubernetes 1.34).
fn beginning(name: &str) -> String {
    format!("{name}-").chars().take(46).collect()
}

/// A short digest of the pod template. The generation of a StatefulSet's history, in a form that has no counter.
pub(crate) fn revision(json: &Value) -> String {
    let template = json.get("spec").and_then(|spec| spec.get("template")).unwrap_or(&Value::Null);
    let bytes = serde_json::to_vec(template).unwrap_or_default();
    format!("{:08x}", crate::state_hash::of_bytes(&bytes) as u32)
}

use portolan_kube_facts::{Owner, PodTemplate, StatefulSet};
use portolan_model::{Object, Ref, SecretKey, Uid};
use serde_json::Value;

/// What the rules read of an object, parsed once when the object comes into the world.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ObjectView {
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
    /// `rolls`: whether its controller makes what is modelled: it has no pods, or none that mount a PVC, and is not paused.
    Deployment {
        rolled: bool,
        rolls: bool,
    },
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
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Volume {
    pub(crate) policy: Policy,
    pub(crate) claim: Option<(Ref, Uid)>,
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
    pub(crate) claims: Vec<Ref>,
    pub(crate) revision: String,
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

/// The phase of a pod that was not ready when it was surveyed.
pub(crate) const STUCK: &str = "NotReady";

/// The label that says which pod template a pod was made from (as in Kubernetes).
pub(crate) const REVISION: &str = "controller-revision-hash";

impl ObjectView {
    pub(crate) fn parse(name: &Ref, object: &Object) -> Self {
        let of = portolan_kube_facts::Kind::named(name);
        let text = |pointer: &str| object.at(pointer).and_then(Value::as_str);
        let claims = || {
            let template = PodTemplate::of_kind(of, object);
            template.into_iter().flat_map(PodTemplate::claims).map(str::to_owned).collect::<Vec<_>>()
        };
        let owners = portolan_kube_facts::owners_in(name.namespace(), object);
        let kind = match of {
            portolan_kube_facts::Kind::PersistentVolumeClaim => Kind::Claim(Claim {
                volume: text("/spec/volumeName").filter(|name| !name.is_empty()).map(Ref::volume),
                bound: text("/status/phase") == Some("Bound"),
                class: text("/spec/storageClassName").map(str::to_owned),
            }),
            portolan_kube_facts::Kind::PersistentVolume => Kind::Volume(Volume {
                policy: match text("/spec/persistentVolumeReclaimPolicy") {
                    Some("Retain") => Policy::Retain,
                    Some("Delete") => Policy::Delete,
                    _ => Policy::Other,
                },
                claim: text("/spec/claimRef/name").map(|claim| {
                    let namespace = text("/spec/claimRef/namespace").unwrap_or_default();
                    (Ref::claim(namespace, claim), Uid::new(text("/spec/claimRef/uid").unwrap_or_default()))
                }),
                released: text("/status/phase") == Some("Released"),
            }),
            portolan_kube_facts::Kind::Pod => Kind::Pod(Pod {
                scheduled: text("/spec/nodeName").is_some_and(|node| !node.is_empty()),
                running: text("/status/phase") == Some("Running"),
                stuck: text("/status/phase") == Some(STUCK),
                claims: claims().into_iter().map(|claim| Ref::claim(name.namespace(), &claim)).collect(),
                revision: object
                    .at("/metadata/labels")
                    .and_then(|labels| labels.get(REVISION)?.as_str())
                    .unwrap_or_default()
                    .to_owned(),
            }),
            portolan_kube_facts::Kind::StatefulSet => Kind::Set(set(name, object)),
            portolan_kube_facts::Kind::Deployment => {
                let is_paused = portolan_kube_facts::is_paused(object);
                let has_pods = object.at("/spec/replicas").and_then(Value::as_u64) != Some(0);
                Kind::Deployment {
                    rolled: text("/status/rolled") == Some(&revision(&object.0)),
                    rolls: !is_paused && (!has_pods || claims().is_empty()),
                }
            }
            portolan_kube_facts::Kind::Namespace => Kind::Container(Container::Namespace(name.name().to_owned())),
            portolan_kube_facts::Kind::CustomResourceDefinition => Kind::Container(Container::Resources {
                group: text("/spec/group").unwrap_or_default().to_owned(),
                kind: text("/spec/names/kind").unwrap_or_default().to_owned(),
            }),
            portolan_kube_facts::Kind::Job => Kind::Job(Job {
                complete: object.at("/status/succeeded").and_then(Value::as_u64).unwrap_or(0) > 0,
                claims: claims(),
                secrets: secrets(name, object),
            }),
            // Their pods are objects of the world, and what they do to a volume is told by `portolan_kube_facts::reach`.
            portolan_kube_facts::Kind::DaemonSet
            | portolan_kube_facts::Kind::ReplicaSet
            | portolan_kube_facts::Kind::ReplicationController
            | portolan_kube_facts::Kind::CronJob
            | portolan_kube_facts::Kind::Custom => Kind::Other,
            portolan_kube_facts::Kind::Route
            | portolan_kube_facts::Kind::Ingress
            | portolan_kube_facts::Kind::Inert => Kind::Other,
        };
        let terminating = object.at("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null());
        Self { uid: Uid::new(text("/metadata/uid").unwrap_or_default()), terminating, owners, kind }
    }

    pub(crate) fn is_owned_by(&self, uid: &Uid) -> bool {
        self.owners.iter().any(|owner| owner.uid == *uid)
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
        parallel: set.as_ref().is_some_and(StatefulSet::is_parallel),
        partition: set.as_ref().map_or(0, StatefulSet::partition),
        templates,
        revision: revision(&object.0),
        on_delete: set.as_ref().is_some_and(StatefulSet::is_on_delete),
        when_deleted: set.as_ref().is_some_and(StatefulSet::deletes_claims_with_itself),
        when_scaled: set.as_ref().is_some_and(StatefulSet::deletes_claims_when_scaled),
    }
}

/// A short digest of the pod template. The generation of a StatefulSet's history, in a form that has no counter.
pub(crate) fn revision(json: &Value) -> String {
    let template = json.get("spec").and_then(|spec| spec.get("template")).unwrap_or(&Value::Null);
    let bytes = serde_json::to_vec(template).unwrap_or_default();
    format!("{:08x}", crate::state_hash::of_bytes(&bytes) as u32)
}

use std::collections::{BTreeMap, BTreeSet};

use portolan_model::{Object, Ref, Uid};
use serde_json::Value;

use crate::{Kind, Reach, StatefulSet};

/// An owner as an object's `ownerReferences` name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The owner, if it is in the namespace of what it owns.
    pub name: Ref,
    /// Its UID: an object of the name with another UID is not the owner. The API server takes no owner without one.
    pub uid: Option<Uid>,
    /// The index in `/metadata/ownerReferences`.
    pub index: usize,
    /// Whether it is the controller.
    pub is_controller: bool,
}

impl Owner {
    /// The names under which it may be found: in the namespace of what it owns, or in none.
    #[must_use]
    pub fn names(&self) -> [Ref; 2] {
        [self.name.clone(), Ref::new(self.name.group(), self.name.kind(), "", self.name.name())]
    }

    /// Where the object names it, as a JSON pointer.
    #[must_use]
    pub fn field(&self) -> String {
        format!("/metadata/ownerReferences/{}", self.index)
    }

    /// The owner's name where it lives; `get` gives live objects.
    pub fn find<'a>(&self, get: &dyn Fn(&Ref) -> Option<&'a Object>) -> Option<Ref> {
        self.names().into_iter().find(|name| get(name).is_some_and(|object| object.uid() == self.uid))
    }
}

/// The owners that an object names, in order.
#[must_use]
pub fn owners(object: &Object) -> Vec<Owner> {
    owners_in(object.text("/metadata/namespace"), object)
}

/// As [`owners`], for an object that does not say its namespace itself.
#[must_use]
pub fn owners_in(namespace: &str, object: &Object) -> Vec<Owner> {
    let owner = |(index, json): (usize, &Value)| {
        let text = |key: &str| json.get(key).and_then(Value::as_str);
        let group = text("apiVersion").and_then(|version| version.split_once('/')).map_or("", |(group, _)| group);
        Some(Owner {
            name: Ref::new(group, text("kind")?, namespace, text("name")?),
            uid: text("uid").and_then(Uid::parse),
            index,
            is_controller: json.get("controller") == Some(&Value::Bool(true)),
        })
    };
    object.list("/metadata/ownerReferences").iter().enumerate().filter_map(owner).collect()
}

/// Whether an object of this UID owns it.
#[must_use]
pub fn is_owned_by(object: &Object, owner: &Uid) -> bool {
    let owners = object.list("/metadata/ownerReferences").iter();
    owners.filter_map(|its| its.get("uid")?.as_str()).any(|uid| uid == owner.as_str())
}

/// The owner that controls an object, else the first that it names.
#[must_use]
pub fn controller(object: &Object) -> Option<Owner> {
    let all = owners(object);
    all.iter().find(|owner| owner.is_controller).or_else(|| all.first()).cloned()
}

/// An owner on the way up from an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// What it owns.
    pub dependent: Ref,
    /// How that names it.
    pub owner: Owner,
    /// Its name where it was read; `None` where no object of its UID was.
    pub found: Option<Ref>,
}

/// The owners of an object, their owners, and so on; each once.
#[must_use]
pub fn ancestors<'a>(name: &Ref, object: &Object, get: &dyn Fn(&Ref) -> Option<&'a Object>) -> Vec<Ancestor> {
    let mut all: Vec<Ancestor> = Vec::new();
    let mut seen = BTreeSet::from([object.uid()]);
    let mut next = vec![(name.clone(), owners(object))];
    while let Some((dependent, owners)) = next.pop() {
        for owner in owners {
            if !seen.insert(owner.uid.clone()) {
                continue;
            }
            let found = owner.find(get);
            if let Some(object) = found.as_ref().and_then(get) {
                next.push((found.clone().unwrap_or_else(|| owner.name.clone()), self::owners(object)));
            }
            all.push(Ancestor { dependent: dependent.clone(), owner, found });
        }
    }
    all
}

/// What goes when objects are deleted: everything in a namespace, every custom resource of a `CustomResourceDefinition`, what is
/// owned by nothing else, and the PVCs of a StatefulSet that deletes them with itself. Each object is given with the root that
/// takes it along; the roots themselves are not in it.
#[must_use]
pub fn falls_with(objects: &BTreeMap<Ref, Object>, roots: &[Ref]) -> BTreeMap<Ref, Ref> {
    let mut gone: BTreeMap<Ref, Ref> = roots.iter().map(|root| (root.clone(), root.clone())).collect();
    loop {
        // Each is read once, and asked about every object.
        let holders: Vec<(Holder<'_>, &Ref)> =
            gone.iter().filter_map(|(name, root)| Some((Holder::of(name, objects.get(name)?)?, root))).collect();
        let held = |name: &Ref| {
            let holder = holders.iter().find(|(holder, _)| holder.holds(name));
            holder.map(|(_, root)| (*root).clone())
        };
        let owned = |object: &Object| {
            let owners = owners(object);
            let root = |owner: &Owner| {
                let is = |name: &&Ref| objects.get(*name).is_some_and(|object| object.uid() == owner.uid);
                owner.names().iter().find(is).and_then(|name| gone.get(name)).cloned()
            };
            let roots: Option<Vec<Ref>> = owners.iter().map(root).collect();
            roots?.into_iter().next()
        };
        let new: Vec<(Ref, Ref)> = objects
            .iter()
            .filter(|(name, _)| !gone.contains_key(*name))
            .filter_map(|(name, object)| Some((name.clone(), held(name).or_else(|| owned(object))?)))
            .collect();
        if new.is_empty() {
            break;
        }
        gone.extend(new);
    }
    gone.into_iter().filter(|(name, _)| !roots.contains(name)).collect()
}

/// An object that takes others along that do not name it as their owner.
enum Holder<'a> {
    Namespace(&'a str),
    /// A `CustomResourceDefinition`, by the group and kind of its custom resources.
    Resources {
        group: &'a str,
        kind: &'a str,
    },
    /// A StatefulSet that deletes its PVCs with itself.
    Claims(StatefulSet<'a>),
}

impl<'a> Holder<'a> {
    fn of(name: &'a Ref, object: &'a Object) -> Option<Self> {
        match Kind::named(name) {
            Kind::Namespace => Some(Self::Namespace(name.name())),
            Kind::CustomResourceDefinition => {
                Some(Self::Resources { group: object.text("/spec/group"), kind: object.text("/spec/names/kind") })
            }
            Kind::StatefulSet => {
                StatefulSet::named(name, object).filter(StatefulSet::deletes_claims_with_itself).map(Self::Claims)
            }
            Kind::Pod
            | Kind::Deployment
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::ReplicationController
            | Kind::Job
            | Kind::CronJob
            | Kind::PersistentVolumeClaim
            | Kind::PersistentVolume
            | Kind::Route
            | Kind::Ingress
            | Kind::Inert
            // What its controller deletes along is told by the owners that the objects name.
            | Kind::Custom => None,
        }
    }

    fn holds(&self, name: &Ref) -> bool {
        match self {
            Self::Namespace(namespace) => name.namespace() == *namespace,
            Self::Resources { group, kind } => name.kind() == *kind && name.group() == *group,
            Self::Claims(set) => {
                Kind::named(name) == Kind::PersistentVolumeClaim
                    && set.origin_of(name).is_some_and(|(_, ordinal)| set.ordinals().contains(&ordinal))
            }
        }
    }
}

/// What an upgrade does to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerFate {
    /// Nothing but labels and notes of others change.
    Untouched,
    /// What its controller may read changes, here: a JSON pointer.
    Changed(String),
}

/// What an upgrade from one manifest to the next does to an object that neither creates.
#[must_use]
pub fn fate(stored: Option<&Object>, planned: Option<&Object>) -> OwnerFate {
    let content = |object: &Object| {
        let fields = object.0.as_object().cloned().unwrap_or_default();
        fields.into_iter().filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status")).collect::<Vec<_>>()
    };
    match (stored, planned) {
        (Some(stored), Some(planned)) if content(stored) != content(planned) => OwnerFate::Changed("/spec".into()),
        (None, Some(_)) => OwnerFate::Changed("/spec".into()),
        (Some(stored), Some(planned)) => {
            told_in_annotations(stored, planned).map_or(OwnerFate::Untouched, OwnerFate::Changed)
        }
        _ => OwnerFate::Untouched,
    }
}

/// Prefixes of annotations that no operator takes for an order: of helm, of Kubernetes, of what only watches or deploys, and digests.
const NOTES: [&str; 5] = ["helm.sh", "kubernetes.io", "checksum", "prometheus.io", "argocd.argoproj.io"];

/// An annotation that differs and that the controller of a custom resource may take for an order, as `cnpg.io/hibernation`
/// (<https://cloudnative-pg.io/documentation/current/declarative_hibernation/>) or `strimzi.io/pause-reconciliation`.
fn told_in_annotations(stored: &Object, planned: &Object) -> Option<String> {
    let of =
        |object: &Object| object.at("/metadata/annotations").and_then(Value::as_object).cloned().unwrap_or_default();
    let (was, will) = (of(stored), of(planned));
    let is_note = |key: &str| {
        let prefix = key.rsplit_once('/').map_or("", |(prefix, _)| prefix);
        NOTES.iter().any(|note| crate::is_of_domain(prefix, note))
    };
    let key = was.keys().chain(will.keys()).find(|key| was.get(*key) != will.get(*key) && !is_note(key))?;
    Some(format!("/metadata/annotations/{}", portolan_model::pointer_part(key)))
}

/// What can reach a PVC through its owners, or those of a workload that mounts it, and is not modelled: an owner that was not
/// read, and one whose controller is not modelled and that the upgrade changes. An owner that is deleted takes along what it
/// owns, which is modelled. `objects` are the live ones.
pub fn reach_by_owners<'a>(
    claim: &Ref,
    objects: impl Iterator<Item = (&'a Ref, &'a Object)>,
    get: &dyn Fn(&Ref) -> Option<&'a Object>,
    fate: &dyn Fn(&Ref) -> OwnerFate,
) -> Vec<(Ref, Reach)> {
    let mut all: Vec<(Ref, Reach)> = Vec::new();
    for (name, object) in objects {
        if name != claim && crate::ClaimUse::of(object, claim).is_none() {
            continue;
        }
        for ancestor in ancestors(name, object, get) {
            let found = match &ancestor.found {
                // Of a pod the controller matters, which is looked at by itself. A Deployment is known by its ReplicaSets alone.
                None if Kind::named(name) == Kind::Pod && Kind::named(&ancestor.owner.name) != Kind::ReplicaSet => {
                    continue;
                }
                None => (
                    ancestor.dependent.clone(),
                    Reach {
                        field: ancestor.owner.field(),
                        reason: format!(
                            "its owner {} was not read: what becomes of it is not known",
                            ancestor.owner.name
                        ),
                        way_out: "ask for the right to get that kind",
                        by_change: false,
                    },
                ),
                Some(owner) if is_modelled(owner) => continue,
                Some(owner) => match fate(owner) {
                    OwnerFate::Untouched => continue,
                    OwnerFate::Changed(field) => (owner.clone(), changed(owner, name, field)),
                },
            };
            if !all.contains(&found) {
                all.push(found);
            }
        }
    }
    all
}

fn changed(owner: &Ref, owned: &Ref, field: String) -> Reach {
    Reach {
        field,
        reason: format!(
            "the upgrade changes it, it owns {owned}, and what the controller of a {} does is not modelled",
            owner.kind()
        ),
        way_out: "leave it as it is in this upgrade",
        by_change: false,
    }
}

/// Whether the rehearsal knows what the controller of an owner does, or [`crate::reach`] names it for what it mounts.
fn is_modelled(owner: &Ref) -> bool {
    match Kind::named(owner) {
        Kind::Pod
        | Kind::StatefulSet
        | Kind::Deployment
        | Kind::ReplicaSet
        | Kind::DaemonSet
        | Kind::ReplicationController
        | Kind::Job
        | Kind::CronJob
        | Kind::PersistentVolumeClaim
        | Kind::PersistentVolume
        | Kind::Namespace
        | Kind::CustomResourceDefinition => true,
        // Nobody's controller acts on these.
        Kind::Inert => matches!((owner.group(), owner.kind()), ("", "ConfigMap" | "Secret")),
        Kind::Route | Kind::Ingress | Kind::Custom => false,
    }
}

/// Whether a PVC is the generic ephemeral volume of the pod that owns it: it is meant to go with its pod.
#[must_use]
pub fn is_ephemeral<'a>(claim: &Object, get: &dyn Fn(&Ref) -> Option<&'a Object>) -> bool {
    owners(claim).iter().filter(|owner| owner.name.kind() == "Pod" && owner.is_controller).any(|owner| {
        let name = claim.text("/metadata/name").strip_prefix(owner.name.name()).and_then(|rest| rest.strip_prefix('-'));
        get(&owner.name).filter(|pod| pod.uid() == owner.uid).is_some_and(|pod| {
            pod.list("/spec/volumes")
                .iter()
                .any(|volume| volume.get("ephemeral").is_some() && volume.get("name").and_then(Value::as_str) == name)
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn object(group: &str, kind: &str, name: &str, owners: &Value) -> (Ref, Object) {
        let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        let object = Object::new(json!({"apiVersion": version, "kind": kind,
            "metadata": {"name": name, "namespace": "n", "uid": format!("uid-{name}"), "ownerReferences": owners}}));
        (object.name().expect("it has one"), object)
    }

    fn owner(version: &str, kind: &str, name: &str) -> Value {
        json!({"apiVersion": version, "kind": kind, "name": name, "uid": format!("uid-{name}"), "controller": true})
    }

    #[test]
    fn the_way_up_ends_where_nothing_was_read() {
        let (claim, pvc) = object("", "PersistentVolumeClaim", "c", &json!([owner("apps/v1", "StatefulSet", "s")]));
        let all: BTreeMap<Ref, Object> = [
            (claim.clone(), pvc.clone()),
            object(
                "apps",
                "StatefulSet",
                "s",
                &json!([owner("db.example.com/v1", "Cluster", "x"), owner("v1", "Pod", "unread")]),
            ),
            object("db.example.com", "Cluster", "x", &json!([])),
        ]
        .into();
        let found = ancestors(&claim, &pvc, &|name| all.get(name));
        let said: Vec<String> = found
            .iter()
            .map(|one| format!("{} {} {}", one.dependent, one.owner.name.full(), one.found.is_some()))
            .collect();
        assert_eq!(
            said,
            [
                "PersistentVolumeClaim/c StatefulSet.apps/n/s true",
                "StatefulSet/s Cluster.db.example.com/n/x true",
                "StatefulSet/s Pod/n/unread false"
            ]
        );
    }

    #[test]
    fn what_falls_with_an_object_is_found_however_it_is_tied_to_it() {
        let no = json!([]);
        let mut all: BTreeMap<Ref, Object> = [
            object("db.example.com", "Cluster", "x", &no),
            object("apps", "StatefulSet", "s", &json!([owner("db.example.com/v1", "Cluster", "x")])),
            object("", "PersistentVolumeClaim", "c", &json!([owner("apps/v1", "StatefulSet", "s")])),
            object("", "PersistentVolumeClaim", "data-t-0", &no),
            object("", "PersistentVolumeClaim", "data-t-1", &no),
            object(
                "",
                "PersistentVolumeClaim",
                "two",
                &json!([owner("apps/v1", "StatefulSet", "s"), owner("apps/v1", "StatefulSet", "t")]),
            ),
            object("", "PersistentVolumeClaim", "free", &no),
        ]
        .into();
        let mut put = |json: Value| {
            let object = Object::new(json);
            all.insert(object.name().expect("it has one"), object);
        };
        put(
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "t", "namespace": "n", "uid": "uid-t"},
            "spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}),
        );
        put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "uid": "uid-n"}}));
        put(
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "d"},
            "spec": {"group": "db.example.com", "names": {"kind": "Cluster"}}}),
        );
        let claims = |roots: &[&str]| -> Vec<String> {
            let roots: Vec<Ref> = roots.iter().map(|root| Ref::parse(root).expect("a name")).collect();
            let gone = falls_with(&all, &roots).into_keys();
            gone.filter(|name| name.kind() == "PersistentVolumeClaim").map(|name| name.name().to_owned()).collect()
        };
        assert_eq!(claims(&["StatefulSet.apps/n/s"]), ["c"]);
        assert_eq!(claims(&["Cluster.db.example.com/n/x"]), ["c"]);
        assert_eq!(claims(&["CustomResourceDefinition.apiextensions.k8s.io/d"]), ["c"]);
        assert_eq!(claims(&["StatefulSet.apps/n/t"]), ["data-t-0"], "ordinal 1 is not one that it runs");
        assert_eq!(claims(&["StatefulSet.apps/n/s", "StatefulSet.apps/n/t"]), ["c", "data-t-0", "two"]);
        assert_eq!(claims(&["Namespace/n"]), ["c", "data-t-0", "data-t-1", "free", "two"]);
        assert_eq!(claims(&["Secret/n/x"]), [""; 0]);
    }

    #[test]
    fn annotations_that_a_controller_may_obey_are_a_change() {
        let with = |annotations: Value| {
            Object::new(
                json!({"kind": "Cluster", "metadata": {"annotations": annotations, "labels": {"chart": annotations}}, "spec": {"a": 1}}),
            )
        };
        let of = |was: Value, will: Value| fate(Some(&with(was)), Some(&with(will)));
        let changed = |key: &str| OwnerFate::Changed(format!("/metadata/annotations/{key}"));
        assert_eq!(of(json!({}), json!({"cnpg.io/hibernation": "on"})), changed("cnpg.io~1hibernation"));
        assert_eq!(of(json!({"paused": "true"}), json!({})), changed("paused"));
        for note in ["helm.sh/chart", "meta.helm.sh/release-name", "app.kubernetes.io/version", "checksum/config"] {
            assert_eq!(of(json!({}), json!({note: "1"})), OwnerFate::Untouched, "{note}");
        }
    }

    #[test]
    fn an_object_of_another_uid_is_not_the_owner() {
        let mut reference = owner("apps/v1", "StatefulSet", "s");
        reference["uid"] = json!("an earlier one");
        let (claim, pvc) = object("", "PersistentVolumeClaim", "c", &json!([reference]));
        let all: BTreeMap<Ref, Object> = [object("apps", "StatefulSet", "s", &json!([]))].into();
        assert_eq!(ancestors(&claim, &pvc, &|name| all.get(name))[0].found, None);
    }

    #[test]
    fn an_ephemeral_volume_is_known_by_its_pod() {
        let (name, pod) = object("", "Pod", "p", &json!([]));
        let mut json = (*pod.0).clone();
        json["spec"] = json!({"volumes": [{"name": "tmp", "ephemeral": {"volumeClaimTemplate": {}}}]});
        let all: BTreeMap<Ref, Object> = [(name, Object::new(json))].into();
        for (claim, ephemeral) in [("p-tmp", true), ("p-data", false)] {
            let (_, pvc) = object("", "PersistentVolumeClaim", claim, &json!([owner("v1", "Pod", "p")]));
            assert_eq!(is_ephemeral(&pvc, &|name| all.get(name)), ephemeral, "{claim}");
        }
    }
}

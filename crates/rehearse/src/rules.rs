//! What happens by itself: the controllers, the scheduler and the kubelet, as far as they can reach a volume.
//!
//! Each rule looks at one object and changes the world in one step, as one API write of the real controller
//! does. The sources are the controllers of Kubernetes 1.27 to 1.34.

use portolan_kube_facts::StatefulSet;
use portolan_model::{Ref, SecretKey};
use serde_json::{Value, json};

use crate::deployments::{deployment_step, make_replica, replica_rule, replica_to_drop, take_deployment_step};
use crate::object_view::{Job, Kind, ObjectView, Pod, Policy};
use crate::sets::{set_step, take_set_step};
use crate::world::{Database, Disk, StoredObject, World, of_cluster};

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleId {
    /// A PVC gets a new volume.
    Provision,
    /// A PVC that is being deleted and that no scheduled pod names goes.
    Unprotect,
    /// A volume whose PVC is gone is released.
    Release,
    /// A released volume with policy Delete is erased.
    Reclaim,
    /// An object whose owners are all gone is deleted.
    Collect,
    /// A set makes a PVC from its template.
    SetClaim,
    /// A set makes a pod.
    SetPod,
    /// A set takes a pod that has no controller for its own.
    SetAdopt,
    /// A set brings the owners of a PVC in line with its retention policy.
    SetOwn,
    /// A set deletes a pod whose ordinal it does not want any more.
    SetScale,
    /// A set replaces a pod of an older template.
    SetRoll,
    /// A deployment rolls out.
    Roll,
    /// A deployment scales a ReplicaSet down.
    ScaleDown,
    /// A deployment makes the ReplicaSet of its template, or scales it up.
    ScaleUp,
    /// A ReplicaSet makes a pod.
    MakeReplica,
    /// A ReplicaSet deletes a pod that is too many.
    DropReplica,
    /// A job runs to its end.
    JobDone,
    /// A pod gets a node.
    Schedule,
    /// A pod starts.
    Run,
    /// A pod that is being deleted ends.
    PodEnd,
    /// An object in a namespace, or of a custom kind, that is being deleted is deleted.
    Vacate,
    /// An object that is being deleted goes when its controller has removed the finalizers.
    Finish,
    /// A retained volume that is being deleted goes when its PVC is gone.
    Forget,
}

/// Every rule: its number, what it says, and where it was read.
pub const RULES: &[(RuleId, &str, &str, &str)] = &[
    (
        RuleId::Provision,
        "R3",
        "a pending PVC of a class gets a new, empty volume with the class's policy",
        "pkg/controller/volume/persistentvolume/pv_controller.go",
    ),
    (
        RuleId::Unprotect,
        "R6",
        "a PVC that is being deleted goes when no scheduled pod names it",
        "pkg/controller/volume/pvcprotection/pvc_protection_controller.go",
    ),
    (
        RuleId::Release,
        "R5",
        "a volume whose PVC is gone is released",
        "pkg/controller/volume/persistentvolume/pv_controller.go",
    ),
    (
        RuleId::Reclaim,
        "R8",
        "a released volume with policy Delete is erased, with its disk",
        "pkg/controller/volume/persistentvolume/pv_controller.go",
    ),
    (RuleId::Collect, "R10", "an object whose owners are all gone is deleted", "pkg/controller/garbagecollector"),
    (
        RuleId::SetClaim,
        "R11a",
        "a StatefulSet makes the PVCs of its templates before the pod, and takes over what has the name",
        "pkg/controller/statefulset/stateful_pod_control.go",
    ),
    (
        RuleId::SetPod,
        "R11b",
        "a StatefulSet makes a pod when the one of that name is gone and no PVC of it is being deleted",
        "pkg/controller/statefulset/stateful_set_control.go",
    ),
    (
        RuleId::SetAdopt,
        "R11f",
        "a StatefulSet takes a pod of one of its names, of ordinals that it does not have too, that its selector selects and that has no controller for its own",
        "pkg/controller/controller_ref_manager.go",
    ),
    (
        RuleId::SetRoll,
        "R11c",
        "a StatefulSet deletes a pod of an older template; unless podManagementPolicy is Parallel, only while all its pods are ready",
        "pkg/controller/statefulset/stateful_set_control.go",
    ),
    (
        RuleId::SetOwn,
        "R11d",
        "a StatefulSet takes ownership of the PVCs of its templates, older ones included, while whenDeleted is Delete, and gives it \
         up when the policy changes, but only for ordinals that it runs; with whenScaled: Delete the pod of a dropped ordinal \
         becomes the owner",
        "pkg/controller/statefulset/stateful_set_utils.go",
    ),
    (
        RuleId::SetScale,
        "R11e",
        "a StatefulSet deletes the pods of ordinals that it does not want any more, once the others are ready",
        "pkg/controller/statefulset/stateful_set_control.go",
    ),
    (
        RuleId::Roll,
        "R12",
        "a Deployment whose pods mount no PVC rolls out, unless it is paused",
        "pkg/controller/deployment",
    ),
    (
        RuleId::ScaleDown,
        "R12a",
        "a Deployment scales ReplicaSets of older templates down: with strategy Recreate to 0 at once, with RollingUpdate as far as \
         enough pods run; not while it is paused",
        "pkg/controller/deployment/recreate.go; rolling.go",
    ),
    (
        RuleId::ScaleUp,
        "R12b",
        "a Deployment makes the ReplicaSet of its template and scales it up: with strategy Recreate when no pod of an older \
         template is left, ending ones included; with RollingUpdate up to maxSurge pods more; not while it is paused",
        "pkg/controller/deployment/recreate.go; rolling.go; sync.go",
    ),
    (
        RuleId::MakeReplica,
        "R12c",
        "a ReplicaSet makes pods until it has as many as it wants, beside those that are being deleted",
        "pkg/controller/replicaset/replica_set.go",
    ),
    (
        RuleId::DropReplica,
        "R12d",
        "a ReplicaSet deletes the pods that are too many, first those that do not run",
        "pkg/controller/replicaset/replica_set.go",
    ),
    (RuleId::JobDone, "R12j", "a job ends when what it waits for is there", "pkg/controller/job"),
    (
        RuleId::Schedule,
        "R13",
        "a pod gets a node when all its PVCs are bound and none is being deleted, and no other pod has one that is ReadWriteOncePod",
        "pkg/scheduler/framework/plugins/volumebinding/volume_binding.go; volume_restrictions.go of volumerestrictions",
    ),
    (
        RuleId::Run,
        "R13r",
        "a scheduled pod starts; a database makes its data directory where there is none",
        "pkg/kubelet",
    ),
    (RuleId::PodEnd, "R9p", "a scheduled pod that is being deleted ends", "pkg/kubelet"),
    (
        RuleId::Vacate,
        "R14",
        "everything in a namespace that is being deleted is deleted, and every custom resource of a CustomResourceDefinition that is",
        "pkg/controller/namespace/deletion/namespaced_resources_deleter.go; crd_finalizer.go of apiextensions-apiserver",
    ),
    (
        RuleId::Finish,
        "R9f",
        "an object that is being deleted goes when its controller has removed the finalizers; a namespace or a \
         CustomResourceDefinition when nothing is left in it",
        "pkg/registry/generic/registry/store.go of apiserver",
    ),
    (
        RuleId::Forget,
        "R8t",
        "a volume with policy Retain that is being deleted goes when its PVC is gone, and leaves a disk that no volume names",
        "pkg/controller/volume/pvprotection/pv_protection_controller.go",
    ),
];

impl RuleId {
    /// The rule's number.
    #[must_use]
    pub fn code(self) -> &'static str {
        RULES.iter().find(|rule| rule.0 == self).map_or("R?", |rule| rule.1)
    }
}

/// The rules that an object invites to fire now.
pub(crate) fn enabled(world: &World, name: &Ref, thing: &StoredObject, out: &mut Vec<(RuleId, Ref)>) {
    let view = &thing.view;
    let closing = world.is_closing(name);
    if closing && !view.terminating {
        out.push((RuleId::Vacate, name.clone()));
    }
    if !view.owners.is_empty() && !view.terminating && !view.owners.iter().any(|owner| world.has_owner(owner)) {
        out.push((RuleId::Collect, name.clone()));
    }
    let rule = match &view.kind {
        Kind::Claim(_) if view.terminating => {
            (!world.pods_on(name).any(|(_, pod)| pod.scheduled)).then_some(RuleId::Unprotect)
        }
        Kind::Claim(claim) => {
            (!claim.bound && claim.volume.is_none() && claim.class.is_some()).then_some(RuleId::Provision)
        }
        Kind::Volume(volume) if volume.released && volume.policy != Policy::Retain => Some(RuleId::Reclaim),
        Kind::Volume(volume) if volume.released || volume.claim.is_none() => view.terminating.then_some(RuleId::Forget),
        Kind::Volume(volume) => volume
            .claim
            .as_ref()
            .is_some_and(|(claim, uid)| world.view(claim).is_none_or(|view| Some(&view.uid) != uid.as_ref()))
            .then_some(RuleId::Release),
        Kind::Set(set) if !view.terminating && !closing => {
            if let Some((rule, _)) = set_step(world, name, &view.uid, set) {
                out.push((rule, name.clone()));
            }
            None
        }
        Kind::Deployment(deployment) if !view.terminating && !closing => {
            deployment_step(world, name, &view.uid, deployment).map(|(rule, _)| rule)
        }
        Kind::ReplicaSet(set) if !view.terminating && !closing => replica_rule(world, &view.uid, set),
        Kind::Job(job) => (!job.complete && job_can_end(world, job)).then_some(RuleId::JobDone),
        Kind::Pod(pod) => pod_rule(world, name, pod, view.terminating),
        Kind::Container(container) if view.terminating => (!world.is_occupied(container)).then_some(RuleId::Finish),
        Kind::Other => view.terminating.then_some(RuleId::Finish),
        Kind::Deployment(_) | Kind::ReplicaSet(_) if view.terminating => Some(RuleId::Finish),
        Kind::Set(_) | Kind::Deployment(_) | Kind::ReplicaSet(_) | Kind::Container(_) => None,
    };
    out.extend(rule.map(|rule| (rule, name.clone())));
}

/// The names of the objects that the rules of this one look at: where none of them changes, nor the object itself, no
/// rule that does not fire now ever will. A Deployment looks at its ReplicaSets, and these look at their pods: both name their owners,
/// which connects them as well. Of what a rule reads only now and then (the pods on a PVC that is
/// being deleted, the password that a pod waits for) [`is_at_rest`] says that it does not read it.
pub(crate) fn reads(view: &ObjectView) -> Vec<Ref> {
    let mut names: Vec<Ref> = view.owners.iter().flat_map(|owner| [owner.name.clone(), of_cluster(owner)]).collect();
    match &view.kind {
        Kind::Pod(pod) => names.extend(pod.claims.iter().cloned()),
        Kind::Volume(volume) => names.extend(volume.claim.iter().map(|(claim, _)| claim.clone())),
        Kind::Set(set) => {
            names.extend(set.replicas.iter().flat_map(|replica| replica.claims.iter().chain([&replica.pod])).cloned());
        }
        Kind::Deployment(deployment) => names.extend(deployment.claims.iter().cloned()),
        Kind::ReplicaSet(set) => names.extend(set.claims.iter().cloned()),
        Kind::Claim(_) | Kind::Job(_) | Kind::Container(_) | Kind::Other => {}
    }
    names
}

impl World {
    /// Whether nobody reads an object, whatever is in it, nor whether it is there: no rule, no verdict, no helm and no step of a plan
    /// before its helm has come to a good end. A kind that a rule begins to read has to be taken out here.
    pub(crate) fn is_inert(&self, name: &Ref) -> bool {
        use portolan_kube_facts::Kind;
        let is_read = match Kind::named(name) {
            // Passwords, the reclaim policy of new volumes, and helm's records.
            Kind::Inert => matches!(name.kind(), "Secret" | "StorageClass" | "Release"),
            Kind::Route | Kind::Ingress => false,
            Kind::Pod
            | Kind::StatefulSet
            | Kind::Deployment
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::ReplicationController
            | Kind::Job
            | Kind::CronJob
            | Kind::PersistentVolumeClaim
            | Kind::PersistentVolume
            | Kind::Namespace
            | Kind::CustomResourceDefinition
            | Kind::Custom => true,
        };
        let moves = |thing: &StoredObject| thing.view.terminating || !thing.view.owners.is_empty();
        !is_read && !self.is_closing(name) && !self.thing(name).is_some_and(|thing| moves(thing))
    }
}

/// Whether no rule of an object fires now, nor waits for something that [`reads`] does not name.
pub(crate) fn is_at_rest(world: &World, name: &Ref, thing: &StoredObject) -> bool {
    let waits = match &thing.view.kind {
        Kind::Pod(pod) => !pod.running && !pod.ended,
        Kind::Job(job) => !job.complete,
        _ => false,
    };
    let mut fires = Vec::new();
    enabled(world, name, thing, &mut fires);
    !waits && !thing.view.terminating && fires.is_empty()
}

fn pod_rule(world: &World, name: &Ref, pod: &Pod, terminating: bool) -> Option<RuleId> {
    if terminating {
        return Some(RuleId::PodEnd);
    }
    if !pod.scheduled {
        let schedulable = pod.claims.iter().all(|claim| {
            world.view(claim).is_some_and(|view| match &view.kind {
                Kind::Claim(is) => !view.terminating && is.bound && !(is.for_one_pod && is_held(world, claim)),
                _ => false,
            })
        });
        return schedulable.then_some(RuleId::Schedule);
    }
    if pod.running || pod.stuck || pod.ended {
        return None;
    }
    match database_of(world, name) {
        // The password comes from a Secret: without it the container is not made.
        Some(known) => password(world, &known.passwords).is_some().then_some(RuleId::Run),
        None => Some(RuleId::Run),
    }
}

/// Whether a pod that has a node holds a PVC.
fn is_held(world: &World, claim: &Ref) -> bool {
    world.pods_on(claim).any(|(_, pod)| pod.scheduled && !pod.ended)
}

/// Carries out one step of a rule.
pub(crate) fn fire(world: &mut World, rule: RuleId, name: &Ref) {
    let Some(thing) = world.thing(name).cloned() else { return };
    match (rule, &thing.view.kind) {
        (RuleId::Provision, _) => provision(world, name, &thing),
        (RuleId::Unprotect, _) => world.remove(name),
        (RuleId::Release, _) => edit(world, name, rule, &thing, |json| json["status"]["phase"] = json!("Released")),
        (RuleId::Reclaim, _) => {
            world.set_disk(name, Disk { alive: false, database: None });
            world.remove(name);
        }
        (RuleId::Collect | RuleId::Vacate, _) => drop(world.delete(name)),
        (
            RuleId::SetClaim | RuleId::SetPod | RuleId::SetAdopt | RuleId::SetOwn | RuleId::SetScale | RuleId::SetRoll,
            Kind::Set(set),
        ) => {
            if let Some((_, step)) = set_step(world, name, &thing.view.uid, set) {
                take_set_step(world, name, &thing, set, &step);
            }
        }
        (RuleId::Roll | RuleId::ScaleUp | RuleId::ScaleDown, Kind::Deployment(deployment)) => {
            if let Some((_, step)) = deployment_step(world, name, &thing.view.uid, deployment) {
                take_deployment_step(world, name, &thing, &step);
            }
        }
        (RuleId::MakeReplica, _) => make_replica(world, name, &thing),
        (RuleId::DropReplica, Kind::ReplicaSet(set)) => {
            if let Some(pod) = replica_to_drop(world, &thing.view.uid, set) {
                drop(world.delete(&pod));
            }
        }
        (RuleId::JobDone, _) => {
            migrate(world, name);
            edit(world, name, rule, &thing, |json| json["status"]["succeeded"] = json!(1));
        }
        (RuleId::Schedule, _) => edit(world, name, rule, &thing, |json| json["spec"]["nodeName"] = json!("node-1")),
        (RuleId::Run, Kind::Pod(pod)) => {
            init_database(world, name, pod);
            edit(world, name, rule, &thing, |json| json["status"]["phase"] = json!("Running"));
        }
        (RuleId::PodEnd | RuleId::Finish | RuleId::Forget, _) => world.remove(name),
        _ => {}
    }
}

fn edit(world: &mut World, name: &Ref, rule: RuleId, thing: &StoredObject, change: impl FnOnce(&mut Value)) {
    world.put_made(name, rule, thing.state_hash(), || {
        let mut json = (*thing.object.0).clone();
        change(&mut json);
        json
    });
}

fn provision(world: &mut World, name: &Ref, thing: &StoredObject) {
    let volume = Ref::volume(&format!("pvc-{}", thing.view.uid));
    let class = thing.object.text("/spec/storageClassName").to_owned();
    let policy =
        world.get(&Ref::new("storage.k8s.io", "StorageClass", "", &class)).map_or("Delete".to_owned(), |class| {
            match class.text("/reclaimPolicy") {
                "" => "Delete".to_owned(),
                policy => policy.to_owned(),
            }
        });
    let size = thing.object.at("/spec/resources/requests/storage").cloned().unwrap_or(json!("1Gi"));
    let made = world.create(
        &volume,
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume.name()},
            "spec": {
                "persistentVolumeReclaimPolicy": policy, "storageClassName": class, "capacity": {"storage": size},
                "claimRef": {"kind": "PersistentVolumeClaim", "namespace": name.namespace(), "name": name.name(), "uid": thing.view.uid.to_string()}
            },
            "status": {"phase": "Bound"}
        }),
    );
    if made.is_ok() {
        world.set_disk(&volume, Disk { alive: true, database: None });
    }
    edit(world, name, RuleId::Provision, thing, |json| {
        json["spec"]["volumeName"] = json!(volume.name());
        json["status"]["phase"] = json!("Bound");
    });
}

fn database_of<'a>(world: &'a World, pod: &Ref) -> Option<&'a crate::world::KnownDatabase> {
    world.facts.databases.iter().find(|known| StatefulSet::ordinal_of(&known.set, pod).is_some())
}

/// The raw data of the first of these keys that is there.
pub(crate) fn password(world: &World, keys: &[SecretKey]) -> Option<String> {
    keys.iter().find_map(|key| {
        let text = world.get(&key.secret)?.0.pointer("/data")?.get(&key.key)?.as_str()?;
        Some(text.to_owned())
    })
}

/// The disk under a pod's first PVC.
pub(crate) fn disk_under(world: &World, pod: &Pod) -> Option<Ref> {
    match &world.view(pod.claims.first()?)?.kind {
        Kind::Claim(claim) => claim.volume.clone(),
        _ => None,
    }
}

/// A database server on an empty disk makes its data directory; on a used one it takes what is there.
fn init_database(world: &mut World, name: &Ref, pod: &Pod) {
    let Some(known) = database_of(world, name).cloned() else { return };
    let (Some(volume), Some(password)) = (disk_under(world, pod), password(world, &known.passwords)) else { return };
    let Some(disk) = world.disk(&volume).cloned() else { return };
    if disk.alive && disk.database.is_none() {
        let print = crate::state_hash::of(&volume.full());
        let database = Database {
            system_identifier: format!("{}", 7_000_000_000_000_000_000_u64 + (print as u64 % 999_999_999_999_999_999)),
            server_version: known.server_version,
            password,
            tables: std::collections::BTreeMap::new(),
        };
        world.set_disk(&volume, Disk { database: Some(database), ..disk });
    }
}

/// The running pod of a database's set, with the volume under it.
pub(crate) fn running_database<'a>(world: &'a World, set: &Ref) -> Option<(Ref, &'a Database)> {
    let view = world.view(&StatefulSet::pod_of(set, 0))?;
    let Kind::Pod(view) = &view.kind else { return None };
    if !view.running {
        return None;
    }
    let volume = disk_under(world, view)?;
    let database = world.disk(&volume).filter(|disk| disk.alive)?.database.as_ref()?;
    Some((volume, database))
}

/// A job that is given a database's password waits until the database takes it.
fn job_can_end(world: &World, job: &Job) -> bool {
    job.secrets.iter().all(|key| {
        let known =
            world.facts.databases.iter().find(|known| known.passwords.iter().any(|known| known.secret == key.secret));
        known.is_none_or(|known| {
            running_database(world, &known.set).is_some_and(|(_, database)| {
                password(world, std::slice::from_ref(key)).as_ref() == Some(&database.password)
            })
        })
    })
}

fn migrate(world: &mut World, name: &Ref) {
    let Some(migration) = world.facts.migrations.iter().find(|migration| migration.job == name.name()).cloned() else {
        return;
    };
    let Some((volume, database)) = running_database(world, &migration.set) else { return };
    let mut database = database.clone();
    for (table, after) in &migration.tables {
        let rows = database.tables.get(table).map_or(0, |before| before.rows);
        database.tables.insert(table.clone(), portolan_model::Table { rows: rows + after.rows, ..after.clone() });
    }
    world.set_disk(&volume, Disk { alive: true, database: Some(database) });
}

#[cfg(test)]
mod tests;

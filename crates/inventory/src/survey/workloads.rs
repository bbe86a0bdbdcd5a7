//! The workloads of a release, and which of them a pod belongs to.

use crate::credential::told;
use portolan_kube_facts::Kind;
use portolan_model::{Inventory, Object, Ref, Workload};

fn is_workload(name: &Ref) -> bool {
    matches!(Kind::named(name), Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::Job)
}

/// The workloads of the stored manifest, with how they are; then those that live and that helm marked as this
/// release's although the manifest does not have them, or that a hook made and that stay.
pub(super) fn of_release(inventory: &Inventory) -> Vec<Workload> {
    let mut names: Vec<Ref> = inventory.release.docs.iter().filter_map(Object::name).filter(is_workload).collect();
    for (name, object) in &inventory.objects {
        if is_workload(name)
            && !names.contains(name)
            && (belongs(inventory, object) || stays_from_hook(inventory, name))
        {
            names.push(name.clone());
        }
    }
    names
        .into_iter()
        .map(|name| {
            let (ready, state) = match inventory.objects.get(&name) {
                Some(object) => state(inventory, &name, object),
                None if inventory.is_complete(name.kind(), name.namespace()) => (false, "not there".into()),
                None => (false, "may not be read".into()),
            };
            Workload { name, ready, state }
        })
        .collect()
}

/// Whether helm marked a live object as this release's.
pub fn belongs(inventory: &Inventory, object: &Object) -> bool {
    let id = &inventory.release.id;
    object.annotation("meta.helm.sh/release-name") == Some(id.name.as_str())
        && object.annotation("meta.helm.sh/release-namespace") == Some(id.namespace.as_str())
}

/// Whether a live object is one that a hook made. Helm marks those in no way, and no manifest has them.
pub(super) fn is_of_hook(inventory: &Inventory, name: &Ref) -> bool {
    inventory.release.hooks.iter().any(|hook| hook.name().as_ref() == Some(name))
}

/// Whether a hook made a workload that goes on running. A Job has its end.
fn stays_from_hook(inventory: &Inventory, name: &Ref) -> bool {
    name.kind() != "Job" && is_of_hook(inventory, name)
}

/// Whether a workload is as its spec asks, and that in a few words. A pod that ends again and again is ready for a while after each
/// start.
fn state(inventory: &Inventory, name: &Ref, object: &Object) -> (bool, String) {
    let words = match portolan_kube_facts::readiness_of(Kind::named(name), object) {
        Ok(words) => words,
        // The kubelet repeats commands.
        Err(words) => return (false, told(&words)),
    };
    let pods = inventory.objects.iter().filter(|(pod, _)| {
        Kind::named(pod) == Kind::Pod && pod.namespace() == name.namespace() && name.kind() != "Job"
    });
    let mut restarts =
        pods.filter(|(_, pod)| owner(inventory, pod).as_ref() == Some(name)).filter_map(|(pod, object)| {
            let restarts = portolan_kube_facts::restarts_lately(object, inventory.taken?)?;
            Some(format!("{words}, but {} {restarts}", pod.name()))
        });
    restarts.next().map_or((true, words.clone()), |words| (false, words))
}

/// The workload that owns a pod. A pod of a Deployment is owned by a `ReplicaSet`, which need not have been read: its name is the
/// Deployment's with a hash, and the Deployment itself was listed.
pub(super) fn owner(inventory: &Inventory, pod: &Object) -> Option<Ref> {
    let owner = portolan_kube_facts::controller(pod)?.name;
    if Kind::named(&owner) == Kind::ReplicaSet
        && let Some((deployment, _)) = owner.name().rsplit_once('-')
    {
        let deployment = Ref::new("apps", "Deployment", owner.namespace(), deployment);
        if inventory.objects.contains_key(&deployment) {
            return Some(deployment);
        }
    }
    Some(owner)
}

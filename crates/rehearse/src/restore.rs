//! A world made from an inventory, found a moment ago or read from a file: what a rehearsal of a real installation starts from.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_inventory::credential::placeholder;
use portolan_model::{Digest, HelmClient, Inventory, Manifest, Object, Ref, SecretKey, Uid, canonical};
use serde_json::{Value, json};

use crate::helm::record_name;
use crate::world::{Database, Disk, Facts, KnownDatabase, World};

/// A world in the state that an inventory found. Secrets' data are not in an inventory, so each value stands
/// for itself: it is known only to be the same value wherever it is carried. Of a database's rows nothing is known.
#[must_use]
pub fn from_inventory(inventory: &Inventory, databases: &[KnownDatabase]) -> World {
    let mut world = World::new(Facts {
        cluster: inventory.cluster.clone(),
        release: inventory.release.id.clone(),
        coverage: inventory.coverage.clone(),
        // The helm of a simulation is no program.
        surveyed: inventory.helm.as_ref().is_none_or(|helm| matches!(helm, HelmClient::Program { .. })),
        helm: inventory.helm.as_ref().map(|helm| helm.version().clone()),
        databases: databases.to_vec(),
        migrations: Vec::new(),
    });
    let surveyed = Surveyed::of(inventory);
    for (name, object) in &inventory.objects {
        // A volume that is held elsewhere would look as if its PVC were gone: that PVC was not asked for.
        if object.text("/type") != "helm.sh/release.v1" && inventory.concerns(name, object) {
            match surveyed.simulated(name, object) {
                Some(json) => world.put(name, json),
                None => world.put_surveyed(name, object),
            }
        }
    }
    for volume in inventory.volumes.iter().filter_map(|volume| volume.volume.as_ref()) {
        world.set_disk(volume, Disk { alive: true, database: None });
    }
    for known in databases {
        let pod = Ref::pod(known.set.namespace(), &format!("{}-0", known.set.name()));
        let Some(volume) = world.view(&pod).and_then(|view| match &view.kind {
            crate::object_view::Kind::Pod(pod) => crate::rules::disk_under(&world, pod),
            _ => None,
        }) else {
            continue;
        };
        if let Some(password) = crate::rules::password(&world, &known.passwords) {
            let database = Database {
                system_identifier: format!("of {}", volume.name()),
                server_version: known.server_version.clone(),
                password,
                tables: BTreeMap::new(),
            };
            world.set_disk(&volume, Disk { alive: true, database: Some(database) });
        }
    }
    record(&mut world, inventory);
    world
}

/// What the form of an object in the simulation depends on.
struct Surveyed<'a> {
    inventory: &'a Inventory,
    uids: BTreeSet<Uid>,
    /// The objects of the release's manifest.
    stored: BTreeSet<Ref>,
}

impl<'a> Surveyed<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        Self {
            inventory,
            uids: inventory.objects.values().filter_map(Object::uid).collect(),
            stored: inventory.release.docs.iter().filter_map(Object::name).collect(),
        }
    }

    /// An object in the simulation's form; `None` for one that is taken as it is, as most are: also a Deployment that is not the release's.
    ///
    /// A real revision of a pod is named by a counter, ours by content: a pod of its set's current template gets ours. Owners that were
    /// not read are left out: nothing may be concluded from their absence. The planner names the PVCs that have such an owner.
    fn simulated(&self, name: &Ref, object: &Object) -> Option<Value> {
        let owners = object.list("/metadata/ownerReferences");
        let uid = |owner: &Value| owner.get("uid").and_then(Value::as_str).and_then(Uid::parse);
        let is_known = |owner: &&Value| uid(owner).is_some_and(|uid| self.uids.contains(&uid));
        let set = owners
            .iter()
            .filter(|_| name.kind() == "Pod")
            .filter_map(|owner| owner.get("name")?.as_str())
            .find_map(|owner| self.inventory.objects.get(&Ref::set(name.namespace(), owner)));
        let keeps_owners = set.is_none() && owners.iter().all(|owner| is_known(&owner));
        let is_rolled = name.kind() == "Deployment" && object.at(crate::object_view::OBSERVED).is_some();
        if keeps_owners && is_rolled && !self.stored.contains(name) {
            return None;
        }
        let settled = settled(name, object, self.inventory.taken);
        if keeps_owners {
            return settled;
        }
        let mut json = settled.unwrap_or_else(|| (*object.0).clone());
        json["metadata"]["ownerReferences"] = owners.iter().filter(is_known).cloned().collect();
        if let Some(set) = set {
            let current = object.label(crate::object_view::REVISION) == Some(set.text("/status/updateRevision"));
            let ours = if current { crate::object_view::revision(&set.0) } else { "an older one".into() };
            json["metadata"]["labels"][crate::object_view::REVISION] = json!(ours);
        }
        Some(json)
    }
}

/// The release's records, in the simulation's form. Of the older ones no manifest is known: helm reads the newest.
fn record(world: &mut World, inventory: &Inventory) {
    let release = &inventory.release;
    for revision in &release.history {
        let is_newest = revision.revision == release.revision;
        let docs = if is_newest { release.docs.clone() } else { Vec::new() };
        let manifest = canonical(&Manifest { docs, nondeterministic_fields: BTreeMap::new() });
        let digest = Digest::of(&manifest);
        world.learn(&digest, &manifest);
        let name = record_name(&release.id, revision.revision);
        world.put(
            &name,
            json!({
                "apiVersion": "helm.sh/v1", "kind": "Release",
                "metadata": {
                    "name": name.name(), "namespace": name.namespace(), "uid": format!("release-{}", revision.revision)
                },
                "revision": revision.revision, "status": revision.status, "chart": revision.chart,
                "app_version": revision.app_version, "description": revision.description, "deployed": revision.deployed,
                "manifest": digest, "config": if is_newest { release.config.clone() } else { Value::Null },
            }),
        );
    }
}

/// What the simulation reads of statuses that real controllers write in another form, and of Secrets; `None` for an object that stays as
/// it is.
fn settled(name: &Ref, object: &Object, taken: Option<u64>) -> Option<Value> {
    // Most objects stay as they are, and are not copied.
    let copy = || (*object.0).clone();
    match name.kind() {
        "Pod" if is_stuck(object, taken) => {
            let mut json = copy();
            json["status"]["phase"] = json!(crate::object_view::STUCK);
            Some(json)
        }
        "Deployment" => {
            let mut json = copy();
            json["status"] = json!({"rolled": crate::object_view::revision(&json)});
            Some(json)
        }
        "Secret" if object.at("/data").is_some() => {
            let mut json = copy();
            if let Some(Value::Object(data)) = json.get_mut("data") {
                for (key, value) in data.iter_mut().filter(|(_, value)| *value != "") {
                    let key = SecretKey { secret: name.clone(), key: key.clone() };
                    *value = json!(STANDARD.encode(placeholder(&key)));
                }
            }
            Some(json)
        }
        _ => None,
    }
}

/// Whether a pod finds no node, or its containers do not get ready. One that is starting gets there.
fn is_stuck(pod: &Object, taken: Option<u64>) -> bool {
    taken.and_then(|now| portolan_kube_facts::is_coming(pod, now)).is_none()
        && !pod.is_terminating()
        && matches!(pod.text("/status/phase"), "Running" | "Pending")
        && portolan_kube_facts::is_ready(pod) == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_is_starting_is_not_stuck() {
        let pod = Object::new(json!({
            "kind": "Pod", "metadata": {"name": "p", "creationTimestamp": "2026-11-29T15:07:20Z"},
            "status": {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}]},
        }));
        let settled = |taken| settled(&Ref::pod("ns", "p"), &pod, taken);
        let phase = |taken| settled(taken).map(|pod| pod["status"]["phase"].clone());
        assert_eq!(phase(Some(1_795_964_847)), None);
        for taken in [Some(1_795_964_847 + 3600), None] {
            assert_eq!(phase(taken), Some(json!(crate::object_view::STUCK)));
        }
    }
}

//! What a plan relied on.

use std::collections::BTreeMap;

use portolan_model::{Field, Inventory, JsonPointer, Object, Plan, Precondition, Ref, StepKind, Uid, Volume};
use serde_json::Value;

/// The objects that a plan looked at and the fields that it relied on. A plan without hops relies on the cluster alone.
pub(super) fn of(inventory: &Inventory, plan: &Plan) -> BTreeMap<Ref, Precondition> {
    let mut all = BTreeMap::new();
    let mut put = |name: Ref, uid: &Uid, fields: Vec<Field>| {
        all.entry(name).or_insert_with(|| Precondition { fields, ..Precondition::same(uid.clone()) });
    };
    put(cluster(inventory), &inventory.cluster.uid, Vec::new());
    // A release of the same name in a namespace that was made again is another one, and no run of the old one is its run.
    let own = Ref::new("", "Namespace", "", &inventory.release.id.namespace);
    if let Some(uid) = inventory.objects.get(&own).and_then(Object::uid) {
        put(own, &uid, Vec::new());
    }
    if plan.hops.is_empty() {
        return all;
    }
    for volume in inventory.data_volumes() {
        put(volume.claim.clone(), &volume.claim_uid, claim(inventory, volume, plan));
        if let (Some(name), Some(uid)) = (&volume.volume, &volume.volume_uid) {
            put(name.clone(), uid, disk(inventory, name, volume));
        }
    }
    // A PVC that somebody makes under the name of a new one would be taken over, with what is on it.
    for claim in plan.hops.iter().flat_map(|hop| &hop.new_claims).map(|new| &new.claim) {
        if !inventory.objects.contains_key(claim) {
            all.entry(claim.clone()).or_insert_with(Precondition::absent);
        }
    }
    let mut put = |name: Ref, uid: &Uid, fields: Vec<Field>| {
        all.entry(name).or_insert_with(|| Precondition { fields, ..Precondition::same(uid.clone()) });
    };
    // Objects that a later hop makes first are not here yet.
    let live = |name: &Ref| inventory.objects.get(name).and_then(Object::uid);
    for step in plan.steps() {
        match &step.kind {
            StepKind::KeepClaim { claim, uid, .. } => put(claim.clone(), uid, Vec::new()),
            StepKind::DeleteObject { target, uid, .. } => put(target.clone(), uid, Vec::new()),
            StepKind::ArchiveObject { objects } => {
                for name in objects {
                    if let Some(uid) = live(name) {
                        put(name.clone(), &uid, Vec::new());
                    }
                }
            }
            _ => {}
        }
    }
    all
}

/// The namespace whose UID tells this cluster from others.
fn cluster(inventory: &Inventory) -> Ref {
    let namespace = |name: &str| Ref::new("", "Namespace", "", name);
    let is = |name: &Ref| inventory.objects.get(name).is_some_and(|object| object.is(&inventory.cluster.uid));
    let own = namespace(&inventory.release.id.namespace);
    let system = namespace("kube-system");
    if !is(&system) && is(&own) { own } else { system }
}

fn field(pointer: &str, value: Value, why: impl Into<String>) -> Field {
    Field { pointer: JsonPointer::new(pointer), value, why: why.into() }
}

fn claim(inventory: &Inventory, volume: &Volume, plan: &Plan) -> Vec<Field> {
    let keep = match inventory.objects.get(&volume.claim) {
        Some(object) => object.at(portolan_kube_facts::RESOURCE_POLICY_POINTER).cloned().unwrap_or_default(),
        None => volume.keep_live.clone().map_or(Value::Null, Value::String),
    };
    let owners =
        inventory.objects.get(&volume.claim).and_then(|object| object.at("/metadata/ownerReferences").cloned());
    let owners = owners.unwrap_or_default();
    let why = match plan.forward_only().first() {
        Some(helm) => format!("step {helm} relies on it: helm deletes a PVC, or keeps it, by this annotation"),
        None => "helm deletes a PVC, or keeps it, by this annotation".into(),
    };
    let bound = volume.volume.as_ref().map_or("", |volume| volume.name());
    let mut fields = vec![
        field(portolan_kube_facts::RESOURCE_POLICY_POINTER, keep, why),
        field("/spec/volumeName", bound.into(), "the data lies on this volume"),
        field("/metadata/ownerReferences", owners, "what owns a PVC takes it along"),
    ];
    // Nothing takes a deletion back. Of one that has begun only the disk is protected.
    if !volume.terminating {
        let why = "a PVC that is being deleted goes when its last pod goes";
        fields.push(field("/metadata/deletionTimestamp", Value::Null, why));
    }
    fields
}

fn disk(inventory: &Inventory, name: &Ref, volume: &Volume) -> Vec<Field> {
    let at = |pointer: &str, known: &str| match inventory.objects.get(name).and_then(|object| object.at(pointer)) {
        Some(value) => value.clone(),
        None => known.into(),
    };
    let policy = "/spec/persistentVolumeReclaimPolicy";
    let holder = "/spec/claimRef/uid";
    vec![
        field(
            policy,
            at(policy, volume.policy.as_deref().unwrap_or_default()),
            "the reclaim policy says what becomes of the disk",
        ),
        field(holder, at(holder, volume.claim_uid.as_str()), "the volume belongs to this PVC and no other"),
    ]
}

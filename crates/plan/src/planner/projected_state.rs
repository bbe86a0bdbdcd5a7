//! The installation as it will be when a hop begins.

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::upgrade;
use portolan_model::{Change, Hop, Inventory, Manifest, Object, ObjectChange, OwnField, Ref, Step, StepKind};
use serde_json::{Value, json};

use super::check_objects;

/// PVCs and volumes are the same objects in every hop. What helm makes in one is not known by UID in the next: such an
/// object stands here without one.
#[derive(Default)]
pub(super) struct ProjectedState {
    pub(super) revision: u32,
    /// The stored manifest.
    pub(super) docs: Vec<Object>,
    /// The hooks of the chart that is installed. Secrets may be in clear: nothing of them may be shown.
    pub(super) hooks: Vec<Object>,
    /// What lives.
    pub(super) objects: BTreeMap<Ref, Object>,
    /// Volumes that an earlier hop set to Retain.
    pub(super) retained: BTreeSet<Ref>,
    /// Objects that an earlier hop put into the archive. The first copy counts: of a password it is the one that the data
    /// directory knows.
    pub(super) archived: BTreeSet<Ref>,
    /// The fields that earlier hops wrote.
    pub(super) own: Vec<OwnField>,
}

impl ProjectedState {
    pub(super) fn of(inventory: &Inventory) -> Self {
        Self {
            revision: inventory.release.revision,
            docs: inventory.release.docs.clone(),
            hooks: inventory.release.hooks.clone(),
            objects: inventory.objects.clone(),
            retained: BTreeSet::new(),
            archived: BTreeSet::new(),
            own: Vec::new(),
        }
    }

    /// Whether the stored manifest has an object.
    pub(super) fn is_stored(&self, name: &Ref) -> bool {
        self.docs.iter().any(|doc| doc.name().as_ref() == Some(name))
    }

    /// What lives when helm starts, after the steps before it.
    pub(super) fn before_helm(&self, steps: &[Step]) -> BTreeMap<Ref, Object> {
        let mut live = self.objects.clone();
        for step in steps {
            match &step.kind {
                StepKind::KeepClaim { claim, .. } => {
                    if let Some(object) = live.get_mut(claim) {
                        *object = kept(object);
                    }
                }
                StepKind::RetainVolume { volume, .. } => {
                    if let Some(object) = live.get_mut(volume) {
                        *object = retained(object);
                    }
                }
                StepKind::DeleteObject { target, .. } => {
                    live.remove(target);
                }
                StepKind::WaitGone { pods } => {
                    for orphan in pods {
                        live.remove(&orphan.pod);
                    }
                }
                _ => {}
            }
        }
        live
    }

    /// What stands after a hop, but for the chart's hooks.
    pub(super) fn after(&self, hop: &Hop, mut live: BTreeMap<Ref, Object>, planned: &Manifest) -> Self {
        let (mut retained, mut archived) = (self.retained.clone(), self.archived.clone());
        for step in &hop.steps {
            match &step.kind {
                StepKind::RetainVolume { volume, .. } => {
                    retained.insert(volume.clone());
                }
                StepKind::ArchiveObject { objects } => archived.extend(objects.iter().cloned()),
                _ => {}
            }
        }
        let new = |name: &Ref| planned.docs.iter().find(|doc| doc.name().as_ref() == Some(name));
        let old = |name: &Ref| self.docs.iter().find(|doc| doc.name().as_ref() == Some(name));
        for ObjectChange { change, object: name, .. } in &hop.changes {
            match (change, new(name)) {
                (Change::Delete, _) => {
                    live.remove(name);
                }
                (Change::Keep, _) | (_, None) => {}
                (_, Some(doc)) => {
                    let object = match live.get(name) {
                        Some(is) => upgrade::patched(old(name), doc, is),
                        // Helm puts its own label on what it makes.
                        None => upgrade::patched(None, doc, doc),
                    };
                    live.insert(name.clone(), object);
                }
            }
        }
        retain_again(&mut live, hop);
        for new in &hop.new_claims {
            let claim = json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": new.claim.name(), "namespace": new.claim.namespace()},
            });
            live.insert(new.claim.clone(), Object::new(claim));
        }
        let mut own = self.own.clone();
        own.extend(hop.steps.iter().filter_map(check_objects::own_field));
        let (docs, hooks) = (planned.docs.clone(), Vec::new());
        Self { revision: self.revision + 1, docs, hooks, objects: live, retained, archived, own }
    }
}

/// What the steps after helm do to PVs.
fn retain_again(live: &mut BTreeMap<Ref, Object>, hop: &Hop) {
    let is_before = |step: &&Step| !matches!(step.kind, StepKind::Helm { .. });
    for step in hop.steps.iter().skip_while(is_before) {
        if let StepKind::RetainVolume { volume, .. } = &step.kind
            && let Some(object) = live.get_mut(volume)
        {
            *object = retained(object);
        }
    }
}

fn retained(volume: &Object) -> Object {
    let mut json = (*volume.0).clone();
    if let Some(Value::Object(spec)) = json.get_mut("spec") {
        spec.insert("persistentVolumeReclaimPolicy".into(), "Retain".into());
    }
    Object::new(json)
}

fn kept(claim: &Object) -> Object {
    let mut json = (*claim.0).clone();
    if let Some(Value::Object(metadata)) = json.get_mut("metadata") {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if annotations.is_null() {
            *annotations = json!({});
        }
        if let Value::Object(annotations) = annotations {
            annotations.insert(portolan_kube_facts::RESOURCE_POLICY.into(), portolan_kube_facts::KEEP.into());
        }
    }
    Object::new(json)
}

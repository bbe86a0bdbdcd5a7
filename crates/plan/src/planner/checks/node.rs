//! Pods that write to where a volume lies, and not by its PVC: a folder of the node, an export, or another PV of the same disk. What
//! a pod could write to before the upgrade as well is left alone.

use std::collections::BTreeMap;

use portolan_kube_facts::{Container, Mount, PodTemplate, StatefulSet, claim_of, run_as_user};
use portolan_model::{Object, Ref, Volume};
use serde_json::Value;

use super::source::Source;
use super::uses::{Workloads, has_pods};
use super::{HopContext, Report};

const WAY_OUT: &str = "mount it with readOnly, or another folder";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let places = Places::of(context);
    for (name, object) in workloads.all_after().filter(|(_, object)| has_pods(object)) {
        let had = workloads.before(name).map(|before| places.today.written(before)).unwrap_or_default();
        for written in places.after.written(object) {
            if had.iter().any(|had| had.source.covers(&written.source)) {
                continue;
            }
            for volume in context.resolved.in_use() {
                if let Some(reason) = places.today.reaches(&written, volume) {
                    report.unknown(volume, name, &written.field, (reason, WAY_OUT));
                }
            }
        }
    }
}

/// Where PVCs lie before the hop, and after it.
pub(super) struct Places<'a> {
    today: Bindings<'a>,
    after: Bindings<'a>,
}

impl<'a> Places<'a> {
    pub(super) fn of(context: &'a HopContext<'_>) -> Self {
        let planned = context.planned.docs.iter().chain(context.hooks);
        let planned = planned.filter_map(|doc| Some((doc.name()?, doc)));
        let live = || context.before.objects.iter().map(|(name, object)| (name.clone(), object));
        Self {
            today: Bindings::of(live()),
            // What lives goes before what is planned: a PVC and a PV stay where they are.
            after: Bindings::of(planned.chain(live())),
        }
    }

    /// How a hook's pod writes to where a volume lies: the field, and the reason.
    pub(super) fn of_hook(&self, hook: &Object, volume: &Volume) -> Option<(String, String)> {
        let all = self.after.written(hook).into_iter();
        all.filter_map(|written| Some((self.today.reaches(&written, volume)?, written.field)))
            .map(|(reason, field)| (field, reason))
            .next()
    }
}

/// What a pod writes to.
struct Written {
    source: Source,
    /// The field of its object that says so.
    field: String,
    /// What it mounts, for people.
    what: String,
    /// The PVC that it is.
    claim: Option<Ref>,
}

/// Which PVC is on which volume, at one time.
struct Bindings<'a> {
    objects: BTreeMap<Ref, &'a Object>,
}

impl<'a> Bindings<'a> {
    /// Of all objects the PVCs and PVs; of two of a name the later one.
    fn of(objects: impl Iterator<Item = (Ref, &'a Object)>) -> Self {
        let is_storage = |name: &Ref| matches!(name.kind(), "PersistentVolumeClaim" | "PersistentVolume");
        Self { objects: objects.filter(|(name, _)| is_storage(name)).collect() }
    }

    /// The PVs that a PVC is on, or may be bound to.
    fn volumes(&self, claim: &Ref) -> Vec<(&Ref, &'a Object)> {
        let object = self.objects.get(claim);
        let bound = object.map_or("", |claim| claim.text("/spec/volumeName"));
        let class = object.map_or("", |claim| claim.text("/spec/storageClassName"));
        let is_its = |(name, volume): &(&Ref, &Object)| {
            let holder = (volume.text("/spec/claimRef/namespace"), volume.text("/spec/claimRef/name"));
            let is_free = holder.1.is_empty() && !class.is_empty() && volume.text("/spec/storageClassName") == class;
            if bound.is_empty() { holder == (claim.namespace(), claim.name()) || is_free } else { name.name() == bound }
        };
        let volumes = self.objects.iter().filter(|(name, _)| name.kind() == "PersistentVolume");
        volumes.map(|(name, object)| (name, *object)).filter(is_its).collect()
    }

    /// What the pods of an object write to.
    fn written(&self, object: &Object) -> Vec<Written> {
        let Some(template) = PodTemplate::of(object) else { return Vec::new() };
        let mut all: Vec<Written> = of_processes(template).into_iter().collect();
        let mounts = template.containers().flat_map(Container::mounts);
        for mount in mounts.filter(|mount| !mount.is_read_only) {
            all.extend(self.of_templates(object, mount));
            let Some((at, json)) = template.volume(mount.volume) else { continue };
            if is_read_only(json) {
                continue;
            }
            let field = format!("{}/volumes/{at}", template.pointer);
            match claim_of(json) {
                Some(claim) => {
                    let claim = Ref::claim(object.text("/metadata/namespace"), claim);
                    all.extend(self.of_claim(&claim, mount, &format!("{field}/persistentVolumeClaim/claimName")));
                }
                None => all.extend(Source::of(json).map(|source| Written {
                    field: format!("{field}{}", source.pointer()),
                    what: source.to_string(),
                    source: source.below(mount.sub_path),
                    claim: None,
                })),
            }
        }
        all
    }

    fn of_templates(&self, object: &Object, mount: Mount<'_>) -> Vec<Written> {
        let made = StatefulSet::of(object).map(|set| set.claims()).unwrap_or_default();
        let its = made
            .iter()
            .filter(|made| made.template.pointer("/metadata/name").and_then(Value::as_str) == Some(mount.volume));
        its.flat_map(|made| self.of_claim(&made.claim, mount, "/spec/volumeClaimTemplates")).collect()
    }

    fn of_claim(&self, claim: &Ref, mount: Mount<'_>, field: &str) -> Vec<Written> {
        let volumes = self.volumes(claim).into_iter();
        volumes
            .filter_map(|(name, volume)| {
                Some(Written {
                    source: Source::of(volume.at("/spec")?)?.below(mount.sub_path),
                    field: field.to_owned(),
                    what: format!("{claim} on {name}"),
                    claim: Some(claim.clone()),
                })
            })
            .collect()
    }

    /// Why what is written may be the data of a volume.
    fn reaches(&self, written: &Written, volume: &Volume) -> Option<String> {
        if written.claim.as_ref() == Some(&volume.claim) {
            return None;
        }
        let known = self.objects.get(volume.volume.as_ref()?).and_then(|volume| Source::of(volume.at("/spec")?));
        let what = &written.what;
        match known.filter(|source| source.overlaps(&written.source)) {
            Some(source) => Some(format!("it reaches {what}, and the volume lies at {source}")),
            None => written
                .source
                .holds_mounts()
                .then(|| format!("it reaches {what}, where the kubelet mounts every volume")),
        }
    }
}

/// The files of all pods of the node, which root among its processes reaches below `/proc/PID/root`.
fn of_processes(template: PodTemplate<'_>) -> Option<Written> {
    let is_root = |container: Container<'_>| matches!(run_as_user(template, container), None | Some(0));
    let sees = template.spec.get("hostPID").and_then(Value::as_bool) == Some(true);
    (sees && template.containers().any(is_root)).then(|| Written {
        source: Source::Node(Vec::new(), ""),
        field: format!("{}/hostPID", template.pointer),
        what: "the processes of the node with their files".into(),
        claim: None,
    })
}

/// Whether a pod's volume cannot be written to, by whatever mounts it.
pub(super) fn is_read_only(volume: &Value) -> bool {
    let sources = volume.as_object().into_iter().flatten();
    sources.into_iter().any(|(_, source)| source.get("readOnly") == Some(&Value::Bool(true)))
}

//! Pods that write to where a volume lies, and not by its PVC: a folder of the node, an export, or another PV of the same disk. What
//! a pod could write to before the upgrade as well is left alone.

use std::collections::BTreeMap;

use portolan_kube_facts::{Container, Mount, PodTemplate, StatefulSet, claim_of};
use portolan_model::{Object, Ref, Volume};
use serde_json::Value;

use super::source::Source;
use super::uses::Workloads;
use super::{HopContext, Report};

const WAY_OUT: &str = "mount it with readOnly, or another folder";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let (today, after) = (Places::today(context), Places::after(context));
    for (name, object) in workloads.all_after().filter(|(_, object)| has_pods(object)) {
        let had = workloads.before(name).map(|before| today.written(before)).unwrap_or_default();
        for written in after.written(object) {
            if had.iter().any(|had| had.source.covers(&written.source)) {
                continue;
            }
            for volume in context.resolved.in_use() {
                if let Some(reason) = today.reaches(&written, volume) {
                    report.unknown(volume, name, &written.field, (reason, WAY_OUT));
                }
            }
        }
    }
}

/// How a hook's pod writes to where a volume lies: the field, and the reason.
pub(super) fn of_hook(context: &HopContext<'_>, hook: &Object, volume: &Volume) -> Option<(String, String)> {
    let (today, after) = (Places::today(context), Places::after(context));
    let all = after.written(hook).into_iter();
    all.filter_map(|written| Some((today.reaches(&written, volume)?, written.field)))
        .map(|(reason, field)| (field, reason))
        .next()
}

fn has_pods(object: &Object) -> bool {
    object.at("/spec/replicas").and_then(Value::as_u64) != Some(0)
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
struct Places<'a> {
    objects: BTreeMap<Ref, &'a Object>,
}

impl<'a> Places<'a> {
    fn today(context: &'a HopContext<'_>) -> Self {
        Self { objects: context.before.objects.iter().map(|(name, object)| (name.clone(), object)).collect() }
    }

    /// What lives goes before what is planned: a PVC and a PV stay where they are.
    fn after(context: &'a HopContext<'_>) -> Self {
        let planned = context.planned.docs.iter().chain(context.hooks);
        let mut objects: BTreeMap<Ref, &Object> = planned.filter_map(|doc| Some((doc.name()?, doc))).collect();
        objects.extend(Self::today(context).objects);
        Self { objects }
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
        let mut all = Vec::new();
        for mount in template.containers().flat_map(writing) {
            all.extend(self.of_templates(object, mount));
            let Some((at, json)) = template.volumes().enumerate().find(|(_, json)| json["name"] == mount.volume) else {
                continue;
            };
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
            Some(source) => Some(format!("it mounts {what}, and the volume lies at {source}")),
            None => written
                .source
                .holds_mounts()
                .then(|| format!("it mounts {what}, where the kubelet mounts every volume")),
        }
    }
}

/// The mounts of a container that it can write to.
fn writing(container: Container<'_>) -> impl Iterator<Item = Mount<'_>> {
    let all = container.mounts().zip(container.mounts_as_json());
    all.filter(|(_, json)| json.get("readOnly") != Some(&Value::Bool(true))).map(|(mount, _)| mount)
}

/// Whether a pod's volume cannot be written to, by whatever mounts it.
fn is_read_only(volume: &Value) -> bool {
    let sources = volume.as_object().into_iter().flatten();
    sources.into_iter().any(|(_, source)| source.get("readOnly") == Some(&Value::Bool(true)))
}

//! Fields of workloads, PVCs, PVs and Services that change, and are on no list of harmless ones: see `kind_fields.rs` in `kube-facts`;
//! and labels and annotations by which somebody deletes such an object after a time.

use std::collections::BTreeMap;

use portolan_kube_facts::{FieldEffect, Kind, changed_fields, kind_field, volumes_of_claim};
use portolan_model::{Object, Ref, Volume, pointer_part};
use serde_json::Value;

use super::Report;
use super::fields::said;
use super::leads::{self, Objects};
use super::uses::Workloads;

/// The names, without their prefixes, of labels and annotations that say when an object is deleted: `janitor/ttl` and `janitor/expires`
/// (<https://codeberg.org/hjacobs/kube-janitor>), `cleanup.kyverno.io/ttl` (<https://kyverno.io/docs/policy-types/cleanup-policy/>),
/// `k8s-ttl-controller.twin.sh/ttl` (<https://github.com/TwiN/k8s-ttl-controller>).
const ENDS: [&str; 2] = ["ttl", "expires"];

/// The label by which backups leave an object out (<https://velero.io/docs/main/resource-filtering/>).
const LEFT_OUT: &str = "velero.io/exclude-from-backup";

const WAY_OUT: &str = "see what it does to the volume; give the chart the field of today";

pub(super) fn check(workloads: &Workloads, report: &mut Report) {
    for (name, was) in workloads.all_before() {
        let Some(will) = workloads.after(name) else { continue };
        let mut found = unclear(name, was, will);
        found.extend(ends(name, was, will));
        if found.is_empty() {
            continue;
        }
        for volume in workloads.volumes().filter(|volume| is_reached(name, [was, will], volume, workloads)) {
            for (field, reason) in &found {
                report.unknown(volume, name, field, (reason.clone(), WAY_OUT));
            }
        }
    }
}

/// The fields of the spec, each with what is said about a change in it or below it.
fn unclear(name: &Ref, was: &Object, will: &Object) -> BTreeMap<String, String> {
    let (Some(old), Some(new)) = (was.at("/spec"), will.at("/spec")) else { return BTreeMap::new() };
    if kind_field(name.group(), name.kind(), "").is_none() {
        return BTreeMap::new();
    }
    let unclear = changed_fields(old, new).into_iter().filter_map(|path| {
        let FieldEffect::Unclear(why) = kind_field(name.group(), name.kind(), &path)? else { return None };
        let field = path.split('.').next().unwrap_or_default();
        Some((format!("/spec/{field}"), said(&path, why)))
    });
    unclear.collect()
}

/// The labels and annotations that come, or get another text, and say when the object is deleted.
fn ends(name: &Ref, was: &Object, will: &Object) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    if Kind::named(name) == Kind::Inert {
        return all;
    }
    for part in ["/metadata/labels", "/metadata/annotations"] {
        for (key, value) in will.at(part).and_then(Value::as_object).into_iter().flatten() {
            let is_one = key.rsplit('/').next().is_some_and(|last| ENDS.contains(&last));
            if is_one && was.at(part).and_then(|had| had.get(key)) != Some(value) {
                let reason = format!("{key} says when it is deleted, and controllers of several makers do that");
                all.insert(format!("{part}/{}", pointer_part(key)), reason);
            }
            let is_stored =
                matches!(Kind::named(name), Kind::PersistentVolumeClaim | Kind::PersistentVolume | Kind::Namespace);
            if key == LEFT_OUT
                && is_stored
                && value == "true"
                && was.at(part).and_then(|had| had.get(key)) != Some(value)
            {
                let reason = format!("{key} says that backups leave it out from now on");
                all.insert(format!("{part}/{}", pointer_part(key)), reason);
            }
        }
    }
    all
}

/// Whether an object is a volume, mounts it or leads to it, before the hop or after it.
fn is_reached(name: &Ref, forms: [&Object; 2], volume: &Volume, workloads: &Workloads) -> bool {
    let claim = &volume.claim;
    match Kind::named(name) {
        Kind::PersistentVolumeClaim => name == claim,
        Kind::PersistentVolume => volume.volume.as_ref() == Some(name),
        Kind::Namespace => name.name() == claim.namespace(),
        Kind::Inert => {
            let leads = |objects: Objects<'_>, service: &Object| {
                leads::selected(name, service, &objects).iter().any(|(_, object)| leads::has_data(object, claim))
            };
            leads(workloads.all_before().collect(), forms[0]) || leads(workloads.all_after().collect(), forms[1])
        }
        _ => forms.into_iter().any(|form| !volumes_of_claim(form, claim).is_empty()),
    }
}

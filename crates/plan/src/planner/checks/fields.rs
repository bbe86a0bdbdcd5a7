//! Fields of pods that mount data, and of their containers there, that change and are on no list of harmless ones: see
//! `pod_fields.rs` in `kube-facts`.

use std::collections::BTreeSet;

use portolan_kube_facts::{FieldEffect, changed_fields, container_field, pod_field};
use portolan_model::{JsonPointer, Ref};
use portolan_recipe::DataWords;
use serde_json::Value;

use super::downward::Pods;
use super::paths::{ContainerPaths, Setting, parts};
use super::script_steps::works_on_relative_files;
use super::scripts::{FindText, Scripts};
use super::settings::names_relative_path;
use super::told::Told;
use super::uses::{Pair, Use, Workloads};
use super::{HopContext, Report};

const WAY_OUT: &str = "see what it does to the program; give the chart the field of today";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let (today, then) = (FindText::today(context, workloads), FindText::after(context, workloads));
    for volume in workloads.volumes() {
        let mut seen: BTreeSet<&Ref> = BTreeSet::new();
        for pair in &workloads.pairs(volume).0 {
            let mut found = Vec::new();
            if seen.insert(pair.after.name) {
                found.extend(of_pod(pair));
            }
            found.extend(of_container(pair, &|| {
                is_told_from_root(&pair.before, &today) && is_told_from_root(&pair.after, &then)
            }));
            for (field, reason) in found {
                let is_told = report.findings.iter().any(|finding| {
                    finding.object() == Some(pair.after.name) && finding.field() == Some(field.as_str())
                });
                if !is_told {
                    report.unknown(volume, pair.after.name, &field, (reason, WAY_OUT));
                }
            }
        }
    }
}

/// The pod's own fields. What is in a list has no place in it, and the list is named.
fn of_pod(pair: &Pair<'_>) -> Vec<(String, String)> {
    let (was, will) = (pair.before.template, pair.after.template);
    let is_of_set = pair.after.name.kind() == "StatefulSet";
    let unclear = changed_fields(was.spec, will.spec).into_iter().filter_map(|path| {
        // The controller names the pods of a StatefulSet.
        let is_by_controller = is_of_set && matches!(path.as_str(), "hostname" | "subdomain");
        match pod_field(&path) {
            FieldEffect::Unclear(why) if !is_by_controller => Some((path, why)),
            _ => None,
        }
    });
    unclear
        .map(|(path, why)| (format!("{}{}", will.pointer, JsonPointer::of_dotted(&path)), said(&path, why)))
        .collect()
}

/// Those of the container that has the data; `is_from_root` says whether its program is told by paths from the root where that is.
fn of_container(pair: &Pair<'_>, is_from_root: &dyn Fn() -> bool) -> Vec<(String, String)> {
    let (was, will) = (&pair.before, &pair.after);
    let mut all = Vec::new();
    for path in changed_fields(was.container.json, will.container.json) {
        let is_same = || path == "workingDir" && (folder(was) == folder(will) || is_from_root());
        if let FieldEffect::Unclear(why) = container_field(&path)
            && !is_same()
        {
            all.push((will.field(JsonPointer::of_dotted(&path).as_str()), said(&path, why)));
        }
    }
    all.extend(message(will).filter(|_| message(was).is_none()));
    all
}

/// Whether a program is told where on the volume its data is by a path from the root, and nothing by one that begins where it does.
fn is_told_from_root(user: &Use<'_>, find: &FindText<'_>) -> bool {
    let object = |name: &Ref| find.object(name);
    let paths = ContainerPaths::of(user, &object, Pods::Today);
    let is_place = |setting: &Setting| {
        // A word without a flag has no name.
        let is_bare = setting.is_given && !setting.name.starts_with('-') && !setting.key.starts_with("env ");
        !setting.is_aside
            && setting.key != "workingDir"
            && (is_bare || DataWords::builtin().is_place_of_data(&setting.name))
    };
    let scripts = Scripts::of(user.name, user.template, user.container, find);
    paths.settings().iter().any(is_place)
        && !names_relative_path(&Told::to(user, find))
        && !scripts.started().any(|script| works_on_relative_files(&script.text))
}

/// Where a program begins, in parts; `None` where its image says it.
fn folder(user: &Use<'_>) -> Option<Vec<String>> {
    user.container.json.get("workingDir").and_then(Value::as_str).map(parts)
}

/// The file that the kubelet puts over one of the volume, for the message of a container that ends.
fn message(user: &Use<'_>) -> Option<(String, String)> {
    const KEY: &str = "terminationMessagePath";
    let path = parts(user.container.json.get(KEY)?.as_str()?);
    let is_on_volume = user.mounts.iter().any(|mount| path.starts_with(&parts(mount.mount.path)));
    is_on_volume
        .then(|| (user.field(&format!("/{KEY}")), said(KEY, "a file of the kubelet is put over that of the volume")))
}

/// What is said of a field.
pub(super) fn said(path: &str, why: &str) -> String {
    format!("its field {path} changes: {why}")
}

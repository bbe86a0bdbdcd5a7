//! Files in which a container finds fields of its own pod, and that say something else after the hop.

use std::collections::BTreeMap;

use portolan_kube_facts::{Mount, list};
use portolan_model::{Code, Finding};
use serde_json::Value;

use super::downward::{self, Pods};
use super::paths::{is_aside, parts, shown};
use super::scripts::{FindText, files as files_of_maps};
use super::uses::{Pair, Use, Workloads};
use super::{HopContext, Report};

/// What each file shows, by its path in the container: the field, and where the file stands in the workload.
type Files = BTreeMap<String, Shown>;

struct Shown {
    /// The field of the pod.
    path: String,
    text: String,
    /// A JSON pointer.
    field: String,
}

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    for volume in workloads.volumes() {
        for pair in &workloads.pairs(volume).0 {
            of_pair(context, workloads, pair, report);
        }
    }
}

fn of_pair(context: &HopContext<'_>, workloads: &Workloads, pair: &Pair<'_>, report: &mut Report) {
    let pods = if pair.replaces_pods(context) { Pods::New } else { Pods::Today };
    let find = FindText::after(context, workloads);
    let (had, has) = (files(&pair.before, Pods::Today), files(&pair.after, pods));
    for (file, now) in &has {
        let Some(was) = had.get(file).filter(|was| was.text != now.text && !is_aside(file)) else { continue };
        let (name, chart) = (pair.after.name, &context.input.pick.id);
        if is_read(&pair.after, &find, file) {
            let who = format!("{} of {name}", shown(pair.after.template, pair.after.container));
            let found = format!("{who} in {chart} reads another {} in {file}", now.path);
            report.findings.push(
                Finding::blocking(Code::OtherPlace, found)
                    .about(name)
                    .at(now.field.clone())
                    .with(format!("today: {}", was.text))
                    .with(format!("{chart}: {}", now.text)),
            );
        } else if now.path.contains("['") && downward::anew_in(&now.text).is_none() {
            let reason = format!("{file} shows another {} to the program of the data", now.path);
            report.unknown(pair.volume, name, &now.field, (reason, "give the pods the label or annotation of today"));
        }
    }
}

/// The files of a container that show fields of its pod.
fn files(user: &Use<'_>, pods: Pods) -> Files {
    let mut all = Files::new();
    for mount in user.container.mounts() {
        let Some((at, volume)) = user.template.volume(mount.volume) else { continue };
        let at = format!("{}/volumes/{at}", user.template.pointer);
        if let Some(own) = volume.get("downwardAPI") {
            items(user, (mount, own), &format!("{at}/downwardAPI"), pods, &mut all);
        }
        let sources = volume.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten();
        for (index, source) in sources.enumerate() {
            if let Some(own) = source.get("downwardAPI") {
                items(user, (mount, own), &format!("{at}/projected/sources/{index}/downwardAPI"), pods, &mut all);
            }
        }
    }
    all
}

fn items(user: &Use<'_>, (mount, source): (Mount<'_>, &Value), at: &str, pods: Pods, all: &mut Files) {
    for (index, item) in list(source, "items").iter().enumerate() {
        let file = item.get("path").and_then(Value::as_str).unwrap_or_default();
        let path = if mount.sub_path.is_empty() { format!("{}/{file}", mount.path) } else { mount.path.to_owned() };
        if !mount.sub_path.is_empty() && parts(mount.sub_path) != parts(file) {
            continue;
        }
        let Some(field) = item.pointer("/fieldRef/fieldPath").and_then(Value::as_str) else { continue };
        let text = match field {
            "metadata.labels" | "metadata.annotations" => map(user, field),
            _ => downward::field(user, field, pods),
        };
        let path = format!("/{}", parts(&path).join("/"));
        all.insert(path, Shown { path: field.to_owned(), text, field: format!("{at}/items/{index}") });
    }
}

/// All labels or annotations of the pod, as far as its template has them.
fn map(user: &Use<'_>, field: &str) -> String {
    let key = field.trim_start_matches("metadata.");
    user.template.metadata.and_then(|metadata| metadata.get(key)).map(Value::to_string).unwrap_or_default()
}

/// Whether a container's command, arguments, variables or files name a file.
fn is_read(user: &Use<'_>, find: &FindText<'_>, file: &str) -> bool {
    let mut texts: Vec<String> = Vec::new();
    for key in ["command", "args"] {
        texts.extend(list(user.container.json, key).iter().filter_map(Value::as_str).map(str::to_owned));
    }
    let env = list(user.container.json, "env").iter();
    texts.extend(env.filter_map(|env| env.get("value")?.as_str()).map(str::to_owned));
    texts.extend(files_of_maps(user, find).into_iter().map(|file| file.text));
    texts.iter().any(|text| text.contains(file))
}

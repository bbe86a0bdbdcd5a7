//! Scripts beside the data that throw something away, and that ask something outside of their pod on the way: another Service's name in
//! DNS, a pod of a set, an object of the API. The script stays as it is, and the answer becomes another one with the upgrade.

use std::collections::BTreeSet;

use portolan_kube_facts::{PodTemplate, StatefulSet, claim_mounts};
use portolan_model::{Object, Ref, Volume};
use portolan_recipe::DataWords;

use super::leads::is_headless;
use super::needs::is_host;
use super::scripts::{FindText, Scripts};
use super::shell::put_in;
use super::uses::{Workloads, has_pods};
use super::{HopContext, Report};

/// Something outside of a pod that a script may ask for, and what becomes of it.
struct Outside {
    name: Ref,
    becomes: &'static str,
}

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let all = changed(context, workloads);
    let find = FindText::after(context, workloads);
    for volume in workloads.volumes() {
        for (name, object) in workloads.all_after().filter(|(name, _)| workloads.before(name).is_some()) {
            of_workload(volume, (name, object), (workloads, &all), &find, report);
        }
    }
}

/// What of the release comes, goes or answers otherwise after the hop.
fn changed(context: &HopContext<'_>, workloads: &Workloads) -> Vec<Outside> {
    let is_there = |name: &Ref| workloads.then(context, name).is_some();
    let was_there = |name: &Ref| workloads.before(name).is_some() || context.before.objects.contains_key(name);
    let names: BTreeSet<&Ref> = workloads.all_before().chain(workloads.all_after()).map(|(name, _)| name).collect();
    let mut all: Vec<Outside> = Vec::new();
    for name in names {
        let becomes = match (was_there(name), is_there(name)) {
            (true, false) => "goes",
            (false, true) => "is new",
            _ if name.kind() == "Service" && answers_otherwise(workloads, name) => "leads elsewhere",
            _ => continue,
        };
        all.push(Outside { name: name.clone(), becomes });
    }
    all
}

/// Whether a Service has another kind of address, or leads to nothing that runs, or to something for the first time.
fn answers_otherwise(workloads: &Workloads, name: &Ref) -> bool {
    let (Some(before), Some(after)) = (workloads.before(name), workloads.after(name)) else { return false };
    let target =
        |service: &Object| (service.at("/spec/selector").cloned(), service.text("/spec/externalName").to_owned());
    let runs = |objects: Vec<(&Ref, &Object)>, service: &Object| {
        super::leads::selected(name, service, &objects).into_iter().any(|(_, object)| has_pods(object))
    };
    target(before) != target(after)
        || is_headless(before) != is_headless(after)
        || runs(workloads.all_before().collect(), before) != runs(workloads.all_after().collect(), after)
}

fn of_workload(
    volume: &Volume,
    (name, object): (&Ref, &Object),
    (workloads, all): (&Workloads, &[Outside]),
    find: &FindText<'_>,
    report: &mut Report,
) {
    let Some(template) = PodTemplate::of(object) else { return };
    let mut seen = BTreeSet::new();
    for mount in claim_mounts(object, &volume.claim).into_iter().filter(|mount| !mount.is_read_only) {
        if !seen.insert((mount.container.kind, mount.container.index)) {
            continue;
        }
        let scripts = Scripts::of(name, template, mount.container, find);
        for script in scripts.all() {
            let text = put_in(&without_comments(&script.text), scripts.variables());
            if !throws_away(&text) {
                continue;
            }
            let by_name = all.iter().find(|one| names(&text, &one.name)).map(|one| (one.name.to_string(), one.becomes));
            let pod = || pod_of_other_number(&text, workloads).map(|pod| (pod, "comes or goes"));
            let Some((what, becomes)) = by_name.or_else(pod) else { continue };
            let reason = format!(
                "a script beside the data that may throw it away names {what}, which {becomes}: what it does then is not known"
            );
            let way_out = "read what it does; keep what it asks for, or give the chart another script";
            report.unknown(volume, &script.object, &script.field, (reason, way_out));
        }
    }
}

fn without_comments(script: &str) -> String {
    script.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// Whether a script has a word for throwing something away.
fn throws_away(script: &str) -> bool {
    const MORE: [&str; 8] = ["mv", "dd", "unlink", "shred", "mkfs", "initdb", "rmtree", "rmdir"];
    let is_word = |word: &str| MORE.contains(&word);
    DataWords::builtin().clearing(script).next().is_some()
        || script.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(is_word)
}

/// Whether a script names an object: a Service as a host, another one beside a client of the API.
fn names(script: &str, object: &Ref) -> bool {
    if object.kind() == "Service" {
        return script.split(['\n', ';', '|', '&']).any(|command| is_host(command, object, true));
    }
    let asks_api = ["kubectl", "/api/", "/apis/", "oc get"].iter().any(|word| script.contains(word));
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    asks_api && script.split(|c: char| !is_part(c)).any(|word| word == object.name())
}

/// A pod of a set that a script names as a host and that is there only before the hop, or only after it.
fn pod_of_other_number(script: &str, workloads: &Workloads) -> Option<String> {
    workloads.all_after().filter(|(name, _)| name.kind() == "StatefulSet").find_map(|(name, after)| {
        let (was, is) = (StatefulSet::named(name, workloads.before(name)?)?, StatefulSet::named(name, after)?);
        let (had, has) = (was.ordinals(), is.ordinals());
        let all = had.start.min(has.start)..had.end.max(has.end);
        let changed = all.filter(|at| had.contains(at) != has.contains(at)).map(|at| is.pod(at));
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let words: BTreeSet<&str> = script.split(|c: char| !is_part(c)).collect();
        changed.into_iter().find(|pod| words.contains(pod.name())).map(|pod| pod.to_string())
    })
}

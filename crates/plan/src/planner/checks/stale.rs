//! ConfigMaps and Secrets that were changed after the pod that uses them has started: where it keeps its data is what they said before.
//! The next pod reads what they say today.

use std::collections::BTreeSet;

use portolan_kube_facts::{EnvSet, MountedFiles, keys_written_after, runs_since};
use portolan_model::{Object, Ref, SecretKey, Volume};

use super::uses::{Pair, Use, Workloads};
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    // Of a later hop's pods nobody knows yet.
    if context.before.revision != context.resolved.inventory.release.revision {
        return;
    }
    for volume in context.resolved.in_use() {
        for pair in workloads.pairs(volume).0.iter().filter(|pair| pair.replaces_pods(context)) {
            of_pair(context, pair, volume, report);
        }
    }
}

fn of_pair(context: &HopContext<'_>, pair: &Pair<'_>, volume: &Volume, report: &mut Report) {
    let (user, objects) = (&pair.before, &context.resolved.inventory.objects);
    let its = volume.mounts.iter().filter(|mount| mount.workload.as_ref() == Some(user.name));
    let since = |pod: &Ref| Some((runs_since(objects.get(pod)?, user.container.name)?, pod.clone()));
    let Some((since, pod)) = its.filter_map(|mount| since(&mount.pod)).min() else { return };
    let mut seen = BTreeSet::new();
    for (name, taken) in sources(user) {
        let Some(object) = objects.get(&name) else { continue };
        for written in keys_written_after(object, since) {
            let is_first = taken.has(&written.key) && seen.insert((name.clone(), written.key.clone()));
            if !is_first || !names_a_mount(context, user, &name, &written.key) {
                continue;
            }
            let reason = format!(
                "it was written at {}, after {pod} had started, which uses what it said before: whether that is the same folder is not known",
                written.time
            );
            let way_out = "restart the pods before the upgrade (kubectl rollout restart), see that they have their data, and plan again";
            let field = format!("/data/{}", portolan_model::pointer_part(&written.key));
            report.unknown(volume, &name, &field, (reason, way_out));
        }
    }
}

/// What a container takes of an object: one key, the keys of some files, or all.
enum Taken<'a> {
    Key(&'a str),
    Files(MountedFiles<'a>),
    All,
}

impl Taken<'_> {
    fn has(&self, key: &str) -> bool {
        match self {
            Self::Key(only) => *only == key,
            Self::Files(files) => files.file_of(key).is_some(),
            Self::All => true,
        }
    }
}

/// The objects that a container takes texts from, and what of each.
fn sources<'a>(user: &Use<'a>) -> Vec<(Ref, Taken<'a>)> {
    let namespace = user.name.namespace();
    let files = user.template.files_in(user.container).into_iter();
    let mut all: Vec<(Ref, Taken<'a>)> = files.map(|files| (files.object.of(namespace), Taken::Files(files))).collect();
    all.extend(user.container.environment().filter_map(|entry| {
        let taken = if let EnvSet::Key(_, _, key) = entry.sets { Taken::Key(key) } else { Taken::All };
        Some((entry.sets.object()?.of(namespace), taken))
    }));
    all
}

/// Whether a key's text names a path at which the container mounts the PVC.
fn names_a_mount(context: &HopContext<'_>, user: &Use<'_>, name: &Ref, key: &str) -> bool {
    let object = context.resolved.inventory.objects.get(name);
    let text = if name.kind() == "Secret" {
        context.resolved.plaintext(&SecretKey { secret: name.clone(), key: key.to_owned() }).map(str::to_owned)
    } else {
        let texts = object.map(Object::map_texts).unwrap_or_default();
        texts.into_iter().find(|(_, its, _)| its == key).map(|(.., text)| text)
    };
    let mut paths = user.mounts.iter().map(|mount| mount.mount.path.trim_end_matches('/'));
    text.is_some_and(|text| paths.any(|path| !path.is_empty() && text.contains(path)))
}

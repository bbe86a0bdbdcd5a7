//! ConfigMaps and Secrets that were changed after the pod that uses them has started: where it keeps its data is what they said before.
//! The next pod reads what they say today.

use std::collections::BTreeSet;

use portolan_kube_facts::{EnvSet, keys_written_after, runs_since};
use portolan_model::{Ref, SecretKey, Volume};

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
    for (name, only) in sources(user) {
        let Some(object) = objects.get(&name) else { continue };
        for written in keys_written_after(object, since) {
            let is_used = only.as_ref().is_none_or(|only| *only == written.key);
            if !is_used || !names_a_mount(context, user, &name, &written.key) {
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

/// The objects that a container takes texts from, each with the one key that it takes, or all.
fn sources(user: &Use<'_>) -> BTreeSet<(Ref, Option<String>)> {
    let namespace = user.name.namespace();
    let map = |of: &str| (Ref::new("", "ConfigMap", namespace, of), None);
    let secret = |of: &str| (Ref::secret(namespace, of), None);
    let mut all: BTreeSet<(Ref, Option<String>)> = user.template.config_maps_in(user.container).map(map).collect();
    all.extend(user.template.secrets_in(user.container).map(secret));
    all.extend(user.container.environment().filter_map(|entry| {
        let key = if let EnvSet::Key(_, _, key) = entry.sets { Some(key.to_owned()) } else { None };
        Some((entry.sets.object()?.of(namespace), key))
    }));
    all
}

/// Whether a key's text names a path at which the container mounts the PVC.
fn names_a_mount(context: &HopContext<'_>, user: &Use<'_>, name: &Ref, key: &str) -> bool {
    let object = context.resolved.inventory.objects.get(name);
    let text = if name.kind() == "Secret" {
        context.resolved.plaintext(&SecretKey { secret: name.clone(), key: key.to_owned() })
    } else {
        object.and_then(|object| object.at("/data")?.get(key)?.as_str())
    };
    let mut paths = user.mounts.iter().map(|mount| mount.mount.path.trim_end_matches('/'));
    text.is_some_and(|text| paths.any(|path| !path.is_empty() && text.contains(path)))
}

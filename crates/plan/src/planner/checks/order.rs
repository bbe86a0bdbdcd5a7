//! Init containers that write to the same data and come in another order: each starts from what those before it have left.

use portolan_kube_facts::{ContainerKind, PodTemplate, claim_mounts};
use portolan_model::{Object, Ref};

use super::uses::Workloads;
use super::{Report, feeders};

pub(super) fn check(workloads: &Workloads, report: &mut Report) {
    for volume in workloads.volumes() {
        for (name, before) in workloads.all_before().filter(|(_, before)| Workloads::runs_on(before)) {
            let Some(after) = workloads.after(name) else { continue };
            let (old, new) = (writers(before, &volume.claim), writers(after, &volume.claim));
            // Those that make what its program reads, too.
            let fed = |object: &Object| feeders::of_object(name, object, &volume.claim);
            let (old, new) = if old.is_empty() { (fed(before), fed(after)) } else { (old, new) };
            let stays = |container: &&String| new.contains(container);
            for [first, second] in old.iter().filter(stays).collect::<Vec<_>>().array_windows() {
                let at = |wanted: &str| new.iter().position(|name| name == wanted);
                if at(second) < at(first) {
                    let reason = format!(
                        "{second} comes before {first}, which wrote before it until now: what it finds there is not known"
                    );
                    let field = PodTemplate::of(after).map(|template| format!("{}/initContainers", template.pointer));
                    report.unknown(
                        volume,
                        name,
                        &field.unwrap_or_default(),
                        (reason, "give the chart the order of today"),
                    );
                }
            }
        }
    }
}

/// The init containers that can write to a PVC, in their order.
fn writers(object: &Object, claim: &Ref) -> Vec<String> {
    let mut names = Vec::new();
    for mount in claim_mounts(object, claim) {
        let (container, is_read_only) = (mount.container, mount.is_read_only);
        if container.kind == ContainerKind::Init && !is_read_only && !names.contains(&(container.index, container.name))
        {
            names.push((container.index, container.name));
        }
    }
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name.to_owned()).collect()
}

//! Pods that run an older template than their StatefulSet has: what they do with the data today is not what the set says.

use portolan_model::Object;

use super::uses::Workloads;
use super::{HopContext, Report};

const REVISION: &str = "controller-revision-hash";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    // Of a later hop's pods nobody knows yet.
    if context.before.revision != context.resolved.inventory.release.revision {
        return;
    }
    for volume in context.resolved.in_use() {
        for pair in workloads.pairs(volume).0 {
            let name = pair.before.name;
            let Some(set) = context.resolved.inventory.objects.get(name).filter(|_| name.kind() == "StatefulSet")
            else {
                continue;
            };
            let newest = set.text("/status/updateRevision");
            let is_older = |pod: &Object| {
                let its = portolan_kube_facts::controller(pod).is_some_and(|owner| owner.name == *name);
                let revision = pod.text(&format!("/metadata/labels/{REVISION}"));
                its && !newest.is_empty() && !revision.is_empty() && revision != newest
            };
            let pods = context.resolved.inventory.objects.iter().filter(|(name, _)| name.kind() == "Pod");
            let older = pods.filter(|(_, pod)| is_older(pod)).map(|(name, _)| name).next();
            if let Some(pod) = older {
                let reason = format!(
                    "{pod} runs an older pod template than the set has, and what that says of the data is not compared"
                );
                let way_out = "let the set replace its pods before the upgrade: kubectl rollout status, or delete the pod where the \
                               strategy is OnDelete";
                report.unknown(volume, name, "/spec/updateStrategy", (reason, way_out));
            }
        }
    }
}

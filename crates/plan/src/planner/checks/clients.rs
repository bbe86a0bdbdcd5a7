//! Services that lead to another workload than today: who asks for the data is sent to a program that does not have it.

use portolan_kube_facts::{PodTemplate, volumes_of_claim};
use portolan_model::{Object, Ref};
use serde_json::Value;

use super::uses::Workloads;
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    for volume in context.resolved.in_use() {
        let uses = |object: &Object| !volumes_of_claim(object, &volume.claim).is_empty();
        for (service, new) in workloads.all_after().filter(|(name, _)| name.kind() == "Service") {
            let Some(old) = workloads.before(service) else { continue };
            let (was, will) = (selector(old), selector(new));
            if was == will {
                continue;
            }
            let had =
                workloads.all_before().filter(|(name, object)| is_led(service, was, name, object) && uses(object));
            let Some((user, _)) = had.into_iter().next() else { continue };
            let stays = |(name, object): (&Ref, &Object)| is_led(service, will, name, object) && uses(object);
            // One that leads out of the chart, by a name or by endpoints of its own, is not followed.
            let Some((other, _)) = workloads.all_after().find(|(name, object)| is_led(service, will, name, object))
            else {
                continue;
            };
            // Where the workload itself leaves the data, that is told already.
            if workloads.all_after().any(stays) || !workloads.after(user).is_some_and(uses) {
                continue;
            }
            let reason = format!("it leads to {other} and not to {user} any more, which has the data");
            report.unknown(volume, service, "/spec/selector", (reason, "give the Service the selector of today"));
        }
    }
}

fn selector(service: &Object) -> Option<&Value> {
    service.at("/spec/selector")
}

/// Whether a Service's selector chooses the pods of a workload.
fn is_led(service: &Ref, selector: Option<&Value>, name: &Ref, workload: &Object) -> bool {
    let Some(template) = PodTemplate::of(workload).filter(|_| name.namespace() == service.namespace()) else {
        return false;
    };
    let labels = template.metadata.and_then(|metadata| metadata.get("labels"));
    let wanted = selector.and_then(Value::as_object).filter(|wanted| !wanted.is_empty());
    wanted.is_some_and(|wanted| {
        wanted.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    })
}

//! Programs that do not mount a PVC and throw data away through its server: a CronJob that deletes what is older than some days. That they
//! do it is as it is today; that they keep less is not known to be meant.

use portolan_kube_facts::{PodTemplate, claim_mounts};
use portolan_model::Ref;

use super::clients::leading_to_data;
use super::leads::Objects;
use super::scripts::FindText;
use super::settings;
use super::told::Told;
use super::uses::{Use, Workloads};
use super::{HopContext, Report, addresses, network};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let (today, then) = (FindText::today(context, workloads), FindText::after(context, workloads));
    let after: Objects<'_> = workloads.all_after().collect();
    for volume in context.resolved.in_use() {
        let services: Vec<Ref> = leading_to_data(&volume.claim, &after).into_iter().cloned().collect();
        let beside = after.iter().filter(|(_, object)| claim_mounts(object, &volume.claim).is_empty());
        for (name, new) in beside.filter(|_| !services.is_empty()) {
            let Some(old) = workloads.before(name).filter(|old| old.at("/spec") != new.at("/spec")) else { continue };
            let (Some(was), Some(will)) = (PodTemplate::of(old), PodTemplate::of(new)) else { continue };
            if addresses::count(&network::told(name, new, &then), &services) == 0 {
                continue;
            }
            for container in will.containers() {
                let Some(old) = was.containers().find(|old| old.name == container.name) else { continue };
                let told =
                    |template, container, find| Told::to(&Use { name, template, container, mounts: Vec::new() }, find);
                let both = [told(was, old, &today), told(will, container, &then)];
                if let Some((object, field, reason)) = settings::throws_more([&both[0], &both[1]]) {
                    let reason = format!("it asks the server of the data, and {reason}");
                    report.unknown(volume, object, field, (reason, "give the chart the settings of today"));
                }
            }
        }
    }
}

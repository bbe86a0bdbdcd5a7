//! PVCs that are there already, are not of the release, and get a program of the new chart: it starts on what lies on them.

use portolan_kube_facts::PodTemplate;
use portolan_model::{Code, Finding, Ref, Severity};

use super::super::mounts;
use super::uses::Workloads;
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let is_left_over = |claim: &Ref| {
        let known = context.resolved.inventory.volumes.iter().any(|volume| volume.claim == *claim);
        !known && context.live.contains_key(claim) && !context.before.is_stored(claim)
    };
    for (name, after) in workloads.all_after() {
        if context.before.objects.contains_key(name) {
            continue;
        }
        for claim in mounts::made_by(after).into_iter().map(|made| made.claim).filter(is_left_over) {
            report.findings.push(taken(Severity::Blocking, name, &claim, "/spec/volumeClaimTemplates"));
        }
        let Some(template) = PodTemplate::of(after) else { continue };
        for claim in template.claims().map(|claim| Ref::claim(name.namespace(), claim)).filter(is_left_over) {
            // Somebody named it on purpose, in the values or in the chart.
            report.findings.push(taken(Severity::Warning, name, &claim, &format!("{}/volumes", template.pointer)));
        }
    }
}

fn taken(severity: Severity, workload: &Ref, claim: &Ref, field: &str) -> Finding {
    let found = format!("{workload} is new and takes {claim}, which is there already and not of the release");
    let finding = Finding { severity, ..Finding::warning(Code::ForeignOwner, found) };
    finding
        .about(workload)
        .at(field)
        .with(format!("{claim} is of no workload of today; what lies on it is read, or written over"))
        .why("a program that finds data which is not its own may use it, fail, or write over it")
        .next("see what lies on it; if nobody needs it, take it away yourself before the upgrade; else give the new workload another name")
}

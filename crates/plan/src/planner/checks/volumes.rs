//! PVs of the chart that hold data: helm's patch changes them while they are in use.
//!
//! Capacity, class and access modes of a PV that is bound decide nothing any more; everything else says where the data is, or who
//! may mount it.

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::upgrade;
use portolan_kube_facts::semantics;
use portolan_model::{Code, Finding, Manifest, Object, Ref, StepKind};

use super::super::projected_state::ProjectedState;
use super::super::resolve::ResolvedRelease;
use super::uses::Workloads;
use super::{HopContext, Report};

/// Fields of a bound PV that nothing asks for any more, and the reclaim policy, which has its own finding.
const HARMLESS: [&str; 4] = ["capacity", "storageClassName", "accessModes", "persistentVolumeReclaimPolicy"];

const POLICY: &str = "/spec/persistentVolumeReclaimPolicy";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    for volume in context.resolved.in_use() {
        let Some(name) = &volume.volume else { continue };
        let (Some(live), Some(after)) = (context.live.get(name), workloads.after(name)) else { continue };
        for field in changed(live, after) {
            let reason = format!("helm changes {field} of the PV that holds the data");
            let way_out = "give the chart the PV as it lives today";
            report.unknown(volume, name, &format!("/spec/{field}"), (reason, way_out));
        }
    }
    for (name, policy) in unretained(context.resolved, context.before, context.live, context.planned) {
        report.findings.push(finding(context, &name, &policy));
    }
}

/// The fields of a PV's spec that differ.
fn changed(live: &Object, after: &Object) -> BTreeSet<String> {
    let (Some(was), Some(will)) = (live.at("/spec"), after.at("/spec")) else { return BTreeSet::new() };
    let all = semantics::differences(was, will);
    let field = |path: String| path.split(['.', '[']).next().unwrap_or_default().to_owned();
    all.into_iter().map(field).filter(|field| !HARMLESS.contains(&field.as_str())).collect()
}

/// The PVs with data that are Retain when helm starts, and the other policy that the new chart sets.
pub(in crate::planner) fn unretained(
    resolved: &ResolvedRelease<'_>,
    before: &ProjectedState,
    live: &BTreeMap<Ref, Object>,
    planned: &Manifest,
) -> Vec<(Ref, String)> {
    let doc = |docs: &'_ [Object], name: &Ref| docs.iter().find(|doc| doc.name().as_ref() == Some(name)).cloned();
    let volumes = resolved.inventory.data_volumes().filter_map(|volume| volume.volume.as_ref());
    let policy = |name: &Ref| {
        let is = live.get(name).filter(|is| is.text(POLICY) == "Retain")?;
        let after = upgrade::patched(doc(&before.docs, name).as_ref(), &doc(&planned.docs, name)?, is);
        let policy = after.text(POLICY);
        (!policy.is_empty() && policy != "Retain").then(|| (name.clone(), policy.to_owned()))
    };
    volumes.filter_map(policy).collect()
}

fn finding(context: &HopContext<'_>, name: &Ref, policy: &str) -> Finding {
    let chart = &context.input.pick.id;
    let mut after_helm = context.steps.iter().skip_while(|step| !matches!(step.kind, StepKind::Helm { .. }));
    let is_set_again =
        after_helm.any(|step| matches!(&step.kind, StepKind::RetainVolume { volume, .. } if volume == name));
    let finding = Finding::warning(Code::KeepRemoved, format!("{chart} sets the reclaim policy of {name} to {policy}"))
        .about(name)
        .at(POLICY)
        .with("with it the disk goes when its PVC is deleted");
    let command = format!(
        "kubectl patch pv {} --type merge -p '{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Retain\"}}}}'",
        name.name()
    );
    if is_set_again {
        return finding
            .with("a step after helm sets it to Retain again")
            .next("a later helm upgrade with this chart takes it off again: give the chart Retain among its values");
    }
    finding.next(format!("after the upgrade: {command}"))
}

//! PVs of the chart that hold data and whose reclaim policy helm's patch changes while they are in use.

use std::collections::BTreeMap;

use portolan_helm_compat::upgrade;
use portolan_model::{Code, Finding, Manifest, Object, Ref, StepKind};

use super::super::projected_state::ProjectedState;
use super::super::resolve::ResolvedRelease;
use super::{HopContext, Report};

const POLICY: &str = "/spec/persistentVolumeReclaimPolicy";

pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    for (name, policy) in unretained(context.resolved, context.before, context.live, context.planned) {
        report.findings.push(finding(context, &name, &policy));
    }
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

//! Definitions of custom resources that change so that a resource to which data belongs loses a field, or is not served any more: its
//! operator acts on what is left of it.

use std::collections::BTreeSet;

use portolan_kube_facts::{ClaimUse, ancestors, defines, forgets};
use portolan_model::{Object, Ref};

use super::super::reach;
use super::{HopContext, Report};

const WAY_OUT: &str = "see what the operator does without it; give the chart the definition of today";

pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    let both = context.before.docs.iter().filter(|doc| doc.text("/kind") == "CustomResourceDefinition");
    let both = both.filter_map(|old| Some((old, reach::planned(context, &old.name()?)?)));
    let changed: Vec<(&Object, &Object)> = both.filter(|(old, new)| old.at("/spec") != new.at("/spec")).collect();
    if changed.is_empty() {
        return;
    }
    for volume in context.resolved.in_use() {
        for name in owners(context, &volume.claim) {
            let Some(live) = context.before.objects.get(&name) else { continue };
            let Some((old, new)) = changed.iter().find(|(old, _)| defines(old, &name)) else { continue };
            if let (Some(definition), Some((field, lost))) = (new.name(), forgets(old, new, live)) {
                let reason = format!("{name}, to which the PVC belongs, loses {lost} with it");
                report.unknown(volume, &definition, &field, (reason, WAY_OUT));
            }
        }
    }
}

/// Who owns a PVC, or a workload or pod that mounts it, directly or not.
fn owners(context: &HopContext<'_>, claim: &Ref) -> BTreeSet<Ref> {
    let objects = &context.before.objects;
    let users = objects.iter().filter(|(name, object)| *name == claim || ClaimUse::of(object, claim).is_some());
    let all = users.flat_map(|(name, object)| ancestors(name, object, &|name| objects.get(name)));
    all.filter_map(|ancestor| ancestor.found).collect()
}

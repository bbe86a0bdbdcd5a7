//! Volumes that go with something else that a hop deletes: a namespace, a `CustomResourceDefinition`, an owner, a PV.

use portolan_helm_compat::upgrade;
use portolan_kube_facts::StatefulSet;
use portolan_model::{Change, Code, Coverage, Finding, Ref, StepKind};

use super::findings::HopContext;
use super::is_kind;
use super::reach::stored;

/// What can be said about a hop.
pub(super) fn of_hop(context: &HopContext<'_>) -> Vec<Finding> {
    let mut findings = with_roots(context);
    findings.extend(scaled_down(context));
    findings.extend(volumes(context));
    findings
}

/// What the steps and helm delete in this hop; [`HopContext::deleted`] asks once.
pub(super) fn deleted(context: &HopContext<'_>) -> Vec<Ref> {
    let helm = context.run.client.version();
    let live = |name: &Ref| context.live.get(name).cloned();
    let changes = upgrade::changes(&context.before.docs, &context.planned.docs, helm, &live);
    let by_helm = changes.into_iter().filter(|one| one.change == Change::Delete).map(|one| one.object);
    let by_steps = context.steps.iter().filter_map(|step| match &step.kind {
        StepKind::DeleteObject { target, .. } => Some(target.clone()),
        _ => None,
    });
    by_steps.chain(by_helm).collect()
}

/// PVCs that go with a root, or with what goes with it.
fn with_roots(context: &HopContext<'_>) -> Vec<Finding> {
    let live = |name: &Ref| context.before.objects.get(name);
    let falls = context.falls();
    let counts = |claim: &Ref| {
        claim.is_claim_in(claim.namespace())
            && live(claim).is_some_and(|object| !portolan_kube_facts::is_ephemeral(object, &live))
    };
    let mut findings = Vec::new();
    for root in context.deleted() {
        let claims: Vec<&Ref> =
            falls.iter().filter(|(claim, by)| *by == root && counts(claim)).map(|(claim, _)| claim).collect();
        let unseen = unseen_below(context, root);
        let found = match claims.as_slice() {
            [] if unseen.is_none() => continue,
            [] => format!("{root} is deleted, and what goes with it is not known"),
            [one] => format!("{one} is deleted with {root}"),
            more => format!("{} PVCs are deleted with {root}", more.len()),
        };
        let mut finding = Finding::blocking(Code::DeletedWith, found).about(root).next(way_out(context, root));
        if live(root).and_then(StatefulSet::of).is_some_and(|set| set.deletes_claims_with_itself()) {
            finding = finding.at("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted");
        }
        let evidence = claims.into_iter().map(|claim| evidence(context, claim)).chain(unseen);
        findings.push(evidence.fold(finding, Finding::with));
    }
    findings
}

fn evidence(context: &HopContext<'_>, claim: &Ref) -> String {
    let known = context.resolved.inventory.volumes.iter().find(|volume| volume.claim == *claim);
    let live = context.before.objects.get(claim);
    let place = format!("{claim} in namespace {}", claim.namespace());
    match (live.map_or("", |claim| claim.text("/spec/volumeName")), known.and_then(|volume| volume.policy.as_deref())) {
        ("", _) => format!("{place}, which is not bound"),
        (name, Some(policy)) => format!("{place}, on volume {name} with policy {policy}"),
        (name, None) => format!("{place}, on volume {name}"),
    }
}

fn way_out(context: &HopContext<'_>, root: &Ref) -> String {
    let name = root.name();
    match root.kind() {
        "Namespace" => format!(
            "keep it in the new chart, or annotate it, so that helm leaves it: \
             kubectl annotate namespace {name} helm.sh/resource-policy=keep, then plan again"
        ),
        "CustomResourceDefinition" => format!(
            "annotate it, so that helm leaves it: kubectl annotate crd {name} helm.sh/resource-policy=keep, then plan again"
        ),
        "StatefulSet" => of_set(context, root),
        _ => format!("give {} the values with which it still has {root}", context.input.pick.id),
    }
}

/// Its controller takes its ownerReferences off the PVCs of the replicas that it has, and of no others (Kubernetes 1.34,
/// `pkg/controller/statefulset/stateful_pod_control.go`).
fn of_set(context: &HopContext<'_>, root: &Ref) -> String {
    let live = context.resolved.inventory.objects.get(root);
    let is_told = live.and_then(StatefulSet::of).is_some_and(|set| set.deletes_claims_with_itself());
    let replicas = live.map_or(1, portolan_kube_facts::replicas);
    if !is_told {
        return format!("give {} the values with which it still has {root}", context.input.pick.id);
    }
    if let Some(claim) = beyond(context, root) {
        return format!(
            "its controller takes the ownerReferences off the PVCs of the replicas that it has, which {claim} is none of: scale it up until \
             it is, or leave the StatefulSet in the new chart"
        );
    }
    if replicas == 0 {
        return "its controller takes the ownerReferences off the PVCs of the replicas that it has, and it has none: leave it in the \
                new chart"
            .into();
    }
    format!(
        "kubectl patch statefulset {} -n {} -p '{{\"spec\":{{\"persistentVolumeClaimRetentionPolicy\":{{\"whenDeleted\":\"Retain\"}}}}}}', wait \
         until its PVCs have no ownerReferences, then plan again",
        root.name(),
        root.namespace()
    )
}

/// A PVC that a StatefulSet owns, of a replica that it does not have today.
fn beyond(context: &HopContext<'_>, root: &Ref) -> Option<Ref> {
    let objects = &context.before.objects;
    let live = objects.get(root)?;
    let set = StatefulSet::of(live)?;
    let mut owned = objects.iter().filter(|(name, object)| {
        name.is_claim_in(root.namespace())
            && portolan_kube_facts::owners(object).iter().any(|owner| owner.uid == live.uid())
    });
    let claim =
        owned.find(|(name, _)| set.origin_of(name).is_some_and(|(_, ordinal)| !set.ordinals().contains(&ordinal)));
    claim.map(|(name, _)| name.clone())
}

/// What goes with a root and may not be listed.
fn unseen_below(context: &HopContext<'_>, root: &Ref) -> Option<String> {
    let inventory = context.resolved.inventory;
    let (kind, namespace) = match root.kind() {
        "Namespace" => ("PersistentVolumeClaim", root.name()),
        "CustomResourceDefinition" => (context.before.objects.get(root)?.text("/spec/names/kind"), ""),
        _ => return None,
    };
    let is_served = !inventory
        .coverage
        .iter()
        .any(|one| one.scope.kind == kind && one.scope.namespace == namespace && one.coverage == Coverage::NotServed);
    let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
    (is_served && !inventory.is_complete(kind, namespace))
        .then(|| format!("objects of kind {kind}{place} may not be listed"))
}

/// PVCs of ordinals that a StatefulSet drops while `whenScaled` is Delete.
fn scaled_down(context: &HopContext<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for doc in context.planned.docs.iter().filter(|doc| is_kind(doc, "StatefulSet")) {
        let Some(name) = doc.name().filter(|name| !context.deleted().contains(name)) else { continue };
        let Some(live) = context.live.get(&name) else { continue };
        let patched = upgrade::patched(stored(context, &name), doc, live);
        let sets = (StatefulSet::named(&name, live), StatefulSet::named(&name, &patched));
        let (Some(before), Some(after)) = sets else { continue };
        let kept = after.ordinals();
        let dropped = before.claims().into_iter().filter(|made| !kept.contains(&made.ordinal)).map(|made| made.claim);
        let claims: Vec<Ref> = dropped.filter(|claim| context.before.objects.contains_key(claim)).collect();
        if claims.is_empty() || !after.deletes_claims_when_scaled() {
            continue;
        }
        let found = format!("{name} gets fewer replicas and deletes the PVCs of those that it drops");
        let finding = Finding::blocking(Code::DeletedWith, found)
            .about(&name)
            .at("/spec/persistentVolumeClaimRetentionPolicy/whenScaled")
            .next("keep the number of replicas, or set whenScaled to Retain in the new chart");
        findings.push(claims.iter().map(|claim| evidence(context, claim)).fold(finding, Finding::with));
    }
    findings
}

/// PVs of the release that this hop deletes.
fn volumes(context: &HopContext<'_>) -> Vec<Finding> {
    let volumes = context.deleted().iter().filter(|name| name.kind() == "PersistentVolume");
    volumes
        .map(|name| {
            let finding = Finding::blocking(Code::DeletedWith, format!("{} deletes {name}", context.input.pick.id))
                .about(name)
                .why("it stays Terminating while its PVC is there and goes with it, whatever its reclaim policy; then nothing names its disk")
                .next(format!(
                    "keep it in the new chart, or annotate it, so that helm leaves it: kubectl annotate pv {} helm.sh/resource-policy=keep, then plan again",
                    name.name()
                ));
            let held = context.resolved.inventory.volumes.iter().find(|volume| volume.volume.as_ref() == Some(name));
            held.into_iter().map(|volume| format!("{} is bound to it", volume.claim)).fold(finding, Finding::with)
        })
        .collect()
}

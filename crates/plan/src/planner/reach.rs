//! What else becomes of volumes in a hop: who can reach them, what does not move, what is not seen.

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::upgrade;
use portolan_kube_facts::{Claims, PodTemplate, RESOURCE_POLICY_POINTER, Rollout, StatefulSet, is_kept};
use portolan_model::{ApplyMethod, Code, Finding, Inventory, Object, Ref, StepKind, Unmodelled, Volume};

use super::findings::HopContext;
use super::resolve::ResolvedRelease;
use super::{check_objects, is_kind, not_visible, taken};
use portolan_inventory::credential::told;
use portolan_inventory::survey::belongs;

/// What can reach a volume in use in this hop and is not modelled.
pub(super) fn unmodelled(context: &HopContext<'_>) -> Vec<Unmodelled> {
    let live = &context.before.objects;
    let planned: BTreeMap<Ref, &Object> =
        context.planned.docs.iter().filter_map(|doc| Some((doc.name()?, doc))).collect();
    let fate = |name: &Ref| portolan_kube_facts::fate(stored(context, name), planned.get(name).copied());
    let mut all: Vec<Unmodelled> = Vec::new();
    for volume in context.resolved.in_use() {
        let claim = &volume.claim;
        let objects = live.iter().chain(planned.iter().map(|(name, doc)| (name, *doc)));
        let mut found: Vec<(Ref, portolan_kube_facts::Reach)> = Vec::new();
        for (name, object) in objects {
            if let Some(after) = rolled(context, name) {
                let is_for_one_pod = live.get(claim).is_some_and(portolan_kube_facts::is_for_one_pod);
                let reaches = rollout(context, name, &after).reach(claim, is_for_one_pod).into_iter();
                found.extend(reaches.map(|reach| (name.clone(), reach)));
                continue;
            }
            let reaches = portolan_kube_facts::reach(object, claim).into_iter();
            let reaches = reaches.filter(|reach| !(reach.by_change && is_left_alone(context, name)));
            found.extend(reaches.map(|reach| (name.clone(), reach)));
        }
        found.extend(scaled(context, claim));
        // The chart may bring owners too: whatever has one that is not there is deleted.
        let owned = live.iter().chain(planned.iter().map(|(name, doc)| (name, *doc)));
        found.extend(portolan_kube_facts::reach_by_owners(claim, owned, &|name| live.get(name), &fate));
        for (object, reach) in found {
            let is_it =
                |one: &Unmodelled| one.claim == *claim && one.object == object && one.field.as_str() == reach.field;
            if !all.iter().any(is_it) {
                all.push(Unmodelled {
                    code: Code::NotModelled,
                    claim: claim.clone(),
                    object,
                    field: reach.field.into(),
                    reason: reach.reason,
                    way_out: reach.way_out.into(),
                    accepted: false,
                });
            }
        }
    }
    all
}

/// Whether an object is there when helm runs, in both manifests, and helm leaves its spec as it is.
fn is_left_alone(context: &HopContext<'_>, name: &Ref) -> bool {
    let (Some(old), Some(doc), Some(live)) = (stored(context, name), planned(context, name), context.live.get(name))
    else {
        return false;
    };
    upgrade::leaves_spec(Some(old), doc, live)
}

/// What helm makes of a Deployment, where it writes to one of the release or to a new one.
fn rolled(context: &HopContext<'_>, name: &Ref) -> Option<Object> {
    let doc = planned(context, name).filter(|doc| is_kind(doc, "Deployment"))?;
    let stored = stored(context, name);
    match context.live.get(name) {
        Some(live) => stored.map(|stored| upgrade::patched(Some(stored), doc, live)),
        None => Some(doc.clone()),
    }
}

fn rollout<'a>(context: &HopContext<'a>, name: &Ref, after: &'a Object) -> Rollout<'a> {
    let before = context.before.objects.get(name);
    Rollout { before, after, is_made_anew: before.is_some() && !context.live.contains_key(name) }
}

/// Deployments whose new pod waits for ever for a PVC that their old one holds.
fn hanging(context: &HopContext<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for claim in context.resolved.in_use().map(|volume| &volume.claim) {
        if !context.before.objects.get(claim).is_some_and(portolan_kube_facts::is_for_one_pod) {
            continue;
        }
        for name in context.planned.docs.iter().filter_map(Object::name) {
            let Some(after) = rolled(context, &name) else { continue };
            if rollout(context, &name, &after).waits_for_its_own_pod(claim) {
                let found =
                    format!("{name} cannot replace its pod: the new one waits for {claim}, which the old one has");
                let finding = Finding::blocking(Code::RolloutHangs, found).about(&name).at("/spec/strategy");
                findings.push(finding.with(format!("{claim} is ReadWriteOncePod, and maxUnavailable comes to 0")));
            }
        }
    }
    findings
}

/// Autoscalers of the new manifest that take replicas away from a StatefulSet of the PVC, as those of today do not.
fn scaled(context: &HopContext<'_>, claim: &Ref) -> Vec<(Ref, portolan_kube_facts::Reach)> {
    let (before, after) = (&context.before.docs, &context.planned.docs);
    let scalers = after.iter().filter_map(|doc| Some((doc.name()?, doc)));
    scalers
        .filter_map(|(name, scaler)| {
            let reach = portolan_kube_facts::scales_away(scaler, claim, after)?;
            let was = stored(context, &name).and_then(|scaler| portolan_kube_facts::scales_away(scaler, claim, before));
            was.is_none_or(|was| was.field != reach.field).then_some((name, reach))
        })
        .collect()
}

/// The document of an object in the manifest before.
pub(super) fn stored<'a>(context: &'a HopContext<'_>, name: &Ref) -> Option<&'a Object> {
    context.before.docs.iter().find(|doc| doc.name().as_ref() == Some(name))
}

/// The document of an object in the new manifest.
pub(super) fn planned<'a>(context: &'a HopContext<'_>, name: &Ref) -> Option<&'a Object> {
    context.planned.docs.iter().find(|doc| doc.name().as_ref() == Some(name))
}

/// What can be said about a hop.
pub(super) fn of_hop(context: &HopContext<'_>) -> Vec<Finding> {
    let mut findings = taken::of_hop(context);
    findings.extend(going(context));
    findings.extend(not_rolling(context));
    findings.extend(paused(context));
    findings.extend(hanging(context));
    findings.extend(elsewhere(context));
    findings.extend(unkept(context));
    findings
}

/// Objects that are being deleted and that helm writes: its patch is taken and changes nothing of that, and when they are gone nobody
/// makes them again. Of PVCs and PVs the volume's verdict tells.
fn going(context: &HopContext<'_>) -> Vec<Finding> {
    let inventory = context.resolved.inventory;
    if context.before.revision != inventory.release.revision {
        return Vec::new();
    }
    let is_made_again = |name: &Ref| {
        context.steps.iter().any(|step| matches!(&step.kind, StepKind::DeleteObject { target, .. } if target == name))
    };
    let going = context.planned.docs.iter().filter_map(Object::name).filter(|name| {
        inventory.objects.get(name).is_some_and(Object::is_terminating) && !name.is_storage() && !is_made_again(name)
    });
    going
        .map(|name| {
            Finding::blocking(Code::NotReadyBefore, format!("{name} is being deleted"))
                .about(&name)
                .at("/metadata/deletionTimestamp")
                .why("helm's patch does not stop that: after the upgrade there is none, and nobody makes it again")
                .next("wait until it is gone, or take away the finalizer that it waits for, and plan again")
        })
        .collect()
}

/// PVCs that lose `keep`: the stored document has it and the new one has not, so that helm's patch removes it, whoever set it too. A
/// server-side apply leaves what somebody else has set as well, Portolan before an earlier hop for example.
fn unkept(context: &HopContext<'_>) -> Vec<Finding> {
    let inventory = context.resolved.inventory;
    let unkept = inventory.data_volumes().filter_map(|volume| {
        let claim = &volume.claim;
        let doc = planned(context, claim)?;
        let live = context.live.get(claim).filter(|live| is_kept(live))?;
        let after = upgrade::patched(stored(context, claim), doc, live);
        let is_server = check_objects::apply(inventory, &context.run.client) == ApplyMethod::Server;
        let own = context.steps.iter().filter_map(check_objects::own_field);
        let mut own = context.before.own.iter().cloned().chain(own);
        let mut is_set_by_us = || own.any(|own| own.object == *claim && own.field.as_str() == RESOURCE_POLICY_POINTER);
        let is_left = is_server && doc.at(RESOURCE_POLICY_POINTER).is_none();
        if is_left && (portolan_kube_facts::policy_writers(live).next().is_some() || is_set_by_us()) {
            return None;
        }
        (!is_kept(&after)).then(|| {
            let (old, new) = (&context.input.from, &context.input.pick.id);
            let says = match doc.at(RESOURCE_POLICY_POINTER).and_then(serde_json::Value::as_str) {
                Some(policy) => format!("has `{policy}`"),
                None => "has not".into(),
            };
            Finding::warning(Code::KeepRemoved, format!("{new} takes helm.sh/resource-policy: keep off {claim}"))
                .about(claim)
                .at(RESOURCE_POLICY_POINTER)
                .with(format!("the manifest of {old} has it, and that of {new} {says}"))
                .next(format!(
                    "after the upgrade: kubectl annotate pvc -n {} {} helm.sh/resource-policy=keep",
                    claim.namespace(),
                    claim.name()
                ))
        })
    });
    unkept.collect()
}

/// Workloads that are not ready today. An ordered StatefulSet does not replace its pods then.
fn not_rolling(context: &HopContext<'_>) -> Vec<Finding> {
    let inventory = context.resolved.inventory;
    if context.before.revision != inventory.release.revision {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for workload in inventory.workloads.iter().filter(|workload| !workload.ready && workload.name.kind() != "Job") {
        let name = &workload.name;
        let Some(live) = inventory.objects.get(name) else { continue };
        let unready = |(name, pod): (&Ref, &Object)| {
            let restarts = inventory.taken.and_then(|now| portolan_kube_facts::restarts_lately(pod, now));
            match portolan_kube_facts::is_ready(pod) {
                Some(false) => Some(format!("{name}: {}", told(&portolan_kube_facts::pod_state(pod)))),
                _ => restarts.map(|restarts| format!("{name}: {restarts}")),
            }
        };
        if let Some(words) = coming(inventory, live) {
            let finding = Finding::warning(Code::NotReadyBefore, format!("{name} {words}: {}", workload.state))
                .why("Portolan expects that it gets ready: its pod is new, and nothing has failed in it")
                .next("nothing; or wait until it is ready and plan again");
            findings.push(pods_of(inventory, live).filter_map(unready).fold(finding.about(name), Finding::with));
            continue;
        }
        let unready: Vec<String> = pods_of(inventory, live).filter_map(unready).collect();
        let found = format!("{name} is not ready before the upgrade: {}", workload.state);
        let finding = if !unready.is_empty() && waits_for_its_pods(name, live) && gets_new_pods(context, name) {
            Finding::blocking(Code::NotReadyBefore, found).at("/status/readyReplicas")
        } else {
            Finding::warning(Code::NotReadyBefore, found)
                .why("if it is not ready afterwards, nobody can tell whether the upgrade is the cause")
                .next("find out why it is not ready")
        };
        findings.push(unready.into_iter().fold(finding.about(name), Finding::with));
    }
    findings
}

/// What happens to a workload whose pods that are not ready all get so by themselves: `is starting`. `None` where that is not known of
/// one of them.
fn coming(inventory: &Inventory, live: &Object) -> Option<&'static str> {
    let now = inventory.taken?;
    if pods_of(inventory, live).any(|(_, pod)| portolan_kube_facts::restarts_lately(pod, now).is_some()) {
        return None;
    }
    let unready = pods_of(inventory, live).filter(|(_, pod)| portolan_kube_facts::is_ready(pod) != Some(true));
    let words: Option<Vec<&str>> = unready.map(|(_, pod)| portolan_kube_facts::is_coming(pod, now)).collect();
    words?.first().copied()
}

/// Whether a Deployment is paused once helm has written it, so that nothing makes or replaces its pods. `helm --wait` takes it as
/// ready (`PausedAsReady` in `pkg/kube/client.go`, helm 3.14.4 to 3.22.0).
pub(super) fn is_paused_after(stored: Option<&Object>, doc: &Object, live: Option<&Object>) -> bool {
    let after = live.map_or_else(|| doc.clone(), |live| upgrade::patched(stored, doc, live));
    is_kind(doc, "Deployment") && portolan_kube_facts::is_paused(&after) && portolan_kube_facts::replicas(&after) != 0
}

/// Deployments whose new pods do not come because they are paused: by hand today, or by the new chart.
fn paused(context: &HopContext<'_>) -> Vec<Finding> {
    let is_first = context.before.revision == context.resolved.inventory.release.revision;
    let mut findings = Vec::new();
    for doc in &context.planned.docs {
        let Some(name) = doc.name() else { continue };
        let live = context.live.get(&name);
        let has_new_pods = live.is_none() || gets_new_pods(context, &name);
        if !has_new_pods || !is_paused_after(stored(context, &name), doc, live) {
            continue;
        }
        let finding = if portolan_kube_facts::is_paused(doc) {
            let what = if live.is_none() { "no pods are made for it" } else { "its pods are not replaced" };
            let chart = &context.input.pick.id;
            Finding::warning(Code::NotReadyBefore, format!("{chart} pauses {name}: {what} until somebody resumes it"))
                .why("helm says deployed, and the new version does not run there; Portolan does not wait for it either")
                .next("nothing, if that is meant; else give the chart values that leave spec.paused out")
        } else if is_first {
            let found = format!("{name} is paused, and the upgrade changes its pod template");
            Finding::blocking(Code::NotReadyBefore, found)
                .why("helm says deployed, and the pods of the old version go on running until somebody resumes it")
                .next(format!(
                    "kubectl rollout resume -n {} deployment/{}, or accept that its pods stay: --accept PL253 --reason TEXT",
                    name.namespace(),
                    name.name()
                ))
        } else {
            continue;
        };
        findings.push(finding.about(&name).at("/spec/paused"));
    }
    findings
}

/// Whether a StatefulSet replaces pods only while all of them are ready.
fn waits_for_its_pods(name: &Ref, live: &Object) -> bool {
    StatefulSet::named(name, live).is_some_and(|set| !set.is_parallel() && !set.is_on_delete())
}

/// Whether helm changes the pod template of a workload that no step deletes before.
fn gets_new_pods(context: &HopContext<'_>, name: &Ref) -> bool {
    let (Some(doc), Some(live)) = (planned(context, name), context.live.get(name)) else { return false };
    let after = upgrade::patched(stored(context, name), doc, live);
    after.at("/spec/template") != live.at("/spec/template")
}

fn pods_of<'a>(inventory: &'a Inventory, owner: &Object) -> impl Iterator<Item = (&'a Ref, &'a Object)> + use<'a> {
    let uid = owner.uid();
    inventory.objects.iter().filter(move |(name, pod)| {
        name.kind() == "Pod" && uid.as_ref().is_some_and(|uid| portolan_kube_facts::is_owned_by(pod, uid))
    })
}

/// What the new manifest has in namespaces whose PVCs were not listed, where a volume says that there is such a PVC.
fn elsewhere(context: &HopContext<'_>) -> Vec<Finding> {
    let inventory = context.resolved.inventory;
    let unseen: BTreeSet<String> = portolan_inventory::survey::namespaces(&context.planned.docs)
        .into_iter()
        .filter(|namespace| !inventory.is_complete("PersistentVolumeClaim", namespace))
        .collect();
    let is_held = |claim: &Ref| {
        let mut volumes = inventory.objects.iter().filter(|(name, _)| name.kind() == "PersistentVolume");
        !inventory.is_complete("PersistentVolume", "")
            || volumes.any(|(_, volume)| super::claims::was_of(volume, claim))
    };
    let mut findings = Vec::new();
    for doc in &context.planned.docs {
        let Some(name) = doc.name().filter(|name| unseen.contains(name.namespace())) else { continue };
        if let Some(claim) = claims_of(&name, doc).iter().find(|claim| is_held(claim)) {
            findings.push(
                not_visible("PersistentVolumeClaim", name.namespace())
                    .about(&name)
                    .with(format!("{name} uses {claim} in namespace {}", name.namespace())),
            );
        }
    }
    findings
}

/// Kinds whose pods may mount a volume of the release, and that this user may not list. Pods, StatefulSets and Deployments of the
/// release's namespace are asked for apart.
pub(super) fn unseen(resolved: &ResolvedRelease<'_>) -> Vec<Finding> {
    const KINDS: [&str; 4] = ["CronJob", "DaemonSet", "Job", "ReplicaSet"];
    let used: BTreeSet<&str> = resolved.in_use().map(|volume| volume.claim.namespace()).collect();
    let denied = resolved.inventory.denied().filter(|scope| {
        let is_elsewhere = scope.namespace != resolved.release().namespace
            && ["Pod", "StatefulSet", "Deployment"].contains(&scope.kind.as_str());
        used.contains(scope.namespace.as_str()) && (is_elsewhere || KINDS.contains(&scope.kind.as_str()))
    });
    denied.map(|scope| not_visible(&scope.kind, &scope.namespace)).collect()
}

/// The PVCs that an object is, names or makes.
pub(super) fn claims_of(name: &Ref, object: &Object) -> BTreeSet<Ref> {
    let own = is_kind(object, "PersistentVolumeClaim").then(|| name.clone());
    Claims::of(name, object).into_all().chain(own).collect()
}

/// Pods of somebody else on a volume of the release. Workloads that can do harm are named by [`unmodelled`].
pub(super) fn shared(resolved: &ResolvedRelease<'_>) -> Vec<Finding> {
    let inventory = resolved.inventory;
    let mounts = inventory.data_volumes().flat_map(|volume| volume.mounts.iter().map(move |mount| (volume, mount)));
    mounts
        .filter(|(volume, mount)| !is_ours(inventory, volume, mount))
        .map(|(volume, mount)| {
            let owner = mount.workload.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
            let found = format!("{} mounts {} and is not of the release", mount.pod, volume.claim);
            Finding::warning(Code::SharedVolume, found).about(&mount.pod).with(format!("it is owned by {owner}"))
        })
        .collect()
}

/// Whether only objects that are no workloads of the release use a PVC, and all of them stay: the pods that an operator creates
/// for a custom resource, for example. What changes among their owners is named by [`unmodelled`].
pub(super) fn is_of_others(context: &HopContext<'_>, claim: &Ref) -> bool {
    let live = &context.before.objects;
    let falls = context.falls();
    let is_planned = |name: &Ref| context.planned.docs.iter().any(|doc| doc.name().as_ref() == Some(name));
    let stays = |name: &Ref| {
        let is_other = stored(context, name).is_none_or(|doc| PodTemplate::of(doc).is_none() && is_planned(name));
        is_other && context.live.contains_key(name) && !falls.contains_key(name)
    };
    let stored = context.before.docs.iter().filter_map(|doc| Some((doc.name()?, doc)));
    let all = live.iter().map(|(name, object)| (name.clone(), object)).chain(stored);
    let mut users = all.filter(|(_, object)| portolan_kube_facts::ClaimUse::of(object, claim).is_some()).peekable();
    users.peek().is_some()
        && users.all(|(name, object)| {
            let owners = portolan_kube_facts::ancestors(&name, object, &|name| live.get(name));
            stays(&name) && owners.iter().all(|owner| owner.found.as_ref().is_some_and(stays))
        })
}

/// Whether a pod is of the release, or of what owns the PVC as well.
fn is_ours(inventory: &Inventory, volume: &Volume, mount: &portolan_model::Mount) -> bool {
    let pod = inventory.objects.get(&mount.pod);
    let by_workload = mount.workload.as_ref().is_some_and(|owner| {
        let claim = inventory.objects.get(&volume.claim);
        inventory.workloads.iter().any(|known| known.name == *owner)
            || inventory.release.docs.iter().any(|doc| doc.name().as_ref() == Some(owner))
            || inventory.objects.get(owner).is_some_and(|owner| belongs(inventory, owner))
            || claim.is_some_and(|claim| portolan_kube_facts::owners(claim).iter().any(|its| its.name == *owner))
    });
    by_workload || pod.is_some_and(|pod| belongs(inventory, pod))
}

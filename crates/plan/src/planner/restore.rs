//! What an earlier run deleted, put back out of its archive.

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::{Kind, PodTemplate, StatefulSet};
use portolan_model::{
    ArchivedCopy, Code, Content, CopyState, Digest, Finding, HelmClient, Hop, Inventory, Object, Plan, PlanFile,
    Precondition, ProtectedVolume, Provenance, Ref, Release, Seen, Step, StepKind, Uid,
};
use serde_json::Value;

use super::manual_commands::Given;
use super::{empty, manual_commands, mounts, not_visible, preconditions, protected, steps};

/// An object that is to be put back, as a run archived it.
#[derive(Clone, Debug)]
pub struct ToRestore {
    /// The object.
    pub name: Ref,
    /// The UID that it had.
    pub uid: Uid,
    /// Its JSON, as it lies in the run's folder.
    pub content: Content,
    /// The digest of that.
    pub digest: Digest,
    /// The object itself.
    pub archived: Object,
}

/// What is put back, and of which run.
pub struct RestoreRequest<'a> {
    /// The id of the run that archived the objects.
    pub run: &'a str,
    /// The objects.
    pub objects: &'a [ToRestore],
    /// These objects and their owners, as they are now.
    pub live: &'a BTreeMap<Ref, Seen>,
    /// The other releases that the run worked on, where they are installed.
    pub others: &'a [Release],
}

/// A plan that puts objects back.
#[derive(Clone, Debug)]
pub struct Restoration {
    /// The plan, with the archived copies. It has no hops where everything is there.
    pub file: PlanFile,
    /// What exists, as it was archived or never deleted.
    pub there: Vec<Ref>,
}

/// The plan that puts archived objects back. It creates what does not exist and changes nothing that does.
///
/// # Errors
/// [`Code::NotDeployed`] where a helm may still work on one of the releases; [`Code::NotRestored`] where an object exists with other content, or
/// is never put back; [`Code::ClaimGone`] where a StatefulSet would make a new, empty PVC; [`Code::NotVisible`] where something cannot be
/// read.
pub fn restore(inventory: &Inventory, helm: &HelmClient, request: &RestoreRequest<'_>) -> Result<Restoration, Finding> {
    let release = &inventory.release;
    [release].into_iter().chain(request.others).try_for_each(no_helm_is_at_work)?;
    if !inventory.is_complete("PersistentVolumeClaim", &release.id.namespace) {
        return Err(not_visible("PersistentVolumeClaim", &release.id.namespace));
    }
    let (mut gone, mut there) = (Vec::new(), Vec::new());
    for object in request.objects {
        if is_gone(object, request.live)? {
            makes_no_claim(inventory, object)?;
            gone.push(object);
        } else {
            there.push(object.name.clone());
        }
    }
    // Pods start with what they read.
    gone.sort_by_key(|object| PodTemplate::of_kind(Kind::named(&object.name), &object.archived).is_some());
    let docs: Vec<Object> = gone.iter().map(|object| object.archived.clone()).collect();
    let mut plan = Plan { volumes: volumes(inventory)?, ..empty(inventory, helm) };
    if !gone.is_empty() {
        let source =
            Provenance { page: "portolan".into(), line: None, boundary: format!("restore of run {}", request.run) };
        let kinds = kinds(inventory, request, (&gone, &docs), &plan.volumes);
        plan.hops.push(Hop {
            release: None,
            from: release.chart.clone(),
            to: release.chart.clone(),
            boundaries: Vec::new(),
            steps: kinds.into_iter().map(|kind| step(kind, &source)).collect(),
            changes: Vec::new(),
            new_claims: Vec::new(),
            hooks: Vec::new(),
            values: Vec::new(),
        });
    }
    plan.preconditions = preconditions::of(inventory, &plan);
    for object in &gone {
        plan.preconditions.insert(object.name.clone(), Precondition::absent());
        for (name, uid) in owners(&object.archived, request.live) {
            plan.preconditions.entry(name).or_insert_with(|| Precondition::same(uid));
        }
    }
    let objects = gone.iter().map(|object| (object.digest.clone(), object.content.clone())).collect();
    Ok(Restoration { file: PlanFile { plan, objects, fetched: Vec::new() }, there })
}

/// What a pending helm has not made yet would be put back under it, as it was before: helm then meets the fields that cannot be changed,
/// and stops half-way.
fn no_helm_is_at_work(release: &Release) -> Result<(), Finding> {
    if !release.status.is_pending() {
        return Ok(());
    }
    portolan_inventory::survey::settled(release).map_err(|finding| {
        let found = format!("{}; nothing was written", finding.found);
        Finding { found, ..finding }
            .why("helm may still make these objects itself, or has made some of them: the others would be put back beside them")
    })
}

/// Whether an object is to be created.
fn is_gone(object: &ToRestore, live: &BTreeMap<Ref, Seen>) -> Result<bool, Finding> {
    let name = &object.name;
    let cannot = |found: String| Finding::blocking(Code::NotRestored, found).about(name);
    if name.is_never_deleted() {
        return Err(cannot(format!("{name} is never deleted by Portolan, and so it is not put back")));
    }
    if matches!(Kind::named(name), Kind::Pod | Kind::Job) {
        return Err(cannot(format!("{name} is not put back: it would run again")));
    }
    let seen = live.get(name).unwrap_or(&Seen::Absent);
    match seen {
        // It was never deleted.
        Seen::There(live) if live.is(&object.uid) && !live.is_terminating() => return Ok(false),
        _ => {}
    }
    match portolan_kube_facts::compare(&object.archived, seen) {
        CopyState::Absent => Ok(true),
        CopyState::Same => Ok(false),
        CopyState::Other(fields) => {
            let finding = cannot(format!("{name} is there, and is not what was archived; nothing was written"));
            Err(fields.iter().fold(finding, |finding, field| finding.with(format!("differs: {field}"))))
        }
        CopyState::Unreadable(text) => {
            let found = format!("{name} cannot be read, so nobody knows whether it is there; nothing was written");
            Err(Finding::blocking(Code::NotVisible, found).about(name).with(text))
        }
    }
}

/// A StatefulSet makes the PVCs of its templates that it does not find: new and empty ones.
fn makes_no_claim(inventory: &Inventory, object: &ToRestore) -> Result<(), Finding> {
    let claims = StatefulSet::named(&object.name, &object.archived).map(|set| set.claims()).unwrap_or_default();
    match claims.into_iter().find(|made| !inventory.objects.contains_key(&made.claim)) {
        None => Ok(()),
        Some(made) => {
            Err(Finding::blocking(Code::ClaimGone, format!("{} is not there; nothing was written", made.claim))
                .about(&made.claim)
                .why(format!("{} would make a new, empty one", object.name))
                .next("see which volume has its data, and bind a PVC of that name to it; then run it again"))
        }
    }
}

/// The volumes with data that are looked at again when everything is back.
fn volumes(inventory: &Inventory) -> Result<Vec<ProtectedVolume>, Finding> {
    let lives = |volume: &&portolan_model::Volume| !volume.terminating && !volume.volume_terminating;
    inventory.data_volumes().filter(lives).map(protected).collect()
}

fn kinds(
    inventory: &Inventory,
    request: &RestoreRequest<'_>,
    (gone, docs): (&[&ToRestore], &[Object]),
    volumes: &[ProtectedVolume],
) -> Vec<StepKind> {
    let mut kinds: Vec<StepKind> = Vec::new();
    for object in gone {
        let owners = owners(&object.archived, request.live).map(|(_, uid)| uid).collect();
        let copy = ArchivedCopy { digest: object.digest.clone(), owners };
        kinds.push(StepKind::RestoreObject { target: object.name.clone(), uid: object.uid.clone(), copy });
    }
    let is_waited_for =
        |name: &&Ref| matches!(Kind::named(name), Kind::StatefulSet | Kind::Deployment | Kind::DaemonSet);
    let workloads: Vec<Ref> = gone.iter().map(|object| &object.name).filter(is_waited_for).cloned().collect();
    if !workloads.is_empty() {
        kinds.push(StepKind::WaitReady { workloads });
    }
    let sets: Vec<Ref> =
        gone.iter().map(|object| &object.name).filter(|name| Kind::named(name) == Kind::StatefulSet).cloned().collect();
    kinds.extend(volumes.iter().map(|protected| {
        let namespace = protected.claim.namespace();
        StepKind::VerifyVolume {
            claim: protected.claim.clone(),
            claim_uid: protected.claim_uid.clone(),
            volume: protected.volume.clone(),
            volume_uid: protected.volume_uid.clone(),
            mounted_by: mounts::pods(docs, &protected.claim),
            sets: sets.clone(),
            known_claims: inventory.objects.keys().filter(|name| name.is_claim_in(namespace)).cloned().collect(),
        }
    }));
    kinds
}

/// The owners of an archived object that still exist.
fn owners<'a>(archived: &Object, live: &'a BTreeMap<Ref, Seen>) -> impl Iterator<Item = (Ref, Uid)> + use<'a> {
    let get = |name: &Ref| match live.get(name) {
        Some(Seen::There(object)) if !object.is_terminating() => Some(object),
        _ => None,
    };
    portolan_kube_facts::owners(archived).into_iter().filter_map(move |owner| Some((owner.find(&get)?, owner.uid?)))
}

fn step(kind: StepKind, source: &Provenance) -> Step {
    let (id, why) = match &kind {
        StepKind::RestoreObject { .. } => {
            ("restore-objects", "an earlier run deleted it, and nothing has made it again")
        }
        StepKind::WaitReady { .. } => ("wait-ready", "what was put back is not up before its pods are"),
        _ => ("verify-volumes", "what was put back mounts the data that was there"),
    };
    let mut step = steps::step(id, why, kind, vec![source.clone()]);
    step.command =
        manual_commands::of(&step.kind, Given { values: &Value::Null, hidden: &BTreeSet::new() }, step.limit);
    step
}

//! What has no rules, and whether it can reach a volume.

use std::collections::BTreeSet;

use portolan_helm_compat::upgrade;
use portolan_kube_facts::{Kind, OwnerFate, Reach, Rollout};
use portolan_model::{Code, Object, ProtectedVolume, Ref, ReleaseId, StepKind, Unmodelled};

use crate::helm::records;
use crate::script::Op;
use crate::search::Subject;
use crate::world::{Docs, World};

/// The manifests of a release: what helm goes on from, and what it applies then, one after the other.
pub(crate) struct ManifestHistory {
    pub(crate) release: ReleaseId,
    /// The manifest that the newest record holds.
    pub(crate) stored: Option<Docs>,
    pub(crate) planned: Vec<Docs>,
}

impl ManifestHistory {
    /// That of a release as it is now.
    pub(crate) fn of(release: &ReleaseId, world: &World) -> Self {
        Self { release: release.clone(), stored: newest_docs(world, release), planned: Vec::new() }
    }

    /// All manifests, oldest first.
    fn all(&self) -> impl Iterator<Item = &Docs> {
        self.stored.iter().chain(&self.planned)
    }

    fn has(&self, name: &Ref) -> bool {
        self.all().any(|docs| docs.iter().any(|(is, _)| is == name))
    }
}

/// The history that an object is in: the first one where it is in none. An object that goes from one release to another is in none
/// that tells all of what becomes of it.
fn history_of<'a>(name: &Ref, histories: &'a [ManifestHistory]) -> Option<&'a ManifestHistory> {
    let mut has = histories.iter().filter(|history| history.has(name));
    match (has.next(), has.next()) {
        (found @ Some(_), None) => found,
        (None, _) => histories.first(),
        (Some(_), Some(_)) => None,
    }
}

/// What is not modelled and can reach the volume.
pub(crate) fn reach(
    protected: &ProtectedVolume,
    world: &World,
    histories: &[ManifestHistory],
    subject: &Subject,
) -> Vec<Unmodelled> {
    let manifests = histories.iter().flat_map(|history| &history.planned);
    let planned = manifests.flat_map(|docs| docs.iter().map(|(name, doc)| (name, doc)));
    let mut all: Vec<(Ref, Reach)> = Vec::new();
    for (name, object) in world.objects().chain(planned) {
        if Kind::named(name) == Kind::Deployment {
            let found = by_rollouts(&protected.claim, name, world, histories, subject);
            all.extend(found.into_iter().map(|reach| (name.clone(), reach)));
            continue;
        }
        let found = portolan_kube_facts::reach(object, &protected.claim).into_iter();
        let found = found.filter(|reach| !(reach.by_change && is_left_alone(name, world, histories, subject)));
        all.extend(found.map(|reach| (name.clone(), reach)));
    }
    let fate = |owner: &Ref| {
        let doc = |docs: &'_ Docs| docs.iter().find(|(name, _)| name == owner).map(|(_, doc)| doc.clone());
        let mut fates = histories.iter().flat_map(|history| {
            let forms: Vec<Option<Object>> = history.all().map(doc).collect();
            let pairs = forms.windows(2).map(|pair| portolan_kube_facts::fate(pair[0].as_ref(), pair[1].as_ref()));
            pairs.collect::<Vec<_>>()
        });
        fates.find(|fate| *fate != OwnerFate::Untouched).unwrap_or(OwnerFate::Untouched)
    };
    all.extend(portolan_kube_facts::reach_by_owners(&protected.claim, world.objects(), &|name| world.get(name), &fate));
    let mut all: Vec<Unmodelled> = all.into_iter().map(|(name, reach)| not_modelled(protected, name, reach)).collect();
    all.sort();
    all.dedup_by(|a, b| (&a.object, &a.field) == (&b.object, &b.field));
    all
}

/// What is not modelled of the objects that a plan puts back, and can reach the volume.
pub(crate) fn reach_of_restored(protected: &ProtectedVolume, world: &World, restored: &Docs) -> Vec<Unmodelled> {
    let claim = &protected.claim;
    let is_for_one_pod = world.get(claim).is_some_and(portolan_kube_facts::is_for_one_pod);
    // Its pods do not wait for those that are on the PVC already.
    let is_made_anew = world.pods_on(claim).next().is_some();
    let found = restored.iter().flat_map(|(name, object)| {
        let reach = match Kind::named(name) {
            Kind::Deployment => Rollout { before: None, after: object, is_made_anew }.reach(claim, is_for_one_pod),
            _ => portolan_kube_facts::reach(object, claim),
        };
        reach.into_iter().map(|reach| not_modelled(protected, name.clone(), reach))
    });
    found.collect()
}

/// What is not modelled in what helm makes of a Deployment, one manifest after the other.
fn by_rollouts(claim: &Ref, name: &Ref, world: &World, histories: &[ManifestHistory], subject: &Subject) -> Vec<Reach> {
    let history = history_of(name, histories);
    let planned = || histories.iter().flat_map(|history| &history.planned);
    let docs: Vec<Object> = planned().filter_map(|docs| find(docs, name)).collect();
    let mut before = world.get(name).cloned();
    let mut old = history.and_then(|history| find(history.stored.as_ref()?, name));
    let is_in_all = history.is_some_and(|history| docs.len() == history.planned.len());
    let is_helms = is_in_all && (before.is_none() || old.is_some()) && !docs.is_empty();
    let is_made_anew = is_deleted(name, subject);
    // Nothing is said of what a person does to it, nor of who else may be on the PVC then; a plan says that itself.
    let is_typed = matches!(subject, Subject::Script(_))
        && (is_written(name, subject) || (before.is_none() && world.pods_on(claim).next().is_some()));
    if !is_helms || (is_typed && !is_made_anew) {
        return before.iter().chain(&docs).flat_map(|object| portolan_kube_facts::reach(object, claim)).collect();
    }
    let is_for_one_pod = world.get(claim).is_some_and(portolan_kube_facts::is_for_one_pod);
    let mut found = Vec::new();
    for doc in docs {
        let after = before.as_ref().map_or_else(|| doc.clone(), |live| upgrade::patched(old.as_ref(), &doc, live));
        let rollout = Rollout { before: before.as_ref(), after: &after, is_made_anew };
        found.extend(rollout.reach(claim, is_for_one_pod));
        (before, old) = (Some(after), Some(doc));
    }
    found
}

/// The document of an object.
fn find(docs: &Docs, name: &Ref) -> Option<Object> {
    docs.iter().find(|(is, _)| is == name).map(|(_, doc)| doc.clone())
}

/// Whether something else than helm writes to an object: a step that deletes it, or a command.
fn is_written(name: &Ref, subject: &Subject) -> bool {
    match subject {
        Subject::Plan(_) => is_deleted(name, subject),
        Subject::Script(script) => script.iter().any(|line| line.op.writes().contains(&name)),
    }
}

/// Whether something else than helm deletes an object.
fn is_deleted(name: &Ref, subject: &Subject) -> bool {
    match subject {
        Subject::Plan(plan) => {
            plan.steps().any(|step| matches!(&step.kind, StepKind::DeleteObject { target, .. } if target == name))
        }
        Subject::Script(script) => {
            script.iter().any(|line| matches!(&line.op, Op::Delete(targets) if targets.contains(name)))
        }
    }
}

/// Whether nothing but helm writes to an object, and no helm changes its spec.
fn is_left_alone(name: &Ref, world: &World, histories: &[ManifestHistory], subject: &Subject) -> bool {
    let Some(live) = world.get(name).filter(|_| !is_written(name, subject)) else { return false };
    let find = |docs: &Docs| find(docs, name);
    let Some(history) = history_of(name, histories) else { return false };
    let Some(mut before) = history.stored.as_ref().and_then(find) else { return false };
    history.planned.iter().all(|docs| {
        find(docs).is_some_and(|doc| {
            let stays = upgrade::leaves_spec(Some(&before), &doc, live);
            before = doc;
            stays
        })
    })
}

/// The manifest that a release's newest record holds.
fn newest_docs(world: &World, release: &ReleaseId) -> Option<Docs> {
    let (_, record) = records(world, release).pop()?;
    world.library.get(&crate::helm::manifest_digest(record)?).cloned()
}

pub(crate) fn not_modelled(protected: &ProtectedVolume, object: Ref, reach: Reach) -> Unmodelled {
    Unmodelled {
        code: Code::NotModelled,
        claim: protected.claim.clone(),
        object,
        field: reach.field.into(),
        reason: reach.reason,
        way_out: reach.way_out.into(),
        accepted: false,
    }
}

/// Whether the simulation has rules for objects of a kind, or knows that no rule reads what is in them.
fn is_modelled(name: &Ref) -> bool {
    match Kind::named(name) {
        Kind::Pod
        | Kind::StatefulSet
        | Kind::Deployment
        | Kind::ReplicaSet
        | Kind::Job
        | Kind::PersistentVolumeClaim
        | Kind::PersistentVolume
        | Kind::Namespace
        | Kind::CustomResourceDefinition => true,
        Kind::Inert => matches!(name.kind(), "Secret" | "StorageClass" | "Release"),
        Kind::DaemonSet | Kind::ReplicationController | Kind::CronJob | Kind::Route | Kind::Ingress | Kind::Custom => {
            false
        }
    }
}

pub(crate) fn unmodelled(world: &World, manifests: &[Docs]) -> Vec<Ref> {
    let planned = manifests.iter().flat_map(|docs| docs.iter().map(|(name, _)| name));
    let names: BTreeSet<&Ref> =
        world.objects().map(|(name, _)| name).chain(planned).filter(|name| !is_modelled(name)).collect();
    names.into_iter().cloned().collect()
}

//! What the controllers of a Deployment and of its ReplicaSets do next, where their pods mount a PVC: `syncDeployment` of
//! `pkg/controller/deployment/deployment_controller.go` with `recreate.go`, `rolling.go` and `sync.go` beside it, and
//! `manageReplicas` of `pkg/controller/replicaset/replica_set.go` (Kubernetes 1.34).
//!
//! Of a Deployment whose pods mount none nothing is modelled but that it rolls out; ReplicaSets that it had on a PVC before still go.

use std::cmp::Ordering;

use portolan_model::{Ref, Uid};
use serde_json::json;

use crate::object_view::{Deployment, Kind, Pod, ReplicaSet, Strategy};
use crate::rules::RuleId;
use crate::world::{StoredObject, World};

/// What a Deployment does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DeploymentStep {
    /// It has rolled out, without pods that are modelled.
    Roll,
    /// It makes the ReplicaSet of its template.
    Make { name: Ref, replicas: u32 },
    /// It changes how many pods a ReplicaSet wants.
    Scale { name: Ref, replicas: u32 },
}

/// A ReplicaSet of a Deployment, with how many of its pods are there and run.
struct Part<'a> {
    name: &'a Ref,
    set: &'a ReplicaSet,
    /// Those that no controller has begun to delete.
    pods: u32,
    available: u32,
    /// Those as well that are being deleted and have not ended.
    ending: u32,
}

/// The ReplicaSets of a Deployment on PVCs: that of its template, if there is one, and the others.
fn parts<'a>(world: &'a World, uid: &'a Uid, of: &'a Deployment) -> (Option<Part<'a>>, Vec<Part<'a>>) {
    if !world.has_replica_sets() {
        return (None, Vec::new());
    }
    let all = world.owned_like(&of.prefix, uid).filter_map(|(name, view)| match &view.kind {
        Kind::ReplicaSet(set) if !view.terminating => Some(part(world, name, &view.uid, set)),
        _ => None,
    });
    let (mut new, mut old): (Vec<Part<'a>>, Vec<Part<'a>>) = all.partition(|part| part.set.revision == of.revision);
    let first = new.pop();
    old.extend(new);
    (first, old)
}

fn part<'a>(world: &'a World, name: &'a Ref, uid: &'a Uid, set: &'a ReplicaSet) -> Part<'a> {
    let mut part = Part { name, set, pods: 0, available: 0, ending: 0 };
    for (_, pod, terminating) in pods(world, uid, set).filter(|(_, pod, _)| !pod.ended) {
        if terminating {
            part.ending += 1;
        } else {
            part.pods += 1;
            part.available += u32::from(pod.running);
        }
    }
    part
}

fn pods<'a>(
    world: &'a World,
    uid: &'a Uid,
    set: &'a ReplicaSet,
) -> impl Iterator<Item = (&'a Ref, &'a Pod, bool)> + 'a {
    world.owned_like(&set.prefix, uid).filter_map(|(name, view)| match &view.kind {
        Kind::Pod(pod) => Some((name, pod, view.terminating)),
        _ => None,
    })
}

pub(crate) fn deployment_step(
    world: &World,
    name: &Ref,
    uid: &Uid,
    of: &Deployment,
) -> Option<(RuleId, DeploymentStep)> {
    if of.paused {
        return None;
    }
    let down = |name: &Ref, replicas| Some((RuleId::ScaleDown, DeploymentStep::Scale { name: name.clone(), replicas }));
    let (new, old) = parts(world, uid, of);
    if (of.claims.is_empty() || of.strategy == Strategy::Recreate)
        && let Some(part) = old.iter().find(|part| part.set.replicas > 0)
    {
        return down(part.name, 0);
    }
    if of.claims.is_empty() {
        return (!of.rolled).then_some((RuleId::Roll, DeploymentStep::Roll));
    }
    let wanted = match of.strategy {
        // Pods of an older template that still end are waited for.
        Strategy::Recreate if old.iter().any(|part| part.pods + part.ending > 0) => return None,
        Strategy::Recreate => of.replicas,
        Strategy::Rolling { surge, .. } => {
            let most = of.replicas.saturating_add(surge);
            let free = most.saturating_sub(wanted_of(new.iter().chain(&old)));
            let has = new.as_ref().map_or(0, |part| part.set.replicas);
            has.saturating_add(free).min(of.replicas).max(has.min(of.replicas))
        }
    };
    match &new {
        None => {
            let name = Ref::new("apps", "ReplicaSet", name.namespace(), &format!("{}-{}", name.name(), of.revision));
            let made = world.view(&name).is_none().then_some(DeploymentStep::Make { name, replicas: wanted });
            return Some((RuleId::ScaleUp, made?));
        }
        Some(part) if part.set.replicas > wanted => return down(part.name, wanted),
        Some(part) if part.set.replicas < wanted => {
            return Some((RuleId::ScaleUp, DeploymentStep::Scale { name: part.name.clone(), replicas: wanted }));
        }
        Some(_) => {}
    }
    let Strategy::Rolling { unavailable, .. } = of.strategy else { return None };
    let (name, replicas) = roll(of.replicas.saturating_sub(unavailable), new.as_ref()?, &old)?;
    down(name, replicas)
}

/// The old ReplicaSet that is scaled down next in a rolling update: first by what does not run, then by what runs beyond the least
/// that has to (`reconcileOldReplicaSets`).
fn roll<'a>(least: u32, new: &Part<'_>, old: &[Part<'a>]) -> Option<(&'a Ref, u32)> {
    let waiting = new.set.replicas.saturating_sub(new.available);
    let all = wanted_of(old.iter().chain([new]));
    let may_go = all.checked_sub(least.saturating_add(waiting)).filter(|may| *may > 0)?;
    let unhealthy = |part: &Part<'_>| part.set.replicas.saturating_sub(part.available);
    if let Some(part) = old.iter().find(|part| unhealthy(part) > 0) {
        return Some((part.name, part.set.replicas - unhealthy(part).min(may_go)));
    }
    let available: u32 = old.iter().map(|part| part.available).sum::<u32>() + new.available;
    let spare = available.checked_sub(least).filter(|spare| *spare > 0)?;
    let part = old.iter().find(|part| part.set.replicas > 0)?;
    Some((part.name, part.set.replicas.saturating_sub(spare)))
}

/// How many pods some ReplicaSets want together.
fn wanted_of<'a>(parts: impl Iterator<Item = &'a Part<'a>>) -> u32 {
    parts.fold(0, |sum, part| sum.saturating_add(part.set.replicas))
}

pub(crate) fn take_deployment_step(world: &mut World, name: &Ref, thing: &StoredObject, step: &DeploymentStep) {
    match step {
        DeploymentStep::Roll => {
            let revision = crate::object_view::revision(&thing.object.0);
            world.put_made(name, RuleId::Roll, thing.state_hash(), || {
                let mut json = (*thing.object.0).clone();
                json["status"]["rolled"] = json!(revision);
                json
            });
        }
        DeploymentStep::Make { name: set, replicas } => {
            let made = world.create_made(set, ("set", replicas), thing.state_hash(), || {
                let owner = controller("Deployment", name, &thing.view.uid);
                json!({
                    "apiVersion": "apps/v1", "kind": "ReplicaSet",
                    "metadata": {"name": set.name(), "namespace": set.namespace(), "ownerReferences": [owner]},
                    "spec": {"replicas": replicas, "template": thing.object.at("/spec/template")}
                })
            });
            drop(made);
        }
        DeploymentStep::Scale { name: set, replicas } => {
            let Some(thing) = world.thing(set).cloned() else { return };
            world.put_made(set, ("scale", replicas), thing.state_hash(), || {
                let mut json = (*thing.object.0).clone();
                json["spec"]["replicas"] = json!(replicas);
                json
            });
        }
    }
}

/// The pod that a ReplicaSet deletes next, because there are too many of them: one that does not run, where there is one
/// (`ActivePodsWithRanks` in `pkg/controller/controller_utils.go`). Pods that are being deleted are not counted.
pub(crate) fn replica_to_drop(world: &World, uid: &Uid, set: &ReplicaSet) -> Option<Ref> {
    if part(world, &set.prefix, uid, set).pods <= set.replicas {
        return None;
    }
    let active = pods(world, uid, set).filter(|(_, pod, terminating)| !terminating && !pod.ended);
    active.min_by_key(|(_, pod, _)| pod.running).map(|(name, ..)| name.clone())
}

/// What a ReplicaSet does next.
pub(crate) fn replica_rule(world: &World, uid: &Uid, set: &ReplicaSet) -> Option<RuleId> {
    match part(world, &set.prefix, uid, set).pods.cmp(&set.replicas) {
        Ordering::Less => Some(RuleId::MakeReplica),
        Ordering::Equal => None,
        Ordering::Greater => Some(RuleId::DropReplica),
    }
}

/// Makes a pod of a ReplicaSet, under the first number that is free.
pub(crate) fn make_replica(world: &mut World, name: &Ref, thing: &StoredObject) {
    let numbered = |number: u32| Ref::pod(name.namespace(), &format!("{}-{number}", name.name()));
    let Some(pod) = (0..).map(numbered).find(|pod| world.view(pod).is_none()) else { return };
    drop(world.create_made(&pod, "replica", thing.state_hash(), || {
        let template = |part: &str| thing.object.at(&format!("/spec/template/{part}")).cloned().unwrap_or(json!({}));
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": pod.name(), "namespace": pod.namespace(),
                "labels": template("metadata/labels"),
                "ownerReferences": [controller("ReplicaSet", name, &thing.view.uid)]
            },
            "spec": template("spec")
        })
    }));
}

fn controller(kind: &str, name: &Ref, uid: &Uid) -> serde_json::Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": name.name(), "uid": uid.to_string(), "controller": true})
}

/// Whether a Deployment's pods are all of its template and run; the error says how far it is.
pub(crate) fn rollout(world: &World, uid: &Uid, of: &Deployment) -> Result<String, String> {
    let (new, old) = parts(world, uid, of);
    let left: u32 = old.iter().map(|part| part.pods).sum();
    let paused = if of.paused { "paused, so that its pods are not replaced: " } else { "" };
    if of.claims.is_empty() {
        return match (of.rolled, left) {
            (true, 0) => Ok("rolled out".into()),
            (true, left) => Err(format!("{paused}{left} old pods are still there")),
            (false, _) => {
                Err(if of.paused { "paused, so that its pods are not replaced" } else { "rolling out" }.into())
            }
        };
    }
    let (pods, available) = new.map_or((0, 0), |part| (part.pods, part.available));
    if available == of.replicas && pods + left == of.replicas {
        return Ok(format!("{available} of {} ready", of.replicas));
    }
    let text = format!("{paused}{available} of {} ready", of.replicas);
    Err(if left > 0 { format!("{text}, {left} old pods are still there") } else { text })
}

//! Pods that come to a PVC on which they are not today. What two programs do that write to the same data is not known; nor is
//! what another program than that of the data does to it. Only one that takes the place of those that have gone is compared
//! with them.

use portolan_kube_facts::{ClaimUse, Deployment, StatefulSet};
use portolan_model::{Object, Ref, Volume};

use super::uses::Workloads;
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    for volume in context.resolved.in_use() {
        let place = Place { context, workloads, volume };
        let mut first = None;
        for (name, usage) in
            workloads.all_after().filter_map(|(name, after)| Some((name, place.newcomer(name, after)?)))
        {
            let Some(other) = place.other(name).or(first) else {
                first = Some(name);
                continue;
            };
            let reason = format!(
                "its pods come to the PVC, which {other} mounts as well, and what its program does to the data is not known"
            );
            report.unknown(volume, name, usage.field(), (reason, &place.way_out(other)));
        }
        for (name, after) in workloads.all_after() {
            if let Some((was, will)) = place.more(name, after) {
                let reason = format!(
                    "it goes up from {was} to {will} pods on the PVC, and what they do to the same data is not known"
                );
                report.unknown(
                    volume,
                    name,
                    "/spec/replicas",
                    (reason, "give the chart as many replicas as there are today"),
                );
            }
        }
    }
}

/// A PVC in a hop.
struct Place<'a> {
    context: &'a HopContext<'a>,
    workloads: &'a Workloads,
    volume: &'a Volume,
}

impl<'a> Place<'a> {
    fn claim(&self) -> &'a Ref {
        &self.volume.claim
    }

    /// How an object uses the PVC, whose pods can write to it after the hop and are not there today. The
    /// kinds that have their own rules are named by [`portolan_kube_facts::reach`].
    fn newcomer(&self, name: &Ref, after: &Object) -> Option<ClaimUse> {
        let is_there = self.context.before.objects.get(name).is_some_and(|object| has_pods(object, self.claim()));
        let stays = name.kind() == "Pod" && self.context.live.contains_key(name);
        let writes = portolan_kube_facts::claim_mounts(after, self.claim()).iter().any(|mount| !mount.is_read_only);
        let comes =
            matches!(name.kind(), "Pod" | "StatefulSet" | "Deployment") && writes && has_pods(after, self.claim());
        ClaimUse::of(after, self.claim()).filter(|_| comes && !is_there && !stays)
    }

    /// How many pods a workload whose pods share the PVC has at most on it and how many it can have after the hop, where these are
    /// more and more than one. One that was scaled down by hand comes back as its manifest had it.
    fn more(&self, name: &Ref, after: &Object) -> Option<(u64, u64)> {
        let mounts = portolan_kube_facts::claim_mounts(after, self.claim());
        let is_shared = match name.kind() {
            "Deployment" => true,
            // The pods of a set may have a folder each.
            "StatefulSet" => {
                matches!(ClaimUse::of(after, self.claim()), Some(ClaimUse::Named(_)))
                    && !mounts.iter().all(|mount| mount.is_expression)
            }
            _ => false,
        };
        if !is_shared || !mounts.iter().any(|mount| !mount.is_read_only) {
            return None;
        }
        let replicas = |object: &Object| -> u64 {
            let of_set = || StatefulSet::of(object).map_or(0, |set| set.replicas().into());
            Deployment::of(object).map_or_else(of_set, |it| it.replicas().into())
        };
        let (before, planned) = (&self.context.before.docs, &self.context.planned.docs);
        let had = [self.workloads.before(name), before.iter().find(|doc| doc.name().as_ref() == Some(name))];
        let had = had.into_iter().flatten().map(replicas).max().unwrap_or(0);
        let was = had.max(portolan_kube_facts::scales_to(before, name).unwrap_or(0));
        let will = replicas(after).max(portolan_kube_facts::scales_to(planned, name).unwrap_or(0));
        (will > was.max(1)).then_some((was, will))
    }

    /// Who else has pods on the PVC when helm starts, or stays there and can have them again.
    fn other(&self, newcomer: &Ref) -> Option<&'a Ref> {
        let users = self.context.before.objects.iter().filter(|(name, object)| {
            *name != newcomer && ClaimUse::of(object, self.claim()).is_some() && !is_pod_of(name, object, newcomer)
        });
        let mut all: Vec<&Ref> = users
            .filter(|(name, object)| {
                let is_on = self.is_live(name) && has_pods(object, self.claim());
                is_on || (is_controller(name) && self.stays(name))
            })
            .map(|(name, _)| name)
            .collect();
        // A pod is known by its controller.
        all.sort_by_key(|name| name.kind() == "Pod");
        all.first().copied()
    }

    /// Whether an object is there when helm starts, and so are its owners.
    fn is_live(&self, name: &Ref) -> bool {
        let known = &self.context.resolved.inventory.objects;
        let is = |name: &Ref| self.context.live.contains_key(name);
        let owners =
            known.get(name).map(|object| portolan_kube_facts::ancestors(name, object, &|name| known.get(name)));
        is(name) && owners.iter().flatten().filter_map(|owner| owner.found.as_ref()).all(is)
    }

    /// Whether a controller uses the PVC after the hop too: helm leaves alone what is not of the release.
    fn stays(&self, name: &Ref) -> bool {
        match self.workloads.after(name) {
            Some(after) => ClaimUse::of(after, self.claim()).is_some(),
            None => self.is_live(name) && !self.context.before.is_stored(name),
        }
    }

    fn way_out(&self, other: &Ref) -> String {
        if self.workloads.after(other).is_none() && self.context.before.is_stored(other) && is_controller(other) {
            return format!("scale {other} to 0 before the upgrade, and wait until its pods are gone");
        }
        "give it another volume, or mount the PVC with readOnly".into()
    }
}

/// Whether a workload's pods are on a PVC, or will be.
fn has_pods(object: &Object, claim: &Ref) -> bool {
    match (object.text("/kind"), ClaimUse::of(object, claim)) {
        (_, None) => false,
        ("Pod", _) => !matches!(object.text("/status/phase"), "Succeeded" | "Failed"),
        ("Deployment", _) => Deployment::of(object).is_some_and(|it| it.replicas() > 0),
        ("StatefulSet", Some(usage)) => StatefulSet::of(object).is_some_and(|set| match usage {
            ClaimUse::Named(_) => set.replicas() > 0,
            ClaimUse::Made(_, ordinal) => set.ordinals().contains(&ordinal),
        }),
        _ => !portolan_kube_facts::reach(object, claim).is_empty(),
    }
}

/// Whether it goes on creating pods, which come to no end of their own.
fn is_controller(name: &Ref) -> bool {
    matches!(name.kind(), "StatefulSet" | "Deployment" | "DaemonSet" | "ReplicationController")
}

/// Whether an object is a pod of another: it is owned by it, or has the name that its pod will have, so that one waits for the
/// other.
fn is_pod_of(name: &Ref, object: &Object, owner: &Ref) -> bool {
    let is_named = || {
        let ordinal = name.name().strip_prefix(owner.name()).and_then(|rest| rest.strip_prefix('-'));
        let is_ordinal = ordinal.is_some_and(|ordinal| ordinal.parse::<u32>().is_ok());
        owner.kind() == "StatefulSet" && name.namespace() == owner.namespace() && is_ordinal
    };
    name.kind() == "Pod" && (portolan_kube_facts::owners(object).iter().any(|its| its.name == *owner) || is_named())
}

//! Hooks that can reach a volume. What a hook's program does is not known; what it is able to do is.
//!
//! A hook reaches a volume by mounting it, by a folder of the node below which it lies, by its own object, or through the
//! API with what its ServiceAccount may do ([`super::rights`]).

use portolan_helm_compat::hooks::{self, Hook};
use portolan_kube_facts::{PodTemplate, claim_mounts, volumes_of_claim};
use portolan_model::{Code, Finding, HookDeletePolicy, HookEvent, Object, Ref, Unmodelled, Volume};

use super::node::Places;
use super::rights::{self, Place, Rights};
use super::uses::Workloads;
use super::{HopContext, Report};

const WAY_OUT: &str = "read what the hook does, or disable it in the values";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let all = hooks::of(context.hooks);
    let known = Known { rights: Rights::in_upgrade(context), places: Places::of(context) };
    for hook in all.iter().filter(|hook| hook.runs_in_upgrade()) {
        let Some(name) = hook.name() else { continue };
        for volume in context.resolved.in_use() {
            let reach = Reach { context, workloads, hook, name: &name, volume };
            report.findings.extend(reach.deletes_namespace());
            report.unmodelled.extend(reach.found(&known));
        }
        report.findings.extend(becomes_hook(context, hook, &name));
    }
}

/// What is known of all hooks.
struct Known<'a> {
    rights: Rights<'a>,
    places: Places<'a>,
}

struct Reach<'a> {
    context: &'a HopContext<'a>,
    workloads: &'a Workloads,
    hook: &'a Hook<'a>,
    name: &'a Ref,
    volume: &'a Volume,
}

impl Reach<'_> {
    fn found(&self, known: &Known<'_>) -> Option<Unmodelled> {
        let (field, reason) = self
            .is_storage()
            .or_else(|| self.mounts())
            .or_else(|| known.places.of_hook(self.hook.object, self.volume))
            .or_else(|| self.own())
            .or_else(|| self.may(&known.rights))?;
        Some(Unmodelled {
            code: Code::HookReachesStorage,
            claim: self.volume.claim.clone(),
            object: self.name.clone(),
            field: field.into(),
            reason,
            way_out: WAY_OUT.into(),
            accepted: false,
        })
    }

    /// It is the PVC itself, or its PV.
    fn is_storage(&self) -> Option<(String, String)> {
        let is_its = *self.name == self.volume.claim || Some(self.name) == self.volume.volume.as_ref();
        (is_its && !self.hook.delete.is_empty()).then(|| {
            ("/metadata/annotations/helm.sh~1hook".into(), "helm deletes this object before it makes it anew".into())
        })
    }

    fn mounts(&self) -> Option<(String, String)> {
        let volume = *volumes_of_claim(self.hook.object, &self.volume.claim).first()?;
        let template = PodTemplate::of(self.hook.object)?;
        // A volume that no container mounts is reached by none.
        claim_mounts(self.hook.object, &self.volume.claim).first()?;
        let at = template.volume(volume).map_or(0, |(at, _)| at);
        Some((format!("{}/volumes/{at}", template.pointer), "it mounts the PVC".into()))
    }

    /// Its own object is the workload that mounts the PVC, or an owner of the PVC: helm deletes it before it makes it anew.
    fn own(&self) -> Option<(String, String)> {
        let live = self.context.live.get(self.name).filter(|_| !self.hook.delete.is_empty())?;
        let claim = self.context.live.get(&self.volume.claim);
        let is_its = |claim: &Object| live.uid().is_some_and(|uid| portolan_kube_facts::is_owned_by(claim, &uid));
        let owns = claim.is_some_and(is_its);
        let mounts = !volumes_of_claim(live, &self.volume.claim).is_empty() && live.text("/kind") != "Pod";
        (owns || mounts)
            .then(|| (String::new(), "helm deletes this object, to which the PVC belongs, and makes it anew".into()))
    }

    /// What its ServiceAccount may do.
    fn may(&self, rights: &Rights<'_>) -> Option<(String, String)> {
        let place = Place { context: self.context, workloads: self.workloads, volume: self.volume };
        let power = rights.powers(self.hook.object, &place).into_iter().next()?;
        Some((rights::field(self.hook.object)?, power.reason))
    }

    /// Helm deletes a Namespace that is a hook, and with it everything in it, whatever `keep` says.
    fn deletes_namespace(&self) -> Option<Finding> {
        let is_its = self.name.kind() == "Namespace" && self.name.name() == self.volume.claim.namespace();
        (is_its && !self.hook.delete.is_empty()).then(|| {
            let found = format!("{} has {} as a hook, which helm deletes", self.context.input.pick.id, self.name);
            Finding::blocking(Code::DeletedWith, found)
                .about(&self.volume.claim)
                .with(format!("{} is in it", self.volume.claim))
                .next("this chart cannot be applied over this installation")
        })
    }
}

/// An object of the release that becomes a pre-upgrade hook: helm makes it anew as a hook, and then deletes it because the stored
/// manifest has it and the new one has not.
fn becomes_hook(context: &HopContext<'_>, hook: &Hook<'_>, name: &Ref) -> Option<Finding> {
    let was_plain = context.before.is_stored(name);
    let is_before = hook.is_at(HookEvent::PreUpgrade) && !hook.is_at(HookEvent::PostUpgrade);
    let is_kept = portolan_kube_facts::is_kept(hook.object);
    if !was_plain || !is_before || is_kept || name.is_storage() {
        return None;
    }
    let code = if name.kind() == "Secret" { Code::KeyChanges } else { Code::BecomesHook };
    let first = if hook.delete.contains(&HookDeletePolicy::BeforeHookCreation) {
        "is deleted, made anew"
    } else {
        "is made anew"
    };
    Some(
        Finding::blocking(
            code,
            format!("{name} becomes a hook of {} and is gone after the upgrade", context.input.pick.id),
        )
        .about(name)
        .at("/metadata/annotations/helm.sh~1hook")
        .with(format!(
            "before the upgrade it {first} as a hook; then helm deletes it, since only the old manifest has it"
        ))
        .why("the pods that need it find nothing, and what it held is lost")
        .next("take the hook annotation off in the chart, or give the hook helm.sh/resource-policy: keep"),
    )
}

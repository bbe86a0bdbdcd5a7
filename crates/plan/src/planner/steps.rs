//! From what the recipes ask for to steps with everything decided.

use std::collections::BTreeSet;

use portolan_model::{
    Carried, Code, Finding, HelmOperation, HelmRun, Object, Orphan, Provenance, Ref, Step, StepKind, Uid, Undo, Volume,
    is_named_anew,
};
use portolan_recipe::{ClaimSelector, StepOrigin, StepTemplate, VersionBoundary, fill};

use super::hop_input::HopInput;
use super::limits::Limits;
use super::projected_state::ProjectedState;
use super::resolve::ResolvedRelease;
use super::{is_kind, manual_commands, mounts, reach};
use portolan_inventory::survey::belongs;

/// Why the pods of what was deleted are waited for.
const GONE: &str = "what helm makes anew is not to start beside the old pods, on the same disks";

/// What the steps of a hop are made from.
pub(super) struct StepBuilder<'a> {
    pub(super) resolved: &'a ResolvedRelease<'a>,
    pub(super) input: &'a HopInput<'a>,
    pub(super) state: &'a ProjectedState,
    pub(super) docs: &'a [Object],
    pub(super) run: &'a HelmRun,
}

impl StepBuilder<'_> {
    /// The steps in the order in which they are carried out: by kind, then as the recipes have them. What two boundaries
    /// ask for is one step with both sources.
    pub(super) fn steps(&self, findings: &mut Vec<Finding>) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for (boundary, asked) in &self.input.asks {
            for kind in self.kinds(&asked.ask, findings) {
                let mut sources = vec![self.source(boundary, &asked.source)];
                if let StepTemplate::HelmUpgrade { set, .. } = &asked.ask {
                    let given = self.input.settings.iter().filter(|(_, setting)| set.contains(setting));
                    sources.extend(given.map(|(boundary, setting)| self.source(boundary, &setting.source)));
                }
                let taken = steps.iter_mut().position(|step| take_up(&mut step.kind, step.id == asked.id, &kind));
                match taken {
                    Some(at) => steps[at].sources.extend(sources),
                    None => {
                        let why = if matches!(kind, StepKind::WaitGone { .. }) { GONE } else { &asked.why };
                        steps.push(step(&asked.id, why, kind, sources));
                    }
                }
            }
        }
        steps.sort_by_key(|step| StepTemplate::place_of(&step.kind));
        for step in &mut steps {
            step.limit = self.input.limits.of(&step.kind);
            step.command = manual_commands::of(&step.kind, self.input.shown(), step.limit);
            if matches!(step.kind, StepKind::Helm { .. }) {
                let reads = self.input.moved.secrets.iter().map(manual_commands::carry);
                step.command.splice(0..0, reads);
            }
            // What a page says comes before what we say.
            step.sources.sort_by_key(|source| (source.line.is_none(), source.page == "portolan"));
            step.sources.dedup();
        }
        steps
    }

    /// Sets PVs to Retain again, which helm sets to another policy: right after helm.
    pub(super) fn retain_again(&self, steps: &mut Vec<Step>, volumes: &[(Ref, String)]) {
        let mut again = Vec::new();
        for (name, policy) in volumes {
            let is_its = |step: &&Step| matches!(&step.kind, StepKind::RetainVolume { volume, .. } if volume == name);
            let Some(first) = steps.iter().find(is_its) else { continue };
            let mut step = first.clone();
            if let StepKind::RetainVolume { before, .. } = &mut step.kind {
                before.clone_from(policy);
            }
            step.id = "retain-again".into();
            step.why =
                "helm sets the policy that the new chart has, and with it the disk goes when its PVC is deleted".into();
            again.push(step);
        }
        let helm = steps.iter().position(|step| matches!(step.kind, StepKind::Helm { .. }));
        if let Some(helm) = helm {
            steps.splice(helm + 1..=helm, again);
        }
    }

    /// Archives more objects: in the step that archives already, else in one of its own.
    pub(super) fn archive(&self, steps: &mut Vec<Step>, mut more: Vec<Ref>) {
        more.retain(|name| !self.state.archived.contains(name));
        if more.is_empty() {
            return;
        }
        let is_archive = |step: &&mut Step| matches!(step.kind, StepKind::ArchiveObject { .. });
        if let Some(archive) = steps.iter_mut().find(is_archive) {
            if let StepKind::ArchiveObject { objects } = &mut archive.kind {
                add(objects, &more);
            }
            archive.command = manual_commands::of(&archive.kind, self.input.shown(), archive.limit);
            return;
        }
        let source = Provenance { page: "portolan".into(), line: None, boundary: "every upgrade".into() };
        let kind = StepKind::ArchiveObject { objects: more };
        let mut archive = step(
            "archive-removed",
            "what helm deletes and cannot be made again, or reads values out of, is archived first",
            kind,
            vec![source],
        );
        archive.command = manual_commands::of(&archive.kind, self.input.shown(), archive.limit);
        let place = StepTemplate::place_of(&archive.kind);
        // No recipe asks for the check of the objects; it stays the first.
        let is_later = |step: &Step| {
            !matches!(step.kind, StepKind::CheckObjects { .. }) && StepTemplate::place_of(&step.kind) > place
        };
        let at = steps.iter().position(is_later).unwrap_or(steps.len());
        steps.insert(at, archive);
    }

    /// What is waited for: the workloads of a manifest, and its routes. A Job that is removed once it is done is not there to
    /// be asked, and a Deployment that is paused gets no new pods.
    fn waits(&self) -> Vec<Ref> {
        let is_paused = |doc: &Object| {
            let Some(name) = doc.name() else { return false };
            let stored = self.state.docs.iter().find(|stored| stored.name().as_ref() == Some(&name));
            reach::is_paused_after(stored, doc, self.state.objects.get(&name))
        };
        // The name of one that is another at each rendering is not known.
        let is_anew =
            |doc: &Object| doc.name().is_some_and(|name| is_named_anew(&self.run.nondeterministic_fields, &name));
        let is_waited_for = |doc: &&Object| match (doc.text("/apiVersion"), doc.text("/kind")) {
            (_, "StatefulSet" | "DaemonSet") => true,
            (_, "Deployment") => !is_paused(doc),
            (_, "Job") => doc.at("/spec/ttlSecondsAfterFinished").is_none(),
            (version, "Route") => version.starts_with("route.openshift.io/"),
            (version, "Ingress") => version.starts_with("networking.k8s.io/"),
            _ => false,
        };
        self.docs.iter().filter(|doc| !is_anew(doc)).filter(is_waited_for).filter_map(Object::name).collect()
    }

    fn source(&self, boundary: &VersionBoundary, origin: &StepOrigin) -> Provenance {
        let title = self.resolved.book.source(&origin.page).map(|page| page.title.clone());
        Provenance {
            page: title.unwrap_or_else(|| origin.page.clone()),
            line: origin.line,
            boundary: boundary.name.clone(),
        }
    }

    fn kinds(&self, ask: &StepTemplate, findings: &mut Vec<Finding>) -> Vec<StepKind> {
        match ask {
            StepTemplate::RetainVolume { claims } => {
                self.volumes(claims, findings).filter_map(|volume| self.retain(volume)).collect()
            }
            StepTemplate::KeepClaim { claims } => self
                .volumes(claims, findings)
                .filter(|volume| self.state.is_stored(&volume.claim))
                .map(|volume| StepKind::KeepClaim {
                    claim: volume.claim.clone(),
                    uid: volume.claim_uid.clone(),
                    is_kept: self.state.objects.get(&volume.claim).is_some_and(portolan_kube_facts::is_kept),
                })
                .collect(),
            StepTemplate::RecordDatabase { database } => {
                self.database(database).map(|database| StepKind::RecordDatabase { database }).into_iter().collect()
            }
            StepTemplate::ArchiveObject { objects } => {
                let objects: Vec<Ref> = self
                    .there(objects)
                    .map(|(name, _)| name)
                    .filter(|name| !self.state.archived.contains(name))
                    .collect();
                if objects.is_empty() { Vec::new() } else { vec![StepKind::ArchiveObject { objects }] }
            }
            StepTemplate::CarryCredentials { database } => self.carry(database).into_iter().collect(),
            StepTemplate::DeleteObject { objects, of_release } => self.deletions(objects, *of_release),
            StepTemplate::HelmUpgrade { .. } => {
                vec![StepKind::Helm { op: HelmOperation::Upgrade, run: Box::new(self.run.clone()) }]
            }
            StepTemplate::WaitReady => vec![StepKind::WaitReady { workloads: self.waits() }],
            StepTemplate::VerifyVolume { claims } => {
                self.volumes(claims, findings).filter_map(|volume| self.verify(volume)).collect()
            }
            StepTemplate::VerifyDatabase { database, may_change } => self
                .database(database)
                .map(|database| StepKind::VerifyDatabase { database, may_change: may_change.clone() })
                .into_iter()
                .collect(),
        }
    }

    /// The volumes of the PVCs that a recipe names; a name that is not there is worth a warning.
    fn volumes(&self, which: &ClaimSelector, findings: &mut Vec<Finding>) -> std::vec::IntoIter<&Volume> {
        let all = &self.resolved.inventory.volumes;
        let ClaimSelector::These(names) = which else {
            return all.iter().collect::<Vec<_>>().into_iter();
        };
        let mut found = Vec::new();
        for name in names {
            let claim = Ref::claim(&self.resolved.release().namespace, &fill(name, self.resolved.release()));
            match all.iter().find(|volume| volume.claim == claim) {
                Some(volume) => found.push(volume),
                None => findings.push(
                    Finding::warning(Code::VolumeDiffers, format!("a recipe names {claim}, which is not there"))
                        .why("the data lies on another PVC than the page says")
                        .next("see that the volumes named in the plan are all that hold data"),
                ),
            }
        }
        found.into_iter()
    }

    fn retain(&self, volume: &Volume) -> Option<StepKind> {
        let (name, uid) = (volume.volume.clone()?, volume.volume_uid.clone()?);
        let before = if self.state.retained.contains(&name) {
            "Retain".into()
        } else {
            volume.policy.clone().unwrap_or_default()
        };
        Some(StepKind::RetainVolume { volume: name, uid, before })
    }

    fn verify(&self, volume: &Volume) -> Option<StepKind> {
        Some(StepKind::VerifyVolume {
            claim: volume.claim.clone(),
            claim_uid: volume.claim_uid.clone(),
            volume: volume.volume.clone()?,
            volume_uid: volume.volume_uid.clone()?,
            mounted_by: mounts::pods(self.docs, &volume.claim),
            sets: self.docs.iter().filter(|doc| is_kind(doc, "StatefulSet")).filter_map(Object::name).collect(),
            known_claims: self.known_claims(volume.claim.namespace()),
        })
    }

    /// The PVCs of a namespace that stand when the hop begins, and those that its manifest makes.
    fn known_claims(&self, namespace: &str) -> BTreeSet<Ref> {
        let is_claim = |name: &&Ref| name.is_claim_in(namespace);
        let named: Vec<Ref> = self.docs.iter().filter_map(Object::name).collect();
        let mut known: BTreeSet<Ref> = self.state.objects.keys().chain(&named).filter(is_claim).cloned().collect();
        known.extend(self.docs.iter().flat_map(mounts::made_by).map(|made| made.claim));
        known
    }

    fn database(&self, name: &str) -> Option<portolan_model::DatabaseRef> {
        self.resolved.reference(name).cloned()
    }

    fn carry(&self, name: &str) -> Option<StepKind> {
        // The chart reads it where it is, and the look into the database tries it.
        let found = self.resolved.database(name).filter(|found| !found.has_site_secret())?;
        let database = found.reference.clone();
        let carried: Vec<Carried> =
            self.input.carried.iter().filter(|carried| carried.from == database.password).cloned().collect();
        Some(StepKind::CarryCredentials { carried, database })
    }

    /// The objects that a recipe names, where they live.
    fn there<'a>(&'a self, objects: &'a [String]) -> impl Iterator<Item = (Ref, &'a Object)> {
        objects.iter().filter_map(|text| {
            let name = portolan_recipe::object(text, self.resolved.release())?;
            let live = self.state.objects.get(&name)?;
            Some((name, live))
        })
    }

    /// What an earlier hop made has no UID that is known now; it is of the new kind already and needs no deleting.
    fn deletions(&self, objects: &[String], of_release: bool) -> Vec<StepKind> {
        let mut pods = Vec::new();
        let mut kinds = Vec::new();
        for (target, live) in self.there(objects) {
            let Some(uid) = live.uid() else { continue };
            if self.resolved.is_site_secret(&target) || (of_release && !belongs(self.resolved.inventory, live)) {
                continue;
            }
            pods.extend(self.pods_of(&target, &uid));
            kinds.push(StepKind::DeleteObject { target, uid });
        }
        if !pods.is_empty() {
            kinds.push(StepKind::WaitGone { pods });
        }
        kinds
    }

    fn pods_of(&self, owner: &Ref, uid: &Uid) -> impl Iterator<Item = Orphan> {
        let pods = self.state.objects.iter();
        pods.filter(|(name, pod)| {
            name.kind() == "Pod" && name.namespace() == owner.namespace() && portolan_kube_facts::is_owned_by(pod, uid)
        })
        .map(|(name, _)| Orphan { pod: name.clone(), owner: uid.clone() })
    }
}

/// A step without its command: what it takes to undo it and how long it may take, as a rule, follow from its kind.
pub(super) fn step(id: &str, why: &str, kind: StepKind, sources: Vec<Provenance>) -> Step {
    let undo = match kind {
        StepKind::RetainVolume { .. } | StepKind::KeepClaim { .. } => Undo::Reverse,
        StepKind::DeleteObject { .. } => Undo::Restore,
        StepKind::Helm { .. } => Undo::ForwardOnly,
        _ => Undo::Nothing,
    };
    let limit = Limits::default().of(&kind);
    Step { id: id.into(), kind, sources, why: why.into(), command: Vec::new(), undo, limit }
}

/// Whether a step is what is asked for; it then takes up what is new in it.
fn take_up(kind: &mut StepKind, same_id: bool, asked: &StepKind) -> bool {
    match (&mut *kind, asked) {
        (StepKind::ArchiveObject { objects }, StepKind::ArchiveObject { objects: more }) if same_id => {
            add(objects, more);
        }
        // They end beside each other, whoever asked for it.
        (StepKind::WaitGone { pods }, StepKind::WaitGone { pods: more }) => add(pods, more),
        (
            StepKind::VerifyDatabase { database, may_change },
            StepKind::VerifyDatabase { database: other, may_change: more },
        ) if same_id && database == other => add(may_change, more),
        _ => return kind == asked,
    }
    true
}

/// Adds what is not there yet.
fn add<T: Clone + PartialEq>(all: &mut Vec<T>, more: &[T]) {
    for item in more {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
}

//! Who uses a PVC today, and who takes their place in the new manifest.

use std::collections::BTreeMap;

use portolan_helm_compat::upgrade;
use portolan_kube_facts::{ClaimMount, Container, ContainerKind, PodTemplate, claim_mounts, volumes_of_claim};
use portolan_model::{Object, Ref, Volume};
use serde_json::Value;

use super::super::form;
use super::HopContext;
use super::paths::is_aside;

/// The objects of the release before and after the hop.
pub(super) struct Workloads {
    before: BTreeMap<Ref, Object>,
    /// What helm's patch makes of the live objects, or the planned documents where they are new.
    after: BTreeMap<Ref, Object>,
    volumes: Vec<Volume>,
}

/// A container that mounts a PVC.
#[derive(Clone)]
pub(super) struct Use<'a> {
    pub(super) name: &'a Ref,
    pub(super) template: PodTemplate<'a>,
    pub(super) container: Container<'a>,
    pub(super) mounts: Vec<ClaimMount<'a>>,
}

/// A container that mounts a PVC today, and the one in its place.
pub(super) struct Pair<'a> {
    pub(super) volume: &'a Volume,
    pub(super) before: Use<'a>,
    pub(super) after: Use<'a>,
}

/// A container that mounts a PVC today and has nobody in its place, though its workload stays.
pub(super) struct Left<'a> {
    pub(super) volume: &'a Volume,
    pub(super) before: Use<'a>,
    /// The workload that stays.
    pub(super) workload: &'a Ref,
    /// Where in it the mount is missing.
    pub(super) field: String,
    /// Whether another container has the PVC.
    pub(super) is_mounted: bool,
}

impl Pair<'_> {
    /// Whether the hop puts new pods in the place of those that run.
    pub(super) fn replaces_pods(&self, context: &HopContext<'_>) -> bool {
        let (was, will) = (&self.before, &self.after);
        let is_changed = was.template.spec != will.template.spec || was.template.metadata != will.template.metadata;
        was.name != will.name || !context.live.contains_key(will.name) || is_changed
    }
}

impl<'a> Use<'a> {
    /// A field of the container as a JSON pointer in the workload.
    pub(super) fn field(&self, rest: &str) -> String {
        format!("{}{}{rest}", self.template.pointer, self.container.pointer())
    }

    /// Another container of the same pod, whatever it mounts.
    pub(super) fn other(&self, container: Container<'a>) -> Self {
        Self { container, mounts: Vec::new(), ..*self }
    }

    /// The container's image, without tag and digest.
    pub(super) fn image(&self) -> &'a str {
        image(self.container)
    }

    /// The pod's volumes that are the PVC.
    pub(super) fn volumes(&self) -> Vec<&'a str> {
        self.mounts.iter().map(|mount| mount.mount.volume).collect()
    }
}

impl Workloads {
    pub(super) fn of(context: &HopContext<'_>) -> Self {
        let stored = |name: &Ref| context.before.docs.iter().find(|doc| doc.name().as_ref() == Some(name));
        let planned = context.planned.docs.iter().filter_map(|doc| Some((doc.name()?, doc)));
        let after: BTreeMap<Ref, Object> = planned
            .map(|(name, doc)| {
                let object = match context.live.get(&name) {
                    Some(live) => upgrade::patched(stored(&name), doc, live),
                    None => doc.clone(),
                };
                (name, object)
            })
            .collect();
        let names = context.before.docs.iter().filter_map(Object::name).chain(after.keys().cloned());
        let today = |name: Ref| {
            let object = form(&context.before.objects, &context.before.docs, &name)?.clone();
            Some((name, object))
        };
        let volumes = context.resolved.in_use().cloned().collect();
        Self { before: names.filter_map(today).collect(), after, volumes }
    }

    /// The same with other volumes, and each object as it is then seen.
    pub(super) fn seen_as(&self, volumes: Vec<Volume>, see: &dyn Fn(&Object) -> Object) -> Self {
        let seen = |all: &BTreeMap<Ref, Object>| all.iter().map(|(name, object)| (name.clone(), see(object))).collect();
        Self { before: seen(&self.before), after: seen(&self.after), volumes }
    }

    /// The volumes whose data is looked after.
    pub(super) fn volumes(&self) -> impl Iterator<Item = &Volume> {
        self.volumes.iter()
    }

    /// An object before the hop.
    pub(super) fn before(&self, name: &Ref) -> Option<&Object> {
        self.before.get(name)
    }

    /// An object before the hop: one of the release, else what lives.
    pub(super) fn today<'a>(&'a self, context: &'a HopContext<'_>, name: &Ref) -> Option<&'a Object> {
        self.before(name).or_else(|| context.before.objects.get(name))
    }

    /// An object after the hop: one of the release, else what a hook leaves, else what lives.
    pub(super) fn then<'a>(&'a self, context: &'a HopContext<'_>, name: &Ref) -> Option<&'a Object> {
        self.after(name).or_else(|| context.beside(name))
    }

    /// The objects of the release before the hop, and those of after it that lived before.
    pub(super) fn names_before(&self) -> impl Iterator<Item = &Ref> {
        self.before.keys()
    }

    /// Whether a workload's pods go on running. Jobs and `CronJob`s copy data; they are not where a program expects its own.
    pub(super) fn runs_on(object: &Object) -> bool {
        PodTemplate::of(object).is_some() && !matches!(object.text("/kind"), "Job" | "CronJob")
    }

    /// An object of the release after the hop.
    pub(super) fn after(&self, name: &Ref) -> Option<&Object> {
        self.after.get(name)
    }

    /// The objects of the release before the hop.
    pub(super) fn all_before(&self) -> impl Iterator<Item = (&Ref, &Object)> + Clone {
        self.before.iter()
    }

    /// The objects of the release after the hop.
    pub(super) fn all_after(&self) -> impl Iterator<Item = (&Ref, &Object)> + Clone {
        self.after.iter()
    }

    /// The workloads that mount a PVC, before the hop or after it.
    pub(super) fn users(&self, claim: &Ref) -> impl Iterator<Item = &Ref> {
        let all = self.before.iter().chain(&self.after);
        all.filter(|(_, object)| !volumes_of_claim(object, claim).is_empty()).map(|(name, _)| name)
    }

    /// The containers that use a PVC today, each with the one in its place.
    pub(super) fn pairs<'a>(&'a self, volume: &'a Volume) -> (Vec<Pair<'a>>, Vec<Left<'a>>) {
        let (mut pairs, mut left) = (Vec::new(), Vec::new());
        for (name, object) in self.before.iter().filter(|(_, object)| Self::runs_on(object)) {
            let before = users(name, object, volume);
            if before.is_empty() {
                continue;
            }
            let Some((name, after)) = self.successor(name, volume) else {
                if let Some((name, after)) = self.after.get_key_value(name)
                    && let Some(template) = PodTemplate::of(after)
                {
                    left.extend(before.into_iter().map(|before| {
                        let field = format!("{}{}", template.pointer, place_of_volume(template, &before));
                        Left { volume, before, workload: name, field, is_mounted: false }
                    }));
                }
                continue;
            };
            let goes = |old: &Use<'_>| self.goes_elsewhere(old);
            pair(volume, before, (name, after, &goes), &mut pairs, &mut left);
        }
        (pairs, left)
    }

    /// Whether a workload that is new runs the image of a container.
    fn goes_elsewhere(&self, old: &Use<'_>) -> bool {
        let is_new = |name: &&Ref| !self.before.contains_key(*name);
        let runs = |template: PodTemplate<'_>| {
            template.containers().any(|container| image(container) == old.image() && !old.image().is_empty())
        };
        let new = self.after.iter().filter(|(name, _)| is_new(name)).filter_map(|(_, object)| PodTemplate::of(object));
        new.into_iter().any(runs)
    }

    /// The workload of the same name, else one that is new to the PVC.
    fn successor<'a>(&'a self, name: &Ref, volume: &Volume) -> Option<(&'a Ref, &'a Object)> {
        let mounts = |object: &Object| Self::runs_on(object) && !volumes_of_claim(object, &volume.claim).is_empty();
        if let Some((name, object)) = self.after.get_key_value(name) {
            return mounts(object).then_some((name, object));
        }
        let is_new = |name: &Ref| self.before.get(name).is_none_or(|before| !mounts(before));
        self.after.iter().find(|(name, object)| is_new(name) && mounts(object))
    }
}

/// Whether an object's controller makes pods of it, as far as the object says.
pub(super) fn has_pods(object: &Object) -> bool {
    PodTemplate::of(object).is_some()
        && portolan_kube_facts::replicas(object) != 0
        && object.at("/spec/suspend") != Some(&Value::Bool(true))
}

/// Whether a container's program comes back in another workload.
type Goes<'a> = dyn Fn(&Use<'a>) -> bool + 'a;

fn image(container: Container<'_>) -> &str {
    portolan_recipe::image_name(container.json.get("image").and_then(Value::as_str).unwrap_or_default())
}

/// Where in a pod's spec the volume is that had the PVC: another PVC may be in its place, or nothing.
fn place_of_volume(template: PodTemplate<'_>, before: &Use<'_>) -> String {
    let names = before.volumes();
    let volume = template
        .volumes()
        .enumerate()
        .find(|(_, volume)| volume.get("name").and_then(Value::as_str).is_some_and(|name| names.contains(&name)));
    match volume {
        Some((at, volume)) if volume.get("persistentVolumeClaim").is_some() => {
            format!("/volumes/{at}/persistentVolumeClaim/claimName")
        }
        Some((at, _)) => format!("/volumes/{at}"),
        None => "/volumes".into(),
    }
}

/// The containers that mount a PVC: those that run beside each other, or the init ones where none of these does.
fn users<'a>(name: &'a Ref, object: &'a Object, volume: &Volume) -> Vec<Use<'a>> {
    let Some(template) = PodTemplate::of(object) else { return Vec::new() };
    let all = claim_mounts(object, &volume.claim);
    let of_kind = |kind: ContainerKind| {
        let mut users: Vec<Use<'a>> = Vec::new();
        let is_of_kind = |mount: &&ClaimMount<'a>| match kind {
            ContainerKind::Main => mount.container.runs_beside(),
            kind => mount.container.kind == kind && !mount.container.runs_beside(),
        };
        for mount in all.iter().filter(is_of_kind) {
            match users.iter_mut().find(|user| user.container.index == mount.container.index) {
                Some(user) => user.mounts.push(*mount),
                None => users.push(Use { name, template, container: mount.container, mounts: vec![*mount] }),
            }
        }
        users
    };
    let main = of_kind(ContainerKind::Main);
    if main.is_empty() { of_kind(ContainerKind::Init) } else { main }
}

/// Finds each container's place: by its name, then by its image, then by order.
fn pair<'a>(
    volume: &'a Volume,
    before: Vec<Use<'a>>,
    (name, after, goes): (&'a Ref, &'a Object, &Goes<'a>),
    pairs: &mut Vec<Pair<'a>>,
    left: &mut Vec<Left<'a>>,
) {
    let Some(template) = PodTemplate::of(after) else { return };
    let mut free = users(name, after, volume);
    let mut open = before;
    // What an init container did a main one may do, not the other way round.
    free.retain(|user| user.container.runs_beside() || !open[0].container.runs_beside());
    let by: [fn(&Use<'_>, &Use<'_>) -> bool; 3] = [
        |old, new| old.container.name == new.container.name,
        |old, new| !old.image().is_empty() && old.image() == new.image(),
        |_, _| true,
    ];
    let (first, known) = (open[0].container.name, pairs.len());
    for (round, is_same) in by.into_iter().enumerate() {
        // Names that are all new say nothing; beside a container that stays, another one that comes is no successor.
        if round == 2 && pairs.len() > known {
            break;
        }
        // A container that is still there and mounts nothing has no successor.
        let stays = |old: &Use<'_>| template.containers().any(|new| new.name == old.container.name);
        open.retain(|old| match free.iter().position(|new| (round == 0 || !stays(old)) && is_same(old, new)) {
            Some(at) => {
                pairs.push(Pair { volume, before: old.clone(), after: free.remove(at) });
                false
            }
            None => true,
        });
    }
    // A second container goes without harm: the first one has the data. One that wrote there, and stays or comes back in another
    // workload, looks for it elsewhere.
    let is_mounted = pairs.len() > known;
    let same_of = |old: &Use<'_>| template.containers().find(|new| new.name == old.container.name);
    let wrote = |old: &Use<'_>| {
        old.mounts
            .iter()
            .any(|mount| !mount.is_read_only && !is_aside(mount.mount.path) && !is_aside(mount.mount.sub_path))
    };
    open.retain(|old| {
        old.container.name == first || !is_mounted || (wrote(old) && (same_of(old).is_some() || goes(old)))
    });
    for old in open {
        let same = same_of(&old);
        let field = same.map_or_else(|| "/containers".to_owned(), |same| format!("{}/volumeMounts", same.pointer()));
        let field = format!("{}{field}", template.pointer);
        left.push(Left { volume, before: old, workload: name, field, is_mounted });
    }
}

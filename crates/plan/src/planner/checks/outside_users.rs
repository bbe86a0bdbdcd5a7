//! Objects of the release that workloads outside of it use: what changes or leaves with the upgrade is gone for them as well, at
//! their next restart, and no step of the plan looks at them.

use std::collections::BTreeSet;

use portolan_inventory::survey::belongs;
use portolan_kube_facts::{EnvSet, PodTemplate, StatefulSet, claim_of, owners, references};
use portolan_model::{Code, Finding, Object, Ref};

use super::scripts::FindText;
use super::uses::{Workloads, has_pods};
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let outside: Vec<Outside<'_>> = outside(context).collect();
    if outside.is_empty() {
        return;
    }
    let (today, after) = (FindText::today(context, workloads), FindText::after(context, workloads));
    for user in &outside {
        for (object, key) in user.used().into_iter().filter(|(object, _)| context.before.is_stored(object)) {
            let used = Used { today: &today, after: &after, user, object: &object, key: key.as_deref() };
            report.findings.extend(if context.deleted().contains(&object) { used.leaves() } else { used.changes() });
        }
    }
    report.findings.extend(limits(context, &outside));
}

/// A workload that is not of the release.
struct Outside<'a> {
    name: &'a Ref,
    object: &'a Object,
    template: PodTemplate<'a>,
}

/// The workloads that live in what was surveyed, are not of the release and whose pods go on.
fn outside<'a>(context: &'a HopContext<'_>) -> impl Iterator<Item = Outside<'a>> {
    let (objects, inventory) = (&context.before.objects, context.resolved.inventory);
    let is_ours = move |name: &Ref, object: &Object| {
        let is_it = |doc: &Object| doc.name().as_ref() == Some(name);
        context.before.is_stored(name)
            || belongs(inventory, object)
            || context.planned.docs.iter().any(is_it)
            || inventory.release.hooks.iter().chain(&context.before.hooks).any(is_it)
    };
    // What has an owner is made by it: that one is looked at, or is of the release.
    let is_made = move |object: &Object| {
        owners(object).iter().filter_map(|owner| owner.find(&|name| objects.get(name))).any(|owner| {
            objects.get(&owner).is_some_and(|found| PodTemplate::of(found).is_some() || is_ours(&owner, found))
        })
    };
    objects.iter().filter_map(move |(name, object)| {
        let template = PodTemplate::of(object)?;
        let is_one = name.kind() != "Job" && has_pods(object) && !is_ours(name, object) && !is_made(object);
        is_one.then_some(Outside { name, object, template })
    })
}

impl Outside<'_> {
    /// The ConfigMaps, Secrets and accounts that it uses, each with the one key that it takes, or all.
    fn used(&self) -> BTreeSet<(Ref, Option<String>)> {
        let namespace = self.name.namespace();
        let is_one = |target: &Ref| matches!(target.kind(), "ConfigMap" | "Secret" | "ServiceAccount");
        let named = references(self.object).into_iter().filter(|one| is_one(&one.target));
        let mut all: BTreeSet<(Ref, Option<String>)> = named.map(|one| (one.target, one.key)).collect();
        // Those that may be missing as well.
        for container in self.template.containers() {
            let map = |of: &str| (Ref::new("", "ConfigMap", namespace, of), None);
            all.extend(self.template.config_maps_in(container).map(map));
            all.extend(self.template.secrets_in(container).map(|of| (Ref::secret(namespace, of), None)));
            all.extend(container.environment().filter_map(|entry| {
                let key = if let EnvSet::Key(_, _, key) = entry.sets { Some(key.to_owned()) } else { None };
                Some((entry.sets.object()?.of(namespace), key))
            }));
        }
        all
    }

    /// Whether it does not start without an object.
    fn needs(&self, target: &Ref) -> bool {
        references(self.object).iter().any(|one| one.target == *target && one.is_required)
    }

    /// Whether a text names a folder at which it mounts a PVC.
    fn names_data(&self, text: &str) -> bool {
        let set = StatefulSet::named(self.name, self.object);
        let own = set.iter().flat_map(StatefulSet::templates).map(|(name, _)| name);
        let named = self.template.volumes().filter(|volume| claim_of(volume).is_some());
        let volumes: BTreeSet<&str> = own.chain(named.filter_map(|volume| volume.get("name")?.as_str())).collect();
        let mounts = self.template.containers().flat_map(|container| container.mounts());
        let paths = mounts.filter(|mount| volumes.contains(mount.volume));
        let mut paths = paths.map(|mount| mount.path.trim_end_matches('/'));
        paths.any(|path| !path.is_empty() && text.contains(path))
    }
}

/// An object of the release that a workload outside of it uses.
struct Used<'a> {
    today: &'a FindText<'a>,
    after: &'a FindText<'a>,
    user: &'a Outside<'a>,
    object: &'a Ref,
    /// The one key that is used; `None` for all.
    key: Option<&'a str>,
}

impl Used<'_> {
    fn leaves(&self) -> Option<Finding> {
        let found = format!("{} leaves the release, and a workload outside of it uses it", self.object);
        if self.user.needs(self.object) {
            let finding = Finding::warning(Code::MissingReference, found).about(self.object);
            return Some(
                finding
                    .with(format!("{} does not start without it", self.user.name))
                    .why("the next pod of that workload does not start")
                    .next("keep it, or give that workload an object of its own"),
            );
        }
        let is_of_data = self.texts(self.today).iter().any(|(_, _, text)| self.user.names_data(text));
        Some(self.said(found, None, is_of_data))
    }

    fn changes(&self) -> Option<Finding> {
        let new = self.texts(self.after);
        let is_same = |key: &str, text: &str| new.iter().any(|(_, its, new)| its == key && new == text);
        let mut changed: Vec<(String, bool)> = Vec::new();
        for (field, key, text) in self.texts(self.today) {
            if !is_same(&key, &text) {
                changed.push((field, self.user.names_data(&text)));
            }
        }
        let (field, is_of_data) = changed.iter().find(|(_, is_of_data)| *is_of_data).or(changed.first())?;
        let found = format!("{} changes, and a workload outside of the release uses it", self.object);
        Some(self.said(found, Some(field.clone()), *is_of_data))
    }

    fn said(&self, found: String, field: Option<String>, is_of_data: bool) -> Finding {
        let finding = if is_of_data {
            Finding::blocking(Code::KeyChanges, found)
                .why("what it reads there names a folder of its data: its next pod may begin on an empty one")
                .next(format!(
                    "give that workload an object of its own first; or accept: --accept {} --reason TEXT",
                    Code::KeyChanges
                ))
        } else {
            Finding::warning(Code::KeyChanges, found)
                .why("its next pod reads what the new chart says")
                .next("see that this is meant for it, or give that workload an object of its own")
        };
        let finding = finding.about(self.object).with(format!("{} uses it", self.user.name));
        match field {
            Some(field) => finding.at(field),
            None => finding,
        }
    }

    /// The texts of the keys that are used: where each is, its key, and the text, which may be secret and is never shown.
    fn texts(&self, find: &FindText<'_>) -> Vec<(String, String, String)> {
        let mut all = find.texts(self.object);
        all.retain(|(_, key, _)| self.key.is_none_or(|only| only == key));
        all
    }
}

/// Limits for a whole namespace that come or change, where other workloads have their pods.
fn limits(context: &HopContext<'_>, outside: &[Outside<'_>]) -> Vec<Finding> {
    let is_one = |name: &Ref| matches!(name.kind(), "LimitRange" | "ResourceQuota");
    let mut all = Vec::new();
    for (name, doc) in context.planned.docs.iter().filter_map(|doc| Some((doc.name().filter(is_one)?, doc))) {
        let was = context.before.docs.iter().find(|doc| doc.name().as_ref() == Some(&name));
        let users: Vec<&Outside<'_>> =
            outside.iter().filter(|user| user.name.namespace() == name.namespace()).collect();
        if was.is_some_and(|was| was.at("/spec") == doc.at("/spec")) || users.is_empty() {
            continue;
        }
        let what = if was.is_some() { "changes" } else { "comes" };
        let found = format!("{name} {what}, and it holds for pods outside of the release");
        let finding = Finding::warning(Code::NotChecked, found)
            .about(&name)
            .at("/spec")
            .why("their next pods are refused where they ask for more than it allows")
            .next("see that the workloads named fit within it");
        all.push(users.iter().fold(finding, |finding, user| finding.with(format!("{} has pods there", user.name))));
    }
    all
}

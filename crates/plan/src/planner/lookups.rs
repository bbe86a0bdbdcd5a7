//! What helm looked up while it rendered, and what the plan read of the programs that use the data: preconditions of the plan, and what
//! cannot be foreseen of it.

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::{EnvEntry, Kind, PodTemplate};
use portolan_model::{
    ClusterRead, Code, Expected, Field, Finding, Inventory, JsonPointer, Object, Overlay, Precondition, Ref, Volume,
};

use super::planning::HopRendering;

/// Kinds whose objects are after an upgrade what helm wrote: no controller completes them.
const FORESEEN: [(&str, &str); 7] = [
    ("", "ConfigMap"),
    ("", "Secret"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
];

/// A hop's lookups.
pub(super) struct Lookups<'a> {
    pub(super) reads: &'a [ClusterRead],
    /// What helm saw in place of what lives.
    pub(super) overlay: &'a Overlay,
    /// What the hops before leave; empty for the first hop.
    pub(super) left: &'a Overlay,
    pub(super) is_first: bool,
    pub(super) rendered: &'a HopRendering,
}

impl Lookups<'_> {
    /// What of it has to be as it was when the plan is carried out. What our steps or helm itself change first is looked after
    /// elsewhere.
    pub(super) fn preconditions(&self) -> BTreeMap<Ref, Precondition> {
        let is_live = |name: &Ref| !self.overlay.shown.contains_key(name) && !self.overlay.hidden.contains(name);
        let mut all = BTreeMap::new();
        for read in self.reads {
            match read {
                ClusterRead::Object(name, found) if is_live(name) => {
                    all.insert(name.clone(), found.as_ref().map_or_else(Precondition::absent, unchanged));
                }
                ClusterRead::Object(..) => {}
                ClusterRead::List { items, .. } => {
                    let named = items.iter().filter_map(|item| Some((item.name()?, item)));
                    all.extend(named.filter(|(name, _)| is_live(name)).map(|(name, item)| (name, unchanged(item))));
                }
            }
        }
        all
    }

    /// What helm will see otherwise than here, or may.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = self.lists();
        if !self.is_first {
            findings.extend(self.reads.iter().filter_map(|read| self.not_foreseen(read)));
        }
        findings
    }

    fn not_foreseen(&self, read: &ClusterRead) -> Option<Finding> {
        let made = |name: &Ref| self.left.shown.contains_key(name) && !is_foreseen(name);
        match read {
            ClusterRead::Object(name, Some(_)) if made(name) => Some(
                Finding::blocking(Code::NotForeseen, format!("the chart looks up {name}, which an earlier hop writes"))
                    .about(name)
                    .with("the API server and its controllers complete it, and the plan cannot know how"),
            ),
            // A later hop finds what nobody made yet: a program of an earlier hop may make it.
            ClusterRead::Object(name, None)
                if !self.overlay.hidden.contains(name) && self.rendered.object(name).is_none() =>
            {
                Some(
                    Finding::warning(
                        Code::NotForeseen,
                        format!("the chart looks up {name}, which does not exist today"),
                    )
                    .about(name)
                    .with("the plan takes it to be absent after the earlier hop as well"),
                )
            }
            ClusterRead::List { items, .. } => {
                let name = items.iter().filter_map(Object::name).find(made)?;
                Some(
                    Finding::blocking(
                        Code::NotForeseen,
                        format!("the chart lists {name}, which an earlier hop writes"),
                    )
                    .about(&name)
                    .with("the API server and its controllers complete it, and the plan cannot know how"),
                )
            }
            ClusterRead::Object(..) => None,
        }
    }

    /// Of a list each object is compared again, but not whether there are more.
    fn lists(&self) -> Vec<Finding> {
        let lists = self.reads.iter().filter_map(|read| match read {
            ClusterRead::List { kind, namespace, items, .. } => Some((kind, namespace, items.len())),
            ClusterRead::Object(..) => None,
        });
        lists
            .map(|(kind, namespace, count)| {
                let place = if namespace.is_empty() { "the cluster".into() } else { format!("namespace {namespace}") };
                let found = format!("the chart lists the objects of kind {kind} in {place}: {count} today");
                Finding::note(Code::NotForeseen, found)
                    .why("apply compares these again, and does not see objects that were added since")
                    .next("apply the plan soon after it was made")
            })
            .collect()
    }
}

/// What says how today's programs use the data: the workloads that mount a volume with data, and the ConfigMaps and Secrets that their
/// containers are given. The plan compares the new ones with these.
pub(super) fn of_data_programs(inventory: &Inventory) -> impl Iterator<Item = (Ref, Precondition)> {
    let mut names = BTreeSet::new();
    for (name, object) in &inventory.objects {
        let mounts = |volume: &Volume| !portolan_kube_facts::volumes_of_claim(object, &volume.claim).is_empty();
        let runs_on = matches!(Kind::named(name), Kind::StatefulSet | Kind::Deployment | Kind::DaemonSet);
        let Some(template) = PodTemplate::of(object).filter(|_| runs_on && inventory.data_volumes().any(mounts)) else {
            continue;
        };
        names.insert(name.clone());
        for container in template.containers() {
            let map = |of: &str| Ref::new("", "ConfigMap", name.namespace(), of);
            let secret = |of: &str| Ref::secret(name.namespace(), of);
            names.extend(template.config_maps_in(container).map(map));
            names.extend(template.secrets_in(container).map(secret));
            let from = |entry: EnvEntry<'_>| Some(entry.sets.object()?.of(name.namespace()));
            names.extend(container.environment().filter_map(from));
        }
    }
    names.into_iter().filter_map(|name| {
        let object = inventory.objects.get(&name)?;
        Some((name, unchanged(object)))
    })
}

fn is_foreseen(name: &Ref) -> bool {
    FORESEEN.contains(&(name.group(), name.kind()))
}

/// The digest of a Secret would tell its text to whoever can guess; its resourceVersion tells nothing, and a Secret has no status
/// that moves it. The same holds for an object that was read in a version that may not be the one that is compared later.
fn unchanged(object: &Object) -> Precondition {
    let version = object.text("/apiVersion");
    let is_plain = (version == "v1" || version.ends_with("/v1")) && object.text("/kind") != "Secret";
    let field = Field {
        pointer: JsonPointer::new("/metadata/resourceVersion"),
        value: object.rv().0.to_string().into(),
        why: "the plan was made from it: the upgrade may do something else now".into(),
    };
    Precondition {
        object: object.uid().map_or(Expected::Unnamed, Expected::Same),
        fields: if is_plain { Vec::new() } else { vec![field] },
        content: is_plain.then(|| object.content_digest()),
    }
}

//! What the ServiceAccounts of pods may do to a volume through the API.
//!
//! What a program does is not known; what it is able to do is. Counted are the rights to delete or change the PVC, its PV, its
//! namespace, or the workload that mounts it (its pod template and its retention policy), to start a program with the PVC mounted
//! or inside a pod, and to get further rights. Not counted: reading, deleting pods, and everything about other objects.
//!
//! A hook runs for this upgrade alone and counts by all that it may do. A workload counts by what it may do after the upgrade and
//! the workload of its name may not do today; where it may do it today already, by what its program is told.

use std::collections::BTreeSet;

use portolan_kube_facts::{Grant, PodTemplate, Rule, grants, is_given_to_all};
use portolan_model::{Coverage, Inventory, Object, Ref, Volume};
use serde_json::Value;

use super::authorized::Programs;
use super::uses::{Workloads, has_pods};
use super::{HopContext, Report};

/// Verbs that delete or change.
const CHANGE: [&str; 4] = ["delete", "deletecollection", "patch", "update"];

/// What is created to run a program in a pod: group, resource, verb.
const RUN: [(&str, &str, &str); 11] = [
    ("", "pods", "create"),
    ("", "pods/exec", "create"),
    ("", "pods/exec", "get"),
    ("", "pods/ephemeralcontainers", "patch"),
    ("", "replicationcontrollers", "create"),
    ("apps", "deployments", "create"),
    ("apps", "statefulsets", "create"),
    ("apps", "daemonsets", "create"),
    ("apps", "replicasets", "create"),
    ("batch", "jobs", "create"),
    ("batch", "cronjobs", "create"),
];

/// Roles that every cluster has and that allow to delete PVCs.
const STRONG: [&str; 3] = ["cluster-admin", "admin", "edit"];

const CLAIM: &str = "delete or change the PVC";

const WAY_OUT: &str = "read what its program does, or give the chart values with which its account has fewer rights";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let (today, after) = (Rights::today(context), Rights::after(context));
    let programs = Programs::of(context, workloads);
    let names: Vec<Ref> = context.planned.docs.iter().filter_map(Object::name).collect();
    let runs = names.iter().filter_map(|name| Some((name, workloads.after(name)?)));
    for (name, object) in runs.filter(|(_, object)| has_pods(object)) {
        let Some(field) = field(object) else { continue };
        for volume in context.resolved.in_use() {
            let place = Place { context, workloads, volume };
            let ran = workloads.before(name).filter(|before| has_pods(before));
            let had = ran.map(|before| today.powers(before, &place)).unwrap_or_default();
            let is_new = |power: &Power| !had.iter().any(|other| other.what == power.what);
            let powers = after.powers(object, &place);
            if let Some(power) = powers.iter().find(|power| is_new(power)) {
                report.unknown(volume, name, &field, (power.reason.clone(), WAY_OUT));
                continue;
            }
            // What mounts the PVC is compared as a program on it.
            let is_user = workloads.users(&volume.claim).any(|user| user == name);
            let known = powers.iter().find(|power| power.is_known && !is_user);
            if let (Some(power), Some(before)) = (known, workloads.before(name)) {
                programs.compare(volume, (name, before, object), power, report);
            }
        }
    }
}

/// Where a workload names its account.
pub(super) fn field(object: &Object) -> Option<String> {
    let template = PodTemplate::of(object)?;
    Some(format!("{}/{}", template.pointer, template.account_field()))
}

/// A volume in a hop.
pub(super) struct Place<'a> {
    pub(super) context: &'a HopContext<'a>,
    pub(super) workloads: &'a Workloads,
    pub(super) volume: &'a Volume,
}

/// Something that an account may do to a volume.
pub(super) struct Power {
    /// What it may do, whatever role says so.
    what: String,
    /// In one clause, with the role.
    pub(super) reason: String,
    /// Whether a role that was read says so.
    is_known: bool,
}

/// Who may do what at one time: ServiceAccounts, roles and bindings.
pub(super) struct Rights<'a> {
    objects: Vec<&'a Object>,
    inventory: &'a Inventory,
}

impl<'a> Rights<'a> {
    /// Of all objects those that say something of rights.
    fn of(context: &'a HopContext<'_>, objects: impl Iterator<Item = &'a Object>) -> Self {
        let is_one = |object: &&Object| {
            let kinds = ["ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"];
            kinds.contains(&object.text("/kind"))
        };
        Self { objects: objects.filter(is_one).collect(), inventory: context.resolved.inventory }
    }

    /// Before the hop.
    fn today(context: &'a HopContext<'_>) -> Self {
        let is_live = |doc: &&Object| doc.name().is_some_and(|name| context.before.objects.contains_key(&name));
        let gone = context.before.docs.iter().filter(|doc| !is_live(doc));
        Self::of(context, context.before.objects.values().chain(gone))
    }

    /// After the hop.
    fn after(context: &'a HopContext<'_>) -> Self {
        let planned = || context.planned.docs.iter().chain(context.hooks);
        let names: BTreeSet<Ref> = planned().filter_map(Object::name).collect();
        let goes =
            |name: &Ref, object: &Object| context.before.is_stored(name) && !portolan_kube_facts::is_kept(object);
        let live = context.live.iter().filter(|(name, object)| !names.contains(*name) && !goes(name, object));
        Self::of(context, planned().chain(live.map(|(_, object)| object)))
    }

    /// At any time in the hop.
    pub(super) fn in_upgrade(context: &'a HopContext<'_>) -> Self {
        let planned = context.planned.docs.iter().chain(context.hooks);
        Self::of(context, planned.chain(&context.before.docs).chain(context.before.objects.values()))
    }

    /// What the pods of an object may do to a volume.
    pub(super) fn powers(&self, object: &Object, place: &Place<'_>) -> Vec<Power> {
        let Some(template) = PodTemplate::of(object) else { return Vec::new() };
        let account = Ref::new("", "ServiceAccount", object.text("/metadata/namespace"), template.account());
        let known = self.objects.iter().find(|object| object.name().as_ref() == Some(&account)).copied();
        if !has_token(template, known) {
            return Vec::new();
        }
        let granted = grants(&account, &self.objects);
        let mut all: Vec<Power> = granted.iter().flat_map(|grant| place.of_grant(grant)).collect();
        if let Some(unread) = self.unread(place.volume.claim.namespace()) {
            let what = format!("what {account} may do is not known");
            all.push(Power { reason: format!("{what}: {unread}"), what, is_known: false });
        }
        all
    }

    /// The bindings that can give rights on a PVC and that nobody has read.
    fn unread(&self, namespace: &str) -> Option<String> {
        let is_read = |kind: &str, namespace: &str| {
            let mut known = self.inventory.coverage.iter();
            known.any(|one| {
                one.scope.kind == kind
                    && (one.scope.namespace == namespace || one.scope.namespace.is_empty())
                    && matches!(one.coverage, Coverage::Complete | Coverage::NotServed)
            })
        };
        if !is_read("RoleBinding", namespace) {
            return Some(format!("objects of kind RoleBinding in namespace {namespace} may not be listed"));
        }
        (!is_read("ClusterRoleBinding", "")).then(|| "objects of kind ClusterRoleBinding may not be listed".into())
    }
}

impl Place<'_> {
    fn of_grant(&self, grant: &Grant<'_>) -> Vec<Power> {
        match grant {
            Grant::Rule(rule) => {
                let role = rule.role.name().map_or_else(String::new, |role| role.to_string());
                let reason = |what: &str| format!("its {role} allows to {what}");
                let power = |what: &str| Power { what: what.into(), reason: reason(what), is_known: true };
                self.allowed(*rule).into_iter().map(power).collect()
            }
            Grant::UnknownRole(role, _) if *role == "view" || is_given_to_all(role) => Vec::new(),
            Grant::UnknownRole(role, binding) if self.is_here(binding) => {
                let power = if STRONG.contains(role) {
                    Power {
                        what: CLAIM.into(),
                        reason: format!("its ClusterRole/{role} allows to delete the PVC"),
                        is_known: true,
                    }
                } else {
                    let what = format!("what its role {role} allows is not known");
                    Power { reason: what.clone(), what, is_known: false }
                };
                vec![power]
            }
            Grant::UnknownRole(..) => Vec::new(),
        }
    }

    fn is_here(&self, binding: &Object) -> bool {
        binding.text("/kind") == "ClusterRoleBinding"
            || binding.text("/metadata/namespace") == self.volume.claim.namespace()
    }

    /// What of a rule reaches the volume.
    fn allowed(&self, rule: Rule<'_>) -> Vec<&'static str> {
        let claim = &self.volume.claim;
        if rule.namespace.is_some_and(|namespace| namespace != claim.namespace()) {
            return Vec::new();
        }
        let volume = self.volume.volume.as_ref().map_or("", |volume| volume.name());
        let is_of_cluster = rule.namespace.is_none();
        let crds = ("apiextensions.k8s.io", "customresourcedefinitions");
        let all = [
            (CLAIM, rule.allows(&CHANGE, ("", "persistentvolumeclaims"), claim.name())),
            ("delete or change the PV", is_of_cluster && rule.allows(&CHANGE, ("", "persistentvolumes"), volume)),
            ("delete the PVC's namespace", rule.allows(&["delete"], ("", "namespaces"), claim.namespace())),
            (
                "delete the CRD of the PVC's owner",
                is_of_cluster && self.is_of_custom_resource() && rule.allows(&["delete"], crds, ""),
            ),
            ("change the workload that mounts the PVC", self.changes_user(rule)),
            (
                "run a program in a pod, which may mount the PVC",
                RUN.iter().any(|(group, resource, verb)| rule.allows(&[verb], (group, resource), "")),
            ),
            ("give itself other rights", gives_rights(rule)),
        ];
        all.into_iter().filter_map(|(what, is)| is.then_some(what)).collect()
    }

    /// Without its Deployment a PVC stays; a StatefulSet can take its PVCs along.
    fn changes_user(&self, rule: Rule<'_>) -> bool {
        self.workloads.users(&self.volume.claim).any(|name| {
            let resource = format!("{}s", name.kind().to_lowercase());
            let verbs: &[&str] = if name.kind() == "StatefulSet" { &CHANGE } else { &["patch", "update"] };
            rule.allows(verbs, (name.group(), &resource), name.name())
        })
    }

    fn is_of_custom_resource(&self) -> bool {
        let claim = self.context.live.get(&self.volume.claim);
        claim.is_some_and(|claim| {
            let owners = claim.list("/metadata/ownerReferences").iter();
            owners.filter_map(|owner| owner.get("apiVersion")?.as_str()).any(|version| version.contains('.'))
        })
    }
}

/// Whether a rule leads to the rights of others: by binding roles, by acting as somebody else, or by somebody else's token.
fn gives_rights(rule: Rule<'_>) -> bool {
    let group = "rbac.authorization.k8s.io";
    rule.allows_some(&["bind", "escalate"], (group, "roles"))
        || rule.allows_some(&["bind", "escalate"], (group, "clusterroles"))
        || ["users", "groups", "serviceaccounts"].into_iter().any(|who| rule.allows_some(&["impersonate"], ("", who)))
        || rule.allows_some(&["create"], ("", "serviceaccounts/token"))
}

/// Whether a pod has its account's token: its own `automountServiceAccountToken` goes before its account's.
fn has_token(template: PodTemplate<'_>, account: Option<&Object>) -> bool {
    let of = |value: Option<&Value>| value.and_then(|value| value.get("automountServiceAccountToken")?.as_bool());
    let projected = template.volumes().any(|volume| {
        let sources = volume.pointer("/projected/sources").and_then(Value::as_array);
        sources.into_iter().flatten().any(|source| source.get("serviceAccountToken").is_some())
    });
    let automount = of(Some(template.spec)).or_else(|| of(account.map(|account| &*account.0)));
    projected || automount.unwrap_or(true)
}

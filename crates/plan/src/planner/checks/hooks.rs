//! Hooks that can reach a volume. What a hook's program does is not known; what it is able to do is.
//!
//! A hook reaches a volume by mounting it, by a folder of the node below which it lies, by its own object, or through the
//! API with what its ServiceAccount may do. Counted are the rights to delete or change the PVC, its PV, its namespace, or the
//! workload that mounts it (its pod template and its retention policy), and to start a program with the PVC mounted or inside a
//! pod. Not counted: reading, deleting pods, and everything about other objects. Bindings of the live cluster are not
//! surveyed: the account `default` is taken for one without rights, and any other that the chart does not bring is not known.

use portolan_helm_compat::hooks::{self, Hook};
use portolan_kube_facts::{Grant, PodTemplate, Rule, claim_mounts, grants, volumes_of_claim};
use portolan_model::{Code, Finding, HookDeletePolicy, HookEvent, Object, Ref, Unmodelled, Volume};
use serde_json::Value;

use super::uses::Workloads;
use super::{HopContext, Report};

const WAY_OUT: &str = "read what the hook does, or disable it in the values";

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

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let all = hooks::of(context.hooks);
    let known = known(context);
    for hook in all.iter().filter(|hook| hook.runs_in_upgrade()) {
        let Some(name) = hook.name() else { continue };
        for volume in context.resolved.in_use() {
            let reach = Reach { context, workloads, hook, name: &name, volume };
            report.findings.extend(reach.deletes_namespace());
            report.unmodelled.extend(reach.found(&known));
        }
        report.findings.extend(becomes_hook(context, hook, &name));
    }
    for name in context.planned.docs.iter().filter(|doc| runs_once(context, doc)).filter_map(Object::name) {
        let Some(object) = workloads.after(&name) else { continue };
        let hook = &Hook { object, events: Vec::new(), weight: 0, delete: Vec::new() };
        for volume in context.resolved.in_use() {
            let reach = Reach { context, workloads, hook, name: &name, volume };
            if let Some((field, reason)) = reach.may(&known) {
                report.unknown(volume, &name, &field, (reason, "leave it out of the new chart"));
            }
        }
    }
}

/// Whether an object is as good as a hook: a Job or a pod that the upgrade brings, whose program runs once.
fn runs_once(context: &HopContext<'_>, doc: &Object) -> bool {
    let is_new = doc.name().is_some_and(|name| !context.live.contains_key(&name));
    is_new && matches!(doc.text("/kind"), "Job" | "CronJob" | "Pod")
}

/// The objects that say what accounts may do: of the chart, and of the installation before it.
fn known<'a>(context: &'a HopContext<'_>) -> Vec<&'a Object> {
    let planned = context.planned.docs.iter().chain(context.hooks);
    planned.chain(&context.before.docs).chain(context.before.objects.values()).collect()
}

struct Reach<'a> {
    context: &'a HopContext<'a>,
    workloads: &'a Workloads,
    hook: &'a Hook<'a>,
    name: &'a Ref,
    volume: &'a Volume,
}

impl Reach<'_> {
    fn found(&self, known: &[&Object]) -> Option<Unmodelled> {
        let (field, reason) = self
            .is_storage()
            .or_else(|| self.mounts())
            .or_else(|| self.on_node())
            .or_else(|| self.own())
            .or_else(|| self.may(known))?;
        Some(Unmodelled {
            code: Code::HookReachesStorage,
            claim: self.volume.claim.clone(),
            object: self.name.clone(),
            field,
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
        let at = template.volumes().position(|json| json["name"] == volume).unwrap_or(0);
        Some((format!("{}/volumes/{at}", template.pointer), "it mounts the PVC".into()))
    }

    /// A folder of the node that holds the volume, or lies in it.
    fn on_node(&self) -> Option<(String, String)> {
        let volume = self.context.before.objects.get(self.volume.volume.as_ref()?)?;
        let its = ["/spec/hostPath/path", "/spec/local/path"].iter().find_map(|path| volume.at(path)?.as_str())?;
        let template = PodTemplate::of(self.hook.object)?;
        let covers = |a: &str, b: &str| {
            b.trim_end_matches('/')
                .strip_prefix(a.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        template.volumes().enumerate().find_map(|(at, json)| {
            let path = json.pointer("/hostPath/path")?.as_str()?;
            (covers(path, its) || covers(its, path)).then(|| {
                let reason = format!("it mounts {path} of the node, and the volume lies at {its}");
                (format!("{}/volumes/{at}/hostPath/path", template.pointer), reason)
            })
        })
    }

    /// Its own object is the workload that mounts the PVC, or an owner of the PVC: helm deletes it before it makes it anew.
    fn own(&self) -> Option<(String, String)> {
        let live = self.context.live.get(self.name).filter(|_| !self.hook.delete.is_empty())?;
        let claim = self.context.live.get(&self.volume.claim);
        let owns = claim.is_some_and(|claim| portolan_kube_facts::is_owned_by(claim, &live.uid()));
        let mounts = !volumes_of_claim(live, &self.volume.claim).is_empty() && live.text("/kind") != "Pod";
        (owns || mounts)
            .then(|| (String::new(), "helm deletes this object, to which the PVC belongs, and makes it anew".into()))
    }

    /// What its ServiceAccount may do.
    fn may(&self, known: &[&Object]) -> Option<(String, String)> {
        let template = PodTemplate::of(self.hook.object)?;
        let text = |key: &str| template.spec.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let account = text("serviceAccountName").or_else(|| text("serviceAccount")).unwrap_or("default");
        let account = Ref::new("", "ServiceAccount", self.hook.object.text("/metadata/namespace"), account);
        let field = format!("{}/serviceAccountName", template.pointer);
        let of_chart = self.context.planned.docs.iter().chain(self.context.hooks).chain(&self.context.before.docs);
        let mut of_chart = of_chart.filter(|object| object.name().as_ref() == Some(&account));
        let doc = of_chart.next();
        if !has_token(template, doc.or_else(|| self.context.live.get(&account))) {
            return None;
        }
        if doc.is_none() && account.name() != "default" {
            return Some((field, format!("{account} is not of the chart, and what it may do is not known")));
        }
        grants(&account, known).into_iter().find_map(|grant| self.reached(&grant)).map(|reason| (field, reason))
    }

    fn reached(&self, grant: &Grant<'_>) -> Option<String> {
        match grant {
            Grant::Rule(rule) => {
                let what = self.allowed(*rule)?;
                let role = rule.role.name().map_or_else(String::new, |role| role.to_string());
                Some(format!("its {role} allows to {what}"))
            }
            Grant::UnknownRole("view", _) => None,
            Grant::UnknownRole(role, binding) if self.is_here(binding) => Some(if STRONG.contains(role) {
                format!("its ClusterRole/{role} allows to delete the PVC")
            } else {
                format!("what its role {role} allows is not known")
            }),
            Grant::UnknownRole(..) => None,
        }
    }

    fn is_here(&self, binding: &Object) -> bool {
        binding.text("/kind") == "ClusterRoleBinding"
            || binding.text("/metadata/namespace") == self.volume.claim.namespace()
    }

    /// What of a rule reaches the volume.
    fn allowed(&self, rule: Rule<'_>) -> Option<&'static str> {
        let claim = &self.volume.claim;
        if rule.namespace.is_some_and(|namespace| namespace != claim.namespace()) {
            return None;
        }
        if rule.allows(&CHANGE, ("", "persistentvolumeclaims"), claim.name()) {
            return Some("delete or change the PVC");
        }
        let volume = self.volume.volume.as_ref().map_or("", |volume| volume.name());
        if rule.namespace.is_none() && rule.allows(&CHANGE, ("", "persistentvolumes"), volume) {
            return Some("delete or change the PV");
        }
        if rule.allows(&["delete"], ("", "namespaces"), claim.namespace()) {
            return Some("delete the PVC's namespace");
        }
        if rule.namespace.is_none()
            && self.is_of_custom_resource()
            && rule.allows(&["delete"], ("apiextensions.k8s.io", "customresourcedefinitions"), "")
        {
            return Some("delete the CRD of the PVC's owner");
        }
        if self.workloads.users(claim).any(|name| {
            let resource = format!("{}s", name.kind().to_lowercase());
            // Without its Deployment a PVC stays; a StatefulSet can take its PVCs along.
            let verbs: &[&str] = if name.kind() == "StatefulSet" { &CHANGE } else { &["patch", "update"] };
            rule.allows(verbs, (name.group(), &resource), name.name())
        }) {
            return Some("change the workload that mounts the PVC");
        }
        if RUN.iter().any(|(group, resource, verb)| rule.allows(&[verb], (group, resource), "")) {
            return Some("run a program in a pod, which may mount the PVC");
        }
        let grants = [("rbac.authorization.k8s.io", "roles"), ("rbac.authorization.k8s.io", "clusterroles")];
        if grants.into_iter().any(|role| rule.allows(&["bind", "escalate"], role, ""))
            || ["users", "groups", "serviceaccounts"]
                .into_iter()
                .any(|who| rule.allows(&["impersonate"], ("", who), ""))
        {
            return Some("give itself other rights");
        }
        None
    }

    fn is_of_custom_resource(&self) -> bool {
        let claim = self.context.live.get(&self.volume.claim);
        claim.is_some_and(|claim| {
            let owners = claim.list("/metadata/ownerReferences").iter();
            owners.filter_map(|owner| owner.get("apiVersion")?.as_str()).any(|version| version.contains('.'))
        })
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

//! Looking at a cluster as cheaply as it goes: a test polls.

use anyhow::{Context, Result, bail};
use portolan_testkit::rig::Rig;
use serde_json::Value;

/// A kind that the cases are about: its names in small letters, its kind, where it is served, and whether it is in a namespace.
type Kind = (&'static [&'static str], &'static str, &'static str, bool);

const KINDS: &[Kind] = &[
    (&["pod"], "Pod", "api/v1/pods", true),
    (&["event"], "Event", "api/v1/events", true),
    (&["service"], "Service", "api/v1/services", true),
    (&["secret"], "Secret", "api/v1/secrets", true),
    (&["configmap"], "ConfigMap", "api/v1/configmaps", true),
    (&["persistentvolumeclaim", "pvc"], "PersistentVolumeClaim", "api/v1/persistentvolumeclaims", true),
    (&["statefulset"], "StatefulSet", "apis/apps/v1/statefulsets", true),
    (&["deployment"], "Deployment", "apis/apps/v1/deployments", true),
    (&["job"], "Job", "apis/batch/v1/jobs", true),
    (&["persistentvolume", "pv"], "PersistentVolume", "api/v1/persistentvolumes", false),
    (&["namespace"], "Namespace", "api/v1/namespaces", false),
    (&["storageclass"], "StorageClass", "apis/storage.k8s.io/v1/storageclasses", false),
    (&["priorityclass"], "PriorityClass", "apis/scheduling.k8s.io/v1/priorityclasses", false),
    (&["clusterrole"], "ClusterRole", "apis/rbac.authorization.k8s.io/v1/clusterroles", false),
    (
        &["customresourcedefinition"],
        "CustomResourceDefinition",
        "apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        false,
    ),
    (
        &["validatingwebhookconfiguration"],
        "ValidatingWebhookConfiguration",
        "apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        false,
    ),
    (
        &["mutatingwebhookconfiguration"],
        "MutatingWebhookConfiguration",
        "apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        false,
    ),
    (
        &["validatingadmissionpolicybinding"],
        "ValidatingAdmissionPolicyBinding",
        "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
        false,
    ),
    (
        &["validatingadmissionpolicy"],
        "ValidatingAdmissionPolicy",
        "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
        false,
    ),
];

/// What a case may make that is in no namespace; its names have the namespace's name in them.
/// Admission goes first: while it is there it may keep the rest from being cleaned up.
const CLUSTER_KINDS: [&str; 9] = [
    "validatingwebhookconfiguration",
    "mutatingwebhookconfiguration",
    "validatingadmissionpolicybinding",
    "validatingadmissionpolicy",
    "clusterrole",
    "customresourcedefinition",
    "priorityclass",
    "storageclass",
    "persistentvolume",
];

fn kind(name: &str) -> Option<&'static Kind> {
    let small = name.to_lowercase();
    KINDS.iter().find(|(names, ..)| names.contains(&small.as_str()))
}

/// The objects of a release's namespace, and of those whose names begin with its name and a hyphen.
pub(super) struct Live<'a> {
    rig: &'a Rig,
    namespace: String,
}

impl<'a> Live<'a> {
    pub(super) fn new(rig: &'a Rig, namespace: &str) -> Self {
        Self { rig, namespace: namespace.into() }
    }

    fn is_ours(&self, namespace: &str) -> bool {
        namespace.strip_prefix(&self.namespace).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    fn every(&self, name: &str) -> Result<Vec<Value>> {
        let (_, kind, path, _) = kind(name).with_context(|| format!("{name} is not among the kinds"))?;
        let list = self.rig.api().get(&format!("/{path}"))?;
        let mut items = list["items"].as_array().cloned().unwrap_or_default();
        for item in &mut items {
            item["kind"] = (*kind).into();
        }
        Ok(items)
    }

    /// All objects of some kinds in the namespaces.
    pub(super) fn list(&self, kinds: &[&str]) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for kind in kinds {
            all.extend(self.every(kind)?);
        }
        all.retain(|item| self.is_ours(text(&item["metadata"]["namespace"])));
        Ok(all)
    }

    /// The volumes whose PVCs are, or were, in the namespaces.
    pub(super) fn volumes(&self) -> Result<Vec<Value>> {
        let mut all = self.every("persistentvolume")?;
        all.retain(|volume| self.is_ours(text(&volume["spec"]["claimRef"]["namespace"])));
        Ok(all)
    }

    /// An object, as `Kind/name` or `Kind/namespace/name`.
    pub(super) fn get(&self, object: &str) -> Result<Option<Value>> {
        let parts: Vec<&str> = object.split('/').collect();
        let (name, namespace, object) = match parts[..] {
            [kind, name] => (kind, self.namespace.as_str(), name),
            [kind, namespace, name] => (kind, namespace, name),
            _ => bail!("{object} is not Kind/name"),
        };
        match kind(name) {
            Some((_, _, path, false)) => self.rig.api().find(&format!("/{path}/{object}")),
            Some((_, _, path, true)) => {
                let (api, plural) = path.rsplit_once('/').context("a path has a plural")?;
                self.rig.api().find(&format!("/{api}/namespaces/{namespace}/{plural}/{object}"))
            }
            None => {
                let args = ["get", name, object, "-n", namespace, "-o", "json", "--ignore-not-found"];
                // A kind that the server does not have any more has no objects.
                let out = self.rig.kubectl().args(args).output()?;
                Ok(serde_json::from_slice(&out.stdout).ok())
            }
        }
    }

    /// Deletes what a case has made beside the release's namespace.
    pub(super) fn clean(&self) -> Result<()> {
        // A finalizer of a case keeps its namespace for ever.
        for held in self.list(&["configmap", "secret", "statefulset"])? {
            if held["metadata"]["finalizers"].is_array() {
                let (name, space) = (text(&held["metadata"]["name"]), text(&held["metadata"]["namespace"]));
                let (kind, free) = (text(&held["kind"]), r#"{"metadata":{"finalizers":null}}"#);
                self.rig.kubectl().args(["patch", kind, name, "-n", space, "--type=merge", "-p", free]).output()?;
            }
        }
        for space in self.every("namespace")? {
            let name = text(&space["metadata"]["name"]);
            if name != self.namespace && self.is_ours(name) {
                self.rig.api().delete(&format!("/api/v1/namespaces/{name}"))?;
            }
        }
        for cluster_kind in CLUSTER_KINDS {
            let (_, _, path, _) = kind(cluster_kind).context("a kind of the table")?;
            for item in self.every(cluster_kind)? {
                let (name, space) = (text(&item["metadata"]["name"]), text(&item["spec"]["claimRef"]["namespace"]));
                if mentions(name, &self.namespace) || (space != self.namespace && self.is_ours(space)) {
                    self.rig.api().delete(&format!("/{path}/{name}"))?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a name has a namespace's name in it, and not one that only begins so.
fn mentions(name: &str, namespace: &str) -> bool {
    name.split_once(namespace).is_some_and(|(_, rest)| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

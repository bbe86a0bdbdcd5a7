//! Pods that have each node pull a plan's images, and run nothing of them: `--prepull`.

use std::collections::{BTreeMap, BTreeSet};

use portolan_inventory::credential;
use portolan_kube_facts::{ImageField, ImageReference, Placement, PodTemplate};
use portolan_model::{Object, PlanFile, Ref};
use serde_json::{Value, json};

use super::pulls::secret_names;

/// The label of these pods; its value is the run.
pub const LABEL: &str = "portolan-prepull";

/// The label that says for which version a pod pulls: a [`PulledFor`].
const VERSION_LABEL: &str = "portolan-prepull-version";

/// No image has this program, so no container of these pods starts.
const NO_PROGRAM: &str = "/portolan-prepull/no-program";

/// Seconds after which a node ends such a pod by itself.
const DEADLINE: u64 = 1800;

/// What a plan's pods pull, and as whom.
#[derive(Clone, Debug, Default)]
pub struct TrialPulls {
    templates: Vec<Template>,
    /// What the plan's charts create: service accounts by their pull Secrets, and Secrets.
    accounts: BTreeMap<Ref, Vec<String>>,
    secrets: BTreeSet<Ref>,
}

/// The version whose images a pod pulls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PulledFor {
    /// The one that a plan leads to, with those between.
    NewVersion,
    /// The one that is installed: until helm has replaced it, and where it is to be restored, its pods may start on any node.
    Installed,
}

impl PulledFor {
    /// That of a pod of a trial.
    #[must_use]
    pub fn of(pod: &Object) -> Self {
        let label = &pod.0["metadata"]["labels"][VERSION_LABEL];
        if *label == Self::Installed.label() { Self::Installed } else { Self::NewVersion }
    }

    fn label(self) -> &'static str {
        match self {
            Self::NewVersion => "new",
            Self::Installed => "installed",
        }
    }
}

/// The pods of an object.
#[derive(Clone, Debug)]
struct Template {
    version: PulledFor,
    object: Ref,
    spec: Value,
    account: Ref,
    secrets: Vec<String>,
    images: Vec<Image>,
}

/// An image, and when its pods have it pulled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Image {
    name: String,
    policy: PullPolicy,
}

/// `imagePullPolicy`, from the one that asks least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PullPolicy {
    Never,
    IfNotPresent,
    Always,
}

impl PullPolicy {
    /// That of a container. The default is that of Kubernetes 1.34, `SetDefaults_Container` in `pkg/apis/core/v1/defaults.go`.
    fn of(written: Option<&str>, image: &str) -> Self {
        match written {
            Some("Never") => Self::Never,
            Some("IfNotPresent") => Self::IfNotPresent,
            Some("Always") => Self::Always,
            _ => match ImageReference::parse(image).and_then(|image| image.tag) {
                Some(tag) if tag == "latest" => Self::Always,
                _ => Self::IfNotPresent,
            },
        }
    }

    fn written(self) -> &'static str {
        match self {
            Self::Never => "Never",
            Self::IfNotPresent => "IfNotPresent",
            Self::Always => "Always",
        }
    }
}

/// As whom pods pull: the account of the trial pod, and the Secrets that it names itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    namespace: String,
    account: String,
    secrets: Vec<String>,
}

/// The pods of a trial.
#[derive(Clone, Debug, Default)]
pub struct TrialPods {
    /// One for each version, node and identity.
    pub pods: Vec<Object>,
    /// What is not tried, and why: a line each.
    pub left_out: Vec<String>,
}

impl TrialPulls {
    /// What the objects and hooks of a plan pull, of all its hops.
    #[must_use]
    pub fn of_plan(file: &PlanFile) -> Self {
        let mut all = Self::default();
        super::written(file).flat_map(|(_, both)| both.into_iter().flatten()).for_each(|object| all.add(&object));
        all
    }

    fn add(&mut self, object: &Object) {
        let Some(name) = object.name() else { return };
        match name.kind() {
            "ServiceAccount" => drop(self.accounts.insert(name, secret_names(&object.0))),
            "Secret" => drop(self.secrets.insert(name)),
            _ => self.templates.extend(Template::of(object, name, PulledFor::NewVersion)),
        }
    }

    /// Adds what the workloads that are installed pull.
    pub fn add_installed<'a>(&mut self, objects: impl IntoIterator<Item = &'a Object>) {
        let named = objects.into_iter().filter_map(|object| Some((object, object.name()?)));
        self.templates.extend(named.filter_map(|(object, name)| Template::of(object, name, PulledFor::Installed)));
    }

    /// What has to be looked for on the cluster: the accounts and the pull Secrets.
    #[must_use]
    pub fn asks(&self) -> Vec<Ref> {
        let secrets = self.templates.iter().flat_map(|template| {
            let planned = self.accounts.get(&template.account).into_iter().flatten();
            let names = template.secrets.iter().chain(planned);
            names.map(|name| Ref::secret(template.object.namespace(), name))
        });
        let accounts = self.templates.iter().map(|template| template.account.clone());
        accounts.chain(secrets).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The pods for these nodes. `exists` says which of [`Self::asks`] the cluster has; `run` is the label's value.
    #[must_use]
    pub fn pods(&self, nodes: &[Object], exists: &BTreeSet<Ref>, run: &str) -> TrialPods {
        let mut all = TrialPods::default();
        let mut wanted: BTreeMap<(PulledFor, Identity, &str), BTreeSet<Image>> = BTreeMap::new();
        for template in &self.templates {
            let identity = match self.identity(template, exists) {
                Ok(identity) => identity,
                Err(why) => {
                    all.left_out.push(format!("{}: {why}", template.object));
                    continue;
                }
            };
            let placement = Placement { spec: &template.spec, requests: &BTreeMap::new(), volumes: &[] };
            let taken = nodes.iter().filter(|node| placement.refused_by(node).is_none());
            for node in taken {
                let key = (template.version, identity.clone(), node.text("/metadata/name"));
                wanted.entry(key).or_default().extend(template.images.iter().cloned());
            }
        }
        for ((version, identity, node), images) in &wanted {
            // Both versions have most images: each is tried once.
            let new = match version {
                PulledFor::NewVersion => None,
                PulledFor::Installed => wanted.get(&(PulledFor::NewVersion, identity.clone(), *node)),
            };
            let images: BTreeSet<Image> =
                images.iter().filter(|image| !new.is_some_and(|new| new.contains(*image))).cloned().collect();
            if !images.is_empty() {
                let name = format!("{LABEL}-{run}-{}", all.pods.len());
                let labels =
                    json!({LABEL: run, VERSION_LABEL: version.label(), "app.kubernetes.io/managed-by": "portolan"});
                all.pods.push(pod(&name, &labels, identity, node, images));
            }
        }
        all
    }

    /// As whom the pods of a template pull. An account that the upgrade makes is not there yet: its Secrets are named by the pod.
    fn identity(&self, template: &Template, exists: &BTreeSet<Ref>) -> Result<Identity, String> {
        let namespace = template.object.namespace();
        let is_new = !exists.contains(&template.account);
        let of_account = if is_new { self.accounts.get(&template.account) } else { None };
        let secrets = match of_account {
            Some(names) if template.secrets.is_empty() => names.clone(),
            _ => template.secrets.clone(),
        };
        if is_new && secrets.is_empty() {
            return Err(format!("{} does not exist yet, and its pods have no other pull Secret", template.account));
        }
        if let Some(secret) =
            secrets.iter().map(|name| Ref::secret(namespace, name)).find(|name| self.is_made(name, exists))
        {
            return Err(format!("{secret} does not exist yet"));
        }
        let account = if is_new { "default" } else { template.account.name() };
        Ok(Identity { namespace: namespace.to_owned(), account: account.to_owned(), secrets })
    }

    /// Whether a Secret comes with the upgrade.
    fn is_made(&self, secret: &Ref, exists: &BTreeSet<Ref>) -> bool {
        !exists.contains(secret) && self.secrets.contains(secret)
    }
}

impl Template {
    fn of(object: &Object, name: Ref, version: PulledFor) -> Option<Self> {
        let template = PodTemplate::of(object)?;
        let image = |field: ImageField<'_>| {
            let written = field.field.strip_suffix("/image").and_then(|at| object.at(&format!("{at}/imagePullPolicy")));
            let policy = PullPolicy::of(written.and_then(Value::as_str), field.image);
            Image { name: field.image.to_owned(), policy }
        };
        let images: Vec<Image> = portolan_kube_facts::images(object).into_iter().map(image).collect();
        if images.is_empty() {
            return None;
        }
        let account = Ref::new("", "ServiceAccount", name.namespace(), template.account());
        let secrets = secret_names(template.spec);
        Some(Self { version, object: name, spec: template.spec.clone(), account, secrets, images })
    }
}

/// A pod that satisfies the `restricted` profile and starts no container: the kubelet pulls an image before it sees that the
/// container cannot be made (Kubernetes 1.34, `startContainer` in `pkg/kubelet/kuberuntime/kuberuntime_container.go`).
fn pod(name: &str, labels: &Value, identity: &Identity, node: &str, images: BTreeSet<Image>) -> Object {
    // Sorted, so that of one image the policy that asks most is the last one.
    let policies: BTreeMap<String, PullPolicy> = images.into_iter().map(|image| (image.name, image.policy)).collect();
    let containers = policies.into_iter().enumerate().map(|(at, (image, policy))| {
        let amounts = json!({"cpu": "1m", "memory": "8Mi"});
        json!({
            "name": format!("image-{at}"), "image": image, "command": [NO_PROGRAM],
            "imagePullPolicy": policy.written(),
            "resources": {"requests": amounts, "limits": amounts},
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        })
    });
    let secrets: Vec<Value> = identity.secrets.iter().map(|name| json!({"name": name})).collect();
    Object::new(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": identity.namespace, "labels": labels},
        "spec": {
            "nodeName": node, "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "activeDeadlineSeconds": DEADLINE,
            "serviceAccountName": identity.account, "automountServiceAccountToken": false, "enableServiceLinks": false,
            "imagePullSecrets": secrets, "tolerations": [{"operator": "Exists"}],
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": containers.collect::<Vec<_>>(),
        },
    }))
}

/// How far the pull of an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullState {
    /// Not decided; what the node says, empty where it says nothing.
    Pending(String),
    /// The node has the image.
    Pulled,
    /// The node tried and failed, and tries again; its reason.
    Failed(String),
    /// The node will not try again; its reason.
    Refused(String),
}

/// How far a pod of a trial is: its images, in the order of its containers.
#[must_use]
pub fn pull_states(pod: &Object) -> Vec<(String, PullState)> {
    let statuses = pod.list("/status/containerStatuses");
    // A pod that its node did not admit has no containers.
    let is_turned_away = pod.text("/status/phase") == "Failed" && statuses.is_empty();
    let ended = format!("{} {}", pod.text("/status/reason"), pod.text("/status/message"));
    let containers = pod.list("/spec/containers").iter();
    containers
        .map(|container| {
            let image = container["image"].as_str().unwrap_or_default().to_owned();
            let status = statuses.iter().find(|status| status["name"] == container["name"]);
            let state = match status {
                Some(status) => of_status(&status["state"]),
                None if is_turned_away => PullState::Refused(credential::told(ended.trim())),
                None => PullState::Pending(String::new()),
            };
            (image, state)
        })
        .collect()
}

/// The state of a container (Kubernetes 1.34, `pkg/kubelet/images/types.go` and `pkg/kubelet/kuberuntime/kuberuntime_container.go`).
fn of_status(state: &Value) -> PullState {
    if state.get("terminated").is_some() || state.get("running").is_some() {
        return PullState::Pulled;
    }
    let reason = state["waiting"]["reason"].as_str().unwrap_or_default();
    let message = state["waiting"]["message"].as_str().unwrap_or_default();
    let said = || credential::told(&format!("{reason} {message}")).trim().to_owned();
    match reason {
        "CreateContainerConfigError"
        | "CreateContainerError"
        | "RunContainerError"
        | "PreCreateHookError"
        | "PreStartHookError"
        | "PostStartHookError"
        | "CrashLoopBackOff" => PullState::Pulled,
        "ErrImagePull"
        | "ImagePullBackOff"
        | "RegistryUnavailable"
        | "ImageInspectError"
        | "SignatureValidationFailed" => PullState::Failed(said()),
        "InvalidImageName" | "ErrImageNeverPull" => PullState::Refused(said()),
        _ => PullState::Pending(said()),
    }
}

#[cfg(test)]
mod tests;

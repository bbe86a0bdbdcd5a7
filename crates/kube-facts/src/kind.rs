use portolan_model::{Object, Ref};

/// What an object is, as far as it matters to data. A `match` on it names every variant: a kind that is added has to be decided at
/// each of them, and what no rule knows is [`Kind::Custom`], which whoever judges a volume has to handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `v1`
    Pod,
    /// `apps`
    StatefulSet,
    /// `apps`, and `extensions` in old manifests
    Deployment,
    /// `apps`, and `extensions` in old manifests
    DaemonSet,
    /// `apps`, and `extensions` in old manifests
    ReplicaSet,
    /// `v1`
    ReplicationController,
    /// `batch`
    Job,
    /// `batch`
    CronJob,
    /// `v1`
    PersistentVolumeClaim,
    /// `v1`
    PersistentVolume,
    /// `v1`
    Namespace,
    /// `apiextensions.k8s.io`
    CustomResourceDefinition,
    /// `route.openshift.io`
    Route,
    /// `networking.k8s.io`, and `extensions` in old manifests
    Ingress,
    /// Of Kubernetes itself, or of a controller that is known not to touch storage; it creates no pods.
    Inert,
    /// Of some operator: what its controller does is not known.
    Custom,
}

/// API groups whose controllers route traffic, watch, or hand out certificates, and do not touch PVCs. `helm.sh` is the group of
/// release records in a simulation.
const INERT_GROUPS: [&str; 10] = [
    "apps",
    "autoscaling",
    "batch",
    "policy",
    "monitoring.coreos.com",
    "helm.sh",
    "cert-manager.io",
    "acme.cert-manager.io",
    "networking.istio.io",
    "security.istio.io",
];

impl Kind {
    /// Every variant.
    pub const ALL: [Self; 16] = [
        Self::Pod,
        Self::StatefulSet,
        Self::Deployment,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::Job,
        Self::CronJob,
        Self::PersistentVolumeClaim,
        Self::PersistentVolume,
        Self::Namespace,
        Self::CustomResourceDefinition,
        Self::Route,
        Self::Ingress,
        Self::Inert,
        Self::Custom,
    ];

    /// The kind of an object that says it itself.
    #[must_use]
    pub fn of(object: &Object) -> Self {
        let group = object.text("/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
        Self::in_group(group, object.text("/kind"))
    }

    /// The kind of a named object: items of a listing do not say it themselves.
    #[must_use]
    pub fn named(name: &Ref) -> Self {
        Self::in_group(name.group(), name.kind())
    }

    /// A kind of an API group. Workloads are taken for themselves where the group is left out.
    #[must_use]
    pub fn in_group(group: &str, kind: &str) -> Self {
        match (group, kind) {
            ("", "Pod") => Self::Pod,
            ("" | "apps", "StatefulSet") => Self::StatefulSet,
            ("" | "apps" | "extensions", "Deployment") => Self::Deployment,
            ("" | "apps" | "extensions", "DaemonSet") => Self::DaemonSet,
            ("" | "apps" | "extensions", "ReplicaSet") => Self::ReplicaSet,
            ("", "ReplicationController") => Self::ReplicationController,
            ("" | "batch" | "extensions", "Job") => Self::Job,
            ("" | "batch", "CronJob") => Self::CronJob,
            ("", "PersistentVolumeClaim") => Self::PersistentVolumeClaim,
            ("", "PersistentVolume") => Self::PersistentVolume,
            ("", "Namespace") => Self::Namespace,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::CustomResourceDefinition,
            ("route.openshift.io", "Route") => Self::Route,
            ("networking.k8s.io" | "extensions", "Ingress") => Self::Ingress,
            (group, _) if is_inert(group) => Self::Inert,
            _ => Self::Custom,
        }
    }
}

fn is_inert(group: &str) -> bool {
    group.is_empty()
        || INERT_GROUPS.contains(&group)
        || group.ends_with(".k8s.io")
        || (group.ends_with(".openshift.io") && group != "apps.openshift.io")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_another_group_is_another_kind() {
        for (group, kind, want) in [
            ("apps", "StatefulSet", Kind::StatefulSet),
            ("apps.kruise.io", "StatefulSet", Kind::Custom),
            ("apps.openshift.io", "DeploymentConfig", Kind::Custom),
            ("apps", "ControllerRevision", Kind::Inert),
            ("extensions", "Deployment", Kind::Deployment),
            ("serving.knative.dev", "Route", Kind::Custom),
            ("route.openshift.io", "Route", Kind::Route),
            ("config.openshift.io", "Ingress", Kind::Inert),
            ("db.example.com", "Pod", Kind::Custom),
            ("", "Secret", Kind::Inert),
        ] {
            assert_eq!(Kind::in_group(group, kind), want, "{kind}.{group}");
        }
    }
}

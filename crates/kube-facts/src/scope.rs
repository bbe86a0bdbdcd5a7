//! Where the objects of a kind are: its group, version and plural, and whether they are in namespaces. What a server's discovery says
//! goes before this table, which is for servers that need not, or cannot, be asked.

/// Group, version, whether namespaced, and kinds with their plurals where those are not lower case and `s`.
type Row = (&'static str, &'static str, bool, &'static [&'static str]);

const USUAL: &[Row] = &[
    (
        "",
        "v1",
        true,
        &[
            "ConfigMap",
            "Endpoints=endpoints",
            "Event",
            "LimitRange",
            "PersistentVolumeClaim",
            "Pod",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
        ],
    ),
    ("", "v1", false, &["Namespace", "Node", "PersistentVolume"]),
    ("apps", "v1", true, &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("batch", "v1", true, &["CronJob", "Job"]),
    ("autoscaling", "v2", true, &["HorizontalPodAutoscaler"]),
    ("discovery.k8s.io", "v1", true, &["EndpointSlice"]),
    ("node.k8s.io", "v1", false, &["RuntimeClass=runtimeclasses"]),
    ("apiregistration.k8s.io", "v1", false, &["APIService"]),
    (
        "admissionregistration.k8s.io",
        "v1",
        false,
        &[
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy=validatingadmissionpolicies",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("networking.k8s.io", "v1", true, &["Ingress=ingresses", "NetworkPolicy=networkpolicies"]),
    ("networking.k8s.io", "v1", false, &["IngressClass=ingressclasses"]),
    ("rbac.authorization.k8s.io", "v1", true, &["Role", "RoleBinding"]),
    ("rbac.authorization.k8s.io", "v1", false, &["ClusterRole", "ClusterRoleBinding"]),
    ("storage.k8s.io", "v1", false, &["CSIDriver", "CSINode", "StorageClass=storageclasses", "VolumeAttachment"]),
    ("policy", "v1", true, &["PodDisruptionBudget"]),
    ("coordination.k8s.io", "v1", true, &["Lease"]),
    ("resource.k8s.io", "v1", true, &["ResourceClaim", "ResourceClaimTemplate"]),
    ("scheduling.k8s.io", "v1", false, &["PriorityClass=priorityclasses"]),
    ("apiextensions.k8s.io", "v1", false, &["CustomResourceDefinition"]),
    ("route.openshift.io", "v1", true, &["Route"]),
    ("config.openshift.io", "v1", false, &["ClusterVersion", "Infrastructure", "Ingress=ingresses"]),
    ("security.openshift.io", "v1", false, &["SecurityContextConstraints=securitycontextconstraints"]),
];

/// Kinds in no namespace that not every cluster has.
const ALSO_OF_THE_CLUSTER: &[(&str, &str)] = &[
    ("", "ComponentStatus"),
    ("cert-manager.io", "ClusterIssuer"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("console.openshift.io", "ConsoleLink"),
    ("console.openshift.io", "ConsolePlugin"),
    ("extensions", "PodSecurityPolicy"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("oauth.openshift.io", "OAuthClient"),
    ("policy", "PodSecurityPolicy"),
    ("project.openshift.io", "Project"),
    ("snapshot.storage.k8s.io", "VolumeSnapshotClass"),
    ("snapshot.storage.k8s.io", "VolumeSnapshotContent"),
    ("storage.k8s.io", "VolumeAttributesClass"),
];

/// A kind that every server of its platform has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsualKind {
    /// `apps`; empty for the core group.
    pub group: &'static str,
    /// `v1`
    pub version: &'static str,
    /// `StatefulSet`
    pub kind: &'static str,
    /// `statefulsets`
    pub plural: String,
    /// Whether its objects are in namespaces.
    pub is_namespaced: bool,
}

impl UsualKind {
    /// `v1`, `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.into() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// All usual kinds.
pub fn usual_kinds() -> impl Iterator<Item = UsualKind> {
    USUAL.iter().flat_map(|(group, version, is_namespaced, kinds)| {
        kinds.iter().map(move |row| {
            let (kind, plural) = match row.split_once('=') {
                Some((kind, plural)) => (kind, plural.to_owned()),
                None => (*row, guessed_plural(row)),
            };
            UsualKind { group, version, kind, plural, is_namespaced: *is_namespaced }
        })
    })
}

/// A usual kind of a group.
#[must_use]
pub fn usual_kind(group: &str, kind: &str) -> Option<UsualKind> {
    usual_kinds().find(|usual| usual.group == group && usual.kind == kind)
}

/// The kind of a group's plural, where it is a usual one.
#[must_use]
pub fn kind_of_plural(group: &str, plural: &str) -> Option<&'static str> {
    usual_kinds().find(|usual| usual.group == group && usual.plural == plural).map(|usual| usual.kind)
}

/// The first group that has a kind, where it is a usual one; else the core group.
#[must_use]
pub fn group_of(kind: &str) -> &'static str {
    USUAL.iter().find(|(.., kinds)| kinds.iter().any(|row| is_of(row, kind))).map_or("", |(group, ..)| group)
}

/// The plural of a kind, as API paths, quotas and webhook rules name it. For a kind that is not a usual one it is the plural
/// that an English word has, which its maker need not have chosen.
#[must_use]
pub fn plural(group: &str, kind: &str) -> String {
    usual_kind(group, kind).map_or_else(|| guessed_plural(kind), |usual| usual.plural)
}

fn guessed_plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if lower.ends_with(['s', 'x']) || lower.ends_with("ch") || lower.ends_with("sh") => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}

/// Whether a kind lives outside namespaces. A kind that is not known is taken for a namespaced one.
#[must_use]
pub fn is_cluster_scoped(group: &str, kind: &str) -> bool {
    let is_usual = USUAL.iter().any(|(its, _, is_namespaced, kinds)| {
        !is_namespaced && *its == group && kinds.iter().any(|row| is_of(row, kind))
    });
    is_usual || ALSO_OF_THE_CLUSTER.contains(&(group, kind))
}

/// Whether a row of the table is of a kind.
fn is_of(row: &str, kind: &str) -> bool {
    row.split_once('=').map_or(row, |(its, _)| its) == kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_group() {
        for (group, kind, want) in [
            ("", "Namespace", true),
            ("", "PersistentVolume", true),
            ("", "PersistentVolumeClaim", false),
            ("rbac.authorization.k8s.io", "ClusterRole", true),
            ("rbac.authorization.k8s.io", "Role", false),
            ("networking.k8s.io", "Ingress", false),
            ("config.openshift.io", "Ingress", true),
            ("networking.k8s.io", "IngressClass", true),
            ("cert-manager.io", "ClusterIssuer", true),
            ("db.example.com", "Cluster", false),
        ] {
            assert_eq!(is_cluster_scoped(group, kind), want, "{kind}.{group}");
        }
    }

    #[test]
    fn a_kind_without_its_group_is_the_usual_one() {
        for (kind, group) in [
            ("StatefulSet", "apps"),
            ("Ingress", "networking.k8s.io"),
            ("Route", "route.openshift.io"),
            ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io"),
            ("Secret", ""),
            ("Nonsense", ""),
        ] {
            assert_eq!(group_of(kind), group, "{kind}");
        }
        for (group, kind, wanted) in [
            ("networking.k8s.io", "Ingress", "ingresses"),
            ("networking.k8s.io", "NetworkPolicy", "networkpolicies"),
            ("", "Endpoints", "endpoints"),
            ("apps", "StatefulSet", "statefulsets"),
            ("example.com", "Policy", "policies"),
            ("gateway.networking.k8s.io", "Gateway", "gateways"),
            ("example.com", "Class", "classes"),
            ("example.com", "Sandbox", "sandboxes"),
        ] {
            assert_eq!(plural(group, kind), wanted, "{kind}");
        }
        assert_eq!(kind_of_plural("networking.k8s.io", "ingresses"), Some("Ingress"));
        assert_eq!(kind_of_plural("", "endpoints"), Some("Endpoints"));
    }
}

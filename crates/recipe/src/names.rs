use model::{Ref, ReleaseId};

/// Kinds that recipes may name without their API group.
const GROUPS: [(&str, &str); 9] = [
    ("DaemonSet", "apps"),
    ("Deployment", "apps"),
    ("Ingress", "networking.k8s.io"),
    ("IngressClass", "networking.k8s.io"),
    ("Job", "batch"),
    ("NetworkPolicy", "networking.k8s.io"),
    ("Route", "route.openshift.io"),
    ("StatefulSet", "apps"),
    ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io"),
];

/// Kinds among these that are in no namespace.
const OF_THE_CLUSTER: [&str; 2] = ["IngressClass", "ValidatingWebhookConfiguration"];

/// Puts the release's name and namespace into a recipe's text, in place of `{release}` and `{namespace}`.
#[must_use]
pub fn fill(text: &str, release: &ReleaseId) -> String {
    text.replace("{release}", &release.name).replace("{namespace}", &release.namespace)
}

/// An object that a recipe names as `Kind/name` or `Kind.group/name`; it is in the release's namespace, where its kind is in one.
#[must_use]
pub fn object(text: &str, release: &ReleaseId) -> Option<Ref> {
    let text = fill(text, release);
    let (kind, name) = text.split_once('/')?;
    if kind.is_empty() || name.is_empty() || name.contains('/') {
        return None;
    }
    let (kind, group) = kind.split_once('.').unwrap_or_else(|| {
        let group = GROUPS.iter().find(|(known, _)| *known == kind).map_or("", |(_, group)| group);
        (kind, group)
    });
    let namespace = if OF_THE_CLUSTER.contains(&kind) { "" } else { &release.namespace };
    Some(Ref::new(group, kind, namespace, name))
}

use portolan_model::{Ref, ReleaseId};

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
    let (kind, group) = kind.split_once('.').unwrap_or_else(|| (kind, portolan_kube_facts::group_of(kind)));
    let namespace = if portolan_kube_facts::is_cluster_scoped(group, kind) { "" } else { &release.namespace };
    Some(Ref::new(group, kind, namespace, name))
}

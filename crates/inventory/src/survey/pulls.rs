//! What to ask an OpenShift cluster about how its nodes pull images. Only a plan for a site with a registry of its own asks it.

use portolan_model::{Inventory, Platform, Ref, SurveyQuery};

use super::questions::{OPENSHIFT, list};

/// The mirror sets: those for tags, and those for digests or, where the cluster is older than these, their predecessor (OpenShift
/// Container Platform 4.13). None where the cluster has no such kinds.
#[must_use]
pub fn mirror_sets(inventory: &Inventory) -> Vec<SurveyQuery> {
    let tags = (OPENSHIFT, "v1", "ImageTagMirrorSet");
    let digests =
        [(OPENSHIFT, "v1", "ImageDigestMirrorSet"), ("operator.openshift.io", "v1alpha1", "ImageContentSourcePolicy")];
    let is_served = |&(group, version, kind): &(&str, &str, &str)| {
        let name = format!("{group}/{version}/{kind}");
        inventory.cluster.api_versions.contains(&name)
    };
    let kinds = [tags].into_iter().filter(is_served).chain(digests.into_iter().find(is_served));
    kinds.map(|(group, _, kind)| list(group, kind, "")).collect()
}

/// Where an OpenShift cluster says which CAs its nodes trust: for registries, and for all.
#[must_use]
pub fn node_trust(inventory: &Inventory) -> Vec<SurveyQuery> {
    if !matches!(inventory.cluster.platform, Platform::OpenShift { .. }) {
        return Vec::new();
    }
    ["Image", "Proxy"].map(|kind| SurveyQuery::Get(Ref::new(OPENSHIFT, kind, "", "cluster"))).to_vec()
}

/// The Secret that the nodes of an OpenShift cluster pull with.
#[must_use]
pub fn global_pull_secret(inventory: &Inventory) -> Option<SurveyQuery> {
    let is_openshift = matches!(inventory.cluster.platform, Platform::OpenShift { .. });
    is_openshift.then(|| SurveyQuery::Get(Ref::secret("openshift-config", "pull-secret")))
}

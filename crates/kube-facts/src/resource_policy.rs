use portolan_model::Object;

/// The annotation by which helm leaves an object that it would delete.
pub const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// The annotation as a JSON pointer.
pub const RESOURCE_POLICY_POINTER: &str = "/metadata/annotations/helm.sh~1resource-policy";

/// The only value that counts in an upgrade.
pub const KEEP: &str = "keep";

/// Whether an uninstall leaves an object whose document in the stored manifest this is. `keep` in any case holds it back, and any
/// other value makes helm pass it over (`filterManifestsToKeep` in `pkg/action/resource_policy.go`, helm 3.14.4 to 4.3.1).
#[must_use]
pub fn stays_uninstalled(stored: &Object) -> bool {
    stored.annotation(RESOURCE_POLICY).is_some()
}

/// Whether helm leaves a live object in an upgrade: the comparison is exact there (`pkg/kube/client.go`, helm 3.10 to 4.3).
#[must_use]
pub fn is_kept(live: &Object) -> bool {
    live.annotation(RESOURCE_POLICY) == Some(KEEP)
}

/// Who has set the policy of an object besides helm, by `metadata.managedFields`. What a server-side apply of helm's does not have any
/// more stays as long as one of them has it.
pub fn policy_writers(live: &Object) -> impl Iterator<Item = &str> {
    /// Under this name helm writes (`ManagedFieldsManager` in `cmd/helm/helm.go`, helm 4.3.1).
    const HELM: &str = "helm";
    let field = format!("f:{RESOURCE_POLICY}");
    let entries = live.list("/metadata/managedFields").iter();
    let its = entries.filter(move |entry| entry["fieldsV1"]["f:metadata"]["f:annotations"].get(&field).is_some());
    its.filter_map(|entry| entry["manager"].as_str()).filter(|manager| *manager != HELM)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn others_than_helm_may_have_set_the_policy() {
        let entry = |manager: &str, annotation: &str| json!({"manager": manager, "fieldsV1": {"f:metadata": {"f:annotations": {format!("f:{annotation}"): {}}}}});
        let claim = Object::new(json!({"metadata": {"managedFields": [
            entry("helm", RESOURCE_POLICY), entry("portolan", RESOURCE_POLICY), entry("hand", "a/b")]}}));
        assert_eq!(policy_writers(&claim).collect::<Vec<_>>(), ["portolan"]);
    }
}

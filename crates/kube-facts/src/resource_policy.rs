use portolan_model::Object;

/// The annotation by which helm leaves an object that it would delete.
pub const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// The annotation as a JSON pointer.
pub const RESOURCE_POLICY_POINTER: &str = "/metadata/annotations/helm.sh~1resource-policy";

/// The only value that counts in an upgrade.
pub const KEEP: &str = "keep";

/// Whether helm leaves a live object in an upgrade: the comparison is exact there (`pkg/kube/client.go`, helm 3.10 to 4.3).
#[must_use]
pub fn is_kept(live: &Object) -> bool {
    live.annotation(RESOURCE_POLICY) == Some(KEEP)
}

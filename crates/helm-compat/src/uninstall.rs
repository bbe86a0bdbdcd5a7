//! What `helm uninstall` does to each object. It reads the annotation of the *stored* manifest; what the live object says does not
//! count (`deleteRelease` in `pkg/action/uninstall.go` and `pkg/action/resource_policy.go`, helm 3.14.4 to 4.3.1).

use portolan_model::{Change, ObjectChange};

use crate::manifest::{self, ManifestError};

/// What becomes of each object of a record's manifest.
///
/// # Errors
/// Where the manifest cannot be read: helm deletes nothing then.
pub fn changes(manifest: &str, namespace: &str) -> Result<Vec<ObjectChange>, ManifestError> {
    let policies = manifest::uninstall_policies(manifest, namespace);
    let change = |object| {
        let (change, why) = match policies.get(&object).map(|policy| policy.trim()) {
            None => (Change::Delete, "the uninstall deletes it".to_owned()),
            Some(keep) if keep.eq_ignore_ascii_case(portolan_kube_facts::KEEP) => {
                (Change::Keep, "the stored manifest says keep".to_owned())
            }
            Some(other) => {
                (Change::Keep, format!("the stored manifest says `{other}`, for which an uninstall passes it over"))
            }
        };
        ObjectChange { object, change, why }
    };
    let docs = manifest::parse(manifest, namespace)?;
    Ok(docs.iter().filter_map(portolan_model::Object::name).map(change).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_annotation_decides() {
        let of = |annotations: &str| {
            let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data";
            let found = changes(&format!("{claim}{annotations}}}\n"), "ns").expect("a manifest");
            let [one] = &found[..] else { panic!("{found:?}") };
            one.change
        };
        let policy = |value: &str| format!(", annotations: {{helm.sh/resource-policy: '{value}'}}");
        assert_eq!(of(""), Change::Delete);
        assert_eq!(of(", annotations: {other: keep}"), Change::Delete);
        for value in ["keep", " Keep ", "KEEP", "anything", ""] {
            assert_eq!(of(&policy(value)), Change::Keep, "{value}");
        }
    }

    #[test]
    fn of_a_list_the_document_decides() {
        let item =
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, annotations: {helm.sh/resource-policy: keep}}}";
        let list = |metadata: &str| format!("apiVersion: v1\nkind: List\nmetadata: {metadata}\nitems: [{item}]\n");
        let of = |metadata: &str| changes(&list(metadata), "ns").expect("a manifest")[0].change;
        assert_eq!(of("{}"), Change::Delete);
        assert_eq!(of("{annotations: {helm.sh/resource-policy: keep}}"), Change::Keep);
    }
}

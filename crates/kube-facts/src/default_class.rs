//! Which storage class a PVC gets that names none (`pkg/volume/util/storageclass.go`, Kubernetes 1.33).

use portolan_model::Object;

const KEYS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// The default among storage classes; of several the one made last, and of those made in one second the first by name.
#[must_use]
pub fn default_class<'a>(classes: impl IntoIterator<Item = &'a Object>) -> Option<&'a Object> {
    let is_default = |class: &&Object| KEYS.iter().any(|key| class.annotation(key) == Some("true"));
    classes.into_iter().filter(is_default).max_by(|a, b| {
        let at = |class: &Object| class.text("/metadata/creationTimestamp").to_owned();
        at(a).cmp(&at(b)).then_with(|| b.text("/metadata/name").cmp(a.text("/metadata/name")))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_default_class_counts() {
        let class = |name: &str, made: &str, default: &str| {
            Object::new(json!({"kind": "StorageClass", "metadata": {"name": name, "creationTimestamp": made,
                "annotations": {"storageclass.kubernetes.io/is-default-class": default}}}))
        };
        let (old, new) = (class("a", "2024-01-01T00:00:00Z", "true"), class("b", "2025-01-01T00:00:00Z", "true"));
        let (same, none) = (class("c", "2025-01-01T00:00:00Z", "true"), class("d", "2026-01-01T00:00:00Z", "false"));
        let name =
            |all: &[&Object]| default_class(all.iter().copied()).map(|class| class.text("/metadata/name").to_owned());
        assert_eq!(name(&[&old, &new, &same, &none]).as_deref(), Some("b"));
        assert_eq!(name(&[&none]), None);
    }
}

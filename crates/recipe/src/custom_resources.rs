//! What is known of custom resources that leave a chart, as data in `recipes/custom-resources.yaml`.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use portolan_kube_facts::is_of_domain;
use serde::Deserialize;

use crate::builtin;
use crate::programs::words;

static TEXT: &str = include_str!("../../../recipes/custom-resources.yaml");

/// The kinds without data, and the fields that say what is deleted with a custom resource.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CustomResources {
    format: u32,
    without_data: Vec<Group>,
    policies: Vec<String>,
    switches: Vec<String>,
    finalizers: Vec<String>,
    keeps: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    group: String,
    /// Empty: all.
    #[serde(default)]
    kinds: BTreeSet<String>,
}

impl CustomResources {
    /// Those that Portolan brings along.
    ///
    /// # Panics
    /// Where the file is not usable, which a test of this crate would have seen.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static KNOWN: OnceLock<CustomResources> = OnceLock::new();
        KNOWN.get_or_init(|| builtin::read("recipes/custom-resources.yaml", TEXT, |known: &Self| known.format))
    }

    /// Whether objects of a kind hold no data, and their operators delete none with them.
    #[must_use]
    pub fn is_without_data(&self, group: &str, kind: &str) -> bool {
        let mut known = self.without_data.iter().filter(|one| is_of_domain(group, &one.group));
        known.any(|one| one.kinds.is_empty() || one.kinds.contains(kind))
    }

    /// Whether a field of this name says what is deleted with its object, or where the data lies.
    #[must_use]
    pub fn is_policy(&self, field: &str) -> bool {
        let given = words(field);
        self.policies.iter().any(|policy| given.ends_with(&words(policy)))
    }

    /// Whether a field of this name says with `true` that something is deleted.
    #[must_use]
    pub fn is_switch(&self, field: &str) -> bool {
        let given = words(field);
        self.switches.iter().any(|switch| given.ends_with(&words(switch)))
    }

    /// Whether a finalizer of this name is one with which more is deleted than its object.
    #[must_use]
    pub fn deletes_more(&self, finalizer: &str) -> bool {
        let given = words(finalizer);
        self.finalizers.iter().map(|name| words(name)).any(|name| given.windows(name.len()).any(|part| part == name))
    }

    /// Whether nothing is deleted where such a field has this text.
    #[must_use]
    pub fn keeps(&self, text: &str) -> bool {
        let given = words(text);
        self.keeps.iter().any(|keeps| words(keeps) == given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_without_data_are_known_by_group_and_kind() {
        let known = CustomResources::builtin();
        for (group, kind, is) in [
            ("monitoring.coreos.com", "ServiceMonitor", true),
            ("monitoring.coreos.com", "Prometheus", false),
            ("networking.istio.io", "VirtualService", true),
            ("myistio.io", "VirtualService", false),
            ("acme.cert-manager.io", "Challenge", true),
            ("kafka.strimzi.io", "KafkaTopic", false),
            ("", "Secret", false),
        ] {
            assert_eq!(known.is_without_data(group, kind), is, "{group} {kind}");
        }
    }

    #[test]
    fn fields_that_say_what_is_deleted_are_known_by_their_last_words() {
        let known = CustomResources::builtin();
        for (field, is) in [
            ("deletionPolicy", true),
            ("pvcReclaimPolicy", true),
            ("deleteClaim", true),
            ("dataDirHostPath", true),
            ("imagePullPolicy", false),
            ("policy", false),
        ] {
            assert_eq!(known.is_policy(field), is, "{field}");
        }
        assert!(known.is_switch("prune") && !known.is_switch("pruneLast"));
        for (finalizer, is) in [
            ("percona.com/delete-pxc-pvc", true),
            ("resources-finalizer.argocd.argoproj.io/background", true),
            ("kubernetes.io/pvc-protection", false),
            ("foregroundDeletion", false),
        ] {
            assert_eq!(known.deletes_more(finalizer), is, "{finalizer}");
        }
        assert!(known.keeps("Retain") && known.keeps("Orphan") && known.keeps("DoNotDelete") && !known.keeps("Delete"));
    }
}

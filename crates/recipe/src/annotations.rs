//! What is known of annotations of pods, as data in `recipes/annotations.yaml`.

use std::sync::OnceLock;

use portolan_kube_facts::is_of_domain;
use serde::Deserialize;

use crate::builtin;
use crate::programs::words;

static TEXT: &str = include_str!("../../../recipes/annotations.yaml");

/// The keys that are known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodAnnotations {
    format: u32,
    harmless: Vec<String>,
    harmful: Vec<String>,
    beside: Vec<String>,
    marks: Vec<String>,
}

impl PodAnnotations {
    /// Those that Portolan brings along.
    ///
    /// # Panics
    /// Where the file is not usable, which a test of this crate would have seen.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static KNOWN: OnceLock<PodAnnotations> = OnceLock::new();
        KNOWN.get_or_init(|| builtin::read("recipes/annotations.yaml", TEXT, |known: &Self| known.format))
    }

    /// Whether an annotation that changes says nothing of the files, variables and containers of its pod.
    #[must_use]
    pub fn is_harmless(&self, key: &str) -> bool {
        let Some((prefix, name)) = key.split_once('/') else { return true };
        let begins = |all: &[String]| all.iter().any(|start| key.starts_with(start.as_str()));
        if begins(&self.harmful) {
            return false;
        }
        let is_below = |known: &String| is_of_domain(prefix, known);
        self.harmless.iter().any(is_below) || begins(&self.beside) || self.is_mark(name)
    }

    /// Whether a name is that of a mark that each version has another one of: `config-hash`.
    fn is_mark(&self, name: &str) -> bool {
        let given = words(name);
        self.marks.iter().any(|mark| given.ends_with(&words(mark)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_that_put_nothing_into_a_pod_are_told_from_others() {
        let known = PodAnnotations::builtin();
        for key in [
            "team",
            "rollme",
            "checksum/config",
            "prometheus.io/scrape",
            "kubectl.kubernetes.io/restartedAt",
            "container.apparmor.security.beta.kubernetes.io/store",
            "sidecar.istio.io/inject",
            "linkerd.io/inject",
            "ad.datadoghq.com/store.checks",
            "backup.velero.io/backup-volumes",
            "example.com/config-hash",
            "example.com/deployedAt",
            "vault.hashicorp.com/agent-limits-cpu",
        ] {
            assert!(known.is_harmless(key), "{key}");
        }
        for key in [
            "vault.hashicorp.com/agent-inject",
            "vault.hashicorp.com/agent-inject-template-store.conf",
            "vault.hashicorp.com/agent-inject-secret-store",
            "vault.hashicorp.com/role",
            "vault.security.banzaicloud.io/vault-path",
            "operator.1password.io/inject",
            "admission.datadoghq.com/java-lib.version.custom-image",
            "example.com/inject",
            "sidecar.istio.io/userVolume",
            "pre.hook.backup.velero.io/command",
            "notkubernetes.io/a",
        ] {
            assert!(!known.is_harmless(key), "{key}");
        }
    }
}

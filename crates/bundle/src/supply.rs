//! What a push of a bundle puts into a registry, to be looked up by the names that images have there.

use std::collections::{BTreeMap, BTreeSet};

use portolan_model::Digest;

use crate::{BundleIndex, ManifestContent, PushPlan};

/// What a push of a bundle puts into a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleSupply {
    /// Manifests by repository and tag.
    tags: BTreeMap<(String, String), Digest>,
    /// Manifests by repository.
    manifests: BTreeSet<(String, Digest)>,
    /// The configuration of each manifest of one image.
    configs: BTreeMap<Digest, Digest>,
}

impl BundleSupply {
    /// What a planned push puts there.
    #[must_use]
    pub fn of(index: &BundleIndex, plan: &PushPlan) -> Self {
        let mut supply = Self::default();
        // A manifest that was made here gets another digest when layers are compressed on their way.
        let generated =
            |manifest: &Digest| index.images.iter().any(|image| image.generated && image.manifest == *manifest);
        for push in &plan.manifests {
            if !generated(&push.digest) {
                supply.manifests.insert((push.repository.clone(), push.digest.clone()));
            }
            if let Some(tag) = &push.tag {
                supply.tags.insert((push.repository.clone(), tag.clone()), push.digest.clone());
            }
        }
        for (digest, document) in &index.documents {
            let content = serde_json::from_str::<ManifestContent>(&document.text);
            if let Some(config) = content.ok().and_then(|content| content.config) {
                supply.configs.insert(digest.clone(), config.digest);
            }
        }
        supply
    }

    /// The manifest that a tag gets.
    #[must_use]
    pub fn tagged(&self, repository: &str, tag: &str) -> Option<&Digest> {
        self.tags.get(&(repository.to_owned(), tag.to_owned()))
    }

    /// Whether a repository gets a manifest, under whatever tag.
    #[must_use]
    pub fn has(&self, repository: &str, manifest: &Digest) -> bool {
        self.manifests.contains(&(repository.to_owned(), manifest.clone()))
    }

    /// The configuration of a manifest: the identity of its image, whatever tool moved it.
    #[must_use]
    pub fn config(&self, manifest: &Digest) -> Option<&Digest> {
        self.configs.get(manifest)
    }

    /// A name in the bundle that ends as another one does, where a path differs: `runai/app:1` for `app:1`.
    #[must_use]
    pub fn alike(&self, repository: &str, tag: &str) -> Option<String> {
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let wanted = last(repository);
        let mut names = self.tags.keys();
        names.find(|(path, its)| its == tag && last(path) == wanted).map(|(path, its)| format!("{path}:{its}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan_push;
    use crate::testing::{docker_archive, index};

    #[test]
    fn a_supply_is_what_a_push_puts_there() {
        let index = index(docker_archive("gcr.io/team/one:1", "one"));
        let plan = plan_push(&index, "site", &BTreeMap::new()).expect("a plan");
        let supply = BundleSupply::of(&index, &plan);
        let manifest = supply.tagged("site/team/one", "1").expect("it is there").clone();
        assert_eq!(manifest, index.images[0].manifest);
        assert!(!supply.has("site/team/one", &manifest), "it was made here, and nobody can know its digest");
        assert_eq!(supply.config(&manifest), Some(&index.images[0].platforms[0].config));
        assert_eq!(supply.alike("one", "1").as_deref(), Some("site/team/one:1"));
        for (repository, tag) in [("team/one", "1"), ("site/team/one", "2")] {
            assert_eq!(supply.tagged(repository, tag), None);
        }
        assert_eq!(supply.alike("two", "1"), None);
    }
}

//! The registry of a simulated site without internet access: names and digests, no content.

use std::collections::BTreeMap;

use portolan_kube_facts::ImageReference;
use portolan_model::Digest;
use serde::{Deserialize, Serialize};

use crate::world::World;

/// What a simulated registry holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedRegistry {
    /// Its address: `registry.example:5000`.
    pub host: String,
    /// A path there, in front of all names; may be empty.
    pub path: String,
    /// The digest of the manifest under each `REPOSITORY:TAG`; `None` for an image of the first installation, of which it is not known.
    tags: BTreeMap<String, Option<Digest>>,
}

impl SimulatedRegistry {
    /// A registry that holds the images which the objects of a world name there. `address` is `HOST[:PORT][/PATH]`.
    #[must_use]
    pub fn of_world(address: &str, world: &World) -> Self {
        let (host, path) = address.split_once('/').unwrap_or((address, ""));
        let named = world.objects().flat_map(|(_, object)| portolan_kube_facts::images(object));
        let images = named.filter_map(|field| ImageReference::parse(field.image));
        let held = images.filter(|image| image.registry == host);
        let tags = held.filter_map(|image| Some((format!("{}:{}", image.repository, image.tag?), None))).collect();
        Self { host: host.to_owned(), path: path.to_owned(), tags }
    }

    /// `HOST[:PORT][/PATH]`.
    #[must_use]
    pub fn address(&self) -> String {
        if self.path.is_empty() { self.host.clone() } else { format!("{}/{}", self.host, self.path) }
    }

    /// Gives a name to a manifest; whether the name is new.
    pub fn put(&mut self, repository: &str, tag: &str, manifest: &Digest) -> bool {
        self.tags.insert(format!("{repository}:{tag}"), Some(manifest.clone())).is_none()
    }

    /// The digest under a tag, where it is known; outer `None` if the registry has nothing there. `reference` is a tag or a digest.
    #[must_use]
    pub fn find(&self, repository: &str, reference: &str) -> Option<Option<&Digest>> {
        if let Some(held) = self.tags.get(&format!("{repository}:{reference}")) {
            return Some(held.as_ref());
        }
        let wanted = Digest::parse(reference)?;
        let of_repository = |name: &str| name.rsplit_once(':').is_some_and(|(path, _)| path == repository);
        let mut held =
            self.tags.iter().filter(|(name, _)| of_repository(name)).filter_map(|(_, digest)| digest.as_ref());
        held.find(|digest| **digest == wanted).map(Some)
    }
}

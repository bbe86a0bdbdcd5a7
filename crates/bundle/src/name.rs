use std::fmt;

use portolan_kube_facts::{is_repository, is_tag};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of an image: `registry.example:5000/team/app:1.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    /// The registry's host, with its port; `None` where the name begins with the repository.
    pub registry: Option<String>,
    /// The path in the registry: `team/app`.
    pub repository: String,
    /// The tag.
    pub tag: String,
}

impl ImageName {
    /// Reads a name. Without a tag it is `latest`. `None` for anything else: a digest, a bare tag, capital letters.
    ///
    /// The rules are those of github.com/distribution/reference 0.6.0, `regexp.go` and `normalize.go`: what stands before the
    /// first slash is a registry if it has a dot or a colon or is `localhost`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (registry, rest) = match text.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first.to_owned()), rest),
            _ => (None, text),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, tag),
            None => (rest, "latest"),
        };
        let host = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
        let usable = registry.as_deref().is_none_or(host) && is_repository(repository) && is_tag(tag);
        usable.then(|| Self { registry, repository: repository.to_owned(), tag: tag.to_owned() })
    }

    /// Reads a name that a tool wrote beside an image. A word without tag and path is none: tools write a bare tag there, which
    /// containerd takes for a tag of nothing.
    pub(crate) fn written(text: &str) -> Option<Self> {
        text.contains(['/', ':']).then(|| Self::parse(text)).flatten()
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

impl Serialize for ImageName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not the name of an image")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_registry_a_repository_and_a_tag() {
        for (text, registry, repository, tag) in [
            ("nginx", None, "nginx", "latest"),
            ("runai/app:1.0", None, "runai/app", "1.0"),
            ("gcr.io/run-ai-prod/app:1.0", Some("gcr.io"), "run-ai-prod/app", "1.0"),
            ("localhost/app", Some("localhost"), "app", "latest"),
            ("h:5000/app", Some("h:5000"), "app", "latest"),
        ] {
            let name = ImageName::parse(text).expect(text);
            assert_eq!(
                (name.registry.as_deref(), name.repository.as_str(), name.tag.as_str()),
                (registry, repository, tag)
            );
        }
        for text in ["", "App:1", "a/b@sha256:00", "a//b", "a/../b:1", "/a", "a:", "a:-x"] {
            assert_eq!(ImageName::parse(text), None, "{text}");
        }
    }
}

use serde::Deserialize;

/// How the server of a database is recognised in a pod, and what its image says without being run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    /// The container that runs it, where the pod has more than one.
    pub container: String,
    /// The images that are known; the first that fits counts.
    pub images: Vec<Image>,
}

/// An image that is known.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its name and how its tag begins.
    pub image: ImagePattern,
    /// The data directory of its server where `PGDATA` is not set.
    pub data: Option<String>,
}

/// `postgres:{version}`: the end of an image's name, in whole parts, and how its tag begins. What follows the version in a
/// tag is free.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ImagePattern {
    name: String,
    before: String,
}

const VERSION: &str = "{version}";

impl TryFrom<String> for ImagePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts = text.strip_suffix(VERSION).and_then(|text| text.split_once(':'));
        let (name, before) = parts
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("`{text}` is no image: it is written NAME:{VERSION}"))?;
        Ok(Self { name: name.into(), before: before.into() })
    }
}

impl ServerSpec {
    /// What is known of an image.
    #[must_use]
    pub fn image(&self, reference: &str) -> Option<&Image> {
        self.images.iter().find(|image| image.image.fits(reference))
    }
}

impl ImagePattern {
    /// Whether this is about an image, by its name.
    #[must_use]
    pub fn fits(&self, reference: &str) -> bool {
        let (name, _) = name_and_tag(reference);
        name.strip_suffix(&self.name).is_some_and(|head| head.is_empty() || head.ends_with('/'))
    }

    /// The text of an image's tag from the version on; `None` where there is no tag, or one that begins in another way.
    #[must_use]
    pub fn version<'a>(&self, reference: &'a str) -> Option<&'a str> {
        name_and_tag(reference).1?.strip_prefix(&self.before)
    }
}

/// An image's name, registry included, without tag and digest.
#[must_use]
pub fn image_name(reference: &str) -> &str {
    name_and_tag(reference).0
}

/// The last part of an image's name: mirrors change what stands before it.
#[must_use]
pub fn image_last_part(reference: &str) -> &str {
    image_name(reference).rsplit('/').next().unwrap_or_default()
}

/// An image's tag.
#[must_use]
pub(crate) fn image_tag(reference: &str) -> Option<&str> {
    name_and_tag(reference).1
}

/// The name and the tag of `[registry[:port]/]name[:tag][@digest]`.
fn name_and_tag(reference: &str) -> (&str, Option<&str>) {
    let bare = reference.split_once('@').map_or(reference, |(bare, _)| bare);
    match bare.rsplit_once(':') {
        // What follows the colon of a port is a path.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (bare, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> ImagePattern {
        ImagePattern::try_from(text.to_owned()).expect(text)
    }

    #[test]
    fn a_version_is_read_from_a_tag() {
        let cases = [
            ("postgres:{version}", "postgres:15", Some("15")),
            ("postgres:{version}", "rig.local/postgres:16", Some("16")),
            ("postgresql:{version}", "bitnami/postgresql:15.5.0-debian-12-r9", Some("15.5.0-debian-12-r9")),
            ("postgresql:{version}", "registry:5000/x/postgresql:16.4@sha256:0123", Some("16.4")),
            ("postgresql:{version}", "registry:5000/x/postgresql@sha256:0123", None),
            ("postgresql:{version}", "registry:5000/x/postgresql", None),
            ("server:pg{version}", "x/server:pg14.2", Some("14.2")),
            ("server:pg{version}", "x/server:14.2", None),
        ];
        for (text, reference, version) in cases {
            assert!(pattern(text).fits(reference), "{text} {reference}");
            assert_eq!(pattern(text).version(reference), version, "{text} {reference}");
        }
    }

    #[test]
    fn names_fit_in_whole_parts() {
        assert!(!pattern("postgres:{version}").fits("x/my-postgres:15"));
        assert!(!pattern("bitnami/postgresql:{version}").fits("other/postgresql:15"));
        assert!(!pattern("postgres:{version}").fits("postgres:5000/other:15"));
    }

    #[test]
    fn what_is_no_pattern() {
        for text in ["postgres", "postgres:15", ":{version}", "postgres:{version}-debian"] {
            assert!(ImagePattern::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}

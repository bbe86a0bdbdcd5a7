//! Where in a bundle images and charts are looked for.

use serde::{Deserialize, Serialize};

/// The parts of a bundle that count, where not all of it does: paths of archives or of folders in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleParts {
    /// Where images are; `None` for everywhere.
    pub images: Option<String>,
    /// Where charts are; `None` for everywhere.
    pub charts: Option<String>,
}

impl BundleParts {
    /// Whether images in an archive or a folder count.
    pub(crate) fn has_images(&self, at: &str) -> bool {
        is_in(self.images.as_deref(), at)
    }

    /// Whether a chart's archive counts.
    pub(crate) fn has_charts(&self, at: &str) -> bool {
        is_in(self.charts.as_deref(), at)
    }
}

fn is_in(part: Option<&str>, at: &str) -> bool {
    let Some(part) = part else { return true };
    let part = part.strip_prefix("./").unwrap_or(part).trim_end_matches('/');
    at.strip_prefix(part).is_some_and(|rest| part.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_an_archive_or_what_lies_below_a_folder() {
        for (part, at, counts) in [
            (None, "deploy/a.tar", true),
            (Some("deploy"), "deploy/a.tar", true),
            (Some("./deploy/"), "deploy/a.tar", true),
            (Some("deploy/a.tar"), "deploy/a.tar", true),
            (Some("deploy/a.tar"), "deploy/a.tar/inner.tar", true),
            (Some("dep"), "deploy/a.tar", false),
            (Some("deploy/b.tar"), "deploy/a.tar", false),
            (Some("deploy"), "", false),
            (Some("."), "deploy/a.tar", false),
        ] {
            assert_eq!(is_in(part, at), counts, "{part:?} {at}");
        }
    }
}

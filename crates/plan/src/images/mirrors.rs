//! From where the nodes of an OpenShift cluster really pull an image: the mirror sets of the cluster.
//!
//! The machine-config operator makes one `registries.conf` of all sets, and CRI-O goes by it: the entry with the longest matching
//! source counts alone, its mirrors are tried in order, those of an `ImageDigestMirrorSet` for references by digest only, those of an
//! `ImageTagMirrorSet` for references by tag only (containers-registries.conf(5), `prefix` and `pull-from-mirror`; openshift/api,
//! `config/v1/types_image_{digest,tag}_mirror_set.go`).

use std::fmt;

use portolan_kube_facts::{ImageReference, list};
use portolan_model::{Answer, Object, Ref, SurveyQuery};
use serde_json::Value;

/// Which references a mirror is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum References {
    Digests,
    Tags,
}

impl References {
    fn of(image: &ImageReference) -> Self {
        if image.digest.is_some() { Self::Digests } else { Self::Tags }
    }
}

/// An entry of a mirror set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MirrorRule {
    set: Ref,
    references: References,
    /// `registry.example`, `registry.example/team`, `*.example`.
    source: String,
    mirrors: Vec<String>,
}

/// The mirror sets of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors {
    rules: Vec<MirrorRule>,
    /// Kinds that could not be listed, and why, a clause each.
    unreadable: Vec<String>,
}

/// A mirror of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The mirror set.
    pub set: Ref,
    /// What of the image's name the set names.
    pub source: String,
    /// What the set puts in its place.
    pub mirror: String,
    /// The image there.
    pub image: ImageReference,
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} instead of {}", self.set, self.mirror, self.source)
    }
}

/// Where an image is pulled from before its own registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageMirrors {
    /// The mirrors that are tried, in order.
    pub tried: Vec<Mirror>,
    /// Mirrors of its name that are not tried, since the image is named by its tag and they are for digests, or the other way round.
    pub passed_over: Vec<Mirror>,
}

impl Mirrors {
    /// What a cluster's answers to `portolan_inventory::survey::mirror_sets` say.
    #[must_use]
    pub fn of<'a>(answers: impl IntoIterator<Item = (&'a SurveyQuery, &'a Answer)>) -> Self {
        let mut mirrors = Self::default();
        for (ask, answer) in answers {
            match (ask, answer) {
                (_, Answer::Items(sets)) => mirrors.rules.extend(sets.iter().flat_map(|set| rules(ask, set))),
                (SurveyQuery::List { kind, .. }, Answer::Denied(why)) => {
                    mirrors.unreadable.push(format!("{kind}s may not be listed: {why}"));
                }
                _ => {}
            }
        }
        mirrors
    }

    /// Why the mirrors are not known to be all, a clause each.
    #[must_use]
    pub fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    /// The mirrors of an image.
    #[must_use]
    pub fn of_image(&self, image: &ImageReference) -> ImageMirrors {
        let name = format!("{}/{}", image.registry, image.repository);
        let matching = |rule: &MirrorRule| matched(&rule.source, &name);
        let Some(longest) = self.rules.iter().filter_map(matching).max() else { return ImageMirrors::default() };
        let mut found = ImageMirrors::default();
        for rule in self.rules.iter().filter(|rule| matching(rule) == Some(longest)) {
            let list = if rule.references == References::of(image) { &mut found.tried } else { &mut found.passed_over };
            list.extend(rule.mirrors.iter().filter_map(|mirror| {
                let there = ImageReference::parse(&format!("{mirror}{}", &name[longest..]))?;
                let image = ImageReference { registry: there.registry, repository: there.repository, ..image.clone() };
                let (set, mirror) = (rule.set.clone(), mirror.clone());
                Some(Mirror { set, source: name[..longest].to_owned(), mirror, image })
            }));
        }
        found
    }
}

/// The entries of a set.
fn rules(ask: &SurveyQuery, set: &Object) -> Vec<MirrorRule> {
    let SurveyQuery::List { group, kind, .. } = ask else { return Vec::new() };
    let (field, references) = match kind.as_str() {
        "ImageTagMirrorSet" => ("/spec/imageTagMirrors", References::Tags),
        "ImageDigestMirrorSet" => ("/spec/imageDigestMirrors", References::Digests),
        "ImageContentSourcePolicy" => ("/spec/repositoryDigestMirrors", References::Digests),
        _ => return Vec::new(),
    };
    let set_name = Ref::new(group, kind, "", set.text("/metadata/name"));
    let entries = set.list(field).iter();
    let entry = |entry: &Value| MirrorRule {
        set: set_name.clone(),
        references,
        source: entry["source"].as_str().unwrap_or_default().to_owned(),
        mirrors: list(entry, "mirrors").iter().filter_map(|mirror| mirror.as_str().map(str::to_owned)).collect(),
    };
    entries.map(entry).filter(|rule| !rule.source.is_empty()).collect()
}

/// How many bytes of a name without tag and digest a source stands for; `None` where it is about another name.
fn matched(source: &str, name: &str) -> Option<usize> {
    let end = match source.strip_prefix('*') {
        Some(domain) => {
            let host = name.split('/').next().unwrap_or_default();
            (domain.starts_with('.') && host.len() > domain.len() && host.ends_with(domain)).then_some(host.len())?
        }
        None => name.starts_with(source).then_some(source.len())?,
    };
    matches!(name[end..].chars().next(), None | Some('/')).then_some(end)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Sets: kind, name, and source and mirrors of each entry.
    fn mirrors(sets: &[(&str, &str, &str, &[&str])]) -> Mirrors {
        let answers: Vec<(SurveyQuery, Answer)> = sets
            .iter()
            .map(|(kind, name, source, mirrors)| {
                let (group, field) = match *kind {
                    "ImageTagMirrorSet" => ("config.openshift.io", "imageTagMirrors"),
                    "ImageDigestMirrorSet" => ("config.openshift.io", "imageDigestMirrors"),
                    _ => ("operator.openshift.io", "repositoryDigestMirrors"),
                };
                let set =
                    json!({"metadata": {"name": name}, "spec": {field: [{"source": source, "mirrors": mirrors}]}});
                let ask = SurveyQuery::List { group: group.into(), kind: (*kind).into(), namespace: String::new() };
                (ask, Answer::Items(vec![Object::new(set)]))
            })
            .collect();
        Mirrors::of(answers.iter().map(|(ask, answer)| (ask, answer)))
    }

    fn found(mirrors: &Mirrors, image: &str) -> (Vec<String>, Vec<String>) {
        let found = mirrors.of_image(&ImageReference::parse(image).expect("a name"));
        let names = |mirrors: &[Mirror]| {
            mirrors
                .iter()
                .map(|Mirror { image, .. }| format!("{}/{} {}", image.registry, image.repository, image.reference()))
                .collect()
        };
        (names(&found.tried), names(&found.passed_over))
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn sets_for_tags_are_for_tags_and_sets_for_digests_for_digests() {
        let digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let pinned = format!("gcr.io/t/a:1@{digest}");
        let there = format!("m:5000/x/t/a {digest}");
        for kind in ["ImageDigestMirrorSet", "ImageContentSourcePolicy"] {
            let sets = mirrors(&[(kind, "s", "gcr.io", &["m:5000/x"])]);
            assert_eq!(found(&sets, "gcr.io/t/a:1"), (vec![], vec!["m:5000/x/t/a 1".into()]), "{kind}");
            assert_eq!(found(&sets, &pinned), (vec![there.clone()], vec![]), "{kind}");
        }
        let sets = mirrors(&[("ImageTagMirrorSet", "s", "gcr.io", &["m:5000/x"])]);
        assert_eq!(found(&sets, "gcr.io/t/a"), (vec!["m:5000/x/t/a latest".into()], vec![]));
        assert_eq!(found(&sets, &pinned), (vec![], vec![there]));
    }

    #[test]
    fn a_source_ends_where_a_part_of_the_name_ends() {
        for (source, image, place) in [
            ("gcr.io", "gcr.io/t/a:1", Some("m/t/a 1")),
            ("gcr.io/t", "gcr.io/t/a:1", Some("m/a 1")),
            ("gcr.io/t/a", "gcr.io/t/a:1", Some("docker.io/library/m 1")),
            ("gcr.io/t", "gcr.io/team/a:1", None),
            ("gcr.io/t/a", "gcr.io/t/ab:1", None),
            ("gcr", "gcr.io/t/a:1", None),
            ("docker.io", "nginx:1", Some("m/library/nginx 1")),
            ("docker.io/library/nginx", "nginx:1", Some("docker.io/library/m 1")),
            ("*.example", "a.b.example/t:1", Some("m/t 1")),
            ("*.example", "example/t:1", None),
            ("*.example", "a.other/x.example/t:1", None),
            ("h:5000", "h:5000/t:1", Some("m/t 1")),
            ("h", "h:5000/t:1", None),
        ] {
            // A mirror of one word is a path of the default registry, unless it has a port.
            let sets = mirrors(&[("ImageTagMirrorSet", "s", source, &["m"])]);
            let place = place
                .map(|place| if place.starts_with("docker.io") { place.into() } else { format!("docker.io/{place}") });
            let (tried, _) = found(&sets, image);
            assert_eq!(tried.first(), place.as_ref(), "{source} {image}");
        }
    }

    #[test]
    fn the_longest_source_counts_alone_and_its_mirrors_in_order() {
        let sets = mirrors(&[
            ("ImageTagMirrorSet", "all", "gcr.io", &["m:1"]),
            ("ImageTagMirrorSet", "team", "gcr.io/t", &["m:2/t", "m:3/t"]),
        ]);
        assert_eq!(found(&sets, "gcr.io/t/a:1").0, ["m:2/t/a 1", "m:3/t/a 1"]);
        assert_eq!(found(&sets, "gcr.io/u/a:1").0, ["m:1/u/a 1"]);
        // A longer source for digests hides a shorter one for tags.
        let sets = mirrors(&[
            ("ImageTagMirrorSet", "all", "gcr.io", &["m:1"]),
            ("ImageDigestMirrorSet", "team", "gcr.io/t", &["m:2/t"]),
        ]);
        assert_eq!(found(&sets, "gcr.io/t/a:1"), (vec![], vec!["m:2/t/a 1".into()]));
    }

    #[test]
    fn what_may_not_be_listed_is_said() {
        let ask = SurveyQuery::List {
            group: "config.openshift.io".into(),
            kind: "ImageTagMirrorSet".into(),
            namespace: String::new(),
        };
        let mirrors = Mirrors::of([(&ask, &Answer::Denied("forbidden".into()))]);
        assert_eq!(mirrors.unreadable(), ["ImageTagMirrorSets may not be listed: forbidden"]);
        assert_eq!(found(&mirrors, "gcr.io/a:1").0, NONE);
        assert_eq!(Mirrors::of([(&ask, &Answer::NotServed)]), Mirrors::default());
    }
}

//! What a chart's templates ask of the kinds that the server has.

use std::collections::BTreeSet;

use super::ChartArchive;

/// The names that the templates of a chart, and of those that it brings along, look for among the server's kinds
/// (`.Capabilities.APIVersions.Has "apps/v1"`); `None` where they may look at any.
#[must_use]
pub fn asked_kinds(archive: &ChartArchive) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for (path, bytes) in &archive.files {
        // A chart that is packed inside is not looked into.
        if path.contains("charts/") && path.ends_with(".tgz") {
            return None;
        }
        if path.split('/').any(|part| part == "templates") {
            all.extend(asked_in(&String::from_utf8_lossy(bytes))?);
        }
    }
    Some(all)
}

fn asked_in(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for (at, word) in text.match_indices("Capabilities") {
        let rest = &text[at + word.len()..];
        if rest.starts_with(".KubeVersion") || rest.starts_with(".HelmVersion") {
            continue;
        }
        let literal = rest.strip_prefix(".APIVersions.Has")?.trim_start().strip_prefix('"')?;
        names.push(literal.split_once('"')?.0.to_owned());
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_written_out_are_all_that_is_asked() {
        for (text, asked) in [
            ("a: {{ .Release.Name }}", Some(vec![])),
            ("{{ .Capabilities.KubeVersion.Version }}", Some(vec![])),
            ("{{ if $.Capabilities.APIVersions.Has \"policy/v1\" }}a{{ end }}", Some(vec!["policy/v1"])),
            (
                "{{ if (.Capabilities.APIVersions.Has \"a/v1/A\") }}{{ else if .Capabilities.APIVersions.Has  \"b/v1\" }}",
                Some(vec!["a/v1/A", "b/v1"]),
            ),
            ("{{ if .Capabilities.APIVersions.Has $name }}", None),
            ("{{ range .Capabilities.APIVersions }}", None),
            ("{{ .Capabilities | toJson }}", None),
        ] {
            let asked = asked.map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(asked_in(text), asked, "{text}");
        }
    }
}

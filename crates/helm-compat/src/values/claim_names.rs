//! Under which values a chart takes the name of a PVC that exists.

use std::collections::BTreeSet;

use super::flatten;
use crate::chart::{self, ChartArchive};
use crate::yaml;

/// The value's last key in the charts of Bitnami and of most others.
const KEY: &str = "existingClaim";

/// The dotted paths of a chart's values that end in `existingClaim`: those of its default values, and those that its templates
/// read as `.Values.a.existingClaim`, or through a variable that is set to `.Values.a` in the same file. Subcharts are
/// under their names.
#[must_use]
pub fn claim_names(archive: &ChartArchive) -> BTreeSet<String> {
    let is_name = |path: &String| path.rsplit('.').next() == Some(KEY);
    let mut all: BTreeSet<String> =
        flatten(&archive.values).into_iter().map(|(path, _)| path).filter(is_name).collect();
    for (file, bytes) in &archive.files {
        let (prefix, name) = of_subchart(file);
        if name.ends_with(".tgz") {
            let inner = chart::read(bytes).ok();
            all.extend(inner.iter().flat_map(|inner| {
                claim_names(inner).into_iter().map(|path| format!("{prefix}{}.{path}", inner.name)).collect::<Vec<_>>()
            }));
            continue;
        }
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        let found: Vec<String> = if name == "values.yaml" && !prefix.is_empty() {
            let values = yaml::documents(text).ok().and_then(|docs| docs.into_iter().next());
            values.iter().flat_map(flatten).map(|(path, _)| path).filter(is_name).collect()
        } else if name.starts_with("templates/") {
            read_by(text)
        } else {
            Vec::new()
        };
        all.extend(found.into_iter().map(|path| format!("{prefix}{path}")));
    }
    all
}

/// `a.b.` and the rest of `charts/a/charts/b/REST`.
fn of_subchart(mut file: &str) -> (String, &str) {
    let mut prefix = String::new();
    while let Some((name, rest)) = file.strip_prefix("charts/").and_then(|rest| rest.split_once('/')) {
        prefix.push_str(&format!("{name}."));
        file = rest;
    }
    (prefix, file.strip_prefix("charts/").unwrap_or(file))
}

fn read_by(text: &str) -> Vec<String> {
    let end = format!(".{KEY}");
    let ends = text.match_indices(&end).filter(|(at, _)| !text[at + end.len()..].starts_with(is_of_chain));
    ends.filter_map(|(at, _)| {
        let before = &text[..at];
        let start = before.rfind(|c: char| !is_of_chain(c)).map_or(0, |at| at + 1);
        let chain = &before[start..];
        let path = match chain.split_once(".Values.").or_else(|| chain.split_once("Values.")) {
            Some((_, path)) => path.to_owned(),
            None => of_variable(text, chain)?,
        };
        Some(format!("{path}{end}"))
    })
    .collect()
}

/// The values path that a variable stands for: `$x := .Values.a.b`, and what follows it in `$x.c`.
fn of_variable(text: &str, chain: &str) -> Option<String> {
    let (name, below) = chain.split_once('.').map_or((chain, ""), |(name, below)| (name, below));
    if !name.starts_with('$') || name.len() < 2 {
        return None;
    }
    let (_, set) = text.split_once(&format!("{name} := "))?;
    let value = set.split(|c: char| !is_of_chain(c)).next()?;
    let (_, path) = value.split_once(".Values.")?;
    Some(if below.is_empty() { path.to_owned() } else { format!("{path}.{below}") })
}

fn is_of_chain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '$')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_paths_of_a_chart_and_its_subcharts() {
        let files = [
            ("Chart.yaml", "name: c\nversion: 1.0.0\n"),
            ("values.yaml", "redis: {persistence: {existingClaim: \"\"}}\nother: 1\n"),
            ("templates/a.yaml", "{{- $p := .Values.postgresql.primary }}\n{{ with $p.persistence.existingClaim }}"),
            ("templates/b.yaml", "{{ .Values.store.existingClaim }} {{ .existingClaim }} {{ $x.existingClaim }}"),
            ("charts/inner/Chart.yaml", "name: inner\nversion: 1.0.0\n"),
            ("charts/inner/values.yaml", "data: {existingClaim: null}\n"),
            ("charts/inner/templates/a.yaml", "{{ $.Values.logs.existingClaim }}{{ .Values.existingClaims }}"),
        ];
        let files: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        let archive = chart::read(&chart::pack(&files, "c")).expect("a chart");
        let found: Vec<String> = claim_names(&archive).into_iter().collect();
        let expected = [
            "inner.data.existingClaim",
            "inner.logs.existingClaim",
            "postgresql.primary.persistence.existingClaim",
            "redis.persistence.existingClaim",
            "store.existingClaim",
        ];
        assert_eq!(found, expected);
    }
}

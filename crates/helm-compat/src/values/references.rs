//! Which values a chart's templates read, by their text.
//!
//! It errs on the side of reading: what cannot be told reads everything. A chain such as `.Values.a.b` reads `a.b` with all
//! that is below it, whether it is printed, tested or handed on; `.Values` alone reads everything.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{get, keys};
use crate::chart::{self, ChartArchive};
use crate::yaml;

/// What the templates of a chart and of its subcharts read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Whether all values are read, or it cannot be told.
    everything: bool,
    /// The chains of keys that are read.
    chains: BTreeSet<Vec<String>>,
    /// Names and aliases of the charts that this one brings along, at any depth.
    subcharts: BTreeSet<String>,
    /// The chart's default values.
    defaults: Value,
}

impl References {
    /// Reads a chart's files.
    #[must_use]
    pub fn of(archive: &ChartArchive) -> Self {
        let mut references = Self { defaults: archive.values.clone(), ..Self::default() };
        references.take(archive);
        // A chart without templates renders nothing by itself.
        references.everything |= !archive.files.keys().any(|path| path.contains("templates/"));
        references
    }

    /// Whether something may read the value at a dotted path, or one that holds it.
    #[must_use]
    pub fn reads(&self, path: &str) -> bool {
        let keys = keys(path);
        if self.everything || keys[0] == "tags" || get(&self.defaults, path).is_some() {
            return true;
        }
        // A subchart sees its part as its own values.
        let mut seen = vec![keys.as_slice()];
        let mut rest = keys.as_slice();
        while let [first, below @ ..] = rest {
            if !self.subcharts.contains(first) {
                break;
            }
            seen.push(below);
            rest = below;
        }
        seen.into_iter().any(|keys| {
            keys.is_empty() || self.chains.iter().any(|chain| keys.starts_with(chain) || chain.starts_with(keys))
        })
    }

    fn take(&mut self, archive: &ChartArchive) {
        for (path, bytes) in &archive.files {
            let name = path.rsplit('/').next().unwrap_or(path);
            if path.starts_with("charts/") && name.ends_with(".tgz") {
                match chart::read(bytes) {
                    Ok(inner) => {
                        self.subcharts.insert(inner.name.clone());
                        self.take(&inner);
                    }
                    Err(_) => self.everything = true,
                }
                continue;
            }
            let Ok(text) = std::str::from_utf8(bytes) else { continue };
            if name == "Chart.yaml" || name == "requirements.yaml" {
                self.take_chart(text, path.contains('/'));
            } else if !name.ends_with(".md") && name != "values.schema.json" {
                self.take_text(&without_comments(text));
            }
        }
    }

    /// Names of subcharts, and the values that switch them.
    fn take_chart(&mut self, text: &str, is_inner: bool) {
        let Some(json) = yaml::documents(text).ok().and_then(|docs| docs.into_iter().next()) else {
            self.everything = true;
            return;
        };
        if is_inner {
            self.subcharts.extend(json.get("name").and_then(Value::as_str).map(str::to_owned));
        }
        for dependency in json.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            let word = |key: &str| dependency.get(key).and_then(Value::as_str);
            self.subcharts.extend(["name", "alias"].into_iter().filter_map(word).map(str::to_owned));
            self.chains
                .extend(word("condition").into_iter().flat_map(|all| all.split(',')).map(|path| keys(path.trim())));
            self.everything |= dependency.get("import-values").is_some();
        }
    }

    fn take_text(&mut self, text: &str) {
        const VALUES: &str = ".Values";
        for (at, _) in text.match_indices(VALUES) {
            let rest = &text[at + VALUES.len()..];
            if rest.starts_with(is_of_key) {
                continue;
            }
            let (mut chain, rest) = dotted(rest);
            // `index .Values "a" "b"` reads a.b.
            let before = text[..at].trim_end_matches(|c: char| is_of_key(c) || c == '$' || c == '.').trim_end();
            if ["index", "get", "hasKey"].iter().any(|word| before.ends_with(word)) {
                chain.extend(quoted(rest));
            }
            self.everything |= chain.is_empty();
            self.chains.insert(chain);
        }
    }
}

fn is_of_key(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The keys of `.a.b`, and what follows them.
fn dotted(mut rest: &str) -> (Vec<String>, &str) {
    let mut chain = Vec::new();
    while let Some(after) = rest.strip_prefix('.') {
        let end = after.find(|c: char| !is_of_key(c)).unwrap_or(after.len());
        if end == 0 {
            break;
        }
        chain.push(after[..end].to_owned());
        rest = &after[end..];
    }
    (chain, rest)
}

/// The keys of ` "a" "b"`.
fn quoted(mut rest: &str) -> Vec<String> {
    let mut chain = Vec::new();
    while let Some(after) = rest.trim_start().strip_prefix('"') {
        let Some((key, after)) = after.split_once('"') else { break };
        chain.push(key.to_owned());
        rest = after;
    }
    chain
}

/// A template without its comments.
fn without_comments(text: &str) -> String {
    let mut all = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("/*") {
        let is_comment = rest[..at].trim_end_matches([' ', '-']).ends_with("{{");
        let Some(end) = rest[at..].find("*/").filter(|_| is_comment) else {
            all.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        all.push_str(&rest[..at]);
        rest = &rest[at + end + 2..];
    }
    all + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn references(files: &[(&str, &str)]) -> References {
        let mut all = BTreeMap::from([("Chart.yaml".to_owned(), b"name: c\nversion: 1.0.0\n".to_vec())]);
        all.extend(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())));
        References::of(&chart::read(&chart::pack(&all, "c")).expect("a chart"))
    }

    #[test]
    fn what_a_template_reads() {
        let cases: [(&str, &[&str], &[&str]); 10] = [
            ("{{ .Values.a.b }}", &["a.b", "a.b.c", "a"], &["a.c", "b"]),
            ("{{ toYaml .Values.a | nindent 2 }}", &["a.b.c"], &["b"]),
            ("{{ with .Values.a }}{{ .b }}{{ end }}", &["a.b", "a.x"], &["b"]),
            ("{{ index .Values \"a\" \"b-c\" }}", &["a.b-c"], &["a.d"]),
            ("{{ index $.Values.a \"b\" }}", &["a.b"], &["a.d"]),
            ("{{ include \"x\" (dict \"v\" .Values.a \"w\" .Values.b) }}", &["a.v", "b.w"], &["v", "w"]),
            ("{{ range $k, $v := .Values }}{{ end }}", &["anything"], &[]),
            ("{{ index .Values $name }}", &["anything"], &[]),
            ("{{/* .Values.a */}}{{- /* .Values.b */ -}}{{ .Values.c }}", &["c"], &["a", "b"]),
            ("{{ $ctx.Values.a }} .ValuesOf", &["a"], &["b"]),
        ];
        for (template, read, not) in cases {
            let references = references(&[("templates/a.yaml", template)]);
            for path in read {
                assert!(references.reads(path), "{template} reads {path}");
            }
            for path in not {
                assert!(!references.reads(path), "{template} does not read {path}");
            }
        }
    }

    #[test]
    fn a_subchart_reads_its_part() {
        let sub = ("charts/redis/Chart.yaml", "name: redis\nversion: 1.0.0\n");
        let references = references(&[
            (
                "Chart.yaml",
                "name: c\nversion: 1.0.0\ndependencies: [{name: redis, alias: cache, version: 1.0.0, condition: on.cache}]\n",
            ),
            sub,
            ("charts/redis/templates/a.yaml", "{{ .Values.port }}{{ .Values.global.tag }}"),
            ("templates/b.yaml", "{{ .Values.x }}"),
        ]);
        for path in ["redis.port", "cache.port", "on.cache", "global.tag", "x", "tags.a"] {
            assert!(references.reads(path), "{path}");
        }
        for path in ["redis.host", "cache.host", "global.other"] {
            assert!(!references.reads(path), "{path}");
        }
    }

    #[test]
    fn defaults_and_charts_without_templates_read() {
        let values = ("values.yaml", "a: {b: 1}\n");
        assert!(references(&[values, ("templates/a.yaml", "x: {{ .Values.c }}")]).reads("a.b"));
        assert!(!references(&[values, ("templates/a.yaml", "x: {{ .Values.c }}")]).reads("a.d"));
        assert!(references(&[]).reads("whatever"));
    }
}

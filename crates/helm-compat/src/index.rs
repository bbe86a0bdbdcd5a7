//! The index of a chart repository: which charts of which versions it has (helm 3.22.0, `pkg/repo/index.go`).

use portolan_model::ChartId;
use serde_json::Value;

use crate::{chart, yaml};

/// A chart that an index names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name and version.
    pub id: ChartId,
    /// The version as it is written there: `v2.20.41`. Helm finds a chart by this spelling at once.
    pub version: String,
    /// The SHA-256 of the archive in hexadecimal; `None` where the index does not say.
    pub digest: Option<String>,
}

/// The charts of these names, as the index lists them. An entry without a readable version is passed over, as helm
/// does.
///
/// # Errors
/// What is wrong with the text: no YAML, or YAML that is no index.
pub fn read(text: &str, names: &[String]) -> Result<Vec<Listed>, String> {
    // Helm, too, tries JSON first: a large index is read many times faster.
    let index = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) => yaml::documents(text)
            .map_err(|error| format!("line {}: {}", error.line, error.message))?
            .into_iter()
            .next()
            .unwrap_or(Value::Null),
    };
    if !index["apiVersion"].is_string() {
        return Err("it has no apiVersion".into());
    }
    let listed = names.iter().flat_map(|name| {
        let entries = index["entries"][name].as_array().map(Vec::as_slice).unwrap_or_default();
        entries.iter().filter_map(|entry| listed(name, entry))
    });
    Ok(listed.collect())
}

fn listed(name: &str, entry: &Value) -> Option<Listed> {
    let version = entry["version"].as_str()?;
    let digest = entry["digest"].as_str().map(|digest| digest.trim_start_matches("sha256:").to_lowercase());
    Some(Listed {
        id: ChartId { name: name.to_owned(), version: chart::version(version)? },
        version: version.to_owned(),
        digest: digest.filter(|digest| !digest.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const INDEX: &str = "\
apiVersion: v1
entries:
  control-plane:
  - {name: control-plane, version: 2.20.41, digest: ABCD}
  - {name: control-plane, version: v2.20.9, digest: 'sha256:12ef'}
  - {name: control-plane, version: newest}
  other: [{name: other, version: 1.0.0}]
";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn charts_are_listed_by_name_with_their_own_spelling() {
        let listed = read(INDEX, &names(&["runai-backend", "control-plane"])).expect("an index");
        let seen: Vec<(String, &str, Option<&str>)> =
            listed.iter().map(|its| (its.id.to_string(), its.version.as_str(), its.digest.as_deref())).collect();
        assert_eq!(
            seen,
            [
                ("control-plane 2.20.41".to_owned(), "2.20.41", Some("abcd")),
                ("control-plane 2.20.9".to_owned(), "v2.20.9", Some("12ef")),
            ]
        );
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for text in ["", "<html><body>Log in</body></html>", "entries: {}", "{}", "a: [b"] {
            assert!(read(text, &names(&["control-plane"])).is_err(), "{text}");
        }
    }

    #[test]
    fn a_large_index_is_read() {
        let mut text = String::from("apiVersion: v1\nentries:\n  control-plane:\n");
        for patch in 0..20_000 {
            let more = "    annotations: {a: b, c: d}\n    keywords: [e, f, g, h]\n    sources: [i, j, k]\n";
            writeln!(text, "  - name: control-plane\n    version: 2.20.{patch}\n{more}    description: x")
                .expect("memory");
        }
        let listed = read(&text, &names(&["control-plane"])).expect("an index");
        assert_eq!(listed.len(), 20_000);
    }
}

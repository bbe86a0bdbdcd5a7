//! Where the objects of a kind are found. The usual kinds are a table, so that a survey does not begin with
//! a hundred requests; of others the server is asked once.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;

use super::Client;
use super::error::status;

/// Where the objects of a kind are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) kind: String,
    /// `v1`, `apps/v1`.
    pub(super) api_version: String,
    plural: String,
    namespaced: bool,
}

impl Endpoint {
    /// The path of all objects; `namespace` is empty for all namespaces.
    pub(super) fn list(&self, namespace: &str) -> String {
        let root = if self.api_version.contains('/') { "apis" } else { "api" };
        let base = format!("/{root}/{}", self.api_version);
        if self.namespaced && !namespace.is_empty() {
            format!("{base}/namespaces/{}/{}", encode(namespace), self.plural)
        } else {
            format!("{base}/{}", self.plural)
        }
    }

    /// The same kind in another version of its API; in this one where the version is empty.
    pub(super) fn at_version(&self, api_version: &str) -> Self {
        let mut other = self.clone();
        if !api_version.is_empty() {
            api_version.clone_into(&mut other.api_version);
        }
        other
    }

    /// The kind in the plural, as paths and rights name it.
    pub(super) fn plural(&self) -> &str {
        &self.plural
    }

    /// The path of one object.
    pub(super) fn one(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.list(namespace), encode(name))
    }
}

/// Percent-encodes what is not plain in a path or a query.
pub(super) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

pub(super) fn well_known(group: &str, kind: &str) -> Option<Endpoint> {
    let known = portolan_kube_facts::usual_kind(group, kind)?;
    Some(Endpoint {
        kind: known.kind.into(),
        api_version: known.api_version(),
        plural: known.plural,
        namespaced: known.is_namespaced,
    })
}

/// A kind that a server has.
pub(crate) struct Kind {
    pub(crate) name: String,
    /// `v1`, `apps/v1`.
    pub(crate) api_version: String,
    pub(crate) plural: String,
    pub(crate) is_namespaced: bool,
}

/// The kinds of a server that cannot be asked: those that every Kubernetes has, and what is known of this one, as helm calls it
/// (`route.openshift.io/v1/Route`). A plural that is not usual is guessed, and whether a kind is namespaced is said by the caller.
pub(crate) fn kinds(api_versions: &[String], is_namespaced: &dyn Fn(&str) -> bool) -> Vec<Kind> {
    let usual = portolan_kube_facts::usual_kinds().filter(|usual| !usual.group.ends_with(".openshift.io"));
    let mut all: Vec<Kind> = usual
        .map(|usual| Kind {
            name: usual.kind.into(),
            api_version: usual.api_version(),
            plural: usual.plural,
            is_namespaced: usual.is_namespaced,
        })
        .collect();
    for (api_version, name) in api_versions.iter().filter_map(|it| it.rsplit_once('/')) {
        // `apps/v1` is a version, `v1/Pod` and `apps/v1/Deployment` are kinds.
        if !name.starts_with(char::is_uppercase)
            || all.iter().any(|it| it.name == name && it.api_version == api_version)
        {
            continue;
        }
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let usual = well_known(group, name);
        all.push(Kind {
            name: name.to_owned(),
            api_version: api_version.to_owned(),
            is_namespaced: usual.as_ref().map_or_else(|| is_namespaced(name), |usual| usual.namespaced),
            plural: portolan_kube_facts::plural(group, name),
        });
    }
    all
}

fn join(group: &str, version: &str) -> String {
    if group.is_empty() { version.into() } else { format!("{group}/{version}") }
}

/// What the server said of kinds that are not in the table.
#[derive(Default)]
pub(super) struct Kinds {
    asked: Mutex<BTreeMap<(String, String), Option<Endpoint>>>,
}

impl Client {
    /// Where a kind is found; `None` where the server does not have it.
    pub(super) async fn endpoint(&self, group: &str, kind: &str) -> Result<Option<Endpoint>, kube::Error> {
        if let Some(endpoint) = well_known(group, kind) {
            return Ok(Some(endpoint));
        }
        let key = (group.to_owned(), kind.to_owned());
        let known = |map: &BTreeMap<_, Option<Endpoint>>| map.get(&key).cloned();
        if let Some(known) = self.kinds.asked.lock().ok().and_then(|map| known(&map)) {
            return Ok(known);
        }
        let found = self.discover(group, kind).await?;
        if let Ok(mut map) = self.kinds.asked.lock() {
            map.insert(key, found.clone());
        }
        Ok(found)
    }

    async fn discover(&self, group: &str, kind: &str) -> Result<Option<Endpoint>, kube::Error> {
        let versions = if group.is_empty() {
            vec!["v1".to_owned()]
        } else {
            match self.fetch(&format!("/apis/{}", encode(group))).await {
                Ok(answer) => versions(&answer),
                Err(error) if status(&error).is_some_and(|status| status.code == 404) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        };
        let root = if group.is_empty() { "api" } else { "apis" };
        for version in versions {
            let api_version = join(group, &version);
            let answer = self.fetch(&format!("/{root}/{api_version}")).await?;
            let found = resource(&answer, kind);
            if let Some((plural, namespaced)) = found {
                return Ok(Some(Endpoint { kind: kind.into(), api_version, plural, namespaced }));
            }
        }
        Ok(None)
    }
}

/// A group's versions, the preferred one first.
fn versions(group: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut versions: Vec<String> = group.pointer("/preferredVersion/version").and_then(text).into_iter().collect();
    for version in group["versions"].as_array().into_iter().flatten() {
        if let Some(version) = text(&version["version"])
            && !versions.contains(&version)
        {
            versions.push(version);
        }
    }
    versions
}

fn resource(answer: &Value, kind: &str) -> Option<(String, bool)> {
    answer["resources"].as_array()?.iter().find_map(|resource| {
        let plural = resource["name"].as_str()?;
        // `pods/status` is a part of a kind, not the kind.
        (resource["kind"] == kind && !plural.contains('/')).then(|| {
            let namespaced = resource["namespaced"].as_bool().unwrap_or_default();
            (plural.to_owned(), namespaced)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(group: &str, kind: &str, namespace: &str, name: &str) -> String {
        well_known(group, kind).expect("in the table").one(namespace, name)
    }

    #[test]
    fn paths_of_the_usual_kinds() {
        assert_eq!(path("", "Pod", "ns", "p-0"), "/api/v1/namespaces/ns/pods/p-0");
        assert_eq!(path("", "PersistentVolume", "", "pv"), "/api/v1/persistentvolumes/pv");
        assert_eq!(path("apps", "StatefulSet", "ns", "s"), "/apis/apps/v1/namespaces/ns/statefulsets/s");
        assert_eq!(
            path("networking.k8s.io", "Ingress", "ns", "i"),
            "/apis/networking.k8s.io/v1/namespaces/ns/ingresses/i"
        );
        // The same word in another group is another kind.
        assert_eq!(
            path("config.openshift.io", "Ingress", "", "cluster"),
            "/apis/config.openshift.io/v1/ingresses/cluster"
        );
        assert_eq!(well_known("monitoring.coreos.com", "ServiceMonitor"), None);
        let pods = well_known("", "Pod").expect("in the table");
        assert_eq!(pods.list(""), "/api/v1/pods");
        assert_eq!(encode("a b/c"), "a%20b%2Fc");
    }

    #[test]
    fn the_preferred_version_is_asked_first() {
        let group = serde_json::json!({
            "versions": [{ "version": "v1beta1" }, { "version": "v1" }],
            "preferredVersion": { "version": "v1" },
        });
        assert_eq!(versions(&group), ["v1", "v1beta1"]);
    }
}

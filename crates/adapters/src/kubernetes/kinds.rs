//! Where the objects of a kind are found. The usual kinds are a table, so that a survey does not begin with
//! a hundred requests; of others the server is asked once.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

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

impl Kind {
    /// Its group; empty for Kubernetes' first.
    pub(crate) fn group(&self) -> &str {
        group_of(&self.api_version)
    }
}

impl From<Kind> for Endpoint {
    fn from(kind: Kind) -> Self {
        Self { kind: kind.name, api_version: kind.api_version, plural: kind.plural, namespaced: kind.is_namespaced }
    }
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
        let group = group_of(api_version);
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

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// `apps` of `apps/v1`; empty for `v1`.
fn group_of(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

fn join(group: &str, version: &str) -> String {
    if group.is_empty() { version.into() } else { format!("{group}/{version}") }
}

/// Kinds that are not in the table and that the server has. What it does not have, a chart may bring it during a run.
#[derive(Default)]
pub(super) struct Kinds {
    found: Mutex<BTreeMap<(String, String), Endpoint>>,
}

impl Client {
    /// Where a kind is found; `None` where the server does not have it.
    pub(super) async fn endpoint(&self, group: &str, kind: &str) -> Result<Option<Endpoint>, kube::Error> {
        if let Some(endpoint) = well_known(group, kind) {
            return Ok(Some(endpoint));
        }
        let key = (group.to_owned(), kind.to_owned());
        if let Some(known) = self.kinds.found.lock().ok().and_then(|map| map.get(&key).cloned()) {
            return Ok(Some(known));
        }
        let found = self.discover(group, kind).await?;
        if let (Some(found), Ok(mut map)) = (&found, self.kinds.found.lock()) {
            map.insert(key, found.clone());
        }
        Ok(found)
    }

    async fn discover(&self, group: &str, kind: &str) -> Result<Option<Endpoint>, kube::Error> {
        let find = |document: &Value| {
            let of_kind = |it: &Kind| it.name == kind && it.group() == group && !it.plural.contains('/');
            kinds_of(document).into_iter().find(of_kind).map(Endpoint::from)
        };
        if group.is_empty() {
            return Ok(find(&self.reader.about("/api/v1").await?));
        }
        if let Some(found) = find(&self.reader.about("/apis").await?) {
            return Ok(Some(found));
        }
        // Not there when the server was asked, or its group's own server was down, or the server answers with groups alone.
        let group = match self.reader.fetch(&format!("/apis/{}", encode(group))).await {
            Ok(group) => json!({ "groups": [group] }),
            Err(error) if status(&error).is_some_and(|status| status.code == 404) => return Ok(None),
            Err(error) => return Err(error),
        };
        for version in group_versions(&group) {
            if let Some(found) = find(&self.reader.fetch(&format!("/apis/{version}")).await?) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Whether an answer about groups holds their kinds too.
pub(super) fn is_aggregated(about: &Value) -> bool {
    about["kind"] == "APIGroupDiscoveryList"
}

/// The versions of all groups (`apps/v1`), of each group the preferred one first, out of an `APIGroupDiscoveryList` or an
/// `APIGroupList`.
pub(super) fn group_versions(about: &Value) -> Vec<String> {
    let mut all = Vec::new();
    let (groups, name) = if is_aggregated(about) { ("items", "/metadata/name") } else { ("groups", "/name") };
    for group in about[groups].as_array().into_iter().flatten() {
        let name = group.pointer(name).and_then(Value::as_str).unwrap_or_default();
        let versions = group["versions"].as_array().into_iter().flatten();
        let preferred = group.pointer("/preferredVersion/version");
        for version in preferred.into_iter().chain(versions.map(|version| &version["version"])) {
            let version = format!("{name}/{}", version.as_str().unwrap_or_default());
            if !all.contains(&version) {
                all.push(version);
            }
        }
    }
    all
}

/// The kinds that a discovery document names, parts of kinds (`pods/status`) among them: of all groups (`APIGroupDiscoveryList`),
/// those whose own server is down left out, or of one version of one (`APIResourceList`).
pub(crate) fn kinds_of(document: &Value) -> Vec<Kind> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if document["kind"] == "APIResourceList" {
        let api_version = text(&document["groupVersion"]);
        let kind = |it: &Value| Kind {
            name: text(&it["kind"]),
            api_version: api_version.clone(),
            plural: text(&it["name"]),
            is_namespaced: it["namespaced"].as_bool().unwrap_or_default(),
        };
        return list(&document["resources"]).iter().map(kind).collect();
    }
    let mut all = Vec::new();
    for group in list(&document["items"]) {
        for version in list(&group["versions"]).iter().filter(|version| version["freshness"] != "Stale") {
            let api_version = join(&text(&group["metadata"]["name"]), &text(&version["version"]));
            for resource in list(&version["resources"]) {
                let kind = |it: &Value, plural: String| Kind {
                    name: text(&it["responseKind"]["kind"]),
                    api_version: api_version.clone(),
                    plural,
                    is_namespaced: resource["scope"] == "Namespaced",
                };
                let plural = text(&resource["resource"]);
                let parts = list(&resource["subresources"]).iter();
                all.extend(parts.map(|part| kind(part, format!("{plural}/{}", text(&part["subresource"])))));
                all.push(kind(resource, plural.clone()));
            }
        }
    }
    all
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

    fn shown(kinds: &[Kind]) -> Vec<String> {
        kinds
            .iter()
            .map(|kind| format!("{} {} {} {}", kind.api_version, kind.plural, kind.name, kind.is_namespaced))
            .collect()
    }

    #[test]
    fn what_a_server_has_is_read_in_both_forms() {
        let goose = json!({"resource": "geese", "scope": "Namespaced", "responseKind": {"group": "x.example", "kind": "Goose"},
            "subresources": [{"subresource": "scale", "responseKind": {"kind": "Scale"}}]});
        let aggregated = json!({"kind": "APIGroupDiscoveryList", "items": [
            {"metadata": {"name": "x.example"}, "versions": [
                {"version": "v2", "freshness": "Current", "resources": [goose]}, {"version": "v1", "resources": []}]},
            {"metadata": {"name": "down.example"}, "versions": [{"version": "v1", "freshness": "Stale", "resources": [goose]}]},
        ]});
        assert_eq!(group_versions(&aggregated), ["x.example/v2", "x.example/v1", "down.example/v1"]);
        // The kinds of a server that is down are not known.
        let kinds = shown(&kinds_of(&aggregated));
        assert_eq!(kinds, ["x.example/v2 geese/scale Scale true", "x.example/v2 geese Goose true"]);
        let groups = json!({"kind": "APIGroupList", "groups": [
            {"name": "x.example", "versions": [{"version": "v1beta1"}, {"version": "v1"}], "preferredVersion": {"version": "v1"}},
        ]});
        assert_eq!(group_versions(&groups), ["x.example/v1", "x.example/v1beta1"]);
        let resources = json!({"kind": "APIResourceList", "groupVersion": "x.example/v1",
            "resources": [{"name": "geese", "kind": "Goose", "namespaced": true}, {"name": "nests", "kind": "Nest"}]});
        assert_eq!(shown(&kinds_of(&resources)), ["x.example/v1 geese Goose true", "x.example/v1 nests Nest false"]);
    }
}

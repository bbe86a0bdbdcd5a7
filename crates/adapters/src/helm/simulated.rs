//! What a simulated installation answers when helm reads: its objects, and the kinds that a server has anyway or that it is known to
//! have.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use portolan_model::{Inventory, Object, RenderJob};
use serde_json::{Value, json};

use super::place::{Place, Resource, parameter, selects};
use super::view::not_found;
use crate::kubernetes::{HttpReply, Kind, kinds};

/// An installation that has no API server.
pub(super) struct Simulated {
    version: String,
    kinds: Vec<Kind>,
    objects: Vec<Object>,
}

impl Simulated {
    /// As the server of a rendering: with the release's record of the revision before.
    pub(super) fn new(found: &Inventory, job: &RenderJob) -> Self {
        let record = crate::compat::record_before(&found.release, job);
        let objects: Vec<Object> = found.objects.values().cloned().chain([record]).collect();
        // A kind whose objects all lie in namespaces is taken for namespaced, and so is one that has none.
        let cluster_wide: BTreeSet<&str> = objects
            .iter()
            .filter(|object| object.text("/metadata/namespace").is_empty())
            .map(|object| object.text("/kind"))
            .collect();
        let kinds = kinds(&job.api_versions, &|kind| !cluster_wide.contains(kind));
        Self { version: job.kube_version.clone(), kinds, objects }
    }

    /// Answers a GET of a path with its query.
    pub(super) fn answer(&self, path_and_query: &str) -> HttpReply {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        match Place::of(path) {
            Some(Place::About) => self.about(path),
            Some(Place::Object(resource, name)) => {
                let found = self.of(&resource).find(|object| object.text("/metadata/name") == name);
                found.map_or_else(|| not_found(&resource, &name), |object| HttpReply::json(StatusCode::OK, &object.0))
            }
            Some(Place::List(resource)) => self.list(&resource, query),
            None => missing(path),
        }
    }

    fn kind(&self, resource: &Resource) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.api_version == resource.api_version && kind.plural == resource.plural)
    }

    fn of<'a>(&'a self, resource: &'a Resource) -> impl Iterator<Item = &'a Object> {
        let kind = self.kind(resource);
        self.objects.iter().filter(move |object| {
            kind.is_some_and(|kind| object.text("/kind") == kind.name && object.text("/apiVersion") == kind.api_version)
                && (resource.namespace.is_empty() || object.text("/metadata/namespace") == resource.namespace)
        })
    }

    fn list(&self, resource: &Resource, query: &str) -> HttpReply {
        let Some(kind) = self.kind(resource) else { return missing(&resource.plural) };
        let selector = parameter(query, "labelSelector");
        let chosen = self.of(resource).filter(|it| selects(&selector, |key| it.label(key).map(str::to_owned)));
        let items: Vec<&Value> = chosen.map(|object| &*object.0).collect();
        let list = json!({"kind": format!("{}List", kind.name), "apiVersion": kind.api_version, "metadata": {}, "items": items});
        HttpReply::json(StatusCode::OK, &list)
    }

    /// What the server is and has, in the form of before aggregated discovery, which every client of today reads.
    fn about(&self, path: &str) -> HttpReply {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let body = match parts.as_slice() {
            ["version"] => version(&self.version),
            ["api"] => json!({"kind": "APIVersions", "versions": ["v1"]}),
            ["apis"] => self.groups(),
            ["api", version] => self.resources(version),
            ["apis", group, version] => self.resources(&format!("{group}/{version}")),
            _ => return missing(path),
        };
        HttpReply::json(StatusCode::OK, &body)
    }

    fn groups(&self) -> Value {
        let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (group, version) in self.kinds.iter().filter_map(|kind| kind.api_version.split_once('/')) {
            groups.entry(group).or_default().insert(version);
        }
        let groups = groups.into_iter().map(|(name, versions)| {
            let versions: Vec<Value> = versions
                .into_iter()
                .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
                .collect();
            json!({"name": name, "versions": versions, "preferredVersion": versions.last()})
        });
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>()})
    }

    fn resources(&self, api_version: &str) -> Value {
        let here = self.kinds.iter().filter(|kind| kind.api_version == api_version).map(|kind| {
            json!({
                "name": kind.plural, "singularName": "", "namespaced": kind.is_namespaced, "kind": kind.name,
                "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
            })
        });
        json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version,
            "resources": here.collect::<Vec<_>>(),
        })
    }
}

/// `v1.27.8+1` in the form of `/version`.
fn version(text: &str) -> Value {
    let mut numbers = text.trim_start_matches('v').split('.');
    let mut number = || numbers.next().unwrap_or_default().to_owned();
    json!({"major": number(), "minor": number(), "gitVersion": text})
}

fn missing(what: &str) -> HttpReply {
    let message = format!("a simulated installation has no {what}");
    HttpReply::failure(StatusCode::NOT_FOUND, "NotFound", &message, &json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulated() -> Simulated {
        let capabilities = ["route.openshift.io/v1/Route", "own.example/v1", "own.example/v1/Thing"].map(str::to_owned);
        let object = |kind: &str, name: &str, label: &str| {
            Object::new(json!({"apiVersion": "v1", "kind": kind,
                "metadata": {"name": name, "namespace": "n", "labels": {"a": label}}}))
        };
        Simulated {
            version: "v1.27.8+1".into(),
            kinds: kinds(&capabilities, &|_| true),
            objects: vec![object("Secret", "s", "x"), object("Secret", "t", "y"), object("ConfigMap", "s", "x")],
        }
    }

    fn answer(path: &str) -> (u16, Value) {
        let answer = simulated().answer(path);
        (answer.status.as_u16(), serde_json::from_slice(&answer.body).expect("JSON"))
    }

    #[test]
    fn objects_are_found_by_kind_name_and_label() {
        let (status, body) = answer("/api/v1/namespaces/n/secrets/s");
        assert_eq!((status, body["kind"].as_str()), (200, Some("Secret")));
        assert_eq!(answer("/api/v1/namespaces/n/secrets/other").0, 404);
        assert_eq!(answer("/api/v1/namespaces/other/secrets/s").0, 404);
        let (status, body) = answer("/api/v1/namespaces/n/secrets?labelSelector=a%3Dy");
        assert_eq!((status, body["kind"].as_str()), (200, Some("SecretList")));
        assert_eq!(body["items"].as_array().map(Vec::len), Some(1));
        assert_eq!(body["items"][0]["metadata"]["name"], "t");
    }

    #[test]
    fn the_server_has_what_every_server_has_and_what_is_known_of_this_one() {
        assert_eq!(answer("/version").1, json!({"major": "1", "minor": "27", "gitVersion": "v1.27.8+1"}));
        let groups = answer("/apis").1["groups"].to_string();
        for group in ["apps/v1", "route.openshift.io/v1", "own.example/v1", "autoscaling/v2"] {
            assert!(groups.contains(&format!("\"{group}\"")), "{group} in {groups}");
        }
        assert!(!groups.contains("security.openshift.io"), "{groups}");
        let own = &answer("/apis/own.example/v1").1["resources"][0];
        assert_eq!((&own["name"], &own["kind"], &own["namespaced"]), (&json!("things"), &json!("Thing"), &json!(true)));
    }
}

//! The images that an object's pods run, and how their names are read.

use portolan_model::{Digest, Object};
use serde_json::Value;

use crate::{PodTemplate, list};

/// An image that an object names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageField<'a> {
    /// The image as it is written.
    pub image: &'a str,
    /// The field: a JSON pointer in the object.
    pub field: String,
}

/// The registry of a name that begins with none (kubelet's `pkg/util/parsers`, of github.com/distribution/reference 0.6.0).
const DOCKER_HUB: &str = "docker.io";

/// The images of the pods that an object creates: of init, main and ephemeral containers, and of image volumes
/// (Kubernetes 1.34, `staging/src/k8s.io/api/core/v1/types.go`). An empty name is left out: whoever admits the pod fills it in.
#[must_use]
pub fn images(object: &Object) -> Vec<ImageField<'_>> {
    let Some(PodTemplate { pointer, spec, .. }) = PodTemplate::of(object) else { return Vec::new() };
    let containers = ["initContainers", "containers", "ephemeralContainers"].map(|key| (key, "/image"));
    let volumes = ("volumes", "/image/reference");
    let mut found = Vec::new();
    for (key, below) in containers.into_iter().chain([volumes]) {
        for (index, json) in list(spec, key).iter().enumerate() {
            let image = json.pointer(below).and_then(Value::as_str).filter(|image| !image.is_empty());
            found.extend(image.map(|image| ImageField { image, field: format!("{pointer}/{key}/{index}{below}") }));
        }
    }
    found
}

/// The Service of OpenShift's own registry, under the names that it has in a cluster (`openshift/cluster-image-registry-operator`,
/// `pkg/defaults/defaults.go`: `ServiceName`, `ImageRegistryOperatorNamespace`).
const OPENSHIFT_REGISTRY: [&str; 2] =
    ["image-registry.openshift-image-registry.svc", "image-registry.openshift-image-registry.svc.cluster.local"];

/// The beginning of the host of the Route that its operator makes for it (`RouteName` there): the names of the Route and of its namespace.
const OPENSHIFT_ROUTE: &str = "default-route-openshift-image-registry.";

/// Whether a host, with or without a port, is the Service of OpenShift's own registry.
#[must_use]
pub fn is_openshift_registry(host: &str) -> bool {
    OPENSHIFT_REGISTRY.contains(&host.split_once(':').map_or(host, |(name, _)| name))
}

/// Whether repositories at a host are called NAMESPACE/NAME, with neither a shorter nor a longer path: OpenShift's own registry refuses
/// every other one (`openshift/image-registry`, `pkg/dockerregistry/server/util.go`: `getNamespaceName`).
#[must_use]
pub fn has_project_paths(host: &str) -> bool {
    is_openshift_registry(host) || host.starts_with(OPENSHIFT_ROUTE)
}

/// The name of an image as a container runtime reads it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    /// The registry's host, with its port where one is written.
    pub registry: String,
    /// The path in the registry.
    pub repository: String,
    /// The tag; `latest` where neither tag nor digest is written.
    pub tag: Option<String>,
    /// The digest of its manifest, which goes before the tag.
    pub digest: Option<Digest>,
}

impl ImageReference {
    /// Reads a name. `None` for what no runtime pulls: capital letters in the path, a digest that is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let (registry, rest) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => (DOCKER_HUB, name),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        let is_official = registry == DOCKER_HUB && !repository.contains('/');
        let repository = if is_official { format!("library/{repository}") } else { repository.to_owned() };
        let tag = tag.or(digest.is_none().then_some("latest"));
        let usable = is_repository(&repository) && tag.is_none_or(is_tag) && is_host(registry);
        usable.then(|| Self { registry: registry.to_owned(), repository, tag: tag.map(str::to_owned), digest })
    }

    /// What is asked for in the repository: the digest, else the tag.
    #[must_use]
    pub fn reference(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_default(),
        }
    }
}

fn is_host(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

/// Whether a text is a path in a registry: lower-case letters and digits, with `.`, `_`, `-` and slashes between them.
#[must_use]
pub fn is_repository(text: &str) -> bool {
    text.split('/').all(is_component)
}

fn is_component(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.bytes().all(|byte| letter(byte) || b"._-".contains(&byte))
        && text.bytes().next().is_some_and(letter)
        && text.bytes().next_back().is_some_and(letter)
}

/// Whether a text is a tag (OCI distribution specification 1.1, "Pulling manifests").
#[must_use]
pub fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(json: Value) -> Vec<(String, String)> {
        let object = Object::new(json);
        images(&object).into_iter().map(|one| (one.image.to_owned(), one.field)).collect()
    }

    #[test]
    fn every_container_that_a_pod_can_have_is_found() {
        let spec = json!({
            "initContainers": [{"name": "i", "image": "init:1"}],
            "containers": [{"name": "a", "image": "main:1"}, {"name": "b", "image": "side:1"}, {"name": "c"}],
            "ephemeralContainers": [{"name": "d", "image": "debug:1"}],
            "volumes": [{"name": "v", "image": {"reference": "volume:1"}}, {"name": "e", "emptyDir": {}}],
        });
        let want: Vec<String> = ["init:1", "main:1", "side:1", "debug:1", "volume:1"].map(str::to_owned).to_vec();
        let template = json!({"spec": {"template": {"spec": spec}}});
        for (kind, mut json) in [
            ("Pod", json!({"spec": spec})),
            ("Deployment", template.clone()),
            ("StatefulSet", template.clone()),
            ("DaemonSet", template.clone()),
            ("Job", template.clone()),
            ("CronJob", json!({"spec": {"jobTemplate": template}})),
        ] {
            json["kind"] = json!(kind);
            let found = found(json.clone());
            assert_eq!(found.iter().map(|(image, _)| image.clone()).collect::<Vec<_>>(), want, "{kind}");
            for (image, field) in found {
                assert_eq!(json.pointer(&field), Some(&json!(image)), "{field}");
            }
        }
    }

    #[test]
    fn the_registry_of_openshift_is_known_by_its_service() {
        let service = "image-registry.openshift-image-registry.svc";
        for host in [service.to_owned(), format!("{service}:5000"), format!("{service}.cluster.local:5000")] {
            assert!(is_openshift_registry(&host) && has_project_paths(&host), "{host}");
        }
        for host in [
            "registry.example:5000",
            "image-registry.other.svc:5000",
            "default-route-openshift-image-registry.apps.example",
        ] {
            assert!(!is_openshift_registry(host), "{host}");
            assert_eq!(has_project_paths(host), host.starts_with("default-route-"), "{host}");
        }
    }

    #[test]
    fn what_runs_no_pods_names_no_images() {
        let spec = json!({"template": {"spec": {"containers": [{"image": "a:1"}]}}});
        assert_eq!(found(json!({"kind": "ConfigMap", "data": {"image": "a:1"}, "spec": spec})), []);
        assert_eq!(
            found(json!({"kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"image": ""}]}}}})),
            []
        );
    }

    #[test]
    fn a_name_is_read_as_a_runtime_reads_it() {
        let digest = Digest::of(b"");
        for (text, registry, repository, tag, pinned) in [
            ("nginx", "docker.io", "library/nginx", Some("latest"), false),
            ("team/app:1.0", "docker.io", "team/app", Some("1.0"), false),
            ("h:5000/a/b:1", "h:5000", "a/b", Some("1"), false),
            ("localhost/app", "localhost", "app", Some("latest"), false),
            ("h.example/a@", "h.example", "a", None, true),
            ("h.example/a:1@", "h.example", "a", Some("1"), true),
        ] {
            let text = if pinned { format!("{text}{digest}") } else { text.to_owned() };
            let read = ImageReference::parse(&text).expect(&text);
            let found = (read.registry.as_str(), read.repository.as_str(), read.tag.as_deref(), read.digest.is_some());
            assert_eq!(found, (registry, repository, tag, pinned));
            assert_eq!(read.reference(), if pinned { digest.to_string() } else { tag.unwrap_or_default().to_owned() });
        }
        for text in
            ["", "App:1", "h.example/a@sha256:0", "h.example/", "h.example/a:", "https://h.example/a", "{{ .image }}"]
        {
            assert_eq!(ImageReference::parse(text), None, "{text}");
        }
    }
}

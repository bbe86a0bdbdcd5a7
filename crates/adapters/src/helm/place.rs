//! What a GET of helm's is about, by its path alone.

use portolan_model::Ref;

/// Where a request of the Kubernetes API leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// What the server is and has: versions, groups, kinds, schemas.
    About,
    /// An object.
    Object(Resource, String),
    /// The objects of a kind.
    List(Resource),
}

/// A kind in a namespace, as paths name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// `v1`, `apps/v1`.
    pub(super) api_version: String,
    /// `statefulsets`.
    pub(super) plural: String,
    /// Empty for a cluster-scoped kind, and for all namespaces.
    pub(super) namespace: String,
}

impl Resource {
    pub(super) fn group(&self) -> &str {
        self.api_version.rsplit_once('/').map_or("", |(group, _)| group)
    }

    pub(super) fn object(&self, kind: &str, name: &str) -> Ref {
        Ref::new(self.group(), kind, &self.namespace, name)
    }
}

impl Place {
    /// Reads a path; `None` for one that a rendering has no business with: what is below an object (a pod's `exec` or `proxy`), a
    /// watch, the server's own logs.
    pub(super) fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (api_version, rest) = match parts.as_slice() {
            ["version" | "api" | "apis"] | ["api", _] | ["apis", _] | ["apis", _, _] => return Some(Self::About),
            ["openapi", ..] => return Some(Self::About),
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return None,
        };
        let resource = |namespace: &str, plural: &str| Resource {
            api_version: api_version.clone(),
            plural: plural.to_owned(),
            namespace: decode(namespace),
        };
        match rest {
            ["watch", ..] => None,
            [plural] => Some(Self::List(resource("", plural))),
            [plural, name] => Some(Self::Object(resource("", plural), decode(name))),
            ["namespaces", _, "status" | "finalize"] => None,
            ["namespaces", namespace, plural] => Some(Self::List(resource(namespace, plural))),
            ["namespaces", namespace, plural, name] => Some(Self::Object(resource(namespace, plural), decode(name))),
            _ => None,
        }
    }
}

/// Whether a query asks for a watch.
pub(super) fn is_watch(query: &str) -> bool {
    pairs(query).any(|(key, value)| key == "watch" && !matches!(value.as_str(), "" | "0" | "false"))
}

/// A value of a query; empty where there is none.
pub(super) fn parameter(query: &str, key: &str) -> String {
    pairs(query).find(|(its, _)| its == key).map(|(_, value)| value).unwrap_or_default()
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
    })
}

/// Takes percent-encoding off.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a label selector chooses an object; requirements with sets (`in`, `notin`) choose none.
pub(super) fn selects(selector: &str, label: impl Fn(&str) -> Option<String>) -> bool {
    selector.split(',').map(str::trim).filter(|one| !one.is_empty()).all(|one| {
        if let Some((key, value)) = one.split_once("!=") {
            return label(key.trim()).as_deref() != Some(value.trim());
        }
        if let Some((key, value)) = one.split_once('=') {
            return label(key.trim()).as_deref() == Some(value.trim_start_matches('=').trim());
        }
        match one.strip_prefix('!') {
            Some(key) => label(key.trim()).is_none(),
            None => label(one).is_some(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(api_version: &str, plural: &str, namespace: &str) -> Resource {
        Resource { api_version: api_version.into(), plural: plural.into(), namespace: namespace.into() }
    }

    #[test]
    fn paths_of_objects_and_lists_are_read() {
        let cases = [
            ("/api/v1/namespaces/n/secrets/s", Place::Object(resource("v1", "secrets", "n"), "s".into())),
            ("/api/v1/namespaces/n", Place::Object(resource("v1", "namespaces", ""), "n".into())),
            ("/api/v1/namespaces", Place::List(resource("v1", "namespaces", ""))),
            ("/api/v1/secrets", Place::List(resource("v1", "secrets", ""))),
            ("/apis/apps/v1/namespaces/n/statefulsets", Place::List(resource("apps/v1", "statefulsets", "n"))),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Abasic",
                Place::Object(resource("rbac.authorization.k8s.io/v1", "clusterroles", ""), "system:basic".into()),
            ),
            ("/apis/apps/v1", Place::About),
            ("/openapi/v3/apis/apps/v1", Place::About),
            ("/version", Place::About),
        ];
        for (path, place) in cases {
            assert_eq!(Place::of(path), Some(place), "{path}");
        }
    }

    #[test]
    fn what_is_below_an_object_is_nothing_for_a_rendering() {
        for path in [
            "/api/v1/namespaces/n/pods/p/exec",
            "/api/v1/namespaces/n/pods/p/log",
            "/api/v1/namespaces/n/services/s/proxy/x",
            "/api/v1/nodes/n/proxy/logs",
            "/api/v1/watch/namespaces/n/secrets",
            "/logs/kube-apiserver.log",
            "/",
        ] {
            assert_eq!(Place::of(path), None, "{path}");
        }
        assert!(is_watch("watch=1&timeoutSeconds=5") && is_watch("a=b&watch=true") && is_watch("w%61tch=true"));
        assert!(!is_watch("watch=false") && !is_watch("labelSelector=watch%3Dtrue"));
        assert_eq!(parameter("labelSelector=name%3Dx%2Cowner%3Dhelm", "labelSelector"), "name=x,owner=helm");
    }

    #[test]
    fn labels_are_selected() {
        let label = |key: &str| (key == "name").then(|| "x".to_owned());
        for yes in ["", "name=x", "name==x", "name", "!owner", "owner!=helm, name=x"] {
            assert!(selects(yes, label), "{yes}");
        }
        for no in ["name=y", "owner", "!name", "name!=x", "name=x,owner=helm", "name in (x)"] {
            assert!(!selects(no, label), "{no}");
        }
    }
}

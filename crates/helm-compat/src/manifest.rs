//! Manifests: the documents that `helm template` prints and that a release record stores.

use std::collections::BTreeMap;

use portolan_kube_facts::RESOURCE_POLICY;
use portolan_model::{Object, Ref};
use serde_json::Value;

use crate::yaml;

/// The annotation that makes a document a hook.
pub const HOOK: &str = "helm.sh/hook";

/// Why a manifest cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("document {document}{}: {message}", in_template(.template))]
pub struct ManifestError {
    /// Which document, from 1.
    pub document: usize,
    /// The template that it was rendered from, where the document says so; else empty.
    pub template: String,
    /// What is wrong.
    pub message: String,
}

fn in_template(template: &str) -> String {
    if template.is_empty() { String::new() } else { format!(" ({template})") }
}

/// Reads a manifest: YAML documents in the order in which they stand. Empty ones are left out, whatever has `items` gives
/// its items in its place, and `metadata.namespace` is filled in where a namespaced kind leaves it out (and taken off
/// where a cluster-scoped kind has one), so that the same document has the same name wherever it comes from.
///
/// # Errors
/// Where a document is no YAML, no object, or has no kind.
pub fn parse(text: &str, namespace: &str) -> Result<Vec<Object>, ManifestError> {
    Ok(documents(text, namespace)?.into_iter().flat_map(|document| document.objects).collect())
}

/// Reads renderings of one chart, which say mostly the same: what stands in several of them word for word is parsed once.
pub struct Renderings {
    namespace: String,
    /// The documents that were parsed, by their texts.
    parsed: BTreeMap<String, Vec<Object>>,
}

impl Renderings {
    /// Renderings for a namespace.
    #[must_use]
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), parsed: BTreeMap::new() }
    }

    /// Reads one of them, as [`parse`] does.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn parse(&mut self, text: &str) -> Result<Vec<Object>, ManifestError> {
        let mut all = Vec::new();
        for (index, chunk) in chunks(text).into_iter().enumerate() {
            if let Some(known) = self.parsed.get(&chunk) {
                all.extend(known.iter().cloned());
                continue;
            }
            let documents = of_chunk(&chunk, index, &self.namespace)?;
            let objects: Vec<Object> = documents.into_iter().flat_map(|document| document.objects).collect();
            all.extend(objects.iter().cloned());
            self.parsed.insert(chunk, objects);
        }
        Ok(all)
    }

    /// How many documents were parsed.
    #[must_use]
    pub fn parsed(&self) -> usize {
        self.parsed.len()
    }
}

/// What `helm uninstall` reads as `helm.sh/resource-policy` for each object of a stored manifest that it deletes or leaves: the
/// annotation of the whole document, which of a list is not that of its items (`filterManifestsToKeep` of
/// `pkg/action/resource_policy.go`, helm 3.14.4 to 4.3.1). Empty where the manifest cannot be read.
#[must_use]
pub fn uninstall_policies(text: &str, namespace: &str) -> BTreeMap<Ref, String> {
    let documents = documents(text, namespace).unwrap_or_default();
    let policies =
        documents.into_iter().filter_map(|document| Some((document.annotation(RESOURCE_POLICY)?.to_owned(), document)));
    policies
        .flat_map(|(policy, document)| {
            let names: Vec<Ref> = document.objects.iter().filter_map(Object::name).collect();
            names.into_iter().map(move |name| (name, policy.clone()))
        })
        .collect()
}

/// A document of a manifest.
struct Document {
    /// The annotations of the document itself.
    annotations: Value,
    /// The object that it is, or the items of the list that it is.
    objects: Vec<Object>,
}

impl Document {
    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key)?.as_str()
    }
}

fn documents(text: &str, namespace: &str) -> Result<Vec<Document>, ManifestError> {
    let mut all = Vec::new();
    for (index, chunk) in chunks(text).into_iter().enumerate() {
        all.extend(of_chunk(&chunk, index, namespace)?);
    }
    Ok(all)
}

/// The documents of a part between two lines that begin with `---`.
fn of_chunk(chunk: &str, index: usize, namespace: &str) -> Result<Vec<Document>, ManifestError> {
    let failed = |message: String| ManifestError { document: index + 1, template: template(chunk).to_owned(), message };
    let docs = yaml::documents(chunk).map_err(|error| failed(format!("line {}: {}", error.line, error.message)))?;
    let mut all = Vec::new();
    for doc in docs {
        let annotations = doc.pointer("/metadata/annotations").cloned().unwrap_or_default();
        let is_list = doc.get("items").is_some();
        let mut objects = Vec::new();
        for item in flattened(doc) {
            let mut object = object(item, namespace).map_err(|message| failed(message.to_owned()))?;
            if is_list {
                hook_as_the_list(&mut object, &annotations);
            }
            objects.push(Object::new(object));
        }
        all.push(Document { annotations, objects });
    }
    Ok(all)
}

/// The items of whatever has `items`, and of lists among them, nearer ones first; anything else as it is (`FlattenListVisitor`
/// of cli-runtime, `pkg/resource/visitor.go`, and the decoder of `unstructured` of apimachinery, which gives items of a typed
/// list without a kind the kind of the list; 0.29 and 0.34).
fn flattened(doc: Value) -> Vec<Value> {
    let mut found = Vec::new();
    let mut next = std::collections::VecDeque::from([doc]);
    while let Some(mut doc) = next.pop_front() {
        let Some(items) = doc.as_object_mut().and_then(|map| map.remove("items")) else {
            found.push(doc);
            continue;
        };
        let text = |key: &str| doc.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, version) = (text("kind"), text("apiVersion"));
        let Value::Array(items) = items else { continue };
        for mut item in items {
            if let Value::Object(item) = &mut item
                && !item.contains_key("kind")
                && !item.contains_key("apiVersion")
            {
                item.insert("kind".into(), kind.strip_suffix("List").unwrap_or(&kind).into());
                item.insert("apiVersion".into(), version.clone().into());
            }
            next.push_back(item);
        }
    }
    found
}

/// Helm reads the annotations of a hook from the document (`sort` of `pkg/releaseutil/manifest_sorter.go`): the items of a list
/// are hooks where the list is one, whatever they say themselves.
fn hook_as_the_list(item: &mut Value, list: &Value) {
    let is_hook = |key: &str| key == HOOK || key.starts_with("helm.sh/hook-");
    if let Some(Value::Object(own)) = item.pointer_mut("/metadata/annotations") {
        own.retain(|key, _| !is_hook(key));
    }
    for (key, value) in list.as_object().into_iter().flatten().filter(|(key, _)| is_hook(key)) {
        if let Some(metadata) = item.get_mut("metadata").filter(|metadata| metadata.is_object()) {
            if !metadata["annotations"].is_object() {
                metadata["annotations"] = Value::Object(serde_json::Map::new());
            }
            metadata["annotations"][key] = value.clone();
        }
    }
}

/// An object of a manifest, in the namespace in which helm puts it.
fn object(doc: Value, namespace: &str) -> Result<Value, &'static str> {
    let Value::Object(mut map) = doc else {
        return Err("it is not an object");
    };
    let kind = match map.get("kind").and_then(Value::as_str) {
        Some(kind) if !kind.is_empty() => kind.to_owned(),
        _ => return Err("it has no kind"),
    };
    let version = map.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let cluster_scoped =
        portolan_kube_facts::is_cluster_scoped(version.rsplit_once('/').map_or("", |(group, _)| group), &kind);
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        let written = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
        if cluster_scoped {
            metadata.remove("namespace");
        } else if written.is_empty() {
            metadata.insert("namespace".into(), namespace.into());
        }
    }
    Ok(Value::Object(map))
}

/// Splits at lines that begin with `---`. Done on the text, so that an error names its document.
fn chunks(text: &str) -> Vec<String> {
    let mut chunks = vec![String::new()];
    for line in text.lines() {
        let rest = line.strip_prefix("---").filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        if let Some(rest) = rest {
            chunks.push(rest.to_owned());
        } else if let Some(chunk) = chunks.last_mut() {
            chunk.push_str(line);
        }
        if let Some(chunk) = chunks.last_mut() {
            chunk.push('\n');
        }
    }
    chunks.retain(|chunk| !chunk.trim().is_empty());
    chunks
}

/// The template that a document says it comes from (`# Source: ..`, written by helm's renderer).
fn template(chunk: &str) -> &str {
    chunk.lines().find_map(|line| line.strip_prefix("# Source: ")).map_or("", str::trim)
}

/// Parts the documents of a rendering into the manifest and the hooks.
#[must_use]
pub fn split_hooks(docs: Vec<Object>) -> (Vec<Object>, Vec<Object>) {
    docs.into_iter().partition(|doc| doc.annotation(HOOK).is_none())
}

/// Sorts documents into the order in which helm applies them; kinds that it does not know come last, by
/// their names. Documents of one kind keep their order (helm 3.14.4 and 3.22.0,
/// `pkg/releaseutil/kind_sorter.go`; 4.3.1 knows two webhook kinds more, which come last there too).
pub fn install_order(docs: &mut [Object]) {
    docs.sort_by_cached_key(install_place);
}

/// Where in that order a document stands.
pub(crate) fn install_place(doc: &Object) -> (usize, String) {
    let kind = doc.text("/kind");
    match INSTALL_ORDER.iter().position(|known| *known == kind) {
        Some(place) => (place, String::new()),
        None => (INSTALL_ORDER.len(), kind.to_owned()),
    }
}

const INSTALL_ORDER: [&str; 36] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(docs: &[Object]) -> Vec<String> {
        docs.iter().filter_map(|doc| doc.name().map(|name| name.full())).collect()
    }

    #[test]
    fn what_two_renderings_have_in_common_is_parsed_once() {
        let text = |level: &str| {
            let object = |name: &str| {
                format!("---\n# Source: c/templates/{name}.yaml\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
            };
            format!("{}{}data: {{level: {level}}}\n{}", object("a"), object("b"), object("c"))
        };
        let mut renderings = Renderings::new("n");
        for (level, parsed) in [("info", 3), ("debug", 4), ("info", 4)] {
            assert_eq!(renderings.parse(&text(level)), parse(&text(level), "n"));
            assert_eq!(renderings.parsed(), parsed, "{level}");
        }
        let broken = text("[");
        assert_eq!(renderings.parse(&broken), parse(&broken, "n"));
        assert!(renderings.parse(&broken).is_err_and(|error| error.document == 2));
    }

    #[test]
    fn documents_are_read_in_order_and_named_in_full() {
        let text = "---\n# Source: c/templates/a.yaml\napiVersion: v1\nkind: Service\nmetadata: {name: a}\n\
                    ---\n# only a comment\n--- \napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: b, namespace: x}\n\
                    ---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: c, namespace: other}}\n\
                    - {apiVersion: v1, kind: Secret, metadata: {name: d}}\n";
        let docs = parse(text, "ns").expect("it is a manifest");
        assert_eq!(names(&docs), ["Service/ns/a", "PersistentVolume/b", "StatefulSet.apps/other/c", "Secret/ns/d"]);
        assert_eq!(parse("", "ns"), Ok(Vec::new()));
    }

    #[test]
    fn whatever_has_items_is_a_list_and_its_items_are_hooks_or_kept_as_the_list_says() {
        let typed = "apiVersion: v1\nkind: PersistentVolumeClaimList\nitems:\n- metadata: {name: a}\n\
                     - {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: b, namespace: other}}\n";
        assert_eq!(
            names(&parse(typed, "ns").expect("it is a manifest")),
            ["PersistentVolumeClaim/ns/a", "PersistentVolumeClaim/other/b"]
        );
        let nested = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: c}}]}\n\
                      - {apiVersion: v1, kind: Secret, metadata: {name: d}}\n";
        assert_eq!(names(&parse(nested, "ns").expect("it is a manifest")), ["Secret/ns/d", "Secret/ns/c"]);
        assert_eq!(parse("apiVersion: v1\nkind: List\nitems: []\n", "ns"), Ok(Vec::new()));

        let with = |list: &str, item: &str| {
            format!(
                "apiVersion: v1\nkind: List\nmetadata: {{annotations: {{{list}}}}}\nitems:\n\
                 - {{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: a, annotations: {{{item}}}}}}}\n"
            )
        };
        for (list, item, hooks, policy) in [
            ("", "helm.sh/hook: pre-upgrade", 0, None),
            ("helm.sh/hook: pre-upgrade", "", 1, None),
            ("", "helm.sh/resource-policy: keep", 0, None),
            ("helm.sh/resource-policy: keep", "", 0, Some("keep")),
        ] {
            let text = with(list, item);
            let (docs, found) = split_hooks(parse(&text, "ns").expect("it is a manifest"));
            assert_eq!((docs.len(), found.len()), (1 - hooks, hooks), "{text}");
            let claim = Ref::claim("ns", "a");
            assert_eq!(uninstall_policies(&text, "ns").get(&claim).map(String::as_str), policy, "{text}");
        }
        // What an upgrade writes to the live object is the item's own annotation.
        let docs = parse(&with("", "helm.sh/resource-policy: keep"), "ns").expect("it is a manifest");
        assert_eq!(docs[0].annotation(RESOURCE_POLICY), Some("keep"));
    }

    #[test]
    fn a_separator_inside_a_value_does_not_separate() {
        let text = "kind: ConfigMap\nmetadata: {name: a}\ndata:\n  pem: |\n    ---\n    -----BEGIN\n";
        let docs = parse(text, "ns").expect("it is one document");
        assert_eq!(docs[0].text("/data/pem"), "---\n-----BEGIN\n");
    }

    #[test]
    fn an_error_names_the_template() {
        let text = "---\nkind: A\nmetadata: {name: a}\n---\n# Source: c/templates/bad.yaml\nkind: B\nx: b: c\n";
        let error = parse(text, "ns").expect_err("it is no YAML");
        assert_eq!(error.document, 2);
        assert_eq!(error.template, "c/templates/bad.yaml");
        assert!(error.to_string().starts_with("document 2 (c/templates/bad.yaml): line "));
        assert!(parse("- a\n", "ns").is_err());
        assert!(parse("a: 1\n", "ns").is_err());
    }

    #[test]
    fn hooks_are_parted_and_kinds_sorted() {
        let text = "kind: Zebra\nmetadata: {name: z}\n---\nkind: Job\nmetadata: {name: h, annotations: {helm.sh/hook: pre-upgrade}}\n\
                    ---\nkind: StatefulSet\nmetadata: {name: s2}\n---\nkind: Route\nmetadata: {name: r}\n---\nkind: StatefulSet\nmetadata: {name: s1}\n\
                    ---\nkind: PersistentVolumeClaim\nmetadata: {name: p}\n---\nkind: Secret\nmetadata: {name: k}\n";
        let (mut docs, hooks) = split_hooks(parse(text, "n").expect("it is a manifest"));
        assert_eq!(names(&hooks), ["Job/n/h"]);
        install_order(&mut docs);
        assert_eq!(
            names(&docs),
            [
                "Secret/n/k",
                "PersistentVolumeClaim/n/p",
                "StatefulSet/n/s2",
                "StatefulSet/n/s1",
                "Route/n/r",
                "Zebra/n/z"
            ]
        );
    }
}

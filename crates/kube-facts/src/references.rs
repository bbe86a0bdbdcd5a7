//! The objects that an object refers to by name, and without which its pods do not start.

use portolan_model::{Object, Ref};
use serde_json::Value;

use crate::PodTemplate;

/// A name in one object that stands for another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The object that is named.
    pub target: Ref,
    /// The key of its data that is used; `None` for the whole object.
    pub key: Option<String>,
    /// Where it is named: a JSON pointer in the referring object.
    pub field: String,
    /// Whether the pods do not start without it. Kubernetes tolerates a missing image pull Secret or TLS Secret.
    pub is_required: bool,
}

/// What an object refers to: the volumes, environment, account and classes of its pods (of kubelet's
/// `pkg/kubelet/kubelet_pods.go` and `pkg/volume/{secret,configmap,projected}`, Kubernetes 1.34), an Ingress's TLS Secrets, a PVC's
/// class; the devices that pods claim (`pkg/controller/resourceclaim`). Optional references, and the names that the API server fills in itself, are left out.
#[must_use]
pub fn references(object: &Object) -> Vec<Reference> {
    let namespace = object.text("/metadata/namespace");
    let mut found = Found { namespace, all: Vec::new() };
    if let Some(template) = PodTemplate::of(object) {
        found.pod(template);
    }
    match object.text("/kind") {
        "Ingress" => {
            for (index, tls) in object.list("/spec/tls").iter().enumerate() {
                found.put("Secret", tls, "secretName", &format!("/spec/tls/{index}"), false);
            }
        }
        "PersistentVolumeClaim" => found.class(object.at("/spec"), "/spec"),
        "StatefulSet" => {
            for (index, template) in object.list("/spec/volumeClaimTemplates").iter().enumerate() {
                found.class(template.get("spec"), &format!("/spec/volumeClaimTemplates/{index}/spec"));
            }
        }
        _ => {}
    }
    found.all
}

struct Found<'a> {
    namespace: &'a str,
    all: Vec<Reference>,
}

impl Found<'_> {
    fn pod(&mut self, template: PodTemplate<'_>) {
        let (spec, at) = (template.spec, template.pointer);
        // The controller for service accounts makes this one in every namespace.
        if template.account() != "default" {
            self.put("ServiceAccount", spec, template.account_field(), at, true);
        }
        if !text(spec, "priorityClassName").starts_with("system-") {
            self.put("PriorityClass", spec, "priorityClassName", at, true);
        }
        self.put("RuntimeClass", spec, "runtimeClassName", at, true);
        for (index, secret) in list(spec, "imagePullSecrets").iter().enumerate() {
            self.put("Secret", secret, "name", &format!("{at}/imagePullSecrets/{index}"), false);
        }
        for (index, volume) in template.volumes().enumerate() {
            self.volume(volume, &format!("{at}/volumes/{index}"));
        }
        for (index, claim) in list(spec, "resourceClaims").iter().enumerate() {
            let at = format!("{at}/resourceClaims/{index}");
            self.put("ResourceClaim", claim, "resourceClaimName", &at, true);
            self.put("ResourceClaimTemplate", claim, "resourceClaimTemplateName", &at, true);
        }
        for container in template.containers() {
            self.environment(container.json, &format!("{at}{}", container.pointer()));
        }
    }

    fn volume(&mut self, volume: &Value, at: &str) {
        if let Some(claim) = volume.get("persistentVolumeClaim") {
            self.put("PersistentVolumeClaim", claim, "claimName", &format!("{at}/persistentVolumeClaim"), true);
        }
        if let Some(template) = volume.pointer("/ephemeral/volumeClaimTemplate/spec") {
            self.class(Some(template), &format!("{at}/ephemeral/volumeClaimTemplate/spec"));
        }
        self.source(volume, "secret", "secretName", at);
        self.source(volume, "configMap", "name", at);
        if let Some(secret) = volume.pointer("/csi/nodePublishSecretRef") {
            self.put("Secret", secret, "name", &format!("{at}/csi/nodePublishSecretRef"), true);
        }
        let sources = volume.pointer("/projected/sources").and_then(Value::as_array);
        for (index, source) in sources.into_iter().flatten().enumerate() {
            let at = format!("{at}/projected/sources/{index}");
            self.source(source, "secret", "name", &at);
            self.source(source, "configMap", "name", &at);
        }
    }

    /// A Secret or ConfigMap that becomes files: as a whole, or some of its keys.
    fn source(&mut self, volume: &Value, source: &str, name: &str, at: &str) {
        let Some(from) = volume.get(source).filter(|from| !is_optional(from)) else { return };
        let kind = if source == "secret" { "Secret" } else { "ConfigMap" };
        let at = format!("{at}/{source}");
        self.put(kind, from, name, &at, true);
        for (index, item) in list(from, "items").iter().enumerate() {
            self.put_key(kind, text(from, name), text(item, "key"), format!("{at}/items/{index}/key"));
        }
    }

    fn environment(&mut self, container: &Value, at: &str) {
        for (index, variable) in list(container, "env").iter().enumerate() {
            for (field, kind) in [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")] {
                let from = variable.get("valueFrom").and_then(|from| from.get(field));
                let Some(from) = from.filter(|from| !is_optional(from)) else { continue };
                let at = format!("{at}/env/{index}/valueFrom/{field}");
                self.put_key(kind, text(from, "name"), text(from, "key"), at);
            }
        }
        for (index, source) in list(container, "envFrom").iter().enumerate() {
            for (field, kind) in [("secretRef", "Secret"), ("configMapRef", "ConfigMap")] {
                if let Some(from) = source.get(field).filter(|from| !is_optional(from)) {
                    self.put(kind, from, "name", &format!("{at}/envFrom/{index}/{field}"), true);
                }
            }
        }
    }

    /// A PVC's class. An empty one asks for no class at all.
    fn class(&mut self, spec: Option<&Value>, at: &str) {
        if let Some(spec) = spec
            && text(spec, "volumeName").is_empty()
        {
            self.put("StorageClass", spec, "storageClassName", at, true);
        }
    }

    fn put(&mut self, kind: &str, from: &Value, key: &str, at: &str, is_required: bool) {
        let name = text(from, key);
        if !name.is_empty() {
            let target = self.target(kind, name);
            self.all.push(Reference { target, key: None, field: format!("{at}/{key}"), is_required });
        }
    }

    fn put_key(&mut self, kind: &str, name: &str, key: &str, field: String) {
        if !name.is_empty() && !key.is_empty() {
            let target = self.target(kind, name);
            self.all.push(Reference { target, key: Some(key.to_owned()), field, is_required: true });
        }
    }

    fn target(&self, kind: &str, name: &str) -> Ref {
        match kind {
            "PriorityClass" => Ref::new("scheduling.k8s.io", kind, "", name),
            "RuntimeClass" => Ref::new("node.k8s.io", kind, "", name),
            "ResourceClaim" | "ResourceClaimTemplate" => Ref::new("resource.k8s.io", kind, self.namespace, name),
            "StorageClass" => Ref::new("storage.k8s.io", kind, "", name),
            _ => Ref::new("", kind, self.namespace, name),
        }
    }
}

fn text<'a>(json: &'a Value, key: &str) -> &'a str {
    json.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_optional(json: &Value) -> bool {
    json.get("optional") == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(spec: &Value) -> Object {
        Object::new(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"},
            "spec": {"template": {"spec": spec}}}))
    }

    /// Target, key, field below the pod's spec, required.
    fn found(spec: &Value) -> Vec<(String, String, String, bool)> {
        references(&deployment(spec))
            .into_iter()
            .map(|one| {
                let field = one.field.trim_start_matches("/spec/template/spec").to_owned();
                (one.target.full(), one.key.unwrap_or_default(), field, one.is_required)
            })
            .collect()
    }

    #[test]
    fn every_way_to_name_an_object_is_found() {
        let env = |source: Value| json!({"containers": [{"name": "a", "env": [{"name": "X", "valueFrom": source}]}]});
        let volume = |source: Value| json!({"volumes": [source]});
        for (spec, target, key, field) in [
            (
                env(json!({"secretKeyRef": {"name": "s", "key": "k"}})),
                "Secret/n/s",
                "k",
                "/containers/0/env/0/valueFrom/secretKeyRef",
            ),
            (
                env(json!({"configMapKeyRef": {"name": "c", "key": "k"}})),
                "ConfigMap/n/c",
                "k",
                "/containers/0/env/0/valueFrom/configMapKeyRef",
            ),
            (
                json!({"initContainers": [{"name": "a", "envFrom": [{"secretRef": {"name": "s"}}]}]}),
                "Secret/n/s",
                "",
                "/initContainers/0/envFrom/0/secretRef/name",
            ),
            (
                volume(json!({"name": "v", "secret": {"secretName": "s"}})),
                "Secret/n/s",
                "",
                "/volumes/0/secret/secretName",
            ),
            (
                volume(json!({"name": "v", "configMap": {"name": "c"}})),
                "ConfigMap/n/c",
                "",
                "/volumes/0/configMap/name",
            ),
            (
                volume(
                    json!({"name": "v", "projected": {"sources": [{"serviceAccountToken": {}}, {"secret": {"name": "s"}}]}}),
                ),
                "Secret/n/s",
                "",
                "/volumes/0/projected/sources/1/secret/name",
            ),
            (
                volume(json!({"name": "v", "persistentVolumeClaim": {"claimName": "p"}})),
                "PersistentVolumeClaim/n/p",
                "",
                "/volumes/0/persistentVolumeClaim/claimName",
            ),
            (json!({"serviceAccountName": "a"}), "ServiceAccount/n/a", "", "/serviceAccountName"),
            (json!({"serviceAccount": "a"}), "ServiceAccount/n/a", "", "/serviceAccount"),
            (json!({"priorityClassName": "p"}), "PriorityClass.scheduling.k8s.io/p", "", "/priorityClassName"),
            (json!({"runtimeClassName": "r"}), "RuntimeClass.node.k8s.io/r", "", "/runtimeClassName"),
        ] {
            let want = (target.to_owned(), key.to_owned(), field.to_owned(), true);
            assert_eq!(found(&spec), [want]);
        }
        assert_eq!(
            found(&volume(json!({"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": "p"}]}})))
                .len(),
            2
        );
        assert!(!found(&json!({"imagePullSecrets": [{"name": "s"}]}))[0].3);
    }

    #[test]
    fn a_pod_names_the_devices_that_it_claims() {
        for (key, kind) in
            [("resourceClaimName", "ResourceClaim"), ("resourceClaimTemplateName", "ResourceClaimTemplate")]
        {
            let spec = json!({"resourceClaims": [{"name": "a", key: "c"}]});
            let target = format!("{kind}.resource.k8s.io/n/c");
            assert_eq!(found(&spec), [(target, String::new(), format!("/resourceClaims/0/{key}"), true)]);
        }
    }

    #[test]
    fn what_is_optional_or_filled_in_is_left_out() {
        for spec in [
            json!({"containers": [{"name": "a", "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}}]}]}),
            json!({"containers": [{"name": "a", "envFrom": [{"configMapRef": {"name": "c", "optional": true}}]}]}),
            json!({"volumes": [{"name": "v", "secret": {"secretName": "s", "optional": true}}, {"name": "e", "emptyDir": {}}]}),
            json!({"serviceAccountName": "default", "priorityClassName": "system-node-critical"}),
        ] {
            assert_eq!(found(&spec), []);
        }
    }

    #[test]
    fn classes_of_claims_and_templates_are_references() {
        let claim = |spec: Value| {
            Object::new(
                json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "n"}, "spec": spec}),
            )
        };
        let fields = |object: &Object| references(object).into_iter().map(|one| one.field).collect::<Vec<_>>();
        assert_eq!(fields(&claim(json!({"storageClassName": "fast"}))), ["/spec/storageClassName"]);
        assert!(fields(&claim(json!({"storageClassName": ""}))).is_empty());
        assert!(fields(&claim(json!({"storageClassName": "fast", "volumeName": "pv"}))).is_empty());
        let set = Object::new(json!({"kind": "StatefulSet", "metadata": {"name": "s", "namespace": "n"},
            "spec": {"template": {"spec": {}}, "volumeClaimTemplates": [{"spec": {"storageClassName": "fast"}}]}}));
        assert_eq!(fields(&set), ["/spec/volumeClaimTemplates/0/spec/storageClassName"]);
    }
}

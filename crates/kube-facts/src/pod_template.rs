use portolan_model::Object;
use serde_json::Value;

use crate::Kind;

/// The pod that a Pod is, or that a workload creates: its spec and where it is in the object.
#[derive(Clone, Copy, Debug)]
pub struct PodTemplate<'a> {
    /// The JSON pointer of the pod's spec: `/spec/template/spec` in a Deployment.
    pub pointer: &'static str,
    /// The pod's spec.
    pub spec: &'a Value,
    /// The pod's labels and annotations; `None` where the template has none.
    pub metadata: Option<&'a Value>,
}

/// Which list of a pod a container is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContainerKind {
    /// `initContainers`.
    Init,
    /// `containers`.
    Main,
}

/// A container of a pod.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// Which list it is in.
    pub kind: ContainerKind,
    /// Its index in that list.
    pub index: usize,
    /// Its name.
    pub name: &'a str,
    /// Its JSON.
    pub json: &'a Value,
}

/// A mount of a volume in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mount<'a> {
    /// The name of the volume in the pod.
    pub volume: &'a str,
    /// Where the container sees it.
    pub path: &'a str,
    /// The folder of the volume that it sees: `subPath`, or `subPathExpr` unexpanded; empty for the whole volume.
    pub sub_path: &'a str,
    /// Whether the mount itself says that the container cannot write to it. The pod's volume may say so as well.
    pub is_read_only: bool,
}

impl<'a> PodTemplate<'a> {
    /// The names of the `ConfigMap`s whose keys a container has as files.
    pub fn config_maps_in(self, container: Container<'a>) -> impl Iterator<Item = &'a str> {
        self.sources_in(container, "/configMap/name", "/configMap/name")
    }

    /// The names of the Secrets whose keys a container has as files.
    pub fn secrets_in(self, container: Container<'a>) -> impl Iterator<Item = &'a str> {
        self.sources_in(container, "/secret/secretName", "/secret/name")
    }

    /// What the volumes that a container mounts name at a pointer, or their projected sources at another.
    fn sources_in(
        self,
        container: Container<'a>,
        own: &'static str,
        projected: &'static str,
    ) -> impl Iterator<Item = &'a str> {
        let mounted = move |volume: &&Value| container.mounts().any(|mount| volume["name"] == mount.volume);
        let names = self.volumes().filter(mounted).flat_map(move |volume| {
            let sources = volume.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten();
            volume.pointer(own).into_iter().chain(sources.filter_map(move |source| source.pointer(projected)))
        });
        names.filter_map(Value::as_str)
    }

    /// The pod template of an object; `None` for kinds that create no pods themselves.
    #[must_use]
    pub fn of(object: &'a Object) -> Option<Self> {
        Self::of_kind(Kind::of(object), object)
    }

    /// As [`Self::of`], for an object that does not say its kind itself.
    #[must_use]
    pub fn of_kind(kind: Kind, object: &'a Object) -> Option<Self> {
        let (pointer, metadata) = match kind {
            Kind::Pod => ("/spec", "/metadata"),
            Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::ReplicationController
            | Kind::Job => ("/spec/template/spec", "/spec/template/metadata"),
            Kind::CronJob => ("/spec/jobTemplate/spec/template/spec", "/spec/jobTemplate/spec/template/metadata"),
            Kind::PersistentVolumeClaim
            | Kind::PersistentVolume
            | Kind::Namespace
            | Kind::CustomResourceDefinition
            | Kind::Route
            | Kind::Ingress
            | Kind::Inert
            | Kind::Custom => return None,
        };
        Some(Self { pointer, spec: object.at(pointer)?, metadata: object.at(metadata) })
    }

    /// The field that names the account of its pods. `serviceAccount`, the older name, counts where the newer one is empty
    /// (Kubernetes 1.34, `Convert_v1_PodSpec_To_core_PodSpec` in `pkg/apis/core/v1/conversion.go`).
    #[must_use]
    pub fn account_field(self) -> &'static str {
        const OLDER: &str = "serviceAccount";
        const NEWER: &str = "serviceAccountName";
        let says = |field| self.spec.get(field).and_then(Value::as_str).is_some_and(|name| !name.is_empty());
        if !says(NEWER) && says(OLDER) { OLDER } else { NEWER }
    }

    /// The name of the service account that its pods run as; `default` where it names none (Kubernetes 1.34, `Admit` in
    /// `plugin/pkg/admission/serviceaccount/admission.go`).
    #[must_use]
    pub fn account(self) -> &'a str {
        let named = self.spec.get(self.account_field()).and_then(Value::as_str);
        named.filter(|name| !name.is_empty()).unwrap_or("default")
    }

    /// The names of the PVCs that its volumes name. The PVCs of a StatefulSet's `volumeClaimTemplates` are not among them.
    pub fn claims(self) -> impl Iterator<Item = &'a str> {
        self.volumes().filter_map(claim_of)
    }

    /// Its volumes.
    pub fn volumes(self) -> impl Iterator<Item = &'a Value> {
        list(self.spec, "volumes").iter()
    }

    /// A volume by its name, and where it is among them.
    #[must_use]
    pub fn volume(self, name: &str) -> Option<(usize, &'a Value)> {
        self.volumes().enumerate().find(|(_, volume)| volume["name"] == name)
    }

    /// Its containers, init containers first.
    pub fn containers(self) -> impl Iterator<Item = Container<'a>> {
        [(ContainerKind::Init, "initContainers"), (ContainerKind::Main, "containers")].into_iter().flat_map(
            move |(kind, key)| {
                list(self.spec, key).iter().enumerate().map(move |(index, json)| Container {
                    kind,
                    index,
                    name: json.get("name").and_then(Value::as_str).unwrap_or_default(),
                    json,
                })
            },
        )
    }
}

impl<'a> Container<'a> {
    /// Whether it runs as long as its pod: a main one, or an init container that is restarted always (a sidecar, since Kubernetes 1.28).
    #[must_use]
    pub fn runs_beside(self) -> bool {
        self.kind == ContainerKind::Main || self.json["restartPolicy"] == "Always"
    }

    /// The container's volume mounts, and then the block devices that it has: those of a PVC with `volumeMode: Block`.
    pub fn mounts(self) -> impl Iterator<Item = Mount<'a>> {
        self.mounts_as_json().map(|mount| {
            let text = |key: &str| mount.get(key).and_then(Value::as_str).unwrap_or_default();
            let sub_path = if text("subPath").is_empty() { text("subPathExpr") } else { text("subPath") };
            let path = if text("devicePath").is_empty() { text("mountPath") } else { text("devicePath") };
            let is_read_only = mount.get("readOnly").and_then(Value::as_bool).unwrap_or(false);
            Mount { volume: text("name"), path, sub_path, is_read_only }
        })
    }

    /// As [`Self::mounts`], in the same order.
    pub fn mounts_as_json(self) -> impl Iterator<Item = &'a Value> {
        list(self.json, "volumeMounts").iter().chain(list(self.json, "volumeDevices"))
    }

    /// The list it is in, as a JSON pointer below the pod's spec: `/containers/0`.
    #[must_use]
    pub fn pointer(self) -> String {
        let list = match self.kind {
            ContainerKind::Init => "initContainers",
            ContainerKind::Main => "containers",
        };
        format!("/{list}/{}", self.index)
    }
}

/// The name of the PVC that a pod's volume is.
#[must_use]
pub fn claim_of(volume: &Value) -> Option<&str> {
    volume.pointer("/persistentVolumeClaim/claimName")?.as_str()
}

/// The list at a key; empty where there is none.
#[must_use]
pub fn list<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_run_as_the_account_that_either_field_names() {
        for (spec, account, field) in [
            (json!({"serviceAccountName": "a", "serviceAccount": "b"}), "a", "serviceAccountName"),
            (json!({"serviceAccountName": "", "serviceAccount": "b"}), "b", "serviceAccount"),
            (json!({"serviceAccount": "b"}), "b", "serviceAccount"),
            (json!({"serviceAccountName": null, "serviceAccount": ""}), "default", "serviceAccountName"),
        ] {
            let pod = Object::new(json!({"kind": "Pod", "spec": spec}));
            let template = PodTemplate::of(&pod).expect("a pod");
            assert_eq!((template.account(), template.account_field()), (account, field), "{spec}");
        }
    }

    #[test]
    fn every_kind_that_creates_pods_shows_its_claims() {
        let spec = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}, {"name": "tmp", "emptyDir": {}}]});
        let template = json!({"spec": {"template": {"spec": spec}}});
        let cases = [
            ("Pod", json!({"spec": spec})),
            ("Deployment", template.clone()),
            ("StatefulSet", template.clone()),
            ("DaemonSet", template.clone()),
            ("ReplicaSet", template.clone()),
            ("ReplicationController", template.clone()),
            ("Job", template.clone()),
            ("CronJob", json!({"spec": {"jobTemplate": template}})),
        ];
        for (kind, mut json) in cases {
            json["kind"] = json!(kind);
            let object = Object::new(json);
            let found: Vec<&str> = PodTemplate::of(&object).expect(kind).claims().collect();
            assert_eq!(found, ["c"], "{kind}");
        }
        let service = Object::new(json!({"kind": "Service", "spec": {"template": {"spec": spec}}}));
        assert!(PodTemplate::of(&service).is_none());
    }
}

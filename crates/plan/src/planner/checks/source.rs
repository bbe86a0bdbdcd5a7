//! Where the bytes of a volume lie, as far as two volumes can name the same place.

use std::fmt;

use portolan_inventory::credential::told;
use serde_json::{Value, json};

use super::paths::parts;

/// Sources that name a disk or a share, beside those with paths of their own.
const NAMED: [&str; 17] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "fc",
    "flexVolume",
    "gcePersistentDisk",
    "glusterfs",
    "iscsi",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

/// How a named source is mounted, which does not say what it is.
const MANNER: [&str; 7] =
    ["readOnly", "fsType", "secretRef", "nodePublishSecretRef", "mountOptions", "cachingMode", "secretNamespace"];

/// Folders in which the kubelet mounts the volumes of pods (Kubernetes 1.34, `pkg/kubelet/config/defaults.go` and
/// `pkg/volume/plugins.go`).
const MOUNTS: [&str; 2] = ["/var/lib/kubelet/pods", "/var/lib/kubelet/plugins/kubernetes.io"];

/// Where the bytes of a volume lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A folder of a node, and the field that has it.
    Node(Vec<String>, &'static str),
    /// A folder of an NFS server.
    Export(String, Vec<String>),
    /// A disk or a share of this description.
    Named(&'static str, Value),
}

impl Source {
    /// That of a pod's volume, or of a PV's `spec`; `None` where nothing else can name the same place.
    pub(super) fn of(json: &Value) -> Option<Self> {
        let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str);
        for field in ["/hostPath/path", "/local/path"] {
            if let Some(path) = text(field) {
                return Some(Self::Node(parts(path), field));
            }
        }
        if let (Some(server), Some(path)) = (text("/nfs/server"), text("/nfs/path")) {
            return Some(Self::Export(server.to_owned(), parts(path)));
        }
        if let Some(handle) = text("/csi/volumeHandle") {
            return Some(Self::Named("csi", json!({"driver": text("/csi/driver"), "volumeHandle": handle})));
        }
        // An inline volume of a pod: what its driver is told may name a share or a bucket. With nothing it is made anew for each pod.
        if let Some(attributes) = json.pointer("/csi/volumeAttributes") {
            return Some(Self::Named("csi", json!({"driver": text("/csi/driver"), "volumeAttributes": attributes})));
        }
        NAMED.iter().find_map(|kind| {
            let mut source = json.get(kind)?.clone();
            MANNER.iter().for_each(|key| drop(source.as_object_mut().and_then(|map| map.remove(*key))));
            Some(Self::Named(kind, source))
        })
    }

    /// A folder of it. One whose name is not known before the pod starts is the whole of it.
    pub(super) fn below(mut self, sub_path: &str) -> Self {
        if let Self::Node(path, _) | Self::Export(_, path) = &mut self {
            path.extend(parts(sub_path).into_iter().take_while(|part| !part.contains('$')));
        }
        self
    }

    /// Whether what is at the one place is at the other.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Node(a, _), Self::Node(b, _)) => b.starts_with(a),
            (Self::Export(server, a), Self::Export(other, b)) => server == other && b.starts_with(a),
            (a, b) => a == b,
        }
    }

    /// Whether the one is the other, lies in it, or contains it.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Whether it is a folder of a node in which, or below which, the kubelet mounts volumes; its own folder may be another.
    pub(super) fn holds_mounts(&self) -> bool {
        let Self::Node(path, _) = self else { return false };
        let is_known = MOUNTS
            .iter()
            .map(|mounts| parts(mounts))
            .any(|mounts| mounts.starts_with(path) || path.starts_with(&mounts));
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        is_known || matches!(names.as_slice(), [.., "kubelet"] | [.., "kubelet", "pods"])
    }

    /// The field that says where it is, below the volume.
    pub(super) fn pointer(&self) -> String {
        match self {
            Self::Node(_, field) => (*field).to_owned(),
            Self::Export(..) => "/nfs/path".into(),
            Self::Named("csi", json) if json.get("volumeHandle").is_some() => "/csi/volumeHandle".into(),
            Self::Named(kind, _) => format!("/{kind}"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(path, _) => write!(f, "/{} of the node", path.join("/")),
            Self::Export(server, path) => write!(f, "{server}:/{}", path.join("/")),
            Self::Named("csi", json) => match json["volumeHandle"].as_str() {
                Some(handle) => write!(f, "the CSI volume {handle}"),
                None => {
                    let (driver, attributes) = (json["driver"].as_str(), json["volumeAttributes"].to_string());
                    write!(f, "a CSI volume of {} with {}", driver.unwrap_or_default(), told(&attributes))
                }
            },
            Self::Named(kind, json) => write!(f, "{kind} {json}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(path: &str) -> Source {
        Source::of(&json!({"hostPath": {"path": path}})).expect("a source")
    }

    #[test]
    fn two_names_of_one_place_overlap() {
        assert!(node("/srv").covers(&node("/srv/pv/")) && !node("/srv/pv").covers(&node("/srv")));
        assert!(node("/srv/pv").overlaps(&node("/srv")) && !node("/srv/pv").overlaps(&node("/srv/pv2")));
        assert!(node("/").overlaps(&Source::of(&json!({"local": {"path": "/mnt/a"}})).expect("a source")));
        assert!(
            node("/srv").below("pv/x").overlaps(&node("/srv/pv"))
                && !node("/srv").below("a").overlaps(&node("/srv/pv"))
        );
        assert!(node("/srv").below("$(POD)/x").overlaps(&node("/srv/pv")));
        let nfs =
            |server: &str, path: &str| Source::of(&json!({"nfs": {"server": server, "path": path}})).expect("a source");
        assert!(nfs("a", "/x").overlaps(&nfs("a", "/x/y")) && !nfs("a", "/x").overlaps(&nfs("b", "/x")));
        let csi = |handle: &str, more: bool| {
            Source::of(&json!({"csi": {"driver": "d", "volumeHandle": handle, "readOnly": more}})).expect("a source")
        };
        assert!(csi("1", true).overlaps(&csi("1", false)) && !csi("1", true).overlaps(&csi("2", true)));
        let inline = |driver: &str, share: &str| {
            Source::of(&json!({"csi": {"driver": driver, "volumeAttributes": {"share": share}}})).expect("a source")
        };
        assert!(inline("d", "/a").overlaps(&inline("d", "/a")) && !inline("d", "/a").overlaps(&inline("e", "/a")));
        assert!(!inline("d", "/a").overlaps(&inline("d", "/b")) && !inline("d", "/a").overlaps(&csi("1", false)));
        let rbd =
            |fs: &str, image: &str| Source::of(&json!({"rbd": {"image": image, "fsType": fs}})).expect("a source");
        assert!(rbd("ext4", "a").overlaps(&rbd("xfs", "a")) && !rbd("xfs", "a").overlaps(&rbd("xfs", "b")));
        for other in [json!({"emptyDir": {}}), json!({"configMap": {"name": "a"}}), json!({"csi": {"driver": "d"}})] {
            assert_eq!(Source::of(&other), None);
        }
    }

    #[test]
    fn the_kubelets_mounts_are_known() {
        for path in [
            "/",
            "/var/lib",
            "/var/lib/kubelet",
            "/var/lib/kubelet/pods/x",
            "/var/lib/kubelet/plugins",
            "/var/lib/k0s/kubelet",
        ] {
            assert!(node(path).holds_mounts(), "{path}");
        }
        for path in [
            "/var/lib/kubelet/device-plugins",
            "/var/lib/kubelet/plugins_registry",
            "/var/log",
            "/var/lib/kubelet/plugins/d.csi",
        ] {
            assert!(!node(path).holds_mounts(), "{path}");
        }
    }
}

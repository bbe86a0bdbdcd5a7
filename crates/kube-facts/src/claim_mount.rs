//! Where a workload's containers mount a PVC.

use portolan_model::{Object, Ref};
use serde_json::Value;

use crate::{Container, Mount, PodTemplate, list};

/// A container's mount of a PVC.
#[derive(Clone, Copy, Debug)]
pub struct ClaimMount<'a> {
    /// The container.
    pub container: Container<'a>,
    /// Its index among the container's `volumeMounts`, or its `volumeDevices`.
    pub index: usize,
    /// Whether it is a block device.
    pub is_device: bool,
    /// The mount.
    pub mount: Mount<'a>,
    /// Whether the folder is given as `subPathExpr`.
    pub is_expression: bool,
    /// Whether the container cannot write to it: `readOnly` of the mount or of the pod's volume.
    pub is_read_only: bool,
}

impl ClaimMount<'_> {
    /// The mount as a JSON pointer below the pod's spec: `/containers/0/volumeMounts/1`.
    #[must_use]
    pub fn pointer(&self) -> String {
        let list = if self.is_device { "volumeDevices" } else { "volumeMounts" };
        format!("{}/{list}/{}", self.container.pointer(), self.index)
    }

    /// The field that says where in the container it is.
    #[must_use]
    pub fn path_field(&self) -> &'static str {
        if self.is_device { "devicePath" } else { "mountPath" }
    }
}

/// The names of the volumes in a workload's pods that are a PVC. A StatefulSet's template goes before a volume of the same
/// name (`updateStorage` in Kubernetes' pkg/controller/statefulset/stateful_set_utils.go, 1.27 to 1.34).
#[must_use]
pub fn volumes_of_claim<'a>(workload: &'a Object, claim: &Ref) -> Vec<&'a str> {
    let Some(template) = PodTemplate::of(workload).filter(|_| is_in_namespace(workload, claim)) else {
        return Vec::new();
    };
    let templates: Vec<&str> = templates(workload).collect();
    let named = template.volumes().filter_map(|volume| {
        let name = volume.get("name")?.as_str()?;
        let is = volume.pointer("/persistentVolumeClaim/claimName")?.as_str()? == claim.name();
        (is && !templates.contains(&name)).then_some(name)
    });
    let owner = workload.text("/metadata/name");
    let made = templates.iter().copied().filter(|template| is_made_by(claim.name(), template, owner));
    named.chain(made).collect()
}

/// Where the containers of a workload mount a PVC, init containers first.
#[must_use]
pub fn claim_mounts<'a>(workload: &'a Object, claim: &Ref) -> Vec<ClaimMount<'a>> {
    let volumes = volumes_of_claim(workload, claim);
    let Some(template) = PodTemplate::of(workload).filter(|_| !volumes.is_empty()) else {
        return Vec::new();
    };
    let is_true = |value: Option<&Value>| value.and_then(Value::as_bool).unwrap_or(false);
    let read_only: Vec<&str> = template
        .volumes()
        .filter(|volume| is_true(volume.pointer("/persistentVolumeClaim/readOnly")))
        .filter_map(|volume| volume.get("name")?.as_str())
        .collect();
    let of_container = |container: Container<'a>| {
        // Devices come after the mounts, and count from 0 again.
        let mounts = list(container.json, "volumeMounts").len();
        let all = container.mounts().zip(container.mounts_as_json()).enumerate();
        all.map(move |(at, (mount, json))| {
            let (is_device, index) = if at < mounts { (false, at) } else { (true, at - mounts) };
            (container, is_device, index, mount, json)
        })
    };
    template
        .containers()
        .flat_map(of_container)
        .filter(|(.., mount, _)| volumes.contains(&mount.volume))
        .map(|(container, is_device, index, mount, json)| ClaimMount {
            container,
            index,
            is_device,
            mount,
            is_expression: json.get("subPathExpr").and_then(Value::as_str).is_some_and(|text| !text.is_empty()),
            is_read_only: mount.is_read_only || read_only.contains(&mount.volume),
        })
        .collect()
}

fn templates(workload: &Object) -> impl Iterator<Item = &str> {
    let is_set = workload.text("/kind") == "StatefulSet";
    let all = workload.list("/spec/volumeClaimTemplates").iter().filter(move |_| is_set);
    all.filter_map(|template| template.pointer("/metadata/name")?.as_str())
}

fn is_made_by(claim: &str, template: &str, set: &str) -> bool {
    let ordinal =
        claim.strip_prefix(template).and_then(|rest| rest.strip_prefix('-')?.strip_prefix(set)?.strip_prefix('-'));
    ordinal.is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
}

fn is_in_namespace(workload: &Object, claim: &Ref) -> bool {
    workload.text("/metadata/namespace") == claim.namespace()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(volumes: &Value, templates: &Value) -> Object {
        let mounts = json!([{"name": "tmp", "mountPath": "/tmp"}, {"name": "data", "mountPath": "/data", "subPathExpr": "$(A)", "readOnly": true}]);
        let spec = json!({"volumes": volumes, "initContainers": [{"name": "i", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}],
            "containers": [{"name": "c", "volumeMounts": mounts}]});
        Object::new(
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "ns"},
            "spec": {"template": {"spec": spec}, "volumeClaimTemplates": templates}}),
        )
    }

    #[test]
    fn a_claim_is_mounted_by_name_or_out_of_a_template() {
        let named = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "c", "readOnly": true}}]);
        let template = json!([{"metadata": {"name": "data"}}]);
        let cases = [
            (&named, json!([]), "c", 2),
            (&json!([]), template.clone(), "data-db-0", 2),
            (&json!([]), template.clone(), "data-db-12", 2),
            (&json!([]), template.clone(), "data-db-x", 0),
            (&json!([]), template.clone(), "data-other-0", 0),
            // The template goes before the volume of its name.
            (&named, template, "c", 0),
        ];
        for (volumes, templates, claim, found) in cases {
            let set = set(volumes, &templates);
            assert_eq!(claim_mounts(&set, &Ref::claim("ns", claim)).len(), found, "{claim}");
            assert!(claim_mounts(&set, &Ref::claim("other", claim)).is_empty());
        }
    }

    #[test]
    fn a_mount_says_where_and_how() {
        let set = set(&json!([{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]), &json!([]));
        let mounts = claim_mounts(&set, &Ref::claim("ns", "c"));
        assert_eq!(mounts[0].pointer(), "/initContainers/0/volumeMounts/0");
        assert!(!mounts[0].is_read_only && !mounts[0].is_expression);
        assert_eq!(mounts[1].pointer(), "/containers/0/volumeMounts/1");
        assert!(mounts[1].is_read_only && mounts[1].is_expression);
        assert_eq!((mounts[1].mount.path, mounts[1].mount.sub_path), ("/data", "$(A)"));
    }

    #[test]
    fn a_block_device_is_a_mount() {
        let claim = json!({"name": "data", "persistentVolumeClaim": {"claimName": "c"}});
        let container = json!({"name": "c", "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
            "volumeDevices": [{"name": "data", "devicePath": "/dev/data"}]});
        let pod = Object::new(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ns"},
            "spec": {"volumes": [claim], "containers": [container]}}));
        let mounts = claim_mounts(&pod, &Ref::claim("ns", "c"));
        assert_eq!(mounts.len(), 1);
        assert_eq!(
            (mounts[0].pointer().as_str(), mounts[0].mount.path),
            ("/containers/0/volumeDevices/0", "/dev/data")
        );
        assert_eq!(mounts[0].path_field(), "devicePath");
    }
}

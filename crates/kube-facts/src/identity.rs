//! As whom a container runs, by its pod's spec alone.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Container, ContainerKind, Mount, PodTemplate};

/// The user that the spec gives a container, its own before its pod's; `None` where its image or the admission decides.
#[must_use]
pub fn run_as_user(template: PodTemplate<'_>, container: Container<'_>) -> Option<u64> {
    effective(template, container, "/securityContext/runAsUser")
}

/// The primary group that the spec gives a container, as [`run_as_user`].
#[must_use]
pub fn run_as_group(template: PodTemplate<'_>, container: Container<'_>) -> Option<u64> {
    effective(template, container, "/securityContext/runAsGroup")
}

fn effective(template: PodTemplate<'_>, container: Container<'_>, pointer: &str) -> Option<u64> {
    let of = |value: &Value| value.pointer(pointer).and_then(Value::as_u64);
    of(container.json).or_else(|| of(template.spec))
}

/// The pod's `fsGroup`.
#[must_use]
pub fn fs_group(template: PodTemplate<'_>) -> Option<u64> {
    template.spec.pointer("/securityContext/fsGroup").and_then(Value::as_u64)
}

/// The pod's `supplementalGroups`.
#[must_use]
pub fn supplemental_groups(template: PodTemplate<'_>) -> BTreeSet<u64> {
    let groups = template.spec.pointer("/securityContext/supplementalGroups").and_then(Value::as_array);
    groups.into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// Whether the kubelet gives the files of a volume to the pod's `fsGroup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsGroupSupport {
    /// It never does: `hostPath` and `nfs` volumes are not managed (`GetAttributes` in Kubernetes'
    /// pkg/volume/hostpath/host_path.go and pkg/volume/nfs/nfs.go).
    Never,
    /// The CSI driver decides (`fsGroupPolicy` of its `CSIDriver`), or the volume plugin.
    Depends,
}

/// Whether the files of a PV are given to the pod's `fsGroup`.
#[must_use]
pub fn fs_group_support(volume: &Value) -> FsGroupSupport {
    let keys = volume.get("spec").and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.as_str());
    keys.map(fs_group_support_of).find(|support| *support == FsGroupSupport::Never).unwrap_or(FsGroupSupport::Depends)
}

/// The same by the key of a volume's source, which a PV and a pod's volume share.
#[must_use]
pub fn fs_group_support_of(source: &str) -> FsGroupSupport {
    if matches!(source, "hostPath" | "nfs") { FsGroupSupport::Never } else { FsGroupSupport::Depends }
}

/// What an init container does to the owner of a volume's files, as far as its command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandOver<'a> {
    /// It gives them to a user by number.
    To(u64, &'a str),
    /// It changes owner or mode, and to whom cannot be told.
    Somehow(&'a str),
}

/// The first init container that mounts one of these volumes, may run as root and changes the owner of files.
#[must_use]
pub fn hand_over<'a>(template: PodTemplate<'a>, volumes: &[&str]) -> Option<HandOver<'a>> {
    let init = template.containers().filter(|container| container.kind == ContainerKind::Init);
    let may = init.filter(|container| {
        container.mounts().any(|Mount { volume, .. }| volumes.contains(&volume))
            && run_as_user(template, *container).is_none_or(|user| user == 0)
    });
    may.filter_map(|container| {
        let words = ["command", "args"].iter().filter_map(|key| container.json.get(*key)?.as_array()).flatten();
        let text: Vec<&str> = words.filter_map(Value::as_str).collect();
        changes_owner(&text.join(" ")).map(|owner| match owner {
            Some(owner) => HandOver::To(owner, container.name),
            None => HandOver::Somehow(container.name),
        })
    })
    .next()
}

/// Whether a command line changes the owner or the mode of files, and to which user number.
#[expect(clippy::option_option, reason = "no such command; one whose owner is not written as a number; a number")]
fn changes_owner(text: &str) -> Option<Option<u64>> {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '"' | '\'')).collect();
    let at = |tool: &str| words.iter().position(|word| word.rsplit('/').next() == Some(tool));
    if let Some(at) = at("chown") {
        let owner = words[at + 1..].iter().find(|word| !word.is_empty() && !word.starts_with('-'));
        return Some(owner.and_then(|owner| owner.split([':', '.']).next()?.parse().ok()));
    }
    (at("chmod").is_some() || at("setfacl").is_some()).then_some(None)
}

#[cfg(test)]
mod tests {
    use portolan_model::Object;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_containers_own_user_goes_before_the_pods() {
        let pod = Object::new(
            json!({"kind": "Pod", "spec": {"securityContext": {"runAsUser": 1, "fsGroup": 7, "supplementalGroups": [3]},
            "containers": [{"name": "a"}, {"name": "b", "securityContext": {"runAsUser": 2, "runAsGroup": 4}}]}}),
        );
        let template = PodTemplate::of(&pod).expect("a pod");
        let all: Vec<Container<'_>> = template.containers().collect();
        assert_eq!([run_as_user(template, all[0]), run_as_user(template, all[1])], [Some(1), Some(2)]);
        assert_eq!([run_as_group(template, all[0]), run_as_group(template, all[1])], [None, Some(4)]);
        assert_eq!((fs_group(template), supplemental_groups(template)), (Some(7), BTreeSet::from([3])));
    }

    #[test]
    fn what_hands_a_folder_over() {
        let cases = [
            (json!({"command": ["sh", "-c", "chown -R 1000:1000 /data"]}), Some(HandOver::To(1000, "i"))),
            (json!({"command": ["/bin/chown", "101", "/data"]}), Some(HandOver::To(101, "i"))),
            (json!({"command": ["sh"], "args": ["-c", "chown -R redis:redis /data"]}), Some(HandOver::Somehow("i"))),
            (json!({"command": ["sh", "-c", "mkdir -p /data && chmod 777 /data"]}), Some(HandOver::Somehow("i"))),
            (json!({"command": ["sh", "-c", "echo ready"]}), None),
            (json!({}), None),
            (json!({"command": ["chown", "1", "/data"], "securityContext": {"runAsUser": 5}}), None),
            (json!({"command": ["chown", "1", "/data"], "volumeMounts": []}), None),
        ];
        for (more, expected) in cases {
            let mut init = json!({"name": "i", "volumeMounts": [{"name": "data", "mountPath": "/data"}]});
            init.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
            let pod = Object::new(json!({"kind": "Pod", "spec": {"initContainers": [init], "containers": []}}));
            let template = PodTemplate::of(&pod).expect("a pod");
            assert_eq!(hand_over(template, &["data"]), expected, "{more}");
        }
    }

    #[test]
    fn which_volumes_are_given_to_a_group() {
        for (source, expected) in
            [("hostPath", FsGroupSupport::Never), ("nfs", FsGroupSupport::Never), ("csi", FsGroupSupport::Depends)]
        {
            assert_eq!(fs_group_support(&json!({"spec": {source: {}}})), expected, "{source}");
        }
    }
}

//! The files that a container has out of ConfigMaps and Secrets, by their names in the container (`configMap`, `secret`, `projected`,
//! `items` and `subPath` of `staging/src/k8s.io/api/core/v1/types.go`, Kubernetes 1.34).

use serde_json::Value;

use crate::{Container, DataObject, Mount, PodTemplate, list};

/// Keys of an object that a container has as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedFiles<'a> {
    /// The object.
    pub object: DataObject<'a>,
    keys: Keys<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Keys<'a> {
    /// Each under its own name in this folder.
    All(&'a str),
    /// Some: the key, and the file's path.
    Some(Vec<(&'a str, String)>),
}

impl MountedFiles<'_> {
    /// The name of the file, without its folder, that a key is; `None` for a key that the container does not have.
    #[must_use]
    pub fn file_of(&self, key: &str) -> Option<String> {
        self.path_of(key).map(|path| last(&path).to_owned())
    }

    /// The path of the file in the container that a key is; `None` for a key that the container does not have.
    #[must_use]
    pub fn path_of(&self, key: &str) -> Option<String> {
        match &self.keys {
            Keys::All(folder) => Some(below(folder, key)),
            Keys::Some(keys) => keys.iter().find(|(known, _)| *known == key).map(|(_, path)| path.clone()),
        }
    }
}

impl<'a> PodTemplate<'a> {
    /// The keys of ConfigMaps and Secrets that a container has as files.
    #[must_use]
    pub fn files_in(self, container: Container<'a>) -> Vec<MountedFiles<'a>> {
        let mut all = Vec::new();
        for mount in container.mounts() {
            let Some((_, volume)) = self.volume(mount.volume) else { continue };
            let projected = volume.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten();
            for source in std::iter::once(volume).chain(projected) {
                all.extend(of_source(source, &mount));
            }
        }
        all
    }
}

/// The mode of a file, and the field that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMode {
    /// The permission bits.
    pub mode: u64,
    /// A JSON pointer below the pod's spec.
    pub field: String,
}

impl<'a> PodTemplate<'a> {
    /// With which mode a container has a file of a ConfigMap or Secret, by the file's path in it; `None` for any other file.
    #[must_use]
    pub fn mode_in(self, container: Container<'a>, path: &str) -> Option<FileMode> {
        let below = |mount: &Mount<'_>| {
            let rest = path.strip_prefix(mount.path.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_matches('/').to_owned())
        };
        let mount = container.mounts().filter(|mount| below(mount).is_some()).max_by_key(|mount| mount.path.len())?;
        let parts = [mount.sub_path.trim_matches('/').to_owned(), below(&mount)?];
        let file = parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("/");
        let (at, volume) = self.volume(mount.volume)?;
        let sources = volume.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten().enumerate();
        let projected = sources.flat_map(|(index, source)| {
            ["configMap", "secret"]
                .map(|kind| (kind, "projected", format!("/projected/sources/{index}/{kind}"), source))
        });
        let own = ["configMap", "secret"].map(|kind| (kind, kind, format!("/{kind}"), volume));
        let default = |of: &str| {
            let mode = volume.pointer(&format!("/{of}/defaultMode")).and_then(Value::as_u64).unwrap_or(0o644);
            FileMode { mode, field: format!("/volumes/{at}/{of}/defaultMode") }
        };
        own.into_iter().chain(projected).find_map(|(kind, of, pointer, source)| {
            let json = source.get(kind)?;
            let mut items = list(json, "items").iter().enumerate();
            if list(json, "items").is_empty() {
                return Some(default(of));
            }
            let (item, its) = items.find(|(_, item)| item["path"] == file.as_str())?;
            let own = its.get("mode").and_then(Value::as_u64);
            let own = own.map(|mode| FileMode { mode, field: format!("/volumes/{at}{pointer}/items/{item}/mode") });
            Some(own.unwrap_or_else(|| default(of)))
        })
    }
}

fn last(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

fn below(folder: &str, path: &str) -> String {
    format!("{}/{path}", folder.trim_end_matches('/'))
}

fn of_source<'a>(source: &'a Value, mount: &Mount<'a>) -> Option<MountedFiles<'a>> {
    let named = [("configMap", "name"), ("secret", "secretName"), ("secret", "name")];
    let (kind, json, name) = named.into_iter().find_map(|(key, name)| {
        let json = source.get(key)?;
        Some((key, json, json.get(name)?.as_str()?))
    })?;
    let object = if kind == "secret" { DataObject::secret(name) } else { DataObject::config_map(name) };
    let items = list(json, "items").iter();
    let items = items.filter_map(|item| Some((item.get("key")?.as_str()?, item.get("path")?.as_str()?)));
    let items: Vec<(&str, &str)> = items.collect();
    let part = mount.sub_path.trim_matches('/');
    let keys = match (items.is_empty(), part.is_empty()) {
        (true, true) => Keys::All(mount.path),
        (true, false) => Keys::Some(vec![(part, mount.path.to_owned())]),
        (false, true) => Keys::Some(items.into_iter().map(|(key, path)| (key, below(mount.path, path))).collect()),
        // One file, or the files of a folder.
        (false, false) => Keys::Some(
            items
                .into_iter()
                .filter_map(|(key, path)| match path.strip_prefix(part)? {
                    "" => Some((key, mount.path.to_owned())),
                    rest => rest.strip_prefix('/').map(|rest| (key, below(mount.path, rest))),
                })
                .collect(),
        ),
    };
    Some(MountedFiles { object, keys })
}

#[cfg(test)]
mod tests {
    use portolan_model::Object;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_has_the_mode_of_its_item_or_its_volume() {
        let of = |volume: Value, mount: Value, path: &str| {
            let pod = Object::new(json!({"kind": "Pod", "spec": {"volumes": [volume],
                "containers": [{"name": "c", "volumeMounts": [mount, {"name": "d", "mountPath": "/s/data"}]}]}}));
            let template = PodTemplate::of(&pod).expect("a pod");
            let container = template.containers().next().expect("a container");
            template.mode_in(container, path).map(|it| (it.mode, it.field))
        };
        let mode = |mode: u64, field: &str| Some((mode, format!("/volumes/0/{field}")));
        let mount = json!({"name": "v", "mountPath": "/s"});
        let plain = json!({"name": "v", "configMap": {"name": "m"}});
        assert_eq!(of(plain.clone(), mount.clone(), "/s/run"), mode(0o644, "configMap/defaultMode"));
        assert_eq!(of(plain.clone(), mount.clone(), "/bin/run"), None);
        assert_eq!(of(plain.clone(), mount.clone(), "/s/data/run"), None, "of another volume");
        assert_eq!(of(plain, mount.clone(), "/scripts/run"), None);
        let items = json!({"name": "v", "secret": {"secretName": "m", "defaultMode": 0o755, "items": [
            {"key": "a", "path": "run", "mode": 0o600}, {"key": "b", "path": "other"}]}});
        assert_eq!(of(items.clone(), mount.clone(), "/s/run"), mode(0o600, "secret/items/0/mode"));
        assert_eq!(of(items.clone(), mount.clone(), "/s/other"), mode(0o755, "secret/defaultMode"));
        let one = json!({"name": "v", "mountPath": "/run.sh", "subPath": "run"});
        assert_eq!(of(items, one, "/run.sh"), mode(0o600, "secret/items/0/mode"));
        let projected =
            json!({"name": "v", "projected": {"defaultMode": 0o555, "sources": [{"configMap": {"name": "m"}}]}});
        assert_eq!(of(projected, mount, "/s/run"), mode(0o555, "projected/defaultMode"));
    }

    #[test]
    fn a_file_has_the_name_that_the_container_sees() {
        let of = |volume: Value, mount: Value| {
            let pod = Object::new(json!({"kind": "Pod", "spec": {"volumes": [volume],
                "containers": [{"name": "c", "volumeMounts": [mount]}]}}));
            let template = PodTemplate::of(&pod).expect("a pod");
            let container = template.containers().next().expect("a container");
            let files = template.files_in(container);
            ["a.conf", "b.conf"].map(|key| files.iter().find_map(|it| it.file_of(key)).unwrap_or_default())
        };
        let map = json!({"name": "v", "configMap": {"name": "m"}});
        let items = json!({"name": "v", "secret": {"secretName": "m", "items": [{"key": "b.conf", "path": "conf/store.conf"}]}});
        let whole = json!({"name": "v", "mountPath": "/etc/store"});
        let one = |part: &str| json!({"name": "v", "mountPath": "/etc/store.conf", "subPath": part});
        assert_eq!(of(map.clone(), whole.clone()), ["a.conf", "b.conf"]);
        assert_eq!(of(map, one("b.conf")), ["", "store.conf"]);
        assert_eq!(of(items.clone(), whole.clone()), ["", "store.conf"]);
        assert_eq!(
            of(items.clone(), json!({"name": "v", "mountPath": "/etc/x.conf", "subPath": "conf/store.conf"})),
            ["", "x.conf"]
        );
        assert_eq!(of(items.clone(), one("conf")), ["", "store.conf"]);
        assert_eq!(of(items, one("other")), ["", ""]);
        let projected = json!({"name": "v", "projected": {"sources": [{"secret": {"name": "s", "items": [{"key": "a.conf", "path": "p"}]}}]}});
        assert_eq!(of(projected, whole), ["p", ""]);
        let path = |volume: Value, mount: Value| {
            let pod = Object::new(json!({"kind": "Pod", "spec": {"volumes": [volume],
                "containers": [{"name": "c", "volumeMounts": [mount]}]}}));
            let template = PodTemplate::of(&pod).expect("a pod");
            let container = template.containers().next().expect("a container");
            template.files_in(container).iter().find_map(|it| it.path_of("b.conf"))
        };
        let items = json!({"name": "v", "secret": {"secretName": "m", "items": [{"key": "b.conf", "path": "conf/store.conf"}]}});
        let at = |path: &str, part: &str| json!({"name": "v", "mountPath": path, "subPath": part});
        assert_eq!(path(items.clone(), at("/etc/store/", "")).as_deref(), Some("/etc/store/conf/store.conf"));
        assert_eq!(path(items.clone(), at("/etc/store", "conf")).as_deref(), Some("/etc/store/store.conf"));
        assert_eq!(path(items, at("/etc/a.conf", "conf/store.conf")).as_deref(), Some("/etc/a.conf"));
        let map = json!({"name": "v", "configMap": {"name": "m"}});
        assert_eq!(path(map.clone(), at("/etc/a.conf", "b.conf")).as_deref(), Some("/etc/a.conf"));
        assert_eq!(path(map, at("/etc", "")).as_deref(), Some("/etc/b.conf"));
    }
}

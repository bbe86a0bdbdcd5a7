//! What a patch of Helm leaves of a live object.
//!
//! Kinds that have a Go type in Helm get a strategic three-way merge, the others (such as `Route`) a JSON merge
//! patch from the old manifest to the new one (`createPatch` in `pkg/kube/client.go`, helm 3.14.4; helm 4
//! does the same for releases that helm 3 made).

use serde_json::{Map, Value};

/// Whether Helm has a Go type for the kinds of a group: those of client-go's scheme, and `apiextensions.k8s.io`,
/// which Helm adds (`New` in `pkg/kube/client.go`, helm 3.14.4).
#[must_use]
pub fn is_typed(group: &str) -> bool {
    const GROUPS: [&str; 22] = [
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "extensions",
        "flowcontrol.apiserver.k8s.io",
        "internal.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    ];
    GROUPS.contains(&group)
}

/// The strategic three-way merge: everything that `modified` says is set, what `original` had and `modified` has not is
/// removed, what only `current` has stays. Lists with a merge key are merged item by item, all others are
/// replaced (`CreateThreeWayMergePatch` in apimachinery's `strategicpatch`; the keys are those of the Go types'
/// `patchStrategy` tags). `original` is the stored manifest's document, `modified` the new one, `current` the live object.
#[must_use]
pub fn three_way(original: &Value, modified: &Value, current: &Value) -> Value {
    let merge = Merge { kind: modified.get("kind").and_then(Value::as_str).unwrap_or_default() };
    let (Value::Object(modified), Value::Object(current)) = (modified, current) else {
        return modified.clone();
    };
    Value::Object(merge.map(&mut Vec::new(), original.as_object(), modified, current))
}

/// What a JSON merge patch from `original` to `modified` makes of `current`, which is not looked at when the patch is
/// made: drift outside the patch stays.
#[must_use]
pub fn two_way(original: &Value, modified: &Value, current: &Value) -> Value {
    let mut result = current.clone();
    if let Some(patch) = merge_patch(original, modified) {
        json_patch::merge(&mut result, &patch);
    }
    result
}

/// The JSON merge patch (RFC 7386) from one value to another; `None` where they are equal.
#[must_use]
pub fn merge_patch(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return Some(to.clone());
    };
    let mut patch = Map::new();
    for (key, new) in to {
        match from.get(key) {
            None => {
                patch.insert(key.clone(), new.clone());
            }
            Some(old) => {
                if let Some(inner) = merge_patch(old, new) {
                    patch.insert(key.clone(), inner);
                }
            }
        }
    }
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Some(Value::Object(patch))
}

/// How a list is merged.
enum Strategy {
    /// Item by item, by this field.
    Key(&'static str),
    /// As a set of plain values.
    Set,
}

struct Merge<'a> {
    kind: &'a str,
}

impl Merge<'_> {
    fn map<'v>(
        &self,
        path: &mut Vec<&'v str>,
        original: Option<&'v Map<String, Value>>,
        modified: &'v Map<String, Value>,
        current: &Map<String, Value>,
    ) -> Map<String, Value> {
        let was = |key: &str| original.and_then(|original| original.get(key));
        // What only the live object has. The rest is made once, where it belongs, and never copied whole before.
        let stays = current.iter().filter(|(key, _)| !modified.contains_key(*key) && was(key).is_none());
        let mut result: Map<String, Value> = stays.map(|(key, live)| (key.clone(), live.clone())).collect();
        for (key, new) in modified {
            path.push(key);
            let value = self.value(path, was(key), new, current.get(key));
            result.extend(value.map(|value| (key.clone(), value)));
            path.pop();
        }
        result
    }

    /// One field; `None` where it goes.
    fn value<'v>(
        &self,
        path: &mut Vec<&'v str>,
        original: Option<&'v Value>,
        modified: &'v Value,
        current: Option<&Value>,
    ) -> Option<Value> {
        match (modified, current) {
            (Value::Null, _) => None,
            (Value::Object(new), Some(Value::Object(live))) => {
                let old = original.and_then(Value::as_object);
                let mut merged = self.map(path, old, new, live);
                if self.retains_only_given_keys(path) && merged != *live {
                    merged.retain(|key, _| new.contains_key(key));
                }
                Some(Value::Object(merged))
            }
            (Value::Array(new), Some(Value::Array(live))) => {
                let old = original.and_then(Value::as_array);
                let list = match self.strategy(path) {
                    Some(Strategy::Key(field)) => self.by_key(path, field, old, new, live),
                    Some(Strategy::Set) => Some(union(old, new, live)),
                    None => None,
                };
                Some(Value::Array(list.unwrap_or_else(|| new.clone())))
            }
            _ => Some(without_nulls(modified)),
        }
    }

    /// Merges a list by a field of its items; `None` where an item lacks the field.
    fn by_key<'v>(
        &self,
        path: &mut Vec<&'v str>,
        field: &str,
        original: Option<&'v Vec<Value>>,
        modified: &'v [Value],
        current: &[Value],
    ) -> Option<Vec<Value>> {
        let old = original.map_or(&[] as &[Value], Vec::as_slice);
        if current.iter().chain(modified).any(|item| item.get(field).is_none()) {
            return None;
        }
        let key = |item: &Value| item.get(field).cloned().unwrap_or_default();
        let place = |wanted: &Value| current.iter().position(|item| item.get(field) == Some(wanted));
        let mut given: Vec<(Option<usize>, Vec<Value>)> = Vec::new();
        for (index, item) in modified.iter().enumerate() {
            let key = key(item);
            if modified[..index].iter().any(|earlier| earlier.get(field) == Some(&key)) {
                continue;
            }
            let same = |list: &'v [Value]| with_key(list, field, &key);
            let live = with_key(current, field, &key);
            given.push((place(&key), self.of_one_key(path, &same(old), &same(modified), &live)));
        }
        // Items that only the live list has stay where they were, relative to the given ones.
        let mut kept = current
            .iter()
            .enumerate()
            .filter(|(_, item)| [modified, old].iter().all(|list| with_key(list, field, &key(item)).is_empty()))
            .peekable();
        let mut result = Vec::new();
        for (at, items) in given {
            while let Some((_, live)) = kept.next_if(|(index, _)| at.is_some_and(|at| *index < at)) {
                result.push(live.clone());
            }
            result.extend(items);
        }
        result.extend(kept.map(|(_, live)| live.clone()));
        Some(result)
    }

    /// The items of one key. A key should be there once; where it is there more often, the patch pairs its items from the last to the
    /// first, writes each that differs into the first live one, and deletes all as soon as the old list has more than the new one
    /// (`diffListsOfMaps`, `SortableSliceOfMaps` and `mergeSliceWithoutSpecialElements` of apimachinery's `strategicpatch`,
    /// 0.34.1; lists of more than twelve items are sorted in another way).
    fn of_one_key<'v>(
        &self,
        path: &mut Vec<&'v str>,
        old: &[&'v Value],
        new: &[&'v Value],
        live: &[&Value],
    ) -> Vec<Value> {
        if old.len() > new.len() {
            return Vec::new();
        }
        let mut first: Option<Value> = None;
        for (index, item) in new.iter().rev().enumerate() {
            let was = old.iter().rev().nth(index).copied();
            let is = live.iter().rev().nth(index).copied();
            // One that is paired with the first live item is written into it, so nobody sees whether it differs.
            let is_written_anyway = first.is_none() && index + 1 == live.len();
            if !is_written_anyway && is.is_some_and(|is| self.value(path, was, item, Some(is)).as_ref() == Some(is)) {
                continue;
            }
            first = self.value(path, was, item, first.as_ref().or(live.first().copied())).or(first);
        }
        let written = usize::from(first.is_some());
        first.into_iter().chain(live.iter().skip(written).copied().cloned()).collect()
    }

    /// The `patchStrategy: merge` lists of the Go types (k8s.io/api 0.29, `types.go` of core, apps, batch,
    /// admissionregistration; apimachinery's `ObjectMeta`).
    fn strategy(&self, path: &[&str]) -> Option<Strategy> {
        let (field, parents) = path.split_last()?;
        let key = match (self.kind, parents, *field) {
            (_, [.., "metadata"], "finalizers") => return Some(Strategy::Set),
            (_, [.., "metadata"], "ownerReferences") => "uid",
            ("Service", ["spec"], "ports") => "port",
            ("ServiceAccount", [], "secrets")
            | ("MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration", [], "webhooks") => "name",
            (_, ["status"], "conditions") => "type",
            (_, [.., "containers" | "initContainers" | "ephemeralContainers"], field) => match field {
                "ports" => "containerPort",
                "env" => "name",
                "volumeMounts" => "mountPath",
                "volumeDevices" => "devicePath",
                _ => return None,
            },
            _ if self.is_pod_spec(parents) => match *field {
                "containers"
                | "initContainers"
                | "ephemeralContainers"
                | "volumes"
                | "imagePullSecrets"
                | "schedulingGates"
                | "resourceClaims" => "name",
                "hostAliases" => "ip",
                "topologySpreadConstraints" => "topologyKey",
                _ => return None,
            },
            _ => return None,
        };
        Some(Strategy::Key(key))
    }

    fn is_pod_spec(&self, path: &[&str]) -> bool {
        path.ends_with(&["template", "spec"]) || (self.kind == "Pod" && path == ["spec"])
    }

    /// The `retainKeys` strategy: where such a map changes, it keeps no field that is not given. Without it a
    /// volume that becomes a PVC would stay an `emptyDir` as well.
    fn retains_only_given_keys(&self, path: &[&str]) -> bool {
        match path.split_last() {
            Some((&"volumes", parents)) => self.is_pod_spec(parents),
            _ => self.kind == "Deployment" && path == ["spec", "strategy"],
        }
    }
}

fn with_key<'v>(list: &'v [Value], field: &str, key: &Value) -> Vec<&'v Value> {
    list.iter().filter(|item| item.get(field) == Some(key)).collect()
}

/// A list of plain values, merged as a set.
fn union(original: Option<&Vec<Value>>, modified: &[Value], current: &[Value]) -> Vec<Value> {
    let went = |item: &Value| original.is_some_and(|original| original.contains(item)) && !modified.contains(item);
    let mut list: Vec<Value> = current.iter().filter(|item| !went(item)).cloned().collect();
    for item in modified {
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
    list
}

/// A null says that a field is to go; where there is none it says nothing.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod immutable_tests;
#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(kind: &str, spec: Value) -> Value {
        let mut object = json!({"kind": kind, "spec": {}});
        match kind {
            "Pod" => object["spec"] = spec,
            _ => object["spec"]["template"]["spec"] = spec,
        }
        object
    }

    #[test]
    fn set_remove_and_leave() {
        let original = json!({"metadata": {"annotations": {"old": "1", "both": "1"}}, "gone": {"a": 1}});
        let modified = json!({"metadata": {"annotations": {"both": "2", "new": "1", "nothing": null}}});
        let current = json!({"metadata": {"annotations": {"old": "1", "both": "x", "helm.sh/resource-policy": "keep", "nothing": "y"}}, "gone": {"a": 1, "b": 2}, "status": {}});
        assert_eq!(
            three_way(&original, &modified, &current),
            json!({"metadata": {"annotations": {"both": "2", "new": "1", "helm.sh/resource-policy": "keep"}}, "status": {}})
        );
    }

    #[test]
    fn lists_with_a_key_are_merged_and_others_replaced() {
        for kind in ["Pod", "StatefulSet"] {
            let original = pod(
                kind,
                json!({"containers": [{"name": "a", "image": "1", "args": ["x"]}, {"name": "b"}], "tolerations": [{"key": "k"}]}),
            );
            let modified = pod(
                kind,
                json!({"containers": [{"name": "c"}, {"name": "a", "image": "2"}], "tolerations": [{"key": "l"}]}),
            );
            let current = pod(
                kind,
                json!({
                    "containers": [{"name": "side"}, {"name": "a", "image": "1", "args": ["x"], "imagePullPolicy": "Always"}, {"name": "b"}],
                    "tolerations": [{"key": "k"}, {"key": "live"}], "dnsPolicy": "ClusterFirst"
                }),
            );
            let want = pod(
                kind,
                json!({
                    "containers": [{"name": "c"}, {"name": "side"}, {"name": "a", "image": "2", "imagePullPolicy": "Always"}],
                    "tolerations": [{"key": "l"}], "dnsPolicy": "ClusterFirst"
                }),
            );
            assert_eq!(three_way(&original, &modified, &current), want, "{kind}");
        }
    }

    /// As `CreateThreeWayMergePatch` and `StrategicMergePatch` of apimachinery 0.34.1 answered.
    #[test]
    fn a_key_that_is_there_more_than_once_is_merged_as_kubernetes_does() {
        let env = |values: &[&str]| {
            let env: Vec<Value> = values.iter().map(|value| json!({"name": "DIR", "value": value})).collect();
            pod("StatefulSet", json!({"containers": [{"name": "c", "env": env}]}))
        };
        for (stored, chart, live, after) in [
            (&["/a"][..], &["/a", "/b"][..], &["/a"][..], &["/a"][..]),
            (&["/a"], &["/b", "/a"], &["/a"], &["/b"]),
            (&["/a", "/b"], &["/a", "/b"], &["/a", "/b"], &["/a", "/b"]),
            (&["/a", "/b"], &["/a", "/b"], &["/a"], &["/a"]),
            (&["/a", "/b"], &["/a"], &["/a", "/b"], &[]),
            (&["/a", "/a"], &["/a"], &["/a", "/a"], &[]),
            (&["/a"], &["/b"], &["/a"], &["/b"]),
        ] {
            assert_eq!(three_way(&env(stored), &env(chart), &env(live)), env(after), "{stored:?} {chart:?} {live:?}");
        }
    }

    #[test]
    fn each_list_has_its_key() {
        let one = |kind: &str, list: &str, item: Value, live: Value| match kind {
            "Service" => (json!({"kind": kind, "spec": {list: [item]}}), json!({"kind": kind, "spec": {list: [live]}})),
            _ => (
                pod(kind, json!({"containers": [{"name": "a", list: [item]}]})),
                pod(kind, json!({"containers": [{"name": "a", list: [live]}]})),
            ),
        };
        for (kind, list, item, live, merged) in [
            ("Pod", "env", json!({"name": "A", "value": "1"}), json!({"name": "B"}), 2),
            ("Pod", "ports", json!({"containerPort": 1}), json!({"containerPort": 2}), 2),
            ("Pod", "volumeMounts", json!({"mountPath": "/a"}), json!({"mountPath": "/b"}), 2),
            ("Pod", "envFrom", json!({"prefix": "a"}), json!({"prefix": "b"}), 1),
            ("Service", "ports", json!({"port": 1}), json!({"port": 2}), 2),
        ] {
            let (modified, current) = one(kind, list, item, live);
            let result = three_way(&Value::Null, &modified, &current);
            let at = match kind {
                "Service" => format!("/spec/{list}"),
                _ => format!("/spec/containers/0/{list}"),
            };
            let length = result.pointer(&at).and_then(Value::as_array).map(Vec::len);
            assert_eq!(length, Some(merged), "{kind} {list}");
        }
    }

    #[test]
    fn a_volume_that_changes_its_source_has_one_source() {
        let original = pod("Deployment", json!({"volumes": [{"name": "d", "emptyDir": {}}]}));
        let modified =
            pod("Deployment", json!({"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]}));
        // Somebody replaced the emptyDir by hand, so the old manifest does not say what goes.
        let current = pod("Deployment", json!({"volumes": [{"name": "d", "hostPath": {"path": "/x"}}]}));
        assert_eq!(
            three_way(&original, &modified, &current).pointer("/spec/template/spec/volumes"),
            Some(&json!([{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]))
        );
    }

    #[test]
    fn claim_templates_are_replaced_as_a_whole() {
        let modified =
            json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}});
        let current = json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "status": {}}], "replicas": 1}});
        assert_eq!(
            three_way(&modified, &modified, &current),
            json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}], "replicas": 1}})
        );
    }

    #[test]
    fn finalizers_are_a_set() {
        let with = |list: &[&str]| json!({"metadata": {"finalizers": list}});
        assert_eq!(
            three_way(&with(&["a"]), &with(&["b"]), &with(&["a", "kubernetes.io/pvc-protection"])),
            with(&["kubernetes.io/pvc-protection", "b"])
        );
    }

    #[test]
    fn a_kind_without_a_type_keeps_its_drift() {
        let original = json!({"spec": {"host": "a", "to": {"name": "x"}, "gone": 1}});
        let modified = json!({"spec": {"host": "b", "to": {"name": "x"}}});
        let current = json!({"spec": {"host": "a", "to": {"name": "drifted"}, "gone": 1}});
        assert_eq!(two_way(&original, &modified, &current), json!({"spec": {"host": "b", "to": {"name": "drifted"}}}));
        assert_eq!(two_way(&modified, &modified, &current), current);
        assert!(is_typed("apps") && is_typed("") && !is_typed("route.openshift.io"));
    }
}

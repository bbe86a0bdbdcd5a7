//! Who wrote an object's pod template last, by `metadata.managedFields`: the API server notes there each writer with its last time and
//! the fields that are its (Kubernetes' documentation, "Server-Side Apply", "Field management").

use portolan_model::Object;
use serde_json::Value;

/// A write by somebody else than helm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaterWrite {
    /// The name under which the writer wrote, such as `kubectl-edit`.
    pub manager: String,
    /// When it wrote last, as the server has it.
    pub at: String,
    /// Fields of the pods that are its, such as `containers store env DATA_DIR`.
    pub fields: Vec<String>,
}

/// The writes to what a workload's pods run that came after helm's last one and after `since`, a time of the server's such as an
/// object's `creationTimestamp`; newest first. A restart writes the template's annotations only, and an autoscaler the replicas: neither
/// is one. Nor is a write of nothing but what `stored`, the document in the release's manifest, has as well: somebody put it back.
#[must_use]
pub fn later_writes(workload: &Object, stored: Option<&Object>, since: &str) -> Vec<LaterWrite> {
    let at = |object: &'_ Object| object.at("/spec/template/spec").cloned().unwrap_or_default();
    let (live, stored) = (at(workload), stored.map(at));
    let entries = || workload.list("/metadata/managedFields").iter().filter(|entry| entry["subresource"].is_null());
    let parse = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let time = |entry: &Value| parse(entry["time"].as_str()?);
    let is_helm = |entry: &Value| entry["manager"].as_str().is_some_and(|manager| manager.starts_with("helm"));
    let since = entries().filter(|entry| is_helm(entry)).filter_map(time).chain(parse(since)).max();
    let mut writes: Vec<LaterWrite> = entries()
        .filter(|entry| !is_helm(entry) && time(entry) > since)
        .filter_map(|entry| {
            let pods = entry.pointer("/fieldsV1/f:spec/f:template/f:spec")?;
            if stored.as_ref().is_some_and(|stored| is_same(pods, &live, stored)) {
                return None;
            }
            let mut fields = Vec::new();
            name_fields(pods, "", &mut fields);
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            Some(LaterWrite { manager: text("manager"), at: text("time"), fields })
        })
        .collect();
    writes.sort_by(|a, b| b.at.cmp(&a.at));
    writes
}

/// Whether every field of a set has the same value in two objects.
fn is_same(set: &Value, live: &Value, stored: &Value) -> bool {
    let parts = set.as_object().into_iter().flatten().filter(|(key, _)| key.as_str() != ".");
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return live == stored;
    }
    parts.all(|(key, inside)| match key.split_once(':') {
        Some(("f", name)) => match (live.get(name), stored.get(name)) {
            (Some(live), Some(stored)) => is_same(inside, live, stored),
            _ => false,
        },
        Some(("k", keys)) => {
            let keys: Value = serde_json::from_str(keys).unwrap_or_default();
            let is_it = |item: &&Value| {
                keys.as_object().is_some_and(|keys| keys.iter().all(|(key, is)| item.get(key) == Some(is)))
            };
            let find = |list: &'_ Value| list.as_array().and_then(|list| list.iter().find(is_it).cloned());
            match (find(live), find(stored)) {
                (Some(live), Some(stored)) => is_same(inside, &live, &stored),
                _ => false,
            }
        }
        _ => false,
    })
}

/// The fields of a set: an item of a list has its keys in its name (`k:{"name":"store"}`), and a field that is there for its items
/// alone is no field of its own.
fn name_fields(set: &Value, path: &str, fields: &mut Vec<String>) {
    let parts = set.as_object().into_iter().flatten().filter_map(|(key, inside)| match key.split_once(':') {
        Some(("f", name)) => Some((name.to_owned(), inside)),
        Some(("k", keys)) => {
            let keys: Value = serde_json::from_str(keys).ok()?;
            let key = keys.as_object()?.values().next()?;
            Some((key.as_str().map_or_else(|| key.to_string(), str::to_owned), inside))
        }
        _ => None,
    });
    let before = fields.len();
    for (name, inside) in parts {
        let path = if path.is_empty() { name } else { format!("{path} {name}") };
        name_fields(inside, &path, fields);
    }
    if fields.len() == before && !path.is_empty() {
        fields.push(path.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_wrote_into_the_pods_after_helm_is_named() {
        let store = r#"k:{"name":"store"}"#;
        let env = r#"k:{"name":"DATA_DIR"}"#;
        let entry = |manager: &str, time: &str, pods: Value| json!({"manager": manager, "time": time, "fieldsV1": {"f:spec": {"f:template": {"f:spec": pods}}}});
        let moved = || json!({"f:containers": {store: {"f:env": {env: {"f:value": {}}}}}});
        let set = |entries: Value| Object::new(json!({"metadata": {"name": "s", "managedFields": entries}}));
        let (early, helm, late) = ("2026-11-29T15:00:00Z", "2026-11-29T15:07:20Z", "2026-11-29T15:08:00Z");
        let started = "2026-11-29T14:53:20Z";
        let found = later_writes(
            &set(json!([
                entry("helm", helm, moved()),
                entry("kubectl-set", late, moved()),
                entry("old", early, moved())
            ])),
            None,
            started,
        );
        assert_eq!(
            found,
            [LaterWrite {
                manager: "kubectl-set".into(),
                at: late.into(),
                fields: vec!["containers store env DATA_DIR value".into()],
            }]
        );
        // A restart, an autoscaler, a controller's status, helm again, and what was there before the run.
        let restart = json!({"manager": "kubectl-rollout", "time": late, "fieldsV1": {"f:spec": {"f:template": {"f:metadata": {}}}}});
        let scale = json!({"manager": "hpa", "time": late, "fieldsV1": {"f:spec": {"f:replicas": {}}}});
        let mut status = entry("kube-controller-manager", late, moved());
        status["subresource"] = "status".into();
        let others = json!([entry("helm", helm, moved()), restart, scale, status, entry("helm-4", late, moved())]);
        assert_eq!(later_writes(&set(others), None, started), []);
        let before = json!([entry("kubectl-edit", early, moved())]);
        assert_eq!(later_writes(&set(before.clone()), None, helm), []);
        assert_eq!(later_writes(&set(before), None, started).len(), 1);
    }

    #[test]
    fn what_was_put_back_is_no_write() {
        let template = |folder: &str, more: Value| {
            let mut env = vec![json!({"name": "DATA_DIR", "value": folder})];
            env.extend(more.as_array().cloned().unwrap_or_default());
            json!({"template": {"spec": {"containers": [{"name": "store", "env": env}]}}})
        };
        let env = |name: &str| format!(r#"k:{{"name":"{name}"}}"#);
        let written = |names: &[&str]| {
            let fields: serde_json::Map<String, Value> =
                names.iter().map(|name| (env(name), json!({".": {}, "f:name": {}, "f:value": {}}))).collect();
            json!([{"manager": "kubectl-patch", "time": "2026-11-29T15:08:00Z", "fieldsV1": {"f:spec": {"f:template":
                {"f:spec": {"f:containers": {r#"k:{"name":"store"}"#: {"f:env": fields}}}}}}}])
        };
        let found = |spec: Value, names: &[&str]| {
            let live = Object::new(json!({"metadata": {"managedFields": written(names)}, "spec": spec}));
            let stored = Object::new(json!({"spec": template("/data", json!([]))}));
            later_writes(&live, Some(&stored), "2026-11-29T15:00:00Z").len()
        };
        assert_eq!(found(template("/data", json!([])), &["DATA_DIR"]), 0);
        assert_eq!(found(template("/data/v2", json!([])), &["DATA_DIR"]), 1);
        assert_eq!(found(template("/data", json!([{"name": "MORE", "value": "x"}])), &["DATA_DIR", "MORE"]), 1);
    }
}

//! When the data of a ConfigMap or Secret was written last, and since when a container runs.

use portolan_model::Object;
use serde_json::Value;

/// A key of an object's data that was written after a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WrittenKey {
    /// The key.
    pub key: String,
    /// When somebody wrote last who has written it, as the API server says: `2026-11-29T10:00:00Z`.
    pub time: String,
}

/// The keys of an object's data whose writer has written to the object after a time (seconds since 1970). The API server notes one
/// time for all fields of a writer, so a key may be older than it seems, and is never newer.
#[must_use]
pub fn keys_written_after(object: &Object, since: i64) -> Vec<WrittenKey> {
    let is_later = |entry: &&Value| seconds(&entry["time"]).is_some_and(|time| time > since);
    let entries = object.list("/metadata/managedFields").iter().filter(is_later);
    let mut all: Vec<WrittenKey> = entries
        .flat_map(|entry| {
            let keys = entry.pointer("/fieldsV1/f:data").and_then(Value::as_object).into_iter().flatten();
            let time = entry["time"].as_str().unwrap_or_default();
            let keys = keys.filter_map(|(key, _)| key.strip_prefix("f:"));
            keys.map(|key| WrittenKey { key: key.to_owned(), time: time.to_owned() })
        })
        .collect();
    all.sort();
    all.dedup_by(|a, b| a.key == b.key);
    all
}

/// Since when a container of a pod runs (seconds since 1970); `None` where it does not.
#[must_use]
pub fn runs_since(pod: &Object, container: &str) -> Option<i64> {
    let mut all =
        ["/status/containerStatuses", "/status/initContainerStatuses"].into_iter().flat_map(|at| pod.list(at));
    seconds(all.find(|status| status["name"] == container)?.pointer("/state/running/startedAt")?)
}

/// The beginning of a day (`2026-11-29`) in UTC, in seconds since 1970.
#[must_use]
pub fn start_of_day(day: &str) -> Option<i64> {
    Some(format!("{day}T00:00:00Z").parse::<jiff::Timestamp>().ok()?.as_second())
}

/// A time of the server's in seconds since 1970.
pub(crate) fn seconds(time: &Value) -> Option<i64> {
    Some(time.as_str()?.parse::<jiff::Timestamp>().ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_as_new_as_their_writer() {
        assert_eq!(start_of_day("1970-01-02"), Some(86_400));
        assert_eq!(start_of_day("tomorrow"), None);
        let map = Object::new(json!({"kind": "ConfigMap", "metadata": {"managedFields": [
            {"time": "2026-11-29T10:00:00Z", "fieldsV1": {"f:data": {".": {}, "f:old": {}}}},
            {"time": "2026-11-29T11:00:00Z", "fieldsV1": {"f:data": {"f:new": {}}, "f:metadata": {"f:labels": {}}}},
            {"time": "2026-11-29T12:00:00Z", "fieldsV1": {"f:metadata": {"f:annotations": {}}}},
        ]}}));
        let pod = Object::new(json!({"status": {"containerStatuses": [
            {"name": "a", "state": {"running": {"startedAt": "2026-11-29T10:30:00Z"}}}, {"name": "b", "state": {"waiting": {}}}]}}));
        let since = runs_since(&pod, "a").expect("it runs");
        let keys: Vec<String> = keys_written_after(&map, since).into_iter().map(|it| it.key).collect();
        assert_eq!(keys, ["new"]);
        assert_eq!(runs_since(&pod, "b"), None);
        assert_eq!(keys_written_after(&map, since + 3600), []);
    }
}

//! Whether two objects mean the same to the API server: defaults and quantities written in different ways.

use serde_json::{Map, Value};

/// The places in which two values differ, as dotted paths; items of lists are named where they have a name.
/// A field that only one side has is no difference where it is empty or has the server's default.
#[must_use]
pub fn differences(a: &Value, b: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", a, b, false, &mut found);
    found
}

/// Whether two values mean the same.
#[must_use]
pub fn equal(a: &Value, b: &Value) -> bool {
    differences(a, b).is_empty()
}

fn compare(path: &str, a: &Value, b: &Value, quantity: bool, found: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => maps(path, a, b, found),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                let name = a
                    .get("name")
                    .or_else(|| a.pointer("/metadata/name"))
                    .and_then(Value::as_str)
                    .map_or_else(|| index.to_string(), str::to_owned);
                compare(&format!("{path}[{name}]"), a, b, false, found);
            }
        }
        _ if a == b => {}
        _ if quantity && same_quantity(a, b) => {}
        _ => found.push(path.to_owned()),
    }
}

fn maps(path: &str, a: &Map<String, Value>, b: &Map<String, Value>, found: &mut Vec<String>) {
    let inside = path.rsplit('.').next().unwrap_or(path);
    let quantities = is_quantities(inside);
    for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
        let inner = match path {
            "" => key.clone(),
            _ if key.contains(['.', '/']) => format!("{path}[{key}]"),
            _ => format!("{path}.{key}"),
        };
        match (a.get(key), b.get(key)) {
            (Some(a), Some(b)) => {
                compare(&inner, a, b, quantities || is_quantity(key), found);
            }
            (Some(only), None) | (None, Some(only)) if is_default(key, only) => {}
            _ => found.push(inner),
        }
    }
}

/// Maps whose values are quantities.
fn is_quantities(key: &str) -> bool {
    matches!(key, "requests" | "limits" | "capacity" | "hard" | "min" | "max" | "default" | "defaultRequest")
}

fn is_quantity(key: &str) -> bool {
    matches!(key, "sizeLimit" | "divisor" | "averageValue")
}

/// Whether a field that the other side leaves out says nothing: it is null or empty where empty means absent, or
/// has the server's default (k8s.io/kubernetes 1.33, `pkg/apis/*/v1/defaults.go`).
pub(crate) fn is_default(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) if map.is_empty() => matches!(
            key,
            "annotations"
                | "labels"
                | "resources"
                | "securityContext"
                | "affinity"
                | "nodeSelector"
                | "status"
                | "data"
                | "divisor"
        ),
        Value::Object(map) => key == "status" || map.iter().all(|(key, value)| is_default(key, value)),
        Value::String(text) => text_defaults(key).contains(&text.as_str()),
        Value::Bool(true) => {
            matches!(key, "enableServiceLinks" | "allocateLoadBalancerNodePorts" | "hostUsers")
        }
        Value::Bool(false) => matches!(
            key,
            "readOnly"
                | "suspend"
                | "paused"
                | "optional"
                | "immutable"
                | "hostNetwork"
                | "hostPID"
                | "hostIPC"
                | "setHostnameAsFQDN"
                | "shareProcessNamespace"
                | "publishNotReadyAddresses"
                | "stdin"
                | "stdinOnce"
                | "tty"
        ),
        Value::Number(number) => number.as_i64().is_some_and(|number| is_default_number(key, number)),
    }
}

fn text_defaults(key: &str) -> &'static [&'static str] {
    match key {
        "protocol" => &["TCP"],
        "terminationMessagePath" => &["/dev/termination-log"],
        "terminationMessagePolicy" => &["File"],
        // Which of the two depends on the image's tag.
        "imagePullPolicy" => &["IfNotPresent", "Always"],
        "restartPolicy" => &["Always"],
        "dnsPolicy" => &["ClusterFirst"],
        "schedulerName" => &["default-scheduler"],
        "volumeMode" => &["Filesystem"],
        "podManagementPolicy" => &["OrderedReady"],
        "whenDeleted" | "whenScaled" => &["Retain"],
        "type" => &["ClusterIP", "RollingUpdate", "Opaque", ""],
        "sessionAffinity" | "wildcardPolicy" | "mountPropagation" => &["None"],
        "supplementalGroupsPolicy" => &["Merge"],
        "procMount" => &["Default"],
        "internalTrafficPolicy" => &["Cluster"],
        "ipFamilyPolicy" => &["SingleStack"],
        "scheme" => &["HTTP"],
        "completionMode" => &["NonIndexed"],
        "podReplacementPolicy" => &["TerminatingOrFailed"],
        "concurrencyPolicy" => &["Allow"],
        "maxUnavailable" | "maxSurge" => &["25%"],
        "reclaimPolicy" => &["Delete"],
        "volumeBindingMode" => &["Immediate"],
        // Of a PVC's template, and of a reference to a field.
        "apiVersion" => &["v1"],
        "kind" => &["PersistentVolumeClaim"],
        "divisor" => &["0"],
        _ => &[],
    }
}

fn is_default_number(key: &str, number: i64) -> bool {
    match key {
        "terminationGracePeriodSeconds" => number == 30,
        "revisionHistoryLimit" | "periodSeconds" => number == 10,
        "defaultMode" => number == 420,
        "successThreshold"
        | "timeoutSeconds"
        | "completions"
        | "parallelism"
        | "failedJobsHistoryLimit"
        | "replicas" => number == 1,
        "failureThreshold" | "successfulJobsHistoryLimit" => number == 3,
        "partition" | "minReadySeconds" | "initialDelaySeconds" => number == 0,
        "progressDeadlineSeconds" => number == 600,
        "backoffLimit" => number == 6,
        "expirationSeconds" => matches!(number, 3600 | 3607),
        "weight" => number == 100,
        _ => false,
    }
}

fn same_quantity(a: &Value, b: &Value) -> bool {
    match (quantity(a), quantity(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// A quantity in thousandths (apimachinery's `resource.Quantity`; below a thousandth it rounds up, as there).
#[must_use]
pub fn quantity(value: &Value) -> Option<i128> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let (scale, divide) = match suffix {
        "n" => (1, 1_000_000),
        "u" => (1, 1_000),
        "m" => (1, 1),
        "" => (1_000, 1),
        "k" => (1_000 * 1_000, 1),
        "M" => (1_000 * 1_000_i128.pow(2), 1),
        "G" => (1_000 * 1_000_i128.pow(3), 1),
        "T" => (1_000 * 1_000_i128.pow(4), 1),
        "P" => (1_000 * 1_000_i128.pow(5), 1),
        "E" => (1_000 * 1_000_i128.pow(6), 1),
        "Ki" => (1_000 * 1_024, 1),
        "Mi" => (1_000 * 1_024_i128.pow(2), 1),
        "Gi" => (1_000 * 1_024_i128.pow(3), 1),
        "Ti" => (1_000 * 1_024_i128.pow(4), 1),
        "Pi" => (1_000 * 1_024_i128.pow(5), 1),
        "Ei" => (1_000 * 1_024_i128.pow(6), 1),
        _ => {
            let power: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            (1_000 * 10_i128.checked_pow(power.min(18))?, 1)
        }
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let negative = whole.starts_with('-');
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut sum = whole.abs().checked_mul(scale)?;
    if !fraction.is_empty() {
        let tenths = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let part = fraction.parse::<u64>().ok().map(i128::from)?.checked_mul(scale)?;
        sum += (part + tenths - 1) / tenths;
    }
    let sum = (sum + divide - 1) / divide;
    Some(if negative { -sum } else { sum })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_compared_by_what_they_say() {
        for (a, b, same) in [
            (json!("1Gi"), json!("1024Mi"), true),
            (json!(1), json!("1"), true),
            (json!("0.5"), json!("500m"), true),
            (json!("1000m"), json!(1), true),
            (json!("1G"), json!("1Gi"), false),
            (json!("8Gi"), json!("16Gi"), false),
            (json!("1e3"), json!("1k"), true),
            (json!("0.1Gi"), json!("107374182400m"), true),
            (json!("much"), json!("much more"), false),
        ] {
            assert_eq!(same_quantity(&a, &b), same, "{a} {b}");
        }
    }

    #[test]
    fn defaults_and_empty_fields_are_no_difference() {
        let written = json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 1}], "resources": {"requests": {"cpu": 0.5}}}], "tolerations": []}});
        let live = json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 1, "protocol": "TCP"}], "imagePullPolicy": "Always",
            "resources": {"requests": {"cpu": "500m"}}}], "restartPolicy": "Always", "securityContext": {}}});
        assert_eq!(differences(&written, &live), Vec::<String>::new());
        let other = json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 2}]}], "volumes": [{"name": "x", "emptyDir": {}}]}});
        assert_eq!(
            differences(&live, &other),
            ["spec.containers[a].ports[0].containerPort", "spec.containers[a].resources", "spec.volumes"]
        );
    }

    #[test]
    fn an_empty_selector_is_something() {
        assert!(!equal(&json!({"podSelector": {}}), &json!({})));
        assert!(!equal(&json!({"emptyDir": {}}), &json!({})));
    }
}

//! Limits of a namespace by which the API server refuses pods: a store whose next pod is refused serves its data no more. Limits that rise,
//! and levels that only warn, refuse nobody.

use portolan_kube_facts::list;
use portolan_model::{Object, Ref};
use portolan_recipe::is_at_least;
use serde_json::Value;

use super::uses::Workloads;
use super::{HopContext, Report};

const WAY_OUT: &str = "see that the pods of today are taken under it (kubectl apply --dry-run=server in a namespace with the same limits)";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let planned = context.planned.docs.iter().filter_map(|doc| Some((doc.name()?, doc)));
    for (name, doc) in planned {
        let was = workloads.before(&name);
        let Some((namespace, field, reason)) = refusing(&name, was, doc) else { continue };
        for volume in workloads.volumes().filter(|volume| volume.claim.namespace() == namespace) {
            if workloads.users(&volume.claim).next().is_some() {
                report.unknown(volume, &name, &field, (reason.clone(), WAY_OUT));
            }
        }
    }
}

/// The namespace whose pods an object may refuse after the hop and does not today, the field, and the reason.
fn refusing(name: &Ref, was: Option<&Object>, will: &Object) -> Option<(String, String, String)> {
    match (name.group(), name.kind()) {
        ("", "Namespace") => {
            let key = security_level(was, will)?;
            let reason = format!("its label {key} changes, and pods that break that level are refused");
            Some((name.name().to_owned(), format!("/metadata/labels/{}", portolan_model::pointer_part(key)), reason))
        }
        ("", "LimitRange") if is_narrower(was, will) => {
            let reason = "pods that ask for more than it allows are refused, or get limits that they have not today";
            Some((name.namespace().to_owned(), "/spec/limits".into(), reason.into()))
        }
        ("", "ResourceQuota") if falls(was.and_then(|was| was.at("/spec/hard")), will.at("/spec/hard")) => {
            let reason = "pods beyond it are refused, and so are pods that do not say what they ask for";
            Some((name.namespace().to_owned(), "/spec/hard".into(), reason.into()))
        }
        _ => None,
    }
}

/// The label of a namespace that says which pods are refused, where it gets another text and that is not the level that refuses nobody
/// (<https://kubernetes.io/docs/concepts/security/pod-security-admission/>).
fn security_level(was: Option<&Object>, will: &Object) -> Option<&'static str> {
    const LABELS: [&str; 2] = ["pod-security.kubernetes.io/enforce", "pod-security.kubernetes.io/enforce-version"];
    let text = |object: &Object, key: &str| -> Option<String> {
        Some(object.at("/metadata/labels")?.get(key)?.as_str()?.to_owned())
    };
    let level = text(will, LABELS[0]).filter(|level| level != "privileged")?;
    let had = |key: &str| was.and_then(|was| text(was, key));
    if had(LABELS[0]).as_deref() == Some("restricted") && level == "baseline" {
        return None;
    }
    LABELS.into_iter().find(|key| had(key) != text(will, key))
}

/// Whether a `LimitRange` refuses or changes pods that it takes today as they are (`LimitRangeItem`, `core/v1/types.go` of Kubernetes 1.34).
fn is_narrower(was: Option<&Object>, will: &Object) -> bool {
    let items = |object: &Object| -> Vec<Value> {
        object.at("/spec").map(|spec| list(spec, "limits").to_vec()).unwrap_or_default()
    };
    let old = was.map(items).unwrap_or_default();
    items(will).iter().filter(|item| item.get("type").and_then(Value::as_str) != Some("PersistentVolumeClaim")).any(
        |item| {
            let had = old.iter().find(|had| had.get("type") == item.get("type"));
            let part = |key: &str| (had.and_then(|had| had.get(key)), item.get(key));
            let differs = |key: &str| part(key).1.is_some() && part(key).0 != part(key).1;
            falls(part("max").0, part("max").1)
                || falls(part("maxLimitRequestRatio").0, part("maxLimitRequestRatio").1)
                || rises(part("min").0, part("min").1)
                || differs("default")
                || differs("defaultRequest")
        },
    )
}

/// Whether an amount is less than it was, or comes.
fn falls(was: Option<&Value>, will: Option<&Value>) -> bool {
    is_another(was, will, |had, amount| is_at_least(amount, had) == Some(true))
}

/// Whether an amount is more than it was, or comes.
fn rises(was: Option<&Value>, will: Option<&Value>) -> bool {
    is_another(was, will, |had, amount| is_at_least(had, amount) == Some(true))
}

fn is_another(was: Option<&Value>, will: Option<&Value>, is_good: fn(&str, &str) -> bool) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    will.and_then(Value::as_object).into_iter().flatten().any(|(key, amount)| {
        let had = was.and_then(|was| was.get(key));
        had.is_none_or(|had| had != amount && !is_good(&text(had), &text(amount)))
    })
}

//! What an autoscaler does to the replicas of a workload, and to the PVCs of a StatefulSet.

use portolan_model::{Object, Ref};
use serde_json::Value;

use crate::{Reach, StatefulSet};

/// How an autoscaler can take the replica of a PVC away: an object with `spec.scaleTargetRef` (a HorizontalPodAutoscaler, or a
/// ScaledObject of KEDA) that names a StatefulSet among `docs`. With fewer replicas at most than the StatefulSet has, it does so at
/// once (`reconcileAutoscaler` in Kubernetes' pkg/controller/podautoscaler/horizontal.go, 1.27 to 1.34); with fewer at least, when
/// there is little load; with `whenScaled: Delete` each scaling down deletes PVCs. The field says which of these it is.
#[must_use]
pub fn scales_away(scaler: &Object, claim: &Ref, docs: &[Object]) -> Option<Reach> {
    let target = scaler.at("/spec/scaleTargetRef")?;
    let text = |key: &str| target.get(key).and_then(Value::as_str);
    // KEDA takes a Deployment where no kind is given.
    if text("kind") != Some("StatefulSet") || scaler.text("/metadata/namespace") != claim.namespace() {
        return None;
    }
    let name = Ref::set(claim.namespace(), text("name")?);
    let set = docs.iter().find(|doc| doc.name().as_ref() == Some(&name)).and_then(StatefulSet::of)?;
    let (_, ordinal) = set.origin_of(claim)?;
    let place = u64::from(ordinal.checked_sub(set.ordinals().start)?);
    // What is left out is as both controllers take it.
    let default = match scaler.text("/kind") {
        "HorizontalPodAutoscaler" => Some(("/spec/minReplicas", 1)),
        "ScaledObject" => Some(("/spec/minReplicaCount", 0)),
        _ => None,
    };
    let (most, least) = (limit(scaler, MOST), limit(scaler, LEAST).or(default));
    let goes_for = |limit: Option<(&'static str, u64)>| limit.filter(|(_, number)| place >= *number);
    let at_once = goes_for(most).filter(|_| set.ordinals().contains(&ordinal));
    let (field, number) = at_once.or_else(|| goes_for(least))?;
    let found = |field: &str, reason: String, way_out: &'static str| {
        Some(Reach { field: field.into(), reason, way_out, by_change: false })
    };
    if set.deletes_claims_when_scaled() {
        let reason = format!("it scales {name}, whose whenScaled: Delete deletes the PVCs of the replicas that go");
        return found("/spec/scaleTargetRef", reason, "set persistentVolumeClaimRetentionPolicy.whenScaled to Retain");
    }
    if at_once.is_none() {
        let reason = format!("it may scale {name} to {number} replicas, and nothing mounts the PVC then");
        return found(field, reason, "let it leave as many replicas as there are today");
    }
    let reason = format!("it scales {name} to {number} replicas at most, and nothing mounts the PVC then");
    found(field, reason, "allow as many replicas as there are today")
}

/// Fields of a HorizontalPodAutoscaler and of a ScaledObject that limit the replicas.
const MOST: [&str; 2] = ["/spec/maxReplicas", "/spec/maxReplicaCount"];
const LEAST: [&str; 3] = ["/spec/idleReplicaCount", "/spec/minReplicas", "/spec/minReplicaCount"];

/// The first of these fields that an autoscaler has, with its number.
fn limit<const N: usize>(scaler: &Object, fields: [&'static str; N]) -> Option<(&'static str, u64)> {
    fields.into_iter().find_map(|field| Some((field, scaler.at(field)?.as_u64()?)))
}

/// How many replicas the autoscalers among `docs` give a workload at most; `None` where none of them is for it. KEDA takes a
/// Deployment where no kind is given, and 100 replicas where no number is.
#[must_use]
pub fn scales_to(docs: &[Object], workload: &Ref) -> Option<u64> {
    let of = |scaler: &Object| {
        let target = scaler.at("/spec/scaleTargetRef")?;
        let text = |key: &str| target.get(key).and_then(Value::as_str);
        let is_it = text("kind").unwrap_or("Deployment") == workload.kind()
            && text("name") == Some(workload.name())
            && scaler.text("/metadata/namespace") == workload.namespace();
        let most = limit(scaler, MOST).map_or(100, |(_, number)| number);
        is_it.then_some(most)
    };
    docs.iter().filter_map(of).max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_autoscaler_that_takes_replicas_away_is_named() {
        let set = |policy: &str| {
            Object::new(
                json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s", "namespace": "n"},
                "spec": {"replicas": 2, "persistentVolumeClaimRetentionPolicy": {"whenScaled": policy},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}}], "template": {"spec": {}}}}),
            )
        };
        let scaler = |kind: &str, least: u64, most: u64| {
            Object::new(
                json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a", "namespace": "n"},
                "spec": {"minReplicas": least, "maxReplicas": most,
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": "s"}}}),
            )
        };
        let field = |kind: &str, (least, most): (u64, u64), policy: &str, claim: &str| {
            scales_away(&scaler(kind, least, most), &Ref::claim("n", claim), &[set(policy)]).map(|reach| reach.field)
        };
        for (limits, policy, claim, wanted) in [
            ((1, 2), "Delete", "data-s-1", Some("/spec/scaleTargetRef")),
            ((1, 2), "Delete", "data-s-0", None),
            ((2, 2), "Delete", "data-s-1", None),
            ((1, 1), "Retain", "data-s-1", Some("/spec/maxReplicas")),
            ((1, 2), "Retain", "data-s-1", Some("/spec/minReplicas")),
            ((2, 4), "Retain", "data-s-1", None),
            ((1, 1), "Retain", "data-s-0", None),
            ((1, 1), "Retain", "other", None),
        ] {
            assert_eq!(field("StatefulSet", limits, policy, claim).as_deref(), wanted, "{limits:?} {policy} {claim}");
        }
        assert_eq!(field("Deployment", (1, 1), "Delete", "data-s-1"), None);
    }

    #[test]
    fn what_an_autoscaler_leaves_out_is_as_its_controller_takes_it() {
        let set = Object::new(
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s", "namespace": "n"},
            "spec": {"replicas": 2, "volumeClaimTemplates": [{"metadata": {"name": "data"}}], "template": {"spec": {}}}}),
        );
        let field = |kind: &str, spec: Value, claim: &str| {
            let mut json = json!({"kind": kind, "metadata": {"name": "a", "namespace": "n"}, "spec": spec});
            json["spec"]["scaleTargetRef"] = json!({"kind": "StatefulSet", "name": "s"});
            scales_away(&Object::new(json), &Ref::claim("n", claim), std::slice::from_ref(&set))
                .map(|reach| reach.field)
        };
        let (hpa, keda) = ("HorizontalPodAutoscaler", "ScaledObject");
        assert_eq!(field(hpa, json!({"maxReplicas": 4}), "data-s-0"), None);
        assert_eq!(field(hpa, json!({"maxReplicas": 4}), "data-s-1").as_deref(), Some("/spec/minReplicas"));
        assert_eq!(field(keda, json!({}), "data-s-0").as_deref(), Some("/spec/minReplicaCount"));
        assert_eq!(field(keda, json!({"minReplicaCount": 2}), "data-s-1"), None);
        let idle = json!({"minReplicaCount": 2, "idleReplicaCount": 0});
        assert_eq!(field(keda, idle, "data-s-0").as_deref(), Some("/spec/idleReplicaCount"));
    }
}

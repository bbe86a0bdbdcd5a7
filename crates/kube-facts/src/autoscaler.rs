//! What an autoscaler does to the replicas of a workload, and to the PVCs of a StatefulSet.

use portolan_model::{Object, Ref};
use serde_json::Value;

use crate::{Reach, StatefulSet};

/// How an autoscaler can take the replica of a PVC away: an object with `spec.scaleTargetRef` (a HorizontalPodAutoscaler, or a
/// ScaledObject of KEDA) that names a StatefulSet among `docs`. With fewer replicas at most than the StatefulSet has, it does so at
/// once (`reconcileAutoscaler` in Kubernetes' pkg/controller/podautoscaler/horizontal.go, 1.27 to 1.34); with `whenScaled: Delete`
/// each scaling down deletes PVCs.
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
    let found = |field: &str, reason: String, way_out: &'static str| {
        Some(Reach { field: field.into(), reason, way_out, by_change: false })
    };
    if set.deletes_claims_when_scaled() {
        let reason = format!("it scales {name}, whose whenScaled: Delete deletes the PVCs of the replicas that go");
        return found("/spec/scaleTargetRef", reason, "set persistentVolumeClaimRetentionPolicy.whenScaled to Retain");
    }
    let field = ["/spec/maxReplicas", "/spec/maxReplicaCount"].into_iter().find(|field| scaler.at(field).is_some())?;
    let most = scaler.at(field)?.as_u64()?;
    let last = u64::from(ordinal.checked_sub(set.ordinals().start)?) + 1;
    if last <= most || !set.ordinals().contains(&ordinal) {
        return None;
    }
    let reason = format!("it scales {name} to {most} replicas at most, and nothing mounts the PVC then");
    found(field, reason, "allow as many replicas as there are today")
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
        let most =
            ["/spec/maxReplicas", "/spec/maxReplicaCount"].into_iter().find_map(|field| scaler.at(field)?.as_u64());
        is_it.then(|| most.unwrap_or(100))
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
        let scaler = |kind: &str, most: u64| {
            Object::new(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": "a", "namespace": "n"},
                "spec": {"maxReplicas": most, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": "s"}}}))
        };
        let field = |kind: &str, most: u64, policy: &str, claim: &str| {
            scales_away(&scaler(kind, most), &Ref::claim("n", claim), &[set(policy)]).map(|reach| reach.field)
        };
        let (target, most) = (Some("/spec/scaleTargetRef".to_owned()), Some("/spec/maxReplicas".to_owned()));
        assert_eq!(field("StatefulSet", 2, "Delete", "data-s-0"), target);
        assert_eq!(field("StatefulSet", 1, "Retain", "data-s-1"), most);
        for (kind, max, policy, claim) in [
            ("StatefulSet", 1, "Retain", "data-s-0"),
            ("StatefulSet", 2, "Retain", "data-s-1"),
            ("StatefulSet", 2, "Delete", "other"),
            ("Deployment", 1, "Delete", "data-s-1"),
        ] {
            assert_eq!(field(kind, max, policy, claim), None, "{kind} {max} {policy} {claim}");
        }
    }
}

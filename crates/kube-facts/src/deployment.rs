use portolan_model::{Object, Ref};
use serde_json::Value;

use crate::{ClaimUse, Kind, Reach, is_paused, reach};

/// What a Deployment's spec says of how its controller puts new pods in the place of old ones.
#[derive(Clone, Debug)]
pub struct Deployment<'a> {
    object: &'a Object,
}

impl<'a> Deployment<'a> {
    /// The Deployment that an object is; `None` for other kinds.
    #[must_use]
    pub fn of(object: &'a Object) -> Option<Self> {
        (Kind::of(object) == Kind::Deployment).then_some(Self { object })
    }

    /// As [`Self::of`], for an object that does not say its name itself.
    #[must_use]
    pub fn named(name: &Ref, object: &'a Object) -> Option<Self> {
        (Kind::named(name) == Kind::Deployment).then_some(Self { object })
    }

    /// How many pods it wants; 1 unless set.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        u32::try_from(crate::replicas(self.object)).unwrap_or(u32::MAX)
    }

    /// Whether all pods of an older template have to be gone before one of the new template is made (`rolloutRecreate` in
    /// `pkg/controller/deployment/recreate.go`, Kubernetes 1.34).
    #[must_use]
    pub fn is_recreate(&self) -> bool {
        self.object.text("/spec/strategy/type") == "Recreate"
    }

    /// Whether its controller makes no pods of another template.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        is_paused(self.object)
    }

    /// How many pods a rolling update may have more than `replicas`: a percentage is rounded up, and 25% unless set
    /// (`ResolveFenceposts` in `pkg/controller/deployment/util/deployment_util.go`, Kubernetes 1.34).
    #[must_use]
    pub fn max_surge(&self) -> u32 {
        self.part("maxSurge", u64::div_ceil)
    }

    /// How many pods a rolling update may have fewer than `replicas`: a percentage is rounded down, and 25% unless set. It is 1
    /// where both this and [`Self::max_surge`] come to 0.
    #[must_use]
    pub fn max_unavailable(&self) -> u32 {
        match (self.max_surge(), self.part("maxUnavailable", |part, whole| part / whole)) {
            (0, 0) => 1,
            (_, unavailable) => unavailable,
        }
    }

    fn part(&self, field: &str, divide: fn(u64, u64) -> u64) -> u32 {
        let value = self.object.at(&format!("/spec/strategy/rollingUpdate/{field}"));
        let percent = |percent: u64| divide(percent.saturating_mul(self.replicas().into()), 100);
        let number = match value {
            Some(Value::Number(number)) => number.as_u64().unwrap_or(0),
            Some(Value::String(text)) => text.strip_suffix('%').and_then(|text| text.parse().ok()).map_or(0, percent),
            _ => percent(25),
        };
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}

/// A change of a Deployment.
#[derive(Clone, Copy, Debug)]
pub struct Rollout<'a> {
    /// As it is before, if it is there.
    pub before: Option<&'a Object>,
    /// As it is afterwards.
    pub after: &'a Object,
    /// Whether it is deleted in between, so that its new pods know nothing of the old ones.
    pub is_made_anew: bool,
}

impl Rollout<'_> {
    /// As [`reach`], for the change: pods of two templates meet on a PVC only where there are some before, and never on one that is
    /// [for one pod](is_for_one_pod).
    #[must_use]
    pub fn reach(&self, claim: &Ref, is_for_one_pod: bool) -> Vec<Reach> {
        let runs = |object: &Object| Deployment::of(object).is_some_and(|it| it.replicas() > 0);
        let is_left_alone = self.before.is_some_and(|before| before.at("/spec") == self.after.at("/spec"));
        if is_left_alone && !self.is_made_anew {
            return Vec::new();
        }
        let is_paused = is_paused(self.after) && runs(self.after);
        if !is_paused && (is_for_one_pod || !self.before.is_some_and(runs)) {
            return Vec::new();
        }
        let found = reach(self.after, claim);
        if !found.is_empty() || !self.is_made_anew || !runs(self.after) {
            return found;
        }
        let made_anew = ClaimUse::of(self.after, claim).map(|it| Reach {
            field: it.field().to_owned(),
            reason:
                "its pods mount the PVC, and those of the Deployment that is made anew do not wait for the old ones"
                    .into(),
            way_out: "scale it to 0 before the upgrade, and wait until its pods are gone",
            by_change: true,
        });
        made_anew.into_iter().collect()
    }

    /// Why a rolling update of a Deployment cannot end: its new pod waits for a PVC that one pod at a time may hold, and the old one
    /// is kept until the new one is ready.
    #[must_use]
    pub fn waits_for_its_own_pod(&self, claim: &Ref) -> bool {
        let (Some(before), Some(after)) = (self.before.and_then(Deployment::of), Deployment::of(self.after)) else {
            return false;
        };
        let is_new = self.before.and_then(|before| before.at("/spec/template")) != self.after.at("/spec/template");
        let rolls = !after.is_paused() && !after.is_recreate() && !self.is_made_anew;
        let runs = before.replicas() > 0 && after.replicas() > 0 && after.max_unavailable() == 0;
        let uses = |object| ClaimUse::of(object, claim).is_some();
        is_new && rolls && runs && uses(self.after) && self.before.is_some_and(uses)
    }
}

/// Whether a PVC is one that a single pod at a time may hold, on whatever node: the scheduler gives no node to a second one
/// (`pkg/scheduler/framework/plugins/volumerestrictions/volume_restrictions.go`, Kubernetes 1.34).
#[must_use]
pub fn is_for_one_pod(claim: &Object) -> bool {
    claim.list("/spec/accessModes").iter().any(|mode| mode == "ReadWriteOncePod")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_of_a_rolling_update_are_resolved_as_the_controller_does() {
        let numbers = |replicas: Value, rolling: Value| {
            let object = Object::new(json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "spec": {"replicas": replicas, "strategy": {"rollingUpdate": rolling}}}));
            let deployment = Deployment::of(&object).expect("a Deployment");
            (deployment.max_surge(), deployment.max_unavailable())
        };
        let of = |surge: Value, unavailable: Value| json!({"maxSurge": surge, "maxUnavailable": unavailable});
        assert_eq!(numbers(json!(null), json!(null)), (1, 0));
        assert_eq!(numbers(json!(8), json!(null)), (2, 2));
        assert_eq!(numbers(json!(3), of(json!("34%"), json!("34%"))), (2, 1));
        assert_eq!(numbers(json!(1), of(json!(0), json!(1))), (0, 1));
        assert_eq!(numbers(json!(1), of(json!("0%"), json!("25%"))), (0, 1));
        assert_eq!(numbers(json!(1), of(json!(3), json!("odd"))), (3, 0));
    }

    #[test]
    fn only_a_deployment_is_one() {
        let set = Object::new(json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {}}));
        assert!(Deployment::of(&set).is_none());
        let recreate = Object::new(
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 0, "strategy": {"type": "Recreate"}}}),
        );
        let deployment = Deployment::of(&recreate).expect("a Deployment");
        assert!(deployment.is_recreate() && !deployment.is_paused());
        assert_eq!(deployment.replicas(), 0);
    }

    #[test]
    fn pods_of_two_templates_meet_only_where_there_are_some_before() {
        let of = |spec: &Value| {
            let mut json = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "n"},
                "spec": {"template": {"spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]}}}});
            for (key, value) in spec.as_object().expect("a map") {
                json["spec"][key] = value.clone();
            }
            Object::new(json)
        };
        let (one, none) = (json!({}), json!({"replicas": 0}));
        let other = json!({"replicas": 2});
        let recreate = json!({"strategy": {"type": "Recreate"}});
        let paused = json!({"strategy": {"type": "Recreate"}, "paused": true});
        // Before, after, made anew, for one pod; and whether that is not modelled.
        let cases = [
            (Some(&one), &other, false, false, true),
            (Some(&one), &other, false, true, false),
            (Some(&one), &one, false, false, false),
            (Some(&one), &one, true, false, true),
            (Some(&one), &none, false, false, false),
            (Some(&none), &one, false, false, false),
            (None, &one, false, false, false),
            (Some(&one), &recreate, false, false, false),
            (Some(&one), &recreate, true, false, true),
            (Some(&one), &recreate, true, true, false),
            (Some(&none), &recreate, true, false, false),
            (Some(&recreate), &one, false, false, true),
            (Some(&one), &paused, false, true, true),
            (None, &paused, false, false, true),
        ];
        for (before, after, is_made_anew, for_one, unknown) in cases {
            let (was, will) = (before.map(of), of(after));
            let rollout = Rollout { before: was.as_ref(), after: &will, is_made_anew };
            let found = rollout.reach(&Ref::claim("n", "c"), for_one);
            assert_eq!(!found.is_empty(), unknown, "{before:?} {after} {is_made_anew} {for_one}");
            assert_eq!(rollout.reach(&Ref::claim("n", "another"), for_one), [], "{before:?} {after}");
        }
    }

    #[test]
    fn a_rolling_update_waits_for_its_own_pod_unless_it_lets_it_go_first() {
        let of = |spec: &Value, image: &str| {
            let template =
                json!({"image": image, "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "c"}}]}});
            let mut json = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "n"},
                "spec": {"template": template}});
            for (key, value) in spec.as_object().expect("a map") {
                json["spec"][key] = value.clone();
            }
            Object::new(json)
        };
        let waits = |before: Value, after: Value, image: &str| {
            let (was, will) = (of(&before, "1"), of(&after, image));
            let rollout = Rollout { before: Some(&was), after: &will, is_made_anew: false };
            rollout.waits_for_its_own_pod(&Ref::claim("n", "c"))
        };
        let rolling = |unavailable: u32| json!({"strategy": {"rollingUpdate": {"maxUnavailable": unavailable}}});
        assert!(waits(json!({}), json!({}), "2"));
        assert!(!waits(json!({}), json!({}), "1"), "its template stays");
        assert!(!waits(json!({"replicas": 0}), json!({}), "2"), "it has no pod");
        assert!(!waits(json!({}), rolling(1), "2"));
        assert!(waits(rolling(1), rolling(0), "2"));
        assert!(!waits(json!({}), json!({"strategy": {"type": "Recreate"}}), "2"));
        assert!(!waits(json!({}), json!({"paused": true}), "2"));
    }

    #[test]
    fn a_claim_for_one_pod_says_so() {
        let claim =
            |modes: Value| Object::new(json!({"kind": "PersistentVolumeClaim", "spec": {"accessModes": modes}}));
        assert!(is_for_one_pod(&claim(json!(["ReadWriteOncePod"]))));
        assert!(!is_for_one_pod(&claim(json!(["ReadWriteOnce"]))));
        assert!(!is_for_one_pod(&claim(json!(null))));
    }
}

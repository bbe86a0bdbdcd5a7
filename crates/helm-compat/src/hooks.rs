//! Hooks: when helm runs them, in which order, and when it deletes them (`pkg/action/hooks.go` and
//! `pkg/releaseutil/manifest_sorter.go`, helm 3.14.4; the same in helm 4.3.1).

use portolan_kube_facts::PodTemplate;
use portolan_model::{HookDeletePolicy, HookEvent, ImageRef, Object, PlannedHook, Ref};
use serde_json::Value;

use crate::manifest;

const WEIGHT: &str = "helm.sh/hook-weight";
const DELETE: &str = "helm.sh/hook-delete-policy";

/// A hook as its annotations say.
#[derive(Clone, Debug)]
pub struct Hook<'a> {
    /// Its object.
    pub object: &'a Object,
    /// When helm runs it.
    pub events: Vec<HookEvent>,
    /// Its weight; 0 where it has none that is a number.
    pub weight: i64,
    /// When helm deletes its object; before it is created again where the annotation is missing. A CRD is never deleted.
    pub delete: Vec<HookDeletePolicy>,
}

impl Hook<'_> {
    /// Whether helm runs it at an event.
    #[must_use]
    pub fn is_at(&self, event: HookEvent) -> bool {
        self.events.contains(&event)
    }

    /// Whether an upgrade runs it.
    #[must_use]
    pub fn runs_in_upgrade(&self) -> bool {
        self.is_at(HookEvent::PreUpgrade) || self.is_at(HookEvent::PostUpgrade)
    }

    /// Whether helm deletes its object once the hooks of its event have succeeded.
    #[must_use]
    pub fn is_deleted_after(&self) -> bool {
        self.delete.contains(&HookDeletePolicy::HookSucceeded)
    }

    /// Its name; where the API server gives it one, what that begins with.
    #[must_use]
    pub fn name(&self) -> Option<Ref> {
        let object = self.object;
        let begin = object.text("/metadata/generateName");
        let like = || {
            let group = object.text("/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
            Ref::new(group, object.text("/kind"), object.text("/metadata/namespace"), begin)
        };
        object.name().or_else(|| (!begin.is_empty()).then(like))
    }

    /// The hook for a plan; `None` where its object has no name.
    #[must_use]
    pub fn planned(&self) -> Option<PlannedHook> {
        let images = PodTemplate::of(self.object).map_or_else(Vec::new, |template| {
            let images =
                template.containers().filter_map(|container| container.json.get("image").and_then(Value::as_str));
            images.map(ImageRef::new).collect()
        });
        let Self { events, weight, delete, .. } = self;
        Some(PlannedHook {
            object: self.name()?,
            events: events.clone(),
            weight: *weight,
            delete: delete.clone(),
            images,
        })
    }
}

/// The hooks in the order in which helm runs those of one event: by weight, kind and name. A document whose annotation names no
/// event that helm knows is left out, as by helm.
#[must_use]
pub fn of(docs: &[Object]) -> Vec<Hook<'_>> {
    let mut hooks: Vec<Hook<'_>> = docs.iter().filter_map(read).collect();
    hooks.sort_by_cached_key(|hook| {
        (hook.weight, manifest::install_place(hook.object), hook.object.text("/metadata/name").to_owned())
    });
    hooks
}

/// What the hooks of an upgrade leave under a name: `None` where none of them has it, an empty answer where helm deletes it.
#[must_use]
pub fn left<'a>(docs: &'a [Object], name: &Ref) -> Option<Option<&'a Object>> {
    let its: Vec<Hook<'_>> = of(docs).into_iter().filter(|hook| hook.object.name().as_ref() == Some(name)).collect();
    let at = |event: HookEvent| its.iter().rev().find(|hook| hook.is_at(event));
    let last = at(HookEvent::PostUpgrade).or_else(|| at(HookEvent::PreUpgrade))?;
    Some((!last.is_deleted_after()).then_some(last.object))
}

/// A document as a hook; `None` where it is none, or names an event that helm does not know: helm leaves it out.
pub(crate) fn read(object: &Object) -> Option<Hook<'_>> {
    let words = |text: &'_ str| text.split(',').map(|word| word.trim().to_lowercase()).collect::<Vec<String>>();
    let events: Option<Vec<HookEvent>> =
        words(object.annotation(manifest::HOOK)?).iter().map(|word| HookEvent::parse(word)).collect();
    let delete = match object.annotation(DELETE) {
        _ if object.text("/kind") == "CustomResourceDefinition" => Vec::new(),
        // A word that helm does not know, or none at all, deletes nothing and takes the place of the default.
        Some(text) => words(text).iter().filter_map(|word| HookDeletePolicy::parse(word)).collect(),
        None => vec![HookDeletePolicy::BeforeHookCreation],
    };
    let weight = object.annotation(WEIGHT).and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(Hook { object, events: events?, weight, delete })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn doc(kind: &str, name: &str, annotations: &Value) -> Object {
        Object::new(json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "annotations": annotations}}))
    }

    #[test]
    fn hooks_of_an_upgrade_leave_their_objects() {
        let hook = |name: &str, events: &str, policy: &str| {
            doc("ConfigMap", name, &json!({"helm.sh/hook": events, "helm.sh/hook-delete-policy": policy}))
        };
        let docs = [
            hook("install", "pre-install,test", ""),
            hook("stays", "pre-upgrade", "before-hook-creation"),
            hook("goes", "pre-install,post-upgrade", "before-hook-creation,hook-succeeded"),
            hook("again", "pre-upgrade", "hook-succeeded"),
            hook("again", "post-upgrade", ""),
        ];
        let of = |name: &str| left(&docs, &Ref::new("", "ConfigMap", "", name));
        assert_eq!(of("install"), None);
        assert_eq!(of("stays"), Some(Some(&docs[1])));
        assert_eq!(of("goes"), Some(None));
        assert_eq!(of("again"), Some(Some(&docs[4])));
    }

    #[test]
    fn annotations_are_read_as_by_helm() {
        let docs = [
            doc("Job", "b", &json!({"helm.sh/hook": "pre-upgrade, post-upgrade", "helm.sh/hook-weight": "5"})),
            doc(
                "Job",
                "a",
                &json!({"helm.sh/hook": "pre-upgrade", "helm.sh/hook-delete-policy": "hook-succeeded,hook-failed"}),
            ),
            doc("ServiceAccount", "z", &json!({"helm.sh/hook": "pre-upgrade", "helm.sh/hook-weight": "x"})),
            doc("Secret", "first", &json!({"helm.sh/hook": "pre-install", "helm.sh/hook-weight": "-5"})),
            doc("Job", "unknown", &json!({"helm.sh/hook": "pre-upgrade,sometimes"})),
            doc("CustomResourceDefinition", "crd", &json!({"helm.sh/hook": "pre-upgrade", "helm.sh/hook-weight": "9"})),
            doc("Job", "c", &json!({"helm.sh/hook": "pre-upgrade", "helm.sh/hook-weight": " 7"})),
            doc("Job", "d", &json!({"helm.sh/hook": "pre-upgrade", "helm.sh/hook-delete-policy": ""})),
            doc("Job", "e", &json!({"helm.sh/hook": "pre-upgrade", "helm.sh/hook-delete-policy": "always"})),
        ];
        let hooks = of(&docs);
        let names: Vec<&str> = hooks.iter().map(|hook| hook.object.text("/metadata/name")).collect();
        assert_eq!(names, ["first", "z", "a", "c", "d", "e", "b", "crd"]);
        let [first, _, a, c, d, e, b, crd] = hooks.as_slice() else { panic!("eight hooks") };
        assert_eq!(a.delete, [HookDeletePolicy::HookSucceeded, HookDeletePolicy::HookFailed]);
        assert_eq!((&b.delete, &c.delete), (&vec![HookDeletePolicy::BeforeHookCreation], &b.delete));
        assert!(crd.delete.is_empty());
        assert!(d.delete.is_empty() && e.delete.is_empty(), "another word takes the place of the default");
        assert!(b.is_at(HookEvent::PostUpgrade) && !first.runs_in_upgrade());
    }
}

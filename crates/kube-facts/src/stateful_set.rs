use std::ops::Range;

use portolan_model::{Object, Ref};
use serde_json::Value;

use crate::Kind;

/// What a StatefulSet's spec says: which pods and PVCs it creates, under which names, and what becomes of them.
#[derive(Clone, Debug)]
pub struct StatefulSet<'a> {
    /// Its name.
    pub name: Ref,
    spec: Option<&'a Value>,
}

/// A PVC that a StatefulSet creates from a template, or adopts because it has the name.
#[derive(Clone, Debug)]
pub struct TemplateClaim<'a> {
    /// The PVC: `<template>-<set>-<ordinal>`.
    pub claim: Ref,
    /// The ordinal of the pod that mounts it.
    pub ordinal: u32,
    /// The index of its template in `/spec/volumeClaimTemplates`.
    pub index: usize,
    /// The template.
    pub template: &'a Value,
}

impl<'a> StatefulSet<'a> {
    /// The StatefulSet that an object is; `None` for other kinds.
    #[must_use]
    pub fn of(object: &'a Object) -> Option<Self> {
        Self::named(&object.name()?, object)
    }

    /// As [`Self::of`], for an object that does not say its name itself.
    #[must_use]
    pub fn named(name: &Ref, object: &'a Object) -> Option<Self> {
        (Kind::named(name) == Kind::StatefulSet).then(|| Self { name: name.clone(), spec: object.at("/spec") })
    }

    /// An object of whatever kind, read as if it were one: some operators bring kinds with the same fields.
    pub(crate) fn alike(name: Ref, object: &'a Object) -> Self {
        Self { name, spec: object.at("/spec") }
    }

    /// The pod of an ordinal of the StatefulSet of this name.
    #[must_use]
    pub fn pod_of(name: &Ref, ordinal: u32) -> Ref {
        Ref::pod(name.namespace(), &format!("{}-{ordinal}", name.name()))
    }

    /// The PVC that the StatefulSet of this name creates from a template: `<template>-<set>-<ordinal>` (Kubernetes 1.33,
    /// `getPersistentVolumeClaimName` in `pkg/controller/statefulset/stateful_set_utils.go`).
    #[must_use]
    pub fn claim_of(name: &Ref, template: &str, ordinal: u32) -> Ref {
        Ref::claim(name.namespace(), &format!("{template}-{}-{ordinal}", name.name()))
    }

    /// The ordinal that a pod's name says, where it is a name that the StatefulSet of this name gives.
    #[must_use]
    pub fn ordinal_of(name: &Ref, pod: &Ref) -> Option<u32> {
        let rest = pod.name().strip_prefix(name.name())?.strip_prefix('-')?;
        (pod.namespace() == name.namespace()).then(|| ordinal(rest)).flatten()
    }

    /// Whether a PVC has a name that the StatefulSet of this name could give it, from whatever template.
    #[must_use]
    pub fn could_create(name: &Ref, claim: &Ref) -> bool {
        let template = || {
            let (before, rest) = claim.name().rsplit_once('-')?;
            ordinal(rest)?;
            before.strip_suffix(name.name())?.strip_suffix('-').filter(|template| !template.is_empty())
        };
        claim.namespace() == name.namespace() && template().is_some()
    }

    fn at(&self, pointer: &str) -> Option<&'a Value> {
        self.spec?.pointer(pointer)
    }

    fn number(&self, pointer: &str) -> Option<u32> {
        Some(u32::try_from(self.at(pointer)?.as_u64()?).unwrap_or(u32::MAX))
    }

    fn says(&self, pointer: &str, word: &str) -> bool {
        self.at(pointer).and_then(Value::as_str) == Some(word)
    }

    /// How many pods it wants; 1 unless set.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.number("/replicas").unwrap_or(1)
    }

    /// The ordinals of its pods: `ordinals.start` and up.
    #[must_use]
    pub fn ordinals(&self) -> Range<u32> {
        let start = self.number("/ordinals/start").unwrap_or(0);
        start..start.saturating_add(self.replicas())
    }

    /// Whether it creates and deletes its pods without waiting for each other (`podManagementPolicy: Parallel`).
    #[must_use]
    pub fn is_parallel(&self) -> bool {
        self.says("/podManagementPolicy", "Parallel")
    }

    /// Pods whose place among the ordinals is below this number keep the old template.
    #[must_use]
    pub fn partition(&self) -> u32 {
        self.number("/updateStrategy/rollingUpdate/partition").unwrap_or(0)
    }

    /// Whether pods get a new template only when somebody deletes them.
    #[must_use]
    pub fn is_on_delete(&self) -> bool {
        self.says("/updateStrategy/type", "OnDelete")
    }

    /// Whether the PVCs of its templates are deleted with it.
    #[must_use]
    pub fn deletes_claims_with_itself(&self) -> bool {
        self.says("/persistentVolumeClaimRetentionPolicy/whenDeleted", "Delete")
    }

    /// Whether the PVCs of an ordinal are deleted when a lower number of replicas drops it.
    #[must_use]
    pub fn deletes_claims_when_scaled(&self) -> bool {
        self.says("/persistentVolumeClaimRetentionPolicy/whenScaled", "Delete")
    }

    /// The pod of an ordinal.
    #[must_use]
    pub fn pod(&self, ordinal: u32) -> Ref {
        Self::pod_of(&self.name, ordinal)
    }

    /// The names of its PVC templates, with the templates.
    pub fn templates(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let templates = self.at("/volumeClaimTemplates").and_then(Value::as_array).map_or(&[] as &[_], Vec::as_slice);
        templates.iter().filter_map(|template| Some((template.pointer("/metadata/name")?.as_str()?, template)))
    }

    /// The PVCs of one ordinal.
    #[must_use]
    pub fn claims_of(&self, ordinal: u32) -> Vec<TemplateClaim<'a>> {
        let claim = |(index, (name, template)): (usize, (&str, &'a Value))| TemplateClaim {
            claim: Self::claim_of(&self.name, name, ordinal),
            ordinal,
            index,
            template,
        };
        self.templates().enumerate().map(claim).collect()
    }

    /// The PVCs of all its ordinals.
    #[must_use]
    pub fn claims(&self) -> Vec<TemplateClaim<'a>> {
        self.ordinals().flat_map(|ordinal| self.claims_of(ordinal)).collect()
    }

    /// The template, as an index, and the ordinal that a PVC's name says; the ordinal need not be one of today's.
    #[must_use]
    pub fn origin_of(&self, claim: &Ref) -> Option<(usize, u32)> {
        if claim.namespace() != self.name.namespace() {
            return None;
        }
        self.templates().enumerate().find_map(|(index, (template, _))| {
            let rest = claim.name().strip_prefix(template)?.strip_prefix('-')?;
            Some((index, ordinal(rest.strip_prefix(self.name.name())?.strip_prefix('-')?)?))
        })
    }
}

/// An ordinal as Kubernetes writes it.
fn ordinal(text: &str) -> Option<u32> {
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(spec: &Value) -> Object {
        Object::new(
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "n"}, "spec": spec}),
        )
    }

    #[test]
    fn the_spec_says_which_pods_and_claims_there_are() {
        let templates = json!([{"metadata": {"name": "data"}}, {"metadata": {"name": "wal"}}]);
        for (extra, ordinals) in [
            (json!({}), 0..1),
            (json!({"replicas": 0}), 0..0),
            (json!({"replicas": 2}), 0..2),
            (json!({"replicas": 2, "ordinals": {"start": 3}}), 3..5),
        ] {
            let mut spec = extra.clone();
            spec["volumeClaimTemplates"] = templates.clone();
            let object = set(&spec);
            let set = StatefulSet::of(&object).expect("it is one");
            assert_eq!(set.ordinals(), ordinals, "{extra}");
            let want: Vec<String> = ordinals.flat_map(|at| [format!("data-db-{at}"), format!("wal-db-{at}")]).collect();
            let found: Vec<String> = set.claims().iter().map(|made| made.claim.name().to_owned()).collect();
            assert_eq!(found, want, "{extra}");
        }
    }

    #[test]
    fn a_claims_name_says_where_it_comes_from() {
        let object =
            set(&json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}}, {"metadata": {"name": "wal"}}]}));
        let set = StatefulSet::of(&object).expect("it is one");
        for (namespace, name, want) in [
            ("n", "data-db-0", Some((0, 0))),
            ("n", "wal-db-12", Some((1, 12))),
            ("n", "data-db-01", None),
            ("n", "data-db-+1", None),
            ("n", "data-db-x", None),
            ("n", "data-dbx-0", None),
            ("other", "data-db-0", None),
        ] {
            assert_eq!(set.origin_of(&Ref::claim(namespace, name)), want, "{name}");
        }
    }

    #[test]
    fn names_say_what_a_set_could_have_made() {
        let set = Ref::set("n", "db");
        for (namespace, pod, want) in [
            ("n", "db-0", Some(0)),
            ("n", "db-12", Some(12)),
            ("n", "db-01", None),
            ("n", "db-x-0", None),
            ("m", "db-0", None),
        ] {
            assert_eq!(StatefulSet::ordinal_of(&set, &Ref::pod(namespace, pod)), want, "{namespace}/{pod}");
        }
        for (namespace, claim, want) in [
            ("n", "data-db-0", true),
            ("n", "old-data-db-3", true),
            ("n", "db-0", false),
            ("n", "-db-0", false),
            ("n", "data-db-", false),
            ("n", "data-db-x", false),
            ("n", "data-xdb-0", false),
            ("m", "data-db-0", false),
        ] {
            assert_eq!(StatefulSet::could_create(&set, &Ref::claim(namespace, claim)), want, "{namespace}/{claim}");
        }
    }
}

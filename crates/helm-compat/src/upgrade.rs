//! What an upgrade does to each object: `Update` in `pkg/kube/client.go` (helm 3.14.4 to 4.3.1) with the adoption
//! of `pkg/action/upgrade.go` before it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portolan_kube_facts::{FieldEffect, RESOURCE_POLICY, changed_fields, is_kept, kind_field};
use portolan_model::{Change, Manifest, Object, ObjectChange, Ref};
use semver::Version;
use serde_json::{Value, json};

use crate::{merge, redact};

/// How many differing fields are named at most.
const NAMED: usize = 3;

/// Which documents a helm takes for the same object, beside their names and namespaces (`isMatchingInfo` in
/// `pkg/kube/resource.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// Those of the same kind, whatever its group: before 3.17.1.
    Kind,
    /// Those of the same group and kind.
    GroupKind,
    /// Those of the same version, group and kind: 4.0.0 to 4.1.0.
    GroupVersionKind,
}

impl Matching {
    /// That of a helm of this version.
    #[must_use]
    pub fn of(helm: &Version) -> Self {
        let at_least = |major, minor, patch| *helm >= Version::new(major, minor, patch);
        if !at_least(3, 17, 1) {
            Self::Kind
        } else if at_least(4, 0, 0) && !at_least(4, 1, 1) {
            Self::GroupVersionKind
        } else {
            Self::GroupKind
        }
    }

    /// Whether helm takes two documents for the same object.
    #[must_use]
    pub fn is_same(self, (left, a): (&Ref, &Object), (right, b): (&Ref, &Object)) -> bool {
        let same_place =
            left.name() == right.name() && left.kind() == right.kind() && left.namespace() == right.namespace();
        same_place
            && match self {
                Self::Kind => true,
                Self::GroupKind => left.group() == right.group(),
                Self::GroupVersionKind => a.text("/apiVersion") == b.text("/apiVersion"),
            }
    }
}

/// What helm will do to each object, in helm's order: first the documents of the new manifest, then what is only in
/// the stored one and still lives. `live` gives the object as it is now; `None` where it is not there.
///
/// Helm deletes last, and only when everything before went well; an object is held back where its *live* annotation
/// `helm.sh/resource-policy` is the four letters `keep` and nothing else. What counts as only in the stored manifest depends on
/// the helm ([`Matching`]): one that compares versions deletes what it has just patched in another version of its API.
#[must_use]
pub fn changes(
    stored: &[Object],
    target: &[Object],
    helm: &Version,
    live: &dyn Fn(&Ref) -> Option<Object>,
) -> Vec<ObjectChange> {
    let matching = Matching::of(helm);
    let named = |docs: &'_ [Object]| -> Vec<(Ref, Object)> {
        docs.iter().filter_map(|doc| Some((doc.name()?, doc.clone()))).collect()
    };
    let (stored, target) = (named(stored), named(target));
    let mut all: Vec<ObjectChange> = Vec::new();
    for (name, new) in &target {
        let old = stored.iter().find(|(its, old)| matching.is_same((its, old), (name, new)));
        let (change, why) = match (live(name), old) {
            (None, _) => (Change::Create, "it is new".to_owned()),
            (Some(_), None) => (Change::Adopt, "it is there already and becomes the release's".to_owned()),
            (Some(is), Some((_, old))) => changed(old, new, &is),
        };
        all.push(ObjectChange { object: name.clone(), change, why });
    }
    for (name, old) in &stored {
        let Some(is) = live(name) else { continue };
        let twin = target.iter().find(|(its, new)| matching.is_same((name, old), (its, new)));
        let is_named = all.iter().any(|one| one.object == *name);
        match (twin, is_named) {
            (Some(_), true) => {}
            (Some((twin, _)), false) => {
                let why = format!("helm {helm} takes {} for it, and leaves it as it is", twin.full());
                all.push(ObjectChange { object: name.clone(), change: Change::Same, why });
            }
            (None, is_named) => removed(name, (old, &is), is_named.then_some((helm, &target)), &mut all),
        }
    }
    all
}

/// What helm does to a live object that no document of the new manifest is for. `again` is the new manifest, where it does have
/// the object, in another version of its API.
fn removed(
    name: &Ref,
    (old, live): (&Object, &Object),
    again: Option<(&Version, &Vec<(Ref, Object)>)>,
    all: &mut Vec<ObjectChange>,
) {
    let found = match again {
        None => "the new chart does not have it".to_owned(),
        Some((helm, target)) => {
            let new = target.iter().find(|(its, _)| its == name).map_or("", |(_, new)| new.text("/apiVersion"));
            let was = old.text("/apiVersion");
            format!(
                "the new chart has it as {new} and not as {was}: helm {helm} takes these for two objects, and deletes it"
            )
        }
    };
    let (change, why) = match live.annotation(RESOURCE_POLICY) {
        // What was said of it already stays true.
        _ if is_kept(live) && again.is_some() => return,
        _ if is_kept(live) => (Change::Keep, format!("{found}; held back by helm.sh/resource-policy: keep")),
        Some(other) => (Change::Delete, format!("{found}; helm.sh/resource-policy is `{other}`, not exactly `keep`")),
        None => (Change::Delete, found),
    };
    all.retain(|one| one.object != *name);
    all.push(ObjectChange { object: name.clone(), change, why });
}

fn changed(old: &Object, new: &Object, live: &Object) -> (Change, String) {
    let [old, new, live] = comparable([old, new, live]);
    let result = patched(Some(&old), &new, &live);
    let mut found = portolan_kube_facts::semantics::differences(&live.0, &result.0);
    // The chart's name is among the labels of nearly everything; what does something is named first.
    found.sort_by_key(|path| path.starts_with("metadata."));
    if found.is_empty() {
        return (Change::Same, "nothing in it changes".into());
    }
    let mut reason = found[..found.len().min(NAMED)].join(", ");
    if found.len() > NAMED {
        reason.push_str(&format!(" and {} more", found.len() - NAMED));
    }
    (Change::Change, reason)
}

/// What helm's patch leaves of a live object, its own label included. `stored` is the document of the stored manifest;
/// `None` where it has none: helm then takes the new one for the old.
#[must_use]
pub fn patched(stored: Option<&Object>, target: &Object, live: &Object) -> Object {
    let mut new = (*target.0).clone();
    if let Some(metadata) = new.get_mut("metadata").and_then(Value::as_object_mut) {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Value::Object(labels) = labels {
            labels.insert("app.kubernetes.io/managed-by".into(), "Helm".into());
        }
    }
    let old = stored.unwrap_or(target);
    let typed = target.name().is_some_and(|name| merge::is_typed(name.group()));
    // The server keeps the version that an object is read in; helm reads it in the document's.
    let version = new.get("apiVersion").filter(|version| live.0.get("apiVersion").is_some_and(|is| is != *version));
    let is = match version {
        Some(version) => {
            let mut is = (*live.0).clone();
            is["apiVersion"] = version.clone();
            Cow::Owned(is)
        }
        None => Cow::Borrowed(&*live.0),
    };
    Object::new(if typed { merge::three_way(&old.0, &new, &is) } else { merge::two_way(&old.0, &new, &is) })
}

/// Whether helm's patch leaves an object's `spec` as it is, but for fields that change nothing of its pods and their data.
#[must_use]
pub fn leaves_spec(stored: Option<&Object>, target: &Object, live: &Object) -> bool {
    let after = patched(stored, target, live);
    let (Some(was), Some(will), Some(name)) = (live.at("/spec"), after.at("/spec"), target.name()) else {
        return after.at("/spec") == live.at("/spec");
    };
    let is_harmless =
        |path: &String| matches!(kind_field(name.group(), name.kind(), path), Some(FieldEffect::Harmless(_)));
    // What a template leaves out may have another default.
    was.get("template") == will.get("template") && changed_fields(was, will).iter().all(is_harmless)
}

/// What the new document says and helm's patch leaves out, as JSON pointers into the document: items of a merged list that share a key.
#[must_use]
pub fn left_out(stored: Option<&Object>, target: &Object, live: &Object) -> Vec<String> {
    let mut all = Vec::new();
    // A JSON merge patch leaves what somebody has changed by hand.
    if !target.name().is_some_and(|name| merge::is_typed(name.group())) {
        return all;
    }
    missing(&target.0, &patched(stored, target, live).0, "", &mut all);
    all
}

fn missing(want: &Value, have: &Value, at: &str, all: &mut Vec<String>) {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            for (key, value) in want.iter().filter(|(_, value)| !value.is_null()) {
                let at = format!("{at}/{}", portolan_model::pointer_part(key));
                match have.get(key) {
                    Some(have) => missing(value, have, &at, all),
                    None => all.push(at),
                }
            }
        }
        (Value::Array(want), Value::Array(have)) => {
            for (index, item) in want.iter().enumerate() {
                let at = format!("{at}/{index}");
                let lacks = |have: &Value| {
                    let mut lacks = Vec::new();
                    missing(item, have, &at, &mut lacks);
                    lacks
                };
                let closest = have.iter().map(|have| (have, lacks(have))).min_by_key(|(_, lacks)| lacks.len());
                match closest {
                    // A part of an item of its name is told exactly.
                    Some((have, lacks)) if have.get("name").is_some() && have.get("name") == item.get("name") => {
                        all.extend(lacks);
                    }
                    Some((_, lacks)) if lacks.is_empty() => {}
                    _ => all.push(at),
                }
            }
        }
        _ if want == have => {}
        _ => all.push(at.to_owned()),
    }
}

/// Brings the three forms of a Secret to one: everything in `data`; and where one of them shows marks in place of its
/// values, marks in all of them, of which only [`Manifest::FREE`] says that the value becomes another one.
fn comparable(three: [&Object; 3]) -> [Object; 3] {
    let is_marked = |object: &Object| {
        ["data", "stringData"].iter().any(|part| {
            let values = object.0.get(part).and_then(Value::as_object);
            values.is_some_and(|values| {
                values.values().filter_map(Value::as_str).any(|text| text.starts_with("portolan:"))
            })
        })
    };
    let marked = three.iter().any(|object| is_marked(object));
    three.map(|object| if redact::is_secret(object) { in_data(object, marked) } else { object.clone() })
}

fn in_data(secret: &Object, marked: bool) -> Object {
    let mut json = (*secret.0).clone();
    let text = json.as_object_mut().and_then(|map| map.remove("stringData")).unwrap_or_default();
    if json.get("data").is_none_or(Value::is_null) {
        json["data"] = json!({});
    }
    for (key, value) in text.as_object().into_iter().flatten() {
        let plain = value.as_str().unwrap_or_default();
        json["data"][key] = if plain.starts_with("portolan:") { value.clone() } else { STANDARD.encode(plain).into() };
    }
    if marked && let Some(Value::Object(data)) = json.get_mut("data") {
        for value in data.values_mut().filter(|value| *value != Manifest::FREE) {
            *value = Manifest::HIDDEN.into();
        }
    }
    Object::new(json)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::manifest;

    fn docs(text: &str) -> Vec<Object> {
        manifest::parse(text, "n").expect("the test's manifest")
    }

    fn run(stored: &str, target: &str, live: &str) -> Vec<(Change, String, String)> {
        run_by(&Version::new(3, 22, 0), stored, target, live)
    }

    fn run_by(helm: &Version, stored: &str, target: &str, live: &str) -> Vec<(Change, String, String)> {
        let live: BTreeMap<Ref, Object> =
            docs(live).into_iter().filter_map(|object| Some((object.name()?, object))).collect();
        changes(&docs(stored), &docs(target), helm, &|name| live.get(name).cloned())
            .into_iter()
            .map(|ObjectChange { object, change, why }| (change, object.full(), why))
            .collect()
    }

    fn claim(name: &str, annotations: &str) -> String {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}, annotations: {{{annotations}}}, labels: {{app.kubernetes.io/managed-by: Helm}}}}\n---\n"
        )
    }

    #[test]
    fn every_object_has_its_fate() {
        let stored =
            claim("same", "") + &claim("kept", "") + &claim("gone", "") + &claim("odd", "") + &claim("missing", "");
        let target = claim("same", "") + &claim("new", "") + &claim("there", "");
        let live = claim("same", "other: x")
            + &claim("kept", "helm.sh/resource-policy: keep")
            + &claim("gone", "")
            + &claim("odd", "helm.sh/resource-policy: Keep")
            + &claim("there", "");
        let found = run(&stored, &target, &live);
        let of = |name: &str| {
            let full = format!("PersistentVolumeClaim/n/{name}");
            found.iter().find(|(_, its, _)| *its == full).map(|(change, _, reason)| (*change, reason.as_str()))
        };
        assert_eq!(of("same"), Some((Change::Same, "nothing in it changes")));
        assert_eq!(of("new"), Some((Change::Create, "it is new")));
        assert_eq!(of("there").map(|it| it.0), Some(Change::Adopt));
        assert_eq!(of("kept").map(|it| it.0), Some(Change::Keep));
        assert_eq!(of("gone"), Some((Change::Delete, "the new chart does not have it")));
        assert_eq!(
            of("odd"),
            Some((
                Change::Delete,
                "the new chart does not have it; helm.sh/resource-policy is `Keep`, not exactly `keep`"
            ))
        );
        assert_eq!(of("missing"), None);
    }

    #[test]
    fn drift_of_a_typed_kind_is_a_change_and_of_another_is_not() {
        let service = |port: u16| {
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: a, labels: {{app.kubernetes.io/managed-by: Helm}}}}\nspec: {{ports: [{{port: {port}, name: x, protocol: TCP}}]}}\n"
            )
        };
        let route = |to: &str| {
            format!(
                "apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {{name: a, labels: {{app.kubernetes.io/managed-by: Helm}}}}\nspec: {{to: {to}}}\n"
            )
        };
        assert_eq!(run(&service(80), &service(80), &service(80))[0].0, Change::Same);
        assert_eq!(
            run(&service(80), &service(80), &service(81))[0],
            (Change::Change, "Service/n/a".into(), "spec.ports".into())
        );
        assert_eq!(run(&route("x"), &route("x"), &route("drift"))[0].0, Change::Same);
        assert_eq!(run(&route("x"), &route("y"), &route("drift"))[0].0, Change::Change);
    }

    #[test]
    fn a_secret_changes_where_its_marks_or_values_say_so() {
        let secret = |value: &str| {
            format!(
                "apiVersion: v1\nkind: Secret\ntype: Opaque\nmetadata: {{name: a, labels: {{app.kubernetes.io/managed-by: Helm}}}}\ndata: {{k: '{value}'}}\n"
            )
        };
        let text = |value: &str| secret(value).replace("\ndata:", "\nstringData:");
        for (target, live, change) in [
            (secret("portolan:hidden"), secret("YQ=="), Change::Same),
            (secret("portolan:carried:a.b"), secret("portolan:hidden"), Change::Same),
            (secret("portolan:free"), secret("portolan:hidden"), Change::Change),
            (text("a"), secret("YQ=="), Change::Same),
            (text("b"), secret("YQ=="), Change::Change),
            (text("portolan:hidden"), secret("portolan:hidden"), Change::Same),
        ] {
            let found = run(&secret("YQ=="), &target, &live);
            assert_eq!(found[0].0, change, "{target} {live}");
            assert!(!found[0].2.contains("YQ"), "{found:?}");
        }
    }

    #[test]
    fn what_shares_a_key_is_left_out() {
        let service = |ports: &str| {
            docs(&format!("apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {{ports: [{ports}]}}\n"))
                .remove(0)
        };
        let (udp, tcp) = ("{name: u, port: 53, protocol: UDP}", "{name: t, port: 53, protocol: TCP}");
        let (one, two) = (service(udp), service(&format!("{udp}, {tcp}")));
        assert_eq!(left_out(Some(&one), &two, &one), ["/spec/ports/1"]);
        assert_eq!(left_out(Some(&two), &two, &two), Vec::<String>::new());
        assert_eq!(left_out(Some(&two), &one, &two), ["/spec/ports/0"]);
        let other = service(&format!("{udp}, {}", tcp.replace("53", "54")));
        assert_eq!(left_out(Some(&one), &other, &one), Vec::<String>::new());
        // A kind without a type is patched by what differs between the manifests.
        let route = |host: &str| {
            let head = "apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: a}";
            docs(&format!("{head}\nspec: {{host: {host}}}\n")).remove(0)
        };
        assert_eq!(left_out(Some(&route("a")), &route("a"), &route("by-hand")), Vec::<String>::new());
    }

    #[test]
    fn what_is_the_same_object_depends_on_the_helm() {
        let of = |version: &str, kind: &str, policy: &str| {
            format!(
                "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a, annotations: {{{policy}}}, labels: {{app.kubernetes.io/managed-by: Helm}}}}\n---\n"
            )
        };
        let hpa =
            |version: &str, policy: &str| of(&format!("autoscaling/{version}"), "HorizontalPodAutoscaler", policy);
        let other = of("b.example.com/v1", "Store", "");
        let own = of("a.example.com/v1", "Store", "");
        for (helm, version_differs, group_differs) in [
            ((3, 14, 4), Change::Same, Change::Same),
            ((3, 17, 0), Change::Same, Change::Same),
            ((3, 17, 1), Change::Same, Change::Delete),
            ((3, 22, 0), Change::Same, Change::Delete),
            ((4, 0, 0), Change::Delete, Change::Delete),
            ((4, 1, 0), Change::Delete, Change::Delete),
            ((4, 1, 1), Change::Same, Change::Delete),
            ((4, 3, 1), Change::Same, Change::Delete),
        ] {
            let helm = Version::new(helm.0, helm.1, helm.2);
            let found = run_by(&helm, &hpa("v1", ""), &hpa("v2", ""), &hpa("v2", ""));
            assert_eq!(found.iter().map(|it| it.0).collect::<Vec<_>>(), [version_differs], "{helm}: {found:?}");
            let kept = run_by(&helm, &hpa("v1", ""), &hpa("v2", ""), &hpa("v2", "helm.sh/resource-policy: keep"));
            assert!(kept.iter().all(|it| it.0 != Change::Delete), "{helm}: {kept:?}");
            // Two kinds of one name: helm may take the new one for the old one, which then stays.
            let found = run_by(&helm, &own, &other, &own);
            let fate = found.iter().find(|(_, name, _)| name.contains("a.example.com")).map(|it| it.0);
            assert_eq!(fate, Some(group_differs), "{helm}: {found:?}");
        }
    }
}

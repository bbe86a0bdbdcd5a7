//! What a field is for, so that a field of one chart can be found again in another one.

use portolan_model::{Object, ValuesPath};
use portolan_recipe::{NamedRole, RecipeSet, RolePair, StepTemplate};
use serde_json::Value;

use super::Field;
use super::evidence::FieldAt;
use super::tree::{Change, Node};

/// What a field is for: which component, in what kind of object, in which container or under which key of data, and the last part of
/// its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    component: Component,
    class: Class,
    /// The container, or the key of data; empty where there is neither.
    holder: String,
    /// The last part of the path: the name of a variable, the key of a line, the name of a field.
    last: String,
}

/// Which component of an application an object belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Component {
    /// `app.kubernetes.io/component`; empty if it has none.
    component: String,
    /// `app.kubernetes.io/name`; empty if it has none.
    app: String,
    /// The object's name without that of the release.
    name: String,
}

/// Kinds that do the same for an application.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Class {
    Workload,
    Service,
    /// A Secret or a `ConfigMap`.
    Configuration,
    /// An Ingress or a Route.
    Entrance,
    Other(String),
}

impl Role {
    pub(super) fn of(object: &Object, release: &str, at: &FieldAt, change: &Change) -> Self {
        let keys: Vec<&str> = at.place[1..].iter().map(|key| plain(key)).collect();
        Self {
            component: Component::of(object, release),
            class: Class::of(object.text("/kind")),
            holder: holder(&keys).to_owned(),
            last: last(&keys, change).to_owned(),
        }
    }

    /// Whether two fields are for the same.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        self.class == other.class
            && self.holder == other.holder
            && self.last == other.last
            && self.component.is_as(&other.component)
    }
}

impl Role {
    /// Whether it is one that a recipe names.
    fn is_named(&self, named: &NamedRole) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        let is_component = named.component.as_ref().is_none_or(|wanted| {
            let Component { component, name, .. } = &self.component;
            wanted == component || wanted == name
        });
        is_component
            && is(&named.class, self.class.word())
            && is(&named.holder, &self.holder)
            && is(&named.last, &self.last)
    }
}

impl Component {
    fn of(object: &Object, release: &str) -> Self {
        let label = |key: &str| object.label(&format!("app.kubernetes.io/{key}")).unwrap_or_default().to_owned();
        let full = object.text("/metadata/name");
        let name = full.strip_prefix(release).and_then(|rest| rest.strip_prefix('-')).filter(|rest| !rest.is_empty());
        Self { component: label("component"), app: label("name"), name: name.unwrap_or(full).to_owned() }
    }

    /// By the labels where both have the one that names a component; else by the name, which one of the two may have as a label: an
    /// application of one component has none.
    fn is_as(&self, other: &Self) -> bool {
        if !self.component.is_empty() && !other.component.is_empty() {
            return self.component == other.component
                && (self.app == other.app || self.app.is_empty() || other.app.is_empty());
        }
        self.name == other.name || self.component == other.name || self.name == other.component
    }
}

impl Class {
    fn of(kind: &str) -> Self {
        match kind {
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "CronJob" | "Pod" => Self::Workload,
            "Service" => Self::Service,
            "Secret" | "ConfigMap" => Self::Configuration,
            "Ingress" | "Route" => Self::Entrance,
            other => Self::Other(other.to_owned()),
        }
    }

    /// As recipes name it.
    fn word(&self) -> &str {
        match self {
            Self::Workload => "workload",
            Self::Service => "service",
            Self::Configuration => "configuration",
            Self::Entrance => "entrance",
            Self::Other(kind) => kind,
        }
    }
}

/// A key without the number that tells it from others of the same name.
fn plain(key: &str) -> &str {
    match key.rsplit_once('#') {
        Some((name, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => key,
    }
}

fn holder<'a>(keys: &[&'a str]) -> &'a str {
    let container = keys.windows(2).find(|pair| matches!(pair[0], "containers" | "initContainers")).map(|pair| pair[1]);
    let data = || match keys {
        ["data" | "stringData" | "binaryData", key, ..] => Some(*key),
        _ => None,
    };
    container.or_else(data).unwrap_or_default()
}

fn last<'a>(keys: &[&'a str], change: &Change) -> &'a str {
    // However a variable gets its value, it is for the same.
    if let Some(variable) = keys.windows(2).find(|pair| pair[0] == "env").map(|pair| pair[1]) {
        return variable;
    }
    let Some((end, above)) = keys.split_last() else { return "" };
    let above = above.last().copied().unwrap_or_default();
    let values = [&change.before, &change.after].map(|node| node.as_ref().map(Node::value));
    // An item of a list that is known by its content, which is another one elsewhere.
    for value in values.into_iter().flatten() {
        match value {
            Value::Object(map) => {
                if let Some(key) = ["host", "ip"].into_iter().find(|key| map.get(*key).is_some_and(|text| text == end))
                {
                    return key;
                }
            }
            Value::String(text) if text == end => return above,
            Value::Number(number) if number.to_string() == *end => return above,
            _ => {}
        }
    }
    if end.starts_with('\u{1}') { above } else { end }
}

/// The roles that a recipe names for a value that moved from one path to another.
#[must_use]
pub fn named_roles<'a>(book: &'a RecipeSet, from: &ValuesPath, to: &ValuesPath) -> Option<&'a RolePair> {
    let steps = book.boundaries.iter().flat_map(|boundary| &boundary.steps);
    let mut rows = steps.flat_map(|step| match &step.ask {
        StepTemplate::HelmUpgrade { moved, .. } => moved.as_slice(),
        _ => &[],
    });
    rows.find_map(|row| row.role.as_ref().filter(|_| from.starts_with(&row.from) && to.starts_with(&row.to)))
}

/// A field of the old rendering and one of the new with the same role, or with the roles that a recipe names; those with the same
/// content first. `None` if there are none: then it is not proven that the value still does what it did.
#[must_use]
pub fn same_role(old: &[Field], new: &[Field], named: Option<&RolePair>) -> Option<(Field, Field)> {
    let pairs = || old.iter().flat_map(|old| new.iter().map(move |new| (old, new)));
    let is_named = |old: &Field, new: &Field| {
        named.is_some_and(|named| old.role.is_named(&named.from) && new.role.is_named(&named.to))
    };
    let mut same = pairs().filter(|(old, new)| old.role.is_as(&new.role) || is_named(old, new));
    let first = same.clone().next();
    let found = same.find(|(old, new)| old.before == new.before).or(first);
    found.map(|(old, new)| (old.clone(), new.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::field;
    use super::super::tree::{diff, of_objects};
    use super::*;

    fn object(kind: &str, name: &str, labels: Value, rest: Value) -> Value {
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "n"}});
        object["metadata"]["labels"] = labels;
        if let Value::Object(rest) = rest {
            rest.into_iter().for_each(|(key, value)| object[key] = value);
        }
        object
    }

    /// The fields in which two versions of an object differ.
    fn fields(before: &Value, after: &Value) -> Vec<Field> {
        let [before, after] = [before, after].map(|object| [Object::new(object.clone())]);
        let before = of_objects(&before);
        let changes = diff(&before, &after);
        changes
            .iter()
            .map(|(place, change)| {
                let at = FieldAt { place: place.clone(), word: None };
                field("runai", &before, &at, change).expect("it has a name")
            })
            .collect()
    }

    fn env(kind: &str, name: &str, labels: Value, container: &str, variable: &str) -> Vec<Field> {
        let spec = |value: &str| json!({"spec": {"template": {"spec": {"containers": [{"name": container, "env": [{"name": variable, "value": value}]}]}}}});
        fields(&object(kind, name, labels.clone(), spec("a")), &object(kind, name, labels, spec("b")))
    }

    fn data(kind: &str, name: &str, key: &str, line: &str) -> Vec<Field> {
        let data = |value: &str| json!({"data": {key: format!("{line}={value}\nother=1\n")}});
        fields(&object(kind, name, json!({}), data("a")), &object(kind, name, json!({}), data("b")))
    }

    fn host(kind: &str, name: &str) -> Vec<Field> {
        let spec = |host: &str| match kind {
            "Route" => json!({"spec": {"host": host}}),
            _ => json!({"spec": {"rules": [{"host": host, "http": {}}]}}),
        };
        fields(
            &object(kind, name, json!({}), spec("a.example.com")),
            &object(kind, name, json!({}), spec("b.example.com")),
        )
    }

    fn labels(component: &str, app: &str) -> Value {
        json!({"app.kubernetes.io/component": component, "app.kubernetes.io/name": app})
    }

    #[test]
    fn the_same_role_in_another_chart_is_found_and_its_twin_is_not() {
        let deployment =
            |name: &str, container: &str, variable: &str| env("Deployment", name, json!({}), container, variable);
        let cases = [
            (
                "kind of workload",
                deployment("runai-backend", "app", "DB"),
                env("StatefulSet", "backend", json!({}), "app", "DB"),
                true,
            ),
            ("component", deployment("runai-backend", "app", "DB"), deployment("runai-frontend", "app", "DB"), false),
            (
                "container",
                deployment("runai-backend", "app", "DB"),
                deployment("runai-backend", "sidecar", "DB"),
                false,
            ),
            ("variable", deployment("runai-backend", "app", "DB"), deployment("runai-backend", "app", "DB_URL"), false),
            (
                "secret",
                data("ConfigMap", "runai-backend", "app.conf", "db"),
                data("Secret", "backend", "app.conf", "db"),
                true,
            ),
            (
                "key of data",
                data("ConfigMap", "runai-backend", "app.conf", "db"),
                data("ConfigMap", "runai-backend", "x", "db"),
                false,
            ),
            (
                "line",
                data("ConfigMap", "runai-backend", "app.conf", "db"),
                data("ConfigMap", "runai-backend", "app.conf", "q"),
                false,
            ),
            (
                "class",
                data("ConfigMap", "runai-backend", "app.conf", "db"),
                deployment("runai-backend", "app.conf", "db"),
                false,
            ),
            ("entrance", host("Ingress", "runai"), host("Route", "runai"), true),
            ("entrance of another", host("Ingress", "runai"), host("Route", "runai-docs"), false),
        ];
        for (what, old, new, same) in cases {
            assert_eq!(same_role(&old, &new, None).is_some(), same, "{what}: {:?} {:?}", old[0].role, new[0].role);
        }
    }

    #[test]
    fn a_recipe_names_a_pair_of_roles_that_differ() {
        let old = data("Secret", "runai-backend-tls", "tls.crt", "line");
        let ingress = |name: &str| {
            let spec = |secret: &str| json!({"spec": {"tls": [{"hosts": ["h"], "secretName": secret}]}});
            fields(&object("Ingress", name, json!({}), spec("a")), &object("Ingress", name, json!({}), spec("b")))
        };
        let role = |class: &str, component: Option<&str>, holder: Option<&str>, last: Option<&str>| NamedRole {
            class: Some(class.into()),
            component: component.map(str::to_owned),
            holder: holder.map(str::to_owned),
            last: last.map(str::to_owned),
        };
        let pair = |from: NamedRole, to: NamedRole| RolePair { from, to };
        let tls = role("configuration", None, Some("tls.crt"), None);
        let new = ingress("runai-web");
        assert!(same_role(&old, &new, None).is_none(), "{:?} {:?}", old[0].role, new[0].role);
        for (named, is_proven) in [
            (pair(tls.clone(), role("entrance", None, None, Some("secretName"))), true),
            (pair(tls.clone(), role("entrance", Some("web"), None, Some("secretName"))), true),
            (pair(tls.clone(), role("entrance", Some("other"), None, None)), false),
            (pair(tls.clone(), role("entrance", None, None, Some("host"))), false),
            (pair(tls, role("workload", None, None, None)), false),
            (pair(role("configuration", None, Some("tls.key"), None), role("entrance", None, None, None)), false),
        ] {
            assert_eq!(same_role(&old, &new, Some(&named)).is_some(), is_proven, "{named:?}");
        }
    }

    #[test]
    fn a_role_is_found_by_both_paths_of_the_value() {
        let book = RecipeSet::builtin();
        let of = |from: &str, to: &str| named_roles(&book, &ValuesPath::new(from), &ValuesPath::new(to)).is_some();
        assert!(of("backend.https.crt", "global.ingress.tlsSecretName"));
        assert!(!of("backend.https.crt", "backend.other") && !of("backend.httpss", "global.ingress.tlsSecretName"));
    }

    #[test]
    fn labels_tell_components_apart_whatever_their_objects_are_called() {
        let of = |name: &str, component: &str, app: &str| env("Deployment", name, labels(component, app), "c", "V");
        let cases = [
            (of("runai-a", "primary", "postgresql"), of("b", "primary", "postgresql"), true),
            (of("runai-a", "primary", "postgresql"), of("a", "replica", "postgresql"), false),
            (of("runai-a", "master", "redis"), of("a", "master", "valkey"), false),
            (of("runai-backend", "", "control-plane"), of("x", "backend", "control-plane"), true),
            (of("runai-backend", "", "control-plane"), of("runai-frontend", "", "control-plane"), false),
        ];
        for (old, new, same) in cases {
            assert_eq!(same_role(&old, &new, None).is_some(), same, "{:?} {:?}", old[0].role, new[0].role);
        }
    }

    #[test]
    fn a_field_with_the_same_content_goes_first() {
        let of = |name: &str, before: &str| {
            let data = |value: &str| json!({"data": {"k": value}});
            fields(&object("Secret", name, json!({}), data(before)), &object("Secret", name, json!({}), data("other")))
        };
        let old = of("runai-a", "x");
        let new = [of("a", "y"), of("runai-a", "x")].concat();
        let (_, found) = same_role(&old, &new, None).expect("the same role");
        assert_eq!(found.object.name(), "runai-a");
    }
}

//! The variables of a container and where their texts come from (of kubelet's `makeEnvironmentVariables` in
//! `pkg/kubelet/kubelet_pods.go`, Kubernetes 1.34).

use portolan_model::Ref;
use serde_json::Value;

use crate::{Container, list};

/// An entry of a container's `envFrom` or `env`.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvEntry<'a> {
    /// Where its text is set, as a JSON pointer below the container: `/env/3/value`, `/env/3/valueFrom`, `/envFrom/0`.
    pub field: String,
    /// The entry itself.
    pub json: &'a Value,
    /// What it sets.
    pub sets: EnvSet<'a>,
}

/// What an entry sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvSet<'a> {
    /// One variable to a text, in which `$(NAME)` is not replaced yet.
    Text(&'a str, &'a str),
    /// One variable to a key of a ConfigMap or Secret: the variable, the object and the key.
    Key(&'a str, DataObject<'a>, &'a str),
    /// A variable for each key of a ConfigMap or Secret: what stands before their names, and the object.
    Keys(&'a str, DataObject<'a>),
    /// One variable to something else: a field of the pod, an amount.
    Other(&'a str),
}

/// A ConfigMap or a Secret, by its name in the pod's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataObject<'a> {
    kind: &'static str,
    name: &'a str,
}

impl<'a> DataObject<'a> {
    /// A ConfigMap of this name.
    pub(crate) fn config_map(name: &'a str) -> Self {
        Self { kind: "ConfigMap", name }
    }

    /// A Secret of this name.
    pub(crate) fn secret(name: &'a str) -> Self {
        Self { kind: "Secret", name }
    }

    /// Whether it is a Secret.
    #[must_use]
    pub fn is_secret(self) -> bool {
        self.kind == "Secret"
    }

    /// The object in a pod's namespace.
    #[must_use]
    pub fn of(self, namespace: &str) -> Ref {
        Ref::new("", self.kind, namespace, self.name)
    }
}

impl EnvSet<'_> {
    /// The object that it takes texts from.
    #[must_use]
    pub fn object(&self) -> Option<DataObject<'_>> {
        match self {
            Self::Key(_, object, _) | Self::Keys(_, object) => Some(*object),
            Self::Text(..) | Self::Other(_) => None,
        }
    }
}

impl<'a> Container<'a> {
    /// What sets its variables, in the order in which the kubelet reads it: of several of a name the last counts. Entries without a
    /// name are left out.
    pub fn environment(self) -> impl Iterator<Item = EnvEntry<'a>> {
        let from = list(self.json, "envFrom").iter().enumerate().filter_map(|(at, json)| {
            let prefix = json.get("prefix").and_then(Value::as_str).unwrap_or_default();
            let object = object(json, "configMapRef", "secretRef")?.0;
            Some(EnvEntry { field: format!("/envFrom/{at}"), json, sets: EnvSet::Keys(prefix, object) })
        });
        let own = list(self.json, "env").iter().enumerate().filter_map(|(at, json)| {
            let name = json.get("name")?.as_str()?;
            let (part, sets) = match json.get("value").and_then(Value::as_str) {
                Some(text) => ("value", EnvSet::Text(name, text)),
                None => ("valueFrom", key(json, name).unwrap_or(EnvSet::Other(name))),
            };
            Some(EnvEntry { field: format!("/env/{at}/{part}"), json, sets })
        });
        from.chain(own)
    }
}

fn key<'a>(json: &'a Value, name: &'a str) -> Option<EnvSet<'a>> {
    let (object, from) = object(json.get("valueFrom")?, "configMapKeyRef", "secretKeyRef")?;
    Some(EnvSet::Key(name, object, from.get("key")?.as_str()?))
}

/// The ConfigMap, else the Secret, that is named in one of two fields, and that field.
fn object<'a>(json: &'a Value, map: &str, secret: &str) -> Option<(DataObject<'a>, &'a Value)> {
    [("ConfigMap", map), ("Secret", secret)].into_iter().find_map(|(kind, field)| {
        let from = json.get(field)?;
        Some((DataObject { kind, name: from.get("name")?.as_str()? }, from))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ContainerKind;

    #[test]
    fn every_form_of_a_variable_is_read() {
        let json = json!({
            "env": [
                {"name": "A", "value": "$(B)"},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}},
                {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"value": "of no name"},
                {"name": "E"},
            ],
            "envFrom": [{"prefix": "P_", "secretRef": {"name": "s"}}, {"configMapRef": {"name": "m"}}, {}],
        });
        let container = Container { kind: ContainerKind::Main, index: 0, name: "main", json: &json };
        let (map, secret) = (DataObject { kind: "ConfigMap", name: "m" }, DataObject { kind: "Secret", name: "s" });
        let all: Vec<(String, EnvSet<'_>)> = container.environment().map(|one| (one.field, one.sets)).collect();
        let expected = [
            ("/envFrom/0", EnvSet::Keys("P_", secret)),
            ("/envFrom/1", EnvSet::Keys("", map)),
            ("/env/0/value", EnvSet::Text("A", "$(B)")),
            ("/env/1/valueFrom", EnvSet::Key("B", map, "k")),
            ("/env/2/valueFrom", EnvSet::Key("C", secret, "k")),
            ("/env/3/valueFrom", EnvSet::Other("D")),
            ("/env/5/valueFrom", EnvSet::Other("E")),
        ];
        assert_eq!(all, expected.map(|(field, sets)| (field.to_owned(), sets)));
        assert!(secret.is_secret() && secret.of("n") == Ref::secret("n", "s") && !map.is_secret());
        assert_eq!(EnvSet::Keys("", map).object(), Some(map));
    }
}

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The UID of a Kubernetes object: what "the same object" means. Never empty; an object without one has no `Uid`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Uid(Arc<str>);

impl Uid {
    /// A UID that is known to be one.
    ///
    /// # Panics
    /// If the text is empty.
    #[must_use]
    pub fn new(text: &str) -> Self {
        assert!(!text.is_empty(), "a UID is not empty");
        Self(text.into())
    }

    /// A UID as an object has it; `None` for an empty text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Uid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a UID is not empty"))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A resourceVersion: opaque, only ever compared for equality and sent back as a precondition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Rv(pub Arc<str>);

/// The name of an object: API group, kind, namespace (empty where cluster-scoped) and name. The version
/// of the API is left out on purpose: it says how an object is read, not which object it is.
///
/// Names are in the order of kind, namespace, name and group.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Ref {
    /// Kind, namespace, name and group, each but the last with a zero byte behind it: a search makes thousands of names, so a name is one
    /// piece of memory, and in its order one comparison.
    text: Arc<str>,
    /// Where kind, namespace and name end.
    ends: [u32; 3],
}

impl Ord for Ref {
    fn cmp(&self, other: &Self) -> Ordering {
        // Most names that are compared are copies of each other.
        if Arc::ptr_eq(&self.text, &other.text) {
            return Ordering::Equal;
        }
        self.text.cmp(&other.text).then_with(|| self.ends.cmp(&other.ends))
    }
}

impl PartialOrd for Ref {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ref {
    /// A name from its parts; `namespace` is empty for a cluster-scoped kind, `group` for the core group.
    #[must_use]
    pub fn new(group: &str, kind: &str, namespace: &str, name: &str) -> Self {
        let mut text = String::with_capacity(kind.len() + namespace.len() + name.len() + group.len() + 3);
        let ends = [kind, namespace, name].map(|part| {
            text.push_str(part);
            let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
            text.push('\0');
            end
        });
        text.push_str(group);
        Self { text: text.into(), ends }
    }

    /// The part after so many ends.
    fn part(&self, after: usize) -> &str {
        let at = |end: usize| self.ends[end] as usize;
        let start = if after == 0 { 0 } else { at(after - 1) + 1 };
        &self.text[start..if after < self.ends.len() { at(after) } else { self.text.len() }]
    }

    /// A `PersistentVolumeClaim`.
    #[must_use]
    pub fn claim(namespace: &str, name: &str) -> Self {
        Self::new("", "PersistentVolumeClaim", namespace, name)
    }

    /// Whether this is a PVC of a namespace.
    #[must_use]
    pub fn is_claim_in(&self, namespace: &str) -> bool {
        self.group().is_empty() && self.kind() == "PersistentVolumeClaim" && self.namespace() == namespace
    }

    /// A `PersistentVolume`.
    #[must_use]
    pub fn volume(name: &str) -> Self {
        Self::new("", "PersistentVolume", "", name)
    }

    /// A `Pod`.
    #[must_use]
    pub fn pod(namespace: &str, name: &str) -> Self {
        Self::new("", "Pod", namespace, name)
    }

    /// What stands for a server that is outside the cluster: no object, but a name where one is needed.
    #[must_use]
    pub fn outside(host: &str, port: u16) -> Self {
        Self::new("", "Server", "", &format!("{host}:{port}"))
    }

    /// A `Secret`.
    #[must_use]
    pub fn secret(namespace: &str, name: &str) -> Self {
        Self::new("", "Secret", namespace, name)
    }

    /// A `StatefulSet`.
    #[must_use]
    pub fn set(namespace: &str, name: &str) -> Self {
        Self::new("apps", "StatefulSet", namespace, name)
    }

    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.part(3)
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.part(0)
    }

    /// The namespace; empty for a cluster-scoped object.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.part(1)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.part(2)
    }

    /// Whether this is a PVC or a volume: what Portolan never deletes.
    #[must_use]
    pub fn is_storage(&self) -> bool {
        self.group().is_empty() && matches!(self.kind(), "PersistentVolumeClaim" | "PersistentVolume")
    }

    /// Whether Portolan never deletes it, nor has helm delete it in an uninstall: storage, and what takes storage along with it.
    #[must_use]
    pub fn is_never_deleted(&self) -> bool {
        self.is_storage()
            || matches!(self.kind(), "Namespace" | "CustomResourceDefinition")
            || (self.group().is_empty() && self.kind() == "Node")
    }

    /// Parses `Kind[.group]/[namespace/]name`, the form in which names are kept.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (kind, second, third) = (parts.next()?, parts.next()?, parts.next());
        if parts.next().is_some() {
            return None;
        }
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        Some(match third {
            Some(name) => Self::new(group, kind, second, name),
            None => Self::new(group, kind, "", second),
        })
    }

    /// The full form, `Kind[.group]/[namespace/]name`.
    #[must_use]
    pub fn full(&self) -> String {
        let mut text = self.kind().to_owned();
        for (mark, part) in [('.', self.group()), ('/', self.namespace()), ('/', self.name())] {
            if !part.is_empty() {
                text.push(mark);
                text.push_str(part);
            }
        }
        text
    }
}

/// What a person reads: `Kind/name`.
impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.kind(), self.name()))
    }
}

impl fmt::Debug for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full())
    }
}

impl Serialize for Ref {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.full())
    }
}

impl<'de> Deserialize<'de> for Ref {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not Kind[.group]/[namespace/]name")))
    }
}

impl JsonSchema for Ref {
    fn schema_name() -> Cow<'static, str> {
        "Ref".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An object: Kind[.group]/[namespace/]name",
            "pattern": "^[A-Za-z]+(\\.[^/]+)?/([^/]+/)?[^/]*$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_no_uid() {
        assert_eq!(Uid::parse(""), None);
        assert_eq!(serde_json::from_str::<Uid>("\"u\"").expect("it is one"), Uid::new("u"));
        assert!(serde_json::from_str::<Uid>("\"\"").is_err());
    }

    #[test]
    fn names_are_in_the_order_of_their_parts() {
        let parts = ["", "a", "a.b", "a-b", "ab", "b"];
        let mut all = Vec::new();
        for kind in parts {
            for namespace in parts {
                all.extend(parts.map(|name| (kind, namespace, name, "")));
                all.extend(parts.map(|group| (kind, namespace, "a", group)));
            }
        }
        let name = |(kind, namespace, name, group): (&str, &str, &str, &str)| Ref::new(group, kind, namespace, name);
        for one in &all {
            let read = name(*one);
            assert_eq!((read.kind(), read.namespace(), read.name(), read.group()), *one);
            for other in &all {
                assert_eq!(name(*one).cmp(&name(*other)), one.cmp(other), "{one:?} {other:?}");
                assert_eq!(name(*one) == name(*other), one == other, "{one:?} {other:?}");
            }
        }
        // Even of a manifest that has such a name.
        let [one, other] = [Ref::new("", "a\0b", "", "c"), Ref::new("", "a", "b", "c")];
        assert!(one != other && one.kind() == "a\0b" && one.cmp(&other) != Ordering::Equal);
    }

    #[test]
    fn a_name_survives_its_written_form() {
        for name in [
            Ref::claim("runai-backend", "pvc-postgresql"),
            Ref::volume("pvc-8a1f"),
            Ref::new("route.openshift.io", "Route", "runai-backend", "runai-backend"),
        ] {
            assert_eq!(Ref::parse(&name.full()), Some(name));
        }
        assert_eq!(Ref::parse("Pod"), None);
        assert_eq!(Ref::parse("a/b/c/d"), None);
    }
}

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A field of an object, as RFC 6901 writes it: `/metadata/annotations/helm.sh~1resource-policy`. Empty for the whole object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct JsonPointer(String);

impl JsonPointer {
    /// A pointer as RFC 6901 writes it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// A field as people write it, `spec.strategy.type`, whose keys have neither dots nor slashes.
    #[must_use]
    pub fn of_dotted(text: &str) -> Self {
        Self(format!("/{}", text.replace('.', "/")))
    }

    /// As RFC 6901 writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the whole object.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// As people write it: `metadata.annotations.helm.sh/resource-policy`.
    #[must_use]
    pub fn dotted(&self) -> String {
        let keys: Vec<String> =
            self.0.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
        keys.join(".")
    }
}

impl From<String> for JsonPointer {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A key as part of a JSON pointer (RFC 6901).
#[must_use]
pub fn pointer_part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_keys_with_dots_between_them() {
        let key = pointer_part("a/b~1");
        assert_eq!(JsonPointer::from(format!("/metadata/annotations/{key}")).dotted(), "metadata.annotations.a/b~1");
        assert_eq!(JsonPointer::new("/spec/0").dotted(), "spec.0");
        assert_eq!(JsonPointer::of_dotted("spec.0"), JsonPointer::new("/spec/0"));
        assert!(JsonPointer::default().is_whole() && JsonPointer::default().dotted().is_empty());
    }
}

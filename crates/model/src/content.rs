use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that a file carries: an archive, values, a manifest. In JSON they are base64. Copies share them.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(pub Arc<Vec<u8>>);

impl Content {
    /// Takes bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }
}

impl std::fmt::Debug for Content {
    /// How long it is: what is in it is nobody's to see in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({} bytes)", self.0.len())
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&*self.0))
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self::new).map_err(D::Error::custom)
    }
}

impl JsonSchema for Content {
    fn schema_name() -> Cow<'static, str> {
        "Content".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "description": "Bytes, in base64", "contentEncoding": "base64"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_base64_in_a_file_and_nothing_else_is_taken() {
        let content = Content::new(vec![0, 255, b'a']);
        let text = serde_json::to_string(&content).expect("it is JSON");
        assert_eq!(text, r#""AP9h""#);
        assert_eq!(serde_json::from_str::<Content>(&text).expect("it reads back"), content);
        assert!(serde_json::from_str::<Content>(r#""?""#).is_err());
        assert_eq!(format!("{content:?}"), "Content(3 bytes)");
    }
}

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, written `sha256:<64 hex digits>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Digest(Arc<str>);

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))).into())
    }

    /// The digest of everything that a reader has; little of it is in memory at once.
    ///
    /// # Errors
    /// What the reader says.
    pub fn of_reader(mut reader: impl std::io::Read) -> std::io::Result<Self> {
        let (mut hash, mut part) = (Sha256::new(), vec![0; 1 << 18]);
        loop {
            match reader.read(&mut part)? {
                0 => return Ok(Self(format!("sha256:{}", hex::encode(hash.finalize())).into())),
                read => hash.update(&part[..read]),
            }
        }
    }

    /// The digest of a value's canonical JSON.
    ///
    /// # Panics
    /// Where the value cannot be written as JSON, which none of our own types can bring about.
    #[must_use]
    pub fn of_value<T: Serialize>(value: &T) -> Self {
        Self::of(&canonical(value))
    }

    /// A finished SHA-256.
    #[must_use]
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        Self(format!("sha256:{}", hex::encode(hash)).into())
    }

    /// Reads a digest that somebody else wrote; `None` if it is not `sha256:` and 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:")?;
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (digits.len() == 64 && digits.bytes().all(hex)).then(|| Self(text.into()))
    }

    /// The hex digits without the prefix.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or(&self.0)
    }

    /// The first eight hex digits, as people read and type them.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.hex()[..8]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.short())
    }
}

/// The canonical JSON of a value: sorted keys (every map of ours is a `BTreeMap`, and so is
/// `serde_json`'s object), no spaces. The same value gives the same bytes.
///
/// # Panics
/// Where the value cannot be written as JSON, which none of our own types can bring about.
#[must_use]
pub fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    // A detour over `Value` sorts the fields of structs too.
    let value = serde_json::to_value(value).expect("our types are JSON");
    serde_json::to_vec(&value).expect("our types are JSON")
}

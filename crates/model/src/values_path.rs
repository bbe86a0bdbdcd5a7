use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a value stands among a chart's values, as helm's `--set` writes it: keys with dots between them, a dot inside a key
/// as `\\.`. Example: `ingress.annotations.kubernetes\\.io/class`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ValuesPath(String);

impl ValuesPath {
    /// A path as `--set` writes it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As `--set` writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is keys alone, none of them empty: no item of a list.
    #[must_use]
    pub fn is_keys(&self) -> bool {
        let mut letters = self.0.chars();
        let mut is_empty = true;
        while let Some(letter) = letters.next() {
            match letter {
                '.' if is_empty => return false,
                '.' => is_empty = true,
                '[' | ']' => return false,
                '\\' => is_empty = letters.next().is_none(),
                _ => is_empty = false,
            }
        }
        !is_empty
    }

    /// Whether this path is `other`, or leads into it.
    #[must_use]
    pub fn starts_with(&self, other: &str) -> bool {
        self.0.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
    }
}

impl fmt::Display for ValuesPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_empty_and_no_items() {
        for (path, is) in [
            ("a", true),
            ("a.b-c", true),
            (r"a\.b.c", true),
            ("", false),
            (".", false),
            ("a..b", false),
            ("a.", false),
            ("a[0]", false),
        ] {
            assert_eq!(ValuesPath::new(path).is_keys(), is, "{path}");
        }
    }

    #[test]
    fn a_path_starts_with_whole_keys() {
        let path = ValuesPath::new("a.b[0].c");
        for (other, starts) in
            [("a", true), ("a.b", true), ("a.b[0].c", true), ("a.b[0].c.d", false), ("a.b[0].cc", false)]
        {
            assert_eq!(path.starts_with(other), starts, "{other}");
        }
        assert!(!ValuesPath::new("ab.c").starts_with("a"));
    }
}

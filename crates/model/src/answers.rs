//! What a person decided about values that no recipe knows: a file that a second run, and a second cluster, can use.
//! It names values and never holds one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Carried, Ref, SecretKey, ValuesPath};

/// What was decided, by the path of the old value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueAnswers {
    /// The version of this format.
    pub format: u32,
    /// The answers. One for a path is for what lies below it too, unless that has an answer of its own.
    #[serde(default, deserialize_with = "none_is_empty")]
    pub answers: BTreeMap<ValuesPath, ValueAnswer>,
}

/// `answers:` with nothing below it, as a person leaves it who takes the last line out, is null in YAML.
fn none_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<ValuesPath, ValueAnswer>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What becomes of an old value, as a person decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValueAnswer {
    /// Nothing is decided yet.
    Ask,
    /// The new chart is not given it.
    Drop,
    /// The new chart is given it under the same path.
    Keep,
    /// The new chart is given it under this path.
    To(ValuesPath),
    /// The new chart is given what a Secret holds in its place. The path need not be set today.
    Secret(SecretAnswer),
}

/// A key of a Secret in the release's namespace, in place of a value: `{secret: {name: site-mail, key: password}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretAnswer {
    /// The name of the Secret.
    pub name: String,
    /// The key in its data.
    pub key: String,
    /// The path under which the new chart is given it; the old path where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ValuesPath>,
}

impl ValueAnswers {
    /// The version of the format that this program writes and reads.
    pub const FORMAT: u32 = 1;

    /// The values that come out of Secrets of a namespace, by the path that is answered.
    pub fn secrets(&self, namespace: &str) -> impl Iterator<Item = (&ValuesPath, Carried)> {
        self.answers.iter().filter_map(move |(path, answer)| {
            let ValueAnswer::Secret(SecretAnswer { name, key, to }) = answer else { return None };
            let from = SecretKey { secret: Ref::secret(namespace, name), key: key.clone() };
            Some((path, Carried { path: to.clone().unwrap_or_else(|| path.clone()), from }))
        })
    }

    /// The answer for a value: that of the longest path that covers it. [`ValueAnswer::To`] leads to the place below the
    /// new path that corresponds.
    #[must_use]
    pub fn of(&self, path: &ValuesPath) -> Option<ValueAnswer> {
        let covers = |whole: &&ValuesPath| path.starts_with(whole.as_str());
        let whole = self.answers.keys().filter(covers).max_by_key(|whole| whole.as_str().len())?;
        let rest = &path.as_str()[whole.as_str().len()..];
        Some(match &self.answers[whole] {
            ValueAnswer::To(to) => ValueAnswer::To(ValuesPath::new(&format!("{to}{rest}"))),
            other => other.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_answers_and_what_lies_below_goes_along() {
        let path = ValuesPath::new;
        let answers = [
            ("smtp", ValueAnswer::To(path("mail"))),
            ("smtp.password", ValueAnswer::Drop),
            ("theme", ValueAnswer::Keep),
        ];
        let answers = answers.into_iter().map(|(at, answer)| (path(at), answer)).collect();
        let answers = ValueAnswers { format: ValueAnswers::FORMAT, answers };
        for (at, answer) in [
            ("smtp.host", Some(ValueAnswer::To(path("mail.host")))),
            ("smtp", Some(ValueAnswer::To(path("mail")))),
            ("smtp.password", Some(ValueAnswer::Drop)),
            ("theme", Some(ValueAnswer::Keep)),
            ("themes", None),
        ] {
            assert_eq!(answers.of(&path(at)), answer, "{at}");
        }
    }
}

//! Old values that go on under another path, because a recipe or a person says so.

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::values;
use portolan_model::{MovedTo, ValueAnswer, ValueAnswers, ValuesMode, ValuesPath};
use portolan_recipe::{Confidence, MovedValue, RecipeStep, StepTemplate, VersionBoundary};
use serde_json::{Value, json};

use super::resolve::ResolvedRelease;

/// What becomes of old values before the recipes' own settings and the user's are laid over them.
#[derive(Default)]
pub(super) struct MovedValues {
    /// What helm is given for them.
    pub(super) given: Value,
    /// Where each goes, by its old path, with the value that it becomes.
    pub(super) moved: BTreeMap<String, (MovedTo, Value)>,
    /// Those that a person decided to leave out.
    pub(super) left_out: BTreeSet<String>,
    /// Why a person is asked about one, where a recipe knows something of it.
    pub(super) hints: BTreeMap<String, String>,
}

impl MovedValues {
    pub(super) fn of(
        resolved: &ResolvedRelease<'_>,
        asks: &[(&VersionBoundary, &RecipeStep)],
        mode: ValuesMode,
        before: &Value,
        answers: &ValueAnswers,
    ) -> Self {
        let rows: Vec<&MovedValue> = rows(resolved, asks).collect();
        let mut all = Self { given: json!({}), ..Self::default() };
        for (path, value) in values::flatten(before) {
            match answers.of(&ValuesPath::new(&path)) {
                Some(ValueAnswer::Drop) => {
                    if mode == ValuesMode::ResetThenReuse {
                        // Helm takes the stored value over unless a null is laid over it.
                        values::set(&mut all.given, &path, Value::Null);
                    }
                    all.left_out.insert(path);
                }
                Some(ValueAnswer::Keep) => values::set(&mut all.given, &path, value),
                Some(ValueAnswer::To(to)) => {
                    all.put(path, MovedTo { path: to, how: String::new(), source: "answered".into() }, value);
                }
                Some(ValueAnswer::Ask) | None => all.by_recipe(&rows, path, &value),
            }
        }
        all
    }

    fn put(&mut self, from: String, to: MovedTo, value: Value) {
        values::set(&mut self.given, to.path.as_str(), value.clone());
        self.moved.insert(from, (to, value));
    }

    fn by_recipe(&mut self, rows: &[&MovedValue], path: String, value: &Value) {
        let old = ValuesPath::new(&path);
        let covers = |row: &&&MovedValue| old.starts_with(&row.from);
        let Some(row) = rows.iter().filter(covers).max_by_key(|row| row.from.len()) else { return };
        let rest = &path[row.from.len()..];
        let to = ValuesPath::new(&format!("{}{rest}", row.to));
        if row.confidence == Confidence::Low {
            self.hints.insert(path, format!("it may be {to} now, by {}; nobody publishes it", row.source.page));
            return;
        }
        let whole = if rest.is_empty() { value.clone() } else { Value::Object(serde_json::Map::new()) };
        let becomes = match row.transform {
            portolan_recipe::Transform::Same => Ok(value.clone()),
            ref transform => transform.apply(&whole),
        };
        match becomes {
            Ok(new) => {
                let how = row.transform.words().to_owned();
                self.put(path, MovedTo { path: to, how, source: row.source.page.clone() }, new);
            }
            Err(error) => drop(self.hints.insert(path, format!("it would be {to} now, but {error}"))),
        }
    }
}

/// The rows of all boundaries that are crossed, for this platform.
fn rows<'a>(
    resolved: &ResolvedRelease<'_>,
    asks: &[(&'a VersionBoundary, &'a RecipeStep)],
) -> impl Iterator<Item = &'a MovedValue> {
    asks.iter()
        .flat_map(
            |(_, step)| if let StepTemplate::HelmUpgrade { moved, .. } = &step.ask { moved.as_slice() } else { &[] },
        )
        .filter(|row| resolved.is_for(row.platform))
}

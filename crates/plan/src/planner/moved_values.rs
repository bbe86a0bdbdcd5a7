//! Old values that go on under another path, because a recipe or a person says so.

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::values;
use portolan_inventory::credential;
use portolan_model::{Carried, MovedTo, ObsoleteValue, SecretKey, ValueAnswer, ValueAnswers, ValuesMode, ValuesPath};
use portolan_recipe::{Confidence, DroppedValue, MovedValue, RecipeStep, StepTemplate, Transform, VersionBoundary};
use serde_json::{Map, Value, json};

use super::resolve::ResolvedRelease;
use super::{hop_input, tls_pair};

/// What becomes of old values before the recipes' own settings and the user's are laid over them.
#[derive(Default)]
pub(super) struct MovedValues {
    /// What helm is given for them.
    pub(super) given: Value,
    /// Where each goes, by its old path, with the value that it becomes.
    pub(super) moved: BTreeMap<String, (MovedTo, Value)>,
    /// Those that a person decided to leave out.
    pub(super) left_out: BTreeSet<String>,
    /// Those in whose place a Secret is read, with what that is.
    pub(super) replaced: BTreeMap<String, String>,
    /// Those that the new chart needs no more, where helm would take them over.
    pub(super) obsolete: BTreeMap<String, ObsoleteValue>,
    /// What the answers say is read out of Secrets.
    pub(super) secrets: Vec<Carried>,
    /// Why a person is asked about one, where something is known of it.
    pub(super) hints: BTreeMap<String, String>,
}

/// What the answers and the recipes are held against.
struct Context<'a> {
    resolved: &'a ResolvedRelease<'a>,
    before: &'a Value,
    mode: ValuesMode,
    rows: Vec<&'a MovedValue>,
    retired: Vec<&'a DroppedValue>,
    /// The credentials among the old values.
    secret: BTreeSet<String>,
    /// The paths of the new chart that something else is given, with what that is.
    taken: Vec<(ValuesPath, &'static str)>,
    /// The old paths of passwords that come out of Secrets.
    carried: BTreeSet<&'a str>,
}

impl MovedValues {
    pub(super) fn of(
        resolved: &ResolvedRelease<'_>,
        asks: &[(&VersionBoundary, &RecipeStep)],
        (mode, before): (ValuesMode, &Value),
        answers: &ValueAnswers,
    ) -> Self {
        let context = Context {
            resolved,
            before,
            mode,
            rows: rows(resolved, asks).collect(),
            retired: retired(resolved, asks).collect(),
            secret: hop_input::credentials(resolved, before),
            taken: taken(resolved, asks),
            carried: carried(resolved, asks),
        };
        let secrets: Vec<(&ValuesPath, Carried)> = answers.secrets(&resolved.release().namespace).collect();
        let mut all = Self { given: json!({}), ..Self::default() };
        all.secrets.extend(secrets.iter().map(|(_, carried)| carried.clone()));
        for (path, value) in values::flatten(before) {
            let old = ValuesPath::new(&path);
            let is_in_place =
                |(from, carried): &&(&ValuesPath, Carried)| meet(&carried.path, &old) || old.starts_with(from.as_str());
            if let Some((_, carried)) = secrets.iter().find(is_in_place) {
                all.replace(&context, path, carried);
                continue;
            }
            // A password that is carried over is given to the new chart whatever becomes of the value.
            let answer = match context.carried.contains(path.as_str()) {
                true => None,
                false => answers.of(&old),
            };
            match answer {
                Some(ValueAnswer::Drop) => {
                    all.take_out(&context, &path);
                    all.left_out.insert(path);
                }
                // Helm takes it over by itself.
                Some(ValueAnswer::Keep) if mode == ValuesMode::ResetThenReuse => {}
                Some(ValueAnswer::Keep) => {
                    let to = MovedTo { path: ValuesPath::new(&path), how: String::new(), source: "answered".into() };
                    all.answered(&context, path, to, value);
                }
                Some(ValueAnswer::To(to)) => {
                    let to = MovedTo { path: to, how: String::new(), source: "answered".into() };
                    all.answered(&context, path, to, value);
                }
                // What a Secret is read for is none of the values that are left here.
                Some(ValueAnswer::Ask | ValueAnswer::Secret(_)) | None => all.by_recipe(&context, path, &value),
            }
        }
        all
    }

    /// A move that a person wants: refused, and asked about again, where the new place is something else's, or would show a
    /// credential.
    fn answered(&mut self, context: &Context<'_>, path: String, to: MovedTo, value: Value) {
        let stays = to.path.as_str() == path;
        let hint = if let Some((_, by)) = context.taken.iter().find(|(taken, _)| meet(taken, &to.path)) {
            format!("it cannot be {}, which is given {by}", to.path)
        } else if let Some(other) = self.moved_to(&to.path) {
            format!("it cannot be {}, which {other} becomes", to.path)
        } else if !stays && context.secret.contains(&path) && !credential::is_named(to.path.as_str()) {
            format!("it is a credential, and {} is not named like one: it would be shown", to.path)
        } else {
            return self.put(context, path, to, value);
        };
        self.hints.insert(path, hint);
    }

    /// The old value that goes to a place, or above or below it.
    pub(super) fn moved_to(&self, place: &ValuesPath) -> Option<&str> {
        self.moved.iter().find(|(_, (taken, _))| meet(&taken.path, place)).map(|(old, _)| old.as_str())
    }

    /// A value in whose place a Secret is read.
    fn replace(&mut self, context: &Context<'_>, path: String, carried: &Carried) {
        if carried.path.as_str() != path {
            self.take_out(context, &path);
        }
        let SecretKey { secret, key } = &carried.from;
        self.replaced.insert(path, format!("{}, out of key {key} of {secret}", carried.path));
    }

    fn put(&mut self, context: &Context<'_>, from: String, to: MovedTo, value: Value) {
        if let Some(carried) = self.secrets.iter().find(|carried| meet(&carried.path, &to.path)).cloned() {
            return self.replace(context, from, &carried);
        }
        if to.path.as_str() != from {
            self.take_out(context, &from);
        }
        values::set(&mut self.given, to.path.as_str(), value.clone());
        self.moved.insert(from, (to, value));
    }

    /// Helm takes a stored value over unless a null is laid over it.
    fn take_out(&mut self, context: &Context<'_>, path: &str) {
        if context.mode == ValuesMode::ResetThenReuse {
            values::set(&mut self.given, path, Value::Null);
        }
    }

    fn by_recipe(&mut self, context: &Context<'_>, path: String, value: &Value) {
        let old = ValuesPath::new(&path);
        let covers = |row: &&&MovedValue| old.starts_with(&row.from) && row.transform.is_for(&path[row.from.len()..]);
        let row = context.rows.iter().filter(covers).max_by_key(|row| row.from.len());
        let to = row.map_or_else(|| old.clone(), |row| ValuesPath::new(&new_place(row, &path)));
        // Where helm takes the old values over, what has no place any more is taken away.
        if context.mode == ValuesMode::ResetThenReuse
            && let Some(retired) = context.retired.iter().find(|retired| retired.covers(to.as_str()))
        {
            self.take_out(context, &path);
            self.obsolete.insert(path, obsolete(retired));
            return;
        }
        let Some(row) = row else { return };
        let rest = &path[row.from.len()..];
        let is_pair = matches!(row.transform, Transform::SecretFromPair(_));
        if row.confidence == Confidence::Low {
            self.hints.insert(
                path,
                format!("perhaps {to}, which the page {} has; no page says that the value went there", row.source.page),
            );
            return;
        }
        // What lies below the value that a transform is for is none of its own.
        let whole = match is_pair {
            true => values::get(context.before, &row.from).cloned().unwrap_or_default(),
            false if rest.is_empty() => value.clone(),
            false => Value::Object(Map::new()),
        };
        if let Transform::SecretFromPair(pair) = &row.transform
            && tls_pair::is_another(context.resolved, pair, &whole)
        {
            values::set(&mut self.given, to.as_str(), json!(pair.secret));
            self.replaced.insert(path, format!("Secret/{}, which holds another pair than this one", pair.secret));
            return;
        }
        let becomes = match &row.transform {
            Transform::Same => Ok(value.clone()),
            transform => transform.apply(&whole, &|name| context.resolved.claim(name)),
        };
        let is_of_pair = |other: &str| is_pair && ValuesPath::new(other).starts_with(&row.from);
        match becomes {
            Ok(_) if let Some(other) = self.moved_to(&to).filter(|other| !is_of_pair(other)) => {
                let hint = format!("it would be {to} now, which {other} becomes");
                self.hints.insert(path, hint);
            }
            Ok(new) => {
                let how = row.transform.words().to_owned();
                self.put(context, path, MovedTo { path: to, how, source: row.source.page.clone() }, new);
            }
            Err(error) => drop(self.hints.insert(path, format!("it would be {to} now, but {error}"))),
        }
    }
}

/// Where a row leads what lies at a path, or below it.
fn new_place(row: &MovedValue, path: &str) -> String {
    match row.transform {
        Transform::SecretFromPair(_) => row.to.clone(),
        _ => format!("{}{}", row.to, &path[row.from.len()..]),
    }
}

/// Whether one path is the other, or leads into it.
pub(super) fn meet(one: &ValuesPath, other: &ValuesPath) -> bool {
    one.starts_with(other.as_str()) || other.starts_with(one.as_str())
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

/// What is told of a value that needs no place in the new layout.
pub(super) fn obsolete(retired: &DroppedValue) -> ObsoleteValue {
    ObsoleteValue { by: retired.by.clone(), source: retired.source.page.clone() }
}

/// The values that need no place in the new layout, of all boundaries that are crossed, for this platform.
pub(super) fn retired<'a>(
    resolved: &ResolvedRelease<'_>,
    asks: &[(&'a VersionBoundary, &'a RecipeStep)],
) -> impl Iterator<Item = &'a DroppedValue> {
    asks.iter()
        .flat_map(
            |(_, step)| {
                if let StepTemplate::HelmUpgrade { retired, .. } = &step.ask { retired.as_slice() } else { &[] }
            },
        )
        .filter(|retired| resolved.is_for(retired.platform))
}

/// What the recipes give to the new chart: settings, and passwords out of Secrets.
fn taken(resolved: &ResolvedRelease<'_>, asks: &[(&VersionBoundary, &RecipeStep)]) -> Vec<(ValuesPath, &'static str)> {
    let mut taken = Vec::new();
    for (_, step) in asks {
        match &step.ask {
            StepTemplate::HelmUpgrade { set, .. } => {
                let here = set.iter().filter(|setting| resolved.is_for(setting.platform));
                taken.extend(here.map(|setting| (ValuesPath::new(&setting.path), "by the recipes")));
            }
            StepTemplate::CarryCredentials { database } => {
                let found = resolved.database(database).filter(|found| !found.has_site_secret());
                let paths = found.into_iter().flat_map(|found| found.recipe.password.value.values());
                taken.extend(paths.map(|path| (ValuesPath::new(path), "out of the live Secret")));
            }
            _ => {}
        }
    }
    taken
}

/// The values that hold passwords which are carried over.
fn carried<'a>(resolved: &ResolvedRelease<'a>, asks: &[(&VersionBoundary, &RecipeStep)]) -> BTreeSet<&'a str> {
    let databases = asks.iter().filter_map(|(_, step)| match &step.ask {
        StepTemplate::CarryCredentials { database } => {
            resolved.database(database).filter(|found| !found.has_site_secret())
        }
        _ => None,
    });
    databases.flat_map(|found| found.recipe.password.value.values().map(String::as_str)).collect()
}

//! The values that a site has set: who set each, what it is today, and what becomes of it on the way to the new version.

use portolan_helm_compat::values;
use portolan_inventory::Survey;
use portolan_inventory::redaction::Redactor;
use portolan_model::{ChangedDefault, ChartId, Inventory, PlannedValue, SetBy, SiteValue, ValueChange, ValuesPath};
use portolan_recipe::{Confidence, InstallerValues, MovedValue, RecipeSet, StepTemplate, Transform};
use serde_json::Value;

/// Whether credentials are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A stand-in is shown in their place.
    Hidden,
    /// They are shown as they are.
    Shown,
}

/// Every user-supplied value of a release, nulls included, in the order of their paths. `hops` has what each hop makes of them.
#[must_use]
pub fn site_values(
    survey: &Survey,
    recipes: &RecipeSet,
    hops: &[&[PlannedValue]],
    credentials: Credentials,
) -> Vec<SiteValue> {
    let inventory = &survey.inventory;
    let config = &inventory.release.config;
    let shown = |all: &Value| match credentials {
        Credentials::Shown => all.clone(),
        Credentials::Hidden => Redactor::new(&survey.known()).values(all),
    };
    let (shown, defaults) = (shown(config), shown(&inventory.release.defaults));
    let of = |(path, value): (String, Value)| {
        let (changes, hint) = changes(hops, ValuesPath::new(&path));
        SiteValue {
            today: values::get(&shown, &path).cloned().unwrap_or_default(),
            default: values::get(&defaults, &path).cloned(),
            set_by: set_by(inventory, recipes, &path, &value),
            changes,
            hint,
            path: ValuesPath::new(&path),
        }
    };
    values::flatten(config).into_iter().map(of).collect()
}

/// The defaults of the installed chart that nobody has set and that are others in the new one, as far as recipes name both places: a
/// site that set nothing lived by them. `defaults` are those of the new chart, `at_end` the values that it is given.
#[must_use]
pub fn changed_defaults(
    survey: &Survey,
    recipes: &RecipeSet,
    (to, defaults): (&ChartId, &Value),
    at_end: &Value,
) -> Vec<ChangedDefault> {
    let release = &survey.inventory.release;
    let crossed = recipes.boundaries(&release.chart, to);
    let rows = crossed.iter().flat_map(|boundary| &boundary.steps).flat_map(|step| match &step.ask {
        StepTemplate::HelmUpgrade { moved, .. } => moved.as_slice(),
        _ => &[],
    });
    let is_for = |row: &&MovedValue| row.platform.is_none_or(|only| only.is_of(&survey.inventory.cluster.platform));
    let sure = rows.filter(is_for).filter(|row| row.transform == Transform::Same && row.confidence != Confidence::Low);
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    sure.filter_map(|row| {
        let today = values::get(&release.defaults, &row.from).filter(|today| !is_empty(today))?;
        let then = values::get(defaults, &row.to).cloned().unwrap_or_default();
        let is_set = values::get(&release.config, &row.from).is_some() || values::get(at_end, &row.to).is_some();
        (!is_set && *today != then).then(|| ChangedDefault {
            path: ValuesPath::new(&row.from),
            today: today.clone(),
            to: ValuesPath::new(&row.to),
            then,
        })
    })
    .collect()
}

/// What each hop makes of a value, and the hint of the hop that asks about it.
fn changes(hops: &[&[PlannedValue]], path: ValuesPath) -> (Vec<ValueChange>, String) {
    let mut at = Some(path);
    let (mut changes, mut hint) = (Vec::new(), String::new());
    for hop in hops {
        let Some(path) = at else { break };
        let Some(planned) = hop.iter().find(|planned| planned.path == path) else { break };
        at = planned.change.path_after(&path);
        changes.push(planned.change.clone());
        hint.clone_from(&planned.hint);
    }
    (changes, hint)
}

fn set_by(inventory: &Inventory, recipes: &RecipeSet, path: &str, value: &Value) -> SetBy {
    if installer(inventory, recipes, path, value).is_some() {
        SetBy::Installer
    } else if values::get(&inventory.release.defaults, path) == Some(value) {
        SetBy::Default
    } else {
        SetBy::Site
    }
}

/// What the installer wrote of an old value: its entry of the recipes, if the value is exactly that.
pub(crate) fn installer<'a>(
    inventory: &Inventory,
    recipes: &'a RecipeSet,
    path: &str,
    value: &Value,
) -> Option<&'a InstallerValues> {
    recipes.product.installer.iter().find(|entry| {
        entry.chart == inventory.release.chart.name
            && entry.platform.is_none_or(|platform| platform.is_of(&inventory.cluster.platform))
            && values::get(&entry.values, path) == Some(value)
    })
}

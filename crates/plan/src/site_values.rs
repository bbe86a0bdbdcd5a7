//! The values that a site has set: who set each, what it is today, and what becomes of it on the way to the new version.

use portolan_helm_compat::values;
use portolan_inventory::Survey;
use portolan_inventory::redaction::Redactor;
use portolan_model::{Inventory, Plan, PlannedValue, ValueChange, ValuesPath};
use portolan_recipe::{InstallerValues, RecipeSet};
use serde::Serialize;
use serde_json::Value;

/// A user-supplied value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SiteValue {
    /// Its path.
    pub path: ValuesPath,
    /// What it is today; a stand-in where it is a credential and credentials are hidden.
    pub today: Value,
    /// Who set it.
    pub set_by: SetBy,
    /// What each hop makes of it, in order, for as long as it goes on. Empty without a plan.
    pub changes: Vec<ValueChange>,
    /// What a recipe knows of it where a person is asked, in one clause; empty for nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// Who set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetBy {
    /// The vendor's installer writes this very value for every site of the platform.
    Installer,
    /// Somebody at the site.
    Site,
}

/// Whether credentials are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A stand-in is shown in their place.
    Hidden,
    /// They are shown as they are.
    Shown,
}

impl SiteValue {
    /// Where the value is at the end; `None` where it ends on the way.
    #[must_use]
    pub fn end(&self) -> Option<ValuesPath> {
        self.changes.iter().try_fold(self.path.clone(), |path, change| after(&path, change))
    }

    /// The change that a person wants to see: the first that is one, else that it goes on.
    #[must_use]
    pub fn change(&self) -> Option<&ValueChange> {
        self.changes.iter().find(|change| **change != ValueChange::Carried).or(self.changes.first())
    }
}

/// The path after a hop, for a value that goes on.
fn after(path: &ValuesPath, change: &ValueChange) -> Option<ValuesPath> {
    match change {
        ValueChange::Carried | ValueChange::WithoutEffect | ValueChange::RendersAs(_) => Some(path.clone()),
        ValueChange::Moved(to) => Some(to.path.clone()),
        ValueChange::Replaced(_) | ValueChange::LeftOut | ValueChange::Dropped => None,
    }
}

/// Every user-supplied value of a release, nulls included, in the order of their paths.
#[must_use]
pub fn site_values(
    survey: &Survey,
    recipes: &RecipeSet,
    plan: Option<&Plan>,
    credentials: Credentials,
) -> Vec<SiteValue> {
    let inventory = &survey.inventory;
    let config = &inventory.release.config;
    let shown = match credentials {
        Credentials::Shown => config.clone(),
        Credentials::Hidden => Redactor::new(&survey.known()).values(config),
    };
    let hops: Vec<&[PlannedValue]> = plan.iter().flat_map(|plan| &plan.hops).map(|hop| hop.values.as_slice()).collect();
    let of = |(path, value): (String, Value)| {
        let (changes, hint) = changes(&hops, ValuesPath::new(&path));
        SiteValue {
            today: values::get(&shown, &path).cloned().unwrap_or_default(),
            set_by: set_by(inventory, recipes, &path, &value),
            changes,
            hint,
            path: ValuesPath::new(&path),
        }
    };
    values::flatten(config).into_iter().map(of).collect()
}

/// What each hop makes of a value, and the hint of the hop that asks about it.
fn changes(hops: &[&[PlannedValue]], path: ValuesPath) -> (Vec<ValueChange>, String) {
    let mut at = Some(path);
    let (mut changes, mut hint) = (Vec::new(), String::new());
    for hop in hops {
        let Some(path) = at else { break };
        let Some(planned) = hop.iter().find(|planned| planned.path == path) else { break };
        at = after(&path, &planned.change);
        changes.push(planned.change.clone());
        hint.clone_from(&planned.hint);
    }
    (changes, hint)
}

fn set_by(inventory: &Inventory, recipes: &RecipeSet, path: &str, value: &Value) -> SetBy {
    match installer(inventory, recipes, path, value) {
        Some(_) => SetBy::Installer,
        None => SetBy::Site,
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

//! The values that a site has set: who set each, what it is today, and what becomes of it on the way to the new version.

use portolan_helm_compat::values;
use portolan_inventory::Survey;
use portolan_inventory::redaction::Redactor;
use portolan_model::{Inventory, Plan, PlannedValue, SetBy, SiteValue, ValueChange, ValuesPath};
use portolan_recipe::{InstallerValues, RecipeSet};
use serde_json::Value;

/// Whether credentials are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A stand-in is shown in their place.
    Hidden,
    /// They are shown as they are.
    Shown,
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
        at = planned.change.path_after(&path);
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

//! A database's password in a Secret of the site's own: the chart is told its name, and no step deletes it.

use portolan_helm_compat::values;
use portolan_model::{Inventory, SecretKey, ValuesMode};
use portolan_recipe::{Database, ExistingSecret};
use serde_json::{Value, json};

use super::resolve::ResolvedRelease;
use portolan_model::Ref;

/// The Secret that values name for a database under a chart, with the key where they name that too.
pub(super) fn named(recipe: &Database, chart: &str, config: &Value) -> Option<(String, Option<String>)> {
    let text = |path: &str| values::get(config, path)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let places = recipe.password.existing.get(chart)?;
    places.iter().find_map(|place| Some((text(&place.secret)?, place.key.as_deref().and_then(text))))
}

/// The key of a Secret that values name and that holds the password today.
pub(super) fn today(inventory: &Inventory, recipe: &Database) -> Option<(Ref, Vec<String>)> {
    let release = &inventory.release;
    let (name, key) = named(recipe, &release.chart.name, &release.config)?;
    let keys = key.map_or_else(|| recipe.password.keys.clone(), |key| vec![key]);
    Some((Ref::secret(&release.id.namespace, &portolan_recipe::fill(&name, &release.id)), keys))
}

/// Tells a chart the name of each Secret of the site's own, where its layout of values is another one than today's and nothing
/// is said in it yet.
pub(super) fn give(resolved: &ResolvedRelease<'_>, (mode, chart): (ValuesMode, &str), given: &mut Value) {
    for database in resolved.databases.iter().filter(|database| database.is_existing && mode == ValuesMode::Reset) {
        let SecretKey { secret, key } = &database.reference.password;
        let places: &[ExistingSecret] = database.recipe.password.existing.get(chart).map_or(&[], Vec::as_slice);
        let Some(place) = places.last().filter(|_| named(database.recipe, chart, given).is_none()) else { continue };
        values::set(given, &place.secret, json!(secret.name()));
        if let Some(path) = &place.key {
            values::set(given, path, json!(key));
        }
    }
}

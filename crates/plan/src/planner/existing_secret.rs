//! A database's password in a Secret of the site's own: the chart is told its name and its keys, and no step deletes it.
//!
//! Who makes such a Secret (a person, External Secrets) may make it again at any time. A plan therefore relies on its name and its
//! keys, not on its UID; that its password opens the database is tried before the upgrade and after it.

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::values;
use portolan_kube_facts::{Container, EnvSet, PodTemplate};
use portolan_model::{Expected, Inventory, Object, Precondition, Ref, SecretKey, ValuesMode};
use portolan_recipe::{Database, ExistingSecret, fill};
use serde_json::{Value, json};

use super::resolve::{FoundDatabase, ResolvedRelease};

/// What values say of a Secret of the site's own.
pub(super) struct NamedSecret {
    /// Its name.
    pub(super) name: String,
    /// The key with the password that the database's role logs in with, where values name it.
    pub(super) key: Option<String>,
    /// The key with the password of the application's role, where values name it.
    user_key: Option<String>,
}

/// A Secret of the site's own that holds a database's password today.
pub(super) struct SiteSecret {
    pub(super) secret: Ref,
    /// The keys under which the password may be.
    pub(super) keys: Vec<String>,
    /// The old values that name it or its keys.
    pub(super) paths: BTreeSet<String>,
    /// The key of the application's password, where values name it.
    user_key: Option<String>,
}

/// The Secret that values name for a database under a chart, with the keys where they name those too.
pub(super) fn named(recipe: &Database, chart: &str, config: &Value) -> Option<NamedSecret> {
    let text = |path: &String| values::get(config, path)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let places = recipe.password.existing.get(chart)?;
    Some(NamedSecret {
        name: places.iter().find_map(|place| text(&place.secret))?,
        key: places.iter().find_map(|place| place.key.as_ref().and_then(text)),
        user_key: places.iter().find_map(|place| place.user_key.as_ref().and_then(text)),
    })
}

/// The Secret of the site's own that a database has today: the one that known values name, else the one that its container reads and
/// that some value names.
pub(super) fn today(inventory: &Inventory, recipe: &Database, form: &Object) -> Option<SiteSecret> {
    let release = &inventory.release;
    let own = |name: &str| Ref::secret(&release.id.namespace, name);
    if let Some(NamedSecret { name, key, user_key }) = named(recipe, &release.chart.name, &release.config) {
        let places = recipe.password.existing.values().flatten();
        return Some(SiteSecret {
            secret: own(&fill(&name, &release.id)),
            keys: key.map_or_else(|| recipe.password.keys.clone(), |key| vec![key]),
            paths: places.flat_map(ExistingSecret::paths).cloned().collect(),
            user_key,
        });
    }
    let SecretKey { secret, key } = read_by_server(recipe, form)?;
    let is_charts = inventory.release.docs.iter().any(|doc| doc.name().as_ref() == Some(&secret));
    let paths = naming(&release.config, secret.name(), &key);
    (!is_charts && !paths.is_empty()).then(|| SiteSecret { secret, keys: vec![key], paths, user_key: None })
}

/// The key of a Secret that gives a server its password, as the container of its `StatefulSet` says.
pub(super) fn read_by_server(recipe: &Database, form: &Object) -> Option<SecretKey> {
    let template = PodTemplate::of(form)?;
    let set = form.name()?;
    let read = |variable: &String| {
        template.containers().flat_map(Container::environment).find_map(|entry| match entry.sets {
            EnvSet::Key(name, object, key) if name == variable && object.is_secret() => {
                Some(SecretKey { secret: object.of(set.namespace()), key: key.to_owned() })
            }
            _ => None,
        })
    };
    recipe.password.variables.iter().find_map(read)
}

/// The values that say the name of a Secret, under whatever key a chart takes it (`existingSecretName`, `passwordSecret`), and those
/// beside or below them that say its key.
fn naming(config: &Value, name: &str, key: &str) -> BTreeSet<String> {
    let all = values::flatten(config);
    let is = |value: &Value, text: &str| value.as_str() == Some(text);
    let names = all.iter().filter(|(path, value)| is(value, name) && path.to_lowercase().contains("secret"));
    let mut found: BTreeSet<String> = names.map(|(path, _)| path.clone()).collect();
    let map = |path: &String| path.rsplit_once('.').map_or_else(String::new, |(map, _)| format!("{map}."));
    let around: Vec<String> = found.iter().map(map).collect();
    let is_key = |path: &str| path.to_lowercase().ends_with("key") && around.iter().any(|map| path.starts_with(map));
    let keys = all.iter().filter(|(path, value)| is(value, key) && is_key(path));
    found.extend(keys.map(|(path, _)| path.clone()));
    found
}

/// Tells a chart the name of each Secret of the site's own and its keys, where its layout of values is another one than today's and
/// nothing is said in it yet.
pub(super) fn give(resolved: &ResolvedRelease<'_>, (mode, chart): (ValuesMode, &str), given: &mut Value) {
    for database in resolved.databases.iter().filter(|_| mode == ValuesMode::Reset) {
        let Some(site) = &database.site_secret else { continue };
        let places = database.recipe.password.existing.get(chart).map_or(&[][..], Vec::as_slice);
        let Some(place) = places.last() else { continue };
        let told = named(database.recipe, chart, given);
        match &told {
            // Whoever names another one says its keys too.
            Some(told) if told.name != site.secret.name() => continue,
            Some(_) => {}
            None => values::set(given, &place.secret, json!(site.secret.name())),
        }
        if let Some(path) = place.key.as_ref().filter(|_| told.as_ref().is_none_or(|told| told.key.is_none())) {
            values::set(given, path, json!(database.reference.password.key));
        }
        if let Some(path) = place.user_key.as_ref().filter(|_| told.as_ref().is_none_or(|told| told.user_key.is_none()))
            && let Some(key) = user_key(resolved.inventory, database, site)
        {
            values::set(given, path, json!(key));
        }
    }
}

/// The key with the password of the application's role, where the Secret has one beside the database's own.
fn user_key(inventory: &Inventory, database: &FoundDatabase<'_>, site: &SiteSecret) -> Option<String> {
    let has = inventory.objects.get(&site.secret)?.data_keys();
    let is_there = |key: &&String| has.contains(&key.as_str()) && **key != database.reference.password.key;
    site.user_key.clone().or_else(|| database.recipe.password.user_keys.iter().find(is_there).cloned())
}

/// Of each Secret of the site's own that a plan relies on, its keys have to be there, and no more.
pub(super) fn loosen(resolved: &ResolvedRelease<'_>, relied_on: &mut BTreeMap<Ref, Precondition>) {
    let secrets = resolved.databases.iter().filter_map(|database| Some(&database.site_secret.as_ref()?.secret));
    for secret in secrets {
        if let (Some(relied), Some(live)) = (relied_on.get_mut(secret), resolved.inventory.objects.get(secret)) {
            let keys = live.data_keys().into_iter().map(str::to_owned).collect();
            *relied = Precondition { object: Expected::WithKeys(keys), ..Precondition::absent() };
        }
    }
}

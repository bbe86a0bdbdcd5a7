//! What becomes of the user-supplied values.

use std::collections::BTreeMap;

use portolan_helm_compat::values::{self, Cut};
use portolan_model::{ChartId, Code, Finding, Hop, ObsoleteValue, PlannedValue, ValueChange, ValuesMode, ValuesPath};
use portolan_recipe::StepTemplate;
use serde_json::{Value, json};

use super::hop_input::HopInput;
use super::resolve::ResolvedRelease;
use super::{checks, moved_values};
use crate::site_values::installer;

/// Each user-supplied value of before by its path.
/// `other` has those that go on and do not do what they do today.
pub(super) fn of(
    resolved: &ResolvedRelease<'_>,
    input: &HopInput<'_>,
    other: &BTreeMap<String, ValueChange>,
) -> Vec<PlannedValue> {
    let replacements = replacements(resolved, input);
    let cut = checks::cut_values(resolved, input);
    let meant = |path: &str| {
        let path = ValuesPath::new(path);
        let (at, Cut::Key(meant)) = cut.iter().find(|(at, _)| path.starts_with(at))? else { return None };
        Some(format!("--set cut its key at a dot: perhaps {meant}{} was meant", &path.as_str()[at.len()..]))
    };
    values::flatten(&input.before)
        .into_iter()
        .map(|(path, value)| {
            let fate = match fate(resolved, input, &replacements, (&path, &value)) {
                ValueChange::Carried => other.get(&path).cloned().unwrap_or(ValueChange::Carried),
                ValueChange::Moved(to) => match other.get(&path) {
                    Some(ValueChange::WithoutEffect) => ValueChange::MovedWithoutEffect(to),
                    _ => ValueChange::Moved(to),
                },
                fate => fate,
            };
            let hint = match fate {
                ValueChange::Dropped if value.is_null() && values::is_null_at(&input.given, &path) => {
                    "helm before 3.20.1 takes a stored null away where the same null is given: leave it out of the values".into()
                }
                ValueChange::Dropped => input.moved.hints.get(&path).cloned().or_else(|| meant(&path)).unwrap_or_default(),
                _ => String::new(),
            };
            PlannedValue { path: ValuesPath::new(&path), change: fate, hint }
        })
        .collect()
}

fn fate(
    resolved: &ResolvedRelease<'_>,
    input: &HopInput<'_>,
    replacements: &BTreeMap<String, String>,
    (path, value): (&str, &Value),
) -> ValueChange {
    if input.moved.left_out.contains(path) {
        return ValueChange::LeftOut;
    }
    if let Some(by) = input.moved.replaced.get(path) {
        return ValueChange::Replaced(by.clone());
    }
    if let Some(obsolete) = input.moved.obsolete.get(path) {
        return ValueChange::Obsolete(obsolete.clone());
    }
    if let Some((to, new)) = input.moved.moved.get(path) {
        // What the user or a recipe gives under the new path goes before it.
        return match values::get(&input.after, to.path.as_str()) {
            Some(after) if after == new && to.path.as_str() == path && to.how.is_empty() => ValueChange::Carried,
            Some(after) if after == new => ValueChange::Moved(to.clone()),
            _ => ValueChange::Replaced(to.path.to_string()),
        };
    }
    match values::get(&input.after, path) {
        Some(after) if after == value => return ValueChange::Carried,
        // In one layout of values a path means the same before and after.
        Some(_) if input.mode == ValuesMode::ResetThenReuse => {
            return ValueChange::Replaced("the value that is given now".into());
        }
        None if !value.is_null() && values::is_null_at(&input.given, path) => return ValueChange::LeftOut,
        _ => {}
    }
    if values::stored_heading(&json!({path: value})).is_some() {
        return ValueChange::Replaced("nothing: it is the heading of helm get values, and no value".into());
    }
    let covers = |whole: &str| path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if let Some((_, by)) = replacements.iter().find(|(whole, _)| covers(whole)) {
        return ValueChange::Replaced(by.clone());
    }
    if let Some(retired) = moved_values::retired(resolved, &input.asks).find(|retired| retired.covers(path)) {
        return ValueChange::Obsolete(moved_values::obsolete(retired));
    }
    match installer(resolved.inventory, resolved.book, path, value) {
        Some(_) => ValueChange::Obsolete(ObsoleteValue {
            by: "the new chart's own: the vendor's installer wrote it for every site".into(),
            source: "installer".into(),
        }),
        None if is_default(resolved, input, (path, value)) => {
            ValueChange::Replaced("the new chart's own: it is the old chart's default, and nobody's wish".into())
        }
        None => ValueChange::Dropped,
    }
}

/// Whether a value of before is what the chart that is installed has by default.
fn is_default(resolved: &ResolvedRelease<'_>, input: &HopInput<'_>, (path, value): (&str, &Value)) -> bool {
    let release = &resolved.inventory.release;
    input.from == release.chart && values::get(&release.defaults, path) == Some(value)
}

/// The paths for which something else stands, with what it is.
fn replacements(resolved: &ResolvedRelease<'_>, input: &HopInput<'_>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (_, step) in &input.asks {
        if let StepTemplate::HelmUpgrade { set, moved, .. } = &step.ask {
            // Who gives the new place a value has decided, however unsure the recipe is that it is the place.
            let decided = moved.iter().filter(|row| {
                resolved.is_for(row.platform)
                    && values::get(&input.given, &row.to).is_some()
                    && input.moved.moved_to(&ValuesPath::new(&row.to)).is_none()
            });
            all.extend(decided.map(|row| (row.from.clone(), row.to.clone())));
            // By the recipe, or by the user in its place.
            let given = set.iter().filter(|setting| {
                resolved.is_for(setting.platform) && values::get(&input.given, &setting.path).is_some()
            });
            all.extend(
                given.flat_map(|setting| setting.replaces.iter().map(|path| (path.clone(), setting.path.clone()))),
            );
        }
    }
    for found in &resolved.databases {
        let Some(site) = &found.site_secret else { continue };
        let by = format!("{}, which stays and holds the password", site.secret);
        let paths = site.paths.iter().chain(found.recipe.password.value.values());
        all.extend(paths.map(|path| (path.clone(), by.clone())));
    }
    for found in &resolved.databases {
        let carried = input.carried.iter().filter(|carried| carried.from == found.reference.password);
        for carried in carried {
            let by = format!("{}, out of {}", carried.path, carried.from.secret);
            all.extend(found.recipe.password.value.values().map(|path| (path.clone(), by.clone())));
        }
    }
    all
}

/// The values that are lost in a hop of an upgrade to a chart: their paths.
pub(super) fn dropped(hop: &Hop, to: &ChartId) -> Option<Finding> {
    let dropped = hop.values.iter().filter(|one| one.change == ValueChange::Dropped);
    let paths: Vec<String> = dropped
        .map(|one| if one.hint.is_empty() { one.path.to_string() } else { format!("{}: {}", one.path, one.hint) })
        .collect();
    let how_many = match paths.len() {
        0 => return None,
        1 => "1 value that is set today is".into(),
        more => format!("{more} values that are set today are"),
    };
    let mut finding = Finding::blocking(Code::ValuesDropped, format!("{how_many} not taken over to {}", hop.to));
    finding.evidence = paths;
    Some(finding.next(format!(
        "see what becomes of each, and answer it: portolan values --to {}; or give them in the new layout with --set or -f; or \
         accept: --accept {} --reason TEXT",
        to.version,
        Code::ValuesDropped
    )))
}

//! Values that an earlier `--set` cut at a dot or before an index: the release has stored something else than was meant.

use std::collections::BTreeMap;

use portolan_helm_compat::values::{self, Cut};
use portolan_model::{Code, Finding, JsonPointer, Object, Ref};
use portolan_recipe::StepTemplate;
use serde_json::{Value, json};

use super::super::hop_input::HopInput;
use super::super::resolve::ResolvedRelease;
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    let (resolved, input) = (context.resolved, context.input);
    // A later hop carries the same values on.
    if input.from != resolved.inventory.release.chart {
        return;
    }
    for (path, cut) in of(resolved, input) {
        let found = format!("{path} is stored as --set cut it, and not as it was meant");
        let (what, next) = match &cut {
            Cut::Key(meant) => (
                format!("--set takes a dot for the end of a key: {meant} was meant"),
                format!("give it as {meant}, with a backslash before each dot of the key, or in a values file"),
            ),
            Cut::Nulls(at) => {
                let at: Vec<String> = at.iter().map(ToString::to_string).collect();
                (
                    format!("--set filled the list with null up to the index that was set: item {}", at.join(", ")),
                    format!("give the whole list {path} in a values file"),
                )
            }
            Cut::Items { has, of, lacks } => {
                let lacks: Vec<&str> = lacks.iter().map(String::as_str).collect();
                (
                    format!(
                        "the list took the place of the chart's: it has {has} of {of} items, and they lack {}",
                        lacks.join(", ")
                    ),
                    format!("give the whole list {path} in a values file, or leave it where that is what you want"),
                )
            }
        };
        let mut finding = Finding::warning(Code::ValuesCut, found).at(path.clone()).with(what);
        if let Some(value) = values::get(&input.before, &path) {
            let wanted = match &cut {
                // As it stands in the map that was meant to have the key.
                Cut::Key(meant) => nested(&path, meant, value),
                _ => value.clone(),
            };
            if let Some((object, pointer)) = seen(context, &wanted) {
                finding = finding.with(format!("it is so in {object} {pointer} today"));
            }
        }
        report.findings.push(finding.next(next));
    }
}

/// What is cut among the values that are stored and that go on, by its path.
pub(in super::super) fn of(resolved: &ResolvedRelease<'_>, input: &HopInput<'_>) -> BTreeMap<String, Cut> {
    let (old, none) = (&resolved.inventory.release.defaults, json!({}));
    let new = input.chart.as_ref().map_or(&none, |chart| &chart.values);
    let mut known: Vec<String> = [old, new].into_iter().flat_map(values::flatten).map(|(path, _)| path).collect();
    for (_, step) in &input.asks {
        if let StepTemplate::HelmUpgrade { set, moved, retired, .. } = &step.ask {
            known.extend(set.iter().flat_map(|setting| setting.replaces.iter().chain([&setting.path])).cloned());
            known.extend(moved.iter().flat_map(|row| [&row.from, &row.to]).cloned());
            known.extend(retired.iter().flat_map(|row| row.paths()));
        }
    }
    known.retain(|path| path.contains("\\."));
    let of = |values: &Value, defaults: &Value| values::cut(values, known.iter().map(String::as_str), defaults);
    let mut all = of(&input.after, new);
    all.extend(of(&input.before, old));
    all
}

/// The value of a key that was cut, in the maps that the cut made of the key's parts.
fn nested(path: &str, meant: &str, value: &Value) -> Value {
    let parts = |path: &str| path.replace("\\.", "\u{0}").split('.').map(str::to_owned).collect::<Vec<_>>();
    let (stored, meant) = (parts(path), parts(meant));
    let cut = &stored[(meant.len() - 1).min(stored.len())..];
    let around = |inner: Value, key: &String| Value::Object([(key.replace('\u{0}', "."), inner)].into_iter().collect());
    cut.iter().rev().fold(value.clone(), around)
}

/// The first field of the stored manifest that is a map or list like this.
fn seen(context: &HopContext<'_>, wanted: &Value) -> Option<(Ref, JsonPointer)> {
    let docs: &[Object] = &context.before.docs;
    docs.iter().find_map(|doc| Some((doc.name()?, find(&doc.0, wanted)?)))
}

/// The first map with these parts, or the first list that is this one.
fn find(value: &Value, wanted: &Value) -> Option<JsonPointer> {
    portolan_model::first_field(value, &|field, _| match (field, wanted) {
        (Value::Object(map), Value::Object(parts)) => parts.iter().all(|(key, part)| map.get(key) == Some(part)),
        (Value::Array(_), Value::Array(_)) => field == wanted,
        _ => false,
    })
}

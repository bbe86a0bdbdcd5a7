//! Values that go on and that nothing in the new chart reads.

use portolan_helm_compat::{values, values::References};
use portolan_model::{Code, Finding, JsonPointer, Object, Ref, Severity, ValueChange};
use serde_json::Value;

use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    let input = context.input;
    let Some(archive) = &input.chart else { return };
    let read = References::of(archive);
    let of_recipe = |path: &str| {
        input.settings.iter().any(|(_, setting)| setting.path == path)
            || input
                .carried
                .iter()
                .any(|carried| carried.path.as_str() == path && !input.moved.secrets.contains(carried))
    };
    for (path, value) in values::flatten(&input.after) {
        if value.is_null() || of_recipe(&path) || read.reads(&path) {
            continue;
        }
        let moved = input.moved.moved.iter().find(|(_, (to, _))| to.path.as_str() == path).map(|(from, _)| from);
        let is_old = moved.is_some() || values::get(&input.before, &path) == Some(&value);
        let shown = if is_old { effect(context, &value) } else { None };
        let found = match moved {
            Some(from) => format!("{from}, which is set today, has no effect as {path} in {}", input.pick.id),
            None if is_old => format!("{path}, which is set today, has no effect in {}", input.pick.id),
            None => format!("{path} is given and has no effect in {}", input.pick.id),
        };
        let mut finding = Finding::blocking(Code::WithoutEffect, found)
            .at(path.clone())
            .with("no template of the chart reads it, and its values.yaml does not have it");
        match shown {
            Some((object, pointer)) => {
                finding = finding.with(format!("today the same is in {object} {pointer}, and not in the new one"));
            }
            // Whether it ever had one is not known.
            None => finding.severity = Severity::Warning,
        }
        report.findings.push(finding);
        report.value_changes.insert(moved.cloned().unwrap_or(path), ValueChange::WithoutEffect);
    }
}

/// A field of the stored manifest that shows a value, and does not in the new one.
fn effect(context: &HopContext<'_>, value: &Value) -> Option<(Ref, JsonPointer)> {
    let [first, _] = context.renderings;
    context.before.docs.iter().find_map(|old| {
        let name = old.name()?;
        let new: &Object = first.object(&name)?;
        let pointer = portolan_model::first_field(&old.0, &|field, at| {
            let is_leaf = !field.is_object() && !field.is_array();
            is_leaf && shows(field, value) && new.0.pointer(at) != Some(field)
        })?;
        Some((name, pointer))
    })
}

/// Whether a field shows a value: as itself, or a text of some length in a text.
fn shows(leaf: &Value, wanted: &Value) -> bool {
    match (leaf, wanted) {
        (leaf, Value::Array(items)) => items.iter().any(|item| shows(leaf, item)),
        (leaf, Value::Object(map)) => map.values().any(|item| shows(leaf, item)),
        (Value::String(leaf), Value::String(wanted)) => {
            leaf == wanted || (wanted.len() >= 4 && leaf.contains(wanted.as_str()))
        }
        (Value::String(leaf), Value::Number(number)) => *leaf == number.to_string(),
        (leaf, wanted) => leaf == wanted,
    }
}

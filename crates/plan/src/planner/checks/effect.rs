//! Values that go on and that nothing in the new chart reads.

use portolan_helm_compat::{values, values::References};
use portolan_model::{Code, Finding, JsonPointer, Object, Ref, Severity, ValueChange};
use portolan_recipe::DataWords;
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
        let shown = if is_old { effect(context, &path, &value) } else { None };
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
fn effect(context: &HopContext<'_>, path: &str, value: &Value) -> Option<(Ref, JsonPointer)> {
    let [first, _] = context.renderings;
    context.before.docs.iter().find_map(|old| {
        let name = old.name()?;
        let new: &Object = first.object(&name)?;
        let pointer = portolan_model::first_field(&old.0, &|field, at| {
            let is_leaf = !field.is_object() && !field.is_array();
            is_leaf && new.0.pointer(at) != Some(field) && shows(&Leaf { doc: &old.0, at, field }, path, value)
        })?;
        Some((name, pointer))
    })
}

/// A field that is no map and no list.
struct Leaf<'a> {
    doc: &'a Value,
    at: &'a str,
    field: &'a Value,
}

impl Leaf<'_> {
    /// Whether the field is named after what a setting is about: `/spec/replicas` after `replicaCount`. The name of an item counts as the
    /// field's (`DEBUG` of a variable), and so does its text (`--log-level=info`).
    fn is_named_after(&self, setting: &str) -> bool {
        let Some(subject) = subject(setting) else { return false };
        let mut names = vec![self.field.as_str().unwrap_or_default().to_owned()];
        let mut place = self.doc;
        for key in self.at.split('/').skip(1) {
            // `kubernetes.io/os` has a slash of its own.
            names.push(portolan_model::pointer_key(key));
            let Some(inner) = place.pointer(&format!("/{key}")) else { break };
            place = inner;
            names.extend(place.get("name").and_then(Value::as_str).map(str::to_owned));
        }
        names.iter().any(|name| words(name).any(|word| word == subject))
    }
}

/// The last word of a setting's name that says what it is about: `log` of `logLevel`, `metrics` of `metrics.enabled`.
fn subject(setting: &str) -> Option<String> {
    const OF_ANYTHING: [&str; 13] = [
        "enabled", "enable", "disabled", "value", "count", "number", "level", "mode", "type", "policy", "name", "key",
        "default",
    ];
    words(setting).filter(|word| !OF_ANYTHING.contains(&word.as_str())).last()
}

/// The words of a name, without the `s` of several.
fn words(name: &str) -> impl Iterator<Item = String> {
    let spaced = DataWords::spaced(name);
    spaced.split('_').map(|word| word.trim_end_matches('s').to_owned()).collect::<Vec<_>>().into_iter()
}

/// Whether a field shows the value of a setting: as itself, or a text of some length in a text. What many fields have by coincidence counts
/// only in one that is named after the setting.
fn shows(leaf: &Leaf<'_>, setting: &str, wanted: &Value) -> bool {
    let is_same = match (leaf.field, wanted) {
        (_, Value::Array(items)) => return items.iter().any(|item| shows(leaf, setting, item)),
        (_, Value::Object(map)) => return map.iter().any(|(key, item)| shows(leaf, &format!("{setting}.{key}"), item)),
        (Value::String(field), Value::String(wanted)) => {
            field == wanted || (wanted.len() >= 4 && field.contains(wanted.as_str()))
        }
        (Value::String(field), Value::Number(number)) => *field == number.to_string(),
        (field, wanted) => field == wanted,
    };
    is_same && (!is_common(wanted) || leaf.is_named_after(setting))
}

/// Whether fields that have nothing to do with each other often have this value: a switch, a number of few digits, a common word.
fn is_common(value: &Value) -> bool {
    const WORDS: &str = "admin all always amd64 any arm64 auto clusterip debug default disabled enabled error false http https ifnotpresent \
                         info latest linux local main never none null off prod production root standard tcp test true user warn yes";
    match value {
        Value::String(text) => {
            let text = text.trim();
            text.len() < 2
                || text.parse().is_ok_and(is_small)
                || WORDS.split(' ').any(|word| text.eq_ignore_ascii_case(word))
        }
        Value::Number(number) => number.as_f64().is_some_and(is_small),
        _ => true,
    }
}

/// Ports, user IDs and usual amounts have up to four digits.
fn is_small(number: f64) -> bool {
    number.abs() < 10_000.0
}

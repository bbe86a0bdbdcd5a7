//! Numbers among the values that helm prints as other text than was set.

use portolan_helm_compat::{redact, values};
use portolan_inventory::credential;
use portolan_model::{Code, Finding, JsonPointer, Object, Ref, ValueChange};
use serde_json::Value;

use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    for (path, value) in values::flatten(&context.input.after) {
        for number in numbers(&value) {
            let Some(printed) = values::printed(&number).filter(|printed| *printed != number.to_string()) else {
                continue;
            };
            // It was like that before, wherever it stands.
            if context.before.docs.iter().any(|doc| find(&doc.0, &printed).is_some()) {
                continue;
            }
            let Some((object, pointer)) = place(context, &printed) else { continue };
            let mut finding = Finding::blocking(
                Code::RendersOtherwise,
                format!("{path} is printed in scientific notation in {object} of {}", context.input.pick.id),
            )
            .about(&object)
            .at(path.clone())
            .with(format!("{object} {pointer}"));
            let text = if credential::is_named(&path) { "VALUE".to_owned() } else { number.to_string() };
            if !credential::is_named(&path) {
                finding = finding.with(format!("set: {number}; in the manifest: {printed}"));
            }
            report.findings.push(finding.next(format!(
                "give it as a string: --set-string {path}={text}, or accept: --accept PL252 --reason TEXT"
            )));
            report.value_changes.insert(path.clone(), ValueChange::RendersAs(printed));
        }
    }
}

fn numbers(value: &Value) -> Vec<serde_json::Number> {
    match value {
        Value::Number(number) => vec![number.clone()],
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Object(map) => map.values().flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}

/// The first text of the rendering in which a printed number stands.
fn place(context: &HopContext<'_>, printed: &str) -> Option<(Ref, JsonPointer)> {
    let [first, _] = context.renderings;
    first.objects.iter().chain(&first.hooks).find_map(|object| {
        let name = object.name()?;
        let pointer = find(&object.0, printed).or_else(|| in_secret(object, printed))?;
        Some((name, pointer))
    })
}

fn in_secret(object: &Object, printed: &str) -> Option<JsonPointer> {
    let texts = redact::is_secret(object).then(|| redact::plaintexts(object))?;
    texts.into_iter().find(|(_, text)| has(text, printed)).map(|(key, _)| format!("/data/{key}").into())
}

/// The first text in a value that has the printed number.
fn find(value: &Value, printed: &str) -> Option<JsonPointer> {
    portolan_model::first_field(value, &|field, _| field.as_str().is_some_and(|text| has(text, printed)))
}

/// Whether a text has the number as a whole.
fn has(text: &str, printed: &str) -> bool {
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.';
    text.match_indices(printed).any(|(at, _)| {
        !text[..at].ends_with(is_of_number) && !text[at + printed.len()..].starts_with(|c: char| c.is_ascii_digit())
    })
}

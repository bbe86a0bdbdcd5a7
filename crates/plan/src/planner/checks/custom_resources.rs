//! Custom resources of the release that leave, or whose policy of deletion changes: what their operators then delete is in no manifest.

use std::collections::BTreeSet;

use portolan_helm_compat::merge;
use portolan_model::{Code, Finding, Object, Ref, pointer_part};
use portolan_recipe::{CustomResources, is_off};
use serde_json::Value;

use super::super::{manual_commands, reach};
use super::told::Told;
use super::{HopContext, Report, settings};

pub(super) fn check(context: &HopContext<'_>, report: &mut Report) {
    for (name, old) in context.before.docs.iter().filter_map(|doc| Some((doc.name()?, doc))) {
        let is_typed = merge::is_typed(name.group());
        if is_typed || CustomResources::builtin().is_without_data(name.group(), name.kind()) {
            continue;
        }
        report.findings.extend(match reach::planned(context, &name) {
            None => context.deleted().contains(&name).then(|| leaves(context, &name)),
            Some(new) => changes(context, &name, [old, new]),
        });
    }
}

fn leaves(context: &HopContext<'_>, name: &Ref) -> Finding {
    let found = format!("{} has no {name}, and helm deletes it", context.input.pick.id);
    Finding::blocking(Code::OperatorDeletes, found).about(name).next(format!(
        "if data lies behind it, give the chart the values with which it still has it, or let helm leave it: \
         kubectl annotate {} helm.sh/resource-policy=keep, then plan again; else accept: --accept {} --reason TEXT",
        manual_commands::words(name),
        Code::OperatorDeletes
    ))
}

fn changes(context: &HopContext<'_>, name: &Ref, [old, new]: [&Object; 2]) -> Option<Finding> {
    let chart = &context.input.pick.id;
    let policy = changed(&content(old), &content(new), "", false);
    if let Some(field) = policy.or_else(|| finalizer(old, new)) {
        let found = format!("{chart} changes what is deleted with {name}, or where its data lies");
        return Some(Finding::blocking(Code::OperatorDeletes, found).about(name).at(field));
    }
    // What an operator is told of the data decides as what a program is told.
    let told = |object: &Object| Told::to_operator(name, object.at("/spec").unwrap_or(&Value::Null));
    let reason = settings::of_operator([told(old), told(new)].each_ref())?;
    let found = format!("{chart} tells the operator of {name} otherwise: {reason}");
    Some(Finding::blocking(Code::OperatorDeletes, found).about(name).at("/spec"))
}

/// What an object says: some kinds have no `spec`.
fn content(object: &Object) -> Value {
    let fields = object.0.as_object().into_iter().flatten();
    let own = fields.filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
    own.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A finalizer that comes, and with which more is deleted when the custom resource goes.
fn finalizer(old: &Object, new: &Object) -> Option<String> {
    const FIELD: &str = "/metadata/finalizers";
    let mut all = new.list(FIELD).iter().enumerate();
    let is_one = |name: &Value| {
        !old.list(FIELD).contains(name)
            && name.as_str().is_some_and(|name| CustomResources::builtin().deletes_more(name))
    };
    all.find(|(_, name)| is_one(name)).map(|(at, _)| format!("{FIELD}/{at}"))
}

/// The first field that says what is deleted, changes, and says afterwards something else than that nothing is.
fn changed(old: &Value, new: &Value, pointer: &str, is_policy: bool) -> Option<String> {
    match (old, new) {
        _ if old == new => None,
        (Value::Object(_), _) | (_, Value::Object(_)) => {
            let maps = [old, new].map(Value::as_object);
            let keys: BTreeSet<&String> = maps.iter().flatten().flat_map(|map| map.keys()).collect();
            let at = |map: Option<&serde_json::Map<String, Value>>, key: &str| {
                map.and_then(|map| map.get(key)).cloned().unwrap_or_default()
            };
            keys.into_iter().find_map(|key| {
                let (was, will) = (at(maps[0], key), at(maps[1], key));
                let known = CustomResources::builtin();
                let is_policy = is_policy || known.is_policy(key) || (known.is_switch(key) && will.is_boolean());
                changed(&was, &will, &format!("{pointer}/{}", pointer_part(key)), is_policy)
            })
        }
        (Value::Array(was), Value::Array(will)) => will.iter().enumerate().find_map(|(at, item)| {
            changed(was.get(at).unwrap_or(&Value::Null), item, &format!("{pointer}/{at}"), is_policy)
        }),
        _ => {
            let keeps = match new {
                Value::String(text) => CustomResources::builtin().keeps(text) || is_off(text),
                Value::Bool(is_on) => !is_on,
                _ => false,
            };
            (is_policy && !keeps).then(|| pointer.to_owned())
        }
    }
}

//! How pods with data end: whether a program has the time to write what it has in memory, and what is done before it ends.
//!
//! A container gets its stop signal whether it has a `preStop` hook or not, and a store that writes ahead opens its data after a kill. So
//! a shorter time is harmless but for two: none at all, at which a second pod may write to the data beside the first ("unsafe and strongly
//! discouraged", <https://kubernetes.io/docs/tasks/run-application/force-delete-stateful-set-pod/>), and for servers that write their data
//! when they end (`writes-at-end` in `recipes/servers.yaml`).

use portolan_kube_facts::grace_period;
use portolan_recipe::DataServers;
use serde_json::Value;

use super::Report;
use super::script_steps::leaves_nothing;
use super::servers::reference;
use super::shell::words;
use super::uses::{Pair, Workloads};

pub(super) fn check(workloads: &Workloads, report: &mut Report) {
    for volume in workloads.volumes() {
        for pair in &workloads.pairs(volume).0 {
            let found = time(workloads, pair).into_iter().chain(hook_gone(pair));
            for (field, reason) in found {
                if !report.is_unknown_at(volume, pair.after.name, &field) {
                    report.unknown(volume, pair.after.name, &field, (reason, "give the chart the field of today"));
                }
            }
        }
    }
}

/// Less time to end than today, where that matters.
fn time(workloads: &Workloads, pair: &Pair<'_>) -> Option<(String, String)> {
    let was = grace_period(workloads.before(pair.before.name)?).seconds;
    let after = grace_period(workloads.after(pair.after.name)?);
    let will = after.seconds;
    let server = DataServers::builtin().of_image(reference(pair.after.container)).filter(|server| server.writes_at_end);
    let reason = match server {
        _ if will == 0 && was > 0 => {
            "its pods are killed at once: a new one may write to the data while the old one still does".to_owned()
        }
        Some(server) if will < was => {
            format!("{} writes its data when it ends, and gets {will} s for it in place of {was} s", server.name)
        }
        _ => return None,
    };
    Some((after.field, reason))
}

/// A hook that did something to the data, or for it, and is there no more.
fn hook_gone(pair: &Pair<'_>) -> Option<(String, String)> {
    let did = |hook: &&&str| {
        let script =
            pair.before.container.json.pointer(&format!("/lifecycle/{hook}/exec")).map(words).unwrap_or_default();
        let is_there =
            pair.after.container.json.pointer(&format!("/lifecycle/{hook}")).is_some_and(|hook| hook != &Value::Null);
        !is_there && !leaves_nothing(&script)
    };
    let hook = ["postStart", "preStop"].iter().find(did)?;
    let when = if *hook == "preStop" { "before its container ends" } else { "when its container starts" };
    let reason = format!("what it runs {when} today goes, and what that did for the data is not known");
    let field = if pair.after.container.json.get("lifecycle").is_some() { "/lifecycle" } else { "" };
    Some((pair.after.field(field), reason))
}

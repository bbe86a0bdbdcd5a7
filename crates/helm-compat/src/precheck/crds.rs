//! Custom resources whose CRD is another one by the time helm writes them: the same chart changes it, a hook of it does, or a hop
//! before. Helm writes CRDs of `templates/` before anything that needs them, and never upgrades those of `crds/` (`InstallOrder` in
//! `pkg/releaseutil/kind_sorter.go` and `installCRDs` in `pkg/action/install.go`, helm 3.14.4 to 4.3.1).

use portolan_model::{ApplyMethod, CheckAnswer, Code, Finding, Object, Ref};
use serde_json::Value;

use super::refusal::Meaning;
use super::{Precheck, Purpose, schema};
use crate::{merge, upgrade};

pub(super) const KIND: &str = "CustomResourceDefinition";

/// What an answer about a custom resource means where its CRD changes; `None` where it does not, and the answer stands.
pub(super) fn meaning(check: &Precheck, purpose: Purpose, target: &Ref, answer: &CheckAnswer) -> Option<Meaning> {
    let doc = match purpose {
        Purpose::Document(index) => &check.writes.planned[index],
        Purpose::Hook(index) => &check.hooks[index].object,
        Purpose::DocumentPod(_) | Purpose::HookPod(_) | Purpose::Read => return None,
    };
    if merge::is_typed(target.group()) {
        return None;
    }
    let crd = coming(check, purpose, target)?;
    let is_refused = match answer {
        CheckAnswer::Accepted | CheckAnswer::Found(_) => false,
        // What the schema of today refuses, or in a version that is not there today.
        CheckAnswer::Refused(refused) if matches!(refused.code, 400 | 404 | 422) => true,
        CheckAnswer::Refused(_) | CheckAnswer::NotServed | CheckAnswer::NoAnswer(_) => return None,
    };
    let name = crd.name()?;
    let (group, version) = doc.text("/apiVersion").split_once('/')?;
    let of = |crd: &Object| crd.list("/spec/versions").iter().find(|its| its["name"] == version).cloned();
    let after = of(&crd).filter(|after| after["served"] == true);
    let today = check.known.get(&name).or_else(|| check.stored(&name)).and_then(of);
    let Some(after) = after else {
        let found = format!(
            "{name} of the new chart does not serve version {version} of {group}, in which {target} is written"
        );
        let finding = Finding::blocking(Code::ServerRefuses, found).about(target).at("/apiVersion");
        return Some(Meaning::Found(vec![
            finding.next("write the object in a version that the new CRD serves, or keep the version in the CRD"),
        ]));
    };
    if today.is_some_and(|today| schema::is_same(&today, &after)) {
        return None;
    }
    let (errors, is_open) = errors(check, target, doc, &after["schema"]["openAPIV3Schema"]);
    if !errors.is_empty() {
        return Some(Meaning::Found(errors.into_iter().map(|error| refused(&name, target, error)).collect()));
    }
    Some(if is_open || is_refused { Meaning::NotChecked(format!("the upgrade changes {name}")) } else { Meaning::Pass })
}

fn refused(crd: &Ref, target: &Ref, (field, what): (String, String)) -> Finding {
    Finding::blocking(Code::ServerRefuses, format!("{crd} as this upgrade changes it does not allow {target}"))
        .about(target)
        .at(field)
        .with(what)
        .why("the API server accepts it by the schema of today, and helm writes the CRD first: the upgrade would stop half-way")
}

/// Objects of a later hop that exist by then: no patch of theirs can be asked about, but what the chart itself changes in them can be
/// compared with the schema of its own CRD.
pub(super) fn of_later_hops(check: &Precheck) -> Vec<Finding> {
    if check.writes.is_next {
        return Vec::new();
    }
    let mut all = Vec::new();
    for (index, doc) in check.writes.planned.iter().enumerate() {
        let Some(target) = doc.name().filter(|name| check.is_stored(name) && !merge::is_typed(name.group())) else {
            continue;
        };
        if let Some(Meaning::Found(found)) = meaning(check, Purpose::Document(index), &target, &CheckAnswer::Accepted) {
            all.extend(found);
        }
    }
    all
}

/// How an object as helm leaves it breaks a schema, and whether something is not decided. What breaks it today already and stays as it
/// is the server may let pass (`CRDValidationRatcheting`, Kubernetes 1.33).
fn errors(check: &Precheck, target: &Ref, doc: &Object, schema: &Value) -> (Vec<(String, String)>, bool) {
    let (live, stored) = (check.known.get(target), check.stored(target));
    let before = if check.writes.is_next { live } else { stored };
    let before = before.filter(|_| !check.writes.deletes.contains(target));
    let after = before.map_or_else(|| doc.clone(), |before| upgrade::patched(stored, doc, before));
    let is_strict = check.writes.apply == ApplyMethod::Server;
    let verdict = schema::validate(schema, &after.0, is_strict);
    let is_kept = |(field, _): &(String, String)| {
        before.is_some_and(|before| before.at(field).is_some() && before.at(field) == after.at(field))
    };
    let (kept, errors): (Vec<_>, Vec<_>) = verdict.errors.into_iter().partition(is_kept);
    (errors, verdict.is_open || !kept.is_empty())
}

/// The CRD of a kind as it is when helm writes an object, where something of this upgrade writes it before.
fn coming(check: &Precheck, purpose: Purpose, target: &Ref) -> Option<Object> {
    let is_its = |doc: &&Object| {
        let is_crd = doc.text("/kind") == KIND && doc.text("/spec/group") == target.group();
        is_crd && doc.text("/spec/names/kind") == target.kind()
    };
    let is_before = matches!(purpose, Purpose::Hook(index) if check.hooks[index].is_before);
    let of_chart = check.writes.planned.iter().filter(|_| !is_before).find(is_its);
    if let Some(planned) = of_chart {
        let live = planned.name().and_then(|name| check.known.get(&name)).filter(|_| check.writes.is_next);
        let stored = planned.name().and_then(|name| check.stored(&name).cloned());
        return Some(live.map_or_else(|| planned.clone(), |live| upgrade::patched(stored.as_ref(), planned, live)));
    }
    let of_hooks = check.hooks.iter().filter(|hook| hook.is_before).map(|hook| &hook.object).find(is_its);
    of_hooks.or_else(|| check.known.brought.iter().rev().find(is_its)).cloned()
}

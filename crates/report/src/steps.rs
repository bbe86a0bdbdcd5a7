//! The steps of a plan in words.

use portolan_model::{Change, HelmOperation, Hop, ObjectChange, Plan, Provenance, Ref, Step, StepKind};

use crate::page::{Detail, StepItem};
use crate::text::{Line, Tone};
use crate::words::{count, kinds};

/// What a step does, in a word.
pub(crate) fn word(kind: &StepKind) -> &'static str {
    match kind {
        StepKind::CheckObjects { .. } => "check",
        StepKind::RetainVolume { .. } => "retain",
        StepKind::KeepClaim { .. } => "keep",
        StepKind::RecordDatabase { .. } => "record",
        StepKind::ArchiveObject { .. } => "archive",
        StepKind::CarryCredentials { .. } => "carry",
        StepKind::DeleteObject { .. } => "delete",
        StepKind::RestoreObject { .. } => "restore",
        StepKind::Helm { .. } => "helm",
        StepKind::WaitGone { .. } | StepKind::WaitReady { .. } => "wait",
        StepKind::VerifyVolume { .. } | StepKind::VerifyDatabase { .. } => "verify",
    }
}

/// To what.
pub(crate) fn thing(kind: &StepKind) -> String {
    match kind {
        StepKind::CheckObjects { .. } => "the objects of the upgrade".into(),
        StepKind::RetainVolume { volume, .. } => volume.to_string(),
        StepKind::KeepClaim { claim, .. } | StepKind::VerifyVolume { claim, .. } => claim.to_string(),
        StepKind::RecordDatabase { database } | StepKind::VerifyDatabase { database, .. } => {
            format!("database {} on {}", database.database, database.pod.name())
        }
        StepKind::ArchiveObject { objects } => names(objects),
        StepKind::CarryCredentials { carried, .. } => {
            let mut secrets: Vec<&Ref> = carried.iter().map(|carried| &carried.from.secret).collect();
            secrets.sort();
            secrets.dedup();
            names(secrets)
        }
        StepKind::DeleteObject { target, .. } | StepKind::RestoreObject { target, .. } => target.to_string(),
        StepKind::Helm { op: HelmOperation::Uninstall { .. }, run } => format!("uninstall {}", run.release.name),
        StepKind::Helm { op, run } => format!("{op} {} {}", run.release.name, run.chart),
        StepKind::WaitGone { pods } => names(pods.iter().map(|orphan| &orphan.pod)),
        StepKind::WaitReady { workloads } => kinds(workloads),
    }
}

/// `[5/9] delete StatefulSet/keycloak`, without the place.
pub(crate) fn title(step: &Step) -> String {
    format!("{} {}", word(&step.kind), thing(&step.kind))
}

pub(crate) fn symbol(kind: &StepKind) -> char {
    match kind {
        StepKind::RetainVolume { before, .. } if before == "Retain" => '=',
        StepKind::KeepClaim { is_kept: true, .. } => '=',
        StepKind::RetainVolume { .. } | StepKind::KeepClaim { .. } => '~',
        StepKind::DeleteObject { .. } => '-',
        StepKind::RestoreObject { .. } => '+',
        StepKind::Helm { .. } => '!',
        _ => '=',
    }
}

/// All steps of one hop; `before` steps came before it.
pub(crate) fn items(plan: &Plan, hop: &Hop, before: usize) -> Vec<StepItem> {
    hop.steps
        .iter()
        .enumerate()
        .map(|(at, step)| StepItem {
            number: before + at + 1,
            symbol: symbol(&step.kind),
            tone: if matches!(step.kind, StepKind::Helm { .. }) { Tone::Warn } else { Tone::Plain },
            word: word(&step.kind),
            thing: match &step.kind {
                StepKind::Helm { run, .. } => {
                    let archive = run.archive.as_ref().map(|archive| format!(" (sha256:{})", archive.short()));
                    Line::from(thing(&step.kind)).and(archive.unwrap_or_default())
                }
                kind => thing(kind).into(),
            },
            note: note(plan, hop, step, before + at).into(),
            source: source(&step.sources),
            why: step.why.clone(),
            commands: step.command.clone(),
            details: match step.kind {
                StepKind::Helm { .. } => details(plan, hop),
                _ => Vec::new(),
            },
        })
        .collect()
}

fn note(plan: &Plan, hop: &Hop, step: &Step, index: usize) -> String {
    match &step.kind {
        StepKind::CheckObjects { .. } => "owners, references, and the API server's dry run".into(),
        StepKind::RetainVolume { before, .. } if before == "Retain" => "reclaim policy is Retain already".into(),
        StepKind::RetainVolume { before, .. } => format!("reclaim policy {before} -> Retain"),
        StepKind::KeepClaim { is_kept: true, .. } => "helm.sh/resource-policy is keep already".into(),
        StepKind::KeepClaim { .. } => "helm.sh/resource-policy: keep".into(),
        StepKind::RecordDatabase { .. } => "identity, and how many rows each table has; no backup".into(),
        StepKind::ArchiveObject { .. } => String::new(),
        StepKind::CarryCredentials { carried, database } => {
            format!("opens {}; {} for helm", database.database, count(carried.len(), "value"))
        }
        StepKind::DeleteObject { target, .. } => {
            let archived = plan
                .steps()
                .take(index)
                .position(|step| matches!(&step.kind, StepKind::ArchiveObject { objects } if objects.contains(target)));
            archived.map_or_else(String::new, |at| format!("archived in step {}", at + 1))
        }
        StepKind::RestoreObject { .. } => "as it was archived".into(),
        StepKind::WaitGone { .. } => format!("ended, in at most {}", crate::words::span(step.limit.as_secs())),
        StepKind::Helm { .. } => {
            let parts = [
                (tally(hop, Change::Create), "add"),
                (tally(hop, Change::Change), "change"),
                (tally(hop, Change::Delete), "delete"),
            ];
            parts.map(|(number, word)| format!("{number} {word}")).join(", ")
        }
        StepKind::WaitReady { .. } => format!("ready, in at most {}", crate::words::span(step.limit.as_secs())),
        StepKind::VerifyVolume { volume, mounted_by, .. } => {
            let pods: Vec<&str> = mounted_by.iter().map(Ref::name).collect();
            let by = if pods.is_empty() { String::new() } else { format!(", mounted by {}", pods.join(", ")) };
            format!("still on {}{by}", volume.name())
        }
        StepKind::VerifyDatabase { .. } => "the same database, nothing gone".into(),
    }
}

pub(crate) fn tally(hop: &Hop, wanted: Change) -> usize {
    hop.changes.iter().filter(|one| one.change == wanted).count()
}

/// What helm deletes, holds back and adopts, and the PVCs that will be new; the rest is in the counts.
fn details(plan: &Plan, hop: &Hop) -> Vec<Detail> {
    let named = hop.changes.iter().filter_map(|ObjectChange { change, object: name, why }| {
        let (symbol, default) = match change {
            Change::Delete => ('-', "the new chart does not have it"),
            Change::Keep => ('=', "held back by keep"),
            Change::Adopt => ('@', "is there and becomes the release's"),
            Change::Create | Change::Change | Change::Same => return None,
        };
        let kept =
            plan.steps().position(|step| matches!(&step.kind, StepKind::KeepClaim { claim, .. } if claim == name));
        let mut note = if why.is_empty() { default.to_owned() } else { why.clone() };
        if let Some(at) = kept.filter(|_| *change == Change::Keep) {
            note.push_str(&format!(" (step {})", at + 1));
        }
        // A PVC or volume that helm deletes is what all this is about.
        let tone = if *change == Change::Delete && name.is_storage() { Tone::Bad } else { Tone::Plain };
        Some(Detail { symbol, tone, thing: name.to_string(), note })
    });
    let new = hop.new_claims.iter().map(|new| Detail {
        symbol: '+',
        tone: Tone::Plain,
        thing: new.claim.to_string(),
        note: format!(
            "new and empty, {}, {}",
            new.size,
            match &new.class {
                Some(class) => format!("class {class}"),
                None => "the default class".into(),
            }
        ),
    });
    named.chain(new).collect()
}

fn names<'a>(names: impl IntoIterator<Item = &'a Ref>) -> String {
    let names: Vec<String> = names.into_iter().map(Ref::to_string).collect();
    names.join(", ")
}

/// As recipes name the source of steps that no page asks for.
const OURS: &str = "portolan";

/// `page line 36`, `page lines 36, 67`, or `portolan` for a protection of ours, which no page has a line for.
fn source(sources: &[Provenance]) -> String {
    let mut lines: Vec<u32> = sources.iter().filter_map(|source| source.line).collect();
    lines.sort_unstable();
    lines.dedup();
    let text: Vec<String> = lines.iter().map(u32::to_string).collect();
    match text.as_slice() {
        [] if sources.is_empty() => String::new(),
        [] if sources.iter().any(|source| source.page != OURS) => "the page".into(),
        [] => OURS.into(),
        [line] => format!("page line {line}"),
        // The column stands at the right of every step: it stays narrow.
        lines => format!("page lines {}", crate::words::some(lines, 2)),
    }
}

#[cfg(test)]
mod tests {
    use portolan_model::Uid;

    use super::*;

    #[test]
    fn what_is_so_already_is_no_change() {
        let (claim, volume) = (Ref::claim("n", "c"), Ref::volume("v"));
        let keep = |is_kept| StepKind::KeepClaim { claim: claim.clone(), uid: Uid::new("c"), is_kept };
        let retain =
            |before: &str| StepKind::RetainVolume { volume: volume.clone(), uid: Uid::new("v"), before: before.into() };
        assert_eq!([keep(false), retain("Delete")].map(|kind| symbol(&kind)), ['~'; 2]);
        assert_eq!([keep(true), retain("Retain")].map(|kind| symbol(&kind)), ['='; 2]);
    }
}

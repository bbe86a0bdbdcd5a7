//! A run while it goes: one line for what is worth one.

use portolan_model::{
    Cond, Effect, Elapsed, Event, Gone, JournalRecord, Observation, Orphan, Plan, Progress, Ref, Refusal, StepKind,
    StepRef,
};

use crate::steps;
use crate::text::{Tone, clean, glyphs};
use crate::words::{count, some};
use crate::wrap::width;

/// One line of progress in plain ASCII; `None` for what is not worth a line. Where there is little room, names are shortened
/// first; what does not fit then goes on in further lines.
#[must_use]
pub fn event(event: &Event, plan: &Plan, room: Option<usize>) -> Option<String> {
    let (step, text) = match event {
        Event::Recorded(record) => told(record, plan)?,
        Event::Waiting { step, progress, elapsed, limit } => {
            let so_far = match elapsed {
                Elapsed::Seconds(seconds) => format!("{seconds} s of at most {} s", limit.as_secs()),
                Elapsed::Events(events) => count(usize::try_from(*events).unwrap_or(usize::MAX), "simulated event"),
            };
            let text = format!("waits for {} ({so_far})", waiting_for(progress));
            (Some(*step), text)
        }
        Event::HelmHolds { progress, .. } => {
            let waits =
                if progress.is_empty() { String::new() } else { format!(" Waits for {}.", waiting_for(progress)) };
            let text = format!(
                "A stop was asked for, but helm is running and is not interrupted; the run stops when it has ended.{waits} \
                 A second signal leaves helm running and ends with 11; portolan apply {} waits for it again",
                plan.digest().short()
            );
            (None, text)
        }
        Event::Reading { pod } => (None, reading(pod)),
    };
    let text = glyphs(Tone::Plain, &clean(&text), true);
    let Some(leads) = step.and_then(|index| leads(plan, index)) else { return Some(broken(&text, room)) };
    // What happens counts more than the whole name of the thing, which the plan has.
    let lines = leads.map(|lead| if text.is_empty() { lead } else { format!("{lead}   {text}") });
    let fits = lines.iter().find(|line| room.is_none_or(|room| width(line) <= room));
    Some(fits.cloned().unwrap_or_else(|| broken(&lines[0], room)))
}

/// What is said while a database is looked into. A cluster's audit log has the port-forward, so it is announced.
#[must_use]
pub fn reading(pod: &Ref) -> String {
    format!("reading {}/{} through a port-forward", pod.namespace(), pod.name())
}

/// The step that a record is about, and what there is to say.
fn told(record: &JournalRecord, plan: &Plan) -> Option<(Option<u32>, String)> {
    let at = |step: &StepRef, text: String| Some((Some(step.index), text));
    let alone = |text: String| Some((None, text));
    match record {
        JournalRecord::Started { plan: digest, host } => alone(format!("Plan {} begins on {host}", digest.short())),
        JournalRecord::Resumed { host } => alone(format!("Resumed on {host}")),
        JournalRecord::Bound => alone(format!(
            "The installation is as the plan has it ({})",
            count(plan.preconditions.len() + plan.lookups.len(), "object")
        )),
        JournalRecord::Intent { step, .. } if step.attempt > 0 => at(step, format!("attempt {}", step.attempt + 1)),
        JournalRecord::Intent { step, .. } => at(step, String::new()),
        JournalRecord::Effect { step, effect } => match effect {
            Effect::Done | Effect::Settled => None,
            Effect::Refused(refusal) => at(step, format!("not written: {}; looks again", refused(refusal))),
            Effect::Unknown(text) => at(step, format!("{text}; looks again")),
            Effect::Void => at(step, "had not gone out; looks again".into()),
        },
        JournalRecord::Observed { step, observation } => at(step, seen(observation)),
        JournalRecord::StopAsked { .. } => alone("A stop was asked for: the run stops at the next safe point".into()),
        // What comes last is told by the report, in full.
        JournalRecord::Ended { .. } => None,
    }
}

/// `[5/9] delete StatefulSet/keycloak`, the same without the kind, and the place alone.
fn leads(plan: &Plan, index: u32) -> Option<[String; 3]> {
    let step = plan.step(index)?;
    let place = format!("[{}/{}] {}", index + 1, plan.steps().count(), steps::word(&step.kind));
    // A list of many objects leaves no room for what is happening.
    let thing = match &step.kind {
        StepKind::ArchiveObject { objects } if objects.len() > 1 => count(objects.len(), "object"),
        StepKind::WaitGone { pods } if pods.len() > 1 => count(pods.len(), "pod"),
        kind => steps::thing(kind),
    };
    let name = thing.split_once('/').map_or(thing.as_str(), |(_, name)| name);
    Some([format!("{place} {thing}"), format!("{place} {name}"), place])
}

fn refused(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::Conflict => "the object has changed since it was read",
        Refusal::NotFound => "the object is not there",
        Refusal::Forbidden(text) | Refusal::Invalid(text) | Refusal::NotSent(text) => text,
    }
}

fn seen(observation: &Observation) -> String {
    match observation {
        Observation::WasDone { note } | Observation::Done { note } | Observation::Database { note, .. } => note.clone(),
        Observation::Archived { objects } => format!("{} in the archive", count(objects.len(), "object")),
    }
}

fn waiting_for(progress: &[Progress]) -> String {
    let small = |name: &Ref| match name.kind() {
        "Pod" => format!("pod {}", name.name()),
        _ => name.to_string(),
    };
    let parts: Vec<String> = progress
        .iter()
        .map(|item| {
            let what = match &item.cond {
                Cond::HelmEnded(_) => "helm to end".into(),
                Cond::Ready(name) => format!("{} to be ready", small(name)),
                Cond::Gone(Gone { target, .. }) | Cond::Ended(Orphan { pod: target, .. }) => {
                    format!("{} to end", small(target))
                }
            };
            if item.seen.is_empty() { what } else { format!("{what}: {}", item.seen) }
        })
        .collect();
    match parts.len() {
        0 => "nothing more".into(),
        1..=2 => parts.join(", "),
        _ => some(&parts, 1),
    }
}

/// Breaks a line between words; what follows is indented.
fn broken(text: &str, room: Option<usize>) -> String {
    let Some(room) = room.filter(|room| width(text) > *room) else { return text.to_owned() };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let at = lines.len() - 1;
        if !lines[at].trim().is_empty() && width(&lines[at]) + 1 + width(word) > room {
            lines.push(format!("    {word}"));
        } else if at == 0 && lines[0].is_empty() {
            lines[0].push_str(word);
        } else {
            lines[at].push(' ');
            lines[at].push_str(word);
        }
    }
    lines.join("\n")
}

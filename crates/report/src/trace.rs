//! The shortest way to a bad end, and what prevents it.

use std::collections::BTreeSet;

use portolan_model::{End, Plan, StepKind, Verdict};
use portolan_rehearse::{ClaimDeletion, HELM_RULES, RULES, Trace, TraceLine, TracePlace, VolumeForecast};

use crate::page::{Block, Document, Happening};
use crate::text::{Line, Tone};
use crate::words::all;

/// A line of a trace, as it is printed.
pub(crate) fn happening(line: &TraceLine) -> Happening {
    Happening {
        when: line.at.map_or_else(String::new, |at| at.to_string()),
        what: line.what.clone(),
        rule: line.rule.map_or_else(String::new, |rule| format!("rule {rule}")),
    }
}

/// The page's line at which it turned: the last command up to what decided, or where nothing did up to the last rule.
pub(crate) fn line_of(trace: &Trace) -> Option<TracePlace> {
    let fired = || trace.lines.iter().rposition(|line| line.rule.is_some()).unwrap_or(trace.lines.len());
    let end = trace.cause.map_or_else(fired, |cause| cause.line + 1);
    let places = trace.lines[..end].iter().rev().filter_map(|line| line.at);
    places.into_iter().find(|at| matches!(at, TracePlace::Line(_)))
}

/// The shortest of the traces that lead to the headline.
fn shortest(item: &VolumeForecast) -> Option<&Trace> {
    let bad = item.ends.iter().filter(|(end, _)| match item.headline {
        Verdict::Safe => !item.finishes && end.seen.end != End::Finished,
        headline => end.counts_as == headline,
    });
    bad.map(|(_, trace)| trace).min_by_key(|trace| trace.lines.len())
}

/// How it comes to the headline, which rule decides, and what would prevent it.
pub(crate) fn tell(page: &mut Document, item: &VolumeForecast, plan: Option<&Plan>) {
    for unknown in &item.unknown {
        page.say(Line::new(Tone::Warn, "Unknown").and(": ").and(unknown.line()).and("."));
    }
    let Some(trace) = shortest(item) else {
        return;
    };
    page.say("The shortest way there:");
    page.push(Block::Trace(trace.lines.iter().map(happening).collect()));
    paragraph(page, rules(trace, is_bad(item)).into_iter().map(Line::from).collect());
    if let Some(plan) = plan {
        protections(page, item, plan, trace);
    }
}

/// Whether a volume is known not to be Safe.
fn is_bad(item: &VolumeForecast) -> bool {
    item.headline > Verdict::Unknown
}

/// What decided a trace that ends badly, then the other rules of it, the last one first.
fn rules(trace: &Trace, is_bad: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let cause = trace.cause.filter(|_| is_bad);
    lines.extend(cause.map(|cause| match cause.rule.and_then(rule) {
        Some((code, text, source)) => format!("Decided by rule {code}: {text} ({source})."),
        None => format!("Decided by: {}.", trace.lines[cause.line].what),
    }));
    let mut seen: BTreeSet<&str> = cause.and_then(|cause| cause.rule).into_iter().collect();
    let codes = trace.lines.iter().rev().filter_map(|line| line.rule);
    let others = codes.filter(|code| seen.insert(*code)).filter_map(rule);
    lines.extend(others.map(|(code, text, _)| format!("{code}: {text}.")));
    lines
}

/// A rule by its number: what it says, and where it was read.
fn rule(code: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let ours = RULES.iter().map(|(_, code, text, source)| (*code, *text, *source));
    ours.chain(HELM_RULES.iter().copied()).find(|rule| rule.0 == code)
}

/// The protections of a volume: which are missing, and which the plan has.
fn protections(page: &mut Document, item: &VolumeForecast, plan: &Plan, trace: &Trace) {
    let at = |wanted: &dyn Fn(&StepKind) -> bool| plan.steps().position(|step| wanted(&step.kind)).map(|at| at + 1);
    let keep = at(&|kind| matches!(kind, StepKind::KeepClaim { claim, .. } if *claim == item.protected.claim));
    let retain = at(&|kind| matches!(kind, StepKind::RetainVolume { volume, .. } if *volume == item.protected.volume));
    let prevented = prevented(item, trace, keep.is_some(), retain.is_some());
    let left_out = match plan.without.as_slice() {
        [] => (!prevented.is_empty()).then(|| Line::from("This plan does not have it.")),
        without => Some(Line::from("Left out of this plan: ").with(Tone::Bad, without.join(", ")).and(" (--without).")),
    };
    let there = is_bad(item).then(|| there(item, trace, keep, retain)).into_iter().flatten();
    let lines = prevented.into_iter().map(Line::from).chain(left_out).chain(there.map(Line::from));
    paragraph(page, lines.collect());
}

fn paragraph(page: &mut Document, lines: Vec<Line>) {
    if !lines.is_empty() {
        page.push(Block::Text(lines));
    }
}

/// Which missing protection prevents a trace, and what it makes of the volume.
fn prevented(item: &VolumeForecast, trace: &Trace, has_keep: bool, has_retain: bool) -> Vec<String> {
    const KEEP: &str = "helm.sh/resource-policy: keep on the PVC";
    if !is_bad(item) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let retain_helps = item.headline > Verdict::Detached && !has_retain;
    let keep_helps = trace.deletion == Some(ClaimDeletion::HelmUpgrade) && !has_keep;
    if keep_helps {
        let then = if keep_is_enough(item) { "then Safe" } else { "this way; not every way is then Safe" };
        let retain = if retain_helps { " Retain on the PV alone leaves it Detached." } else { "" };
        lines.push(format!("Prevented by: {KEEP} ({then}).{retain}"));
    } else if retain_helps {
        lines.push(format!("Prevented by: Retain on the PV (then Detached, not {}).", item.headline));
    }
    let why_not = match trace.deletion {
        Some(ClaimDeletion::Collected) => "the garbage collector, which deletes the PVC here, does not read it",
        Some(ClaimDeletion::HelmUninstall) => "helm uninstall reads it in the stored manifest, not on the PVC",
        Some(ClaimDeletion::Another) => "only helm reads it, and it is not helm that deletes the PVC here",
        Some(ClaimDeletion::HelmUpgrade) | None => return lines,
    };
    if !has_keep {
        lines.push(format!("{KEEP} does not prevent it: {why_not}."));
    }
    lines
}

/// Whether `keep` alone makes a volume Safe: a plan can finish well, and where it does not end well an upgrade by helm deleted the PVC.
/// (The rehearsal has the ways on which helm does not delete it too: the server may refuse that.)
fn keep_is_enough(item: &VolumeForecast) -> bool {
    let finishes_well = item.ends.keys().any(|end| end.seen.end == End::Finished && !end.is_bad());
    let mut bad = item.ends.iter().filter(|(end, _)| end.is_bad());
    let by_helm = bad.all(|(_, trace)| trace.deletion == Some(ClaimDeletion::HelmUpgrade));
    item.unknown.is_empty() && finishes_well && by_helm
}

/// What the protections that a plan has, by their steps, do on a trace that ends badly.
fn there(item: &VolumeForecast, trace: &Trace, keep: Option<usize>, retain: Option<usize>) -> Option<String> {
    let steps = |keep: Option<usize>, retain: Option<usize>| {
        let keep = keep.map(|at| format!("step {at} (keep)"));
        let steps: Vec<String> = keep.into_iter().chain(retain.map(|at| format!("step {at} (retain)"))).collect();
        (!steps.is_empty()).then(|| all(&steps))
    };
    // Where the PVC was not deleted, its volume is not either, with Retain or without.
    let retain_saves = item.headline == Verdict::Detached && trace.deletion.is_some();
    let (saving, idle) = if retain_saves { (retain, steps(keep, None)) } else { (None, steps(keep, retain)) };
    let saving = saving.map(|at| format!("step {at} (retain); that is why it is Detached, not Lost"));
    let idle = idle.map(|steps| format!("{steps}; that does not prevent it here"));
    let found: Vec<String> = saving.into_iter().chain(idle).collect();
    (!found.is_empty()).then(|| format!("The plan has {}.", found.join(". It has ")))
}

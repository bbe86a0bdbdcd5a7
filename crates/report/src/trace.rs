//! The shortest way to a bad end, and what holds it.

use std::collections::BTreeSet;

use portolan_model::{End, Plan, StepKind, Verdict};
use portolan_rehearse::{HELM_RULES, RULES, RuleId, Trace, TraceLine, TracePlace, VolumeForecast};

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

/// The page's line at which it turned: the last command before the last rule fired.
pub(crate) fn line_of(trace: &Trace) -> Option<TracePlace> {
    let fired = trace.lines.iter().rposition(|line| line.rule.is_some()).unwrap_or(trace.lines.len());
    let places = trace.lines[..fired].iter().rev().filter_map(|line| line.at);
    places.into_iter().find(|at| matches!(at, TracePlace::Line(_)))
}

/// The shortest of the traces that lead to the headline.
fn shortest(item: &VolumeForecast) -> Option<&Trace> {
    let bad = item.ends.iter().filter(|(end, _)| match item.headline {
        Verdict::Safe => !item.finishes && end.end != End::Finished,
        headline => end.verdict == headline,
    });
    bad.map(|(_, trace)| trace).min_by_key(|trace| trace.lines.len())
}

/// How it comes to the headline, which rule bites, and what would hold it.
pub(crate) fn tell(page: &mut Document, item: &VolumeForecast, plan: Option<&Plan>) {
    for unknown in &item.unknown {
        page.say(Line::new(Tone::Warn, "Unknown").and(": ").and(unknown.line()).and("."));
    }
    let Some(trace) = shortest(item) else {
        return;
    };
    page.say("The shortest way there:");
    page.push(Block::Trace(trace.lines.iter().map(happening).collect()));
    rules(page, &trace.lines);
    if let Some(plan) = plan {
        let is_collected = trace.lines.iter().any(|line| line.rule == collected());
        hold(page, item, plan, is_collected);
    }
}

/// The number of the rule by which an object goes with its owner.
fn collected() -> Option<&'static str> {
    RULES.iter().find(|(rule, ..)| *rule == RuleId::Collect).map(|(_, code, ..)| *code)
}

/// The rules of a trace in words, the one that decided it first.
fn rules(page: &mut Document, lines: &[TraceLine]) {
    let codes = lines.iter().rev().filter_map(|line| line.rule);
    let mut seen = BTreeSet::new();
    let known = codes.filter(|code| seen.insert(*code)).filter_map(rule);
    for (at, (code, text, source)) in known.enumerate() {
        if at == 0 {
            page.say(format!("Decided by rule {code}: {text} ({source})."));
        } else {
            page.also(format!("{code}: {text}."));
        }
    }
}

/// A rule by its number: what it says, and where it was read.
fn rule(code: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let ours = RULES.iter().map(|(_, code, text, source)| (*code, *text, *source));
    ours.chain(HELM_RULES.iter().copied()).find(|rule| rule.0 == code)
}

/// What the plan has against it, and what was left out of it.
fn hold(page: &mut Document, item: &VolumeForecast, plan: &Plan, is_collected: bool) {
    let at = |wanted: &dyn Fn(&StepKind) -> bool| plan.steps().position(|step| wanted(&step.kind)).map(|at| at + 1);
    let keep = at(&|kind| matches!(kind, StepKind::KeepClaim { claim, .. } if *claim == item.protected.claim));
    let retain = at(&|kind| matches!(kind, StepKind::RetainVolume { volume, .. } if *volume == item.protected.volume));
    let missing: Vec<String> = [
        // Helm reads keep; the garbage collector does not.
        (keep.is_none() && !is_collected).then(|| "helm.sh/resource-policy: keep on the PVC".to_owned()),
        retain.is_none().then(|| "Retain on the PV (then Detached, not Lost)".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let there: Vec<String> =
        [keep.map(|at| format!("step {at} (keep)")), retain.map(|at| format!("step {at} (retain)"))]
            .into_iter()
            .flatten()
            .collect();
    if !missing.is_empty() && item.headline > Verdict::Unknown {
        page.say(format!("Prevented by: {}.", missing.join(", or ")));
        page.also(match plan.without.as_slice() {
            [] => Line::from("This plan does not have it."),
            without => Line::from("Left out of this plan: ").with(Tone::Bad, without.join(", ")).and(" (--without)."),
        });
    } else if !plan.without.is_empty() {
        page.say(Line::from("Left out of this plan: ").with(Tone::Bad, plan.without.join(", ")).and(" (--without)."));
    }
    if !there.is_empty() && item.headline > Verdict::Safe {
        let help = if item.headline == Verdict::Detached && retain.is_some() {
            "that is why it is Detached, not Lost"
        } else {
            "that does not hold it here"
        };
        page.also(format!("The plan has {}; {help}.", all(&there)));
    }
}

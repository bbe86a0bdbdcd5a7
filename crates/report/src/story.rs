//! The shortest way to a bad end, and what holds it.

use std::collections::BTreeSet;

use model::{End, Plan, StepKind, Verdict};
use rehearse::{HELM_RULES, RULES, RuleId, Tale, VolumeForecast};

use crate::page::{Block, Happening, Page};
use crate::text::{Line, Tone};
use crate::words::all;

/// A line of a tale, taken apart: at which step or line, what happens, by which rule.
pub(crate) fn happening(line: &str) -> Happening {
    let (line, rule) = match line.rsplit_once("   rule ") {
        Some((line, rule)) => (line, rule.split(':').next().unwrap_or_default().trim()),
        None => (line, ""),
    };
    let line = line.trim();
    let (when, what) = match line.split_once(char::is_whitespace) {
        Some((word @ ("step" | "line"), rest)) => {
            let rest = rest.trim_start();
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = rest.split_at(digits);
            (format!("{word} {number}"), rest.trim_start_matches(':').trim_start())
        }
        _ => (String::new(), line),
    };
    let rule = if rule.is_empty() { String::new() } else { format!("rule {rule}") };
    Happening { when, what: what.to_owned(), rule }
}

/// The page's line at which a tale turned: the last command before the last rule fired.
pub(crate) fn line_of(tale: &Tale) -> Option<String> {
    let told: Vec<Happening> = tale.lines.iter().map(|line| happening(line)).collect();
    let fired = told.iter().rposition(|told| !told.rule.is_empty()).unwrap_or(told.len());
    told[..fired].iter().rev().find(|told| told.when.starts_with("line")).map(|told| told.when.clone())
}

/// The shortest of the tales that lead to the headline.
fn shortest(item: &VolumeForecast) -> Option<&Tale> {
    let bad = item.ends.iter().filter(|(end, _)| match item.headline {
        Verdict::Safe => !item.finishes && end.end != End::Finished,
        headline => end.verdict == headline,
    });
    bad.map(|(_, tale)| tale).min_by_key(|tale| tale.lines.len())
}

/// How it comes to the headline, which rule bites, and what would hold it.
pub(crate) fn tell(page: &mut Page, item: &VolumeForecast, plan: Option<&Plan>) {
    for unknown in &item.unknown {
        page.say(Line::new(Tone::Warn, "Unknown").and(": ").and(unknown.line()).and("."));
    }
    let Some(tale) = shortest(item) else {
        return;
    };
    let told: Vec<Happening> = tale.lines.iter().map(|line| happening(line)).collect();
    page.say("The shortest way there:");
    page.push(Block::Story(told.clone()));
    rules(page, &told);
    if let Some(plan) = plan {
        let is_collected = told.iter().any(|told| told.rule.strip_prefix("rule ") == Some(collected()));
        hold(page, item, plan, is_collected);
    }
}

/// The number of the rule by which an object goes with its owner.
fn collected() -> &'static str {
    RULES.iter().find(|(rule, ..)| *rule == RuleId::Collect).map_or("", |(_, code, ..)| code)
}

/// The rules of a story in words, the one that decided it first.
fn rules(page: &mut Page, told: &[Happening]) {
    let codes = told.iter().rev().filter_map(|told| told.rule.strip_prefix("rule "));
    let mut seen = BTreeSet::new();
    let known = codes.filter(|code| seen.insert(*code)).filter_map(rule);
    for (at, (code, text, source)) in known.enumerate() {
        if at == 0 {
            page.say(format!("The rule that bites: {code}, {text} ({source})."));
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
fn hold(page: &mut Page, item: &VolumeForecast, plan: &Plan, is_collected: bool) {
    let at = |wanted: &dyn Fn(&StepKind) -> bool| plan.steps().position(|step| wanted(&step.kind)).map(|at| at + 1);
    let keep = at(&|kind| matches!(kind, StepKind::KeepClaim { claim, .. } if *claim == item.aim.claim));
    let retain = at(&|kind| matches!(kind, StepKind::RetainVolume { volume, .. } if *volume == item.aim.volume));
    let missing: Vec<String> = [
        // Helm reads keep; the garbage collector does not.
        (keep.is_none() && !is_collected).then(|| "keep on the claim".to_owned()),
        retain.is_none().then(|| "Retain on the volume (then Detached, not Lost)".to_owned()),
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
        page.say(format!("What holds it: {}.", missing.join(", or ")));
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

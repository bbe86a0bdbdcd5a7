//! What becomes of every volume, in every order of events.

use portolan_model::{Plan, Verdict};
use portolan_rehearse::{Forecast, Rehearsal, VolumeForecast};

use crate::page::{Block, Document};
use crate::text::{Line, Tone};
use crate::words::{blocked, count, journey, kinds, releases, seconds, thousands, volume};
use crate::{ends, trace};

/// The verdict on every volume, what was looked at, and for what is not Safe the shortest way there.
#[must_use]
pub fn rehearsal(plan: &Plan, rehearsal: &Rehearsal) -> Document {
    let forecast = &rehearsal.forecast;
    let digest = plan.digest();
    let mut page = Document::default();
    page.push(Block::Facts(vec![
        ("Plan", Line::new(Tone::Strong, digest.short()).and(format!("   {}", journey(plan)))),
        ("Release", releases(plan).into()),
        ("Looked at", looked(rehearsal)),
    ]));
    page.push(Block::Table(ends::table(forecast)));
    if !forecast.volumes.is_empty() {
        page.push(Block::Text(ends::meanings(forecast.volumes.iter().flat_map(ends::verdicts))));
    }
    for item in forecast.volumes.iter().filter(|item| is_told(item)) {
        page.push(Block::Heading(volume(&item.protected)));
        page.push(Block::Table(ends::ways(item, |trace| {
            trace.at_step.map_or_else(String::new, |step| format!("step {step}"))
        })));
        trace::tell(&mut page, item, Some(plan));
    }
    unmodelled(&mut page, forecast);
    next(&mut page, plan, forecast);
    page
}

fn next(page: &mut Document, plan: &Plan, forecast: &Forecast) {
    if forecast.may_be_applied() {
        page.say(verdict(forecast));
        if let Some(blocking) = plan.blocking().next() {
            page.say(blocked(blocking).and("; no rehearsal shows it, and this plan is not applied."));
            return page.then_next(blocking.next.clone(), "");
        }
        return page.then_next(format!("portolan apply {}", plan.options()), "");
    }
    page.say(Line::new(Tone::Bad, "Not Safe").and(": this plan is not applied."));
    if plan.without.is_empty() {
        page.then_next("portolan survey", "shows what is there now");
    } else {
        let command = format!("portolan plan --to {}", plan.to.version);
        page.then_next(command, "leaves nothing out");
    }
}

/// Whether a volume needs more than its row.
pub(crate) fn is_told(item: &VolumeForecast) -> bool {
    item.headline > Verdict::Safe || !item.finishes
}

pub(crate) fn looked(rehearsal: &Rehearsal) -> Line {
    let (forecast, took) = (&rehearsal.forecast, rehearsal.took.as_secs_f64());
    let speed = if took > 0.0 {
        format!(" ({} states a second)", thousands((forecast.worlds as f64 / took).round() as usize))
    } else {
        String::new()
    };
    format!(
        "{} of a simulated cluster, {} that lead from one to the next, {} (where Portolan or helm is killed), in {}{speed}",
        count(forecast.worlds, "state"),
        count(forecast.edges, "event"),
        count(forecast.crashes, "crash point"),
        seconds(took)
    )
    .into()
}

/// What the rules do not cover, and why that cannot matter.
pub(crate) fn unmodelled(page: &mut Document, forecast: &Forecast) {
    if forecast.unmodelled.is_empty() {
        return;
    }
    let why = if forecast.volumes.iter().any(|item| !item.unknown.is_empty()) {
        "Those that can reach a volume are named above, and make it Unknown; the others can not."
    } else {
        "None of them is one of these PVCs or volumes, names one of these PVCs, or owns a pod that does, so \
         none can reach a volume."
    };
    let number = count(forecast.unmodelled.len(), "object");
    page.say(format!("No rules for {number}: {}. {why}", kinds(&forecast.unmodelled)));
}

pub(crate) fn verdict(forecast: &Forecast) -> Line {
    let number = forecast.volumes.len();
    match number {
        0 => "No volume holds data.".into(),
        _ => Line::new(Tone::Good, "Safe").and(format!(
            ": {}, in every order of events that was looked at, with a crash at any of {}.",
            count(number, "volume"),
            count(forecast.crashes, "point")
        )),
    }
}

//! In how many ways it can end for a volume.

use std::collections::{BTreeMap, BTreeSet};

use portolan_model::{End, ReleaseStatus, Verdict};
use portolan_rehearse::{Forecast, Rehearsal, Trace, VolumeForecast};

use crate::page::Table;
use crate::text::{Line, Tone};
use crate::words::{all, count, seconds, thousands, tone, volume};

fn total(forecast: &VolumeForecast) -> usize {
    forecast.ends.values().map(|trace| trace.worlds).sum()
}

/// `Lost in 212 of 306 ends, Doomed in 94, Safe in 0`.
pub(crate) fn tally(forecast: &VolumeForecast) -> Line {
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::from([(Verdict::Safe, 0)]);
    for (end, trace) in &forecast.ends {
        *counts.entry(end.counts_as).or_default() += trace.worlds;
    }
    let ends = thousands(total(forecast));
    let mut line = Line::default();
    for (at, (verdict, worlds)) in counts.iter().rev().enumerate() {
        let lead = if at == 0 { "" } else { ", " };
        line = line.and(lead).with(tone(*verdict), verdict.to_string()).and(format!(" in {}", thousands(*worlds)));
        if at == 0 {
            line = line.and(format!(" of {ends} ends"));
        }
    }
    line
}

/// One row a volume: the verdict, and why it is the verdict.
pub(crate) fn table(forecast: &Forecast) -> Table {
    let mut table = Table::new(&["VOLUME", "PVC", "VERDICT", "WHY"]);
    for item in &forecast.volumes {
        table.rows.push(vec![
            item.protected.volume.name().into(),
            item.protected.claim.name().into(),
            verdict(item),
            why(item),
        ]);
    }
    table
}

fn verdict(item: &VolumeForecast) -> Line {
    Line::new(tone(item.headline), item.headline.to_string())
}

fn why(item: &VolumeForecast) -> Line {
    if let Some(unknown) = item.unknown.first() {
        return unknown.line().into();
    }
    if item.headline > Verdict::Safe {
        return tally(item);
    }
    let ended = |wanted: End| -> usize {
        item.ends.iter().filter(|(end, _)| end.seen.end == wanted).map(|(_, trace)| trace.worlds).sum()
    };
    let parts: Vec<String> = [
        (ended(End::Finished), "finished", "mounted by the new workload"),
        (ended(End::Stopped), "stopped", "held by its PVC"),
        (ended(End::Stranded), "stranded", "held by its PVC, and the run waits for what never comes"),
    ]
    .iter()
    .filter(|(ends, ..)| *ends > 0)
    .map(|(ends, word, what)| {
        format!("{what} in all of {} {word} {}", thousands(*ends), if *ends == 1 { "end" } else { "ends" })
    })
    .collect();
    let line = Line::from(parts.join("; "));
    if item.finishes { line } else { line.with(Tone::Bad, "; no order of events finishes the plan") }
}

/// Every way to an end; `at` says where each one turned.
pub(crate) fn ways(item: &VolumeForecast, at: impl Fn(&Trace) -> String) -> Table {
    let mut table = Table::new(&["ENDS", "VERDICT", "RUN", "RELEASE", "GOES WRONG AT"]).right(0);
    // Ends that count as Safe may look different on a cluster.
    let mut rows: BTreeMap<(Verdict, End, ReleaseStatus), (usize, &Trace)> = BTreeMap::new();
    for (end, trace) in &item.ends {
        let row = rows.entry((end.counts_as, end.seen.end, end.seen.release)).or_insert((0, trace));
        row.0 += trace.worlds;
        row.1 = if trace.lines.len() < row.1.lines.len() { trace } else { row.1 };
    }
    // The worst first: that is what the page is read for.
    for ((verdict, end, release), (worlds, trace)) in rows.into_iter().rev() {
        table.rows.push(vec![
            thousands(worlds).into(),
            Line::new(tone(verdict), verdict.to_string()),
            end.to_string().into(),
            release.to_string().into(),
            // What ended well turned nowhere.
            if verdict == Verdict::Safe { Line::default() } else { at(trace).into() },
        ]);
    }
    table
}

/// What the verdicts of a page mean, the worst first: `Detached: the volume keeps its data, ...`.
pub(crate) fn meanings(verdicts: impl IntoIterator<Item = Verdict>) -> Vec<Line> {
    let verdicts: BTreeSet<Verdict> = verdicts.into_iter().collect();
    let line =
        |verdict: &Verdict| Line::new(tone(*verdict), verdict.to_string()).and(format!(": {}.", verdict.meaning()));
    verdicts.iter().rev().map(line).collect()
}

/// The verdicts that a volume can end with, as they are counted.
pub(crate) fn verdicts(item: &VolumeForecast) -> impl Iterator<Item = Verdict> + use<'_> {
    std::iter::once(item.headline).chain(item.ends.keys().map(|end| end.counts_as))
}

/// `Rehearsed: 4 volumes Safe in 31,204 states of a simulated cluster, with a crash at any of 2,118 points, in 0.8 s.`
pub(crate) fn summary(rehearsal: &Rehearsal) -> Line {
    let (forecast, took) = (&rehearsal.forecast, rehearsal.took.as_secs_f64());
    let verdicts: BTreeSet<Verdict> = forecast.volumes.iter().map(|volume| volume.headline).collect();
    let mut line = Line::from("Rehearsed: ");
    for (at, verdict) in verdicts.iter().rev().enumerate() {
        let number = forecast.volumes.iter().filter(|volume| volume.headline == *verdict).count();
        line = line.and(if at == 0 { "" } else { ", " }).and(count(number, "volume")).and(" ");
        line = line.with(tone(*verdict), verdict.to_string());
    }
    if verdicts.is_empty() {
        line = line.and("no volume that holds data");
    }
    line.and(format!(
        " in {} of a simulated cluster, with a crash at any of {}, in {}.",
        count(forecast.worlds, "state"),
        count(forecast.crashes, "point"),
        seconds(took)
    ))
}

/// What else the search says of a plan: that it cannot end, for example.
pub(crate) fn unfinished(forecast: &Forecast) -> Option<Line> {
    let names: Vec<String> =
        forecast.volumes.iter().filter(|item| !item.finishes).map(|item| volume(&item.protected)).collect();
    (!names.is_empty()).then(|| {
        Line::new(Tone::Bad, "No order of events reaches the plan's end").and(format!(": seen from {}.", all(&names)))
    })
}

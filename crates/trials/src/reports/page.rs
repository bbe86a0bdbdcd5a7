//! The page of the docs.

use std::collections::{BTreeMap, BTreeSet};

use super::results::Days;
use super::{Case, HarmSeen, Outcome, Results, Row};

/// All that was seen, to be looked up.
struct Seen<'a> {
    plans: BTreeMap<(&'a str, &'a str), &'a Outcome>,
    harms: BTreeMap<(&'a str, &'a str), &'a HarmSeen>,
    helms: BTreeSet<&'a str>,
}

/// The page of the docs.
#[must_use]
pub fn page(rows: &[Row], harmless: &Row, results: &Results, pending: &BTreeMap<String, String>) -> String {
    let seen = Seen {
        plans: results.plans.iter().map(|one| ((one.trial.name.as_str(), one.trial.helm.as_str()), one)).collect(),
        harms: results.harms.iter().map(|one| ((one.name.as_str(), one.helm.as_str()), one)).collect(),
        helms: results.plans.iter().map(|one| one.trial.helm.as_str()).collect(),
    };
    let [asked, tried] = results.days().map(days);
    text(rows, harmless, &seen, pending, [&asked, &tried])
}

fn days(days: Days<'_>) -> String {
    match days {
        Some((first, last)) if first == last => format!("on {first}"),
        Some((first, last)) => format!("from {first} to {last}"),
        None => "on no day yet".into(),
    }
}

fn text(
    rows: &[Row],
    harmless: &Row,
    seen: &Seen<'_>,
    pending: &BTreeMap<String, String>,
    [asked, tried]: [&str; 2],
) -> String {
    let cases: usize = rows.iter().map(|row| row.cases.len()).sum();
    let wrong: Vec<&&Outcome> = seen.plans.values().filter(|outcome| outcome.complaint.is_some()).collect();
    let applied = seen.plans.values().filter(|outcome| outcome.trial.apply).count();
    let helms = seen.helms.iter().copied().collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "# Reported upgrades\n\nWritten by `cargo xtask reports` from `crates/trials/reports`; do not edit it. Each case is a \
         pair of small charts of our own that rebuilds an upgrade which cost somebody data or time, on a real cluster with a real \
         helm ({helms}). *Bare helm* is what `helm upgrade` alone did in a namespace of its own. *Portolan* is what `portolan plan` \
         said before the first write. The *twin* is the same pair without what is harmful: it has to be Safe. \
         Portolan was asked {asked}, bare helm was tried {tried}.\n\n\
         {cases} cases with their twins and {} harmless changes; {} answers of Portolan, {} of them not yet right; {applied} upgrades \
         were applied and the rows compared.\n",
        harmless.cases.len(),
        seen.plans.len(),
        wrong.len(),
    );
    for row in rows.iter().chain([harmless]) {
        text.push_str(&format!("\n## {}\n\n{}\n\n", row.title, row.answer));
        text.push_str("| case | helm | bare helm | Portolan | twin |\n|---|---|---|---|---|\n");
        for case in &row.cases {
            case_rows(&mut text, case, seen);
        }
    }
    if !wrong.is_empty() {
        text.push_str("\n## Not yet right\n\n| case | helm | what Portolan says |\n|---|---|---|\n");
        for outcome in wrong {
            let known = if pending.contains_key(&outcome.trial.name) { "" } else { " (new)" };
            let complaint = outcome.complaint.as_deref().unwrap_or_default();
            text.push_str(&format!(
                "| {}{known} | {} | {} |\n",
                outcome.trial.name,
                outcome.trial.helm,
                cell(complaint)
            ));
        }
    }
    text
}

/// A line for each answer: helms that answer alike share it.
fn case_rows(text: &mut String, case: &Case, seen: &Seen<'_>) {
    let mut lines: BTreeMap<(String, String, String), Vec<&str>> = BTreeMap::new();
    for helm in &seen.helms {
        let Some(plan) = seen.plans.get(&(case.name.as_str(), helm)) else { continue };
        let twin = seen
            .plans
            .get(&(format!("{} (twin)", case.name).as_str(), helm))
            .map_or_else(String::new, |twin| state(twin));
        let harm = seen.harms.get(&(case.name.as_str(), helm)).map_or_else(String::new, |seen| harm(seen));
        let portolan = if case.twin.is_some() { cell(&plan.said) } else { state(plan) };
        lines.entry((harm, portolan, twin)).or_default().push(helm);
    }
    let mut about = format!("**{}**", case.name);
    for more in [case.thread.as_deref(), case.note.as_deref()].into_iter().flatten() {
        about.push_str(&format!("<br>{}", cell(more)));
    }
    for ((harm, portolan, twin), helms) in lines {
        text.push_str(&format!("| {about} | {} | {harm} | {portolan} | {twin} |\n", helms.join(", ")));
    }
}

fn state(outcome: &Outcome) -> String {
    match (&outcome.complaint, outcome.trial.apply) {
        (Some(complaint), _) => format!("NOT RIGHT: {}", cell(complaint)),
        (None, true) => "Safe; applied, same rows".into(),
        (None, false) => "Safe".into(),
    }
}

fn harm(seen: &HarmSeen) -> String {
    let mut all: Vec<String> = seen.seen.iter().map(|harm| cell(&harm.to_string())).collect();
    all.extend(seen.missing.iter().map(|harm| format!("NOT SEEN: {}", cell(&harm.to_string()))));
    all.join("<br>")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").chars().take(400).collect()
}

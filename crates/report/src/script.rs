//! What becomes of the volumes when a page is followed by hand.

use std::collections::BTreeSet;

use portolan_model::DatabaseRef;
use portolan_rehearse::{DatabaseEnd, Rehearsal};

use crate::page::{Block, Document};
use crate::text::{Line, Tone};
use crate::words::{all, volume};
use crate::{ends, rehearsal, trace};

/// The commands of a page by line, then what becomes of each volume in every order of events, and whether the databases on them
/// can still be opened.
#[must_use]
pub fn page_script(
    title: &str,
    lines: &[(u32, String)],
    rehearsal: &Rehearsal,
    databases: &[(DatabaseRef, BTreeSet<DatabaseEnd>)],
) -> Document {
    let forecast = &rehearsal.forecast;
    let mut page = Document::heading(title);
    let commands: Vec<(String, String)> =
        lines.iter().map(|(line, command)| (format!("line {line}"), command.clone())).collect();
    page.push(Block::Commands(commands));
    page.push(Block::Facts(vec![("Looked at", rehearsal::looked(rehearsal))]));
    for item in &forecast.volumes {
        page.push(Block::Heading(volume(&item.protected)));
        page.say(ends::tally(item));
        page.push(Block::Text(ends::meanings(ends::verdicts(item))));
        page.push(Block::Table(ends::ways(item, |trace| {
            trace::line_of(trace).map_or_else(String::new, |line| line.to_string())
        })));
        if rehearsal::is_told(item) {
            trace::tell(&mut page, item, None);
        }
    }
    for (database, ends) in databases {
        page.push(Block::Heading(format!("{} on {}", database.database, database.pod.name())));
        for end in ends {
            page.say(opens(*end, database));
        }
    }
    rehearsal::unmodelled(&mut page, forecast);
    let bad: Vec<String> = forecast
        .volumes
        .iter()
        .filter(|item| item.headline > portolan_model::Verdict::Safe)
        .map(|item| format!("{} {}", item.protected.claim.name(), item.headline))
        .collect();
    let locked: Vec<String> = databases
        .iter()
        .filter(|(_, ends)| ends.iter().any(|end| *end != DatabaseEnd::Opens))
        .map(|(database, _)| format!("the database on {}", database.pod.name()))
        .collect();
    page.say(match bad.as_slice() {
        [] if !locked.is_empty() => Line::new(Tone::Bad, "Safe but locked")
            .and(format!(": the volumes are kept, and {} cannot be opened.", all(&locked))),
        [] => Line::new(Tone::Good, "Safe").and(": in every order of events that was looked at."),
        bad => Line::new(Tone::Bad, "Not Safe").and(format!(": {}.", all(bad))),
    });
    if !bad.is_empty() || !locked.is_empty() {
        page.then_next("portolan plan --to VERSION", "sets Retain and keep before anything is deleted");
    }
    page
}

/// What a look into a database shows in the end.
fn opens(end: DatabaseEnd, database: &DatabaseRef) -> Line {
    let secret = &database.password.secret;
    match end {
        DatabaseEnd::Opens => Line::new(Tone::Good, "Opens").and(format!(" with the password in {secret}")),
        DatabaseEnd::Down => Line::new(Tone::Bad, "Does not run").and(format!(", or {secret} has no password")),
        DatabaseEnd::RefusesPassword => Line::new(Tone::Bad, "Cannot be opened")
            .and(format!(": {secret} has another password than the one that the data directory keeps")),
        DatabaseEnd::Another => {
            Line::new(Tone::Bad, "Is another database").and(": a new and empty one, beside the data")
        }
    }
}

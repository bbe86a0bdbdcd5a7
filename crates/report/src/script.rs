//! What becomes of the volumes when a page is followed by hand.

use rehearse::Rehearsal;

use crate::page::{Block, Page};
use crate::text::{Line, Tone};
use crate::words::{all, volume};
use crate::{ends, rehearsal, story};

/// The commands of a page by line, then what becomes of each volume in every order of events.
#[must_use]
pub fn page_script(title: &str, lines: &[(u32, String)], rehearsal: &Rehearsal) -> Page {
    let forecast = &rehearsal.forecast;
    let mut page = Page::heading(title);
    let commands: Vec<(String, String)> =
        lines.iter().map(|(line, command)| (format!("line {line}"), command.clone())).collect();
    page.push(Block::Commands(commands));
    page.push(Block::Facts(vec![("Looked at", rehearsal::looked(rehearsal))]));
    for item in &forecast.volumes {
        page.push(Block::Heading(volume(&item.aim)));
        page.say(ends::tally(item));
        page.push(Block::Table(ends::ways(item, |tale| story::line_of(tale).unwrap_or_default())));
        if rehearsal::is_told(item) {
            story::tell(&mut page, item, None);
        }
    }
    rehearsal::unmodelled(&mut page, forecast);
    let bad: Vec<String> = forecast
        .volumes
        .iter()
        .filter(|item| item.headline > model::Verdict::Safe)
        .map(|item| format!("{} {}", item.aim.claim.name(), item.headline))
        .collect();
    page.say(match bad.as_slice() {
        [] => Line::new(Tone::Good, "Safe").and(": in every order of events that was looked at."),
        bad => Line::new(Tone::Bad, "Not Safe").and(format!(": {}.", all(bad))),
    });
    if !bad.is_empty() {
        page.then_next("portolan plan --to VERSION", "sets Retain and keep before anything is deleted");
    }
    page
}

//! What a look after the run saw.

use model::{Outcome, Plan};

use crate::page::{Block, Page, Table};
use crate::steps;
use crate::text::{Line, Tone};
use crate::words::count;

/// What each verifying step saw. `notes` are those of the steps that are over, in order. What stopped it is told by
/// its finding, which is not part of this page.
#[must_use]
pub fn verification(plan: &Plan, notes: &[(bool, String)], outcome: &Outcome) -> Page {
    let mut table = Table::new(&["CHECK", "STATE", "SEEN"]);
    for (at, step) in plan.steps().enumerate() {
        let halted = at == notes.len() && matches!(outcome, Outcome::Halted { .. });
        let (state, note) = match notes.get(at) {
            Some((_, note)) => (Line::new(Tone::Good, "holds"), note.as_str()),
            None if halted => (Line::new(Tone::Bad, "does not hold"), "see below"),
            None => (Line::new(Tone::Warn, "not looked at"), ""),
        };
        table.rows.push(vec![steps::thing(&step.kind).into(), state, note.into()]);
    }
    let held = format!(" {} of {} hold.", notes.len(), count(table.rows.len(), "check"));
    let words = match outcome {
        Outcome::Finished => Line::new(Tone::Good, "Everything is as it was left.").and(held),
        _ => Line::new(Tone::Bad, "Not everything is as it was left.").and(held),
    };
    Page { blocks: vec![Block::Table(table), Block::Text(vec![words])] }
}

//! What will be done, step by step.

use portolan_model::{Change, Digest, HookEvent, Hop, ImageRef, MovedTo, Plan, PlannedValue, StepKind, ValueChange};
use portolan_rehearse::{Forecast, Rehearsal};

use crate::page::{Block, Document, Table};
use crate::text::{Line, Tone};
use crate::values::becomes;
use crate::words::{all, blocked, count, journey, releases, short, stays, volume};
use crate::{ends, finding, steps, survey};

const LEGEND: &str = "+ create  ~ change  - delete  = no change, or kept  @ adopt  ! cannot be undone";

/// Whether the kubectl and helm commands that do the same as a step are shown below it. They are as long as the rest of
/// the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commands {
    /// They are shown.
    Shown,
    /// A line says how to see them.
    Hidden,
}

/// A plan: what it is about, its findings, every step, and what a rehearsal says of it.
#[must_use]
pub fn plan(plan: &Plan, digest: &Digest, rehearsal: Option<&Rehearsal>, commands: Commands) -> Document {
    let mut page = Document { blocks: vec![Block::Facts(facts(plan, digest))] };
    page = page.then(finding::findings(&plan.findings));
    if plan.hops.is_empty() {
        page.say(format!("Nothing to do: {} is installed.", plan.from));
        return page;
    }
    page.say(LEGEND);
    if commands == Commands::Hidden && plan.steps().any(|step| !step.command.is_empty()) {
        page.also("The same by hand, with kubectl and helm: add --commands.");
    }
    let mut before = 0;
    for (at, hop) in plan.hops.iter().enumerate() {
        if plan.hops.len() > 1 {
            let of = hop.release.as_ref().map_or_else(String::new, |other| format!("   release {other}"));
            let way = format!("{} -> {}", hop.from, hop.to);
            page.push(Block::Heading(format!("Hop {} of {}   {way}{of}", at + 1, plan.hops.len())));
        }
        let mut items = steps::items(plan, hop, before);
        if commands == Commands::Hidden {
            items.iter_mut().for_each(|item| item.commands.clear());
        }
        page.push(Block::Steps(items));
        hooks(&mut page, hop);
        values(&mut page, hop);
        before += hop.steps.len();
    }
    page.say(summary(plan));
    match rehearsal {
        Some(rehearsal) => {
            page.also(ends::summary(rehearsal));
            if let Some(line) = ends::unfinished(&rehearsal.forecast) {
                page.also(line);
            }
        }
        None if plan.blocking().next().is_some() => {}
        None => page.also(Line::new(Tone::Warn, "Not rehearsed yet").and(": that comes before the first write.")),
    }
    next(&mut page, plan, rehearsal.map(|rehearsal| &rehearsal.forecast));
    page
}

/// `1 object is`, `6 objects are`.
fn unchanged(objects: usize) -> String {
    format!("{} {}", count(objects, "object"), if objects == 1 { "is" } else { "are" })
}

/// `1 hop (a run of helm)`; nothing where helm does not run.
fn hops(plan: &Plan) -> String {
    match plan.hops.len() {
        _ if stays(plan) => String::new(),
        1 => "   1 hop (a run of helm)".into(),
        number => format!("   {} (a run of helm each)", count(number, "hop")),
    }
}

fn facts(plan: &Plan, digest: &Digest) -> Vec<(&'static str, Line)> {
    let mut facts = vec![
        (
            "Plan",
            Line::new(Tone::Strong, digest.short()).and(format!(
                "   {}{}   for cluster {}, while {} unchanged",
                journey(plan),
                hops(plan),
                short(&plan.cluster),
                unchanged(plan.preconditions.len() + plan.lookups.len())
            )),
        ),
        ("Release", releases(plan).into()),
        ("Server", plan.server.as_str().into()),
        ("Helm", survey::helm(Some(&plan.helm))),
        ("Data", data(plan)),
    ];
    let crossed: Vec<&str> = plan.hops.iter().flat_map(|hop| &hop.boundaries).map(String::as_str).collect();
    if !crossed.is_empty() {
        facts.push(("Recipes", crossed.join(", ").into()));
    }
    if let Some(backup) = &plan.backup {
        facts.push((
            "Backup",
            Line::from(backup.as_str()).and("   of the database outside; Portolan did not look at it"),
        ));
    }
    for accepted in &plan.accepted {
        facts.push((
            "Accepted",
            Line::new(Tone::Warn, accepted.code.to_string()).and(format!("   {}", accepted.reason)),
        ));
    }
    if !plan.without.is_empty() {
        facts.push(("Left out", Line::new(Tone::Bad, plan.without.join(", ")).and("   by --without")));
    }
    facts
}

/// The hooks that the upgrade runs.
fn hooks(page: &mut Document, hop: &Hop) {
    let mut table = Table::new(&["HOOK", "RUNS", "DELETED", "IMAGE"]);
    for hook in hop.hooks.iter().filter(|hook| hook.runs_in_upgrade()) {
        let runs = hook.events.iter().filter(|event| matches!(event, HookEvent::PreUpgrade | HookEvent::PostUpgrade));
        let runs: Vec<&str> = runs.map(|event| event.word()).collect();
        let delete: Vec<&str> = hook.delete.iter().map(|policy| policy.word()).collect();
        let images: Vec<&str> = hook.images.iter().map(ImageRef::as_str).collect();
        table.rows.push(vec![
            hook.object.to_string().into(),
            format!("{}, weight {}", runs.join(", "), hook.weight).into(),
            if delete.is_empty() { "never".into() } else { delete.join(", ").into() },
            images.join(", ").into(),
        ]);
    }
    if !table.rows.is_empty() {
        page.push(Block::Table(table));
    }
}

/// What becomes of the values that are set today; those that go on as they are are only counted.
fn values(page: &mut Document, hop: &Hop) {
    let carried = hop.values.iter().filter(|one| one.change == ValueChange::Carried).count();
    let mut table = Table::new(&["VALUE SET TODAY", "BECOMES"]);
    for PlannedValue { path, change: fate, .. } in &hop.values {
        if *fate == ValueChange::Carried {
            continue;
        }
        table.rows.push(vec![path.as_str().into(), becomes(fate)]);
    }
    if !table.rows.is_empty() {
        page.push(Block::Table(table));
    }
    if carried > 0 {
        page.say(format!(
            "{} set today {} on as {}.",
            count(carried, "value"),
            if carried == 1 { "goes" } else { "go" },
            if carried == 1 { "it is" } else { "they are" }
        ));
    }
}

/// The new place of a value.
pub(crate) fn words_of_move(to: &MovedTo) -> String {
    let how = if to.how.is_empty() { String::new() } else { format!(", {}", to.how) };
    format!("{}{how}", to.path)
}

/// What is at stake.
pub(crate) fn data(plan: &Plan) -> Line {
    let volumes: Vec<String> = plan.volumes.iter().map(volume).collect();
    let databases: Vec<String> = plan
        .databases
        .iter()
        .map(|database| format!("database {} on {}", database.database, database.pod.name()))
        .collect();
    let parts = [volumes.join(", "), databases.join(", ")];
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "no volume holds data".into() } else { parts.join("   ").into() }
}

/// `Plan: 31 to add, 14 to change, 9 to delete, 1 to keep; 1 step cannot be undone (7).`
fn summary(plan: &Plan) -> Line {
    let helm = |wanted: Change| plan.hops.iter().map(|hop| steps::tally(hop, wanted)).sum::<usize>();
    let own = |symbol: char| plan.steps().filter(|step| steps::symbol(&step.kind) == symbol).count();
    let deletes = plan.steps().filter(|step| matches!(step.kind, StepKind::DeleteObject { .. })).count();
    let mut parts = vec![
        format!("{} to add", helm(Change::Create) + own('+')),
        format!("{} to change", helm(Change::Change) + own('~')),
        format!("{} to delete", helm(Change::Delete) + deletes),
    ];
    for (number, word) in [(helm(Change::Keep), "keep"), (helm(Change::Adopt), "adopt")] {
        if number > 0 {
            parts.push(format!("{number} to {word}"));
        }
    }
    let forward = plan.forward_only();
    let line = Line::from(format!("Plan: {}; ", parts.join(", ")));
    if forward.is_empty() {
        return line.and("every step can be undone.");
    }
    let places: Vec<String> = forward.iter().map(usize::to_string).collect();
    line.with(Tone::Warn, format!("{} cannot be undone", count(forward.len(), "step")))
        .and(format!(" ({}).", all(&places)))
}

/// A plan that was only shown has no name that a command could find it by, so it is made again from its options.
fn next(page: &mut Document, plan: &Plan, forecast: Option<&Forecast>) {
    if let Some(blocking) = plan.blocking().next() {
        page.say(blocked(blocking).and("; this plan is not applied."));
        return page.then_next(blocking.next.clone(), "");
    }
    match forecast {
        // It is made by a command of its own, which carries it out too.
        _ if stays(plan) => {}
        Some(forecast) if forecast.may_be_applied() => {
            page.then_next(format!("portolan apply {}", plan.options()), "plan --out FILE saves the plan");
        }
        Some(_) => {
            page.then_next(format!("portolan rehearse {}", plan.options()), "shows the shortest way there");
        }
        // Whoever shows a plan before its rehearsal goes on with it.
        None => {}
    }
}

//! The report of a run.

use std::collections::BTreeMap;

use portolan_model::{Change, Code, Entry, Outcome, Plan, ProtectedVolume, RouteLook, StepKind, TableChange, Undo};
use portolan_rehearse::Rehearsal;

use crate::course::Course;
use crate::now::{self, Now};
use crate::page::{Block, Document, Table};
use crate::text::{Line, Tone};
use crate::words::{all, count, journey, releases, short, span};
use crate::{ends, finding, status, steps, survey, verification};

/// What is known of a run beside its plan and its journal.
#[derive(Clone, Copy, Debug)]
pub struct RunEnd<'a> {
    /// The rehearsal before it.
    pub rehearsal: Option<&'a Rehearsal>,
    /// The run's folder.
    pub folder: &'a str,
    /// What a simulated installation says of itself.
    pub simulated: Option<&'a str>,
    /// What the routes answered at the end.
    pub routes: &'a [RouteLook],
    /// The objects of [`crate::watched`] as they were at the end.
    pub now: &'a Now,
}

/// What was done, how every volume and database is now, what stays, what cannot be undone, and what is next.
#[must_use]
pub fn run(plan: &Plan, entries: &[Entry], end: &RunEnd<'_>) -> Document {
    let RunEnd { folder, routes, now, .. } = *end;
    let course = Course::of(plan, entries);
    let mut page = end.simulated.map(Document::callout).unwrap_or_default();
    page.push(Block::Facts(facts(plan, &course, folder)));
    let changed = now::problems(plan, now);
    if changed.is_empty() || course.fold.outcome != Some(Outcome::Finished) {
        page.say(status::assessment(plan, &course));
    } else {
        page.say(Line::new(Tone::Bad, "Not as verified").and(": all steps are done, and something has changed since."));
    }
    for line in now::down(plan, &course, now) {
        page.also(line);
    }
    if let Some(rehearsal) = end.rehearsal {
        page.also(ends::summary(rehearsal));
    }
    page = page.then(finding::findings(&changed));
    page = page.then(finding::findings(&status::findings(&course)));
    page.push(Block::Heading("Volumes".into()));
    page.push(Block::Table(volumes(plan, &course, now)));
    databases(&mut page, plan, &course);
    if !routes.is_empty() {
        page.push(Block::Heading("Routes".into()));
        page = page.then(verification::routes(routes));
    }
    page.push(Block::Heading("Steps".into()));
    page.push(Block::Table(steps_table(plan, &course)));
    stays(&mut page, plan, &course, now);
    logins(&mut page, plan, &course);
    way_back(&mut page, plan, &course, now);
    next(&mut page, plan, &course);
    page
}

fn facts(plan: &Plan, course: &Course<'_>, folder: &str) -> Vec<(&'static str, Line)> {
    let mut facts = Vec::new();
    facts.push(("Run", Line::new(Tone::Strong, plan.digest().short()).and(format!("   {}", journey(plan)))));
    facts.push(("Release", releases(plan).into()));
    facts.push(("Server", format!("{}   cluster {}", plan.server, short(&plan.cluster)).into()));
    facts.push(("Helm", survey::helm(Some(&plan.helm))));
    if course.from > 0 {
        facts.push(("Times", status::times(course)));
    }
    if !plan.without.is_empty() {
        facts.push(("Left out", Line::new(Tone::Bad, plan.without.join(", ")).and("   by --without")));
    }
    facts.push(("Folder", folder.into()));
    facts
}

/// A verdict comes from a check of this run, and from the look at its end; a rehearsal is no check.
fn volumes(plan: &Plan, course: &Course<'_>, now: &Now) -> Table {
    let mut table = Table::new(&["VOLUME", "PVC", "VERDICT", "WHY"]);
    for protected in &plan.volumes {
        let guarded = now::guarded(protected, now);
        let wrong = now::wrong(protected, now);
        let (verdict, why) = match course.verified(protected) {
            _ if !wrong.is_empty() => (Line::new(Tone::Bad, "not as it was"), wrong.join("; ")),
            Some(Ok(step)) if is_mounted(plan, step) => {
                (Line::new(Tone::Good, "Safe"), verified(course, protected, step))
            }
            // Safe means that a pod mounts it, and the plan has no pods to ask.
            Some(Ok(step)) => (
                Line::new(Tone::Warn, "unchanged"),
                format!("{}; mounts were not checked", verified(course, protected, step)),
            ),
            Some(Err(step)) => {
                (Line::new(Tone::Warn, "not verified"), format!("{guarded}; step {step} was not reached"))
            }
            None => (Line::new(Tone::Warn, "not verified"), format!("{guarded}; no step verifies it")),
        };
        table.rows.push(vec![protected.volume.name().into(), protected.claim.name().into(), verdict, why.into()]);
    }
    table
}

/// Whether the check at a step (from 1) asked for the pods too.
fn is_mounted(plan: &Plan, step: usize) -> bool {
    let step = plan.steps().nth(step - 1);
    matches!(step.map(|step| &step.kind), Some(StepKind::VerifyVolume { mounted_by, .. }) if !mounted_by.is_empty())
}

fn verified(course: &Course<'_>, protected: &ProtectedVolume, step: usize) -> String {
    let note = course.passed.get(step - 1).map(|passed| passed.note.clone()).unwrap_or_default();
    format!("{note} (step {step}, volume UID {})", short(&protected.volume_uid))
}

fn databases(page: &mut Document, plan: &Plan, course: &Course<'_>) {
    for database in &plan.databases {
        page.push(Block::Heading(format!("Database {} on {}", database.database, database.pod.name())));
        let Some(first) = course.fold.baseline.get(&database.pod) else {
            page.say(Line::new(Tone::Warn, "not looked into").and(" by this run."));
            continue;
        };
        let Some((before, after)) = course.compared(&database.pod) else {
            page.say(format!(
                "system_identifier {}, PostgreSQL {}, {}. ",
                first.system_identifier,
                first.server_version,
                count(first.all_tables().len(), "table")
            ));
            page.also(
                Line::new(Tone::Warn, "Recorded once").and(": this run did not come to the check that compares it."),
            );
            continue;
        };
        let same = if before.system_identifier == after.system_identifier {
            Line::from(format!("{}  ", after.system_identifier)).with(Tone::Good, "same")
        } else {
            Line::from(format!("{} -> {}  ", before.system_identifier, after.system_identifier))
                .with(Tone::Bad, "another database")
        };
        let version = if before.server_version == after.server_version {
            format!("PostgreSQL {}", after.server_version)
        } else {
            format!("PostgreSQL {} -> {}", before.server_version, after.server_version)
        };
        let changes = after.changes_since(&before, &may_change(plan, &database.pod));
        for (name, change) in after.databases_since(&before) {
            let tone = if change.is_loss() { Tone::Bad } else { Tone::Plain };
            page.say(Line::new(tone, format!("Database {name} of the same server {}", change.words())).and("."));
        }
        page.push(Block::Facts(vec![("identity", same), ("server", version.into()), ("tables", tables(&changes))]));
        let named = named(&changes);
        if !named.rows.is_empty() {
            page.push(Block::Table(named));
        }
    }
}

fn may_change(plan: &Plan, pod: &portolan_model::Ref) -> Vec<String> {
    plan.steps()
        .filter_map(|step| match &step.kind {
            StepKind::VerifyDatabase { database, may_change } if database.pod == *pod => Some(may_change.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

const CHANGES: [(TableChange, &str, Tone); 9] = [
    (TableChange::Gone, "gone", Tone::Bad),
    (TableChange::Shrunk, "shrunk or altered", Tone::Bad),
    (TableChange::Replaced, "lost rows", Tone::Bad),
    (TableChange::Rewritten, "other content", Tone::Bad),
    (TableChange::Uncounted, "not counted in time", Tone::Warn),
    (TableChange::Migrated, "changed by the migration", Tone::Plain),
    (TableChange::Grew, "grew", Tone::Plain),
    (TableChange::New, "new", Tone::Plain),
    (TableChange::Equal, "equal", Tone::Plain),
];

/// `118: 109 equal, 7 changed by the migration, 2 grew, 0 gone`.
fn tables(changes: &BTreeMap<String, TableChange>) -> Line {
    let mut line = Line::from(format!("{}: ", changes.len()));
    for (at, (change, word, tone)) in CHANGES.iter().rev().enumerate() {
        let number = changes.values().filter(|its| *its == change).count();
        let wanted = number > 0 || matches!(change, TableChange::Equal | TableChange::Gone);
        if wanted {
            let tone = if number > 0 { *tone } else { Tone::Plain };
            line = line.and(if at == 0 { "" } else { ", " }).with(tone, format!("{number} {word}"));
        }
    }
    line
}

/// The tables that are not as they were, by name.
fn named(changes: &BTreeMap<String, TableChange>) -> Table {
    let mut table = Table::new(&["CHANGE", "TABLES"]);
    for (change, word, tone) in CHANGES.iter().filter(|(change, ..)| *change != TableChange::Equal) {
        let names: Vec<&str> =
            changes.iter().filter(|(_, its)| *its == change).map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            table.rows.push(vec![Line::new(*tone, *word), names.join(", ").into()]);
        }
    }
    table
}

fn steps_table(plan: &Plan, course: &Course<'_>) -> Table {
    let mut table = Table::new(&["STEP", "WHAT", "STATE", "TOOK", "NOTE"]).right(0).right(3);
    for (at, step) in plan.steps().enumerate() {
        let row = match course.passed.get(at) {
            Some(passed) => [status::state(step, passed.wrote), span(passed.took).into(), passed.note.as_str().into()],
            None if course.in_flight() == Some(at) => {
                [Line::new(Tone::Warn, "sent"), Line::default(), "its result was not read back".into()]
            }
            None => [Line::new(Tone::Warn, "not done"), Line::default(), Line::default()],
        };
        let mut cells = vec![(at + 1).to_string().into(), steps::title(step).into()];
        cells.extend(row);
        table.rows.push(cells);
    }
    table
}

/// What stays on the cluster, as read at the end, and what is kept here.
fn stays(page: &mut Document, plan: &Plan, course: &Course<'_>, now: &Now) {
    let guarded: Vec<String> = plan
        .volumes
        .iter()
        .filter_map(|protected| {
            let guards = now::guards(protected, now);
            let verb = if guards.len() == 1 { "stays" } else { "stay" };
            (!guards.is_empty()).then(|| {
                format!("{} {verb} on {} ({})", guards.join(" and "), protected.claim.name(), protected.volume.name())
            })
        })
        .collect();
    if guarded.is_empty() && course.fold.archived.is_empty() {
        return;
    }
    page.push(Block::Heading("What stays".into()));
    if !guarded.is_empty() {
        page.say(format!("{}.", guarded.join("; ")));
        page.also(
            "With Retain the disk outlives its PVC; with keep a later helm upgrade leaves the PVC. Leave them on.",
        );
    }
    if !course.fold.archived.is_empty() {
        let archived = count(course.fold.archived.len(), "object");
        let run = plan.digest();
        page.say(format!("{archived} as before the run: `portolan archive list {}`.", run.short()));
    }
}

/// Where a person gives the new host after the upgrade, since no step can: the logins know the old one.
fn logins(page: &mut Document, plan: &Plan, course: &Course<'_>) {
    let mut passed = plan.steps().zip(&course.passed);
    if !passed.any(|(step, _)| matches!(step.kind, StepKind::Helm { .. })) {
        return;
    }
    let changes: Vec<_> = plan.findings.iter().filter(|finding| finding.code == Code::HostChanges).collect();
    if changes.is_empty() {
        return;
    }
    page.push(Block::Heading("Logins".into()));
    for finding in changes {
        page.say(Line::new(Tone::Warn, "Not done by this run").and(format!(": {}.", finding.found)));
        page.also("Users are sent to the old host until somebody gives the new one to:");
        let mut places = Table::new(&["PLACE"]);
        places.rows = finding.evidence.iter().map(|place| vec![place.as_str().into()]).collect();
        page.push(Block::Table(places));
    }
}

/// What can be taken back. Only what was tried is advised.
fn way_back(page: &mut Document, plan: &Plan, course: &Course<'_>, now: &Now) {
    let over = |undo: Undo| -> Vec<usize> {
        let wrote =
            |at: usize| course.passed.get(at).is_some_and(|passed| passed.wrote) || course.in_flight() == Some(at);
        let steps = plan.steps().enumerate();
        steps.filter(|(at, step)| step.undo == undo && wrote(*at)).map(|(at, _)| at).collect()
    };
    let (forward, restore, reverse) = (over(Undo::ForwardOnly), over(Undo::Restore), over(Undo::Reverse));
    if forward.is_empty() && restore.is_empty() && reverse.is_empty() {
        return;
    }
    page.push(Block::Heading("Rolling back".into()));
    if !forward.is_empty() {
        page.say(
            Line::new(Tone::Warn, format!("{} cannot be undone", steps_of(&forward)))
                .and(": what the migrations changed in a database stays changed under an older chart."),
        );
        page.say(format!(
            "There is no tested way back to {}: the API server refuses the older chart where it changes a field that \
             cannot be changed, such as a StatefulSet's volumeClaimTemplates, and helm then stops half-way.",
            plan.from
        ));
        let kept = plan.hops.iter().flat_map(|hop| &hop.changes).any(|one| one.change == Change::Keep);
        page.also(Line::new(Tone::Bad, "Never `helm rollback`").and(if kept {
            ": it does not take over a PVC that was kept, and can fail half-way."
        } else {
            ": it does not take over objects that exist already, and can fail half-way."
        }));
        let guards: Vec<String> = plan
            .volumes
            .iter()
            .map(|protected| {
                format!("{} ({}) is {}", protected.volume.name(), protected.claim.name(), now::guarded(protected, now))
            })
            .collect();
        if !guards.is_empty() {
            page.also(format!("Whatever is tried: {}.", guards.join("; ")));
        }
    }
    put_back(page, plan, course, &restore);
    if !reverse.is_empty() {
        page.also(format!("{} protected the data: leave that on.", steps_of(&reverse)));
    }
}

/// `Steps 7, 8 and 9`, of steps from 0.
fn steps_of(at: &[usize]) -> String {
    let numbers: Vec<String> = at.iter().map(|at| (at + 1).to_string()).collect();
    format!("{} {}", if numbers.len() == 1 { "Step" } else { "Steps" }, all(&numbers))
}

/// What becomes of the objects that these steps (from 0) deleted: they are put back until helm is started, which makes them itself.
fn put_back(page: &mut Document, plan: &Plan, course: &Course<'_>, steps: &[usize]) {
    let target = |at: &usize| match plan.steps().nth(*at).map(|step| &step.kind) {
        Some(StepKind::DeleteObject { target, .. }) => Some(target),
        _ => None,
    };
    let gone = portolan_engine::archive::deleted(plan, &course.fold);
    let is_gone = |at: &usize| target(at).is_some_and(|name| gone.contains(&name));
    let (gone, replaced): (Vec<usize>, Vec<usize>) = steps.iter().copied().partition(is_gone);
    let digest = plan.digest();
    let run = digest.short();
    if !replaced.is_empty() {
        let made = |at: &usize| {
            let since = plan.steps().enumerate().skip(*at).filter(|(helm, _)| course.is_over(*helm));
            let mut helms = since.filter_map(|(_, step)| step.helm_run());
            target(at).is_some_and(|name| helms.any(|helm| helm.docs.contains_key(name)))
        };
        let objects = if replaced.len() == 1 { "this object" } else { "these objects" };
        let why = if replaced.iter().all(made) {
            format!("the new chart has made {objects} again")
        } else {
            "helm has installed the new chart since".to_owned()
        };
        page.say(format!(
            "{}: {why}; there is nothing to put back. `portolan archive export {run}` writes the copies.",
            steps_of(&replaced)
        ));
    }
    if gone.is_empty() {
        return;
    }
    if course.fold.helm_started {
        page.say(format!(
            "{}: helm was started since, and may have made what was deleted again: `portolan apply {run}` reads how it ended.",
            steps_of(&gone)
        ));
    } else {
        let objects = if gone.len() == 1 { "the deleted object" } else { "the deleted objects" };
        page.say(format!("{}: `portolan archive restore {run}` puts back {objects}.", steps_of(&gone)));
    }
}

fn next(page: &mut Document, plan: &Plan, course: &Course<'_>) {
    let apply = format!("portolan apply {}", plan.digest().short());
    match &course.fold.outcome {
        Some(Outcome::Finished) => page.then_next(
            format!("portolan verify {}", plan.digest().short()),
            "checks volumes and database again, at any time",
        ),
        Some(Outcome::Drifted { .. }) => {
            page.then_next(plan.command(), "makes the plan for what is there now");
        }
        Some(Outcome::Halted { finding }) => page.push(Block::Next(ways_on(plan, finding, course.done() + 1))),
        _ => page.then_next(apply, format!("goes on at step {}", course.done() + 1)),
    }
}

/// What to do where a run halted at a step, from 1.
pub(crate) fn ways_on(plan: &Plan, finding: &portolan_model::Finding, step: usize) -> Vec<(String, String)> {
    let run = plan.digest();
    let mut ways = vec![(finding.next.clone(), String::new())];
    if !finding.next.contains("portolan apply") && !finding.code.ends_its_run() {
        let note = format!("looks again at step {step}");
        ways.push((format!("portolan apply {}", run.short()), note));
    }
    let verify = |note: &str| (format!("portolan verify {}", run.short()), note.to_owned());
    match finding.code {
        Code::HelmFailed => ways.push(verify("checks everything where the plan's helm command was run by hand")),
        // The release stays as it is, however often the step looks at it.
        Code::ManifestDiffers => {
            ways.pop();
            ways.push(verify("checks volumes and database of what helm deployed"));
        }
        _ => {}
    }
    ways
}

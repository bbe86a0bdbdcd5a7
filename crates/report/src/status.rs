//! Where a run is.

use portolan_engine::Phase;
use portolan_model::{Entry, Finding, Outcome, Plan};

use crate::course::Course;
use crate::page::{Block, Document, Table};
use crate::text::{Line, Tone};
use crate::words::{all, count, journey, releases, span, time};
use crate::{finding, run, steps};

/// What is done, what is safe, what is down, and what to do next. `folder` is the run's.
#[must_use]
pub fn status(plan: &Plan, entries: &[Entry], folder: &str) -> Document {
    let course = Course::of(plan, entries);
    let mut page = Document::default();
    page.push(Block::Facts(facts(plan, &course, folder)));
    page.say(assessment(plan, &course));
    for line in down(plan, &course) {
        page.also(line);
    }
    page = page.then(finding::findings(&findings(&course)));
    if !plan.volumes.is_empty() {
        page.push(Block::Table(volumes(plan, &course)));
    }
    page.push(Block::Table(table(plan, &course)));
    next(&mut page, plan, &course, folder);
    page
}

fn facts(plan: &Plan, course: &Course<'_>, folder: &str) -> Vec<(&'static str, Line)> {
    let digest = plan.digest();
    let mut facts = vec![
        (
            "Run",
            Line::new(Tone::Strong, digest.short()).and(format!(
                "   {}   {} of {} done",
                journey(plan),
                course.done(),
                count(course.total(), "step")
            )),
        ),
        ("Release", format!("{}   {}", releases(plan), plan.server).into()),
        ("Folder", folder.into()),
    ];
    if course.from > 0 {
        facts.push(("Times", times(course)));
    }
    facts
}

/// When it began, when its last record was written, how often it was started again, and where.
pub(crate) fn times(course: &Course<'_>) -> Line {
    let again = match course.resumed {
        0 => String::new(),
        1 => "   started again once".into(),
        times => format!("   started again {times} times"),
    };
    let took = span(course.until.saturating_sub(course.from));
    let hosts = if course.hosts.is_empty() { String::new() } else { format!("   on {}", all(&course.hosts)) };
    format!("{} to {}   {took}{again}{hosts}", time(course.from), time(course.until)).into()
}

/// The state of the run, in one line.
pub(crate) fn assessment(plan: &Plan, course: &Course<'_>) -> Line {
    let (done, total) = (course.done(), course.total());
    let here = plan.step(course.fold.step).map(steps::title).unwrap_or_default();
    let step = format!("step {} of {total} ({here})", done + 1);
    match &course.fold.outcome {
        Some(Outcome::Finished) => {
            Line::new(Tone::Good, "Finished").and(format!(": all {} are done and verified.", count(total, "step")))
        }
        Some(Outcome::StoppedSafely) if course.in_flight().is_some() && !course.leaves_helm() => {
            Line::new(Tone::Warn, "Stopped safely")
                .and(format!(" in {step}: its write was sent, and what came of it is read when the run goes on."))
        }
        Some(Outcome::StoppedSafely) if course.nothing_written => {
            "Stopped before the first write; nothing was written.".into()
        }
        Some(Outcome::StoppedSafely) if course.leaves_helm() => Line::new(Tone::Warn, "Stopped")
            .and(format!(" in {step}; helm was left running, and applying the run again waits for it.")),
        Some(Outcome::StoppedSafely) => {
            Line::new(Tone::Warn, "Stopped safely").and(format!(" after step {done} of {total}."))
        }
        Some(Outcome::Drifted { .. }) => Line::new(Tone::Warn, "Refused").and("; nothing was written."),
        Some(Outcome::Halted { .. }) => {
            let wrote = if course.nothing_written { "; nothing was written." } else { "." };
            Line::new(Tone::Bad, "Halted").and(format!(" in {step}{wrote}"))
        }
        None if !course.fold.started => "Not begun; nothing was written.".into(),
        None if !course.fold.bound => "Begun; nothing was written yet.".into(),
        None => {
            let phase = match (course.fold.phase, &course.fold.pursuit) {
                (Phase::Look, None) => "nothing of it was sent",
                (Phase::Look, Some(_)) => "whether it was carried out is not known yet",
                (Phase::Go, _) => "its intent is recorded; it may have been sent",
                (Phase::Sent, _) => "it was sent; its result is not known yet",
                (Phase::Check, _) => "it was sent; its result was not read back yet",
            };
            Line::new(Tone::Warn, "Not finished").and(format!(": the last record is of {step}: {phase}."))
        }
    }
}

/// What the journal says of a pod; whether the pod runs now is not asked.
const NOT_AGAIN: &str = " and has not been started again by it";

/// What the run has stopped and not started again, by its journal: the cluster is not asked.
fn down(plan: &Plan, course: &Course<'_>) -> Vec<Line> {
    let down = course.down();
    let mut lines = Vec::new();
    for database in &plan.databases {
        let Some((_, back)) = down.iter().find(|(pod, _)| **pod == database.pod) else { continue };
        let mut line = Line::from(format!("Database {} on {} ", database.database, database.pod.name()))
            .with(Tone::Bad, format!("was stopped by this run{NOT_AGAIN}"));
        if let Some(protected) = course.volume_of(&database.pod) {
            let guards: Vec<&str> = course.guards(protected).iter().map(|(guard, _)| *guard).collect();
            let guards = if guards.is_empty() {
                "nothing set by this run".into()
            } else {
                format!("this run set {}", guards.join(", "))
            };
            line = line.and(format!("; its data is on {} ({guards})", protected.volume.name()));
        }
        lines.push(line.and(".").and(course.brought_back(*back, None)));
    }
    let mut others: Vec<String> = down
        .iter()
        .filter(|(pod, _)| !plan.databases.iter().any(|database| database.pod == **pod))
        .map(|(pod, _)| pod.name().to_owned())
        .collect();
    others.dedup();
    if !others.is_empty() {
        let (what, was) = if others.len() == 1 { ("Pod", "was") } else { ("Pods", "were") };
        let line = Line::from(format!("{what} {} {was} ", all(&others)));
        let again = if others.len() == 1 { NOT_AGAIN } else { " and have not been started again by it" };
        lines.push(line.with(Tone::Bad, format!("stopped by this run{again}")).and("."));
    }
    lines
}

/// What stopped it.
pub(crate) fn findings(course: &Course<'_>) -> Vec<Finding> {
    match &course.fold.outcome {
        Some(Outcome::Drifted { findings }) => findings.clone(),
        Some(Outcome::Halted { finding }) => vec![finding.clone()],
        _ => Vec::new(),
    }
}

fn volumes(plan: &Plan, course: &Course<'_>) -> Table {
    let mut table = Table::new(&["VOLUME", "PVC", "SET BY THIS RUN", "VERIFIED"]);
    let unset = if is_over(course) { "nothing" } else { "nothing yet" };
    for protected in &plan.volumes {
        let guards: Vec<String> =
            course.guards(protected).iter().map(|(guard, step)| format!("{guard} (step {step})")).collect();
        table.rows.push(vec![
            protected.volume.name().into(),
            protected.claim.name().into(),
            if guards.is_empty() { Line::new(Tone::Warn, unset) } else { guards.join(", ").into() },
            match course.verified(protected) {
                Some(Ok(step)) => Line::new(Tone::Good, format!("in step {step}")),
                Some(Err(step)) => format!("not yet: step {step}").into(),
                None => "no step verifies it".into(),
            },
        ]);
    }
    table
}

/// Whether nothing more comes of the run: it has finished, was refused, or cannot go on.
fn is_over(course: &Course<'_>) -> bool {
    match &course.fold.outcome {
        Some(Outcome::Finished | Outcome::Drifted { .. }) => true,
        Some(Outcome::Halted { finding }) => finding.code.ends_its_run(),
        Some(Outcome::StoppedSafely) | None => false,
    }
}

/// Every step with what came of it.
fn table(plan: &Plan, course: &Course<'_>) -> Table {
    let mut table = Table::new(&["STEP", "WHAT", "STATE", "NOTE"]).right(0);
    for (at, step) in plan.steps().enumerate() {
        let (state, note) = match course.passed.get(at) {
            Some(passed) => (state(step, passed.wrote), passed.note.as_str()),
            None if at == course.done() && course.fold.bound => (Line::new(Tone::Warn, "here"), ""),
            None => (Line::new(Tone::Dim, "to come"), ""),
        };
        table.rows.push(vec![(at + 1).to_string().into(), steps::title(step).into(), state, note.into()]);
    }
    table
}

/// A word for a step that is over.
pub(crate) fn state(step: &portolan_model::Step, wrote: bool) -> Line {
    if had_nothing_to_write(step, wrote) { "already".into() } else { "done".into() }
}

/// Whether a step that is over found done what it would have written.
pub(crate) fn had_nothing_to_write(step: &portolan_model::Step, wrote: bool) -> bool {
    let writes = !step.kind.writes().is_empty() || matches!(step.kind, portolan_model::StepKind::Helm { .. });
    writes && !wrote
}

fn next(page: &mut Document, plan: &Plan, course: &Course<'_>, folder: &str) {
    let apply = format!("portolan apply {}", plan.digest().short());
    let step = course.done() + 1;
    match &course.fold.outcome {
        Some(Outcome::Finished) => {
            page.say(format!("Report: {folder}/report.md"));
            page.then_next(
                format!("portolan verify {}", plan.digest().short()),
                "checks volumes and database again, at any time",
            );
        }
        Some(Outcome::Drifted { .. }) => {
            page.then_next(plan.command(), "makes the plan for what is there now");
        }
        Some(Outcome::Halted { finding }) => page.push(Block::Next(run::ways_on(plan, finding, step))),
        _ if course.fold.started => page.then_next(apply, format!("goes on at step {step}")),
        _ => page.then_next(apply, "begins"),
    }
}

//! What a look after the run saw.

use portolan_engine::{Fold, StepNote};
use portolan_model::{
    Baseline, Check, CheckState, Code, Comparison, Finding, Outcome, Plan, RecordedDatabase, ReleaseFact, ReleaseId,
    ReleaseStatus, RouteLook, RouteSeen, Step,
};

use crate::page::{Block, Document, Table};
use crate::steps;
use crate::text::{Line, Tone};
use crate::words::{all, count, journey, short, thousands, time};

/// Which cluster, release and run a look is about.
#[must_use]
pub fn looked_at(plan: &Plan, folder: &std::path::Path) -> Document {
    let digest = plan.digest();
    let facts = vec![
        ("Run", Line::new(Tone::Strong, digest.short()).and(format!("   {}   {}", journey(plan), folder.display()))),
        ("Release", all(&plan.releases().map(in_namespace).collect::<Vec<_>>()).into()),
        ("Server", format!("{}   cluster {}", plan.server, short(&plan.cluster)).into()),
    ];
    Document { blocks: vec![Block::Facts(facts)] }
}

/// The check that a verifying step is: what it saw, or why it does not hold; `None` where it was not looked at.
#[must_use]
pub fn step_check(step: &Step, seen: Option<Result<StepNote, Finding>>) -> Check {
    let (state, seen, finding) = match seen {
        Some(Ok(note)) => (CheckState::Holds, note.text, None),
        Some(Err(finding)) => (CheckState::Differs, finding.found.clone(), Some(finding)),
        None => (CheckState::Unseen, String::new(), None),
    };
    Check { what: steps::thing(&step.kind), state, seen, finding }
}

/// What each check saw. Findings are no part of this page, nor is `undone`, why the run that was looked at has not done its work.
#[must_use]
pub fn verification(checks: &[Check], outcome: &Outcome, undone: Option<&Finding>) -> Document {
    let mut table = Table::new(&["CHECK", "STATE", "SEEN"]);
    table.rows.extend(checks.iter().map(row));
    let of = |state: CheckState| checks.iter().filter(|check| check.state == state).count();
    let (differ, unseen) = (of(CheckState::Differs), of(CheckState::Unseen));
    let mut held = format!(" {} of {} hold", checks.len() - differ - unseen, count(checks.len(), "check"));
    if unseen > 0 {
        held.push_str(&format!(", {unseen} not looked at"));
    }
    held.push('.');
    let words = match outcome {
        Outcome::Finished if differ > 0 => Line::new(Tone::Bad, "Not everything is as it was left.").and(held),
        Outcome::Finished if undone.is_some() => Line::new(Tone::Bad, "The upgrade is not done: see below.").and(held),
        Outcome::Finished => Line::new(Tone::Good, "Everything that was looked at is as it was left.").and(held),
        Outcome::StoppedSafely => Line::new(Tone::Warn, "Stopped before everything was looked at.").and(held),
        _ => Line::new(Tone::Bad, "Not everything is as it was left.").and(held),
    };
    Document { blocks: vec![Block::Table(table), Block::Text(vec![words])] }
}

fn in_namespace(release: &ReleaseId) -> String {
    format!("{} in namespace {}", release.name, release.namespace)
}

/// A run that ended, or was cut off, before its last step: `None` where it is finished, or halted, which [`undone`] tells.
#[must_use]
pub fn unfinished(plan: &Plan, known: &Fold) -> Option<Finding> {
    let total = plan.steps().count();
    let is_open = matches!(known.outcome, None | Some(Outcome::StoppedSafely)) && (known.step as usize) < total;
    is_open.then(|| {
        let digest = plan.digest();
        let found =
            format!("run {} is not finished: {} of {} are done", digest.short(), known.step, count(total, "step"));
        Finding::blocking(Code::RunNotFinished, found).next(format!("portolan apply {}", digest.short()))
    })
}

/// Why a run that halted has not done its work; `None` where the newest revision says that it is done all the same, as after the plan's
/// helm command was run by hand. `newest` is that revision, where it can be read.
#[must_use]
pub fn undone(plan: &Plan, known: &Fold, newest: Option<&ReleaseFact>) -> Option<Finding> {
    let Some(Outcome::Halted { finding: halt }) = &known.outcome else { return None };
    let (_, run) = plan.helms().last().filter(|(op, _)| !op.is_uninstall())?;
    let (_, to) = plan.charts_of(&run.release)?;
    // What it says of one release says nothing of another.
    let to_come = || plan.steps().skip(known.step as usize).filter_map(Step::helm_run);
    let is_alone = to_come().all(|other| other.release == run.release);
    let is_target = |fact: &ReleaseFact| {
        let is_newer = Some(fact.revision) > run.base_revision;
        is_alone && is_newer && fact.status == ReleaseStatus::Deployed && fact.chart == *to
    };
    let was_helm = to_come().next().is_none();
    if newest.map_or(was_helm, is_target) {
        return None;
    }
    let here = plan.step(known.step).map(steps::title).unwrap_or_default();
    let found = format!("the run halted in step {} of {} ({here})", known.step + 1, plan.steps().count());
    let revision = match newest {
        Some(fact) => format!("the newest revision is {}: {}, {}", fact.revision, fact.status, fact.chart),
        None => "the newest revision could not be read".to_owned(),
    };
    let digest = plan.digest();
    let next = if halt.code.ends_its_run() {
        format!("portolan status {}", digest.short())
    } else {
        format!("portolan status {0} says what to do, then portolan apply {0}", digest.short())
    };
    Some(
        Finding::blocking(Code::RunNotFinished, found)
            .with(revision)
            .with(format!("it halted with {}: {}", halt.code, halt.found))
            .why("the checks are about the data; the release is not the one that the plan leads to")
            .next(next),
    )
}

/// What the routes answer; nothing where there is none.
#[must_use]
pub fn routes(looks: &[RouteLook]) -> Document {
    if looks.is_empty() {
        return Document::default();
    }
    let mut table = Table::new(&["ROUTE", "ADDRESS", "STATE", "SEEN"]);
    for look in looks {
        let (state, seen) = match &look.seen {
            RouteSeen::Answers { status, certificate } => {
                let seen = match certificate {
                    Some(why) => format!("status {status}; its certificate does not verify here: {why}"),
                    None => format!("status {status}"),
                };
                (Line::new(Tone::Good, "answers"), seen)
            }
            RouteSeen::Fails { status } => (Line::new(Tone::Bad, "does not answer"), format!("status {status}")),
            RouteSeen::Broken { why } => (Line::new(Tone::Bad, "does not answer"), why.clone()),
            RouteSeen::Unseen { why } => (Line::new(Tone::Warn, "not asked"), format!("not reached from here: {why}")),
        };
        table.rows.push(vec![look.route.to_string().into(), look.address.as_str().into(), state, seen.into()]);
    }
    let answer = looks.iter().filter(|look| matches!(look.seen, RouteSeen::Answers { .. })).count();
    let verb = if looks.len() == 1 { "answers" } else { "answer" };
    let words = format!("{answer} of {} {verb}.", count(looks.len(), "route"));
    Document { blocks: vec![Block::Table(table), Block::Text(vec![words.into()])] }
}

/// What was written to a baseline's file.
#[must_use]
pub fn baseline(baseline: &Baseline) -> Document {
    let mut facts = vec![
        ("Server", Line::from(format!("{}   cluster {}", baseline.server, short(&baseline.cluster)))),
        ("Release", format!("{}   {} revision {}", baseline.release, baseline.chart, baseline.revision).into()),
        ("Taken", time(baseline.taken).into()),
    ];
    for volume in &baseline.volumes {
        let on = volume.volume.as_ref().map_or("not bound", |volume| volume.name());
        facts.push(("PVC", format!("{}   {on}", volume.claim.name()).into()));
    }
    for RecordedDatabase { database, snapshot: seen } in &baseline.databases {
        let rows: u64 = seen.tables.values().map(|table| table.rows).sum();
        let rows = thousands(usize::try_from(rows).unwrap_or(usize::MAX));
        let digests = if seen.tables.values().any(|table| table.digest.is_some()) { ", with digests" } else { "" };
        let tables = count(seen.tables.len(), "table");
        facts.push(("Database", format!("{}   {tables}, {rows} rows{digests}", database.pod.name()).into()));
    }
    let ready = baseline.workloads.iter().filter(|workload| workload.ready).count();
    facts.push(("Workloads", format!("{ready} of {} ready", baseline.workloads.len()).into()));
    Document { blocks: vec![Block::Facts(facts)] }
}

fn row(check: &Check) -> Vec<Line> {
    let state = match check.state {
        CheckState::Holds => Line::new(Tone::Good, "holds"),
        CheckState::Differs => Line::new(Tone::Bad, "does not hold"),
        CheckState::Changed => Line::new(Tone::Plain, "changed"),
        CheckState::Unseen => Line::new(Tone::Warn, "not looked at"),
    };
    vec![check.what.as_str().into(), state, check.seen.as_str().into()]
}

/// What an installation is, compared with what it was. What is wrong is told by findings, which are not part of this page.
#[must_use]
pub fn comparison(compared: &Comparison) -> Document {
    let mut table = Table::new(&["CHECK", "STATE", "SEEN"]);
    table.rows.extend(compared.checks.iter().map(row));
    let differ = compared.checks.iter().filter(|check| check.state == CheckState::Differs).count();
    let since = format!(" since {}.", time(compared.taken));
    let words = if differ == 0 {
        Line::new(Tone::Good, "Nothing that was kept was lost or replaced").and(since)
    } else {
        let verb = if differ == 1 { "does" } else { "do" };
        Line::new(Tone::Bad, format!("{} {verb} not hold", count(differ, "check"))).and(since)
    };
    Document { blocks: vec![Block::Table(table), Block::Text(vec![words])] }.then(routes(&compared.routes))
}

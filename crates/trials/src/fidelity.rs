//! Do rehearsal and reality agree? Each case is rehearsed from a survey of the real installation and then carried out,
//! once for each outcome that was predicted; every outcome seen has to be predicted, and every predicted one seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use portolan_model::{
    Action, Effect, End, Event, JournalRecord, Outcome, PlanFile, ProtectedVolume, StepKind, Uid, Verdict, VolumeEnd,
};
use portolan_recipe::{PageLine, PageOp, PageReading, RecipeSet};
use portolan_rehearse::{Options, Subject, World};
use portolan_testkit::proxy::Proxy;
use portolan_testkit::rig::Rig;
use serde::Deserialize;

use crate::effects::{AuditLog, UNSEEN};
use crate::real::{ClusterFixture, Data, Place, Watched, past_checks, waiting_in_vain};
use crate::side_by_side;

/// A start and a way to go from it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The start.
    pub start: String,
    /// By a plan with these steps left out.
    #[serde(default)]
    pub without: Vec<String>,
    /// By typing this reading of the page, in place of a plan.
    #[serde(default)]
    pub page: Option<String>,
    /// Which volume is looked at.
    #[serde(default)]
    pub volume: Data,
    /// What has to be seen at least once: a verdict, or `stopped`.
    #[serde(default)]
    pub harm: Option<String>,
    /// Whether `cargo xtask test` carries it out as well.
    #[serde(default = "yes")]
    pub always: bool,
}

fn yes() -> bool {
    true
}

/// All cases.
///
/// # Panics
/// Where our own file is broken, which a test has seen.
#[must_use]
pub fn cases() -> Vec<Case> {
    serde_saphyr::from_str(include_str!("../fidelity.yaml")).expect("fidelity.yaml is readable")
}

impl Case {
    /// The case's name.
    #[must_use]
    pub fn name(&self) -> String {
        let way = match &self.page {
            Some(reading) => format!("the page, {reading}"),
            None if self.without.is_empty() => "all steps".into(),
            None => format!("without {}", self.without.join(", ")),
        };
        if self.volume == Data::Metrics { format!("metrics: {way}") } else { way }
    }
}

/// An outcome: how it ended, and what a later loss of all pods makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// When nothing moved any more.
    pub quiet: VolumeEnd,
    /// After every pod was deleted once more.
    pub drained: Verdict,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {})", self.quiet.verdict, self.quiet.end, self.quiet.release)?;
        if self.drained == self.quiet.verdict { Ok(()) } else { write!(f, ", then {}", self.drained) }
    }
}

/// What brings an order of events about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Force {
    /// Nothing.
    Nothing,
    /// No pod may start until helm has ended.
    PodsHeld,
    /// Helm's delete of the PVC is held until the new pod runs.
    DeleteHeld,
}

impl std::fmt::Display for Force {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "as it comes",
            Self::PodsHeld => "pods held until helm has ended",
            Self::DeleteHeld => "helm's delete held until the new pod runs",
        })
    }
}

/// A case with what was predicted and what was seen.
#[derive(Clone, Debug)]
pub struct Row {
    /// The case.
    pub case: Case,
    /// The helm.
    pub helm: String,
    /// What the rehearsals predicted.
    pub predicted: BTreeSet<Seen>,
    /// What was seen, and how it was brought about.
    pub seen: BTreeMap<Force, Seen>,
    /// The rules that the rehearsals followed.
    pub rules: BTreeSet<&'static str>,
    /// Those whose effects the API server's audit log has.
    pub effects: BTreeSet<&'static str>,
}

impl Row {
    /// What was seen and not predicted, or predicted and not seen.
    #[must_use]
    pub fn disagreements(&self) -> Vec<String> {
        let seen: BTreeSet<Seen> = self.seen.values().copied().collect();
        let surprise = seen.difference(&self.predicted).map(|seen| format!("seen and not predicted: {seen}"));
        let missing = self.predicted.difference(&seen).map(|seen| format!("predicted and not seen: {seen}"));
        surprise.chain(missing).chain(self.harmless()).collect()
    }

    /// Where a case has to do harm and none was seen.
    fn harmless(&self) -> Option<String> {
        let harm = self.case.harm.as_ref()?;
        let does = |seen: &Seen| {
            let verdicts = [seen.quiet.verdict, seen.drained].map(|verdict| verdict.to_string());
            if harm == "stopped" { seen.quiet.end == End::Stopped } else { verdicts.contains(harm) }
        };
        (!self.seen.values().any(does)).then(|| format!("no harm was seen: {harm}"))
    }
}

/// Carries a case out, once as it comes and then, where more than one outcome is predicted, by force.
///
/// # Errors
/// Where the rig does not do what is asked of it.
pub fn trial(case: &Case, helm: &str) -> Result<Row> {
    let place = Place::of(&case.start)?;
    let mut row = Row {
        case: case.clone(),
        helm: helm.into(),
        predicted: BTreeSet::new(),
        seen: BTreeMap::new(),
        rules: BTreeSet::new(),
        effects: BTreeSet::new(),
    };
    for force in [Force::Nothing, Force::PodsHeld, Force::DeleteHeld] {
        if force != Force::Nothing && row.predicted.len() < 2 {
            break;
        }
        let ((predicted, rules), seen, effects) = once(&place.rig, case, helm, force)
            .with_context(|| format!("{}, {}, helm {helm}, {force}", case.start, case.name()))?;
        row.predicted.extend(predicted);
        row.rules.extend(rules);
        row.effects.extend(effects);
        row.seen.insert(force, seen);
    }
    Ok(row)
}

fn once(rig: &Rig, case: &Case, helm: &str, force: Force) -> Result<(Prediction, Seen, BTreeSet<&'static str>)> {
    let mut site = ClusterFixture::install(rig, &case.start, helm)?;
    site.write_rows(100)?;
    let watched = site.watched(case.volume)?;
    let without: Vec<&str> = match case.page {
        None => case.without.iter().map(String::as_str).collect(),
        // The page gives the chart no password.
        Some(_) => vec!["carry-credentials"],
    };
    let (found, file) = site.plan(&["2.20"], &without)?;
    // A simulation has no API server to ask: compared is what happens past the check.
    let file = past_checks(file);
    let world = site.world(&found, &file);
    let reading = case.page.as_deref().map(reading).transpose()?;
    let lines = reading.as_ref().map(|reading| reading.filled("runai.apps.rig.example.com", &site.release()));
    let subject = match &lines {
        Some(lines) => {
            let run = file.plan.helm_runs().next().context("the page upgrades with helm")?;
            Subject::Script(portolan_rehearse::page_script(lines, &world, run).context("the stored manifest is known")?)
        }
        None => Subject::Plan(Arc::new(file.plan.clone())),
    };
    let predicted = predict(&world, &subject, &watched.protected);
    let may_stop = predicted.0.iter().any(|seen| seen.quiet.end == End::Stopped);
    let file = if may_stop { waiting_in_vain(file) } else { file };
    let log = AuditLog::beside(&rig.kubeconfig(), volumes_of(&site)?)?;
    let proxy = Proxy::start(rig)?;
    site.through(proxy.kubeconfig())?;
    let over = AtomicBool::new(false);
    let old = site.pod_uid(&watched)?;
    let end = std::thread::scope(|scope| {
        if force == Force::DeleteHeld {
            scope.spawn(|| hold_delete(&site, &proxy, &watched, old.as_ref(), &over));
        }
        let end = carry_out(&site, &file, lines.as_deref(), force);
        over.store(true, Ordering::SeqCst);
        end
    })?;
    let quiet = site.look(&watched, end)?;
    site.delete_pods()?;
    let drained = site.look(&watched, end)?.verdict;
    let effects = log.rules(site.space().name(), &volumes_of(&site)?)?;
    Ok((predicted, Seen { quiet, drained }, effects))
}

/// The names of the volumes that are bound to the site's PVCs.
fn volumes_of(site: &ClusterFixture<'_>) -> Result<BTreeSet<String>> {
    let list = site.space().find("api/v1", "persistentvolumeclaims")?.context("PVCs can be listed")?;
    let claims = list["items"].as_array().cloned().unwrap_or_default();
    Ok(claims.iter().filter_map(|claim| claim["spec"]["volumeName"].as_str().map(str::to_owned)).collect())
}

/// The outcomes, and the rules that led to them.
type Prediction = (BTreeSet<Seen>, BTreeSet<&'static str>);

/// Every outcome in every order of events, and what the loss of all pods makes of it.
fn predict(world: &World, subject: &Subject, protected: &ProtectedVolume) -> Prediction {
    let (ends, rules) = portolan_rehearse::ends(world, subject, protected, Options::orders());
    let seen =
        ends.into_iter().map(|(quiet, world)| Seen { quiet, drained: portolan_rehearse::drained(&world, protected) });
    (seen.collect(), rules)
}

/// A reading of the page by its name.
///
/// # Errors
/// Where there is none.
pub fn reading(name: &str) -> Result<PageReading> {
    let page = RecipeSet::builtin().page.context("there is a page")?;
    page.readings.into_iter().find(|reading| reading.name == name).context("there is such a reading")
}

fn carry_out(site: &ClusterFixture<'_>, file: &PlanFile, lines: Option<&[PageLine]>, force: Force) -> Result<End> {
    if let Some(lines) = lines {
        let mut failed = Ok(());
        site.type_page(lines, &mut |line| {
            if force == Force::PodsHeld && matches!(line.op, PageOp::HelmUpgrade { .. }) {
                failed = site.hold_pods();
            }
        })?;
        failed?;
        if force == Force::PodsHeld {
            site.release_pods()?;
        }
        return Ok(End::Finished);
    }
    let mut failed = Ok(());
    let (outcome, _) = site.apply(file, &mut |event| {
        if force != Force::PodsHeld || failed.is_err() {
            return;
        }
        if let Event::Recorded(record) = event {
            match &**record {
                JournalRecord::Intent { action, .. } if matches!(&**action, Action::Helm { .. }) => {
                    failed = site.hold_pods();
                }
                JournalRecord::Effect { effect: Effect::Settled, step } if is_helm(file, step.index) => {
                    failed = site.release_pods();
                }
                _ => {}
            }
        }
    })?;
    failed?;
    Ok(if outcome == Outcome::Finished { End::Finished } else { End::Stopped })
}

fn is_helm(file: &PlanFile, index: u32) -> bool {
    file.plan.step(index).is_some_and(|step| matches!(step.kind, StepKind::Helm { .. }))
}

/// Holds helm's delete of the PVC back until another pod runs on it. Where helm sends none, nothing is held.
fn hold_delete(site: &ClusterFixture<'_>, proxy: &Proxy, watched: &Watched, old: Option<&Uid>, over: &AtomicBool) {
    let path = format!("/persistentvolumeclaims/{}", watched.protected.claim.name());
    let hold = proxy.hold(move |seen| seen.method == "DELETE" && seen.path.ends_with(&path));
    while !over.load(Ordering::SeqCst) {
        if hold.wait_parked(Duration::from_millis(200)).is_ok() {
            let runs = site.space().wait("the new pod", |_| site.runs_anew(watched, old));
            drop(runs);
            break;
        }
    }
    hold.release();
}

/// The rows as a page of the docs.
#[must_use]
pub fn page(rows: &[Row], date: &str) -> String {
    let mut text = format!(
        "# Rehearsal and reality\n\nWritten by `cargo xtask fidelity` on {date}; do not edit it. Each case was rehearsed from a \
         survey of a real installation (every order of events, nobody dies) and then carried out on a real cluster with a real \
         helm: as it comes, and where more than one outcome was predicted by force, so that each was seen once. An outcome is the \
         verdict of the volume when nothing moves any more, how the run ended, the status of the newest release record, and what \
         becomes of the volume when every pod is deleted once more.\n\n"
    );
    let wrong: usize = rows.iter().map(|row| row.disagreements().len()).sum();
    text.push_str(&format!(
        "{} cases, {} runs, {wrong} disagreements.\n\n",
        rows.len(),
        rows.iter().map(|row| row.seen.len()).sum::<usize>()
    ));
    text.push_str(&rules_seen(rows));
    text.push_str("| start | case | helm | predicted | seen | agrees |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let predicted: Vec<String> = row.predicted.iter().map(ToString::to_string).collect();
        let seen: Vec<String> = row.seen.iter().map(|(force, seen)| format!("{seen}: {force}")).collect();
        let wrong = row.disagreements();
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            row.case.start,
            row.case.name(),
            row.helm,
            predicted.join("<br>"),
            seen.join("<br>"),
            if wrong.is_empty() { "yes".into() } else { wrong.join("<br>") }
        ));
    }
    text
}

/// Which rules the audit logs show, and which they do not.
fn rules_seen(rows: &[Row]) -> String {
    let known = portolan_rehearse::RULES
        .iter()
        .map(|rule| rule.1)
        .chain(portolan_rehearse::HELM_RULES.iter().map(|rule| rule.0));
    let seen: BTreeSet<&str> = rows.iter().flat_map(|row| row.effects.iter().copied()).collect();
    let (shown, others): (Vec<&str>, Vec<&str>) = known.partition(|code| seen.contains(code));
    let (silent, missing): (Vec<&str>, Vec<&str>) = others.into_iter().partition(|code| UNSEEN.contains(code));
    format!(
        "The effects of {} rules are in the API server's audit logs of these runs: {}. {} write nothing, so that no log shows them. \
         In none of these runs: {}.\n\n",
        shown.len(),
        shown.join(", "),
        silent.join(" and "),
        if missing.is_empty() { "none".into() } else { missing.join(", ") }
    )
}

/// Runs cases side by side and returns their rows in order; `told` hears of each that is over.
///
/// # Errors
/// The first error of any case.
pub fn run(cases: &[(Case, String)], at_once: usize, told: &(dyn Fn(&Row) + Sync)) -> Result<Vec<Row>> {
    side_by_side::each(cases, at_once, &|(case, helm)| trial(case, helm), told)
}

/// Writes the page, and what of the rules was checked, into the tree.
///
/// # Errors
/// Where a file cannot be written.
pub fn write(rows: &[Row], root: &Path, date: &str) -> Result<()> {
    fs_err::create_dir_all(root.join("docs"))?;
    fs_err::write(root.join("docs/fidelity.md"), page(rows, date))?;
    let agreeing = || rows.iter().filter(|row| row.disagreements().is_empty());
    let helms: BTreeSet<&str> = agreeing().map(|row| row.helm.as_str()).collect();
    let rules: BTreeSet<&str> = agreeing().flat_map(|row| row.rules.iter().copied()).collect();
    let effects: BTreeSet<&str> = agreeing().flat_map(|row| row.effects.iter().copied()).collect();
    let list = |all: BTreeSet<&str>| all.into_iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "# Written by `cargo xtask fidelity`: what agreed with a real cluster.\ndate: \"{date}\"\nhelms: [{}]\n# Followed by the rehearsals.\nrules: [{}]\n# With effects in the API server's audit log.\nseen: [{}]\n",
        list(helms),
        list(rules),
        list(effects)
    );
    fs_err::write(root.join("crates/fixtures/sims/checked.yaml"), text)?;
    Ok(())
}

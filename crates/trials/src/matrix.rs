//! Pairs of versions, upgraded on the rig with real helm and a real database that holds rows of the trial's own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use portolan_model::{Outcome, ProtectedVolume};
use serde::Deserialize;

use crate::real::{ClusterFixture, Place, Rows};
use crate::side_by_side;

/// How many rows a trial writes before.
pub const ROWS: u32 = 10_000;

/// A start and the way to go from it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The start.
    pub start: String,
    /// The versions, one after the other.
    pub way: Vec<String>,
    /// Whether `cargo xtask test` carries it out as well.
    #[serde(default)]
    pub always: bool,
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}", self.start, self.way.join(" -> "))
    }
}

/// All pairs.
///
/// # Panics
/// Where our own file is broken, which a test has seen.
#[must_use]
pub fn pairs() -> Vec<Pair> {
    serde_saphyr::from_str(include_str!("../matrix.yaml")).expect("matrix.yaml is readable")
}

/// What was seen of a pair under one helm.
#[derive(Clone, Debug)]
pub struct Row {
    /// The pair.
    pub pair: Pair,
    /// The helm.
    pub helm: String,
    /// Each volume before and after: equal where PVC, volume and their UIDs are.
    pub volumes: Vec<(ProtectedVolume, ProtectedVolume)>,
    /// Whether every folder is the one of before.
    pub same_folders: bool,
    /// The rows before.
    pub before: Rows,
    /// The rows after, read with the password of before.
    pub after: Rows,
    /// How the run ended.
    pub outcome: Outcome,
    /// How long survey, plan and run took.
    pub took: Duration,
}

impl Row {
    /// What is not as it has to be.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let checks = [
            (self.outcome == Outcome::Finished, format!("the run ended as {:?}", self.outcome)),
            (self.volumes.iter().all(|(before, after)| before == after), "another PVC or volume".into()),
            (self.same_folders, "another folder".into()),
            (self.before.count == ROWS.to_string(), format!("{} rows were written", self.before.count)),
            (self.before == self.after, format!("{} of {} rows are the same", self.after.count, self.before.count)),
        ];
        checks.into_iter().filter_map(|(holds, complaint)| (!holds).then_some(complaint)).collect()
    }
}

/// Upgrades a pair under one helm on the rig of its platform.
///
/// # Errors
/// Where the rig does not do what is asked of it, or nothing can be planned.
pub fn trial(pair: &Pair, helm: &str) -> Result<Row> {
    let place = Place::of(&pair.start)?;
    let site = ClusterFixture::install(&place.rig, &pair.start, helm)?;
    let before = site.write_rows(ROWS)?;
    let protected_volumes = site.protected_volumes()?;
    let folders = folders(&site, &protected_volumes)?;
    for folder in &folders {
        fs_err::write(folder.join("of-the-trial"), "portolan")?;
    }
    let begin = Instant::now();
    let way: Vec<&str> = pair.way.iter().map(String::as_str).collect();
    let (_, file) = site.plan(&way, &[])?;
    let (outcome, _) = site.apply(&file, &mut |_| {})?;
    let took = begin.elapsed();
    let after = site.protected_volumes()?;
    let marked = folders.iter().all(|folder| folder.join("of-the-trial").exists());
    Ok(Row {
        pair: pair.clone(),
        helm: helm.into(),
        same_folders: marked && self::folders(&site, &after)? == folders,
        volumes: protected_volumes.into_iter().zip(after).collect(),
        after: site.rows()?,
        before,
        outcome,
        took,
    })
}

fn folders(site: &ClusterFixture<'_>, protected_volumes: &[ProtectedVolume]) -> Result<Vec<PathBuf>> {
    protected_volumes.iter().map(|protected| site.disk(protected)).collect()
}

/// Carries out trials side by side and returns their rows in order; `told` hears of each that is over.
///
/// # Errors
/// The first trial that could not be carried out.
pub fn run(trials: &[(Pair, String)], at_once: usize, told: &(dyn Fn(&Row) + Sync)) -> Result<Vec<Row>> {
    let one = |(pair, helm): &(Pair, String)| trial(pair, helm).with_context(|| format!("{pair}, helm {helm}"));
    side_by_side::each(trials, at_once, &one, told)
}

/// The rows as a page of the docs.
#[must_use]
pub fn page(rows: &[Row], date: &str) -> String {
    let kept = rows.iter().filter(|row| row.complaints().is_empty()).count();
    let mut text = format!(
        "# What was upgraded\n\nWritten by `cargo xtask matrix` on {date} from `crates/trials/matrix.yaml`; do not edit it. Each row \
         is an upgrade on a real cluster by a real helm, of our own charts (shaped after the vendor's) with a real PostgreSQL that \
         held {ROWS} rows which the trial wrote itself. Kept means: the run finished, each PVC is on the same volume (UIDs \
         and folder), and a checksum over all of those rows is the same. Seconds are those of survey, plan and run.\n\n\
         {kept} of {} kept everything.\n\n| pair | platform | helm | volumes | PV UID | rows before | rows after | same rows | seconds |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        rows.len()
    );
    for row in rows {
        let platform = row.pair.start.split('-').next().unwrap_or_default();
        let same = row.volumes.iter().all(|(before, after)| before == after) && row.same_folders;
        text.push_str(&format!(
            "| {} | {platform} | {} | {} | {} | {} | {} | {} | {:.0} |\n",
            row.pair,
            row.helm,
            row.volumes.len(),
            if same { "kept" } else { "NOT KEPT" },
            row.before.count,
            row.after.count,
            if row.before == row.after { "yes" } else { "NO" },
            row.took.as_secs_f64()
        ));
    }
    text
}

/// Writes the page into the tree.
///
/// # Errors
/// Where it cannot be written.
pub fn write(rows: &[Row], root: &Path, date: &str) -> Result<()> {
    ensure!(!rows.is_empty(), "nothing was upgraded");
    fs_err::write(root.join("docs/matrix.md"), page(rows, date))?;
    Ok(())
}

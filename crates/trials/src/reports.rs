//! Public reports of data lost, locked or stranded by an upgrade, as small charts of ours: what bare helm does with them, and
//! that Portolan refuses, with object and field, while the same chart without the harmful field stays Safe.

mod answer;
mod chart;
mod harm;
mod live;
mod page;
mod results;
mod run;
mod site;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use chart::{Chart, Delta, Frame};
pub use harm::Harm;
pub use page::page;
pub use results::Results;
pub use run::{HarmSeen, Outcome, Trial, TrialState, harms, plans, trials};
pub use site::CaseFixture;

/// A row of the reports: one cause, and cases of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// What happened to people, in one line.
    pub title: String,
    /// What the right answer is.
    pub answer: String,
    /// The cases.
    pub cases: Vec<Case>,
}

/// A pair of charts and what is to be said of an upgrade from one to the other.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name, unique among all cases.
    pub name: String,
    /// The public thread that reports it.
    pub thread: Option<String>,
    /// The helms for which it holds, where it is not all of them. `cargo xtask test` runs it under these, or else under one.
    pub only: Option<Vec<String>>,
    /// What Portolan has to say.
    pub expect: Option<Expect>,
    /// What bare helm does; all of it has to be seen.
    pub harm: Vec<Harm>,
    /// What is to be known beside it.
    pub note: Option<String>,
    /// The harmful upgrade; for a harmless change, the upgrade.
    pub upgrade: Value,
    /// The same without what is harmful.
    pub twin: Option<Value>,
    /// Whether the harmless side is applied, not only planned.
    pub apply: bool,
    /// Whether the harmful side is applied: what it does is said only afterwards.
    pub afterwards: bool,
    /// Whether the test command runs it; `cargo xtask reports` runs every case.
    pub always: bool,
}

/// What Portolan has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The code.
    pub code: String,
    /// The object, as `Kind/name`.
    pub object: String,
    /// A part of the field's pointer or path; empty where the whole object is meant.
    #[serde(default)]
    pub field: String,
    /// Whether the plan is refused for it, which it is where nothing is said; otherwise it is a warning or a note.
    #[serde(default = "yes")]
    pub blocks: bool,
}

/// An upgrade of the frame's chart from 2.13.0 to 2.20.0.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// Where the PVC comes from.
    #[serde(default)]
    pub frame: Frame,
    /// Changes of every chart.
    #[serde(default)]
    pub both: Delta,
    /// Changes of 2.13.0.
    #[serde(default)]
    pub old: Delta,
    /// Changes of 2.17.0; without them there is no such chart.
    #[serde(default)]
    pub middle: Option<Delta>,
    /// Changes of 2.20.0.
    #[serde(default)]
    pub new: Delta,
    /// The values of the installation, as a file.
    #[serde(default)]
    pub values: Value,
    /// The values of the installation, as `--set`.
    #[serde(default)]
    pub set: Vec<String>,
    /// What is done after the installation.
    #[serde(default)]
    pub prepare: Vec<Prepare>,
    /// Whether the installation becomes ready.
    #[serde(default = "yes")]
    pub ready: bool,
    /// Options of the upgrade that helm and Portolan both take.
    #[serde(default)]
    pub options: Vec<String>,
    /// Values given at the upgrade, as a file.
    #[serde(default)]
    pub more: Value,
    /// A folder of recipes in `recipes`, in place of the built-in ones.
    #[serde(default)]
    pub recipes: Option<String>,
    /// The PVCs that hold data; the frame's where none is named.
    #[serde(default)]
    pub data: Vec<String>,
}

fn yes() -> bool {
    true
}

/// Something done to an installation before its upgrade.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prepare {
    /// An object is made.
    Create(Value),
    /// An object is changed by a merge patch.
    Patch(Patch),
    /// Fields of an object are applied on the server side, by another manager than helm.
    Apply(Value),
    /// kubectl, in the release's namespace.
    Kubectl(Vec<String>),
}

/// A merge patch of an object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// The object, as `Kind/name`.
    pub object: String,
    /// The patch.
    pub with: Value,
    /// The field manager; kubectl's own where none is named.
    #[serde(default)]
    pub manager: Option<String>,
}

impl Upgrade {
    /// The PVCs that hold data.
    #[must_use]
    pub fn data(&self) -> Vec<String> {
        match self.frame {
            _ if !self.data.is_empty() => self.data.clone(),
            Frame::Claim => vec!["store".into()],
            Frame::Template => vec!["data-store-0".into()],
        }
    }

    /// The folder of its recipes; `None` for the built-in ones.
    #[must_use]
    pub fn recipes(&self) -> Option<PathBuf> {
        self.recipes.as_ref().map(|name| folder().join("recipes").join(name))
    }
}

/// The file of one row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowFile {
    row: String,
    answer: String,
    cases: Vec<Map<String, Value>>,
}

/// The folder with the data.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("reports")
}

/// All rows, in the order of their files.
///
/// # Errors
/// Where a file cannot be used.
pub fn rows() -> Result<Vec<Row>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs_err::read_dir(folder().join("rows"))? {
        files.push(entry?.path());
    }
    files.sort();
    let rows = files.iter().map(|path| row(&fs_err::read_to_string(path)?).with_context(|| path.display().to_string()));
    rows.collect()
}

/// The harmless changes of strange charts.
///
/// # Errors
/// Where their file cannot be used.
pub fn harmless() -> Result<Row> {
    row(&fs_err::read_to_string(folder().join("harmless.yaml"))?).context("harmless.yaml")
}

/// What Portolan does not say yet: by a trial's name, what it says in place of what is expected. A trial that is named here
/// has to fail.
///
/// # Errors
/// Where its file cannot be used.
pub fn pending() -> Result<BTreeMap<String, String>> {
    Ok(serde_saphyr::from_str(&fs_err::read_to_string(folder().join("pending.yaml"))?)?)
}

fn row(text: &str) -> Result<Row> {
    let file: RowFile = serde_saphyr::from_str(text)?;
    let cases = file.cases.into_iter().map(case).collect::<Result<_>>()?;
    Ok(Row { title: file.row, answer: file.answer, cases })
}

/// A case out of its map: what is not a key of the case itself is of the upgrade.
fn case(mut map: Map<String, Value>) -> Result<Case> {
    let name: String = take(&mut map, "name")?.context("a case has a name")?;
    let read = |mut map: Map<String, Value>| -> Result<Case> {
        let mut case = Case {
            name: name.clone(),
            thread: take(&mut map, "thread")?,
            only: take(&mut map, "only")?,
            expect: take(&mut map, "expect")?,
            harm: take(&mut map, "harm")?.unwrap_or_default(),
            note: take(&mut map, "note")?,
            apply: take(&mut map, "apply")?.unwrap_or_default(),
            afterwards: take(&mut map, "afterwards")?.unwrap_or_default(),
            always: take(&mut map, "always")?.unwrap_or(true),
            twin: None,
            upgrade: Value::Null,
        };
        if let Some(twin) = take::<Map<String, Value>>(&mut map, "twin")? {
            let mut whole = map.clone();
            whole.extend(twin);
            case.twin = Some(Value::Object(whole));
        }
        case.upgrade = Value::Object(map);
        for upgrade in [Some(&case.upgrade), case.twin.as_ref()].into_iter().flatten() {
            serde_json::from_value::<Upgrade>(upgrade.clone())?;
        }
        ensure!(case.expect.is_some() == case.twin.is_some(), "what has to be refused has a twin");
        Ok(case)
    };
    read(map).with_context(|| format!("case {name}"))
}

fn take<T: DeserializeOwned>(map: &mut Map<String, Value>, key: &str) -> Result<Option<T>> {
    map.remove(key).map(|value| serde_json::from_value(value).with_context(|| format!("`{key}`"))).transpose()
}

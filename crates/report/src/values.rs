//! The values that are set today, and what becomes of them.

use std::collections::BTreeMap;

use portolan_model::{ChartId, ReleaseId, SetBy, SiteValue, ValueChange, ValuesPath};
use serde::Serialize;
use serde_json::Value;

use crate::page::{Block, Document, Table};
use crate::plan::words_of_move;
use crate::text::{Line, Tone};
use crate::words::count;

/// What `portolan values` shows; its JSON is this.
#[derive(Serialize)]
pub struct ValuesView {
    /// The release.
    pub release: ReleaseId,
    /// The chart that is installed.
    pub from: ChartId,
    /// The chart to upgrade to; `None` where only today is looked at.
    pub to: Option<ChartId>,
    /// Every user-supplied value, in the order of the paths.
    pub values: Vec<SiteValue>,
    /// What those that go on do, by the path of today; empty where nobody asked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub effects: BTreeMap<ValuesPath, ValueEffect>,
}

/// What a value does. Nothing of what the fields hold.
#[derive(Serialize)]
pub struct ValueEffect {
    /// What it does in the old chart, in a few words; `None` where the old chart is not at hand.
    pub today: Option<String>,
    /// What it does in the new chart.
    pub then: String,
    /// Whether that is the same thing.
    pub proof: Proof,
}

/// Whether a value does in the new chart what it does in the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// It arrives in the same role: component, class of kind, container or key, and the field's name.
    Proven,
    /// It does not, or it is not known.
    Unproved,
}

impl ValuesView {
    /// The values about which a person is asked.
    pub fn asked(&self) -> impl Iterator<Item = &SiteValue> {
        self.values.iter().filter(|value| value.changes.contains(&ValueChange::Dropped))
    }
}

/// The page. `answers` is the file with the answers, where one is used.
#[must_use]
pub fn values(view: &ValuesView, answers: Option<&str>) -> Document {
    let mut page = Document::default();
    let chart = match &view.to {
        Some(to) => format!("{} to {to}", view.from),
        None => view.from.to_string(),
    };
    let by_site = view.values.iter().filter(|value| value.set_by == SetBy::Site).count();
    let set = format!("{}, {by_site} of them by this site", count(view.values.len(), "value"));
    page.push(Block::Facts(vec![
        ("Release", format!("{} in {}", view.release.name, view.release.namespace).into()),
        ("Chart", chart.into()),
        ("Set", set.into()),
    ]));
    if view.values.is_empty() {
        return page;
    }
    let mut heads = vec!["VALUE SET TODAY", "IS", "SET BY"];
    if view.to.is_some() {
        heads.push("BECOMES");
    }
    let mut table = Table::new(&heads);
    for value in &view.values {
        let who = match value.set_by {
            SetBy::Installer => "installer",
            SetBy::Site => "site",
        };
        let mut row: Vec<Line> = vec![value.path.as_str().into(), shown(&value.today).into(), who.into()];
        if view.to.is_some() {
            row.push(match value.change() {
                None => "".into(),
                Some(ValueChange::Dropped) if !value.hint.is_empty() => {
                    Line::new(Tone::Bad, format!("asked: {}", value.hint))
                }
                Some(change) => becomes(change),
            });
        }
        table.rows.push(row);
    }
    page.push(Block::Table(table));
    effects(&mut page, view);
    let asked = view.asked().count();
    if asked > 0 {
        let are = if asked == 1 { "is" } else { "are" };
        page.say(format!("{} {are} not taken over until you say what becomes of it.", count(asked, "value")));
        let to = view.to.as_ref().map(|to| format!(" --to {}", to.version)).unwrap_or_default();
        let (command, note) = match answers {
            Some(file) => {
                (format!("edit {file}"), "say drop, keep or {to: NEW.PATH} for each; then the same command again")
            }
            None => (format!("portolan values{to} --answers answers.yaml"), "writes the questions there"),
        };
        page.push(Block::Next(vec![(command, note.to_owned())]));
    }
    page
}

/// What the values that go on do, today and then.
fn effects(page: &mut Document, view: &ValuesView) {
    if view.effects.is_empty() {
        return;
    }
    let mut table = Table::new(&["VALUE SET TODAY", "PROOF", "TODAY IT REACHES", "THEN IT REACHES"]);
    for (path, effect) in &view.effects {
        let proof = match effect.proof {
            Proof::Proven => Line::from("proven"),
            Proof::Unproved => Line::new(Tone::Bad, "unproved"),
        };
        let today = effect.today.as_deref().unwrap_or("not known: the old chart is not among the charts on offer");
        table.rows.push(vec![path.as_str().into(), proof, today.into(), effect.then.as_str().into()]);
    }
    page.push(Block::Table(table));
}

/// A value on one line, cut where it is long.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 70;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text = text.replace(['\n', '\r', '\t'], " ");
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

/// What becomes of a value, for people.
pub(crate) fn becomes(change: &ValueChange) -> Line {
    match change {
        ValueChange::Carried => "the same".into(),
        ValueChange::Moved(to) => words_of_move(to).into(),
        ValueChange::MovedWithoutEffect(to) => {
            Line::new(Tone::Bad, format!("{}, without effect in the new chart", words_of_move(to)))
        }
        ValueChange::Replaced(by) => by.as_str().into(),
        ValueChange::LeftOut => "left out, as answered".into(),
        ValueChange::Dropped => Line::new(Tone::Bad, "asked: no recipe knows it"),
        ValueChange::WithoutEffect => Line::new(Tone::Bad, "without effect in the new chart"),
        ValueChange::RendersAs(text) => Line::new(Tone::Bad, format!("printed as {text}")),
    }
}

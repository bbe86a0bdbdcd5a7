//! The values that are set today, and what becomes of them.

use std::collections::BTreeMap;

use portolan_model::{ChangedDefault, ChartId, ReleaseId, SetBy, SiteValue, ValueChange, ValuesPath};
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
    /// Defaults that nobody has set and that are others in the new chart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defaults: Vec<ChangedDefault>,
    /// The values at the end as `--set` has them; `None` where nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_flags: Option<SetFlags>,
}

/// Values as `--set` flags, and those for which a file is needed.
#[derive(Serialize)]
pub struct SetFlags {
    /// Each flag with its value, as a shell takes it.
    pub flags: Vec<String>,
    /// The path of each other value, with the reason.
    pub others: Vec<(String, String)>,
}

/// Which part of [`ValuesView`] a page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValuesPart {
    /// What is set, by whom, and what becomes of it.
    Whole,
    /// What is set beside the installed chart's defaults, and defaults that change.
    Diff,
    /// What becomes of each value, and by which source.
    Map,
    /// What each value does in either chart.
    Effects,
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
    /// Where that is not proven, every field that it reaches, for a person to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<ReachedFields>,
}

/// The fields that a value reaches in the renderings of both charts.
#[derive(Serialize)]
pub struct ReachedFields {
    /// In the old one: object, JSON pointer and, within a text, the line.
    pub today: Vec<String>,
    /// In the new one.
    pub then: Vec<String>,
}

/// Whether a value does in the new chart what it does in the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// It arrives in the same role: component, class of kind, container or key, and the field's name.
    Proven,
    /// It does not, or it is not known.
    Unproved,
    /// Nothing could be rendered: this machine has no helm, and what helm would render was not recorded.
    NoHelm,
}

impl ValuesView {
    /// The values about which a person is asked.
    pub fn asked(&self) -> impl Iterator<Item = &SiteValue> {
        self.values.iter().filter(|value| value.changes.contains(&ValueChange::Dropped))
    }
}

/// The page. `answers` is the file with the answers, where one is used.
#[must_use]
pub fn values(view: &ValuesView, part: ValuesPart, answers: Option<&str>) -> Document {
    let mut page = Document::default();
    let chart = match &view.to {
        Some(to) => format!("{} to {to}", view.from),
        None => view.from.to_string(),
    };
    let by_site = view.values.iter().filter(|value| value.set_by == SetBy::Site).count();
    let set = match view.values.len() {
        0 => "nothing: every value is the chart's default".to_owned(),
        all => format!("{}, {by_site} of them by this site", count(all, "value")),
    };
    page.push(Block::Facts(vec![
        ("Release", format!("{} in {}", view.release.name, view.release.namespace).into()),
        ("Chart", chart.into()),
        ("Set", set.into()),
    ]));
    match part {
        _ if view.values.is_empty() => {}
        ValuesPart::Whole => page.push(Block::Table(whole(view))),
        ValuesPart::Diff => page.push(Block::Table(diff(view))),
        ValuesPart::Map => page.push(Block::Table(map(view))),
        ValuesPart::Effects => {}
    }
    effects(&mut page, view);
    defaults(&mut page, view, part);
    set_flags(&mut page, view);
    asked(&mut page, view, answers);
    page
}

/// Every value: what it is, who set it, what becomes of it.
fn whole(view: &ValuesView) -> Table {
    let mut heads = vec!["VALUE SET TODAY", "IS", "SET BY"];
    if view.to.is_some() {
        heads.push("BECOMES");
    }
    let mut table = Table::new(&heads);
    for value in &view.values {
        let who = who(value.set_by);
        let mut row: Vec<Line> = vec![value.path.as_str().into(), shown(&value.today).into(), who.into()];
        if view.to.is_some() {
            row.push(fate(value));
        }
        table.rows.push(row);
    }
    table
}

/// Every value beside the default of the installed chart.
fn diff(view: &ValuesView) -> Table {
    let mut table = Table::new(&["VALUE SET TODAY", "SET BY", "DEFAULT", "IS"]);
    for value in &view.values {
        let default = match &value.default {
            Some(default) if *default == value.today => "the same".to_owned(),
            Some(Value::String(text)) if text.is_empty() => "\"\"".to_owned(),
            Some(default) => shown(default),
            None => "none".to_owned(),
        };
        let cells = [value.path.as_str(), who(value.set_by), &default, &shown(&value.today)];
        table.rows.push(cells.map(Line::from).into());
    }
    table
}

/// Where every value goes, and who says so.
fn map(view: &ValuesView) -> Table {
    let mut table = Table::new(&["VALUE SET TODAY", "SOURCE", "BECOMES"]);
    for value in &view.values {
        let source = match value.change() {
            Some(ValueChange::Moved(to) | ValueChange::MovedWithoutEffect(to)) => to.source.as_str(),
            Some(ValueChange::Obsolete(obsolete)) => obsolete.source.as_str(),
            Some(ValueChange::LeftOut) => "answered",
            _ => "",
        };
        let becomes = match value.change() {
            Some(ValueChange::Obsolete(obsolete)) => obsolete.by.as_str().into(),
            _ => fate(value),
        };
        table.rows.push(vec![value.path.as_str().into(), source.into(), becomes]);
    }
    table
}

pub(crate) fn who(set_by: SetBy) -> &'static str {
    match set_by {
        SetBy::Installer => "installer",
        SetBy::Default => "default",
        SetBy::Site => "site",
    }
}

/// What becomes of a value; of one that is asked about, what is known.
pub(crate) fn fate(value: &SiteValue) -> Line {
    match value.change() {
        None => "".into(),
        Some(ValueChange::Dropped) if !value.hint.is_empty() => {
            Line::new(Tone::Bad, format!("you decide: {}", value.hint))
        }
        Some(change) => becomes(change),
    }
}

/// Defaults that change although nobody has set them.
fn defaults(page: &mut Document, view: &ValuesView, part: ValuesPart) {
    if view.defaults.is_empty() || !matches!(part, ValuesPart::Whole | ValuesPart::Diff) {
        return;
    }
    page.say("These are set by nobody, and the new chart has other defaults:");
    let mut table = Table::new(&["DEFAULT TODAY", "IS", "THEN", "WILL BE"]);
    for one in &view.defaults {
        let cells = [one.path.as_str(), &shown(&one.today), one.to.as_str(), &shown(&one.then)];
        table.rows.push(cells.map(Line::from).into());
    }
    page.push(Block::Table(table));
}

/// The values at the end as `--set` has them.
fn set_flags(page: &mut Document, view: &ValuesView) {
    let Some(SetFlags { flags, others }) = &view.set_flags else { return };
    page.push(Block::Commands(flags.iter().map(|flag| (String::new(), flag.clone())).collect()));
    if !others.is_empty() {
        page.say("These need a file of values (--write FILE):");
        let mut table = Table::new(&["VALUE", "REASON"]);
        table.rows = others.iter().map(|(path, why)| vec![path.as_str().into(), why.as_str().into()]).collect();
        page.push(Block::Table(table));
    }
}

/// What is asked, and what to do about it.
fn asked(page: &mut Document, view: &ValuesView, answers: Option<&str>) {
    let asked = view.asked().count();
    if asked > 0 {
        let (are, them) = if asked == 1 { ("is", "it") } else { ("are", "them") };
        page.say(format!("{} {are} not taken over until you say what becomes of {them}.", count(asked, "value")));
        let to = view.to.as_ref().map(|to| format!(" --to {}", to.version)).unwrap_or_default();
        let (command, note) = match answers {
            Some(file) => {
                (format!("edit {file}"), "say drop, keep or {to: NEW.PATH} for each; then the same command again")
            }
            None => (format!("portolan values{to} --answers answers.yaml"), "writes the questions there"),
        };
        page.push(Block::Next(vec![(command, note.to_owned())]));
    }
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
            Proof::NoHelm => Line::new(Tone::Bad, "not proven: no helm"),
        };
        let today = effect.today.as_deref().unwrap_or("not known: the old chart is not among the charts on offer");
        table.rows.push(vec![path.as_str().into(), proof, today.into(), effect.then.as_str().into()]);
    }
    page.push(Block::Table(table));
    unproved(page, view);
}

/// Both lists of fields of each value whose place in the new chart is not proven.
fn unproved(page: &mut Document, view: &ValuesView) {
    /// The most fields of a value that are listed.
    const MOST: usize = 12;
    let mut table = Table::new(&["UNPROVED", "FIELDS TODAY", "FIELDS THEN"]);
    for (path, effect) in &view.effects {
        let Some(ReachedFields { today, then }) = &effect.fields else { continue };
        let all = today.len().max(then.len());
        for at in 0..all.min(MOST) {
            let cell = |fields: &[String]| fields.get(at).cloned().unwrap_or_default();
            let first = if at == 0 { path.as_str() } else { "" };
            table.rows.push([first, &cell(today), &cell(then)].map(Line::from).into());
        }
        if all > MOST {
            let more = format!("{} more, which -o json lists", all - MOST);
            table.rows.push(["", &more, ""].map(Line::from).into());
        }
    }
    if !table.rows.is_empty() {
        page.say("These reach other fields in the new chart. Compare both lists before the upgrade:");
        page.push(Block::Table(table));
    }
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
        ValueChange::Obsolete(obsolete) => format!("{} ({})", obsolete.by, obsolete.source).into(),
        ValueChange::LeftOut => "left out, as answered".into(),
        ValueChange::Dropped => Line::new(Tone::Bad, "you decide: no recipe knows it"),
        ValueChange::WithoutEffect => Line::new(Tone::Bad, "without effect in the new chart"),
        ValueChange::RendersAs(text) => Line::new(Tone::Bad, format!("printed as {text}")),
    }
}

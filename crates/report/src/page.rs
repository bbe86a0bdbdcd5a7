//! The tree of a page.

use portolan_model::Finding;

use crate::text::{Line, Tone};

/// A page: what a command has to say, before it is known where it will be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    pub(crate) blocks: Vec<Block>,
}

/// A part of a page; parts are a blank line apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Block {
    Heading(String),
    /// Keys and their values: the head of a page.
    Facts(Vec<(&'static str, Line)>),
    Table(Table),
    Steps(Vec<StepItem>),
    /// What happens in an order of events: when, what, by which rule.
    Trace(Vec<Happening>),
    Finding(Box<Finding>),
    /// Lines that belong together.
    Text(Vec<Line>),
    /// What stands out before everything else.
    Callout(Line),
    /// Commands, with what stands before each.
    Commands(Vec<(String, String)>),
    /// What to do next: a command and what it does.
    Next(Vec<(String, String)>),
}

/// A table. Its last column is the reason and wraps first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) head: Vec<String>,
    /// Whether a column is of numbers and stands to the right.
    pub(crate) right: Vec<bool>,
    pub(crate) rows: Vec<Vec<Line>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        let head: Vec<String> = head.iter().map(|head| (*head).to_owned()).collect();
        Self { right: vec![false; head.len()], head, rows: Vec::new() }
    }

    pub(crate) fn right(mut self, column: usize) -> Self {
        self.right[column] = true;
        self
    }
}

/// A step as a plan shows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StepItem {
    pub(crate) number: usize,
    pub(crate) symbol: char,
    pub(crate) tone: Tone,
    pub(crate) word: &'static str,
    pub(crate) thing: Line,
    pub(crate) note: Line,
    pub(crate) source: String,
    /// For the written report; a terminal has no room for it.
    pub(crate) why: String,
    pub(crate) commands: Vec<String>,
    pub(crate) details: Vec<Detail>,
}

/// What a step brings with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Detail {
    pub(crate) symbol: char,
    pub(crate) tone: Tone,
    pub(crate) thing: String,
    pub(crate) note: String,
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Happening {
    pub(crate) when: String,
    pub(crate) what: String,
    pub(crate) rule: String,
}

/// A list of names under a title.
#[must_use]
pub fn names(title: &str, names: &[String]) -> Document {
    let lines = names.iter().map(|name| name.as_str().into()).collect();
    Document { blocks: vec![Block::Heading(crate::text::clean(title)), Block::Text(lines)] }
}

impl Document {
    /// This page, then another one.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        self.blocks.extend(other.blocks);
        self
    }

    /// This page without its findings: for who tells them elsewhere.
    #[must_use]
    pub fn without_findings(mut self) -> Self {
        self.blocks.retain(|block| !matches!(block, Block::Finding(_)));
        self
    }

    /// A page of one heading.
    #[must_use]
    pub fn heading(text: &str) -> Self {
        Self { blocks: vec![Block::Heading(crate::text::clean(text))] }
    }

    /// A page of one line of text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self { blocks: vec![Block::Text(vec![text.into()])] }
    }

    /// A page of one line that stands out.
    #[must_use]
    pub fn callout(text: &str) -> Self {
        Self { blocks: vec![Block::Callout(Line::new(Tone::Strong, text))] }
    }

    /// A page of one table, the first column the thing, the last one the reason.
    #[must_use]
    pub fn table(head: &[&str], rows: &[Vec<String>]) -> Self {
        let mut table = Table::new(head);
        table.rows = rows.iter().map(|row| row.iter().map(|cell| cell.as_str().into()).collect()).collect();
        Self { blocks: vec![Block::Table(table)] }
    }

    /// A page of what to do next: a command, and what it does (may be empty).
    #[must_use]
    pub fn next(command: &str, note: &str) -> Self {
        Self { blocks: vec![Block::Next(vec![(command.to_owned(), note.to_owned())])] }
    }

    pub(crate) fn push(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// Adds a paragraph.
    pub(crate) fn say(&mut self, line: impl Into<Line>) {
        self.blocks.push(Block::Text(vec![line.into()]));
    }

    /// Adds a line to the paragraph before.
    pub(crate) fn also(&mut self, line: impl Into<Line>) {
        match self.blocks.last_mut() {
            Some(Block::Text(lines)) => lines.push(line.into()),
            _ => self.say(line),
        }
    }

    pub(crate) fn then_next(&mut self, command: impl Into<String>, note: impl Into<String>) {
        self.blocks.push(Block::Next(vec![(command.into(), note.into())]));
    }
}

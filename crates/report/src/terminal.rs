//! Pages on a terminal.

use anstyle::{AnsiColor, Effects};
use portolan_model::Severity;

use crate::finding::{label, tone_of, tone_of_next};
use crate::page::{Block, Document, Happening, StepItem, Table};
use crate::text::{Line, Tone, clean, commands};
use crate::wrap::{UNBROKEN, beside, width, wrap, wrap_command, wrap_hanging};

/// How a terminal is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether it shows colours. Without it there is not one escape code in the text.
    pub color: bool,
    /// Whether it shows ASCII only.
    pub ascii: bool,
    /// Its width, 0 for a pipe or a file; at least 40 and at most 120 columns are used.
    pub width: usize,
}

impl Style {
    fn room(&self) -> usize {
        if self.width == 0 { 100 } else { self.width.clamp(40, 120) }
    }
}

impl Default for Style {
    /// A pipe, or a file.
    fn default() -> Self {
        Self { color: false, ascii: true, width: 100 }
    }
}

impl Document {
    /// The page for a terminal.
    #[must_use]
    pub fn terminal(&self, style: &Style) -> String {
        let mut out = String::new();
        for (at, block) in self.blocks.iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            for line in lines(block, style) {
                out.push_str(&paint(&line, style.color));
                out.push('\n');
            }
        }
        out
    }
}

fn lines(block: &Block, style: &Style) -> Vec<Line> {
    let room = style.room();
    match block {
        Block::Heading(text) => wrap(&Line::new(Tone::Strong, text).set(style.ascii), room),
        Block::Facts(facts) => facts_lines(facts, style),
        Block::Table(table) => table_lines(table, style),
        Block::Steps(steps) => steps_lines(steps, style),
        Block::Trace(trace) => trace_lines(trace, style),
        Block::Finding(finding) => finding_lines(finding, style),
        Block::Text(text) => text.iter().flat_map(|line| hang(line, 0, 2, style)).collect(),
        Block::Callout(line) => hang(line, 0, 2, style),
        Block::Commands(commands) => {
            let lead = commands.iter().map(|(lead, _)| width(lead)).max().unwrap_or(0) + 2;
            commands.iter().flat_map(|(at, command)| command_lines(at, lead, command, style)).collect()
        }
        Block::Next(next) => next_lines(next, style),
    }
}

fn next_lines(next: &[(String, String)], style: &Style) -> Vec<Line> {
    let noted = next.iter().filter(|(_, note)| !note.is_empty());
    let column = noted.map(|(command, _)| width(command)).max().unwrap_or(0);
    let mut out = Vec::new();
    for (at, (command, note)) in next.iter().enumerate() {
        let mut line = Line::from(if at == 0 { "Next: " } else { "      " }).append(next_line(command));
        if !note.is_empty() {
            line = line.pad(6 + column).and("      ").and(note);
        }
        out.extend(hang(&line, 0, 6, style));
    }
    out
}

/// What to do next. A command of kubectl in it stays whole: what is copied has to run.
fn next_line(next: &str) -> Line {
    let tone = tone_of_next(next);
    let mut line = Line::default();
    let mut rest = next;
    for command in commands(next) {
        let Some((before, after)) = rest.split_once(command) else { break };
        line = line.with(tone, before).with(Tone::Command, command.replace(' ', UNBROKEN));
        rest = after;
    }
    line.with(tone, rest)
}

/// A line at an indent, its rest at a deeper one.
fn hang(line: &Line, indent: usize, deeper: usize, style: &Style) -> Vec<Line> {
    let room = style.room().saturating_sub(indent + deeper);
    let line = line.set(style.ascii);
    if line.width() + indent <= style.room() {
        return vec![Line::default().pad(indent).append(line.with_spaces())];
    }
    wrap_hanging(&line, style.room() - indent, room)
        .into_iter()
        .enumerate()
        .map(|(at, part)| {
            Line::default().pad(if at == 0 { indent } else { indent + deeper }).append(part.with_spaces())
        })
        .collect()
}

fn facts_lines(facts: &[(&'static str, Line)], style: &Style) -> Vec<Line> {
    let key = facts.iter().map(|(key, _)| width(key)).max().unwrap_or(0);
    let room = style.room().saturating_sub(key + 2);
    facts
        .iter()
        .flat_map(|(name, value)| beside(&[((*name).into(), key, false), (value.set(style.ascii), room, false)], 2))
        .collect()
}

/// What the last column is promised before the others get what they would like.
const REASON: usize = 30;

fn table_lines(table: &Table, style: &Style) -> Vec<Line> {
    let columns = table.head.len();
    let rows: Vec<Vec<Line>> =
        table.rows.iter().map(|row| row.iter().map(|cell| cell.set(style.ascii)).collect()).collect();
    let mut cells = vec![0; columns];
    for row in &rows {
        for (widest, cell) in cells.iter_mut().zip(row) {
            *widest = (*widest).max(cell.width());
        }
    }
    let wants = |of_head: fn(&str) -> usize| -> Vec<usize> {
        table.head.iter().zip(&cells).map(|(head, widest)| of_head(head).max(*widest)).collect()
    };
    let room = style.room().saturating_sub(2 * columns.saturating_sub(1));
    let whole = wants(width);
    let wants = match whole.iter().sum::<usize>() <= room {
        true => whole,
        // Where room is scarce a head is broken rather than a name.
        false => wants(|head| head.split(' ').map(width).max().unwrap_or(0)),
    };
    let Some(widths) = share(&wants, room) else {
        return stacked(&table.head, &rows, style);
    };
    let head: Vec<Line> = table.head.iter().map(|head| Line::from(head.as_str())).collect();
    std::iter::once(head)
        .filter(|head| head.iter().any(|cell| !cell.is_empty()))
        .chain(rows)
        .flat_map(|row| {
            let cells: Vec<(Line, usize, bool)> =
                row.into_iter().enumerate().map(|(at, cell)| (cell, widths[at], table.right[at])).collect();
            beside(&cells, 2)
        })
        .collect()
}

/// Shares the room among the columns: all they want where that fits, else one limit for all but the last;
/// `None` where that leaves too little to be read.
fn share(wants: &[usize], room: usize) -> Option<Vec<usize>> {
    let (last, others) = wants.split_last()?;
    let reserved = room.saturating_sub((*last).min(REASON));
    let limit = (8..=room).rev().find(|limit| others.iter().map(|want| want.min(limit)).sum::<usize>() <= reserved)?;
    let mut widths: Vec<usize> = others.iter().map(|want| *want.min(&limit)).collect();
    widths.push(room.saturating_sub(widths.iter().sum()).min(*last));
    Some(widths)
}

/// A table on a narrow terminal: a row is a small list.
fn stacked(head: &[String], rows: &[Vec<Line>], style: &Style) -> Vec<Line> {
    let key = head.iter().map(|head| width(head)).max().unwrap_or(0).min(12);
    let room = style.room().saturating_sub(key + 2);
    let row = |row: &Vec<Line>| -> Vec<Line> {
        let cells = head.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
        cells
            .flat_map(|(head, cell)| beside(&[(head.as_str().into(), key, false), (cell.clone(), room, false)], 2))
            .collect()
    };
    let rows: Vec<Vec<Line>> = rows.iter().map(row).collect();
    rows.join(&Line::default())
}

/// The column of the words `retain`, `archive` and so on.
const WORD: usize = 9;

fn steps_lines(steps: &[StepItem], style: &Style) -> Vec<Line> {
    let digits = steps.iter().map(|step| step.number.to_string().len()).max().unwrap_or(1);
    let noted = steps.iter().filter(|step| !step.note.is_empty());
    let thing = noted.map(|step| step.thing.width()).filter(|width| *width <= 40).max().unwrap_or(0);
    let source = steps.iter().map(|step| width(&step.source)).max().unwrap_or(0);
    let lead = digits + 4 + WORD;
    let rest = style.room().saturating_sub(lead + if source > 0 { source + 2 } else { 0 });
    let mut out = Vec::new();
    for step in steps {
        let first = Line::from(format!("{:>digits$}  ", step.number))
            .with(step.tone, step.symbol.to_string())
            .and(format!(" {:<WORD$}", step.word));
        let body = step.thing.set(style.ascii);
        let body = match step.note.is_empty() {
            true => body,
            false => body.pad(thing).and("  ").append(step.note.set(style.ascii)),
        };
        let parts = wrap(&body, rest);
        for (at, part) in parts.into_iter().enumerate() {
            let line = if at == 0 { first.clone() } else { Line::default().pad(lead) };
            let line = line.append(part);
            let last = at == 0 && !step.source.is_empty();
            out.push(if last { line.pad(lead + rest + 2).with(Tone::Dim, &step.source) } else { line });
        }
        for command in &step.commands {
            let indented = command_lines("", digits + 2, command, style);
            out.extend(indented.into_iter().map(|line| Line(dim(line.0))));
        }
        out.extend(details_lines(step, digits + 4, style));
    }
    out
}

/// Under a step a command is a help for the doubtful, not what to type now.
fn dim(parts: Vec<(Tone, String)>) -> Vec<(Tone, String)> {
    parts.into_iter().map(|(tone, text)| (if tone == Tone::Command { Tone::Dim } else { tone }, text)).collect()
}

fn details_lines(step: &StepItem, indent: usize, style: &Style) -> Vec<Line> {
    let thing =
        step.details.iter().map(|detail| width(&detail.thing)).max().unwrap_or(0).min((style.room() - indent) / 2);
    let room = style.room().saturating_sub(indent + 4 + thing);
    step.details
        .iter()
        .flat_map(|detail| {
            let cells = [
                (Line::from(detail.thing.as_str()), thing, false),
                (Line::from(detail.note.as_str()).set(style.ascii), room, false),
            ];
            beside(&cells, 2).into_iter().enumerate().map(|(at, line)| {
                let lead = Line::default().pad(indent);
                let mark = if at == 0 { detail.symbol } else { ' ' };
                lead.with(detail.tone, mark.to_string()).and(" ").append(line)
            })
        })
        .collect()
}

fn trace_lines(trace: &[Happening], style: &Style) -> Vec<Line> {
    let when = trace.iter().map(|told| width(&told.when)).max().unwrap_or(0);
    let rule = trace.iter().map(|told| width(&told.rule)).max().unwrap_or(0);
    let room = style.room().saturating_sub(2 + when + 2 + if rule > 0 { rule + 2 } else { 0 });
    trace
        .iter()
        .flat_map(|told| {
            let cells = [
                (told.when.as_str().into(), when, false),
                (Line::from(told.what.as_str()).set(style.ascii), room, false),
                (Line::new(Tone::Dim, &told.rule), rule, false),
            ];
            beside(&cells, 2).into_iter().map(|line| Line::from("  ").append(line))
        })
        .collect()
}

fn finding_lines(finding: &portolan_model::Finding, style: &Style) -> Vec<Line> {
    let strong = Line::new(tone_of(finding.severity), format!("{}[{}]", label(finding.severity), finding.code));
    let mut out = hang(&strong.and(": ").and(&finding.found), 0, 2, style);
    for evidence in finding.evidence.iter().flat_map(|text| text.lines()).filter(|text| !text.trim().is_empty()) {
        out.extend(hang(&evidence.into(), 2, 2, style));
    }
    if finding.severity > Severity::Note || !finding.why.is_empty() {
        out.extend(hang(&Line::from("why: ").and(&finding.why), 2, 5, style));
    }
    if !finding.next.is_empty() {
        out.extend(hang(&Line::from("next: ").append(next_line(&finding.next)), 2, 6, style));
    }
    out
}

fn command_lines(lead: &str, indent: usize, command: &str, style: &Style) -> Vec<Line> {
    let room = style.room().saturating_sub(indent);
    command
        .lines()
        .flat_map(|line| wrap_command(&clean(line), room))
        .enumerate()
        .map(|(at, text)| Line::from(if at == 0 { lead } else { "" }).pad(indent).with(Tone::Command, text))
        .collect()
}

fn paint(line: &Line, color: bool) -> String {
    let mut out = String::new();
    let last = line.0.iter().rposition(|(_, text)| !text.trim_end().is_empty());
    for (at, (tone, text)) in line.0.iter().enumerate().take_while(|(at, _)| Some(*at) <= last) {
        let text = if Some(at) == last { text.trim_end() } else { text };
        match style_of(*tone).filter(|_| color && !text.trim().is_empty()) {
            Some(style) => out.push_str(&format!("{style}{text}{style:#}")),
            None => out.push_str(text),
        }
    }
    out
}

fn style_of(tone: Tone) -> Option<anstyle::Style> {
    let color = |color: AnsiColor| anstyle::Style::new().fg_color(Some(color.into()));
    Some(match tone {
        Tone::Plain => return None,
        Tone::Strong => anstyle::Style::new().effects(Effects::BOLD),
        Tone::Good => color(AnsiColor::Green),
        Tone::Warn => color(AnsiColor::Yellow),
        Tone::Bad => color(AnsiColor::Red),
        Tone::Command => color(AnsiColor::Cyan),
        Tone::Dim => anstyle::Style::new().effects(Effects::DIMMED),
    })
}

//! Pages as Markdown.

use portolan_model::Finding;

use crate::finding::{label, tone_of_next};
use crate::page::{Block, Document, Happening, StepItem, Table};
use crate::text::{Line, Tone, clean, glyphs};

impl Document {
    /// The page as Markdown (with GitHub's tables).
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        for (at, block) in self.blocks.iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            write(block, &mut out);
        }
        out
    }
}

fn write(block: &Block, out: &mut String) {
    match block {
        Block::Heading(text) => out.push_str(&format!("## {}\n", escape(text))),
        Block::Facts(facts) => {
            out.push_str("| | |\n|---|---|\n");
            for (key, value) in facts {
                out.push_str(&format!("| **{key}** | {} |\n", cell(value)));
            }
        }
        Block::Table(table) => write_table(table, out),
        Block::Steps(steps) => {
            for (at, step) in steps.iter().enumerate() {
                if at > 0 {
                    out.push('\n');
                }
                write_step(step, out);
            }
        }
        Block::Trace(trace) => trace.iter().for_each(|told| write_happening(told, out)),
        Block::Finding(finding) => write_finding(finding, out),
        Block::Text(lines) => {
            // Two spaces at the end keep the lines apart.
            let lines: Vec<String> = lines.iter().map(|line| at_start(&inline(line))).collect();
            out.push_str(&format!("{}\n", lines.join("  \n")));
        }
        Block::Callout(line) => out.push_str(&format!("> {}\n", inline(line))),
        Block::Commands(commands) => {
            let lines = commands.iter().flat_map(|(lead, command)| {
                let lead = (!lead.is_empty()).then(|| format!("# {}", clean(lead)));
                lead.into_iter().chain(command.lines().map(clean))
            });
            out.push_str(&fence(lines, ""));
        }
        Block::Next(next) => {
            out.push_str("**Next**\n");
            for (command, note) in next {
                out.push('\n');
                if !note.is_empty() {
                    out.push_str(&format!("{}:\n\n", escape(&clean(note))));
                }
                match tone_of_next(command) {
                    Tone::Command => out.push_str(&fence(command.lines().map(clean), "")),
                    _ => out.push_str(&format!("{}\n", escape(&clean(command)))),
                }
            }
        }
    }
}

fn fence(lines: impl Iterator<Item = String>, indent: &str) -> String {
    let mut out = format!("{indent}```sh\n");
    for line in lines {
        out.push_str(&format!("{indent}{line}\n"));
    }
    out.push_str(&format!("{indent}```\n"));
    out
}

fn write_table(table: &Table, out: &mut String) {
    let head: Vec<String> = table.head.iter().map(|head| escape(head)).collect();
    let rule: Vec<&str> = table.right.iter().map(|right| if *right { "---:" } else { "---" }).collect();
    out.push_str(&format!("| {} |\n|{}|\n", head.join(" | "), rule.join("|")));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(cell).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

fn write_step(step: &StepItem, out: &mut String) {
    out.push_str(&format!("{}. `{}` **{}** {}", step.number, step.symbol, step.word, inline(&step.thing)));
    if !step.note.is_empty() {
        out.push_str(&format!(": {}", inline(&step.note)));
    }
    if !step.source.is_empty() {
        out.push_str(&format!(" ({})", escape(&step.source)));
    }
    out.push('\n');
    let indent = "   ";
    if !step.why.is_empty() {
        out.push_str(&format!("\n{indent}{}\n", escape(&clean(&step.why))));
    }
    if !step.commands.is_empty() {
        let lines = step.commands.iter().flat_map(|command| command.lines()).map(clean);
        out.push_str(&format!("\n{}", fence(lines, indent)));
    }
    if !step.details.is_empty() {
        out.push('\n');
        for detail in &step.details {
            let thing = escape(&clean(&detail.thing));
            let note = escape(&glyphs(Tone::Plain, &clean(&detail.note), false));
            out.push_str(&format!("{indent}- `{}` {thing}: {note}\n", detail.symbol));
        }
    }
}

fn write_happening(told: &Happening, out: &mut String) {
    let when = if told.when.is_empty() { String::new() } else { format!("**{}** ", escape(&told.when)) };
    let rule = if told.rule.is_empty() { String::new() } else { format!(" (*{}*)", escape(&told.rule)) };
    out.push_str(&format!("- {when}{}{rule}\n", escape(&glyphs(Tone::Plain, &told.what, false))));
}

fn write_finding(finding: &Finding, out: &mut String) {
    let text = |text: &str| escape(&glyphs(Tone::Plain, &clean(text), false));
    out.push_str(&format!("> **{}\\[{}\\]:** {}\n", label(finding.severity), finding.code, text(&finding.found)));
    if !finding.evidence.is_empty() {
        out.push_str(">\n");
    }
    for evidence in finding.evidence.iter().flat_map(|text| text.lines()).filter(|text| !text.trim().is_empty()) {
        out.push_str(&format!("> - {}\n", text(evidence)));
    }
    if !finding.why.is_empty() {
        out.push_str(&format!(">\n> Why: {}\n", text(&finding.why)));
    }
    if !finding.next.is_empty() {
        let next = match tone_of_next(&finding.next) {
            Tone::Command => code(&clean(&finding.next)),
            _ => text(&finding.next),
        };
        out.push_str(&format!(">\n> Next: {next}\n"));
    }
}

/// A line as running text: phrases that were set apart by spaces get a point between them.
fn inline(line: &Line) -> String {
    let mut out = String::new();
    for (tone, text) in &line.0 {
        let (lead, body) = text.split_at(text.len() - text.trim_start().len());
        let (body, tail) = body.split_at(body.trim_end().len());
        out.push_str(apart(lead));
        out.push_str(&match tone {
            _ if body.is_empty() => String::new(),
            Tone::Command => code(body),
            Tone::Good | Tone::Bad | Tone::Warn | Tone::Strong => format!("**{}**", prose(body)),
            Tone::Plain | Tone::Dim => prose(body),
        });
        out.push_str(apart(tail));
    }
    out.trim_start_matches(" \u{b7} ").trim().to_owned()
}

fn apart(spaces: &str) -> &str {
    if spaces.len() > 1 { " \u{b7} " } else { spaces }
}

fn prose(text: &str) -> String {
    let phrases: Vec<&str> = text.split("  ").map(str::trim).filter(|phrase| !phrase.is_empty()).collect();
    escape(&glyphs(Tone::Plain, &phrases.join(" \u{b7} "), false))
}

fn cell(line: &Line) -> String {
    // `escape` has seen to prose; what is left are the bars inside of code.
    let text = inline(line);
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        if c == '|' && before != '\\' {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

fn code(text: &str) -> String {
    let marks = if text.contains('`') { "``" } else { "`" };
    let space = if text.contains('`') { " " } else { "" };
    format!("{marks}{space}{text}{space}{marks}")
}

/// Escapes what Markdown would take for markup; words between backticks stay code.
fn escape(text: &str) -> String {
    let paired = text.matches('`').count().is_multiple_of(2);
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    let letters: Vec<char> = text.chars().collect();
    for (at, c) in letters.iter().enumerate() {
        let word = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|c| c.is_alphanumeric());
        match c {
            '`' if paired => in_code = !in_code,
            '`' => out.push('\\'),
            '*' | '|' | '\\' if !in_code => out.push('\\'),
            '<' if !in_code => {
                out.push_str("&lt;");
                continue;
            }
            // Inside of a word it is a letter like any other.
            '_' if in_code || (word(at.checked_sub(1)) && word(Some(at + 1))) => {}
            '_' => out.push('\\'),
            _ => {}
        }
        out.push(*c);
    }
    out
}

/// The first letter of a line can make it a list or a heading.
fn at_start(text: &str) -> String {
    if text.starts_with(['#', '+', '-', '>', '=']) { format!("\\{text}") } else { text.to_owned() }
}

//! Wrapping: words, cells side by side, and commands that stay commands.

use unicode_width::UnicodeWidthStr;

use crate::text::{Line, Tone, glyphs};

/// A space at which no line is broken.
pub(crate) const UNBROKEN: &str = "\u{a0}";

pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

impl Line {
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// The line with the symbols of a terminal.
    pub(crate) fn set(&self, ascii: bool) -> Self {
        Self(self.0.iter().map(|(tone, text)| (*tone, glyphs(*tone, text, ascii))).collect())
    }

    /// Spaces on the right up to a width.
    pub(crate) fn pad(mut self, to: usize) -> Self {
        let have = self.width();
        if have < to {
            self.0.push((Tone::Plain, " ".repeat(to - have)));
        }
        self
    }

    /// Spaces on the left up to a width.
    pub(crate) fn pad_left(mut self, to: usize) -> Self {
        let have = self.width();
        if have < to {
            self.0.insert(0, (Tone::Plain, " ".repeat(to - have)));
        }
        self
    }

    pub(crate) fn append(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The line, once it is wrapped, with a space for each [`UNBROKEN`].
    pub(crate) fn with_spaces(self) -> Self {
        Self(self.0.into_iter().map(|(tone, text)| (tone, text.replace(UNBROKEN, " "))).collect())
    }
}

/// A word with the spaces before it.
#[derive(Clone)]
struct Word {
    gap: usize,
    line: Line,
}

fn words(line: &Line) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut gap = 0;
    let mut inside = false;
    for (tone, text) in &line.0 {
        for c in text.chars() {
            if c == ' ' {
                gap = if inside { 1 } else { gap + 1 };
                inside = false;
                continue;
            }
            if !inside {
                words.push(Word { gap, line: Line::default() });
                (inside, gap) = (true, 0);
            }
            // invariant: a word was pushed when the first of its letters came
            let Some(word) = words.last_mut() else { continue };
            match word.line.0.last_mut() {
                Some((last, text)) if last == tone => text.push(c),
                _ => word.line.0.push((*tone, c.to_string())),
            }
        }
    }
    words
}

/// Breaks a line into lines of at most `room`.
pub(crate) fn wrap(line: &Line, room: usize) -> Vec<Line> {
    wrap_hanging(line, room, room)
}

/// Breaks a line into a first one of at most `first` and others of at most `rest`. Where two or more spaces set
/// phrases apart, a phrase goes to the next line whole if it fits there.
pub(crate) fn wrap_hanging(line: &Line, first: usize, rest: usize) -> Vec<Line> {
    let (first, rest) = (first.max(1), rest.max(1));
    let words = words(line);
    let mut out = vec![Line::default()];
    let mut used = 0;
    for (at, word) in words.iter().enumerate() {
        let room = if out.len() == 1 { first } else { rest };
        let phrase = words[at + 1..]
            .iter()
            .take_while(|next| next.gap == 1)
            .fold(word.line.width(), |sum, next| sum + 1 + next.line.width());
        let sets_off = word.gap > 1 && phrase <= rest && used + word.gap + phrase > room;
        if used > 0 && (sets_off || used + word.gap + word.line.width() > room) {
            out.push(Line::default());
            used = 0;
        }
        let gap = if used == 0 && out.len() > 1 { 0 } else { word.gap };
        for (part, piece) in broken(&word.line, first.min(rest)).into_iter().enumerate() {
            if part > 0 {
                out.push(Line::default());
                used = 0;
            }
            if let Some(last) = out.last_mut() {
                let lead = if part == 0 { gap } else { 0 };
                used += lead + piece.width();
                if lead > 0 {
                    last.0.push((piece.0.first().map_or(Tone::Plain, |(tone, _)| *tone), " ".repeat(lead)));
                }
                last.0.extend(piece.0);
            }
        }
    }
    out
}

/// Breaks a word that no line can hold, behind a mark that joins its parts where there is one.
fn broken(word: &Line, room: usize) -> Vec<Line> {
    if word.width() <= room || word.plain().contains(UNBROKEN) {
        return vec![word.clone()];
    }
    let letters: Vec<(Tone, char)> =
        word.0.iter().flat_map(|(tone, text)| text.chars().map(move |c| (*tone, c))).collect();
    let mut out = Vec::new();
    let mut from = 0;
    while from < letters.len() {
        let mut used = 0;
        let mut to = from;
        let mut joint = None;
        while to < letters.len() {
            let mut buffer = [0; 4];
            let wide = width(letters[to].1.encode_utf8(&mut buffer));
            if used + wide > room && to > from {
                break;
            }
            used += wide;
            to += 1;
            if matches!(letters[to - 1].1, '-' | '/' | '.' | ',' | ':') {
                joint = Some(to);
            }
        }
        // A joint near the start of the line would waste the line.
        if let Some(joint) = joint.filter(|joint| to < letters.len() && joint - from > room / 3) {
            to = joint;
        }
        let mut piece = Line::default();
        for (tone, c) in &letters[from..to] {
            match piece.0.last_mut() {
                Some((last, text)) if last == tone => text.push(*c),
                _ => piece.0.push((*tone, c.to_string())),
            }
        }
        out.push(piece);
        from = to;
    }
    out
}

/// Sets cells side by side, each wrapped to its width.
pub(crate) fn beside(cells: &[(Line, usize, bool)], gap: usize) -> Vec<Line> {
    let wrapped: Vec<Vec<Line>> = cells.iter().map(|(line, room, _)| wrap(line, *room)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    (0..height)
        .map(|row| {
            let mut line = Line::default();
            let mut at = 0;
            for ((_, room, right), parts) in cells.iter().zip(&wrapped) {
                let part = parts.get(row).cloned().unwrap_or_default();
                let part = if *right { part.pad_left(*room) } else { part };
                line = line.pad(at).append(part);
                at += room + gap;
            }
            line
        })
        .collect()
}

/// Breaks a command at its words with a backslash, so that what is copied still runs. A word that is too long
/// stays whole: no shell can break it.
pub(crate) fn wrap_command(command: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in flags_with_values(shell_words(command)) {
        let last = lines.last().map_or(0, |line| width(line));
        // Two places are kept for the backslash.
        if last > 0 && last + 1 + width(&word) + 2 > room {
            if let Some(line) = lines.last_mut() {
                line.push_str(" \\");
            }
            lines.push(format!("  {word}"));
        } else if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines
}

/// A flag and the value behind it are read together.
fn flags_with_values(words: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut open = false;
    for word in words {
        let flag = word.starts_with('-');
        match out.last_mut() {
            Some(last) if open && !flag => {
                last.push(' ');
                last.push_str(&word);
            }
            _ => out.push(word.clone()),
        }
        open = flag && !word.contains('=');
    }
    out
}

/// The words of a command, quotes and all.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut escaped = false;
    for c in command.chars() {
        let Some(word) = words.last_mut() else { break };
        match (c, quote) {
            (' ', None) if !escaped => {
                if !word.is_empty() {
                    words.push(String::new());
                }
                continue;
            }
            ('\'' | '"', None) if !escaped => quote = Some(c),
            (c, Some(open)) if c == open && !escaped => quote = None,
            _ => {}
        }
        escaped = c == '\\' && !escaped && quote != Some('\'');
        word.push(c);
    }
    words.retain(|word| !word.is_empty());
    words
}

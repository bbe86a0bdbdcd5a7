//! Text with meaning: which words are good, bad, or to be typed.

/// What a piece of text means. Only a terminal with colours shows it; no meaning is in the colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Good,
    Warn,
    Bad,
    Command,
    Dim,
}

/// One line before it is wrapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(pub(crate) Vec<(Tone, String)>);

impl Line {
    pub(crate) fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        Self::default().with(tone, text)
    }

    /// Adds text of a meaning.
    pub(crate) fn with(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        let text = clean(text.as_ref());
        if !text.is_empty() {
            self.0.push((tone, text));
        }
        self
    }

    /// Adds plain text.
    pub(crate) fn and(self, text: impl AsRef<str>) -> Self {
        self.with(Tone::Plain, text)
    }

    /// The text without tones.
    pub(crate) fn plain(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::new(Tone::Plain, text)
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// Text comes from servers, charts and files: it must not be able to move the cursor, colour the screen or turn
/// the reading direction.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\r' | '\t' => Some(' '),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => None,
            c if c.is_control() => None,
            c => Some(c),
        })
        .collect()
}

/// The commands of kubectl in an advice, pipes and all: each from its first word to the next comma, semicolon or bracket
/// that is outside quotes and set off by a space.
#[must_use]
pub fn commands(advice: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = advice;
    while let Some(at) = rest.find("kubectl ") {
        let command = &rest[at..];
        let end = end_of(command);
        all.push(&command[..end]);
        rest = &command[end..];
    }
    all
}

fn end_of(command: &str) -> usize {
    let mut is_quoted = false;
    for (at, c) in command.char_indices() {
        is_quoted ^= c == '\'';
        let rest = &command[at..];
        if !is_quoted && ([", ", "; ", " ("].iter().any(|end| rest.starts_with(end)) || matches!(rest, "," | ";")) {
            return at;
        }
    }
    command.len()
}

/// The symbols of a terminal: an arrow where it has one, ASCII where it has not. Commands stay as they are, since
/// they are there to be copied.
pub(crate) fn glyphs(tone: Tone, text: &str, ascii: bool) -> String {
    if tone == Tone::Command {
        return text.to_owned();
    }
    if !ascii {
        return text.replace(" -> ", " \u{2192} ");
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{2192}' => out.push_str("->"),
            '\u{2026}' => out.push_str("..."),
            '\u{2013}' | '\u{2014}' => out.push('-'),
            '\u{2018}' | '\u{2019}' => out.push('\''),
            '\u{201c}' | '\u{201d}' => out.push('"'),
            c if c.is_ascii() => out.push(c),
            _ => out.push('?'),
        }
    }
    out
}

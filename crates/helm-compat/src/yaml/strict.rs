//! What the parser reads and go-yaml refuses or reads otherwise: it is refused here, so that no value is read as
//! another one than helm's. Each rule was found by comparing with `yaml.Unmarshal` of go-yaml 2.4.0.

use granit_parser::{Event, ScalarStyle, Span, StructureStyle};

use super::{Place, YamlError};

/// Looks at a text's events, one after another.
pub(super) struct Strict<'t> {
    text: &'t str,
    /// Whether each list or map that is open is written with brackets.
    open: Vec<bool>,
    /// The lines of the text, by number, that begin inside of a scalar or of brackets.
    inner: Vec<std::ops::RangeInclusive<usize>>,
    /// Where the outermost brackets opened.
    bracket: usize,
}

impl<'t> Strict<'t> {
    /// # Errors
    /// Where the text as a whole is nothing for helm.
    pub(super) fn new(text: &'t str) -> Result<Self, YamlError> {
        for (index, line) in text.lines().enumerate() {
            let place = |column| Place { line: index + 1, column: column + 1 };
            let is_break = |c: char| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}');
            if let Some((column, c)) = line.chars().enumerate().find(|(_, c)| is_break(*c)) {
                let what = format!("it has a U+{:04X}, at which helm begins a new line", u32::from(c));
                return Err(YamlError::at(place(column), format!("{what}; write it as an escape, in double quotes")));
            }
            if line.strip_prefix("---").is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('#')) {
                let what = "a line begins with --- and goes on: helm 3 reads on, helm 4 refuses it";
                return Err(YamlError::at(place(0), format!("{what}; put what follows on a line of its own")));
            }
            if index > 0 && line.starts_with('\u{feff}') {
                return Err(YamlError::at(
                    place(0),
                    "a line begins with a byte order mark, a part of the text for helm",
                ));
            }
        }
        let blank =
            |line: &str| line.trim_start_matches([' ', '\u{feff}']).is_empty() || line.trim_start().starts_with('#');
        if let Some((index, "...")) = text.lines().enumerate().find(|(_, line)| !blank(line)) {
            return Err(YamlError::at(Place { line: index + 1, column: 1 }, "it ends a document before one began"));
        }
        Ok(Self { text, open: Vec::new(), inner: Vec::new(), bracket: 0 })
    }

    /// # Errors
    /// Where helm reads something else, or nothing.
    pub(super) fn look(&mut self, event: &Event<'_>, span: &Span) -> Result<(), YamlError> {
        let in_brackets = self.open.contains(&true);
        let found = match event {
            Event::Scalar(text, style, _, tag) => {
                if span.end.line() > span.start.line() {
                    // The end of a block of text is the begin of the line after it.
                    let last = if span.end.col() == 0 { span.end.line() - 1 } else { span.end.line() };
                    self.inner.push(span.start.line() + 1..=last);
                }
                let bytes = span.byte_range().unwrap_or_default();
                let written = Written {
                    before: self.text.get(..bytes.start).unwrap_or_default(),
                    source: self.text.get(bytes.clone()).unwrap_or_default(),
                    rest: self.text.get(bytes.end..).unwrap_or_default(),
                    in_brackets,
                    is_tagged: tag.is_some(),
                };
                scalar(text, *style, &written)
            }
            Event::Anchor(_, name) => name
                .contains(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
                .then_some("helm takes letters, digits, _ and - alone for the name of an anchor"),
            Event::SequenceStart(style, ..) | Event::MappingStart(style, ..) => {
                let bracket = *style == StructureStyle::Flow;
                if bracket && !in_brackets {
                    self.bracket = span.start.line();
                }
                self.open.push(bracket);
                None
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
                if in_brackets && !self.open.contains(&true) {
                    self.inner.push(self.bracket + 1..=span.end.line());
                }
                None
            }
            _ => None,
        };
        found.map_or(Ok(()), |message| Err(YamlError::at(Place::of(&span.start), message)))
    }

    /// # Errors
    /// Where a line begins with a tab, and not inside of a value.
    pub(super) fn end(&self) -> Result<(), YamlError> {
        for (index, line) in self.text.lines().enumerate() {
            let number = index + 1;
            if line.starts_with('\t') && !self.inner.iter().any(|inner| inner.contains(&number)) {
                let place = Place { line: number, column: 1 };
                return Err(YamlError::at(place, "found a tab where an indentation space is expected"));
            }
        }
        Ok(())
    }
}

/// How a scalar is written.
struct Written<'t> {
    /// The text before it; of a block of text, its first line and the indentation too.
    before: &'t str,
    /// Itself, quotes included.
    source: &'t str,
    /// The text after it.
    rest: &'t str,
    in_brackets: bool,
    is_tagged: bool,
}

fn scalar(text: &str, style: ScalarStyle, written: &Written<'_>) -> Option<&'static str> {
    match style {
        ScalarStyle::Plain if written.in_brackets => in_brackets(text, written),
        ScalarStyle::DoubleQuoted if escapes(written.source).any(|escape| escape.starts_with('/')) => {
            Some(r"found unknown escape character: helm does not know \/")
        }
        ScalarStyle::DoubleQuoted if escapes(written.source).any(is_surrogate) => Some(
            "found invalid Unicode character escape code: helm takes no pair of them; write the character as it is",
        ),
        ScalarStyle::Literal | ScalarStyle::Folded if tab_in_indentation(written) => {
            Some("found a tab character where an indentation space is expected")
        }
        _ => None,
    }
}

/// A word in brackets.
fn in_brackets(text: &str, written: &Written<'_>) -> Option<&'static str> {
    let after = written.rest.strip_prefix(':').and_then(|rest| rest.chars().next());
    if text.starts_with('?') {
        Some("a word in brackets begins with ?, which begins a key for helm")
    } else if text.starts_with(':') {
        Some("a word in brackets begins with :, which helm refuses")
    } else if after.is_some_and(|c| ",[]{}".contains(c)) {
        Some("a colon in brackets is a part of the word for helm; put a blank after it")
    } else if written.source.contains('\n') && written.rest.trim_start_matches(' ').starts_with(':') {
        Some("a key in brackets goes over several lines, which helm refuses")
    } else if text.is_empty() && written.is_tagged {
        Some("a tag in brackets has no value")
    } else {
        None
    }
}

/// What follows each backslash that begins an escape.
fn escapes(source: &str) -> impl Iterator<Item = &str> {
    let mut rest = source;
    std::iter::from_fn(move || {
        let at = rest.find('\\')?;
        let escape = &rest[at + 1..];
        rest = escape.get(escape.chars().next()?.len_utf8()..)?;
        Some(escape)
    })
}

fn is_surrogate(escape: &str) -> bool {
    escape
        .strip_prefix('u')
        .and_then(|code| code.get(..2))
        .is_some_and(|code| u8::from_str_radix(code, 16).is_ok_and(|high| (0xd8..=0xdf).contains(&high)))
}

/// Whether the first line of a block of text has a tab after its blanks, where its indentation is found out.
fn tab_in_indentation(written: &Written<'_>) -> bool {
    let header = written.before.trim_end().lines().next_back().unwrap_or_default();
    let header = header.split(" #").next().unwrap_or_default();
    let says_indentation =
        header.rsplit(['|', '>']).next().is_some_and(|rest| rest.contains(|c: char| c.is_ascii_digit()));
    written.source.starts_with('\t') && !says_indentation
}

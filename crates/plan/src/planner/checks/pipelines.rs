//! The commands of a script as a shell splits them: words without their quotes, what is joined by `|`, and what is written into them.

use portolan_recipe::StandardInput;

use super::shell::program;

/// A command with its words, and what it finds on its standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShellCommand {
    pub(super) words: Vec<String>,
    pub(super) input: StandardInput,
}

impl ShellCommand {
    /// Its words from its program on.
    pub(super) fn program(&self) -> Vec<&str> {
        program(self.words.iter().map(String::as_str))
    }
}

/// Commands that are joined by `|`.
pub(super) type Pipeline = Vec<ShellCommand>;

/// The pipelines of a script, in the order in which they stand; those within `$(...)` go before the one that they stand in.
pub(super) fn pipelines(script: &str) -> Vec<Pipeline> {
    let mut reader = Reader { rest: script, ..Reader::default() };
    reader.read();
    reader.all
}

#[derive(Default)]
struct Reader<'a> {
    rest: &'a str,
    all: Vec<Pipeline>,
    pipeline: Pipeline,
    words: Vec<String>,
    word: Option<String>,
    input: Option<StandardInput>,
    /// What the next word is.
    next: Next,
    /// The ends of texts that begin behind this line.
    ends: Vec<String>,
}

/// What a word is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    /// One of the command's.
    #[default]
    Word,
    /// The file of `>`.
    Output,
    /// The file of `<`.
    Input,
    /// The text of `<<<`.
    Text,
    /// The end of the text of `<<`.
    End,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some(c) = self.take() {
            match c {
                '\\' => match self.take() {
                    Some('\n') | None => {}
                    Some(c) => self.push(c),
                },
                '\'' => {
                    let (text, rest) = self.rest.split_once('\'').unwrap_or((self.rest, ""));
                    self.word.get_or_insert_default().push_str(text);
                    self.rest = rest;
                }
                '"' => self.quoted(),
                '$' if self.rest.starts_with('(') => self.substitution(),
                '#' if self.word.is_none() => self.rest = self.rest.find('\n').map_or("", |at| &self.rest[at..]),
                '<' | '>' => self.redirection(c),
                '|' if !self.rest.starts_with('|') => self.end_command(),
                '&' if self.rest.starts_with('>') => {}
                '\n' => {
                    self.end_word();
                    self.texts();
                    self.end_pipeline();
                }
                ';' | '|' | '&' | '(' | ')' | '`' => self.end_pipeline(),
                c if c.is_whitespace() => self.end_word(),
                c => self.push(c),
            }
        }
        self.end_pipeline();
    }

    fn take(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn quoted(&mut self) {
        self.word.get_or_insert_default();
        while let Some(c) = self.take() {
            match c {
                '"' => return,
                '\\' => match self.take() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '$' | '`')) => self.push(c),
                    Some(c) => {
                        self.push('\\');
                        self.push(c);
                    }
                },
                '$' if self.rest.starts_with('(') => self.substitution(),
                c => self.push(c),
            }
        }
    }

    /// `$(...)`: its commands are read, and its text stays in the word.
    fn substitution(&mut self) {
        let mut depth = 0_usize;
        let is_end = |c: char| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ')' && depth == 0
        };
        let end = self.rest.find(is_end).unwrap_or(self.rest.len());
        let (inside, rest) = self.rest.split_at(end);
        self.word.get_or_insert_default().push_str(&format!("${inside})"));
        self.all.extend(pipelines(inside.strip_prefix('(').unwrap_or(inside)));
        self.rest = rest.strip_prefix(')').unwrap_or(rest);
    }

    fn redirection(&mut self, c: char) {
        // `2>&1`
        if self.word.as_ref().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        let known = [("<<", Next::Text), ("<-", Next::End), ("<", Next::End), ("&", Next::Input), ("", Next::Input)];
        let (sign, next) = match c {
            '>' => ([">", "&", "|"].into_iter().find(|sign| self.rest.starts_with(sign)).unwrap_or(""), Next::Output),
            _ => known.into_iter().find(|(sign, _)| self.rest.starts_with(sign)).unwrap_or(("", Next::Input)),
        };
        self.rest = &self.rest[sign.len()..];
        self.next = next;
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        match std::mem::take(&mut self.next) {
            Next::Word => self.words.push(word),
            Next::Output => {}
            Next::Input => self.input = Some(StandardInput::Unread),
            Next::Text => self.input = Some(StandardInput::Text(word)),
            Next::End => self.ends.push(word),
        }
    }

    /// The texts that begin behind a line.
    fn texts(&mut self) {
        for end in std::mem::take(&mut self.ends) {
            let mut text = String::new();
            while !self.rest.is_empty() {
                let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
                self.rest = rest;
                if line.trim() == end {
                    break;
                }
                text.push_str(line);
                text.push('\n');
            }
            self.input = Some(StandardInput::Text(text));
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        let words = std::mem::take(&mut self.words);
        let before = self.pipeline.last().map_or(StandardInput::Empty, written);
        // A text that begins behind this line, for a command before the last one.
        let before = if self.ends.is_empty() { before } else { StandardInput::Unread };
        let input = self.input.take().unwrap_or(before);
        if !words.is_empty() {
            self.pipeline.push(ShellCommand { words, input });
        }
    }

    fn end_pipeline(&mut self) {
        self.end_command();
        let pipeline = std::mem::take(&mut self.pipeline);
        if !pipeline.is_empty() {
            self.all.push(pipeline);
        }
    }
}

/// What a command writes into the next one.
fn written(command: &ShellCommand) -> StandardInput {
    match command.words.split_first() {
        Some((tool, words)) if tool == "echo" || tool == "printf" => {
            let words = words.iter().filter(|word| !word.starts_with('-')).cloned();
            StandardInput::Text(words.collect::<Vec<_>>().join(" "))
        }
        _ => StandardInput::Unread,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(script: &str) -> Vec<String> {
        let command = |command: &ShellCommand| {
            let input = match &command.input {
                StandardInput::Empty => String::new(),
                StandardInput::Text(text) => format!(" <[{text}]"),
                StandardInput::Unread => " <?".to_owned(),
            };
            format!("{}{input}", command.words.join("_"))
        };
        pipelines(script).iter().map(|all| all.iter().map(command).collect::<Vec<_>>().join(" | ")).collect()
    }

    #[test]
    fn a_script_is_split_as_a_shell_does() {
        for (script, expected) in [
            ("a 'b; c' \"d | e\"; f", &["a_b; c_d | e", "f"][..]),
            ("a && b || c & d\ne", &["a", "b", "c", "d", "e"]),
            ("a # b; c\nd", &["a", "d"]),
            ("a \\\n  b", &["a_b"]),
            (
                "until psql -c 'select 1' >/dev/null 2>&1; do sleep 1; done",
                &["until_psql_-c_select 1", "do_sleep_1", "done"],
            ),
            ("echo 'drop' | psql", &["echo_drop | psql <[drop]"]),
            ("cat x | psql", &["cat_x | psql <?"]),
            ("psql < x", &["psql <?"]),
            ("psql <<< 'select 1'", &["psql <[select 1]"]),
            ("psql <<'SQL'\ndrop table t;\nSQL\nnext", &["psql <[drop table t;\n]", "next"]),
            ("psql <<-EOF | cat\nx\nEOF", &["psql <? | cat <[x\n]"]),
            ("n=\"$(psql -tc 'select 1')\"", &["psql_-tc_select 1", "n=$(psql -tc 'select 1')"]),
            ("a >> b c", &["a_c"]),
        ] {
            assert_eq!(read(script), expected, "{script}");
        }
    }
}

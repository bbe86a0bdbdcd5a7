//! Configuration files that are programs: `superset_config.py`, `settings.js`, `init.lua`. Two of them are compared word by word. Comments
//! and empty lines say nothing, and a number or a switch may be another one where its name says that it is about something beside the
//! data. All else may do anything.

use portolan_recipe::{DataWords, is_at_least};

/// A word of a program's text.
#[derive(Debug, PartialEq, Eq)]
struct Word<'a> {
    text: &'a str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The blanks at the beginning of a line, which are the blocks of Python.
    Indent,
    Name,
    Text,
    Number,
    Other,
}

/// How comments begin, by the end of the file's name; `None` for a file that is not read so.
fn comments(file: &str) -> Option<&'static [&'static str]> {
    match file.rsplit_once('.')?.1 {
        "py" | "rb" => Some(&["#"]),
        "js" => Some(&["//"]),
        "lua" => Some(&["--"]),
        "php" => Some(&["#", "//"]),
        _ => None,
    }
}

/// Whether two texts of a file do the same. Only where the file is `settings`, and nothing runs it as a script, may literals differ.
pub(super) fn is_same_program(file: &str, old: &str, new: &str, is_settings: bool) -> bool {
    let Some(comments) = comments(file) else { return false };
    let (Some(was), Some(is)) = (words(old, comments), words(new, comments)) else { return false };
    was.len() == is.len()
        && was.iter().zip(&is).enumerate().all(|(at, (old, new))| {
            old == new || (is_settings && name(&was, at) == name(&is, at) && is_harmless(name(&was, at), old, new))
        })
}

/// The name that a literal is given to: `timeout` in `c.Spawner.timeout = 30`, in `"timeout": 30` and in `timeout=30`.
fn name<'a>(all: &[Word<'a>], at: usize) -> Option<&'a str> {
    let [.., name, equals] = all.get(..at)? else { return None };
    let is_given = matches!(equals.text, "=" | ":") && matches!(name.kind, Kind::Name | Kind::Text);
    is_given.then(|| name.text.trim_matches(['"', '\'']))
}

/// Whether a literal may be another one.
fn is_harmless(name: Option<&str>, old: &Word<'_>, new: &Word<'_>) -> bool {
    let words = DataWords::builtin();
    let Some(name) = name.filter(|name| words.clearing(name).next().is_none()) else { return false };
    let is_switch = |word: &Word<'_>| matches!(word.text.to_lowercase().as_str(), "true" | "false");
    let is_of_data = words.is_named_for_data(name) || words.keeps_by_number("", name);
    let is_plain = |word: &Word<'_>| !word.text.contains(['/', '\\', '{', '$', '%']);
    match (old.kind, new.kind) {
        (Kind::Number, Kind::Number) => {
            let is_limit = DataWords::last_word(name).is_some_and(|last| last == "limit");
            let is_beside = words.is_tuning("", name) || words.is_beside("", name) || is_limit;
            is_at_least(new.text, old.text).is_some() && !is_of_data && is_beside
        }
        (Kind::Name, Kind::Name) => is_switch(old) && is_switch(new) && !is_of_data && words.is_beside("", name),
        (Kind::Text, Kind::Text) => words.is_beside("", name) && is_plain(old) && is_plain(new),
        _ => false,
    }
}

/// The words of a text; `None` where a quote or a comment is not ended.
fn words<'a>(text: &'a str, comments: &[&str]) -> Option<Vec<Word<'a>>> {
    let mut all: Vec<Word<'a>> = Vec::new();
    for line in logical_lines(text)? {
        let known = all.len();
        let content = line.trim_start();
        all.push(Word { text: &line[..line.len() - content.len()], kind: Kind::Indent });
        let mut rest = content;
        while let Some(first) = rest.chars().next() {
            if comments.iter().any(|start| rest.starts_with(start)) {
                break;
            }
            let (len, kind) = word(rest, first)?;
            if let Some(kind) = kind {
                all.push(Word { text: &rest[..len], kind });
            }
            rest = &rest[len..];
        }
        // A line that says nothing.
        if all.len() == known + 1 {
            all.truncate(known);
        }
    }
    Some(all)
}

/// The lines of a text. What goes over several lines is not read: `None` for a block of a comment, a long text of Python or Lua, `=begin`.
fn logical_lines(text: &str) -> Option<impl Iterator<Item = &str>> {
    let is_long = ["\"\"\"", "'''", "/*", "[[", "=begin", "<<", "`", "\\\n"].iter().any(|mark| text.contains(mark));
    (!is_long).then(|| text.lines())
}

/// The length of the word that a text begins with, and what it is; `None` where it is not ended.
fn word(rest: &str, first: char) -> Option<(usize, Option<Kind>)> {
    let end = |is_in: &dyn Fn(char) -> bool| rest.find(|c| !is_in(c)).unwrap_or(rest.len());
    Some(match first {
        c if c.is_whitespace() => (end(&char::is_whitespace), None),
        '"' | '\'' => {
            let mut is_escaped = false;
            let inner = rest[1..].find(|c| {
                let is_end = c == first && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                is_end
            })?;
            (inner + 2, Some(Kind::Text))
        }
        c if c.is_ascii_digit() => (end(&|c| c.is_ascii_alphanumeric() || c == '.' || c == '_'), Some(Kind::Number)),
        c if c.is_alphabetic() || c == '_' => (end(&|c| c.is_alphanumeric() || c == '_'), Some(Kind::Name)),
        c => (c.len_utf8(), Some(Kind::Other)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_nothing_of_data_may_differ() {
        for (file, old, new, is) in [
            ("a.py", "# a\nx = 1", "# b\n\nx = 1", true),
            ("a.py", "x = '#a'", "x = '#b'", false),
            ("a.py", "LOG_LEVEL = \"INFO\"", "LOG_LEVEL = \"WARN\"", true),
            ("a.py", "c.Hub.log_level = 10", "c.Hub.log_level = 20", true),
            ("a.py", "TIMEOUT = 30", "TIMEOUT = 60  # longer", true),
            ("a.py", "x = {\"timeout\": 30}", "x = {\"timeout\": 60}", true),
            ("a.py", "DATA_DIR = 'a'", "DATA_DIR = 'b'", false),
            ("a.py", "NAME = 'a'", "NAME = 'b'", false),
            ("a.py", "KEEP_DAYS = 30", "KEEP_DAYS = 3", false),
            ("a.py", "if a:\n  b()\n  c()", "if a:\n  b()\nc()", false),
            ("a.py", "LOG_LEVEL = 1", "LOG_LEVEL = wipe()", false),
            ("a.py", "LOG_LEVEL = 'a'", "LOG_LEVEL = 'a' + wipe()", false),
            ("a.py", "cleanup_log = False", "cleanup_log = True", false),
            ("a.py", "wipe(1)", "wipe(2)", false),
            ("a.py", "'''\n# a'''", "'''\n# b'''", false),
            ("a.js", "// a\nx({debug: false, level: 'info'})", "x({debug: true, level: 'warn'})", true),
            ("a.js", "x = 1 // a", "x = 2 // a", false),
            ("a.js", "a('http://b')", "a('http://c')", false),
            ("a.lua", "-- a\nlog_level = 5", "log_level = 6", true),
            ("a.lua", "-- [[\nwipe()\n]]", "-- a", false),
            ("a.sh", "# a", "# b", false),
        ] {
            assert_eq!(is_same_program(file, old, new, true), is, "{file}: {old} -> {new}");
        }
        assert!(!is_same_program("a.py", "TIMEOUT = 30", "TIMEOUT = 60", false), "something runs it");
        assert!(is_same_program("a.py", "# a\nx = 1", "x = 1", false));
    }
}

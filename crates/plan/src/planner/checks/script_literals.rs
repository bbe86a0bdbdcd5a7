//! Configuration files that are programs: `superset_config.py`, `settings.js`, `init.lua`. Two of them are compared word by word. Comments
//! and empty lines say nothing, and a number or a switch may be another one where its name says that it is about something beside the
//! data. All else may do anything.

use portolan_recipe::{DataWords, is_at_least};

/// A word of a program's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// How a language writes what is no code of it.
struct Language {
    /// Whether the blanks at the beginning of a line say in which block it is.
    has_blocks_by_blanks: bool,
    /// How comments begin that end with their line.
    comments: &'static [&'static str],
    /// How longer comments begin and end.
    long_comment: Option<(&'static str, &'static str)>,
    /// The same of texts that go over lines.
    long_texts: &'static [(&'static str, &'static str)],
    /// What begins something that is not read here: texts with code in them, and patterns between slashes.
    unread: &'static [&'static str],
}

/// The language of a file, by the end of its name; `None` for a file that is not read so.
fn language(file: &str) -> Option<Language> {
    const OF_C: Option<(&str, &str)> = Some(("/*", "*/"));
    Some(match file.rsplit_once('.')?.1 {
        "py" => Language {
            has_blocks_by_blanks: true,
            comments: &["#"],
            long_comment: None,
            long_texts: &[("\"\"\"", "\"\"\""), ("'''", "'''")],
            unread: &["\\"],
        },
        "rb" => Language {
            has_blocks_by_blanks: false,
            comments: &["#"],
            long_comment: None,
            long_texts: &[],
            unread: &["/", "\\", "`", "<<", "=begin", "%"],
        },
        // Between slashes there may be a pattern, in which what looks like a comment is none.
        "js" => Language {
            has_blocks_by_blanks: false,
            comments: &["//"],
            long_comment: OF_C,
            long_texts: &[],
            unread: &["/", "\\", "`"],
        },
        "lua" => Language {
            has_blocks_by_blanks: false,
            comments: &["--"],
            long_comment: Some(("--[[", "]]")),
            long_texts: &[("[[", "]]")],
            unread: &["\\", "--[=", "[="],
        },
        "php" => Language {
            has_blocks_by_blanks: false,
            comments: &["#", "//"],
            long_comment: OF_C,
            long_texts: &[],
            unread: &["\\", "`", "<<<", "?>"],
        },
        _ => return None,
    })
}

/// Whether two texts of a file do the same. Only where the file is `settings`, and nothing runs it as a script, may literals differ.
pub(super) fn is_same_program(file: &str, old: &str, new: &str, is_settings: bool) -> bool {
    let Some(language) = language(file) else { return false };
    let (Some(mut was), Some(mut is)) = (words(old, &language), words(new, &language)) else { return false };
    if language.has_blocks_by_blanks {
        (was, is) = (without_remarks(&was), without_remarks(&is));
    }
    if is_settings {
        (was, is) = (without_flags(was), without_flags(is));
    }
    was.len() == is.len()
        && was.iter().zip(&is).enumerate().all(|(at, (old, new))| {
            old == new || (is_settings && name(&was, at) == name(&is, at) && is_harmless(name(&was, at), old, new))
        })
}

/// The name that a literal is given to: `timeout` in `c.Spawner.timeout = 30`, in `"timeout": 30`, in `timeout=30` and in
/// `a["timeout"] = 30`.
fn name<'a>(all: &[Word<'a>], at: usize) -> Option<&'a str> {
    let name = match all.get(..at)? {
        [.., open, name, close, equals] if open.text == "[" && close.text == "]" && equals.text == "=" => name,
        [.., name, equals] if matches!(equals.text, "=" | ":") => name,
        _ => return None,
    };
    matches!(name.kind, Kind::Name | Kind::Text).then(|| name.text.trim_matches(['"', '\'']))
}

/// Whether a file is a program in one of these languages, and none of a shell's.
pub(super) fn is_program(file: &str) -> bool {
    language(file).is_some()
}

/// Words without the texts that are a line by themselves, as Python has them at the top of a file.
fn without_remarks<'a>(all: &[Word<'a>]) -> Vec<Word<'a>> {
    let mut depth = 0_usize;
    let mut kept = Vec::new();
    for (at, word) in all.iter().enumerate() {
        match word.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_end = all.get(at + 1).is_none_or(|next| next.kind == Kind::Indent);
        let is_start = kept.last().is_some_and(|last: &Word<'_>| last.kind == Kind::Indent);
        if depth == 0 && word.kind == Kind::Text && is_start && is_end {
            kept.pop();
        } else {
            kept.push(*word);
        }
    }
    kept
}

/// Words without the switches of features that say nothing of data, in a block that is named for them: `FEATURE_FLAGS = {"REPORTS": True}`.
fn without_flags(all: Vec<Word<'_>>) -> Vec<Word<'_>> {
    let known = DataWords::builtin();
    let mut blocks = Vec::new();
    let mut kept: Vec<Word<'_>> = Vec::new();
    let mut rest = all.into_iter().peekable();
    while let Some(word) = rest.next() {
        match word.text {
            "{" => blocks.push(name(&kept, kept.len()).is_some_and(|name| known.is_of_features(name))),
            "}" => drop(blocks.pop()),
            _ => {}
        }
        kept.push(word);
        let [.., flag, colon, switch] = kept.as_slice() else { continue };
        let flag = (flag.kind != Kind::Other).then(|| flag.text.trim_matches(['"', '\'']));
        let is_ended = rest.peek().is_none_or(|next| matches!(next.text, "," | "}") || next.kind == Kind::Indent);
        if blocks.last() == Some(&true)
            && matches!(colon.text, ":" | "=")
            && is_switch(switch)
            && is_ended
            && flag.is_some_and(|flag| !is_of_data(flag) && known.clearing(flag).next().is_none())
        {
            kept.truncate(kept.len() - 3);
            rest.next_if(|next| next.text == ",");
            kept.pop_if(|before| before.kind == Kind::Indent);
        }
    }
    kept
}

fn is_switch(word: &Word<'_>) -> bool {
    matches!(word.text.to_lowercase().as_str(), "true" | "false")
}

fn is_of_data(name: &str) -> bool {
    let words = DataWords::builtin();
    words.is_named_for_data(name) || words.keeps_by_number("", name)
}

/// Whether a literal may be another one.
fn is_harmless(name: Option<&str>, old: &Word<'_>, new: &Word<'_>) -> bool {
    let words = DataWords::builtin();
    let Some(name) = name.filter(|name| words.clearing(name).next().is_none()) else { return false };
    let is_plain = |word: &Word<'_>| !word.text.contains(['/', '\\', '{', '$', '%']);
    match (old.kind, new.kind) {
        (Kind::Number, Kind::Number) => {
            let is_limit = DataWords::last_word(name).is_some_and(|last| last == "limit");
            let is_beside = words.is_tuning("", name) || words.is_beside("", name) || is_limit;
            is_at_least(new.text, old.text).is_some() && !is_of_data(name) && is_beside
        }
        (Kind::Name, Kind::Name) => is_switch(old) && is_switch(new) && !is_of_data(name) && words.is_beside("", name),
        (Kind::Text, Kind::Text) => words.is_beside("", name) && is_plain(old) && is_plain(new),
        _ => false,
    }
}

/// The words of a text; `None` where a quote or a comment is not ended, or something is not read here.
fn words<'a>(text: &'a str, language: &Language) -> Option<Vec<Word<'a>>> {
    let mut all: Vec<Word<'a>> = Vec::new();
    let mut rest = text;
    // Whether the line has said nothing until now.
    let mut is_start = true;
    while let Some(first) = rest.chars().next() {
        if first == '\n' {
            (is_start, rest) = (true, &rest[1..]);
            continue;
        }
        if first.is_whitespace() && !is_start {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let content = rest.trim_start_matches(|c: char| c.is_whitespace() && c != '\n');
        let indent = &rest[..rest.len() - content.len()];
        rest = content;
        let Some(first) = rest.chars().next().filter(|first| *first != '\n') else { continue };
        if let Some((len, goes_on)) = comment(rest, language).ok()? {
            // Behind a comment over several lines a line begins.
            is_start |= goes_on;
            rest = &rest[len..];
            continue;
        }
        if std::mem::take(&mut is_start) {
            let indent = if language.has_blocks_by_blanks { indent } else { "" };
            all.push(Word { text: indent, kind: Kind::Indent });
        }
        let (len, kind) =
            long_text(rest, language).ok()?.or_else(|| word(rest, first, language)).filter(|(len, _)| *len > 0)?;
        let word = Word { text: &rest[..len], kind };
        // What Python puts into a text may have quotes of its own.
        let has_code = all.last().is_some_and(|last| matches!(last.text, "f" | "F" | "rf" | "fr"));
        if kind == Kind::Text && has_code && word.text.matches('{').count() != word.text.matches('}').count() {
            return None;
        }
        all.push(word);
        rest = &rest[len..];
    }
    Some(all)
}

/// Something that is not ended, or not read here: what follows it is not known to be what it looks like.
struct Unread;

/// The length of a comment with which a text begins, and whether it goes over lines.
fn comment(rest: &str, language: &Language) -> Result<Option<(usize, bool)>, Unread> {
    if let Some((start, end)) = language.long_comment.filter(|(start, _)| rest.starts_with(start)) {
        let len = start.len() + rest[start.len()..].find(end).ok_or(Unread)? + end.len();
        return Ok(Some((len, rest[..len].contains('\n'))));
    }
    if language.unread.iter().any(|mark| mark.len() > 1 && rest.starts_with(mark)) {
        return Err(Unread);
    }
    let is_one = language.comments.iter().any(|start| rest.starts_with(start));
    Ok(is_one.then(|| (rest.find('\n').unwrap_or(rest.len()), false)))
}

/// The length of a text over lines with which a text begins.
fn long_text(rest: &str, language: &Language) -> Result<Option<(usize, Kind)>, Unread> {
    let Some((start, end)) = language.long_texts.iter().find(|(start, _)| rest.starts_with(start)) else {
        return Ok(None);
    };
    let len = start.len() + rest[start.len()..].find(end).ok_or(Unread)? + end.len();
    // What is escaped in it may be what ends it.
    if rest[..len].contains('\\') { Err(Unread) } else { Ok(Some((len, Kind::Text))) }
}

/// The length of the word that a text begins with, and what it is; `None` where it is not ended, or not read here.
fn word(rest: &str, first: char, language: &Language) -> Option<(usize, Kind)> {
    let end = |is_in: &dyn Fn(char) -> bool| rest.find(|c| !is_in(c)).unwrap_or(rest.len());
    Some(match first {
        '"' | '\'' => {
            let mut is_escaped = false;
            let inner = rest[1..].find(|c| {
                let is_end = c == first && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                is_end
            })?;
            // A text ends with its line, and Ruby puts code in.
            let text = &rest[..inner + 2];
            if text.contains('\n') || text.contains("#{") {
                return None;
            }
            (inner + 2, Kind::Text)
        }
        c if c.is_ascii_digit() => (end(&|c| c.is_ascii_alphanumeric() || c == '.' || c == '_'), Kind::Number),
        c if c.is_alphabetic() || c == '_' => (end(&|c| c.is_alphanumeric() || c == '_'), Kind::Name),
        _ if language.unread.iter().any(|mark| rest.starts_with(mark)) => return None,
        c => (c.len_utf8(), Kind::Other),
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
            ("a.py", "x = '''\n# a'''", "x = '''\n# b'''", false),
            ("a.py", "# a\n'''\n# a'''\nx = 1", "# b\n'''\n# a'''\nx = 1 # c", true),
            ("a.py", "x = '''\na'''", "x = '''\na", false),
            ("a.py", "x = f\"{a[\"# b\"]}\"", "x = f\"{a[\"# c\"]}\"", false),
            ("a.py", "\"\"\"a\"\"\"\nx = 1", "\"\"\"b\"\"\"\nx = 1", true),
            ("a.py", "x = [\n'a'\n]", "x = [\n'b'\n]", false),
            ("a.py", "FEATURE_FLAGS = {\n  'A': True,\n}", "FEATURE_FLAGS = {\n  'A': False,\n  'B': True,\n}", true),
            ("a.py", "FEATURE_FLAGS = {'A': True}", "FEATURE_FLAGS = {'A': wipe()}", false),
            ("a.py", "FEATURE_FLAGS = {'A': True}", "FEATURE_FLAGS = {'A': True or wipe()}", false),
            ("a.py", "FEATURE_FLAGS = {'A': True}", "FEATURE_FLAGS = {'A': True, 'DROP_TABLES': True}", false),
            ("a.py", "OPTIONS = {'A': True}", "OPTIONS = {'A': False}", false),
            ("a.js", "/* a\nb */ x(1)", "// c\nx(1)", true),
            ("a.js", "/* a */\nx(1)", "/* a\nx(1) */", false),
            ("a.js", "/* a */ x(1)", "/* a x(1)", false),
            ("a.js", "return /* a */ x", "return /* a\n */ x", false),
            ("a.js", "x = /a\\//.test(b)", "x = /a\\//.wipe(b)", false),
            ("a.js", "x = /[/*]/; y(); /[*/]/", "x = /[/*]/; z(); /[*/]/", false),
            ("a.js", "x = `${a}//b`", "x = `${a}//c`", false),
            ("a.rb", "puma['worker_processes'] = 2 # a", "puma['worker_processes'] = 4", true),
            ("a.rb", "rails['backup_keep_time'] = 2", "rails['backup_keep_time'] = 4", false),
            ("a.rb", "x \"#{a(\"# b\")}\"", "x \"#{a(\"# c\")}\"", false),
            ("a.rb", "x =~ /a#b/", "x =~ /a#c/", false),
            ("a.lua", "--[[ a\n]]\nx(1)", "-- b\nx(1)", true),
            ("a.lua", "--[==[ a\n]==]", "--[==[ b\n]==]", false),
            ("a.lua", "x = [[ -- a ]]", "x = [[ -- b ]]", false),
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

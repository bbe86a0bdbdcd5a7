//! Commands as a shell reads them: which program one runs, and the variables put in that a shell would put in.

use std::collections::BTreeMap;

use portolan_kube_facts::list;
use serde_json::Value;

/// Shells.
const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "zsh", "ksh"];

/// Other programs that run the file that they are given.
const INTERPRETERS: [&str; 6] = ["python", "python3", "perl", "ruby", "node", "php"];

/// Programs that change files.
pub(super) const WRITERS: [&str; 14] =
    ["rm", "mv", "cp", "dd", "find", "truncate", "shred", "rsync", "tee", "unlink", "install", "sed", "tar", "ln"];

/// Programs that decide what is run, and where.
const DECIDERS: [&str; 12] =
    ["busybox", "cd", "for", "pushd", "test", "[", "[[", "case", "eval", ".", "source", "xargs"];

/// Whether a program runs the file that it is given.
pub(super) fn is_interpreter(tool: &str) -> bool {
    is_shell(tool) || INTERPRETERS.contains(&base(tool))
}

/// Whether a program is no server: it changes files, runs a script or decides what is run.
pub(super) fn is_tool(tool: &str) -> bool {
    is_interpreter(tool) || WRITERS.contains(&base(tool)) || is_decider(tool)
}

/// Whether a program decides what is run, and where.
pub(super) fn is_decider(tool: &str) -> bool {
    DECIDERS.contains(&base(tool))
}

/// Whether a script runs a file of this name, by itself or through an interpreter.
pub(super) fn runs(script: &str, name: &str) -> bool {
    let is_it = |word: &str| word.trim_matches(['"', '\'']).rsplit('/').next() == Some(name);
    commands(script).any(|(_, command)| {
        let mut words = program(command.split_whitespace()).into_iter();
        match words.next() {
            Some(tool) if is_it(tool) => true,
            Some(tool) if is_interpreter(tool) || matches!(tool, "." | "source" | "eval") => words.any(is_it),
            _ => false,
        }
    })
}

/// A command and its arguments as one text, without the shell that runs it.
pub(super) fn words(json: &Value) -> String {
    let all = ["command", "args"].into_iter().flat_map(|key| list(json, key)).filter_map(Value::as_str);
    all.skip_while(|word| is_shell(word) || is_flags(word)).collect::<Vec<_>>().join(" ")
}

pub(super) fn is_shell(word: &str) -> bool {
    SHELLS.contains(&base(word))
}

/// The flags of a shell: `-c`, `-ec`.
pub(super) fn is_flags(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| rest.ends_with('c') && rest.chars().all(|c| c.is_ascii_alphabetic()))
}

pub(super) fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Programs that start another one; their own options say nothing of it.
const STARTERS: [&str; 16] = [
    "env",
    "nice",
    "ionice",
    "nohup",
    "setsid",
    "stdbuf",
    "timeout",
    "sudo",
    "tini",
    "dumb-init",
    "catatonit",
    "exec",
    "command",
    "time",
    "gosu",
    "su-exec",
];

/// Whether a program starts another one, and does nothing by itself.
pub(super) fn is_starter(word: &str) -> bool {
    STARTERS.contains(&base(word))
}

/// The words of a command from its program on: without what the shell reads first and what only starts it.
pub(super) fn program<'a>(command: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    const SHELL: [&str; 11] = ["if", "then", "elif", "else", "while", "until", "do", "!", "{", "(", "exec"];
    let mut words = command.into_iter().peekable();
    while let Some(word) = words.peek() {
        if SHELL.contains(word) || is_assignment(word) {
            words.next();
        } else if STARTERS.contains(&base(word)) {
            let (takes_one, is_env) = (matches!(base(word), "gosu" | "su-exec" | "timeout"), base(word) == "env");
            words.next();
            while let Some(flag) = words.next_if(|next| next.starts_with('-') || is_assignment(next)) {
                if is_env && flag == "-u" {
                    words.next();
                }
            }
            if takes_one {
                words.next();
            }
        } else {
            break;
        }
    }
    words.collect()
}

/// The program that a command puts in the shell's place.
pub(super) fn started(command: &str) -> Option<&str> {
    let mut words = command.split_whitespace().skip_while(|word| is_assignment(word));
    (words.next() == Some("exec")).then(|| program(command.split_whitespace()).first().map(|tool| base(tool))).flatten()
}

/// The program that a command runs, without its folder; empty where it runs none.
pub(super) fn tool(command: &str) -> &str {
    program(command.split_whitespace()).first().map_or("", |tool| base(tool))
}

/// Redirections that write nothing but what is seen on a screen.
pub(super) const TO_SCREEN: [&str; 9] =
    ["2>&1", "1>&2", ">&2", ">&1", "2>/dev/null", "2> /dev/null", "&>/dev/null", ">/dev/null", "> /dev/null"];

/// The commands of a script, each with what joins it to the one before: `&&`, `||`, `|`, or nothing.
pub(super) fn commands(script: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = script;
    std::iter::from_fn(move || {
        (!rest.is_empty()).then(|| {
            let start = rest.find(|c| !"\n;&|".contains(c)).unwrap_or(rest.len());
            let (joint, after) = rest.split_at(start);
            let end = after.find(['\n', ';', '&', '|']).unwrap_or(after.len());
            let (command, after) = after.split_at(end);
            rest = after;
            let joint = ["&&", "||", "|"].into_iter().find(|known| joint.trim().ends_with(known)).unwrap_or_default();
            (joint, command.trim())
        })
    })
    .filter(|(_, command)| !command.is_empty() && !command.starts_with('#'))
}

/// A command that only sets a variable.
pub(super) fn assignment(command: &str) -> Option<(&str, &str)> {
    let command =
        ["export ", "local ", "readonly "].iter().find_map(|word| command.strip_prefix(word)).unwrap_or(command);
    let (name, text) = command.split_once('=').filter(|_| is_assignment(command))?;
    let is_one = text.starts_with(['"', '\'']) || !text.contains(char::is_whitespace);
    is_one.then_some((name, text))
}

/// A command with `$NAME` and `${NAME}` replaced.
pub(super) fn put_in(command: &str, known: &BTreeMap<String, String>) -> String {
    let text =
        known.iter().fold(command.to_owned(), |text, (name, value)| super::downward::in_shell(&text, name, value));
    in_arithmetic(text, known)
}

/// A command with the names replaced that stand within `$((...))`, where a shell needs no `$` before them, and without the blanks there.
pub(super) fn in_arithmetic(text: String, known: &BTreeMap<String, String>) -> String {
    if !text.contains("$((") {
        return text;
    }
    let (mut all, mut rest) = (String::new(), text.as_str());
    while let Some((before, from)) = rest.split_once("$((") {
        let (inside, after) = from.split_once("))").unwrap_or((from, ""));
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut words = inside.split_inclusive(|c: char| !is_name(c)).map(|part| {
            let name = part.trim_end_matches(|c| !is_name(c));
            known.get(name).map_or_else(|| part.to_owned(), |value| format!("{value}{}", &part[name.len()..]))
        });
        all.push_str(&format!("{before}$(({}))", words.by_ref().collect::<String>().replace(char::is_whitespace, "")));
        rest = after;
    }
    all + rest
}

pub(super) fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

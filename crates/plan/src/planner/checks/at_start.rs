//! What a shell finds out each time it starts, and that is never the same: the time, chance, its own number, the pod's address. A
//! folder that is named by it is another one in each new pod.

use std::collections::BTreeMap;

use super::downward::{Pods, in_shell, new};
use super::shell::{assignment, base, program, tool};

/// Variables of a shell.
const VARIABLES: [(&str, &str); 6] = [
    ("RANDOM", "random"),
    ("SRANDOM", "random"),
    ("EPOCHSECONDS", "date"),
    ("EPOCHREALTIME", "date"),
    ("SECONDS", "date"),
    ("BASHPID", "pid"),
];

/// Programs that say something else each time.
const PROGRAMS: [&str; 6] = ["date", "uuidgen", "mktemp", "shuf", "pwgen", "uuid"];

/// What makes the answer of another program one of chance, or the pod's own.
const SOURCES: [&str; 9] = [
    "/dev/urandom",
    "/dev/random",
    "/proc/sys/kernel/random",
    "openssl rand",
    "hostname -i",
    "hostname -I",
    "hostname --ip-address",
    "rand()",
    "secrets.token",
];

/// Puts a mark in the place of each of these where the text names a folder by it: in assignments, in what is started, and where a folder
/// is gone to or made. A copy that a tool writes under such a name is meant to be a new one.
pub(super) fn put_in(script: &str, pods: Pods) -> String {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let ends = ['\n', ';', '&'];
    let parts = script.split_inclusive(ends).map(|part| {
        let (indent, command) = part.split_at(part.len() - part.trim_start().len());
        if !names_a_folder(command) {
            return part.to_owned();
        }
        let read = known.iter().fold(command.to_owned(), |text, (name, value)| in_shell(&text, name, value));
        let marked = marked(&read, pods);
        if let Some((name, text)) = assignment(marked.trim_end_matches(ends)).filter(|_| marked != command) {
            known.insert(name.to_owned(), text.trim_matches(['"', '\'']).to_owned());
        }
        format!("{indent}{marked}")
    });
    parts.collect()
}

/// Whether a command says in which folder something works: it sets a variable, goes there, or starts a program. A new file or folder of
/// a tool's under such a name is meant to be new.
fn names_a_folder(command: &str) -> bool {
    const TOOLS: [&str; 40] = [
        "cp",
        "mv",
        "tar",
        "gzip",
        "zip",
        "touch",
        "echo",
        "printf",
        "tee",
        "cat",
        "dd",
        "rsync",
        "pg_dump",
        "pg_dumpall",
        "mysqldump",
        "mongodump",
        "redis-cli",
        "mkdir",
        "rm",
        "rmdir",
        "find",
        "ls",
        "test",
        "[",
        "[[",
        "chown",
        "chmod",
        "ln",
        "install",
        "grep",
        "for",
        "while",
        "read",
        "sleep",
        "trap",
        "sed",
        "awk",
        "stat",
        "du",
        "psql",
    ];
    !TOOLS.contains(&tool(command))
}

/// A text with a mark for each.
fn marked(text: &str, pods: Pods) -> String {
    let mark = |what: &str| if pods == Pods::New { new(what) } else { format!("${what}") };
    let mut all = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '`']) {
        let (before, from) = rest.split_at(at);
        all.push_str(before);
        let Some((inside, after)) = substitution(from) else {
            let own = from.strip_prefix("$$").map(|after| ("pid", after)).or_else(|| variable(from));
            match own {
                Some((what, after)) => {
                    all.push_str(&mark(what));
                    rest = after;
                }
                None => {
                    all.push_str(&from[..1]);
                    rest = &from[1..];
                }
            }
            continue;
        };
        match answer(inside) {
            Some((folder, what)) => all.push_str(&format!("{folder}{}", mark(&what))),
            None => all.push_str(&from[..from.len() - after.len()]),
        }
        rest = after;
    }
    all + rest
}

/// What stands within `$(...)` or backquotes at the beginning of a text, and what comes behind it.
fn substitution(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('`') {
        return rest.split_once('`');
    }
    let rest = text.strip_prefix("$(").filter(|rest| !rest.starts_with('('))?;
    let mut depth = 1_usize;
    let end = rest.find(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    Some((&rest[..end], &rest[end + 1..]))
}

/// A variable at the beginning of a text, and what comes behind it.
fn variable(text: &str) -> Option<(&'static str, &str)> {
    VARIABLES.iter().find_map(|(name, what)| {
        let rest = text.strip_prefix('$')?;
        let braced = || rest.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}');
        let plain = || {
            rest.strip_prefix(name).filter(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
        };
        Some((*what, braced().or_else(plain)?))
    })
}

/// The folder in which a command's answer lies, where it says so, and what makes it another one each time.
fn answer(command: &str) -> Option<(String, String)> {
    let words = program(command.split_whitespace());
    let tool = words.first().map(|tool| base(tool))?;
    let own = PROGRAMS.contains(&tool).then(|| tool.to_owned());
    let source = || SOURCES.iter().find(|source| command.contains(*source));
    let of_source = || {
        source().map(|source| {
            source
                .split(|c: char| !c.is_ascii_alphanumeric())
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("-")
        })
    };
    let of_variable = || marked(command, Pods::Today).ne(command).then(|| "random".to_owned());
    let what = own.or_else(of_source).or_else(of_variable)?;
    // `mktemp -d /data/XXXX`
    let folder = words.iter().find(|word| tool == "mktemp" && word.trim_matches(['"', '\'']).starts_with('/'));
    Some((folder.map_or_else(String::new, |folder| format!("{}/", folder.trim_matches(['"', '\'']))), what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_another_one_at_each_start_gets_a_mark() {
        for (script, expected) in [
            ("D=/data/$(date +%H%M)", "D=/data/$new-date"),
            ("D=/data/`date`", "D=/data/$new-date"),
            ("exec server --data /data/$RANDOM", "exec server --data /data/$new-random"),
            ("D=/data/${RANDOM}x", "D=/data/$new-randomx"),
            ("D=/data/$$/x", "D=/data/$new-pid/x"),
            ("D=\"/data/$(cat /proc/sys/kernel/random/uuid)\"", "D=\"/data/$new-proc-sys-kernel-random\""),
            ("D=/data/$(hostname -i)", "D=/data/$new-hostname-i"),
            ("mkdir -p /data/x && cd /data/$RANDOM && exec s", "mkdir -p /data/x && cd /data/$new-random && exec s"),
            ("mkdir -p /data/archive/$(date +%Y)", "mkdir -p /data/archive/$(date +%Y)"),
            ("D=$(mktemp -d /data/XXXX)", "D=/data/XXXX/$new-mktemp"),
            ("N=$(date +%s)\nD=/data/$N", "N=$new-date\nD=/data/$new-date"),
            ("D=/data/$(echo $RANDOM | md5sum)", "D=/data/$new-random"),
            // The same each time, and what is meant to be new.
            ("D=/data/$(cat /etc/line)", "D=/data/$(cat /etc/line)"),
            ("D=/data/$((1 + 2))", "D=/data/$((1 + 2))"),
            ("D=/data/$RANDOMS", "D=/data/$RANDOMS"),
            ("cp /data/db /data/$(date +%F)", "cp /data/db /data/$(date +%F)"),
            ("echo \"$(date) started\" > /data/log", "echo \"$(date) started\" > /data/log"),
        ] {
            assert_eq!(put_in(script, Pods::New), expected, "{script}");
        }
        assert_eq!(put_in("D=/data/$RANDOM", Pods::Today), "D=/data/$random");
    }
}

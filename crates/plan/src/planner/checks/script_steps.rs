//! What scripts do to data: compared command by command, with the variables put in that a shell would put in.

use std::collections::{BTreeMap, BTreeSet};

use portolan_recipe::{DataClients, DataWords};

use super::script_forms::{differ_in_waits_only, plain};
use super::shell::{
    TO_SCREEN, WRITERS, assignment, base, commands, in_arithmetic, is_assignment, is_starter, is_tool, program, put_in,
    started, tool,
};

/// A command of a script as it is written, and as the shell reads it.
#[derive(Debug)]
struct Step {
    joint: String,
    written: String,
    read: String,
}

impl Step {
    fn is_same(&self, other: &Self) -> bool {
        if self.joint != other.joint {
            return false;
        }
        // A program whose variables get other texts is told something else; what that says of the data is judged elsewhere.
        let is_of_files = || {
            self.written.contains('>')
                || program(self.written.split_whitespace()).first().is_none_or(|tool| is_tool(tool))
        };
        differ_in_waits_only(&plain_paths(&self.read), &plain_paths(&other.read))
            || (self.written == other.written && !is_of_files())
    }
}

impl Step {
    /// Whether it is the same server with other flags, which are judged elsewhere.
    fn differs_in_flags(&self, other: &Self) -> bool {
        let (was, will) = (program(self.read.split_whitespace()), program(other.read.split_whitespace()));
        let is_plain = |step: &Self| !step.read.contains(['\'', '"', '`', '>', '<', '(']);
        let is_server = |words: &[&str]| {
            let client = |name: &&str| DataClients::builtin().of_program(base(name)).is_some();
            words.first().is_some_and(|tool| !is_tool(tool)) && !words.iter().any(client)
        };
        self.joint == other.joint
            && is_plain(self)
            && is_plain(other)
            && is_server(&was)
            && without_flags(&was) == without_flags(&will)
    }
}

/// Words without the flags among them and what those take.
fn without_flags<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let is_taken = |at: usize| at > 0 && words[at - 1].starts_with('-') && !words[at - 1].contains('=');
    let all = words.iter().enumerate().filter(|(at, word)| !word.starts_with('-') && !is_taken(*at));
    all.map(|(_, word)| *word).collect()
}

/// A command with its paths as `/a/b`, however they are written: `/a//b`, `/a/./b`, `/a/b/`.
fn plain_paths(command: &str) -> String {
    // To these programs a folder is something else than what is in it.
    if matches!(tool(command), "rsync" | "cp" | "mv" | "ln") {
        return command.to_owned();
    }
    let mut all = String::with_capacity(command.len());
    for (at, c) in command.char_indices() {
        let ends =
            |rest: &str| rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || "\"';&|)".contains(c));
        let rest = &command[at..];
        let is_again = c == '/' && all.ends_with('/') && !all.ends_with(":/");
        let is_last = c == '/' && ends(&rest[1..]) && all.ends_with(|c: char| c.is_ascii_alphanumeric());
        let is_dot = c == '.' && all.ends_with('/') && (rest.starts_with("./") || ends(&rest[1..]));
        if !is_again && !is_last && !is_dot {
            all.push(c);
        } else if is_dot && ends(&rest[1..]) && all.len() > 1 {
            all.pop();
        }
    }
    all
}

/// The commands of a script: what joins each to the one before, as it is written, and with the variables put in that the script has set
/// before it.
fn as_read<'a>(
    script: &'a str,
    env: &BTreeMap<String, String>,
) -> impl Iterator<Item = (&'a str, &'a str, String)> + use<'a> {
    let mut known = env.clone();
    commands(script).map(move |(joint, command)| {
        let read = put_in(command, &known);
        if let Some((name, text)) = assignment(&read) {
            known.insert(name.to_owned(), text.trim_matches(['"', '\'']).to_owned());
        }
        (joint, command, read)
    })
}

/// The commands of a script that may do something to data, in their order.
fn steps(script: &str, env: &BTreeMap<String, String>) -> Vec<Step> {
    let script = TO_SCREEN.iter().fold(plain(script), |script, to| script.replace(to, " "));
    let mut all = Vec::new();
    for (joint, command, read) in as_read(&script, env) {
        if !is_harmless(&read) {
            all.push(Step { joint: joint.into(), written: in_arithmetic(command.into(), &BTreeMap::new()), read });
        }
    }
    all
}

/// The variables that a script exports for its programs, with their texts.
pub(super) fn exported(script: &str, env: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let script = plain(script);
    let all = commands(&script).filter(|(_, command)| command.starts_with("export "));
    let read = all.filter_map(|(_, command)| {
        let read = put_in(command, env);
        assignment(&read).map(|(name, text)| (name.to_owned(), text.trim_matches(['"', '\'']).to_owned()))
    });
    read.collect()
}

/// The variables that a script takes away from the programs that it starts: `*` stands for all.
pub(super) fn left_out_variables(script: &str) -> BTreeSet<String> {
    const ALL: &str = "*";
    let script = plain(script);
    let mut all = BTreeSet::new();
    for (_, command) in commands(&script) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let starts = words.first().is_some_and(|first| is_starter(first) || is_assignment(first));
        for (at, word) in words.iter().enumerate().filter(|(at, _)| *at == 0 || starts) {
            let flags = || words[at + 1..].iter().take_while(|word| word.starts_with('-')).copied();
            match base(word) {
                "env" => {
                    let mut rest = words[at + 1..].iter().copied();
                    while let Some(flag) = rest.next().filter(|word| word.starts_with('-') || is_assignment(word)) {
                        match flag {
                            "-" | "-i" | "--ignore-environment" => all.extend([ALL.to_owned()]),
                            "-u" => all.extend(rest.next().map(str::to_owned)),
                            _ => all.extend(flag.strip_prefix("--unset=").map(str::to_owned)),
                        }
                    }
                }
                "exec" if flags().any(|flag| !flag.starts_with("--") && flag.contains('c')) => {
                    all.insert(ALL.to_owned());
                }
                "su" | "runuser" if flags().any(|flag| matches!(flag, "-" | "-l" | "--login")) => {
                    all.insert(ALL.to_owned());
                }
                "unset" if at == 0 => {
                    all.extend(words[1..].iter().filter(|word| !word.starts_with('-')).map(|word| (*word).to_owned()));
                }
                "export" if at == 0 && words.get(1) == Some(&"-n") => {
                    all.extend(words[2..].iter().map(|word| (*word).to_owned()));
                }
                _ => {}
            }
        }
    }
    all
}

/// The words of the programs that a script starts, beside its tools, with the variables put in.
pub(super) fn started_programs(script: &str, env: &BTreeMap<String, String>) -> Vec<Vec<String>> {
    let script = plain(script);
    let mut all = Vec::new();
    for (_, _, read) in as_read(&script, env) {
        let words = program(read.split_whitespace());
        if words.first().is_some_and(|tool| !is_tool(tool)) && !is_harmless(&read) {
            all.push(words.iter().map(|word| word.trim_matches(['"', '\'']).to_owned()).collect());
        }
    }
    all
}

/// The words of the programs that a script puts in the shell's place, with the variables put in.
pub(super) fn replacing_programs(script: &str, env: &BTreeMap<String, String>) -> Vec<Vec<String>> {
    let script = plain(script);
    let replaces = as_read(&script, env).filter(|(_, _, read)| started(read).is_some_and(|tool| !is_tool(tool)));
    let words = replaces.map(|(_, _, read)| {
        program(read.split_whitespace()).iter().map(|word| word.trim_matches(['"', '\'']).to_owned()).collect()
    });
    words.collect()
}

/// A script, and the variables that it sees.
pub(super) type InShell<'a> = (&'a str, &'a BTreeMap<String, String>);

/// The commands of a script that say whose files are, or who may read them.
fn handed_over(script: &str, env: &BTreeMap<String, String>) -> BTreeSet<String> {
    let script = plain(script);
    let read = commands(&script).map(|(_, command)| put_in(command, env));
    let is_one = |command: &String| matches!(tool(command), "chown" | "chmod" | "chgrp" | "setfacl");
    read.filter(is_one).collect()
}

/// Whether a probe, which is there to look, writes what the old one did not write.
pub(super) fn writes_more((old, old_env): InShell<'_>, (new, new_env): InShell<'_>) -> bool {
    let old = steps(old, old_env);
    let writes = |step: &Step| WRITERS.contains(&tool(&step.read)) || step.read.contains('>');
    steps(new, new_env).iter().any(|step| writes(step) && !old.iter().any(|old| old.read == step.read))
}

/// Whether two scripts do the same to data, in the same order.
pub(super) fn is_harmless_change((old, old_env): InShell<'_>, (new, new_env): InShell<'_>) -> bool {
    // Files that are handed over already are handed to somebody else.
    let handed = [(old, old_env), (new, new_env)].map(|(script, env)| handed_over(script, env));
    if !handed[0].is_empty() && handed[0] != handed[1] {
        return false;
    }
    let (old, new) = (steps(old, old_env), steps(new, new_env));
    let programs = |steps: &[Step]| -> BTreeSet<String> {
        steps.iter().filter_map(|step| started(&step.read)).map(str::to_owned).collect()
    };
    let (was, is) = (programs(&old), programs(&new));
    // The same program with other arguments, or one that the image started by itself: what it is told of the data is judged elsewhere.
    let is_program =
        |step: &&Step| started(&step.read).is_some_and(|tool| (was == is || was.is_empty()) && !is_tool(tool));
    let (old, new) = (old.iter().filter(|step| !is_program(step)), new.iter().filter(|step| !is_program(step)));
    let (old, new): (Vec<_>, Vec<_>) = (old.collect(), new.collect());
    // What a program answers decides whether files go.
    let writes = new.iter().any(|step| WRITERS.contains(&tool(&step.read)));
    let is_asked = |at: usize| new.get(at + 1).is_some_and(|next| matches!(next.joint.as_str(), "&&" | "||"));
    let is_guard = |at: usize| writes && (is_asked(at) || is_condition(&new[at].written));
    let last = new.len().saturating_sub(1);
    let is_same = |(at, (old, new)): (usize, (&&Step, &&Step))| {
        (old.is_same(new) || (at == last && old.differs_in_flags(new)))
            && (!is_guard(at) || differ_in_waits_only(&plain_paths(&old.read), &plain_paths(&new.read)))
    };
    old.len() == new.len() && old.iter().zip(&new).enumerate().all(is_same)
}

/// Whether what a command answers decides what comes next.
fn is_condition(command: &str) -> bool {
    let first = command.split_whitespace().find(|word| !matches!(*word, "then" | "do" | "else"));
    matches!(first, Some("if" | "elif" | "while" | "until"))
}

/// Whether commands only look, or do what is harmless.
pub(super) fn only_looks(script: &str) -> bool {
    const LOOKS: [&str; 36] = [
        "test",
        "[",
        "[[",
        "du",
        "df",
        "stat",
        "cat",
        "head",
        "tail",
        "grep",
        "wc",
        "find",
        "md5sum",
        "sha256sum",
        "file",
        "readlink",
        "realpath",
        "basename",
        "dirname",
        "whoami",
        "uname",
        "hostname",
        "mountpoint",
        "mount",
        "sort",
        "uniq",
        "cut",
        "tr",
        "tree",
        "false",
        "exit",
        "fi",
        "else",
        "done",
        "sync",
        "nproc",
    ];
    let script = TO_SCREEN.iter().fold(script.to_owned(), |script, to| script.replace(to, " "));
    // `find -delete`, `mount -o`.
    let acts =
        ["-delete", "-exec", "-ok", "-fprint", "-fls", "mount -", "mount /"].iter().any(|word| script.contains(word));
    !acts && all_of(&script, &LOOKS)
}

/// Whether nothing is missing where commands are not run any more: they only look or wait, or tell a program to end, which it is told in
/// any case. What ends a server without saving its data, or after it, does more.
pub(super) fn leaves_nothing(script: &str) -> bool {
    const ENDS: [&str; 9] =
        ["kill", "pkill", "killall", "killall5", "pg_ctl", "nginx", "apachectl", "mysqladmin", "mariadb-admin"];
    let parts = commands(script).filter(|(_, command)| !ENDS.contains(&tool(command)));
    parts.into_iter().all(|(_, command)| only_looks(command) || is_harmless(command))
}

/// Whether a script works on files or folders that it names from where it begins: `mkdir -p db`, `cd data`, `> state`.
pub(super) fn works_on_relative_files(script: &str) -> bool {
    let script = TO_SCREEN.iter().fold(plain(script), |script, to| script.replace(to, " "));
    commands(&script).any(|(_, command)| {
        let words = program(command.split_whitespace());
        let of_files =
            |tool: &str| is_tool(tool) || matches!(base(tool), "mkdir" | "touch" | "cat" | "chown" | "chmod");
        let is_relative = |word: &&str| !word.trim_matches(['"', '\'']).starts_with(['/', '-', '$', '&']);
        let names = |words: &[&str]| words.iter().filter(|word| !is_assignment(word)).any(&is_relative);
        let writes =
            command.split_once('>').is_some_and(|(_, to)| is_relative(&to.trim_start_matches('>').trim_start()));
        writes || words.split_first().is_some_and(|(tool, rest)| of_files(tool) && names(rest))
    })
}

/// Whether commands only end a server with its data written, look or wait: what may come before a container ends, which it is told anyway.
pub(super) fn only_stops(script: &str) -> bool {
    const ASKS: [&str; 4] = ["pidof", "pgrep", "pidwait", "ps"];
    let script = without_pids(&plain(script));
    commands(&script).all(|(_, command)| {
        let words = program(command.split_whitespace());
        let is_ask = words.first().is_some_and(|tool| ASKS.contains(&base(tool)));
        let writes = command.contains(['>', '`']) || command.contains("$(");
        (!writes && (is_ask || DataWords::builtin().is_stop(&words))) || only_looks(command) || is_harmless(command)
    })
}

/// A script in which the numbers of processes stand as such, where it asks for them: `$(pidof server)`.
fn without_pids(script: &str) -> String {
    let mut all = TO_SCREEN.iter().fold(script.to_owned(), |script, to| script.replace(to, " "));
    for ask in ["$(pidof ", "$(pgrep ", "$(cat "] {
        while let Some(start) = all.find(ask) {
            let inside = &all[start + ask.len()..];
            let Some(end) = inside.find(')').filter(|end| !inside[..*end].contains(['$', '`', '>', ';', '&', '|']))
            else {
                break;
            };
            all.replace_range(start..start + ask.len() + end + 1, "1");
        }
    }
    all
}

/// Whether commands only wait, write to the screen, make a folder or hand files over.
pub(super) fn is_harmless(script: &str) -> bool {
    all_of(script, &[])
}

/// Whether all commands are harmless, or such of some more programs.
fn all_of(script: &str, more: &[&str]) -> bool {
    const HARMLESS: [&str; 21] = [
        "sleep", "echo", "printf", "true", ":", "set", "umask", "ulimit", "date", "id", "ls", "mkdir", "chown",
        "chmod", "chgrp", "setfacl", "wait", "export", "local", "readonly", "trap",
    ];
    commands(&plain(script)).all(|(_, command)| {
        let mut words = command.split_whitespace().skip_while(|word| is_assignment(word));
        let first = || program(command.split_whitespace()).first().copied();
        let tool = if more.is_empty() { words.find(|word| *word != "exec") } else { first() }.map(base);
        if tool.is_some_and(|tool| more.contains(&tool)) {
            return !command.contains(['>', '`']) && !command.contains("$(");
        }
        // What a trap runs is a script of its own.
        let is_tool = tool.is_none_or(|tool| HARMLESS.contains(&tool) && (tool != "trap" || is_quiet_trap(command)));
        is_tool && !command.contains(['>', '`']) && !command.contains("$(")
    })
}

/// Whether commands take files away from a user: hand them to another one, or set a mode with which their owner cannot write, or
/// everybody can, at which a database ends.
pub(super) fn takes_away(script: &str, user: Option<u64>) -> bool {
    commands(&plain(script)).any(|(_, command)| {
        let mut words = program(command.split_whitespace()).into_iter();
        let tool = words.next().map(base);
        let first = words.find(|word| !word.starts_with('-')).unwrap_or_default().trim_matches(['"', '\'']);
        match tool {
            Some("chown") => {
                let owner = first.split([':', '.']).next().and_then(|owner| owner.parse::<u64>().ok());
                // Root reads and writes whatever the owner is.
                user.is_some_and(|user| user != 0 && owner.is_some_and(|owner| owner != user))
            }
            Some("chmod") => {
                let mode = u32::from_str_radix(first, 8).ok().filter(|_| first.len() >= 3);
                mode.is_some_and(|mode| mode & 0o600 != 0o600 || mode & 0o002 != 0)
            }
            _ => false,
        }
    })
}

/// A trap that only ends the shell, or starts nothing.
fn is_quiet_trap(command: &str) -> bool {
    ["trap 'exit 0'", "trap \"exit 0\"", "trap - ", "trap '' "].iter().any(|quiet| command.starts_with(quiet))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(text: &str) -> BTreeMap<String, String> {
        text.split_whitespace().filter_map(|word| word.split_once('=')).map(|(a, b)| (a.into(), b.into())).collect()
    }

    #[test]
    fn a_change_of_a_script_is_judged_by_its_commands() {
        let none = env("");
        let script = "mkdir -p /data\ntest -s /data/db || initdb /data/db\nexec server --data /data/db";
        for (from, to, is_harmless) in [
            ("mkdir", "echo starting\nmkdir", true),
            ("mkdir", "echo starting >&2\nmkdir", true),
            ("exec server", "sleep 5; exec server --quiet", true),
            ("exec server", "exec gosu db server --quiet", true),
            ("mkdir -p /data", "mkdir -p /data && chown -R 1:1 /data", true),
            ("mkdir", "LEVEL=debug\nmkdir", true),
            ("mkdir -p /data", "mkdir -p /data; chmod 700 /data", true),
            ("# none", "", true),
            ("exec", "rm -rf /data/*; exec", false),
            ("exec server", "exec rm -rf", false),
            ("exec server", "exec env A=1 rm -rf", false),
            ("exec server", "exec other", false),
            ("test -s /data/db || ", "", false),
            ("||", "&&", false),
            ("mkdir", "echo > /data/db\nmkdir", false),
            ("mkdir", "A=1 /bin/wipe /data\nmkdir", false),
        ] {
            let changed = script.replace(from, to);
            assert_eq!(is_harmless_change((script, &none), (&changed, &none)), is_harmless, "{to}");
        }
    }

    #[test]
    fn what_a_shell_puts_in_counts_and_so_does_the_order() {
        let is_same =
            |old: (&str, &str), new: (&str, &str)| is_harmless_change((old.0, &env(old.1)), (new.0, &env(new.1)));
        let clean = "rm -rf \"$CLEAN\"/*\nexec server";
        assert!(!is_same((clean, "CLEAN=/tmp"), (clean, "CLEAN=/data")), "a variable of the container");
        assert!(is_same((clean, "CLEAN=/tmp LEVEL=info"), (clean, "CLEAN=/tmp LEVEL=debug")));
        let set = |to: &str| format!("CLEAN={to}\n{clean}");
        assert!(!is_same((&set("/tmp"), ""), (&set("$DATA"), "DATA=/data")), "a variable of the script");
        let (first, last) = ("D=/tmp\nrm -rf $D/*\nD=/data\nexec s", "D=/tmp\nD=/data\nrm -rf $D/*\nexec s");
        assert!(!is_same((first, ""), (last, "")), "the order");
        assert!(!is_same(("chown -R 999 /d; exec s", ""), ("chown -R 1001 /d; exec s", "")), "another owner");
        let folder = "D=/data/s$((7 % SHARDS))\nexec s";
        assert!(!is_same((folder, "SHARDS=1"), (folder, "SHARDS=2")), "a name that is reckoned with");
        assert!(is_same((folder, "SHARDS=1 LEVEL=a"), (folder, "SHARDS=1 LEVEL=b")));
        let list = "for d in $CLEAN; do rm -rf /data/$d; done\nexec s";
        assert!(!is_same((list, "CLEAN=tmp"), (list, "CLEAN=pg")), "a list that is gone through");
        for (was, is) in [("/data", "/data/"), ("/data", "/data/."), ("/data/db", "/data//db")] {
            let script = "test -s \"$D\"/rows || exit 1\ncd $D\nexec s";
            assert!(is_same((script, &format!("D={was}")), (script, &format!("D={is}"))), "{is}");
        }
        assert!(!is_same(("cp -r $D /data", "D=/a"), ("cp -r $D /data", "D=/a/")), "a folder, and what is in it");
        let java = "java $OPTS -jar a.jar";
        assert!(is_same((java, "OPTS=-Xmx1g"), (java, "OPTS=-Xmx2g")), "a server's settings");
        assert!(
            is_same(("minio server /d --console :1", ""), ("minio server /d --console :2", "")),
            "a server's flags"
        );
        assert!(!is_same(("minio server /d", ""), ("minio server /e", "")), "not what it works on");
        assert!(!is_same(("psql -c a", ""), ("psql -c b", "")), "what a client asks");
        let asks = "getent hosts $PEER || rm -rf /data/*\nexec s";
        assert!(!is_same((asks, "PEER=a"), (asks, "PEER=b")), "what is asked for decides");
        let asks = "if check $PEER; then rm -rf /data/*; fi\nexec s";
        assert!(!is_same((asks, "PEER=a"), (asks, "PEER=b")), "what is asked for decides");
        let asks = "check $PEER || exit 1\nexec s";
        assert!(is_same((asks, "PEER=a"), (asks, "PEER=b")), "nothing is thrown away");
        assert!(
            !is_same(("exec sh -c 'sleep 1'", ""), ("exec sh -c 'rm -rf /d'", "")),
            "the same shell, another script"
        );
    }

    #[test]
    fn variables_that_a_program_does_not_get_are_found() {
        for (script, expected) in [
            ("exec env -i PATH=/bin server", "*"),
            ("env - server", "*"),
            ("exec -c server", "*"),
            ("grep env -i /etc/a", ""),
            ("env -u A -u B server", "A B"),
            ("env --unset=A C=1 server", "A"),
            ("unset A B\nexec server", "A B"),
            ("export -n A; exec server", "A"),
            ("exec su - db -c server", "*"),
            ("exec su db -c server", ""),
            ("exec server --config -c /etc/a", ""),
            ("export A=1; exec env B=2 server -i", ""),
        ] {
            let found = left_out_variables(script).into_iter().collect::<Vec<_>>().join(" ");
            assert_eq!(found, expected, "{script}");
        }
    }

    #[test]
    fn commands_that_only_look_are_told_from_others() {
        for (script, is) in [
            ("du -sh /data", true),
            ("test -d /data && ls -l /data 2>/dev/null", true),
            ("if [ -f /data/db ]; then stat /data/db; else echo none; fi", true),
            ("find /data -maxdepth 1 | sort | head", true),
            ("find /data -name x -delete", false),
            ("find /data -exec rm {} +", false),
            ("cat /dev/null > /data/db", false),
            ("mount -o remount,ro /data", false),
            ("du -sh /data; rm -rf /data", false),
            ("stat $(wipe)", false),
        ] {
            assert_eq!(only_looks(script), is, "{script}");
        }
        assert!(!is_harmless("test -s /data/db || initdb"), "it decides what a script does");
    }

    #[test]
    fn scripts_that_work_where_they_begin_are_told_from_others() {
        for (script, is) in [
            ("mkdir -p /data/db; exec server --data=/data/db", false),
            ("exec gosu 1 server --data /data/db 2>&1", false),
            ("echo starting; cp \"$CONF\" /tmp/a", false),
            ("mkdir -p db; exec server", true),
            ("cd data && exec server", true),
            ("exec server > state", true),
            ("test -s db/rows || exit 1", true),
        ] {
            assert_eq!(works_on_relative_files(script), is, "{script}");
        }
    }

    #[test]
    fn hooks_that_only_end_a_server_are_told_from_others() {
        for (script, is) in [
            ("pg_ctl stop -m fast -D \"$PGDATA\"", true),
            ("sleep 5; redis-cli -a \"$PASSWORD\" shutdown save || true", true),
            ("if [ -f /run/db.pid ]; then nodetool drain; fi", true),
            ("kill -TERM $(pidof server); while pgrep server > /dev/null; do sleep 1; done", true),
            ("kill -s TERM 1", true),
            ("kill -9 $(pidof server)", false),
            ("pg_ctl stop -m immediate", false),
            ("pg_ctl stop > /data/log", false),
            ("redis-cli shutdown nosave", false),
            ("redis-cli flushall", false),
            ("nodetool drain && rm -rf /data", false),
            ("kill $(wipe)", false),
        ] {
            assert_eq!(only_stops(script), is, "{script}");
        }
    }

    #[test]
    fn files_are_taken_away_from_their_program() {
        for (script, user, is) in [
            ("chown -R 70:70 /data", Some(1001), true),
            ("mkdir -p /data/x && chown 1001:0 /data/x", Some(1001), false),
            ("chown -R 70 /data", Some(0), false),
            ("chown -R 70 /data", None, false),
            ("chown -R postgres /data", Some(1001), false),
            ("chmod 000 /data/pg", Some(0), true),
            ("chmod -R 0777 /data", Some(1001), true),
            ("chmod 0700 /data && chmod -R 750 /data/x", Some(1001), false),
            ("chmod u+rwX /data", Some(1001), false),
        ] {
            assert_eq!(takes_away(script, user), is, "{script}");
        }
    }
}

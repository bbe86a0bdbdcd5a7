//! What a container's shell runs: scripts among its command and arguments, in its lifecycle, and in files of its ConfigMaps and
//! Secrets. Two are compared command by command, with the variables put in that a shell would put in.

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::{Container, PodTemplate, list};
use portolan_model::{Ref, SecretKey};
use serde_json::Value;

use super::downward::Pods;
use super::paths::{ContainerPaths, FindObject, is_aside};
use super::script_forms::{differ_in_waits_only, is_of_probes, plain};
use super::script_inputs::Inputs;
use super::uses::{Use, Workloads};
use super::{HopContext, secrets};

/// Finds the plain text of a Secret's key, which no object has.
type FindSecret<'a> = dyn Fn(&SecretKey) -> Option<String> + 'a;

/// Where texts of before the hop are found, or of after it.
pub(super) struct FindText<'a> {
    object: Box<FindObject<'a>>,
    secret: Box<FindSecret<'a>>,
}

impl<'a> FindText<'a> {
    /// Before the hop.
    pub(super) fn today(context: &'a HopContext<'_>, workloads: &'a Workloads) -> Self {
        Self {
            object: Box::new(|name| workloads.today(context, name).cloned()),
            secret: Box::new(|key| secrets::today(context, key)),
        }
    }

    /// After it.
    pub(super) fn after(context: &'a HopContext<'_>, workloads: &'a Workloads) -> Self {
        Self {
            object: Box::new(|name| workloads.then(context, name).cloned()),
            secret: Box::new(|key| secrets::after(context, key)),
        }
    }

    /// The texts of a ConfigMap or Secret: where each stands in the object, its key, and the text itself.
    pub(super) fn texts(&self, object: &Ref) -> Vec<(String, String, String)> {
        let Some(found) = (self.object)(object) else { return Vec::new() };
        if object.kind() != "Secret" {
            return found.map_texts();
        }
        let keys = found.data_keys().into_iter().map(str::to_owned);
        let plain = keys.filter_map(|key| {
            let text = (self.secret)(&SecretKey { secret: object.clone(), key: key.clone() })?;
            Some((format!("/data/{}", portolan_model::pointer_part(&key)), key, text))
        });
        plain.collect()
    }

    /// The variables of a container whose text is known.
    pub(super) fn variables(&self, user: &Use<'_>) -> BTreeMap<String, String> {
        let paths = ContainerPaths::of(user, &*self.object, Pods::Today);
        paths.variables().into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    }
}

/// A text that a shell or another interpreter runs, or a file that may be one.
#[derive(Clone)]
pub(super) struct Script {
    /// What it is, whatever its place in a list.
    pub(super) key: String,
    /// It may come out of a Secret, and is never shown.
    pub(super) text: String,
    /// The object that has the text.
    pub(super) object: Ref,
    /// Where in that object: a JSON pointer.
    pub(super) field: String,
}

impl Script {
    /// How the key of a file begins.
    const FILE: &'static str = "file ";

    /// The name of the file that it is; empty for what is none.
    pub(super) fn file(&self) -> &str {
        self.key.strip_prefix(Self::FILE).unwrap_or_default()
    }
}

/// The scripts of a container, and the variables that they see.
pub(super) struct Scripts {
    all: Vec<Script>,
    /// All files of the container, scripts or not.
    files: Vec<Script>,
    env: BTreeMap<String, String>,
}

impl Scripts {
    pub(super) fn of(name: &Ref, template: PodTemplate<'_>, container: Container<'_>, find: &FindText<'_>) -> Self {
        let user = Use { name, template, container, mounts: Vec::new() };
        let env = find.variables(&user);
        let mut all = given(&user);
        let known = files(&user, find);
        let mut files = known.clone();
        // A script may run another one, which runs a third.
        loop {
            let is_run = |file: &Script| {
                let name = file.file();
                has_suffix(name) || file.text.starts_with("#!") || all.iter().any(|script| runs(&script.text, name))
            };
            let (run, rest): (Vec<Script>, Vec<Script>) = files.into_iter().partition(is_run);
            files = rest;
            if run.is_empty() {
                return Self { all, files: known, env };
            }
            all.extend(run);
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Script] {
        &self.all
    }

    /// The variables that they see.
    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Those that do something else to data than their counterparts among the old ones.
    pub(super) fn changed_from<'a>(&'a self, old: &'a Self) -> impl Iterator<Item = &'a Script> {
        self.all.iter().filter(move |script| {
            let was = old.all.iter().find(|other| other.key == script.key).map_or("", |other| other.text.as_str());
            let (was, is) = ((was, &old.env), (script.text.as_str(), &self.env));
            if script.key.ends_with("Probe") || is_of_probes(&self.all, script) {
                return writes_more(was, is);
            }
            let reads = |text: &str, of: &'a Self| Inputs::of(text, &of.files, &of.env);
            !is_harmless_change(was, is) || reads(was.0, old) != reads(is.0, self)
        })
    }
}

/// What the container itself gives to a shell.
fn given(user: &Use<'_>) -> Vec<Script> {
    let own = |key: &str, text: String, field: &str| Script {
        key: key.into(),
        text,
        object: user.name.clone(),
        field: user.field(field),
    };
    let mut all = Vec::new();
    let mut plain = Vec::new();
    let mut first = None;
    for key in ["command", "args"] {
        let words = list(user.container.json, key).iter().enumerate();
        for (index, text) in words.filter_map(|(index, word)| Some((index, word.as_str()?))) {
            let field = format!("/{key}/{index}");
            if text.contains(char::is_whitespace) {
                all.push(own("script", text.to_owned(), &field));
            } else if !is_aside(text) {
                first.get_or_insert(field);
                plain.push(text);
            }
        }
    }
    // What a shell is given as its text is a script of its own.
    let is_text = plain.iter().any(|word| is_flags(word)) && plain.first().is_some_and(|word| is_shell(word));
    if let Some(field) = first.filter(|_| !is_text && !list(user.container.json, "command").is_empty()) {
        all.push(own("command", format!("exec {}", plain.join(" ")), &field));
    }
    // The words behind a shell's text are the arguments of that text.
    let arguments: Vec<&str> = plain.iter().copied().filter(|word| !is_shell(word) && !is_flags(word)).collect();
    if is_text && !arguments.is_empty() && all.iter().any(|script| reads_arguments(&script.text)) {
        all.push(own("arguments", format!("sh {}", arguments.join(" ")), "/args"));
    }
    for pointer in ["/lifecycle/postStart", "/lifecycle/preStop", "/livenessProbe", "/readinessProbe", "/startupProbe"]
    {
        let exec = user.container.json.pointer(&format!("{pointer}/exec")).map(words).unwrap_or_default();
        if !exec.is_empty() {
            all.push(own(pointer.trim_start_matches("/lifecycle/"), exec, pointer));
        }
    }
    all
}

/// Whether a text of a shell asks for the words behind it.
fn reads_arguments(text: &str) -> bool {
    let asks = |rest: &str| rest.strip_prefix('{').unwrap_or(rest).starts_with(['@', '*', '#', '1', '2', '3']);
    text.split('$').skip(1).any(asks) || text.contains("getopts") || text.contains("shift")
}

/// The files that the container has out of ConfigMaps and Secrets.
pub(super) fn files(user: &Use<'_>, find: &FindText<'_>) -> Vec<Script> {
    let mut all = Vec::new();
    for mounted in user.template.files_in(user.container) {
        let object = mounted.object.of(user.name.namespace());
        for (field, key, text) in find.texts(&object) {
            let Some(file) = mounted.file_of(&key) else { continue };
            all.push(Script { key: format!("{}{file}", Script::FILE), text, object: object.clone(), field });
        }
    }
    all
}

/// Whether a file's name says that it is a script.
fn has_suffix(name: &str) -> bool {
    const SUFFIXES: [&str; 10] = ["sh", "bash", "ash", "zsh", "py", "pl", "rb", "js", "lua", "php"];
    name.rsplit_once('.').is_some_and(|(_, suffix)| SUFFIXES.contains(&suffix))
}

/// Shells.
const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "zsh", "ksh"];

/// Other programs that run the file that they are given.
const INTERPRETERS: [&str; 6] = ["python", "python3", "perl", "ruby", "node", "php"];

/// Programs that change files.
const WRITERS: [&str; 14] =
    ["rm", "mv", "cp", "dd", "find", "truncate", "shred", "rsync", "tee", "unlink", "install", "sed", "tar", "ln"];

/// Programs that decide what is run, and where.
const DECIDERS: [&str; 12] =
    ["busybox", "cd", "for", "pushd", "test", "[", "[[", "case", "eval", ".", "source", "xargs"];

/// Whether a program runs the file that it is given.
fn is_interpreter(tool: &str) -> bool {
    is_shell(tool) || INTERPRETERS.contains(&base(tool))
}

/// Whether a program is no server: it changes files, runs a script or decides what is run.
fn is_tool(tool: &str) -> bool {
    is_interpreter(tool) || WRITERS.contains(&base(tool)) || is_decider(tool)
}

/// Whether a program decides what is run, and where.
pub(super) fn is_decider(tool: &str) -> bool {
    DECIDERS.contains(&base(tool))
}

/// Whether a script runs a file of this name, by itself or through an interpreter.
fn runs(script: &str, name: &str) -> bool {
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
fn is_flags(word: &str) -> bool {
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

/// The words of a command from its program on: without what the shell reads first and what only starts it.
pub(super) fn program<'a>(command: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    const SHELL: [&str; 11] = ["if", "then", "elif", "else", "while", "until", "do", "!", "{", "(", "exec"];
    let mut words = command.into_iter().peekable();
    while let Some(word) = words.peek() {
        if SHELL.contains(word) || is_assignment(word) {
            words.next();
        } else if STARTERS.contains(&base(word)) {
            let takes_one = matches!(base(word), "gosu" | "su-exec" | "timeout");
            words.next();
            while words.next_if(|next| next.starts_with('-') || is_assignment(next)).is_some() {}
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
fn started(command: &str) -> Option<&str> {
    let mut words = command.split_whitespace().skip_while(|word| is_assignment(word));
    (words.next() == Some("exec")).then(|| program(command.split_whitespace()).first().map(|tool| base(tool))).flatten()
}

/// The program that a command runs, without its folder; empty where it runs none.
pub(super) fn tool(command: &str) -> &str {
    program(command.split_whitespace()).first().map_or("", |tool| base(tool))
}

/// Redirections that write nothing but what is seen on a screen.
const TO_SCREEN: [&str; 9] =
    ["2>&1", "1>&2", ">&2", ">&1", "2>/dev/null", "2> /dev/null", "&>/dev/null", ">/dev/null", "> /dev/null"];

/// The commands of a script, each with what joins it to the one before: `&&`, `||`, `|`, or nothing.
fn commands(script: &str) -> impl Iterator<Item = (&str, &str)> {
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

/// The commands of a script that may do something to data, in their order.
fn steps(script: &str, env: &BTreeMap<String, String>) -> Vec<Step> {
    let script = TO_SCREEN.iter().fold(plain(script), |script, to| script.replace(to, " "));
    let mut known = env.clone();
    let mut all = Vec::new();
    for (joint, command) in commands(&script) {
        let read = put_in(command, &known);
        if let Some((name, text)) = assignment(&read) {
            known.insert(name.to_owned(), text.trim_matches(['"', '\'']).to_owned());
        }
        if !is_harmless(&read) {
            all.push(Step { joint: joint.into(), written: in_arithmetic(command.into(), &BTreeMap::new()), read });
        }
    }
    all
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
fn in_arithmetic(text: String, known: &BTreeMap<String, String>) -> String {
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

/// A script, and the variables that it sees.
type InShell<'a> = (&'a str, &'a BTreeMap<String, String>);

/// The commands of a script that say whose files are, or who may read them.
fn handed_over(script: &str, env: &BTreeMap<String, String>) -> BTreeSet<String> {
    let script = plain(script);
    let read = commands(&script).map(|(_, command)| put_in(command, env));
    let is_one = |command: &String| matches!(tool(command), "chown" | "chmod" | "chgrp" | "setfacl");
    read.filter(is_one).collect()
}

/// Whether a probe, which is there to look, writes what the old one did not write.
fn writes_more((old, old_env): InShell<'_>, (new, new_env): InShell<'_>) -> bool {
    let old = steps(old, old_env);
    let writes = |step: &Step| WRITERS.contains(&tool(&step.read)) || step.read.contains('>');
    steps(new, new_env).iter().any(|step| writes(step) && !old.iter().any(|old| old.read == step.read))
}

/// Whether two scripts do the same to data, in the same order.
fn is_harmless_change((old, old_env): InShell<'_>, (new, new_env): InShell<'_>) -> bool {
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
    old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| old.is_same(new))
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

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
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
            !is_same(("exec sh -c 'sleep 1'", ""), ("exec sh -c 'rm -rf /d'", "")),
            "the same shell, another script"
        );
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

    #[test]
    fn a_text_of_a_shell_may_ask_for_its_arguments() {
        for (text, asks) in [
            ("exec server \"$@\"", true),
            ("case ${1:-run} in", true),
            ("while getopts a: o; do", true),
            ("exec server --data $DATA_DIR ${LEVEL}", false),
            ("echo $$", false),
        ] {
            assert_eq!(reads_arguments(text), asks, "{text}");
        }
    }

    #[test]
    fn a_file_is_a_script_where_something_runs_it() {
        for (script, is) in [
            ("exec /bin/sh /scripts/start", true),
            ("exec /scripts/start --port 1", true),
            (". /scripts/start", true),
            ("exec bash -e \"/scripts/start\"", true),
            ("exec server --config /scripts/start", false),
            ("exec /scripts/starter", false),
        ] {
            assert_eq!(runs(script, "start"), is, "{script}");
        }
        assert!(has_suffix("a.sh") && has_suffix("x.py") && !has_suffix("server.conf") && !has_suffix("sh"));
    }
}

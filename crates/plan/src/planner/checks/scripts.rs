//! What a container's shell runs: scripts among its command and arguments, in its lifecycle, and in files of its ConfigMaps and
//! Secrets.

use std::collections::BTreeMap;

use portolan_kube_facts::{Container, EnvSet, PodTemplate, expanded, list};
use portolan_model::{Object, Ref, SecretKey};

use super::downward::Pods;
use super::paths::{ContainerPaths, FindObject, is_aside};
use super::script_forms::is_of_probes;
use super::script_inputs::Inputs;
use super::script_literals::is_same_program;
use super::script_steps::{is_harmless_change, only_stops, writes_more};
use super::shell::{is_flags, is_shell, runs, words};
use super::uses::{Use, Workloads};
use super::{HopContext, anchors, secrets};

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

    /// An object.
    pub(super) fn object(&self, name: &Ref) -> Option<Object> {
        (self.object)(name)
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

    /// The same, with those out of Secrets. They are never shown.
    pub(super) fn all_variables(&self, user: &Use<'_>) -> BTreeMap<String, String> {
        let mut all = self.variables(user);
        for entry in user.container.environment() {
            let Some(object) = entry.sets.object().filter(|object| object.is_secret()) else { continue };
            let secret = object.of(user.name.namespace());
            match entry.sets {
                EnvSet::Keys(prefix, _) => {
                    for (_, key, text) in self.texts(&secret) {
                        all.entry(format!("{prefix}{key}")).or_insert(text);
                    }
                }
                EnvSet::Key(name, _, key) => {
                    let key = SecretKey { secret, key: key.to_owned() };
                    all.extend((self.secret)(&key).map(|text| (name.to_owned(), text)));
                }
                EnvSet::Text(..) | EnvSet::Other(_) => {}
            }
        }
        all
    }

    /// Whether a Secret or ConfigMap gives a container all its keys as variables and cannot be read.
    pub(super) fn has_unread_source(&self, user: &Use<'_>) -> bool {
        user.container.environment().any(|entry| match entry.sets {
            EnvSet::Keys(_, object) => self.texts(&object.of(user.name.namespace())).is_empty(),
            _ => false,
        })
    }

    /// The words of a container's command and arguments as the kubelet gives them to the program. A variable whose text is not known
    /// stays as it is written.
    pub(super) fn words(&self, user: &Use<'_>) -> Vec<Word> {
        let known = self.variables(user);
        let variable = |name: &str| known.get(name).map(String::as_str).filter(|text| !text.starts_with('$'));
        let of = |key: &'static str| {
            let words = list(user.container.json, key).iter().enumerate();
            words.filter_map(move |(at, word)| Some((key, at, word.as_str()?)))
        };
        let word = |(key, at, written): (_, _, &str)| {
            let text = expanded(written, &variable);
            // A text that is put in behind a flag stays a part of that word.
            let is_text = written.contains(char::is_whitespace) || !text.starts_with('-');
            Word { key, at, is_script: is_text && text.contains(char::is_whitespace), text }
        };
        ["command", "args"].into_iter().flat_map(of).map(word).collect()
    }

    /// The texts that a container is given: its words and its variables.
    pub(super) fn given(&self, user: &Use<'_>) -> Vec<String> {
        self.words(user).into_iter().map(|word| word.text).chain(self.variables(user).into_values()).collect()
    }
}

/// A word of a container's command or arguments.
pub(super) struct Word {
    /// The list that it is in: `command` or `args`.
    pub(super) key: &'static str,
    /// Its place there.
    pub(super) at: usize,
    pub(super) text: String,
    /// Whether it is a text of several words, as a shell is given.
    pub(super) is_script: bool,
}

impl Word {
    /// Where it is, as a JSON pointer below the container.
    pub(super) fn field(&self) -> String {
        format!("/{}/{}", self.key, self.at)
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
        let mut all = given(&user, find);
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

    /// Those by which the container starts its program, but for what is a single command.
    pub(super) fn started(&self) -> impl Iterator<Item = &Script> {
        let is_single = |key: &str| matches!(key, "command" | "arguments" | "postStart" | "preStop");
        self.all.iter().filter(move |script| {
            !is_single(&script.key) && !script.key.ends_with("Probe") && !is_of_probes(&self.all, script)
        })
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
            if script.key == "preStop" && was.0.is_empty() && only_stops(is.0) {
                return false;
            }
            // A configuration that is a program, which no other one runs.
            let is_run = self.all.iter().any(|other| other.key != script.key && runs(&other.text, script.file()));
            if is_same_program(script.file(), was.0, is.0, !is_run) {
                return false;
            }
            let reads = |text: &str, of: &'a Self| Inputs::of(text, &of.files, &of.env);
            !is_harmless_change(was, is) || reads(was.0, old) != reads(is.0, self)
        })
    }
}

/// What the container itself gives to a shell.
fn given(user: &Use<'_>, find: &FindText<'_>) -> Vec<Script> {
    let own = |key: &str, text: String, field: &str| Script {
        key: key.into(),
        text,
        object: user.name.clone(),
        field: user.field(field),
    };
    let mut all = Vec::new();
    let mut plain = Vec::new();
    let mut first = None;
    let given = find.words(user);
    for word in &given {
        if word.is_script {
            all.push(own("script", word.text.clone(), &word.field()));
        } else if !is_aside(&word.text) {
            first.get_or_insert(word.field());
            plain.push(word.text.as_str());
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

/// A file that a container has out of a ConfigMap or a Secret.
pub(super) struct MountedText {
    /// Where the container has it.
    pub(super) path: String,
    /// The object that has the text, and its key there.
    pub(super) object: Ref,
    pub(super) key: String,
    /// Where in that object: a JSON pointer.
    pub(super) field: String,
    /// It may come out of a Secret, and is never shown.
    pub(super) text: String,
}

/// The files that the container has out of ConfigMaps and Secrets, each with its path.
pub(super) fn mounted_texts(user: &Use<'_>, find: &FindText<'_>) -> Vec<MountedText> {
    let mut all = Vec::new();
    for mounted in user.template.files_in(user.container) {
        let object = mounted.object.of(user.name.namespace());
        for (field, key, text) in find.texts(&object) {
            let Some(path) = mounted.path_of(&key) else { continue };
            let text = anchors::put_in(&text).into_owned();
            all.push(MountedText { path, object: object.clone(), key, field, text });
        }
    }
    all
}

/// The same by their names, whatever folder they are in.
pub(super) fn files(user: &Use<'_>, find: &FindText<'_>) -> Vec<Script> {
    let script = |MountedText { path, object, field, text, .. }| {
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(&path);
        Script { key: format!("{}{name}", Script::FILE), text, object, field }
    };
    mounted_texts(user, find).into_iter().map(script).collect()
}

/// Whether a file's name says that it is a script.
fn has_suffix(name: &str) -> bool {
    const SUFFIXES: [&str; 10] = ["sh", "bash", "ash", "zsh", "py", "pl", "rb", "js", "lua", "php"];
    name.rsplit_once('.').is_some_and(|(_, suffix)| SUFFIXES.contains(&suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

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

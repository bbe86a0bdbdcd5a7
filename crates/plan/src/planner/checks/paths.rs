//! Paths that a container's settings name, and where on a volume they lie.

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::{Container, EnvSet, PodTemplate, expanded, list};
use portolan_model::{Object, Ref};
use serde_json::Value;

use super::downward::{self, Pods};
use super::shell::is_shell;
use super::uses::Use;
use super::{anchors, at_start};

/// Something that names a path on the volume.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// What it is, without the path: `env PGDATA`, `--data=<>`.
    pub(super) key: String,
    /// What the path is called, however that is written: `--data=<>` and `--data <>` are one.
    pub(super) name: String,
    /// The path as it is written.
    pub(super) path: String,
    /// Where on the volume the path lies: its parts from the volume's root.
    pub(super) location: String,
    /// The mount that it lies below: an index into the container's mounts of the volume.
    pub(super) mount: usize,
    /// The object that has the text.
    pub(super) object: Ref,
    /// Where in that object: a JSON pointer.
    pub(super) field: String,
    /// Whether the program is given it; what stands in a file may or may not be read.
    pub(super) is_given: bool,
    /// Whether it is about something beside the data, by what it is called.
    pub(super) is_aside: bool,
}

/// Finds an object before the hop, or after it.
pub(super) type FindObject<'a> = dyn Fn(&Ref) -> Option<Object> + 'a;

/// A text of a container and where it stands.
struct Text {
    key: String,
    text: String,
    object: Ref,
    field: String,
    is_given: bool,
}

/// A folder of a volume inside a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    /// Where the container sees it, in parts.
    path: Vec<String>,
    /// What of the volume it sees; what is known only when the pod starts stands as it is written.
    pub(super) sub_path: String,
    /// Whether it is the volume that is looked at.
    is_its: bool,
    /// The index among the container's mounts of the volume that is looked at.
    mount: usize,
}

impl Folder {
    /// Whether two folders are seen at the same path.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

/// A container with its environment, as far as that is known.
pub(super) struct ContainerPaths<'a> {
    user: &'a Use<'a>,
    find: &'a FindObject<'a>,
    pods: Pods,
    /// The plain text of each variable, or where it comes from.
    env: Vec<(String, Text)>,
    folders: Vec<Folder>,
}

impl<'a> ContainerPaths<'a> {
    pub(super) fn of(user: &'a Use<'a>, find: &'a FindObject<'a>, pods: Pods) -> Self {
        let mut paths = Self { user, find, pods, env: Vec::new(), folders: Vec::new() };
        paths.env = paths.environment();
        paths.folders = paths.folders();
        paths
    }

    /// The variables whose text is known, by their names.
    pub(super) fn variables(&self) -> BTreeMap<&str, &str> {
        self.env.iter().map(|(name, text)| (name.as_str(), text.text.as_str())).collect()
    }

    /// Where on the volume the paths lie that a text names.
    pub(super) fn locations(&self, text: &str) -> BTreeSet<String> {
        tokens(text).into_iter().filter_map(|range| Some(self.locate(&text[range])?.1)).collect()
    }

    /// The folders of the volume, in the order of the container's mounts of it.
    pub(super) fn mounted(&self) -> Vec<&Folder> {
        let mut all: Vec<&Folder> = self.folders.iter().filter(|folder| folder.is_its).collect();
        all.sort_by_key(|folder| folder.mount);
        all
    }

    /// Everything that names a path on the volume.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let mut all = Vec::new();
        for text in self.texts() {
            self.read(&text, &mut all);
        }
        all
    }

    /// Volumes that hide a folder of this one: pod volumes with content of their own, mounted below it.
    pub(super) fn hidden(&self) -> Vec<(String, String)> {
        let files = ["configMap", "secret", "projected", "downwardAPI"];
        let is_of_files = |name: &str| {
            let volume = self.user.template.volume(name);
            volume.is_some_and(|(_, volume)| files.iter().any(|kind| volume.get(*kind).is_some()))
        };
        let mounts = self.user.container.mounts().filter(|mount| !self.user.volumes().contains(&mount.volume));
        let below = mounts.filter(|mount| {
            let path = parts(mount.path);
            let is_below = |folder: &&Folder| path.len() > folder.path.len() && path.starts_with(&folder.path);
            self.mounted().iter().any(is_below) && !is_of_files(mount.volume)
        });
        below.map(|mount| (mount.volume.to_owned(), mount.path.to_owned())).collect()
    }

    /// The variables in the order in which they are set; of several of a name the last counts, as for the kubelet.
    fn environment(&self) -> Vec<(String, Text)> {
        let mut all = Vec::new();
        for entry in self.user.container.environment() {
            let map = entry.sets.object().filter(|object| !object.is_secret());
            let map = map.and_then(|map| (self.find)(&map.of(self.user.name.namespace())));
            let (name, text) = match entry.sets {
                EnvSet::Keys(prefix, _) => {
                    for (key, text) in strings(map.as_ref().and_then(|map| map.at("/data"))) {
                        let name = format!("{prefix}{key}");
                        let text = self.variable(&name, text.to_owned(), &entry.field);
                        all.push((name, text));
                    }
                    continue;
                }
                EnvSet::Text(name, text) => (name, Some(Self::expand(text, &all))),
                EnvSet::Key(name, _, key) => {
                    (name, map.and_then(|map| Some(map.at("/data")?.get(key)?.as_str()?.to_owned())))
                }
                EnvSet::Other(name) => (name, None),
            };
            let text = text.unwrap_or_else(|| downward::text(self.user, entry.json, self.pods));
            all.push((name.to_owned(), self.variable(name, text, &entry.field)));
        }
        all
    }

    fn variable(&self, name: &str, text: String, field: &str) -> Text {
        let (object, field) = (self.user.name.clone(), self.user.field(field));
        Text { key: format!("env {name}"), text, object, field, is_given: true }
    }

    /// A text with what is known of the variables put in, as the kubelet does.
    fn expand(text: &str, env: &[(String, Text)]) -> String {
        let known = |name: &str| env.iter().rev().find(|(known, _)| known == name).map(|(_, text)| text.text.as_str());
        expanded(text, &known)
    }

    /// Replaces what a shell puts in for the container's variables.
    fn in_shell(&self, text: &str) -> String {
        let host =
            self.env.iter().all(|(name, _)| name != downward::HOST).then(|| downward::host(self.user, self.pods));
        let known = self.env.iter().rev().map(|(name, text)| (name.as_str(), text.text.as_str()));
        let known = known.chain(host.as_deref().map(|host| (downward::HOST, host)));
        known.fold(text.to_owned(), |text, (name, value)| downward::in_shell(&text, name, value))
    }

    /// A word of the command or the arguments, as the program reads it or a shell that it is given to.
    fn of_word(&self, word: &str) -> String {
        let text = Self::expand(word, &self.env);
        if text.contains(char::is_whitespace) {
            return at_start::put_in(&self.in_shell(&text), self.pods);
        }
        // Without a shell `$NAME` is a name like any other.
        if self.has_shell() { self.in_shell(&text) } else { text }
    }

    /// Whether a shell reads its command or arguments.
    fn has_shell(&self) -> bool {
        let words = ["command", "args"].into_iter().flat_map(|key| list(self.user.container.json, key));
        words.filter_map(Value::as_str).any(is_shell)
    }

    fn folders(&self) -> Vec<Folder> {
        let its = self.user.volumes();
        let mut mount = 0;
        let all = self.user.container.mounts().zip(self.user.container.mounts_as_json());
        all.map(|(one, json)| {
            let is_its = its.contains(&one.volume);
            mount += usize::from(is_its);
            let is_expression = json.get("subPathExpr").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
            let sub_path = if is_expression { Self::expand(one.sub_path, &self.env) } else { one.sub_path.to_owned() };
            Folder {
                path: parts(one.path),
                sub_path: parts(&sub_path).join("/"),
                is_its,
                mount: mount.saturating_sub(1),
            }
        })
        .collect()
    }

    /// The texts that a container is given, and those of the files that it is.
    fn texts(&self) -> Vec<Text> {
        let mut all: Vec<Text> = Vec::new();
        let mut seen = Vec::new();
        for (name, text) in self.env.iter().rev() {
            if !seen.contains(&name) {
                seen.push(name);
                all.push(Text {
                    key: text.key.clone(),
                    text: text.text.clone(),
                    object: text.object.clone(),
                    field: text.field.clone(),
                    is_given: true,
                });
            }
        }
        all.reverse();
        for list_key in ["command", "args"] {
            let words = list(self.user.container.json, list_key);
            for (index, word) in words.iter().enumerate().filter_map(|(index, word)| Some((index, word.as_str()?))) {
                let before = index
                    .checked_sub(1)
                    .and_then(|at| words[at].as_str())
                    .filter(|word| word.starts_with('-') && !word.contains('='));
                all.push(Text {
                    key: before.filter(|_| !word.starts_with('-')).map_or_else(String::new, |flag| format!("{flag} ")),
                    text: self.of_word(word),
                    object: self.user.name.clone(),
                    field: self.user.field(&format!("/{list_key}/{index}")),
                    is_given: true,
                });
            }
        }
        if let Some(folder) = self.user.container.json.get("workingDir").and_then(Value::as_str) {
            all.push(Text {
                key: "workingDir".into(),
                text: folder.to_owned(),
                object: self.user.name.clone(),
                field: self.user.field("/workingDir"),
                is_given: true,
            });
        }
        all.extend(self.files());
        all
    }

    /// The lines of the `ConfigMap`s that the container has as files.
    fn files(&self) -> Vec<Text> {
        let mut all = Vec::new();
        for mounted in self.user.template.files_in(self.user.container).into_iter().filter(|it| !it.object.is_secret())
        {
            let map = mounted.object.of(self.user.name.namespace());
            let Some(object) = (self.find)(&map) else { continue };
            for (field, key, text) in object.map_texts() {
                let Some(file) = mounted.file_of(&key) else { continue };
                let text = at_start::put_in(&anchors::put_in(&text), self.pods);
                let is_comment = |line: &&str| line.starts_with(['#', ';']) || line.starts_with("//");
                for line in text.lines().map(str::trim).filter(|line| line.contains('/') && !is_comment(line)) {
                    all.push(Text {
                        key: format!("{file}: "),
                        text: self.in_shell(line),
                        object: map.clone(),
                        field: field.clone(),
                        is_given: false,
                    });
                }
            }
        }
        all
    }

    /// The paths on the volume that a text names.
    fn read(&self, text: &Text, all: &mut Vec<Setting>) {
        let found: Vec<(std::ops::Range<usize>, &Folder, String)> = tokens(&text.text)
            .into_iter()
            .filter_map(|range| {
                let (folder, location) = self.locate(&text.text[range.clone()])?;
                Some((range, folder, location))
            })
            .collect();
        let mut key = text.text.clone();
        for (range, ..) in found.iter().rev() {
            key.replace_range(range.clone(), "<>");
        }
        // The name of a variable says what it is, whatever else its text has.
        let key = if text.key.starts_with("env ") || text.key == "workingDir" {
            text.key.clone()
        } else {
            format!("{}{}", text.key, downward::as_today(&key))
        };
        let is_named = key == text.key;
        let name = |start: usize| match is_named {
            true => key.clone(),
            // The flag is the word before, or the name stands in the text.
            false => match plain(called(&text.text, start)) {
                name if name.is_empty() && text.is_given => plain(&text.key),
                name => name,
            },
        };
        all.extend(found.into_iter().map(|(range, folder, location)| Setting {
            name: name(range.start),
            // A line of a file may have many.
            is_aside: is_aside(if text.is_given { &key } else { called(&text.text, range.start) }),
            key: key.clone(),
            path: text.text[range].to_owned(),
            location,
            mount: folder.mount,
            object: text.object.clone(),
            field: text.field.clone(),
            is_given: text.is_given,
        }));
    }

    /// Where on the volume a path of the container lies; `None` where it lies elsewhere.
    fn locate(&self, path: &str) -> Option<(&Folder, String)> {
        let path = parts(path);
        let above = self.folders.iter().filter(|folder| path.starts_with(&folder.path));
        let folder = above.max_by_key(|folder| folder.path.len()).filter(|folder| folder.is_its)?;
        let rest = &path[folder.path.len()..];
        let all: Vec<&str> = std::iter::once(folder.sub_path.as_str())
            .chain(rest.iter().map(String::as_str))
            .filter(|part| !part.is_empty())
            .collect();
        Some((folder, all.join("/")))
    }
}

/// The texts of a map.
fn strings(map: Option<&Value>) -> impl Iterator<Item = (&str, &str)> {
    map.and_then(Value::as_object).into_iter().flatten().filter_map(|(key, text)| Some((key.as_str(), text.as_str()?)))
}

/// The parts of a path, without what does not count: `/a//./b/` is `a` and `b`.
pub(super) fn parts(path: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                all.pop();
            }
            part => all.push(part.to_owned()),
        }
    }
    all
}

/// The absolute paths in a text: `--data=/a/b`, `-D/a`, `cp /a "/b"`, `file:///a`.
fn tokens(text: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let ends = |c: u8| c.is_ascii_whitespace() || b"\"'`,;:=&|<>()[]{}?*!".contains(&c);
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(slash) = text[at..].find('/').map(|offset| at + offset) {
        let before = slash.checked_sub(1).map(|at| bytes[at]);
        // A flag of one letter takes its argument without a blank.
        let is_flag = slash >= 2
            && bytes[slash - 1].is_ascii_alphabetic()
            && bytes[slash - 2] == b'-'
            && slash.checked_sub(3).is_none_or(|at| ends(bytes[at]));
        let end = bytes[slash..].iter().position(|c| ends(*c)).map_or(bytes.len(), |length| slash + length);
        if before.is_none_or(|c| ends(c) || c == b'@') || is_flag {
            all.push(slash..end);
        }
        at = end.max(slash + 1);
    }
    all
}

/// What a path in a line is called: of `{"logs":"/l","dir":"/d"}` the second is called `"dir":"`.
fn called(line: &str, path: usize) -> &str {
    let before = tokens(line).into_iter().map(|range| range.end).filter(|end| *end <= path).max().unwrap_or_default();
    let name = &line[before..path];
    let name = name.rsplit([',', ';', '{', '&', '|']).next().unwrap_or(name);
    name.rfind(" -").map_or(name, |flag| &name[flag..])
}

/// A name without what is written around it.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "_-.$".contains(*c)).collect()
}

/// Whether a setting is about something beside the data: logs, temporary files, sockets.
pub(super) fn is_aside(key: &str) -> bool {
    const ASIDE: [&str; 15] = [
        "log", "logs", "logfile", "tmp", "tmpdir", "temp", "cache", "pid", "pidfile", "sock", "socket", "lock",
        "backup", "backups", "metrics",
    ];
    // A log that is written ahead is data, and so are those of Kafka.
    const OF_DATA: [&str; 11] =
        ["data", "wal", "txn", "transaction", "transactions", "commit", "redo", "undo", "bin", "journal", "dirs"];
    let is_aside = |word: &str| {
        let words: Vec<String> = word.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_lowercase).collect();
        let is_of_data = words.iter().any(|word| OF_DATA.contains(&word.as_str()));
        let is_one = |word: &String| ASIDE.contains(&word.as_str()) && !(is_of_data && word.starts_with("log"));
        words.iter().any(is_one)
    };
    key.len() <= 60 && key.split_whitespace().any(is_aside)
}

/// Which container of a pod this is, for people.
pub(super) fn shown(template: PodTemplate<'_>, container: Container<'_>) -> String {
    if template.containers().count() < 2 { "its container".into() } else { format!("container {}", container.name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_settings() {
        let cases: [(&str, &[&str]); 9] = [
            ("/data", &["/data"]),
            ("--data=/data/db", &["/data/db"]),
            ("-D/data/db", &["/data/db"]),
            ("exec server --a /x --b '/y'", &["/x", "/y"]),
            ("file:///data/x", &["///data/x"]),
            ("http://host/data", &["//host/data"]),
            ("./data/x and a/b", &[]),
            ("/a:/b", &["/a", "/b"]),
            ("dir /data\n", &["/data"]),
        ];
        for (text, paths) in cases {
            let found: Vec<&str> = tokens(text).into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, paths, "{text}");
        }
    }

    #[test]
    fn parts_of_a_path() {
        assert_eq!(parts("/a//./b/"), ["a", "b"]);
        assert_eq!(parts("/a/../b"), ["b"]);
        assert!(parts("/").is_empty());
    }

    #[test]
    fn a_path_in_a_line_is_called_by_what_is_before_it() {
        for (line, path, name) in [
            (r#"{"level":"log","dir":"/d","tmp":"/t"}"#, "/d", r#""dir":""#),
            (r#"{"level":"log","dir":"/d","tmp":"/t"}"#, "/t", r#""tmp":""#),
            ("log_path = /l", "/l", "log_path = "),
            ("cp /tmp/a /b", "/b", " "),
            ("exec store --log x --dir /d", "/d", " --dir "),
        ] {
            assert_eq!(called(line, line.find(path).expect("a path")), name, "{line}");
        }
    }

    #[test]
    fn what_is_beside_the_data() {
        for key in ["env LOG_DIR", "--pidfile=<>", "--log-path=<>", "env BACKUP_DIR"] {
            assert!(is_aside(key), "{key}");
        }
        for key in ["env PGDATA", "--data=<>", "--wal-dir=<>", "env CATALOG"] {
            assert!(!is_aside(key), "{key}");
        }
    }
}

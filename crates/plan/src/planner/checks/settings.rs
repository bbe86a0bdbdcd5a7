//! What a program is told of its data by flags, variables and lines of its files: which data it uses, how long it keeps it, and
//! whether it throws it away. The words are in `recipes/programs.yaml`, those of known servers in `recipes/servers.yaml`.

use portolan_kube_facts::list;
use portolan_model::{Ref, Volume};
use portolan_recipe::{DataServers, DataWords, is_at_least};
use serde_json::Value;

use super::Report;
use super::scripts::{FindText, files};
use super::servers::reference;
use super::uses::Use;

/// What one setting says.
struct Setting {
    /// As it is written: `--appendonly`, `APP_DROP_SCHEMA`.
    name: String,
    /// It may come out of a Secret, and is never shown.
    text: String,
    form: Form,
    /// The object that has it.
    object: Ref,
    /// Where in it, as a JSON pointer.
    field: String,
}

/// How a setting is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Argument,
    Variable,
    Line,
}

/// All that is told to a program.
pub(super) struct Told {
    image: String,
    settings: Vec<Setting>,
    /// Its command and arguments, joined by blanks.
    arguments: String,
    workload: Ref,
    /// Where in the workload the container stands.
    pointer: String,
}

impl Told {
    pub(super) fn to(user: &Use<'_>, find: &FindText<'_>) -> Self {
        let mut settings = Vec::new();
        let mut arguments = String::new();
        for key in ["command", "args"] {
            let texts: Vec<&str> = list(user.container.json, key).iter().filter_map(Value::as_str).collect();
            let own = |name: &str, text: &str| Setting {
                name: name.into(),
                text: text.into(),
                form: Form::Argument,
                object: user.name.clone(),
                field: user.field(&format!("/{key}")),
            };
            // Texts for a shell are compared as scripts.
            let words = texts.iter().enumerate().filter(|(_, text)| !text.contains(char::is_whitespace));
            settings.extend(words.map(|(at, text)| match text.split_once('=') {
                Some((name, value)) => own(name, value),
                // A flag without `=` takes the next word.
                None => own(text, texts.get(at + 1).copied().filter(|next| !next.starts_with('-')).unwrap_or_default()),
            }));
            texts.iter().for_each(|text| arguments.extend([text, " "]));
        }
        settings.extend(find.variables(user).into_iter().map(|(name, text)| Setting {
            name,
            text,
            form: Form::Variable,
            object: user.name.clone(),
            field: user.field("/env"),
        }));
        for file in files(user, find) {
            for (name, text) in file.text.lines().filter_map(line) {
                let (name, text) = (name.to_owned(), text.to_owned());
                let (object, field) = (file.object.clone(), file.field.clone());
                settings.push(Setting { name, text, form: Form::Line, object, field });
            }
        }
        let image = reference(user.container).to_owned();
        Self { image, settings, arguments, workload: user.name.clone(), pointer: user.field("") }
    }

    /// The texts of settings of the same name and form.
    fn texts(&self, one: &Setting) -> Vec<&str> {
        let same = self.settings.iter().filter(|other| other.form == one.form && other.name == one.name);
        same.map(|other| other.text.as_str()).collect()
    }
}

/// A setting in a line of a file: `name value`, `name=value`, `name: value`.
fn line(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| c.is_whitespace() || c == '=' || c == ':')?;
    let value = text[end..].trim_start_matches(|c: char| c.is_whitespace() || c == '=' || c == ':').trim();
    (end > 0 && !text.starts_with(['#', ';', '/'])).then_some((&text[..end], value))
}

/// Names what is told otherwise than today.
pub(super) fn compare(volume: &Volume, both: [&Told; 2], report: &mut Report) {
    if let Some(change) = change(both) {
        report.unknown(volume, change.object, change.field, (change.reason, change.way_out));
    }
}

/// What is told otherwise.
struct Change<'a> {
    object: &'a Ref,
    field: &'a str,
    reason: String,
    way_out: &'static str,
}

/// The first thing that is told otherwise and concerns the data.
fn change<'a>([before, after]: [&'a Told; 2]) -> Option<Change<'a>> {
    let words = DataWords::builtin();
    let server = DataServers::builtin().of_image(&before.image);
    let own = server.into_iter().flat_map(|server| &server.settings);
    let judge = Judge { words, decides: own.chain(&words.uses).map(String::as_str).collect() };
    let come = after.settings.iter().find_map(|one| {
        let (reason, way_out) = judge.of(one, &before.texts(one), true)?;
        Some(Change { object: &one.object, field: &one.field, reason, way_out })
    });
    // What is not given any more has no place among what will be.
    let gone = || {
        let (reason, way_out) = before.settings.iter().find_map(|one| judge.of(one, &after.texts(one), false))?;
        Some(Change { object: &after.workload, field: &after.pointer, reason, way_out })
    };
    come.or_else(gone).or_else(|| {
        let command = words.command(&after.arguments)?;
        (words.command(&before.arguments) != Some(command)).then(|| Change {
            object: &after.workload,
            field: &after.pointer,
            reason: format!("it is given `{command}`, which it is not today and which throws data away"),
            way_out: "see what it does; give the chart the arguments of today",
        })
    })
}

/// The words by which settings are judged.
struct Judge<'a> {
    words: &'a DataWords,
    /// The names of settings that decide about data.
    decides: Vec<&'a str>,
}

impl Judge<'_> {
    /// Why a setting, which comes or goes, concerns the data; `others` are its texts on the other side.
    fn of(&self, one: &Setting, others: &[&str], comes: bool) -> Option<(String, &'static str)> {
        const OF_TODAY: &str = "see what it does; give the chart the settings of today";
        if others.contains(&one.text.as_str()) {
            return None;
        }
        let name = &one.name;
        if comes && is_destructive(self.words, one) {
            let how = if one.form == Form::Argument { "it is given" } else { "it gets the setting" };
            return Some((format!("{how} {name}, which it has not today and which may throw data away"), OF_TODAY));
        }
        if self.decides.iter().any(|word| is_named(name, word)) {
            return Some((format!("its setting {name} changes, which decides what data it uses or keeps"), OF_TODAY));
        }
        let is_more = |other: &&str| is_at_least(&one.text, other) == Some(comes);
        (self.words.keeps_data(name) && !others.iter().any(is_more)).then(|| {
            let reason = format!("its setting {name} changes, which says how long or how much data is kept");
            (reason, "give the chart the setting of today, or a longer one")
        })
    }
}

/// Whether a new setting makes a program throw data away.
fn is_destructive(words: &DataWords, one: &Setting) -> bool {
    match one.form {
        Form::Argument => {
            one.name.starts_with('-')
                && words.is_destructive(&one.name)
                && !matches!(one.text.as_str(), "false" | "0" | "no")
        }
        Form::Variable => words.throws_away(&one.name, &one.text),
        Form::Line => false,
    }
}

/// Whether a setting is about a word: `--appendonly`, `SPRING_JPA_HIBERNATE_DDL_AUTO`.
fn is_named(name: &str, word: &str) -> bool {
    if word.starts_with("--") {
        return name == word;
    }
    let plain = |text: &str| text.trim_start_matches('-').to_lowercase().replace(['-', '.'], "_");
    let (name, word) = (plain(name), plain(word));
    name == word || name.ends_with(&format!("_{word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_by_their_names() {
        for (text, word, is) in [
            ("--appendonly", "appendonly", true),
            ("KAFKA_CLUSTER_ID", "CLUSTER_ID", true),
            ("SPRING_JPA_HIBERNATE_DDL_AUTO", "ddl-auto", true),
            ("spring.jpa.hibernate.ddl-auto", "ddl-auto", true),
            ("STORAGE_BACKEND", "storage-backend", true),
            ("--name", "--name", true),
            ("--hostname", "--name", false),
            ("AUTOSAVE", "save", false),
        ] {
            assert_eq!(is_named(text, word), is, "{text}");
        }
    }

    #[test]
    fn lines_of_files_are_read() {
        for (text, expected) in [
            ("appendonly yes", Some(("appendonly", "yes"))),
            ("  retention_period: 24h", Some(("retention_period", "24h"))),
            ("recovery_target_time='2020-01-01'", Some(("recovery_target_time", "'2020-01-01'"))),
            ("# appendonly no", None),
            ("alone", None),
        ] {
            assert_eq!(line(text), expected, "{text}");
        }
    }

    fn told(image: &str, form: Form, settings: &[(&str, &str)]) -> Told {
        let workload = Ref::new("apps", "StatefulSet", "n", "store");
        let one = |(name, text): &(&str, &str)| Setting {
            name: (*name).into(),
            text: (*text).into(),
            form,
            object: workload.clone(),
            field: "/x".into(),
        };
        let arguments: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
        Told {
            image: image.into(),
            settings: settings.iter().map(one).collect(),
            arguments: arguments.join(" "),
            workload: workload.clone(),
            pointer: String::new(),
        }
    }

    fn found(image: &str, form: Form, old: &[(&str, &str)], new: &[(&str, &str)]) -> Option<String> {
        change([&told(image, form, old), &told(image, form, new)]).map(|change| change.reason)
    }

    #[test]
    fn what_decides_about_data_is_named_when_it_changes() {
        use Form::{Argument, Line, Variable};
        for (image, form, old, new, is) in [
            ("redis:7", Line, ("dir", "/data"), ("replicaof", "other 6379"), true),
            ("redis:7", Argument, ("--maxmemory-policy", "noeviction"), ("--maxmemory-policy", "allkeys-lru"), true),
            ("postgres:15", Argument, ("fsync", "on"), ("fsync", "off"), true),
            ("rabbitmq:3", Variable, ("A", "b"), ("RABBITMQ_USE_LONGNAME", "true"), true),
            (
                "prometheus:2",
                Argument,
                ("--storage.tsdb.retention.time", "365d"),
                ("--storage.tsdb.retention.time", "1d"),
                true,
            ),
            (
                "prometheus:2",
                Argument,
                ("--storage.tsdb.retention.time", "15d"),
                ("--storage.tsdb.retention.time", "30d"),
                false,
            ),
            ("prometheus:2", Argument, ("--storage.tsdb.retention.time", "15d"), ("--web.listen", ":9090"), true),
            ("app:1", Variable, ("STORAGE_BACKEND", "filesystem"), ("STORAGE_BACKEND", "memory"), true),
            ("app:1", Variable, ("DROP_ON_START", "false"), ("DROP_ON_START", "true"), true),
            ("app:1", Variable, ("DROP_ON_START", "true"), ("DROP_ON_START", "false"), false),
            ("app:1", Argument, ("serve", ""), ("--clean-data", ""), true),
            ("app:1", Argument, ("serve", ""), ("--clean", "false"), false),
            ("app:1", Argument, ("db:migrate", ""), ("db:drop", ""), true),
            ("app:1", Argument, ("serve", ""), ("--drop-privileges", ""), false),
            ("app:1", Variable, ("LOG", "info"), ("RESET_METRICS", "true"), false),
        ] {
            let said = found(image, form, &[old], &[new]);
            assert_eq!(said.is_some(), is, "{image} {old:?} -> {new:?}: {said:?}");
        }
    }
}

//! All that is told to a program: its flags and those of programs that its scripts start, its variables, and the lines of its files.

use std::collections::{BTreeMap, BTreeSet};

use portolan_inventory::credential;
use portolan_kube_facts::list;
use portolan_model::Ref;
use portolan_recipe::{DataServers, DataWords, image_last_part, is_off};
use serde_json::Value;

use super::anchors;
use super::downward::{self, Pods};
use super::moved_files::is_beside;
use super::paths::is_aside;
use super::script_literals::is_program;
use super::script_steps::{exported, left_out_variables, replacing_programs, started_programs};
use super::scripts::{FindText, Scripts, mounted_texts};
use super::servers::reference;
use super::setting_lines::{Line, json_lines, lines, lines_of};
use super::shell::{is_starter, is_tool, program};
use super::uses::Use;

/// What one setting says.
pub(super) struct Setting {
    /// As it is written: `--appendonly`, `APP_DROP_SCHEMA`.
    pub(super) name: String,
    /// The blocks of the file that it stands in, with dots: `schema_config.configs`.
    pub(super) block: String,
    /// It may come out of a Secret, and is never shown.
    pub(super) text: String,
    pub(super) form: Form,
    /// Whether it is one of a list of texts, which has the name.
    pub(super) is_item: bool,
    /// Whether it stands in a file that is no configuration of the program: a certificate, a script, rules, dashboards.
    pub(super) is_beside: bool,
    /// The object that has it.
    pub(super) object: Ref,
    /// Where in it, as a JSON pointer.
    pub(super) field: String,
}

/// How a setting is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Argument,
    Variable,
    Line,
}

/// All that is told to a program.
pub(super) struct Told {
    pub(super) image: String,
    /// The folders at which the container has the volume.
    pub(super) mounts: Vec<String>,
    pub(super) settings: Vec<Setting>,
    /// The variables that are given, whether their text is known or not.
    pub(super) variables: Vec<String>,
    /// The variables that are fields of the pod, by their names.
    pub(super) of_pod: BTreeMap<String, OfPod>,
    /// How many ConfigMaps and Secrets give it all their variables.
    pub(super) sources: usize,
    /// The words among its arguments that are no flags, and nothing that a flag takes: `serve`.
    pub(super) bare: Vec<String>,
    /// All words among its own arguments that are no flags, and nothing that a flag takes, paths too: from where, and to where.
    pub(super) operands: Vec<String>,
    /// Its command and arguments, joined by blanks.
    pub(super) arguments: String,
    /// The texts into which variables may be put, as they are written.
    pub(super) texts: Vec<String>,
    /// The variables that its scripts take away from it: their names, or `*` for all.
    pub(super) left_out: BTreeSet<String>,
    /// The day of the survey, in seconds since 1970; `None` where it is not known.
    pub(super) today: Option<i64>,
    pub(super) workload: Ref,
    /// Where in the workload the container stands.
    pub(super) pointer: String,
}

/// A variable that the kubelet sets to a field of the pod.
pub(super) struct OfPod {
    /// The field: `spec.serviceAccountName`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Told {
    pub(super) fn to(user: &Use<'_>, find: &FindText<'_>) -> Self {
        let words = find.words(user);
        let texts = |key: &str| words.iter().filter(|word| word.key == key).map(|word| word.text.as_str()).collect();
        let (command, args): (Vec<&str>, Vec<&str>) = (texts("command"), texts("args"));
        let mut settings = Vec::new();
        for (key, its) in [("/command", &command), ("/args", &args)] {
            // What starts the program has words of its own.
            let its =
                if its.first().is_some_and(|first| is_starter(first)) { &program(its.iter().copied()) } else { its };
            settings.extend(flags(its).into_iter().map(|(name, text)| own(user, name, text, Form::Argument, key)));
        }
        let variables = find.variables(user);
        let scripts = Scripts::of(user.name, user.template, user.container, find);
        settings.extend(of_scripts(user, &scripts, &variables));
        // Those out of Secrets are judged too, and never shown.
        settings.extend(of_variables(user, &find.all_variables(user)));
        settings.extend(of_files(user, find));
        let inside: Vec<Setting> = settings.iter().flat_map(amounts_inside).collect();
        settings.extend(inside);
        let its: Vec<&str> = words.iter().filter(|word| !word.is_script).map(|word| word.text.as_str()).collect();
        let env = list(user.container.json, "env");
        let given = env.iter().filter_map(|one| Some(one.get("name")?.as_str()?.to_owned()));
        let of_pod = env.iter().filter_map(|one| {
            let path = one.pointer("/valueFrom/fieldRef/fieldPath")?.as_str()?;
            let text = downward::text(user, one, Pods::Today);
            Some((one.get("name")?.as_str()?.to_owned(), OfPod { path: path.to_owned(), text }))
        });
        Self {
            image: reference(user.container).to_owned(),
            mounts: user.mounts.iter().map(|mount| mount.mount.path.to_owned()).collect(),
            bare: if its.iter().any(|word| is_tool(word)) {
                of_shell(&scripts, &variables)
            } else {
                bare(&program(its.iter().copied()))
            },
            operands: if its.iter().any(|word| is_tool(word)) {
                Vec::new()
            } else {
                operands(&program(its.iter().copied())).map(str::to_owned).collect()
            },
            settings,
            variables: given.collect(),
            of_pod: of_pod.collect(),
            sources: list(user.container.json, "envFrom").len(),
            arguments: command.iter().chain(&args).flat_map(|text| [text, " "]).collect(),
            left_out: left_out(user, &its, &scripts, &variables),
            texts: written(user, &scripts),
            today: None,
            workload: user.name.clone(),
            pointer: user.field(""),
        }
    }

    /// What an operator is told by the spec of a custom resource.
    pub(super) fn to_operator(name: &Ref, spec: &Value) -> Self {
        let line = |Line { block, name: key, text, is_item }| Setting {
            name: key,
            block,
            text,
            form: Form::Line,
            is_item,
            is_beside: false,
            object: name.clone(),
            field: "/spec".to_owned(),
        };
        Self {
            image: String::new(),
            mounts: Vec::new(),
            settings: lines_of(spec).into_iter().map(line).collect(),
            variables: Vec::new(),
            of_pod: BTreeMap::new(),
            sources: 0,
            bare: Vec::new(),
            operands: Vec::new(),
            arguments: String::new(),
            texts: Vec::new(),
            left_out: BTreeSet::new(),
            today: None,
            workload: name.clone(),
            pointer: "/spec".to_owned(),
        }
    }

    /// The same at a day, on which parts of a layout by time do not hold yet.
    pub(super) fn on(self, today: Option<u64>) -> Self {
        Self { today: today.and_then(|today| today.try_into().ok()), ..self }
    }

    /// Whether a line belongs to a part of a layout that begins later: the `from` before it is a day to come.
    fn is_of_later(&self, line: &Setting) -> bool {
        let is_in = |one: &&Setting| one.form == Form::Line && one.block == line.block && one.field == line.field;
        let before = self.settings.iter().take_while(|one| !std::ptr::eq(*one, line));
        let from = before.filter(is_in).filter(|one| one.name == "from").last();
        from.and_then(|from| self.is_to_come(from)).unwrap_or_default()
    }

    /// Whether the day that a setting names is still to come; `None` where it names none, or today is not known.
    pub(super) fn is_to_come(&self, from: &Setting) -> Option<bool> {
        let text = from.text.trim().trim_matches(['"', '\'', ',']);
        Some(portolan_kube_facts::start_of_day(text.get(..10)?)? > self.today?)
    }

    /// The last part of its image's name.
    pub(super) fn image_name(&self) -> &str {
        image_last_part(&self.image)
    }

    /// The texts that it is given and that put a variable in.
    pub(super) fn putting_in<'a>(&'a self, variable: &'a str) -> impl Iterator<Item = &'a str> {
        let forms = [format!("$({variable})"), format!("${{{variable}:")];
        let by_shell = |text: &str| downward::in_shell(text, variable, "") != *text;
        let texts = self.texts.iter().map(String::as_str);
        texts.filter(move |text| by_shell(text) || forms.iter().any(|form| text.contains(form)))
    }

    /// Whether a text that it is given puts a variable in.
    pub(super) fn puts_in(&self, variable: &str) -> bool {
        self.putting_in(variable).next().is_some()
    }

    /// Whether it has a setting about a word, with a text; of `name=text`, with that text or a block of that name in it. `arguments=text`
    /// is about the command and its arguments.
    pub(super) fn has(&self, word: &str) -> bool {
        if let Some((name, text)) = word.split_once('=') {
            let is_in_block = |one: &Setting| format!("{}.", one.block).contains(&format!("{name}.{text}."));
            return (name == "arguments" && self.arguments.contains(text))
                || self.settings.iter().any(|one| {
                    (one.is(name) && one.text.contains(text) && !self.is_of_later(one)) || is_in_block(one)
                });
        }
        self.settings.iter().any(|one| one.is(word) && !one.text.is_empty())
            || self.variables.iter().any(|name| is_named(name, word))
    }

    /// The texts of settings of the same name and form, in a block of the same name.
    pub(super) fn texts(&self, one: &Setting) -> Vec<&str> {
        self.same(one).map(|other| other.text.as_str()).collect()
    }

    /// The settings of the same name and form, in a block of the same name: the texts of a list are several.
    pub(super) fn same<'a>(&'a self, one: &Setting) -> impl Iterator<Item = &'a Setting> {
        let is_same = |other: &&Setting| other.form == one.form && other.name == one.name && other.block == one.block;
        self.settings.iter().filter(is_same)
    }
}

/// A setting in the container itself.
fn own(user: &Use<'_>, name: &str, text: &str, form: Form, field: &str) -> Setting {
    Setting {
        name: name.into(),
        block: String::new(),
        text: text.into(),
        form,
        is_item: false,
        is_beside: false,
        object: user.name.clone(),
        field: user.field(field),
    }
}

/// What scripts export for the programs that they start, and the flags that they give them.
fn of_scripts(user: &Use<'_>, scripts: &Scripts, variables: &BTreeMap<String, String>) -> Vec<Setting> {
    let mut all = Vec::new();
    for script in scripts.started().filter(|script| !is_program(script.file())) {
        let its = |name: &str, text: &str, form: Form| Setting {
            object: script.object.clone(),
            field: script.field.clone(),
            ..own(user, name, text, form, "")
        };
        let exports = exported(&script.text, variables);
        all.extend(exports.iter().map(|(name, text)| its(name, text, Form::Variable)));
        for program in started_programs(&script.text, variables) {
            let words: Vec<&str> = program.iter().map(String::as_str).collect();
            all.extend(flags(&words).into_iter().map(|(name, text)| its(name, text, Form::Argument)));
        }
    }
    all
}

/// The variables, and the flags and lines in those that hold a whole file or a command's options.
fn of_variables(user: &Use<'_>, variables: &BTreeMap<String, String>) -> Vec<Setting> {
    let mut all = Vec::new();
    for (name, text) in variables {
        let inside = json_lines(text).or_else(|| text.trim().contains('\n').then(|| lines(&anchors::put_in(text))));
        let line = |Line { block, name, text, is_item }| Setting {
            block,
            is_item,
            ..own(user, &name, &text, Form::Line, "/env")
        };
        all.extend(inside.unwrap_or_default().into_iter().map(line));
        if text.trim_start().starts_with('-') {
            let words: Vec<&str> = text.split_whitespace().collect();
            all.extend(flags(&words).into_iter().map(|(name, text)| own(user, name, text, Form::Argument, "/env")));
        }
        all.push(own(user, name, text, Form::Variable, "/env"));
    }
    all
}

/// The variables that what starts a program takes away from it: `env -u NAME`, `unset NAME`. What it is not given, and is not about data by
/// its name, it does not miss.
fn left_out(user: &Use<'_>, words: &[&str], scripts: &Scripts, given: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut all = left_out_variables(&words.join(" "));
    scripts.started().for_each(|script| all.extend(left_out_variables(&script.text)));
    let known = DataWords::builtin();
    let is_beside = |name: &String| {
        let is_proxy = name.to_lowercase().ends_with("_proxy");
        is_proxy || known.is_beside("", name) || credential::is_named(name)
    };
    let server = DataServers::builtin().of_image(reference(user.container));
    let is_of_server =
        |name: &str| server.is_some_and(|server| server.settings.iter().any(|word| is_named(name, word)));
    let says_nothing = |text: &String| is_off(text) || text == "true" || text.parse::<f64>().is_ok();
    let concerns = |name: &String| {
        name == "*"
            || given.get(name).is_some_and(|text| !says_nothing(text))
            || known.is_named_for_data(name)
            || is_of_server(name)
    };
    all.retain(|name| !is_beside(name) && concerns(name));
    all
}

/// The lines of the files that the container mounts.
fn of_files(user: &Use<'_>, find: &FindText<'_>) -> Vec<Setting> {
    let mut all = Vec::new();
    for file in mounted_texts(user, find) {
        let is_beside = is_beside(&file.path) || is_no_config(&file.path);
        for Line { block, name, text, is_item } in lines(&file.text) {
            let (object, field) = (file.object.clone(), file.field.clone());
            all.push(Setting { name, block, text, form: Form::Line, is_item, is_beside, object, field });
        }
    }
    all
}

/// Amounts within the text of a setting that say how much data is kept: `ttl` in `--store=type=file,ttl=1h`.
fn amounts_inside(one: &Setting) -> Vec<Setting> {
    let block = one.full_name();
    let parts = one.text.split(|c: char| c.is_whitespace() || ",;&?(){}".contains(c));
    let pairs = parts.filter_map(|part| {
        let (name, text) = part.rsplit_once(['=', ':'])?;
        Some((name.rsplit(':').next().unwrap_or(name), text))
    });
    let amounts = pairs.filter(|(name, text)| {
        text.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && DataWords::builtin().bounds_data(&block, name)
    });
    let own = |(name, text): (&str, &str)| Setting {
        name: name.to_owned(),
        block: block.clone(),
        text: text.to_owned(),
        object: one.object.clone(),
        field: one.field.clone(),
        ..*one
    };
    amounts.map(own).collect()
}

/// The texts of a container into which variables may be put, as they are written.
fn written(user: &Use<'_>, scripts: &Scripts) -> Vec<String> {
    let words = ["command", "args"].into_iter().flat_map(|key| list(user.container.json, key));
    let variables = list(user.container.json, "env").iter().filter_map(|one| one.get("value"));
    // What of a volume is mounted is a folder.
    let mounts = user.container.mounts_as_json().filter_map(|mount| mount.get("subPathExpr")?.as_str());
    let given = words.chain(variables).filter_map(Value::as_str).map(str::to_owned);
    let texts = scripts.all().iter().map(|script| script.text.clone());
    texts.chain(given).chain(mounts.map(|folder| format!("/{folder}"))).collect()
}

/// The flags among the words of a command, each with its text: `--name=text`, `--name text`, `-Dname=text` of Java.
fn flags<'a>(words: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let plain = words.iter().enumerate().filter(|(_, word)| !word.contains(char::is_whitespace));
    let of_java =
        |name: &'a str| name.strip_prefix("-D").filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    let all = plain.map(|(at, word)| match word.split_once('=') {
        Some((name, text)) => (of_java(name).unwrap_or(name), text),
        // A flag without `=` takes the next word.
        None => (*word, words.get(at + 1).copied().filter(|next| !next.starts_with('-')).unwrap_or_default()),
    });
    all.collect()
}

/// The same of the program that a shell puts in its place.
fn of_shell(scripts: &Scripts, variables: &BTreeMap<String, String>) -> Vec<String> {
    let all = scripts.started().flat_map(|script| replacing_programs(&script.text, variables));
    all.flat_map(|words| bare(&words.iter().skip(1).map(String::as_str).collect::<Vec<_>>())).collect()
}

/// The words of a command that are no flags, and that no flag before them may take; no paths, no settings.
fn bare(words: &[&str]) -> Vec<String> {
    let is_bare =
        |word: &&str| !word.contains(['=', '/', '$', '{']) && word.starts_with(|c: char| c.is_ascii_alphabetic());
    operands(words).filter(is_bare).map(str::to_owned).collect()
}

/// The words of a command that are no flags, and that no flag before them may take.
fn operands<'a>(words: &[&'a str]) -> impl Iterator<Item = &'a str> {
    let is_taken = |at: usize| {
        at.checked_sub(1).is_some_and(|before| words[before].starts_with('-') && !words[before].contains('='))
    };
    words.iter().enumerate().filter(move |(at, word)| !is_taken(*at) && !word.starts_with('-')).map(|(_, word)| *word)
}

/// Whether a file is no configuration of the program that has it: a script, or what is shown, watched or filled in with it.
pub(super) fn is_no_config(path: &str) -> bool {
    const ENDS: [&str; 9] = [".sh", ".sql", ".py", ".js", ".lua", ".css", ".tpl", ".tmpl", ".md"];
    const PARTS: [&str; 8] =
        ["rules", "alert", "dashboard", "provisioning", "templates", "datasource", "pipeline", "initdb"];
    ENDS.iter().any(|end| path.ends_with(end)) || PARTS.iter().any(|part| path.contains(part))
}

/// A setting's text without what is written around it.
pub(super) fn bare_text(text: &str) -> &str {
    text.trim().trim_end_matches([',', ';']).trim_matches(['"', '\''])
}

impl Setting {
    /// Whether it is about something beside the data, by its name, or a credential: those are compared by themselves.
    pub(super) fn is_about_else(&self, words: &DataWords) -> bool {
        is_aside(&self.name) || credential::is_named(&self.name) || words.is_beside(&self.block, &self.name)
    }

    /// Its name with the blocks around it.
    pub(super) fn full_name(&self) -> String {
        if self.block.is_empty() { self.name.clone() } else { format!("{}.{}", self.block, self.name) }
    }

    /// Whether it is about a word, by its name or by that and the blocks around it.
    pub(super) fn is(&self, word: &str) -> bool {
        is_named(&self.name, word)
            || (!self.block.is_empty() && is_named(&format!("{}.{}", self.block, self.name), word))
    }
}

/// Whether a setting is about a word: `--appendonly`, `SPRING_JPA_HIBERNATE_DDL_AUTO`.
pub(super) fn is_named(name: &str, word: &str) -> bool {
    if word.starts_with("--") {
        return name == word;
    }
    let plain = |text: &str| text.trim_start_matches('-').to_lowercase().replace(['-', '.'], "_");
    let is_it = |name: &str, word: &str| name == word || name.ends_with(&format!("_{word}"));
    let word = plain(word);
    // `clusterName` is `cluster-name`.
    is_it(&plain(name), &word)
        || (name.contains(|c: char| c.is_ascii_lowercase()) && is_it(&plain(&DataWords::spaced(name)), &word))
}

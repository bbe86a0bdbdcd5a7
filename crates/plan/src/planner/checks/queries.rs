//! Programs that ask the server of the data over localhost or its Service, from containers that do not write to the PVC: sidecars,
//! init containers, Jobs, hooks. Which programs these are, and what of theirs only looks, is in `recipes/clients.yaml`.

use std::collections::{BTreeMap, BTreeSet};

use portolan_helm_compat::hooks::{self, Hook};
use portolan_kube_facts::{Container, PodTemplate, claim_mounts, list, volumes_of_claim};
use portolan_model::{Object, Ref, Volume};
use portolan_recipe::{DataClient, DataClients, StandardInput, image_last_part};

use super::addresses;
use super::clients::leading_to_data;
use super::leads::Objects;
use super::pipelines::{Pipeline, ShellCommand, pipelines};
use super::scripts::{FindText, Script, Scripts, Word, files};
use super::servers::reference;
use super::shell::{assignment, base, is_decider, is_shell, put_in};
use super::uses::{Use, Workloads, has_pods};
use super::{HopContext, Report};

/// The texts of variables by their names.
type Variables = BTreeMap<String, String>;

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let running = hooks::of(context.hooks).into_iter().filter(Hook::runs_in_upgrade);
    let hooks: Vec<(Ref, &Object)> = running.filter_map(|hook| Some((hook.name()?, hook.object))).collect();
    let all = workloads.all_after().filter(|(_, object)| has_pods(object));
    let all = all.chain(hooks.iter().map(|(name, object)| (name, *object)));
    let then = FindText::after(context, workloads);
    let asked: Vec<Asked<'_>> = all.flat_map(|(name, object)| of_object(name, object, &then)).collect();
    if asked.is_empty() {
        return;
    }
    let known = today(context, workloads);
    // Rows of a product's database are compared after the upgrade.
    let is_compared = |volume: &&Volume| {
        let is_its = |workload: &Ref| context.resolved.databases.iter().any(|database| database.set == *workload);
        volume.mounts.iter().filter_map(|mount| mount.workload.as_ref()).any(is_its)
    };
    for volume in context.resolved.in_use().filter(|volume| !is_compared(volume)) {
        let server = Server::of(volume, workloads);
        let mut told = BTreeSet::new();
        let new = asked.iter().filter(|one| !known.contains(&one.text) && server.is_asked(one));
        for one in new.filter(|one| told.insert((&one.object, &one.field))) {
            let reason = format!(
                "container {} asks the server of the data by {}, otherwise than today, and what that does to the data is not known",
                one.container.name, one.program
            );
            let way_out = "read what it asks for; give the chart what it has today";
            report.unknown(volume, &one.object, &one.field, (reason, way_out));
        }
    }
}

/// What all containers of today ask for: those that run, and hooks of an upgrade. What a hook does to a new installation, or a CronJob
/// that is suspended, has been done to no data.
fn today(context: &HopContext<'_>, workloads: &Workloads) -> BTreeSet<String> {
    let find = FindText::today(context, workloads);
    let hooks = hooks::of(&context.before.hooks).into_iter().filter(Hook::runs_in_upgrade);
    let hooks: Vec<(Ref, &Object)> = hooks.filter_map(|hook| Some((hook.name()?, hook.object))).collect();
    let all = workloads
        .all_before()
        .filter(|(_, object)| has_pods(object))
        .chain(hooks.iter().map(|(name, object)| (name, *object)));
    all.flat_map(|(name, object)| of_object(name, object, &find)).map(|one| one.text).collect()
}

/// Something that a client does beyond looking.
struct Asked<'a> {
    /// The workload, and the container that runs it.
    workload: &'a Object,
    container: Container<'a>,
    program: String,
    /// The server that its arguments or variables name.
    host: Option<String>,
    /// All that its script asks for, and the files that it names. It may hold credentials and is never shown.
    text: String,
    /// All that its script runs. It is never shown, either.
    script: String,
    /// The texts of its variables.
    variables: String,
    /// Whether a variable may name a server that is not known.
    has_unknown_server: bool,
    /// The object that has the script.
    object: Ref,
    field: String,
}

fn of_object<'a>(name: &Ref, object: &'a Object, find: &FindText<'_>) -> Vec<Asked<'a>> {
    let Some(template) = PodTemplate::of(object) else { return Vec::new() };
    let of_container = |container: Container<'a>| {
        let user = Use { name, template, container, mounts: Vec::new() };
        let scripts = Scripts::of(name, template, container, find);
        let is_own = |script: &&Script| matches!(script.key.as_str(), "script" | "command" | "arguments");
        let others = scripts.all().iter().filter(|script| !is_own(script));
        let others = others.map(|script| (script.object.clone(), script.field.clone(), pipelines(&script.text)));
        let mut all = Vec::new();
        let variables = find.all_variables(&user);
        let has_unknown_server = names_unknown_server(&variables) || find.has_unread_source(&user);
        for (at, field, pipelines) in own(&user, find).into_iter().chain(others) {
            let mut known = variables.clone();
            let read = pipelines.into_iter().flat_map(|pipeline| read(pipeline, &mut known)).collect::<Vec<_>>();
            let text = told(&read, &files(&user, find));
            let words = read.iter().flatten().flat_map(|command| &command.words);
            let script = words.map(String::as_str).collect::<Vec<_>>().join(" ");
            for (client, program, arguments) in read.iter().flatten().filter_map(changes) {
                let of_variables = || client.variables.iter().find_map(|name| known.get(name).map(String::as_str));
                all.push(Asked {
                    workload: object,
                    container,
                    program: program.to_owned(),
                    host: client.host(&arguments).or_else(of_variables).map(str::to_owned),
                    text: text.clone(),
                    script: script.clone(),
                    has_unknown_server,
                    variables: known.values().cloned().collect::<Vec<_>>().join("\n"),
                    object: at.clone(),
                    field: field.clone(),
                });
            }
        }
        all
    };
    template.containers().flat_map(of_container).collect()
}

/// Whether a variable with the address of a server has a text that is not known.
fn names_unknown_server(variables: &Variables) -> bool {
    const WORDS: [&str; 8] = ["HOST", "URL", "URI", "DSN", "SERVER", "ADDRESS", "ENDPOINT", "CONNECTION"];
    let is_address = |name: &str| name.to_uppercase().split('_').any(|word| WORDS.contains(&word));
    variables.iter().any(|(name, text)| text.starts_with('$') && text.contains("KeyRef") && is_address(name))
}

/// The command and arguments of a container as one command, where they name a client.
fn own(user: &Use<'_>, find: &FindText<'_>) -> Option<(Ref, String, Vec<Pipeline>)> {
    let is_named = |text: &str| {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'));
        words.into_iter().any(|word| DataClients::builtin().of_program(word).is_some())
    };
    let mut words = find.words(user);
    // The image's own program, where it is a client.
    let program = image_last_part(reference(user.container));
    if list(user.container.json, "command").is_empty() && DataClients::builtin().of_program(program).is_some() {
        words.insert(0, Word { key: "args", at: 0, text: program.to_owned(), is_script: false });
    }
    let field = words.iter().find(|word| is_named(&word.text)).map(|word| user.field(&word.field()));
    let words = words.into_iter().map(|word| word.text).collect();
    let command = ShellCommand { words, input: StandardInput::Empty };
    Some((user.name.clone(), field?, vec![vec![command]]))
}

/// A pipeline with the variables put in, and those that are given to shells in it.
fn read(pipeline: Pipeline, known: &mut Variables) -> Vec<Pipeline> {
    let mut inner = Vec::new();
    let mut all = Pipeline::new();
    for command in pipeline {
        let words: Vec<String> = command.words.iter().map(|word| put_in(word, known)).collect();
        let input = match command.input {
            StandardInput::Text(text) => StandardInput::Text(put_in(&text, known)),
            input => input,
        };
        if let Some((name, text)) = assignment(&words.join(" ")) {
            known.insert(name.to_owned(), text.to_owned());
        }
        let command = ShellCommand { words, input };
        let tool = command.program().first().map_or("", |tool| base(tool));
        if is_shell(tool) || matches!(tool, "su" | "runuser" | "eval" | "xargs") {
            let texts = command.words.iter().filter(|word| word.contains(char::is_whitespace));
            inner.extend(texts.flat_map(|text| pipelines(text)).collect::<Vec<_>>());
        }
        all.push(command);
    }
    let inner = inner.into_iter().flat_map(|pipeline| read(pipeline, known)).collect::<Vec<_>>();
    std::iter::once(all).chain(inner).collect()
}

/// The client in a command that does more than look, its name and its arguments.
fn changes(command: &ShellCommand) -> Option<(&'static DataClient, &str, Vec<&str>)> {
    let known = DataClients::builtin();
    let words = command.program();
    // What is shown is not run, and a shell's text is read by itself.
    let tool = words.first().map(|tool| base(tool)).filter(|tool| !matches!(*tool, "echo" | "printf"))?;
    let at = words.iter().position(|word| known.of_program(base(word)).is_some()).filter(|_| !is_shell(tool))?;
    let (name, arguments) = (base(words[at]), words[at + 1..].to_vec());
    let client = known.of_program(name)?;
    (!known.only_looks(client, &arguments, &command.input)).then_some((client, name, arguments))
}

/// How names of files end that have statements.
const STATEMENTS: [&str; 5] = ["sql", "js", "cql", "lua", "redis"];

/// What a script asks servers for beyond looking, what it decides that by, and the files that it may give them.
fn told(pipelines: &[Pipeline], files: &[Script]) -> String {
    let counts = |command: &ShellCommand| {
        let tool = command.program().first().copied().unwrap_or_default();
        changes(command).is_some() || is_decider(tool) || matches!(tool, "while" | "until" | "read")
    };
    let asked: Vec<&Pipeline> = pipelines.iter().filter(|pipeline| pipeline.iter().any(counts)).collect();
    let mut all = String::new();
    for command in asked.iter().copied().flatten() {
        all.push_str(&command.words.join("\u{1f}"));
        if let StandardInput::Text(text) = &command.input {
            all.push_str(text);
        }
        all.push('\n');
    }
    for file in files {
        let name = file.file();
        let is_of_statements = name.rsplit_once('.').is_some_and(|(_, suffix)| STATEMENTS.contains(&suffix));
        if is_of_statements || all.contains(name) {
            all.push_str(&format!("{name}\u{1f}{}\n", file.text));
        }
    }
    all
}

/// The server of a PVC's data.
struct Server<'a> {
    volume: &'a Volume,
    /// The Services that lead to it before the hop or after it.
    services: Vec<Ref>,
}

impl<'a> Server<'a> {
    fn of(volume: &'a Volume, workloads: &Workloads) -> Self {
        let leading = |objects: Objects<'_>| -> Vec<Ref> {
            leading_to_data(&volume.claim, &objects).into_iter().cloned().collect()
        };
        let both = [leading(workloads.all_before().collect()), leading(workloads.all_after().collect())];
        Self { volume, services: both.concat() }
    }

    fn is_asked(&self, one: &Asked<'_>) -> bool {
        let mounts = claim_mounts(one.workload, &self.volume.claim);
        let is_its =
            |container: Container<'_>| container.kind == one.container.kind && container.name == one.container.name;
        // A script beside the data is compared as such.
        if mounts.iter().any(|mount| is_its(mount.container) && !mount.is_read_only) {
            return false;
        }
        let is_beside = one.container.runs_beside() && !volumes_of_claim(one.workload, &self.volume.claim).is_empty();
        let names = |text: &str| addresses::count(text, &self.services) > 0;
        match &one.host {
            Some(host) => names(host) || host.contains('$') || (is_beside && is_local(host)),
            None => {
                let may_be_its = one.has_unknown_server && !self.services.is_empty();
                is_beside || [&one.text, &one.script, &one.variables].into_iter().any(|text| names(text)) || may_be_its
            }
        }
    }
}

/// Whether a server is in the same pod, by its address.
fn is_local(host: &str) -> bool {
    host.starts_with('/')
        || ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"].iter().any(|local| host.contains(local))
        || host == "::1"
}

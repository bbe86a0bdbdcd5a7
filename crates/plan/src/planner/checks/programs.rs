//! Programs that come to the data, or change beside it. What an image's own program does with its data is its business; a
//! container that did not write to the PVC before, and a script of the chart, may do anything to it.

use std::collections::BTreeSet;

use portolan_kube_facts::{ClaimMount, Container, PodTemplate, claim_mounts, list};
use portolan_model::{Object, Ref, Volume};
use serde_json::Value;

use super::paths::FindObject;
use super::uses::{Pair, Workloads};
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let before = |name: &Ref| workloads.before(name).or_else(|| context.before.objects.get(name)).cloned();
    let after = |name: &Ref| workloads.after(name).or_else(|| context.beside(name)).cloned();
    for volume in context.resolved.in_use() {
        let (pairs, _) = workloads.pairs(volume);
        let mut seen: BTreeSet<(&Ref, &Ref)> = BTreeSet::new();
        for pair in &pairs {
            let (was, will) = (pair.before.name, pair.after.name);
            if let (true, Some(old), Some(new)) =
                (seen.insert((was, will)), workloads.before(was), workloads.after(will))
            {
                let writers = Writers { volume, pairs: &pairs, old, new, name: will };
                writers.newcomers(report);
                writers.scripts((&before, &after), report);
            }
        }
    }
}

/// The containers of a workload that write to a PVC, before and after.
struct Writers<'a> {
    volume: &'a Volume,
    pairs: &'a [Pair<'a>],
    old: &'a Object,
    new: &'a Object,
    name: &'a Ref,
}

impl<'a> Writers<'a> {
    fn of(&self, object: &'a Object) -> Vec<ClaimMount<'a>> {
        let mut all = claim_mounts(object, &self.volume.claim);
        all.retain(|mount| !mount.is_read_only);
        all
    }

    /// The container in whose place one is.
    fn predecessor(&self, container: Container<'_>) -> Option<Container<'a>> {
        let all = self.of(self.old);
        let same = all.iter().find(|old| is_same(old.container, container)).map(|old| old.container);
        let is_its = |pair: &&Pair<'a>| {
            pair.after.name == self.name
                && is_same(pair.after.container, container)
                && pair.before.container.kind == container.kind
        };
        same.or_else(|| self.pairs.iter().find(is_its).map(|pair| pair.before.container))
    }

    /// Containers that did not write to the PVC before.
    fn newcomers(&self, report: &mut Report) {
        let Some(template) = PodTemplate::of(self.new) else { return };
        for mount in self.of(self.new) {
            let container = mount.container;
            let words = words(container.json);
            if self.predecessor(container).is_some() || (!words.is_empty() && is_harmless(&words)) {
                continue;
            }
            let field = format!("{}{}", template.pointer, mount.pointer());
            let reason = format!(
                "container {} did not write to the PVC before, and what its program does to the data is not known",
                container.name
            );
            report.unknown(self.volume, self.name, &field, (reason, "mount the PVC with readOnly, or not at all"));
        }
    }

    /// Scripts of the containers that change.
    fn scripts(&self, (before, after): (&FindObject<'_>, &FindObject<'_>), report: &mut Report) {
        let (Some(was), Some(will)) = (PodTemplate::of(self.old), PodTemplate::of(self.new)) else { return };
        let mut seen = BTreeSet::new();
        for container in self.of(self.new).iter().map(|mount| mount.container) {
            let Some(old) = self.predecessor(container).filter(|_| seen.insert((container.kind, container.index)))
            else {
                continue;
            };
            let (had, has) = (scripts(self.name, was, old, before), scripts(self.name, will, container, after));
            for script in &has {
                let other = had.iter().find(|other| other.key == script.key).map(|other| other.text.as_str());
                if !is_harmless_change(other.unwrap_or_default(), &script.text) {
                    let reason = "it is a script that runs beside the data and changes, and what it does is not known";
                    let way_out = "read what it does; give the chart the script of today";
                    report.unknown(self.volume, &script.object, &script.field, (reason.into(), way_out));
                }
            }
        }
    }
}

fn is_same(a: Container<'_>, b: Container<'_>) -> bool {
    a.kind == b.kind && a.name == b.name
}

/// A text that a shell runs, or a command of a container's lifecycle.
struct Script {
    /// What it is, whatever its place in a list.
    key: String,
    text: String,
    object: Ref,
    field: String,
}

fn scripts(name: &Ref, template: PodTemplate<'_>, container: Container<'_>, find: &FindObject<'_>) -> Vec<Script> {
    let at = format!("{}{}", template.pointer, container.pointer());
    let own = |key: &str, text: String, field: String| Script { key: key.into(), text, object: name.clone(), field };
    let mut all = Vec::new();
    for key in ["command", "args"] {
        let words = list(container.json, key).iter().enumerate();
        for (index, text) in words.filter_map(|(index, word)| Some((index, word.as_str()?))) {
            if text.contains(char::is_whitespace) {
                all.push(own("script", text.to_owned(), format!("{at}/{key}/{index}")));
            }
        }
    }
    for event in ["postStart", "preStop"] {
        let words = container.json.pointer(&format!("/lifecycle/{event}/exec")).map(words).unwrap_or_default();
        if !words.is_empty() {
            all.push(own(event, words, format!("{at}/lifecycle/{event}")));
        }
    }
    for map in template.config_maps_in(container).map(|map| Ref::new("", "ConfigMap", name.namespace(), map)) {
        let Some(object) = find(&map) else { continue };
        for (key, text) in object.at("/data").and_then(Value::as_object).into_iter().flatten() {
            let Some(text) = text.as_str().filter(|text| key.ends_with(".sh") || text.starts_with("#!")) else {
                continue;
            };
            let field = format!("/data/{}", portolan_model::pointer_part(key));
            all.push(Script { key: format!("file {key}"), text: text.to_owned(), object: map.clone(), field });
        }
    }
    all
}

/// A command and its arguments as one text.
fn words(json: &Value) -> String {
    let all = ["command", "args"].into_iter().flat_map(|key| list(json, key)).filter_map(Value::as_str);
    let shell = |word: &&str| !matches!(word.rsplit('/').next(), Some("sh" | "bash")) && !is_flags(word);
    all.skip_while(|word| !shell(word)).collect::<Vec<_>>().join(" ")
}

/// The flags of a shell: `-c`, `-ec`.
fn is_flags(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| rest.ends_with('c') && rest.chars().all(|c| c.is_ascii_alphabetic()))
}

/// Whether everything that one script has and the other has not does nothing to data.
fn is_harmless_change(old: &str, new: &str) -> bool {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (commands(old).collect(), commands(new).collect());
    let programs = |commands: &BTreeSet<&'_ str>| -> BTreeSet<String> {
        commands.iter().filter_map(|one| started(one)).map(str::to_owned).collect()
    };
    let (was, is) = (programs(&old), programs(&new));
    // The same program with other arguments, or one that the image started by itself: what it is told of the data is judged elsewhere.
    let is_program = |command: &str| {
        started(command).is_some_and(|tool| was == is || (was.is_empty() && !FILE_TOOLS.contains(&tool)))
    };
    old.symmetric_difference(&new).all(|command| is_harmless(command) || is_program(command))
}

/// Programs that are no server, and change files or run a script.
const FILE_TOOLS: [&str; 14] =
    ["rm", "mv", "cp", "dd", "find", "truncate", "shred", "rsync", "tee", "unlink", "sh", "bash", "busybox", "install"];

/// The program that a command puts in the shell's place.
fn started(command: &str) -> Option<&str> {
    let mut words = command.split_whitespace().skip_while(|word| is_assignment(word));
    (words.next() == Some("exec")).then(|| words.next()?.rsplit('/').next()).flatten()
}

/// The commands of a script.
fn commands(script: &str) -> impl Iterator<Item = &str> {
    script
        .split(['\n', ';', '&', '|'])
        .map(str::trim)
        .filter(|command| !command.is_empty() && !command.starts_with('#'))
}

/// Whether commands only wait, write to the screen, make a folder or hand files over.
fn is_harmless(script: &str) -> bool {
    const TOOLS: [&str; 17] = [
        "sleep", "echo", "printf", "true", ":", "set", "umask", "ulimit", "date", "id", "ls", "mkdir", "chown",
        "chmod", "chgrp", "setfacl", "wait",
    ];
    commands(script).all(|command| {
        let mut words = command.split_whitespace().skip_while(|word| is_assignment(word));
        let tool = words.find(|word| *word != "exec").and_then(|tool| tool.rsplit('/').next());
        let is_tool = tool.is_none_or(|tool| TOOLS.contains(&tool));
        is_tool && !command.contains(['>', '`']) && !command.contains("$(")
    })
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_script_is_judged_by_its_commands() {
        let script = "mkdir -p /data\ntest -s /data/db || initdb /data/db\nexec server --data /data/db";
        for (from, to, is_harmless) in [
            ("mkdir", "echo starting\nmkdir", true),
            ("exec server", "sleep 5; exec server --quiet", true),
            ("mkdir -p /data", "mkdir -p /data && chown -R 1:1 /data", true),
            ("# none", "", true),
            ("exec", "rm -rf /data/*; exec", false),
            ("exec server", "exec rm -rf", false),
            ("exec server", "exec other", false),
            ("test -s /data/db || ", "", false),
            ("mkdir", "echo > /data/db\nmkdir", false),
            ("mkdir", "A=1 /bin/wipe /data\nmkdir", false),
        ] {
            assert_eq!(is_harmless_change(script, &script.replace(from, to)), is_harmless, "{to}");
        }
    }
}

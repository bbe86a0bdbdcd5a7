//! Containers that do not mount a PVC and write what a program on it reads: an init container that puts the program's configuration or
//! its script into a volume of the pod. What they are told reaches the data through that volume.

use std::collections::BTreeSet;

use portolan_kube_facts::{Container, PodTemplate, claim_mounts, list};
use portolan_model::{Object, Ref, Volume};
use portolan_recipe::DataWords;

use super::moved_files::has_path;
use super::paths::{is_aside, parts};
use super::script_steps::only_looks;
use super::scripts::{FindText, Scripts, files};
use super::settings;
use super::shell::{is_shell, words as words_of};
use super::told::Told;
use super::uses::{Pair, Use, Workloads};
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let (today, then) = (FindText::today(context, workloads), FindText::after(context, workloads));
    for volume in workloads.volumes() {
        for pair in workloads.pairs(volume).0 {
            let folders: Vec<&str> =
                pair.before.mounts.iter().chain(&pair.after.mounts).map(|mount| mount.mount.path).collect();
            let feeding = Feeding { volume, pair: &pair, folders: &folders };
            let (had, has) = (of(&pair.before), of(&pair.after));
            for old in &had {
                match has.iter().find(|new| new.is_in_place_of(old)) {
                    Some(new) => feeding.compare((old, &today), (new, &then), report),
                    None => feeding.one_sided(old, &pair.after, "wrote", "goes", report),
                }
            }
            // One that comes to a volume which the program reads today.
            let is_read = |new: &&Feeder<'_>| pair.before.container.mounts().any(|mount| new.reads_at(mount.path));
            for new in has.iter().filter(|new| !had.iter().any(|old| new.is_in_place_of(old))).filter(is_read) {
                feeding.one_sided(new, &pair.after, "writes", "is new", report);
            }
        }
    }
}

/// A container that writes to volumes which another one reads, and does not mount the PVC.
struct Feeder<'a> {
    container: Container<'a>,
    /// Where it has those volumes.
    writes: BTreeSet<(&'a str, &'a str)>,
    /// Where the other one has them.
    reads: BTreeSet<(&'a str, &'a str)>,
}

impl Feeder<'_> {
    fn is_in_place_of(&self, other: &Self) -> bool {
        self.container.kind == other.container.kind && self.container.name == other.container.name
    }

    /// Whether what it writes is more than what is beside the data.
    fn is_of_data(&self) -> bool {
        self.reads.iter().any(|(path, sub_path)| !is_aside(path) && !is_aside(sub_path))
    }

    fn reads_at(&self, path: &str) -> bool {
        self.reads.iter().any(|(known, _)| parts(known) == parts(path))
    }
}

/// The init containers of a workload that write what its programs on a PVC read, in their order.
pub(super) fn of_object(name: &Ref, object: &Object, claim: &Ref) -> Vec<String> {
    let Some(template) = PodTemplate::of(object) else { return Vec::new() };
    let mut all = Vec::new();
    for mount in claim_mounts(object, claim) {
        let user = Use { name, template, container: mount.container, mounts: vec![mount] };
        for feeder in of(&user).into_iter().filter(|feeder| !feeder.container.runs_beside() && feeder.is_of_data()) {
            if !all.contains(&(feeder.container.index, feeder.container.name.to_owned())) {
                all.push((feeder.container.index, feeder.container.name.to_owned()));
            }
        }
    }
    all.sort();
    all.into_iter().map(|(_, name)| name).collect()
}

/// Those of a container.
fn of<'a>(user: &Use<'a>) -> Vec<Feeder<'a>> {
    let own = user.volumes();
    let is_written = |volume: &str| {
        let found = user.template.volume(volume).map(|(_, volume)| volume);
        found.is_some_and(|it| {
            ["emptyDir", "ephemeral", "persistentVolumeClaim"].iter().any(|key| it.get(key).is_some())
        })
    };
    let others = user
        .template
        .containers()
        .filter(|other| other.name != user.container.name && !other.mounts().any(|mount| own.contains(&mount.volume)));
    let feeders = others.map(|other| {
        let mut feeder = Feeder { container: other, writes: BTreeSet::new(), reads: BTreeSet::new() };
        for read in user.container.mounts().filter(|read| !own.contains(&read.volume) && is_written(read.volume)) {
            for written in other.mounts().filter(|mount| !mount.is_read_only && mount.volume == read.volume) {
                feeder.writes.insert((written.path, written.sub_path));
                feeder.reads.insert((read.path, read.sub_path));
            }
        }
        feeder
    });
    feeders.filter(|feeder| !feeder.writes.is_empty()).collect()
}

struct Feeding<'a> {
    volume: &'a Volume,
    pair: &'a Pair<'a>,
    /// Where the program sees the PVC.
    folders: &'a [&'a str],
}

impl Feeding<'_> {
    fn compare(
        &self,
        (old, today): (&Feeder<'_>, &FindText<'_>),
        (new, then): (&Feeder<'_>, &FindText<'_>),
        report: &mut Report,
    ) {
        let Pair { before, after, .. } = self.pair;
        let had = Scripts::of(before.name, before.template, old.container, today);
        let has = Scripts::of(after.name, after.template, new.container, then);
        if let Some(script) = has.changed_from(&had).next() {
            self.unknown(new, &script.object, &script.field, report);
            return;
        }
        let user = |beside: &Use<'_>, feeder: &Feeder<'_>| beside.other(feeder.container).field("/volumeMounts");
        if places(&old.writes) != places(&new.writes) {
            self.unknown(new, after.name, &user(after, new), report);
            return;
        }
        let is_told = |path: &str| then.given(after).iter().any(|text| has_path(text, path));
        if let Some((path, _)) = places(&new.reads).difference(&places(&old.reads)).find(|(path, _)| !is_told(path)) {
            let reason = format!(
                "what container {} writes is at {path} now, and nothing that it is given says so",
                new.container.name
            );
            let way_out = "see where the program looks for it; give the chart the mounts of today";
            report.unknown(self.volume, after.name, &after.field("/volumeMounts"), (reason, way_out));
            return;
        }
        let (old_user, new_user) = (before.other(old.container), after.other(new.container));
        if words(&old_user, today) != words(&new_user, then) {
            let key = if list(new.container.json, "args").is_empty() { "/command" } else { "/args" };
            self.unknown(new, after.name, &new_user.field(key), report);
            return;
        }
        let told = [Told::to(&old_user, today), Told::to(&new_user, then)];
        if settings::compare(self.volume, [&told[0], &told[1]], report) {
            return;
        }
        let (was, will) = (texts(&old_user, today), texts(&new_user, then));
        let paths = old.writes.iter().chain(&old.reads).map(|(path, _)| *path).filter(|path| !is_aside(path));
        let folders: Vec<&str> = self.folders.iter().copied().chain(paths).collect();
        let is_about = |text: &Text| folders.iter().any(|folder| text.text.contains(folder));
        let changed = |one: &&Text, others: &[Text]| {
            is_about(one) && !others.iter().any(|other| other.key == one.key && other.text == one.text)
        };
        let gone = was.iter().find(|one| changed(one, &will));
        if let Some(text) = will.iter().find(|one| changed(one, &was)).or(gone) {
            self.unknown(new, &text.object, &text.field, report);
        }
    }

    /// An init container that writes what the program reads before it starts, and is there only before the hop, or only after it.
    fn one_sided(&self, feeder: &Feeder<'_>, pod: &Use<'_>, does: &str, what: &str, report: &mut Report) {
        let commands = words_of(feeder.container.json);
        let is_quiet = !commands.is_empty() && only_looks(&commands);
        if feeder.container.runs_beside() || is_quiet || !feeder.is_of_data() {
            return;
        }
        let reason = format!(
            "container {} {does} what {} reads, and {what}: what that does to the data is not known",
            feeder.container.name, self.pair.after.container.name
        );
        let field = format!("{}/initContainers", pod.template.pointer);
        let way_out = "read what it writes; give the chart the containers of today";
        report.unknown(self.volume, pod.name, &field, (reason, way_out));
    }

    fn unknown(&self, feeder: &Feeder<'_>, object: &Ref, field: &str, report: &mut Report) {
        let reason = format!(
            "container {} writes what {} reads, and is told something else: what that does to the data is not known",
            feeder.container.name, self.pair.after.container.name
        );
        report.unknown(self.volume, object, field, (reason, "read what it writes; give the chart what it has today"));
    }
}

/// A text that a container is given, and where it stands.
struct Text {
    key: String,
    /// It may come out of a Secret, and is never shown.
    text: String,
    object: Ref,
    field: String,
}

/// Where volumes are mounted, however that is written, but for what is beside the data.
fn places<'a>(mounts: &BTreeSet<(&'a str, &'a str)>) -> BTreeSet<(String, &'a str)> {
    let all = mounts.iter().filter(|(path, sub_path)| !is_aside(path) && !is_aside(sub_path));
    all.map(|(path, sub_path)| (format!("/{}", parts(path).join("/")), *sub_path)).collect()
}

/// The words that a container's own program is given, but for those about something beside the data. What a shell is given is compared
/// as a script.
fn words(user: &Use<'_>, find: &FindText<'_>) -> Vec<String> {
    let all: Vec<String> = find.words(user).into_iter().map(|word| word.text).collect();
    if all.iter().any(|word| is_shell(word)) {
        return Vec::new();
    }
    let is_beside =
        |word: &String| is_aside(word) || DataWords::builtin().is_beside("", word.split('=').next().unwrap_or(word));
    all.into_iter().filter(|word| !is_beside(word)).collect()
}

/// The variables of a container, and the lines of its files.
fn texts(user: &Use<'_>, find: &FindText<'_>) -> Vec<Text> {
    let mut all: Vec<Text> = Vec::new();
    for (key, text) in find.variables(user) {
        all.push(Text { key, text, object: user.name.clone(), field: user.field("/env") });
    }
    for file in files(user, find) {
        let line = |line: &str| Text {
            key: file.key.clone(),
            text: line.trim().to_owned(),
            object: file.object.clone(),
            field: file.field.clone(),
        };
        all.extend(file.text.lines().map(line));
    }
    all
}

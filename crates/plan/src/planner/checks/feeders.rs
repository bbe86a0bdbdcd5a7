//! Containers that do not mount a PVC and write what a program on it reads: an init container that puts the program's configuration or
//! its script into a volume of the pod. What they are told reaches the data through that volume.

use std::collections::BTreeSet;

use portolan_kube_facts::Container;
use portolan_model::{Ref, Volume};

use super::scripts::{FindText, Scripts, files};
use super::uses::{Pair, Use, Workloads};
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let (today, then) = (FindText::today(context, workloads), FindText::after(context, workloads));
    for volume in workloads.volumes() {
        for pair in workloads.pairs(volume).0 {
            let folders: Vec<&str> =
                pair.before.mounts.iter().chain(&pair.after.mounts).map(|mount| mount.mount.path).collect();
            for feeder in of(&pair.before) {
                let same = |new: &Container<'_>| new.kind == feeder.kind && new.name == feeder.name;
                let Some(new) = pair.after.template.containers().find(same) else { continue };
                let feeding = Feeding { volume, pair: &pair, folders: &folders };
                feeding.compare((feeder, &today), (new, &then), report);
            }
        }
    }
}

/// The containers of a pod that write to a volume which this one reads, and do not mount the PVC.
fn of<'a>(user: &Use<'a>) -> Vec<Container<'a>> {
    let own = user.volumes();
    let read: BTreeSet<&str> =
        user.container.mounts().map(|mount| mount.volume).filter(|volume| !own.contains(volume)).collect();
    let is_written = |volume: &str| {
        let found = user.template.volume(volume).map(|(_, volume)| volume);
        found.is_some_and(|it| {
            ["emptyDir", "ephemeral", "persistentVolumeClaim"].iter().any(|key| it.get(key).is_some())
        })
    };
    let others = user.template.containers().filter(|other| {
        let mut mounts = other.mounts();
        other.name != user.container.name
            && !other.mounts().any(|mount| own.contains(&mount.volume))
            && mounts.any(|mount| !mount.is_read_only && read.contains(mount.volume) && is_written(mount.volume))
    });
    others.collect()
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
        (old, today): (Container<'_>, &FindText<'_>),
        (new, then): (Container<'_>, &FindText<'_>),
        report: &mut Report,
    ) {
        let Pair { before, after, .. } = self.pair;
        let had = Scripts::of(before.name, before.template, old, today);
        let has = Scripts::of(after.name, after.template, new, then);
        if let Some(script) = has.changed_from(&had).next() {
            self.unknown(new, &script.object, &script.field, report);
            return;
        }
        let (was, will) = (texts(before, old, today), texts(after, new, then));
        let is_about = |text: &Text| self.folders.iter().any(|folder| text.text.contains(folder));
        let changed = |one: &&Text, others: &[Text]| {
            is_about(one) && !others.iter().any(|other| other.key == one.key && other.text == one.text)
        };
        let gone = was.iter().find(|one| changed(one, &will));
        if let Some(text) = will.iter().find(|one| changed(one, &was)).or(gone) {
            self.unknown(new, &text.object, &text.field, report);
        }
    }

    fn unknown(&self, feeder: Container<'_>, object: &Ref, field: &str, report: &mut Report) {
        let reason = format!(
            "container {} writes what {} reads, and is told something else: what that does to the data is not known",
            feeder.name, self.pair.after.container.name
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

/// The variables of a container, and the lines of its files.
fn texts<'a>(beside: &Use<'a>, container: Container<'a>, find: &FindText<'_>) -> Vec<Text> {
    let user = Use { name: beside.name, template: beside.template, container, mounts: Vec::new() };
    let mut all: Vec<Text> = Vec::new();
    for (key, text) in find.variables(&user) {
        all.push(Text { key, text, object: user.name.clone(), field: user.field("/env") });
    }
    for file in files(&user, find) {
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

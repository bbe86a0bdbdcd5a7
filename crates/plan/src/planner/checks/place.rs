//! Whether the new containers find the data where the old ones left it on the volume: mount path, sub path, and every
//! setting that names a path on it.
//!
//! A path and the settings that name it may move together: what counts is where on the volume they lie.

use portolan_model::{Code, Finding, Ref};

use super::super::{database_compat, mounts};
use super::downward::{Pods, anew_in};
use super::paths::{ContainerPaths, FindObject, Folder, Setting, is_aside, parts, shown};
use super::scripts::FindText;
use super::secrets::Same;
use super::uses::{Left, Pair, Workloads};
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let before = |name: &Ref| workloads.today(context, name).cloned();
    let after = |name: &Ref| workloads.then(context, name).cloned();
    let (today, then) = (FindText::today(context, workloads), FindText::after(context, workloads));
    for volume in workloads.volumes() {
        let (pairs, left) = workloads.pairs(volume);
        // Of a known database it is enough to say that nothing mounts the PVC any more.
        let is_told = |left: &&Left<'_>| {
            let is_database = context.resolved.databases.iter().any(|database| database.set == *left.before.name);
            is_database && !mounts::is_mounted(&context.planned.docs, &volume.claim)
        };
        for left in left.iter().filter(|left| !is_told(left)) {
            report.findings.push(unmounted(context, left));
        }
        for pair in &pairs {
            let is_judged = database_compat::knows_place(context, pair.before.name, pair.before.container.name);
            if !is_judged {
                let same = Same::of(pair, [&today, &then]);
                Place { context, pair, same }.check((&before, &after), report);
            }
        }
    }
}

/// The volume stays in the pod, or goes from it, and no container has it any more.
fn unmounted(context: &HopContext<'_>, left: &Left<'_>) -> Finding {
    let (chart, claim) = (&context.input.pick.id, &left.volume.claim);
    let container = left.before.container.name;
    let found = if left.is_mounted {
        format!("container {container} of {} in {chart} does not mount {claim} any more", left.workload)
    } else {
        format!("no container of {} in {chart} mounts {claim}", left.workload)
    };
    Finding::blocking(Code::OtherPlace, found)
        .about(left.workload)
        .at(left.field.clone())
        .with(format!("{container} of {} mounts it today", left.before.name))
        .why("the program writes into the container's own layer or another volume, and its data lies unused")
        .next("give the chart the volume mount of today")
}

struct Place<'a> {
    context: &'a HopContext<'a>,
    pair: &'a Pair<'a>,
    same: Same,
}

/// A setting of before and what became of it.
enum SettingChange {
    Kept,
    /// The same path under another name.
    Renamed(usize),
    /// Another path under the same name.
    Moved(usize),
    Gone,
}

impl Place<'_> {
    fn check(&self, (before, after): (&FindObject<'_>, &FindObject<'_>), report: &mut Report) {
        let old = ContainerPaths::of(&self.pair.before, before, Pods::Today);
        let pods = if self.pair.replaces_pods(self.context) { Pods::New } else { Pods::Today };
        let new = ContainerPaths::of(&self.pair.after, after, pods);
        let (mut had, mut has) = (old.settings(), new.settings());
        for settings in [&mut had, &mut has] {
            settings.retain(|setting| !self.same.has(setting));
        }
        let (changes, added) = compare(&had, &has);
        let moved = self.mounts((&old, &new), &had, &changes, report);
        self.read_only(report);
        if moved {
            // The settings below a mount that moved are told by it.
            return;
        }
        // What is made of a variable moves with it.
        let mut told: Vec<(&str, &str)> = Vec::new();
        for (setting, change) in had.iter().zip(&changes) {
            if let SettingChange::Moved(at) = change {
                let (was, will) = (setting.location.as_str(), has[*at].location.as_str());
                if told
                    .iter()
                    .any(|(from, to)| was.strip_prefix(from).is_some_and(|rest| will.strip_prefix(to) == Some(rest)))
                {
                    continue;
                }
                told.push((was, will));
            }
            match change {
                SettingChange::Kept => {}
                SettingChange::Renamed(_) if setting.is_aside => {}
                SettingChange::Renamed(at) => self.renamed(&has[*at], setting, report),
                // What is beside the data is meant for its pod alone.
                SettingChange::Moved(at) if is_of_pod(setting, &has[*at]) => {}
                SettingChange::Moved(at) if setting.is_aside || !has[*at].is_given || !setting.is_given => {
                    self.unknown(&has[*at], setting, report);
                }
                SettingChange::Moved(at) => report.findings.push(self.other_path(&has[*at], setting)),
                SettingChange::Gone if setting.is_aside => {}
                SettingChange::Gone if setting.is_given => report.findings.push(self.gone(setting)),
                SettingChange::Gone => {
                    self.unknown(&Setting { location: String::new(), ..setting.clone() }, setting, report);
                }
            }
        }
        for setting in added.iter().map(|at| &has[*at]).filter(|setting| !setting.is_aside) {
            self.appeared(setting, had.is_empty(), report);
        }
        if let Some(setting) = reordered(&had, &has) {
            let reason = "several settings of one name stand in another order, and which of them counts is not known";
            let way_out = "give the chart the settings of today, in their order";
            report.unknown(self.pair.volume, &setting.object, &setting.field, (reason.into(), way_out));
        }
        self.hidden((&old, &new), &has, report);
    }

    /// Volumes of the pod that come over a folder of the data.
    fn hidden(&self, (old, new): (&ContainerPaths<'_>, &ContainerPaths<'_>), has: &[Setting], report: &mut Report) {
        let known = old.hidden();
        for (volume, path) in new.hidden().into_iter().filter(|new| !known.contains(new) && !is_aside(&new.1)) {
            let is_named = has.is_empty() || has.iter().any(|setting| is_below(&path, &setting.path));
            if !is_named {
                continue;
            }
            let reason = format!("volume {volume} is mounted at {path} and hides that folder of the PVC");
            let field = self.pair.after.field("/volumeMounts");
            let way_out = "mount that volume in a folder outside the PVC's";
            report.unknown(self.pair.volume, self.pair.after.name, &field, (reason, way_out));
        }
    }

    /// Whether a mount moved and the settings did not go with it.
    fn mounts(
        &self,
        (old, new): (&ContainerPaths<'_>, &ContainerPaths<'_>),
        had: &[Setting],
        changes: &[SettingChange],
        report: &mut Report,
    ) -> bool {
        let (olds, news) = (old.mounted(), new.mounted());
        let is_same = |a: &Folder, b: &Folder| a.is_at(b) && a.sub_path == b.sub_path;
        let mut moved = false;
        for (at, folder) in olds.iter().enumerate() {
            if news.iter().any(|new| is_same(folder, new)) {
                continue;
            }
            let mut below = had.iter().zip(changes).filter(|(setting, _)| setting.mount == at).peekable();
            let is_named = below.peek().is_some();
            if is_named && below.all(|(_, change)| matches!(change, SettingChange::Kept | SettingChange::Renamed(_))) {
                continue;
            }
            // A folder of the pod's own for what is beside the data.
            let is_of_pod = |new: &&Folder| new.is_at(folder) && anew_in(&new.sub_path).is_some();
            if is_aside(self.pair.before.mounts[at].mount.path) && news.iter().copied().any(|new| is_of_pod(&new)) {
                continue;
            }
            moved = true;
            let free: Vec<usize> =
                (0..news.len()).filter(|at| !olds.iter().any(|old| is_same(old, news[*at]))).collect();
            report.findings.push(self.other_mount(at, folder, &news, &free));
        }
        moved
    }

    fn other_mount(&self, at: usize, folder: &Folder, news: &[&Folder], free: &[usize]) -> Finding {
        let (before, after) = (&self.pair.before, &self.pair.after);
        let was = &before.mounts[at];
        let same_path = free.iter().copied().find(|new| news[*new].is_at(folder));
        let will = same_path.or(free.first().copied()).map(|at| &after.mounts[at]);
        let (chart, claim) = (&self.context.input.pick.id, &self.pair.volume.claim);
        let who = format!("{} of {}", shown(after.template, after.container), after.name);
        let finding = match (will, same_path) {
            (Some(will), Some(_)) => {
                let key = if will.is_expression || (was.is_expression && will.mount.sub_path.is_empty()) {
                    "subPathExpr"
                } else {
                    "subPath"
                };
                let found = format!("{who} in {chart} mounts another folder of {claim} at {}", will.mount.path);
                Finding::blocking(Code::OtherPlace, found).at(format!(
                    "{}{}/{key}",
                    after.template.pointer,
                    will.pointer()
                ))
            }
            (Some(will), None) => {
                let found =
                    format!("{who} in {chart} mounts {claim} at {}, not at {}", will.mount.path, was.mount.path);
                Finding::blocking(Code::OtherPlace, found).at(format!(
                    "{}{}/{}",
                    after.template.pointer,
                    will.pointer(),
                    will.path_field()
                ))
            }
            (None, _) => {
                let found = format!("{who} in {chart} does not mount {claim} at {} any more", was.mount.path);
                Finding::blocking(Code::OtherPlace, found).at(after.field("/volumeMounts"))
            }
        };
        let text =
            |path: &str, sub: &str| if sub.is_empty() { path.to_owned() } else { format!("{path} (subPath {sub})") };
        let finding =
            finding.about(after.name).with(format!("today: {claim} at {}", text(was.mount.path, was.mount.sub_path)));
        let new = same_path.or(free.first().copied()).and_then(|at| anew_in(&news[at].sub_path));
        let finding = match will {
            Some(will) => finding.with(format!("{chart}: at {}", text(will.mount.path, will.mount.sub_path))),
            None => finding,
        };
        new.map(anew).into_iter().fold(finding, Finding::with)
    }

    /// A container that wrote to the volume and may not any more.
    fn read_only(&self, report: &mut Report) {
        let (before, after) = (&self.pair.before, &self.pair.after);
        if before.mounts.iter().all(|mount| mount.is_read_only) || !after.mounts.iter().all(|mount| mount.is_read_only)
        {
            return;
        }
        let Some(mount) = after.mounts.first() else { return };
        let found = format!(
            "{} of {} in {} may not write to {} any more",
            shown(after.template, after.container),
            after.name,
            self.context.input.pick.id,
            self.pair.volume.claim
        );
        report.findings.push(
            Finding::blocking(Code::OtherPlace, found)
                .about(after.name)
                .at(format!("{}{}/readOnly", after.template.pointer, mount.pointer()))
                .why("a program that keeps its data there fails, or writes somewhere else")
                .next("give the chart the volume mount of today"),
        );
    }

    fn other_path(&self, now: &Setting, was: &Setting) -> Finding {
        let found = format!(
            "{} in {} names another path on {}",
            now.object, self.context.input.pick.id, self.pair.volume.claim
        );
        let finding = Finding::blocking(Code::OtherPlace, found)
            .about(&now.object)
            .at(now.field.clone())
            .with(self.today(was))
            .with(format!("{}: {}", self.context.input.pick.id, place(now)));
        anew_in(&now.location).map(anew).into_iter().fold(finding, Finding::with)
    }

    fn gone(&self, was: &Setting) -> Finding {
        let after = &self.pair.after;
        let list = ["/envFrom", "/env", "/command", "/workingDir"].into_iter().find(|list| was.field.contains(list));
        let (object, field) = if was.object == *self.pair.before.name {
            (after.name, after.field(list.unwrap_or("/args")))
        } else {
            (&was.object, was.field.clone())
        };
        let chart = &self.context.input.pick.id;
        let found = format!(
            "nothing in {} of {chart} names the path {} on {} any more",
            after.name, was.path, self.pair.volume.claim
        );
        Finding::blocking(Code::OtherPlace, found)
            .about(object)
            .at(field)
            .with(self.today(was))
            .with("where the program looks by default is not known")
    }

    fn appeared(&self, now: &Setting, was_silent: bool, report: &mut Report) {
        let is_of_command = now.field.contains("/command/");
        if (was_silent || is_of_command) && now.is_given && !now.location.is_empty() {
            let (chart, claim) = (&self.context.input.pick.id, &self.pair.volume.claim);
            let found = format!("{} in {chart} names a path on {claim}, which it does not today", now.object);
            report.findings.push(
                Finding::blocking(Code::OtherPlace, found)
                    .about(&now.object)
                    .at(now.field.clone())
                    .with(format!("{chart}: {}", place(now)))
                    .with("where the program looks for its data today is not said by this"),
            );
        } else {
            let reason = format!("it names {} on the PVC, which it does not today", now.path);
            let way_out = "give the chart the settings of today";
            report.unknown(self.pair.volume, &now.object, &now.field, (reason, way_out));
        }
    }

    /// A path that is called otherwise.
    fn renamed(&self, now: &Setting, was: &Setting, report: &mut Report) {
        let reason = format!("{} has another name, and whether the program reads that one is not known", was.path);
        let way_out = "see what the program reads; give the chart the settings of today";
        report.unknown(self.pair.volume, &now.object, &now.field, (reason, way_out));
    }

    /// A setting in a file, or one beside the data.
    fn unknown(&self, now: &Setting, was: &Setting, report: &mut Report) {
        let reason = format!("what it says of {} on the PVC changes", was.path);
        report.unknown(self.pair.volume, &now.object, &now.field, (reason, "give the chart the settings of today"));
    }

    fn today(&self, was: &Setting) -> String {
        format!("today: {} of {}", place(was), self.pair.volume.claim)
    }
}

/// Whether a path lies in the folder of another, or is it.
fn is_below(path: &str, folder: &str) -> bool {
    parts(path).starts_with(&parts(folder))
}

/// Whether a folder beside the data is one of its pod alone.
fn is_of_pod(setting: &Setting, now: &Setting) -> bool {
    (setting.is_aside || is_aside(&setting.path)) && anew_in(&now.location).is_some()
}

fn anew(field: &str) -> String {
    if field.ends_with("-hash") {
        return format!(
            "{field} is made from the pod template, with what the API server fills in: it stays only while all of it does"
        );
    }
    format!("{field} is another one in each new pod, and this upgrade replaces the pods")
}

fn place(setting: &Setting) -> String {
    let folder = if setting.location.is_empty() { "the root" } else { setting.location.as_str() };
    format!("{}, which is {folder}", setting.path)
}

/// The first of several settings of one name whose paths stand in another order.
fn reordered<'a>(had: &[Setting], has: &'a [Setting]) -> Option<&'a Setting> {
    let of = |all: &[Setting], key: &str| -> Vec<String> {
        all.iter().filter(|setting| setting.key == key).map(|setting| setting.location.clone()).collect()
    };
    has.iter().filter(|setting| !setting.is_aside).find(|setting| {
        let (mut was, mut will) = (of(had, &setting.key), of(has, &setting.key));
        let is_other = was != will;
        was.sort();
        will.sort();
        is_other && was == will
    })
}

/// What became of each setting of before, and which of the new ones name something new.
fn compare(had: &[Setting], has: &[Setting]) -> (Vec<SettingChange>, Vec<usize>) {
    let mut free: Vec<usize> = (0..has.len()).collect();
    let mut changes: Vec<Option<SettingChange>> = had.iter().map(|_| None).collect();
    let rounds: [fn(&Setting, &Setting) -> bool; 3] = [
        |old, new| old.key == new.key && old.location == new.location,
        |old, new| old.location == new.location,
        |old, new| old.key == new.key,
    ];
    for (round, is_same) in rounds.into_iter().enumerate() {
        for (old, change) in had.iter().zip(&mut changes).filter(|(_, change)| change.is_none()) {
            if let Some(at) = free.iter().position(|new| is_same(old, &has[*new])) {
                let new = free.remove(at);
                *change = Some(match round {
                    1 if old.name != has[new].name => SettingChange::Renamed(new),
                    2 => SettingChange::Moved(new),
                    _ => SettingChange::Kept,
                });
            }
        }
    }
    let is_named = |all: &[Setting], location: &str| all.iter().any(|setting| setting.location == location);
    free.retain(|new| !is_named(had, &has[*new].location));
    let changes = changes.into_iter().zip(had).map(|(change, old)| match change {
        Some(change) => change,
        None if is_named(has, &old.location) => SettingChange::Kept,
        None => SettingChange::Gone,
    });
    (changes.collect(), free)
}

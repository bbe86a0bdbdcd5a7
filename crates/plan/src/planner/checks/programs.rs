//! Programs that come to the data, or change beside it. What an image's own program does with its data is its business; a
//! container that did not write to the PVC before, and a script of the chart, may do anything to it.

use std::collections::BTreeSet;

use portolan_kube_facts::{ClaimMount, Container, PodTemplate, claim_mounts, run_as_user};
use portolan_model::{Object, Ref, Volume};
use serde_json::Value;

use super::script_steps::{only_looks, takes_away};
use super::scripts::{FindText, Scripts};
use super::shell;
use super::uses::{Pair, Workloads};
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let (before, after) = (FindText::today(context, workloads), FindText::after(context, workloads));
    for volume in workloads.volumes() {
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

    /// Containers that do not write to the PVC by a mount, and reach the files of those that do: in a pod whose containers share their
    /// processes, `/proc/PID/root` is another container's root, for its own user and for root.
    fn beside(&self, object: &'a Object) -> Vec<Container<'a>> {
        let Some(template) = PodTemplate::of(object) else { return Vec::new() };
        let writers = self.of(object);
        let shares = template.spec.get("shareProcessNamespace").and_then(Value::as_bool) == Some(true);
        let users: BTreeSet<Option<u64>> = writers.iter().map(|mount| run_as_user(template, mount.container)).collect();
        let reaches = |container: &Container<'_>| {
            let user = run_as_user(template, *container);
            container.runs_beside()
                && !writers.iter().any(|mount| is_same(mount.container, *container))
                && (matches!(user, None | Some(0)) || users.contains(&user) || users.contains(&None))
        };
        template.containers().filter(|_| shares && !writers.is_empty()).filter(reaches).collect()
    }

    /// The container in whose place one is.
    fn predecessor(&self, container: Container<'_>) -> Option<Container<'a>> {
        let all = self.of(self.old);
        let same = all.iter().find(|old| is_same(old.container, container)).map(|old| old.container);
        let is_its = |pair: &&Pair<'a>| {
            pair.after.name == self.name
                && is_same(pair.after.container, container)
                && pair.before.container.kind == container.kind
                // What only read may do anything now.
                && pair.before.mounts.iter().any(|mount| !mount.is_read_only)
        };
        same.or_else(|| self.pairs.iter().find(is_its).map(|pair| pair.before.container))
    }

    /// The user as which the program on the data runs, where it is written.
    fn user(&self, template: PodTemplate<'_>) -> Option<u64> {
        let its = self.pairs.iter().find(|pair| pair.after.name == self.name)?.after.container;
        run_as_user(template, its)
    }

    /// Containers that did not write to the PVC before.
    fn newcomers(&self, report: &mut Report) {
        let Some(template) = PodTemplate::of(self.new) else { return };
        for mount in self.of(self.new) {
            let container = mount.container;
            let words = shell::words(container.json);
            let is_quiet = !words.is_empty() && only_looks(&words) && !takes_away(&words, self.user(template));
            if self.predecessor(container).is_some() || is_quiet {
                continue;
            }
            let field = format!("{}{}", template.pointer, mount.pointer());
            let reason = format!(
                "container {} did not write to the PVC before, and what its program does to the data is not known",
                container.name
            );
            report.unknown(self.volume, self.name, &field, (reason, "mount the PVC with readOnly, or not at all"));
        }
        let known: Vec<&str> =
            PodTemplate::of(self.old).into_iter().flat_map(PodTemplate::containers).map(|old| old.name).collect();
        for container in self.beside(self.new) {
            let words = shell::words(container.json);
            if known.contains(&container.name) || (!words.is_empty() && only_looks(&words)) {
                continue;
            }
            let field = format!("{}/shareProcessNamespace", template.pointer);
            let reason = format!(
                "container {} is new and shares the processes of the pod, by which it reaches the files of the others",
                container.name
            );
            report.unknown(
                self.volume,
                self.name,
                &field,
                (reason, "do not share the processes, or give it a user of its own"),
            );
        }
    }

    /// Scripts of the containers that change.
    fn scripts(&self, (before, after): (&FindText<'_>, &FindText<'_>), report: &mut Report) {
        let (Some(was), Some(will)) = (PodTemplate::of(self.old), PodTemplate::of(self.new)) else { return };
        let mut seen = BTreeSet::new();
        let beside = self.beside(self.new);
        for container in self.of(self.new).iter().map(|mount| mount.container).chain(beside) {
            let same = || was.containers().find(|old| is_same(*old, container));
            let Some(old) =
                self.predecessor(container).or_else(same).filter(|_| seen.insert((container.kind, container.index)))
            else {
                continue;
            };
            let had = Scripts::of(self.name, was, old, before);
            let has = Scripts::of(self.name, will, container, after);
            for script in has.changed_from(&had) {
                let reason = "it is a script that runs beside the data and changes, and what it does is not known";
                let way_out = "read what it does; give the chart the script of today";
                report.unknown(self.volume, &script.object, &script.field, (reason.into(), way_out));
            }
        }
    }
}

fn is_same(a: Container<'_>, b: Container<'_>) -> bool {
    a.kind == b.kind && a.name == b.name
}

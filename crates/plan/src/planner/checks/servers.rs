//! Programs that write to a PVC, today and after the hop: whether the new image opens the data of the old one, and what is told to
//! them about it. Databases of the product's recipes are judged by these.

use std::collections::BTreeSet;

use portolan_kube_facts::{Container, PodTemplate, claim_mounts};
use portolan_model::{Code, Finding, Object, Ref, Volume};
use portolan_recipe::{DataOpens, DataServers, image_last_part, is_of_bitnami, major_rises, tags_agree};
use serde_json::Value;

use super::other_servers::{self, Services};
use super::scripts::FindText;
use super::settings;
use super::told::Told;
use super::uses::{Use, Workloads};
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let (today, then) = (FindText::today(context, workloads), FindText::after(context, workloads));
    let services = Services::of(workloads);
    for volume in workloads.volumes() {
        for (before, after) in programs(context, workloads, volume) {
            let now = context.resolved.inventory.taken;
            let told = [Told::to(&before, &today).on(now), Told::to(&after, &then).on(now)];
            image(volume, (&before, &after), &told, report);
            settings::compare(volume, [&told[0], &told[1]], report);
            other_servers::compare(volume, [&told[0], &told[1]], &services, report);
        }
    }
}

/// The containers that use a PVC today, each with the one in its place, but for those of databases that the product's recipes judge.
fn programs<'a>(context: &HopContext<'_>, workloads: &'a Workloads, volume: &'a Volume) -> Vec<(Use<'a>, Use<'a>)> {
    let (pairs, _) = workloads.pairs(volume);
    let names: BTreeSet<(&Ref, &Ref)> = pairs.iter().map(|pair| (pair.before.name, pair.after.name)).collect();
    let mut all = Vec::new();
    for (was, will) in names {
        // Its image serves init containers too.
        if context.resolved.databases.iter().any(|database| database.set == *was) {
            continue;
        }
        let (Some(old), Some(new)) = (workloads.before(was), workloads.after(will)) else { continue };
        let its = pairs.iter().filter(|pair| pair.after.name == will);
        let mut programs: Vec<(Use<'a>, Use<'a>)> = its.map(|pair| (pair.before.clone(), pair.after.clone())).collect();
        for (before, after) in writers((was, old), (will, new), &volume.claim) {
            if !programs.iter().any(|(_, known)| known.container.name == after.container.name) {
                programs.push((before, after));
            }
        }
        all.extend(programs);
    }
    all
}

/// The containers that write to a PVC before and after, by their names: init containers too.
fn writers<'a>(old: (&'a Ref, &'a Object), new: (&'a Ref, &'a Object), claim: &Ref) -> Vec<(Use<'a>, Use<'a>)> {
    let of = |(name, object): (&'a Ref, &'a Object)| {
        let mut all: Vec<Use<'a>> = Vec::new();
        let Some(template) = PodTemplate::of(object) else { return all };
        for mount in claim_mounts(object, claim).into_iter().filter(|mount| !mount.is_read_only) {
            if !all.iter().any(|known| known.container.name == mount.container.name) {
                all.push(Use { name, template, container: mount.container, mounts: Vec::new() });
            }
        }
        all
    };
    let before = of(old);
    let same = |after: &Use<'a>| before.iter().find(|before| before.container.name == after.container.name).cloned();
    of(new).into_iter().filter_map(|after| Some((same(&after)?, after))).collect()
}

/// Whether the image in the place of another opens its data.
fn image(volume: &Volume, (before, after): (&Use<'_>, &Use<'_>), told: &[Told; 2], report: &mut Report) {
    let (old, new) = (reference(before.container), reference(after.container));
    let known = DataServers::builtin();
    if old == new {
        if let Some(server) = known.of_image(old).filter(|server| server.may_be_any(old) && is_pulled(before, after)) {
            let reason = format!("its image does not say its version, and the new pod may get another {}", server.name);
            report.unknown(
                volume,
                after.name,
                &after.field("/image"),
                (reason, "give the image the tag or digest that runs today"),
            );
        }
        return;
    }
    let (reason, way_out) = match (known.of_image(old), known.of_image(new)) {
        (Some(was), Some(_)) if known.sorts_otherwise(was, old, new) => (
            "the C library of another base image sorts text in another way, and indexes over text are damaged without a word".into(),
            "stay on the base image of today, or rebuild the indexes (REINDEX, ALTER DATABASE ... REFRESH COLLATION VERSION) after it",
        ),
        (Some(was), Some(will)) if was.name == will.name && is_of_bitnami(old) == is_of_bitnami(new) => match was.opens(old, new, [&|word| told[0].has(word), &|word| told[1].has(word)]) {
            DataOpens::Yes if was.is_known_to_open() => return,
            DataOpens::Yes => {
                rises(before, after, report);
                return;
            }
            DataOpens::No(why) => {
                (why, "go by versions that open each other's data, or dump and restore it, as its documentation says")
            }
            DataOpens::NotKnown => (
                format!("{} is run by another image, and the version of one of them is not known", was.name),
                "give both images a tag that says the version",
            ),
        },
        _ if image_last_part(old) == image_last_part(new) && is_of_bitnami(old) != is_of_bitnami(new) => (
            format!("the image of {} is built by somebody else, and may have its data in another folder, as another user", image_last_part(new)),
            "see where the new image has its data, and as whom it runs",
        ),
        _ if image_last_part(old) != image_last_part(new) => (
            format!(
                "{} runs on the data in place of {}, and whether it reads it is not known",
                image_last_part(new),
                image_last_part(old)
            ),
            "see that the new program reads the data of the old one",
        ),
        _ => match tags_agree(old, new) {
            DataOpens::No(why) => (why, "go by versions that read each other's data, as its documentation says"),
            DataOpens::Yes | DataOpens::NotKnown => {
                rises(before, after, report);
                return;
            }
        },
    };
    report.unknown(volume, after.name, &after.field("/image"), (reason, way_out));
}

/// Whether new pods come that ask the registry for an image without a version, as they do where nothing else is said.
fn is_pulled(before: &Use<'_>, after: &Use<'_>) -> bool {
    let (was, will) = (before.template, after.template);
    let policy = after.container.json.get("imagePullPolicy").and_then(Value::as_str);
    (was.spec != will.spec || was.metadata != will.metadata) && policy.is_none_or(|policy| policy == "Always")
}

/// Warns of a program whose major version rises and of which nobody knows here what it asks for.
fn rises(before: &Use<'_>, after: &Use<'_>, report: &mut Report) {
    let (old, new) = (reference(before.container), reference(after.container));
    let Some((was, will)) = major_rises(old, new) else { return };
    let program = image_last_part(new);
    let found = format!("{program} on the data of {} goes from major version {was} to {will}", after.name);
    let finding = Finding::warning(Code::MayNotOpen, found).about(after.name).at(after.field("/image"));
    report.findings.push(
        finding
            .why("a program may change its data at its first start with no way back, or ask for a version in between")
            .next("read its upgrade notes, and make a backup of its data"),
    );
}

/// A container's image as it is written.
pub(super) fn reference(container: Container<'_>) -> &str {
    container.json.get("image").and_then(Value::as_str).unwrap_or_default()
}

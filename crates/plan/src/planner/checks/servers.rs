//! Programs that write to a PVC by their images: whether the new one opens the data of the old one, and settings of known servers
//! that decide which data they use. Databases of the product's recipes are judged by these.

use std::collections::BTreeSet;

use portolan_kube_facts::{Container, PodTemplate, claim_mounts, list};
use portolan_model::{Object, Ref, Volume};
use portolan_recipe::{DataOpens, DataServers, image_last_part};
use serde_json::Value;

use super::uses::Workloads;
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    for volume in context.resolved.in_use() {
        let (pairs, _) = workloads.pairs(volume);
        let names: BTreeSet<(&Ref, &Ref)> = pairs.iter().map(|pair| (pair.before.name, pair.after.name)).collect();
        for (was, will) in names {
            // Its image serves init containers too.
            if context.resolved.databases.iter().any(|database| database.set == *was) {
                continue;
            }
            let (Some(old), Some(new)) = (workloads.before(was), workloads.after(will)) else { continue };
            let place = Place { volume, workload: will };
            let its: Vec<_> = pairs.iter().filter(|pair| pair.after.name == will).collect();
            for pair in &its {
                place.compare(pair.before.container, pair.after.container, &pair.after.field(""), report);
            }
            for (before, after, field) in writers(old, new, &volume.claim) {
                if !its.iter().any(|pair| pair.after.container.name == after.name) {
                    place.compare(before, after, &field, report);
                }
            }
        }
    }
}

/// The containers that write to a PVC before and after, by their names: init containers too.
fn writers<'a>(old: &'a Object, new: &'a Object, claim: &Ref) -> Vec<(Container<'a>, Container<'a>, String)> {
    let of = |object: &'a Object| {
        let mut all: Vec<Container<'a>> = Vec::new();
        for mount in claim_mounts(object, claim).into_iter().filter(|mount| !mount.is_read_only) {
            if !all.iter().any(|known| known.name == mount.container.name) {
                all.push(mount.container);
            }
        }
        all
    };
    let (before, pointer) = (of(old), PodTemplate::of(new).map_or("", |template| template.pointer));
    let pairs = of(new).into_iter().filter_map(|after| {
        let before = before.iter().find(|before| before.name == after.name)?;
        Some((*before, after, format!("{pointer}{}", after.pointer())))
    });
    pairs.collect()
}

struct Place<'a> {
    volume: &'a Volume,
    workload: &'a Ref,
}

impl Place<'_> {
    /// A container today and the one in its place; `field` is where the latter stands.
    fn compare(&self, before: Container<'_>, after: Container<'_>, field: &str, report: &mut Report) {
        let (old, new) = (reference(before), reference(after));
        let known = DataServers::builtin();
        let server = known.of_image(old);
        let mut unknown = |field: String, reason: String, way_out: &str| {
            report.unknown(self.volume, self.workload, &field, (reason, way_out));
        };
        if old != new {
            let at = format!("{field}/image");
            match (server, known.of_image(new)) {
                (Some(was), Some(will)) if was.name == will.name => match was.opens(old, new) {
                    DataOpens::Yes => {}
                    DataOpens::No(why) => {
                        unknown(
                            at,
                            why,
                            "go by versions that open each other's data, or dump and restore it, as its documentation says",
                        );
                    }
                    DataOpens::NotKnown => unknown(
                        at,
                        format!("{} is run by another image, and the version of one of them is not known", was.name),
                        "give both images a tag that says the version",
                    ),
                },
                _ if image_last_part(old) != image_last_part(new) => unknown(
                    at,
                    format!(
                        "{} runs on the data in place of {}, and whether it reads it is not known",
                        image_last_part(new),
                        image_last_part(old)
                    ),
                    "see that the new program reads the data of the old one",
                ),
                _ => {}
            }
        }
        let (flags, has) = (flags(before), flags(after));
        let is_new = |flag: &&(&str, &str)| !flags.iter().any(|(_, old)| old == &flag.1);
        let throws = |flag: &&(&str, &str)| known.is_destructive(flag.1);
        if let Some((list, flag)) = has.iter().filter(is_new).find(throws) {
            let reason = format!("it is given {flag}, which it is not today and which may throw data away");
            unknown(format!("{field}/{list}"), reason, "see what it does; give the chart the arguments of today");
        }
        let words = server.into_iter().flat_map(|server| &server.settings).chain(&known.settings);
        let words: Vec<&str> = words.map(String::as_str).collect();
        let (had, has) = (settings(before, &words), settings(after, &words));
        let changed = had.symmetric_difference(&has).next();
        if let Some((list, word)) = changed {
            let reason = format!("its setting {word} changes, which decides what data it uses or keeps");
            unknown(format!("{field}/{list}"), reason, "give the chart the setting of today");
        }
    }
}

/// A container's image as it is written.
fn reference(container: Container<'_>) -> &str {
    container.json.get("image").and_then(Value::as_str).unwrap_or_default()
}

/// The flags of a container without their values, with the list in which they stand.
fn flags<'a>(container: Container<'a>) -> Vec<(&'static str, &'a str)> {
    let of = |key: &'static str| {
        let texts = list(container.json, key).iter().filter_map(Value::as_str);
        let flags = texts.filter(|text| text.starts_with('-') && !text.contains(char::is_whitespace));
        flags.map(move |flag| (key, flag.split('=').next().unwrap_or(flag)))
    };
    of("command").chain(of("args")).collect()
}

/// The arguments and variables of a container that have one of some words: the list in which they stand, and what they say.
fn settings<'a>(container: Container<'a>, words: &[&str]) -> BTreeSet<(&'static str, String)> {
    let is_one = |text: &str| words.iter().find(|word| is_named(text, word)).map(|word| (*word).to_owned());
    let mut all = BTreeSet::new();
    for key in ["command", "args"] {
        let texts: Vec<&'a str> = list(container.json, key).iter().filter_map(Value::as_str).collect();
        for (at, text) in texts.iter().enumerate() {
            if let Some(word) = is_one(text.split('=').next().unwrap_or_default()) {
                // A flag without `=` takes the next word.
                let value =
                    text.split_once('=').map(|(_, value)| value).or(texts.get(at + 1).copied()).unwrap_or_default();
                all.insert((key, format!("{word} {value}")));
            }
        }
    }
    for env in list(container.json, "env") {
        let text = |key: &str| env.get(key).and_then(Value::as_str).unwrap_or_default();
        if let Some(word) = is_one(text("name")) {
            all.insert(("env", format!("{word} {}", text("value"))));
        }
    }
    all
}

/// Whether a flag or a variable is about a word: `--appendonly`, `SPRING_JPA_HIBERNATE_DDL_AUTO`.
fn is_named(text: &str, word: &str) -> bool {
    if word.starts_with("--") {
        return text == word;
    }
    let bare = |text: &str| text.trim_start_matches('-').to_lowercase();
    let (text, word) = (bare(text), bare(word));
    text == word
        || text.ends_with(&format!("_{word}"))
        || text.ends_with(&format!(".{word}"))
        || text.ends_with(&format!("_{}", word.replace('-', "_")))
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
            ("--name", "--name", true),
            ("--hostname", "--name", false),
            ("AUTOSAVE", "save", false),
        ] {
            assert_eq!(is_named(text, word), is, "{text}");
        }
    }
}

//! Servers with whom a program shares its data: the other members of its cluster, and the one with the rest of the data. Where a setting
//! names none of those of today, the program joins a cluster that does not have the data, or asks a database that says nothing of the
//! files on its volume. That members come and go is as it should be.

use std::collections::BTreeSet;

use portolan_model::{Ref, Volume};
use portolan_recipe::DataWords;

use super::Report;
use super::addresses;
use super::leads::{self, Objects};
use super::told::{Setting, Told, bare_text};
use super::uses::Workloads;

const TODAY: &str = "see that they have the data; give the chart the servers of today";

/// Compares what a program on a volume is told of servers, before and after.
pub(super) fn compare(volume: &Volume, told: [&Told; 2], services: &Services<'_>, report: &mut Report) {
    let Some((object, field, reason)) = others(told, services) else { return };
    if !report.is_unknown_at(volume, object, field) {
        report.unknown(volume, object, field, (reason, TODAY));
    }
}

/// The first setting that names none of its servers of today: the object and the field that say so, and the reason.
fn others<'a>([before, after]: [&'a Told; 2], services: &Services<'_>) -> Option<(&'a Ref, &'a str, String)> {
    let of = (before.image_name(), after.workload.namespace());
    before.settings.iter().find_map(|old| {
        let today: Vec<&Setting> = before.same(old).collect();
        let now: Vec<&Setting> = after.same(old).collect();
        let (had, has) = (hosts(&today, of), hosts(&now, of));
        if had.is_empty() || !had.is_disjoint(&has) {
            return None;
        }
        let texts = |all: &[&Setting]| all.iter().map(|one| one.text.clone()).collect::<Vec<_>>().join(" ");
        let (was, is) = (texts(&today), texts(&now));
        let name = old.full_name();
        let Some(new) = now.first().copied().filter(|_| !is.trim().is_empty()) else {
            // It may come out of an object that is not read, or under another name.
            let is_elsewhere = after.sources > before.sources || after.variables.contains(&old.name);
            let is_said = after.settings.iter().any(|one| !hosts_of(one, of).is_disjoint(&had));
            let reason = format!("its setting {name} with the servers of its data goes, and it may begin alone");
            return (!is_elsewhere && !is_said).then_some((&after.workload, after.pointer.as_str(), reason));
        };
        let reason =
            format!("its setting {name} names other servers than today: whether they have the data is not known");
        (!has.is_empty() && !services.lead_to_same(&was, &is)).then_some((&new.object, new.field.as_str(), reason))
    })
}

fn hosts(all: &[&Setting], of: (&str, &str)) -> BTreeSet<String> {
    all.iter().flat_map(|one| hosts_of(one, of)).collect()
}

/// The servers that a setting of a program with this image names, where it is about those with the data.
fn hosts_of(one: &Setting, (image, namespace): (&str, &str)) -> BTreeSet<String> {
    let words = DataWords::builtin();
    let text = bare_text(&one.text);
    let is_else = one.is_beside
        || one.is_about_else(words)
        || words.is_of_login(&one.full_name())
        || words.is_for_a_while(&one.block, &one.name)
        || words.is_list_of_else("", &one.name);
    let scheme = text.rsplit_once("://").map(|(scheme, _)| scheme);
    let is_of_store = scheme.is_some_and(|scheme| words.is_scheme_of_store(scheme));
    if is_else || text.contains("$(") || !(is_of_store || words.is_of_servers(image, &one.block, &one.name)) {
        return BTreeSet::new();
    }
    let is_named = words.names_host(&one.name) || text.starts_with('{');
    parts(text).iter().filter_map(|part| host(part, is_named, namespace)).collect()
}

/// The parts of a text that may each have a server: of JSON its texts.
fn parts(text: &str) -> Vec<String> {
    if let Some(all) = super::setting_lines::json_lines(text) {
        return all.into_iter().map(|line| line.text).collect();
    }
    text.split([',', ';', ' ', '[', ']', '(', ')', '"', '\''])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The server in a text: `db.svc` of `jdbc:postgresql://u@db.svc:5432/app`, `a` of `a=http://a-0:2380`; the pods of a Service are all that
/// Service. A word alone is one where `is_named` says so.
fn host(part: &str, is_named: bool, namespace: &str) -> Option<String> {
    const HERE: [&str; 4] = ["localhost", "0.0.0.0", "127.0.0.1", "none"];
    let (has_scheme, rest) = part.rsplit_once("://").map_or((false, part), |(_, rest)| (true, rest));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next()?;
    let rest = if has_scheme { rest } else { rest.rsplit('=').next()? };
    let (name, port) = rest.split_once(':').unwrap_or((rest, ""));
    let has_port = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit() || c == ':');
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let is_host = name.len() > 1
        && name.chars().all(is_part)
        && name.contains(|c: char| c.is_ascii_alphabetic() || c == '.')
        && (port.is_empty() || has_port)
        && (has_scheme || has_port || is_named)
        && !part.starts_with(['/', '.'])
        && (has_scheme
            || has_port
            || DataWords::builtin().may_be_name(name)
            || name.split('.').all(|part| part.parse::<u8>().is_ok()));
    (is_host && !HERE.contains(&name)).then(|| canonical(name, namespace))
}

/// A host without what is the same for all pods of its Service: `db-0.db.ns.svc.cluster.local` is `db`.
fn canonical(name: &str, namespace: &str) -> String {
    let name = name.trim_end_matches('.').to_lowercase();
    let mut labels: Vec<&str> = name.strip_suffix(".cluster.local").unwrap_or(&name).split('.').collect();
    let mut is_of_cluster = labels.len() == 2;
    if labels.len() > 1 && labels.last() == Some(&"svc") {
        labels.pop();
        is_of_cluster = true;
    }
    if labels.len() > 1 && labels.last() == Some(&namespace) {
        labels.pop();
        is_of_cluster = true;
    }
    let without_ordinal = |label: &str| -> Option<String> {
        let (set, ordinal) = label.rsplit_once('-')?;
        ordinal.parse::<u32>().ok().map(|_| set.to_owned())
    };
    if is_of_cluster && labels.len() > 1 && without_ordinal(labels[0]).is_some() {
        labels.remove(0);
    }
    match labels.as_slice() {
        [one] => without_ordinal(one).unwrap_or_else(|| (*one).to_owned()),
        all => all.join("."),
    }
}

/// The objects of before and after.
pub(super) struct Services<'a> {
    before: Objects<'a>,
    after: Objects<'a>,
}

impl<'a> Services<'a> {
    pub(super) fn of(workloads: &'a Workloads) -> Self {
        Self { before: workloads.all_before().collect(), after: workloads.all_after().collect() }
    }

    /// Whether a Service that one text names today leads to the pods of a Service that the other one names then.
    fn lead_to_same(&self, was: &str, is: &str) -> bool {
        let led = |text: &str, objects: &Objects<'_>| -> BTreeSet<Ref> {
            let services = objects.iter().filter(|(name, _)| name.kind() == "Service" && name.group().is_empty());
            let named = services.filter(|(name, _)| addresses::count(text, std::slice::from_ref(*name)) > 0);
            let leads = named.flat_map(|(name, service)| leads::selected(name, service, objects));
            leads.map(|(name, _)| name.clone()).collect()
        };
        !led(was, &self.before).is_disjoint(&led(is, &self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_out_of_what_names_it() {
        for (part, is_named, expected) in [
            ("db", true, Some("db")),
            ("db", false, None),
            ("db:5432", false, Some("db")),
            ("jdbc:postgresql://u@db.other.svc:5432/app", false, Some("db.other")),
            ("a=http://etcd-0.etcd:2380", false, Some("etcd")),
            ("1@kafka-0.kafka.ns.svc.cluster.local:9093", false, Some("kafka")),
            ("store-0.ts:8107:8108", false, Some("ts")),
            ("db-1.example.com:5432", false, Some("db-1.example.com")),
            ("10.0.0.1", true, Some("10.0.0.1")),
            ("zk:2181/solr", false, Some("zk")),
            ("/etc/nodes", true, None),
            ("true", true, None),
            ("10", true, None),
            ("localhost:2181", true, None),
        ] {
            assert_eq!(host(part, is_named, "ns").as_deref(), expected, "{part}");
        }
    }
}

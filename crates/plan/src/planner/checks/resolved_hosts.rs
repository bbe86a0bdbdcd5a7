//! Names of hosts that pods resolve otherwise than today: by `hostAliases`, which stand in their `/etc/hosts` and win over DNS, or by other
//! DNS servers. Who asks for a database by such a name is sent to another one.

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::{FieldEffect, PodTemplate, changed_fields, list, pod_field, volumes_of_claim};
use portolan_model::{Code, Finding, JsonPointer, Object, Ref};
use portolan_recipe::DataWords;
use serde_json::Value;

use super::clients::leading_to_data;
use super::leads::Objects;
use super::scripts::FindText;
use super::told::{Setting, Told};
use super::uses::{Use, Workloads};
use super::{HopContext, Report, addresses};

const TODAY: &str = "give the pods the host aliases and DNS settings of today";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let today = FindText::today(context, workloads);
    let before: Objects<'_> = workloads.all_before().collect();
    for (name, old) in workloads.all_before() {
        let Some(new) = workloads.after(name) else { continue };
        let (Some(was), Some(will)) = (PodTemplate::of(old), PodTemplate::of(new)) else { continue };
        let moved = moved(context, was, will);
        let dns = changed_fields(was.spec, will.spec)
            .into_iter()
            .find(|path| path.starts_with("dns") && matches!(pod_field(path), FieldEffect::Unclear(_)));
        if moved.is_empty() && dns.is_none() {
            continue;
        }
        let pod = Pod { context, name, old, told: told(name, was, &today), before: &before };
        for host in &moved {
            pod.alias(host, &format!("{}/hostAliases", will.pointer), report);
        }
        if let Some(path) = dns {
            pod.dns(&format!("{}{}", will.pointer, JsonPointer::of_dotted(&path)), report);
        }
    }
}

/// A pod whose names of hosts lead elsewhere.
struct Pod<'a> {
    context: &'a HopContext<'a>,
    name: &'a Ref,
    old: &'a Object,
    told: Vec<Told>,
    before: &'a Objects<'a>,
}

impl Pod<'_> {
    /// A host that is another address for it.
    fn alias(&self, host: &str, field: &str, report: &mut Report) {
        let reason =
            format!("{host} is another address for its pods than today: they may ask a server with other data");
        let mut is_told = false;
        for volume in self.context.resolved.in_use() {
            let mut services = leading_to_data(&volume.claim, self.before).into_iter();
            let is_of_data = services.any(|service| addresses::count(host, std::slice::from_ref(service)) > 0);
            let is_own = !volumes_of_claim(self.old, &volume.claim).is_empty() && self.naming(host).next().is_some();
            if is_of_data || is_own {
                is_told = true;
                if !report.is_unknown_at(volume, self.name, field) {
                    report.unknown(volume, self.name, field, (reason.clone(), TODAY));
                }
            }
        }
        if !is_told && self.naming(host).any(is_of_store) {
            let finding = Finding::blocking(Code::OtherServer, format!("{host} is another address for {}", self.name));
            report.findings.push(
                finding.about(self.name).at(field).why("it finds another server there, with other data or none").next(
                    format!(
                        "give the chart the address of today, or accept: --accept {} --reason TEXT",
                        Code::OtherServer
                    ),
                ),
            );
        }
    }

    /// Other DNS, for a client of the data.
    fn dns(&self, field: &str, report: &mut Report) {
        for volume in self.context.resolved.in_use() {
            let services: Vec<Ref> = leading_to_data(&volume.claim, self.before).into_iter().cloned().collect();
            let mut texts = self.told.iter().flat_map(|told| &told.settings).map(|one| one.text.as_str());
            if texts.any(|text| addresses::count(text, &services) > 0)
                && !report.is_unknown_at(volume, self.name, field)
            {
                let reason = "the names of servers may lead elsewhere, and it asks for the data by one".to_owned();
                report.unknown(volume, self.name, field, (reason, TODAY));
            }
        }
    }

    /// The settings that name a host and may be about data.
    fn naming(&self, host: &str) -> impl Iterator<Item = &Setting> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let names =
            move |one: &&Setting| one.text.split(|c: char| !is_part(c)).any(|word| word.trim_matches('.') == host);
        let words = DataWords::builtin();
        let is_of_else = move |one: &&Setting| one.is_about_else(words) || words.is_of_login(&one.full_name());
        self.told.iter().flat_map(|told| &told.settings).filter(names).filter(move |one| !is_of_else(one))
    }
}

/// Whether a setting says where a store of data is.
fn is_of_store(one: &Setting) -> bool {
    let words = DataWords::builtin();
    let name = one.full_name();
    words.is_about_data(&name)
        || words.is_of_store(&name)
        || one
            .text
            .split_once("://")
            .is_some_and(|(scheme, _)| words.is_of_store(scheme.rsplit(['"', '\'', '=', ' ']).next().unwrap_or(scheme)))
}

fn told(name: &Ref, template: PodTemplate<'_>, find: &FindText<'_>) -> Vec<Told> {
    let users = template.containers().map(|container| Use { name, template, container, mounts: Vec::new() });
    users.map(|user| Told::to(&user, find)).collect()
}

/// The hosts that lead to other addresses. Of a Service in this namespace without an alias that is its own address.
fn moved(context: &HopContext<'_>, was: PodTemplate<'_>, will: PodTemplate<'_>) -> BTreeSet<String> {
    let (had, has) = (aliases(was), aliases(will));
    let own = |host: &str| -> Option<BTreeSet<String>> {
        let mut services = context.live.iter().filter(|(name, _)| name.group().is_empty() && name.kind() == "Service");
        let (_, service) = services.find(|(name, _)| addresses::count(host, std::slice::from_ref(*name)) > 0)?;
        Some(BTreeSet::from([service.text("/spec/clusterIP").to_owned()]))
    };
    let of = |all: &BTreeMap<&str, BTreeSet<&str>>, host: &str| match all.get(host) {
        Some(its) => Some(its.iter().map(|ip| (*ip).to_owned()).collect()),
        None => own(host),
    };
    let hosts: BTreeSet<&str> = had.keys().chain(has.keys()).copied().collect();
    hosts.into_iter().filter(|host| of(&had, host) != of(&has, host)).map(str::to_owned).collect()
}

/// The addresses of each host in a pod's `hostAliases`.
fn aliases(template: PodTemplate<'_>) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for alias in list(template.spec, "hostAliases") {
        let ip = alias.get("ip").and_then(Value::as_str).unwrap_or_default();
        for host in list(alias, "hostnames").iter().filter_map(Value::as_str) {
            all.entry(host).or_default().insert(ip);
        }
    }
    all
}

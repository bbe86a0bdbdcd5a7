//! Checks of a hop beyond what a rehearsal follows: the volume is where it was, and the new pods do not find its data.
//!
//! Each check reads a [`HopContext`] and gives findings, or names what can reach a volume and is not modelled.

mod addresses;
mod anchors;
mod anew;
mod annotations;
mod another_word;
mod at_start;
mod authorized;
mod clients;
mod curators;
mod custom_resources;
mod cut;
mod database;
mod definitions;
mod downward;
mod downward_files;
mod effect;
mod ending;
mod ephemeral;
mod executable;
mod feeders;
mod fields;
mod heading;
mod hooks;
mod host;
mod host_name;
mod identity;
mod included;
mod keys;
mod kind_fields;
mod leads;
mod left_out;
mod left_over;
mod moved_files;
mod needs;
mod network;
mod newcomers;
mod node;
mod numbers;
mod older_pods;
mod order;
mod other_servers;
mod outside_guards;
mod outside_users;
mod paths;
mod pipelines;
mod place;
mod programs;
mod queries;
mod renamed;
mod resolved_hosts;
mod rights;
mod script_forms;
mod script_inputs;
mod script_literals;
mod script_steps;
mod scripts;
mod secrets;
mod security;
mod servers;
mod service_links;
mod services;
mod setting_lines;
mod settings;
mod shell;
mod source;
mod stale;
mod state;
mod told;
mod unclaimed;
mod uses;
mod volumes;
mod waits;
mod without_claim;

use std::collections::BTreeMap;

use portolan_model::{Code, Finding, JsonPointer, Ref, Unmodelled, ValueChange, Volume};

use super::findings::HopContext;
pub(super) use cut::of as cut_values;
pub(super) use keys::removed as removed_secrets;
pub(super) use state::Upgrade;
use uses::Workloads;
pub(super) use volumes::unretained;

/// What the checks of a hop say.
#[derive(Default)]
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
    pub(super) unmodelled: Vec<Unmodelled>,
    /// Values that go on and do not do what they do today, by path.
    pub(super) value_changes: BTreeMap<String, ValueChange>,
}

/// Runs every check on a hop.
pub(super) fn of_hop(context: &HopContext<'_>) -> Report {
    let mut report = Report::default();
    let workloads = Workloads::of(context);
    place::check(context, &workloads, &mut report);
    volumes::check(context, &mut report);
    downward_files::check(context, &workloads, &mut report);
    programs::check(context, &workloads, &mut report);
    moved_files::check(context, &workloads, &mut report);
    host_name::check(&workloads, &mut report);
    fields::check(context, &workloads, &mut report);
    annotations::check(&workloads, &mut report);
    kind_fields::check(&workloads, &mut report);
    ending::check(&workloads, &mut report);
    feeders::check(context, &workloads, &mut report);
    queries::check(context, &workloads, &mut report);
    newcomers::check(context, &workloads, &mut report);
    order::check(&workloads, &mut report);
    secrets::check(context, &workloads, &mut report);
    identity::check(context, &workloads, &mut report);
    security::check(&workloads, &mut report);
    hooks::check(context, &workloads, &mut report);
    rights::check(context, &workloads, &mut report);
    node::check(context, &workloads, &mut report);
    unclaimed::check(context, &workloads, &mut report);
    without_claim::check(context, &workloads, &mut report);
    needs::check(context, &mut report);
    executable::check(context, &workloads, &mut report);
    waits::check(context, &workloads, &mut report);
    keys::check(context, &mut report);
    anew::check(context, &mut report);
    custom_resources::check(context, &mut report);
    definitions::check(context, &mut report);
    state::check(context, &mut report);
    database::check(context, &workloads, &mut report);
    services::check(context, &workloads, &mut report);
    clients::check(context, &workloads, &mut report);
    network::check(context, &workloads, &mut report);
    curators::check(context, &workloads, &mut report);
    resolved_hosts::check(context, &workloads, &mut report);
    service_links::check(context, &workloads, &mut report);
    older_pods::check(context, &workloads, &mut report);
    stale::check(context, &workloads, &mut report);
    servers::check(context, &workloads, &mut report);
    included::check(context, &workloads, &mut report);
    numbers::check(context, &mut report);
    left_out::check(context, &mut report);
    left_over::check(context, &workloads, &mut report);
    effect::check(context, &mut report);
    ephemeral::check(context, &workloads, &mut report);
    heading::check(context, &mut report);
    cut::check(context, &mut report);
    host::check(context, &mut report);
    outside_users::check(context, &workloads, &mut report);
    outside_guards::check(context, &workloads, &mut report);
    report.merge();
    report
}

impl Report {
    /// Whether an object makes a volume Unknown already.
    fn is_unknown(&self, volume: &Volume, object: &Ref) -> bool {
        self.unmodelled.iter().any(|one| one.object == *object && one.claim == volume.claim)
    }

    /// Whether a field of an object makes a volume Unknown already.
    fn is_unknown_at(&self, volume: &Volume, object: &Ref, field: &str) -> bool {
        let is_it =
            |one: &Unmodelled| one.object == *object && one.claim == volume.claim && one.field.as_str() == field;
        self.unmodelled.iter().any(is_it)
    }

    /// Says what can reach a volume and is not modelled.
    fn unknown(&mut self, volume: &Volume, object: &Ref, field: &str, (reason, way_out): (String, &str)) {
        self.unmodelled.push(Unmodelled {
            code: Code::NotModelled,
            claim: volume.claim.clone(),
            object: object.clone(),
            field: JsonPointer::new(field),
            reason,
            way_out: way_out.to_owned(),
            accepted: false,
        });
    }

    /// Makes one finding of those with the same text: the PVCs of a StatefulSet's replicas share their pod template.
    fn merge(&mut self) {
        let mut all: Vec<Finding> = Vec::new();
        let mut places: BTreeMap<(Code, Option<Ref>, Option<String>), usize> = BTreeMap::new();
        for finding in std::mem::take(&mut self.findings) {
            let key = (finding.code, finding.object().cloned(), finding.field().map(str::to_owned));
            match places.get(&key) {
                Some(at) => {
                    let first = &mut all[*at];
                    let new = finding.evidence.into_iter().filter(|line| !first.evidence.contains(line));
                    let new: Vec<String> = new.collect();
                    first.evidence.extend(new);
                }
                None => {
                    places.insert(key, all.len());
                    all.push(finding);
                }
            }
        }
        self.findings = all;
    }
}

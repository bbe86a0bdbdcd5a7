//! NetworkPolicies that cut a program with data from those who use it today, from the members of its cluster, or from the servers that it
//! asks itself: who finds nobody begins alone, or keeps elsewhere what it has.

use std::collections::{BTreeMap, BTreeSet};

use portolan_kube_facts::{Direction, PodConnection, PodTemplate, PolicyPods, allows, is_under, outside_peers};
use portolan_model::{Object, Ref, Volume};
use serde_json::{Value, json};

use super::addresses;
use super::leads::{self, Lead, Objects};
use super::scripts::{FindText, files};
use super::uses::{Use, Workloads};
use super::{HopContext, Report};

const TODAY: &str = "give the chart the policies and labels of today, or see that nobody needs that connection";

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let of_chart = |name: &Ref| workloads.before(name).is_some() || workloads.after(name).is_some();
    let foreign: Objects<'_> =
        context.live.iter().filter(|(name, _)| !context.before.is_stored(name) && !of_chart(name)).collect();
    let policies = |objects: &Objects<'_>| objects.iter().any(|(name, _)| is_policy(name));
    let before: Objects<'_> = workloads.all_before().chain(foreign.iter().copied()).collect();
    let after: Objects<'_> = workloads.all_after().chain(foreign.iter().copied()).collect();
    if !policies(&before) && !policies(&after) {
        return;
    }
    let sides =
        [Side::of(before, &FindText::today(context, workloads)), Side::of(after, &FindText::after(context, workloads))];
    for volume in context.resolved.in_use() {
        cut(volume, &sides, report);
    }
}

fn is_policy(name: &Ref) -> bool {
    name.group() == "networking.k8s.io" && name.kind() == "NetworkPolicy"
}

/// Names each connection that is there today and then, and allowed today alone.
fn cut(volume: &Volume, [before, after]: &[Side<'_>; 2], report: &mut Report) {
    let (had, has) = (before.connections(&volume.claim), after.connections(&volume.claim));
    let mut told = BTreeSet::new();
    for line in had.intersection(&has) {
        let (Some(was), Some(will)) = (before.connection(line), after.connection(line)) else { continue };
        for direction in [Direction::Ingress, Direction::Egress] {
            let is_cut = before.allows(&was, direction) && !after.allows(&will, direction);
            let reason = || {
                let to = if line.client == line.server { "each other".to_owned() } else { line.server.to_string() };
                format!("pods of {} do not come to {to} at port {} any more, as they do today", line.client, line.port)
            };
            let found = is_cut.then(|| (culprit([before, after], [&was, &will], direction, line), reason()));
            let outside = || {
                Some((
                    others_gone([before, after], [&was, &will])?,
                    "others than its own pods, who may use the data today, do not come to it any more".to_owned(),
                ))
            };
            if let Some(((object, field), reason)) =
                found.or_else(|| outside().filter(|_| direction == Direction::Ingress))
                && told.insert((object.clone(), field.clone()))
            {
                report.unknown(volume, &object, &field, (reason, TODAY));
            }
        }
    }
}

/// Where it says that a connection is not allowed any more.
fn culprit(
    [before, after]: [&Side<'_>; 2],
    [was, will]: [&PodConnection<'_>; 2],
    direction: Direction,
    line: &Line,
) -> (Ref, String) {
    let now = after.over(will, direction);
    let changed = now.iter().find_map(|(name, policy)| {
        let old = before.objects.iter().find(|(known, _)| known == name).map(|(_, old)| *old);
        let is_same = |field: &str| old.is_some_and(|old| old.at(field) == policy.at(field));
        let field = if is_same("/spec/podSelector") { direction.field() } else { "/spec/podSelector" };
        (!is_same("/spec")).then(|| ((*name).clone(), field.to_owned()))
    });
    let gone = || {
        let today = before.over(was, direction).into_iter().map(|(name, _)| name);
        let mut gone = today.filter(|name| !after.objects.iter().any(|(now, _)| now == name));
        gone.next().map(|name| (name.clone(), direction.field().to_owned()))
    };
    let labels = || {
        let is_of_client = was.client.labels() != will.client.labels();
        let name = if is_of_client { &line.client } else { &line.server };
        (name.clone(), "/spec/template/metadata/labels".to_owned())
    };
    changed.or_else(gone).unwrap_or_else(labels)
}

/// The policy by which others than pods of the namespace came to the data, and do not any more.
fn others_gone([before, after]: [&Side<'_>; 2], [was, will]: [&PodConnection<'_>; 2]) -> Option<(Ref, String)> {
    let peers = |side: &Side<'_>, connection: &PodConnection<'_>| -> Option<Vec<(Ref, Value)>> {
        let mut all = Vec::new();
        for (name, policy) in side.over(connection, Direction::Ingress) {
            all.extend(outside_peers(policy, connection)?.into_iter().map(|peer| (name.clone(), peer.clone())));
        }
        Some(all)
    };
    let now = after.over(will, Direction::Ingress);
    let has = peers(after, will).filter(|_| !now.is_empty())?;
    let (name, _) = peers(before, was)?.into_iter().find(|(_, peer)| !has.iter().any(|(_, now)| now == peer))?;
    Some((name, Direction::Ingress.field().to_owned()))
}

/// A connection between workloads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    client: Ref,
    server: Ref,
    port: u64,
    protocol: String,
}

/// All objects at one time, and what the workloads among them are told.
struct Side<'a> {
    objects: Objects<'a>,
    told: BTreeMap<&'a Ref, String>,
}

impl<'a> Side<'a> {
    fn of(objects: Objects<'a>, find: &FindText<'_>) -> Self {
        let workloads = objects.iter().filter(|(_, object)| Workloads::runs_on(object));
        let told = workloads.map(|(name, object)| (*name, told(name, object, find))).collect();
        Self { objects, told }
    }

    /// The connections of the workloads with a PVC: to them, and from them.
    fn connections(&self, claim: &Ref) -> BTreeSet<Line> {
        let holders: Vec<&Ref> = leads::holders(&self.objects, claim).into_iter().map(|(name, _)| name).collect();
        let mut all = BTreeSet::new();
        for (service, object) in
            self.objects.iter().filter(|(name, _)| name.group().is_empty() && name.kind() == "Service")
        {
            let clients: Vec<&Ref> = self
                .told
                .iter()
                .filter(|(_, told)| addresses::count(told, std::slice::from_ref(*service)) > 0)
                .map(|(name, _)| *name)
                .collect();
            for ((port, protocol), leads) in leads::of_service(service, object, &self.objects) {
                for lead in &leads {
                    let Lead::Pods(server, listener) = lead else { continue };
                    let number = listener.as_ref().map_or(port, |listener| listener.number);
                    let of_data = clients.iter().filter(|client| holders.contains(client) || holders.contains(&server));
                    all.extend(of_data.map(|client| Line {
                        client: (*client).clone(),
                        server: server.clone(),
                        port: number,
                        protocol: protocol.clone(),
                    }));
                }
            }
        }
        all
    }

    fn connection<'b>(&'b self, line: &'b Line) -> Option<PodConnection<'b>> {
        let pods = |wanted: &Ref| {
            let (name, object) = self.objects.iter().find(|(name, _)| *name == wanted)?;
            PolicyPods::of(name, object)
        };
        let (client, server) = (pods(&line.client)?, pods(&line.server)?);
        Some(PodConnection { client, server, port: line.port, protocol: &line.protocol })
    }

    /// The policies over one end of a connection.
    fn over(&self, connection: &PodConnection<'_>, direction: Direction) -> Objects<'a> {
        let pods = match direction {
            Direction::Ingress => &connection.server,
            Direction::Egress => &connection.client,
        };
        let policies = self.objects.iter().filter(|(name, _)| is_policy(name));
        policies.filter(|(name, policy)| is_under(name, policy, pods, direction)).copied().collect()
    }

    fn allows(&self, connection: &PodConnection<'_>, direction: Direction) -> bool {
        let over = self.over(connection, direction);
        over.is_empty() || over.iter().any(|policy| allows(*policy, direction, connection, &|name| self.labels(name)))
    }

    /// The labels of a namespace, as far as they are known.
    fn labels(&self, namespace: &str) -> Value {
        let found = self.objects.iter().find(|(name, _)| name.kind() == "Namespace" && name.name() == namespace);
        let mut labels =
            found.and_then(|(_, object)| object.at("/metadata/labels")).cloned().unwrap_or_else(|| json!({}));
        labels["kubernetes.io/metadata.name"] = namespace.into();
        labels
    }
}

/// All that the containers of a workload are told. It may hold credentials and is never shown.
pub(super) fn told(name: &Ref, object: &Object, find: &FindText<'_>) -> String {
    let containers = PodTemplate::of(object).into_iter().flat_map(|template| {
        template.containers().map(move |container| Use { name, template, container, mounts: Vec::new() })
    });
    let texts = containers.flat_map(|user| {
        let files = files(&user, find).into_iter().map(|file| file.text);
        let variables = find.all_variables(&user).into_values();
        find.given(&user).into_iter().chain(variables).chain(files).collect::<Vec<_>>()
    });
    texts.collect::<Vec<_>>().join("\n")
}

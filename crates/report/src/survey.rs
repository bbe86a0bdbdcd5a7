//! What is there, and what is at stake.

use portolan_model::{
    ChartId, Cluster, Driver, HelmClient, Inventory, Platform, Release, SavedInventory, UninstallEffect, Verdict,
    Volume,
};

use crate::ends;
use crate::page::{Block, Document, Table};
use crate::text::{Line, Tone};
use crate::words::{all, count, short, some, tone};

/// What was found, what an uninstall would do to every volume today, and what was not seen. `simulated` is what a
/// simulated installation says of itself.
#[must_use]
pub fn survey(inventory: &Inventory, simulated: Option<&str>) -> Document {
    let mut page = simulated.map(Document::callout).unwrap_or_default();
    let found = &inventory.release;
    page.push(Block::Facts(vec![
        ("Server", server(&inventory.cluster)),
        (
            "Release",
            format!(
                "{}   chart {}-{}   revision {}, {} {}",
                found.id, found.chart.name, found.chart.version, found.revision, found.status, found.deployed
            )
            .into(),
        ),
        ("History", history(found)),
        ("Hosts", hosts(inventory)),
        ("Storage", storage(inventory)),
        ("Helm", helm(inventory.helm.as_ref())),
        ("Requests", requests(inventory)),
    ]));
    if inventory.volumes.is_empty() {
        page.say("The release has no PVC.");
    } else {
        page.push(Block::Table(volumes(&inventory.volumes)));
        let bad = inventory
            .volumes
            .iter()
            .map(|volume| volume.if_uninstalled.verdict)
            .filter(|verdict| *verdict != Verdict::Safe);
        let bad = ends::meanings(bad);
        if !bad.is_empty() {
            page.push(Block::Text(bad));
        }
        stake(&mut page, &inventory.volumes);
    }
    workloads(&mut page, inventory);
    not_seen(&mut page, inventory);
    next(&mut page);
    page
}

/// How many records are named.
const RECORDS: usize = 3;

/// The newest records, and what of them is not as usual.
fn history(release: &Release) -> Line {
    let version = |chart: &ChartId| {
        if chart.name == release.chart.name {
            chart.version.to_string()
        } else {
            format!("{}-{}", chart.name, chart.version)
        }
    };
    let named = release.history.iter().take(RECORDS);
    let named: Vec<String> =
        named.map(|record| format!("{} ({}, {})", record.revision, version(&record.chart), record.status)).collect();
    let revisions = if named.len() == 1 { "revision" } else { "revisions" };
    let mut line = Line::from(format!("{revisions} {}", named.join(", ")));
    if release.history.len() > RECORDS {
        line = line.and(format!(", and {} older", release.history.len() - RECORDS));
    }
    if release.driver == Driver::ConfigMap {
        line = line.with(Tone::Warn, "   kept in ConfigMaps: no upgrade can be planned");
    }
    if !release.damaged.is_empty() {
        let revisions: Vec<String> = release.damaged.iter().map(|record| record.revision.to_string()).collect();
        line = line.with(Tone::Warn, format!("   cannot be read: revision {}", revisions.join(", ")));
    }
    line
}

fn hosts(inventory: &Inventory) -> Line {
    let mut hosts: Vec<String> = inventory.hosts.iter().map(|host| host.host.clone()).collect();
    hosts.sort();
    hosts.dedup();
    if hosts.is_empty() { "none".into() } else { some(&hosts, 3).into() }
}

fn storage(inventory: &Inventory) -> Line {
    let Some(default) = &inventory.cluster.default_class else {
        return Line::new(Tone::Warn, "no default class").and(others(inventory.classes.len(), "class", "classes"));
    };
    let class = inventory.classes.iter().find(|class| class.name == *default);
    let policy = class.map(|class| format!(", {}", class.policy)).unwrap_or_default();
    Line::from(format!("{default} (default{policy})")).and(others(
        inventory.classes.len().saturating_sub(1),
        "other class",
        "other classes",
    ))
}

fn others(number: usize, one: &str, many: &str) -> String {
    match number {
        0 => String::new(),
        1 => format!("   1 {one}"),
        number => format!("   {number} {many}"),
    }
}

/// What was taken out of a saved inventory, and what was not: for whoever writes it to a file.
#[must_use]
pub fn redacted(saved: &SavedInventory) -> Document {
    let mut page = Document::default();
    if saved.redacted.is_empty() {
        page.say("Outside Secrets nothing looks like a credential. One that no rule knows can be there.");
    } else {
        let rows: Vec<Vec<String>> = saved.redacted.iter().map(|place| vec![place.clone()]).collect();
        page = page.then(Document::table(&["REDACTED"], &rows));
    }
    page.say(saved.about.as_str());
    page
}

fn server(cluster: &Cluster) -> Line {
    let platform = match &cluster.platform {
        Platform::OpenShift { version, .. } if !version.is_empty() => format!("OpenShift {version}"),
        Platform::OpenShift { .. } => format!("OpenShift, Kubernetes {}", cluster.version),
        Platform::Kubernetes => format!("Kubernetes {}", cluster.version),
    };
    format!("{}   user {}   cluster {}   {platform}", cluster.server, cluster.user, short(&cluster.uid)).into()
}

/// The helm client, by version and path.
pub(crate) fn helm(client: Option<&HelmClient>) -> Line {
    match client {
        Some(HelmClient::Simulated { version }) => format!("{version}  simulated").into(),
        Some(HelmClient::Program { version, path, .. }) => format!("{version}  {path}").into(),
        None => Line::new(Tone::Warn, "not found").and("   a plan needs helm 3.14 or later"),
    }
}

fn requests(inventory: &Inventory) -> Line {
    let asked = inventory.requests;
    let line = Line::from(format!(
        "{}, {}   not seen: ",
        count(asked.reads as usize, "read"),
        count(asked.writes as usize, "write")
    ));
    match inventory.denied().count() {
        0 => line.and("nothing"),
        kinds => line.with(Tone::Warn, count(kinds, "kind")),
    }
}

fn volumes(volumes: &[Volume]) -> Table {
    let mut table = Table::new(&["VOLUME", "PVC", "RECLAIM", "KEEP live/stored", "MOUNTED BY", "IF UNINSTALLED TODAY"]);
    for volume in volumes {
        let pods: Vec<String> = volume.mounts.iter().map(|mount| mount.pod.name().to_owned()).collect();
        let claim = Line::from(volume.claim.name());
        let UninstallEffect { verdict, why } = &volume.if_uninstalled;
        let policy = match volume.policy.as_deref() {
            Some(policy) => policy.into(),
            None => Line::new(Tone::Warn, "not seen"),
        };
        table.rows.push(vec![
            match &volume.volume {
                Some(name) if volume.volume_terminating => Line::from(name.name()).with(Tone::Bad, " (Terminating)"),
                Some(name) => name.name().into(),
                None => Line::new(Tone::Warn, "not bound"),
            },
            if volume.terminating { claim.with(Tone::Bad, " (Terminating)") } else { claim },
            policy,
            kept(volume.keep_live.as_deref()).and(" / ").append(kept(volume.keep_stored.as_deref())),
            if pods.is_empty() { "nobody".into() } else { some(&pods, 3).into() },
            Line::new(tone(*verdict), verdict.to_string()).and(": ").and(why),
        ]);
    }
    table
}

/// Only the exact word counts, so another one is shown as it is.
fn kept(value: Option<&str>) -> Line {
    match value {
        None => "no".into(),
        Some("keep") => "yes".into(),
        Some(other) => Line::new(Tone::Warn, format!("\"{other}\"")),
    }
}

fn stake(page: &mut Document, volumes: &[Volume]) {
    let of = |wanted: Verdict| volumes.iter().filter(|volume| volume.if_uninstalled.verdict == wanted).count();
    let parts: Vec<(usize, &str)> = [
        (of(Verdict::Lost), "be lost"),
        (of(Verdict::Doomed), "be lost when its last pod goes"),
        (of(Verdict::Detached), "keep the data without a workload that uses it"),
        (of(Verdict::Unknown), "have an unknown end"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .collect();
    match parts.as_slice() {
        [] => page.say(Line::new(Tone::Good, "Safe").and(format!(
            ": an uninstall today would leave {} as {}.",
            count(volumes.len(), "volume"),
            if volumes.len() == 1 { "it is" } else { "they are" }
        ))),
        [(1, what)] if volumes.len() == 1 => {
            page.say(format!("1 volume holds data and would {what} if the release were uninstalled today."));
        }
        parts => {
            let parts: Vec<String> = parts.iter().map(|(number, what)| format!("{number} would {what}")).collect();
            page.say(format!(
                "{}: {} if the release were uninstalled today.",
                count(volumes.len(), "volume"),
                all(&parts)
            ));
        }
    }
}

fn workloads(page: &mut Document, inventory: &Inventory) {
    let waiting: Vec<_> = inventory.workloads.iter().filter(|workload| !workload.ready).collect();
    let all = inventory.workloads.len();
    if all == 0 {
        return;
    }
    page.say(format!("{} of {} ready.", all - waiting.len(), count(all, "workload")));
    if !waiting.is_empty() {
        let mut table = Table::new(&["NOT READY", "STATE"]);
        for workload in waiting {
            table.rows.push(vec![workload.name.to_string().into(), Line::new(Tone::Warn, &workload.state)]);
        }
        page.push(Block::Table(table));
    }
}

/// Absence in what was not seen proves nothing.
fn not_seen(page: &mut Document, inventory: &Inventory) {
    let denied: Vec<String> = inventory
        .denied()
        .map(|scope| match scope.namespace.as_str() {
            "" => format!("{} (whole cluster)", scope.kind),
            namespace => format!("{} (namespace {namespace})", scope.kind),
        })
        .collect();
    if !denied.is_empty() {
        page.say(
            Line::new(Tone::Warn, "Not seen")
                .and(format!(": {}. What depends on it is Unknown, never Safe.", denied.join(", "))),
        );
    }
}

fn next(page: &mut Document) {
    page.then_next("portolan plan --to VERSION", "shows every step; writes nothing");
}

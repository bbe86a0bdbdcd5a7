//! Data on pod volumes that are no PVC of the installation: a folder of a node or of a server that becomes another one, and what
//! lives only as long as its pod.

use std::collections::BTreeSet;

use portolan_kube_facts::{Container, Mount, PodTemplate, ancestors, list};
use portolan_model::{Code, Finding, Object, Ref, Severity};
use serde_json::Value;

use super::super::database_compat;
use super::node::is_read_only;
use super::paths::{is_aside, parts};
use super::source::Source;
use super::uses::Workloads;
use super::{HopContext, Report, without_claim};

/// Folders of a node in which nothing outlives it.
const FLEETING: [&str; 5] = ["/dev", "/proc", "/sys", "/run", "/var/run"];

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    for name in workloads.names_before() {
        let Some(old) = workloads.before(name).filter(|old| Workloads::runs_on(old)) else { continue };
        let (Some(template), new) = (PodTemplate::of(old), workloads.after(name)) else { continue };
        let pods = Pods { context, name, old, template };
        if new
            .is_some_and(|new| context.live.contains_key(name) && new.at("/spec/template") == old.at("/spec/template"))
        {
            continue;
        }
        for container in template.containers() {
            for (volume, mount) in pods.mounts(container) {
                report.findings.extend(pods.ephemeral(volume));
                if let Some(new) = new {
                    report.findings.extend(pods.moved((container, mount, volume), new));
                }
            }
            report.findings.extend(pods.emptied(container));
        }
    }
}

/// The pods of a workload that a hop replaces or ends.
struct Pods<'a> {
    context: &'a HopContext<'a>,
    name: &'a Ref,
    old: &'a Object,
    template: PodTemplate<'a>,
}

impl<'a> Pods<'a> {
    /// What a container can write to: pod volumes and mounts.
    fn mounts(&self, container: Container<'a>) -> Vec<(&'a Value, Mount<'a>)> {
        let writing = container.mounts().filter(|mount| !mount.is_read_only);
        let all = writing.filter_map(|mount| Some((self.template.volume(mount.volume)?.1, mount)));
        all.filter(|(volume, _)| !is_read_only(volume)).collect()
    }

    /// A volume that is another one at the same path.
    fn moved(&self, (container, mount, volume): (Container<'a>, Mount<'a>, &Value), new: &Object) -> Option<Finding> {
        let was = Source::of(volume).filter(|was| !is_fleeting(volume, was))?.below(mount.sub_path);
        let template = PodTemplate::of(new)?;
        let same = template.containers().find(|new| new.kind == container.kind && new.name == container.name);
        let only = || {
            template
                .containers()
                .filter(|_| template.containers().count() == 1 && self.template.containers().count() == 1)
        };
        let successor = same.or_else(|| only().next())?;
        let is_at = |new: &Mount<'_>| new.path.trim_end_matches('/') == mount.path.trim_end_matches('/');
        let there =
            successor.mounts().find(is_at).or_else(|| self.in_its_place((container, &was), (template, successor)))?;
        let (field, will) = match template.volume(there.volume) {
            Some((_, new)) if without_claim::is_compared(volume, &mount) && Source::of(new) == Source::of(volume) => {
                return None;
            }
            Some((at, volume)) => {
                let will = Source::of(volume).map(|will| (will.pointer(), will.below(there.sub_path)));
                if will.as_ref().is_some_and(|(_, will)| *will == was) {
                    return None;
                }
                let at = format!("{}/volumes/{at}", template.pointer);
                match will {
                    Some((pointer, will)) => (format!("{at}{pointer}"), will.to_string()),
                    None => (at, what(volume)),
                }
            }
            None => ("/spec/volumeClaimTemplates".into(), "a PVC of its own".into()),
        };
        let (chart, path) = (&self.context.input.pick.id, mount.path);
        let found = if is_at(&there) {
            format!("{} in {chart} has other data at {path} than today", self.name)
        } else {
            format!("{} in {chart} has nothing at {path}, and other data at {}", self.name, there.path)
        };
        let mut finding = Finding::blocking(Code::OtherSource, found)
            .about(self.name)
            .at(field)
            .with(format!("today: {was}"))
            .with(format!("{chart}: {will}"))
            .next("give the chart the volume of today, or copy the data there, with its pods stopped, and accept it: --accept PL264 --reason TEXT");
        if is_aside(mount.volume) || is_aside(path) {
            finding.severity = Severity::Warning;
        }
        Some(finding)
    }

    /// Where a volume is mounted nowhere any more: the mount, at another path, of one that the container has not today and that outlives
    /// its pods.
    fn in_its_place<'b>(
        &self,
        (container, was): (Container<'a>, &Source),
        (template, successor): (PodTemplate<'b>, Container<'b>),
    ) -> Option<Mount<'b>> {
        let source = |mount: &Mount<'_>| {
            let (_, volume) = template.volume(mount.volume)?;
            Source::of(volume).filter(|source| !is_fleeting(volume, source)).map(|source| source.below(mount.sub_path))
        };
        if successor.mounts().filter_map(|mount| source(&mount)).any(|source| source.overlaps(was)) {
            return None;
        }
        let has = |mount: &Mount<'_>| container.mounts().any(|old| old.path == mount.path);
        let lasts = |mount: &Mount<'_>| {
            let is_claim =
                template.volume(mount.volume).is_some_and(|(_, it)| portolan_kube_facts::claim_of(it).is_some());
            is_claim || source(mount).is_some()
        };
        successor.mounts().find(|mount| !mount.is_read_only && !has(mount) && lasts(mount))
    }

    /// Ephemeral volumes: of a generic one Kubernetes deletes the PVC with its pod; an inline one of a CSI driver has none, and the
    /// kubelet tells the driver to take it down (`NodeUnpublishVolume`; `pkg/volume/csi/csi_mounter.go`, Kubernetes 1.34).
    fn ephemeral(&self, volume: &Value) -> Option<Finding> {
        let (kind, volume) = (volume, volume.get("name")?.as_str()?);
        let field = format!("{}/volumes", self.template.pointer);
        if let Some(csi) = kind.get("csi") {
            let driver = csi.get("driver").and_then(Value::as_str).unwrap_or_default();
            let found = format!("the CSI volume {volume} of {} goes with its pods, which do not stay", self.name);
            return Some(
                Finding::warning(Code::DeletedWith, found)
                    .about(self.name)
                    .at(field)
                    .why(format!("an inline volume lives as long as its pod; what {driver} mounts from elsewhere stays there"))
                    .next("nothing, if what is on it can be made again or lies elsewhere; else copy it before the upgrade, and give the chart a PVC"),
            );
        }
        kind.get("ephemeral")?;
        let found = format!(
            "the PVCs of the ephemeral volume {volume} of {} are deleted with its pods, which do not stay",
            self.name
        );
        let finding = Finding::warning(Code::DeletedWith, found)
            .about(self.name)
            .at(field)
            .why("a generic ephemeral volume lives as long as its pod: its PVC is owned by the pod, and keep does not hold it")
            .next("nothing, if what is on it can be made again; else copy it before the upgrade, and give the chart a PVC");
        Some(self.claims(volume).into_iter().fold(finding, Finding::with))
    }

    /// The live PVCs of an ephemeral volume, and what becomes of their data.
    fn claims(&self, volume: &str) -> Vec<String> {
        let live = &self.context.before.objects;
        let get = |name: &Ref| live.get(name);
        let is_its = |(name, pod): &(&Ref, &Object)| {
            name.kind() == "Pod"
                && ancestors(name, pod, &get).iter().any(|owner| owner.found.as_ref() == Some(self.name))
        };
        let claims =
            live.iter().filter(is_its).map(|(pod, _)| Ref::claim(pod.namespace(), &format!("{}-{volume}", pod.name())));
        let known = claims.filter_map(|claim| Some((live.get(&claim)?, claim)));
        known
            .filter(|(object, _)| portolan_kube_facts::is_ephemeral(object, &get))
            .map(|(object, claim)| {
                let volume = Ref::volume(object.text("/spec/volumeName"));
                match live.get(&volume).map(|volume| volume.text("/spec/persistentVolumeReclaimPolicy")) {
                    Some("Retain") => format!("{claim} goes; {volume} is Retain and stays, without a PVC"),
                    Some(policy) => format!("{claim} goes, and with it {volume}, whose reclaim policy is {policy}"),
                    None => format!("{claim} goes, and its volume by the reclaim policy that it has"),
                }
            })
            .collect()
    }

    /// A data directory that goes with the pod.
    fn emptied(&self, container: Container<'a>) -> Option<Finding> {
        let place = database_compat::without_claim(self.context, self.name, container.name)
            .or_else(|| self.fleeting_data(container).filter(|_| self.old.text("/kind") == "StatefulSet"))?;
        let found = format!("{} keeps data that goes with its pods, and the upgrade does not leave them", self.name);
        Some(
            Finding::warning(Code::OtherPlace, found)
                .about(self.name)
                .at(format!("{}{}", self.template.pointer, container.pointer()))
                .with(format!("its data directory: {place}"))
                .why("an emptyDir and a container's own layer live as long as the pod")
                .next("nothing, if it can be made again; else copy it before the upgrade, and give the chart a PVC"),
        )
    }

    /// The data directory that a variable of a container names, where it lies on an emptyDir or on no mount at all.
    fn fleeting_data(&self, container: Container<'a>) -> Option<String> {
        let mounts: Vec<Mount<'a>> = container.mounts().collect();
        list(container.json, "env").iter().find_map(|env| {
            let (name, path) = (env.get("name")?.as_str()?, env.get("value")?.as_str()?);
            let path_parts = Some(parts(path)).filter(|_| path.starts_with('/') && is_data(name))?;
            let above =
                mounts.iter().filter(|mount| !mount.path.is_empty() && path_parts.starts_with(&parts(mount.path)));
            let Some(mount) = above.max_by_key(|mount| parts(mount.path).len()) else {
                return Some(format!("{name} is {path}, where nothing is mounted"));
            };
            let (_, volume) = self.template.volume(mount.volume)?;
            volume.get("emptyDir")?;
            Some(format!("{name} is {path}, on the emptyDir {}", mount.volume))
        })
    }
}

/// Whether nothing at a place of a node is meant to last: devices, sockets, what the kernel shows.
pub(super) fn is_fleeting(volume: &Value, source: &Source) -> bool {
    let kind = volume.pointer("/hostPath/type").and_then(Value::as_str).unwrap_or_default();
    let of_node = |path: &str| Source::of(&serde_json::json!({"hostPath": {"path": path}}));
    matches!(kind, "Socket" | "CharDevice" | "BlockDevice")
        || FLEETING.iter().filter_map(|path| of_node(path)).any(|fleeting| fleeting.covers(source))
}

/// What a pod's volume is, for people.
fn what(volume: &Value) -> String {
    let kinds: BTreeSet<&str> = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    match portolan_kube_facts::claim_of(volume) {
        Some(claim) => format!("PersistentVolumeClaim/{claim}"),
        None => kinds.into_iter().find(|key| *key != "name").unwrap_or("emptyDir").to_owned(),
    }
}

/// Whether a variable's name says that it is the folder of a program's data.
fn is_data(variable: &str) -> bool {
    let words = variable.split('_').map(str::to_uppercase);
    let is = |word: &str| matches!(word, "DATA" | "PGDATA" | "DATADIR" | "DBPATH");
    !is_aside(&format!("env {variable}")) && words.into_iter().any(|word| is(&word))
}

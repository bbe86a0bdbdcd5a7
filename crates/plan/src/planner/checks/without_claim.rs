//! Data that pods keep without a PVC: in a folder of their node, on an export, on a disk or a share that they name. What is said to the
//! programs there, their scripts and their images are compared as for a PVC. That the pods mount another folder is found in
//! `unclaimed.rs`.

use std::collections::BTreeSet;

use portolan_kube_facts::{Mount, PodTemplate};
use portolan_model::{Code, Finding, Object, Ref, Uid, UninstallEffect, Unmodelled, Verdict, Volume};
use serde_json::{Value, json};

use super::node::is_read_only;
use super::paths::is_aside;
use super::source::Source;
use super::unclaimed::is_fleeting;
use super::uses::Workloads;
use super::{
    HopContext, Report, downward_files, feeders, identity, order, place, programs, secrets, security, servers,
};

/// The kinds under which a folder of a node and one of an NFS server are named.
const HOST_PATH: &str = "HostPath";
const EXPORT: &str = "NFS";

/// Where a pod's spec says on which nodes it may run.
const CHOICES: [&str; 3] = ["/nodeName", "/nodeSelector", "/affinity/nodeAffinity"];

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    let places: BTreeSet<Ref> = workloads.all_before().flat_map(|(name, object)| kept(name, object)).collect();
    let after: BTreeSet<Ref> = workloads.all_after().flat_map(|(name, object)| kept(name, object)).collect();
    let volumes: Vec<Volume> = places.intersection(&after).map(as_volume).collect();
    if volumes.is_empty() {
        return;
    }
    report.findings.extend(places.iter().flat_map(|place| on_other_nodes(place, workloads)));
    report.findings.extend(places.iter().filter_map(|place| on_one_node(place, workloads)));
    let workloads = workloads.seen_as(volumes, &|object| with_claims(object));
    let mut own = Report::default();
    place::check(context, &workloads, &mut own);
    downward_files::check(context, &workloads, &mut own);
    programs::check(context, &workloads, &mut own);
    feeders::check(context, &workloads, &mut own);
    order::check(&workloads, &mut own);
    secrets::check(context, &workloads, &mut own);
    servers::check(context, &workloads, &mut own);
    identity::check(context, &workloads, &mut own);
    security::check(&workloads, &mut own);
    report.findings.extend(own.findings.into_iter().map(|finding| match finding.code {
        Code::OtherPlace => acceptable(Finding { code: Code::OtherSource, ..finding }),
        _ => finding,
    }));
    report.findings.extend(own.unmodelled.into_iter().map(of_unknown));
}

/// Workloads with data in a folder of their node whose pods may run on other nodes from now on.
fn on_other_nodes<'a>(place: &'a Ref, workloads: &'a Workloads) -> impl Iterator<Item = Finding> + 'a {
    let keep = workloads.all_before().filter(move |(name, before)| kept(name, before).contains(place));
    keep.filter(move |_| place.kind() == HOST_PATH).filter_map(move |(name, before)| {
        let after = workloads.after(name)?;
        let (was, will) = (PodTemplate::of(before)?, PodTemplate::of(after)?);
        let is_daemon = name.kind() == "DaemonSet";
        let differs = |field: &str| chooses(was.spec, field, is_daemon) != chooses(will.spec, field, is_daemon);
        let why = "a folder of a node is on that node alone: on another one the program begins anew";
        if let Some(field) = CHOICES.into_iter().find(|field| differs(field)) {
            let found = format!("{name} keeps data on {place}, and its pods may run on other nodes from now on");
            let finding =
                Finding::blocking(Code::OtherSource, found).about(name).at(format!("{}{field}", will.pointer));
            return Some(acceptable(finding.why(why).next("give the chart the choice of nodes of today")));
        }
        let is_free = CHOICES.iter().all(|field| chooses(will.spec, field, is_daemon).is_null());
        let is_replaced = (was.spec, was.metadata) != (will.spec, will.metadata);
        (!is_daemon && is_free && is_replaced).then(|| {
            let found = format!("{name} keeps data on {place}, and nothing holds its new pod on the node of today");
            let finding =
                Finding::warning(Code::OtherSource, found).about(name).at(format!("{}/nodeSelector", will.pointer));
            finding
                .why(why)
                .next("where there are several nodes, give the chart the node of today: kubectl get pods -o wide")
        })
    })
}

/// A DaemonSet with data on each node that goes, while another kind of workload takes the folder of one.
fn on_one_node(place: &Ref, workloads: &Workloads) -> Option<Finding> {
    let keeps = |(name, object): &(&Ref, &Object)| kept(name, object).contains(place);
    let (gone, _) = workloads.all_before().filter(keeps).find(|(name, _)| name.kind() == "DaemonSet")?;
    if place.kind() != HOST_PATH || workloads.after(gone).is_some() {
        return None;
    }
    let (name, _) = workloads.all_after().filter(keeps).find(|(name, _)| name.kind() != "DaemonSet")?;
    let found = format!("{name} takes {place} of {gone}, which keeps data there on every node");
    let finding = Finding::blocking(Code::OtherSource, found).about(name).at("/kind");
    Some(acceptable(finding.next("keep the DaemonSet, or bring the data of the other nodes together first")))
}

/// What a pod's spec asks of its node: not what nearly every node has, nor, of a DaemonSet's pods, which node is preferred.
fn chooses(spec: &Value, field: &str, is_daemon: bool) -> Value {
    const USUAL: [&str; 2] = ["kubernetes.io/os", "kubernetes.io/arch"];
    let mut asked = spec.pointer(field).cloned().unwrap_or_default();
    if let Value::Object(map) = &mut asked {
        USUAL.iter().for_each(|label| drop(map.remove(*label)));
        if is_daemon {
            map.remove("preferredDuringSchedulingIgnoredDuringExecution");
        }
        if map.is_empty() {
            return Value::Null;
        }
    }
    asked
}

/// That something can reach data is a finding here, since no volume has the verdict.
fn of_unknown(unknown: Unmodelled) -> Finding {
    let Unmodelled { claim, object, field, reason, way_out, .. } = unknown;
    let finding = Finding::blocking(Code::OtherSource, format!("{object}, on {claim}: {reason}"));
    acceptable(finding.about(&object).at(field.as_str()).next(way_out))
}

fn acceptable(finding: Finding) -> Finding {
    let next = format!("{}; or accept: --accept {} --reason TEXT", finding.next, finding.code);
    finding.next(next)
}

/// The places outside of PVCs where the pods of a workload keep data.
fn kept(name: &Ref, object: &Object) -> Vec<Ref> {
    let Some(template) = PodTemplate::of(object).filter(|_| Workloads::runs_on(object)) else { return Vec::new() };
    let mounts: Vec<Mount<'_>> = template.containers().flat_map(|container| container.mounts()).collect();
    let is_kept = |volume: &&Value| {
        if is_read_only(volume) {
            return false;
        }
        let of_volume = |mount: &&Mount<'_>| volume["name"] == mount.volume && !mount.is_read_only;
        let mut written = mounts.iter().filter(of_volume);
        written.any(|mount| !is_aside(mount.path) && !is_aside(mount.volume))
    };
    template.volumes().filter(is_kept).filter_map(|volume| place(name.namespace(), volume)).collect()
}

/// The key of the source of a volume that stands for a folder of a node, or for one of an NFS server.
pub(super) fn source(volume: &Volume) -> Option<&'static str> {
    match volume.claim.kind() {
        HOST_PATH => Some("hostPath"),
        EXPORT => Some("nfs"),
        _ => None,
    }
}

/// Whether what is said of a pod's volume at a mount is compared here.
pub(super) fn is_compared(volume: &Value, mount: &Mount<'_>) -> bool {
    place("", volume).is_some() && !is_aside(mount.path) && !is_aside(mount.volume)
}

/// The place of a pod's volume under a name that PVCs cannot have; `None` where no data is kept there.
fn place(namespace: &str, volume: &Value) -> Option<Ref> {
    let source = Source::of(volume).filter(|source| !is_fleeting(volume, source) && !is_of_system(source))?;
    let kind = match source {
        Source::Node(..) => HOST_PATH,
        Source::Export(..) => EXPORT,
        Source::Named(..) => "Volume",
    };
    Some(Ref::new("", kind, namespace, source.to_string().trim_start_matches('/')))
}

/// Whether a folder of a node is the node's own, in which its programs and their settings are.
fn is_of_system(source: &Source) -> bool {
    const SYSTEM: [&str; 15] = [
        "/bin",
        "/boot",
        "/etc",
        "/lib",
        "/lib64",
        "/opt/cni",
        "/sbin",
        "/usr",
        "/var/lib/cni",
        "/var/lib/containerd",
        "/var/lib/containers",
        "/var/lib/docker",
        "/var/lib/dockershim",
        "/var/lib/kubelet",
        "/var/log",
    ];
    let of_node = |path: &str| Source::of(&json!({"hostPath": {"path": path}}));
    let is_root = of_node("/").as_ref() == Some(source);
    is_root || SYSTEM.iter().filter_map(|path| of_node(path)).any(|system| system.covers(source))
}

/// A workload whose pods mount these places as PVCs.
fn with_claims(object: &Object) -> Object {
    let Some(template) = PodTemplate::of(object) else { return object.clone() };
    let namespace = object.text("/metadata/namespace");
    let mut json = None;
    for (at, volume) in template.volumes().enumerate() {
        let Some(place) = place(namespace, volume) else { continue };
        let claim = json!({"claimName": place.name(), "readOnly": is_read_only(volume)});
        let json = json.get_or_insert_with(|| (*object.0).clone());
        if let Some(volume) = json.pointer_mut(&format!("{}/volumes/{at}", template.pointer)) {
            *volume = json!({"name": volume["name"], "persistentVolumeClaim": claim});
        }
    }
    json.map_or_else(|| object.clone(), Object::new)
}

fn as_volume(place: &Ref) -> Volume {
    Volume {
        claim: place.clone(),
        // It stands for a folder: no object has this UID.
        claim_uid: Uid::new(&place.full()),
        volume: None,
        volume_uid: None,
        policy: None,
        class: None,
        size: String::new(),
        keep_live: None,
        keep_stored: None,
        in_manifest: false,
        terminating: false,
        volume_terminating: false,
        mounts: Vec::new(),
        if_uninstalled: UninstallEffect { verdict: Verdict::Unknown, why: String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_kept_where_a_pod_may_write() {
        let kept_at = |volume: Value, path: &str| {
            let object = Object::new(
                json!({"kind": "DaemonSet", "metadata": {"namespace": "n"}, "spec": {"template": {"spec": {
                "volumes": [volume], "containers": [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": path}]}]}}}}),
            );
            kept(&Ref::new("apps", "DaemonSet", "n", "d"), &object).iter().map(ToString::to_string).collect::<String>()
        };
        let host = |path: &str| json!({"name": "v", "hostPath": {"path": path}});
        assert_eq!(kept_at(host("/srv/a"), "/data"), "HostPath/srv/a of the node");
        assert_eq!(kept_at(json!({"name": "v", "nfs": {"server": "s", "path": "/a"}}), "/data"), "NFS/s:/a");
        assert_eq!(kept_at(host("/srv/a"), "/var/log"), "");
        for path in ["/", "/etc/cni/net.d", "/var/lib/kubelet/plugins", "/run/x", "/opt/cni/bin"] {
            assert_eq!(kept_at(host(path), "/data"), "", "{path}");
        }
        assert_eq!(kept_at(json!({"name": "v", "emptyDir": {}}), "/data"), "");
    }
}

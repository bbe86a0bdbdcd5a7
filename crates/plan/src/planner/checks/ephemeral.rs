//! Pods with a generic ephemeral volume whose PVC is there already and is not theirs: Kubernetes does not take it, and the pod never
//! starts (`handleVolume` in `pkg/controller/volume/ephemeral/controller.go`, Kubernetes 1.34).

use portolan_kube_facts::{PodTemplate, StatefulSet, owners};
use portolan_model::{Code, Finding, Object, Ref};
use serde_json::Value;

use super::uses::Workloads;
use super::{HopContext, Report};

pub(super) fn check(context: &HopContext<'_>, workloads: &Workloads, report: &mut Report) {
    for (name, object) in workloads.all_after() {
        let Some(template) = PodTemplate::of(object) else { continue };
        for (at, volume) in template.volumes().enumerate().filter(|(_, volume)| volume.get("ephemeral").is_some()) {
            let Some(volume) = volume.get("name").and_then(Value::as_str) else { continue };
            let taken = pods(name, object).into_iter().find_map(|pod| {
                let claim = Ref::claim(pod.namespace(), &format!("{}-{volume}", pod.name()));
                let there = workloads.after(&claim).or_else(|| context.live.get(&claim))?;
                (!is_of(there, &pod)).then_some((pod, claim))
            });
            let Some((pod, claim)) = taken else { continue };
            let found = format!("{claim} is there, and {pod} cannot have it for its ephemeral volume {volume}");
            report.findings.push(
                Finding::blocking(Code::NoNewVolume, found)
                    .about(name)
                    .at(format!("{}/volumes/{at}/ephemeral", template.pointer))
                    .why("Kubernetes uses no PVC for it that was not made for that pod, and the pod never starts")
                    .next("give the volume another name, or mount the PVC with persistentVolumeClaim"),
            );
        }
    }
}

/// The pods whose names are known beforehand.
fn pods(name: &Ref, object: &Object) -> Vec<Ref> {
    if name.kind() == "Pod" {
        return vec![name.clone()];
    }
    StatefulSet::named(name, object).map_or_else(Vec::new, |set| set.ordinals().map(|it| set.pod(it)).collect())
}

/// Whether a PVC was made for a pod of this name: the next one of it gets one of its own.
fn is_of(claim: &Object, pod: &Ref) -> bool {
    owners(claim)
        .iter()
        .any(|owner| owner.is_controller && owner.name.kind() == "Pod" && owner.name.name() == pod.name())
}

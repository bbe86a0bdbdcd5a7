//! The step that checks a hop's objects against the cluster, before anything of the hop is written.

use portolan_model::{
    ApplyMethod, HelmClient, Inventory, JsonPointer, Manifest, ObjectCheck, OwnField, Provenance, Step, StepKind,
    canonical,
};

use super::Objects;
use super::steps::{self, StepBuilder};

const WHY: &str = "helm finds out half-way what the API server refuses, with the database stopped";

/// The first step of a hop; `rest` are the others.
pub(super) fn step(builder: &StepBuilder<'_>, hooks: &Manifest, rest: &[Step], objects: &mut Objects) -> Step {
    let deletes = rest.iter().filter_map(|step| match &step.kind {
        StepKind::DeleteObject { target, .. } => Some(target.clone()),
        _ => None,
    });
    let check = ObjectCheck {
        release: builder.run.release.clone(),
        client: builder.run.client.clone(),
        apply: apply(builder.resolved.inventory, &builder.run.client),
        manifest: builder.run.manifest.clone(),
        hooks: objects.keep(&canonical(hooks)),
        deletes: deletes.collect(),
        own: builder.state.own.iter().cloned().chain(rest.iter().filter_map(own_field)).collect(),
    };
    let boundary = builder.input.boundaries.first().map_or_else(String::new, |boundary| boundary.name.clone());
    let source = Provenance { page: "portolan".into(), line: None, boundary };
    steps::step("check-objects", WHY, StepKind::CheckObjects { check: Box::new(check) }, vec![source])
}

/// How helm will write: as the newest record was written (`getUpgradeServerSideValue` in `pkg/action/upgrade.go`, helm 4.3.1);
/// helm 3 always works patches out itself.
pub(super) fn apply(inventory: &Inventory, helm: &HelmClient) -> ApplyMethod {
    if helm.version().major >= 4 { inventory.release.apply } else { ApplyMethod::Client }
}

/// The field that a step writes and that stays.
pub(super) fn own_field(step: &Step) -> Option<OwnField> {
    let (object, field, value) = match &step.kind {
        StepKind::RetainVolume { volume, before, .. } if before != "Retain" => {
            (volume, "/spec/persistentVolumeReclaimPolicy", "Retain")
        }
        StepKind::KeepClaim { claim, is_kept: false, .. } => {
            (claim, portolan_kube_facts::RESOURCE_POLICY_POINTER, portolan_kube_facts::KEEP)
        }
        _ => return None,
    };
    Some(OwnField { object: object.clone(), field: JsonPointer::new(field), value: value.into() })
}

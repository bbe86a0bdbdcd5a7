//! A search of one volume's cone finds every outcome that the search of the whole world finds, with nothing left out.

use std::collections::BTreeSet;
use std::sync::Arc;

use portolan_model::{Digest, Manifest, Object, Plan, Ref, StepKind, canonical};
use portolan_rehearse::{Options, Subject, WeighedEnd, World};
use portolan_trials::sim;
use serde_json::json;

/// What a small world has: a database with its PVC, a Secret, and something outside the cone.
fn is_kept(name: &Ref) -> bool {
    match name.kind() {
        "ConfigMap" => name.name() == "runai-backend-config",
        "StatefulSet" | "Pod" => name.name().starts_with("runai-backend-postgresql"),
        "Secret" => name.name() == "runai-backend-postgresql",
        kind => matches!(kind, "PersistentVolumeClaim" | "PersistentVolume" | "StorageClass" | "Namespace" | "Release"),
    }
}

/// A small world and a short plan in it, with some steps left out.
fn small(start: &str, without: &[&str]) -> (World, Plan) {
    let mut installation = sim::installation(start);
    let file = sim::plan(installation.world(), &["2.20"], without).expect("a plan");
    let world = installation.world_mut();
    world.learn_plan(&file);
    world.retain(&is_kept);
    let mut plan = file.plan.clone();
    for step in plan.hops.iter_mut().flat_map(|hop| &mut hop.steps) {
        match &mut step.kind {
            StepKind::Helm { run, .. } => {
                let content = &file.objects[&run.manifest];
                let mut manifest: Manifest = serde_json::from_slice(&content.0).expect("a manifest");
                manifest.docs.retain(|doc| doc.name().is_some_and(|name| is_kept(&name)));
                let bytes = canonical(&manifest);
                run.manifest = Digest::of(&bytes);
                run.docs = portolan_helm_compat::redact::fingerprint(&manifest.docs, &manifest.nondeterministic_fields);
                world.learn(&run.manifest, &bytes);
            }
            StepKind::WaitReady { workloads } => workloads.retain(is_kept),
            StepKind::ArchiveObject { objects } => objects.retain(is_kept),
            _ => {}
        }
    }
    for hop in &mut plan.hops {
        hop.steps.retain(|step| match &step.kind {
            StepKind::DeleteObject { target, .. } => is_kept(target),
            StepKind::RecordDatabase { .. } | StepKind::VerifyDatabase { .. } => false,
            _ => true,
        });
    }
    plan.preconditions.retain(|name, _| is_kept(name));
    (world.clone(), plan)
}

fn outcomes(world: &World, plan: &Plan, options: Options) -> (BTreeSet<WeighedEnd>, usize) {
    let forecast = portolan_rehearse::rehearse(world, &Subject::Plan(Arc::new(plan.clone())), &plan.volumes, options);
    let volume = &forecast.volumes[0];
    assert!(volume.unknown.is_empty(), "{:?}", volume.unknown);
    (volume.ends.keys().copied().collect(), forecast.worlds)
}

#[test]
fn a_slice_finds_what_the_whole_finds() {
    let cases: &[(&str, &[&str])] = &[
        ("openshift-2.8", &[]),
        ("openshift-2.8", &["keep-claims"]),
        ("openshift-2.8", &["keep-claims", "retain-volumes"]),
        ("openshift-2.11", &["keep-claims", "retain-volumes"]),
        ("openshift-2.13", &[]),
    ];
    for (start, without) in cases {
        let (world, plan) = small(start, without);
        for options in [Options::orders(), Options { stops: false, ..Options::default() }] {
            let (slice, few) = outcomes(&world, &plan, options);
            let (whole, many) = outcomes(&world, &plan, Options { whole: true, all: true, ..options });
            assert_eq!(slice, whole, "{start} without {without:?}, {options:?}");
            assert!(!slice.is_empty() && few <= many, "{few} worlds in the slice, {many} in the whole");
        }
    }
}

/// What a namespace has beside the release: a set that runs on a PVC of its own, each with its volume.
fn beside(world: &mut World, number: usize) {
    let (space, name, uid) = ("runai-backend", format!("other-{number}"), |kind: &str| format!("{kind}-{number}"));
    let claim = format!("data-{name}-0");
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": space, "uid": uid("set")},
        "spec": {
            "replicas": 1, "updateStrategy": {"type": "OnDelete"},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}],
        },
    });
    let objects = [
        set,
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("{name}-0"), "namespace": space, "uid": uid("pod"),
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "uid": uid("set")}],
            },
            "spec": {"nodeName": "node-1", "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]},
            "status": {"phase": "Running"},
        }),
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim, "namespace": space, "uid": uid("claim")},
            "spec": {"volumeName": uid("volume"), "storageClassName": "standard"}, "status": {"phase": "Bound"},
        }),
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": uid("volume"), "uid": uid("volume")},
            "spec": {
                "persistentVolumeReclaimPolicy": "Delete",
                "claimRef": {"namespace": space, "name": claim, "uid": uid("claim")},
            },
            "status": {"phase": "Bound"},
        }),
    ];
    for object in objects.map(Object::new) {
        world.put(&object.name().expect("it has a name"), (*object.0).clone());
    }
}

#[test]
fn what_stands_beside_a_release_changes_nothing() {
    for without in [&[][..], &["keep-claims"], &["keep-claims", "retain-volumes"]] {
        let (mut world, plan) = small("openshift-2.8", without);
        let alone = outcomes(&world, &plan, Options::default());
        for number in 0..20 {
            beside(&mut world, number);
        }
        assert_eq!(outcomes(&world, &plan, Options::default()), alone, "without {without:?}");
    }
}

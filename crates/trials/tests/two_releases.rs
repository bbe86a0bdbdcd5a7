//! A plan made by hand that upgrades two releases in two namespaces. Each has a StatefulSet that mounts a PVC of its chart, and its new
//! chart does not have that PVC any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use portolan_helm_compat::chart::PackedChart;
use portolan_helm_compat::redact;
use portolan_model::{
    Code, Content, Digest, Manifest, Object, Outcome, Plan, PlanFile, ProtectedVolume, Ref, ReleaseId, ReleaseStatus,
    Rendered, Rendering, Uid, Verdict, VolumeEnd, canonical,
};
use portolan_rehearse::{Installation, Options, Subject, VolumeForecast, World};
use portolan_trials::sim;
use portolan_workflow::ArchiveChoice;
use serde_json::{Value, json};

fn platform() -> ReleaseId {
    ReleaseId { namespace: "platform".into(), name: "control".into() }
}

fn agent() -> ReleaseId {
    ReleaseId { namespace: "agent".into(), name: "agent".into() }
}

fn set(release: &ReleaseId) -> Ref {
    Ref::set(&release.namespace, "store")
}

fn claim(release: &ReleaseId) -> Ref {
    Ref::claim(&release.namespace, "data")
}

fn docs(release: &ReleaseId, major: u64) -> Vec<Object> {
    let meta = |name: &str| json!({"name": name, "namespace": release.namespace});
    let pod = json!({
        "containers": [{"name": "store", "image": format!("store:{major}"), "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    });
    let labels = json!({"app": "store"});
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta("store"),
        "spec": {"replicas": 1, "serviceName": "store", "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod}},
    });
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta("data"),
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "standard", "resources": {"requests": {"storage": "1Gi"}}},
    });
    let claim = Some(claim).filter(|_| major == 1);
    claim.into_iter().chain([set]).map(Object::new).collect()
}

fn chart(release: &ReleaseId, major: u64) -> PackedChart {
    let about = format!("apiVersion: v2\nname: {}\nversion: {major}.0.0\n", release.name);
    PackedChart::of_files(BTreeMap::from([("Chart.yaml".into(), about.into_bytes())])).expect("a chart")
}

/// A cluster with both releases.
fn installation() -> Installation {
    let facts = json!({
        "cluster": {"server": "", "user": "", "uid": "simulated", "version": "v1.34.4", "platform": {"platform": "kubernetes"},
            "default_class": "standard", "groups": ["apps", "storage.k8s.io"]},
        "release": platform(), "databases": [], "migrations": [],
    });
    let world = World::new(serde_json::from_value(facts).expect("facts"));
    let mut installation = Installation::of_world("two releases", world);
    installation.create(&Object::new(json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "standard"}, "provisioner": "sim.example.com/disk",
        "reclaimPolicy": "Delete",
    })));
    for release in [platform(), agent()] {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": release.namespace}});
        installation.create(&Object::new(namespace));
        let manifest: String = docs(&release, 1).iter().map(|doc| format!("---\n{}\n", doc.0)).collect();
        let rendered = Rendered::of_text(manifest);
        let rendering = Rendering { first: rendered.clone(), second: rendered, reads: Vec::new() };
        installation.run_helm(&chart(&release, 1), &release, &json!({}), &rendering).expect("it is a manifest");
    }
    installation
}

fn uid(world: &World, name: &Ref) -> Uid {
    world.get(name).and_then(Object::uid).unwrap_or_else(|| panic!("there is no {name}"))
}

/// The volume of a release.
fn protected(world: &World, release: &ReleaseId) -> ProtectedVolume {
    let claim = claim(release);
    let volume = Ref::volume(world.get(&claim).expect("it is there").text("/spec/volumeName"));
    ProtectedVolume { claim_uid: uid(world, &claim), volume_uid: uid(world, &volume), claim, volume }
}

fn step(id: &str, kind: &Value) -> Value {
    json!({"id": id, "kind": kind, "sources": [{"page": "portolan", "line": null, "boundary": "by hand"}], "why": "", "command": [],
        "undo": "nothing", "limit": 600})
}

/// The plan that upgrades both, first the platform. `guarded` are the releases whose volume and PVC it protects.
fn plan(world: &World, guarded: &[ReleaseId]) -> PlanFile {
    let mut contents = vec![b"{}".to_vec()];
    let volumes = [platform(), agent()].map(|release| protected(world, &release));
    let mut hop = |release: &ReleaseId, steps: Vec<Value>| {
        let (old, new, docs) = (chart(release, 1), chart(release, 2), docs(release, 2));
        let fingerprint = redact::fingerprint(&docs, &BTreeMap::new());
        let manifest = canonical(&Manifest { docs, nondeterministic_fields: BTreeMap::new() });
        let run = json!({
            "release": release, "base_revision": 1, "client": {"helm": "simulated", "version": "3.22.0"}, "chart": new.id,
            "archive": new.digest, "values": Digest::of(b"{}"), "carried": [], "mode": "reset", "manifest": Digest::of(&manifest),
            "docs": fingerprint, "nondeterministic_fields": {}, "required_keys": [],
        });
        contents.extend([manifest, new.archive]);
        let (claim, set) = (claim(release), set(release));
        let keep = guarded
            .contains(release)
            .then(|| step("keep", &json!({"kind": "keep-claim", "claim": claim, "uid": uid(world, &claim)})));
        let verify = volumes.iter().map(|protected| {
            let namespace = protected.claim.namespace();
            step("verify", &json!({
                "kind": "verify-volume", "claim": protected.claim, "claim_uid": protected.claim_uid, "volume": protected.volume,
                "volume_uid": protected.volume_uid, "mounted_by": [Ref::pod(namespace, "store-0")],
                "sets": [Ref::set(namespace, "store")], "known_claims": [protected.claim],
            }))
        });
        let helm = step("helm", &json!({"kind": "helm", "op": {"operation": "upgrade"}, "run": run}));
        let ready = step("ready", &json!({"kind": "wait-ready", "workloads": [set]}));
        let steps: Vec<Value> = steps.into_iter().chain(keep).chain([helm, ready]).chain(verify).collect();
        let changes =
            json!([{"object": claim, "change": "keep", "why": ""}, {"object": set, "change": "change", "why": ""}]);
        json!({
            "release": Some(release).filter(|release| **release != platform()), "from": old.id, "to": new.id, "boundaries": [],
            "steps": steps, "changes": changes, "new_claims": [], "values": [],
        })
    };
    let retain = |protected: &ProtectedVolume| {
        step(
            "retain",
            &json!({"kind": "retain-volume", "volume": protected.volume, "uid": protected.volume_uid, "before": "Delete"}),
        )
    };
    let is_guarded =
        |protected: &&ProtectedVolume| guarded.iter().any(|release| release.namespace == protected.claim.namespace());
    let retains = volumes.iter().filter(is_guarded).map(retain).collect();
    let hops = [hop(&platform(), retains), hop(&agent(), Vec::new())];
    let plan = json!({
        "format": portolan_model::FORMAT, "cluster": "simulated", "server": "", "release": platform(), "other_releases": [agent()],
        "helm": {"helm": "simulated", "version": "3.22.0"}, "from": chart(&platform(), 1).id, "to": chart(&platform(), 2).id,
        "hops": hops, "preconditions": {}, "volumes": volumes, "databases": [], "without": [], "accepted": [], "findings": [],
    });
    let plan: Plan = serde_json::from_value(plan).expect("a plan");
    let objects = contents.into_iter().map(|bytes| (Digest::of(&bytes), Content::new(bytes))).collect();
    PlanFile { plan, objects, fetched: Vec::new() }
}

/// What becomes of the volume of each release, the platform's first, whatever dies, fails and stops on the way.
fn rehearsed(installation: &Installation, file: &PlanFile) -> [VolumeForecast; 2] {
    let mut world = installation.world().clone();
    world.learn_plan(file);
    let subject = Subject::Plan(Arc::new(file.plan.clone()));
    let forecast = portolan_rehearse::rehearse(&world, &subject, &file.plan.volumes, Options::default());
    assert!(forecast.crashes > 50, "the engine is killed everywhere, {} times", forecast.crashes);
    let all = Options { all: true, ..Options::default() };
    let all = portolan_rehearse::rehearse(&world, &subject, &file.plan.volumes, all);
    for (volume, all) in forecast.volumes.iter().zip(&all.volumes) {
        assert!(volume.ends.keys().eq(all.ends.keys()), "{}: nothing is left out that counts", volume.protected.claim);
    }
    forecast.volumes.try_into().expect("two volumes")
}

fn verdicts(volumes: &[VolumeForecast; 2]) -> [Verdict; 2] {
    volumes.each_ref().map(|volume| {
        assert!(volume.unknown.is_empty(), "{:?}", volume.unknown);
        volume.headline
    })
}

#[test]
fn each_volume_is_safe_by_the_protections_of_its_own_release() {
    let installation = installation();
    let both = plan(installation.world(), &[platform(), agent()]);
    assert_eq!(portolan_workflow::check_rules(&both), Ok(()));
    let found = rehearsed(&installation, &both);
    assert_eq!(verdicts(&found), [Verdict::Safe, Verdict::Safe]);
    assert!(found.iter().all(|volume| volume.finishes), "{:?}", found.map(|volume| volume.stuck));

    for (guarded, [first, second]) in
        [(platform(), [Verdict::Safe, Verdict::Lost]), (agent(), [Verdict::Lost, Verdict::Safe])]
    {
        let one = plan(installation.world(), std::slice::from_ref(&guarded));
        let refused = portolan_workflow::check_rules(&one).expect_err("a volume is not protected");
        assert_eq!(refused.code, Code::NotSafe);
        assert_eq!(verdicts(&rehearsed(&installation, &one)), [first, second], "only {} is protected", guarded.name);
    }
}

#[test]
fn an_end_says_how_the_release_stands_that_is_furthest_from_its_end() {
    let installation = installation();
    let file = plan(installation.world(), &[platform(), agent()]);
    let mut world = installation.world().clone();
    world.learn_plan(&file);
    let subject = Subject::Plan(Arc::new(file.plan.clone()));
    let (ends, _) = portolan_rehearse::ends(&world, &subject, &file.plan.volumes[0], Options::default());
    let newest = |world: &World, release: &ReleaseId| records(world, release).last().map(|(_, status)| *status);
    let stands = |(end, world): &(VolumeEnd, World)| {
        let both = [newest(world, &platform()), newest(world, &agent())];
        assert_eq!(Some(end.release), both.into_iter().max().flatten(), "{both:?}");
        both
    };
    let all: Vec<_> = ends.iter().map(stands).collect();
    // Where the agent's helm fails, the platform is deployed.
    assert!(all.contains(&[Some(ReleaseStatus::Deployed), Some(ReleaseStatus::Failed)]), "{all:?}");
}

/// The records of a release, each with its status.
fn records(world: &World, release: &ReleaseId) -> Vec<(u32, ReleaseStatus)> {
    world.releases(release).into_iter().map(|record| (record.revision, record.status)).collect()
}

#[test]
fn killed_at_every_turn_both_are_upgraded_once() {
    let undisturbed = {
        let mut installation = installation();
        let file = plan(installation.world(), &[platform(), agent()]);
        let (outcome, journal) = sim::run(&mut installation, &file, &mut |_| false);
        assert_eq!(outcome, Outcome::Finished, "{journal:?}");
        installation.settle();
        sim::normalised(installation.world())
    };
    let mut point = 0;
    loop {
        let mut installation = installation();
        let file = plan(installation.world(), &[platform(), agent()]);
        let (mut turn, mut killed) = (0, false);
        let (outcome, _) = sim::run(&mut installation, &file, &mut |_| {
            turn += 1;
            killed |= turn == point + 1;
            turn == point + 1
        });
        assert_eq!(outcome, Outcome::Finished, "killed at turn {point}");
        installation.settle();
        let world = installation.world();
        assert_eq!(sim::normalised(world), undisturbed, "killed at turn {point}");
        for release in [platform(), agent()] {
            let upgraded = [(1, ReleaseStatus::Superseded), (2, ReleaseStatus::Deployed)];
            assert_eq!(records(world, &release), upgraded, "{}, killed at turn {point}", release.name);
        }
        if !killed {
            break;
        }
        point += 1;
    }
    assert!(point > 40, "it is killed at {point} turns");
}

#[test]
fn nothing_is_put_back_while_helm_is_at_work_on_the_other_release() {
    let mut installation = installation();
    let file = plan(installation.world(), &[platform(), agent()]);
    let restored = |world: &World| sim::restore(world, &ArchiveChoice::new(file.plan.clone(), Vec::new()));
    let kept = restored(installation.world()).expect("no helm is at work");
    assert!(kept.plan.hops.is_empty(), "nothing was deleted");
    let set_status = |world: &mut World, status: &str| {
        let record = world.names().into_iter().find(|name| name.kind() == "Release" && name.namespace() == "agent");
        let record = record.expect("the agent has a record");
        let mut json = (*world.get(&record).expect("it is there").0).clone();
        json["status"] = json!(status);
        world.put(&record, json);
    };
    set_status(installation.world_mut(), "pending-upgrade");
    let refused = restored(installation.world()).expect_err("a helm may be at work");
    assert_eq!(refused.code, Code::NotDeployed);
    assert!(refused.found.contains("release agent is pending-upgrade"), "{}", refused.found);
    set_status(installation.world_mut(), "failed");
    assert!(restored(installation.world()).is_ok(), "that helm has ended");
}

#[test]
fn a_run_is_not_begun_where_the_other_release_has_gone_on() {
    let mut installation = installation();
    let file = plan(installation.world(), &[platform(), agent()]);
    assert_eq!(sim::drift(installation.world(), &file), Ok(Vec::new()));
    let manifest: String = docs(&agent(), 2).iter().map(|doc| format!("---\n{}\n", doc.0)).collect();
    let rendered = Rendered::of_text(manifest);
    let rendering = Rendering { first: rendered.clone(), second: rendered, reads: Vec::new() };
    // Somebody else upgrades it; the PVC stays this time.
    installation.annotate(&claim(&agent()), &BTreeMap::from([("helm.sh/resource-policy".into(), "keep".into())]));
    installation.run_helm(&chart(&agent(), 2), &agent(), &json!({}), &rendering).expect("it is a manifest");
    let moved = sim::drift(installation.world(), &file).expect("it can be told");
    let told: Vec<_> = moved.iter().map(|finding| (finding.code, finding.evidence.join("\n"))).collect();
    assert_eq!(told, [(Code::Moved, "release agent  agent 1.0.0 revision 1 -> agent 2.0.0 revision 2".to_owned())]);
}

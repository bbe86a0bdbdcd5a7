//! What is not modelled and can reach a volume makes its forecast Unknown: every kind of workload and of owner, and StatefulSets in
//! every form. What cannot reach it, or is modelled, leaves it Safe.

use portolan_kube_facts::Kind;
use portolan_model::{Digest, HelmRun, Manifest, ReleaseId};

use super::*;
use crate::HelmJob;

const POD: &str = "/spec/template/spec/volumes/0";

/// What a forecast says of an object beside the StatefulSet whose volume is looked at.
fn unknown(world: &World, op: Op) -> (Verdict, Vec<(String, String)>) {
    let forecast = rehearse(world, &Subject::Script(script(vec![op])), &[protected()], Options::orders());
    let found = forecast.volumes[0].unknown.iter();
    (forecast.headline(), found.map(|one| (one.object.full(), one.field.to_string())).collect())
}

#[test]
fn every_kind_is_modelled_or_makes_the_volume_unknown() {
    let pod = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]});
    let template = json!({"replicas": 1, "template": {"spec": pod}});
    let names = json!({"of": "data-db-0"});
    for kind in Kind::ALL {
        // The compiler asks for a case of each kind that is added.
        let (version, word, spec, field) = match kind {
            Kind::Pod => ("v1", "Pod", pod.clone(), None),
            Kind::StatefulSet => ("apps/v1", "StatefulSet", template.clone(), None),
            Kind::Deployment => ("apps/v1", "Deployment", template.clone(), Some(POD)),
            Kind::DaemonSet => ("apps/v1", "DaemonSet", template.clone(), Some(POD)),
            Kind::ReplicaSet => ("apps/v1", "ReplicaSet", template.clone(), Some(POD)),
            Kind::ReplicationController => ("v1", "ReplicationController", template.clone(), Some(POD)),
            Kind::Job => ("batch/v1", "Job", template.clone(), Some(POD)),
            Kind::CronJob => (
                "batch/v1",
                "CronJob",
                json!({"jobTemplate": {"spec": template}}),
                Some("/spec/jobTemplate/spec/template/spec/volumes/0"),
            ),
            Kind::PersistentVolumeClaim => ("v1", "PersistentVolumeClaim", names.clone(), None),
            Kind::PersistentVolume => ("v1", "PersistentVolume", names.clone(), None),
            Kind::Namespace => ("v1", "Namespace", names.clone(), None),
            Kind::CustomResourceDefinition => {
                ("apiextensions.k8s.io/v1", "CustomResourceDefinition", names.clone(), None)
            }
            Kind::Route => ("route.openshift.io/v1", "Route", names.clone(), None),
            Kind::Ingress => ("networking.k8s.io/v1", "Ingress", names.clone(), None),
            Kind::Inert => ("v1", "ConfigMap", names.clone(), None),
            Kind::Custom => ("db.example.com/v1", "Backup", names.clone(), Some("/spec/of")),
        };
        let (name, json) = user(version, word, &spec);
        assert_eq!(Kind::named(&name), kind);
        let mut world = world("Delete");
        world.put(&name, json);
        let (verdict, found) = unknown(&world, Op::Nothing);
        let want: Vec<_> = field.map(|field| (name.full(), field.to_owned())).into_iter().collect();
        assert_eq!(found, want, "{kind:?}");
        assert_eq!(verdict, if field.is_some() { Verdict::Unknown } else { Verdict::Safe }, "{kind:?}");
    }
}

#[test]
fn a_kind_without_rules_is_counted_whatever_its_name() {
    for (version, word, has_rules) in [
        ("batch/v1", "Job", true),
        ("batch.volcano.sh/v1alpha1", "Job", false),
        ("v1", "Secret", true),
        ("v1", "ConfigMap", false),
        ("secrets.example.com/v1", "Secret", false),
        ("route.openshift.io/v1", "Route", false),
        ("db.example.com/v1", "Backup", false),
    ] {
        let (name, json) = user(version, word, &json!({}));
        let mut world = world("Delete");
        world.put(&name, json);
        let subject = Subject::Script(script(vec![Op::Nothing]));
        let forecast = rehearse(&world, &subject, &[protected()], Options::orders());
        assert_eq!(forecast.unmodelled.contains(&name), !has_rules, "{version} {word}: {:?}", forecast.unmodelled);
    }
}

#[test]
fn a_stateful_set_is_modelled_in_every_form_but_a_partition() {
    let partition = |partition: u64, strategy: &str| json!({"updateStrategy": {"type": strategy, "rollingUpdate": {"partition": partition}}});
    let field = "/spec/updateStrategy/rollingUpdate/partition";
    for (form, unknown_field, verdict) in [
        (json!({}), None, Verdict::Safe),
        (json!({"replicas": 3}), None, Verdict::Safe),
        (json!({"podManagementPolicy": "Parallel"}), None, Verdict::Safe),
        (json!({"ordinals": {"start": 0}}), None, Verdict::Safe),
        // Pod db-1 is made in place of db-0, on another PVC.
        (json!({"ordinals": {"start": 1}}), None, Verdict::Detached),
        (json!({"ordinals": {"start": 1}, "podManagementPolicy": "Parallel"}), None, Verdict::Detached),
        (partition(0, "RollingUpdate"), None, Verdict::Safe),
        (partition(1, "RollingUpdate"), Some(field), Verdict::Unknown),
        (partition(1, "OnDelete"), None, Verdict::Safe),
    ] {
        for policy in ["Delete", "Retain"] {
            let world = world(policy);
            // The form comes with a change that somebody makes: what the live object has already is no different.
            let mut live = world.clone();
            edit(&mut live, &set(), |json| {
                for (key, value) in form.as_object().expect("a map") {
                    json["spec"][key] = value.clone();
                }
            });
            let (headline, found) = unknown(&live, Op::Nothing);
            let want: Vec<_> = unknown_field.map(|field| (set().full(), field.to_owned())).into_iter().collect();
            assert_eq!((headline, found), (verdict, want), "{form} {policy}");
        }
    }
}

/// A run of helm from one manifest to another, in a world that has the record of the first.
pub(super) fn helm(world: &mut World, version: &str, stored: &Value, target: &Value) -> Op {
    helm_on("a", world, version, stored, target)
}

/// The same for a release of this name.
fn helm_on(release: &str, world: &mut World, version: &str, stored: &Value, target: &Value) -> Op {
    let mut learn = |doc: &Value| {
        let manifest = Manifest { docs: vec![Object::new(doc.clone())], ..Manifest::default() };
        let bytes = serde_json::to_vec(&manifest).expect("JSON");
        let digest = Digest::of(&bytes);
        world.learn(&digest, &bytes);
        digest
    };
    let (stored, target) = (learn(stored), learn(target));
    let release = ReleaseId { namespace: NS.into(), name: release.into() };
    let record = crate::helm::record_name(&release, 1);
    let chart = json!({"name": "c", "version": "1.0.0"});
    world.put(
        &record,
        json!({"apiVersion": "helm.sh/v1", "kind": "Release", "metadata": {"name": record.name(), "namespace": NS},
            "revision": 1, "status": "deployed", "chart": chart, "manifest": stored, "config": {}}),
    );
    let run = json!({
        "release": release, "base_revision": 1, "client": {"helm": "simulated", "version": version},
        "chart": chart, "archive": target, "values": target, "carried": [], "mode": "reset", "manifest": target,
        "docs": {}, "nondeterministic_fields": {}, "required_keys": [],
    });
    let run: HelmRun = serde_json::from_value(run).expect("a run");
    Op::Helm(Box::new(HelmJob::typed(world, &run).expect("its record is known")))
}

fn doc(version: &str, kind: &str, size: u64) -> Value {
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": NS}, "spec": {"size": size}})
}

/// A live object that the release has.
pub(super) fn live(json: &Value) -> (Ref, Value) {
    let mut json = json.clone();
    json["metadata"]["uid"] = json!("owner");
    json["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
    json["metadata"]["annotations"] = json!({"meta.helm.sh/release-name": "a", "meta.helm.sh/release-namespace": NS});
    (Object::new(json.clone()).name().expect("it has one"), json)
}

#[test]
fn an_owner_that_helm_changes_and_whose_controller_is_not_modelled_makes_the_volume_unknown() {
    for kind in Kind::ALL {
        let (version, word, is_unknown) = match kind {
            Kind::Custom => ("shop.example.com/v1", "Store", true),
            Kind::Route => ("route.openshift.io/v1", "Route", true),
            Kind::Ingress => ("networking.k8s.io/v1", "Ingress", true),
            Kind::Inert => ("apps/v1", "ControllerRevision", true),
            Kind::Deployment => ("apps/v1", "Deployment", false),
            Kind::DaemonSet => ("apps/v1", "DaemonSet", false),
            Kind::ReplicaSet => ("apps/v1", "ReplicaSet", false),
            Kind::ReplicationController => ("v1", "ReplicationController", false),
            Kind::Job => ("batch/v1", "Job", false),
            Kind::CronJob => ("batch/v1", "CronJob", false),
            Kind::StatefulSet => ("apps/v1", "StatefulSet", false),
            Kind::Pod
            | Kind::PersistentVolumeClaim
            | Kind::PersistentVolume
            | Kind::Namespace
            | Kind::CustomResourceDefinition => continue,
        };
        for changes in [true, false] {
            let mut world = world("Delete");
            let (stored, target) = (doc(version, word, 1), doc(version, word, if changes { 2 } else { 1 }));
            let (name, json) = live(&stored);
            world.put(&name, json);
            edit(&mut world, &set(), |json| json["metadata"]["ownerReferences"] = json!([owner(&name, "owner")]));
            let op = helm(&mut world, "3.22.0", &stored, &target);
            let (_, found) = unknown(&world, op);
            let want: Vec<_> = (changes && is_unknown).then(|| (name.full(), "/spec".to_owned())).into_iter().collect();
            assert_eq!(found, want, "{kind:?}, changed: {changes}");
        }
    }
}

#[test]
fn what_helm_does_to_another_release_changes_no_owner_of_this_one() {
    let store = |size| doc("shop.example.com/v1", "Store", size);
    let beside = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "y", "namespace": NS}});
    // What the other release's new manifest has, and whether that changes the owner.
    for (target, is_unknown) in [(&beside, false), (&store(1), true)] {
        let mut world = world("Delete");
        let (name, json) = live(&store(1));
        world.put(&name, json);
        edit(&mut world, &set(), |json| json["metadata"]["ownerReferences"] = json!([owner(&name, "owner")]));
        let other = helm_on("b", &mut world, "3.22.0", &beside, target);
        let own = helm(&mut world, "3.22.0", &store(1), &store(1));
        let subject = Subject::Script(script(vec![other, own]));
        let forecast = rehearse(&world, &subject, &[protected()], Options::orders());
        let found: Vec<_> = forecast.volumes[0].unknown.iter().map(|one| one.object.clone()).collect();
        assert_eq!(found, Vec::from_iter(is_unknown.then_some(name)), "{target}");
    }
}

/// Helm 4.0 takes an object of another version of its API for another object, and deletes what it has just patched.
#[test]
fn an_object_whose_version_changes_goes_with_what_it_owns_under_helm_4_0() {
    for (helm_version, verdict) in
        [("3.14.4", Verdict::Safe), ("3.22.0", Verdict::Safe), ("4.0.4", Verdict::Doomed), ("4.3.1", Verdict::Safe)]
    {
        let mut world = world("Delete");
        let (stored, target) = (doc("shop.example.com/v1", "Store", 1), doc("shop.example.com/v2", "Store", 1));
        let (name, json) = live(&target);
        world.put(&name, json);
        edit(&mut world, &claim(), |json| json["metadata"]["ownerReferences"] = json!([owner(&name, "owner")]));
        let op = helm(&mut world, helm_version, &stored, &target);
        let (ends, _) = ends(&world, &Subject::Script(script(vec![op])), &protected(), Options::orders());
        let worst = ends.iter().map(|(end, _)| end.verdict).max();
        assert_eq!(worst, Some(verdict), "{helm_version}");
    }
}

#[test]
fn what_is_unknown_says_why_and_how_it_is_accepted() {
    let pod = json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]});
    let (name, json) = user("apps/v1", "DaemonSet", &json!({"template": {"spec": pod}}));
    let mut world = world("Delete");
    world.put(&name, json);
    let forecast = rehearse(&world, &Subject::Script(script(vec![Op::Nothing])), &[protected()], Options::orders());
    let findings = forecast.findings();
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    let way_out = &forecast.volumes[0].unknown[0].way_out;
    assert!(finding.evidence.iter().any(|line| line.starts_with(&name.to_string())), "{finding:?}");
    assert!(finding.next.starts_with(way_out.as_str()), "{}", finding.next);
    assert!(finding.next.ends_with("--accept PL255=data-db-0 --reason TEXT"), "{}", finding.next);
    assert!(finding.why.contains("not known"), "{}", finding.why);
}

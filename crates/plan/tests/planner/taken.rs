//! What else becomes of volumes: what takes them along, who else reaches them, what does not move. Each harmful form has a
//! twin that says nothing.

use portolan_model::{Code, Coverage, Finding, Object, Ref, Scope, ScopeCoverage, Severity, StepKind, Uid};
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS, at_2_13, new};

pub(crate) const CLAIM: &str = "data-runai-backend-postgresql-0";
pub(crate) const SET: &str = "runai-backend-postgresql";

/// Puts an object among those that live, and, where it is the chart's, into the stored manifest.
pub(crate) fn put(fixture: &mut Fixture, is_stored: bool, json: Value) -> Ref {
    let object = Object::new(json);
    let name = object.name().expect("an object has a name");
    if is_stored {
        fixture.inventory.release.docs.push(object.clone());
    }
    fixture.inventory.objects.insert(name.clone(), object);
    name
}

pub(crate) fn edit(fixture: &mut Fixture, name: &Ref, change: impl FnOnce(&mut Value)) {
    let mut json = (*fixture.inventory.objects[name].0).clone();
    change(&mut json);
    fixture.inventory.objects.insert(name.clone(), Object::new(json));
}

pub(crate) fn owner(version: &str, kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": true})
}

/// The PVC of the database is owned by this.
pub(crate) fn owned_by(fixture: &mut Fixture, owner: &Value) {
    edit(fixture, &Ref::claim(NS, CLAIM), |json| json["metadata"]["ownerReferences"] = json!([owner]));
}

fn seen(fixture: &mut Fixture, kind: &str, namespace: &str) {
    let scope = Scope { kind: kind.into(), namespace: namespace.into() };
    fixture.inventory.coverage.push(ScopeCoverage { scope, coverage: Coverage::Complete });
}

fn cluster_json(size: u32) -> Value {
    json!({"apiVersion": "db.example.com/v1", "kind": "Cluster",
        "metadata": {"name": "x", "namespace": NS, "uid": "uid-x"}, "spec": {"size": size}})
}

fn crd_json() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "clusters.db.example.com", "uid": "uid-crd"},
        "spec": {"group": "db.example.com", "names": {"kind": "Cluster"}}})
}

const CLUSTER: &str =
    "---\napiVersion: db.example.com/v1\nkind: Cluster\nmetadata: {name: x, labels: {chart: newer}}\nspec: {size: 1}\n";
const CRD: &str = "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: clusters.db.example.com}\n\
                   spec: {group: db.example.com, names: {kind: Cluster}}\n";

/// The findings of a plan to 2.20 about what is looked for here.
pub(crate) fn findings(fixture: &Fixture, more: &str) -> Vec<Finding> {
    let file = fixture.file_of(&[new("2.20.41")], &|_, text| text + more).expect("it can be planned");
    let ours = [Code::DeletedWith, Code::NotModelled, Code::NotReadyBefore, Code::SharedVolume, Code::NotVisible];
    let all = file.plan.findings.into_iter();
    all.filter(|finding| ours.contains(&finding.code)).collect()
}

pub(crate) fn said(findings: &[Finding]) -> Vec<(Code, bool, String, &str)> {
    let word = |finding: &Finding| finding.object().map(Ref::to_string).unwrap_or_default();
    findings
        .iter()
        .map(|it| (it.code, it.severity == Severity::Blocking, word(it), it.field().unwrap_or_default()))
        .collect()
}

type Case = (&'static str, fn(&mut Fixture), &'static str, Option<(Code, &'static str, &'static str)>);

const POLICY: &str = "/spec/persistentVolumeClaimRetentionPolicy/whenDeleted";

const FAR: &str = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: store, namespace: far}\n";

const OTHER: &str = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: other, namespace: far}\n";

const STAYS: &str = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: store-data}\n";

const PV: &str = "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv-1}\n";

fn with_crd(fixture: &mut Fixture) {
    put(fixture, true, crd_json());
    put(fixture, false, cluster_json(1));
    seen(fixture, "Cluster", "");
    owned_by(fixture, &owner("db.example.com/v1", "Cluster", "x", "uid-x"));
}

fn with_resource(fixture: &mut Fixture) {
    put(fixture, true, cluster_json(1));
    owned_by(fixture, &owner("db.example.com/v1", "Cluster", "x", "uid-x"));
}

fn with_bigger_resource(fixture: &mut Fixture) {
    put(fixture, true, cluster_json(2));
    owned_by(fixture, &owner("db.example.com/v1", "Cluster", "x", "uid-x"));
}

fn over_a_set(fixture: &mut Fixture) {
    put(fixture, true, cluster_json(1));
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "made", "namespace": NS,
            "uid": "uid-made", "ownerReferences": [owner("db.example.com/v1", "Cluster", "x", "uid-x")]},
            "spec": {"replicas": 1}});
    put(fixture, false, set);
    owned_by(fixture, &owner("apps/v1", "StatefulSet", "made", "uid-made"));
}

fn with_namespace(fixture: &mut Fixture) {
    put(fixture, true, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "store-data"}}));
    put(
        fixture,
        false,
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "far", "namespace": "store-data"},
                "spec": {"volumeName": "pv-9"}}),
    );
    seen(fixture, "PersistentVolumeClaim", "store-data");
}

fn with_unseen_namespace(fixture: &mut Fixture) {
    put(fixture, true, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "store-data"}}));
}

fn with_volume(fixture: &mut Fixture) {
    let pv = fixture.inventory.objects[&Ref::volume("pv-1")].clone();
    fixture.inventory.release.docs.push(pv);
}

fn with_policy(fixture: &mut Fixture) {
    edit(fixture, &Ref::set(NS, "keycloak"), |json| {
        json["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenDeleted": "Delete"});
        json["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}}]);
    });
    put(
        fixture,
        false,
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data-keycloak-0", "namespace": NS}}),
    );
}

fn owned_by_keycloak(fixture: &mut Fixture) {
    owned_by(fixture, &owner("apps/v1", "StatefulSet", "keycloak", "uid-statefulset-keycloak"));
}

fn with_unread_owner(fixture: &mut Fixture) {
    owned_by(fixture, &owner("db.example.com/v1", "Cluster", "y", "uid-y"));
}

fn with_cron_job(fixture: &mut Fixture) {
    put(
        fixture,
        false,
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "backup", "namespace": NS},
                "spec": {"jobTemplate": {"spec": {"template": {"spec": {"volumes": [{"persistentVolumeClaim": {"claimName": CLAIM}}]}}}}}}),
    );
}

fn used_elsewhere(fixture: &mut Fixture) {
    put(
        fixture,
        false,
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-9"},
                "spec": {"claimRef": {"namespace": "far", "name": "store"}}}),
    );
    seen(fixture, "PersistentVolume", "");
}

fn nothing(_: &mut Fixture) {}

#[test]
fn what_takes_a_claim_along_is_named_and_its_twin_is_not() {
    let gone = Code::DeletedWith;
    let cases: [Case; 21] = [
        ("nothing", nothing, "", None),
        ("a CRD leaves the chart", with_crd, "", Some((gone, "CustomResourceDefinition/clusters.db.example.com", ""))),
        ("a CRD stays", with_crd, CRD, None),
        ("a custom resource leaves the chart", with_resource, "", Some((gone, "Cluster/x", ""))),
        ("a custom resource stays", with_resource, CLUSTER, None),
        ("a custom resource changes", with_bigger_resource, CLUSTER, Some((Code::NotModelled, CLAIM, "/spec"))),
        ("what owns its owner leaves the chart", over_a_set, "", Some((gone, "Cluster/x", ""))),
        ("what owns its owner stays", over_a_set, CLUSTER, None),
        ("a namespace leaves the chart", with_namespace, "", Some((gone, "Namespace/store-data", ""))),
        ("a namespace stays", with_namespace, STAYS, None),
        (
            "a namespace leaves whose PVCs were not listed",
            with_unseen_namespace,
            "",
            Some((gone, "Namespace/store-data", "")),
        ),
        ("such a namespace stays", with_unseen_namespace, STAYS, None),
        ("its PV leaves the chart", with_volume, "", Some((gone, "PersistentVolume/pv-1", ""))),
        ("its PV stays", with_volume, PV, None),
        ("a StatefulSet stays whose policy is Delete", with_policy, "", None),
        ("it is owned by a StatefulSet that stays", owned_by_keycloak, "", None),
        (
            "its owner was not read",
            with_unread_owner,
            "",
            Some((Code::NotModelled, CLAIM, "/metadata/ownerReferences/0")),
        ),
        (
            "a CronJob mounts it",
            with_cron_job,
            "",
            Some((Code::NotModelled, CLAIM, "/spec/jobTemplate/spec/template/spec/volumes/0")),
        ),
        (
            "it is used in a namespace that was not listed",
            used_elsewhere,
            FAR,
            Some((Code::NotVisible, "PersistentVolumeClaim/store", "")),
        ),
        ("another one is, which no volume is of", used_elsewhere, OTHER, None),
        (
            "keycloak with a policy of Delete is left out",
            with_policy,
            "\u{0}",
            Some((gone, "StatefulSet/keycloak", POLICY)),
        ),
    ];
    for (what, before, more, want) in cases {
        let mut fixture = at_2_13();
        before(&mut fixture);
        let found = if more == "\u{0}" {
            let without =
                |_: usize, text: String| text.replace("metadata: {name: keycloak}", "metadata: {name: renamed}");
            let file = fixture.file_of(&[new("2.20.41")], &without).expect("it can be planned");
            file.plan.findings.into_iter().filter(|it| it.code == Code::DeletedWith).collect()
        } else {
            findings(&fixture, more)
        };
        let want = want.map(|(code, object, field)| {
            let object = if object == CLAIM { format!("PersistentVolumeClaim/{CLAIM}") } else { object.to_owned() };
            (code, true, object, field)
        });
        assert_eq!(said(&found), want.into_iter().collect::<Vec<_>>(), "{what}: {found:#?}");
    }
}

#[test]
fn helm_names_a_hook_that_takes_too_long_before_the_wait_for_helm_ends() {
    let plan = at_2_13().plan(&[new("2.20.41")]);
    let mut steps = plan.hops[0].steps.iter();
    let helm = steps.find(|step| matches!(step.kind, StepKind::Helm { .. })).expect("helm runs");
    assert!(helm.limit > portolan_helm_compat::argv::HOOK_LIMIT, "{:?}", helm.limit);
}

#[test]
fn a_pod_of_somebody_else_on_a_volume_is_named() {
    let mut fixture = at_2_13();
    let guest = put(
        &mut fixture,
        false,
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "guest", "namespace": NS}}),
    );
    fixture.inventory.volumes[0].mounts.push(portolan_model::Mount { pod: guest, workload: None });
    assert_eq!(said(&findings(&fixture, "")), [(Code::SharedVolume, false, "Pod/guest".to_owned(), "")]);
}

/// An installation whose operator runs a pod on a PVC `operated`, for the custom resource `x` of the release.
fn operated() -> Fixture {
    let mut fixture = at_2_13();
    put(&mut fixture, true, cluster_json(1));
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "operated", "namespace": NS, "uid": "uid-operated"}, "spec": {"volumeName": "pv-2"}});
    let claim = put(&mut fixture, false, claim);
    let mut volume = fixture.inventory.volumes[0].clone();
    (volume.claim, volume.claim_uid) = (claim, Uid::new("uid-operated"));
    volume.volume = Some(Ref::volume("pv-2"));
    volume.mounts.clear();
    fixture.inventory.volumes.push(volume);
    mounted(&mut fixture, "x-0", &json!([owner("db.example.com/v1", "Cluster", "x", "uid-x")]));
    fixture
}

/// A pod mounts the PVC `operated`.
fn mounted(fixture: &mut Fixture, pod: &str, owners: &Value) {
    let json = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": pod, "namespace": NS, "uid": format!("uid-{pod}"), "ownerReferences": owners},
        "spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "operated"}}]}});
    let pod = put(fixture, false, json);
    fixture.inventory.volumes[1].mounts.push(portolan_model::Mount { pod, workload: None });
}

#[test]
fn a_volume_that_only_others_mount_is_left_behind_only_where_they_go() {
    let left = |fixture: &Fixture, more: &str| {
        let file = fixture.file_of(&[new("2.20.41")], &|_, text| text + more).expect("it can be planned");
        let found: Vec<Finding> = file.plan.findings.into_iter().filter(|it| it.code == Code::NotSafe).collect();
        found.iter().filter_map(|it| it.object().map(Ref::to_string)).collect::<Vec<_>>()
    };
    let claim = ["PersistentVolumeClaim/operated".to_owned()];
    assert_eq!(left(&operated(), CLUSTER), [""; 0], "the custom resource stays");
    assert_eq!(left(&operated(), ""), claim, "the custom resource leaves the chart");
    let mut fixture = operated();
    mounted(&mut fixture, "shell", &json!([]));
    assert_eq!(left(&fixture, CLUSTER), [""; 0], "a pod of nobody mounts it too");
    mounted(&mut fixture, "y-0", &json!([owner("db.example.com/v1", "Cluster", "y", "uid-y")]));
    assert_eq!(left(&fixture, CLUSTER), claim, "the owner of a pod was not read");
    let mut fixture = operated();
    mounted(
        &mut fixture,
        "keycloak-0",
        &json!([owner("apps/v1", "StatefulSet", "keycloak", "uid-statefulset-keycloak")]),
    );
    assert_eq!(left(&fixture, CLUSTER), claim, "a StatefulSet of the release mounted it, and does not any more");
}

#[test]
fn a_claim_that_was_never_made_is_not_gone() {
    let claim = Ref::claim(NS, CLAIM);
    let released = |phase: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-7"},
            "spec": {"persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": NS, "name": CLAIM, "uid": "before"}},
            "status": {"phase": phase}})
    };
    for (volume, refused, unbinds) in
        [(None, false, false), (Some("Released"), true, true), (Some("Bound"), true, false)]
    {
        let mut fixture = at_2_13();
        fixture.inventory.volumes.clear();
        fixture.inventory.objects.remove(&claim);
        if let Some(phase) = volume {
            put(&mut fixture, false, released(phase));
        }
        match fixture.file(&[new("2.20.41")]) {
            Ok(_) => assert!(!refused, "{volume:?}"),
            Err(finding) => {
                assert!(refused && finding.code == Code::ClaimGone, "{volume:?}: {finding:?}");
                assert_eq!(finding.object(), Some(&claim));
                assert_eq!(finding.next.contains("kubectl patch pv"), unbinds, "{volume:?}: {}", finding.next);
            }
        }
    }
}

#[test]
fn a_claim_in_another_namespace_is_looked_for_there() {
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "store", "namespace": "store-data"},
        "spec": {"template": {"spec": {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "store"}}]}}}});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "store", "namespace": "store-data"}});
    let code = |is_listed: bool, is_there: bool| {
        let mut fixture = at_2_13();
        put(&mut fixture, true, set.clone());
        if is_there {
            put(&mut fixture, false, claim.clone());
        }
        if is_listed {
            seen(&mut fixture, "PersistentVolumeClaim", "store-data");
        }
        fixture.file(&[new("2.20.41")]).err().map(|finding| finding.code)
    };
    assert_eq!(code(true, true), None);
    assert_eq!(code(true, false), Some(Code::ClaimGone));
    assert_eq!(code(false, true), Some(Code::NotVisible));
}

#[test]
fn what_is_being_deleted_is_refused() {
    for (claim, volume, object) in
        [(true, false, format!("PersistentVolumeClaim/{CLAIM}")), (false, true, "PersistentVolume/pv-1".to_owned())]
    {
        for policy in [Some("Delete"), Some("Retain"), None] {
            let mut fixture = at_2_13();
            let it = &mut fixture.inventory.volumes[0];
            (it.terminating, it.volume_terminating, it.policy) = (claim, volume, policy.map(str::to_owned));
            let finding = fixture.refusal(&[new("2.20.41")]);
            assert_eq!(finding.code, Code::NotSafe);
            assert_eq!(finding.object().map(Ref::to_string), Some(object.clone()));
            assert!(!finding.next.contains("bind"), "{}", finding.next);
            // A policy that was not read is not changed.
            let acts = finding.next.contains("kubectl patch pv");
            assert_eq!(acts, claim && policy == Some("Delete"), "{policy:?}: {}", finding.next);
        }
    }
}

#[test]
fn uids_tell_an_owner_from_its_namesake() {
    let mut fixture = at_2_13();
    put(&mut fixture, true, cluster_json(1));
    owned_by(&mut fixture, &owner("db.example.com/v1", "Cluster", "x", "another"));
    assert_eq!(
        fixture.inventory.objects[&Ref::new("db.example.com", "Cluster", NS, "x")].uid(),
        Some(Uid::new("uid-x"))
    );
    let found = findings(&fixture, CLUSTER);
    assert_eq!(said(&found)[0].0, Code::NotModelled);
}

#[test]
fn a_kind_that_may_mount_a_volume_and_may_not_be_listed_is_named() {
    for (kind, named) in [("CronJob", true), ("DaemonSet", true), ("Service", false)] {
        let mut fixture = at_2_13();
        let scope = Scope { kind: kind.into(), namespace: NS.into() };
        fixture.inventory.coverage.push(ScopeCoverage { scope, coverage: Coverage::Denied("403".into()) });
        let blocks =
            findings(&fixture, "").iter().any(|it| it.code == Code::NotVisible && it.severity == Severity::Blocking);
        assert_eq!(blocks, named, "{kind}");
    }
}

#[test]
fn a_claim_whose_volume_is_gone_is_refused() {
    let planned = |is_listed: bool| {
        let mut fixture = at_2_13();
        fixture.inventory.volumes.clear();
        fixture.inventory.objects.remove(&Ref::volume("pv-1"));
        if is_listed {
            seen(&mut fixture, "PersistentVolume", "");
        }
        fixture.file(&[new("2.20.41")]).map(|_| ()).map_err(|finding| finding.code)
    };
    assert_eq!(planned(true), Err(Code::ClaimGone));
    assert_eq!(planned(false), Ok(()), "volumes that may not be listed may be there");
}

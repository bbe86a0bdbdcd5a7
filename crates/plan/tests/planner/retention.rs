//! What becomes of PVCs by the retention policy of their set, by its ownerReferences, and by keep.

use portolan_model::{ApplyMethod, Code, Finding, HelmClient, Object, Ref, Severity};
use serde_json::{Value, json};

use crate::fixture::{NS, at_2_13, new};
use crate::taken::{CLAIM, SET, edit, owned_by, owner, put, said};

#[test]
fn a_policy_that_turns_to_delete_on_the_way_is_found_in_the_hop_after() {
    let hops = [new("2.17.8"), new("2.20.41")];
    let plan = |first: &str| {
        let edit = |hop: usize, text: String| match hop {
            0 => text.replacen(
                "  volumeClaimTemplates:",
                &format!("  persistentVolumeClaimRetentionPolicy: {{whenDeleted: {first}}}\n  volumeClaimTemplates:"),
                1,
            ),
            _ => text.replace(
                &format!("metadata: {{name: {SET}}}\nspec:\n  replicas"),
                "metadata: {name: renamed}\nspec:\n  replicas",
            ),
        };
        at_2_13().file_of(&hops, &edit).expect("it can be planned").plan
    };
    let of = |first: &str| {
        let found: Vec<Finding> = plan(first).findings.into_iter().filter(|it| it.code == Code::DeletedWith).collect();
        said(&found)
            .into_iter()
            .map(|(_, blocks, object, field)| (blocks, object, field.to_owned()))
            .collect::<Vec<_>>()
    };
    let field = "/spec/persistentVolumeClaimRetentionPolicy/whenDeleted".to_owned();
    assert_eq!(of("Delete"), [(true, format!("StatefulSet/{SET}"), field)]);
    assert_eq!(of("Retain"), []);
}

#[test]
fn a_policy_that_turns_to_retain_on_the_way_helps_only_claims_that_are_not_owned() {
    let hops = [new("2.17.8"), new("2.20.41")];
    let of = |is_owned: bool| {
        let mut fixture = at_2_13();
        edit(&mut fixture, &Ref::set(NS, SET), |json| {
            json["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenDeleted": "Delete"});
        });
        if is_owned {
            owned_by(&mut fixture, &owner("apps/v1", "StatefulSet", SET, &format!("uid-statefulset-{SET}")));
        }
        let edit = |hop: usize, text: String| match hop {
            0 => text.replacen(
                "  volumeClaimTemplates:",
                "  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain}\n  volumeClaimTemplates:",
                1,
            ),
            _ => text.replace(
                &format!("metadata: {{name: {SET}}}\nspec:\n  replicas"),
                "metadata: {name: renamed}\nspec:\n  replicas",
            ),
        };
        let found = fixture.file_of(&hops, &edit).expect("it can be planned").plan.findings;
        found.iter().filter(|it| it.code == Code::DeletedWith).count()
    };
    // The controller takes the owner out some time after the first hop, and no step waits for that.
    assert_eq!(of(true), 1);
    assert_eq!(of(false), 0);
}

#[test]
fn keep_that_only_the_old_manifest_has_is_taken_off() {
    let claim = |annotations: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {CLAIM}{annotations}}}\nspec: {{resources: {{requests: {{storage: 8Gi}}}}}}\n"
        )
    };
    let [with, without] = [", annotations: {helm.sh/resource-policy: keep}", ""].map(claim);
    let of = |first: &str, second: &str| {
        let edit = |hop: usize, text: String| text + if hop == 0 { first } else { second };
        let mut fixture = at_2_13();
        let stored =
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM, "namespace": NS}});
        fixture.inventory.release.docs.push(Object::new(stored));
        let plan = fixture.file_of(&[new("2.17.8"), new("2.20.41")], &edit).expect("it can be planned").plan;
        let found = plan.findings.into_iter().filter(|it| it.code == Code::KeepRemoved);
        found.map(|it| (it.severity, it.object().map(Ref::to_string), it.found)).collect::<Vec<_>>()
    };
    let [(severity, object, found)] = &of(&with, &without)[..] else { panic!("one finding") };
    assert_eq!((*severity, object.as_deref()), (Severity::Warning, Some(&*format!("PersistentVolumeClaim/{CLAIM}"))));
    assert!(found.starts_with("control-plane 2.20.41 takes"), "{found}");
    assert_eq!(of(&with, &with), []);
    assert_eq!(of(&without, &without), [], "keep that only Portolan sets stays");
    assert_eq!(of(&without, &with), []);
    assert_eq!(of(&with, ""), [], "a PVC that leaves the chart is kept by the live annotation");
}

#[test]
fn keep_that_the_new_manifest_empties_is_said_as_it_is() {
    let claim = |policy: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {CLAIM}, annotations: {{helm.sh/resource-policy: {policy}}}}}\nspec: {{resources: {{requests: {{storage: 8Gi}}}}}}\n"
        )
    };
    let edit = |hop: usize, text: String| text + &claim(if hop == 0 { "keep" } else { "''" });
    let mut fixture = at_2_13();
    fixture.inventory.release.docs.push(Object::new(
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM, "namespace": NS}}),
    ));
    let plan = fixture.file_of(&[new("2.17.8"), new("2.20.41")], &edit).expect("it can be planned").plan;
    let found = plan.findings.into_iter().find(|it| it.code == Code::KeepRemoved).expect("it is said");
    assert!(found.evidence[0].ends_with("2.20.41 has ``"), "{found:?}");
}

#[test]
fn keep_of_two_writers_stays_under_a_server_side_apply() {
    let claim = |annotations: &Value| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM, "namespace": NS,
            "annotations": annotations}})
    };
    let keep = json!({"helm.sh/resource-policy": "keep"});
    let of = |helm: &str, apply: ApplyMethod, writers: &[&str]| {
        let mut fixture = at_2_13();
        fixture.inventory.release.apply = apply;
        fixture.inventory.helm = Some(HelmClient::Simulated { version: helm.parse().expect("a version") });
        fixture.inventory.release.docs.push(Object::new(claim(&keep)));
        let written = |writer: &&str| json!({"manager": writer, "fieldsV1": {"f:metadata": {"f:annotations": {"f:helm.sh/resource-policy": {}}}}});
        edit(&mut fixture, &Ref::claim(NS, CLAIM), |json| {
            json["metadata"]["annotations"] = keep.clone();
            json["metadata"]["managedFields"] = writers.iter().map(written).collect();
        });
        let its =
            fixture.inventory.volumes.iter_mut().find(|volume| volume.claim.name() == CLAIM).expect("it is there");
        its.keep_live = Some("keep".into());
        let new_claim = format!("---\n{}\n", claim(&json!({})));
        let plan = fixture.file_of(&[new("2.20.41")], &|_, text| text + &new_claim).expect("it can be planned").plan;
        plan.findings.iter().filter(|it| it.code == Code::KeepRemoved).count()
    };
    assert_eq!(of("4.3.1", ApplyMethod::Server, &["helm"]), 1);
    assert_eq!(of("4.3.1", ApplyMethod::Server, &["helm", "kubectl-annotate"]), 0);
    assert_eq!(of("4.3.1", ApplyMethod::Client, &["helm", "kubectl-annotate"]), 1);
    assert_eq!(
        of("3.22.0", ApplyMethod::Server, &["helm", "kubectl-annotate"]),
        1,
        "helm 3 works its patch out itself"
    );
}

#[test]
fn nobody_is_told_to_wait_for_an_owner_reference_that_stays() {
    let next = |more: &str| {
        let mut fixture = at_2_13();
        edit(&mut fixture, &Ref::set(NS, SET), |json| {
            json["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenDeleted": "Delete"});
        });
        let owner = owner("apps/v1", "StatefulSet", SET, &format!("uid-statefulset-{SET}"));
        owned_by(&mut fixture, &owner);
        if !more.is_empty() {
            let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": more, "namespace": NS,
                "uid": "uid-more", "ownerReferences": [owner]}, "spec": {"volumeName": "v"}});
            put(&mut fixture, false, claim);
        }
        let edit = |_: usize, text: String| {
            text.replace(
                &format!("metadata: {{name: {SET}}}\nspec:\n  replicas"),
                "metadata: {name: renamed}\nspec:\n  replicas",
            )
        };
        let file = fixture.file_of(&[new("2.20.41")], &edit).expect("it can be planned");
        let found = file.plan.findings.into_iter().find(|it| it.code == Code::DeletedWith);
        found.expect("it is deleted with its set").next
    };
    assert!(next("").contains("wait until its PVCs have no ownerReferences"), "{}", next(""));
    // Of a replica that the set does not have, its controller takes nothing off.
    let advice = next("data-runai-backend-postgresql-1");
    assert!(advice.contains("data-runai-backend-postgresql-1") && !advice.contains("wait until"), "{advice}");
}

#[test]
fn fewer_replicas_delete_claims_where_the_policy_says_so() {
    let of = |policy: &str| {
        let mut fixture = at_2_13();
        edit(&mut fixture, &Ref::set(NS, SET), |json| json["spec"]["replicas"] = json!(2));
        put(
            &mut fixture,
            false,
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": format!("data-{SET}-1"), "namespace": NS}}),
        );
        let edit = |_: usize, text: String| {
            text.replacen(
                "  volumeClaimTemplates:",
                &format!("  persistentVolumeClaimRetentionPolicy: {{whenScaled: {policy}}}\n  volumeClaimTemplates:"),
                1,
            )
        };
        let file = fixture.file_of(&[new("2.20.41")], &edit).expect("it can be planned");
        let found: Vec<Finding> = file.plan.findings.into_iter().filter(|it| it.code == Code::DeletedWith).collect();
        said(&found).into_iter().map(|(_, _, object, field)| (object, field.to_owned())).collect::<Vec<_>>()
    };
    let field = "/spec/persistentVolumeClaimRetentionPolicy/whenScaled".to_owned();
    assert_eq!(of("Delete"), [(format!("StatefulSet/{SET}"), field)]);
    assert_eq!(of("Retain"), []);
}

//! What helm's patch leaves out of an object, and PVCs that are left over and get a program of the new chart.

use portolan_model::{ApplyMethod, Code, Finding, HelmClient, Object, Plan, Ref};
use semver::Version;
use serde_json::json;

use crate::fixture::{Fixture, NS};
use crate::store::{PLAIN, installed, plan, set};

/// Severity, object and field of what is found with a code.
fn said(plan: &Plan, code: Code) -> Vec<String> {
    let one = |finding: &Finding| {
        let object = finding.object().map_or_else(String::new, ToString::to_string);
        format!("{:?} {object} {}", finding.severity, finding.field().unwrap_or_default())
    };
    plan.findings.iter().filter(|finding| finding.code == code).map(one).collect()
}

fn service(ports: &str) -> String {
    format!("---\napiVersion: v1\nkind: Service\nmetadata: {{name: dns}}\nspec: {{ports: [{ports}]}}\n")
}

const UDP: &str = "{name: u, port: 53, protocol: UDP}";

#[test]
fn what_shares_a_key_with_another_item_does_not_reach_the_cluster() {
    let store = set("", PLAIN);
    let fixture = installed(&(store.clone() + &service(UDP)), &json!({"csi": {}}));
    let with = |fixture: &Fixture, port: &str| {
        let two = service(&format!("{UDP}, {{name: t, port: {port}, protocol: TCP}}"));
        said(&plan(fixture, &(store.clone() + &two)), Code::LeftOut)
    };
    assert_eq!(with(&fixture, "53"), ["Blocking Service/dns /spec/ports/1"]);
    assert_eq!(with(&fixture, "54"), [""; 0]);
    // Server-side apply says it itself, in its dry run.
    let mut fixture = fixture;
    fixture.inventory.release.apply = ApplyMethod::Server;
    fixture.inventory.helm = Some(HelmClient::Simulated { version: Version::new(4, 1, 3) });
    assert_eq!(with(&fixture, "53"), [""; 0]);
    // What does not exist yet is created whole.
    let fresh = installed(&store, &json!({"csi": {}}));
    assert_eq!(with(&fresh, "53"), [""; 0]);
}

/// A StatefulSet of one pod that makes the PVC `data-NAME-0`.
fn makes(name: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  serviceName: {name}\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: c, \
         image: 'x/c:1', volumeMounts: [{{name: data, mountPath: /d}}]}}]}}}}\n  \
         volumeClaimTemplates:\n  - metadata: {{name: data}}\n    spec: {{resources: {{requests: {{storage: 1Gi}}}}}}\n"
    )
}

/// A Deployment on a PVC that it names.
fn names(claim: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: queue}}\nspec:\n  replicas: 1\n  \
         selector: {{matchLabels: {{app: queue}}}}\n  template: {{metadata: {{labels: {{app: queue}}}}, spec: {{containers: [{{name: c, \
         image: 'x/c:1'}}], volumes: [{{name: data, persistentVolumeClaim: {{claimName: {claim}}}}}]}}}}\n"
    )
}

/// An installation with a PVC that no workload of the release has.
fn with_claim(text: &str, claim: &str) -> Fixture {
    let mut fixture = installed(text, &json!({"csi": {}}));
    let json = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"volumeName": "pv-old"},
        "metadata": {"name": claim, "namespace": NS, "uid": "uid-old"}});
    fixture.inventory.objects.insert(Ref::claim(NS, claim), Object::new(json));
    fixture
}

#[test]
fn a_new_program_on_a_pvc_that_was_left_over_is_named() {
    let store = set("", PLAIN);
    let found = |fixture: &Fixture, new: &str| said(&plan(fixture, &(store.clone() + new)), Code::ForeignOwner);
    let claim = "data-queue-0";
    let left = with_claim(&store, claim);
    assert_eq!(found(&left, &makes("queue")), ["Blocking StatefulSet/queue /spec/volumeClaimTemplates"]);
    // Who names it does so on purpose.
    assert_eq!(found(&left, &names(claim)), ["Warning Deployment/queue /spec/template/spec/volumes"]);
    // Nothing is there; another PVC is; the program is not new; the PVC is one of the release's own.
    assert_eq!(found(&installed(&store, &json!({"csi": {}})), &makes("queue")), [""; 0]);
    assert_eq!(found(&with_claim(&store, "data-queue-1"), &makes("queue")), [""; 0]);
    assert_eq!(found(&with_claim(&(store.clone() + &makes("queue")), claim), &makes("queue")), [""; 0]);
    let spare = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: spare}\nspec: {resources: {requests: {storage: 1Gi}}}\n";
    let stored = with_claim(&(store.clone() + spare), "spare");
    assert_eq!(found(&stored, &(spare.to_owned() + &names("spare"))), [""; 0]);
    let mut known = with_claim(&store, claim);
    let mut volume = known.inventory.volumes[0].clone();
    volume.claim = Ref::claim(NS, claim);
    known.inventory.volumes.push(volume);
    assert_eq!(found(&known, &makes("queue")), [""; 0]);
}

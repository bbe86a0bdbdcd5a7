//! New PVCs of classes that make no volumes.

use super::*;

const CLAIM: &str = "PersistentVolumeClaim/n/wal";

fn claim(class: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: wal}}\nspec: {{storageClassName: {class}, accessModes: \
         [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}\n---\n"
    )
}

fn class(name: &str, provisioner: &str) -> String {
    format!(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {name}}}\nprovisioner: {provisioner}\n---\n"
    )
}

fn volume(name: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec: {{storageClassName: local, accessModes: [ReadWriteOnce], \
         capacity: {{storage: 1Gi}}{more}}}\nstatus: {{phase: Available}}\n---\n"
    )
}

/// What is said of new volumes. Objects that live without the marks of the release are somebody else's, which is told too.
fn of(case: Case) -> Vec<(Code, Severity, String, String)> {
    case.found().into_iter().filter(|found| found.0 == Code::NoNewVolume).collect()
}

fn refused(object: &str, field: &str) -> Vec<(Code, Severity, String, String)> {
    blocks(Code::NoNewVolume, object, field)
}

#[test]
fn a_class_without_a_provisioner_needs_volumes() {
    let local = class("local", "kubernetes.io/no-provisioner");
    let found = |live: &str, planned: &str| of(Case::new("", live, planned));
    assert_eq!(found(&local, &claim("local")), refused(CLAIM, "/spec"));
    assert_eq!(found(&format!("{local}{}", volume("pv", "")), &claim("local")), Vec::new());
    assert_eq!(found(&local, &format!("{}{}", volume("pv", ""), claim("local"))), Vec::new(), "the chart brings it");
    let taken = volume("pv", ", claimRef: {namespace: n, name: other}");
    assert_eq!(found(&format!("{local}{taken}"), &claim("local")), refused(CLAIM, "/spec"));
    let disk = volume("other", ", csi: {driver: example.com/disk}").replace("local", "fast");
    assert_eq!(found(&(class("fast", "example.com/disk") + &disk), &claim("fast")), Vec::new());
    // A PVC that is there needs none, and two need two.
    assert_eq!(found(&format!("{local}{}", claim("local")), &claim("local")).len(), 0);
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: s}\nspec: {replicas: 2, template: {spec: {containers: []}}, \
               volumeClaimTemplates: [{metadata: {name: d}, spec: {storageClassName: local, accessModes: [ReadWriteOnce], resources: \
               {requests: {storage: 1Gi}}}}]}\n";
    let at = "/spec/volumeClaimTemplates/0/spec";
    assert_eq!(found(&format!("{local}{}", volume("a", "")), set), refused("StatefulSet.apps/n/s", at));
    assert_eq!(found(&format!("{local}{}{}", volume("a", ""), volume("b", "")), set), Vec::new());
    // No class at all is the mark of volumes made by hand.
    assert_eq!(found("", &claim("''")), refused(CLAIM, "/spec"));
}

#[test]
fn a_class_of_the_chart_needs_a_provisioner_that_runs() {
    let planned = class("odd", "example.com/none") + &claim("odd");
    let found = |live: &str| of(Case::new("", live, &planned));
    assert_eq!(found(""), refused(CLAIM, "/spec"));
    let warned = vec![(Code::NoNewVolume, Severity::Warning, CLAIM.to_owned(), "/spec".to_owned())];
    assert_eq!(found(&class("other", "example.com/none")), warned);
    assert_eq!(found(&class("odd", "example.com/none")), warned, "the class is there today");
    assert_eq!(found(&volume("pv", ", csi: {driver: example.com/none}")), Vec::new());
    let driver = "apiVersion: storage.k8s.io/v1\nkind: CSIDriver\nmetadata: {name: example.com/none}\n";
    let there = Case::new("", "", &planned).answers(
        "get",
        "CSIDriver.storage.k8s.io/example.com/none",
        CheckAnswer::Found(docs(driver)),
    );
    assert_eq!(of(there), Vec::new());
}

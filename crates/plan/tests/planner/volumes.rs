//! PVs of the chart that hold data, and what a pod sees of itself in files. Each harmful form has a twin that says nothing.

use portolan_model::{Code, Plan, StepKind};
use serde_json::{Value, json};

use crate::store::{PLAIN, installed, plan, said, set};

const PV: &str = "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv-store}\nspec: {capacity: {storage: 1Gi}, \
    accessModes: [ReadWriteOnce], nfs: {server: s, path: /p}, persistentVolumeReclaimPolicy: POLICY}\n";

fn pv(policy: &str) -> String {
    PV.replace("POLICY", policy)
}

/// The plan where the chart has the PV before and after.
fn with(old: &str, new: &str) -> Plan {
    let source =
        json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "nfs": {"server": "s", "path": "/p"}});
    let store = set("", PLAIN);
    let mut fixture = installed(&(store.clone() + old), &source);
    let volume = fixture.inventory.volumes.last_mut().expect("the store's");
    let name = volume.volume.clone().expect("its PV");
    let policy = if old.contains("Policy: Retain") { "Retain" } else { "Delete" };
    volume.policy = Some(policy.into());
    let mut live: Value = (*fixture.inventory.objects[&name].0).clone();
    live["spec"]["persistentVolumeReclaimPolicy"] = policy.into();
    fixture.inventory.objects.insert(name, portolan_model::Object::new(live));
    plan(&fixture, &(store + new))
}

#[test]
fn a_pv_with_data_that_the_chart_changes_is_unknown() {
    let old = pv("Retain");
    let cases = [
        (
            "nodeAffinity",
            "nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [b]}]}]}}, nfs",
        ),
        ("mountOptions", "mountOptions: [ro], nfs"),
        ("claimRef", "claimRef: {name: other}, nfs"),
    ];
    for (field, text) in cases {
        let said = said(&with(&old, &old.replacen("nfs", text, 1)));
        assert_eq!(said, [format!("Unknown PL255 PersistentVolume/pv-store /spec/{field}")]);
    }
    let source = said(&with(&old, &old.replace("path: /p", "path: /q")));
    assert!(source.iter().any(|line| line == "Unknown PL255 PersistentVolume/pv-store /spec/nfs"), "{source:?}");
    for (what, new) in [
        ("nothing", old.clone()),
        ("a label", old.replace("{name: pv-store}", "{name: pv-store, labels: {a: b}}")),
        ("capacity", old.replace("storage: 1Gi", "storage: 2Gi")),
        ("the same capacity", old.replace("storage: 1Gi", "storage: 1024Mi")),
        ("access modes", old.replace("[ReadWriteOnce]", "[ReadWriteMany]")),
        ("class", old.replacen("nfs", "storageClassName: x, nfs", 1)),
    ] {
        assert_eq!(said(&with(&old, &new)), [""; 0], "{what}");
    }
}

#[test]
fn a_pv_that_the_chart_takes_retain_off_gets_it_again_after_helm() {
    let of = |old: &str, new: &str| {
        let plan = with(&pv(old), &pv(new));
        let told = plan.findings.iter().filter(|it| it.code == Code::KeepRemoved).count();
        let kinds: Vec<&StepKind> = plan.steps().map(|step| &step.kind).collect();
        let helm = kinds.iter().position(|kind| matches!(kind, StepKind::Helm { .. })).expect("helm runs");
        let again = kinds[helm + 1..].iter().filter_map(|kind| match kind {
            StepKind::RetainVolume { volume, before, .. } => Some(format!("{volume} {before}")),
            _ => None,
        });
        let problems: Vec<_> = portolan_plan::linter::lint(&plan).into_iter().map(|it| it.found).collect();
        assert_eq!(problems, [""; 0], "{old} {new}");
        (told, again.collect::<Vec<_>>())
    };
    let again = |policy: &str| (1, vec![format!("PersistentVolume/pv-store {policy}")]);
    assert_eq!(of("Retain", "Delete"), again("Delete"));
    assert_eq!(of("Retain", "Recycle"), again("Recycle"));
    // The patch sets what the chart has, though it had it before: the step before helm has changed what lives.
    assert_eq!(of("Delete", "Delete"), again("Delete"));
    assert_eq!(of("Retain", "Retain"), (0, Vec::new()));
    assert_eq!(of("Delete", "Retain"), (0, Vec::new()));
}

const FILE: &str = "name: store, image: 'x/store:1', args: ['--data=/data/db'], volumeMounts: [{name: data, mountPath: /data}, {name: info, mountPath: /info}]";

fn shows(volume: &str, metadata: &str, container: &str) -> String {
    let text = set("", container)
        .replace("labels: {app: store}}, spec", &format!("labels: {{app: store, line: {metadata}}}}}, spec"));
    text.replace("{name: cfg, configMap: {name: cfg}}", &format!("{{name: info, {volume}}}"))
}

#[test]
fn a_file_that_shows_another_label_to_the_program_of_the_data_is_told() {
    let item = "items: [{path: line, fieldRef: {fieldPath: \"metadata.labels['line']\"}}]";
    let volume = format!("downwardAPI: {{{item}}}");
    let projected = format!("projected: {{sources: [{{downwardAPI: {{{item}}}}}]}}");
    let reads = FILE.replace("'--data=/data/db'", "sh, -c, 'serve /data/$(cat /info/line)'");
    let upgrade = |volume: &str, container: &str, will: &str| {
        let source = json!({"csi": {}});
        said(&plan(&installed(&shows(volume, "a", container), &source), &shows(volume, will, container)))
    };
    let pod = "/spec/template/spec/volumes/1";
    for (volume, at) in [(&volume, "/downwardAPI"), (&projected, "/projected/sources/0/downwardAPI")] {
        assert_eq!(upgrade(volume, &reads, "b"), [format!("Blocking PL256 StatefulSet/store {pod}{at}/items/0")]);
        assert_eq!(upgrade(volume, FILE, "b"), [format!("Unknown PL255 StatefulSet/store {pod}{at}/items/0")]);
        assert_eq!(upgrade(volume, &reads, "a"), [""; 0]);
    }
    let other = volume.replace("labels['line']", "labels['app']");
    assert_eq!(upgrade(&other, &reads, "b"), [""; 0], "another label than the one in the file");
    let elsewhere = reads.replace("{name: info, mountPath: /info}", "{name: data, mountPath: /more}");
    assert_eq!(upgrade(&volume, &elsewhere, "b"), [""; 0], "the container does not mount it");
}

#[test]
fn the_pvc_of_an_ephemeral_volume_is_the_pods_own() {
    let with = |volume: &str| {
        let ephemeral = "{name: scratch, ephemeral: {volumeClaimTemplate: {spec: {resources: {requests: {storage: 1Gi}}}}}}, {name: cfg";
        set("", PLAIN).replacen("{name: cfg", &ephemeral.replace("scratch", volume), 1)
    };
    let claim = |name: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}}}\nspec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}\n"
        )
    };
    let old = set("", PLAIN) + &claim("store-0-scratch");
    let of =
        |volume: &str| said(&plan(&installed(&old, &json!({"csi": {}})), &(with(volume) + &claim("store-0-scratch"))));
    let refused = "Blocking PL262 StatefulSet/store /spec/template/spec/volumes/1/ephemeral".to_owned();
    assert!(of("scratch").contains(&refused), "{:?}", of("scratch"));
    assert!(!of("other").contains(&refused));
}

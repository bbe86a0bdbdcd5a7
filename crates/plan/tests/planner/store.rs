//! A store beside the platform's own workloads: a StatefulSet of one pod on a PVC that it names.

use portolan_helm_compat::manifest;
use portolan_model::{Code, Finding, Mount, Object, Plan, Ref, Severity, Uid, UninstallEffect, Verdict, Volume};
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS, at_2_13, new};

/// A pod's spec whose container mounts the PVC; the parts are YAML in flow style.
pub(crate) fn set(pod: &str, container: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: store}}\nspec:\n  replicas: 1\n  serviceName: store\n  \
         selector: {{matchLabels: {{app: store}}}}\n  template: {{metadata: {{labels: {{app: store}}}}, spec: {{{pod}containers: [{{{container}}}], \
         volumes: [{{name: data, persistentVolumeClaim: {{claimName: store}}}}, {{name: cfg, configMap: {{name: cfg}}}}]}}}}\n"
    )
}

/// The container of most tests.
pub(crate) const PLAIN: &str =
    "name: store, image: 'x/store:1', args: ['--data=/data/db'], volumeMounts: [{name: data, mountPath: /data}]";

/// An installation whose stored manifest and cluster have `text` too, and the PVC `store` on a volume of `source`.
pub(crate) fn installed(text: &str, source: &Value) -> Fixture {
    let mut fixture = at_2_13();
    let (docs, hooks) = manifest::split_hooks(manifest::parse(text, NS).expect("a manifest"));
    fixture.inventory.release.hooks = hooks;
    for doc in docs {
        let name = doc.name().expect("a name");
        let mut live = (*doc.0).clone();
        live["metadata"]["uid"] = format!("uid-{}", name.name()).into();
        live["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "Helm".into();
        fixture.inventory.objects.insert(name, Object::new(live));
        fixture.inventory.release.docs.push(doc);
    }
    let (claim, volume) = (Ref::claim(NS, "store"), Ref::volume("pv-store"));
    let mut spec = source.clone();
    spec["persistentVolumeReclaimPolicy"] = "Delete".into();
    spec["claimRef"] = json!({"uid": "uid-claim"});
    let objects = [
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"volumeName": "pv-store"},
            "metadata": {"name": "store", "namespace": NS, "uid": "uid-claim"}}),
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-store", "uid": "uid-volume"}, "spec": spec}),
    ];
    for object in objects.map(Object::new) {
        fixture.inventory.objects.insert(object.name().expect("a name"), object);
    }
    fixture.inventory.volumes.push(Volume {
        claim,
        claim_uid: Uid::new("uid-claim"),
        volume: Some(volume),
        volume_uid: Some(Uid::new("uid-volume")),
        policy: Some("Delete".into()),
        class: None,
        size: "1Gi".into(),
        keep_live: None,
        keep_stored: None,
        in_manifest: false,
        terminating: false,
        volume_terminating: false,
        mounts: vec![Mount { pod: Ref::pod(NS, "store-0"), workload: Some(Ref::set(NS, "store")) }],
        if_uninstalled: UninstallEffect { verdict: Verdict::Lost, why: String::new() },
    });
    fixture
}

/// The plan where the old manifest has `old` and the new one `new`.
pub(crate) fn plan(fixture: &Fixture, text: &str) -> Plan {
    fixture.file_of(&[new("2.20.41")], &|_, chart| chart + text).expect("it can be planned").plan
}

/// What is said about the store, in short: severity, code, object and field.
pub(crate) fn said(plan: &Plan) -> Vec<String> {
    let is_of_store = |finding: &&Finding| {
        finding.object().is_some_and(|name| name.name().starts_with("store") || name.name().starts_with("cfg"))
            || finding.subject.is_none() && finding.code == Code::NotSafe
    };
    let unmodelled = plan.unmodelled.iter().map(|it| format!("Unknown {} {} {}", it.code, it.object, it.field));
    let findings = plan.findings.iter().filter(is_of_store).filter(|finding| {
        finding.severity > Severity::Note && !plan.unmodelled.iter().any(|it| it.code == finding.code)
    });
    let findings = findings.map(|finding| {
        let object = finding.object().map_or_else(String::new, ToString::to_string);
        format!("{:?} {} {object} {}", finding.severity, finding.code, finding.field().unwrap_or_default())
    });
    findings.chain(unmodelled).collect()
}

//! Pods that write to where a volume lies without its PVC. Each harmful form has a twin that says nothing.

use serde_json::{Value, json};

use crate::fixture::NS;
use crate::store::{PLAIN, installed, plan, set};

/// A workload whose container mounts a volume.
fn pod(kind: &str, mount: &str, volume: &str) -> String {
    let spec = format!(
        "template: {{metadata: {{labels: {{app: tool}}}}, spec: {{containers: [{{name: c, image: 'x/tool:1', \
         volumeMounts: [{{name: v, mountPath: /v{mount}}}]}}], volumes: [{{name: v, {volume}}}]}}}}"
    );
    let (version, spec) = match kind {
        "CronJob" => ("batch/v1", format!("{{jobTemplate: {{spec: {{{spec}}}}}}}")),
        "Job" => ("batch/v1", format!("{{{spec}}}")),
        _ => ("apps/v1", format!("{{{spec}}}")),
    };
    format!("---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: tool}}\nspec: {spec}\n")
}

fn host(path: &str) -> String {
    pod("Deployment", "", &format!("hostPath: {{path: {path}}}"))
}

/// What reaches the store's volume, which has this source: code, object and field.
fn reached(source: &Value, old: &str, new: &str) -> Vec<String> {
    let plan = plan(&installed(&(set("", PLAIN) + old), source), &(set("", PLAIN) + new));
    let all = plan.unmodelled.iter().filter(|it| it.claim.name() == "store");
    all.map(|it| format!("{} {} {}", it.code, it.object, it.field)).collect()
}

#[test]
fn a_pod_that_comes_to_the_folder_of_a_volume_makes_it_unknown() {
    let here = json!({"hostPath": {"path": "/srv/pv"}});
    let found = ["PL255 Deployment/tool /spec/template/spec/volumes/0/hostPath/path"];
    for path in ["/srv/pv", "/srv/pv/", "/srv", "/", "/srv/pv/db", "/var/lib/kubelet"] {
        assert_eq!(reached(&here, "", &host(path)), found, "{path}");
        assert_eq!(reached(&here, &host(path), &host(path)), [""; 0], "{path} was there before");
        let read_only = pod("Deployment", ", readOnly: true", &format!("hostPath: {{path: {path}}}"));
        assert_eq!(reached(&here, "", &read_only), [""; 0], "{path} is only read");
        assert_eq!(reached(&here, &read_only, &host(path)), found, "{path} was only read before");
    }
    for path in ["/srv/pv2", "/etc", "/var/lib/kubelet/device-plugins"] {
        assert_eq!(reached(&here, "", &host(path)), [""; 0], "{path}");
    }
    // A wider mount than before, and one that is narrower.
    assert_eq!(reached(&here, &host("/srv/pv/a"), &host("/srv")), found);
    assert_eq!(reached(&here, &host("/srv"), &host("/srv/pv/a")), [""; 0]);
    for kind in ["StatefulSet", "DaemonSet", "Job", "CronJob"] {
        assert_eq!(reached(&here, "", &pod(kind, "", "hostPath: {path: /srv}")).len(), 1, "{kind}");
    }
    // A folder of what is mounted, and a PV of another kind.
    assert_eq!(reached(&here, "", &pod("Deployment", ", subPath: other", "hostPath: {path: /srv}")), [""; 0]);
    assert_eq!(reached(&here, "", &pod("Deployment", ", subPath: pv", "hostPath: {path: /srv}")).len(), 1);
    assert_eq!(reached(&json!({"local": {"path": "/srv/pv"}}), "", &host("/srv")).len(), 1);
    let csi = json!({"csi": {"driver": "d", "volumeHandle": "one"}});
    assert_eq!(reached(&csi, "", &host("/srv")), [""; 0]);
    assert_eq!(reached(&csi, "", &host("/var/lib/kubelet/pods")).len(), 1);
    assert_eq!(reached(&here, "", &host("/srv").replace("spec: {template", "spec: {replicas: 0, template")), [""; 0]);
}

#[test]
fn a_pod_that_comes_to_an_export_of_a_volume_makes_it_unknown() {
    let nfs = json!({"nfs": {"server": "files", "path": "/exports/store"}});
    let of = |volume: &str| reached(&nfs, "", &pod("Deployment", "", volume));
    assert_eq!(
        of("nfs: {server: files, path: /exports}"),
        ["PL255 Deployment/tool /spec/template/spec/volumes/0/nfs/path"]
    );
    assert_eq!(of("nfs: {server: files, path: /exports, readOnly: true}"), [""; 0]);
    assert_eq!(of("nfs: {server: others, path: /exports}"), [""; 0]);
}

/// A PV of this source for a PVC `second`, and that PVC.
fn second(source: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: pv-second}}\nspec: {{{source}, storageClassName: static, claimRef: {{namespace: {NS}, name: second}}}}\n\
         ---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: second}}\nspec: {{volumeName: pv-second, storageClassName: static}}\n"
    )
}

#[test]
fn a_second_volume_of_the_same_place_is_seen() {
    let here = json!({"hostPath": {"path": "/srv/pv"}});
    let user = |kind: &str| pod(kind, "", "persistentVolumeClaim: {claimName: second}");
    let same = second("hostPath: {path: /srv/pv}");
    let field = "PL255 Job/tool /spec/template/spec/volumes/0/persistentVolumeClaim/claimName";
    assert_eq!(reached(&here, "", &(user("Job") + &same)), [field]);
    assert_eq!(
        reached(&here, &same, &(user("StatefulSet") + &same)).len(),
        1,
        "the volumes were there, and nobody on the second"
    );
    let both = user("StatefulSet") + &same;
    assert_eq!(reached(&here, &both, &both), [""; 0]);
    assert_eq!(reached(&here, "", &(user("Job") + &second("hostPath: {path: /srv/other}"))), [""; 0]);
    assert_eq!(
        reached(&here, "", &(user("Job").replace("claimName: second", "claimName: second, readOnly: true") + &same)),
        [""; 0]
    );
    // One that is not bound and may be bound to it.
    let free = same
        .replace(&format!(", claimRef: {{namespace: {NS}, name: second}}"), "")
        .replace("volumeName: pv-second, ", "");
    assert_eq!(reached(&here, "", &(user("Job") + &free)), [field]);
    let csi = json!({"csi": {"driver": "d", "volumeHandle": "one"}});
    assert_eq!(reached(&csi, "", &(user("Job") + &second("csi: {driver: d, volumeHandle: one}"))).len(), 1);
    assert_eq!(reached(&csi, "", &(user("Job") + &second("csi: {driver: d, volumeHandle: two}"))), [""; 0]);
}

#[test]
fn a_hook_on_the_folder_of_a_volume_reaches_it_unless_it_only_reads() {
    let here = json!({"hostPath": {"path": "/srv/pv"}});
    let hook = |mount: &str| {
        pod("Job", mount, "hostPath: {path: /srv}")
            .replace("{name: tool}", "{name: tool, annotations: {helm.sh/hook: pre-upgrade}}")
    };
    assert_eq!(reached(&here, "", &hook("")), ["PL242 Job/tool /spec/template/spec/volumes/0/hostPath/path"]);
    assert_eq!(reached(&here, "", &hook(", readOnly: true")), [""; 0]);
    let same = second("hostPath: {path: /srv/pv}");
    let by_claim = hook("").replace("hostPath: {path: /srv}", "persistentVolumeClaim: {claimName: second}");
    assert_eq!(reached(&here, &same, &(by_claim + &same)).len(), 1);
}

#[test]
fn root_among_the_processes_of_the_node_reaches_every_volume() {
    let csi = json!({"csi": {"driver": "d", "volumeHandle": "one"}});
    let tool =
        |more: &str| pod("DaemonSet", "", "emptyDir: {}").replace("containers: [", &format!("{more}containers: ["));
    let sees = "hostPID: true, ";
    assert_eq!(reached(&csi, "", &tool(sees)), ["PL255 DaemonSet/tool /spec/template/spec/hostPID"]);
    assert_eq!(reached(&csi, &tool(""), &tool(sees)).len(), 1);
    assert_eq!(reached(&csi, &tool(sees), &tool(sees)), [""; 0], "it did before");
    let plain = "hostPID: true, securityContext: {runAsUser: 65534}, ";
    assert_eq!(reached(&csi, "", &tool(plain)), [""; 0], "it is not root");
    assert_eq!(reached(&csi, "", &tool("")), [""; 0]);
}

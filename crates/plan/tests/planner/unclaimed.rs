//! Data on pod volumes that are no PVC: another folder at the same path, and what goes with its pod. Each with harmless twins.

use portolan_model::{Code, Finding, Object, Ref, Severity};
use serde_json::{Value, json};

use crate::fixture::{Fixture, NS, at_2_13, new};
use crate::store::{PLAIN, installed, plan, set};

/// A workload of version `tag` with a volume at `/data`.
fn pod(kind: &str, tag: &str, mount: &str, volume: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: tool}}\nspec: {{template: {{metadata: {{labels: {{app: tool}}}}, spec: {{\
         containers: [{{name: c, image: 'x/tool:{tag}', env: [{{name: DATA_DIR, value: /data/db}}, {{name: CACHE_DIR, value: /tmp/x}}], \
         volumeMounts: [{{name: v, mountPath: /data{mount}}}]}}], volumes: [{{name: v, {volume}}}]}}}}}}\n"
    )
}

/// The same, held on its node.
fn held(pod: &str) -> String {
    pod.replace("containers: [", "nodeName: n, containers: [")
}

/// The findings about the workload: severity, code and field.
fn said(fixture: &Fixture, new: &str) -> Vec<String> {
    let plan = plan(fixture, &(set("", PLAIN) + new));
    let of_tool = |it: &&Finding| {
        let is_its = it.object().is_some_and(|name| name.name() == "tool");
        is_its && it.severity > Severity::Note && it.code != Code::MayNotOpen
    };
    let all = plan.findings.iter().filter(of_tool);
    all.map(|it| format!("{:?} {} {}", it.severity, it.code, it.field().unwrap_or_default())).collect()
}

fn of(old: &str, new: &str) -> Vec<String> {
    said(&installed(&(set("", PLAIN) + old), &json!({"csi": {}})), new)
}

#[test]
fn another_folder_at_the_same_path_is_refused() {
    let host = |tag: &str, mount: &str, path: &str| {
        held(&pod("Deployment", tag, mount, &format!("hostPath: {{path: {path}}}")))
    };
    let refused = ["Blocking PL264 /spec/template/spec/volumes/0/hostPath/path"];
    let old = host("1", "", "/srv/a");
    assert_eq!(of(&old, &host("2", "", "/srv/b")), refused);
    assert_eq!(of(&old, &host("2", "", "/srv")), refused);
    assert_eq!(of(&old, &host("2", "", "/srv/a/")), [""; 0]);
    let other = ["Blocking PL264 /spec/template/spec/containers/0/volumeMounts/0/subPath"];
    assert_eq!(of(&host("1", ", subPath: x", "/srv"), &host("2", ", subPath: y", "/srv")), other);
    assert_eq!(of(&host("1", ", subPath: x", "/srv"), &host("2", "", "/srv/x")), [""; 0], "it is the same folder");
    for (volume, field) in [
        ("emptyDir: {}", ""),
        ("persistentVolumeClaim: {claimName: new}", ""),
        ("nfs: {server: s, path: /srv/a}", "/nfs/path"),
    ] {
        let want = format!("Blocking PL264 /spec/template/spec/volumes/0{field}");
        assert_eq!(of(&old, &held(&pod("Deployment", "2", "", volume))), [want], "{volume}");
    }
    // The path moves with the folder; no command says what the program writes.
    let elsewhere = |path: &str| host("2", "", path).replace("mountPath: /data", "mountPath: /data2");
    assert_eq!(of(&old, &elsewhere("/srv/b")), refused);
    let with_path = |text: &str| text.replace("/data/db", "/data2/db");
    assert_eq!(of(&old, &with_path(&elsewhere("/srv/a"))), [""; 0], "the folder is there, at another path");
    let left = ["Blocking PL264 /spec/template/spec/containers/0/volumeMounts/0/mountPath"];
    assert_eq!(of(&old, &elsewhere("/srv/a")), left, "the program still looks at the old path");
    let nothing = host("2", "", "/srv/b").replace("mountPath: /data", "mountPath: /data2, readOnly: true");
    assert_eq!(of(&old, &nothing), [""; 0], "nothing is written in its place");
    let nfs =
        |server: &str, path: &str| pod("StatefulSet", "1", "", &format!("nfs: {{server: {server}, path: {path}}}"));
    let refused = ["Blocking PL264 /spec/template/spec/volumes/0/nfs/path"];
    assert_eq!(of(&nfs("a", "/x"), &nfs("b", "/x")), refused);
    assert_eq!(of(&nfs("a", "/x"), &nfs("a", "/y")), refused);
    assert_eq!(of(&nfs("a", "/x"), &nfs("a", "/x").replace("tool:1", "tool:2")), [""; 0]);
}

#[test]
fn what_is_no_data_may_be_elsewhere() {
    for (mount, from, to) in [
        (", readOnly: true", "hostPath: {path: /etc/a}", "hostPath: {path: /etc/b}"),
        ("", "hostPath: {path: /var/run/docker.sock}", "hostPath: {path: /run/containerd/containerd.sock}"),
        ("", "hostPath: {path: /x, type: Socket}", "hostPath: {path: /y, type: Socket}"),
        ("", "configMap: {name: a}", "configMap: {name: b}"),
        ("", "secret: {secretName: a}", "emptyDir: {}"),
    ] {
        let of_kind = |tag: &str, volume: &str| pod("Deployment", tag, mount, volume);
        assert_eq!(of(&of_kind("1", from), &of_kind("2", to)), [""; 0], "{from}");
    }
    let logs = |path: &str| {
        pod("Deployment", "1", "", &format!("hostPath: {{path: {path}}}"))
            .replace("mountPath: /data", "mountPath: /var/log")
    };
    assert_eq!(of(&logs("/a"), &logs("/b")), ["Warning PL264 /spec/template/spec/volumes/0/hostPath/path"]);
}

/// A workload whose file is given by a ConfigMap, its volume at `/data`.
fn with_file(kind: &str, file: &str, volume: &str) -> String {
    let mount = "volumeMounts: [{name: conf, mountPath: /etc/tool}, {name: v";
    let pod = pod(kind, "1", "", volume).replace("volumeMounts: [{name: v", mount);
    let pod = pod.replace("volumes: [", "volumes: [{name: conf, configMap: {name: tool}}, ");
    let pod = pod.replace("{name: DATA_DIR, value: /data/db}, ", "");
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tool"}, "data": {"tool.conf": file}});
    format!("{pod}---\n{map}\n")
}

#[test]
fn what_a_file_says_of_a_folder_without_a_pvc_is_compared() {
    let refused = ["Blocking PL264 /data/tool.conf"];
    for kind in ["DaemonSet", "StatefulSet", "Deployment"] {
        for volume in ["hostPath: {path: /srv/a}", "nfs: {server: s, path: /srv/a}"] {
            for (old, new) in [
                ("dir: /data/a", "dir: /data/b"),
                ("[store]\npath = /data/a", "[store]\npath = /data/b"),
                (r#"{"dir":"/data/a","level":"log"}"#, r#"{"dir":"/data/b","level":"log"}"#),
                (r#"{"dir":"/data/a","level":"log"}"#, r#"{"dir":"/var/tool","level":"log"}"#),
                (r#"{"dir":"a"}"#, r#"{"dir":"b"}"#),
                ("dir: /data/a", "level: debug"),
            ] {
                let file = |text: &str| with_file(kind, text, volume);
                assert_eq!(of(&file(old), &file(new)), refused, "{kind} {volume} {old} -> {new}");
            }
            for (old, new) in [
                ("dir: /data/a", "dir: /data/a/"),
                ("dir: /data/a", "level: debug\ndir: /data/a"),
                ("log-dir: /var/tool", "log-dir: /var/tool2"),
                (r#"{"dir":"/data/a","log":"/var/a"}"#, r#"{"dir":"/data/a","log":"/var/b"}"#),
            ] {
                let file = |text: &str| with_file(kind, text, volume);
                assert_eq!(of(&file(old), &file(new)), [""; 0], "{kind} {volume} {old} -> {new}");
            }
        }
    }
    // Nothing is kept there.
    let fleeting = |dir: &str| with_file("DaemonSet", &format!("dir: {dir}"), "hostPath: {path: /run/a}");
    assert_eq!(of(&fleeting("/data/a"), &fleeting("/data/b")), [""; 0]);
}

#[test]
fn pods_with_data_on_their_node_stay_there() {
    let on = |kind: &str, tag: &str, volume: &str, more: &str| {
        pod(kind, tag, "", volume).replace("containers: [", &format!("{more}containers: ["))
    };
    let host = "hostPath: {path: /srv/a}";
    let at = |field: &str| vec![format!("Blocking PL264 /spec/template/spec/{field}")];
    let free = |kind: &str| match kind {
        "DaemonSet" => Vec::new(),
        _ => vec!["Warning PL264 /spec/template/spec/nodeSelector".to_owned()],
    };
    let preferred = "affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1}]}}, ";
    for kind in ["DaemonSet", "StatefulSet", "Deployment"] {
        let of = |old: &str, new: &str| of(&on(kind, "1", host, old), &on(kind, "2", host, new));
        assert_eq!(of("", "nodeSelector: {disk: ssd}, "), at("nodeSelector"), "{kind}");
        assert_eq!(of("nodeSelector: {disk: ssd}, ", "nodeSelector: {disk: hdd}, "), at("nodeSelector"), "{kind}");
        assert_eq!(of("nodeName: a, ", "nodeName: b, "), at("nodeName"), "{kind}");
        assert_eq!(of("", "nodeSelector: {kubernetes.io/os: linux}, "), free(kind), "{kind}: it may begin anywhere");
        assert_eq!(self::of(&on(kind, "1", host, ""), &on(kind, "1", host, "")), [""; 0], "{kind}: its pod stays");
        assert_eq!(of("nodeSelector: {disk: ssd}, ", "nodeSelector: {disk: ssd}, "), [""; 0], "{kind}");
        let said = of("", preferred);
        assert_eq!(said, if kind == "DaemonSet" { Vec::new() } else { at("affinity/nodeAffinity") }, "{kind}");
        let nfs = |tag: &str, more: &str| on(kind, tag, "nfs: {server: s, path: /a}", more);
        let said = self::of(&nfs("1", ""), &nfs("2", "nodeSelector: {disk: ssd}, "));
        assert_eq!(said, [""; 0], "{kind}: an export is there from every node");
    }
}

/// A kubelet gives no file of a folder of its node, or of an export, to the group of a pod.
#[test]
fn another_user_of_a_folder_without_a_pvc_is_refused() {
    let as_user = |user: u32, volume: &str| {
        pod("DaemonSet", "1", "", volume)
            .replace("containers: [", &format!("securityContext: {{runAsUser: {user}, fsGroup: 5}}, containers: ["))
    };
    for volume in ["hostPath: {path: /srv/a}", "nfs: {server: s, path: /a}"] {
        let refused = ["Blocking PL223 /spec/template/spec/securityContext/runAsUser"];
        assert_eq!(of(&as_user(1, volume), &as_user(2, volume)), refused, "{volume}");
        assert_eq!(of(&as_user(1, volume), &as_user(1, volume)), [""; 0], "{volume}");
    }
    let logs = |user: u32| as_user(user, "hostPath: {path: /var/log}");
    assert_eq!(of(&logs(1), &logs(2)), [""; 0], "what is of the node is nobody's data");
    let host = |more: &str| {
        pod("DaemonSet", "1", "", "hostPath: {path: /srv/a}").replace("{name: c, ", &format!("{{name: c, {more}"))
    };
    let dropped = host("securityContext: {capabilities: {drop: [ALL]}}, ");
    let refused = ["Blocking PL264 /spec/template/spec/containers/0/securityContext/capabilities"];
    assert_eq!(of(&host(""), &dropped), refused);
    assert_eq!(of(&dropped, &host("")), [""; 0]);
}

#[test]
fn data_on_every_node_does_not_go_to_one() {
    let host = |kind: &str| pod(kind, "1", "", "hostPath: {path: /srv/a}");
    assert_eq!(of(&host("DaemonSet"), &host("Deployment")), ["Blocking PL264 /kind"]);
    assert_eq!(of(&host("Deployment"), &host("StatefulSet")), [""; 0]);
    assert_eq!(of(&host("DaemonSet"), &host("DaemonSet")), [""; 0]);
}

#[test]
fn programs_on_a_folder_without_a_pvc_are_compared() {
    let host = |more: &str, image: &str| {
        held(&pod("StatefulSet", "1", "", "hostPath: {path: /srv/a}"))
            .replace("image: 'x/tool:1'", &format!("image: '{image}'{more}"))
    };
    let at = |field: &str| vec![format!("Blocking PL264 /spec/template/spec/containers/0{field}")];
    let old = host("", "x/postgres:15");
    assert_eq!(of(&old, &host("", "x/postgres:16")), at("/image"));
    assert_eq!(of(&old, &host("", "x/postgres:15.2")), [""; 0]);
    let script = |text: &str| host(&format!(", command: [sh, -c, '{text}']"), "x/tool:1");
    assert_eq!(of(&script("exec tool"), &script("rm -rf /data/db; exec tool")), at("/command/2"));
    assert_eq!(of(&script("exec tool"), &script("echo hello; exec tool")), [""; 0]);
    let told = |text: &str| host(&format!(", args: ['--storage-backend={text}']"), "x/tool:1");
    assert_eq!(of(&told("file"), &told("memory")), at("/args"));
}

const EPHEMERAL: &str = "ephemeral: {volumeClaimTemplate: {spec: {resources: {requests: {storage: 1Gi}}}}}";

#[test]
fn an_ephemeral_volume_goes_with_its_pod_and_is_named() {
    let old = pod("StatefulSet", "1", "", EPHEMERAL);
    let with_pod = |policy: &str| {
        let mut fixture = installed(&(set("", PLAIN) + &old), &json!({"csi": {}}));
        let mut put = |json: Value| {
            let object = Object::new(json);
            fixture.inventory.objects.insert(object.name().expect("a name"), object);
        };
        put(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tool-0", "namespace": NS, "uid": "uid-pod",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "tool", "uid": "uid-tool", "controller": true}]},
            "spec": {"volumes": [{"name": "v", "ephemeral": {}}]}}),
        );
        put(
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "tool-0-v", "namespace": NS,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "tool-0", "uid": "uid-pod", "controller": true}]},
            "spec": {"volumeName": "pv-tool"}}),
        );
        put(json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-tool"},
            "spec": {"persistentVolumeReclaimPolicy": policy}}));
        fixture
    };
    let warned = ["Warning PL241 /spec/template/spec/volumes"];
    let fixture = with_pod("Delete");
    assert_eq!(said(&fixture, &pod("StatefulSet", "2", "", EPHEMERAL)), warned);
    assert_eq!(said(&fixture, &old), [""; 0], "its pods stay");
    assert_eq!(said(&fixture, ""), warned, "it leaves the chart");
    assert_eq!(
        of(&pod("Deployment", "1", ", readOnly: true", EPHEMERAL), &pod("Deployment", "2", "", EPHEMERAL)),
        [""; 0]
    );
    for (policy, text) in [
        ("Delete", "PersistentVolumeClaim/tool-0-v goes, and with it PersistentVolume/pv-tool"),
        ("Retain", "is Retain and stays"),
    ] {
        let plan = plan(&with_pod(policy), &set("", PLAIN));
        let evidence: Vec<&String> = plan.findings.iter().flat_map(|it| &it.evidence).collect();
        assert!(evidence.iter().any(|line| line.contains(text)), "{evidence:?}");
    }
}

#[test]
fn an_inline_csi_volume_is_named_and_compared() {
    let csi = |kind: &str, tag: &str, share: &str, more: &str| {
        let volume = format!("csi: {{driver: nfs.csi.example{more}, volumeAttributes: {{server: s, share: {share}}}}}");
        pod(kind, tag, "", &volume)
    };
    let refused = ["Blocking PL264 /spec/template/spec/volumes/0/csi"];
    for kind in ["StatefulSet", "Deployment", "DaemonSet"] {
        let old = csi(kind, "1", "/a", "");
        let warned = ["Warning PL241 /spec/template/spec/volumes"];
        assert_eq!(of(&old, &csi(kind, "2", "/a", "")), warned, "{kind}");
        assert_eq!(of(&old, &csi(kind, "2", "/b", "")), [refused, warned].concat(), "{kind}");
        assert_eq!(of(&old, &old), [""; 0], "{kind}: its pods stay");
        assert_eq!(
            of(&old, &csi(kind, "1", "/a", "").replace("driver: nfs", "driver: smb")),
            [refused, warned].concat()
        );
        let of_secrets = |share: &str| csi(kind, "1", share, ", readOnly: true");
        assert_eq!(of(&of_secrets("/a"), &of_secrets("/b")), [""; 0], "{kind}: nobody writes there");
    }
}

#[test]
fn a_data_directory_on_an_empty_dir_is_named() {
    let old = pod("StatefulSet", "1", "", "emptyDir: {}");
    let warned = ["Warning PL256 /spec/template/spec/containers/0"];
    assert_eq!(of(&old, &pod("StatefulSet", "2", "", "emptyDir: {}")), warned);
    assert_eq!(of(&old, &pod("StatefulSet", "2", "", "persistentVolumeClaim: {claimName: new}")), warned);
    assert_eq!(of(&old, &old), [""; 0], "its pods stay");
    assert_eq!(of(&pod("Deployment", "1", "", "emptyDir: {}"), &pod("Deployment", "2", "", "emptyDir: {}")), [""; 0]);
    let cache = |tag: &str| {
        pod("StatefulSet", tag, "", "emptyDir: {}")
            .replace("mountPath: /data", "mountPath: /tmp")
            .replace("DATA_DIR", "OTHER_DIR")
    };
    assert_eq!(of(&cache("1"), &cache("2")), [""; 0]);
}

#[test]
fn a_known_database_on_an_empty_dir_is_named() {
    let mut fixture = at_2_13();
    let name = Ref::set(NS, "runai-backend-postgresql");
    for object in fixture.inventory.objects.get_mut(&name).into_iter().chain(&mut fixture.inventory.release.docs) {
        if object.name().as_ref() == Some(&name) {
            let mut json = (*object.0).clone();
            json["spec"].as_object_mut().expect("a map").remove("volumeClaimTemplates");
            json["spec"]["template"]["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
            *object = Object::new(json);
        }
    }
    let warned = |fixture: &Fixture| {
        let findings = fixture.file_of(&[new("2.20.41")], &|_, text| text).expect("it can be planned").plan.findings;
        findings.iter().filter(|it| it.found.contains("keeps data that goes with its pods")).count()
    };
    assert_eq!(warned(&fixture), 1);
    assert_eq!(warned(&at_2_13()), 0);
}

#[test]
fn a_data_directory_on_no_mount_goes_with_its_pod_and_is_named() {
    let tool = |kind: &str, tag: &str, at: &str| {
        pod(kind, tag, "", "emptyDir: {}")
            .replace("name: DATA_DIR, value: /data/db", &format!("name: DATA_DIR, value: {at}"))
    };
    let of_kind = |kind: &str, at: &str| of(&tool(kind, "1", at), &tool(kind, "2", at));
    let named = ["Warning PL256 /spec/template/spec/containers/0"];
    assert_eq!(of_kind("StatefulSet", "/var/lib/tool"), named);
    assert_eq!(of_kind("StatefulSet", "/data/db"), named, "on the emptyDir");
    assert_eq!(
        of_kind("Deployment", "/var/lib/tool"),
        [""; 0],
        "what keeps nothing of its own has many such variables"
    );
    let unchanged = tool("StatefulSet", "1", "/var/lib/tool");
    assert_eq!(of(&unchanged, &unchanged), [""; 0], "its pods stay");
}

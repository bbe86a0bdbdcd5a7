//! Whether the new containers of a store find its data where the old ones left it.

use portolan_helm_compat::manifest;
use serde_json::json;

use crate::fixture::{NS, at_2_13};
use crate::store::{PLAIN, installed, plan, said, set};

const POD: &str = "/spec/template/spec";

/// What is said of an upgrade from one container to another.
fn moved(old: &str, new: &str) -> Vec<String> {
    said(&plan(&installed(&set("", old), &json!({"csi": {}})), &set("", new)))
}

fn refused(field: &str) -> Vec<String> {
    vec![format!("Blocking PL256 StatefulSet/store {POD}{field}")]
}

fn unknown(field: &str) -> Vec<String> {
    vec![format!("Unknown PL255 StatefulSet/store {POD}{field}")]
}

const BARE: &str = "name: store, image: 'x/store:1', volumeMounts: [{name: data, mountPath: /data}]";

#[test]
fn the_same_place_is_found() {
    let rename = |from: &str, to: &str| PLAIN.replace(from, to);
    let same = [
        PLAIN.to_owned(),
        rename("x/store:1", "y/store:1.5"),
        rename("name: store", "name: server"),
        rename("--data=", "--quiet', '--data="),
        rename("'--data=/data/db'", "'--data', '/data/db'"),
        rename("args:", "env: [{name: A, value: b}], resources: {limits: {cpu: 1}}, args:"),
        // The path and what names it move together.
        rename("/data", "/var/lib/store"),
        rename("mountPath: /data", "mountPath: /data/db, subPath: db"),
        rename("'--data=/data/db'", "'--data=/d/'").replace("mountPath: /data", "mountPath: /d, subPath: ./db"),
        rename("args: ['--data=/data/db']", "env: [{name: DATA, value: /data/db}], args: ['--data=$(DATA)']"),
        rename("args: ['--data=/data/db']", "command: [sh, -c, 'exec store --data=/data/db --more']"),
        // Beside the data.
        rename("args:", "env: [{name: LOG_DIR, value: /data/logs}], args:"),
        rename("volumeMounts: [", "volumeMounts: [{name: cfg, mountPath: /data/store.conf}, "),
        rename("mountPath: /data}", "mountPath: /data}, {name: data, mountPath: /backup, subPath: backup}"),
    ];
    for new in same {
        assert_eq!(moved(PLAIN, &new), Vec::<String>::new(), "{new}");
    }
    assert_eq!(moved(BARE, &BARE.replace("store:1", "store:1.5")), Vec::<String>::new());
}

#[test]
fn another_place_is_refused() {
    let mount = "/containers/0/volumeMounts/0";
    let cases = [
        (PLAIN, "mountPath: /data", "mountPath: /other", format!("{mount}/mountPath")),
        (PLAIN, "mountPath: /data", "mountPath: /data, subPath: db", format!("{mount}/subPath")),
        (PLAIN, "mountPath: /data", "mountPath: /data, subPathExpr: $(POD)", format!("{mount}/subPathExpr")),
        (PLAIN, "mountPath: /data}", "mountPath: /data, readOnly: true}", format!("{mount}/readOnly")),
        (PLAIN, "/data/db", "/data/db2", "/containers/0/args/0".into()),
        (PLAIN, "args: ['--data=/data/db'], ", "", "/containers/0/args".into()),
        (PLAIN, "'--data=/data/db'", "'--data=/var/db'", "/containers/0/args".into()),
        (BARE, "mountPath: /data", "mountPath: /other", format!("{mount}/mountPath")),
        (BARE, "mountPath: /data", "mountPath: /data, subPath: x", format!("{mount}/subPath")),
        (
            BARE,
            "volumeMounts: [{name: data, mountPath: /data}]",
            "volumeMounts: []",
            "/containers/0/volumeMounts".into(),
        ),
        (
            BARE,
            "volumeMounts:",
            "env: [{name: DATA_DIR, value: /data/x}], volumeMounts:",
            "/containers/0/env/0/value".into(),
        ),
        (BARE, "volumeMounts:", "command: [store, --dir, /data/x], volumeMounts:", "/containers/0/command/2".into()),
    ];
    for (old, from, to, field) in cases {
        assert_eq!(moved(old, &old.replace(from, to)), refused(&field), "{to}");
    }
    // A block device.
    let device = BARE
        .replace("volumeMounts: [{name: data, mountPath: /data}]", "volumeDevices: [{name: data, devicePath: /dev/d}]");
    let path = "/containers/0/volumeDevices/0/devicePath";
    assert_eq!(moved(&device, &device.replace("store:1", "store:1.5")), Vec::<String>::new());
    assert_eq!(moved(&device, &device.replace("/dev/d", "/dev/e")), refused(path));
    let without = device.replace(", volumeDevices: [{name: data, devicePath: /dev/d}]", "");
    assert_eq!(moved(&device, &without), refused("/containers/0/volumeMounts"));
    // The mount goes to a sidecar.
    let sidecar = BARE.replace("1', ", "1'}, {name: backup, image: 'x/backup:1', ");
    assert_eq!(moved(BARE, &sidecar), refused("/containers/0/volumeMounts"));
    let env = PLAIN.replace("args: ['--data=/data/db']", "env: [{name: DATA, value: /data/db}]");
    assert_eq!(moved(&env, &env.replace("/data/db", "/data/other")), refused("/containers/0/env/0/value"));
    let script = env.replace("volumeMounts:", "command: [sh, -c, 'DATA=/data/next exec store'], volumeMounts:");
    assert_eq!(moved(&env, &script), refused("/containers/0/command/2"));
    assert_eq!(moved(&env, &env.replace("env: [{name: DATA, value: /data/db}], ", "")), refused("/containers/0/env"));
    let work = BARE.replace("volumeMounts:", "workingDir: /data, volumeMounts:");
    assert_eq!(moved(&work, &work.replace("workingDir: /data, ", "")), refused("/containers/0/workingDir"));
}

#[test]
fn a_path_out_of_the_pods_own_labels_is_followed() {
    let env = "env: [{name: V, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['v']\"}}}, {name: DATA, value: /data/$(V)}]";
    let by_env = set("", &BARE.replace("volumeMounts:", &format!("{env}, volumeMounts:")));
    let by_folder =
        by_env.replace("mountPath: /data}", "mountPath: /data, subPathExpr: $(V)}").replace("/data/$(V)", "x");
    for (text, field) in
        [(by_env, "/containers/0/env/1/value"), (by_folder, "/containers/0/volumeMounts/0/subPathExpr")]
    {
        let labelled =
            |version: &str| text.replace("labels: {app: store}", &format!("labels: {{app: store, v: '{version}'}}"));
        let fixture = installed(&labelled("1"), &json!({"csi": {}}));
        assert_eq!(said(&plan(&fixture, &labelled("2"))), refused(field));
        assert_eq!(said(&plan(&fixture, &labelled("1"))), Vec::<String>::new());
    }
}

/// What is said where both charts have a container, and the pods are replaced for another reason.
fn replaced(kind: &str, container: &str) -> Vec<String> {
    let chart = |version: u8| {
        let text = set("", container).replace("kind: StatefulSet", &format!("kind: {kind}"));
        text.replace(
            "labels: {app: store}}",
            &format!("labels: {{app: store}}, annotations: {{version: '{version}'}}}}"),
        )
    };
    let fixture = installed(&chart(1), &json!({"csi": {}}));
    let said = |version: u8| -> Vec<String> {
        said(&plan(&fixture, &chart(version))).into_iter().filter(|text| text.contains("PL256")).collect()
    };
    assert_eq!(said(1), Vec::<String>::new(), "the pods stay: {kind} {container}");
    said(2)
}

#[test]
fn what_each_new_pod_has_anew_is_another_place() {
    let of = |field: &str| format!("env: [{{name: V, valueFrom: {{fieldRef: {{fieldPath: \"{field}\"}}}}}}");
    let by_env = |field: &str| {
        BARE.replace("volumeMounts:", &format!("{}, {{name: DIR, value: /data/$(V)}}], volumeMounts:", of(field)))
    };
    let by = |field: &str, more: &str| BARE.replace("volumeMounts:", &format!("{}], {more}, volumeMounts:", of(field)));
    for (kind, field) in [
        ("StatefulSet", "metadata.uid"),
        ("StatefulSet", "status.podIP"),
        ("StatefulSet", "status.podIPs"),
        ("StatefulSet", "status.hostIP"),
        ("StatefulSet", "spec.nodeName"),
        ("StatefulSet", "metadata.labels['controller-revision-hash']"),
        ("Deployment", "metadata.labels['pod-template-hash']"),
        ("Deployment", "metadata.name"),
    ] {
        let refused = |at: &str| vec![format!("Blocking PL256 {kind}/store {POD}{at}")];
        assert_eq!(replaced(kind, &by_env(field)), refused("/containers/0/env/1/value"), "{kind} {field}");
        let args = by(field, "args: ['--dir=/data/$(V)']");
        assert_eq!(replaced(kind, &args), refused("/containers/0/args/0"), "{kind} {field}");
        let script = by(field, "command: [sh, -c, 'exec store --dir=/data/${V}/db']");
        assert_eq!(replaced(kind, &script), refused("/containers/0/command/2"), "{kind} {field}");
        let folder = by(field, "args: [a]").replace("mountPath: /data}", "mountPath: /data, subPathExpr: d-$(V)}");
        assert_eq!(replaced(kind, &folder), refused("/containers/0/volumeMounts/0/subPathExpr"), "{kind} {field}");
        let logs = BARE
            .replace("volumeMounts:", &format!("{}, {{name: LOG_DIR, value: /data/$(V)}}], volumeMounts:", of(field)));
        assert_eq!(replaced(kind, &logs), Vec::<String>::new(), "{kind} {field}");
    }
    for (kind, field) in [
        ("StatefulSet", "metadata.name"),
        ("StatefulSet", "metadata.namespace"),
        ("StatefulSet", "metadata.labels['apps.kubernetes.io/pod-index']"),
        ("StatefulSet", "metadata.labels['statefulset.kubernetes.io/pod-name']"),
        ("StatefulSet", "metadata.labels['app']"),
        ("StatefulSet", "spec.serviceAccountName"),
        ("DaemonSet", "spec.nodeName"),
    ] {
        for container in [by_env(field), by(field, "args: ['--dir=/data/$(V)']")] {
            assert_eq!(replaced(kind, &container), Vec::<String>::new(), "{kind} {field}");
        }
    }
}

#[test]
fn a_path_out_of_resources_or_the_account_follows_them() {
    let from = "{resourceFieldRef: {resource: limits.memory}}";
    let container = |from: &str, memory: &str| {
        let env = format!(
            "resources: {{limits: {{memory: {memory}}}}}, env: [{{name: V, valueFrom: {from}}}, {{name: DIR, value: /data/$(V)}}], volumeMounts:"
        );
        BARE.replace("volumeMounts:", &env)
    };
    assert_eq!(moved(&container(from, "1Gi"), &container(from, "2Gi")), refused("/containers/0/env/1/value"));
    let other = container("{fieldRef: {fieldPath: metadata.namespace}}", "1Gi");
    assert_eq!(moved(&other, &other.replace("1Gi", "2Gi")), Vec::<String>::new());
}

#[test]
fn a_map_that_a_hook_writes_counts() {
    let env = BARE.replace(
        "volumeMounts:",
        "env: [{name: DATA, valueFrom: {configMapKeyRef: {name: paths, key: dir}}}], volumeMounts:",
    );
    let map = |events: &str, dir: &str| {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: paths, annotations: {{helm.sh/hook: '{events}'}}}}\ndata: {{dir: {dir}}}\n"
        )
    };
    let said = |events: &str, dir: &str| {
        let mut fixture = installed(&set("", &env), &json!({"csi": {}}));
        let live = manifest::parse(&map("pre-install", "/data/db"), NS).expect("a manifest").remove(0);
        fixture.inventory.objects.insert(live.name().expect("a name"), live);
        said(&plan(&fixture, &(set("", &env) + &map(events, dir))))
    };
    for events in ["pre-install,pre-upgrade", "post-upgrade"] {
        assert_eq!(said(events, "/data/next"), refused("/containers/0/env/0/valueFrom"), "{events}");
        assert_eq!(said(events, "/data/db"), Vec::<String>::new(), "{events}");
    }
    assert_eq!(said("pre-install", "/data/next"), Vec::<String>::new());
}

#[test]
fn what_may_matter_is_unknown() {
    let cases = [
        (PLAIN, "args:", "env: [{name: WAL_DIR, value: /data/wal}], args:", "/containers/0/env/0/value"),
        (BARE, "volumeMounts:", "args: ['--dir=/data'], volumeMounts:", "/containers/0/args/0"),
        (BARE, "volumeMounts: [", "volumeMounts: [{name: tmp, mountPath: /data/db}, ", "/containers/0/volumeMounts"),
    ];
    for (old, from, to, field) in cases {
        assert_eq!(moved(old, &old.replace(from, to)), unknown(field), "{to}");
    }
}

#[test]
fn a_file_that_names_the_path_counts() {
    let map = |text: &str| {
        format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cfg}}\ndata: {{store.conf: '{text}'}}\n")
    };
    let mounted = |path: &str| {
        BARE.replace("volumeMounts: [", "volumeMounts: [{name: cfg, mountPath: /etc/store}, ").replace("/data", path)
    };
    let said = |old: (&str, &str), new: (&str, &str)| {
        let fixture = installed(&(set("", &mounted(old.0)) + &map(old.1)), &json!({"csi": {}}));
        said(&plan(&fixture, &(set("", &mounted(new.0)) + &map(new.1))))
    };
    let nothing = Vec::<String>::new();
    assert_eq!(said(("/data", "dir /data/db"), ("/data", "port 1\n\n  dir /data/db")), nothing);
    assert_eq!(said(("/data", "dir /data/db"), ("/store", "dir /store/db")), nothing);
    assert_eq!(said(("/data", "port 1"), ("/data", "port 2")), nothing);
    let unknown = vec!["Unknown PL255 ConfigMap/cfg /data/store.conf".to_owned()];
    assert_eq!(said(("/data", "dir /data/db"), ("/data", "dir /data/other")), unknown);
    assert_eq!(said(("/data", "dir /data/db"), ("/data", "port 1")), unknown);
    assert_eq!(said(("/data", "port 1"), ("/data", "dir /data/db")), unknown);
    assert_eq!(
        said(("/data", "dir /data/db"), ("/store", "dir /data/db")),
        refused("/containers/0/volumeMounts/1/mountPath")
    );
    // A variable out of a map is given to the program.
    let env = BARE.replace("volumeMounts:", "envFrom: [{configMapRef: {name: cfg}}], volumeMounts:");
    let fixture = installed(&(set("", &env) + &map("/data/db").replace("store.conf", "DATA")), &json!({"csi": {}}));
    let plan = plan(&fixture, &(set("", &env) + &map("/data/x").replace("store.conf", "DATA")));
    assert_eq!(crate::store::said(&plan), refused("/containers/0/envFrom/0"));
}

#[test]
fn the_volume_must_stay_in_the_workload() {
    let gone = set("", BARE).replace("claimName: store", "claimName: other");
    let other = set("", BARE).replace("metadata: {name: store}", "metadata: {name: reader}");
    let said = said(&plan(&installed(&(set("", BARE) + &other), &json!({"csi": {}})), &(gone + &other)));
    assert_eq!(said, refused("/volumes/0/persistentVolumeClaim/claimName"));
    // Nothing mounts it any more: the volume's end is said, and where it went.
    let empty = set("", BARE).replace("persistentVolumeClaim: {claimName: store}", "emptyDir: {}");
    assert!(moved_to(&empty).contains(&refused("/volumes/0")[0]), "{:?}", moved_to(&empty));
    // A workload of another name takes its place, once its pods have gone.
    let stopped = set("", BARE).replace("replicas: 1", "replicas: 0");
    let taken_over = |text: &str| crate::store::said(&plan(&installed(&stopped, &json!({"csi": {}})), text));
    let renamed = set("", BARE).replace("metadata: {name: store}", "metadata: {name: store-v2}");
    assert_eq!(taken_over(&renamed), Vec::<String>::new());
    let elsewhere = renamed.replace("mountPath: /data", "mountPath: /other");
    assert_eq!(
        taken_over(&elsewhere),
        [format!("Blocking PL256 StatefulSet/store-v2 {POD}/containers/0/volumeMounts/0/mountPath")]
    );
}

fn moved_to(text: &str) -> Vec<String> {
    said(&plan(&installed(&set("", BARE), &json!({"csi": {}})), text))
}

#[test]
fn the_platforms_own_upgrade_says_nothing() {
    let plan = at_2_13().plan(&[crate::fixture::new("2.20.41")]);
    assert!(plan.unmodelled.is_empty(), "{:#?}", plan.unmodelled);
    assert!(plan.findings.iter().all(|finding| finding.code.to_string() != "PL256"), "{:#?}", plan.findings);
}

#[test]
fn another_database_of_the_server_is_named() {
    let env = PLAIN
        .replace("args:", "env: [{name: POSTGRES_DB, value: app}, {name: URL, value: 'postgres://u:p@h/app'}], args:");
    assert_eq!(moved(&env, &env.replace("store:1", "store:1.5")), Vec::<String>::new());
    let field = |at: u8| format!("Blocking PL276 StatefulSet/store {POD}/containers/0/env/{at}/value");
    let setting = format!("Unknown PL255 StatefulSet/store {POD}/containers/0/env");
    assert_eq!(moved(&env, &env.replace("value: app}", "value: other}")), [field(0), setting]);
    assert_eq!(moved(&env, &env.replace("@h/app", "@h2/other")), [field(1)]);
    assert_eq!(moved(&env, &env.replace("@h/app", "@h2/app")), Vec::<String>::new());
}

#[test]
fn a_variable_in_a_sub_path_is_followed() {
    let of = |folder: &str| {
        BARE.replace("volumeMounts:", &format!("env: [{{name: DIR, value: {folder}}}], volumeMounts:"))
            .replace("mountPath: /data", "mountPath: /data, subPathExpr: $(DIR)")
    };
    assert_eq!(moved(&of("a"), &of("a")), Vec::<String>::new());
    assert_eq!(moved(&of("a"), &of("b")), refused("/containers/0/volumeMounts/0/subPathExpr"));
}

#[test]
fn a_file_is_what_the_container_sees_and_not_a_key() {
    let map = |part: &str| format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cfg}}\n{part}\n");
    let two = map("data: {a.conf: 'dir=/data/a', b.conf: 'dir=/data/b'}");
    let mounted = |mount: &str| BARE.replace("volumeMounts: [", &format!("volumeMounts: [{{name: cfg, {mount}}}, "));
    let part = |key: &str| set("", &mounted(&format!("mountPath: /etc/store.conf, subPath: {key}"))) + &two;
    let item = |key: &str| {
        let items = format!("configMap: {{name: cfg, items: [{{key: {key}, path: store.conf}}]}}");
        set("", &mounted("mountPath: /etc/store")).replace("configMap: {name: cfg}", &items) + &two
    };
    let changed = |old: &str, new: &str| said(&plan(&installed(old, &json!({"csi": {}})), new));
    for (old, new) in [(part("a.conf"), part("b.conf")), (item("a.conf"), item("b.conf"))] {
        assert_eq!(changed(&old, &old), Vec::<String>::new());
        assert_eq!(changed(&old, &new), ["Unknown PL255 ConfigMap/cfg /data/b.conf"]);
    }
    // `dir=/data/a` and `dir=/data/b`.
    let binary =
        |text: &str| set("", &mounted("mountPath: /etc/store")) + &map(&format!("binaryData: {{store.conf: {text}}}"));
    let (a, b) = (binary("ZGlyPS9kYXRhL2E="), binary("ZGlyPS9kYXRhL2I="));
    assert_eq!(changed(&a, &a), Vec::<String>::new());
    assert_eq!(changed(&a, &b), ["Unknown PL255 ConfigMap/cfg /binaryData/store.conf"]);
}

#[test]
fn a_folder_that_each_start_names_anew_is_refused() {
    let of = |script: &str, more: &str| {
        BARE.replace("volumeMounts:", &format!("command: [sh, -c, '{script}'], {more}volumeMounts:"))
    };
    let other = "resources: {limits: {cpu: 1}}, ";
    for (script, is) in [
        ("exec s --data /data/$RANDOM", true),
        ("folder=/data/$(date +%s); mkdir -p $folder; exec s $folder", true),
        ("id=$(uuidgen); exec s --data /data/$id", true),
        ("exec s --data $(mktemp -d /data/XXXX)", true),
        ("cp /data/db /data/$(date +%s); exec s --data /data/db", false),
        ("exec s --data /data/db --log-dir /data/log/$(date +%F)", false),
        ("exec s --data /data/$(hostname)", false),
    ] {
        let found = if is { refused("/containers/0/command/2") } else { Vec::new() };
        assert_eq!(moved(&of(script, ""), &of(script, other)), found, "{script}");
        // The pod goes on.
        assert_eq!(moved(&of(script, ""), &of(script, "")), Vec::<String>::new(), "{script}");
    }
}

#[test]
fn a_folder_is_the_same_however_it_is_written() {
    let of = |folder: &str| {
        let script = "test -s \"$D\"/rows || exit 1; cd $D; exec s";
        BARE.replace("mountPath: /data", &format!("mountPath: {folder}")).replace(
            "volumeMounts:",
            &format!("env: [{{name: D, value: {folder}}}], command: [sh, -c, '{script}'], volumeMounts:"),
        )
    };
    for folder in ["/data/", "/data/."] {
        assert_eq!(moved(&of("/data"), &of(folder)), Vec::<String>::new(), "{folder}");
    }
}

#[test]
fn an_optional_object_that_leaves_the_chart_says_nothing_any_more() {
    let map = |name: &str| {
        format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{DIR: a, f: 'dir: /data/a'}}\n"
        )
    };
    let by_key = "env: [{name: DIR, valueFrom: {configMapKeyRef: {name: opt, key: DIR, optional: true}}}], ";
    let by_all = "envFrom: [{configMapRef: {name: opt, optional: true}}], ";
    for env in [by_key, by_all] {
        let args = BARE.replace("volumeMounts:", &format!("{env}args: ['--data=/data/$(DIR)'], volumeMounts:"));
        let sub = BARE.replace("volumeMounts:", &format!("{env}volumeMounts:"));
        let sub = sub.replace("mountPath: /data", "mountPath: /data, subPathExpr: x$(DIR)");
        for container in [args, sub] {
            let of =
                |new: &str| said(&plan(&installed(&(set("", &container) + &map("opt")), &json!({"csi": {}})), new));
            assert_eq!(of(&(set("", &container) + &map("opt"))), Vec::<String>::new(), "{container}");
            let found = of(&set("", &container));
            assert!(
                found.iter().any(|it| it.starts_with("Blocking PL256 StatefulSet/store")),
                "{container}: {found:?}"
            );
        }
    }
    // A file of it.
    let file = BARE.replace("volumeMounts: [", "volumeMounts: [{name: cfg, mountPath: /etc/store}, ");
    let text = set("", &file).replace("configMap: {name: cfg}", "configMap: {name: cfg, optional: true}");
    let fixture = installed(&(text.clone() + &map("cfg")), &json!({"csi": {}}));
    assert_eq!(said(&plan(&fixture, &(text.clone() + &map("cfg")))), Vec::<String>::new());
    assert_eq!(said(&plan(&fixture, &text)), ["Unknown PL255 ConfigMap/cfg /data/f"]);
}

#[test]
fn a_volume_over_a_folder_of_the_named_data_is_unknown() {
    let with = |path: &str, volume: &str| {
        let mount = format!("volumeMounts: [{{name: more, mountPath: {path}}}, ");
        let text = set("", &PLAIN.replace("volumeMounts: [", &mount));
        text.replace("volumes: [", &format!("volumes: [{{name: more, {volume}}}, "))
    };
    let of = |new: &str| said(&plan(&installed(&set("", PLAIN), &json!({"csi": {}})), new));
    for volume in ["emptyDir: {}", "image: {reference: 'x/files:1'}"] {
        assert_eq!(of(&with("/data/db/wal", volume)), unknown("/containers/0/volumeMounts"), "{volume}");
        for path in ["/data/db/tmp", "/data/other", "/var/more"] {
            assert_eq!(of(&with(path, volume)), Vec::<String>::new(), "{volume} at {path}");
        }
    }
    let there = with("/data/db/wal", "emptyDir: {}");
    let fixture = installed(&there, &json!({"csi": {}}));
    assert_eq!(said(&plan(&fixture, &there)), Vec::<String>::new(), "it was there before");
}

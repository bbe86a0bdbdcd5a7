//! The rig and the proxy before it, for real. Every test has a namespace of its own, and they run side by side.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use fs_err as fs;
use portolan_testkit::proxy::{Proxy, Seen};
use portolan_testkit::rig::{Namespace, PATIENCE, POSTGRES, Rig, STUB, Shape, pins};
use serde_json::{Value, json};

const PASSWORD: &str = "first-password";

/// A PostgreSQL with a volume, as a chart would make it.
fn install_database(rig: &Rig, space: &Namespace<'_>) {
    let labels = json!({"app": "db"});
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "serviceName": "db", "replicas": 1, "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    // A fresh hostPath volume belongs to root.
                    "initContainers": [{
                        "name": "hand-over", "image": POSTGRES, "imagePullPolicy": "Never",
                        "command": ["chown", "1001:1001", "/pgdata"], "securityContext": {"runAsUser": 0},
                        "volumeMounts": [{"name": "data", "mountPath": "/pgdata"}],
                    }],
                    "containers": [{
                        "name": "db", "image": POSTGRES, "imagePullPolicy": "Never",
                        "env": [{"name": "POSTGRES_PASSWORD", "value": PASSWORD}],
                        "volumeMounts": [{"name": "data", "mountPath": "/pgdata"}],
                    }],
                },
            },
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            }],
        },
    });
    rig.api().create(&format!("/apis/apps/v1/namespaces/{}/statefulsets", space.name()), &set).unwrap();
    space.wait_for_psql("db-0", PASSWORD).unwrap();
}

/// A pod that writes its environment's greeting to its log and stays.
fn run_shell(rig: &Rig, space: &Namespace<'_>) {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shell"},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
            "name": "shell", "image": POSTGRES, "imagePullPolicy": "Never",
            "command": ["sh", "-c", "echo hello; while true; do sleep 1; done"],
        }]},
    });
    rig.api().create(&format!("/api/v1/namespaces/{}/pods", space.name()), &pod).unwrap();
    space
        .wait("the pod", |space| {
            Ok(space.find("api/v1", "pods/shell")?.is_some_and(|pod| pod["status"]["phase"] == "Running"))
        })
        .unwrap();
}

fn through(rig: &Rig, proxy: &Proxy, space: &Namespace<'_>) -> Command {
    let mut command = Command::new(rig.build().kubernetes("kubectl"));
    command.arg("--kubeconfig").arg(proxy.kubeconfig()).args(["-n", space.name()]);
    command
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The creation of a config map in this namespace.
fn creates_map(space: &Namespace<'_>) -> impl Fn(&Seen) -> bool + Send + Sync + 'static {
    let path = format!("/api/v1/namespaces/{}/configmaps", space.name());
    move |seen| seen.method == "POST" && seen.path == path
}

fn map_exists(space: &Namespace<'_>, name: &str) -> bool {
    space.find("api/v1", &format!("configmaps/{name}")).unwrap().is_some()
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn rows_outlive_the_pod() {
    let rig = Rig::shared().unwrap();
    let space = rig.namespace("rows").unwrap();
    install_database(&rig, &space);
    let sql = "create table kept (id int primary key, payload text not null); \
               insert into kept select i, md5(i::text) from generate_series(1, 10000) i";
    space.psql("db-0", PASSWORD, sql).unwrap();
    let digest = "select count(*), md5(string_agg(payload, ',' order by id)) from kept";
    let before = space.psql("db-0", PASSWORD, digest).unwrap();
    assert!(before.starts_with("10000|"), "{before}");
    let uid = |space: &Namespace<'_>| -> Option<Value> {
        space.find("api/v1", "pods/db-0").unwrap().map(|pod| pod["metadata"]["uid"].clone())
    };
    let old = uid(&space).unwrap();
    rig.api().delete(&format!("/api/v1/namespaces/{}/pods/db-0", space.name())).unwrap();
    space.wait("another pod", |space| Ok(uid(space).is_some_and(|new| new != old))).unwrap();
    space.wait_for_psql("db-0", PASSWORD).unwrap();
    assert_eq!(space.psql("db-0", PASSWORD, digest).unwrap(), before);
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_dropped_namespace_leaves_no_volume() {
    let rig = Rig::shared().unwrap();
    let space = rig.namespace("volumes").unwrap();
    install_database(&rig, &space);
    let volumes = space.volumes().unwrap();
    assert_eq!(volumes.len(), 1);
    let path = format!("/api/v1/persistentvolumes/{}", volumes[0]["metadata"]["name"].as_str().unwrap());
    rig.api().patch(&path, &json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}})).unwrap();
    let folder = rig.folder(&volumes[0]).unwrap();
    assert!(folder.join("data/PG_VERSION").exists(), "{} holds no database", folder.display());
    let name = format!("/api/v1/namespaces/{}", space.name());
    drop(space);
    assert_eq!(rig.api().find(&name).unwrap(), None);
    assert_eq!(rig.api().find(&path).unwrap(), None);
    assert!(!folder.exists());
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn the_proxy_carries_logs_and_shells() {
    let rig = Rig::shared().unwrap();
    let space = rig.namespace("shells").unwrap();
    run_shell(&rig, &space);
    let proxy = Proxy::start(&rig).unwrap();
    assert_eq!(said(&through(&rig, &proxy, &space).args(["logs", "shell"]).output().unwrap()), "hello");
    for websockets in ["true", "false"] {
        let mut exec = through(&rig, &proxy, &space);
        exec.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets);
        assert_eq!(said(&exec.args(["exec", "shell", "--", "sh", "-c", "echo $((6 * 7))"]).output().unwrap()), "42");
    }
    let execs = proxy.log().iter().filter(|seen| seen.path.ends_with("/pods/shell/exec")).count();
    assert_eq!(execs, 2, "{:?}", proxy.log());
    assert_eq!(proxy.writes(), []);
    // What a watch sees arrives while the watch is open.
    let mut watching = through(&rig, &proxy, &space)
        .args(["get", "configmaps", "--watch-only", "-o", "name"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let is_open = |seen: &Seen| seen.path.ends_with("/configmaps") && seen.query.contains("watch=true");
    space.wait("the watch", |_| Ok(proxy.log().iter().any(is_open))).unwrap();
    said(&through(&rig, &proxy, &space).args(["create", "configmap", "late"]).output().unwrap());
    let (tell, told) = mpsc::channel();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(tell.send(line))));
    let mut heard = std::iter::from_fn(|| told.recv_timeout(PATIENCE).ok());
    let late = heard.find(|line| line == "configmap/late");
    watching.kill().unwrap();
    watching.wait().unwrap();
    reader.join().unwrap();
    assert_eq!(late.as_deref(), Some("configmap/late"));
    assert_eq!(proxy.writes().len(), 1);
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn the_proxy_counts_holds_and_fails() {
    let rig = Rig::shared().unwrap();
    let space = rig.namespace("proxy").unwrap();
    let proxy = Proxy::start(&rig).unwrap();
    let create = |name: &str| {
        let mut command = through(&rig, &proxy, &space);
        command.args(["create", "configmap", name]);
        command
    };
    let limit = PATIENCE;

    let hold = proxy.hold(creates_map(&space));
    let held = create("held").stdout(Stdio::piped()).spawn().unwrap();
    let parked = hold.wait_parked(limit).unwrap();
    assert!(parked.agent.starts_with("kubectl/"), "{parked:?}");
    assert!(!map_exists(&space, "held"));
    hold.release();
    said(&held.wait_with_output().unwrap());
    assert!(map_exists(&space, "held"));

    // Who is killed while a write of his is parked has never written.
    let hold = proxy.hold(creates_map(&space));
    let mut killed = create("killed").spawn().unwrap();
    hold.wait_parked(limit).unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    // The proxy hears of it over the connection, not at once.
    hold.wait_hung_up(limit).unwrap();
    hold.release();

    proxy.fail(2, creates_map(&space), 503);
    let (tell, told) = mpsc::channel();
    proxy.on_nth(1, creates_map(&space), move || tell.send(()).unwrap());
    said(&create("first").output().unwrap());
    told.try_recv().expect("what was to happen before the first request has happened");
    let second = create("second").output().unwrap();
    assert!(!second.status.success());
    let why = String::from_utf8_lossy(&second.stderr);
    assert!(why.contains("refused by the proxy"), "{why}");
    said(&create("third").output().unwrap());
    let there: Vec<bool> = ["killed", "first", "second", "third"].iter().map(|name| map_exists(&space, name)).collect();
    assert_eq!(there, [false, true, false, true]);

    let writes = proxy.writes();
    assert_eq!(writes.len(), 5, "{writes:?}");
    assert!(writes.iter().all(creates_map(&space)));
    assert!(proxy.log().iter().enumerate().all(|(place, seen)| seen.n == place + 1));
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn every_helm_goes_through_the_proxy() {
    let rig = Rig::shared().unwrap();
    let space = rig.namespace("helms").unwrap();
    let proxy = Proxy::start(&rig).unwrap();
    let chart = tempfile::tempdir().unwrap();
    let templates = chart.path().join("templates");
    fs::create_dir(&templates).unwrap();
    fs::write(chart.path().join("Chart.yaml"), "apiVersion: v2\nname: small\nversion: 1.0.0\n").unwrap();
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: of-{{ .Release.Name }}\n";
    fs::write(templates.join("map.yaml"), map).unwrap();
    for (number, version) in pins::HELM.iter().enumerate() {
        let release = format!("r{number}");
        let before = proxy.writes().len();
        let mut helm = Command::new(rig.helm(version).unwrap());
        helm.env("HOME", chart.path()).arg("--kubeconfig").arg(proxy.kubeconfig()).args(["-n", space.name()]);
        said(&helm.args(["install", &release]).arg(chart.path()).output().unwrap());
        assert!(map_exists(&space, &format!("of-{release}")));
        let writes = &proxy.writes()[before..];
        // The record, the map, and the record again as deployed.
        assert_eq!(writes.len(), 3, "helm {version}: {writes:?}");
        let agent = format!("Helm/{version}");
        assert!(writes.iter().all(|seen| seen.agent == agent), "helm {version}: {writes:?}");
    }
}

/// What of a rig is on this machine: its processes, mounts, link and cgroups.
fn traces(run: &Path, link: &str, cgroup: &str) -> Vec<String> {
    let folder = run.display().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let id = entry.file_name().to_string_lossy().into_owned();
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if id.bytes().all(|byte| byte.is_ascii_digit()) && String::from_utf8_lossy(&line).contains(&folder) {
            found.push(format!("process {id}"));
        }
    }
    found.extend(fs::read_to_string("/proc/mounts").unwrap().lines().filter(|l| l.contains(&folder)).map(Into::into));
    let class = Path::new("/sys/class/net").join(link);
    let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path().join(cgroup));
    let places = [class, run.to_owned(), Path::new("/sys/fs/cgroup").join(cgroup)];
    found.extend(places.into_iter().chain(hierarchies).filter(|p| p.exists()).map(|path| path.display().to_string()));
    found
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn a_second_rig_stands_beside_the_shared_one_and_leaves_nothing() {
    /// Takes the rig down even when the test fails.
    struct Down(String);
    impl Drop for Down {
        fn drop(&mut self) {
            if std::thread::panicking() {
                drop(Rig::down(&self.0));
            }
        }
    }
    let shared = Rig::shared().unwrap();
    let name = format!("second-{}", std::process::id());
    let guard = Down(name.clone());
    let rig = Rig::up(&name, Shape::Kubernetes).unwrap();
    assert_ne!(rig.state().index, shared.state().index);
    let groups = |rig: &Rig| rig.api().get("/apis").unwrap().to_string();
    assert!(groups(&shared).contains("route.openshift.io"));
    assert!(!groups(&rig).contains("openshift"));
    // Something runs on it when it goes down.
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stub"},
        "spec": {"containers": [{"name": "stub", "image": STUB, "imagePullPolicy": "Never"}]},
    });
    rig.api().create("/api/v1/namespaces/default/pods", &pod).unwrap();
    let mut waits = 0;
    while rig.api().get("/api/v1/namespaces/default/pods/stub").unwrap()["status"]["phase"] != "Running" {
        waits += 1;
        assert!(waits < 300, "the pod does not run");
        std::thread::sleep(Duration::from_millis(200));
    }
    let (run, link, cgroup) = (rig.run().to_owned(), rig.state().net().host_link(), rig.state().cgroup());
    let alive = traces(&run, &link, &cgroup);
    for part in ["process", "/sys/class/net", "/sys/fs/cgroup"] {
        assert!(alive.iter().any(|trace| trace.contains(part)), "no {part} among {alive:?}");
    }
    Rig::down(&name).unwrap();
    assert_eq!(traces(&run, &link, &cgroup), Vec::<String>::new());
    assert_eq!(Rig::find(&name).unwrap().map(|rig| rig.run().to_owned()), None);
    assert!(shared.api().is_ready());
    drop(guard);
}

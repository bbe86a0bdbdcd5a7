//! `kill -9` of a real upgrade at four points; run again, it ends as the undisturbed one did.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use portolan_testkit::proxy::Proxy;
use portolan_testkit::rig::{PATIENCE, Rig};
use portolan_trials::real::ClusterFixture;
use serde_json::Value;

const START: &str = "openshift-2.8";

/// A real upgrade by the real program.
struct Upgrade<'a> {
    site: ClusterFixture<'a>,
    proxy: Proxy,
    state: tempfile::TempDir,
    helm: PathBuf,
}

impl<'a> Upgrade<'a> {
    fn new(rig: &'a Rig) -> Self {
        let site = ClusterFixture::install(rig, START, "3.22.0").expect("an installation");
        site.write_rows(10_000).expect("rows");
        let helm = rig.helm("3.22.0").expect("the helm");
        Self { site, proxy: Proxy::start(rig).expect("a proxy"), state: tempfile::tempdir().expect("a folder"), helm }
    }

    fn portolan(&self, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_portolan"))
            .args(args)
            .args(["--yes", "-n", self.site.space().name()])
            .arg("--kubeconfig")
            .arg(self.proxy.kubeconfig())
            .arg("--helm")
            .arg(&self.helm)
            .arg("--state-dir")
            .arg(self.state.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("portolan starts")
    }

    fn begin(&self) -> Child {
        let charts = self.site.charts().expect("the charts");
        self.portolan(&["upgrade", "--to", "2.20", "--chart", &charts.display().to_string()])
    }

    /// The journal of the only run, line by line; empty while there is none.
    fn journal(&self) -> Vec<String> {
        find(self.state.path(), "journal.jsonl")
            .and_then(|path| std::fs::read_to_string(path).ok())
            .map(|text| text.lines().map(str::to_owned).collect())
            .unwrap_or_default()
    }

    /// The run's id: the name of its folder.
    fn id(&self) -> String {
        let journal = find(self.state.path(), "journal.jsonl").expect("a run was begun");
        journal.parent().and_then(Path::file_name).expect("it has a folder").to_string_lossy().into_owned()
    }

    /// Kills the program as soon as the journal has so many lines.
    fn kill_at_line(&self, mut child: Child, lines: usize) {
        let until = Instant::now() + PATIENCE;
        while self.journal().len() < lines {
            assert!(child.try_wait().expect("its state").is_none(), "it ended before line {lines}");
            assert!(Instant::now() < until, "line {lines} never came");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("it is killed");
        child.wait().expect("it is gone");
    }

    /// Goes on with the run to its end.
    fn go_on(&self) -> String {
        let status = self.portolan(&["apply", &self.id()]).wait().expect("it ends");
        assert!(status.success(), "apply, run again, ended with {status}: {:#?}", self.journal().last());
        self.dump()
    }

    /// The namespace without what differs from one run to the next.
    fn dump(&self) -> String {
        assert_eq!(self.site.rows().expect("rows").count, "10000");
        let protected = self.site.protected().expect("a bound PVC");
        let kinds = [
            ("api/v1", "persistentvolumeclaims"),
            ("api/v1", "secrets"),
            ("api/v1", "configmaps"),
            ("api/v1", "services"),
            ("api/v1", "serviceaccounts"),
            ("apis/apps/v1", "statefulsets"),
            ("apis/apps/v1", "deployments"),
            ("apis/batch/v1", "jobs"),
            ("apis/route.openshift.io/v1", "routes"),
        ];
        let mut lines = Vec::new();
        for (api, kind) in kinds {
            let list = self.site.space().find(api, kind).expect("a list").expect("the kind is served");
            for item in list["items"].as_array().into_iter().flatten() {
                // Records are compared by what they brought about; their number differs after a failed attempt.
                if item["type"] != "helm.sh/release.v1" {
                    lines.push(format!("{kind} {}", plain(kind, item.clone())));
                }
            }
        }
        lines.sort();
        lines.join("\n").replace(self.site.space().name(), "NAMESPACE").replace(protected.volume.name(), "VOLUME")
    }
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() { find(&path, name) } else { path.ends_with(name).then_some(path) }
    })
}

/// An object without identities, times and what the server chose.
fn plain(kind: &str, mut object: Value) -> Value {
    let without = |object: &mut Value, part: &str, fields: &[&str]| {
        if let Some(part) = object.pointer_mut(part).and_then(Value::as_object_mut) {
            fields.iter().for_each(|field| drop(part.remove(*field)));
        }
    };
    let meta = ["uid", "resourceVersion", "managedFields", "creationTimestamp", "generation", "ownerReferences"];
    without(&mut object, "/metadata", &meta);
    without(&mut object, "/spec", &["clusterIP", "clusterIPs", "volumeName"]);
    // The selector of a Job has its controller's UID; of all other kinds it says whose pods an object has.
    if kind == "jobs" {
        without(&mut object, "/spec", &["selector"]);
    }
    without(&mut object, "", &["status"]);
    // A job's labels carry its controller's UID.
    for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
        if let Some(labels) = object.pointer_mut(labels).and_then(Value::as_object_mut) {
            labels.retain(|key, _| !key.contains("controller-uid"));
        }
    }
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| key.starts_with("helm.sh/") || key.starts_with("meta.helm.sh/"));
    }
    object
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn killed_at_five_points_it_ends_as_the_undisturbed_run() {
    let rig = Rig::shared().expect("the rig");
    let (expected, lines) = {
        let upgrade = Upgrade::new(&rig);
        let status = upgrade.begin().wait().expect("it ends");
        assert!(status.success(), "{status}: {:#?}", upgrade.journal().last());
        (upgrade.dump(), upgrade.journal().len())
    };
    // Before the first write, half-way through the deletions, and while it waits for the workloads.
    let points = [3, lines / 2, lines - 5];
    std::thread::scope(|scope| {
        let (rig, expected) = (&rig, &expected);
        scope.spawn(move || {
            for point in points {
                let upgrade = Upgrade::new(rig);
                upgrade.kill_at_line(upgrade.begin(), point);
                assert_eq!(upgrade.go_on(), *expected, "killed at line {point}");
            }
        });
        // Helm makes about three requests an object, and there are 25: one while it reads, one while it writes.
        scope.spawn(move || [12, 37].into_iter().for_each(|n| killed_at_a_request_of_helms(rig, expected, n)));
    });
}

/// Helm goes on when its parent is killed at helm's n-th request; the next run waits for it.
fn killed_at_a_request_of_helms(rig: &Rig, expected: &str, n: usize) {
    let upgrade = Upgrade::new(rig);
    let pid = Arc::new(AtomicU32::new(0));
    let target = pid.clone();
    let kill = move || {
        let pid = i32::try_from(target.load(Ordering::SeqCst)).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    };
    upgrade.proxy.on_nth(n, |seen| seen.agent.starts_with("Helm/"), kill);
    let mut child = upgrade.begin();
    pid.store(child.id(), Ordering::SeqCst);
    let status = child.wait().expect("it is gone");
    assert!(!status.success(), "it was killed at helm's request {n}");
    assert_eq!(upgrade.go_on(), expected, "killed at helm's request {n}");
}

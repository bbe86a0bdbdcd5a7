use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use portolan_model::{ChartId, HelmClient, HelmOperation, ReleaseId, ValuesMode};

use super::*;

/// A program that is a shell script. It is written by another process: while one of ours has a file open for
/// writing, any child that another test starts at that moment has it too, and then it cannot be run.
pub(in crate::helm) fn script(folder: &Path, body: &str) -> PathBuf {
    let digest = portolan_model::Digest::of(body.as_bytes());
    let path = folder.join(format!("helm-{}", digest.short()));
    let status = std::process::Command::new("sh")
        .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(&path)
        .arg(body)
        .status();
    assert!(status.expect("a shell").success());
    path
}

fn run_of(program: &Path) -> HelmRun {
    let chart = ChartId { name: "control-plane".into(), version: semver::Version::new(2, 20, 41) };
    HelmRun {
        release: ReleaseId { namespace: "ns".into(), name: "rel".into() },
        base_revision: Some(1),
        client: HelmClient::Program {
            version: semver::Version::new(3, 14, 4),
            path: program.to_string_lossy().into_owned(),
            digest: super::super::digest(program).expect("a file"),
        },
        chart,
        archive: Some(portolan_model::Digest::of(b"")),
        values: Some(portolan_model::Digest::of(b"")),
        carried: Vec::new(),
        mode: ValuesMode::ResetThenReuse,
        manifest: portolan_model::Digest::of(b""),
        docs: std::collections::BTreeMap::new(),
        nondeterministic_fields: std::collections::BTreeMap::new(),
        required_keys: Vec::new(),
    }
}

fn token() -> HelmToken {
    HelmToken::of_label("t-0")
}

fn launch(folder: &Path, body: &str) -> Result<(), NotStarted> {
    fs::create_dir_all(folder.join("helm")).expect("a folder");
    let run = run_of(&script(folder, body));
    spawn(&Launch {
        op: HelmOperation::Upgrade,
        run: &run,
        token: &token(),
        folder,
        given: Some(Given { chart: Path::new("/chart.tgz"), values: b"{\"password\":\"hidden\"}" }),
        kubeconfig: None,
        context: "rig",
    })
}

async fn until_dead(folder: &Path) {
    // A minute: a busy machine is slow to start and end processes.
    for _ in 0..6000 {
        if !is_alive(folder, &token()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not end");
}

#[tokio::test]
async fn the_lock_lives_as_long_as_helm() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    assert!(!is_alive(folder, &token()), "never started");
    // The end is told by a file, so that the test waits for nothing but events.
    launch(folder, "while [ ! -e \"$(dirname $0)/go\" ]; do sleep 0.01; done; echo sorry >&2").expect("started");
    assert!(is_alive(folder, &token()));
    let values = values_path(folder, &token());
    assert_eq!(fs::metadata(&values).expect("there").permissions().mode() & 0o777, 0o600);
    let again = launch(folder, "true").expect_err("one token, one helm");
    assert_eq!(again, NotStarted::BeforeNow);
    fs::write(folder.join("go"), "").expect("a file");
    until_dead(folder).await;
    assert_eq!(ended_text(folder, &token()), "sorry");
}

#[tokio::test]
async fn a_child_of_helm_counts_as_helm() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    // A wrapper that is killed leaves the helm that it started.
    launch(folder, "sh -c ': > \"$1/up\"; while [ ! -e \"$1/go\" ]; do sleep 0.01; done' x \"$(dirname $0)\"; true")
        .expect("started");
    while !folder.join("up").exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let pid = fs::read_to_string(file(folder, &token(), "pid")).expect("a number");
    let pid = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a number"), rustix::process::Signal::KILL).expect("it was there");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(is_alive(folder, &token()));
    fs::write(folder.join("go"), "").expect("a file");
    until_dead(folder).await;
}

#[tokio::test]
async fn another_helm_than_the_planned_is_not_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = script(folder.path(), "true");
    let run = run_of(&path);
    fs::write(&path, "#!/bin/sh\nfalse\n").expect("replaced");
    let refused = spawn(&Launch {
        op: HelmOperation::Upgrade,
        run: &run,
        token: &token(),
        folder: folder.path(),
        given: Some(Given { chart: Path::new("/chart.tgz"), values: b"{}" }),
        kubeconfig: None,
        context: "",
    });
    let Err(NotStarted::Unusable(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("another program"), "{text}");
}

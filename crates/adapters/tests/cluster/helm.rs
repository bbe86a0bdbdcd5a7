//! With real helms: what they leave behind is what we read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use portolan_adapters::helm::{self, Given, Launch};
use portolan_model::{
    Carried, ChartId, Cond, Digest, HelmClient, HelmOperation, HelmRun, HelmToken, Object, Ref, ReleaseId,
    ReleaseStatus, Reply, SecretKey, Seen, ValuesMode, ValuesPath, Wait,
};
use serde_json::json;

use crate::{admin, in_time, kubeconfig, namespace};

const TEMPLATE: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  color: {{ required "a color is needed" .Values.color }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
data:
  password: {{ .Values.auth.password | b64enc }}
"#;

/// A hook that never ends, since no scheduler takes its pod: helm hangs there until it is killed.
const HOOK: &str = r#"
{{- if .Values.hang }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}
  annotations: { helm.sh/hook: pre-upgrade }
spec:
  template:
    spec:
      schedulerName: nobody
      restartPolicy: Never
      containers: [{ name: c, image: none }]
{{- end }}
"#;

pub(crate) fn helms() -> Vec<PathBuf> {
    let paths = std::env::var_os("PORTOLAN_TEST_HELM").expect("PORTOLAN_TEST_HELM");
    std::env::split_paths(&paths).collect()
}

pub(crate) fn command(helm: &Path) -> Command {
    let mut command = Command::new(helm);
    command.env("KUBECONFIG", kubeconfig());
    command
}

/// A chart's archive, packed by helm itself.
pub(crate) fn pack(helm: &Path, folder: &Path) -> Vec<u8> {
    let chart = folder.join("cp");
    std::fs::create_dir_all(chart.join("templates")).expect("a folder");
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: cp\nversion: 1.2.3\n"),
        ("values.yaml", "auth: { password: none }\nhang: false\n"),
        ("templates/all.yaml", TEMPLATE),
        ("templates/hook.yaml", HOOK),
    ];
    for (name, text) in files {
        std::fs::write(chart.join(name), text).expect("a file");
    }
    let packed = command(helm).args(["package", "cp"]).current_dir(folder).output();
    assert!(packed.expect("helm").status.success());
    std::fs::read(folder.join("cp-1.2.3.tgz")).expect("an archive")
}

pub(crate) fn run_of(client: HelmClient, namespace: &str) -> HelmRun {
    let nothing = Digest::of(b"");
    HelmRun {
        release: ReleaseId { namespace: namespace.into(), name: "rel".into() },
        base_revision: Some(1),
        client,
        chart: ChartId { name: "cp".into(), version: semver::Version::new(1, 2, 3) },
        archive: Some(nothing.clone()),
        values: Some(nothing.clone()),
        carried: vec![Carried {
            path: ValuesPath::new("auth.password"),
            from: SecretKey { secret: Ref::secret(namespace, "rel"), key: "password".into() },
        }],
        mode: ValuesMode::ResetThenReuse,
        manifest: nothing,
        docs: BTreeMap::new(),
        nondeterministic_fields: BTreeMap::new(),
        required_keys: Vec::new(),
    }
}

/// Installs the chart, and makes a run's folder with it.
fn installed(program: &Path, namespace: &str, folder: &Path) -> PathBuf {
    let archive = pack(program, folder);
    std::fs::create_dir_all(folder.join("helm")).expect("a folder");
    // Without an ending, as the archive keeps it.
    let chart = folder.join("0123abcd");
    std::fs::write(&chart, archive).expect("an archive");
    let done = command(program)
        .args(["install", "rel"])
        .arg(&chart)
        .args(["-n", namespace, "--set", "color=red"])
        .output()
        .expect("helm");
    assert!(done.status.success(), "{done:?}");
    chart
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn an_upgrade_leaves_a_record_with_its_token() {
    let client = admin().await;
    for program in helms() {
        let namespace = namespace(&client).await;
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let chart = installed(&program, &namespace, folder);
        let run = run_of(helm::find(Some(&program)).await.expect("a helm"), &namespace);
        helm::spawn(&Launch {
            op: HelmOperation::Upgrade,
            run: &run,
            token: &token(),
            folder,
            given: Some(Given { chart: &chart, values: br#"{"auth":{"password":"hidden"}}"# }),
            kubeconfig: client.kubeconfig(),
            context: client.context(),
        })
        .expect("started");
        let wait = Wait { step: 0, until: vec![Cond::HelmEnded(token())], limit: Duration::from_secs(60) };
        let lives = |token: &HelmToken| helm::is_alive(folder, token);
        assert_eq!(client.wait(&wait, "default", &lives, &mut |_, _| {}).await, Reply::Met);
        helm::tidy(folder, &token());
        assert!(!helm::values_path(folder, &token()).exists());

        let facts = client.releases(&run.release, &BTreeMap::new()).await.expect("records");
        assert_eq!(facts.len(), 2, "{}", helm::ended_text(folder, &token()));
        let (old, new) = (&facts[0], &facts[1]);
        assert_eq!((old.revision, old.status), (1, ReleaseStatus::Superseded));
        assert_eq!((new.revision, new.status), (2, ReleaseStatus::Deployed));
        assert_eq!(old.token, None);
        assert_eq!(new.token.as_ref().map(HelmToken::as_str), Some("t-0"));
        assert_eq!(new.chart, run.chart);
        assert_eq!(new.docs.len(), 2);
        assert_eq!(new.config, json!({ "color": "red", "auth": { "password": "hidden" } }));
        let made = client.see(&Ref::secret(&namespace, "rel")).await;
        assert!(matches!(&made, Seen::There(secret) if password(secret) == "aGlkZGVu"));
    }
}

fn token() -> HelmToken {
    HelmToken::of_label("t-0")
}

pub(crate) fn password(secret: &Object) -> &str {
    secret.text("/data/password")
}

/// Started by the test below in a process of its own, which is then killed.
#[tokio::test]
#[ignore = "a part of the test below"]
async fn victim() {
    let Ok(folder) = std::env::var("PORTOLAN_TEST_FOLDER") else {
        return;
    };
    let (namespace, program) = (
        std::env::var("PORTOLAN_TEST_NAMESPACE").expect("a namespace"),
        std::env::var("PORTOLAN_TEST_PROGRAM").expect("a program"),
    );
    let client = admin().await;
    let folder = Path::new(&folder);
    let run = run_of(helm::find(Some(Path::new(&program))).await.expect("a helm"), &namespace);
    helm::spawn(&Launch {
        op: HelmOperation::Upgrade,
        run: &run,
        token: &token(),
        folder,
        given: Some(Given { chart: &folder.join("0123abcd"), values: br#"{"hang":true}"# }),
        kubeconfig: client.kubeconfig(),
        context: client.context(),
    })
    .expect("started");
    std::future::pending::<()>().await;
}

#[tokio::test]
#[ignore = "needs the rig: cargo xtask test"]
async fn helm_lives_on_when_we_are_killed_and_is_known_to() {
    let client = admin().await;
    for program in helms() {
        let namespace = namespace(&client).await;
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        installed(&program, &namespace, folder);
        let mut victim = Command::new(std::env::current_exe().expect("ourselves"))
            .args(["--ignored", "--exact", "helm::victim"])
            .env("PORTOLAN_TEST_FOLDER", folder)
            .env("PORTOLAN_TEST_NAMESPACE", &namespace)
            .env("PORTOLAN_TEST_PROGRAM", &program)
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("a victim");
        let release = ReleaseId { namespace: namespace.clone(), name: "rel".into() };
        let newest = async || {
            let facts = client.releases(&release, &BTreeMap::new()).await.expect("records");
            facts.last().cloned().expect("a record")
        };
        assert!(in_time(async || newest().await.revision >= 2).await, "helm makes its record");
        assert!(helm::is_alive(folder, &token()));
        victim.kill().expect("killed");
        victim.wait().expect("dead");
        // Whoever held the lock for it is gone: helm itself holds it.
        assert!(helm::is_alive(folder, &token()), "it went on");
        let fact = newest().await;
        assert_eq!(
            (fact.status, fact.token.as_ref().map(HelmToken::as_str)),
            (ReleaseStatus::PendingUpgrade, Some("t-0"))
        );

        let pid = std::fs::read_to_string(folder.join("helm/t-0.pid")).expect("its number");
        let pid = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a number"), rustix::process::Signal::KILL).expect("it was there");
        assert!(in_time(async || !helm::is_alive(folder, &token())).await, "helm ends");
        assert_eq!(newest().await.status, ReleaseStatus::PendingUpgrade);
    }
}

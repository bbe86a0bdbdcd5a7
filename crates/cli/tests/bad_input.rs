//! What stops an upgrade before its first write: the real program on a real cluster, with a code, a message that names what
//! was found, and no write seen by the proxy.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use portolan_helm_compat::record;
use portolan_model::{Object, ReleaseStatus};
use portolan_testkit::proxy::Proxy;
use portolan_testkit::rig::{Rig, Shape, pins};
use portolan_trials::real::{ClusterFixture, DATABASE};
use serde_json::{Value, json};

/// This test takes away what others rely on, such as the default storage class: it has a rig of its own.
const RIG: &str = "bad-input";

struct Stage<'a> {
    rig: &'a Rig,
    site: ClusterFixture<'a>,
    proxy: Proxy,
    helm: PathBuf,
    scratch: tempfile::TempDir,
}

/// What the program said and how it ended.
struct Said {
    exit: i32,
    text: String,
}

impl Said {
    /// Fails where it did not end with this code, or did not say all of this.
    #[track_caller]
    fn says(&self, code: &str, exit: i32, words: &[&str]) {
        assert_eq!(self.exit, exit, "{}", self.text);
        for word in [format!("error[{code}]").as_str()].iter().chain(words) {
            assert!(self.text.contains(word), "`{word}` is not in:\n{}", self.text);
        }
        assert!(self.text.contains("  next: "), "no next action in:\n{}", self.text);
    }
}

impl<'a> Stage<'a> {
    fn new(rig: &'a Rig) -> Self {
        Self {
            rig,
            site: ClusterFixture::install(rig, "openshift-2.8", pins::HELM[1]).expect("an installation"),
            proxy: Proxy::start(rig).expect("a proxy"),
            helm: rig.helm(pins::HELM[1]).expect("the helm"),
            scratch: tempfile::tempdir().expect("a folder"),
        }
    }

    /// An upgrade that must not begin.
    fn upgrade(&self) -> Said {
        self.upgrade_as(self.proxy.kubeconfig(), &self.helm)
    }

    #[track_caller]
    fn upgrade_as(&self, kubeconfig: &Path, helm: &Path) -> Said {
        let out = Command::new(env!("CARGO_BIN_EXE_portolan"))
            .args(["upgrade", "--to", "2.20", "--yes", "-n", self.site.space().name()])
            .arg("--chart")
            .arg(self.site.charts().expect("the charts"))
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .arg("--helm")
            .arg(helm)
            .arg("--state-dir")
            .arg(self.scratch.path().join("state"))
            .stdin(Stdio::null())
            .output()
            .expect("portolan runs");
        assert_eq!(self.proxy.writes(), [], "nothing is written");
        // Long lines are folded for the reader.
        let text = String::from_utf8_lossy(&out.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        Said { exit: out.status.code().unwrap_or(-1), text: text.replace("next:", "  next:") }
    }

    fn path(&self, api: &str, rest: &str) -> String {
        format!("/{api}/namespaces/{}/{rest}", self.site.space().name())
    }

    /// A newer record of the release, in helm's own form.
    fn add_record(&self, change: impl FnOnce(&mut record::ReleaseRecord)) -> String {
        let first = self.rig.api().get(&self.path("api/v1", "secrets/sh.helm.release.v1.runai-backend.v1"));
        let mut record =
            record::decode(&Object::new(first.expect("the record")), self.site.space().name()).expect("it is readable");
        record.revision = 2;
        change(&mut record);
        let mut secret = (*record::encode(&record).0).clone();
        secret["metadata"]["namespace"] = json!(self.site.space().name());
        let path = self.path("api/v1", "secrets");
        self.rig.api().create(&path, &secret).expect("the record is written");
        format!("{path}/sh.helm.release.v1.runai-backend.v2")
    }
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn what_cannot_be_upgraded_is_not_touched() {
    // What an earlier failure left.
    Rig::down(RIG).expect("no such rig is left");
    let rig = Rig::up(RIG, Shape::Openshift).expect("the rig");
    let stage = Stage::new(&rig);
    records(&stage);
    helms(&stage);
    rights(&stage);
    classes(&stage);
    // These come last: after them there is nothing to upgrade.
    claims(&stage);
    drop(stage);
    Rig::down(RIG).expect("the rig goes");
}

/// A release that is not deployed, or whose newest record cannot be read.
fn records(stage: &Stage<'_>) {
    let states = [
        (ReleaseStatus::PendingUpgrade, "pending-upgrade"),
        (ReleaseStatus::PendingInstall, "pending-install"),
        (ReleaseStatus::PendingRollback, "pending-rollback"),
        (ReleaseStatus::Uninstalled, "uninstalled"),
    ];
    for (status, word) in states {
        let path = stage.add_record(|record| record.status = status);
        stage.upgrade().says("PL204", 13, &["revision 2 of release runai-backend is", word]);
        stage.rig.api().delete(&path).expect("the record goes");
    }
    let path = stage.add_record(|_| ());
    stage.rig.api().patch(&path, &json!({"data": {"release": "bm90IGEgcmVsZWFzZQ=="}})).expect("it is damaged");
    stage.upgrade().says("PL204", 13, &["the newest record of runai-backend, revision 2, is damaged"]);
    stage.rig.api().delete(&path).expect("the record goes");
}

fn helms(stage: &Stage<'_>) {
    let script = |name: &str, says: &str| {
        let path = stage.scratch.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\necho {says}\n")).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it may be run");
        path
    };
    let kubeconfig = stage.proxy.kubeconfig();
    let no_helm = stage.upgrade_as(kubeconfig, &script("strange", "hello"));
    no_helm.says("PL105", 10, &["cannot be used as helm", "it says its version is `hello`"]);
    stage.upgrade_as(kubeconfig, Path::new("/nowhere/helm")).says(
        "PL105",
        10,
        &["/nowhere/helm cannot be used as helm"],
    );
    stage.upgrade_as(kubeconfig, &script("old", "v3.13.3")).says("PL106", 10, &["is helm 3.13.3"]);
}

/// Somebody who may read everything and write nothing.
fn rights(stage: &Stage<'_>) {
    let api = stage.rig.api();
    let namespace = stage.site.space().name();
    let name = json!({"name": "reader"});
    api.create(
        &stage.path("api/v1", "serviceaccounts"),
        &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": name}),
    )
    .expect("an account");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": name,
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}],
    });
    api.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role).expect("a role");
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": name,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
    });
    api.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).expect("a binding");
    let kubeconfig = stage.scratch.path().join("reader.kubeconfig");
    let text = std::fs::read_to_string(stage.proxy.kubeconfig()).expect("the proxy's kubeconfig");
    let account = format!("system:serviceaccount:{namespace}:reader");
    std::fs::write(&kubeconfig, as_another(&text, &account)).expect("it is written");
    let said = stage.upgrade_as(&kubeconfig, &stage.helm);
    said.says(
        "PL237",
        10,
        &["patch PersistentVolume/", "patch PersistentVolumeClaim/pvc-postgresql", "create Secret/"],
    );
}

/// A kubeconfig for the same cluster, as somebody else.
fn as_another(kubeconfig: &str, user: &str) -> String {
    let mut config: Value = serde_saphyr::from_str(kubeconfig).expect("a kubeconfig is YAML");
    config["users"][0]["user"]["as"] = json!(user);
    config.to_string()
}

fn classes(stage: &Stage<'_>) {
    let path = "/apis/storage.k8s.io/v1/storageclasses/standard";
    let default = |is: &str| json!({"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": is}}});
    stage.rig.api().patch(path, &default("false")).expect("the class is changed");
    stage.upgrade().says("PL203", 3, &["PersistentVolumeClaim/data-runai-backend-redis-queue-master-0 will be new"]);
    stage.rig.api().patch(path, &default("true")).expect("the class is changed back");
}

fn claims(stage: &Stage<'_>) {
    let api = stage.rig.api();
    let protected = stage.site.protected().expect("a bound PVC");
    let volume = format!("/api/v1/persistentvolumes/{}", protected.volume.name());
    let claim = stage.path("api/v1", "persistentvolumeclaims/pvc-postgresql");
    api.patch(&volume, &json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}})).expect("it is retained");

    // It goes when its pod goes.
    api.delete(&claim).expect("the PVC is deleted");
    stage.upgrade().says("PL501", 3, &["PersistentVolumeClaim/pvc-postgresql is being deleted"]);

    // It is gone, and its volume is Released.
    api.patch(&stage.path("apis/apps/v1", "statefulsets/runai-backend-postgresql"), &json!({"spec": {"replicas": 0}}))
        .expect("the set is scaled down");
    let space = stage.site.space();
    space
        .wait("the end of the PVC", |space| {
            Ok(space.find("api/v1", "persistentvolumeclaims/pvc-postgresql")?.is_none())
        })
        .expect("it ends");
    assert_eq!(space.find("api/v1", &format!("pods/{DATABASE}")).expect("an answer"), None);
    space
        .wait("the release of the volume", |_| Ok(stage.rig.api().get(&volume)?["status"]["phase"] == "Released"))
        .expect("it is released");
    let released = format!("PersistentVolume/{} was bound to it: Released, Retain", protected.volume.name());
    stage.upgrade().says("PL236", 3, &["PersistentVolumeClaim/pvc-postgresql is not there", &released]);

    // A PVC whose volume is gone is Lost.
    let lost = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "pvc-postgresql", "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Gi"}}, "volumeName": "gone"},
    });
    api.create(&stage.path("api/v1", "persistentvolumeclaims"), &lost).expect("the PVC is made");
    space
        .wait("a lost PVC", |space| {
            let claim = space.find("api/v1", "persistentvolumeclaims/pvc-postgresql")?;
            Ok(claim.is_some_and(|claim| claim["status"]["phase"] == "Lost"))
        })
        .expect("it is lost");
    stage.upgrade().says("PL236", 3, &["PersistentVolumeClaim/pvc-postgresql has lost its volume gone", &released]);
}

//! The records that real helms make: read from Secrets and from `ConfigMap`s, whole and damaged.

use portolan_helm_compat::chart::PackedChart;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use portolan_adapters::kubernetes::Client;
use portolan_inventory::survey::{self, Survey};
use portolan_model::{Code, Driver, Finding, ReleaseId, ReleaseStatus};
use portolan_testkit::rig::{Namespace, Rig, pins};
use serde_json::json;
use tokio::runtime::Runtime;

const RELEASE: &str = "small";

/// A chart with one object and one hook.
fn chart(version: &str) -> PackedChart {
    let about = format!("apiVersion: v2\nname: small\nversion: {version}\nappVersion: \"app-{version}\"\n");
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: small}\ndata: {a: {{ .Values.a | quote }}}\n";
    let hook = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hooked, annotations: {helm.sh/hook: pre-upgrade}}\n";
    PackedChart::of_files(BTreeMap::from([
        ("Chart.yaml".to_owned(), about.into_bytes()),
        ("values.yaml".to_owned(), b"a: default\n".to_vec()),
        ("templates/map.yaml".to_owned(), map.as_bytes().to_vec()),
        ("templates/hook.yaml".to_owned(), hook.as_bytes().to_vec()),
    ]))
    .expect("a chart")
}

fn helm(rig: &Rig, space: &Namespace<'_>, program: &Path, driver: &str, arguments: &[&str], version: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = folder.path().join("small.tgz");
    fs_err::write(&archive, chart(version).archive).expect("a file");
    let out = Command::new(program)
        .args(arguments)
        .arg(RELEASE)
        .arg(&archive)
        .args(["-n", space.name(), "--kubeconfig"])
        .arg(rig.kubeconfig())
        .env("HOME", folder.path())
        .env("HELM_DRIVER", driver)
        .output()
        .expect("helm runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn look(client: &Client, runtime: &Runtime, space: &Namespace<'_>) -> Result<Survey, Finding> {
    let release = ReleaseId { namespace: space.name().into(), name: RELEASE.into() };
    runtime.block_on(portolan_workflow::survey_cluster(client, &release))
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn records_of_every_helm_and_driver_are_read() {
    let rig = Rig::shared().expect("the rig");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let client = runtime.block_on(Client::connect(Some(&rig.kubeconfig()), None)).expect("a client");
    for version in pins::HELM {
        for (driver, word) in [(Driver::Secret, "secret"), (Driver::ConfigMap, "configmap")] {
            let program = rig.helm(version).expect("the helm");
            let space = rig.namespace("records").expect("a namespace");
            helm(&rig, &space, &program, word, &["install"], "1.0.0");
            helm(&rig, &space, &program, word, &["upgrade", "--set", "a=given"], "2.0.0");
            let found =
                look(&client, &runtime, &space).unwrap_or_else(|finding| panic!("{version}, {word}: {finding:?}"));
            let release = &found.inventory.release;
            assert_eq!(release.driver, driver, "{version}");
            let history: Vec<_> = release
                .history
                .iter()
                .map(|its| (its.revision, its.status, its.chart.version.to_string(), its.app_version.as_str()))
                .collect();
            let expected = [
                (2, ReleaseStatus::Deployed, "2.0.0".to_owned(), "app-2.0.0"),
                (1, ReleaseStatus::Superseded, "1.0.0".to_owned(), "app-1.0.0"),
            ];
            assert_eq!(history, expected, "{version}, {word}");
            assert!(
                release.history.iter().all(|its| !its.deployed.is_empty() && !its.description.is_empty()),
                "{version}"
            );
            assert_eq!(release.config, json!({"a": "given"}), "{version}, {word}");
            assert_eq!(release.docs[0].text("/data/a"), "given", "{version}, {word}");
            assert_eq!(release.hooks.len(), 1, "{version}, {word}");
            assert_eq!(survey::upgradable(&found.inventory).is_ok(), driver == Driver::Secret);
            damaged(&rig, &client, &runtime, &space, driver);
        }
    }
}

/// The older record is told of, the newest one stops the survey.
fn damaged(rig: &Rig, client: &Client, runtime: &Runtime, space: &Namespace<'_>, driver: Driver) {
    let damage = |revision: u32| {
        let (plural, text) = match driver {
            Driver::Secret => ("secrets", "JSUl"),
            Driver::ConfigMap => ("configmaps", "%%%"),
        };
        let path = format!("/api/v1/namespaces/{}/{plural}/sh.helm.release.v1.{RELEASE}.v{revision}", space.name());
        rig.api().patch(&path, &json!({"data": {"release": text}})).expect("a patch");
    };
    damage(1);
    let release = look(client, runtime, space).expect("the newest record is whole").inventory.release;
    assert_eq!((release.history.len(), release.damaged[0].revision), (1, 1));
    damage(2);
    let finding = look(client, runtime, space).expect_err("the newest record is damaged");
    assert_eq!(finding.code, Code::NotDeployed);
    assert!(finding.found.contains("revision 2"), "{finding:?}");
}
